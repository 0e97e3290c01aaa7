/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smc.c - self-modifying code: which guest pages hold translated code, and
 * what happens when they are written.
 *
 * Tracked by physical page, so that an alias is caught as well. A code page
 * has no write entry in any TLB; its writes come by mem.c, which calls
 * smc_written() for the exact bytes. Data that merely shares the page costs a
 * slow write, not a retranslation.
 */
#include "engine/translate/engine.h"

static u64 lines_of(gpa_t gpa, u64 len)
{
	unsigned first = (unsigned)(gpa & ~PAGE_MASK) >> 6;
	unsigned last = (unsigned)((gpa + len - 1) & ~PAGE_MASK) >> 6;

	return (~0ull >> (63 - (last - first))) << first;
}

/* The part of block @b on page @n (0 or 1) as an address range. */
static gpa_t block_part(const struct block *b, unsigned n, u64 *len)
{
	u64 first = PAGE_SIZE - (b->gpa & ~PAGE_MASK);

	if (n == 0) {
		*len = min_u64(b->guest_bytes, first);
		return b->gpa;
	}
	*len = b->guest_bytes - first;
	return b->gpa2;
}

static bool track_part(struct tcpu *t, struct block *b, unsigned n)
{
	struct engine *e = t->e;
	u64 len;
	gpa_t gpa = block_part(b, n, &len);
	struct code_page **pp = &e->pages[gmem_page_index(&e->vm->mem, gpa)];

	if (!*pp) {
		*pp = host_alloc(sizeof(**pp));
		if (!*pp)
			return false;
		tlb_protect(t, gpa);
		window_protect(e, gpa & PAGE_MASK);
	}
	b->page_next[n] = (*pp)->blocks;
	(*pp)->blocks = b;
	(*pp)->lines |= lines_of(gpa, len);
	return true;
}

bool smc_track(struct tcpu *t, struct block *b)
{
	if (!track_part(t, b, 0))
		return false;
	if (b->gpa2 != ~0ull && !track_part(t, b, 1)) {
		smc_forget(t->e, b);
		return false;
	}
	return true;
}

/* A block's place in the list of a page: which of its two links is used. */
static struct block **next_on(struct block *b, gpa_t page)
{
	return &b->page_next[(b->gpa & PAGE_MASK) == page ? 0 : 1];
}

static void forget_part(struct engine *e, struct block *b, gpa_t gpa)
{
	gpa_t page = gpa & PAGE_MASK;
	struct code_page **pp = &e->pages[gmem_page_index(&e->vm->mem, page)];
	struct block **p;

	if (!*pp)
		return;
	for (p = &(*pp)->blocks; *p; p = next_on(*p, page))
		if (*p == b) {
			*p = *next_on(b, page);
			break;
		}
	if (!(*pp)->blocks) {
		host_free(*pp);
		*pp = NULL;
	}
}

void smc_forget(struct engine *e, struct block *b)
{
	forget_part(e, b, b->gpa);
	if (b->gpa2 != ~0ull)
		forget_part(e, b, b->gpa2);
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

static unsigned page_written(struct tcpu *t, gpa_t gpa, u64 len)
{
	struct engine *e = t->e;
	struct code_page **pp = &e->pages[gmem_page_index(&e->vm->mem, gpa)];
	gpa_t page = gpa & PAGE_MASK;
	unsigned dropped = 0;
	struct block *b, *next;
	u64 lines = 0;

	if (!*pp || !((*pp)->lines & lines_of(gpa, len)))
		return 0;
	for (b = (*pp)->blocks; b; b = next) {
		unsigned n = (b->gpa & PAGE_MASK) == page ? 0 : 1;
		u64 part_len;
		gpa_t part = block_part(b, n, &part_len);

		next = *next_on(b, page);
		if (part < gpa + len && gpa < part + part_len) {
			smc_drop(t, b);
			dropped++;
		} else {
			lines |= lines_of(part, part_len);
		}
	}
	if (*pp)
		(*pp)->lines = lines;
	return dropped;
}

unsigned smc_written(struct tcpu *t, gpa_t gpa, u64 len)
{
	unsigned dropped = 0;

	while (len) {
		u64 n = min_u64(len, PAGE_SIZE - (gpa & ~PAGE_MASK));

		if (gmem_hva(&t->e->vm->mem, gpa, n))
			dropped += page_written(t, gpa, n);
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
