/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic_regs.c - the local APIC as software sees it: the xAPIC register page,
 * the x2APIC MSRs, IA32_APIC_BASE, IA32_TSC_DEADLINE.
 *
 * Both faces number registers alike: offset / 16 in the page, number - 0x800
 * of the MSR.
 *
 * References: SDM 3A 10.4.1 "The Local APIC Block Diagram", 10.12 "Extended
 * XAPIC (x2APIC)".
 *
 * DEVIATES: the page does not move with IA32_APIC_BASE; it is deaf while the
 * base is another one.
 */
#include "dev/lapic_impl.h"

#include "base/trace.h"
#include "x86/regs.h"

enum {
	REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09,
	REG_PPR = 0x0a, REG_EOI = 0x0b, REG_RRD = 0x0c, REG_LDR = 0x0d,
	REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18,
	REG_IRR = 0x20, REG_ESR = 0x28, REG_ICR = 0x30, REG_ICR_HIGH = 0x31,
	REG_LVT = 0x32, REG_INITIAL = 0x38, REG_CURRENT = 0x39,
	REG_DIVIDE = 0x3e, REG_SELF_IPI = 0x3f,
};

/* An integrated APIC; six LVT entries. */
#define VERSION (0x14u | (LVT_COUNT - 1) << 16)

/* SDM 3A figure 10-8 "Local Vector Table (LVT)" */
const u32 lapic_lvt_writable_tab[LVT_COUNT] = {
	[LVT_TIMER] = 0x700ff, /* vector, mask, timer mode */
	[LVT_THERMAL] = 0x107ff, /* vector, delivery mode, mask */
	[LVT_PERF] = 0x107ff,
	[LVT_LINT0] = 0x1a7ff, /* polarity and trigger mode too */
	[LVT_LINT1] = 0x1a7ff,
	[LVT_ERROR] = 0x100ff,
};
/* Delivery status and Remote IRR: writes to them are no error. */
#define LVT_READ_ONLY 0x5000u

#define ICR_VECTOR(v) ((u8)(v))
#define ICR_MODE(v) ((u8)((v) >> 8 & 7))
#define ICR_LOGICAL BIT64(11)
#define ICR_BUSY BIT64(12)
#define ICR_ASSERT BIT64(14)
#define ICR_LEVEL BIT64(15)
#define ICR_SHORTHAND(v) ((enum apic_shorthand)((v) >> 18 & 3))
#define ICR_WRITABLE 0x000ccfffu

/* --- interprocessor interrupts --- */

static void send_ipi(struct lapic *l, u64 icr)
{
	struct apic_msg m = {
		.dest = (u32)(icr >> 32),
		.logical = icr & ICR_LOGICAL,
		.mode = ICR_MODE(icr),
		.vector = ICR_VECTOR(icr),
	};

	if (!lapic_is_x2apic(l)) {
		m.dest >>= 24;
		if (m.dest == 0xff && !m.logical)
			m.dest = APIC_BROADCAST;
	}
	TRACE(LAPIC, "cpu %u: ipi %llx", l->w.id, (unsigned long long)icr);
	switch (m.mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (m.vector < 16) {
			lapic_error(l, ESR_SEND_ILLEGAL);
			return;
		}
		break;
	case APIC_INIT:
		/* De-assertion only ever synchronized arbitration ids. */
		if ((icr & ICR_LEVEL) && !(icr & ICR_ASSERT))
			return;
		break;
	case APIC_NMI:
	case APIC_STARTUP:
		break;
	default:
		return;
	}
	apic_bus_send_ipi(l->w.bus, l, ICR_SHORTHAND(icr), &m);
}

/* --- registers that both faces have --- */

static bool read_common(struct lapic *l, unsigned reg, u32 *v)
{
	lapic_settle(l);
	switch (reg) {
	case REG_VERSION:
		*v = VERSION;
		return true;
	case REG_TPR:
		*v = l->tpr;
		return true;
	case REG_PPR:
		*v = lapic_ppr(l);
		return true;
	case REG_SVR:
		*v = l->svr;
		return true;
	case REG_ISR ... REG_ISR + 7:
		*v = l->isr[reg - REG_ISR];
		return true;
	case REG_TMR ... REG_TMR + 7:
		*v = SHARED_GET(l->tmr[reg - REG_TMR]);
		return true;
	case REG_IRR ... REG_IRR + 7:
		*v = SHARED_GET(l->irr[reg - REG_IRR]);
		return true;
	case REG_ESR:
		*v = l->esr;
		return true;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		*v = l->lvt[reg - REG_LVT];
		return true;
	case REG_INITIAL:
		*v = l->timer_initial;
		return true;
	case REG_CURRENT:
		*v = lapic_timer_current(l);
		return true;
	case REG_DIVIDE:
		*v = l->timer_divide;
		return true;
	}
	return false;
}

static void write_lvt(struct lapic *l, unsigned i, u32 v)
{
	v &= lapic_lvt_writable_tab[i];
	/* While software has disabled the APIC, all entries stay masked. */
	if (!(l->svr & SVR_ENABLE))
		v |= LVT_MASKED;
	if (i == LVT_TIMER)
		lapic_timer_set_lvt(l, v);
	else
		SHARED_SET(l->lvt[i], v);
	lapic_update(l);
}

static void write_svr(struct lapic *l, u32 v)
{
	SHARED_SET(l->svr, v & SVR_WRITABLE);
	if (!(v & SVR_ENABLE))
		for (unsigned i = 0; i < LVT_COUNT; i++)
			write_lvt(l, i, l->lvt[i]);
}

static bool write_common(struct lapic *l, unsigned reg, u32 v)
{
	switch (reg) {
	case REG_TPR:
		SHARED_SET(l->tpr, (u8)v);
		lapic_update(l);
		return true;
	case REG_EOI:
		lapic_eoi(l);
		return true;
	case REG_SVR:
		write_svr(l, v);
		return true;
	case REG_ESR:
		/* Writing shows what was collected since the last time. */
		l->esr = __atomic_exchange_n(&l->esr_new, 0, __ATOMIC_RELAXED);
		return true;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		write_lvt(l, reg - REG_LVT, v);
		return true;
	case REG_INITIAL:
		lapic_timer_set_initial(l, v);
		return true;
	case REG_DIVIDE:
		lapic_timer_set_divide(l, v);
		return true;
	}
	return false;
}

/* --- xAPIC: the page --- */

static bool is_page_visible(const struct lapic *l)
{
	return lapic_is_enabled(l) && !lapic_is_x2apic(l) &&
	       (l->base & PAGE_MASK) == l->w.bus->w.base;
}

u64 lapic_mmio_read(struct lapic *l, u64 offset)
{
	unsigned reg = (unsigned)offset >> 4;
	u32 v = 0;

	if (!is_page_visible(l))
		return ~0ull;
	if (offset & 15)
		return 0;
	switch (reg) {
	case REG_ID:
		return (u64)l->w.id << 24;
	case REG_APR:
	case REG_RRD:
	case REG_EOI:
		return 0;
	case REG_LDR:
		return l->ldr;
	case REG_DFR:
		return l->dfr;
	case REG_ICR:
		return (u32)l->icr;
	case REG_ICR_HIGH:
		return l->icr >> 32;
	}
	if (!read_common(l, reg, &v))
		lapic_error(l, ESR_ILLEGAL_REGISTER);
	return v;
}

void lapic_mmio_write(struct lapic *l, u64 offset, u32 v)
{
	unsigned reg = (unsigned)offset >> 4;

	if (!is_page_visible(l) || (offset & 15))
		return;
	switch (reg) {
	case REG_ID: /* fixed; CPUID tells it too */
		return;
	case REG_LDR:
		SHARED_SET(l->ldr, v & 0xff000000u);
		return;
	case REG_DFR:
		SHARED_SET(l->dfr, v | 0x0fffffffu);
		return;
	case REG_ICR:
		l->icr = (l->icr & ~0xffffffffull) | (v & ICR_WRITABLE);
		send_ipi(l, l->icr);
		return;
	case REG_ICR_HIGH:
		l->icr = (u32)l->icr | (u64)(v & 0xff000000u) << 32;
		return;
	}
	if (!write_common(l, reg, v))
		lapic_error(l, ESR_ILLEGAL_REGISTER);
}

/* --- x2APIC: MSRs. A reserved bit is #GP. --- */

static bool x2apic_read(struct lapic *l, unsigned reg, u64 *v)
{
	u32 low;

	switch (reg) {
	case REG_ID:
		*v = l->w.id;
		return true;
	case REG_LDR:
		*v = lapic_x2apic_ldr(l);
		return true;
	case REG_ICR:
		*v = l->icr;
		return true;
	}
	if (!read_common(l, reg, &low))
		return false;
	*v = low;
	return true;
}

/* The bits that may be set in a write to @reg. */
static u64 x2apic_writable(unsigned reg)
{
	switch (reg) {
	case REG_TPR:
	case REG_SELF_IPI:
		return 0xff;
	case REG_SVR:
		return SVR_WRITABLE;
	case REG_ICR:
		return ~0ull << 32 | ICR_WRITABLE | ICR_BUSY;
	case REG_LVT ... REG_LVT + LVT_COUNT - 1:
		return lapic_lvt_writable_tab[reg - REG_LVT] | LVT_READ_ONLY;
	case REG_INITIAL:
		return 0xffffffff;
	case REG_DIVIDE:
		return 0xb;
	}
	return 0; /* EOI, ESR */
}

static bool x2apic_write(struct lapic *l, unsigned reg, u64 v)
{
	if (v & ~x2apic_writable(reg))
		return false;
	switch (reg) {
	case REG_ICR:
		l->icr = v & ~ICR_BUSY;
		send_ipi(l, l->icr);
		return true;
	case REG_SELF_IPI:
		send_ipi(l, (u64)APIC_TO_SELF << 18 | v);
		return true;
	}
	return write_common(l, reg, (u32)v);
}

/* SDM 3A 10.12.5 "x2APIC State Transitions" */
static bool write_base(struct lapic *l, u64 v)
{
	u64 valid = APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE |
		    (BIT64(l->w.phys_bits) - PAGE_SIZE);
	bool on = v & APIC_BASE_ENABLE, x2 = v & APIC_BASE_X2APIC;

	if ((v & ~valid) || (x2 && !on))
		return false;
	if (lapic_is_x2apic(l) && on && !x2)
		return false; /* only by way of "disabled" */
	if (!lapic_is_enabled(l) && x2)
		return false; /* only by way of xAPIC mode */
	TRACE(LAPIC, "cpu %u: base %llx", l->w.id, (unsigned long long)v);
	if (lapic_is_enabled(l) && !on)
		lapic_clear(l);
	/* Who the bootstrap processor is does not change. */
	SHARED_SET(l->base, (v & ~APIC_BASE_BSP) | (l->base & APIC_BASE_BSP));
	lapic_update(l);
	return true;
}

bool lapic_msr_read(struct lapic *l, u32 msr, u64 *v)
{
	switch (msr) {
	case MSR_IA32_APIC_BASE:
		*v = l->base;
		return true;
	case MSR_IA32_TSC_DEADLINE:
		*v = l->deadline_tsc;
		return true;
	}
	return lapic_is_x2apic(l) && x2apic_read(l, msr - MSR_X2APIC_FIRST, v);
}

bool lapic_msr_write(struct lapic *l, u32 msr, u64 v)
{
	switch (msr) {
	case MSR_IA32_APIC_BASE:
		return write_base(l, v);
	case MSR_IA32_TSC_DEADLINE:
		lapic_timer_set_deadline(l, v);
		return true;
	}
	return lapic_is_x2apic(l) && x2apic_write(l, msr - MSR_X2APIC_FIRST, v);
}
