/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_segment.c - segment registers and what shows descriptors: loads, stores,
 * LAR and its kin, the base registers of FS and GS.
 */
#include "engine/translate/callout.h"

static int load_sreg(struct tcpu *t, unsigned r, u16 sel, struct x86_fault *f)
{
	struct x86_state *s = &t->v.x86;

	if (x86_is_real(s) || x86_is_vm86(s)) {
		x86_load_sreg_real(s, r, sel);
		return 0;
	}
	return x86_load_sreg(s, &t->mem, r, sel, f);
}

/* MOV SS and POP SS hold interrupts off for one instruction. */
static enum callout_result sreg_loaded(struct tcpu *t, struct callout *c,
				       unsigned r)
{
	if (r != X86_SS)
		return callout_done(t);
	t->v.x86.rip = callout_next(t, c);
	t->v.x86.intr_shadow = X86_SHADOW_MOV_SS;
	return callout_leave(t);
}

static enum callout_result co_mov_to_sreg(struct tcpu *t, struct callout *c)
{
	struct x86_fault f;
	u16 sel;

	callout_begin(t, c);
	if (c->insn.reg == X86_CS || c->insn.reg > X86_GS)
		return callout_ud(t);
	if (callout_read_rm16(t, c, &sel, &f) ||
	    load_sreg(t, c->insn.reg, sel, &f))
		return callout_fault(t, &f);
	return sreg_loaded(t, c, c->insn.reg);
}

static enum callout_result co_mov_from_sreg(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (c->insn.reg > X86_GS)
		return callout_ud(t);
	if (callout_write_rm(t, c, s->seg[c->insn.reg].sel, 2, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_push_sreg(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	/* Zero-extended. Some processors leave the upper half of a 4-byte
	 * slot as it was: SDM 2 "PUSH". */
	if (callout_push(t, s->seg[c->insn.reg].sel, c->insn.opsize, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_pop_sreg(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u64 sp = s->gpr[X86_RSP];
	struct x86_fault f;
	u64 v;

	if (callout_pop(t, &v, c->insn.opsize, &f) ||
	    load_sreg(t, c->insn.reg, (u16)v, &f)) {
		s->gpr[X86_RSP] = sp;
		return callout_fault(t, &f);
	}
	return sreg_loaded(t, c, c->insn.reg);
}

/* LDS LES LFS LGS LSS: the decoder leaves the segment to the opcode. */
static enum callout_result co_load_far_ptr(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	unsigned r = i->map == MAP_1 ? (i->opcode == 0xc4 ? X86_ES : X86_DS) :
		     i->opcode == 0xb2 ? X86_SS :
		     i->opcode == 0xb4 ? X86_FS :
					 X86_GS;
	const struct x86_state *s = callout_begin(t, c);
	/* AMD's processors know no 64-bit form. APM 3 "LDS..." */
	unsigned n = i->opsize == 8 && !s->intel ? 4 : i->opsize;
	struct x86_fault f;
	u8 buf[10] = { 0 };
	u64 v;

	if (callout_load(t, c, buf, n + 2u, &f) ||
	    load_sreg(t, r, (u16)(buf[n] | buf[n + 1] << 8), &f))
		return callout_fault(t, &f);
	__builtin_memcpy(&v, buf, 8);
	reg_write(t, i->reg, v, n);
	return sreg_loaded(t, c, r == X86_SS ? X86_DS : r);
}

static bool protected_only(const struct tcpu *t)
{
	return t->key & KEY_REAL;
}

static enum callout_result co_lldt(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	bool ltr = c->insn.cls == X86_C_LTR;
	struct x86_fault f;
	u16 sel;

	if (protected_only(t))
		return callout_ud(t);
	if (t->key & (KEY_USER | KEY_CPL12))
		return callout_gp(t);
	if (callout_read_rm16(t, c, &sel, &f) ||
	    (ltr ? x86_ltr(s, &t->mem, sel, &f) :
		   x86_lldt(s, &t->mem, sel, &f)))
		return callout_fault(t, &f);
	callout_serialize();
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_sldt(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	u16 sel = c->insn.cls == X86_C_STR ? s->tr.sel : s->ldtr.sel;
	struct x86_fault f;

	if (protected_only(t))
		return callout_ud(t);
	if ((s->cr4 & CR4_UMIP) && (t->key & (KEY_USER | KEY_CPL12)))
		return callout_gp(t);
	if (callout_write_rm(t, c, sel, 2, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_lar_lsl(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	bool lsl = c->insn.cls == X86_C_LSL;
	struct x86_fault f;
	u32 v = 0;
	u16 sel;
	bool zf;

	if (protected_only(t))
		return callout_ud(t);
	if (callout_read_rm16(t, c, &sel, &f) ||
	    (lsl ? x86_lsl(s, &t->mem, sel, &zf, &v, &f) :
		   x86_lar(s, &t->mem, sel, &zf, &v, &f)))
		return callout_fault(t, &f);
	if (zf)
		reg_write(t, c->insn.reg, v, c->insn.opsize);
	s->rflags = zf ? s->rflags | FLAG_ZF : s->rflags & ~FLAG_ZF;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_verr_verw(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;
	u16 sel;
	bool zf;

	if (protected_only(t))
		return callout_ud(t);
	if (callout_read_rm16(t, c, &sel, &f) ||
	    x86_verr_verw(s, &t->mem, sel, c->insn.cls == X86_C_VERW, &zf, &f))
		return callout_fault(t, &f);
	s->rflags = zf ? s->rflags | FLAG_ZF : s->rflags & ~FLAG_ZF;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_arpl(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u16 src = (u16)s->gpr[c->insn.reg];
	struct x86_fault f;
	u16 dst;

	if (protected_only(t))
		return callout_ud(t);
	if (callout_read_rm16(t, c, &dst, &f))
		return callout_fault(t, &f);
	if ((dst & 3) < (src & 3)) {
		u64 v = (dst & ~3u) | (src & 3);

		if (c->insn.attr & IA_MEM) {
			if (callout_store(t, c, &v, 2, &f))
				return callout_fault(t, &f);
		} else {
			reg_write(t, c->insn.rm, v, 2);
		}
		s->rflags |= FLAG_ZF;
	} else {
		s->rflags &= ~FLAG_ZF;
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_swapgs(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u64 base = s->seg[X86_GS].base;

	if (!(t->key & KEY_CODE64))
		return callout_ud(t);
	if (t->key & (KEY_USER | KEY_CPL12))
		return callout_gp(t);
	s->seg[X86_GS].base = s->kernel_gs_base;
	s->kernel_gs_base = base;
	callout_end(t);
	return CALLOUT_NEXT;
}

/* F3 0F AE /0-3: RDFSBASE RDGSBASE WRFSBASE WRGSBASE */
static enum callout_result co_fsgsbase(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned op = c->insn.modrm >> 3 & 7;
	struct x86_seg *g = &s->seg[op & 1 ? X86_GS : X86_FS];

	if (!(t->key & KEY_CODE64) || !(s->cr4 & CR4_FSGSBASE))
		return callout_ud(t);
	if (op < 2) {
		reg_write(t, c->insn.rm, g->base, c->insn.opsize);
	} else {
		u64 v = reg_read(t, c->insn.rm, c->insn.opsize);

		if (!x86_is_canonical(v))
			return callout_gp(t);
		g->base = v;
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

callout_fn callout_segment(enum x86_class c)
{
	switch (c) {
	case X86_C_MOV_TO_SREG:
		return co_mov_to_sreg;
	case X86_C_MOV_FROM_SREG:
		return co_mov_from_sreg;
	case X86_C_PUSH_SREG:
		return co_push_sreg;
	case X86_C_POP_SREG:
		return co_pop_sreg;
	case X86_C_LOAD_FAR_PTR:
		return co_load_far_ptr;
	case X86_C_LLDT:
	case X86_C_LTR:
		return co_lldt;
	case X86_C_SLDT:
	case X86_C_STR:
		return co_sldt;
	case X86_C_LAR:
	case X86_C_LSL:
		return co_lar_lsl;
	case X86_C_VERR:
	case X86_C_VERW:
		return co_verr_verw;
	case X86_C_ARPL:
		return co_arpl;
	case X86_C_SWAPGS:
		return co_swapgs;
	case X86_C_FSGSBASE:
		return co_fsgsbase;
	default:
		return NULL;
	}
}
