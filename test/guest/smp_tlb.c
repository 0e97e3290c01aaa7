/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLBs of several processors: a page table is changed, the others are told by
 * IPI, flush and acknowledge; from then on nobody may see what was. And what
 * walks write: A and D bits. SDM 3A 4.10.5 "Propagation of Paging-Structure
 * Changes to Multiple Processors", 4.8 "Accessed and Dirty Flags".
 */
#include "lib/irq.h"
#include "lib/smp.h"

#define V_FLUSH 0x71

/* How the others flush. */
enum how { INVLPG, CR3, CR4_PGE_OFF_ON, INVPCID_ONE, INVPCID_ALL, HOWS };

static const char *const how_names[HOWS] = { "INVLPG", "CR3", "CR4.PGE",
					     "INVPCID 0", "INVPCID 2" };

static struct {
	enum how how;
	ulong va;
	int ring;
	volatile unsigned acks;
	volatile bool stop;
} job;

static void invpcid(ulong type, ulong pcid, ulong va)
{
	struct { u64 pcid, va; } d = { pcid, va };

	asm volatile("invpcid %0, %1" :: "m"(d), "r"(type) : "memory");
}

static bool has_how(enum how how)
{
	return how < INVPCID_ONE || has(F_INVPCID);
}

static void flush(void)
{
	switch (job.how) {
	case INVLPG:
		invlpg(job.va);
		break;
	case CR3:
		write_cr3(read_cr3());
		break;
	case CR4_PGE_OFF_ON:
		write_cr4(read_cr4() ^ CR4_PGE);
		write_cr4(read_cr4() ^ CR4_PGE);
		break;
	case INVPCID_ONE:
		invpcid(0, 0, job.va);
		break;
	default:
		invpcid(2, 0, 0);
	}
}

static bool flush_told(struct regs *r)
{
	flush();
	apic_eoi();
	ATOMIC_ADD(&job.acks, 1);
	wake(0);
	return true;
}

/* The shootdown: here and everywhere; true when all have acknowledged. */
static bool shoot_down(void)
{
	job.acks = 0;
	apic_ipi(0, ICR_OTHERS | V_FLUSH);
	flush();
	return await(&job.acks, smp_cpus - 1);
}

/*
 * Pages to be seen in turn: page k holds k + 1 in every long, and at its end
 * a function that returns it.
 */
#define PAGES 4
#define RETURNS 0xf00

static ulong pages[PAGES];

static void fill_page(ulong at, ulong value)
{
	volatile u8 *code = (u8 *)(at + RETURNS);

	for (unsigned i = 0; i < RETURNS; i += 8)
		*(volatile ulong *)(at + i) = value;
	/* MOV EAX, value; STOP in ring 3, RET in ring 0 at + 16 */
	for (unsigned k = 0; k < 32; k += 16) {
		code[k] = 0xb8;
		code[k + 1] = value;
		code[k + 2] = value >> 8;
		code[k + 3] = code[k + 4] = 0;
		code[k + 5] = k ? 0xc3 : 0xcd;
		code[k + 6] = V_STOP;
	}
}

static void make_pages(void)
{
	for (unsigned k = 0; k < PAGES; k++) {
		pages[k] = pages_alloc(1);
		fill_page(pages[k], k + 1);
	}
}

/*
 * Readers look through the page without end and note what they saw last. The
 * first processor remaps it, shoots down, and says which page it is now
 * (current, and the round above it): who has taken the interrupt may see that
 * one only.
 */
static volatile unsigned current;

/* RDI the page, RSI &current of this ring's view, RBX 0: a loop in ring 3. */
CODE(read_user, "1: mov (%rsi), %ecx\n"
		"mov (%rdi), %rax\n"
		"mov 0x800(%rdi), %rdx\n"
		"mov (%rsi), %r8d\n"
		"cmp %ecx, %r8d\n jne 1b\n"	/* changed meanwhile */
		"movzbl %cl, %ecx\n test %ecx, %ecx\n jz 1b\n"	/* being changed */
		"cmp %rax, %rcx\n jne 2f\n"
		"cmp %rdx, %rcx\n jne 2f\n"
		"cmpb $0, (%r9)\n je 1b\n"
		STOP "2: inc %ebx\n" STOP);

/* The same by fetches: calls of the page's own function. */
CODE(fetch_user, "1: mov (%rsi), %ecx\n"
		 "lea 0xf10(%rdi), %rax\n"
		 "call *%rax\n"
		 "mov (%rsi), %r8d\n"
		 "cmp %ecx, %r8d\n jne 1b\n"
		 "movzbl %cl, %ecx\n test %ecx, %ecx\n jz 1b\n"
		 "cmp %eax, %ecx\n jne 2f\n"
		 "cmpb $0, (%r9)\n je 1b\n"
		 STOP "2: inc %ebx\n" STOP);

static void look_on(ulong fetch)
{
	struct regs r;

	trap_handle(V_FLUSH, flush_told);
	regs_init(&r, fetch ? fetch_user : read_user, job.ring);
	r.rdi = job.va;
	r.rsi = job.ring ? user(&current) : (ulong)&current;
	r.r9 = job.ring ? user(&job.stop) : (ulong)&job.stop;
	r.rflags |= FL_IF;
	ATOMIC_ADD(&job.acks, 1);
	wake(0);
	run(&r);
	CHECK_STOP(r);
	if (r.rbx) {
		context("%s, %s by %s, ring %u: saw %lu or %lu", "remap",
			fetch ? "fetch" : "read", how_names[job.how], job.ring,
			r.rax, r.rdx);
		CHECK_EQ(r.rax, r.rcx);
		/* Others go on; let interrupts in until the end. */
	}
	sti();
	while (!job.stop)
		pause();
	cli();
}

static void begin_others(void (*fn)(ulong), ulong arg)
{
	job.stop = false;
	job.acks = 0;
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_begin(i, fn, arg);
	if (!await(&job.acks, smp_cpus - 1))
		bail("only %u begin", job.acks);
}

static void end_others(void)
{
	job.stop = true;
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_wait(i);
}

static void remap_under(bool fetch, u64 flags)
{
	if (!smp_start(2))
		return;
	make_pages();
	job.va = LAB;
	for (job.how = 0; job.how < HOWS; job.how++)
		for (job.ring = 0; job.ring <= 3 && has_how(job.how);
		     job.ring += 3) {
			/* MOV to CR3 leaves global pages alone. */
			if ((flags & PTE_G) && job.how == CR3)
				continue;
			map(job.va, pages[0], flags);
			flush();
			current = 1;
			begin_others(look_on, fetch);
			for (unsigned n = 1; n <= shared(40); n++) {
				/* 0: they must not judge. */
				STORE(&current, 0);
				map(job.va, pages[n % PAGES], flags);
				CHECK(shoot_down());
				STORE(&current, n << 8 | (n % PAGES + 1));
				spin(200 * (n & 15) + 1);
			}
			end_others();
		}
}

static void remap_read(void)
{
	remap_under(false, PTE_ALL);
	remap_under(false, PTE_ALL | PTE_G);
}

static void remap_fetch(void)
{
	remap_under(true, PTE_ALL);
	remap_under(true, PTE_ALL | PTE_G);
}

/*
 * Writers count up without end on pages that are write-protected under them;
 * after the acknowledgements their contents stay as they are. A writer's fault
 * waits until it may go on.
 */
static struct {
	volatile unsigned open;	/* the page may be written: else wait */
	volatile unsigned waiting;
} gate;

static bool wait_at_gate(struct regs *r)
{
	if (read_cr2() - job.va >= 0x200000 ||
	    (r->error & ~(ulong)(PF_U | PF_P)) != PF_W)
		return false;
	ATOMIC_ADD(&gate.waiting, 1);
	/* The shootdown may be waiting for us. */
	sti();
	while (!LOAD(&gate.open) && !job.stop)
		pause();
	cli();
	ATOMIC_ADD(&gate.waiting, -1);
	return true;
}

CODE(write_loop, "1: lock incq (%rdi)\n"
		 "incq (%rsi)\n"
		 "mov %rcx, 8(%rsi)\n"
		 "push %rax\n pop %rax\n"
		 "cmpb $0, (%r9)\n je 1b\n" STOP);

static void write_on(ulong arg)
{
	unsigned me = this_cpu()->index;
	struct regs r;

	trap_handle(V_FLUSH, flush_told);
	trap_handle(V_PF, wait_at_gate);
	regs_init(&r, write_loop, job.ring);
	/* All on one long, and each on its own. */
	r.rdi = job.va;
	r.rsi = job.va + 64 * me + 64;
	r.r9 = job.ring ? user(&job.stop) : (ulong)&job.stop;
	r.rflags |= FL_IF;
	ATOMIC_ADD(&job.acks, 1);
	wake(0);
	run(&r);
	CHECK_STOP(r);
	sti();
	while (!job.stop)
		pause();
	cli();
}

static u64 sum_page(ulong at)
{
	u64 sum = 0;

	for (unsigned i = 0; i < PAGE; i += 8)
		sum = (sum << 1 | sum >> 63) + *(volatile u64 *)(at + i);
	return sum;
}

static void take_away(int level, bool unmap)
{
	ulong pa;
	u64 full, less, all_large = level == 2 ? PTE_PS : 0;
	u64 *e;

	if (!smp_start(2))
		return;
	pa = level == 2 ? pages_alloc_aligned(512, 512 * PAGE) :
			  pages_alloc(1);
	job.va = LAB;
	e = pt_entry(job.va, level);
	full = pa | PTE_ALL | all_large;
	less = unmap ? 0 : full & ~(u64)PTE_W;
	for (job.how = 0; job.how < HOWS; job.how++)
		for (job.ring = 0; job.ring <= 3 && has_how(job.how);
		     job.ring += 3) {
			*e = full;
			flush();
			gate.open = 1;
			begin_others(write_on, 0);
			for (unsigned n = 0; n < shared(20); n++) {
				u64 before;

				spin(300 * (n & 15) + 1);
				gate.open = 0;
				__atomic_exchange_n(e, less, __ATOMIC_SEQ_CST);
				CHECK(shoot_down());
				before = sum_page(pa);
				spin(2000);
				context("%s, level %u, ring %u, %s",
					unmap ? "unmapped" : "write-protected",
					level, job.ring, how_names[job.how]);
				CHECK_EQ(sum_page(pa), before);
				STORE(e, full);
				STORE(&gate.open, 1);
			}
			end_others();
		}
}

static void protect_4k(void) { take_away(1, false); }
static void protect_2m(void) { take_away(2, false); }
static void unmap_4k(void) { take_away(1, true); }
static void unmap_2m(void) { take_away(2, true); }

/*
 * D is set by whoever writes first. One processor takes it away by LOCK BTR
 * and flushes; what was written before that must have shown. Each round ends
 * with all having written once more: D must be back.
 */
static volatile unsigned dirty_round;
static volatile u64 dirty_done;

static void dirty_on(ulong arg)
{
	unsigned me = this_cpu()->index;

	trap_handle(V_FLUSH, flush_told);
	ATOMIC_ADD(&job.acks, 1);
	wake(0);
	for (unsigned n = 1;; n++) {
		sti();
		while (dirty_round < n && !job.stop)
			pause();
		cli();
		if (job.stop)
			return;
		*(volatile u64 *)(job.va + 64 * me) = n;
		ATOMIC_OR(&dirty_done, BIT(me));
	}
}

static void dirty_bits(int level)
{
	ulong pa;
	u64 *e, others;

	if (!smp_start(2))
		return;
	others = BIT(smp_cpus) - 2;
	pa = level == 2 ? pages_alloc_aligned(512, 512 * PAGE) :
			  pages_alloc(1);
	job.va = LAB;
	e = pt_entry(job.va, level);
	*e = pa | PTE_ALL | (level == 2 ? PTE_PS : 0);
	for (job.how = 0; job.how < HOWS && has_how(job.how); job.how++) {
		dirty_round = 0;
		begin_others(dirty_on, 0);
		for (unsigned n = 1; n <= shared(50); n++) {
			__atomic_and_fetch(e, ~(u64)(PTE_D | PTE_A),
					   __ATOMIC_SEQ_CST);
			CHECK(shoot_down());
			context("level %u, %s", level, how_names[job.how]);
			CHECK_EQ(*e & (PTE_A | PTE_D), 0);
			STORE(&dirty_done, 0);
			STORE(&dirty_round, n);
			CHECK(wait_mask(&dirty_done, others));
			CHECK_EQ(*e & (PTE_A | PTE_D), PTE_A | PTE_D);
		}
		end_others();
	}
}

static void dirty_4k(void) { dirty_bits(1); }
static void dirty_2m(void) { dirty_bits(2); }

/*
 * Walks of all processors write A and D into one page table, whose other
 * entries are being changed by LOCKed instructions: neither is lost. The
 * software's counter is in bits that walks ignore (52 to 58, and 9 to 11).
 */
#define WALKED 64

static void walk_on(ulong n)
{
	unsigned me = this_cpu()->index;
	u64 *e = pt_entry(job.va, 1);
	struct random rnd = random_seed(me);

	barrier();
	for (unsigned k = 0; k < n; k++) {
		unsigned i = random_below(&rnd, WALKED);
		ulong va = job.va + i * PAGE;

		invlpg(va);
		if (k & 1)
			*(volatile u64 *)(va + 64 * me) += 1;
		else
			*(volatile u64 *)(va + 64 * me + 8);
		/* One's own count, in that entry's software bits. */
		if (me < 4)
			__atomic_add_fetch(&e[i], 1ull << 52,
					   __ATOMIC_SEQ_CST);
	}
}

static void walks_and_software(void)
{
	unsigned per = 4, k = 0;
	ulong pa;
	u64 counted = 0;

	if (!smp_start(2))
		return;
	pa = pages_alloc(WALKED);
	job.va = LAB;
	for (unsigned round = 0; round < scaled(100); round++) {
		for (unsigned i = 0; i < WALKED; i++)
			map(job.va + i * PAGE, pa + i * PAGE, PTE_ALL);
		counted = 0;
		on_all(walk_on, WALKED / per);
		for (unsigned i = 0; i < WALKED; i++)
			counted += *pt_entry(job.va + i * PAGE, 1) >> 52;
		k = smp_cpus < 4 ? smp_cpus : 4;
		CHECK_EQ(counted, k * WALKED / per);
	}
}

/* Each has its own CR3, and another page at the same address. */
static ulong spaces[CPUS_MAX], own_pages[CPUS_MAX];

static void make_space(unsigned cpu, unsigned pcid)
{
	ulong va = LAB, table = pages_alloc(4);
	u64 *l4 = (u64 *)table, *l3 = l4 + 512, *l2 = l3 + 512, *l1 = l2 + 512;

	memcpy(l4, root, PAGE);
	l4[va >> 39 & 511] = (ulong)l3 | PTE_ALL;
	l3[va >> 30 & 511] = (ulong)l2 | PTE_ALL;
	l2[va >> 21 & 511] = (ulong)l1 | PTE_ALL;
	own_pages[cpu] = pages_alloc(1);
	fill_page(own_pages[cpu], cpu + 100);
	l1[va >> 12 & 511] = own_pages[cpu] | PTE_ALL;
	spaces[cpu] = table | pcid;
}

static void visit(unsigned n, int ring)
{
	volatile ulong *p = (ulong *)(LAB + 8 * 16);
	struct regs r;

	if (ring) {
		regs_init(&r, NULL, 3);
		r.rip = LAB + RETURNS;
		run(&r);
		if (r.vector != V_STOP || r.rax != n + 100) {
			CHECK_STOP(r);
			CHECK_EQ(r.rax, n + 100);
		}
	} else {
		CHECK_EQ(((unsigned (*)(void))(LAB + RETURNS + 16))(), n + 100);
	}
	CHECK_EQ(*p, n + 100);
}

static void live_in_spaces(ulong pcid)
{
	unsigned me = this_cpu()->index;
	struct random rnd = random_seed(me);

	if (pcid)
		write_cr4(read_cr4() | CR4_PCIDE);
	write_cr3(spaces[me]);
	barrier();
	for (unsigned k = 0; k < shared(1500); k++) {
		unsigned to = random_below(&rnd, smp_cpus);

		context("space of %u, %s", to, pcid ? "PCID" : "none");
		visit(me, k & 1 ? 3 : 0);
		if (k % 3)
			continue;
		write_cr3(spaces[to] | (pcid && k % 2 ? BIT(63) : 0));
		visit(to, k & 2 ? 3 : 0);
		write_cr3(spaces[me] | (pcid && k % 5 ? BIT(63) : 0));
	}
	barrier();
	write_cr3((ulong)root);
	if (pcid)
		write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
}

static void own_spaces(bool pcid)
{
	if (!smp_start(2))
		return;
	if (pcid && !has(F_PCID)) {
		skip("no PCID");
		return;
	}
	for (unsigned i = 0; i < smp_cpus; i++)
		make_space(i, pcid ? i + 1 : 0);
	on_all(live_in_spaces, pcid);
}

static void spaces_without_pcid(void) { own_spaces(false); }
static void spaces_with_pcid(void) { own_spaces(true); }

const struct test tests[] = {
	{ "remapped under readers", remap_read },
	{ "remapped under fetches", remap_fetch },
	{ "write-protected, 4 KiB", protect_4k },
	{ "write-protected, 2 MiB", protect_2m },
	{ "unmapped, 4 KiB", unmap_4k },
	{ "unmapped, 2 MiB", unmap_2m },
	{ "D comes back, 4 KiB", dirty_4k },
	{ "D comes back, 2 MiB", dirty_2m },
	{ "walks and software on one entry", walks_and_software },
	{ "an address space for each", spaces_without_pcid },
	{ "an address space for each, PCID", spaces_with_pcid },
	{ NULL },
};
