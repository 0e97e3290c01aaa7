/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_map.c - what a space shows: the list of its mappings, and the host's
 * memory mappings that go with it.
 *
 * A struct map is one page, or a chunk of a large one. Neighbours come and go
 * in one call of the host where they can, for a call costs 5 us and a page of
 * it a tenth of that.
 *
 * Runs in the handler of processor faults, too, on the vCPU's thread: what was
 * interrupted then is generated code, never C, so no lock is held and nothing
 * half done. Other vCPUs come only to protect pages (window_protect), under the
 * lock.
 */
#include "engine/translate/engine.h"
#include "engine/translate/window_space.h"
#include "x86/paging.h"

/* --- what there is --- */

static void count_pieces(struct tcpu *t, struct space *sp, int n)
{
	sp->pieces += (unsigned)n;
	__atomic_fetch_add(&t->e->pieces, (unsigned)n, __ATOMIC_RELAXED);
}

static bool too_many_pieces(const struct tcpu *t)
{
	return __atomic_load_n(&t->e->pieces, __ATOMIC_RELAXED) >= PIECES_MAX;
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

/* This address space has seen @m, and no other. */
static void note_unseen(struct tcpu *t, struct space *sp, const struct map *m)
{
	if (!m->global)
		sp->seen &= (u8)BIT(t->asid_now);
}

void map_note(struct space *sp, const struct map *m)
{
	note_local(sp, (unsigned)(m - sp->maps));
}

unsigned map_next_local(const struct space *sp, unsigned i)
{
	while (i < sp->map_count) {
		u64 bits = sp->local[i / 64] >> i % 64;

		if (bits)
			return i + (unsigned)__builtin_ctzll(bits);
		i = (i / 64 + 1) * 64;
	}
	return i;
}

/* --- protecting --- */

/* May leave no mapping at all. */
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

static void protect_gpa(struct tcpu *t, struct space *sp, gpa_t gpa, u32 bytes)
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

bool map_upgrade(struct tcpu *t, struct space *sp, struct map *m, gva_t va,
		 const struct x86_walk *w)
{
	if (m->write) /* there was code */
		return !host_window_protect(slot_host(sp, va & PAGE_MASK),
					    PAGE_SIZE, true);
	if (w->page_bytes < m->bytes ||
	    host_window_protect(slot_host(sp, m->va), m->bytes, true))
		return false;
	m->write = true;
	m->asids = (u8)BIT(t->asid_now);
	note_unseen(t, sp, m);
	protect_code(t, sp, m);
	return true;
}

/* --- making --- */

static u64 file_offset(const struct tcpu *t, gpa_t gpa)
{
	return gmem_page_index(&t->e->vm->mem, gpa) << PAGE_SHIFT;
}

struct map map_for(const struct tcpu *t, gva_t va, const struct x86_walk *w)
{
	u64 bytes = PAGE_SIZE;

	if (w->page_bytes >= WINDOW_CHUNK &&
	    gmem_hva(&t->e->vm->mem, w->gpa & ~(WINDOW_CHUNK - 1),
		     WINDOW_CHUNK))
		bytes = WINDOW_CHUNK;
	return (struct map){ .va = va & ~(bytes - 1),
			     .gpa = w->gpa & ~(bytes - 1),
			     .bytes = (u32)bytes,
			     .write = w->writable && w->dirty,
			     .global = w->global,
			     .asids = (u8)BIT(t->asid_now),
			     .large = w->page_bytes > PAGE_SIZE };
}

bool map_may_write(const struct tcpu *t, const struct map *m)
{
	return m->write && (m->bytes > PAGE_SIZE || !smc_is_code(t->e, m->gpa));
}

/* On failure nothing of @sp is left. */
static bool show(struct tcpu *t, struct space *sp, const struct map *m,
		 u64 bytes, bool write)
{
	bool touch = m->bytes == PAGE_SIZE;

	if (!host_window_map(slot_host(sp, m->va), bytes, t->e->vm->mem.fd,
			     file_offset(t, m->gpa), write, touch))
		return true;
	space_clear(t, sp);
	return false;
}

static void list(struct tcpu *t, struct space *sp, const struct map *m)
{
	sp->maps[sp->map_count++] = *m;
	sp->large_count += m->large;
	index_add(sp, sp->map_count - 1);
	note_local(sp, sp->map_count - 1);
	note_unseen(t, sp, m);
	count_pieces(t, sp, 1);
	if (m->global && !sp->high)
		t->windows->low_global = true;
}

bool maps_add(struct tcpu *t, struct space *sp, const struct map *m, unsigned n,
	      bool write)
{
	u64 bytes = (u64)m->bytes * n;

	if (sp->map_count + n > SPACE_MAPS)
		space_empty(t, sp);
	/* The host has too many mappings, or will have. */
	if (too_many_pieces(t))
		space_empty_oldest(t);
	if (!show(t, sp, m, bytes, write)) {
		windows_empty(t);
		if (!show(t, sp, m, bytes, write))
			return false;
	}
	for (unsigned i = 0; i < n; i++)
		list(t, sp, &m[i]);
	if (m->write && m->bytes > PAGE_SIZE)
		protect_code(t, sp, &sp->maps[sp->map_count - 1]);
	return sp->map_count != 0;
}

void map_replace(struct tcpu *t, struct space *sp, struct map *m,
		 const struct map *to)
{
	unsigned i = (unsigned)(m - sp->maps);

	if (!show(t, sp, to, to->bytes, map_may_write(t, to)))
		return;
	index_remove(sp, i);
	count_pieces(t, sp, -(int)m->splits);
	sp->large_count -= m->large;
	sp->large_count += to->large;
	*m = *to;
	index_add(sp, i);
	note_local(sp, i);
	note_unseen(t, sp, m);
}

/* --- dropping --- */

static void unlist(struct tcpu *t, struct space *sp, struct map *m)
{
	unsigned i = (unsigned)(m - sp->maps);

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

void map_drop(struct tcpu *t, struct space *sp, struct map *m)
{
	t->stats.window_drops++;
	if (host_window_unmap(slot_host(sp, m->va), m->bytes))
		windows_empty(t);
	else
		unlist(t, sp, m);
}

static bool is_gone(struct space *sp, gva_t va, unsigned slot)
{
	struct map *m = slot_of(va) == slot ? map_find(sp, va) : NULL;

	return m && m->gone && m->bytes == PAGE_SIZE;
}

void map_drop_run(struct tcpu *t, struct space *sp, struct map *m)
{
	gva_t from = m->va, to = m->va + PAGE_SIZE;
	unsigned slot = slot_of(from);

	if (m->bytes > PAGE_SIZE) {
		map_drop(t, sp, m);
		return;
	}
	while (is_gone(sp, from - PAGE_SIZE, slot))
		from -= PAGE_SIZE;
	while (is_gone(sp, to, slot))
		to += PAGE_SIZE;
	t->stats.window_drops++;
	if (host_window_unmap(slot_host(sp, from), to - from)) {
		windows_empty(t);
		return;
	}
	for (gva_t va = from; va != to; va += PAGE_SIZE)
		unlist(t, sp, map_find(sp, va));
}
