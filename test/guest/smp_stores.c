/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain stores of several processors side by side: each has bytes of its own
 * in one word, line or page, and whatever kind of store its neighbours use,
 * nothing but their own bytes may change, not even for a moment. Who carries
 * out a store in some roundabout way (operands in two pages, pages with code)
 * must not write what it had only read. SDM 3A 8.1.1 "Guaranteed Atomic
 * Operations"; APM 2 7.3.2.
 */
#include "lib/smp.h"

/*
 * RDI: one's own bytes, RCX: how often. Each round stores a new value and
 * looks whether it is still there, before the next. RBX: what has gone wrong.
 */
#define STORES(name, text)                                                     \
	CODE(name, "xor %ebx, %ebx\n"                                          \
		   "1: " text "\n"                                             \
		   "dec %rcx\n jnz 1b\n" STOP                                  \
		   "9: inc %ebx\n" STOP)
#define PLAIN(name, s, C)                                                      \
	STORES(name, "mov " C ", (%rdi)\n pause\n cmp " C ", (%rdi)\n jne 9f")

PLAIN(store1, "b", "%cl");
PLAIN(store2, "w", "%cx");
PLAIN(store4, "l", "%ecx");
PLAIN(store8, "q", "%rcx");

/* Read, modify, write without LOCK: others' bytes are none of its business. */
#define MODIFY(name, s, C, A)                                                  \
	STORES(name, "mov (%rdi), " A "\n"                                     \
		     "inc" s " (%rdi)\n inc" s " " A "\n"                      \
		     "cmp " A ", (%rdi)\n jne 9f\n"                            \
		     "xor " C ", (%rdi)\n xor " C ", " A "\n"                  \
		     "cmp " A ", (%rdi)\n jne 9f")
MODIFY(modify1, "b", "%cl", "%al");
MODIFY(modify2, "w", "%cx", "%ax");
MODIFY(modify4, "l", "%ecx", "%eax");
MODIFY(modify8, "q", "%rcx", "%rax");

/* As many bytes by REP STOSB and REP MOVSB, upwards and down. RSI: bytes. */
STORES(strings, "mov %rcx, %r8\n mov %rdi, %r9\n"
		"mov %r8d, %eax\n mov %rsi, %rcx\n rep stosb\n"
		"mov %r9, %rdi\n mov %rsi, %rcx\n repe scasb\n jne 9f\n"
		"dec %al\n lea -1(%r9,%rsi), %rdi\n mov %rsi, %rcx\n"
		"std\n rep stosb\n cld\n"
		"mov %r9, %rdi\n mov %rsi, %rcx\n repe scasb\n jne 9f\n"
		"mov %r9, %rdi\n mov %r8, %rcx");

/* Vectors of 16 bytes, of which only one's own are written. */
STORES(masked, "movd %ecx, %xmm0\n punpcklbw %xmm0, %xmm0\n"
	       "pshuflw $0, %xmm0, %xmm0\n pshufd $0, %xmm0, %xmm0\n"
	       "movdqu (%rdx), %xmm1\n maskmovdqu %xmm1, %xmm0\n"
	       "mfence\n cmp %cl, (%rdi,%r8)\n jne 9f");
STORES(vector, "movq %rcx, %xmm0\n punpcklqdq %xmm0, %xmm0\n"
	       "movups %xmm0, (%rdi)\n pause\n"
	       "cmp %rcx, (%rdi)\n jne 9f\n cmp %rcx, 8(%rdi)\n jne 9f");
STORES(x87, "mov %ecx, (%rsp)\n fildl (%rsp)\n fistpl (%rdi)\n pause\n"
	    "cmp %ecx, (%rdi)\n jne 9f");

/* LOCKed on one side, plain on the other. */
STORES(locked1, "mov (%rdi), %al\n lock incb (%rdi)\n inc %al\n pause\n"
		"cmp %al, (%rdi)\n jne 9f");
STORES(locked4, "mov (%rdi), %eax\n lock incl (%rdi)\n inc %eax\n pause\n"
		"cmp %eax, (%rdi)\n jne 9f");

static const struct kind {
	const char *name;
	const u8 *code;
	unsigned bytes;
} kinds[] = {
	{ "mov", store1, 1 }, { "mov", store2, 2 }, { "mov", store4, 4 },
	{ "mov", store8, 8 }, { "inc, xor", modify1, 1 },
	{ "inc, xor", modify2, 2 }, { "inc, xor", modify4, 4 },
	{ "inc, xor", modify8, 8 }, { "rep", strings, 3 },
	{ "rep", strings, 37 }, { "movups", vector, 16 },
	{ "fistp", x87, 4 }, { "lock inc", locked1, 1 },
	{ "lock inc", locked4, 4 },
};

static struct {
	unsigned kind, n;
	int ring;
	ulong base; /* of processor 0; the next follow without a gap */
	bool mixed; /* every processor another kind of the same size */
	bool code;
} work;

#define CODE_AT 0xc00

static void run_code_beside(void)
{
	struct regs r;

	if (!work.code)
		return;
	regs_init(&r, NULL, work.ring);
	r.rip = (work.base & -PAGE) + CODE_AT;
	run(&r);
	if (r.vector != V_STOP || r.rax != 0x600d) {
		CHECK_STOP(r);
		CHECK_EQ(r.rax, 0x600d);
	}
}

static unsigned kind_of(unsigned cpu)
{
	unsigned k = work.kind;

	/* The cpu-th after it with the same size, round and round. */
	for (unsigned skip = work.mixed ? cpu : 0; skip;) {
		k = (k + 1) % ARRAY_LEN(kinds);
		if (kinds[k].bytes == kinds[work.kind].bytes)
			skip--;
	}
	return k;
}

static void store_on(ulong arg)
{
	unsigned me = this_cpu()->index;
	const struct kind *k = &kinds[kind_of(me)];
	struct regs r;

	for (unsigned pass = 0; pass < 3; pass++) {
		barrier();
		run_code_beside();
		regs_init(&r, k->code, work.ring);
		r.rdi = work.base + me * k->bytes;
		r.rcx = work.n;
		r.rsi = k->bytes;
		run(&r);
		context("%s %u at %#lx, ring %u%s%s", k->name, k->bytes,
			r.rdi, work.ring, work.code ? ", beside code" : "",
			work.mixed ? ", mixed" : "");
		if (r.vector != V_STOP || r.rbx) {
			CHECK_STOP(r);
			CHECK_EQ(r.rbx, 0);
		}
	}
}

/* Two pages that are no neighbours; code on both. */
static void map_pages(void)
{
	static const u8 good[] = { 0xb8, 0x0d, 0x60, 0, 0, 0xcd, V_STOP };
	ulong pa = pages_alloc(3);

	map(LAB, pa + 2 * PAGE, PTE_ALL);
	map(LAB + PAGE, pa, PTE_ALL);
	write_cr3(read_cr3());
	memcpy((void *)(LAB + CODE_AT), good, sizeof(good));
	memcpy((void *)(LAB + PAGE + CODE_AT), good, sizeof(good));
}

static void stores(unsigned n, bool code)
{
	if (!smp_start(2))
		return;
	map_pages();
	work.code = code;
	for (work.ring = 0; work.ring <= 3; work.ring += 3)
		for (work.kind = 0; work.kind < ARRAY_LEN(kinds); work.kind++) {
			unsigned bytes = kinds[work.kind].bytes;

			work.mixed = work.kind & 1;
			work.n = shared(n);
			/* One word or line; across lines; across the pages. */
			work.base = LAB + 0x100;
			on_all(store_on, 0);
			work.base = LAB + 0x240 - bytes - bytes / 2;
			on_all(store_on, 0);
			work.n = shared(n / 5);
			work.base = LAB + PAGE - bytes - bytes / 2;
			on_all(store_on, 0);
		}
}

static void beside_data(void)
{
	stores(4000, false);
}

static void beside_code(void)
{
	stores(400, true);
}

/* MASKMOVDQU: bytes in turn, 16 / processors of each. */
static u8 masks[16][16];

static void mask_on(ulong ring)
{
	unsigned me = this_cpu()->index;
	struct regs r;

	if (me >= 16)
		return;
	regs_init(&r, masked, ring);
	r.rdi = work.base;
	r.rdx = ring ? user(masks[me]) : (ulong)masks[me];
	r.r8 = me;
	r.rcx = shared(3000);
	run(&r);
	context("ring %lu", ring);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, 0);
}

static void masked_stores(void)
{
	unsigned n;

	if (!smp_start(2))
		return;
	map_pages();
	n = smp_cpus < 16 ? smp_cpus : 16;
	memset(masks, 0, sizeof(masks));
	for (unsigned i = 0; i < 16; i++)
		masks[i % n][i] = 0x80;
	for (ulong ring = 0; ring <= 3; ring += 3) {
		work.base = LAB + 0x100;
		on_all(mask_on, ring);
		work.base = LAB + 0x238;
		on_all(mask_on, ring);
		work.base = LAB + PAGE - 1;
		on_all(mask_on, ring);
	}
}

const struct test tests[] = {
	{ "side by side", beside_data },
	{ "side by side, beside code", beside_code },
	{ "MASKMOVDQU", masked_stores },
	{ NULL },
};
