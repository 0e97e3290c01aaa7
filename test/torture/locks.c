/* SPDX-License-Identifier: Apache-2.0 */
/*
 * locks.c - mutual exclusion, from a few LOCKed instructions and much reliance
 * on the order of plain ones; and waiting in the kernel, where a wake-up that
 * is lost hangs.
 *
 * What a lock guards is changed by plain instructions alone, in several lines
 * and pages, and must agree whenever one has the lock.
 */
#include "torture.h"

#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	unsigned long a ALIGNED(PAGE);
	unsigned long b ALIGNED(LINE);
	char pad[PAGE - LINE - 3];
	unsigned long c __attribute__((packed)); /* on two pages */
} guarded;

static void change(void)
{
	unsigned long a = PLAIN(guarded.a), b = PLAIN(guarded.b);
	unsigned long c = PLAIN(guarded.c);

	if (a != b || a != c)
		wrong("two were in it at once: %lu %lu %lu", a, b, c);
	PLAIN(guarded.a) = a + 1;
	PLAIN(guarded.c) = c + 1;
	PLAIN(guarded.b) = b + 1;
}

/* --- tickets: two halves of a word, released by a plain increment --- */

static union {
	uint32_t whole;
	struct {
		uint16_t owner, next;
	};
} tickets;

static void ticket_acquire(unsigned me)
{
	uint32_t mine = __atomic_fetch_add(&tickets.whole, 1u << 16,
					   __ATOMIC_ACQUIRE);
	unsigned patience = 0;

	while (LOAD(&tickets.owner) != (uint16_t)(mine >> 16))
		wait_a_little(&patience);
}

static void ticket_release(unsigned me)
{
	__asm__ volatile("incw %0" : "+m"(tickets.owner) : : "memory", "cc");
}

/* --- MCS: a queue of waiters, each with a word of its own --- */

static struct waiter {
	struct waiter *next ALIGNED(LINE);
	unsigned locked;
} waiters[THREADS_MAX], *tail;

static void mcs_acquire(unsigned index)
{
	struct waiter *me = &waiters[index], *before;
	unsigned patience = 0;

	me->next = NULL;
	me->locked = 1;
	before = __atomic_exchange_n(&tail, me, __ATOMIC_ACQ_REL);
	if (!before)
		return;
	STORE(&before->next, me);
	while (LOAD(&me->locked))
		wait_a_little(&patience);
}

static void mcs_release(unsigned index)
{
	struct waiter *me = &waiters[index], *self = me;
	unsigned patience = 0;

	if (!LOAD(&me->next)) {
		if (__atomic_compare_exchange_n(&tail, &self, NULL, false,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return;
		while (!LOAD(&me->next))
			wait_a_little(&patience);
	}
	STORE(&me->next->locked, 0);
}

/* --- futex: 0 free, 1 taken, 2 and somebody may wait in the kernel --- */

static uint32_t word;

static void futex_wait(uint32_t *at, uint32_t value)
{
	syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, value, NULL);
}

static void futex_wake(uint32_t *at)
{
	syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, 1);
}

static void futex_acquire(unsigned me)
{
	uint32_t old = 0;

	if (__atomic_compare_exchange_n(&word, &old, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&word, 2, __ATOMIC_ACQUIRE))
		futex_wait(&word, 2);
}

static void futex_release(unsigned me)
{
	if (__atomic_exchange_n(&word, 0, __ATOMIC_RELEASE) == 2)
		futex_wake(&word);
}

/* --- the C library's --- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void mutex_acquire(unsigned me)
{
	pthread_mutex_lock(&mutex);
}

static void mutex_release(unsigned me)
{
	pthread_mutex_unlock(&mutex);
}

static void exclude(struct worker *w, void (*acquire)(unsigned),
		    void (*release)(unsigned))
{
	while (w->done < w->operations && !gone_wrong()) {
		acquire(w->index);
		change();
		release(w->index);
		spend(random_below(w, 100));
		w->done++;
	}
}

static void ticket(struct worker *w)
{
	exclude(w, ticket_acquire, ticket_release);
}

static void mcs(struct worker *w)
{
	exclude(w, mcs_acquire, mcs_release);
}

static void futex(struct worker *w)
{
	exclude(w, futex_acquire, futex_release);
}

static void library(struct worker *w)
{
	exclude(w, mutex_acquire, mutex_release);
}

static bool prepare(unsigned threads, unsigned long each)
{
	memset(&guarded, 0, sizeof(guarded));
	return true;
}

static void check(unsigned threads, unsigned long each)
{
	unsigned long c = PLAIN(guarded.c);

	if (gone_wrong())
		return;
	if (guarded.a != threads * each || guarded.b != guarded.a ||
	    c != guarded.a)
		wrong("%lu %lu %lu after %lu changes", guarded.a, guarded.b, c,
		      threads * each);
}

/* --- ping-pong: pairs that wait for each other in the kernel --- */

static struct pair {
	uint32_t turn ALIGNED(LINE);
	unsigned long hits;
	pthread_mutex_t lock;
	pthread_cond_t moved;
} pairs[THREADS_MAX / 2];

static bool prepare_pairs(unsigned threads, unsigned long each)
{
	for (unsigned i = 0; i < threads / 2; i++) {
		pairs[i].turn = 0;
		pairs[i].hits = 0;
		pthread_mutex_init(&pairs[i].lock, NULL);
		pthread_cond_init(&pairs[i].moved, NULL);
	}
	return true;
}

/* Who has the turn alone changes .hits. */
static void hit(struct worker *w, struct pair *p)
{
	if (PLAIN(p->hits) != 2 * w->done + w->index % 2)
		wrong("hit %lu is number %lu", 2 * w->done + w->index % 2,
		      p->hits);
	PLAIN(p->hits) = p->hits + 1;
}

static void futex_pingpong(struct worker *w)
{
	struct pair *p = &pairs[w->index / 2];
	uint32_t me = w->index % 2;

	for (; w->done < w->operations; w->done++) {
		while (LOAD(&p->turn) != me)
			futex_wait(&p->turn, !me);
		hit(w, p);
		STORE(&p->turn, !me);
		futex_wake(&p->turn);
	}
}

static void condition_pingpong(struct worker *w)
{
	struct pair *p = &pairs[w->index / 2];
	uint32_t me = w->index % 2;

	for (; w->done < w->operations; w->done++) {
		pthread_mutex_lock(&p->lock);
		while (p->turn != me)
			pthread_cond_wait(&p->moved, &p->lock);
		hit(w, p);
		p->turn = !me;
		pthread_cond_signal(&p->moved);
		pthread_mutex_unlock(&p->lock);
	}
}

const struct torture lock_tab[] = {
	{ "ticket lock", 50000, 1, prepare, ticket, check },
	{ "MCS lock", 50000, 1, prepare, mcs, check },
	{ "futex lock", 1000000, 1, prepare, futex, check },
	{ "library's mutex", 1000000, 1, prepare, library, check },
	{ "futex ping-pong", 20000, 2, prepare_pairs, futex_pingpong, NULL },
	{ "condition variable", 20000, 2, prepare_pairs, condition_pingpong,
	  NULL },
	{ NULL },
};
