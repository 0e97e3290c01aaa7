/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mutex.c - a lock of one word: one locked instruction each way when nobody
 * else wants it, which with one virtual CPU is nearly always.
 *
 * The word is 0 free, 1 held, 2 held and somebody may be asleep. The scheme is
 * the third of Ulrich Drepper's "Futexes Are Tricky".
 */
#include "host/host.h"
#include "host/linux/futex.h"

enum { FREE, HELD, CONTENDED };

/* Device code holds a lock for less than a sleep would take. */
#define SPINS 200

static u32 *word(struct host_mutex *m)
{
	return (u32 *)(void *)m->opaque;
}

void host_mutex_init(struct host_mutex *m)
{
	*word(m) = FREE;
}

void host_mutex_fini(struct host_mutex *m)
{
	*word(m) = FREE;
}

static bool try_lock(u32 *w)
{
	u32 expected = FREE;

	return __atomic_compare_exchange_n(w, &expected, HELD, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void lock_slowly(u32 *w)
{
	for (int i = 0; i < SPINS; i++) {
		if (__atomic_load_n(w, __ATOMIC_RELAXED) == FREE &&
		    try_lock(w))
			return;
		__builtin_ia32_pause();
	}
	/* Whoever has slept takes the lock as contended: others may sleep
	 * still, and an unlock too many costs less than one too few. */
	while (__atomic_exchange_n(w, CONTENDED, __ATOMIC_ACQUIRE) != FREE)
		futex_wait(w, CONTENDED, ~0ull);
}

void host_mutex_lock(struct host_mutex *m)
{
	u32 *w = word(m);

	if (unlikely(!try_lock(w)))
		lock_slowly(w);
}

void host_yield(void)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(SYS_sched_yield)
			 : "rcx", "r11", "memory");
}

void host_mutex_unlock(struct host_mutex *m)
{
	u32 *w = word(m);

	if (unlikely(__atomic_exchange_n(w, FREE, __ATOMIC_RELEASE) ==
		     CONTENDED))
		futex_wake_one(w);
}
