/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_turn.c - more virtual processors than the host has for us: they take
 * turns at running guest code, as many at a time as there are processors.
 *
 * The host's scheduler would share them out as well, but it knows nothing of
 * what they wait for, and nobody would know whom it has put aside. A processor
 * that has to tell all others to flush a page would wait until each of them has
 * had its time slice, and so would one that wants a lock whose holder is put
 * aside, or wants all the others to stop. Here who waits for its turn is marked
 * as preempted (watch_ops): guests do not interrupt it, but leave word; and
 * nothing of the engine's is under way on it.
 *
 * The turn goes to who has used least time; to who was interrupted by another
 * processor before that. A turn ends when the guest halts or waits in a loop,
 * and after a while if somebody waits: it is the first of those who wait that
 * looks at the time, so that nobody does when nobody waits.
 *
 * Where there are host processors enough, all this is a look at a word.
 *
 * Threads: struct turns and the struct turn of each vCPU are under the lock of
 * the former, but for what is said to be atomic. It is never held while
 * anything else is waited for.
 */
#include "vm/vcpu.h"
#include "vm/vm.h"

/* A change costs some ten microseconds. */
#define SLICE_NS 3000000u
/* If who waits ought to have run before. */
#define SHORT_SLICE_NS 300000u
/* Who waits in a loop for an answer of a processor that runs has it sooner. */
#define LOOP_NS 50000u
#define LOOP_GAP_NS 20000u /* since it last was here: another loop */
/* Who has slept long is not owed more than that. */
#define OWED_NS (2 * SLICE_NS)

static u64 used_until(const struct vcpu *v, u64 now)
{
	const struct turn *t = &v->turn;

	return t->used_ns + (t->held && now > t->since_ns ? now - t->since_ns :
							    0);
}

static bool is_wanted(const struct vcpu *v)
{
	return __atomic_load_n(&v->turn.wanted, __ATOMIC_RELAXED);
}

static struct vcpu *vcpu_of(struct list *link)
{
	return container_of(link, struct vcpu, turn.link);
}

/* Does @a go before @b? */
static bool is_before(const struct vcpu *a, const struct vcpu *b)
{
	if (is_wanted(a) != is_wanted(b))
		return is_wanted(a);
	return a->turn.used_ns < b->turn.used_ns;
}

static struct vcpu *first_waiting(struct turns *t)
{
	struct vcpu *first = NULL;
	struct list *p;

	list_for_each(p, &t->waiting)
		if (!first || is_before(vcpu_of(p), first))
			first = vcpu_of(p);
	return first;
}

static void grant(struct turns *t, struct vcpu *v, u64 now)
{
	v->turn.since_ns = now;
	v->turn.used_ns = max_u64(v->turn.used_ns,
				  t->used_ns - min_u64(t->used_ns, OWED_NS));
	t->used_ns = max_u64(t->used_ns, v->turn.used_ns);
	__atomic_store_n(&v->turn.wanted, false, __ATOMIC_RELAXED);
	/* PAIRS: wait_for_turn(), which looks without the lock. */
	__atomic_store_n(&v->turn.held, true, __ATOMIC_RELEASE);
}

static void stop_waiting(struct turns *t, struct vcpu *v)
{
	list_del(&v->turn.link);
	__atomic_fetch_sub(&t->waiting_count, 1, __ATOMIC_RELAXED);
}

void vcpu_turn_give(struct vcpu *v)
{
	struct turns *t = &v->vm->turns;
	struct vcpu *next = NULL;
	u64 now;

	if (!v->turn.held)
		return;
	now = host_now_ns();
	host_mutex_lock(&t->lock);
	v->turn.used_ns = used_until(v, now);
	v->turn.held = false;
	__atomic_store_n(&v->turn.wanted, false, __ATOMIC_RELAXED);
	next = first_waiting(t);
	if (next) {
		stop_waiting(t, next);
		grant(t, next, now);
	} else {
		t->free++;
	}
	host_mutex_unlock(&t->lock);
	if (next)
		host_event_set(&next->wake);
}

/* Of those who run, who has done so for longest. */
static struct vcpu *longest_running(struct vm *vm)
{
	struct vcpu *longest = NULL;

	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct vcpu *v = vm->cpus[i];

		if (v->turn.held &&
		    (!longest || v->turn.since_ns < longest->turn.since_ns))
			longest = v;
	}
	return longest;
}

/* @v waits: until when, before it looks again? If it is the first, it is time
 * for somebody to end. */
static u64 look_again(struct vcpu *v, u64 now)
{
	struct turns *t = &v->vm->turns;
	u64 until = now + SLICE_NS, slice = SLICE_NS;
	struct vcpu *longest;

	host_mutex_lock(&t->lock);
	longest = longest_running(v->vm);
	if (longest && first_waiting(t) == v) {
		if (is_wanted(v) ||
		    (!v->turn.patient && v->turn.used_ns + SHORT_SLICE_NS <
						 used_until(longest, now)))
			slice = SHORT_SLICE_NS;
		until = longest->turn.since_ns + slice;
		if (until <= now) {
			vcpu_request(longest, VCPU_REQ_TURN);
			until = now + SLICE_NS;
		}
	}
	host_mutex_unlock(&t->lock);
	return until;
}

static bool has_turn(const struct vcpu *v)
{
	return __atomic_load_n(&v->turn.held, __ATOMIC_ACQUIRE);
}

/* Timers, a device's perhaps, do not wait. */
static void wait_for_turn(struct vcpu *v)
{
	while (!has_turn(v) && !(vcpu_requests(v) & VCPU_REQ_STOP)) {
		if (vcpu_requests(v) & VCPU_REQ_TIMER)
			vcpu_run_timers(v);
		host_event_wait(&v->wake, look_again(v, host_now_ns()));
	}
}

static bool take_or_queue(struct vcpu *v, u64 now)
{
	struct turns *t = &v->vm->turns;
	bool taken;

	host_mutex_lock(&t->lock);
	taken = t->free;
	if (taken) {
		t->free--;
		grant(t, v, now);
	} else {
		list_add_tail(&t->waiting, &v->turn.link);
		__atomic_fetch_add(&t->waiting_count, 1, __ATOMIC_RELAXED);
	}
	host_mutex_unlock(&t->lock);
	return taken;
}

bool vcpu_turn_wait(struct vcpu *v)
{
	struct turns *t = &v->vm->turns;
	u64 start = host_now_ns();
	bool held;

	if (take_or_queue(v, start))
		return true;
	v->stats.turns++;
	if (v->watch)
		v->watch->sleeps(v->watch_dev, v);
	wait_for_turn(v);
	host_mutex_lock(&t->lock);
	held = v->turn.held;
	if (!held)
		stop_waiting(t, v);
	host_mutex_unlock(&t->lock);
	/* Whoever asked for our turn meant the one before. */
	vcpu_clear_request(v, VCPU_REQ_TURN);
	v->turn.patient = false;
	v->turn.waited_ns += host_now_ns() - start;
	if (v->watch)
		v->watch->wakes(v->watch_dev, v);
	return held;
}

void vcpu_turn_offer(struct vcpu *v)
{
	struct turn *t = &v->turn;
	u64 now;

	host_yield();
	if (!__atomic_load_n(&v->vm->turns.waiting_count, __ATOMIC_RELAXED))
		return;
	now = host_now_ns();
	if (now - t->loop_last_ns > LOOP_GAP_NS)
		t->loop_since_ns = now;
	t->loop_last_ns = now;
	if (now - t->loop_since_ns < LOOP_NS)
		return;
	t->loop_since_ns = now;
	t->patient = true;
	vcpu_request(v, VCPU_REQ_TURN);
}

void vm_turns_init(struct vm *vm)
{
	struct turns *t = &vm->turns;

	host_mutex_init(&t->lock);
	list_init(&t->waiting);
	t->waiting_count = 0;
	t->limit = vm->host_cpus < vm->cpu_count ? vm->host_cpus : 0;
	t->free = t->limit;
}
