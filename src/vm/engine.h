/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - the contract of whatever executes guest instructions. No code
 * above the engines asks which one is running.
 */
#ifndef DOPPEL_VM_ENGINE_H
#define DOPPEL_VM_ENGINE_H

#include "base/base.h"
#include "base/err.h"

struct vm;
struct vcpu;

/* Why run() came back. It may also return spuriously. */
enum vm_exit {
	VM_EXIT_REQUEST, /* v->request holds something that is not for the
			  * engine (STOP, TIMER, INIT, SIPI) */
	VM_EXIT_HLT, /* activity is X86_HALTED; nothing is deliverable */
	VM_EXIT_SHUTDOWN, /* triple fault */
};

/* What tests and measurements may vary; zeroes are the defaults. */
struct engine_options {
	u64 code_cache_bytes; /* 0: the engine's choice */
	bool one_insn_blocks;
	bool no_chaining;
	bool random_evict;
	bool no_windows; /* all memory by the software TLB */
	bool all_windows; /* no waiting for an address space to calm down */
	u32 seed;
};

struct engine_ops {
	const char *name;
	unsigned max_cpus; /* of one VM; 0: as many as the VM allows */
	/* 0 if this host can; else -errno and a sentence. */
	int (*probe)(struct err *e);

	int (*vm_init)(struct vm *vm, const struct engine_options *o,
		       struct err *e);
	void (*vm_fini)(struct vm *vm);

	/* Bytes of the engine's vCPU struct, which begins with struct vcpu. */
	size_t vcpu_bytes;
	int (*vcpu_init)(struct vcpu *v, struct err *e);
	void (*vcpu_fini)(struct vcpu *v);

	/*
	 * Executes until there is something that the engine does not do
	 * itself: delivers interrupts and NMIs by v->intr, does port I/O,
	 * MMIO, MSRs and hypercalls by vm_*(), tells vm_tsc_changed() and
	 * vcpu_pause(), and does VCPU_REQ_FLUSH before anything else. On
	 * return v->x86 is precise. Only on the vCPU's own thread. Between
	 * two calls v->x86.activity may change without state_changed().
	 */
	enum vm_exit (*run)(struct vcpu *v);
	/* Makes run() look at v->request soon. Sticky; async-signal-safe. */
	void (*kick)(struct vcpu *v);

	/* v->x86 was written from outside: drop what is derived from it. */
	void (*state_changed)(struct vcpu *v);
	/* Guest RAM was written by somebody else (gmem.h). Any thread. */
	void (*memory_changed)(struct vm *vm, u64 gpa, u64 len);
	/* Ors the dirty pages of RAM since the last call into @bitmap. May be
	 * NULL until migration needs it. */
	void (*dirty_sync)(struct vm *vm, u64 *bitmap);

	/* Prints what it knows of where the vCPU is, for a killed VM. */
	void (*dump)(struct vcpu *v);
};

#endif
