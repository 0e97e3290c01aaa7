/* SPDX-License-Identifier: Apache-2.0 */
/* callout.c - which function carries out which class, and operand access. */
#include "engine/translate/callout.h"

static enum callout_result co_ud(struct tcpu *t, struct callout *c)
{
	callout_begin(t, c);
	return callout_ud(t);
}

/* More than 15 bytes. SDM 2 2.3.11 "AVX Instruction Length" */
enum callout_result callout_too_long(struct tcpu *t, struct callout *c)
{
	callout_begin(t, c);
	return callout_gp(t);
}

callout_fn callout_for(const struct x86_insn *i)
{
	static callout_fn (*const by_file[])(enum x86_class) = {
		callout_flow, callout_control, callout_segment, callout_misc,
		callout_io, callout_fpu, callout_legacy, callout_string,
	};

	for (unsigned k = 0; k < ARRAY_SIZE(by_file); k++) {
		callout_fn fn = by_file[k]((enum x86_class)i->cls);

		if (fn)
			return fn;
	}
	return co_ud;
}

u64 callout_offset(const struct tcpu *t, const struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	u64 a = (u64)i->disp;

	if (i->base == X86_BASE_RIP)
		a += t->code_base + c->next;
	else if (i->base != X86_BASE_NONE)
		a += t->v.x86.gpr[i->base];
	if (i->index != X86_BASE_NONE)
		a += t->v.x86.gpr[i->index] << i->scale;
	return i->adsize == 8 ? a : i->adsize == 4 ? (u32)a : (u16)a;
}

int callout_linear(struct tcpu *t, unsigned seg, u64 off, unsigned bytes,
		   bool write, gva_t *lin, struct x86_fault *f)
{
	const struct segcache *sc = &t->segcache[seg];
	u8 vector = seg == X86_SS ? X86_SSEG : X86_GP;

	if (t->key & KEY_CODE64) {
		*lin = off;
		if (seg == X86_FS || seg == X86_GS)
			*lin += t->v.x86.seg[seg].base;
		if (!x86_is_canonical(*lin) ||
		    !x86_is_canonical(*lin + bytes - 1))
			return x86_fault_error(f, vector, 0);
		return 0;
	}
	if (off < sc->may[write].lo || off + bytes - 1 > sc->may[write].hi)
		return x86_fault_error(f, vector, 0);
	*lin = (u32)(sc->base + off);
	return 0;
}

int callout_operand(struct tcpu *t, const struct callout *c, unsigned bytes,
		    bool write, gva_t *lin, struct x86_fault *f)
{
	return callout_linear(t, c->insn.seg, callout_offset(t, c), bytes,
			      write, lin, f);
}

int callout_load(struct tcpu *t, const struct callout *c, void *p,
		 unsigned bytes, struct x86_fault *f)
{
	gva_t lin;

	if (callout_operand(t, c, bytes, false, &lin, f))
		return -1;
	return mem_read(t, lin, p, bytes, callout_acc(t), f);
}

int callout_store(struct tcpu *t, const struct callout *c, const void *p,
		  unsigned bytes, struct x86_fault *f)
{
	gva_t lin;

	if (callout_operand(t, c, bytes, true, &lin, f))
		return -1;
	return mem_write(t, lin, p, bytes, callout_acc(t), f);
}

int callout_read_rm16(struct tcpu *t, const struct callout *c, u16 *v,
		      struct x86_fault *f)
{
	if (c->insn.attr & IA_MEM)
		return callout_load(t, c, v, 2, f);
	*v = (u16)t->v.x86.gpr[c->insn.rm];
	return 0;
}

int callout_write_rm(struct tcpu *t, const struct callout *c, u64 v,
		     unsigned mem_bytes, struct x86_fault *f)
{
	if (c->insn.attr & IA_MEM)
		return callout_store(t, c, &v, mem_bytes, f);
	reg_write(t, c->insn.rm, v, c->insn.opsize);
	return 0;
}

static u64 stack_mask(const struct tcpu *t)
{
	return t->key & KEY_CODE64  ? ~0ull :
	       t->key & KEY_STACK32 ? 0xffffffffull :
				      0xffffull;
}

static void stack_move(struct tcpu *t, s64 by)
{
	u64 *sp = &t->v.x86.gpr[X86_RSP];
	u64 m = stack_mask(t);

	/* A 32-bit result clears the upper half, a 16-bit one keeps all. */
	if (m == 0xffff)
		*sp = (*sp & ~m) | ((*sp + (u64)by) & m);
	else
		*sp = (*sp + (u64)by) & m;
}

int callout_push(struct tcpu *t, u64 v, unsigned bytes, struct x86_fault *f)
{
	u64 off = (t->v.x86.gpr[X86_RSP] - bytes) & stack_mask(t);
	gva_t lin;

	if (callout_linear(t, X86_SS, off, bytes, true, &lin, f) ||
	    mem_write(t, lin, &v, bytes, callout_acc(t), f))
		return -1;
	stack_move(t, -(s64)bytes);
	return 0;
}

int callout_pop(struct tcpu *t, u64 *v, unsigned bytes, struct x86_fault *f)
{
	u64 off = t->v.x86.gpr[X86_RSP] & stack_mask(t);
	gva_t lin;

	*v = 0;
	if (callout_linear(t, X86_SS, off, bytes, false, &lin, f) ||
	    mem_read(t, lin, v, bytes, callout_acc(t), f))
		return -1;
	stack_move(t, bytes);
	return 0;
}
