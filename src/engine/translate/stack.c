/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - the instructions that use the stack: PUSH, POP, CALL, RET, LEAVE.
 *
 * RSP changes after the access has passed its check, never before.
 *
 * The shadow stack: each CALL leaves two words on RSP's stack, the
 * guest's return address and, pushed by the host's own CALL, where the
 * translation goes on. RET compares the first with what the guest's stack
 * says and, if they are equal, is a host RET, which the processor predicts.
 */
#include "engine/translate/trans.h"

static unsigned stack_bytes(const struct trans *tr)
{
	if (in_long_code(tr))
		return 8;
	return tr->key & KEY_STACK32 ? 4 : 2;
}

/* T0 = RSP + delta as a stack offset. */
static void stack_offset(struct trans *tr, unsigned from, s32 delta)
{
	struct emit *e = &tr->e;
	unsigned w = stack_bytes(tr);

	if (w == 8 && delta == 0)
		emit_mov(e, T0, from);
	else
		emit_lea(e, w == 8, T0, from, 0xff, 0, delta);
	if (w == 2) {
		emit8(e, 0x45);
		emit8(e, 0x0f);
		emit8(e, 0xb7);
		emit8(e, 0xd2); /* movzwl %r10w, %r10d */
	}
}

static void stack_set(struct trans *tr, unsigned from, s32 delta)
{
	struct emit *e = &tr->e;
	unsigned w = stack_bytes(tr);

	if (w == 2) {
		emit_lea(e, true, T0, from, 0xff, 0, delta);
		emit8(e, 0x66);
		emit_rr(e, false, OP_MOV, HOST_GUEST_RSP, T0);
	} else {
		emit_lea(e, w == 8, HOST_GUEST_RSP, from, 0xff, 0, delta);
	}
}

static void stack_access(struct trans *tr, unsigned from, s32 delta,
			 unsigned bytes, unsigned acc)
{
	flags_need_saved(tr);
	stack_offset(tr, from, delta);
	access_segment(tr, X86_SS, bytes, acc);
	access_check(tr, bytes, acc);
}

/* op reg, (T0) of @bytes */
static void at_t0(struct trans *tr, u8 op, unsigned reg, unsigned bytes)
{
	if (bytes == 2)
		emit8(&tr->e, 0x66);
	emit_rm(&tr->e, bytes == 8, op, reg, T0, 0);
}

void stack_push_scratch(struct trans *tr, unsigned bytes)
{
	stack_access(tr, HOST_GUEST_RSP, -(s32)bytes, bytes, ACC_W);
	emit_gs(&tr->e, true, OP_MOV, T1, GS(scratch[0]));
	at_t0(tr, OP_STORE, T1, bytes);
	stack_set(tr, HOST_GUEST_RSP, -(s32)bytes);
}

/* T1 <- the instruction's memory operand. */
static void load_operand(struct trans *tr, unsigned bytes)
{
	access_operand(tr, bytes, ACC_R);
	if (bytes == 2) {
		emit8(&tr->e, 0x45);
		emit8(&tr->e, 0x0f);
		emit8(&tr->e, 0xb7);
		emit8(&tr->e, 0x1a); /* movzwl (%r10), %r11d */
	} else {
		at_t0(tr, OP_MOV, T1, bytes);
	}
}

void stack_push(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	unsigned n = i->opsize;

	if (i->attr & IA_MEM) {
		load_operand(tr, n);
		emit_gs(&tr->e, true, OP_STORE, T1, GS(scratch[0]));
		stack_push_scratch(tr, n);
		return;
	}
	stack_access(tr, HOST_GUEST_RSP, -(s32)n, n, ACC_W);
	if (i->imm_len) {
		/* mov $imm32, (%r10): sign-extended, as PUSH does */
		if (n == 2)
			emit8(&tr->e, 0x66);
		emit_rex(&tr->e, n == 8, 0, 0, T0);
		emit8(&tr->e, 0xc7);
		emit8(&tr->e, T0 & 7);
		if (n == 2) {
			emit8(&tr->e, (u8)i->imm);
			emit8(&tr->e, (u8)(i->imm >> 8));
		} else {
			emit32(&tr->e, (u32)i->imm);
		}
	} else {
		unsigned r = i->attr & IA_OPREG ? i->reg : i->rm;
		int h = host_reg(r);

		if (h < 0)
			load_guest(tr, T1, r);
		at_t0(tr, OP_STORE, h < 0 ? T1 : (unsigned)h, n);
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

	stack_access(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	at_t0(tr, OP_MOV, T1, n);
	emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	access_offset(tr);
	if (tr->i->base == X86_RSP)
		emit_lea(e, tr->i->adsize == 8, T0, T0, 0xff, 0, (s32)n);
	access_segment(tr, tr->i->seg, n, ACC_W);
	access_check(tr, n, ACC_W);
	emit_gs(e, true, OP_MOV, T1, GS(scratch[0]));
	at_t0(tr, OP_STORE, T1, n);
	stack_set(tr, HOST_GUEST_RSP, (s32)n);
}

void stack_pop(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	unsigned n = i->opsize;
	unsigned r = i->attr & IA_OPREG ? i->reg : i->rm;

	if (i->attr & IA_MEM) {
		pop_memory(tr, n);
		return;
	}
	stack_access(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	at_t0(tr, OP_MOV, T1, n);
	/* First the increment: POP RSP ends with the value popped. */
	stack_set(tr, HOST_GUEST_RSP, (s32)n);
	store_guest(tr, r, T1, n);
}

static void push_return(struct trans *tr, unsigned n)
{
	stack_access(tr, HOST_GUEST_RSP, -(s32)n, n, ACC_W);
	flow_code_address(tr, T1, tr->next);
	at_t0(tr, OP_STORE, T1, n);
	stack_set(tr, HOST_GUEST_RSP, -(s32)n);
}

/* T0 <- target of an indirect jump or call. */
static void load_target(struct trans *tr, unsigned n)
{
	if (tr->i->attr & IA_MEM) {
		load_operand(tr, n);
		emit_mov(&tr->e, T0, T1);
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
	unsigned n = i->opsize;

	if (i->cls == X86_C_CALL) {
		push_return(tr, n);
		access_end(tr);
		flow_call(tr, (s32)((s64)tr->next + (s64)i->imm), false);
		return;
	}
	if (i->cls == X86_C_JMP_IND) {
		load_target(tr, n);
		flow_jump_t0(tr);
		return;
	}
	flags_need_saved(tr);
	load_target(tr, n);
	emit_gs(&tr->e, true, OP_STORE, T0, GS(scratch[0]));
	push_return(tr, n);
	access_end(tr);
	flow_call(tr, 0, true);
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

	stack_access(tr, HOST_GUEST_RSP, 0, n, ACC_R);
	if (n == 2) {
		emit8(e, 0x45);
		emit8(e, 0x0f);
		emit8(e, 0xb7);
		emit8(e, 0x1a); /* movzwl (%r10), %r11d */
	} else {
		at_t0(tr, OP_MOV, T1, n);
	}
	if (stack_bytes(tr) == 2)
		emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	stack_set(tr, HOST_GUEST_RSP,
		  (s32)n + (s32)(tr->i->imm_len ? (tr->i->imm & 0xffff) : 0));
	if (stack_bytes(tr) == 2)
		emit_gs(e, true, OP_MOV, T0, GS(scratch[0]));
	else
		emit_mov(e, T0, T1);
	if ((tr->key & KEY_ALONE) || n == 2) {
		flow_jump_t0(tr);
		return;
	}
	/* cmp 8(%rsp), %r10 */
	emit_rm(e, true, ALU_CMP, T0, X86_RSP, 8);
	emit_jcc(e, CC_NE, tr->g->stubs.ret_miss[tr->mmu]);
	emit8(e, 0xc3);
	tr->ended = true;
}

/* LEAVE: RSP = RBP, POP RBP. */
void stack_leave(struct trans *tr)
{
	unsigned n = tr->i->opsize;

	stack_access(tr, X86_RBP, 0, n, ACC_R);
	at_t0(tr, OP_MOV, T1, n);
	stack_set(tr, X86_RBP, (s32)n);
	store_guest(tr, X86_RBP, T1, n);
}

void stack_pushf(struct trans *tr)
{
	struct emit *e = &tr->e;

	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	emit_rflags(e, T1);
	emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	stack_push_scratch(tr, tr->i->opsize);
}
