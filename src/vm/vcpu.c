/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.c - a virtual processor's thread: runs the engine, sleeps when the
 * guest halts, and does what other threads ask for.
 *
 * No wake-up is lost: whoever wants something sets its bit in v->request
 * first and v->wake second; the thread looks at v->request after each wait, and
 * v->wake remembers having been set.
 *
 * vCPU 0 also keeps the VM's clock: its host alarm, set for the next deadline,
 * brings due timers to its notice whether it executes or sleeps.
 */
#include "vm/vcpu.h"

#include "base/trace.h"
#include "vm/vm.h"

const struct stat_desc vcpu_stat_tab[] = {
	STAT_DESC(struct vcpu_stats, exits_request, "engine left on request"),
	STAT_DESC(struct vcpu_stats, exits_hlt, "engine left at a halt"),
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
 * while first, as long as others turn out to wake us soon.
 */
#define POLL_FIRST_NS 10000u
#define POLL_MAX_NS 200000u
#define POLL_LOOKS 64 /* between two looks at the clock */

static bool poll_for_work(struct vcpu *v, u64 start)
{
	while (v->poll_ns && host_now_ns() - start < v->poll_ns) {
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
	else if (vcpu_requests(v) & VCPU_REQ_TIMER)
		; /* a time that was set is not worth burning a processor */
	else if (waited_ns > v->poll_ns)
		v->poll_ns = (u32)min_u64(max_u64(v->poll_ns * 2ull,
						  POLL_FIRST_NS),
					  POLL_MAX_NS);
}

/*
 * Sleeps until there is work. The alarm, which is set for the clock's next
 * deadline already, ends vCPU 0's sleep: measured, that is as quick as a sleep
 * with a deadline of its own, and cheaper than stopping the alarm for it, since
 * each change of the host's next timer is an exit where it is virtual itself.
 */
static void wait_for_work(struct vcpu *v)
{
	u64 start, waited;

	if (has_work(v))
		return;
	start = host_now_ns();
	if (!poll_for_work(v, start)) {
		v->stats.sleeps++;
		while (!has_work(v))
			host_event_wait(&v->wake, CLOCK_NEVER);
	}
	waited = host_now_ns() - start;
	v->stats.idle_ns += waited;
	adapt_poll(v, waited);
}

/* EDX is the signature: SDM 3A 9.1.1 "Processor State After Reset". */
static void do_init(struct vcpu *v)
{
	struct x86_cpuid_regs signature;

	vcpu_clear_request(v, VCPU_REQ_INIT);
	TRACE(CPU, "cpu%u: INIT", v->index);
	x86_state_reset(&v->x86, true, v->index == 0);
	x86_cpuid_read(&v->vm->cpuid, &v->x86, v->index, 1, 0, &signature);
	v->x86.gpr[X86_RDX] = signature.eax;
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
