/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of physical pages, and page tables in it.
 */
#include "machine.h"
#include "pages.h"

static ulong pool_next = POOL_START;

ulong pages_alloc_aligned(unsigned n, ulong align)
{
	ulong at = (pool_next + align - 1) & -align;

	if (at + n * PAGE > POOL_END)
		bail("the page pool is empty");
	pool_next = at + n * PAGE;
	for (ulong *w = (ulong *)at; (ulong)w < pool_next; w++)
		*(volatile ulong *)w = 0;
	return at;
}

ulong pages_alloc(unsigned n)
{
	return pages_alloc_aligned(n, PAGE);
}

#ifdef __x86_64__
u64 *pt_entry(ulong va, int level)
{
	u64 *table = root;

	for (int l = 4;; l--) {
		u64 *e = &table[va >> (12 + 9 * (l - 1)) & 511];

		if (l == level)
			return e;
		if (!(*e & PTE_P))
			*e = pages_alloc(1) | PTE_ALL;
		table = (u64 *)(*e & 0xffffffffff000);
	}
}

void map(ulong va, u64 pa, u64 flags)
{
	*pt_entry(va, 1) = pa | flags;
}

void map_large(ulong va, u64 pa, int level, u64 flags)
{
	*pt_entry(va, level) = pa | flags | PTE_PS;
}

ulong map_new(ulong va)
{
	ulong pa = pages_alloc(1);

	map(va, pa, PTE_ALL);
	invlpg(va);
	return pa;
}

/* start64.S has made these; a test may have changed them. */
extern u64 low_pdpt[512], low_pd[4 * 512];

void pages_reset(void)
{
	for (u64 i = 0; i < 4 * 512; i++)
		low_pd[i] = i << 21 | PTE_ALL | PTE_PS | PTE_A | PTE_D;
	for (unsigned i = 0; i < 4; i++)
		low_pdpt[i] = (ulong)&low_pd[i * 512] | PTE_ALL;
	for (unsigned i = 1; i < 512; i++)
		root[i] = 0;
	root[0] = (ulong)low_pdpt | PTE_P | PTE_W;
	root[128] = (ulong)low_pdpt | PTE_ALL;
	pool_next = POOL_START;
	/* Global entries too. */
	write_cr4(read_cr4() | CR4_PGE);
	write_cr4(read_cr4() & ~(ulong)CR4_PGE);
	write_cr3((ulong)root);
}
#else
void pages_reset(void)
{
	pool_next = POOL_START;
}
#endif
