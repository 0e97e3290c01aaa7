/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture.h - many threads at once do what is easy to get wrong: what the
 * parts of this program share.
 *
 * A torture is a function that some threads run together, with something that
 * must hold all the time; wrong() says that it did not. The threads do a fixed
 * number of operations each, so that one can tell what was done, and one that
 * does not come to its end hangs.
 */
#ifndef DOPPEL_TORTURE_H
#define DOPPEL_TORTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define THREADS_MAX 64
#define LINE 64
#define PAGE 4096ul
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGNED(n) __attribute__((aligned(n)))

struct worker {
	unsigned index, threads; /* I am one of so many */
	unsigned long operations; /* that I shall do */
	uint64_t random;
	unsigned long done ALIGNED(LINE); /* so far; read by main() */
};

struct torture {
	const char *name;
	unsigned long operations; /* of all threads, at --scale 100 */
	unsigned multiple; /* so many threads, or two, three times as many */
	bool (*prepare)(unsigned threads, unsigned long each); /* or NULL */
	void (*work)(struct worker *w);
	void (*check)(unsigned threads, unsigned long each); /* ...; at last */
};

extern const struct torture lock_tab[], lockless_tab[], atomic_tab[],
	order_tab[], memory_tab[];

/* Any thread. What holds no more is shown a few times, and counts. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Something went wrong already: go on, but not for ever. */
bool gone_wrong(void);
/* All threads of a torture wait for each other. */
void rendezvous(void);
/* Once a round of a loop that waits for another thread: that may be waiting
 * for a processor. */
void wait_a_little(unsigned *patience);

static inline uint32_t random_below(struct worker *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((w->random >> 33) % n);
}

static inline void spend(unsigned n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
}

#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define PLAIN(x) (*(volatile __typeof__(x) *)&(x))

#endif
