/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tlb.c - the software TLB: filling by the architecture's page walk, and
 * flushing by the architecture's rules.
 *
 * Entries are composed: guest virtual straight to host. A write entry exists
 * only where the D bit is set and no translated code lies, so that the first
 * write to a page comes through C. Pages of devices, and those with a data
 * breakpoint, never get an entry.
 * SDM 3A 4.10 "Caching Translation Information"
 */
#include "base/fmt.h"
#include "base/trace.h"
#include "engine/translate/debug.h"
#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/paging.h"

static void entry_clear(struct tlb *tlb, unsigned i)
{
	u64 bad = i ? 0 : PAGE_SIZE;

	tlb->read_tag[i] = bad;
	tlb->write_tag[i] = bad;
	tlb->local[i / 64] &= ~BIT64(i % 64);
	tlb->large[i / 64] &= ~BIT64(i % 64);
}

static void itlb_clear(struct tcpu *t)
{
	for (unsigned i = 0; i < ITLB_ENTRIES; i++)
		t->itlb[i].va = 1;
}

void tlb_forget_code(struct tcpu *t)
{
	itlb_clear(t);
	kcode_forget(&t->kcode);
}

void tlb_flush_all(struct tcpu *t)
{
	bool same;

	for (unsigned m = 0; m < MMU_COUNT; m++) {
		struct tlb *tlb = &t->tlb[m];

		fill_bytes(tlb->read_tag, 0, sizeof(tlb->read_tag));
		fill_bytes(tlb->write_tag, 0, sizeof(tlb->write_tag));
		fill_bytes(tlb->local, 0, sizeof(tlb->local));
		fill_bytes(tlb->large, 0, sizeof(tlb->large));
		tlb->any_large[0] = tlb->any_large[1] = false;
		entry_clear(tlb, 0);
	}
	itlb_clear(t);
	t->large_code.any = false;
	asid_forget_all(t);
	t->asid[t->asid_now].cr3 = t->cr3;
	same = kcode_is_same(t);
	if (!same)
		kcode_forget(&t->kcode);
	jc_flush_all(t, same);
	link_far_retry(t->e);
	window_flush_all(t);
	t->stats.tlb_flushes_all++;
}

static void itlb_drop_local(struct tcpu *t)
{
	for (unsigned w = 0; w < ITLB_ENTRIES / 64; w++) {
		for (u64 bits = t->itlb_local[w]; bits; bits &= bits - 1)
			t->itlb[w * 64 + (unsigned)__builtin_ctzll(bits)].va =
				1;
		t->itlb_local[w] = 0;
	}
}

static void note_large(struct tlb *tlb, gva_t va, unsigned i)
{
	tlb->large[i / 64] |= BIT64(i % 64);
	tlb->any_large[va >> 63] = true;
}

static void drop_large(struct tlb *tlb, gva_t va)
{
	for (unsigned w = 0; w < TLB_ENTRIES / 64; w++) {
		u64 bits = tlb->large[w];

		for (; bits; bits &= bits - 1) {
			unsigned i = w * 64 + (unsigned)__builtin_ctzll(bits);

			if (((tlb->read_tag[i] ^ va) >> 30) == 0)
				entry_clear(tlb, i);
		}
	}
}

/* In the tag of what is kept, below the page. */
#define KEPT_MMU 3u
#define KEPT_WRITE 4u
#define KEPT_LARGE 8u

static void keep_entry(struct asid *a, const struct tlb *tlb, unsigned m,
		       unsigned i)
{
	u64 tag = tlb->read_tag[i] | m;

	/* MOV CR3 is quick only if there are few. */
	if (a->tlb_count == ASID_TLB)
		return;
	if (tlb->write_tag[i] == tlb->read_tag[i])
		tag |= KEPT_WRITE;
	if (tlb->large[i / 64] & BIT64(i % 64))
		tag |= KEPT_LARGE;
	a->tlb[a->tlb_count++] = (struct tlb_kept){ .tag = tag,
						    .host = tlb->host[i],
						    .gpa = tlb->gpa[i] };
}

static void take_local(struct tcpu *t, struct asid *a)
{
	for (unsigned m = 0; m < MMU_COUNT; m++) {
		struct tlb *tlb = &t->tlb[m];

		for (unsigned w = 0; w < TLB_ENTRIES / 64; w++) {
			u64 bits = tlb->local[w];

			for (; bits; bits &= bits - 1) {
				unsigned i = w * 64 +
					     (unsigned)__builtin_ctzll(bits);

				if (a)
					keep_entry(a, tlb, m, i);
				entry_clear(tlb, i);
			}
		}
	}
	itlb_drop_local(t);
	t->stats.tlb_flushes++;
}

void tlb_drop_local(struct tcpu *t)
{
	take_local(t, NULL);
}

void tlb_keep(struct tcpu *t, struct asid *a)
{
	a->tlb_count = 0;
	take_local(t, a);
}

void tlb_flush_pcid(struct tcpu *t)
{
	asid_forget_twins(t);
	tlb_drop_local(t);
	jc_flush_local(t);
	window_flush_local(t);
}

void tlb_flush_local(struct tcpu *t)
{
	asid_forget_all(t);
	window_flush_others(t);
	tlb_flush_pcid(t);
}

void tlb_switch(struct tcpu *t, bool keep)
{
	asid_switch(t, t->v.x86.cr3, keep);
	window_switch(t, keep);
}

/*
 * INVLPG drops all of a large page, whichever part of it is named: entries of
 * such pages are remembered, and all of them go (dropping more is legal).
 */
void tlb_flush_page(struct tcpu *t, gva_t va)
{
	gva_t page = va & PAGE_MASK;
	unsigned i = (va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
	struct itlb_entry *it = &t->itlb[(va >> PAGE_SHIFT) % ITLB_ENTRIES];

	for (unsigned m = 0; m < MMU_COUNT; m++) {
		struct tlb *tlb = &t->tlb[m];

		if (tlb->read_tag[i] == page || tlb->write_tag[i] == page)
			entry_clear(tlb, i);
		if (tlb->any_large[va >> 63])
			drop_large(tlb, va);
	}
	if (it->va == page)
		it->va = 1;
	asid_forget_twins(t);
	if (unlikely(t->large_code.any) && va >= t->large_code.first &&
	    va <= t->large_code.last) {
		/* More than the one page that itlb and jump caches know. */
		itlb_clear(t);
		jc_flush_users(t);
	}
	jc_flush_page(t, page);
	window_flush_page(t, va);
	t->stats.tlb_invlpg++;
}

bool tlb_protect(struct tcpu *t, gpa_t gpa)
{
	gpa_t page = gpa & PAGE_MASK;
	bool had = false;

	for (unsigned m = 0; m < MMU_COUNT; m++)
		for (unsigned i = 0; i < TLB_ENTRIES; i++) {
			u64 bad = i ? 0 : PAGE_SIZE;
			u64 *tag = &t->tlb[m].write_tag[i];

			if (t->tlb[m].gpa[i] != page)
				continue;
			had |= __atomic_exchange_n(tag, bad,
						   __ATOMIC_RELAXED) != bad;
		}
	return had;
}

/*
 * PAIRS: smc_watch() on another vCPU, which makes the page a code page and then
 * looks for write entries.
 */
static void allow_writes(struct tcpu *t, struct tlb *tlb, unsigned i)
{
	__atomic_store_n(&tlb->write_tag[i], tlb->read_tag[i],
			 __ATOMIC_SEQ_CST);
	if (unlikely(smc_is_code(t->e, tlb->gpa[i])))
		tlb->write_tag[i] = i ? 0 : PAGE_SIZE;
}

/* Pages may hold translated code by now. */
void tlb_bring(struct tcpu *t, struct asid *a)
{
	for (unsigned k = 0; k < a->tlb_count; k++) {
		const struct tlb_kept *kept = &a->tlb[k];
		struct tlb *tlb = &t->tlb[kept->tag & KEPT_MMU];
		gva_t page = kept->tag & PAGE_MASK;
		unsigned i = (page >> PAGE_SHIFT) & (TLB_ENTRIES - 1);

		entry_clear(tlb, i);
		tlb->read_tag[i] = page;
		tlb->host[i] = kept->host;
		tlb->gpa[i] = kept->gpa;
		if ((kept->tag & KEPT_WRITE) && !smc_is_code(t->e, kept->gpa))
			allow_writes(t, tlb, i);
		tlb->local[i / 64] |= BIT64(i % 64);
		if (kept->tag & KEPT_LARGE)
			note_large(tlb, page, i);
	}
	a->tlb_count = 0;
}

static bool walk(struct tcpu *t, enum mmu_index mmu, gva_t va, unsigned acc,
		 struct x86_walk *w, struct x86_fault *f)
{
	const struct x86_state *s = &t->v.x86;

	/* In long mode a non-canonical address never gets to the tables. */
	if ((s->efer & EFER_LMA) && !x86_is_canonical(va)) {
		x86_gp(f);
		return false;
	}
	return pagewalk(t, va, acc, mmu == MMU_KERNEL_AC, w, f) == 0;
}

int tlb_fill(struct tcpu *t, enum mmu_index mmu, gva_t va, unsigned acc,
	     gpa_t *gpa, struct x86_fault *f)
{
	struct tlb *tlb = &t->tlb[mmu];
	unsigned i = (va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
	gva_t page = va & PAGE_MASK;
	struct x86_walk w;
	hva_t hva;

	t->stats.tlb_misses++;
	acc = (acc & (X86_ACC_READ | X86_ACC_WRITE | X86_ACC_IMPLICIT)) |
	      acc_of_mmu(mmu);
	if (!walk(t, mmu, va, acc, &w, f))
		return -1;
	*gpa = w.gpa;
	hva = gmem_hva(&t->e->vm->mem, w.gpa & PAGE_MASK, PAGE_SIZE);
	if (!hva)
		return 1;
	if (unlikely(t->debug.data) && debug_watches(t, va))
		return 0;
	t->stats.tlb_fills++;
	entry_clear(tlb, i);
	tlb->read_tag[i] = page;
	tlb->host[i] = (u64)(uintptr_t)hva;
	tlb->gpa[i] = w.gpa & PAGE_MASK;
	if (w.writable && w.dirty && !smc_is_code(t->e, w.gpa))
		allow_writes(t, tlb, i);
	if (!w.global)
		tlb->local[i / 64] |= BIT64(i % 64);
	if (w.page_bytes > PAGE_SIZE)
		note_large(tlb, page, i);
	TRACE(TLB, "fill mmu %u va %llx gpa %llx acc %x%s", mmu,
	      (unsigned long long)va, (unsigned long long)w.gpa, acc,
	      w.global ? " global" : "");
	return 0;
}

/* A user's; of the kernel's, kcode.c knows. */
static void note_large_code(struct tcpu *t, gva_t va, u64 bytes)
{
	gva_t first = va & ~(bytes - 1), last = first + bytes - 1;

	if (!t->large_code.any) {
		t->large_code.any = true;
		t->large_code.first = first;
		t->large_code.last = last;
	}
	t->large_code.first = min_u64(t->large_code.first, first);
	t->large_code.last = max_u64(t->large_code.last, last);
}

int tlb_fetch(struct tcpu *t, gva_t va, gpa_t *gpa, struct x86_fault *f)
{
	bool user = t->key & KEY_USER;
	struct itlb_entry *it = &t->itlb[(va >> PAGE_SHIFT) % ITLB_ENTRIES];
	enum mmu_index mmu = user ? MMU_USER : MMU_KERNEL;
	struct x86_walk w;

	if (it->va == (va & PAGE_MASK) && it->user == user) {
		*gpa = it->gpa | (va & ~PAGE_MASK);
		return 0;
	}
	if (!walk(t, mmu, va,
		  X86_ACC_FETCH | (user ? X86_ACC_USER : 0), &w, f))
		return -1;
	if (unlikely(user && w.page_bytes > PAGE_SIZE))
		note_large_code(t, va, w.page_bytes);
	it->va = va & PAGE_MASK;
	it->gpa = w.gpa & PAGE_MASK;
	it->user = user;
	it->global = w.global;
	if (!user)
		kcode_note(t, va, &w);
	if (!w.global)
		t->itlb_local[(it - t->itlb) / 64] |= BIT64((it - t->itlb) % 64);
	*gpa = w.gpa;
	return 0;
}

bool tlb_peek_code(struct tcpu *t, gva_t va, gpa_t *gpa)
{
	const struct itlb_entry *it =
		&t->itlb[(va >> PAGE_SHIFT) % ITLB_ENTRIES];
	bool user = t->key & KEY_USER;
	struct x86_walk w;

	if (it->va == (va & PAGE_MASK) && it->user == user) {
		*gpa = it->gpa | (va & ~PAGE_MASK);
		return true;
	}
	if (((t->v.x86.efer & EFER_LMA) && !x86_is_canonical(va)) ||
	    !pagewalk_peek(t, va, X86_ACC_FETCH | (user ? X86_ACC_USER : 0),
			   false, &w))
		return false;
	*gpa = w.gpa;
	return true;
}
