/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world_guest.c - the same cases in a guest on the bare (virtual) machine, on
 * top of the library of test/guest.
 */
#include "gen.h"

#include "../guest/lib/desc.h"
#include "../guest/lib/irq.h"
#include "../guest/lib/pages.h"
#include "../guest/lib/trap.h"

/* Of start64.S. */
extern u64 low_pd[4 * 512];

#define V_TICK 0x40
#define SEL_LINUX_CPU 0x78

static ulong code_pages;
static u64 runs; /* of world_run() */
static bool fsgsbase;
static u16 seen_ds, seen_es, seen_fs, seen_gs;
static u8 area[XSAVE_BYTES] __attribute__((aligned(64)));

u64 world_number(const char *key, u64 otherwise)
{
	return cmdline_number(key, otherwise);
}

void world_print(const char *text)
{
	print("%s", text);
}

static bool feature(u32 leaf, u32 reg, u32 bit)
{
	u32 last = cpuid(leaf & 0x80000000).a;
	struct cpuid c;

	if (leaf > last)
		return false;
	c = cpuid_sub(leaf, leaf == 0xd ? 1 : 0);
	return (&c.a)[reg] >> bit & 1;
}

u64 world_features(void)
{
	u64 f = 0;

#define X(name, leaf, reg, bit)                                               \
	if (feature(leaf, reg, bit))                                          \
		f |= BIT(FEAT_##name);
	FEATURES(X)
#undef X
	return f;
}

u8 *world_code(unsigned region)
{
	return (u8 *)(code_pages + region * CODE_AREA_BYTES);
}

/* Neighbours in linear memory are none in physical memory. */
static void map_data(const u8 *ro)
{
	ulong pool = pages_alloc(DATA_PAGES);

	for (u32 n = 0; n < DATA_PAGES; n++) {
		ulong pa = pool + (DATA_PAGES - 1 - n) * PAGE;

		if (data_page_rw(n))
			map(DATA_PAGE(n), pa, PTE_ALL | PTE_NX);
		else if (DATA_RO_MASK >> n & 1)
			map(DATA_PAGE(n), pa, PTE_P | PTE_U | PTE_NX);
		if (DATA_RO_MASK >> n & 1)
			memcpy((void *)pa, ro, PAGE);
	}
}

static void map_code(void)
{
	code_pages = pages_alloc(CODE_AREAS * CODE_AREA_BYTES / PAGE);
	memset((void *)code_pages, CODE_FILL, CODE_AREAS * CODE_AREA_BYTES);
	for (u32 n = 0; n < CODE_AREAS; n++)
		for (u32 k = 0; k < CODE_AREA_BYTES / PAGE; k++)
			map(CODE_AREA(n) + (1 + k) * PAGE,
			    (ulong)world_code(n) + k * PAGE, PTE_P | PTE_U);
}

static bool on_trap(struct regs *r)
{
	u32 ds, es, fs, gs;

	asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	seen_ds = ds;
	seen_es = es;
	seen_fs = fs;
	seen_gs = gs;
	return false;
}

/* A case may take a few ticks, but no more. */
static bool on_tick(struct regs *r)
{
	static u64 of_run;
	static unsigned ticks;

	apic_eoi();
	ticks = of_run == runs ? ticks + 1 : 0;
	of_run = runs;
	return ticks * tick_us() < ENDLESS_US;
}

void world_init(const u8 *ro, u32 tls_base, u32 tls_limit)
{
	fsgsbase = feature(7, 1, 0);
	/* User code sees what is mapped here and nothing else. */
	for (unsigned i = 0; i < 4 * 512; i++)
		low_pd[i] = i < LOW_END >> 21 ? low_pd[i] & ~(u64)PTE_U : 0;
	root[0] |= PTE_U;
	root[128] = 0;
	map_data(ro);
	map_code();
	write_cr3((ulong)root);

	write_cr4(read_cr4() | CR4_OSXSAVE | (fsgsbase ? CR4_FSGSBASE : 0));
	xsetbv(0, 7);
	gdt_set(SEL_TLS & ~7,
		desc(tls_base, tls_limit, ACC_DATA | DPL(3), SEG_D));
	/* As Linux has it, for a selector that a case comes across: the number
	 * of the processor is this segment's limit. It expands down. */
	gdt_set(SEL_LINUX_CPU, desc(0, 0, 0x95 | DPL(3), SEG_D));
	for (unsigned v = 0; v < 32; v++)
		trap_handle(v, on_trap);
	/* As Linux has it: #BP and #OF are for everybody, INT n is not. */
	idt[V_BP].access |= DPL(3);
	idt[V_OF].access |= DPL(3);
	idt[V_STOP].access &= ~DPL(3);

	apic_enable_x2(); /* whose registers need no page */
	trap_handle(V_TICK, on_tick);
	apic_timer(V_TICK | LVT_PERIODIC, DIVIDE_1, (u32)tick_us() * 1000);
}

static void load_segments(const struct state *s)
{
	asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs; mov %3, %%gs"
		     :: "r"((u32)s->ds), "r"((u32)s->es), "r"((u32)s->fs),
			"r"((u32)s->gs) : "memory");
	if (s->cs != SEL_USER64)
		return;
	if (fsgsbase) {
		asm volatile("wrfsbase %0; wrgsbase %1"
			     :: "r"(s->fs_base), "r"(s->gs_base));
	} else {
		wrmsr(MSR_FS_BASE, s->fs_base);
		wrmsr(MSR_GS_BASE, s->gs_base);
	}
}

/* MIRRORS: struct regs of trap.h. */
static const u8 order_tab[15] = { 15, 14, 13, 12, 11, 10, 9, 8, RDI, RSI, RBP,
				  RBX, RDX, RCX, RAX };

void world_run(struct state *s)
{
	struct regs r = { 0 };
	ulong *g = &r.r15;

	for (unsigned i = 0; i < 15; i++)
		g[i] = s->gpr[order_tab[i]];
	r.rsp = s->gpr[RSP];
	r.rip = s->rip;
	r.rflags = s->rflags;
	r.cs = s->cs;
	r.ss = s->ss;
	memcpy(area, s->xsave, sizeof(area));
	runs++;
	load_segments(s);
	asm volatile("xrstor64 %0" :: "m"(area), "a"(7), "d"(0));
	run(&r);
	asm volatile("xsave64 %0" : "+m"(area) : "a"(7), "d"(0));
	memcpy(s->xsave, area, sizeof(area));
	for (unsigned i = 0; i < 15; i++)
		s->gpr[order_tab[i]] = g[i];
	s->gpr[RSP] = r.rsp;
	s->rip = r.rip;
	s->rflags = r.rflags;
	s->cs = r.cs;
	s->ss = r.ss;
	s->ds = seen_ds;
	s->es = seen_es;
	s->fs = seen_fs;
	s->gs = seen_gs;
	s->vector = r.vector == V_TICK ? VECTOR_ENDLESS : r.vector;
	s->error = r.error;
	s->cr2 = r.cr2;
	if (fsgsbase) {
		asm volatile("rdfsbase %0; rdgsbase %1"
			     : "=r"(s->fs_base), "=r"(s->gs_base));
	} else {
		s->fs_base = rdmsr(MSR_FS_BASE);
		s->gs_base = rdmsr(MSR_GS_BASE);
	}
}

const struct test tests[] = {
	{ "instructions", runner_main },
	{ NULL },
};
