/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_idle.c - a processor that has nothing to do: looks around for a while,
 * then sleeps.
 *
 * No wake-up is lost: whoever wants something says so first (v->request) and
 * sets v->wake second; the thread looks for work after each wait, and v->wake
 * remembers having been set.
 *
 * Going to sleep and waking costs tens of microseconds, and a hundred where the
 * host is a virtual machine itself; a disk answers sooner, and so does another
 * processor. Looking around instead is only for those who burn nothing that
 * somebody needs: while there are host processors enough for all vCPUs that are
 * awake, and while looking has turned out to pay. The others of a machine that
 * are asleep take none; and where only one is awake, it is a back end that will
 * wake it, which wants a processor, too.
 */
#include "vm/vcpu.h"
#include "vm/vm.h"

#define POLL_FIRST_NS 10000u
#define POLL_MAX_NS 200000u
#define POLL_LOOKS 64 /* between two looks at the clock */

/* Is there a reason not to sleep? Others may be pending and yet undeliverable:
 * with IF clear an interrupt waits, and so must we. */
static bool has_work(const struct vcpu *v)
{
	u32 wanted = VCPU_REQ_INIT | VCPU_REQ_SIPI | VCPU_REQ_TIMER |
		     VCPU_REQ_STOP;

	if (v->x86.activity == X86_HALTED) {
		if (__atomic_load_n(&v->unhalt, __ATOMIC_ACQUIRE))
			return true;
		if (v->x86.rflags & FLAG_IF)
			wanted |= VCPU_REQ_INTR;
		if (!v->x86.nmi_masked)
			wanted |= VCPU_REQ_NMI;
	}
	return vcpu_requests(v) & wanted;
}

static bool may_poll(const struct vm *vm)
{
	return vm->host_cpus > 1 &&
	       __atomic_load_n(&vm->awake, __ATOMIC_RELAXED) <= vm->host_cpus;
}

static bool poll_for_work(struct vcpu *v, u64 start)
{
	while (v->poll_ns && may_poll(v->vm) &&
	       host_now_ns() - start < v->poll_ns) {
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
	if (waited_ns > POLL_MAX_NS)
		v->poll_ns = 0;
	else if (vcpu_requests(v) & VCPU_REQ_TIMER)
		; /* a time that was set is not worth burning a processor */
	else if (waited_ns > v->poll_ns)
		v->poll_ns = (u32)min_u64(max_u64(v->poll_ns * 2ull,
						  POLL_FIRST_NS),
					  POLL_MAX_NS);
}

/*
 * The alarm, which is set for the next deadline already, ends the sleep:
 * measured, that is as quick as a sleep with a deadline of its own, and cheaper
 * than stopping the alarm for it, since each change of the host's next timer is
 * an exit where it is virtual itself.
 */
static void sleep_until_work(struct vcpu *v)
{
	struct vm *vm = v->vm;

	v->stats.sleeps++;
	if (v->watch)
		v->watch->sleeps(v->watch_dev, v);
	__atomic_fetch_sub(&vm->awake, 1, __ATOMIC_RELAXED);
	while (!has_work(v))
		host_event_wait(&v->wake, CLOCK_NEVER);
	__atomic_fetch_add(&vm->awake, 1, __ATOMIC_RELAXED);
	if (v->watch)
		v->watch->wakes(v->watch_dev, v);
}

void vcpu_wait_for_work(struct vcpu *v)
{
	u64 start, waited;

	if (has_work(v))
		return;
	start = host_now_ns();
	if (!poll_for_work(v, start))
		sleep_until_work(v);
	waited = host_now_ns() - start;
	v->stats.idle_ns += waited;
	adapt_poll(v, waited);
}
