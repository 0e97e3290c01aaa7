/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_fill.c - filling windows from the guest's page tables: shadow page
 * tables whose walker is the host's processor.
 *
 * A host fault at an access in a window walks the guest's tables as a TLB miss
 * does, A and D bits and all, and maps what they say: read only where the
 * guest's own processor would have to set D first, or where there is
 * translated code. So no page is shown whose A is clear, and none is writable
 * whose D is.
 *
 * Since a host fault costs 10 us and a page more in the same mapping a few
 * hundred ns, pages around it come along: those that could be shown without a
 * change of the guest's tables. A processor, too, may look up addresses that
 * nobody asked for. SDM 3A 4.10.2.3 "Details of TLB Use"
 */
#include "base/trace.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "engine/translate/window_space.h"
#include "x86/paging.h"

bool space_peek(struct tcpu *t, const struct space *sp, gva_t va,
		struct x86_walk *w)
{
	unsigned acc = X86_ACC_READ;

	if (sp->right == WINDOW_USER)
		acc |= X86_ACC_USER;
	return pagewalk_peek(t, va, acc, true, w) &&
	       w->user == (sp->right == WINDOW_USER);
}

/* --- pages around --- */

/* So many are looked at, aligned; of those that are apart from the page that
 * is wanted only so many in a row are worth a mapping of their own. */
#define AROUND 16u
#define AROUND_ROW 4u

struct around {
	struct map map[AROUND];
	bool there[AROUND];
	bool write[AROUND];
};

static bool has_ram(const struct tcpu *t, gpa_t gpa)
{
	return gmem_hva(&t->e->vm->mem, gpa & PAGE_MASK, PAGE_SIZE);
}

static void look_around(struct tcpu *t, struct space *sp, const struct map *m,
			struct around *a)
{
	gva_t first = m->va & ~(AROUND * PAGE_SIZE - 1);
	bool room = sp->map_count + AROUND <= SPACE_MAPS;

	for (unsigned i = 0; i < AROUND; i++) {
		gva_t va = first + i * PAGE_SIZE;
		struct x86_walk w;

		if (va == m->va) {
			a->map[i] = *m;
			a->there[i] = true;
		} else {
			a->there[i] = room && space_peek(t, sp, va, &w) &&
				      w.page_bytes == PAGE_SIZE &&
				      has_ram(t, w.gpa) && !map_find(sp, va);
			if (!a->there[i])
				continue;
			a->map[i] = map_for(t, va, &w);
		}
		a->write[i] = map_may_write(t, &a->map[i]);
	}
}

/* Does page @i go into one mapping with the one before it? The two runs of
 * guest memory are apart in guest physical addresses. */
static bool follows(const struct around *a, unsigned i)
{
	return a->there[i] && a->there[i - 1] &&
	       a->write[i] == a->write[i - 1] &&
	       a->map[i].gpa == a->map[i - 1].gpa + PAGE_SIZE;
}

static unsigned row_at(const struct around *a, unsigned first)
{
	unsigned n = first + 1;

	while (n < AROUND && follows(a, n))
		n++;
	return n - first;
}

static bool add_around(struct tcpu *t, struct space *sp, const struct map *m)
{
	struct around a;

	look_around(t, sp, m, &a);
	for (unsigned i = 0, n; i < AROUND; i += n) {
		bool wanted;

		n = 1;
		if (!a.there[i])
			continue;
		n = row_at(&a, i);
		wanted = m->va - a.map[i].va < n * PAGE_SIZE;
		if (!wanted && n < AROUND_ROW)
			continue;
		if (!maps_add(t, sp, &a.map[i], n, a.write[i]))
			return false;
		t->stats.window_around += n - wanted;
	}
	return true;
}

static bool add(struct tcpu *t, struct space *sp, gva_t va,
		const struct x86_walk *w)
{
	struct map m = map_for(t, va, w);

	TRACE(TLB, "window va %llx gpa %llx", (unsigned long long)va,
	      (unsigned long long)w->gpa);
	if (w->page_bytes > PAGE_SIZE)
		return maps_add(t, sp, &m, 1, map_may_write(t, &m));
	return add_around(t, sp, &m);
}

/* --- host faults --- */

/* A page that is shown already: the write that it was not to have? */
static bool is_upgrade(const struct map *m, gva_t va, const struct x86_walk *w)
{
	return (w->gpa & PAGE_MASK) == ((m->gpa + (va - m->va)) & PAGE_MASK);
}

/* The address that windowed code meant, from where it faulted. False if it
 * strayed into a guard, or another slot's window. */
static bool fault_va(struct tcpu *t, const struct host_fault *h, u8 right,
		     u64 delta, gva_t *va)
{
	*va = h->addr - delta;
	return x86_is_canonical(*va) && t->window[right][slot_of(*va)] == delta;
}

/* Shows at @va what @w says of it. */
static enum window_answer show(struct tcpu *t, u8 right, gva_t va,
			       const struct x86_walk *w, bool write, u64 *delta)
{
	struct space *sp;
	struct map *m;

	/* PAIRS: smc_watch(), which protects what it finds here after it has
	 * made the page a code page. */
	if (write && smc_is_code(t->e, w->gpa))
		return WINDOW_SOFT;
	sp = space_for(t, right, va);
	if (!sp)
		return WINDOW_SOFT;
	/* Of a slot that has just been opened, or not loaded before. */
	*delta = t->window[right][slot_of(va)];
	m = map_find(sp, va);
	if (m && write && is_upgrade(m, va, w) && map_upgrade(t, sp, m, va, w))
		return WINDOW_AGAIN;
	if (m && sp->map_count)
		map_drop(t, sp, m);
	t->stats.window_fills++;
	return add(t, sp, va, w) ? WINDOW_AGAIN : WINDOW_SOFT;
}

enum window_answer window_fault(struct tcpu *t, const struct host_fault *h,
				u64 *delta, struct x86_fault *f)
{
	u8 right = t->key & KEY_USER ? WINDOW_USER : WINDOW_KERNEL;
	bool write = h->error & PF_W;
	unsigned acc = (write ? X86_ACC_WRITE : X86_ACC_READ) |
		       (right == WINDOW_USER ? X86_ACC_USER : 0);
	enum window_answer a;
	struct x86_walk w;
	gva_t va;

	t->stats.window_faults++;
	if (!fault_va(t, h, right, *delta, &va))
		return WINDOW_SOFT;
	/* fault.c sees whether the running block was beside what it sets. */
	if (pagewalk(t, va, acc, false, &w, f))
		return WINDOW_FAULT;
	if (!has_ram(t, w.gpa) || w.user != (right == WINDOW_USER))
		return WINDOW_SOFT;
	window_lock(t);
	a = show(t, right, va, &w, write, delta);
	window_unlock(t);
	return a;
}

/* --- before it is asked for --- */

void space_show(struct tcpu *t, struct space *sp, gva_t va)
{
	struct x86_walk w;
	struct map *m;

	if (!slot_host(sp, va) || !space_peek(t, sp, va, &w) ||
	    !has_ram(t, w.gpa))
		return;
	m = map_find(sp, va);
	if (!m) {
		/* If the host cannot, whoever asks will see. */
		if (add(t, sp, va, &w))
			t->stats.window_shown++;
	} else if (is_upgrade(m, va, &w) && !m->write && w.writable &&
		   w.dirty && !smc_is_code(t->e, w.gpa) &&
		   map_upgrade(t, sp, m, va, &w)) {
		t->stats.window_shown++;
	}
}
