/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach_string.c - MOVS and STOS in windowed blocks: the host's own, with RSI
 * and RDI moved into their windows and back.
 *
 * While it runs T0 is the delta of RDI and T1 that of RSI; a fault in the
 * middle finds the guest's registers by them (fault.c), RCX being right as it
 * is. They start upwards in the slot that the register names, so what they
 * meet beyond it is the guard.
 *
 * The host's DF is always clear; when the guest's is set, C carries the
 * instruction out. Counts of 2^16 and more are C's as well, for the sake of
 * interrupts. Both are found by JRCXZ, which touches no flags.
 */
#include "engine/translate/trans.h"

#define COUNT_BITS 16

bool reach_can_string(const struct trans *tr, const struct x86_insn *i)
{
	unsigned op = i->opcode & 0xfe;

	if (!tr->windowed || i->cls != X86_C_STRING || i->adsize != 8 ||
	    (i->pfx & PFX_F2))
		return false;
	return op == 0xaa || (op == 0xa4 && i->seg != X86_FS &&
			      i->seg != X86_GS);
}

/* @reg moves into its window; @delta is by how much. */
static void move_in(struct trans *tr, unsigned reg, unsigned delta)
{
	reach_delta(tr, reg, delta);
	emit_lea(&tr->e, true, reg, reg, delta, 0, 0);
}

/* And out: NOT and LEA touch no flags. */
static void move_out(struct trans *tr, unsigned reg, unsigned delta)
{
	struct emit *e = &tr->e;

	emit_not(e, delta);
	emit_lea(e, true, reg, reg, delta, 0, 1);
}

/* To @cold if it goes downwards, or RCX is too large for the host to finish
 * soon. T1 is RCX meanwhile. */
static void check(struct trans *tr, bool rep, struct cold *cold)
{
	static const u8 shrx[] = { 0xc4, 0xe2, 0xab, 0xf7, 0xc9 };
	struct emit *e = &tr->e;
	u8 *good;

	emit_mov(e, T1, X86_RCX);
	if (rep) {
		emit_mov_imm(e, T0, COUNT_BITS);
		for (unsigned k = 0; k < sizeof(shrx); k++)
			emit8(e, shrx[k]); /* shrx %r10, %rcx, %rcx */
		emit_gs(e, true, OP_MOV, T0, GS(downwards));
		/* A sum of 0 is two of them. */
		emit_lea(e, true, X86_RCX, X86_RCX, T0, 0, 0);
	} else {
		emit_gs(e, true, OP_MOV, X86_RCX, GS(downwards));
	}
	good = emit_jrcxz(e);
	emit_mov(e, X86_RCX, T1);
	cold_from(cold, emit_jmp_fwd(e));
	emit_jrcxz_land(e, good);
	emit_mov(e, X86_RCX, T1);
}

static void emit_it(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct emit *e = &tr->e;

	if (i->pfx & PFX_F3)
		emit8(e, 0xf3);
	if ((i->opcode & 1) && i->opsize == 2)
		emit8(e, 0x66);
	if ((i->opcode & 1) && i->opsize == 8)
		emit8(e, 0x48);
	emit8(e, i->opcode);
}

void reach_string(struct trans *tr)
{
	bool moves = (tr->i->opcode & 0xfe) == 0xa4;
	struct cold *cold = cold_callout_keeping(tr, callout_for(tr->i));

	if (!cold)
		return;
	check(tr, tr->i->pfx & PFX_F3, cold);
	tr->meta[tr->meta_count - 1].reach = moves ? META_MOVS : META_STOS;
	if (moves)
		move_in(tr, X86_RSI, T1);
	move_in(tr, X86_RDI, T0);
	emit_it(tr);
	if (moves)
		move_out(tr, X86_RSI, T1);
	move_out(tr, X86_RDI, T0);
	cold_resume(tr, cold);
}
