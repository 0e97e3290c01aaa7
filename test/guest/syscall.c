/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls and what goes with them: SYSCALL and SYSRET, SYSENTER and
 * SYSEXIT where the vendor has them in long mode, SWAPGS, RDFSBASE and kin.
 * SDM 2B "SYSCALL", "SYSRET", "SYSENTER", "SYSEXIT", "SWAPGS"; APM 3 the same.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define MASK (FL_TF | FL_IF | FL_DF | FL_AC | FL_NT | FL_CF)

CODE(c_syscall, "syscall\n" STOP);
CODE(c_entry, "mov %cs, %r8d\n mov %ss, %r9d\n" STOP);
CODE(c_round, "mov $1000, %edx\n 1: syscall\n dec %edx\n jnz 1b\n" STOP);
CODE(c_round_entry, "inc %ebx\n sysretq\n");
CODE(c_sysretq, "sysretq\n" STOP);
CODE(c_sysretl, "sysretl\n" STOP);
CODE(c_after, "mov %cs, %r8d\n mov %ss, %r9d\n" STOP);
CODE(c_after32, ".code32\n mov %cs, %ebx\n mov %ss, %edx\n .code64\n" STOP);

static u64 star(void)
{
	/* SYSRET adds 16 and 8 to the upper selector. */
	return (u64)(SEL_USER32 | 3) << 48 | (u64)SEL_CODE << 32;
}

static void prepare(const void *entry)
{
	wrmsr(MSR_STAR, star());
	wrmsr(MSR_LSTAR, (ulong)entry);
	wrmsr(MSR_FMASK, MASK);
}

/* From ring 3 and, as good, from ring 0. */
static void syscall_enters(void)
{
	prepare(c_entry);
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong flags = FL_ONE | FL_DF | FL_AC | FL_CF | FL_ID;
		struct regs r;

		context("ring %u", ring);
		regs_init(&r, c_syscall, ring);
		r.rflags = flags;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rip, (ulong)c_entry_end);
		CHECK_EQ(r.cs, SEL_CODE);
		CHECK_EQ(r.ss, SEL_DATA);
		CHECK_EQ(r.r8, SEL_CODE);
		CHECK_EQ(r.r9, SEL_DATA);
		CHECK_EQ(r.rcx, (ring ? user(c_syscall) : (ulong)c_syscall) + 2);
		CHECK_EQ(r.r11 & ~(ulong)FL_RF, flags);
		CHECK_EQ(r.rflags & ~(ulong)FL_RF, flags & ~(ulong)MASK);
	}
}

/* The status flags that FMASK does not name stay. */
static void syscall_keeps_flags(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		prepare(c_entry);
		regs_init(&r, c_syscall, ring);
		r.rflags |= FL_ZF | FL_CF | FL_SF;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & FL_STATUS, FL_ZF | FL_SF);
	}
}

static void syscall_disabled(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
		r = run_code(c_syscall, ring);
		CHECK_TRAP(r, V_UD, 0);
		CHECK_EQ(r.rip, ring ? user(c_syscall) : (ulong)c_syscall);
	}
	{
		struct regs r = run_code(c_sysretq, 0);

		CHECK_TRAP(r, V_UD, 0);
	}
}

static void round_trips(void)
{
	struct regs r;

	prepare(c_round_entry);
	regs_init(&r, c_round, 3);
	r.rflags |= FL_DF;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, 1000);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.ss, SEL_USER_DATA);
	CHECK_EQ(r.rflags & FL_DF, FL_DF);
}

static void sysret_64(void)
{
	struct regs r;

	prepare(c_entry);
	regs_init(&r, c_sysretq, 0);
	r.rcx = user(c_after);
	r.r11 = FL_CF | FL_ZF | FL_DF | FL_AC | FL_IOPL | FL_ID | 0x8028;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rip, user(c_after_end));
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.r8, SEL_USER);
	CHECK_EQ(r.r9, SEL_USER_DATA);
	CHECK_EQ(r.rflags, FL_CF | FL_ZF | FL_DF | FL_AC | FL_IOPL | FL_ID |
				   FL_ONE);
}

/* RFLAGS is R11 without RF and VM. */
static void sysret_flags(void)
{
	struct regs r;

	prepare(c_entry);
	regs_init(&r, c_sysretq, 0);
	r.rcx = user(c_after);
	r.r11 = FL_RF | FL_VM;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rflags, FL_ONE);
}

static void sysret_32(void)
{
	struct regs r;

	prepare(c_entry);
	root[0] |= PTE_U;
	write_cr3(read_cr3());
	regs_init(&r, c_sysretl, 0);
	r.rcx = (ulong)c_after32 | 0xabcd00000000;
	r.r11 = FL_CF;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rip, (ulong)c_after32_end);
	CHECK_EQ(r.cs, SEL_USER32);
	CHECK_EQ(r.rbx, SEL_USER32);
	CHECK_EQ(r.rdx, SEL_USER_DATA);
	CHECK_EQ(r.rflags & FL_CF, FL_CF);
}

/*
 * To a non-canonical address: Intel faults in ring 0, before the change; AMD
 * in ring 3, after it.
 */
static void sysret_noncanonical(void)
{
	struct regs r;

	prepare(c_entry);
	regs_init(&r, c_sysretq, 0);
	r.rcx = 0x0000800000000000;
	r.r11 = FL_ONE;
	run(&r);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(r.cs & 3, vendor_is_intel() ? 0 : 3);
	CHECK_EQ(r.rip, vendor_is_intel() ? (ulong)c_sysretq : r.rcx);
}

static void sysret_in_ring3(void)
{
	struct regs r = run_code(c_sysretq, 3);

	CHECK_TRAP(r, V_GP, 0);
}

/* Only canonical targets may be written: SDM 4, notes on LSTAR. */
CODE(c_wrmsr, "wrmsr\n" STOP);

static struct regs try_wrmsr(u32 msr, u64 v)
{
	struct regs r;

	regs_init(&r, c_wrmsr, 0);
	r.rcx = msr;
	r.rax = (u32)v;
	r.rdx = v >> 32;
	run(&r);
	return r;
}

static void canonical_msrs(void)
{
	static const u32 msr_tab[] = {
		MSR_LSTAR, MSR_CSTAR, MSR_FS_BASE, MSR_GS_BASE,
		MSR_KERNEL_GS_BASE, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
	};

	for (unsigned i = 0; i < ARRAY_LEN(msr_tab); i++) {
		u64 old = rdmsr(msr_tab[i]);
		struct regs r;

		context("MSR %x", msr_tab[i]);
		if (msr_tab[i] == MSR_SYSENTER_EIP ||
		    msr_tab[i] == MSR_SYSENTER_ESP) {
			/* AMD keeps 32 bits of these. */
			if (!vendor_is_intel())
				continue;
		}
		r = try_wrmsr(msr_tab[i], 0x0000800000000000);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(rdmsr(msr_tab[i]), old);
		r = try_wrmsr(msr_tab[i], 0xffff800000001000);
		CHECK_STOP(r);
		CHECK_EQ(rdmsr(msr_tab[i]), 0xffff800000001000);
		wrmsr(msr_tab[i], old);
	}
}

/* FMASK is 32 bits wide; STAR keeps all 64. */
static void msr_contents(void)
{
	wrmsr(MSR_STAR, 0x123456789abcdef0);
	CHECK_EQ(rdmsr(MSR_STAR), 0x123456789abcdef0);
	wrmsr(MSR_FMASK, 0x47700);
	CHECK_EQ(rdmsr(MSR_FMASK), 0x47700);
	wrmsr(MSR_LSTAR, 0xffffffff81000000);
	CHECK_EQ(rdmsr(MSR_LSTAR), 0xffffffff81000000);
}

/* SWAPGS and the bases. */
CODE(c_gs, "mov %gs:(%rdi), %rax\n swapgs\n mov %gs:(%rdi), %rbx\n"
	   "swapgs\n mov %gs:(%rdi), %rcx\n" STOP);
CODE(c_fs, "mov %fs:8(%rdi), %rax\n .byte 0x64; lea 8(%rdi), %rbx\n" STOP);

static void swapgs(void)
{
	static ulong a = 0x1111, b = 0x2222;
	struct regs r;

	wrmsr(MSR_GS_BASE, (ulong)&a);
	wrmsr(MSR_KERNEL_GS_BASE, (ulong)&b);
	r = run_code(c_gs, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x1111);
	CHECK_EQ(r.rbx, 0x2222);
	CHECK_EQ(r.rcx, 0x1111);
	asm volatile("swapgs");
	CHECK_EQ(rdmsr(MSR_GS_BASE), (ulong)&b);
	CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE), (ulong)&a);
	asm volatile("swapgs");
	wrmsr(MSR_GS_BASE, 0);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

static void segment_bases(void)
{
	static ulong words[4] = { 1, 2, 3, 4 };
	struct regs r;

	for (int ring = 0; ring <= 3; ring += 3) {
		ulong base = ring ? user(words) : (ulong)words;

		context("ring %u", ring);
		wrmsr(MSR_FS_BASE, base);
		regs_init(&r, c_fs, ring);
		r.rdi = 16;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 4);
		CHECK_EQ(r.rbx, 24); /* LEA knows no segments */
		/* The sum wraps at 64 bits. */
		wrmsr(MSR_FS_BASE, 0x7fffffffffff);
		r.rdi = base - 0x7fffffffffff - 8;
		r.rip = ring ? user(c_fs) : (ulong)c_fs;
		r.rflags = FL_ONE;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 1);
		/* Canonical parts, non-canonical sum. */
		regs_init(&r, c_fs, ring);
		r.rdi = 0x7fffffffffff - 8;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
	}
	wrmsr(MSR_FS_BASE, 0);
}

/*
 * A selector loaded from the GDT brings 32 bits of base. Null: Intel clears
 * the base; AMD keeps it, unless CPUID 0x80000021 EAX[6] says otherwise.
 */
static void segment_loads(void)
{
	u16 sel = gdt_set(SEL_FREE, desc(0x12345678, 0xfffff, ACC_DATA, SEG_G));

	wrmsr(MSR_FS_BASE, 0xffff800000000000);
	asm volatile("mov %0, %%fs" :: "r"((u32)sel));
	CHECK_EQ(rdmsr(MSR_FS_BASE), 0x12345678);
	asm volatile("mov %0, %%gs" :: "r"((u32)sel));
	CHECK_EQ(rdmsr(MSR_GS_BASE), 0x12345678);
	CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE), 0);
	asm volatile("mov %0, %%fs" :: "r"(0));
	if (vendor_is_intel())
		CHECK_EQ(rdmsr(MSR_FS_BASE), 0);
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
	asm volatile("mov %0, %%gs" :: "r"(0));
}

CODE(c_rdfs, "rdfsbase %rax\n rdgsbase %rbx\n" STOP);
CODE(c_wrfs, "wrfsbase %rax\n wrgsbase %rbx\n rdfsbase %rcx\n"
	     "rdgsbase %rdx\n" STOP);
CODE(c_wrfs32, "wrfsbase %eax\n rdfsbase %rcx\n or $-1, %rdx\n"
	       "rdfsbase %edx\n" STOP);

static void fsgsbase(void)
{
	struct regs r;

	if (!has(F_FSGSBASE)) {
		skip("no FSGSBASE");
		return;
	}
	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", ring);
		write_cr4(read_cr4() & ~(ulong)CR4_FSGSBASE);
		r = run_code(c_rdfs, ring);
		CHECK_TRAP(r, V_UD, 0);
		write_cr4(read_cr4() | CR4_FSGSBASE);
		wrmsr(MSR_FS_BASE, 0xffff800000000008);
		wrmsr(MSR_GS_BASE, 0x00007ffffffffff8);
		r = run_code(c_rdfs, ring);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0xffff800000000008);
		CHECK_EQ(r.rbx, 0x00007ffffffffff8);
		regs_init(&r, c_wrfs, ring);
		r.rax = 0x123456789abc;
		r.rbx = 0xffffffff12345678;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0x123456789abc);
		CHECK_EQ(r.rdx, 0xffffffff12345678);
		CHECK_EQ(rdmsr(MSR_FS_BASE), 0x123456789abc);
		CHECK_EQ(rdmsr(MSR_GS_BASE), 0xffffffff12345678);
		regs_init(&r, c_wrfs32, ring);
		r.rax = 0xffffffff87654321;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0x87654321);
		CHECK_EQ(r.rdx, 0x87654321);
	}
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_GS_BASE, 0);
}

static void fsgsbase_canonical(void)
{
	struct regs r;

	if (!has(F_FSGSBASE)) {
		skip("no FSGSBASE");
		return;
	}
	write_cr4(read_cr4() | CR4_FSGSBASE);
	for (int ring = 0; ring <= 3; ring += 3) {
		regs_init(&r, c_wrfs, ring);
		r.rax = 0x0000800000000000;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(rdmsr(MSR_FS_BASE), 0);
	}
	wrmsr(MSR_FS_BASE, 0);
}

/* SYSENTER in 64-bit mode: Intel has it, on AMD it is #UD. */
CODE(c_sysenter, "sysenter\n" STOP);
CODE(c_sysexit, "sysexitq\n" STOP);
CODE(c_landed, "mov $0x5e, %eax\n" STOP);

static void sysenter(void)
{
	static ulong stack[16];
	struct regs r;

	if (!has(F_SEP)) {
		skip("no SYSENTER");
		return;
	}
	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_ESP, (ulong)(stack + 16));
	wrmsr(MSR_SYSENTER_EIP, (ulong)c_landed);
	r = run_code(c_sysenter, 3);
	if (!vendor_is_intel()) {
		CHECK_TRAP(r, V_UD, 0);
		CHECK_EQ(r.rip, user(c_sysenter));
		r = run_code(c_sysexit, 0);
		CHECK_TRAP(r, V_UD, 0);
		wrmsr(MSR_SYSENTER_CS, 0);
		return;
	}
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x5e);
	CHECK_EQ(r.cs, SEL_CODE);
	CHECK_EQ(r.ss, SEL_DATA);
	CHECK_EQ(r.rsp, (ulong)(stack + 16));
	CHECK_EQ(r.rflags & FL_IF, 0);
	/* SYSEXIT with REX.W: CS + 32, SS + 40; the selectors must fit. */
	gdt_set(SEL_CODE + 32, gdt[SEL_USER / 8]);
	wrmsr(MSR_SYSENTER_CS, 0);
	r = run_code(c_sysenter, 3);
	CHECK_TRAP(r, V_GP, 0);
}

const struct test tests[] = {
	{ "SYSCALL", syscall_enters },
	{ "SYSCALL keeps flags", syscall_keeps_flags,
	  "clears the status flags (SDM 2B \"SYSCALL\")" },
	{ "SYSCALL without EFER.SCE", syscall_disabled },
	{ "a thousand round trips", round_trips },
	{ "SYSRET to 64-bit code", sysret_64 },
	{ "SYSRET without RF and VM", sysret_flags,
	  "takes them from R11 (SDM 2B \"SYSRET\")" },
	{ "SYSRET to 32-bit code", sysret_32 },
	{ "SYSRET to a non-canonical address", sysret_noncanonical },
	{ "SYSRET in ring 3", sysret_in_ring3 },
	{ "contents of the MSRs", msr_contents },
	{ "MSRs that must be canonical", canonical_msrs,
	  "takes any value (SDM 2B \"WRMSR\")" },
	{ "SWAPGS", swapgs },
	{ "FS and GS bases", segment_bases },
	{ "loading FS and GS", segment_loads },
	{ "RDFSBASE and kin", fsgsbase },
	{ "WRFSBASE of a non-canonical value", fsgsbase_canonical,
	  "takes any value (SDM 2B \"WRFSBASE/WRGSBASE\")" },
	{ "SYSENTER", sysenter },
	{ NULL },
};
