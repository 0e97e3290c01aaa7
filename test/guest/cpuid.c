/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processor says of itself, and whether it keeps to it: CPUID, time
 * stamps, MSRs, the fixed bits of control registers. SDM 2A "CPUID", 3A 2.5
 * "Control Registers", 4 "MSRs"; APM 3 appendix E.
 */
#include "lib/pages.h"
#include "lib/trap.h"

CODE(c_cpuid, "cpuid\n" STOP);

static struct regs cpuid_at(u32 leaf, u32 sub, int ring)
{
	struct regs r;

	regs_init(&r, c_cpuid, ring);
	r.rax = 0xffffffff00000000 | leaf;
	r.rcx = 0xffffffff00000000 | sub;
	r.rbx = r.rdx = ~0ul;
	run(&r);
	return r;
}

static void shape(void)
{
	u32 last = cpuid(0).a, last_ext = cpuid(0x80000000).a;

	CHECK(last >= 1);
	CHECK(last < 0x40);
	CHECK(last_ext >= 0x80000004);
	CHECK(last_ext < 0x80000100);
	/* Both rings see the same; the upper halves are zero. */
	for (u32 leaf = 0; leaf <= last; leaf++) {
		struct regs a = cpuid_at(leaf, 0, 0), b = cpuid_at(leaf, 0, 3);

		context("leaf %x", leaf);
		CHECK_STOP(a);
		CHECK_STOP(b);
		CHECK_EQ(a.rax, b.rax);
		CHECK_EQ(a.rbx, b.rbx);
		CHECK_EQ(a.rcx, b.rcx);
		CHECK_EQ(a.rdx, b.rdx);
		CHECK_EQ(a.rax >> 32 | a.rbx >> 32 | a.rcx >> 32 | a.rdx >> 32,
			 0);
	}
}

/* The vendor's name is in leaf 0 and, with AMD, in 0x80000000 again. */
static void vendor(void)
{
	struct cpuid a = cpuid(0), b = cpuid(0x80000000);
	char name[13] = { 0 };

	memcpy(name, &a.b, 4);
	memcpy(name + 4, &a.d, 4);
	memcpy(name + 8, &a.c, 4);
	print("# %s, last leaves %#x and %#x\n", name, a.a, b.a);
	for (unsigned i = 0; i < 12; i++)
		CHECK(name[i] >= ' ' && name[i] < 127);
	if (!vendor_is_intel()) {
		CHECK_EQ(a.b, b.b);
		CHECK_EQ(a.c, b.c);
		CHECK_EQ(a.d, b.d);
		/* Leaf 1's low features once more. */
		a = cpuid(1);
		b = cpuid(0x80000001);
		CHECK_EQ(b.d & 0x0183f3ff, a.d & 0x0183f3ff);
	}
}

/* What long mode cannot be without. */
static void baseline(void)
{
	u32 d = cpuid(1).d;
	/* FPU PSE TSC MSR PAE CX8 APIC PGE CMOV PAT MMX FXSR SSE SSE2 */
	u32 need = 0x07808000 | 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 8 |
		   1 << 9 | 1 << 13 | 1 << 16;

	CHECK_EQ(d & need, need);
	CHECK(has(F_LM));
	CHECK(has(F_SYSCALL));
	CHECK(has(F_NX));
	CHECK(phys_bits() >= 36 && phys_bits() <= 52);
	CHECK((cpuid(0x80000008).a >> 8 & 0xff) == 48 ||
	      (cpuid(0x80000008).a >> 8 & 0xff) == 57);
	if (has(F_AVX))
		CHECK(has(F_XSAVE));
	if (has(F_PCID))
		CHECK(has(F_INVPCID) || !vendor_is_intel());
}

/* OSXSAVE and APIC are the guest's own doing. */
static void dynamic_bits(void)
{
	if (!has(F_XSAVE)) {
		CHECK(!has(F_OSXSAVE));
		skip("no XSAVE");
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		CHECK(!has(F_OSXSAVE));
		CHECK_EQ(cpuid_at(1, 0, 3).rcx >> 27 & 1, 0);
		write_cr4(read_cr4() | CR4_OSXSAVE);
		CHECK(has(F_OSXSAVE));
		CHECK_EQ(cpuid_at(1, 0, 3).rcx >> 27 & 1, 1);
		write_cr4(read_cr4() & ~(ulong)CR4_OSXSAVE);
	}
}

/* Leaf 0xD: sizes, offsets, and the size for XCR0 as it is. */
static void xsave_leaf(void)
{
	struct cpuid d0;
	u64 all;
	u32 most = 576;

	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	CHECK(cpuid(0).a >= 0xd);
	write_cr4(read_cr4() | CR4_OSXSAVE);
	d0 = cpuid_sub(0xd, 0);
	all = d0.a | (u64)d0.d << 32;
	CHECK_EQ(all & 3, 3);
	CHECK_EQ(!!(all & 4), has(F_AVX));
	for (unsigned i = 2; i < 63; i++) {
		struct cpuid c = cpuid_sub(0xd, i);

		context("component %u", i);
		if (!(all & BIT(i))) {
			/* It may be a supervisor's. */
			if (!(c.c & 1))
				CHECK_EQ(c.a | c.b, 0);
			continue;
		}
		CHECK(c.a);
		CHECK(c.b >= 576);
		CHECK_EQ(c.c & 1, 0);
		if (c.a + c.b > most)
			most = c.a + c.b;
		if (i == 2) {
			CHECK_EQ(c.a, 256);
			CHECK_EQ(c.b, 576);
		}
	}
	CHECK_EQ(d0.c, most);
	xsetbv(0, 1);
	CHECK_EQ(cpuid_sub(0xd, 0).b, 576);
	xsetbv(0, 3);
	CHECK_EQ(cpuid_sub(0xd, 0).b, 576);
	CHECK_EQ(cpuid_sub(0xd, 0).c, most);
	if (all & 4) {
		xsetbv(0, 7);
		CHECK_EQ(cpuid_sub(0xd, 0).b, 832);
	}
	xsetbv(0, all);
	CHECK_EQ(cpuid_sub(0xd, 0).b, most);
	xsetbv(0, 1);
}

/* Time. */
CODE(c_rdtsc, "rdtsc\n" STOP);
CODE(c_rdtscp, "rdtscp\n" STOP);
CODE(c_rdpid, "rdpid %rax\n" STOP);

static void time_stamps(void)
{
	u64 last = rdtsc();
	struct regs r;

	for (unsigned i = 0; i < 100000; i++) {
		u64 now = rdtsc();

		if (now < last) {
			CHECK(now >= last);
			break;
		}
		last = now;
	}
	for (unsigned i = 0; i < 100; i++) {
		u64 now;

		r = run_code(c_rdtsc, i & 1 ? 3 : 0);
		CHECK_STOP(r);
		now = r.rax | r.rdx << 32;
		CHECK(now >= last);
		CHECK_EQ(r.rax >> 32 | r.rdx >> 32, 0);
		last = now;
		cpuid(0);
	}
	/* It moves while nothing much happens. */
	last = rdtsc();
	spin(1000000);
	CHECK(rdtsc() > last);
}

static void tsc_written(void)
{
	u64 now;

	wrmsr(MSR_TSC, 0x1000000000000);
	now = rdtsc();
	CHECK(now >= 0x1000000000000);
	CHECK(now < 0x1010000000000);
	now = rdmsr(MSR_TSC);
	CHECK(now >= 0x1000000000000);
	CHECK(now < 0x1010000000000);
}

static void processor_id(void)
{
	struct regs r;

	if (!has(F_RDTSCP)) {
		skip("no RDTSCP");
		return;
	}
	wrmsr(MSR_TSC_AUX, 0x12345678);
	CHECK_EQ(rdmsr(MSR_TSC_AUX), 0x12345678);
	for (int ring = 0; ring <= 3; ring += 3) {
		r = run_code(c_rdtscp, ring);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0x12345678);
		if (has(F_RDPID)) {
			r = run_code(c_rdpid, ring);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, 0x12345678);
		} else {
			r = run_code(c_rdpid, ring);
			CHECK_TRAP(r, V_UD, 0);
		}
	}
	write_cr4(read_cr4() | CR4_TSD);
	r = run_code(c_rdtscp, 3);
	CHECK_TRAP(r, V_GP, 0);
	wrmsr(MSR_TSC_AUX, 0);
}

/* MSRs that no processor has. */
CODE(c_rdmsr, "rdmsr\n" STOP);
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

static void unknown_msrs(void)
{
	static const u32 msr_tab[] = { 0x5, 0x15, 0x3fff, 0x12345678,
				       0x40000fff, 0xbfffffff, 0xc0003fff,
				       0xdeadbeef, 0xffffffff };

	for (unsigned i = 0; i < ARRAY_LEN(msr_tab); i++) {
		struct regs r;

		context("MSR %x", msr_tab[i]);
		regs_init(&r, c_rdmsr, 0);
		r.rcx = msr_tab[i];
		r.rax = 0x1111;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(r.rip, (ulong)c_rdmsr);
		CHECK_EQ(r.rax, 0x1111);
		r = try_wrmsr(msr_tab[i], 0);
		CHECK_TRAP(r, V_GP, 0);
	}
}

/* RDMSR and WRMSR use ECX, EDX and EAX only. */
static void msr_registers(void)
{
	struct regs r;

	wrmsr(MSR_LSTAR, 0x123456789abc);
	regs_init(&r, c_rdmsr, 0);
	r.rcx = 0xffffffff00000000 | MSR_LSTAR;
	r.rax = r.rdx = ~0ul;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x56789abc);
	CHECK_EQ(r.rdx, 0x1234);
	regs_init(&r, c_wrmsr, 0);
	r.rcx = 0xffffffff00000000 | MSR_LSTAR;
	r.rax = 0xdddddddd00001111;
	r.rdx = 0xdddddddd00002222;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(rdmsr(MSR_LSTAR), 0x222200001111);
}

static void efer(void)
{
	u64 efer = rdmsr(MSR_EFER);

	CHECK_EQ(efer & (EFER_LMA | EFER_LME), EFER_LMA | EFER_LME);
	/* LME cannot change while paging is on; LMA is not software's. */
	CHECK_TRAP(try_wrmsr(MSR_EFER, efer & ~EFER_LME), V_GP, 0);
	CHECK_EQ(rdmsr(MSR_EFER), efer);
	for (unsigned bit = 16; bit < 64; bit++) {
		context("bit %u", bit);
		if (bit == 20 || bit == 21 || bit == 17 || bit == 18)
			continue; /* newer extensions */
		CHECK_TRAP(try_wrmsr(MSR_EFER, efer | BIT(bit)), V_GP, 0);
	}
	CHECK_EQ(rdmsr(MSR_EFER), efer);
}

static void efer_lma(void)
{
	u64 efer = rdmsr(MSR_EFER);
	struct regs r = try_wrmsr(MSR_EFER, efer & ~EFER_LMA);

	/* Ignored by Intel; AMD wants it as it is. */
	CHECK(r.vector == V_STOP || r.vector == V_GP);
	CHECK_EQ(rdmsr(MSR_EFER), efer);
}

/* Page attributes: types 0, 1, 4 to 7 exist. */
static void pat(void)
{
	u64 old = rdmsr(MSR_PAT);

	CHECK_STOP(try_wrmsr(MSR_PAT, 0x0007040600070406));
	CHECK_STOP(try_wrmsr(MSR_PAT, 0x0501040600070406));
	CHECK_EQ(rdmsr(MSR_PAT), 0x0501040600070406);
	wrmsr(MSR_PAT, old);
	CHECK_EQ(rdmsr(MSR_PAT), old);
}

static void pat_invalid(void)
{
	for (unsigned i = 0; i < 8; i++) {
		CHECK_TRAP(try_wrmsr(MSR_PAT, 2ull << i * 8), V_GP, 0);
		CHECK_TRAP(try_wrmsr(MSR_PAT, 3ull << i * 8), V_GP, 0);
		CHECK_TRAP(try_wrmsr(MSR_PAT, 8ull << i * 8), V_GP, 0);
	}
}

/* Control registers: what must not be. */
CODE(c_wcr0, "mov %rax, %cr0\n" STOP);
CODE(c_wcr3, "mov %rax, %cr3\n" STOP);
CODE(c_wcr4, "mov %rax, %cr4\n" STOP);
CODE(c_lmsw, "lmsw %ax\n" STOP);

static struct regs with_rax(const u8 *code, ulong v)
{
	struct regs r;

	regs_init(&r, code, 0);
	r.rax = v;
	run(&r);
	return r;
}

/* QEMU does not survive some of these, and so does not get to see them. */
static bool spared(void)
{
	if (machine_is_tcg())
		check_failed(__FILE__, __LINE__, "QEMU would end here");
	return machine_is_tcg();
}

static void cr0_rules(void)
{
	ulong cr0 = read_cr0();
	struct regs r;

	if (spared())
		return;
	/* NW without CD; PG without PE; the upper half. */
	r = with_rax(c_wcr0, cr0 | CR0_NW);
	CHECK_TRAP(r, V_GP, 0);
	r = with_rax(c_wcr0, cr0 & ~(ulong)CR0_PE);
	CHECK_TRAP(r, V_GP, 0);
	r = with_rax(c_wcr0, cr0 | BIT(32));
	CHECK_TRAP(r, V_GP, 0);
	r = with_rax(c_wcr0, cr0 | BIT(63));
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(read_cr0(), cr0);
}

static void lmsw(void)
{
	ulong cr0 = read_cr0();
	struct regs r;

	/* LMSW sets PE, MP, EM, TS and never clears PE. */
	r = with_rax(c_lmsw, CR0_TS | CR0_EM);
	CHECK_STOP(r);
	CHECK_EQ(read_cr0(), (cr0 & ~(ulong)CR0_MP) | CR0_TS | CR0_EM);
	r = with_rax(c_lmsw, CR0_MP);
	CHECK_EQ(read_cr0(), cr0);
	/* ET reads 1 whatever is written; CD and NW together are fine. */
	r = with_rax(c_wcr0, (cr0 & ~0x10ul) | CR0_CD | CR0_NW);
	CHECK_STOP(r);
	CHECK_EQ(read_cr0(), cr0 | CR0_CD | CR0_NW);
	write_cr0(cr0);
}

static void cr4_rules(void)
{
	ulong cr4 = read_cr4();
	struct regs r;

	if (spared())
		return;
	for (unsigned bit = 23; bit < 64; bit++) {
		context("bit %u", bit);
		if (bit == 23 || bit == 24 || bit == 25 || bit == 27 ||
		    bit == 28 || bit == 32)
			continue; /* newer extensions */
		r = with_rax(c_wcr4, cr4 | BIT(bit));
		CHECK_TRAP(r, V_GP, 0);
	}
	r = with_rax(c_wcr4, cr4 | BIT(15));
	CHECK_TRAP(r, V_GP, 0);
	/* PAE belongs to long mode. */
	r = with_rax(c_wcr4, cr4 & ~(ulong)CR4_PAE);
	CHECK_TRAP(r, V_GP, 0);
	CHECK_EQ(read_cr4(), cr4);
	if (!has(F_SMEP))
		CHECK_TRAP(with_rax(c_wcr4, cr4 | CR4_SMEP), V_GP, 0);
	if (!has(F_SMAP))
		CHECK_TRAP(with_rax(c_wcr4, cr4 | CR4_SMAP), V_GP, 0);
	if (!has(F_UMIP))
		CHECK_TRAP(with_rax(c_wcr4, cr4 | CR4_UMIP), V_GP, 0);
	if (!has(F_PCID))
		CHECK_TRAP(with_rax(c_wcr4, cr4 | CR4_PCIDE), V_GP, 0);
	if (!has(F_FSGSBASE))
		CHECK_TRAP(with_rax(c_wcr4, cr4 | CR4_FSGSBASE), V_GP, 0);
}

static void cr3_rules(void)
{
	struct regs r;

	if (spared())
		return;
	for (unsigned bit = phys_bits(); bit < 64; bit++) {
		context("bit %u", bit);
		if (bit == 61 || bit == 62)
			continue; /* linear address masking */
		r = with_rax(c_wcr3, (ulong)root | BIT(bit));
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(read_cr3(), (ulong)root);
	}
	/* PWT and PCD are kept; the other low bits are ignored. */
	write_cr3((ulong)root | 0x18);
	CHECK_EQ(read_cr3() & 0x18, 0x18);
	write_cr3((ulong)root);
}

const struct test tests[] = {
	{ "shape", shape },
	{ "vendor", vendor },
	{ "baseline", baseline },
	{ "OSXSAVE", dynamic_bits },
	{ "leaf 0xD", xsave_leaf },
	{ "time stamps", time_stamps },
	{ "a written time stamp counter", tsc_written,
	  "ignores the write (SDM 3B 17.17.3 \"Time-Stamp Counter Adjustment\")" },
	{ "processor ID", processor_id },
	{ "unknown MSRs", unknown_msrs,
	  "reads 0 and ignores writes (SDM 2B \"RDMSR\", #GP)" },
	{ "registers of RDMSR and WRMSR", msr_registers },
	{ "EFER", efer, "ignores what it does not know (SDM 4, EFER)" },
	{ "EFER.LMA", efer_lma },
	{ "PAT", pat },
	{ "invalid PAT", pat_invalid, "takes any value (SDM 3A 11.12.2)" },
	{ "rules of CR0", cr0_rules,
	  "takes what it likes (SDM 3A 2.5, SDM 2B \"MOV\", #GP)" },
	{ "LMSW", lmsw },
	{ "rules of CR4", cr4_rules,
	  "takes what it likes (SDM 3A 2.5, SDM 2B \"MOV\", #GP)" },
	{ "rules of CR3", cr3_rules,
	  "takes what it likes (SDM 3A 4.5.2, SDM 2B \"MOV\", #GP)" },
	{ NULL },
};
