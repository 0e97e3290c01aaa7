/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor may remember of page tables, and what makes it forget:
 * SDM 3A 4.10 "Caching Translation Information". Only promises are tested: the
 * fresh translation is due after the right invalidation; before it, either.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define A (LAB + 0x1000)
#define B (LAB + 0x40000000)

static u32 read32(ulong va)
{
	u32 v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(va) : "memory");
	return v;
}

static void write32(ulong va, u32 v)
{
	asm volatile("movl %1, (%0)" :: "r"(va), "r"(v) : "memory");
}

/* A page that holds a number. */
static ulong page_of(u32 v)
{
	ulong pa = pages_alloc(1);

	write32(pa, v);
	return pa;
}

static void after_invlpg(void)
{
	ulong p = page_of(1), q = page_of(2);

	for (unsigned i = 0; i < 100; i++) {
		map(A, p, PTE_ALL);
		invlpg(A);
		CHECK_EQ(read32(A), 1);
		map(A, q, PTE_ALL);
		invlpg(A + 0xabc); /* any address in the page */
		CHECK_EQ(read32(A), 2);
		write32(A, 2);
		CHECK_EQ(read32(p), 1);
	}
}

/* INVLPG forgets global translations too, and a supervisor's and a user's. */
CODE(c_read, "mov (%rdi), %eax\n" STOP);
CODE(c_write, "mov %eax, (%rdi)\n" STOP);

static struct regs access_at(const u8 *code, int ring, ulong va)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rdi = va;
	run(&r);
	return r;
}

static void invlpg_global(void)
{
	ulong p = page_of(1), q = page_of(2);

	write_cr4(read_cr4() | CR4_PGE);
	map(A, p, PTE_ALL | PTE_G);
	invlpg(A);
	CHECK_EQ(read32(A), 1);
	CHECK_EQ(access_at(c_read, 3, A).rax, 1);
	map(A, q, PTE_ALL | PTE_G);
	invlpg(A);
	CHECK_EQ(read32(A), 2);
	CHECK_EQ(access_at(c_read, 3, A).rax, 2);
}

static void after_cr3(void)
{
	ulong p = page_of(1), q = page_of(2);

	for (unsigned i = 0; i < 100; i++) {
		map(A, i & 1 ? p : q, PTE_ALL);
		write_cr3(read_cr3());
		CHECK_EQ(read32(A), i & 1 ? 1 : 2);
		CHECK_EQ(access_at(c_read, 3, A).rax, i & 1 ? 1 : 2);
	}
}

/* Two roots: each sees its own page, also of what was global in neither. */
static ulong second_root(ulong va, ulong pa, u64 flags)
{
	ulong other = pages_alloc(1), pdpt = pages_alloc(1);
	ulong pd = pages_alloc(1), pt = pages_alloc(1);

	memcpy((void *)other, root, PAGE);
	((volatile u64 *)other)[va >> 39 & 511] = pdpt | PTE_ALL;
	((volatile u64 *)pdpt)[va >> 30 & 511] = pd | PTE_ALL;
	((volatile u64 *)pd)[va >> 21 & 511] = pt | PTE_ALL;
	((volatile u64 *)pt)[va >> 12 & 511] = pa | flags;
	return other;
}

static void two_roots(void)
{
	ulong p = page_of(1), q = page_of(2);
	ulong other = second_root(A, q, PTE_ALL), mine = read_cr3();

	map(A, p, PTE_ALL);
	for (unsigned i = 0; i < 200; i++) {
		write_cr3(other);
		CHECK_EQ(read32(A), 2);
		write32(A + 8, i);
		write_cr3(mine);
		CHECK_EQ(read32(A), 1);
		CHECK_EQ(read32(q + 8), i);
		CHECK_EQ(read32(p + 8), 0);
	}
}

/* CR4.PGE, PSE, PAE and others, as they change, forget everything. */
static void after_cr4(void)
{
	ulong p = page_of(1), q = page_of(2);

	write_cr4(read_cr4() | CR4_PGE);
	map(A, p, PTE_ALL | PTE_G);
	invlpg(A);
	CHECK_EQ(read32(A), 1);
	map(A, q, PTE_ALL | PTE_G);
	write_cr4(read_cr4() & ~(ulong)CR4_PGE);
	CHECK_EQ(read32(A), 2);
	map(A, p, PTE_ALL | PTE_G);
	write_cr4(read_cr4() | CR4_PGE);
	CHECK_EQ(read32(A), 1);
}

/*
 * A global translation may outlive a CR3 write; the guest may rely on nothing
 * but this: with equal tables it still works, and it goes with INVLPG.
 */
static void global_over_cr3(void)
{
	ulong p = page_of(1), q = page_of(2), other, mine = read_cr3();
	unsigned stale = 0;

	write_cr4(read_cr4() | CR4_PGE);
	map(A, p, PTE_ALL | PTE_G);
	invlpg(A);
	other = second_root(A, q, PTE_ALL);
	for (unsigned i = 0; i < 20; i++) {
		u32 v;

		CHECK_EQ(read32(A), 1);
		write_cr3(other);
		v = read32(A);
		CHECK(v == 1 || v == 2);
		stale += v == 1;
		invlpg(A);
		CHECK_EQ(read32(A), 2);
		write_cr3(mine);
		invlpg(A);
	}
	print("# a global page was remembered %u of 20 times\n", stale);
}

/*
 * More rights without a flush: one spurious fault may come, but its retry
 * finds the new entry. SDM 3A 4.10.4.3 "Optional Invalidation".
 */
static void upgrade_one(u64 from, u64 to, const u8 *code, int ring)
{
	struct regs r;
	unsigned faults = 0;

	map(A, page_of(0x1b0), from);
	invlpg(A);
	/* Let the old rights be remembered. */
	access_at(c_read, 0, A);
	r = access_at(code, ring, A);
	CHECK_EQ(r.vector, V_PF);
	map(A, *pt_entry(A, 1) & 0xffffffffff000, to);
	for (; faults < 3; faults++) {
		r = access_at(code, ring, A);
		if (r.vector == V_STOP)
			break;
		CHECK_EQ(r.vector, V_PF);
	}
	CHECK_EQ(r.vector, V_STOP);
	CHECK(faults <= 1);
}

static void upgrades(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		context("read-only to writable, ring %u", ring);
		upgrade_one(PTE_P | PTE_U, PTE_ALL, c_write, ring);
		context("absent to present, ring %u", ring);
		upgrade_one(0, PTE_ALL, c_read, ring);
		upgrade_one(0, PTE_ALL, c_write, ring);
	}
	context("supervisor to user");
	upgrade_one(PTE_P | PTE_W, PTE_ALL, c_read, 3);
}

/* Absent translations are never remembered: no flush needed to map. */
static void mapping_needs_no_flush(void)
{
	for (unsigned i = 0; i < 200; i++) {
		ulong va = B + i * PAGE;

		CHECK_PF(access_at(c_read, 0, va), 0, va);
		CHECK_PF(access_at(c_write, 3, va), PF_U | PF_W, va);
		map(va, page_of(i), PTE_ALL);
		CHECK_EQ(read32(va), i);
		CHECK_EQ(access_at(c_read, 3, va).rax, i);
	}
}

/* INVLPG anywhere in a large page forgets all of it. */
static void large_pages(void)
{
	ulong p = pages_alloc_aligned(512, 0x200000);
	ulong q = pages_alloc_aligned(512, 0x200000);

	for (unsigned i = 0; i < 512; i += 7) {
		write32(p + i * PAGE, i);
		write32(q + i * PAGE, 1000 + i);
	}
	for (unsigned round = 0; round < 10; round++) {
		map_large(B, p, 2, PTE_ALL);
		invlpg(B + round * 0x12345);
		for (unsigned i = 0; i < 512; i += 7)
			CHECK_EQ(read32(B + i * PAGE), i);
		map_large(B, q, 2, PTE_ALL);
		invlpg(B + 0x1ff000 - round * 0x4321);
		for (unsigned i = 0; i < 512; i += 7)
			CHECK_EQ(read32(B + i * PAGE), 1000 + i);
	}
	/* Small pages in place of the large one, and back. */
	*pt_entry(B, 2) = 0;
	for (unsigned i = 0; i < 512; i++)
		map(B + i * PAGE, p + (511 - i) * PAGE, PTE_ALL);
	invlpg(B);
	for (unsigned i = 1; i < 512; i++)
		invlpg(B + i * PAGE);
	for (unsigned i = 0; i < 512; i += 7)
		CHECK_EQ(read32(B + (511 - i) * PAGE), i);
	map_large(B, q, 2, PTE_ALL);
	for (unsigned i = 0; i < 512; i++)
		invlpg(B + i * PAGE);
	for (unsigned i = 0; i < 512; i += 7)
		CHECK_EQ(read32(B + i * PAGE), 1000 + i);
}

static void huge_pages(void)
{
	u32 low = read32(0x100000), lab;

	if (!has(F_PDPE1GB)) {
		skip("no 1 GiB pages");
		return;
	}
	map_large(B, 0, 3, PTE_ALL);
	invlpg(B);
	CHECK_EQ(read32(B + 0x100000), low);
	lab = page_of(77);
	CHECK_EQ(read32(B + lab), 77);
	*pt_entry(B, 3) = 0;
	invlpg(B + 0x3f123456);
	CHECK_PF(access_at(c_read, 0, B + lab), 0, B + lab);
	CHECK_PF(access_at(c_read, 0, B + 0x100000), 0, B + 0x100000);
}

/* An upper entry goes: INVLPG forgets the paging-structure caches as well. */
static void upper_levels(void)
{
	ulong p = page_of(1), q = page_of(2);

	for (int level = 2; level <= 4; level++) {
		ulong other = second_root(A, q, PTE_ALL);
		u64 old, new;
		u64 *e;

		context("level %u", level);
		map(A, p, PTE_ALL);
		invlpg(A);
		CHECK_EQ(read32(A), 1);
		e = pt_entry(A, level);
		old = *e;
		/* The other root's table of that level. */
		new = ((volatile u64 *)other)[A >> 39 & 511];
		if (level <= 3)
			new = ((volatile u64 *)(new & ~0xffful))[A >> 30 & 511];
		if (level <= 2)
			new = ((volatile u64 *)(new & ~0xffful))[A >> 21 & 511];
		*e = new;
		invlpg(A);
		CHECK_EQ(read32(A), 2);
		*e = 0;
		invlpg(A);
		CHECK_PF(access_at(c_read, 0, A), 0, A);
		*e = old;
		CHECK_EQ(read32(A), 1);
	}
}

/* Control bits act at once on translations that are remembered. */
static void control_bits(void)
{
	map(A, page_of(1), PTE_P | PTE_U);
	invlpg(A);
	for (unsigned i = 0; i < 20; i++) {
		write_cr0(read_cr0() | CR0_WP);
		CHECK_PF(access_at(c_write, 0, A), PF_P | PF_W, A);
		write_cr0(read_cr0() & ~(ulong)CR0_WP);
		CHECK_STOP(access_at(c_write, 0, A));
		CHECK_PF(access_at(c_write, 3, A), PF_P | PF_W | PF_U, A);
	}
	write_cr0(read_cr0() | CR0_WP);
	map(A, page_of(0), PTE_ALL);
	*(volatile u16 *)(*pt_entry(A, 1) & 0xffffffffff000) =
		0xcd | V_STOP << 8;
	invlpg(A);
	for (unsigned i = 0; i < 20; i++) {
		struct regs r;

		regs_init(&r, NULL, 0);
		r.rip = A;
		if (has(F_SMEP)) {
			write_cr4(read_cr4() | CR4_SMEP);
			run(&r);
			CHECK_PF(r, PF_P | PF_I, A);
			write_cr4(read_cr4() & ~(ulong)CR4_SMEP);
		}
		regs_init(&r, NULL, 0);
		r.rip = A;
		run(&r);
		CHECK_STOP(r);
	}
}

/* STAC and CLAC act at once, and POPF and IRET do the same by AC. */
CODE(c_stac, "stac\n mov (%rdi), %eax\n clac\n mov (%rdi), %ebx\n" STOP);
CODE(c_popf_ac, "pushf\n orl $0x40000, (%rsp)\n popf\n"
		"mov (%rdi), %eax\n"
		"pushf\n andl $~0x40000, (%rsp)\n popf\n"
		"mov (%rdi), %ebx\n" STOP);
CODE(c_stac_only, "stac\n" STOP);

static void smap_ac(void)
{
	struct regs r;

	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	map(A, page_of(5), PTE_ALL);
	invlpg(A);
	write_cr4(read_cr4() | CR4_SMAP);
	for (unsigned i = 0; i < 20; i++) {
		r = access_at(c_stac, 0, A);
		CHECK_PF(r, PF_P, A);
		CHECK_EQ(r.rax, 5);
		CHECK_EQ(r.rip, (ulong)c_stac + 8);
		r = access_at(c_popf_ac, 0, A);
		CHECK_PF(r, PF_P, A);
		CHECK_EQ(r.rax, 5);
	}
	/* The alias of the code is a user page; its data are not for ring 0. */
	r = access_at(c_read, 0, user(c_read));
	CHECK_PF(r, PF_P, user(c_read));
	r = run_code(c_stac_only, 3);
	CHECK_TRAP(r, V_UD, 0);
	/* Implicit supervisor accesses ignore AC: the GDT in a user page. */
	write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
	r = access_at(c_stac, 0, A);
	CHECK_STOP(r);
}

/* A and D cleared, flushed, and set once more, every time. */
static void accessed_again(void)
{
	u64 *e;

	map(A, page_of(1), PTE_ALL);
	invlpg(A);
	e = pt_entry(A, 1);
	for (unsigned i = 0; i < 100; i++) {
		*(volatile u64 *)e &= ~(u64)(PTE_A | PTE_D);
		invlpg(A);
		CHECK_EQ(read32(A), 1);
		CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), PTE_A);
		write32(A, 1);
		CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), PTE_A | PTE_D);
		*(volatile u64 *)e &= ~(u64)PTE_D;
		invlpg(A);
		access_at(c_write, 3, A);
		CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), PTE_A | PTE_D);
		write32(A, 1);
	}
}

const struct test tests[] = {
	{ "after INVLPG", after_invlpg },
	{ "INVLPG of a global page", invlpg_global },
	{ "after a write of CR3", after_cr3 },
	{ "two roots", two_roots },
	{ "after a write of CR4", after_cr4 },
	{ "a global page and CR3", global_over_cr3 },
	{ "more rights without a flush", upgrades },
	{ "mapping without a flush", mapping_needs_no_flush },
	{ "2 MiB pages", large_pages },
	{ "1 GiB pages", huge_pages },
	{ "upper levels", upper_levels },
	{ "WP and SMEP", control_bits },
	{ "SMAP and AC", smap_ac },
	{ "accessed and dirty again", accessed_again },
	{ NULL },
};
