/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of unusual shape: thousands of equal instructions in a row, branches
 * everywhere, blocks of one instruction. No manual limits any of it.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define SIZE (2 * PAGE)

static u8 *area;
static u8 data[256] __attribute__((aligned(64)));

struct shape {
	const char *name;
	u8 length, bytes[12];
};

/* DI and AX point to data; CX is 0. */
static const struct shape shape_tab[] = {
	{ "nop", 1, { 0x90 } },
	{ "add to memory", 2, { 0x00, 0x00 } },
	{ "add dword to memory", 2, { 0x01, 0x1f } },
	{ "add from memory", 2, { 0x03, 0x1f } },
	{ "add, disp8", 3, { 0x01, 0x5f, 0x10 } },
	{ "lock inc", 3, { 0xf0, 0xff, 0x07 } },
	{ "xchg with memory", 2, { 0x87, 0x1f } },
	{ "cmpxchg", 6, { 0x50, 0xf0, 0x0f, 0xb1, 0x1f, 0x58 } },
	{ "push, pop", 2, { 0x53, 0x5b } },
	{ "push, pop memory", 4, { 0xff, 0x37, 0x8f, 0x07 } },
	{ "pushf, popf", 2, { 0x9c, 0x9d } },
	{ "rep stos", 2, { 0xf3, 0xab } },
	{ "scas", 3, { 0x57, 0xae, 0x5f } },
	{ "mov sreg", 4, { 0x8c, 0xdb, 0x8e, 0xdb } },
	{ "sgdt", 3, { 0x0f, 0x01, 0x07 } },
	{ "rdtsc", 4, { 0x50, 0x0f, 0x31, 0x58 } },
	{ "jump not taken", 2, { 0x72, 0x00 } },
	{ "jump taken", 2, { 0x73, 0x00 } },
	{ "jump long", 5, { 0xe9, 0, 0, 0, 0 } },
	{ "jump over", 4, { 0xeb, 0x02, 0x0f, 0x0b } },
	{ "call, pop", 6, { 0xe8, 0, 0, 0, 0, 0x5b } },
	{ "jrcxz", 2, { 0xe3, 0x00 } },
	{ "fld, fstp", 4, { 0xd9, 0x07, 0xdd, 0xd8 } },
	{ "movups, store", 6, { 0x0f, 0x10, 0x0f, 0x0f, 0x11, 0x0f } },
	{ "movaps", 3, { 0x0f, 0x28, 0x07 } },
	{ "shld", 4, { 0x0f, 0xa4, 0x1f, 0x05 } },
	{ "imul", 6, { 0x69, 0x1f, 1, 0, 0, 0 } },
	{ "mul memory", 4, { 0x50, 0xf6, 0x27, 0x58 } },
	{ "bts memory", 4, { 0x0f, 0xba, 0x2f, 0x03 } },
	{ "enter, leave", 5, { 0xc8, 0, 0, 0, 0xc9 } },
};

static void put(volatile u8 **p, const struct shape *s)
{
	for (unsigned k = 0; k < s->length; k++)
		*(*p)++ = s->bytes[k];
}

/* How it runs: rings 0 and 3, and compatibility mode in ring 3. */
enum { RING0, RING3, COMPAT, WAYS };

static const char *const way_names[] = { "ring 0", "ring 3", "compatibility" };

static ulong seen(const volatile void *p, int way)
{
	return way == RING3 ? user(p) : (ulong)p;
}

static struct regs go(int way)
{
	ulong base = seen(data, way);
	struct regs r;

	regs_init(&r, area, way ? 3 : 0);
#ifdef __x86_64__
	if (way == COMPAT) {
		root[0] |= PTE_U;
		write_cr3(read_cr3());
		r.rip -= USER_ALIAS;
		r.rsp -= USER_ALIAS;
		r.cs = SEL_USER32;
		asm volatile("mov %0, %%ds; mov %0, %%es" :: "r"(SEL_USER_DATA));
	}
#endif
	r.rdi = r.rax = base;
	r.rsi = base + 8;
	run(&r);
	return r;
}

static void finish(volatile u8 *p, int way)
{
	*p++ = 0xcd;
	*p++ = V_STOP;
	for (unsigned again = 0; again < 2; again++) {
		struct regs r = go(way);

		CHECK_STOP(r);
		CHECK_EQ(r.rip, seen(p, way));
	}
}

/* Pages of one thing. */
static void monotony(void)
{
	area = (u8 *)pages_alloc(SIZE / PAGE + 1);
	for (unsigned i = 0; i < ARRAY_LEN(shape_tab); i++) {
		for (int way = 0; way < WAYS; way++) {
			const struct shape *s = &shape_tab[i];
			volatile u8 *p = area;

			context("%s, %s", s->name, way_names[way]);
			for (unsigned n = SIZE / s->length; n; n--)
				put(&p, s);
			finish(p, way);
		}
	}
}

/* All of them, mixed. */
static void medley(void)
{
	u32 random = 1;

	area = (u8 *)pages_alloc(SIZE / PAGE + 1);
	for (unsigned round = 0; round < 21; round++) {
		volatile u8 *p = area;

		context("round %u", round);
		while (p < area + SIZE) {
			random = random * 1664525 + 1013904223;
			put(&p, &shape_tab[(random >> 16) %
					   ARRAY_LEN(shape_tab)]);
		}
		finish(p, round % WAYS);
	}
}

/* Entered at every byte: NOPs with a STOP behind them. */
static void every_entry(void)
{
	area = (u8 *)pages_alloc(3);
	for (unsigned i = 0; i < 2 * PAGE; i++)
		((volatile u8 *)area)[i] = 0x90;
	((volatile u8 *)area)[2 * PAGE] = 0xcd;
	((volatile u8 *)area)[2 * PAGE + 1] = V_STOP;
	for (unsigned i = 0; i < 2 * PAGE; i++) {
		struct regs r = run_code(area + i, i & 1 ? 3 : 0);

		CHECK_STOP(r);
	}
}

/* A chain of jumps that leads backwards through many pages. */
static void backwards(void)
{
	enum { PAGES = 64 };

	area = (u8 *)pages_alloc(PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		volatile u8 *p = area + i * PAGE;

		/* From 0xffb to 0xff6 and so on, 5 bytes each. */
		for (unsigned at = PAGE - 5; at >= 5; at -= 5) {
			p[at] = 0xe9;
			*(volatile u32 *)(p + at + 1) = (u32)-10;
		}
	}
	/* Below offset 5: STOP, or on to the page before. */
	for (unsigned i = 0; i < PAGES; i++) {
		unsigned last = (PAGE - 5) % 5;
		volatile u8 *p = area + i * PAGE + last;

		if (i) {
			p[0] = 0xe9;
			*(volatile u32 *)(p + 1) =
				(u32)(-(int)last - 5 - 5);
		} else {
			p[0] = 0xcd;
			p[1] = V_STOP;
		}
	}
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r = run_code(area + PAGES * PAGE - 5, ring);

		CHECK_STOP(r);
	}
}

const struct test tests[] = {
	{ "monotony", monotony },
	{ "medley", medley },
	{ "every entry", every_entry },
	{ "backwards", backwards },
	{ NULL },
};
