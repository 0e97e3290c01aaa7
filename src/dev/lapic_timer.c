/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic_timer.c - the local APIC's timer: one-shot, periodic, TSC deadline.
 *
 * Nothing counts: the current count follows from the time since the initial
 * count was written. Periods are reckoned from there and do not drift; those
 * missed while the VM could not run make one interrupt.
 *
 * References: SDM 3A 10.5.4 "APIC Timer".
 *
 * DEVIATES: a new divider starts the count anew.
 */
#include "dev/lapic_impl.h"

#include "base/muldiv.h"
#include "base/trace.h"

#define NS_PER_S 1000000000ull

/* The shortest time between callbacks of a periodic timer: a guest cannot
 * make the monitor do nothing else. */
#define MIN_REARM_NS 10000ull

static unsigned timer_mode(const struct lapic *l)
{
	return LVT_TIMER_MODE(l->lvt[LVT_TIMER]);
}

/* Nanoseconds a count: 1 to 128. */
static unsigned divisor(const struct lapic *l)
{
	u8 v = l->timer_divide;

	return 1u << ((((v & 3) | (v >> 1 & 4)) + 1) & 7);
}

/* The next expiry after @from, VM time. */
static u64 next_expiry(const struct lapic *l, u64 from)
{
	u64 period = (u64)l->timer_initial * divisor(l);
	u64 start = l->timer_start_ns;
	u64 gone = from > start ? from - start : 0;

	if (!period || (l->lvt[LVT_TIMER] & LVT_MASKED))
		return CLOCK_NEVER;
	if (timer_mode(l) == TIMER_PERIODIC)
		return add_saturated(start, (gone / period + 1) * period);
	return gone < period ? add_saturated(start, period) : CLOCK_NEVER;
}

/* Nanoseconds until the deadline; 0: it has passed. */
static u64 deadline_ns(const struct lapic *l)
{
	u64 now = l->w.tsc(l->w.cpu);

	if (l->deadline_tsc <= now)
		return 0;
	return muldiv_up(l->deadline_tsc - now, NS_PER_S, l->w.tsc_hz);
}

static void rearm_from(struct lapic *l, u64 now)
{
	u64 next = CLOCK_NEVER;

	if (timer_mode(l) != TIMER_DEADLINE)
		next = next_expiry(l, now);
	else if (l->deadline_tsc)
		next = add_saturated(now, deadline_ns(l));
	timer_arm(&l->timer, next);
}

void lapic_timer_rearm(struct lapic *l)
{
	rearm_from(l, clock_now_ns(l->w.clock));
}

/* The count starts now; one of few nanoseconds is not over already. */
static void start(struct lapic *l)
{
	l->timer_start_ns = clock_now_ns(l->w.clock);
	rearm_from(l, l->timer_start_ns);
}

void lapic_timer_fired(void *arg, u64 now_ns)
{
	struct lapic *l = arg;
	u64 next = CLOCK_NEVER;

	if (timer_mode(l) == TIMER_DEADLINE) {
		/* The two clocks of the host differ by some millionths: never
		 * before the time stamp counter says so. */
		u64 early = deadline_ns(l);

		if (early) {
			timer_arm(&l->timer, add_saturated(now_ns, early));
			return;
		}
		l->deadline_tsc = 0;
	} else {
		next = next_expiry(l, now_ns);
		if (next != CLOCK_NEVER && next < now_ns + MIN_REARM_NS)
			next = next_expiry(l, now_ns + MIN_REARM_NS);
	}
	timer_arm(&l->timer, next);
	lapic_local(l, LVT_TIMER);
}

void lapic_timer_set_initial(struct lapic *l, u32 v)
{
	if (timer_mode(l) == TIMER_DEADLINE)
		return; /* ignored in this mode */
	l->timer_initial = v;
	start(l);
}

void lapic_timer_set_divide(struct lapic *l, u32 v)
{
	v &= 0xb;
	if (v == l->timer_divide)
		return;
	l->timer_divide = (u8)v;
	start(l);
}

/* Into or out of deadline mode, the timer is disarmed. */
void lapic_timer_set_lvt(struct lapic *l, u32 v)
{
	if ((LVT_TIMER_MODE(v) == TIMER_DEADLINE) !=
	    (timer_mode(l) == TIMER_DEADLINE)) {
		l->timer_initial = 0;
		l->deadline_tsc = 0;
	}
	SHARED_SET(l->lvt[LVT_TIMER], v);
	lapic_timer_rearm(l);
}

void lapic_timer_set_deadline(struct lapic *l, u64 tsc)
{
	if (timer_mode(l) != TIMER_DEADLINE)
		return;
	l->deadline_tsc = tsc;
	/* One that has passed already fires without a detour. */
	if (tsc && !deadline_ns(l))
		lapic_timer_fired(l, clock_now_ns(l->w.clock));
	else
		lapic_timer_rearm(l);
}

/* Software has moved the time stamp counter. */
void lapic_tsc_changed(struct lapic *l)
{
	if (l->deadline_tsc)
		lapic_timer_set_deadline(l, l->deadline_tsc);
}

/* The deadline was saved in VM time, too: here the processor's counter may not
 * have been loaded yet. Should it turn out too early, it is armed again. */
void lapic_timer_loaded(struct lapic *l)
{
	if (timer_mode(l) != TIMER_DEADLINE)
		lapic_timer_rearm(l);
	else if (!l->deadline_tsc)
		timer_arm(&l->timer, CLOCK_NEVER);
	else if (l->timer.deadline_ns == CLOCK_NEVER)
		timer_arm(&l->timer, clock_now_ns(l->w.clock));
}

u32 lapic_timer_current(const struct lapic *l)
{
	u64 now = clock_now_ns(l->w.clock), gone;

	if (!l->timer_initial || timer_mode(l) == TIMER_DEADLINE)
		return 0;
	gone = now > l->timer_start_ns ?
		(now - l->timer_start_ns) / divisor(l) : 0;
	if (timer_mode(l) == TIMER_PERIODIC)
		gone %= l->timer_initial;
	return gone < l->timer_initial ? l->timer_initial - (u32)gone : 0;
}
