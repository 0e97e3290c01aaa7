/* SPDX-License-Identifier: Apache-2.0 */
/* classes.c - all kinds of devices, in one place and in order: for loading
 * saved state, for --help, and for tests that go through every one. */
#include "dev/classes.h"

#include "base/string.h"
#include "dev/acpi_pm.h"
#include "dev/debug_port.h"
#include "dev/i8042.h"
#include "dev/ioapic.h"
#include "dev/kvm_pv.h"
#include "dev/kvmclock.h"
#include "dev/lapic.h"
#include "dev/pci_host.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "dev/virtio_blk_pci.h"
#include "dev/virtio_rng.h"

const struct device_class *const device_class_tab[] = {
	&lapic_class,
	&ioapic_class,
	&pic_class,
	&pit_class,
	&rtc_class,
	&acpi_pm_class,
	&i8042_class,
	&uart_class,
	&debug_port_class,
	&kvmclock_class,
	&kvm_pv_class,
	&pci_host_class,
	&piix3_class,
	&piix4_pm_class,
	&virtio_blk_pci_class,
	&virtio_rng_pci_class,
	NULL,
};

const struct device_class *device_class_find(const char *name)
{
	for (unsigned i = 0; device_class_tab[i]; i++)
		if (str_equal(device_class_tab[i]->name, name))
			return device_class_tab[i];
	return NULL;
}
