/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a monitor that shows the guest's pages to its host's processor may
 * show before it is asked to, and may put off taking away: nothing that an
 * access could tell from a processor that looks everything up.
 *
 * Pages in a row whose A or D is clear, which are read-only or absent; changed
 * beside the one that is used; pages that come by a page fault, or do not; many
 * flushes before anybody looks; an address space left with flushes still to be
 * seen; code beside data; and more pages in one address space than anybody
 * keeps.
 *
 * All of it in ring 0, which SMAP keeps off the user's pages, and in ring 3.
 * SDM 3A 4.8 "Accessed and Dirty Flags", 4.10.2.3 "Details of TLB Use",
 * 4.10.4.3 "Optional Invalidation".
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define A (LAB + 0x100000)
#define ROW 16u
#define AD ((u64)(PTE_A | PTE_D))
#define NO_FLUSH BIT(63)

CODE(c_read, "mov (%rdi), %rax\n" STOP);
CODE(c_write, "mov %rax, (%rdi)\n" STOP);

static u64 rights(int ring)
{
	return PTE_P | PTE_W | (ring ? PTE_U : 0);
}

static u32 user_error(int ring)
{
	return ring ? PF_U : 0;
}

static void both_rings(void (*fn)(int ring))
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	write_cr4(read_cr4() | CR4_SMAP | CR4_PGE);
	for (int ring = 0; ring <= 3; ring += 3)
		fn(ring);
}

static struct regs go(const u8 *code, int ring, ulong di, ulong ax)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rdi = di;
	r.rax = ax;
	run(&r);
	return r;
}

static u64 read_at(int ring, ulong va)
{
	struct regs r = go(c_read, ring, va, 0);

	CHECK_STOP(r);
	return r.rax;
}

static void write_at(int ring, ulong va, u64 v)
{
	CHECK_STOP(go(c_write, ring, va, v));
}

static u64 word(ulong pa)
{
	return *(volatile u64 *)pa;
}

/* @n pages that follow each other, each beginning with @first and so on. */
static ulong row_of(unsigned n, u64 first)
{
	ulong pa = pages_alloc(n);

	for (unsigned i = 0; i < n; i++)
		*(volatile u64 *)(pa + i * PAGE) = first + i;
	return pa;
}

static void map_row(ulong va, ulong pa, unsigned n, u64 flags)
{
	for (unsigned i = 0; i < n; i++)
		map(va + i * PAGE, pa + i * PAGE, flags);
}

static void flush(unsigned how, ulong va, unsigned n)
{
	if (how % 2)
		write_cr3(read_cr3());
	else
		for (unsigned i = 0; i < n; i++)
			invlpg(va + i * PAGE);
}

/* --- in a row --- */

enum kind { ALL, NO_A, NO_D, READ_ONLY, ABSENT, KINDS };

static u64 entry_of(enum kind k, ulong pa, int ring)
{
	u64 right = rights(ring);

	switch (k) {
	case NO_A:
		return pa | right | PTE_D;
	case NO_D:
		return pa | right | PTE_A;
	case READ_ONLY:
		return pa | (right & ~(u64)PTE_W) | AD;
	case ABSENT:
		return (pa | right | AD) & ~(u64)PTE_P;
	default:
		return pa | right | AD;
	}
}

static void check_neighbour(int ring, enum kind k, ulong va, ulong pa, u64 v)
{
	u64 *e = pt_entry(va, 1);
	u64 before = entry_of(k, pa, ring);
	struct regs r;

	CHECK_EQ(*e, before); /* whoever looked left no trace */
	r = go(c_read, ring, va, 0);
	if (k == ABSENT) {
		CHECK_PF(r, user_error(ring), va);
		CHECK_PF(go(c_write, ring, va, 0), PF_W | user_error(ring),
			 va);
		CHECK_EQ(*e, before);
		/* What is absent is not cached. */
		*e = entry_of(ALL, pa, ring);
		CHECK_EQ(read_at(ring, va), v);
		write_at(ring, va, v);
		return;
	}
	CHECK_STOP(r);
	CHECK_EQ(r.rax, v);
	CHECK_EQ(*e, before | PTE_A);
	r = go(c_write, ring, va, v + 0x1000);
	if (k == READ_ONLY) {
		CHECK_PF(r, PF_P | PF_W | user_error(ring), va);
		CHECK_EQ(word(pa), v);
		return;
	}
	CHECK_STOP(r);
	CHECK_EQ(word(pa), v + 0x1000);
	CHECK_EQ(*e, before | AD);
	*(volatile u64 *)pa = v;
}

static void rows(int ring)
{
	ulong pa = row_of(ROW, 0x100);

	for (unsigned round = 0; round < 3 * ROW; round++) {
		unsigned used = round % ROW;

		for (unsigned i = 0; i < ROW; i++) {
			enum kind k = i == used ? ALL : (i + round) % KINDS;

			map(A + i * PAGE, 0, 0);
			*pt_entry(A + i * PAGE, 1) =
				entry_of(k, pa + i * PAGE, ring);
		}
		flush(round, A, ROW);
		context("ring %u, round %u", (unsigned)ring, round);
		if (round & 2)
			write_at(ring, A + used * PAGE, 0x100 + used);
		CHECK_EQ(read_at(ring, A + used * PAGE), 0x100 + used);
		for (unsigned i = 0; i < ROW; i++) {
			if (i == used)
				continue;
			context("ring %u, round %u, page %u", (unsigned)ring,
				round, i);
			check_neighbour(ring, (i + round) % KINDS,
					A + i * PAGE, pa + i * PAGE,
					0x100 + i);
		}
	}
}

/* Changed, and flushed, without ever having been used. */
static void neighbours_change(int ring)
{
	ulong p = row_of(ROW, 0x100), q = row_of(ROW, 0x200);
	u64 right = rights(ring) | AD;

	for (unsigned round = 0; round < 3 * ROW; round++) {
		unsigned used = round % ROW, n = (round * 7 + 3) % ROW;
		ulong va = A + n * PAGE;

		if (n == used)
			continue;
		context("ring %u, round %u", (unsigned)ring, round);
		map_row(A, p, ROW, right);
		flush(round, A, ROW);
		CHECK_EQ(read_at(ring, A + used * PAGE), 0x100 + used);
		/* Another page. */
		map(va, q + n * PAGE, right);
		flush(round / 2, va, 1);
		CHECK_EQ(read_at(ring, va), 0x200 + n);
		/* Read-only, while others are not. */
		map(va, q + n * PAGE, right & ~(u64)PTE_W);
		flush(round / 2, va, 1);
		CHECK_PF(go(c_write, ring, va, 0),
			 PF_P | PF_W | user_error(ring), va);
		/* Without A, without D. */
		*pt_entry(va, 1) = (p + n * PAGE) | rights(ring);
		flush(round / 2, va, 1);
		CHECK_EQ(read_at(ring, A + used * PAGE), 0x100 + used);
		CHECK_EQ(*pt_entry(va, 1) & AD, 0);
		CHECK_EQ(read_at(ring, va), 0x100 + n);
		CHECK_EQ(*pt_entry(va, 1) & AD, PTE_A);
		write_at(ring, va, 0x100 + n);
		CHECK_EQ(*pt_entry(va, 1) & AD, AD);
		/* The other ring's. */
		*pt_entry(va, 1) ^= PTE_U;
		flush(round / 2, va, 1);
		CHECK_PF(go(c_read, ring, va, 0), PF_P | user_error(ring), va);
		CHECK_EQ(read_at(3 - ring, va), 0x100 + n);
		/* Away. */
		map(va, 0, 0);
		flush(round / 2, va, 1);
		CHECK_PF(go(c_read, ring, va, 0), user_error(ring), va);
		CHECK_EQ(read_at(ring, A + used * PAGE), 0x100 + used);
	}
}

/* --- page faults --- */

/* A kernel that puts a page there, in all the ways in which it may. */
static void after_fault(int ring)
{
	static const u64 bits_tab[] = { 0, PTE_A, AD, PTE_D };
	ulong p = row_of(1, 1), q = row_of(1, 2);
	u32 error = user_error(ring);
	u64 *e;

	map(A, 0, 0);
	e = pt_entry(A, 1);
	for (unsigned i = 0; i < 64; i++) {
		u64 bits = bits_tab[i % ARRAY_LEN(bits_tab)];
		bool write = i & 4;

		context("ring %u, round %u", (unsigned)ring, i);
		*e = 0;
		invlpg(A);
		CHECK_PF(go(write ? c_write : c_read, ring, A, 1),
			 error | (write ? PF_W : 0), A);
		*e = p | rights(ring) | bits;
		/* Something else runs first. */
		if (i & 8)
			CHECK_PF(go(c_read, ring, A + PAGE * 64, 0), error,
				 A + PAGE * 64);
		CHECK_EQ(*e, p | rights(ring) | bits);
		if (write)
			write_at(ring, A, 1);
		else
			CHECK_EQ(read_at(ring, A), 1);
		CHECK_EQ(*e & AD, bits | (write ? AD : PTE_A));
		/* Copied when it is written, as Linux does: away, flushed,
		 * and only then replaced. */
		*e = p | (rights(ring) & ~(u64)PTE_W) | bits;
		invlpg(A);
		CHECK_PF(go(c_write, ring, A, 9), PF_P | PF_W | error, A);
		*e = 0;
		invlpg(A);
		*e = q | rights(ring) | bits;
		write_at(ring, A, 2);
		CHECK_EQ(word(p), 1);
		CHECK_EQ(word(q), 2);
		CHECK_EQ(*e & AD, AD);
		/* Made writable where it is; with and without a flush. */
		*e = q | (rights(ring) & ~(u64)PTE_W) | bits;
		invlpg(A);
		CHECK_PF(go(c_write, ring, A, 9), PF_P | PF_W | error, A);
		*e = q | rights(ring) | bits;
		if (i & 16)
			invlpg(A);
		write_at(ring, A, 3);
		CHECK_EQ(word(q), 3);
		CHECK_EQ(*e & AD, AD);
		/* It comes, and goes before anybody is back. */
		*e = 0;
		invlpg(A);
		CHECK_PF(go(c_read, ring, A, 0), error, A);
		*e = p | rights(ring) | bits;
		*e = 0;
		CHECK_PF(go(c_read, ring, A, 0), error, A);
	}
}

/* --- flushes that pile up --- */

#define PILE 300u
/* Sums up the words at the beginnings of RCX pages. */
CODE(c_sum, "xor %eax, %eax\n 1: add (%rdi), %rax\n add $4096, %rdi\n"
	    "dec %rcx\n jnz 1b\n" STOP);

static u64 sum_at(int ring, ulong va, unsigned n)
{
	struct regs r;

	regs_init(&r, c_sum, ring);
	r.rdi = va;
	r.rcx = n;
	run(&r);
	CHECK_STOP(r);
	return r.rax;
}

static void pile(int ring)
{
	ulong p = row_of(PILE, 0), q = row_of(PILE, 1000);
	u64 right = rights(ring) | AD;
	u64 sum = PILE * (PILE - 1) / 2;

	for (unsigned round = 0; round < 12; round++) {
		unsigned step = round % 3 + 1, n = 0;

		context("ring %u, round %u", (unsigned)ring, round);
		map_row(A, p, PILE, right);
		flush(round, A, PILE);
		CHECK_EQ(sum_at(ring, A, PILE), sum);
		for (unsigned i = 0; i < PILE; i += step, n++) {
			map(A + i * PAGE, q + i * PAGE, right);
			invlpg(A + i * PAGE);
		}
		CHECK_EQ(sum_at(ring, A, PILE), sum + n * 1000);
		for (unsigned i = 0; i < PILE; i += step) {
			map(A + i * PAGE, 0, 0);
			invlpg(A + i * PAGE);
		}
		for (unsigned i = 0; i < PILE; i++) {
			struct regs r = go(c_read, ring, A + i * PAGE, 0);

			if (i % step) {
				CHECK_STOP(r);
				CHECK_EQ(r.rax, i);
			} else {
				CHECK_PF(r, user_error(ring), A + i * PAGE);
			}
		}
	}
}

/* --- small pages and large ones --- */

#define LARGE 0x200000ul

/* In each other's place, without anything in between. */
static void small_and_large(int ring)
{
	ulong at = LAB + 0x40000000, p, q;
	u64 right = rights(ring) | AD, *e, table;

	p = pages_alloc_aligned(LARGE / PAGE, LARGE);
	q = pages_alloc_aligned(LARGE / PAGE, LARGE);
	for (unsigned i = 0; i < LARGE / PAGE; i++) {
		*(volatile u64 *)(p + i * PAGE) = i;
		*(volatile u64 *)(q + i * PAGE) = 1000 + i;
	}
	e = pt_entry(at, 2);
	*e = 0;
	map_row(at, p, LARGE / PAGE, right);
	table = *e;
	for (unsigned round = 0; round < 12; round++) {
		ulong va = at + (round * 37 % 512) * PAGE;
		unsigned base = round & 1 ? 1000 : 0;

		context("ring %u, round %u", (unsigned)ring, round);
		*e = round & 1 ? q | right | PTE_PS : table;
		flush(round / 2, at, LARGE / PAGE);
		CHECK_EQ(read_at(ring, va), base + round * 37 % 512);
		for (unsigned i = 0; i < LARGE / PAGE; i += 73) {
			CHECK_EQ(read_at(ring, at + i * PAGE), base + i);
			write_at(ring, at + i * PAGE, base + i);
		}
	}
	*e = 0;
	flush(1, at, 1);
}

/* --- back from a system call --- */

CODE(c_syscall, "mov (%rdi), %rax\n syscall\n mov (%rdi), %rbx\n" STOP);

/* A kernel that changes an entry: RDX is where, RSI its value. */
__asm__(".pushsection .text\n"
	"exchange_entry: mov %rsi, (%rdx)\n invlpg (%rdi)\n sysretq\n"
	".popsection\n");
extern const u8 exchange_entry[];

static void system_calls(void)
{
	ulong p = row_of(1, 1), q = row_of(1, 2);
	u64 right = rights(3) | AD;

	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (u64)SEL_CODE << 32 | (u64)(SEL_USER32 | 3) << 48);
	wrmsr(MSR_LSTAR, (ulong)exchange_entry);
	wrmsr(MSR_FMASK, FL_AC | FL_IF | FL_TF | FL_DF);
	map(A, p, right);
	invlpg(A);
	for (unsigned i = 0; i < 40; i++) {
		struct regs r;

		context("round %u", i);
		regs_init(&r, c_syscall, 3);
		r.rdi = A;
		r.rsi = (i & 1 ? p : q) | right;
		r.rdx = (ulong)pt_entry(A, 1);
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, i & 1 ? 2 : 1);
		CHECK_EQ(r.rbx, i & 1 ? 1 : 2);
	}
}

/* --- interrupted again and again --- */

/* To RDX: the sum of the words at the beginnings of ROW pages. */
CODE(c_sums, "1: mov %rdi, %rbx\n mov $16, %ecx\n xor %eax, %eax\n"
	     "2: add (%rbx), %rax\n add $4096, %rbx\n dec %ecx\n jnz 2b\n"
	     "mov %rax, %rdx\n jmp 1b\n");
#define V_TIMER 0x40
#define TICK 200000u

/*
 * A translator may think better of code that runs for long, and have looked at
 * what it uses by then. What kernels change between two ticks counts all the
 * same.
 */
static void ticks(void)
{
	ulong p = row_of(ROW, 0x100), q = row_of(ROW, 0x10000);
	u64 right = rights(3), sum = 0;

	for (unsigned i = 0; i < ROW; i++)
		sum += 0x100 + i;
	map_row(A, p, ROW, right | PTE_A);
	flush(1, A, ROW);
	for (unsigned round = 0; round < 48; round++) {
		unsigned n = round % ROW, k = (round * 5 + 1) % ROW;
		u64 *e = pt_entry(A + n * PAGE, 1);
		u64 *other = pt_entry(A + k * PAGE, 1);
		struct regs r = { .rdx = 0 };

		context("round %u", round);
		/* Until it gets so far. */
		for (unsigned i = 0; i < 100 && !r.rdx; i++) {
			regs_init(&r, c_sums, 3);
			r.rflags |= FL_IF;
			r.rdi = A;
			apic_timer(V_TIMER, DIVIDE_1, TICK);
			run(&r);
			apic_eoi();
			CHECK_EQ(r.vector, V_TIMER);
		}
		CHECK_EQ(r.rdx, sum);
		/* Read only so far, but for what was written here. */
		CHECK_EQ(*e & AD, PTE_A);
		write_at(3, A + n * PAGE, word(*e & ~0xffful));
		CHECK_EQ(*e & AD, AD);
		/* Another page, or the same anew. */
		sum -= word(*other & ~0xffful);
		*other = (round & 1 ? p : q) + k * PAGE;
		sum += word(*other);
		*other |= right | (round & 2 ? PTE_A : 0);
		invlpg(A + k * PAGE);
		*e &= ~AD;
		invlpg(A + n * PAGE);
		CHECK_EQ(*e & AD, 0);
		*e |= PTE_A;
	}
}

/* --- another address space meanwhile --- */

static ulong new_root(ulong va, ulong pa, u64 flags)
{
	ulong top = pages_alloc(1), t = top;

	memcpy((void *)top, root, PAGE);
	for (int shift = 39; shift > 12; shift -= 9) {
		ulong next = pages_alloc(1);

		((volatile u64 *)t)[va >> shift & 511] = next | PTE_ALL;
		t = next;
	}
	((volatile u64 *)t)[va >> 12 & 511] = pa | flags;
	return top;
}

static volatile u64 *leaf_of(ulong top, ulong va)
{
	ulong t = top;

	for (int shift = 39; shift > 12; shift -= 9)
		t = ((volatile u64 *)t)[va >> shift & 511] & ~0xffful;
	return (volatile u64 *)t + (va >> 12 & 511);
}

/* What is flushed, or faulted at, is forgotten by nobody who goes elsewhere
 * first. */
static void elsewhere(int ring)
{
	ulong p = row_of(1, 1), q = row_of(1, 2), mine = read_cr3();
	ulong one = new_root(A, p, rights(ring));
	ulong two = new_root(A, row_of(1, 3), rights(ring));

	if (!has(F_PCID)) {
		skip("no PCID");
		return;
	}
	write_cr4(read_cr4() | CR4_PCIDE);
	for (unsigned i = 0; i < 32; i++) {
		u64 keep = i & 1 ? NO_FLUSH : 0;

		context("ring %u, round %u", (unsigned)ring, i);
		*leaf_of(one, A) = p | rights(ring) | AD;
		write_cr3(one | 7);
		CHECK_EQ(read_at(ring, A), 1);
		*leaf_of(one, A) = i & 2 ? 0 : q | rights(ring) | AD;
		invlpg(A);
		if (i & 4)
			write_cr3(two | 8 | keep);
		if (i & 8) {
			struct regs r = go(c_read, ring, A, 0);

			if ((i & 6) == 2)
				CHECK_PF(r, user_error(ring), A);
			else
				CHECK_EQ(r.rax, i & 4 ? 3 : 2);
		}
		*leaf_of(one, A) = q | rights(ring) | AD;
		write_cr3(one | 7 | NO_FLUSH);
		CHECK_EQ(read_at(ring, A), 2);
	}
	write_cr3(mine);
	write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
}

/* --- code beside data --- */

/* As write_at(), by code that nobody has seen stray yet. */
static void write_anew(int ring, ulong va, u64 v)
{
	static u8 copies[1024][16];
	static unsigned used;
	u8 *copy = copies[used++ % ARRAY_LEN(copies)];

	memcpy(copy, c_write, sizeof(copies[0]));
	CHECK_STOP(go(copy, ring, va, v));
}

/* Functions that say their number, on pages in a row with data. */
static void code_beside(int ring)
{
	static const u8 say[] = { 0xb8, 0, 0, 0, 0, 0xcd, V_STOP };
	ulong pa = pages_alloc(ROW);
	struct regs r;

	map_row(A, pa, ROW, rights(ring) | AD);
	for (unsigned i = 0; i < ROW; i++)
		memcpy((void *)(pa + i * PAGE), say, sizeof(say));
	for (unsigned round = 0; round < 4 * ROW; round++) {
		unsigned n = (round * 5 + 1) % ROW;
		ulong va = A + n * PAGE;

		context("ring %u, round %u", (unsigned)ring, round);
		if (round & 1) {
			/* Away, code and all, and back. */
			map_row(A, 0, ROW, 0);
			flush(round / 2, A, ROW);
			CHECK_PF(go(c_read, ring, va, 0), user_error(ring),
				 va);
			map_row(A, pa, ROW, rights(ring) | AD);
		}
		/* They come along with the first. */
		write_at(ring, A + PAGE / 2, round);
		CHECK_EQ(word(pa + PAGE / 2), round);
		for (u32 v = 1; v < 4; v++) {
			u64 code = (u64)say[0] | (u64)v << 8 |
				   (u64)say[5] << 40 | (u64)say[6] << 48;

			write_anew(ring, va, code);
			regs_init(&r, (const u8 *)va, ring);
			r.rip = va;
			run(&r);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, v);
		}
		/* And data on that page. */
		write_at(ring, va + 2048, round);
		CHECK_EQ(word(pa + n * PAGE + 2048), round);
	}
}

/* --- more than anybody keeps --- */

#define MANY 9000u
#define MANY_IN_A_ROW 5000u /* there is not more memory */

/* Two pages in turn, so that no two follow each other. */
static void many(int ring)
{
	ulong p = row_of(1, 1), q = row_of(1, 2), at = LAB + 0x80000000;

	context("ring %u", (unsigned)ring);
	for (unsigned i = 0; i < MANY; i++)
		map(at + i * PAGE, i & 1 ? p : q, rights(ring));
	for (unsigned round = 0; round < 3; round++) {
		CHECK_EQ(sum_at(ring, at, MANY), MANY / 2 * 3 + round);
		/* One of them changes. */
		map(at + (round * 700 + 1) * PAGE, q, rights(ring));
		invlpg(at + (round * 700 + 1) * PAGE);
	}
}

/* The same, all in a row, and half of it taken away. */
static void many_in_a_row(int ring)
{
	ulong pa = row_of(MANY_IN_A_ROW, 0), at = LAB + 0x80000000;
	u64 sum = (u64)MANY_IN_A_ROW * (MANY_IN_A_ROW - 1) / 2;
	u64 half = (u64)MANY_IN_A_ROW / 2 * (MANY_IN_A_ROW / 2 - 1) / 2;

	context("ring %u", (unsigned)ring);
	map_row(at, pa, MANY_IN_A_ROW, rights(ring) | AD);
	for (unsigned round = 0; round < 3; round++) {
		CHECK_EQ(sum_at(ring, at, MANY_IN_A_ROW), sum);
		map_row(at + MANY_IN_A_ROW / 2 * PAGE, 0, MANY_IN_A_ROW - MANY_IN_A_ROW / 2, 0);
		write_cr3(read_cr3());
		CHECK_EQ(sum_at(ring, at, MANY_IN_A_ROW / 2), half);
		CHECK_PF(go(c_read, ring, at + MANY_IN_A_ROW / 2 * PAGE, 0),
			 user_error(ring), at + MANY_IN_A_ROW / 2 * PAGE);
		map_row(at + MANY_IN_A_ROW / 2 * PAGE, pa + MANY_IN_A_ROW / 2 * PAGE,
			MANY_IN_A_ROW - MANY_IN_A_ROW / 2, rights(ring) | AD);
	}
}

#define BOTH(name) static void both_##name(void) { both_rings(name); }

BOTH(rows)
BOTH(neighbours_change)
BOTH(after_fault)
BOTH(pile)
BOTH(small_and_large)
BOTH(elsewhere)
BOTH(code_beside)
BOTH(many)
BOTH(many_in_a_row)

const struct test tests[] = {
	{ "pages of all kinds in a row", both_rows },
	{ "neighbours that change", both_neighbours_change },
	{ "pages that come by a page fault", both_after_fault },
	{ "many flushes before anybody looks", both_pile },
	{ "small pages and large ones in turn", both_small_and_large },
	{ "back from a system call", system_calls },
	{ "code that is interrupted again and again", ticks },
	{ "another address space meanwhile", both_elsewhere },
	{ "code beside data", both_code_beside },
	{ "more pages than anybody keeps", both_many },
	{ "... in a row", both_many_in_a_row },
	{ NULL },
};
