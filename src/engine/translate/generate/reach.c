/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reach.c - memory operands of windowed blocks: the host's processor does the
 * translation (window.h), and this finds the delta that it needs:
 *
 *	T1 = slot number of the base	rorx, movzx, or pext: no flags
 *	T1 = window[T1]
 *	op [base + T1 + disp]
 *
 * The slot is that of the base register alone where it is known that index and
 * displacement do not lead farther than the guard; else of their sum, which is
 * made first, in T0. With such an index the delta is added to the base, so that
 * the index adds nothing to what its own load takes:
 *
 *	T1 = base + T1
 *	op [T1 + index * scale + disp]
 *
 * Addresses without a register that says where have a slot that is known.
 * What T0 and T1 hold then serves following instructions (held.c), so that
 * runs of PUSH and POP, or the fields of a structure, need it once.
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

/* --- deltas --- */

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

static unsigned right_of(const struct trans *tr)
{
	return tr->key & KEY_USER ? WINDOW_USER : WINDOW_KERNEL;
}

void reach_delta(struct trans *tr, unsigned reg, unsigned to)
{
	unsigned right = right_of(tr);

	if (right == WINDOW_USER)
		rotate_slot(tr, reg, to);
	else
		pext_slot(tr, reg, to);
	emit_gs8(&tr->e, true, OP_MOV, to, to,
		 GS(window[0][0]) + right * (u32)sizeof(tr->t->window[0]));
	held_lose(tr, to);
}

static struct insn_meta *meta_now(struct trans *tr)
{
	return &tr->meta[tr->meta_count - 1];
}

static void operand_is(struct trans *tr, unsigned base, unsigned index,
		       unsigned scale, s32 disp)
{
	tr->mem = (struct operand){ .base = (u8)base, .index = (u8)index,
				    .scale = (u8)scale, .disp = disp };
}

/* At @disp from guest address @reg, @delta being its delta. */
static void by_delta(struct trans *tr, unsigned reg, unsigned delta, s32 disp)
{
	meta_now(tr)->delta = (u8)delta;
	operand_is(tr, reg, delta, 0, disp);
}

/* At @disp from where the host has guest register @r: @place. */
static void by_place(struct trans *tr, unsigned r, unsigned place,
		     unsigned index, unsigned scale, s32 disp)
{
	meta_now(tr)->reach = META_PLACE;
	meta_now(tr)->delta = (u8)place;
	meta_now(tr)->base = (u8)r;
	operand_is(tr, place, index, scale, disp);
}

/* --- a guest address in T0 --- */

/* At T0 + @disp, T0 being what is held there as the sum. */
static void at_sum(struct trans *tr, s32 disp)
{
	if (held_delta_of(tr, AT_SUM, x86_magnitude(disp)) < 0) {
		reach_delta(tr, T0, T1);
		held_set_delta(tr, T1, AT_SUM);
	}
	by_delta(tr, T0, T1, disp);
}

/* T0 is the sum of @base, one of 16 registers or AT_*, index, and @disp. */
static void sum_is(struct trans *tr, unsigned base, unsigned index,
		   unsigned scale, s32 disp)
{
	struct held *h = held_in(tr, T0);

	held_lose(tr, T0);
	h->kind = HELD_SUM;
	h->base = (u8)base;
	h->index = (u8)index;
	h->scale = (u8)scale;
	h->disp = disp;
}

/* Is it that already, but for a constant? *@disp is what is to be added. */
static bool is_sum(struct trans *tr, unsigned base, unsigned index,
		   unsigned scale, s32 *disp)
{
	const struct held *h = held_in(tr, T0);
	s64 more = (s64)*disp - h->disp;

	if (h->kind != HELD_SUM || h->base != base || h->index != index ||
	    h->scale != scale || more != (s32)more)
		return false;
	*disp = (s32)more;
	return true;
}

/* At @disp from what is in memory at %gs:@from: @at, a register or AT_*. */
static void at_loaded(struct trans *tr, unsigned at, u32 from, s32 disp)
{
	struct held *h = held_in(tr, T1);
	int place = held_place_of(tr, at, x86_magnitude(disp));

	if (place >= 0) {
		by_place(tr, at, (unsigned)place, NO_INDEX, 0, disp);
		return;
	}
	if (!is_sum(tr, at, X86_BASE_NONE, 0, &disp)) {
		bool known = held_delta_of(tr, at, 0) == T1;

		emit_gs(&tr->e, true, OP_MOV, T0, from);
		sum_is(tr, at, X86_BASE_NONE, 0, 0);
		if (known)
			held_serve(h, AT_SUM, h->off[at]);
	}
	at_sum(tr, disp);
	held_serve(h, at, h->off[AT_SUM]);
}

/*
 * At code_base + @disp. All of the block that is not behind a call has the same
 * code_base, so its delta serves like that of a register which nobody writes.
 */
static void at_rip(struct trans *tr, s32 disp)
{
	at_loaded(tr, AT_RIP, GS(code_base), disp);
}

static void in_segment(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct emit *e = &tr->e;
	unsigned at = i->seg == X86_FS ? AT_FS : AT_GS;
	u32 base = GS(v.x86.seg[0].base) +
		   i->seg * (u32)sizeof(struct x86_seg);
	s32 disp = (s32)i->disp;

	if (i->base == X86_BASE_NONE && i->index == X86_BASE_NONE &&
	    i->adsize == 8 && i->disp == disp) {
		at_loaded(tr, at, base, disp);
		return;
	}
	access_offset(tr);
	emit_gs(e, true, OP_MOV, T1, base);
	emit_lea(e, true, T0, T0, T1, 0, 0);
	held_lose_both(tr);
	at_sum(tr, 0);
}

/* The sum of what the instruction names: of an index that may be anything. */
static void by_sum(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	s32 disp = (s32)i->disp;

	if (i->adsize != 8 || (i->attr & IA_MOFFS) ||
	    i->base == X86_BASE_RIP) {
		access_offset(tr);
		held_lose_both(tr);
		at_sum(tr, 0);
		return;
	}
	if (!is_sum(tr, i->base, i->index, i->scale, &disp)) {
		access_offset(tr);
		sum_is(tr, i->base, i->index, i->scale, disp);
		disp = 0;
	}
	at_sum(tr, disp);
}

/* --- a register, and what is near --- */

/* At register @r + @disp, which the host has. */
static void at_register(struct trans *tr, unsigned r, s32 disp)
{
	unsigned h = (unsigned)host_reg(tr, r);
	int s = held_delta_of(tr, r, x86_magnitude(disp));

	if (s < 0) {
		int place = held_place_of(tr, r, x86_magnitude(disp));

		/* What RSP is owed a fault would not know. */
		if (place >= 0 && r != X86_RSP) {
			by_place(tr, r, (unsigned)place, NO_INDEX, 0, disp);
			return;
		}
		s = (int)held_choose(tr);
		reach_delta(tr, h, (unsigned)s);
		held_set_delta(tr, (unsigned)s, r);
	}
	by_delta(tr, h, (unsigned)s, disp);
}

/* Where the host has @r goes to T0 or T1; returns which. @beyond: how far from
 * there the access may be. */
static unsigned make_place(struct trans *tr, unsigned r, u64 beyond)
{
	int from = host_reg(tr, r), delta = held_delta_of(tr, r, beyond);
	unsigned to = held_choose(tr);
	struct held *h;
	u64 off = 0;

	if (delta >= 0)
		off = held_in(tr, (unsigned)delta)->off[r];
	if (from < 0) {
		load_guest(tr, T0, r);
		from = T0;
		to = T1;
		if (delta != T1)
			delta = -1;
	}
	if (delta < 0) {
		reach_delta(tr, (unsigned)from, to);
		delta = (int)to;
		off = 0;
	}
	emit_lea(&tr->e, true, to, (unsigned)from, (unsigned)delta, 0, 0);
	held_lose(tr, to);
	h = held_in(tr, to);
	h->kind = HELD_PLACE;
	h->base = (u8)r;
	h->index = X86_BASE_NONE;
	h->scale = 0;
	h->off[r] = off;
	return to;
}

/* At register @r + @index << @scale + @disp, all of which is at most @beyond
 * from @r. */
static void at_place(struct trans *tr, unsigned r, unsigned index,
		     unsigned scale, s32 disp, u64 beyond)
{
	int place = held_place_of(tr, r, beyond);

	if (place < 0)
		place = (int)make_place(tr, r, beyond);
	by_place(tr, r, (unsigned)place, (unsigned)host_reg(tr, index), scale,
		 disp);
}

/* --- addresses near a constant --- */

/*
 * T1 = the delta of addresses around 0, or for a kernel's those below it. They
 * are the end of the first slot and of the last, and lead into their guards.
 */
static unsigned constant_delta(struct trans *tr, s32 disp, u64 beyond)
{
	unsigned right = right_of(tr);
	bool top = right == WINDOW_KERNEL && disp < 0;
	unsigned at = top ? AT_TOP : AT_ZERO;
	unsigned slot = top ? WINDOW_SLOTS - 1 : 0;
	int s = held_delta_of(tr, at, beyond);

	if (s < 0) {
		s = (int)held_choose(tr);
		emit_gs(&tr->e, true, OP_MOV, (unsigned)s,
			GS(window[0][0]) +
				right * (u32)sizeof(tr->t->window[0]) +
				8 * slot);
		held_set_delta(tr, (unsigned)s, at);
	}
	return (unsigned)s;
}

/* At @disp, or @disp + @r << @scale. */
static void at_constant(struct trans *tr, unsigned r, unsigned scale,
			s32 disp, u64 beyond)
{
	unsigned delta = constant_delta(tr, disp, beyond);

	meta_now(tr)->delta = (u8)delta;
	if (r == X86_BASE_NONE)
		operand_is(tr, delta, NO_INDEX, 0, disp);
	else
		operand_is(tr, delta, (unsigned)host_reg(tr, r), scale, disp);
}

/* --- which of these --- */

/* How far from nothing @r << @scale can be; X86_UNBOUNDED: too far, or it is
 * not in a host register. */
static u64 bound_of(const struct trans *tr, unsigned r, unsigned scale)
{
	u64 bound;

	if (r == X86_BASE_NONE)
		return 0;
	bound = tr->bounds.of[r];
	/* RSP, which cannot be an index, is owed to. */
	if (host_reg(tr, r) < 0 || r == X86_RSP ||
	    bound > WINDOW_REACH >> scale)
		return X86_UNBOUNDED;
	return bound << scale;
}

/* PUSH, POP and CALL with a memory operand have another on the stack, and a
 * fault is told about one delta: T1. */
static bool has_one_operand(const struct x86_insn *i)
{
	return i->cls == X86_C_COPY || i->cls == X86_C_JMP_IND;
}

/* What a loop holds for just this sum. */
static bool in_loop(struct trans *tr, unsigned base, unsigned index,
		    unsigned scale)
{
	int place = index < 16 ? held_place_of_sum(tr, base, index, scale) : -1;

	if (place < 0 || host_reg(tr, index) < 0)
		return false;
	by_place(tr, base, (unsigned)place, (unsigned)host_reg(tr, index),
		 scale, (s32)tr->i->disp);
	return true;
}

/* Base and index, of which one may be near the other, or both near nothing.
 * False: nobody knows. */
static bool near_something(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	s32 disp = (s32)i->disp;
	u64 from_zero = x86_magnitude(disp) + BIT64(31);
	u64 base = bound_of(tr, i->base, 0);
	u64 index = bound_of(tr, i->index, i->scale);

	if (i->base == X86_BASE_NONE && index <= WINDOW_REACH - from_zero) {
		at_constant(tr, i->index, i->scale, disp, index + from_zero);
		return true;
	}
	if (i->base == X86_BASE_NONE || i->index == X86_BASE_NONE ||
	    !has_one_operand(i))
		return false;
	if (index <= WINDOW_REACH - x86_magnitude(disp)) {
		at_place(tr, i->base, i->index, i->scale, disp,
			 index + x86_magnitude(disp));
		return true;
	}
	if (i->scale == 0 && base <= WINDOW_REACH - x86_magnitude(disp)) {
		at_place(tr, i->index, i->base, 0, disp,
			 base + x86_magnitude(disp));
		return true;
	}
	return false;
}

/* A base alone. */
static void at_base(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	s32 disp = (s32)i->disp;
	u64 from_zero = x86_magnitude(disp) + BIT64(31);

	if (host_reg(tr, i->base) < 0)
		at_loaded(tr, i->base, GS_GPR(i->base), disp);
	else if (bound_of(tr, i->base, 0) <= WINDOW_REACH - from_zero &&
		 held_delta_of(tr, i->base, x86_magnitude(disp)) < 0)
		at_constant(tr, i->base, 0, disp,
			    bound_of(tr, i->base, 0) + from_zero);
	else
		at_register(tr, i->base, disp);
}

static void in_flat(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	s64 off = (s64)tr->next + i->disp;

	if (i->adsize != 8 || (i->attr & IA_MOFFS))
		by_sum(tr);
	else if (i->base == X86_BASE_RIP && off == (s32)off)
		at_rip(tr, (s32)off);
	else if (i->base == X86_BASE_RIP)
		by_sum(tr);
	else if (i->base != X86_BASE_NONE && i->index == X86_BASE_NONE)
		at_base(tr);
	else if (!in_loop(tr, i->base, i->index, i->scale) &&
		 !(i->scale == 0 && in_loop(tr, i->index, i->base, 0)) &&
		 !near_something(tr))
		by_sum(tr);
}

void reach_operand(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	if (i->seg == X86_FS || i->seg == X86_GS)
		in_segment(tr);
	else
		in_flat(tr);
	/* A register operand needs one of the two. */
	if (copy_stolen(tr, i) && tr->mem.base == T0 && tr->mem.index == T1) {
		emit_om(&tr->e, true, OP_LEA, T0, &tr->mem);
		held_lose(tr, T0);
		operand_is(tr, T0, NO_INDEX, 0, 0);
		meta_now(tr)->reach = META_ADDRESS;
	}
}

void reach_stack(struct trans *tr, unsigned r, s32 disp)
{
	if (r == X86_RSP)
		disp += tr->owed;
	at_register(tr, r, disp);
}

void reach_linear(struct trans *tr)
{
	held_lose(tr, T0);
	reach_delta(tr, T0, T1);
	held_lose(tr, T1);
	by_delta(tr, T0, T1, 0);
}
