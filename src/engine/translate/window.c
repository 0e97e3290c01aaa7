/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - filling windows from the guest's page tables, and emptying them.
 *
 * An address space of the guest (a "space") has windows for the slots that it
 * uses, and a list of what is mapped in them. The lower half is two spaces
 * for each CR3, pages of the user and pages of the supervisor; the upper half
 * is one, for all CR3s, of the supervisor. Only supervisor code that SMAP
 * keeps off user pages runs in windows, so a page is in one of them at most.
 *
 * A flush does not empty a space: it walks the guest's tables again for each
 * mapping and drops those that are not as they were. That is exact, and costs
 * 20 ns where a host fault costs microseconds.
 *
 * Host faults and mappings are dear (10 us and more on a nested host), so
 * user code gets windows only when its address space has run for a while
 * without page faults; see window_tick().
 *
 * Pages with translated code are never writable here, as in the TLB.
 */
#include "engine/translate/window.h"

#include "base/fmt.h"
#include "base/trace.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/paging.h"

#define CHUNK MiB(2)
#define SPACES 16u
#define SPACE_SLOTS 80u
#define USER_MAPS 1024u
#define KERNEL_MAPS 4096u
#define POOL 256u

struct map {
	gva_t va;
	gpa_t gpa;
	u32 bytes;
	bool write, global;
};

struct slot {
	u8 *host;
	u16 n;
};

struct space {
	bool used, high, stale;
	bool hot; /* of the user: code may run in it */
	u8 right;
	u16 pcid;
	gpa_t root;
	u64 stamp;
	struct slot slots[SPACE_SLOTS];
	unsigned slot_count;
	struct map *maps;
	unsigned map_count, map_max;
	/* See window_tick(). */
	u64 faults, fills; /* at the last tick */
	unsigned calm, wanted, busy;
};

struct windows {
	struct gmem *mem;
	u8 *trap; /* a window in which nothing ever is */
	struct space space[SPACES];
	u8 *pool[POOL]; /* windows that no space has */
	unsigned pool_count;
	u64 clock;
	bool low_global; /* a lower half has had a global page */
	u64 soft[64];
	unsigned soft_count;
};

/* --- slots and deltas --- */

static unsigned slot_of(gva_t va)
{
	return (va >> WINDOW_SHIFT) & (WINDOW_SLOTS - 1);
}

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
		set_delta(t, sp->right, sp->slots[i].n,
			  t->e->windows->trap);
}

static u8 *slot_host(const struct space *sp, gva_t va)
{
	for (unsigned i = 0; i < sp->slot_count; i++)
		if (sp->slots[i].n == slot_of(va))
			return sp->slots[i].host +
			       (va & (WINDOW_BYTES - 1));
	return NULL;
}

static bool slot_open(struct tcpu *t, struct space *sp, unsigned n)
{
	struct windows *w = t->e->windows;
	u8 *host;

	if (sp->slot_count == SPACE_SLOTS)
		return false;
	host = w->pool_count ? w->pool[--w->pool_count] : reserve();
	if (!host)
		return false;
	sp->slots[sp->slot_count++] = (struct slot){ .host = host,
						     .n = (u16)n };
	set_delta(t, sp->right, n, host);
	return true;
}

/* --- mappings --- */

static void no_host_memory(struct engine *e)
{
	vm_kill(e->vm, "the host refuses to change a memory mapping");
}

/* Everything goes; the windows stay. */
static void space_empty(struct engine *e, struct space *sp)
{
	if (sp->map_count)
		for (unsigned i = 0; i < sp->slot_count; i++)
			if (host_window_unmap(sp->slots[i].host, WINDOW_BYTES))
				no_host_memory(e);
	sp->map_count = 0;
}

static void map_drop(struct engine *e, struct space *sp, unsigned i)
{
	struct map *m = &sp->maps[i];

	if (host_window_unmap(slot_host(sp, m->va), m->bytes)) {
		space_empty(e, sp);
		return;
	}
	*m = sp->maps[--sp->map_count];
}

static struct map *map_find(struct space *sp, gva_t va)
{
	for (unsigned i = 0; i < sp->map_count; i++)
		if (va - sp->maps[i].va < sp->maps[i].bytes)
			return &sp->maps[i];
	return NULL;
}

static void protect_page(struct engine *e, struct space *sp, gva_t va)
{
	if (host_window_protect(slot_host(sp, va), PAGE_SIZE, false))
		space_empty(e, sp);
}

/* Pages of @m that hold translated code, to be read only. */
static void protect_code(struct engine *e, struct space *sp,
			 const struct map *m)
{
	for (u64 off = 0; off < m->bytes && sp->map_count; off += PAGE_SIZE)
		if (smc_is_code(e, m->gpa + off))
			protect_page(e, sp, m->va + off);
}

void window_protect(struct engine *e, gpa_t gpa)
{
	struct windows *w = e->windows;

	for (unsigned s = 0; w && s < SPACES; s++) {
		struct space *sp = &w->space[s];

		for (unsigned i = 0; i < sp->map_count; i++) {
			struct map *m = &sp->maps[i];

			if (gpa - m->gpa < m->bytes && m->write)
				protect_page(e, sp,
					     m->va + (gpa - m->gpa));
		}
	}
}

static u64 file_offset(const struct tcpu *t, gpa_t gpa)
{
	return gmem_page_index(&t->e->vm->mem, gpa) << PAGE_SHIFT;
}

/* What of the page that @w found at @va is shown at once. */
static struct map map_for(const struct tcpu *t, gva_t va,
			  const struct x86_walk *w, bool write)
{
	u64 bytes = PAGE_SIZE;

	if (w->page_bytes >= CHUNK &&
	    gmem_hva(&t->e->vm->mem, w->gpa & ~(CHUNK - 1), CHUNK))
		bytes = CHUNK;
	return (struct map){ .va = va & ~(bytes - 1),
			     .gpa = w->gpa & ~(bytes - 1),
			     .bytes = (u32)bytes,
			     .write = write,
			     .global = w->global };
}

static bool map_show(struct tcpu *t, struct space *sp, const struct map *m)
{
	bool small = m->bytes == PAGE_SIZE;

	return !host_window_map(slot_host(sp, m->va), m->bytes,
				t->e->vm->mem.fd, file_offset(t, m->gpa),
				m->write && !(small && smc_is_code(t->e,
								   m->gpa)),
				small);
}

static bool map_add(struct tcpu *t, struct space *sp, gva_t va,
		    const struct x86_walk *w)
{
	struct map m = map_for(t, va, w, w->writable && w->dirty);

	if (sp->map_count == sp->map_max)
		space_empty(t->e, sp);
	if (!map_show(t, sp, &m)) {
		/* Too many mappings for the host? */
		space_empty(t->e, sp);
		if (!map_show(t, sp, &m))
			return false;
	}
	sp->maps[sp->map_count++] = m;
	if (m.global && !sp->high)
		t->e->windows->low_global = true;
	if (m.write && m.bytes > PAGE_SIZE)
		protect_code(t->e, sp, &sp->maps[sp->map_count - 1]);
	t->stats.window_fills++;
	return true;
}

/* --- the guest's tables --- */

static void *phys_word(void *ctx, gpa_t gpa)
{
	struct tcpu *t = ctx;

	return gmem_hva(&t->e->vm->mem, gpa, 8);
}

static bool peek(struct tcpu *t, const struct space *sp, gva_t va,
		 struct x86_walk *w)
{
	unsigned acc = X86_ACC_READ;

	if (sp->right == WINDOW_USER)
		acc |= X86_ACC_USER;
	return x86_walk_peek(&t->v.x86, va, acc, true, phys_word, t, w) &&
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
	if (m->write && !(w.writable && w.dirty)) {
		if (host_window_protect(slot_host(sp, m->va), m->bytes, false))
			return false;
		m->write = false;
	}
	return true;
}

static void space_check(struct tcpu *t, struct space *sp, bool local_only)
{
	for (unsigned i = 0; i < sp->map_count;) {
		struct map *m = &sp->maps[i];

		if ((local_only && m->global) || map_check(t, sp, m))
			i++;
		else
			map_drop(t->e, sp, i);
	}
	sp->stale = false;
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

static struct space *space_find(struct tcpu *t, u8 right, bool high)
{
	struct windows *w = t->e->windows;
	gpa_t root = high ? 0 : root_of(&t->v.x86);

	for (unsigned i = 0; i < SPACES; i++) {
		struct space *sp = &w->space[i];

		if (sp->used && sp->right == right && sp->high == high &&
		    sp->root == root)
			return sp;
	}
	return NULL;
}

static void space_release(struct tcpu *t, struct space *sp)
{
	struct windows *w = t->e->windows;

	space_empty(t->e, sp);
	while (sp->slot_count) {
		u8 *host = sp->slots[--sp->slot_count].host;

		if (w->pool_count < POOL)
			w->pool[w->pool_count++] = host;
		else
			unreserve(host);
	}
	sp->used = sp->hot = false;
}

static bool is_current(const struct tcpu *t, const struct space *sp)
{
	return sp == t->window_user || sp == t->window_low ||
	       sp == t->window_high;
}

static struct space *space_new(struct tcpu *t, u8 right, bool high)
{
	struct windows *w = t->e->windows;
	struct space *sp = NULL;
	unsigned max = high ? KERNEL_MAPS : USER_MAPS;

	for (unsigned i = 0; i < SPACES; i++) {
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
	if (sp->map_max < max) {
		host_pages_free(sp->maps, sp->map_max * sizeof(struct map));
		sp->map_max = 0;
		sp->maps = host_pages_alloc(max * sizeof(struct map));
		if (!sp->maps)
			return NULL;
		sp->map_max = max;
	}
	sp->used = true;
	sp->right = right;
	sp->high = high;
	sp->root = high ? 0 : root_of(&t->v.x86);
	sp->pcid = pcid_of(&t->v.x86);
	sp->stale = sp->hot = false;
	sp->stamp = ++w->clock;
	sp->faults = t->stats.page_faults;
	sp->fills = t->stats.window_fills;
	sp->calm = sp->busy = 0;
	sp->wanted = 2;
	return sp;
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

/* --- flushes --- */

static struct space *lower_half(struct tcpu *t, struct space *old, u8 right,
				bool keep)
{
	struct windows *w = t->e->windows;
	struct space *sp = space_find(t, right, false);
	u16 pcid = pcid_of(&t->v.x86);

	if (sp != old && old)
		unload_space(t, old);
	if (!sp)
		return NULL;
	if (!keep || sp->stale || sp->pcid != pcid)
		space_check(t, sp, false);
	sp->pcid = pcid;
	sp->stamp = ++w->clock;
	if (sp != old)
		load_space(t, sp);
	return sp;
}

static bool is_on(const struct tcpu *t)
{
	return t->e->windows && (t->v.x86.efer & EFER_LMA);
}

static void user_is(struct tcpu *t, struct space *sp)
{
	t->window_user = sp;
	t->window_hot = sp && sp->hot;
}

void window_switch(struct tcpu *t, bool keep)
{
	if (!is_on(t))
		return;
	user_is(t, lower_half(t, t->window_user, WINDOW_USER, keep));
	if (unlikely(t->e->options.all_windows) && !t->window_user) {
		struct space *sp = space_new(t, WINDOW_USER, false);

		if (sp)
			sp->hot = true;
		user_is(t, sp);
	}
	t->window_low = lower_half(t, t->window_low, WINDOW_KERNEL, keep);
	if (t->window_high)
		space_check(t, t->window_high, true);
}

void window_flush_others(struct tcpu *t)
{
	struct windows *w = t->e->windows;

	for (unsigned i = 0; w && i < SPACES; i++)
		if (!is_current(t, &w->space[i]))
			w->space[i].stale = true;
}

static void empty_all(struct tcpu *t)
{
	struct windows *w = t->e->windows;

	for (unsigned i = 0; i < SPACES; i++)
		space_empty(t->e, &w->space[i]);
}

void window_flush_all(struct tcpu *t)
{
	if (!t->e->windows)
		return;
	if (!is_on(t)) {
		empty_all(t);
		return;
	}
	window_flush_others(t);
	window_switch(t, false);
	if (t->window_high)
		space_check(t, t->window_high, false);
}

void window_flush_local(struct tcpu *t)
{
	if (!is_on(t))
		return;
	if (t->window_user)
		space_check(t, t->window_user, true);
	if (t->window_low)
		space_check(t, t->window_low, true);
	if (t->window_high)
		space_check(t, t->window_high, true);
}

/* All of a large page goes by any of its addresses. */
static void flush_in(struct tcpu *t, struct space *sp, gva_t va)
{
	for (unsigned i = 0; sp && i < sp->map_count;) {
		struct map *m = &sp->maps[i];
		bool near = m->bytes > PAGE_SIZE ?
				    ((m->va ^ va) >> 30) == 0 :
				    m->va == (va & PAGE_MASK);

		if (!near || map_check(t, sp, m))
			i++;
		else
			map_drop(t->e, sp, i);
	}
}

void window_flush_page(struct tcpu *t, gva_t va)
{
	if (!is_on(t))
		return;
	flush_in(t, t->window_user, va);
	flush_in(t, t->window_low, va);
	flush_in(t, t->window_high, va);
	/* A global page goes from all address spaces. */
	if (t->e->windows->low_global)
		window_flush_others(t);
}

/* --- host faults --- */

/* A page that is shown already: the write that it was not to have? */
static bool map_upgrade(struct tcpu *t, struct space *sp, struct map *m,
			gva_t va, const struct x86_walk *w, bool write)
{
	if (!write || (w->gpa & PAGE_MASK) !=
			      ((m->gpa + (va - m->va)) & PAGE_MASK))
		return false;
	if (m->write)
		return !host_window_protect(slot_host(sp, va & PAGE_MASK),
					    PAGE_SIZE, true);
	if (w->page_bytes < m->bytes ||
	    host_window_protect(slot_host(sp, m->va), m->bytes, true))
		return false;
	m->write = true;
	protect_code(t->e, sp, m);
	return true;
}

/* The address that windowed code meant, from where it faulted. False if it
 * strayed into a guard. */
static bool fault_va(struct tcpu *t, const struct host_fault *h, u8 right,
		     u64 delta, gva_t *va)
{
	*va = h->addr - delta;
	return x86_is_canonical(*va) &&
	       t->window[right][slot_of(*va)] == delta;
}

enum window_answer window_fault(struct tcpu *t, struct host_fault *h,
				unsigned delta, struct x86_fault *f)
{
	u8 right = t->key & KEY_USER ? WINDOW_USER : WINDOW_KERNEL;
	bool write = h->error & PF_W;
	unsigned acc = (write ? X86_ACC_WRITE : X86_ACC_READ) |
		       (right == WINDOW_USER ? X86_ACC_USER : 0);
	struct space *sp;
	struct x86_walk w;
	struct map *m;
	gva_t va;

	t->stats.window_faults++;
	if (!fault_va(t, h, right, h->gpr[delta], &va))
		return WINDOW_SOFT;
	if (x86_walk(&t->v.x86, va, acc, false, phys_word, t, &w, f))
		return WINDOW_FAULT;
	if (!gmem_hva(&t->e->vm->mem, w.gpa & PAGE_MASK, PAGE_SIZE) ||
	    w.user != (right == WINDOW_USER) ||
	    (write && smc_is_code(t->e, w.gpa)))
		return WINDOW_SOFT;
	sp = space_current(t, right, va);
	if (!sp)
		sp = space_make(t, right, va);
	if (!sp || (!slot_host(sp, va) && !slot_open(t, sp, slot_of(va))))
		return WINDOW_SOFT;
	/* Of a slot that has just been opened, or not loaded before. */
	h->gpr[delta] = t->window[right][slot_of(va)];
	m = map_find(sp, va);
	if (m && map_upgrade(t, sp, m, va, &w, write))
		return WINDOW_AGAIN;
	if (m)
		map_drop(t->e, sp, (unsigned)(m - sp->maps));
	TRACE(TLB, "window va %llx gpa %llx acc %x", (unsigned long long)va,
	      (unsigned long long)w.gpa, acc);
	return map_add(t, sp, va, &w) ? WINDOW_AGAIN : WINDOW_SOFT;
}

/* --- policy --- */

/*
 * Called some hundred times a second, by the guest's own timer. An address
 * space has windows after two calm ticks (or more, if it lost them before),
 * and loses them when filling them takes a good part of the time.
 */
#define TICK_FAULTS 64u /* page faults of a calm tick, at most */
#define TICK_FILLS 150u
#define TICKS_BUSY 4u
#define WANTED_MAX 256u

void window_tick(struct tcpu *t)
{
	struct space *sp = t->window_user;
	u64 faults, fills;

	if (!is_on(t) || t->e->options.all_windows)
		return;
	if (!sp) {
		sp = space_new(t, WINDOW_USER, false);
		if (!sp)
			return;
		user_is(t, sp);
	}
	faults = t->stats.page_faults - sp->faults;
	fills = t->stats.window_fills - sp->fills;
	sp->faults = t->stats.page_faults;
	sp->fills = t->stats.window_fills;
	if (!sp->hot) {
		sp->calm = faults < TICK_FAULTS ? sp->calm + 1 : 0;
		sp->hot = sp->calm >= sp->wanted;
		sp->busy = 0;
	} else {
		sp->busy = fills > TICK_FILLS ? sp->busy + 1 : 0;
		if (sp->busy >= TICKS_BUSY) {
			sp->hot = false;
			sp->calm = 0;
			if (sp->wanted < WANTED_MAX)
				sp->wanted *= 2;
			space_empty(t->e, sp);
		}
	}
	t->window_hot = sp->hot;
}

static u64 soft_bit(gpa_t gpa, unsigned *word)
{
	u64 h = gpa * 0x9e3779b97f4a7c15ull >> 52;

	*word = (unsigned)(h >> 6);
	return BIT64(h & 63);
}

bool window_is_soft(const struct windows *w, gpa_t gpa)
{
	unsigned word;
	u64 bit = soft_bit(gpa, &word);

	return w->soft[word] & bit;
}

void window_make_soft(struct windows *w, gpa_t gpa)
{
	unsigned word;
	u64 bit = soft_bit(gpa, &word);

	/* A filter that is full says yes to all. */
	if (w->soft_count == 1024) {
		fill_bytes(w->soft, 0, sizeof(w->soft));
		w->soft_count = 0;
	}
	if (!(w->soft[word] & bit))
		w->soft_count++;
	w->soft[word] |= bit;
}

/* --- birth and death --- */

void window_vcpu_init(struct tcpu *t)
{
	struct windows *w = t->e->windows;

	for (unsigned r = 0; w && r < WINDOW_RIGHTS; r++)
		for (unsigned n = 0; n < WINDOW_SLOTS; n++)
			set_delta(t, (u8)r, n, w->trap);
	t->window_slot_mask = (u64)(WINDOW_SLOTS - 1) << WINDOW_SHIFT;
}

struct windows *windows_new(struct engine *e)
{
	struct windows *w = host_pages_alloc(sizeof(*w));

	if (!w)
		return NULL;
	w->mem = &e->vm->mem;
	w->trap = reserve();
	if (!w->trap) {
		windows_free(w);
		return NULL;
	}
	return w;
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < SPACES; i++) {
		struct space *sp = &w->space[i];

		while (sp->slot_count)
			unreserve(sp->slots[--sp->slot_count].host);
		host_pages_free(sp->maps, sp->map_max * sizeof(struct map));
	}
	while (w->pool_count)
		unreserve(w->pool[--w->pool_count]);
	unreserve(w->trap);
	host_pages_free(w, sizeof(*w));
}
