/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.h - a stack as far transfers and exceptions push to it and pop from
 * it: checked before anything is written, moved only by the caller's commit.
 * Private to src/x86.
 */
#ifndef DOPPEL_X86_STACK_H
#define DOPPEL_X86_STACK_H

#include "base/base.h"
#include "x86/mem.h"
#include "x86/state.h"

struct x86_stack {
	struct x86_seg seg;
	u64 sp;
	u64 mask; /* width of SP: 16, 32 or 64 bits */
	bool flat; /* 64-bit mode: no base, no limit, must be canonical */
	unsigned acc; /* X86_ACC_USER or _IMPLICIT, to be ored in */
	u32 error; /* of the #SS when a limit is exceeded */
};

/* The current stack with the current rights; @flat: use it as 64-bit. */
void x86_stack_current(struct x86_stack *k, const struct x86_state *s,
		       bool flat);
/* Another one: @seg at @sp, for an access with rights @acc. */
void x86_stack_at(struct x86_stack *k, const struct x86_seg *seg, u64 sp,
		  bool flat, unsigned acc);

/*
 * Pushes @v[0] first, all or none, each @size (2, 4, 8) bytes. ->sp moves.
 * At most X86_STACK_MAX values.
 */
#define X86_STACK_MAX 40
int x86_stack_push(struct x86_stack *k, const struct x86_mem *m, const u64 *v,
		   unsigned count, unsigned size, struct x86_fault *f);
/* Pops into @v[0] first; ->sp moves. */
int x86_stack_pop(struct x86_stack *k, const struct x86_mem *m, u64 *v,
		  unsigned count, unsigned size, struct x86_fault *f);

/* RSP after the stack became @k: of a 16-bit one only SP is written, the rest
 * is @rsp's. */
static inline u64 x86_stack_rsp(const struct x86_stack *k, u64 rsp)
{
	if (k->mask == 0xffff)
		return (rsp & ~0xffffull) | (k->sp & 0xffff);
	return k->sp & k->mask;
}

/*
 * The stack that the TSS has for privilege level @dpl: outside long mode with
 * its checked segment. @ist: 1 to 7, long mode only, else 0.
 */
int x86_stack_inner(struct x86_stack *k, const struct x86_state *s,
		    const struct x86_mem *m, unsigned dpl, unsigned ist,
		    struct x86_fault *f);

#endif
