/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.h - the guest's output on its way to a file descriptor: a buffer that
 * virtual CPUs fill and a thread empties, so that a slow reader or a stopped
 * terminal does not stop the machine.
 *
 * Bytes leave in their order, a couple of milliseconds after they came at the
 * latest, and in few, large writes. A guest that is far ahead of its reader is
 * slowed down; none of its output is dropped.
 */
#ifndef DOPPEL_CMD_OUTBOX_H
#define DOPPEL_CMD_OUTBOX_H

#include "base/base.h"
#include "base/err.h"
#include "host/host.h"

struct outbox {
	int fd;
	struct host_mutex lock; /* all below, but for events and thread */
	u8 *ring;
	u64 added, written; /* bytes, ever; their difference is in the ring */
	u64 lost;
	u8 last; /* the byte added last */
	bool ending, finished;
	bool hurried; /* atomic */
	int error; /* errno of a write that failed: the rest is dropped */
	struct host_event more, room, done;
	struct host_thread *thread;

	/* On the outbox's thread, after the first error. */
	void (*failed)(void *arg);
	void *failed_arg;
};

/* Starts the thread. */
int outbox_init(struct outbox *o, int fd, void (*failed)(void *arg), void *arg,
		struct err *e) MUST_CHECK;

/* Any thread. May wait for some milliseconds, no more. Leaves vector registers
 * alone (host.h), which may be the guest's. */
void outbox_add(struct outbox *o, const u8 *p, size_t n);

/*
 * Waits until everything is written or writing has failed; nothing may be
 * added any more. Returns 0, -ETIMEDOUT when there was a hurry, or the negative
 * errno of what failed.
 */
int outbox_finish(struct outbox *o);
/* From now on outbox_finish waits for a second at most. Any thread. */
void outbox_hurry(struct outbox *o);

/* Finishes first if that was not done; zeroes are fine. */
void outbox_fini(struct outbox *o);

#endif
