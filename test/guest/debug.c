/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug exceptions: single steps by TF through every kind of instruction, and
 * the debug registers. SDM 3B 17.2 "Debug Registers", 17.3 "Debug Exceptions".
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define DR6_BS BIT(14)
#define DR6_BD BIT(13)
/* DR6 as it reads with nothing reported. */
#define DR6_CLEAR 0xffff0ff0ul

/*
 * Every step notes where the next instruction is. The list of a snippet's
 * steps is compared with its labels.
 */
#define MAX_STEPS 64

static ulong steps[MAX_STEPS];
static unsigned step_count, bad_dr6;

static bool note_step(struct regs *r)
{
	if (step_count < MAX_STEPS)
		steps[step_count] = r->rip;
	step_count++;
	if ((read_dr6() & 0xffff) != ((DR6_CLEAR & 0xffff) | DR6_BS))
		bad_dr6++;
	write_dr6(DR6_CLEAR);
	return true;
}

/* Bytes between the steps that are expected, ended by 0xff. */
static void expect_steps(const char *what, const u8 *code, int ring,
			 const u8 *offset_tab, const struct regs *in)
{
	ulong base = ring ? user(code) : (ulong)code;
	struct regs r;
	unsigned n = 0;

	context("%s ring %u", what, ring);
	step_count = bad_dr6 = 0;
	write_dr6(DR6_CLEAR);
	trap_handle(V_DB, note_step);
	if (in)
		r = *in;
	else
		regs_init(&r, code, ring);
	r.rflags |= FL_TF;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(bad_dr6, 0);
	while (offset_tab[n] != 0xff)
		n++;
	CHECK_EQ(step_count, n);
	for (unsigned i = 0; i < n && i < step_count && i < MAX_STEPS; i++)
		CHECK_EQ(steps[i] - base, offset_tab[i]);
}

#define STEPS(...) ((const u8[]){ __VA_ARGS__, 0xff })

CODE(c_nops, "nop\n nop\n nop\n" STOP);
CODE(c_jumps, "jmp 1f\n nop\n 1: xor %eax, %eax\n jz 2f\n nop\n"
	      "2: jnz 3f\n 3: nop\n" STOP);
CODE(c_call, "call 1f\n nop\n" STOP "1: ret\n");
CODE(c_rep, "rep stosb\n nop\n" STOP);
CODE(c_rep_1, "rep stosb\n" STOP);
CODE(c_pushf, "pushf\n pop " R("ax") "\n nop\n" STOP);
CODE(c_popf_off, "pushf\n"
#ifdef __x86_64__
		 "andq $~0x100, (%rsp)\n"
#else
		 "andl $~0x100, (%esp)\n nop\n"
#endif
		 "popf\n nop\n nop\n" STOP);
CODE(c_mov_ss, "mov %ss, %eax\n mov %eax, %ss\n nop\n nop\n" STOP);
CODE(c_cpuid, "xor %eax, %eax\n cpuid\n rdtsc\n nop\n" STOP);
CODE(c_io, "in $0x80, %al\n out %al, $0x80\n nop\n" STOP);
CODE(c_string, "movsb\n nop\n" STOP);

static void single_steps(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		expect_steps("nops", c_nops, ring, STEPS(1, 2, 3), NULL);
		expect_steps("jumps", c_jumps, ring, STEPS(3, 5, 8, 10, 11),
			     NULL);
		expect_steps("call", c_call, ring, STEPS(8, 5, 6), NULL);
		expect_steps("cpuid", c_cpuid, ring, STEPS(2, 4, 6, 7), NULL);
	}
	expect_steps("in and out", c_io, 0, STEPS(2, 4, 5), NULL);
}

/* A step for each iteration of REP; none more for a count of zero. */
static void rep_steps(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong page = pages_alloc(1);
		struct regs r;

		regs_init(&r, c_rep, ring);
		r.rdi = ring ? user((void *)page) : page;
		r.rcx = 3;
		expect_steps("rep, 3", c_rep, ring, STEPS(0, 0, 2, 3), &r);
		regs_init(&r, c_rep, ring);
		r.rcx = 0;
		expect_steps("rep, 0", c_rep, ring, STEPS(2, 3), &r);
		regs_init(&r, c_rep_1, ring);
		r.rdi = ring ? user((void *)page) : page;
		r.rcx = 1;
		expect_steps("rep, 1", c_rep_1, ring, STEPS(2), &r);
	}
}

/* PUSHF shows TF; POPF that clears it still steps once; one that sets: not. */
CODE(c_popf_on, "pushf\n orl $0x100, (" R("sp") ")\n popf\n nop\n nop\n"
		"pushf\n andl $~0x100, (" R("sp") ")\n popf\n nop\n" STOP);

static void popf_steps(void)
{
	struct regs r;

	trap_handle(V_DB, note_step);
	regs_init(&r, c_pushf, 0);
	r.rflags |= FL_TF;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax & FL_TF, FL_TF);
	for (int ring = 0; ring <= 3; ring += 3) {
		/* pushf 1, orl 7, popf 1, nop 1, nop 1, pushf 1, andl 7 */
		unsigned at = 1 + 7 + 1;

		context("ring %u", ring);
		step_count = 0;
		regs_init(&r, c_popf_on, ring);
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(step_count, 5);
		CHECK_EQ(steps[0] - (ring ? user(c_popf_on) : (ulong)c_popf_on),
			 at + 1);
		CHECK_EQ(steps[4] - (ring ? user(c_popf_on) : (ulong)c_popf_on),
			 at + 2 + 1 + 7 + 1);
	}
}

/* MOV SS covers the following instruction, from the trap as well. */
static void mov_ss_step(void)
{
	for (int ring = 0; ring <= 3; ring += 3)
		expect_steps("mov ss", c_mov_ss, ring, STEPS(2, 5, 6), NULL);
}

/* Exceptions and INT clear TF for their handlers: no step in the gate. */
CODE(c_int, "int $0x80\n nop\n" STOP);
CODE(c_ud, "ud2\n nop\n" STOP);

static bool skip_two(struct regs *r)
{
	if (r->vector == V_UD)
		r->rip += 2;
	CHECK_EQ(r->rflags & FL_TF, FL_TF);
	CHECK_EQ(read_flags() & FL_TF, 0);
	return true;
}

/* The trap for the INT itself is lost; the first is after the next one. */
static void steps_over_int(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		trap_handle(0x80, skip_two);
		trap_handle(V_UD, skip_two);
		idt[0x80].access |= DPL(3);
		expect_steps("int", c_int, ring, STEPS(3), NULL);
		expect_steps("ud2", c_ud, ring, STEPS(3), NULL);
	}
}

/* A fault while stepping: no step for the instruction that did not end. */
CODE(c_fault, "nop\n mov (" R("di") "), %eax\n nop\n" STOP);

static void fault_while_stepping(void)
{
#ifdef __x86_64__
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		step_count = 0;
		trap_handle(V_DB, note_step);
		regs_init(&r, c_fault, ring);
		r.rdi = LAB;
		r.rflags |= FL_TF;
		run(&r);
		CHECK_PF(r, ring ? PF_U : 0, LAB);
		CHECK_EQ(step_count, 1);
		CHECK_EQ(r.rflags & FL_TF, FL_TF);
	}
#else
	skip("no paging in this guest");
#endif
}

#ifdef __x86_64__
CODE(c_syscall, "syscall\n nop\n" STOP);
CODE(c_entry, "nop\n nop\n sysretq\n");

/*
 * SYSCALL with TF: FMASK clears it, so nothing is stepped in ring 0; SYSRET
 * that brings TF back steps after the first instruction in ring 3.
 * SDM 2B "SYSRET": "the trap ... is taken after the next instruction" is what
 * processors do for IRET too.
 */
static void syscall_step(void)
{
	struct regs r;

	wrmsr(MSR_STAR, (u64)SEL_USER32 << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (ulong)c_entry);
	wrmsr(MSR_FMASK, FL_TF | FL_IF);
	trap_handle(V_DB, note_step);
	step_count = 0;
	regs_init(&r, c_syscall, 3);
	r.rflags |= FL_TF;
	run(&r);
	CHECK_STOP(r);
	context("%u steps, first at %lx", step_count, steps[0]);
	/* Whatever is between, the last one is after the NOP. */
	CHECK(step_count >= 1 && step_count <= 3);
	CHECK_EQ(steps[step_count - 1], user(c_syscall) + 3);
	for (unsigned i = 0; i < step_count; i++)
		CHECK(steps[i] < (ulong)c_entry + 1 ||
		      steps[i] > (ulong)c_entry_end);
}
#endif

/* Steps after instructions that go elsewhere or hold interrupts off. */
CODE(c_loope, "cmp %eax, %eax\n 1: loope 1b\n nop\n" STOP);
CODE(c_sti, "sti\n nop\n cli\n nop\n" STOP);

static void loope_steps(void)
{
	struct regs r;

	regs_init(&r, c_loope, 0);
	r.rcx = 3;
	expect_steps("loope", c_loope, 0, STEPS(2, 2, 2, 4, 5), &r);
}

static void sti_steps(void)
{
	expect_steps("sti", c_sti, 0, STEPS(1, 2, 3, 4), NULL);
}

/* The step of an instruction that overwrites the next one. */
#ifdef __x86_64__
CODE(c_self, "movb $0x90, 1f(%rip)\n 1: .byte 0xcc\n nop\n" STOP);

static void self_modifying_step(void)
{
	*(volatile u8 *)((ulong)c_self + 7) = 0xcc;
	expect_steps("self", c_self, 0, STEPS(7, 8, 9), NULL);
}
#endif

/* Instruction breakpoints: faults, before; RF lets the instruction pass. */
static struct regs last_db;
static unsigned db_count;
static ulong db_dr6;

static bool note_db(struct regs *r)
{
	last_db = *r;
	db_dr6 = read_dr6();
	db_count++;
	write_dr6(DR6_CLEAR);
	r->rflags |= FL_RF;
	return true;
}

static void db_prepare(void)
{
	db_count = 0;
	db_dr6 = 0;
	write_dr6(DR6_CLEAR);
	trap_handle(V_DB, note_db);
}

static void instruction_breakpoint(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = ring ? user(c_nops) : (ulong)c_nops;

		for (unsigned n = 0; n < 4; n++) {
			struct regs r;

			context("ring %u DR%u", ring, n);
			db_prepare();
			/* DR6 tells of matches that are not enabled too. */
			write_dr0(0);
			write_dr1(0);
			write_dr2(0);
			write_dr3(0);
			switch (n) {
			case 0: write_dr0(base + 1); break;
			case 1: write_dr1(base + 1); break;
			case 2: write_dr2(base + 1); break;
			case 3: write_dr3(base + 1); break;
			}
			write_dr7(0x400 | 2u << 2 * n);
			r = run_code(c_nops, ring);
			write_dr7(0x400);
			CHECK_STOP(r);
			CHECK_EQ(db_count, 1);
			CHECK_EQ(last_db.rip, base + 1);
			CHECK_EQ(db_dr6 & 0xf, BIT(n));
			CHECK_EQ(db_dr6 & DR6_BS, 0);
			/* Not enabled, not hit. */
			db_prepare();
			r = run_code(c_nops, ring);
			CHECK_EQ(db_count, 0);
		}
	}
}

/* Data breakpoints: traps, after the access. */
CODE(c_data, "mov (" R("di") "), %eax\n nop\n mov %al, 2(" R("di") ")\n nop\n"
	     "nop\n" STOP);

static void data_breakpoint(void)
{
	static u32 word[2] __attribute__((aligned(8)));

	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = ring ? user(c_data) : (ulong)c_data;
		ulong at = ring ? user(word) : (ulong)word;
		struct regs r;

		/* On writes, 4 bytes. */
		context("write, ring %u", ring);
		db_prepare();
		write_dr1(at);
		write_dr7(0x400 | 2u << 2 | 0xdu << 20);
		regs_init(&r, c_data, ring);
		r.rdi = at;
		run(&r);
		write_dr7(0x400);
		CHECK_STOP(r);
		CHECK_EQ(db_count, 1);
		CHECK_EQ(last_db.rip, base + 6);
		CHECK_EQ(db_dr6 & 0xf, 2);
		/* On reads and writes. */
		context("read or write, ring %u", ring);
		db_prepare();
		write_dr1(at);
		write_dr7(0x400 | 2u << 2 | 0xfu << 20);
		regs_init(&r, c_data, ring);
		r.rdi = at;
		run(&r);
		write_dr7(0x400);
		CHECK_STOP(r);
		CHECK_EQ(db_count, 2);
		/* One byte beside it. */
		context("beside, ring %u", ring);
		db_prepare();
		write_dr1(at + 3);
		write_dr7(0x400 | 2u << 2 | 1u << 20);
		regs_init(&r, c_data, ring);
		r.rdi = at;
		run(&r);
		write_dr7(0x400);
		CHECK_STOP(r);
		CHECK_EQ(db_count, 0);
	}
}

/* General detect, I/O breakpoints, and what the registers may hold. */
CODE(c_rdr0, "mov %dr0, " R("ax") "\n" STOP);

static void general_detect(void)
{
	struct regs r;

	trap_handle(V_DB, NULL);
	write_dr6(DR6_CLEAR);
	write_dr7(0x400 | BIT(13));
	r = run_code(c_rdr0, 0);
	CHECK_TRAP(r, V_DB, 0);
	CHECK_EQ(r.rip, (ulong)c_rdr0);
	/* GD is off in the handler, or this would fault. */
	CHECK_EQ(read_dr7() & BIT(13), 0);
	CHECK_EQ(read_dr6() & DR6_BD, DR6_BD);
	write_dr7(0x400);
}

static void io_breakpoint(void)
{
	struct regs r;

	write_cr4(read_cr4() | CR4_DE);
	db_prepare();
	write_dr2(0x80);
	write_dr7(0x400 | 2u << 4 | 2u << 24);
	r = run_code(c_io, 0);
	write_dr7(0x400);
	CHECK_STOP(r);
	CHECK_EQ(db_count, 2);
	CHECK_EQ(db_dr6 & 0xf, 4);
	CHECK_EQ(last_db.rip, (ulong)c_io + 4);
}

/* DR4 and DR5 are aliases, unless CR4.DE makes them undefined. */
CODE(c_rdr4, "mov %dr4, " R("ax") "\n mov %dr5, " R("bx") "\n" STOP);

static void register_contents(void)
{
	struct regs r;

	write_dr0(0x1234);
	write_dr3(0x5678);
	CHECK_EQ(read_dr0(), 0x1234);
	CHECK_EQ(read_dr3(), 0x5678);
	write_dr6(0);
	CHECK_EQ(read_dr6(), DR6_CLEAR);
	write_dr7(0);
	CHECK_EQ(read_dr7(), 0x400);
	r = run_code(c_rdr4, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, DR6_CLEAR);
	CHECK_EQ(r.rbx, 0x400);
	write_cr4(read_cr4() | CR4_DE);
	r = run_code(c_rdr4, 0);
	CHECK_TRAP(r, V_UD, 0);
	write_dr0(0);
	write_dr3(0);
}

/* Bit 12 of DR6 is 0, bits 4 to 10 and 16 to 31 are 1, whatever is written. */
static void dr6_fixed_bits(void)
{
	write_dr6(0xffff);
	CHECK_EQ(read_dr6() & 0xffff17ff, 0xffff07ff);
	write_dr6(DR6_CLEAR);
}

#ifdef __x86_64__
/* The upper halves of DR6 and DR7 must be zero. */
CODE(c_wdr7, "mov %rax, %dr7\n" STOP);
CODE(c_wdr6, "mov %rax, %dr6\n" STOP);

static void upper_halves(void)
{
	struct regs r;

	regs_init(&r, c_wdr7, 0);
	r.rax = BIT(32);
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	regs_init(&r, c_wdr6, 0);
	r.rax = BIT(63);
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	write_dr1(0xfedcba9876543210);
	CHECK_EQ(read_dr1(), 0xfedcba9876543210);
	write_dr1(0);
}
#endif

const struct test tests[] = {
	{ "single steps", single_steps },
	{ "steps of REP", rep_steps },
	{ "POPF and TF", popf_steps },
	{ "MOV SS while stepping", mov_ss_step },
	{ "INT and faults while stepping", steps_over_int },
	{ "a page fault while stepping", fault_while_stepping },
#ifdef __x86_64__
	{ "SYSCALL while stepping", syscall_step },
#endif
	{ "steps of LOOPE", loope_steps },
	{ "steps of STI", sti_steps,
	  "no step after STI (SDM 3A 6.8.3 speaks of MOV SS and POP SS only)" },
#ifdef __x86_64__
	{ "steps over self-modification", self_modifying_step },
#endif
	{ "instruction breakpoints", instruction_breakpoint },
	{ "data breakpoints", data_breakpoint },
	{ "general detect", general_detect,
	  "no DR7.GD (SDM 3B 17.2.4 \"Debug Control Register\")" },
	{ "I/O breakpoints", io_breakpoint },
	{ "debug registers", register_contents },
	{ "fixed bits of DR6", dr6_fixed_bits,
	  "bit 12 can be set (SDM 3B 17.2, figure 17-1)" },
#ifdef __x86_64__
	{ "upper halves of DR6 and DR7", upper_halves },
#endif
	{ NULL },
};
