/* SPDX-License-Identifier: Apache-2.0 */
/* lapic_impl.h - shared by lapic.c (delivery), lapic_regs.c (what software
 * sees) and lapic_timer.c. */
#ifndef DOPPEL_DEV_LAPIC_IMPL_H
#define DOPPEL_DEV_LAPIC_IMPL_H

#include "dev/lapic.h"

/* IA32_APIC_BASE. SDM 3A 10.12.1 "Detecting and Enabling x2APIC Mode" */
#define APIC_BASE_BSP BIT64(8)
#define APIC_BASE_X2APIC BIT64(10)
#define APIC_BASE_ENABLE BIT64(11)

#define SVR_ENABLE BIT(8)
#define SVR_WRITABLE 0x3ffu /* vector, enable, focus checking */

#define LVT_MASKED BIT(16)
#define LVT_MODE(v) ((v) >> 8 & 7)
#define LVT_VECTOR(v) ((u8)(v))
#define LVT_TIMER_MODE(v) ((v) >> 17 & 3)
#define TIMER_ONE_SHOT 0
#define TIMER_PERIODIC 1
#define TIMER_DEADLINE 2

/* ESR. SDM 3A 10.5.3 "Error Handling" */
#define ESR_SEND_ILLEGAL BIT(5)
#define ESR_RECEIVE_ILLEGAL BIT(6)
#define ESR_ILLEGAL_REGISTER BIT(7)

/*
 * What the processor's thread writes and senders look at, each word by itself:
 * base, svr, ldr, dfr, tpr, isr, lvt.
 */
#define SHARED_GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define SHARED_SET(field, v) __atomic_store_n(&(field), v, __ATOMIC_RELAXED)

extern const u32 lapic_lvt_writable_tab[LVT_COUNT];

static inline bool lapic_is_enabled(const struct lapic *l)
{
	return SHARED_GET(l->base) & APIC_BASE_ENABLE;
}

static inline bool lapic_is_x2apic(const struct lapic *l)
{
	return SHARED_GET(l->base) & APIC_BASE_X2APIC;
}

/* The x2APIC logical id: a cluster of 16 and a bit in it. */
static inline u32 lapic_x2apic_ldr(const struct lapic *l)
{
	return l->w.id >> 4 << 16 | BIT(l->w.id & 15);
}

/* Registers as after power-up or INIT; the mode stays. */
void lapic_clear(struct lapic *l);
/* Notices an end of interrupt that the guest left in its memory: before
 * anybody looks at what is in service. */
void lapic_settle(struct lapic *l);
/* The same, and makes the request say whether something can be delivered. */
void lapic_update(struct lapic *l);
/* A local source fires: its LVT entry says what that means. Any thread. */
void lapic_local(struct lapic *l, enum lapic_lvt source);
void lapic_error(struct lapic *l, u32 esr_bit); /* any thread */
void lapic_eoi(struct lapic *l);

/* --- lapic_pv_eoi.c --- */
/* The interrupt just delivered may be ended without the EOI register. */
void lapic_pv_eoi_offer(struct lapic *l);
/* Was one that had been offered ended so? The offer is over, either way. */
bool lapic_pv_eoi_taken(struct lapic *l);

/* --- lapic_timer.c --- */
void lapic_timer_fired(void *arg, u64 now_ns);
/* After anything of the timer's state has changed. */
void lapic_timer_rearm(struct lapic *l);
void lapic_timer_loaded(struct lapic *l);
void lapic_timer_set_initial(struct lapic *l, u32 v);
void lapic_timer_set_divide(struct lapic *l, u32 v);
void lapic_timer_set_lvt(struct lapic *l, u32 v);
void lapic_timer_set_deadline(struct lapic *l, u64 tsc);
u32 lapic_timer_current(const struct lapic *l);

#endif
