/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iret.c - IRET to the user in generated code: the way back from page faults
 * and interrupts.
 *
 * The plain case only: IRETQ from 64-bit kernel code with SMAP to 64-bit user
 * code, as SYSRET's in syscall.c, and with the segments of the last such IRET
 * (struct fastret). Their descriptors are read and compared with what they were
 * then, so a guest may change its tables as it likes. The rest is C, in
 * co_flow.c, and so is whatever any check is against: nothing has changed by
 * then.
 *
 * MIRRORS: gate_return(), which does the same in C, where windows have to be
 * settled first.
 */
#include "engine/translate/trans.h"

/* cmpb $0, %gs:member */
static void must_be_zero(struct trans *tr, u32 member, struct cold *slow)
{
	struct emit *e = &tr->e;

	emit8(e, 0x65);
	emit8(e, 0x80);
	emit8(e, 0x3c);
	emit8(e, 0x25);
	emit32(e, member);
	emit8(e, 0);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
}

/* Neither a task to return to, nor NMIs to let in again, nor breakpoints. */
static void check_state(struct trans *tr, struct cold *slow)
{
	struct emit *e = &tr->e;

	must_be_zero(tr, GS(v.x86.nmi_masked), slow);
	must_be_zero(tr, GS(debug.armed), slow);
	/* testl $FLAG_NT, %gs:rflags */
	emit8(e, 0x65);
	emit8(e, 0xf7);
	emit8(e, 0x04);
	emit8(e, 0x25);
	emit32(e, GS(v.x86.rflags));
	emit32(e, FLAG_NT);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
}

/* The data segments stay: each is unusable, or the user's. */
static void check_data_segments(struct trans *tr, unsigned reg,
				struct cold *slow)
{
	static const u8 data_tab[] = { X86_ES, X86_DS, X86_FS, X86_GS };
	struct emit *e = &tr->e;

	_Static_assert(SEG_UNUSABLE > SEG_DPL, "compared as numbers");
	for (unsigned i = 0; i < ARRAY_SIZE(data_tab); i++) {
		emit_gs(e, false, OP_MOV, reg,
			GS(v.x86.seg[0].attr) +
				data_tab[i] * (u32)sizeof(struct x86_seg));
		emit_ri(e, false, 4, reg, (s32)(SEG_UNUSABLE | SEG_DPL));
		emit_ri(e, false, 7, reg, (s32)SEG_DPL);
		cold_from(slow, emit_jcc_fwd(e, CC_B));
	}
}

/* @reg <- word @n of the frame, which is the operand. */
static void load_word(struct trans *tr, unsigned reg, unsigned n)
{
	struct operand m = tr->mem;

	m.disp += 8 * (s32)n;
	emit_om(&tr->e, true, OP_MOV, reg, &m);
}

/* Word @n of the frame is a selector: it must be that of @member. */
static void check_selector(struct trans *tr, unsigned reg, unsigned n,
			   u32 member, struct cold *slow)
{
	struct emit *e = &tr->e;

	load_word(tr, reg, n);
	emit_movzw(e, reg, reg);
	emit_gs(e, false, ALU_CMP, reg, member);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
}

/* The descriptor whose address is at @at must be that at @raw. */
static void check_descriptor(struct trans *tr, u32 at, u32 raw,
			     struct cold *slow)
{
	struct emit *e = &tr->e;

	emit_gs(e, true, OP_MOV, T0, at);
	access_linear(tr, 8, ACC_R);
	emit_om(e, true, OP_MOV, T0, &tr->mem);
	emit_gs(e, true, ALU_CMP, T0, raw);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
}

bool iret_insn(struct trans *tr)
{
	struct emit *e = &tr->e;
	struct cold *slow;
	unsigned t;

	if (!in_long_code(tr) || (tr->key & (KEY_ALONE | KEY_CPL12)) ||
	    tr->mmu != MMU_KERNEL || tr->i->opsize != 8)
		return false;
	slow = cold_callout(tr, callout_for(tr->i));
	if (!slow)
		return true;
	/* A fault of what follows finds the guest's flags there. */
	tr->meta[tr->meta_count - 1].flags_saved = true;
	check_state(tr, slow);
	/* Faults look for one delta, so it is T1 for all accesses. */
	held_lose_both(tr);
	access_stack(tr, HOST_GUEST_RSP, 0, 5 * 8, ACC_R);
	t = tr->mem.base == T0 ? T1 : T0;
	load_word(tr, t, 0);
	emit_gs(e, true, OP_STORE, t, GS(fastret.rip));
	load_word(tr, t, 2);
	emit_gs(e, true, OP_STORE, t, GS(scratch[0]));
	load_word(tr, t, 3);
	emit_gs(e, true, OP_STORE, t, GS(fastret.rsp));
	check_selector(tr, t, 1, GS(fastret.cs), slow);
	check_selector(tr, t, 4, GS(fastret.ss), slow);
	check_data_segments(tr, t, slow);
	check_descriptor(tr, GS(fastret.cs_at), GS(fastret.cs_raw), slow);
	check_descriptor(tr, GS(fastret.ss_at), GS(fastret.ss_raw), slow);
	emit_gs(e, true, OP_MOV, T0, GS(fastret.rip));
	emit_canonical(e, T0);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
	emit_gs(e, true, OP_MOV, T1, GS(scratch[0]));
	emit8(e, 0x41);
	emit8(e, 0xf7);
	emit8(e, 0xc3); /* test $imm32, %r11d */
	emit32(e, GATE_FLAGS_ODD);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
	user_enter(tr, tr->g->stubs.iret, slow);
	return true;
}
