/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smc.c - self-modifying code: which guest pages hold translated code, and
 * what happens when they are written.
 *
 * Tracked by physical page, so that an alias is caught as well. A code page
 * has no write entry in any TLB; its writes come by mem.c, which calls
 * smc_written() for the exact bytes. Data that merely shares the page costs a
 * slow write, not a retranslation; and what a write costs does not grow with
 * the code on the page, only with what there is in and just before the lines
 * that it changes.
 */
#include "engine/translate/engine.h"

#define LINE_SHIFT 6

static u64 lines_of(unsigned first, unsigned last)
{
	first >>= LINE_SHIFT;
	last >>= LINE_SHIFT;
	return (~0ull >> (63 - (last - first))) << first;
}

static struct code_page **page_of(struct engine *e, gpa_t gpa)
{
	return &e->pages[gmem_page_index(&e->vm->mem, gpa)];
}

static gpa_t part_gpa(const struct block *b, unsigned n)
{
	return n == 0 ? b->gpa : b->gpa2;
}

static bool track_part(struct tcpu *t, struct block *b, unsigned n,
		       unsigned first, unsigned last)
{
	gpa_t gpa = part_gpa(b, n);
	struct code_page **pp = page_of(t->e, gpa), *page = *pp;
	struct block_part *p = &b->part[n];
	unsigned line = first >> LINE_SHIFT;

	if (!page) {
		*pp = page = host_alloc(sizeof(*page));
		if (!page)
			return false;
		tlb_protect(t, gpa);
		window_protect(t->e, gpa & PAGE_MASK);
	}
	*p = (struct block_part){ .next = page->parts[line],
				  .first = (u16)first,
				  .last = (u16)last,
				  .n = (u8)n };
	page->parts[line] = p;
	page->count++;
	if ((last >> LINE_SHIFT) - line > page->reach)
		page->reach = (last >> LINE_SHIFT) - line;
	page->lines |= lines_of(first, last);
	return true;
}

static void forget_part(struct engine *e, struct block *b, unsigned n)
{
	struct code_page **pp = page_of(e, part_gpa(b, n));
	struct block_part **p = &(*pp)->parts[b->part[n].first >> LINE_SHIFT];

	while (*p != &b->part[n])
		p = &(*p)->next;
	*p = (*p)->next;
	if (!--(*pp)->count) {
		host_free(*pp);
		*pp = NULL;
	}
}

bool smc_track(struct tcpu *t, struct block *b)
{
	unsigned first = (unsigned)(b->gpa & ~PAGE_MASK);
	unsigned end = first + b->guest_bytes, on_first = end;
	unsigned page = (unsigned)PAGE_SIZE;

	/* One that is too long counts bytes that were never looked at. */
	if (b->gpa2 != ~0ull || end > page)
		on_first = page;
	if (!track_part(t, b, 0, first, on_first - 1))
		return false;
	if (b->gpa2 != ~0ull &&
	    !track_part(t, b, 1, 0, end > page ? end - page - 1 : 0)) {
		forget_part(t->e, b, 0);
		return false;
	}
	return true;
}

void smc_forget(struct engine *e, struct block *b)
{
	forget_part(e, b, 0);
	if (b->gpa2 != ~0ull)
		forget_part(e, b, 1);
}

void smc_drop(struct tcpu *t, struct block *b)
{
	link_break(t->e, b);
	link_disable_entries(t->e, b);
	smc_forget(t->e, b);
	table_remove(t->e, b);
	b->dead = true;
	t->stats.invalidated++;
}

void smc_drop_page(struct tcpu *t, gpa_t gpa)
{
	struct code_page **pp = page_of(t->e, gpa), *page = *pp;

	page->count++; /* so that it stays */
	for (unsigned line = 0; line < ARRAY_SIZE(page->parts); line++)
		while (page->parts[line])
			smc_drop(t, block_of(page->parts[line]));
	page->lines = 0;
	page->count--;
}

/* The lines of @among that parts cover which begin in lines @from to @to. */
static u64 lines_covered(const struct code_page *page, u64 among,
			 unsigned from, unsigned to)
{
	u64 lines = 0;

	for (unsigned line = from; line <= to; line++)
		for (const struct block_part *p = page->parts[line]; p;
		     p = p->next)
			lines |= lines_of(p->first, p->last);
	return lines & among;
}

static unsigned page_written(struct tcpu *t, gpa_t gpa, unsigned len)
{
	struct code_page **pp = page_of(t->e, gpa), *page = *pp;
	unsigned first = (unsigned)(gpa & ~PAGE_MASK), last = first + len - 1;
	unsigned from = first >> LINE_SHIFT, dropped = 0;
	u64 gone = 0;

	if (!page || !(page->lines & lines_of(first, last)))
		return 0;
	from -= min_u64(from, page->reach);
	for (unsigned line = from; line <= last >> LINE_SHIFT; line++) {
		struct block_part *p = page->parts[line], *next;

		for (; p; p = next) {
			/* A block's other part is in another line's list. */
			next = p->next;
			if (p->first > last || p->last < first)
				continue;
			gone |= lines_of(p->first, p->last);
			smc_drop(t, block_of(p));
			dropped++;
			if (!*pp)
				return dropped;
		}
	}
	if (gone) {
		unsigned lo = (unsigned)__builtin_ctzll(gone);
		unsigned hi = 63 - (unsigned)__builtin_clzll(gone);

		lo -= min_u64(lo, page->reach);
		page->lines &= ~gone;
		page->lines |= lines_covered(page, gone, lo, hi);
	}
	return dropped;
}

unsigned smc_written(struct tcpu *t, gpa_t gpa, u64 len)
{
	unsigned dropped = 0;

	while (len) {
		u64 n = min_u64(len, PAGE_SIZE - (gpa & ~PAGE_MASK));

		if (gmem_hva(&t->e->vm->mem, gpa, n))
			dropped += page_written(t, gpa, (unsigned)n);
		gpa += n;
		len -= n;
	}
	if (dropped)
		t->stats.code_hits++;
	return dropped;
}

static void foreign_take(struct engine *e)
{
	while (__atomic_exchange_n(&e->foreign_lock, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

static void foreign_give(struct engine *e)
{
	__atomic_store_n(&e->foreign_lock, 0, __ATOMIC_RELEASE);
}

/*
 * Devices wrote guest RAM. The write is done; what is left is to drop stale
 * translations, on the vCPU's thread, before it looks at any interrupt.
 */
void smc_foreign(void *engine, gpa_t gpa, u64 len)
{
	struct engine *e = engine;
	bool code = false;

	for (gpa_t p = gpa & PAGE_MASK; p < gpa + len; p += PAGE_SIZE)
		if (gmem_hva(&e->vm->mem, p, 1) && smc_is_code(e, p)) {
			code = true;
			break;
		}
	if (!code)
		return;
	foreign_take(e);
	if (e->foreign_count < ARRAY_SIZE(e->foreign)) {
		e->foreign[e->foreign_count].gpa = gpa;
		e->foreign[e->foreign_count].len = len;
	}
	e->foreign_count++;
	foreign_give(e);
	vcpu_request(e->vm->cpus[0], VCPU_REQ_ENGINE);
}

void smc_foreign_run(struct tcpu *t)
{
	struct engine *e = t->e;
	u32 n;

	if (!__atomic_load_n(&e->foreign_count, __ATOMIC_ACQUIRE))
		return;
	foreign_take(e);
	n = e->foreign_count;
	for (u32 i = 0; i < n && i < ARRAY_SIZE(e->foreign); i++)
		smc_written(t, e->foreign[i].gpa, e->foreign[i].len);
	e->foreign_count = 0;
	foreign_give(e);
	if (n > ARRAY_SIZE(e->foreign))
		cache_flush(e);
}
