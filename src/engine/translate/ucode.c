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
 * MIRRORS: kcode.c does the same for the kernel's code, window_map.c for data.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"
#include "x86/paging.h"

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

void ucode_note(struct ucode *u, gva_t va, gpa_t gpa)
{
	unsigned n = find(u, va), head = head_of(va);

	if (likely(n)) {
		/* Changed, and not flushed yet: there may be code of both. */
		if (u->page[n - 1].gpa != gpa)
			u->unsure = true;
		return;
	}
	if (u->count == UCODE_PAGES) {
		u->unsure = true;
		return;
	}
	u->page[u->count] = (struct ucode_page){ .va = va,
						 .gpa = gpa,
						 .next = u->head[head] };
	u->head[head] = (u16)++u->count;
}

void ucode_forget(struct ucode *u)
{
	fill_bytes(u->head, 0, sizeof(u->head));
	u->count = 0;
	u->suspect = 0;
	u->unsure = false;
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

bool ucode_is_same(struct tcpu *t, struct ucode *u)
{
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

bool ucode_is_same_at(struct tcpu *t, const struct ucode *u, gva_t va)
{
	unsigned n = find(u, va);

	return !u->unsure && (!n || page_is_same(t, &u->page[n - 1]));
}

bool ucode_knows(const struct ucode *u, gva_t va)
{
	return u->unsure || find(u, va);
}
