/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor as C sees it: ports, control registers, MSRs, CPUID, and the
 * names of bits. SDM 3A 2.5 "Control Registers", APM 2 3.1.
 */
#ifndef CPU_H
#define CPU_H

#include "guest.h"

enum {
	CR0_PE = 1 << 0,
	CR0_MP = 1 << 1,
	CR0_EM = 1 << 2,
	CR0_TS = 1 << 3,
	CR0_NE = 1 << 5,
	CR0_WP = 1 << 16,
	CR0_AM = 1 << 18,
	CR0_NW = 1 << 29,
	CR0_CD = 1 << 30,
};
#define CR0_PG (1u << 31)

enum {
	CR4_VME = 1 << 0,
	CR4_PVI = 1 << 1,
	CR4_TSD = 1 << 2,
	CR4_DE = 1 << 3,
	CR4_PSE = 1 << 4,
	CR4_PAE = 1 << 5,
	CR4_MCE = 1 << 6,
	CR4_PGE = 1 << 7,
	CR4_PCE = 1 << 8,
	CR4_OSFXSR = 1 << 9,
	CR4_OSXMMEXCPT = 1 << 10,
	CR4_UMIP = 1 << 11,
	CR4_LA57 = 1 << 12,
	CR4_FSGSBASE = 1 << 16,
	CR4_PCIDE = 1 << 17,
	CR4_OSXSAVE = 1 << 18,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
};

enum {
	FL_CF = 1 << 0,
	FL_ONE = 1 << 1,
	FL_PF = 1 << 2,
	FL_AF = 1 << 4,
	FL_ZF = 1 << 6,
	FL_SF = 1 << 7,
	FL_TF = 1 << 8,
	FL_IF = 1 << 9,
	FL_DF = 1 << 10,
	FL_OF = 1 << 11,
	FL_IOPL = 3 << 12,
	FL_NT = 1 << 14,
	FL_RF = 1 << 16,
	FL_VM = 1 << 17,
	FL_AC = 1 << 18,
	FL_ID = 1 << 21,
	FL_STATUS = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF,
};

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

enum {
	MSR_TSC = 0x10,
	MSR_APIC_BASE = 0x1b,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_PAT = 0x277,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC = 0x800,
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_FMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u

enum {
	V_DE = 0, V_DB = 1, V_NMI = 2, V_BP = 3, V_OF = 4, V_BR = 5, V_UD = 6,
	V_NM = 7, V_DF = 8, V_TS = 10, V_NP = 11, V_SS = 12, V_GP = 13,
	V_PF = 14, V_MF = 16, V_AC = 17, V_MC = 18, V_XM = 19,
};

/* Error code of a page fault: SDM 3A 4.7 "Page-Fault Exceptions". */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16, PF_PK = 32 };

static inline void outb(u16 port, u8 v)
{
	asm volatile("outb %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outw(u16 port, u16 v)
{
	asm volatile("outw %0, %1" :: "a"(v), "Nd"(port));
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("outl %0, %1" :: "a"(v), "Nd"(port));
}

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u16 inw(u16 port)
{
	u16 v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

#define CR_ACCESSORS(cr)                                                       \
	static inline ulong read_##cr(void)                                    \
	{                                                                      \
		ulong v;                                                       \
		asm volatile("mov %%" #cr ", %0" : "=r"(v) :: "memory");       \
		return v;                                                      \
	}                                                                      \
	static inline void write_##cr(ulong v)                                 \
	{                                                                      \
		asm volatile("mov %0, %%" #cr :: "r"(v) : "memory");           \
	}

CR_ACCESSORS(cr0)
CR_ACCESSORS(cr2)
CR_ACCESSORS(cr3)
CR_ACCESSORS(cr4)
CR_ACCESSORS(dr0)
CR_ACCESSORS(dr1)
CR_ACCESSORS(dr2)
CR_ACCESSORS(dr3)
CR_ACCESSORS(dr6)
CR_ACCESSORS(dr7)

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
		     : "memory");
}

static inline u64 xgetbv(u32 n)
{
	u32 lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(n));
	return (u64)hi << 32 | lo;
}

static inline void xsetbv(u32 n, u64 v)
{
	asm volatile("xsetbv" :: "c"(n), "a"((u32)v), "d"((u32)(v >> 32)));
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (u64)hi << 32 | lo;
}

static inline void invlpg(ulong va)
{
	asm volatile("invlpg (%0)" :: "r"(va) : "memory");
}

static inline ulong read_flags(void)
{
	ulong v;

	asm volatile("pushf; pop %0" : "=r"(v));
	return v;
}

static inline void cli(void) { asm volatile("cli" ::: "memory"); }
static inline void sti(void) { asm volatile("sti" ::: "memory"); }

/* Ends the shadow of STI, so that a pending interrupt has arrived on return. */
static inline void sti_nop(void) { asm volatile("sti; nop" ::: "memory"); }
static inline void pause(void) { asm volatile("pause" ::: "memory"); }

/* Every iteration is one instruction of a chained two-instruction loop. */
static inline void spin(ulong n)
{
	asm volatile("1: dec %0; jnz 1b" : "+r"(n));
}

struct cpuid { u32 a, b, c, d; };

static inline struct cpuid cpuid_sub(u32 leaf, u32 sub)
{
	struct cpuid r;

	asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
		     : "a"(leaf), "c"(sub));
	return r;
}

static inline struct cpuid cpuid(u32 leaf) { return cpuid_sub(leaf, 0); }

/*
 * A feature: leaf, register (0 to 3 for EAX to EDX), bit. has() knows about
 * leaves beyond the last one.
 */
#define FEATURE(leaf, reg, bit) ((u64)(leaf) << 8 | (reg) << 5 | (bit))
#define F_APIC FEATURE(1, 3, 9)
#define F_SEP FEATURE(1, 3, 11)
#define F_PGE FEATURE(1, 3, 13)
#define F_PSE36 FEATURE(1, 3, 17)
#define F_SSE FEATURE(1, 3, 25)
#define F_PCID FEATURE(1, 2, 17)
#define F_X2APIC FEATURE(1, 2, 21)
#define F_TSC_DEADLINE FEATURE(1, 2, 24)
#define F_XSAVE FEATURE(1, 2, 26)
#define F_OSXSAVE FEATURE(1, 2, 27)
#define F_AVX FEATURE(1, 2, 28)
#define F_CX16 FEATURE(1, 2, 13)
#define F_FSGSBASE FEATURE(7, 1, 0)
#define F_SMEP FEATURE(7, 1, 7)
#define F_ERMS FEATURE(7, 1, 9)
#define F_INVPCID FEATURE(7, 1, 10)
#define F_SMAP FEATURE(7, 1, 20)
#define F_UMIP FEATURE(7, 2, 2)
#define F_RDPID FEATURE(7, 2, 22)
#define F_SYSCALL FEATURE(0x80000001, 3, 11)
#define F_NX FEATURE(0x80000001, 3, 20)
#define F_PDPE1GB FEATURE(0x80000001, 3, 26)
#define F_RDTSCP FEATURE(0x80000001, 3, 27)
#define F_LM FEATURE(0x80000001, 3, 29)

bool has(u64 feature);
bool vendor_is_intel(void);
unsigned phys_bits(void);

#endif
