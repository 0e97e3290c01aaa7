/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trans.c - guest bytes to one block.
 *
 * First the instructions are decoded (plan.c); then come the block's entries
 * (entry.c), the instructions one by one (insn.c), and apart from them what is
 * seldom run (cold.c). Last, the block is entered into the tables.
 */
#include "engine/translate/trans.h"

#include "base/fmt.h"
#include "base/trace.h"

/* Room for a block, hot and cold. It ends early where the most demanding
 * instruction might not fit any more. */
#define INSN_HOST_BYTES KiB(1)
#define INSN_COLD 12

void flags_need_saved(struct trans *tr)
{
	if (!(tr->flags & FLAGS_SAVED)) {
		emit_save_flags(&tr->e);
		held_lose(tr, T1);
		tr->flags = FLAGS_BOTH;
	}
}

void flags_need_host(struct trans *tr)
{
	if (!(tr->flags & FLAGS_HOST)) {
		emit_restore_flags(&tr->e);
		held_lose(tr, T1);
		tr->flags = FLAGS_BOTH;
	}
}

static void emit_to(struct trans *tr, const struct segment_part *p)
{
	tr->e.p = engine_rw(tr->g, p->rx + p->used);
	tr->e.end = engine_rw(tr->g, p->rx + p->bytes);
	tr->e.to_rx = -(s64)tr->g->rw_offset;
}

static bool is_full(const struct trans *tr)
{
	return tr->cold_count > TRANS_MAX_COLD - INSN_COLD ||
	       emit_pc(&tr->e) - tr->b->host >
		       (s64)(BLOCK_HOST_BYTES - 2 * INSN_HOST_BYTES);
}

static void emit_block(struct trans *tr, enum plan_stop stop)
{
	u8 *poll = entry_emit(tr);
	unsigned off = 0;
	bool shadow = false;

	homes_in(tr);
	for (tr->n = 0; tr->n < tr->insn_count; tr->n++) {
		shadow = tr->end_after_next;
		tr->i = &tr->insns[tr->n];
		tr->at = (s32)(tr->page_off + off);
		tr->next = tr->at + tr->i->len;
		if (homes_end_before(tr))
			homes_out(tr);
		stack_settle_before(tr);
		insn_meta_add(tr, off);
		insn_emit(tr);
		held_after(tr);
		off += tr->i->len;
		if (tr->ended || tr->failed)
			break;
		if (shadow || tr->end_polled)
			break;
		if (is_full(tr) && !tr->end_after_next)
			break;
	}
	tr->b->guest_bytes = (u16)off;
	tr->b->insn_count = (u16)(tr->n < tr->insn_count ? tr->n + 1 : tr->n);
	if (!tr->ended) {
		stack_settle(tr);
		homes_out(tr);
		if (stop == PLAN_CROSSES && tr->n == tr->insn_count) {
			/* What follows is never chained to. */
			flow_code_address(tr, T0, tr->next);
			flow_jump_direct(tr);
		} else {
			flow_exit(tr, tr->next,
				  tr->end_polled || tr->end_after_next);
		}
	}
	BUG_ON(emit_full(&tr->e));
	tr->b->host_bytes = (u32)(emit_pc(&tr->e) - tr->b->host);
	emit_to(tr, &tr->seg->cold);
	entry_emit_apart(tr);
	cold_emit(tr);
	if (!cold_exits_finish(tr)) {
		tr->failed = true;
		return;
	}
	cold_emit_exits(tr);
	cold_emit_poll(tr, poll);
}

static struct block *block_new(struct trans *tr, gpa_t gpa2)
{
	struct block *b = cache_arena(tr->seg, sizeof(*b));

	if (!b)
		return NULL;
	fill_bytes(b, 0, sizeof(*b));
	b->gpa = tr->gpa;
	b->gpa2 = gpa2;
	b->key = tr->key;
	b->va = tr->code_base;
	b->host = tr->seg->hot.rx + tr->seg->hot.used;
	b->cold = tr->seg->cold.rx + tr->seg->cold.used;
	list_init(&b->incoming);
	return b;
}

static bool block_finish(struct trans *tr)
{
	struct block *b = tr->b;
	struct tstats *st = &tr->t->stats;

	b->cold_bytes = (u32)(emit_pc(&tr->e) - b->cold);
	b->windowed = tr->any_windowed;
	b->meta = cache_arena(tr->seg, tr->meta_count * sizeof(*b->meta));
	if (!b->meta)
		return false;
	b->meta_count = (u16)tr->meta_count;
	copy_bytes(b->meta, tr->meta, tr->meta_count * sizeof(*b->meta));
	if (tr->return_count) {
		size_t bytes = tr->return_count * sizeof(*b->returns);

		b->returns = cache_arena(tr->seg, bytes);
		if (!b->returns)
			return false;
		copy_bytes(b->returns, tr->returns, bytes);
		b->return_count = (u8)tr->return_count;
	}
	if (!cache_add(tr->seg, b))
		return false;
	tr->seg->hot.used = align_up(tr->seg->hot.used + b->host_bytes, 16);
	tr->seg->cold.used += b->cold_bytes;
	smc_track(tr->t, b);
	table_add(tr->g, b);
	st->blocks++;
	st->insns += b->insn_count;
	st->guest_bytes += b->guest_bytes;
	st->host_bytes += b->host_bytes;
	st->cold_bytes += b->cold_bytes;
	return true;
}

void trans_set_key(struct trans *tr, u32 key)
{
	tr->key = key;
	tr->mmu = key_mmu(key);
	tr->jc = key_jc(key);
	tr->windowed = (key & KEY_WINDOW) && !tr->soft;
	held_init(tr);
	tr->any_windowed |= tr->windowed;
}

static void trans_init(struct trans *tr, struct tcpu *t, gpa_t gpa, gva_t va,
		       u32 key, struct segment *seg)
{
	struct engine *g = t->e;

	tr->t = t;
	tr->g = g;
	tr->seg = seg;
	tr->size = key_code_size(key);
	tr->soft = (key & KEY_ALONE) || !g->trap || window_is_soft(g, gpa);
	tr->any_windowed = false;
	homes_init(tr);
	trans_set_key(tr, key);
	tr->gpa = gpa;
	tr->page_off = (u32)(gpa & ~PAGE_MASK);
	tr->code_base = va & PAGE_MASK;
	emit_to(tr, &seg->hot);
	tr->i = NULL;
	tr->ended = tr->end_polled = tr->end_after_next = tr->failed = false;
	tr->too_long = tr->x87_page_noted = false;
	tr->cold_count = tr->meta_count = tr->insn_count = 0;
	tr->sides = tr->calls = tr->return_count = 0;
	tr->exit_count = 0;
	tr->owed = 0;
	tr->loop_poll = NULL;
}

struct block *translate(struct tcpu *t, gpa_t gpa, gva_t va, gpa_t gpa2,
			u32 key)
{
	struct trans *tr = t->e->trans;
	u64 start = host_tsc();
	enum plan_stop stop;

	trans_init(tr, t, gpa, va, key, &t->e->seg[t->e->current]);
	stop = plan_block(tr, gpa2);
	/* When crosses() looked it was another, shorter one. */
	if (!tr->insn_count)
		return NULL;
	tr->b = block_new(tr, gpa2);
	if (!tr->b)
		goto no_memory;
	emit_block(tr, stop);
	BUG_ON(emit_full(&tr->e));
	if (tr->failed || !block_finish(tr))
		goto no_memory;
	t->stats.translate_tsc += host_tsc() - start;
	TRACE(TRANSLATE, "block %llx va %llx key %x: %u insns, %u -> %u bytes "
	      "at %llx, %u at %llx",
	      (unsigned long long)gpa, (unsigned long long)va, key,
	      tr->b->insn_count, tr->b->guest_bytes, tr->b->host_bytes,
	      (unsigned long long)(uintptr_t)tr->b->host, tr->b->cold_bytes,
	      (unsigned long long)(uintptr_t)tr->b->cold);
	if (TRACE_ON(CODE))
		dump_block(t->e, tr->b, tr->size);
	return tr->b;
no_memory:
	vm_kill(t->e->vm, "no memory for translated code");
	return NULL;
}
