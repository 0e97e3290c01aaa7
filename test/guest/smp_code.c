/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that one processor writes and others run. SDM 3A 8.1.3 "Handling Self-
 * and Cross-Modifying Code": after the writer has said so and the reader has
 * serialized, the new code runs and never the old again. And what kernels
 * do beyond the book: a first byte of INT3 while the rest changes, aligned
 * words of running code, code and data on one page.
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/smp.h"

#define V_SYNC 0x72

/* The code that is written: at LAB; writers use its physical address, too. */
static ulong code_pa;

static void flush(ulong arg)
{
	write_cr3(read_cr3());
}

static void map_code(unsigned pages)
{
	code_pa = pages_alloc(pages);
	for (unsigned i = 0; i < pages; i++)
		map(LAB + i * PAGE, code_pa + i * PAGE, PTE_ALL);
	on_all(flush, 0);
}

/* Where the writer sees LAB + offset: there, or physically. */
static volatile u8 *view(unsigned offset, unsigned n)
{
	return (u8 *)((n & 1 ? code_pa : LAB) + offset);
}

/* MOV EAX, value; RET, behind so many one-byte NOPs. */
static void write_function(volatile u8 *p, u32 value, unsigned nops)
{
	while (nops--)
		*p++ = 0x90;
	p[0] = 0xb8;
	p[1] = value;
	p[2] = value >> 8;
	p[3] = value >> 16;
	p[4] = value >> 24;
	p[5] = 0xc3;
}

CODE(call_rdi, "call *%rdi\n" STOP);

static u32 call(ulong at, int ring)
{
	struct regs r;

	regs_init(&r, call_rdi, ring);
	r.rdi = at;
	run(&r);
	CHECK_STOP(r);
	return r.rax;
}

/* --- the manual's protocol: a flag, and CPUID or IRET --- */

static struct {
	volatile unsigned version, acks;
	unsigned rounds;
	int ring;
} flagged;

static void take_versions(ulong arg)
{
	for (unsigned n = 1; n <= flagged.rounds; n++) {
		u32 got;

		if (!await(&flagged.version, n))
			return;
		if (n & 1) {
			cpuid(0);
			got = ((u32 (*)(void))LAB)();
			if (got != n)
				CHECK_EQ(got, n);
		}
		got = call(LAB, flagged.ring);
		if (got != n)
			CHECK_EQ(got, n);
		ATOMIC_ADD(&flagged.acks, 1);
		wake(0);
	}
}

static void by_flag(void)
{
	if (!smp_start(2))
		return;
	map_code(2);
	for (flagged.ring = 0; flagged.ring <= 3; flagged.ring += 3) {
		flagged.version = 0;
		flagged.rounds = shared(400);
		for (unsigned i = 1; i < smp_cpus; i++)
			cpu_begin(i, take_versions, 0);
		for (unsigned n = 1; n <= flagged.rounds; n++) {
			flagged.acks = 0;
			write_function(view(0, n), n, n % 7);
			STORE(&flagged.version, n);
			for (unsigned i = 1; i < smp_cpus; i++)
				wake(i);
			await(&flagged.acks, smp_cpus - 1);
		}
		for (unsigned i = 1; i < smp_cpus; i++)
			cpu_wait(i);
	}
}

/* --- code that is running meanwhile --- */

static struct {
	volatile unsigned acks, least;
	volatile bool stop;
	int ring;
} live;

static bool sync_told(struct regs *r)
{
	apic_eoi();
	ATOMIC_ADD(&live.acks, 1);
	wake(0);
	return true; /* by IRET */
}

static void sync_others(void)
{
	live.acks = 0;
	apic_ipi(0, ICR_OTHERS | V_SYNC);
	await(&live.acks, smp_cpus - 1);
}

/*
 * RDI the function, RSI the least that it may return from now on, R9 when to
 * stop, R8 what it has returned so far. RBX: went back or was below the least.
 */
CODE(call_on, "xor %r8d, %r8d\n xor %ebx, %ebx\n"
	      "1: mov (%rsi), %ecx\n"
	      "call *%rdi\n"
	      "cmp %ecx, %eax\n jb 2f\n"
	      "cmp %r8d, %eax\n jb 2f\n"
	      "mov %eax, %r8d\n"
	      "cmpb $0, (%r9)\n je 1b\n" STOP
	      "2: inc %ebx\n" STOP);

static bool again(struct regs *r)
{
	r->rip--; /* INT3 will be gone */
	return true;
}

static void call_until_stopped(ulong arg)
{
	struct regs r;

	trap_handle(V_SYNC, sync_told);
	trap_handle(V_BP, again);
	regs_init(&r, call_on, live.ring);
	r.rdi = LAB + 0x10;
	r.rsi = live.ring ? user(&live.least) : (ulong)&live.least;
	r.r9 = live.ring ? user(&live.stop) : (ulong)&live.stop;
	r.rflags |= FL_IF;
	ATOMIC_ADD(&live.acks, 1);
	wake(0);
	run(&r);
	context("ring %u: %lu after %lu, least %lu", live.ring, r.rax, r.r8,
		r.rcx);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, 0);
	sti();
	while (!live.stop)
		pause();
	cli();
}

static void begin_callers(int ring)
{
	idt[V_BP].access |= DPL(3);
	live.ring = ring;
	live.stop = false;
	live.acks = 0;
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_begin(i, call_until_stopped, 0);
	await(&live.acks, smp_cpus - 1);
}

static void end_callers(void)
{
	live.stop = true;
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_wait(i);
}

/* The aligned word of an immediate, in one store: the old or the new. */
static void aligned_words(void)
{
	if (!smp_start(2))
		return;
	map_code(1);
	for (int ring = 0; ring <= 3; ring += 3) {
		live.least = 1;
		write_function(view(0x10, 0), 1, 3);
		begin_callers(ring);
		for (unsigned n = 2; n < 2 + shared(200); n++) {
			*(volatile u32 *)view(0x14, n) = n;
			if (n % 4 == 0) {
				sync_others();
				STORE(&live.least, n);
			}
		}
		end_callers();
	}
}

/*
 * As Linux's text_poke_bp(): INT3 at the front, all told; the rest, all told;
 * the front, all told. The instruction lies anywhere, in two lines, in two
 * pages. What changes is MOV EAX, imm32, and NOPs into jumps around.
 */
static void poke(unsigned offset, const u8 *code, unsigned n)
{
	*view(offset, n) = 0xcc;
	sync_others();
	for (unsigned i = 1; i < 5; i++)
		*view(offset + i, n) = code[i];
	sync_others();
	*view(offset, n) = code[0];
	sync_others();
}

static void with_int3(void)
{
	/* Behind 0x10, where it begins: NOPs, up to just before a line's or
	 * the page's end. */
	static const unsigned offsets[] = { 0x11, 0x3e, PAGE - 3 };

	if (!smp_start(2))
		return;
	for (unsigned k = 0; k < 2 * ARRAY_LEN(offsets); k++) {
		unsigned offset = offsets[k / 2];

		map_code(2);
		live.least = 1;
		for (unsigned i = 0x10; i < offset; i++)
			*view(i, 0) = 0x90;
		if (offset > 0x400) {
			/* JMP there at once. */
			*view(0x10, 0) = 0xe9;
			*(u32 *)view(0x11, 0) = offset - 0x15;
		}
		write_function(view(offset, 0), 1, 0);
		begin_callers(k & 1 ? 3 : 0);
		for (unsigned n = 2; n < 2 + shared(40); n++) {
			u8 code[] = { 0xb8, n, n >> 8, 0, 0 };

			poke(offset, code, n);
			STORE(&live.least, n);
		}
		end_callers();
	}
}

/* A jump label: 5 bytes, NOP or JMP over the first of two results. */
static void jump_labels(void)
{
	static const u8 nop[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };
	static const u8 jmp[] = { 0xe9, 6, 0, 0, 0 };

	if (!smp_start(2))
		return;
	for (int ring = 0; ring <= 3; ring += 3) {
		map_code(1);
		live.least = 0;
		memcpy((void *)(LAB + 0x10), nop, 5);
		write_function(view(0x15, 0), 10, 0);
		write_function(view(0x1b, 0), 11, 0);
		begin_callers(ring);
		poke(0x10, jmp, 0);
		STORE(&live.least, 11);
		for (unsigned n = 0; n < shared(20); n++) {
			/* On: nobody may see 10 afterwards (11 again). */
			spin(1000);
			poke(0x10, jmp, n);
		}
		end_callers();
	}
}

/* --- all write and run on one page, with data --- */

#define SHARE (PAGE / CPUS_MAX)

static void write_own(ulong ring)
{
	unsigned me = this_cpu()->index;
	unsigned at = me * SHARE;
	volatile u32 *data = (u32 *)(LAB + at + 48);

	barrier();
	for (u32 n = 1; n <= shared(500); n++) {
		u32 got;

		write_function(view(at, n), n << 8 | me, n % 5);
		*data += 3;
		got = call(LAB + at, ring);
		if (got != (n << 8 | me))
			CHECK_EQ(got, n << 8 | me);
		*(volatile u8 *)(data + 1) += 1;
		if (*data != 3 * n || *(volatile u8 *)(data + 1) != (u8)n) {
			CHECK_EQ(*data, 3 * n);
			CHECK_EQ(*(volatile u8 *)(data + 1), (u8)n);
		}
	}
}

static void one_page(void)
{
	if (!smp_start(2))
		return;
	for (ulong ring = 0; ring <= 3; ring += 3) {
		map_code(1);
		on_all(write_own, ring);
	}
}

/* --- just in time: each makes functions, all call those that are ready --- */

#define SLOTS 256
#define SLOT 128

static volatile u32 ready[SLOTS]; /* what it returns; 0: not there yet */
static volatile unsigned next_slot;

static void make_and_call(ulong ring)
{
	struct random rnd = random_seed(this_cpu()->index);
	unsigned slot;

	while ((slot = ATOMIC_ADD(&next_slot, 1) - 1) < SLOTS) {
		u32 value = random_next(&rnd) | 1;

		write_function(view(slot * SLOT, random_next(&rnd)), value,
			       random_below(&rnd, 60));
		STORE(&ready[slot], value);
		for (unsigned k = 0; k < 8; k++) {
			unsigned i = random_below(&rnd, slot + 1);
			u32 want = LOAD(&ready[i]), got;

			if (!want)
				continue;
			got = call(LAB + i * SLOT, ring);
			if (got != want) {
				context("slot %u, ring %lu", i, ring);
				CHECK_EQ(got, want);
			}
		}
	}
}

static void just_in_time(void)
{
	if (!smp_start(2))
		return;
	map_code(SLOTS * SLOT / PAGE);
	for (unsigned n = 0; n < scaled(20); n++) {
		memset((void *)ready, 0, sizeof(ready));
		next_slot = 0;
		on_all(make_and_call, n & 1 ? 3 : 0);
	}
}

/*
 * Two write one and the same function in turn, which a third calls: the last
 * one written, after all have said so.
 */
static void write_in_turn(ulong ring)
{
	unsigned me = this_cpu()->index;

	for (u32 n = 1; n <= shared(200); n++) {
		u32 got;

		if (n % smp_cpus == me)
			write_function(view(0x80, n / smp_cpus), n, n % 3);
		barrier();
		cpuid(0);
		got = call(LAB + 0x80, ring);
		if (got != n)
			CHECK_EQ(got, n);
		barrier();
	}
}

static void in_turn(void)
{
	if (!smp_start(2))
		return;
	for (ulong ring = 0; ring <= 3; ring += 3) {
		map_code(1);
		on_all(write_in_turn, ring);
	}
}

/*
 * Code in the unused half of a page table, and a call by way of that table to
 * where nobody has been: the walk writes A beside code. All at once.
 */
static volatile u8 *table_of(ulong va)
{
	return (u8 *)((ulong)pt_entry(va, 1) & -PAGE);
}

static void call_by_table(ulong ring)
{
	ulong at = LAB + (this_cpu()->index + 1) * 0x200000ul;
	volatile u8 *table = table_of(at), *caller = (u8 *)at + 0x40;
	struct regs r;

	table[0x800] = 0xcd;
	table[0x801] = V_STOP;
	CHECK_STOP(run_code((void *)(table + 0x800), 0));
	/* CALL the next page; STOP */
	caller[0] = 0xe8;
	*(volatile u32 *)(caller + 1) = PAGE - 0x45;
	caller[5] = 0xcd;
	caller[6] = V_STOP;
	regs_init(&r, NULL, ring);
	r.rip = (ulong)caller;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x123);
	CHECK(*pt_entry(at + PAGE, 1) & PTE_A);
	CHECK_STOP(run_code((void *)(table + 0x800), 0));
}

static void beside_tables(void)
{
	if (!smp_start(2))
		return;
	for (ulong ring = 0; ring <= 3; ring += 3) {
		for (unsigned i = 0; i < smp_cpus; i++) {
			ulong at = LAB + (i + 1) * 0x200000ul;
			ulong pa = pages_alloc(2);

			map(at, pa, PTE_ALL);
			map(at + PAGE, pa + PAGE, PTE_ALL);
			write_function((u8 *)pa + PAGE, 0x123, 0);
		}
		on_all(flush, 0);
		on_all(call_by_table, ring);
	}
}

/* QEMU drops translations, then stores: others translate in between. */
#define QEMU_RACE "stale code stays: SDM 3A 8.1.3"

/* --- a page that one processor knows by another's chain of blocks alone --- */

#define CHAIN_CALLER 0xffffffffa0000000ul
#define CHAIN_CALLED (CHAIN_CALLER + PAGE)
#define CHAIN_FLAGS (PTE_P | PTE_W | PTE_G)

static struct {
	ulong frame[2];
	bool remap, other_first;
} chain;

static void chain_flush(ulong arg)
{
	ulong cr4 = read_cr4() | CR4_PGE;

	write_cr4(cr4 & ~(ulong)CR4_PGE);
	write_cr4(cr4);
}

/* Called from the page that goes, and returns to the one that comes. */
static void chain_visit(void)
{
	if (!chain.remap)
		return;
	map(CHAIN_CALLED, chain.frame[1], CHAIN_FLAGS);
	if (chain.other_first) {
		cpu_begin(1, chain_flush, 0);
		cpu_wait(1);
	}
	invlpg(CHAIN_CALLED);
}

static u32 chain_call(bool whole)
{
	return ((u32 (*)(void (*)(void), ulong))CHAIN_CALLER)(chain_visit,
							      whole);
}

static void chain_make(ulong arg)
{
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(chain_call(true), 1);
}

/* TEST ESI; JZ over; CALL the other page; over: RET */
static void write_caller(volatile u8 *p)
{
	static const u8 code[] = { 0x85, 0xf6, 0x74, 0x05, 0xe8 };
	u32 rel = CHAIN_CALLED - (CHAIN_CALLER + 9);

	for (unsigned i = 0; i < sizeof(code); i++)
		p[i] = code[i];
	for (unsigned i = 0; i < 4; i++)
		p[5 + i] = rel >> 8 * i;
	p[9] = 0xc3;
}

static void other_chain(void)
{
	ulong caller = pages_alloc(1);

	if (!smp_start(2))
		return;
	write_caller((u8 *)caller);
	map(CHAIN_CALLER, caller, CHAIN_FLAGS);
	for (unsigned n = 0; n < 2; n++) {
		volatile u8 *p;

		chain.frame[n] = pages_alloc(1);
		p = (u8 *)chain.frame[n];
		p[0] = 0xff; /* call *%rdi */
		p[1] = 0xd7;
		write_function(p + 2, 1 + n, 0);
	}
	for (unsigned i = 0; i < 20; i++) {
		context("round %u", i);
		chain.remap = false;
		chain.other_first = i & 1;
		map(CHAIN_CALLED, chain.frame[0], CHAIN_FLAGS);
		on_all(chain_flush, 0);
		for (unsigned k = 0; k < 3; k++)
			(void)chain_call(false);
		cpu_begin(1, chain_make, 0);
		cpu_wait(1);
		chain.remap = true;
		CHECK_EQ(chain_call(true), 2);
	}
}

/*
 * One processor has a breakpoint on code that others call from another page,
 * as often as they like. It is struck there, not elsewhere.
 */
CODE(call_afar, ".balign 4096\n"
		"c_here: 1: call c_afar\n dec %ecx\n jnz 1b\n" STOP
		".balign 4096\n"
		"c_afar: nop\n nop\n ret\n"
		".balign 4096\n");
extern const u8 c_here[];

/* In ring 0 among the kernel's global pages. */
#define AFAR 0xffffffffc0000000ul

static ulong afar_base(int ring)
{
	return ring ? user(c_here) : AFAR;
}

static unsigned strikes[64];
static volatile unsigned armed, called;

static bool struck(struct regs *r)
{
	strikes[this_cpu()->index]++;
	r->rflags |= FL_RF;
	return true;
}

static void call_it(int ring, unsigned times)
{
	struct regs r;

	regs_init(&r, call_afar, ring);
	r.rip = afar_base(ring);
	r.rcx = times;
	run(&r);
	CHECK_STOP(r);
}

static void be_struck(ulong ring)
{
	trap_handle(V_DB, struck);
	write_cr4(read_cr4() | CR4_PGE);
	call_it((int)ring, 20);
	write_dr0(afar_base((int)ring) + PAGE + 1);
	write_dr7(0x401);
	STORE(&armed, 1);
	wake(0);
	if (await(&called, 1))
		call_it((int)ring, 20);
	write_dr7(0x400);
	write_dr0(0);
}

static void breakpoint_on_one(void)
{
	if (machine_is_tcg()) {
		skip("TCG does not survive it");
		return;
	}
	if (!smp_start(2))
		return;
	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned k = 0; k < 2; k++)
		map(AFAR + k * PAGE, (ulong)c_here + k * PAGE,
		    PTE_P | PTE_A | PTE_G);
	for (unsigned n = 0; n < 6; n++) {
		int ring = n & 1 ? 3 : 0;

		context("ring %u, %u", (unsigned)ring, n);
		armed = called = 0;
		strikes[0] = strikes[1] = 0;
		trap_handle(V_DB, struck);
		cpu_begin(1, be_struck, (ulong)ring);
		await(&armed, 1);
		call_it(ring, 50);
		STORE(&called, 1);
		wake(1);
		cpu_wait(1);
		CHECK_EQ(strikes[0], 0);
		CHECK_EQ(strikes[1], 20);
	}
}

const struct test tests[] = {
	{ "chains of another processor", other_chain },
	{ "a flag and serialization", by_flag },
	{ "aligned words of running code", aligned_words, QEMU_RACE },
	{ "INT3 while the rest changes", with_int3, QEMU_RACE },
	{ "jump labels", jump_labels, QEMU_RACE },
	{ "all write and run on one page", one_page },
	{ "just in time, for all", just_in_time },
	{ "written in turn", in_turn },
	{ "beside page tables", beside_tables },
	{ "a breakpoint on one of them", breakpoint_on_one },
	{ NULL },
};
