/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lockless.c - readers that take no lock: sequence counts, read-copy-update;
 * and a stack of nodes by CMPXCHG16B.
 */
#include "torture.h"

#include <string.h>

/* --- seqlock: thread 0 writes --- */

static struct {
	unsigned sequence ALIGNED(PAGE);
	unsigned long a ALIGNED(LINE);
	char pad[PAGE - 2 * LINE - 3];
	unsigned long b __attribute__((packed)); /* on two pages */
	unsigned long c ALIGNED(LINE);
} record;

static bool seq_prepare(unsigned threads, unsigned long each)
{
	memset(&record, 0, sizeof(record));
	return true;
}

static void seq_write(struct worker *w)
{
	for (; w->done < w->operations; w->done++) {
		unsigned long n = w->done + 1;

		STORE(&record.sequence, record.sequence + 1);
		PLAIN(record.c) = n;
		PLAIN(record.b) = n;
		PLAIN(record.a) = n;
		STORE(&record.sequence, record.sequence + 1);
		spend(random_below(w, 200));
	}
}

static void seq_read(struct worker *w)
{
	unsigned long before = 0, a, b, c;
	unsigned s, patience = 0;

	for (; w->done < w->operations && !gone_wrong(); w->done++) {
		do {
			while ((s = LOAD(&record.sequence)) & 1)
				wait_a_little(&patience);
			a = PLAIN(record.a);
			b = PLAIN(record.b);
			c = PLAIN(record.c);
		} while (LOAD(&record.sequence) != s);
		if (a != b || a != c || a != s / 2 || a < before)
			wrong("read %lu %lu %lu at %u after %lu", a, b, c, s,
			      before);
		before = a;
	}
}

static void seqlock(struct worker *w)
{
	if (w->index)
		seq_read(w);
	else
		seq_write(w);
}

/*
 * --- read-copy-update: readers note that they read, and in which epoch, and
 * follow a pointer; thread 0 publishes another object, waits until each reader
 * has been seen outside or in a later epoch, and poisons the old one ---
 */
#define OBJECTS 8
#define POISON 0xdeadul

static struct object {
	unsigned long value ALIGNED(LINE), twice;
} objects[OBJECTS], *published;
static unsigned long epoch;
static bool rcu_over;

static struct reader {
	unsigned long in_epoch ALIGNED(LINE); /* 0: outside */
} readers[THREADS_MAX];

static bool rcu_prepare(unsigned threads, unsigned long each)
{
	memset(objects, 0, sizeof(objects));
	memset(readers, 0, sizeof(readers));
	published = &objects[0];
	epoch = 1;
	rcu_over = false;
	return true;
}

static void rcu_read(struct worker *w)
{
	struct reader *me = &readers[w->index];
	unsigned long before = 0;
	unsigned patience = 0;

	while (!LOAD(&rcu_over) && !gone_wrong()) {
		const struct object *o;
		unsigned long v, t;

		/* It is seen before the pointer is read. */
		__atomic_exchange_n(&me->in_epoch, LOAD(&epoch),
				    __ATOMIC_SEQ_CST);
		o = LOAD(&published);
		v = PLAIN(o->value);
		spend(random_below(w, 20));
		t = PLAIN(o->twice);
		STORE(&me->in_epoch, 0);
		if (v == POISON || t != 2 * v)
			wrong("read %lu %lu, which was given back", v, t);
		if (v < before)
			wrong("read %lu after %lu", v, before);
		before = v;
		w->done++;
		/* Rather here than when it is waited for. */
		wait_a_little(&patience);
	}
}

static void rcu_write(struct worker *w)
{
	for (; w->done < w->operations; w->done++) {
		unsigned long n = w->done + 1, mine;
		struct object *old = published, *new = &objects[n % OBJECTS];

		PLAIN(new->value) = n;
		PLAIN(new->twice) = 2 * n;
		STORE(&published, new);
		mine = __atomic_add_fetch(&epoch, 1, __ATOMIC_SEQ_CST);
		for (unsigned i = 1; i < w->threads; i++) {
			unsigned patience = 0;
			unsigned long e;

			while ((e = LOAD(&readers[i].in_epoch)) && e < mine)
				wait_a_little(&patience);
		}
		PLAIN(old->value) = POISON;
		PLAIN(old->twice) = POISON;
	}
	STORE(&rcu_over, true);
}

static void rcu(struct worker *w)
{
	if (w->index)
		rcu_read(w);
	else
		rcu_write(w);
}

/* --- a stack: its top is a pointer and a count against A-B-A --- */

#define NODES 256

static struct node {
	struct node *next ALIGNED(LINE);
	unsigned owner; /* 0 while it is on the stack, else who has it, plus 1 */
	unsigned long uses;
} nodes[NODES];

static struct top {
	struct node *first;
	unsigned long count;
} top ALIGNED(16);

static bool top_exchange(struct top *old, struct top new)
{
	bool done;

	__asm__ volatile("lock cmpxchg16b %1"
			 : "=@ccz"(done), "+m"(top), "+a"(old->first),
			   "+d"(old->count)
			 : "b"(new.first), "c"(new.count)
			 : "memory");
	return done;
}

static struct top top_read(void)
{
	struct top t = { .count = LOAD(&top.count) };

	/* May be torn: then the exchange fails. */
	t.first = LOAD(&top.first);
	return t;
}

static void stack_push(struct node *n)
{
	struct top old = top_read();

	do
		PLAIN(n->next) = old.first;
	while (!top_exchange(&old, (struct top){ n, old.count + 1 }));
}

static struct node *stack_pop(void)
{
	struct top old = top_read();

	while (old.first) {
		struct node *next = PLAIN(old.first->next);

		if (top_exchange(&old, (struct top){ next, old.count + 1 }))
			return old.first;
	}
	return NULL;
}

static bool stack_prepare(unsigned threads, unsigned long each)
{
	memset(nodes, 0, sizeof(nodes));
	top = (struct top){ NULL, 0 };
	for (unsigned i = 0; i < NODES; i++)
		stack_push(&nodes[i]);
	return true;
}

static void stack(struct worker *w)
{
	struct node *held[3];

	for (; w->done < w->operations && !gone_wrong(); w->done++) {
		unsigned n = 0, wanted = 1 + random_below(w, 3);

		while (n < wanted && (held[n] = stack_pop())) {
			if (PLAIN(held[n]->owner))
				wrong("a node of thread %u and of %u",
				      held[n]->owner - 1, w->index);
			PLAIN(held[n]->owner) = w->index + 1;
			n++;
		}
		spend(random_below(w, 30));
		while (n--) {
			if (PLAIN(held[n]->owner) != w->index + 1)
				wrong("thread %u's node is %u's", w->index,
				      held[n]->owner - 1);
			PLAIN(held[n]->uses) = held[n]->uses + 1;
			PLAIN(held[n]->owner) = 0;
			stack_push(held[n]);
		}
	}
}

static void stack_check(unsigned threads, unsigned long each)
{
	unsigned n = 0;

	for (const struct node *p = top.first; p && n <= NODES; p = p->next)
		n++;
	if (n != NODES)
		wrong("%u nodes of %u", n, NODES);
}

const struct torture lockless_tab[] = {
	{ "seqlock", 4000000, 1, seq_prepare, seqlock, NULL },
	{ "read-copy-update", 60000, 1, rcu_prepare, rcu, NULL },
	{ "CMPXCHG16B stack", 1000000, 1, stack_prepare, stack, stack_check },
	{ NULL },
};
