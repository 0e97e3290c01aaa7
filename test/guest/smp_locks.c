/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks as kernels and C libraries build them, from a few LOCKed instructions
 * and much reliance on the order of plain ones: what they guard is changed by
 * plain instructions only, and must come out right.
 */
#include "lib/smp.h"

/* What is guarded: several words that always agree. */
static struct {
	ulong a __attribute__((aligned(64)));
	ulong b __attribute__((aligned(64)));
	u8 pad[64 - 3];
	ulong c __attribute__((packed)); /* in two lines */
} guarded;

static void change(void)
{
	ulong a = *(volatile ulong *)&guarded.a;
	ulong b = *(volatile ulong *)&guarded.b, c = guarded.c;

	if (a != b || a != c)
		CHECK(!"two were in it at once");
	*(volatile ulong *)&guarded.a = a + 1;
	guarded.c = c + 1;
	*(volatile ulong *)&guarded.b = b + 1;
}

/* Who waits for one that the host has put aside wastes its time slice. */
static void wait_a_little(unsigned *patience)
{
	if (++*patience % 64)
		pause();
	else
		spin(2000);
}

struct lock {
	const char *name;
	void (*acquire)(void), (*release)(void);
};

/* --- test and set --- */

static u8 tas;

static void tas_acquire(void)
{
	unsigned patience = 0;

	while (__atomic_exchange_n(&tas, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&tas, __ATOMIC_RELAXED))
			wait_a_little(&patience);
}

static void tas_release(void)
{
	STORE(&tas, 0);
}

/* --- tickets, two bytes each in a word, released by a plain increment --- */

static union {
	u32 whole;
	struct {
		u16 owner, next;
	};
} tickets;

static void ticket_acquire(void)
{
	u32 mine = __atomic_fetch_add(&tickets.whole, 1u << 16,
				      __ATOMIC_ACQUIRE);
	unsigned patience = 0;

	while (LOAD(&tickets.owner) != (u16)(mine >> 16))
		wait_a_little(&patience);
}

static void ticket_release(void)
{
	asm volatile("incw %0" : "+m"(tickets.owner) :: "memory");
}

/* --- MCS: a queue of waiters, each with a word of its own --- */

static struct waiter {
	struct waiter *next;
	unsigned locked;
	u8 pad[48];
} waiters[CPUS_MAX] __attribute__((aligned(64))), *tail;

static void mcs_acquire(void)
{
	struct waiter *me = &waiters[this_cpu()->index], *before;
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

static void mcs_release(void)
{
	struct waiter *me = &waiters[this_cpu()->index], *self = me, *next;
	unsigned patience = 0;

	if (!LOAD(&me->next)) {
		if (__atomic_compare_exchange_n(&tail, &self, NULL, false,
						__ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return;
		while (!LOAD(&me->next))
			wait_a_little(&patience);
	}
	next = me->next;
	STORE(&next->locked, 0);
}

/* --- as futexes: who waits halts, who releases sends an IPI --- */

static u32 futex; /* 0 free, 1 taken, 2 and somebody waits */
static volatile u64 sleepers;

static void futex_acquire(void)
{
	unsigned me = this_cpu()->index;
	u32 old = 0;

	if (__atomic_compare_exchange_n(&futex, &old, 1, false,
					__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&futex, 2, __ATOMIC_ACQUIRE)) {
		ATOMIC_OR(&sleepers, BIT(me));
		/* Either this sees it free or the other sees us asleep. */
		if (__atomic_load_n(&futex, __ATOMIC_SEQ_CST) == 2 &&
		    sleepers >> me & 1)
			asm volatile("sti; hlt; cli" ::: "memory");
		__atomic_and_fetch(&sleepers, ~BIT(me), __ATOMIC_SEQ_CST);
	}
}

static void futex_release(void)
{
	u64 asleep;

	if (__atomic_exchange_n(&futex, 0, __ATOMIC_SEQ_CST) != 2)
		return;
	asleep = __atomic_load_n(&sleepers, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < smp_cpus; i++)
		if (asleep >> i & 1)
			apic_ipi(i, V_WAKE);
}

static const struct lock locks[] = {
	{ "test and set", tas_acquire, tas_release },
	{ "tickets", ticket_acquire, ticket_release },
	{ "MCS", mcs_acquire, mcs_release },
	{ "futex", futex_acquire, futex_release },
};

static void torture(ulong which)
{
	const struct lock *l = &locks[which];
	struct random rnd = random_seed(this_cpu()->index);

	context("%s", l->name);
	barrier();
	for (unsigned n = shared(20000); n; n--) {
		l->acquire();
		change();
		l->release();
		spin(1 + random_below(&rnd, 100));
	}
}

static void mutual_exclusion(void)
{
	if (!smp_start(2))
		return;
	for (ulong i = 0; i < ARRAY_LEN(locks); i++) {
		memset(&guarded, 0, sizeof(guarded));
		on_all(torture, i);
		context("%s, at the end", locks[i].name);
		CHECK_EQ(guarded.a, shared(20000) * smp_cpus);
		CHECK_EQ(guarded.b, guarded.a);
		CHECK_EQ(guarded.c, guarded.a);
	}
}

/* --- seqlock: readers without any LOCKed instruction --- */

static u32 sequence;

static void seqlock(ulong rounds)
{
	unsigned patience = 0;

	barrier();
	for (unsigned n = 0; n < rounds; n++) {
		ulong a, b, c;
		u32 s;

		if (this_cpu()->index == 0) {
			STORE(&sequence, sequence + 1);
			change();
			STORE(&sequence, sequence + 1);
			spin(50);
			continue;
		}
		do {
			while ((s = LOAD(&sequence)) & 1)
				wait_a_little(&patience);
			a = LOAD(&guarded.a);
			c = guarded.c;
			b = LOAD(&guarded.b);
		} while (LOAD(&sequence) != s);
		if (a != b || a != c) {
			CHECK_EQ(a, b);
			CHECK_EQ(a, c);
		}
	}
}

static void sequence_lock(void)
{
	if (!smp_start(2))
		return;
	memset(&guarded, 0, sizeof(guarded));
	on_all(seqlock, shared(200000));
}

/*
 * As RCU: readers note that they read and follow a pointer; the writer puts
 * another object in its place, waits until each has been seen outside, and
 * poisons the old one.
 */
#define POISON 0xdeadul

static struct object { ulong value, twice; } objects[2];
static struct object *current;
static volatile bool rcu_over;

static struct reader {
	unsigned inside; /* odd: reading */
	u8 pad[60];
} readers[CPUS_MAX] __attribute__((aligned(64)));

static void rcu_read(void)
{
	struct reader *me = &readers[this_cpu()->index];

	while (!rcu_over) {
		const struct object *o;
		ulong v, w;

		/* Before the pointer is read: that takes a fence. */
		__atomic_exchange_n(&me->inside, me->inside + 1,
				    __ATOMIC_SEQ_CST);
		o = LOAD(&current);
		v = *(volatile ulong *)&o->value;
		w = *(volatile ulong *)&o->twice;
		STORE(&me->inside, me->inside + 1);
		if (v == POISON || w != 2 * v) {
			CHECK(v != POISON);
			CHECK_EQ(w, 2 * v);
		}
		pause();
	}
}

static void rcu_write(unsigned rounds)
{
	for (ulong n = 1; n <= rounds; n++) {
		struct object *old = current, *new = &objects[n & 1];

		new->value = n;
		new->twice = 2 * n;
		__atomic_store_n(&current, new, __ATOMIC_SEQ_CST);
		for (unsigned i = 1; i < smp_cpus; i++) {
			unsigned seen = LOAD(&readers[i].inside), patience = 0;

			while ((seen & 1) && LOAD(&readers[i].inside) == seen)
				wait_a_little(&patience);
		}
		old->value = old->twice = POISON;
	}
	rcu_over = true;
}

static void rcu(ulong rounds)
{
	barrier();
	if (this_cpu()->index)
		rcu_read();
	else
		rcu_write(rounds);
}

static void read_copy_update(void)
{
	if (!smp_start(2))
		return;
	memset(readers, 0, sizeof(readers));
	objects[0] = (struct object){ 0 };
	current = &objects[0];
	rcu_over = false;
	on_all(rcu, shared(20000));
}

const struct test tests[] = {
	{ "mutual exclusion", mutual_exclusion },
	{ "seqlock", sequence_lock },
	{ "read, copy, update", read_copy_update },
	{ NULL },
};
