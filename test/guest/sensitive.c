/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The instructions that are sensitive but not privileged, as Robin and Irvine
 * counted them ("Analysis of the Intel Pentium's Ability to Support a Secure
 * Virtual Machine Monitor", 2000): SGDT SIDT SLDT STR SMSW PUSHF POPF LAR LSL
 * VERR VERW, MOV from and to segment registers, PUSH and POP of them, far CALL,
 * JMP and RET, INT n. They must show the guest's state in whatever ring.
 *
 * Built for long mode and for legacy protected mode; the long-mode guest runs
 * the snippets in compatibility mode too.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#ifdef __x86_64__
#define TABLE_LIMIT_IDT (256 * 16 - 1)
#else
#define TABLE_LIMIT_IDT (256 * 8 - 1)
#endif
#define USER_DATA SEL_USER_DATA

static u8 buffer[64] __attribute__((aligned(64)));

/* Registers for ring 0 or 3 with DI at the buffer. */
static struct regs go(const u8 *code, int ring, ulong ax)
{
	struct regs r;

	for (unsigned i = 0; i < sizeof(buffer); i++)
		((volatile u8 *)buffer)[i] = 0xcc;
	regs_init(&r, code, ring);
	r.rdi = ring ? user(buffer) : (ulong)buffer;
	r.rax = ax;
	r.rbx = ~0ul;
	run(&r);
	return r;
}

static u64 stored(unsigned at, unsigned size)
{
	u64 v = 0;

	for (unsigned i = size; i--;)
		v = v << 8 | ((volatile u8 *)buffer)[at + i];
	return v;
}

CODE(c_sgdt, "sgdt (" R("di") ")\n" STOP);
CODE(c_sidt, "sidt (" R("di") ")\n" STOP);
CODE(c_sldt, "sldt " R("ax") "\n sldt (" R("di") ")\n" STOP);
CODE(c_str, "str " R("ax") "\n str (" R("di") ")\n" STOP);
CODE(c_smsw, "smsw " R("ax") "\n smsw (" R("di") ")\n" STOP);
CODE(c_word_regs, "sldt %bx\n" STOP);

static void tables(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		r = go(c_sgdt, ring, 0);
		CHECK_STOP(r);
		CHECK_EQ(stored(0, 2), sizeof(gdt) - 1);
		CHECK_EQ(stored(2, sizeof(ulong)), (ulong)gdt);
		CHECK_EQ(stored(2 + sizeof(ulong), 1), 0xcc);
		r = go(c_sidt, ring, 0);
		CHECK_STOP(r);
		CHECK_EQ(stored(0, 2), TABLE_LIMIT_IDT);
		CHECK_EQ(stored(2, sizeof(ulong)), (ulong)idt);
	}
}

static void task_and_ldt(void)
{
	u16 ldt = SEL_FREE;

	gdt_set_system(ldt, (ulong)buffer, 63, ACC_LDT);
	asm volatile("lldt %w0" :: "r"(ldt));
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		r = go(c_sldt, ring, ~0ul);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, ldt);
		CHECK_EQ(stored(0, 2), ldt);
		CHECK_EQ(stored(2, 1), 0xcc);
		r = go(c_str, ring, ~0ul);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, SEL_TSS);
		CHECK_EQ(stored(0, 2), SEL_TSS);
		CHECK_EQ(stored(2, 1), 0xcc);
		/* A 16-bit register keeps its upper part. */
		r = go(c_word_regs, ring, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, (~0ul & ~0xfffful) | ldt);
	}
	asm volatile("lldt %w0" :: "r"(0));
}

static void machine_status(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r = go(c_smsw, ring, ~0ul);

		context("ring %u", ring);
		CHECK_STOP(r);
		CHECK_EQ(r.rax & 0xffff, read_cr0() & 0xffff);
		CHECK_EQ(stored(0, 2), read_cr0() & 0xffff);
		CHECK_EQ(stored(2, 1), 0xcc);
	}
}

/* UMIP takes five of them from ring 3. */
static void umip(void)
{
	static const u8 *const code_tab[] = { c_sgdt, c_sidt, c_sldt, c_str,
					      c_smsw };

	if (!has(F_UMIP)) {
		skip("no UMIP");
		return;
	}
	write_cr4(read_cr4() | CR4_UMIP);
	for (unsigned i = 0; i < ARRAY_LEN(code_tab); i++) {
		struct regs r;

		context("number %u", i);
		r = go(code_tab[i], 3, 0);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(r.rip, user(code_tab[i]));
		CHECK_EQ(stored(0, 1), 0xcc);
		r = go(code_tab[i], 0, 0);
		CHECK_STOP(r);
	}
	write_cr4(read_cr4() & ~(ulong)CR4_UMIP);
}

/* PUSHF and POPF. */
CODE(c_pushf, "pushf\n pop " R("ax") "\n" STOP);
CODE(c_popf, "push " R("ax") "\n popf\n pushf\n pop " R("bx") "\n" STOP);
CODE(c_pushfw, "pushfw\n pop %ax\n" STOP);
CODE(c_popfw, "push %ax\n popfw\n pushf\n pop " R("bx") "\n" STOP);

#define FL_ALL                                                                 \
	(FL_STATUS | FL_IF | FL_DF | FL_IOPL | FL_NT | FL_AC | FL_ID | FL_ONE)

static void pushf(void)
{
	static const ulong flag_tab[] = {
		0, FL_IF, FL_IOPL, FL_NT, FL_AC, FL_ID, FL_DF, FL_STATUS,
		FL_ALL & ~(FL_IF),
	};

	for (int ring = 0; ring <= 3; ring += 3) {
		for (unsigned i = 0; i < ARRAY_LEN(flag_tab); i++) {
			struct regs r;

			context("ring %u flags %lx", ring, flag_tab[i]);
			regs_init(&r, c_pushf, ring);
			r.rflags |= flag_tab[i];
			run(&r);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, flag_tab[i] | FL_ONE);
			CHECK_EQ(r.rflags, flag_tab[i] | FL_ONE);
			regs_init(&r, c_pushfw, ring);
			r.rflags |= flag_tab[i];
			run(&r);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, (flag_tab[i] | FL_ONE) & 0xffff);
		}
	}
}

static ulong popf_result(int ring, ulong before, ulong value, const u8 *code)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rflags |= before;
	r.rax = value;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, r.rflags);
	return r.rbx;
}

static void popf(void)
{
	ulong all = FL_ALL & ~(ulong)FL_TF;

	/* Ring 0 gets what it asks for. */
	CHECK_EQ(popf_result(0, 0, all, c_popf), all);
	CHECK_EQ(popf_result(0, all, 0, c_popf), FL_ONE);
	/* Ring 3, IOPL 0: IF and IOPL stay, silently. */
	CHECK_EQ(popf_result(3, 0, all, c_popf),
		 all & ~(ulong)(FL_IF | FL_IOPL));
	CHECK_EQ(popf_result(3, FL_IF, 0, c_popf), FL_ONE | FL_IF);
	/* Ring 3, IOPL 3: IF is its own, IOPL is not. */
	CHECK_EQ(popf_result(3, FL_IOPL, FL_IF, c_popf),
		 FL_ONE | FL_IOPL | FL_IF);
	CHECK_EQ(popf_result(3, FL_IOPL | FL_IF, 0, c_popf), FL_ONE | FL_IOPL);
	/* 16 bits: the upper half stays. */
	CHECK_EQ(popf_result(0, FL_AC | FL_ID, FL_CF, c_popfw),
		 FL_AC | FL_ID | FL_CF | FL_ONE);
	CHECK_EQ(popf_result(3, FL_AC | FL_ID, FL_CF | FL_IF, c_popfw),
		 FL_AC | FL_ID | FL_CF | FL_ONE);
	/* Reserved bits, RF and VM read 0 or 1 as they must. */
	CHECK_EQ(popf_result(0, 0, (ulong)0xffc08028 | FL_RF, c_popf), FL_ONE);
}

/* LAR, LSL, VERR, VERW on the guest's GDT. */
CODE(c_lar, "lar %ax, %ebx\n pushf\n pop " R("cx") "\n" STOP);
CODE(c_lsl, "lsl %ax, %ebx\n pushf\n pop " R("cx") "\n" STOP);
CODE(c_verr, "verr %ax\n pushf\n pop " R("cx") "\n" STOP);
CODE(c_verw, "verw %ax\n pushf\n pop " R("cx") "\n" STOP);

static const struct {
	const char *what;
	u64 descriptor;
	unsigned rpl;
	/* Results in ring 0 and in ring 3: L(AR), S(L), R(ead), W(rite). */
	const char *ring0, *ring3;
	u32 limit;
} segment_tab[] = {
	{ "data", 0x00cf93000000ffff, 0, "LSRW", "", 0xffffffff },
	{ "data, RPL 3", 0x00cf93000000ffff, 3, "", "", 0 },
	{ "user data", 0x00cff3000000ffff, 3, "LSRW", "LSRW", 0xffffffff },
	{ "read-only", 0x0040f10000001234, 3, "LSR", "LSR", 0x1234 },
	{ "code", 0x00cffb000000ffff, 3, "LSR", "LSR", 0xffffffff },
	{ "execute only", 0x004ff90000012345, 3, "LS", "LS", 0 },
	{ "conforming, DPL 0", 0x00c09f0000000fff, 3, "LSR", "LSR", 0xffffff },
	/* What VERR says of it, the manuals leave open. */
	{ "absent", 0x00cf73000000ffff, 3, "LS??", "LS??", 0xffffffff },
	{ "LDT", 0x0000820000000040, 0, "LS", "", 0x40 },
	{ "available TSS", 0x0000e90000000067, 3, "LS", "LS", 0x67 },
	{ "busy TSS", 0x0000eb0000000067, 3, "LS", "LS", 0x67 },
	{ "interrupt gate", 0x0000ee0000000000, 3, "", "", 0 },
	{ "call gate", 0x0000ec0000000000, 3, "L", "L", 0 },
	{ "type 0", 0x0000e00000000000, 3, "", "", 0 },
};

static bool contains(const char *s, char c)
{
	while (*s && *s != c)
		s++;
	return *s == c;
}

static void segment_rights_from(int ring, const u8 *const code[4])
{
	for (unsigned i = 0; i < ARRAY_LEN(segment_tab); i++) {
		const char *want = ring ? segment_tab[i].ring3
					: segment_tab[i].ring0;
		u64 d = segment_tab[i].descriptor;
		static const char kinds[] = "LSRW";

		/* Long mode reads 16 bytes of a system descriptor. */
		gdt_set(SEL_FREE, d);
		gdt[SEL_FREE / 8 + 1] = 0;
		for (unsigned k = 0; k < 4; k++) {
			bool good = contains(want, kinds[k]);
			struct regs r = go(code[k], ring,
					   SEL_FREE | segment_tab[i].rpl);

			context("%s, %s, ring %u", segment_tab[i].what,
				k == 0 ? "lar" : k == 1 ? "lsl" :
				k == 2 ? "verr" : "verw", ring);
			CHECK_STOP(r);
			if (k >= 2 && contains(want, '?'))
				continue;
			CHECK_EQ(!!(r.rcx & FL_ZF), good);
			if (k >= 2)
				continue;
			if (!good)
				CHECK_EQ(r.rbx, ~0ul);
			else if (k == 0)
				CHECK_EQ(r.rbx & 0xf0ff00,
					 d >> 32 & 0xf0ff00);
			else if (!contains(segment_tab[i].what, 'x'))
				CHECK_EQ(r.rbx, segment_tab[i].limit);
		}
	}
}

static void segment_rights(void)
{
	static const u8 *const code[] = { c_lar, c_lsl, c_verr, c_verw };

	segment_rights_from(0, code);
	segment_rights_from(3, code);
}

/* Null and out-of-range selectors fail quietly. */
static void no_segment(void)
{
	static const u8 *const code_tab[] = { c_lar, c_lsl, c_verr, c_verw };

	for (unsigned i = 0; i < 4; i++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			struct regs r;

			context("number %u ring %u", i, ring);
			r = go(code_tab[i], ring, 0);
			CHECK_STOP(r);
			CHECK_EQ(r.rcx & FL_ZF, 0);
			r = go(code_tab[i], ring, 3);
			CHECK_EQ(r.rcx & FL_ZF, 0);
			r = go(code_tab[i], ring, 0xfff8);
			CHECK_STOP(r);
			CHECK_EQ(r.rcx & FL_ZF, 0);
			r = go(code_tab[i], ring, 0x0f); /* no LDT */
			CHECK_STOP(r);
			CHECK_EQ(r.rcx & FL_ZF, 0);
		}
	}
}

/* Segment registers read and written. */
CODE(c_mov_from, "mov %cs, %eax\n mov %ss, %ebx\n mov %cs, %cx\n"
		 "mov %ss, (" R("di") ")\n" STOP);
CODE(c_mov_to, "mov %eax, %ds\n mov %eax, %es\n mov %eax, %fs\n mov %eax, %gs\n"
	       "mov %ds, %eax\n mov %es, %ebx\n mov %fs, %ecx\n mov %gs, %edx\n"
	       STOP);
CODE(c_push_pop, "push %fs\n pop " R("bx") "\n push " R("ax") "\n pop %gs\n"
		 "mov %gs, %ecx\n" STOP);
CODE(c_mov_ds, "mov %eax, %ds\n" STOP);
CODE(c_mov_ss, "mov %eax, %ss\n" STOP);

static void segment_registers(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		u16 data = ring ? SEL_USER_DATA : SEL_DATA;
		struct regs r;

		context("ring %u", ring);
		r = go(c_mov_from, ring, ~0ul);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, ring ? SEL_USER : SEL_CODE);
		CHECK_EQ(r.rbx, data);
		CHECK_EQ(r.rcx, ring ? SEL_USER : SEL_CODE);
		CHECK_EQ(stored(0, 2), data);
		CHECK_EQ(stored(2, 1), 0xcc);
		r = go(c_mov_to, ring, data);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, data);
		CHECK_EQ(r.rbx, data);
		CHECK_EQ(r.rcx, data);
		CHECK_EQ(r.rdx, data);
		asm volatile("mov %0, %%fs" :: "r"(SEL_USER_DATA));
#ifdef __x86_64__
		r = go(c_push_pop, ring, data);
#else
		regs_init(&r, c_push_pop, ring);
		r.fs = SEL_USER_DATA;
		r.rax = data;
		run(&r);
#endif
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, SEL_USER_DATA);
		CHECK_EQ(r.rcx, data);
	}
}

static void bad_segment_loads(void)
{
	static const struct {
		const char *what;
		const u8 *code;
		int ring;
		u16 selector;
		unsigned vector, error;
	} load_tab[] = {
		{ "null DS", c_mov_ds, 0, 0, V_STOP, 0 },
		{ "null DS", c_mov_ds, 3, 3, V_STOP, 0 },
		{ "beyond", c_mov_ds, 3, 0x1003, V_GP, 0x1000 },
		{ "kernel data", c_mov_ds, 3, SEL_DATA, V_GP, SEL_DATA },
		{ "kernel data, RPL 3", c_mov_ds, 0, SEL_DATA | 3, V_GP,
		  SEL_DATA },
		{ "TSS", c_mov_ds, 0, SEL_TSS, V_GP, SEL_TSS },
		{ "readable code", c_mov_ds, 3, SEL_USER, V_STOP, 0 },
		{ "execute only", c_mov_ds, 0, SEL_FREE, V_GP, SEL_FREE },
		{ "absent", c_mov_ds, 0, SEL_FREE + 8, V_NP, SEL_FREE + 8 },
		{ "LDT", c_mov_ds, 0, 0x0c, V_GP, 0x0c },
		{ "SS, code", c_mov_ss, 0, SEL_CODE, V_GP, SEL_CODE },
		{ "SS, read-only", c_mov_ss, 0, SEL_FREE + 16, V_GP,
		  SEL_FREE + 16 },
		{ "SS, DPL 3", c_mov_ss, 0, SEL_USER_DATA, V_GP,
		  SEL_USER_DATA & ~3 },
		{ "SS, absent", c_mov_ss, 0, SEL_FREE + 8, V_SS, SEL_FREE + 8 },
		{ "SS, null", c_mov_ss, 3, 3, V_GP, 0 },
		{ "SS, RPL 0", c_mov_ss, 3, SEL_USER_DATA & ~3, V_GP,
		  SEL_USER_DATA & ~3 },
	};

	gdt_set(SEL_FREE, desc(0, 0xfffff, ACC_CODE_X, SEG_G | SEG_D));
	gdt_set(SEL_FREE + 8, gdt[SEL_DATA / 8] & ~BIT(47));
	gdt_set(SEL_FREE + 16, desc(0, 0xfffff, ACC_DATA_RO, SEG_G));
	for (unsigned i = 0; i < ARRAY_LEN(load_tab); i++) {
		struct regs r = go(load_tab[i].code, load_tab[i].ring,
				   load_tab[i].selector);

		context("%s, ring %u", load_tab[i].what, load_tab[i].ring);
		CHECK_TRAP(r, load_tab[i].vector, load_tab[i].error);
		CHECK_EQ(r.ss, load_tab[i].ring ? SEL_USER_DATA : SEL_DATA);
	}
}

/* The accessed bit is set in the descriptor by a load, not by LAR. */
static void accessed_bit(void)
{
	struct regs r;

	gdt_set(SEL_FREE, desc(0, 0xfffff, 0xf2, SEG_G | SEG_D));
	r = go(c_lar, 3, SEL_FREE | 3);
	CHECK_EQ(gdt[SEL_FREE / 8] >> 40 & 0xff, 0xf2);
	r = go(c_mov_ds, 3, SEL_FREE | 3);
	CHECK_STOP(r);
	CHECK_EQ(((volatile u64 *)gdt)[SEL_FREE / 8] >> 40 & 0xff, 0xf3);
}

/* Far transfers within the ring. */
CODE(c_lcall, "lcall *(" R("di") ")\n" STOP);
CODE(c_ljmp, "ljmp *(" R("di") ")\n" STOP);
CODE(c_target, "mov %cs, %ebx\n" STOP);

static struct regs far_through(const u8 *code, int ring, const void *target,
			       u16 selector)
{
	struct regs r;
	u32 at = (ulong)target;

	memcpy(buffer, &at, 4);
	memcpy(buffer + 4, &selector, 2);
	regs_init(&r, code, ring);
	r.rdi = ring ? user(buffer) : (ulong)buffer;
	run(&r);
	return r;
}

static void far_transfers(void)
{
	struct regs r;
	ulong sp;

	regs_init(&r, c_lcall, 0);
	sp = r.rsp;
	r = far_through(c_lcall, 0, c_target, SEL_CODE);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, SEL_CODE);
	CHECK_EQ(r.rsp, sp - 8);
	CHECK_EQ(((volatile u32 *)r.rsp)[0], (u32)(ulong)c_lcall + 2);
	CHECK_EQ(((volatile u32 *)r.rsp)[1] & 0xffff, SEL_CODE);
	r = far_through(c_ljmp, 0, c_target, SEL_CODE);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, sp);
	/* RPL is not taken over: CPL stays. */
	r = far_through(c_ljmp, 0, c_target, SEL_DATA);
	CHECK_TRAP(r, V_GP, SEL_DATA);
	r = far_through(c_ljmp, 0, c_target, 0);
	CHECK_TRAP(r, V_GP, 0);
	r = far_through(c_ljmp, 0, c_target, SEL_USER);
	CHECK_TRAP(r, V_GP, SEL_USER & ~3);
	r = far_through(c_ljmp, 3, c_target, SEL_CODE | 3);
	CHECK_TRAP(r, V_GP, SEL_CODE);
	r = far_through(c_lcall, 3, c_target, SEL_CODE | 3);
	CHECK_TRAP(r, V_GP, SEL_CODE);
	gdt_set(SEL_FREE, gdt[SEL_CODE / 8] & ~BIT(47));
	r = far_through(c_ljmp, 0, c_target, SEL_FREE);
	CHECK_TRAP(r, V_NP, SEL_FREE);
	/* A conforming segment of ring 0 runs in ring 3. */
	gdt_set(SEL_FREE, (gdt[SEL_CODE / 8] & ~(0xffull << 40)) |
				  (u64)ACC_CODE_CONF << 40);
#ifndef __x86_64__
	r = far_through(c_ljmp, 3, c_target, SEL_FREE);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, SEL_FREE | 3);
#endif
}

#ifdef __x86_64__
/*
 * Compatibility mode: the same instructions with 32-bit operands. The low
 * 4 GiB are opened to ring 3 for it.
 */
#define CODE32(name, text) CODE(name, ".code32\n" text "\n.code64\n")

CODE32(k_sgdt, "sgdt (%edi)\n" STOP);
CODE32(k_sidt, "sidt (%edi)\n" STOP);
CODE32(k_sldt, "sldt %eax\n sldt (%edi)\n" STOP);
CODE32(k_str, "str %eax\n str (%edi)\n" STOP);
CODE32(k_pushf, "pushf\n pop %eax\n" STOP);
CODE32(k_popf, "push %eax\n popf\n pushf\n pop %ebx\n" STOP);
CODE32(k_lar, "lar %ax, %ebx\n pushf\n pop %ecx\n" STOP);
CODE32(k_lsl, "lsl %ax, %ebx\n pushf\n pop %ecx\n" STOP);
CODE32(k_verr, "verr %ax\n pushf\n pop %ecx\n" STOP);
CODE32(k_verw, "verw %ax\n pushf\n pop %ecx\n" STOP);
CODE32(k_segments, "push %cs\n pop %eax\n push %ss\n pop %ebx\n"
		   "push %ds\n pop %es\n mov %es, %ecx\n"
		   "mov %cs, %dx\n" STOP);
CODE32(k_mixed, "pusha\n popa\n inc %eax\n aaa\n daa\n .byte 0x82, 0xc0, 1\n"
		STOP);
CODE32(k_far, "lcall $0x23, $k_far_sub\n mov %eax, %ecx\n"
	      "ljmp $0x33, $k_far_64\n"
	      "k_far_sub: mov $0x77, %eax\n lret\n"
	      ".code64\n k_far_64: mov $-1, %rax\n" STOP);
CODE32(k_syscall, "syscall\n" STOP);
CODE32(k_sysenter, "sysenter\n" STOP);

static bool compat_null;

static struct regs compat(const u8 *code, ulong ax, ulong flags)
{
	struct regs r;

	root[0] |= PTE_U;
	write_cr3(read_cr3());
	for (unsigned i = 0; i < sizeof(buffer); i++)
		((volatile u8 *)buffer)[i] = 0xcc;
	regs_init(&r, code, 3);
	r.rip = (ulong)code;
	r.rsp -= USER_ALIAS;
	r.cs = SEL_USER32;
	r.rdi = (ulong)buffer;
	r.rax = ax;
	r.rbx = 0xffffffff;
	r.rflags |= flags;
	/* Compatibility mode has real data segments. */
	asm volatile("mov %0, %%ds; mov %0, %%es"
		     :: "r"(compat_null ? 0 : SEL_USER_DATA));
	run(&r);
	return r;
}

static void compatibility_mode(void)
{
	struct regs r;

	r = compat(k_sgdt, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(stored(0, 2), sizeof(gdt) - 1);
	CHECK_EQ(stored(2, 4), (ulong)gdt);
	CHECK_EQ(stored(6, 1), 0xcc);
	r = compat(k_sidt, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(stored(2, 4), (ulong)idt);
	CHECK_EQ(stored(6, 1), 0xcc);
	r = compat(k_sldt, ~0u, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0);
	r = compat(k_str, ~0u, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, SEL_TSS);
	CHECK_EQ(stored(0, 2), SEL_TSS);
	r = compat(k_pushf, 0, FL_IF | FL_DF | FL_ID);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, FL_IF | FL_DF | FL_ID | FL_ONE);
	r = compat(k_popf, FL_ALL & ~FL_TF, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, FL_ALL & ~(FL_TF | FL_IF | FL_IOPL));
	r = compat(k_segments, 0, 0);
	CHECK_STOP(r);
	/* PUSH of a selector need not write its upper half. */
	CHECK_EQ(r.rax & 0xffff, SEL_USER32);
	CHECK_EQ(r.rbx & 0xffff, SEL_USER_DATA);
	CHECK_EQ(r.rcx, SEL_USER_DATA);
	CHECK_EQ(r.rdx & 0xffff, SEL_USER32);
	/* 7 + 1 is 8; +1: 9, by way of AAA and DAA. */
	r = compat(k_mixed, 7, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 9);
	r = compat(k_far, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, ~0ul);
	CHECK_EQ(r.rcx, 0x77);
	CHECK_EQ(r.cs, SEL_USER);
}

static void compatibility_rights(void)
{
	static const u8 *const code[] = { k_lar, k_lsl, k_verr, k_verw };

	for (unsigned i = 0; i < ARRAY_LEN(segment_tab); i++) {
		const char *want = segment_tab[i].ring3;
		static const char kinds[] = "LSRW";

		gdt_set(SEL_FREE, segment_tab[i].descriptor);
		gdt[SEL_FREE / 8 + 1] = 0;
		for (unsigned k = 0; k < 4; k++) {
			struct regs r = compat(code[k],
					       SEL_FREE | segment_tab[i].rpl,
					       0);

			context("%s, number %u", segment_tab[i].what, k);
			CHECK_STOP(r);
			if (k >= 2 && contains(want, '?'))
				continue;
			CHECK_EQ(!!(r.rcx & FL_ZF), contains(want, kinds[k]));
		}
	}
}

/* Data segments count again there: null ones are #GP(0). */
CODE32(k_load, "mov (%edi), %eax\n" STOP);
CODE32(k_load_ss, "mov %ss:(%edi), %eax\n" STOP);
CODE32(k_store_es, "stosb\n" STOP);
CODE32(k_null_ds, "xor %edx, %edx\n mov %edx, %ds\n mov (%edi), %eax\n" STOP);
CODE32(k_zeros, ".skip 4096\n" STOP); /* add %al, (%eax) */

static void compatibility_null(void)
{
	struct regs r;

	r = compat(k_load, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ((u32)r.rax, 0xcccccccc);
	r = compat(k_null_ds, 0, 0);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.rip, (ulong)k_null_ds + 4);
	compat_null = true;
	r = compat(k_load, 0, 0);
	CHECK_TRAP(r, V_GP, 0);
	r = compat(k_store_es, 0, 0);
	CHECK_TRAP(r, V_GP, 0);
	r = compat(k_load_ss, 0, 0);
	CHECK_STOP(r);
	r = compat(k_zeros, (ulong)buffer, 0);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.rip, (ulong)k_zeros);
	compat_null = false;
	r = compat(k_zeros, (ulong)buffer, 0);
	CHECK_STOP(r);
}

/* AMD has SYSCALL there and no SYSENTER; Intel the reverse. */
static void compatibility_syscall(void)
{
	struct regs r;

	wrmsr(MSR_STAR, (u64)SEL_USER32 << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_CSTAR, (ulong)c_target);
	wrmsr(MSR_FMASK, FL_IF);
	r = compat(k_syscall, 0, 0);
	if (vendor_is_intel()) {
		CHECK_TRAP(r, V_UD, 0);
		return;
	}
	CHECK_STOP(r);
	CHECK_EQ(r.cs, SEL_CODE);
	CHECK_EQ(r.rbx, SEL_CODE);
	CHECK_EQ(r.rcx, (ulong)k_syscall + 2);
}

static void compatibility_sysenter(void)
{
	static ulong stack[16];
	struct regs r;

	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_ESP, (ulong)(stack + 16));
	wrmsr(MSR_SYSENTER_EIP, (ulong)c_target);
	r = compat(k_sysenter, 0, 0);
	if (!vendor_is_intel()) {
		CHECK_TRAP(r, V_UD, 0);
		CHECK_EQ(r.rip, (ulong)k_sysenter);
	} else {
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, SEL_CODE);
		CHECK_EQ(r.rsp, (ulong)(stack + 16));
	}
	wrmsr(MSR_SYSENTER_CS, 0);
}
#endif

const struct test tests[] = {
	{ "SGDT and SIDT", tables },
	{ "SLDT and STR", task_and_ldt },
	{ "SMSW", machine_status },
	{ "UMIP", umip },
	{ "PUSHF", pushf },
	{ "POPF", popf },
	{ "LAR, LSL, VERR, VERW", segment_rights },
	{ "the same without a segment", no_segment },
	{ "segment registers", segment_registers },
	{ "bad segment loads", bad_segment_loads },
	{ "accessed bit of a descriptor", accessed_bit },
	{ "far transfers", far_transfers },
#ifdef __x86_64__
	{ "compatibility mode", compatibility_mode },
	{ "compatibility mode: LAR and kin", compatibility_rights },
	{ "compatibility mode: null segments", compatibility_null,
	  "no null checks on access (SDM 3A 5.4.1)" },
	{ "compatibility mode: SYSCALL", compatibility_syscall },
	{ "compatibility mode: SYSENTER", compatibility_sysenter,
	  "executes it as AMD (APM 3 \"SYSENTER\": #UD in long mode)" },
#endif
	{ NULL },
};
