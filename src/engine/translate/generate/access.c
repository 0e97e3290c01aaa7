/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.c - memory operands: effective address, segment, software TLB. What
 * windowed blocks do instead is in reach.c.
 *
 * The check, with flags SAVED, for an access of n bytes:
 *
 *	T1  = (T0 >> 12) & (entries - 1)	pext where it is quick
 *	T0 -= tag[T1]
 *	cmp T0, 4096 - n ; ja cold		wrong page, or it crosses pages
 *	T0 += host[T1]
 *
 * Cold code calls the miss stub, which returns with the host address in T0
 * either here, or (a write that had to go to the bounce buffer) to a copy of
 * the rest of the instruction followed by the commit.
 */
#include "engine/translate/trans.h"

/* base + index * scale + disp with guest registers replaced. */
static void lea_guest(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct emit *e = &tr->e;
	unsigned base = 0xff, index = 0xff;
	bool wide = i->adsize == 8;

	if (i->base != X86_BASE_NONE) {
		int h = host_reg(tr, i->base);

		base = h < 0 ? T0 : (unsigned)h;
		if (h < 0)
			load_guest(tr, T0, i->base);
	}
	if (i->index != X86_BASE_NONE) {
		int h = host_reg(tr, i->index);

		index = h < 0 ? T1 : (unsigned)h;
		if (h < 0)
			load_guest(tr, T1, i->index);
	}
	if (base == 0xff && index == 0xff)
		emit_mov_imm(e, T0, wide ? (u64)i->disp : (u32)i->disp);
	else if (index == 0xff && i->disp == 0 && wide)
		emit_mov(e, T0, base);
	else
		emit_lea(e, wide, T0, base, index, i->scale, (s32)i->disp);
	if (i->adsize == 2) {
		/* movzwl %r10w, %r10d */
		emit8(e, 0x45);
		emit8(e, 0x0f);
		emit8(e, 0xb7);
		emit8(e, 0xd2);
	}
}

void access_offset(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	if (i->attr & IA_MOFFS) {
		emit_mov_imm(&tr->e, T0, (u64)i->disp);
	} else if (i->base == X86_BASE_RIP) {
		s64 off = (s64)tr->next + i->disp;

		emit_gs(&tr->e, true, OP_MOV, T0, GS(code_base));
		if (off == (s32)off) {
			emit_lea(&tr->e, i->adsize == 8, T0, T0, 0xff, 0,
				 (s32)off);
		} else {
			emit_mov_imm(&tr->e, T1, (u64)off);
			held_lose(tr, T1);
			emit_lea(&tr->e, i->adsize == 8, T0, T0, T1, 0, 0);
		}
	} else {
		lea_guest(tr);
	}
	held_lose(tr, T0);
}

static struct cold *cold_add(struct trans *tr, int kind, u8 *from)
{
	struct cold *c;

	if (tr->cold_count == TRANS_MAX_COLD) {
		tr->failed = true;
		return NULL;
	}
	c = &tr->cold[tr->cold_count++];
	*c = (struct cold){ .kind = kind, .from = from, .insn = (u8)tr->n };
	return c;
}

void access_segment_cold(struct trans *tr, u8 *from, unsigned seg)
{
	struct cold *c = cold_add(tr, COLD_SEGMENT, from);

	if (c)
		c->desc = seg | tr->n << MISS_INSN_SHIFT;
}

void access_segment(struct trans *tr, unsigned seg, unsigned bytes,
		    unsigned acc)
{
	struct emit *e = &tr->e;
	u32 sc = GS(segcache[0]) + seg * (u32)sizeof(struct segcache);
	u32 may = sc + (acc & ACC_W ? offsetof(struct segcache, may[1]) :
				      offsetof(struct segcache, may[0]));
	bool flat_seg = seg != X86_FS && seg != X86_GS;

	tr->seg_now = seg;
	if (in_long_code(tr)) {
		if (!flat_seg) {
			flags_need_saved(tr);
			emit_gs(e, true, ALU_ADD, T0,
				GS(v.x86.seg[0].base) +
					seg * (u32)sizeof(struct x86_seg));
			/* An address size of 32 bits cuts the offset only. */
		}
		return;
	}
	if ((tr->key & KEY_FLAT) && flat_seg &&
	    !(seg == X86_CS && (acc & ACC_W)))
		return;
	flags_need_saved(tr);
	emit_gs(e, true, ALU_CMP, T0, may);
	access_segment_cold(tr, emit_jcc_fwd(e, CC_B), seg);
	emit_lea(e, true, T1, T0, 0xff, 0, (s32)bytes - 1);
	emit_gs(e, true, ALU_CMP, T1, may + 8);
	access_segment_cold(tr, emit_jcc_fwd(e, CC_A), seg);
	emit_gs(e, false, ALU_ADD, T0, sc + offsetof(struct segcache, base));
}

/* SDM 3A 6.15 "Interrupt 17 - Alignment Check Exception": by operand size. */
static void alignment_check(struct trans *tr, unsigned bytes)
{
	struct emit *e = &tr->e;
	unsigned unit = bytes == 10 ? 8 : bytes;

	if (!(tr->key & KEY_ALIGN) || unit < 2 || unit > 8)
		return;
	emit8(e, 0x41);
	emit8(e, 0xf7);
	emit8(e, 0xc2); /* test $imm32, %r10d */
	emit32(e, unit - 1);
	access_segment_cold(tr, emit_jcc_fwd(e, CC_NE), FAULT_ALIGN);
}

/* T1 = index of the TLB entry for T0. */
static void tlb_index(struct trans *tr)
{
	struct emit *e = &tr->e;

	if (tr->g->fast_pext) {
		/* pext %gs:tlb_index_mask, %r10, %r11 */
		static const u8 pext[] = { 0x65, 0xc4, 0x62, 0xaa,
					   0xf5, 0x1c, 0x25 };

		for (unsigned k = 0; k < sizeof(pext); k++)
			emit8(e, pext[k]);
		emit32(e, GS(tlb_index_mask));
		return;
	}
	emit_mov(e, T1, T0);
	/* shr $12, %r11 */
	emit8(e, 0x49);
	emit8(e, 0xc1);
	emit8(e, 0xeb);
	emit8(e, PAGE_SHIFT);
	emit_ri(e, false, 4, T1, TLB_ENTRIES - 1);
}

static bool must_be_aligned(const struct x86_insn *i)
{
	bool cmpxchg16b = i->map == MAP_0F && i->opcode == 0xc7 &&
			  i->mem_bytes == 16;

	return (i->attr & IA_ALIGN) || cmpxchg16b;
}

/* Will other vCPUs notice if it is done on the bounce buffer? */
static bool must_be_atomic(const struct trans *tr, unsigned acc)
{
	const struct x86_insn *i = tr->i;
	bool xchg = i->map == MAP_1 && (i->opcode | 1) == 0x87;

	return tr->g->smp && (acc & ACC_W) && ((i->pfx & PFX_LOCK) || xchg);
}

void access_check(struct trans *tr, unsigned bytes, unsigned acc)
{
	struct emit *e = &tr->e;
	u32 tlb = GS(tlb[0]) + tr->mmu * (u32)sizeof(struct tlb);
	u32 tag = tlb + (acc & ACC_W ? offsetof(struct tlb, write_tag) :
				       offsetof(struct tlb, read_tag));
	struct cold *c;

	flags_need_saved(tr);
	alignment_check(tr, bytes);
	tlb_index(tr);
	emit_gs8(e, true, ALU_SUB, T0, T1, tag);
	emit_ri(e, true, 7, T0, (s32)(PAGE_SIZE - bytes));
	c = cold_add(tr, COLD_MISS, emit_jcc_fwd(e, CC_A));
	emit_gs8(e, true, ALU_ADD, T0, T1,
		 tlb + offsetof(struct tlb, host));
	tr->flags = FLAGS_SAVED;
	tr->mem = (struct operand){ .base = T0, .index = NO_INDEX };
	held_lose_both(tr);
	if (!c)
		return;
	c->resume = e->p;
	c->desc = bytes | tr->n << MISS_INSN_SHIFT |
		  (u32)tr->mmu << MISS_MMU_SHIFT |
		  (tr->seg_now == X86_SS ? MISS_STACK : 0) |
		  (must_be_aligned(tr->i) ? MISS_ALIGNED : 0) |
		  (must_be_atomic(tr, acc) ? MISS_LOCKED : 0) |
		  (acc & ACC_W ? MISS_WRITE : 0) |
		  (acc & ACC_R ? MISS_READ : 0);
}

void access_operand(struct trans *tr, unsigned bytes, unsigned acc)
{
	if (reach_can(tr)) {
		reach_operand(tr);
		return;
	}
	flags_need_saved(tr);
	access_offset(tr);
	if (x87_is_noted(tr->i))
		x87_note_offset(tr);
	access_segment(tr, tr->i->seg, bytes, acc);
	access_check(tr, bytes, acc);
}

unsigned access_stack_bytes(const struct trans *tr)
{
	if (in_long_code(tr))
		return 8;
	return tr->key & KEY_STACK32 ? 4 : 2;
}

/* T0 = RSP + delta as a stack offset. */
static void stack_offset(struct trans *tr, unsigned from, s32 delta)
{
	struct emit *e = &tr->e;
	unsigned w = access_stack_bytes(tr);

	if (w == 8 && delta == 0)
		emit_mov(e, T0, from);
	else
		emit_lea(e, w == 8, T0, from, 0xff, 0, delta);
	if (w == 2) {
		emit8(e, 0x45);
		emit8(e, 0x0f);
		emit8(e, 0xb7);
		emit8(e, 0xd2); /* movzwl %r10w, %r10d */
	}
}

void access_stack(struct trans *tr, unsigned from, s32 disp, unsigned bytes,
		  unsigned acc)
{
	if (tr->windowed) {
		reach_stack(tr, from == HOST_GUEST_RSP ? X86_RSP : from, disp);
		return;
	}
	flags_need_saved(tr);
	stack_offset(tr, from, disp);
	access_segment(tr, X86_SS, bytes, acc);
	access_check(tr, bytes, acc);
}

void access_linear(struct trans *tr, unsigned bytes, unsigned acc)
{
	if (tr->windowed) {
		reach_linear(tr);
		return;
	}
	tr->seg_now = X86_DS;
	access_check(tr, bytes, acc);
}

void access_end(struct trans *tr)
{
	for (unsigned k = 0; k < tr->cold_count; k++) {
		struct cold *c = &tr->cold[k];

		if (c->kind == COLD_MISS && c->insn == tr->n && !c->end &&
		    (c->desc & MISS_WRITE)) {
			c->end = tr->e.p;
			c->flags = tr->flags;
		}
	}
}
