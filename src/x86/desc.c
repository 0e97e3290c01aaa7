/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc.c - reading and marking descriptors in guest memory.
 *
 * GUEST: tables may lie anywhere, end anywhere and hold anything.
 */
#include "x86/desc.h"

#define TYPE_BYTE 5 /* of a descriptor: type, S, DPL, P */

/* Where the @bytes of @sel's descriptor lie; false if beyond the table. */
static bool locate(const struct x86_state *s, u16 sel, u32 bytes, gva_t *lin)
{
	u64 base = s->gdtr.base;
	u32 limit = s->gdtr.limit;
	u32 offset = sel & ~7u;

	if (sel & SEL_TI) {
		if (s->ldtr.attr & SEG_UNUSABLE)
			return false;
		base = s->ldtr.base;
		limit = s->ldtr.limit;
	}
	if (offset + bytes - 1 > limit)
		return false;
	*lin = base + offset;
	if (!x86_is_long_mode(s)) {
		*lin = (u32)*lin;
		return true;
	}
	return x86_is_canonical(*lin) && x86_is_canonical(*lin + bytes - 1);
}

static int fetch(const struct x86_mem *m, gva_t lin, struct x86_desc *d,
		 struct x86_fault *f)
{
	u32 w[2];

	if (m->read(m->ctx, lin, w, sizeof(w), X86_SYS_READ, f))
		return -1;
	*d = (struct x86_desc){ .lin = lin, .lo = w[0], .hi = w[1] };
	return 0;
}

int x86_desc_read(const struct x86_state *s, const struct x86_mem *m, u16 sel,
		  u8 vector, struct x86_desc *d, struct x86_fault *f)
{
	gva_t lin;

	if (!locate(s, sel, 8, &lin))
		return x86_fault_sel(f, vector, sel);
	return fetch(m, lin, d, f);
}

int x86_desc_read_top(const struct x86_state *s, const struct x86_mem *m,
		      u16 sel, u8 vector, struct x86_desc *d,
		      struct x86_fault *f)
{
	gva_t lin;
	u32 w[2];

	if (!locate(s, sel, 16, &lin))
		return x86_fault_sel(f, vector, sel);
	if (m->read(m->ctx, lin + 8, w, sizeof(w), X86_SYS_READ, f))
		return -1;
	/* Its own type field must be 0, so that nobody takes these bytes for
	 * a descriptor. SDM 3A 5.8.3.1 "IA-32e Mode Call Gates" */
	if (w[1] & 0x1f00)
		return x86_fault_sel(f, vector, sel);
	d->top = w[0];
	return 0;
}

int x86_desc_try_read(const struct x86_state *s, const struct x86_mem *m,
		      u16 sel, bool *found, struct x86_desc *d,
		      struct x86_fault *f)
{
	gva_t lin;

	*found = !x86_sel_is_null(sel) && locate(s, sel, 8, &lin);
	return *found ? fetch(m, lin, d, f) : 0;
}

/*
 * DEVIATES: silicon does this by a locked read-modify-write. A byte is
 * written here: another processor that changes the same descriptor in the
 * same moment may find its type byte undone.
 */
int x86_desc_write_type(const struct x86_mem *m, struct x86_desc *d,
			unsigned type, struct x86_fault *f)
{
	u32 hi = (d->hi & ~(SEG_TYPE << 8)) | type << 8;
	u8 byte = (u8)(hi >> 8);

	if (hi == d->hi)
		return 0;
	if (m->write(m->ctx, d->lin + TYPE_BYTE, &byte, 1, X86_SYS_WRITE, f))
		return -1;
	d->hi = hi;
	return 0;
}

int x86_desc_mark_accessed(const struct x86_mem *m, struct x86_desc *d,
			   struct x86_fault *f)
{
	return x86_desc_write_type(m, d, x86_desc_type(d) | SEG_ACCESSED, f);
}

u32 x86_desc_limit(const struct x86_desc *d)
{
	u32 limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

	return x86_desc_attr(d) & SEG_G ? limit << 12 | 0xfff : limit;
}

void x86_desc_load(const struct x86_desc *d, u16 sel, struct x86_seg *seg)
{
	u32 base = d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);

	seg->sel = sel;
	seg->base = base | (u64)d->top << 32;
	seg->limit = x86_desc_limit(d);
	seg->attr = x86_desc_attr(d);
}
