/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes_group.c - opcodes that the modrm byte extends. SDM 2 appendix A.4
 * "Opcode Extensions for One-Byte and Two-Byte Opcodes"; x87: appendix A.5
 * "Escape Opcode Instructions", with the aliases that SDM leaves out but all
 * processors since the 80387 execute (APM 3 appendix A "x87 Encodings").
 */
#include "x86/opcodes.h"

#define LK IA_LOCK_OK
#define STK (IA_STACK | IA_IMPL_RSP)
#define PM IA_PFX_MANDATORY
#define AL IA_ALIGN

/* Group 1: ADD OR ADC SBB AND SUB XOR CMP, an immediate */
#define GRP1(k, o, m, i) { .select = SEL_REG, .op = { \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(ALU), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(LOGIC), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(ADC), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(ADC), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(LOGIC), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(ALU), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), IMM(i), FL(LOGIC), AT(LK)), \
	OP(COPY, RM(k, R), SZ(o, m), IMM(i), FL(ALU)) } }

/* Group 2: ROL ROR RCL RCR SHL SHR SAL SAR */
#define GRP2(k, o, m, ...) { .select = SEL_REG, .op = { \
	OP(COPY, RM(k, RW), SZ(o, m), FL(ROT), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(ROT), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(RCX), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(RCX), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(SHIFT), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(SHIFT), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(SHIFT), __VA_ARGS__), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(SHIFT), __VA_ARGS__) } }

/* Group 3: TEST TEST NOT NEG MUL IMUL DIV IDIV */
#define GRP3(k, o, m, i, mul, div) { .select = SEL_REG, .op = { \
	OP(COPY, RM(k, R), SZ(o, m), IMM(i), FL(LOGIC)), \
	OP(COPY, RM(k, R), SZ(o, m), IMM(i), FL(LOGIC)), \
	OP(COPY, RM(k, RW), SZ(o, m), AT(LK)), \
	OP(COPY, RM(k, RW), SZ(o, m), FL(ALU), AT(LK)), \
	OP(COPY, RM(k, R), SZ(o, m), FL(MUL), IMPL(mul)), \
	OP(COPY, RM(k, R), SZ(o, m), FL(MUL), IMPL(mul)), \
	OP(COPY, RM(k, R), SZ(o, m), FL(UNDEF), IMPL(div)), \
	OP(COPY, RM(k, R), SZ(o, m), FL(UNDEF), IMPL(div)) } }

#define BY_REG(...) { .select = SEL_REG, .op = { __VA_ARGS__ } }
#define BY_RM(...) { .select = SEL_RM, .op = { __VA_ARGS__ } }
#define BY_MOD(m, r) { .select = SEL_MOD, .op = { m, r } }
#define BY_64(no, yes) { .select = SEL_64, .op = { no, yes } }
#define ALL8(...) { __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__, \
	__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__ }

/* x87: a memory operand; ST(i); nothing named; with flags */
#define F_M(a, m) OP(COPY, MEM(a), SZ(0, m), AT(IA_X87))
#define F_ENV(c, a, m) OP(c, MEM(a), SZ(V, m), AT(IA_X87))
#define F_I(a) OP(COPY, RMREG(ST, a), SZ(0, 0), AT(IA_X87))
#define F_N OP(COPY, RMREG(NONE, N), SZ(0, 0), AT(IA_X87))
#define F_CMOV(cc) OP(COPY, RMREG(ST, R), SZ(0, 0), FL(CC_##cc), AT(IA_X87))
#define F_COMI OP(COPY, RMREG(ST, R), SZ(0, 0), FL(FCOMI), AT(IA_X87))

/* MMX and SSE2 shifts by an immediate, AVX the same in vvvv */
#define SH_MM OP(COPY, RMREG(MMX, RW), SZ(0, 0), IMM(UB), AT(IA_MMX))
#define SH_XM OP(COPY, RMREG(XMM, RW), SZ(0, 0), IMM(UB), AT(IA_SSE | PM))
#define SH_V OP(COPY, RMREG(XMM, R), NDS(XMM, W), SZ(0, 0), IMM(UB), AT(IA_AVX))

#define BT_R(a) \
	OP(COPY, RMREG(GPR, a), REG(GPR, R), SZ(V, 0), FL(BT))
#define BT_M(a, at) OP(BT_MEM, MEM(a), REG(GPR, R), SZ(V, V), FL(BT), AT(at))

#define FSGS(a) OP(FSGSBASE, RMREG(GPR, a), SZ(Y, 0), ONLY64, AT(PM))
#define RND OP(COPY, RMREG(GPR, W), SZ(V, 0), FL(ALU))
#define CMPXCHG8B \
	OP(COPY, MEM(RW), SZ(Y, 2V), FL(ZF), IMPL(CMPXCHG8B), AT(LK), \
	   FIX(CMPXCHG16B))
#define FENCE OP(COPY, RMREG(NONE, N), SZ(0, 0))
#define NOP_M OP(NOP, MEM(N), SZ(0, 0), AT(IA_NOACCESS))
#define NOP_E OP(NOP, RM(GPR, N), SZ(V, 0), AT(IA_NOACCESS))
#define BLS OP(COPY, NDS(GPR, W), RM(GPR, R), SZ(Y, V), FL(BLS), RULE(RULE_L0))

/* clang-format off */
const struct x86_group_ops x86_group_tab[G_COUNT] = {
/*
 * DEVIATES: MOVSXD with 66 reads 4 bytes, as AMD does; Intel reads 2. Nobody
 * uses it.
 */
[G_63] = BY_64(OP(ARPL, RM(GPR, RW), REG(GPR, R), SZ(W, 2), FL(ZF)),
	       OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, 4))),
[G_80] = GRP1(GPR8, B, 1, B),
[G_81] = GRP1(GPR, V, V, Z),
[G_83] = GRP1(GPR, V, V, B),
/* 8F /1 to /7 would be XOP */
[G_8F] = BY_REG(OP(POP, RM(GPR, W), SZ(S, V), IMPL(SP), AT(STK))),
[G_C0] = GRP2(GPR8, B, 1, IMM(UB), FIX(SHIFT_IMM)),
[G_C1] = GRP2(GPR, V, V, IMM(UB), FIX(SHIFT_IMM)),
/* /7 with modrm F8 would be XABORT and XBEGIN */
[G_C6] = BY_REG(OP(COPY, RM(GPR8, W), SZ(B, 1), IMM(UB))),
[G_C7] = BY_REG(OP(COPY, RM(GPR, W), SZ(V, V), IMM(Z))),
[G_D0] = GRP2(GPR8, B, 1, FIX(NONE)),
[G_D1] = GRP2(GPR, V, V, FIX(NONE)),
[G_D2] = GRP2(GPR8, B, 1, IMPL(R_C), FIX(SHIFT_CL)),
[G_D3] = GRP2(GPR, V, V, IMPL(R_C), FIX(SHIFT_CL)),
[G_F6] = GRP3(GPR8, B, 1, B, A, A),
[G_F7] = GRP3(GPR, V, V, Z, A_WD, A_D),
[G_FE] = BY_REG(
	OP(COPY, RM(GPR8, RW), SZ(B, 1), FL(INC), AT(LK)),
	OP(COPY, RM(GPR8, RW), SZ(B, 1), FL(INC), AT(LK))),
[G_FF] = BY_REG(
	OP(COPY, RM(GPR, RW), SZ(V, V), FL(INC), AT(LK)),
	OP(COPY, RM(GPR, RW), SZ(V, V), FL(INC), AT(LK)),
	OP(CALL_IND, RM(GPR, R), SZ(N, V), IMPL(SP), AT(IA_IMPL_RSP)),
	OP(CALL_FAR, MEM(R), SZ(V, PTR), IMPL(SP), AT(IA_IMPL_RSP)),
	OP(JMP_IND, RM(GPR, R), SZ(N, V)),
	OP(JMP_FAR, MEM(R), SZ(V, PTR)),
	OP(PUSH, RM(GPR, R), SZ(S, V), IMPL(SP), AT(STK))),

/* x87: FADD FMUL FCOM FCOMP FSUB FSUBR FDIV FDIVR in most */
[G_D8] = BY_MOD(GRP(D8_M), GRP(D8_R)),
[G_D9] = BY_MOD(GRP(D9_M), GRP(D9_R)),
[G_DA] = BY_MOD(GRP(DA_M), GRP(DA_R)),
[G_DB] = BY_MOD(GRP(DB_M), GRP(DB_R)),
[G_DC] = BY_MOD(GRP(DC_M), GRP(DC_R)),
[G_DD] = BY_MOD(GRP(DD_M), GRP(DD_R)),
[G_DE] = BY_MOD(GRP(DE_M), GRP(DE_R)),
[G_DF] = BY_MOD(GRP(DF_M), GRP(DF_R)),
[G_D8_M] = { .select = SEL_REG, .op = ALL8(F_M(R, 4)) },
[G_D9_M] = BY_REG(F_M(R, 4), BAD, F_M(W, 4), F_M(W, 4), /* FLD FST FSTP */
	F_ENV(FLDENV, R, ENV), F_M(R, 2), /* FLDCW */
	F_ENV(FNSTENV, W, ENV), F_M(W, 2)), /* FNSTCW */
[G_DA_M] = { .select = SEL_REG, .op = ALL8(F_M(R, 4)) },
[G_DB_M] = BY_REG(F_M(R, 4), F_M(W, 4), F_M(W, 4), F_M(W, 4), /* FI.. */
	BAD, F_M(R, 10), BAD, F_M(W, 10)), /* FLD m80, FSTP m80 */
[G_DC_M] = { .select = SEL_REG, .op = ALL8(F_M(R, 8)) },
[G_DD_M] = BY_REG(F_M(R, 8), F_M(W, 8), F_M(W, 8), F_M(W, 8),
	F_ENV(FRSTOR, R, SAVE), BAD, F_ENV(FNSAVE, W, SAVE),
	F_M(W, 2)), /* FNSTSW */
[G_DE_M] = { .select = SEL_REG, .op = ALL8(F_M(R, 2)) },
[G_DF_M] = BY_REG(F_M(R, 2), F_M(W, 2), F_M(W, 2), F_M(W, 2),
	F_M(R, 10), F_M(R, 8), F_M(W, 10), F_M(W, 8)), /* FBLD FILD FBSTP.. */
[G_D8_R] = { .select = SEL_REG, .op = ALL8(F_I(R)) },
[G_D9_R] = BY_REG(F_I(R), F_I(RW), GRP(D9_2), F_I(W), /* FLD FXCH . FSTP1 */
	GRP(D9_4), GRP(D9_5), F_N, F_N),
[G_D9_2] = BY_RM(F_N), /* FNOP */
[G_D9_4] = BY_RM(F_N, F_N, BAD, BAD, F_N, F_N), /* FCHS FABS FTST FXAM */
[G_D9_5] = BY_RM(F_N, F_N, F_N, F_N, F_N, F_N, F_N), /* constants */
[G_DA_R] = BY_REG(F_CMOV(B), F_CMOV(Z), F_CMOV(BE), F_CMOV(P), /* FCMOVcc */
	BAD, GRP(DA_5)),
[G_DA_5] = BY_RM(BAD, F_N), /* FUCOMPP */
[G_DB_R] = BY_REG(F_CMOV(B), F_CMOV(Z), F_CMOV(BE), F_CMOV(P),
	GRP(DB_4), F_COMI, F_COMI),
[G_DB_4] = BY_RM(F_N, F_N, F_N, F_N, F_N), /* FENI FDISI FCLEX FINIT FSETPM */
[G_DC_R] = BY_REG(F_I(RW), F_I(RW), F_I(R), F_I(R), /* FADD FMUL FCOM2 FCOMP3 */
	F_I(RW), F_I(RW), F_I(RW), F_I(RW)),
[G_DD_R] = BY_REG(F_I(R), F_I(RW), F_I(W), F_I(W), /* FFREE FXCH4 FST FSTP */
	F_I(R), F_I(R)), /* FUCOM FUCOMP */
[G_DE_R] = BY_REG(F_I(RW), F_I(RW), F_I(R), GRP(DE_3), /* FADDP FMULP FCOMP5 */
	F_I(RW), F_I(RW), F_I(RW), F_I(RW)),
[G_DE_3] = BY_RM(BAD, F_N), /* FCOMPP */
[G_DF_R] = BY_REG(F_I(R), F_I(RW), F_I(W), F_I(W), /* FFREEP FXCH7 FSTP8 9 */
	GRP(DF_4), F_COMI, F_COMI),
[G_DF_4] = BY_RM(OP(COPY, RMREG(NONE, N), SZ(W, 0), IMPL(A), AT(IA_X87))),

/* Group 6 */
[G_0F00] = BY_REG(
	OP(SLDT, RM(GPR, W), SZ(V, 2)),
	OP(STR, RM(GPR, W), SZ(V, 2)),
	OP(LLDT, RM(GPR, R), SZ(V, 2), AT(IA_PRIV)),
	OP(LTR, RM(GPR, R), SZ(V, 2), AT(IA_PRIV)),
	OP(VERR, RM(GPR, R), SZ(V, 2), FL(ZF)),
	OP(VERW, RM(GPR, R), SZ(V, 2), FL(ZF))),
/* Group 7 */
[G_0F01] = BY_MOD(GRP(0F01_M), GRP(0F01_R)),
/* VMMCALL, SWAPGS and RDTSCP do not mind a prefix, their neighbours do. */
[G_0F01_PFX] = BY_MOD(GRP(0F01_M), GRP(0F01_PFX_R)),
[G_0F01_M] = BY_REG(
	OP(SGDT_SIDT, MEM(W), SZ(N, DESC)),
	OP(SGDT_SIDT, MEM(W), SZ(N, DESC)),
	OP(LGDT_LIDT, MEM(R), SZ(N, DESC), AT(IA_PRIV)),
	OP(LGDT_LIDT, MEM(R), SZ(N, DESC), AT(IA_PRIV)),
	OP(SMSW, MEM(W), SZ(V, 2)),
	BAD,
	OP(LMSW, MEM(R), SZ(V, 2), AT(IA_PRIV)),
	OP(INVLPG, MEM(N), SZ(0, 0), AT(IA_PRIV | IA_NOACCESS))),
[G_0F01_R] = BY_REG(
	GRP(0F01_0), GRP(0F01_1), GRP(0F01_2), GRP(0F01_3),
	OP(SMSW, RMREG(GPR, W), SZ(V, 0)),
	GRP(0F01_5),
	OP(LMSW, RMREG(GPR, R), SZ(V, 0), AT(IA_PRIV)),
	GRP(0F01_7)),
[G_0F01_PFX_R] = BY_REG(BAD, BAD, BAD, GRP(0F01_3),
	OP(SMSW, RMREG(GPR, W), SZ(V, 0)),
	BAD,
	OP(LMSW, RMREG(GPR, R), SZ(V, 0), AT(IA_PRIV)),
	GRP(0F01_7)),
[G_0F01_0] = BY_RM(BAD, OP(VMCALL, RMREG(NONE, N), IMPL(VMCALL))),
[G_0F01_1] = BY_RM(BAD, BAD,
	OP(CLAC, RMREG(NONE, N), AT(IA_PRIV)),
	OP(STAC, RMREG(NONE, N), AT(IA_PRIV))),
[G_0F01_2] = BY_RM(
	OP(XGETBV, RMREG(NONE, N), IMPL(RDMSR)),
	OP(XSETBV, RMREG(NONE, N), IMPL(WRMSR), AT(IA_PRIV))),
[G_0F01_3] = BY_RM(BAD, OP(VMCALL, RMREG(NONE, N), IMPL(VMCALL))),
[G_0F01_5] = BY_RM(OP(SERIALIZE, RMREG(NONE, N))),
[G_0F01_7] = BY_RM(
	OP(SWAPGS, RMREG(NONE, N), ONLY64, AT(IA_PRIV)),
	OP(RDTSCP, RMREG(NONE, N), IMPL(RDTSCP))),

[G_0F0D] = { .select = SEL_REG, .op = ALL8(NOP_M) },
[G_0F18] = BY_MOD(NOP_M, NOP_E),

[G_MOVSS_LD] = BY_MOD(
	OP(COPY, REG(XMM, W), MEM(R), SZ(0, 4), AT(IA_SSE | PM)),
	OP(COPY, REG(XMM, RW), RMREG(XMM, R), SZ(0, 0), AT(IA_SSE | PM))),
[G_MOVSD_LD] = BY_MOD(
	OP(COPY, REG(XMM, W), MEM(R), SZ(0, 8), AT(IA_SSE | PM)),
	OP(COPY, REG(XMM, RW), RMREG(XMM, R), SZ(0, 0), AT(IA_SSE | PM))),
[G_MOVSS_ST] = BY_MOD(
	OP(COPY, REG(XMM, R), MEM(W), SZ(0, 4), AT(IA_SSE | PM)),
	OP(COPY, REG(XMM, R), RMREG(XMM, RW), SZ(0, 0), AT(IA_SSE | PM))),
[G_MOVSD_ST] = BY_MOD(
	OP(COPY, REG(XMM, R), MEM(W), SZ(0, 8), AT(IA_SSE | PM)),
	OP(COPY, REG(XMM, R), RMREG(XMM, RW), SZ(0, 0), AT(IA_SSE | PM))),

/* Groups 12, 13, 14 */
[G_0F71] = BY_REG(BAD, BAD, SH_MM, BAD, SH_MM, BAD, SH_MM),
[G_0F71_66] = BY_REG(BAD, BAD, SH_XM, BAD, SH_XM, BAD, SH_XM),
[G_0F72] = BY_REG(BAD, BAD, SH_MM, BAD, SH_MM, BAD, SH_MM),
[G_0F72_66] = BY_REG(BAD, BAD, SH_XM, BAD, SH_XM, BAD, SH_XM),
[G_0F73] = BY_REG(BAD, BAD, SH_MM, BAD, BAD, BAD, SH_MM),
[G_0F73_66] = BY_REG(BAD, BAD, SH_XM, SH_XM, BAD, BAD, SH_XM, SH_XM),

/* The register form's bit offset wraps; in memory it moves the address. */
[G_BT] = BY_MOD(BT_M(R, 0), BT_R(R)),
[G_BTS] = BY_MOD(BT_M(RW, LK), BT_R(RW)),
[G_BTR] = BY_MOD(BT_M(RW, LK), BT_R(RW)),
[G_BTC] = BY_MOD(BT_M(RW, LK), BT_R(RW)),
/* Group 8 */
[G_0FBA] = BY_REG(BAD, BAD, BAD, BAD,
	OP(COPY, RM(GPR, R), SZ(V, V), IMM(UB), FL(BT)),
	OP(COPY, RM(GPR, RW), SZ(V, V), IMM(UB), FL(BT), AT(LK)),
	OP(COPY, RM(GPR, RW), SZ(V, V), IMM(UB), FL(BT), AT(LK)),
	OP(COPY, RM(GPR, RW), SZ(V, V), IMM(UB), FL(BT), AT(LK))),

/* Group 15 */
[G_0FAE] = BY_MOD(GRP(0FAE_M), GRP(0FAE_R)),
[G_0FAE_M] = BY_REG(
	OP(FXSAVE, MEM(W), SZ(Y, 512), AT(AL)),
	OP(FXRSTOR, MEM(R), SZ(Y, 512), AT(AL)),
	OP(COPY, MEM(R), SZ(0, 4), AT(IA_SSE)), /* LDMXCSR */
	OP(COPY, MEM(W), SZ(0, 4), AT(IA_SSE)), /* STMXCSR */
	OP(XSAVE, MEM(RW), SZ(Y, 0), IMPL(XSAVE)),
	OP(XRSTOR, MEM(R), SZ(Y, 0), IMPL(XSAVE)),
	OP(XSAVE, MEM(RW), SZ(Y, 0), IMPL(XSAVE)), /* XSAVEOPT */
	OP(COPY, MEM(R), SZ(0, 1))), /* CLFLUSH: faults as a load does */
[G_0FAE_R] = BY_REG(BAD, BAD, BAD, BAD, BAD, FENCE, FENCE, FENCE),
[G_0FAE_66] = BY_MOD(GRP(0FAE_66_M), BAD),
[G_0FAE_66_M] = BY_REG(BAD, BAD, BAD, BAD, BAD, BAD,
	OP(COPY, MEM(R), SZ(0, 1), AT(PM)), /* CLWB */
	OP(COPY, MEM(R), SZ(0, 1), AT(PM))), /* CLFLUSHOPT */
[G_0FAE_F3] = BY_MOD(BAD, GRP(0FAE_F3_R)),
[G_0FAE_F3_R] = BY_REG(FSGS(W), FSGS(W), FSGS(R), FSGS(R)),

/* Group 9 */
[G_0FC7] = BY_MOD(GRP(0FC7_M), GRP(0FC7_R)),
[G_0FC7_M] = BY_REG(BAD, CMPXCHG8B, BAD, BAD,
	OP(XSAVE, MEM(RW), SZ(Y, 0), IMPL(XSAVE))), /* XSAVEC */
[G_0FC7_R] = BY_REG(BAD, BAD, BAD, BAD, BAD, BAD, RND, RND),
[G_0FC7_66] = BY_MOD(GRP(0FC7_PFX_M), GRP(0FC7_R)),
[G_0FC7_F3] = BY_MOD(GRP(0FC7_PFX_M), GRP(0FC7_F3_R)),
[G_0FC7_F2] = BY_MOD(GRP(0FC7_PFX_M), BAD),
[G_0FC7_PFX_M] = BY_REG(BAD, CMPXCHG8B),
[G_0FC7_F3_R] = BY_REG(BAD, BAD, BAD, BAD, BAD, BAD, BAD,
	OP(RDPID, RMREG(GPR, W), SZ(P, 0), AT(PM))),

[G_MOVLPS] = BY_MOD( /* register: MOVHLPS */
	OP(COPY, REG(XMM, RW), MEM(R), SZ(0, 8), AT(IA_SSE)),
	OP(COPY, REG(XMM, RW), RMREG(XMM, R), SZ(0, 0), AT(IA_SSE))),
[G_MOVHPS] = BY_MOD( /* register: MOVLHPS */
	OP(COPY, REG(XMM, RW), MEM(R), SZ(0, 8), AT(IA_SSE)),
	OP(COPY, REG(XMM, RW), RMREG(XMM, R), SZ(0, 0), AT(IA_SSE))),

/* VEX: the register forms merge into a third operand */
[G_VMOVSS_LD] = BY_MOD(
	OP(COPY, REG(XMM, W), MEM(R), SZ(0, 4), AT(IA_AVX)),
	OP(COPY, REG(XMM, W), NDS(XMM, R), RMREG(XMM, R), SZ(0, 0),
	   AT(IA_AVX))),
[G_VMOVSD_LD] = BY_MOD(
	OP(COPY, REG(XMM, W), MEM(R), SZ(0, 8), AT(IA_AVX)),
	OP(COPY, REG(XMM, W), NDS(XMM, R), RMREG(XMM, R), SZ(0, 0),
	   AT(IA_AVX))),
[G_VMOVSS_ST] = BY_MOD(
	OP(COPY, REG(XMM, R), MEM(W), SZ(0, 4), AT(IA_AVX)),
	OP(COPY, REG(XMM, R), NDS(XMM, R), RMREG(XMM, W), SZ(0, 0),
	   AT(IA_AVX))),
[G_VMOVSD_ST] = BY_MOD(
	OP(COPY, REG(XMM, R), MEM(W), SZ(0, 8), AT(IA_AVX)),
	OP(COPY, REG(XMM, R), NDS(XMM, R), RMREG(XMM, W), SZ(0, 0),
	   AT(IA_AVX))),
[G_VMOVLPS] = BY_MOD(
	OP(COPY, REG(XMM, W), NDS(XMM, R), MEM(R), SZ(0, 8), AT(IA_AVX),
	   RULE(RULE_L0)),
	OP(COPY, REG(XMM, W), NDS(XMM, R), RMREG(XMM, R), SZ(0, 0),
	   AT(IA_AVX), RULE(RULE_L0))),
[G_VMOVHPS] = BY_MOD(
	OP(COPY, REG(XMM, W), NDS(XMM, R), MEM(R), SZ(0, 8), AT(IA_AVX),
	   RULE(RULE_L0)),
	OP(COPY, REG(XMM, W), NDS(XMM, R), RMREG(XMM, R), SZ(0, 0),
	   AT(IA_AVX), RULE(RULE_L0))),
[G_V71] = BY_REG(BAD, BAD, SH_V, BAD, SH_V, BAD, SH_V),
[G_V72] = BY_REG(BAD, BAD, SH_V, BAD, SH_V, BAD, SH_V),
[G_V73] = BY_REG(BAD, BAD, SH_V, SH_V, BAD, BAD, SH_V, SH_V),
[G_VAE] = BY_REG(BAD, BAD,
	OP(COPY, MEM(R), SZ(0, 4), AT(IA_AVX), RULE(RULE_L0)),
	OP(COPY, MEM(W), SZ(0, 4), AT(IA_AVX), RULE(RULE_L0))),
[G_V38F3] = BY_REG(BAD, BLS, BLS, BLS), /* BLSR BLSMSK BLSI */
};
