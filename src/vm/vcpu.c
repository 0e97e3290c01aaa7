/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - a virtual processor's thread: runs the engine, sleeps when the
 * guest halts, and does what other threads ask for.
 */
#include "vm/vcpu.h"

#include "base/trace.h"
#include "vm/vm.h"

const struct stat_desc vcpu_stat_tab[] = {
	STAT_DESC(struct vcpu_stats, exits_request, "engine left on request"),
	STAT_DESC(struct vcpu_stats, exits_hlt, "engine left at a halt"),
	STAT_DESC(struct vcpu_stats, sleeps, "times the thread slept"),
	STAT_DESC(struct vcpu_stats, polls, "times it found work instead"),
	STAT_DESC(struct vcpu_stats, idle_ns, "time that the guest was idle"),
	STAT_DESC(struct vcpu_stats, timer_runs, "looks at the timers"),
	STAT_DESC(struct vcpu_stats, pio, "port accesses"),
	STAT_DESC(struct vcpu_stats, mmio, "memory-mapped device accesses"),
	STAT_DESC(struct vcpu_stats, msr, "device MSR accesses"),
	STAT_DESC(struct vcpu_stats, hypercalls, "hypercalls"),
	STAT_DESC(struct vcpu_stats, kicks, "halts ended by a hypercall"),
	STAT_DESC(struct vcpu_stats, lazy_flushes,
		  "TLB flushes that waited for a sleeper"),
	STAT_DESC(struct vcpu_stats, yields, "times it let others go first"),
	STAT_DESC(struct vcpu_stats, turns, "times it waited for its turn"),
};
const size_t vcpu_stat_count = ARRAY_SIZE(vcpu_stat_tab);

void vcpu_unhalt(struct vcpu *v)
{
	/* PAIRS: has_work() and end_halt(), after the event. */
	__atomic_store_n(&v->unhalt, true, __ATOMIC_SEQ_CST);
	vcpu_wake(v);
}

void vcpu_request(struct vcpu *v, u32 bits)
{
	/* PAIRS: the acquire of vcpu_requests; what the request is about was
	 * written before. */
	__atomic_fetch_or(&v->request, bits, __ATOMIC_ACQ_REL);
	if ((bits & (VCPU_REQ_INTR | VCPU_REQ_NMI)) && !v->in_timers)
		__atomic_store_n(&v->turn.wanted, true, __ATOMIC_RELAXED);
	v->vm->engine->kick(v);
	vcpu_wake(v);
}

/* EDX is the signature: SDM 3A 9.1.1 "Processor State After Reset". */
static void do_init(struct vcpu *v)
{
	struct x86_cpuid_regs signature;
	struct vm *vm = v->vm;

	vcpu_clear_request(v, VCPU_REQ_INIT);
	__atomic_store_n(&v->unhalt, false, __ATOMIC_RELAXED);
	TRACE(CPU, "cpu%u: INIT", v->index);
	x86_state_reset(&v->x86, true, v->index == 0);
	x86_cpuid_read(&vm->cpuid, &v->x86, v->index, 1, 0, &signature);
	v->x86.gpr[X86_RDX] = signature.eax;
	vm_lock_as(v);
	for (struct device *d = vm->devices; d; d = d->next)
		if (d->cls->cpu_init)
			d->cls->cpu_init(d, v->index);
	vm_unlock_as(v);
	vm->engine->state_changed(v);
}

/* SDM 3A 8.4.3 "MP Initialization Protocol Algorithm for MP Systems": the
 * vector is the 4 KiB page at which the processor begins, in real mode. */
static void do_sipi(struct vcpu *v)
{
	u8 vector;

	vcpu_clear_request(v, VCPU_REQ_SIPI);
	vector = __atomic_load_n(&v->sipi_vector, __ATOMIC_RELAXED);
	if (v->x86.activity != X86_WAIT_SIPI)
		return; /* ignored, as hardware does */
	TRACE(CPU, "cpu%u: SIPI, vector 0x%x", v->index, vector);
	v->x86.seg[X86_CS].sel = (u16)(vector << 8);
	v->x86.seg[X86_CS].base = (u64)vector << 12;
	v->x86.rip = 0;
	v->x86.activity = X86_RUNNING;
	v->vm->engine->state_changed(v);
}

/* What is asked of this floor and not of the engine. */
static void do_requests(struct vcpu *v)
{
	u32 request = vcpu_requests(v);

	if (request & VCPU_REQ_TIMER)
		vcpu_run_timers(v);
	if (request & VCPU_REQ_TURN) {
		vcpu_clear_request(v, VCPU_REQ_TURN);
		vcpu_turn_give(v);
	}
	if (request & VCPU_REQ_INIT)
		do_init(v);
	/* After INIT: a guest sends them in this order. */
	if (request & VCPU_REQ_SIPI)
		do_sipi(v);
}

/* A triple fault. A PC's chip set resets the machine then. */
static void shut_down(struct vcpu *v)
{
	struct vm *vm = v->vm;

	TRACE(CPU, "cpu%u: triple fault at %#llx", v->index,
	      (unsigned long long)v->x86.rip);
	if (TRACE_ON(CPU))
		vm->engine->dump(v);
	vm_stop_because(vm, VM_RESET, "triple fault of processor %u at %#llx",
			v->index, (unsigned long long)v->x86.rip);
}

static void end_halt(struct vcpu *v)
{
	if (v->x86.activity == X86_HALTED &&
	    __atomic_exchange_n(&v->unhalt, false, __ATOMIC_ACQ_REL)) {
		v->x86.activity = X86_RUNNING;
		v->stats.kicks++;
	}
}

static void run(struct vcpu *v)
{
	if (v->vm->turns.limit && !v->turn.held && !vcpu_turn_wait(v))
		return;
	switch (v->vm->engine->run(v)) {
	case VM_EXIT_REQUEST:
		v->stats.exits_request++;
		break;
	case VM_EXIT_HLT:
		v->stats.exits_hlt++;
		vcpu_wait_for_work(v);
		end_halt(v);
		break;
	case VM_EXIT_SHUTDOWN:
		v->x86.activity = X86_SHUTDOWN;
		shut_down(v);
		break;
	}
}

void vcpu_thread(void *arg)
{
	struct vcpu *v = arg;
	int err = vcpu_time_start(v);

	if (err)
		vm_kill(v->vm, "the host gives no timer (error %d): raise its "
			"limit of pending signals", -err);
	if (v->watch)
		v->watch->begins(v->watch_dev, v);
	while (!(vcpu_requests(v) & VCPU_REQ_STOP)) {
		do_requests(v);
		if (v->x86.activity == X86_WAIT_SIPI ||
		    v->x86.activity == X86_SHUTDOWN)
			vcpu_wait_for_work(v);
		else
			run(v);
	}
	vcpu_turn_give(v);
	vcpu_time_stop(v);
}
