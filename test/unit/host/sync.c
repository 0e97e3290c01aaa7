/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c - threads, mutexes and events, with stress against lost wake-ups. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/host.h"
#include "tap.h"

#define THREADS 4
#define ROUNDS 50000

/* Each thread has its own, which never goes back. */
static bool delay_ok;

static void ask_delay(void *arg)
{
	u64 end = host_now_ns() + 5000000, first = host_thread_delay_ns();
	u64 last = first;

	delay_ok = true;
	while (host_now_ns() < end) {
		u64 d = host_thread_delay_ns();

		delay_ok &= d >= last;
		last = d;
	}
	/* It cannot have waited for longer than it has been. */
	delay_ok &= first == ~0ull || first < 60000000000ull;
}

static void test_delay(void)
{
	struct host_thread *t;

	if (host_thread_create(&t, "asks", ask_delay, NULL))
		return;
	host_thread_join(t);
	tap_check(delay_ok, "how long it waited");
}

static struct host_mutex lock;
static u64 counter; /* under lock */

static void count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		host_mutex_lock(&lock);
		*(volatile u64 *)&counter += 1;
		host_mutex_unlock(&lock);
	}
}

static void test_mutex(void)
{
	struct host_thread *t[THREADS];
	int err = 0;

	host_mutex_init(&lock);
	for (int i = 0; i < THREADS; i++)
		err |= host_thread_create(&t[i], "counter", count, NULL);
	for (int i = 0; i < THREADS; i++)
		host_thread_join(t[i]);
	host_mutex_fini(&lock);
	tap_check(!err, "threads");
	tap_equal(counter, (u64)THREADS * ROUNDS, "no increment is lost");
	host_thread_join(NULL);
}

struct thread_facts {
	char name[16];
	bool int_blocked, segv_blocked;
	void *gs;
};

static void look(void *arg)
{
	struct thread_facts *f = arg;
	sigset_t set;
	void *self;

	prctl(PR_GET_NAME, f->name);
	sigprocmask(SIG_SETMASK, NULL, &set);
	f->int_blocked = sigismember(&set, SIGINT);
	f->segv_blocked = sigismember(&set, SIGSEGV);
	self = f;
	host_set_gs_base(&self);
	__asm__ volatile("mov %%gs:0, %0" : "=r"(f->gs));
}

static void test_thread(void)
{
	struct thread_facts f = { "" };
	struct host_thread *t;
	sigset_t set;

	if (!tap_check(!host_thread_create(&t, "a-name-that-is-too-long", look,
					   &f),
		       "a thread"))
		return;
	host_thread_join(t);
	tap_check(!strcmp(f.name, "a-name-that-is-"), "its name: %s", f.name);
	tap_check(f.int_blocked && !f.segv_blocked, "its signals");
	tap_check(f.gs == &f, "its gs base");
	sigprocmask(SIG_SETMASK, NULL, &set);
	tap_check(!sigismember(&set, SIGINT), "ours are as before");
}

/* Two threads hand a token back and forth: one lost wake-up hangs them. */
static struct host_event ping, pong;

static void play(void *arg)
{
	for (int i = 0; i < ROUNDS / 5; i++) {
		host_event_wait(&ping, ~0ull);
		host_event_set(&pong);
	}
}

static void test_ping_pong(void)
{
	struct host_thread *t;
	int seen = 0;

	host_event_init(&ping);
	host_event_init(&pong);
	if (host_thread_create(&t, "player", play, NULL))
		return;
	for (int i = 0; i < ROUNDS / 5; i++) {
		host_event_set(&ping);
		seen += host_event_wait(&pong, ~0ull);
	}
	host_thread_join(t);
	tap_equal(seen, ROUNDS / 5, "every ping had its pong");
}

static void test_event_time(void)
{
	struct host_event e;
	u64 t0 = host_now_ns();

	host_event_init(&e);
	tap_check(!host_event_wait(&e, t0 + 2000000), "not set");
	tap_check(host_now_ns() >= t0 + 2000000, "waited until the deadline");
	tap_check(!host_event_wait(&e, 0), "a deadline long past");
	host_event_set(&e);
	host_event_set(&e);
	tap_check(host_event_wait(&e, 0), "set before counts, even then");
	tap_check(!host_event_wait(&e, host_now_ns()), "once");
}

static struct host_event from_signal;

static void on_signal(int sig)
{
	host_event_set(&from_signal);
}

/* A handler on the waiting thread itself ends the wait. */
static void interrupt_main(void *arg)
{
	struct host_event never;

	host_event_init(&never);
	host_event_wait(&never, host_now_ns() + 5000000);
	kill(getpid(), SIGUSR1);
}

static void test_event_signal(void)
{
	struct sigaction sa = { .sa_handler = on_signal,
				.sa_flags = SA_RESTART };
	struct host_thread *t;

	host_event_init(&from_signal);
	sigaction(SIGUSR1, &sa, NULL);
	if (host_thread_create(&t, "kill", interrupt_main, NULL))
		return;
	tap_check(host_event_wait(&from_signal, host_now_ns() + 5000000000),
		  "a signal handler wakes its own thread");
	host_thread_join(t);
}

int main(void)
{
	test_delay();
	test_mutex();
	test_thread();
	test_ping_pong();
	test_event_time();
	test_event_signal();
	return tap_done();
}
