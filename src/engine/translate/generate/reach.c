/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - memory operands of windowed blocks: the host's processor does the
 * translation (window.h), and this finds the delta that it needs:
 *
 *	T1 = slot number of the base	pext: no flags
 *	T1 = window[T1]
 *	op [base + T1 + disp]
 *
 * The slot is that of the base register alone where there is no index; then
 * the displacement may lead out of the window, into its guard. The delta in T1
 * serves following instructions with the same base, so runs of PUSH and POP,
 * or the fields of a structure, need it once. While that is the stack's, T0
 * does the same for another base.
 *
 * Nothing is checked and no flags are touched: a host fault is the check, and
 * finds the guest's state as the instruction began.
 */
#include "engine/translate/trans.h"

bool reach_can(const struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	/* AH and REX exclude each other; x87 pointers are told by where RAM
	 * is; and of scratch registers there are two. */
	return tr->windowed && !(i->attr & IA_X87) && copy_stolen(tr, i) <= 1 &&
	       !copy_has_high_byte(i);
}

/* pext %gs:window_slot_mask, reg, to */
static void pext_slot(struct trans *tr, unsigned reg, unsigned to)
{
	static const u8 pext[] = { 0x65, 0xc4, 0x62 };
	struct emit *e = &tr->e;

	for (unsigned k = 0; k < sizeof(pext); k++)
		emit8(e, pext[k]);
	emit8(e, (u8)(0x82 | (~reg & 15) << 3));
	emit8(e, 0xf5);
	emit8(e, (u8)(0x04 | (to & 7) << 3));
	emit8(e, 0x25);
	emit32(e, GS(window_slot_mask));
}

/*
 * The lower half has 256 slots, and a rotation and an extension are quicker by
 * a cycle. An address of the upper half gets the delta of some slot; the sum
 * is in the upper half, too, or not canonical: nothing of ours.
 */
static void rotate_slot(struct trans *tr, unsigned reg, unsigned to)
{
	struct emit *e = &tr->e;

	emit_rorx(e, to, reg, WINDOW_SHIFT);
	emit_rex(e, false, to, 0, to);
	emit8(e, 0x0f);
	emit8(e, 0xb6); /* movzbl */
	emit8(e, (u8)(0xc0 | (to & 7) << 3 | (to & 7)));
}

void reach_delta(struct trans *tr, unsigned reg, unsigned to)
{
	struct emit *e = &tr->e;
	u32 right = tr->key & KEY_USER ? WINDOW_USER : WINDOW_KERNEL;

	if (right == WINDOW_USER)
		rotate_slot(tr, reg, to);
	else
		pext_slot(tr, reg, to);
	emit_gs8(e, true, OP_MOV, to, to,
		 GS(window[0][0]) + right * (u32)sizeof(tr->t->window[0]));
	if (to == T1)
		tr->delta_reg = NO_DELTA;
	else
		tr->delta0_reg = NO_DELTA;
}

/* The operand is at @reg + @disp, and @reg is the guest's own. */
static void at_register(struct trans *tr, unsigned reg, s32 disp)
{
	unsigned delta = T1;

	if (tr->delta_reg == reg) {
		/* It is there. */
	} else if (tr->delta0_reg == reg) {
		delta = T0;
	} else if (tr->delta_reg == HOST_GUEST_RSP) {
		/* That of the stack will be wanted again. */
		delta = T0;
		reach_delta(tr, reg, T0);
		tr->delta0_reg = (u8)reg;
	} else {
		reach_delta(tr, reg, T1);
		tr->delta_reg = (u8)reg;
		tr->drift = 0;
	}
	tr->meta[tr->meta_count - 1].delta = (u8)delta;
	tr->mem = (struct operand){ .base = (u8)reg, .index = (u8)delta,
				    .disp = disp };
}

/* The same for an address in T0, which lasts for this instruction. */
static void at_t0(struct trans *tr, s32 disp)
{
	reach_delta(tr, T0, T1);
	tr->delta0_reg = NO_DELTA;
	tr->mem = (struct operand){ .base = T0, .index = T1, .disp = disp };
}

/*
 * At code_base + @disp. All of the block that is not behind a call has the same
 * code_base, so its delta serves until T1 is needed, as that of a register
 * which nobody writes; a call keeps none.
 */
static void at_rip(struct trans *tr, s32 disp)
{
	emit_gs(&tr->e, true, OP_MOV, T0, GS(code_base));
	if (tr->delta_reg != RIP_DELTA)
		reach_delta(tr, T0, T1);
	tr->delta_reg = RIP_DELTA;
	tr->delta0_reg = NO_DELTA;
	tr->mem = (struct operand){ .base = T0, .index = T1, .disp = disp };
}

static void in_segment(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct emit *e = &tr->e;
	u32 base = GS(v.x86.seg[0].base) +
		   i->seg * (u32)sizeof(struct x86_seg);

	if (i->base == X86_BASE_NONE && i->index == X86_BASE_NONE &&
	    i->adsize == 8 && i->disp == (s32)i->disp) {
		emit_gs(e, true, OP_MOV, T0, base);
		at_t0(tr, (s32)i->disp);
		return;
	}
	access_offset(tr);
	emit_gs(e, true, OP_MOV, T1, base);
	emit_lea(e, true, T0, T0, T1, 0, 0);
	at_t0(tr, 0);
}

static void in_flat(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	bool plain = i->adsize == 8 && i->index == X86_BASE_NONE &&
		     !(i->attr & IA_MOFFS);

	if (plain && i->base == X86_BASE_RIP) {
		s64 off = (s64)tr->next + i->disp;

		if (off == (s32)off) {
			at_rip(tr, (s32)off);
			return;
		}
	} else if (plain && i->base != X86_BASE_NONE) {
		int h = host_reg(tr, i->base);

		if (h >= 0) {
			at_register(tr, (unsigned)h, (s32)i->disp);
		} else {
			load_guest(tr, T0, i->base);
			at_t0(tr, (s32)i->disp);
		}
		return;
	}
	access_offset(tr);
	at_t0(tr, 0);
}

void reach_operand(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	if (i->seg == X86_FS || i->seg == X86_GS)
		in_segment(tr);
	else
		in_flat(tr);
	/* A register operand needs one of the two. */
	if (copy_stolen(tr, i) && tr->mem.base == T0) {
		emit_om(&tr->e, true, OP_LEA, T0, &tr->mem);
		tr->mem = (struct operand){ .base = T0, .index = NO_INDEX };
		tr->delta_reg = NO_DELTA;
		tr->meta[tr->meta_count - 1].reach = META_ADDRESS;
	}
}

void reach_stack(struct trans *tr, unsigned from, s32 disp)
{
	if (from == HOST_GUEST_RSP)
		disp += tr->owed;
	at_register(tr, from, disp);
}

void reach_linear(struct trans *tr)
{
	at_t0(tr, 0);
}

void reach_moved_rsp(struct trans *tr, s64 n)
{
	if (tr->delta_reg != HOST_GUEST_RSP)
		return;
	tr->drift += n;
	if (tr->drift > (s64)WINDOW_REACH || tr->drift < -(s64)WINDOW_REACH)
		tr->delta_reg = NO_DELTA;
}

static bool writes(const struct trans *tr, const struct x86_insn *i, u8 kind,
		   u8 acc, u8 r, unsigned host)
{
	if (!(acc & ACC_W) || (kind != RK_GPR && kind != RK_GPR8))
		return false;
	return host_reg(tr, r) == (int)host ||
	       (kind == RK_GPR8 && !(i->attr & (IA_REX | IA_VEX)) &&
		(r & 3u) == host);
}

/* ADD, SUB rsp, imm */
static bool moves_rsp(const struct x86_insn *i, s64 *n)
{
	if (i->map != MAP_1 || (i->opcode != 0x81 && i->opcode != 0x83) ||
	    (i->attr & IA_MEM) || i->rm != X86_RSP || i->opsize != 8 ||
	    (i->reg != 0 && i->reg != 5))
		return false;
	*n = i->reg ? -(s64)i->imm : (s64)i->imm;
	return true;
}

/* Does the instruction change host register @d? RIP_DELTA is none. */
static bool changes(const struct trans *tr, const struct x86_insn *i,
		    unsigned d)
{
	if (writes(tr, i, i->reg_kind, i->reg_acc, i->reg, d) ||
	    (!(i->attr & IA_MEM) &&
	     writes(tr, i, i->rm_kind, i->rm_acc, i->rm, d)) ||
	    writes(tr, i, i->vvvv_kind, i->vvvv_acc, i->vvvv, d))
		return true;
	for (unsigned r = 0; r < 16; r++)
		if ((i->impl_write & BIT(r)) && host_reg(tr, r) == (int)d)
			return true;
	return false;
}

void reach_after_copy(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	bool mem = i->attr & (IA_MEM | IA_MOFFS);
	s64 n;

	/* R9 to R11 pass through T0, or T1, which copy.c tells of. */
	tr->keep_delta0 = tr->delta0_reg != NO_DELTA && !copy_stolen(tr, i) &&
			  !(mem && tr->mem.base == T0) &&
			  !changes(tr, i, tr->delta0_reg);
	if (tr->delta_reg == NO_DELTA)
		return;
	tr->keep_delta = true;
	if (moves_rsp(i, &n))
		reach_moved_rsp(tr, n);
	else if (changes(tr, i, tr->delta_reg))
		tr->delta_reg = NO_DELTA;
}
