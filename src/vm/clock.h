/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.h - the VM's time, and timers.
 *
 * VM time is in nanoseconds since the VM started and stands still while the
 * VM is stopped. One clock keeps it, that of the devices; each processor has a
 * clock that follows, with the timers of its local APIC alone.
 *
 * A clock's timers run on the thread that owns it, so that nobody has to be
 * woken for them: vCPU 0's for the devices' clock, which is used with the
 * device lock held by anybody; its own for a processor's clock, which needs no
 * lock, since nobody else touches it while the processor runs.
 */
#ifndef DOPPEL_VM_CLOCK_H
#define DOPPEL_VM_CLOCK_H

#include "base/base.h"
#include "base/list.h"

#define CLOCK_NEVER (~0ull)

struct clock {
	const struct clock *time; /* who keeps the time: another, or itself */
	u64 origin_ns; /* host time that is VM time 0, while running */
	u64 stopped_ns; /* VM time at which it stands still */
	bool running;
	bool in_run; /* clock_run is at work and will call rearm itself */
	struct list timers; /* armed, sorted by deadline */
	/* Told when the earliest deadline changes; may be NULL. */
	void (*rearm)(void *ctx, u64 deadline_ns);
	void *rearm_ctx;
};

struct timer {
	struct list link;
	struct clock *clock;
	u64 deadline_ns; /* VM time; CLOCK_NEVER when not armed */
	void (*fn)(void *arg, u64 now_ns);
	void *arg;
};

void clock_init(struct clock *c); /* stands still at 0 */
/* A clock that shows the time of @time and has its own timers. */
void clock_init_following(struct clock *c, const struct clock *time);
/* Time goes on / stands still. Doing it twice is harmless. */
void clock_start(struct clock *c);
void clock_stop(struct clock *c);
u64 clock_now_ns(const struct clock *c); /* VM time */
static inline bool clock_is_running(const struct clock *c)
{
	return c->time->running;
}
/* VM time of the earliest armed timer, or CLOCK_NEVER. */
u64 clock_next_ns(const struct clock *c);
/*
 * Runs each timer that is due, once; on the clock's own thread. A timer that
 * arms itself for the past again has to wait for the next call, so that a
 * guest's absurd period cannot hold us here.
 */
void clock_run(struct clock *c);
/* GUEST: deadlines may lie beyond the end of host time: that is never. */
static inline u64 clock_to_host_ns(const struct clock *c, u64 vm_ns)
{
	u64 origin_ns = c->time->origin_ns;

	return vm_ns < CLOCK_NEVER - origin_ns ? vm_ns + origin_ns :
						 CLOCK_NEVER;
}

void timer_init(struct timer *t, struct clock *c,
		void (*fn)(void *arg, u64 now_ns), void *arg);
/* Arms (or moves) to @deadline_ns, VM time; CLOCK_NEVER disarms. */
void timer_arm(struct timer *t, u64 deadline_ns);

#endif
