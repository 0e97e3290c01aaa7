/* SPDX-License-Identifier: Apache-2.0 */
/* ioapic.h - the I/O APIC: interrupt lines become interrupt messages. */
#ifndef DOPPEL_DEV_IOAPIC_H
#define DOPPEL_DEV_IOAPIC_H

#include "base/base.h"
#include "dev/apic_msg.h"
#include "vm/bus.h"
#include "vm/device.h"

#define IOAPIC_INPUTS 24

struct ioapic_wiring {
	struct bus *mmio;
	u64 base;
	struct apic_sink sink; /* where messages go */
};

struct ioapic {
	struct device dev;
	struct ioapic_wiring w;
	struct bus_range range;

	u8 id; /* 4 bits */
	u8 select; /* the register that the window shows */
	u32 lines; /* input levels */
	u64 redir[IOAPIC_INPUTS];
};

extern const struct device_class ioapic_class;

void ioapic_init(struct ioapic *a, const struct ioapic_wiring *w);

/* Input @gsi goes up or down (asserted or not: the polarity bit is only
 * remembered). Out of range is ignored. */
void ioapic_set(void *ioapic, unsigned gsi, bool level);

/* A processor has ended a level-triggered interrupt of @vector. */
void ioapic_eoi(void *ioapic, u8 vector);

#endif
