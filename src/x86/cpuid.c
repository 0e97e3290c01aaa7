/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuid.c - the processor that a guest is shown.
 *
 * An allow-list: a feature bit is shown if it stands in one of the masks
 * below, and the host has it or Doppel carries it out itself. What is not
 * listed is hidden, so a new host shows nothing that nobody has thought of.
 * Unprivileged instructions run as they are, hence need the host; system
 * features (paging, timers, control bits) are ours on every host.
 *
 * Vendor, family and model are the host's, for guests choose by them what
 * to mitigate and which instructions are quick. Of speculation, the host's own
 * "not affected" bits that need no MSR are handed on; IBRS, STIBP and kin (MSRs
 * that we do not have) are hidden. But guests are told to spare themselves
 * retpolines and return thunks: what they do is to predict a processor's
 * branches, and after translation there is nothing left of them but their cost
 * (doc/translator.md, "Speculation").
 *
 * SDM 2A "CPUID - CPU Identification"; APM 3 appendix E "Obtaining Processor
 * Information Via the CPUID Instruction"
 */
#include "x86/cpuid.h"

#include "base/fmt.h"
#include "x86/paging.h"

/* --- leaf 1 --- */
#define L1C_SSE3 BIT(0)
#define L1C_PCLMUL BIT(1)
#define L1C_SSSE3 BIT(9)
#define L1C_FMA BIT(12)
#define L1C_CX16 BIT(13)
#define L1C_PCID BIT(17)
#define L1C_SSE41 BIT(19)
#define L1C_SSE42 BIT(20)
#define L1C_X2APIC BIT(21)
#define L1C_MOVBE BIT(22)
#define L1C_POPCNT BIT(23)
#define L1C_TSC_DEADLINE BIT(24)
#define L1C_AES BIT(25)
#define L1C_XSAVE BIT(26)
#define L1C_OSXSAVE BIT(27)
#define L1C_AVX BIT(28)
#define L1C_F16C BIT(29)
#define L1C_RDRAND BIT(30)
#define L1C_HYPERVISOR BIT(31)

#define L1C_HOST                                                              \
	(L1C_SSE3 | L1C_PCLMUL | L1C_SSSE3 | L1C_FMA | L1C_CX16 | L1C_SSE41 | \
	 L1C_SSE42 | L1C_MOVBE | L1C_POPCNT | L1C_AES | L1C_XSAVE | L1C_AVX | \
	 L1C_F16C | L1C_RDRAND)
#define L1C_OURS (L1C_PCID | L1C_X2APIC | L1C_TSC_DEADLINE | L1C_HYPERVISOR)
#define L1C_NEEDS_AVX (L1C_AVX | L1C_FMA | L1C_F16C)

#define L1D_APIC BIT(9)
#define L1D_HTT BIT(28)
/* FPU, CX8, CMOV, CLFSH, MMX, FXSR, SSE, SSE2 */
#define L1D_HOST 0x07888101u
/* DE, PSE, TSC, MSR, PAE, MCE, APIC, SEP, MTRR, PGE, MCA, PAT, PSE-36 */
#define L1D_OURS 0x00037afcu

/* --- leaf 7 --- */
#define L7B_AVX2 BIT(5)
/* BMI1, AVX2, BMI2, ERMS, RDSEED, ADX, CLFLUSHOPT, CLWB, SHA */
#define L7B_HOST                                                             \
	(BIT(3) | L7B_AVX2 | BIT(8) | BIT(9) | BIT(18) | BIT(19) | BIT(23) | \
	 BIT(24) | BIT(29))
/* FSGSBASE, TSC_ADJUST, SMEP, INVPCID, SMAP */
#define L7B_OURS (BIT(0) | BIT(1) | BIT(7) | BIT(10) | BIT(20))
#define L7C_GFNI BIT(8)
#define L7C_VAES BIT(9)
#define L7C_VPCLMUL BIT(10)
#define L7C_HOST (L7C_GFNI | L7C_VAES | L7C_VPCLMUL)
/* UMIP, RDPID */
#define L7C_OURS (BIT(2) | BIT(22))
#define L7D_FSRM BIT(4)
/* Few hosts have it, and the translator needs none: Linux without it changes
 * its own code by way of 100,000 IRETs at each boot. */
#define L7D_SERIALIZE BIT(14)
#define L7D_ARCH_CAPABILITIES BIT(29)

/* --- leaf 0xd subleaf 1: XSAVEOPT, XSAVEC, XGETBV with ECX = 1 --- */
#define LD1_HOST (BIT(0) | BIT(1) | BIT(2))

/* --- leaf 0x80000001 --- */
#define LXC_CMP_LEGACY BIT(1)
#define LXC_TOPOEXT BIT(22)
/* LAHF, ABM, 3DNOWPREFETCH; not CR8 by LOCK MOV CR0 */
#define LXC_HOST (BIT(0) | BIT(5) | BIT(8))
#define LXD_SYSCALL BIT(11)
#define LXD_FXSR_OPT BIT(25)
/* MMXEXT, FXSR_OPT, LM */
#define LXD_HOST (BIT(22) | LXD_FXSR_OPT | BIT(29))
/* SYSCALL, NX, PDPE1GB, RDTSCP */
#define LXD_OURS (LXD_SYSCALL | BIT(20) | BIT(26) | BIT(27))
/* AMD repeats these bits of leaf 1 EDX here. */
#define LXD_MIRROR 0x0183f3ffu

/* --- leaf 0x80000008 EBX: XSAVEERPTR --- */
#define LX8B_HOST BIT(2)
/* --- leaf 0x80000021 EAX --- */
/* LFENCE serializes (LFENCE runs as it is); SRSO_USER_KERNEL_NO */
#define LX21A_HOST (BIT(2) | BIT(30))
/* A null selector clears the base: segment.c does so for all. Automatic IBRS,
 * and SRSO_NO: see above. */
#define LX21A_OURS (BIT(6) | BIT(8) | BIT(29))
/* ECX: TSA_SQ_NO, TSA_L1_NO. Without them Linux in a virtual machine puts a
 * VERW, a slow instruction here, into each return to user mode. */
#define LX21C_HOST (BIT(1) | BIT(2))

#define MAX_BASIC_AMD 0xdu
#define MAX_BASIC_INTEL 0x16u
#define MAX_EXTENDED_AMD 0x80000021u
#define MAX_EXTENDED_INTEL 0x80000008u
#define HYPERVISOR_LEAF 0x40000000u

#define XSAVE_LEGACY_BYTES 576u /* with the header */
#define XSAVE_AVX_BYTES 256u
#define CACHE_LEAVES_MAX 6u

#define LINEAR_BITS 48u
/* The crystal of leaf 0x15, which Linux also takes for the APIC timer's. */
#define CRYSTAL_HZ 1000000000u

static void put(struct x86_cpuid *c, u32 leaf, struct x86_cpuid_regs r)
{
	BUG_ON(c->count == X86_CPUID_LEAVES);
	c->tab[c->count++] = (struct x86_cpuid_entry){ .leaf = leaf, .r = r };
}

static void put_sub(struct x86_cpuid *c, u32 leaf, u32 subleaf,
		    struct x86_cpuid_regs r)
{
	put(c, leaf, r);
	c->tab[c->count - 1].subleaf = subleaf;
	c->tab[c->count - 1].has_subleaf = true;
}

static struct x86_cpuid_regs regs(u32 eax, u32 ebx, u32 ecx, u32 edx)
{
	return (struct x86_cpuid_regs){ eax, ebx, ecx, edx };
}

static struct x86_cpuid_regs ask(x86_cpuid_fn host, u32 leaf, u32 subleaf)
{
	struct x86_cpuid_regs r = { 0 };

	host(leaf, subleaf, &r);
	return r;
}

/* ... and zeroes for a leaf that the host does not have: Intel's answer to
 * those is some other leaf. */
static struct x86_cpuid_regs ask_known(x86_cpuid_fn host, u32 leaf, u32 subleaf)
{
	if (ask(host, leaf & 0x80000000u, 0).eax < leaf)
		return (struct x86_cpuid_regs){ 0 };
	return ask(host, leaf, subleaf);
}

/* Bits that hold an APIC id below @cpus. */
static u32 id_bits(unsigned cpus)
{
	u32 bits = 0;

	while (BIT(bits) < cpus)
		bits++;
	return bits;
}

/* AVX state is usable if the host's kernel has switched it on. */
static bool host_has_avx(x86_cpuid_fn host, u32 leaf1_ecx)
{
	u32 need = L1C_XSAVE | L1C_OSXSAVE | L1C_AVX;

	return (leaf1_ecx & need) == need &&
	       (ask_known(host, 0xd, 0).eax & X86_XSAVE_MASK) == X86_XSAVE_MASK;
}

static u32 leaf1_ecx(x86_cpuid_fn host, u32 ecx)
{
	u32 shown = ecx & L1C_HOST;

	if (!host_has_avx(host, ecx))
		shown &= ~L1C_NEEDS_AVX;
	if (!(ecx & L1C_OSXSAVE))
		shown &= ~L1C_XSAVE;
	return shown | L1C_OURS;
}

static void put_leaf1(struct x86_cpuid *c, x86_cpuid_fn host)
{
	struct x86_cpuid_regs r = ask(host, 1, 0);

	r.ebx = (r.ebx & 0xffff) | c->cpus << 16;
	r.ecx = leaf1_ecx(host, r.ecx);
	r.edx = (r.edx & L1D_HOST) | L1D_OURS;
	if (c->cpus > 1)
		r.edx |= L1D_HTT;
	put(c, 1, r);
}

static void put_leaf7(struct x86_cpuid *c, x86_cpuid_fn host, bool avx)
{
	struct x86_cpuid_regs r = ask_known(host, 7, 0);

	r.eax = 0;
	r.ebx = (r.ebx & L7B_HOST) | L7B_OURS;
	r.ecx = (r.ecx & L7C_HOST) | L7C_OURS;
	r.edx = (r.edx & L7D_FSRM) | L7D_SERIALIZE;
	if (!avx) {
		r.ebx &= ~L7B_AVX2;
		r.ecx &= ~(L7C_VAES | L7C_VPCLMUL);
	}
	/* For RDCL_NO, which is true here on any host: see msr.c. */
	if (c->intel)
		r.edx |= L7D_ARCH_CAPABILITIES;
	put_sub(c, 7, 0, r);
}

/*
 * Deterministic cache parameters, Intel's leaf 4 or AMD's 0x8000001d: level 3
 * is shared by all processors, what is nearer belongs to one.
 */
static void put_caches(struct x86_cpuid *c, x86_cpuid_fn host, u32 leaf)
{
	for (u32 i = 0; i < CACHE_LEAVES_MAX; i++) {
		struct x86_cpuid_regs r = ask_known(host, leaf, i);
		u32 level = r.eax >> 5 & 7;
		u32 sharing = level >= 3 ? c->cpus - 1 : 0;

		if (!(r.eax & 0x1f))
			break;
		r.eax = (r.eax & 0x3fff) | sharing << 14;
		if (c->intel)
			r.eax |= (u32)min_u64(c->cpus - 1, 0x3f) << 26;
		put_sub(c, leaf, i, r);
	}
}

static u32 xsave_bytes(u64 xcr0)
{
	return XSAVE_LEGACY_BYTES + (xcr0 & XCR0_AVX ? XSAVE_AVX_BYTES : 0);
}

/* SDM 1 13.2 "Enumeration of CPU Support for XSAVE"; EBX is dynamic. */
static void put_xsave(struct x86_cpuid *c, x86_cpuid_fn host, bool avx)
{
	struct x86_cpuid_regs one = ask_known(host, 0xd, 1);
	u32 mask = (u32)c->xcr0_valid;

	put_sub(c, 0xd, 0, regs(mask, 0, xsave_bytes(mask), 0));
	put_sub(c, 0xd, 1, regs(one.eax & LD1_HOST, 0, 0, 0));
	if (avx)
		put_sub(c, 0xd, 2,
			regs(XSAVE_AVX_BYTES, XSAVE_LEGACY_BYTES, 0, 0));
}

/* TSC frequency: Hz = ECX * EBX / EAX, exact to the kHz. */
static void put_frequency(struct x86_cpuid *c)
{
	u32 khz = (u32)min_u64(c->tsc_hz / 1000, ~0u);
	u32 mhz = (u32)min_u64(c->tsc_hz / 1000000, 0xffff);

	put(c, 0x15, regs(CRYSTAL_HZ / 1000, khz, CRYSTAL_HZ, 0));
	put(c, 0x16, regs(mhz, mhz, 100, 0));
}

static void put_basic(struct x86_cpuid *c, x86_cpuid_fn host)
{
	struct x86_cpuid_regs r = ask(host, 0, 0);
	bool avx = c->xcr0_valid & XCR0_AVX;

	r.eax = c->max_basic;
	put(c, 0, r);
	put_leaf1(c, host);
	if (c->intel) {
		put(c, 2, ask_known(host, 2, 0));
		put_caches(c, host, 4);
	}
	/* ARAT: the APIC timer never stops. */
	put(c, 6, regs(BIT(2), 0, 0, 0));
	put_leaf7(c, host, avx);
	if (c->xcr0_valid)
		put_xsave(c, host, avx);
	if (c->intel)
		put_frequency(c);
}

static void put_leaf80000001(struct x86_cpuid *c, x86_cpuid_fn host)
{
	struct x86_cpuid_regs r = ask(host, 0x80000001, 0);
	u32 host_ecx = r.ecx;

	r.ecx = host_ecx & LXC_HOST;
	r.edx = (r.edx & LXD_HOST) | LXD_OURS;
	if (c->intel) {
		r.edx &= ~LXD_FXSR_OPT;
	} else {
		struct x86_cpuid_regs one = { 0 };

		for (unsigned i = 0; i < c->count; i++)
			if (c->tab[i].leaf == 1)
				one = c->tab[i].r;
		r.edx |= one.edx & LXD_MIRROR;
		r.ecx |= host_ecx & LXC_TOPOEXT;
		if (c->cpus > 1)
			r.ecx |= LXC_CMP_LEGACY;
	}
	put(c, 0x80000001, r);
}

static void put_extended(struct x86_cpuid *c, x86_cpuid_fn host)
{
	struct x86_cpuid_regs r = ask(host, 0x80000000, 0);

	r.eax = c->max_extended;
	put(c, 0x80000000, r);
	put_leaf80000001(c, host);
	for (u32 leaf = 0x80000002; leaf <= 0x80000004; leaf++)
		put(c, leaf, ask_known(host, leaf, 0)); /* the brand string */
	if (!c->intel)
		put(c, 0x80000005, ask_known(host, 0x80000005, 0));
	put(c, 0x80000006, ask_known(host, 0x80000006, 0));
	/* Invariant TSC. */
	put(c, 0x80000007, regs(0, 0, 0, BIT(8)));

	r = ask_known(host, 0x80000008, 0);
	r.eax = X86_PHYS_BITS | LINEAR_BITS << 8;
	r.ebx &= LX8B_HOST;
	r.ecx = (c->cpus - 1) | id_bits(c->cpus) << 12;
	if (c->intel)
		r.ebx = r.ecx = 0;
	put(c, 0x80000008, regs(r.eax, r.ebx, r.ecx, 0));
	if (c->intel)
		return;
	/* Large-page TLBs; widths of the vector units. */
	put(c, 0x80000019, ask_known(host, 0x80000019, 0));
	r = ask_known(host, 0x8000001a, 0);
	put(c, 0x8000001a, regs(r.eax & 7, 0, 0, 0));
	put_caches(c, host, 0x8000001d);
	r = ask_known(host, 0x80000021, 0);
	put(c, 0x80000021,
	    regs((r.eax & LX21A_HOST) | LX21A_OURS, 0, r.ecx & LX21C_HOST, 0));
}

void x86_cpuid_init(struct x86_cpuid *c, x86_cpuid_fn host, unsigned cpus,
		    u64 tsc_hz)
{
	struct x86_cpuid_regs id = ask(host, 0, 0), one = ask(host, 1, 0);

	fill_bytes(c, 0, sizeof(*c));
	c->cpus = cpus;
	c->tsc_hz = tsc_hz;
	c->phys_bits = X86_PHYS_BITS;
	c->intel = id.ebx == 0x756e6547 && id.edx == 0x49656e69 &&
		   id.ecx == 0x6c65746e; /* "GenuineIntel" */
	c->max_basic = c->intel ? MAX_BASIC_INTEL : MAX_BASIC_AMD;
	c->max_extended = c->intel ? MAX_EXTENDED_INTEL : MAX_EXTENDED_AMD;
	if (leaf1_ecx(host, one.ecx) & L1C_XSAVE)
		c->xcr0_valid = XCR0_X87 | XCR0_SSE;
	if (host_has_avx(host, one.ecx))
		c->xcr0_valid |= XCR0_AVX;
	put_basic(c, host);
	put_extended(c, host);

	c->cr4_valid = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE |
		       CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT |
		       CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_SMEP |
		       CR4_SMAP;
	if (c->xcr0_valid)
		c->cr4_valid |= CR4_OSXSAVE;
	c->efer_valid = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	for (unsigned i = 0; i < c->count; i++)
		if (c->tab[i].leaf == 0x80000001 &&
		    (c->tab[i].r.edx & LXD_FXSR_OPT))
			c->efer_valid |= EFER_FFXSR;
	if (!c->intel)
		c->efer_valid |= EFER_AIBRSE;
}

static const struct x86_cpuid_entry *find(const struct x86_cpuid *c, u32 leaf,
					  u32 subleaf)
{
	for (unsigned i = 0; i < c->count; i++) {
		const struct x86_cpuid_entry *e = &c->tab[i];

		if (e->leaf == leaf &&
		    (!e->has_subleaf || e->subleaf == subleaf))
			return e;
	}
	return NULL;
}

/* Extended topology: one thread a core, all cores in one package.
 * SDM 2A "CPUID", "INPUT EAX = 0BH" */
static void read_topology(const struct x86_cpuid *c, u32 apic_id, u32 subleaf,
			  struct x86_cpuid_regs *r)
{
	r->ecx = subleaf & 0xff;
	r->edx = apic_id;
	if (subleaf == 0) {
		r->ebx = 1;
		r->ecx |= 1 << 8; /* threads of a core */
	} else if (subleaf == 1) {
		r->eax = id_bits(c->cpus);
		r->ebx = c->cpus;
		r->ecx |= 2 << 8; /* cores of the package */
	}
}

void x86_cpuid_read(const struct x86_cpuid *c, const struct x86_state *s,
		    u32 apic_id, u32 leaf, u32 subleaf,
		    struct x86_cpuid_regs *r)
{
	const struct x86_cpuid_entry *e;
	u32 range = leaf & 0xc0000000u;

	*r = (struct x86_cpuid_regs){ 0 };
	/* Above the last leaf Intel answers with the last basic one; the
	 * range of hypervisors is not silicon's and gives zeroes. */
	if (c->intel && range != HYPERVISOR_LEAF &&
	    (range == 0x80000000u ? leaf > c->max_extended
				  : leaf > c->max_basic))
		leaf = c->max_basic;
	e = find(c, leaf, subleaf);
	if (e)
		*r = e->r;

	switch (leaf) {
	case 1:
		r->ebx |= apic_id << 24;
		if (s->cr4 & CR4_OSXSAVE)
			r->ecx |= L1C_OSXSAVE;
		break;
	case 0xb:
		read_topology(c, apic_id, subleaf, r);
		break;
	case 0xd:
		if (e && subleaf < 2)
			r->ebx = xsave_bytes(s->xcr0);
		break;
	case HYPERVISOR_LEAF:
		/* "KVMKVMKVM" */
		*r = regs(HYPERVISOR_LEAF + 1, 0x4b4d564b, 0x564b4d56, 0x4d);
		break;
	case HYPERVISOR_LEAF + 1:
		r->eax = c->kvm_features;
		break;
	case 0x80000001:
		if (c->intel && !x86_is_64bit(s))
			r->edx &= ~LXD_SYSCALL;
		break;
	case 0x8000001e:
		if (c->intel)
			break;
		r->eax = apic_id;
		r->ebx = apic_id & 0xff; /* a core of its own */
		break;
	}
}
