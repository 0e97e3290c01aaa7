/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_fix.c - what the decoder's tables cannot say of an instruction,
 * because it hangs on the value of a byte: shift counts, register numbers,
 * REP.
 */
#include "x86/walk.h"

/* SDM 1 appendix A: what a count known now says about the flags. */
static void fix_shift(struct x86_insn *insn, unsigned count)
{
	unsigned bits = insn->opsize * 8u;

	count &= insn->opsize == 8 ? 63 : 31;
	if (!count) {
		insn->flags_read = 0;
		insn->flags_written = 0;
		insn->flags_maybe = 0;
		return;
	}
	if (count > 1)
		insn->flags_maybe |= FLAG_OF;
	if (count >= bits)
		insn->flags_maybe |= FLAG_CF;
}

static void fix_shld(struct x86_insn *insn)
{
	unsigned count = (unsigned)insn->imm & (insn->opsize == 8 ? 63 : 31);

	fix_shift(insn, count);
	if (count > insn->opsize * 8u)
		insn->flags_maybe = insn->flags_written;
}

static void fix_string(struct x86_insn *insn)
{
	if (!(insn->pfx & (PFX_F2 | PFX_F3)))
		return;
	insn->impl_write |= BIT(X86_RCX);
	insn->impl_read |= insn->impl_write; /* a count of 0 leaves all */
	insn->flags_maybe = insn->flags_written;
}

/* Gathers: the index is a vector register, in a SIB byte, and no register may
 * be used twice. */
static bool fix_gather(struct walk *w)
{
	struct x86_insn *insn = w->insn;

	if (insn->adsize == 2 || (insn->modrm & 7) != 4)
		return false;
	if (insn->index == X86_BASE_NONE) { /* no such thing as none */
		unsigned at = insn->disp_len ? insn->disp_off - 1u
					     : walk_offset(w) - 1u;

		insn->index = X86_RSP;
		insn->scale = w->start[at] >> 6;
	}
	return insn->index != insn->reg && insn->index != insn->vvvv &&
	       insn->reg != insn->vvvv;
}

bool walk_fix_up(struct walk *w)
{
	struct x86_insn *insn = w->insn;

	switch ((enum fix_rule)w->op->fix) {
	case FX_NONE:
		return true;
	case FX_OPCODE_SREG:
		insn->reg = insn->opcode >> 3 & 7;
		return true;
	case FX_SREG:
		return insn->reg <= X86_GS;
	case FX_LOAD_SREG:
		return insn->reg <= X86_GS && insn->reg != X86_CS;
	case FX_CR:
		return BIT(insn->reg) &
		       (BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(8));
	case FX_DR:
		return insn->reg < 8;
	case FX_SHIFT_IMM:
		fix_shift(insn, (unsigned)insn->imm);
		return true;
	case FX_SHIFT_CL:
		insn->flags_maybe = insn->flags_written;
		return true;
	case FX_SHLD_IMM:
		fix_shld(insn);
		return true;
	case FX_STRING:
		fix_string(insn);
		return true;
	case FX_NOP:
		if (insn->opcode == 0x90 && !(insn->rex & REX_B)) {
			insn->cls = insn->pfx & PFX_F3 ? X86_C_PAUSE :
							 X86_C_NOP;
			insn->attr &= ~IA_OPREG;
			insn->reg_kind = RK_NONE;
			insn->reg_acc = 0;
			insn->impl_read = 0;
			insn->impl_write = 0;
		}
		return true;
	case FX_CMPXCHG16B:
		if (insn->opsize == 8)
			insn->attr |= IA_ALIGN;
		return true;
	case FX_GATHER:
		return fix_gather(w);
	case FX_W_64:
		return w->size == X86_CODE64 || !w->vex_w;
	}
	return true;
}
