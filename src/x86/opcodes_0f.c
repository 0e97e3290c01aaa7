/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes_0f.c - the opcode maps 0F, 0F 38 and 0F 3A without VEX. Each row has
 * a column for no mandatory prefix, 66, F3 and F2; ANY() rows take prefixes as
 * operand size or ignore them. SDM 2 appendix A.3; SDM 2 chapters 3 to 5 for
 * operand sizes.
 */
#include "x86/opcodes.h"

#define LK IA_LOCK_OK
#define STK (IA_STACK | IA_IMPL_RSP)
#define PM IA_PFX_MANDATORY
#define AL IA_ALIGN

/* Vector operations: access to modrm.reg, to modrm.rm, memory bytes */
#define SSE(a, b, m, at) \
	OP(COPY, REG(XMM, a), RM(XMM, b), SZ(0, m), AT(IA_SSE | (at)))
#define SSE_I(a, b, m, at) \
	OP(COPY, REG(XMM, a), RM(XMM, b), SZ(0, m), IMM(UB), AT(IA_SSE | (at)))
#define SSE_M(a, b, m, at) \
	OP(COPY, REG(XMM, a), MEM(b), SZ(0, m), AT(IA_SSE | (at)))
#define MMX(a, m) OP(COPY, REG(MMX, a), RM(MMX, R), SZ(0, m), AT(IA_MMX))
#define PS(a) SSE(a, R, 16, AL)
#define PD(a) SSE(a, R, 16, AL | PM)
#define SS(a) SSE(a, R, 4, PM)
#define SD(a) SSE(a, R, 8, PM)
/* whole rows */
#define FP4(a) PP(PS(a), PD(a), SS(RW), SD(RW))
#define FP2(a) PP(PS(a), PD(a), BAD, BAD)
#define INT2(a) PP(MMX(a, 8), PD(a), BAD, BAD)
#define INT66(a) PP(BAD, PD(a), BAD, BAD)
#define EXT66(m) PP(BAD, SSE(W, R, m, PM), BAD, BAD)
#define IMM66(a, m, at) PP(BAD, SSE_I(a, R, m, PM | (at)), BAD, BAD)
#define BLENDV66 PP(BAD, SSE(RW, R, 16, AL | PM | IA_XMM_IMPL), BAD, BAD)
#define AES66(a) INT66(a)
/*
 * DEVIATES: not IA_ALIGN, which the SDM wants: AMD's processors do not fault,
 * and Intel's do it by themselves.
 */
#define SHA(at) PP(SSE(RW, R, 16, at), BAD, BAD, BAD)

#define CMOV(cc) \
	ANY(OP(COPY, REG(GPR, RW), RM(GPR, R), SZ(V, V), FL(CC_##cc)))
#define SETCC(cc) ANY(OP(COPY, RM(GPR8, W), SZ(B, 1), FL(CC_##cc)))
#define JCC(cc) ANY(OP(JCC, SZ(N, 0), IMM(Z), FL(CC_##cc)))
#define PAIR(o, row) [o] = row, [(o) + 1] = row

#define HINT_NOP ANY(OP(NOP, RM(GPR, N), SZ(V, 0), AT(IA_NOACCESS)))
#define MOV_CR(c, a, b) \
	ANY(OP(MOV_##c, REG(c, a), RM(GPR, b), SZ(P, 0), AT(IA_PRIV), FIX(c)))
#define PUSH_SREG \
	ANY(OP(PUSH_SREG, REG(SREG, R), SZ(S, 0), IMPL(SP), AT(STK), \
	       FIX(OPCODE_SREG)))
#define POP_SREG \
	ANY(OP(POP_SREG, REG(SREG, W), SZ(S, 0), IMPL(SP), AT(STK), \
	       FIX(OPCODE_SREG)))
#define LOAD_PTR ANY(OP(LOAD_FAR_PTR, REG(GPR, W), MEM(R), SZ(V, PTR)))
#define BSF OP(COPY, REG(GPR, RW), RM(GPR, R), SZ(V, V), FL(BSF))
#define LZCNT OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, V), FL(LZCNT), AT(PM))
#define POPCNT OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, V), FL(ALU), AT(PM))
/* To a general register, from a vector one and back */
#define CVT_TO_GPR(m) \
	OP(COPY, REG(GPR, W), RM(XMM, R), SZ(Y, m), AT(IA_SSE | PM))
#define CVT_FROM_GPR \
	OP(COPY, REG(XMM, RW), RM(GPR, R), SZ(Y, V), AT(IA_SSE | PM))
#define CVT_FROM_MMX(a, at) \
	OP(COPY, REG(XMM, a), RM(MMX, R), SZ(0, 8), \
	   AT(IA_SSE | IA_MMX | (at)))
#define CVT_TO_MMX(m, at) \
	OP(COPY, REG(MMX, W), RM(XMM, R), SZ(0, m), \
	   AT(IA_SSE | IA_MMX | (at)))
#define COMIS(m, at) \
	OP(COPY, REG(XMM, R), RM(XMM, R), SZ(0, m), FL(ALU), AT(IA_SSE | (at)))

/* clang-format off */
const struct x86_op x86_map_0f[256][4] = {
	[0x00] = ANY(GRP(0F00)),
	[0x01] = PP(GRP(0F01), GRP(0F01_PFX), GRP(0F01_PFX), GRP(0F01_PFX)),
	[0x02] = ANY(OP(LAR, REG(GPR, RW), RM(GPR, R), SZ(V, 2), FL(ZF))),
	[0x03] = ANY(OP(LSL, REG(GPR, RW), RM(GPR, R), SZ(V, 2), FL(ZF))),
	[0x05] = ANY(OP(SYSCALL, FL(SYSCALL), IMPL(SYSCALL))),
	[0x06] = ANY(OP(CLTS, AT(IA_PRIV))),
	[0x07] = ANY(OP(SYSRET, FL(WR_ALL), IMPL(SYSRET), AT(IA_PRIV))),
	[0x08] = ANY(OP(INVD, AT(IA_PRIV))),
	[0x09] = ANY(OP(INVD, AT(IA_PRIV))),
	/*
	 * UD2, UD1 (B9), UD0 (FF). DEVIATES: no modrm byte, as on AMD.
	 */
	[0x0b] = ANY(OP(UD, .flags = FL_NONE)),
	[0x0d] = ANY(GRP(0F0D)),
	[0x10] = PP(SSE(W, R, 16, 0), SSE(W, R, 16, PM), GRP(MOVSS_LD),
		    GRP(MOVSD_LD)),
	[0x11] = PP(SSE(R, W, 16, 0), SSE(R, W, 16, PM), GRP(MOVSS_ST),
		    GRP(MOVSD_ST)),
	[0x12] = PP(GRP(MOVLPS), SSE_M(RW, R, 8, PM), SSE(W, R, 16, AL | PM),
		    SSE(W, R, 8, PM)),
	[0x13] = PP(SSE_M(R, W, 8, 0), SSE_M(R, W, 8, PM), BAD, BAD),
	[0x14] = FP2(RW),
	[0x15] = FP2(RW),
	[0x16] = PP(GRP(MOVHPS), SSE_M(RW, R, 8, PM), SSE(W, R, 16, AL | PM),
		    BAD),
	[0x17] = PP(SSE_M(R, W, 8, 0), SSE_M(R, W, 8, PM), BAD, BAD),
	[0x18] = ANY(GRP(0F18)),
	[0x19] = HINT_NOP,
	[0x1a] = HINT_NOP,
	[0x1b] = HINT_NOP,
	[0x1c] = HINT_NOP,
	[0x1d] = HINT_NOP,
	[0x1e] = HINT_NOP,
	[0x1f] = HINT_NOP,
	[0x20] = MOV_CR(CR, R, W),
	[0x21] = MOV_CR(DR, R, W),
	[0x22] = MOV_CR(CR, W, R),
	[0x23] = MOV_CR(DR, W, R),
	[0x28] = PP(SSE(W, R, 16, AL), SSE(W, R, 16, AL | PM), BAD, BAD),
	[0x29] = PP(SSE(R, W, 16, AL), SSE(R, W, 16, AL | PM), BAD, BAD),
	[0x2a] = PP(CVT_FROM_MMX(RW, 0), CVT_FROM_MMX(W, PM), CVT_FROM_GPR,
		    CVT_FROM_GPR),
	[0x2b] = PP(SSE_M(R, W, 16, AL), SSE_M(R, W, 16, AL | PM), BAD, BAD),
	[0x2c] = PP(CVT_TO_MMX(8, 0), CVT_TO_MMX(16, AL | PM), CVT_TO_GPR(4),
		    CVT_TO_GPR(8)),
	[0x2d] = PP(CVT_TO_MMX(8, 0), CVT_TO_MMX(16, AL | PM), CVT_TO_GPR(4),
		    CVT_TO_GPR(8)),
	[0x2e] = PP(COMIS(4, 0), COMIS(8, PM), BAD, BAD),
	[0x2f] = PP(COMIS(4, 0), COMIS(8, PM), BAD, BAD),
	[0x30] = ANY(OP(WRMSR, IMPL(WRMSR), AT(IA_PRIV))),
	[0x31] = ANY(OP(RDTSC, IMPL(RDTSC))),
	[0x32] = ANY(OP(RDMSR, IMPL(RDMSR), AT(IA_PRIV))),
	[0x33] = ANY(OP(RDPMC, IMPL(RDMSR))),
	[0x34] = ANY(OP(SYSENTER, IMPL(SP), AT(IA_IMPL_RSP))),
	[0x35] = ANY(OP(SYSEXIT, SZ(Y, 0), IMPL(SYSEXIT),
			AT(IA_PRIV | IA_IMPL_RSP))),
	PAIR(0x40, CMOV(O)), PAIR(0x42, CMOV(B)), PAIR(0x44, CMOV(Z)),
	PAIR(0x46, CMOV(BE)), PAIR(0x48, CMOV(S)), PAIR(0x4a, CMOV(P)),
	PAIR(0x4c, CMOV(L)), PAIR(0x4e, CMOV(LE)),
	[0x50] = PP(OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(Y, 0), AT(IA_SSE)),
		    OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(Y, 0),
		       AT(IA_SSE | PM)), BAD, BAD),
	[0x51] = FP4(W),
	[0x52] = PP(PS(W), BAD, SS(RW), BAD),
	[0x53] = PP(PS(W), BAD, SS(RW), BAD),
	[0x54] = FP2(RW),
	[0x55] = FP2(RW),
	[0x56] = FP2(RW),
	[0x57] = FP2(RW),
	[0x58] = FP4(RW),
	[0x59] = FP4(RW),
	[0x5a] = PP(SSE(W, R, 8, 0), PD(W), SS(RW), SD(RW)),
	[0x5b] = PP(PS(W), PD(W), SSE(W, R, 16, AL | PM), BAD),
	[0x5c] = FP4(RW),
	[0x5d] = FP4(RW),
	[0x5e] = FP4(RW),
	[0x5f] = FP4(RW),
	[0x60] = PP(MMX(RW, 4), PD(RW), BAD, BAD),
	[0x61] = PP(MMX(RW, 4), PD(RW), BAD, BAD),
	[0x62] = PP(MMX(RW, 4), PD(RW), BAD, BAD),
	[0x63] = INT2(RW),
	[0x64] = INT2(RW),
	[0x65] = INT2(RW),
	[0x66] = INT2(RW),
	[0x67] = INT2(RW),
	[0x68] = INT2(RW),
	[0x69] = INT2(RW),
	[0x6a] = INT2(RW),
	[0x6b] = INT2(RW),
	[0x6c] = INT66(RW),
	[0x6d] = INT66(RW),
	[0x6e] = PP(OP(COPY, REG(MMX, W), RM(GPR, R), SZ(Y, V), AT(IA_MMX)),
		    OP(COPY, REG(XMM, W), RM(GPR, R), SZ(Y, V),
		       AT(IA_SSE | PM)), BAD, BAD),
	[0x6f] = PP(MMX(W, 8), SSE(W, R, 16, AL | PM), SSE(W, R, 16, PM), BAD),
	[0x70] = PP(OP(COPY, REG(MMX, W), RM(MMX, R), SZ(0, 8), IMM(UB),
		       AT(IA_MMX)), SSE_I(W, R, 16, AL | PM),
		    SSE_I(W, R, 16, AL | PM), SSE_I(W, R, 16, AL | PM)),
	[0x71] = PP(GRP(0F71), GRP(0F71_66), BAD, BAD),
	[0x72] = PP(GRP(0F72), GRP(0F72_66), BAD, BAD),
	[0x73] = PP(GRP(0F73), GRP(0F73_66), BAD, BAD),
	[0x74] = INT2(RW),
	[0x75] = INT2(RW),
	[0x76] = INT2(RW),
	[0x77] = PP(OP(COPY, SZ(0, 0), AT(IA_MMX)), BAD, BAD, BAD),
	[0x7c] = PP(BAD, PD(RW), BAD, SSE(RW, R, 16, AL | PM)),
	[0x7d] = PP(BAD, PD(RW), BAD, SSE(RW, R, 16, AL | PM)),
	[0x7e] = PP(OP(COPY, REG(MMX, R), RM(GPR, W), SZ(Y, V), AT(IA_MMX)),
		    OP(COPY, REG(XMM, R), RM(GPR, W), SZ(Y, V),
		       AT(IA_SSE | PM)), SSE(W, R, 8, PM), BAD),
	[0x7f] = PP(OP(COPY, REG(MMX, R), RM(MMX, W), SZ(0, 8), AT(IA_MMX)),
		    SSE(R, W, 16, AL | PM), SSE(R, W, 16, PM), BAD),
	PAIR(0x80, JCC(O)), PAIR(0x82, JCC(B)), PAIR(0x84, JCC(Z)),
	PAIR(0x86, JCC(BE)), PAIR(0x88, JCC(S)), PAIR(0x8a, JCC(P)),
	PAIR(0x8c, JCC(L)), PAIR(0x8e, JCC(LE)),
	PAIR(0x90, SETCC(O)), PAIR(0x92, SETCC(B)), PAIR(0x94, SETCC(Z)),
	PAIR(0x96, SETCC(BE)), PAIR(0x98, SETCC(S)), PAIR(0x9a, SETCC(P)),
	PAIR(0x9c, SETCC(L)), PAIR(0x9e, SETCC(LE)),
	[0xa0] = PUSH_SREG,
	[0xa1] = POP_SREG,
	[0xa2] = ANY(OP(CPUID, IMPL(CPUID))),
	[0xa3] = ANY(GRP(BT)),
	[0xa4] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, R), SZ(V, V), IMM(UB),
			FL(SHIFT), FIX(SHLD_IMM))),
	[0xa5] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, R), SZ(V, V), FL(SHIFT),
			IMPL(R_C), FIX(SHIFT_CL))),
	[0xa8] = PUSH_SREG,
	[0xa9] = POP_SREG,
	/* AA: RSM is #UD outside of system-management mode */
	[0xab] = ANY(GRP(BTS)),
	[0xac] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, R), SZ(V, V), IMM(UB),
			FL(SHIFT), FIX(SHLD_IMM))),
	[0xad] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, R), SZ(V, V), FL(SHIFT),
			IMPL(R_C), FIX(SHIFT_CL))),
	[0xae] = PP(GRP(0FAE), GRP(0FAE_66), GRP(0FAE_F3), BAD),
	[0xaf] = ANY(OP(COPY, REG(GPR, RW), RM(GPR, R), SZ(V, V), FL(MUL))),
	[0xb0] = ANY(OP(COPY, RM(GPR8, RW), REG(GPR8, R), SZ(B, 1), FL(ALU),
			IMPL(A), AT(LK))),
	[0xb1] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, R), SZ(V, V), FL(ALU),
			IMPL(A), AT(LK))),
	[0xb2] = LOAD_PTR,
	[0xb3] = ANY(GRP(BTR)),
	[0xb4] = LOAD_PTR,
	[0xb5] = LOAD_PTR,
	[0xb6] = ANY(OP(COPY, REG(GPR, W), RM(GPR8, R), SZ(V, 1))),
	[0xb7] = ANY(OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, 2))),
	[0xb8] = PP(BAD, BAD, POPCNT, BAD),
	[0xb9] = ANY(OP(UD, .flags = FL_NONE)),
	[0xba] = ANY(GRP(0FBA)),
	[0xbb] = ANY(GRP(BTC)),
	[0xbc] = PP(BSF, BSF, LZCNT, BSF), /* TZCNT */
	[0xbd] = PP(BSF, BSF, LZCNT, BSF),
	[0xbe] = ANY(OP(COPY, REG(GPR, W), RM(GPR8, R), SZ(V, 1))),
	[0xbf] = ANY(OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, 2))),
	[0xc0] = ANY(OP(COPY, RM(GPR8, RW), REG(GPR8, RW), SZ(B, 1), FL(ALU),
			AT(LK))),
	[0xc1] = ANY(OP(COPY, RM(GPR, RW), REG(GPR, RW), SZ(V, V), FL(ALU),
			AT(LK))),
	[0xc2] = PP(SSE_I(RW, R, 16, AL), SSE_I(RW, R, 16, AL | PM),
		    SSE_I(RW, R, 4, PM), SSE_I(RW, R, 8, PM)),
	[0xc3] = PP(OP(COPY, REG(GPR, R), MEM(W), SZ(Y, V)), BAD, BAD, BAD),
	[0xc4] = PP(OP(COPY, REG(MMX, RW), RM(GPR, R), SZ(D, 2), IMM(UB),
		       AT(IA_MMX)),
		    OP(COPY, REG(XMM, RW), RM(GPR, R), SZ(D, 2), IMM(UB),
		       AT(IA_SSE | PM)), BAD, BAD),
	[0xc5] = PP(OP(COPY, REG(GPR, W), RMREG(MMX, R), SZ(D, 0), IMM(UB),
		       AT(IA_MMX)),
		    OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(D, 0), IMM(UB),
		       AT(IA_SSE | PM)), BAD, BAD),
	[0xc6] = PP(SSE_I(RW, R, 16, AL), SSE_I(RW, R, 16, AL | PM), BAD, BAD),
	[0xc7] = PP(GRP(0FC7), GRP(0FC7_66), GRP(0FC7_F3), GRP(0FC7_F2)),
	EIGHT(0xc8, ANY(OP(COPY, REG(GPR, RW), SZ(V, 0), AT(IA_OPREG)))),
	[0xd0] = PP(BAD, PD(RW), BAD, SSE(RW, R, 16, AL | PM)),
	[0xd1] = INT2(RW),
	[0xd2] = INT2(RW),
	[0xd3] = INT2(RW),
	[0xd4] = INT2(RW),
	[0xd5] = INT2(RW),
	[0xd6] = PP(BAD, SSE(R, W, 8, PM),
		    OP(COPY, REG(XMM, W), RMREG(MMX, R), SZ(0, 0),
		       AT(IA_SSE | IA_MMX | PM)),
		    OP(COPY, REG(MMX, W), RMREG(XMM, R), SZ(0, 0),
		       AT(IA_SSE | IA_MMX | PM))),
	[0xd7] = PP(OP(COPY, REG(GPR, W), RMREG(MMX, R), SZ(D, 0), AT(IA_MMX)),
		    OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(D, 0),
		       AT(IA_SSE | PM)), BAD, BAD),
	[0xd8] = INT2(RW),
	[0xd9] = INT2(RW),
	[0xda] = INT2(RW),
	[0xdb] = INT2(RW),
	[0xdc] = INT2(RW),
	[0xdd] = INT2(RW),
	[0xde] = INT2(RW),
	[0xdf] = INT2(RW),
	[0xe0] = INT2(RW),
	[0xe1] = INT2(RW),
	[0xe2] = INT2(RW),
	[0xe3] = INT2(RW),
	[0xe4] = INT2(RW),
	[0xe5] = INT2(RW),
	[0xe6] = PP(BAD, PD(W), SSE(W, R, 8, PM), SSE(W, R, 16, AL | PM)),
	[0xe7] = PP(OP(COPY, REG(MMX, R), MEM(W), SZ(0, 8), AT(IA_MMX)),
		    SSE_M(R, W, 16, AL | PM), BAD, BAD),
	[0xe8] = INT2(RW),
	[0xe9] = INT2(RW),
	[0xea] = INT2(RW),
	[0xeb] = INT2(RW),
	[0xec] = INT2(RW),
	[0xed] = INT2(RW),
	[0xee] = INT2(RW),
	[0xef] = INT2(RW),
	[0xf0] = PP(BAD, BAD, BAD, SSE_M(W, R, 16, PM)),
	[0xf1] = INT2(RW),
	[0xf2] = INT2(RW),
	[0xf3] = INT2(RW),
	[0xf4] = INT2(RW),
	[0xf5] = INT2(RW),
	[0xf6] = INT2(RW),
	[0xf7] = PP(OP(MASKMOV, REG(MMX, R), RMREG(MMX, R), SZ(0, 8), IMPL(DI),
		       AT(IA_MMX)),
		    OP(MASKMOV, REG(XMM, R), RMREG(XMM, R), SZ(0, 16),
		       IMPL(DI), AT(IA_SSE | PM)), BAD, BAD),
	[0xf8] = INT2(RW),
	[0xf9] = INT2(RW),
	[0xfa] = INT2(RW),
	[0xfb] = INT2(RW),
	[0xfc] = INT2(RW),
	[0xfd] = INT2(RW),
	[0xfe] = INT2(RW),
	[0xff] = ANY(OP(UD, .flags = FL_NONE)),
};

#define MOVBE_LD OP(COPY, REG(GPR, W), MEM(R), SZ(V, V))
#define MOVBE_ST OP(COPY, REG(GPR, R), MEM(W), SZ(V, V))
#define ADX(fl, at) \
	OP(COPY, REG(GPR, RW), RM(GPR, R), SZ(Y, V), FL(fl), AT(at))

const struct x86_op x86_map_0f38[256][4] = {
	[0x00] = INT2(RW),
	[0x01] = INT2(RW),
	[0x02] = INT2(RW),
	[0x03] = INT2(RW),
	[0x04] = INT2(RW),
	[0x05] = INT2(RW),
	[0x06] = INT2(RW),
	[0x07] = INT2(RW),
	[0x08] = INT2(RW),
	[0x09] = INT2(RW),
	[0x0a] = INT2(RW),
	[0x0b] = INT2(RW),
	[0x10] = BLENDV66,
	[0x14] = BLENDV66,
	[0x15] = BLENDV66,
	[0x17] = PP(BAD, OP(COPY, REG(XMM, R), RM(XMM, R), SZ(0, 16), FL(ALU),
			    AT(IA_SSE | AL | PM)), BAD, BAD), /* PTEST */
	[0x1c] = INT2(W),
	[0x1d] = INT2(W),
	[0x1e] = INT2(W),
	[0x20] = EXT66(8),
	[0x21] = EXT66(4),
	[0x22] = EXT66(2),
	[0x23] = EXT66(8),
	[0x24] = EXT66(4),
	[0x25] = EXT66(8),
	[0x28] = INT66(RW),
	[0x29] = INT66(RW),
	[0x2a] = PP(BAD, SSE_M(W, R, 16, AL | PM), BAD, BAD), /* MOVNTDQA */
	[0x2b] = INT66(RW),
	[0x30] = EXT66(8),
	[0x31] = EXT66(4),
	[0x32] = EXT66(2),
	[0x33] = EXT66(8),
	[0x34] = EXT66(4),
	[0x35] = EXT66(8),
	[0x37] = INT66(RW),
	[0x38] = INT66(RW),
	[0x39] = INT66(RW),
	[0x3a] = INT66(RW),
	[0x3b] = INT66(RW),
	[0x3c] = INT66(RW),
	[0x3d] = INT66(RW),
	[0x3e] = INT66(RW),
	[0x3f] = INT66(RW),
	[0x40] = INT66(RW),
	[0x41] = INT66(W),
	[0x82] = PP(BAD, OP(INVPCID, REG(GPR, R), MEM(R), SZ(P, 16),
			    AT(IA_PRIV | PM)), BAD, BAD),
	[0xc8] = SHA(0),
	[0xc9] = SHA(0),
	[0xca] = SHA(0),
	[0xcb] = SHA(IA_XMM_IMPL), /* SHA256RNDS2 */
	[0xcc] = SHA(0),
	[0xcd] = SHA(0),
	[0xcf] = INT66(RW), /* GF2P8MULB */
	[0xdb] = AES66(W),
	[0xdc] = AES66(RW),
	[0xdd] = AES66(RW),
	[0xde] = AES66(RW),
	[0xdf] = AES66(RW),
	[0xf0] = PP(MOVBE_LD, MOVBE_LD, BAD,
		    OP(COPY, REG(GPR, RW), RM(GPR8, R), SZ(Y, 1), AT(PM))),
	[0xf1] = PP(MOVBE_ST, MOVBE_ST, BAD, /* CRC32: opsize is rm's */
		    OP(COPY, REG(GPR, RW), RM(GPR, R), SZ(V, V), AT(PM))),
	[0xf6] = PP(BAD, ADX(CMC, PM), ADX(ADOX, PM), BAD),
};

/* PEXTRB PEXTRW PEXTRD/Q EXTRACTPS; PINSRB PINSRD/Q */
#define PEXTR(o, m) \
	PP(BAD, OP(COPY, RM(GPR, W), REG(XMM, R), SZ(o, m), IMM(UB), \
		   AT(IA_SSE | PM)), BAD, BAD)
#define PINSR(o, m) \
	PP(BAD, OP(COPY, REG(XMM, RW), RM(GPR, R), SZ(o, m), IMM(UB), \
		   AT(IA_SSE | PM)), BAD, BAD)
#define PCMPSTR(oz, im, at) \
	PP(BAD, OP(COPY, REG(XMM, R), RM(XMM, R), SZ(oz, 16), IMM(UB), \
		   FL(ALU), IMPL(im), AT(IA_SSE | PM | (at))), BAD, BAD)

const struct x86_op x86_map_0f3a[256][4] = {
	[0x08] = IMM66(W, 16, AL), /* ROUNDPS, PD, SS, SD */
	[0x09] = IMM66(W, 16, AL),
	[0x0a] = IMM66(RW, 4, 0),
	[0x0b] = IMM66(RW, 8, 0),
	[0x0c] = IMM66(RW, 16, AL),
	[0x0d] = IMM66(RW, 16, AL),
	[0x0e] = IMM66(RW, 16, AL),
	[0x0f] = PP(OP(COPY, REG(MMX, RW), RM(MMX, R), SZ(0, 8), IMM(UB),
		       AT(IA_MMX)), SSE_I(RW, R, 16, AL | PM), BAD, BAD),
	[0x14] = PEXTR(D, 1),
	[0x15] = PEXTR(D, 2),
	[0x16] = PEXTR(Y, V),
	[0x17] = PEXTR(D, 4),
	[0x20] = PINSR(D, 1),
	[0x21] = IMM66(RW, 4, 0), /* INSERTPS */
	[0x22] = PINSR(Y, V),
	[0x40] = IMM66(RW, 16, AL),
	[0x41] = IMM66(RW, 16, AL),
	[0x42] = IMM66(RW, 16, AL),
	[0x44] = IMM66(RW, 16, AL), /* PCLMULQDQ */
	[0x60] = PCMPSTR(Y, R_A_D, IA_XMM_IMPL), /* PCMPESTRM ESTRI ISTRM ISTRI */
	[0x61] = PCMPSTR(Y, PCMPESTRI, 0),
	[0x62] = PCMPSTR(0, NONE, IA_XMM_IMPL),
	[0x63] = PCMPSTR(0, W_C, 0),
	[0xcc] = PP(SSE_I(RW, R, 16, 0), BAD, BAD, BAD), /* SHA1RNDS4 */
	[0xce] = IMM66(RW, 16, AL),
	[0xcf] = IMM66(RW, 16, AL),
	[0xdf] = IMM66(W, 16, AL), /* AESKEYGENASSIST */
};
