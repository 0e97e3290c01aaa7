/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pagewalk.c - the walk of the guest's page tables, in guest memory that may
 * hold translated code.
 *
 * A table may share its page with code, and a walk sets A and D bits. That is
 * a write like any other of C's: first it is done, then it is asked whether the
 * page is code (smc.c). x86_walk() does not say which words it has set, so all
 * of them count as written.
 */
#include "engine/translate/engine.h"
#include "x86/paging.h"

#define LEVELS 4

/* The words that were looked at last. */
struct words {
	struct tcpu *t;
	gpa_t seen[LEVELS];
	unsigned count;
};

static void word_written(struct tcpu *t, gpa_t gpa)
{
	if (unlikely(smc_is_code(t->e, gpa)) && smc_written(t->e, gpa, 8))
		t->leave_after = 1;
}

/* A walk that begins anew has done with the words of its tries before: what
 * is LEVELS back is of one of those. */
static void *word_to_set(void *ctx, gpa_t gpa)
{
	struct words *s = ctx;
	void *p = gmem_hva(&s->t->e->vm->mem, gpa, 8);

	if (!p)
		return NULL;
	if (s->count >= LEVELS)
		word_written(s->t, s->seen[s->count % LEVELS]);
	s->seen[s->count++ % LEVELS] = gpa;
	return p;
}

int pagewalk(struct tcpu *t, gva_t va, unsigned acc, bool ac,
	     struct x86_walk *w, struct x86_fault *f)
{
	struct words s = { .t = t };
	int rc = x86_walk(&t->v.x86, va, acc, ac, word_to_set, &s, w, f);

	for (unsigned i = 0; i < min_u64(s.count, LEVELS); i++)
		word_written(t, s.seen[i]);
	return rc;
}

static void *word_to_read(void *ctx, gpa_t gpa)
{
	struct tcpu *t = ctx;

	return gmem_hva(&t->e->vm->mem, gpa, 8);
}

bool pagewalk_peek(struct tcpu *t, gva_t va, unsigned acc, bool ac,
		   struct x86_walk *w)
{
	return x86_walk_peek(&t->v.x86, va, acc, ac, word_to_read, t, w);
}
