/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c - exceptions and interrupts that come from user code, and IRET back
 * to it, the short way: between 64-bit user code and a 64-bit kernel with SMAP,
 * by a gate or to segments that were used before.
 *
 * What x86_deliver() and x86_iret() read is read here as well, each time, and
 * compared with what it was then; but what follows from a gate or a descriptor
 * is not worked out again. Whatever is not plain is left to them, with nothing
 * changed.
 *
 * The vCPU's own thread.
 */
#include "engine/translate/gate.h"

#include "engine/translate/key.h"
#include "x86/desc.h"
#include "x86/system.h"

#define GATE_BYTES 16u
#define GATE_IST 7u /* in the second word */
#define TSS_RSP0 4u

static struct fastgate *gate_of(struct tcpu *t, u8 vector)
{
	return &t->fastgate[vector % ARRAY_SIZE(t->fastgate)];
}

/* Where the host has [@va, @va + @n), if it is on one page of RAM. */
static void *place(struct tcpu *t, gva_t va, unsigned n, unsigned acc)
{
	struct x86_fault f;
	bool fault;

	if ((va & ~PAGE_MASK) + n > PAGE_SIZE)
		return NULL;
	return mem_run(t, va, acc | X86_ACC_IMPLICIT, &fault, &f);
}

/* @words of 8 bytes, which need not be aligned. */
static bool read(struct tcpu *t, gva_t va, u64 *v, unsigned words)
{
	const void *p = place(t, va, 8 * words, X86_ACC_READ);

	for (unsigned i = 0; p && i < words; i++)
		__builtin_memcpy(&v[i], (const u8 *)p + 8 * i, 8);
	return p;
}

static bool reads(struct tcpu *t, gva_t va, const u64 *expected, unsigned words)
{
	u64 v[2];

	if (!read(t, va, v, words))
		return false;
	for (unsigned i = 0; i < words; i++)
		if (v[i] != expected[i])
			return false;
	return true;
}

static bool is_same_segment(const struct x86_seg *a, const struct x86_seg *b)
{
	return a->sel == b->sel && a->base == b->base && a->limit == b->limit &&
	       a->attr == b->attr;
}

/* Does the GDT say now what @seg was loaded from? Another processor may just
 * have changed it. */
static bool read_raw(struct tcpu *t, const struct x86_seg *seg, gva_t *at,
		     u64 *raw)
{
	struct x86_desc d = { 0 };
	struct x86_fault f;
	struct x86_seg now;

	*at = t->v.x86.gdtr.base + (seg->sel & ~7u);
	if ((seg->sel & SEL_TI) || !x86_is_canonical(*at) ||
	    mem_read(t, *at, raw, 8, X86_SYS_READ, &f))
		return false;
	d.lo = (u32)*raw;
	d.hi = (u32)(*raw >> 32);
	x86_desc_load(&d, seg->sel, &now);
	return is_same_segment(&now, seg);
}

/* --- to the kernel --- */

/* The gate is as it was, and so is its code segment. */
static bool is_same(struct tcpu *t, const struct fastgate *g, u8 vector)
{
	const struct x86_state *s = &t->v.x86;
	u32 offset = vector * GATE_BYTES;

	return g->used && g->vector == vector &&
	       offset + GATE_BYTES - 1 <= s->idtr.limit &&
	       (u32)g->cs.sel + 7 <= s->gdtr.limit &&
	       reads(t, s->idtr.base + offset, g->gate, 2) &&
	       reads(t, s->gdtr.base + g->cs.sel, &g->code, 1);
}

/* The end of the kernel's stack; 0: not by the short way. */
static u64 stack_end(struct tcpu *t)
{
	const struct x86_seg *tr = &t->v.x86.tr;
	u64 rsp;

	if (tr->limit < TSS_RSP0 + 7 || !read(t, tr->base + TSS_RSP0, &rsp, 1))
		return 0;
	return rsp & ~15ull;
}

/* The mode of the kernel's, if it is what its jump cache is for. */
static bool kernel_key(const struct tcpu *t, u32 *key)
{
	*key = (t->key & ~(u32)(KEY_USER | KEY_ALIGN | KEY_WINDOW)) |
	       key_kernel_windows(t->e);
	return (t->v.x86.cr4 & CR4_SMAP) && t->jc_key[MMU_KERNEL] == *key;
}

static bool is_plain(const struct tcpu *t, int kind)
{
	return (kind == X86_EVENT_HW_EXCEPTION || kind == X86_EVENT_INTR) &&
	       (t->key & (KEY_CODE64 | KEY_USER | KEY_ALONE)) ==
		       (KEY_CODE64 | KEY_USER) &&
	       !t->debug.armed && !(t->v.x86.rflags & GATE_FLAGS_ODD);
}

static void enter(struct tcpu *t, const struct fastgate *g, u32 key)
{
	struct x86_state *s = &t->v.x86;

	s->seg[X86_CS] = g->cs;
	x86_seg_set_null(&s->seg[X86_SS], 0, 0);
	s->rip = g->rip;
	s->rflags &= ~FLAG_RF;
	if (g->masks)
		s->rflags &= ~FLAG_IF;
	s->intr_shadow = 0;
	s->activity = X86_RUNNING;
	shadow_switch(t, key_jc(t->key), MMU_KERNEL);
	t->key = key;
}

bool gate_enter(struct tcpu *t, int kind, const struct x86_fault *f)
{
	const struct fastgate *g = gate_of(t, f->vector);
	struct x86_state *s = &t->v.x86;
	bool error = kind == X86_EVENT_HW_EXCEPTION && f->has_error;
	u64 end, *p, flags = tcpu_rflags(t);
	u32 key;

	if (!is_plain(t, kind) || !kernel_key(t, &key) ||
	    !is_same(t, g, f->vector))
		return false;
	end = stack_end(t);
	p = end ? place(t, end - 48, 48, X86_ACC_WRITE) : NULL;
	if (!p)
		return false;
	if (kind == X86_EVENT_HW_EXCEPTION && x86_is_fault(f->vector))
		flags |= FLAG_RF;
	p[5] = s->seg[X86_SS].sel;
	p[4] = s->gpr[X86_RSP];
	p[3] = flags;
	p[2] = s->seg[X86_CS].sel;
	p[1] = s->rip;
	if (error)
		p[0] = f->error;
	s->gpr[X86_RSP] = end - (error ? 48 : 40);
	if (kind == X86_EVENT_HW_EXCEPTION && f->vector == X86_PF)
		s->cr2 = f->cr2;
	enter(t, g, key);
	return true;
}

/* Another processor may just have changed it: what is noted is what leads to
 * where this one is now. */
void gate_note(struct tcpu *t, u8 vector)
{
	const struct x86_state *s = &t->v.x86;
	gva_t at = s->idtr.base + vector * GATE_BYTES;
	struct fastgate *g = gate_of(t, vector);
	struct x86_desc d;
	gva_t code_at;

	g->used = false;
	if (!read(t, at, g->gate, 2))
		return;
	d = (struct x86_desc){ .lo = (u32)g->gate[0],
			       .hi = (u32)(g->gate[0] >> 32),
			       .top = (u32)g->gate[1] };
	if ((d.hi & GATE_IST) || x86_gate_offset(&d, true) != s->rip ||
	    x86_gate_sel(&d) != s->seg[X86_CS].sel || !x86_desc_present(&d) ||
	    !x86_desc_is_system(&d) || (x86_desc_type(&d) | 1) != SYS_TRAP ||
	    !read_raw(t, &s->seg[X86_CS], &code_at, &g->code))
		return;
	g->rip = s->rip;
	g->cs = s->seg[X86_CS];
	g->masks = x86_desc_type(&d) == SYS_INT;
	g->vector = vector;
	g->used = true;
}

/* --- back to the user --- */

#define NO_SELECTOR (~0u)

void gate_forget_return(struct tcpu *t)
{
	t->fastret.cs = t->fastret.ss = NO_SELECTOR;
}

void gate_note_return(struct tcpu *t)
{
	const struct x86_seg *seg = &t->v.x86.seg[X86_CS];
	struct fastret *r = &t->fastret;

	gate_forget_return(t);
	if (!read_raw(t, &seg[0], &r->cs_at, &r->cs_raw) ||
	    !read_raw(t, &seg[1], &r->ss_at, &r->ss_raw))
		return;
	r->seg[0] = seg[0];
	r->seg[1] = seg[1];
	r->cs = seg[0].sel;
	r->ss = seg[1].sel;
}

/* x86_drop_inner_segments() has nothing to do. */
static bool keeps_data_segments(const struct x86_state *s)
{
	static const u8 data_tab[] = { X86_ES, X86_DS, X86_FS, X86_GS };

	for (unsigned i = 0; i < ARRAY_SIZE(data_tab); i++) {
		u32 attr = s->seg[data_tab[i]].attr;

		if (!(attr & SEG_UNUSABLE) && (attr & SEG_DPL) != SEG_DPL)
			return false;
	}
	return true;
}

bool gate_return(struct tcpu *t)
{
	const struct fastret *r = &t->fastret;
	struct x86_state *s = &t->v.x86;
	u64 frame[5];

	if ((s->rflags & FLAG_NT) || s->nmi_masked || t->debug.armed ||
	    (t->key & (KEY_CODE64 | KEY_USER | KEY_CPL12 | KEY_ALONE)) !=
		    KEY_CODE64)
		return false;
	if (!read(t, s->gpr[X86_RSP], frame, ARRAY_SIZE(frame)))
		return false;
	if ((u16)frame[1] != r->cs || (u16)frame[4] != r->ss ||
	    !x86_is_canonical(frame[0]) || (frame[2] & GATE_FLAGS_ODD) ||
	    !keeps_data_segments(s) || !reads(t, r->cs_at, &r->cs_raw, 1) ||
	    !reads(t, r->ss_at, &r->ss_raw, 1))
		return false;
	s->seg[X86_CS] = r->seg[0];
	s->seg[X86_SS] = r->seg[1];
	s->rip = frame[0];
	s->gpr[X86_RSP] = frame[3];
	s->rflags = (frame[2] & X86_SYSRET_FLAGS) | FLAG_FIXED;
	return true;
}
