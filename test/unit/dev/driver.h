/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver.h - a virtio driver for tests: finds a device's structures through
 * its capabilities, negotiates, and fills rings in the machine's memory. It
 * can do everything wrong on purpose.
 */
#ifndef DOPPEL_TEST_DEV_DRIVER_H
#define DOPPEL_TEST_DEV_DRIVER_H

#include "dev/virtio.h"
#include "machine.h"

#define QUEUE_AT 0x10000ull /* one page each: descriptors, avail, used */
#define AVAIL_AT 0x12000ull
#define USED_AT 0x13000ull
#define BAR0_AT 0xc0000000ull
#define BAR1_AT 0xc0008000ull

#define D_NEXT 1
#define D_WRITE 2
#define D_INDIRECT 4

struct driver {
	struct machine *m;
	u8 devfn;
	u64 common, isr, device, notify;
	u32 notify_multiplier;
	u16 size;
	u16 next_desc, avail, used;
};

static inline u32 mm_read(struct machine *m, u64 at, unsigned bytes)
{
	return (u32)bus_read(&m->mmio, at, bytes);
}

static inline void mm_write(struct machine *m, u64 at, u64 v, unsigned bytes)
{
	bus_write(&m->mmio, at, v, bytes);
}

static inline u64 driver_part(struct driver *d, int type)
{
	unsigned cap = cfg_find_cap(d->m, d->devfn, PCI_CAP_VENDOR, type);

	if (!cap)
		return 0;
	return (cfg_read(d->m, d->devfn, cap + 4, 1) ? BAR1_AT : BAR0_AT) +
	       cfg_read(d->m, d->devfn, cap + 8, 4);
}

/* Gives the BARs addresses and finds everything. */
static inline void driver_probe(struct driver *d, struct machine *m, u8 devfn)
{
	unsigned cap;

	memset(d, 0, sizeof(*d));
	d->m = m;
	d->devfn = devfn;
	cfg_write(m, devfn, 0x10, (u32)BAR0_AT, 4);
	cfg_write(m, devfn, 0x14, (u32)BAR1_AT, 4);
	cfg_write(m, devfn, PCI_COMMAND,
		  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	d->common = driver_part(d, 1);
	d->notify = driver_part(d, 2);
	d->isr = driver_part(d, 3);
	d->device = driver_part(d, 4);
	cap = cfg_find_cap(m, devfn, PCI_CAP_VENDOR, 2);
	d->notify_multiplier = cfg_read(m, devfn, cap + 16, 4);
}

static inline u8 driver_status(struct driver *d)
{
	return (u8)mm_read(d->m, d->common + 0x14, 1);
}

static inline void driver_set_status(struct driver *d, u8 s)
{
	mm_write(d->m, d->common + 0x14, s, 1);
}

static inline u64 driver_offered(struct driver *d)
{
	u64 f;

	mm_write(d->m, d->common, 0, 4);
	f = mm_read(d->m, d->common + 4, 4);
	mm_write(d->m, d->common, 1, 4);
	return f | (u64)mm_read(d->m, d->common + 4, 4) << 32;
}

/* Up to FEATURES_OK; returns whether the device agreed. */
static inline bool driver_negotiate(struct driver *d, u64 features)
{
	driver_set_status(d, 0);
	driver_set_status(d, 1);
	driver_set_status(d, 3);
	mm_write(d->m, d->common + 8, 0, 4);
	mm_write(d->m, d->common + 12, (u32)features, 4);
	mm_write(d->m, d->common + 8, 1, 4);
	mm_write(d->m, d->common + 12, features >> 32, 4);
	driver_set_status(d, 11);
	return driver_status(d) & 8;
}

static inline void driver_set_queue(struct driver *d, u16 size, u64 desc,
				    u64 avail, u64 used)
{
	struct machine *m = d->m;

	d->size = size;
	d->next_desc = d->avail = d->used = 0;
	mm_write(m, d->common + 0x16, 0, 2);
	mm_write(m, d->common + 0x18, size, 2);
	mm_write(m, d->common + 0x20, (u32)desc, 4);
	mm_write(m, d->common + 0x24, desc >> 32, 4);
	mm_write(m, d->common + 0x28, (u32)avail, 4);
	mm_write(m, d->common + 0x2c, avail >> 32, 4);
	mm_write(m, d->common + 0x30, (u32)used, 4);
	mm_write(m, d->common + 0x34, used >> 32, 4);
	mm_write(m, d->common + 0x1c, 1, 2);
}

/* Everything up to DRIVER_OK with one queue of @size. */
static inline void driver_start(struct driver *d, u64 features, u16 size)
{
	memset(d->m->mem.ram + QUEUE_AT, 0, 0x4000);
	driver_negotiate(d, features);
	driver_set_queue(d, size, QUEUE_AT, AVAIL_AT, USED_AT);
	driver_set_status(d, 15);
}

static inline u16 *ram16(struct driver *d, u64 gpa)
{
	return (u16 *)(void *)(d->m->mem.ram + gpa);
}

static inline u32 *ram32(struct driver *d, u64 gpa)
{
	return (u32 *)(void *)(d->m->mem.ram + gpa);
}

static inline void put_desc_at(struct driver *d, u64 table, u16 i, u64 addr,
			       u32 len, u16 flags, u16 next)
{
	u8 *p = d->m->mem.ram + table + 16ull * i;

	memcpy(p, &addr, 8);
	memcpy(p + 8, &len, 4);
	memcpy(p + 12, &flags, 2);
	memcpy(p + 14, &next, 2);
}

static inline void put_desc(struct driver *d, u16 i, u64 addr, u32 len,
			    u16 flags, u16 next)
{
	put_desc_at(d, QUEUE_AT, i, addr, len, flags, next);
}

/* Makes the chain that begins at @head available; no notification. */
static inline void put_avail(struct driver *d, u16 head)
{
	*ram16(d, AVAIL_AT + 4 + 2ull * (d->avail & (d->size - 1))) = head;
	*ram16(d, AVAIL_AT + 2) = ++d->avail;
}

static inline void kick(struct driver *d)
{
	mm_write(d->m, d->notify, 0, 2);
}

/* Takes the next used element; false if there is none. */
static inline bool get_used(struct driver *d, u32 *id, u32 *len)
{
	u64 at = USED_AT + 4 + 8ull * (d->used & (d->size - 1));

	if (*ram16(d, USED_AT + 2) == d->used)
		return false;
	*id = *ram32(d, at);
	*len = *ram32(d, at + 4);
	d->used++;
	return true;
}

static inline u16 used_pending(struct driver *d)
{
	return (u16)(*ram16(d, USED_AT + 2) - d->used);
}

/* Vector @n to go out as data @data. */
static inline void driver_enable_msix(struct driver *d, unsigned n, u32 data)
{
	unsigned cap = cfg_find_cap(d->m, d->devfn, PCI_CAP_MSIX, -1);
	u64 e = BAR1_AT + 16 * n;

	cfg_write(d->m, d->devfn, cap + 2, 0x8000, 2);
	mm_write(d->m, e, 0xfee00000, 4);
	mm_write(d->m, e + 4, 0, 4);
	mm_write(d->m, e + 8, data, 4);
	mm_write(d->m, e + 12, 0, 4);
}

#endif
