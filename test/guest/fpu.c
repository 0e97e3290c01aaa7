/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When x87, SSE and AVX instructions fault: SDM 3A 2.5 (CR0.TS, EM, MP, NE,
 * CR4.OSFXSR, OSXMMEXCPT, OSXSAVE), 13 "System Programming for Instruction Set
 * Extensions", 6.15 interrupts 7, 16 and 19.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

CODE(c_x87, "fld1\n fstp %st(0)\n" STOP);
CODE(c_fwait, "fwait\n" STOP);
CODE(c_fninit, "fninit\n" STOP);
CODE(c_mmx, "pxor %mm0, %mm0\n emms\n" STOP);
CODE(c_sse, "xorps %xmm0, %xmm0\n" STOP);
CODE(c_sse2, "paddd %xmm1, %xmm0\n" STOP);
CODE(c_ldmxcsr, "push $0x1f80\n ldmxcsr (" R("sp") ")\n pop " R("ax") "\n"
		STOP);
CODE(c_fxsave, "lea -1024(" R("sp") "), " R("ax") "\n and $-64, " R("ax") "\n"
	       "fxsave (" R("ax") ")\n" STOP);
CODE(c_prefetch, "prefetcht0 (" R("sp") ")\n sfence\n lfence\n mfence\n"
		 "movnti %eax, -8(" R("sp") ")\n" STOP);
CODE(c_avx, "vxorps %ymm0, %ymm0, %ymm0\n" STOP);
CODE(c_vzero, "vzeroupper\n" STOP);
CODE(c_xgetbv, "xor %ecx, %ecx\n xgetbv\n" STOP);
CODE(c_xgetbv9, "mov $9, %ecx\n xgetbv\n" STOP);
CODE(c_xsetbv, "xsetbv\n" STOP);
CODE(c_xsave, "lea -2048(" R("sp") "), " R("di") "\n and $-64, " R("di") "\n"
	      "xor %edx, %edx\n mov $3, %eax\n xsave (" R("di") ")\n" STOP);

static void expect(const char *what, const u8 *code, int ring, unsigned vector)
{
	struct regs r = run_code(code, ring);

	context("%s ring %u", what, ring);
	CHECK_TRAP(r, vector, 0);
	/* Several snippets prepare registers before the one that faults. */
	if (vector != V_STOP)
		CHECK(r.rip - (ring ? USER_ALIAS : 0) < (ulong)code + 24);
}

static void set_cr0(ulong set)
{
	write_cr0((read_cr0() & ~(ulong)(CR0_TS | CR0_EM | CR0_MP)) | set);
}

static bool enable_xsave(u64 xcr0)
{
	if (!has(F_XSAVE))
		return false;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, xcr0);
	return true;
}

static void task_switched(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		set_cr0(CR0_MP | CR0_TS);
		expect("x87", c_x87, ring, V_NM);
		expect("fwait", c_fwait, ring, V_NM);
		expect("fninit", c_fninit, ring, V_NM);
		expect("mmx", c_mmx, ring, V_NM);
		expect("sse", c_sse, ring, V_NM);
		expect("sse2", c_sse2, ring, V_NM);
		expect("ldmxcsr", c_ldmxcsr, ring, V_NM);
		expect("fxsave", c_fxsave, ring, V_NM);
		expect("prefetch and kin", c_prefetch, ring, V_STOP);
		/* Without MP, FWAIT does not care. */
		set_cr0(CR0_TS);
		expect("fwait, no MP", c_fwait, ring, V_STOP);
		expect("x87, no MP", c_x87, ring, V_NM);
		asm volatile("clts");
		CHECK_EQ(read_cr0() & CR0_TS, 0);
		expect("x87, CLTS", c_x87, ring, V_STOP);
		expect("sse, CLTS", c_sse, ring, V_STOP);
		set_cr0(CR0_MP);
	}
}

static void task_switched_xsave(void)
{
	if (!enable_xsave(3)) {
		skip("no XSAVE");
		return;
	}
	for (int ring = 0; ring <= 3; ring += 3) {
		set_cr0(CR0_MP | CR0_TS);
		expect("xsave", c_xsave, ring, V_NM);
		expect("xgetbv", c_xgetbv, ring, V_STOP);
		set_cr0(CR0_MP);
		expect("xsave, TS off", c_xsave, ring, V_STOP);
	}
}

static void emulation(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		set_cr0(CR0_EM);
		expect("x87", c_x87, ring, V_NM);
		expect("fninit", c_fninit, ring, V_NM);
		expect("fwait", c_fwait, ring, V_STOP);
		expect("mmx", c_mmx, ring, V_UD);
		expect("sse", c_sse, ring, V_UD);
		expect("sse2", c_sse2, ring, V_UD);
		expect("prefetch and kin", c_prefetch, ring, V_STOP);
		set_cr0(CR0_MP);
		expect("x87 again", c_x87, ring, V_STOP);
	}
}

/* #UD comes before #NM. */
static void os_support(void)
{
	ulong cr4 = read_cr4();

	for (int ring = 0; ring <= 3; ring += 3) {
		write_cr4(cr4 & ~(ulong)CR4_OSFXSR);
		expect("sse, no OSFXSR", c_sse, ring, V_UD);
		expect("sse2, no OSFXSR", c_sse2, ring, V_UD);
		expect("ldmxcsr, no OSFXSR", c_ldmxcsr, ring, V_UD);
		expect("mmx, no OSFXSR", c_mmx, ring, V_STOP);
		expect("x87, no OSFXSR", c_x87, ring, V_STOP);
		expect("fxsave, no OSFXSR", c_fxsave, ring, V_STOP);
		expect("prefetch and kin", c_prefetch, ring, V_STOP);
		write_cr4(cr4);
		expect("sse, OSFXSR", c_sse, ring, V_STOP);
		write_cr4(cr4 & ~(ulong)CR4_OSXSAVE);
		expect("xgetbv, no OSXSAVE", c_xgetbv, ring, V_UD);
		expect("xsave, no OSXSAVE", c_xsave, ring, V_UD);
		expect("avx, no OSXSAVE", c_avx, ring, V_UD);
		if (!enable_xsave(3))
			continue;
		expect("xgetbv", c_xgetbv, ring, V_STOP);
		expect("xsave", c_xsave, ring, V_STOP);
		expect("avx, not in XCR0", c_avx, ring, V_UD);
		expect("vzeroupper, not in XCR0", c_vzero, ring, V_UD);
		if (!has(F_AVX))
			continue;
		enable_xsave(7);
		expect("avx", c_avx, ring, V_STOP);
		expect("vzeroupper", c_vzero, ring, V_STOP);
		set_cr0(CR0_TS);
		expect("avx, TS", c_avx, ring, V_NM);
		set_cr0(CR0_MP);
		enable_xsave(3);
	}
	write_cr4(cr4);
}

static struct regs try_xsetbv(u32 n, u64 v, int ring)
{
	struct regs r;

	context("xsetbv %u %llx ring %u", n, (unsigned long long)v, ring);
	regs_init(&r, c_xsetbv, ring);
	r.rcx = n;
	r.rax = (u32)v;
	r.rdx = (u32)(v >> 32);
	run(&r);
	return r;
}

static void xcr0(void)
{
	struct regs r;
	u64 all;

	if (!enable_xsave(1)) {
		skip("no XSAVE");
		return;
	}
	all = cpuid_sub(0xd, 0).a | (u64)cpuid_sub(0xd, 0).d << 32;
	r = run_code(c_xgetbv, 3);
	CHECK_EQ(r.rax, 1);
	CHECK_EQ(r.rdx, 0);
	CHECK_TRAP(try_xsetbv(0, 3, 0), V_STOP, 0);
	CHECK_EQ(xgetbv(0), 3);
	CHECK_TRAP(try_xsetbv(0, 0, 0), V_GP, 0);
	CHECK_TRAP(try_xsetbv(0, 2, 0), V_GP, 0);
	CHECK_TRAP(try_xsetbv(0, 5, 0), V_GP, 0); /* AVX without SSE */
	CHECK_TRAP(try_xsetbv(0, 3 | BIT(62), 0), V_GP, 0);
	CHECK_TRAP(try_xsetbv(1, 3, 0), V_GP, 0);
	CHECK_TRAP(try_xsetbv(0, 3, 3), V_GP, 0);
	for (unsigned bit = 3; bit < 64; bit++)
		if (!(all & BIT(bit)))
			CHECK_TRAP(try_xsetbv(0, 3 | BIT(bit), 0), V_GP, 0);
	CHECK_EQ(xgetbv(0), 3);
	r = run_code(c_xgetbv9, 3);
	CHECK_TRAP(r, V_GP, 0);
	write_cr4(read_cr4() & ~(ulong)CR4_OSXSAVE);
	r = try_xsetbv(0, 3, 0);
	CHECK_TRAP(r, V_UD, 0);
}

/* x87 exceptions wait for the next waiting instruction. */
CODE(c_mf, "fninit\n push $0x37b\n fldcw (" R("sp") ")\n pop " R("ax") "\n"
	   "fldz\n fld1\n fdiv %st(1), %st\n" /* 1 / 0 */
	   "fnstsw %ax\n nop\n"
	   "fwait\n nop\n" STOP);
CODE(c_mf_noerror, "fninit\n push $0x37b\n fldcw (" R("sp") ")\n pop " R("ax")
		   "\n fldz\n fld1\n fdiv %st(1), %st\n fnclex\n fwait\n" STOP);
CODE(c_mf_mmx, "fninit\n push $0x37b\n fldcw (" R("sp") ")\n pop " R("ax") "\n"
	       "fldz\n fld1\n fdiv %st(1), %st\n pxor %mm1, %mm1\n" STOP);

static void x87_error(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		r = run_code(c_mf, ring);
		CHECK_TRAP(r, V_MF, 0);
		/* At FWAIT, which is NOP, INT $0x81 before the end. */
		CHECK_EQ(r.rip - (ring ? USER_ALIAS : 0),
			 (ulong)c_mf_end - 4);
		CHECK_EQ(r.rax & 0x84, 0x84); /* ES and ZE */
		asm volatile("fnclex");
		r = run_code(c_mf_noerror, ring);
		CHECK_STOP(r);
	}
}

/* Which instructions wait, with an error pending: SDM 1 8.3.12, 8.7. */
static u8 fpu_image[512] __attribute__((aligned(64)));

CODE(w_fld1, "fld1\n" STOP);
CODE(w_fld, "fldl (" R("di") ")\n" STOP);
CODE(w_fst, "fstl (" R("di") ")\n" STOP);
CODE(w_fnop, "fnop\n" STOP);
CODE(w_ffree, "ffree %st(3)\n" STOP);
CODE(w_fincstp, "fincstp\n" STOP);
CODE(w_fldcw, "fldcw (" R("di") ")\n" STOP);
CODE(w_fldenv, "fldenv (" R("di") ")\n" STOP);
CODE(w_frstor, "frstor (" R("di") ")\n" STOP);
CODE(w_fcomi, "fcomi %st(1), %st\n" STOP);
CODE(w_fsin, "fsin\n" STOP);
CODE(w_fwait, "fwait\n" STOP);
CODE(n_fnstcw, "fnstcw (" R("di") ")\n" STOP);
CODE(n_fnstsw, "fnstsw (" R("di") ")\n" STOP);
CODE(n_fnstenv, "fnstenv (" R("di") ")\n" STOP);
CODE(n_fnsave, "fnsave (" R("di") ")\n" STOP);
CODE(n_fxsave, "fxsave (" R("di") ")\n" STOP);
CODE(n_fnclex, "fnclex\n" STOP);
CODE(n_fninit, "fninit\n" STOP);
CODE(n_sse, "addps %xmm0, %xmm0\n" STOP);
CODE(n_cpuid, "xor %eax, %eax\n cpuid\n" STOP);

static void raise_x87(void)
{
	u16 cw = 0x37b;

	asm volatile("fninit; fldcw %0; fldz; fld1; fdiv %%st(1), %%st"
		     :: "m"(cw));
}

static void waiting_instructions(void)
{
	static const struct {
		const char *name;
		const u8 *code;
		bool waits;
	} insn_tab[] = {
		{ "fld1", w_fld1, true }, { "fld", w_fld, true },
		{ "fst", w_fst, true }, { "fnop", w_fnop, true },
		{ "ffree", w_ffree, true }, { "fincstp", w_fincstp, true },
		{ "fldcw", w_fldcw, true }, { "fldenv", w_fldenv, true },
		{ "frstor", w_frstor, true }, { "fcomi", w_fcomi, true },
		{ "fsin", w_fsin, true }, { "fwait", w_fwait, true },
		{ "fnstcw", n_fnstcw }, { "fnstsw", n_fnstsw },
		{ "fnstenv", n_fnstenv }, { "fnsave", n_fnsave },
		{ "fxsave", n_fxsave }, { "fnclex", n_fnclex },
		{ "fninit", n_fninit }, { "addps", n_sse },
		{ "cpuid", n_cpuid },
	};

	for (unsigned i = 0; i < ARRAY_LEN(insn_tab); i++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			struct regs r;

			context("%s ring %u", insn_tab[i].name, ring);
			asm volatile("fninit; fnsave %0" : "=m"(fpu_image));
			raise_x87();
			regs_init(&r, insn_tab[i].code, ring);
			r.rdi = ring ? user(fpu_image) : (ulong)fpu_image;
			run(&r);
			if (insn_tab[i].waits)
				CHECK_TRAP(r, V_MF, 0);
			else
				CHECK_STOP(r);
			asm volatile("fninit");
		}
	}
}

/* MMX instructions are waiting ones. */
static void x87_error_mmx(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r = run_code(c_mf_mmx, ring);

		CHECK_TRAP(r, V_MF, 0);
		asm volatile("fninit");
	}
}

/* Of the control instructions, the loads wait and the stores do not. */
#define X87_ERROR                                                              \
	"fninit\n push $0x37b\n fldcw (" R("sp") ")\n pop " R("ax") "\n"       \
	"fldz\n fld1\n fdiv %st(1), %st\n"
CODE(c_mf_fldenv, X87_ERROR "fldenv (" R("di") ")\n" STOP);
CODE(c_mf_frstor, X87_ERROR "frstor (" R("di") ")\n" STOP);
CODE(c_mf_maskmovq, X87_ERROR "maskmovq %mm0, %mm1\n" STOP);
CODE(c_mf_fnstenv, X87_ERROR "fnstenv (" R("di") ")\n" STOP);
CODE(c_mf_fnsave, X87_ERROR "fnsave (" R("di") ")\n fwait\n" STOP);
CODE(c_mf_fxrstor, X87_ERROR "fxrstor (" R("di") ")\n" STOP);

static const struct wait_case {
	const char *name;
	const u8 *code;
	unsigned vector;
} wait_tab[] = {
	{ "fldenv", c_mf_fldenv, V_MF },
	{ "frstor", c_mf_frstor, V_MF },
	{ "maskmovq", c_mf_maskmovq, V_MF },
	{ "fnstenv", c_mf_fnstenv, V_STOP },
	{ "fnsave", c_mf_fnsave, V_STOP },
	{ "fxrstor", c_mf_fxrstor, V_STOP },
};

static void x87_error_control(void)
{
	static u8 image[512] __attribute__((aligned(16)));

	for (unsigned i = 0; i < 2 * ARRAY_LEN(wait_tab); i++) {
		const struct wait_case *w = &wait_tab[i / 2];
		struct regs r;

		context("%s, ring %u", w->name, i & 1 ? 3 : 0);
		if (w->code == c_mf_fxrstor)
			asm volatile("fninit; fxsave %0" : "+m"(image));
		else
			asm volatile("fninit; fnsave %0" : "+m"(image));
		regs_init(&r, w->code, i & 1 ? 3 : 0);
		r.rdi = i & 1 ? user(image) : (ulong)image;
		run(&r);
		CHECK_TRAP(r, w->vector, 0);
		asm volatile("fninit");
	}
}

/* SSE exceptions, at once; as #UD where the system does not expect them. */
CODE(c_xm, "push $0x1d80\n ldmxcsr (" R("sp") ")\n" /* ZE unmasked */
	   "push $1\n cvtsi2ss (" R("sp") "), %xmm0\n xorps %xmm1, %xmm1\n"
	   "1: divss %xmm1, %xmm0\n"
	   "pop " R("ax") "\n pop " R("ax") "\n" STOP);

static u32 read_mxcsr(void)
{
	u32 v;

	asm volatile("stmxcsr %0" : "=m"(v));
	return v;
}

static void simd_error(void)
{
	u32 ready = 0x1f80;

	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		r = run_code(c_xm, ring);
		CHECK_TRAP(r, V_XM, 0);
		CHECK_EQ(r.rip - (ring ? USER_ALIAS : 0),
			 (ulong)c_xm_end - 8);
		CHECK_EQ(read_mxcsr() & 0x3f, 4); /* ZE */
		asm volatile("ldmxcsr %0" :: "m"(ready));
		write_cr4(read_cr4() & ~(ulong)CR4_OSXMMEXCPT);
		r = run_code(c_xm, ring);
		CHECK_TRAP(r, V_UD, 0);
		write_cr4(read_cr4() | CR4_OSXMMEXCPT);
		asm volatile("ldmxcsr %0" :: "m"(ready));
	}
}

/* Reserved bits of MXCSR are #GP wherever they come from. */
CODE(c_bad_mxcsr, "push " R("ax") "\n ldmxcsr (" R("sp") ")\n" STOP);
CODE(c_fxrstor, "fxrstor (" R("di") ")\n" STOP);

static void mxcsr(void)
{
	static u8 image[512] __attribute__((aligned(16)));
	u32 mask;
	struct regs r;

	asm volatile("fxsave %0" : "=m"(image));
	mask = *(u32 *)(image + 28);
	if (!mask)
		mask = 0xffbf;
	/* Bit 17 is AMD's misaligned exception mask. */
	CHECK_EQ(mask & 0xffff0000 & ~BIT(17), 0);
	for (unsigned bit = 0; bit < 32; bit++) {
		bool good = mask >> bit & 1;

		context("bit %u", bit);
		regs_init(&r, c_bad_mxcsr, 3);
		r.rax = 0x1f80 | 1u << bit;
		run(&r);
		CHECK_TRAP(r, good ? V_STOP : V_GP, 0);
		*(u32 *)(image + 24) = 0x1f80 | 1u << bit;
		regs_init(&r, c_fxrstor, 0);
		r.rdi = (ulong)image;
		run(&r);
		CHECK_TRAP(r, good ? V_STOP : V_GP, 0);
	}
	*(u32 *)(image + 24) = 0x1f80;
	asm volatile("fxrstor %0" :: "m"(image));
}

#ifdef __x86_64__
/*
 * An image is what the instruction makes it, wherever it lies: on one page, on
 * two, or on a page with code that has run; and whether there is anything of
 * the x87 to save or not.
 */
#define AREA 832u /* x87, SSE, AVX */
#define XMM0 160u
#define XSTATE_BV 512u
#define YMM0_HIGH 576u
#define MINE 0xa5 /* bytes that were there before */

CODE(c_return, "ret\n");

static void xrstor(const void *image, u32 mask)
{
	asm volatile("xrstor64 (%0)" ::"r"(image), "a"(mask), "d"(0)
		     : "memory");
}

static void save(int form, void *image, u32 mask)
{
	switch (form) {
	case 0:
		asm volatile("xsave64 (%0)" ::"r"(image), "a"(mask), "d"(0)
			     : "memory");
		break;
	case 1:
		asm volatile("xsave (%0)" ::"r"(image), "a"(mask), "d"(0)
			     : "memory");
		break;
	default:
		asm volatile("xsavec64 (%0)" ::"r"(image), "a"(mask), "d"(0)
			     : "memory");
		break;
	}
}

/* SSE and AVX hold what a byte's offset makes of it; x87 is initial, or holds
 * a one, or an exception that is pending, with addresses. */
static void load_state(unsigned x87)
{
	static u8 image[AREA] __attribute__((aligned(64)));

	memset(image, 0, sizeof(image));
	*(u16 *)(image + 0) = 0x37f;
	*(u32 *)(image + 24) = 0x1f80;
	for (unsigned i = 0; i < 256; i++) {
		image[XMM0 + i] = (u8)(i ^ 0x3c);
		image[YMM0_HIGH + i] = (u8)(i ^ 0xc3);
	}
	image[XSTATE_BV] = 6;
	xrstor(image, 7);
	if (x87 == 1)
		asm volatile("fninit; fld1");
	else if (x87)
		raise_x87();
}

static void check_image(const u8 *p, int form, unsigned x87, u32 mask)
{
	unsigned wrong = 0;

	for (unsigned i = 0; i < 256; i++) {
		u8 xmm = mask & 2 ? i ^ 0x3c : MINE;
		u8 ymm = mask & 4 ? i ^ 0xc3 : MINE;

		wrong += p[XMM0 + i] != xmm;
		/* The compacted form has no holes, and none here. */
		wrong += p[YMM0_HIGH + i] != ymm;
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(p[XSTATE_BV] & 6, mask & 6);
	/* A one is 80 bits: 3fff 8000 0000 0000 0000. */
	if (mask & 1 && x87 == 1)
		CHECK_EQ(*(const u16 *)(p + 32 + 8), 0x3fff);
	if (mask & 1 && !x87 && form < 2)
		CHECK_EQ(*(const u16 *)p, 0x37f);
	/* No address of anything but the guest's. */
	if (mask & 1)
		CHECK(*(const u32 *)(p + 8) < 0x1000000 ||
		      *(const u32 *)(p + 8) == MINE * 0x01010101u);
	/* The last 48 bytes of the legacy region are software's. */
	for (unsigned i = 464; i < 512; i++)
		wrong += p[i] != MINE;
	CHECK_EQ(wrong, 0);
}

static void images(void)
{
	static const u16 offset_tab[] = { 0, 64, 3264, 3328, 3520, 4032 };
	static const u32 mask_tab[] = { 7, 6, 3, 2 };

	if (!has(F_AVX) || !(cpuid_sub(0xd, 1).a & 2) || !enable_xsave(7)) {
		skip("no XSAVEC or no AVX");
		return;
	}
	for (ulong va = LAB; va <= LAB + PAGE; va += PAGE)
		map_new(va);
	for (unsigned k = 0;
	     k < 3 * 3 * ARRAY_LEN(offset_tab) * ARRAY_LEN(mask_tab) * 2; k++) {
		unsigned n = k;
		unsigned x87 = n % 3;
		int form = n / 3 % 3;
		unsigned at = offset_tab[n / 9 % ARRAY_LEN(offset_tab)];
		u32 mask = mask_tab[n / 9 / ARRAY_LEN(offset_tab) %
				    ARRAY_LEN(mask_tab)];
		bool code = n / 9 / ARRAY_LEN(offset_tab) / ARRAY_LEN(mask_tab);
		u8 *p = (u8 *)LAB + at;

		context("form %u x87 %u at %x mask %x code %u", form, x87, at,
			mask, code);
		memset((void *)LAB, MINE, 2 * PAGE);
		if (code) {
			/* On the same page, before or behind. */
			u8 *f = (u8 *)LAB + (at >= 2048 ? 16 : 2048);

			memcpy(f, c_return, c_return_end - c_return);
			((void (*)(void))f)();
		}
		memset(p + 512, 0, 64);
		load_state(x87);
		save(form, p, mask);
		check_image(p, form, x87, mask);
		/* And back, from other values. */
		asm volatile("fninit; vzeroall");
		if ((mask & 6) == 6) {
			u8 again[AREA + 64], *q;

			q = (u8 *)(((ulong)again + 63) & ~63ul);
			memset(q, MINE, AREA);
			memset(q + 512, 0, 64);
			xrstor(p, mask);
			save(form, q, mask);
			check_image(q, form, x87, mask);
		}
		asm volatile("fninit");
	}
	asm volatile("fninit; vzeroall");
}
#endif

const struct test tests[] = {
	{ "TS", task_switched },
	{ "TS and XSAVE", task_switched_xsave,
	  "saves in spite of TS (SDM 2D \"XSAVE\", #NM)" },
	{ "EM", emulation },
	{ "OSFXSR and OSXSAVE", os_support },
	{ "XCR0", xcr0 },
#ifdef __x86_64__
	{ "images of XSAVE", images },
#endif
	{ "MF", x87_error },
	{ "waiting instructions", waiting_instructions,
	  "few of them look (SDM 1 8.7 \"Handling x87 FPU Exceptions\")" },
	{ "MF by MMX", x87_error_mmx,
	  "does not look (SDM 3A 12.5 \"Exceptions That Can Occur\")" },
	{ "MF by control instructions", x87_error_control,
	  "does not look (SDM 2A \"FLDENV\", #MF)" },
	{ "XM", simd_error,
	  "no SIMD exceptions (SDM 3A 6.15 \"Interrupt 19\")" },
	{ "reserved bits of MXCSR", mxcsr,
	  "takes any value (SDM 2A \"LDMXCSR\", #GP)" },
	{ NULL },
};
