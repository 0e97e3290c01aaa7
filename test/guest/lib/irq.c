/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt controllers and timers; see irq.h.
 */
#include "irq.h"
#include "machine.h"

#define APIC_BASE_ENABLE BIT(11)
#define APIC_BASE_X2 BIT(10)

volatile unsigned irq_counts[256];
struct regs irq_last;

void pic_mask(u16 mask)
{
	outb(0x21, mask);
	outb(0xa1, mask >> 8);
}

void pic_eoi(unsigned irq)
{
	if (irq >= 8)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void pic_init(void)
{
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, PIC_BASE);
	outb(0xa1, PIC_BASE + 8);
	outb(0x21, 4);
	outb(0xa1, 2);
	outb(0x21, 1);
	outb(0xa1, 1);
	pic_mask(0xffff);
}

void pit_start(unsigned mode, u16 count)
{
	outb(0x43, 0x30 | mode << 1);
	outb(0x40, count);
	outb(0x40, count >> 8);
}

u32 apic_read(unsigned reg)
{
	if (this_cpu()->x2apic)
		return rdmsr(MSR_X2APIC + reg / 16);
	return *(volatile u32 *)(APIC_MMIO + reg);
}

void apic_write(unsigned reg, u32 v)
{
	if (this_cpu()->x2apic)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		*(volatile u32 *)(APIC_MMIO + reg) = v;
}

void apic_eoi(void)
{
	apic_write(APIC_EOI, 0);
}

bool apic_bit(unsigned reg, unsigned vector)
{
	return apic_read(reg + vector / 32 * 16) >> (vector & 31) & 1;
}

void apic_ipi(u32 dest, u32 icr)
{
	ulong flags = read_flags();

	icr |= ICR_ASSERT;
	if (this_cpu()->x2apic) {
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (u64)dest << 32 | icr);
		return;
	}
	cli();
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR, icr);
	while (apic_read(APIC_ICR) & ICR_BUSY)
		pause();
	if (flags & FL_IF)
		sti();
}

void apic_self_ipi(unsigned vector)
{
	apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | vector);
}

void apic_timer(u32 lvt, u32 divide, u32 count)
{
	apic_write(APIC_TIMER_DIVIDE, divide);
	apic_write(APIC_LVT_TIMER, lvt);
	apic_write(APIC_TIMER_INITIAL, count);
}

void apic_enable_x2(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2);
	this_cpu()->x2apic = true;
}

u32 ioapic_read(unsigned reg)
{
	*(volatile u32 *)IOAPIC_MMIO = reg;
	return *(volatile u32 *)(IOAPIC_MMIO + 0x10);
}

void ioapic_write(unsigned reg, u32 v)
{
	*(volatile u32 *)IOAPIC_MMIO = reg;
	*(volatile u32 *)(IOAPIC_MMIO + 0x10) = v;
}

void ioapic_route(unsigned pin, u32 vector_and_flags)
{
	ioapic_route_to(pin, vector_and_flags, 0);
}

void ioapic_route_to(unsigned pin, u32 vector_and_flags, unsigned cpu)
{
	ioapic_write(0x11 + 2 * pin, cpu << 24);
	ioapic_write(0x10 + 2 * pin, vector_and_flags);
}

static bool count_irq(struct regs *r)
{
	irq_last = *r;
	irq_counts[r->vector]++;
	apic_eoi();
	return true;
}

void irq_count(unsigned vector)
{
	irq_counts[vector] = 0;
	trap_handle(vector, count_irq);
}

bool irq_wait(unsigned vector, unsigned n)
{
	u64 end = rdtsc() + 8000000000ull;

	sti();
	while (irq_counts[vector] < n && rdtsc() < end)
		pause();
	cli();
	return irq_counts[vector] >= n;
}

void delay_ms(unsigned ms)
{
	while (ms--) {
		u16 count = PIT_HZ / 1000;
		u64 end = rdtsc() + 100000000;

		outb(0x61, (inb(0x61) & ~2) | 1);
		outb(0x43, 0xb0);
		outb(0x42, count);
		outb(0x42, count >> 8);
		while (!(inb(0x61) & 0x20) && rdtsc() < end)
			;
	}
}

/* The spurious vector, 255, has no EOI. */
static bool ignore_irq(struct regs *r)
{
	return true;
}

static void apic_reset(void)
{
	u64 base = rdmsr(MSR_APIC_BASE);

	/* From x2APIC mode the way back leads through disabled. */
	if (base & APIC_BASE_X2) {
		base &= ~(APIC_BASE_ENABLE | APIC_BASE_X2);
		wrmsr(MSR_APIC_BASE, base);
	}
	this_cpu()->x2apic = false;
	wrmsr(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
	apic_write(APIC_SVR, 0x1ff);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED | 4 << 8);
	apic_write(APIC_LVT_LINT0, 7 << 8);
	apic_write(APIC_LDR, 1u << 24);
	apic_write(APIC_DFR, ~0u);
}

/* Another processor after INIT: nothing is pending, and no PIC is wired. */
void apic_reset_ap(void)
{
	apic_reset();
	apic_write(APIC_LVT_LINT0, LVT_MASKED | 7 << 8);
	apic_write(APIC_LDR, 1u << (24 + (this_cpu()->index & 7)));
	trap_handle(0xff, ignore_irq);
}

/* What a test has left behind in ISR and IRR. */
static bool drop_irq(struct regs *r)
{
	apic_eoi();
	return true;
}

static void apic_drain(void)
{
	for (unsigned i = 0; i < 256; i++) {
		bool busy = false;

		for (unsigned v = 0; v < 256; v += 32)
			busy |= apic_read(APIC_ISR + v / 2) != 0;
		if (!busy)
			break;
		apic_eoi();
	}
	for (unsigned v = 32; v < 256; v++)
		if (v != V_STOP)
			trap_handle(v, drop_irq);
	sti_nop();
	cli();
}

void interrupts_reset(void)
{
	pic_init();
	pit_start(0, 0);
	for (unsigned i = 0; i < 24; i++)
		ioapic_write(0x10 + 2 * i, LVT_MASKED);
	if (!has(F_APIC))
		return;
	apic_reset();
	apic_drain();
	pic_init();
	trap_reset();
	trap_handle(0xff, ignore_irq);
}
