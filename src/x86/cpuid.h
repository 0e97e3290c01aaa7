/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuid.h - the processor that a guest is shown: what the host has and
 * Doppel can carry out, as CPUID leaves, and the MSRs that go with them.
 */
#ifndef DOPPEL_X86_CPUID_H
#define DOPPEL_X86_CPUID_H

#include "base/base.h"
#include "base/cpuid_regs.h"
#include "x86/state.h"

/* Reads a leaf of the host; supplied by the host floor (or a test). */
typedef void (*x86_cpuid_fn)(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r);

#define X86_CPUID_LEAVES 64

struct x86_cpuid_entry {
	u32 leaf, subleaf;
	bool has_subleaf;
	struct x86_cpuid_regs r;
};

/* The model, the same for all processors of a VM but for the APIC id. */
struct x86_cpuid {
	unsigned count;
	struct x86_cpuid_entry tab[X86_CPUID_LEAVES];
	u32 max_basic, max_extended;
	unsigned cpus; /* in one package */
	u64 tsc_hz;
	/* Bits that CR4, XCR0 and EFER accept; derived from the leaves. */
	u64 cr4_valid, xcr0_valid, efer_valid;
	unsigned phys_bits; /* MAXPHYADDR shown: X86_PHYS_BITS */
	bool intel; /* the vendor shown; for struct x86_state's .intel */
	/* EAX of leaf 0x40000001 (KVM's features): set by the board at any
	 * time before the guest runs. */
	u32 kvm_features;
};

/* Builds the model from the host's leaves. @cpus 1 to 255; @tsc_hz > 0. */
void x86_cpuid_init(struct x86_cpuid *c, x86_cpuid_fn host, unsigned cpus,
		    u64 tsc_hz);

/*
 * Executes CPUID for processor @apic_id with @leaf in EAX and @subleaf in
 * ECX: dynamic bits (OSXSAVE, APIC enable, XCR0 sizes) follow @s.
 */
void x86_cpuid_read(const struct x86_cpuid *c, const struct x86_state *s,
		    u32 apic_id, u32 leaf, u32 subleaf,
		    struct x86_cpuid_regs *r);

/*
 * MSRs that are plain state of the core (EFER, STAR.., PAT, MTRR, MISC..).
 * Not here: APIC, TSC deadline, KVM's (their devices register them).
 * @host_tsc: the host's counter now. Return 0, or -1 with #GP in *@f.
 * X86_MSR_UNKNOWN: not ours, ask elsewhere.
 */
#define X86_MSR_UNKNOWN 1
int x86_msr_read(const struct x86_state *s, const struct x86_cpuid *c,
		 u64 host_tsc, u32 msr, u64 *v, struct x86_fault *f);
/* *@change: X86_CHANGE_* of system.h. */
int x86_msr_write(struct x86_state *s, const struct x86_cpuid *c,
		  u64 host_tsc, u32 msr, u64 v, unsigned *change,
		  struct x86_fault *f);

#endif
