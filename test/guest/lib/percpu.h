/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each processor has of its own: stacks, trap state, handlers, local APIC
 * mode, job.
 *
 * In long mode all of it lies in one aligned area that holds all stacks of the
 * processor too, so that the stack pointer says whose it is, whatever a test
 * has done to GS. Stacks elsewhere are for tests on the first one. Processor n
 * is the one with APIC id n; 0 is the bootstrap processor. 32-bit guests have
 * one processor.
 */
#ifndef PERCPU_H
#define PERCPU_H

#include "trap.h"

#define CPUS_MAX 64
#define STACK_SIZE 4096

/* MIRRORS: start64.S, trap64.S */
#define CPU_AREAS 0x800000ul
#define CPU_AREA_SIZE 0x20000ul

struct cpu {
	ulong recovery_sp; /* trap64.S, trap32.S: at offset 0 */
	unsigned index;
	bool x2apic;
	char context[160];
	struct regs last_trap;
	handler_fn *handlers[256];

	/* Jobs: smp.c */
	void (*job)(ulong);
	ulong job_arg;
	unsigned job_wanted, job_done;
	bool asleep;

	/* Of application processors; the first one's have names: desc.h */
	u64 gdt[16];
	u8 tss[104];

	u8 run_stacks[2][STACK_SIZE] __attribute__((aligned(16)));
	/*
	 * For traps: 1 for exceptions, 2 NMI, 3 #DF, 4 for interrupts, and the
	 * ring-0 stack of the TSS. In 32-bit mode only the last one is used.
	 */
	u8 ist_stacks[5][8192] __attribute__((aligned(16)));
};

#ifdef __x86_64__
_Static_assert(sizeof(struct cpu) <= CPU_AREA_SIZE - 16384, "and a stack");

static inline struct cpu *cpu_area(unsigned n)
{
	return (struct cpu *)(CPU_AREAS + n * CPU_AREA_SIZE);
}

static inline struct cpu *this_cpu(void)
{
	ulong sp;

	asm volatile("mov %%rsp, %0" : "=r"(sp));
	if (sp - CPU_AREAS >= CPUS_MAX * CPU_AREA_SIZE)
		return cpu_area(0);
	return (struct cpu *)(sp & -CPU_AREA_SIZE);
}
#else
extern struct cpu only_cpu;

static inline struct cpu *this_cpu(void)
{
	return &only_cpu;
}
#endif

#endif
