/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jc.c - jump caches: where indirect jumps, and direct ones to other pages,
 * find their target by virtual address without leaving generated code.
 *
 * One for each MMU index, and one for user code in windows. An entry is good only while its page translation
 * is, so they are emptied as the TLB is; a small Bloom filter of pages spares
 * most INVLPGs the work.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

static u64 bloom_bit(gva_t va, u64 **word, struct tcpu *t, unsigned n)
{
	u64 h = (va >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 54;

	*word = &t->jc_bloom[n][h >> 6];
	return BIT64(h & 63);
}

#define GENERATION BIT64(48)

/*
 * No address that selects entry @i has this tag, in any generation: the index
 * does not depend on the upper 16 bits (JC_HASH_SHIFT + JC_BITS < 48).
 */
static u64 invalid_tag(unsigned i)
{
	return i ? 0 : 1;
}

/*
 * Really forgets everything. Old generations are not enough when code that
 * entries lead to is about to be overwritten: a guest can bring one back, by
 * a jump to a non-canonical address.
 */
void jc_clear(struct tcpu *t)
{
	_Static_assert(JC_HASH_SHIFT + JC_BITS < 48, "index of the low bits");
	for (unsigned m = 0; m < JC_COUNT; m++) {
		for (unsigned i = 0; i < JC_ENTRIES; i++)
			t->jc[m][i].tag = invalid_tag(i);
		jc_flush(t, m);
	}
}

/*
 * DEVIATES: a jump to a non-canonical address whose low 48 bits were a target
 * in another generation may find that target and run it, where hardware has
 * #GP. Only a guest that does this on purpose can see it.
 */
void jc_flush(struct tcpu *t, unsigned n)
{
	t->jc_generation[n] += GENERATION;
	fill_bytes(t->jc_bloom[n], 0, sizeof(t->jc_bloom[n]));
	t->jc_local[n] = false;
	t->stats.jump_flushes++;
	/* Generations come back after all have been used. */
	if (!t->jc_generation[n])
		for (unsigned i = 0; i < JC_ENTRIES; i++)
			t->jc[n][i].tag = invalid_tag(i);
}

void jc_drop(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	struct jc_entry *j = &t->jc[n][jc_index(va)];

	if (j->tag == va + t->jc_generation[n])
		j->tag = invalid_tag(jc_index(va));
}

u64 jc_find(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	const struct jc_entry *j = &t->jc[n][jc_index(va)];

	if (j->tag != va + t->jc_generation[n])
		return 0;
	t->code_base = j->code_base;
	return j->host;
}

void jc_flush_all(struct tcpu *t)
{
	for (unsigned i = 0; i < JC_COUNT; i++)
		jc_flush(t, i);
}

void jc_flush_local(struct tcpu *t)
{
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (t->jc_local[i])
			jc_flush(t, i);
}

void jc_flush_page(struct tcpu *t, gva_t va)
{
	for (unsigned i = 0; i < JC_COUNT; i++) {
		u64 *word, *word_before;
		u64 bit = bloom_bit(va, &word, t, i);
		/* A block may begin on the page before and end on this. */
		u64 before = bloom_bit(va - PAGE_SIZE, &word_before, t, i);

		if ((*word & bit) || (*word_before & before))
			jc_flush(t, i);
	}
}

void jc_add(struct tcpu *t, gva_t va, struct block *b, bool global)
{
	unsigned n = key_jc(t->key);
	struct jc_entry *j = &t->jc[n][jc_index(va)];
	u64 *word;
	u64 bit = bloom_bit(va + t->v.x86.seg[X86_CS].base, &word, t, n);

	if ((b->key & KEY_ALONE) || t->e->options.no_chaining)
		return;
	*word |= bit;
	if (!global)
		t->jc_local[n] = true;
	j->tag = va + t->jc_generation[n];
	j->host = (u64)(uintptr_t)block_entry(b, FLAGS_SAVED, true);
	j->code_base = va - (b->gpa & ~PAGE_MASK);
}
