/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file.c - requests on a raw file or block device: see disk_file.h.
 *
 * Waking a thread on another core costs far more than copying a few pages, so
 * a transfer is first tried at once by the thread that submits it, a vCPU's:
 *
 *  - with RWF_NOWAIT, which moves what the page cache can serve;
 *  - where the host cannot do that: small writes into the page cache, which
 *    hardly ever wait, and everything on a file system in memory.
 *
 * What remains, and every flush, is left to one worker thread. The queue to it
 * and the counts are protected by the device lock, which both sides hold
 * anyway when they submit and complete.
 *
 * A request that the worker takes is cut into pieces, between which it looks
 * whether the disk is being closed: a guest may ask for transfers of any size.
 */
#include "backend/disk_file.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backend/disk_image.h"
#include "base/trace.h"

/* MIRRORS: struct iovec, which preadv2 and pwritev2 take. */
_Static_assert(sizeof(struct iov) == sizeof(struct iovec) &&
		       offsetof(struct iov, base) ==
			       offsetof(struct iovec, iov_base) &&
		       offsetof(struct iov, len) ==
			       offsetof(struct iovec, iov_len),
	       "struct iov is not struct iovec");

#define INLINE_MAX KiB(256) /* bytes that a vCPU may copy itself */
#define INLINE_BLIND_MAX KiB(64) /* without RWF_NOWAIT */
#define PIECE_MAX MiB(4)
#define PIECE_IOVS 64

struct disk_file {
	struct disk disk;
	struct disk_image image;
	struct host_mutex *lock;

	/* With the device lock held. */
	struct disk_request *first, **last;
	unsigned under_way; /* given to the worker and not done */
	bool closing;
	bool draining;
	bool nowait[2]; /* RWF_NOWAIT works for reads, writes */

	struct host_thread *worker;
	struct host_event work, idle;
};

static u64 request_bytes(const struct disk_request *r)
{
	u64 bytes = 0;

	for (unsigned i = 0; i < r->iov_count; i++)
		bytes += r->iov[i].len;
	return bytes;
}

/* One system call's worth: bytes moved, 0 at the end of the file, -errno. */
static s64 transfer(const struct disk_file *f, enum disk_op op,
		    const struct iovec *iov, unsigned count, u64 offset,
		    int flags)
{
	ssize_t n;

	do {
		n = op == DISK_READ ?
			    preadv2(f->image.fd, iov, (int)count,
				    (off_t)offset, flags) :
			    pwritev2(f->image.fd, iov, (int)count,
				     (off_t)offset, flags);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/*
 * Fills @out with the next part of @r behind what is done, at most @max bytes.
 * The request's own array stays as it is: the device looks at it again.
 */
static unsigned next_piece(const struct disk_request *r, struct iovec *out,
			   u64 max)
{
	u64 skip = r->progress;
	unsigned n = 0;

	for (unsigned i = 0; i < r->iov_count && n < PIECE_IOVS && max; i++) {
		const struct iov *v = &r->iov[i];
		u64 part;

		if (skip >= v->len) {
			skip -= v->len;
			continue;
		}
		part = min_u64(v->len - skip, max);
		out[n++] = (struct iovec){ (u8 *)v->base + skip, part };
		max -= part;
		skip = 0;
	}
	return n;
}

/* --- at once --- */

enum { DONE, LEFT };

static bool is_unsupported(s64 code)
{
	return code == -EOPNOTSUPP || code == -ENOSYS || code == -EINVAL;
}

/* Tries to finish @r without waiting. LEFT: the worker goes on from
 * r->progress; else @status is the result. */
static int try_now(struct disk_file *f, struct disk_request *r, int *status)
{
	bool writes = r->op == DISK_WRITE;
	u64 bytes = request_bytes(r);
	u64 max = INLINE_MAX;
	int flags = RWF_NOWAIT;
	s64 n;

	*status = 0;
	if (!bytes)
		return DONE;
	if (!f->nowait[writes]) {
		if (!f->image.in_memory) {
			if (!writes)
				return LEFT;
			max = INLINE_BLIND_MAX;
		}
		flags = 0;
	}
	if (bytes > max || r->iov_count > IOV_MAX)
		return LEFT;
	n = transfer(f, r->op, (const struct iovec *)r->iov, r->iov_count,
		     r->offset, flags);
	if (n < 0 && flags && is_unsupported(n)) {
		f->nowait[writes] = false;
		return try_now(f, r, status);
	}
	if (n > 0)
		r->progress = (u64)n;
	/* Everything odd is looked at again by the worker, which waits. */
	return r->progress == bytes ? DONE : LEFT;
}

/* --- by the worker --- */

static int transfer_all(struct disk_file *f, struct disk_request *r)
{
	u64 bytes = request_bytes(r);

	for (unsigned i = 0; r->progress < bytes; i++) {
		struct iovec iov[PIECE_IOVS];
		unsigned count = next_piece(r, iov, PIECE_MAX);
		s64 n;

		/* What any driver asks for is done in the first piece. */
		if (i && __atomic_load_n(&f->closing, __ATOMIC_RELAXED))
			return -EIO;
		n = transfer(f, r->op, iov, count, r->offset + r->progress, 0);
		if (n < 0)
			return (int)n;
		/* The file has become shorter, or the device is full. */
		if (n == 0)
			return -EIO;
		r->progress += (u64)n;
	}
	return 0;
}

static int work(struct disk_file *f, struct disk_request *r)
{
	if (r->op != DISK_FLUSH)
		return transfer_all(f, r);
	/* The size of the file never changes by us, so its data and what is
	 * needed to find them are all that counts. */
	return fdatasync(f->image.fd) ? -errno : 0;
}

static struct disk_request *take(struct disk_file *f)
{
	struct disk_request *r = f->first;

	if (r) {
		f->first = r->next;
		if (!f->first)
			f->last = &f->first;
	}
	return r;
}

static void worker(void *arg)
{
	struct disk_file *f = arg;

	host_mutex_lock(f->lock);
	for (;;) {
		struct disk_request *r = take(f);
		int status;

		if (!r && f->closing)
			break;
		host_mutex_unlock(f->lock);
		if (!r) {
			host_event_wait(&f->work, ~0ull);
			host_mutex_lock(f->lock);
			continue;
		}
		status = work(f, r);
		host_mutex_lock(f->lock);
		if (status)
			TRACE(BLOCK, "op %d at 0x%llx fails: errno %d",
			      (int)r->op, (unsigned long long)r->offset,
			      -status);
		f->under_way--;
		r->done(r, status);
		if (!f->under_way && f->draining)
			host_event_set(&f->idle);
	}
	host_mutex_unlock(f->lock);
}

static void leave_to_worker(struct disk_file *f, struct disk_request *r)
{
	bool was_empty = !f->first;

	r->next = NULL;
	*f->last = r;
	f->last = &r->next;
	f->under_way++;
	/* Else it is awake, and looks again before it sleeps. */
	if (was_empty)
		host_event_set(&f->work);
}

/* --- disk_ops --- */

static struct disk_file *file_of(struct disk *d)
{
	return container_of(d, struct disk_file, disk);
}

static bool is_sane(const struct disk *d, const struct disk_request *r)
{
	u64 bytes = request_bytes(r);

	return (r->op == DISK_READ || !d->readonly) &&
	       r->offset <= d->bytes && bytes <= d->bytes - r->offset;
}

static void submit(struct disk *d, struct disk_request *r)
{
	struct disk_file *f = file_of(d);
	int status;

	r->progress = 0;
	if (r->op == DISK_FLUSH && d->readonly) {
		r->done(r, 0);
		return;
	}
	if (r->op != DISK_FLUSH) {
		if (!is_sane(d, r)) {
			r->done(r, -EINVAL);
			return;
		}
		if (try_now(f, r, &status) == DONE) {
			r->done(r, status);
			return;
		}
	}
	leave_to_worker(f, r);
}

static void drain(struct disk *d)
{
	struct disk_file *f = file_of(d);

	f->draining = true;
	while (f->under_way) {
		host_mutex_unlock(f->lock);
		host_event_wait(&f->idle, ~0ull);
		host_mutex_lock(f->lock);
	}
	f->draining = false;
}

static void close_disk(struct disk *d)
{
	struct disk_file *f = file_of(d);

	host_mutex_lock(f->lock);
	__atomic_store_n(&f->closing, true, __ATOMIC_RELAXED);
	host_mutex_unlock(f->lock);
	host_event_set(&f->work);
	host_thread_join(f->worker);
	close(f->image.fd);
	host_free(f);
}

static const struct disk_ops ops = {
	.submit = submit,
	.drain = drain,
	.close = close_disk,
};

int disk_file_open(struct disk **d, const struct disk_file_config *c,
		   struct err *e)
{
	struct disk_file *f = host_alloc(sizeof(*f));
	int r;

	*d = NULL;
	if (!f)
		return err_set(e, -ENOMEM, "not enough memory for a disk");
	r = disk_image_open(&f->image, c->path, c->readonly, e);
	if (r)
		goto fail_open;
	f->disk = (struct disk){ .ops = &ops, .bytes = f->image.bytes,
				 .readonly = c->readonly };
	f->lock = c->lock;
	f->last = &f->first;
	f->nowait[0] = f->nowait[1] = true;
	host_event_init(&f->work);
	host_event_init(&f->idle);
	r = host_thread_create(&f->worker, "disk", worker, f);
	if (r) {
		err_set(e, r, "cannot start a thread for the disk %s: %s",
			c->path, strerror(-r));
		goto fail_thread;
	}
	*d = &f->disk;
	return 0;

fail_thread:
	close(f->image.fd);
fail_open:
	host_free(f);
	return r;
}
