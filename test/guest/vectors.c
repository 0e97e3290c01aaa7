/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x87, SSE and AVX state: saved and restored by FXSAVE and the XSAVE family,
 * and left alone by everything that happens behind the guest's back. SDM 1 13
 * "Managing State Using the XSAVE Feature Set", 10.5 "FXSAVE and FXRSTOR".
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

#define V 0x61

static u8 image[4096] __attribute__((aligned(64)));
static u64 pattern[64] __attribute__((aligned(64)));
static u64 readback[64] __attribute__((aligned(64)));
static bool avx;

static void fill_pattern(u64 seed)
{
	for (unsigned i = 0; i < 64; i++)
		pattern[i] = (seed + i) * 0x0101010101010101 ^ (u64)i << 32;
}

#define EACH_XMM(op)                                                           \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10)     \
		op(11) op(12) op(13) op(14) op(15)

#define LOAD_XMM(n) "movups " #n "*32(%0), %%xmm" #n "\n"
#define STORE_XMM(n) "movups %%xmm" #n ", " #n "*32(%0)\n"
#define LOAD_YMM(n) "vmovups " #n "*32(%0), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovups %%ymm" #n ", " #n "*32(%0)\n"

/* All vector registers from the pattern; 1, 2, 3 on the x87 stack. */
static void load_state(void)
{
	if (avx)
		asm volatile(EACH_XMM(LOAD_YMM) :: "r"(pattern) : "memory");
	else
		asm volatile(EACH_XMM(LOAD_XMM) :: "r"(pattern) : "memory");
	asm volatile("fninit; fld1; fld1; fadd %st(1), %st(0);"
		     "fld1; fadd %st(1), %st(0)");
}

static void check_vectors(void)
{
	memset(readback, 0, sizeof(readback));
	if (avx)
		asm volatile(EACH_XMM(STORE_YMM) :: "r"(readback) : "memory");
	else
		asm volatile(EACH_XMM(STORE_XMM) :: "r"(readback) : "memory");
	for (unsigned i = 0; i < 64; i++) {
		if (!avx && i & 2)
			continue;
		if (readback[i] != pattern[i])
			CHECK_EQ(readback[i], pattern[i]);
	}
}

static void check_x87(void)
{
	u16 sw;
	u64 top[3];

	asm volatile("fnstsw %0" : "=m"(sw));
	CHECK_EQ(sw >> 11 & 7, 5);
	asm volatile("fistpll %0; fistpll %1; fistpll %2"
		     : "=m"(top[0]), "=m"(top[1]), "=m"(top[2]));
	CHECK_EQ(top[0], 3);
	CHECK_EQ(top[1], 2);
	CHECK_EQ(top[2], 1);
}

static void check_state(void)
{
	check_vectors();
	check_x87();
}

static void wipe(void)
{
	if (avx)
		asm volatile("vzeroall");
#define ZERO_XMM(n) "xorps %%xmm" #n ", %%xmm" #n "\n"
	asm volatile(EACH_XMM(ZERO_XMM) :: "r"(0));
	asm volatile("fninit");
}

static void prepare(void)
{
	avx = has(F_XSAVE) && has(F_AVX);
	if (has(F_XSAVE)) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		xsetbv(0, avx ? 7 : 3);
	}
	fill_pattern(0x11);
}

static void itself(void)
{
	prepare();
	load_state();
	check_state();
}

/* The layout of the legacy area: SDM 1, table 10-2. */
static void fxsave(void)
{
	u32 mx = 0x1f80 | 3u << 13;
	u16 cw = 0x37f | 1u << 10;

	prepare();
	avx = false;
	load_state();
	asm volatile("fldcw %0; ldmxcsr %1" :: "m"(cw), "m"(mx));
	memset(image, 0xee, sizeof(image));
	asm volatile("fxsave64 %0" : "=m"(image));
	CHECK_EQ(*(u16 *)image, cw);
	CHECK_EQ(*(u16 *)(image + 2) >> 11 & 7, 5);
	CHECK_EQ(image[4], 0xe0); /* three registers in use: 5, 6, 7 */
	CHECK_EQ(*(u32 *)(image + 24), mx);
	CHECK_EQ(*(u64 *)(image + 32), 0xc000000000000000); /* 3.0 */
	CHECK_EQ(*(u16 *)(image + 40), 0x4000);
	for (unsigned i = 0; i < 16; i++) {
		CHECK_EQ(*(u64 *)(image + 160 + 16 * i), pattern[4 * i]);
		CHECK_EQ(*(u64 *)(image + 168 + 16 * i), pattern[4 * i + 1]);
	}
	for (unsigned i = 464; i < 512; i++)
		CHECK_EQ(image[i], 0xee);
	wipe();
	mx = 0x1f80;
	asm volatile("ldmxcsr %0" :: "m"(mx));
	asm volatile("fxrstor64 %0" :: "m"(image));
	check_state();
	asm volatile("stmxcsr %0; fnstcw %1" : "=m"(mx), "=m"(cw));
	CHECK_EQ(mx, 0x1f80 | 3u << 13);
	CHECK_EQ(cw, 0x37f | 1u << 10);
	mx = 0x1f80;
	asm volatile("ldmxcsr %0; fninit" :: "m"(mx));
}

static void xsave_with(unsigned which, u64 rfbm)
{
	u32 lo = rfbm, hi = rfbm >> 32;

	switch (which) {
	case 0:
		asm volatile("xsave64 (%0)" :: "r"(image), "a"(lo), "d"(hi)
			     : "memory");
		break;
	case 1:
		asm volatile("xsaveopt64 (%0)" :: "r"(image), "a"(lo), "d"(hi)
			     : "memory");
		break;
	case 2:
		asm volatile("xsavec64 (%0)" :: "r"(image), "a"(lo), "d"(hi)
			     : "memory");
		break;
	}
}

static void xrstor(u64 rfbm)
{
	asm volatile("xrstor64 (%0)" :: "r"(image), "a"((u32)rfbm),
		     "d"((u32)(rfbm >> 32)) : "memory");
}

/* Save, wipe, restore. */
static bool xsave_round(unsigned which)
{
	u64 xcr0;

	prepare();
	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return false;
	}
	if (which && !(cpuid_sub(0xd, 1).a & (which == 1 ? 1 : 2))) {
		skip("no such form");
		return false;
	}
	xcr0 = xgetbv(0);
	for (unsigned round = 0; round < 10; round++) {
		fill_pattern(round * 3 + 5);
		memset(image, 0, sizeof(image));
		load_state();
		xsave_with(which, ~0ull);
		CHECK_EQ(*(u64 *)(image + 512), xcr0);
		CHECK_EQ(*(u64 *)(image + 520),
			 which == 2 ? BIT(63) | xcr0 : 0);
		wipe();
		xrstor(~0ull);
		check_state();
		/* Loaded once more, changed, restored. */
		load_state();
		xsave_with(which, ~0ull);
		wipe();
		xrstor(~0ull);
		check_state();
	}
	return true;
}

static void xsave(void) { xsave_round(0); }
static void xsaveopt(void) { xsave_round(1); }
static void xsavec(void) { xsave_round(2); }

/* Only what is asked for is saved and restored; absent means initial. */
static void xsave_parts(void)
{
	u64 zero[4];

	prepare();
	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	memset(image, 0, sizeof(image));
	load_state();
	xsave_with(0, 1);
	CHECK_EQ(*(u64 *)(image + 512), 1);
	CHECK_EQ(*(u64 *)(image + 160), 0);
	/* XMM asked for, but not in the image: they become zero. */
	load_state();
	xrstor(2);
	check_x87();
	asm volatile("movups %%xmm3, %0" : "=m"(*(u64(*)[2])zero));
	CHECK_EQ(zero[0] | zero[1], 0);
	/* x87 not asked for: it stays. */
	load_state();
	memset(image + 512, 0, 64);
	xrstor(2);
	check_x87();
	load_state();
	xrstor(1);
	check_vectors();
	{
		u16 cw, sw;

		asm volatile("fnstcw %0; fnstsw %1" : "=m"(cw), "=m"(sw));
		CHECK_EQ(cw, 0x37f);
		CHECK_EQ(sw, 0);
	}
	/* The initial state is not written down by XSAVE's header bit. */
	if (avx) {
		memset(image, 0, sizeof(image));
		asm volatile("vzeroall; fninit");
		xsave_with(0, 7);
		CHECK_EQ(*(u64 *)(image + 512) & ~7ull, 0);
	}
}

CODE(c_nothing, STOP);
CODE(c_fwait, "fwait\n" STOP);
CODE(c_xsave, "mov $-1, %eax\n mov $-1, %edx\n xsave (%rdi)\n" STOP);
CODE(c_xrstor, "mov $-1, %eax\n mov $-1, %edx\n xrstor (%rdi)\n" STOP);

static struct regs at_image(const u8 *code, unsigned offset)
{
	struct regs r;

	regs_init(&r, code, 3);
	r.rdi = user(image) + offset;
	run(&r);
	return r;
}

static void xsave_faults(void)
{
	prepare();
	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	memset(image, 0, sizeof(image));
	*(u16 *)image = 0x37f;
	*(u32 *)(image + 24) = 0x1f80;
	CHECK_STOP(at_image(c_xsave, 0));
	CHECK_TRAP(at_image(c_xsave, 32), V_GP, 0);
	CHECK_TRAP(at_image(c_xrstor, 32), V_GP, 0);
	CHECK_STOP(at_image(c_xrstor, 0));
	/* XSTATE_BV with what XCR0 lacks; reserved bytes of the header. */
	*(u64 *)(image + 512) = BIT(62);
	CHECK_TRAP(at_image(c_xrstor, 0), V_GP, 0);
	*(u64 *)(image + 512) = 3;
	*(u64 *)(image + 528) = 1;
	CHECK_TRAP(at_image(c_xrstor, 0), V_GP, 0);
	*(u64 *)(image + 528) = 0;
	CHECK_STOP(at_image(c_xrstor, 0));
}

static void xrstor_mxcsr(void)
{
	prepare();
	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	asm volatile("fninit");
	xsave_with(0, 3);
	*(u64 *)(image + 512) = 3;
	*(u32 *)(image + 24) = 0xffff0000;
	CHECK_TRAP(at_image(c_xrstor, 0), V_GP, 0);
	*(u32 *)(image + 24) = 0x1f80;
	CHECK_STOP(at_image(c_xrstor, 0));
}

/* A save area across a missing page. */
static void xsave_page(void)
{
	struct regs r;

	prepare();
	if (!has(F_XSAVE)) {
		skip("no XSAVE");
		return;
	}
	map_new(LAB);
	*pt_entry(LAB + PAGE, 1) = 0;
	for (unsigned i = 0; i < 2; i++) {
		regs_init(&r, i ? c_xrstor : c_xsave, 3);
		r.rdi = LAB + PAGE - 512;
		run(&r);
		CHECK_EQ(r.vector, V_PF);
		CHECK_EQ(r.error & ~(ulong)PF_W, PF_U);
		CHECK(r.cr2 >= LAB + PAGE && r.cr2 < LAB + PAGE + 512);
	}
}

/* What happens in between must not show. */
static void interrupts_between(void)
{
	prepare();
	irq_count(V);
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, 30000);
	for (unsigned i = 0; i < 30 || (i < 1000 && irq_counts[V] < 20); i++) {
		fill_pattern(i);
		load_state();
		sti();
		spin(100000);
		cli();
		check_state();
	}
	CHECK(irq_counts[V] > 5);
	apic_write(APIC_TIMER_INITIAL, 0);
}

static bool map_on_demand(struct regs *r)
{
	map_new(read_cr2() & ~(PAGE - 1));
	return true;
}

static void faults_between(void)
{
	prepare();
	trap_handle(V_PF, map_on_demand);
	for (unsigned i = 0; i < 100; i++) {
		ulong va = LAB + i * 3 * PAGE;

		fill_pattern(i);
		load_state();
		*(volatile u32 *)va = i;
		(void)*(volatile u32 *)(va + PAGE);
		check_state();
	}
	trap_handle(V_PF, NULL);
}

static void services_between(void)
{
	prepare();
	for (unsigned i = 0; i < 20; i++) {
		struct regs r;

		fill_pattern(i + 100);
		load_state();
		(void)apic_read(APIC_ID);
		apic_write(APIC_TPR, 0);
		outb(0x80, i);
		(void)inl(0xcfc);
		(void)rdmsr(MSR_PAT);
		wrmsr(MSR_LSTAR, i);
		cpuid(1);
		(void)rdtsc();
		write_cr3(read_cr3());
		invlpg(LAB);
		asm volatile("wbinvd");
		asm volatile("lldt %w0" :: "r"(0));
		(void)read_cr0();
		check_state();
		load_state();
		r = run_code(c_nothing, 3);
		CHECK_STOP(r);
		check_state();
	}
}

/* An x87 error that is pending waits for the guest's own next instruction. */
static void error_between(void)
{
	u16 cw = 0x37b;
	struct regs r;

	prepare();
	for (unsigned i = 0; i < 20; i++) {
		context("round %u", i);
		asm volatile("fninit; fldcw %0; fldz; fld1; fdiv %%st(1), %%st"
			     :: "m"(cw));
		cpuid(0);
		outb(0x80, 0);
		(void)apic_read(APIC_ID);
		(void)rdmsr(MSR_PAT);
		write_cr3(read_cr3());
		map_new(LAB + i * PAGE);
		*(volatile u8 *)(LAB + i * PAGE) = 0xc3;
		((void (*)(void))(LAB + i * PAGE))();
		r = run_code(c_nothing, 3);
		CHECK_STOP(r);
		asm volatile("fxsave64 %0" : "=m"(image));
		CHECK_EQ(image[2] & 0x84, 0x84);
		r = run_code(c_fwait, 3);
		CHECK_TRAP(r, V_MF, 0);
		/* Put back by FXRSTOR, it is pending again. */
		asm volatile("fnclex; fxrstor64 %0" :: "m"(image));
		cpuid(0);
		r = run_code(c_fwait, 0);
		CHECK_TRAP(r, V_MF, 0);
		asm volatile("fninit");
	}
}

/* Code that is new every time: whoever translates it must be discreet too. */
static void new_code_between(void)
{
	volatile u8 *code = (volatile u8 *)pages_alloc(1);

	prepare();
	for (unsigned i = 0; i < 500; i++) {
		fill_pattern(i);
		load_state();
		code[0] = 0xb8;
		*(volatile u32 *)(code + 1) = i;
		code[5] = 0xc3;
		CHECK_EQ(((unsigned (*)(void))(ulong)code)(), i);
		check_state();
	}
}

/* Rounding modes are the guest's own, and stay so. */
static void rounding(void)
{
	static const u8 result_tab[4][2] = { { 2, 4 }, { 2, 3 }, { 3, 4 },
					     { 2, 3 } };

	for (unsigned rc = 0; rc < 4; rc++) {
		u16 cw = 0x37f | rc << 10;
		u32 mx = 0x1f80 | rc << 13;
		float half[2] = { 2.5f, 3.5f };
		u32 a, b;
		u64 c;

		context("mode %u", rc);
		asm volatile("fldcw %0; ldmxcsr %1" :: "m"(cw), "m"(mx));
		outb(0x80, 0);
		cpuid(0);
		*(volatile u32 *)map_new(LAB + rc * PAGE) = 1;
		(void)*(volatile u32 *)(LAB + rc * PAGE);
		asm volatile("cvtss2si %1, %0" : "=r"(a) : "m"(half[0]));
		asm volatile("cvtss2si %1, %0" : "=r"(b) : "m"(half[1]));
		CHECK_EQ(a, result_tab[rc][0]);
		CHECK_EQ(b, result_tab[rc][1]);
		asm volatile("flds %1; fistpll %0" : "=m"(c) : "m"(half[1]));
		CHECK_EQ(c, result_tab[rc][1]);
		cw = 0x37f;
		mx = 0x1f80;
		asm volatile("fldcw %0; ldmxcsr %1" :: "m"(cw), "m"(mx));
	}
}

/*
 * The x87 remembers where its last instruction and operand were. That is the
 * guest's address or, as AMD has it without an exception, nothing.
 */
static void x87_pointers(void)
{
	static float one = 1.0f;
	u32 env[7];
	ulong at;

	asm volatile("fninit; lea 1f(%%rip), %0; 1: flds %1"
		     : "=r"(at) : "m"(one));
	asm volatile("fxsave64 %0" : "=m"(image));
	CHECK(*(u64 *)(image + 8) == at || !*(u64 *)(image + 8));
	CHECK(*(u64 *)(image + 16) == (ulong)&one || !*(u64 *)(image + 16));
	asm volatile("fnstenv %0" : "=m"(env));
	CHECK(env[3] == (u32)at || !env[3]);
	CHECK(env[5] == (u32)(ulong)&one || !env[5]);
}

/* With an exception pending, they are there for certain. */
static void x87_pointers_of_error(void)
{
	static float one = 1.0f;
	u16 cw = 0x37b;
	ulong at;

	asm volatile("fninit; fldcw %2; fldz; lea 1f(%%rip), %0;"
		     "1: fdivrs %1"
		     : "=r"(at) : "m"(one), "m"(cw));
	asm volatile("fxsave64 %0; fninit" : "=m"(image));
	CHECK_EQ(*(u64 *)(image + 8), at);
	CHECK_EQ(*(u64 *)(image + 16), (ulong)&one);
}

/* Restored pointers are kept as they are. */
static void x87_pointers_restored(void)
{
	asm volatile("fninit; fxsave64 %0" : "=m"(image));
	*(u64 *)(image + 8) = 0x123456789abc;
	*(u64 *)(image + 16) = 0x7edcba987654;
	/* AMD restores them only with an exception pending: SF, unmasked. */
	*(u16 *)image = 0x37b;
	*(u16 *)(image + 2) = 0x8084;
	asm volatile("fxrstor64 %0" :: "m"(image));
	memset(image, 0, 512);
	asm volatile("fxsave64 %0; fninit" : "=m"(image));
	CHECK_EQ(*(u64 *)(image + 8), 0x123456789abc);
	CHECK_EQ(*(u64 *)(image + 16), 0x7edcba987654);
}

const struct test tests[] = {
	{ "all registers", itself },
	{ "FXSAVE and FXRSTOR", fxsave },
	{ "XSAVE and XRSTOR", xsave },
	{ "XSAVEOPT", xsaveopt },
	{ "XSAVEC", xsavec },
	{ "parts", xsave_parts },
	{ "faults of XSAVE and XRSTOR", xsave_faults },
	{ "XRSTOR of a bad MXCSR", xrstor_mxcsr,
	  "takes any value (SDM 2D \"XRSTOR\", #GP)" },
	{ "a missing page", xsave_page },
	{ "interrupts in between", interrupts_between },
	{ "page faults in between", faults_between },
	{ "devices and services in between", services_between },
	{ "an x87 error in between", error_between },
	{ "new code in between", new_code_between },
	{ "rounding", rounding },
	{ "x87 pointers", x87_pointers },
	{ "x87 pointers of an error", x87_pointers_of_error,
	  "keeps none (SDM 1 8.1.8 \"x87 FPU Instruction and Data Pointers\")" },
	{ "x87 pointers restored", x87_pointers_restored,
	  "keeps none (SDM 1 8.1.8 \"x87 FPU Instruction and Data Pointers\")" },
	{ NULL },
};
