/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process-context identifiers: SDM 3A 4.10.1 "Process-Context Identifiers",
 * 4.10.4.1 "Operations that Invalidate TLBs"; 2A "INVPCID".
 *
 * That a translation survives a write of CR3 without a flush is not promised,
 * so what is tested are the invalidations, and that no PCID ever sees what
 * belongs to another one.
 */
#include "lib/pages.h"
#include "lib/trap.h"

#define A (LAB + 0x1000)
#define GLOBAL (LAB + 0x8000000000)
#define NO_FLUSH BIT(63)
#define SPACES 6

static ulong spaces[SPACES + 1];
static ulong frames[SPACES + 1][2];

static u32 read32(ulong va)
{
	u32 v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(va) : "memory");
	return v;
}

static void write32(ulong va, u32 v)
{
	asm volatile("movl %1, (%0)" ::"r"(va), "r"(v) : "memory");
}

static ulong page_of(u32 v)
{
	ulong pa = pages_alloc(1);

	*(volatile u32 *)pa = v;
	return pa;
}

static volatile u64 *leaf_of(unsigned space)
{
	u64 e = ((volatile u64 *)spaces[space])[A >> 39 & 511];

	e = ((volatile u64 *)(e & ~0xffful))[A >> 30 & 511];
	e = ((volatile u64 *)(e & ~0xffful))[A >> 21 & 511];
	return &((volatile u64 *)(e & ~0xffful))[A >> 12 & 511];
}

/* Space n, of PCID n, maps A to a page that says 10 * n (or n + 1). */
static bool prepare(void)
{
	if (!has(F_PCID)) {
		skip("no PCID");
		return false;
	}
	for (unsigned n = 1; n <= SPACES; n++) {
		ulong pdpt = pages_alloc(1), pd = pages_alloc(1);
		ulong pt = pages_alloc(1);

		spaces[n] = pages_alloc(1);
		memcpy((void *)spaces[n], root, PAGE);
		((volatile u64 *)spaces[n])[A >> 39 & 511] = pdpt | PTE_ALL;
		((volatile u64 *)pdpt)[A >> 30 & 511] = pd | PTE_ALL;
		((volatile u64 *)pd)[A >> 21 & 511] = pt | PTE_ALL;
		frames[n][0] = page_of(10 * n);
		frames[n][1] = page_of(10 * n + 1);
		*leaf_of(n) = frames[n][0] | PTE_ALL;
	}
	write_cr4(read_cr4() | CR4_PGE);
	write_cr4(read_cr4() | CR4_PCIDE);
	return true;
}

static void enter(unsigned n, u64 no_flush)
{
	write_cr3(spaces[n] | n | no_flush);
}

static void set_frame(unsigned n, unsigned which)
{
	*leaf_of(n) = frames[n][which] | PTE_ALL;
}

static void apart(void)
{
	if (!prepare())
		return;
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned n = 1; n <= SPACES; n++) {
			context("round %u space %u", round, n);
			enter(n, NO_FLUSH);
			CHECK_EQ(read_cr3(), spaces[n] | n);
			CHECK_EQ(read32(A), 10 * n);
		}
	}
}

/* Writing CR3 with bit 63 clear forgets that PCID's translations, not more. */
static void flush_by_cr3(void)
{
	if (!prepare())
		return;
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned n = 1; n <= SPACES; n++) {
			enter(n, NO_FLUSH);
			(void)read32(A);
			set_frame(n, round & 1);
		}
		for (unsigned n = 1; n <= SPACES; n++) {
			context("round %u space %u", round, n);
			enter(n, 0);
			CHECK_EQ(read32(A), 10 * n + (round & 1));
		}
	}
}

/* More address spaces than are remembered take turns, and are flushed behind
 * their backs. */
#define MANY 20

static void many(void)
{
	ulong leaf[MANY], top[MANY];

	if (!prepare())
		return;
	for (unsigned n = 0; n < MANY; n++) {
		ulong pdpt = pages_alloc(1), pd = pages_alloc(1);
		ulong pt = pages_alloc(1);

		top[n] = pages_alloc(1);
		memcpy((void *)top[n], root, PAGE);
		((volatile u64 *)top[n])[A >> 39 & 511] = pdpt | PTE_ALL;
		((volatile u64 *)pdpt)[A >> 30 & 511] = pd | PTE_ALL;
		((volatile u64 *)pd)[A >> 21 & 511] = pt | PTE_ALL;
		leaf[n] = pt + (A >> 12 & 511) * 8;
		*(volatile u64 *)leaf[n] = page_of(1000 + n) | PTE_ALL;
		write_cr3(top[n] | (10 + n));
		CHECK_EQ(read32(A), 1000 + n);
	}
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned k = 0; k < MANY; k++) {
			/* Neighbours, and ones long gone. */
			unsigned n = k & 1 ? k : k / 2;

			context("round %u, %u", round, n);
			write_cr3(top[n] | (10 + n) | NO_FLUSH);
			CHECK_EQ(read32(A), 1000 + n + round);
			write32(A, 1000 + n + round);
		}
		/* A CR3 without bit 63 drops it, then it may change. */
		for (unsigned n = 0; n < MANY; n++) {
			ulong pa = page_of(1000 + n + round + 1);

			*(volatile u64 *)leaf[n] = pa | PTE_ALL;
			write_cr3(top[n] | (10 + n));
			write_cr3((ulong)root);
		}
	}
}

/* Two roots with one PCID: what is dropped of it is dropped of both. */
static void twins(void)
{
	if (!prepare())
		return;
	for (unsigned round = 0; round < 40; round++) {
		context("round %u", round);
		write_cr3(spaces[1] | 9 | NO_FLUSH);
		(void)read32(A);
		write_cr3(spaces[2] | 9);
		(void)read32(A);
		set_frame(1, round & 1);
		if (round & 2)
			invlpg(A);
		else
			write_cr3(spaces[2] | 9);
		write_cr3(spaces[1] | 9 | NO_FLUSH);
		/* What of the other root is cached may be used, too. */
		invlpg(A);
		CHECK_EQ(read32(A), 10 + (round & 1));
	}
	/* Of the same root, through another PCID and back. */
	for (unsigned round = 0; round < 40; round++) {
		u32 v;

		context("back, round %u", round);
		set_frame(1, 0);
		write_cr3(spaces[1] | 9);
		CHECK_EQ(read32(A), 10);
		set_frame(1, 1);
		/* Another root's INVLPG, the same PCID. */
		write_cr3(spaces[3] | 9 | NO_FLUSH);
		invlpg(A);
		write_cr3(spaces[1] | 9 | NO_FLUSH);
		v = read32(A);
		CHECK_EQ(v, 11);
	}
}

/* The upper half is the kernel's, but not all of it need be global. */
#define UPPER (0xffffa00000000000ul + 0x7000)

static void upper_half(void)
{
	ulong leaf[SPACES + 1], pa[SPACES + 1][2];

	if (!prepare())
		return;
	for (unsigned n = 1; n <= SPACES; n++) {
		ulong pdpt = pages_alloc(1), pd = pages_alloc(1);
		ulong pt = pages_alloc(1);

		((volatile u64 *)spaces[n])[UPPER >> 39 & 511] =
			pdpt | PTE_P | PTE_W;
		((volatile u64 *)pdpt)[UPPER >> 30 & 511] = pd | PTE_P | PTE_W;
		((volatile u64 *)pd)[UPPER >> 21 & 511] = pt | PTE_P | PTE_W;
		leaf[n] = pt + (UPPER >> 12 & 511) * 8;
		pa[n][0] = page_of(10 * n);
		pa[n][1] = page_of(10 * n + 1);
		*(volatile u64 *)leaf[n] = pa[n][0] | PTE_P | PTE_W;
	}
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned n = 1; n <= SPACES; n++) {
			bool fresh = round % 7 == n;

			context("round %u space %u", round, n);
			if (fresh)
				*(volatile u64 *)leaf[n] =
					pa[n][round & 1] | PTE_P | PTE_W;
			enter(n, fresh && (round & 2) ? 0 : NO_FLUSH);
			if (fresh)
				invlpg(UPPER);
			if (round > 7 * 2)
				CHECK_EQ(read32(UPPER) / 10, n);
			CHECK_EQ(read32(UPPER),
				 *(volatile u32 *)(*(volatile u64 *)leaf[n] &
						   ~0xffful));
			write32(UPPER, read32(UPPER));
		}
	}
}

/* A page that one address space writes is code in another. */
static void code_elsewhere(void)
{
	volatile u8 *code;

	if (!prepare())
		return;
	code = (volatile u8 *)frames[1][0];
	for (unsigned i = 0; i < 40; i++) {
		context("round %u", i);
		/* nop; mov $imm32, %eax; ret */
		enter(1, NO_FLUSH);
		write32(A, 0x90 | 0xb8 << 8 | i << 16);
		write32(A + 4, 0xc3 << 16);
		enter(2, NO_FLUSH);
		CHECK_EQ(((unsigned (*)(void))(ulong)code)(), i);
		CHECK_EQ(((unsigned (*)(void))(ulong)code)(), i);
	}
}

/* How much is remembered is for the reader to know. */
static void no_flush_remembers(void)
{
	unsigned stale = 0;

	if (!prepare())
		return;
	for (unsigned round = 0; round < 20; round++) {
		u32 v;

		enter(1, 0);
		(void)read32(A);
		enter(2, NO_FLUSH);
		set_frame(1, 1);
		enter(1, NO_FLUSH);
		v = read32(A);
		CHECK(v == 10 || v == 11);
		stale += v == 10;
		set_frame(1, 0);
	}
	print("# remembered over a change of PCID %u of 20 times\n", stale);
}

/* INVLPG acts on the current PCID (and on global pages). */
static void invlpg_current(void)
{
	if (!prepare())
		return;
	for (unsigned round = 0; round < 20; round++) {
		enter(3, NO_FLUSH);
		(void)read32(A);
		set_frame(3, round & 1);
		invlpg(A);
		CHECK_EQ(read32(A), 30 + (round & 1));
	}
}

static void invpcid(ulong type, u64 pcid, u64 va)
{
	struct {
		u64 pcid, va;
	} d = { pcid, va };

	asm volatile("invpcid %0, %1" ::"m"(d), "r"(type) : "memory");
}

static bool prepare_invpcid(void)
{
	if (!has(F_INVPCID)) {
		skip("no INVPCID");
		return false;
	}
	return prepare();
}

/* Type 0: one address of one PCID, from whichever is current. */
static void invpcid_address(void)
{
	if (!prepare_invpcid())
		return;
	for (unsigned round = 0; round < 40; round++) {
		enter(1, NO_FLUSH);
		(void)read32(A);
		enter(2, NO_FLUSH);
		set_frame(1, round & 1);
		invpcid(0, 1, A);
		enter(1, NO_FLUSH);
		CHECK_EQ(read32(A), 10 + (round & 1));
	}
}

/* Type 1: all of one PCID. */
static void invpcid_context(void)
{
	if (!prepare_invpcid())
		return;
	for (unsigned round = 0; round < 40; round++) {
		enter(1, NO_FLUSH);
		(void)read32(A);
		enter(2, NO_FLUSH);
		(void)read32(A);
		set_frame(1, round & 1);
		set_frame(2, round & 1);
		invpcid(1, 1, 0);
		invpcid(1, 2, 0);
		CHECK_EQ(read32(A), 20 + (round & 1));
		enter(1, NO_FLUSH);
		CHECK_EQ(read32(A), 10 + (round & 1));
	}
}

/* Types 2 and 3: all PCIDs, with and without global translations. */
static void invpcid_all(void)
{
	ulong g[2];

	if (!prepare_invpcid())
		return;
	g[0] = page_of(500);
	g[1] = page_of(501);
	for (unsigned type = 2; type <= 3; type++) {
		for (unsigned round = 0; round < 20; round++) {
			for (unsigned n = 1; n <= SPACES; n++) {
				enter(n, NO_FLUSH);
				(void)read32(A);
				set_frame(n, round & 1);
			}
			invpcid(type, 0, 0);
			for (unsigned n = 1; n <= SPACES; n++) {
				context("type %u round %u space %u", type,
					round, n);
				enter(n, NO_FLUSH);
				CHECK_EQ(read32(A), 10 * n + (round & 1));
			}
		}
	}
	/* Type 2 takes global ones along; all spaces share this table. */
	write_cr3((ulong)root);
	map(GLOBAL, g[0], PTE_ALL | PTE_G);
	invlpg(GLOBAL);
	CHECK_EQ(read32(GLOBAL), 500);
	map(GLOBAL, g[1], PTE_ALL | PTE_G);
	invpcid(2, 0, 0);
	CHECK_EQ(read32(GLOBAL), 501);
}

CODE(c_invpcid, "invpcid (%rdi), %rax\n" STOP);

static void invpcid_faults(void)
{
	static const struct {
		ulong type;
		u64 pcid, va;
		int ring;
		unsigned vector;
	} bad_tab[] = {
		{ 4, 0, 0, 0, V_GP },
		{ 1ul << 32, 0, 0, 0, V_GP },
		{ 0, 0x1000, 0, 0, V_GP },
		{ 1, 0x1000, 0, 0, V_GP },
		{ 0, 1, 0x0000800000000000, 0, V_GP },
		{ 1, 0, 0x0000800000000000, 0, V_STOP },
		{ 2, 0x1000, 0, 0, V_GP },
		{ 0, 0, 0, 3, V_GP },
	};

	if (!prepare_invpcid())
		return;
	for (unsigned i = 0; i < ARRAY_LEN(bad_tab); i++) {
		ulong at = pages_alloc(1);
		struct regs r;

		((volatile u64 *)at)[0] = bad_tab[i].pcid;
		((volatile u64 *)at)[1] = bad_tab[i].va;
		context("case %u", i);
		regs_init(&r, c_invpcid, bad_tab[i].ring);
		r.rdi = bad_tab[i].ring ? user((void *)at) : at;
		r.rax = bad_tab[i].type;
		run(&r);
		CHECK_TRAP(r, bad_tab[i].vector, 0);
	}
	/* Its descriptor is read like any data. */
	{
		struct regs r;

		regs_init(&r, c_invpcid, 0);
		r.rdi = LAB + 0x5000;
		r.rax = 2;
		run(&r);
		CHECK_PF(r, 0, LAB + 0x5000);
	}
	/* While PCIDE is clear, only PCID 0 exists. */
	write_cr3((ulong)root);
	write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
	{
		ulong at = pages_alloc(1);
		struct regs r;

		((volatile u64 *)at)[0] = 1;
		regs_init(&r, c_invpcid, 0);
		r.rdi = at;
		r.rax = 1;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		((volatile u64 *)at)[0] = 0;
		regs_init(&r, c_invpcid, 0);
		r.rdi = at;
		r.rax = 1;
		run(&r);
		CHECK_STOP(r);
	}
}

/* The rules of CR4.PCIDE itself: SDM 3A 2.5, 4.10.1. */
CODE(c_wcr4, "mov %rax, %cr4\n" STOP);
CODE(c_wcr3, "mov %rax, %cr3\n" STOP);
CODE(c_wcr0, "mov %rax, %cr0\n" STOP);

static void pcide(void)
{
	struct regs r;
	ulong pcide = read_cr4() | CR4_PCIDE;

	if (!has(F_PCID)) {
		skip("no PCID");
		return;
	}
	/* Not while CR3 has something in its low 12 bits. */
	write_cr3((ulong)root | PTE_PCD);
	regs_init(&r, c_wcr4, 0);
	r.rax = pcide;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	write_cr3((ulong)root);
	/* Bit 63 of CR3 is reserved without it. */
	regs_init(&r, c_wcr3, 0);
	r.rax = (ulong)root | NO_FLUSH;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	write_cr4(pcide);
	write_cr3((ulong)root | 0xfff | NO_FLUSH);
	CHECK_EQ(read_cr3(), (ulong)root | 0xfff);
	/* Paging cannot be left with it. */
	regs_init(&r, c_wcr0, 0);
	r.rax = read_cr0() & ~(ulong)CR0_PG;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	write_cr3((ulong)root);
	write_cr4(pcide & ~(ulong)CR4_PCIDE);
}

const struct test tests[] = {
	{ "PCIDs are apart", apart },
	{ "CR3 forgets one PCID", flush_by_cr3 },
	{ "CR3 with bit 63", no_flush_remembers },
	{ "many address spaces", many },
	{ "two roots of one PCID", twins },
	{ "the upper half", upper_half },
	{ "code elsewhere", code_elsewhere },
	{ "INVLPG", invlpg_current },
	{ "INVPCID of an address", invpcid_address },
	{ "INVPCID of a PCID", invpcid_context },
	{ "INVPCID of all", invpcid_all },
	{ "INVPCID faults", invpcid_faults },
	{ "CR4.PCIDE", pcide },
	{ NULL },
};
