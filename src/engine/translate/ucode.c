/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ucode.c - where an address space's user code is mapped, as far as its jump
 * caches, the guards of links (link.c) and the shadow stacks know it.
 *
 * User mappings change often, by mmap() and munmap() and with every fork, but
 * hardly ever those of the code that runs. So each page that code was found on
 * is noted, and when the guest flushes, its tables are asked whether they say
 * the same still: if they do, all that is known of it stays good. That is
 * exact, for whatever is cached could have been looked up just now. An address
 * space that is not current is asked when it is again.
 *
 * Pages are of 4 KiB here, also where the guest's are larger.
 *
 * Guards need to know where the page with their target is mapped now: physical
 * pages with users' code have numbers, and code_at[] says of each where it is
 * in the current address space of the vCPU. That is nowhere until it is noted.
 *
 * MIRRORS: kcode.c does the same for the kernel's code, window_map.c for data.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"
#include "x86/paging.h"

/* In code_at[]: minus no address of a page. */
#define NOWHERE 1

static unsigned head_of(gva_t va)
{
	return (unsigned)((va >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 32) %
	       UCODE_HEADS;
}

/* Number of the page at @va, plus 1; 0: it is not noted. */
static unsigned find(const struct ucode *u, gva_t va)
{
	unsigned n = u->head[head_of(va)];

	while (n && u->page[n - 1].va != va)
		n = u->page[n - 1].next;
	return n;
}

unsigned ucode_id(const struct engine *e, gpa_t gpa)
{
	return e->code_id[gmem_page_index(&e->vm->mem, gpa)];
}

static unsigned give_id(struct engine *e, gpa_t gpa)
{
	u16 *id = &e->code_id[gmem_page_index(&e->vm->mem, gpa)];

	if (*id || e->code_ids == CODE_IDS - 1)
		return *id;
	*id = (u16)++e->code_ids;
	/* No vCPU knows of it, so none is looking there. */
	for (unsigned i = 0; i < e->vm->cpu_count; i++)
		tcpu_of(e->vm->cpus[i])->code_at[*id] = NOWHERE;
	return *id;
}

/* No guard leads to a breakpoint. */
static void set_at(struct tcpu *t, unsigned id, u64 at)
{
	if (id)
		t->code_at[id] = unlikely(t->debug.code) ? NOWHERE : at;
}

void ucode_note(struct tcpu *t, gva_t va, gpa_t gpa)
{
	struct ucode *u = t->ucode;
	unsigned n = find(u, va), head = head_of(va);
	struct ucode_page *p = &u->page[n ? n - 1 : u->count];

	if (unlikely(!n)) {
		if (u->count == UCODE_PAGES) {
			u->unsure = true;
			return;
		}
		*p = (struct ucode_page){ .va = va,
					  .gpa = gpa,
					  .next = u->head[head],
					  .id = (u16)give_id(t->e, gpa) };
		u->head[head] = (u16)++u->count;
	} else if (p->gpa != gpa) {
		/* Changed, and not flushed yet: there may be code of both. */
		u->unsure = true;
		return;
	}
	/* If it is at several, the last one. */
	set_at(t, p->id, -va);
}

void ucode_forget(struct ucode *u)
{
	fill_bytes(u->head, 0, sizeof(u->head));
	u->count = 0;
	u->suspect = 0;
	u->unsure = false;
}

static void set_nowhere(struct tcpu *t)
{
	for (unsigned i = 0; i < t->ucode->count; i++)
		set_at(t, t->ucode->page[i].id, NOWHERE);
}

static void set_all(struct tcpu *t)
{
	for (unsigned i = 0; i < t->ucode->count; i++)
		set_at(t, t->ucode->page[i].id, -t->ucode->page[i].va);
}

void ucode_drop(struct tcpu *t)
{
	set_nowhere(t);
	ucode_forget(t->ucode);
}

static void *phys_peek(void *ctx, gpa_t gpa)
{
	struct tcpu *t = ctx;

	return gmem_hva(&t->e->vm->mem, gpa, 8);
}

static bool page_is_same(struct tcpu *t, const struct ucode_page *p)
{
	struct x86_walk w;

	return x86_walk_peek(&t->v.x86, p->va, X86_ACC_FETCH | X86_ACC_USER,
			     false, phys_peek, t, &w) &&
	       w.gpa == p->gpa;
}

bool ucode_is_same(struct tcpu *t)
{
	struct ucode *u = t->ucode;

	if (u->unsure)
		return false;
	/* What has come and gone before is likely to again. */
	if (u->suspect < u->count && !page_is_same(t, &u->page[u->suspect]))
		return false;
	for (unsigned i = 0; i < u->count; i++)
		if (!page_is_same(t, &u->page[i])) {
			u->suspect = i;
			return false;
		}
	return true;
}

bool ucode_is_same_at(struct tcpu *t, gva_t va)
{
	const struct ucode *u = t->ucode;
	unsigned n = find(u, va);

	return !u->unsure && (!n || page_is_same(t, &u->page[n - 1]));
}

bool ucode_knows(const struct ucode *u, gva_t va)
{
	return u->unsure || find(u, va);
}

/* --- address spaces --- */

static void swap(struct tcpu *t, struct asid *a)
{
	struct ucode *u = a->ucode;

	a->ucode = t->ucode;
	t->ucode = u;
}

void ucode_keep(struct tcpu *t, struct asid *a)
{
	set_nowhere(t);
	swap(t, a);
	a->ucode_doubtful = false;
}

bool ucode_bring(struct tcpu *t, struct asid *a)
{
	swap(t, a);
	if (a->ucode_doubtful && !ucode_is_same(t)) {
		ucode_forget(t->ucode);
		return false;
	}
	set_all(t);
	return true;
}

void ucode_init(struct tcpu *t)
{
	t->ucode = &t->ucode_memory[ASIDS];
	for (unsigned i = 0; i < ASIDS; i++)
		t->asid[i].ucode = &t->ucode_memory[i];
	t->code_at[0] = NOWHERE;
}

/* --- numbers --- */

static void forget_all(struct tcpu *t)
{
	ucode_drop(t);
	for (unsigned i = 0; i < ASIDS; i++)
		ucode_forget(t->asid[i].ucode);
}

/* Guests use memory for other files' code sooner or later, and most of what
 * has a number does not need it any more. */
void ucode_renumber(struct engine *e)
{
	if (e->code_ids < CODE_IDS / 4 * 3 && !e->options.random_evict)
		return;
	for (unsigned i = 0; i < e->vm->cpu_count; i++)
		forget_all(tcpu_of(e->vm->cpus[i]));
	link_guards_break(e);
	fill_bytes(e->code_id, 0,
		   (gmem_bytes(&e->vm->mem) >> PAGE_SHIFT) *
			   sizeof(*e->code_id));
	e->code_ids = 0;
}
