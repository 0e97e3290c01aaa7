/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - the instructions that use the stack: PUSH, POP, CALL, RET, LEAVE.
 *
 * RSP changes after the access has passed its check, never before. In windows
 * it changes once for a run of PUSHes and POPs: what they have moved it by is
 * "owed", part of the displacement of those that follow, and settled before
 * anything that might look at RSP. A fault adds it (insn_meta.owed).
 *
 * The shadow stack: each CALL leaves two words on RSP's stack, the
 * guest's return address and, pushed by the host's own CALL, where the
 * translation goes on. RET compares the first with what the guest's stack
 * says and, if they are equal, is a host RET, which the processor predicts.
 */
#include "engine/translate/trans.h"

void stack_settle(struct trans *tr)
{
	s32 n = tr->owed;

	if (!n)
		return;
	tr->owed = 0;
	emit_lea(&tr->e, true, HOST_GUEST_RSP, HOST_GUEST_RSP, 0xff, 0, n);
	held_moved_rsp(tr, n);
}

static bool names_rsp(const struct x86_insn *i)
{
	bool mem = i->attr & IA_MEM;

	return i->reg == X86_RSP || (!mem && i->rm == X86_RSP) ||
	       i->vvvv == X86_RSP ||
	       (mem && (i->base == X86_RSP || i->index == X86_RSP));
}

/* Can the instruction be run with RSP's register not up to date? It must not
 * read or write it, other than as PUSH and POP do, nor call C. */
static bool may_owe(const struct trans *tr, const struct x86_insn *i)
{
	u32 fpu = IA_X87 | IA_MMX | IA_SSE | IA_AVX;

	if (!tr->windowed || names_rsp(i) ||
	    ((tr->key & KEY_NOFPU) && (i->attr & fpu)))
		return false;
	switch (i->cls) {
	case X86_C_PUSH:
	case X86_C_POP:
		return !(i->attr & IA_MEM);
	case X86_C_NOP:
		return true;
	case X86_C_COPY:
		return !((i->impl_read | i->impl_write) & BIT(X86_RSP)) &&
		       (!insn_touches_memory(i) || reach_can(tr));
	default:
		return false;
	}
}

/* RET and calls settle it together with what they do to RSP themselves. */
static bool settles_itself(const struct trans *tr, const struct x86_insn *i)
{
	if (!tr->windowed)
		return false;
	return i->cls == X86_C_RET ||
	       (i->cls == X86_C_CALL && !(i->attr & IA_MEM));
}

void stack_settle_before(struct trans *tr)
{
	if (!may_owe(tr, tr->i) && !settles_itself(tr, tr->i))
		stack_settle(tr);
}

static void stack_set(struct trans *tr, unsigned from, s32 delta)
{
	struct emit *e = &tr->e;
	unsigned w = access_stack_bytes(tr);

	if (tr->windowed && from == HOST_GUEST_RSP) {
		tr->owed += delta;
		if (!may_owe(tr, tr->i))
			stack_settle(tr);
		return;
	}
	if (w == 2) {
		emit_lea(e, true, T0, from, 0xff, 0, delta);
		emit8(e, 0x66);
		emit_rr(e, false, OP_MOV, HOST_GUEST_RSP, T0);
	} else {
		emit_lea(e, w == 8, HOST_GUEST_RSP, from, 0xff, 0, delta);
		held_moved_rsp(tr, delta);
	}
}

/* op reg, the operand, of @bytes */
static void at_mem(struct trans *tr, u8 op, unsigned reg, unsigned bytes)
{
	if (bytes == 2)
		emit8(&tr->e, 0x66);
	emit_om(&tr->e, bytes == 8, op, reg, &tr->mem);
}

/* @reg <- the operand, zero-extended. */
static void load_mem(struct trans *tr, unsigned reg, unsigned bytes)
{
	struct emit *e = &tr->e;

	if (bytes != 2) {
		at_mem(tr, OP_MOV, reg, bytes);
		return;
	}
	emit8(e, (u8)(0x40 | (reg >> 3) << 2 | operand_rex(&tr->mem)));
	emit8(e, 0x0f);
	emit8(e, 0xb7); /* movzwl */
	emit_operand(e, reg, &tr->mem);
}

/* The scratch register that the operand leaves, to be used. */
static unsigned free_scratch(struct trans *tr)
{
	unsigned t = tr->mem.base == T0 || tr->mem.index == T0 ? T1 : T0;

	held_lose(tr, t);
	return t;
}

void stack_push_scratch(struct trans *tr, unsigned bytes)
{
	unsigned t;

	access_stack(tr, HOST_GUEST_RSP, -(s32)bytes, bytes, ACC_W);
	t = free_scratch(tr);
	emit_gs(&tr->e, true, OP_MOV, t, GS(scratch[0]));
	at_mem(tr, OP_STORE, t, bytes);
	stack_set(tr, HOST_GUEST_RSP, -(s32)bytes);
}

/* @to, T0 or T1 <- the instruction's memory operand. */
static void load_operand(struct trans *tr, unsigned to, unsigned bytes)
{
	/* If there is another access to come: all by way of T1. */
	if (tr->i->cls != X86_C_JMP_IND)
		held_lose_both(tr);
	access_operand(tr, bytes, ACC_R);
	load_mem(tr, to, bytes);
	held_lose(tr, to);
}

void stack_push(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	unsigned n = i->opsize;

	if (i->attr & IA_MEM) {
		load_operand(tr, T1, n);
		emit_gs(&tr->e, true, OP_STORE, T1, GS(scratch[0]));
		stack_push_scratch(tr, n);
		return;
	}
	access_stack(tr, HOST_GUEST_RSP, -(s32)n, n, ACC_W);
	if (i->imm_len) {
		/* mov $imm32, operand: sign-extended, as PUSH does */
		at_mem(tr, 0xc7, 0, n);
		if (n == 2) {
			emit8(&tr->e, (u8)i->imm);
			emit8(&tr->e, (u8)(i->imm >> 8));
		} else {
			emit32(&tr->e, (u32)i->imm);
		}
	} else {
		unsigned r = i->attr & IA_OPREG ? i->reg : i->rm;
		int h = host_reg(tr, r);

		if (h < 0) {
			h = (int)free_scratch(tr);
			load_guest(tr, (unsigned)h, r);
		}
		at_mem(tr, OP_STORE, (unsigned)h, n);
	}
	stack_set(tr, HOST_GUEST_RSP, -(s32)n);
}

/*
 * POP m: the address is computed with RSP already incremented (SDM 2 "POP"),
 * and RSP changes only if the store succeeds.
 */
static void pop_memory(struct trans *tr, unsigned n)
{
	struct emit *e = &tr->e;

	access_stack(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	at_mem(tr, OP_MOV, T1, n);
	held_lose(tr, T1);
	emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	flags_need_saved(tr);
	access_offset(tr);
	if (tr->i->base == X86_RSP)
		emit_lea(e, tr->i->adsize == 8, T0, T0, 0xff, 0, (s32)n);
	access_segment(tr, tr->i->seg, n, ACC_W);
	access_check(tr, n, ACC_W);
	emit_gs(e, true, OP_MOV, T1, GS(scratch[0]));
	at_mem(tr, OP_STORE, T1, n);
	stack_set(tr, HOST_GUEST_RSP, (s32)n);
}

void stack_pop(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	unsigned n = i->opsize;
	unsigned r = i->attr & IA_OPREG ? i->reg : i->rm;
	unsigned t;

	if (i->attr & IA_MEM) {
		pop_memory(tr, n);
		return;
	}
	access_stack(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	if (r != X86_RSP && host_reg(tr, r) >= 0) {
		at_mem(tr, OP_MOV, (unsigned)host_reg(tr, r), n);
		stack_set(tr, HOST_GUEST_RSP, (s32)n);
		return;
	}
	at_mem(tr, OP_MOV, t = free_scratch(tr), n);
	/* First the increment: POP RSP ends with the value popped. */
	stack_set(tr, HOST_GUEST_RSP, (s32)n);
	store_guest(tr, r, t, n);
}

/* Returns the register that holds the guest's return address. */
static unsigned push_return(struct trans *tr, unsigned n)
{
	unsigned t;

	access_stack(tr, HOST_GUEST_RSP, -(s32)n, n, ACC_W);
	t = free_scratch(tr);
	flow_code_address(tr, t, tr->next);
	at_mem(tr, OP_STORE, t, n);
	stack_set(tr, HOST_GUEST_RSP, -(s32)n);
	return t;
}

/* T0 <- target of an indirect jump or call. */
static void load_target(struct trans *tr, unsigned n)
{
	if (tr->i->attr & IA_MEM) {
		load_operand(tr, T0, n);
	} else {
		load_guest(tr, T0, tr->i->rm);
		if (n == 4)
			emit_rr(&tr->e, false, OP_MOV, T0, T0);
		else if (n == 2) {
			emit8(&tr->e, 0x45);
			emit8(&tr->e, 0x0f);
			emit8(&tr->e, 0xb7);
			emit8(&tr->e, 0xd2);
		}
	}
}

void stack_call(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	unsigned n = i->opsize, ret;

	if (i->cls == X86_C_CALL) {
		s32 target = (s32)((s64)tr->next + (s64)i->imm);

		flow_check_direct(tr, target);
		ret = push_return(tr, n);
		access_end(tr);
		flow_call(tr, ret, target, false);
		return;
	}
	if (i->cls == X86_C_JMP_IND) {
		load_target(tr, n);
		flow_check(tr, T0);
		flow_jump_t0(tr, 0);
		return;
	}
	load_target(tr, n);
	flow_check(tr, T0);
	emit_gs(&tr->e, true, OP_STORE, T0, GS(scratch[0]));
	ret = push_return(tr, n);
	access_end(tr);
	flow_call(tr, ret, 0, true);
}

/*
 * RET: if the guest returns to where its last call came from, so does the
 * host. (%rsp) is the host's return address, 8(%rsp) the guest's.
 *
 * What is on the shadow stack is always good: see shadow.c. At its base lies
 * a sentinel.
 */
void stack_ret(struct trans *tr)
{
	struct emit *e = &tr->e;
	unsigned n = tr->i->opsize;
	unsigned t;
	s32 moved = (s32)n + (s32)(tr->i->imm_len ? tr->i->imm & 0xffff : 0);

	access_stack(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	t = free_scratch(tr);
	load_mem(tr, t, n);
	flow_check(tr, t);
	stack_set(tr, HOST_GUEST_RSP, moved);
	emit_mov(e, T0, t);
	if ((tr->key & KEY_ALONE) || n == 2) {
		flow_jump_t0(tr, moved);
		return;
	}
	flow_ret(tr, moved);
}

/* LEAVE: RSP = RBP, POP RBP. */
void stack_leave(struct trans *tr)
{
	unsigned n = tr->i->opsize, t;

	access_stack(tr, X86_RBP, 0, n, ACC_R);
	at_mem(tr, OP_MOV, t = free_scratch(tr), n);
	stack_set(tr, X86_RBP, (s32)n);
	store_guest(tr, X86_RBP, t, n);
}

void stack_pushf(struct trans *tr)
{
	struct emit *e = &tr->e;

	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	/* When the push faults, EFLAGS are not the guest's any more. */
	tr->meta[tr->meta_count - 1].flags_saved = true;
	emit_rflags(e, T1);
	emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	stack_push_scratch(tr, tr->i->opsize);
}
