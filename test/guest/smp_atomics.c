/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOCKed instructions: every form, on memory that all processors change at
 * once. Nothing may be lost, wherever the operand lies: in one line, in two,
 * in two pages that are no neighbours, beside code that runs, on pages that
 * become writable only when they fault. SDM 3A 8.1.2.2 "Software Controlled
 * Bus Locking".
 */
#include "lib/smp.h"

/*
 * A kernel of a test: RDI the operand, RSI a value of this processor's, RCX
 * how often. It leaves 0 in RBX, or what has gone wrong.
 */
#define LOOP(name, text)                                                       \
	CODE(name, "xor %ebx, %ebx\n"                                          \
		   "1: " text "\n"                                             \
		   "dec %rcx\n jnz 1b\n" STOP                                  \
		   "9: inc %ebx\n" STOP)

/* All that comes in four sizes. A, D, S are RAX, RDX and RSI of the size. */
#define FORMS(n, s, A, D, S)                                                   \
	LOOP(add_r##n, "lock add" s " " S ", (%rdi)");                         \
	LOOP(add_i##n, "lock add" s " $3, (%rdi)");                            \
	LOOP(sub_r##n, "lock sub" s " " S ", (%rdi)");                         \
	LOOP(sub_i##n, "lock sub" s " $-5, (%rdi)");                           \
	LOOP(adc##n, "stc\n lock adc" s " $1, (%rdi)");                        \
	LOOP(sbb##n, "stc\n lock sbb" s " $-3, (%rdi)");                       \
	LOOP(inc##n, "lock inc" s " (%rdi)");                                  \
	LOOP(dec##n, "lock dec" s " (%rdi)");                                  \
	LOOP(neg##n, "lock neg" s " (%rdi)");                                  \
	LOOP(not##n, "lock not" s " (%rdi)");                                  \
	LOOP(xor##n, "lock xor" s " " S ", (%rdi)");                           \
	LOOP(xadd##n, "mov " S ", " A "\n lock xadd" s " " A ", (%rdi)");      \
	LOOP(cmpxchg##n, "mov (%rdi), " A "\n"                                 \
			 "2: mov " A ", " D "\n add" s " $7, " D "\n"          \
			 "lock cmpxchg" s " " D ", (%rdi)\n jnz 2b");          \
	/* A lock around a plain addition, in the bits above. */               \
	LOOP(or_and##n, "lock or" s " " S ", (%rdi)\n"                         \
			"mov (%rdi), " A "\n test " S ", " A "\n jz 9f\n"      \
			"not" s " " S "\n lock and" s " " S ", (%rdi)\n"       \
			"not" s " " S "\n"                                     \
			"mov (%rdi), " A "\n test " S ", " A "\n jnz 9f")

FORMS(1, "b", "%al", "%dl", "%sil");
FORMS(2, "w", "%ax", "%dx", "%si");
FORMS(4, "l", "%eax", "%edx", "%esi");
FORMS(8, "q", "%rax", "%rdx", "%rsi");

/* Bits by number, in R8; each looks at what it found. */
#define BITS(n, s, B)                                                          \
	LOOP(bit##n, "lock bts" s " " B ", (%rdi)\n jc 9f\n"                   \
		     "lock btr" s " " B ", (%rdi)\n jnc 9f\n"                  \
		     "lock btc" s " " B ", (%rdi)\n jc 9f\n"                   \
		     "lock btc" s " " B ", (%rdi)\n jnc 9f")
BITS(2, "w", "%r8w");
BITS(4, "l", "%r8d");
BITS(8, "q", "%r8");

/* What an XCHG brings goes away with the next; LOCK is implied. */
LOOP(xchg1, "xchg %sil, (%rdi)");
LOOP(xchg2, "xchg %si, (%rdi)");
LOOP(xchg4, "lock xchg %esi, (%rdi)");
LOOP(xchg8, "xchg %rsi, (%rdi)");

/* Halves that count up and down together. RBX is in use: R9 keeps it. */
LOOP(pair8, "mov %ebx, %r9d\n"
	    "mov (%rdi), %eax\n mov 4(%rdi), %edx\n"
	    "2: mov %eax, %ebx\n add $1, %ebx\n"
	    "mov %rcx, %r10\n mov %edx, %ecx\n sub $3, %ecx\n"
	    "lock cmpxchg8b (%rdi)\n mov %r10, %rcx\n jnz 2b\n"
	    "mov %r9d, %ebx");
LOOP(pair16, "mov %ebx, %r9d\n"
	     "mov (%rdi), %rax\n mov 8(%rdi), %rdx\n"
	     "2: mov %rax, %rbx\n add $1, %rbx\n"
	     "mov %rcx, %r10\n mov %rdx, %rcx\n sub $3, %rcx\n"
	     "lock cmpxchg16b (%rdi)\n mov %r10, %rcx\n jnz 2b\n"
	     "mov %r9d, %ebx");

/* What remains after n iterations by each of k processors. */
enum kind {
	ADDS,	/* delta times all */
	ADDS_S,	/* delta times all times RSI, which is 1 + processor */
	SAME,	/* as it was (n is even) */
	BIT_S,	/* as it was; RSI is a bit of one's own */
	TOKEN,	/* one of the tokens: sums with what is held */
	PAIR,	/* 1 and -3 times all, in the halves */
};

#define FORMS_TAB(n)                                                           \
	{ "add r", add_r##n, n, ADDS_S, 1 }, { "add i", add_i##n, n, ADDS, 3 },\
	{ "sub r", sub_r##n, n, ADDS_S, -1 },                                  \
	{ "sub i", sub_i##n, n, ADDS, 5 }, { "adc", adc##n, n, ADDS, 2 },      \
	{ "sbb", sbb##n, n, ADDS, 2 }, { "inc", inc##n, n, ADDS, 1 },          \
	{ "dec", dec##n, n, ADDS, -1 }, { "neg", neg##n, n, SAME, 0 },         \
	{ "not", not##n, n, SAME, 0 }, { "xor", xor##n, n, SAME, 0 },          \
	{ "xadd", xadd##n, n, ADDS_S, 1 },                                     \
	{ "cmpxchg", cmpxchg##n, n, ADDS, 7 },                                 \
	{ "or, and", or_and##n, n, BIT_S, 0 },                                 \
	{ "xchg", xchg##n, n, TOKEN, 0 }

static const struct form {
	const char *name;
	const u8 *code;
	unsigned bytes;
	enum kind kind;
	int delta;
} forms[] = {
	FORMS_TAB(1), FORMS_TAB(2), FORMS_TAB(4), FORMS_TAB(8),
	{ "bts, btr, btc", bit2, 2, BIT_S, 0 },
	{ "bts, btr, btc", bit4, 4, BIT_S, 0 },
	{ "bts, btr, btc", bit8, 8, BIT_S, 0 },
	{ "cmpxchg8b", pair8, 8, PAIR, 0 },
	{ "cmpxchg16b", pair16, 16, PAIR, 0 },
};
#define FORM_COUNT ARRAY_LEN(forms)

/*
 * Each form has an operand of its own on page 2i of the laboratory, or at its
 * end; the same pages are seen a second time at ALIAS, by odd processors.
 * Physically they lie in reverse, so no two are neighbours.
 */
#define ALIAS (LAB + 0x40000000ul)
#define PAGES (2 * FORM_COUNT + 2)

enum place { ALIGNED, ODD, LINES, PAGE_ENDS };

static const char *const place_names[] = { "aligned", "odd", "two lines",
					   "two pages" };

static bool fits(const struct form *f, enum place place)
{
	return f->bytes == 16 ? place == ALIGNED :
	       f->bytes > 1 || place == ALIGNED || place == ODD;
}

static ulong offset(unsigned form, enum place place)
{
	unsigned bytes = forms[form].bytes;

	switch (place) {
	case ODD:
		return 2 * form * PAGE + 0x103;
	case LINES:
		return 2 * form * PAGE + 0x240 - (bytes > 2 ? bytes / 2 - 1 : 1);
	case PAGE_ENDS:
		return (2 * form + 1) * PAGE - (bytes > 2 ? bytes / 2 - 1 : 1);
	default:
		return 2 * form * PAGE + 0x80;
	}
}

static void map_operands(u64 flags)
{
	ulong pa = pages_alloc(PAGES);

	for (unsigned i = 0; i < PAGES; i++) {
		map(LAB + i * PAGE, pa + (PAGES - 1 - i) * PAGE, flags);
		map(ALIAS + i * PAGE, pa + (PAGES - 1 - i) * PAGE, flags);
	}
	write_cr3(read_cr3());
}

/* One round: all forms at a place, in a ring, n times each. */
static struct round {
	enum place place;
	int ring;
	unsigned n;
	bool beside_code, read_only;
} round;

#define PASSES 4

/* What each processor holds in exchange for its token. */
static u64 held[8][FORM_COUNT];

/* Code on the pages of operands: MOV EAX, form; STOP. */
#define CODE_AT 0x800

static void write_code(unsigned form)
{
	for (unsigned page = 2 * form; page < 2 * form + 2; page++) {
		volatile u8 *p = (u8 *)(LAB + page * PAGE + CODE_AT);

		p[0] = 0xb8;
		p[1] = form;
		p[2] = p[3] = p[4] = 0;
		p[5] = 0xcd;
		p[6] = V_STOP;
	}
}

static void run_beside(unsigned form, unsigned page)
{
	struct regs r;

	regs_init(&r, NULL, round.ring);
	r.rip = LAB + (2 * form + page) * PAGE + CODE_AT;
	run(&r);
	if (r.vector != V_STOP || r.rax != form) {
		CHECK_STOP(r);
		CHECK_EQ(r.rax, form);
	}
}

static void run_form(unsigned i)
{
	const struct form *f = &forms[i];
	unsigned me = this_cpu()->index;
	struct regs r;

	if ((f->kind == TOKEN || f->kind == BIT_S) && me >= 8)
		return;
	if (round.beside_code)
		run_beside(i, me & 1);
	regs_init(&r, f->code, round.ring);
	r.rdi = (me & 1 ? ALIAS : LAB) + offset(i, round.place);
	r.rsi = f->kind == BIT_S ? 1u << me :
		f->kind == TOKEN ? held[me][i] : 1 + me;
	r.r8 = me;
	r.rcx = round.n;
	run(&r);
	if (r.vector != V_STOP || r.rbx) {
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, 0);
	}
	if (f->kind == TOKEN)
		held[me][i] = r.rsi;
}

/* Page faults make read-only pages writable, on several processors at once. */
static bool upgrade(struct regs *r)
{
	ulong va = read_cr2();

	if ((va < LAB || va >= ALIAS + PAGES * PAGE) ||
	    (r->error & ~(ulong)PF_U) != (PF_P | PF_W))
		return false;
	ATOMIC_OR(pt_entry(va, 1), PTE_W);
	invlpg(va);
	return true;
}

static void protect_operands(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		__atomic_and_fetch(pt_entry(LAB + i * PAGE, 1), ~(u64)PTE_W,
				   __ATOMIC_SEQ_CST);
		__atomic_and_fetch(pt_entry(ALIAS + i * PAGE, 1), ~(u64)PTE_W,
				   __ATOMIC_SEQ_CST);
	}
}

static void run_forms(ulong arg)
{
	if (round.read_only)
		trap_handle(V_PF, upgrade);
	/* Several times, so that all meet however they are scheduled. */
	for (unsigned k = 0; k < PASSES; k++) {
		if (round.read_only) {
			barrier();
			if (this_cpu()->index == 0)
				protect_operands();
			barrier();
			write_cr3(read_cr3());
		}
		barrier();
		for (unsigned i = 0; i < FORM_COUNT; i++)
			if (fits(&forms[i], round.place)) {
				context("%s %u, %s, ring %u", forms[i].name,
					forms[i].bytes,
					place_names[round.place], round.ring);
				run_form(i);
			}
	}
}

#define START 0x1122334455667788ull

static u64 cut(u64 v, unsigned bytes)
{
	return bytes < 8 ? v & (BIT(8 * bytes) - 1) : v;
}

/* By bytes: the operand may lie anywhere. */
static u64 peek(ulong at, unsigned bytes)
{
	u64 v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (u64)((volatile u8 *)at)[i] << 8 * i;
	return v;
}

static void poke(ulong at, u64 v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		((volatile u8 *)at)[i] = v >> 8 * i;
}

static void prepare(unsigned i)
{
	const struct form *f = &forms[i];
	ulong at = LAB + offset(i, round.place);
	unsigned half = f->bytes / 2;

	for (unsigned k = 0; k < 8; k++)
		held[k][i] = 1u << k;
	if (round.beside_code)
		write_code(i);
	if (f->kind == PAIR) {
		poke(at, START, half);
		poke(at + half, START, half);
	} else {
		poke(at, f->kind == TOKEN || f->kind == BIT_S ? 0 : START,
		     f->bytes);
	}
}

static void judge(unsigned i)
{
	const struct form *f = &forms[i];
	ulong at = LAB + offset(i, round.place);
	long n = round.n * PASSES, all = smp_cpus;
	unsigned half = f->bytes / 2;
	u64 want = START, got;

	if (f->kind == PAIR) {
		CHECK_EQ(peek(at, half), cut(START + n * all, half));
		CHECK_EQ(peek(at + half, half),
			 cut(START - 3 * n * all, half));
		return;
	}
	got = peek(at, f->bytes);
	switch (f->kind) {
	case ADDS:
		want += f->delta * n * all;
		break;
	case ADDS_S:
		want += f->delta * n * (all * (all + 1) / 2);
		break;
	case BIT_S:
		want = 0;
		break;
	case TOKEN:
		if (all > 8)
			all = 8;
		want = BIT(all) - 1;
		for (unsigned k = 0; k < all; k++)
			got += held[k][i];
		break;
	default:
		break;
	}
	CHECK_EQ(cut(got, f->bytes), cut(want, f->bytes));
}

/* QEMU's frame of a fault of LOCK ADC and SBB has not the CF they began with. */
static bool known_wrong(const struct form *f)
{
	return machine_is_tcg() && round.read_only &&
	       (!memcmp(f->name, "adc", 3) || !memcmp(f->name, "sbb", 3));
}

static void run_round(enum place place, int ring, unsigned n)
{
	round.place = place;
	round.ring = ring;
	round.n = shared(n) * 2; /* even: enum kind */
	for (unsigned i = 0; i < FORM_COUNT; i++)
		if (fits(&forms[i], place))
			prepare(i);
	on_all(run_forms, 0);
	for (unsigned i = 0; i < FORM_COUNT; i++)
		if (fits(&forms[i], place) && !known_wrong(&forms[i])) {
			context("%s %u, %s, ring %u, at the end", forms[i].name,
				forms[i].bytes, place_names[place], ring);
			judge(i);
		}
}

static bool begin(bool beside_code, bool read_only)
{
	if (!smp_start(2))
		return false;
	round.beside_code = beside_code;
	round.read_only = read_only;
	map_operands(PTE_ALL);
	return true;
}

static void everywhere(unsigned n)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		run_round(ALIGNED, ring, n);
		run_round(ODD, ring, n);
		run_round(LINES, ring, n / 4);
		run_round(PAGE_ENDS, ring, n / 20);
	}
}

static void plain(void)
{
	if (begin(false, false))
		everywhere(400);
}

static void beside_code(void)
{
	if (begin(true, false))
		everywhere(20);
}

static void upgraded(void)
{
	if (begin(false, true))
		everywhere(40);
}

const struct test tests[] = {
	{ "all forms", plain },
	{ "beside code that runs", beside_code },
	{ "on pages that fault first", upgraded },
	{ NULL },
};
