/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jc.c - jump caches: where indirect jumps, and direct ones to other pages,
 * find their target by virtual address without leaving generated code.
 *
 * One for each MMU index, and one for user code in windows. An entry is good
 * only while its page translation is, so they are to be emptied as the TLB is;
 * but first the guest's tables are asked whether anything has changed at all
 * where code was found (kcode.c, ucode.c).
 *
 * When CR3 is written, the generation of the address space that is left is
 * kept, and is current again when CR3 comes back (asid.c). What is cached of
 * the kernel's global pages alone does not change with CR3.
 *
 * What is on a shadow stack is good for as long as the jump cache of the same
 * index would be, and is forgotten with it.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

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

/* No address that is looked up in entry @i, or pushed there from the one
 * before, has this tag: 0 and 2 are looked up in entries 0 and 2. */
static void entry_clear(struct jc_entry *j, unsigned i)
{
	*j = (struct jc_entry){ .tag = i < 2 ? 2 : 0 };
	j->minus_tag = -j->tag;
}

static void kept_forget(struct tcpu *t, unsigned n)
{
	for (unsigned i = 0; i < ASIDS; i++)
		t->asid[i].jc[n].valid = false;
}

static void entries_clear(struct tcpu *t, unsigned n)
{
	for (unsigned i = 0; i <= JC_ENTRIES; i++)
		entry_clear(&t->jc[n][i], i);
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

void jc_init(struct tcpu *t)
{
	for (unsigned n = 0; n < JC_COUNT; n++) {
		t->jc_last[n] = 1;
		set_generation(t, n, generation(t->jc_last[n]));
		entries_clear(t, n);
	}
}

/*
 * DEVIATES: a jump to a non-canonical address whose low 48 bits were a target
 * in another generation may find that target and run it, where hardware has
 * #GP. Only a guest that does this on purpose can see it.
 */
static void begin_generation(struct tcpu *t, unsigned n)
{
	u32 next = t->jc_last[n] + 1;

	/* They come back after all have been used. */
	if (next > GENERATION_LAST) {
		next = 1;
		entries_clear(t, n);
		kept_forget(t, n);
	}
	t->jc_last[n] = next;
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

/* The entry for @tag, or NULL. */
static struct jc_entry *find(struct tcpu *t, unsigned n, u64 tag)
{
	struct jc_entry *j = &t->jc[n][jc_index(tag)];

	if (j->tag == tag)
		return j;
	return j[1].tag == tag ? j + 1 : NULL;
}

void jc_drop(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	struct jc_entry *j = find(t, n, va + t->jc_generation[n]);

	if (j)
		entry_clear(j, (unsigned)(j - t->jc[n]));
}

u64 jc_find(struct tcpu *t, gva_t va)
{
	unsigned n = key_jc(t->key);
	const struct jc_entry *j = find(t, n, va + t->jc_generation[n]);

	if (!j)
		return 0;
	t->code_base = j->code_base;
	return j->host;
}

static void drop_local(struct tcpu *t, unsigned n)
{
	if (!t->jc_local[n])
		return;
	t->stats.jump_flushes++;
	begin_generation(t, n);
}

static void drop_users(struct tcpu *t)
{
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (is_users(i))
			drop_local(t, i);
	ucode_drop(t);
}

void jc_flush_users(struct tcpu *t)
{
	if (!ucode_is_same(t))
		drop_users(t);
}

void jc_flush_all(struct tcpu *t, bool but_kernel)
{
	jc_flush_users(t);
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (!is_users(i) && !but_kernel)
			jc_flush(t, i);
}

void jc_flush_local(struct tcpu *t)
{
	jc_flush_users(t);
	for (unsigned i = 0; i < JC_COUNT; i++)
		if (!is_users(i))
			drop_local(t, i);
}

void jc_flush_page(struct tcpu *t, gva_t va)
{
	/* The page may be global, and so every address space's. */
	for (unsigned i = 0; i < ASIDS; i++)
		if (ucode_knows(t->asid[i].ucode, va))
			t->asid[i].ucode_doubtful = true;
	if (!ucode_is_same_at(t, va))
		drop_users(t);
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
	ucode_forget(a->ucode);
}

void jc_doubt(struct asid *a)
{
	for (unsigned m = 0; m < JC_COUNT; m++)
		if (!is_users(m))
			a->jc[m].valid = false;
	a->ucode_doubtful = true;
}

/* What is all global is every space's. */
void jc_keep(struct tcpu *t, struct asid *a)
{
	for (unsigned m = 0; m < JC_COUNT; m++) {
		a->jc[m].valid = t->jc_local[m];
		a->jc[m].generation = t->jc_generation[m];
	}
	ucode_keep(t, a);
}

/* After jc_keep(): of what was kept there is nothing left here. */
void jc_bring(struct tcpu *t, struct asid *a)
{
	bool users = ucode_bring(t, a);

	for (unsigned m = 0; m < JC_COUNT; m++) {
		bool good = a->jc[m].valid && (users || !is_users(m));

		a->jc[m].valid = false;
		if (!good) {
			if (t->jc_local[m])
				begin_generation(t, m);
			continue;
		}
		if (!is_users(m))
			link_far_break(t->e);
		set_generation(t, m, a->jc[m].generation);
		t->jc_local[m] = true;
	}
}

/* --- filling --- */

void jc_note(struct tcpu *t, gva_t va, const struct block *b, bool global)
{
	unsigned n = key_jc(t->key);
	u64 mask = ~0ull;

	if (!is_users(n)) {
		if (!global)
			t->jc_local[n] = true;
		return;
	}
	t->jc_local[n] = true;
	if (!(t->key & KEY_CODE64)) {
		va += t->v.x86.seg[X86_CS].base;
		mask = (u32)mask;
	}
	va &= PAGE_MASK;
	ucode_note(t, va & mask, b->gpa & PAGE_MASK);
	if (unlikely(b->gpa2 != ~0ull))
		ucode_note(t, (va + PAGE_SIZE) & mask, b->gpa2);
}

void jc_add(struct tcpu *t, gva_t va, struct block *b, bool global)
{
	unsigned n = key_jc(t->key);
	u64 tag = va + t->jc_generation[n];
	struct jc_entry *j;

	jc_note(t, va, b, global);
	if ((b->key & KEY_ALONE) || t->e->options.no_chaining ||
	    too_near_hole(va))
		return;
	j = find(t, n, tag);
	if (!j) {
		j = &t->jc[n][jc_index(tag)];
		if (jc_index(j->tag) == jc_index(tag) &&
		    !((j->tag ^ tag) >> 48))
			j[1] = j[0];
	}
	j->tag = tag;
	j->minus_tag = -tag;
	j->host = (u64)(uintptr_t)block_entry(b, key_flags(b->key), false);
	j->code_base = va - (b->gpa & ~PAGE_MASK);
}
