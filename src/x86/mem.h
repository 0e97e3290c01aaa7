/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - how the pure functions of this floor reach guest memory. Whoever
 * runs a processor (an engine, a debugger, a unit test) supplies this.
 */
#ifndef DOPPEL_X86_MEM_H
#define DOPPEL_X86_MEM_H

#include "base/base.h"
#include "x86/state.h"

#define X86_ACC_READ BIT(0)
#define X86_ACC_WRITE BIT(1)
#define X86_ACC_FETCH BIT(2)
/* With the rights of CPL 3; without it those of CPL 0 to 2. */
#define X86_ACC_USER BIT(3)
/*
 * An implicit supervisor access (descriptor tables, TSS, exception stacks
 * while CPL is 3): SMAP applies even if AC is set. SDM 3A 4.6 "Access Rights"
 */
#define X86_ACC_IMPLICIT BIT(4)

/*
 * Linear-memory access with paging, permissions, A and D bits, MMIO. @len is
 * 1 to 64 bytes and may cross a page. Both return 0, or -1 with *@f filled
 * and then nothing was written. @acc: X86_ACC_*.
 */
struct x86_mem {
	int (*read)(void *ctx, gva_t lin, void *buf, unsigned len,
		    unsigned acc, struct x86_fault *f);
	int (*write)(void *ctx, gva_t lin, const void *buf, unsigned len,
		     unsigned acc, struct x86_fault *f);
	/* Would such an access of @len bytes fault? Sets A/D as if done. */
	int (*probe)(void *ctx, gva_t lin, unsigned len, unsigned acc,
		     struct x86_fault *f);
	void *ctx;
	/*
	 * Reads guest physical memory (PAE's page-directory pointers are
	 * checked when CR3 is loaded); false where there is no RAM. May be
	 * NULL: then the check is left to the walk.
	 */
	bool (*read_phys)(void *ctx, gpa_t gpa, void *buf, unsigned len);
};

#endif
