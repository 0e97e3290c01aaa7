/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.c - see serial.h. Built without vector instructions: the console's
 * functions run in the middle of the guest's code.
 */
#include "cmd/serial.h"

#include <sys/eventfd.h>

static void console_write(struct console *c, const u8 *p, size_t n)
{
	struct serial *s = container_of(c, struct serial, console);

	outbox_add(&s->out, p, n);
}

/* Gives the device what it has room for. */
static void deliver(struct serial *s)
{
	const struct console *c = &s->console;

	while (s->count) {
		size_t n = min_u64(c->room(c->dev), s->count);

		n = min_u64(n, SERIAL_KEYS - s->first);
		if (!n)
			break;
		c->input(c->dev, s->keys + s->first, n);
		s->first = (unsigned)(s->first + n) % SERIAL_KEYS;
		s->count -= (unsigned)n;
	}
	if (s->wanted && s->count <= SERIAL_KEYS / 2) {
		s->wanted = false;
		eventfd_write(s->wake_fd, 1);
	}
}

static void console_ready(struct console *c)
{
	deliver(container_of(c, struct serial, console));
}

static const struct console_ops console_ops = { console_write, console_ready };

void serial_init(struct serial *s, int wake_fd)
{
	s->console.ops = &console_ops;
	s->first = s->count = 0;
	s->wanted = false;
	s->wake_fd = wake_fd;
}

size_t serial_room(struct serial *s)
{
	s->wanted = s->count == SERIAL_KEYS;
	return SERIAL_KEYS - s->count;
}

void serial_send(struct serial *s, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n && s->count < SERIAL_KEYS; i++)
		s->keys[(s->first + s->count++) % SERIAL_KEYS] = p[i];
	deliver(s);
}
