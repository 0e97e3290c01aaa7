/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paging.c - the page walk: guest linear to guest physical.
 *
 * Two phases. find_path() follows the tables and only reads; x86_walk() then
 * judges the permissions, and sets A and D last, each entry by one
 * compare-exchange against the value that was judged. So a walk that faults
 * marks nothing, and a walk never acts on an entry that another processor has
 * changed meanwhile: it starts anew.
 *
 * Runs on any thread that owns @s; the tables are shared with the other
 * processors of the guest. GUEST: every entry is hostile.
 *
 * SDM 3A chapter 4 "Paging"; APM 2 chapter 5 "Page Translation and
 * Protection"
 */
#include "x86/paging.h"

/* Restarts before a walk that always loses its race gives the guest, which
 * must be fighting with itself, a #PF to think about. */
#define WALK_TRIES 64

#define INDEX_BITS 9
#define RSVD_PHYS (PTE_ADDR & ~X86_PHYS_MASK)
#define PAT_LARGE BIT64(12)

struct path {
	void *entry[4]; /* host addresses; NULL where there is no RAM */
	u64 value[4];
	unsigned count;
	unsigned shift; /* log2 of the page's size */
	bool wide; /* 8-byte entries */
	u64 all; /* AND of the entries: W and U count if set in each */
	u64 any; /* OR of them: NX counts if set in one */
	u64 leaf;
	gpa_t page; /* guest physical address of the page */
	u32 error; /* PF_P and PF_RSVD, if there is no translation */
};

static u64 load_entry(void *p, bool wide)
{
	if (unlikely(!p)) /* an empty bus */
		return wide ? ~0ull : ~0u;
	return wide ? __atomic_load_n((u64 *)p, __ATOMIC_RELAXED)
		    : __atomic_load_n((u32 *)p, __ATOMIC_RELAXED);
}

static inline void add_entry(struct path *t, void *p, u64 e)
{
	t->entry[t->count] = p;
	t->value[t->count++] = e;
	t->all &= e;
	t->any |= e;
}

static inline bool no_path(struct path *t, u32 error)
{
	t->error = error;
	return false;
}

/* The levels of 8-byte entries: 4 to 1, or 2 to 1 below PAE's PDPTE. */
static bool find_wide(const struct x86_state *s, gva_t lin, gpa_t table,
		      unsigned level, x86_phys_fn phys, void *ctx,
		      struct path *t)
{
	u64 rsvd = RSVD_PHYS;
	unsigned shift = PAGE_SHIFT + (level - 1) * INDEX_BITS;

	if (!(s->efer & EFER_NXE))
		rsvd |= PTE_NX;
	if (!x86_is_long_mode(s)) /* only long mode leaves 62:52 to software */
		rsvd |= ~X86_PHYS_MASK & ~PTE_NX;
	for (;; level--, shift -= INDEX_BITS) {
		u64 index = lin >> shift & (BIT64(INDEX_BITS) - 1);
		void *p = phys(ctx, table | index << 3);
		u64 e = load_entry(p, true);

		if (!(e & PTE_P))
			return no_path(t, 0);
		if (unlikely(e & rsvd))
			return no_path(t, PF_P | PF_RSVD);
		if (level == 4 && unlikely(e & PTE_PS))
			return no_path(t, PF_P | PF_RSVD);
		add_entry(t, p, e);
		if (level == 1 || (e & PTE_PS)) {
			u64 low = (BIT64(shift) - 1) & PAGE_MASK;

			if (level > 1 && unlikely(e & low & ~PAT_LARGE))
				return no_path(t, PF_P | PF_RSVD);
			t->leaf = e;
			t->page = e & X86_PHYS_MASK & PAGE_MASK & ~low;
			t->shift = shift;
			return true;
		}
		table = e & X86_PHYS_MASK & PAGE_MASK;
	}
}

static bool find_pae(const struct x86_state *s, gva_t lin, x86_phys_fn phys,
		     void *ctx, struct path *t)
{
	/* DEVIATES: silicon keeps the four PDPTEs in registers that are
	 * loaded with CR3; here they are read at each walk, so an entry that
	 * was changed without a CR3 load counts at once. */
	gpa_t at = (s->cr3 & 0xffffffe0ull) | (lin >> 30 & 3) << 3;
	u64 e = load_entry(phys(ctx, at), true);

	if (!(e & PTE_P))
		return no_path(t, 0);
	if (e & X86_PDPTE_RSVD)
		return no_path(t, PF_P | PF_RSVD);
	return find_wide(s, lin, e & X86_PHYS_MASK & PAGE_MASK, 2, phys, ctx,
			 t);
}

/* 32-bit paging with PSE and PSE-36. SDM 3A 4.3 "32-Bit Paging" */
static bool find_narrow(const struct x86_state *s, gva_t lin, x86_phys_fn phys,
			void *ctx, struct path *t)
{
	gpa_t at = (s->cr3 & 0xfffff000ull) | (lin >> 22 & 0x3ff) << 2;
	void *p = phys(ctx, at);
	u64 e = load_entry(p, false);

	if (!(e & PTE_P))
		return no_path(t, 0);
	if ((e & PTE_PS) && (s->cr4 & CR4_PSE)) {
		if (e & BIT64(21))
			return no_path(t, PF_P | PF_RSVD);
		add_entry(t, p, e);
		t->leaf = e;
		t->page = (e & 0xffc00000ull) | (e >> 13 & 0xff) << 32;
		t->shift = 22;
		return true;
	}
	add_entry(t, p, e);
	p = phys(ctx, (e & 0xfffff000ull) | (lin >> 12 & 0x3ff) << 2);
	e = load_entry(p, false);
	if (!(e & PTE_P))
		return no_path(t, 0);
	add_entry(t, p, e);
	t->leaf = e;
	t->page = e & 0xfffff000ull;
	t->shift = PAGE_SHIFT;
	return true;
}

static bool find_path(const struct x86_state *s, gva_t lin, x86_phys_fn phys,
		      void *ctx, struct path *t)
{
	t->count = 0;
	t->all = ~0ull;
	t->any = 0;
	t->wide = true;
	if (likely(x86_is_long_mode(s)))
		return find_wide(s, lin, s->cr3 & X86_PHYS_MASK & PAGE_MASK, 4,
				 phys, ctx, t);
	if (s->cr4 & CR4_PAE)
		return find_pae(s, lin, phys, ctx, t);
	t->wide = false;
	return find_narrow(s, lin, phys, ctx, t);
}

/* Sets @bits in entry @i unless it is no longer what was judged. */
static bool mark(const struct path *t, unsigned i, u64 bits)
{
	u64 old = t->value[i];

	if (likely((old & bits) == bits) || !t->entry[i])
		return true;
	if (t->wide)
		return __atomic_compare_exchange_n(
			(u64 *)t->entry[i], &old, old | bits, false,
			__ATOMIC_RELAXED, __ATOMIC_RELAXED);

	u32 old32 = (u32)old;

	return __atomic_compare_exchange_n((u32 *)t->entry[i], &old32,
					   old32 | (u32)bits, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool mark_path(const struct path *t, bool write)
{
	unsigned last = t->count - 1;

	for (unsigned i = 0; i < last; i++)
		if (!mark(t, i, PTE_A))
			return false;
	return mark(t, last, write ? PTE_A | PTE_D : PTE_A);
}

/* SDM 3A 4.7 "Page-Fault Exceptions" */
static int page_fault(const struct x86_state *s, gva_t lin, unsigned acc,
		      u32 error, struct x86_fault *f)
{
	if (acc & X86_ACC_WRITE)
		error |= PF_W;
	if (acc & X86_ACC_USER)
		error |= PF_U;
	if ((acc & X86_ACC_FETCH) &&
	    ((s->cr4 & CR4_SMEP) ||
	     ((s->cr4 & CR4_PAE) && (s->efer & EFER_NXE))))
		error |= PF_I;
	x86_fault_error(f, X86_PF, error);
	f->cr2 = lin;
	return -1;
}

/* SDM 3A 4.6 "Access Rights". Fills the permissions of @w. */
static bool judge(const struct x86_state *s, const struct path *t, unsigned acc,
		  bool ac, struct x86_walk *w)
{
	bool as_user = acc & X86_ACC_USER;
	bool page_w = t->all & PTE_W;
	bool page_u = t->all & PTE_U;
	/* Without NXE, and in 32-bit tables, NX is never set here. */
	bool page_x = !(t->any & PTE_NX);
	bool data;

	if (as_user) {
		data = page_u;
		w->writable = page_u && page_w;
		w->executable = page_u && page_x;
	} else {
		bool smap = (s->cr4 & CR4_SMAP) &&
			    ((acc & X86_ACC_IMPLICIT) || !ac);

		data = !(smap && page_u);
		w->writable = data && (page_w || !(s->cr0 & CR0_WP));
		w->executable = page_x && !(page_u && (s->cr4 & CR4_SMEP));
	}
	w->user = page_u;
	if (acc & X86_ACC_FETCH)
		return w->executable;
	return acc & X86_ACC_WRITE ? w->writable : data;
}

static u8 memory_type(const struct path *t)
{
	u64 pat = t->shift == PAGE_SHIFT ? PTE_PS : PAT_LARGE;
	u64 type = t->leaf >> 3 & 3; /* PCD, PWT */

	return (u8)(type | (t->leaf & pat ? 4 : 0));
}

static void walk_unpaged(gva_t lin, struct x86_walk *w)
{
	*w = (struct x86_walk){ .gpa = (u32)lin,
				.page_bytes = PAGE_SIZE,
				.writable = true,
				.dirty = true,
				.executable = true,
				.user = true };
}

/* What a walk that was let in has found. */
static void tell(const struct x86_state *s, const struct path *t, gva_t lin,
		 struct x86_walk *w)
{
	w->page_bytes = BIT64(t->shift);
	w->gpa = t->page | (lin & (w->page_bytes - 1));
	w->global = (t->leaf & PTE_G) && (s->cr4 & CR4_PGE);
	w->dirty = t->leaf & PTE_D;
	w->memtype = memory_type(t);
}

int x86_walk(const struct x86_state *s, gva_t lin, unsigned acc, bool ac,
	     x86_phys_fn phys, void *ctx, struct x86_walk *w,
	     struct x86_fault *f)
{
	bool write = acc & X86_ACC_WRITE;
	struct path t;

	if (unlikely(!(s->cr0 & CR0_PG))) {
		walk_unpaged(lin, w);
		return 0;
	}
	if (!x86_is_long_mode(s))
		lin = (u32)lin; /* sums of base and offset wrap */
	for (unsigned i = 0; i < WALK_TRIES; i++) {
		if (!find_path(s, lin, phys, ctx, &t))
			return page_fault(s, lin, acc, t.error, f);
		if (!judge(s, &t, acc, ac, w))
			return page_fault(s, lin, acc, PF_P, f);
		if (unlikely(!mark_path(&t, write)))
			continue;
		tell(s, &t, lin, w);
		w->dirty |= write;
		return 0;
	}
	return page_fault(s, lin, acc, 0, f);
}

bool x86_walk_peek(const struct x86_state *s, gva_t lin, unsigned acc, bool ac,
		   x86_phys_fn phys, void *ctx, struct x86_walk *w)
{
	struct path t;

	if (!(s->cr0 & CR0_PG)) {
		walk_unpaged(lin, w);
		return true;
	}
	if (!x86_is_long_mode(s))
		lin = (u32)lin;
	if (!find_path(s, lin, phys, ctx, &t) || !judge(s, &t, acc, ac, w) ||
	    !(t.all & PTE_A))
		return false;
	tell(s, &t, lin, w);
	return w->dirty || !(acc & X86_ACC_WRITE);
}

bool x86_walk_debug(const struct x86_state *s, gva_t lin, x86_phys_fn phys,
		    void *ctx, gpa_t *gpa)
{
	struct path t;

	if (!(s->cr0 & CR0_PG)) {
		*gpa = (u32)lin;
		return true;
	}
	if (!x86_is_long_mode(s))
		lin = (u32)lin;
	else if (!x86_is_canonical(lin))
		return false;
	if (!find_path(s, lin, phys, ctx, &t))
		return false;
	*gpa = t.page | (lin & (BIT64(t.shift) - 1));
	return true;
}
