/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.h - address ranges and who answers there: one bus for port I/O, one for
 * memory-mapped I/O; and model-specific registers of devices.
 *
 * Accesses come from vCPU threads with the VM's device lock held. Ranges are
 * added and removed under that lock (PCI BARs move at run time).
 */
#ifndef DOPPEL_VM_BUS_H
#define DOPPEL_VM_BUS_H

#include "base/base.h"

struct bus_ops {
	/* @offset from the range's start; @bytes 1, 2, 4 or 8. Values are
	 * zero-extended; a narrower device returns what it has. */
	u64 (*read)(void *dev, u64 offset, unsigned bytes);
	void (*write)(void *dev, u64 offset, u64 value, unsigned bytes);
};

struct bus_range {
	u64 first, bytes;
	const struct bus_ops *ops;
	void *dev;
	const char *name; /* for traces */
	struct bus_range *next; /* the bus's own */
	bool active;
};

struct bus {
	const char *name;
	unsigned address_bits;
	struct bus_range *head; /* sorted by .first, no overlaps */
	struct bus_range *last_hit;
};

void bus_init(struct bus *b, const char *name, unsigned address_bits);
/* The range stays the caller's memory until removed. An overlap with another
 * range is the guest's doing (BARs): the older one wins, false is returned. */
bool bus_add(struct bus *b, struct bus_range *r);
void bus_remove(struct bus *b, struct bus_range *r); /* inactive is fine */
/* The range that holds @addr, or NULL. */
struct bus_range *bus_find(struct bus *b, u64 addr);
/* Unclaimed reads give all ones, unclaimed writes vanish. An access that is
 * unaligned or crosses ranges is split into bytes. */
u64 bus_read(struct bus *b, u64 addr, unsigned bytes);
void bus_write(struct bus *b, u64 addr, u64 value, unsigned bytes);

struct vcpu;

/*
 * Memory-mapped I/O that each processor finds at the same address and has to
 * itself: its local APIC. The handlers are told whose access it is, and are
 * called without the device lock. @offset + @bytes is inside, but need not be
 * aligned.
 */
struct own_range {
	u64 first, bytes; /* 0 bytes: there is none */
	u64 (*read)(void *dev, struct vcpu *v, u64 offset, unsigned bytes);
	void (*write)(void *dev, struct vcpu *v, u64 offset, u64 value,
		      unsigned bytes);
	void *dev;
};

/*
 * MSRs of devices. A handler returns false for #GP.
 */
struct msr_range {
	u32 first, last;
	/* The registers are the processor's own, as above: handlers are called
	 * without the device lock, and touch no vector registers. */
	bool own;
	bool (*read)(void *dev, struct vcpu *v, u32 msr, u64 *value);
	bool (*write)(void *dev, struct vcpu *v, u32 msr, u64 value);
	void *dev;
	struct msr_range *next;
};

/*
 * Hypercalls: numbers are KVM's. A handler returns what the guest finds in RAX,
 * negative KVM errors among it; it is called without the device lock, and
 * touches no vector registers.
 */
struct hypercall_range {
	u64 first, last;
	s64 (*call)(void *dev, struct vcpu *v, u64 nr, const u64 arg[4]);
	void *dev;
	struct hypercall_range *next;
};

#endif
