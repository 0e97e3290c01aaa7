/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apic_bus.h - what connects the local APICs, the I/O APIC and devices that
 * signal by message: it knows everybody and finds whom a message is for.
 *
 * Not a device: it keeps no state that a guest could see, and nothing that
 * changes while processors run. Any thread may send, with and without the device
 * lock.
 */
#ifndef DOPPEL_DEV_APIC_BUS_H
#define DOPPEL_DEV_APIC_BUS_H

#include "base/base.h"
#include "dev/apic_msg.h"
#include "vm/bus.h"

#define APIC_BUS_CPUS 64

struct lapic;

struct apic_bus_wiring {
	u64 base; /* of all local APICs: each processor sees its own */
	/* A level-triggered interrupt was ended: the I/O APIC wants to know.
	 * Called without the device lock. */
	void (*eoi)(void *dev, u8 vector);
	void *eoi_dev;
};

struct apic_bus {
	struct apic_bus_wiring w;
	/* To be registered by the wiring: the register page; APIC base,
	 * deadline, x2APIC. */
	struct own_range page;
	struct msr_range msrs[3];
	struct lapic *cpu[APIC_BUS_CPUS]; /* by APIC id */
	unsigned count;
};

/* Whom an interprocessor interrupt is for (ICR bits 18, 19). */
enum apic_shorthand { APIC_TO_DEST, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

void apic_bus_init(struct apic_bus *b, const struct apic_bus_wiring *w);

/* Local APICs are added in the order of their ids. */
void apic_bus_add(struct apic_bus *b, struct lapic *l);

/* A struct apic_sink's send: true if some local APIC accepts it. */
bool apic_bus_send(void *bus, const struct apic_msg *m);
bool apic_bus_send_ipi(struct apic_bus *b, struct lapic *from,
		       enum apic_shorthand to, const struct apic_msg *m);

/* A struct msi_sink's send: a write to the 0xfee00000 window. */
void apic_bus_msi(void *bus, u64 addr, u32 data);

#endif
