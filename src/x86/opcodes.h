/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes.h - the decoder's attribute tables, private to src/x86.
 *
 * One struct x86_op says everything about one opcode that does not depend on
 * the bytes around it. decode.c finds it by map, opcode and mandatory prefix,
 * then follows ->link through groups until an entry has none. An entry that is
 * all zero is an undefined opcode. The words below make the tables readable:
 *
 *	[0x89] = OP(COPY, RM(GPR, W), REG(GPR, R), SZ(V, V)),
 *
 * is MOV Ev, Gv: copy it, modrm.rm written, modrm.reg read, operand and
 * memory size by prefixes. SDM 2 appendix A "Opcode Map"; APM 3 appendix A.
 */
#ifndef DOPPEL_X86_OPCODES_H
#define DOPPEL_X86_OPCODES_H

#include "x86/insn.h"

/* How the effective operand size follows from mode and prefixes. */
enum opsize_rule {
	OZ_V, /* 2, 4 or 8 */
	OZ_0, /* no general register is concerned: 0 */
	OZ_B, /* 1 */
	OZ_W, /* 2 */
	OZ_D, /* 4 */
	OZ_S, /* stack: 8 or 2 in 64-bit mode */
	OZ_N, /* near branch, LGDT: 8 in 64-bit mode */
	OZ_P, /* the mode's full width: 8 or 4 */
	OZ_Y, /* 4, or 8 by REX.W; 66 has no say */
	OZ_Z, /* 2 or 4 */
};

/* Memory operand size: a number of bytes below 0x80, or a rule. */
enum mem_rule {
	M_0 = 0, M_1 = 1, M_2 = 2, M_4 = 4, M_8 = 8, M_10 = 10, M_16 = 16,
	M_V = 0x80, /* the operand size */
	M_2V, /* twice that: BOUND, CMPXCHG8B */
	M_PTR, /* far pointer: operand size + 2 */
	M_DESC, /* pseudo-descriptor: 6 or 10 */
	M_X, /* the vector length, 16 or 32 */
	M_X2, M_X4, M_X8, /* a half, a quarter, an eighth of it */
	M_DUP, /* VMOVDDUP: 8 or 32 */
	M_SW, /* scalar by VEX.W: 4 or 8 */
	M_ENV, M_SAVE, /* x87 environment 14/28, state 94/108 */
	M_512,
};

enum imm_rule {
	I_0,
	I_B, /* imm8, sign-extended */
	I_UB, /* imm8, unsigned */
	I_UW, /* imm16, unsigned */
	I_Z, /* 2 or 4 bytes, sign-extended */
	I_V, /* 2, 4 or 8 bytes */
	I_FAR, /* offset of 2 or 4 bytes, selector */
	I_ENTER, /* imm16, imm8 */
	I_MOFFS, /* an absolute address */
};

/* Rows of x86_flags_tab. */
enum flags_rule {
	FL_NONE,
	/* conditions, in the order of opcode bits 3 to 1 */
	FL_CC_O, FL_CC_B, FL_CC_Z, FL_CC_BE, FL_CC_S, FL_CC_P, FL_CC_L,
	FL_CC_LE,
	FL_ALU, FL_ADC, FL_LOGIC, FL_INC, FL_SHIFT, FL_ROT, FL_RCX, FL_MUL,
	FL_UNDEF, FL_BT, FL_BSF, FL_ZF, FL_CF, FL_CMC, FL_SAHF, FL_LAHF,
	FL_LZCNT, FL_BLS, FL_BEXTR, FL_ADOX, FL_DAA, FL_AAA, FL_AAM,
	FL_RD_CF, FL_RD_OF, FL_RD_ALL, FL_WR_ALL, FL_FCOMI, FL_SYSCALL,
	FL_COUNT,
};

/* Rows of x86_impl_tab: general registers not named by any field. */
enum impl_rule {
	IM_NONE,
	IM_R_A, IM_W_A, IM_A, /* rAX read, written, both */
	IM_R_C, IM_C, IM_W_C, IM_R_D, IM_W_D,
	IM_A_WD, /* MUL: rAX both, rDX written */
	IM_A_D, /* DIV */
	IM_RA_WD, /* CWD */
	IM_SP, IM_SP_BP, IM_LEAVE, IM_PUSHA, IM_POPA,
	IM_MOVS, IM_CMPS, IM_STOS, IM_LODS, IM_SCAS, IM_INS, IM_OUTS,
	IM_XLAT, IM_IN_DX, IM_OUT_DX,
	IM_CPUID, IM_RDTSC, IM_RDTSCP, IM_RDMSR, IM_WRMSR, IM_XSAVE,
	IM_CMPXCHG8B, IM_SYSCALL, IM_SYSRET, IM_SYSEXIT, IM_PCMPESTRI,
	IM_R_A_D, IM_DI, IM_VMCALL,
	IM_COUNT,
};

/* What cannot be said by tables: a step of its own at the end (fix_up). */
enum fix_rule {
	FX_NONE,
	FX_OPCODE_SREG, /* segment register in opcode bits 5 to 3 */
	FX_SREG, /* modrm.reg is ES to GS */
	FX_LOAD_SREG, /* ... and not CS */
	FX_CR,
	FX_DR,
	FX_SHIFT_IMM, FX_SHIFT_CL,
	FX_SHLD_IMM,
	FX_STRING, /* REP makes it count in rCX, flags may stay */
	FX_NOP, /* 90: NOP, PAUSE, or XCHG R8 */
	FX_GATHER,
	FX_CMPXCHG16B, /* aligned, unlike CMPXCHG8B */
	FX_W_64, /* VEX.W = 1 in 64-bit mode only */
};

/* ->rules: when an encoding is undefined. */
#define RULE_NO64 BIT(0) /* in 64-bit mode */
#define RULE_ONLY64 BIT(1) /* outside */
#define RULE_L0 BIT(2) /* with VEX.L 1 */
#define RULE_L1 BIT(3)
#define RULE_W0 BIT(4) /* with VEX.W 1 */
#define RULE_W1 BIT(5)

/* ->rm: kind | access << 4 | these. Kind RK_NONE alone: memory only. */
#define RM_HERE 0x80 /* there is a modrm byte */
#define RM_REG_ONLY 0x40 /* a memory form is undefined */

struct x86_op {
	u8 cls; /* enum x86_class */
	u8 reg, rm, vvvv; /* kind | access << 4; 0: no such operand */
	u8 opsize; /* enum opsize_rule */
	u8 mem; /* bytes, or enum mem_rule */
	u8 imm; /* enum imm_rule */
	u8 flags; /* enum flags_rule */
	u8 impl; /* enum impl_rule */
	u8 fix; /* enum fix_rule */
	u8 rules; /* RULE_* */
	u8 link; /* enum x86_group: look there instead */
	u32 attr; /* IA_*, as they go to struct x86_insn */
};

struct x86_flags {
	u16 read, written, maybe;
};

struct x86_impl {
	u16 read, write;
};

/* What chooses an entry of a group. */
enum x86_select {
	SEL_REG, /* modrm.reg */
	SEL_MOD, /* 0: memory, 1: mod is 3 */
	SEL_RM, /* modrm.rm */
	SEL_64, /* 1 in 64-bit mode */
};

enum x86_group {
	G_NONE,
	G_63, G_80, G_81, G_83, G_8F, G_C0, G_C1, G_C6, G_C7, G_D0, G_D1,
	G_D2, G_D3, G_F6, G_F7, G_FE, G_FF,
	G_D8, G_D9, G_DA, G_DB, G_DC, G_DD, G_DE, G_DF,
	G_D8_M, G_D9_M, G_DA_M, G_DB_M, G_DC_M, G_DD_M, G_DE_M, G_DF_M,
	G_D8_R, G_D9_R, G_DA_R, G_DB_R, G_DC_R, G_DD_R, G_DE_R, G_DF_R,
	G_D9_2, G_D9_4, G_D9_5, G_DA_5, G_DB_4, G_DE_3, G_DF_4,
	G_0F00, G_0F01, G_0F01_PFX, G_0F01_M, G_0F01_R, G_0F01_PFX_R,
	G_0F01_0, G_0F01_1, G_0F01_2, G_0F01_3, G_0F01_5, G_0F01_7, G_0F0D, G_0F18,
	G_MOVSS_LD, G_MOVSD_LD, G_MOVSS_ST, G_MOVSD_ST, G_MOVLPS, G_MOVHPS,
	G_0F71, G_0F71_66, G_0F72, G_0F72_66, G_0F73, G_0F73_66,
	G_BT, G_BTS, G_BTR, G_BTC, G_0FBA,
	G_0FAE, G_0FAE_M, G_0FAE_R, G_0FAE_66, G_0FAE_66_M, G_0FAE_F3,
	G_0FAE_F3_R, G_0FC7, G_0FC7_M, G_0FC7_R, G_0FC7_66, G_0FC7_F3,
	G_0FC7_F2, G_0FC7_PFX_M, G_0FC7_F3_R,
	G_VMOVSS_LD, G_VMOVSD_LD, G_VMOVSS_ST, G_VMOVSD_ST, G_VMOVLPS,
	G_VMOVHPS, G_V71, G_V72, G_V73, G_VAE, G_V38F3,
	G_COUNT,
};

struct x86_group_ops {
	u8 select; /* enum x86_select */
	struct x86_op op[8];
};

/* Columns of the tables with mandatory prefixes: none, 66, F3, F2. */
extern const struct x86_op x86_map_1[256];
extern const struct x86_op x86_map_0f[256][4];
extern const struct x86_op x86_map_0f38[256][4];
extern const struct x86_op x86_map_0f3a[256][4];
extern const struct x86_op x86_vex_0f[256][4];
extern const struct x86_op x86_vex_0f38[256][4];
extern const struct x86_op x86_vex_0f3a[256][4];
extern const struct x86_group_ops x86_group_tab[G_COUNT];
extern const struct x86_flags x86_flags_tab[FL_COUNT];
extern const struct x86_impl x86_impl_tab[IM_COUNT];

/* --- the words of the tables ------------------------------------------- */

#define A_N 0
#define A_R ACC_R
#define A_W ACC_W
#define A_RW ACC_RW

#define OP(c, ...) { .cls = X86_C_##c, __VA_ARGS__ }
#define GRP(g) { .link = G_##g }
#define BAD { .cls = X86_C_INVALID }

#define REG(k, a) .reg = (u8)(RK_##k | A_##a << 4)
#define RM(k, a) .rm = (u8)(RM_HERE | RK_##k | A_##a << 4)
#define MEM(a) .rm = (u8)(RM_HERE | A_##a << 4)
#define RMREG(k, a) .rm = (u8)(RM_HERE | RM_REG_ONLY | RK_##k | A_##a << 4)
#define NDS(k, a) .vvvv = (u8)(RK_##k | A_##a << 4)
#define SZ(o, m) .opsize = OZ_##o, .mem = M_##m
#define IMM(i) .imm = I_##i
#define FL(f) .flags = FL_##f
#define IMPL(i) .impl = IM_##i
#define FIX(f) .fix = FX_##f
#define RULE(r) .rules = (r)
#define AT(a) .attr = (a)

#define NO64 RULE(RULE_NO64)
#define ONLY64 RULE(RULE_ONLY64)

/* One row of a table with mandatory prefixes. */
#define PP(np, p66, pf3, pf2) { np, p66, pf3, pf2 }
#define ANY(...) { __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ }

#define EIGHT(o, ...) [o] = __VA_ARGS__, [(o) + 1] = __VA_ARGS__, \
	[(o) + 2] = __VA_ARGS__, [(o) + 3] = __VA_ARGS__, \
	[(o) + 4] = __VA_ARGS__, [(o) + 5] = __VA_ARGS__, \
	[(o) + 6] = __VA_ARGS__, [(o) + 7] = __VA_ARGS__

#endif
