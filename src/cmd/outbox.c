/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox.c - see outbox.h. This file is built without vector instructions:
 * outbox_add runs in the middle of the guest's code.
 *
 * Waking the thread is dear and output comes a byte at a time, so the thread
 * is woken by the first byte only, and then waits for company.
 */
#include "cmd/outbox.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/fmt.h"

#define RING_BYTES MiB(64) /* committed as it is touched */
#define PLENTY KiB(16) /* worth a write at once */
#define TOO_MUCH MiB(1) /* from here on the guest is slowed down */
#define COMPANY_NS 2000000ull
#define SLOW_NS 10000000ull /* per outbox_add */
#define HURRY_NS 1000000000ull

static u64 backlog(const struct outbox *o)
{
	return o->added - o->written;
}

void outbox_add(struct outbox *o, const u8 *p, size_t n)
{
	u64 before, after;

	host_mutex_lock(&o->lock);
	before = backlog(o);
	if (before >= TOO_MUCH && !o->error) {
		u64 until = host_now_ns() + SLOW_NS;

		host_mutex_unlock(&o->lock);
		host_event_wait(&o->room, until);
		host_mutex_lock(&o->lock);
		before = backlog(o);
	}
	if (n)
		o->last = p[n - 1];
	if (o->error) {
		n = 0;
	} else if (n > RING_BYTES - before) {
		/* Days of output that nobody has read. */
		o->lost += n - (RING_BYTES - before);
		n = RING_BYTES - before;
	}
	while (n) {
		u64 at = o->added % RING_BYTES;
		size_t chunk = min_u64(n, RING_BYTES - at);

		copy_bytes(o->ring + at, p, chunk);
		o->added += chunk;
		p += chunk;
		n -= chunk;
	}
	after = backlog(o);
	host_mutex_unlock(&o->lock);
	if ((!before && after) || (before < PLENTY && after >= PLENTY))
		host_event_set(&o->more);
}

/* Returns how much was written, or a negative errno. */
static ssize_t write_some(int fd, const u8 *p, size_t n)
{
	for (;;) {
		ssize_t r = write(fd, p, n);

		if (r >= 0)
			return r;
		if (errno == EAGAIN) {
			/* Somebody we share it with made it so. */
			struct pollfd f = { .fd = fd, .events = POLLOUT };

			poll(&f, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

static void fail(struct outbox *o, int error)
{
	o->error = error;
	o->written = o->added;
	host_mutex_unlock(&o->lock);
	host_event_set(&o->room);
	o->failed(o->failed_arg);
	host_mutex_lock(&o->lock);
}

static void outbox_thread(void *arg)
{
	struct outbox *o = arg;

	host_mutex_lock(&o->lock);
	for (;;) {
		u64 at = o->written % RING_BYTES, n = backlog(o);
		ssize_t r;

		if (!n && o->ending)
			break;
		host_mutex_unlock(&o->lock);
		if (!n) {
			host_event_wait(&o->more, ~0ull);
			/* The end is news, too, and cuts this short. */
			host_event_wait(&o->more, host_now_ns() + COMPANY_NS);
			host_mutex_lock(&o->lock);
			continue;
		}
		r = write_some(o->fd, o->ring + at,
			       min_u64(min_u64(n, RING_BYTES - at), KiB(64)));
		host_mutex_lock(&o->lock);
		if (r < 0)
			fail(o, (int)-r);
		else
			o->written += (u64)r;
		if (backlog(o) < TOO_MUCH)
			host_event_set(&o->room);
	}
	o->finished = true;
	host_mutex_unlock(&o->lock);
	host_event_set(&o->done);
}

int outbox_init(struct outbox *o, int fd, void (*failed)(void *arg), void *arg,
		struct err *e)
{
	int r;

	*o = (struct outbox){ .fd = fd, .failed = failed, .failed_arg = arg };
	o->ring = host_pages_alloc(RING_BYTES);
	if (!o->ring)
		return err_set(e, -ENOMEM, "no memory for the console");
	host_mutex_init(&o->lock);
	host_event_init(&o->more);
	host_event_init(&o->room);
	host_event_init(&o->done);
	o->last = '\n';
	r = host_thread_create(&o->thread, "console", outbox_thread, o);
	if (r) {
		host_pages_free(o->ring, RING_BYTES);
		o->ring = NULL;
		return err_set(e, r, "cannot start the console's thread");
	}
	return 0;
}

int outbox_finish(struct outbox *o)
{
	bool finished;
	int r;

	host_mutex_lock(&o->lock);
	o->ending = true;
	host_mutex_unlock(&o->lock);
	host_event_set(&o->more);
	do {
		bool hurried = __atomic_load_n(&o->hurried, __ATOMIC_ACQUIRE);
		bool told = host_event_wait(
			&o->done, hurried ? host_now_ns() + HURRY_NS : ~0ull);

		host_mutex_lock(&o->lock);
		finished = o->finished || !told;
		r = o->finished ? -o->error : -ETIMEDOUT;
		host_mutex_unlock(&o->lock);
	} while (!finished);
	if (r == -ETIMEDOUT)
		/* It hangs in a write and keeps its memory; the process is
		 * about to end. */
		o->thread = NULL;
	return r;
}

void outbox_hurry(struct outbox *o)
{
	__atomic_store_n(&o->hurried, true, __ATOMIC_RELEASE);
	/* If it is waited for: not done, but look again. */
	host_event_set(&o->done);
}

void outbox_fini(struct outbox *o)
{
	/* Zeroes, or given up by outbox_finish. */
	if (!o->thread)
		return;
	if (!o->ending && outbox_finish(o) == -ETIMEDOUT)
		return;
	host_thread_join(o->thread);
	host_mutex_fini(&o->lock);
	host_pages_free(o->ring, RING_BYTES);
	*o = (struct outbox){ 0 };
}
