/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code and page tables: one physical page of code at two addresses, one
 * address with changing pages of code, instructions across two pages, and
 * rights that change under running code.
 */
#include "lib/pages.h"
#include "lib/trap.h"

typedef unsigned sub_fn(void);

#define A LAB
#define B (LAB + 0x200000ul)

static void write_mov_ret(ulong at, u32 v)
{
	volatile u8 *p = (volatile u8 *)at;

	p[0] = 0xb8;
	p[1] = v;
	p[2] = v >> 8;
	p[3] = v >> 16;
	p[4] = v >> 24;
	p[5] = 0xc3;
}

static unsigned call(ulong at)
{
	return ((sub_fn *)at)();
}

/* MOV EAX, v; STOP at a physical or virtual address. */
static void write_mov_stop(ulong at, u32 v)
{
	write_mov_ret(at, v);
	((volatile u8 *)at)[5] = 0xcd;
	((volatile u8 *)at)[6] = V_STOP;
}

static struct regs go(ulong at, int ring)
{
	struct regs r;

	regs_init(&r, NULL, ring);
	r.rip = at;
	run(&r);
	return r;
}

/*
 * Written through one address, executed at another. SDM 3A 8.1.3 asks for a
 * serializing instruction then; every processor known does without, and
 * guests have come to rely on it.
 */
static void alias(void)
{
	ulong pa = map_new(A);

	map(B, pa, PTE_ALL);
	for (unsigned i = 0; i < 2000; i++) {
		write_mov_ret(A + 0x80, i);
		CHECK_EQ(call(B + 0x80), i);
		write_mov_ret(B + 0x80, i + 7);
		CHECK_EQ(call(A + 0x80), i + 7);
		write_mov_ret(pa + 0x80, i + 9);
		CHECK_EQ(call(B + 0x80), i + 9);
		CHECK_EQ(call(A + 0x80), i + 9);
		CHECK_EQ(call(pa + 0x80), i + 9);
	}
}

/* One loop patches by alias the subroutine that it calls. */
CODE(c_patch_alias, "2: mov %ecx, 1(%rsi)\n"
		    "call *%rdi\n"
		    "cmp %eax, %ecx\n jne 3f\n"
		    "dec %ecx\n jnz 2b\n"
		    "mov $0x600d, %eax\n" STOP "3: mov $0xbad, %eax\n" STOP);

static void alias_in_a_loop(void)
{
	map(B, map_new(A), PTE_ALL);
	write_mov_ret(A, 0);
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		regs_init(&r, c_patch_alias, ring);
		r.rsi = A;
		r.rdi = B;
		r.rcx = 10000;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x600d);
	}
}

/* One address, two pages in turn. */
static void remap(void)
{
	ulong p = pages_alloc(1), q = pages_alloc(1);

	write_mov_ret(p + 0x10, 111);
	write_mov_ret(q + 0x10, 222);
	for (unsigned i = 0; i < 1000; i++) {
		map(A, i & 1 ? p : q, PTE_ALL);
		invlpg(A);
		CHECK_EQ(call(A + 0x10), i & 1 ? 111 : 222);
		CHECK_EQ(call(A + 0x10), i & 1 ? 111 : 222);
	}
}

/* Two address spaces with different code at the same address. */
static void two_spaces(void)
{
	ulong other = pages_alloc(1), p = pages_alloc(1), q = pages_alloc(1);
	ulong cr3 = read_cr3();

	map(A, p, PTE_ALL);
	write_mov_ret(p, 111);
	write_mov_ret(q, 222);
	memcpy((void *)other, root, PAGE);
	/* The other root gets tables of its own for A. */
	((u64 *)other)[A >> 39 & 511] = 0;
	{
		ulong pdpt = pages_alloc(1), pd = pages_alloc(1);
		ulong pt = pages_alloc(1);

		((volatile u64 *)other)[A >> 39 & 511] = pdpt | PTE_ALL;
		((volatile u64 *)pdpt)[A >> 30 & 511] = pd | PTE_ALL;
		((volatile u64 *)pd)[A >> 21 & 511] = pt | PTE_ALL;
		((volatile u64 *)pt)[A >> 12 & 511] = q | PTE_ALL;
	}
	for (unsigned i = 0; i < 500; i++) {
		write_cr3(other);
		CHECK_EQ(call(A), 222);
		write_cr3(cr3);
		CHECK_EQ(call(A), 111);
		if (i == 250) {
			/* The same code in both from here on. */
			write_mov_ret(q, 222);
			write_mov_ret(p, 111);
		}
	}
}

/*
 * An instruction across two pages, at every split: second page missing, then
 * there, then another one, then modified through its own address and by alias.
 */
static void crossing(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		for (unsigned split = 1; split < 7; split++) {
			ulong at = A + PAGE - split;
			ulong p = pages_alloc(1), q1 = pages_alloc(1);
			ulong q2 = pages_alloc(1);
			struct regs r;

			context("ring %u split %u", ring, split);
			map(A, p, PTE_ALL);
			map(A + PAGE, q1, PTE_ALL);
			invlpg(A);
			invlpg(A + PAGE);
			write_mov_stop(at, 0x11223344);
			r = go(at, ring);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, 0x11223344);

			*pt_entry(A + PAGE, 1) = 0;
			invlpg(A + PAGE);
			r = go(at, ring);
			CHECK_PF(r, PF_I | (ring ? PF_U : 0), A + PAGE);
			CHECK_EQ(r.rip, split < 5 ? at : split < 7 ? at + 5
								     : 0);

			/* The page that follows now has other bytes. */
			memcpy((void *)q2, (void *)q1, 16);
			for (unsigned i = split; i < 5; i++)
				((volatile u8 *)q2)[i - split] ^= 0xff;
			map(A + PAGE, q2, PTE_ALL);
			r = go(at, ring);
			CHECK_STOP(r);
			{
				u32 want = 0x11223344;

				for (unsigned i = split; i < 5; i++)
					want ^= 0xffu << 8 * (i - 1);
				CHECK_EQ(r.rax, want);
			}
			map(A + PAGE, q1, PTE_ALL);
			invlpg(A + PAGE);
			r = go(at, ring);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, 0x11223344);

			/* Its tail is written, then its head. */
			write_mov_stop(at, 0x55667788);
			r = go(at, ring);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, 0x55667788);
			if (split < 5) {
				*(volatile u8 *)(q1 + 4 - split) = 0x99;
				r = go(at, ring);
				CHECK_STOP(r);
				CHECK_EQ(r.rax, 0x99667788);
			}
			if (split > 1) {
				*(volatile u8 *)(p + PAGE - split + 1) = 0xaa;
				r = go(at, ring);
				CHECK_STOP(r);
				CHECK_EQ(r.rax & 0xff, 0xaa);
			}
		}
	}
}

/* The same where the page is followed by itself: head and tail are on one. */
static void crossing_into_itself(void)
{
	for (unsigned split = 1; split < 5; split++) {
		ulong at = A + PAGE - split, p = pages_alloc(1);
		struct regs r;

		context("split %u", split);
		map(A, p, PTE_ALL);
		map(A + PAGE, p, PTE_ALL);
		invlpg(A);
		invlpg(A + PAGE);
		write_mov_stop(at, 0x11223344);
		CHECK_EQ(go(at, 0).rax, 0x11223344);
		*(volatile u8 *)(p + 4 - split) = 0x99;
		r = go(at, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x99223344);
		if (split > 1) {
			*(volatile u8 *)(p + PAGE - split + 1) = 0xaa;
			r = go(at, 0);
			CHECK_EQ(r.rax, 0x992233aa);
		}
	}
}

/* NX, absence, and supervisor take effect on code that has run before. */
static void rights_withdrawn(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		u32 u = ring ? PF_U : 0;
		struct regs r;

		context("ring %u", ring);
		map_new(A);
		write_mov_stop(A, 5);
		r = go(A, ring);
		CHECK_STOP(r);
		*pt_entry(A, 1) |= PTE_NX;
		invlpg(A);
		r = go(A, ring);
		CHECK_PF(r, PF_P | PF_I | u, A);
		*pt_entry(A, 1) &= ~PTE_NX;
		invlpg(A);
		r = go(A, ring);
		CHECK_STOP(r);
		*pt_entry(A, 1) &= ~(u64)PTE_P;
		invlpg(A);
		r = go(A, ring);
		CHECK_PF(r, PF_I | u, A);
		*pt_entry(A, 1) |= PTE_P;
		*pt_entry(A, 1) &= ~(u64)PTE_U;
		invlpg(A);
		r = go(A, ring);
		if (ring)
			CHECK_PF(r, PF_P | PF_I | u, A);
		else
			CHECK_STOP(r);
		/* The same pages, executed by the other ring just before. */
		r = go(A, 0);
		CHECK_STOP(r);
		r = go(A, 3);
		CHECK_PF(r, PF_P | PF_I | PF_U, A);
	}
}

/* A chained jump into the next page, which then is withdrawn. */
static void chained_jump(void)
{
	struct regs r;

	map_new(A);
	map_new(A + PAGE);
	/* JMP +0 to the next page, from the last bytes of this one. */
	((volatile u8 *)A)[PAGE - 2] = 0xeb;
	((volatile u8 *)A)[PAGE - 1] = 0x00;
	write_mov_stop(A + PAGE, 9);
	for (int ring = 0; ring <= 3; ring += 3) {
		for (unsigned i = 0; i < 10; i++) {
			context("ring %u time %u", ring, i);
			r = go(A + PAGE - 2, ring);
			CHECK_STOP(r);
			*pt_entry(A + PAGE, 1) |= PTE_NX;
			invlpg(A + PAGE);
			r = go(A + PAGE - 2, ring);
			CHECK_PF(r, PF_P | PF_I | (ring ? PF_U : 0), A + PAGE);
			CHECK_EQ(r.rip, A + PAGE);
			*pt_entry(A + PAGE, 1) &= ~PTE_NX;
			invlpg(A + PAGE);
		}
	}
}

/* Stores that begin before a page of code and reach into it. */
static void store_across(void)
{
	map_new(A);
	map_new(A + PAGE);
	for (unsigned i = 0; i < 200; i++) {
		write_mov_ret(A + PAGE, 0);
		CHECK_EQ(call(A + PAGE), 0);
		/* Bytes -4 to 3: the last three of them are the immediate's. */
		asm volatile("movq %0, (%1)" ::
			     "r"(((u64)i << 40) | 0xb8ull << 32),
			     "r"(A + PAGE - 4) : "memory");
		CHECK_EQ(call(A + PAGE), i);
		asm volatile("lock; addq %0, (%1)" ::
			     "r"(1ull << 40), "r"(A + PAGE - 4) : "memory");
		CHECK_EQ(call(A + PAGE), i + 1);
	}
}

/* Ring 3 copies code, runs it, modifies it, runs it again. */
CODE(c_user_jit, "mov %rdi, %rbx\n mov %rsi, %rdx\n"
		 "lea 8f(%rip), %rsi\n mov $(9f - 8f), %ecx\n rep movsb\n"
		 "xor %r8d, %r8d\n mov $1000, %r9d\n"
		 "1: mov %r9d, 1(%rbx)\n call *%rbx\n add %rax, %r8\n"
		 "mov %r9d, 1(%rdx)\n addl $1, 1(%rdx)\n"
		 "call *%rbx\n add %rax, %r8\n"
		 "dec %r9d\n jnz 1b\n" STOP
		 "8: mov $0, %eax\n ret\n 9:\n");

static void user_jit(void)
{
	struct regs r;

	map(B, map_new(A), PTE_ALL);
	regs_init(&r, c_user_jit, 3);
	r.rdi = A + 0x200;
	r.rsi = B + 0x200;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.r8, 2 * 500500 + 1000);
}

/* The stack lies in code: pushes make instructions. */
static void push_over_code(void)
{
	ulong top = A + 0x800;

	map_new(A);
	for (unsigned i = 0; i < 100; i++) {
		struct regs r;

		write_mov_ret(top - 8, i);
		CHECK_EQ(call(top - 8), i);
		regs_init(&r, NULL, 0);
		r.rip = A;
		r.rsp = top;
		r.rax = 0xc300000000b8 | (ulong)(i + 5) << 8;
		((volatile u8 *)A)[0] = 0x50; /* push rax */
		((volatile u8 *)A)[1] = 0xcd;
		((volatile u8 *)A)[2] = V_STOP;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(call(top - 8), i + 5);
	}
}

/* A page table executed as code, and changed by the walk: A and D appear. */
static void table_is_code(void)
{
	struct regs r;
	u64 *pte;

	map_new(A);
	/*
	 * The entry before the one for A + 8 pages is MOV EAX, imm32 at its
	 * fifth byte: the immediate is 3 bytes of it and the low byte of the
	 * entry, whose A and D the walk sets. Then STOP, as its address.
	 */
	pte = pt_entry(A + 8 * PAGE, 1);
	map(B, (ulong)pte & ~(PAGE - 1), PTE_ALL);
	pte[-1] = 0x00000000b8000000 << 8;
	pte[0] = (u64)V_STOP << 16 | 0xcd00 | PTE_ALL;
	for (unsigned i = 0; i < 3; i++) {
		ulong code = B + ((ulong)pte & (PAGE - 1)) - 4;

		((volatile u8 *)pte)[-4] = 0xb8;
		((volatile u8 *)pte)[-3] = 0;
		pte[0] = (u64)V_STOP << 16 | 0xcd00 | PTE_ALL;
		invlpg(A + 8 * PAGE);
		r = go(code, 0);
		CHECK_STOP(r);
		CHECK_EQ((u32)r.rax, (u32)PTE_ALL << 24);
		(void)*(volatile u8 *)(A + 8 * PAGE);
		r = go(code, 0);
		CHECK_STOP(r);
		CHECK_EQ((u32)r.rax, (u32)(PTE_ALL | PTE_A) << 24);
		pte[0] |= PTE_D;
	}
}

const struct test tests[] = {
	{ "written by alias", alias },
	{ "written by alias in a loop", alias_in_a_loop },
	{ "one address, two pages", remap },
	{ "two address spaces", two_spaces },
	{ "an instruction across two pages", crossing },
	{ "an instruction from a page into itself", crossing_into_itself },
	{ "rights withdrawn from code", rights_withdrawn },
	{ "a jump into a page withdrawn", chained_jump },
	{ "a store that reaches into code", store_across },
	{ "ring 3 makes code", user_jit },
	{ "a push over code", push_over_code },
	{ "a page table is code", table_is_code },
	{ NULL },
};
