/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_vector.c - vector instructions that touch memory element by element,
 * under a mask: gathers, VMASKMOV and VPMASKMOV, MASKMOVQ and MASKMOVDQU.
 *
 * They read or write only what the mask selects and fault only there, so one
 * check for the whole operand would be wrong. Worked on in an XSAVE image.
 */
#include "engine/translate/callout.h"
#include "engine/translate/fpu.h"

/* Byte @k (0 to 31) of vector register @r. */
static u8 *vec(struct fpu_image *img, unsigned r, unsigned k)
{
	return k < 16 ? &img->legacy[160 + 16 * r + k] :
			&img->ymm_high[16 * r + k - 16];
}

static u64 element(struct fpu_image *img, unsigned r, unsigned n, unsigned k)
{
	u64 v = 0;

	__builtin_memcpy(&v, vec(img, r, n * k), n == 8 ? 8 : 4);
	return v;
}

static void set_element(struct fpu_image *img, unsigned r, unsigned n,
			unsigned k, u64 v)
{
	__builtin_memcpy(vec(img, r, n * k), &v, n == 8 ? 8 : 4);
}

static void clear_from(struct fpu_image *img, unsigned r, unsigned byte)
{
	for (unsigned k = byte; k < 32; k++)
		*vec(img, r, k) = 0;
}

static bool sign_of(u64 v, unsigned n)
{
	return v >> (8 * n - 1) & 1;
}

/* All components present, so that an edit of one counts. */
static void open_image(struct fpu_image *img)
{
	u64 all = X86_XSAVE_MASK;

	for (unsigned k = 0; k < sizeof(img->header); k++)
		img->header[k] = 0;
	fpu_save(img, all);
	/* A component in its initial state was not written. */
	if (!(img->header[0] & XCR0_AVX))
		for (unsigned k = 0; k < sizeof(img->ymm_high); k++)
			img->ymm_high[k] = 0;
	if (!(img->header[0] & XCR0_SSE))
		for (unsigned k = 160; k < 416; k++)
			img->legacy[k] = 0;
	img->header[0] |= XCR0_SSE | XCR0_AVX;
}

static void close_image(const struct fpu_image *img)
{
	fpu_load(img, XCR0_SSE | XCR0_AVX);
}

/*
 * VPGATHERDD.. : elements in order; each one loaded or left out clears its
 * mask element, so that the instruction can be restarted after a fault.
 */
static enum callout_result co_gather(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	unsigned n = i->rex & REX_W ? 8 : 4;
	unsigned xn = i->opcode & 1 ? 8 : 4; /* index elements */
	unsigned vl = i->attr & IA_VL256 ? 32 : 16;
	unsigned count = vl / (n > xn ? n : xn);
	u64 base = (u64)i->disp;
	struct fpu_image img;
	struct x86_fault f;

	callout_begin(t, c);
	if (i->reg == i->vvvv || i->reg == i->index || i->vvvv == i->index)
		return callout_ud(t);
	if (i->base == X86_BASE_RIP)
		base += t->code_base + c->next;
	else if (i->base != X86_BASE_NONE)
		base += t->v.x86.gpr[i->base];
	open_image(&img);
	for (unsigned k = 0; k < count; k++) {
		u64 x = element(&img, i->index, xn, k), v = 0, off;
		gva_t lin;

		if (!sign_of(element(&img, i->vvvv, n, k), n)) {
			set_element(&img, i->vvvv, n, k, 0);
			continue;
		}
		if (xn == 4)
			x = (u64)(s64)(s32)x;
		off = base + (x << i->scale);
		off = i->adsize == 8 ? off : (u32)off;
		if (callout_linear(t, i->seg, off, n, false, &lin, &f) ||
		    mem_read(t, lin, &v, n, callout_acc(t), &f)) {
			close_image(&img);
			return callout_fault(t, &f);
		}
		set_element(&img, i->reg, n, k, v);
		set_element(&img, i->vvvv, n, k, 0);
	}
	clear_from(&img, i->vvvv, 0);
	clear_from(&img, i->reg, count * n);
	close_image(&img);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* 2C-2F: PS and PD; 8C, 8E: D and Q by W. */
static unsigned maskmov_bytes(const struct x86_insn *i)
{
	if (i->opcode >= 0x80)
		return i->rex & REX_W ? 8 : 4;
	return i->opcode & 1 ? 8 : 4;
}

/* The offset of an element, which wraps around with the address size. */
static u64 element_offset(const struct x86_insn *i, u64 off, unsigned bytes)
{
	off += bytes;
	return i->adsize == 8 ? off : i->adsize == 4 ? (u32)off : (u16)off;
}

static enum callout_result co_vmaskmov(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	unsigned n = maskmov_bytes(i);
	unsigned vl = i->attr & IA_VL256 ? 32 : 16;
	bool store = i->opcode == 0x2e || i->opcode == 0x2f ||
		     i->opcode == 0x8e;
	unsigned acc = callout_acc(t);
	u64 off = callout_offset(t, c);
	u64 v[8] = { 0 };
	struct fpu_image img;
	struct x86_fault f;
	gva_t lin;

	callout_begin(t, c);
	open_image(&img);
	/* All are checked before any is stored. */
	for (unsigned k = 0; k < vl / n; k++) {
		if (!sign_of(element(&img, i->vvvv, n, k), n))
			continue;
		if (callout_linear(t, i->seg, element_offset(i, off, k * n), n,
				   store, &lin, &f) ||
		    (store ? mem_probe(t, lin, n, acc | X86_ACC_WRITE, &f) :
			     mem_read(t, lin, &v[k], n, acc, &f)))
			return callout_fault(t, &f);
	}
	for (unsigned k = 0; k < vl / n; k++) {
		if (!store) {
			set_element(&img, i->reg, n, k, v[k]);
			continue;
		}
		if (!sign_of(element(&img, i->vvvv, n, k), n))
			continue;
		v[k] = element(&img, i->reg, n, k);
		if (callout_linear(t, i->seg, element_offset(i, off, k * n), n,
				   true, &lin, &f) ||
		    mem_write(t, lin, &v[k], n, acc, &f))
			return callout_fault(t, &f);
	}
	if (!store) {
		clear_from(&img, i->reg, vl);
		close_image(&img);
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

/* MASKMOVQ and (V)MASKMOVDQU: bytes to DS:rDI where the mask's bit 7 is set. */
static enum callout_result co_maskmov(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	bool mmx = i->attr & IA_MMX;
	unsigned n = mmx ? 8 : 16, acc = callout_acc(t);
	u64 off = reg_read(t, X86_RDI, i->adsize);
	const struct x86_state *s = callout_begin(t, c);
	struct fpu_image img;
	struct x86_fault f;
	gva_t lin;

	if (mmx) {
		u32 any;

		if (fpu_wait(t) != CALLOUT_NEXT)
			return CALLOUT_LEAVE;
		/* As any MMX instruction does: TOP 0, tags valid; but no
		 * register is written, or its exponent would change. */
		__asm__ volatile("movd %%mm0, %0" : "=r"(any) : : "memory");
	}
	/* What is left out may fault, too: on AMD's processors it does. */
	if (!s->intel &&
	    (callout_linear(t, i->seg, off, n, true, &lin, &f) ||
	     mem_probe(t, lin, n, acc | X86_ACC_WRITE, &f)))
		return callout_fault(t, &f);
	open_image(&img);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned k = 0; k < n; k++) {
			u8 *m = mmx ? &img.legacy[32 + 16 * (i->rm & 7) + k] :
				      vec(&img, i->rm, k);
			u8 *v = mmx ? &img.legacy[32 + 16 * (i->reg & 7) + k] :
				      vec(&img, i->reg, k);

			if (!(*m & 0x80))
				continue;
			if (callout_linear(t, i->seg, off + k, 1, true, &lin,
					   &f) ||
			    (pass ? mem_write(t, lin, v, 1, acc, &f) :
				    mem_probe(t, lin, 1,
					      acc | X86_ACC_WRITE, &f)))
				return callout_fault(t, &f);
		}
	}
	callout_end(t);
	return CALLOUT_NEXT;
}

callout_fn callout_vector(enum x86_class c)
{
	switch (c) {
	case X86_C_VSIB:
		return co_gather;
	case X86_C_VMASKMOV:
		return co_vmaskmov;
	case X86_C_MASKMOV:
		return co_maskmov;
	default:
		return NULL;
	}
}
