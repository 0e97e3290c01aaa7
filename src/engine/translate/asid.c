/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asid.c - address spaces that CR3 may come back to, and what is kept of them
 * meanwhile: the local entries of the software TLB (tlb.c) and of the jump
 * caches (jc.c), and which pages of the kernel's windows they have seen
 * (window_map.c). So a switch of processes does not start cold.
 *
 * That is what PCIDs are for: most writes of CR3 say that nothing of the new
 * one's is to be dropped. Here an address space is the whole of CR3, and is
 * forgotten whenever anything of its PCID is flushed while it is not current:
 * dropping more than has to be is legal. But for its jump caches the guest's
 * tables are asked when it is current again (ucode.c).
 *
 * SDM 3A 4.10.1 "Process-Context Identifiers (PCIDs)", 4.10.4.1 "Operations
 * that Invalidate TLBs and Paging-Structure Caches"
 */
#include "engine/translate/engine.h"

static bool has_pcids(const struct tcpu *t)
{
	return t->v.x86.cr4 & CR4_PCIDE;
}

/* What is cached of it is not good any more, or has to be looked at. */
static void forget(struct tcpu *t, unsigned n)
{
	struct asid *a = &t->asid[n];

	if (a->forgotten)
		return;
	jc_doubt(a);
	a->tlb_count = 0;
	window_forget_asid(t, n);
	a->forgotten = n != t->asid_now;
}

void asid_forget_all(struct tcpu *t)
{
	for (unsigned n = 0; n < ASIDS; n++)
		forget(t, n);
}

void asid_forget_pcid(struct tcpu *t, u64 pcid)
{
	for (unsigned n = 0; n < ASIDS; n++)
		if ((t->asid[n].cr3 & CR3_PCID_MASK) == pcid)
			forget(t, n);
}

void asid_forget_twins(struct tcpu *t)
{
	for (unsigned n = 0; n < ASIDS; n++)
		if (n != t->asid_now &&
		    !((t->asid[n].cr3 ^ t->cr3) & CR3_PCID_MASK))
			forget(t, n);
}

static unsigned find(struct tcpu *t, u64 cr3)
{
	unsigned n;

	for (n = 0; n < ASIDS; n++)
		if (t->asid[n].cr3 == cr3)
			return n;
	n = t->asid_victim++ % ASIDS;
	if (n == t->asid_now)
		n = t->asid_victim++ % ASIDS;
	forget(t, n);
	jc_forget(&t->asid[n]);
	t->asid[n].cr3 = cr3;
	return n;
}

/* Without PCIDs, or where the same address space is only flushed. */
static void drop_all(struct tcpu *t, u64 to)
{
	tlb_drop_local(t);
	jc_flush_local(t);
	t->asid[t->asid_now].cr3 = to;
}

void asid_switch(struct tcpu *t, u64 to, bool keep)
{
	struct asid *from = &t->asid[t->asid_now], *a;
	unsigned n;

	if (!has_pcids(t)) {
		asid_forget_all(t);
		drop_all(t, to);
	} else if (to != t->cr3) {
		n = find(t, to);
		a = &t->asid[n];
		tlb_keep(t, from);
		jc_keep(t, from);
		if (!keep)
			asid_forget_pcid(t, to & CR3_PCID_MASK);
		tlb_bring(t, a);
		jc_bring(t, a);
		t->asid_now = n;
		a->forgotten = false;
	} else if (!keep) {
		asid_forget_pcid(t, to & CR3_PCID_MASK);
		drop_all(t, to);
	}
	t->cr3 = to;
}
