/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - the run loop: halts, timers and requests from other threads, and
 * that none of them is ever lost. */
#include <sched.h>
#include <stdlib.h>

#include "fake_engine.h"
#include "tap.h"

#define MS 1000000ull
#define ROUNDS 4000

static struct vm vm;

static bool start(unsigned cpus, fake_guest guest)
{
	struct vm_config c = { .memory_bytes = MiB(1), .cpus = cpus,
			       .engine = &fake_engine };

	fake.guest = guest;
	return !vm_init(&vm, &c, NULL) && !vm_start(&vm, NULL);
}

static void stop(void)
{
	vm_stop(&vm, VM_POWEROFF);
	vm_join(&vm);
	vm_fini(&vm);
}

static u64 load(const u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

/* Waits until *@p is not below @want; false after ten seconds. */
static bool reaches(const u64 *p, u64 want)
{
	u64 end = host_now_ns() + 10000 * MS;

	for (u64 n = 1; load(p) < want; n++) {
		__builtin_ia32_pause();
		if (n % 1000)
			continue;
		if (host_now_ns() > end)
			return false;
		sched_yield(); /* the machine may be busy */
	}
	return true;
}

static void sleep_ms(unsigned ms)
{
	struct host_event never;

	host_event_init(&never);
	host_event_wait(&never, host_now_ns() + ms * MS);
}

/* Have these requests been seen to? */
static bool done(unsigned cpu, u32 bits)
{
	u64 end = host_now_ns() + 10000 * MS;

	while (vcpu_requests(vm.cpus[cpu]) & bits) {
		if (host_now_ns() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* --- timers --- */

static struct timer tick;
static u64 ticks, early, period_ns;

static void on_tick(void *arg, u64 now_ns)
{
	u64 due = (u64)(uintptr_t)tick.arg;

	if (now_ns < due)
		early++;
	tick.arg = (void *)(uintptr_t)(now_ns + period_ns);
	timer_arm(&tick, now_ns + period_ns);
	__atomic_fetch_add(&ticks, 1, __ATOMIC_RELEASE);
}

static void test_timer(fake_guest guest, u64 period, u64 count,
		       const char *what)
{
	ticks = early = 0;
	period_ns = period;
	if (!start(1, guest))
		return;
	/* From a foreign thread: the vCPU sleeps for ever, or is busy. */
	sleep_ms(2);
	vm_lock(&vm);
	timer_init(&tick, &vm.clock, on_tick, NULL);
	timer_arm(&tick, clock_now_ns(&vm.clock) + period);
	vm_unlock(&vm);
	tap_check(reaches(&ticks, count), "%s: it ticks", what);
	tap_equal(early, 0, "never early");
	tap_check(load(&fake_cpu(&vm, 0)->runs) < 20 * load(&ticks) + 100,
		  "and the loop does not spin: %llu runs, %llu ticks",
		  (unsigned long long)load(&fake_cpu(&vm, 0)->runs),
		  (unsigned long long)load(&ticks));
	stop();
}

/* A foreign thread puts an earlier timer before the one that is waited for. */
static u64 rang;

static void on_ring(void *arg, u64 now_ns)
{
	__atomic_fetch_add(&rang, 1, __ATOMIC_RELEASE);
}

static void test_earlier(fake_guest guest, const char *what)
{
	struct timer far, near;

	rang = 0;
	if (!start(1, guest))
		return;
	vm_lock(&vm);
	timer_init(&far, &vm.clock, on_ring, NULL);
	timer_init(&near, &vm.clock, on_ring, NULL);
	timer_arm(&far, clock_now_ns(&vm.clock) + 100000 * MS);
	vm_unlock(&vm);
	sleep_ms(2);
	for (u64 i = 0; i < 200; i++) {
		vm_lock(&vm);
		timer_arm(&near, clock_now_ns(&vm.clock) + (i % 20) * 10000);
		vm_unlock(&vm);
		if (!reaches(&rang, i + 1))
			break;
	}
	tap_equal(load(&rang), 200, what);
	vm_lock(&vm);
	timer_arm(&far, CLOCK_NEVER);
	vm_unlock(&vm);
	stop();
}

/* --- requests --- */

/* Interrupts one after the other, each only after the one before was taken:
 * a single lost wake-up ends it. */
static void test_interrupts(u32 bit, const char *what)
{
	struct fake_cpu *c;
	u64 n = 0;

	if (!start(1, fake_idle))
		return;
	c = fake_cpu(&vm, 0);
	srand(5);
	for (; n < ROUNDS; n++) {
		for (int spin = rand() % 200; spin > 0; spin--)
			__builtin_ia32_pause();
		vcpu_request(&c->v, bit);
		if (!reaches(bit == VCPU_REQ_NMI ? &c->nmis : &c->interrupts,
			     n + 1))
			break;
	}
	tap_equal(n, ROUNDS, what);
	stop();
}

/* Each of some threads has its own event to get through, by an interrupt that
 * they share and a timer beside it. */
static u64 handled[3];
static u32 wanted;

static bool handler_guest(struct fake_cpu *c)
{
	u32 w = __atomic_exchange_n(&wanted, 0, __ATOMIC_ACQ_REL);

	for (int i = 0; i < 3; i++)
		if (w & BIT(i))
			__atomic_fetch_add(&handled[i], 1, __ATOMIC_RELEASE);
	return false;
}

static void produce(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	for (u64 n = 0; n < ROUNDS; n++) {
		__atomic_fetch_or(&wanted, BIT(i), __ATOMIC_ACQ_REL);
		vcpu_request(vm.cpus[0], VCPU_REQ_INTR);
		if (!reaches(&handled[i], n + 1))
			return;
		/* Sometimes long enough for it to fall asleep. */
		if (n % 500 == 0)
			sleep_ms(1);
	}
}

static void test_producers(void)
{
	struct host_thread *t[3] = { NULL };

	ticks = early = 0;
	period_ns = 50000;
	if (!start(1, handler_guest))
		return;
	vm_lock(&vm);
	timer_init(&tick, &vm.clock, on_tick, NULL);
	timer_arm(&tick, clock_now_ns(&vm.clock) + period_ns);
	vm_unlock(&vm);
	for (uintptr_t i = 0; i < 3; i++)
		if (host_thread_create(&t[i], "producer", produce, (void *)i))
			break;
	for (int i = 0; i < 3; i++)
		host_thread_join(t[i]);
	for (int i = 0; i < 3; i++)
		tap_equal(handled[i], ROUNDS, "all that a thread asked for");
	tap_check(load(&ticks) > 0 && !early, "%llu ticks meanwhile",
		  (unsigned long long)load(&ticks));
	stop();
}

/* HLT with interrupts off: an interrupt must neither wake nor spin. */
static bool cli_hlt(struct fake_cpu *c)
{
	c->v.x86.rflags &= ~FLAG_IF;
	return false;
}

static void test_dead_halt(void)
{
	struct fake_cpu *c;

	if (!start(1, cli_hlt))
		return;
	c = fake_cpu(&vm, 0);
	reaches(&c->steps, 1);
	vcpu_request(&c->v, VCPU_REQ_INTR);
	sleep_ms(20);
	tap_check(load(&c->runs) < 10 && load(&c->interrupts) == 0, "%llu runs",
		  (unsigned long long)load(&c->runs));
	vcpu_request(&c->v, VCPU_REQ_NMI);
	tap_check(reaches(&c->nmis, 1), "an NMI gets through");
	stop();
	tap_check(true, "and it can be stopped");
}

/* A kick by another processor ends a halt even with interrupts off; one that
 * comes too early ends the next. */
static void test_unhalt(void)
{
	struct fake_cpu *c;
	u64 n;

	if (!start(1, cli_hlt))
		return;
	c = fake_cpu(&vm, 0);
	tap_check(reaches(&c->steps, 1), "it halts");
	for (n = 1; n < ROUNDS; n++) {
		for (int spin = rand() % 200; spin > 0; spin--)
			__builtin_ia32_pause();
		vcpu_unhalt(&c->v);
		if (!reaches(&c->steps, n + 1))
			break;
	}
	tap_equal(n, ROUNDS, "no kick is lost");
	sleep_ms(5);
	tap_equal(load(&c->steps), ROUNDS, "nor is there one too many");
	vm_pause(&vm);
	vm_join(&vm);
	c->v.x86.activity = X86_RUNNING;
	vcpu_unhalt(&c->v);
	tap_check(!vm_start(&vm, NULL) && reaches(&c->steps, ROUNDS + 2),
		  "one before the halt ends it");
	vcpu_unhalt(&c->v);
	reaches(&c->steps, ROUNDS + 3);
	vcpu_request(&c->v, VCPU_REQ_INIT);
	tap_check(done(0, VCPU_REQ_INIT) &&
			  !__atomic_load_n(&c->v.unhalt, __ATOMIC_ACQUIRE),
		  "INIT forgets it");
	stop();
}

/* Who is told of sleep: before and after, and of nothing else. */
static u64 begun, slept, woken, out_of_turn;

static void watch_begins(void *dev, struct vcpu *v)
{
	begun++;
}

static void watch_sleeps(void *dev, struct vcpu *v)
{
	out_of_turn += slept != woken;
	__atomic_fetch_add(&slept, 1, __ATOMIC_RELEASE);
}

static void watch_wakes(void *dev, struct vcpu *v)
{
	__atomic_fetch_add(&woken, 1, __ATOMIC_RELEASE);
	out_of_turn += slept != woken;
	vcpu_request(v, VCPU_REQ_FLUSH);
}

static void watch_ticks(void *dev, struct vcpu *v)
{
}

static bool watched(struct fake_cpu *c)
{
	/* The engine sees to it before the guest goes on. */
	out_of_turn += slept != woken || vcpu_requests(&c->v) & VCPU_REQ_FLUSH;
	return false;
}

static void test_watch(void)
{
	static const struct watch_ops ops = { watch_begins, watch_sleeps,
					      watch_wakes, watch_ticks };
	struct vm_config config = { .memory_bytes = MiB(1), .cpus = 1,
				    .engine = &fake_engine };
	struct fake_cpu *c;

	fake.guest = watched;
	if (vm_init(&vm, &config, NULL))
		return;
	vm.cpus[0]->watch = &ops;
	vm.host_cpus = 1; /* no polling */
	if (vm_start(&vm, NULL))
		return;
	c = fake_cpu(&vm, 0);
	for (u64 n = 0; n < 100; n++) {
		if (!reaches(&slept, n + 1))
			break;
		vcpu_request(&c->v, VCPU_REQ_INTR);
		if (!reaches(&woken, n + 1) || !reaches(&c->steps, n + 2))
			break;
	}
	stop();
	tap_check(begun == 1 && slept > 100 && slept == woken && !out_of_turn,
		  "%llu sleeps watched", (unsigned long long)slept);
}

/* --- several processors --- */

/* Lets INIT and SIPI be done, then holds the processors to look at them. */
static void settle(void)
{
	if (vm_start(&vm, NULL))
		return;
	done(0, VCPU_REQ_INIT | VCPU_REQ_SIPI);
	done(1, VCPU_REQ_INIT | VCPU_REQ_SIPI);
	vm_pause(&vm);
	vm_join(&vm);
}

static void send_sipi(struct vcpu *v, u8 vector)
{
	__atomic_store_n(&v->sipi_vector, vector, __ATOMIC_RELAXED);
	vcpu_request(v, VCPU_REQ_SIPI);
}

static void test_sipi(void)
{
	struct fake_cpu *ap;

	if (!start(2, fake_idle))
		return;
	ap = fake_cpu(&vm, 1);
	vcpu_request(&ap->v, VCPU_REQ_INTR | VCPU_REQ_NMI);
	sleep_ms(5);
	tap_check(load(&ap->runs) == 0, "waits for SIPI, whatever else comes");
	send_sipi(&ap->v, 0x9a);
	tap_check(reaches(&ap->steps, 1), "SIPI starts it");
	vm_pause(&vm);
	vm_join(&vm);
	tap_check(ap->v.x86.seg[X86_CS].sel == 0x9a00 &&
			  ap->v.x86.seg[X86_CS].base == 0x9a000 &&
			  ap->v.x86.rip == 0,
		  "at 9A00:0000");
	send_sipi(&ap->v, 0x10);
	settle();
	tap_equal(ap->v.x86.seg[X86_CS].sel, 0x9a00, "a second is ignored");
	vcpu_request(&ap->v, VCPU_REQ_INIT);
	settle();
	tap_equal(ap->v.x86.activity, X86_WAIT_SIPI, "INIT stops it");
	vcpu_request(&ap->v, VCPU_REQ_INIT);
	send_sipi(&ap->v, 0x10);
	settle();
	tap_equal(ap->v.x86.seg[X86_CS].sel, 0x1000, "INIT, then SIPI");
	vm.cpus[0]->x86.rip = 0x1234;
	vcpu_request(vm.cpus[0], VCPU_REQ_INIT);
	settle();
	tap_check(vm.cpus[0]->x86.rip == 0xfff0 &&
			  vm.cpus[0]->x86.activity != X86_WAIT_SIPI,
		  "the bootstrap processor begins anew by itself");
	stop();
}

/* A guest that arms its own timer before each halt, as with TSC deadlines. */
static u64 deadlines;
static struct timer deadline_timer;

static void on_deadline(void *arg, u64 now_ns)
{
	__atomic_fetch_add(&deadlines, 1, __ATOMIC_RELEASE);
	vcpu_request(vm.cpus[0], VCPU_REQ_INTR);
}

static bool wrmsr(void *dev, struct vcpu *v, u32 msr, u64 value)
{
	timer_arm(&deadline_timer, clock_now_ns(&v->vm->clock) + value);
	return true;
}

static bool tsc_deadline_guest(struct fake_cpu *c)
{
	static const u32 step_tab[] = { 0, 100, 20000, 90000, 3000, 300000 };

	return vm_msr_write(&c->v, 0x6e0,
			    step_tab[c->steps % ARRAY_SIZE(step_tab)]) &&
	       c->steps % 5 == 4; /* sometimes goes on without a halt */
}

static void test_deadlines(void)
{
	static struct msr_range r = { .first = 0x6e0, .last = 0x6e0,
				      .write = wrmsr };
	struct vm_config c = { .memory_bytes = MiB(1), .cpus = 1,
			       .engine = &fake_engine };

	fake.guest = tsc_deadline_guest;
	if (vm_init(&vm, &c, NULL))
		return;
	vm_add_msrs(&vm, &r);
	timer_init(&deadline_timer, &vm.clock, on_deadline, NULL);
	if (vm_start(&vm, NULL))
		return;
	tap_check(reaches(&deadlines, 3000), "3000 deadlines of its own");
	stop();
}

int main(void)
{
	test_timer(fake_idle, 200000, 200, "idle");
	test_timer(fake_idle, 20000, 500, "idle, quick");
	test_timer(fake_busy, 200000, 200, "busy");
	test_earlier(fake_idle, "idle: an earlier timer of another thread");
	test_earlier(fake_busy, "busy: an earlier timer of another thread");
	test_interrupts(VCPU_REQ_INTR, "no interrupt is lost");
	test_interrupts(VCPU_REQ_NMI, "no NMI is lost");
	test_producers();
	test_dead_halt();
	test_unhalt();
	test_watch();
	test_sipi();
	test_deadlines();
	return tap_done();
}
