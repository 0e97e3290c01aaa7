/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's code, mapped anew: after the invalidation that is due for it, what
 * runs is what the tables say; and what was mapped as before runs as before.
 * SDM 3A 4.10.4 "Invalidation of TLBs and Paging-Structure Caches"
 *
 * A program on three pages goes from one to the other by every kind of jump,
 * often enough for all of them to be remembered. In the middle of it, or before
 * it runs again, one of the pages becomes another one, or is lost.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define AT (LAB + 0x60000000ul)
#define PAGES 3
/* As if used before: so they are told apart by nothing but what they say. */
#define USED (PTE_ALL | PTE_A | PTE_D)
#define ROUNDS 24 /* of the program's loop */
#define V_CHANGE 0x83
#define NO_FLUSH BIT(63)

/*
 * What the pages are for: the first has the loop, the second functions, the
 * last of which is a jump that goes over to the third, whose bytes say which
 * way it goes. RBX: the sum of what they return, RCX rounds.
 */
CODE(c_program, ".balign 4096\n"
		"c_start: lea c_far(%rip), %rdx\n"
		"1: call c_far\n add %rax, %rbx\n" /* direct */
		"call *%rdx\n add %rax, %rbx\n" /* indirect */
		"call c_cross\n add %rax, %rbx\n"
		"jmp c_there\n" /* and back, not by a return */
		"c_back: add %rax, %rbx\n"
		"cmp %rcx, %rsi\n jne 2f\n int $0x83\n"
		"2: call c_changes\n add %rax, %rbx\n"
		"c_own: mov $0, %eax\n add %rax, %rbx\n"
		"dec %rcx\n jnz 1b\n" STOP
		".balign 4096\n"
		"c_far: mov $0, %eax\n ret\n"
		"c_there: mov $0, %eax\n jmp c_back\n"
		/* The page of the caller changes before it returns. */
		"c_changes: cmp %rcx, %rdi\n jne 3f\n int $0x83\n"
		"3: mov $0, %eax\n ret\n"
		"c_across: mov $0, %eax\n ret\n"
		".skip 256 - 6\n"
		"c_else: mov $0, %eax\n ret\n"
		"c_page: .skip 4096 - (c_page - c_far) - 2\n"
		"c_cross: jmp c_across\n" /* or to c_else */
		".balign 4096\n");
extern const u8 c_start[], c_far[], c_there[], c_changes[], c_across[],
	c_else[], c_cross[], c_own[];

/* What the places return, in this order, is base + 1, + 2, ... */
enum { FAR, THERE, CHANGES, ACROSS, ELSE, OWN, PLACES };

static ulong frames[2][PAGES];

static void set_value(ulong pa, ulong offset, u32 value)
{
	*(volatile u8 *)(pa + offset) = value;
	*(volatile u8 *)(pa + offset + 1) = value >> 8;
}

static u32 base_of(unsigned set)
{
	return set ? 0x2240 : 0x1100;
}

static void make_program(unsigned set)
{
	ulong pa = pages_alloc(PAGES);
	const ulong imm[PLACES] = {
		[FAR] = c_far - c_start + 1,
		[THERE] = c_there - c_start + 1,
		[CHANGES] = c_changes + 7 - c_start + 1,
		[ACROSS] = c_across - c_start + 1,
		[ELSE] = c_else - c_start + 1,
		[OWN] = c_own - c_start + 1,
	};

	memcpy((void *)pa, c_start, PAGES * PAGE);
	for (unsigned k = 0; k < PLACES; k++)
		set_value(pa, imm[k], base_of(set) + k + 1);
	/* The third page begins with the second byte of the distance. */
	if (set)
		++*(volatile u8 *)(pa + 2 * PAGE);
	for (unsigned k = 0; k < PAGES; k++)
		frames[set][k] = pa + k * PAGE;
}

/* --- how it is made known --- */

static ulong other_root;

static void enter_other(void)
{
	write_cr3(other_root | 2 | NO_FLUSH);
}

static void invpcid(ulong type, ulong pcid, ulong va)
{
	struct {
		u64 pcid, va;
	} d = { pcid, va };

	asm volatile("invpcid %0, %1" ::"m"(d), "r"(type) : "memory");
}

static void by_nothing(ulong va)
{
}

static void by_invlpg(ulong va)
{
	invlpg(va);
}

static void by_cr3(ulong va)
{
	write_cr3(read_cr3());
}

static void by_pge(ulong va)
{
	ulong cr4 = read_cr4();

	write_cr4(cr4 ^ CR4_PGE);
	write_cr4(cr4);
}

static ulong pcid_now(void)
{
	return read_cr4() & CR4_PCIDE ? 1 : 0;
}

static void by_invpcid_0(ulong va)
{
	invpcid(0, pcid_now(), va);
}

static void by_invpcid_1(ulong va)
{
	invpcid(1, pcid_now(), 0);
}

static void by_invpcid_2(ulong va)
{
	invpcid(2, 0, 0);
}

static void by_invpcid_3(ulong va)
{
	invpcid(3, 0, 0);
}

static const struct way {
	const char *name;
	void (*flush)(ulong va);
	bool needs_invpcid;
	bool away; /* under another PCID */
	u64 back; /* in CR3, to come back */
	bool one; /* page only */
	bool global; /* of global ones as well */
	bool only_global;
} way_tab[] = {
	{ "INVLPG", by_invlpg, .one = true, .global = true },
	{ "CR3", by_cr3 },
	{ "CR4.PGE", by_pge, .global = true },
	{ "INVPCID 0", by_invpcid_0, true, .one = true },
	{ "INVPCID 1", by_invpcid_1, true },
	{ "INVPCID 2", by_invpcid_2, true, .global = true },
	{ "INVPCID 3", by_invpcid_3, true },
	{ "coming back", by_nothing, .away = true, .back = 0 },
	{ "INVPCID 0 from elsewhere", by_invpcid_0, true, true, NO_FLUSH,
	  .one = true },
	{ "INVPCID 1 from elsewhere", by_invpcid_1, true, true, NO_FLUSH },
	{ "INVPCID 2 from elsewhere", by_invpcid_2, true, true, NO_FLUSH,
	  .global = true },
	{ "INVPCID 3 from elsewhere", by_invpcid_3, true, true, NO_FLUSH },
	{ "INVLPG from elsewhere", by_invlpg, false, true, NO_FLUSH,
	  .one = true, .global = true, .only_global = true },
};

static bool way_is_there(const struct way *w)
{
	return (!w->needs_invpcid || has(F_INVPCID)) &&
	       (!w->away || has(F_PCID));
}

/* --- what changes, and when --- */

/* Before the program runs, in its own page, or in what it calls. */
enum when { BEFORE, INSIDE, CALLED, WHENS };

static struct {
	const struct way *way;
	enum when when;
	u64 flags;
	/* Entries of this level of the pages from .first to .last get these. */
	int level;
	unsigned first, last;
	u64 entry[PAGES];
	volatile unsigned changes;
} job;

static void change(void)
{
	const struct way *w = job.way;

	if (w->away)
		enter_other();
	for (unsigned k = job.first; k <= job.last; k++)
		*pt_entry(AT + k * PAGE, job.level) = job.entry[k];
	for (unsigned k = job.first; k <= job.last; k++)
		w->flush(AT + k * PAGE);
	if (w->away)
		write_cr3((ulong)root | 1 | w->back);
	job.changes++;
}

static bool change_asked_for(struct regs *r)
{
	change();
	return true;
}

static void prepare(void)
{
	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned set = 0; set < 2; set++)
		make_program(set);
	for (unsigned k = 0; k < PAGES; k++)
		map(AT + k * PAGE, frames[0][k], USED);
	if (has(F_PCID)) {
		other_root = pages_alloc(1);
		memcpy((void *)other_root, root, PAGE);
		write_cr3((ulong)root);
		write_cr4(read_cr4() | CR4_PCIDE);
		write_cr3((ulong)root | 1);
	}
	idt[V_CHANGE].access |= DPL(3);
	trap_handle(V_CHANGE, change_asked_for);
}

static struct regs go(void)
{
	struct regs r;

	job.changes = 0;
	if (job.when == BEFORE)
		change();
	regs_init(&r, (const void *)0, 3);
	r.rip = AT;
	r.rcx = ROUNDS;
	r.rsi = job.when == INSIDE ? ROUNDS / 2 : 0;
	r.rdi = job.when == CALLED ? ROUNDS / 2 : 0;
	run(&r);
	return r;
}

/* What a round has added when its change comes, and after, if the pages are
 * of these sets. */
static u64 first_part(const unsigned *set)
{
	return 4 * base_of(set[1]) + 2 * (FAR + 1) + THERE + 1 +
	       (set[2] ? ELSE : ACROSS) + 1;
}

static u64 second_part(const unsigned *set)
{
	return base_of(set[1]) + CHANGES + 1 + base_of(set[0]) + OWN + 1;
}

static u64 sum_of(unsigned rounds, const unsigned *set)
{
	return rounds * (first_part(set) + second_part(set));
}

/* How many rounds the change comes after. */
#define BEFORE_CHANGE (ROUNDS - ROUNDS / 2)

static u64 sum_over_change(const unsigned *before, const unsigned *after)
{
	if (job.when == BEFORE)
		return sum_of(ROUNDS, after);
	return sum_of(BEFORE_CHANGE, before) + first_part(before) +
	       second_part(after) + sum_of(ROUNDS - BEFORE_CHANGE - 1, after);
}

/* --- tests --- */

static void for_all(void (*fn)(void), bool global)
{
	prepare();
	for (unsigned w = 0; w < ARRAY_LEN(way_tab); w++) {
		job.way = &way_tab[w];
		if (!way_is_there(job.way) ||
		    (job.way->only_global && !global))
			continue;
		for (job.when = 0; job.when < WHENS; job.when++)
			fn();
	}
}

static void say(const char *what)
{
	static const char *const names[WHENS] = { "before", "inside",
						  "called" };

	context("%s by %s, %s, level %u, pages %u to %u, flags %lx", what,
		job.way->name, names[job.when], (unsigned)job.level, job.first,
		job.last, job.flags);
}

/* Pages .first to .last are those of the sets in turn. */
static void turn(unsigned rounds)
{
	unsigned set[PAGES] = { 0, 0, 0 }, next[PAGES] = { 0, 0, 0 };

	for (unsigned k = 0; k < PAGES; k++)
		*pt_entry(AT + k * PAGE, 1) = frames[0][k] | job.flags;
	by_pge(0);
	for (unsigned n = 1; n <= rounds; n++) {
		struct regs r;

		/* Every third time it stays as it is. */
		for (unsigned k = job.first; k <= job.last; k++) {
			next[k] = n * 2 / 3 & 1;
			job.entry[k] = frames[next[k]][k] | job.flags;
		}
		r = go();
		say("turn");
		CHECK_STOP(r);
		CHECK_EQ(job.changes, 1);
		CHECK_EQ(r.rbx, sum_over_change(set, next));
		memcpy(set, next, sizeof(set));
	}
}

static void one_page(void)
{
	job.level = 1;
	for (unsigned page = 0; page < PAGES; page++) {
		job.first = job.last = page;
		job.flags = USED;
		if (!job.way->only_global)
			turn(7);
		if (!job.way->global)
			continue;
		job.flags = USED | PTE_G;
		turn(7);
	}
}

static void remapped(void)
{
	for_all(one_page, true);
}

static void all_pages(void)
{
	job.level = 1;
	job.first = 0;
	job.last = PAGES - 1;
	job.flags = USED;
	turn(7);
}

static void remapped_all(void)
{
	for_all(all_pages, false);
}

/* The same by another page table. */
static void other_table(void)
{
	static ulong table[2];
	unsigned set[2][PAGES] = { { 0, 0, 0 }, { 1, 1, 1 } };

	for (unsigned n = 0; n < 2; n++) {
		table[n] = pages_alloc(1);
		for (unsigned k = 0; k < PAGES; k++)
			((volatile u64 *)table[n])[(AT >> 12 & 511) + k] =
				frames[n][k] | USED;
	}
	job.level = 2;
	job.first = job.last = 0;
	job.flags = USED;
	*pt_entry(AT, 2) = table[0] | USED;
	by_pge(0);
	for (unsigned n = 1; n <= 6; n++) {
		struct regs r;

		job.entry[0] = table[n & 1] | USED;
		/* One page of each is what an address flushes. */
		job.last = job.way->one ? PAGES - 1 : 0;
		job.entry[1] = job.entry[2] = job.entry[0];
		r = go();
		say("table");
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, sum_over_change(set[!(n & 1)], set[n & 1]));
	}
	*pt_entry(AT, 2) = table[0] | USED;
	by_pge(0);
}

static void remapped_above(void)
{
	for_all(other_table, false);
}

/* Lost, and found again. The rest of the instruction that goes over to the
 * third page is looked for when that has been lost. */
static const struct loss {
	const char *name;
	u64 set, clear;
	unsigned error;
} loss_tab[] = {
	{ "not present", 0, PTE_P, PF_U | PF_I },
	{ "not the user's", 0, PTE_U, PF_P | PF_U | PF_I },
	{ "not to be executed", PTE_NX, 0, PF_P | PF_U | PF_I },
};

static void lose(const struct loss *l)
{
	unsigned set[PAGES] = { 0, 0, 0 };
	volatile u64 *e = pt_entry(AT + job.first * PAGE, job.level);
	u64 good = *e;

	for (unsigned n = 0; n < 4; n++) {
		struct regs r;
		u64 sum = 0;

		job.entry[job.first] = good;
		job.when = BEFORE;
		r = go();
		say(l->name);
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, sum_of(ROUNDS, set));
		job.entry[job.first] = (good | l->set) & ~l->clear;
		job.when = n % WHENS;
		r = go();
		say(l->name);
		CHECK_TRAP(r, V_PF, l->error);
		if (job.when != BEFORE)
			sum = sum_of(BEFORE_CHANGE, set) + first_part(set);
		if (job.level == 1) {
			CHECK_EQ(r.cr2 & ~0xffful, AT + job.first * PAGE);
			/* How far it gets: to the page that is lost. */
			if (job.first == 2 && job.when != BEFORE)
				sum += second_part(set) +
				       2 * (base_of(0) + FAR + 1);
			if (job.first == 2 && job.when == BEFORE)
				sum = 2 * (base_of(0) + FAR + 1);
			if (job.first == 0 && job.when == CALLED)
				CHECK_EQ(r.rax, base_of(0) + CHANGES + 1);
		}
		CHECK_EQ(r.rbx, sum);
	}
	*e = good;
	by_pge(0);
}

static void lose_all(void)
{
	/* lose() goes through .when itself. */
	if (job.when)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(loss_tab); i++) {
		job.level = 1;
		for (unsigned page = 0; page < PAGES; page++) {
			job.first = job.last = page;
			lose(&loss_tab[i]);
		}
		/* An address may leave the entries above it cached for
		 * others, but not for the page that it names. */
		for (job.level = 2; job.level <= 3; job.level++) {
			job.first = job.last = 0;
			if (!job.way->one)
				lose(&loss_tab[i]);
		}
	}
	job.when = 0;
}

static void lost(void)
{
	for_all(lose_all, false);
}

/* Pages that are fetched from are marked anew. */
static void accessed_all(void)
{
	job.level = 1;
	job.first = 0;
	job.last = PAGES - 1;
	for (unsigned n = 0; n < 4; n++) {
		struct regs r;

		for (unsigned k = 0; k < PAGES; k++)
			job.entry[k] = frames[0][k] | PTE_ALL;
		r = go();
		say("A");
		CHECK_STOP(r);
		for (unsigned k = 0; k < PAGES; k++)
			CHECK(*pt_entry(AT + k * PAGE, 1) & PTE_A);
	}
}

static void accessed(void)
{
	for_all(accessed_all, false);
}

/*
 * A page is another one for a while, and nobody says so: either may be seen.
 * What has been run of that is not what runs when it is the first again, and
 * flushed.
 */
#define STEP 16 /* between functions on a page */
/* Far enough for a cache of translations by the low bits of the page number
 * not to hold both. */
#define ALIAS (AT + 0x10000000ul)

static ulong functions(u32 value)
{
	ulong pa = pages_alloc(1);

	for (unsigned n = 0; n < PAGE / STEP; n++) {
		volatile u8 *p = (volatile u8 *)pa + n * STEP;

		p[0] = 0xb8; /* mov $imm32, %eax; int $0x81 */
		*(volatile u32 *)(p + 1) = value + n;
		p[5] = 0xcd;
		p[6] = V_STOP;
	}
	return pa;
}

static ulong call(ulong va)
{
	struct regs r;

	regs_init(&r, (const void *)0, 3);
	r.rip = va;
	run(&r);
	CHECK_STOP(r);
	return r.rax;
}

static void there_and_back(void)
{
	ulong frame[2] = { functions(1000), functions(2000) };
	ulong other = functions(5000);

	prepare();
	map(ALIAS, other, USED);
	for (unsigned n = 1; n < PAGE / STEP; n++) {
		const struct way *w = &way_tab[n % 3];
		ulong v;

		context("function %u", n);
		map(AT, frame[0], USED);
		w->flush(AT);
		CHECK_EQ(call(AT), 1000);
		map(AT, frame[1], USED);
		CHECK_EQ(call(ALIAS + n * STEP), 5000 + n);
		v = call(AT + n * STEP);
		CHECK(v == 1000 + n || v == 2000 + n);
		map(AT, frame[0], USED);
		w->flush(AT);
		CHECK_EQ(call(AT + n * STEP), 1000 + n);
		CHECK_EQ(call(AT), 1000);
	}
}

/*
 * Functions that a cache of jumps by the low bits of the address and of the
 * page number has in one place, called in turn; now and then one of them is
 * written anew, or its page mapped anew.
 */
#define APART 0x4000000ul
#define FUNCTIONS 4

CODE(c_turns, "1: xor %ebx, %ebx\n"
	      "2: mov (%rdi,%rbx,8), %rax\n call *%rax\n"
	      "add %rax, %r8\n inc %ebx\n cmp $4, %ebx\n jne 2b\n"
	      "dec %ecx\n jnz 1b\n" STOP);

static void write_return(ulong pa, u32 value)
{
	volatile u8 *p = (volatile u8 *)pa;

	*(volatile u32 *)(p + 1) = value;
	p[0] = 0xb8;
	p[5] = 0xc3;
}

static void same_place(void)
{
	static ulong targets[FUNCTIONS];
	ulong frame[FUNCTIONS][2];
	u32 value[FUNCTIONS][2];
	bool which[FUNCTIONS] = { 0 };

	prepare();
	for (unsigned n = 0; n < FUNCTIONS; n++) {
		/* Two share a page's place, two their neighbour's. */
		targets[n] = AT + (n + 1) * APART + (n & 1);
		for (unsigned k = 0; k < 2; k++) {
			frame[n][k] = pages_alloc(1);
			value[n][k] = 1u << (4 * n + k);
			write_return(frame[n][k] + (n & 1), value[n][k]);
		}
		map(targets[n] & ~0xffful, frame[n][0], USED);
	}
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = round * 7 / 3 % FUNCTIONS;
		struct regs r;
		u64 sum = 0;

		context("round %u", round);
		if (round % 3 == 1) {
			which[n] ^= 1;
			map(targets[n] & ~0xffful, frame[n][which[n]], USED);
			invlpg(targets[n]);
		} else if (round % 3 == 2) {
			value[n][which[n]] += 0x10001;
			write_return(frame[n][which[n]] + (n & 1),
				     value[n][which[n]]);
		}
		for (unsigned k = 0; k < FUNCTIONS; k++)
			sum += value[k][which[k]];
		regs_init(&r, c_turns, 3);
		r.rcx = 20;
		r.rdi = user(targets);
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.r8, 20 * sum);
	}
}

/* Two address spaces have different code there, and take turns. */
static void apart(void)
{
	unsigned set[2][PAGES] = { { 0, 0, 0 }, { 1, 1, 1 } };
	ulong pdpt, pd, pt;

	prepare();
	if (!has(F_PCID)) {
		skip("no PCID");
		return;
	}
	pdpt = pages_alloc(1);
	pd = pages_alloc(1);
	pt = pages_alloc(1);
	((volatile u64 *)other_root)[AT >> 39 & 511] = pdpt | USED;
	memcpy((void *)pdpt, (void *)(root[AT >> 39 & 511] & ~0xffful), PAGE);
	((volatile u64 *)pdpt)[AT >> 30 & 511] = pd | USED;
	((volatile u64 *)pd)[AT >> 21 & 511] = pt | USED;
	for (unsigned k = 0; k < PAGES; k++)
		((volatile u64 *)pt)[(AT >> 12 & 511) + k] =
			frames[1][k] | USED;
	job.when = WHENS;
	for (unsigned n = 0; n < 100; n++) {
		bool flush = n % 7 == 3, two = n % 5 & 1;
		struct regs r;

		context("round %u", n);
		if (two)
			write_cr3(other_root | 2 | (flush ? 0 : NO_FLUSH));
		else
			write_cr3((ulong)root | 1 | (flush ? 0 : NO_FLUSH));
		r = go();
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, sum_of(ROUNDS, set[two]));
	}
}

const struct test tests[] = {
	{ "a page mapped anew", remapped },
	{ "all pages mapped anew", remapped_all },
	{ "mapped by another table", remapped_above },
	{ "lost and found", lost },
	{ "accessed", accessed },
	{ "there and back", there_and_back },
	{ "two address spaces", apart },
	{ "in one place", same_place },
	{ NULL },
};
