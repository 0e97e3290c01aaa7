/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_space.h - what the files of windows have in common: address spaces of
 * the guest, and what is mapped in their windows.
 *
 *	window.c	spaces: which there are, which are current; flushes
 *	window_index.c	mappings: found
 *	window_map.c	mappings: made, protected, dropped
 *	window_fill.c	... made by host faults, and by guessing
 *	window_check.c	... checked by flushes
 *	window_due.c	what waits until the user's code runs
 *	window_choose.c	whether user code and blocks are worth it
 */
#ifndef DOPPEL_TRANSLATE_WINDOW_SPACE_H
#define DOPPEL_TRANSLATE_WINDOW_SPACE_H

#include "engine/translate/engine.h"
#include "engine/translate/window.h"

/* Of one vCPU; of several, fewer each: see windows_init(). */
#define SPACES 16u
#define SPACE_SLOTS 80u
/* Of one space. Programs touch thousands of pages. */
#define SPACE_MAPS 8192u
#define INDEX_BITS 11
/* What of a large page is shown at once. */
#define WINDOW_CHUNK MiB(2)
#define POOL 256u
/* Pages whose flush may wait; see window_due.c. */
#define DUE_MAX 128u
/* Of all spaces together: each makes two regions of host address space more
 * at most, and Linux lets a process have 65530 (vm.max_map_count). */
#define PIECES_MAX 25000u

struct map {
	gva_t va;
	gpa_t gpa;
	u32 bytes; /* PAGE_SIZE or WINDOW_CHUNK */
	u16 splits; /* pages in it that are protected apart */
	u16 next_va, next_gpa; /* see window_index.c */
	bool write, global;
	bool large; /* of a large page, even if it shows less of it */
	bool gone; /* see window_check.c */
	u8 asids; /* bit n: address space n has seen it so; if not global */
};

struct slot {
	u8 *host;
	u16 n;
};

struct space {
	bool used, high;
	bool stale; /* to be checked before it is used again */
	bool hot; /* of the user: code may run in it */
	u8 right;
	gpa_t root;
	u64 stamp;
	struct slot slots[SPACE_SLOTS];
	unsigned slot_count;
	struct map *maps;
	unsigned map_count, large_count;
	/* Of each hash the number of the first map; 0: none. */
	u16 by_va[1u << INDEX_BITS], by_gpa[1u << INDEX_BITS];
	u64 local[SPACE_MAPS / 64]; /* bit n: map n is there, not global */
	u8 seen; /* bit n: address space n has seen all of them */
	unsigned pieces; /* maps and splits */
	/* Of the user, to be looked at before its code runs again. */
	gva_t due[DUE_MAX];
	unsigned due_count;
	bool fresh; /* it has got windows just now */
	bool wants;
	gva_t wanted; /* it faulted there */
	/* See window_tick(). */
	u64 faults, fills; /* at the last tick */
	unsigned calm, patience, busy;
};

struct windows {
	/* Held by whoever changes or reads what is mapped; the spaces
	 * themselves are the vCPU's own thread's. */
	struct host_mutex lock;
	unsigned spaces; /* how many of .space may be used */
	struct space space[SPACES];
	/* Of each, apart: each MOV CR3 goes through them. */
	struct space_id {
		u64 what; /* space_what(), or 0: not used */
		u16 pcid;
	} id[SPACES];
	u8 *pool[POOL]; /* windows that no space has */
	unsigned pool_count, pool_max;
	u64 clock;
	bool low_global; /* a lower half has had a global page */
};

static inline void window_lock(struct tcpu *t)
{
	host_mutex_lock(&t->windows->lock);
}

static inline void window_unlock(struct tcpu *t)
{
	host_mutex_unlock(&t->windows->lock);
}

static inline unsigned slot_of(gva_t va)
{
	return (va >> WINDOW_SHIFT) & (WINDOW_SLOTS - 1);
}

/* Where @sp shows @va, or NULL if it has no window for it. */
static inline u8 *slot_host(const struct space *sp, gva_t va)
{
	for (unsigned i = 0; i < sp->slot_count; i++)
		if (sp->slots[i].n == slot_of(va))
			return sp->slots[i].host + (va & (WINDOW_BYTES - 1));
	return NULL;
}

/* --- window.c --- */
/* The current space of @va for @right, with a window for it; NULL: none. */
struct space *space_for(struct tcpu *t, u8 right, gva_t va);
/* A new one of the current CR3. NULL: no host memory. */
struct space *space_new(struct tcpu *t, u8 right, bool high);
void space_set_user(struct tcpu *t, struct space *sp);

/* Makes room on the host by emptying one that is not current; else all. Under
 * the lock. */
void space_empty_oldest(struct tcpu *t);

/* --- window_index.c --- under the lock --- */
void index_clear(struct space *sp);
void index_add(struct space *sp, unsigned i);
void index_remove(struct space *sp, unsigned i);
/* The mapping that shows @va, or NULL. */
struct map *map_find(struct space *sp, gva_t va);
/* The first of those that may show @gpa, and are of @bytes; the next is
 * .next_gpa. */
struct map *map_of_gpa(struct space *sp, gpa_t gpa, u32 bytes);

/* --- window_map.c --- under the lock --- */
/* Everything goes; the windows stay. */
void space_empty(struct tcpu *t, struct space *sp);
void windows_empty(struct tcpu *t);
/* What of the page that @w found at @va is shown at once. */
struct map map_for(const struct tcpu *t, gva_t va, const struct x86_walk *w);
/* Would @m, not there yet, be writable: by the guest, and not being code? */
bool map_may_write(const struct tcpu *t, const struct map *m);
/* Shows @m and, if it is of PAGE_SIZE, the @n - 1 pages behind it, which are
 * alike but for .global and follow each other in guest physical memory.
 * False: the host cannot, for now. */
bool maps_add(struct tcpu *t, struct space *sp, const struct map *m, unsigned n,
	      bool write) MUST_CHECK;
/* @m becomes @to, of the same address and size. */
void map_replace(struct tcpu *t, struct space *sp, struct map *m,
		 const struct map *to);
/* The guest may write @m, or what of it a write to @va needs. */
bool map_upgrade(struct tcpu *t, struct space *sp, struct map *m, gva_t va,
		 const struct x86_walk *w) MUST_CHECK;
/* May leave no mapping at all. */
void map_drop(struct tcpu *t, struct space *sp, struct map *m);
/* ... and its neighbours that are .gone as well. */
void map_drop_run(struct tcpu *t, struct space *sp, struct map *m);
/* .global of @m has changed. */
void map_note(struct space *sp, const struct map *m);
/* The number of the first map from @i on that is not global; or map_count, or
 * more: none. */
unsigned map_next_local(const struct space *sp, unsigned i);

/* --- window_fill.c --- under the lock --- */
/* What the guest's tables say of @va for the code of @sp; only if a walk would
 * find what is to be set set already. */
bool space_peek(struct tcpu *t, const struct space *sp, gva_t va,
		struct x86_walk *w);
/* Shows @va, if they say enough. */
void space_show(struct tcpu *t, struct space *sp, gva_t va);

/* --- window_check.c --- under the lock --- */
/* What the guest's tables do not say any more goes; @local_only: but for
 * global pages. */
void space_check(struct tcpu *t, struct space *sp, bool local_only);
/* ... that this address space has not seen: its TLB would not know them. */
void space_check_unseen(struct tcpu *t, struct space *sp);
void space_forget_asid(struct space *sp, unsigned n);
/* ... of @n addresses. */
void space_check_pages(struct tcpu *t, struct space *sp, const gva_t *va,
		       unsigned n);

/* --- window_choose.c --- the current user's space is another's */
void window_choose_anew(struct tcpu *t, struct space *sp);

/* --- window_due.c --- under the lock; of the current user's space */
void due_page(struct tcpu *t, struct space *sp, gva_t va);
void due_all(struct tcpu *t, struct space *sp);
/* It is current now: is anything due? */
void due_resume(struct tcpu *t, const struct space *sp);
/* It has windows from now on. */
void due_show_known(struct tcpu *t, struct space *sp);
void due_forget(struct space *sp);

#endif
