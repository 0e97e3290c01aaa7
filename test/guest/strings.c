/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String instructions: every element size, direction and count, against a
 * plain model; faults in the middle with precise registers, overlapping
 * operands, address-size wraps, an interrupt in a long REP.
 * SDM 2B "REP/REPE/REPZ/REPNE/REPNZ".
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define STRING(name, insn) CODE(name, insn "\n" STOP)

STRING(s_movsb, "rep movsb");
STRING(s_movsw, "rep movsw");
STRING(s_movsl, "rep movsl");
STRING(s_stosb, "rep stosb");
STRING(s_stosw, "rep stosw");
STRING(s_stosl, "rep stosl");
STRING(s_lodsb, "rep lodsb");
STRING(s_lodsw, "rep lodsw");
STRING(s_lodsl, "rep lodsl");
STRING(s_cmpsb, "repe cmpsb");
STRING(s_cmpsw, "repe cmpsw");
STRING(s_cmpsl, "repe cmpsl");
STRING(s_cmpsb_ne, "repne cmpsb");
STRING(s_scasb, "repe scasb");
STRING(s_scasb_ne, "repne scasb");
STRING(s_scasw_ne, "repne scasw");
STRING(s_scasl_ne, "repne scasl");
STRING(s_movsb1, "movsb");
STRING(s_stosb1, "stosb");
STRING(s_lodsl1, "lodsl");
#ifdef __x86_64__
STRING(s_movsq, "rep movsq");
STRING(s_stosq, "rep stosq");
STRING(s_lodsq, "rep lodsq");
STRING(s_cmpsq, "repe cmpsq");
STRING(s_scasq_ne, "repne scasq");
#endif

enum op { MOVS, STOS, LODS, CMPS, SCAS };

static const struct string {
	const char *name;
	const u8 *code;
	enum op op;
	unsigned size;
	bool rep, until_equal; /* REPNE */
} string_tab[] = {
	{ "movsb", s_movsb, MOVS, 1, true },
	{ "movsw", s_movsw, MOVS, 2, true },
	{ "movsl", s_movsl, MOVS, 4, true },
	{ "stosb", s_stosb, STOS, 1, true },
	{ "stosw", s_stosw, STOS, 2, true },
	{ "stosl", s_stosl, STOS, 4, true },
	{ "lodsb", s_lodsb, LODS, 1, true },
	{ "lodsw", s_lodsw, LODS, 2, true },
	{ "lodsl", s_lodsl, LODS, 4, true },
	{ "repe cmpsb", s_cmpsb, CMPS, 1, true },
	{ "repe cmpsw", s_cmpsw, CMPS, 2, true },
	{ "repe cmpsl", s_cmpsl, CMPS, 4, true },
	{ "repne cmpsb", s_cmpsb_ne, CMPS, 1, true, true },
	{ "repe scasb", s_scasb, SCAS, 1, true },
	{ "repne scasb", s_scasb_ne, SCAS, 1, true, true },
	{ "repne scasw", s_scasw_ne, SCAS, 2, true, true },
	{ "repne scasl", s_scasl_ne, SCAS, 4, true, true },
	{ "movsb once", s_movsb1, MOVS, 1 },
	{ "stosb once", s_stosb1, STOS, 1 },
	{ "lodsl once", s_lodsl1, LODS, 4 },
#ifdef __x86_64__
	{ "movsq", s_movsq, MOVS, 8, true },
	{ "stosq", s_stosq, STOS, 8, true },
	{ "lodsq", s_lodsq, LODS, 8, true },
	{ "repe cmpsq", s_cmpsq, CMPS, 8, true },
	{ "repne scasq", s_scasq_ne, SCAS, 8, true, true },
#endif
};

#define LEN (4 * PAGE)

/* The memory of the test, and the model's idea of it. */
static u8 *real, *model;

static u32 random_state;

static u32 random_number(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 8;
}

static void fill(void)
{
	real = (u8 *)pages_alloc(4);
	model = (u8 *)pages_alloc(4);
	for (unsigned i = 0; i < LEN; i++)
		model[i] = ((volatile u8 *)real)[i] = random_number() & 3;
}

static u64 load(const u8 *p, unsigned size)
{
	u64 v = 0;

	for (unsigned i = size; i--;)
		v = v << 8 | p[i];
	return v;
}

static void store(u8 *p, u64 v, unsigned size)
{
	for (unsigned i = 0; i < size; i++, v >>= 8)
		((volatile u8 *)p)[i] = v;
}

/* Runs the model on r, whose SI and DI are offsets into the memory. */
static void run_model(const struct string *s, struct regs *r)
{
	long step = r->rflags & FL_DF ? -(long)s->size : (long)s->size;
	u64 mask = s->size == 8 ? ~0ull : BIT(8 * s->size) - 1;
	bool uses_si = s->op == MOVS || s->op == LODS || s->op == CMPS;
	bool uses_di = s->op != LODS;
	u64 a, b;

	while (!s->rep || r->rcx) {
		bool stop = false;

		switch (s->op) {
		case MOVS:
			store(model + r->rdi, load(model + r->rsi, s->size),
			      s->size);
			break;
		case STOS:
			store(model + r->rdi, r->rax, s->size);
			break;
		case LODS:
			a = load(model + r->rsi, s->size);
			r->rax = s->size >= 4 ? a : (r->rax & ~mask) | a;
			break;
		case CMPS:
		case SCAS:
			a = s->op == CMPS ? load(model + r->rsi, s->size)
					  : r->rax & mask;
			b = load(model + r->rdi, s->size);
			r->rflags &= ~(ulong)(FL_ZF | FL_CF);
			r->rflags |= (a == b ? FL_ZF : 0) |
				     (a < b ? FL_CF : 0);
			stop = (a == b) == s->until_equal;
			break;
		}
		if (uses_si)
			r->rsi += step;
		if (uses_di)
			r->rdi += step;
		if (!s->rep)
			return;
		r->rcx--;
		if (stop)
			return;
	}
}

static ulong base_of(int ring)
{
	return ring ? user(real) : (ulong)real;
}

static void compare(const struct string *s, ulong si, ulong di, ulong count,
		    ulong flags, int ring)
{
	struct regs r, m;
	ulong base = base_of(ring);

	context("%s si %lx di %lx count %lu flags %lx ring %u", s->name, si,
		di, count, flags, ring);
	regs_init(&r, s->code, ring);
	r.rsi = si;
	r.rdi = di;
	r.rcx = count;
	r.rax = (ulong)0x0101010101010101;
	r.rflags |= flags;
	m = r;
	run_model(s, &m);
	r.rsi += base;
	r.rdi += base;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, m.rcx);
	CHECK_EQ(r.rsi - base, m.rsi);
	CHECK_EQ(r.rdi - base, m.rdi);
	CHECK_EQ(r.rax, m.rax);
	CHECK_EQ(r.rflags & (FL_ZF | FL_CF | FL_DF),
		 m.rflags & (FL_ZF | FL_CF | FL_DF));
	if (memcmp(real, model, LEN)) {
		CHECK(!"memory differs");
		memcpy(real, model, LEN);
	}
}

static void against_model(void)
{
	static const ulong count_tab[] = { 0, 1, 2, 3, 15, 16, 17, 100, 600 };

	fill();
	for (unsigned i = 0; i < ARRAY_LEN(string_tab); i++) {
		const struct string *s = &string_tab[i];

		for (unsigned c = 0; c < ARRAY_LEN(count_tab); c++) {
			ulong n = count_tab[c];

			for (int ring = 0; ring <= 3; ring += 3) {
				/* Across a page's end, and back over it. */
				compare(s, 4096 - 60, 8192 - 33, n, 0, ring);
				compare(s, 8192 + 7, 12288 + 9, n, FL_DF,
					ring);
			}
		}
	}
}

/* Operands that overlap: the result is that of one element after the other. */
static void overlapping(void)
{
	fill();
	for (unsigned i = 0; i < ARRAY_LEN(string_tab); i++) {
		const struct string *s = &string_tab[i];

		if (s->op != MOVS && s->op != CMPS)
			continue;
		for (long d = -20; d <= 20; d++) {
			compare(s, 4096 + d, 4096, 70, 0, 0);
			compare(s, 4096 + d, 4096, 70, FL_DF, 3);
		}
		fill();
	}
}

static void random_operands(void)
{
	fill();
	for (unsigned i = 0; i < 3000; i++) {
		const struct string *s =
			&string_tab[random_number() % ARRAY_LEN(string_tab)];
		ulong n = random_number() % 500;
		ulong span = LEN - 8192 - 16;
		ulong si = 4096 + random_number() % span;
		ulong di = 4096 + random_number() % span;

		compare(s, si, di, n, random_number() & 1 ? FL_DF : 0,
			random_number() & 1 ? 3 : 0);
	}
}

/* A flag or register that has nothing to do with it stays as it is. */
static void bystanders(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(string_tab); i++) {
		const struct string *s = &string_tab[i];
		struct regs r;

		if (s->op == CMPS || s->op == SCAS)
			continue;
		fill();
		context("%s", s->name);
		regs_init(&r, s->code, 0);
		r.rflags |= FL_STATUS;
		r.rsi = (ulong)real;
		r.rdi = (ulong)real + 64;
		r.rcx = 5;
		r.rbx = 0x11;
		r.rdx = 0x22;
		r.rbp = 0x33;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & FL_STATUS, FL_STATUS);
		CHECK_EQ(r.rbx, 0x11);
		CHECK_EQ(r.rdx, 0x22);
		CHECK_EQ(r.rbp, 0x33);
		CHECK_EQ(r.rcx, s->rep ? 0 : 5);
	}
	/* A count of zero reads and writes nothing, not even flags. */
	for (unsigned i = 0; i < ARRAY_LEN(string_tab); i++) {
		const struct string *s = &string_tab[i];
		struct regs r;

		if (!s->rep)
			continue;
		context("%s of nothing", s->name);
		regs_init(&r, s->code, 3);
		r.rsi = r.rdi = LAB;
		r.rflags |= FL_STATUS;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rflags & FL_STATUS, FL_STATUS);
		CHECK_EQ(r.rsi, LAB);
	}
}

#ifdef __x86_64__
/*
 * The page in the middle is missing: SI, DI and CX tell exactly how far it
 * went, the instruction can be restarted, nothing was done twice.
 */
static void fault_in_the_middle(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(string_tab); i++) {
		const struct string *s = &string_tab[i];
		bool writes = s->op == MOVS || s->op == STOS;
		bool uses_si = s->op == MOVS || s->op == LODS || s->op == CMPS;

		if (!s->rep || s->until_equal)
			continue;
		for (int ring = 0; ring <= 3; ring += 3) {
			ulong a = LAB, b = LAB + 16 * PAGE, done = 24;
			ulong n = 500;
			struct regs r;

			/* Equal bytes everywhere, so that compares go on. */
			map_new(a);
			map_new(b);
			*pt_entry(a + PAGE, 1) = 0;
			*pt_entry(b + PAGE, 1) = 0;
			invlpg(a + PAGE);
			invlpg(b + PAGE);
			context("%s ring %u, destination", s->name, ring);
			regs_init(&r, s->code, ring);
			r.rsi = a;
			r.rdi = b + PAGE - done * s->size;
			r.rcx = n;
			if (s->op != LODS) {
				run(&r);
				CHECK_PF(r, (writes ? PF_W : 0) |
					    (ring ? PF_U : 0), b + PAGE);
				CHECK_EQ(r.rcx, n - done);
				CHECK_EQ(r.rdi, b + PAGE);
				CHECK_EQ(r.rsi, a + (uses_si ? done * s->size
							     : 0));
				CHECK_EQ(r.rip, ring ? user(s->code)
						     : (ulong)s->code);
			}
			/* An element across the end faults as a whole. */
			if (s->size > 1 && s->op != LODS) {
				context("%s ring %u, across", s->name, ring);
				regs_init(&r, s->code, ring);
				r.rsi = a;
				r.rdi = b + PAGE - done * s->size - 1;
				r.rcx = n;
				if (s->op == STOS)
					r.rax = 0;
				run(&r);
				CHECK_PF(r, (writes ? PF_W : 0) |
					    (ring ? PF_U : 0), b + PAGE);
				CHECK_EQ(r.rcx, n - done);
				CHECK_EQ(r.rdi, b + PAGE - 1);
			}
			if (!uses_si)
				continue;
			context("%s ring %u, source", s->name, ring);
			regs_init(&r, s->code, ring);
			r.rsi = a + PAGE - done * s->size;
			r.rdi = b;
			r.rcx = n;
			run(&r);
			CHECK_PF(r, ring ? PF_U : 0, a + PAGE);
			CHECK_EQ(r.rcx, n - done);
			CHECK_EQ(r.rsi, a + PAGE);
			CHECK_EQ(r.rdi, b + (s->op == LODS ? 0
							   : done * s->size));
			/* Repaired and restarted, it does the rest. */
			map_new(a + PAGE);
			map_new(b + PAGE);
			r.vector = 0;
			r.rflags &= ~(ulong)FL_RF;
			run(&r);
			CHECK_STOP(r);
			CHECK_EQ(r.rcx, 0);
			CHECK_EQ(r.rsi, a + PAGE + (n - done) * s->size);
		}
	}
}

/* Downwards into a missing page. */
static void fault_downwards(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		ulong a = LAB + PAGE, b = LAB + 16 * PAGE;
		struct regs r;

		map_new(a);
		map_new(b);
		map_new(b + PAGE);
		context("ring %u", ring);
		regs_init(&r, s_movsl, ring);
		r.rflags |= FL_DF;
		r.rsi = a + 40;
		r.rdi = b + PAGE + 40;
		r.rcx = 100;
		run(&r);
		CHECK_PF(r, ring ? PF_U : 0, a - 4);
		CHECK_EQ(r.rcx, 100 - 11);
		CHECK_EQ(r.rsi, a - 4);
		CHECK_EQ(r.rdi, b + PAGE - 4);
		CHECK_EQ(r.rflags & FL_DF, FL_DF);
	}
}

/* Address size 32 in 64-bit mode: counts, addresses and wraps in 32 bits. */
STRING(s_a32_movsb, ".byte 0xf3, 0x67, 0xa4");
STRING(s_a32_stosb, ".byte 0xf3, 0x67, 0xaa");
STRING(s_a32_lodsl, ".byte 0xf3, 0x67, 0xad");

static void address_size_32(void)
{
	ulong pa = pages_alloc(4);
	struct regs r;

	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", ring);
		/* The low 4 GiB must be open to ring 3 for this one. */
		root[0] |= PTE_U;
		write_cr3(read_cr3());
		regs_init(&r, s_a32_stosb, ring);
		r.rdi = 0xabcdef0000000000 | pa;
		r.rcx = 0x1234567800000000 | 100;
		r.rax = 0x5a;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(r.rdi, pa + 100);
		CHECK_EQ(*(volatile u8 *)(pa + 99), 0x5a);
		CHECK_EQ(*(volatile u8 *)(pa + 100), 0);

		regs_init(&r, s_a32_movsb, ring);
		r.rsi = 0xabcdef0000000000 | pa;
		r.rdi = 0xabcdef0000000000 | (pa + 2 * PAGE);
		r.rcx = 0xffffffff00000000 | 50;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rcx, 0);
		CHECK_EQ(r.rsi, pa + 50);
		CHECK_EQ(r.rdi, pa + 2 * PAGE + 50);
		CHECK_EQ(*(volatile u8 *)(pa + 2 * PAGE + 49), 0x5a);
	}
}

/* A count of zero in ECX does not touch the upper half of the registers. */
static void address_size_32_zero(void)
{
	struct regs r;

	regs_init(&r, s_a32_movsb, 0);
	r.rsi = 0x1111111122222222;
	r.rdi = 0x3333333344444444;
	r.rcx = 0x5555555500000000;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ((u32)r.rcx, 0);
	CHECK_EQ((u32)r.rsi, 0x22222222);
	CHECK_EQ((u32)r.rdi, 0x44444444);
}

/* The last bytes of the 32-bit space, then its first. */
static void address_size_32_wrap(void)
{
	ulong last = pages_alloc(1), table = pages_alloc(1);
	u64 *pde = pt_entry(0xffe00000, 2), old = *pde;
	struct regs r;
	u32 at0;

	/* In place of the firmware's 2 MiB page. */
	((volatile u64 *)table)[511] = last | PTE_ALL;
	*pde = table | PTE_ALL;
	write_cr3(read_cr3());
	*(volatile u32 *)(last + PAGE - 4) = 0x01020304;
	asm volatile("movl 0, %0" : "=r"(at0));
	regs_init(&r, s_a32_lodsl, 0);
	r.rsi = 0xfffffffc;
	r.rcx = 1;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rsi, 0);
	CHECK_EQ(r.rax, 0x01020304);
	regs_init(&r, s_a32_lodsl, 0);
	r.rsi = 0xfffffffc;
	r.rcx = 2;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rsi, 4);
	CHECK_EQ(r.rax, at0);
	*pde = old;
	write_cr3(read_cr3());
}
#endif

/* Segment override on the source; the destination is ES whatever happens. */
STRING(s_fs_movsb, "rep movsb %fs:(" R("si") "), %es:(" R("di") ")");
STRING(s_fs_lodsb, "rep lodsb %fs:(" R("si") ")");

static void override(void)
{
	ulong pa = pages_alloc(2);
	struct regs r;

#ifdef __x86_64__
	wrmsr(MSR_FS_BASE, 0x100);
#else
	gdt_set(SEL_FREE, desc(0x100, 0xfffff, ACC_DATA, SEG_G | SEG_D));
#endif
	for (unsigned i = 0; i < PAGE; i++)
		((volatile u8 *)pa)[i] = i >> 4;
	regs_init(&r, s_fs_movsb, 0);
#ifndef __x86_64__
	r.fs = SEL_FREE;
#endif
	r.rsi = pa;
	r.rdi = pa + PAGE;
	r.rcx = 0x20;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(*(volatile u8 *)(pa + PAGE), 0x10);
	CHECK_EQ(*(volatile u8 *)(pa + PAGE + 0x1f), 0x11);
	CHECK_EQ(*(volatile u8 *)(pa + PAGE + 0x20), 0);
	regs_init(&r, s_fs_lodsb, 0);
#ifndef __x86_64__
	r.fs = SEL_FREE;
#endif
	r.rsi = pa;
	r.rcx = 0x21;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x12);
#ifdef __x86_64__
	wrmsr(MSR_FS_BASE, 0);
#endif
}

/* Long operations, as kernels clear and copy memory. */
static void long_operations(void)
{
	ulong a = pages_alloc(256), b = pages_alloc(256);
	struct regs r;

	for (unsigned i = 0; i < 256 * PAGE; i += 64)
		*(volatile u32 *)(a + i) = i;
	regs_init(&r, s_movsl, 0);
	r.rsi = a;
	r.rdi = b;
	r.rcx = 256 * PAGE / 4;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rdi, b + 256 * PAGE);
	for (unsigned i = 0; i < 256 * PAGE; i += 64)
		if (*(volatile u32 *)(b + i) != i)
			CHECK_EQ(*(volatile u32 *)(b + i), i);
	regs_init(&r, s_stosl, 0);
	r.rdi = b;
	r.rax = 0x01020304;
	r.rcx = 256 * PAGE / 4;
	run(&r);
	CHECK_STOP(r);
	for (unsigned i = 0; i < 256 * PAGE; i += 52)
		if (*(volatile u32 *)(b + i) != 0x01020304)
			CHECK_EQ(*(volatile u32 *)(b + i), 0x01020304);
	*(volatile u8 *)(b + 200 * PAGE + 5) = 0x99;
	regs_init(&r, s_scasb_ne, 0);
	r.rdi = b;
	r.rax = 0x99;
	r.rcx = 256 * PAGE;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rdi, b + 200 * PAGE + 6);
	CHECK_EQ(r.rcx, 56 * PAGE - 6);
}

const struct test tests[] = {
	{ "all against the model", against_model },
	{ "overlapping operands", overlapping },
	{ "random operands", random_operands },
	{ "bystanders", bystanders },
	{ "segment override", override },
	{ "long operations", long_operations },
#ifdef __x86_64__
	{ "a fault in the middle", fault_in_the_middle },
	{ "a fault downwards", fault_downwards },
	{ "address size 32", address_size_32 },
	{ "address size 32, count 0", address_size_32_zero },
	{ "address size 32, wrap", address_size_32_wrap },
#endif
	{ NULL },
};
