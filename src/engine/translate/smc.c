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
 *
 * Whoever writes, in C, writes first and then asks smc_is_code(); who
 * translates makes the page a code page first and then reads its bytes. So one
 * of them sees the other. Generated code has checked before it writes: that it
 * is not between the two, smc_watch() and smc_settle() make sure. (A window
 * needs no such care: to make its page read only is to stop all writes.)
 *
 * A block that is dropped may be run on to its end by another vCPU, as a
 * processor may run on what it has fetched; no jump leads there any more.
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

/* The vCPUs beside @t that may be about to write, by an entry of their TLBs
 * that they had. */
static u64 protect(struct tcpu *t, gpa_t gpa)
{
	const struct vm *vm = t->e->vm;
	u64 cpus = 0;

	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct tcpu *u = tcpu_of(vm->cpus[i]);

		if (tlb_protect(u, gpa) && u != t)
			cpus |= BIT64(i);
		window_protect(u, gpa & PAGE_MASK);
	}
	return cpus;
}

bool smc_watch(struct tcpu *t, gpa_t gpa, struct watch *w)
{
	struct code_page **pp = page_of(t->e, gpa), *page = *pp;

	*w = (struct watch){ .gpa = gpa };
	if (!page) {
		page = host_alloc(sizeof(*page));
		if (!page)
			return false;
		page->watch = ++t->e->watches;
		/* PAIRS: smc_is_code() of those who have written, or have made
		 * a write entry. */
		__atomic_store_n(pp, page, __ATOMIC_SEQ_CST);
		page->cpus = protect(t, gpa);
		/* It is to stay until it is settled. */
		page->count += page->cpus != 0;
	}
	w->number = page->watch;
	w->cpus = page->cpus;
	return !page->cpus;
}

static void page_release(struct code_page **pp)
{
	if (--(*pp)->count)
		return;
	host_free(*pp);
	__atomic_store_n(pp, NULL, __ATOMIC_RELEASE);
}

void smc_settle(struct tcpu *t, const struct watch *w)
{
	struct code_page **pp = page_of(t->e, w->gpa);

	quiesce_wait(t, w->cpus);
	engine_lock(t->e);
	if (*pp && (*pp)->watch == w->number && (*pp)->cpus) {
		(*pp)->cpus = 0;
		page_release(pp);
	}
	engine_unlock(t->e);
}

static void track_part(struct tcpu *t, struct block *b, unsigned n,
		       unsigned first, unsigned last)
{
	struct code_page *page = *page_of(t->e, part_gpa(b, n));
	struct block_part *p = &b->part[n];
	unsigned line = first >> LINE_SHIFT;

	*p = (struct block_part){ .next = page->parts[line],
				  .first = (u16)first,
				  .last = (u16)last,
				  .n = (u8)n };
	page->parts[line] = p;
	page->count++;
	if ((last >> LINE_SHIFT) - line > page->reach)
		page->reach = (last >> LINE_SHIFT) - line;
	page->lines |= lines_of(first, last);
}

static void forget_part(struct engine *e, struct block *b, unsigned n)
{
	struct code_page **pp = page_of(e, part_gpa(b, n));
	struct block_part **p = &(*pp)->parts[b->part[n].first >> LINE_SHIFT];

	while (*p != &b->part[n])
		p = &(*p)->next;
	*p = (*p)->next;
	page_release(pp);
}

void smc_track(struct tcpu *t, struct block *b)
{
	unsigned first = (unsigned)(b->gpa & ~PAGE_MASK);
	unsigned end = first + b->guest_bytes, on_first = end;
	unsigned page = (unsigned)PAGE_SIZE;

	/* One that is too long counts bytes that were never looked at. */
	if (b->gpa2 != ~0ull || end > page)
		on_first = page;
	track_part(t, b, 0, first, on_first - 1);
	if (b->gpa2 != ~0ull)
		track_part(t, b, 1, 0, end > page ? end - page - 1 : 0);
}

void smc_forget(struct engine *e, struct block *b)
{
	forget_part(e, b, 0);
	if (b->gpa2 != ~0ull)
		forget_part(e, b, 1);
}

/* Under the lock: vCPU 0's stand for the VM's. */
static struct tstats *stats(const struct engine *e)
{
	return &tcpu_of(e->vm->cpus[0])->stats;
}

void smc_drop(struct engine *e, struct block *b)
{
	b->dead = true;
	link_break(e, b);
	link_disable_entries(e, b);
	smc_forget(e, b);
	table_remove(e, b);
	stats(e)->invalidated++;
}

void smc_drop_page(struct engine *e, gpa_t gpa)
{
	struct code_page *page = *page_of(e, gpa);

	page->count++; /* so that it stays */
	for (unsigned line = 0; line < ARRAY_SIZE(page->parts); line++)
		while (page->parts[line])
			smc_drop(e, block_of(page->parts[line]));
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

static unsigned page_written(struct engine *e, gpa_t gpa, unsigned len)
{
	struct code_page **pp = page_of(e, gpa), *page = *pp;
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
			smc_drop(e, block_of(p));
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

unsigned smc_written(struct engine *e, gpa_t gpa, u64 len)
{
	unsigned dropped = 0;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (len) {
		u64 n = min_u64(len, PAGE_SIZE - (gpa & ~PAGE_MASK));

		if (gmem_hva(&e->vm->mem, gpa, n) && smc_is_code(e, gpa)) {
			engine_lock(e);
			dropped += page_written(e, gpa, (unsigned)n);
			engine_unlock(e);
		}
		gpa += n;
		len -= n;
	}
	if (dropped)
		stats(e)->code_hits++;
	return dropped;
}

void smc_foreign(void *engine, gpa_t gpa, u64 len)
{
	smc_written(engine, gpa, len);
}
