/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen.c - a case from its number.
 */
#include "gen.h"

/* SplitMix64: any number will do as a state. */
u64 rnd(struct gen *g)
{
	u64 z = g->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

unsigned row_count(void)
{
	return rows_int_count + rows_vec_count;
}

const struct row *row_at(unsigned n)
{
	return n < rows_int_count ? &rows_int[n] :
				    &rows_vec[n - rows_int_count];
}

bool row_fits(const struct gen *g, const struct row *row)
{
	if (row->attr & (g->long_mode ? ONLY32 : ONLY64))
		return false;
	if (g->cfg->skip & BIT(row->feat))
		return false;
	if (row->attr & NOLEG && g->cfg->skip & BIT(FEAT_AVX))
		return false;
	return true;
}

/* Any row that has all attributes of @want. */
const struct row *row_pick(struct gen *g, u32 want)
{
	for (;;) {
		const struct row *row;

		/* Integer rows are fewer, and where the trouble is. */
		row = row_at(chance(g, 60) ? below(g, rows_int_count) :
					     below(g, row_count()));
		if (!row_fits(g, row) || (row->attr & want) != want)
			continue;
		if (row->attr & BAD && !chance(g, 5))
			continue;
		return row;
	}
}

/* All rows get their share whatever their neighbours are. */
static void row_gen(struct gen *g, u64 number)
{
	const struct row *row;

	if (g->cfg->row)
		row = row_at((g->cfg->row - 1) % row_count());
	else
		row = row_at((u32)(number % row_count()));
	if (!row_fits(g, row))
		row = row_pick(g, 0);
	g->c->what = row->name;
	form_emit(g, row);
}

static enum kind pick_kind(struct gen *g)
{
	static const u8 share_tab[KIND_COUNT] = { 34, 26, 8, 20, 8, 4 };
	u32 kinds = g->cfg->kinds ? g->cfg->kinds : ~0u;

	for (;;) {
		u32 n = below(g, 100);
		unsigned k = 0;

		while (n >= share_tab[k])
			n -= share_tab[k++];
		if (kinds & BIT(k))
			return (enum kind)k;
	}
}

/*
 * Within two pages, sometimes at the end of the first or of the second. Raw
 * bytes are never cut off by an absent page, and what is knows no undefined
 * forms (.at_end): how many bytes of such an instruction a processor wants
 * before it says so is its own affair.
 */
static void place_code(struct gen *g, u64 number, bool raw)
{
	u32 first = CODE_AREA(number % CODE_AREAS) + PAGE_BYTES;
	u32 at = below(g, CODE_AREA_BYTES - CODE_MAX);

	if (chance(g, 15))
		at = PAGE_BYTES - 1 - below(g, 40);
	else if (!raw && chance(g, 5))
		at = CODE_AREA_BYTES - 1 - below(g, 24);
	g->at_end = at > CODE_AREA_BYTES - CODE_MAX;
	g->c->code_at = first + at;
}

void gen_case(const struct gen_config *cfg, u64 number, struct icase *c)
{
	struct gen g = { .cfg = cfg, .c = c };
	enum kind kind;
	u32 end;

	g.random = cfg->seed * 0x2545f4914f6cdd1d ^ number * 0x9e6c63d0876a9a35;
	rnd(&g);
	kind = pick_kind(&g);
	g.long_mode = kind < KIND_ROW32;

	memset(&c->in, 0, sizeof(c->in));
	memset(c->code, CODE_FILL, sizeof(c->code));
	c->number = number;
	c->long_mode = g.long_mode;
	place_code(&g, number, kind == KIND_RAW64 || kind == KIND_RAW32);
	c->in.cs = g.long_mode ? SEL_USER64 : SEL_USER32_;
	c->in.ss = c->in.ds = c->in.es = SEL_USER_DATA_;
	if (g.long_mode) {
		c->in.fs_base = chance(&g, 70) ? pick_data(&g, false) :
						 below(&g, 1 << 30);
		c->in.gs_base = chance(&g, 70) ? 0 - (u64)below(&g, 1 << 30) :
						 below(&g, 1 << 30);
	} else {
		c->in.fs = SEL_TLS;
		c->in.gs = chance(&g, 50) ? SEL_TLS : SEL_USER_DATA_;
	}
	/* Segments that are not flat; the pointers of sequences would all be
	 * beyond the limit. */
	if (kind == KIND_ROW32) {
		if (chance(&g, 10))
			c->in.ds = SEL_TLS;
		if (chance(&g, 10))
			c->in.es = SEL_TLS;
		if (chance(&g, 10))
			c->in.ss = SEL_TLS;
	}
	c->in.rip = c->code_at;
	g.p = c->code;
	switch (kind) {
	case KIND_ROW64:
	case KIND_ROW32:
		row_gen(&g, number);
		break;
	case KIND_SEQ64:
	case KIND_SEQ32:
		c->what = "sequence";
		seq_gen(&g);
		break;
	default:
		c->what = "raw";
		raw_gen(&g);
		break;
	}
	value_state(&g);
	put8(&g, 0xcc);
	c->code_bytes = (u32)(g.p - c->code);
	/* What does not fit the region is cut off: the fetch faults. */
	end = (c->code_at & ~(CODE_AREA_PAGES * PAGE_BYTES - 1)) +
	      PAGE_BYTES + CODE_AREA_BYTES;
	if (c->code_at + c->code_bytes > end)
		c->code_bytes = end - c->code_at;
}
