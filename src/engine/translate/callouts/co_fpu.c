/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_fpu.c - instructions that save and restore x87, SSE and AVX state.
 *
 * The guest's state is in the host's registers, so the host's own instruction
 * does the work, on a buffer of ours: what a guest restores is checked there
 * first (a bad image is the guest's #GP, not ours), and what it saves is
 * cleaned of host addresses: the x87 pointers of translated code lie in the
 * code cache and in the guest's RAM, and are led back to the guest's.
 *
 * DEVIATES: XSAVEOPT saves all that XSAVE would. Its "modified" optimization
 * compares linear addresses, and ours are not the guest's.
 */
#include "base/fmt.h"
#include "engine/translate/callout.h"
#include "engine/translate/fpu.h"

#define XSAVE_LEGACY 512u
#define XSAVE_HEADER 64u
#define XSAVE_BASE (XSAVE_LEGACY + XSAVE_HEADER)
#define XCOMP_COMPACT BIT64(63)

/* SDM 1 10.5.1 "FXSAVE Area"; offsets in the image. */
#define FX_FSW 2u
#define FX_FOP 6u
#define FX_FIP 8u
#define FX_FDP 16u
#define FX_MXCSR 24u
#define FX_MXCSR_MASK 28u
#define FX_XMM 160u

#define FSW_ES 0x80u /* an exception is pending and not masked */
#define MXCSR_INITIAL 0x1f80u

static u16 get16(const u8 *p)
{
	u16 v;

	__builtin_memcpy(&v, p, 2);
	return v;
}

static void put16(u8 *p, u16 v)
{
	__builtin_memcpy(p, &v, 2);
}

static u32 get32(const u8 *p)
{
	u32 v;

	__builtin_memcpy(&v, p, 4);
	return v;
}

static u64 get64(const u8 *p)
{
	u64 v;

	__builtin_memcpy(&v, p, 8);
	return v;
}

static void put32(u8 *p, u32 v)
{
	__builtin_memcpy(p, &v, 4);
}

static void put64(u8 *p, u64 v)
{
	__builtin_memcpy(p, &v, 8);
}

/* May x87, MMX, SSE or AVX instructions run? Else the fault is delivered.
 * SDM 3A 13.1, APM 2 11.3 "Enabling and Using..". */
static enum callout_result check(struct tcpu *t, const struct x86_insn *i)
{
	const struct x86_state *s = &t->v.x86;
	bool x87 = i->attr & IA_X87;
	struct x86_fault f;

	if (i->attr & IA_AVX) {
		u64 need = XCR0_SSE | XCR0_AVX;

		if (!(s->cr4 & CR4_OSXSAVE) || (s->xcr0 & need) != need)
			return callout_ud(t);
	} else if (i->attr & IA_SSE) {
		if ((s->cr0 & CR0_EM) || !(s->cr4 & CR4_OSFXSR))
			return callout_ud(t);
	} else if (i->attr & IA_MMX) {
		if (s->cr0 & CR0_EM)
			return callout_ud(t);
	}
	/* WAIT tests MP as well as TS; it does not look at EM. */
	if (x87 && i->map == MAP_1 && i->opcode == 0x9b) {
		if ((s->cr0 & CR0_TS) && (s->cr0 & CR0_MP))
			goto nm;
		return CALLOUT_NEXT;
	}
	if ((s->cr0 & CR0_TS) || (x87 && (s->cr0 & CR0_EM)))
		goto nm;
	return CALLOUT_NEXT;
nm:
	x86_fault_set(&f, X86_NM);
	return callout_fault(t, &f);
}

enum callout_result callout_fpu_check(struct tcpu *t, struct callout *c)
{
	enum callout_result r;

	callout_begin(t, c);
	r = check(t, &c->insn);
	if (r == CALLOUT_NEXT)
		callout_end(t);
	return r;
}

static enum callout_result nm_if_ts(struct tcpu *t)
{
	struct x86_fault f;

	if (!(t->v.x86.cr0 & CR0_TS))
		return CALLOUT_NEXT;
	x86_fault_set(&f, X86_NM);
	return callout_fault(t, &f);
}

enum callout_result fpu_wait(struct tcpu *t)
{
	struct x86_fault f;
	u16 sw;

	__asm__ volatile("fnstsw %0" : "=m"(sw));
	if (!(sw & FSW_ES))
		return CALLOUT_NEXT;
	x86_fault_set(&f, X86_MF);
	return callout_fault(t, &f);
}

/* Cleans the legacy region, saved in the 64-bit form; then brings it into the
 * form that the instruction has without REX.W. */
static void clean_legacy(const struct tcpu *t, u8 *img, bool wide)
{
	struct x87_pointers p = { .fip = get64(img + FX_FIP),
				  .fdp = get64(img + FX_FDP),
				  .fop = get16(img + FX_FOP),
				  .shown = get16(img + FX_FSW) & FSW_ES };

	x87_guest_pointers(t, &p, true);
	put16(img + FX_FOP, p.fop);
	put64(img + FX_FIP, wide ? p.fip : (u32)p.fip | (u64)p.fcs << 32);
	put64(img + FX_FDP, wide ? p.fdp : (u32)p.fdp | (u64)p.fds << 32);
}

/* SDM 1 11.6.6 "Guidelines for Writing to the MXCSR Register"; 13.2
 * "Enumeration of CPU Support for XSAVE Instructions" */
void fpu_know_host(struct engine *e)
{
	u8 img[XSAVE_LEGACY] __attribute__((aligned(16)));
	struct x86_cpuid_regs r;

	__asm__ volatile("fxsave64 %0" : "=m"(img));
	e->mxcsr_mask = get32(img + FX_MXCSR_MASK);
	if (!e->mxcsr_mask)
		e->mxcsr_mask = 0xffbf;
	host_cpuid(0xd, 1, &r);
	e->tells_in_use = r.eax & BIT(2);
}

static bool mxcsr_valid(const struct tcpu *t, u32 mxcsr)
{
	return !(mxcsr & ~t->e->mxcsr_mask);
}

/*
 * Outside of 64-bit mode there are eight vector registers: images of XMM8 to
 * XMM15, and of what is above them, are neither written nor loaded.
 */
#define HIGH_BYTES 128u

static bool has_high(const struct tcpu *t)
{
	return t->key & KEY_CODE64;
}

static void copy_high(struct fpu_image *to, const struct fpu_image *from,
		      u64 rfbm)
{
	if (rfbm & XCR0_SSE)
		copy_bytes(to->legacy + FX_XMM + HIGH_BYTES,
			   from->legacy + FX_XMM + HIGH_BYTES, HIGH_BYTES);
	if (rfbm & XCR0_AVX)
		copy_bytes(to->ymm_high + HIGH_BYTES,
			   from->ymm_high + HIGH_BYTES, HIGH_BYTES);
}

/* For the low half of a component that the image leaves initial. */
static void clear_initial(struct fpu_image *img, u64 initial)
{
	if (initial & XCR0_SSE)
		fill_bytes(img->legacy + FX_XMM, 0, 2 * HIGH_BYTES);
	if (initial & XCR0_AVX)
		fill_bytes(img->ymm_high, 0, 2 * HIGH_BYTES);
}

/* Makes the image hold the upper registers as they are now. */
static void keep_high(struct fpu_image *img, u64 rfbm)
{
	struct fpu_image now = { 0 };
	u64 bv = get64(img->header), comp = get64(img->header + 8);

	fpu_save(&now, rfbm);
	clear_initial(&now, rfbm & ~get64(now.header));
	rfbm &= XCR0_SSE | XCR0_AVX;
	clear_initial(img, rfbm & ~bv);
	if ((comp & XCOMP_COMPACT) && (rfbm & ~bv & XCR0_SSE))
		put32(img->legacy + FX_MXCSR, MXCSR_INITIAL);
	copy_high(img, &now, rfbm);
	put64(img->header, bv | rfbm);
	if (comp & XCOMP_COMPACT)
		put64(img->header + 8, comp | rfbm);
}

/* --- XSAVE family --- */

void fpu_save(struct fpu_image *img, u64 rfbm)
{
	__asm__ volatile("xsave64 %0"
			 : "+m"(*img)
			 : "a"((u32)rfbm), "d"(0)
			 : "memory");
}

void fpu_load(const struct fpu_image *img, u64 rfbm)
{
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(*img), "a"((u32)rfbm), "d"(0)
			 : "memory");
}

static u64 rfbm_of(const struct x86_state *s)
{
	return ((u32)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32) & s->xcr0;
}

/* Room that the state components in @rfbm take in the standard form. */
static unsigned image_bytes(u64 rfbm)
{
	return rfbm & XCR0_AVX ? sizeof(struct fpu_image) : XSAVE_BASE;
}

/* May it be carried out, and where is its area? SDM 1 13.7 to 13.11 */
static enum callout_result xsave_operand(struct tcpu *t, struct callout *c,
					 unsigned n, bool write, gva_t *lin)
{
	enum callout_result r;
	struct x86_fault f;

	if (!(t->v.x86.cr4 & CR4_OSXSAVE))
		return callout_ud(t);
	r = nm_if_ts(t);
	if (r != CALLOUT_NEXT)
		return r;
	if (callout_operand(t, c, n, write, lin, &f))
		return callout_fault(t, &f);
	return *lin & 63 ? callout_gp(t) : CALLOUT_NEXT;
}

static void xsave_to(void *img, u64 rfbm, bool compact)
{
	if (compact)
		__asm__ volatile("xsavec64 (%0)"
				 :
				 : "r"(img), "a"((u32)rfbm), "d"(0)
				 : "memory");
	else
		fpu_save(img, rfbm);
}

/* Are there pointers of the x87 that might be the host's? */
static bool x87_in_use(const struct tcpu *t)
{
	u32 a, d;

	if (!t->e->tells_in_use)
		return true;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(1));
	return a & XCR0_X87;
}

/* Where the guest's memory itself can take the image, for nothing in it has to
 * be cleaned; or NULL. */
static void *xsave_in_place(struct tcpu *t, gva_t lin, unsigned n, u64 rfbm)
{
	struct x86_fault f;
	bool fault;

	if (!has_high(t) || (lin & ~PAGE_MASK) + n > PAGE_SIZE ||
	    ((rfbm & XCR0_X87) && x87_in_use(t)))
		return NULL;
	return mem_run(t, lin, callout_acc(t) | X86_ACC_WRITE, &fault, &f);
}

static enum callout_result co_xsave(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	bool compact = c->insn.opcode == 0xc7;
	u64 rfbm = rfbm_of(s);
	unsigned n = image_bytes(rfbm);
	struct fpu_image img, old;
	enum callout_result r;
	struct x86_fault f;
	void *place;
	gva_t lin;

	r = xsave_operand(t, c, n, true, &lin);
	if (r != CALLOUT_NEXT)
		return r;
	place = xsave_in_place(t, lin, n, rfbm);
	if (place) {
		xsave_to(place, rfbm, compact);
		callout_end(t);
		return CALLOUT_NEXT;
	}
	if (mem_probe(t, lin, n, callout_acc(t) | X86_ACC_WRITE, &f))
		return callout_fault(t, &f);
	/* Parts that are not saved keep what they were. */
	if (mem_read(t, lin, &img, n, callout_acc(t), &f))
		return callout_fault(t, &f);
	if (!has_high(t))
		copy_bytes(&old, &img, n);
	xsave_to(&img, rfbm, compact);
	if (rfbm & XCR0_X87)
		clean_legacy(t, img.legacy, c->insn.rex & REX_W);
	if (!has_high(t))
		copy_high(&img, &old, rfbm);
	if (mem_write(t, lin, &img, n, callout_acc(t), &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* SDM 1 13.8 "Operation of XRSTOR": what gives #GP. */
static bool image_valid(const struct tcpu *t, const struct fpu_image *img,
			u64 rfbm)
{
	u64 xcr0 = t->v.x86.xcr0;
	u64 bv = get64(img->header), comp = get64(img->header + 8);

	if (comp & XCOMP_COMPACT) {
		if ((comp & ~XCOMP_COMPACT & ~xcr0) || (bv & ~comp))
			return false;
	} else if (comp || get64(img->header + 16) || (bv & ~xcr0)) {
		return false;
	}
	/* The rest is looked at in the compacted form only. */
	for (unsigned k = 16; k < XSAVE_HEADER; k++)
		if ((comp & XCOMP_COMPACT) && img->header[k])
			return false;
	/* Is MXCSR loaded? */
	if (comp & XCOMP_COMPACT ? !(rfbm & bv & XCR0_SSE) :
				   !(rfbm & (XCR0_SSE | XCR0_AVX)))
		return true;
	return mxcsr_valid(t, get32(img->legacy + FX_MXCSR));
}

static enum callout_result co_xrstor(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u64 rfbm = rfbm_of(s);
	unsigned n = image_bytes(rfbm);
	struct fpu_image img;
	enum callout_result r;
	struct x86_fault f;
	gva_t lin;

	r = xsave_operand(t, c, n, false, &lin);
	if (r != CALLOUT_NEXT)
		return r;
	/* The compacted form is not read beyond what is loaded. */
	if (mem_read(t, lin, &img, XSAVE_BASE, callout_acc(t), &f))
		return callout_fault(t, &f);
	if (get64(img.header + 8) & XCOMP_COMPACT)
		n = image_bytes(rfbm & get64(img.header));
	if (mem_read(t, lin + XSAVE_BASE, img.ymm_high, n - XSAVE_BASE,
		     callout_acc(t), &f))
		return callout_fault(t, &f);
	if (!image_valid(t, &img, rfbm))
		return callout_gp(t);
	if (!(c->insn.rex & REX_W)) {
		put64(img.legacy + FX_FIP, get32(img.legacy + FX_FIP));
		put64(img.legacy + FX_FDP, get32(img.legacy + FX_FDP));
	}
	if (!has_high(t))
		keep_high(&img, rfbm);
	fpu_load(&img, rfbm);
	if (rfbm & XCR0_X87)
		x87_forget(t);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* --- FXSAVE, FXRSTOR --- */

static enum callout_result fx_begin(struct tcpu *t, struct callout *c,
				    bool write, gva_t *lin)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (s->cr0 & (CR0_EM | CR0_TS)) {
		x86_fault_set(&f, X86_NM);
		return callout_fault(t, &f);
	}
	if (callout_operand(t, c, XSAVE_LEGACY, write, lin, &f))
		return callout_fault(t, &f);
	if (*lin & 15)
		return callout_gp(t);
	return CALLOUT_NEXT;
}

/* APM 2 11.4.4.3 "FXSAVE/FXRSTOR Optimization": without the XMM registers. */
static bool is_fast_fx(const struct tcpu *t)
{
	return (t->v.x86.efer & EFER_FFXSR) && (t->key & KEY_CODE64) &&
	       !(t->key & (KEY_USER | KEY_CPL12));
}

static enum callout_result co_fxsave(struct tcpu *t, struct callout *c)
{
	unsigned n = is_fast_fx(t) ? FX_XMM : XSAVE_LEGACY;
	struct fpu_image img, old;
	struct x86_fault f;
	gva_t lin;
	enum callout_result r = fx_begin(t, c, true, &lin);

	if (r != CALLOUT_NEXT)
		return r;
	if (mem_probe(t, lin, n, callout_acc(t) | X86_ACC_WRITE, &f))
		return callout_fault(t, &f);
	/* The last 48 bytes are software's. */
	if (mem_read(t, lin, img.legacy, XSAVE_LEGACY, callout_acc(t), &f))
		return callout_fault(t, &f);
	copy_bytes(old.legacy, img.legacy, XSAVE_LEGACY);
	__asm__ volatile("fxsave64 %0" : "+m"(img.legacy));
	if (!has_high(t))
		copy_high(&img, &old, XCR0_SSE);
	clean_legacy(t, img.legacy, c->insn.rex & REX_W);
	if (mem_write(t, lin, img.legacy, n, callout_acc(t), &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_fxrstor(struct tcpu *t, struct callout *c)
{
	struct fpu_image img, now;
	struct x86_fault f;
	gva_t lin;
	enum callout_result r = fx_begin(t, c, false, &lin);

	if (r != CALLOUT_NEXT)
		return r;
	if (mem_read(t, lin, img.legacy, XSAVE_LEGACY, callout_acc(t), &f))
		return callout_fault(t, &f);
	if (!mxcsr_valid(t, get32(img.legacy + FX_MXCSR)))
		return callout_gp(t);
	if (!(c->insn.rex & REX_W)) {
		put64(img.legacy + FX_FIP, get32(img.legacy + FX_FIP));
		put64(img.legacy + FX_FDP, get32(img.legacy + FX_FDP));
	}
	__asm__ volatile("fxsave64 %0" : "=m"(now.legacy));
	if (is_fast_fx(t))
		copy_bytes(img.legacy + FX_XMM, now.legacy + FX_XMM, 256);
	else if (!has_high(t))
		copy_high(&img, &now, XCR0_SSE);
	__asm__ volatile("fxrstor64 %0" : : "m"(img.legacy));
	x87_forget(t);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* --- the x87 environment --- 14 bytes with a 16-bit operand size, else 28;
 * FNSAVE adds the eight registers of 10 bytes. */

#define ENV_BYTES(i) ((i)->opsize == 2 ? 14u : 28u)
/* SDM 1 8.1.10 "Saving the x87 FPU's State with FSTENV/FNSTENV and
 * FSAVE/FNSAVE": offsets in the 32-bit form. */
#define ENV_FIP 12u
#define ENV_FCS 16u
#define ENV_FOP 18u
#define ENV_FDP 20u
#define ENV_FDS 24u

static enum callout_result env_begin(struct tcpu *t, struct callout *c)
{
	struct x86_fault f;

	callout_begin(t, c);
	if (t->v.x86.cr0 & (CR0_EM | CR0_TS)) {
		x86_fault_set(&f, X86_NM);
		return callout_fault(t, &f);
	}
	return CALLOUT_NEXT;
}

/* From the 32-bit form to the 16-bit one of @n bytes: the lower half of each
 * of seven words, then what follows. */
static void narrow_env(u8 *buf, unsigned n)
{
	for (unsigned k = 1; k < 7; k++) {
		buf[2 * k] = buf[4 * k];
		buf[2 * k + 1] = buf[4 * k + 1];
	}
	for (unsigned k = 14; k < n; k++)
		buf[k] = buf[14 + k];
}

static void clean_env(const struct tcpu *t, u8 *buf)
{
	struct x87_pointers p = { .fip = get32(buf + ENV_FIP),
				  .fdp = get32(buf + ENV_FDP),
				  .fop = get16(buf + ENV_FOP),
				  .fcs = get16(buf + ENV_FCS),
				  .fds = get16(buf + ENV_FDS),
				  .shown = true };

	x87_guest_pointers(t, &p, false);
	put32(buf + ENV_FIP, (u32)p.fip);
	put32(buf + ENV_FDP, (u32)p.fdp);
	put16(buf + ENV_FOP, p.fop);
	put16(buf + ENV_FCS, p.fcs);
	put16(buf + ENV_FDS, p.fds);
}

static enum callout_result co_fnstenv(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	bool all = i->cls == X86_C_FNSAVE;
	unsigned env = ENV_BYTES(i), n = env + (all ? 80 : 0);
	struct x86_fault f;
	u8 buf[108];
	gva_t lin;
	enum callout_result r = env_begin(t, c);

	if (r != CALLOUT_NEXT)
		return r;
	/* The state changes too, so the store must be sure to succeed. */
	if (callout_operand(t, c, n, true, &lin, &f) ||
	    mem_probe(t, lin, n, callout_acc(t) | X86_ACC_WRITE, &f))
		return callout_fault(t, &f);
	if (all)
		__asm__ volatile("fnsave %0" : "=m"(buf));
	else
		__asm__ volatile("fnstenv %0" : "=m"(buf));
	clean_env(t, buf);
	if (all)
		x87_forget(t);
	if (env == 14)
		narrow_env(buf, n);
	if (mem_write(t, lin, buf, n, callout_acc(t), &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_fldenv(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	bool all = i->cls == X86_C_FRSTOR;
	unsigned env = ENV_BYTES(i), n = env + (all ? 80 : 0);
	struct x86_fault f;
	u8 buf[108] = { 0 };
	gva_t lin;
	enum callout_result r = env_begin(t, c);

	/* Unlike those that save, the loads wait. */
	if (r == CALLOUT_NEXT)
		r = fpu_wait(t);
	if (r != CALLOUT_NEXT)
		return r;
	if (callout_operand(t, c, n, false, &lin, &f) ||
	    mem_read(t, lin, buf, n, callout_acc(t), &f))
		return callout_fault(t, &f);
	if (env == 14 && all)
		__asm__ volatile("data16 frstor %0" : : "m"(buf));
	else if (env == 14)
		__asm__ volatile("data16 fldenv %0" : : "m"(buf));
	else if (all)
		__asm__ volatile("frstor %0" : : "m"(buf));
	else
		__asm__ volatile("fldenv %0" : : "m"(buf));
	x87_forget(t);
	callout_end(t);
	return CALLOUT_NEXT;
}

callout_fn callout_fpu(enum x86_class c)
{
	switch (c) {
	case X86_C_XSAVE:
		return co_xsave;
	case X86_C_XRSTOR:
		return co_xrstor;
	case X86_C_FXSAVE:
		return co_fxsave;
	case X86_C_FXRSTOR:
		return co_fxrstor;
	case X86_C_FNSTENV:
	case X86_C_FNSAVE:
		return co_fnstenv;
	case X86_C_FLDENV:
	case X86_C_FRSTOR:
		return co_fldenv;
	default:
		return callout_vector(c);
	}
}
