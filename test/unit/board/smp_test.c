/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smp_test.c - several processors, each a thread: they start each other, call
 * each other by interrupts and sleep, with timers of their own meanwhile. A
 * single wake-up that is lost ends a test.
 *
 * The engine's guest is a C function, called again and again, and another one
 * for interrupts; both make the accesses that guest code would make.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "board/pc.h"
#include "smp_rig.h"
#include "vm/pc_map.h"

#define CPUS 4
#define ROUNDS 500
#define MS 1000000ull

#define VECTOR_CALL 0xf0
#define VECTOR_ANSWER 0xf1
#define VECTOR_TIMER 0xec

static u64 load(const u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void count(u64 *p)
{
	__atomic_fetch_add(p, 1, __ATOMIC_RELEASE);
}

/* Waits until *@p is not below @want; false after half a minute. */
static bool reaches(const u64 *p, u64 want)
{
	u64 end = host_now_ns() + 30000 * MS;

	while (load(p) < want) {
		struct host_event never = { 0 };

		if (vm_is_ending(&smp_vm) || host_now_ns() > end)
			return false;
		host_event_wait(&never, host_now_ns() + MS);
	}
	return true;
}

/* --- what guests do --- */

static void wrmsr(struct vcpu *v, u32 msr, u64 value)
{
	if (!vm_msr_write(v, msr, value))
		vm_kill(v->vm, "wrmsr %x = %llx", msr,
			(unsigned long long)value);
}

/* Odd processors end interrupts by a bit in memory. */
#define EOI_FLAG(n) (0x100000 + (n) * 64)

static void end_interrupt(struct vcpu *v)
{
	u8 *p = smp_vm.mem.ram + EOI_FLAG(v->index);

	if (*p & 1)
		*p = 0;
	else
		wrmsr(v, 0x80b, 0);
}

static void x2apic_on(struct vcpu *v)
{
	wrmsr(v, 0x1b, PC_LAPIC | 0xc00 | (v->index ? 0 : 0x100));
	wrmsr(v, 0x80f, 0x1ff);
	wrmsr(v, 0x832, 0x40000 | VECTOR_TIMER);
	if (v->index % 2)
		wrmsr(v, 0x4b564d04, EOI_FLAG(v->index) | 1);
	v->x86.rflags |= FLAG_IF;
}

static void send(struct vcpu *v, unsigned to, u32 low)
{
	wrmsr(v, 0x830, (u64)to << 32 | low);
}

static void set_deadline(struct vcpu *v, u64 ns)
{
	u64 tsc = host_tsc() + v->x86.tsc_offset;

	wrmsr(v, 0x6e0, tsc + ns * (v->vm->cpuid.tsc_hz / 1000000) / 1000);
}

/* INIT, and twice a start: as systems do it. */
static void start_cpu(struct vcpu *v, unsigned to, u8 page)
{
	send(v, to, 0x0c500);
	send(v, to, 0x08500);
	send(v, to, 0x00600 | page);
	send(v, to, 0x00600 | page);
}

static bool is_new(struct vcpu *v)
{
	return !(v->x86.rflags & FLAG_IF);
}

/* --- all call all --- */

/* One line of all that a processor counts. */
static struct {
	u64 calls, ticks;
	bool waits;
	u32 random;
} mine[CPUS] __attribute__((aligned(64)));
static u32 call[CPUS][CPUS]; /* to, from; atomic */
static u64 alive, finished;

static u32 rnd(unsigned n)
{
	mine[n].random = mine[n].random * 1664525 + 1013904223;
	return mine[n].random >> 8;
}

static void on_interrupt(struct vcpu *v, u8 vector)
{
	unsigned n = v->index;

	end_interrupt(v);
	if (vector == VECTOR_TIMER) {
		count(&mine[n].ticks);
		set_deadline(v, 50000 + 10000 * n);
	}
	if (vector != VECTOR_CALL)
		return;
	for (unsigned from = 0; from < CPUS; from++) {
		u32 was = __atomic_exchange_n(&call[n][from], 0,
					      __ATOMIC_ACQ_REL);

		/* It sleeps until it gets an answer. */
		if (was == 2)
			send(v, from, VECTOR_ANSWER);
	}
}

static bool caller(struct vcpu *v)
{
	unsigned n = v->index, to;

	if (is_new(v)) {
		x2apic_on(v);
		set_deadline(v, 100000);
		count(&alive);
		for (unsigned i = 1; !n && i < CPUS; i++)
			start_cpu(v, i, 0x10);
	}
	if (load(&alive) < CPUS)
		return true;
	if (mine[n].waits) {
		for (to = 0; to < CPUS; to++) {
			u32 state = __atomic_load_n(&call[to][n],
						    __ATOMIC_ACQUIRE);

			/* STI; HLT: what comes in between wakes, too. */
			if (state == 1)
				sched_yield(); /* PAUSE, more or less */
			if (state)
				return state == 1;
		}
		mine[n].waits = false;
		count(&mine[n].calls);
		if (mine[n].calls == ROUNDS)
			count(&finished);
	}
	if (mine[n].calls >= ROUNDS)
		return false;
	to = rnd(n) % CPUS;
	__atomic_store_n(&call[to][n], 1 + rnd(n) % 2, __ATOMIC_RELEASE);
	mine[n].waits = true;
	if (rnd(n) % 4) {
		send(v, to, VECTOR_CALL);
	} else {
		/* Others find that they were not meant. */
		send(v, 0, 0x80000 | VECTOR_CALL);
	}
	return true;
}

static void test_calls(void)
{
	u64 runs0;

	memset(mine, 0, sizeof(mine));
	memset(call, 0, sizeof(call));
	for (unsigned i = 0; i < CPUS; i++)
		mine[i].random = i + 1;
	alive = finished = 0;
	if (!smp_start(CPUS, caller, on_interrupt))
		return;
	tap_check(reaches(&alive, CPUS), "INIT and SIPI start all");
	tap_check(reaches(&finished, CPUS), "no call stays without an answer");
	for (unsigned i = 0; i < CPUS; i++) {
		tap_check(reaches(&mine[i].ticks, load(&mine[i].ticks) + 100),
			  "cpu %u: its timer goes on", i);
	}
	/* The first processor, asleep, is not disturbed by the others'. */
	vm_pause(&smp_vm);
	vm_join(&smp_vm);
	vm_msr_write(smp_vm.cpus[0], 0x6e0, 0);
	runs0 = smp_vm.cpus[0]->stats.timer_runs;
	tap_check(!vm_start(&smp_vm, NULL), "paused and started");
	tap_check(reaches(&mine[3].ticks, load(&mine[3].ticks) + 100),
		  "timers go on");
	vm_pause(&smp_vm);
	vm_join(&smp_vm);
	runs0 = smp_vm.cpus[0]->stats.timer_runs - runs0;
	tap_check(runs0 < 10, "%llu looks at the timers by the first",
		  (unsigned long long)runs0);
	smp_stop();
}

/* --- one is started again and again --- */

static u64 started, wrong;

static bool restarted(struct vcpu *v)
{
	if (v->index) {
		/* In the middle of it, or halted with interrupts off. */
		if (v->x86.seg[X86_CS].sel !=
		    (u16)(0x1000 + (load(&started) % 16 << 8)))
			count(&wrong);
		count(&started);
		v->x86.rip++;
		return false;
	}
	if (is_new(v))
		x2apic_on(v);
	if (load(&alive) != load(&started))
		return true; /* the last one has not come up yet */
	if (load(&alive) == ROUNDS)
		return false;
	start_cpu(v, 1, (u8)(0x10 + load(&alive) % 16));
	count(&alive);
	return true;
}

static void test_restart(void)
{
	alive = started = wrong = 0;
	if (!smp_start(2, restarted, NULL))
		return;
	tap_check(reaches(&started, ROUNDS), "%d starts", ROUNDS);
	tap_equal(wrong, 0u, "each at its own page");
	smp_stop();
}

/* --- NMIs --- */

static u64 nmis_sent;

static bool nmi_sender(struct vcpu *v)
{
	if (is_new(v)) {
		x2apic_on(v);
		count(&alive);
		if (!v->index)
			start_cpu(v, 1, 0x10);
	}
	if (v->index || load(&alive) < 2)
		return !v->index;
	if (load(&smp_cpu(1)->nmis) != load(&nmis_sent))
		return true;
	if (load(&nmis_sent) == ROUNDS)
		return false;
	count(&nmis_sent);
	send(v, 1, 0x00400);
	return true;
}

static void test_nmis(void)
{
	alive = nmis_sent = 0;
	if (!smp_start(2, nmi_sender, on_interrupt))
		return;
	tap_check(reaches(&nmis_sent, ROUNDS) &&
			  reaches(&smp_cpu(1)->nmis, ROUNDS),
		  "%d NMIs, one after the other", ROUNDS);
	smp_stop();
}

/* --- any of them may end it; all begin anew --- */

static unsigned culprit;

static bool doomed(struct vcpu *v)
{
	if (is_new(v)) {
		x2apic_on(v);
		count(&alive);
		for (unsigned i = 1; !v->index && i < CPUS; i++)
			start_cpu(v, i, 0x10);
	}
	if (load(&alive) == CPUS && v->index == culprit)
		smp_cpu(culprit)->triple_fault = true;
	return v->index != 3; /* which none of them needs */
}

static void test_resets(void)
{
	bool ok = true;

	alive = 0;
	if (!smp_start(CPUS, doomed, on_interrupt))
		return;
	for (unsigned i = 0; i < 40; i++) {
		vm_wait(&smp_vm);
		vm_join(&smp_vm);
		ok &= smp_vm.end == VM_RESET && alive == CPUS;
		vm_reset(&smp_vm);
		for (unsigned n = 0; n < CPUS; n++) {
			struct vcpu *v = smp_vm.cpus[n];

			ok &= !vcpu_requests(v) && !smp_pc.lapics[n].irr[7] &&
			      v->x86.activity ==
				      (n ? X86_WAIT_SIPI : X86_RUNNING) &&
			      v->x86.tsc_offset ==
				      smp_vm.cpus[0]->x86.tsc_offset;
			smp_cpu(n)->triple_fault = false;
		}
		alive = 0;
		culprit = i % 3;
		ok &= !vm_start(&smp_vm, NULL);
	}
	tap_check(ok, "triple faults of any processor reset all");
	smp_stop();
}

int main(void)
{
	test_calls();
	test_restart();
	test_nmis();
	test_resets();
	return tap_done();
}
