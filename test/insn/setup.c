/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setup.c - what instructions need beyond their named operands: stacks,
 * counts, divisors that do not always fault, images to restore from.
 *
 * Everything here only makes the interesting outcome likely. A setup that
 * comes to nothing, because a register was already taken or the operand is
 * not where it was meant to be, is as good a test as any.
 */
#include "gen.h"

u32 pick_code(struct gen *g)
{
	if (chance(g, 88)) /* INT3 there, see runner.c */
		return g->c->code_at + 24 + below(g, 60);
	if (chance(g, 50))
		return pick_data(g, false); /* not executable */
	return CODE_AREA(below(g, CODE_AREAS)) + below(g, PAGE_BYTES);
}

/* Selectors that mean the same in a guest as in a Linux process. */
static u16 pick_selector(struct gen *g)
{
	static const u16 sel_tab[] = { 0, 1, 3, 0x2b, 0x28, 0x2a, 0x23, 0x33,
				       0x2b, 0x63, 0x60, 0x10, 0x1b, 0x8 };

	return sel_tab[below(g, ARRAY_LEN(sel_tab))];
}

static u64 pick_flags(struct gen *g)
{
	u64 v = rnd(g) & 0x3fffff & ~(u64)(FL_TF_ | 1 << 18);

	if (!chance(g, 10))
		v &= ~(u64)(1 << 14);
	return v;
}

/* Its linear address. */
static u32 stack_top(const struct gen *g)
{
	return (u32)g->c->in.gpr[RSP] + selector_base(g, g->c->in.ss);
}

/* One stack slot of the instruction's size. */
static unsigned slot(const struct gen *g, const struct form *f, bool near_op)
{
	if (f->osz && !(f->rex & 8))
		return 2;
	if (g->long_mode && (near_op || f->rex & 8))
		return 8;
	return 4;
}

static void setup_stack(struct gen *g, struct form *f)
{
	u32 at;
	u64 v;

	if (g->seq) {
		if (f->row->setup == SU_POPF) {
			put8(g, 0x68);
			put32(g, (u32)pick_flags(g));
			f->osz = false;
		}
		return;
	}
	bind(g, RSP, pick_stack(g));
	at = stack_top(g);
	switch (f->row->setup) {
	case SU_RET:
		v = pick_code(g);
		if (chance(g, 3))
			v = rnd(g);
		put_data(at, &v, slot(g, f, true));
		break;
	case SU_POPF:
		v = pick_flags(g);
		put_data(at, &v, slot(g, f, true));
		break;
	case SU_POPSREG:
		v = pick_selector(g);
		put_data(at, &v, slot(g, f, true));
		break;
	default:
		break;
	}
}

/*
 * For the two pushes of a far call: whether the first one is done when the
 * second one faults is the processor's own affair. Doppel checks both first.
 */
static void setup_far_call(struct gen *g)
{
	u32 sp = pick_stack(g);

	if (!data_writable(sp + selector_base(g, g->c->in.ss) - 16, 16))
		sp = sp & ~(PAGE_BYTES - 1);
	bind(g, RSP, sp);
}

/* Far returns: to 32- or 64-bit code. */
static void setup_far_return(struct gen *g, struct form *f)
{
	unsigned n = slot(g, f, false);
	u32 at;
	u64 v;

	bind(g, RSP, pick_stack(g));
	at = stack_top(g);
	v = pick_code(g);
	put_data(at, &v, n);
	v = chance(g, 85) ? (chance(g, 50) ? SEL_USER64 : SEL_USER32_) :
			    pick_selector(g);
	put_data(at + n, &v, n);
	if (f->row->setup != SU_IRET)
		return;
	v = pick_flags(g);
	put_data(at + 2 * n, &v, n);
	if (!g->long_mode)
		return;
	v = value_gpr(g);
	put_data(at + 3 * n, &v, n);
	v = chance(g, 85) ? SEL_USER_DATA_ : pick_selector(g);
	put_data(at + 4 * n, &v, n);
}

static void setup_string(struct gen *g)
{
	u32 from = pick_data(g, chance(g, 30));
	u32 to = pick_data(g, chance(g, 30));

	if (chance(g, 35))
		to = from + below(g, 96) - 48;
	bind(g, RSI, from - selector_base(g, g->c->in.ds));
	bind(g, RDI, to - selector_base(g, g->c->in.es));
	if (chance(g, 65))
		bind(g, RCX, below(g, 40));
	else if (chance(g, 70))
		bind(g, RCX, below(g, 3000));
}

static void setup_div(struct gen *g)
{
	u64 dividend = rnd(g) >> below(g, 64);

	if (chance(g, 60))
		bind(g, RAX, dividend);
	else
		bind(g, RAX, below(g, 0x8000));
	if (chance(g, 60))
		bind(g, RDX, 0);
	else if (chance(g, 50))
		bind(g, RDX, ~0ull);
	else
		bind(g, RDX, rnd(g) >> below(g, 64));
}

/* To the filling before or behind the instruction, seldom to anywhere. */
static u64 pick_rel(struct gen *g, bool wide)
{
	u64 v = chance(g, 70) ? below(g, 100) : 0 - (u64)(20 + below(g, 100));

	if (wide && chance(g, 30))
		v = below(g, 9000) - 4500;
	if (wide && chance(g, 8))
		v = rnd(g);
	return v;
}

/* Near branches of 16 bits: see is_narrow_branch(). */
static bool may_be_narrow(const struct gen *g)
{
	return !g->long_mode;
}

static void setup_frame(struct gen *g, struct form *f)
{
	bind(g, RSP, pick_stack(g));
	bind(g, RBP, pick_stack(g));
	f->imm_set = true;
	f->imm = chance(g, 80) ? below(g, 300) : rnd(g);
	f->imm2 = (u8)(chance(g, 70) ? below(g, 4) : rnd(g));
}

void setup_before(struct gen *g, struct form *f)
{
	switch (f->row->setup) {
	case SU_RET:
		f->osz = f->osz && may_be_narrow(g);
		__attribute__((fallthrough));
	case SU_STACK:
	case SU_POPF:
	case SU_POPSREG:
	case SU_POPA:
		setup_stack(g, f);
		break;
	case SU_RETF:
		/* With a large immediate processors look at the new stack
		 * before they look at the selector. */
		f->imm_set = true;
		f->imm = below(g, 256);
		__attribute__((fallthrough));
	case SU_IRET:
		setup_far_return(g, f);
		break;
	case SU_STRING:
		setup_string(g);
		break;
	case SU_DIV:
		setup_div(g);
		break;
	case SU_XLAT:
		bind(g, RBX, pick_data(g, false) - below(g, 256));
		break;
	case SU_MASKMOV:
		bind(g, RDI, pick_data(g, false));
		break;
	case SU_FRAME:
		setup_frame(g, f);
		break;
	case SU_LOOP:
		bind(g, RCX, chance(g, 60) ? below(g, 4) : rnd(g));
		f->imm = pick_rel(g, false);
		break;
	case SU_REL8:
		f->imm = pick_rel(g, false);
		break;
	case SU_RELZ:
		f->osz = may_be_narrow(g) && chance(g, 12);
		f->imm = pick_rel(g, true);
		bind(g, RSP, pick_stack(g));
		break;
	case SU_JMPIND:
		f->osz = may_be_narrow(g) && chance(g, 12);
		bind(g, RSP, pick_stack(g));
		break;
	case SU_FARIMM:
		setup_far_call(g);
		f->imm = pick_code(g) | (chance(g, 80) ? (u64)SEL_USER32_ :
					 chance(g, 60) ? SEL_USER64 :
							 pick_selector(g))
						<< 32;
		break;
	case SU_FARMEM:
		setup_far_call(g);
		break;
	case SU_VARYING:
		if (f->row->attr & REG && f->opcode == 0x01)
			bind(g, RCX, 0); /* XCR0 */
		break;
	case SU_XSAVE:
		/* Whether the processor notices that state is initial is its
		 * own affair, and changes from run to run. */
		g->no_init = true;
		__attribute__((fallthrough));
	case SU_XRSTOR:
		/* Not more components than a guest is shown. */
		bind(g, RAX, rnd(g) & 7);
		bind(g, RDX, 0);
		break;
	case SU_INT:
		f->imm_set = true;
		do
			f->imm = rnd(g) & 0xff;
		while (f->imm == 0x80);
		break;
	case SU_MOFFS:
		f->imm = pick_data(g, false);
		if (chance(g, 3))
			f->imm = rnd(g);
		break;
	case SU_BT:
		if (chance(g, 85))
			bind(g, f->reg, (u64)below(g, 1200) - 600);
		break;
	default:
		break;
	}
}

/* --- after the operands are known --- */

static void put_vectors(struct gen *g, u32 at, unsigned bytes)
{
	u8 v[16];

	for (unsigned i = 0; i < bytes; i += 16) {
		value_vector(g, v, 16);
		put_data(at + i, v, 16);
	}
}

static void put_fx(struct gen *g, u32 at)
{
	u8 fx[512];
	u32 mxcsr = chance(g, 90) ? value_mxcsr(g) : (u32)rnd(g);

	memset(fx, 0, sizeof(fx));
	value_x87(g, fx);
	memcpy(fx + XSAVE_MXCSR, &mxcsr, 4);
	put_data(at, fx, sizeof(fx));
	put_vectors(g, at + XSAVE_XMM, 256);
}

/*
 * SDM 1 13.4.2 "XSAVE Header": standard or compacted. Invalid bits are some
 * that no processor lets a user set, whatever it has.
 */
static void put_xsave(struct gen *g, u32 at)
{
	u64 header[8] = { rnd(g) & 7 };

	put_fx(g, at);
	if (chance(g, 30)) {
		header[1] = BIT(63) | header[0] | (rnd(g) & 7);
	} else if (chance(g, 10)) {
		header[below(g, 8)] |= BIT(61);
	}
	put_data(at + XSAVE_HEADER, header, sizeof(header));
	put_vectors(g, at + XSAVE_YMM, 256);
}

static void put_env(struct gen *g, u32 at, bool narrow)
{
	u32 cw = chance(g, 80) ? 0x37f : (u32)rnd(g) & 0xffff;
	u32 sw = (u32)rnd(g) & 0x7f00;

	if (chance(g, 10))
		sw = (u32)rnd(g);
	put_data(at, &cw, 2);
	put_data(at + (narrow ? 2 : 4), &sw, 2);
}

static void put_cmpxchg(struct gen *g, const struct form *f)
{
	u64 v = g->c->in.gpr[RAX];

	if (f->m.aimed && chance(g, 50) && g->bound & BIT(RAX))
		put_u64(f->m.target, v);
}

static void put_cmpxchg8b(struct gen *g, struct form *f)
{
	unsigned n = f->rex & 8 ? 8 : 4;

	if (n == 8 && chance(g, 90) && !g->seq) {
		/* Aligned, which CMPXCHG16B insists on; see solve(). */
		f->m.aimed = f->m.aimed && !(f->m.target & 15);
	}
	if (!f->m.aimed || g->seq || chance(g, 40))
		return;
	bind(g, RAX, rnd(g));
	bind(g, RDX, rnd(g));
	put_data(f->m.target, &g->c->in.gpr[RAX], n);
	put_data(f->m.target + n, &g->c->in.gpr[RDX], n);
}

/* An operand that is data: in the register, or in memory. */
static void set_operand(struct gen *g, struct form *f, u64 v, unsigned bytes)
{
	if (!f->mem)
		bind(g, f->rm, v);
	else if (f->m.aimed)
		put_data(f->m.target, &v, bytes);
}

static void put_farptr(struct gen *g, const struct form *f)
{
	u64 v = pick_selector(g);
	unsigned n = f->osz ? 2 : 4;

	if (f->rex & 8 && chance(g, 50)) /* vendors differ */
		n = 8;
	put_data(f->m.target + n, &v, 2);
}

static void put_far_target(struct gen *g, struct form *f)
{
	unsigned n = f->osz ? 2 : 4;
	u64 to = pick_code(g);
	u64 sel = chance(g, 90) ? (chance(g, 50) ? SEL_USER64 : SEL_USER32_) :
				  pick_selector(g);

	f->rex &= (u8)~8u; /* vendors differ */
	if (!f->m.aimed)
		return;
	put_data(f->m.target, &to, n);
	put_data(f->m.target + n, &sel, 2);
}

static void put_bounds(struct gen *g, const struct form *f)
{
	u32 v = (u32)g->c->in.gpr[f->reg];
	u32 low = v - below(g, 10), high = v + below(g, 10);
	unsigned n = f->osz ? 2 : 4;

	if (!(g->bound >> f->reg & 1) || chance(g, 20))
		return;
	put_data(f->m.target, &low, n);
	put_data(f->m.target + n, &high, n);
}

/*
 * DEVIATES: a CALL to a non-canonical address has pushed when Doppel raises
 * #GP, and RIP is the target. excuse.c cannot hide the push.
 */
static bool may_be_call(const struct gen *g, const struct form *f)
{
	if (!g->long_mode)
		return true;
	return f->mem ? f->m.aimed && data_writable(f->m.target, 8) :
			!(g->bound >> f->rm & 1);
}

void setup_after(struct gen *g, struct form *f)
{
	u64 v;

	switch (f->row->setup) {
	case SU_JMPIND:
		if (f->reg == 2 && !may_be_call(g, f))
			f->reg = 4;
		v = chance(g, 97) || f->reg == 2 ? pick_code(g) : rnd(g);
		set_operand(g, f, v, g->long_mode ? 8 : 4);
		break;
	case SU_SREG:
	case SU_SELECTOR:
		set_operand(g, f, pick_selector(g), 2);
		break;
	case SU_FSGS:
		v = rnd(g);
		if (!chance(g, 5))
			v = (u64)((s64)(v << 16) >> 16);
		bind(g, f->rm, v);
		break;
	case SU_CMPX:
		put_cmpxchg(g, f);
		break;
	case SU_CX8:
		put_cmpxchg8b(g, f);
		break;
	case SU_FXRSTOR:
		if (f->m.aimed)
			put_fx(g, f->m.target);
		break;
	case SU_XRSTOR:
		if (f->m.aimed)
			put_xsave(g, f->m.target);
		break;
	case SU_LDMXCSR:
		v = chance(g, 90) ? value_mxcsr(g) : rnd(g);
		set_operand(g, f, v, 4);
		break;
	case SU_FLDENV:
		if (f->m.aimed)
			put_env(g, f->m.target, f->osz);
		break;
	case SU_FARPTR:
		put_farptr(g, f);
		break;
	case SU_FARMEM:
		put_far_target(g, f);
		break;
	case SU_BOUND:
		bind(g, f->reg, rnd(g));
		put_bounds(g, f);
		break;
	default:
		break;
	}
}
