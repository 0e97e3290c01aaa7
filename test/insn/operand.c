/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operand.c - memory operands: where they point, and every way to say so.
 *
 * The address is chosen first (mostly data, often at the end of a page), then
 * the form of the operand, and then the registers are made to fit.
 */
#include "gen.h"

/* Boundaries of pages, by what is before and behind. */
static u32 pick_edge(struct gen *g)
{
	static const u8 edge_tab[] = { 1, 2, 2, 2, 3, 4, 5, 5, 6, 7, 9, 10, 11 };
	static const u8 back_tab[] = { 0, 1, 2, 3, 4, 6, 7, 8, 10, 12, 15, 16,
				       24, 31, 32, 48, 64 };
	u32 at = DATA_PAGE(edge_tab[below(g, sizeof(edge_tab))]);

	if (chance(g, 50))
		return at - back_tab[below(g, sizeof(back_tab))];
	return at - below(g, 80) + below(g, 8);
}

u32 pick_data(struct gen *g, bool aligned)
{
	static const u8 page_tab[] = { 1, 1, 2, 2, 4, 6, 5, 9, 10 };
	u32 at;

	if (chance(g, 25)) {
		at = pick_edge(g);
	} else {
		at = DATA_PAGE(page_tab[below(g, sizeof(page_tab))]);
		at += below(g, PAGE_BYTES - 64);
	}
	if (aligned && chance(g, 85))
		at &= ~(chance(g, 50) ? 63u : 15u);
	return at;
}

u32 pick_stack(struct gen *g)
{
	u32 base = selector_base(g, g->c->in.ss);

	if (base) /* a small segment, whose end is as good as a page's */
		return chance(g, 70) ? DATA_PAGE(2) - 8 * below(g, 200) - base :
				       below(g, g->cfg->tls_limit + 64);
	if (chance(g, 80))
		return STACK_LOW + 1024 + (below(g, 6000) & ~7u);
	if (chance(g, 60))
		return DATA_PAGE(9 + below(g, 3)) - 16 + below(g, 40);
	return pick_data(g, false);
}

bool data_writable(u32 at, u32 bytes)
{
	return at >= DATA && data_page_rw((at - DATA) / PAGE_BYTES) &&
	       data_page_rw((at + bytes - 1 - DATA) / PAGE_BYTES);
}

void put_data(u32 at, const void *from, u32 bytes)
{
	const u8 *f = from;

	for (u32 i = 0; i < bytes; i++)
		if (data_writable(at + i, 1))
			*(volatile u8 *)(uintptr_t)(at + i) = f[i];
}

static u8 pick_seg(struct gen *g)
{
	static const u8 flat_tab[] = { 0x26, 0x2e, 0x36, 0x3e };

	if (chance(g, 12))
		return chance(g, 70) ? 0x64 : 0x65;
	if (chance(g, 6))
		return flat_tab[below(g, 4)];
	return 0;
}

u32 selector_base(const struct gen *g, u16 sel)
{
	return !g->long_mode && sel == SEL_TLS ? g->cfg->tls_base : 0;
}

/* Without a prefix DS: who is with RBP or RSP will see. */
static u64 seg_base(const struct gen *g, const struct mem *m)
{
	const struct state *s = &g->c->in;

	if (g->long_mode)
		return m->seg == 0x64 ? s->fs_base :
		       m->seg == 0x65 ? s->gs_base : 0;
	switch (m->seg) {
	case 0x26:
		return selector_base(g, s->es);
	case 0x2e:
		return 0;
	case 0x36:
		return selector_base(g, s->ss);
	case 0x64:
		return selector_base(g, s->fs);
	case 0x65:
		return selector_base(g, s->gs);
	default:
		return selector_base(g, s->ds);
	}
}

static u8 pick_reg(struct gen *g)
{
	return (u8)below(g, g->long_mode ? 16 : 8);
}

static void pick_regs(struct gen *g, struct mem *m)
{
	if (g->seq) {
		m->base = g->pointers[below(g, 3)];
		if (chance(g, 20))
			m->index = g->small;
		return;
	}
	if (!chance(g, 10))
		m->base = pick_reg(g);
	if (chance(g, 40))
		m->index = pick_reg(g);
	if (m->index == RSP)
		m->index = NO_REG;
}

static u64 index_value(struct gen *g, const struct mem *m)
{
	u64 *v;

	if (m->index == NO_REG)
		return 0;
	v = &g->c->in.gpr[m->index];
	if (!g->seq && !(g->bound >> m->index & 1)) {
		*v = chance(g, 75) ? below(g, 300) : rnd(g);
		if (!g->long_mode)
			*v = (u32)*v;
		g->bound |= BIT(m->index);
	}
	return *v;
}

/* Registers and displacement such that they add up to @want. */
static void solve(struct gen *g, struct mem *m, u64 want)
{
	bool narrow = m->a32 || !g->long_mode;
	u64 rest;

	if (m->base != NO_REG && m->base == m->index && !g->seq &&
	    !(g->bound >> m->base & 1)) {
		/* r + r * scale: the displacement takes the remainder. */
		u32 n = 1 + (1u << m->scale);

		want -= (u64)(s64)m->disp;
		m->disp += (s32)((u32)want % n);
		m->disp_bytes = 4;
		bind(g, m->base, (u32)want / n);
		return;
	}
	rest = want - (index_value(g, m) << m->scale);
	if (m->base == NO_REG || g->seq || g->bound >> m->base & 1) {
		if (m->base != NO_REG)
			rest -= g->c->in.gpr[m->base];
		m->disp_bytes = 4;
		m->disp = (s32)rest;
		if (m->disp == (s8)m->disp && m->base != NO_REG)
			m->disp_bytes = 1;
		m->aimed = narrow || (u64)(s64)m->disp == rest;
		return;
	}
	rest -= (u64)(s64)m->disp;
	if (narrow)
		rest = (u32)rest | (g->long_mode ? rnd(g) << 32 : 0);
	bind(g, m->base, rest);
}

/* 16-bit addresses lead nowhere but through a segment with a base. */
static void plan_a16(struct gen *g, struct mem *m)
{
	m->a16 = (u8)(1 + below(g, 8));
	m->disp_bytes = (u8)(2 * below(g, 2));
	if (m->a16 == 7 && !m->disp_bytes)
		m->disp_bytes = 2;
	m->disp = (s32)below(g, 4096);
	if (chance(g, 80))
		m->seg = 0x64;
}

void mem_plan(struct gen *g, const struct row *row, struct mem *m)
{
	u32 form = below(g, 100);
	u64 want;

	memset(m, 0, sizeof(*m));
	m->base = m->index = NO_REG;
	m->aimed = true;
	m->target = pick_data(g, row->attr & ALIGN);
	m->seg = pick_seg(g);
	m->a32 = g->long_mode && chance(g, 8);
	if (!g->long_mode && chance(g, 4)) {
		m->aimed = false;
		plan_a16(g, m);
		return;
	}
	want = m->target - seg_base(g, m);
	if (g->long_mode && form < 15) {
		m->base = RIP_BASE;
		m->disp_bytes = 4;
		m->aimed = !m->seg;
		return;
	}
	if (form < 22 && want == (u64)(s64)(s32)want) {
		m->disp_bytes = 4;
		m->disp = (s32)want;
		m->sib = g->long_mode || chance(g, 30);
		return;
	}
	pick_regs(g, m);
	m->scale = (u8)below(g, 4);
	m->sib = chance(g, 10);
	switch (below(g, 3)) {
	case 1:
		m->disp_bytes = 1;
		m->disp = (s8)rnd(g);
		break;
	case 2:
		m->disp_bytes = 4;
		m->disp = chance(g, 50) ? (s32)rnd(g) : (s32)below(g, 4096);
		break;
	}
	if (g->seq && chance(g, 50)) {
		/* Where pointer and number lead, and nearby. */
		m->disp_bytes = (u8)below(g, 2);
		m->disp = m->disp_bytes ? (s8)(below(g, 64) - 32) : 0;
		m->aimed = false;
		m->seg = 0;
		if (m->index == NO_REG)
			m->scale = 0;
		return;
	}
	/* Bits that nobody can map, once in a while. */
	if (chance(g, 2))
		want = rnd(g);
	solve(g, m, want);
}

static void put_index(struct gen *g, u8 *lanes, bool wide)
{
	unsigned bytes = wide ? 8 : 4;

	for (unsigned i = 0; i < 16; i += bytes) {
		s64 v = chance(g, 97) ? (s64)below(g, 500) - 100 :
					(s64)rnd(g) >> below(g, 40);

		memcpy(lanes + i, &v, bytes);
	}
}

void mem_plan_vsib(struct gen *g, struct mem *m, bool wide)
{
	memset(m, 0, sizeof(*m));
	m->target = pick_data(g, false);
	m->base = pick_reg(g);
	m->index = pick_reg(g);
	m->scale = (u8)below(g, 4);
	m->sib = true;
	m->disp_bytes = (u8)below(g, 2);
	if (m->disp_bytes)
		m->disp = (s8)rnd(g);
	m->a32 = g->long_mode && chance(g, 8);
	bind(g, m->base, m->target - (u64)(s64)m->disp);
	put_index(g, g->c->in.xsave + XSAVE_XMM + 16 * m->index, wide);
	put_index(g, g->c->in.xsave + XSAVE_YMM + 16 * m->index, wide);
	g->vbound |= (u16)BIT(m->index);
}

static void put_disp(struct gen *g, s32 disp, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		put8(g, (u32)disp >> (8 * i) & 0xff);
}

void mem_emit(struct gen *g, const struct mem *m, unsigned reg)
{
	unsigned r = (reg & 7) << 3, mod, bytes = m->disp_bytes;
	bool sib;

	if (m->a16) {
		put8(g, (bytes ? 0x80 : 0) | r | (m->a16 - 1u));
		put_disp(g, m->disp, bytes);
		return;
	}
	if (m->base == RIP_BASE) {
		put8(g, r | 5);
		g->rip_disp = g->p;
		g->rip_target = m->target;
		put32(g, 0);
		return;
	}
	if (m->base == NO_REG) {
		if (m->index == NO_REG && !m->sib) {
			put8(g, r | 5); /* 32-bit code only */
		} else {
			put8(g, r | 4);
			put8(g, (unsigned)m->scale << 6 |
					(m->index == NO_REG ? 4 : m->index & 7) << 3 |
					5);
		}
		put_disp(g, m->disp, 4);
		return;
	}
	if (!bytes && (m->base & 7) == 5)
		bytes = 1;
	mod = bytes == 0 ? 0 : bytes == 1 ? 0x40 : 0x80;
	sib = m->sib || m->index != NO_REG || (m->base & 7) == 4;
	put8(g, mod | r | (sib ? 4 : m->base & 7));
	if (sib)
		put8(g, (unsigned)m->scale << 6 |
				(m->index == NO_REG ? 4 : m->index & 7) << 3 |
				(m->base & 7));
	put_disp(g, m->disp, bytes);
}
