/* SPDX-License-Identifier: Apache-2.0 */
/* classes.c - all kinds of devices, in one place and in order: for loading
 * saved state, for --help, and for tests that go through every one. */
#include "dev/classes.h"

#include "dev/acpi_pm.h"
#include "dev/debug_port.h"
#include "dev/i8042.h"
#include "dev/ioapic.h"
#include "dev/kvmclock.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/rtc.h"
#include "dev/uart.h"

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
	NULL,
};

static bool is_same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

const struct device_class *device_class_find(const char *name)
{
	for (unsigned i = 0; device_class_tab[i]; i++)
		if (is_same(device_class_tab[i]->name, name))
			return device_class_tab[i];
	return NULL;
}
