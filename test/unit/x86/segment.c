/* SPDX-License-Identifier: Apache-2.0 */
/* segment.c - loading segment registers, LDTR and TR; LAR, LSL, VERR, VERW;
 * hardware task switches. */
#include "world.h"

static struct world w;
static struct x86_fault f;

static int load(enum x86_sreg r, u16 sel)
{
	return x86_load_sreg(&w.s, &w.m, r, sel, &f);
}

static void check(int r, u8 vector, u32 error, const char *what)
{
	tap_check(r == -1 && is_fault(&f, vector, error), "%d(0x%x): %s",
		  vector, error, what);
}

static void test_data(void)
{
	world_protected(&w);
	set_desc(&w, G_FREE, desc(0x12345678, 0x12345, A_DATA | SEG_G));
	tap_check(!load(X86_DS, G_FREE) && w.s.seg[X86_DS].base == 0x12345678 &&
			  w.s.seg[X86_DS].limit == 0x12345fff &&
			  w.s.seg[X86_DS].sel == G_FREE,
		  "base, limit, selector");
	tap_check((w.s.seg[X86_DS].attr & SEG_ACCESSED) &&
			  (w.ram[W_GDT + G_FREE + 5] & SEG_ACCESSED),
		  "accessed, here and in memory");
	check(load(X86_DS, G_FREE | 3), X86_GP, G_FREE, "RPL above DPL");
	check(load(X86_DS, G_TSS), X86_GP, G_TSS, "system segment");
	check(load(X86_DS, 0xfff8), X86_GP, 0xfff8, "beyond the GDT");
	check(load(X86_DS, 0xc), X86_GP, 0xc, "LDT entry of nothing");
	set_desc(&w, G_FREE, desc(0, 0xff, A_CODE & ~SEG_READABLE));
	check(load(X86_ES, G_FREE), X86_GP, G_FREE, "execute-only code");
	set_desc(&w, G_FREE, desc(0, 0xff, A_DATA & ~SEG_P));
	check(load(X86_FS, G_FREE), X86_NP, G_FREE, "not present");
	tap_check(!load(X86_GS, G_CODE32), "readable code");
	tap_check(!load(X86_DS, 3) && (w.s.seg[X86_DS].attr & SEG_UNUSABLE) &&
			  w.s.seg[X86_DS].sel == 3,
		  "null");
	world_user(&w, G_UCODE32);
	check(load(X86_DS, G_DATA), X86_GP, G_DATA, "DPL below CPL");
	tap_check(!load(X86_DS, G_CONF | 3), "conforming code at CPL 3");

	world_long(&w);
	w.s.seg[X86_FS].base = 0x123456789abcull;
	tap_check(!load(X86_FS, 0) && w.s.seg[X86_FS].base == 0,
		  "a null FS clears its base in 64-bit mode");
	/* A descriptor table in a user page, with SMAP. */
	w.s.cr4 |= CR4_SMAP;
	w.s.rflags |= FLAG_AC;
	tap_check(load(X86_DS, G_DATA) && f.vector == X86_PF && f.error == PF_P,
		  "descriptor reads are implicit: AC does not lift SMAP");
}

static void test_ss(void)
{
	world_protected(&w);
	tap_check(!load(X86_SS, G_DATA), "SS");
	check(load(X86_SS, 0), X86_GP, 0, "null SS");
	check(load(X86_SS, G_DATA | 1), X86_GP, G_DATA, "SS: RPL is not CPL");
	check(load(X86_SS, G_UDATA), X86_GP, G_UDATA, "SS: DPL is not CPL");
	check(load(X86_SS, G_CODE32), X86_GP, G_CODE32, "SS: code");
	set_desc(&w, G_FREE, desc(0, 0xff, A_DATA & ~SEG_WRITABLE));
	check(load(X86_SS, G_FREE), X86_GP, G_FREE, "SS: read-only");
	set_desc(&w, G_FREE, desc(0, 0xff, A_DATA & ~SEG_P));
	check(load(X86_SS, G_FREE), X86_SSEG, G_FREE, "SS: not present");
	world_long(&w);
	tap_check(!load(X86_SS, 0) && x86_cpl(&w.s) == 0,
		  "null SS in 64-bit mode at CPL 0");
	check(load(X86_SS, 3), X86_GP, 0, "null SS with RPL 3 there");
	world_user(&w, G_UCODE64);
	check(load(X86_SS, 3), X86_GP, 0, "null SS at CPL 3");
	world_real(&w);
	w.s.seg[X86_DS].limit = ~0u;
	tap_check(!load(X86_DS, 0xabcd) && w.s.seg[X86_DS].base == 0xabcd0 &&
			  w.s.seg[X86_DS].limit == ~0u,
		  "real mode keeps the limit");
	world_vm86(&w);
	w.s.seg[X86_DS].limit = 1;
	tap_check(!load(X86_DS, 0xabcd) && w.s.seg[X86_DS].base == 0xabcd0 &&
			  w.s.seg[X86_DS].limit == 0xffff,
		  "virtual-8086 mode does not");
}

static int lldt(u16 sel)
{
	return x86_lldt(&w.s, &w.m, sel, &f);
}

static int ltr(u16 sel)
{
	return x86_ltr(&w.s, &w.m, sel, &f);
}

static void test_system(void)
{
	world_protected(&w);
	tap_check(!lldt(G_LDT) && w.s.ldtr.base == W_LDT &&
			  w.s.ldtr.limit == 0xff,
		  "LLDT");
	put64(&w, W_LDT + 8, desc(0, 0xff, A_DATA));
	tap_check(!load(X86_DS, 0xc), "a segment of the LDT");
	tap_check(!lldt(0) && (w.s.ldtr.attr & SEG_UNUSABLE), "null LDT");
	check(load(X86_DS, 0xc), X86_GP, 0xc, "then nothing is there");
	check(lldt(G_LDT | 4), X86_GP, G_LDT | 4, "LLDT of an LDT entry");
	check(lldt(G_DATA), X86_GP, G_DATA, "LLDT of data");
	set_desc(&w, G_FREE, desc(0, 0xff, SYS_LDT));
	check(lldt(G_FREE), X86_NP, G_FREE, "LLDT: not present");
	set_desc(&w, G_TSS, desc(W_TSS, 0x67, SEG_P | SYS_TSS_AVAIL));
	tap_check(!ltr(G_TSS) && w.s.tr.base == W_TSS &&
			  (w.s.tr.attr & SEG_TYPE) == SYS_TSS_BUSY &&
			  w.ram[W_GDT + G_TSS + 5] == 0x8b,
		  "LTR, busy here and in memory");
	check(ltr(G_TSS), X86_GP, G_TSS, "LTR of a busy TSS");
	check(ltr(0), X86_GP, 0, "LTR of null");
	check(ltr(G_TSS2 | 4), X86_GP, G_TSS2 | 4, "LTR of an LDT entry");
	tap_check(!ltr(G_TSS16), "LTR of a 16-bit TSS");
	world_user(&w, G_UCODE32);
	check(ltr(G_TSS2), X86_GP, 0, "LTR at CPL 3");
	world_real(&w);
	check(ltr(G_TSS2), X86_UD, 0, "LTR in real mode");

	world_long(&w);
	set_desc(&w, G_FREE, desc(W_TSS2, 0x67, SEG_P | SYS_TSS_AVAIL));
	put64(&w, W_GDT + G_FREE + 8, 0xffff8000);
	tap_check(!ltr(G_FREE) && w.s.tr.base == (0xffff8000ull << 32 | W_TSS2),
		  "LTR: 64-bit base");
	set_desc(&w, G_FREE, desc(W_TSS2, 0x67, SEG_P | SYS_TSS_AVAIL));
	put64(&w, W_GDT + G_FREE + 8, 0x8000);
	check(ltr(G_FREE), X86_GP, G_FREE, "LTR: base not canonical");
	put64(&w, W_GDT + G_FREE + 8, 1ull << 40);
	check(ltr(G_FREE), X86_GP, G_FREE, "LTR: a type in the upper half");
	put64(&w, W_GDT + G_TSS16 + 8, 0);
	check(ltr(G_TSS16), X86_GP, G_TSS16, "LTR: 16-bit TSS in long mode");
	w.s.gdtr = (struct x86_dtab){ (1ull << 47) - 0x20, 0xff };
	check(load(X86_DS, 0x20), X86_GP, 0x20,
	      "a GDT that leaves the canonical half");
	w.s.gdtr.base = (1ull << 47) - 0x24;
	check(load(X86_DS, 0x20), X86_GP, 0x20, "within the descriptor");
}

static void check_ask(const char *what, u16 sel, bool lar, bool lsl, bool verr,
		      bool verw)
{
	u32 v;
	bool z[4];

	if (x86_lar(&w.s, &w.m, sel, &z[0], &v, &f) ||
	    x86_lsl(&w.s, &w.m, sel, &z[1], &v, &f) ||
	    x86_verr_verw(&w.s, &w.m, sel, false, &z[2], &f) ||
	    x86_verr_verw(&w.s, &w.m, sel, true, &z[3], &f))
		z[0] = !lar;
	tap_check(z[0] == lar && z[1] == lsl && z[2] == verr && z[3] == verw,
		  "LAR LSL VERR VERW of %s: %d %d %d %d", what, z[0], z[1],
		  z[2], z[3]);
}

static void test_verify(void)
{
	u32 v = 0;
	bool zf;

	world_protected(&w);
	check_ask("null", 0, 0, 0, 0, 0);
	check_ask("beyond", 0xfff8, 0, 0, 0, 0);
	check_ask("code", G_CODE32, 1, 1, 1, 0);
	check_ask("data", G_DATA, 1, 1, 1, 1);
	check_ask("data with RPL 3", G_DATA | 3, 0, 0, 0, 0);
	check_ask("a TSS", G_TSS, 1, 1, 0, 0);
	check_ask("a 16-bit TSS", G_TSS16, 1, 1, 0, 0);
	set_desc(&w, G_FREE, gate(G_CODE32, 0, SEG_P | SYS_CALL, 0));
	check_ask("a call gate", G_FREE, 1, 0, 0, 0);
	set_desc(&w, G_FREE, gate(G_CODE32, 0, SEG_P | SYS_INT, 0));
	check_ask("an interrupt gate", G_FREE, 0, 0, 0, 0);
	set_desc(&w, G_FREE, gate(G_TSS, 0, SEG_P | SYS_TASK_GATE, 0));
	check_ask("a task gate", G_FREE, 1, 0, 0, 0);
	world_user(&w, G_UCODE32);
	check_ask("kernel data at CPL 3", G_DATA, 0, 0, 0, 0);
	check_ask("conforming code at CPL 3", G_CONF | 3, 1, 1, 1, 0);
	/* What silicon answers for the flat user data segment of Linux. */
	set_desc(&w, G_FREE, 0x00cff3000000ffffull);
	tap_check(!x86_lar(&w.s, &w.m, G_FREE | 3, &zf, &v, &f) && zf &&
			  v == 0x00cff300,
		  "LAR's value");
	tap_check(!x86_lsl(&w.s, &w.m, G_FREE | 3, &zf, &v, &f) && zf &&
			  v == 0xffffffff,
		  "LSL's value");
	world_long(&w);
	check_ask("a 16-bit TSS in long mode", G_TSS16, 0, 0, 0, 0);
	world_vm86(&w);
	check(x86_lar(&w.s, &w.m, G_DATA, &zf, &v, &f), X86_UD, 0,
	      "LAR in virtual-8086 mode");
	world_long(&w);
	w.s.gdtr.base = 0x400000;
	tap_check(x86_verr_verw(&w.s, &w.m, G_DATA, false, &zf, &f) &&
			  f.vector == X86_PF,
		  "VERR: #PF of the table is a fault");
}

/* --- tasks --- */

/* A second task in 32-bit TSS2, CPL 0. */
static void put_task32(u32 eflags)
{
	u32 at = W_TSS2;

	put32(&w, at + 0x1c, 0x7000); /* CR3 */
	put32(&w, at + 0x20, 0x5555); /* EIP */
	put32(&w, at + 0x24, eflags);
	for (u32 i = 0; i < 8; i++)
		put32(&w, at + 0x28 + i * 4, 0x100 + i);
	put32(&w, at + 0x38, W_STACK3); /* ESP */
	for (u32 i = 0; i < 6; i++)
		put32(&w, at + 0x48 + i * 4, i == X86_CS ? G_CODE32 : G_DATA);
	put32(&w, at + 0x60, G_LDT);
	put32(&w, at + 0x64, 0);
}

static int jmp_task(u16 sel)
{
	return x86_jmp_far(&w.s, &w.m, sel, 0, 4, W_CODE + 7, &f);
}

static int call_task(u16 sel)
{
	return x86_call_far(&w.s, &w.m, sel, 0, 4, W_CODE + 7, &f);
}

static void test_task_jmp(void)
{
	world_protected(&w);
	put_task32(0x202);
	w.s.gpr[X86_RDI] = 0xd1d1d1d1;
	tap_check(!jmp_task(G_TSS2), "JMP to a TSS");
	tap_check(w.s.rip == 0x5555 && w.s.rflags == 0x202 &&
			  w.s.gpr[X86_RDI] == 0x107 &&
			  w.s.gpr[X86_RSP] == W_STACK3 &&
			  w.s.ldtr.base == W_LDT && w.s.tr.sel == G_TSS2 &&
			  w.s.tr.base == W_TSS2,
		  "the new task's registers");
	tap_check(w.s.cr3 == 0 && (w.s.cr0 & CR0_TS), "CR3 only with paging");
	tap_check(get32(&w, W_TSS + 0x20) == W_CODE + 7 &&
			  get32(&w, W_TSS + 0x44) == 0xd1d1d1d1 &&
			  get32(&w, W_TSS + 0x4c) == G_CODE32,
		  "the old one's in its TSS");
	tap_check(w.ram[W_GDT + G_TSS + 5] == 0x89 &&
			  w.ram[W_GDT + G_TSS2 + 5] == 0x8b,
		  "busy bits");
	check(jmp_task(G_TSS2), X86_GP, G_TSS2, "JMP to a busy TSS");
	tap_check(!jmp_task(G_TSS) && w.s.rip == W_CODE + 7 &&
			  w.s.gpr[X86_RDI] == 0xd1d1d1d1,
		  "and back");
}

static void test_task_call(void)
{
	world_protected(&w);
	put_task32(2);
	tap_check(!call_task(G_TSS2) && (w.s.rflags & FLAG_NT) &&
			  get16(&w, W_TSS2) == G_TSS,
		  "CALL: NT and the link");
	tap_check(w.ram[W_GDT + G_TSS + 5] == 0x8b, "both are busy");
	w.s.rip = 0x5600;
	tap_check(!x86_iret(&w.s, &w.m, 4, &f) && w.s.rip == W_CODE + 7 &&
			  w.s.tr.sel == G_TSS && !(w.s.rflags & FLAG_NT),
		  "IRET goes back");
	tap_check(get32(&w, W_TSS2 + 0x20) == 0x5601 &&
			  !(get32(&w, W_TSS2 + 0x24) & FLAG_NT) &&
			  w.ram[W_GDT + G_TSS2 + 5] == 0x89,
		  "the nested task is idle again, behind its IRET");
	tap_check(!call_task(G_TSS2) && !x86_iret(&w.s, &w.m, 2, &f) &&
			  get32(&w, W_TSS2 + 0x20) == 0x5603,
		  "a prefixed IRET is longer");
	w.s.rflags |= FLAG_NT;
	put16(&w, W_TSS, G_TSS2);
	check(x86_iret(&w.s, &w.m, 4, &f), X86_TS, G_TSS2,
	      "IRET to a task that is not busy");
}

static void test_task_gate(void)
{
	struct x86_fault e = { .vector = X86_DF, .has_error = true };

	world_protected(&w);
	put_task32(2);
	put64(&w, W_IDT + 8 * 8, gate(G_TSS2, 0, SEG_P | SYS_TASK_GATE, 0));
	tap_check(!x86_deliver(&w.s, &w.m, X86_EVENT_HW_EXCEPTION, &e) &&
			  w.s.tr.sel == G_TSS2 &&
			  w.s.gpr[X86_RSP] == W_STACK3 - 4 &&
			  get32(&w, W_STACK3 - 4) == 0,
		  "#DF through a task gate, error code on the new stack");
	tap_equal(get32(&w, W_TSS + 0x20), W_CODE, "EIP of the fault");
	world_protected(&w);
	put_task32(2);
	set_desc(&w, G_FREE,
		 gate(G_TSS2, 0, SEG_P | SYS_TASK_GATE | DPL(3), 0));
	world_user(&w, G_UCODE32);
	check(call_task(G_TSS2), X86_GP, G_TSS2, "a TSS of CPL 0 from CPL 3");
	tap_check(!call_task(G_FREE | 3) && x86_cpl(&w.s) == 0,
		  "through a gate of DPL 3");
}

static void test_task_faults(void)
{
	world_protected(&w);
	put_task32(2);
	set_desc(&w, G_TSS2, desc(W_TSS2, 0x66, SEG_P | SYS_TSS_AVAIL));
	check(jmp_task(G_TSS2), X86_TS, G_TSS2, "TSS too short");
	set_desc(&w, G_TSS2, desc(W_TSS2, 0x67, SYS_TSS_AVAIL));
	check(jmp_task(G_TSS2), X86_NP, G_TSS2, "TSS not present");
	tap_equal(w.s.tr.sel, G_TSS, "still the old task");

	world_protected(&w);
	put_task32(2);
	put32(&w, W_TSS2 + 0x60, G_DATA);
	check(jmp_task(G_TSS2), X86_TS, G_DATA, "LDT is none");
	tap_check(w.s.tr.sel == G_TSS2 && w.s.rip == 0x5555,
		  "in the new task already");
	world_protected(&w);
	put_task32(2);
	put32(&w, W_TSS2 + 0x4c, G_UCODE32);
	check(jmp_task(G_TSS2), X86_TS, G_UCODE32, "CS: RPL is not DPL");
	world_protected(&w);
	put_task32(2);
	put32(&w, W_TSS2 + 0x50, G_UDATA | 3);
	check(jmp_task(G_TSS2), X86_TS, G_UDATA, "SS of another privilege");
	world_protected(&w);
	put_task32(2);
	put32(&w, W_TSS2 + 0x54, G_TSS);
	check(jmp_task(G_TSS2), X86_TS, G_TSS, "DS is a TSS");
	world_protected(&w);
	put_task32(2);
	put32(&w, W_TSS2 + 0x64, 1);
	check(jmp_task(G_TSS2), X86_DB, 0, "the T bit traps");
	tap_check((w.s.dr6 & BIT64(15)) && w.s.rip == 0x5555, "with DR6.BT");

	world_protected(&w);
	put_task32((u32)FLAG_VM | 2);
	tap_check(!jmp_task(G_TSS2) && x86_is_vm86(&w.s) &&
			  x86_cpl(&w.s) == 3 &&
			  w.s.seg[X86_DS].base == G_DATA << 4,
		  "a virtual-8086 task");

	world_protected(&w);
	put16(&w, W_TSS16 + 0x0e, 0x4444);
	put16(&w, W_TSS16 + 0x10, 0x246);
	put16(&w, W_TSS16 + 0x12, 0xaaaa);
	put16(&w, W_TSS16 + 0x1a, 0x8000);
	for (u32 i = 0; i < 4; i++)
		put16(&w, W_TSS16 + 0x22 + i * 2,
		      i == X86_CS ? G_CODE16 : G_DATA16);
	tap_check(!jmp_task(G_TSS16) && w.s.rip == 0x4444 &&
			  (u16)w.s.gpr[X86_RAX] == 0xaaaa &&
			  w.s.rflags == 0x246 &&
			  (w.s.seg[X86_FS].attr & SEG_UNUSABLE),
		  "a 16-bit task");
	tap_check(!jmp_task(G_TSS) && w.s.rip == W_CODE + 7 &&
			  get16(&w, W_TSS16 + 0x0e) == (u16)(W_CODE + 7),
		  "and back, saved in 16 bits");
}

int main(void)
{
	world_init(&w);
	test_data();
	test_ss();
	test_system();
	test_verify();
	test_task_jmp();
	test_task_call();
	test_task_gate();
	test_task_faults();
	free(w.ram);
	return tap_done();
}
