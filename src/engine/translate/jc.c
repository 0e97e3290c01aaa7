/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jc.c - jump caches: where indirect jumps, and direct ones to other pages,
 * find their target by virtual address without leaving generated code.
 *
 * One for each MMU index, and one for user code in windows. An entry is good
 * only while its page translation is, so they are emptied as the TLB is; a
 * small Bloom filter of the user's pages spares most INVLPGs the work, and the
 * kernel's are asked for (kcode.c).
 *
 * When CR3 is written and nothing is to be dropped, the generation of the
 * address space that is left is kept, with its filter, and is current again when
 * CR3 comes back (asid.c). What is cached of global pages alone does not change
 * with CR3.
 *
 * What is on a shadow stack is good for as long as the jump cache of the same
 * index would be, and is forgotten with it.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

static unsigned bloom_bit(gva_t va)
{
	return (unsigned)((va >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 32) %
	       JC_BLOOM_BITS;
}

static bool is_users(unsigned n)
{
	return n == MMU_USER || n == JC_USER_WINDOW;
}

/*
 * Number @n: in the upper 16 bits, where addresses are canonical; and in the
 * low ones, by which entries are found, so that address spaces with code at the
 * same addresses do not displace each other. Two tags are equal only if
 * generation and address are: see too_near_hole().
 */
#define GENERATION_LAST 0xfffeu
static u64 generation(u32 n)
{
	return (u64)n << 48 | (n * 0x9e5u & (JC_ENTRIES - 1));
}

/* Where adding the low bits of a generation might lead to where addresses are
 * not canonical, and others are with another generation. */
static bool too_near_hole(gva_t va)
{
	return va - (BIT64(47) - JC_ENTRIES) < 2 * JC_ENTRIES;
}

/* No address that is looked up in entry @i has this tag: 0 and 1 are looked
 * up in entries 0 and 1. */
static void entry_clear(struct tcpu *t, unsigned n, unsigned i)
{
	struct jc_entry *j = &t->jc[n][i];

	*j = (struct jc_entry){ .tag = i ? 0 : 1 };
	j->minus_tag = -j->tag;
}

static void kept_forget(struct tcpu *t, unsigned n)
{
	for (unsigned i = 0; i < ASIDS; i++)
		t->asid[i].jc[n].valid = false;
}

static void entries_clear(struct tcpu *t, unsigned n)
{
	for (unsigned i = 0; i < JC_ENTRIES; i++)
		entry_clear(t, n, i);
}

/*
 * Really forgets everything. Old generations are not enough when code that
 * entries lead to is about to be overwritten: a guest can bring one back, by
 * a jump to a non-canonical address.
 */
void jc_clear(struct tcpu *t)
{
	for (unsigned m = 0; m < JC_COUNT; m++) {
		entries_clear(t, m);
		jc_flush(t, m);
	}
}

/* PAIRS: tcpu_disturb() of other threads; either sees the other's store. */
static void set_generation(struct tcpu *t, unsigned n, u64 g)
{
	t->jc_generation[n] = g;
	__atomic_store_n(&t->jc_salt[n], g, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&t->calm, __ATOMIC_SEQ_CST))
		t->jc_salt[n] = JC_DISTURBED;
	shadow_reset(t, n);
}

void jc_calm(struct tcpu *t)
{
	__atomic_store_n(&t->calm, 1, __ATOMIC_SEQ_CST);
	for (unsigned n = 0; n < JC_COUNT; n++)
		__atomic_store_n(&t->jc_salt[n], t->jc_generation[n],
				 __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Another thread may have been half way through tcpu_disturb() in jc_calm(). */
bool jc_was_disturbed(struct tcpu *t)
{
	if (likely(t->jc_salt[key_jc(t->key)] != JC_DISTURBED))
		return false;
	__atomic_store_n(&t->calm, 0, __ATOMIC_RELAXED);
	return true;
}

/*
 * DEVIATES: for an address that is not canonical the answer may be one that is,
 * if there is a request at the same moment.
 */
gva_t jc_address(const struct tcpu *t, u64 tag)
{
	unsigned n = key_jc(t->key);
	u64 salt = __atomic_load_n(&t->jc_salt[n], __ATOMIC_RELAXED);

	if (salt == JC_DISTURBED && x86_is_canonical(tag - JC_DISTURBED))
		return tag - JC_DISTURBED;
	return tag - t->jc_generation[n];
}

/* Each vCPU has generations of its own, for guards of links compare them, too:
 * those that are its index modulo a power of two. */
static u32 generation_step(const struct tcpu *t)
{
	u32 step = 1;

	while (step < t->v.vm->cpu_total)
		step *= 2;
	return step;
}

void jc_init(struct tcpu *t)
{
	unsigned used = 0;

	for (unsigned n = 0; n < JC_COUNT; n++) {
		t->jc_last[n] = t->v.index + generation_step(t);
		set_generation(t, n, generation(t->jc_last[n]));
		entries_clear(t, n);
		t->jc_bloom[n] = t->jc_bloom_memory[used++];
		for (unsigned i = 0; i < ASIDS; i++)
			t->asid[i].jc[n].bloom = t->jc_bloom_memory[used++];
	}
}

/*
 * DEVIATES: a jump to a non-canonical address whose low 48 bits were a target
 * in another generation may find that target and run it, where hardware has
 * #GP. Only a guest that does this on purpose can see it.
 */
static void begin_generation(struct tcpu *t, unsigned n)
{
	u32 step = generation_step(t), next = t->jc_last[n] + step;

	/* They come back after all have been used. */
	if (next > GENERATION_LAST) {
		next = t->v.index + step;
		entries_clear(t, n);
		kept_forget(t, n);
		link_guards_break(t->e);
	}
	t->jc_last[n] = next;
	fill_bytes(t->jc_bloom[n], 0, JC_BLOOM_BITS / 8);
	t->jc_local[n] = false;
	if (!is_users(n))
		link_far_break(t->e);
	set_generation(t, n, generation(next));
}

void jc_flush(struct tcpu *t, unsigned n)
{
	t->stats.jump_flushes++;
	kept_forget(t, n);
	begin_generation(t, n);
}

void jc_drop(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	u64 tag = va + t->jc_generation[n];

	if (t->jc[n][jc_index(tag)].tag == tag)
		entry_clear(t, n, jc_index(tag));
}

u64 jc_find(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	u64 tag = va + t->jc_generation[n];
	const struct jc_entry *j = &t->jc[n][jc_index(tag)];

	if (j->tag != tag)
		return 0;
	t->code_base = j->code_base;
	return j->host;
}

void jc_flush_all(struct tcpu *t, bool but_kernel)
{
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (is_users(i) || !but_kernel)
			jc_flush(t, i);
}

void jc_flush_users(struct tcpu *t)
{
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (is_users(i))
			jc_flush(t, i);
}

void jc_flush_local(struct tcpu *t)
{
	for (unsigned i = 0; i < JC_COUNT; i++) {
		if (!t->jc_local[i])
			continue;
		t->stats.jump_flushes++;
		begin_generation(t, i);
	}
}

static bool bloom_has(const u64 *bloom, const unsigned bit[2])
{
	return (bloom[bit[0] / 64] >> bit[0] % 64 |
		bloom[bit[1] / 64] >> bit[1] % 64) & 1;
}

static void flush_page(struct tcpu *t, unsigned m, gva_t va)
{
	/* A block may begin on the page before and end on this. */
	unsigned bit[2] = { bloom_bit(va), bloom_bit(va - PAGE_SIZE) };

	for (unsigned i = 0; i < ASIDS; i++) {
		struct asid *a = &t->asid[i];

		if (a->jc[m].valid && bloom_has(a->jc[m].bloom, bit))
			a->jc[m].valid = false;
	}
	if (bloom_has(t->jc_bloom[m], bit)) {
		t->stats.jump_flushes++;
		begin_generation(t, m);
	}
}

void jc_flush_page(struct tcpu *t, gva_t va)
{
	for (unsigned m = 0; m < JC_COUNT; m++)
		if (is_users(m))
			flush_page(t, m, va);
	if (likely(kcode_is_same_at(t, va)))
		return;
	tlb_forget_code(t);
	for (unsigned m = 0; m < JC_COUNT; m++)
		if (!is_users(m))
			jc_flush(t, m);
}

/* --- address spaces --- */

void jc_forget(struct asid *a)
{
	for (unsigned m = 0; m < JC_COUNT; m++)
		a->jc[m].valid = false;
}

static void swap_bloom(struct tcpu *t, struct asid *a, unsigned m)
{
	u64 *bloom = a->jc[m].bloom;

	a->jc[m].bloom = t->jc_bloom[m];
	t->jc_bloom[m] = bloom;
}

/* What is all global is every space's. */
void jc_keep(struct tcpu *t, struct asid *a)
{
	for (unsigned m = 0; m < JC_COUNT; m++) {
		a->jc[m].valid = t->jc_local[m];
		if (!t->jc_local[m])
			continue;
		a->jc[m].generation = t->jc_generation[m];
		swap_bloom(t, a, m);
	}
}

/* After jc_keep(): of what was kept there is nothing left here. */
void jc_bring(struct tcpu *t, struct asid *a)
{
	for (unsigned m = 0; m < JC_COUNT; m++) {
		if (!a->jc[m].valid) {
			if (t->jc_local[m])
				begin_generation(t, m);
			continue;
		}
		if (!is_users(m))
			link_far_break(t->e);
		set_generation(t, m, a->jc[m].generation);
		swap_bloom(t, a, m);
		a->jc[m].valid = false;
		t->jc_local[m] = true;
	}
}

/* --- filling --- */

void jc_note(struct tcpu *t, gva_t va, bool global)
{
	unsigned n = key_jc(t->key);
	unsigned bit;

	if (!global)
		t->jc_local[n] = true;
	if (!is_users(n))
		return;
	if (!(t->key & KEY_CODE64))
		va = (u32)(va + t->v.x86.seg[X86_CS].base);
	bit = bloom_bit(va);
	t->jc_bloom[n][bit / 64] |= BIT64(bit % 64);
}

void jc_add(struct tcpu *t, gva_t va, struct block *b, bool global)
{
	unsigned n = key_jc(t->key);
	struct jc_entry *j = &t->jc[n][jc_index(va + t->jc_generation[n])];

	jc_note(t, va, global);
	if ((b->key & KEY_ALONE) || t->e->options.no_chaining ||
	    too_near_hole(va))
		return;
	j->tag = va + t->jc_generation[n];
	j->minus_tag = -j->tag;
	j->host = (u64)(uintptr_t)block_entry(b, key_flags(b->key), false);
	j->code_base = va - (b->gpa & ~PAGE_MASK);
}
