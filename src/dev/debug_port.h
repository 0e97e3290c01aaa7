/* SPDX-License-Identifier: Apache-2.0 */
/* debug_port.h - ports for firmware and tests: a console at 0xe9, and a port
 * that ends the machine with a value. */
#ifndef DOPPEL_DEV_DEBUG_PORT_H
#define DOPPEL_DEV_DEBUG_PORT_H

#include "base/base.h"
#include "vm/backend.h"
#include "vm/bus.h"
#include "vm/device.h"

struct debug_port_wiring {
	struct bus *pio;
	u16 console_port, exit_port;
	struct console *console; /* NULL: what is written vanishes */
	/* NULL: there is no exit port. */
	void (*exit)(void *ctx, u32 value);
	void *exit_ctx;
};

struct debug_port {
	struct device dev;
	struct debug_port_wiring w;
	struct bus_range range[2];
};

extern const struct device_class debug_port_class;

void debug_port_init(struct debug_port *p, const struct debug_port_wiring *w);

#endif
