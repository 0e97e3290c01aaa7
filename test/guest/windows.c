/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a monitor that lets its host's processor translate the guest's
 * addresses could go wrong: accesses that lead from one entry of the top table
 * to the next, or out of the canonical addresses; translations that change;
 * more address spaces, regions and pages than anybody keeps; A and D bits.
 *
 * All of it in ring 0, which SMAP keeps off the user's pages, and in ring 3.
 * SDM 3A 4.5 "4-Level Paging", 4.6 "Access Rights", 4.8 "Accessed and Dirty
 * Flags", 4.10 "Caching Translation Information".
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define SLOT BIT(39) /* of an entry of the top table */
#define A (LAB + 0x1000)
#define LAST_LOW 0x7ffffffff000ul
#define FIRST_HIGH 0xffff800000000000ul
#define NO_FLUSH BIT(63)
#define GIB BIT(30)

CODE(c_read, "mov (%rdi), %rax\n" STOP);
CODE(c_write, "mov %rax, (%rdi)\n" STOP);

static u64 rights(int ring)
{
	return PTE_P | PTE_W | (ring ? PTE_U : 0);
}

static bool smap_on(void)
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return false;
	}
	write_cr4(read_cr4() | CR4_SMAP | CR4_PGE);
	return true;
}

static void both_rings(void (*fn)(int ring))
{
	if (!smap_on())
		return;
	for (int ring = 0; ring <= 3; ring += 3)
		fn(ring);
}

static ulong page_of(u64 v)
{
	ulong pa = pages_alloc(1);

	*(volatile u64 *)pa = v;
	return pa;
}

static void map_flush(ulong va, ulong pa, u64 flags)
{
	map(va, pa, flags);
	invlpg(va);
}

/*
 * A translator may take note of code that strays, and treat it with more care
 * from then on. So all code is run from copies, each a few times.
 */
#define COPY_BYTES 192u
#define COPY_USES 5u
static u8 copies[1024][COPY_BYTES];
static unsigned copies_made;

static const u8 *copy_of(const u8 *code)
{
	static struct { const u8 *code, *copy; unsigned uses; } seen_tab[8];
	unsigned i = 0, victim;

	while (i < ARRAY_LEN(seen_tab) && seen_tab[i].code != code)
		i++;
	if (i < ARRAY_LEN(seen_tab) && seen_tab[i].uses++ < COPY_USES)
		return seen_tab[i].copy;
	victim = copies_made++ % ARRAY_LEN(copies);
	memcpy(copies[victim], code, COPY_BYTES);
	if (i == ARRAY_LEN(seen_tab))
		i = victim % ARRAY_LEN(seen_tab);
	seen_tab[i].code = code;
	seen_tab[i].copy = copies[victim];
	seen_tab[i].uses = 1;
	return copies[victim];
}

static void regs_begin(struct regs *r, const u8 *code, int ring)
{
	regs_init(r, copy_of(code), ring);
}

static struct regs go(const u8 *code, int ring, ulong di, ulong ax)
{
	struct regs r;

	regs_begin(&r, code, ring);
	r.rdi = di;
	r.rax = ax;
	run(&r);
	return r;
}

static u64 word(ulong pa, ulong off)
{
	return *(volatile u64 *)(pa + off);
}

/* --- reach --- */

/* Two pages, one on each side of @at, with numbers at their edges. */
static void pages_around(ulong at, int ring, ulong pa[2])
{
	pa[0] = pages_alloc(1);
	pa[1] = pages_alloc(1);
	*(volatile u64 *)(pa[0] + PAGE - 8) = 0x1111111122222222;
	*(volatile u64 *)pa[1] = 0x3333333344444444;
	map_flush(at - PAGE, pa[0], rights(ring));
	map_flush(at, pa[1], rights(ring));
}

CODE(c_over, "mov -8(%rdi), %rax\n mov (%rdi), %rbx\n mov -4(%rdi), %rcx\n"
	     "mov 0x7ffffff8(%rsi), %rdx\n mov -0x80000000(%rbp), %r8\n"
	     "mov (%rdi,%r12,8), %r9\n mov -8(%rdi,%r12,8), %r10\n"
	     "lea (%rdi,%r12,8), %r11\n mov -12(%r11), %r11\n" STOP);
CODE(c_over_write, "mov %rax, -4(%rdi)\n lock addq $1, 4(%rdi)\n"
		   "xchg %r10, -16(%rdi)\n" STOP);

static void over_slots(int ring)
{
	static const ulong at_tab[] = { LAB + SLOT, LAB + 4 * SLOT,
					LAB - SLOT };

	for (unsigned i = 0; i < 2 * ARRAY_LEN(at_tab); i++) {
		ulong at = at_tab[i / 2], pa[2];
		struct regs r;

		context("ring %u, %lx", (unsigned)ring, at);
		if (i % 2 == 0) {
			pages_around(at, ring, pa);
		} else { /* and again, all there */
			u64 *e = pt_entry(at, 1);

			pa[1] = *e & 0xffffffffff000;
			pa[0] = *pt_entry(at - PAGE, 1) & 0xffffffffff000;
			*(volatile u64 *)(pa[0] + PAGE - 8) =
				0x1111111122222222;
			*(volatile u64 *)pa[1] = 0x3333333344444444;
		}
		regs_begin(&r, c_over, ring);
		r.rdi = at;
		r.rsi = at - 0x7ffffff8 - 8;
		r.rbp = at + 0x80000000;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x1111111122222222);
		CHECK_EQ(r.rbx, 0x3333333344444444);
		CHECK_EQ(r.rcx, 0x4444444411111111);
		CHECK_EQ(r.rdx, 0x1111111122222222);
		CHECK_EQ(r.r8, 0x3333333344444444);
		CHECK_EQ(r.r9, 0x3333333344444444);
		CHECK_EQ(r.r10, 0x1111111122222222);
		regs_begin(&r, c_over_write, ring);
		r.rdi = at;
		r.rax = 0x5555555566666666;
		r.r10 = 0x77;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(word(pa[0], PAGE - 8), 0x6666666622222222);
		CHECK_EQ(word(pa[1], 0), 0x3333333455555555);
		CHECK_EQ(word(pa[0], PAGE - 16), 0x77);
	}
}

/* The base alone says nothing about where the operand is. */
CODE(c_index, "mov (%rdi,%rsi,8), %rax\n mov 16(%rdi,%rsi,8), %r9\n"
	      "mov %r9, 24(%rdi,%rsi,8)\n mov 24(%rdi,%rsi,8), %r10\n" STOP);
CODE(c_addr32, "mov (%edi,%esi,2), %rax\n mov 8(%edi), %r9\n" STOP);

static void far_index(int ring)
{
	ulong pa = page_of(0xabcdef);
	struct regs r;

	context("ring %u", (unsigned)ring);
	map_flush(A, pa, rights(ring));
	*(volatile u64 *)(pa + 16) = 0x1616;
	for (unsigned i = 1; i < 64; i++) {
		regs_begin(&r, c_index, ring);
		r.rdi = A + i * 0x123456789ab8;
		r.rsi = -(u64)i * 0x123456789ab8 / 8;
		r.rsi |= 7ull << 61; /* the bits that the scale drops */
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0xabcdef);
		CHECK_EQ(r.r9, 0x1616);
		CHECK_EQ(r.r10, 0x1616);
	}
	regs_begin(&r, c_addr32, ring);
	r.rdi = 0xdeadbeef30000000;
	r.rsi = 0xdeadbeef08000000;
	run(&r);
	/* Ring 3 has nothing in the first 512 GiB. */
	if (ring)
		CHECK_PF(r, PF_P | PF_U, 0x40000000);
	else
		CHECK_STOP(r);
}

/* Canonical or not is for the sum to be, not for the base. */
CODE(c_disp, "mov 0x10(%rdi), %rax\n" STOP);
CODE(c_disp_minus, "mov -0x10(%rdi), %rax\n" STOP);
static void canonical(int ring)
{
	ulong pa = page_of(1);
	struct regs r;

	context("ring %u", (unsigned)ring);
	*(volatile u64 *)(pa + PAGE - 8) = 0xeeee;
	map_flush(LAST_LOW, pa, rights(ring));
	map_flush(FIRST_HIGH, pa, rights(ring));
	for (unsigned i = 0; i < 3; i++) {
		r = go(c_disp, ring, LAST_LOW + PAGE - 0x18, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0xeeee);
		r = go(c_disp, ring, LAST_LOW + PAGE - 0x17, 0);
		CHECK_TRAP(r, V_GP, 0);
		r = go(c_disp, ring, LAST_LOW + PAGE - 0x10, 0);
		CHECK_TRAP(r, V_GP, 0);
		r = go(c_disp_minus, ring, LAST_LOW + PAGE + 8, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0xeeee);
		r = go(c_disp, ring, FIRST_HIGH - 0x10, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 1);
		r = go(c_disp, ring, FIRST_HIGH - 0x11, 0);
		CHECK_TRAP(r, V_GP, 0);
		/* From the last address to the first. */
		r = go(c_disp, ring, -8ul, 0);
		if (ring)
			CHECK_PF(r, PF_P | PF_U, 8);
		else
			CHECK_STOP(r);
		for (unsigned k = 1; k < 0x10000; k += k < 4 ? 1 : 0xfff) {
			ulong va = (LAST_LOW - 0x10) ^ (ulong)k << 48;

			r = go(c_disp, ring, va, 0);
			CHECK_TRAP(r, V_GP, 0);
		}
	}
}

CODE(c_stack, "mov 0x10(%rbp), %rax\n" STOP);
CODE(c_push, "mov %rdi, %rsp\n push %rax\n" STOP);
CODE(c_drift, "mov %rdi, %rsp\n pop %rax\n add $8, %rsp\n pop %rax\n" STOP);

static void canonical_stack(int ring)
{
	struct regs r;

	context("ring %u", (unsigned)ring);
	map_flush(LAST_LOW, page_of(1), rights(ring));
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned k = 1; k < 0x10000; k += 0xfff) {
			regs_begin(&r, c_stack, ring);
			r.rbp = (LAST_LOW - 0x10) ^ (ulong)k << 48;
			run(&r);
			CHECK_TRAP(r, V_SS, 0);
		}
		r = go(c_push, ring, LAST_LOW + PAGE, 0xeeee);
		CHECK_STOP(r);
		r = go(c_push, ring, LAST_LOW + PAGE + 16, 0);
		CHECK_TRAP(r, V_SS, 0);
		CHECK_EQ(r.rsp, LAST_LOW + PAGE + 16);
		r = go(c_drift, ring, LAST_LOW + PAGE - 16, 0);
		CHECK_TRAP(r, V_SS, 0);
		CHECK_EQ(r.rsp, LAST_LOW + PAGE);
	}
}

/* RSP goes further than any guard is wide, a displacement at a time. */
CODE(c_far_stack, "mov %rdi, %rsp\n push %rax\n"
		  "sub $0x7ffffff8, %rsp\n push %rax\n"
		  "sub $0x7ffffff8, %rsp\n push %rax\n"
		  "sub $0x7ffffff8, %rsp\n push %rax\n"
		  "sub $0x7ffffff8, %rsp\n push %rax\n"
		  "sub $0x7ffffff8, %rsp\n push %rax\n mov %rsp, %rdx\n"
		  "pop %rbx\n add $0x7ffffff8, %rsp\n pop %rcx\n"
		  "add $0x7ffffff8, %rsp\n add $0x7ffffff8, %rsp\n pop %rsi\n"
		  "pop %rsi\n add $0x7fffffe8, %rsp\n"
		  "add $0x7fffffe8, %rsp\n mov -8(%rdi), %rbp\n" STOP);

static void far_stack(int ring)
{
	ulong top = LAB + SLOT + 6 * GIB;

	context("ring %u", (unsigned)ring);
	for (unsigned n = 0; n < 7; n++)
		map_flush(top - PAGE - 2 * n * GIB, page_of(0), rights(ring));
	for (unsigned i = 0; i < 4; i++) {
		struct regs r = go(c_far_stack, ring, top - 8 * i, 0xfab);

		CHECK_EQ(r.rdx, top - 8 * i - 10 * GIB - 8);
		CHECK_EQ(r.rbx, 0xfab);
		CHECK_EQ(r.rcx, 0xfab);
		CHECK_EQ(r.rbp, 0xfab);
	}
}

CODE(c_fs, "mov %fs:0x10(%rdi), %rax\n mov %fs:-8, %rbx\n"
	   "mov %fs:(%edi), %r9\n mov %fs:-8, %r10\n" STOP);

static void segments(int ring)
{
	ulong at = LAB + SLOT, pa[2];
	struct regs r;

	context("ring %u", (unsigned)ring);
	pages_around(at, ring, pa);
	wrmsr(MSR_FS_BASE, at);
	for (unsigned i = 0; i < 3; i++) {
		r = go(c_fs, ring, -0x10ul, 0);
		CHECK_PF(r, ring ? PF_U : 0, at + 0xfffffff0);
		CHECK_EQ(r.rax, 0x3333333344444444);
		CHECK_EQ(r.rbx, 0x1111111122222222);
		r = go(c_fs, ring, 0, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.r9, 0x3333333344444444);
		CHECK_EQ(r.r10, 0x1111111122222222);
	}
	wrmsr(MSR_FS_BASE, 0);
}

/* --- strings --- */

CODE(c_movsb, "rep movsb\n" STOP);
CODE(c_movsq, "movsq\n" STOP);
CODE(c_stosb, "rep stosb\n" STOP);

static struct regs string(const u8 *code, int ring, u64 flags, ulong di,
			  ulong si, ulong cx)
{
	struct regs r;

	regs_begin(&r, code, ring);
	r.rflags |= flags | FL_CF | FL_OF | FL_PF;
	r.rdi = di;
	r.rsi = si;
	r.rcx = cx;
	r.rax = 0x5a;
	run(&r);
	CHECK_EQ(r.rflags & (FL_STATUS | FL_DF),
		 flags | FL_CF | FL_OF | FL_PF);
	return r;
}

static void strings(int ring)
{
	static const u16 wrong_tab[] = { 1, 0x4000, 0x8000, 0xc000, 0xffff };
	ulong at = LAB + SLOT, pa[2];
	u32 user = ring ? PF_U : 0;
	struct regs r;

	context("ring %u", (unsigned)ring);
	pages_around(at, ring, pa);
	for (unsigned i = 0; i < 100; i++)
		((volatile u8 *)pa[0])[PAGE - 100 + i] = i;
	for (unsigned i = 0; i < 3; i++) {
		/* Out of the slot, and out of what is there. */
		r = string(c_movsb, ring, 0, at - 50, at - 100, 100);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(r.rdi, at + 50);
		CHECK_EQ(r.rsi, at);
		CHECK_EQ(((volatile u8 *)pa[1])[49], 49);
		r = string(c_stosb, ring, 0, at + PAGE - 10, 0, 20);
		CHECK_PF(r, user | PF_W, at + PAGE);
		CHECK_EQ(r.rcx, 10);
		CHECK_EQ(r.rdi, at + PAGE);
		r = string(c_movsb, ring, 0, at, at + PAGE - 10, 20);
		CHECK_PF(r, user, at + PAGE);
		CHECK_EQ(r.rcx, 10);
		CHECK_EQ(r.rdi, at + 10);
		CHECK_EQ(r.rsi, at + PAGE);
		/* Downwards. */
		r = string(c_movsb, ring, FL_DF, at + 9, at - 1, 20);
		CHECK_STOP(r);
		CHECK_EQ(r.rdi, at - 11);
		CHECK_EQ(r.rsi, at - 21);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(((volatile u8 *)pa[0])[PAGE - 10],
			 ((volatile u8 *)pa[0])[PAGE - 20]);
		r = string(c_movsq, ring, FL_DF, at, at - 8, 7);
		CHECK_STOP(r);
		CHECK_EQ(r.rdi, at - 8);
		CHECK_EQ(r.rsi, at - 16);
		CHECK_EQ(r.rcx, 7);
		/* Of no length, from and to nowhere. */
		r = string(c_movsb, ring, i & 1 ? FL_DF : 0, 1ul << 63,
			   1ul << 62, 0);
		CHECK_STOP(r);
		for (unsigned j = 0; j < ARRAY_LEN(wrong_tab); j++) {
			u64 df = i & 1 ? FL_DF : 0;
			ulong k = wrong_tab[j];

			r = string(c_movsb, ring, df, at, at ^ k << 48, 1);
			CHECK_TRAP(r, V_GP, 0);
			r = string(c_movsq, ring, df, at ^ k << 48, at, 1);
			CHECK_TRAP(r, V_GP, 0);
			r = string(c_stosb, ring, df, at ^ k << 48, at, 9);
			CHECK_TRAP(r, V_GP, 0);
			CHECK_EQ(r.rdi, at ^ k << 48);
			CHECK_EQ(r.rcx, 9);
		}
	}
}

/* --- registers --- */

#define EACH 8u

/* Each access is the first to its page. */
CODE(c_each, "mov (%rdi,%rsi), %r9\n mov %r9, 0x1000(%rdi,%rsi)\n"
	     "add 0x2000(%rdi,%rsi), %r9\n lea 0x3000(%rdi), %r10\n"
	     "mov (%r10), %r11\n xchg %r11, 0x1000(%r10)\n"
	     "movzwl 0x2000(%r10), %r10d\n push %r9\n pop %r8\n"
	     "mov 0x6000(%rdi), %rbx\n mov 0x6008(%rdi), %r9\n"
	     "push %rbx\n mov 0x7000(%rdi), %rcx\n pop %rdx\n" STOP);

static void each_page(int ring)
{
	static const u64 r9_tab[EACH] = { 0, 0x100, 0x100, 0x202, 0x202, 0x202,
					  0x202, 0x168 };

	for (unsigned k = 0; k <= EACH; k++) {
		ulong pa = pages_alloc(EACH);
		struct regs r;

		context("ring %u, page %u", (unsigned)ring, k);
		for (unsigned n = 0; n < EACH; n++) {
			*(volatile u64 *)(pa + n * PAGE) = 0x100 + n;
			map_flush(A + n * PAGE, pa + n * PAGE,
				  n == k ? 0 : rights(ring));
		}
		*(volatile u64 *)(pa + 6 * PAGE + 8) = 0x168;
		r = go(c_each, ring, A, 0);
		/* QEMU reads first, and tells of that. */
		if (k == 4)
			r.error |= PF_W;
		if (k < EACH) {
			CHECK_PF(r, (ring ? PF_U : 0) | (k == 1 || k == 4 ?
				 PF_W : 0), A + k * PAGE);
			CHECK_EQ(r.r9, r9_tab[k]);
			continue;
		}
		CHECK_STOP(r);
		CHECK_EQ(word(pa, PAGE), 0x100);
		CHECK_EQ(word(pa, 4 * PAGE), 0x103);
		CHECK_EQ(r.r8, 0x202);
		CHECK_EQ(r.r9, 0x168);
		CHECK_EQ(r.r10, 0x105);
		CHECK_EQ(r.r11, 0x104);
		CHECK_EQ(r.rbx, 0x106);
		CHECK_EQ(r.rcx, 0x107);
		CHECK_EQ(r.rdx, 0x106);
	}
}

CODE(c_sse, "movups (%rdi), %xmm0\n movups 16(%rdi), %xmm1\n"
	    "movups %xmm0, 32(%rdi)\n movups %xmm1, 48(%rdi)\n"
	    "mov 32(%rdi), %rax\n prefetcht0 (%rdi)\n movups (%rdi), %xmm1\n"
	    "mov 56(%rdi), %rbx\n" STOP);

/* With the unit half set up: not all of it may be used as it is. */
static void vectors(int ring)
{
	ulong cr4 = read_cr4();

	for (unsigned i = 0; i < 8; i++) {
		ulong pa = page_of(0x1234);
		struct regs r;

		context("ring %u, round %u", (unsigned)ring, i);
		write_cr4(i & 1 ? cr4 & ~(ulong)CR4_OSXMMEXCPT : cr4);
		*(volatile u64 *)(pa + 24) = 0x5678;
		map_flush(A, pa, rights(ring));
		r = go(c_sse, ring, A, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x1234);
		CHECK_EQ(r.rbx, 0x5678);
	}
	write_cr4(cr4);
}

/* --- rights --- */

static void one_page(int ring)
{
	u64 right = rights(ring);
	u32 user = ring ? PF_U : 0;
	ulong p = page_of(1), q = page_of(2);
	struct regs r;

	for (unsigned i = 0; i < 30; i++) {
		context("ring %u, round %u", (unsigned)ring, i);
		map_flush(A, p, right);
		r = go(c_read, ring, A, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 1);
		CHECK_EQ(*pt_entry(A, 1) & (PTE_A | PTE_D), PTE_A);
		CHECK_STOP(go(c_write, ring, A, 1));
		CHECK_EQ(*pt_entry(A, 1) & (PTE_A | PTE_D), PTE_A | PTE_D);
		/* Read-only, and a copy when it is written. */
		map_flush(A, p, right & ~(u64)PTE_W);
		CHECK_PF(go(c_write, ring, A, 9), PF_P | PF_W | user, A);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 1);
		CHECK_PF(go(c_write, ring, A, 9), PF_P | PF_W | user, A);
		map_flush(A, q, right);
		CHECK_STOP(go(c_write, ring, A, 3 + i));
		CHECK_EQ(word(q, 0), 3 + i);
		CHECK_EQ(word(p, 0), 1);
		/* D alone is cleared, then A. */
		*pt_entry(A, 1) &= ~(u64)PTE_D;
		invlpg(A);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 3 + i);
		CHECK_EQ(*pt_entry(A, 1) & (PTE_A | PTE_D), PTE_A);
		CHECK_STOP(go(c_write, ring, A, 2));
		CHECK_EQ(*pt_entry(A, 1) & (PTE_A | PTE_D), PTE_A | PTE_D);
		*pt_entry(A, 1) &= ~(u64)(PTE_A | PTE_D);
		write_cr3(read_cr3());
		CHECK_EQ(go(c_read, ring, A, 0).rax, 2);
		CHECK_EQ(*pt_entry(A, 1) & (PTE_A | PTE_D), PTE_A);
		*pt_entry(A, 2) &= ~(u64)PTE_A;
		invlpg(A);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 2);
		CHECK_EQ(*pt_entry(A, 2) & PTE_A, PTE_A);
		/* Away. */
		map_flush(A, p, right & ~(u64)PTE_P);
		CHECK_PF(go(c_read, ring, A, 0), user, A);
		CHECK_PF(go(c_write, ring, A, 0), PF_W | user, A);
	}
}

static void other_right(int ring)
{
	static const ulong at_tab[] = { A, FIRST_HIGH + 0x7000 };
	ulong pa = page_of(6);

	for (unsigned i = 0; i < 20; i++) {
		ulong at = at_tab[i & 1];

		context("ring %u, %lx", (unsigned)ring, at);
		map_flush(at, pa, rights(ring));
		CHECK_EQ(go(c_read, ring, at, 0).rax, 6);
		/* A page of the others, then its own once more. */
		map_flush(at, pa, rights(ring ? 0 : 3));
		CHECK_PF(go(c_read, ring, at, 0), PF_P | (ring ? PF_U : 0),
			 at);
		CHECK_PF(go(c_write, ring, at, 0),
			 PF_P | PF_W | (ring ? PF_U : 0), at);
		CHECK_EQ(go(c_read, 3 - ring, at, 0).rax, 6);
		/* The same page at the other's address is no obstacle. */
		map_flush(at + PAGE, pa, rights(ring));
		CHECK_EQ(go(c_read, ring, at + PAGE, 0).rax, 6);
	}
}

/* Control bits act on what is shown already. */
static void control_bits(void)
{
	ulong p = page_of(1), q = page_of(2);
	struct regs r;

	if (!smap_on())
		return;
	map_flush(A, p, PTE_P);
	map_flush(A + PAGE, q, PTE_ALL);
	for (unsigned i = 0; i < 10; i++) {
		context("round %u", i);
		write_cr0(read_cr0() & ~(ulong)CR0_WP);
		CHECK_STOP(go(c_write, 0, A, 1));
		write_cr0(read_cr0() | CR0_WP);
		CHECK_PF(go(c_write, 0, A, 5), PF_P | PF_W, A);
		CHECK_EQ(go(c_read, 0, A, 0).rax, 1);
		write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
		CHECK_EQ(go(c_read, 0, A + PAGE, 0).rax, 2);
		CHECK_STOP(go(c_write, 0, A + PAGE, 2));
		write_cr4(read_cr4() | CR4_SMAP);
		CHECK_PF(go(c_read, 0, A + PAGE, 0), PF_P, A + PAGE);
		CHECK_EQ(go(c_read, 3, A + PAGE, 0).rax, 2);
		/* Reserved bits, once they are. */
		map_flush(A, p, PTE_P | PTE_W | PTE_NX);
		CHECK_EQ(go(c_read, 0, A, 0).rax, 1);
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_NXE);
		invlpg(A);
		r = go(c_read, 0, A, 0);
		CHECK_EQ(r.vector, V_PF);
		CHECK_EQ(r.error & PF_RSVD, PF_RSVD);
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
		invlpg(A);
		CHECK_EQ(go(c_read, 0, A, 0).rax, 1);
		map_flush(A, p, PTE_P);
		/* Global ones go with PGE. */
		map_flush(A + 2 * PAGE, p, PTE_P | PTE_G);
		CHECK_EQ(go(c_read, 0, A + 2 * PAGE, 0).rax, 1);
		map(A + 2 * PAGE, q, PTE_P | PTE_G);
		write_cr4(read_cr4() & ~(ulong)CR4_PGE);
		CHECK_EQ(go(c_read, 0, A + 2 * PAGE, 0).rax, 2);
		write_cr4(read_cr4() | CR4_PGE);
	}
}

/* --- large pages --- */

static void large(int ring)
{
	ulong p = pages_alloc_aligned(512, 0x200000);
	ulong at = LAB + 0x40000000;
	u32 user = ring ? PF_U : 0;
	u64 right = rights(ring);

	*pt_entry(at, 2) = 0;
	for (unsigned i = 0; i < 512; i++)
		*(volatile u64 *)(p + i * PAGE) = i;
	for (unsigned round = 0; round < 4; round++) {
		context("ring %u, round %u", (unsigned)ring, round);
		map_large(at, p, 2, right);
		invlpg(at + 0x1234);
		for (unsigned i = 0; i < 512; i += 37) {
			CHECK_EQ(go(c_read, ring, at + i * PAGE, 0).rax, i);
			CHECK_STOP(go(c_write, ring, at + i * PAGE, i));
		}
		CHECK_EQ(*pt_entry(at, 2) & PTE_D, PTE_D);
		/* Split, each page with rights of its own; one INVLPG. */
		*pt_entry(at, 2) = 0;
		for (unsigned i = 0; i < 512; i++)
			map(at + i * PAGE, p + i * PAGE,
			    i % 3 == 0 ? right :
			    i % 3 == 1 ? right & ~(u64)PTE_W :
					 0);
		invlpg(at + round * 0x41000);
		for (unsigned i = 0; i < 512; i += 37) {
			ulong va = at + i * PAGE;
			struct regs r = go(c_write, ring, va, i);

			if (i % 3 == 0)
				CHECK_STOP(r);
			else if (i % 3 == 1)
				CHECK_PF(r, PF_P | PF_W | user, va);
			else
				CHECK_PF(r, PF_W | user, va);
		}
		*pt_entry(at, 2) = 0;
		invlpg(at);
		CHECK_PF(go(c_read, ring, at, 0), user, at);
	}
}

/* The first MiB above the pool where nothing keeps what is written. */
static ulong memory_end(void)
{
	ulong at = POOL_END;

	for (; at < 0x80000000; at += 0x100000) {
		*(volatile u64 *)at = at;
		if (*(volatile u64 *)at != at)
			break;
	}
	return at;
}

/* A large page of which only a part is memory, if memory ends so. */
static void large_at_end(int ring)
{
	ulong end = memory_end(), last = (end - 1) & ~0x1ffffful;
	ulong p = pages_alloc_aligned(512, 0x200000);
	ulong at = LAB + 0x40000000;

	*pt_entry(at, 2) = 0;
	for (unsigned i = 0; i < 4; i++) {
		*(volatile u64 *)(last + i * PAGE) = 10 + i;
		*(volatile u64 *)(p + i * PAGE) = 20 + i;
	}
	for (unsigned round = 0; round < 6; round++) {
		context("ring %u, round %u, end %lx", (unsigned)ring, round,
			end);
		map_large(at, last, 2, rights(ring));
		invlpg(at + 0x1fffff);
		for (unsigned i = 0; i < 4; i++)
			CHECK_EQ(go(c_read, ring, at + i * PAGE, 0).rax,
				 10 + i);
		map_large(at, p, 2, rights(ring));
		/* Any address of it. */
		invlpg(at + round * 0x50000);
		for (unsigned i = 0; i < 4; i++)
			CHECK_EQ(go(c_read, ring, at + i * PAGE, 0).rax,
				 20 + i);
	}
	*pt_entry(at, 2) = 0;
	invlpg(at);
}

/* What is written with SMAP is read without, and the other way round. */
static void above_4gib(int ring)
{
	ulong cr4 = read_cr4();

	for (unsigned i = 0; i < 8; i++) {
		ulong pa = 0x100000000 + i % 4 * 0x11000;
		volatile u64 *p = (volatile u64 *)A;
		u64 seen;

		context("ring %u, round %u", (unsigned)ring, i);
		map_flush(A, pa, rights(ring));
		CHECK_STOP(go(c_write, ring, A, 0x4000 + i));
		write_cr4(cr4 & ~(ulong)CR4_SMAP);
		seen = *p;
		*p = 0x5000 + i;
		write_cr4(cr4);
		if (!i && seen != 0x4000) {
			skip("no memory above 4 GiB");
			return;
		}
		CHECK_EQ(seen, 0x4000 + i);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 0x5000 + i);
	}
}

/* --- more than anybody keeps --- */

/* Most entries of the top table, all by one table below. */
static void many_slots(int ring)
{
	ulong pa = page_of(0);
	u64 e;

	map_flush(A, pa, rights(ring));
	e = *pt_entry(A, 4);
	for (unsigned n = 65; n < 250; n++)
		if (n != USER_ALIAS / SLOT && n != (LAB >> 39))
			root[n] = e;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned n = 65; n < 250; n++) {
			ulong va = A + (n - (LAB >> 39)) * SLOT;

			if (n == USER_ALIAS / SLOT)
				continue;
			context("ring %u, entry %u", (unsigned)ring, n);
			CHECK_STOP(go(c_write, ring, va, n));
			CHECK_EQ(go(c_read, ring, va, 0).rax, n);
			CHECK_EQ(word(pa, 0), n);
		}
	for (unsigned n = 65; n < 250; n++)
		if (n != USER_ALIAS / SLOT)
			root[n] = 0;
	write_cr3(read_cr3());
	CHECK_PF(go(c_read, ring, A + SLOT, 0), ring ? PF_U : 0, A + SLOT);
}

/* Sums up the words at the beginnings of RCX pages. */
CODE(c_sum, "xor %eax, %eax\n 1: add (%rdi), %rax\n add $4096, %rdi\n"
	    "dec %rcx\n jnz 1b\n" STOP);
#define MANY 5000u

static void many_pages(int ring)
{
	ulong p = page_of(1), q = page_of(2), at = LAB + 0x80000000;
	struct regs r;

	context("ring %u", (unsigned)ring);
	for (unsigned i = 0; i < MANY; i++)
		map(at + i * PAGE, i & 1 ? p : q, rights(ring));
	for (unsigned round = 0; round < 3; round++) {
		regs_begin(&r, c_sum, ring);
		r.rdi = at;
		r.rcx = MANY;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, MANY / 2 * 3 + round);
		/* One of them changes. */
		map_flush(at + (round * 700 + 1) * PAGE, q, rights(ring));
	}
}

/* A root of its own that shows @pa at @va. */
static ulong new_root(ulong va, ulong pa, u64 flags)
{
	ulong top = pages_alloc(1), t = top;

	memcpy((void *)top, root, PAGE);
	for (int shift = 39; shift > 12; shift -= 9) {
		ulong next = pages_alloc(1);

		((volatile u64 *)t)[va >> shift & 511] = next | PTE_ALL;
		t = next;
	}
	((volatile u64 *)t)[va >> 12 & 511] = pa | flags;
	return top;
}

static volatile u64 *leaf_of(ulong top, ulong va)
{
	ulong t = top;

	for (int shift = 39; shift > 12; shift -= 9)
		t = ((volatile u64 *)t)[va >> shift & 511] & ~0xffful;
	return (volatile u64 *)t + (va >> 12 & 511);
}

#define ROOTS 40u

static void many_roots(int ring)
{
	ulong top[ROOTS], pa[ROOTS], mine = read_cr3();

	for (unsigned n = 0; n < ROOTS; n++) {
		pa[n] = page_of(100 + n);
		top[n] = new_root(A, pa[n], rights(ring));
	}
	for (unsigned round = 0; round < 4; round++)
		for (unsigned n = 0; n < ROOTS; n++) {
			unsigned k = n * (round + 1) % ROOTS;

			context("ring %u, round %u, root %u", (unsigned)ring,
				round, k);
			write_cr3(top[k]);
			CHECK_EQ(go(c_read, ring, A, 0).rax, 100 + k);
			CHECK_STOP(go(c_write, ring, A, 100 + k));
			CHECK_PF(go(c_read, ring, A + SLOT, 0),
				 ring ? PF_U : 0, A + SLOT);
		}
	write_cr3(mine);
	for (unsigned n = 0; n < ROOTS; n++)
		CHECK_EQ(word(pa[n], 0), 100 + n);
}

/* --- PCIDs --- */

static void invpcid(ulong type, u64 pcid, u64 va)
{
	struct { u64 pcid, va; } d = { pcid, va };

	asm volatile("invpcid %0, %1" :: "m"(d), "r"(type) : "memory");
}

static bool pcids_on(void)
{
	if (!has(F_PCID) || !has(F_INVPCID)) {
		skip("no PCID or INVPCID");
		return false;
	}
	write_cr4(read_cr4() | CR4_PCIDE);
	return true;
}

/*
 * Two roots share a PCID: what is forgotten for the one is forgotten for the
 * other, whichever of the ways of forgetting is taken.
 */
static void shared_pcid(int ring)
{
	ulong p = page_of(1), q = page_of(2), mine = read_cr3();
	ulong one = new_root(A, p, rights(ring));
	ulong two = new_root(A, page_of(3), rights(ring));

	if (!pcids_on())
		return;
	for (unsigned i = 0; i < 40; i++) {
		context("ring %u, round %u", (unsigned)ring, i);
		*leaf_of(one, A) = p | rights(ring);
		write_cr3(one | 7);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 1);
		write_cr3(two | 7 | (i & 1 ? NO_FLUSH : 0));
		if (i & 4)
			(void)go(c_read, ring, A, 0);
		*leaf_of(one, A) = q | rights(ring);
		switch (i % 5) {
		case 0:
			write_cr3(two | 7);
			break;
		case 1:
			invlpg(A);
			break;
		case 2:
			invpcid(0, 7, A);
			break;
		case 3:
			invpcid(1, 7, 0);
			break;
		default:
			invpcid(3, 0, 0);
		}
		write_cr3(one | 7 | NO_FLUSH);
		CHECK_EQ(go(c_read, ring, A, 0).rax, 2);
	}
	write_cr3(mine);
	write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
}

/* A global page in the lower half goes from all address spaces at once. */
static void global_low(int ring)
{
	ulong p = page_of(1), q = page_of(2), mine = read_cr3();
	u64 right = rights(ring) | PTE_G;
	ulong one = new_root(A, p, right), two = new_root(A, p, right);

	if (!pcids_on())
		return;
	for (unsigned i = 0; i < 20; i++) {
		ulong pa = i & 1 ? q : p;

		context("ring %u, round %u", (unsigned)ring, i);
		write_cr3(one | 1 | NO_FLUSH);
		CHECK_EQ(go(c_read, ring, A, 0).rax, i & 1 ? 1 : i ? 2 : 1);
		*leaf_of(one, A) = *leaf_of(two, A) = pa | right;
		write_cr3(two | 2 | NO_FLUSH);
		invlpg(A);
		CHECK_EQ(go(c_read, ring, A, 0).rax, i & 1 ? 2 : 1);
		write_cr3(one | 1 | NO_FLUSH);
		CHECK_EQ(go(c_read, ring, A, 0).rax, i & 1 ? 2 : 1);
	}
	write_cr3(mine);
	write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
}

/* --- pages that are not plain memory --- */

/*
 * Code whose constant is the page table's entry for A: the walk changes it.
 * Between the two is a serializing instruction, SDM 3A 8.1.3 "Handling
 * Self- and Cross-Modifying Code".
 */
CODE(c_call_table, "push %rbx\n xor %eax, %eax\n cpuid\n pop %rbx\n"
		   "call *%rsi\n" STOP);

static u64 run_table(ulong at)
{
	struct regs r;

	regs_begin(&r, c_call_table, 0);
	r.rsi = at;
	run(&r);
	CHECK_STOP(r);
	return r.rax;
}

static void code_in_tables(int ring)
{
	ulong pa = page_of(5), va = LAB + 0x10000, table, code;

	map_flush(va, pa, rights(ring));
	table = (ulong)pt_entry(va, 1);
	/* The entries beside it are absent: bit 0 of each is clear. */
	code = table - 2;
	((volatile u8 *)code)[0] = 0x48; /* mov $imm64, %rax */
	((volatile u8 *)code)[1] = 0xb8;
	((volatile u8 *)table)[8] = 0xc2; /* ret $0 */
	((volatile u8 *)table)[9] = 0;
	((volatile u8 *)table)[10] = 0;
	for (unsigned i = 0; i < 20; i++) {
		u64 e = pa | rights(ring);

		context("ring %u, round %u", (unsigned)ring, i);
		*(volatile u64 *)table = e;
		invlpg(va);
		CHECK_EQ(run_table(code), e);
		CHECK_EQ(go(c_read, ring, va, 0).rax, 5);
		CHECK_EQ(run_table(code), e | PTE_A);
		CHECK_STOP(go(c_write, ring, va, 5));
		CHECK_EQ(run_table(code), e | PTE_A | PTE_D);
	}
	for (int k = -2; k < 11; k++)
		((volatile u8 *)table)[k] = 0;
	invlpg(va);
}

CODE(c_read32, "mov (%rdi), %eax\n" STOP);

/* Devices, and addresses where nothing is. */
static void no_memory(int ring)
{
	static const ulong pa_tab[] = { 0xfee00030, 0xd0000000 };
	u32 want[ARRAY_LEN(pa_tab)];

	for (unsigned i = 0; i < ARRAY_LEN(pa_tab); i++)
		want[i] = *(volatile u32 *)pa_tab[i];
	CHECK(want[0] != 0 && want[0] != 0xffffffff);
	for (unsigned i = 0; i < 40; i++) {
		unsigned k = i & 1;
		ulong off = pa_tab[k] & (PAGE - 1);

		context("ring %u, %lx", (unsigned)ring, pa_tab[k]);
		map_flush(A, pa_tab[k] - off, rights(ring) | PTE_PCD);
		CHECK_EQ(go(c_read32, ring, A + off, 0).rax, want[k]);
		map_flush(A, page_of(i), rights(ring));
		CHECK_EQ(go(c_read, ring, A, 0).rax, i);
	}
}

#define BOTH(name) static void both_##name(void) { both_rings(name); }

BOTH(over_slots)
BOTH(far_index)
BOTH(canonical)
BOTH(canonical_stack)
BOTH(far_stack)
BOTH(segments)
BOTH(strings)
BOTH(each_page)
BOTH(vectors)
BOTH(one_page)
BOTH(other_right)
BOTH(large)
BOTH(large_at_end)
BOTH(above_4gib)
BOTH(many_slots)
BOTH(many_pages)
BOTH(many_roots)
BOTH(shared_pcid)
BOTH(global_low)
BOTH(code_in_tables)
BOTH(no_memory)

const struct test tests[] = {
	{ "from one entry of the top table to the next", both_over_slots },
	{ "an index that leads far", both_far_index },
	{ "the edges of the canonical addresses", both_canonical },
	{ "... and the stack", both_canonical_stack,
	  "#GP in place of #SS: SDM 3A 6.15, Interrupt 12" },
	{ "a stack that moves far", both_far_stack },
	{ "FS", both_segments },
	{ "strings", both_strings },
	{ "each access the first to its page", both_each_page },
	{ "vectors, half set up", both_vectors },
	{ "one page and its rights", both_one_page },
	{ "pages of the other ring", both_other_right },
	{ "control bits", control_bits },
	{ "a large page that is split", both_large },
	{ "a large page at the end of memory", both_large_at_end },
	{ "above 4 GiB", both_above_4gib },
	{ "many entries of the top table", both_many_slots },
	{ "many pages", both_many_pages },
	{ "many roots", both_many_roots },
	{ "two roots with one PCID", both_shared_pcid },
	{ "a global page in the lower half", both_global_low },
	{ "code in page tables", both_code_in_tables },
	{ "no memory", both_no_memory },
	{ NULL },
};
