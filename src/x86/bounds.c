/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bounds.c - see bounds.h. SDM 1 3.4.1.1 "General-Purpose Registers in 64-Bit
 * Mode": 32-bit results are zero-extended, 8- and 16-bit ones leave the rest.
 */
#include "x86/bounds.h"

#define MAX_32 0xffffffffull
/* Beyond this nobody cares, and sums of two do not overflow. */
#define MAX_BOUND BIT64(48)

void x86_bounds_forget(struct x86_bounds *b)
{
	for (unsigned r = 0; r < 16; r++)
		b->of[r] = X86_UNBOUNDED;
}

static u32 written_by(const struct x86_insn *i, u8 kind, u8 reg, u8 acc)
{
	if (!(acc & ACC_W))
		return 0;
	if (kind == RK_GPR)
		return BIT(reg);
	/* Without REX, SPL to DIL are AH to BH. */
	if (kind == RK_GPR8)
		return BIT(reg) |
		       (i->attr & (IA_REX | IA_VEX) ? 0 : BIT(reg & 3));
	return 0;
}

u32 x86_written(const struct x86_insn *i)
{
	u32 m = i->impl_write |
		written_by(i, i->reg_kind, i->reg, i->reg_acc) |
		written_by(i, i->vvvv_kind, i->vvvv, i->vvvv_acc);

	if (!(i->attr & (IA_MEM | IA_MOFFS)))
		m |= written_by(i, i->rm_kind, i->rm, i->rm_acc);
	return m;
}

/* --- sums: register + register << scale + constant --- */

struct sum {
	u8 base, index; /* or X86_BASE_NONE */
	u8 scale;
	u64 constant; /* its magnitude */
};

static u64 add(u64 a, u64 b)
{
	return a > MAX_BOUND || b > MAX_BOUND ? X86_UNBOUNDED : a + b;
}

static u64 bound_of(const struct x86_bounds *b, u8 reg, u8 scale)
{
	if (reg == X86_BASE_NONE)
		return 0;
	return b->of[reg] > MAX_BOUND ? X86_UNBOUNDED : b->of[reg] << scale;
}

static void moves_add(struct x86_moves *m, u8 from, u64 by)
{
	if (from == X86_BASE_NONE || by > MAX_BOUND)
		return;
	m->of[m->count].from = from;
	m->of[m->count++].by = by;
}

/* @to becomes the sum, in 64 bits. Returns its bound. */
static u64 sum_to(const struct x86_bounds *b, const struct sum *s, u8 to,
		  struct x86_moves *m)
{
	u64 base = bound_of(b, s->base, 0);
	u64 index = bound_of(b, s->index, s->scale);

	m->to = to;
	moves_add(m, s->base, add(index, s->constant));
	if (s->scale == 0)
		moves_add(m, s->index, add(base, s->constant));
	return add(add(base, index), s->constant);
}

/* --- instructions --- */

/* The one register that is written by name, or X86_BASE_NONE. */
static u8 destination(const struct x86_insn *i)
{
	if (i->reg_kind == RK_GPR && (i->reg_acc & ACC_W))
		return i->reg;
	if (!(i->attr & (IA_MEM | IA_MOFFS)) && i->rm_kind == RK_GPR &&
	    (i->rm_acc & ACC_W))
		return i->rm;
	return X86_BASE_NONE;
}

/* ... and what is combined with it, if that is a register. */
static u8 source(const struct x86_insn *i)
{
	if (i->attr & (IA_MEM | IA_MOFFS))
		return X86_BASE_NONE;
	return i->reg_acc & ACC_W ? i->rm : i->reg;
}

/* ADD, SUB, AND of 64 bits with a constant. */
static u64 with_constant(const struct x86_bounds *b, const struct x86_insn *i,
			 unsigned op, u8 to, struct x86_moves *m)
{
	struct sum s = { .base = to, .index = X86_BASE_NONE,
			 .constant = x86_magnitude((s64)i->imm) };

	if (op == 4 && (s64)i->imm >= 0)
		return i->imm;
	return op == 0 || op == 5 ? sum_to(b, &s, to, m) : X86_UNBOUNDED;
}

/* ADD, SUB of 64 bits with a register. */
static u64 with_register(const struct x86_bounds *b, const struct x86_insn *i,
			 unsigned op, u8 to, struct x86_moves *m)
{
	struct sum s = { .base = to, .index = source(i) };
	u64 r;

	if ((op != 0 && op != 5) || s.index == X86_BASE_NONE)
		return X86_UNBOUNDED;
	r = sum_to(b, &s, to, m);
	/* A difference is near what was taken from, not near what was taken. */
	if (op == 5)
		m->count = m->count && m->of[0].from == to ? 1 : 0;
	return r;
}

static u64 lea(const struct x86_bounds *b, const struct x86_insn *i, u8 to,
	       struct x86_moves *m)
{
	struct sum s = { .base = i->base, .index = i->index,
			 .scale = i->scale, .constant = x86_magnitude(i->disp) };

	if (i->adsize != 8)
		return MAX_32;
	return i->base == X86_BASE_RIP ? X86_UNBOUNDED : sum_to(b, &s, to, m);
}

static u64 move(const struct x86_bounds *b, const struct x86_insn *i, u8 to,
		struct x86_moves *m)
{
	struct sum s = { .base = source(i), .index = X86_BASE_NONE };

	return s.base == X86_BASE_NONE ? X86_UNBOUNDED : sum_to(b, &s, to, m);
}

/* Of 64 bits, by a constant. */
static u64 shift(const struct x86_bounds *b, const struct x86_insn *i, u8 to)
{
	unsigned n = i->opcode == 0xc1 ? i->imm & 63 : 1;
	u64 was = b->of[to];

	switch (i->modrm >> 3 & 7) {
	case 4: /* SHL */
		return was <= MAX_BOUND && n < 16 ? was << n : X86_UNBOUNDED;
	case 5: /* SHR */
		return n ? ~0ull >> n : was;
	case 7: /* SAR */
		return was;
	default:
		return X86_UNBOUNDED;
	}
}

/* What a destination of 64 bits is bounded by. */
static u64 wide(const struct x86_bounds *b, const struct x86_insn *i, u8 to,
		struct x86_moves *m)
{
	u8 op = i->opcode;

	if (i->map == MAP_0F)
		return op == 0xb6 ? 0xff :
		       op == 0xb7 ? 0xffff :
		       op == 0xbe ? 0x80 :
		       op == 0xbf ? 0x8000 :
				    X86_UNBOUNDED;
	if (op < 0x40 && ((op & 7) == 1 || (op & 7) == 3))
		return with_register(b, i, op >> 3, to, m);
	switch (op) {
	case 0x63: /* MOVSXD */
		return BIT64(31);
	case 0x81:
	case 0x83:
		return with_constant(b, i, i->modrm >> 3 & 7, to, m);
	case 0x89:
	case 0x8b:
		return move(b, i, to, m);
	case 0x8d:
		return lea(b, i, to, m);
	case 0xc1:
	case 0xd1:
		return shift(b, i, to);
	case 0xc7:
		return x86_magnitude((s64)i->imm);
	default:
		return X86_UNBOUNDED;
	}
}

/* Does it write its destination of 32 bits whatever the operands are? Shifts
 * do so unless the count is 0. */
static bool always_writes(const struct x86_insn *i)
{
	u8 op = i->opcode;

	if (i->map == MAP_0F)
		return op == 0xaf || op == 0xb6 || op == 0xb7 || op == 0xbe ||
		       op == 0xbf; /* IMUL, MOVZX, MOVSX */
	if (op < 0x40) /* ADD to XOR */
		return (op & 7) == 1 || (op & 7) == 3;
	switch (op) {
	case 0x63: /* MOVSXD */
	case 0x69: /* IMUL */
	case 0x6b:
	case 0x81: /* ADD to XOR */
	case 0x83:
	case 0x89: /* MOV */
	case 0x8b:
	case 0x8d: /* LEA */
	case 0xc7: /* MOV */
	case 0xf7: /* NOT, NEG */
	case 0xff: /* INC, DEC */
		return true;
	case 0xc1: /* SHL, SHR, SAR, and rotations */
		return (i->imm & 31) != 0;
	case 0xd1:
		return true;
	default:
		return op >= 0xb8 && op <= 0xbf; /* MOV */
	}
}

/* What one of 32 bits is bounded by. */
static u64 narrow(const struct x86_insn *i)
{
	bool group = i->opcode == 0x81 || i->opcode == 0x83;

	if (!always_writes(i))
		return X86_UNBOUNDED;
	if (i->map == MAP_0F)
		return i->opcode == 0xb6 ? 0xff :
		       i->opcode == 0xb7 ? 0xffff :
					   MAX_32;
	if (group && (i->modrm >> 3 & 7) == 4) /* AND */
		return (u32)i->imm;
	return MAX_32;
}

static u64 bound_after(const struct x86_bounds *b, const struct x86_insn *i,
		       u8 to, struct x86_moves *m)
{
	if ((i->map != MAP_1 && i->map != MAP_0F) || (i->attr & IA_VEX))
		return X86_UNBOUNDED;
	if (i->opsize == 4)
		return narrow(i);
	return i->opsize == 8 ? wide(b, i, to, m) : X86_UNBOUNDED;
}

/* Those that name no register: op eAX, constant; CDQE. */
static u64 accumulator_after(const struct x86_bounds *b,
			     const struct x86_insn *i, struct x86_moves *m)
{
	bool sum = i->opcode < 0x40 && (i->opcode & 7) == 5;

	if (i->map != MAP_1 || (i->attr & IA_VEX) ||
	    i->impl_write != BIT(X86_RAX) || (!sum && i->opcode != 0x98))
		return X86_UNBOUNDED;
	if (i->opsize == 4)
		return i->opcode == 0x25 ? (u32)i->imm : MAX_32;
	if (i->opsize != 8)
		return X86_UNBOUNDED;
	return sum ? with_constant(b, i, i->opcode >> 3, X86_RAX, m) :
		     BIT64(31);
}

void x86_bounds_after(struct x86_bounds *b, const struct x86_insn *i,
		      struct x86_moves *m)
{
	u32 written = x86_written(i);
	u8 to = destination(i);
	u64 bound;

	m->to = 0;
	m->count = 0;
	if (to == X86_BASE_NONE && (written & BIT(X86_RAX))) {
		to = X86_RAX;
		bound = accumulator_after(b, i, m);
	} else if (to != X86_BASE_NONE && written == BIT(to)) {
		bound = bound_after(b, i, to, m);
	} else {
		bound = X86_UNBOUNDED;
	}
	for (u32 w = written; w; w &= w - 1)
		b->of[__builtin_ctz(w)] = X86_UNBOUNDED;
	if (to != X86_BASE_NONE && (written & BIT(to)))
		b->of[to] = bound;
}
