/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kcode.c - where a kernel's code is mapped, as far as it has been looked up.
 *
 * Kernels flush everything now and then, and single pages often, but what
 * they change is hardly ever where their own code is. So before the kernel's
 * jump caches are emptied, which breaks all chains between its pages, the
 * tables are asked whether that is still mapped as it was: Linux's is a few
 * large pages, and those of modules. If it is, nothing is dropped. That is
 * exact, for whatever is cached could have been looked up just now.
 *
 * Chains are common to all vCPUs, and one may have made them to pages that
 * another, which flushes now, has never looked up: where they lead is noted
 * for all, under the engine's lock. A page that comes to be known by a chain
 * stays noted when the chain is broken.
 *
 * MIRRORS: window_map.c does the same for data.
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/paging.h"

static bool holds(const struct kcode_map *m, gva_t va)
{
	return va - m->va < m->bytes;
}

static void note(struct kcode *k, gva_t va, const struct x86_walk *w)
{
	u64 mask = ~(w->page_bytes - 1);

	for (unsigned i = 0; i < k->count; i++) {
		if (!holds(&k->map[i], va))
			continue;
		/* Changed, and not flushed yet: there may be code of both. */
		if (k->map[i].gpa + (va - k->map[i].va) != w->gpa)
			k->unsure = true;
		return;
	}
	if (k->count == ARRAY_SIZE(k->map)) {
		k->unsure = true;
		return;
	}
	k->map[k->count++] = (struct kcode_map){ .va = va & mask,
						 .gpa = w->gpa & mask,
						 .bytes = w->page_bytes,
						 .global = w->global };
}

void kcode_note(struct tcpu *t, gva_t va, const struct x86_walk *w)
{
	note(&t->kcode, va, w);
}

void kcode_forget(struct kcode *k)
{
	k->count = 0;
	k->unsure = false;
}

static bool is_same(struct tcpu *t, const struct kcode_map *m)
{
	struct x86_walk w;

	return pagewalk_peek(t, m->va, X86_ACC_FETCH, false, &w) &&
	       w.gpa == m->gpa && w.page_bytes >= m->bytes &&
	       w.global == m->global;
}

static bool all_same(struct tcpu *t, const struct kcode *k)
{
	for (unsigned i = 0; i < k->count; i++)
		if (!is_same(t, &k->map[i]))
			return false;
	return !k->unsure;
}

/* A block may begin on the page before @va and end on this. */
static bool same_at(struct tcpu *t, const struct kcode *k, gva_t va)
{
	for (unsigned i = 0; i < k->count; i++) {
		const struct kcode_map *m = &k->map[i];

		if ((holds(m, va) || holds(m, va - PAGE_SIZE)) &&
		    !is_same(t, m))
			return false;
	}
	return !k->unsure;
}

bool kcode_note_link(struct tcpu *t, gva_t va, gpa_t gpa)
{
	struct x86_walk w;

	if (!t->e->smp)
		return true;
	if (!pagewalk_peek(t, va, X86_ACC_FETCH, false, &w) ||
	    (w.gpa & PAGE_MASK) != gpa || !w.global)
		return false;
	note(&t->e->linked, va, &w);
	return true;
}

/*
 * Where chains lead, or have led: even when they have been broken, there may
 * be pages that a vCPU knows by them alone, on its shadow stack. So when one
 * finds that they have changed, all others flush as well, the next time.
 */
static bool linked_are_same(struct tcpu *t, bool all, gva_t va)
{
	struct engine *e = t->e;
	bool same, seen;

	if (!e->smp)
		return true;
	engine_lock(e);
	same = all ? all_same(t, &e->linked) : same_at(t, &e->linked, va);
	if (!same) {
		kcode_forget(&e->linked);
		e->linked_epoch++;
	}
	seen = t->linked_epoch == e->linked_epoch;
	t->linked_epoch = e->linked_epoch;
	engine_unlock(e);
	if (!same)
		link_far_break(e);
	return seen;
}

bool kcode_is_same(struct tcpu *t)
{
	bool same = linked_are_same(t, true, 0);

	return all_same(t, &t->kcode) && same;
}

bool kcode_is_same_at(struct tcpu *t, gva_t va)
{
	bool same = linked_are_same(t, false, va);

	return same_at(t, &t->kcode, va) && same;
}
