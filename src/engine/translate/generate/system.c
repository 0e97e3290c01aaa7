/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.c - the instructions of kernels that are frequent and simple, as
 * generated code. What is not plain about one (a privilege, a fault, a mode
 * that nobody expects) is left to the callout of its class.
 */
#include "engine/translate/trans.h"

static bool is_kernel64(const struct trans *tr)
{
	return in_long_code(tr) && !(tr->key & (KEY_USER | KEY_CPL12));
}

static u32 gs_seg(unsigned r)
{
	return GS(v.x86.seg[0]) + r * (u32)sizeof(struct x86_seg);
}

static void swapgs(struct trans *tr)
{
	struct emit *e = &tr->e;

	emit_gs(e, true, OP_MOV, T0, GS(v.x86.seg[X86_GS].base));
	emit_gs(e, true, OP_MOV, T1, GS(v.x86.kernel_gs_base));
	emit_gs(e, true, OP_STORE, T0, GS(v.x86.kernel_gs_base));
	emit_gs(e, true, OP_STORE, T1, GS(v.x86.seg[X86_GS].base));
}

/* Where 0F 20 finds control register @n; 0: in C. */
static u32 gs_cr(unsigned n)
{
	switch (n) {
	case 0:
		return GS(v.x86.cr0);
	case 2:
		return GS(v.x86.cr2);
	case 3:
		return GS(v.x86.cr3);
	case 4:
		return GS(v.x86.cr4);
	default:
		return 0;
	}
}

static void mov_from_cr(struct trans *tr)
{
	emit_gs(&tr->e, true, OP_MOV, T0, gs_cr(tr->i->reg));
	store_guest(tr, tr->i->rm, T0, 8);
}

static void mov_from_sreg(struct trans *tr)
{
	struct emit *e = &tr->e;

	emit_gs_movzw(e, T0, gs_seg(tr->i->reg) +
				     (u32)offsetof(struct x86_seg, sel));
	store_guest(tr, tr->i->rm, T0, tr->i->opsize);
}

/* Goes to @slow unless CR4 has @bit (or, if not @set, if it has). */
static void check_cr4(struct trans *tr, u64 bit, bool set, struct cold *slow)
{
	struct emit *e = &tr->e;

	/* testl $bit, %gs:cr4 */
	emit8(e, 0x65);
	emit8(e, 0xf7);
	emit8(e, 0x04);
	emit8(e, 0x25);
	emit32(e, GS(v.x86.cr4));
	emit32(e, (u32)bit);
	cold_from(slow, emit_jcc_fwd(e, set ? CC_E : CC_NE));
}

static void rdtsc(struct trans *tr)
{
	bool p = tr->i->cls == X86_C_RDTSCP;
	struct emit *e = &tr->e;
	struct cold *slow = NULL;

	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	if (tr->key & (KEY_USER | KEY_CPL12)) {
		slow = cold_callout(tr, callout_for(tr->i));
		if (!slow)
			return;
		check_cr4(tr, CR4_TSD, false, slow);
	}
	if (p) {
		emit8(e, 0x0f);
		emit8(e, 0xae);
		emit8(e, 0xe8); /* lfence */
	}
	emit8(e, 0x0f);
	emit8(e, 0x31); /* rdtsc */
	emit_shift(e, true, 4, X86_RDX, 32);
	emit_rr(e, true, ALU_OR, X86_RDX, X86_RAX);
	emit_gs(e, true, ALU_ADD, X86_RDX, GS(v.x86.tsc_offset));
	emit_rr(e, false, OP_MOV, X86_RAX, X86_RDX);
	emit_shift(e, true, 5, X86_RDX, 32);
	if (p)
		emit_gs(e, false, OP_MOV, X86_RCX, GS(v.x86.tsc_aux));
	cold_resume(tr, slow);
}

/* F3 0F AE /0-3: RDFSBASE RDGSBASE WRFSBASE WRGSBASE */
static void fsgsbase(struct trans *tr)
{
	unsigned op = tr->i->modrm >> 3 & 7;
	u32 base = gs_seg(op & 1 ? X86_GS : X86_FS);
	struct emit *e = &tr->e;
	struct cold *slow;

	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	slow = cold_callout(tr, callout_for(tr->i));
	if (!slow)
		return;
	check_cr4(tr, CR4_FSGSBASE, true, slow);
	if (op < 2) {
		emit_gs(e, true, OP_MOV, T0, base);
		store_guest(tr, tr->i->rm, T0, tr->i->opsize);
	} else {
		load_guest(tr, T0, tr->i->rm);
		if (tr->i->opsize == 4) {
			emit_rr(e, false, OP_MOV, T0, T0);
		} else {
			emit_canonical(e, T0);
			cold_from(slow, emit_jcc_fwd(e, CC_NE));
		}
		emit_gs(e, true, OP_STORE, T0, base);
	}
	cold_resume(tr, slow);
}

/* STAC and CLAC change the mode within a block: what follows has another key,
 * another TLB, another shadow stack. */
bool system_switches_ac(u32 key)
{
	return (key & KEY_CODE64) &&
	       !(key & (KEY_USER | KEY_CPL12 | KEY_REAL | KEY_ALONE));
}

static void set_ac(struct emit *e, bool on)
{
	emit_gs_imm32(e, false, 0x81, on ? 1 : 4, GS(v.x86.rflags),
		      on ? (u32)FLAG_AC : ~(u32)FLAG_AC);
}

static void switch_ac(struct trans *tr, bool on)
{
	u32 key = on ? (tr->key & ~KEY_WINDOW) | KEY_AC :
		       (tr->key & ~KEY_AC) | key_kernel_windows(tr->g);
	unsigned to = key_jc(key);
	struct emit *e = &tr->e;
	struct cold *slow;

	/* Without KEY_AC, AC is clear and SMAP on. */
	if (!on && !(tr->key & KEY_AC))
		return;
	flags_need_saved(tr);
	tr->flags = FLAGS_SAVED;
	if (on && (tr->key & KEY_AC)) {
		set_ac(e, true);
		return;
	}
	slow = cold_callout(tr, callout_for(tr->i));
	if (!slow)
		return;
	if (!on)
		check_cr4(tr, CR4_SMAP, true, slow);
	emit_gs_imm32(e, false, 0x81, 7, GS(jc_key[0]) + 4 * to, key);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
	set_ac(e, on);
	emit_gs_imm32(e, false, 0xc7, 0, GS(key), key);
	emit_gs(e, true, OP_STORE, X86_RSP,
		GS(shadow[0].rsp) + tr->jc * (u32)sizeof(struct shadow));
	emit_gs(e, true, OP_MOV, X86_RSP,
		GS(shadow[0].rsp) + to * (u32)sizeof(struct shadow));
	/* If C does it, it does not come back. */
	cold_resume(tr, slow);
	trans_set_key(tr, key);
}

/*
 * BT BTS BTR BTC m, r: the bit offset is signed and reaches beyond the
 * operand. The address is moved, and the instruction run with what is left of
 * the offset.
 */
static void bt_mem(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	bool wide = i->opsize == 8;
	struct emit *e = &tr->e;

	flags_need_saved(tr);
	load_guest(tr, T1, i->reg);
	emit_ri(e, false, 4, T1, wide ? 63 : 31);
	emit_gs(e, true, OP_STORE, T1, GS(scratch[0]));
	access_offset(tr);
	load_guest(tr, T1, i->reg);
	if (!wide)
		emit_rr(e, true, 0x63, T1, T1); /* movslq */
	emit_shift(e, true, 7, T1, wide ? 6 : 5);
	emit_lea(e, true, T0, T0, T1, wide ? 3 : 2, 0);
	access_segment(tr, i->seg, i->opsize, i->mem_acc);
	access_check(tr, i->opsize, i->mem_acc);
	flags_need_host(tr);
	tr->meta[tr->meta_count - 1].flags_saved = true;
	emit_gs(e, true, OP_MOV, T1, GS(scratch[0]));
	if (i->pfx & PFX_LOCK)
		emit8(e, 0xf0);
	emit_rex(e, wide, T1, 0, T0);
	emit8(e, 0x0f);
	emit8(e, i->opcode);
	emit8(e, (u8)((T1 & 7) << 3 | (T0 & 7)));
	tr->flags = FLAGS_HOST;
	access_end(tr);
}

/*
 * What was written before is seen by all; changed code is not run any more,
 * for it has been dropped, and the block ends here.
 * SDM 3A 8.3 "Serializing Instructions"
 */
static void serialize(struct trans *tr)
{
	struct emit *e = &tr->e;

	emit8(e, 0x0f);
	emit8(e, 0xae);
	emit8(e, 0xf0); /* mfence */
}

bool system_insn(struct trans *tr)
{
	const struct x86_insn *i = tr->i;

	switch (i->cls) {
	case X86_C_SWAPGS:
		if (!is_kernel64(tr))
			return false;
		swapgs(tr);
		return true;
	case X86_C_STAC:
	case X86_C_CLAC:
		if (!system_switches_ac(tr->key))
			return false;
		switch_ac(tr, i->cls == X86_C_STAC);
		return true;
	case X86_C_MOV_CR:
		if (!is_kernel64(tr) || i->opcode != 0x20 || !gs_cr(i->reg))
			return false;
		mov_from_cr(tr);
		return true;
	case X86_C_MOV_FROM_SREG:
		if ((i->attr & IA_MEM) || i->reg > X86_GS)
			return false;
		mov_from_sreg(tr);
		return true;
	case X86_C_RDTSC:
	case X86_C_RDTSCP:
		if (tr->key & (KEY_REAL | KEY_ALONE))
			return false;
		rdtsc(tr);
		return true;
	case X86_C_FSGSBASE:
		if (!in_long_code(tr) || (tr->key & KEY_ALONE))
			return false;
		fsgsbase(tr);
		return true;
	case X86_C_BT_MEM:
		if (!in_long_code(tr) || i->opsize < 4 || i->adsize != 8)
			return false;
		bt_mem(tr);
		return true;
	case X86_C_STRING:
		if (!string_is_generated(tr->key, i))
			return false;
		string_insn(tr);
		return true;
	case X86_C_SERIALIZE:
		serialize(tr);
		return true;
	case X86_C_SYSCALL:
		return syscall_insn(tr);
	case X86_C_SYSRET:
		return sysret_insn(tr);
	case X86_C_IRET:
		return iret_insn(tr);
	default:
		return false;
	}
}
