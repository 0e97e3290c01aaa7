/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_choose.c - who is better off with windows.
 *
 * Host faults and mappings are dear (10 us and more on a nested host), so
 * user code gets windows only when its address space has run for a while
 * without page faults. And a block whose accesses fail in windows often, for
 * they are to devices or to pages with translated code, is translated without
 * them.
 */
#include "engine/translate/engine.h"
#include "engine/translate/window_space.h"

/* --- address spaces --- */

/*
 * Called some hundred times a second, by the guest's own timer. An address
 * space has windows after two calm ticks (or more, if it lost them before),
 * and loses them when filling them takes a good part of the time.
 */
#define TICK_FAULTS 64u /* page faults of a calm tick, at most */
#define TICK_FILLS 150u
#define TICKS_BUSY 4u
#define PATIENCE_MIN 2u
#define PATIENCE_MAX 256u

void window_choose_anew(struct tcpu *t, struct space *sp)
{
	sp->hot = t->e->options.all_windows;
	sp->faults = t->stats.page_faults;
	sp->fills = t->stats.window_fills;
	sp->calm = sp->busy = 0;
	sp->patience = PATIENCE_MIN;
	if (sp == t->window_user)
		t->window_hot = sp->hot;
}

void window_tick(struct tcpu *t)
{
	struct space *sp = t->window_user;
	u64 faults, fills;

	if (!t->windows || !(t->v.x86.efer & EFER_LMA) ||
	    t->e->options.all_windows)
		return;
	if (!sp) {
		window_lock(t);
		sp = space_new(t, WINDOW_USER, false);
		window_unlock(t);
		if (!sp)
			return;
		space_set_user(t, sp);
	}
	faults = t->stats.page_faults - sp->faults;
	fills = t->stats.window_fills - sp->fills;
	sp->faults = t->stats.page_faults;
	sp->fills = t->stats.window_fills;
	if (!sp->hot) {
		sp->calm = faults < TICK_FAULTS ? sp->calm + 1 : 0;
		sp->hot = sp->calm >= sp->patience;
		sp->busy = 0;
		if (sp->hot)
			due_show_known(t, sp);
	} else {
		sp->busy = fills > TICK_FILLS ? sp->busy + 1 : 0;
		if (sp->busy >= TICKS_BUSY) {
			sp->hot = false;
			sp->calm = 0;
			if (sp->patience < PATIENCE_MAX)
				sp->patience *= 2;
			window_lock(t);
			space_empty(t, sp);
			window_unlock(t);
		}
	}
	t->window_hot = sp->hot;
}

/* --- blocks --- */

static u64 soft_index(gpa_t gpa)
{
	return gpa * 0x9e3779b97f4a7c15ull >> (64 - SOFT_BITS);
}

/* Exact: a hot block that was soft by mistake would cost more than all. */
bool window_is_soft(const struct engine *e, gpa_t gpa)
{
	return e->soft[soft_index(gpa)] == gpa + 1;
}

void window_make_soft(struct engine *e, gpa_t gpa)
{
	e->soft[soft_index(gpa)] = gpa + 1;
}
