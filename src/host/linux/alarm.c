/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alarm.c - a thread's one-shot alarm: a POSIX timer that sends a realtime
 * signal to that very thread.
 *
 * Guests move their deadlines thousands of times a second, mostly to later.
 * So the host's timer is moved only to earlier times. It may then fire before
 * its time, once; the handler sees that and arms it for what is wanted by now.
 *
 *	want_ns		what the caller asked for, ~0 nothing
 *	armed_ns	when the host's timer fires; ~0: not at all, or so we
 *			may safely believe
 *
 * Only the owning thread and its signal handler touch these, so the order of
 * plain stores is all that matters. host_alarm_set writes want_ns first and
 * armed_ns before the system call: were it the other way round, a signal that
 * arrives between would be forgotten again.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"
#include "host/linux/signals.h"

#define NEVER (~0ull)

struct host_alarm {
	timer_t timer;
	void (*fn)(void *);
	void *arg;
	volatile u64 want_ns, armed_ns;
};

static _Thread_local struct host_alarm *thread_alarm;

static void set_timer(struct host_alarm *a, u64 deadline_ns)
{
	struct itimerspec its = { 0 };

	deadline_ns = max_u64(deadline_ns, 1); /* 0 would disarm */
	its.it_value.tv_sec = (time_t)(deadline_ns / 1000000000u);
	its.it_value.tv_nsec = (long)(deadline_ns % 1000000000u);
	/* Cannot fail: the timer is ours and the time is well-formed. */
	timer_settime(a->timer, TIMER_ABSTIME, &its, NULL);
}

static void alarm_handler(int sig)
{
	struct host_alarm *a = thread_alarm;
	int saved_errno = errno;
	u64 want;

	if (!a)
		return;
	a->armed_ns = NEVER;
	want = a->want_ns;
	if (want == NEVER)
		return;
	if (host_now_ns() >= want) {
		a->want_ns = NEVER;
		a->fn(a->arg);
	} else {
		a->armed_ns = want;
		set_timer(a, want);
	}
	errno = saved_errno;
}

int host_alarm_create(struct host_alarm **out, void (*fn)(void *), void *arg)
{
	struct sigaction sa = { .sa_handler = alarm_handler,
				.sa_flags = SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID,
			       .sigev_signo = SIGNAL_ALARM };
	struct host_alarm *a;
	int err;

	*out = NULL;
	if (thread_alarm)
		return -EBUSY;
	a = host_alloc(sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->fn = fn;
	a->arg = arg;
	a->want_ns = a->armed_ns = NEVER;
	sigfillset(&sa.sa_mask);
	ev._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGNAL_ALARM, &sa, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &ev, &a->timer) < 0) {
		err = errno;
		host_free(a);
		return -err;
	}
	thread_alarm = a;
	*out = a;
	return 0;
}

void host_alarm_set(struct host_alarm *a, u64 deadline_ns)
{
	a->want_ns = deadline_ns;
	if (deadline_ns >= a->armed_ns)
		return;
	a->armed_ns = deadline_ns;
	set_timer(a, deadline_ns);
}

void host_alarm_destroy(struct host_alarm *a)
{
	if (!a)
		return;
	/* A signal that still comes finds no alarm. */
	thread_alarm = NULL;
	timer_delete(a->timer);
	host_free(a);
}
