/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IRET in long mode and far returns: where they may go, and how they fail.
 * SDM 2A "IRET/IRETD/IRETQ", 2B "RET"; APM 3 "IRET".
 *
 * The code under test is one IRET; the frame that it pops is made here, below
 * the stack that run() enters it with.
 */
#include "lib/desc.h"
#include "lib/irq.h"
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

/* As kernels of today have them: ring 3 may keep them. */
static void load_user_segments(void)
{
	asm volatile("mov %0, %%ds; mov %1, %%es; mov %0, %%fs; mov %0, %%gs"
		     ::"r"(SEL_USER32), "r"(0));
}

static struct regs iret_code(const struct frame *f, const u8 *code, int ring,
			     ulong flags)
{
	struct regs r;
	ulong *sp = stack + 32;

	load_user_segments();
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

/*
 * The same from a kernel with SMAP, again and again: where a processor
 * remembers what an IRET to the user does, it must notice that it does
 * something else now.
 */
static bool smap_on(void)
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return false;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	return true;
}

static void smap_off(void)
{
	write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
}

static void return_to_user(const char *when)
{
	struct frame f = good_frame(3);

	for (unsigned i = 0; i < 3; i++) {
		struct regs r;

		context("good return %u %s", i, when);
		f.rflags ^= FL_CF | FL_OF;
		r = iret(&f, 0);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x1ab);
		CHECK_EQ(r.cs, SEL_USER);
		CHECK_EQ(r.ss, SEL_USER_DATA);
		CHECK_EQ(r.rsp, f.rsp);
		CHECK_EQ(r.rflags & ~(ulong)FL_RF, f.rflags);
	}
}

static void again(void)
{
	static void (*const fn_tab[])(void) = {
		good_returns, flags, null_ss, nested_task, bad_cs, bad_ss,
		to_inner_ring, noncanonical_rip, far_return, segments_voided,
	};

	if (!smap_on())
		return;
	for (unsigned i = 0; i < ARRAY_LEN(fn_tab); i++) {
		return_to_user("before others");
		fn_tab[i]();
	}
	return_to_user("after others");
	smap_off();
}

/* Descriptors are what they are when the IRET comes. */
static void descriptors_change(void)
{
	static const struct {
		const char *what;
		u16 selector;
		u64 change; /* of the descriptor's bits */
		unsigned vector;
	} change_tab[] = {
		{ "code absent", SEL_USER, BIT(47), V_NP },
		{ "code of ring 1", SEL_USER, BIT(46), V_GP },
		{ "code that is data", SEL_USER, BIT(43), V_GP },
		{ "code of 16 or 32 bits, and both", SEL_USER, BIT(54), V_GP },
		{ "stack of ring 1", SEL_USER_DATA, BIT(46), V_GP },
		{ "read-only stack", SEL_USER_DATA, BIT(41), V_GP },
		{ "stack that is code", SEL_USER_DATA, BIT(43), V_GP },
	};

	if (!smap_on())
		return;
	for (unsigned i = 0; i < ARRAY_LEN(change_tab); i++) {
		unsigned sel = change_tab[i].selector;
		struct frame f = good_frame(3);
		struct regs r;

		return_to_user("before a change");
		context("%s", change_tab[i].what);
		gdt[sel / 8] ^= change_tab[i].change;
		r = iret(&f, 0);
		gdt[sel / 8] ^= change_tab[i].change;
		CHECK_REFUSED(r, change_tab[i].vector, sel & ~3u);
	}
	return_to_user("after all changes");
	smap_off();
}

/* Also the accessed bit: it is set, and not only the first time. */
static void accessed_bits(void)
{
	if (!smap_on())
		return;
	for (unsigned i = 0; i < 3; i++) {
		gdt[SEL_USER / 8] &= ~BIT(40);
		gdt[SEL_USER_DATA / 8] &= ~BIT(40);
		return_to_user("with descriptors that were not accessed");
		CHECK(gdt[SEL_USER / 8] & BIT(40));
		CHECK(gdt[SEL_USER_DATA / 8] & BIT(40));
	}
	smap_off();
}

/* The selectors mean something else in another table. */
static void table_changes(void)
{
	static u64 other[GDT_ENTRIES];
	struct frame f = good_frame(3);
	struct table_ptr old, new;
	struct regs r;

	if (!smap_on())
		return;
	memcpy(other, gdt, sizeof(other));
	other[SEL_USER / 8] &= ~BIT(47);
	return_to_user("by the first table");
	asm volatile("sgdt %0" : "=m"(old));
	new = (struct table_ptr){ .limit = old.limit, .base = (ulong)other };
	asm volatile("lgdt %0" ::"m"(new));
	context("by the second table");
	r = iret(&f, 0);
	asm volatile("lgdt %0" ::"m"(old));
	CHECK_REFUSED(r, V_NP, SEL_USER & ~3u);
	return_to_user("by the first table again");
	/* It ends before the selector. */
	new = (struct table_ptr){ .limit = (SEL_USER & ~7u) + 6,
				  .base = old.base };
	asm volatile("lgdt %0" ::"m"(new));
	context("by a short table");
	r = iret(&f, 0);
	asm volatile("lgdt %0" ::"m"(old));
	CHECK_REFUSED(r, V_GP, SEL_USER & ~3u);
	return_to_user("by the first table at last");
	smap_off();
}

/* An interrupt that has waited comes before the first instruction. */
static void interrupt_waits(void)
{
	const unsigned vector = 0x61;

	if (!smap_on())
		return;
	for (unsigned i = 0; i < 5; i++) {
		struct frame f = good_frame(3);
		struct regs r;

		context("round %u", i);
		irq_count(vector);
		apic_self_ipi(vector);
		f.rflags |= FL_IF;
		r = iret(&f, 0);
		CHECK_STOP(r);
		CHECK_EQ(irq_counts[vector], 1);
		CHECK_EQ(irq_last.rip, user(c_landing));
		CHECK_EQ(irq_last.cs, SEL_USER);
		CHECK_EQ(irq_last.rsp, f.rsp);
		CHECK(irq_last.rflags & FL_IF);
	}
	smap_off();
}

/* IRET lets NMIs in again, be it to the user. SDM 3A 6.7.1 */
static unsigned nmi_count;
static struct regs second_nmi;

static void nmi_to_self(void)
{
	apic_write(APIC_ICR_HIGH, apic_read(APIC_ID));
	apic_write(APIC_ICR, ICR_NMI | ICR_ASSERT);
}

static bool nmi_leaves_for_user(struct regs *r)
{
	struct frame f = good_frame(3);

	if (++nmi_count > 1) {
		second_nmi = *r;
		return true;
	}
	nmi_to_self();
	load_user_segments();
	r->rip = f.rip;
	r->cs = f.cs;
	r->rflags = f.rflags;
	r->rsp = f.rsp;
	r->ss = f.ss;
	return true;
}

static void nmi_waits(void)
{
	if (!smap_on())
		return;
	for (unsigned i = 0; i < 3; i++) {
		struct regs r;

		return_to_user("before an NMI");
		context("round %u", i);
		nmi_count = 0;
		trap_handle(V_NMI, nmi_leaves_for_user);
		r = trap_of(nmi_to_self);
		CHECK_STOP(r);
		CHECK_EQ(r.cs, SEL_USER);
		CHECK_EQ(nmi_count, 2);
		CHECK_EQ(second_nmi.rip, user(c_landing));
		CHECK_EQ(second_nmi.cs, SEL_USER);
	}
	smap_off();
}

/* NT is an error; RF lets an instruction with a breakpoint run once; TF traps. */
CODE(c_two, "nop\n nop\n" STOP);

static void other_flags(void)
{
	struct frame f = good_frame(3);
	struct regs r;

	if (!smap_on())
		return;
	return_to_user("before a nested task");
	r = iret_code(&f, c_iretq, 0, FL_NT);
	CHECK_REFUSED(r, V_GP, 0);
	return_to_user("before breakpoints");
	f.rip = user(c_two);
	write_dr0(user(c_two));
	write_dr7(1);
	context("breakpoint");
	r = iret(&f, 0);
	CHECK_EQ(r.vector, V_DB);
	CHECK_EQ(r.rip, user(c_two));
	context("breakpoint, RF");
	f.rflags |= FL_RF;
	r = iret(&f, 0);
	CHECK_STOP(r);
	write_dr7(0);
	context("RF without breakpoints");
	r = iret(&f, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rflags & FL_RF, 0);
	context("single step");
	f.rflags = FL_ONE | FL_TF;
	r = iret(&f, 0);
	CHECK_EQ(r.vector, V_DB);
	CHECK_EQ(r.rip, user(c_two) + 1);
	smap_off();
}

/* The frame lies on two pages, the second of which comes and goes. */
static void frame_on_two_pages(void)
{
	if (!smap_on())
		return;
	for (ulong va = LAB; va <= LAB + PAGE; va += PAGE) {
		map_new(va);
		*pt_entry(va, 1) &= ~(u64)PTE_U;
		invlpg(va);
	}
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned words = 1; words < 5; words++) {
			ulong sp = LAB + PAGE - 8 * words;
			struct frame f = good_frame(3);
			struct regs r;

			context("%u words, round %u", words, i);
			memcpy((void *)sp, &f, sizeof(f));
			*pt_entry(LAB + PAGE, 1) ^= i & 1 ? PTE_P : 0;
			invlpg(LAB + PAGE);
			load_user_segments();
			regs_init(&r, c_iretq, 0);
			r.rsp = sp;
			run(&r);
			*pt_entry(LAB + PAGE, 1) |= PTE_P;
			if (i & 1) {
				CHECK_TRAP(r, V_PF, 0);
				CHECK_EQ(r.rip, (ulong)c_iretq);
				CHECK_EQ(r.rsp, sp);
			} else {
				CHECK_STOP(r);
				CHECK_EQ(r.rsp, f.rsp);
			}
		}
	}
	smap_off();
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
	{ "again, with SMAP", again, "ring 3 pops with the rights of ring 0" },
	{ "descriptors change", descriptors_change, "L and D together" },
	{ "accessed bits", accessed_bits, "are not set" },
	{ "the table changes", table_changes },
	{ "an interrupt waits", interrupt_waits },
	{ "an NMI waits", nmi_waits },
	{ "NT, RF and TF", other_flags, "RF stays set" },
	{ "a frame on two pages", frame_on_two_pages },
	{ NULL },
};
