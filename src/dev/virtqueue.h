/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue.h - split virtqueues: rings in guest memory through which a
 * driver hands chains of buffers to a device and gets them back.
 *
 * GUEST: everything in the rings may change under our eyes. Each word is read
 * once, checked, and used from the copy; a ring that makes no sense is
 * reported once and not touched again. Everything with the device lock held.
 *
 * Reference: Virtual I/O Device (VIRTIO) 1.2, 2.7 "Split Virtqueues".
 */
#ifndef DOPPEL_DEV_VIRTQUEUE_H
#define DOPPEL_DEV_VIRTQUEUE_H

#include "base/base.h"
#include "vm/backend.h"
#include "vm/gmem.h"

#define VIRTQ_MAX_SIZE 256
/* Most descriptors in a chain, those of an indirect table included. */
#define VIRTQ_MAX_SEGS 256

struct virtq_desc;

struct virtqueue {
	struct gmem *mem;

	/* What the driver set up. */
	u16 size; /* a power of two */
	bool enabled;
	u64 desc_gpa, avail_gpa, used_gpa;

	/* How far it got; free-running, as in the rings. */
	u16 next_avail; /* the next chain to take */
	u16 next_used; /* the next place in the used ring */
	u16 told_used; /* next_used when we last decided to interrupt */

	/* Follows from the above, and from the negotiated features. */
	bool indirect, event_idx;
	const volatile struct virtq_desc *desc;
	const volatile u16 *avail;
	volatile u16 *used;
	const char *why; /* what is wrong with the ring, once it is */
};

#define VIRTQ_FIELDS(type, arr)                                 \
	FIELD_STRUCTS(type, arr, size, FIELD_U16, 1),           \
	FIELD_STRUCTS(type, arr, enabled, FIELD_BOOL, 1),       \
	FIELD_STRUCTS(type, arr, desc_gpa, FIELD_U64, 1),       \
	FIELD_STRUCTS(type, arr, avail_gpa, FIELD_U64, 1),      \
	FIELD_STRUCTS(type, arr, used_gpa, FIELD_U64, 1),       \
	FIELD_STRUCTS(type, arr, next_avail, FIELD_U16, 1),     \
	FIELD_STRUCTS(type, arr, next_used, FIELD_U16, 1),      \
	FIELD_STRUCTS(type, arr, told_used, FIELD_U16, 1)

/*
 * A chain that the device has taken: first what it may read, then what it may
 * write. The functions below eat it from both ends.
 */
struct virtq_chain {
	u16 head; /* names the chain when it is given back */
	u16 out, out_end; /* iov[out .. out_end): readable */
	u16 in, in_end; /* iov[in .. in_end): writable */
	u64 out_bytes, in_bytes; /* left in them */
	struct iov iov[VIRTQ_MAX_SEGS];
};

void virtq_init(struct virtqueue *q, struct gmem *mem);
/* As after a reset of the device. */
void virtq_reset(struct virtqueue *q);
/* Finds the rings at the driver's addresses. 0, or -EINVAL: q->why. */
int virtq_enable(struct virtqueue *q, bool indirect, bool event_idx)
	MUST_CHECK;

/* Takes the next chain: 1; 0 if there is none; -EINVAL: q->why. */
int virtq_next(struct virtqueue *q, struct virtq_chain *c) MUST_CHECK;
/* Gives @head back with @len bytes written; the driver does not see it yet. */
void virtq_push(struct virtqueue *q, u16 head, u32 len);
/* Shows the driver all that was pushed. Returns whether to interrupt it. */
bool virtq_publish(struct virtqueue *q) MUST_CHECK;
/* Asks to be notified of the next chain. True if one is there already, of
 * which the driver may not notify us. */
bool virtq_rearm(struct virtqueue *q) MUST_CHECK;

/* Eats @n bytes from the front of the readable part into @buf; false, and
 * nothing eaten, if there are fewer. */
bool virtq_chain_read(struct virtq_chain *c, void *buf, u64 n) MUST_CHECK;
/* Eats the last writable byte; NULL if there is none. */
u8 *virtq_chain_last(struct virtq_chain *c);

/* Tells that the device has written the guest's memory at @p. */
void virtq_written(const struct virtqueue *q, const void *p, u64 len);

#endif
