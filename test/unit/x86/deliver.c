/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.c - exceptions and interrupts in every mode: frames, stacks, flags,
 * gate checks, and what becomes of faults during delivery. */
#include "world.h"

static struct world w;

#define GATE64(sel, off, attr, ist, v)                                \
	do {                                                          \
		put64(&w, W_IDT + (v)*16, gate(sel, off, attr, ist)); \
		put64(&w, W_IDT + (v)*16 + 8, 0);                     \
	} while (0)

#define INT_GATE (SEG_P | SYS_INT)
#define TRAP_GATE (SEG_P | SYS_TRAP)

static int deliver(enum x86_event_kind kind, u8 vector)
{
	struct x86_fault e = { .vector = vector };

	return x86_deliver(&w.s, &w.m, kind, &e);
}

static int fault(u8 vector, u32 error, u64 cr2)
{
	struct x86_fault e = {
		.vector = vector, .has_error = true, .error = error, .cr2 = cr2
	};

	return x86_deliver(&w.s, &w.m, X86_EVENT_HW_EXCEPTION, &e);
}

/* The quadwords of a frame from RSP up. */
static bool frame64_is(u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss)
{
	u64 at = w.s.gpr[X86_RSP];
	u64 want[5] = { rip, cs, flags, rsp, ss };

	for (unsigned i = 0; i < 5; i++)
		if (get64(&w, at + i * 8) != want[i]) {
			printf("# frame[%u] is 0x%llx, not 0x%llx\n", i,
			       (unsigned long long)get64(&w, at + i * 8),
			       (unsigned long long)want[i]);
			return false;
		}
	return true;
}

static bool frame32_is(const u32 *want, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		u32 got = get32(&w, w.s.seg[X86_SS].base + w.s.gpr[X86_RSP] +
					    i * 4);

		if (got != want[i]) {
			printf("# frame[%u] is 0x%x, not 0x%x\n", i, got,
			       want[i]);
			return false;
		}
	}
	return true;
}

/* --- long mode --- */

static void long_world(void)
{
	world_long(&w);
	GATE64(G_CODE64, 0x5000, INT_GATE, 0, 0x20);
	GATE64(G_CODE64, 0x5100, TRAP_GATE | DPL(3), 0, 0x21);
	GATE64(G_CODE64, 0x5200, INT_GATE, 1, 0x22);
	GATE64(G_CODE64, 0x6000, INT_GATE, 0, X86_PF);
	GATE64(G_CODE64, 0x6100, INT_GATE, 0, X86_GP);
	GATE64(G_CODE64, 0x6200, INT_GATE, 1, X86_DF);
	GATE64(G_CODE64, 0x6300, TRAP_GATE, 0, X86_DB);
}

static void test_long_same(void)
{
	long_world();
	w.s.gpr[X86_RSP] = W_STACK0 - 5;
	w.s.rflags |= FLAG_IF | FLAG_TF | FLAG_NT | FLAG_CF;
	tap_check(!deliver(X86_EVENT_INTR, 0x20), "64-bit, same privilege");
	tap_equal(w.s.rip, 0x5000, "rip");
	tap_equal(w.s.rflags, FLAG_FIXED | FLAG_CF, "IF TF NT cleared");
	tap_equal(w.s.gpr[X86_RSP], (u64)W_STACK0 - 16 - 40,
		  "RSP is aligned to 16, then 5 pushes");
	tap_check(frame64_is(W_CODE, G_CODE64,
			     FLAG_FIXED | FLAG_IF | FLAG_TF | FLAG_NT | 1,
			     W_STACK0 - 5, G_DATA),
		  "frame, RF clear");
	tap_equal(w.s.seg[X86_SS].sel, G_DATA, "SS stays");
}

static void test_long_user(void)
{
	long_world();
	world_user(&w, G_UCODE64);
	w.s.rflags |= FLAG_IF;
	tap_check(!fault(X86_PF, PF_U | PF_W, 0xdead000), "#PF from user");
	tap_equal(w.s.cr2, 0xdead000, "CR2");
	tap_equal(x86_cpl(&w.s), 0u, "CPL 0");
	tap_equal(w.s.seg[X86_CS].sel, G_CODE64, "CS");
	tap_equal(w.s.seg[X86_SS].sel, 0, "SS is null");
	tap_check(w.s.seg[X86_SS].attr & SEG_UNUSABLE, "and unusable");
	tap_equal(w.s.gpr[X86_RSP], (u64)W_STACK0 - 48, "RSP from the TSS");
	tap_equal(get64(&w, W_STACK0 - 48), (u64)(PF_U | PF_W), "error code");
	w.s.gpr[X86_RSP] += 8;
	tap_check(frame64_is(W_CODE, G_UCODE64 | 3,
			     FLAG_FIXED | FLAG_IF | FLAG_RF, W_STACK3,
			     G_UDATA | 3),
		  "frame, RF set for a fault");

	long_world();
	world_user(&w, G_UCODE32);
	w.s.rflags |= FLAG_IF;
	tap_check(!deliver(X86_EVENT_SOFT_INT, 0x21),
		  "INT n from compatibility mode");
	tap_check(w.s.rflags & FLAG_IF, "a trap gate leaves IF");
	tap_check(frame64_is(W_CODE, G_UCODE32 | 3, FLAG_FIXED | FLAG_IF,
			     W_STACK3, G_UDATA | 3),
		  "frame");
	tap_check(x86_is_64bit(&w.s), "the handler is 64-bit");
}

static void test_long_ist(void)
{
	long_world();
	tap_check(!deliver(X86_EVENT_INTR, 0x22), "IST at CPL 0");
	tap_equal(w.s.gpr[X86_RSP], (u64)W_IST1 - 40, "RSP from the IST");
	tap_equal(w.s.seg[X86_SS].sel, G_DATA, "SS stays");
	long_world();
	put64(&w, W_TSS + 36, 0x800000000000ull);
	tap_check(deliver(X86_EVENT_INTR, 0x22) && w.s.activity == X86_SHUTDOWN,
		  "a non-canonical IST for all is a triple fault");
	long_world();
	w.s.dr7 |= DR7_GD;
	tap_check(!deliver(X86_EVENT_HW_EXCEPTION, X86_DB) &&
			  !(w.s.dr7 & DR7_GD),
		  "#DB clears DR7.GD");
	tap_check(!(get64(&w, w.s.gpr[X86_RSP] + 16) & FLAG_RF),
		  "and is a trap: no RF");
}

/* The error code of the #GP (or so) that delivering @v leads to. */
static void check_nested(const char *what, enum x86_event_kind kind, u8 v,
			 u8 vector, u32 error)
{
	struct x86_fault e = { .vector = v, .insn_len = 2 };
	u64 handler = 0x7000 + vector * 16u;

	for (unsigned i = 0; i < 32; i++)
		if (i != v)
			GATE64(G_CODE64, 0x7000 + i * 16u, INT_GATE, 0, i);
	if (kind != X86_EVENT_SOFT_INT)
		e.insn_len = 0;
	tap_check(!x86_deliver(&w.s, &w.m, kind, &e) && w.s.rip == handler &&
			  get32(&w, w.s.gpr[X86_RSP]) == error &&
			  get64(&w, w.s.gpr[X86_RSP] + 8) ==
				  W_CODE - e.insn_len,
		  "%s: %d(0x%x)", what, vector, error);
	if (w.s.rip != handler)
		printf("# rip 0x%llx error 0x%x\n", (unsigned long long)w.s.rip,
		       get32(&w, w.s.gpr[X86_RSP]));
}

static void test_long_gates(void)
{
	const enum x86_event_kind soft = X86_EVENT_SOFT_INT,
				  intr = X86_EVENT_INTR;

	long_world();
	world_user(&w, G_UCODE64);
	check_nested("INT n through a DPL 0 gate", soft, 0x20, X86_GP,
		     0x20 * 8 + 2);
	long_world();
	w.s.idtr.limit = 0x20f - 1;
	check_nested("beyond the IDT", intr, 0x20, X86_GP, 0x20 * 8 + 3);
	long_world();
	GATE64(G_CODE64, 0x5000, SYS_INT, 0, 0x20);
	check_nested("gate not present", intr, 0x20, X86_NP, 0x20 * 8 + 3);
	long_world();
	GATE64(G_CODE64, 0x5000, SEG_P | SYS_INT16, 0, 0x20);
	check_nested("16-bit gate", intr, 0x20, X86_GP, 0x20 * 8 + 3);
	long_world();
	GATE64(G_CODE64, 0x5000, SEG_P | SYS_TASK_GATE, 0, 0x20);
	check_nested("task gate", intr, 0x20, X86_GP, 0x20 * 8 + 3);
	long_world();
	GATE64(0, 0x5000, INT_GATE, 0, 0x20);
	check_nested("null selector", soft, 0x20, X86_GP, 0);
	long_world();
	GATE64(0, 0x5000, INT_GATE, 0, 0x20);
	check_nested("null selector, EXT", intr, 0x20, X86_GP, 1);
	long_world();
	GATE64(0x1000, 0x5000, INT_GATE, 0, 0x20);
	check_nested("selector beyond the GDT", intr, 0x20, X86_GP, 0x1001);
	long_world();
	GATE64(G_LDT | 4, 0x5000, INT_GATE, 0, 0x20);
	put64(&w, G_LDT, get64(&w, W_GDT + G_CODE64));
	w.s.ldtr.attr |= SEG_UNUSABLE;
	check_nested("no LDT", intr, 0x20, X86_GP, (G_LDT | 4) + 1);
	long_world();
	GATE64(G_CODE32, 0x5000, INT_GATE, 0, 0x20);
	check_nested("32-bit code", intr, 0x20, X86_GP, G_CODE32 + 1);
	long_world();
	GATE64(G_DATA, 0x5000, INT_GATE, 0, 0x20);
	check_nested("data", soft, 0x20, X86_GP, G_DATA);
	long_world();
	GATE64(G_UCODE64 | 3, 0x5000, INT_GATE, 0, 0x20);
	check_nested("a less privileged handler", intr, 0x20, X86_GP,
		     G_UCODE64 + 1);
	long_world();
	set_desc(&w, G_FREE,
		 desc(0, 0xfffff, (A_CODE | SEG_L | SEG_G) & ~SEG_P));
	GATE64(G_FREE, 0x5000, INT_GATE, 0, 0x20);
	check_nested("code not present", intr, 0x20, X86_NP, G_FREE + 1);
	long_world();
	put64(&w, W_IDT + 0x20 * 16 + 8, 0x8000);
	check_nested("handler not canonical", intr, 0x20, X86_GP, 1);
	long_world();
	world_user(&w, G_UCODE64);
	w.s.tr.limit = 0xa;
	GATE64(G_CODE64, 0x6300, TRAP_GATE, 0, 0x20);
	tap_check(deliver(intr, 0x20), "TSS too short for all: triple fault");
}

static void test_combining(void)
{
	/* No stack for the #PF handler: the frame is not mapped. */
	long_world();
	put64(&w, W_PT + (W_STACK0 - 0x1000) / 4096 * 8, 0);
	tap_check(!fault(X86_PF, 0, 0x1111000) && w.s.rip == 0x6200,
		  "#PF in delivery of #PF is #DF");
	tap_equal(get64(&w, W_IST1 - 48), 0u, "its error code is 0");
	tap_equal(w.s.cr2, (u64)W_STACK0 - 48, "CR2 is the second's");

	long_world();
	GATE64(0, 0, 0, 0, X86_GP);
	tap_check(!fault(X86_GP, 0x1230, 0) && w.s.rip == 0x6200,
		  "#GP in delivery of #GP is #DF");

	long_world();
	put64(&w, W_PT + (W_STACK0 - 0x1000) / 4096 * 8, 0);
	GATE64(G_CODE64, 0x6000, INT_GATE, 1, X86_PF);
	tap_check(!fault(X86_GP, 0, 0) && w.s.rip == 0x6000,
		  "#PF in delivery of #GP is delivered itself");
	tap_equal(get64(&w, W_IST1 - 48), (u64)PF_W, "its error code");

	long_world();
	GATE64(0, 0, 0, 0, X86_UD);
	tap_check(!deliver(X86_EVENT_HW_EXCEPTION, X86_UD) && w.s.rip == 0x6100,
		  "#GP in delivery of #UD (benign) is delivered itself");

	long_world();
	GATE64(0, 0, 0, 0, X86_GP);
	GATE64(0, 0, 0, 0, X86_DF);
	w.s.gpr[X86_RAX] = 77;
	tap_check(fault(X86_GP, 0, 0) && w.s.activity == X86_SHUTDOWN,
		  "no #DF handler: shutdown");
	tap_check(w.s.rip == W_CODE && w.s.gpr[X86_RAX] == 77 &&
			  w.s.gpr[X86_RSP] == W_STACK0,
		  "in the state of the first fault");

	long_world();
	GATE64(0, 0, 0, 0, 13);
	GATE64(0, 0, 0, 0, X86_DF);
	tap_check(deliver(X86_EVENT_SOFT_INT, 13), "INT 13: benign, then");
	long_world();
	w.s.idtr.limit = 0;
	tap_check(deliver(X86_EVENT_INTR, 0x20), "no IDT at all");
}

/* SMAP: an exception from user mode onto a stack in user pages. */
static void test_smap(void)
{
	long_world();
	/* Tables in supervisor pages, the stack in a user page. */
	for (u64 i = 0; i < 0x40; i++)
		put64(&w, W_PT + i * 8, i << 12 | PTE_P | PTE_W);
	put64(&w, W_PT + 0x9f * 8, 0x9f000 | PTE_P | PTE_W);
	world_user(&w, G_UCODE64);
	w.s.cr4 |= CR4_SMAP;
	w.s.rflags |= FLAG_AC;
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.rip == 0x6200,
		  "from CPL 3 AC does not lift SMAP for the stack");
	long_world();
	for (u64 i = 0; i < 0x40; i++)
		put64(&w, W_PT + i * 8, i << 12 | PTE_P | PTE_W);
	w.s.cr4 |= CR4_SMAP;
	w.s.rflags |= FLAG_AC;
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.rip == 0x5000,
		  "at CPL 0 it does");
}

/* --- protected mode --- */

static void set_gate32(unsigned v, u16 sel, u32 off, u32 attr)
{
	put64(&w, W_IDT + v * 8, gate(sel, off, attr, 0));
}

static void protected_world(void)
{
	world_protected(&w);
	set_gate32(0x20, G_CODE32, 0x5000, INT_GATE);
	set_gate32(0x21, G_CODE32, 0x5100, TRAP_GATE | DPL(3));
	set_gate32(0x22, G_CODE32, 0x5200, SEG_P | SYS_TRAP16);
	set_gate32(X86_GP, G_CODE32, 0x6100, INT_GATE);
	set_gate32(X86_TS, G_CODE32, 0x6110, INT_GATE);
	set_gate32(X86_SSEG, G_CODE32, 0x6120, INT_GATE);
	set_gate32(X86_DF, G_CODE32, 0x6200, INT_GATE);
}

static void test_protected(void)
{
	protected_world();
	w.s.rflags |= FLAG_IF;
	tap_check(!deliver(X86_EVENT_INTR, 0x20), "32-bit, same privilege");
	tap_check(frame32_is((u32[]){ W_CODE, G_CODE32, FLAG_FIXED | FLAG_IF },
			     3) &&
			  w.s.gpr[X86_RSP] == W_STACK0 - 12,
		  "frame of three");
	protected_world();
	world_user(&w, G_UCODE32);
	tap_check(!fault(X86_GP, 0x1234, 0), "32-bit, from user");
	tap_check(frame32_is((u32[]){ 0x1234, W_CODE, G_UCODE32 | 3,
				      (u32)(FLAG_FIXED | FLAG_RF), W_STACK3,
				      G_UDATA | 3 },
			     6),
		  "frame with error code and stack");
	tap_equal(w.s.seg[X86_SS].sel, G_DATA, "SS of the TSS");
	tap_equal(w.s.seg[X86_DS].sel, G_UDATA | 3, "DS stays");
	protected_world();
	w.s.rflags |= FLAG_IF;
	tap_check(!deliver(X86_EVENT_INTR, 0x22) &&
			  w.s.gpr[X86_RSP] == W_STACK0 - 6 &&
			  get16(&w, W_STACK0 - 2) == (FLAG_FIXED | FLAG_IF) &&
			  get16(&w, W_STACK0 - 4) == G_CODE32 &&
			  get16(&w, W_STACK0 - 6) == (u16)W_CODE &&
			  (w.s.rflags & FLAG_IF),
		  "16-bit trap gate");

	protected_world();
	world_user(&w, G_UCODE32);
	put32(&w, W_TSS + 8, 0);
	tap_check(deliver(X86_EVENT_SOFT_INT, 0x21),
		  "null inner SS everywhere: shutdown");
	protected_world();
	w.s.seg[X86_SS].limit = W_STACK0 - 8;
	set_gate32(X86_SSEG, G_CODE32, 0x6120, INT_GATE);
	tap_check(deliver(X86_EVENT_INTR, 0x20), "no room on the stack");
	protected_world();
	set_desc(&w, G_FREE, desc(0, 0x4fff, A_CODE | SEG_DB));
	set_gate32(0x20, G_FREE, 0x5000, INT_GATE);
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.rip == 0x6100 &&
			  get32(&w, w.s.gpr[X86_RSP]) == 1,
		  "handler beyond its segment: #GP(EXT)");
	protected_world();
	set_desc(&w, G_FREE,
		 desc(0, 0xfffff, A_CODE | SEG_CONFORMING | SEG_DB | SEG_G));
	set_gate32(0x21, G_FREE, 0x5000, TRAP_GATE | DPL(3));
	world_user(&w, G_UCODE32);
	tap_check(!deliver(X86_EVENT_SOFT_INT, 0x21) && x86_cpl(&w.s) == 3 &&
			  w.s.seg[X86_CS].sel == (G_FREE | 3) &&
			  w.s.gpr[X86_RSP] == W_STACK3 - 12,
		  "conforming handler runs at the same CPL");
	tap_check((get32(&w, W_GDT + G_FREE + 4) >> 8) & SEG_ACCESSED,
		  "its descriptor is marked accessed");
}

static void test_stack_wrap(void)
{
	/* A 16-bit stack whose pointer wraps within the frame. */
	protected_world();
	set_desc(&w, G_FREE, desc(0x30000, 0xffff, A_DATA));
	set_seg(&w, X86_SS, G_FREE);
	w.s.gpr[X86_RSP] = 0x12340004;
	tap_check(!deliver(X86_EVENT_INTR, 0x20) &&
			  w.s.gpr[X86_RSP] == 0x1234fff8 &&
			  get32(&w, 0x30000) == FLAG_FIXED &&
			  get32(&w, 0x3fffc) == G_CODE32 &&
			  get32(&w, 0x3fff8) == W_CODE,
		  "SP wraps, ESP's upper half stays");
	protected_world();
	set_desc(&w, G_FREE, desc(0x30000, 0xffff, A_DATA));
	set_seg(&w, X86_SS, G_FREE);
	w.s.gpr[X86_RSP] = 2;
	tap_check(deliver(X86_EVENT_INTR, 0x20),
		  "a push across the wrap is a stack fault");
	protected_world();
	set_desc(&w, G_FREE, desc(0x30000, 0xfff, A_DATA | SEG_EXPAND_DOWN));
	set_seg(&w, X86_SS, G_FREE);
	w.s.gpr[X86_RSP] = 0x100c;
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.gpr[X86_RSP] == 0x1000,
		  "an expand-down stack to its last byte");
	protected_world();
	set_desc(&w, G_FREE, desc(0x30000, 0xfff, A_DATA | SEG_EXPAND_DOWN));
	set_seg(&w, X86_SS, G_FREE);
	w.s.gpr[X86_RSP] = 0x100b;
	tap_check(deliver(X86_EVENT_INTR, 0x20), "and one byte beyond");
}

static void test_vm86(void)
{
	world_vm86(&w);
	set_gate32(0x20, G_CODE32, 0x5000, INT_GATE);
	tap_check(!deliver(X86_EVENT_INTR, 0x20), "from virtual-8086 mode");
	tap_check(frame32_is((u32[]){ 0x100, 0x1100,
				      (u32)(FLAG_FIXED | FLAG_VM | FLAG_IOPL |
					    FLAG_IF),
				      0x800, 0x1200, 0x1000, 0x1300, 0x1400,
				      0x1500 },
			     9),
		  "frame with ES DS FS GS");
	tap_check(!(w.s.rflags & (FLAG_VM | FLAG_IF)) && !x86_cpl(&w.s),
		  "VM and IF are cleared");
	tap_check((w.s.seg[X86_DS].attr & SEG_UNUSABLE) &&
			  w.s.seg[X86_GS].sel == 0,
		  "the data segments are null");
	world_vm86(&w);
	set_gate32(0x20, G_CONF, 0x5000, INT_GATE);
	set_gate32(X86_GP, G_CODE32, 0x6100, INT_GATE);
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.rip == 0x6100 &&
			  get32(&w, w.s.gpr[X86_RSP]) == G_CONF + 1,
		  "to conforming code: #GP(selector)");
}

/* --- real mode --- */

static void test_real(void)
{
	world_real(&w);
	put32(&w, 0x21 * 4, 0x30001234);
	w.s.rflags |= FLAG_IF | FLAG_TF | FLAG_AC;
	tap_check(!deliver(X86_EVENT_SOFT_INT, 0x21), "real mode");
	tap_check(w.s.rip == 0x1234 && w.s.seg[X86_CS].sel == 0x3000 &&
			  w.s.seg[X86_CS].base == 0x30000,
		  "CS:IP of the table");
	tap_check(get16(&w, 0x20ffa) == 0x100 && get16(&w, 0x20ffc) == 0x1000 &&
			  get16(&w, 0x20ffe) ==
				  (FLAG_FIXED | FLAG_IF | FLAG_TF) &&
			  w.s.gpr[X86_RSP] == 0xffa,
		  "frame");
	tap_check(!(w.s.rflags & (FLAG_IF | FLAG_TF | FLAG_AC)), "flags");
	world_real(&w);
	put32(&w, X86_GP * 4, 0x30004321);
	w.s.idtr.limit = 0x7f;
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.rip == 0x4321 &&
			  w.s.gpr[X86_RSP] == 0xffa,
		  "beyond the table: #GP, without error code");
	world_real(&w);
	w.s.idtr.limit = 0x10;
	tap_check(deliver(X86_EVENT_INTR, 0x20), "and no #GP: shutdown");
	world_real(&w);
	w.s.gpr[X86_RSP] = 1;
	put32(&w, 0x20 * 4, 0x30001234);
	tap_check(deliver(X86_EVENT_INTR, 0x20), "SP = 1: shutdown");
	world_real(&w);
	w.s.gpr[X86_RSP] = 0;
	put32(&w, 0x20 * 4, 0x30001234);
	tap_check(!deliver(X86_EVENT_INTR, 0x20) && w.s.gpr[X86_RSP] == 0xfffa,
		  "SP = 0 wraps");
}

int main(void)
{
	world_init(&w);
	test_long_same();
	test_long_user();
	test_long_ist();
	test_long_gates();
	test_combining();
	test_smap();
	test_protected();
	test_stack_wrap();
	test_vm86();
	test_real();
	free(w.ram);
	return tap_done();
}
