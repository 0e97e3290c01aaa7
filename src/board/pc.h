/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pc.h - the machine: a PC with an i440FX-compatible chip set. The only place
 * where devices and struct vm meet.
 */
#ifndef DOPPEL_BOARD_PC_H
#define DOPPEL_BOARD_PC_H

#include "base/base.h"
#include "base/err.h"
#include "dev/acpi_pm.h"
#include "dev/apic_bus.h"
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
#include "vm/backend.h"
#include "vm/vm.h"

/* Slots 0 and 1 are the chip set's, one is the entropy device's. */
#define PC_MAX_DISKS 29

struct pc_config {
	struct console *com1; /* NULL: nothing is plugged in */
	struct console *debug; /* what port 0xe9 writes to; may be NULL */
	bool debug_exit; /* port 0xf4 ends the machine */
	struct disk *const *disks; /* stay the caller's */
	unsigned disk_count;
	struct entropy *entropy; /* NULL: no entropy device */
};

/* Who drives an ISA interrupt line; the board joins them (wired or). */
enum pc_isa_source { PC_ISA_DEVICES, PC_ISA_PIRQS, PC_ISA_SOURCES };

struct pc {
	struct vm *vm;
	u16 isa_level[PC_ISA_SOURCES]; /* bit n: line n */

	struct apic_bus apic_bus;
	struct lapic *lapics; /* one for each processor */
	struct ioapic ioapic;
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct acpi_pm acpi_pm;
	struct i8042 i8042;
	struct uart com1;
	struct debug_port debug_port;
	struct kvmclock kvmclock;
	struct kvm_pv kvm_pv;

	struct pci_host pci_host;
	struct piix3 piix3;
	struct piix4_pm piix4_pm;
	struct virtio_rng_pci rng;
	struct virtio_blk_pci *disks;
	unsigned disk_count;
};

/*
 * Adds the devices to @vm, which was initialized and does not run yet. @pc
 * must stay until pc_fini.
 */
int pc_init(struct pc *pc, struct vm *vm, const struct pc_config *c,
	    struct err *e) MUST_CHECK;

/*
 * What firmware does before it loads a system: PCI addresses and interrupts,
 * trigger modes. pc_init has done it; to be called again after vm_reset.
 */
int pc_setup(struct pc *pc, struct err *e) MUST_CHECK;

/* Somebody presses the power button. Takes the device lock. */
void pc_power_button(struct pc *pc);

/* After vm_fini; zeroes are fine. */
void pc_fini(struct pc *pc);

#endif
