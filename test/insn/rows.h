/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rows.h - the instruction set as the generator sees it: one row for one or
 * several opcodes of a kind. Written from the manuals' opcode maps (SDM 2
 * appendix A, APM 3 appendix A), and on purpose not from src/x86: a row that
 * is wrong wastes cases on #UD, but cannot agree with a wrong decoder.
 */
#ifndef ROWS_H
#define ROWS_H

#include "insn.h"

/* Features: leaf, register, bit, name. Order is that of the bits of a mask. */
#define FEATURES(X) \
	X(BASE, 1, 3, 0) X(SSE3, 1, 2, 0) X(PCLMUL, 1, 2, 1) \
	X(SSSE3, 1, 2, 9) X(FMA, 1, 2, 12) X(CX16, 1, 2, 13) \
	X(SSE41, 1, 2, 19) X(SSE42, 1, 2, 20) X(MOVBE, 1, 2, 22) \
	X(POPCNT, 1, 2, 23) X(AES, 1, 2, 25) X(XSAVE, 1, 2, 26) \
	X(AVX, 1, 2, 28) X(F16C, 1, 2, 29) X(BMI1, 7, 1, 3) \
	X(AVX2, 7, 1, 5) X(BMI2, 7, 1, 8) X(ADX, 7, 1, 19) \
	X(CLFLUSHOPT, 7, 1, 23) X(CLWB, 7, 1, 24) X(SHA, 7, 1, 29) \
	X(GFNI, 7, 2, 8) X(VAES, 7, 2, 9) X(VPCLMUL, 7, 2, 10) \
	X(FSGSBASE, 7, 1, 0) X(XSAVEOPT, 0xd, 0, 0) X(XSAVEC, 0xd, 0, 1) \
	X(LAHF, 0x80000001, 2, 0) X(LZCNT, 0x80000001, 2, 5) \
	X(RDRAND, 1, 2, 30) X(RDSEED, 7, 1, 18) X(RDPID, 7, 2, 22) \
	X(RDTSCP, 0x80000001, 3, 27)

enum feature {
#define X(name, leaf, reg, bit) FEAT_##name,
	FEATURES(X)
#undef X
	FEAT_COUNT
};

/* Mandatory prefixes that a row goes with: any one of the set. */
enum { NP = 1, P66 = 2, PF3 = 4, PF2 = 8, PALL = 15 };

/* Attributes. */
enum {
	M = 1 << 0, /* modrm */
	MEM = 1 << 1, /* ... a memory operand only */
	REG = 1 << 2, /* ... registers only */
	IB = 1 << 3,
	IW = 1 << 4,
	IZ = 1 << 5, /* 2 or 4 bytes by operand size */
	IV = 1 << 6, /* ... or 8 */
	OSZ = 1 << 7, /* 66 is the operand-size prefix */
	LOCK = 1 << 8, /* ... is legal with a memory operand */
	OREG = 1 << 9, /* opcode + register */
	ALIGN = 1 << 10, /* memory had better be aligned */
	VEX = 1 << 11, /* has a VEX form */
	NOLEG = 1 << 12, /* ... and no legacy one */
	L1 = 1 << 13, /* VEX.L may be 1 */
	L1ONLY = 1 << 14,
	NDS = 1 << 15, /* VEX.vvvv is an operand */
	VSCALAR = 1 << 16, /* NDS only with F3, F2 or registers */
	W1 = 1 << 17, /* VEX.W is mostly 1 */
	ONLY64 = 1 << 18,
	ONLY32 = 1 << 19,
	PLAIN = 1 << 20, /* fit for sequences: touches nothing unnamed but
			  * RAX, RDX and flags */
	MMXV = 1 << 21, /* the NP form is MMX: no VEX with it */
	FLAGS = 1 << 22, /* good for sequences that are about flags */
	REPX = 1 << 23, /* REP is given at random */
	NEST = 1 << 24, /* VEX with 66, F2, F3, but not NP */
	BAD = 1 << 25, /* faults on purpose: rarely taken */
};

/* What has to be prepared besides what modrm names. */
enum setup {
	SU_NONE, SU_STACK, SU_RET, SU_POPF, SU_STRING, SU_DIV, SU_BT, SU_CMPX,
	SU_CX8, SU_XLAT, SU_MASKMOV, SU_FRAME, SU_REL8, SU_RELZ, SU_LOOP,
	SU_JMPIND, SU_FXRSTOR, SU_XSAVE, SU_XRSTOR, SU_LDMXCSR, SU_SREG,
	SU_POPSREG, SU_FARPTR, SU_SELECTOR, SU_VSIB, SU_MOFFS, SU_INT,
	SU_FSGS, SU_POPA, SU_FLDENV, SU_BOUND, SU_RETF, SU_IRET, SU_FARIMM,
	SU_FARMEM,
	SU_VARYING, /* its results are overwritten: they differ */
};

struct row {
	const char *name;
	u8 map; /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
	u8 pp; /* set of mandatory prefixes */
	u8 first, last;
	u8 ext; /* set of modrm.reg values, 0: all */
	u32 attr;
	u8 setup;
	u8 feat; /* of the legacy form */
	u8 vfeat, v256feat; /* of VEX forms; 0: AVX */
};

extern const struct row rows_int[], rows_vec[];
extern const unsigned rows_int_count, rows_vec_count;

#endif
