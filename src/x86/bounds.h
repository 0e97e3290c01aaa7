/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bounds.h - how large general registers can be, and how far apart: what
 * follows from the instructions that wrote them, for 64-bit code.
 *
 * Only a few instructions are understood, those that compilers use to make an
 * index or to move a pointer; whatever else writes a register leaves nothing
 * known of it. Who relies on this relies on the decoder's tables of what is
 * written; a unit test holds both against the processor.
 */
#ifndef DOPPEL_X86_BOUNDS_H
#define DOPPEL_X86_BOUNDS_H

#include "x86/insn.h"

#define X86_UNBOUNDED ~0ull

/* As a signed number, register r is from -of[r] to of[r]. */
struct x86_bounds {
	u64 of[16];
};

/* Register .to is now what .from was, but for at most .by; there may be none
 * of these, or two ways to see it. */
struct x86_moves {
	u8 to;
	u8 count;
	struct {
		u8 from;
		u64 by;
	} of[2];
};

static inline u64 x86_magnitude(s64 v)
{
	return v < 0 ? -(u64)v : (u64)v;
}

void x86_bounds_forget(struct x86_bounds *b);

/* General registers that the instruction may write, as a mask. */
u32 x86_written(const struct x86_insn *i);

/* What an X86_C_COPY instruction does to @b, and how it moves a register. */
void x86_bounds_after(struct x86_bounds *b, const struct x86_insn *i,
		      struct x86_moves *m);

#endif
