/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - buses, a clock whose time the test decides, and interrupt lines that
 * are recorded, for one device under test. It takes the place of the host
 * floor: a program that uses it must not link host_lib.
 */
#ifndef DOPPEL_TEST_DEV_RIG_H
#define DOPPEL_TEST_DEV_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "host/host.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/fields.h"
#include "vm/irq.h"

static u64 rig_host_ns = 1000000007;
static u64 rig_realtime_base_ns = 1700000000ull * 1000000000;

u64 host_now_ns(void)
{
	return rig_host_ns;
}

u64 host_realtime_ns(void)
{
	return rig_realtime_base_ns + rig_host_ns;
}

void host_log(enum host_log_level level, const char *line)
{
	printf("# %s\n", line);
}

void *host_pages_alloc(u64 bytes)
{
	return calloc(1, bytes);
}

void host_pages_free(void *p, u64 bytes)
{
	free(p);
}

NORETURN void bug_at(const char *file, int line, const char *what)
{
	printf("Bail out! %s:%d: %s\n", file, line, what);
	abort();
}

struct rig {
	struct bus pio, mmio;
	struct clock clock;
	bool line[32];
	unsigned rises[32];
};

static inline void rig_set_line(void *dev, unsigned input, bool level)
{
	struct rig *r = dev;

	r->rises[input] += level && !r->line[input];
	r->line[input] = level;
}

static inline struct irq_line rig_line(struct rig *r, unsigned input)
{
	return (struct irq_line){ rig_set_line, r, input };
}

static inline void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	bus_init(&r->pio, "pio", 16);
	bus_init(&r->mmio, "mmio", 52);
	clock_init(&r->clock);
	clock_start(&r->clock);
}

/* Time goes by; timers run when they are due. */
static inline void rig_pass(struct rig *r, u64 ns)
{
	u64 end = rig_host_ns + ns;

	for (int i = 0; i < 1000000; i++) {
		u64 next = clock_to_host_ns(&r->clock,
					    clock_next_ns(&r->clock));

		if (next > end)
			break;
		if (next > rig_host_ns)
			rig_host_ns = next;
		clock_run(&r->clock);
	}
	rig_host_ns = end;
}

/* The VM cannot run for a while: timers come late, and then once. */
static inline void rig_stall(struct rig *r, u64 ns)
{
	rig_host_ns += ns;
	clock_run(&r->clock);
}

static inline u8 inb(struct rig *r, u16 port)
{
	return (u8)bus_read(&r->pio, port, 1);
}

static inline u16 inw(struct rig *r, u16 port)
{
	return (u16)bus_read(&r->pio, port, 2);
}

static inline u32 inl(struct rig *r, u16 port)
{
	return (u32)bus_read(&r->pio, port, 4);
}

static inline void outb(struct rig *r, u16 port, u8 v)
{
	bus_write(&r->pio, port, v, 1);
}

static inline void outw(struct rig *r, u16 port, u16 v)
{
	bus_write(&r->pio, port, v, 2);
}

static inline void outl(struct rig *r, u16 port, u32 v)
{
	bus_write(&r->pio, port, v, 4);
}

/* Named as vm_add_device would do it. */
static inline void rig_name(struct device *d, const struct device_class *c)
{
	d->cls = c;
	snprintf(d->id, sizeof(d->id), "%s", c->name);
}

/* Saves @from, loads it into @to; both of one class. */
static inline bool rig_copy(const struct device *from, struct device *to)
{
	u64 bytes = fields_saved_bytes(from);
	u8 *buf = malloc(bytes);
	bool ok = fields_save(from, buf, bytes) == (s64)bytes &&
		  fields_load(to, buf, bytes, NULL) == (s64)bytes &&
		  fields_equal(from, to, NULL, 0);

	free(buf);
	return ok;
}

/* Does @d accept its own state with one byte of @field changed? */
static inline bool rig_accepts(struct device *d, const char *field, u64 value)
{
	for (const struct field *f = d->cls->fields; f->name; f++) {
		u8 *p = (u8 *)d + f->offset;

		if (strcmp(f->name, field))
			continue;
		memcpy(p, &value,
		       f->kind == FIELD_U64 ? 8 :
		       f->kind == FIELD_U32 ? 4 :
		       f->kind == FIELD_U16 ? 2 : 1);
		return !d->cls->loaded || d->cls->loaded(d) == 0;
	}
	printf("Bail out! no field %s\n", field);
	abort();
}

#endif
