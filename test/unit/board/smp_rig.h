/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smp_rig.h - a PC whose processors execute C functions: an engine that keeps
 * the contract of vm/engine.h, interrupts and all, without an instruction set.
 * For one test program each.
 */
#ifndef DOPPEL_TEST_SMP_RIG_H
#define DOPPEL_TEST_SMP_RIG_H

#include "board/pc.h"

struct smp_cpu {
	struct vcpu v;
	u64 nmis, steps; /* atomic */
	bool triple_fault;
};

static struct vm smp_vm;
static struct pc smp_pc;

/* One step of the guest; false: HLT. */
static bool (*smp_guest)(struct vcpu *v);
static void (*smp_interrupt)(struct vcpu *v, u8 vector);

static inline struct smp_cpu *smp_cpu(unsigned i)
{
	return container_of(smp_vm.cpus[i], struct smp_cpu, v);
}

static int smp_vm_init(struct vm *vm, const struct engine_options *o,
		       struct err *e)
{
	return 0;
}

static void smp_vm_fini(struct vm *vm)
{
}

static int smp_vcpu_init(struct vcpu *v, struct err *e)
{
	return 0;
}

static void smp_nothing(struct vcpu *v)
{
}

static void smp_deliver(struct vcpu *v)
{
	struct smp_cpu *c = container_of(v, struct smp_cpu, v);
	u32 r = vcpu_requests(v);
	int vector;

	if (r & VCPU_REQ_NMI) {
		vcpu_clear_request(v, VCPU_REQ_NMI);
		__atomic_fetch_add(&c->nmis, 1, __ATOMIC_RELEASE);
		v->x86.activity = X86_RUNNING;
	}
	if (!(r & VCPU_REQ_INTR) || !(v->x86.rflags & FLAG_IF))
		return;
	vcpu_clear_request(v, VCPU_REQ_INTR);
	vector = v->intr->ack(v->intr_dev);
	if (vector < 0)
		return;
	v->x86.activity = X86_RUNNING;
	if (smp_interrupt)
		smp_interrupt(v, (u8)vector);
}

static enum vm_exit smp_run(struct vcpu *v)
{
	struct smp_cpu *c = container_of(v, struct smp_cpu, v);
	const u32 not_ours = VCPU_REQ_TIMER | VCPU_REQ_STOP | VCPU_REQ_INIT |
			     VCPU_REQ_SIPI | VCPU_REQ_TURN;

	for (;;) {
		if (vcpu_requests(v) & not_ours)
			return VM_EXIT_REQUEST;
		smp_deliver(v);
		if (v->x86.activity == X86_HALTED)
			return VM_EXIT_HLT;
		if (c->triple_fault)
			return VM_EXIT_SHUTDOWN;
		__atomic_fetch_add(&c->steps, 1, __ATOMIC_RELEASE);
		if (!smp_guest(v))
			v->x86.activity = X86_HALTED;
	}
}

static const struct engine_ops smp_engine = {
	.name = "C",
	.vm_init = smp_vm_init,
	.vm_fini = smp_vm_fini,
	.vcpu_bytes = sizeof(struct smp_cpu),
	.vcpu_init = smp_vcpu_init,
	.vcpu_fini = smp_nothing,
	.run = smp_run,
	.kick = smp_nothing,
	.state_changed = smp_nothing,
	.dump = smp_nothing,
};

static inline bool smp_make(unsigned cpus)
{
	const struct vm_config c = { .memory_bytes = MiB(16),
				     .cpus = cpus,
				     .engine = &smp_engine };
	const struct pc_config p = { 0 };
	struct err e = { "" };

	return tap_check(!vm_init(&smp_vm, &c, &e) &&
				 !pc_init(&smp_pc, &smp_vm, &p, &e),
			 "a machine of %u processors %s", cpus, e.text);
}

static inline bool smp_start(unsigned cpus, bool (*guest)(struct vcpu *),
			     void (*interrupt)(struct vcpu *, u8))
{
	smp_guest = guest;
	smp_interrupt = interrupt;
	return smp_make(cpus) && !vm_start(&smp_vm, NULL);
}

static inline void smp_stop(void)
{
	vm_stop(&smp_vm, VM_POWEROFF);
	vm_join(&smp_vm);
	vm_fini(&smp_vm);
	pc_fini(&smp_pc);
}

#endif
