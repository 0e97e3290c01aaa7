/* SPDX-License-Identifier: Apache-2.0 */
/*
 * task.c - hardware task switches, which exist outside long mode only.
 *
 * What can fault before the switch is done first: the new TSS is read, the
 * old one and the descriptors are written. From commit() on the processor is
 * in the new task, and a segment that cannot be loaded is that task's fault.
 *
 * SDM 3A 7.3 "Task Switching", 7.2.1 "Task-State Segment (TSS)", 7.6 "16-Bit
 * Task-State Segment (TSS)"
 */
#include "x86/desc.h"
#include "x86/stack.h"
#include "x86/system.h"

#define TSS_BUSY 2u /* in the type */
#define TSS_WIDE 8u /* ... of 32 bits */

/* DR7.L0 to L3 and LE do not outlive a task. */
#define DR7_LOCAL 0x155ull
#define DR6_BT BIT64(15)

/* Offsets in the TSS; IP, FLAGS, the general and the segment registers follow
 * one another from .ip on. */
struct layout {
	u16 min_limit;
	u8 width; /* of a field, bytes */
	u8 ip, segments, ldt;
};

static const struct layout tss16 = { 0x2b, 2, 0x0e, 4, 0x2a };
static const struct layout tss32 = { 0x67, 4, 0x20, 6, 0x60 };

#define TSS32_CR3 0x1c
#define TSS32_TRAP 0x64
#define FIELDS 16 /* of the 32-bit image, 64 bytes */

struct task {
	struct x86_desc d;
	struct x86_seg tss;
	const struct layout *l;
	u32 ip, flags, gpr[8], ldt, cr3;
	u16 sel[6];
	bool trap;
};

static const struct layout *layout_of(u32 type)
{
	return type & TSS_WIDE ? &tss32 : &tss16;
}

static u32 get_field(const u8 *p, unsigned width)
{
	u32 v = (u32)p[0] | (u32)p[1] << 8;

	return width == 2 ? v : v | (u32)p[2] << 16 | (u32)p[3] << 24;
}

static void put_field(u8 *p, u32 v, unsigned width)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (u8)(v >> (i * 8));
}

static gva_t tss_lin(const struct x86_seg *tss, u32 offset)
{
	return (u32)(tss->base + offset);
}

static int read_field(const struct x86_mem *m, const struct task *t, u32 offset,
		      unsigned width, u32 *v, struct x86_fault *f)
{
	u8 buf[4];

	if (m->read(m->ctx, tss_lin(&t->tss, offset), buf, width, X86_SYS_READ,
		    f))
		return -1;
	*v = get_field(buf, width);
	return 0;
}

static int find_task(const struct x86_state *s, const struct x86_mem *m,
		     u16 sel, bool iret, struct task *t, struct x86_fault *f)
{
	u8 vector = iret ? X86_TS : X86_GP;
	unsigned type;

	if (sel & SEL_TI)
		return x86_fault_sel(f, vector, sel);
	if (x86_desc_read(s, m, sel, vector, &t->d, f))
		return -1;
	type = x86_desc_type(&t->d);
	if (!x86_desc_is_system(&t->d) ||
	    ((type & ~TSS_BUSY) != SYS_TSS_AVAIL &&
	     (type & ~TSS_BUSY) != SYS_TSS16_AVAIL) ||
	    !!(type & TSS_BUSY) != iret)
		return x86_fault_sel(f, vector, sel);
	if (!x86_desc_present(&t->d))
		return x86_fault_sel(f, X86_NP, sel);
	x86_desc_load(&t->d, sel, &t->tss);
	t->tss.attr |= TSS_BUSY;
	t->l = layout_of(type);
	if (t->tss.limit < t->l->min_limit)
		return x86_fault_sel(f, X86_TS, sel);
	return 0;
}

static int read_task(const struct x86_mem *m, struct task *t,
		     struct x86_fault *f)
{
	unsigned w = t->l->width, fields = 10u + t->l->segments;
	u8 buf[FIELDS * 4];
	u32 trap = 0;

	if (m->read(m->ctx, tss_lin(&t->tss, t->l->ip), buf, fields * w,
		    X86_SYS_READ, f) ||
	    read_field(m, t, t->l->ldt, w, &t->ldt, f))
		return -1;
	t->cr3 = 0;
	if (t->l == &tss32 && (read_field(m, t, TSS32_CR3, 4, &t->cr3, f) ||
			       read_field(m, t, TSS32_TRAP, 2, &trap, f)))
		return -1;
	t->trap = trap & 1;
	t->ip = get_field(buf, w);
	t->flags = get_field(buf + w, w);
	for (unsigned i = 0; i < 8; i++)
		t->gpr[i] = get_field(buf + (2 + i) * w, w);
	for (unsigned i = 0; i < ARRAY_SIZE(t->sel); i++)
		t->sel[i] = i < t->l->segments
				    ? (u16)get_field(buf + (10 + i) * w, w)
				    : 0;
	return 0;
}

/* The outgoing task into its TSS. */
static int save_task(const struct x86_state *s, const struct x86_mem *m,
		     u64 rip, u64 flags, struct x86_fault *f)
{
	const struct layout *l = layout_of(s->tr.attr & SEG_TYPE);
	unsigned w = l->width, fields = 10u + l->segments;
	u8 buf[FIELDS * 4];

	if (s->tr.limit < l->min_limit)
		return x86_fault_sel(f, X86_TS, s->tr.sel);
	put_field(buf, (u32)rip, w);
	put_field(buf + w, (u32)flags, w);
	for (unsigned i = 0; i < 8; i++)
		put_field(buf + (2 + i) * w, (u32)s->gpr[i], w);
	for (unsigned i = 0; i < l->segments; i++)
		put_field(buf + (10 + i) * w, s->seg[i].sel, w);
	return m->write(m->ctx, tss_lin(&s->tr, l->ip), buf, fields * w,
			X86_SYS_WRITE, f);
}

/* Clears the busy bit of the outgoing task's descriptor. */
static int release_task(const struct x86_state *s, const struct x86_mem *m,
			struct x86_fault *f)
{
	struct x86_desc d;

	if (x86_sel_is_null(s->tr.sel))
		return 0; /* TR was never loaded */
	if (x86_desc_read(s, m, s->tr.sel, X86_TS, &d, f))
		return -1;
	return x86_desc_write_type(m, &d, x86_desc_type(&d) & ~TSS_BUSY, f);
}

/* The new task's registers, its segments not yet loaded. */
static void commit(struct x86_state *s, const struct task *t, bool nested)
{
	unsigned cpl = t->sel[X86_CS] & SEL_RPL;
	u32 flags = t->flags;

	if (flags & FLAG_VM)
		cpl = 3;
	if (nested)
		flags |= (u32)FLAG_NT;
	s->tr = t->tss;
	s->cr0 |= CR0_TS;
	s->dr7 &= ~DR7_LOCAL;
	if (t->l == &tss32 && (s->cr0 & CR0_PG))
		s->cr3 = t->cr3;
	s->rip = t->ip;
	s->rflags = (flags & 0x3f7fd5u) | FLAG_FIXED;
	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = t->gpr[i];
	for (unsigned i = 0; i < ARRAY_SIZE(s->seg); i++)
		x86_seg_set_null(&s->seg[i], t->sel[i], cpl);
	x86_seg_set_null(&s->ldtr, (u16)t->ldt, 0);
}

static int load_code(struct x86_state *s, const struct x86_mem *m,
		     struct x86_fault *f)
{
	u16 sel = s->seg[X86_CS].sel;
	unsigned cpl = sel & SEL_RPL;
	struct x86_desc d;

	if (x86_sel_is_null(sel))
		return x86_fault_sel(f, X86_TS, sel);
	if (x86_desc_read(s, m, sel, X86_TS, &d, f))
		return -1;
	if (!x86_desc_is_code(&d) ||
	    (x86_desc_is_conforming(&d) ? x86_desc_dpl(&d) > cpl
					: x86_desc_dpl(&d) != cpl))
		return x86_fault_sel(f, X86_TS, sel);
	if (!x86_desc_present(&d))
		return x86_fault_sel(f, X86_NP, sel);
	if (x86_desc_mark_accessed(m, &d, f))
		return -1;
	x86_desc_load(&d, sel, &s->seg[X86_CS]);
	return 0;
}

static int load_segments(struct x86_state *s, const struct x86_mem *m,
			 struct x86_fault *f)
{
	static const u8 data_tab[] = { X86_DS, X86_ES, X86_FS, X86_GS };
	unsigned cpl = x86_cpl(s);
	u16 ss = s->seg[X86_SS].sel;

	if (x86_check_ldt(s, m, s->ldtr.sel, X86_TS, X86_TS, &s->ldtr, f))
		return -1;
	if (x86_is_vm86(s)) {
		for (unsigned i = 0; i < ARRAY_SIZE(s->seg); i++)
			x86_seg_set_vm86(&s->seg[i], s->seg[i].sel);
		return 0;
	}
	if (load_code(s, m, f))
		return -1;
	if (x86_sel_is_null(ss))
		return x86_fault_sel(f, X86_TS, ss);
	if (x86_check_ss(s, m, ss, cpl, X86_TS, &s->seg[X86_SS], f))
		return -1;
	for (unsigned i = 0; i < ARRAY_SIZE(data_tab); i++) {
		struct x86_seg *seg = &s->seg[data_tab[i]];

		if (x86_check_data(s, m, seg->sel, cpl, X86_TS, seg, f))
			return -1;
	}
	return 0;
}

static int push_error(struct x86_state *s, const struct x86_mem *m,
		      unsigned width, u32 error, struct x86_fault *f)
{
	struct x86_stack k;
	u64 v = error;

	x86_stack_current(&k, s, false);
	if (x86_stack_push(&k, m, &v, 1, width, f))
		return -1;
	s->gpr[X86_RSP] = k.sp;
	return 0;
}

int x86_task_switch(struct x86_state *s, const struct x86_mem *m, u16 sel,
		    enum x86_task_cause cause, u64 rip, u64 flags,
		    const u32 *error, struct x86_fault *f)
{
	bool nested = cause == X86_TASK_CALL, iret = cause == X86_TASK_IRET;
	u16 link = s->tr.sel;
	struct task t;

	if (find_task(s, m, sel, iret, &t, f) || read_task(m, &t, f))
		return -1;
	if (t.l == &tss32 && (s->cr0 & CR0_PG) && (s->cr4 & CR4_PAE) &&
	    x86_check_pdptes(m, t.cr3, f))
		return -1;
	if (iret)
		flags &= ~FLAG_NT;
	if (save_task(s, m, rip, flags, f))
		return -1;
	if (nested && m->write(m->ctx, tss_lin(&t.tss, 0), &link, sizeof(link),
			       X86_SYS_WRITE, f))
		return -1;
	if (!nested && release_task(s, m, f))
		return -1;
	if (!iret &&
	    x86_desc_write_type(m, &t.d, x86_desc_type(&t.d) | TSS_BUSY, f))
		return -1;
	commit(s, &t, nested);

	if (load_segments(s, m, f))
		return -1;
	if (error && push_error(s, m, t.l->width, *error, f))
		return -1;
	if (s->rip > s->seg[X86_CS].limit)
		return x86_gp(f);
	if (t.trap) {
		s->dr6 |= DR6_BT;
		return x86_fault_set(f, X86_DB);
	}
	return 0;
}
