/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breakpoints of the debug registers in company: several at once, with single
 * step, with RF, in the shadow of MOV SS, in the middle of string
 * instructions, by every way an instruction can access memory. The plain cases
 * are in debug.c. SDM 3B 17.2 "Debug Registers", 17.3 "Debug Exceptions".
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define DR6_BS BIT(14)
#define DR6_CLEAR 0xffff0ff0ul

#define MAX_HITS 8

/* What each #DB found. */
static struct hit {
	ulong rip, dr6, rflags;
} hits[MAX_HITS];
static unsigned hit_count;
static ulong handler_flags; /* set in the frame that the handler returns to */

static bool note_hit(struct regs *r)
{
	if (hit_count < MAX_HITS)
		hits[hit_count] = (struct hit){ r->rip, read_dr6() & 0xe00f,
						r->rflags };
	hit_count++;
	write_dr6(DR6_CLEAR);
	r->rflags |= handler_flags;
	return true;
}

static void prepare(ulong give_flags)
{
	hit_count = 0;
	handler_flags = give_flags;
	write_dr6(DR6_CLEAR);
	trap_handle(V_DB, note_hit);
}

/* R/W and LEN as in DR7. */
enum {
	BP_CODE = 0,
	BP_WRITE1 = 1,
	BP_WRITE2 = 5,
	BP_IO1 = 2,
	BP_IO4 = 14,
	BP_DATA1 = 3,
	BP_DATA4 = 15,
	BP_DATA8 = 11,
};

static void arm(unsigned n, ulong at, unsigned rw_len)
{
	ulong dr7 = read_dr7();

	switch (n) {
	case 0: write_dr0(at); break;
	case 1: write_dr1(at); break;
	case 2: write_dr2(at); break;
	case 3: write_dr3(at); break;
	}
	dr7 &= ~(3ul << 2 * n | 15ul << (16 + 4 * n));
	write_dr7(dr7 | 1ul << 2 * n | (ulong)rw_len << (16 + 4 * n));
}

static void disarm(void)
{
	write_dr7(0x400);
	write_dr0(0);
	write_dr1(0);
	write_dr2(0);
	write_dr3(0);
}

static void run_armed(struct regs *r)
{
	run(r);
	disarm();
	CHECK_STOP(*r);
}

#define CHECK_HIT(n, rip_, dr6_)                                               \
	do {                                                                   \
		CHECK_EQ(hits[n].rip, rip_);                                   \
		CHECK_EQ(hits[n].dr6, dr6_);                                   \
	} while (0)

/* Where code and data are for a ring. */
static ulong at_ring(const volatile void *p, int ring)
{
	return ring ? user(p) : (ulong)p;
}

/* TCG reports in the middle of its own handling, aborts or never comes back:
 * no oracle for what needs a look at more than one thing. */
static bool no_oracle(void)
{
	if (machine_is_tcg())
		skip("TCG does not survive it");
	return machine_is_tcg();
}

CODE(c_nops, "nop\n nop\n nop\n" STOP);
CODE(c_popf_rf, "pushf\n orl $0x10000, (" R("sp") ")\n popf\n nop\n" STOP);
CODE(c_data, "mov (" R("di") "), %eax\n nop\n mov %al, 2(" R("di") ")\n nop\n"
	     "nop\n" STOP);

/* RF: by IRET once, by POPF not at all; a breakpoint's frame lacks it. */
static void resume_flag(void)
{
	struct regs r;

	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = at_ring(c_nops, ring);

		context("ring %u", ring);
		prepare(FL_RF);
		arm(0, base, BP_CODE);
		arm(3, base + 1, BP_CODE);
		regs_init(&r, c_nops, ring);
		r.rflags |= FL_RF;
		run_armed(&r);
		/* The first was passed over, the second not. */
		CHECK_EQ(hit_count, 1);
		CHECK_HIT(0, base + 1, 8);
		CHECK_EQ(hits[0].rflags & FL_RF, 0);
	}
	context("popf");
	prepare(FL_RF);
	arm(0, (ulong)c_popf_rf + 9, BP_CODE);
	regs_init(&r, c_popf_rf, 0);
	run_armed(&r);
	CHECK_EQ(hit_count, 1);
	CHECK_HIT(0, (ulong)c_popf_rf + 9, 1);
}

/* Two at one address, and one that is on but elsewhere. */
static void several_at_once(void)
{
	ulong at = (ulong)c_nops + 1;
	struct regs r;

	prepare(FL_RF);
	arm(0, at, BP_CODE);
	arm(2, at, BP_CODE);
	arm(3, at + PAGE, BP_CODE);
	regs_init(&r, c_nops, 0);
	run_armed(&r);
	CHECK_EQ(hit_count, 1);
	CHECK_HIT(0, at, 5);
}

/* A data breakpoint and the step of one instruction are one exception. */
static void step_and_data(void)
{
	static u32 word;

	if (no_oracle())
		return;
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = at_ring(c_data, ring);
		struct regs r;

		context("ring %u", ring);
		prepare(0);
		regs_init(&r, c_data, ring);
		r.rdi = at_ring(&word, ring);
		r.rflags |= FL_TF;
		arm(1, r.rdi, BP_DATA4);
		run_armed(&r);
		CHECK_EQ(hit_count, 5);
		CHECK_HIT(0, base + 2, DR6_BS | 2);
		CHECK_HIT(1, base + 3, DR6_BS);
		CHECK_HIT(2, base + 6, DR6_BS | 2);
		CHECK_HIT(3, base + 7, DR6_BS);
	}
}

/* The step of one instruction comes before the breakpoint on the next. */
static void step_then_breakpoint(void)
{
	ulong base = (ulong)c_nops;
	struct regs r;

	if (no_oracle())
		return;
	prepare(0);
	arm(0, base + 1, BP_CODE);
	regs_init(&r, c_nops, 0);
	r.rflags |= FL_TF;
	handler_flags = FL_RF;
	run_armed(&r);
	CHECK_EQ(hit_count, 3);
	CHECK_HIT(0, base + 1, DR6_BS);
	CHECK_HIT(1, base + 2, DR6_BS);
	context("on the first");
	prepare(FL_RF);
	arm(0, base, BP_CODE);
	regs_init(&r, c_nops, 0);
	r.rflags |= FL_TF;
	run_armed(&r);
	CHECK_EQ(hit_count, 4);
	CHECK_HIT(0, base, 1);
	CHECK_HIT(1, base + 1, DR6_BS);
}

/*
 * Accesses that are not plain moves: read-modify-write, and by instructions
 * that engines tend to carry out by themselves.
 */
CODE(c_rmw, "addl $1, (" R("di") ")\n lock incl (" R("di") ")\n nop\n" STOP);
CODE(c_cmp, "cmpl $1, (" R("di") ")\n nop\n" STOP);
CODE(c_sgdt, "sgdt (" R("di") ")\n nop\n" STOP);
CODE(c_fxsave, "fxsave (" R("di") ")\n nop\n" STOP);
CODE(c_bts, "bts %eax, (" R("di") ")\n nop\n" STOP);
CODE(c_xlat, "xlatb\n nop\n" STOP);
CODE(c_lods, "lodsl\n nop\n" STOP);

static const struct data_case {
	const char *name;
	const u8 *code;
	u8 offset, rw_len; /* of the breakpoint from the address */
	u8 hit_count;
	u8 end[2]; /* of the instructions that hit */
} data_tab[] = {
	{ "add, lock inc", c_rmw, 1, BP_WRITE1, 2, { 3, 6 } },
	{ "cmp, for writes", c_cmp, 0, BP_WRITE1, 0, { 0 } },
	{ "cmp", c_cmp, 3, BP_DATA1, 1, { 3 } },
	{ "cmp, beside", c_cmp, 4, BP_DATA4, 0, { 0 } },
	{ "an unaligned breakpoint", c_cmp, 3, BP_DATA4, 1, { 3 } },
	{ "sgdt", c_sgdt, 5, BP_WRITE1, 1, { 3 } },
	{ "sgdt, beside", c_sgdt, 10, BP_WRITE1, 0, { 0 } },
	{ "fxsave", c_fxsave, 24, BP_DATA4, 1, { 3 } },
	{ "bts", c_bts, 8, BP_WRITE1, 1, { 3 } },
	{ "bts, beside", c_bts, 12, BP_DATA4, 0, { 0 } },
	{ "xlat", c_xlat, 67, BP_DATA1, 1, { 1 } },
	{ "lods", c_lods, 2, BP_DATA1, 1, { 1 } },
#ifdef __x86_64__
	{ "8 bytes", c_cmp, 5, BP_DATA8, 1, { 3 } },
#endif
};

static void data_of_many_kinds(void)
{
	ulong page = pages_alloc(1);

	if (no_oracle())
		return;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(data_tab); i++) {
		const struct data_case *c = &data_tab[i / 2];
		int ring = i & 1 ? 3 : 0;
		ulong base = at_ring(c->code, ring);
		struct regs r;

		context("%s, ring %u", c->name, ring);
		prepare(0);
		regs_init(&r, c->code, ring);
		r.rdi = r.rsi = r.rbx = at_ring((void *)page, ring);
		r.rax = 67; /* bit 3 of byte 8 */
		arm(2, r.rdi + c->offset, c->rw_len);
		run_armed(&r);
		CHECK_EQ(hit_count, c->hit_count);
		for (unsigned k = 0; k < c->hit_count; k++)
			CHECK_HIT(k, base + c->end[k], 4);
	}
}

/* In ring 0 of the 32-bit guest the handler would be on the same stack. */
CODE(c_push, "push " R("ax") "\n nop\n pop " R("dx") "\n" STOP);
CODE(c_call, "call 1f\n nop\n nop\n 1: nop\n" STOP);

static void data_on_the_stack(void)
{
	if (no_oracle())
		return;
	for (int ring = sizeof(ulong) == 8 ? 0 : 3; ring <= 3; ring += 3) {
		struct regs r;

		context("push, ring %u", ring);
		prepare(0);
		regs_init(&r, c_push, ring);
		arm(0, r.rsp - 1, BP_DATA1);
		run_armed(&r);
		CHECK_EQ(hit_count, 2);
		CHECK_HIT(0, at_ring(c_push, ring) + 1, 1);
		CHECK_HIT(1, at_ring(c_push, ring) + 3, 1);
		context("call, ring %u", ring);
		prepare(0);
		regs_init(&r, c_call, ring);
		arm(0, r.rsp - 2, BP_WRITE1);
		run_armed(&r);
		CHECK_EQ(hit_count, 1);
		CHECK_HIT(0, at_ring(c_call, ring) + 7, 1);
	}
}

/* An access over the end of a page, with the breakpoint on either. */
static void data_across_pages(void)
{
	ulong page = pages_alloc(2) + PAGE;

	if (no_oracle())
		return;
	for (int side = -1; side <= 0; side++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			struct regs r;

			context("byte %u, ring %u", 2 + side, ring);
			prepare(0);
			regs_init(&r, c_rmw, ring);
			r.rdi = at_ring((void *)page, ring) - 2;
			arm(3, r.rdi + 2 + (ulong)side, BP_WRITE1);
			run_armed(&r);
			CHECK_EQ(hit_count, 2);
			CHECK_HIT(0, at_ring(c_rmw, ring) + 3, 8);
			CHECK_HIT(1, at_ring(c_rmw, ring) + 6, 8);
		}
	}
}

/*
 * In a REP the trap comes after the iteration, and RF in its frame keeps an
 * instruction breakpoint on the REP itself quiet. SDM 3B 17.3.1.1
 */
CODE(c_rep, "rep stosb\n nop\n" STOP);

static void data_in_strings(void)
{
	ulong page = pages_alloc(1);

	if (no_oracle())
		return;
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = at_ring(c_rep, ring);
		struct regs r;

		context("ring %u", ring);
		prepare(0);
		regs_init(&r, c_rep, ring);
		r.rdi = at_ring((void *)page, ring);
		r.rcx = 5;
		r.rflags |= FL_RF;
		arm(0, r.rdi + 2, BP_WRITE2);
		arm(1, base, BP_CODE);
		run_armed(&r);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(hit_count, 2);
		CHECK_HIT(0, base, 1);
		CHECK_EQ(hits[0].rflags & FL_RF, FL_RF);
		CHECK_HIT(1, base, 1);
		/* The last iteration is the end of the instruction. */
		context("the last, ring %u", ring);
		prepare(0);
		regs_init(&r, c_rep, ring);
		r.rdi = at_ring((void *)page, ring);
		r.rcx = 5;
		arm(0, r.rdi + 4, BP_WRITE1);
		run_armed(&r);
		CHECK_EQ(hit_count, 1);
		CHECK_HIT(0, base + 2, 1);
		CHECK_EQ(hits[0].rflags & FL_RF, 0);
	}
}

/* An instruction that faults has hit nothing. */
#ifdef __x86_64__
CODE(c_push_mem, "push (" R("di") ")\n nop\n" STOP);

static void fault_after_hit(void)
{
	static ulong word;
	struct regs r;

	if (no_oracle())
		return;
	prepare(0);
	regs_init(&r, c_push_mem, 0);
	r.rdi = (ulong)&word;
	r.rsp = LAB + 8; /* not mapped */
	arm(0, r.rdi, BP_DATA1);
	run(&r);
	disarm();
	CHECK_PF(r, PF_W, LAB);
	CHECK_EQ(hit_count, 0);
}
#endif

/*
 * MOV SS holds off the breakpoint on the next instruction, and what it hit
 * itself is reported after that. SDM 3A 6.8.3 "Masking Exceptions and
 * Interrupts When Switching Stacks"
 */
CODE(c_ss_mem, "mov (" R("di") "), %ss\n nop\n nop\n" STOP);

static void mov_ss_breakpoints(void)
{
	static u16 sel;

	if (no_oracle())
		return;
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = at_ring(c_ss_mem, ring);
		struct regs r;

		sel = ring ? SEL_USER_DATA : SEL_DATA;
		context("code, ring %u", ring);
		prepare(FL_RF);
		regs_init(&r, c_ss_mem, ring);
		r.rdi = at_ring(&sel, ring);
		arm(0, base + 2, BP_CODE);
		run_armed(&r);
		CHECK_EQ(hit_count, 0);
		context("data, ring %u", ring);
		prepare(0);
		regs_init(&r, c_ss_mem, ring);
		r.rdi = at_ring(&sel, ring);
		arm(1, r.rdi, BP_DATA1);
		run_armed(&r);
		CHECK_EQ(hit_count, 1);
		CHECK_HIT(0, base + 3, 2);
	}
}

/* General detect is a fault: RF is set in its frame. */
CODE(c_rdr0, "mov %dr0, " R("ax") "\n" STOP);

static void general_detect_flag(void)
{
	struct regs r;

	if (no_oracle())
		return;
	trap_handle(V_DB, NULL);
	write_dr6(DR6_CLEAR);
	write_dr7(0x400 | BIT(13));
	r = run_code(c_rdr0, 0);
	CHECK_TRAP(r, V_DB, 0);
	CHECK_EQ(r.rflags & FL_RF, FL_RF);
	write_dr7(0x400);
}

/* Breakpoints of ports: by length, and not without CR4.DE. */
CODE(c_io, "in $0x80, %al\n out %al, $0x81\n nop\n" STOP);
CODE(c_outs, "rep outsb\n nop\n" STOP);

static void ports(void)
{
	static u8 bytes[3];
	struct regs r;

	if (no_oracle())
		return;
	prepare(0);
	arm(0, 0x80, BP_IO1);
	regs_init(&r, c_io, 0);
	run_armed(&r);
	CHECK_EQ(hit_count, 0);
	write_cr4(read_cr4() | CR4_DE);
	context("with DE");
	prepare(0);
	arm(0, 0x83, BP_IO4);
	arm(1, 0x81, BP_IO1);
	regs_init(&r, c_io, 0);
	run_armed(&r);
	CHECK_EQ(hit_count, 2);
	CHECK_HIT(0, (ulong)c_io + 2, 1);
	CHECK_HIT(1, (ulong)c_io + 4, 3);
	context("outs");
	prepare(0);
	arm(3, 0x80, BP_IO1);
	regs_init(&r, c_outs, 0);
	r.rsi = (ulong)bytes;
	r.rcx = sizeof(bytes);
	r.rdx = 0x80;
	run_armed(&r);
	CHECK_EQ(hit_count, 3);
	CHECK_HIT(0, (ulong)c_outs, 8);
	CHECK_HIT(2, (ulong)c_outs + 2, 8);
}

/* A loop that is not near what is armed, and one that is. */
CODE(c_loop, "1: incl (" R("di") ")\n dec %ecx\n jnz 1b\n" STOP);

static void beside(void)
{
	ulong page = pages_alloc(1);
	struct regs r;

	prepare(FL_RF);
	regs_init(&r, c_loop, 0);
	r.rdi = page;
	r.rcx = 100000;
	arm(0, page + 64, BP_DATA4);
	arm(1, (ulong)c_loop - 1, BP_CODE);
	arm(2, (ulong)c_loop + 1, BP_CODE);
	run_armed(&r);
	CHECK_EQ(hit_count, 0);
	CHECK_EQ(*(volatile u32 *)page, 100000);
}

/*
 * A breakpoint comes to code that has been called from another page many
 * times, and goes again, while the caller runs.
 */
#define V_TOGGLE 0x83

CODE(c_calls, ".balign 4096\n"
	      "1: call c_called\n"
	      "call *" R("bx") "\n"
	      "test $15, %cl\n jnz 2f\n int $0x83\n"
	      "2: dec %ecx\n jnz 1b\n" STOP
	      ".balign 4096\n"
	      "c_called: nop\n nop\n ret\n"
	      ".balign 4096\n");
extern const u8 c_called[];

static ulong toggled_at;
static bool is_armed;

static bool toggle(struct regs *r)
{
	if (is_armed)
		disarm();
	else
		arm(0, toggled_at, BP_CODE);
	is_armed = !is_armed;
	return true;
}

static void called_from_afar(void)
{
	idt[V_TOGGLE].access |= DPL(3);
	for (unsigned n = 0; n < 12; n++) {
		int ring = n & 1 ? 3 : 0;
		struct regs r;

		context("ring %u, %u", ring, n);
		prepare(FL_RF);
		trap_handle(V_TOGGLE, toggle);
		toggled_at = at_ring(c_called, ring) + (n >> 1 & 1);
		is_armed = false;
		regs_init(&r, c_calls, ring);
		r.rbx = at_ring(c_called, ring);
		r.rcx = 100;
		run_armed(&r);
		/* From 96 to 80, 64 to 48, and 32 to 16. */
		CHECK_EQ(hit_count, 3 * 16 * 2);
		CHECK_HIT(0, toggled_at, 1);
	}
}

const struct test tests[] = {
	{ "the resume flag", resume_flag },
	{ "several at once", several_at_once },
	{ "a step and data", step_and_data },
	{ "a step, then a breakpoint", step_then_breakpoint },
	{ "data, by many instructions", data_of_many_kinds },
	{ "data on the stack", data_on_the_stack },
	{ "data across pages", data_across_pages },
	{ "data in strings", data_in_strings },
#ifdef __x86_64__
	{ "a fault after a hit", fault_after_hit },
#endif
	{ "MOV SS", mov_ss_breakpoints },
	{ "general detect and RF", general_detect_flag },
	{ "ports", ports },
	{ "beside", beside },
	{ "called from afar", called_from_afar },
	{ NULL },
};
