/* SPDX-License-Identifier: Apache-2.0 */
/* uart.h - a 16550A serial port. */
#ifndef DOPPEL_DEV_UART_H
#define DOPPEL_DEV_UART_H

#include "base/base.h"
#include "vm/backend.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/irq.h"

#define UART_FIFO 16

struct uart_wiring {
	struct bus *pio;
	u16 port;
	struct irq_line irq;
	struct clock *clock;
	struct console *console; /* NULL: nothing is plugged in */
};

struct uart {
	struct device dev;
	struct uart_wiring w;
	struct bus_range range;

	u8 ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	u8 lsr_errors; /* what reading LSR clears */
	bool thre_pending; /* THR became empty; IIR has not told yet */
	bool timeout_pending; /* bytes have waited below the trigger level */
	u8 rx[UART_FIFO]; /* a ring */
	u8 rx_head, rx_count;
	struct timer timeout;
};

extern const struct device_class uart_class;

/* Takes the console's input side. */
void uart_init(struct uart *u, const struct uart_wiring *w);

#endif
