/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_disk.h - a disk in memory for tests, which completes at once or when
 * the test says so, and fails on request.
 */
#ifndef DOPPEL_TEST_DEV_FAKE_DISK_H
#define DOPPEL_TEST_DEV_FAKE_DISK_H

#include <string.h>

#include "vm/backend.h"

#define FAKE_BYTES (64 * 1024)

struct fake_disk {
	struct disk disk;
	u8 data[FAKE_BYTES];
	bool later; /* requests wait for fake_disk_go */
	int fail; /* what the next transfers end with */
	struct disk_request *first, **last;
	unsigned requests, flushes, drains;
	/* Called at each request, as another processor at work meanwhile. */
	void (*meanwhile)(void *arg);
	void *arg;
};

static inline void fake_disk_do(struct fake_disk *f, struct disk_request *r)
{
	u8 *at = f->data + r->offset;

	if (r->op == DISK_FLUSH)
		f->flushes++;
	for (unsigned i = 0; !f->fail && i < r->iov_count; i++) {
		if (r->op == DISK_READ)
			memcpy(r->iov[i].base, at, r->iov[i].len);
		else
			memcpy(at, r->iov[i].base, r->iov[i].len);
		at += r->iov[i].len;
	}
	r->done(r, f->fail);
}

/* Completes what waits; returns how many. */
static inline unsigned fake_disk_go(struct fake_disk *f, unsigned max)
{
	unsigned n = 0;

	while (f->first && n < max) {
		struct disk_request *r = f->first;

		f->first = r->next;
		if (!f->first)
			f->last = &f->first;
		fake_disk_do(f, r);
		n++;
	}
	return n;
}

static inline void fake_disk_submit(struct disk *d, struct disk_request *r)
{
	struct fake_disk *f = container_of(d, struct fake_disk, disk);
	u64 bytes = 0;

	f->requests++;
	if (f->meanwhile)
		f->meanwhile(f->arg);
	for (unsigned i = 0; i < r->iov_count; i++)
		bytes += r->iov[i].len;
	if (r->offset % DISK_SECTOR || r->offset > FAKE_BYTES ||
	    bytes > FAKE_BYTES - r->offset || bytes % DISK_SECTOR) {
		r->done(r, -EINVAL);
		return;
	}
	if (!f->later) {
		fake_disk_do(f, r);
		return;
	}
	r->next = NULL;
	*f->last = r;
	f->last = &r->next;
}

static inline void fake_disk_drain(struct disk *d)
{
	struct fake_disk *f = container_of(d, struct fake_disk, disk);

	f->drains++;
	fake_disk_go(f, ~0u);
}

static inline void fake_disk_init(struct fake_disk *f)
{
	static const struct disk_ops ops = { .submit = fake_disk_submit,
					     .drain = fake_disk_drain };

	memset(f, 0, sizeof(*f));
	f->disk = (struct disk){ .ops = &ops, .bytes = FAKE_BYTES };
	f->last = &f->first;
	for (unsigned i = 0; i < FAKE_BYTES; i++)
		f->data[i] = (u8)(i * 7 + i / 512);
}

#endif
