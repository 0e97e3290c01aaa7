/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes.c - the one-byte opcode map, and the rows that tables of all maps
 * point to: flags and implicit registers. SDM 2 appendix A.3 "One, Two, and
 * Three-Byte Opcode Maps", SDM 1 appendix A "EFLAGS Cross-Reference".
 */
#include "x86/opcodes.h"

#define CF FLAG_CF
#define PF FLAG_PF
#define AF FLAG_AF
#define ZF FLAG_ZF
#define SF FLAG_SF
#define OF FLAG_OF
#define ALL FLAG_ARITH

/*
 * Read, written, maybe. Flags that the manuals call undefined are written
 * and maybe: silicon may keep the old value, so nobody may treat the old one
 * as dead.
 */
/* clang-format off */
const struct x86_flags x86_flags_tab[FL_COUNT] = {
	[FL_CC_O] = { OF, 0, 0 },
	[FL_CC_B] = { CF, 0, 0 },
	[FL_CC_Z] = { ZF, 0, 0 },
	[FL_CC_BE] = { CF | ZF, 0, 0 },
	[FL_CC_S] = { SF, 0, 0 },
	[FL_CC_P] = { PF, 0, 0 },
	[FL_CC_L] = { SF | OF, 0, 0 },
	[FL_CC_LE] = { ZF | SF | OF, 0, 0 },
	[FL_ALU] = { 0, ALL, 0 },
	[FL_ADC] = { CF, ALL, 0 },
	[FL_LOGIC] = { 0, ALL, AF },
	[FL_INC] = { 0, ALL & ~CF, 0 },
	[FL_SHIFT] = { 0, ALL, AF },
	[FL_ROT] = { 0, CF | OF, 0 },
	[FL_RCX] = { CF, CF | OF, 0 },
	[FL_MUL] = { 0, ALL, SF | ZF | AF | PF },
	[FL_UNDEF] = { 0, ALL, ALL },
	[FL_BT] = { 0, ALL & ~ZF, OF | SF | AF | PF },
	[FL_BSF] = { 0, ALL, ALL & ~ZF },
	[FL_ZF] = { 0, ZF, 0 },
	[FL_CF] = { 0, CF, 0 },
	[FL_CMC] = { CF, CF, 0 },
	[FL_SAHF] = { 0, ALL & ~OF, 0 },
	[FL_LAHF] = { ALL & ~OF, 0, 0 },
	[FL_LZCNT] = { 0, ALL, OF | SF | PF | AF },
	[FL_BLS] = { 0, ALL, AF | PF },
	[FL_BEXTR] = { 0, ALL, AF | SF | PF },
	[FL_ADOX] = { OF, OF, 0 },
	[FL_DAA] = { CF | AF, ALL, OF },
	[FL_AAA] = { AF, ALL, OF | SF | ZF | PF },
	[FL_AAM] = { 0, ALL, OF | AF | CF },
	[FL_RD_CF] = { CF, 0, 0 },
	[FL_RD_OF] = { OF, 0, 0 },
	[FL_RD_ALL] = { ALL, 0, 0 },
	[FL_WR_ALL] = { 0, ALL, 0 },
	/* Nothing is written when an unmasked invalid operation is pending. */
	[FL_FCOMI] = { 0, ALL, ALL },
	[FL_SYSCALL] = { ALL, ALL, ALL },
};

#define A BIT(X86_RAX)
#define B BIT(X86_RBX)
#define C BIT(X86_RCX)
#define D BIT(X86_RDX)
#define SP BIT(X86_RSP)
#define BP BIT(X86_RBP)
#define SI BIT(X86_RSI)
#define DI BIT(X86_RDI)

const struct x86_impl x86_impl_tab[IM_COUNT] = {
	[IM_R_A] = { A, 0 },
	[IM_W_A] = { 0, A },
	[IM_A] = { A, A },
	[IM_R_C] = { C, 0 },
	[IM_C] = { C, C },
	[IM_W_C] = { 0, C },
	[IM_R_D] = { D, 0 },
	[IM_W_D] = { 0, D },
	[IM_A_WD] = { A, A | D },
	[IM_A_D] = { A | D, A | D },
	[IM_RA_WD] = { A, D },
	[IM_SP] = { SP, SP },
	[IM_SP_BP] = { SP | BP, SP | BP },
	[IM_LEAVE] = { BP, SP | BP },
	[IM_PUSHA] = { 0xff, SP },
	[IM_POPA] = { SP, 0xff },
	[IM_MOVS] = { SI | DI, SI | DI },
	[IM_CMPS] = { SI | DI, SI | DI },
	[IM_STOS] = { A | DI, DI },
	[IM_LODS] = { SI, A | SI },
	[IM_SCAS] = { A | DI, DI },
	[IM_INS] = { D | DI, DI },
	[IM_OUTS] = { D | SI, SI },
	[IM_XLAT] = { A | B, A },
	[IM_IN_DX] = { D, A },
	[IM_OUT_DX] = { A | D, 0 },
	[IM_CPUID] = { A | C, A | B | C | D },
	[IM_RDTSC] = { 0, A | D },
	[IM_RDTSCP] = { 0, A | C | D },
	[IM_RDMSR] = { C, A | D },
	[IM_WRMSR] = { A | C | D, 0 },
	[IM_XSAVE] = { A | D, 0 },
	[IM_CMPXCHG8B] = { A | B | C | D, A | D },
	[IM_SYSCALL] = { 0, C | BIT(X86_R11) },
	[IM_SYSRET] = { C | BIT(X86_R11), 0 },
	[IM_SYSEXIT] = { C | D, SP },
	[IM_PCMPESTRI] = { A | D, C },
	[IM_R_A_D] = { A | D, 0 },
	[IM_DI] = { DI, 0 },
	/* Hypercalls define their own; KVM's take these. */
	[IM_VMCALL] = { A | B | C | D | SI | DI, A },
};

#undef A
#undef B
#undef C
#undef D

/* ADD OR ADC SBB AND SUB XOR CMP: six forms at opcodes o to o + 5. */
#define ALU(o, acc, fl, a) \
	[o] = OP(COPY, RM(GPR8, acc), REG(GPR8, R), SZ(B, 1), FL(fl), AT(a)), \
	[(o) + 1] = OP(COPY, RM(GPR, acc), REG(GPR, R), SZ(V, V), FL(fl), \
		       AT(a)), \
	[(o) + 2] = OP(COPY, REG(GPR8, acc), RM(GPR8, R), SZ(B, 1), FL(fl)), \
	[(o) + 3] = OP(COPY, REG(GPR, acc), RM(GPR, R), SZ(V, V), FL(fl)), \
	[(o) + 4] = OP(COPY, SZ(B, 0), IMM(B), FL(fl), \
		       IMPL(ALU_IMPL_##acc)), \
	[(o) + 5] = OP(COPY, SZ(V, 0), IMM(Z), FL(fl), IMPL(ALU_IMPL_##acc))
#define IM_ALU_IMPL_RW IM_A
#define IM_ALU_IMPL_R IM_R_A

#define LK IA_LOCK_OK
#define STK (IA_STACK | IA_IMPL_RSP)
#define PUSH_SREG \
	OP(PUSH_SREG, REG(SREG, R), SZ(S, 0), IMPL(SP), NO64, AT(STK), \
	   FIX(OPCODE_SREG))
#define POP_SREG \
	OP(POP_SREG, REG(SREG, W), SZ(S, 0), IMPL(SP), NO64, AT(STK), \
	   FIX(OPCODE_SREG))
#define JCC(o, cc) \
	[o] = OP(JCC, SZ(N, 0), IMM(B), FL(CC_##cc)), \
	[(o) + 1] = OP(JCC, SZ(N, 0), IMM(B), FL(CC_##cc))

const struct x86_op x86_map_1[256] = {
	ALU(0x00, RW, ALU, LK),
	[0x06] = PUSH_SREG,
	[0x07] = POP_SREG,
	ALU(0x08, RW, LOGIC, LK),
	[0x0e] = PUSH_SREG,
	ALU(0x10, RW, ADC, LK),
	[0x16] = PUSH_SREG,
	[0x17] = POP_SREG,
	ALU(0x18, RW, ADC, LK),
	[0x1e] = PUSH_SREG,
	[0x1f] = POP_SREG,
	ALU(0x20, RW, LOGIC, LK),
	[0x27] = OP(BCD, SZ(B, 0), FL(DAA), IMPL(A), NO64),
	ALU(0x28, RW, ALU, LK),
	[0x2f] = OP(BCD, SZ(B, 0), FL(DAA), IMPL(A), NO64),
	ALU(0x30, RW, LOGIC, LK),
	[0x37] = OP(BCD, SZ(B, 0), FL(AAA), IMPL(A), NO64),
	ALU(0x38, R, ALU, 0),
	[0x3f] = OP(BCD, SZ(B, 0), FL(AAA), IMPL(A), NO64),
	/* In 64-bit mode 40-4F are REX prefixes and never get here. */
	EIGHT(0x40, OP(COPY, REG(GPR, RW), SZ(V, 0), FL(INC), NO64,
		       AT(IA_OPREG))),
	EIGHT(0x48, OP(COPY, REG(GPR, RW), SZ(V, 0), FL(INC), NO64,
		       AT(IA_OPREG))),
	EIGHT(0x50, OP(PUSH, REG(GPR, R), SZ(S, 0), IMPL(SP),
		       AT(IA_OPREG | STK))),
	EIGHT(0x58, OP(POP, REG(GPR, W), SZ(S, 0), IMPL(SP),
		       AT(IA_OPREG | STK))),
	[0x60] = OP(PUSHA, SZ(V, 0), IMPL(PUSHA), NO64, AT(IA_IMPL_RSP)),
	[0x61] = OP(POPA, SZ(V, 0), IMPL(POPA), NO64, AT(IA_IMPL_RSP)),
	[0x62] = OP(BOUND, REG(GPR, R), MEM(R), SZ(V, 2V), NO64),
	[0x63] = GRP(63),
	[0x68] = OP(PUSH, SZ(S, 0), IMM(Z), IMPL(SP), AT(STK)),
	[0x69] = OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, V), IMM(Z), FL(MUL)),
	[0x6a] = OP(PUSH, SZ(S, 0), IMM(B), IMPL(SP), AT(STK)),
	[0x6b] = OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, V), IMM(B), FL(MUL)),
	[0x6c] = OP(INS_OUTS, SZ(B, 1), IMPL(INS), AT(IA_REP_OK), FIX(STRING)),
	[0x6d] = OP(INS_OUTS, SZ(Z, V), IMPL(INS), AT(IA_REP_OK), FIX(STRING)),
	[0x6e] = OP(INS_OUTS, SZ(B, 1), IMPL(OUTS), AT(IA_REP_OK), FIX(STRING)),
	[0x6f] = OP(INS_OUTS, SZ(Z, V), IMPL(OUTS), AT(IA_REP_OK), FIX(STRING)),
	JCC(0x70, O), JCC(0x72, B), JCC(0x74, Z), JCC(0x76, BE),
	JCC(0x78, S), JCC(0x7a, P), JCC(0x7c, L), JCC(0x7e, LE),
	[0x80] = GRP(80),
	[0x81] = GRP(81),
	[0x82] = OP(COPY, .link = G_80, NO64),
	[0x83] = GRP(83),
	[0x84] = OP(COPY, RM(GPR8, R), REG(GPR8, R), SZ(B, 1), FL(LOGIC)),
	[0x85] = OP(COPY, RM(GPR, R), REG(GPR, R), SZ(V, V), FL(LOGIC)),
	[0x86] = OP(COPY, RM(GPR8, RW), REG(GPR8, RW), SZ(B, 1), AT(LK)),
	[0x87] = OP(COPY, RM(GPR, RW), REG(GPR, RW), SZ(V, V), AT(LK)),
	[0x88] = OP(COPY, RM(GPR8, W), REG(GPR8, R), SZ(B, 1)),
	[0x89] = OP(COPY, RM(GPR, W), REG(GPR, R), SZ(V, V)),
	[0x8a] = OP(COPY, REG(GPR8, W), RM(GPR8, R), SZ(B, 1)),
	[0x8b] = OP(COPY, REG(GPR, W), RM(GPR, R), SZ(V, V)),
	[0x8c] = OP(MOV_FROM_SREG, RM(GPR, W), REG(SREG, R), SZ(V, 2),
		    FIX(SREG)),
	[0x8d] = OP(COPY, REG(GPR, W), MEM(N), SZ(V, 0), AT(IA_NOACCESS)),
	[0x8e] = OP(MOV_TO_SREG, REG(SREG, W), RM(GPR, R), SZ(V, 2),
		    FIX(LOAD_SREG)),
	[0x8f] = GRP(8F),
	EIGHT(0x90, OP(COPY, REG(GPR, RW), SZ(V, 0), IMPL(A), AT(IA_OPREG),
		       FIX(NOP))),
	[0x98] = OP(COPY, SZ(V, 0), IMPL(A)),
	[0x99] = OP(COPY, SZ(V, 0), IMPL(RA_WD)),
	[0x9a] = OP(CALL_FAR, SZ(Z, 0), IMM(FAR), IMPL(SP), NO64,
		    AT(IA_IMPL_RSP)),
	[0x9b] = OP(COPY, SZ(0, 0), AT(IA_X87)),
	[0x9c] = OP(PUSHF, SZ(S, 0), FL(RD_ALL), IMPL(SP), AT(STK)),
	[0x9d] = OP(POPF, SZ(S, 0), FL(WR_ALL), IMPL(SP), AT(STK)),
	[0x9e] = OP(COPY, FL(SAHF), IMPL(R_A)),
	[0x9f] = OP(COPY, FL(LAHF), IMPL(A)),
	[0xa0] = OP(COPY, REG(GPR8, W), SZ(B, 1), IMM(MOFFS), AT(IA_MOFFS)),
	[0xa1] = OP(COPY, REG(GPR, W), SZ(V, V), IMM(MOFFS), AT(IA_MOFFS)),
	[0xa2] = OP(COPY, REG(GPR8, R), SZ(B, 1), IMM(MOFFS), AT(IA_MOFFS)),
	[0xa3] = OP(COPY, REG(GPR, R), SZ(V, V), IMM(MOFFS), AT(IA_MOFFS)),
	[0xa4] = OP(STRING, SZ(B, 1), IMPL(MOVS), AT(IA_REP_OK), FIX(STRING)),
	[0xa5] = OP(STRING, SZ(V, V), IMPL(MOVS), AT(IA_REP_OK), FIX(STRING)),
	[0xa6] = OP(STRING, SZ(B, 1), FL(ALU), IMPL(CMPS), AT(IA_REP_OK),
		    FIX(STRING)),
	[0xa7] = OP(STRING, SZ(V, V), FL(ALU), IMPL(CMPS), AT(IA_REP_OK),
		    FIX(STRING)),
	[0xa8] = OP(COPY, SZ(B, 0), IMM(B), FL(LOGIC), IMPL(R_A)),
	[0xa9] = OP(COPY, SZ(V, 0), IMM(Z), FL(LOGIC), IMPL(R_A)),
	[0xaa] = OP(STRING, SZ(B, 1), IMPL(STOS), AT(IA_REP_OK), FIX(STRING)),
	[0xab] = OP(STRING, SZ(V, V), IMPL(STOS), AT(IA_REP_OK), FIX(STRING)),
	[0xac] = OP(STRING, SZ(B, 1), IMPL(LODS), AT(IA_REP_OK), FIX(STRING)),
	[0xad] = OP(STRING, SZ(V, V), IMPL(LODS), AT(IA_REP_OK), FIX(STRING)),
	[0xae] = OP(STRING, SZ(B, 1), FL(ALU), IMPL(SCAS), AT(IA_REP_OK),
		    FIX(STRING)),
	[0xaf] = OP(STRING, SZ(V, V), FL(ALU), IMPL(SCAS), AT(IA_REP_OK),
		    FIX(STRING)),
	EIGHT(0xb0, OP(COPY, REG(GPR8, W), SZ(B, 0), IMM(UB), AT(IA_OPREG))),
	EIGHT(0xb8, OP(COPY, REG(GPR, W), SZ(V, 0), IMM(V), AT(IA_OPREG))),
	[0xc0] = GRP(C0),
	[0xc1] = GRP(C1),
	[0xc2] = OP(RET, SZ(N, 0), IMM(UW), IMPL(SP), AT(IA_IMPL_RSP)),
	[0xc3] = OP(RET, SZ(N, 0), IMPL(SP), AT(IA_IMPL_RSP)),
	/* In 64-bit mode, and with mod 3, C4 and C5 are VEX prefixes. */
	[0xc4] = OP(LOAD_FAR_PTR, REG(GPR, W), MEM(R), SZ(Z, PTR), NO64),
	[0xc5] = OP(LOAD_FAR_PTR, REG(GPR, W), MEM(R), SZ(Z, PTR), NO64),
	[0xc6] = GRP(C6),
	[0xc7] = GRP(C7),
	[0xc8] = OP(ENTER, SZ(S, 0), IMM(ENTER), IMPL(SP_BP), AT(STK)),
	[0xc9] = OP(LEAVE, SZ(S, 0), IMPL(LEAVE), AT(STK)),
	[0xca] = OP(RET_FAR, SZ(V, 0), IMM(UW), IMPL(SP), AT(IA_IMPL_RSP)),
	[0xcb] = OP(RET_FAR, SZ(V, 0), IMPL(SP), AT(IA_IMPL_RSP)),
	[0xcc] = OP(INT3, FL(RD_ALL)),
	[0xcd] = OP(INT, IMM(UB), FL(RD_ALL)),
	[0xce] = OP(INTO, FL(RD_ALL), NO64),
	[0xcf] = OP(IRET, SZ(V, 0), FL(WR_ALL), IMPL(SP), AT(IA_IMPL_RSP)),
	[0xd0] = GRP(D0),
	[0xd1] = GRP(D1),
	[0xd2] = GRP(D2),
	[0xd3] = GRP(D3),
	[0xd4] = OP(BCD, SZ(B, 0), IMM(UB), FL(AAM), IMPL(A), NO64),
	[0xd5] = OP(BCD, SZ(B, 0), IMM(UB), FL(AAM), IMPL(A), NO64),
	[0xd6] = OP(BCD, SZ(B, 0), FL(RD_CF), IMPL(W_A), NO64),
	[0xd7] = OP(XLAT, SZ(B, 1), IMPL(XLAT)),
	[0xd8] = GRP(D8),
	[0xd9] = GRP(D9),
	[0xda] = GRP(DA),
	[0xdb] = GRP(DB),
	[0xdc] = GRP(DC),
	[0xdd] = GRP(DD),
	[0xde] = GRP(DE),
	[0xdf] = GRP(DF),
	[0xe0] = OP(LOOP, SZ(N, 0), IMM(B), FL(CC_Z), IMPL(C)),
	[0xe1] = OP(LOOP, SZ(N, 0), IMM(B), FL(CC_Z), IMPL(C)),
	[0xe2] = OP(LOOP, SZ(N, 0), IMM(B), IMPL(C)),
	[0xe3] = OP(LOOP, SZ(N, 0), IMM(B), IMPL(R_C)),
	[0xe4] = OP(IN_OUT, SZ(B, 0), IMM(UB), IMPL(W_A)),
	[0xe5] = OP(IN_OUT, SZ(Z, 0), IMM(UB), IMPL(W_A)),
	[0xe6] = OP(IN_OUT, SZ(B, 0), IMM(UB), IMPL(R_A)),
	[0xe7] = OP(IN_OUT, SZ(Z, 0), IMM(UB), IMPL(R_A)),
	[0xe8] = OP(CALL, SZ(N, 0), IMM(Z), IMPL(SP), AT(IA_IMPL_RSP)),
	[0xe9] = OP(JMP, SZ(N, 0), IMM(Z)),
	[0xea] = OP(JMP_FAR, SZ(Z, 0), IMM(FAR), NO64),
	[0xeb] = OP(JMP, SZ(N, 0), IMM(B)),
	[0xec] = OP(IN_OUT, SZ(B, 0), IMPL(IN_DX)),
	[0xed] = OP(IN_OUT, SZ(Z, 0), IMPL(IN_DX)),
	[0xee] = OP(IN_OUT, SZ(B, 0), IMPL(OUT_DX)),
	[0xef] = OP(IN_OUT, SZ(Z, 0), IMPL(OUT_DX)),
	[0xf1] = OP(INT1, FL(RD_ALL)),
	[0xf4] = OP(HLT, AT(IA_PRIV)),
	[0xf5] = OP(COPY, FL(CMC)),
	[0xf6] = GRP(F6),
	[0xf7] = GRP(F7),
	[0xf8] = OP(COPY, FL(CF)),
	[0xf9] = OP(COPY, FL(CF)),
	[0xfa] = OP(CLI, .flags = FL_NONE),
	[0xfb] = OP(STI, .flags = FL_NONE),
	[0xfc] = OP(CLD, .flags = FL_NONE),
	[0xfd] = OP(STD, .flags = FL_NONE),
	[0xfe] = GRP(FE),
	[0xff] = GRP(FF),
};
