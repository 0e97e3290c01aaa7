/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.c - values that find mistakes: edges of integers and of floating-point
 * formats, addresses, and plain noise.
 */
#include "gen.h"

static u64 edge(struct gen *g)
{
	static const u64 edge_tab[] = {
		0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 0x7f, 0x80, 0xff,
		0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, 0x7fffffffffffffff,
		0x8000000000000000, 0xffffffff80000000, 0xffffffffffffffff,
		0xfffffffffffffffe, 0x5555555555555555, 0x9999999999999999,
	};

	return edge_tab[below(g, ARRAY_LEN(edge_tab))];
}

u64 value_gpr(struct gen *g)
{
	switch (below(g, 8)) {
	case 0:
	case 1:
		return edge(g);
	case 2:
		return below(g, 256);
	case 3:
		return pick_data(g, chance(g, 50));
	case 4:
		return rnd(g) >> below(g, 64);
	case 5:
		return ~(rnd(g) >> below(g, 64));
	default:
		return rnd(g);
	}
}

static u32 float32(struct gen *g)
{
	static const u32 f32_tab[] = {
		0, 0x80000000, 0x3f800000, 0xbf800000, 0x40000000, 0x3f000000,
		0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001,
		0x7fa00000, 1, 0x80000001, 0x7fffff, 0x800000, 0x7f7fffff,
		0x4f000000, 0xcf000000, 0x5f000000, 0x3fc00000, 0x33800000,
	};

	switch (below(g, 4)) {
	case 0:
		return (u32)rnd(g);
	case 1: /* near one */
		return 0x3f800000 + ((u32)rnd(g) & 0x03ffffff);
	default:
		return f32_tab[below(g, ARRAY_LEN(f32_tab))];
	}
}

static u64 float64(struct gen *g)
{
	static const u64 f64_tab[] = {
		0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
		0x4000000000000000, 0x3fe0000000000000, 0x7ff0000000000000,
		0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000000,
		0x7ff0000000000001, 0x7ff4000000000000, 1, 0x000fffffffffffff,
		0x0010000000000000, 0x7fefffffffffffff, 0x41e0000000000000,
		0x43e0000000000000, 0xc3e0000000000000, 0x47f0000000000000,
		0x36a0000000000000, 0x3ff8000000000000,
	};

	switch (below(g, 4)) {
	case 0:
		return rnd(g);
	case 1:
		return 0x3ff0000000000000 + (rnd(g) & 0x007fffffffffffff);
	default:
		return f64_tab[below(g, ARRAY_LEN(f64_tab))];
	}
}

void value_vector(struct gen *g, u8 *to, unsigned bytes)
{
	unsigned flavour = below(g, 8);

	for (unsigned i = 0; i + 8 <= bytes; i += 8) {
		u64 v;

		switch (flavour) {
		case 0:
		case 1:
			v = float32(g) | (u64)float32(g) << 32;
			break;
		case 2:
		case 3:
			v = float64(g);
			break;
		case 4:
			v = edge(g);
			break;
		case 5:
			v = 0x0101010101010101 * (rnd(g) & 0xff);
			break;
		default:
			v = rnd(g);
		}
		memcpy(to + i, &v, 8);
	}
}

/* All exceptions masked, mostly: one unmasked ends many a sequence. */
u32 value_mxcsr(struct gen *g)
{
	u32 v = 0x1f80;

	if (chance(g, 40))
		v |= (u32)rnd(g) & 0xe07f; /* FTZ, RC, flags, DAZ */
	if (chance(g, 8))
		v &= ~((u32)rnd(g) & 0x1f80);
	return v;
}

static void value_st(struct gen *g, u8 *st)
{
	static const u16 exponent_tab[] = {
		0, 1, 0x3fff, 0x3ffe, 0x4000, 0x403e, 0x403f, 0x43ff, 0x7ffe,
		0x7fff, 0xbfff, 0xc03e, 0xffff, 0x8000, 0x3f80, 0x3c00,
	};
	u64 m = chance(g, 50) ? rnd(g) : 0;
	u16 e = exponent_tab[below(g, ARRAY_LEN(exponent_tab))];

	if (chance(g, 10))
		e = (u16)rnd(g);
	if (chance(g, 30))
		m = edge(g);
	/* Unnormals and pseudo-denormals only now and then. */
	if ((e & 0x7fff) && !chance(g, 8))
		m |= 0x8000000000000000;
	if (chance(g, 15)) { /* MMX values */
		m = rnd(g);
		e = 0xffff;
	}
	memcpy(st, &m, 8);
	memcpy(st + 8, &e, 2);
}

/* SDM 1 10.5.1 "FXSAVE Area"; TW abridged: one bit for a full register. */
void value_x87(struct gen *g, u8 *fx)
{
	u16 cw = 0x037f, sw = 0;
	u8 tw = 0xff;

	if (chance(g, 30))
		cw = (u16)(0x7f | (rnd(g) & 0x0f00));
	if (chance(g, 8))
		cw &= (u16) ~(rnd(g) & 0x3f);
	if (chance(g, 40))
		sw = (u16)(rnd(g) & 0x7f00); /* TOP and condition codes */
	if (chance(g, 10))
		sw |= (u16)(rnd(g) & 0x7f);
	/* ES and B follow from what is not masked. */
	if (sw & ~cw & 0x3f)
		sw |= 0x8080;
	else
		sw &= (u16)~0x8080;
	if (chance(g, 40))
		tw = (u8)rnd(g);
	else if (chance(g, 20))
		tw = 0;
	memcpy(fx + XSAVE_X87_CW, &cw, 2);
	memcpy(fx + XSAVE_X87_SW, &sw, 2);
	fx[XSAVE_X87_TW] = tw;
	for (unsigned i = 0; i < 8; i++)
		value_st(g, fx + XSAVE_ST + 16 * i);
}

static u64 value_flags(struct gen *g)
{
	u64 v = 2 | FL_IF_;

	v |= rnd(g) & FL_ARITH_;
	if (chance(g, 12))
		v |= FL_DF_;
	return v;
}

void value_state(struct gen *g)
{
	struct state *s = &g->c->in;
	u32 mxcsr = value_mxcsr(g);
	bool upper = chance(g, 60) || g->no_init;
	u64 present = 7;

	for (unsigned r = 0; r < 16; r++) {
		if (!(g->bound >> r & 1))
			s->gpr[r] = value_gpr(g);
		if (!g->long_mode)
			s->gpr[r] = r < 8 ? (u32)s->gpr[r] : 0;
	}
	s->rflags = value_flags(g);
	value_x87(g, s->xsave);
	memcpy(s->xsave + XSAVE_MXCSR, &mxcsr, 4);
	for (unsigned i = 0; i < 16; i++) {
		if (g->vbound >> i & 1)
			continue;
		value_vector(g, s->xsave + XSAVE_XMM + 16 * i, 16);
		if (upper)
			value_vector(g, s->xsave + XSAVE_YMM + 16 * i, 16);
	}
	memcpy(s->xsave + XSAVE_HEADER, &present, 8);
}
