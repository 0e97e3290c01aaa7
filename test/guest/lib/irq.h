/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt controllers and timers of the PC. Every test starts in virtual
 * wire mode: local APIC on, LINT0 = ExtINT from the 8259s, all lines masked.
 * SDM 3A chapter 10 "APIC"; Intel 8259A, 8254, 82093AA data sheets.
 */
#ifndef IRQ_H
#define IRQ_H

#include "trap.h"

#define PIC_BASE 0x20 /* vectors of the 8259s: 0x20 to 0x2f */
#define PIT_HZ 1193182

void pic_mask(u16 mask);
void pic_eoi(unsigned irq);

/* Channel 0: mode 0 (one interrupt) or 2 (periodic). */
void pit_start(unsigned mode, u16 count);

/* Registers of the local APIC, by the offset that xAPIC gives them. */
enum {
	APIC_ID = 0x20,
	APIC_VERSION = 0x30,
	APIC_TPR = 0x80,
	APIC_PPR = 0xa0,
	APIC_EOI = 0xb0,
	APIC_LDR = 0xd0,
	APIC_DFR = 0xe0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0, /* x2APIC only */
};

enum {
	LVT_MASKED = 1 << 16,
	LVT_PERIODIC = 1 << 17,
	LVT_DEADLINE = 2 << 17,
	ICR_LOWEST = 1 << 8,
	ICR_NMI = 4 << 8,
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_LOGICAL = 1 << 11,
	ICR_BUSY = 1 << 12,
	ICR_ASSERT = 1 << 14,
	ICR_LEVEL = 1 << 15,
	ICR_SELF = 1 << 18,
	ICR_ALL = 2 << 18,
	ICR_OTHERS = 3 << 18,
	DIVIDE_1 = 0xb,
	DIVIDE_16 = 3,
};

#define APIC_MMIO 0xfee00000ul
#define IOAPIC_MMIO 0xfec00000ul

/* Switches to x2APIC mode; the accessors follow. */
void apic_enable_x2(void);
u32 apic_read(unsigned reg);
void apic_write(unsigned reg, u32 v);
void apic_eoi(void);
bool apic_bit(unsigned reg, unsigned vector);

/* An IPI to an APIC id (or as icr says), assertion included. */
void apic_ipi(u32 dest, u32 icr);

/* A fixed interrupt to oneself, through the ICR. */
void apic_self_ipi(unsigned vector);

void apic_timer(u32 lvt, u32 divide, u32 count);

u32 ioapic_read(unsigned reg);
void ioapic_write(unsigned reg, u32 v);

/* Edge, active high, physical destination 0; flags are or-ed into it. */
void ioapic_route(unsigned pin, u32 vector_and_flags);
void ioapic_route_to(unsigned pin, u32 vector_and_flags, unsigned cpu);

/*
 * A vector whose interrupts are counted and acknowledged at the local APIC;
 * the count starts again at 0. The last frame is kept.
 */
void irq_count(unsigned vector);
extern volatile unsigned irq_counts[256];
extern struct regs irq_last;

/* Waits (interrupts on) until a vector has come n times; false: never. */
bool irq_wait(unsigned vector, unsigned n);

/* Busy for roughly that many milliseconds, by the PIT's channel 2. */
void delay_ms(unsigned ms);

#endif
