/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_time.c - who looks at which clock when.
 *
 * Each processor's thread has one host alarm, set for the earliest deadline of
 * the clocks that are its own: its local APIC's and, on vCPU 0, the devices'.
 * The alarm's handler only sets VCPU_REQ_TIMER, and so brings due timers to
 * the thread's notice whether it executes or sleeps.
 *
 * Only a thread itself can set its alarm. A processor's clock is touched by its
 * own thread alone. A device's timer may be armed by any thread; it then leaves
 * the deadline in vm->timer_ns and, if that became earlier, asks vCPU 0 to look.
 *
 * Why none is lost: vCPU 0's alarm is never later than the vm->timer_ns that it
 * saw when it set it. If vm->timer_ns becomes earlier than it was, vCPU 0 gets
 * a request after that, and sets its alarm anew. If it becomes later, the alarm
 * rings too early, once.
 */
#include "vm/vcpu.h"
#include "vm/vm.h"

/* On the vCPU's own thread, in a signal handler. */
static void alarm_rang(void *arg)
{
	vcpu_request(arg, VCPU_REQ_TIMER);
}

static u64 device_timer_ns(const struct vcpu *v)
{
	return v->index ? CLOCK_NEVER :
			  __atomic_load_n(&v->vm->timer_ns, __ATOMIC_ACQUIRE);
}

static void set_alarm(struct vcpu *v)
{
	u64 next;

	if (!v->alarm || v->in_timers)
		return; /* vcpu_run_timers sets it in the end */
	next = min_u64(v->timer_ns, device_timer_ns(v));
	/* One that has passed already: a signal would tell 20 us later. */
	if (next != CLOCK_NEVER && next <= host_now_ns())
		vcpu_request(v, VCPU_REQ_TIMER);
	else
		host_alarm_set(v->alarm, next);
}

/* v->clock.rearm. */
static void own_clock_rearm(void *arg, u64 deadline_ns)
{
	struct vcpu *v = arg;

	if (!clock_is_running(&v->clock))
		return; /* vcpu_time_start has it looked at */
	v->timer_ns = clock_to_host_ns(&v->clock, deadline_ns);
	set_alarm(v);
}

void vcpu_device_clock_rearm(void *arg, u64 deadline_ns)
{
	struct vm *vm = arg;
	struct vcpu *v = vm->cpus[0];
	u64 before = vm->timer_ns;
	u64 next = clock_to_host_ns(&vm->clock, deadline_ns);

	if (!clock_is_running(&vm->clock))
		return;
	/* PAIRS: the load of device_timer_ns(), after the request. */
	__atomic_store_n(&vm->timer_ns, next, __ATOMIC_RELEASE);
	if (vm->lock_vcpu == v)
		set_alarm(v);
	else if (next < before)
		vcpu_request(v, VCPU_REQ_TIMER);
}

void vcpu_run_timers(struct vcpu *v)
{
	struct vm *vm = v->vm;

	/* Cleared first: what becomes due from here on asks again. */
	vcpu_clear_request(v, VCPU_REQ_TIMER);
	v->stats.timer_runs++;
	v->in_timers = true;
	clock_run(&v->clock);
	if (device_timer_ns(v) <= host_now_ns()) {
		vm_lock_as(v);
		clock_run(&vm->clock);
		vm_unlock_as(v);
	}
	if (v->watch)
		v->watch->ticks(v->watch_dev, v);
	v->in_timers = false;
	set_alarm(v);
}

void vcpu_time_init(struct vcpu *v)
{
	clock_init_following(&v->clock, &v->vm->clock);
	v->clock.rearm = own_clock_rearm;
	v->clock.rearm_ctx = v;
}

int vcpu_time_start(struct vcpu *v)
{
	/* Deadlines were host times of the last run: look at them anew. */
	vcpu_request(v, VCPU_REQ_TIMER);
	return host_alarm_create(&v->alarm, alarm_rang, v);
}

void vcpu_time_stop(struct vcpu *v)
{
	host_alarm_destroy(v->alarm);
	v->alarm = NULL;
}
