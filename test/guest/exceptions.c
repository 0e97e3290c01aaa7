/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every exception that software can raise by itself, in both modes and both
 * rings: vector, error code, and the instruction pointer that is pushed.
 * SDM 3A 6.15 "Exception and Interrupt Reference". Page faults, debug
 * exceptions and what comes of segments have files of their own.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#ifdef __x86_64__
#define LONG 1
#else
#define LONG 0
#endif

/* In 64-bit mode only, in 32-bit mode only, or both. */
enum { B64 = 1, B32 = 2, BOTH = 3 };
enum { R0 = 1, R3 = 2, R03 = 3 };

struct probe {
	const char *name;
	const u8 *code;
	unsigned modes, rings;
	unsigned vector, error;
	unsigned rip; /* offset of the pushed instruction pointer */
};

extern const u8 trap_stubs[256][16];

static ulong code_at(const void *code, int ring)
{
	return ring ? user(code) : (ulong)code;
}

static void probe_one(const struct probe *p, int ring)
{
	struct regs r;

	context("%s, ring %u", p->name, ring);
	regs_init(&r, p->code, ring);
	run(&r);
	CHECK_TRAP(r, p->vector, p->error);
	CHECK_EQ(r.rip, code_at(p->code, ring) + p->rip);
}

static void probe_all(const struct probe *tab, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!(tab[i].modes & (LONG ? B64 : B32)))
			continue;
		if (tab[i].rings & R0)
			probe_one(&tab[i], 0);
		if (tab[i].rings & R3)
			probe_one(&tab[i], 3);
	}
}

/* Bytes as code, for what assemblers refuse. */
#define BYTES(name, list) CODE(name, ".byte " list "\n" STOP)

CODE(c_div0, "xor %ecx, %ecx\n div %ecx");
CODE(c_div8, "xor %ecx, %ecx\n div %cl");
CODE(c_divov, "mov $1, %ecx\n mov $1, %edx\n div %ecx");
CODE(c_idiv, "mov $0x80000000, %eax\n mov $-1, %edx\n mov $-1, %ecx\n"
	     "idiv %ecx");
CODE(c_div16, "mov $2, %dx\n mov $2, %cx\n div %cx");
BYTES(c_aam0, "0xd4, 0");

static void divide(void)
{
	static const struct probe tab[] = {
		{ "div 0", c_div0, BOTH, R03, V_DE, 0, 2 },
		{ "div 0 byte", c_div8, BOTH, R03, V_DE, 0, 2 },
		{ "div overflow", c_divov, BOTH, R03, V_DE, 0, 10 },
		{ "idiv overflow", c_idiv, BOTH, R03, V_DE, 0, 15 },
		{ "div word overflow", c_div16, BOTH, R03, V_DE, 0, 8 },
		{ "aam 0", c_aam0, B32, R03, V_DE, 0, 0 },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

#ifdef __x86_64__
CODE(c_div64, "mov $5, %rdx\n mov $5, %rcx\n div %rcx");
CODE(c_idiv64, "mov $1, %rax\n shl $63, %rax\n cqo\n mov $-1, %rcx\n"
	       "idiv %rcx");
CODE(c_div_mem, "push $0\n divq (%rsp)");

static void divide64(void)
{
	static const struct probe tab[] = {
		{ "div 64", c_div64, B64, R03, V_DE, 0, 14 },
		{ "idiv 64", c_idiv64, B64, R03, V_DE, 0, 20 },
		{ "div memory", c_div_mem, B64, R03, V_DE, 0, 2 },
	};

	probe_all(tab, ARRAY_LEN(tab));
}
#endif

BYTES(c_int3, "0xcc");
BYTES(c_int3_long, "0xcd, 3");
BYTES(c_int1, "0xf1");
BYTES(c_into, "0xce");
CODE(c_into_of, "mov $0x7f, %al\n add $1, %al\n .byte 0xce");
BYTES(c_int_80, "0xcd, 0x80");

/* Software interrupts through gates that let everybody in. */
static void software_interrupts(void)
{
	static const struct probe tab[] = {
		{ "int3", c_int3, BOTH, R03, V_BP, 0, 1 },
		{ "int $3", c_int3_long, BOTH, R03, V_BP, 0, 2 },
		{ "int $0x80", c_int_80, BOTH, R03, 0x80, 0, 2 },
		{ "into, no overflow", c_into, B32, R03, V_STOP, 0, 3 },
		{ "into, overflow", c_into_of, B32, R03, V_OF, 0, 5 },
		{ "into", c_into, B64, R03, V_UD, 0, 0 },
	};

	idt[V_BP].access |= DPL(3);
	idt[V_OF].access |= DPL(3);
	idt[0x80].access |= DPL(3);
	probe_all(tab, ARRAY_LEN(tab));
}

/* INT1 ignores the gate's privilege, the others do not. */
static void int1(void)
{
	static const struct probe tab[] = {
		{ "int1", c_int1, BOTH, R03, V_DB, 0, 1 },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

static void software_interrupts_refused(void)
{
	static const struct probe tab[] = {
		{ "int3", c_int3, BOTH, R3, V_GP, V_BP * 8 + 2, 0 },
		{ "int $3", c_int3_long, BOTH, R3, V_GP, V_BP * 8 + 2, 0 },
		{ "into", c_into_of, B32, R3, V_GP, V_OF * 8 + 2, 4 },
		{ "int $0x80", c_int_80, BOTH, R3, V_GP, 0x80 * 8 + 2, 0 },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

BYTES(c_int_gp, "0xcd, 13");
BYTES(c_int_pf, "0xcd, 14");

/* INT n to a vector whose exception has an error code pushes none. */
static void int_without_error_code(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		idt_set(V_GP, trap_stubs[0x70], ACC_INTR | DPL(3), 1);
		idt_set(V_PF, trap_stubs[0x71], ACC_INTR | DPL(3), 1);
		context("ring %u", ring);
		r = run_code(c_int_gp, ring);
		CHECK_TRAP(r, 0x70, 0);
		CHECK_EQ(r.rip, code_at(c_int_gp, ring) + 2);
		r = run_code(c_int_pf, ring);
		CHECK_TRAP(r, 0x71, 0);
		CHECK_EQ(r.rip, code_at(c_int_pf, ring) + 2);
	}
}

/* Gates that are absent, of no good type, or beyond the limit. */
static void bad_gates(void)
{
	struct table_ptr small = { sizeof(struct gate) * 0x80 - 1, (ulong)idt };
	struct regs r;

	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", ring);
		idt_set(0x80, code_at, ACC_INTR | DPL(3), 0);
		idt[0x80].access &= ~0x80;
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_NP, 0x80 * 8 + 2);
		CHECK_EQ(r.rip, code_at(c_int_80, ring));

		idt[0x80].access = ACC_LDT | DPL(3);
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_GP, 0x80 * 8 + 2);

		idt[0x80].access = 0;
		r = run_code(c_int_80, ring);
		CHECK_EQ(r.vector, V_GP);
		CHECK_EQ(r.error, 0x80 * 8 + 2);

		/* A code selector that is null, beyond the GDT, or data. */
		idt_set(0x80, code_at, ACC_INTR | DPL(3), 0);
		idt[0x80].selector = 0;
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_GP, 0);
		idt[0x80].selector = 0xfff8;
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_GP, 0xfff8);
		idt[0x80].selector = SEL_DATA;
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_GP, SEL_DATA);
		gdt_set(SEL_FREE, gdt[SEL_CODE / 8] & ~BIT(47));
		idt[0x80].selector = SEL_FREE;
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_NP, SEL_FREE);
	}
	asm volatile("lidt %0" :: "m"(small));
	for (int ring = 0; ring <= 3; ring += 3) {
		r = run_code(c_int_80, ring);
		CHECK_TRAP(r, V_GP, 0x80 * 8 + 2);
		CHECK_EQ(r.rip, code_at(c_int_80, ring));
	}
	load_tables();
}

/* The EXT bit tells an event's own fault from INT n: SDM 3A 6.13. */
static void ext_bit(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		idt[V_DE].access &= ~0x80;
		r = run_code(c_div0, ring);
		CHECK_TRAP(r, V_DF, 0);
		idt[V_DE].access |= 0x80;

		idt[V_UD].access &= ~0x80;
		r = run_code(c_into, ring);
		if (LONG) {
			CHECK_TRAP(r, V_NP, V_UD * 8 + 3);
			CHECK_EQ(r.rip, code_at(c_into, ring));
		}
		idt[V_UD].access |= 0x80;
	}
}

BYTES(c_ud2, "0x0f, 0x0b");
BYTES(c_ud1, "0x0f, 0xb9, 0xc0");
BYTES(c_lock_nop, "0xf0, 0x90");
BYTES(c_lock_mov, "0xf0, 0x89, 0x00");
BYTES(c_lock_add_reg, "0xf0, 0x01, 0xc0");
BYTES(c_lock_cmp, "0xf0, 0x39, 0x00");
BYTES(c_lea_reg, "0x8d, 0xc0");
BYTES(c_mov_cs, "0x8e, 0xc8");
BYTES(c_mov_seg6, "0x8e, 0xf0");
BYTES(c_ff7, "0xff, 0xf8");
BYTES(c_fe2, "0xfe, 0xd0");
BYTES(c_c6_1, "0xc6, 0xc8, 0");
BYTES(c_8f_1, "0x8f, 0xc8");
BYTES(c_0fc7_reg, "0x0f, 0xc7, 0xc8");
BYTES(c_salc, "0xd6");
BYTES(c_push_es, "0x06");
BYTES(c_daa, "0x27");
BYTES(c_pusha, "0x60");
BYTES(c_aam, "0xd4, 10");
BYTES(c_82, "0x82, 0xc0, 0");
BYTES(c_call_far, "0x9a, 0, 0, 0, 0, 0, 0");
BYTES(c_jmp_far, "0xea, 0, 0, 0, 0, 0, 0");
BYTES(c_far_reg, "0xff, 0xe8");
BYTES(c_0f_a6, "0x0f, 0xa6, 0xc0");
BYTES(c_0f_0a, "0x0f, 0x0a");
BYTES(c_mov_cr1, "0x0f, 0x20, 0xc8");
BYTES(c_mov_cr5, "0x0f, 0x20, 0xe8");
BYTES(c_rsm, "0x0f, 0xaa");

/* Where QEMU executes what it ought to refuse. */
static void undefined_strictly(void)
{
	static const struct probe tab[] = {
		{ "lock mov", c_lock_mov, BOTH, R03, V_UD },
		{ "C6 /1", c_c6_1, BOTH, R03, V_UD },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

static void undefined(void)
{
	static const struct probe tab[] = {
		{ "ud2", c_ud2, BOTH, R03, V_UD },
		{ "ud1", c_ud1, BOTH, R03, V_UD },
		{ "lock nop", c_lock_nop, BOTH, R03, V_UD },
		{ "lock add to a register", c_lock_add_reg, BOTH, R03, V_UD },
		{ "lock cmp", c_lock_cmp, BOTH, R03, V_UD },
		{ "lea of a register", c_lea_reg, BOTH, R03, V_UD },
		{ "mov to CS", c_mov_cs, BOTH, R03, V_UD },
		{ "mov to segment 6", c_mov_seg6, BOTH, R03, V_UD },
		{ "FF /7", c_ff7, BOTH, R03, V_UD },
		{ "FE /2", c_fe2, BOTH, R03, V_UD },
		{ "cmpxchg8b of a register", c_0fc7_reg, BOTH, R03, V_UD },
		{ "far jump by register", c_far_reg, BOTH, R03, V_UD },
		{ "0F A6", c_0f_a6, BOTH, R03, V_UD },
		{ "0F 0A", c_0f_0a, BOTH, R03, V_UD },
		{ "mov from CR1", c_mov_cr1, BOTH, R0, V_UD },
		{ "mov from CR5", c_mov_cr5, BOTH, R0, V_UD },
		{ "rsm", c_rsm, BOTH, R03, V_UD },
		{ "salc", c_salc, B64, R03, V_UD },
		{ "push es", c_push_es, B64, R03, V_UD },
		{ "daa", c_daa, B64, R03, V_UD },
		{ "pusha", c_pusha, B64, R03, V_UD },
		{ "aam", c_aam, B64, R03, V_UD },
		{ "82", c_82, B64, R03, V_UD },
		{ "call far immediate", c_call_far, B64, R03, V_UD },
		{ "jmp far immediate", c_jmp_far, B64, R03, V_UD },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

BYTES(c_long15, "0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
		"0x66,0x66,0x66,0x66,0x90");
BYTES(c_long16, "0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,"
		"0x66,0x66,0x66,0x66,0x66,0x90");

/* Fifteen bytes are an instruction, sixteen are #GP(0). */
static void too_long(void)
{
	static const struct probe tab[] = {
		{ "15 bytes", c_long15, BOTH, R03, V_STOP, 0, 17 },
		{ "16 bytes", c_long16, BOTH, R03, V_GP, 0, 0 },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

CODE(c_hlt, "hlt\n" STOP);
CODE(c_cli, "cli\n" STOP);
CODE(c_sti, "sti\n" STOP);
CODE(c_in, "in $0x80, %al\n" STOP);
CODE(c_out, "out %al, $0x80\n" STOP);
CODE(c_insb, "insb\n" STOP);
CODE(c_outsb, "outsb\n" STOP);
CODE(c_lgdt, "lgdt (" R("sp") ")\n" STOP);
CODE(c_lidt, "lidt (" R("sp") ")\n" STOP);
CODE(c_lldt, "lldt %ax\n" STOP);
CODE(c_ltr, "ltr %ax\n" STOP);
CODE(c_rcr0, "mov %cr0, " R("ax") "\n" STOP);
CODE(c_wcr0, "mov " R("ax") ", %cr0\n" STOP);
CODE(c_rcr3, "mov %cr3, " R("ax") "\n" STOP);
CODE(c_rdr7, "mov %dr7, " R("ax") "\n" STOP);
CODE(c_wdr7, "mov " R("ax") ", %dr7\n" STOP);
CODE(c_clts, "clts\n" STOP);
CODE(c_lmsw, "lmsw %ax\n" STOP);
CODE(c_rdmsr, "rdmsr\n" STOP);
CODE(c_wrmsr, "wrmsr\n" STOP);
CODE(c_wbinvd, "wbinvd\n" STOP);
CODE(c_invd, "invd\n" STOP);
CODE(c_invlpg, "invlpg (" R("sp") ")\n" STOP);
CODE(c_rdpmc, "rdpmc\n" STOP);

static void privileged(void)
{
	static const struct probe tab[] = {
		{ "hlt", c_hlt, BOTH, R3, V_GP },
		{ "cli", c_cli, BOTH, R3, V_GP },
		{ "sti", c_sti, BOTH, R3, V_GP },
		{ "in", c_in, BOTH, R3, V_GP },
		{ "out", c_out, BOTH, R3, V_GP },
		{ "insb", c_insb, BOTH, R3, V_GP },
		{ "outsb", c_outsb, BOTH, R3, V_GP },
		{ "lgdt", c_lgdt, BOTH, R3, V_GP },
		{ "lidt", c_lidt, BOTH, R3, V_GP },
		{ "lldt", c_lldt, BOTH, R3, V_GP },
		{ "ltr", c_ltr, BOTH, R3, V_GP },
		{ "mov from CR0", c_rcr0, BOTH, R3, V_GP },
		{ "mov to CR0", c_wcr0, BOTH, R3, V_GP },
		{ "mov from CR3", c_rcr3, BOTH, R3, V_GP },
		{ "mov from DR7", c_rdr7, BOTH, R3, V_GP },
		{ "mov to DR7", c_wdr7, BOTH, R3, V_GP },
		{ "clts", c_clts, BOTH, R3, V_GP },
		{ "lmsw", c_lmsw, BOTH, R3, V_GP },
		{ "rdmsr", c_rdmsr, BOTH, R3, V_GP },
		{ "wrmsr", c_wrmsr, BOTH, R3, V_GP },
		{ "wbinvd", c_wbinvd, BOTH, R3, V_GP },
		{ "invd", c_invd, BOTH, R3, V_GP },
		{ "invlpg", c_invlpg, BOTH, R3, V_GP },
		{ "rdpmc", c_rdpmc, BOTH, R3, V_GP },
	};

	probe_all(tab, ARRAY_LEN(tab));
}

CODE(c_rdtsc, "rdtsc\n" STOP);

static void tsd(void)
{
	struct regs r;

	r = run_code(c_rdtsc, 3);
	CHECK_STOP(r);
	write_cr4(read_cr4() | CR4_TSD);
	r = run_code(c_rdtsc, 3);
	CHECK_TRAP(r, V_GP, 0);
	r = run_code(c_rdtsc, 0);
	CHECK_STOP(r);
}

#ifdef __x86_64__
CODE(c_swapgs, "swapgs\n swapgs\n" STOP);
CODE(c_sysret, "sysretq\n" STOP);
CODE(c_movaps, "movaps 1(%rsp), %xmm0\n" STOP);
CODE(c_movaps_store, "movaps %xmm0, 1(%rsp)\n" STOP);
CODE(c_movups, "movups 1(%rsp), %xmm0\n" STOP);
CODE(c_pand, "pand 1(%rsp), %xmm0\n" STOP);
CODE(c_fxsave, "fxsave -1023(%rsp)\n" STOP);
CODE(c_cx16, "cmpxchg16b 8(%rsp)\n" STOP);

static void general_protection64(void)
{
	static const struct probe tab[] = {
		{ "swapgs", c_swapgs, B64, R3, V_GP },
		{ "sysret", c_sysret, B64, R3, V_GP },
		{ "movaps", c_movaps, B64, R03, V_GP },
		{ "movaps store", c_movaps_store, B64, R03, V_GP },
		{ "movups", c_movups, B64, R03, V_STOP, 0, 7 },
		{ "pand", c_pand, B64, R03, V_GP },
		{ "fxsave", c_fxsave, B64, R03, V_GP },
		{ "cmpxchg16b", c_cx16, B64, R03, V_GP },
	};

	probe_all(tab, ARRAY_LEN(tab));
}
#endif

CODE(c_bound, "push $5\n push $-3\n .byte 0x62, 0x04, 0x24\n" STOP);

static void bound(void)
{
	struct regs r;

	if (LONG) {
		skip("no BOUND in 64-bit mode");
		return;
	}
	for (int ring = 0; ring <= 3; ring += 3) {
		for (int i = -4; i <= 6; i++) {
			context("index %x ring %u", i, ring);
			regs_init(&r, c_bound, ring);
			r.rax = i;
			run(&r);
			if (i >= -3 && i <= 5)
				CHECK_STOP(r);
			else {
				CHECK_TRAP(r, V_BR, 0);
				CHECK_EQ(r.rip, code_at(c_bound, ring) + 4);
			}
		}
	}
}

/*
 * The pushed RF: SDM 3B 17.3.1.1 "Instruction-Breakpoint Exception Condition".
 * Faults push 1; traps and software interrupts push what was there.
 */
static void resume_flag(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		r = run_code(c_ud2, ring);
		CHECK_EQ(r.rflags & FL_RF, FL_RF);
		r = run_code(c_div0, ring);
		CHECK_EQ(r.rflags & FL_RF, FL_RF);
		idt[0x80].access |= DPL(3);
		idt[V_BP].access |= DPL(3);
		r = run_code(c_int_80, ring);
		CHECK_EQ(r.rflags & FL_RF, 0);
		r = run_code(c_int3, ring);
		CHECK_EQ(r.rflags & FL_RF, 0);
		/* RF lasts for the first instruction only. */
		regs_init(&r, c_divov, ring);
		r.rflags |= FL_RF;
		run(&r);
		CHECK_EQ(r.vector, V_DE);
	}
}

CODE(c_ac_load, "pushf\n orl $0x40000, (" R("sp") ")\n popf\n"
		"mov 1(" R("sp") "), %eax\n" STOP);

/* Optional in the sense that few guests set AM, not in the manual's. */
static void alignment_check(void)
{
	struct regs r;

	write_cr0(read_cr0() | CR0_AM);
	r = run_code(c_ac_load, 3);
	CHECK_TRAP(r, V_AC, 0);
	r = run_code(c_ac_load, 0);
	CHECK_STOP(r);
	write_cr0(read_cr0() & ~(ulong)CR0_AM);
	r = run_code(c_ac_load, 3);
	CHECK_STOP(r);
}

/*
 * Double fault: a contributory exception while delivering one, and a page
 * fault whose gate is bad. SDM 3A 6.15 "Interrupt 8". In 32-bit mode the
 * same stack serves, which is good here.
 */
static void double_fault(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		idt[V_GP].access &= ~0x80;
		r = run_code(c_mov_cs, ring);
		CHECK_TRAP(r, V_UD, 0);
		if (ring) {
			r = run_code(c_hlt, ring);
			CHECK_TRAP(r, V_DF, 0);
		}
		regs_init(&r, c_ltr, 0);
		r.rax = SEL_DATA;
		run(&r);
		CHECK_TRAP(r, V_DF, 0);
		idt[V_GP].access |= 0x80;
	}
}

/*
 * In long mode the error code holds the vector times 8, as ever: SDM 3A 6.13
 * "Error Code".
 */
#ifdef __x86_64__
#define QEMU_IDT_ERROR "vector times 16, and no EXT (SDM 3A 6.13)"
#else
#define QEMU_IDT_ERROR NULL
#endif

const struct test tests[] = {
	{ "DE", divide },
#ifdef __x86_64__
	{ "DE in 64-bit forms", divide64 },
#endif
	{ "software interrupts", software_interrupts },
	{ "software interrupts refused", software_interrupts_refused,
	  QEMU_IDT_ERROR },
	{ "INT1", int1,
	  "INT1 is #UD (SDM 2A \"INT n/INTO/INT3/INT1\")" },
	{ "INT n pushes no error code", int_without_error_code },
	{ "bad gates", bad_gates, QEMU_IDT_ERROR },
	{ "EXT in the error code", ext_bit, QEMU_IDT_ERROR },
	{ "UD", undefined },
	{ "UD of lesser kinds", undefined_strictly,
	  "executes LOCK MOV and C6 /1 (SDM 2A \"LOCK\", appendix A.4)" },
	{ "instruction length", too_long },
	{ "privileged instructions in ring 3", privileged },
	{ "CR4.TSD", tsd },
#ifdef __x86_64__
	{ "GP in 64-bit mode", general_protection64 },
#endif
	{ "BOUND", bound },
	{ "RF in the pushed flags", resume_flag,
	  "faults push RF clear (SDM 3B 17.3.1.1)" },
	{ "AC", alignment_check,
	  "no alignment checks (SDM 3A 6.15 \"Interrupt 17\")" },
	{ "DF", double_fault },
	{ NULL },
};
