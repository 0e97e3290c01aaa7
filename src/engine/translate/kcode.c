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
 * The list is that of all vCPUs, for what one has chained runs on the others
 * as well. Whoever finds that it is not true any more forgets it; then the
 * others' itlbs are out of date, which would keep them from noting what they
 * use, and their jump caches may hold what is not listed (.epoch).
 *
 * MIRRORS: window_map.c does the same for data.
 * Lock: its own, below the engine's.
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/paging.h"

static bool holds(const struct kcode_map *m, gva_t va)
{
	return va - m->va < m->bytes;
}

void kcode_note(struct engine *e, gva_t va, const struct x86_walk *w)
{
	u64 mask = ~(w->page_bytes - 1);
	struct kcode *k = &e->kcode;

	host_mutex_lock(&k->lock);
	for (unsigned i = 0; i < k->count; i++) {
		if (!holds(&k->map[i], va))
			continue;
		/* Changed, and not flushed yet: there may be code of both. */
		if (k->map[i].gpa + (va - k->map[i].va) != w->gpa)
			k->unsure = true;
		goto out;
	}
	if (k->count < ARRAY_SIZE(k->map))
		k->map[k->count++] = (struct kcode_map){
			.va = va & mask,
			.gpa = w->gpa & mask,
			.bytes = w->page_bytes,
			.global = w->global,
		};
	else
		k->unsure = true;
out:
	host_mutex_unlock(&k->lock);
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

static bool are_same(struct tcpu *t, bool all, gva_t va)
{
	const struct kcode *k = &t->e->kcode;

	if (k->unsure)
		return false;
	for (unsigned i = 0; i < k->count; i++) {
		const struct kcode_map *m = &k->map[i];

		/* A block may begin on the page before @va and end on this. */
		if ((all || holds(m, va) || holds(m, va - PAGE_SIZE)) &&
		    !is_same(t, m))
			return false;
	}
	return true;
}

static bool check(struct tcpu *t, bool all, gva_t va)
{
	struct kcode *k = &t->e->kcode;
	bool same;

	host_mutex_lock(&k->lock);
	same = are_same(t, all, va);
	if (!same) {
		k->count = 0;
		k->unsure = false;
		__atomic_store_n(&k->epoch, k->epoch + 1, __ATOMIC_RELEASE);
	}
	same &= t->kcode_epoch == k->epoch;
	t->kcode_epoch = k->epoch;
	host_mutex_unlock(&k->lock);
	return same;
}

bool kcode_is_same(struct tcpu *t)
{
	return check(t, true, 0);
}

bool kcode_is_same_at(struct tcpu *t, gva_t va)
{
	return check(t, false, va);
}
