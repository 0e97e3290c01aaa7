/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic.c - the local APIC's heart: which interrupt comes next, and what
 * happens to messages and local events as they arrive.
 *
 * Two parties: the processor's thread and senders. See lapic.h.
 *
 * References: SDM 3A 10.8 "Handling Interrupts", 10.5 "Local Interrupts",
 * 10.4.7 "Local APIC State".
 *
 * DEVIATES: after power-up the bootstrap processor's LINT0 lets the PIC
 * through, as firmware would have left it. LINT inputs in fixed mode are
 * taken as edges. SMI does nothing.
 */
#include "dev/lapic_impl.h"

#include "base/err.h"
#include "base/trace.h"

#define DFR_FLAT 0xfu /* bits 31:28 */

/* --- 256 bits in eight words --- */

/* ORDER: IRR and TMR are read after the request was cleared (lapic_update). */
static void bit_set(u32 *map, u8 n)
{
	__atomic_fetch_or(&map[n >> 5], BIT(n & 31), __ATOMIC_SEQ_CST);
}

static void bit_clear(u32 *map, u8 n)
{
	__atomic_fetch_and(&map[n >> 5], ~BIT(n & 31), __ATOMIC_SEQ_CST);
}

static bool bit_test(const u32 *map, u8 n)
{
	return SHARED_GET(map[n >> 5]) >> (n & 31) & 1;
}

/* The highest bit, or -1. */
static int bit_highest(const u32 *map)
{
	for (int i = 7; i >= 0; i--) {
		u32 word = __atomic_load_n(&map[i], __ATOMIC_ACQUIRE);

		if (word)
			return i * 32 + 31 - __builtin_clz(word);
	}
	return -1;
}

/* For ISR, which one thread writes. */
static void own_bit_set(u32 *map, u8 n)
{
	SHARED_SET(map[n >> 5], map[n >> 5] | BIT(n & 31));
}

static void own_bit_clear(u32 *map, u8 n)
{
	SHARED_SET(map[n >> 5], map[n >> 5] & ~BIT(n & 31));
}

/* --- what comes next --- */

bool lapic_is_software_enabled(const struct lapic *l)
{
	return lapic_is_enabled(l) && (SHARED_GET(l->svr) & SVR_ENABLE);
}

/* SDM 3A 10.8.3.1 "Task and Processor Priorities" */
u8 lapic_ppr(const struct lapic *l)
{
	int isr = bit_highest(l->isr);
	u8 tpr = SHARED_GET(l->tpr);

	return isr >> 4 <= tpr >> 4 ? tpr : isr & 0xf0;
}

/* The vector that can be delivered now, or -1. */
static int next_vector(const struct lapic *l)
{
	int irr = bit_highest(l->irr);

	return irr >= 0 && irr >> 4 > lapic_ppr(l) >> 4 ? irr : -1;
}

/* An APIC that is off leaves the PIC wired to the processor's INTR pin. */
static bool extint_waits(const struct lapic *l)
{
	u32 lint0 = l->lvt[LVT_LINT0];

	if (!SHARED_GET(l->lint[0]) || !l->w.extint)
		return false;
	return !lapic_is_enabled(l) ||
	       (!(lint0 & LVT_MASKED) && LVT_MODE(lint0) == APIC_EXTINT);
}

static void request_what_waits(struct lapic *l)
{
	/* ORDER: first cleared, then looked: see lapic.h. */
	l->w.clear(l->w.cpu, VCPU_REQ_INTR);
	if (next_vector(l) >= 0 || extint_waits(l))
		l->w.request(l->w.cpu, VCPU_REQ_INTR);
}

/* SDM 3A 10.8.5 "Signaling Interrupt Servicing Completion" */
static void end_highest(struct lapic *l)
{
	int vector = bit_highest(l->isr);

	if (vector < 0)
		return;
	own_bit_clear(l->isr, (u8)vector);
	if (bit_test(l->tmr, (u8)vector) && l->w.bus->w.eoi)
		l->w.bus->w.eoi(l->w.bus->w.eoi_dev, (u8)vector);
}

void lapic_settle(struct lapic *l)
{
	if (l->pv_eoi_offered && lapic_pv_eoi_taken(l))
		end_highest(l);
}

void lapic_update(struct lapic *l)
{
	lapic_settle(l);
	request_what_waits(l);
}

static int lapic_ack(void *dev)
{
	struct lapic *l = dev;
	int vector;

	lapic_settle(l);
	vector = next_vector(l);
	if (vector >= 0) {
		bit_clear(l->irr, (u8)vector);
		own_bit_set(l->isr, (u8)vector);
		if (bit_highest(l->irr) < 0 && !bit_test(l->tmr, (u8)vector))
			lapic_pv_eoi_offer(l);
	} else if (extint_waits(l)) {
		vector = l->w.extint(l->w.pic);
	}
	request_what_waits(l);
	return vector;
}

static u8 lapic_get_tpr(void *dev)
{
	return ((struct lapic *)dev)->tpr;
}

static void lapic_set_tpr(void *dev, u8 tpr)
{
	struct lapic *l = dev;

	SHARED_SET(l->tpr, tpr);
	lapic_update(l);
}

const struct intr_ops lapic_intr_ops = { lapic_ack, lapic_get_tpr,
					 lapic_set_tpr };

void lapic_eoi(struct lapic *l)
{
	lapic_settle(l);
	end_highest(l);
	request_what_waits(l);
}

/* --- what arrives --- */

static void raise_vector(struct lapic *l, u8 vector, bool level)
{
	if (vector < 16) {
		lapic_error(l, ESR_RECEIVE_ILLEGAL);
		return;
	}
	TRACE(LAPIC, "cpu %u: vector %02x%s", l->w.id, vector,
	      level ? " level" : "");
	if (level != bit_test(l->tmr, vector)) {
		if (level)
			bit_set(l->tmr, vector);
		else
			bit_clear(l->tmr, vector);
	}
	bit_set(l->irr, vector);
	l->w.request(l->w.cpu, VCPU_REQ_INTR);
}

void lapic_error(struct lapic *l, u32 esr_bit)
{
	u32 lvt = SHARED_GET(l->lvt[LVT_ERROR]);

	__atomic_fetch_or(&l->esr_new, esr_bit, __ATOMIC_RELAXED);
	if (!lapic_is_software_enabled(l) || (lvt & LVT_MASKED))
		return;
	/* An illegal vector here must not raise an error in turn. */
	if (LVT_VECTOR(lvt) < 16)
		__atomic_fetch_or(&l->esr_new, ESR_RECEIVE_ILLEGAL,
				  __ATOMIC_RELAXED);
	else
		raise_vector(l, LVT_VECTOR(lvt), false);
}

void lapic_local(struct lapic *l, enum lapic_lvt source)
{
	u32 lvt = SHARED_GET(l->lvt[source]);

	if (!lapic_is_software_enabled(l) || (lvt & LVT_MASKED))
		return;
	/* The timer's and the error entry have no mode field. */
	switch (source == LVT_TIMER || source == LVT_ERROR ? APIC_FIXED :
							     LVT_MODE(lvt)) {
	case APIC_FIXED:
		raise_vector(l, LVT_VECTOR(lvt), false);
		break;
	case APIC_NMI:
		l->w.request(l->w.cpu, VCPU_REQ_NMI);
		break;
	}
}

void lapic_set_lint(void *lapic, unsigned n, bool level)
{
	struct lapic *l = lapic;
	bool rise = level && !l->lint[n & 1];

	if (level == l->lint[n & 1])
		return;
	SHARED_SET(l->lint[n & 1], level);
	if (rise && lapic_is_enabled(l))
		lapic_local(l, n & 1 ? LVT_LINT1 : LVT_LINT0);
	if (rise)
		l->w.request(l->w.cpu, VCPU_REQ_INTR);
}

static bool matches_logical(const struct lapic *l, u32 dest)
{
	u32 ldr;

	if (lapic_is_x2apic(l)) {
		ldr = lapic_x2apic_ldr(l);
		return dest >> 16 == ldr >> 16 && (dest & ldr & 0xffff);
	}
	if (dest > 0xff)
		return false;
	ldr = SHARED_GET(l->ldr) >> 24;
	if (SHARED_GET(l->dfr) >> 28 == DFR_FLAT)
		return dest & ldr;
	/* Clusters of four; 15 is all of them. */
	return (dest >> 4 == ldr >> 4 || dest >> 4 == 15) && (dest & ldr & 15);
}

bool lapic_matches(const struct lapic *l, const struct apic_msg *m)
{
	if (m->dest == APIC_BROADCAST)
		return true;
	return m->logical ? matches_logical(l, m->dest) : m->dest == l->w.id;
}

static void init_signal(struct lapic *l)
{
	/* A startup that came before belongs to the life before. */
	l->w.clear(l->w.cpu, VCPU_REQ_SIPI | VCPU_REQ_NMI);
	l->w.request(l->w.cpu, VCPU_REQ_INIT);
}

bool lapic_accept(struct lapic *l, const struct apic_msg *m)
{
	if (!lapic_is_enabled(l))
		return false;
	switch (m->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (!lapic_is_software_enabled(l))
			return false;
		raise_vector(l, m->vector, m->level);
		return true;
	case APIC_NMI:
		l->w.request(l->w.cpu, VCPU_REQ_NMI);
		return true;
	case APIC_INIT:
		init_signal(l);
		return true;
	case APIC_STARTUP:
		l->w.startup(l->w.cpu, m->vector);
		return true;
	}
	return false;
}

/* --- life --- */

void lapic_clear(struct lapic *l)
{
	l->pv_eoi_msr = 0;
	l->pv_eoi_offered = false;
	SHARED_SET(l->svr, 0xff);
	for (unsigned i = 0; i < 8; i++) {
		SHARED_SET(l->isr[i], 0);
		SHARED_SET(l->irr[i], 0);
		SHARED_SET(l->tmr[i], 0);
	}
	for (unsigned i = 0; i < LVT_COUNT; i++)
		SHARED_SET(l->lvt[i], LVT_MASKED);
	SHARED_SET(l->tpr, 0);
	SHARED_SET(l->ldr, 0);
	SHARED_SET(l->dfr, ~0u);
	SHARED_SET(l->esr_new, 0);
	l->esr = 0;
	l->icr = 0;
	l->timer_initial = 0;
	l->timer_divide = 0;
	l->deadline_tsc = 0;
	timer_arm(&l->timer, CLOCK_NEVER);
}

static void lapic_reset(struct device *d)
{
	struct lapic *l = container_of(d, struct lapic, dev);

	l->base = l->w.bus->w.base | APIC_BASE_ENABLE |
		  (l->w.bsp ? APIC_BASE_BSP : 0);
	lapic_clear(l);
	if (l->w.bsp && l->w.extint)
		l->lvt[LVT_LINT0] = APIC_EXTINT << 8;
	lapic_update(l);
}

static void lapic_cpu_init(struct device *d, unsigned cpu)
{
	struct lapic *l = container_of(d, struct lapic, dev);

	if (cpu != l->w.id)
		return;
	lapic_clear(l);
	lapic_update(l);
}

static int lapic_loaded(struct device *d)
{
	struct lapic *l = container_of(d, struct lapic, dev);

	if (lapic_is_x2apic(l) && !lapic_is_enabled(l))
		return -EINVAL;
	if (!!(l->base & APIC_BASE_BSP) != l->w.bsp ||
	    (l->base & ~(APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE |
			 (BIT64(l->w.phys_bits) - PAGE_SIZE))))
		return -EINVAL;
	/* Vectors 0 to 15 cannot be accepted. */
	if ((l->isr[0] | l->irr[0] | l->tmr[0]) & 0xffff)
		return -EINVAL;
	if ((l->pv_eoi_msr & 2) ||
	    (l->pv_eoi_offered && !(l->pv_eoi_msr & 1)))
		return -EINVAL;
	if ((l->svr & ~SVR_WRITABLE) || (l->timer_divide & ~0xb))
		return -EINVAL;
	for (unsigned i = 0; i < LVT_COUNT; i++)
		if (l->lvt[i] & ~lapic_lvt_writable_tab[i])
			return -EINVAL;
	lapic_timer_loaded(l);
	lapic_update(l);
	return 0;
}

static void lapic_fini(struct device *d)
{
	struct lapic *l = container_of(d, struct lapic, dev);

	if (l->timer.clock)
		timer_arm(&l->timer, CLOCK_NEVER);
}

void lapic_init(struct lapic *l, const struct lapic_wiring *w)
{
	l->w = *w;
	l->lint[0] = l->lint[1] = false;
	timer_init(&l->timer, w->clock, lapic_timer_fired, l);
	apic_bus_add(w->bus, l);
	lapic_reset(&l->dev);
}

static const struct field lapic_fields[] = {
	FIELD(struct lapic, base, FIELD_U64, 1),
	FIELD(struct lapic, tpr, FIELD_U8, 1),
	FIELD(struct lapic, ldr, FIELD_U32, 1),
	FIELD(struct lapic, dfr, FIELD_U32, 1),
	FIELD(struct lapic, svr, FIELD_U32, 1),
	FIELD_ARRAY(struct lapic, isr, FIELD_U32, 1),
	FIELD_ARRAY(struct lapic, tmr, FIELD_U32, 1),
	FIELD_ARRAY(struct lapic, irr, FIELD_U32, 1),
	FIELD(struct lapic, esr, FIELD_U32, 1),
	FIELD(struct lapic, esr_new, FIELD_U32, 1),
	FIELD(struct lapic, icr, FIELD_U64, 1),
	FIELD_ARRAY(struct lapic, lvt, FIELD_U32, 1),
	FIELD_ARRAY(struct lapic, lint, FIELD_BOOL, 1),
	FIELD(struct lapic, timer_initial, FIELD_U32, 1),
	FIELD(struct lapic, timer_divide, FIELD_U8, 1),
	FIELD(struct lapic, timer_start_ns, FIELD_U64, 1),
	FIELD(struct lapic, deadline_tsc, FIELD_U64, 1),
	FIELD(struct lapic, timer, FIELD_TIMER, 1),
	FIELD(struct lapic, pv_eoi_msr, FIELD_U64, 1),
	FIELD(struct lapic, pv_eoi_offered, FIELD_BOOL, 1),
	FIELD_END,
};

const struct device_class lapic_class = {
	.name = "lapic",
	.version = 1,
	.bytes = sizeof(struct lapic),
	.fields = lapic_fields,
	.reset = lapic_reset,
	.loaded = lapic_loaded,
	.fini = lapic_fini,
	.cpu_init = lapic_cpu_init,
};
