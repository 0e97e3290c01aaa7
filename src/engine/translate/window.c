/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - the guest's address spaces and their windows.
 *
 * An address space of the guest (a "space") has windows for the slots that it
 * uses, and a list of what is mapped in them (window_map.c). The lower half is
 * two spaces for each CR3, pages of the user and pages of the supervisor; the
 * upper half is one, for all CR3s, of the supervisor. Only supervisor code
 * that SMAP keeps off user pages runs in windows, so a page is in one of them
 * at most.
 *
 * The deltas of the current spaces are in t->window; slots without a window
 * have that of the trap. What is dropped of a space that is not current is
 * noted (.stale) and done when it is current again; of the user's, when its
 * code runs again (window_due.c).
 */
#include "engine/translate/window.h"

#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "engine/translate/window_space.h"
#include "x86/paging.h"

/* --- slots and deltas --- */

static gva_t slot_base(unsigned n)
{
	return (gva_t)((s64)((u64)n << (64 - 9)) >> (64 - 48));
}

static u8 *reserve(void)
{
	u8 *p = host_window_reserve(WINDOW_BYTES + 2 * WINDOW_GUARD);

	return p ? p + WINDOW_GUARD : NULL;
}

static void unreserve(u8 *p)
{
	if (p)
		host_window_free(p - WINDOW_GUARD,
				 WINDOW_BYTES + 2 * WINDOW_GUARD);
}

static void set_delta(struct tcpu *t, u8 right, unsigned n, const u8 *host)
{
	t->window[right][n] = (u64)(uintptr_t)host - slot_base(n);
}

static void load_space(struct tcpu *t, const struct space *sp)
{
	for (unsigned i = 0; i < sp->slot_count; i++)
		set_delta(t, sp->right, sp->slots[i].n, sp->slots[i].host);
}

static void unload_space(struct tcpu *t, const struct space *sp)
{
	for (unsigned i = 0; i < sp->slot_count; i++)
		set_delta(t, sp->right, sp->slots[i].n, t->e->trap);
}

static bool slot_open(struct tcpu *t, struct space *sp, unsigned n)
{
	struct windows *w = t->windows;
	u8 *host;

	if (sp->slot_count == SPACE_SLOTS)
		return false;
	host = w->pool_count ? w->pool[--w->pool_count] : reserve();
	if (!host)
		return false;
	sp->slots[sp->slot_count++] =
		(struct slot){ .host = host, .n = (u16)n };
	set_delta(t, sp->right, n, host);
	return true;
}

/* --- spaces --- */

static gpa_t root_of(const struct x86_state *s)
{
	return s->cr3 & X86_PHYS_MASK & PAGE_MASK;
}

static u16 pcid_of(const struct x86_state *s)
{
	return s->cr4 & CR4_PCIDE ? s->cr3 & CR3_PCID_MASK : 0;
}

static u64 space_what(u8 right, bool high, gpa_t root)
{
	return root | (u64)right << 2 | (u64)high << 1 | 1;
}

static struct space_id *id_of(struct tcpu *t, const struct space *sp)
{
	return &t->windows->id[sp - t->windows->space];
}

static struct space *space_find(struct tcpu *t, u8 right, bool high)
{
	u64 what = space_what(right, high, high ? 0 : root_of(&t->v.x86));
	struct windows *w = t->windows;

	for (unsigned i = 0; i < w->spaces; i++)
		if (w->id[i].what == what)
			return &w->space[i];
	return NULL;
}

static void space_release(struct tcpu *t, struct space *sp)
{
	struct windows *w = t->windows;

	space_empty(t, sp);
	while (sp->slot_count) {
		u8 *host = sp->slots[--sp->slot_count].host;

		if (w->pool_count < w->pool_max)
			w->pool[w->pool_count++] = host;
		else
			unreserve(host);
	}
	sp->used = sp->hot = false;
	id_of(t, sp)->what = 0;
}

static bool is_current(const struct tcpu *t, const struct space *sp)
{
	return sp == t->window_user || sp == t->window_low ||
	       sp == t->window_high;
}

struct space *space_new(struct tcpu *t, u8 right, bool high)
{
	struct windows *w = t->windows;
	struct space *sp = NULL;

	for (unsigned i = 0; i < w->spaces; i++) {
		struct space *s = &w->space[i];

		if (!s->used) {
			sp = s;
			break;
		}
		if (!is_current(t, s) && (!sp || s->stamp < sp->stamp))
			sp = s;
	}
	if (!sp)
		return NULL;
	if (sp->used)
		space_release(t, sp);
	if (!sp->maps)
		sp->maps = host_pages_alloc(SPACE_MAPS * sizeof(struct map));
	if (!sp->maps)
		return NULL;
	sp->used = true;
	sp->right = right;
	sp->high = high;
	sp->root = high ? 0 : root_of(&t->v.x86);
	*id_of(t, sp) = (struct space_id){
		.what = space_what(right, high, sp->root),
		.pcid = pcid_of(&t->v.x86),
	};
	sp->hot = false;
	due_forget(sp);
	sp->stamp = ++w->clock;
	if (right == WINDOW_USER)
		window_choose_anew(t, sp);
	return sp;
}

void space_empty_oldest(struct tcpu *t)
{
	struct windows *w = t->windows;
	struct space *oldest = NULL;

	for (unsigned i = 0; i < w->spaces; i++) {
		struct space *sp = &w->space[i];

		if (sp->map_count && !is_current(t, sp) &&
		    (!oldest || sp->stamp < oldest->stamp))
			oldest = sp;
	}
	if (oldest)
		space_empty(t, oldest);
	else
		windows_empty(t);
}

static struct space *space_current(struct tcpu *t, u8 right, gva_t va)
{
	if (slot_of(va) >= WINDOW_SLOTS / 2)
		return right == WINDOW_KERNEL ? t->window_high : NULL;
	return right == WINDOW_KERNEL ? t->window_low : t->window_user;
}

static struct space *space_make(struct tcpu *t, u8 right, gva_t va)
{
	bool high = slot_of(va) >= WINDOW_SLOTS / 2;

	if (right == WINDOW_USER)
		return NULL; /* by window_tick() only */
	if (high)
		return t->window_high = space_new(t, right, true);
	return t->window_low = space_new(t, right, false);
}

struct space *space_for(struct tcpu *t, u8 right, gva_t va)
{
	struct space *sp = space_current(t, right, va);

	if (!sp)
		sp = space_make(t, right, va);
	if (!sp || (!slot_host(sp, va) && !slot_open(t, sp, slot_of(va))))
		return NULL;
	return sp;
}

/* --- flushes --- */

static struct space *lower_half(struct tcpu *t, struct space *old, u8 right,
				bool keep)
{
	struct windows *w = t->windows;
	struct space *sp = space_find(t, right, false);
	u16 pcid = pcid_of(&t->v.x86);

	if (sp != old && old)
		unload_space(t, old);
	if (!sp)
		return NULL;
	sp->stale |= !keep || id_of(t, sp)->pcid != pcid;
	if (sp->stale && right == WINDOW_KERNEL)
		space_check(t, sp, false);
	id_of(t, sp)->pcid = pcid;
	sp->stamp = ++w->clock;
	if (sp != old)
		load_space(t, sp);
	return sp;
}

static bool is_on(const struct tcpu *t)
{
	return t->windows && (t->v.x86.efer & EFER_LMA);
}

void space_set_user(struct tcpu *t, struct space *sp)
{
	t->window_user = sp;
	t->window_hot = sp && sp->hot;
	due_resume(t, sp);
}

/*
 * The PCID that is current now may have been another root's: what is dropped
 * of it from now on is dropped of that one's translations, too.
 * SDM 3A 4.10.4.1 "Operations that Invalidate TLBs"
 */
static void pcid_taken(struct tcpu *t)
{
	u16 pcid = pcid_of(&t->v.x86);
	struct windows *w = t->windows;

	for (unsigned i = 0; i < w->spaces; i++) {
		struct space *sp = &w->space[i];

		if (w->id[i].what && w->id[i].pcid == pcid && !sp->high &&
		    sp->root != root_of(&t->v.x86))
			sp->stale = true;
	}
}

static void switch_spaces(struct tcpu *t, bool keep)
{
	pcid_taken(t);
	space_set_user(t, lower_half(t, t->window_user, WINDOW_USER, keep));
	if (unlikely(t->e->options.all_windows) && !t->window_user)
		space_set_user(t, space_new(t, WINDOW_USER, false));
	t->window_low = lower_half(t, t->window_low, WINDOW_KERNEL, keep);
	if (t->window_high)
		space_check_unseen(t, t->window_high);
}

void window_forget_asid(struct tcpu *t, unsigned n)
{
	if (!t->window_high)
		return;
	window_lock(t);
	space_forget_asid(t->window_high, n);
	window_unlock(t);
}

void window_switch(struct tcpu *t, bool keep)
{
	if (!is_on(t))
		return;
	window_lock(t);
	switch_spaces(t, keep);
	window_unlock(t);
}

void window_flush_others(struct tcpu *t)
{
	struct windows *w = t->windows;

	for (unsigned i = 0; w && i < w->spaces; i++)
		if (!is_current(t, &w->space[i]))
			w->space[i].stale = true;
}

void window_flush_all(struct tcpu *t)
{
	if (!t->windows)
		return;
	window_lock(t);
	if (!is_on(t)) {
		windows_empty(t);
	} else {
		window_flush_others(t);
		switch_spaces(t, false);
		if (t->window_high)
			space_check(t, t->window_high, false);
	}
	window_unlock(t);
	/* By a request, between two blocks of the user's. */
	if (t->window_due && (t->key & KEY_USER))
		window_settle(t);
}

void window_flush_local(struct tcpu *t)
{
	if (!is_on(t))
		return;
	window_lock(t);
	if (t->window_user)
		due_all(t, t->window_user);
	if (t->window_low)
		space_check(t, t->window_low, true);
	if (t->window_high)
		space_check(t, t->window_high, true);
	window_unlock(t);
}

void window_flush_page(struct tcpu *t, gva_t va)
{
	if (!is_on(t))
		return;
	window_lock(t);
	if (slot_of(va) >= WINDOW_SLOTS / 2) {
		if (t->window_high)
			space_check_pages(t, t->window_high, &va, 1);
	} else {
		if (t->window_user)
			due_page(t, t->window_user, va);
		if (t->window_low)
			space_check_pages(t, t->window_low, &va, 1);
	}
	window_unlock(t);
	/* A global page goes from all address spaces. */
	if (t->windows->low_global)
		window_flush_others(t);
}

/* --- birth and death --- */

/* Linux gives a process 128 TiB: 256 windows, and other things want to live
 * there, too. Kernels use five, processes two or three. */
#define SPACES_IN_ALL 64u

u8 *window_trap_new(void)
{
	return reserve();
}

void window_trap_free(u8 *trap)
{
	unreserve(trap);
}

int windows_init(struct tcpu *t)
{
	unsigned cpus = t->v.vm->cpu_total;
	struct windows *w;

	if (!t->e->trap)
		return 0;
	w = host_pages_alloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	host_mutex_init(&w->lock);
	w->spaces = (unsigned)min_u64(max_u64(SPACES_IN_ALL / cpus, 4), SPACES);
	w->pool_max = POOL / cpus;
	t->windows = w;
	for (unsigned r = 0; r < WINDOW_RIGHTS; r++)
		for (unsigned n = 0; n < WINDOW_SLOTS; n++)
			set_delta(t, (u8)r, n, t->e->trap);
	t->window_slot_mask = (u64)(WINDOW_SLOTS - 1) << WINDOW_SHIFT;
	return 0;
}

void windows_fini(struct tcpu *t)
{
	struct windows *w = t->windows;

	if (!w)
		return;
	for (unsigned i = 0; i < SPACES; i++) {
		struct space *sp = &w->space[i];

		while (sp->slot_count)
			unreserve(sp->slots[--sp->slot_count].host);
		if (sp->maps)
			host_pages_free(sp->maps,
					SPACE_MAPS * sizeof(struct map));
	}
	while (w->pool_count)
		unreserve(w->pool[--w->pool_count]);
	host_mutex_fini(&w->lock);
	host_pages_free(w, sizeof(*w));
	t->windows = NULL;
}
