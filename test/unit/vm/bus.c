/* SPDX-License-Identifier: Apache-2.0 */
/* bus.c - who answers where; splitting, wrapping, moving while in use. */
#include "tap.h"
#include "vm/bus.h"

/* A device of 16 bytes that notes how it was asked. */
struct dev {
	u8 mem[16];
	u64 last_offset, last_value;
	unsigned last_bytes, calls;
	struct bus *bus; /* if set: removes .range when written */
	struct bus_range range;
};

static u64 dev_read(void *p, u64 offset, unsigned bytes)
{
	struct dev *d = p;
	u64 v = 0;

	d->calls++;
	d->last_offset = offset;
	d->last_bytes = bytes;
	for (unsigned i = 0; i < bytes; i++)
		v |= (u64)d->mem[(offset + i) % 16] << (8 * i);
	/* Above @bytes is rubbish, which the bus takes off. */
	return bytes < 8 ? v | 0xabull << (bytes * 8) : v;
}

static void dev_write(void *p, u64 offset, u64 value, unsigned bytes)
{
	struct dev *d = p;

	d->calls++;
	d->last_offset = offset;
	d->last_value = value;
	d->last_bytes = bytes;
	for (unsigned i = 0; i < bytes; i++)
		d->mem[(offset + i) % 16] = (u8)(value >> (8 * i));
	if (d->bus)
		bus_remove(d->bus, &d->range);
}

static const struct bus_ops dev_ops = { dev_read, dev_write };

static struct dev make(u64 first, u64 bytes)
{
	return (struct dev){ .mem = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 },
			     .range = { .first = first, .bytes = bytes,
					.ops = &dev_ops, .name = "dev" } };
}

static void test_ranges(void)
{
	struct bus b;
	struct dev a = make(0x100, 16), c = make(0x120, 16);
	struct dev d = make(0x110, 16);
	struct dev over = make(0x108, 16), in = make(0x124, 4),
		   around = make(0xf0, 0x100), same = make(0x120, 16);
	struct dev none = make(0x200, 0), end = make(0xfff0, 16),
		   past = make(0xfff1, 16), high = make(0x10000, 16),
		   wrap = make(~0ull - 4, 16), all = make(0, 0x10000);
	struct bus_range *r;

	a.range.dev = &a, c.range.dev = &c, d.range.dev = &d;
	bus_init(&b, "pio", 16);
	tap_check(!bus_find(&b, 0x100), "empty");
	tap_check(bus_add(&b, &c.range) && bus_add(&b, &a.range), "two");
	tap_check(bus_find(&b, 0x10f) == &a.range && !bus_find(&b, 0x110) &&
			  !bus_find(&b, 0xff) && !bus_find(&b, 0x130) &&
			  bus_find(&b, 0x120) == &c.range,
		  "found, and only there");
	tap_check(!bus_add(&b, &over.range) && !bus_add(&b, &in.range) &&
			  !bus_add(&b, &around.range) &&
			  !bus_add(&b, &same.range) && !bus_add(&b, &a.range) &&
			  !bus_add(&b, &all.range),
		  "overlaps are refused");
	tap_check(!bus_add(&b, &none.range) && !bus_add(&b, &past.range) &&
			  !bus_add(&b, &high.range) &&
			  !bus_add(&b, &wrap.range),
		  "so is what does not lie on the bus");
	tap_check(bus_add(&b, &end.range), "the last port is fine");
	tap_check(bus_add(&b, &d.range), "a neat fit between two");
	r = bus_find(&b, 0x118);
	tap_check(r == &d.range, "found");
	bus_remove(&b, &d.range);
	tap_check(!bus_find(&b, 0x118), "not after removal");
	bus_remove(&b, &d.range);
	bus_remove(&b, &over.range);
	tap_check(bus_find(&b, 0x100) && bus_find(&b, 0x120) &&
			  bus_find(&b, 0xffff),
		  "the others are still there");
}

static void test_access(void)
{
	struct bus b;
	struct dev a = make(0x100, 16), c = make(0x110, 2),
		   end = make(0xfff0, 16);

	a.range.dev = &a, c.range.dev = &c, end.range.dev = &end;
	bus_init(&b, "pio", 16);
	if (!bus_add(&b, &a.range) || !bus_add(&b, &c.range) ||
	    !bus_add(&b, &end.range))
		return;
	tap_equal(bus_read(&b, 0x104, 4), 0x07060504u, "aligned read");
	tap_check(a.last_bytes == 4 && a.calls == 1, "in one");
	tap_equal(bus_read(&b, 0x108, 8), 0x0908ull, "8 bytes");
	tap_equal(bus_read(&b, 0x103, 2), 0x0403u, "unaligned read");
	tap_equal(a.last_bytes, 1, "in bytes");
	tap_equal(bus_read(&b, 0x10f, 2), 0x0000u, "over two ranges");
	tap_equal(c.last_offset, 0, "the second one, at its start");
	tap_equal(bus_read(&b, 0x110, 4), 0xffff0100u, "over the end of one");
	tap_equal(bus_read(&b, 0x400, 1), 0xffu, "nobody, 1");
	tap_equal(bus_read(&b, 0x400, 4), 0xffffffffu, "nobody, 4");
	tap_equal(bus_read(&b, 0x400, 8), ~0ull, "nobody, 8");
	tap_equal(bus_read(&b, 0xffff, 2), 0xff00u, "wraps around");
	tap_equal(bus_read(&b, 0x10104, 1), 4, "address bits above are cut");

	bus_write(&b, 0x104, 0x1122334455667788, 2);
	tap_check(a.last_value == 0x7788 && a.last_bytes == 2,
		  "a write's value is cut to size");
	a.calls = 0;
	bus_write(&b, 0x101, 0x11223344, 4);
	tap_check(a.calls == 4 && a.mem[1] == 0x44 && a.mem[4] == 0x11,
		  "unaligned write, in bytes");
	bus_write(&b, 0x400, 1, 4);
	tap_check(a.calls == 4, "a write to nobody vanishes");
}

static void test_moving(void)
{
	struct bus b;
	struct dev a = make(0xfebd0000, 16);

	a.range.dev = &a;
	a.bus = &b;
	bus_init(&b, "mmio", 52);
	tap_check(bus_add(&b, &a.range), "a BAR");
	/* The unaligned write goes in bytes, the first of which removes it. */
	bus_write(&b, 0xfebd0001, 0x5555, 2);
	tap_check(a.calls == 1 && !a.range.active, "gone in mid-access");
	tap_equal(bus_read(&b, 0xfebd0000, 4), 0xffffffffu, "and not found");
	a.range.first = 0xc0000000;
	tap_check(bus_add(&b, &a.range), "placed elsewhere");
	tap_equal(bus_read(&b, 0xc0000001, 1), 0x55, "and found");
}

int main(void)
{
	test_ranges();
	test_access();
	test_moving();
	return tap_done();
}
