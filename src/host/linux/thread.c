/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - threads that take no signals but their own: faults, and the alarm
 * of alarm.c. SIGINT and the like go to the main thread.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/string.h"
#include "host/host.h"
#include "host/linux/schedstat.h"
#include "host/linux/signals.h"

struct host_thread {
	pthread_t id;
	void (*fn)(void *);
	void *arg;
	char name[16]; /* all that Linux shows */
};

static void *thread_main(void *p)
{
	struct host_thread *t = p;

	pthread_setname_np(pthread_self(), t->name);
	/* Timed waits end on time instead of up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1);
	t->fn(t->arg);
	schedstat_close();
	return NULL;
}

static void signals_to_block(sigset_t *set)
{
	sigfillset(set);
	sigdelset(set, SIGSEGV);
	sigdelset(set, SIGBUS);
	sigdelset(set, SIGFPE);
	sigdelset(set, SIGILL);
	sigdelset(set, SIGTRAP);
	sigdelset(set, SIGABRT);
	sigdelset(set, SIGSYS);
	sigdelset(set, SIGPROF);
	sigdelset(set, SIGNAL_ALARM);
}

int host_thread_create(struct host_thread **out, const char *name,
		       void (*fn)(void *), void *arg)
{
	struct host_thread *t = host_alloc(sizeof(*t));
	sigset_t block, old;
	int err;

	*out = NULL;
	if (!t)
		return -ENOMEM;
	t->fn = fn;
	t->arg = arg;
	str_copy(t->name, sizeof(t->name), name);
	/* Inherited, so that no signal arrives before the thread runs. */
	signals_to_block(&block);
	pthread_sigmask(SIG_SETMASK, &block, &old);
	err = pthread_create(&t->id, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		host_free(t);
		return -err;
	}
	*out = t;
	return 0;
}

void host_thread_join(struct host_thread *t)
{
	if (!t)
		return;
	pthread_join(t->id, NULL);
	host_free(t);
}
