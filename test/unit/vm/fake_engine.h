/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_engine.h - an engine without a processor: its guest is a C function that
 * is called again and again, and it keeps the contract of vm/engine.h. The two
 * functions that vm/ wants of x86/ are faked with it.
 */
#ifndef DOPPEL_TEST_FAKE_ENGINE_H
#define DOPPEL_TEST_FAKE_ENGINE_H

#include "vm/vm.h"

struct fake_cpu {
	struct vcpu v;
	u32 kicks; /* atomic */
	u64 runs; /* calls of run */
	u64 steps; /* of the guest */
	u64 interrupts, nmis; /* delivered */
	u64 state_changes;
};

/* One step of the guest; returns false to halt. */
typedef bool (*fake_guest)(struct fake_cpu *c);

struct fake_vm {
	fake_guest guest;
	/* Trouble to make: -errno, or 0. */
	int vm_init_error, vcpu_init_error;
	unsigned vcpu_init_error_at;
	bool triple_fault;
	unsigned vms, vcpus; /* alive now */
};

/* Globals, unlike everything in src/: vm_init makes the engine's struct, and
 * tests want to set it before. */
extern struct fake_vm fake;
extern const struct engine_ops fake_engine;

static inline struct fake_cpu *fake_cpu(struct vm *vm, unsigned i)
{
	return container_of(vm->cpus[i], struct fake_cpu, v);
}

/* Guests. */
bool fake_idle(struct fake_cpu *c); /* HLT, with interrupts on */
bool fake_busy(struct fake_cpu *c); /* jmp . */

#endif
