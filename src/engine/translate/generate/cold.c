/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cold.c - what a block seldom runs, put apart from it: TLB misses, slow cases
 * of generated instructions, exits that are not chained yet.
 */
#include "engine/translate/trans.h"

#include "base/fmt.h"

static void emit_cold_callout(struct trans *tr, const struct cold *c)
{
	for (unsigned k = 0; c->more[k]; k++)
		emit_land(&tr->e, c->more[k]);
	if (c->flags == FLAGS_HOST)
		emit_save_flags(&tr->e);
	insn_emit_callout(tr, c->callout);
	if (c->flags & FLAGS_HOST)
		emit_restore_flags(&tr->e);
	if (c->resume)
		emit_jmp(&tr->e, c->resume + tr->e.to_rx);
	else
		emit_trap(&tr->e); /* it never comes back */
}

static void emit_push_imm(struct emit *e, u32 v)
{
	emit8(e, 0x68);
	emit32(e, v);
}

/* The rest of an instruction whose write goes to the bounce buffer. */
static void emit_bounce_copy(struct trans *tr, const struct cold *c)
{
	struct emit *e = &tr->e;
	const struct x86_insn *i = &tr->insns[c->insn];
	s32 next = (s32)tr->page_off;
	struct insn_meta *m;

	for (unsigned k = 0; k <= c->insn; k++)
		next += tr->insns[k].len;
	m = insn_meta_add(tr, (unsigned)next - i->len - tr->page_off);
	for (unsigned k = 0; k < tr->meta_count - 1; k++)
		if (tr->meta[k].guest == m->guest) {
			m->flags_saved = tr->meta[k].flags_saved;
			break;
		}
	for (const u8 *p = c->resume; p < c->end; p++)
		emit8(e, e->p < e->end ? *p : 0);
	/* What follows a CALL's push is only the jump: never leave early. */
	if (i->cls == X86_C_CALL || i->cls == X86_C_CALL_IND)
		next = COMMIT_STAY;
	emit_push_imm(e, (u32)next);
	emit_call(e, c->flags == FLAGS_HOST ? tr->g->stubs.commit_host :
					      tr->g->stubs.commit_saved);
	emit_jmp(e, c->end + e->to_rx);
}

static void emit_miss(struct trans *tr, const struct cold *c)
{
	struct emit *e = &tr->e;

	emit_land(e, c->from);
	emit_push_imm(e, c->desc);
	emit_call(e, tr->g->stubs.miss[miss_mmu(c->desc)]
				      [c->desc & MISS_WRITE ? 1 : 0]);
	emit_jmp(e, c->resume + e->to_rx);
	if (c->end)
		emit_bounce_copy(tr, c);
}

void cold_emit(struct trans *tr)
{
	struct emit *e = &tr->e;

	/* COLD_FAR and COLD_RETURN add none of their own. */
	for (unsigned k = 0; k < tr->cold_count && !tr->failed; k++) {
		struct cold *c = &tr->cold[k];

		switch (c->kind) {
		case COLD_MISS:
			emit_miss(tr, c);
			break;
		case COLD_SEGMENT:
			emit_land(e, c->from);
			emit_push_imm(e, c->desc);
			emit_call(e, tr->g->stubs.segment_fault);
			break;
		case COLD_FAR:
			flow_cold_far(tr, c);
			break;
		case COLD_JUMP:
			flow_cold_jump(tr, c);
			break;
		case COLD_RET:
			flow_cold_ret(tr, c);
			break;
		case COLD_CALLOUT:
			emit_cold_callout(tr, c);
			break;
		case COLD_CALL:
			flow_cold_call(tr, c);
			break;
		case COLD_RETURN:
			flow_cold_return(tr, c);
			break;
		}
	}
}

bool cold_exits_finish(struct trans *tr)
{
	struct block *b = tr->b;
	size_t bytes = tr->exit_count * sizeof(*b->exits);

	if (!tr->exit_count)
		return true;
	b->exits = cache_arena(tr->seg, bytes);
	if (!b->exits)
		return false;
	copy_bytes(b->exits, tr->exits, bytes);
	b->exit_count = tr->exit_count;
	for (unsigned k = 0; k < b->exit_count; k++) {
		list_init(&b->exits[k].link);
		if (b->exits[k].far)
			list_init(&b->exits[k].far_link);
	}
	return true;
}

void cold_emit_exits(struct trans *tr)
{
	struct emit *e = &tr->e;

	for (unsigned k = 0; k < tr->b->exit_count; k++) {
		struct block_exit *x = &tr->b->exits[k];

		if (x->far)
			flow_far_exit(tr, x);
		else
			x->unlinked = emit_pc(e);
		emit_land(e, engine_rw(tr->g, x->patch + 4));
		if (x->loop)
			homes_emit_out(tr);
		emit_mov_imm(e, T0, (u64)(uintptr_t)x);
		emit_jmp(e, x->flags & FLAGS_SAVED ? tr->g->stubs.exit_saved :
						     tr->g->stubs.exit_host);
	}
}

void cold_emit_poll(struct trans *tr, u8 *poll)
{
	struct emit *e = &tr->e;

	if (tr->loop_poll) {
		emit_land(e, tr->loop_poll);
		homes_emit_out(tr);
	}
	emit_land(e, poll);
	tr->b->poll_exit = emit_pc(e);
	emit_mov_imm(e, T0, (u64)(uintptr_t)tr->b);
	emit_jmp(e, tr->b->pref == FLAGS_SAVED ? tr->g->stubs.poll_saved :
						 tr->g->stubs.poll_host);
}
