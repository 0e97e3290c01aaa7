/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zydis_oracle.c - see zydis_oracle.h. Where Doppel decided otherwise than
 * Zydis, a row of decision_tab says so and why; nothing else may differ.
 */
#include "zydis_oracle.h"

#include "zydis_class.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool oracle_init(struct oracle *o)
{
	static const struct {
		enum x86_code_size size;
		ZydisMachineMode mode;
		ZydisStackWidth stack;
	} mode_tab[] = {
		{ X86_CODE64, ZYDIS_MACHINE_MODE_LONG_64,
		  ZYDIS_STACK_WIDTH_64 },
		{ X86_CODE32, ZYDIS_MACHINE_MODE_LEGACY_32,
		  ZYDIS_STACK_WIDTH_32 },
		{ X86_CODE16, ZYDIS_MACHINE_MODE_LEGACY_16,
		  ZYDIS_STACK_WIDTH_16 },
	};

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < ARRAY_SIZE(mode_tab); i++) {
		ZydisDecoder *d = malloc(sizeof(*d));

		if (!d)
			return false;
		ZydisDecoderInit(d, mode_tab[i].mode, mode_tab[i].stack);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, false);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, false);
		ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, false);
		o->decoder[mode_tab[i].size] = d;
	}
	return true;
}

void oracle_fini(struct oracle *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->decoder); i++)
		free(o->decoder[i]);
}

/* Kind and number of a Zydis register, in our terms. */
static enum x86_regkind reg_kind(ZydisRegister r, unsigned *id)
{
	ZyanI8 n = ZydisRegisterGetId(r);

	*id = (unsigned)n;
	switch (ZydisRegisterGetClass(r)) {
	case ZYDIS_REGCLASS_GPR8:
		/* AL CL DL BL, AH CH DH BH, SPL.. */
		if (r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH)
			*id = 4u + (unsigned)(r - ZYDIS_REGISTER_AH);
		else if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_DIL)
			*id = 4u + (unsigned)(r - ZYDIS_REGISTER_SPL);
		else if (r >= ZYDIS_REGISTER_R8B)
			*id = 8u + (unsigned)(r - ZYDIS_REGISTER_R8B);
		else
			*id = (unsigned)(r - ZYDIS_REGISTER_AL);
		return RK_GPR8;
	case ZYDIS_REGCLASS_GPR16:
	case ZYDIS_REGCLASS_GPR32:
	case ZYDIS_REGCLASS_GPR64:
		return RK_GPR;
	case ZYDIS_REGCLASS_XMM:
	case ZYDIS_REGCLASS_YMM:
		return RK_XMM;
	case ZYDIS_REGCLASS_MMX:
		return RK_MMX;
	case ZYDIS_REGCLASS_X87:
		return RK_ST;
	case ZYDIS_REGCLASS_SEGMENT:
		*id = (unsigned)(r - ZYDIS_REGISTER_ES);
		return RK_SREG;
	case ZYDIS_REGCLASS_CONTROL:
		return RK_CR;
	case ZYDIS_REGCLASS_DEBUG:
		return RK_DR;
	default:
		return RK_NONE;
	}
}

/* A conditional write may leave the old value: it is read and written. */
static unsigned our_acc(ZydisOperandActions a)
{
	unsigned acc = 0;

	if (a & ZYDIS_OPERAND_ACTION_MASK_READ)
		acc |= ACC_R;
	if (a & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		acc |= ACC_W;
	if (a & ZYDIS_OPERAND_ACTION_CONDWRITE)
		acc |= ACC_R;
	return acc;
}

static u8 gpr_or_none(ZydisRegister r)
{
	unsigned id;

	if (r == ZYDIS_REGISTER_NONE)
		return X86_BASE_NONE;
	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_IP)
		return X86_BASE_RIP;
	reg_kind(r, &id);
	return (u8)id;
}

static unsigned log2_scale(unsigned scale)
{
	return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

/* base + index * scale + disp and segment; then size and access. */
static unsigned compare_memory(const struct x86_insn *i,
			       const ZydisDecodedOperand *op)
{
	bool agen = op->mem.type == ZYDIS_MEMOP_TYPE_AGEN;
	s64 disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
	unsigned diff = 0;

	if (gpr_or_none(op->mem.base) != i->base ||
	    gpr_or_none(op->mem.index) != i->index)
		diff |= D_ADDR;
	if (i->index != X86_BASE_NONE && log2_scale(op->mem.scale) != i->scale)
		diff |= D_ADDR;
	/* Zydis sign-extends absolute addresses, silicon does not. */
	if (i->attr & IA_MOFFS && i->adsize < 8)
		disp &= (s64)BIT64(8 * i->adsize) - 1;
	if (disp != i->disp)
		diff |= D_ADDR;
	if (!agen && (unsigned)(op->mem.segment - ZYDIS_REGISTER_ES) != i->seg)
		diff |= D_ADDR;
	if (i->attr & IA_NOACCESS)
		return diff | (i->mem_bytes || i->mem_acc ? D_BYTES : 0);
	if (agen || op->size != i->mem_bytes * 8u)
		diff |= D_BYTES;
	if (our_acc(op->actions) != i->mem_acc)
		diff |= D_ACC;
	return diff;
}

static unsigned compare_register(const ZydisDecodedOperand *op, u8 kind, u8 num,
				 u8 acc)
{
	unsigned id, diff = 0, theirs = our_acc(op->actions);

	if (reg_kind(op->reg.value, &id) != kind || id != num)
		diff |= D_REG;
	/* To write a part of a vector is to read the rest of it. */
	if (kind == RK_XMM && acc == ACC_RW)
		theirs |= ACC_R;
	if (theirs != acc)
		diff |= D_ACC;
	return diff;
}

/* General registers that Zydis names in operands that no byte of the
 * instruction encodes. */
static void implicit_gprs(const ZydisDecodedInstruction *z,
			  const ZydisDecodedOperand *ops, unsigned *read,
			  unsigned *written)
{
	bool string = z->meta.category == ZYDIS_CATEGORY_STRINGOP ||
		      z->meta.category == ZYDIS_CATEGORY_IOSTRINGOP;
	unsigned id;

	*read = *written = 0;
	if (string &&
	    z->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
			     ZYDIS_ATTRIB_HAS_REPNE))
		*read = *written = BIT(X86_RCX);
	for (unsigned n = 0; n < z->operand_count; n++) {
		const ZydisDecodedOperand *op = &ops[n];
		enum x86_regkind k;

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    op->encoding == ZYDIS_OPERAND_ENCODING_NONE) {
			/* [rSI], [rDI], the stack, XLAT's [rBX + AL] */
			if (op->mem.base != ZYDIS_REGISTER_NONE)
				*read |= BIT(gpr_or_none(op->mem.base));
			/* Zydis leaves out that some of them move on. */
			if (string)
				*written |= BIT(gpr_or_none(op->mem.base));
			continue;
		}
		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    op->encoding != ZYDIS_OPERAND_ENCODING_NONE)
			continue;
		k = reg_kind(op->reg.value, &id);
		if (k != RK_GPR && k != RK_GPR8)
			continue;
		if (k == RK_GPR8 && id >= 4)
			id -= 4; /* AH is part of rAX */
		if (our_acc(op->actions) & ACC_R)
			*read |= BIT(id);
		if (our_acc(op->actions) & ACC_W)
			*written |= BIT(id);
	}
}

/* A register whose place no byte of its own tells. */
static bool is_opcode_register(const struct x86_insn *i,
			       const ZydisDecodedOperand *op)
{
	unsigned id;
	enum x86_regkind k = reg_kind(op->reg.value, &id);

	if (i->attr & IA_MOFFS)
		return k == RK_GPR || k == RK_GPR8;
	return (i->cls == X86_C_PUSH_SREG || i->cls == X86_C_POP_SREG) &&
	       k == RK_SREG;
}

static unsigned compare_operands(const struct x86_insn *i,
				 const ZydisDecodedInstruction *z,
				 const ZydisDecodedOperand *ops)
{
	unsigned diff = 0, read, written, own;
	bool seen_reg = false, seen_rm = false, seen_v = false, mem = false;

	for (unsigned n = 0; n < z->operand_count; n++) {
		const ZydisDecodedOperand *op = &ops[n];
		ZydisOperandEncoding e = op->encoding;

		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
		    e != ZYDIS_OPERAND_ENCODING_NONE) {
			diff |= compare_memory(i, op);
			mem = true;
		}
		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (is_opcode_register(i, op))
			e = ZYDIS_OPERAND_ENCODING_OPCODE;
		if (e == ZYDIS_OPERAND_ENCODING_MODRM_REG ||
		    e == ZYDIS_OPERAND_ENCODING_OPCODE) {
			seen_reg = true;
			diff |= compare_register(op, i->reg_kind, i->reg,
						 i->reg_acc);
		} else if (e == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
			seen_rm = true;
			diff |= compare_register(op, i->rm_kind, i->rm,
						 i->rm_acc);
		} else if (e == ZYDIS_OPERAND_ENCODING_NDSNDD) {
			seen_v = true;
			diff |= compare_register(op, i->vvvv_kind, i->vvvv,
						 i->vvvv_acc);
		} else if (e == ZYDIS_OPERAND_ENCODING_IS4) {
			if (!(i->attr & IA_IS4))
				diff |= D_ATTR;
		} else if (reg_kind(op->reg.value, &own) == RK_XMM &&
			   !(i->attr & IA_XMM_IMPL)) {
			diff |= D_ATTR;
		}
	}
	if (seen_reg != (i->reg_kind != RK_NONE) ||
	    seen_rm != (i->rm_kind != RK_NONE) ||
	    seen_v != (i->vvvv_kind != RK_NONE))
		diff |= D_REG;
	if (mem != !!(i->attr & (IA_MEM | IA_MOFFS)))
		diff |= D_ADDR;

	implicit_gprs(z, ops, &read, &written);
	if (i->attr & IA_MOFFS)
		read = written = 0;
	/* What is written in part may be said to be read as well. */
	if (read & ~(unsigned)i->impl_read || written != i->impl_write ||
	    i->impl_read & ~(read | written))
		diff |= D_IMPL;
	if ((read | written) & BIT(X86_RSP) && !(i->attr & IA_IMPL_RSP))
		diff |= D_IMPL;
	return diff;
}

/* Where Zydis knows less than the manuals: what is undefined, or cleared. */
static const struct {
	u16 mnemonic, written, undefined;
} flag_tab[] = {
	{ ZYDIS_MNEMONIC_SBB, FLAG_ARITH, 0 }, /* AF is a borrow */
	{ ZYDIS_MNEMONIC_BEXTR, FLAG_ARITH, FLAG_AF | FLAG_SF | FLAG_PF },
	{ ZYDIS_MNEMONIC_VPTEST, FLAG_ARITH, 0 },
	{ ZYDIS_MNEMONIC_VTESTPS, FLAG_ARITH, 0 },
	{ ZYDIS_MNEMONIC_VTESTPD, FLAG_ARITH, 0 },
};

/* Zydis tells of shifts without regard to their count. SDM 2 "SAL/SAR/SHL/
 * SHR", "RCL/RCR/ROL/ROR", "SHLD": 0 leaves all flags, only 1 defines OF. */
static void correct_shift(const struct x86_insn *i,
			  const ZydisDecodedInstruction *z,
			  const ZydisDecodedOperand *ops, u32 *tested,
			  u32 *written, u32 *undefined)
{
	unsigned count = 1;

	for (unsigned n = 1; n < z->operand_count; n++)
		if (ops[n].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ops[n].reg.value == ZYDIS_REGISTER_CL)
			return;
	if (i->imm_len)
		count = (unsigned)i->imm & (i->opsize == 8 ? 63 : 31);
	if (!count)
		*tested = *written = *undefined = 0;
	else if (count == 1)
		*undefined &= (u32)~FLAG_OF;
}

static unsigned compare_flags(const struct x86_insn *i,
			      const ZydisDecodedInstruction *z,
			      const ZydisDecodedOperand *ops)
{
	const ZydisAccessedFlags *f = z->cpu_flags;
	u32 tested = f->tested & FLAG_ARITH;
	u32 undefined = f->undefined & FLAG_ARITH;
	u32 written =
		(f->modified | f->set_0 | f->set_1 | f->undefined) & FLAG_ARITH;

	for (size_t n = 0; n < ARRAY_SIZE(flag_tab); n++)
		if (flag_tab[n].mnemonic == z->mnemonic) {
			written = flag_tab[n].written;
			undefined = flag_tab[n].undefined;
		}
	if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
	    (z->meta.category == ZYDIS_CATEGORY_SHIFT ||
	     z->meta.category == ZYDIS_CATEGORY_ROTATE))
		correct_shift(i, z, ops, &tested, &written, &undefined);
	if (z->meta.category == ZYDIS_CATEGORY_STRINGOP)
		tested = 0; /* REPE tests what the comparison before set */
	if (tested != i->flags_read || written != i->flags_written)
		return D_FLAGS;
	if (undefined & ~(u32)i->flags_maybe ||
	    i->flags_maybe & ~i->flags_written)
		return D_FLAGS;
	return 0;
}

static unsigned compare_immediates(const struct x86_insn *i,
				   const ZydisDecodedInstruction *z)
{
	unsigned n = z->raw.imm[0].size / 8u, n2 = z->raw.imm[1].size / 8u;
	u64 mask = n == 8 ? ~0ull : BIT64(8 * n) - 1;

	if (n != i->imm_len || n2 != i->imm2_len)
		return D_IMM;
	if (n && (z->raw.imm[0].offset != i->imm_off ||
		  ((z->raw.imm[0].value.u ^ i->imm) & mask)))
		return D_IMM;
	/* Signed ones that the operation widens must be extended. */
	if (n && z->raw.imm[0].is_signed && i->opsize > n &&
	    z->raw.imm[0].value.u != i->imm)
		return D_IMM;
	if (n2 && z->raw.imm[1].value.u != i->imm2)
		return D_IMM;
	if (z->raw.disp.size / 8u != i->disp_len ||
	    (i->disp_len && z->raw.disp.offset != i->disp_off))
		return D_IMM;
	return 0;
}

static bool needs_alignment(const ZydisDecodedInstruction *z)
{
	switch (z->mnemonic) {
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_PCMPESTRI:
	case ZYDIS_MNEMONIC_PCMPESTRM:
	case ZYDIS_MNEMONIC_PCMPISTRI:
	case ZYDIS_MNEMONIC_PCMPISTRM:
		return false;
	case ZYDIS_MNEMONIC_CMPXCHG16B:
		return true;
	case ZYDIS_MNEMONIC_SHA1MSG1: /* AMD does not mind */
	case ZYDIS_MNEMONIC_SHA1MSG2:
	case ZYDIS_MNEMONIC_SHA1NEXTE:
	case ZYDIS_MNEMONIC_SHA1RNDS4:
	case ZYDIS_MNEMONIC_SHA256MSG1:
	case ZYDIS_MNEMONIC_SHA256MSG2:
	case ZYDIS_MNEMONIC_SHA256RNDS2:
		return false;
	default:
		break;
	}
	switch (z->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_SSE1:
	case ZYDIS_EXCEPTION_CLASS_SSE2:
	case ZYDIS_EXCEPTION_CLASS_SSE4:
	case ZYDIS_EXCEPTION_CLASS_AVX1:
		return true;
	default:
		return false;
	}
}

/* The size of the widest explicit general register, else Zydis's notion. */
static unsigned operand_bits(const ZydisDecodedInstruction *z,
			     const ZydisDecodedOperand *ops)
{
	unsigned bits = 0, id;

	for (unsigned n = 0; n < z->operand_count_visible; n++) {
		const ZydisDecodedOperand *op = &ops[n];

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    op->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
			continue;
		switch (reg_kind(op->reg.value, &id)) {
		case RK_GPR:
		case RK_GPR8:
			if (op->size > bits)
				bits = op->size;
			break;
		default:
			break;
		}
	}
	return bits ? bits : z->operand_width;
}

/* Where the operand size matters to anyone. */
static bool compare_size(const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_COPY:
		if (i->attr & (IA_SSE | IA_AVX | IA_MMX))
			return i->reg_kind == RK_GPR || i->rm_kind == RK_GPR;
		return i->opsize;
	case X86_C_STRING:
	case X86_C_BT_MEM:
	case X86_C_PUSH:
	case X86_C_POP:
	case X86_C_PUSHA:
	case X86_C_POPA:
	case X86_C_PUSHF:
	case X86_C_POPF:
	case X86_C_PUSH_SREG:
	case X86_C_POP_SREG:
	case X86_C_ENTER:
	case X86_C_LEAVE:
	case X86_C_JMP:
	case X86_C_JCC:
	case X86_C_LOOP:
	case X86_C_CALL:
	case X86_C_RET:
	case X86_C_JMP_IND:
	case X86_C_CALL_IND:
	case X86_C_CALL_FAR:
	case X86_C_JMP_FAR:
	case X86_C_RET_FAR:
	case X86_C_IRET:
	case X86_C_LOAD_FAR_PTR:
	case X86_C_MOV_FROM_SREG:
	case X86_C_SLDT:
	case X86_C_STR:
	case X86_C_SMSW:
		return true;
	default:
		return false;
	}
}

static unsigned compare_attributes(const struct x86_insn *i,
				   const ZydisDecodedInstruction *z,
				   const ZydisDecodedOperand *ops)
{
	bool lockable = z->attributes & ZYDIS_ATTRIB_ACCEPTS_LOCK;
	unsigned diff = 0;

	if (lockable != !!(i->attr & IA_LOCK_OK))
		diff |= D_ATTR;
	if (i->cls == X86_C_COPY && i->attr & IA_MEM && i->mem_bytes >= 16 &&
	    needs_alignment(z) != !!(i->attr & IA_ALIGN))
		diff |= D_ATTR;
	if (i->adsize * 8 != z->address_width)
		diff |= D_SIZE;
	if (compare_size(i) && i->opsize * 8 != operand_bits(z, ops))
		diff |= D_SIZE;
	return diff;
}

#define IN(map, opcode) (MAP_##map << 8 | (opcode))

/* Our decisions against Zydis. */
static const struct {
	u16 mnemonic;
	u16 where; /* IN(), or 0: all of that mnemonic */
	u16 diffs;
	const char *why;
} decision_tab[] = {
	{ ZYDIS_MNEMONIC_NOP, IN(0F, 0x0d), D_VALID,
	  "PREFETCHW of a register is #UD on AMD" },
	{ ZYDIS_MNEMONIC_NOP, 0, D_ACC | D_REG | D_SIZE | D_IMPL,
	  "hint NOPs have no operands worth telling" },
	{ ZYDIS_MNEMONIC_PAUSE, IN(1, 0x90), D_CLASS | D_REG | D_IMPL | D_SIZE,
	  "with REX.B it exchanges R8, as silicon does" },
	{ ZYDIS_MNEMONIC_UD0, 0, 0xffff & ~(D_VALID | D_CLASS),
	  "no modrm byte, as on AMD" },
	{ ZYDIS_MNEMONIC_UD1, 0, 0xffff & ~(D_VALID | D_CLASS), "the same" },
	{ ZYDIS_MNEMONIC_VPEXTRD, 0, D_VALID, "W is #UD in 32 bits on AMD" },
	{ ZYDIS_MNEMONIC_VPINSRD, 0, D_VALID, "the same" },
	{ ZYDIS_MNEMONIC_MOVSXD, 0, D_BYTES, "66 still reads 4 on AMD" },
	{ ZYDIS_MNEMONIC_BSF, 0, D_ACC, "a zero source leaves the register" },
	{ ZYDIS_MNEMONIC_BSR, 0, D_ACC, "the same" },
	{ ZYDIS_MNEMONIC_CLFLUSH, 0, D_BYTES, "checked as a load of a byte" },
	{ ZYDIS_MNEMONIC_CLFLUSHOPT, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_CLWB, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_XSAVE, 0, D_BYTES, "XCR0 tells how much" },
	{ ZYDIS_MNEMONIC_XSAVE64, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_XSAVEOPT, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_XSAVEOPT64, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_XSAVEC, 0, D_BYTES | D_ACC, "the same" },
	{ ZYDIS_MNEMONIC_XSAVEC64, 0, D_BYTES | D_ACC, "the same" },
	{ ZYDIS_MNEMONIC_XRSTOR, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_XRSTOR64, 0, D_BYTES, "the same" },
	{ ZYDIS_MNEMONIC_LEAVE, 0, D_IMPL, "the old rSP is not read" },
	{ ZYDIS_MNEMONIC_INT, 0, D_FLAGS, "pushes the flags" },
	{ ZYDIS_MNEMONIC_INT1, 0, D_FLAGS, "pushes the flags" },
	{ ZYDIS_MNEMONIC_INT3, 0, D_FLAGS, "pushes the flags" },
	{ ZYDIS_MNEMONIC_INTO, 0, D_FLAGS, "pushes the flags" },
	{ ZYDIS_MNEMONIC_SYSCALL, 0, D_FLAGS, "puts the flags into R11" },
	{ ZYDIS_MNEMONIC_VMCALL, 0, D_FLAGS | D_IMPL, "a hypercall's ABI" },
	{ ZYDIS_MNEMONIC_VMMCALL, 0, D_IMPL, "a hypercall's ABI" },
	{ ZYDIS_MNEMONIC_CRC32, IN(0F38, 0xf1), D_SIZE, "size of the source" },
	{ ZYDIS_MNEMONIC_FNSTSW, 0, D_SIZE, "writes AX whatever 66 says" },
	{ ZYDIS_MNEMONIC_CVTPD2PI, 0, D_ATTR,
	  "aligned: so the manuals, and tried" },
	{ ZYDIS_MNEMONIC_CVTTPD2PI, 0, D_ATTR, "the same" },
};

static unsigned undecided(ZydisMnemonic m, const struct x86_insn *i,
			  unsigned diff)
{
	for (size_t n = 0; diff && n < ARRAY_SIZE(decision_tab); n++)
		if (decision_tab[n].mnemonic == m &&
		    (!decision_tab[n].where ||
		     decision_tab[n].where == (i->map << 8 | i->opcode)))
			diff &= ~(unsigned)decision_tab[n].diffs;
	return diff;
}

static void describe(const u8 *p, const struct x86_insn *i,
		     enum x86_code_size size, const char *name, unsigned diff,
		     char *why, size_t n)
{
	static const char *const name_tab[] = {
		"valid", "len",	 "class", "addr", "bytes", "acc",
		"reg",	 "impl", "flags", "imm",  "size",  "attr",
	};
	size_t at;

	at = (size_t)snprintf(why, n, "%u-bit", size * 8u);
	for (unsigned k = 0; k < i->len && k < 15; k++)
		at += (size_t)snprintf(why + at, n - at, " %02x", p[k]);
	at += (size_t)snprintf(why + at, n - at, " %s:", name);
	for (size_t k = 0; k < ARRAY_SIZE(name_tab); k++)
		if (diff & 1u << k)
			at += (size_t)snprintf(why + at, n - at, " %s",
					       name_tab[k]);
	snprintf(why + at, n - at,
		 " (ours: %s mem %u acc %u,%u,%u,%u opsize %u impl %x,%x "
		 "flags %x,%x,%x)",
		 x86_class_name(i->cls), i->mem_bytes, i->mem_acc, i->reg_acc,
		 i->rm_acc, i->vvvv_acc, i->opsize, i->impl_read, i->impl_write,
		 i->flags_read, i->flags_written, i->flags_maybe);
}

unsigned oracle_compare(const struct oracle *o, const u8 *p, size_t avail,
			enum x86_code_size size, char *why, size_t why_size,
			unsigned *len)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction z;
	struct x86_insn insn;
	enum x86_decode_result r = x86_decode(p, avail, size, &insn);
	bool theirs;
	unsigned diff = 0;

	memset(&z, 0, sizeof(z));
	theirs = ZYAN_SUCCESS(
		ZydisDecoderDecodeFull(o->decoder[size], p, avail, &z, ops));
	*len = 1;
	if (theirs && oracle_is_hidden(&z))
		theirs = false;
	if (r != X86_DECODE_OK || !theirs) {
		if (theirs) {
			*len = z.length;
			diff = undecided(z.mnemonic, &insn, D_VALID);
		} else if (r == X86_DECODE_OK) {
			*len = insn.len;
			diff = D_VALID;
		}
		if (diff)
			describe(p, &insn, size,
				 theirs ? ZydisMnemonicGetString(z.mnemonic)
					: x86_class_name(insn.cls),
				 diff, why, why_size);
		return diff;
	}
	*len = insn.len;
	if (insn.len != z.length)
		diff |= D_LEN;
	if (insn.cls != oracle_class(&z, ops))
		diff |= D_CLASS;
	diff |= compare_operands(&insn, &z, ops);
	diff |= compare_flags(&insn, &z, ops);
	diff |= compare_immediates(&insn, &z);
	diff |= compare_attributes(&insn, &z, ops);
	diff = undecided(z.mnemonic, &insn, diff);
	if (diff)
		describe(p, &insn, size, ZydisMnemonicGetString(z.mnemonic),
			 diff, why, why_size);
	return diff;
}
