/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn.c - one guest instruction: what is needed of flags and memory, then the
 * instruction itself, copied, generated, or left to C.
 */
#include "engine/translate/trans.h"

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

bool insn_touches_memory(const struct x86_insn *i)
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

struct insn_meta *insn_meta_add(struct trans *tr, unsigned guest)
{
	struct insn_meta *m = &tr->meta[tr->meta_count++];

	m->guest = (u16)guest;
	m->host = (u32)(emit_pc(&tr->e) - tr->b->host);
	m->flags_saved = (tr->flags & FLAGS_SAVED) != 0;
	m->waits_for_x87 = false;
	m->reach = META_PLAIN;
	m->swapped = tr->swapped;
	m->delta = T1;
	m->owed = (s16)tr->owed;
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

void insn_emit_callout(struct trans *tr, const struct callout *c)
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
	insn_emit_callout(tr, c);
	tr->flags = FLAGS_SAVED;
	held_lose_both(tr);
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

static void do_lea(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	if (lea_as_it_is(tr))
		return;
	access_offset(tr);
	if (i->opsize > i->adsize)
		emit_rr(&tr->e, false, OP_MOV, T0, T0);
	store_guest(tr, i->reg, T0, i->opsize);
	if (host_reg(tr, i->reg) < 0 && i->opsize >= 4)
		held_keep_value(tr, T0, i->reg);
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
	soft = insn_touches_memory(i) && !reach_can(tr);
	if (soft)
		access_operand(tr, i->mem_bytes ? i->mem_bytes : 1,
			       access_of(i));
	if (i->flags_read || (i->flags_written && !overwrites_flags(tr, i)))
		flags_need_host(tr);
	if (insn_touches_memory(i) && !soft)
		reach_operand(tr);
	m->flags_saved = (tr->flags & FLAGS_SAVED) != 0;
	copy_insn(tr);
	/* The copy that works on the bounce buffer comes back without. */
	if (soft)
		held_lose_both(tr);
	if (x87_is_noted(i)) {
		x87_note(tr);
		held_lose_both(tr);
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
	emit_disturb(e);
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

void insn_emit(struct trans *tr)
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
	case X86_C_PAUSE:
		/* Who is alone waits for nobody. */
		if (i->cls == X86_C_PAUSE && tr->g->smp)
			break;
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
	if (plan_always_leaves(i))
		tr->ended = true;
	else if (plan_ends_polled(tr, i))
		tr->end_polled = true;
}
