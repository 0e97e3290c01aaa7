/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gs.h - struct tcpu as generated code sees it, through %gs, and the two
 * conversions between the places of the arithmetic flags.
 */
#ifndef DOPPEL_TRANSLATE_GS_H
#define DOPPEL_TRANSLATE_GS_H

#include "engine/translate/emit.h"
#include "engine/translate/tcpu.h"

#define GS(member) ((u32)offsetof(struct tcpu, member))
#define GS_GPR(r) (GS(v.x86.gpr) + 8 * (u32)(r))

/* EFLAGS to flags_ax; EFLAGS stay as they are. Uses T1. */
static inline void emit_save_flags(struct emit *e)
{
	emit_mov(e, T1, X86_RAX);
	emit8(e, 0x9f); /* lahf */
	emit8(e, 0x0f);
	emit8(e, 0x90);
	emit8(e, 0xc0); /* seto %al */
	emit8(e, 0x66);
	emit_gs(e, false, OP_STORE, X86_RAX, GS(flags_ax));
	emit_mov(e, X86_RAX, T1);
}

/* flags_ax to EFLAGS. Uses T1. 0x7f + 1 overflows, 0x7f + 0 does not. */
static inline void emit_restore_flags(struct emit *e)
{
	emit_mov(e, T1, X86_RAX);
	emit8(e, 0x66);
	emit_gs(e, false, OP_MOV, X86_RAX, GS(flags_ax));
	emit8(e, 0x04);
	emit8(e, 0x7f); /* add $0x7f, %al */
	emit8(e, 0x9e); /* sahf */
	emit_mov(e, X86_RAX, T1);
}

/*
 * @reg <- RFLAGS when flags are SAVED: arithmetic ones from there, the rest
 * from x86.rflags, which keeps those bits clear. RF and VM read as 0. Uses T0.
 */
static inline void emit_rflags(struct emit *e, unsigned reg)
{
	emit_gs_movzw(e, reg, GS(flags_ax));
	emit_rr(e, false, OP_MOV, T0, reg);
	emit_ri(e, false, 4, T0, 1);
	emit_shift(e, false, 4, T0, 11);
	emit_shift(e, false, 5, reg, 8);
	emit_ri(e, false, 4, reg, 0xd5);
	emit_rr(e, false, ALU_OR, reg, T0);
	emit_gs(e, false, ALU_OR, reg, GS(v.x86.rflags));
	emit_ri(e, false, 4, reg, (s32)~(FLAG_RF | FLAG_VM));
	emit_ri(e, false, 1, reg, FLAG_FIXED);
}

/* As tcpu_disturb(). */
static inline void emit_disturb(struct emit *e)
{
	emit_gs_imm32(e, false, 0xc7, 0, GS(calm), 0);
	for (unsigned n = 0; n < JC_COUNT; n++)
		emit_gs_imm32(e, true, 0xc7, 0, GS(jc_salt[0]) + 8 * n,
			      (u32)JC_DISTURBED);
}

#endif
