/* SPDX-License-Identifier: Apache-2.0 */
/* far.c - far JMP, CALL, RET and IRET in every mode, call gates, and the
 * fault that each check gives. */
#include "world.h"

static struct world w;
static struct x86_fault f;

#define NEXT (W_CODE + 7u)

static int jmp(u16 sel, u64 off)
{
	return x86_jmp_far(&w.s, &w.m, sel, off, 4, NEXT, &f);
}

static int call(u16 sel, u64 off)
{
	return x86_call_far(&w.s, &w.m, sel, off, 4, NEXT, &f);
}

static void check_gp(int r, u32 error, const char *what)
{
	tap_check(r == -1 && is_fault(&f, X86_GP, error) && w.s.rip == W_CODE,
		  "#GP(0x%x): %s", error, what);
}

/* --- JMP and CALL to code segments --- */

static void test_direct(void)
{
	world_protected(&w);
	tap_check(!jmp(G_CODE16, 0x1234) && w.s.rip == 0x1234 &&
			  w.s.seg[X86_CS].sel == G_CODE16 &&
			  !(w.s.seg[X86_CS].attr & SEG_DB),
		  "JMP changes the code size");
	world_protected(&w);
	check_gp(jmp(G_CODE16, 0x10000), 0, "beyond the limit");
	check_gp(jmp(3, 0), 0, "null selector");
	check_gp(jmp(G_DATA, 0), G_DATA, "data segment");
	check_gp(jmp(0x1000, 0), 0x1000, "beyond the GDT");
	check_gp(jmp(G_CODE32 | 4, 0), G_CODE32 | 4, "empty LDT slot");
	check_gp(jmp(G_UCODE32 | 3, 0), G_UCODE32, "less privileged code");
	check_gp(jmp(G_CODE32 | 3, 0), G_CODE32, "RPL above CPL");
	set_desc(&w, G_FREE, desc(0, 0xffff, A_CODE | SEG_CONFORMING | DPL(3)));
	check_gp(jmp(G_FREE | 3, 0), G_FREE, "conforming, less privileged");
	set_desc(&w, G_FREE, desc(0, 0xffff, A_CODE & ~SEG_P));
	tap_check(jmp(G_FREE, 0) && is_fault(&f, X86_NP, G_FREE),
		  "#NP: code not present");
	tap_check(!jmp(G_CONF | 3, 0x10) && w.s.seg[X86_CS].sel == G_CONF,
		  "conforming: RPL does not matter");
	world_protected(&w);
	world_user(&w, G_UCODE32);
	tap_check(!jmp(G_CONF, 0x10) && w.s.seg[X86_CS].sel == (G_CONF | 3) &&
			  x86_cpl(&w.s) == 3,
		  "conforming code from CPL 3 stays at CPL 3");

	world_protected(&w);
	tap_check(!call(G_CODE32, 0x5000) && w.s.rip == 0x5000 &&
			  get32(&w, W_STACK0 - 4) == G_CODE32 &&
			  get32(&w, W_STACK0 - 8) == NEXT,
		  "CALL pushes CS and EIP");
	world_protected(&w);
	w.s.seg[X86_SS].limit = 0x100;
	tap_check(call(G_CODE32, 0x5000) && is_fault(&f, X86_SSEG, 0) &&
			  w.s.rip == W_CODE && w.s.gpr[X86_RSP] == W_STACK0,
		  "CALL without a stack: #SS(0), nothing changed");

	world_long(&w);
	tap_check(!x86_jmp_far(&w.s, &w.m, G_CODE32, 0x5000, 4, NEXT, &f) &&
			  !x86_is_64bit(&w.s) && x86_is_long_mode(&w.s),
		  "64-bit to compatibility mode");
	tap_check(!jmp(G_CODE64, 0x6000) && x86_is_64bit(&w.s), "and back");
	world_long(&w);
	check_gp(x86_jmp_far(&w.s, &w.m, G_CODE64, 1ull << 47, 8, NEXT, &f), 0,
		 "not canonical");
	set_desc(&w, G_FREE, desc(0, 0xffff, A_CODE | SEG_L | SEG_DB));
	check_gp(jmp(G_FREE, 0), G_FREE, "L and D");
	tap_check(!x86_call_far(&w.s, &w.m, G_CODE64, 0x5000, 8, NEXT, &f) &&
			  get64(&w, W_STACK0 - 8) == G_CODE64 &&
			  get64(&w, W_STACK0 - 16) == NEXT,
		  "64-bit CALL pushes 8 bytes each");

	world_real(&w);
	tap_check(!x86_jmp_far(&w.s, &w.m, 0xffff, 0x10, 2, 0, &f) &&
			  w.s.seg[X86_CS].base == 0xffff0,
		  "real-mode JMP");
	world_real(&w);
	tap_check(!x86_call_far(&w.s, &w.m, 0x3000, 0x20, 2, 0x105, &f) &&
			  get16(&w, 0x20ffe) == 0x1000 &&
			  get16(&w, 0x20ffc) == 0x105,
		  "real-mode CALL");
	tap_check(!x86_ret_far(&w.s, &w.m, 2, 6, &f) && w.s.rip == 0x105 &&
			  w.s.seg[X86_CS].sel == 0x1000 &&
			  w.s.gpr[X86_RSP] == 0x1006,
		  "and RET with 6 bytes");
	world_real(&w);
	tap_check(x86_jmp_far(&w.s, &w.m, 0, 0x10000, 4, 0, &f) &&
			  is_fault(&f, X86_GP, 0),
		  "real-mode JMP beyond 64 KiB");
}

/* --- call gates --- */

static void test_gates32(void)
{
	world_protected(&w);
	set_desc(&w, G_FREE,
		 gate(G_CODE32, 0x5000, SEG_P | SYS_CALL | DPL(3), 2));
	world_user(&w, G_UCODE32);
	put32(&w, W_STACK3, 0x11111111);
	put32(&w, W_STACK3 + 4, 0x22222222);
	tap_check(!call(G_FREE | 3, 0x999), "CALL through a gate to CPL 0");
	tap_check(w.s.rip == 0x5000 && x86_cpl(&w.s) == 0 &&
			  w.s.seg[X86_CS].sel == G_CODE32 &&
			  w.s.seg[X86_SS].sel == G_DATA,
		  "the gate's target, the TSS's stack");
	tap_check(w.s.gpr[X86_RSP] == W_STACK0 - 24 &&
			  get32(&w, W_STACK0 - 4) == (G_UDATA | 3) &&
			  get32(&w, W_STACK0 - 8) == W_STACK3 &&
			  get32(&w, W_STACK0 - 12) == 0x22222222 &&
			  get32(&w, W_STACK0 - 16) == 0x11111111 &&
			  get32(&w, W_STACK0 - 20) == (G_UCODE32 | 3) &&
			  get32(&w, W_STACK0 - 24) == NEXT,
		  "frame with two parameters");
	set_seg(&w, X86_DS, G_DATA);
	tap_check(!x86_ret_far(&w.s, &w.m, 4, 8, &f) && w.s.rip == NEXT &&
			  x86_cpl(&w.s) == 3 &&
			  w.s.gpr[X86_RSP] == W_STACK3 + 8,
		  "RET 8 takes the parameters off both stacks");
	tap_check((w.s.seg[X86_DS].attr & SEG_UNUSABLE) &&
			  w.s.seg[X86_DS].sel == 0 &&
			  w.s.seg[X86_ES].sel == (G_UDATA | 3),
		  "DS of CPL 0 becomes null, ES of CPL 3 stays");

	/* The most parameters, across the wrap of nothing: 35 pushes. */
	world_protected(&w);
	set_desc(&w, G_FREE,
		 gate(G_CODE32, 0x5000, SEG_P | SYS_CALL | DPL(3), 31));
	world_user(&w, G_UCODE32);
	for (unsigned i = 0; i < 31; i++)
		put32(&w, W_STACK3 + i * 4, 0x100 + i);
	tap_check(!call(G_FREE | 3, 0) &&
			  w.s.gpr[X86_RSP] == W_STACK0 - 35 * 4 &&
			  get32(&w, W_STACK0 - 33 * 4) == 0x100 &&
			  get32(&w, W_STACK0 - 3 * 4) == 0x100 + 30,
		  "31 parameters");

	world_protected(&w);
	set_desc(&w, G_FREE, gate(G_CODE32, 0x5000, SEG_P | SYS_CALL, 0));
	tap_check(!call(G_FREE, 0) && w.s.gpr[X86_RSP] == W_STACK0 - 8,
		  "gate within CPL 0: no stack in the frame");
	world_protected(&w);
	set_desc(&w, G_FREE, gate(G_CODE32, 0x5000, SEG_P | SYS_CALL, 0));
	w.s.rip = W_CODE;
	check_gp(call(G_FREE | 1, 0), G_FREE, "gate's DPL below RPL");
	set_desc(&w, G_FREE, gate(G_CODE32, 0xffff5000, SEG_P | SYS_CALL16, 0));
	tap_check(!call(G_FREE, 0) && w.s.rip == 0x5000 &&
			  get16(&w, W_STACK0 - 2) == G_CODE32 &&
			  get16(&w, W_STACK0 - 4) == (u16)NEXT,
		  "16-bit gate");
	tap_check(!jmp(G_FREE, 0) && w.s.gpr[X86_RSP] == W_STACK0 - 4,
		  "JMP through it pushes nothing");

	world_protected(&w);
	set_desc(&w, G_FREE, gate(G_CODE32, 0x5000, SEG_P | SYS_CALL, 0));
	world_user(&w, G_UCODE32);
	check_gp(call(G_FREE, 0), G_FREE, "gate's DPL below CPL");
	set_desc(&w, G_FREE,
		 gate(G_CODE32, 0x5000, SEG_P | SYS_CALL | DPL(3), 0));
	check_gp(jmp(G_FREE, 0), G_CODE32, "JMP to more privilege");
	set_desc(&w, G_FREE, gate(G_CODE32, 0x5000, SYS_CALL | DPL(3), 0));
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_NP, G_FREE),
		  "#NP: gate not present");
	set_desc(&w, G_FREE, gate(0, 0x5000, SEG_P | SYS_CALL | DPL(3), 0));
	check_gp(call(G_FREE, 0), 0, "gate to null");
	set_desc(&w, G_FREE,
		 gate(G_DATA, 0x5000, SEG_P | SYS_CALL | DPL(3), 0));
	check_gp(call(G_FREE, 0), G_DATA, "gate to data");
	set_desc(&w, G_FREE,
		 gate(G_CODE32, 0x5000, SEG_P | SYS_CALL | DPL(3), 0));
	put32(&w, W_TSS + 8, G_UDATA | 3);
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_TS, G_UDATA),
		  "#TS: inner SS of another privilege");
	put32(&w, W_TSS + 8, G_CODE32);
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_TS, G_CODE32),
		  "#TS: inner SS is code");
	put32(&w, W_TSS + 8, 0x1000);
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_TS, 0x1000),
		  "#TS: inner SS beyond the GDT");
	set_desc(&w, G_FREE2, desc(0, 0xfffff, A_DATA & ~SEG_P));
	put32(&w, W_TSS + 8, G_FREE2);
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_SSEG, G_FREE2),
		  "#SS: inner SS not present");
	set_desc(&w, G_FREE2, desc(0, 7, A_DATA));
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_SSEG, G_FREE2),
		  "#SS(selector): no room on the inner stack");
	w.s.tr.limit = 8;
	tap_check(call(G_FREE, 0) && is_fault(&f, X86_TS, G_TSS),
		  "#TS: TSS too short");
	tap_check(w.s.rip == W_CODE && x86_cpl(&w.s) == 3 &&
			  w.s.gpr[X86_RSP] == W_STACK3,
		  "after all this nothing has changed");
}

static void set_gate64(u16 sel, u64 off, u32 attr, u32 top_type)
{
	put64(&w, W_GDT + G_FREE, gate(sel, (u32)off, attr, 0));
	put64(&w, W_GDT + G_FREE + 8, off >> 32 | (u64)top_type << 40);
}

static void test_gates64(void)
{
	u32 attr = SEG_P | SYS_CALL | DPL(3);

	world_long(&w);
	set_gate64(G_CODE64, 0x7fff12345678ull, attr, 0);
	world_user(&w, G_UCODE64);
	tap_check(!x86_call_far(&w.s, &w.m, G_FREE | 3, 0, 4, NEXT, &f) &&
			  w.s.rip == 0x7fff12345678ull && x86_cpl(&w.s) == 0 &&
			  w.s.seg[X86_SS].sel == 0,
		  "64-bit call gate");
	tap_check(w.s.gpr[X86_RSP] == W_STACK0 - 32 &&
			  get64(&w, W_STACK0 - 8) == (G_UDATA | 3) &&
			  get64(&w, W_STACK0 - 16) == W_STACK3 &&
			  get64(&w, W_STACK0 - 24) == (G_UCODE64 | 3) &&
			  get64(&w, W_STACK0 - 32) == NEXT,
		  "frame of 8-byte fields");
	tap_check(!x86_ret_far(&w.s, &w.m, 8, 0, &f) && w.s.rip == NEXT &&
			  x86_cpl(&w.s) == 3 && w.s.gpr[X86_RSP] == W_STACK3,
		  "and back");
	world_long(&w);
	set_gate64(G_CODE64, 1ull << 47, attr, 0);
	check_gp(call(G_FREE, 0), 0, "gate to a non-canonical address");
	set_gate64(G_CODE64, 0x5000, attr, 1);
	check_gp(call(G_FREE, 0), G_FREE, "a type in the upper half");
	set_gate64(G_CODE32, 0x5000, attr, 0);
	check_gp(call(G_FREE, 0), G_CODE32, "gate to 32-bit code");
	set_gate64(G_CODE64, 0x5000, SEG_P | SYS_CALL16 | DPL(3), 0);
	check_gp(call(G_FREE, 0), G_FREE, "16-bit gate in long mode");
	set_gate64(G_TSS, 0, SEG_P | SYS_TASK_GATE | DPL(3), 0);
	check_gp(call(G_FREE, 0), G_FREE, "task gate in long mode");
	check_gp(jmp(G_TSS, 0), G_TSS, "TSS in long mode");
	set_gate64(G_CODE64, 0x5000, attr, 0);
	w.s.gdtr.limit = G_FREE + 7;
	check_gp(call(G_FREE, 0), G_FREE, "upper half beyond the GDT");
}

/* --- RET --- */

static void push32s(const u32 *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put32(&w, w.s.gpr[X86_RSP] + i * 4, v[i]);
}

static int ret(u32 ip, u32 cs, u32 sp, u32 ss)
{
	push32s((u32[]){ ip, cs, sp, ss }, 4);
	return x86_ret_far(&w.s, &w.m, 4, 0, &f);
}

static void test_ret(void)
{
	world_protected(&w);
	check_gp(ret(0, 3, 0, 0), 0, "RET to null");
	check_gp(ret(0, G_DATA, 0, 0), G_DATA, "RET to data");
	check_gp(ret(0, G_UCODE32, 0, 0), G_UCODE32, "RET: RPL is not DPL");
	check_gp(ret(0, G_UCODE32 | 3, 0, 0), 0, "RET outwards to null SS");
	check_gp(ret(0, G_UCODE32 | 3, 0, G_DATA), G_DATA,
		 "RET outwards to an inner SS");
	check_gp(ret(0, G_UCODE32 | 3, 0, G_UCODE32 | 3), G_UCODE32,
		 "RET outwards to code as SS");
	set_desc(&w, G_FREE, desc(0, 0xff, (A_DATA | DPL(3)) & ~SEG_P));
	tap_check(ret(0, G_UCODE32 | 3, 0, G_FREE | 3) &&
			  is_fault(&f, X86_SSEG, G_FREE),
		  "RET outwards: SS not present");
	world_user(&w, G_UCODE32);
	check_gp(ret(0, G_CODE32, 0, 0), G_CODE32, "RET inwards");
	tap_check(!ret(0x123, G_UCODE32 | 3, 0, 0) && w.s.rip == 0x123 &&
			  w.s.gpr[X86_RSP] == W_STACK3 + 8,
		  "RET within CPL 3");

	/* 16-bit SS: only SP is written (as the kernel's espfix knows). */
	world_protected(&w);
	set_desc(&w, G_FREE, desc(0, 0xffff, A_DATA | DPL(3)));
	tap_check(!ret(0x123, G_UCODE32 | 3, 0xabcd1234, G_FREE | 3) &&
			  w.s.gpr[X86_RSP] == (W_STACK0 & ~0xffffu) + 0x1234,
		  "RET to a 16-bit stack keeps the upper half of ESP");
}

/* --- IRET --- */

static int iret(unsigned opsize)
{
	return x86_iret(&w.s, &w.m, opsize, &f);
}

static void put_frame64(u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss)
{
	u64 v[5] = { rip, cs, flags, rsp, ss };

	for (unsigned i = 0; i < 5; i++)
		put64(&w, w.s.gpr[X86_RSP] + i * 8, v[i]);
}

static void test_iret64(void)
{
	world_long(&w);
	w.s.nmi_masked = 1;
	put_frame64(0x5000, G_UCODE64 | 3, ~0ull, 0x6000, G_UDATA | 3);
	tap_check(!iret(8) && w.s.rip == 0x5000 && x86_cpl(&w.s) == 3 &&
			  w.s.gpr[X86_RSP] == 0x6000,
		  "IRETQ to user");
	tap_equal(w.s.rflags, 0x3d7fd7ull, "every flag but VM");
	tap_equal(w.s.nmi_masked, 0, "NMIs come again");
	tap_equal(w.s.seg[X86_DS].sel, 0, "kernel DS is nulled");

	world_long(&w);
	put_frame64(0x5000, G_CODE64, FLAG_FIXED, 0x6008, 0);
	tap_check(!iret(8) && w.s.gpr[X86_RSP] == 0x6008 &&
			  (w.s.seg[X86_SS].attr & SEG_UNUSABLE) &&
			  x86_cpl(&w.s) == 0,
		  "IRETQ within CPL 0 pops RSP and a null SS");
	world_long(&w);
	put_frame64(0x5000, G_UCODE64 | 3, 2, 0x6000, 3);
	check_gp(iret(8), 0, "null SS at CPL 3");
	put_frame64(0x5000, G_CODE64, 2, 0x6000, 3);
	check_gp(iret(8), 0, "null SS with RPL 3 at CPL 0");
	put_frame64(0x5000, G_CODE32, 2, 0x6000, 0);
	check_gp(iret(8), 0, "null SS for compatibility mode");
	put_frame64(1ull << 47, G_UCODE64 | 3, 2, 0x6000, G_UDATA | 3);
	check_gp(iret(8), 0, "RIP not canonical");
	put_frame64(0x5000, G_UCODE64 | 3, 2, 0x6000, G_DATA);
	check_gp(iret(8), G_DATA, "SS of CPL 0");
	w.s.rflags |= FLAG_NT;
	put_frame64(0x5000, G_CODE64, 2, 0x6000, 0);
	check_gp(iret(8), 0, "NT in long mode");

	world_long(&w);
	put_frame64(0x5000, G_UCODE32 | 3, FLAG_FIXED | FLAG_IF,
		    0x1234567800006000ull, G_UDATA | 3);
	w.s.seg[X86_FS].base = 0x1234567890ull;
	w.s.seg[X86_FS].attr = SEG_UNUSABLE;
	tap_check(!iret(8) && !x86_is_64bit(&w.s) && w.s.gpr[X86_RSP] == 0x6000,
		  "IRETQ to compatibility mode: 32 bits of RSP");
	tap_equal(w.s.seg[X86_FS].base, 0x1234567890ull,
		  "a null FS keeps the base that an MSR gave it");

	world_long(&w);
	world_user(&w, G_UCODE64);
	w.s.rflags |= FLAG_IF;
	put_frame64(0x5000, G_UCODE64 | 3, 0xffffffff, 0x6000, G_UDATA | 3);
	tap_check(!iret(8), "IRETQ at CPL 3");
	tap_equal(w.s.rflags, 0x254fd7ull | FLAG_IF,
		  "IOPL VIF VIP are not its to change");
	world_long(&w);
	world_user(&w, G_UCODE64);
	w.s.rflags |= FLAG_IF;
	put_frame64(0x5000, G_UCODE64 | 3, 2, 0x6000, G_UDATA | 3);
	tap_check(!iret(8) && (w.s.rflags & FLAG_IF), "nor IF with IOPL 0");
	world_long(&w);
	world_user(&w, G_UCODE64);
	put_frame64(0x5000, G_CODE64, 2, 0x6000, 0);
	check_gp(iret(8), G_CODE64, "IRETQ inwards");
	world_long(&w);
	put64(&w, W_PT + W_STACK0 / 4096 * 8, 0);
	tap_check(iret(8) && f.vector == X86_PF && f.cr2 == W_STACK0 &&
			  f.error == 0 && w.s.rip == W_CODE,
		  "#PF on the stack");
}

static void test_iret32(void)
{
	world_protected(&w);
	push32s((u32[]){ 0x5000, G_CODE32, 0xffffffff & ~(u32)FLAG_VM }, 3);
	tap_check(!iret(4) && w.s.gpr[X86_RSP] == W_STACK0 + 12,
		  "IRETD within CPL 0");
	tap_equal(w.s.rflags, 0x3d7fd7ull, "flags");
	world_protected(&w);
	push32s((u32[]){ 0x5000, G_UCODE32 | 3, 0x202, 0x7000, G_UDATA | 3 },
		5);
	tap_check(!iret(4) && x86_cpl(&w.s) == 3 &&
			  w.s.gpr[X86_RSP] == 0x7000 && (w.s.rflags & FLAG_IF),
		  "IRETD to user");
	world_protected(&w);
	push32s((u32[]){ 0x5000 | G_CODE32 << 16, 0xffff }, 2);
	w.s.rflags |= FLAG_ID;
	tap_check(!iret(2) && w.s.rip == 0x5000 &&
			  w.s.rflags == (0x7fd7ull | FLAG_ID),
		  "16-bit IRET leaves the upper flags");

	world_protected(&w);
	push32s((u32[]){ 0x1234, 0x2000, (u32)(FLAG_VM | FLAG_IF | FLAG_IOPL),
			 0x4567, 0x3000, 0x3100, 0x3200, 0x3300, 0x3400 },
		9);
	tap_check(!iret(4) && x86_is_vm86(&w.s) && x86_cpl(&w.s) == 3,
		  "IRETD to virtual-8086 mode");
	tap_check(w.s.rip == 0x1234 && w.s.seg[X86_CS].base == 0x20000 &&
			  w.s.seg[X86_SS].sel == 0x3000 &&
			  w.s.gpr[X86_RSP] == 0x4567 &&
			  w.s.seg[X86_ES].sel == 0x3100 &&
			  w.s.seg[X86_DS].sel == 0x3200 &&
			  w.s.seg[X86_FS].sel == 0x3300 &&
			  w.s.seg[X86_GS].sel == 0x3400 &&
			  w.s.seg[X86_GS].limit == 0xffff,
		  "with all segments");
	world_protected(&w);
	push32s((u32[]){ 0x12345, 0x2000, (u32)FLAG_VM, 0, 0, 0, 0, 0, 0 }, 9);
	check_gp(iret(4), 0, "EIP above 64 KiB for virtual-8086 mode");
	world_protected(&w);
	world_user(&w, G_UCODE32);
	push32s((u32[]){ 0x5000, G_UCODE32 | 3, (u32)FLAG_VM | 2 }, 3);
	tap_check(!iret(4) && !x86_is_vm86(&w.s), "VM is ignored at CPL 3");
}

static void test_iret_real(void)
{
	world_real(&w);
	w.s.gpr[X86_RSP] = 0x20;
	w.s.rflags |= FLAG_ID;
	put16(&w, 0x20020, 0x1111);
	put16(&w, 0x20022, 0x2222);
	put16(&w, 0x20024, 0xffff);
	tap_check(!iret(2) && w.s.rip == 0x1111 &&
			  w.s.seg[X86_CS].base == 0x22220 &&
			  w.s.rflags == (0x7fd7ull | FLAG_ID) &&
			  w.s.gpr[X86_RSP] == 0x26,
		  "real-mode IRET");
	world_vm86(&w);
	put16(&w, 0x12800, 0x1111);
	put16(&w, 0x12802, 0x2222);
	put16(&w, 0x12804, 0x0fd7);
	tap_check(!iret(2) && x86_is_vm86(&w.s) &&
			  w.s.rflags == (FLAG_VM | FLAG_IOPL | 0xfd7),
		  "virtual-8086 IRET: IOPL stays, IF changes");
	tap_check(w.s.seg[X86_CS].base == 0x22220 && x86_cpl(&w.s) == 3,
		  "and CS");
	world_vm86(&w);
	w.s.rflags &= ~FLAG_IOPL;
	tap_check(iret(2) && is_fault(&f, X86_GP, 0), "with IOPL 0: #GP(0)");
}

int main(void)
{
	world_init(&w);
	test_direct();
	test_gates32();
	test_gates64();
	test_ret();
	test_iret64();
	test_iret32();
	test_iret_real();
	free(w.ram);
	return tap_done();
}
