/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strings.c - REP MOVS and REP STOS in generated code: upwards, 64-bit
 * addresses, and both ends within a page that the TLB has. Everything else,
 * and whatever counts or compares, is done in C (co_string.c).
 *
 * A stub for each kind, TLB and size of elements. At most a page is moved, so
 * nobody waits long for an interrupt.
 */
#include "engine/translate/trans.h"

enum { STRING_MOVS, STRING_STOS };

#define AT_TLB(mmu, member) \
	(GS(tlb[0].member) + (u32)(mmu) * (u32)sizeof(struct tlb))

/* T1 = index of the TLB entry for @reg. */
static void tlb_index(struct emit *e, unsigned reg)
{
	emit_mov(e, T1, reg);
	emit_shift(e, true, 5, T1, PAGE_SHIFT);
	emit_ri(e, false, 4, T1, TLB_ENTRIES - 1);
}

/* @reg, an address, becomes the host's. RAX bytes are to lie on its page, and
 * to be in the TLB; else jumps, at *@fail. */
static void translate_run(struct emit *e, unsigned reg, enum mmu_index mmu,
			  bool write, u8 *fail[2])
{
	tlb_index(e, reg);
	emit_gs8(e, true, ALU_SUB, reg, T1,
		 write ? AT_TLB(mmu, write_tag) : AT_TLB(mmu, read_tag));
	emit_ri(e, true, 7, reg, PAGE_SIZE - 1);
	fail[0] = emit_jcc_fwd(e, CC_A);
	emit_rr(e, true, ALU_ADD, reg, X86_RAX);
	emit_ri(e, true, 7, reg, PAGE_SIZE);
	fail[1] = emit_jcc_fwd(e, CC_A);
	emit_rr(e, true, ALU_SUB, reg, X86_RAX);
	emit_gs8(e, true, ALU_ADD, reg, T1, AT_TLB(mmu, host));
}

static void emit_push(struct emit *e, unsigned reg)
{
	emit8(e, (u8)(0x50 | reg));
}

static void emit_pop(struct emit *e, unsigned reg)
{
	emit8(e, (u8)(0x58 | reg));
}

static void emit_xchg(struct emit *e, unsigned a, unsigned b)
{
	emit_rr(e, true, 0x87, a, b);
}

static void emit_rep(struct emit *e, int kind, unsigned shift)
{
	u8 opcode = kind == STRING_MOVS ? 0xa4 : 0xaa;

	if (shift == 1)
		emit8(e, 0x66);
	emit8(e, 0xf3);
	if (shift == 3)
		emit8(e, 0x48);
	emit8(e, shift ? opcode | 1 : opcode);
}

/*
 * Called. Returns with CF clear and all done, or with CF set and nothing. The
 * addresses of the host change places with the guest's while it runs: RDI
 * with T0, RSI with RDX; for STOS, RAX is the guest's again.
 */
u8 *stub_string(struct emit *e, enum mmu_index mmu, int kind, unsigned shift)
{
	u8 *at = emit_pc(e);
	u8 *fail[6];

	/* testl $FLAG_DF, %gs:rflags */
	emit8(e, 0x65);
	emit8(e, 0xf7);
	emit8(e, 0x04);
	emit8(e, 0x25);
	emit32(e, GS(v.x86.rflags));
	emit32(e, FLAG_DF);
	fail[0] = emit_jcc_fwd(e, CC_NE);
	emit_ri(e, true, 7, X86_RCX, PAGE_SIZE >> shift);
	fail[1] = emit_jcc_fwd(e, CC_A);
	emit_push(e, X86_RAX);
	emit_push(e, X86_RDX);
	emit_mov(e, X86_RAX, X86_RCX);
	if (shift)
		emit_shift(e, true, 4, X86_RAX, shift);
	emit_mov(e, T0, X86_RDI);
	translate_run(e, T0, mmu, true, fail + 2);
	if (kind == STRING_MOVS) {
		emit_mov(e, X86_RDX, X86_RSI);
		translate_run(e, X86_RDX, mmu, false, fail + 4);
		emit_xchg(e, X86_RSI, X86_RDX);
	}
	emit_xchg(e, X86_RDI, T0);
	if (kind == STRING_STOS) {
		emit_mov(e, T1, X86_RAX);
		emit_rm(e, true, OP_MOV, X86_RAX, X86_RSP, 8);
		emit_rep(e, kind, shift);
		emit_lea(e, true, X86_RDI, T0, T1, 0, 0);
	} else {
		emit_rep(e, kind, shift);
		emit_lea(e, true, X86_RDI, T0, X86_RAX, 0, 0);
		emit_lea(e, true, X86_RSI, X86_RDX, X86_RAX, 0, 0);
	}
	emit_pop(e, X86_RDX);
	emit_pop(e, X86_RAX);
	emit8(e, 0xf8); /* clc */
	emit8(e, 0xc3);
	for (unsigned k = 2; k < (kind == STRING_MOVS ? 6 : 4); k++)
		emit_land(e, fail[k]);
	emit_pop(e, X86_RDX);
	emit_pop(e, X86_RAX);
	emit_land(e, fail[0]);
	emit_land(e, fail[1]);
	emit8(e, 0xf9); /* stc */
	emit8(e, 0xc3);
	return at;
}

bool string_is_generated(u32 key, const struct x86_insn *i)
{
	u8 op = i->opcode & ~1u;

	return i->cls == X86_C_STRING && (op == 0xa4 || op == 0xaa) &&
	       (i->pfx & (PFX_F2 | PFX_F3)) && i->adsize == 8 &&
	       (op == 0xaa || (i->seg != X86_FS && i->seg != X86_GS)) &&
	       !(key & (KEY_ALONE | KEY_ALIGN));
}

void string_insn(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	int kind = (i->opcode & ~1u) == 0xa4 ? STRING_MOVS : STRING_STOS;
	unsigned shift = i->opcode & 1 ? (unsigned)__builtin_ctz(i->opsize) : 0;
	struct cold *slow = cold_callout(tr, callout_for(i));

	if (!slow)
		return;
	emit_call(&tr->e, tr->g->stubs.string[tr->mmu][kind][shift]);
	cold_from(slow, emit_jcc_fwd(&tr->e, CC_B));
	cold_resume(tr, slow);
}
