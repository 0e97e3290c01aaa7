/* SPDX-License-Identifier: Apache-2.0 */
/*
 * order.c - the memory model, by litmus tests: short programs of two to four
 * threads with outcomes that x86-TSO forbids. SDM 3A 8.2.3 "Examples
 * Illustrating the Memory-Ordering Principles"; names as in Owens, Sarkar,
 * Sewell, "A Better x86 Memory Model: x86-TSO", 2009.
 *
 * An instance is a pair of variables, each on a line of its own; a group of
 * threads goes through many, and meets before each, with limited patience: who
 * is not there at the same time only makes it less sharp.
 */
#include "torture.h"

#include <string.h>

#define INSTANCES 1024
#define GROUPS (THREADS_MAX / 2)
#define THREADS_IN_GROUP 4

struct instance {
	uint32_t x ALIGNED(LINE);
	uint32_t y ALIGNED(LINE);
	uint32_t met ALIGNED(LINE);
	uint32_t seen[THREADS_IN_GROUP][2] ALIGNED(LINE);
};

static struct instance instances[GROUPS][INSTANCES];

#define ST(v, n) "movl $" #n ", %[" #v "]\n\t"
#define LDA(v) "movl %[" #v "], %[a]\n\t"
#define LDB(v) "movl %[" #v "], %[b]\n\t"
#define FENCE "mfence\n\t"
#define XCHG(v, n) "movl $" #n ", %[b]\n\t xchgl %[b], %[" #v "]\n\t"
#define LOCKED "lock addl $0, (%%rsp)\n\t"
#define PROGRAM(name, text)                                                    \
	static void name(struct instance *i, uint32_t *seen)                   \
	{                                                                      \
		uint32_t a = 0, b = 0;                                         \
		__asm__ volatile(text                                          \
				 : [a] "+r"(a), [b] "+r"(b), [x] "+m"(i->x),   \
				   [y] "+m"(i->y)                              \
				 : : "memory", "cc");                          \
		seen[0] = a;                                                   \
		seen[1] = b;                                                   \
	}

PROGRAM(write_x, ST(x, 1))
PROGRAM(write_y, ST(y, 1))
PROGRAM(write_xy, ST(x, 1) ST(y, 1))
PROGRAM(read_xy, LDA(x) LDB(y))
PROGRAM(read_yx, LDA(y) LDB(x))
PROGRAM(read_x_write_y, LDA(x) ST(y, 1))
PROGRAM(read_y_write_x, LDA(y) ST(x, 1))
PROGRAM(write_x_fence_read_y, ST(x, 1) FENCE LDA(y))
PROGRAM(write_y_fence_read_x, ST(y, 1) FENCE LDA(x))
PROGRAM(write_x_lock_read_y, ST(x, 1) LOCKED LDA(y))
PROGRAM(exchange_y_read_x, XCHG(y, 1) LDA(x))
PROGRAM(write_x1_y2, ST(x, 1) ST(y, 2))
PROGRAM(write_y1_x2, ST(y, 1) ST(x, 2))
PROGRAM(read_xx, LDA(x) LDB(x))

#define A(thread) (i->seen[thread][0])
#define B(thread) (i->seen[thread][1])

static bool sb(const struct instance *i)
{
	return A(0) == 0 && A(1) == 0;
}

static bool mp(const struct instance *i)
{
	return A(1) == 1 && B(1) == 0;
}

static bool lb(const struct instance *i)
{
	return A(0) == 1 && A(1) == 1;
}

static bool iriw(const struct instance *i)
{
	return A(2) == 1 && B(2) == 0 && A(3) == 1 && B(3) == 0;
}

static bool two_writes(const struct instance *i)
{
	return i->x == 1 && i->y == 1;
}

static bool corr(const struct instance *i)
{
	return A(1) == 1 && B(1) == 0;
}

static const struct litmus {
	const char *name;
	unsigned threads;
	void (*program[THREADS_IN_GROUP])(struct instance *, uint32_t *);
	bool (*forbidden)(const struct instance *);
} litmus_tab[] = {
	{ "SB+MFENCE", 2, { write_x_fence_read_y, write_y_fence_read_x }, sb },
	{ "SB+LOCK+XCHG", 2, { write_x_lock_read_y, exchange_y_read_x }, sb },
	{ "MP", 2, { write_xy, read_yx }, mp },
	{ "LB", 2, { read_x_write_y, read_y_write_x }, lb },
	{ "IRIW", 4, { write_x, write_y, read_xy, read_yx }, iriw },
	{ "2+2W", 2, { write_x1_y2, write_y1_x2 }, two_writes },
	{ "CoRR", 2, { write_x, read_xx }, corr },
};

static void meet(struct instance *i, unsigned threads)
{
	__atomic_fetch_add(&i->met, 1, __ATOMIC_SEQ_CST);
	for (unsigned n = 0; n < 300 && LOAD(&i->met) < threads; n++)
		;
}

static bool is_done(const struct instance *i, unsigned threads)
{
	return LOAD(&i->met) == 2 * threads;
}

/* The last of a group to be through with all judges. */
static void judge(const struct litmus *l, const struct instance *all)
{
	for (unsigned n = 0; n < INSTANCES; n++) {
		const struct instance *i = &all[n];

		if (l->forbidden(i))
			wrong("%s: instance %u: x %u y %u, %u %u, %u %u", l->name,
			      n, i->x, i->y, A(0), B(0), A(1), B(1));
	}
}

static void run_litmus(struct worker *w, const struct litmus *l)
{
	struct instance *all = instances[w->index / l->threads];
	unsigned me = w->index % l->threads;
	bool takes_part = w->index / l->threads < w->threads / l->threads;

	if (takes_part && me == 0)
		memset(all, 0, sizeof(instances[0]));
	rendezvous();
	for (unsigned n = 0; takes_part && n < INSTANCES; n++) {
		struct instance *i = &all[n];

		meet(i, l->threads);
		spend(random_below(w, 40));
		l->program[me](i, i->seen[me]);
		__atomic_fetch_add(&i->met, 1, __ATOMIC_SEQ_CST);
		w->done++;
	}
	rendezvous();
	if (takes_part && me == 0) {
		for (unsigned n = 0; n < INSTANCES; n++)
			if (!is_done(&all[n], l->threads))
				wrong("%s: instance %u is not done", l->name,
				      n);
		judge(l, all);
	}
	/* The next litmus has other groups. */
	rendezvous();
}

static void order(struct worker *w)
{
	unsigned long rounds = w->operations / INSTANCES + 1;

	while (rounds--)
		for (unsigned l = 0; l < ARRAY_LEN(litmus_tab); l++)
			run_litmus(w, &litmus_tab[l]);
}

const struct torture order_tab[] = {
	{ "memory order", 60000, 2, NULL, order, NULL },
	{ NULL },
};
