/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_check.c - flushes: what windows show is compared with the guest's
 * tables.
 *
 * A flush does not empty a space: it walks the guest's tables again for each
 * mapping and drops those that are not as they were. That is exact, and costs
 * 20 ns where a host fault costs microseconds. A page in whose place there is
 * another now is replaced, if that could be shown as well.
 */
#include "engine/translate/engine.h"
#include "engine/translate/window_space.h"
#include "x86/paging.h"

static bool replaced(struct tcpu *t, struct space *sp, struct map *m,
		     const struct x86_walk *w)
{
	struct map to;

	if (m->bytes != PAGE_SIZE || w->page_bytes != PAGE_SIZE ||
	    !gmem_hva(&t->e->vm->mem, w->gpa & PAGE_MASK, PAGE_SIZE))
		return false;
	to = map_for(t, m->va, w);
	map_replace(t, sp, m, &to);
	return true;
}

/* Does the guest's table still say what @m shows, or does @m show now what it
 * says? May leave no mapping at all. */
static bool map_check(struct tcpu *t, struct space *sp, struct map *m)
{
	struct x86_walk w;

	if (!space_peek(t, sp, m->va, &w))
		return false;
	if (w.gpa != m->gpa || w.page_bytes < m->bytes)
		return replaced(t, sp, m, &w);
	if (m->global && !w.global)
		sp->seen &= (u8)BIT(t->asid_now);
	m->global = w.global;
	m->asids |= (u8)BIT(t->asid_now);
	map_note(sp, m);
	sp->large_count -= m->large;
	m->large = w.page_bytes > PAGE_SIZE;
	sp->large_count += m->large;
	if (m->write && !(w.writable && w.dirty)) {
		if (host_window_protect(slot_host(sp, m->va), m->bytes, false))
			return false;
		m->write = false;
	}
	return true;
}

/* 1 if @m is to go, with its neighbours: when all have been checked. */
static unsigned check(struct tcpu *t, struct space *sp, struct map *m)
{
	if (m->gone || map_check(t, sp, m) || !sp->map_count)
		return 0;
	m->gone = true;
	return 1;
}

/* What stays has to come back by host faults, if all goes at once. */
#define STAYS_COST 4

/* All that are gone, of which there are @n. */
static void drop_gone(struct tcpu *t, struct space *sp, unsigned n)
{
	if (!sp->map_count) /* the host has refused something meanwhile */
		return;
	if (n > (u64)STAYS_COST * (sp->map_count - n)) {
		space_empty(t, sp);
		return;
	}
	/* What takes an entry's place in the list comes from behind it. */
	for (unsigned i = 0; n && i < sp->map_count;) {
		if (sp->maps[i].gone)
			map_drop_run(t, sp, &sp->maps[i]);
		else
			i++;
	}
}

void space_check(struct tcpu *t, struct space *sp, bool local_only)
{
	unsigned gone = 0;

	if (local_only)
		for (unsigned i = map_next_local(sp, 0); i < sp->map_count;
		     i = map_next_local(sp, i + 1))
			gone += check(t, sp, &sp->maps[i]);
	else
		for (unsigned i = 0; i < sp->map_count; i++)
			gone += check(t, sp, &sp->maps[i]);
	drop_gone(t, sp, gone);
	sp->stale = false;
}

void space_check_unseen(struct tcpu *t, struct space *sp)
{
	unsigned gone = 0;

	if (sp->seen & BIT(t->asid_now))
		return;
	for (unsigned i = map_next_local(sp, 0); i < sp->map_count;
	     i = map_next_local(sp, i + 1))
		if (!(sp->maps[i].asids & BIT(t->asid_now)))
			gone += check(t, sp, &sp->maps[i]);
	drop_gone(t, sp, gone);
	sp->seen |= (u8)BIT(t->asid_now);
}

void space_forget_asid(struct space *sp, unsigned n)
{
	unsigned i = map_next_local(sp, 0);

	sp->seen &= (u8)~BIT(n);
	for (; i < sp->map_count; i = map_next_local(sp, i + 1))
		sp->maps[i].asids &= (u8)~BIT(n);
}

/* All of a large page goes by any of its addresses. */
static bool is_near(const struct map *m, gva_t va)
{
	return m->large ? ((m->va ^ va) >> 30) == 0 : m->va == (va & PAGE_MASK);
}

static void check_near(struct tcpu *t, struct space *sp, gva_t va)
{
	unsigned gone = 0;

	for (unsigned i = 0; i < sp->map_count; i++)
		if (is_near(&sp->maps[i], va))
			gone += check(t, sp, &sp->maps[i]);
	drop_gone(t, sp, gone);
}

void space_check_pages(struct tcpu *t, struct space *sp, const gva_t *va,
		       unsigned n)
{
	unsigned gone = 0;
	struct map *m;

	if (sp->large_count && n > 1) {
		space_check(t, sp, false);
		return;
	}
	if (sp->large_count && n) {
		check_near(t, sp, va[0]);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		m = map_find(sp, va[i]);
		if (m)
			gone += check(t, sp, m);
	}
	for (unsigned i = 0; gone && i < n; i++) {
		m = map_find(sp, va[i]);
		if (m && m->gone)
			map_drop_run(t, sp, m);
	}
}
