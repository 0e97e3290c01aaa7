/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug_port.c - the "port E9 hack" of Bochs: bytes written appear on a
 * console, and reading gives the port's own number, by which programs know
 * that it is there. Beside it a port that ends the machine, for tests. They
 * have no state.
 */
#include "dev/debug_port.h"

#include "base/trace.h"
#include "dev/isa8.h"

#define PRESENT 0xe9

static u8 console_read8(void *dev, u64 offset)
{
	return PRESENT;
}

static void console_write8(void *dev, u64 offset, u8 v)
{
	struct debug_port *p = dev;
	struct console *c = p->w.console;

	if (c && c->ops->write)
		c->ops->write(c, &v, 1);
}

static u64 console_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, console_read8);
}

static void console_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, console_write8);
}

static u64 exit_read(void *dev, u64 offset, unsigned bytes)
{
	return 0;
}

static void exit_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	struct debug_port *p = dev;

	TRACE(VM, "debug exit: %u", (u32)v);
	p->w.exit(p->w.exit_ctx, (u32)v);
}

static const struct bus_ops console_ops = { console_read, console_write };
static const struct bus_ops exit_ops = { exit_read, exit_write };

void debug_port_init(struct debug_port *p, const struct debug_port_wiring *w)
{
	p->w = *w;
	p->range[0] = (struct bus_range){ .first = w->console_port,
					  .bytes = 1,
					  .ops = &console_ops,
					  .dev = p,
					  .name = "debug console" };
	p->range[1] = (struct bus_range){ .first = w->exit_port,
					  .bytes = 4,
					  .ops = &exit_ops,
					  .dev = p,
					  .name = "debug exit" };
	bus_add(w->pio, &p->range[0]);
	if (w->exit)
		bus_add(w->pio, &p->range[1]);
}

static const struct field debug_port_fields[] = {
	FIELD_END,
};

const struct device_class debug_port_class = {
	.name = "debug_port",
	.version = 1,
	.bytes = sizeof(struct debug_port),
	.fields = debug_port_fields,
};
