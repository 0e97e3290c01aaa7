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
 * MIRRORS: window_map.c does the same for data.
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/paging.h"

static bool holds(const struct kcode_map *m, gva_t va)
{
	return va - m->va < m->bytes;
}

void kcode_note(struct tcpu *t, gva_t va, const struct x86_walk *w)
{
	u64 mask = ~(w->page_bytes - 1);
	struct kcode *k = &t->kcode;

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

void kcode_forget(struct tcpu *t)
{
	t->kcode.count = 0;
	t->kcode.unsure = false;
}

static void *phys_peek(void *ctx, gpa_t gpa)
{
	struct tcpu *t = ctx;

	return gmem_hva(&t->e->vm->mem, gpa, 8);
}

static bool is_same(struct tcpu *t, const struct kcode_map *m)
{
	struct x86_walk w;

	return x86_walk_peek(&t->v.x86, m->va, X86_ACC_FETCH, false, phys_peek,
			     t, &w) &&
	       w.gpa == m->gpa && w.page_bytes >= m->bytes &&
	       w.global == m->global;
}

bool kcode_is_same(struct tcpu *t)
{
	const struct kcode *k = &t->kcode;

	for (unsigned i = 0; i < k->count; i++)
		if (!is_same(t, &k->map[i]))
			return false;
	return !k->unsure;
}

/* A block may begin on the page before @va and end on this. */
bool kcode_is_same_at(struct tcpu *t, gva_t va)
{
	const struct kcode *k = &t->kcode;

	for (unsigned i = 0; i < k->count; i++) {
		const struct kcode_map *m = &k->map[i];

		if ((holds(m, va) || holds(m, va - PAGE_SIZE)) &&
		    !is_same(t, m))
			return false;
	}
	return !k->unsure;
}
