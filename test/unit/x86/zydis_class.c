/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zydis_class.c - which of Zydis's instructions guests are shown, and what the
 * translator does with them: see zydis_class.h.
 */
#include "zydis_class.h"

/* Instructions that guests are not shown. */
bool oracle_is_hidden(const ZydisDecodedInstruction *z)
{
	switch (z->encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
		break;
	default:
		return true;
	}
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_VMCALL:
	case ZYDIS_MNEMONIC_VMMCALL:
		return false;
	case ZYDIS_MNEMONIC_RSM: /* #UD outside of SMM */
	case ZYDIS_MNEMONIC_FEMMS:
		return true;
	default:
		break;
	}
	if (z->meta.isa_set == ZYDIS_ISA_SET_LWP)
		return true;
	switch (z->meta.isa_ext) {
	case ZYDIS_ISA_EXT_AMD3DNOW:
	case ZYDIS_ISA_EXT_AMD_INVLPGB:
	case ZYDIS_ISA_EXT_AMX_BF16:
	case ZYDIS_ISA_EXT_AMX_INT8:
	case ZYDIS_ISA_EXT_AMX_TILE:
	case ZYDIS_ISA_EXT_AVX512EVEX:
	case ZYDIS_ISA_EXT_AVX512VEX:
	case ZYDIS_ISA_EXT_AVX_VNNI:
	case ZYDIS_ISA_EXT_CET:
	case ZYDIS_ISA_EXT_CLZERO:
	case ZYDIS_ISA_EXT_ENQCMD:
	case ZYDIS_ISA_EXT_FMA4:
	case ZYDIS_ISA_EXT_HRESET:
	case ZYDIS_ISA_EXT_KEYLOCKER:
	case ZYDIS_ISA_EXT_KEYLOCKER_WIDE:
	case ZYDIS_ISA_EXT_KNC:
	case ZYDIS_ISA_EXT_KNCE:
	case ZYDIS_ISA_EXT_KNCV:
	case ZYDIS_ISA_EXT_MCOMMIT:
	case ZYDIS_ISA_EXT_MONITOR:
	case ZYDIS_ISA_EXT_MONITORX:
	case ZYDIS_ISA_EXT_MOVDIR:
	case ZYDIS_ISA_EXT_MPX:
	case ZYDIS_ISA_EXT_PADLOCK:
	case ZYDIS_ISA_EXT_PCONFIG:
	case ZYDIS_ISA_EXT_PKU:
	case ZYDIS_ISA_EXT_PT:
	case ZYDIS_ISA_EXT_RDPRU:
	case ZYDIS_ISA_EXT_RTM:
	case ZYDIS_ISA_EXT_SGX:
	case ZYDIS_ISA_EXT_SGX_ENCLV:
	case ZYDIS_ISA_EXT_SMX:
	case ZYDIS_ISA_EXT_SNP:
	case ZYDIS_ISA_EXT_SSE4A:
	case ZYDIS_ISA_EXT_SVM:
	case ZYDIS_ISA_EXT_TBM:
	case ZYDIS_ISA_EXT_TDX:
	case ZYDIS_ISA_EXT_TSX_LDTRK:
	case ZYDIS_ISA_EXT_UINTR:
	case ZYDIS_ISA_EXT_VMFUNC:
	case ZYDIS_ISA_EXT_VTX:
	case ZYDIS_ISA_EXT_WAITPKG:
	case ZYDIS_ISA_EXT_XOP:
	case ZYDIS_ISA_EXT_XSAVES:
		return true;
	default:
		return false;
	}
}

/* What may not simply be copied, by name; whatever is not here may be. */
static const struct {
	u16 mnemonic;
	u8 cls;
} class_tab[] = {
#define C(m, c)                               \
	{                                     \
		ZYDIS_MNEMONIC_##m, X86_C_##c \
	}
	C(NOP, NOP),
	C(PAUSE, PAUSE),
	C(PREFETCH, NOP),
	C(PREFETCHNTA, NOP),
	C(PREFETCHT0, NOP),
	C(PREFETCHT1, NOP),
	C(PREFETCHT2, NOP),
	C(PREFETCHW, NOP),
	C(PREFETCHWT1, NOP),
	C(ENDBR32, NOP),
	C(ENDBR64, NOP),
	C(CLDEMOTE, NOP),
	C(JB, JCC),
	C(JBE, JCC),
	C(JL, JCC),
	C(JLE, JCC),
	C(JNB, JCC),
	C(JNBE, JCC),
	C(JNL, JCC),
	C(JNLE, JCC),
	C(JNO, JCC),
	C(JNP, JCC),
	C(JNS, JCC),
	C(JNZ, JCC),
	C(JO, JCC),
	C(JP, JCC),
	C(JS, JCC),
	C(JZ, JCC),
	C(JCXZ, LOOP),
	C(JECXZ, LOOP),
	C(JRCXZ, LOOP),
	C(LOOP, LOOP),
	C(LOOPE, LOOP),
	C(LOOPNE, LOOP),
	C(PUSHA, PUSHA),
	C(PUSHAD, PUSHA),
	C(POPA, POPA),
	C(POPAD, POPA),
	C(PUSHF, PUSHF),
	C(PUSHFD, PUSHF),
	C(PUSHFQ, PUSHF),
	C(POPF, POPF),
	C(POPFD, POPF),
	C(POPFQ, POPF),
	C(ENTER, ENTER),
	C(LEAVE, LEAVE),
	C(LDS, LOAD_FAR_PTR),
	C(LES, LOAD_FAR_PTR),
	C(LFS, LOAD_FAR_PTR),
	C(LGS, LOAD_FAR_PTR),
	C(LSS, LOAD_FAR_PTR),
	C(IRET, IRET),
	C(IRETD, IRET),
	C(IRETQ, IRET),
	C(INT, INT),
	C(INT3, INT3),
	C(INTO, INTO),
	C(INT1, INT1),
	C(BOUND, BOUND),
	C(SYSCALL, SYSCALL),
	C(SYSRET, SYSRET),
	C(SYSENTER, SYSENTER),
	C(SYSEXIT, SYSEXIT),
	C(CLI, CLI),
	C(STI, STI),
	C(CLD, CLD),
	C(STD, STD),
	C(CLAC, CLAC),
	C(STAC, STAC),
	C(MOVSB, STRING),
	C(MOVSW, STRING),
	C(MOVSQ, STRING),
	C(CMPSB, STRING),
	C(CMPSW, STRING),
	C(CMPSQ, STRING),
	C(SCASB, STRING),
	C(SCASW, STRING),
	C(SCASD, STRING),
	C(SCASQ, STRING),
	C(LODSB, STRING),
	C(LODSW, STRING),
	C(LODSD, STRING),
	C(LODSQ, STRING),
	C(STOSB, STRING),
	C(STOSW, STRING),
	C(STOSD, STRING),
	C(STOSQ, STRING),
	C(INSB, INS_OUTS),
	C(INSW, INS_OUTS),
	C(INSD, INS_OUTS),
	C(OUTSB, INS_OUTS),
	C(OUTSW, INS_OUTS),
	C(OUTSD, INS_OUTS),
	C(IN, IN_OUT),
	C(OUT, IN_OUT),
	C(LMSW, LMSW),
	C(CLTS, CLTS),
	C(SMSW, SMSW),
	C(LGDT, LGDT_LIDT),
	C(LIDT, LGDT_LIDT),
	C(SGDT, SGDT_SIDT),
	C(SIDT, SGDT_SIDT),
	C(LLDT, LLDT),
	C(LTR, LTR),
	C(SLDT, SLDT),
	C(STR, STR),
	C(LAR, LAR),
	C(LSL, LSL),
	C(VERR, VERR),
	C(VERW, VERW),
	C(ARPL, ARPL),
	C(INVLPG, INVLPG),
	C(INVPCID, INVPCID),
	C(INVD, INVD),
	C(WBINVD, INVD),
	C(RDMSR, RDMSR),
	C(WRMSR, WRMSR),
	C(RDPMC, RDPMC),
	C(RDTSC, RDTSC),
	C(RDTSCP, RDTSCP),
	C(RDPID, RDPID),
	C(SERIALIZE, SERIALIZE),
	C(CPUID, CPUID),
	C(XGETBV, XGETBV),
	C(XSETBV, XSETBV),
	C(SWAPGS, SWAPGS),
	C(RDFSBASE, FSGSBASE),
	C(RDGSBASE, FSGSBASE),
	C(WRFSBASE, FSGSBASE),
	C(WRGSBASE, FSGSBASE),
	C(HLT, HLT),
	C(VMCALL, VMCALL),
	C(VMMCALL, VMCALL),
	C(XSAVE, XSAVE),
	C(XSAVE64, XSAVE),
	C(XSAVEOPT, XSAVE),
	C(XSAVEOPT64, XSAVE),
	C(XSAVEC, XSAVE),
	C(XSAVEC64, XSAVE),
	C(XRSTOR, XRSTOR),
	C(XRSTOR64, XRSTOR),
	C(FXSAVE, FXSAVE),
	C(FXSAVE64, FXSAVE),
	C(FXRSTOR, FXRSTOR),
	C(FXRSTOR64, FXRSTOR),
	C(FNSTENV, FNSTENV),
	C(FNSAVE, FNSAVE),
	C(FLDENV, FLDENV),
	C(FRSTOR, FRSTOR),
	C(AAA, BCD),
	C(AAS, BCD),
	C(AAM, BCD),
	C(AAD, BCD),
	C(DAA, BCD),
	C(DAS, BCD),
	C(SALC, BCD),
	C(XLAT, XLAT),
	C(MASKMOVQ, MASKMOV),
	C(MASKMOVDQU, MASKMOV),
	C(VMASKMOVDQU, MASKMOV),
	C(VMASKMOVPS, VMASKMOV),
	C(VMASKMOVPD, VMASKMOV),
	C(VPMASKMOVD, VMASKMOV),
	C(VPMASKMOVQ, VMASKMOV),
	C(VGATHERDPD, VSIB),
	C(VGATHERDPS, VSIB),
	C(VGATHERQPD, VSIB),
	C(VGATHERQPS, VSIB),
	C(VPGATHERDD, VSIB),
	C(VPGATHERDQ, VSIB),
	C(VPGATHERQD, VSIB),
	C(VPGATHERQQ, VSIB),
	C(UD0, UD),
	C(UD1, UD),
	C(UD2, UD),
#undef C
};

enum x86_class oracle_class(const ZydisDecodedInstruction *z,
			    const ZydisDecodedOperand *ops)
{
	static u8 by_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1];
	bool far = z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	bool rel = ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
	ZydisRegisterClass c0 = ZydisRegisterGetClass(ops[0].reg.value);
	ZydisRegisterClass c1 = ZydisRegisterGetClass(ops[1].reg.value);

	if (!by_mnemonic[ZYDIS_MNEMONIC_NOP])
		for (size_t i = 0; i < ARRAY_SIZE(class_tab); i++)
			by_mnemonic[class_tab[i].mnemonic] = class_tab[i].cls;
	if (ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
		c0 = ZYDIS_REGCLASS_INVALID;
	if (ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		c1 = ZYDIS_REGCLASS_INVALID;
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_JMP:
		return far ? X86_C_JMP_FAR : rel ? X86_C_JMP : X86_C_JMP_IND;
	case ZYDIS_MNEMONIC_CALL:
		return far ? X86_C_CALL_FAR : rel ? X86_C_CALL : X86_C_CALL_IND;
	case ZYDIS_MNEMONIC_RET:
		return far ? X86_C_RET_FAR : X86_C_RET;
	case ZYDIS_MNEMONIC_PUSH:
		return c0 == ZYDIS_REGCLASS_SEGMENT ? X86_C_PUSH_SREG
						    : X86_C_PUSH;
	case ZYDIS_MNEMONIC_POP:
		return c0 == ZYDIS_REGCLASS_SEGMENT ? X86_C_POP_SREG
						    : X86_C_POP;
	case ZYDIS_MNEMONIC_MOV:
		if (c0 == ZYDIS_REGCLASS_SEGMENT)
			return X86_C_MOV_TO_SREG;
		if (c1 == ZYDIS_REGCLASS_SEGMENT)
			return X86_C_MOV_FROM_SREG;
		if (c0 == ZYDIS_REGCLASS_CONTROL ||
		    c1 == ZYDIS_REGCLASS_CONTROL)
			return X86_C_MOV_CR;
		if (c0 == ZYDIS_REGCLASS_DEBUG || c1 == ZYDIS_REGCLASS_DEBUG)
			return X86_C_MOV_DR;
		return X86_C_COPY;
	case ZYDIS_MNEMONIC_MOVSD: /* two instructions of one name */
	case ZYDIS_MNEMONIC_CMPSD:
		return z->meta.category == ZYDIS_CATEGORY_STRINGOP
			       ? X86_C_STRING
			       : X86_C_COPY;
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY && !rel &&
				       ops[1].type ==
					       ZYDIS_OPERAND_TYPE_REGISTER
			       ? X86_C_BT_MEM
			       : X86_C_COPY;
	default:
		if (by_mnemonic[z->mnemonic])
			return by_mnemonic[z->mnemonic];
		return X86_C_COPY;
	}
}
