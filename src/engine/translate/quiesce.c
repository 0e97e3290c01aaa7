/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quiesce.c - what several virtual processors have to agree on.
 *
 * A vCPU "passes" in run_next() and between the blocks that translate_run()
 * enters: there it holds no host address that it looked up before, is about to
 * make no store that was checked before, and has no frame of generated code to
 * return to. While it is outside translate_run(), or waits in here, that is so
 * all the time: it is "parked".
 *
 * So whatever one takes away from the others (a write entry of their TLBs, a
 * guard of a link) is surely gone when each has passed since; and what must not
 * happen beside anything at all (overwriting code, a LOCKed instruction that
 * cannot be made in place) is done while all others are parked.
 *
 * Nobody waits here with a lock held; holders of locks do not wait here. So
 * whoever is waited for gets on, and passes at its next block: its poll is set
 * off (.calm).
 */
#include "engine/translate/engine.h"

static bool is_parked(const struct tcpu *t)
{
	return __atomic_load_n(&t->parked, __ATOMIC_SEQ_CST);
}

static u32 passes_of(const struct tcpu *t)
{
	return __atomic_load_n(&t->passes, __ATOMIC_ACQUIRE);
}

static void set_parked(struct tcpu *t, bool parked)
{
	__atomic_store_n(&t->parked, parked, __ATOMIC_SEQ_CST);
}

static bool is_exclusive(const struct engine *e)
{
	return __atomic_load_n(&e->exclusive, __ATOMIC_SEQ_CST);
}

/* A processor of the host gets a block done in less time than the host takes
 * to switch threads; but it may be doing something else. */
#define LOOKS 1000

static void back_off(unsigned *looks)
{
	if (++*looks < LOOKS)
		__builtin_ia32_pause();
	else
		host_yield();
}

void quiesce_park(struct tcpu *t)
{
	quiesce_pass(t);
	set_parked(t, true);
}

/* PAIRS: exclusive_begin(), which first says that it is exclusive and then
 * looks who is parked. */
void quiesce_unpark(struct tcpu *t)
{
	struct engine *e = t->e;

	for (;;) {
		set_parked(t, false);
		if (likely(!is_exclusive(e)) || e->exclusive_owner == t)
			return;
		set_parked(t, true);
		host_mutex_lock(&e->exclusive_lock);
		host_mutex_unlock(&e->exclusive_lock);
	}
}

void quiesce_wait(struct tcpu *t, u64 cpus)
{
	struct vm *vm = t->e->vm;
	u32 before[VM_MAX_CPUS];

	quiesce_park(t);
	for (unsigned i = 0; i < vm->cpu_count; i++)
		before[i] = passes_of(tcpu_of(vm->cpus[i]));
	for (unsigned i = 0; i < vm->cpu_count; i++)
		if (cpus & BIT64(i))
			tcpu_disturb(tcpu_of(vm->cpus[i]));
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct tcpu *u = tcpu_of(vm->cpus[i]);
		unsigned looks = 0;

		while ((cpus & BIT64(i)) && u != t && !is_parked(u) &&
		       passes_of(u) == before[i])
			back_off(&looks);
	}
	quiesce_unpark(t);
}

bool quiesce_is_over(const struct tcpu *t, u16 since)
{
	struct engine *e = t->e;
	const struct vm *vm = e->vm;

	/* Each round begins when the one before has ended. */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < vm->cpu_count; i++) {
			const struct tcpu *u = tcpu_of(vm->cpus[i]);

			if (u != t && !is_parked(u) &&
			    passes_of(u) == e->grace_passes[i])
				return (u16)(e->grace - since) >= 2;
		}
		for (unsigned i = 0; i < vm->cpu_count; i++)
			e->grace_passes[i] =
				passes_of(tcpu_of(vm->cpus[i]));
		e->grace++;
	}
	return (u16)(e->grace - since) >= 2;
}

void exclusive_begin(struct tcpu *t)
{
	struct engine *e = t->e;
	struct vm *vm = e->vm;

	if (!e->smp || (e->exclusive_depth && e->exclusive_owner == t)) {
		e->exclusive_depth++;
		return;
	}
	quiesce_park(t);
	host_mutex_lock(&e->exclusive_lock);
	e->exclusive_owner = t;
	e->exclusive_depth = 1;
	__atomic_store_n(&e->exclusive, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < vm->cpu_count; i++)
		tcpu_disturb(tcpu_of(vm->cpus[i]));
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		unsigned looks = 0;

		while (!is_parked(tcpu_of(vm->cpus[i])))
			back_off(&looks);
	}
	set_parked(t, false);
}

void exclusive_end(struct tcpu *t)
{
	struct engine *e = t->e;

	if (--e->exclusive_depth || !e->smp)
		return;
	set_parked(t, true);
	e->exclusive_owner = NULL;
	__atomic_store_n(&e->exclusive, 0, __ATOMIC_SEQ_CST);
	host_mutex_unlock(&e->exclusive_lock);
	quiesce_unpark(t);
}
