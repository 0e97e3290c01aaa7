/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held.c - what T0 and T1 hold from one instruction of a windowed block to the
 * next, so that it need not be found again (reach.c):
 *
 *	HELD_DELTA	the delta of an address that was looked up, and with it
 *			of all that is known to be near: registers that were
 *			copied from it, or moved by constants and small indexes
 *	HELD_SUM	a guest address: base + index * scale + displacement; or
 *			just a register that is in memory
 *	HELD_PLACE	where the host has the guest address in a register
 *
 * Isolation rests on this: what a delta serves is at most .off away from the
 * address whose slot it was looked up by, and an access at most WINDOW_REACH.
 * So whatever writes a register ends what is known of it, unless x86/bounds.h
 * says how far it has moved; and whatever writes T0 or T1 says so here. What a
 * loop holds stays as it is until its end (loop.c).
 */
#include "engine/translate/trans.h"

#include "base/fmt.h"

struct held *held_in(struct trans *tr, unsigned scratch)
{
	return &tr->held[scratch - T0];
}

void held_lose(struct trans *tr, unsigned scratch)
{
	held_in(tr, scratch)->kind = HELD_OTHER;
	tr->kept[scratch - T0] = NO_HOME;
	/* Who looked T0 up is T1. */
	if (scratch == T0)
		held_in(tr, T1)->serves &= ~BIT(AT_SUM);
}

void held_lose_both(struct trans *tr)
{
	held_lose(tr, T0);
	held_lose(tr, T1);
}

void held_init(struct trans *tr)
{
	held_lose_both(tr);
	x86_bounds_forget(&tr->bounds);
}

void held_set_delta(struct trans *tr, unsigned scratch, unsigned at)
{
	struct held *h = held_in(tr, scratch);

	held_lose(tr, scratch);
	h->kind = HELD_DELTA;
	h->serves = 0;
	held_serve(h, at, 0);
}

void held_serve(struct held *h, unsigned at, u64 off)
{
	h->serves |= BIT(at);
	h->off[at] = off;
}

static bool serves(const struct held *h, unsigned at, u64 beyond)
{
	return h->kind == HELD_DELTA && (h->serves & BIT(at)) &&
	       h->off[at] + beyond <= WINDOW_REACH;
}

int held_delta_of(struct trans *tr, unsigned at, u64 beyond)
{
	BUG_ON(beyond > WINDOW_REACH);
	/* An operand that moves in a loop has to be reached by what the loop
	 * holds, and nothing else. */
	for (unsigned k = 0; k < tr->loop_count; k++)
		if (serves(&tr->held[HELD_LOOP + k], at, beyond))
			return tr->held[HELD_LOOP + k].reg;
	if (serves(held_in(tr, T1), at, beyond))
		return T1;
	return serves(held_in(tr, T0), at, beyond) ? T0 : -1;
}

static bool is_place(const struct held *h, unsigned base, unsigned index,
		     unsigned scale, u64 beyond)
{
	return h->kind == HELD_PLACE && h->base == base && h->index == index &&
	       h->scale == scale && h->off[base] + beyond <= WINDOW_REACH;
}

int held_place_of_sum(struct trans *tr, unsigned base, unsigned index,
		      unsigned scale)
{
	for (unsigned k = 0; k < tr->loop_count; k++)
		if (is_place(&tr->held[HELD_LOOP + k], base, index, scale, 0))
			return tr->held[HELD_LOOP + k].reg;
	return -1;
}

int held_place_of(struct trans *tr, unsigned at, u64 beyond)
{
	for (unsigned k = 0; k < tr->loop_count; k++)
		if (is_place(&tr->held[HELD_LOOP + k], at, X86_BASE_NONE, 0,
			     beyond))
			return tr->held[HELD_LOOP + k].reg;
	for (unsigned s = T0; s <= T1; s++)
		if (is_place(held_in(tr, s), at, X86_BASE_NONE, 0, beyond))
			return (int)s;
	return -1;
}

/* --- values of registers --- */

bool held_is_value(struct trans *tr, unsigned scratch, unsigned r)
{
	const struct held *h = held_in(tr, scratch);

	return h->kind == HELD_SUM && h->base == r &&
	       h->index == X86_BASE_NONE && h->disp == 0;
}

int held_value_of(struct trans *tr, unsigned r)
{
	return held_is_value(tr, T0, r) ? T0 :
	       held_is_value(tr, T1, r) ? T1 :
					  -1;
}

void held_keep_value(struct trans *tr, unsigned scratch, unsigned r)
{
	tr->kept[scratch - T0] = (u8)r;
}

static void set_value(struct trans *tr, unsigned scratch, unsigned r)
{
	struct held *h = held_in(tr, scratch);

	if (held_is_value(tr, scratch, r))
		return;
	held_lose(tr, scratch);
	h->kind = HELD_SUM;
	h->base = (u8)r;
	h->index = X86_BASE_NONE;
	h->scale = 0;
	h->disp = 0;
}

/* --- which of the two is better forgotten --- */

/* Far enough to see the rest of a loop. */
#define LOOK_AHEAD 16

static bool names(const struct x86_insn *i, unsigned r)
{
	return (i->reg_kind == RK_GPR && i->reg == r) ||
	       (!(i->attr & IA_MEM) && i->rm_kind == RK_GPR && i->rm == r) ||
	       (i->vvvv_kind == RK_GPR && i->vvvv == r);
}

static bool will_use(const struct held *h, const struct x86_insn *i)
{
	bool stack = i->cls == X86_C_PUSH || i->cls == X86_C_POP ||
		     i->cls == X86_C_CALL || i->cls == X86_C_RET;

	if (h->kind == HELD_DELTA && stack && (h->serves & BIT(X86_RSP)))
		return true;
	if (h->kind == HELD_SUM && h->base < 16 && names(i, h->base))
		return true;
	if (!(i->attr & IA_MEM) || (i->attr & IA_NOACCESS) ||
	    i->base == X86_BASE_NONE)
		return false;
	return h->kind == HELD_DELTA ? h->serves & BIT(i->base) :
				       h->base == i->base;
}

static unsigned next_use(struct trans *tr, unsigned scratch)
{
	const struct held *h = held_in(tr, scratch);
	unsigned n = 1;

	if (h->kind == HELD_OTHER)
		return LOOK_AHEAD;
	for (; n < LOOK_AHEAD && tr->n + n < tr->insn_count; n++)
		if (will_use(h, &tr->insns[tr->n + n]))
			return n;
	return LOOK_AHEAD;
}

unsigned held_choose(struct trans *tr)
{
	/* Its register operand will pass through T0. */
	if (copy_stolen(tr, tr->i))
		return T1;
	return next_use(tr, T0) > next_use(tr, T1) ? T0 : T1;
}

unsigned held_spare(struct trans *tr)
{
	return next_use(tr, T0) < next_use(tr, T1) ? T1 : T0;
}

/* --- what instructions do to it --- */

void held_moved_rsp(struct trans *tr, s64 n)
{
	for (unsigned s = T0; s <= T1; s++) {
		struct held *h = held_in(tr, s);

		if (h->kind != HELD_DELTA) {
			if (h->kind != HELD_OTHER && h->base == X86_RSP)
				held_lose(tr, s);
			continue;
		}
		h->off[X86_RSP] += (u64)(n < 0 ? -n : n);
		if (h->off[X86_RSP] > WINDOW_REACH)
			h->serves &= ~BIT(X86_RSP);
	}
}

static void delta_after(struct held *h, u32 written, const struct x86_moves *m)
{
	u64 off = ~0ull;

	for (unsigned k = 0; k < m->count; k++)
		if (h->serves & BIT(m->of[k].from))
			off = min_u64(off,
				      h->off[m->of[k].from] + m->of[k].by);
	h->serves &= ~written;
	if (off <= WINDOW_REACH) {
		h->serves |= BIT(m->to);
		h->off[m->to] = off;
	}
}

/* SUM or PLACE */
static bool is_of(const struct held *h, u32 registers)
{
	return (h->base < 16 && (registers & BIT(h->base))) ||
	       (h->index < 16 && (registers & BIT(h->index)));
}

static void after(struct trans *tr, u32 written, const struct x86_moves *m)
{
	for (unsigned s = T0; s <= T1; s++) {
		struct held *h = held_in(tr, s);

		if (h->kind == HELD_DELTA)
			delta_after(h, written, m);
		else if (h->kind != HELD_OTHER && is_of(h, written))
			held_lose(tr, s);
	}
}

static void after_copy(struct trans *tr)
{
	u8 kept[2] = { tr->kept[0], tr->kept[1] };
	struct x86_moves m;

	x86_bounds_after(&tr->bounds, tr->i, &m);
	after(tr, x86_written(tr->i), &m);
	for (unsigned s = T0; s <= T1; s++) {
		if (kept[s - T0] != NO_HOME)
			set_value(tr, s, kept[s - T0]);
		tr->kept[s - T0] = NO_HOME;
	}
}

void held_after(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct x86_moves none = { 0 };

	switch (i->cls) {
	case X86_C_NOP:
	case X86_C_JCC:
		return;
	case X86_C_COPY:
		after_copy(tr);
		return;
	case X86_C_PUSH:
	case X86_C_POP:
		if (i->attr & IA_MEM)
			break;
		if (i->cls == X86_C_POP) {
			u8 r = i->attr & IA_OPREG ? i->reg : i->rm;

			tr->bounds.of[r] = X86_UNBOUNDED;
			after(tr, BIT(r), &none);
		}
		/* Otherwise of RSP held_moved_rsp() is told. */
		tr->bounds.of[X86_RSP] = X86_UNBOUNDED;
		return;
	default:
		break;
	}
	/* Whatever it is, C may have carried it out. */
	held_init(tr);
}
