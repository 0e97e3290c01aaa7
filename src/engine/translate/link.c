/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - chaining: a direct exit jumps straight to its target's entry.
 *
 * Within one guest page the target's address follows from ours, whatever the
 * page tables say: all exits are chained, but to blocks that do not end on it.
 *
 * To other pages only in a kernel, whose mappings seldom change: a page that
 * is global, as long as nothing of the kernel is flushed (jc.c); from a page
 * that runs at one virtual address, else the same jump leads to several. The
 * target's far entry sets code_base, to the address it was translated at.
 * What cannot be chained is tried again after everything was flushed: a kernel
 * switches global pages off for a moment, to change its MTRRs for instance.
 *
 * In user code in windows, where mappings change with every process, by way of
 * a guard: it compares the address that it leads to with that at which the
 * page of the target is mapped now, in this address space, as far as that is
 * known (ucode.c). So the link serves every process that has the two pages at
 * the same distance, which they have if they are of one file, and no flush
 * breaks it. If it does not match, the jump is looked up, and if that fails,
 * chained anew.
 *
 * ORDER: rel32 fields are within 8 aligned bytes, so a patch is one atomic store
 * and other processors see the old or the new target.
 *
 * All of this under the engine's lock.
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

static void patch_rel32(struct engine *e, u8 *field, const u8 *target)
{
	s32 d = (s32)(target - (field + 4));

	__atomic_store_n((s32 *)(void *)engine_rw(e, field), d,
			 __ATOMIC_RELEASE);
}

void link_exit(struct tcpu *t, struct block_exit *x, struct block *to)
{
	u8 *entry = x->loop ? to->host + to->entry_loop :
			      block_entry(to, x->flags, x->backward);

	/* There may be another block for a loop's start by now. */
	if (x->to || t->e->options.no_chaining || (x->loop && to != x->from))
		return;
	x->to = to;
	list_add_tail(&to->incoming, &x->link);
	patch_rel32(t->e, x->patch, entry);
	t->stats.links++;
}

static void unlink_exit(struct engine *e, struct block_exit *x)
{
	patch_rel32(e, x->patch, x->unlinked);
	x->guard_since = e->grace;
	list_del(&x->link);
	if (x->far && !x->guarded)
		list_del(&x->far_link);
	x->to = NULL;
}

/* To look its target up each time, from now on or until link_far_retry(). */
#define REFUSED_MAX 16

static void far_refuse(struct tcpu *t, struct block_exit *x)
{
	patch_rel32(t->e, x->patch, x->lookup);
	if (++x->refused < REFUSED_MAX) {
		x->waits = true;
		list_add_tail(&t->e->far_refused, &x->far_link);
	}
}

static void far_allow(struct engine *e, struct block_exit *x)
{
	patch_rel32(e, x->patch, x->unlinked);
	list_del(&x->far_link);
	x->waits = false;
}

static struct code_page *page_of(const struct engine *e, const struct block *b)
{
	return e->pages[gmem_page_index(&e->vm->mem, b->gpa)];
}

/* Has any vCPU a breakpoint, perhaps there? It is set first, and then links
 * are broken. */
static bool any_breakpoint(const struct engine *e)
{
	for (unsigned i = 0; i < e->vm->cpu_count; i++)
		if (__atomic_load_n(&tcpu_of(e->vm->cpus[i])->debug.code,
				    __ATOMIC_RELAXED))
			return true;
	return false;
}

/*
 * DEVIATES: a link that one vCPU has made is there for all, as if all had the
 * same kernel mapped.
 */
void link_far(struct tcpu *t, struct block_exit *x, struct block *to)
{
	struct block *from = x->from;
	gva_t target = (t->code_base + (u64)(s64)x->target) & PAGE_MASK;

	if (x->to || x->waits || t->e->options.no_chaining)
		return;
	if (any_breakpoint(t->e))
		return;
	if (!to || !to->has_far || to->va != target || to->gpa2 != ~0ull ||
	    t->code_base != from->va || page_of(t->e, from)->aliased ||
	    !kcode_note_link(t, target, to->gpa & PAGE_MASK)) {
		far_refuse(t, x);
		return;
	}
	x->to = to;
	list_add_tail(&to->incoming, &x->link);
	list_add_tail(&t->e->far, &x->far_link);
	patch_rel32(t->e, x->patch, to->host + to->entry_far);
	t->stats.links++;
}

/*
 * ORDER: the guard is changed only while the exit does not lead to it, and
 * nobody is on the way through it from before: with several vCPUs, one that
 * was used can often not be made good at once, and is by a later miss.
 */
void link_user_far(struct tcpu *t, struct block_exit *x, struct block *to)
{
	unsigned id = ucode_id(t->e, to->gpa);
	u32 at;

	/* It is good, and now that the page is noted it is known to be. */
	if (x->to == to)
		return;
	if (x->to)
		unlink_exit(t->e, x);
	if (t->e->options.no_chaining)
		return;
	if (to->key != x->key || to->gpa2 != ~0ull || !id ||
	    (t->e->smp && x->guard_used &&
	     !quiesce_is_over(t, x->guard_since))) {
		patch_rel32(t->e, x->patch, x->lookup);
		return;
	}
	x->guard_used = true;
	at = (u32)offsetof(struct tcpu, code_at[id]);
	__builtin_memcpy(engine_rw(t->e, x->guard + x->guard_page), &at, 4);
	patch_rel32(t->e, x->guard + x->guard_jump,
		    block_entry(to, key_flags(x->key), x->backward));
	x->to = to;
	list_add_tail(&to->incoming, &x->link);
	patch_rel32(t->e, x->patch, x->guard);
	t->stats.links++;
}

void link_far_break(struct engine *e)
{
	struct list *p, *tmp;

	engine_lock(e);
	list_for_each_safe(p, tmp, &e->far)
		unlink_exit(e, container_of(p, struct block_exit, far_link));
	engine_unlock(e);
}

void link_guards_break(struct engine *e)
{
	engine_lock(e);
	for (unsigned s = 0; s < CACHE_SEGMENTS; s++)
		for (unsigned i = 0; i < e->seg[s].count; i++) {
			struct block *b = e->seg[s].blocks[i];

			for (unsigned k = 0; k < b->exit_count; k++)
				if (b->exits[k].to && b->exits[k].guarded)
					unlink_exit(e, &b->exits[k]);
		}
	engine_unlock(e);
}

void link_far_retry(struct engine *e)
{
	struct list *p, *tmp;

	engine_lock(e);
	list_for_each_safe(p, tmp, &e->far_refused)
		far_allow(e, container_of(p, struct block_exit, far_link));
	engine_unlock(e);
}

static void far_break(struct engine *e, struct block *b)
{
	for (unsigned i = 0; i < b->exit_count; i++)
		if (b->exits[i].to && b->exits[i].far)
			unlink_exit(e, &b->exits[i]);
}

/*
 * Early on a kernel runs where it was loaded, and then elsewhere. Blocks from
 * before go, for they would never be chained to other pages. If a page comes
 * and goes, it really is in several places.
 */
#define MOVES_MAX 4

bool link_place(struct tcpu *t, gpa_t gpa, gva_t va)
{
	const struct gmem *m = &t->e->vm->mem;
	struct code_page *p;

	if (!gmem_hva(m, gpa, 1))
		return false;
	p = t->e->pages[gmem_page_index(m, gpa)];
	if (likely(!p || !p->kernel || p->va == (va & PAGE_MASK)) ||
	    p->moves == MOVES_MAX)
		return false;
	p->moves++;
	p->kernel = false;
	smc_drop_page(t->e, gpa);
	return true;
}

void link_entered(struct tcpu *t, struct block *b)
{
	struct code_page *p;

	if (b->key & KEY_USER)
		return;
	p = page_of(t->e, b);
	if (!p->kernel) {
		p->kernel = true;
		p->va = t->code_base;
	}
	if (likely(p->va == t->code_base) || p->aliased)
		return;
	p->aliased = true;
	for (unsigned line = 0; line < ARRAY_SIZE(p->parts); line++)
		for (struct block_part *k = p->parts[line]; k; k = k->next)
			far_break(t->e, block_of(k));
}

void link_break(struct engine *e, struct block *b)
{
	struct list *p, *tmp;

	for (unsigned i = 0; i < b->exit_count; i++) {
		if (b->exits[i].to)
			unlink_exit(e, &b->exits[i]);
		else if (b->exits[i].waits)
			far_allow(e, &b->exits[i]);
	}
	list_for_each_safe(p, tmp, &b->incoming)
		unlink_exit(e, container_of(p, struct block_exit, link));
}

/*
 * Jump caches may still lead to the block. Both entries for the preferred
 * flags become a jump to its poll exit, which leaves at the block's start;
 * the other entry flows into these. Shadow stacks lead to where calls return
 * to, which becomes a jump that leaves there.
 *
 * ORDER: other vCPUs may be at work there, of whom each is to see an old
 * instruction or the new one: of the jump's five bytes they get a single one,
 * HLT, and fault.c does the rest.
 */
#define HLT 0xf4

static void disable(struct engine *e, u8 *at, const u8 *leave)
{
	u8 *rw = engine_rw(e, at);
	s32 d = (s32)(leave - (at + 5));

	__atomic_store_n(rw, e->smp ? HLT : 0xe9, __ATOMIC_RELEASE);
	if (!e->smp)
		__builtin_memcpy(rw + 1, &d, 4);
}

void link_disable_entries(struct engine *e, struct block *b)
{
	disable(e, b->host + b->entry_pref, b->poll_exit);
	disable(e, b->host + b->entry_nopoll, b->poll_exit);
	for (unsigned i = 0; i < b->return_count; i++)
		disable(e, b->returns[i].at, b->returns[i].leave);
}

const u8 *link_detour(const struct block *b, const u8 *pc)
{
	if (!b->dead)
		return NULL;
	if (pc == b->host + b->entry_pref || pc == b->host + b->entry_nopoll)
		return b->poll_exit;
	for (unsigned i = 0; i < b->return_count; i++)
		if (pc == b->returns[i].at)
			return b->returns[i].leave;
	return NULL;
}
