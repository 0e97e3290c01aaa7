/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest guest, built for both modes: does anything run at all? Its
 * tests go up in small steps, for those who bring a new engine to life.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

static void arithmetic(void)
{
	volatile u32 a = 7, b = 6;
	volatile u64 c = 0x100000000;

	CHECK_EQ(a * b, 42);
	CHECK_EQ(c + a, 0x100000007);
	CHECK_EQ(a << b, 448);
}

static unsigned fib(unsigned n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static void calls(void)
{
	unsigned (*volatile f)(unsigned) = fib;

	CHECK_EQ(f(15), 610);
}

static void loops(void)
{
	ulong sum = 0;

	spin(1000000);
	for (volatile ulong i = 0; i < 100000; i++)
		sum += i;
	CHECK_EQ(sum, sizeof(ulong) == 8 ? 4999950000ul : (ulong)704982704);
}

static void ports(void)
{
	outb(0x21, 0xa5);
	CHECK_EQ(inb(0x21), 0xa5);
	outb(0x21, 0xff);
	CHECK_EQ(inb(0x21), 0xff);
}

CODE(code_ud, "ud2");
CODE(code_stop, "mov $0x1234, %eax\n" STOP);
CODE(code_add, "add %ecx, %eax\n" STOP);

static void trap_in_ring(int ring)
{
	struct regs r = run_code(code_ud, ring);

	CHECK_TRAP(r, V_UD, 0);
	CHECK_EQ(r.cs & 3, ring);
	CHECK_EQ(r.rip, ring ? user(code_ud) : (ulong)code_ud);

	r = run_code(code_stop, ring);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x1234);

	regs_init(&r, code_add, ring);
	r.rax = 0xffffffff;
	r.rcx = 1;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0);
	CHECK_EQ(r.rflags & FL_STATUS, FL_CF | FL_ZF | FL_AF | FL_PF);
}

static void trap_ring0(void) { trap_in_ring(0); }
static void trap_ring3(void) { trap_in_ring(3); }

static bool skip_ud2(struct regs *r)
{
	r->rip += 2;
	r->rax = 77;
	return true;
}

static void resumed_trap(void)
{
	ulong a;

	trap_handle(V_UD, skip_ud2);
	asm volatile("ud2" : "=a"(a) :: "memory");
	CHECK_EQ(a, 77);
}

const struct test tests[] = {
	{ "arithmetic", arithmetic },
	{ "calls", calls },
	{ "loops", loops },
	{ "ports", ports },
	{ "trap in ring 0", trap_ring0 },
	{ "trap in ring 3", trap_ring3 },
	{ "trap resumed", resumed_trap },
	{ NULL },
};
