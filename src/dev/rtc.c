/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtc.c - the MC146818 real-time clock. It follows the host's time of day, at
 * a distance that the guest chooses by setting it.
 *
 * Flags of register C are worked out when they are read; a timer runs only
 * while an interrupt is enabled. The line stays up until C is read, so that
 * whatever was missed makes one interrupt.
 *
 * References: Motorola MC146818A datasheet, "Registers", "Update Cycle".
 *
 * DEVIATES: no daylight saving (DSE), no square wave.
 */
#include "dev/rtc.h"

#include "base/err.h"
#include "base/muldiv.h"
#include "base/trace.h"
#include "dev/isa8.h"
#include "dev/rtc_time.h"
#include "host/host.h"

enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WDAY, MDAY, MONTH,
       YEAR, REG_A, REG_B, REG_C, REG_D };

#define A_UIP 0x80
#define A_DIVIDER 0x70
#define A_RUNNING 0x20 /* the divider for a crystal of 32768 Hz */
#define A_RATE 0x0f
#define B_SET 0x80
#define B_PIE 0x40
#define B_AIE 0x20
#define B_UIE 0x10
#define B_BINARY 0x04
#define B_24H 0x02
#define C_IRQF 0x80
#define C_PF 0x40
#define C_AF 0x20
#define C_UF 0x10
#define D_VALID 0x80

#define INDEX_MASK 0x7f

#define NS_PER_S 1000000000ull
#define CRYSTAL_HZ 32768u
/* Beyond what the registers can say (year 25,855 in binary form). */
#define SECONDS_MAX (1ull << 40)
/* UIP is up this long before an update. */
#define UIP_NS 244000ull

static bool is_running(const struct rtc *r)
{
	return !(r->cmos[REG_B] & B_SET) &&
	       (r->cmos[REG_A] & A_DIVIDER) == A_RUNNING;
}

/* The guest's seconds since 1970, and *@ns of the current one. */
static u64 guest_time(const struct rtc *r, u64 *ns)
{
	u64 t = host_realtime_ns() + r->phase_ns;

	*ns = t % NS_PER_S;
	return t / NS_PER_S + r->offset_s;
}

static u64 guest_second(const struct rtc *r)
{
	u64 ns;

	return guest_time(r, &ns);
}

/* --- time registers --- */

static u8 encode(const struct rtc *r, unsigned v)
{
	return (u8)(r->cmos[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const struct rtc *r, u8 v)
{
	return r->cmos[REG_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 15);
}

/* 12-hour form: 1 to 12, and bit 7 for the afternoon. */
static u8 encode_hour(const struct rtc *r, unsigned hour)
{
	if (r->cmos[REG_B] & B_24H)
		return encode(r, hour);
	return encode(r, (hour + 11) % 12 + 1) | (hour >= 12 ? 0x80 : 0);
}

static unsigned decode_hour(const struct rtc *r, u8 v)
{
	if (r->cmos[REG_B] & B_24H)
		return decode(r, v);
	return decode(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static void time_to_cmos(struct rtc *r)
{
	struct rtc_time t;

	rtc_time_from_seconds(&t, guest_second(r));
	r->cmos[SEC] = encode(r, t.sec);
	r->cmos[MIN] = encode(r, t.min);
	r->cmos[HOUR] = encode_hour(r, t.hour);
	r->cmos[WDAY] = encode(r, t.wday + 1);
	r->cmos[MDAY] = encode(r, t.mday);
	r->cmos[MONTH] = encode(r, t.month);
	r->cmos[YEAR] = encode(r, t.year % 100);
	r->cmos[r->w.century] = encode(r, t.year / 100 % 100);
}

/* GUEST: registers may hold anything; what is out of range carries over. */
static u64 seconds_in_cmos(const struct rtc *r)
{
	struct rtc_time t = {
		.sec = decode(r, r->cmos[SEC]),
		.min = decode(r, r->cmos[MIN]),
		.hour = decode_hour(r, r->cmos[HOUR]),
		.mday = decode(r, r->cmos[MDAY]),
		.month = decode(r, r->cmos[MONTH]),
		.year = decode(r, r->cmos[r->w.century]) * 100 +
			decode(r, r->cmos[YEAR]),
	};

	return rtc_time_to_seconds(&t);
}

/* The clock goes on from the time in the registers, @phase_ns into that
 * second. */
static void start_from_cmos(struct rtc *r, u64 phase_ns)
{
	u64 host = host_realtime_ns();

	r->phase_ns = (u32)((phase_ns + NS_PER_S - host % NS_PER_S) % NS_PER_S);
	r->offset_s = seconds_in_cmos(r) - (host + r->phase_ns) / NS_PER_S;
	r->seen_s = seconds_in_cmos(r);
}

/* --- alarm --- */

#define IS_ANY(v) (((v) & 0xc0) == 0xc0) /* "don't care" */

/* The first second after @s at which the alarm rings, or ~0 if its registers
 * hold no time of day. */
static u64 alarm_after(const struct rtc *r, u64 s)
{
	const u8 *c = r->cmos;
	int hour = IS_ANY(c[HOUR_ALARM]) ? -1 :
		(int)decode_hour(r, c[HOUR_ALARM]);
	int min = IS_ANY(c[MIN_ALARM]) ? -1 : (int)decode(r, c[MIN_ALARM]);
	int sec = IS_ANY(c[SEC_ALARM]) ? -1 : (int)decode(r, c[SEC_ALARM]);
	u64 t = s + 1, end = t + 86400;

	/* Steps over a whole hour or minute that cannot match: at most
	 * 24 + 60 + 60 turns. */
	while (t < end) {
		if (hour >= 0 && (int)(t / 3600 % 24) != hour)
			t = (t / 3600 + 1) * 3600;
		else if (min >= 0 && (int)(t / 60 % 60) != min)
			t = (t / 60 + 1) * 60;
		else if (sec >= 0 && (int)(t % 60) != sec)
			t++;
		else
			return t;
	}
	return ~0ull;
}

/* --- periodic interrupt --- */

/* Crystal pulses in a period, or 0 if it is off. */
static u64 period_pulses(const struct rtc *r)
{
	unsigned rate = r->cmos[REG_A] & A_RATE;

	if (!rate || (r->cmos[REG_A] & A_DIVIDER) != A_RUNNING)
		return 0;
	/* The two fastest are the same as two slow ones. */
	return 1u << (rate < 3 ? rate + 6 : rate - 1);
}

/* How many periods of VM time have gone by. */
static u64 periodic_tick(const struct rtc *r)
{
	u64 pulses = period_pulses(r);

	return pulses ? muldiv(clock_now_ns(r->w.clock), CRYSTAL_HZ, NS_PER_S) /
				pulses : 0;
}

/* --- flags and interrupt --- */

static void update_flags(struct rtc *r)
{
	u64 tick = periodic_tick(r), s;
	u8 flags = 0;

	if (tick != r->seen_tick) {
		r->seen_tick = tick;
		flags |= C_PF;
	}
	if (is_running(r)) {
		s = guest_second(r);
		if (s != r->seen_s)
			flags |= C_UF;
		if (s > r->seen_s && alarm_after(r, r->seen_s) <= s)
			flags |= C_AF;
		r->seen_s = s;
	}
	r->cmos[REG_C] |= flags;
	/* Enables and flags are in the same places. */
	if (r->cmos[REG_C] & r->cmos[REG_B] & (C_PF | C_AF | C_UF))
		r->cmos[REG_C] |= C_IRQF;
	else
		r->cmos[REG_C] &= ~C_IRQF;
	irq_set(&r->w.irq, r->cmos[REG_C] & C_IRQF);
}

/* VM time at which the guest's clock begins second @s. */
static u64 vm_ns_of_second(const struct rtc *r, u64 s)
{
	u64 ns, now = guest_time(r, &ns);
	u64 vm_ns = clock_now_ns(r->w.clock);

	if (s == ~0ull)
		return CLOCK_NEVER;
	/* An alarm is a day away at most. */
	return s > now ? vm_ns + (s - now) * NS_PER_S - ns : vm_ns;
}

static void rearm(struct rtc *r)
{
	u8 b = r->cmos[REG_B];
	u64 next = CLOCK_NEVER, s, pulses = period_pulses(r);

	/* While the line is up, nothing new can be told. */
	if (!(r->cmos[REG_C] & C_IRQF)) {
		if ((b & B_PIE) && pulses)
			next = muldiv_up((r->seen_tick + 1) * pulses, NS_PER_S,
					 CRYSTAL_HZ);
		if (is_running(r) && (b & (B_UIE | B_AIE))) {
			s = b & B_UIE ? r->seen_s + 1 :
					alarm_after(r, r->seen_s);
			next = min_u64(next, vm_ns_of_second(r, s));
		}
	}
	timer_arm(&r->timer, next);
}

static void timer_fired(void *arg, u64 now_ns)
{
	struct rtc *r = arg;

	update_flags(r);
	rearm(r);
}

/* --- registers --- */

/* The phase of the running second. */
static u64 guest_phase_ns(const struct rtc *r)
{
	u64 ns;

	guest_time(r, &ns);
	return ns;
}

static u8 read_reg(struct rtc *r, unsigned i)
{
	u8 v;

	switch (i) {
	case REG_A:
		v = r->cmos[REG_A];
		if (is_running(r) && guest_phase_ns(r) >= NS_PER_S - UIP_NS)
			v |= A_UIP;
		return v;
	case REG_C:
		update_flags(r);
		v = r->cmos[REG_C];
		r->cmos[REG_C] = 0;
		irq_set(&r->w.irq, false);
		rearm(r);
		return v;
	case REG_D:
		return D_VALID;
	}
	if ((i <= YEAR || i == r->w.century) && is_running(r))
		time_to_cmos(r);
	return r->cmos[i];
}

/* Registers A and B start and stop the clock. */
static void write_control(struct rtc *r, unsigned i, u8 v)
{
	bool ran = is_running(r);
	bool divider = (r->cmos[REG_A] & A_DIVIDER) != A_RUNNING;

	update_flags(r);
	if (ran)
		time_to_cmos(r);
	if (i == REG_A) {
		r->cmos[REG_A] = v & ~A_UIP;
		/* Another rate counts from where the clock is now. */
		r->seen_tick = periodic_tick(r);
	} else {
		/* Setting the clock forgoes the update interrupt. */
		r->cmos[REG_B] = v & B_SET ? v & ~B_UIE : v;
	}
	/* Out of divider reset, the first update comes half a second later. */
	if (!ran && is_running(r))
		start_from_cmos(r, divider ? NS_PER_S / 2 : guest_phase_ns(r));
	/* A change of form (binary, 24 hours) does not change the time, but
	 * while the clock stands still the registers are the time. */
	update_flags(r);
	rearm(r);
}

static void write_reg(struct rtc *r, unsigned i, u8 v)
{
	TRACE(RTC, "%02x <- %02x", i, v);
	if (i == REG_A || i == REG_B) {
		write_control(r, i, v);
		return;
	}
	if (i == REG_C || i == REG_D)
		return;
	if (i <= YEAR || i == r->w.century) {
		update_flags(r);
		if (is_running(r))
			time_to_cmos(r);
		r->cmos[i] = v;
		if (is_running(r) && i != SEC_ALARM && i != MIN_ALARM &&
		    i != HOUR_ALARM)
			start_from_cmos(r, guest_phase_ns(r));
		rearm(r);
		return;
	}
	r->cmos[i] = v;
}

static u8 rtc_read8(void *dev, u64 offset)
{
	struct rtc *r = dev;

	/* The index can only be written. */
	return offset ? read_reg(r, r->index & INDEX_MASK) : 0xff;
}

static void rtc_write8(void *dev, u64 offset, u8 v)
{
	struct rtc *r = dev;

	if (offset)
		write_reg(r, r->index & INDEX_MASK, v);
	else
		r->index = v;
}

static u64 rtc_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, rtc_read8);
}

static void rtc_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, rtc_write8);
}

static const struct bus_ops rtc_ops = { rtc_read, rtc_write };

/* A new battery: the host's time, nothing in memory. */
static void power_up(struct rtc *r)
{
	for (unsigned i = 0; i < RTC_CMOS_BYTES; i++)
		r->cmos[i] = 0;
	r->cmos[REG_A] = A_RUNNING | 6; /* 1024 Hz */
	r->cmos[REG_B] = B_24H;
	r->offset_s = r->phase_ns = 0;
	r->seen_s = guest_second(r);
	r->seen_tick = periodic_tick(r);
}

/* A reset of the machine: the clock and its memory have a battery. */
static void rtc_reset(struct device *d)
{
	struct rtc *r = container_of(d, struct rtc, dev);

	r->index = 0;
	r->cmos[REG_B] &= ~(B_PIE | B_AIE | B_UIE);
	r->cmos[REG_C] = 0;
	irq_set(&r->w.irq, false);
	rearm(r);
}

static int rtc_loaded(struct device *d)
{
	struct rtc *r = container_of(d, struct rtc, dev);

	if ((r->cmos[REG_A] & A_UIP) || (r->cmos[REG_C] & 0x0f) ||
	    r->phase_ns >= NS_PER_S || guest_second(r) >= SECONDS_MAX) {
		/* A reset alone would leave it so. */
		power_up(r);
		return -EINVAL;
	}
	/* The host's clock may have gone anywhere since the state was saved:
	 * what was missed is no event. */
	r->seen_s = guest_second(r);
	r->seen_tick = periodic_tick(r);
	update_flags(r);
	rearm(r);
	return 0;
}

void rtc_set_cmos(struct rtc *r, unsigned index, u8 v)
{
	BUG_ON(index <= REG_D || index >= RTC_CMOS_BYTES);
	r->cmos[index] = v;
}

void rtc_init(struct rtc *r, const struct rtc_wiring *w)
{
	BUG_ON(w->century <= REG_D || w->century >= RTC_CMOS_BYTES);
	r->w = *w;
	timer_init(&r->timer, w->clock, timer_fired, r);
	power_up(r);
	r->range = (struct bus_range){ .first = w->port,
				       .bytes = 2,
				       .ops = &rtc_ops,
				       .dev = r,
				       .name = "rtc" };
	bus_add(w->pio, &r->range);
	rtc_reset(&r->dev);
}

static const struct field rtc_fields[] = {
	FIELD(struct rtc, index, FIELD_U8, 1),
	FIELD_BLOB(struct rtc, cmos, 1),
	FIELD(struct rtc, offset_s, FIELD_U64, 1),
	FIELD(struct rtc, phase_ns, FIELD_U32, 1),
	FIELD_END,
};

const struct device_class rtc_class = {
	.name = "rtc",
	.version = 1,
	.bytes = sizeof(struct rtc),
	.fields = rtc_fields,
	.reset = rtc_reset,
	.loaded = rtc_loaded,
};
