/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paging.h - the two-step translation's first step, plain and slow: guest
 * linear to guest physical, through 32-bit, PAE and 4-level tables. The
 * reference that every cached form is compared with.
 */
#ifndef DOPPEL_X86_PAGING_H
#define DOPPEL_X86_PAGING_H

#include "base/base.h"
#include "x86/mem.h"
#include "x86/state.h"

/*
 * MAXPHYADDR, the same on every host: guest RAM is far smaller, CPUID shows
 * this width, and a constant keeps the reserved-bit masks of the walk so too.
 */
#define X86_PHYS_BITS 46
#define X86_PHYS_MASK (BIT64(X86_PHYS_BITS) - 1)

/* Reserved in PAE's page-directory-pointer entries: all but P, PWT, PCD, the
 * ignored bits 11:9 and the address. SDM 3A 4.4.1 "PDPTE Registers" */
#define X86_PDPTE_RSVD (0x1e6ull | ~X86_PHYS_MASK)

/*
 * Host address of the 8 bytes of guest physical memory at @gpa (8-aligned;
 * 4-aligned and 4 bytes for 32-bit tables), or NULL where there is no RAM (a
 * read then gives all ones, as an empty bus does).
 */
typedef void *(*x86_phys_fn)(void *ctx, gpa_t gpa);

struct x86_walk {
	gpa_t gpa; /* of the very byte asked for */
	u64 page_bytes; /* 4 KiB, 2 MiB, 4 MiB or 1 GiB */
	bool global; /* G bit, and CR4.PGE is set */
	bool writable; /* a write by the same kind of access would be let in */
	bool dirty; /* D is set already (after a write access always) */
	bool executable; /* a fetch by the same privilege would be let in */
	bool user; /* U/S of all levels: user page */
	u8 memtype; /* PAT | PCD | PWT index, 0 to 7 */
};

/*
 * Translates @lin for the access @acc. Sets A, and D for writes, in the
 * entries, atomically, as hardware does. Without CR0.PG linear is physical.
 *
 * @ac: the effective EFLAGS.AC, which lifts SMAP for explicit supervisor
 * accesses. Returns 0, or -1 with *@f a #PF (error code and cr2 filled).
 * @lin must be canonical in long mode (the caller raises #GP or #SS).
 */
int x86_walk(const struct x86_state *s, gva_t lin, unsigned acc, bool ac,
	     x86_phys_fn phys, void *ctx, struct x86_walk *w,
	     struct x86_fault *f);

/*
 * Would the same walk succeed, and with A (for a write D, too) set already in
 * all entries? Changes nothing.
 */
bool x86_walk_peek(const struct x86_state *s, gva_t lin, unsigned acc, bool ac,
		   x86_phys_fn phys, void *ctx, struct x86_walk *w);

/*
 * Translates for a debugger: no permissions, no A or D. Returns false where
 * nothing is mapped.
 */
bool x86_walk_debug(const struct x86_state *s, gva_t lin, x86_phys_fn phys,
		    void *ctx, gpa_t *gpa);

#endif
