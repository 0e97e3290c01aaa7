/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - a virtual processor's thread: runs the engine, sleeps when the
 * guest halts, and does what other threads ask for.
 *
 * No wake-up is lost: whoever wants something sets its bit in v->request
 * first and v->wake second; the thread looks at v->request after each wait, and
 * v->wake remembers having been set.
 *
 * vCPU 0 also keeps the VM's clock. While it executes, its host alarm brings
 * due timers to its notice; while it sleeps, the end of the sleep does.
 */
#include "vm/vcpu.h"

#include "base/trace.h"
#include "vm/vm.h"

const struct stat_desc vcpu_stat_tab[] = {
	STAT_DESC(struct vcpu_stats, exits_request, "engine left for a request"),
	STAT_DESC(struct vcpu_stats, exits_hlt, "guest executed HLT and waited"),
	STAT_DESC(struct vcpu_stats, sleeps, "times the thread slept"),
	STAT_DESC(struct vcpu_stats, idle_ns, "time that the guest was idle"),
	STAT_DESC(struct vcpu_stats, timer_runs, "looks at the timers"),
	STAT_DESC(struct vcpu_stats, pio, "port accesses"),
	STAT_DESC(struct vcpu_stats, mmio, "memory-mapped device accesses"),
	STAT_DESC(struct vcpu_stats, msr, "device MSR accesses"),
};
const size_t vcpu_stat_count = ARRAY_SIZE(vcpu_stat_tab);

void vcpu_request(struct vcpu *v, u32 bits)
{
	/* PAIRS: the acquire of vcpu_requests; what the request is about was
	 * written before. */
	__atomic_fetch_or(&v->request, bits, __ATOMIC_ACQ_REL);
	v->vm->engine->kick(v);
	host_event_set(&v->wake);
}

/* On vCPU 0's thread, in a signal handler. */
static void alarm_rang(void *arg)
{
	struct vcpu *v = arg;

	__atomic_store_n(&v->vm->alarm_ns, CLOCK_NEVER, __ATOMIC_RELAXED);
	vcpu_request(v, VCPU_REQ_TIMER);
}

void vcpu_clock_rearm(void *arg, u64 deadline_ns)
{
	struct vm *vm = arg;
	struct vcpu *v = vm->cpus[0];
	u64 host_ns = clock_to_host_ns(&vm->clock, deadline_ns);

	if (!vm->clock.running)
		return; /* vcpu_thread looks at the clock when it starts */
	if (vm->lock_vcpu == v && host_ns <= host_now_ns()) {
		/* Already past: a signal would tell us so 20 us later. */
		vcpu_request(v, VCPU_REQ_TIMER);
	} else if (vm->lock_vcpu == v) {
		__atomic_store_n(&vm->alarm_ns, host_ns, __ATOMIC_RELAXED);
		host_alarm_set(v->alarm, host_ns);
	} else if (host_ns <
		   __atomic_load_n(&vm->alarm_ns, __ATOMIC_RELAXED)) {
		/* Only the thread itself may set its alarm. */
		vcpu_request(v, VCPU_REQ_TIMER);
	}
}

void vm_run_timers(struct vcpu *v)
{
	struct vm *vm = v->vm;

	/* Cleared first: what becomes due from here on asks again. */
	vcpu_clear_request(v, VCPU_REQ_TIMER);
	if (v->index != 0)
		return;
	v->stats.timer_runs++;
	vm_lock(vm);
	vm->lock_vcpu = v;
	clock_run(&vm->clock);
	vm->lock_vcpu = NULL;
	vm_unlock(vm);
}

/* Is there a reason not to sleep? Others may be pending and yet undeliverable:
 * with IF clear an interrupt waits, and so must we. */
static bool has_work(const struct vcpu *v)
{
	u32 wanted = VCPU_REQ_INIT | VCPU_REQ_SIPI | VCPU_REQ_TIMER |
		     VCPU_REQ_STOP;

	if (v->x86.activity == X86_HALTED) {
		wanted |= VCPU_REQ_ENGINE;
		if (v->x86.rflags & FLAG_IF)
			wanted |= VCPU_REQ_INTR;
		if (!v->x86.nmi_masked)
			wanted |= VCPU_REQ_NMI;
	}
	return vcpu_requests(v) & wanted;
}

/*
 * Going to sleep and waking costs tens of microseconds, and a hundred where the
 * host is a virtual machine itself; a disk answers sooner. So look around for a
 * while first, as long as sleeps turn out to be short.
 */
#define POLL_FIRST_NS 10000u
#define POLL_MAX_NS 200000u
#define POLL_LOOKS 64 /* between two looks at the clock */

static bool poll_for_work(struct vcpu *v, u64 start, u64 deadline)
{
	u64 end = min_u64(deadline, start + v->poll_ns);

	while (v->poll_ns && host_now_ns() < end) {
		for (int i = 0; i < POLL_LOOKS; i++) {
			if (has_work(v))
				return true;
			__builtin_ia32_pause();
		}
	}
	return false;
}

static void adapt_poll(struct vcpu *v, u64 waited_ns)
{
	if (waited_ns > POLL_MAX_NS || !v->vm->spare_cpu)
		v->poll_ns = 0;
	else if (waited_ns > v->poll_ns)
		v->poll_ns = (u32)min_u64(max_u64(v->poll_ns * 2,
						  POLL_FIRST_NS),
					  POLL_MAX_NS);
}

/* Sleeps until there is work, or until @deadline. */
static void sleep_for_work(struct vcpu *v, u64 deadline)
{
	/* The alarm at the end of a sleep tells us nothing and costs a signal;
	 * cancelling and setting it again costs two system calls, and was
	 * needless if somebody wakes us before. So guess that this sleep ends
	 * as the last one did. */
	if (v->slept_out && v->alarm)
		host_alarm_cancel(v->alarm);
	v->stats.sleeps++;
	v->slept_out = false;
	while (!v->slept_out && !has_work(v))
		v->slept_out = !host_event_wait(&v->wake, deadline);
}

/* vCPU 0's wait ends at the clock's next deadline, too. */
static void wait_for_work(struct vcpu *v)
{
	struct vm *vm = v->vm;
	u64 deadline = CLOCK_NEVER, start, waited;

	if (has_work(v))
		return;
	if (v->index == 0) {
		vm_lock(vm);
		deadline = clock_to_host_ns(&vm->clock,
					    clock_next_ns(&vm->clock));
		/* Who arms an earlier timer from now on sends a request. */
		__atomic_store_n(&vm->alarm_ns, deadline, __ATOMIC_RELAXED);
		vm_unlock(vm);
	}
	start = host_now_ns();
	if (!poll_for_work(v, start, deadline))
		sleep_for_work(v, deadline);
	waited = host_now_ns() - start;
	v->stats.idle_ns += waited;
	adapt_poll(v, waited);
	if (v->index == 0)
		vm_run_timers(v); /* and sets the alarm again */
}

static void do_init(struct vcpu *v)
{
	vcpu_clear_request(v, VCPU_REQ_INIT);
	TRACE(CPU, "cpu%u: INIT", v->index);
	x86_state_reset(&v->x86, true, v->index == 0);
	v->vm->engine->state_changed(v);
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
		vm_run_timers(v);
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

static void run(struct vcpu *v)
{
	switch (v->vm->engine->run(v)) {
	case VM_EXIT_REQUEST:
		v->stats.exits_request++;
		break;
	case VM_EXIT_HLT:
		v->stats.exits_hlt++;
		wait_for_work(v);
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
	int err;

	if (v->index == 0) {
		err = host_alarm_create(&v->alarm, alarm_rang, v);
		if (err) {
			vm_kill(v->vm, "the host gives no timer (error %d): "
				"raise its limit of pending signals", -err);
			return;
		}
		vcpu_request(v, VCPU_REQ_TIMER);
	}
	while (!(vcpu_requests(v) & VCPU_REQ_STOP)) {
		do_requests(v);
		if (v->x86.activity == X86_WAIT_SIPI ||
		    v->x86.activity == X86_SHUTDOWN)
			wait_for_work(v);
		else
			run(v);
	}
	host_alarm_destroy(v->alarm);
	v->alarm = NULL;
}
