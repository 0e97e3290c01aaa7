/* SPDX-License-Identifier: Apache-2.0 */
/*
 * homes.c - the host registers that stand for guest R9 to R11 in a block.
 *
 * They live in memory (tcpu.h), which costs nothing where they are not used,
 * and five cycles a use where they are: in the inner loops of digests,
 * ciphers and compressors. A block that uses them much, and others not at
 * all, swaps: in it the register that is not used stands for one of the three,
 * and waits in memory itself.
 *
 *	in:	gpr[h] = h; h = gpr[g]		behind the entries
 *	out:	gpr[g] = h; h = gpr[h]		before the last jump, call, return
 *
 * A loop swaps once, and others with what stands for none of the guest's: see
 * loop.c.
 *
 * Only in windowed blocks that never call C in between, so nobody but a host
 * fault can find them swapped; fault.c knows (insn_meta.swapped).
 */
#include "engine/translate/trans.h"

/* Weighted uses from which on it pays: four accesses of memory are its cost.
 * In a loop they are made once. */
#define USES_MIN 7u
#define USES_MIN_LOOP 2u

/* Registers that are seldom implied by an opcode. */
static const u8 candidate_tab[] = { X86_R15, X86_R14, X86_R13, X86_R12, X86_R8 };

struct uses {
	unsigned of[16];
};

static void count(struct uses *u, u8 kind, unsigned r, unsigned acc)
{
	if (kind != RK_GPR && kind != RK_GPR8)
		return;
	u->of[r]++;
	if (acc & ACC_W)
		u->of[r]++;
}

static void count_insn(struct uses *u, const struct x86_insn *i)
{
	bool mem = i->attr & (IA_MEM | IA_MOFFS);

	count(u, i->reg_kind, i->reg, i->reg_acc);
	if (!mem)
		count(u, i->rm_kind, i->rm, i->rm_acc);
	count(u, i->vvvv_kind, i->vvvv, i->vvvv_acc);
	if (i->attr & IA_OPREG)
		u->of[i->reg]++;
	if (i->attr & IA_MEM) {
		if (i->base < 16)
			u->of[i->base]++;
		if (i->index < 16)
			u->of[i->index]++;
	}
	for (unsigned r = 0; r < 16; r++)
		if ((i->impl_read | i->impl_write) & BIT(r))
			u->of[r]++;
}

/* May it be generated with registers swapped, that is without C? */
static bool is_plain(struct trans *tr, const struct x86_insn *i)
{
	bool ok;

	switch (i->cls) {
	case X86_C_NOP:
	case X86_C_JCC:
		return true;
	case X86_C_PAUSE:
		return !tr->g->smp;
	case X86_C_PUSH:
	case X86_C_POP:
		return !(i->attr & IA_MEM);
	case X86_C_COPY:
		tr->i = i;
		ok = !(i->attr & (IA_MEM | IA_MOFFS)) || reach_can(tr);
		tr->i = NULL;
		return ok && copy_stolen(tr, i) <= 1;
	default:
		return false;
	}
}

/* How many instructions come before the one that ends the block by itself. */
static unsigned body(const struct trans *tr)
{
	const struct x86_insn *last = &tr->insns[tr->insn_count - 1];

	switch (last->cls) {
	case X86_C_JMP:
	case X86_C_JCC:
	case X86_C_CALL:
	case X86_C_CALL_IND:
	case X86_C_JMP_IND:
	case X86_C_RET:
		return tr->insn_count - 1;
	default:
		return tr->insn_count;
	}
}

static void set_homes(struct trans *tr, bool swapped)
{
	for (unsigned r = 0; r < 16; r++)
		tr->home[r] = r == X86_RSP			? HOST_GUEST_RSP :
			      r >= X86_R9 && r <= X86_R11 ? NO_HOME :
							    (u8)r;
	for (unsigned k = 0; swapped && k < tr->b->swap_count; k++) {
		if (tr->b->swap[k].guest != NO_HOME)
			tr->home[tr->b->swap[k].guest] = tr->b->swap[k].host;
		tr->home[tr->b->swap[k].host] = NO_HOME;
	}
	tr->swapped = swapped;
	if (!swapped) {
		tr->looped = false;
		tr->loop_count = 0;
	}
}

void homes_init(struct trans *tr)
{
	set_homes(tr, false);
}

static void choose(struct trans *tr)
{
	unsigned min = tr->looped ? USES_MIN_LOOP : USES_MIN;
	struct block *b = tr->b;
	struct uses u = { 0 };
	unsigned c = 0, n = body(tr);
	u32 used = 0;

	for (unsigned k = 0; k < n; k++)
		count_insn(&u, &tr->insns[k]);
	for (unsigned r = 0; r < 16; r++)
		if (u.of[r])
			used |= BIT(r);
	if (tr->looped)
		loop_choose(tr, &used);
	for (unsigned g = X86_R9; g <= X86_R11; g++) {
		if (u.of[g] < min)
			continue;
		while (c < ARRAY_SIZE(candidate_tab) &&
		       (used & BIT(candidate_tab[c])))
			c++;
		if (c == ARRAY_SIZE(candidate_tab))
			return;
		b->swap[b->swap_count].guest = (u8)g;
		b->swap[b->swap_count++].host = candidate_tab[c++];
	}
}

void homes_in(struct trans *tr)
{
	struct block *b = tr->b;
	unsigned n = body(tr);

	if (!tr->windowed || (tr->key & KEY_NOFPU))
		return;
	tr->looped = loop_is(tr);
	if (!tr->looped && n < USES_MIN / 2)
		return;
	choose(tr);
	if (!b->swap_count) {
		tr->looped = false;
		return;
	}
	set_homes(tr, true);
	for (unsigned k = 0; k < n; k++)
		if (!is_plain(tr, &tr->insns[k])) {
			b->swap_count = 0;
			set_homes(tr, false);
			return;
		}
	for (unsigned k = 0; k < b->swap_count; k++) {
		unsigned g = b->swap[k].guest, h = b->swap[k].host;

		emit_gs(&tr->e, true, OP_STORE, h, GS_GPR(h));
		if (g != NO_HOME)
			emit_gs(&tr->e, true, OP_MOV, h, GS_GPR(g));
	}
	if (tr->looped)
		loop_enter(tr);
}

void homes_emit_out(struct trans *tr)
{
	const struct block *b = tr->b;

	for (unsigned k = 0; k < b->swap_count; k++) {
		unsigned g = b->swap[k].guest, h = b->swap[k].host;

		if (g != NO_HOME)
			emit_gs(&tr->e, true, OP_STORE, h, GS_GPR(g));
		emit_gs(&tr->e, true, OP_MOV, h, GS_GPR(h));
	}
}

void homes_out(struct trans *tr)
{
	if (!tr->swapped)
		return;
	homes_emit_out(tr);
	set_homes(tr, false);
}

bool homes_end_before(const struct trans *tr)
{
	/* A loop's last jump leads back to where they are swapped. */
	return tr->swapped && !tr->looped && tr->n >= body(tr);
}
