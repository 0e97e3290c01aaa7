/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_due.c - what waits until the user's code runs again.
 *
 * Nothing but the user's own code uses the user's windows. So what a kernel
 * flushes there is only noted, and looked at when the kernel goes back to it.
 * By then there is another page, as a rule, where it took one away (copy on
 * write), which is shown at once; of what it does to an address space that
 * ends nothing is ever looked at.
 *
 * It is the same with a page that the user's code faulted at: when the kernel
 * goes back it is there, and is shown before the host's processor has to ask.
 *
 * Generated code enters the user's only where the jump cache's key is the one
 * that it expects. While anything is due no key fits (KEY_NEVER), so that
 * key_update() is in between, which calls window_settle().
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "engine/translate/window_space.h"

static void begin(struct tcpu *t)
{
	t->window_due = true;
	t->jc_key[JC_USER_WINDOW] |= KEY_NEVER;
}

void due_all(struct tcpu *t, struct space *sp)
{
	sp->stale = true;
	begin(t);
}

void due_page(struct tcpu *t, struct space *sp, gva_t va)
{
	if (sp->stale || (!sp->large_count && !map_find(sp, va)))
		return;
	if (sp->due_count == DUE_MAX)
		sp->stale = true;
	else
		sp->due[sp->due_count++] = va;
	begin(t);
}

void due_resume(struct tcpu *t, const struct space *sp)
{
	if (sp && (sp->stale || sp->due_count || sp->wants))
		begin(t);
}

void due_forget(struct space *sp)
{
	sp->due_count = 0;
	sp->stale = sp->wants = sp->fresh = false;
}

void due_show_known(struct tcpu *t, struct space *sp)
{
	sp->fresh = true;
	begin(t);
}

void window_note_fault(struct tcpu *t, gva_t va)
{
	struct space *sp = t->window_user;

	if (!sp || key_jc(t->key) != JC_USER_WINDOW)
		return;
	sp->wanted = va;
	sp->wants = true;
	begin(t);
}

/* An address space of which nothing is left is another one: a new process, to
 * which the top table of a former one fell. */
static void check_all(struct tcpu *t, struct space *sp)
{
	bool had = sp->map_count;

	space_check(t, sp, false);
	if (had && !sp->map_count)
		window_choose_anew(t, sp);
}

/* What the software TLB knows of it has been in use just now. */
static void show_known(struct tcpu *t, struct space *sp)
{
	const struct tlb *tlb = &t->tlb[MMU_USER];

	for (unsigned i = 0; i < TLB_ENTRIES; i++) {
		gva_t va = tlb->read_tag[i];

		if ((va >> PAGE_SHIFT) % TLB_ENTRIES == i && va &&
		    space_for(t, WINDOW_USER, va) == sp)
			space_show(t, sp, va);
	}
}

void window_settle(struct tcpu *t)
{
	struct space *sp = t->window_user;

	t->window_due = false;
	t->jc_key[JC_USER_WINDOW] &= ~KEY_NEVER;
	if (!sp)
		return;
	window_lock(t);
	if (sp->stale)
		check_all(t, sp);
	else
		space_check_pages(t, sp, sp->due, sp->due_count);
	if (sp->wants && sp->hot)
		space_show(t, sp, sp->wanted);
	if (sp->fresh)
		show_known(t, sp);
	due_forget(sp);
	window_unlock(t);
}
