/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - the architectural state of one processor: the only form of CPU
 * state that crosses a floor or a wire.
 */
#ifndef DOPPEL_X86_STATE_H
#define DOPPEL_X86_STATE_H

#include "base/base.h"
#include "x86/regs.h"

struct x86_seg {
	u64 base;
	u32 limit; /* in bytes, inclusive, granularity already applied */
	u32 attr; /* SEG_* of regs.h */
	u16 sel;
};

struct x86_dtab {
	u64 base;
	u16 limit;
};

enum x86_activity {
	X86_RUNNING,
	X86_HALTED, /* by HLT, until an interrupt */
	X86_WAIT_SIPI, /* an application processor after INIT */
	X86_SHUTDOWN, /* triple fault */
};

/* What delays the next interrupt by one instruction. */
#define X86_SHADOW_STI BIT(0)
#define X86_SHADOW_MOV_SS BIT(1)

/* Room for the standard (non-compacted) XSAVE image of x87, SSE and AVX. */
#define X86_XSAVE_BYTES 832
#define X86_XSAVE_MASK (XCR0_X87 | XCR0_SSE | XCR0_AVX)

struct x86_state {
	u64 gpr[16]; /* enum x86_gpr */
	u64 rip;
	u64 rflags;

	struct x86_seg seg[6]; /* enum x86_sreg */
	struct x86_seg ldtr, tr;
	struct x86_dtab gdtr, idtr;

	u64 cr0, cr2, cr3, cr4, cr8;
	u64 xcr0;
	u64 dr[4], dr6, dr7;

	u64 efer, star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u64 pat, tsc_aux, tsc_adjust, misc_enable, spec_ctrl;
	u64 mtrr_def_type, mtrr_fixed[11], mtrr_phys[16];
	u64 mcg_status;
	/* Guest TSC = host TSC + tsc_offset. */
	u64 tsc_offset;

	u8 activity; /* enum x86_activity */
	u8 intr_shadow; /* X86_SHADOW_* */
	u8 nmi_pending, nmi_masked;

	/*
	 * Where the vendors' processors differ in what they do (SYSCALL and
	 * SYSENTER above all), behave as Intel's; else as AMD's. Copied from
	 * struct x86_cpuid by whoever makes the processor; survives resets.
	 */
	bool intel;

	u8 xsave[X86_XSAVE_BYTES] __attribute__((aligned(64)));
};

/* A guest's architectural exception, as a value. */
struct x86_fault {
	u8 vector; /* enum x86_vector */
	bool has_error;
	/* For x86_deliver of INT n, INT3, INTO, INT1: the instruction's
	 * length. If the delivery itself faults, that fault's frame points at
	 * the instruction and not behind it. Else 0. */
	u8 insn_len;
	u32 error;
	u64 cr2; /* for X86_PF */
};

static inline int x86_fault_set(struct x86_fault *f, u8 vector)
{
	*f = (struct x86_fault){ .vector = vector };
	return -1;
}

/* For vectors that push an error code (#TS, #NP, #SS, #GP, #AC, #DF). */
static inline int x86_fault_error(struct x86_fault *f, u8 vector, u32 error)
{
	*f = (struct x86_fault){ .vector = vector,
				 .has_error = true,
				 .error = error };
	return -1;
}

/* #GP(0), the commonest. */
static inline int x86_gp(struct x86_fault *f)
{
	return x86_fault_error(f, X86_GP, 0);
}

static inline unsigned x86_cpl(const struct x86_state *s)
{
	/* The DPL of SS is the CPL. SDM 3A 5.5 "Privilege Levels" */
	return (s->seg[X86_SS].attr & SEG_DPL) >> SEG_DPL_SHIFT;
}

static inline bool x86_is_long_mode(const struct x86_state *s)
{
	return s->efer & EFER_LMA;
}

/* 64-bit mode proper, not compatibility mode. */
static inline bool x86_is_64bit(const struct x86_state *s)
{
	return (s->efer & EFER_LMA) && (s->seg[X86_CS].attr & SEG_L);
}

static inline bool x86_is_real(const struct x86_state *s)
{
	return !(s->cr0 & CR0_PE);
}

static inline bool x86_is_vm86(const struct x86_state *s)
{
	return s->rflags & FLAG_VM;
}

static inline bool x86_is_canonical(u64 va)
{
	return (u64)((s64)(va << 16) >> 16) == va;
}

/*
 * State after power-up (@init false) or INIT (@init true: caches, x87/SSE
 * state, TSC and most MSRs survive). SDM 3A 9.1.1 "Processor State After
 * Reset". @bsp: the bootstrap processor runs, others wait for SIPI.
 */
void x86_state_reset(struct x86_state *s, bool init, bool bsp);

#endif
