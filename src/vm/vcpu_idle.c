/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_idle.c - a processor that has nothing to do: looks around for a while,
 * then sleeps; and one that waits for another.
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
 * wake it, which wants a processor, too. What other processes do shows in
 * looking around that was interrupted: then it is left alone for a while.
 */
#include "vm/vcpu.h"
#include "vm/vm.h"

#define POLL_FIRST_NS 10000u
#define POLL_MAX_NS 200000u
#define POLL_LOOKS 64 /* between two looks at the clock, some us */
#define POLL_GAP_NS 100000u /* between them: we were taken off */
#define POLL_REST_NS 20000000u

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
	u64 now = start, before;

	while (v->poll_ns && may_poll(v->vm) && now - start < v->poll_ns) {
		for (int i = 0; i < POLL_LOOKS; i++) {
			if (has_work(v))
				return true;
			__builtin_ia32_pause();
		}
		before = now;
		now = host_now_ns();
		if (now - before > POLL_GAP_NS)
			v->poll_rest_ns = now + POLL_REST_NS;
	}
	return false;
}

/* @waited_ns: until somebody wanted something. That it took us longer to wake
 * is what looking around would have spared. */
static void adapt_poll(struct vcpu *v, u64 waited_ns, u64 now)
{
	if (waited_ns > POLL_MAX_NS || now < v->poll_rest_ns)
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
	vcpu_turn_give(v);
	if (v->watch)
		v->watch->sleeps(v->watch_dev, v);
	__atomic_fetch_sub(&vm->awake, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&v->asked_ns, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&v->asleep, true, __ATOMIC_RELAXED);
	while (!has_work(v))
		host_event_wait(&v->wake, CLOCK_NEVER);
	__atomic_store_n(&v->asleep, false, __ATOMIC_RELAXED);
	__atomic_fetch_add(&vm->awake, 1, __ATOMIC_RELAXED);
	if (v->watch)
		v->watch->wakes(v->watch_dev, v);
}

void vcpu_wait_for_work(struct vcpu *v)
{
	u64 start, end, asked = 0;

	if (has_work(v))
		return;
	start = host_now_ns();
	if (poll_for_work(v, start)) {
		v->stats.polls++;
	} else {
		sleep_until_work(v);
		asked = __atomic_load_n(&v->asked_ns, __ATOMIC_RELAXED);
	}
	end = host_now_ns();
	v->stats.idle_ns += end - start;
	if (asked < start || asked > end)
		asked = end; /* just before we slept */
	adapt_poll(v, asked - start, end);
}

void vcpu_wake(struct vcpu *v)
{
	if (__atomic_load_n(&v->asleep, __ATOMIC_RELAXED))
		__atomic_store_n(&v->asked_ns, host_now_ns(),
				 __ATOMIC_RELAXED);
	host_event_set(&v->wake);
}

/*
 * Who waits in a loop for longer than anybody holds a lock waits for somebody
 * that the host has taken off its processor, and may be in its place: a thread
 * that is woken often runs where its waker ran, which still holds the lock
 * under which it did so. Yielding is cheap where nobody else wants to run.
 *
 * Measured with two processes that take turns on two processors, on a host with
 * several threads for each of its own: one yield a turn, where Linux without
 * it gives up the loop, halts and is kicked; and as much time in all.
 */
#define PAUSES_BEFORE_YIELD 64u

void vcpu_pause(struct vcpu *v)
{
	__builtin_ia32_pause();
	if (++v->pauses % PAUSES_BEFORE_YIELD)
		return;
	v->stats.yields++;
	vcpu_turn_offer(v);
}
