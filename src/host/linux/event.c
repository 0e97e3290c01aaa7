/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event.c - a flag to sleep on.
 *
 * SET is sticky until a wait consumes it, so a wake-up cannot be lost between
 * a look at the world and going to sleep. Setting costs a system call only when
 * somebody sleeps.
 */
#include "host/host.h"
#include "host/linux/futex.h"

enum { CLEAR, SET, WAITED };

void host_event_init(struct host_event *e)
{
	__atomic_store_n(&e->state, CLEAR, __ATOMIC_RELAXED);
}

void host_event_set(struct host_event *e)
{
	/* PAIRS: the exchanges of host_event_wait; what was written before
	 * setting is seen after waiting. */
	if (__atomic_exchange_n(&e->state, SET, __ATOMIC_ACQ_REL) == WAITED)
		futex_wake_one(&e->state);
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif

/* The thread sanitizer holds signal handlers back until the thread makes a call
 * of the C library that it knows; a handler may be what we wait for. */
static long sleep_while_waited(struct host_event *e, u64 deadline_ns)
{
#ifdef __SANITIZE_THREAD__
	u64 soon = host_now_ns() + 1000000;

	if (soon < deadline_ns) {
		futex_wait(&e->state, WAITED, soon);
		return 0;
	}
#endif
	return futex_wait(&e->state, WAITED, deadline_ns);
}

bool host_event_wait(struct host_event *e, u64 deadline_ns)
{
	for (;;) {
		u32 was = CLEAR;

		/* CLEAR becomes WAITED; SET is consumed. */
		__atomic_compare_exchange_n(&e->state, &was, WAITED, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
		if (was == SET)
			break;
		if (sleep_while_waited(e, deadline_ns) == -ETIMEDOUT)
			break;
	}
	return __atomic_exchange_n(&e->state, CLEAR, __ATOMIC_ACQ_REL) == SET;
}
