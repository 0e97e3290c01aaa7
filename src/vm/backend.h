/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend.h - the monitor's half of split devices: what a device asks of a
 * disk, a console, a source of randomness.
 */
#ifndef DOPPEL_VM_BACKEND_H
#define DOPPEL_VM_BACKEND_H

#include "base/base.h"

/* A run of memory; laid out as Linux's struct iovec. */
struct iov {
	void *base;
	size_t len;
};

/* --- console --- bytes to and from a person or a file. */
struct console {
	const struct console_ops *ops;
	/* Set by the device: input has arrived, or is wanted again. Called
	 * with the device lock held. */
	void (*input)(void *dev, const u8 *p, size_t n);
	/* How many bytes of input the device can take now. */
	size_t (*room)(void *dev);
	void *dev;
};

struct console_ops {
	/* Never blocks for long; takes all bytes (a back end buffers). */
	void (*write)(struct console *c, const u8 *p, size_t n);
	/* The device has room again: input may be sent. */
	void (*ready)(struct console *c);
};

/* --- disk --- */
#define DISK_SECTOR 512u

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH };

struct disk_request {
	enum disk_op op;
	u64 offset; /* bytes, a multiple of DISK_SECTOR */
	struct iov *iov; /* valid until done; their sum is whole sectors */
	unsigned iov_count;
	/* Called once with 0 or a negative errno: with the device lock held,
	 * from any thread, perhaps before submit returns. It may submit this
	 * request again, changed, or others. */
	void (*done)(struct disk_request *r, int status);
	struct disk_request *next; /* the back end's */
	u64 progress; /* the back end's */
};

struct disk {
	const struct disk_ops *ops;
	u64 bytes; /* a multiple of DISK_SECTOR */
	bool readonly;
};

struct disk_ops {
	/* With the device lock held. Flush completes after all writes that
	 * completed before it are on stable storage. */
	void (*submit)(struct disk *d, struct disk_request *r);
	/* With the device lock held, which it lets go of while it waits:
	 * returns when nothing is under way. For resets and saving. */
	void (*drain)(struct disk *d);
	/* Waits for everything under way, then frees. Without the device
	 * lock; the device must still exist. */
	void (*close)(struct disk *d);
};

/* --- entropy --- */
struct entropy {
	/* Fills @n bytes, never blocks; 0 or a negative errno. */
	int (*fill)(struct entropy *e, void *p, size_t n);
};

#endif
