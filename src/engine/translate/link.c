/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - chaining: a direct exit jumps straight to its target's entry.
 *
 * Only within one guest page (there the target's address follows from ours,
 * whatever the page tables say) and only to blocks that end on that page.
 * ORDER: rel32 fields are 4-byte aligned, so a patch is one atomic store and
 * other processors see the old or the new target.
 */
#include "engine/translate/engine.h"

static void patch_rel32(struct engine *e, u8 *field, const u8 *target)
{
	s32 d = (s32)(target - (field + 4));

	__atomic_store_n((s32 *)(void *)engine_rw(e, field), d,
			 __ATOMIC_RELEASE);
}

void link_exit(struct tcpu *t, struct block_exit *x, struct block *to)
{
	if (x->to || t->e->options.no_chaining)
		return;
	x->to = to;
	list_add_tail(&to->incoming, &x->link);
	patch_rel32(t->e, x->patch, block_entry(to, x->flags, x->backward));
	t->stats.links++;
}

static void unlink_exit(struct engine *e, struct block_exit *x)
{
	patch_rel32(e, x->patch, x->unlinked);
	list_del(&x->link);
	x->to = NULL;
}

void link_break(struct engine *e, struct block *b)
{
	struct list *p, *tmp;

	for (unsigned i = 0; i < b->exit_count; i++)
		if (b->exits[i].to)
			unlink_exit(e, &b->exits[i]);
	list_for_each_safe(p, tmp, &b->incoming)
		unlink_exit(e, container_of(p, struct block_exit, link));
}

/*
 * Jump caches may still lead to the block. Both entries for the preferred
 * flags become a jump to its poll exit, which leaves at the block's start;
 * the other entry flows into these.
 */
void link_disable_entries(struct engine *e, struct block *b)
{
	u8 *entry[2] = { b->host + b->entry_pref, b->host + b->entry_nopoll };

	for (unsigned i = 0; i < 2; i++) {
		u8 *rw = engine_rw(e, entry[i]);
		s32 d = (s32)(b->poll_exit - (entry[i] + 5));

		rw[0] = 0xe9;
		__builtin_memcpy(rw + 1, &d, 4);
	}
}
