/* SPDX-License-Identifier: Apache-2.0 */
/* rtc.h - the MC146818 real-time clock and its CMOS memory. */
#ifndef DOPPEL_DEV_RTC_H
#define DOPPEL_DEV_RTC_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"

#define RTC_CMOS_BYTES 128

struct rtc_wiring {
	struct bus *pio;
	u16 port; /* index; data is the next */
	u8 century; /* where the century is kept: FADT CENTURY */
	struct irq_line irq;
	struct clock *clock;
};

struct rtc {
	struct device dev;
	struct rtc_wiring w;
	struct bus_range range;

	u8 index; /* bit 7: NMI is masked */
	u8 cmos[RTC_CMOS_BYTES]; /* time only while the clock stands still */
	/* The guest's time is the host's plus both: offset_s in two's
	 * complement, phase_ns less than a second. */
	u64 offset_s;
	u32 phase_ns;
	u64 seen_s; /* guest second up to which C has its flags */
	u64 seen_tick; /* the same for the periodic flag */
	struct timer timer; /* the next interrupt */
};

extern const struct device_class rtc_class;

/* Starts with the host's time, as UTC. */
void rtc_init(struct rtc *r, const struct rtc_wiring *w);

/* For the wiring: what firmware finds in CMOS (memory size and the like);
 * @index 14 to 127. */
void rtc_set_cmos(struct rtc *r, unsigned index, u8 v);

#endif
