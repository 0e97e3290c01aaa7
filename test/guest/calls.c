/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a translator may do together that the processor does one by one: runs
 * of PUSH and POP, calls and what comes behind them, operands relative to RIP.
 * A fault in the middle finds the registers as its instruction began.
 *
 * In ring 0, which SMAP keeps off the user's pages, and in ring 3.
 * SDM 2 "PUSH", "POP", "CALL", "RET"; SDM 3A 6.5 "Exception Classifications"
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define A (LAB + 0x10000)
#define TIMES 3 /* a place that faults often may be treated otherwise */

static u64 rights(int ring)
{
	return PTE_P | PTE_W | (ring ? PTE_U : 0);
}

static unsigned pf_write(int ring)
{
	return ring ? 6 : 2;
}

/* A page at A, filled with numbers; none on either side of it. */
static u64 *page_at_a(int ring)
{
	u64 *p = (u64 *)pages_alloc(1);

	for (unsigned i = 0; i < PAGE / 8; i++)
		p[i] = 0x1000 + i;
	map(A, (ulong)p, rights(ring));
	invlpg(A);
	return p;
}

static void both_rings(void (*fn)(int ring))
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", (unsigned)ring);
		for (unsigned i = 0; i < TIMES; i++)
			fn(ring);
	}
}

static struct regs go(const u8 *code, int ring, ulong sp)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rsp = sp;
	r.rax = 0xaaaa;
	r.rbx = 0xbbbb;
	r.rcx = 0xcccc;
	r.r9 = 0x9999;
	r.rdi = A;
	r.rsi = A + PAGE;
	run(&r);
	return r;
}

CODE(c_push, "push %rax\n push $-5\n push %r9\n push %rbx\n push %rcx\n" STOP);
CODE(c_pop, "pop %rax\n pop %r9\n inc %rdx\n pop %rbx\n pop %rcx\n" STOP);
CODE(c_push_call, "push %rax\n push %rbx\n call 1f\n 1:" STOP);
CODE(c_pop_ret, "pop %rbx\n pop %rcx\n ret\n");

static void missing_page(int ring)
{
	u64 *p = page_at_a(ring);
	struct regs r = go(c_push, ring, A + 24);

	CHECK_PF(r, pf_write(ring), A - 8);
	CHECK_EQ(r.rsp, A);
	CHECK_EQ(p[2], 0xaaaa);
	CHECK_EQ(p[1], (u64)-5);
	CHECK_EQ(p[0], 0x9999);
	r = go(c_push_call, ring, A + 16);
	CHECK_PF(r, pf_write(ring), A - 8);
	CHECK_EQ(r.rsp, A);

	r = go(c_pop, ring, A + PAGE - 24);
	CHECK_PF(r, pf_write(ring) & ~2u, A + PAGE);
	CHECK_EQ(r.rsp, A + PAGE);
	CHECK_EQ(r.rax, 0x1000 + 509);
	CHECK_EQ(r.r9, 0x1000 + 510);
	CHECK_EQ(r.rbx, 0x1000 + 511);
	CHECK_EQ(r.rcx, 0xcccc);
	r = go(c_pop_ret, ring, A + PAGE - 16);
	CHECK_PF(r, pf_write(ring) & ~2u, A + PAGE);
	CHECK_EQ(r.rsp, A + PAGE);
	CHECK_EQ(r.rcx, 0x1000 + 511);
}

CODE(c_between, "push %rax\n push %rbx\n pop %rdx\n mov (%rsi), %rcx\n" STOP);
CODE(c_divide, "push %rax\n push %rbx\n mov %edx, %r8d\n div %r8d\n" STOP);
CODE(c_invalid, "push %rax\n push %rbx\n push %rcx\n ud2\n");
CODE(c_canonical, "push %rax\n rol $1, %rsi\n ror $2, %rsi\n pop %rdx\n"
		  "push %rbx\n push %rbx\n mov (%rsi), %rcx\n" STOP);

static void fault_between(int ring)
{
	struct regs r;

	page_at_a(ring);
	r = go(c_between, ring, A + 0x800);
	CHECK_PF(r, pf_write(ring) & ~2u, A + PAGE);
	CHECK_EQ(r.rsp, A + 0x800 - 8);
	CHECK_EQ(r.rdx, 0xbbbb);
	r = go(c_divide, ring, A + 0x800);
	CHECK_EQ(r.vector, V_DE);
	CHECK_EQ(r.rsp, A + 0x800 - 16);
	r = go(c_invalid, ring, A + 0x800);
	CHECK_EQ(r.vector, V_UD);
	CHECK_EQ(r.rsp, A + 0x800 - 24);
	r = go(c_canonical, ring, A + 0x800);
	CHECK_PF(r, pf_write(ring) & ~2u, (A + PAGE) / 2);
	CHECK_EQ(r.rsp, A + 0x800 - 16);
}

CODE(c_rsp, "push %rax\n push %rsp\n pop %rbx\n pop %rcx\n push %rax\n"
	    "mov %rsp, %rdx\n push %rdx\n lea 4(%rsp), %rsi\n pushw %ax\n"
	    "popw %r8w\n mov 8(%rsp), %r9\n add $8, %rsp\n push %rbx\n"
	    "popq 0x40(%rsp)\n pushq 0x40(%rsp)\n pop %rbp\n push %rdi\n"
	    "pop %rsp\n push %rax\n mov %rsp, %rdi\n" STOP);

static void reading_rsp(int ring)
{
	ulong sp = A + 0x800;
	struct regs r;

	page_at_a(ring);
	map(A - PAGE, pages_alloc(1), rights(ring));
	invlpg(A - PAGE);
	r = go(c_rsp, ring, sp);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, sp - 8);
	CHECK_EQ(r.rcx, 0xaaaa);
	CHECK_EQ(r.rdx, sp - 8);
	CHECK_EQ(r.rsi, sp - 12);
	CHECK_EQ(r.r8, 0xaaaa);
	CHECK_EQ(r.r9, 0xaaaa);
	CHECK_EQ(r.rbp, sp - 8);
	CHECK_EQ(r.rdi, A - 8);
	CHECK_EQ(r.rsp, A - 8);
	*pt_entry(A - PAGE, 1) = 0;
	invlpg(A - PAGE);
}

/* 2 calls 3; between calls and returns stand pushes, pops and branches. */
CODE(c_calls, "push %rax\n push %rbx\n call 2f\n pop %rcx\n pop %rdx\n"
	      "cmp $0xbbbb, %rcx\n jne 1f\n call 3f\n mov %rsp, %r8\n"
	      "1:" STOP
	      "2: push %rbp\n mov %rsp, %rbp\n push %rax\n call 3f\n"
	      "pop %r9\n leave\n ret\n"
	      "3: pop %rsi\n inc %r10\n push %rsi\n push %rdi\n pop %r11\n"
	      "ret\n");

static void through_calls(int ring)
{
	struct regs r;

	page_at_a(ring);
	r = go(c_calls, ring, A + 0x800);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, 0xbbbb);
	CHECK_EQ(r.rdx, 0xaaaa);
	CHECK_EQ(r.r8, A + 0x800);
	CHECK_EQ(r.r9, 0xaaaa);
	CHECK_EQ(r.r10, 2);
	CHECK_EQ(r.r11, A);
	CHECK_EQ(r.rbp, 0);
}

/* What a base leads to, and what RIP does, lie in different entries of the top
 * table; each access has the last one's at hand. */
CODE(c_rip, "mov 7f(%rip), %rax\n mov (%rdi), %rbx\n mov 7f+8(%rip), %r9\n"
	    "mov 7f(%rip), %rcx\n mov 8(%rdi), %r10\n add 7f+8(%rip), %rcx\n"
	    "push %rcx\n mov 7f+8(%rip), %rdx\n pop %rbp\n"
	    "mov 7f(%rip), %rsi\n mov 7f+8(%rip), %r11\n add 7f(%rip), %r11\n"
	    "call 1f\n mov 7f(%rip), %r12\n lea 7f(%rip), %r13\n"
	    "mov 7f+8(%rip), %r14\n mov (%r13), %r15\n mov (%rdi), %r8\n" STOP
	    "1: mov (%rdi), %r8\n ret\n"
	    ".balign 8\n 7: .quad 0x7777, 0x8888\n");

static void relative(int ring)
{
	struct regs r;

	page_at_a(ring);
	r = go(c_rip, ring, A + 0x800);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x7777);
	CHECK_EQ(r.rbx, 0x1000);
	CHECK_EQ(r.r9, 0x8888);
	CHECK_EQ(r.r10, 0x1001);
	CHECK_EQ(r.rbp, 0x7777 + 0x8888);
	CHECK_EQ(r.rdx, 0x8888);
	CHECK_EQ(r.rsi, 0x7777);
	CHECK_EQ(r.r11, 0x7777 + 0x8888);
	CHECK_EQ(r.r12, 0x7777);
	CHECK_EQ(r.r14, 0x8888);
	CHECK_EQ(r.r15, 0x7777);
	CHECK_EQ(r.r8, 0x1000);
}

#define BOTH(name)                                                             \
	static void both_##name(void)                                          \
	{                                                                      \
		both_rings(name);                                              \
	}

BOTH(missing_page)
BOTH(fault_between)
BOTH(reading_rsp)
BOTH(through_calls)
BOTH(relative)

const struct test tests[] = {
	{ "a run of PUSH or POP meets a missing page", both_missing_page },
	{ "... or has a fault in it", both_fault_between },
	{ "... or something that reads RSP", both_reading_rsp },
	{ "calls in a row", both_through_calls },
	{ "operands relative to RIP", both_relative },
	{ NULL },
};
