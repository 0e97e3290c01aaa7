/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - the mode word, and what is derived from segment registers. */
#include "engine/translate/key.h"
#include "engine/translate/debug.h"
#include "engine/translate/engine.h"

static bool is_flat(const struct x86_seg *g)
{
	return g->base == 0 && g->limit == 0xffffffff && (g->attr & SEG_P) &&
	       !(g->attr & SEG_UNUSABLE);
}

static bool is_flat_data(const struct x86_seg *g)
{
	return is_flat(g) &&
	       (g->attr & (SEG_CODE | SEG_WRITABLE | SEG_EXPAND_DOWN)) ==
		       SEG_WRITABLE;
}

/* Offsets that an access may use. SDM 3A 5.3 "Limit Checking" */
static void segcache_fill(struct segcache *c, const struct x86_seg *g,
			  bool real)
{
	bool code = g->attr & SEG_CODE;
	bool down = !code && (g->attr & SEG_EXPAND_DOWN);
	bool usable = real ||
		      (!(g->attr & SEG_UNUSABLE) && (g->attr & SEG_P));
	bool may[2] = { usable, usable };

	if (!real && code && !(g->attr & SEG_READABLE))
		may[0] = false;
	if (!real && (code || !(g->attr & SEG_WRITABLE)))
		may[1] = false;
	c->base = g->base;
	for (unsigned w = 0; w < 2; w++) {
		c->may[w].lo = down ? (u64)g->limit + 1 : 0;
		c->may[w].hi = !down		     ? g->limit :
			       g->attr & SEG_DB ? 0xffffffff :
						     0xffff;
		if (!may[w])
			c->may[w].lo = ~0ull;
	}
}

static bool fpu_all_on(const struct x86_state *s)
{
	u64 cr4 = CR4_OSFXSR | CR4_OSXSAVE;
	u64 xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;

	return !(s->cr0 & (CR0_TS | CR0_EM)) && (s->cr4 & cr4) == cr4 &&
	       (s->xcr0 & xcr0) == xcr0 && (s->cr4 & CR4_OSXMMEXCPT) &&
	       (s->cr0 & CR0_NE);
}

u32 key_kernel_windows(const struct engine *e)
{
	return e->trap ? KEY_WINDOW : 0;
}

/* Windows are for 64-bit code whose rights to a page do not depend on more
 * than it being the user's or not, and on W. */
static bool may_use_windows(const struct tcpu *t, u32 k)
{
	if (!key_kernel_windows(t->e) || t->debug.data ||
	    (k & (KEY_CODE64 | KEY_ALIGN | KEY_ALONE | KEY_CPL12)) !=
		    KEY_CODE64)
		return false;
	if (k & KEY_USER)
		return t->window_hot;
	return !(k & KEY_AC);
}

static u32 key_of(const struct x86_state *s)
{
	u32 k = 0;
	unsigned cpl = x86_cpl(s);
	bool real = x86_is_real(s) || x86_is_vm86(s);

	if (x86_is_64bit(s))
		k |= KEY_CODE64;
	else if (s->seg[X86_CS].attr & SEG_DB)
		k |= KEY_CODE32;
	if (!(k & KEY_CODE64)) {
		if (s->seg[X86_SS].attr & SEG_DB)
			k |= KEY_STACK32;
		if (s->seg[X86_CS].limit != 0xffffffff)
			k |= KEY_LIMIT;
		if (is_flat_data(&s->seg[X86_DS]) &&
		    is_flat_data(&s->seg[X86_ES]) &&
		    is_flat_data(&s->seg[X86_SS]) && is_flat(&s->seg[X86_CS]) &&
		    (s->seg[X86_CS].attr & SEG_READABLE))
			k |= KEY_FLAT;
	}
	if (real)
		k |= KEY_REAL;
	if (x86_is_real(s))
		cpl = 0;
	if (cpl == 3)
		k |= KEY_USER;
	else if (cpl)
		k |= KEY_CPL12;
	if (cpl != 3 &&
	    (!(s->cr4 & CR4_SMAP) || (s->rflags & FLAG_AC)))
		k |= KEY_AC;
	if (!fpu_all_on(s))
		k |= KEY_NOFPU;
	if (s->rflags & FLAG_TF)
		k |= KEY_TF;
	if (cpl == 3 && (s->rflags & FLAG_AC) && (s->cr0 & CR0_AM))
		k |= KEY_ALIGN;
	return k;
}

void key_update(struct tcpu *t)
{
	struct x86_state *s = &t->v.x86;
	u32 k = key_of(s);
	unsigned m;
	u64 cs;

	if (unlikely(debug_word(s) != t->debug.word))
		debug_update(t);
	/* By a task switch; MOV CR3 does this itself. */
	if (unlikely(s->cr3 != t->cr3))
		tlb_switch(t, false);
	if (unlikely(t->window_due) && (k & KEY_USER))
		window_settle(t);
	if (may_use_windows(t, k))
		k |= KEY_WINDOW;
	m = key_jc(k);
	if (!t->debug.armed)
		s->rflags &= ~FLAG_RF;
	if (!(k & KEY_CODE64)) {
		bool real = k & KEY_REAL;

		for (unsigned i = 0; i < 6; i++)
			segcache_fill(&t->segcache[i], &s->seg[i], real);
	}
	shadow_switch(t, key_jc(t->key), m);
	t->key = k;
	cs = k & KEY_CODE64 ? 0 :
			      s->seg[X86_CS].base |
				      (u64)s->seg[X86_CS].limit << 32;
	if (t->jc_key[m] != k || t->jc_cs[m] != cs) {
		jc_flush(t, m);
		t->jc_key[m] = k;
		t->jc_cs[m] = cs;
	}
}
