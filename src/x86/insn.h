/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn.h - one decoded instruction, and the decoder.
 *
 * The decoder is on the translator's hot path: one pass over the bytes, one
 * table look-up per opcode (src/x86/opcodes.c), no allocation. Zydis and
 * silicon are its oracles in the tests. It knows nothing of CPL, CR0, CR4 and
 * EFLAGS.VM: #GP by IA_PRIV, #NM and #UD by IA_X87 to IA_AVX, and IA_VEX being
 * #UD in real and virtual-8086 mode are left to the engine. SDM 2 chapter 2
 * "Instruction Format", appendix A "Opcode Map".
 */
#ifndef DOPPEL_X86_INSN_H
#define DOPPEL_X86_INSN_H

#include "base/base.h"
#include "x86/regs.h"

#define X86_INSN_MAX 15

/* Code-segment sizes that bytes can be decoded for. */
enum x86_code_size { X86_CODE16 = 2, X86_CODE32 = 4, X86_CODE64 = 8 };

enum x86_map { MAP_1, MAP_0F, MAP_0F38, MAP_0F3A };

/*
 * What the translator does with an instruction. COPY means: unprivileged and
 * harmless, may run as it is once registers and memory operand are
 * substituted; every other class has a handler of its own. The list is by
 * architectural meaning; whether one is done by generated code or in C is the
 * engine's business.
 */
/* clang-format off */
#define X86_CLASSES(X) \
	X(INVALID)  /* #UD: undefined, or hidden from guests (EVEX, XOP, ...) */ \
	X(COPY) \
	X(BT_MEM)   /* BT BTS BTR BTC m, r: the bit offset moves the address */ \
	X(NOP)      /* NOP, hint NOPs, ENDBR, PREFETCH: no effect */ \
	X(PAUSE)    /* another processor is waited for */ \
	X(JMP) X(JCC) X(CALL)           /* direct, relative */ \
	X(JMP_IND) X(CALL_IND)          /* FF /4, FF /2 */ \
	X(RET)                          /* C3, C2 */ \
	X(LOOP)                         /* LOOP, LOOPE, LOOPNE, JCXZ */ \
	X(PUSH) X(POP)                  /* registers, immediates, memory */ \
	X(PUSHA) X(POPA) X(PUSHF) X(POPF) X(ENTER) X(LEAVE) \
	X(PUSH_SREG) X(POP_SREG) X(MOV_FROM_SREG) X(MOV_TO_SREG) \
	X(LOAD_FAR_PTR)                 /* LDS LES LFS LGS LSS */ \
	X(JMP_FAR) X(CALL_FAR) X(RET_FAR) X(IRET) \
	X(INT) X(INT3) X(INTO) X(INT1) X(BOUND) \
	X(SYSCALL) X(SYSRET) X(SYSENTER) X(SYSEXIT) \
	X(CLI) X(STI) X(CLD) X(STD) X(CLAC) X(STAC) \
	X(STRING)                       /* MOVS CMPS SCAS LODS STOS */ \
	X(INS_OUTS) X(IN_OUT) \
	X(MOV_CR) X(MOV_DR) X(LMSW) X(CLTS) X(SMSW) \
	X(LGDT_LIDT) X(SGDT_SIDT) X(LLDT) X(LTR) X(SLDT) X(STR) \
	X(LAR) X(LSL) X(VERR) X(VERW) X(ARPL) \
	X(INVLPG) X(INVPCID) X(INVD)    /* INVD, WBINVD, WBNOINVD */ \
	X(RDMSR) X(WRMSR) X(RDPMC) X(RDTSC) X(RDTSCP) X(RDPID) \
	X(CPUID) X(XGETBV) X(XSETBV) X(SWAPGS) X(FSGSBASE) \
	X(SERIALIZE) \
	X(HLT) X(VMCALL)                /* VMCALL, VMMCALL */ \
	X(XSAVE) X(XRSTOR)              /* also XSAVEOPT, XSAVEC */ \
	X(FXSAVE) X(FXRSTOR) X(FNSTENV) X(FNSAVE) /* these show or hold FIP */ \
	X(FLDENV) X(FRSTOR) \
	X(BCD)                          /* AAA AAS AAM AAD DAA DAS SALC */ \
	X(XLAT) \
	X(MASKMOV)                      /* MASKMOVQ, (V)MASKMOVDQU: [rDI] */ \
	X(VSIB)                         /* gathers */ \
	X(VMASKMOV)                     /* faults by element: VMASKMOVPS.. */ \
	X(UD)                           /* UD0 UD1 UD2: #UD on purpose */
/* clang-format on */

enum x86_class {
#define X(id) X86_C_##id,
	X86_CLASSES(X)
#undef X
		X86_C_COUNT
};

/* What a register field (modrm.reg, modrm.rm with mod 3, VEX.vvvv) names. */
enum x86_regkind {
	RK_NONE,
	RK_GPR, /* 16, 32 or 64 bits */
	RK_GPR8, /* without any REX 4-7 are AH CH DH BH */
	RK_XMM, /* or YMM */
	RK_MMX,
	RK_SREG,
	RK_CR,
	RK_DR,
	RK_ST, /* x87 */
};

/* Accesses to an operand. */
#define ACC_R BIT(0)
#define ACC_W BIT(1)
#define ACC_RW (ACC_R | ACC_W)

/* Legacy prefixes seen. */
#define PFX_66 BIT(0)
#define PFX_67 BIT(1)
#define PFX_LOCK BIT(2)
#define PFX_F3 BIT(3) /* the last of F2 and F3 wins; only one is set */
#define PFX_F2 BIT(4)
#define PFX_SEG BIT(5) /* a segment override that has effect, in .seg */

/* .rex bits, also filled from VEX. */
#define REX_B BIT(0)
#define REX_X BIT(1)
#define REX_R BIT(2)
#define REX_W BIT(3) /* not where VEX.W would mean 64 bits in 32-bit code */

#define X86_BASE_NONE 0xff
#define X86_BASE_RIP 0x10

/* .attr bits */
#define IA_MODRM BIT(0)
#define IA_MEM BIT(1) /* has a modrm memory operand (mod != 3) */
#define IA_NOACCESS BIT(2) /* ... only its address counts: LEA, INVLPG.. */
#define IA_REX BIT(3) /* a REX prefix is there, even if 0x40 */
#define IA_VEX BIT(4)
#define IA_OPREG BIT(5) /* register in the opcode's low 3 bits, + REX.B */
#define IA_MOFFS BIT(6) /* A0-A3: absolute address in .disp, access by acc */
#define IA_PFX_MANDATORY BIT(7) /* 66/F2/F3 selects the opcode */
#define IA_LOCK_OK BIT(8) /* LOCK is legal here (and memory is written) */
#define IA_X87 BIT(9) /* #NM by CR0.EM/TS (FWAIT: by MP and TS) */
#define IA_MMX BIT(10) /* MMX: as x87, and CR0.EM gives #UD */
#define IA_SSE BIT(11) /* needs CR4.OSFXSR, CR0.EM clear; #NM by TS */
#define IA_AVX BIT(12) /* needs CR4.OSXSAVE and XCR0[2:1] = 11b */
#define IA_ALIGN BIT(13) /* #GP unless aligned to .mem_bytes (MOVAPS..) */
#define IA_REP_OK BIT(14) /* F2/F3 is a repeat prefix here */
#define IA_STACK BIT(15) /* default operand size 64 in 64-bit mode */
#define IA_IMPL_RSP BIT(16) /* reads or writes RSP without naming it */
#define IA_XMM_IMPL BIT(17) /* touches vector registers implicitly */
#define IA_IS4 BIT(18) /* a register in imm8[7:4] */
#define IA_VL256 BIT(19) /* VEX.L = 1 */
#define IA_PRIV BIT(20) /* #GP unless CPL is 0 */

struct x86_insn {
	u8 len; /* 1 to 15 */
	u8 cls; /* enum x86_class */
	u8 map; /* enum x86_map */
	u8 opcode; /* the last opcode byte */
	u8 modrm; /* if IA_MODRM */
	u8 pfx; /* PFX_* */
	u8 rex; /* REX_* */
	u8 vvvv; /* VEX.vvvv, already inverted: a register number */
	u8 pp; /* mandatory or VEX prefix: 0, 0x66, 0xf3, 0xf2 */

	/*
	 * Effective operand size in bytes: 1, 2, 4, 8; 0 for vector and x87
	 * instructions without a general register. CRC32: of the source.
	 */
	u8 opsize;
	u8 adsize; /* effective address size: 2, 4, 8 */

	/*
	 * modrm.reg, or the opcode's register: with REX, 0 to 15. Also the
	 * segment register of PUSH and POP ES to GS; rAX for IA_MOFFS.
	 */
	u8 reg;
	u8 rm; /* modrm.rm if mod is 3, with REX.B */
	u8 reg_kind, rm_kind, vvvv_kind; /* enum x86_regkind */
	/*
	 * ACC_*. What may keep its old value is read as well (CMOVcc, BSF). To
	 * write 8 or 16 bits leaves the rest of a register, with ACC_W alone.
	 */
	u8 reg_acc, rm_acc, vvvv_acc;

	/*
	 * The memory operand: base + index * scale + disp in segment .seg.
	 * VSIB: .index is a vector register. Strings, XLAT and MASKMOV have
	 * .seg and .mem_bytes only.
	 */
	u8 seg; /* enum x86_sreg, default or override */
	u8 base; /* GPR, X86_BASE_NONE or X86_BASE_RIP */
	u8 index; /* GPR or X86_BASE_NONE */
	u8 scale; /* 0 to 3: a shift */
	u8 mem_acc; /* ACC_* */
	/*
	 * Size of the access, 0 if it depends on more (XSAVE). VSIB: of an
	 * element; VMASKMOV: of the whole.
	 */
	u16 mem_bytes;

	u8 disp_off, disp_len; /* where in the bytes; 0 if none */
	u8 imm_off, imm_len; /* of the first immediate */
	u8 imm2_len; /* ENTER's second, far pointers' selector (2) */
	u8 opcode_off; /* of the last opcode byte */

	u16 flags_read; /* arithmetic flags, FLAG_* (all fit in 16 bits) */
	u16 flags_written; /* ... changed or made undefined */
	/*
	 * ... subset of written that may stay as they were: undefined ones,
	 * shifts by a count that may be 0, REP CMPS and SCAS. So what is in
	 * written and not in maybe had a value nobody can see any more.
	 */
	u16 flags_maybe;

	/*
	 * General registers that are read or written without being named by
	 * a field above (MUL: RAX RDX; ADD AL, imm: RAX; CPUID..), one bit
	 * each.
	 */
	u16 impl_read, impl_write;

	u32 attr; /* IA_* */
	s64 disp; /* sign-extended, or the moffs address */
	u64 imm; /* sign-extended where the instruction does so */
	u16 imm2; /* far selector, ENTER's level */
};

enum x86_decode_result {
	X86_DECODE_OK,
	X86_DECODE_SHORT, /* more bytes are needed than @avail */
	X86_DECODE_UD, /* undefined here: #UD; ->len is how far it read */
	X86_DECODE_LONG, /* longer than 15 bytes: #GP(0) */
};

/*
 * Decodes the instruction at @p, of which @avail bytes may be read (never
 * more are). @size: what the code segment says (CS.L, CS.D). Instructions
 * that Doppel's CPUID never shows (EVEX, XOP, 3DNow!, MPX, CET, AMX, TSX,
 * VMX, SVM but VMCALL/VMMCALL) are X86_DECODE_UD, as are instructions not
 * valid in the mode, and LOCK where it is illegal; @insn->cls is then
 * X86_C_INVALID.
 */
enum x86_decode_result x86_decode(const u8 *p, size_t avail,
				  enum x86_code_size size,
				  struct x86_insn *insn) MUST_CHECK;

const char *x86_class_name(enum x86_class c);

#endif
