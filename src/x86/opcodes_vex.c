/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes_vex.c - the VEX opcode maps: AVX, AVX2, FMA3, F16C, BMI1, BMI2, and
 * the VEX forms of AES, PCLMUL and GFNI. An entry without NDS() needs
 * VEX.vvvv = 1111b; RULE_L0, L1, W0, W1 tell which other settings are
 * undefined. SDM 2 chapter 2.3 "Intel AVX" and 2.4 "AVX and SSE Instruction
 * Exception Classification".
 */
#include "x86/opcodes.h"

#define AL IA_ALIGN
#define L0 RULE_L0
#define L1 RULE_L1
#define W0 RULE_W0
#define W1 RULE_W1

/* Two operands; three; with an immediate. m: memory, r: rules */
#define V2(a, b, m, at, r) \
	OP(COPY, REG(XMM, a), RM(XMM, b), SZ(0, m), AT(IA_AVX | (at)), RULE(r))
#define V2M(a, b, m, at, r) \
	OP(COPY, REG(XMM, a), MEM(b), SZ(0, m), AT(IA_AVX | (at)), RULE(r))
#define V2I(a, b, m, r) \
	OP(COPY, REG(XMM, a), RM(XMM, b), SZ(0, m), IMM(UB), AT(IA_AVX), \
	   RULE(r))
#define V3(m, r) \
	OP(COPY, REG(XMM, W), NDS(XMM, R), RM(XMM, R), SZ(0, m), AT(IA_AVX), \
	   RULE(r))
#define V3I(m, r) \
	OP(COPY, REG(XMM, W), NDS(XMM, R), RM(XMM, R), SZ(0, m), IMM(UB), \
	   AT(IA_AVX), RULE(r))
#define FP4 PP(V3(X, 0), V3(X, 0), V3(4, 0), V3(8, 0))
#define FP2 PP(V3(X, 0), V3(X, 0), BAD, BAD)
#define P66(...) { BAD, __VA_ARGS__, BAD, BAD }
#define INT P66(V3(X, 0))
#define SHIFT P66(V3(16, 0)) /* the count is always 128 bits */
#define EXT(m) P66(V2(W, R, m, 0, 0))
#define COMIS(m) \
	OP(COPY, REG(XMM, R), RM(XMM, R), SZ(0, m), FL(ALU), AT(IA_AVX))
#define TO_GPR(m) \
	OP(COPY, REG(GPR, W), RM(XMM, R), SZ(Y, m), AT(IA_AVX))
#define FROM_GPR \
	OP(COPY, REG(XMM, W), NDS(XMM, R), RM(GPR, R), SZ(Y, V), AT(IA_AVX))
#define MASK \
	OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(D, 0), AT(IA_AVX))

/* clang-format off */
const struct x86_op x86_vex_0f[256][4] = {
	[0x10] = PP(V2(W, R, X, 0, 0), V2(W, R, X, 0, 0), GRP(VMOVSS_LD),
		    GRP(VMOVSD_LD)),
	[0x11] = PP(V2(R, W, X, 0, 0), V2(R, W, X, 0, 0), GRP(VMOVSS_ST),
		    GRP(VMOVSD_ST)),
	[0x12] = PP(GRP(VMOVLPS),
		    OP(COPY, REG(XMM, W), NDS(XMM, R), MEM(R), SZ(0, 8),
		       AT(IA_AVX), RULE(L0)),
		    V2(W, R, X, 0, 0), V2(W, R, DUP, 0, 0)),
	[0x13] = PP(V2M(R, W, 8, 0, L0), V2M(R, W, 8, 0, L0), BAD, BAD),
	[0x14] = FP2,
	[0x15] = FP2,
	[0x16] = PP(GRP(VMOVHPS),
		    OP(COPY, REG(XMM, W), NDS(XMM, R), MEM(R), SZ(0, 8),
		       AT(IA_AVX), RULE(L0)),
		    V2(W, R, X, 0, 0), BAD),
	[0x17] = PP(V2M(R, W, 8, 0, L0), V2M(R, W, 8, 0, L0), BAD, BAD),
	[0x28] = PP(V2(W, R, X, AL, 0), V2(W, R, X, AL, 0), BAD, BAD),
	[0x29] = PP(V2(R, W, X, AL, 0), V2(R, W, X, AL, 0), BAD, BAD),
	[0x2a] = PP(BAD, BAD, FROM_GPR, FROM_GPR),
	[0x2b] = PP(V2M(R, W, X, AL, 0), V2M(R, W, X, AL, 0), BAD, BAD),
	[0x2c] = PP(BAD, BAD, TO_GPR(4), TO_GPR(8)),
	[0x2d] = PP(BAD, BAD, TO_GPR(4), TO_GPR(8)),
	[0x2e] = PP(COMIS(4), COMIS(8), BAD, BAD),
	[0x2f] = PP(COMIS(4), COMIS(8), BAD, BAD),
	[0x50] = PP(MASK, MASK, BAD, BAD),
	[0x51] = PP(V2(W, R, X, 0, 0), V2(W, R, X, 0, 0), V3(4, 0), V3(8, 0)),
	[0x52] = PP(V2(W, R, X, 0, 0), BAD, V3(4, 0), BAD),
	[0x53] = PP(V2(W, R, X, 0, 0), BAD, V3(4, 0), BAD),
	[0x54] = FP2,
	[0x55] = FP2,
	[0x56] = FP2,
	[0x57] = FP2,
	[0x58] = FP4,
	[0x59] = FP4,
	[0x5a] = PP(V2(W, R, X2, 0, 0), V2(W, R, X, 0, 0), V3(4, 0), V3(8, 0)),
	[0x5b] = PP(V2(W, R, X, 0, 0), V2(W, R, X, 0, 0), V2(W, R, X, 0, 0),
		    BAD),
	[0x5c] = FP4,
	[0x5d] = FP4,
	[0x5e] = FP4,
	[0x5f] = FP4,
	[0x60] = INT,
	[0x61] = INT,
	[0x62] = INT,
	[0x63] = INT,
	[0x64] = INT,
	[0x65] = INT,
	[0x66] = INT,
	[0x67] = INT,
	[0x68] = INT,
	[0x69] = INT,
	[0x6a] = INT,
	[0x6b] = INT,
	[0x6c] = INT,
	[0x6d] = INT,
	[0x6e] = P66(OP(COPY, REG(XMM, W), RM(GPR, R), SZ(Y, V), AT(IA_AVX),
			RULE(L0))),
	[0x6f] = PP(BAD, V2(W, R, X, AL, 0), V2(W, R, X, 0, 0), BAD),
	[0x70] = PP(BAD, V2I(W, R, X, 0), V2I(W, R, X, 0), V2I(W, R, X, 0)),
	[0x71] = P66(GRP(V71)),
	[0x72] = P66(GRP(V72)),
	[0x73] = P66(GRP(V73)),
	[0x74] = INT,
	[0x75] = INT,
	[0x76] = INT,
	/* VZEROUPPER, VZEROALL */
	[0x77] = PP(OP(COPY, SZ(0, 0), AT(IA_AVX | IA_XMM_IMPL)), BAD, BAD,
		    BAD),
	[0x7c] = PP(BAD, V3(X, 0), BAD, V3(X, 0)),
	[0x7d] = PP(BAD, V3(X, 0), BAD, V3(X, 0)),
	[0x7e] = PP(BAD, OP(COPY, REG(XMM, R), RM(GPR, W), SZ(Y, V),
			    AT(IA_AVX), RULE(L0)), V2(W, R, 8, 0, L0), BAD),
	[0x7f] = PP(BAD, V2(R, W, X, AL, 0), V2(R, W, X, 0, 0), BAD),
	[0xae] = PP(GRP(VAE), BAD, BAD, BAD),
	[0xc2] = PP(V3I(X, 0), V3I(X, 0), V3I(4, 0), V3I(8, 0)),
	[0xc4] = P66(OP(COPY, REG(XMM, W), NDS(XMM, R), RM(GPR, R), SZ(D, 2),
			IMM(UB), AT(IA_AVX), RULE(L0))),
	[0xc5] = P66(OP(COPY, REG(GPR, W), RMREG(XMM, R), SZ(D, 0), IMM(UB),
			AT(IA_AVX), RULE(L0))),
	[0xc6] = PP(V3I(X, 0), V3I(X, 0), BAD, BAD),
	[0xd0] = PP(BAD, V3(X, 0), BAD, V3(X, 0)),
	[0xd1] = SHIFT,
	[0xd2] = SHIFT,
	[0xd3] = SHIFT,
	[0xd4] = INT,
	[0xd5] = INT,
	[0xd6] = P66(V2(R, W, 8, 0, L0)),
	[0xd7] = P66(MASK),
	[0xd8] = INT,
	[0xd9] = INT,
	[0xda] = INT,
	[0xdb] = INT,
	[0xdc] = INT,
	[0xdd] = INT,
	[0xde] = INT,
	[0xdf] = INT,
	[0xe0] = INT,
	[0xe1] = SHIFT,
	[0xe2] = SHIFT,
	[0xe3] = INT,
	[0xe4] = INT,
	[0xe5] = INT,
	[0xe6] = PP(BAD, V2(W, R, X, 0, 0), V2(W, R, X2, 0, 0),
		    V2(W, R, X, 0, 0)),
	[0xe7] = P66(V2M(R, W, X, AL, 0)),
	[0xe8] = INT,
	[0xe9] = INT,
	[0xea] = INT,
	[0xeb] = INT,
	[0xec] = INT,
	[0xed] = INT,
	[0xee] = INT,
	[0xef] = INT,
	[0xf0] = PP(BAD, BAD, BAD, V2M(W, R, X, 0, 0)),
	[0xf1] = SHIFT,
	[0xf2] = SHIFT,
	[0xf3] = SHIFT,
	[0xf4] = INT,
	[0xf5] = INT,
	[0xf6] = INT,
	[0xf7] = P66(OP(MASKMOV, REG(XMM, R), RMREG(XMM, R), SZ(0, 16),
			IMPL(DI), AT(IA_AVX), RULE(L0))),
	[0xf8] = INT,
	[0xf9] = INT,
	[0xfa] = INT,
	[0xfb] = INT,
	[0xfc] = INT,
	[0xfd] = INT,
	[0xfe] = INT,
};

#define TEST(r) \
	P66(OP(COPY, REG(XMM, R), RM(XMM, R), SZ(0, X), FL(ALU), AT(IA_AVX), \
	       RULE(r)))
/* The mask is read, elements it leaves out are not touched and do not fault. */
#define MASKLD(r) \
	P66(OP(VMASKMOV, REG(XMM, W), NDS(XMM, R), MEM(R), SZ(0, X), \
	       AT(IA_AVX), RULE(r)))
#define MASKST(r) \
	P66(OP(VMASKMOV, REG(XMM, R), NDS(XMM, R), MEM(W), SZ(0, X), \
	       AT(IA_AVX), RULE(r)))
#define GATHER \
	P66(OP(VSIB, REG(XMM, RW), NDS(XMM, RW), MEM(R), SZ(0, SW), \
	       AT(IA_AVX), FIX(GATHER)))
#define FMA(m) \
	P66(OP(COPY, REG(XMM, RW), NDS(XMM, R), RM(XMM, R), SZ(0, m), \
	       AT(IA_AVX)))
/* VFMADDSUB SUBADD; VFMADD VFMSUB VFNMADD VFNMSUB packed and scalar */
#define FMA_ROW(o) \
	[o] = FMA(X), [(o) + 1] = FMA(X), \
	[(o) + 2] = FMA(X), [(o) + 3] = FMA(SW), \
	[(o) + 4] = FMA(X), [(o) + 5] = FMA(SW), \
	[(o) + 6] = FMA(X), [(o) + 7] = FMA(SW), \
	[(o) + 8] = FMA(X), [(o) + 9] = FMA(SW)
/* BMI: general registers, no AVX state. Third operand in vvvv or modrm.rm */
#define BMI(fl, ...) \
	OP(COPY, REG(GPR, W), NDS(GPR, R), RM(GPR, R), SZ(Y, V), FL(fl), \
	   RULE(L0), __VA_ARGS__)

const struct x86_op x86_vex_0f38[256][4] = {
	[0x00] = INT,
	[0x01] = INT,
	[0x02] = INT,
	[0x03] = INT,
	[0x04] = INT,
	[0x05] = INT,
	[0x06] = INT,
	[0x07] = INT,
	[0x08] = INT,
	[0x09] = INT,
	[0x0a] = INT,
	[0x0b] = INT,
	[0x0c] = P66(V3(X, W0)),
	[0x0d] = P66(V3(X, W0)),
	[0x0e] = TEST(W0),
	[0x0f] = TEST(W0),
	[0x13] = P66(V2(W, R, X2, 0, W0)), /* VCVTPH2PS */
	[0x16] = P66(V3(X, L1 | W0)),
	[0x17] = TEST(0),
	[0x18] = P66(V2(W, R, 4, 0, W0)), /* VBROADCASTSS SD F128 */
	[0x19] = P66(V2(W, R, 8, 0, L1 | W0)),
	[0x1a] = P66(V2M(W, R, 16, 0, L1 | W0)),
	[0x1c] = P66(V2(W, R, X, 0, 0)),
	[0x1d] = P66(V2(W, R, X, 0, 0)),
	[0x1e] = P66(V2(W, R, X, 0, 0)),
	[0x20] = EXT(X2),
	[0x21] = EXT(X4),
	[0x22] = EXT(X8),
	[0x23] = EXT(X2),
	[0x24] = EXT(X4),
	[0x25] = EXT(X2),
	[0x28] = INT,
	[0x29] = INT,
	[0x2a] = P66(V2M(W, R, X, AL, 0)),
	[0x2b] = INT,
	[0x2c] = MASKLD(W0),
	[0x2d] = MASKLD(W0),
	[0x2e] = MASKST(W0),
	[0x2f] = MASKST(W0),
	[0x30] = EXT(X2),
	[0x31] = EXT(X4),
	[0x32] = EXT(X8),
	[0x33] = EXT(X2),
	[0x34] = EXT(X4),
	[0x35] = EXT(X2),
	[0x36] = P66(V3(X, L1 | W0)),
	[0x37] = INT,
	[0x38] = INT,
	[0x39] = INT,
	[0x3a] = INT,
	[0x3b] = INT,
	[0x3c] = INT,
	[0x3d] = INT,
	[0x3e] = INT,
	[0x3f] = INT,
	[0x40] = INT,
	[0x41] = P66(V2(W, R, 16, 0, L0)),
	[0x45] = INT,
	[0x46] = P66(V3(X, W0)),
	[0x47] = INT,
	[0x58] = P66(V2(W, R, 4, 0, W0)), /* VPBROADCASTD Q, VBROADCASTI128 */
	[0x59] = P66(V2(W, R, 8, 0, W0)),
	[0x5a] = P66(V2M(W, R, 16, 0, L1 | W0)),
	[0x78] = P66(V2(W, R, 1, 0, W0)),
	[0x79] = P66(V2(W, R, 2, 0, W0)),
	[0x8c] = MASKLD(0),
	[0x8e] = MASKST(0),
	[0x90] = GATHER,
	[0x91] = GATHER,
	[0x92] = GATHER,
	[0x93] = GATHER,
	FMA_ROW(0x96),
	FMA_ROW(0xa6),
	FMA_ROW(0xb6),
	[0xcf] = P66(V3(X, W0)), /* VGF2P8MULB */
	[0xdb] = P66(V2(W, R, 16, 0, L0)), /* VAESIMC ENC ENCLAST DEC DECLAST */
	[0xdc] = INT,
	[0xdd] = INT,
	[0xde] = INT,
	[0xdf] = INT,
	[0xf2] = PP(BMI(BLS), BAD, BAD, BAD), /* ANDN */
	[0xf3] = PP(GRP(V38F3), BAD, BAD, BAD),
	[0xf5] = PP(BMI(BLS), BAD, BMI(NONE), BMI(NONE)), /* BZHI PEXT PDEP */
	[0xf6] = PP(BAD, BAD, BAD,
		    OP(COPY, REG(GPR, W), NDS(GPR, W), RM(GPR, R), SZ(Y, V),
		       IMPL(R_D), RULE(L0))), /* MULX */
	/* BEXTR SHLX SARX SHRX */
	[0xf7] = PP(BMI(BEXTR), BMI(NONE), BMI(NONE), BMI(NONE)),
};

#define IS4 \
	P66(OP(COPY, REG(XMM, W), NDS(XMM, R), RM(XMM, R), SZ(0, X), IMM(UB), \
	       AT(IA_AVX | IA_IS4), RULE(W0)))
#define PEXTR(o, m) \
	P66(OP(COPY, RM(GPR, W), REG(XMM, R), SZ(o, m), IMM(UB), AT(IA_AVX), \
	       RULE(L0)))
#define PINSR(o, m) \
	P66(OP(COPY, REG(XMM, W), NDS(XMM, R), RM(GPR, R), SZ(o, m), IMM(UB), \
	       AT(IA_AVX), RULE(L0)))
/* DEVIATES: W outside of 64-bit mode is #UD, as on AMD; Intel ignores it. */
#define PEXTRQ \
	P66(OP(COPY, RM(GPR, W), REG(XMM, R), SZ(Y, V), IMM(UB), AT(IA_AVX), \
	       RULE(L0), FIX(W_64)))
#define PINSRQ \
	P66(OP(COPY, REG(XMM, W), NDS(XMM, R), RM(GPR, R), SZ(Y, V), IMM(UB), \
	       AT(IA_AVX), RULE(L0), FIX(W_64)))
#define PCMPSTR(oz, im, at) \
	P66(OP(COPY, REG(XMM, R), RM(XMM, R), SZ(oz, 16), IMM(UB), FL(ALU), \
	       IMPL(im), AT(IA_AVX | (at)), RULE(L0)))

const struct x86_op x86_vex_0f3a[256][4] = {
	/* VPERMQ, VPERMPD. DEVIATES: AMD executes W0, against its manual. */
	[0x00] = P66(V2I(W, R, X, L1 | W1)),
	[0x01] = P66(V2I(W, R, X, L1 | W1)),
	[0x02] = P66(V3I(X, W0)), /* VPBLENDD */
	[0x04] = P66(V2I(W, R, X, W0)), /* VPERMILPS, PD */
	[0x05] = P66(V2I(W, R, X, W0)),
	[0x06] = P66(V3I(X, L1 | W0)), /* VPERM2F128 */
	[0x08] = P66(V2I(W, R, X, 0)), /* VROUNDPS PD SS SD */
	[0x09] = P66(V2I(W, R, X, 0)),
	[0x0a] = P66(V3I(4, 0)),
	[0x0b] = P66(V3I(8, 0)),
	[0x0c] = P66(V3I(X, 0)),
	[0x0d] = P66(V3I(X, 0)),
	[0x0e] = P66(V3I(X, 0)),
	[0x0f] = P66(V3I(X, 0)),
	[0x14] = PEXTR(D, 1),
	[0x15] = PEXTR(D, 2),
	[0x16] = PEXTRQ,
	[0x17] = PEXTR(D, 4),
	[0x18] = P66(V3I(16, L1 | W0)), /* VINSERTF128, VEXTRACTF128 */
	[0x19] = P66(V2I(R, W, 16, L1 | W0)),
	[0x1d] = P66(V2I(R, W, X2, W0)), /* VCVTPS2PH */
	[0x20] = PINSR(D, 1),
	[0x21] = P66(V3I(4, L0)),
	[0x22] = PINSRQ,
	[0x38] = P66(V3I(16, L1 | W0)), /* VINSERTI128, VEXTRACTI128 */
	[0x39] = P66(V2I(R, W, 16, L1 | W0)),
	[0x40] = P66(V3I(X, 0)),
	[0x41] = P66(V3I(16, L0)),
	[0x42] = P66(V3I(X, 0)),
	[0x44] = P66(V3I(X, 0)), /* VPCLMULQDQ */
	[0x46] = P66(V3I(X, L1 | W0)), /* VPERM2I128 */
	[0x4a] = IS4, /* VBLENDVPS, PD, VPBLENDVB */
	[0x4b] = IS4,
	[0x4c] = IS4,
	[0x60] = PCMPSTR(Y, R_A_D, IA_XMM_IMPL),
	[0x61] = PCMPSTR(Y, PCMPESTRI, 0),
	[0x62] = PCMPSTR(0, NONE, IA_XMM_IMPL),
	[0x63] = PCMPSTR(0, W_C, 0),
	[0xce] = P66(V3I(X, W1)),
	[0xcf] = P66(V3I(X, W1)),
	[0xdf] = P66(V2I(W, R, 16, L0)),
	[0xf0] = PP(BAD, BAD, BAD,
		    OP(COPY, REG(GPR, W), RM(GPR, R), SZ(Y, V), IMM(UB),
		       RULE(L0))), /* RORX */
};
