/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the library only: start-up, and the state that every test starts
 * from.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "trap.h"

#define STACK_SIZE 4096

/* Entered by the start-up code with what the loader left in EAX and EBX. */
NORETURN void guest_main(ulong magic, ulong info);

/* Called by the trap stubs; returns only if the interrupted code goes on. */
void trap_arrived(struct regs *r);

/* trap64.S, trap32.S */
void trap_enter(const struct regs *r);
bool trap_call(void (*fn)(ulong), ulong arg);
NORETURN void trap_recover(void);
extern const u8 trap_stubs[256][16];
extern ulong recovery_sp;

/* Each part brings its piece of the machine to the state a test expects. */
void output_init(void);
void trap_reset(void);
void tables_reset(void);
void control_reset(void);
void interrupts_reset(void);

#endif
