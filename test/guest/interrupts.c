/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When an interrupt is taken: the shadows of STI and MOV SS, enabling by POPF
 * and IRET, loops that have no other end, long string instructions, NMI.
 * SDM 3A 6.8 "Enabling and Disabling Interrupts", 6.8.3 "Masking Exceptions
 * and Interrupts When Switching Stacks"; 6.7.1 "Handling Multiple NMIs".
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

#define V 0x61

static ulong code_at(const void *code, int ring)
{
	return ring ? user(code) : (ulong)code;
}

/* Runs code with an interrupt pending and IF as given, until it arrives. */
static struct regs run_pending(const u8 *code, int ring, ulong flags)
{
	struct regs r;

	apic_self_ipi(V);
	CHECK(apic_bit(APIC_IRR, V));
	regs_init(&r, code, ring);
	r.rflags |= flags;
	run(&r);
	if (r.vector == V) {
		apic_eoi();
	} else {
		irq_count(V);
		sti_nop();
		cli();
		trap_handle(V, NULL);
	}
	return r;
}

#define CHECK_ARRIVED(r, code, ring, offset)                                   \
	do {                                                                   \
		CHECK_EQ((r).vector, V);                                       \
		CHECK_EQ((r).rip, code_at(code, ring) + (offset));             \
	} while (0)

/* MOV of a byte has the same length in both modes. */
CODE(c_sti, "sti\n mov $1, %cl\n mov $1, %dl\n mov $1, %bl\n" STOP);
CODE(c_sti_cli, "sti\n cli\n mov $1, %cl\n" STOP);
CODE(c_sti_sti, "sti\n sti\n mov $1, %dl\n" STOP);
CODE(c_sti_if, "mov $1, %cl\n sti\n mov $1, %dl\n" STOP);
CODE(c_sti_hlt, "sti\n hlt\n mov $1, %dl\n" STOP);
CODE(c_sti_jmp, "sti\n jmp 1f\n .skip 10, 0x90\n 1: mov $1, %dl\n" STOP);
CODE(c_sti_ret, "lea -20(" R("sp") "), " R("sp") "\n"
		"push " R("bx") "\n sti\n ret\n" STOP);
CODE(c_sti_stop, "sti\n" STOP);
CODE(c_sti_loop, "1: sti\n cli\n jmp 1b\n");

static void sti_shadow(void)
{
	struct regs r;

	r = run_pending(c_sti, 0, 0);
	CHECK_ARRIVED(r, c_sti, 0, 3);
	CHECK_EQ(r.rcx, 1);
	CHECK_EQ(r.rdx, 0);
	CHECK_EQ(r.rflags & FL_IF, FL_IF);
	/* The shadow covers CLI: nothing arrives. */
	r = run_pending(c_sti_cli, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, 1);
	/* HLT runs, and ends at once. */
	r = run_pending(c_sti_hlt, 0, 0);
	CHECK_ARRIVED(r, c_sti_hlt, 0, 2);
	CHECK_EQ(r.rdx, 0);
	r = run_pending(c_sti_jmp, 0, 0);
	CHECK_ARRIVED(r, c_sti_jmp, 0, 13);
	/* An INT in the shadow goes first; its gate clears IF. */
	r = run_pending(c_sti_stop, 0, 0);
	CHECK_STOP(r);
}

/* STI; RET into a loop of itself must let interrupts in. */
static void sti_return(void)
{
	struct regs r;

	apic_self_ipi(V);
	regs_init(&r, c_sti_ret, 0);
	r.rbx = (ulong)c_sti;
	run(&r);
	CHECK_ARRIVED(r, c_sti, 0, 0);
	apic_eoi();
}

/* STI with IF already set has no shadow; a pending interrupt is taken first. */
static void sti_again(void)
{
	struct regs r = run_pending(c_sti_sti, 0, 0);

	CHECK_ARRIVED(r, c_sti_sti, 0, 2);
	CHECK_EQ(r.rdx, 0);
	r = run_pending(c_sti_if, 0, FL_IF);
	CHECK_ARRIVED(r, c_sti_if, 0, 0);
	CHECK_EQ(r.rcx, 0);
}

/* Nothing ever gets in where IF is on only under the shadow. */
static bool give_up(struct regs *r)
{
	return false;
}

static void sti_cli_loop(void)
{
	struct regs r;

	/* An NMI ends it: the interrupt is then still pending. */
	irq_count(V);
	apic_self_ipi(V);
	ioapic_route(2, ICR_NMI);
	pit_start(0, 20000);
	trap_handle(V_NMI, give_up);
	regs_init(&r, c_sti_loop, 0);
	run(&r);
	CHECK_EQ(r.vector, V_NMI);
	CHECK_EQ(irq_counts[V], 0);
	CHECK(apic_bit(APIC_IRR, V));
	sti_nop();
	cli();
	CHECK_EQ(irq_counts[V], 1);
}

CODE(c_popf, "push $0x202\n popf\n mov $1, %cl\n" STOP);

/* POPF and IRET enable without a shadow. */
static void popf_enables(void)
{
	struct regs r = run_pending(c_popf, 0, 0);

	CHECK_ARRIVED(r, c_popf, 0, 6);
	CHECK_EQ(r.rcx, 0);
	/* By IRET, the first instruction does not run; in either ring. */
	r = run_pending(c_sti, 0, FL_IF);
	CHECK_ARRIVED(r, c_sti, 0, 0);
	CHECK_EQ(r.rcx, 0);
	r = run_pending(c_sti, 3, FL_IF);
	CHECK_ARRIVED(r, c_sti, 3, 0);
	CHECK_EQ(r.cs, SEL_USER);
}

/*
 * MOV SS holds interrupts off for one instruction. None may be found between
 * the two, however many arrive around them.
 */
#define SS_LOOP(name, load)                                                    \
	CODE(name, "mov %ss, %eax\n"                                           \
		   "1: " load "\n"                                             \
		   #name "_covered: nop\n"                                     \
		   "nop\n dec %ecx\n jnz 1b\n" STOP);                          \
	extern const u8 name##_covered[]

SS_LOOP(c_mov_ss, "mov %eax, %ss");
#ifndef __x86_64__
SS_LOOP(c_pop_ss, "push %ss\n pop %ss");
#endif

static ulong covered_address;
static unsigned covered_hits;

static bool look_at_rip(struct regs *r)
{
	if (r->rip == covered_address)
		covered_hits++;
	irq_counts[V]++;
	apic_eoi();
	return true;
}

static void ss_shadow(const u8 *code, const u8 *covered)
{
	struct regs r;

	irq_counts[V] = 0;
	covered_hits = 0;
	covered_address = (ulong)covered;
	trap_handle(V, look_at_rip);
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, 20011);
	for (unsigned i = 0; i < 1000 && irq_counts[V] < 300; i++) {
		regs_init(&r, code, 0);
		r.rflags |= FL_IF;
		r.rcx = 100000;
		run(&r);
		CHECK_STOP(r);
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	CHECK(irq_counts[V] > 10);
	CHECK_EQ(covered_hits, 0);
}

static void mov_ss_shadow(void)
{
	ss_shadow(c_mov_ss, c_mov_ss_covered);
}

#ifndef __x86_64__
static void pop_ss_shadow(void)
{
	ss_shadow(c_pop_ss, c_pop_ss_covered);
}
#endif

/* Loops that only an interrupt ends. */
CODE(c_jmp_self, "jmp .\n");
CODE(c_two_blocks, "1: jmp 2f\n .skip 20, 0x90\n 2: jmp 1b\n");
CODE(c_counting, "1: inc %ecx\n test %eax, %eax\n jz 1b\n" STOP);
CODE(c_indirect, "1: jmp *" R("bx") "\n");
CODE(c_calls, "1: call 2f\n jmp 1b\n 2: ret\n");
CODE(c_loop_insn, "1: xor %ecx, %ecx\n loop .\n jmp 1b\n");
CODE(c_spin_load, "push $0\n 1: pause\n cmpl $0, (" R("sp") ")\n je 1b\n" STOP);
CODE(c_rep_nop, "1: rep; nop\n jmp 1b\n");
CODE(c_rep_stos, "1: mov " R("bx") ", " R("di") "\n mov $0x10000, %ecx\n"
		 "rep stosb\n jmp 1b\n");

static void endless(void)
{
	static const struct {
		const char *name;
		const u8 *code, *end;
		bool self; /* BX: its own address */
	} loop_tab[] = {
		{ "jmp .", c_jmp_self, c_jmp_self_end },
		{ "two blocks", c_two_blocks, c_two_blocks_end },
		{ "counting", c_counting, c_counting_end },
		{ "indirect jump", c_indirect, c_indirect_end, true },
		{ "calls and returns", c_calls, c_calls_end },
		{ "loop", c_loop_insn, c_loop_insn_end },
		{ "spinning on memory", c_spin_load, c_spin_load_end },
		{ "pause", c_rep_nop, c_rep_nop_end },
		{ "rep stos", c_rep_stos, c_rep_stos_end },
	};
	ulong buffer = pages_alloc(17);

	for (unsigned i = 0; i < ARRAY_LEN(loop_tab); i++) {
		for (unsigned n = 0; n < 20; n++) {
			int ring = n & 1 ? 3 : 0;
			ulong at = code_at(loop_tab[i].code, ring);
			struct regs r;

			context("%s ring %u", loop_tab[i].name, ring);
			regs_init(&r, loop_tab[i].code, ring);
			r.rflags |= FL_IF;
			r.rbx = loop_tab[i].self ? at
						 : code_at((void *)buffer, ring);
			apic_timer(V, DIVIDE_1, 20000 + n * 1003);
			run(&r);
			apic_eoi();
			CHECK_EQ(r.vector, V);
			CHECK(r.rip >= at);
			CHECK(r.rip < at + (loop_tab[i].end -
					    loop_tab[i].code));
		}
	}
}

/*
 * How long a tight loop keeps an interrupt waiting, in ticks of the timer. The
 * figures are for the reader: the host decides when the guest runs at all.
 */
#define PERIOD 1000000u

static u32 late;

static bool look_at_timer(struct regs *r)
{
	late = PERIOD - apic_read(APIC_TIMER_CURRENT);
	return false;
}

static void latency(void)
{
	u32 best = ~0u, worst = 0;

	trap_handle(V, look_at_timer);
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, PERIOD);
	for (unsigned i = 0; i < 30; i++) {
		struct regs r;

		regs_init(&r, c_jmp_self, 0);
		r.rflags |= FL_IF;
		run(&r);
		apic_eoi();
		if (late < best)
			best = late;
		if (late > worst)
			worst = late;
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	CHECK(best < PERIOD / 2);
	print("# late by %u to %u timer ticks\n", best, worst);
}

/*
 * Interrupts in the middle of a long REP: the registers are those of an
 * instruction that has done its first elements, and it goes on where it was.
 */
CODE(c_stosb, "rep stosb\n" STOP);
CODE(c_movsb, "rep movsb\n" STOP);

static struct {
	ulong code, di, cx;
	unsigned middle, bad;
} rep;

static bool look_at_rep(struct regs *r)
{
	irq_counts[V]++;
	apic_eoi();
	if (r->rip == rep.code && r->rcx != rep.cx) {
		rep.middle++;
		if (r->rdi + r->rcx != rep.di + rep.cx)
			rep.bad++;
	}
	return true;
}

static void long_rep(void)
{
	enum { LEN = 1024 * 4096 };
	ulong buffer = pages_alloc(LEN / PAGE), source = pages_alloc(1024);

	trap_handle(V, look_at_rep);
	for (unsigned i = 0; i < 1024; i++)
		*(volatile u32 *)(source + i * PAGE) = i * 77;
	for (unsigned n = 0; n < 200 && rep.middle < 20; n++) {
		bool movs = n & 1;
		struct regs r;

		context("round %u", n);
		regs_init(&r, movs ? c_movsb : c_stosb, 0);
		rep.code = r.rip;
		rep.di = r.rdi = buffer;
		rep.cx = r.rcx = LEN;
		r.rsi = source;
		r.rax = n + 1;
		r.rflags |= FL_IF;
		apic_timer(V | LVT_PERIODIC, DIVIDE_1, 30011);
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(r.rdi, buffer + LEN);
		apic_write(APIC_TIMER_INITIAL, 0);
		for (unsigned i = 0; i < LEN; i += PAGE) {
			u32 want = movs ? *(volatile u32 *)(source + i)
					: (n + 1) * 0x01010101;

			if (*(volatile u32 *)(buffer + i) != want)
				CHECK_EQ(*(volatile u32 *)(buffer + i), want);
		}
	}
	CHECK_EQ(rep.bad, 0);
	print("# %u of %u interrupts came in the middle\n", rep.middle,
	      irq_counts[V]);
}

/* Registers and flags survive thousands of interrupts at random places. */
CODE(c_survive,
     "mov $50000, %ecx\n"
     "1: mov $0x1234, %eax\n mov $0x5678, %ebx\n"
     "cmp %ebx, %eax\n"
     "lea 1(" R("ax") "), %edx\n"
     "jae 2f\n jz 2f\n"
     "stc\n inc %esi\n jnc 2f\n"
     "push " R("dx") "\n pop " R("bp") "\n cmp %ebp, %edx\n jne 2f\n"
     "cmp $0x1235, %edx\n jne 2f\n"
     "dec %ecx\n jnz 1b\n"
     "mov $0x600d, %eax\n" STOP
     "2: mov $0xbad, %eax\n" STOP);

static void survive(void)
{
	irq_count(V);
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, 7001);
	for (unsigned n = 0; n < 20 || (n < 2000 && irq_counts[V] < 50); n++) {
		int ring = n & 1 ? 3 : 0;
		struct regs r;

		context("ring %u", ring);
		regs_init(&r, c_survive, ring);
		r.rflags |= FL_IF;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x600d);
		CHECK_EQ(r.rsi, 50000);
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	CHECK(irq_counts[V] > 20);
}

/* NMI: by the ICR, with IF clear; blocked until IRET. */
static unsigned nmi_count;

static bool nmi_twice(struct regs *r)
{
	nmi_count++;
	if (nmi_count == 1) {
		apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
		apic_write(APIC_ICR, ICR_NMI | ICR_ASSERT);
		asm volatile("nop; nop; nop");
		CHECK_EQ(nmi_count, 1);
	}
	return true;
}

static void nmi(void)
{
	nmi_count = 0;
	trap_handle(V_NMI, nmi_twice);
	apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
	apic_write(APIC_ICR, ICR_NMI | ICR_ASSERT);
	asm volatile("nop; nop; nop");
	CHECK_EQ(nmi_count, 2);
}

CODE(c_cli_gp, "cli\n" STOP);
CODE(c_sti_iopl, "sti\n cli\n pushf\n pop " R("ax") "\n" STOP);

/* IOPL 3 lets ring 3 have CLI and STI; the shadow is the same there. */
static void iopl(void)
{
	struct regs r;

	regs_init(&r, c_sti_iopl, 3);
	r.rflags |= FL_IOPL;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax & FL_IF, 0);
	r = run_code(c_cli_gp, 3);
	CHECK_TRAP(r, V_GP, 0);
	r = run_pending(c_sti, 3, FL_IOPL);
	CHECK_ARRIVED(r, c_sti, 3, 3);
}

const struct test tests[] = {
	{ "shadow of STI", sti_shadow },
	{ "STI and RET", sti_return },
	{ "STI when IF is set", sti_again },
	{ "STI and CLI in a loop", sti_cli_loop },
	{ "POPF and IRET enable at once", popf_enables },
	{ "shadow of MOV SS", mov_ss_shadow },
#ifndef __x86_64__
	{ "shadow of POP SS", pop_ss_shadow },
#endif
	{ "endless loops", endless },
	{ "latency", latency },
	{ "long REP", long_rep },
	{ "registers survive", survive },
	{ "NMI", nmi },
	{ "CLI and STI in ring 3", iopl },
	{ NULL },
};
