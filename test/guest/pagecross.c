/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operands across two pages, of which the second may be missing: the fault
 * names the second page, and nothing has happened: no byte of the first page,
 * no register, no flag, no x87 stack top has changed. With both pages there,
 * the result is that of an operand within one page.
 */
#include "lib/pages.h"
#include "lib/trap.h"

#define A LAB
#define SECOND (A + PAGE)
#define REFERENCE (LAB + 0x100000)

enum kind { LOAD, STORE, RMW };

#define OPERAND(name, insn) CODE(name, insn "\n" STOP)

OPERAND(o_mov2, "mov (%rdi), %bx");
OPERAND(o_mov4, "mov (%rdi), %ebx");
OPERAND(o_mov8, "mov (%rdi), %rbx");
OPERAND(o_movzx, "movzwl (%rdi), %ebx");
OPERAND(o_add_r, "add (%rdi), %rbx");
OPERAND(o_cmp, "cmp %rbx, (%rdi)");
OPERAND(o_imul, "imul (%rdi), %rbx");
OPERAND(o_mul, "mulq (%rdi)");
OPERAND(o_test, "testl $0x1234, (%rdi)");
OPERAND(o_cmov, "stc\n cmovnc (%rdi), %rbx"); /* reads all the same */
OPERAND(o_bt, "btl $5, (%rdi)");
OPERAND(o_jmp_mem, "jmp *(%rdi)");
OPERAND(o_st2, "mov %bx, (%rdi)");
OPERAND(o_st4, "mov %ebx, (%rdi)");
OPERAND(o_st8, "mov %rbx, (%rdi)");
OPERAND(o_st_imm, "movq $0x12345678, (%rdi)");
OPERAND(o_movnti, "movnti %rbx, (%rdi)");
OPERAND(o_add, "add %rbx, (%rdi)");
OPERAND(o_add4, "addl $0x7654321, (%rdi)");
OPERAND(o_inc2, "incw (%rdi)");
OPERAND(o_not, "notq (%rdi)");
OPERAND(o_neg, "negl (%rdi)");
OPERAND(o_shl, "shlq $3, (%rdi)");
OPERAND(o_shld, "shld $5, %rbx, (%rdi)");
OPERAND(o_rcr, "rcrl $1, (%rdi)");
OPERAND(o_adc, "stc\n adc %rbx, (%rdi)");
OPERAND(o_bts, "btsl $7, (%rdi)");
OPERAND(o_xchg, "xchg %rbx, (%rdi)");
OPERAND(o_xadd, "xadd %rbx, (%rdi)");
OPERAND(o_cmpxchg, "cmpxchg %rbx, (%rdi)"); /* not equal: writes back */
OPERAND(o_cmpxchg8b, "cmpxchg8b (%rdi)");
OPERAND(o_l_add, "lock; add %rbx, (%rdi)");
OPERAND(o_l_xadd, "lock; xadd %ebx, (%rdi)");
OPERAND(o_l_cmpxchg, "lock; cmpxchg %rbx, (%rdi)");
OPERAND(o_l_inc, "lock; incq (%rdi)");
OPERAND(o_l_btc, "lock; btcl $3, (%rdi)");
OPERAND(o_l_cx8, "lock; cmpxchg8b (%rdi)");
OPERAND(o_movups, "movups (%rdi), %xmm1");
OPERAND(o_movups_st, "movups %xmm1, (%rdi)");
OPERAND(o_movdqu_st, "movdqu %xmm1, (%rdi)");
OPERAND(o_movlps, "movlps (%rdi), %xmm1");
OPERAND(o_movhps_st, "movhps %xmm1, (%rdi)");
OPERAND(o_movsd, "movsd (%rdi), %xmm1");
OPERAND(o_movss_st, "movss %xmm1, (%rdi)");
OPERAND(o_movq_st, "movq %xmm1, (%rdi)");
OPERAND(o_cvtsi, "cvtsi2sdq (%rdi), %xmm1");
OPERAND(o_fld4, "flds (%rdi)");
OPERAND(o_fld8, "fldl (%rdi)");
OPERAND(o_fld10, "fldt (%rdi)");
OPERAND(o_fild8, "fildll (%rdi)");
OPERAND(o_fbld, "fbld (%rdi)");
OPERAND(o_fst8, "fstl (%rdi)");
OPERAND(o_fstp8, "fstpl (%rdi)");
OPERAND(o_fstp10, "fstpt (%rdi)");
OPERAND(o_fistp8, "fistpll (%rdi)");
OPERAND(o_fbstp, "fbstp (%rdi)");
OPERAND(o_fadd, "faddl (%rdi)");
OPERAND(o_fnstenv, "fnstenv (%rdi)");
OPERAND(o_fnsave, "fnsave (%rdi)");
OPERAND(o_push_mem, "pushq (%rdi)");
OPERAND(o_pop_mem, "push $0x11\n popq (%rdi)");
OPERAND(o_sgdt, "sgdt (%rdi)");
OPERAND(o_vmovups, "vmovups (%rdi), %ymm1");
OPERAND(o_vmovups_st, "vmovups %ymm1, (%rdi)");

static const struct operand {
	const char *name;
	const u8 *code;
	enum kind kind;
	unsigned size;
	bool avx;
	bool rotate;
	unsigned rip; /* of the access, where not first */
	long rsp;     /* at the access */
} operand_tab[] = {
	{ "mov 2", o_mov2, LOAD, 2 },
	{ "mov 4", o_mov4, LOAD, 4 },
	{ "mov 8", o_mov8, LOAD, 8 },
	{ "movzx", o_movzx, LOAD, 2 },
	{ "add to a register", o_add_r, LOAD, 8 },
	{ "cmp", o_cmp, LOAD, 8 },
	{ "imul", o_imul, LOAD, 8 },
	{ "mul", o_mul, LOAD, 8 },
	{ "test", o_test, LOAD, 4 },
	{ "cmov, false", o_cmov, LOAD, 8, .rip = 1 },
	{ "bt", o_bt, LOAD, 4 },
	{ "jmp *", o_jmp_mem, LOAD, 8 },
	{ "store 2", o_st2, STORE, 2 },
	{ "store 4", o_st4, STORE, 4 },
	{ "store 8", o_st8, STORE, 8 },
	{ "store immediate", o_st_imm, STORE, 8 },
	{ "movnti", o_movnti, STORE, 8 },
	{ "add", o_add, RMW, 8 },
	{ "add immediate", o_add4, RMW, 4 },
	{ "inc 2", o_inc2, RMW, 2 },
	{ "not", o_not, RMW, 8 },
	{ "neg", o_neg, RMW, 4 },
	{ "shl", o_shl, RMW, 8 },
	{ "shld", o_shld, RMW, 8 },
	{ "rcr", o_rcr, RMW, 4, .rotate = true },
	{ "adc", o_adc, RMW, 8, .rip = 1 },
	{ "bts", o_bts, RMW, 4 },
	{ "xchg", o_xchg, RMW, 8 },
	{ "xadd", o_xadd, RMW, 8 },
	{ "cmpxchg", o_cmpxchg, RMW, 8 },
	{ "cmpxchg8b", o_cmpxchg8b, RMW, 8 },
	{ "lock add", o_l_add, RMW, 8 },
	{ "lock xadd", o_l_xadd, RMW, 4 },
	{ "lock cmpxchg", o_l_cmpxchg, RMW, 8 },
	{ "lock inc", o_l_inc, RMW, 8 },
	{ "lock btc", o_l_btc, RMW, 4 },
	{ "lock cmpxchg8b", o_l_cx8, RMW, 8 },
	{ "movups", o_movups, LOAD, 16 },
	{ "movups store", o_movups_st, STORE, 16 },
	{ "movdqu store", o_movdqu_st, STORE, 16 },
	{ "movlps", o_movlps, LOAD, 8 },
	{ "movhps store", o_movhps_st, STORE, 8 },
	{ "movsd", o_movsd, LOAD, 8 },
	{ "movss store", o_movss_st, STORE, 4 },
	{ "movq store", o_movq_st, STORE, 8 },
	{ "cvtsi2sd", o_cvtsi, LOAD, 8 },
	{ "fld 4", o_fld4, LOAD, 4 },
	{ "fld 8", o_fld8, LOAD, 8 },
	{ "fld 10", o_fld10, LOAD, 10 },
	{ "fild 8", o_fild8, LOAD, 8 },
	{ "fbld", o_fbld, LOAD, 10 },
	{ "fst 8", o_fst8, STORE, 8 },
	{ "fstp 8", o_fstp8, STORE, 8 },
	{ "fstp 10", o_fstp10, STORE, 10 },
	{ "fistp 8", o_fistp8, STORE, 8 },
	{ "fbstp", o_fbstp, STORE, 10 },
	{ "fadd", o_fadd, LOAD, 8 },
	{ "fnstenv", o_fnstenv, STORE, 28 },
	{ "fnsave", o_fnsave, STORE, 108 },
	{ "push memory", o_push_mem, LOAD, 8 },
	{ "pop memory", o_pop_mem, STORE, 8, .rip = 2, .rsp = -8 },
	{ "sgdt", o_sgdt, STORE, 10 },
	{ "vmovups", o_vmovups, LOAD, 32, true },
	{ "vmovups store", o_vmovups_st, STORE, 32, true },
};

static u64 xmm1[4] = { 0x1111111122222222, 0x3333333344444444,
		       0x5555555566666666, 0x7777777788888888 };

/* Known vector and x87 state: 2 on the x87 stack. */
static void load_vectors(bool avx)
{
	asm volatile("fninit; fld1; fadd %%st(0), %%st(0)" ::: "memory");
	if (avx)
		asm volatile("vmovups %0, %%ymm1" :: "m"(xmm1));
	else
		asm volatile("movups %0, %%xmm1" :: "m"(xmm1));
}

static u16 x87_status(void)
{
	u16 v;

	asm volatile("fnstsw %0" : "=m"(v));
	return v;
}

static bool xmm1_changed(bool avx)
{
	u64 now[4] = { 0, 0, xmm1[2], xmm1[3] };

	if (avx)
		asm volatile("vmovups %%ymm1, %0" : "=m"(now));
	else
		asm volatile("movups %%xmm1, %0" : "=m"(*(u64(*)[2])now));
	return memcmp(now, xmm1, sizeof(now));
}

static void fill(ulong va, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		((volatile u8 *)va)[i] = 0x3c + i * 7;
}

static void prepare_regs(struct regs *r, const struct operand *o, int ring)
{
	regs_init(r, o->code, ring);
	r->rax = 0x1000000000000001;
	r->rbx = 0x8000000080000003;
	r->rcx = 0x2222222222222222;
	r->rdx = 0x3333333333333333;
	r->rsi = 0x4444444444444444;
	r->rbp = 0x5555555555555555;
	r->rflags |= FL_STATUS & ~FL_ZF;
}

/* One operand whose byte n is the first one on the missing page. */
static void refused(const struct operand *o, unsigned n, int ring, u64 rights)
{
	ulong va = SECOND - n;
	struct regs in, r;
	u32 want = (o->kind == LOAD ? 0 : PF_W) | (ring ? PF_U : 0) |
		   (rights & PTE_P ? PF_P : 0);
	u16 status;

	context("%s, %u bytes before, ring %u, rights %lx", o->name, n, ring,
		(ulong)rights);
	fill(A, PAGE);
	*pt_entry(SECOND, 1) = (*pt_entry(SECOND, 1) & ~7ull) | rights;
	invlpg(SECOND);
	load_vectors(o->avx);
	status = x87_status();
	prepare_regs(&in, o, ring);
	in.rdi = va;
	r = in;
	run(&r);
	CHECK_EQ(r.vector, V_PF);
	/* See paging.c for what RMW says of a page that is absent. */
	if (o->kind != RMW || rights & PTE_P)
		CHECK_EQ(r.error, want);
	/* Several accesses may serve a large operand, in any order. */
	if (o->size <= 8)
		CHECK_EQ(r.cr2, SECOND);
	CHECK(r.cr2 >= SECOND && r.cr2 < va + o->size);
	CHECK_EQ(r.rip, in.rip + o->rip);
	CHECK_EQ(r.rsp, in.rsp + o->rsp);
	CHECK_EQ(r.rax, in.rax);
	CHECK_EQ(r.rbx, in.rbx);
	CHECK_EQ(r.rcx, in.rcx);
	CHECK_EQ(r.rdx, in.rdx);
	CHECK_EQ(r.rdi, in.rdi);
	CHECK_EQ(r.rflags & FL_STATUS, in.rflags & FL_STATUS);
	CHECK_EQ(x87_status(), status);
	CHECK(!xmm1_changed(o->avx));
	if (o->size > 8)
		return;
	for (unsigned i = 0; i < PAGE; i++) {
		if (((volatile u8 *)A)[i] != (u8)(0x3c + i * 7)) {
			CHECK_EQ(((volatile u8 *)A)[i], (u8)(0x3c + i * 7));
			break;
		}
	}
}

/* Both pages there: as anywhere else. */
static void allowed(const struct operand *o, unsigned n, int ring)
{
	struct regs in, a, b;

	context("%s, %u bytes before, ring %u, allowed", o->name, n, ring);
	*pt_entry(SECOND, 1) |= PTE_ALL;
	invlpg(SECOND);
	prepare_regs(&in, o, ring);
	fill(SECOND - n, o->size);
	load_vectors(o->avx);
	a = in;
	a.rdi = SECOND - n;
	run(&a);
	fill(REFERENCE, o->size);
	load_vectors(o->avx);
	b = in;
	b.rdi = REFERENCE;
	run(&b);
	CHECK_EQ(a.vector, b.vector);
	CHECK_EQ(a.rip, b.rip);
	CHECK_EQ(a.rax, b.rax);
	CHECK_EQ(a.rbx, b.rbx);
	CHECK_EQ(a.rdx, b.rdx);
	CHECK_EQ(a.rsp, b.rsp);
	CHECK_EQ(a.rflags & FL_STATUS, b.rflags & FL_STATUS);
	if (o->code == o_fnstenv || o->code == o_fnsave)
		return; /* they hold addresses */
	CHECK(!memcmp((void *)(SECOND - n), (void *)REFERENCE, o->size));
}

static bool enable_avx(void)
{
	if (!has(F_XSAVE) || !has(F_AVX))
		return false;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, 7);
	return true;
}

static void operands(bool second_present, bool rotate)
{
	bool avx = enable_avx();

	map_new(A);
	map_new(SECOND);
	map_new(REFERENCE);
	for (unsigned i = 0; i < ARRAY_LEN(operand_tab); i++) {
		const struct operand *o = &operand_tab[i];

		if ((o->avx && !avx) || o->rotate != rotate)
			continue;
		for (unsigned n = 1; n < o->size; n += o->size > 40 ? 9 : 1) {
			int ring = n & 1 ? 3 : 0;

			if (!second_present)
				refused(o, n, ring, 0);
			else if (o->kind != LOAD)
				refused(o, n, ring, PTE_P | PTE_U);
			allowed(o, n, ring);
		}
	}
}

static void second_absent(void) { operands(false, false); }
static void second_read_only(void) { operands(true, false); }
static void rotates(void) { operands(true, true); }

/* The first page is the missing one: it is named, by the operand's address. */
static void first_absent(void)
{
	map_new(A);
	map_new(SECOND);
	*pt_entry(A, 1) = 0;
	invlpg(A);
	for (unsigned i = 0; i < ARRAY_LEN(operand_tab); i++) {
		const struct operand *o = &operand_tab[i];
		struct regs r;

		if (o->avx || o->size < 2)
			continue;
		context("%s", o->name);
		fill(SECOND, 64);
		load_vectors(false);
		prepare_regs(&r, o, 3);
		r.rdi = SECOND - 1;
		run(&r);
		CHECK_EQ(r.vector, V_PF);
		CHECK_EQ(r.cr2, SECOND - 1);
		if (o->size > 8)
			continue;
		CHECK_EQ(((volatile u8 *)SECOND)[0], 0x3c);
		CHECK_EQ(((volatile u8 *)SECOND)[o->size - 2],
			 (u8)(0x3c + (o->size - 2) * 7));
	}
}

/* Stack operations at the ends of pages. */
OPERAND(s_push, "push %rbx");
OPERAND(s_push_imm, "push $0x55");
OPERAND(s_pushf, "pushf");
OPERAND(s_push_fs, "push %fs");
OPERAND(s_pushw, "pushw %bx");
OPERAND(s_call, "call 1f\n 1:");
OPERAND(s_call_reg, "call *%rbx");
OPERAND(s_enter, "enter $16, $0");
OPERAND(s_pop, "pop %rbx");
OPERAND(s_popf, "popf");
OPERAND(s_ret, "ret");
OPERAND(s_leave, "leave");
OPERAND(s_pop_fs, "pop %fs");
OPERAND(s_lret, "lretq");

static const struct stack_op {
	const char *name;
	const u8 *code;
	unsigned size;
	bool pop;
} stack_tab[] = {
	{ "push", s_push, 8 },
	{ "push imm", s_push_imm, 8 },
	{ "pushf", s_pushf, 8 },
	{ "push fs", s_push_fs, 8 },
	{ "pushw", s_pushw, 2 },
	{ "call", s_call, 8 },
	{ "call *", s_call_reg, 8 },
	{ "enter", s_enter, 8 },
	{ "pop", s_pop, 8, true },
	{ "popf", s_popf, 8, true },
	{ "ret", s_ret, 8, true },
	{ "leave", s_leave, 8, true },
	{ "pop fs", s_pop_fs, 8, true },
	{ "lret", s_lret, 16, true },
};

/* The operand ends n bytes into the second page. */
static void stack_end(const struct stack_op *o, unsigned n, int ring)
{
	bool low = !n && !o->pop;
	ulong start = o->pop && !n ? SECOND : SECOND + n - o->size;
	ulong missing = low ? A : SECOND;
	struct regs in, r;

	context("%s ring %u, %u over the end", o->name, ring, n);
	fill(A, PAGE);
	*pt_entry(SECOND, 1) |= PTE_ALL;
	invlpg(SECOND);
	fill(SECOND, PAGE);
	*pt_entry(missing, 1) &= ~(u64)PTE_P;
	invlpg(A);
	invlpg(SECOND);
	regs_init(&in, o->code, ring);
	in.rsp = start + (o->pop ? 0 : o->size);
	in.rbp = in.rsp;
	in.rbx = 0x1234;
	r = in;
	run(&r);
	CHECK_EQ(r.vector, V_PF);
	CHECK_EQ(r.error, (o->pop ? 0 : PF_W) | (ring ? PF_U : 0));
	if (o->size <= 8)
		CHECK_EQ(r.cr2, low ? start : SECOND);
	else
		CHECK(r.cr2 >= SECOND && r.cr2 < start + o->size);
	CHECK_EQ(r.rip, in.rip);
	CHECK_EQ(r.rsp, in.rsp);
	CHECK_EQ(r.rbp, in.rbp);
	CHECK_EQ(r.rbx, in.rbx);
	*pt_entry(missing, 1) |= PTE_P;
	for (ulong p = start; p < start + o->size; p++) {
		u8 want = 0x3c + (p % PAGE) * 7;

		if (*(volatile u8 *)p != want)
			CHECK_EQ(*(volatile u8 *)p, want);
	}
}

static void stack_ends_of(const u8 *only, const u8 *not)
{
	map_new(A);
	map_new(SECOND);
	for (unsigned i = 0; i < ARRAY_LEN(stack_tab); i++) {
		const struct stack_op *o = &stack_tab[i];

		if ((only && o->code != only) || o->code == not)
			continue;
		for (unsigned n = 0; n < o->size; n++) {
			stack_end(o, n, 0);
			stack_end(o, n, 3);
		}
	}
}

static void stack_ends(void) { stack_ends_of(NULL, s_lret); }
static void far_return(void) { stack_ends_of(s_lret, NULL); }

/* Aligned 16-byte forms refuse what is not aligned before they look at pages. */
OPERAND(o_movaps, "movaps (%rdi), %xmm1");
OPERAND(o_movaps_st, "movaps %xmm1, (%rdi)");
OPERAND(o_paddb, "paddb (%rdi), %xmm1");
OPERAND(o_fxsave, "fxsave (%rdi)");
OPERAND(o_cx16, "lock; cmpxchg16b (%rdi)");

static void aligned_forms(void)
{
	static const u8 *const code_tab[] = { o_movaps, o_movaps_st, o_paddb,
					      o_fxsave, o_cx16 };

	map_new(A);
	*pt_entry(SECOND, 1) = 0;
	invlpg(SECOND);
	for (unsigned i = 0; i < ARRAY_LEN(code_tab); i++) {
		struct regs r;

		context("number %u", i);
		regs_init(&r, code_tab[i], 3);
		r.rdi = SECOND - 8;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		CHECK_EQ(r.rip, user(code_tab[i]));
	}
}

const struct test tests[] = {
	{ "second page absent", second_absent },
	{ "second page read-only", second_read_only },
	{ "rotates through carry", rotates,
	  "the flags are lost (SDM 3A 6.5 \"Faults\")" },
	{ "first page absent", first_absent },
	{ "ends of the stack", stack_ends },
	{ "ends of the stack, far return", far_return,
	  "reads as ring 0 (SDM 3A 4.7, U/S flag)" },
	{ "aligned forms", aligned_forms },
	{ NULL },
};
