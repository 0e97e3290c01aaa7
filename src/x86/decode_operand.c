/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_operand.c - the decoder's second half: modrm, SIB and displacement,
 * then immediates. SDM 2 2.1.5 "Addressing-Mode Encoding of ModR/M and SIB
 * Bytes".
 */
#include "x86/walk.h"

/* clang-format off */
/* SDM 2 table 2-1 "16-Bit Addressing Forms with the ModR/M Byte" */
static const u8 base16_tab[8] = {
	X86_RBX, X86_RBX, X86_RBP, X86_RBP, X86_RSI, X86_RDI, X86_RBP, X86_RBX,
};
static const u8 index16_tab[8] = {
	X86_RSI, X86_RDI, X86_RSI, X86_RDI, X86_BASE_NONE, X86_BASE_NONE,
	X86_BASE_NONE, X86_BASE_NONE,
};
/* clang-format on */

static inline void read_disp(struct walk *w, unsigned len)
{
	struct x86_insn *insn = w->insn;

	insn->disp_off = walk_offset(w);
	insn->disp_len = (u8)len;
	insn->disp = walk_peek_signed(w, len);
	w->at += len;
}

static void read_address16(struct walk *w, unsigned mod, unsigned rm)
{
	struct x86_insn *insn = w->insn;

	if (mod == 0 && rm == 6) {
		read_disp(w, 2);
		return;
	}
	insn->base = base16_tab[rm];
	insn->index = index16_tab[rm];
	if (mod)
		read_disp(w, mod);
}

static void read_address(struct walk *w, unsigned mod, unsigned rm)
{
	struct x86_insn *insn = w->insn;

	if (rm == 4) {
		unsigned sib = *w->at++;
		unsigned index = (sib >> 3 & 7) | (insn->rex & REX_X) << 2;

		if (index != X86_RSP) {
			insn->index = (u8)index;
			insn->scale = (u8)(sib >> 6);
		}
		rm = sib & 7;
		if (mod == 0 && rm == 5) {
			read_disp(w, 4);
			return;
		}
	} else if (mod == 0 && rm == 5) {
		if (w->size == X86_CODE64)
			insn->base = X86_BASE_RIP;
		read_disp(w, 4);
		return;
	}
	insn->base = (u8)(rm | (insn->rex & REX_B) << 3);
	if (mod)
		read_disp(w, mod == 1 ? 1 : 4);
}

static u16 memory_size_by_rule(const struct walk *w)
{
	const struct x86_insn *insn = w->insn;
	unsigned vl = w->vex_l ? 32 : 16;

	switch ((enum mem_rule)w->op->mem) {
	case M_2V:
		return (u16)(insn->opsize * 2);
	case M_PTR:
		return (u16)(insn->opsize + 2);
	case M_DESC:
		return w->size == X86_CODE64 ? 10 : 6;
	case M_X:
		return (u16)vl;
	case M_X2:
		return (u16)(vl / 2);
	case M_X4:
		return (u16)(vl / 4);
	case M_X8:
		return (u16)(vl / 8);
	case M_DUP:
		return vl == 16 ? 8 : 32;
	case M_SW:
		return w->vex_w ? 8 : 4;
	case M_ENV:
		return insn->opsize == 2 ? 14 : 28;
	case M_SAVE:
		return insn->opsize == 2 ? 94 : 108;
	case M_512:
		return 512;
	default:
		return 0;
	}
}

u16 walk_memory_size(const struct walk *w)
{
	unsigned m = w->op->mem;

	if (likely(m <= M_V))
		return m == M_V ? w->insn->opsize : (u16)m;
	return memory_size_by_rule(w);
}

/* The modrm byte and what it brings. false: a form that is undefined. */
bool walk_modrm(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	unsigned rm_spec = w->op->rm, mod, rm;
	bool pinned;

	walk_modrm_byte(w);
	mod = insn->modrm >> 6;
	rm = insn->modrm & 7;
	insn->attr |= IA_MODRM;
	/* MOV to and from CR and DR have register operands whatever mod is. */
	pinned = w->op->fix == FX_CR || w->op->fix == FX_DR;
	if (mod == 3 || pinned) {
		if (!(rm_spec & 15) && !(rm_spec & RM_REG_ONLY))
			return false;
		insn->rm_kind = rm_spec & 15;
		insn->rm_acc = rm_spec >> 4 & ACC_RW;
		insn->rm = walk_reg_number(insn->rm_kind, (u8)rm,
					   insn->rex & REX_B);
		return true;
	}
	if (rm_spec & RM_REG_ONLY)
		return false;
	insn->attr |= IA_MEM;
	insn->mem_acc = rm_spec >> 4 & ACC_RW;
	if (insn->adsize == 2)
		read_address16(w, mod, rm);
	else
		read_address(w, mod, rm);
	if (!(insn->pfx & PFX_SEG) &&
	    (insn->base == X86_RSP || insn->base == X86_RBP))
		insn->seg = X86_SS;
	return true;
}

static inline void read_imm(struct walk *w, unsigned len, bool sign)
{
	struct x86_insn *insn = w->insn;

	insn->imm_off = walk_offset(w);
	insn->imm_len = (u8)len;
	insn->imm = sign ? (u64)walk_peek_signed(w, len) : walk_peek(w, len);
	w->at += len;
}

/* A far pointer's selector, ENTER's level. */
static void read_imm2(struct walk *w, unsigned len)
{
	w->insn->imm2_len = (u8)len;
	w->insn->imm2 = (u16)walk_peek(w, len);
	w->at += len;
}

static void read_moffs(struct walk *w)
{
	struct x86_insn *insn = w->insn;

	insn->disp_off = walk_offset(w);
	insn->disp_len = insn->adsize;
	insn->disp = (s64)walk_peek(w, insn->adsize);
	insn->mem_acc = insn->reg_acc == ACC_R ? ACC_W : ACC_R;
	w->at += insn->adsize;
}

void walk_immediates(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	unsigned z = insn->opsize == 2 ? 2 : 4;

	switch ((enum imm_rule)w->op->imm) {
	case I_0:
		break;
	case I_B:
		read_imm(w, 1, true);
		break;
	case I_UB:
		read_imm(w, 1, false);
		break;
	case I_UW:
		read_imm(w, 2, false);
		break;
	case I_Z:
		read_imm(w, z, true);
		break;
	case I_V:
		read_imm(w, insn->opsize, true);
		break;
	case I_FAR:
		read_imm(w, z, false);
		read_imm2(w, 2);
		break;
	case I_ENTER:
		read_imm(w, 2, false);
		read_imm2(w, 1);
		break;
	case I_MOFFS:
		read_moffs(w);
		break;
	}
}
