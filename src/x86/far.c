/* SPDX-License-Identifier: Apache-2.0 */
/*
 * far.c - far JMP, CALL and RET: to code segments directly and through call
 * gates, with the change of stack that a change of privilege brings.
 *
 * SDM 2A "JMP - Jump", "CALL - Call Procedure"; SDM 2B "RET - Return From
 * Procedure"; SDM 3A 5.8 "Privilege Level Checking When Transferring Program
 * Control Between Code Segments"
 */
#include "x86/desc.h"
#include "x86/stack.h"
#include "x86/system.h"

#define GATE_PARAMS 0x1fu

static u64 truncate(u64 v, unsigned opsize)
{
	return opsize == 8 ? v : opsize == 4 ? (u32)v : (u16)v;
}

static bool is_unsegmented(const struct x86_state *s)
{
	return x86_is_real(s) || x86_is_vm86(s);
}

int x86_check_rip(const struct x86_state *s, const struct x86_desc *d, u64 rip,
		  struct x86_fault *f)
{
	if (x86_desc_is_64bit(s, d))
		return x86_is_canonical(rip) ? 0 : x86_gp(f);
	return rip <= x86_desc_limit(d) ? 0 : x86_gp(f);
}

static void load_cs(struct x86_state *s, const struct x86_desc *d, u16 sel,
		    unsigned cpl, u64 rip)
{
	x86_desc_load(d, (u16)((sel & ~SEL_RPL) | cpl), &s->seg[X86_CS]);
	s->rip = rip;
}

/* L and D both set are reserved in long mode; and the segment must be there. */
static int check_code_bits(const struct x86_state *s, const struct x86_desc *d,
			   u16 sel, struct x86_fault *f)
{
	u32 both = SEG_L | SEG_DB;

	if (x86_is_long_mode(s) && (x86_desc_attr(d) & both) == both)
		return x86_fault_sel(f, X86_GP, sel);
	if (!x86_desc_present(d))
		return x86_fault_sel(f, X86_NP, sel);
	return 0;
}

/* A code segment as the direct target of JMP or CALL: same privilege. */
static int check_direct(const struct x86_state *s, const struct x86_desc *d,
			u16 sel, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(s), dpl = x86_desc_dpl(d);

	if (x86_desc_is_conforming(d) ? dpl > cpl
				      : (sel & SEL_RPL) > cpl || dpl != cpl)
		return x86_fault_sel(f, X86_GP, sel);
	return check_code_bits(s, d, sel, f);
}

/* Real and virtual-8086 mode. */
static int check_real_rip(const struct x86_state *s, u64 rip,
			  struct x86_fault *f)
{
	u32 limit = x86_is_vm86(s) ? 0xffff : s->seg[X86_CS].limit;

	return rip <= limit ? 0 : x86_gp(f);
}

static int push_return(struct x86_state *s, const struct x86_mem *m, bool flat,
		       unsigned size, u64 next_rip, struct x86_fault *f)
{
	u64 frame[2] = { s->seg[X86_CS].sel, next_rip };
	struct x86_stack k;

	x86_stack_current(&k, s, flat);
	if (x86_stack_push(&k, m, frame, 2, size, f))
		return -1;
	s->gpr[X86_RSP] = k.sp;
	return 0;
}

/* --- call gates --- */

struct call_gate {
	u16 sel; /* of the code */
	u64 offset;
	unsigned size; /* of what is pushed */
	unsigned params;
	struct x86_desc code;
	bool inner; /* to more privilege */
};

static int check_gate_access(const struct x86_state *s,
			     const struct x86_desc *d, u16 sel,
			     struct x86_fault *f)
{
	unsigned dpl = x86_desc_dpl(d);

	if (dpl < x86_cpl(s) || dpl < (sel & SEL_RPL))
		return x86_fault_sel(f, X86_GP, sel);
	if (!x86_desc_present(d))
		return x86_fault_sel(f, X86_NP, sel);
	return 0;
}

static int read_call_gate(const struct x86_state *s, const struct x86_mem *m,
			  struct x86_desc *d, u16 sel, bool jmp,
			  struct call_gate *g, struct x86_fault *f)
{
	bool wide = x86_desc_type(d) == SYS_CALL, lm = x86_is_long_mode(s);
	unsigned cpl = x86_cpl(s), dpl;

	if (check_gate_access(s, d, sel, f))
		return -1;
	if (lm && x86_desc_read_top(s, m, sel, X86_GP, d, f))
		return -1;
	g->sel = x86_gate_sel(d);
	g->offset = x86_gate_offset(d, wide);
	g->size = lm ? 8 : wide ? 4 : 2;
	g->params = lm ? 0 : d->hi & GATE_PARAMS;
	if (x86_sel_is_null(g->sel))
		return x86_gp(f);
	if (x86_desc_read(s, m, g->sel, X86_GP, &g->code, f))
		return -1;
	dpl = x86_desc_dpl(&g->code);
	if (!x86_desc_is_code(&g->code) || dpl > cpl)
		return x86_fault_sel(f, X86_GP, g->sel);
	g->inner = !x86_desc_is_conforming(&g->code) && dpl < cpl;
	if (jmp && g->inner)
		return x86_fault_sel(f, X86_GP, g->sel);
	if (lm && (x86_desc_attr(&g->code) & (SEG_L | SEG_DB)) != SEG_L)
		return x86_fault_sel(f, X86_GP, g->sel);
	if (!x86_desc_present(&g->code))
		return x86_fault_sel(f, X86_NP, g->sel);
	return x86_check_rip(s, &g->code, g->offset, f);
}

/* SDM 3A 5.8.5 "Stack Switching" */
static int call_inner(struct x86_state *s, const struct x86_mem *m,
		      const struct call_gate *g, u64 next_rip,
		      struct x86_fault *f)
{
	unsigned dpl = x86_desc_dpl(&g->code), n = 0;
	struct x86_stack outer, inner;
	u64 frame[4 + GATE_PARAMS], params[GATE_PARAMS];

	if (x86_stack_inner(&inner, s, m, dpl, 0, f))
		return -1;
	x86_stack_current(&outer, s, x86_is_64bit(s));
	for (unsigned i = 0; i < g->params; i++)
		if (x86_stack_pop(&outer, m, &params[i], 1, g->size, f))
			return -1;
	frame[n++] = s->seg[X86_SS].sel;
	frame[n++] = s->gpr[X86_RSP];
	for (unsigned i = g->params; i > 0; i--)
		frame[n++] = params[i - 1];
	frame[n++] = s->seg[X86_CS].sel;
	frame[n++] = next_rip;
	if (x86_stack_push(&inner, m, frame, n, g->size, f))
		return -1;
	s->seg[X86_SS] = inner.seg;
	s->gpr[X86_RSP] = inner.sp;
	load_cs(s, &g->code, g->sel, dpl, g->offset);
	return 0;
}

static int through_gate(struct x86_state *s, const struct x86_mem *m,
			struct x86_desc *d, u16 sel, bool jmp, u64 next_rip,
			struct x86_fault *f)
{
	struct call_gate g;

	if (read_call_gate(s, m, d, sel, jmp, &g, f) ||
	    x86_desc_mark_accessed(m, &g.code, f))
		return -1;
	if (g.inner)
		return call_inner(s, m, &g, next_rip, f);
	if (!jmp && push_return(s, m, x86_is_long_mode(s), g.size, next_rip, f))
		return -1;
	load_cs(s, &g.code, g.sel, x86_cpl(s), g.offset);
	return 0;
}

/* A system descriptor as the target of JMP or CALL. */
static int through_system(struct x86_state *s, const struct x86_mem *m,
			  struct x86_desc *d, u16 sel, bool jmp, u64 next_rip,
			  struct x86_fault *f)
{
	enum x86_task_cause cause = jmp ? X86_TASK_JMP : X86_TASK_CALL;
	unsigned type = x86_desc_is_system(d) ? x86_desc_type(d) : 0;
	u16 tss = sel;

	if (type == SYS_CALL || (type == SYS_CALL16 && !x86_is_long_mode(s)))
		return through_gate(s, m, d, sel, jmp, next_rip, f);
	if (x86_is_long_mode(s))
		return x86_fault_sel(f, X86_GP, sel);
	switch (type) {
	case SYS_TASK_GATE:
		if (check_gate_access(s, d, sel, f))
			return -1;
		tss = x86_gate_sel(d);
		break;
	case SYS_TSS16_AVAIL:
	case SYS_TSS_AVAIL:
		if (check_gate_access(s, d, sel, f))
			return -1;
		break;
	default:
		return x86_fault_sel(f, X86_GP, sel);
	}
	return x86_task_switch(s, m, tss, cause, next_rip, s->rflags, NULL, f);
}

/* --- JMP and CALL --- */

int x86_jmp_far(struct x86_state *s, const struct x86_mem *m, u16 sel,
		u64 offset, unsigned opsize, u64 next_rip, struct x86_fault *f)
{
	struct x86_desc d;

	offset = truncate(offset, opsize);
	if (is_unsegmented(s)) {
		if (check_real_rip(s, offset, f))
			return -1;
		x86_load_sreg_real(s, X86_CS, sel);
		s->rip = offset;
		return 0;
	}
	if (x86_sel_is_null(sel))
		return x86_gp(f);
	if (x86_desc_read(s, m, sel, X86_GP, &d, f))
		return -1;
	if (!x86_desc_is_code(&d))
		return through_system(s, m, &d, sel, true, next_rip, f);
	if (check_direct(s, &d, sel, f) || x86_check_rip(s, &d, offset, f) ||
	    x86_desc_mark_accessed(m, &d, f))
		return -1;
	load_cs(s, &d, sel, x86_cpl(s), offset);
	return 0;
}

/*
 * From compatibility mode into 64-bit code the return address is pushed with
 * neither base nor limit of SS, as the mode to come has it. Manuals do not say;
 * AMD's processors do so (test/insn).
 */
static bool is_push_flat(const struct x86_state *s, const struct x86_desc *to)
{
	return x86_is_64bit(s) || x86_desc_is_64bit(s, to);
}

int x86_call_far(struct x86_state *s, const struct x86_mem *m, u16 sel,
		 u64 offset, unsigned opsize, u64 next_rip, struct x86_fault *f)
{
	struct x86_desc d;

	offset = truncate(offset, opsize);
	if (is_unsegmented(s)) {
		if (check_real_rip(s, offset, f) ||
		    push_return(s, m, false, opsize, next_rip, f))
			return -1;
		x86_load_sreg_real(s, X86_CS, sel);
		s->rip = offset;
		return 0;
	}
	if (x86_sel_is_null(sel))
		return x86_gp(f);
	if (x86_desc_read(s, m, sel, X86_GP, &d, f))
		return -1;
	if (!x86_desc_is_code(&d))
		return through_system(s, m, &d, sel, false, next_rip, f);
	if (check_direct(s, &d, sel, f) || x86_check_rip(s, &d, offset, f) ||
	    x86_desc_mark_accessed(m, &d, f) ||
	    push_return(s, m, is_push_flat(s, &d), opsize, next_rip, f))
		return -1;
	load_cs(s, &d, sel, x86_cpl(s), offset);
	return 0;
}

/* --- RET --- */

int x86_check_return_cs(const struct x86_state *s, const struct x86_mem *m,
			u16 sel, struct x86_desc *d, struct x86_fault *f)
{
	unsigned rpl = sel & SEL_RPL, dpl;

	if (x86_sel_is_null(sel))
		return x86_gp(f);
	if (x86_desc_read(s, m, sel, X86_GP, d, f))
		return -1;
	dpl = x86_desc_dpl(d);
	if (!x86_desc_is_code(d) || rpl < x86_cpl(s) ||
	    (x86_desc_is_conforming(d) ? dpl > rpl : dpl != rpl))
		return x86_fault_sel(f, X86_GP, sel);
	return check_code_bits(s, d, sel, f);
}

int x86_check_return_ss(const struct x86_state *s, const struct x86_mem *m,
			u16 sel, const struct x86_desc *cs, unsigned cpl,
			struct x86_seg *seg, struct x86_fault *f)
{
	if (!x86_sel_is_null(sel))
		return x86_check_ss(s, m, sel, cpl, X86_GP, seg, f);
	if (!x86_desc_is_64bit(s, cs) || cpl == 3 || (sel & SEL_RPL) != cpl)
		return x86_gp(f);
	x86_seg_set_null(seg, sel, cpl);
	return 0;
}

static int ret_real(struct x86_state *s, const struct x86_mem *m,
		    unsigned opsize, unsigned pop_bytes, struct x86_fault *f)
{
	struct x86_stack k;
	u64 frame[2];

	x86_stack_current(&k, s, false);
	if (x86_stack_pop(&k, m, frame, 2, opsize, f) ||
	    check_real_rip(s, frame[0], f))
		return -1;
	k.sp += pop_bytes;
	s->gpr[X86_RSP] = x86_stack_rsp(&k, s->gpr[X86_RSP]);
	x86_load_sreg_real(s, X86_CS, (u16)frame[1]);
	s->rip = frame[0];
	return 0;
}

int x86_ret_far(struct x86_state *s, const struct x86_mem *m, unsigned opsize,
		unsigned pop_bytes, struct x86_fault *f)
{
	struct x86_stack k, outer;
	u64 frame[2], stack[2];
	struct x86_desc d;
	struct x86_seg ss;
	unsigned cpl;

	if (is_unsegmented(s))
		return ret_real(s, m, opsize, pop_bytes, f);
	x86_stack_current(&k, s, x86_is_64bit(s));
	if (x86_stack_pop(&k, m, frame, 2, opsize, f) ||
	    x86_check_return_cs(s, m, (u16)frame[1], &d, f) ||
	    x86_check_rip(s, &d, frame[0], f))
		return -1;
	cpl = frame[1] & SEL_RPL;
	k.sp += pop_bytes;
	if (cpl == x86_cpl(s)) {
		if (x86_desc_mark_accessed(m, &d, f))
			return -1;
		s->gpr[X86_RSP] = x86_stack_rsp(&k, s->gpr[X86_RSP]);
		load_cs(s, &d, (u16)frame[1], cpl, frame[0]);
		return 0;
	}
	if (x86_stack_pop(&k, m, stack, 2, opsize, f) ||
	    x86_check_return_ss(s, m, (u16)stack[1], &d, cpl, &ss, f) ||
	    x86_desc_mark_accessed(m, &d, f))
		return -1;
	x86_stack_at(&outer, &ss, stack[0] + pop_bytes,
		     x86_desc_is_64bit(s, &d), 0);
	s->gpr[X86_RSP] = x86_stack_rsp(&outer, s->gpr[X86_RSP]);
	s->seg[X86_SS] = ss;
	load_cs(s, &d, (u16)frame[1], cpl, frame[0]);
	x86_drop_inner_segments(s, cpl);
	return 0;
}
