/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.h - breakpoints of the debug registers, and single step: what the
 * rest of the translator calls. See debug.c for how it works.
 *
 * Each caller looks at t->debug or the key first, so that nothing is called
 * while nothing is armed.
 */
#ifndef DOPPEL_TRANSLATE_DEBUG_H
#define DOPPEL_TRANSLATE_DEBUG_H

#include "engine/translate/key.h"
#include "engine/translate/tcpu.h"
#include "x86/mem.h"

/* All of the state that tells which breakpoints there are, but for the
 * addresses: DR7 without GD and what has no meaning, and CR4.DE. */
static inline u32 debug_word(const struct x86_state *s)
{
	return ((u32)s->dr7 & 0xffff00ffu) |
	       (s->cr4 & CR4_DE ? BIT(11) : 0);
}

/* The registers, or the word above, have changed. Flushes the TLB. */
void debug_update(struct tcpu *t);

/*
 * Before the instruction at x86.rip is looked up, while anything is armed: adds
 * KEY_STEPS to t->key if it has to be run by itself. @alone: it has in any
 * case; @masked: no instruction breakpoint strikes. True: one did, and was
 * delivered.
 */
bool debug_before(struct tcpu *t, bool alone, bool masked);

/*
 * After an instruction; x86.rip is the next one's. Delivers what it hit, and
 * the single-step trap if @step.
 */
void debug_after(struct tcpu *t, bool step);
/* The same when it was not a callout, in a block for KEY_ALONE. */
void debug_after_native(struct tcpu *t);

/* After the delivery of an event, which made accesses of its own. */
void debug_after_event(struct tcpu *t, u8 vector);

/* Does @va's page hold an armed data breakpoint? Then no TLB entry may. */
bool debug_watches(const struct tcpu *t, gva_t va);
/* Is an access by generated code to be made later, by its instruction alone?
 * Then has that arranged, for when x86.rip is the instruction's. */
bool debug_defer(struct tcpu *t, gva_t va, unsigned len);
/* Notes hits. @acc: X86_ACC_READ, X86_ACC_WRITE or both. */
void debug_access(struct tcpu *t, gva_t va, unsigned len, unsigned acc);
void debug_port(struct tcpu *t, u16 port, unsigned len);

static inline bool debug_is_due(const struct tcpu *t, bool step)
{
	return unlikely(step || t->debug.hits || t->debug.held);
}

#endif
