/* SPDX-License-Identifier: Apache-2.0 */
/* pic.h - the PC's pair of 8259A interrupt controllers. */
#ifndef DOPPEL_DEV_PIC_H
#define DOPPEL_DEV_PIC_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/device.h"
#include "vm/irq.h"

struct pic_wiring {
	struct bus *pio;
	u16 master_port, slave_port, elcr_port;
	struct irq_line intr; /* the master's INT output */
};

struct pic_chip {
	u8 lines; /* input levels */
	u8 irr; /* edges latched and not acknowledged yet */
	u8 imr, isr;
	u8 elcr; /* bit n: input n is level-triggered */
	u8 base; /* vector of input 0 */
	u8 lowest; /* the input that has the lowest priority now */
	u8 init_step; /* the ICW expected next; 0: initialized */
	bool wants_icw4, single;
	bool auto_eoi, rotate_on_aeoi;
	bool special_mask, special_nested;
	bool poll, read_isr;
};

struct pic {
	struct device dev;
	struct pic_wiring w;
	struct bus_range range[3];
	struct pic_chip chip[2]; /* master, slave */
};

extern const struct device_class pic_class;

void pic_init(struct pic *p, const struct pic_wiring *w);

/* Input @irq, 0 to 15; 2 is the cascade and goes nowhere. */
void pic_set(void *pic, unsigned irq, bool level);

/* The two INTA cycles: the vector of the highest request, or the spurious
 * one (input 7's) if it has gone. */
int pic_ack(void *pic);

#endif
