/* SPDX-License-Identifier: Apache-2.0 */
/* pit.h - the 8254 interval timer, with the PC's port 0x61 beside it. */
#ifndef DOPPEL_DEV_PIT_H
#define DOPPEL_DEV_PIT_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"

#define PIT_HZ 1193182u

struct pit_wiring {
	struct bus *pio;
	u16 port, speaker_port;
	struct irq_line irq; /* channel 0's output */
	struct clock *clock;
};

struct pit_channel {
	u8 mode; /* 0 to 5 */
	u8 access; /* 1 low byte, 2 high byte, 3 low then high */
	bool bcd;
	bool gate;
	bool write_high, read_high; /* the second byte of access 3 is next */
	u8 write_low; /* the first byte */
	bool latched; /* @latch holds what reads give */
	u16 latch;
	bool status_latched;
	u8 status;
	bool null_count; /* a count was not yet written, or not yet loaded */

	bool running; /* @start_ns and @count are in force */
	u32 count; /* 1 to 65536 */
	u32 next_count; /* modes 2, 3: in force from the next period on; or 0 */
	u64 start_ns; /* VM time of the load */
	u64 held_ticks; /* gate low in modes 0 and 4: what had gone by */
};

struct pit {
	struct device dev;
	struct pit_wiring w;
	struct bus_range range[2];

	struct pit_channel ch[3];
	u8 speaker; /* bits 0 to 3 of port 0x61 as written */
	struct timer timer; /* channel 0's next rising edge */
};

extern const struct device_class pit_class;

void pit_init(struct pit *p, const struct pit_wiring *w);

#endif
