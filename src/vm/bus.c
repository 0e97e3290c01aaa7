/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.c - who answers at an address.
 *
 * A sorted list and a memory of the last hit: guests talk to one device for a
 * while. A handler may add and remove ranges of its own bus (PCI BARs), so a
 * range is not looked at again after its handler was called.
 */
#include "vm/bus.h"

static u64 address_mask(const struct bus *b)
{
	return b->address_bits >= 64 ? ~0ull : BIT64(b->address_bits) - 1;
}

static u64 value_mask(unsigned bytes)
{
	return bytes >= 8 ? ~0ull : BIT64(bytes * 8) - 1;
}

void bus_init(struct bus *b, const char *name, unsigned address_bits)
{
	*b = (struct bus){ .name = name, .address_bits = address_bits };
}

static bool contains(const struct bus_range *r, u64 addr)
{
	return addr >= r->first && addr - r->first < r->bytes;
}

bool bus_add(struct bus *b, struct bus_range *r)
{
	struct bus_range *below = NULL, *above = b->head;
	u64 last = r->first + (r->bytes - 1);

	/* GUEST: BARs are sized and placed as the guest likes. */
	if (r->active || !r->bytes || last < r->first ||
	    last > address_mask(b))
		return false;
	while (above && above->first < r->first) {
		below = above;
		above = above->next;
	}
	if ((below && contains(below, r->first)) ||
	    (above && above->first <= last))
		return false;
	r->next = above;
	if (below)
		below->next = r;
	else
		b->head = r;
	r->active = true;
	return true;
}

void bus_remove(struct bus *b, struct bus_range *r)
{
	struct bus_range **at = &b->head;

	if (!r->active)
		return;
	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	if (b->last_hit == r)
		b->last_hit = NULL;
	r->next = NULL;
	r->active = false;
}

struct bus_range *bus_find(struct bus *b, u64 addr)
{
	struct bus_range *r = b->last_hit;

	if (likely(r && contains(r, addr)))
		return r;
	for (r = b->head; r && r->first <= addr; r = r->next) {
		if (contains(r, addr)) {
			b->last_hit = r;
			return r;
		}
	}
	return NULL;
}

/* The range that holds all of an aligned access, or NULL. */
static struct bus_range *find_whole(struct bus *b, u64 addr, unsigned bytes)
{
	struct bus_range *r;

	if (addr & (bytes - 1))
		return NULL;
	r = bus_find(b, addr);
	return r && r->bytes - (addr - r->first) >= bytes ? r : NULL;
}

u64 bus_read(struct bus *b, u64 addr, unsigned bytes)
{
	struct bus_range *r;
	u64 v = 0;

	addr &= address_mask(b);
	r = find_whole(b, addr, bytes);
	if (likely(r))
		return r->ops->read(r->dev, addr - r->first, bytes) &
		       value_mask(bytes);
	for (unsigned i = 0; i < bytes; i++) {
		u64 a = (addr + i) & address_mask(b);
		u8 byte = 0xff;

		r = bus_find(b, a);
		if (r)
			byte = (u8)r->ops->read(r->dev, a - r->first, 1);
		v |= (u64)byte << (i * 8);
	}
	return v;
}

void bus_write(struct bus *b, u64 addr, u64 value, unsigned bytes)
{
	struct bus_range *r;

	addr &= address_mask(b);
	value &= value_mask(bytes);
	r = find_whole(b, addr, bytes);
	if (likely(r)) {
		r->ops->write(r->dev, addr - r->first, value, bytes);
		return;
	}
	for (unsigned i = 0; i < bytes; i++) {
		u64 a = (addr + i) & address_mask(b);

		r = bus_find(b, a);
		if (r)
			r->ops->write(r->dev, a - r->first,
				      (value >> (i * 8)) & 0xff, 1);
	}
}
