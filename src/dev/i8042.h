/* SPDX-License-Identifier: Apache-2.0 */
/* i8042.h - the PC's keyboard controller, its keyboard, and port 0x92. */
#ifndef DOPPEL_DEV_I8042_H
#define DOPPEL_DEV_I8042_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/device.h"
#include "vm/irq.h"

struct i8042_wiring {
	struct bus *pio;
	u16 data_port, command_port, a20_port;
	struct irq_line irq; /* of the keyboard */
	void (*reset)(void *ctx); /* the processor's reset line was pulsed */
	void *reset_ctx;
};

#define I8042_QUEUE 8

struct i8042 {
	struct device dev;
	struct i8042_wiring w;
	struct bus_range range[3];

	u8 status; /* OBF follows from @count */
	u8 config; /* the command byte */
	u8 output_port;
	u8 fast; /* port 0x92 as written */
	u8 command; /* waits for its data byte; 0: none */
	u8 key_command; /* of the keyboard, likewise */
	u8 queue[I8042_QUEUE]; /* bytes for the data port */
	u8 head, count;
};

extern const struct device_class i8042_class;

void i8042_init(struct i8042 *k, const struct i8042_wiring *w);

#endif
