/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's descriptor tables, rebuilt before every test.
 */
#include "desc.h"
#include "machine.h"

u64 gdt[GDT_ENTRIES] __attribute__((aligned(16)));
struct gate idt[256] __attribute__((aligned(16)));
struct tss tss __attribute__((aligned(128)));

u64 desc(u32 base, u32 limit, unsigned access, unsigned flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
	       (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
	       (u64)flags << 52 | (u64)(base >> 24) << 56;
}

u16 gdt_set(unsigned selector, u64 d)
{
	gdt[selector / 8] = d;
	return selector;
}

u16 gdt_set_system(unsigned selector, ulong base, u32 limit, unsigned access)
{
	gdt[selector / 8] = desc(base, limit, access, 0);
#ifdef __x86_64__
	gdt[selector / 8 + 1] = base >> 32;
#endif
	return selector;
}

void idt_set(unsigned vector, const void *fn, unsigned access, unsigned ist)
{
	ulong at = (ulong)fn;
	struct gate g = {
		.offset_low = at,
		.selector = SEL_CODE,
		.access = access,
		.offset_mid = at >> 16,
#ifdef __x86_64__
		.ist = ist,
		.offset_high = at >> 32,
#endif
	};

	/* Never half a gate that was good: other processors use it. */
	if (memcmp(&idt[vector], &g, sizeof(g)))
		idt[vector] = g;
}

static void load(const u64 *g, unsigned bytes)
{
	struct table_ptr gp = { bytes - 1, (ulong)g };
	struct table_ptr ip = { sizeof(idt) - 1, (ulong)idt };

	asm volatile("lgdt %0; lidt %1" :: "m"(gp), "m"(ip) : "memory");
}

void load_tables(void)
{
	load(gdt, sizeof(gdt));
}

static void load_segments(void)
{
	asm volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es;"
		     "mov %1, %%fs; mov %1, %%gs"
		     :: "r"(SEL_DATA), "r"(0) : "memory");
#ifdef __x86_64__
	asm volatile("push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:"
		     :: "i"(SEL_CODE) : "rax", "memory");
#else
	asm volatile("ljmp %0, $1f; 1:" :: "i"(SEL_CODE) : "memory");
#endif
}

static void make_stacks(struct tss *t, struct cpu *c)
{
#ifdef __x86_64__
	for (unsigned i = 0; i < 4; i++)
		t->ist[i] = (ulong)(c->ist_stacks[i] +
				    sizeof(c->ist_stacks[i]));
	t->rsp[0] = (ulong)(c->ist_stacks[4] + sizeof(c->ist_stacks[4]));
#else
	t->ss0 = SEL_DATA;
	t->esp0 = (ulong)(c->ist_stacks[4] + sizeof(c->ist_stacks[4]));
#endif
}

static void make_segments(u64 *g)
{
	unsigned code = SEG_G | (sizeof(ulong) == 8 ? SEG_L : SEG_D);

	g[0] = 0;
	g[SEL_CODE32 / 8] = desc(0, 0xfffff, ACC_CODE, SEG_G | SEG_D);
	g[SEL_CODE / 8] = desc(0, 0xfffff, ACC_CODE, code);
	g[SEL_DATA / 8] = desc(0, 0xfffff, ACC_DATA, SEG_G | SEG_D);
	g[SEL_USER32 / 8] =
		desc(0, 0xfffff, ACC_CODE | DPL(3), SEG_G | SEG_D);
	g[SEL_USER_DATA / 8] =
		desc(0, 0xfffff, ACC_DATA | DPL(3), SEG_G | SEG_D);
	g[SEL_USER / 8] = desc(0, 0xfffff, ACC_CODE | DPL(3), code);
}

/* An NMI may come meanwhile: what was right is so all the time. */
void tables_reset(void)
{
	static u64 fresh_gdt[sizeof(gdt) / sizeof(gdt[0])];
	static struct tss fresh;

	make_segments(fresh_gdt);
	memcpy(gdt, fresh_gdt, sizeof(gdt));
	memset(fresh.iomap, 0xff, sizeof(fresh.iomap));
	fresh.iomap_base = offsetof(struct tss, iomap);
	make_stacks(&fresh, this_cpu());
	memcpy(&tss, &fresh, sizeof(tss));
	gdt_set_system(SEL_TSS, (ulong)&tss, sizeof(tss) - 1, ACC_TSS);

	for (unsigned v = 0; v < 256; v++)
		idt_set(v, trap_stubs[v], ACC_INTR,
			v == V_NMI ? 2 : v == V_DF ? 3 : v < 32 ? 1 : 4);
	idt[V_STOP].access |= DPL(3);

	load_tables();
	load_segments();
	asm volatile("lldt %w0; ltr %w1" :: "r"(0), "r"(SEL_TSS));
}

#ifdef __x86_64__
/*
 * Another processor: the same segments and gates, its own GDT (LTR writes to
 * it) and TSS, the latter without an I/O map.
 */
void tables_load_ap(void)
{
	struct cpu *c = this_cpu();
	u64 fresh[sizeof(c->tss) / 8] = { 0 };
	struct tss *t = (struct tss *)fresh;
	u64 d = desc((ulong)c->tss, sizeof(c->tss) - 1, ACC_TSS, 0);

	_Static_assert(sizeof(c->tss) == offsetof(struct tss, iomap), "");
	make_segments(c->gdt);
	t->iomap_base = sizeof(c->tss);
	make_stacks(t, c);
	memcpy(c->tss, fresh, sizeof(c->tss));
	c->gdt[SEL_TSS / 8] = d;
	c->gdt[SEL_TSS / 8 + 1] = (ulong)c->tss >> 32;
	load(c->gdt, sizeof(c->gdt));
	load_segments();
	asm volatile("lldt %w0; ltr %w1" :: "r"(0), "r"(SEL_TSS));
}
#endif
