/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.c - the processor that is shown: nothing but what the list allows, on
 * any host, and the leaves agree with one another; and the MSRs. */
#include <cpuid.h>

#include "world.h"
#include "x86/cpuid.h"

static struct x86_state s;
static struct x86_fault f;
static struct x86_cpuid c;

/* --- hosts --- */

static void real_host(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	__cpuid_count(leaf, subleaf, r->eax, r->ebx, r->ecx, r->edx);
}

static const char *vendor;

/* A host that claims every feature there is. */
static void boastful_host(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	*r = (struct x86_cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
	if (leaf == 0 || leaf == 0x80000000) {
		r->eax = leaf + 0x40;
		memcpy(&r->ebx, vendor, 4);
		memcpy(&r->edx, vendor + 4, 4);
		memcpy(&r->ecx, vendor + 8, 4);
	}
	if (leaf == 4 || leaf == 0x8000001d)
		r->eax = subleaf < 4 ? 0xffffc043 | (subleaf & 3) << 5 : 0;
}

/* ... but whose kernel has not switched AVX on. */
static void unready_host(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	boastful_host(leaf, subleaf, r);
	if (leaf == 0xd && subleaf == 0)
		r->eax = 3;
}

/* A host that has x86-64 and nothing more. */
static void poor_host(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	memset(r, 0, sizeof(*r));
	if (leaf == 0 || leaf == 0x80000000) {
		r->eax = leaf == 0 ? 1 : 0x80000001;
		memcpy(&r->ebx, vendor, 4);
		memcpy(&r->edx, vendor + 4, 4);
		memcpy(&r->ecx, vendor + 8, 4);
	} else if (leaf == 1) {
		r->eax = 0x600;
		r->edx = 0x078bfbff;
	} else if (leaf == 0x80000001) {
		r->edx = BIT(29) | BIT(11);
	}
}

static struct x86_cpuid_regs read_for(u32 apic_id, u32 leaf, u32 subleaf)
{
	struct x86_cpuid_regs r;

	x86_cpuid_read(&c, &s, apic_id, leaf, subleaf, &r);
	return r;
}

static struct x86_cpuid_regs read(u32 leaf, u32 subleaf)
{
	return read_for(0, leaf, subleaf);
}

/* --- the list --- by name, written from the manuals, not from cpuid.c */

struct allowed {
	u32 leaf, subleaf;
	char reg;
	const char *bits; /* numbers, blanks between */
};

static const struct allowed allowed_tab[] = {
	/* sse3 pclmulqdq ssse3 fma cx16 pcid sse4.1 sse4.2 x2apic movbe popcnt
	 * tsc-deadline aes xsave osxsave avx f16c rdrand hypervisor */
	{ 1, 0, 'c', "0 1 9 12 13 17 19 20 21 22 23 24 25 26 27 28 29 30 31" },
	/* fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36
	 * clfsh mmx fxsr sse sse2 htt */
	{ 1, 0, 'd',
	  "0 2 3 4 5 6 7 8 9 11 12 13 14 15 16 17 19 23 24 25 26 28" },
	/* fsgsbase tsc_adjust bmi1 avx2 smep bmi2 erms invpcid rdseed adx smap
	 * clflushopt clwb sha */
	{ 7, 0, 'b', "0 1 3 5 7 8 9 10 18 19 20 23 24 29" },
	/* umip gfni vaes vpclmulqdq rdpid */
	{ 7, 0, 'c', "2 8 9 10 22" },
	/* fsrm serialize arch-capabilities (Intel) */
	{ 7, 0, 'd', "4 14 29" },
	{ 7, 0, 'a', "" },
	{ 7, 1, 'a', "" },
	{ 7, 1, 'd', "" },
	{ 5, 0, 'c', "" }, /* monitor */
	{ 6, 0, 'a', "2" }, /* arat */
	{ 6, 0, 'c', "" },
	{ 0xa, 0, 'a', "" }, /* performance counters */
	{ 0xd, 0, 'a', "0 1 2" },
	{ 0xd, 0, 'd', "" },
	{ 0xd, 1, 'a', "0 1 2" }, /* xsaveopt xsavec xgetbv1 */
	{ 0xd, 1, 'c', "" },
	{ 0x12, 0, 'a', "" }, /* sgx */
	{ 0x14, 0, 'b', "" }, /* pt */
	/* lahf cmp_legacy cr8_legacy abm 3dnowprefetch topoext */
	{ 0x80000001, 0, 'c', "0 1 4 5 8 22" },
	/* leaf 1's bits, syscall nx mmxext fxsr_opt pdpe1gb rdtscp lm */
	{ 0x80000001, 0, 'd',
	  "0 2 3 4 5 6 7 8 9 11 12 13 14 15 16 17 20 22 23 24 25 26 27 29" },
	{ 0x80000007, 0, 'b', "" },
	{ 0x80000007, 0, 'd', "8" },
	{ 0x80000008, 0, 'b', "2" }, /* xsaveerptr */
	{ 0x8000000a, 0, 'd', "" }, /* svm */
	{ 0x8000001b, 0, 'a', "" }, /* ibs */
	{ 0x8000001f, 0, 'a', "" }, /* sme, sev */
	/* lfence, null selector, automatic ibrs, srso_no,
	 * srso_user_kernel_no */
	{ 0x80000021, 0, 'a', "2 6 8 29 30" },
	{ 0x80000021, 0, 'c', "1 2" }, /* tsa_sq_no, tsa_l1_no */
};

static u32 mask_of(const char *bits)
{
	u32 mask = 0;
	char *end;

	for (;;) {
		unsigned long bit = strtoul(bits, &end, 10);

		if (end == bits)
			return mask;
		mask |= 1u << bit;
		bits = end;
	}
}

static u32 reg_of(const struct x86_cpuid_regs *r, char reg)
{
	return reg == 'a'   ? r->eax
	       : reg == 'b' ? r->ebx
	       : reg == 'c' ? r->ecx
			    : r->edx;
}

static void check_allowed(const char *host)
{
	for (size_t i = 0; i < ARRAY_SIZE(allowed_tab); i++) {
		const struct allowed *a = &allowed_tab[i];
		struct x86_cpuid_regs r = read(a->leaf, a->subleaf);
		u32 extra = reg_of(&r, a->reg) & ~mask_of(a->bits);

		/* Leaves beyond Intel's range repeat another leaf. */
		if (c.intel &&
		    (a->leaf > c.max_basic &&
		     (a->leaf < 0x80000000 || a->leaf > c.max_extended)))
			continue;
		tap_check(!extra, "%s: %x.%u e%cx shows no more: 0x%x", host,
			  a->leaf, a->subleaf, a->reg, extra);
	}
}

/* --- agreement --- */

static void check_agreement(const char *host, unsigned cpus)
{
	struct x86_cpuid_regs one = read(1, 0), seven = read(7, 0);
	struct x86_cpuid_regs d0 = read(0xd, 0), d2 = read(0xd, 2);
	struct x86_cpuid_regs b1 = read(0xb, 1);
	bool avx = one.ecx & BIT(28), xsave = one.ecx & BIT(26);

	tap_check(!(read_for(0, 1, 0).ebx >> 24) &&
			  read_for(cpus - 1, 1, 0).ebx >> 24 == cpus - 1,
		  "%s: APIC id", host);
	tap_check(!avx || xsave, "%s: AVX needs XSAVE", host);
	tap_check(avx || !((one.ecx & (BIT(12) | BIT(29))) |
			   (seven.ebx & BIT(5)) | (seven.ecx & 0x600)),
		  "%s: no FMA, F16C, AVX2, VAES without AVX", host);
	tap_check(c.xcr0_valid == (avx	   ? 7u
				   : xsave ? 3u
					   : 0u) &&
			  d0.eax == c.xcr0_valid,
		  "%s: XCR0", host);
	tap_check(d0.ecx == (avx     ? 832u
			     : xsave ? 576u
				     : 0u),
		  "%s: XSAVE's size", host);
	tap_check(!avx || (d2.eax == 256 && d2.ebx == 576), "%s: AVX's place",
		  host);
	tap_check(!!(c.cr4_valid & CR4_OSXSAVE) == xsave, "%s: OSXSAVE", host);
	tap_check(!(c.cr4_valid & (CR4_VME | CR4_PVI | CR4_LA57 | CR4_PKE)),
		  "%s: hidden CR4 bits", host);
	tap_check(c.intel ||
			  (!!(c.efer_valid & EFER_AIBRSE) ==
			   !!(read(0x80000021, 0).eax & BIT(8))),
		  "%s: automatic IBRS", host);
	tap_check((read(0x80000008, 0).eax & 0xff) == X86_PHYS_BITS &&
			  (read(0x80000008, 0).eax >> 8 & 0xff) == 48,
		  "%s: address widths", host);
	tap_check((1u << b1.eax) >= cpus && b1.ebx == cpus &&
			  read_for(3, 0xb, 1).edx == 3,
		  "%s: topology", host);
	tap_check(read(0xb, 0).eax == 0 && read(0xb, 0).ebx == 1 &&
			  read(0xb, 0).ecx >> 8 == 1 && b1.ecx >> 8 == 2 &&
			  !(read(0xb, 2).ecx >> 8),
		  "%s: one thread a core, one package", host);
	tap_check(c.intel || ((read(0x80000008, 0).ecx & 0xff) == cpus - 1 &&
			      1u << (read(0x80000008, 0).ecx >> 12) >= cpus &&
			      read_for(cpus - 1, 0x8000001e, 0).eax ==
				      cpus - 1 &&
			      read_for(cpus - 1, 0x8000001e, 0).ebx ==
				      cpus - 1 &&
			      !read_for(cpus - 1, 0x8000001e, 0).ecx),
		  "%s: the same, as AMD says it", host);
	tap_check(((one.edx >> 28) & 1) == (cpus > 1), "%s: HTT", host);
	tap_check((one.ebx >> 16 & 0xff) == cpus, "%s: logical processors",
		  host);
	tap_check(read(0, 0).eax >= 0xd &&
			  read(0x80000000, 0).eax >= 0x80000008,
		  "%s: enough leaves", host);
	/* What Doppel does itself is there on every host. */
	tap_check((one.ecx & (BIT(17) | BIT(21) | BIT(24) | BIT(31))) ==
				  (BIT(17) | BIT(21) | BIT(24) | BIT(31)) &&
			  (seven.ebx & 0x100483) == 0x100483 &&
			  (seven.ecx & BIT(2)) &&
			  (read(0x80000001, 0).edx & BIT(20)),
		  "%s: system features", host);
	tap_check(c.count <= X86_CPUID_LEAVES, "%s: %u leaves", host, c.count);
}

static void check_dynamic(void)
{
	s.cr4 = CR4_OSXSAVE;
	tap_check(read(1, 0).ecx & BIT(27), "OSXSAVE follows CR4");
	s.xcr0 = 3;
	tap_equal(read(0xd, 0).ebx, 576u, "size for XCR0 = 3");
	s.xcr0 = 7;
	tap_equal(read(0xd, 0).ebx, 832u, "size for XCR0 = 7");
	tap_equal(read(0xd, 1).ebx, 832u, "compacted size");
	s.cr4 = 0;
	tap_check(!(read(1, 0).ecx & BIT(27)), "and without");
	c.kvm_features = 0x1234;
	tap_check(read(0x40000000, 0).eax == 0x40000001 &&
			  read(0x40000000, 0).ebx == 0x4b4d564b &&
			  read(0x40000001, 0).eax == 0x1234,
		  "KVM's leaves");
	tap_equal(read(0x40000002, 0).eax, 0u, "and no more");
}

static void try_host(const char *name, x86_cpuid_fn host, unsigned cpus)
{
	memset(&s, 0, sizeof(s));
	s.efer = EFER_LMA;
	s.seg[X86_CS].attr = SEG_L;
	x86_cpuid_init(&c, host, cpus, 2596000000ull);
	check_allowed(name);
	check_agreement(name, cpus);
}

static void test_cpuid(void)
{
	vendor = "AuthenticAMD";
	try_host("boastful AMD", boastful_host, 8);
	check_dynamic();
	try_host("unready AMD", unready_host, 2);
	try_host("poor AMD", poor_host, 4);
	try_host("AMD with many", boastful_host, 64);
	vendor = "GenuineIntel";
	try_host("boastful Intel", boastful_host, 255);
	tap_check(read(4, 0).eax >> 26 == 63 && read(4, 4).eax == 0 &&
			  (read(4, 3).eax >> 14 & 0xfff) == 254 &&
			  (read(4, 2).eax >> 14 & 0xfff) == 0,
		  "who shares the caches");
	tap_check(read(0x15, 0).ecx * (u64)read(0x15, 0).ebx /
				  read(0x15, 0).eax ==
			  2596000000ull,
		  "leaf 15H gives the TSC's frequency");
	tap_equal(read(0x16, 0).eax, 2596u, "leaf 16H too");
	tap_equal(read(0x1234, 0).eax, read(0x16, 0).eax,
		  "beyond: the last basic leaf");
	s.seg[X86_CS].attr = 0;
	tap_check(!(read(0x80000001, 0).edx & BIT(11)),
		  "Intel: SYSCALL is for 64-bit mode only");
	try_host("poor Intel", poor_host, 5);
	try_host("this host", real_host, 4);
	tap_check(read(1, 0).eax != 0, "family and model are the host's");
}

/* --- MSRs --- */

static int rd(u32 msr, u64 *v)
{
	return x86_msr_read(&s, &c, 1000, msr, v, &f);
}

static unsigned change;

static int wr(u32 msr, u64 v)
{
	return x86_msr_write(&s, &c, 1000, msr, v, &change, &f);
}

static void keeps(u32 msr, u64 v, const char *name)
{
	u64 got = 0;

	tap_check(!wr(msr, v) && !rd(msr, &got) && got == v, "%s keeps 0x%llx",
		  name, (unsigned long long)v);
}

static void refuses(u32 msr, u64 v, const char *name)
{
	u64 before = 0, after = 0;

	rd(msr, &before);
	tap_check(wr(msr, v) == -1 && is_fault(&f, X86_GP, 0) &&
			  (rd(msr, &after) || before == after),
		  "%s refuses 0x%llx", name, (unsigned long long)v);
}

static void test_msrs(void)
{
	const u64 odd = 1ull << 47;
	u64 v = 0;

	vendor = "AuthenticAMD";
	x86_cpuid_init(&c, boastful_host, 4, 1000000000);
	x86_state_reset(&s, false, true);
	keeps(MSR_STAR, ~0ull, "STAR");
	keeps(MSR_LSTAR, 0xffffffff81000000ull, "LSTAR");
	refuses(MSR_LSTAR, odd, "LSTAR");
	refuses(MSR_CSTAR, odd, "CSTAR");
	refuses(MSR_FS_BASE, odd, "FS_BASE");
	refuses(MSR_GS_BASE, odd, "GS_BASE");
	refuses(MSR_KERNEL_GS_BASE, odd, "KERNEL_GS_BASE");
	refuses(MSR_IA32_SYSENTER_EIP, odd, "SYSENTER_EIP");
	keeps(MSR_IA32_PAT, 0x0007010600070106ull, "PAT");
	refuses(MSR_IA32_PAT, 2, "PAT");
	refuses(MSR_IA32_PAT, 0x0800000000000000ull, "PAT");
	keeps(MSR_IA32_MTRR_DEF_TYPE, 0xc06, "MTRR default type");
	refuses(MSR_IA32_MTRR_DEF_TYPE, 0xc02, "MTRR default type");
	refuses(MSR_IA32_MTRR_DEF_TYPE, 0x1000, "MTRR default type");
	for (u32 msr = 0x268; msr <= 0x26f; msr++)
		keeps(msr, 0x0606060605050400ull + (msr & 1), "fixed MTRR");
	keeps(0x250, 0x0606060606060606ull, "fixed MTRR");
	keeps(0x258, 0x0404040404040404ull, "fixed MTRR");
	keeps(0x259, 0x0101010101010101ull, "fixed MTRR");
	refuses(0x26f, 7, "fixed MTRR");
	keeps(0x20e, 0x80000006, "variable MTRR base");
	keeps(0x20f, 0x3fff80000800ull, "variable MTRR mask");
	refuses(0x20e, 0x80000002, "variable MTRR base");
	refuses(0x20f, BIT64(X86_PHYS_BITS), "variable MTRR mask");
	refuses(MSR_IA32_MTRRCAP, 0, "MTRRCAP");
	tap_check(!rd(MSR_IA32_MTRRCAP, &v) && v == 0x508, "MTRRCAP");
	tap_equal(rd(0x210, &v), X86_MSR_UNKNOWN, "a ninth MTRR");

	s.tsc_offset = 50;
	tap_check(!rd(MSR_IA32_TSC, &v) && v == 1050, "TSC");
	tap_check(!wr(MSR_IA32_TSC, 0) && !rd(MSR_IA32_TSC, &v) && v == 0 &&
			  !rd(MSR_IA32_TSC_ADJUST, &v) && v == -1050ull,
		  "TSC written: TSC_ADJUST follows");
	tap_check(!wr(MSR_IA32_TSC_ADJUST, 0) && !rd(MSR_IA32_TSC, &v) &&
			  v == 1050,
		  "TSC_ADJUST written: the TSC follows");
	tap_check(change == X86_CHANGE_TSC && !wr(MSR_IA32_TSC, 5) &&
			  change == X86_CHANGE_TSC && !wr(MSR_TSC_AUX, 5) &&
			  !change,
		  "which is told");

	keeps(MSR_EFER, EFER_SCE | EFER_LME | EFER_NXE, "EFER");
	tap_equal(change, X86_CHANGE_TLB_ALL | X86_CHANGE_MODE, "NXE flushes");
	refuses(MSR_EFER, BIT64(12), "EFER (SVME)");
	tap_check(!wr(MSR_EFER, EFER_LMA) && !(s.efer & EFER_LMA),
		  "LMA cannot be written");
	s.cr0 = CR0_PE | CR0_PG;
	refuses(MSR_EFER, EFER_LME, "EFER.LME with paging on");

	tap_check(!rd(MSR_AMD_HWCR, &v) && (v & BIT64(24)), "HWCR");
	tap_check(!rd(0xc0011029, &v) && (v & 2), "DE_CFG");
	tap_check(!rd(0x8b, &v) && v, "PATCH_LEVEL");
	tap_check(!rd(0xc001001f, &v) && !wr(0xc001001f, BIT64(46)),
		  "NB_CFG takes writes");
	tap_equal(rd(MSR_IA32_SPEC_CTRL, &v), X86_MSR_UNKNOWN,
		  "SPEC_CTRL is not shown");
	tap_equal(wr(MSR_IA32_PRED_CMD, 1), X86_MSR_UNKNOWN,
		  "PRED_CMD neither");
	tap_equal(rd(MSR_IA32_APIC_BASE, &v), X86_MSR_UNKNOWN,
		  "APIC_BASE is a device's");
	tap_equal(rd(MSR_IA32_MISC_ENABLE, &v), X86_MSR_UNKNOWN,
		  "AMD has no MISC_ENABLE");
	vendor = "GenuineIntel";
	x86_cpuid_init(&c, boastful_host, 4, 1000000000);
	tap_check(!rd(MSR_IA32_MISC_ENABLE, &v) && v == 0x1801,
		  "Intel has, with fast strings");
	tap_equal(rd(MSR_AMD_HWCR, &v), X86_MSR_UNKNOWN, "and no HWCR");
	refuses(MSR_TSC_AUX, BIT64(32), "TSC_AUX");
	refuses(MSR_IA32_FEATURE_CONTROL, 4, "FEATURE_CONTROL");

	/* No number may crash, and what cannot be read cannot be unknown
	 * otherwise. */
	unsigned bad = 0;

	for (u32 msr = 0; msr < 0x3000; msr++) {
		static const u32 base_tab[] = { 0, 0xc0000000, 0xc0010000 };

		for (unsigned i = 0; i < 3; i++) {
			int r = rd(base_tab[i] + msr, &v);
			int q = wr(base_tab[i] + msr, ~0ull);

			bad += r != 0 && r != X86_MSR_UNKNOWN;
			bad += r == 0 && q == X86_MSR_UNKNOWN;
		}
	}
	tap_equal(bad, 0u, "all numbers");
}

int main(void)
{
	test_cpuid();
	test_msrs();
	return tap_done();
}
