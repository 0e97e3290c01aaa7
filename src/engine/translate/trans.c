/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trans.c - guest bytes to one block.
 *
 * First the instructions up to the next jump or the end of the page are
 * decoded; then they are emitted one by one; then the cold paths; then the
 * block is entered into the tables. A block has two entries, one for flags in
 * EFLAGS and one for flags saved: the one that its first instructions want is
 * "preferred", the other converts and falls into it.
 */
#include "engine/translate/trans.h"

#include "base/fmt.h"
#include "base/trace.h"

/* Room for a block, hot and cold. It ends early where the most demanding
 * instruction might not fit any more. */
#define BLOCK_HOST_BYTES KiB(16)
#define INSN_HOST_BYTES KiB(1)
#define INSN_COLD 12

/* --- flags --- */

void flags_need_saved(struct trans *tr)
{
	if (!(tr->flags & FLAGS_SAVED)) {
		emit_save_flags(&tr->e);
		tr->delta_reg = NO_DELTA;
		tr->flags = FLAGS_BOTH;
	}
}

void flags_need_host(struct trans *tr)
{
	if (!(tr->flags & FLAGS_HOST)) {
		emit_restore_flags(&tr->e);
		tr->delta_reg = NO_DELTA;
		tr->flags = FLAGS_BOTH;
	}
}

static bool is_shift_by_constant(const struct x86_insn *i)
{
	return i->map == MAP_1 && (i->opcode & 0xfc) == 0xd0 ?
		       !(i->opcode & 2) :
		       i->map == MAP_1 && (i->opcode & 0xfe) == 0xc0;
}

/*
 * Does it leave nothing of the old flags? What the manuals call undefined may
 * in silicon be the old value; for logic the auxiliary flag is not (AMD and
 * Intel clear it), and shifts by a constant were tried on this host.
 */
static bool overwrites_flags(const struct trans *tr, const struct x86_insn *i)
{
	u16 maybe = i->flags_maybe;

	if (i->flags_read || (i->flags_written & FLAG_ARITH) != FLAG_ARITH)
		return false;
	if (!(maybe & ~FLAG_AF))
		return true;
	return is_shift_by_constant(i) && tr->g->shifts_overwrite_flags &&
	       !(maybe & ~(FLAG_AF | FLAG_OF));
}

static bool touches_memory(const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_COPY:
		return (i->attr & IA_MOFFS) ||
		       ((i->attr & IA_MEM) && !(i->attr & IA_NOACCESS));
	case X86_C_NOP:
	case X86_C_JMP:
	case X86_C_JCC:
	case X86_C_LOOP:
		return false;
	default:
		return true;
	}
}

/* Does it need them SAVED whether it uses them or not? */
static bool takes_flags(const struct trans *tr, const struct x86_insn *i)
{
	if (!touches_memory(i))
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
	}
	return FLAGS_HOST;
}

/* --- decoding --- */

/* After these nothing of the block follows. */
static bool always_leaves(const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_INVALID:
	case X86_C_UD:
	case X86_C_JMP_FAR:
	case X86_C_CALL_FAR:
	case X86_C_RET_FAR:
	case X86_C_IRET:
	case X86_C_INT:
	case X86_C_INT3:
	case X86_C_INT1:
	case X86_C_SYSCALL:
	case X86_C_SYSRET:
	case X86_C_SYSENTER:
	case X86_C_SYSEXIT:
		return true;
	default:
		return false;
	}
}

/* After these the mode may have changed, or an interrupt may be due. */
static bool ends_polled(const struct trans *tr, const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_STAC:
	case X86_C_CLAC:
		return !system_switches_ac(tr->key);
	case X86_C_MOV_CR:
		return i->opcode != 0x20;
	case X86_C_STRING:
		return (i->pfx & (PFX_F2 | PFX_F3)) &&
		       !string_is_generated(tr->key, i);
	case X86_C_MOV_TO_SREG:
	case X86_C_POP_SREG:
	case X86_C_LOAD_FAR_PTR:
	case X86_C_MOV_DR:
	case X86_C_LMSW:
	case X86_C_CLTS:
	case X86_C_WRMSR:
	case X86_C_XSETBV:
	case X86_C_POPF:
	case X86_C_HLT:
	case X86_C_INS_OUTS:
	case X86_C_IN_OUT:
	case X86_C_INVLPG:
	case X86_C_INVPCID:
		return true;
	default:
		return false;
	}
}

/*
 * A branch ahead is rather not taken: what follows is part of the block, and
 * need not look for flags, deltas and interrupts anew. Only in windows, where
 * these stay as they are from one instruction to the next.
 */
static bool goes_on(struct trans *tr, const struct x86_insn *i)
{
	if (i->cls != X86_C_JCC || (s64)i->imm <= 0 || !tr->windowed ||
	    tr->sides == BLOCK_MAX_SIDES)
		return false;
	tr->sides++;
	return true;
}

static bool ends_block(const struct trans *tr, const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_JMP:
	case X86_C_JCC:
	case X86_C_CALL:
	case X86_C_JMP_IND:
	case X86_C_CALL_IND:
	case X86_C_RET:
	case X86_C_LOOP:
		return true;
	default:
		return always_leaves(i) || ends_polled(tr, i);
	}
}

enum stop { STOP_FULL, STOP_END, STOP_CROSSES };

/* @p: the block's first byte; @avail bytes of its page follow. */
static enum stop decode_run(struct trans *tr, const u8 *p, unsigned avail)
{
	unsigned max = tr->g->options.one_insn_blocks ||
				       (tr->key & KEY_ALONE) ?
			       1 :
			       BLOCK_MAX_INSNS;
	unsigned off = 0;

	while (tr->insn_count < max) {
		struct x86_insn *i = &tr->insns[tr->insn_count];
		enum x86_decode_result r =
			x86_decode(p + off, avail - off, tr->size, i);

		if (r == X86_DECODE_SHORT)
			return STOP_CROSSES;
		if (r == X86_DECODE_LONG) {
			i->cls = X86_C_INVALID;
			tr->too_long = tr->insn_count == 0;
		}
		if (r != X86_DECODE_OK && tr->insn_count)
			return STOP_FULL; /* a block of its own faults */
		tr->insn_count++;
		off += i->len;
		if (r != X86_DECODE_OK ||
		    (ends_block(tr, i) && !goes_on(tr, i)))
			return STOP_END;
		if (off >= avail)
			return STOP_FULL;
	}
	return STOP_FULL;
}

/* --- one instruction --- */

static struct insn_meta *meta_add(struct trans *tr, unsigned guest)
{
	struct insn_meta *m = &tr->meta[tr->meta_count++];

	m->guest = (u16)guest;
	m->host = (u32)(emit_pc(&tr->e) - tr->b->host);
	m->flags_saved = (tr->flags & FLAGS_SAVED) != 0;
	m->waits_for_x87 = false;
	m->reach = META_PLAIN;
	m->swapped = tr->swapped;
	m->delta = T1;
	return m;
}

static struct callout *callout_new(struct trans *tr, callout_fn fn)
{
	struct callout *c = cache_arena(tr->seg, sizeof(*c));

	if (!c) {
		tr->failed = true;
		return NULL;
	}
	c->fn = fn;
	c->at = (u64)(s64)tr->at;
	c->next = (u64)(s64)tr->next;
	c->insn = *tr->i;
	return c;
}

static void emit_callout(struct trans *tr, const struct callout *c)
{
	emit_mov_imm(&tr->e, T0, (u64)(uintptr_t)c);
	emit_call(&tr->e, tr->g->stubs.callout);
}

void trans_callout(struct trans *tr,
		   enum callout_result (*fn)(struct tcpu *, struct callout *))
{
	struct callout *c = callout_new(tr, fn);

	if (!c)
		return;
	flags_need_saved(tr);
	emit_callout(tr, c);
	tr->flags = FLAGS_SAVED;
	tr->delta_reg = tr->delta0_reg = NO_DELTA;
}

/* Registers only, and all where the guest has them? */
static bool lea_as_it_is(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	int dst = host_reg(tr, i->reg), base = 0xff, index = 0xff;
	s64 off = (s64)tr->next + i->disp;

	if (i->adsize != 8 || i->opsize < 4)
		return false;
	if (i->base == X86_BASE_RIP) {
		if (dst < 0 || off != (s32)off)
			return false;
		emit_gs(&tr->e, true, OP_MOV, (unsigned)dst, GS(code_base));
		emit_lea(&tr->e, i->opsize == 8, (unsigned)dst,
			 (unsigned)dst, 0xff, 0, (s32)off);
		tr->keep_delta = dst != tr->delta_reg;
		tr->keep_delta0 = dst != tr->delta0_reg;
		return true;
	}
	if (i->base != X86_BASE_NONE)
		base = host_reg(tr, i->base);
	if (i->index != X86_BASE_NONE)
		index = host_reg(tr, i->index);
	if (dst < 0 || base < 0 || index < 0 || (base & index) == 0xff)
		return false;
	emit_lea(&tr->e, i->opsize == 8, (unsigned)dst, (unsigned)base,
		 (unsigned)index, i->scale, (s32)i->disp);
	tr->keep_delta = dst != tr->delta_reg;
	tr->keep_delta0 = dst != tr->delta0_reg;
	return true;
}

struct cold *cold_callout_keeping(struct trans *tr, callout_fn fn)
{
	struct callout *callout = callout_new(tr, fn);
	struct cold *c;

	if (!callout || tr->cold_count == TRANS_MAX_COLD) {
		tr->failed = true;
		return NULL;
	}
	c = &tr->cold[tr->cold_count++];
	*c = (struct cold){ .kind = COLD_CALLOUT,
			    .callout = callout,
			    .flags = tr->flags,
			    .insn = (u8)tr->n };
	return c;
}

struct cold *cold_callout(struct trans *tr, callout_fn fn)
{
	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	return cold_callout_keeping(tr, fn);
}

void cold_from(struct cold *c, u8 *jump)
{
	unsigned k = 0;

	while (c->more[k])
		k++;
	BUG_ON(k == ARRAY_SIZE(c->more) - 1);
	c->more[k] = jump;
}

void cold_resume(struct trans *tr, struct cold *c)
{
	if (c)
		c->resume = tr->e.p;
}

static void emit_cold_callout(struct trans *tr, const struct cold *c)
{
	for (unsigned k = 0; c->more[k]; k++)
		emit_land(&tr->e, c->more[k]);
	if (c->flags == FLAGS_HOST)
		emit_save_flags(&tr->e);
	emit_callout(tr, c->callout);
	if (c->flags & FLAGS_HOST)
		emit_restore_flags(&tr->e);
	if (c->resume)
		emit_jmp(&tr->e, c->resume + tr->e.to_rx);
	else
		emit_trap(&tr->e); /* it never comes back */
}

static void do_lea(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	if (lea_as_it_is(tr))
		return;
	access_offset(tr);
	if (i->opsize > i->adsize)
		emit_rr(&tr->e, false, OP_MOV, T0, T0);
	store_guest(tr, i->reg, T0, i->opsize);
}

/* An x87 store that raises an exception stores nothing, but does not fault:
 * the next x87 instruction does. Then the old bytes must be there. */
static unsigned access_of(const struct x86_insn *i)
{
	return i->attr & IA_X87 && i->mem_acc & ACC_W ? ACC_RW : i->mem_acc;
}

static void do_copy(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct insn_meta *m = &tr->meta[tr->meta_count - 1];
	bool soft;

	if (i->map == MAP_1 && i->opcode == 0x8d) {
		do_lea(tr);
		return;
	}
	if ((i->attr & IA_MEM) && (i->attr & IA_NOACCESS))
		return;
	/* The access may take the flags, or their way back its scratch. */
	soft = touches_memory(i) && !reach_can(tr);
	if (soft)
		access_operand(tr, i->mem_bytes ? i->mem_bytes : 1,
			       access_of(i));
	if (i->flags_read || (i->flags_written && !overwrites_flags(tr, i)))
		flags_need_host(tr);
	if (touches_memory(i) && !soft)
		reach_operand(tr);
	m->flags_saved = (tr->flags & FLAGS_SAVED) != 0;
	copy_insn(tr);
	reach_after_copy(tr);
	if (x87_is_noted(i)) {
		x87_note(tr);
		tr->delta_reg = NO_DELTA;
	}
	if (i->flags_written)
		tr->flags = FLAGS_HOST;
	access_end(tr);
}

/* RFLAGS bits other than the arithmetic ones, in memory. */
static void set_rflags_bit(struct trans *tr, u64 bit, bool on)
{
	flags_need_saved(tr);
	emit_gs_imm32(&tr->e, false, 0x81, on ? 1 : 4, GS(v.x86.rflags),
		      on ? (u32)bit : ~(u32)bit);
	tr->flags = FLAGS_SAVED;
}

static void set_df(struct trans *tr, bool on)
{
	set_rflags_bit(tr, FLAG_DF, on);
	emit_gs_imm32(&tr->e, true, 0xc7, 0, GS(downwards), on);
}

static bool may_set_if(const struct trans *tr)
{
	return !(tr->key & (KEY_USER | KEY_CPL12 | KEY_REAL | KEY_TF));
}

static void do_sti(struct trans *tr)
{
	struct emit *e = &tr->e;
	u8 *none;

	set_rflags_bit(tr, FLAG_IF, true);
	emit_gs_imm32(e, false, 0x81, 7, GS(v.request), 0);
	none = emit_jcc_fwd(e, CC_E);
	emit_gs_imm32(e, false, 0xc7, 0, GS(calm), 0);
	emit_land(e, none);
	tr->end_after_next = true;
}

static bool is_narrow(const struct trans *tr)
{
	return tr->size == X86_CODE32 && tr->i->opsize == 2;
}

static bool is_narrow_branch(const struct trans *tr)
{
	return is_narrow(tr) &&
	       (tr->i->cls == X86_C_JMP || tr->i->cls == X86_C_JCC ||
		tr->i->cls == X86_C_CALL);
}

static void do_insn(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	tr->meta[tr->meta_count - 1].waits_for_x87 = x87_waits(i);
	if (is_narrow_branch(tr)) {
		trans_callout(tr, callout_narrow_branch);
		tr->ended = true;
		return;
	}
	if ((i->attr & (IA_X87 | IA_MMX | IA_SSE | IA_AVX)) &&
	    (tr->key & KEY_NOFPU))
		trans_callout(tr, callout_fpu_check);
	switch (i->cls) {
	case X86_C_COPY:
		do_copy(tr);
		return;
	case X86_C_NOP:
		tr->keep_delta = tr->keep_delta0 = true;
		return;
	case X86_C_JMP:
		flow_jump(tr, (s32)((s64)tr->next + (s64)i->imm));
		return;
	case X86_C_JCC:
		flow_jcc(tr);
		return;
	case X86_C_LOOP:
		if ((i->opcode == 0xe2 || i->opcode == 0xe3) &&
		    i->adsize >= 4 && !is_narrow(tr) &&
		    !(tr->key & KEY_LIMIT)) {
			flow_loop(tr);
			return;
		}
		tr->end_polled = true;
		break;
	case X86_C_CALL:
	case X86_C_CALL_IND:
	case X86_C_JMP_IND:
		stack_call(tr);
		return;
	case X86_C_RET:
		stack_ret(tr);
		return;
	case X86_C_PUSH:
		stack_push(tr);
		access_end(tr);
		return;
	case X86_C_POP:
		stack_pop(tr);
		access_end(tr);
		return;
	case X86_C_LEAVE:
		stack_leave(tr);
		return;
	case X86_C_PUSHF:
		if (tr->key & KEY_REAL)
			break;
		stack_pushf(tr);
		access_end(tr);
		return;
	case X86_C_CLD:
		set_df(tr, false);
		return;
	case X86_C_STD:
		set_df(tr, true);
		return;
	case X86_C_STRING:
		if (!reach_can_string(tr, i))
			break;
		reach_string(tr);
		return;
	case X86_C_CLI:
		if (!may_set_if(tr))
			break;
		set_rflags_bit(tr, FLAG_IF, false);
		return;
	case X86_C_STI:
		if (tr->n + 1 == tr->insn_count) {
			trans_callout(tr, callout_sti_last);
			tr->ended = true;
			return;
		}
		if (!may_set_if(tr)) {
			tr->end_after_next = true;
			break;
		}
		do_sti(tr);
		return;
	default:
		break;
	}
	if (tr->too_long)
		trans_callout(tr, callout_too_long);
	else if (!system_insn(tr))
		trans_callout(tr, callout_for(i));
	if (always_leaves(i))
		tr->ended = true;
	else if (ends_polled(tr, i))
		tr->end_polled = true;
}

/* --- entries and cold code --- */

/*
 * Leaves at the block's start unless t->calm; see run_poll. If the flags are
 * live JRCXZ looks, without touching them: to @back, where emit_poll_way() has
 * been, so that what is usual jumps nowhere.
 */
static u8 *emit_poll(struct trans *tr, u8 *back)
{
	struct emit *e = &tr->e;

	if (tr->b->pref == FLAGS_SAVED) {
		emit_gs_imm32(e, false, 0x81, 7, GS(calm), 0);
		return emit_jcc_fwd(e, CC_E);
	}
	emit_mov(e, T0, X86_RCX);
	emit_gs(e, false, OP_MOV, X86_RCX, GS(calm));
	emit8(e, 0xe3);
	emit8(e, (u8)(back - (e->p + 1)));
	BUG_ON(e->p - back > 128);
	emit_mov(e, X86_RCX, T0);
	return NULL;
}

static u8 *emit_poll_way(struct emit *e)
{
	emit_mov(e, X86_RCX, T0);
	return emit_jmp_fwd(e);
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

static u8 *emit_entries(struct trans *tr)
{
	struct block *b = tr->b;
	u8 *back = tr->e.p, *poll = NULL;

	b->pref = preferred_flags(tr);
	if (b->pref == FLAGS_HOST)
		poll = emit_poll_way(&tr->e);
	b->entry_other = (u32)(emit_pc(&tr->e) - b->host);
	b->has_far = flow_is_far(tr) && tr->mmu != MMU_USER &&
		     tr->code_base == (u64)(s64)(s32)tr->code_base;
	if (b->pref == key_flags(tr->key)) {
		emit_convert(tr);
		if (b->has_far)
			emit_far_entry(tr, true);
	} else {
		if (b->has_far)
			emit_far_entry(tr, false);
		b->entry_other = (u32)(emit_pc(&tr->e) - b->host);
		emit_convert(tr);
	}
	b->entry_pref = (u32)(emit_pc(&tr->e) - b->host);
	if (b->pref == FLAGS_HOST)
		emit_poll(tr, back);
	else
		poll = emit_poll(tr, NULL);
	b->entry_nopoll = (u32)(emit_pc(&tr->e) - b->host);
	tr->flags = b->pref;
	return poll;
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
	m = meta_add(tr, (unsigned)next - i->len - tr->page_off);
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

static void emit_cold(struct trans *tr)
{
	struct emit *e = &tr->e;

	/* COLD_FAR adds none of its own. */
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
		}
	}
}

static bool exits_finish(struct trans *tr)
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

static void emit_unlinked_exits(struct trans *tr)
{
	struct emit *e = &tr->e;

	for (unsigned k = 0; k < tr->b->exit_count; k++) {
		struct block_exit *x = &tr->b->exits[k];

		if (x->far)
			flow_far_exit(tr, x);
		else
			x->unlinked = emit_pc(e);
		emit_land(e, engine_rw(tr->g, x->patch + 4));
		emit_mov_imm(e, T0, (u64)(uintptr_t)x);
		emit_jmp(e, x->flags & FLAGS_SAVED ? tr->g->stubs.exit_saved :
						     tr->g->stubs.exit_host);
	}
}

static void emit_poll_exit(struct trans *tr, u8 *poll)
{
	struct emit *e = &tr->e;

	emit_land(e, poll);
	tr->b->poll_exit = emit_pc(e);
	emit_mov_imm(e, T0, (u64)(uintptr_t)tr->b);
	emit_jmp(e, tr->b->pref == FLAGS_SAVED ? tr->g->stubs.poll_saved :
						 tr->g->stubs.poll_host);
}

/* --- the block --- */

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

static void emit_block(struct trans *tr, enum stop stop)
{
	u8 *poll = emit_entries(tr);
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
		meta_add(tr, off);
		tr->keep_delta = tr->keep_delta0 = false;
		do_insn(tr);
		if (!tr->keep_delta)
			tr->delta_reg = NO_DELTA;
		if (!tr->keep_delta0)
			tr->delta0_reg = NO_DELTA;
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
		homes_out(tr);
		if (stop == STOP_CROSSES && tr->n == tr->insn_count) {
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
	emit_cold(tr);
	if (!exits_finish(tr)) {
		tr->failed = true;
		return;
	}
	emit_unlinked_exits(tr);
	emit_poll_exit(tr, poll);
}

/* Bytes of an instruction that lies on two pages. */
static unsigned crossing_bytes(struct trans *tr, u8 *buf, const u8 *p,
			       unsigned avail, gpa_t gpa2)
{
	const u8 *q = gmem_hva(&tr->g->vm->mem, gpa2, PAGE_SIZE);
	unsigned n = 0;

	for (; n < avail; n++)
		buf[n] = p[n];
	for (unsigned k = 0; q && n < X86_INSN_MAX; n++, k++)
		buf[n] = q[k];
	return n;
}

static enum stop decode_block(struct trans *tr, gpa_t gpa2)
{
	unsigned avail = (unsigned)(PAGE_SIZE - tr->page_off);
	const u8 *p = gmem_hva(&tr->g->vm->mem, tr->gpa, avail);
	u8 buf[X86_INSN_MAX];
	enum x86_decode_result r;

	if (gpa2 == ~0ull)
		return decode_run(tr, p, avail);
	avail = crossing_bytes(tr, buf, p, avail, gpa2);
	r = x86_decode(buf, avail, tr->size, &tr->insns[0]);
	if (r != X86_DECODE_OK)
		tr->insns[0].cls = X86_C_INVALID;
	tr->too_long = r == X86_DECODE_LONG;
	tr->insn_count = 1;
	return STOP_END;
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
	if (!cache_add(tr->seg, b))
		return false;
	tr->seg->hot.used = align_up(tr->seg->hot.used + b->host_bytes, 16);
	tr->seg->cold.used += b->cold_bytes;
	if (!smc_track(tr->t, b)) {
		b->dead = true;
		return false;
	}
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
	tr->delta_reg = tr->delta0_reg = NO_DELTA;
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
	tr->soft = (key & KEY_ALONE) || !g->windows ||
		   window_is_soft(g->windows, gpa);
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
	tr->cold_count = tr->meta_count = tr->insn_count = tr->sides = 0;
	tr->exit_count = 0;
}

struct block *translate(struct tcpu *t, gpa_t gpa, gva_t va, gpa_t gpa2,
			u32 key)
{
	struct trans *tr = t->e->trans;
	u64 start = host_tsc();
	enum stop stop;

	trans_init(tr, t, gpa, va, key,
		   cache_reserve(t->e, BLOCK_HOST_BYTES));
	stop = decode_block(tr, gpa2);
	tr->b = block_new(tr, gpa2);
	if (!tr->b)
		goto no_memory;
	emit_block(tr, stop);
	BUG_ON(emit_full(&tr->e));
	if (tr->failed || !block_finish(tr))
		goto no_memory;
	t->stats.translate_tsc += host_tsc() - start;
	TRACE(TRANSLATE, "block %llx va %llx key %x: %u insns, %u -> %u bytes",
	      (unsigned long long)gpa, (unsigned long long)va, key,
	      tr->b->insn_count, tr->b->guest_bytes, tr->b->host_bytes);
	if (TRACE_ON(CODE))
		dump_block(t->e, tr->b, tr->size);
	return tr->b;
no_memory:
	vm_kill(t->e->vm, "no memory for translated code");
	return NULL;
}
