/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_legacy.c - instructions that 64-bit mode no longer has: PUSHA, POPA,
 * ENTER (it has that), BOUND, and decimal arithmetic.
 */
#include "engine/translate/callout.h"

static enum callout_result co_pusha(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned n = c->insn.opsize;
	u64 sp = s->gpr[X86_RSP];
	struct x86_fault f;

	for (unsigned r = 0; r < 8; r++) {
		u64 v = r == X86_RSP ? sp : s->gpr[r];

		if (callout_push(t, v, n, &f)) {
			s->gpr[X86_RSP] = sp;
			return callout_fault(t, &f);
		}
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_popa(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned n = c->insn.opsize;
	u64 sp = s->gpr[X86_RSP];
	struct x86_fault f;
	u64 v[8];

	for (unsigned r = 8; r-- > 0;)
		if (callout_pop(t, &v[r], n, &f)) {
			s->gpr[X86_RSP] = sp;
			return callout_fault(t, &f);
		}
	for (unsigned r = 0; r < 8; r++)
		if (r != X86_RSP)
			reg_write(t, r, v[r], n);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* SDM 2 "ENTER" */
static enum callout_result co_enter(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned n = c->insn.opsize;
	unsigned level = c->insn.imm2 & 31;
	u64 sp = s->gpr[X86_RSP], bp = s->gpr[X86_RBP], frame, v;
	unsigned width = t->key & KEY_CODE64 ? 8 :
			 t->key & KEY_STACK32 ? 4 : 2;
	struct x86_fault f;
	gva_t lin;

	if (callout_push(t, bp, n, &f))
		goto fault;
	frame = s->gpr[X86_RSP];
	for (unsigned k = 1; k < level; k++) {
		u64 at = bp - (u64)k * n;

		at = width == 8 ? at : width == 4 ? (u32)at : (u16)at;
		v = 0;
		if (callout_linear(t, X86_SS, at, n, false, &lin, &f) ||
		    mem_read(t, lin, &v, n, callout_acc(t), &f) ||
		    callout_push(t, v, n, &f))
			goto fault;
	}
	if (level && callout_push(t, frame, n, &f))
		goto fault;
	/* The new stack top must be writable, as a push would find it. */
	reg_write(t, X86_RSP, s->gpr[X86_RSP] - (c->insn.imm & 0xffff), width);
	v = reg_read(t, X86_RSP, width);
	if (callout_linear(t, X86_SS, v, n, true, &lin, &f) ||
	    mem_probe(t, lin, n, callout_acc(t) | X86_ACC_WRITE, &f))
		goto fault;
	reg_write(t, X86_RBP, frame, n);
	callout_end(t);
	return CALLOUT_NEXT;
fault:
	s->gpr[X86_RSP] = sp;
	return callout_fault(t, &f);
}

static enum callout_result co_bound(struct tcpu *t, struct callout *c)
{
	unsigned n = c->insn.opsize;
	s64 lo, hi, v;
	u8 buf[8] = { 0 };
	struct x86_fault f;
	u32 b[2];

	callout_begin(t, c);
	if (callout_load(t, c, buf, 2 * n, &f))
		return callout_fault(t, &f);
	if (n == 2) {
		lo = (s16)(buf[0] | buf[1] << 8);
		hi = (s16)(buf[2] | buf[3] << 8);
		v = (s16)t->v.x86.gpr[c->insn.reg];
	} else {
		__builtin_memcpy(b, buf, 8);
		lo = (s32)b[0];
		hi = (s32)b[1];
		v = (s32)t->v.x86.gpr[c->insn.reg];
	}
	if (v < lo || v > hi) {
		x86_fault_set(&f, X86_BR);
		return callout_fault(t, &f);
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

static u64 parity_zero_sign(u8 al)
{
	return (al == 0 ? FLAG_ZF : 0) | (al & 0x80 ? FLAG_SF : 0) |
	       (__builtin_parity(al) ? 0 : FLAG_PF);
}

static void set_flags(struct x86_state *s, u64 mask, u64 v)
{
	s->rflags = (s->rflags & ~mask) | (v & mask);
}

static u64 add_flags(u8 a, u8 b)
{
	u8 sum = (u8)(a + b);

	return parity_zero_sign(sum) | (sum < a ? FLAG_CF : 0) |
	       ((a ^ b ^ sum) & FLAG_AF) |
	       ((a ^ sum) & (b ^ sum) & 0x80 ? FLAG_OF : 0);
}

/*
 * DAA and DAS. SDM 2 "DAA", "DAS". The flags that the manuals call undefined
 * are as AMD's processors have them, here and below.
 */
static void daa_das(struct tcpu *t, bool subtract)
{
	struct x86_state *s = &t->v.x86;
	u8 old = (u8)s->gpr[X86_RAX], al = old;
	bool cf = s->rflags & FLAG_CF, af = s->rflags & FLAG_AF;
	bool carry = false;

	if ((old & 15) > 9 || af) {
		carry = cf || (subtract ? old < 6 : old > 0xf9);
		al = (u8)(subtract ? al - 6 : al + 6);
		af = true;
	} else {
		af = false;
	}
	if (old > 0x99 || cf) {
		al = (u8)(subtract ? al - 0x60 : al + 0x60);
		carry = true;
	} else if (!subtract) {
		carry = false;
	}
	reg_write(t, X86_RAX, al, 1);
	set_flags(s, FLAG_ARITH,
		  parity_zero_sign(al) | (carry ? FLAG_CF : 0) |
			  (af ? FLAG_AF : 0) |
			  ((subtract ? old & ~al : ~old & al) & 0x80 ?
				   FLAG_OF :
				   0));
}

static void aaa_aas(struct tcpu *t, bool subtract)
{
	struct x86_state *s = &t->v.x86;
	u16 old = (u16)s->gpr[X86_RAX], ax = old;
	bool adjust = (ax & 15) > 9 || (s->rflags & FLAG_AF);

	if (adjust)
		ax = (u16)(subtract ? ax - 0x106 : ax + 0x106);
	reg_write(t, X86_RAX, ax & 0xff0f, 2);
	/* Of AX, before it is cut to a digit. */
	set_flags(s, FLAG_ARITH,
		  (adjust ? FLAG_CF | FLAG_AF : 0) | (ax ? 0 : FLAG_ZF) |
			  (ax & 0x8000 ? FLAG_SF : 0) |
			  ((subtract ? old & ~ax : ~old & ax) & 0x8000 ?
				   FLAG_OF :
				   0) |
			  (__builtin_parity((u8)ax) ? 0 : FLAG_PF));
}

static enum callout_result co_bcd(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u8 al = (u8)s->gpr[X86_RAX], ah = (u8)(s->gpr[X86_RAX] >> 8);
	u8 imm = (u8)c->insn.imm;
	struct x86_fault f;

	switch (c->insn.opcode) {
	case 0x27:
	case 0x2f:
		daa_das(t, c->insn.opcode == 0x2f);
		break;
	case 0x37:
	case 0x3f:
		aaa_aas(t, c->insn.opcode == 0x3f);
		break;
	case 0xd4: /* AAM */
		if (!imm) {
			x86_fault_set(&f, X86_DE);
			return callout_fault(t, &f);
		}
		reg_write(t, X86_RAX, (u64)(al / imm) << 8 | al % imm, 2);
		set_flags(s, FLAG_ARITH, parity_zero_sign(al % imm));
		break;
	case 0xd5: /* AAD */
		reg_write(t, X86_RAX, (u8)(al + ah * imm), 2);
		set_flags(s, FLAG_ARITH, add_flags(al, (u8)(ah * imm)));
		break;
	default: /* D6, SALC */
		reg_write(t, X86_RAX, s->rflags & FLAG_CF ? 0xff : 0, 1);
		break;
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

callout_fn callout_legacy(enum x86_class c)
{
	switch (c) {
	case X86_C_PUSHA:
		return co_pusha;
	case X86_C_POPA:
		return co_popa;
	case X86_C_ENTER:
		return co_enter;
	case X86_C_BOUND:
		return co_bound;
	case X86_C_BCD:
		return co_bcd;
	default:
		return NULL;
	}
}
