/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the library only: start-up, and the state that every test starts
 * from.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "percpu.h"

/* Entered by the start-up code with what the loader left in EAX and EBX. */
NORETURN void guest_main(ulong magic, ulong info);

/* Called by the trap stubs; returns only if the interrupted code goes on. */
void trap_arrived(struct regs *r);

/* trap64.S, trap32.S */
void trap_enter(const struct regs *r);
bool trap_call(void (*fn)(ulong), ulong arg);
NORETURN void trap_recover(struct cpu *c);
extern const u8 trap_stubs[256][16];

/* Each part brings its piece of the machine to the state a test expects. */
void output_init(void);
void trap_reset(void);
void tables_reset(void);
void control_reset(void);
void interrupts_reset(void);

/* The same for another processor, on itself. */
void tables_load_ap(void);
void apic_reset_ap(void);

/* Output by one processor at a time; again by the one that has it. */
void output_lock(void);
void output_unlock(void);
void output_lock_break(void);

/* Stops all other processors, if any were ever started. */
void smp_reset(void);

#endif
