/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.c - the ways into a block: for flags in either place, with and without
 * a look for interrupts, and from other pages.
 *
 * The place that the block's first instructions want is "preferred"; the entry
 * for the other converts and goes on there. It lies before it, unless flags
 * are nearly always in the preferred place as they are with windows: then it
 * would only take room in the host's instruction cache, and is put apart.
 */
#include "engine/translate/trans.h"

/* Does it need them SAVED whether it uses them or not? */
static bool takes_flags(const struct trans *tr, const struct x86_insn *i)
{
	if (!insn_touches_memory(i))
		return false;
	if (!tr->windowed)
		return true;
	switch (i->cls) {
	case X86_C_COPY:
	case X86_C_PUSH:
	case X86_C_POP:
	case X86_C_LEAVE:
	case X86_C_CALL:
	case X86_C_CALL_IND:
	case X86_C_JMP_IND:
	case X86_C_RET:
		return i->attr & IA_X87;
	case X86_C_STRING:
		return !reach_can_string(tr, i);
	default:
		return true;
	}
}

/* Which place of the flags serves the block's first instructions best? */
static u8 preferred_flags(const struct trans *tr)
{
	for (unsigned k = 0; k < tr->insn_count; k++) {
		const struct x86_insn *i = &tr->insns[k];

		if (takes_flags(tr, i))
			return FLAGS_SAVED;
		if (i->flags_read || i->flags_written || i->cls == X86_C_JCC)
			return FLAGS_HOST;
		if (i->cls == X86_C_CALL || i->cls == X86_C_CALL_IND)
			return key_flags(tr->key);
	}
	return FLAGS_HOST;
}

/* Leaves at the block's start unless t->calm; see run_poll. Returns the jump
 * that does. */
static u8 *emit_poll(struct emit *e)
{
	emit_gs_imm32(e, false, 0x81, 7, GS(calm), 0);
	return emit_jcc_fwd(e, CC_E);
}

/*
 * The same if the flags are live: JRCXZ looks, without touching them. It goes
 * back to where poll_way() has been, so that what is usual jumps nowhere.
 */
static u8 *poll_way(struct emit *e)
{
	emit_mov(e, X86_RCX, T0);
	return emit_jmp_fwd(e);
}

static void poll_by_way(struct emit *e, u8 *way)
{
	emit_mov(e, T0, X86_RCX);
	emit_gs(e, false, OP_MOV, X86_RCX, GS(calm));
	emit8(e, 0xe3);
	emit8(e, (u8)(way - (e->p + 1)));
	BUG_ON(e->p - way > 128);
	emit_mov(e, X86_RCX, T0);
}

/* The same again, in a block that prefers HOST: the head of a loop. */
u8 *entry_poll_again(struct trans *tr)
{
	struct emit *e = &tr->e;
	u8 *way = e->p, *poll = poll_way(e);

	tr->b->entry_loop = (u32)(emit_pc(e) - tr->b->host);
	poll_by_way(e, way);
	return poll;
}

/* @skip: what comes before is to jump over it. */
static void emit_far_entry(struct trans *tr, bool skip)
{
	struct emit *e = &tr->e;
	u8 *from = e->p + 2;

	if (skip) {
		emit8(e, 0xeb);
		emit8(e, 0);
	}
	tr->b->entry_far = (u32)(emit_pc(e) - tr->b->host);
	/* movq $imm32, %gs:code_base */
	emit_gs_imm32(e, true, 0xc7, 0, GS(code_base), (u32)tr->code_base);
	if (skip && e->p <= e->end)
		from[-1] = (u8)(e->p - from);
}

static void emit_convert(struct trans *tr)
{
	if (tr->b->pref == FLAGS_SAVED)
		emit_save_flags(&tr->e);
	else
		emit_restore_flags(&tr->e);
}

/* The key is the block's: instructions may have changed tr->key. */
static bool other_is_apart(const struct trans *tr)
{
	return tr->b->pref == FLAGS_HOST &&
	       key_flags(tr->b->key) == FLAGS_HOST;
}

void entry_emit_apart(struct trans *tr)
{
	struct block *b = tr->b;

	/* The cold part of a segment lies behind the hot one. */
	if (!other_is_apart(tr))
		return;
	b->entry_other = (u32)(emit_pc(&tr->e) - b->host);
	emit_convert(tr);
	emit_jmp(&tr->e, b->host + b->entry_pref);
}

u8 *entry_emit(struct trans *tr)
{
	struct emit *e = &tr->e;
	struct block *b = tr->b;
	u8 *way = e->p, *poll = NULL;

	b->pref = preferred_flags(tr);
	b->has_far = flow_is_far(tr) && tr->mmu != MMU_USER &&
		     tr->code_base == (u64)(s64)(s32)tr->code_base;
	if (b->pref == FLAGS_HOST)
		poll = poll_way(e);
	/* Far jumps come with flags where key_flags() says. */
	if (b->has_far && b->pref != key_flags(tr->key))
		emit_far_entry(tr, false);
	if (!other_is_apart(tr)) {
		b->entry_other = (u32)(emit_pc(e) - b->host);
		emit_convert(tr);
	}
	if (b->has_far && b->pref == key_flags(tr->key))
		emit_far_entry(tr, !other_is_apart(tr));
	b->entry_pref = (u32)(emit_pc(e) - b->host);
	if (b->pref == FLAGS_HOST)
		poll_by_way(e, way);
	else
		poll = emit_poll(e);
	b->entry_nopoll = (u32)(emit_pc(e) - b->host);
	tr->flags = b->pref;
	return poll;
}
