/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segmentation in legacy protected mode, 32-bit guest: bases, limits,
 * expand-down, 16-bit code and stacks, gates, the TSS, virtual-8086 mode.
 * SDM 3A 5.3 "Limit Checking", 5.8 "Privilege Level Checking When Transferring
 * Program Control", 7 "Task Management", 3B 20 "8086 Emulation".
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

enum { S0 = SEL_FREE, S1 = S0 + 8, S2 = S0 + 16, S3 = S0 + 24, S4 = S0 + 32 };

static u8 *area;

static void prepare(void)
{
	area = (u8 *)pages_alloc(32);
	for (unsigned i = 0; i < 32 * PAGE; i++)
		((volatile u8 *)area)[i] = i + (i >> 8);
}

static u32 at(unsigned offset)
{
	return *(volatile u32 *)(area + offset);
}

CODE(c_load, "mov (%ebx), %eax\n" STOP);
CODE(c_load8, "mov (%ebx), %al\n" STOP);
CODE(c_load_fs, "mov %fs:(%ebx), %eax\n" STOP);
CODE(c_load_es, "mov %es:(%ebx), %eax\n" STOP);
CODE(c_load_abs, "mov 0x10, %eax\n" STOP);
CODE(c_load_sib, "mov 4(%ebx,%ecx,4), %eax\n lea 4(%ebx,%ecx,4), %edx\n" STOP);
CODE(c_load_ebp, "mov (%ebp), %eax\n" STOP);
CODE(c_load_a16, "mov %ds:(%bx,%si), %eax\n" STOP);
CODE(c_store, "mov %eax, (%ebx)\n" STOP);
CODE(c_rmw, "lock; incl (%ebx)\n" STOP);

static struct regs go(const u8 *code, u16 ds, u32 ebx)
{
	struct regs r;

	regs_init(&r, code, 0);
	r.ds = ds;
	r.rbx = ebx;
	run(&r);
	return r;
}

static void bases(void)
{
	struct regs r;

	prepare();
	gdt_set(S0, desc((u32)area + 0x123, 0xfffff, ACC_DATA, SEG_G | SEG_D));
	r = go(c_load, S0, 0x40);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, at(0x163));
	r = go(c_load_abs, S0, 0);
	CHECK_EQ(r.rax, at(0x133));
	regs_init(&r, c_load_sib, 0);
	r.ds = S0;
	r.rbx = 0x100;
	r.rcx = 3;
	run(&r);
	CHECK_EQ(r.rax, at(0x123 + 0x100 + 16));
	CHECK_EQ(r.rdx, 0x110);
	/* The sum wraps at 4 GiB. */
	r = go(c_load, S0, -0x23);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, at(0x100));
	regs_init(&r, c_load_fs, 0);
	r.fs = S0;
	r.rbx = 8;
	run(&r);
	CHECK_EQ(r.rax, at(0x12b));
	regs_init(&r, c_load_es, 0);
	r.es = S0;
	r.rbx = 8;
	run(&r);
	CHECK_EQ(r.rax, at(0x12b));
	/* 16-bit addresses wrap at 64 KiB before the base is added. */
	regs_init(&r, c_load_a16, 0);
	r.ds = S0;
	r.rbx = 0xdead0000 | 0xfff0;
	r.rsi = 0xbeef0000 | 0x0040;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, at(0x153));
	/* A segment of ring 3 by ring 3. */
	gdt_set(S1, desc((u32)area + 0x77, 0xfffff, ACC_DATA | DPL(3),
			 SEG_G | SEG_D));
	regs_init(&r, c_load, 3);
	r.ds = S1 | 3;
	r.rbx = 1;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, at(0x78));
}

static void limits(void)
{
	static const struct {
		const char *what;
		const u8 *code;
		u32 limit, access, flags, ebx;
		unsigned vector;
	} limit_tab[] = {
		{ "last dword", c_load, 0xfff, ACC_DATA, SEG_D, 0xffc, V_STOP },
		{ "one over", c_load, 0xfff, ACC_DATA, SEG_D, 0xffd, V_GP },
		{ "last byte", c_load8, 0xfff, ACC_DATA, SEG_D, 0xfff, V_STOP },
		{ "beyond", c_load8, 0xfff, ACC_DATA, SEG_D, 0x1000, V_GP },
		{ "far beyond", c_load8, 0xfff, ACC_DATA, SEG_D, ~0u, V_GP },
		{ "store, one over", c_store, 0xfff, ACC_DATA, SEG_D, 0xffd,
		  V_GP },
		{ "rmw, one over", c_rmw, 0xfff, ACC_DATA, SEG_D, 0xffd, V_GP },
		{ "limit 0", c_load8, 0, ACC_DATA, SEG_D, 0, V_STOP },
		{ "limit 0, 1", c_load8, 0, ACC_DATA, SEG_D, 1, V_GP },
		{ "pages", c_load, 0, ACC_DATA, SEG_D | SEG_G, 0xffc, V_STOP },
		{ "pages, over", c_load, 0, ACC_DATA, SEG_D | SEG_G, 0xffd,
		  V_GP },
		{ "read-only, load", c_load, 0xfff, ACC_DATA_RO, SEG_D, 0,
		  V_STOP },
		{ "read-only, store", c_store, 0xfff, ACC_DATA_RO, SEG_D, 0,
		  V_GP },
		{ "code, load", c_load, 0xfff, ACC_CODE, SEG_D, 0, V_STOP },
		{ "code, store", c_store, 0xfff, ACC_CODE, SEG_D, 0, V_GP },
		{ "down, low", c_load8, 0xfff, ACC_DATA_DOWN, SEG_D, 0xfff,
		  V_GP },
		{ "down, high", c_load8, 0xfff, ACC_DATA_DOWN, SEG_D, 0x1000,
		  V_STOP },
		{ "down, zero", c_load8, 0xfff, ACC_DATA_DOWN, SEG_D, 0, V_GP },
		{ "down 16, top", c_load8, 0xfff, ACC_DATA_DOWN, 0, 0xffff,
		  V_STOP },
		{ "down 16, over", c_load8, 0xfff, ACC_DATA_DOWN, 0, 0x10000,
		  V_GP },
		{ "down 16, straddle", c_load, 0xfff, ACC_DATA_DOWN, 0, 0xfffd,
		  V_GP },
		{ "down, straddle", c_load, 0xfff, ACC_DATA_DOWN, SEG_D, 0xffe,
		  V_GP },
	};

	prepare();
	for (unsigned i = 0; i < ARRAY_LEN(limit_tab); i++) {
		struct regs r;
		u32 before = at(limit_tab[i].ebx & 0x1ffff);

		context("%s", limit_tab[i].what);
		gdt_set(S0, desc((u32)area, limit_tab[i].limit,
				 limit_tab[i].access, limit_tab[i].flags));
		r = go(limit_tab[i].code, S0, limit_tab[i].ebx);
		CHECK_TRAP(r, limit_tab[i].vector, 0);
		CHECK_EQ(r.rip, (ulong)limit_tab[i].code +
			 (r.vector == V_STOP ? 4 : 0));
		if (limit_tab[i].code != c_rmw)
			CHECK_EQ(at(limit_tab[i].ebx & 0x1ffff), before);
	}
}

static void null_segment(void)
{
	struct regs r = go(c_load, 0, 0x100000);

	CHECK_TRAP(r, V_GP, 0);
	r = go(c_load, 3, 0x100000);
	CHECK_TRAP(r, V_GP, 0);
	r = go(c_store, 0, 0x100000);
	CHECK_TRAP(r, V_GP, 0);
}

/* The stack segment: #SS(0), through ESP and through EBP. */
CODE(c_push_pop, "push %eax\n pop %ebx\n mov %esp, %ecx\n" STOP);
CODE(c_push, "push %eax\n" STOP);
CODE(c_call, "call 1f\n 1: pop %ebx\n" STOP);

static void stack_segment(void)
{
	struct regs r;

	prepare();
	gdt_set(S0, desc((u32)area, 0x1fff, ACC_DATA, SEG_D));
	regs_init(&r, c_push_pop, 0);
	r.ss = S0;
	r.rsp = 0x1000;
	r.rax = 0x12345678;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, 0x12345678);
	CHECK_EQ(r.rcx, 0x1000);
	CHECK_EQ(r.ss, S0);
	CHECK_EQ(r.rsp, 0x1000);
	regs_init(&r, c_load_ebp, 0);
	r.ss = S0;
	r.rsp = 0x1000;
	r.rbp = 0x44;
	run(&r);
	CHECK_EQ(r.rax, at(0x44));
	regs_init(&r, c_load_ebp, 0);
	r.ss = S0;
	r.rsp = 0x1000;
	r.rbp = 0x1ffd;
	run(&r);
	CHECK_TRAP(r, V_SS, 0);
	CHECK_EQ(r.rip, (ulong)c_load_ebp);
	/* Ring 3 can run off its stack without harm. */
	gdt_set(S1, desc((u32)area, 0xfff, ACC_DATA | DPL(3), SEG_D));
	regs_init(&r, c_push, 3);
	r.ss = S1 | 3;
	r.rsp = 0x1002;
	run(&r);
	CHECK_TRAP(r, V_SS, 0);
	CHECK_EQ(r.rsp, 0x1002);
	regs_init(&r, c_push, 3);
	r.ss = S1 | 3;
	r.rsp = 2;
	run(&r);
	CHECK_TRAP(r, V_SS, 0);
}

/* A 16-bit stack: SP wraps, the upper half of ESP stays. */
CODE(c_sp16, "push %eax\n mov %esp, %ecx\n pop %ebx\n mov %esp, %edx\n" STOP);

static void stack_16(void)
{
	struct regs r;

	prepare();
	/* In ring 3, where the trap leaves this stack alone. */
	gdt_set(S1, desc((u32)area, 0xffff, ACC_DATA | DPL(3), 0));
	regs_init(&r, c_sp16, 3);
	r.ss = S1 | 3;
	r.rsp = 0x0100;
	r.rax = 0x11223344;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx & 0xffff, 0x00fc);
	CHECK_EQ(r.rdx & 0xffff, 0x0100);
	CHECK_EQ(r.rbx, 0x11223344);
	CHECK_EQ(at(0xfc), 0x11223344);
	regs_init(&r, c_sp16, 3);
	r.ss = S1 | 3;
	r.rsp = 0;
	r.rax = 0x55667788;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx & 0xffff, 0xfffc);
	CHECK_EQ(r.rdx & 0xffff, 0);
	CHECK_EQ(at(0xfffc), 0x55667788);
	/* In ring 0, LSS loads all of ESP; the upper half then stays. */
	gdt_set(S0, desc((u32)area, 0xffff, ACC_DATA, 0));
	regs_init(&r, c_sp16, 0);
	r.ss = S0;
	r.rsp = 0xabcd0100;
	r.rax = 0x99;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, 0xabcd00fc);
	CHECK_EQ(r.rdx, 0xabcd0100);
	CHECK_EQ(r.rbx, 0x99);
	regs_init(&r, c_call, 3);
	r.ss = S1 | 3;
	r.rsp = 0x0200;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, (ulong)c_call + 5);
	CHECK_EQ(r.rsp & 0xffff, 0x200);
}

/* Code with a base; EIP counts from it, also in what is pushed. */
CODE(c_based, "call 1f\n 1: pop %ebx\n xor %eax, %eax\n jmp 2f\n ud2\n"
	      "2: mov %cs:5, %al\n" STOP);
CODE(c_nop_end, "nop\n nop\n nop\n nop\n");

static void code_base(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;
		unsigned dpl = ring ? DPL(3) : 0;

		gdt_set(S0, desc((u32)c_based, 0xfffff, ACC_CODE | dpl,
				 SEG_G | SEG_D));
		regs_init(&r, NULL, ring);
		r.cs = S0 | ring;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, 5);
		CHECK_EQ(r.rip, c_based_end - c_based);
		CHECK_EQ(r.rax, c_based[5]);
		CHECK_EQ(r.cs, S0 | ring);
		/* The same code at another base of the same place. */
		gdt_set(S0, desc((u32)c_based - 0x1000, 0xfffff, ACC_CODE | dpl,
				 SEG_G | SEG_D));
		regs_init(&r, (void *)0x1000, ring);
		r.cs = S0 | ring;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, 0x1005);
		CHECK_EQ(r.rip, 0x1000 + (c_based_end - c_based));
	}
}

/* Running over the limit of CS; an instruction across it. */
CODE(c_long_mov, "nop\n mov $0x12345678, %eax\n" STOP);
CODE(c_jump_out, "jmp 1f\n .skip 0x200, 0x90\n 1: " STOP);

static void code_limit(void)
{
	struct regs r;

	gdt_set(S0, desc((u32)c_nop_end, 3, ACC_CODE, SEG_D));
	regs_init(&r, NULL, 0);
	r.cs = S0;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.rip, 4);
	for (unsigned limit = 0; limit < 6; limit++) {
		context("limit %x", limit);
		gdt_set(S0, desc((u32)c_long_mov, limit, ACC_CODE, SEG_D));
		regs_init(&r, NULL, 0);
		r.cs = S0;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(r.rip, limit < 5 ? 1 : 6);
	}
	/* A jump out faults at the jump. */
	gdt_set(S0, desc((u32)c_jump_out, 0xff, ACC_CODE, SEG_D));
	regs_init(&r, NULL, 0);
	r.cs = S0;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.rip, 0);
}

/* Branches of all kinds to 0x2000, out of a segment that ends on another page:
 * they fault before they have changed anything. */
CODE(c_stop_here, STOP);
CODE(c_out_jmp, "jmp . + 0x2000\n");
CODE(c_out_jcc, "jz . + 0x2000\n");
CODE(c_out_jmp_ind, "jmp *%eax\n");
CODE(c_out_call, "call . + 0x2000\n");
CODE(c_out_call_ind, "call *%eax\n");
CODE(c_out_ret, "ret\n");
CODE(c_out_ret4, "ret $4\n");
CODE(c_in_jcc, "jnz . + 0x2000\n mov $1, %ebx\n" STOP);
CODE(c_out_loop, "1: loop 1b - 0x20\n");
CODE(c_out_loopz, "1: loopz 1b - 0x20\n");
CODE(c_out_jecxz, "1: jecxz 1b - 0x20\n");

static void branches_out(void)
{
	static const u8 *const tab[] = {
		c_out_jmp, c_out_jcc, c_out_jmp_ind, c_out_call,
		c_out_call_ind, c_out_ret, c_out_ret4, c_out_loop,
		c_out_loopz, c_out_jecxz, c_in_jcc,
	};
	ulong base = pages_alloc(4) + PAGE;

	/* For a machine that goes there. */
	memcpy((void *)(base + 0x2000), c_stop_here, 2);
	memcpy((void *)(base - 0x20), c_stop_here, 2);
	for (unsigned i = 0; i < ARRAY_LEN(tab); i++) {
		struct regs r;
		ulong rsp;

		context("branch %u", i);
		memcpy((void *)base, tab[i], 32);
		gdt_set(S0, desc(base, 0x1fff, ACC_CODE, SEG_D));
		regs_init(&r, NULL, 0);
		r.cs = S0;
		r.rax = 0x2000;
		r.rcx = tab[i] == c_out_jecxz ? 0 : 5;
		r.rflags |= FL_ZF;
		rsp = r.rsp -= 8;
		*(volatile u32 *)rsp = 0x2000;
		run(&r);
		if (tab[i] == c_in_jcc) {
			CHECK_STOP(r);
			CHECK_EQ(r.rbx, 1);
			continue;
		}
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(r.rip, 0);
		CHECK_EQ(r.rsp, rsp);
		CHECK_EQ(r.rcx, tab[i] == c_out_jecxz ? 0 : 5);
		CHECK_EQ(*(volatile u32 *)rsp, 0x2000);
	}
}

/* 16-bit code: sizes are turned around, IP wraps. */
CODE(c_code16, ".code16\n mov $0x1234, %ax\n mov $0x56789abc, %ebx\n"
	       "push %cx\n pop %dx\n call 1f\n jmp 2f\n nop\n nop\n"
	       "1: inc %si\n ret\n"
	       "2: mov 0x20(%bx,%di), %bp\n"
	       ".code32\n" STOP);

static void code_16(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		unsigned dpl = ring ? DPL(3) : 0;
		struct regs r;

		context("ring %u", ring);
		prepare();
		gdt_set(S0, desc((u32)c_code16, 0xffff, ACC_CODE | dpl, 0));
		gdt_set(S1, desc((u32)area, 0xffff, ACC_DATA | dpl, 0));
		regs_init(&r, NULL, ring);
		r.cs = S0 | ring;
		r.ds = S1 | ring;
		r.rax = 0xaaaaaaaa;
		r.rcx = 0xccccc0de;
		r.rdx = 0xdddddddd;
		r.rsi = 0x1111ffff;
		r.rdi = 0x22220010;
		r.rbp = 0x33333333;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0xaaaa1234);
		CHECK_EQ(r.rbx, 0x56789abc);
		CHECK_EQ(r.rdx, 0xddddc0de);
		CHECK_EQ(r.rsi, 0x11110000);
		CHECK_EQ(r.rbp, 0x33330000 | (at(0x9abc + 0x30) & 0xffff));
	}
}

/* A relative jump in 16-bit code wraps within 64 KiB. */
static void ip_wraps(void)
{
	volatile u8 *code;
	struct regs r;

	prepare();
	code = area;
	code[0xfff0] = 0xeb; /* jmp +0x20: to 0x0012 */
	code[0xfff1] = 0x20;
	code[0x0012] = 0xb8; /* mov $0x5678, %ax */
	code[0x0013] = 0x78;
	code[0x0014] = 0x56;
	code[0x0015] = 0xcd;
	code[0x0016] = V_STOP;
	gdt_set(S0, desc((u32)area, 0xffff, ACC_CODE, 0));
	regs_init(&r, (void *)0xfff0, 0);
	r.cs = S0;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x5678);
	CHECK_EQ(r.rip, 0x17);
}

/* The LDT. */
static void local_table(void)
{
	static u64 ldt[4];
	struct regs r;

	prepare();
	ldt[1] = desc((u32)area + 0x10, 0xfff, ACC_DATA | DPL(3), SEG_D);
	ldt[2] = desc(0, 0xfffff, ACC_CODE | DPL(3), SEG_G | SEG_D);
	gdt_set_system(S0, (ulong)ldt, sizeof(ldt) - 1, ACC_LDT);
	asm volatile("lldt %w0" :: "r"(S0));
	regs_init(&r, c_load, 3);
	r.cs = 0x14 | 3;
	r.ds = 0x0c | 3;
	r.rbx = 0x20;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, at(0x30));
	CHECK_EQ(r.cs, 0x14 | 3);
	regs_init(&r, c_load, 3);
	r.ds = 0x0c | 3;
	r.rbx = 0xffd;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	asm volatile("lldt %w0" :: "r"(0));
}

/* Call gates. */
static void gate_set(u16 selector, u16 cs, const void *target, unsigned access,
		     unsigned params)
{
	u32 a = (ulong)target;

	gdt[selector / 8] = (a & 0xffff) | (u64)cs << 16 | (u64)params << 32 |
			    (u64)access << 40 | (u64)(a >> 16) << 48;
}

CODE(c_gate_call, "push $0x111\n push $0x222\n lcall $0x58, $0\n" STOP);
CODE(c_gate_target, "mov %cs, %eax\n mov %ss, %ebx\n mov 8(%esp), %ecx\n"
		    "mov 12(%esp), %edx\n lret $8\n");
CODE(c_gate_stop, "mov %esp, %eax\n" STOP);

static void call_gates(void)
{
	struct regs r;
	ulong sp;

	/* SEL_FREE is 0x50, S1 is 0x58. */
	gate_set(S1, SEL_CODE, c_gate_target, ACC_CALL | DPL(3), 2);
	regs_init(&r, c_gate_call, 3);
	sp = r.rsp;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, SEL_CODE);
	CHECK_EQ(r.rbx, SEL_DATA);
	CHECK_EQ(r.rcx, 0x222);
	CHECK_EQ(r.rdx, 0x111);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.ss, SEL_USER_DATA);
	CHECK_EQ(r.rsp, sp);
	/* Within ring 0 nothing is copied. */
	regs_init(&r, c_gate_call, 0);
	sp = r.rsp;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, 0x222);
	CHECK_EQ(r.rsp, sp);
	/* The new stack: from the TSS, with SS, ESP, 2 words, CS, EIP. */
	gate_set(S1, SEL_CODE, c_gate_stop, ACC_CALL | DPL(3), 2);
	r = run_code(c_gate_call, 3);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, tss.esp0 - 24);
	CHECK_EQ(((volatile u32 *)r.rax)[0], (ulong)c_gate_call_end - 2);
	CHECK_EQ(((volatile u32 *)r.rax)[1], SEL_USER);
	CHECK_EQ(((volatile u32 *)r.rax)[5], SEL_USER_DATA);
	/* Not for ring 3; absent; to a bad segment. */
	gate_set(S1, SEL_CODE, c_gate_stop, ACC_CALL, 0);
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_GP, S1);
	gate_set(S1, SEL_CODE, c_gate_stop, (ACC_CALL | DPL(3)) & ~0x80, 0);
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_NP, S1);
	gate_set(S1, SEL_DATA, c_gate_stop, ACC_CALL | DPL(3), 0);
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_GP, SEL_DATA);
	gate_set(S1, 0, c_gate_stop, ACC_CALL | DPL(3), 0);
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_GP, 0);
}

/* A bad stack in the TSS is #TS with its selector. */
static void inner_stack(void)
{
	struct regs r;

	/* To ring 1: the fault itself needs ring 0's stack. */
	tss.ss1 = SEL_USER_DATA;
	gdt_set(S3, desc(0, 0xfffff, ACC_CODE | DPL(1), SEG_G | SEG_D));
	gate_set(S1, S3, c_gate_stop, ACC_CALL | DPL(3), 0);
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_TS, SEL_USER_DATA & ~3);
	CHECK_EQ(r.cs, SEL_USER);
	tss.ss1 = 0;
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_TS, 0);
	/* A good one: ring 1 runs. */
	tss.ss1 = S4 | 1;
	tss.esp1 = tss.esp0 - 1024;
	gdt_set(S4, desc(0, 0xfffff, ACC_DATA | DPL(1), SEG_G | SEG_D));
	r = run_code(c_gate_call, 3);
	CHECK_STOP(r);
	CHECK_EQ(r.cs, S3 | 1);
	CHECK_EQ(r.ss, S4 | 1);
}

/* One that is not present is #SS. */
static void inner_stack_absent(void)
{
	struct regs r;

	gdt_set(S3, desc(0, 0xfffff, ACC_CODE | DPL(1), SEG_G | SEG_D));
	gdt_set(S4, desc(0, 0xfffff, (ACC_DATA | DPL(1)) & ~0x80,
			 SEG_G | SEG_D));
	gate_set(S1, S3, c_gate_stop, ACC_CALL | DPL(3), 0);
	tss.ss1 = S4 | 1;
	tss.esp1 = tss.esp0 - 1024;
	r = run_code(c_gate_call, 3);
	CHECK_TRAP(r, V_SS, S4);
}

/* Ports: the bitmap of the TSS, byte by byte. */
CODE(c_in8, "in %dx, %al\n" STOP);
CODE(c_in32, "in %dx, %eax\n" STOP);

static void port_bitmap(void)
{
	struct regs r;

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned bit = 0; bit < 5; bit++) {
			bool denied = i < 4 && bit == i;

			context("port bit %u of %u", bit, i);
			tss.iomap[0x100 / 8] = 0xf0 | (i < 4 ? 1 << i : 0);
			regs_init(&r, c_in32, 3);
			r.rdx = 0x100;
			run(&r);
			if (i < 4)
				CHECK_TRAP(r, V_GP, 0);
			else
				CHECK_STOP(r);
			if (bit == 4)
				continue;
			regs_init(&r, c_in8, 3);
			r.rdx = 0x100 + bit;
			run(&r);
			if (denied)
				CHECK_TRAP(r, V_GP, 0);
			else
				CHECK_STOP(r);
		}
	}
	/* A dword across two bytes of the map. */
	tss.iomap[0x100 / 8] = 0x0f;
	tss.iomap[0x108 / 8] = 0xfc;
	regs_init(&r, c_in32, 3);
	r.rdx = 0x106;
	run(&r);
	CHECK_STOP(r);
	tss.iomap[0x108 / 8] = 0xfe;
	r.rip = (ulong)c_in32;
	r.rflags = FL_ONE;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	/* IOPL 3 asks no map. */
	regs_init(&r, c_in8, 3);
	r.rflags |= FL_IOPL;
	r.rdx = 0x80;
	run(&r);
	CHECK_STOP(r);
}

/* Virtual-8086 mode: segments are paragraphs, INT goes to ring 0. */
CODE(c_v86, ".code16\n mov %cs, %ax\n mov %ds:2, %bx\n push %cx\n pop %dx\n"
	    ".code32\n" STOP);
CODE(c_v86_cli, ".code16\n cli\n .code32\n");

static void virtual_8086(void)
{
	/* 0x8000 to 0x9fff: free memory below 1 MiB. */
	volatile u8 *low = (volatile u8 *)0x8000;
	struct regs r;

	for (unsigned i = 0; c_v86 + i < c_v86_end; i++)
		low[i] = c_v86[i];
	low[0x100] = 0xfa; /* cli */
	*(volatile u16 *)0x9002 = 0x1357;
	regs_init(&r, NULL, 3);
	r.cs = 0x800;
	r.ss = 0x900;
	r.rsp = 0x800;
	r.ds = 0x900;
	r.es = r.fs = r.gs = 0x123;
	r.rcx = 0x2468;
	r.rflags |= FL_VM | FL_IOPL;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax & 0xffff, 0x800);
	CHECK_EQ(r.rbx & 0xffff, 0x1357);
	CHECK_EQ(r.rdx & 0xffff, 0x2468);
	CHECK_EQ(r.rflags & FL_VM, FL_VM);
	CHECK_EQ(r.cs, 0x800);
	CHECK_EQ(r.ss, 0x900);
	CHECK_EQ(r.ds, 0x900);
	CHECK_EQ(r.gs, 0x123);
	/* Below IOPL 3, CLI and INT n are #GP(0). */
	regs_init(&r, (void *)0x100, 3);
	r.cs = 0x800;
	r.ss = 0x900;
	r.rsp = 0x800;
	r.rflags |= FL_VM;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.rip, 0x100);
}

/* A task switch by a far jump to a TSS, and back by IRET. */
static struct tss other_tss;
static u8 other_stack[1024];
static volatile u32 other_ran, other_flags;

extern const u8 other_task[];
asm(".pushsection .text\n"
    "other_task: incl other_ran\n pushf\n pop other_flags\n iret\n"
    "jmp other_task\n .popsection");

static void task_switch(void)
{
	u32 at_tss[2] = { 0, S0 };

	memset(&other_tss, 0, sizeof(other_tss));
	other_ran = 0;
	other_tss.eip = (ulong)other_task;
	other_tss.eflags = FL_ONE;
	other_tss.esp = (ulong)(other_stack + sizeof(other_stack));
	other_tss.cs = SEL_CODE;
	other_tss.ds = other_tss.es = other_tss.ss = SEL_DATA;
	other_tss.iomap_base = 0xdfff;
	gdt_set_system(S0, (ulong)&other_tss, 103, ACC_TSS);
	for (unsigned i = 1; i <= 5; i++) {
		u32 a = 0x12345678, b;

		asm volatile("lcall *%1" : "+a"(a) : "m"(at_tss) : "memory");
		asm volatile("str %0" : "=r"(b));
		CHECK_EQ(a, 0x12345678);
		CHECK_EQ(other_ran, i);
		CHECK_EQ(other_flags & FL_NT, FL_NT);
		CHECK_EQ(b & 0xffff, SEL_TSS);
		CHECK_EQ(read_flags() & FL_NT, 0);
		CHECK_EQ(other_tss.link, SEL_TSS);
		CHECK_EQ(read_cr0() & CR0_TS, CR0_TS);
		asm volatile("clts");
		/* Ours is busy again, the other one is not. */
		CHECK_EQ(gdt[SEL_TSS / 8] >> 40 & 0xff, ACC_TSS | 2);
		CHECK_EQ(gdt[S0 / 8] >> 40 & 0xff, ACC_TSS);
	}
}

const struct test tests[] = {
	{ "bases", bases },
	{ "limits", limits,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "null segments", null_segment,
	  "no null checks on access (SDM 3A 5.4.1)" },
	{ "stack segment", stack_segment,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "16-bit stack", stack_16 },
	{ "code with a base", code_base },
	{ "limit of code", code_limit,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "branches out of the code segment", branches_out,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "16-bit code", code_16 },
	{ "IP wraps", ip_wraps },
	{ "LDT", local_table,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "call gates", call_gates },
	{ "inner stacks", inner_stack },
	{ "inner stack not present", inner_stack_absent,
	  "#TS for #SS (SDM 2A \"CALL\", MORE-PRIVILEGE)" },
	{ "I/O permission bitmap", port_bitmap },
	{ "virtual-8086 mode", virtual_8086 },
	{ "task switch", task_switch },
	{ NULL },
};
