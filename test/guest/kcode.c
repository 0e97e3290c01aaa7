/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own code, mapped anew: after the invalidation that is due for
 * it, what runs is what the tables say. SDM 3A 4.10.4 "Invalidation of TLBs and
 * Paging-Structure Caches"
 *
 * Everything lies in the uppermost 2 GiB, where kernels live. Whatever calls
 * does so by a direct call from one page to another.
 */
#include "lib/pages.h"
#include "lib/trap.h"

#define CALLER 0xffffffffa0000000ul
#define CALLED (CALLER + PAGE)
#define LARGE 0xffffffffb0000000ul
#define LARGE_BYTES 0x200000ul
/* Far enough from CALLED for a cache of translations by the low bits of the
 * page number not to hold both. */
#define ALIAS (CALLED + 0x10000000ul)

#define STEP 16 /* between functions on a page */

static unsigned (*function(ulong va))(void)
{
	return (unsigned (*)(void))va;
}

/* Fills a page with functions: that at n * STEP returns value + n. */
static void write_functions(ulong pa, u32 value)
{
	for (unsigned n = 0; n < PAGE / STEP; n++) {
		volatile u8 *p = (volatile u8 *)pa + n * STEP;

		p[0] = 0xb8; /* mov $imm32, %eax */
		*(volatile u32 *)(p + 1) = value + n;
		p[5] = 0xc3;
	}
}

static ulong functions(u32 value)
{
	ulong pa = pages_alloc(1);

	write_functions(pa, value);
	return pa;
}

/* At @va: calls @to. */
static void make_caller(ulong va, ulong to, u64 flags)
{
	ulong pa = pages_alloc(1);
	volatile u8 *p = (volatile u8 *)pa;

	p[0] = 0xe8;
	*(volatile u32 *)(p + 1) = (u32)(to - (va + 5));
	p[5] = 0xc3;
	map(va, pa, flags);
	invlpg(va);
}

static void by_invlpg(void)
{
	invlpg(CALLED + 0x123);
}

static void by_cr3(void)
{
	write_cr3(read_cr3());
}

static void by_pge(void)
{
	ulong cr4 = read_cr4();

	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
}

static void by_invpcid(void)
{
	u64 d[2] = { 0, 0 };

	asm volatile("invpcid %0, %1" ::"m"(d), "r"(2ul) : "memory");
}

static const struct {
	const char *name;
	void (*flush)(void);
	bool global;
} way_tab[] = {
	{ "INVLPG", by_invlpg, true },
	{ "CR3", by_cr3, false },
	{ "CR4.PGE", by_pge, true },
	{ "INVPCID", by_invpcid, true },
};

static bool way_is_there(unsigned w)
{
	return way_tab[w].flush != by_invpcid || has(F_INVPCID);
}

static void remap_by(unsigned w, u64 flags)
{
	ulong frame[2] = { functions(100), functions(200) };

	make_caller(CALLER, CALLED, flags);
	for (unsigned i = 0; i < 40; i++) {
		/* Changed every third time. */
		unsigned n = i / 3 & 1;

		context("by %s, flags %x, round %u", way_tab[w].name,
			(unsigned)flags, i);
		map(CALLED, frame[n], flags);
		way_tab[w].flush();
		for (unsigned k = 0; k < 3; k++) {
			CHECK_EQ(function(CALLER)(), 100 + 100 * n);
			CHECK_EQ(function(CALLED)(), 100 + 100 * n);
		}
	}
}

static void remapped(void)
{
	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned w = 0; w < ARRAY_LEN(way_tab); w++) {
		if (!way_is_there(w))
			continue;
		remap_by(w, PTE_P | PTE_W);
		if (way_tab[w].global)
			remap_by(w, PTE_P | PTE_W | PTE_G);
	}
}

/*
 * A page is another one for a while, and nobody says so. What has been run of
 * that is not what runs when it is the first again, and everything flushed.
 */
static void there_and_back(void)
{
	ulong frame[2] = { functions(1000), functions(2000) };
	ulong other = functions(5000);

	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned n = 1; n < PAGE / STEP - 1; n++) {
		u32 v;

		context("function %u", n);
		map(CALLED, frame[0], PTE_P | PTE_W | PTE_G);
		map(ALIAS, other, PTE_P | PTE_W | PTE_G);
		by_pge();
		CHECK_EQ(function(CALLED)(), 1000);
		map(CALLED, frame[1], PTE_P | PTE_W | PTE_G);
		CHECK_EQ(function(ALIAS + n * STEP)(), 5000 + n);
		v = function(CALLED + n * STEP)();
		CHECK(v == 1000 + n || v == 2000 + n);
		map(CALLED, frame[0], PTE_P | PTE_W | PTE_G);
		by_pge();
		CHECK_EQ(function(CALLED + n * STEP)(), 1000 + n);
		CHECK_EQ(function(CALLED)(), 1000);
	}
}

/* INVLPG drops all of a large page, whatever address in it is named. */
static void large(void)
{
	ulong frame[2], at = 0x5000;

	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned n = 0; n < 2; n++) {
		frame[n] = pages_alloc_aligned(LARGE_BYTES / PAGE, LARGE_BYTES);
		write_functions(frame[n] + at, 100 + 100 * n);
	}
	make_caller(CALLER, LARGE + at, PTE_P | PTE_W | PTE_G);
	for (unsigned i = 0; i < 40; i++) {
		context("round %u", i);
		map_large(LARGE, frame[i & 1], 2, PTE_P | PTE_W | PTE_G);
		invlpg(LARGE + (i * 0x13000 & (LARGE_BYTES - 1)));
		CHECK_EQ(function(CALLER)(), 100 + 100 * (i & 1));
		CHECK_EQ(function(LARGE + at)(), 100 + 100 * (i & 1));
	}
}

/* The same of a user's code. */
#define USER_LARGE (LAB + 0x40000000ul)

static void large_users(void)
{
	ulong frame[2], at = 0x5000;

	for (unsigned n = 0; n < 2; n++) {
		volatile u8 *p;

		frame[n] = pages_alloc_aligned(LARGE_BYTES / PAGE, LARGE_BYTES);
		p = (volatile u8 *)frame[n] + at;
		p[0] = 0xb8; /* mov $imm32, %eax; int $0x81 */
		*(volatile u32 *)(p + 1) = 100 + 100 * n;
		p[5] = 0xcd;
		p[6] = 0x81;
	}
	for (unsigned i = 0; i < 40; i++) {
		struct regs r;

		context("round %u", i);
		map_large(USER_LARGE, frame[i & 1], 2, PTE_ALL);
		invlpg(USER_LARGE + (i * 0x13000 & (LARGE_BYTES - 1)));
		regs_init(&r, (const void *)0, 3);
		r.rip = USER_LARGE + at;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 100 + 100 * (i & 1));
	}
}

/* Gone, or not to be executed any more. */
static void call_caller(void)
{
	(void)function(CALLER)();
}

static void lost(void)
{
	ulong frame = functions(100);

	make_caller(CALLER, CALLED, PTE_P | PTE_W);
	for (unsigned i = 0; i < 20; i++) {
		struct regs r;

		context("round %u", i);
		map(CALLED, frame, PTE_P | PTE_W);
		invlpg(CALLED);
		CHECK_EQ(function(CALLER)(), 100);
		map(CALLED, frame, i & 1 ? PTE_W : 0);
		if (i & 2)
			by_cr3();
		else
			invlpg(CALLED);
		r = trap_of(call_caller);
		CHECK_EQ(r.vector, V_PF);
		CHECK_EQ(r.error & PF_P, 0);
		CHECK_EQ(r.cr2, CALLED);
	}
}

/* Global pages are none for a while, as when Linux sets MTRRs. */
static void without_global(void)
{
	ulong frame[2] = { functions(100), functions(200) };
	ulong cr4 = read_cr4() & ~(ulong)CR4_PGE;

	make_caller(CALLER, CALLED, PTE_P | PTE_W | PTE_G);
	for (unsigned i = 0; i < 40; i++) {
		context("round %u", i);
		write_cr4(cr4 | CR4_PGE);
		map(CALLED, frame[0], PTE_P | PTE_W | PTE_G);
		by_pge();
		CHECK_EQ(function(CALLER)(), 100);
		write_cr4(cr4);
		CHECK_EQ(function(CALLER)(), 100);
		map(CALLED, frame[1], PTE_P | PTE_W | PTE_G);
		by_cr3();
		CHECK_EQ(function(CALLER)(), 200);
	}
}

#define QEMU_LARGE "INVLPG drops code of 4 KiB alone (SDM 3A 4.10.4.1)"

const struct test tests[] = {
	{ "code mapped anew", remapped },
	{ "there and back", there_and_back },
	{ "large pages", large, QEMU_LARGE },
	{ "large pages of users", large_users, QEMU_LARGE },
	{ "code unmapped", lost },
	{ "without global pages", without_global },
	{ NULL },
};
