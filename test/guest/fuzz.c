/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random code in both rings, and in compatibility mode, until the time is up.
 * No result is compared: what counts is that the machine lives on, and lets
 * this guest go on too. With ring0=N, one of N rounds runs in ring 0; what that
 * does to the guest may well end in a triple fault, or in a write to the exit
 * port, which is its right.
 *
 * Where there are more processors all of them run random code in each round,
 * in one sandbox: the first one's run is the round, the others run again and
 * again until it has ended.
 *
 * Command line: seed=N (1), seconds=N (5), first=N (round, 0), rounds=N (no
 * limit), ring0=N (0: never), breaks=1 (breakpoints in the sandbox), verbose=1.
 * A round depends on seed and number alone, so first= and rounds= repeat one.
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/machine.h"
#include "lib/pages.h"
#include "lib/percpu.h"
#ifdef __x86_64__
#include "lib/smp.h"
#endif

#define V_WATCHDOG 0x50

/* What each processor has of its own. */
static struct fuzzer {
	u32 random_state[2];
	/* Time is up for this run by the APIC's timer, or NMI where IF is off. */
	volatile bool running;
	int ring;
	unsigned steps_left; /* single steps, then enough */
	unsigned skips_left; /* after a fault a little further on, while it lasts */
	ulong skips_made;
} fuzzers[CPUS_MAX];

static struct fuzzer *mine(void)
{
	return &fuzzers[this_cpu()->index];
}

/* Below 4 GiB for compatibility mode, and nobody else's. */
#define SANDBOX 0x80000000ul
#define CODE_PAGES 4
#define DATA_PAGES 8

static u32 random_number(void)
{
	/* xorshift64*, without the multiplication of 64 bits. */
	u32 *state = mine()->random_state;
	u32 t = state[0] ^ state[0] << 11;

	state[0] = state[1];
	state[1] ^= state[1] >> 19 ^ t ^ t >> 8;
	return state[1] * 0x9e3779b1;
}

static void random_begin(ulong seed, ulong n)
{
	u32 *state = mine()->random_state;

	state[0] = seed * 0x85ebca6b + n + (this_cpu()->index << 20);
	state[1] = n * 0xc2b2ae35 + 1;
	for (unsigned i = 0; i < 4; i++)
		random_number();
}

static u32 below(u32 n)
{
	return (random_number() >> 8) % n;
}

static ulong random_long(void)
{
	ulong v = random_number();

#ifdef __x86_64__
	v = v << 32 | random_number();
#endif
	return v;
}

/* The sandbox: code and data with pages missing and write-protected. */
static ulong code_pa, data_pa;
static ulong code_va, data_va;

#ifdef __x86_64__
static void map_sandbox(ulong va, u64 pa, u64 flags)
{
	map(va, pa, flags);
}

static void open_sandbox(void)
{
	/* Open to ring 3, but none of what lies about it. */
	for (unsigned i = 0; i < 512; i++)
		*pt_entry(SANDBOX + i * 0x200000, 2) = 0;
	for (unsigned i = 0; i < 4; i++)
		if (i != SANDBOX >> 30)
			*pt_entry((ulong)i << 30, 3) &= ~(u64)PTE_U;
	root[0] |= PTE_U;
	root[128] = 0;
}

static void enter_sandbox(void)
{
	write_cr3((ulong)root);
}
#else
static volatile u32 *directory, *table;

static void map_sandbox(ulong va, u64 pa, u64 flags)
{
	table[va >> 12 & 1023] = pa | (flags & 0xfff);
}

/* RAM and the APICs for ring 0, in 4 MiB pages. */
static void open_sandbox(void)
{
	directory = (volatile u32 *)pages_alloc(1);
	table = (volatile u32 *)pages_alloc(1);
	for (ulong a = 0; a < POOL_END; a += 0x400000)
		directory[a >> 22] = a | PTE_P | PTE_W | PTE_PS;
	for (ulong a = 0xfec00000; a >= 0xfec00000; a += 0x400000)
		directory[a >> 22] = a | PTE_P | PTE_W | PTE_PS;
	directory[SANDBOX >> 22] = (ulong)table | PTE_ALL;
}

static void enter_sandbox(void)
{
	write_cr3((ulong)directory);
	write_cr4(read_cr4() | CR4_PSE);
	write_cr0(read_cr0() | CR0_PG | CR0_WP);
}
#endif

static void build_sandbox(void)
{
	code_pa = pages_alloc(CODE_PAGES);
	data_pa = pages_alloc(DATA_PAGES);
	code_va = SANDBOX;
	data_va = SANDBOX + 0x10000;
	open_sandbox();
	for (unsigned i = 0; i < CODE_PAGES; i++)
		map_sandbox(code_va + i * PAGE, code_pa + i * PAGE, PTE_ALL);
	for (unsigned i = 0; i < DATA_PAGES; i++)
		map_sandbox(data_va + i * PAGE, data_pa + i * PAGE,
			    PTE_P | PTE_U | (i == 7 ? 0 : PTE_W) |
			    (i == 6 ? PTE_NX : 0));
}

/* Opcodes worth more than chance gives them. */
static const u8 common_tab[] = {
	0x01, 0x03, 0x09, 0x0b, 0x11, 0x13, 0x19, 0x21, 0x29, 0x2b, 0x31, 0x33,
	0x39, 0x3b, 0x50, 0x51, 0x53, 0x58, 0x5a, 0x5b, 0x63, 0x69, 0x6b, 0x6a,
	0x80, 0x81, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d,
	0x8f, 0x90, 0x98, 0x99, 0x9c, 0x9d, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab,
	0xac, 0xae, 0xb0, 0xb8, 0xc0, 0xc1, 0xc6, 0xc7, 0xc8, 0xc9, 0xd0, 0xd1,
	0xd3, 0xd8, 0xd9, 0xdb, 0xdd, 0xdf, 0xf6, 0xf7, 0xfe, 0xff, 0xc3, 0xe8,
	0xe9, 0xeb, 0xe2, 0xe3, 0x70, 0x72, 0x74, 0x75, 0x7c, 0x7f, 0xcc, 0xcd,
	0xcf, 0x6c, 0x6e, 0xe4, 0xec, 0xfa, 0xfb, 0xfc, 0xfd, 0xf5, 0xf4,
};

static const u8 prefix_tab[] = {
	0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
	0x48, 0x41, 0x44, 0x4c, 0x49, 0x40, 0x4f,
};

/* 0F: those that ordinary code uses. */
static const u8 two_byte_tab[] = {
	0x05, 0x0b, 0x10, 0x11, 0x12, 0x16, 0x28, 0x29, 0x2a, 0x2c, 0x2e, 0x2f,
	0x31, 0x40, 0x44, 0x4f, 0x51, 0x54, 0x57, 0x58, 0x59, 0x5c, 0x5e, 0x60,
	0x6e, 0x6f, 0x70, 0x7e, 0x7f, 0x80, 0x84, 0x85, 0x90, 0x94, 0xa2, 0xa3,
	0xa4, 0xa5, 0xab, 0xac, 0xae, 0xaf, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7, 0xba,
	0xbb, 0xbc, 0xbd, 0xbe, 0xc0, 0xc1, 0xc2, 0xc3, 0xc6, 0xc7, 0xc8, 0xd4,
	0xd6, 0xe7, 0xef, 0xfe, 0x00, 0x01, 0x02, 0x03, 0x06, 0x09, 0x18, 0x1f,
	0x20, 0x21, 0x22, 0x23, 0x30, 0x32, 0x33, 0x38, 0x3a, 0xa0, 0xa1, 0xb2,
	0xff, 0xb9, 0x0d,
};

#define PICK(tab) ((tab)[below(sizeof(tab))])

/* One instruction that has a chance; gives its length. */
static unsigned make_instruction(u8 *p)
{
	unsigned n = 0;

	while (below(4) == 0 && n < 4)
		p[n++] = PICK(prefix_tab);
	switch (below(8)) {
	case 0:
	case 1:
		p[n++] = 0x0f;
		p[n++] = PICK(two_byte_tab);
		break;
	case 2:
		if (below(2)) {
			/* VEX, three bytes, sensible fields. */
			p[n++] = 0xc4;
			p[n++] = 0xe0 | (1 + below(3));
			p[n++] = random_number();
			p[n++] = random_number();
		} else {
			p[n++] = random_number();
		}
		break;
	default:
		p[n++] = PICK(common_tab);
	}
	/* ModRM, SIB, displacement, immediate: often through DI or BX. */
	switch (below(4)) {
	case 0:
		p[n++] = 0xc0 | random_number();
		break;
	case 1:
		p[n++] = (random_number() & 0x38) | 0x47; /* [di+disp8] */
		break;
	case 2:
		p[n++] = (random_number() & 0x38) | 0x03; /* [bx] */
		break;
	default:
		p[n++] = random_number();
	}
	for (unsigned k = below(5); k; k--)
		p[n++] = below(3) ? below(16) : random_number();
	return n;
}

static void make_code(void)
{
	u8 *p = (u8 *)code_pa, *end = p + CODE_PAGES * PAGE - 32;
	unsigned style = below(4);

	if (style == 3) {
		/* Real code with a few bytes changed. */
		const u8 *from = (const u8 *)make_code - below(4096);

		memcpy(p, from, 4 * PAGE);
		for (unsigned i = below(400); i; i--)
			p[below(4 * PAGE)] = random_number();
		return;
	}
	if (style == 0) {
		for (; p < end; p += 4)
			*(volatile u32 *)p = random_number();
		return;
	}
	while (p < end)
		p += make_instruction(p);
}

static void make_data(void)
{
	for (ulong p = data_pa; p < data_pa + DATA_PAGES * PAGE; p += 4)
		*(volatile u32 *)p = below(4) ? random_number()
					      : data_va + below(0x8000);
}

static ulong random_value(void)
{
	switch (below(8)) {
	case 0:
		return random_long();
	case 1:
		return below(256);
	case 2:
		return code_va + below(CODE_PAGES * PAGE);
	case 3: /* the end of a page */
		return data_va + (1 + below(DATA_PAGES)) * PAGE - below(16);
	case 4:
		return -(long)below(4096);
	default:
		return data_va + below(DATA_PAGES * PAGE);
	}
}

/* Ring 3 with IOPL 3 reaches the exit port just as ring 0 does. */
static bool with_ports;

static void make_registers(struct regs *r, int ring)
{
	ulong *gpr = &r->rdi;

	regs_init(r, NULL, ring);
#ifdef __x86_64__
	gpr = &r->r15;
	for (unsigned i = 0; i < 15; i++)
		gpr[i] = random_value();
#else
	for (unsigned i = 0; i < 7; i++)
		gpr[i] = random_value();
	r->ds = r->es = r->ss;
	if (below(4) == 0)
		r->fs = r->gs = r->ss;
#endif
	r->rcx = below(3) ? r->rcx & 0xff : r->rcx;
	r->rip = code_va + (below(2) ? 0 : below(CODE_PAGES * PAGE));
	r->rsp = data_va + 0x4000 - (below(4) ? 64 : below(4096));
	r->rflags = (random_number() & (FL_STATUS | FL_AC | FL_ID)) | FL_ONE;
	if (below(4) == 0)
		r->rflags |= FL_DF;
	if (below(16) == 0)
		r->rflags |= FL_TF;
	if (below(16) == 0)
		r->rflags |= FL_NT;
	if (below(4))
		r->rflags |= FL_IF;
	if (with_ports && ring && below(16) == 0)
		r->rflags |= FL_IOPL;
#ifdef __x86_64__
	if (ring && below(3) == 0)
		r->cs = SEL_USER32;
#endif
}

/* Breakpoints of every kind, where they are likely to be hit. */
static void arm_breakpoints(void)
{
	u32 dr7 = 0x400 | (random_number() & 0xffff00ff);

	write_dr0(code_va + below(64));
	write_dr1(code_va + below(CODE_PAGES * PAGE));
	write_dr2(data_va + below(DATA_PAGES * PAGE));
	write_dr3(data_va + 0x4000 - 64 - below(32));
	/* The first two on code, mostly, and the others on data. */
	if (below(4))
		dr7 &= ~(0xffu << 16);
	if (below(4))
		dr7 |= 0x11u << 24;
	write_dr7(dr7);
}

static unsigned processors = 1;

static bool watchdog(struct regs *r)
{
	struct fuzzer *f = mine();

	if (r->vector == V_WATCHDOG)
		apic_eoi();
	/* The PIT's NMI comes to the first processor only. */
	else if (processors > 1 && this_cpu()->index == 0)
		apic_ipi(0, ICR_NMI | ICR_OTHERS);
	/* Between the trap that ended the round and our noticing it? */
	if (f->ring == 3 && !(r->cs & 3))
		return true;
	return !f->running;
}

/* The PIT's pin 2, as NMI, every 50 ms: not while tables are being rebuilt. */
static void nmi_on(bool on)
{
	ioapic_route(2, on ? 4 << 8 : LVT_MASKED);
	if (on)
		pit_start(2, 59659);
}

static void watchdog_off(void)
{
	mine()->running = false;
	if (this_cpu()->index == 0)
		nmi_on(false);
	apic_write(APIC_TIMER_INITIAL, 0);
}

static bool step(struct regs *r)
{
	struct fuzzer *f = mine();

	write_dr6(0xffff0ff0);
	r->rflags |= FL_RF;
	return f->steps_left && f->steps_left--;
}

static bool skip_ahead(struct regs *r)
{
	struct fuzzer *f = mine();

	if (!f->skips_left || r->rip - code_va >= CODE_PAGES * PAGE)
		return false;
	f->skips_left--;
	f->skips_made++;
	r->rip += 1 + below(6);
	/* Pointers that have gone astray come back now and then. */
	if (below(4) == 0)
		r->rdi = random_value();
	if (below(4) == 0)
		r->rbx = random_value();
	if (below(4) == 0)
		r->rsp = data_va + 0x4000 - below(256);
	return true;
}

#ifdef __x86_64__
/* SYSCALL leads straight back to ring 3, or is no instruction at all: it must
 * not give ring 0 to random code. */
asm(".globl back64, back32\n"
    "back64: sysretq\n"
    "back32: sysretl");
extern const char back64[], back32[];

static void restore_syscall(void)
{
	wrmsr(MSR_STAR, (u64)SEL_USER32 << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (ulong)back64);
	wrmsr(MSR_CSTAR, (ulong)back32);
	wrmsr(MSR_FMASK, FL_IF | FL_TF | FL_DF | FL_NT | FL_AC);
	if (below(2))
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
}
#else
static void restore_syscall(void)
{
}
#endif

/* Everything that ring 0 may have turned over, on this processor. */
static void restore(void)
{
	write_dr7(0x400);
	control_reset();
	restore_syscall();
	enter_sandbox();
#ifdef __x86_64__
	if (this_cpu()->index)
		tables_load_ap();
	else
#endif
		tables_reset();
	trap_handle(V_WATCHDOG, watchdog);
	trap_handle(V_NMI, watchdog);
	trap_handle(V_DB, step);
	for (unsigned v = 0; v < 32; v++)
		if (v != V_DB && v != V_NMI && v != V_DF && v != V_MC)
			trap_handle(v, skip_ahead);
	apic_write(APIC_EOI, 0);
}

/* The first NMI may come before the round has begun, so there are more; the
 * APIC's timer comes sooner. */
static void watchdog_on(void)
{
	if (this_cpu()->index == 0)
		nmi_on(true);
	apic_timer(V_WATCHDOG, DIVIDE_1, 3000000);
}

/* One run of whatever is in the sandbox. */
static void run_once(struct regs *r, ulong ring0, bool breaks, bool verbose,
		     ulong n)
{
	struct fuzzer *f = mine();

	f->ring = ring0 && below(ring0) == 0 ? 0 : 3;
	make_registers(r, f->ring);
	f->steps_left = below(64);
	f->skips_left = below(200);
	restore();
	watchdog_on();
#ifdef __x86_64__
	/* Null segments end most of compatibility mode's rounds. */
	if (below(8))
		asm volatile("mov %0, %%ds; mov %0, %%es"
			     :: "r"(SEL_USER_DATA));
#endif
	if (verbose) {
		print("# round %lu ring %d at %x:%lx:", n, f->ring,
		      (unsigned)r->cs, r->rip);
		for (unsigned i = 0; i < 24; i++)
			print(" %02x", ((u8 *)code_pa)[r->rip - code_va + i]);
		print("\n");
	}
	if (breaks)
		arm_breakpoints();
	f->running = true;
	run(r);
	write_dr7(0x400);
	watchdog_off();
	if (verbose)
		trap_print(r);
}

#ifdef __x86_64__
/* The other processors, while the first one's run lasts. */
static struct {
	ulong seed, n, ring0;
	bool breaks;
	volatile bool over;
} others;

static volatile ulong other_runs;

static void run_others(ulong arg)
{
	struct regs r;

	random_begin(others.seed, others.n);
	do {
		run_once(&r, others.ring0, others.breaks, false, 0);
		ATOMIC_ADD(&other_runs, 1);
	} while (!others.over);
	restore();
	write_cr3((ulong)root);
}

static void begin_others(ulong seed, ulong n, ulong ring0, bool breaks)
{
	others.seed = seed;
	others.n = n;
	others.ring0 = ring0;
	others.breaks = breaks;
	others.over = false;
	for (unsigned i = 1; i < processors; i++)
		cpu_begin(i, run_others, 0);
}

static void end_others(void)
{
	others.over = true;
	/* Who is lost needs it, and here all is as it should be. */
	nmi_on(true);
	for (unsigned i = 1; i < processors; i++)
		cpu_wait(i);
	nmi_on(false);
}

/* The NMI comes whether they are at work or not. */
static void be_ready(ulong arg)
{
	trap_handle(V_NMI, watchdog);
}

static void find_others(void)
{
	if (smp_count() == 1 || !smp_start(2))
		return;
	on_all(be_ready, 0);
	processors = smp_cpus;
}
#else
static const ulong other_runs;

static void begin_others(ulong seed, ulong n, ulong ring0, bool breaks)
{
}

static void end_others(void)
{
}

static void find_others(void)
{
}
#endif

static unsigned cmos_second(void)
{
	outb(0x70, 0x80);
	return inb(0x71);
}

static void fuzz(void)
{
	ulong seed = cmdline_number("seed", 1);
	ulong seconds = cmdline_number("seconds", 5);
	ulong first = cmdline_number("first", 0);
	ulong rounds = cmdline_number("rounds", ~0ul);
	ulong ring0 = cmdline_number("ring0", 0);
	bool breaks = cmdline_number("breaks", 0);
	bool verbose = cmdline_number("verbose", 0);
	unsigned counts[33] = { 0 };
	unsigned last = cmos_second();
	ulong n, skips = 0;

	find_others();
	with_ports = ring0;
	if (ring0)
		print("# any end is legitimate\n");
	for (n = first; n - first < rounds && seconds; n++) {
		struct regs r;

		if (cmos_second() != last) {
			last = cmos_second();
			seconds--;
		}
		random_begin(seed, n);
		control_reset();
		pages_reset();
		build_sandbox();
		make_code();
		make_data();
		begin_others(seed, n, ring0, breaks);
		run_once(&r, ring0, breaks, verbose, n);
		end_others();
		counts[r.vector < 32 ? r.vector : 32]++;
	}
	restore();
	watchdog_off();
	for (unsigned i = 0; i < processors; i++)
		skips += fuzzers[i].skips_made;
	print("# %lu rounds, %lu runs by others, %lu faults skipped;",
	      n - first, other_runs, skips);
	for (unsigned i = 0; i < 33; i++)
		if (counts[i])
			print(" %s%u:%u", i == 32 ? ">=" : "", i, counts[i]);
	print("\n");
	CHECK(n > first);
}

const struct test tests[] = {
	{ "fuzz", fuzz },
	{ NULL },
};
