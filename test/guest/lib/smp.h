/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processors.
 *
 * A test that wants them calls smp_start(): all others get INIT and SIPI, load
 * the library's tables and wait for jobs, halted. After the test they are
 * stopped, by INIT again, whatever it made of them. Processors are numbered
 * from 0 by APIC id, and the running test's is 0.
 *
 * A job that traps has failed its test; one that does not end within LIMIT
 * ends the guest. Jobs begin with interrupts off, in x2APIC mode if the
 * processor has it (command line: xapic=1 does without; cpus=N takes fewer).
 * All share the boot page tables, the IDT and idt_set(), but have their own
 * handlers (trap_handle()), TSS, stacks, and GS base: this_cpu().
 */
#ifndef SMP_H
#define SMP_H

#include "irq.h"
#include "pages.h"
#include "percpu.h"

/* What nothing ever takes, in TSC ticks: a busy host, many for one core. */
#define LIMIT 100000000000ull

/* Kept from tests. */
#define V_WAKE 0xf1

/* How many were started, this one included; 1 before smp_start(). */
extern unsigned smp_cpus;

/* How many there are. */
unsigned smp_count(void);

/* Starts all; skips the test and is false if that makes fewer than n. */
bool smp_start(unsigned n);

/* Runs fn(arg) on all processors, here as well, and waits for all. */
void on_all(void (*fn)(ulong), ulong arg);

/* The same on the first n of them. */
void on_first(unsigned n, void (*fn)(ulong), ulong arg);

/* Begins fn(arg) on another processor; waits until it has ended. */
void cpu_begin(unsigned cpu, void (*fn)(ulong), ulong arg);
void cpu_wait(unsigned cpu);

/* All that take part in on_all() or on_first() have come here. */
void barrier(void);

/*
 * Waits until *p is v, and after a moment does so halted, interrupts on. Who
 * makes it v must call wake() then: that is kinder to hosts with fewer cores
 * than processors, and quicker there, but no test of anything. False: never.
 */
bool await(const volatile unsigned *p, unsigned v);
void wake(unsigned cpu);

/* Waits, spinning, until *p is v (or no longer less): false if never. */
bool wait_equal(const volatile unsigned *p, unsigned v);
bool wait_reached(const volatile unsigned *p, unsigned v);
bool wait_mask(const volatile u64 *p, u64 v);

/* The page at which the library starts processors; others are for tests. */
#define TRAMPOLINE 0x8000ul

/* An atomic addition, and loads and stores that mean something. */
#define ATOMIC_ADD(p, v) __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define ATOMIC_OR(p, v) __atomic_or_fetch(p, v, __ATOMIC_SEQ_CST)
#define LOAD(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

static inline void mfence(void)
{
	asm volatile("mfence" ::: "memory");
}

/*
 * A loop count, longer by scale= on the command line (per cent); and one for
 * each of the processors that makes the work of all that of two.
 */
unsigned scaled(unsigned n);
unsigned shared(unsigned n);

/* Simple random numbers, the same in every run. */
struct random { u64 state; };

static inline u32 random_next(struct random *r)
{
	/* xorshift64*: Vigna 2014 */
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull >> 32;
}

static inline u32 random_below(struct random *r, u32 n)
{
	return (u64)random_next(r) * n >> 32;
}

static inline struct random random_seed(ulong n)
{
	struct random r = { (n + 1) * 0x9e3779b97f4a7c15ull };

	random_next(&r);
	return r;
}

#endif
