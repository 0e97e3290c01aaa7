/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c - more processors than the host has: they take turns, and nobody is
 * forgotten. */
#include <sched.h>

#include "fake_engine.h"
#include "tap.h"

#define CPUS 6
#define HOST_CPUS 2
#define LONG_NS 20000000000ull

static struct vm vm;
static u64 inside, most_inside, sleepers_seen;

static u64 load(const u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static bool reaches(const u64 *p, u64 want)
{
	u64 end = host_now_ns() + LONG_NS;

	while (load(p) < want) {
		if (host_now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* Who is in here has its turn; it looks a little longer now and then. */
static bool step(struct fake_cpu *c)
{
	u64 n = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);

	if (n > load(&most_inside))
		__atomic_store_n(&most_inside, n, __ATOMIC_RELEASE);
	if (c->steps % 64 == c->v.index)
		for (int i = 0; i < 2000; i++)
			__builtin_ia32_pause();
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
	return true;
}

static bool step_and_halt(struct fake_cpu *c)
{
	step(c);
	return false;
}

static bool wait_in_loop(struct fake_cpu *c)
{
	vcpu_pause(&c->v);
	return step(c);
}

/* Processor 0 halts, the others never do. */
static bool one_halts(struct fake_cpu *c)
{
	step(c);
	return c->v.index != 0;
}

/* The marks of those who wait, as for lazy TLB flushes. */
static bool marked[CPUS];
static u64 out_of_turn;

static void mark(struct vcpu *v, bool on)
{
	if (marked[v->index] == on)
		__atomic_fetch_add(&out_of_turn, 1, __ATOMIC_RELAXED);
	marked[v->index] = on;
}

static void begins(void *dev, struct vcpu *v)
{
	marked[v->index] = false;
}

static void sleeps(void *dev, struct vcpu *v)
{
	mark(v, true);
	__atomic_fetch_add(&sleepers_seen, 1, __ATOMIC_RELEASE);
}

static void wakes(void *dev, struct vcpu *v)
{
	mark(v, false);
}

static void ticks(void *dev, struct vcpu *v)
{
}

static const struct watch_ops watch = { .begins = begins, .sleeps = sleeps,
					.wakes = wakes, .ticks = ticks };

static bool start(unsigned host_cpus, fake_guest guest)
{
	struct vm_config c = { .memory_bytes = MiB(1), .cpus = CPUS,
			       .engine = &fake_engine };

	fake.guest = guest;
	most_inside = sleepers_seen = out_of_turn = 0;
	if (vm_init(&vm, &c, NULL))
		return false;
	vm.host_cpus = host_cpus;
	for (unsigned i = 0; i < CPUS; i++) {
		vm.cpus[i]->watch = &watch;
		vm.cpus[i]->x86.activity = X86_RUNNING;
	}
	return !vm_start(&vm, NULL);
}

static void stop(void)
{
	vm_stop(&vm, VM_POWEROFF);
	vm_join(&vm);
	vm_fini(&vm);
}

static bool all_reach(u64 steps)
{
	for (unsigned i = 0; i < CPUS; i++)
		if (!reaches(&fake_cpu(&vm, i)->steps, steps))
			return false;
	return true;
}

static void test_busy(fake_guest guest, const char *what)
{
	if (!start(HOST_CPUS, guest))
		return;
	tap_check(all_reach(2000), "%s: all get on", what);
	stop();
	tap_check(load(&most_inside) <= HOST_CPUS,
		  "%s: %llu at a time", what,
		  (unsigned long long)load(&most_inside));
	tap_check(!out_of_turn && load(&sleepers_seen),
		  "%s: who waits is marked", what);
}

static void test_halts(void)
{
	bool good = true;

	if (!start(HOST_CPUS, step_and_halt))
		return;
	for (u64 n = 1; n <= 500 && good; n++) {
		for (unsigned i = 0; i < CPUS; i++)
			vcpu_request(vm.cpus[i], VCPU_REQ_INTR);
		good = all_reach(n);
	}
	stop();
	tap_check(good, "no interrupt is lost on who sleeps or waits");
	tap_check(load(&most_inside) <= HOST_CPUS, "%llu at a time",
		  (unsigned long long)load(&most_inside));
}

/* Who is woken need not wait until all the others had theirs. */
static void test_woken(void)
{
	struct fake_cpu *c;
	bool good = true;

	if (!start(1, one_halts))
		return;
	c = fake_cpu(&vm, 0);
	for (u64 n = 1; n <= 100 && good; n++) {
		vcpu_request(&c->v, VCPU_REQ_INTR);
		good = reaches(&c->steps, n);
	}
	tap_check(good && all_reach(1), "one is woken among busy ones");
	stop();
}

static void test_restart(void)
{
	bool good = start(HOST_CPUS, fake_busy);

	for (unsigned n = 0; n < 50 && good; n++) {
		vm_pause(&vm);
		vm_join(&vm);
		good = vm.turns.free == vm.turns.limit &&
		       !vm.turns.waiting_count && !vm_start(&vm, NULL) &&
		       reaches(&fake_cpu(&vm, n % CPUS)->runs, 1);
	}
	tap_check(good, "stops and goes on, and no turn is lost");
	stop();
}

static void test_enough(void)
{
	if (!start(CPUS, fake_busy))
		return;
	all_reach(100);
	stop();
	tap_equal(load(&sleepers_seen), 0, "with processors for all none waits");
}

int main(void)
{
	test_busy(step, "busy");
	test_busy(wait_in_loop, "in loops");
	test_halts();
	test_woken();
	test_restart();
	test_enough();
	return tap_done();
}
