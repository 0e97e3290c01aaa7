/* SPDX-License-Identifier: Apache-2.0 */
/*
 * segment.c - loading segment registers, LDTR and TR.
 *
 * A null selector clears the base in every mode, FS and GS in 64-bit mode
 * included, as Intel's and AMD's newer processors do (older AMD ones kept
 * it); AMD's CPUID bit that says so is shown.
 *
 * SDM 2B "MOV - Move", "LLDT", "LTR"; SDM 3A 5.6 "Privilege Level Checking
 * When Accessing Data Segments", 20.1.1 "Address Translation in Real-Address
 * Mode"
 */
#include "x86/desc.h"
#include "x86/system.h"

#define ATTR_DATA (SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED)

void x86_seg_set_vm86(struct x86_seg *seg, u16 sel)
{
	*seg = (struct x86_seg){ .base = (u32)sel << 4,
				 .limit = 0xffff,
				 .attr = ATTR_DATA | SEG_DPL,
				 .sel = sel };
}

void x86_seg_set_null(struct x86_seg *seg, u16 sel, unsigned dpl)
{
	*seg = (struct x86_seg){ .attr = SEG_UNUSABLE | dpl << SEG_DPL_SHIFT,
				 .sel = sel };
}

void x86_load_sreg_real(struct x86_state *s, enum x86_sreg r, u16 sel)
{
	struct x86_seg *seg = &s->seg[r];

	if (x86_is_vm86(s)) {
		x86_seg_set_vm86(seg, sel);
		return;
	}
	/* Real mode keeps limit and size: "unreal" mode depends on it. A
	 * null loaded in protected mode left none to keep. */
	if (seg->attr & SEG_UNUSABLE)
		seg->limit = 0xffff;
	seg->base = (u32)sel << 4;
	seg->sel = sel;
	seg->attr = ATTR_DATA | (seg->attr & (SEG_DB | SEG_G));
}

int x86_check_ss(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		 unsigned cpl, u8 vector, struct x86_seg *seg,
		 struct x86_fault *f)
{
	struct x86_desc d;

	if (x86_desc_read(s, m, sel, vector, &d, f))
		return -1;
	if ((sel & SEL_RPL) != cpl || x86_desc_dpl(&d) != cpl ||
	    !x86_desc_is_writable_data(&d))
		return x86_fault_sel(f, vector, sel);
	if (!x86_desc_present(&d))
		return x86_fault_sel(f, X86_SSEG, sel);
	if (x86_desc_mark_accessed(m, &d, f))
		return -1;
	x86_desc_load(&d, sel, seg);
	return 0;
}

int x86_check_data(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		   unsigned cpl, u8 vector, struct x86_seg *seg,
		   struct x86_fault *f)
{
	struct x86_desc d;
	unsigned dpl;

	if (x86_sel_is_null(sel)) {
		x86_seg_set_null(seg, sel, 0);
		return 0;
	}
	if (x86_desc_read(s, m, sel, vector, &d, f))
		return -1;
	dpl = x86_desc_dpl(&d);
	if (!x86_desc_is_readable(&d) || (!x86_desc_is_conforming(&d) &&
					  ((sel & SEL_RPL) > dpl || cpl > dpl)))
		return x86_fault_sel(f, vector, sel);
	if (!x86_desc_present(&d))
		return x86_fault_sel(f, X86_NP, sel);
	if (x86_desc_mark_accessed(m, &d, f))
		return -1;
	x86_desc_load(&d, sel, seg);
	return 0;
}

int x86_load_sreg(struct x86_state *s, const struct x86_mem *m, enum x86_sreg r,
		  u16 sel, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(s);

	if (x86_is_real(s) || x86_is_vm86(s)) {
		x86_load_sreg_real(s, r, sel);
		return 0;
	}
	if (r != X86_SS)
		return x86_check_data(s, m, sel, cpl, X86_GP, &s->seg[r], f);
	if (!x86_sel_is_null(sel))
		return x86_check_ss(s, m, sel, cpl, X86_GP, &s->seg[r], f);
	if (!x86_is_64bit(s) || cpl == 3 || (sel & SEL_RPL) != cpl)
		return x86_gp(f);
	x86_seg_set_null(&s->seg[r], sel, cpl);
	return 0;
}

void x86_drop_inner_segments(struct x86_state *s, unsigned cpl)
{
	static const u8 data_tab[] = { X86_ES, X86_DS, X86_FS, X86_GS };

	for (unsigned i = 0; i < ARRAY_SIZE(data_tab); i++) {
		struct x86_seg *seg = &s->seg[data_tab[i]];
		u32 dpl = (seg->attr & SEG_DPL) >> SEG_DPL_SHIFT;

		/* A null one stays as it is: in 64-bit mode it may have a
		 * base that an MSR gave it. */
		if ((seg->attr & SEG_UNUSABLE) || dpl >= cpl)
			continue;
		if ((seg->attr & (SEG_CODE | SEG_CONFORMING)) !=
		    (SEG_CODE | SEG_CONFORMING))
			x86_seg_set_null(seg, 0, 0);
	}
}

/* --- LDTR and TR --- */

static int check_privileged(const struct x86_state *s, struct x86_fault *f)
{
	if (x86_is_real(s) || x86_is_vm86(s))
		return x86_fault_set(f, X86_UD);
	return x86_cpl(s) ? x86_gp(f) : 0;
}

/* The upper half of a long-mode system segment, and its base's form. */
static int read_long_base(const struct x86_state *s, const struct x86_mem *m,
			  u16 sel, u8 vector, struct x86_desc *d,
			  struct x86_fault *f)
{
	struct x86_seg seg;

	if (!x86_is_long_mode(s))
		return 0;
	if (x86_desc_read_top(s, m, sel, vector, d, f))
		return -1;
	x86_desc_load(d, sel, &seg);
	return x86_is_canonical(seg.base) ? 0 : x86_fault_sel(f, vector, sel);
}

int x86_check_ldt(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		  u8 vector, u8 np, struct x86_seg *seg, struct x86_fault *f)
{
	struct x86_desc d;

	if (x86_sel_is_null(sel)) {
		x86_seg_set_null(seg, sel, 0);
		return 0;
	}
	if (sel & SEL_TI)
		return x86_fault_sel(f, vector, sel);
	if (x86_desc_read(s, m, sel, vector, &d, f))
		return -1;
	if (!x86_desc_is_system(&d) || x86_desc_type(&d) != SYS_LDT)
		return x86_fault_sel(f, vector, sel);
	if (!x86_desc_present(&d))
		return x86_fault_sel(f, np, sel);
	if (read_long_base(s, m, sel, vector, &d, f))
		return -1;
	x86_desc_load(&d, sel, seg);
	return 0;
}

int x86_lldt(struct x86_state *s, const struct x86_mem *m, u16 sel,
	     struct x86_fault *f)
{
	if (check_privileged(s, f))
		return -1;
	return x86_check_ldt(s, m, sel, X86_GP, X86_NP, &s->ldtr, f);
}

int x86_ltr(struct x86_state *s, const struct x86_mem *m, u16 sel,
	    struct x86_fault *f)
{
	struct x86_desc d;
	unsigned type;

	if (check_privileged(s, f))
		return -1;
	if (x86_sel_is_null(sel))
		return x86_gp(f);
	if (sel & SEL_TI)
		return x86_fault_sel(f, X86_GP, sel);
	if (x86_desc_read(s, m, sel, X86_GP, &d, f))
		return -1;
	type = x86_desc_type(&d);
	if (!x86_desc_is_system(&d) ||
	    (type != SYS_TSS_AVAIL &&
	     (type != SYS_TSS16_AVAIL || x86_is_long_mode(s))))
		return x86_fault_sel(f, X86_GP, sel);
	if (!x86_desc_present(&d))
		return x86_fault_sel(f, X86_NP, sel);
	if (read_long_base(s, m, sel, X86_GP, &d, f))
		return -1;
	if (x86_desc_write_type(m, &d, type | 2, f)) /* busy */
		return -1;
	x86_desc_load(&d, sel, &s->tr);
	return 0;
}
