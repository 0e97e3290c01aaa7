/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msr.c - the model-specific registers that are plain state of the core, and
 * the few that system software on either vendor's processors reads without
 * asking CPUID first.
 *
 * What no table or case here names is X86_MSR_UNKNOWN: a device's, or #GP.
 * The caller has checked the CPL.
 *
 * SDM 4 chapter 2 "Model-Specific Registers (MSRs)"; APM 2 appendix A "MSR
 * Cross-Reference"; SDM 3A 11.11 "Memory Type Range Registers (MTRRs)"
 */
#include "x86/cpuid.h"
#include "x86/paging.h"
#include "x86/system.h"

#define MTRR_VARIABLE 8
/* VCNT, FIX, WC */
#define MTRRCAP (MTRR_VARIABLE | BIT64(8) | BIT64(10))
#define MTRR_DEF_VALID 0xcffull
#define MTRR_MASK_VALID BIT64(11)

#define MSR_PLATFORM_ID 0x17u
#define MSR_EBL_CR_POWERON 0x2au
#define MSR_BIOS_UPDT_TRIG 0x79u
#define MSR_DEBUGCTL 0x1d9u
#define MSR_AMD_TOP_MEM 0xc001001au
#define MSR_AMD_TOP_MEM2 0xc001001du
#define MSR_AMD_NB_CFG 0xc001001fu
#define MSR_AMD_PATCH_LOADER 0xc0010020u
#define MSR_AMD_MMIO_CONF_BASE 0xc0010058u
#define MSR_AMD_DC_CFG 0xc0011022u
#define MSR_AMD_DE_CFG 0xc0011029u
#define MSR_AMD_BU_CFG2 0xc001102au

/*
 * IA32_ARCH_CAPABILITIES: RDCL_NO. Guest page tables are data to us, never
 * the processor's own tables, so no supervisor page of the guest lies under
 * Meltdown's or L1TF's nose, whatever the host.
 */
#define ARCH_CAPABILITIES BIT64(0)
/* IA32_FEATURE_CONTROL: locked, VMX off. */
#define FEATURE_CONTROL BIT64(0)
/* HWCR.TscFreqSel: the TSC counts at the rate of P-state 0. */
#define HWCR BIT64(24)
/* DE_CFG: LFENCE is serializing. */
#define DE_CFG BIT64(1)
#define PATCH_LEVEL_AMD 0x01000065u
#define PATCH_LEVEL_INTEL 0x100000000ull

#define DEBUGCTL_IGNORED 3ull /* LBR, BTF: accepted, without effect */

/* --- MTRRs: kept, with no effect on anything --- */

static bool is_mtrr_type(u64 type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool are_mtrr_types(u64 v)
{
	for (; v; v >>= 8)
		if (!is_mtrr_type(v & 0xff))
			return false;
	return true;
}

/* PAT has UC- (7) besides. SDM 3A 11.12.2 "IA32_PAT MSR" */
static bool are_pat_types(u64 v)
{
	for (; v; v >>= 8)
		if (!is_mtrr_type(v & 0xff) && (v & 0xff) != 7)
			return false;
	return true;
}

/* The place of a fixed-range MTRR, -1 if @msr is none. */
static int fixed_mtrr(u32 msr)
{
	if (msr == MSR_IA32_MTRR_FIX64K_00000)
		return 0;
	if (msr == 0x258 || msr == 0x259)
		return (int)(msr - 0x258 + 1);
	if (msr >= 0x268 && msr <= 0x26f)
		return (int)(msr - 0x268 + 3);
	return -1;
}

static bool is_variable_mtrr(u32 msr)
{
	return msr >= MSR_IA32_MTRR_PHYSBASE0 &&
	       msr < MSR_IA32_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE;
}

static int read_mtrr(const struct x86_state *s, u32 msr, u64 *v)
{
	int fixed = fixed_mtrr(msr);

	if (msr == MSR_IA32_MTRRCAP)
		*v = MTRRCAP;
	else if (msr == MSR_IA32_MTRR_DEF_TYPE)
		*v = s->mtrr_def_type;
	else if (fixed >= 0)
		*v = s->mtrr_fixed[fixed];
	else if (is_variable_mtrr(msr))
		*v = s->mtrr_phys[msr - MSR_IA32_MTRR_PHYSBASE0];
	else
		return X86_MSR_UNKNOWN;
	return 0;
}

static int write_variable_mtrr(struct x86_state *s, u32 index, u64 v,
			       struct x86_fault *f)
{
	u64 valid = X86_PHYS_MASK & PAGE_MASK;

	if (index & 1)
		valid |= MTRR_MASK_VALID;
	else if (!is_mtrr_type(v & 0xff))
		return x86_gp(f);
	else
		valid |= 0xff;
	if (v & ~valid)
		return x86_gp(f);
	s->mtrr_phys[index] = v;
	return 0;
}

static int write_mtrr(struct x86_state *s, u32 msr, u64 v, struct x86_fault *f)
{
	int fixed = fixed_mtrr(msr);

	if (is_variable_mtrr(msr))
		return write_variable_mtrr(s, msr - MSR_IA32_MTRR_PHYSBASE0, v,
					   f);
	if (msr == MSR_IA32_MTRRCAP)
		return x86_gp(f);
	if (msr == MSR_IA32_MTRR_DEF_TYPE) {
		if ((v & ~MTRR_DEF_VALID) || !is_mtrr_type(v & 0xff))
			return x86_gp(f);
		s->mtrr_def_type = v;
	} else if (fixed >= 0) {
		if (!are_mtrr_types(v))
			return x86_gp(f);
		s->mtrr_fixed[fixed] = v;
	} else {
		return X86_MSR_UNKNOWN;
	}
	return 0;
}

/* --- what only one vendor has --- */

static int read_intel(const struct x86_state *s, u32 msr, u64 *v)
{
	switch (msr) {
	case MSR_IA32_MISC_ENABLE:
		*v = s->misc_enable;
		return 0;
	case MSR_IA32_FEATURE_CONTROL:
		*v = FEATURE_CONTROL;
		return 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*v = ARCH_CAPABILITIES;
		return 0;
	case MSR_IA32_BIOS_SIGN_ID:
		*v = PATCH_LEVEL_INTEL;
		return 0;
	case MSR_PLATFORM_ID:
	case MSR_EBL_CR_POWERON:
		*v = 0;
		return 0;
	}
	return X86_MSR_UNKNOWN;
}

static int write_intel(struct x86_state *s, u32 msr, u64 v, struct x86_fault *f)
{
	switch (msr) {
	case MSR_IA32_MISC_ENABLE:
		/* Bits 11 and 12 (no BTS, no PEBS) are read-only. */
		s->misc_enable = v | 0x1800;
		return 0;
	case MSR_IA32_FEATURE_CONTROL: /* locked */
	case MSR_IA32_ARCH_CAPABILITIES:
	case MSR_PLATFORM_ID:
		return x86_gp(f);
	case MSR_IA32_BIOS_SIGN_ID: /* 0 is written before CPUID reads it */
	case MSR_BIOS_UPDT_TRIG:
	case MSR_EBL_CR_POWERON:
		return 0;
	}
	return X86_MSR_UNKNOWN;
}

/*
 * Chip configuration that Linux on AMD touches with a bare RDMSR. Writes are
 * let pass: they choose among workarounds that mean nothing here.
 */
static int read_amd(u32 msr, u64 *v)
{
	switch (msr) {
	case MSR_AMD_HWCR:
		*v = HWCR;
		return 0;
	case MSR_AMD_DE_CFG:
		*v = DE_CFG;
		return 0;
	case MSR_IA32_BIOS_SIGN_ID:
		*v = PATCH_LEVEL_AMD;
		return 0;
	case MSR_AMD_SYSCFG:
	case MSR_AMD_TOP_MEM:
	case MSR_AMD_TOP_MEM2:
	case MSR_AMD_NB_CFG:
	case MSR_AMD_MMIO_CONF_BASE:
	case MSR_AMD_DC_CFG:
	case MSR_AMD_BU_CFG2:
		*v = 0;
		return 0;
	}
	return X86_MSR_UNKNOWN;
}

static int write_amd(u32 msr)
{
	u64 ignored;

	if (msr == MSR_AMD_PATCH_LOADER)
		return 0;
	return read_amd(msr, &ignored);
}

/* --- the rest --- */

int x86_msr_read(const struct x86_state *s, const struct x86_cpuid *c,
		 u64 host_tsc, u32 msr, u64 *v, struct x86_fault *f)
{
	switch (msr) {
	case MSR_IA32_TSC:
		*v = host_tsc + s->tsc_offset;
		return 0;
	case MSR_IA32_TSC_ADJUST:
		*v = s->tsc_adjust;
		return 0;
	case MSR_IA32_SYSENTER_CS:
		*v = s->sysenter_cs;
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		*v = s->sysenter_esp;
		return 0;
	case MSR_IA32_SYSENTER_EIP:
		*v = s->sysenter_eip;
		return 0;
	case MSR_IA32_PAT:
		*v = s->pat;
		return 0;
	case MSR_IA32_MCG_CAP: /* no banks, no MCG_CTL */
	case MSR_DEBUGCTL:
		*v = 0;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*v = s->mcg_status;
		return 0;
	case MSR_EFER:
		*v = s->efer;
		return 0;
	case MSR_STAR:
		*v = s->star;
		return 0;
	case MSR_LSTAR:
		*v = s->lstar;
		return 0;
	case MSR_CSTAR:
		*v = s->cstar;
		return 0;
	case MSR_SFMASK:
		*v = s->sfmask;
		return 0;
	case MSR_FS_BASE:
		*v = s->seg[X86_FS].base;
		return 0;
	case MSR_GS_BASE:
		*v = s->seg[X86_GS].base;
		return 0;
	case MSR_KERNEL_GS_BASE:
		*v = s->kernel_gs_base;
		return 0;
	case MSR_TSC_AUX:
		*v = s->tsc_aux;
		return 0;
	}
	if (read_mtrr(s, msr, v) == 0)
		return 0;
	return c->intel ? read_intel(s, msr, v) : read_amd(msr, v);
}

static int write_efer(struct x86_state *s, const struct x86_cpuid *c, u64 v,
		      unsigned *change, struct x86_fault *f)
{
	u64 diff;

	/* LMA follows paging; what is written to it does not count. */
	v = (v & ~EFER_LMA) | (s->efer & EFER_LMA);
	diff = v ^ s->efer;
	if (v & ~c->efer_valid)
		return x86_gp(f);
	if ((diff & EFER_LME) && (s->cr0 & CR0_PG))
		return x86_gp(f);
	s->efer = v;
	if (diff & EFER_NXE)
		*change |= X86_CHANGE_TLB_ALL;
	if (diff)
		*change |= X86_CHANGE_MODE;
	return 0;
}

static int write_canonical(u64 *reg, u64 v, struct x86_fault *f)
{
	if (!x86_is_canonical(v))
		return x86_gp(f);
	*reg = v;
	return 0;
}

int x86_msr_write(struct x86_state *s, const struct x86_cpuid *c, u64 host_tsc,
		  u32 msr, u64 v, unsigned *change, struct x86_fault *f)
{
	u64 delta;
	int r;

	*change = 0;
	switch (msr) {
	case MSR_IA32_TSC:
		/* SDM 3B 17.17.3 "Time-Stamp Counter Adjustment" */
		delta = v - (host_tsc + s->tsc_offset);
		s->tsc_offset += delta;
		s->tsc_adjust += delta;
		*change |= X86_CHANGE_TSC;
		return 0;
	case MSR_IA32_TSC_ADJUST:
		s->tsc_offset += v - s->tsc_adjust;
		s->tsc_adjust = v;
		*change |= X86_CHANGE_TSC;
		return 0;
	case MSR_IA32_SYSENTER_CS:
		s->sysenter_cs = (u32)v;
		return 0;
	case MSR_IA32_SYSENTER_ESP:
		return write_canonical(&s->sysenter_esp, v, f);
	case MSR_IA32_SYSENTER_EIP:
		return write_canonical(&s->sysenter_eip, v, f);
	case MSR_IA32_PAT:
		if (!are_pat_types(v))
			return x86_gp(f);
		s->pat = v;
		return 0;
	case MSR_IA32_MCG_CAP:
		return x86_gp(f);
	case MSR_IA32_MCG_STATUS:
		if (v & ~7ull)
			return x86_gp(f);
		s->mcg_status = v;
		return 0;
	case MSR_DEBUGCTL:
		return v & ~DEBUGCTL_IGNORED ? x86_gp(f) : 0;
	case MSR_EFER:
		return write_efer(s, c, v, change, f);
	case MSR_STAR:
		s->star = v;
		return 0;
	case MSR_LSTAR:
		return write_canonical(&s->lstar, v, f);
	case MSR_CSTAR:
		return write_canonical(&s->cstar, v, f);
	case MSR_SFMASK:
		s->sfmask = (u32)v;
		return 0;
	case MSR_FS_BASE:
		return write_canonical(&s->seg[X86_FS].base, v, f);
	case MSR_GS_BASE:
		return write_canonical(&s->seg[X86_GS].base, v, f);
	case MSR_KERNEL_GS_BASE:
		return write_canonical(&s->kernel_gs_base, v, f);
	case MSR_TSC_AUX:
		if (c->intel && v >> 32)
			return x86_gp(f);
		s->tsc_aux = (u32)v;
		return 0;
	}
	r = write_mtrr(s, msr, v, f);
	if (r != X86_MSR_UNKNOWN)
		return r;
	return c->intel ? write_intel(s, msr, v, f) : write_amd(msr);
}
