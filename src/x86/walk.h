/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - the decoder's progress through one instruction, private to decode.c,
 * decode_operand.c and decode_fix.c.
 */
#ifndef DOPPEL_X86_WALK_H
#define DOPPEL_X86_WALK_H

#include "x86/opcodes.h"

/* The walk: where it is, and what it has learnt that insn does not keep. */
struct walk {
	const u8 *start, *at;
	struct x86_insn *insn;
	const struct x86_op *op;
	enum x86_code_size size;
	u8 rules; /* RULE_* of the whole chain of entries */
	bool modrm_read;
	bool vex_w, vex_l;
};

/* The next @len bytes (1 to 8) as a number. The window has 8 to read. */
static inline u64 walk_peek(const struct walk *w, unsigned len)
{
	unsigned drop = 64 - 8 * len;
	u64 v;

	__builtin_memcpy(&v, w->at, sizeof(v));
	return v << drop >> drop;
}

static inline s64 walk_peek_signed(const struct walk *w, unsigned len)
{
	return sign_extend(walk_peek(w, len), len * 8);
}

static inline u8 walk_offset(const struct walk *w)
{
	return (u8)(w->at - w->start);
}

/* Once, whoever comes first: a group or the operands. */
static inline void walk_modrm_byte(struct walk *w)
{
	if (!w->modrm_read) {
		w->insn->modrm = *w->at++;
		w->modrm_read = true;
	}
}

/* Kinds of which there are only eight do not know REX. */
static inline u8 walk_reg_number(unsigned kind, u8 low3, bool extended)
{
	if (kind == RK_SREG || kind == RK_MMX || kind == RK_ST ||
	    kind == RK_NONE)
		return low3;
	return (u8)(low3 | extended << 3);
}

/* decode_operand.c. false: a form that is undefined. */
bool walk_modrm(struct walk *w);
u16 walk_memory_size(const struct walk *w);
void walk_immediates(struct walk *w);

/* decode_fix.c: what the tables cannot say. false: undefined. */
bool walk_fix_up(struct walk *w);

#endif
