/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_map.c - filling windows from the guest's page tables, and emptying
 * them: shadow page tables whose walker is the host's processor.
 *
 * A host fault at an access in a window walks the guest's tables as a TLB miss
 * does, A and D bits and all, and maps what they say: read only where the
 * guest's own processor would have to set D first, or where there is
 * translated code. So no page is shown whose A is clear, and none is writable
 * whose D is.
 *
 * A flush does not empty a space: it walks the guest's tables again for each
 * mapping and drops those that are not as they were. That is exact, and costs
 * 20 ns where a host fault costs microseconds.
 *
 * Runs in the handler of processor faults, too, on the vCPU's thread: what was
 * interrupted then is generated code, never C, so no lock is held and nothing
 * half done. Other vCPUs come only to protect pages (window_protect), under the
 * lock.
 */
#include "base/trace.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "engine/translate/window_space.h"
#include "x86/paging.h"

/* --- mappings --- */

static void count_pieces(struct tcpu *t, struct space *sp, int n)
{
	sp->pieces += (unsigned)n;
	__atomic_fetch_add(&t->e->pieces, (unsigned)n, __ATOMIC_RELAXED);
}

/* Whatever there is goes, and if a mapping has failed half way its place is
 * ours again. Of a whole window the host can do this with no mapping left. */
static void space_clear(struct tcpu *t, struct space *sp)
{
	for (unsigned i = 0; i < sp->slot_count; i++) {
		int rc = host_window_unmap(sp->slots[i].host, WINDOW_BYTES);

		if (rc)
			vm_kill(t->e->vm,
				"the host refuses to change memory "
				"mappings (error %d; is "
				"vm.max_map_count too low?)",
				-rc);
	}
	sp->map_count = sp->large_count = 0;
	index_clear(sp);
	count_pieces(t, sp, -(int)sp->pieces);
}

void space_empty(struct tcpu *t, struct space *sp)
{
	if (sp->map_count)
		space_clear(t, sp);
}

void windows_empty(struct tcpu *t)
{
	for (unsigned i = 0; i < t->windows->spaces; i++)
		space_empty(t, &t->windows->space[i]);
}

/* Map @i is there, or is not any more, or has changed. */
static void note_local(struct space *sp, unsigned i)
{
	if (i < sp->map_count && !sp->maps[i].global)
		sp->local[i / 64] |= BIT64(i % 64);
	else
		sp->local[i / 64] &= ~BIT64(i % 64);
}

/* The first from @i on that is not global; or map_count, or more: none. */
static unsigned next_local(const struct space *sp, unsigned i)
{
	while (i < sp->map_count) {
		u64 bits = sp->local[i / 64] >> i % 64;

		if (bits)
			return i + (unsigned)__builtin_ctzll(bits);
		i = (i / 64 + 1) * 64;
	}
	return i;
}

static bool too_many_pieces(const struct tcpu *t)
{
	return __atomic_load_n(&t->e->pieces, __ATOMIC_RELAXED) >= PIECES_MAX;
}

/* May leave no mapping at all. */
static void map_drop(struct tcpu *t, struct space *sp, struct map *m)
{
	unsigned i = (unsigned)(m - sp->maps);

	if (host_window_unmap(slot_host(sp, m->va), m->bytes)) {
		windows_empty(t);
		return;
	}
	count_pieces(t, sp, -1 - m->splits);
	sp->large_count -= m->large;
	index_remove(sp, i);
	if (i != --sp->map_count) {
		index_remove(sp, sp->map_count);
		*m = sp->maps[sp->map_count];
		index_add(sp, i);
	}
	note_local(sp, i);
	note_local(sp, sp->map_count);
}

/* The same. */
static void protect_page(struct tcpu *t, struct space *sp, struct map *m,
			 gva_t va)
{
	if (host_window_protect(slot_host(sp, va), PAGE_SIZE, false)) {
		windows_empty(t);
	} else if (m->bytes > PAGE_SIZE) {
		m->splits++;
		count_pieces(t, sp, 1);
		if (too_many_pieces(t))
			windows_empty(t);
	}
}

/* Pages of @m that hold translated code, to be read only. */
static void protect_code(struct tcpu *t, struct space *sp, struct map *m)
{
	for (u64 off = 0; off < m->bytes && sp->map_count; off += PAGE_SIZE)
		if (smc_is_code(t->e, m->gpa + off))
			protect_page(t, sp, m, m->va + off);
}

static void protect_gpa(struct tcpu *t, struct space *sp, gpa_t gpa,
			u32 bytes)
{
	struct map *m = map_of_gpa(sp, gpa, bytes), *next;

	for (; m && sp->map_count; m = next) {
		next = m->next_gpa ? &sp->maps[m->next_gpa - 1] : NULL;
		if (gpa - m->gpa < m->bytes && m->write)
			protect_page(t, sp, m, m->va + (gpa - m->gpa));
	}
}

void window_protect(struct tcpu *t, gpa_t gpa)
{
	struct windows *w = t->windows;

	if (!w)
		return;
	window_lock(t);
	for (unsigned s = 0; s < w->spaces; s++) {
		protect_gpa(t, &w->space[s], gpa, PAGE_SIZE);
		protect_gpa(t, &w->space[s], gpa, WINDOW_CHUNK);
	}
	window_unlock(t);
}

static u64 file_offset(const struct tcpu *t, gpa_t gpa)
{
	return gmem_page_index(&t->e->vm->mem, gpa) << PAGE_SHIFT;
}

/* What of the page that @w found at @va is shown at once. */
static struct map map_for(const struct tcpu *t, gva_t va,
			  const struct x86_walk *w)
{
	u64 bytes = PAGE_SIZE;

	if (w->page_bytes >= WINDOW_CHUNK &&
	    gmem_hva(&t->e->vm->mem, w->gpa & ~(WINDOW_CHUNK - 1), WINDOW_CHUNK))
		bytes = WINDOW_CHUNK;
	return (struct map){ .va = va & ~(bytes - 1),
			     .gpa = w->gpa & ~(bytes - 1),
			     .bytes = (u32)bytes,
			     .write = w->writable && w->dirty,
			     .global = w->global,
			     .asids = (u8)BIT(t->asid_now),
			     .large = w->page_bytes > PAGE_SIZE };
}

static bool map_show(struct tcpu *t, struct space *sp, const struct map *m)
{
	bool small = m->bytes == PAGE_SIZE;
	bool write = m->write && !(small && smc_is_code(t->e, m->gpa));

	if (!host_window_map(slot_host(sp, m->va), m->bytes, t->e->vm->mem.fd,
			     file_offset(t, m->gpa), write, small))
		return true;
	space_clear(t, sp);
	return false;
}

/* False: the host cannot, for now. */
static bool map_add(struct tcpu *t, struct space *sp, gva_t va,
		    const struct x86_walk *w)
{
	struct map m = map_for(t, va, w);

	if (sp->map_count == SPACE_MAPS)
		space_empty(t, sp);
	/* The host has too many mappings, or will have. */
	if (too_many_pieces(t))
		space_empty_oldest(t);
	if (!map_show(t, sp, &m)) {
		windows_empty(t);
		if (!map_show(t, sp, &m))
			return false;
	}
	sp->maps[sp->map_count++] = m;
	sp->large_count += m.large;
	index_add(sp, sp->map_count - 1);
	note_local(sp, sp->map_count - 1);
	count_pieces(t, sp, 1);
	if (m.global && !sp->high)
		t->windows->low_global = true;
	if (m.write && m.bytes > PAGE_SIZE)
		protect_code(t, sp, &sp->maps[sp->map_count - 1]);
	t->stats.window_fills++;
	return sp->map_count != 0;
}

/* --- the guest's tables --- */

static bool peek(struct tcpu *t, const struct space *sp, gva_t va,
		 struct x86_walk *w)
{
	unsigned acc = X86_ACC_READ;

	if (sp->right == WINDOW_USER)
		acc |= X86_ACC_USER;
	return pagewalk_peek(t, va, acc, true, w) &&
	       w->user == (sp->right == WINDOW_USER);
}

/* Does the guest's table still say what @m shows? */
static bool map_check(struct tcpu *t, struct space *sp, struct map *m)
{
	struct x86_walk w;

	if (!peek(t, sp, m->va, &w) || w.gpa != m->gpa ||
	    w.page_bytes < m->bytes)
		return false;
	m->global = w.global;
	m->asids |= (u8)BIT(t->asid_now);
	note_local(sp, (unsigned)(m - sp->maps));
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

void space_check(struct tcpu *t, struct space *sp, bool local_only)
{
	unsigned i = local_only ? next_local(sp, 0) : 0;

	while (i < sp->map_count) {
		if (!map_check(t, sp, &sp->maps[i]))
			map_drop(t, sp, &sp->maps[i]);
		else
			i++;
		if (local_only)
			i = next_local(sp, i);
	}
	sp->stale = false;
}

void space_check_unseen(struct tcpu *t, struct space *sp)
{
	unsigned i = next_local(sp, 0);

	while (i < sp->map_count) {
		struct map *m = &sp->maps[i];

		if ((m->asids & BIT(t->asid_now)) || map_check(t, sp, m))
			i++;
		else
			map_drop(t, sp, m);
		i = next_local(sp, i);
	}
}

void space_forget_asid(struct space *sp, unsigned n)
{
	unsigned i = next_local(sp, 0);

	for (; i < sp->map_count; i = next_local(sp, i + 1))
		sp->maps[i].asids &= (u8)~BIT(n);
}

/* All of a large page goes by any of its addresses. */
static bool is_near(const struct map *m, gva_t va)
{
	return m->large ? ((m->va ^ va) >> 30) == 0 : m->va == (va & PAGE_MASK);
}

void space_check_page(struct tcpu *t, struct space *sp, gva_t va)
{
	struct map *only = map_find(sp, va);

	if (!sp->large_count) {
		if (only && !map_check(t, sp, only))
			map_drop(t, sp, only);
		return;
	}
	for (unsigned i = 0; i < sp->map_count;) {
		struct map *m = &sp->maps[i];

		if (!is_near(m, va) || map_check(t, sp, m))
			i++;
		else
			map_drop(t, sp, m);
	}
}

/* --- host faults --- */

/* A page that is shown already: the write that it was not to have? */
static bool map_upgrade(struct tcpu *t, struct space *sp, struct map *m,
			gva_t va, const struct x86_walk *w, bool write)
{
	if (!write ||
	    (w->gpa & PAGE_MASK) != ((m->gpa + (va - m->va)) & PAGE_MASK))
		return false;
	if (m->write)
		return !host_window_protect(slot_host(sp, va & PAGE_MASK),
					    PAGE_SIZE, true);
	if (w->page_bytes < m->bytes ||
	    host_window_protect(slot_host(sp, m->va), m->bytes, true))
		return false;
	m->write = true;
	m->asids = (u8)BIT(t->asid_now);
	protect_code(t, sp, m);
	return true;
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
	if (m && map_upgrade(t, sp, m, va, w, write))
		return WINDOW_AGAIN;
	if (m && sp->map_count)
		map_drop(t, sp, m);
	TRACE(TLB, "window va %llx gpa %llx", (unsigned long long)va,
	      (unsigned long long)w->gpa);
	return map_add(t, sp, va, w) ? WINDOW_AGAIN : WINDOW_SOFT;
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
	if (!gmem_hva(&t->e->vm->mem, w.gpa & PAGE_MASK, PAGE_SIZE) ||
	    w.user != (right == WINDOW_USER))
		return WINDOW_SOFT;
	window_lock(t);
	a = show(t, right, va, &w, write, delta);
	window_unlock(t);
	return a;
}
