/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pit.c - the 8254 interval timer. Nothing counts: a channel remembers when
 * its count was loaded, and its counter and output follow from the time.
 *
 * Periods are reckoned from the load, in ticks, so that they do not drift.
 * Only the rising edges of channel 0 cost a timer; those that were missed
 * while the VM could not run make one interrupt.
 *
 * References: Intel 8254 datasheet, "Mode Definitions", "Read Operations".
 *
 * DEVIATES: a load takes effect at once instead of at the next clock pulse;
 * the low half of the output never reaches the interrupt controller, which
 * sees a short pulse at each rising edge.
 */
#include "dev/pit.h"

#include "base/err.h"
#include "base/muldiv.h"
#include "base/trace.h"
#include "dev/isa8.h"

#define NS_PER_S 1000000000ull

/* The shortest time between two timer callbacks: a guest cannot make the
 * monitor do nothing else. Edges in between coalesce. */
#define MIN_REARM_NS 10000ull

#define CONTROL 3 /* the register's offset */

#define READBACK_NO_COUNT 0x20
#define READBACK_NO_STATUS 0x10
#define STATUS_OUT 0x80
#define STATUS_NULL 0x40

#define SPEAKER_GATE2 0x01
#define SPEAKER_WRITABLE 0x0f
#define SPEAKER_REFRESH 0x10
#define SPEAKER_OUT2 0x20
#define REFRESH_NS 15085ull /* half a period of the refresh toggle */

static u64 ticks_of(u64 ns)
{
	return muldiv(ns, PIT_HZ, NS_PER_S);
}

/* The first nanosecond at which @ticks have gone by. */
static u64 ns_of(u64 ticks)
{
	return muldiv_up(ticks, NS_PER_S, PIT_HZ);
}

static bool is_periodic(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

/* Started by a rising gate rather than by the count. */
static bool is_triggered(const struct pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* A low gate suspends counting, except where it is a trigger. */
static bool is_held(const struct pit_channel *c)
{
	return !c->gate && !is_triggered(c);
}

/* Clock pulses since the load. */
static u64 elapsed(const struct pit_channel *c, u64 now)
{
	if (is_held(c))
		return c->held_ticks;
	return now > c->start_ns ? ticks_of(now - c->start_ns) : 0;
}

/* A count written in the middle of a period comes into force at its end. */
static void settle(struct pit_channel *c, u64 now)
{
	if (!c->running || !c->next_count || !is_periodic(c))
		return;
	if (elapsed(c, now) < c->count)
		return;
	/* load() has counted off the periods before the write: the first one
	 * since then was old, all others are new. */
	c->start_ns += ns_of(c->count);
	c->count = c->next_count;
	c->next_count = 0;
	c->null_count = false;
}

static bool output(const struct pit_channel *c, u64 now)
{
	u64 t;

	if (!c->running)
		return c->mode != 0;
	t = elapsed(c, now);
	switch (c->mode) {
	case 0:
	case 1:
		return t >= c->count;
	case 2:
		return !c->gate || t % c->count != c->count - 1;
	case 3:
		return !c->gate || t % c->count < (c->count + 1) / 2;
	default:
		return t != c->count;
	}
}

/* The counting element, as reading shows it. */
static u16 counter(const struct pit_channel *c, u64 now)
{
	u32 modulus = c->bcd ? 10000 : 65536;
	u32 v = c->count;
	u64 t;

	if (c->running) {
		t = elapsed(c, now);
		if (c->mode == 2)
			v = c->count - (u32)(t % c->count);
		else if (c->mode == 3) /* counts by two, twice a period */
			v = (c->count - (u32)(2 * t % c->count)) & ~1u;
		else
			v = (u32)((c->count + modulus - t % modulus) %
				  modulus);
	}
	v %= modulus;
	if (c->bcd)
		v = v / 1000 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 |
		    v % 10;
	return (u16)v;
}

/* VM time of the first rising edge of the output at or after @from. */
static u64 next_edge(const struct pit_channel *c, u64 from)
{
	u64 t, edge;

	if (!c->running || is_held(c))
		return CLOCK_NEVER;
	t = from > c->start_ns ? ticks_of(from - c->start_ns) : 0;
	switch (c->mode) {
	case 0:
	case 1:
		edge = c->count;
		break;
	case 2:
	case 3:
		edge = (t / c->count + 1) * c->count;
		break;
	default: /* the strobe is one pulse wide */
		edge = c->count + 1;
	}
	return edge > t ? add_saturated(c->start_ns, ns_of(edge)) : CLOCK_NEVER;
}

static void rearm(struct pit *p, u64 from)
{
	settle(&p->ch[0], from);
	timer_arm(&p->timer, next_edge(&p->ch[0], from));
}

static void timer_fired(void *arg, u64 now_ns)
{
	struct pit *p = arg;
	struct pit_channel *c = &p->ch[0];
	u64 next;

	irq_set(&p->w.irq, false);
	irq_set(&p->w.irq, true);
	settle(c, now_ns);
	next = next_edge(c, now_ns);
	/* Too near: that edge and those up to the bound are one. */
	if (next != CLOCK_NEVER && next < now_ns + MIN_REARM_NS)
		next = next_edge(c, now_ns + MIN_REARM_NS);
	timer_arm(&p->timer, next);
}

static void start(struct pit_channel *c, u32 count, u64 now)
{
	c->running = true;
	c->count = count;
	c->next_count = 0;
	c->start_ns = now;
	c->held_ticks = 0;
	c->null_count = false;
}

static void set_gate(struct pit *p, unsigned n, bool gate)
{
	struct pit_channel *c = &p->ch[n];
	u64 now = clock_now_ns(p->w.clock);
	u64 t;

	if (gate == c->gate)
		return;
	settle(c, now);
	t = elapsed(c, now);
	c->gate = gate;
	if (!gate)
		c->held_ticks = t;
	else if (c->mode == 0 || c->mode == 4) /* goes on where it was */
		c->start_ns = now - min_u64(now, ns_of(c->held_ticks));
	else if (c->count && (c->running || is_triggered(c)))
		start(c, c->next_count ? c->next_count : c->count, now);
}

/* A count was written in full. */
static void load(struct pit *p, struct pit_channel *c, u16 raw)
{
	u64 now = clock_now_ns(p->w.clock);
	u32 count = raw;

	if (c->bcd)
		count = (raw >> 12) * 1000 + (raw >> 8 & 15) * 100 +
			(raw >> 4 & 15) * 10 + (raw & 15);
	if (!count)
		count = c->bcd ? 10000 : 65536;
	/* 1 is illegal in the periodic modes; the output would never rise. */
	if (is_periodic(c) && count == 1)
		count = 2;
	TRACE(PIT, "channel %u: mode %u count %u", (unsigned)(c - p->ch),
	      c->mode, count);

	settle(c, now);
	if (is_triggered(c)) {
		/* Takes part from the next trigger on. */
		if (c->running) {
			c->next_count = count;
		} else {
			c->count = count;
			c->null_count = false;
		}
	} else if (is_periodic(c) && c->running) {
		/* Count off the whole periods that have passed, so that
		 * settle() finds the end of this one. */
		u64 t = elapsed(c, now);

		c->start_ns += ns_of(t - t % c->count);
		c->next_count = count;
		c->null_count = true;
	} else {
		start(c, count, now);
	}
	if (c == &p->ch[0])
		rearm(p, now);
}

static void latch_count(struct pit_channel *c, u64 now)
{
	if (c->latched)
		return; /* the first latch command wins */
	settle(c, now);
	c->latch = counter(c, now);
	c->latched = true;
}

static void latch_status(struct pit_channel *c, u64 now)
{
	if (c->status_latched)
		return;
	settle(c, now);
	c->status = (u8)((output(c, now) ? STATUS_OUT : 0) |
			 (c->null_count ? STATUS_NULL : 0) | c->access << 4 |
			 c->mode << 1 | c->bcd);
	c->status_latched = true;
}

static void write_control(struct pit *p, u8 v)
{
	struct pit_channel *c = &p->ch[v >> 6 & 3];
	u64 now = clock_now_ns(p->w.clock);

	if (v >> 6 == 3) { /* read-back */
		for (unsigned i = 0; i < 3; i++) {
			if (!(v >> 1 & BIT(i)))
				continue;
			if (!(v & READBACK_NO_COUNT))
				latch_count(&p->ch[i], now);
			if (!(v & READBACK_NO_STATUS))
				latch_status(&p->ch[i], now);
		}
		return;
	}
	if (!(v >> 4 & 3)) {
		latch_count(c, now);
		return;
	}
	*c = (struct pit_channel){
		.access = v >> 4 & 3,
		/* Modes 6 and 7 are 2 and 3. */
		.mode = v >> 1 & 7 & (v & 4 ? 3 : 7),
		.bcd = v & 1,
		.gate = c->gate,
		.null_count = true,
	};
	if (c == &p->ch[0]) {
		irq_set(&p->w.irq, output(c, now));
		timer_arm(&p->timer, CLOCK_NEVER);
	}
}

static u8 read_count(struct pit *p, struct pit_channel *c)
{
	u64 now = clock_now_ns(p->w.clock);
	bool high = c->access == 2 || (c->access == 3 && c->read_high);
	u16 v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	settle(c, now);
	v = c->latched ? c->latch : counter(c, now);
	if (c->access == 3)
		c->read_high = !c->read_high;
	if (c->access != 3 || high)
		c->latched = false;
	return (u8)(high ? v >> 8 : v);
}

static void write_count(struct pit *p, struct pit_channel *c, u8 v)
{
	switch (c->access) {
	case 1:
		load(p, c, v);
		break;
	case 2:
		load(p, c, (u16)(v << 8));
		break;
	case 3:
		c->write_high = !c->write_high;
		if (!c->write_high) {
			load(p, c, (u16)(v << 8 | c->write_low));
			break;
		}
		c->write_low = v;
		/* The first byte stops mode 0's count. */
		if (c->mode == 0) {
			c->running = false;
			if (c == &p->ch[0]) {
				irq_set(&p->w.irq, false);
				timer_arm(&p->timer, CLOCK_NEVER);
			}
		}
		break;
	}
}

static u8 pit_read8(void *dev, u64 offset)
{
	struct pit *p = dev;

	/* The control word cannot be read. */
	return offset < 3 ? read_count(p, &p->ch[offset]) : 0xff;
}

static void pit_write8(void *dev, u64 offset, u8 v)
{
	struct pit *p = dev;

	if (offset == CONTROL)
		write_control(p, v);
	else if (offset < 3)
		write_count(p, &p->ch[offset], v);
}

static u8 speaker_read8(void *dev, u64 offset)
{
	struct pit *p = dev;
	u64 now = clock_now_ns(p->w.clock);

	settle(&p->ch[2], now);
	return (u8)(p->speaker | (now / REFRESH_NS & 1 ? SPEAKER_REFRESH : 0) |
		    (output(&p->ch[2], now) ? SPEAKER_OUT2 : 0));
}

static void speaker_write8(void *dev, u64 offset, u8 v)
{
	struct pit *p = dev;

	p->speaker = v & SPEAKER_WRITABLE;
	set_gate(p, 2, v & SPEAKER_GATE2);
}

static u64 pit_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, pit_read8);
}

static void pit_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, pit_write8);
}

static u64 speaker_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, speaker_read8);
}

static void speaker_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, speaker_write8);
}

static const struct bus_ops pit_ops = { pit_read, pit_write };
static const struct bus_ops speaker_ops = { speaker_read, speaker_write };

static void pit_reset(struct device *d)
{
	struct pit *p = container_of(d, struct pit, dev);

	for (unsigned i = 0; i < 3; i++) {
		/* Undefined in silicon; as firmware finds it, idle. */
		p->ch[i] = (struct pit_channel){ .mode = 3,
						 .access = 3,
						 .gate = i != 2,
						 .null_count = true };
	}
	p->speaker = 0;
	timer_arm(&p->timer, CLOCK_NEVER);
	irq_set(&p->w.irq, false);
}

static int pit_loaded(struct device *d)
{
	struct pit *p = container_of(d, struct pit, dev);

	for (unsigned i = 0; i < 3; i++) {
		struct pit_channel *c = &p->ch[i];

		if (c->mode > 5 || c->access < 1 || c->access > 3)
			return -EINVAL;
		if (c->count > 65536 || c->next_count > 65536)
			return -EINVAL;
		if (c->running && c->count < (is_periodic(c) ? 2u : 1u))
			return -EINVAL;
		if (is_periodic(c) && c->next_count == 1)
			return -EINVAL;
	}
	if (p->speaker & ~SPEAKER_WRITABLE)
		return -EINVAL;
	rearm(p, clock_now_ns(p->w.clock));
	return 0;
}

void pit_init(struct pit *p, const struct pit_wiring *w)
{
	p->w = *w;
	timer_init(&p->timer, w->clock, timer_fired, p);
	p->range[0] = (struct bus_range){ .first = w->port,
					  .bytes = 4,
					  .ops = &pit_ops,
					  .dev = p,
					  .name = "pit" };
	p->range[1] = (struct bus_range){ .first = w->speaker_port,
					  .bytes = 1,
					  .ops = &speaker_ops,
					  .dev = p,
					  .name = "speaker" };
	bus_add(w->pio, &p->range[0]);
	bus_add(w->pio, &p->range[1]);
	pit_reset(&p->dev);
}

static const struct field pit_fields[] = {
	FIELD_STRUCTS(struct pit, ch, mode, FIELD_U8, 1),
	FIELD_STRUCTS(struct pit, ch, access, FIELD_U8, 1),
	FIELD_STRUCTS(struct pit, ch, bcd, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, gate, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, write_high, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, read_high, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, write_low, FIELD_U8, 1),
	FIELD_STRUCTS(struct pit, ch, latched, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, latch, FIELD_U16, 1),
	FIELD_STRUCTS(struct pit, ch, status_latched, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, status, FIELD_U8, 1),
	FIELD_STRUCTS(struct pit, ch, null_count, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, running, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pit, ch, count, FIELD_U32, 1),
	FIELD_STRUCTS(struct pit, ch, next_count, FIELD_U32, 1),
	FIELD_STRUCTS(struct pit, ch, start_ns, FIELD_U64, 1),
	FIELD_STRUCTS(struct pit, ch, held_ticks, FIELD_U64, 1),
	FIELD(struct pit, speaker, FIELD_U8, 1),
	FIELD_END,
};

const struct device_class pit_class = {
	.name = "pit",
	.version = 1,
	.bytes = sizeof(struct pit),
	.fields = pit_fields,
	.reset = pit_reset,
	.loaded = pit_loaded,
};
