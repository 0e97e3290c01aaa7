/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.c - blocks that jump back to their own start: what their operands need
 * of windows (reach.c) is found once, before the loop, and stays in registers
 * that the loop does not use. Their own contents wait in memory meanwhile, as
 * in homes.c.
 *
 *	entries:	gpr[h] = h; h = the delta, or a place, for an operand
 *			jmp body
 *	head:		look for requests
 *	body:		...
 *			jcc head
 *			h = gpr[h]
 *
 * An address in a loop may move from round to round, by what does not add up to
 * much. It needs no other look-up, for each operand is accessed in each round:
 * what has not faulted lies in the window, not in its guards, and so the next
 * access lies there, too, or in a guard. An address that stays the same needs
 * not even that. Others are left to reach.c.
 *
 * The jump back is an exit like others, patched when the block is dropped: who
 * is in a loop then leaves it with the round.
 */
#include "engine/translate/trans.h"

#include "base/fmt.h"

/* How far an address may move in a round. */
#define MOVE_MAX GiB(8)

/* Never RCX, which looks for requests. */
static const u8 candidate_tab[] = { X86_R15, X86_R14, X86_R13, X86_R12,
				    X86_R8,  X86_RBP, X86_RBX, X86_RSI,
				    X86_RDI, X86_RDX, X86_RAX };

/* What the loop does to each register in a round. */
struct round {
	u64 moves[16]; /* at most so far; X86_UNBOUNDED: anywhere */
};

/* --- what it is --- */

bool loop_is(const struct trans *tr)
{
	const struct x86_insn *last = &tr->insns[tr->insn_count - 1];
	unsigned bytes = 0;

	if (tr->insn_count < 2 || tr->b->pref != FLAGS_HOST ||
	    tr->b->gpa2 != ~0ull ||
	    (last->cls != X86_C_JCC && last->cls != X86_C_JMP))
		return false;
	for (unsigned k = 0; k < tr->insn_count; k++)
		bytes += tr->insns[k].len;
	return (s64)last->imm == -(s64)bytes;
}

static u64 move_by(const struct x86_moves *m, unsigned r)
{
	u64 by = X86_UNBOUNDED;

	for (unsigned k = 0; k < m->count; k++)
		if (m->to == r && m->of[k].from == r)
			by = min_u64(by, m->of[k].by);
	return by;
}

static void note_moves(struct round *l, u32 written, const struct x86_moves *m)
{
	for (; written; written &= written - 1) {
		unsigned r = (unsigned)__builtin_ctz(written);
		u64 by = move_by(m, r);

		if (by > MOVE_MAX || l->moves[r] > MOVE_MAX)
			l->moves[r] = X86_UNBOUNDED;
		else
			l->moves[r] += by;
	}
}

/* Every instruction but the last. */
static void note_round(const struct trans *tr, struct round *l)
{
	struct x86_bounds bounds;

	*l = (struct round){ 0 };
	x86_bounds_forget(&bounds);
	for (unsigned k = 0; k + 1 < tr->insn_count; k++) {
		const struct x86_insn *i = &tr->insns[k];
		struct x86_moves m = { 0 };

		if (i->cls == X86_C_COPY)
			x86_bounds_after(&bounds, i, &m);
		else if (i->cls == X86_C_POP || i->cls == X86_C_PUSH)
			x86_bounds_forget(&bounds);
		note_moves(l, x86_written(i), &m);
	}
}

/* --- what its operands need --- */

static u64 moves_of(const struct round *l, unsigned at)
{
	return at < 16 ? l->moves[at] : 0;
}

static bool in_memory(unsigned r)
{
	return r >= X86_R9 && r <= X86_R11;
}

/* The place of @base to be, if the operand is there + @index << scale. */
static bool place(struct held *h, const struct round *l, unsigned base,
		  unsigned index, unsigned scale, bool bounded)
{
	if (moves_of(l, base) || base == X86_RSP)
		return false;
	*h = (struct held){ .kind = HELD_PLACE, .base = (u8)base,
			    .index = X86_BASE_NONE };
	if (index == X86_BASE_NONE || bounded)
		return true;
	h->index = (u8)index;
	h->scale = (u8)scale;
	return moves_of(l, index) <= MOVE_MAX >> scale && !in_memory(index);
}

static bool near_zero(const struct x86_bounds *b, unsigned r, unsigned scale)
{
	return r < 16 && r != X86_RSP && b->of[r] <= BIT64(32) &&
	       scale <= 3;
}

/* What the operand of @i needs, @b being what is known then. */
static bool need_of(const struct x86_insn *i, const struct round *l,
		    const struct x86_bounds *b, struct held *h)
{
	if (i->cls != X86_C_COPY || !(i->attr & IA_MEM) ||
	    (i->attr & (IA_NOACCESS | IA_X87)) || !i->mem_acc ||
	    !i->mem_bytes || i->adsize != 8 || i->base == X86_BASE_NONE ||
	    i->seg == X86_FS || i->seg == X86_GS)
		return false;
	if (i->index == X86_BASE_NONE &&
	    (i->base == X86_RSP || (i->base < 16 && l->moves[i->base]))) {
		if (l->moves[i->base] > MOVE_MAX || in_memory(i->base))
			return false;
		*h = (struct held){ .kind = HELD_DELTA,
				    .serves = BIT(i->base),
				    .base = i->base,
				    .index = X86_BASE_NONE };
		/* What has not faulted was in the window; the displacement
		 * may be all of what it was in it by. */
		h->off[i->base] = l->moves[i->base] + BIT64(32);
		return true;
	}
	if (place(h, l, i->base, i->index, i->scale,
		  near_zero(b, i->index, i->scale)))
		return true;
	return i->scale == 0 && i->index != X86_BASE_NONE &&
	       place(h, l, i->index, i->base, 0, near_zero(b, i->base, 0));
}

static bool is_same(const struct held *a, const struct held *b)
{
	return a->kind == b->kind && a->base == b->base &&
	       a->index == b->index && a->scale == b->scale;
}

static void add_need(struct trans *tr, unsigned *uses, const struct held *h)
{
	struct held *loop = tr->held + HELD_LOOP;
	unsigned k = 0;

	while (k < tr->loop_count && !is_same(&loop[k], h))
		k++;
	if (k == LOOP_MAX)
		return;
	if (k == tr->loop_count) {
		tr->loop_count++;
		loop[k] = *h;
		uses[k] = 0;
	}
	uses[k]++;
}

/* Registers for them, as long as there are. @used: those that the loop uses. */
static void give_registers(struct trans *tr, u32 *used)
{
	struct block *b = tr->b;
	unsigned c = 0, k = 0;

	for (; k < tr->loop_count; k++) {
		while (c < ARRAY_SIZE(candidate_tab) &&
		       (*used & BIT(candidate_tab[c])))
			c++;
		if (c == ARRAY_SIZE(candidate_tab))
			break;
		tr->held[HELD_LOOP + k].reg = candidate_tab[c];
		b->swap[b->swap_count].guest = NO_HOME;
		b->swap[b->swap_count++].host = candidate_tab[c];
		*used |= BIT(candidate_tab[c]);
	}
	tr->loop_count = k;
}

void loop_choose(struct trans *tr, u32 *used)
{
	unsigned uses[LOOP_MAX];
	struct x86_bounds bounds;
	struct round l;
	struct held h;

	note_round(tr, &l);
	x86_bounds_forget(&bounds);
	for (unsigned k = 0; k + 1 < tr->insn_count; k++) {
		const struct x86_insn *i = &tr->insns[k];
		struct x86_moves m;

		if (need_of(i, &l, &bounds, &h))
			add_need(tr, uses, &h);
		if (i->cls == X86_C_COPY)
			x86_bounds_after(&bounds, i, &m);
		else if (i->cls == X86_C_POP || i->cls == X86_C_PUSH)
			x86_bounds_forget(&bounds);
	}
	give_registers(tr, used);
}

/* --- the way in --- */

/* The value of @at, a register or code_base; T0 if it was in memory. */
static unsigned value_of(struct trans *tr, unsigned at)
{
	if (at < 16 && host_reg(tr, at) >= 0)
		return (unsigned)host_reg(tr, at);
	emit_gs(&tr->e, true, OP_MOV, T0,
		at == AT_RIP ? GS(code_base) : GS_GPR(at));
	return T0;
}

static void find(struct trans *tr, const struct held *h)
{
	struct emit *e = &tr->e;
	unsigned base = value_of(tr, h->base), sum = base;

	if (h->index != X86_BASE_NONE) {
		sum = T1;
		emit_lea(e, true, T1, base,
			 (unsigned)host_reg(tr, h->index), h->scale, 0);
	}
	reach_delta(tr, sum, T1);
	if (h->kind == HELD_PLACE)
		emit_lea(e, true, h->reg, base, T1, 0, 0);
	else
		emit_mov(e, h->reg, T1);
}

void loop_enter(struct trans *tr)
{
	u8 *body;

	for (unsigned k = 0; k < tr->loop_count; k++)
		find(tr, &tr->held[HELD_LOOP + k]);
	body = emit_jmp_fwd(&tr->e);
	tr->loop_poll = entry_poll_again(tr);
	emit_land(&tr->e, body);
	held_init(tr);
}
