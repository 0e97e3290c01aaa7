/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - LAR, LSL, VERR, VERW: questions about descriptors that may be
 * asked at any privilege and never fault over the answer.
 *
 * SDM 2A "LAR - Load Access Rights Byte", "LSL - Load Segment Limit"; SDM 2B
 * "VERR/VERW - Verify a Segment for Reading or Writing"
 */
#include "x86/desc.h"
#include "x86/system.h"

/* Checked against silicon: limit bits 19:16 are part of LAR's answer. */
#define LAR_MASK 0x00ffff00u

static int fetch_visible(const struct x86_state *s, const struct x86_mem *m,
			 u16 sel, bool *visible, struct x86_desc *d,
			 struct x86_fault *f)
{
	unsigned dpl;

	if (x86_is_real(s) || x86_is_vm86(s))
		return x86_fault_set(f, X86_UD);
	if (x86_desc_try_read(s, m, sel, visible, d, f))
		return -1;
	if (!*visible || x86_desc_is_conforming(d))
		return 0;
	dpl = x86_desc_dpl(d);
	*visible = x86_cpl(s) <= dpl && (sel & SEL_RPL) <= dpl;
	return 0;
}

static bool has_type(unsigned type, u32 types)
{
	return types >> type & 1;
}

int x86_lar(struct x86_state *s, const struct x86_mem *m, u16 sel, bool *zf,
	    u32 *value, struct x86_fault *f)
{
	u32 types = BIT(SYS_LDT) | BIT(SYS_TSS_AVAIL) | BIT(SYS_TSS_BUSY) |
		    BIT(SYS_CALL);
	struct x86_desc d;

	if (!x86_is_long_mode(s))
		types |= BIT(SYS_TSS16_AVAIL) | BIT(SYS_TSS16_BUSY) |
			 BIT(SYS_CALL16) | BIT(SYS_TASK_GATE);
	if (fetch_visible(s, m, sel, zf, &d, f))
		return -1;
	if (*zf && x86_desc_is_system(&d))
		*zf = has_type(x86_desc_type(&d), types);
	if (*zf)
		*value = d.hi & LAR_MASK;
	return 0;
}

int x86_lsl(struct x86_state *s, const struct x86_mem *m, u16 sel, bool *zf,
	    u32 *value, struct x86_fault *f)
{
	u32 types = BIT(SYS_LDT) | BIT(SYS_TSS_AVAIL) | BIT(SYS_TSS_BUSY);
	struct x86_desc d;

	if (!x86_is_long_mode(s))
		types |= BIT(SYS_TSS16_AVAIL) | BIT(SYS_TSS16_BUSY);
	if (fetch_visible(s, m, sel, zf, &d, f))
		return -1;
	if (*zf && x86_desc_is_system(&d))
		*zf = has_type(x86_desc_type(&d), types);
	if (*zf)
		*value = x86_desc_limit(&d);
	return 0;
}

int x86_verr_verw(struct x86_state *s, const struct x86_mem *m, u16 sel,
		  bool write, bool *zf, struct x86_fault *f)
{
	struct x86_desc d;

	if (fetch_visible(s, m, sel, zf, &d, f))
		return -1;
	if (*zf)
		*zf = write ? x86_desc_is_writable_data(&d)
			    : x86_desc_is_readable(&d);
	return 0;
}
