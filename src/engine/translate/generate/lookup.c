/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - generated code that looks a jump's target up in a jump cache. */
#include "engine/translate/emit.h"
#include "engine/translate/engine.h"
#include "engine/translate/gs.h"

static u32 jc_at(unsigned n)
{
	return GS(jc[0]) + n * (u32)sizeof(((struct tcpu *)0)->jc[0]);
}

#define ENTRY_BYTES (u32)sizeof(struct jc_entry)

/* Sets code_base to that of the entry found. */
static void found(struct emit *e, u32 jc)
{
	emit_gs8(e, true, OP_MOV, T0, T1,
		 jc + offsetof(struct jc_entry, code_base));
	emit_gs(e, true, OP_STORE, T0, GS(code_base));
}

/*
 * T1 = where the tag in T0 is looked up. Entries are 32 bytes: the index is
 * kept times 4, and scaled by 8. Compares; returns the jump that is taken if
 * it is not there. @jc: of entry 0, or of 1 for the second place.
 */
static u8 *compare(struct emit *e, u32 jc)
{
	emit_mov(e, T1, T0);
	emit_shift(e, true, 5, T1, JC_HASH); /* shr */
	emit_rr(e, true, ALU_ADD, T1, T0);
	emit_ri(e, false, 4, T1, JC_ENTRIES - 1);
	emit_shift(e, false, 4, T1, 2);
	emit_gs8(e, true, ALU_CMP, T0, T1, jc);
	return emit_jcc_fwd(e, CC_NE);
}

/*
 * Finds the guest address in T0 in the jump cache; flags are SAVED. Returns
 * the jump that is taken if it is not there, T0 plus the generation then.
 */
u8 *flow_find(struct emit *e, unsigned n)
{
	u32 jc = jc_at(n);
	u8 *miss;

	emit_gs(e, true, ALU_ADD, T0, GS(jc_salt[0]) + 8 * n);
	miss = compare(e, jc);
	found(e, jc);
	return miss;
}

/* The same with flags in EFLAGS, and staying there. */
u8 *flow_find_host(struct emit *e, unsigned n)
{
	/* pdep %gs:jc_index_mask, %r11, %r11 */
	static const u8 pdep[] = { 0x65, 0xc4, 0x62, 0xa3, 0xf5, 0x1c, 0x25 };
	u32 jc = jc_at(n);
	u8 *hit, *miss;

	emit8(e, 0x51); /* push %rcx */
	emit_gs(e, true, OP_MOV, X86_RCX, GS(jc_salt[0]) + 8 * n);
	emit_lea(e, true, T0, T0, X86_RCX, 0, 0);
	emit_rorx(e, T1, T0, JC_HASH);
	emit_lea(e, true, T1, T1, T0, 0, 0);
	for (unsigned k = 0; k < sizeof(pdep); k++)
		emit8(e, pdep[k]);
	emit32(e, GS(jc_index_mask));
	emit_gs8(e, true, OP_MOV, X86_RCX, T1,
		 jc + offsetof(struct jc_entry, minus_tag));
	emit_lea(e, true, X86_RCX, X86_RCX, T0, 0, 0);
	hit = emit_jrcxz(e);
	emit8(e, 0x59); /* pop %rcx */
	miss = emit_jmp_fwd(e);
	emit_jrcxz_land(e, hit);
	emit8(e, 0x59);
	found(e, jc);
	return miss;
}

/* Goes to what flow_find() has found. @op: 4 for JMP, 2 for CALL (FF /op); or
 * OP_MOV into T0. */
void flow_to_found(struct emit *e, unsigned n, u8 op)
{
	u32 host = jc_at(n) + (u32)offsetof(struct jc_entry, host);

	if (op == OP_MOV)
		emit_gs8(e, true, OP_MOV, T0, T1, host);
	else
		emit_gs8(e, false, 0xff, op, T1, host);
}

void flow_lookup(struct emit *e, const struct stubs *stubs, unsigned n)
{
	u8 *miss = flow_find(e, n);

	emit_land_at(e, miss, stubs->jump_miss[n]);
	flow_to_found(e, n, 4);
}

void flow_lookup_host(struct emit *e, const struct stubs *stubs, unsigned n)
{
	u8 *miss = flow_find_host(e, n);

	emit_land_at(e, miss, stubs->jump_miss_host[n]);
	flow_to_found(e, n, 4);
}

/*
 * Jumped to, or called, with a tag in T0 that was not found: perhaps what was
 * found there last has pushed it to the entry behind. If not, @to_c, flags
 * SAVED. @host_flags: they are in EFLAGS, and are to be.
 */
u8 *stub_jump_miss(struct emit *e, unsigned n, bool host_flags, const u8 *to_c)
{
	u32 jc = jc_at(n) + ENTRY_BYTES;
	u8 *at = emit_pc(e), *miss;

	if (host_flags)
		emit_save_flags(e);
	miss = compare(e, jc);
	emit_land_at(e, miss, to_c);
	found(e, jc);
	emit_gs8(e, true, OP_MOV, T0, T1, jc + offsetof(struct jc_entry, host));
	if (host_flags)
		emit_restore_flags(e);
	emit8(e, 0x41);
	emit8(e, 0xff);
	emit8(e, 0xe2); /* jmp *%r10 */
	return at;
}
