/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc.h - descriptors as they lie in the GDT and LDT, and the checks that
 * several files of this folder share. Private to src/x86.
 *
 * SDM 3A 3.4.5 "Segment Descriptors", 5.8 "Privilege Level Checking When
 * Transferring Program Control Between Code Segments"
 */
#ifndef DOPPEL_X86_DESC_H
#define DOPPEL_X86_DESC_H

#include "base/base.h"
#include "x86/mem.h"
#include "x86/state.h"

/* Descriptor tables and TSSs are read as the supervisor, whatever the CPL. */
#define X86_SYS_READ (X86_ACC_READ | X86_ACC_IMPLICIT)
#define X86_SYS_WRITE (X86_ACC_WRITE | X86_ACC_IMPLICIT)

#define SEL_RPL 3u
#define SEL_TI 4u

struct x86_desc {
	gva_t lin; /* of its first byte */
	u32 lo, hi;
	u32 top; /* bits 95:64 of a 16-byte one: offset or base[63:32] */
};

static inline bool x86_sel_is_null(u16 sel)
{
	return !(sel & ~SEL_RPL);
}

/* The error code that names a selector, EXT clear. */
static inline u32 x86_sel_error(u16 sel)
{
	return sel & ~SEL_RPL;
}

static inline int x86_fault_sel(struct x86_fault *f, u8 vector, u16 sel)
{
	return x86_fault_error(f, vector, x86_sel_error(sel));
}

/* In the form of struct x86_seg's .attr. */
static inline u32 x86_desc_attr(const struct x86_desc *d)
{
	return d->hi >> 8 & 0xf0ff;
}

static inline unsigned x86_desc_type(const struct x86_desc *d)
{
	return d->hi >> 8 & SEG_TYPE;
}

static inline unsigned x86_desc_dpl(const struct x86_desc *d)
{
	return d->hi >> 13 & 3;
}

static inline bool x86_desc_present(const struct x86_desc *d)
{
	return x86_desc_attr(d) & SEG_P;
}

static inline bool x86_desc_is_system(const struct x86_desc *d)
{
	return !(x86_desc_attr(d) & SEG_S);
}

static inline bool x86_desc_is_code(const struct x86_desc *d)
{
	return (x86_desc_attr(d) & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}

static inline bool x86_desc_is_conforming(const struct x86_desc *d)
{
	return x86_desc_is_code(d) && (x86_desc_attr(d) & SEG_CONFORMING);
}

static inline bool x86_desc_is_writable_data(const struct x86_desc *d)
{
	return (x86_desc_attr(d) & (SEG_S | SEG_CODE | SEG_WRITABLE)) ==
	       (SEG_S | SEG_WRITABLE);
}

/* Data or readable code: what DS to GS may hold. */
static inline bool x86_desc_is_readable(const struct x86_desc *d)
{
	return !x86_desc_is_system(d) && (!(x86_desc_attr(d) & SEG_CODE) ||
					  (x86_desc_attr(d) & SEG_READABLE));
}

/* Code that runs in 64-bit mode (the caller knows of EFER.LMA). */
static inline bool x86_desc_is_64bit(const struct x86_state *s,
				     const struct x86_desc *d)
{
	return x86_is_long_mode(s) && (x86_desc_attr(d) & SEG_L);
}

/* Fields of gates. */
static inline u16 x86_gate_sel(const struct x86_desc *d)
{
	return (u16)(d->lo >> 16);
}

static inline u64 x86_gate_offset(const struct x86_desc *d, bool wide)
{
	u64 offset = (d->lo & 0xffff) | (wide ? d->hi & 0xffff0000 : 0);

	return offset | (u64)d->top << 32;
}

/* --- desc.c --- */

/*
 * Reads the 8 bytes that @sel names. Fault: @vector(sel) if they lie beyond
 * the table, or #PF. @sel is not null.
 */
int x86_desc_read(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		  u8 vector, struct x86_desc *d, struct x86_fault *f);
/* Adds the upper 8 bytes of a long-mode system descriptor to *@d. */
int x86_desc_read_top(const struct x86_state *s, const struct x86_mem *m,
		      u16 sel, u8 vector, struct x86_desc *d,
		      struct x86_fault *f);
/* LAR and kin: false instead of a fault where @sel is null or beyond. */
int x86_desc_try_read(const struct x86_state *s, const struct x86_mem *m,
		      u16 sel, bool *found, struct x86_desc *d,
		      struct x86_fault *f);
/* Writes @type into the descriptor in memory, if it is another. */
int x86_desc_write_type(const struct x86_mem *m, struct x86_desc *d,
			unsigned type, struct x86_fault *f);
/* Sets the accessed bit of a code or data segment. */
int x86_desc_mark_accessed(const struct x86_mem *m, struct x86_desc *d,
			   struct x86_fault *f);
u32 x86_desc_limit(const struct x86_desc *d);
void x86_desc_load(const struct x86_desc *d, u16 sel, struct x86_seg *seg);

/* --- segment.c --- */

/*
 * A non-null stack segment for @cpl: @vector(sel) unless it is writable data
 * with RPL and DPL equal to @cpl, #SS(sel) if not present. *@seg is filled.
 */
int x86_check_ss(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		 unsigned cpl, u8 vector, struct x86_seg *seg,
		 struct x86_fault *f);
/* A data segment, or null, for @cpl: @vector(sel), #NP(sel). */
int x86_check_data(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		   unsigned cpl, u8 vector, struct x86_seg *seg,
		   struct x86_fault *f);
/* An LDT, or null; @vector(sel), @np(sel). */
int x86_check_ldt(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		  u8 vector, u8 np, struct x86_seg *seg, struct x86_fault *f);
/* Real and virtual-8086 form of any segment register. */
void x86_seg_set_vm86(struct x86_seg *seg, u16 sel);
/* A null selector in a data segment register. */
void x86_seg_set_null(struct x86_seg *seg, u16 sel, unsigned dpl);
/* After a return to @cpl: what it may not see is made null. */
void x86_drop_inner_segments(struct x86_state *s, unsigned cpl);

/* --- far.c --- */

/* May @rip be executed in the code segment @d? Else #GP(0). */
int x86_check_rip(const struct x86_state *s, const struct x86_desc *d, u64 rip,
		  struct x86_fault *f);
/* The code segment that RET or IRET pops; RPL is the privilege returned to. */
int x86_check_return_cs(const struct x86_state *s, const struct x86_mem *m,
			u16 sel, struct x86_desc *d, struct x86_fault *f);
/* The stack segment popped for privilege @cpl, by a return to code @cs. */
int x86_check_return_ss(const struct x86_state *s, const struct x86_mem *m,
			u16 sel, const struct x86_desc *cs, unsigned cpl,
			struct x86_seg *seg, struct x86_fault *f);

/* --- control.c --- */

/* PAE paging reads its four page-directory pointers when CR3 is loaded and
 * faults on reserved bits. SDM 3A 4.4.1 "PDPTE Registers" */
int x86_check_pdptes(const struct x86_mem *m, u64 cr3, struct x86_fault *f);

/* --- task.c --- */

enum x86_task_cause {
	X86_TASK_JMP,
	X86_TASK_CALL, /* and interrupts: the new task is nested */
	X86_TASK_IRET,
};

/*
 * Switches to the task of TSS @sel, outside long mode, directly or through a
 * task gate whose privilege has been checked. The outgoing task goes on at
 * @rip with @flags. @error: pushed on the new stack, if not NULL. A fault may
 * come before the switch or, with the state already the new task's, after it.
 */
int x86_task_switch(struct x86_state *s, const struct x86_mem *m, u16 sel,
		    enum x86_task_cause cause, u64 rip, u64 flags,
		    const u32 *error, struct x86_fault *f);

#endif
