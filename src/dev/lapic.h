/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic.h - a processor's local APIC: xAPIC and x2APIC modes, timer with TSC
 * deadline, interprocessor interrupts, and the PIC behind LINT0.
 *
 * Threads: the APIC belongs to its processor's thread. Others only send: they
 * set bits of TMR and IRR, note errors, move the LINT inputs, all by atomic
 * operations, and then request VCPU_REQ_INTR. Whether the new interrupt can be
 * delivered (and is not masked by what is in service) only the processor can
 * say; when it finds that nothing can be, it clears the request. It clears
 * before it looks, the sender sets IRR before it requests: so no interrupt is
 * left behind without a request.
 *
 * INIT, too, is requested; the processor clears its APIC by the device class's
 * .cpu_init. Reset and loading are for when no processor runs.
 */
#ifndef DOPPEL_DEV_LAPIC_H
#define DOPPEL_DEV_LAPIC_H

#include "base/base.h"
#include "dev/apic_bus.h"
#include "dev/apic_msg.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/gmem.h"
#include "vm/vcpu.h"

/* The timer's input: a nanosecond a tick, so that nobody has to convert. */
#define LAPIC_TIMER_HZ 1000000000u

enum lapic_lvt {
	LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR,
	LVT_COUNT,
};

struct lapic_wiring {
	struct apic_bus *bus;
	unsigned id;
	bool bsp;
	struct gmem *mem;
	struct clock *clock; /* the processor's */
	u64 tsc_hz;
	unsigned phys_bits; /* what IA32_APIC_BASE may hold */
	/* The processor: VCPU_REQ_* set (by any thread) and cleared; a startup
	 * vector. */
	void (*request)(void *cpu, u32 bits);
	void (*clear)(void *cpu, u32 bits);
	void (*startup)(void *cpu, u8 vector);
	u64 (*tsc)(void *cpu); /* its time stamp counter now; any thread */
	void *cpu;
	/* INTA cycles of the PIC at LINT0, -1 if it wants none after all;
	 * without the device lock. NULL where there is none. */
	int (*extint)(void *pic);
	void *pic;
};

struct lapic {
	struct device dev;
	struct lapic_wiring w;

	u64 base; /* IA32_APIC_BASE */
	u8 tpr;
	u32 ldr, dfr; /* xAPIC's */
	u32 svr;
	u32 isr[8];
	u32 tmr[8], irr[8]; /* atomic */
	u32 esr;
	u32 esr_new; /* atomic: collected since .esr was latched */
	u64 icr;
	u32 lvt[LVT_COUNT];
	bool lint[2]; /* input levels; atomic, set with the device lock held */

	u32 timer_initial;
	u8 timer_divide; /* the register */
	u64 timer_start_ns; /* VM time when the count began */
	u64 deadline_tsc; /* 0: not armed */
	struct timer timer;

	u64 pv_eoi_msr; /* address and enable bit */
	bool pv_eoi_offered; /* for the interrupt last delivered */
};

extern const struct device_class lapic_class;
extern const struct intr_ops lapic_intr_ops; /* dev: the struct lapic */

/* Adds itself to the bus. */
void lapic_init(struct lapic *l, const struct lapic_wiring *w);

/* LINT0 (the PIC's INTR) and LINT1; a struct irq_line's set. Any thread, with
 * the device lock held. */
void lapic_set_lint(void *lapic, unsigned n, bool level);

/* --- for the bus --- any thread */

bool lapic_is_software_enabled(const struct lapic *l);
u8 lapic_ppr(const struct lapic *l);
/* Is @m (by its destination) for this one? */
bool lapic_matches(const struct lapic *l, const struct apic_msg *m);
/* Takes it; false if the APIC is switched off. */
bool lapic_accept(struct lapic *l, const struct apic_msg *m);

/* --- on the processor's thread --- */

void lapic_tsc_changed(struct lapic *l);
/* KVM's MSR for the end of interrupts; false: #GP. */
bool lapic_set_pv_eoi(struct lapic *l, u64 v);
u64 lapic_mmio_read(struct lapic *l, u64 offset);
void lapic_mmio_write(struct lapic *l, u64 offset, u32 v);
bool lapic_msr_read(struct lapic *l, u32 msr, u64 *v);
bool lapic_msr_write(struct lapic *l, u32 msr, u64 v);

#endif
