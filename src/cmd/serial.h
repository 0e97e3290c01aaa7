/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.h - the guest's side of the serial console: its output goes to an
 * outbox, its input comes from a ring of keys, from which the device helps
 * itself on the vCPU's own thread. Nobody else has to be woken for that.
 *
 * The ring belongs to whoever holds the device lock.
 */
#ifndef DOPPEL_CMD_SERIAL_H
#define DOPPEL_CMD_SERIAL_H

#include "base/base.h"
#include "cmd/outbox.h"
#include "vm/backend.h"

#define SERIAL_KEYS 4096u

struct serial {
	struct console console; /* to be wired to a serial port */
	struct outbox out;
	u8 keys[SERIAL_KEYS];
	unsigned first, count;
	/* Somebody wants room in the ring: wake_fd, an eventfd, tells of it. */
	bool wanted;
	int wake_fd;
};

/* .out is set up by itself (outbox_init). */
void serial_init(struct serial *s, int wake_fd);

/* How many keys the ring can take; if none, wake_fd will tell. With the device
 * lock held, as serial_send. */
size_t serial_room(struct serial *s);
/* Keys for the guest, no more than there is room for. */
void serial_send(struct serial *s, const u8 *p, size_t n);

#endif
