/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of a test guest.
 *
 * The first 4 GiB are mapped to themselves for ring 0 (2 MiB pages in long
 * mode), and once more, in long mode, for ring 3 at USER_ALIAS. What a test
 * maps by itself goes to the laboratory at LAB. Physical pages come from a
 * pool above 16 MiB, which is empty again when the next test starts.
 */
#ifndef PAGES_H
#define PAGES_H

#include "cpu.h"

enum {
	PTE_P = 1 << 0,
	PTE_W = 1 << 1,
	PTE_U = 1 << 2,
	PTE_PWT = 1 << 3,
	PTE_PCD = 1 << 4,
	PTE_A = 1 << 5,
	PTE_D = 1 << 6,
	PTE_PS = 1 << 7,
	PTE_G = 1 << 8,
};
#define PTE_NX BIT(63)
#define PTE_ALL (PTE_P | PTE_W | PTE_U)
#define PAGE 4096ul

#define POOL_START 0x1000000ul
#define POOL_END 0x4000000ul

#ifdef __x86_64__
#define USER_ALIAS 0x400000000000ul
#define LAB 0x200000000000ul
#else
#define USER_ALIAS 0ul
#define LAB 0xc0000000ul
#endif

/* Where ring 3 sees an object of the guest. */
static inline ulong user(const volatile void *p)
{
	return (ulong)p + USER_ALIAS;
}

/* Zeroed physical memory; its address is also how ring 0 reaches it. */
ulong pages_alloc(unsigned n);
ulong pages_alloc_aligned(unsigned n, ulong align);

#ifdef __x86_64__
extern u64 root[512];
typedef u64 pte_t;
#endif

/*
 * The entry of the given level (1: PTE) that maps va in the boot page tables.
 * Missing tables above it are made, with all rights.
 */
u64 *pt_entry(ulong va, int level);

/* Maps one page; flags include P. Does not flush. */
void map(ulong va, u64 pa, u64 flags);
void map_large(ulong va, u64 pa, int level, u64 flags);

/* A new page at va, readable, writable and executable by all; flushes. */
ulong map_new(ulong va);

void pages_reset(void);

#endif
