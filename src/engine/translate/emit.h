/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.h - host instructions into memory: encodings, no policy.
 *
 * An emitter that runs out of room goes on counting but writes nothing;
 * emit_full() tells at the end. Registers are host registers, 0 to 15.
 */
#ifndef DOPPEL_TRANSLATE_EMIT_H
#define DOPPEL_TRANSLATE_EMIT_H

#include "base/base.h"
#include "x86/regs.h"

struct emit {
	u8 *p, *end; /* writable view */
	s64 to_rx; /* add to .p for the address as executed */
};

/* Host registers with a role of their own; see tcpu.h. */
#define T0 X86_R10
#define T1 X86_R11
#define HOST_GUEST_RSP X86_R9

enum x86_cc {
	CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A,
	CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G,
};

/* First opcode bytes of the two-operand arithmetic group, r <- r op rm. */
enum emit_alu {
	ALU_ADD = 0x03, ALU_OR = 0x0b, ALU_AND = 0x23, ALU_SUB = 0x2b,
	ALU_XOR = 0x33, ALU_CMP = 0x3b, OP_MOV = 0x8b, OP_LEA = 0x8d,
	OP_STORE = 0x89, OP_TEST = 0x85, OP_XCHG = 0x87,
};

static inline void emit8(struct emit *e, u8 v)
{
	if (likely(e->p < e->end))
		*e->p = v;
	e->p++;
}

static inline void emit32(struct emit *e, u32 v)
{
	if (likely(e->p + 4 <= e->end))
		__builtin_memcpy(e->p, &v, 4);
	e->p += 4;
}

static inline void emit64(struct emit *e, u64 v)
{
	emit32(e, (u32)v);
	emit32(e, (u32)(v >> 32));
}

static inline bool emit_full(const struct emit *e)
{
	return e->p > e->end;
}

/* The address, as executed, of what comes next. */
static inline u8 *emit_pc(const struct emit *e)
{
	return e->p + e->to_rx;
}

static inline void emit_rex(struct emit *e, bool w, unsigned reg,
			    unsigned index, unsigned base)
{
	u8 rex = (u8)(0x40 | w << 3 | (reg >> 3 & 1) << 2 |
		      (index >> 3 & 1) << 1 | (base >> 3 & 1));

	if (rex != 0x40)
		emit8(e, rex);
}

/* reg <- reg op rm (or the store direction, by @op). */
static inline void emit_rr(struct emit *e, bool w, u8 op, unsigned reg,
			   unsigned rm)
{
	emit_rex(e, w, reg, 0, rm);
	emit8(e, op);
	emit8(e, (u8)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

static inline void emit_mov(struct emit *e, unsigned dst, unsigned src)
{
	if (dst != src)
		emit_rr(e, true, OP_MOV, dst, src);
}

/* op reg, [base + disp]; any base. */
static inline void emit_rm(struct emit *e, bool w, u8 op, unsigned reg,
			   unsigned base, s32 disp)
{
	unsigned mod = disp == 0 && (base & 7) != 5 ? 0 :
		       disp == (s8)disp		    ? 1 :
						      2;

	emit_rex(e, w, reg, 0, base);
	emit8(e, op);
	emit8(e, (u8)(mod << 6 | (reg & 7) << 3 | (base & 7)));
	if ((base & 7) == 4)
		emit8(e, 0x24);
	if (mod == 1)
		emit8(e, (u8)disp);
	else if (mod == 2)
		emit32(e, (u32)disp);
}

/* A memory operand: base + index << scale + disp. */
struct operand {
	u8 base;
	u8 index; /* or NO_INDEX */
	u8 scale;
	s32 disp;
};
#define NO_INDEX 0xff

/* ModRM, SIB and displacement for it. */
static inline void emit_operand(struct emit *e, unsigned reg,
				const struct operand *m)
{
	bool sib = m->index != NO_INDEX || (m->base & 7) == 4;
	unsigned mod = m->disp == 0 && (m->base & 7) != 5 ? 0 :
		       m->disp == (s8)m->disp		  ? 1 :
							    2;

	emit8(e, (u8)(mod << 6 | (reg & 7) << 3 | (sib ? 4 : m->base & 7)));
	if (sib)
		emit8(e, (u8)(m->scale << 6 |
			      (m->index == NO_INDEX ? 4 : m->index & 7) << 3 |
			      (m->base & 7)));
	if (mod == 1)
		emit8(e, (u8)m->disp);
	else if (mod == 2)
		emit32(e, (u32)m->disp);
}

/* The bits of a REX prefix that it needs. */
static inline u8 operand_rex(const struct operand *m)
{
	return (u8)((m->index == NO_INDEX ? 0 : m->index >> 3) << 1 |
		    m->base >> 3);
}

/* op reg, operand */
static inline void emit_om(struct emit *e, bool w, u8 op, unsigned reg,
			   const struct operand *m)
{
	u8 rex = (u8)(0x40 | w << 3 | (reg >> 3 & 1) << 2 | operand_rex(m));

	if (rex != 0x40)
		emit8(e, rex);
	emit8(e, op);
	emit_operand(e, reg, m);
}

/* op reg, %gs:disp */
static inline void emit_gs(struct emit *e, bool w, u8 op, unsigned reg,
			   u32 disp)
{
	emit8(e, 0x65);
	emit_rex(e, w, reg, 0, 0);
	emit8(e, op);
	emit8(e, (u8)(0x04 | (reg & 7) << 3));
	emit8(e, 0x25);
	emit32(e, disp);
}

/* movzwl %gs:disp, reg */
static inline void emit_gs_movzw(struct emit *e, unsigned reg, u32 disp)
{
	emit8(e, 0x65);
	emit_rex(e, false, reg, 0, 0);
	emit8(e, 0x0f);
	emit8(e, 0xb7);
	emit8(e, (u8)(0x04 | (reg & 7) << 3));
	emit8(e, 0x25);
	emit32(e, disp);
}

/* movzwl rm, reg */
static inline void emit_movzw(struct emit *e, unsigned reg, unsigned rm)
{
	emit_rex(e, false, reg, 0, rm);
	emit8(e, 0x0f);
	emit8(e, 0xb7);
	emit8(e, (u8)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

/* op reg, %gs:disp(, index, 8); index is not RSP. */
static inline void emit_gs8(struct emit *e, bool w, u8 op, unsigned reg,
			    unsigned index, u32 disp)
{
	emit8(e, 0x65);
	emit_rex(e, w, reg, index, 0);
	emit8(e, op);
	emit8(e, (u8)(0x04 | (reg & 7) << 3));
	emit8(e, (u8)(0xc5 | (index & 7) << 3));
	emit32(e, disp);
}

/* Group-1 arithmetic with a constant on a register: /0 add .. /7 cmp. */
static inline void emit_ri(struct emit *e, bool w, unsigned ext, unsigned rm,
			   s32 imm)
{
	emit_rex(e, w, 0, 0, rm);
	emit8(e, imm == (s8)imm ? 0x83 : 0x81);
	emit8(e, (u8)(0xc0 | ext << 3 | (rm & 7)));
	if (imm == (s8)imm)
		emit8(e, (u8)imm);
	else
		emit32(e, (u32)imm);
}

/* /4 shl, /5 shr, /7 sar by a constant */
static inline void emit_shift(struct emit *e, bool w, unsigned ext,
			      unsigned rm, unsigned by)
{
	emit_rex(e, w, 0, 0, rm);
	emit8(e, 0xc1);
	emit8(e, (u8)(0xc0 | ext << 3 | (rm & 7)));
	emit8(e, (u8)by);
}

/* ZF: @reg, which is not T1, is canonical. Uses T1. */
static inline void emit_canonical(struct emit *e, unsigned reg)
{
	emit_mov(e, T1, reg);
	emit_shift(e, true, 4, T1, 16);
	emit_shift(e, true, 7, T1, 16);
	emit_rr(e, true, ALU_CMP, T1, reg);
}

/* movl/cmpl/andl.. $imm32, %gs:disp. @op 0xc7 or 0x81, @ext /n. */
static inline void emit_gs_imm32(struct emit *e, bool w, u8 op, unsigned ext,
				 u32 disp, u32 imm)
{
	emit8(e, 0x65);
	emit_rex(e, w, 0, 0, 0);
	emit8(e, op);
	emit8(e, (u8)(0x04 | ext << 3));
	emit8(e, 0x25);
	emit32(e, disp);
	emit32(e, imm);
}

static inline void emit_mov_imm(struct emit *e, unsigned reg, u64 imm)
{
	if (imm == (u32)imm) {
		emit_rex(e, false, 0, 0, reg);
		emit8(e, (u8)(0xb8 | (reg & 7)));
		emit32(e, (u32)imm);
	} else if ((s64)imm == (s32)imm) {
		emit_rex(e, true, 0, 0, reg);
		emit8(e, 0xc7);
		emit8(e, (u8)(0xc0 | (reg & 7)));
		emit32(e, (u32)imm);
	} else {
		emit_rex(e, true, 0, 0, reg);
		emit8(e, (u8)(0xb8 | (reg & 7)));
		emit64(e, imm);
	}
}

/* lea base + index * 2^scale + disp; X86_BASE_NONE for no base or index. */
static inline void emit_lea(struct emit *e, bool w, unsigned dst,
			    unsigned base, unsigned index, unsigned scale,
			    s32 disp)
{
	unsigned mod;

	if (index == 0xff && base != 0xff) {
		emit_rm(e, w, OP_LEA, dst, base, disp);
		return;
	}
	emit_rex(e, w, dst, index == 0xff ? 0 : index,
		 base == 0xff ? 0 : base);
	emit8(e, OP_LEA);
	if (base == 0xff)
		mod = 0;
	else if (disp == 0 && (base & 7) != 5)
		mod = 0;
	else
		mod = disp == (s8)disp ? 1 : 2;
	emit8(e, (u8)(mod << 6 | (dst & 7) << 3 | 4));
	emit8(e, (u8)(scale << 6 | (index == 0xff ? 4 : index & 7) << 3 |
		      (base == 0xff ? 5 : base & 7)));
	if (base == 0xff || mod == 2)
		emit32(e, (u32)disp);
	else if (mod == 1)
		emit8(e, (u8)disp);
}

static inline void emit_trap(struct emit *e)
{
	emit8(e, 0x0f);
	emit8(e, 0x0b);
}

/* Forward jumps within what is being emitted: the hole of 4 bytes is filled
 * by emit_land. */
static inline u8 *emit_jcc_fwd(struct emit *e, enum x86_cc cc)
{
	emit8(e, 0x0f);
	emit8(e, (u8)(0x80 | cc));
	emit32(e, 0);
	return e->p;
}

static inline u8 *emit_jmp_fwd(struct emit *e)
{
	emit8(e, 0xe9);
	emit32(e, 0);
	return e->p;
}

static inline void emit_land(struct emit *e, u8 *after)
{
	s32 d = (s32)(e->p - after);

	if (e->p <= e->end)
		__builtin_memcpy(after - 4, &d, 4);
}

/* ... or leads to a place as executed. */
static inline void emit_land_at(struct emit *e, u8 *after, const u8 *target)
{
	s32 d = (s32)(target - (after + e->to_rx));

	if (e->p <= e->end)
		__builtin_memcpy(after - 4, &d, 4);
}

/* rorx $count, from, to: no flags. */
static inline void emit_rorx(struct emit *e, unsigned to, unsigned from, u8 count)
{
	emit8(e, 0xc4);
	emit8(e, (u8)((to & 8 ? 0 : 0x80) | 0x40 | (from & 8 ? 0 : 0x20) | 3));
	emit8(e, 0xfb);
	emit8(e, 0xf0);
	emit8(e, (u8)(0xc0 | (to & 7) << 3 | (from & 7)));
	emit8(e, count);
}


/* JRCXZ forward, over 127 bytes at most: it looks at no flags. */
static inline u8 *emit_jrcxz(struct emit *e)
{
	emit8(e, 0xe3);
	emit8(e, 0);
	return e->p;
}

static inline void emit_jrcxz_land(struct emit *e, u8 *after)
{
	BUG_ON(e->p - after > 127);
	if (e->p <= e->end)
		after[-1] = (u8)(e->p - after);
}

/* One instruction that does nothing, of 1 to 3 bytes. */
static inline void emit_nop(struct emit *e, unsigned bytes)
{
	static const u8 nop[3][3] = { { 0x90 },
				      { 0x66, 0x90 },
				      { 0x0f, 0x1f, 0x00 } };

	for (unsigned k = 0; k < bytes; k++)
		emit8(e, nop[bytes - 1][k]);
}

/* NOT, too, touches none. */
static inline void emit_not(struct emit *e, unsigned reg)
{
	emit_rex(e, true, 0, 0, reg);
	emit8(e, 0xf7);
	emit8(e, (u8)(0xd0 | (reg & 7)));
}

/* To a place already known, as executed. */
static inline void emit_jmp(struct emit *e, const u8 *target)
{
	emit8(e, 0xe9);
	emit32(e, (u32)(target - (emit_pc(e) + 4)));
}

static inline void emit_call(struct emit *e, const u8 *target)
{
	emit8(e, 0xe8);
	emit32(e, (u32)(target - (emit_pc(e) + 4)));
}

static inline void emit_jcc(struct emit *e, enum x86_cc cc, const u8 *target)
{
	emit8(e, 0x0f);
	emit8(e, (u8)(0x80 | cc));
	emit32(e, (u32)(target - (emit_pc(e) + 4)));
}

#endif
