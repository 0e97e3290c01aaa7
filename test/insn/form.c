/* SPDX-License-Identifier: Apache-2.0 */
/*
 * form.c - one instruction out of a row: operands, prefixes, bytes.
 *
 * SDM 2A 2.1 "Instruction Format for Protected Mode...", 2.2.1 "REX
 * Prefixes", 2.3 "Intel Advanced Vector Extensions".
 */
#include "gen.h"

void put32(struct gen *g, u32 v)
{
	for (unsigned i = 0; i < 4; i++)
		put8(g, v >> (8 * i) & 0xff);
}

static void put_imm(struct gen *g, u64 v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		put8(g, v >> (8 * i) & 0xff);
}

static void emit_mov(struct gen *g, unsigned reg, u64 v)
{
	if (g->long_mode)
		put8(g, 0x48 | reg >> 3);
	put8(g, 0xb8 | (reg & 7));
	put_imm(g, v, g->long_mode ? 8 : 4);
}

void bind(struct gen *g, unsigned reg, u64 v)
{
	if (!g->seq) {
		if (g->bound >> reg & 1)
			return;
		g->c->in.gpr[reg] = g->long_mode ? v : (u32)v;
		g->bound |= (u16)BIT(reg);
	} else if (!(g->keep >> reg & 1)) {
		emit_mov(g, reg, v);
	}
}

/* A register to name: not one that a sequence relies on. */
static u8 pick_operand(struct gen *g)
{
	u8 r;

	for (unsigned tries = 0;; tries++) {
		r = (u8)below(g, g->long_mode ? 16 : 8);
		if (tries == 6 || !(g->keep >> r & 1))
			return r;
	}
}

static u8 pick_of_set(struct gen *g, u8 set)
{
	u8 n;

	do
		n = (u8)below(g, 8);
	while (!(set >> n & 1));
	return n;
}

static void plan_vex(struct gen *g, struct form *f)
{
	u32 attr = f->row->attr;

	if (!(attr & VEX) || (!(attr & NOLEG) && chance(g, 50)))
		return;
	if (f->pp == NP && attr & MMXV)
		return;
	f->l1 = attr & L1ONLY ? g->at_end || chance(g, 95) :
		attr & L1     ? chance(g, 50) :
				!g->at_end && chance(g, 3);
	if (g->cfg->skip & BIT(f->l1 ? f->row->v256feat : f->row->vfeat))
		return;
	f->vex = true;
	/* VPERMQ, VPERMPD: AMD's processors carry out W0, against the manual;
	 * Doppel follows the manual. */
	if (attr & W1 ? chance(g, attr & L1ONLY ? 100 : 70) :
			!g->at_end && chance(g, 25))
		f->rex |= 8;
	f->vvvv = 0;
	if (attr & NDS || (attr & VSCALAR && !f->mem) ||
	    (!g->at_end && chance(g, 3)))
		f->vvvv = pick_operand(g);
}

static void plan(struct gen *g, struct form *f)
{
	const struct row *row = f->row;
	u32 attr = row->attr;

	f->opcode = (u8)(row->first +
			 below(g, (u32)(row->last - row->first + 1)));
	do
		f->pp = (u8)(1u << below(g, 4));
	while (!(f->pp & row->pp));
	f->reg = row->ext ? pick_of_set(g, row->ext) : pick_operand(g);
	f->rm = pick_operand(g);
	if (row->map == 1 && row->first == 0x01 && row->setup == SU_VARYING)
		f->rm = row->ext == 0x80; /* XGETBV: 0, RDTSCP: 1 */
	f->mem = attr & M && !(attr & REG) && (attr & MEM || chance(g, 60));
	/* 0F 01 has instructions in its register forms that are hidden; the
	 * fences' memory forms want what SU_XSAVE does. */
	if (chance(g, 1) && !(attr & BAD) && !g->at_end && row->first != 0xae &&
	    row->setup != SU_VARYING)
		f->mem = !f->mem && attr & M;
	plan_vex(g, f);
	if (!f->vex && g->long_mode) {
		f->has_rex = chance(g, 25);
		if (chance(g, 40))
			f->rex |= 8;
	}
	f->osz = attr & OSZ && chance(g, 25);
	if (attr & LOCK && f->mem)
		f->lock = chance(g, 25);
	else if (!f->vex && !(attr & BAD) && row->setup != SU_SELECTOR &&
		 !g->at_end && chance(g, 1))
		f->lock = true; /* #UD; but AMD's VERW, MOV CR take it */
	if (attr & REPX && chance(g, 65))
		f->rep = chance(g, 70) ? 0xf3 : 0xf2;
	else if (!row->map && row->setup != SU_LOOP && chance(g, 1))
		f->rep = chance(g, 50) ? 0xf3 : 0xf2;
}

static u8 pp_byte(u8 pp)
{
	return pp == P66 ? 0x66 : pp == PF3 ? 0xf3 : pp == PF2 ? 0xf2 : 0;
}

/* Legacy prefixes, in any order. */
static void emit_prefixes(struct gen *g, const struct form *f)
{
	u8 list[6];
	unsigned n = 0;

	if (f->mem && f->m.seg)
		list[n++] = f->m.seg;
	else if (chance(g, 2))
		list[n++] = 0x3e;
	if (f->mem ? f->m.a32 || f->m.a16 : f->m.a32)
		list[n++] = 0x67;
	if (f->osz)
		list[n++] = 0x66;
	if (f->lock)
		list[n++] = 0xf0;
	if (f->rep)
		list[n++] = f->rep;
	if (!f->vex && f->pp != NP)
		list[n++] = pp_byte(f->pp);
	while (n) {
		unsigned k = below(g, n);

		put8(g, list[k]);
		list[k] = list[--n];
	}
}

static u8 rex_bits(const struct form *f)
{
	u8 rex = f->rex;

	if (f->row->attr & M && f->reg >= 8)
		rex |= 4;
	if (f->mem) {
		if (f->m.base < 16 && f->m.base >= 8)
			rex |= 1;
		if (f->m.index < 16 && f->m.index >= 8)
			rex |= 2;
	} else if (f->rm >= 8) {
		rex |= 1;
	}
	return rex;
}

static void emit_vex(struct gen *g, const struct form *f)
{
	static const u8 map_tab[] = { 0, 1, 2, 3 };
	u8 rex = rex_bits(f);
	u8 pp = f->pp == P66 ? 1 : f->pp == PF3 ? 2 : f->pp == PF2 ? 3 : 0;
	unsigned tail = (~f->vvvv & 15u) << 3 | (unsigned)f->l1 << 2 | pp;

	if (f->row->map == 1 && !(rex & 11) && chance(g, 60)) {
		put8(g, 0xc5);
		put8(g, (rex & 4 ? 0 : 0x80) | tail);
		return;
	}
	put8(g, 0xc4);
	put8(g, (~(unsigned)rex & 7) << 5 | map_tab[f->row->map]);
	put8(g, (rex & 8 ? 0x80 : 0) | tail);
}

static void emit_opcode(struct gen *g, const struct form *f)
{
	static const u8 map_tab[] = { 0, 0, 0x38, 0x3a };
	u8 rex = rex_bits(f);

	if (f->vex) {
		emit_vex(g, f);
	} else {
		if (g->long_mode && (rex || f->has_rex))
			put8(g, 0x40 | rex);
		if (f->row->map)
			put8(g, 0x0f);
		if (f->row->map > 1)
			put8(g, map_tab[f->row->map]);
	}
	put8(g, f->row->attr & OREG ? (f->opcode & 0xf8) | (f->rm & 7) :
				      f->opcode);
}

static void emit_imm(struct gen *g, struct form *f)
{
	u32 attr = f->row->attr;
	u64 v = f->imm_set ? f->imm : chance(g, 50) ? rnd(g) : value_gpr(g);

	if (attr & IZ)
		put_imm(g, v, f->osz && !(f->rex & 8) ? 2 : 4);
	if (attr & IV)
		put_imm(g, v, f->rex & 8 ? 8 : f->osz ? 2 : 4);
	if (attr & IW)
		put_imm(g, v, 2);
	if (attr & IB)
		put_imm(g, attr & IW ? f->imm2 : v, 1);
}

/* Addresses and relative jumps that are no modrm operand. */
static void emit_special(struct gen *g, struct form *f)
{
	switch (f->row->setup) {
	case SU_MOFFS:
		put_imm(g, f->imm, g->long_mode ? (f->m.a32 ? 4 : 8) :
						  (f->m.a32 ? 2 : 4));
		break;
	case SU_REL8:
	case SU_LOOP:
		put8(g, f->imm & 0xff);
		break;
	case SU_RELZ:
		put_imm(g, f->imm, f->osz && !(f->rex & 8) ? 2 : 4);
		break;
	case SU_FARIMM:
		put_imm(g, f->imm, f->osz ? 2 : 4);
		put_imm(g, f->imm >> 32, 2);
		break;
	default:
		break;
	}
}

/* What of the result is the processor's model, or the time, or chance. */
static void emit_varying(struct gen *g, const struct form *f)
{
	bool one = f->row->attr & REG && f->row->map == 1 &&
		   f->opcode == 0xc7;
	u16 list = one ? (u16)BIT(f->rm) :
			 BIT(RAX) | BIT(RCX) | BIT(RDX) |
				 (f->opcode == 0xa2 ? BIT(RBX) : 0);

	if (one) /* STC: RDRAND and RDSEED may have none at the moment */
		put8(g, 0xf9);
	for (unsigned r = 0; r < 16; r++)
		if (list >> r & 1)
			emit_mov(g, r, value_gpr(g));
}

void form_emit(struct gen *g, const struct row *row)
{
	struct form f = { .row = row };

	plan(g, &f);
	if ((row->attr & NOLEG && !f.vex) ||
	    (row->setup == SU_VARYING && g->at_end)) {
		put8(g, 0x90); /* a feature that is left out */
		return;
	}
	setup_before(g, &f);
	if (row->setup == SU_VSIB)
		mem_plan_vsib(g, &f.m, f.opcode & 1);
	else if (f.mem)
		mem_plan(g, row, &f.m);
	else
		f.m = (struct mem){ .base = NO_REG, .index = NO_REG,
				    .a32 = chance(g, 3) };
	setup_after(g, &f);

	g->rip_disp = NULL;
	emit_prefixes(g, &f);
	emit_opcode(g, &f);
	if (row->attr & M) {
		if (f.mem)
			mem_emit(g, &f.m, f.reg);
		else
			put8(g, 0xc0 | (f.reg & 7u) << 3 | (f.rm & 7u));
	}
	emit_imm(g, &f);
	emit_special(g, &f);
	if (row->setup == SU_VARYING)
		emit_varying(g, &f);
	if (g->rip_disp) {
		u32 disp = g->rip_target - here(g);

		memcpy(g->rip_disp, &disp, 4);
	}
}
