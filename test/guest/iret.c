/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IRET in long mode and far returns: where they may go, and how they fail.
 * SDM 2A "IRET/IRETD/IRETQ", 2B "RET"; APM 3 "IRET".
 *
 * The code under test is one IRET; the frame that it pops is made here, below
 * the stack that run() enters it with.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

CODE(c_iretq, "iretq\n" STOP);
CODE(c_iretd, "iretl\n" STOP);
CODE(c_iretw, "iretw\n" STOP);
CODE(c_retf, "lretl\n" STOP);
CODE(c_retfq, "lretq\n" STOP);
CODE(c_retfq_8, "lretq $8\n" STOP);
CODE(c_landing, "mov $0x1ab, %eax\n" STOP);

struct frame {
	ulong rip, cs, rflags, rsp, ss;
};

static ulong stack[64] __attribute__((aligned(16)));
static ulong user_stack[64] __attribute__((aligned(16)));

static struct frame good_frame(int ring)
{
	struct frame f = {
		.rip = ring ? user(c_landing) : (ulong)c_landing,
		.cs = ring ? SEL_USER : SEL_CODE,
		.rflags = FL_ONE,
		.rsp = ring ? user(user_stack + 64) : (ulong)(user_stack + 64),
		.ss = ring ? SEL_USER_DATA : SEL_DATA,
	};

	return f;
}

static struct regs iret_code(const struct frame *f, const u8 *code, int ring,
			     ulong flags)
{
	struct regs r;
	ulong *sp = stack + 32;

	memcpy(sp, f, sizeof(*f));
	regs_init(&r, code, ring);
	r.rsp = ring ? user(sp) : (ulong)sp;
	r.rflags |= flags;
	run(&r);
	return r;
}

static struct regs iret(const struct frame *f, int ring)
{
	return iret_code(f, c_iretq, ring, 0);
}

#define CHECK_REFUSED(r, vec, err)                                             \
	do {                                                                   \
		CHECK_TRAP(r, vec, err);                                       \
		CHECK_EQ((r).rip, (ulong)c_iretq);                             \
		CHECK_EQ((r).rsp, (ulong)(stack + 32));                        \
	} while (0)

static void good_returns(void)
{
	struct frame f = good_frame(0);
	struct regs r = iret(&f, 0);

	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x1ab);
	CHECK_EQ(r.cs, SEL_CODE);
	CHECK_EQ(r.rsp, f.rsp); /* popped, though the ring is the same */
	f = good_frame(3);
	r = iret(&f, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.ss, SEL_USER_DATA);
	CHECK_EQ(r.rsp, f.rsp);
	r = iret(&f, 3);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, f.rsp);
	/* Any stack pointer will do, as long as it is not used. */
	f.rsp = 0x1234567;
	r = iret(&f, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, f.rsp);
	f.rsp = 0x8000000000000000;
	r = iret(&f, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, f.rsp);
}

/* Flags: all that software may set come from the frame, in ring 0. */
static void flags(void)
{
	static const ulong flag_tab[] = {
		FL_CF, FL_PF, FL_AF, FL_ZF, FL_SF, FL_OF, FL_DF, FL_IOPL, FL_NT,
		FL_AC, FL_ID,
	};
	struct regs r;

	for (unsigned i = 0; i < ARRAY_LEN(flag_tab); i++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			struct frame f = good_frame(ring);

			context("flag %lx to ring %u", flag_tab[i], ring);
			f.rflags |= flag_tab[i];
			r = iret(&f, 0);
			CHECK_STOP(r);
			CHECK_EQ(r.rflags & ~(ulong)FL_RF, f.rflags);
		}
	}
	/* From ring 3: not IOPL, and IF only by IOPL. */
	{
		struct frame f = good_frame(3);

		f.rflags |= FL_IOPL | FL_IF | FL_DF | FL_AC;
		r = iret(&f, 3);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & (FL_IOPL | FL_IF | FL_DF | FL_AC),
			 FL_DF | FL_AC);
		f = good_frame(3);
		f.rflags |= FL_IF | FL_IOPL;
		r = iret_code(&f, c_iretq, 3, FL_IOPL);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & (FL_IOPL | FL_IF), FL_IOPL | FL_IF);
		f.rflags = FL_ONE;
		r = iret_code(&f, c_iretq, 3, FL_IF);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & FL_IF, FL_IF);
	}
	/* Reserved bits read as they must. */
	{
		struct frame f = good_frame(0);

		f.rflags = 0xffffffffffc08028 | FL_ONE;
		r = iret(&f, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & 0xffffffffffc0802a, FL_ONE);
	}
}

/* Null SS: allowed to 64-bit code in rings 0 to 2 when the RPL agrees. */
static void null_ss(void)
{
	struct frame f = good_frame(0);
	struct regs r;

	f.ss = 0;
	r = iret(&f, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.ss, 0);
	f = good_frame(3);
	f.ss = 3;
	r = iret(&f, 0);
	CHECK_REFUSED(r, V_GP, 0);
	f.ss = 0;
	r = iret(&f, 0);
	CHECK_REFUSED(r, V_GP, 0);
}

static void nested_task(void)
{
	struct frame f = good_frame(0);
	struct regs r = iret_code(&f, c_iretq, 0, FL_NT);

	CHECK_REFUSED(r, V_GP, 0);
	r = iret_code(&f, c_iretd, 0, FL_NT);
	CHECK_TRAP(r, V_GP, 0);
}

static void bad_cs(void)
{
	static const struct {
		const char *what;
		u16 selector;
		unsigned vector, error;
	} cs_tab[] = {
		{ "null", 0, V_GP, 0 },
		{ "null with RPL", 3, V_GP, 0 },
		{ "beyond the GDT", 0xfff8, V_GP, 0xfff8 },
		{ "LDT without one", 0x0c, V_GP, 0x0c },
		{ "data", SEL_DATA, V_GP, SEL_DATA },
		{ "TSS", SEL_TSS, V_GP, SEL_TSS },
		{ "RPL below DPL", SEL_USER & ~3, V_GP, SEL_USER & ~3 },
		{ "RPL above DPL", SEL_CODE | 3, V_GP, SEL_CODE },
		{ "not present", SEL_FREE, V_NP, SEL_FREE },
		{ "conforming, DPL above RPL", SEL_FREE + 8, V_GP,
		  SEL_FREE + 8 },
	};

	gdt_set(SEL_FREE, gdt[SEL_CODE / 8] & ~BIT(47));
	gdt_set(SEL_FREE + 8, desc(0, 0xfffff, ACC_CODE_CONF | DPL(3),
				   SEG_G | SEG_L));
	for (unsigned i = 0; i < ARRAY_LEN(cs_tab); i++) {
		struct frame f = good_frame(cs_tab[i].selector & 3);
		struct regs r;

		context("%s", cs_tab[i].what);
		f.cs = cs_tab[i].selector;
		r = iret(&f, 0);
		CHECK_REFUSED(r, cs_tab[i].vector, cs_tab[i].error & ~3u);
	}
}

static void bad_ss(void)
{
	static const struct {
		const char *what;
		u16 selector;
		unsigned vector, error;
	} ss_tab[] = {
		{ "beyond the GDT", 0xfff8 | 3, V_GP, 0xfff8 },
		{ "code", SEL_USER, V_GP, SEL_USER & ~3 },
		{ "DPL 0", SEL_DATA | 3, V_GP, SEL_DATA },
		{ "RPL 0", SEL_USER_DATA & ~3, V_GP, SEL_USER_DATA & ~3 },
		{ "read-only", SEL_FREE | 3, V_GP, SEL_FREE },
		{ "TSS", SEL_TSS | 3, V_GP, SEL_TSS },
	};

	gdt_set(SEL_FREE, desc(0, 0xfffff, ACC_DATA_RO | DPL(3), SEG_G));
	for (unsigned i = 0; i < ARRAY_LEN(ss_tab); i++) {
		struct frame f = good_frame(3);
		struct regs r;

		context("%s", ss_tab[i].what);
		f.ss = ss_tab[i].selector;
		r = iret(&f, 0);
		CHECK_REFUSED(r, ss_tab[i].vector, ss_tab[i].error);
	}
}

static void absent_ss(void)
{
	struct frame f = good_frame(3);
	struct regs r;

	gdt_set(SEL_FREE, gdt[SEL_USER_DATA / 8] & ~BIT(47));
	f.ss = SEL_FREE | 3;
	r = iret(&f, 0);
	/* The text of Intel's manual has both #NP and #SS for it. */
	if (vendor_is_intel() && r.vector == V_NP)
		return;
	CHECK_REFUSED(r, V_SS, SEL_FREE);
}

/* To an inner ring, never. */
static void to_inner_ring(void)
{
	struct frame f = good_frame(3);
	struct regs r;

	f.cs = SEL_CODE;
	f.ss = SEL_DATA;
	r = iret(&f, 3);
	CHECK_TRAP(r, V_GP, SEL_CODE);
	CHECK_EQ(r.rip, user(c_iretq));
	CHECK_EQ(r.cs, SEL_USER);
}

/*
 * A non-canonical RIP is #GP(0): in the ring of the IRET on Intel, in that of
 * the target on AMD (after the return has happened).
 */
static void noncanonical_rip(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct frame f = good_frame(ring);
		struct regs r;

		context("ring %u", ring);
		f.rip = 0x0000800000000000;
		r = iret(&f, 0);
		CHECK_TRAP(r, V_GP, 0);
		if (vendor_is_intel()) {
			CHECK_EQ(r.rip, (ulong)c_iretq);
			CHECK_EQ(r.cs, SEL_CODE);
		}
	}
}

/* The frame itself is missing. */
static void frame_fault(void)
{
	struct regs r;

	map_new(LAB);
	*pt_entry(LAB + PAGE, 1) = 0;
	for (unsigned words = 0; words < 5; words++) {
		struct frame f = good_frame(3);

		context("%u words", words);
		memcpy((void *)(LAB + PAGE - 8 * words), &f, 8 * words);
		regs_init(&r, c_iretq, 0);
		r.rsp = LAB + PAGE - 8 * words;
		run(&r);
		CHECK_TRAP(r, V_PF, 0);
		CHECK(r.cr2 >= LAB + PAGE && r.cr2 < LAB + PAGE + 40);
		CHECK_EQ(r.rip, (ulong)c_iretq);
		CHECK_EQ(r.rsp, LAB + PAGE - 8 * words);
		CHECK_EQ(r.cs, SEL_CODE);
	}
}

/* 32-bit frames in 64-bit code. */
static void iret_32(void)
{
	u32 frame32[5] = { (u32)(ulong)c_landing, SEL_CODE, FL_ONE,
			   (u32)(ulong)(user_stack + 64), SEL_DATA };
	u16 frame16[5] = { 0x5678, SEL_CODE, FL_ONE | FL_CF, 0x9abc, SEL_DATA };
	struct regs r;

	memcpy(stack + 32, frame32, sizeof(frame32));
	regs_init(&r, c_iretd, 0);
	r.rsp = (ulong)(stack + 32);
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x1ab);
	CHECK_EQ(r.rsp, (ulong)(user_stack + 64));
	/* 16 bits: to an address in the first 64 KiB. */
	*(volatile u16 *)0x5678 = 0xcd | V_STOP << 8;
	memcpy(stack + 32, frame16, sizeof(frame16));
	regs_init(&r, c_iretw, 0);
	r.rsp = (ulong)(stack + 32);
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rip, 0x567a);
	CHECK_EQ(r.rsp, 0x9abc);
}

/* To compatibility mode and, through an interrupt, back. */
CODE(c_compat, ".code32\n mov $0x12345678, %eax\n inc %eax\n .code64\n" STOP);

static void to_compatibility(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct frame f = good_frame(ring);
		struct regs r;

		context("ring %u", ring);
		root[0] |= PTE_U;
		write_cr3(read_cr3());
		/* 0x40 is INC EAX there, a REX prefix in 64-bit mode. */
		f.rip = (ulong)c_compat;
		f.rsp = (ulong)(user_stack + 64);
		f.cs = ring ? SEL_USER32 : SEL_CODE32;
		r = iret(&f, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x12345679);
		CHECK_EQ(r.cs, f.cs);
		CHECK_EQ(r.rsp, f.rsp);
		CHECK_EQ(r.rip, (ulong)c_compat_end);
	}
}

/* Far returns. */
static void far_return(void)
{
	ulong *sp = stack + 32;
	struct regs r;

	sp[0] = (ulong)c_landing;
	sp[1] = SEL_CODE;
	regs_init(&r, c_retfq, 0);
	r.rsp = (ulong)sp;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, (ulong)(sp + 2));
	/* To ring 3, releasing 8 bytes on both stacks. */
	sp[0] = user(c_landing);
	sp[1] = SEL_USER;
	sp[3] = user(user_stack + 32);
	sp[4] = SEL_USER_DATA;
	regs_init(&r, c_retfq_8, 0);
	r.rsp = (ulong)sp;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.ss, SEL_USER_DATA);
	CHECK_EQ(r.rsp, user(user_stack + 33));
	/* 32-bit operands. */
	sp[0] = (ulong)c_landing | (ulong)SEL_CODE << 32;
	regs_init(&r, c_retf, 0);
	r.rsp = (ulong)sp;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rsp, (ulong)(sp + 1));
	/* To an inner ring. */
	sp[0] = (ulong)c_landing;
	sp[1] = SEL_CODE;
	regs_init(&r, c_retfq, 3);
	r.rsp = user(sp);
	run(&r);
	CHECK_TRAP(r, V_GP, SEL_CODE);
	/* Null. */
	sp[1] = 0;
	regs_init(&r, c_retfq, 0);
	r.rsp = (ulong)sp;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
}

/*
 * Going out to ring 3 voids data segments that it may not have:
 * SDM 2A "IRET", RETURN-TO-OUTER-PRIVILEGE-LEVEL.
 */
CODE(c_iret_segments, "mov $0x18, %eax\n mov %eax, %ds\n mov %eax, %es\n"
		      "mov $0x2b, %eax\n mov %eax, %fs\n iretq\n");
CODE(c_read_segments, "mov %ds, %eax\n mov %es, %ebx\n mov %fs, %ecx\n" STOP);

static void segments_voided(void)
{
	struct frame f = good_frame(3);
	struct regs r;

	f.rip = user(c_read_segments);
	r = iret_code(&f, c_iret_segments, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0);
	CHECK_EQ(r.rbx, 0);
	CHECK_EQ(r.rcx, SEL_USER_DATA);
}

const struct test tests[] = {
	{ "good returns", good_returns },
	{ "flags", flags },
	{ "null SS", null_ss },
	{ "NT", nested_task },
	{ "bad CS", bad_cs },
	{ "bad SS", bad_ss },
	{ "SS not present", absent_ss,
	  "#NP for #SS (APM 3 \"IRET\", Stack, #SS)" },
	{ "to an inner ring", to_inner_ring },
	{ "non-canonical RIP", noncanonical_rip },
	{ "the frame faults", frame_fault },
	{ "32-bit and 16-bit frames", iret_32 },
	{ "to compatibility mode", to_compatibility },
	{ "far returns", far_return },
	{ "segments voided", segments_voided },
	{ NULL },
};
