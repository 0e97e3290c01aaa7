/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x87.c - where the last x87 instruction was: FIP, FDP and FOP.
 *
 * The processor keeps them by itself, but what it keeps are addresses in the
 * code cache and in guest RAM as the host maps it. They show whose they are: a
 * pointer there is one of ours, and stands for the guest instruction that
 * translated code has noted down last; any other was loaded by the guest
 * itself (FRSTOR, FXRSTOR) and stays.
 *
 * Some processors do not save them by XSAVE unless an exception is pending, so
 * they are lost whenever C lets the host have the x87 unit. Then what was noted
 * holds; but not for the guest's own XSAVE (.shown), which would lose them too.
 *
 * SDM 1 8.1.8 "x87 FPU Instruction and Data (Operand) Pointers", 8.1.9 "Last
 * Instruction Opcode". DEVIATES: FCS and FDS are the segment registers as they
 * are when the state is saved.
 */
#include "engine/translate/fpu.h"
#include "engine/translate/trans.h"

/* tcpu.x87.what */
#define WHAT_AT 0xfffu /* offset from .page */
#define WHAT_OP_SHIFT 12 /* FOP, 11 bits */
#define WHAT_SEG_SHIFT 24
#define WHAT_NOTED BIT(31)

/* They leave the pointers alone. SDM 1 8.1.8: "control instructions" */
static bool is_control(const struct x86_insn *i)
{
	bool mem = i->attr & IA_MEM;

	switch (i->opcode) {
	case 0x9b: /* FWAIT */
		return true;
	case 0xd9: /* FLDCW, FNSTCW */
		return mem && (i->reg == 5 || i->reg == 7);
	case 0xdb: /* FNCLEX, FNINIT and old NOPs */
		return !mem && (i->modrm & 0xf8) == 0xe0;
	case 0xdd: /* FNSTSW */
		return mem && i->reg == 7;
	case 0xdf: /* FNSTSW AX */
		return i->modrm == 0xe0;
	default:
		return false;
	}
}

static bool is_fninit(const struct x86_insn *i)
{
	return i->opcode == 0xdb && i->modrm == 0xe3;
}

static bool has_operand(const struct x86_insn *i)
{
	return i->attr & IA_MEM;
}

bool x87_is_noted(const struct x86_insn *i)
{
	return (i->attr & IA_X87) && (!is_control(i) || is_fninit(i));
}

/*
 * Does it wait for x87 exceptions before it looks at its memory operand? Not
 * FNSTCW and FNSTSW; and CVTPI2PS and CVTPI2PD wait after it, if at all.
 */
bool x87_waits(const struct x86_insn *i)
{
	if (i->attr & IA_MMX)
		return i->map != MAP_0F || i->opcode != 0x2a;
	return i->attr & IA_X87 &&
	       !((i->opcode == 0xd9 || i->opcode == 0xdd) && i->reg == 7);
}

void x87_note_offset(struct trans *tr)
{
	emit_gs(&tr->e, true, OP_STORE, T0, GS(scratch[0]));
}

void x87_note(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	struct emit *e = &tr->e;
	u32 what = ((u32)tr->at & WHAT_AT) |
		   (u32)(i->opcode & 7) << (WHAT_OP_SHIFT + 8) |
		   (u32)i->modrm << WHAT_OP_SHIFT |
		   (u32)i->seg << WHAT_SEG_SHIFT | WHAT_NOTED;

	if (is_fninit(i)) {
		emit_gs_imm32(e, true, 0xc7, 0, GS(x87.operand), 0);
		emit_gs_imm32(e, false, 0xc7, 0, GS(x87.what), 0);
		return;
	}
	if (has_operand(i)) {
		emit_gs(e, true, OP_MOV, T1, GS(scratch[0]));
		emit_gs(e, true, OP_STORE, T1, GS(x87.operand));
	}
	if (!tr->x87_page_noted) {
		emit_gs(e, true, OP_MOV, T1, GS(code_base));
		emit_gs(e, true, OP_STORE, T1, GS(x87.page));
		tr->x87_page_noted = true;
	}
	emit_gs_imm32(e, false, 0xc7, 0, GS(x87.what), what);
}

/* Is it in [@at, @at + @bytes), by what bits it has? */
static bool is_within(u64 p, bool wide, const void *at, u64 bytes)
{
	u64 off = p - (u64)(uintptr_t)at;

	return (wide ? off : (u32)off) < bytes;
}

static bool is_host_data(const struct tcpu *t, u64 fdp, bool wide)
{
	const struct gmem *m = &t->e->vm->mem;

	return is_within(fdp, wide, m->ram, gmem_bytes(m)) ||
	       is_within(fdp, wide, t->bounce, sizeof(t->bounce));
}

void x87_guest_pointers(const struct tcpu *t, struct x87_pointers *p,
			bool wide)
{
	const struct x86_state *s = &t->v.x86;
	u32 what = t->x87.what;
	bool lost = p->shown && !p->fip && (what & WHAT_NOTED);

	/* Lower halves only: 0 may look like an address of ours, but is the
	 * initial value, and a guest may load what looks like one. */
	if (!lost &&
	    (!p->fip ||
	     !is_within(p->fip, wide, t->e->code.rx, t->e->code.bytes)))
		return;
	p->fip = t->x87.page + (what & WHAT_AT);
	if (!(t->key & KEY_CODE64))
		p->fip = (u32)p->fip;
	p->fop = what >> WHAT_OP_SHIFT & 0x7ff;
	p->fcs = s->seg[X86_CS].sel;
	if (lost ? t->x87.operand != 0 :
		   p->fdp && is_host_data(t, p->fdp, wide)) {
		p->fdp = t->x87.operand;
		p->fds = s->seg[what >> WHAT_SEG_SHIFT & 7].sel;
	}
}

/* The guest has loaded or initialized them. */
void x87_forget(struct tcpu *t)
{
	t->x87.what = 0;
	t->x87.operand = 0;
}
