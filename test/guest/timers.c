/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt sources: the PIT through the 8259s and through the I/O APIC, the
 * local APIC's timer in all its modes, in xAPIC and x2APIC mode, and its
 * interrupts to oneself. SDM 3A 10.5 "Handling Local Interrupts", 10.8
 * "Handling Interrupts", 10.12 "Extended XAPIC (x2APIC)".
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

#define V 0x61

static volatile unsigned pic_count[16];

static bool pic_handler(struct regs *r)
{
	unsigned irq = r->vector - PIC_BASE;

	irq_last = *r;
	pic_count[irq]++;
	pic_eoi(irq);
	return true;
}

static bool wait_pic(unsigned irq, unsigned n)
{
	u64 end = rdtsc() + 8000000000ull;

	sti();
	while (pic_count[irq] < n && rdtsc() < end)
		pause();
	cli();
	return pic_count[irq] >= n;
}

static void pic_prepare(void)
{
	memset((void *)pic_count, 0, sizeof(pic_count));
	for (unsigned i = 0; i < 16; i++)
		trap_handle(PIC_BASE + i, pic_handler);
}

static void pit_by_pic(void)
{
	pic_prepare();
	pic_mask(0xfffe);
	pit_start(0, PIT_HZ / 1000);
	CHECK(wait_pic(0, 1));
	CHECK_EQ(irq_last.vector, PIC_BASE);
	/* One shot is one interrupt. */
	sti();
	delay_ms(5);
	cli();
	CHECK_EQ(pic_count[0], 1);
	pit_start(2, PIT_HZ / 1000);
	CHECK(wait_pic(0, 20));
	/* Masked at the controller, it waits there; IF is not the reason. */
	pic_mask(0xffff);
	sti_nop();
	cli();
	pic_count[0] = 0;
	sti();
	delay_ms(5);
	cli();
	CHECK_EQ(pic_count[0], 0);
	outb(0x20, 0x0a); /* read IRR */
	CHECK_EQ(inb(0x20) & 1, 1);
	pic_mask(0xfffe);
	CHECK(wait_pic(0, 1));
}

static bool pic_no_eoi(struct regs *r)
{
	pic_count[r->vector - PIC_BASE]++;
	return true;
}

/* Without an EOI the level stays in service, and the next does not come. */
static void pic_in_service(void)
{
	pic_prepare();
	trap_handle(PIC_BASE, pic_no_eoi);
	pic_mask(0xfffe);
	pit_start(2, PIT_HZ / 1000);
	CHECK(wait_pic(0, 1));
	sti();
	delay_ms(5);
	cli();
	CHECK_EQ(pic_count[0], 1);
	outb(0x20, 0x0b); /* read ISR */
	CHECK_EQ(inb(0x20), 1);
	pic_eoi(0);
	CHECK(wait_pic(0, 2));
	pic_eoi(0);
}

/* The clock at 1 ms keeps step with the PIT's own counter on channel 2. */
static void pit_rate(void)
{
	unsigned n;

	pic_prepare();
	pic_mask(0xfffe);
	pit_start(2, PIT_HZ / 1000);
	sti();
	delay_ms(50);
	cli();
	n = pic_count[0];
	context("%u interrupts in 50 ms", n);
	CHECK(n >= 25 && n <= 100);
}

static void pit_by_ioapic(void)
{
	irq_count(V);
	/* The PC's timer arrives at pin 2. */
	ioapic_route(2, V);
	CHECK_EQ(ioapic_read(0x10 + 4) & 0x100ff, V);
	pit_start(2, PIT_HZ / 1000);
	CHECK(irq_wait(V, 10));
	ioapic_route(2, V | LVT_MASKED);
	sti_nop();
	cli();
	irq_counts[V] = 0;
	sti();
	delay_ms(5);
	cli();
	CHECK_EQ(irq_counts[V], 0);
	ioapic_route(2, V);
	CHECK(irq_wait(V, 3));
}

/* All of this in both modes of the APIC. */
static bool want_x2(void)
{
	if (!has(F_X2APIC)) {
		skip("no x2APIC");
		return false;
	}
	apic_enable_x2();
	CHECK_EQ(rdmsr(MSR_APIC_BASE) & 0xc00, 0xc00);
	return true;
}

static void one_shot(void)
{
	irq_count(V);
	apic_timer(V, DIVIDE_1, 100000);
	CHECK(irq_wait(V, 1));
	CHECK_EQ(irq_last.vector, V);
	CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
	sti();
	delay_ms(3);
	cli();
	CHECK_EQ(irq_counts[V], 1);
	/* A short time is a time as well. */
	apic_timer(V, DIVIDE_1, 1);
	CHECK(irq_wait(V, 2));
	/* The count goes down; zero stops it. */
	apic_timer(V, DIVIDE_16, 0xffffffff);
	{
		u32 a = apic_read(APIC_TIMER_CURRENT), b;

		delay_ms(1);
		b = apic_read(APIC_TIMER_CURRENT);
		CHECK(a > b && b);
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
}

static void periodic(void)
{
	irq_count(V);
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, 1000000);
	CHECK(irq_wait(V, 20));
	/* Masked, it counts on but does not interrupt. */
	apic_write(APIC_LVT_TIMER, V | LVT_PERIODIC | LVT_MASKED);
	sti_nop();
	cli();
	irq_counts[V] = 0;
	sti();
	delay_ms(5);
	cli();
	CHECK_EQ(irq_counts[V], 0);
	apic_write(APIC_LVT_TIMER, V | LVT_PERIODIC);
	CHECK(irq_wait(V, 2));
	apic_write(APIC_TIMER_INITIAL, 0);
}

/* Divided by 16, the same count takes 16 times as long. */
static void divider(void)
{
	u64 t[2] = { ~0ull, ~0ull };

	/* The shortest of several: the host may be busy. */
	for (unsigned n = 0; n < 10; n++) {
		unsigned i = n & 1;
		u64 start;

		irq_count(V);
		start = rdtsc();
		apic_timer(V, i ? DIVIDE_16 : DIVIDE_1, 5000000);
		CHECK(irq_wait(V, 1));
		if (rdtsc() - start < t[i])
			t[i] = rdtsc() - start;
	}
	context("%llu and %llu ticks", (unsigned long long)t[0],
		(unsigned long long)t[1]);
	CHECK(t[1] > t[0] * 2);
}

static void deadline(void)
{
	if (!has(F_TSC_DEADLINE)) {
		skip("no TSC deadline");
		return;
	}
	irq_count(V);
	apic_write(APIC_LVT_TIMER, V | LVT_DEADLINE);
	asm volatile("mfence");
	for (unsigned i = 1; i <= 10; i++) {
		u64 when = rdtsc() + 1000000;

		wrmsr(MSR_TSC_DEADLINE, when);
		CHECK(irq_wait(V, i));
		CHECK(rdtsc() >= when);
		/* It disarms itself. */
		CHECK_EQ(rdmsr(MSR_TSC_DEADLINE), 0);
	}
	/* A deadline in the past is due now; zero is none. */
	wrmsr(MSR_TSC_DEADLINE, 1);
	CHECK(irq_wait(V, 11));
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 20000000);
	wrmsr(MSR_TSC_DEADLINE, 0);
	sti();
	delay_ms(20);
	cli();
	CHECK_EQ(irq_counts[V], 11);
	/* The counter has no say in this mode. */
	apic_write(APIC_TIMER_INITIAL, 1000);
	CHECK_EQ(apic_read(APIC_TIMER_CURRENT), 0);
}

static void self_ipi(void)
{
	irq_count(V);
	apic_self_ipi(V);
	CHECK(apic_bit(APIC_IRR, V));
	CHECK_EQ(irq_counts[V], 0);
	sti_nop();
	cli();
	CHECK_EQ(irq_counts[V], 1);
	CHECK(!apic_bit(APIC_IRR, V));
	CHECK(!apic_bit(APIC_ISR, V));
	/* Twice while waiting is once. */
	apic_self_ipi(V);
	apic_self_ipi(V);
	sti_nop();
	cli();
	CHECK_EQ(irq_counts[V], 2);
	/* With IF set it comes at once. */
	sti();
	apic_self_ipi(V);
	asm volatile("nop; nop");
	CHECK_EQ(irq_counts[V], 3);
	cli();
}

static void x2_one_shot(void)
{
	if (want_x2())
		one_shot();
}

static void x2_periodic(void)
{
	if (want_x2())
		periodic();
}

static void x2_deadline(void)
{
	if (want_x2())
		deadline();
}

CODE(code_rdmsr, "rdmsr\n" STOP);

static void x2_self_ipi(void)
{
	static const unsigned absent_tab[] = {
		APIC_DFR, APIC_ICR_HIGH, 0x90, 0x10, APIC_EOI, APIC_SELF_IPI,
	};

	if (!want_x2())
		return;
	self_ipi();
	apic_write(APIC_SELF_IPI, V);
	CHECK(apic_bit(APIC_IRR, V));
	sti_nop();
	cli();
	CHECK_EQ(irq_counts[V], 4);
	CHECK_EQ(apic_read(APIC_ID), cpuid_sub(0xb, 0).d);
	/* Registers that are not there: SDM 3A 10.12.1.2, table 10-6. */
	for (unsigned i = 0; i < ARRAY_LEN(absent_tab); i++) {
		struct regs r;

		context("register %x", absent_tab[i]);
		regs_init(&r, code_rdmsr, 0);
		r.rcx = MSR_X2APIC + absent_tab[i] / 16;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
	}
}

static unsigned order[8], order_len;

static bool note_order(struct regs *r)
{
	if (order_len < 8)
		order[order_len++] = r->vector;
	apic_eoi();
	return true;
}

/* The highest vector first, whatever the order of arrival. */
static void priorities(void)
{
	order_len = 0;
	trap_handle(0x45, note_order);
	trap_handle(0x71, note_order);
	trap_handle(0x72, note_order);
	apic_self_ipi(0x71);
	apic_self_ipi(0x45);
	apic_self_ipi(0x72);
	sti_nop();
	asm volatile("nop; nop; nop");
	cli();
	CHECK_EQ(order_len, 3);
	CHECK_EQ(order[0], 0x72);
	CHECK_EQ(order[1], 0x71);
	CHECK_EQ(order[2], 0x45);
}

#ifdef __x86_64__
static bool nested_outer(struct regs *r)
{
	order[order_len++] = r->vector;
	CHECK(apic_bit(APIC_ISR, r->vector));
	/* Of the same class: waits. Of a higher one: comes in between. */
	apic_self_ipi(0x53);
	apic_self_ipi(0x83);
	CHECK_EQ(apic_read(APIC_PPR) & 0xf0, 0x50);
	/* The handlers have one stack: leave it to the inner one. */
	tss.ist[3] -= 4096;
	sti_nop();
	cli();
	tss.ist[3] += 4096;
	order[order_len++] = 0;
	apic_eoi();
	return true;
}

static void nesting(void)
{
	order_len = 0;
	trap_handle(0x53, note_order);
	trap_handle(0x83, note_order);
	trap_handle(0x52, nested_outer);
	apic_self_ipi(0x52);
	sti_nop();
	asm volatile("nop; nop");
	cli();
	CHECK_EQ(order_len, 4);
	CHECK_EQ(order[0], 0x52);
	CHECK_EQ(order[1], 0x83);
	CHECK_EQ(order[2], 0);
	CHECK_EQ(order[3], 0x53);
}

#endif

static void task_priority(void)
{
	irq_count(V);
	apic_write(APIC_TPR, 0x70);
	CHECK_EQ(apic_read(APIC_PPR), 0x70);
	apic_self_ipi(V);
	sti_nop();
	CHECK_EQ(irq_counts[V], 0);
	CHECK(apic_bit(APIC_IRR, V));
	/* The same class is held back too. */
	apic_write(APIC_TPR, 0x60);
	asm volatile("nop");
	CHECK_EQ(irq_counts[V], 0);
	apic_write(APIC_TPR, 0x50);
	asm volatile("nop");
	CHECK_EQ(irq_counts[V], 1);
	cli();
	apic_write(APIC_TPR, 0);
}

#ifdef __x86_64__
static void write_cr8(ulong v)
{
	asm volatile("mov %0, %%cr8" :: "r"(v) : "memory");
}

static ulong read_cr8(void)
{
	ulong v;

	asm volatile("mov %%cr8, %0" : "=r"(v));
	return v;
}

CODE(code_cr8, "mov %rax, %cr8\n" STOP);

static void cr8(void)
{
	struct regs r;

	irq_count(V);
	write_cr8(7);
	CHECK_EQ(read_cr8(), 7);
	CHECK_EQ(apic_read(APIC_TPR), 0x70);
	apic_write(APIC_TPR, 0x5f);
	CHECK_EQ(read_cr8(), 5);
	write_cr8(15);
	apic_self_ipi(V);
	sti_nop();
	CHECK_EQ(irq_counts[V], 0);
	write_cr8(6);
	asm volatile("nop");
	CHECK_EQ(irq_counts[V], 0);
	write_cr8(5);
	asm volatile("nop");
	CHECK_EQ(irq_counts[V], 1);
	cli();
	write_cr8(0);
	r = run_code(code_cr8, 3);
	CHECK_TRAP(r, V_GP, 0);
}

static void cr8_reserved(void)
{
	struct regs r;

	for (unsigned bit = 4; bit < 64; bit++) {
		regs_init(&r, code_cr8, 0);
		r.rax = BIT(bit);
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
	}
	CHECK_EQ(read_cr8(), 0);
}
#endif

/* An interrupt that ends HLT. */
static void halted(void)
{
	irq_count(V);
	for (unsigned i = 1; i <= 50; i++) {
		apic_timer(V, DIVIDE_1, 50000);
		asm volatile("sti; hlt; cli" ::: "memory");
		CHECK_EQ(irq_counts[V], i);
	}
	apic_timer(V | LVT_PERIODIC, DIVIDE_1, 200000);
	irq_counts[V] = 0;
	for (unsigned i = 0; i < 50; i++)
		asm volatile("sti; hlt; cli" ::: "memory");
	CHECK(irq_counts[V] >= 50);
	apic_write(APIC_TIMER_INITIAL, 0);
}

const struct test tests[] = {
	{ "PIT by PIC", pit_by_pic },
	{ "in service at the PIC", pic_in_service },
	{ "rate of the PIT", pit_rate },
	{ "PIT by I/O APIC", pit_by_ioapic },
	{ "APIC timer, one shot", one_shot },
	{ "APIC timer, periodic", periodic },
	{ "APIC timer, divider", divider },
	{ "APIC timer, TSC deadline", deadline },
	{ "interrupt to oneself", self_ipi },
	{ "x2APIC timer, one shot", x2_one_shot },
	{ "x2APIC timer, periodic", x2_periodic },
	{ "x2APIC timer, TSC deadline", x2_deadline },
	{ "x2APIC interrupt to oneself", x2_self_ipi },
	{ "priorities", priorities },
#ifdef __x86_64__
	{ "nesting", nesting },
#endif
	{ "task priority", task_priority },
#ifdef __x86_64__
	{ "CR8", cr8 },
	{ "CR8, reserved bits", cr8_reserved,
	  "ignores them (SDM 2B \"MOV - Move to/from Control Registers\")" },
#endif
	{ "HLT", halted },
	{ NULL },
};
