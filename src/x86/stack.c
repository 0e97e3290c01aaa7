/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack.c - pushes and pops of frames, and the inner stacks of the TSS.
 *
 * Rights: a stack is accessed with those of the privilege that will own it.
 * Only supervisor accesses "made while CPL < 3" are explicit and heed AC. The
 * CPL is still the old one when a frame is pushed on an inner stack, so from
 * CPL 3 that is an implicit access: SMAP holds whatever AC the user has set.
 * SDM 3A 4.6.1 "Determination of Access Rights"
 *
 * SDM 1 6.2 "Stacks"; SDM 3A 7.2 "Task Management Data Structures"
 */
#include "x86/stack.h"

#include "base/fmt.h"
#include "x86/desc.h"

#define MEM_MAX 64u /* bytes of one access, mem.h */

void x86_stack_at(struct x86_stack *k, const struct x86_seg *seg, u64 sp,
		  bool flat, unsigned acc)
{
	k->seg = *seg;
	k->sp = sp;
	k->flat = flat;
	k->acc = acc;
	k->error = 0;
	k->mask = flat ? ~0ull : seg->attr & SEG_DB ? ~0u : 0xffff;
}

void x86_stack_current(struct x86_stack *k, const struct x86_state *s,
		       bool flat)
{
	x86_stack_at(k, &s->seg[X86_SS], s->gpr[X86_RSP], flat,
		     x86_cpl(s) == 3 ? X86_ACC_USER : 0);
}

static int stack_fault(const struct x86_stack *k, struct x86_fault *f)
{
	return x86_fault_error(f, X86_SSEG, k->error);
}

/* Linear address of @size bytes at offset @sp, if the segment has them. */
static int stack_lin(const struct x86_stack *k, u64 sp, unsigned size,
		     gva_t *lin, struct x86_fault *f)
{
	u64 last = sp + size - 1;

	if (k->flat) {
		*lin = sp;
		if (x86_is_canonical(sp) && x86_is_canonical(last))
			return 0;
		return stack_fault(k, f);
	}
	if (k->seg.attr & SEG_UNUSABLE)
		return stack_fault(k, f);
	if ((k->seg.attr & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN) {
		if (sp <= k->seg.limit || last > k->mask)
			return stack_fault(k, f);
	} else if (last > k->seg.limit) {
		return stack_fault(k, f);
	}
	*lin = (u32)(k->seg.base + sp);
	return 0;
}

/* A 16-bit stack leaves the upper part of the register alone. */
static void move_sp(struct x86_stack *k, u64 by)
{
	u64 sp = (k->sp + by) & k->mask;

	k->sp = k->mask == 0xffff ? (k->sp & ~k->mask) | sp : sp;
}

static void put_value(u8 *p, u64 v, unsigned size)
{
	copy_bytes(p, &v, size);
}

static u64 get_value(const u8 *p, unsigned size)
{
	u64 v = 0;

	copy_bytes(&v, p, size);
	return v;
}

/* The common case: the frame is one run of bytes. */
static int push_run(struct x86_stack *k, const struct x86_mem *m, const u64 *v,
		    unsigned count, unsigned size, struct x86_fault *f)
{
	unsigned total = count * size;
	u8 buf[MEM_MAX];
	gva_t lin;

	for (unsigned i = 0; i < count; i++)
		put_value(buf + total - (i + 1) * size, v[i], size);
	if (stack_lin(k, (k->sp - total) & k->mask, total, &lin, f))
		return -1;
	return m->write(m->ctx, lin, buf, total, X86_ACC_WRITE | k->acc, f);
}

/* The stack pointer wraps within the frame, or the frame is long (a call
 * gate's parameters): probe all, then write. */
static int push_each(struct x86_stack *k, const struct x86_mem *m, const u64 *v,
		     unsigned count, unsigned size, struct x86_fault *f)
{
	gva_t lin[X86_STACK_MAX];
	u8 buf[8];

	for (unsigned i = 0; i < count; i++) {
		u64 sp = (k->sp - (i + 1) * size) & k->mask;

		if (stack_lin(k, sp, size, &lin[i], f) ||
		    m->probe(m->ctx, lin[i], size, X86_ACC_WRITE | k->acc, f))
			return -1;
	}
	for (unsigned i = 0; i < count; i++) {
		put_value(buf, v[i], size);
		if (m->write(m->ctx, lin[i], buf, size, X86_ACC_WRITE | k->acc,
			     f))
			return -1;
	}
	return 0;
}

int x86_stack_push(struct x86_stack *k, const struct x86_mem *m, const u64 *v,
		   unsigned count, unsigned size, struct x86_fault *f)
{
	u64 total = (u64)count * size;
	bool run = total <= MEM_MAX && (k->flat || (k->sp & k->mask) >= total ||
					!(k->sp & k->mask));

	BUG_ON(count > X86_STACK_MAX);
	if (run ? push_run(k, m, v, count, size, f)
		: push_each(k, m, v, count, size, f))
		return -1;
	move_sp(k, 0 - total);
	return 0;
}

int x86_stack_pop(struct x86_stack *k, const struct x86_mem *m, u64 *v,
		  unsigned count, unsigned size, struct x86_fault *f)
{
	u64 total = (u64)count * size, sp = k->sp & k->mask;
	u8 buf[MEM_MAX];
	gva_t lin;

	if (total <= MEM_MAX && sp + total - 1 <= k->mask &&
	    sp + total - 1 >= sp) {
		if (stack_lin(k, sp, (unsigned)total, &lin, f) ||
		    m->read(m->ctx, lin, buf, (unsigned)total,
			    X86_ACC_READ | k->acc, f))
			return -1;
		for (unsigned i = 0; i < count; i++)
			v[i] = get_value(buf + i * size, size);
	} else {
		for (unsigned i = 0; i < count; i++) {
			u64 at = (sp + i * size) & k->mask;

			if (stack_lin(k, at, size, &lin, f) ||
			    m->read(m->ctx, lin, buf, size,
				    X86_ACC_READ | k->acc, f))
				return -1;
			v[i] = get_value(buf, size);
		}
	}
	move_sp(k, total);
	return 0;
}

/* --- the TSS --- */

static int read_tss(const struct x86_state *s, const struct x86_mem *m,
		    u32 offset, unsigned size, u64 *v, struct x86_fault *f)
{
	gva_t lin = s->tr.base + offset;

	*v = 0;
	if (offset + size - 1 > s->tr.limit)
		return x86_fault_sel(f, X86_TS, s->tr.sel);
	if (!x86_is_long_mode(s))
		lin = (u32)lin;
	else if (!x86_is_canonical(lin) || !x86_is_canonical(lin + size - 1))
		return x86_fault_sel(f, X86_TS, s->tr.sel);
	return m->read(m->ctx, lin, v, size, X86_SYS_READ, f);
}

static int inner_long(struct x86_stack *k, const struct x86_state *s,
		      const struct x86_mem *m, unsigned dpl, unsigned ist,
		      unsigned acc, struct x86_fault *f)
{
	u32 offset = ist ? 28 + ist * 8 : 4 + dpl * 8;
	struct x86_seg null;
	u64 rsp;

	if (read_tss(s, m, offset, 8, &rsp, f))
		return -1;
	x86_seg_set_null(&null, (u16)dpl, dpl);
	x86_stack_at(k, &null, rsp, true, acc);
	return x86_is_canonical(rsp) ? 0 : stack_fault(k, f);
}

int x86_stack_inner(struct x86_stack *k, const struct x86_state *s,
		    const struct x86_mem *m, unsigned dpl, unsigned ist,
		    struct x86_fault *f)
{
	unsigned acc = x86_cpl(s) == 3 ? X86_ACC_IMPLICIT : 0;
	bool wide = (s->tr.attr & SEG_TYPE) >= SYS_TSS_AVAIL;
	unsigned size = wide ? 4 : 2;
	u32 offset = wide ? 4 + dpl * 8 : 2 + dpl * 4;
	struct x86_seg seg;
	u64 sp, sel;

	if (dpl == 3)
		acc = X86_ACC_USER;
	if (x86_is_long_mode(s))
		return inner_long(k, s, m, dpl, ist, acc, f);
	if (read_tss(s, m, offset, size, &sp, f) ||
	    read_tss(s, m, offset + size, 2, &sel, f))
		return -1;
	if (x86_sel_is_null((u16)sel))
		return x86_fault_sel(f, X86_TS, (u16)sel);
	if (x86_check_ss(s, m, (u16)sel, dpl, X86_TS, &seg, f))
		return -1;
	x86_stack_at(k, &seg, sp, false, acc);
	k->error = x86_sel_error((u16)sel);
	return 0;
}
