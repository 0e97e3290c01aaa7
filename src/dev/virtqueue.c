/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue.c - split virtqueues: see virtqueue.h.
 *
 * Layout (VIRTIO 1.2, 2.7.5 to 2.7.8), all little-endian:
 *   descriptors  { u64 addr; u32 len; u16 flags; u16 next } [size]
 *   available    u16 flags, idx, ring[size], used_event
 *   used         u16 flags, idx; { u32 id, len } ring[size]; u16 avail_event
 *
 * A descriptor's buffer must be RAM, and RAM that is contiguous for the guest
 * is contiguous here (gmem.h), so each becomes at most one iov.
 */
#include "dev/virtqueue.h"

#include "base/err.h"
#include "base/fmt.h"

struct virtq_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
} __attribute__((packed)); /* GUEST: an indirect table lies anywhere */

#define DESC_NEXT BIT(0)
#define DESC_WRITE BIT(1)
#define DESC_INDIRECT BIT(2)

#define AVAIL_NO_INTERRUPT BIT(0)

/* The avail and used rings as arrays of u16. */
#define RING_IDX 1
#define RING_FIRST 2

static u64 avail_bytes(const struct virtqueue *q)
{
	return 6 + 2ull * q->size;
}

static u64 used_bytes(const struct virtqueue *q)
{
	return 6 + 8ull * q->size;
}

static int broken(struct virtqueue *q, const char *why)
{
	q->why = why;
	return -EINVAL;
}

void virtq_init(struct virtqueue *q, struct gmem *mem)
{
	fill_bytes(q, 0, sizeof(*q));
	q->mem = mem;
	virtq_reset(q);
}

void virtq_reset(struct virtqueue *q)
{
	struct gmem *mem = q->mem;

	*q = (struct virtqueue){ .mem = mem, .size = VIRTQ_MAX_SIZE };
}

int virtq_enable(struct virtqueue *q, bool indirect, bool event_idx)
{
	if (!q->size || q->size > VIRTQ_MAX_SIZE || (q->size & (q->size - 1)))
		return broken(q, "size is not a power of two");
	if (q->desc_gpa % 16 || q->avail_gpa % 2 || q->used_gpa % 4)
		return broken(q, "a ring is not aligned");
	q->desc = (void *)gmem_hva(q->mem, q->desc_gpa, 16ull * q->size);
	q->avail = (void *)gmem_hva(q->mem, q->avail_gpa, avail_bytes(q));
	q->used = (void *)gmem_hva(q->mem, q->used_gpa, used_bytes(q));
	if (!q->desc || !q->avail || !q->used)
		return broken(q, "a ring is outside RAM");
	q->indirect = indirect;
	q->event_idx = event_idx;
	q->enabled = true;
	return 0;
}

void virtq_written(const struct virtqueue *q, const void *p, u64 len)
{
	const struct gmem *m = q->mem;
	u64 offset = (u64)((const u8 *)p - m->ram);

	if (offset >= m->low_bytes)
		offset += GMEM_HIGH_BASE - m->low_bytes;
	gmem_written(q->mem, offset, len);
}

/* --- taking chains --- */

/* A walk along one chain. */
struct walk {
	const volatile struct virtq_desc *table;
	unsigned count; /* of descriptors in the table */
	unsigned left; /* before the chain must be a loop */
	unsigned at;
	bool indirect; /* the table is an indirect one */
	gpa_t end; /* of the last buffer */
	bool writable; /* the last buffer is */
};

static struct virtq_desc load_desc(const volatile struct virtq_desc *d)
{
	return (struct virtq_desc){ d->addr, d->len, d->flags, d->next };
}

static int add_buffer(struct virtqueue *q, struct virtq_chain *c,
		      struct walk *w, const struct virtq_desc *d)
{
	bool writable = d->flags & DESC_WRITE;
	unsigned n = c->in_end;
	hva_t p;

	if (w->writable && !writable)
		return broken(q, "a readable buffer follows a writable one");
	if (!d->len)
		return 0;
	p = gmem_hva(q->mem, d->addr, d->len);
	if (!p)
		return broken(q, "a buffer is outside RAM");
	if (n && d->addr == w->end && writable == w->writable) {
		c->iov[n - 1].len += d->len;
	} else {
		if (n == VIRTQ_MAX_SEGS)
			return broken(q, "a chain is too long");
		c->iov[n] = (struct iov){ p, d->len };
		c->in_end++;
	}
	if (writable) {
		c->in_bytes += d->len;
	} else {
		c->out_bytes += d->len;
		c->out_end = c->in = c->in_end;
	}
	w->end = d->addr + d->len;
	w->writable = writable;
	return 0;
}

/* 2.7.5.3 "Indirect Descriptors". */
static int enter_indirect(struct virtqueue *q, struct walk *w,
			  const struct virtq_desc *d)
{
	if (!q->indirect)
		return broken(q, "an indirect table was not negotiated");
	if (w->indirect)
		return broken(q, "an indirect table in an indirect table");
	if (d->flags & DESC_NEXT)
		return broken(q, "a chain goes on behind an indirect table");
	if (!d->len || d->len % 16 || d->len / 16 > VIRTQ_MAX_SEGS)
		return broken(q, "an indirect table has a wrong size");
	w->table = (void *)gmem_hva(q->mem, d->addr, d->len);
	if (!w->table)
		return broken(q, "an indirect table is outside RAM");
	w->count = w->left = d->len / 16;
	w->at = 0;
	w->indirect = true;
	return 0;
}

static int walk_chain(struct virtqueue *q, struct virtq_chain *c)
{
	struct walk w = { .table = q->desc, .count = q->size,
			  .left = q->size, .at = c->head };

	for (;;) {
		struct virtq_desc d;
		int r;

		if (w.at >= w.count)
			return broken(q, "a descriptor index is out of range");
		if (!w.left--)
			return broken(q, "a chain is a loop");
		d = load_desc(&w.table[w.at]);
		if (d.flags & DESC_INDIRECT) {
			r = enter_indirect(q, &w, &d);
			if (r)
				return r;
			continue;
		}
		r = add_buffer(q, c, &w, &d);
		if (r)
			return r;
		if (!(d.flags & DESC_NEXT))
			return 1;
		w.at = d.next;
	}
}

static u16 avail_idx(const struct virtqueue *q)
{
	return __atomic_load_n(&q->avail[RING_IDX], __ATOMIC_ACQUIRE);
}

int virtq_next(struct virtqueue *q, struct virtq_chain *c)
{
	u16 waiting;

	if (!q->enabled || q->why)
		return 0;
	/* PAIRS: the driver's write barrier between ring and index. */
	waiting = (u16)(avail_idx(q) - q->next_avail);
	if (!waiting)
		return 0;
	if (waiting > q->size)
		return broken(q, "the available index jumped");
	c->head = q->avail[RING_FIRST + (q->next_avail & (q->size - 1))];
	c->out = c->out_end = c->in = c->in_end = 0;
	c->out_bytes = c->in_bytes = 0;
	q->next_avail++;
	return walk_chain(q, c);
}

bool virtq_rearm(struct virtqueue *q)
{
	if (!q->enabled || q->why)
		return false;
	if (q->event_idx) {
		volatile u16 *event = &q->used[RING_FIRST + 4 * q->size];

		*event = q->next_avail;
		virtq_written(q, (const void *)event, 2);
	}
	/* PAIRS: the driver's barrier between its index and avail_event. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return avail_idx(q) != q->next_avail;
}

/* --- giving chains back --- */

void virtq_push(struct virtqueue *q, u16 head, u32 len)
{
	volatile u32 *e = (volatile u32 *)&q->used[RING_FIRST];

	e += 2 * (q->next_used & (q->size - 1));
	e[0] = head;
	e[1] = len;
	q->next_used++;
}

/* 2.7.7.2 "Device Requirements: Used Buffer Notification Suppression". */
bool virtq_publish(struct virtqueue *q)
{
	u16 told = q->told_used;
	u16 event;

	if (q->next_used == told)
		return false;
	q->told_used = q->next_used;
	__atomic_store_n(&q->used[RING_IDX], q->next_used, __ATOMIC_RELEASE);
	virtq_written(q, (const void *)q->used, used_bytes(q));
	/* PAIRS: the driver's barrier between used_event and our index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return !(q->avail[0] & AVAIL_NO_INTERRUPT);
	/* Did the index step over used_event since we last looked? */
	event = q->avail[RING_FIRST + q->size];
	return (u16)(q->next_used - event - 1) < (u16)(q->next_used - told);
}

/* --- what is in a chain --- */

bool virtq_chain_read(struct virtq_chain *c, void *buf, u64 n)
{
	u8 *to = buf;

	if (n > c->out_bytes)
		return false;
	c->out_bytes -= n;
	while (n) {
		struct iov *v = &c->iov[c->out];
		u64 part = min_u64(n, v->len);

		copy_bytes(to, v->base, part);
		to += part;
		n -= part;
		v->base = (u8 *)v->base + part;
		v->len -= part;
		if (!v->len)
			c->out++;
	}
	return true;
}

u8 *virtq_chain_last(struct virtq_chain *c)
{
	struct iov *v;

	if (!c->in_bytes)
		return NULL;
	v = &c->iov[c->in_end - 1];
	c->in_bytes--;
	v->len--;
	if (!v->len)
		c->in_end--;
	return (u8 *)v->base + v->len;
}
