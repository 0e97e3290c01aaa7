/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.h - what all virtio devices have in common whatever carries them:
 * status, feature negotiation, the loop that serves a queue.
 *
 * A device (virtio_blk) provides struct virtio_ops; a transport (virtio_pci)
 * struct virtio_transport. The device gets chains one by one by .request and
 * gives each back once by virtio_complete, at once or later; both ring
 * handling and interrupts are done here, in batches.
 *
 * Everything with the device lock held.
 *
 * Reference: VIRTIO 1.2, 2 "Basic Facilities of a Virtio Device".
 */
#ifndef DOPPEL_DEV_VIRTIO_H
#define DOPPEL_DEV_VIRTIO_H

#include "base/base.h"
#include "dev/virtqueue.h"
#include "vm/clock.h"
#include "vm/field.h"

#define VIRTIO_MAX_QUEUES 8

/* 5 "Device Types" */
#define VIRTIO_ID_BLOCK 2
#define VIRTIO_ID_ENTROPY 4

/* 2.1 "Device Status Field" */
#define VIRTIO_ACKNOWLEDGE BIT(0)
#define VIRTIO_DRIVER BIT(1)
#define VIRTIO_DRIVER_OK BIT(2)
#define VIRTIO_FEATURES_OK BIT(3)
#define VIRTIO_NEEDS_RESET BIT(6)
#define VIRTIO_FAILED BIT(7)

/* 6 "Reserved Feature Bits" */
#define VIRTIO_F_INDIRECT_DESC BIT64(28)
#define VIRTIO_F_EVENT_IDX BIT64(29)
#define VIRTIO_F_VERSION_1 BIT64(32)

struct virtio_dev;

struct virtio_ops {
	/* Where the next chain of queue @q may be put, or NULL while there is
	 * no room: asked again after the next virtio_complete. */
	struct virtq_chain *(*room)(struct virtio_dev *v, unsigned q);
	/* A chain, in what .room returned. -EINVAL: the request makes no
	 * sense and cannot be answered; the device then needs a reset. */
	int (*request)(struct virtio_dev *v, unsigned q,
		       struct virtq_chain *c);
	/* The room was not needed, or the chain in it was broken. */
	void (*unused)(struct virtio_dev *v, unsigned q,
		       struct virtq_chain *c);
};

struct virtio_transport {
	void (*queue_interrupt)(void *t, unsigned q);
	void (*config_interrupt)(void *t);
	void (*reset_done)(void *t);
};

struct virtio_dev {
	const struct virtio_ops *ops;
	const struct virtio_transport *transport;
	void *t;

	u16 type;
	unsigned queue_count;
	u64 offered; /* features */
	const u8 *config; /* the device's configuration space, read-only */
	unsigned config_bytes;

	u64 accepted; /* features */
	u8 status;
	struct virtqueue queue[VIRTIO_MAX_QUEUES];

	/* Set by the transport: the device may not touch memory now. */
	bool no_dma;

	/* Not saved: nothing is under way when a machine is. */
	unsigned under_way; /* chains taken and not given back */
	bool resetting; /* by the driver, once nothing is under way */
	bool serving; /* in the loop: completions are shown by it */
	u32 starved; /* queues without room */
	struct timer again; /* to go on serving later */
	u32 again_mask; /* which queues */
};

#define VIRTIO_FIELDS(type, at)                     \
	FIELD(type, at.accepted, FIELD_U64, 1),     \
	FIELD(type, at.status, FIELD_U8, 1),        \
	VIRTQ_FIELDS(type, at.queue)

/* The device's part; the transport's is set by the transport. */
struct virtio_desc {
	u16 type;
	unsigned queue_count;
	u64 features; /* the device's own; the common ones are added */
	const u8 *config;
	unsigned config_bytes;
	const struct virtio_ops *ops;
};

void virtio_init(struct virtio_dev *v, const struct virtio_desc *d,
		 struct gmem *mem, struct clock *clock);
/* Power-up; nothing may be under way (the back end was drained). */
void virtio_reset(struct virtio_dev *v);
int virtio_loaded(struct virtio_dev *v) MUST_CHECK;
void virtio_fini(struct virtio_dev *v); /* zeroes are fine */

/* --- what transports call for the driver --- */

void virtio_set_status(struct virtio_dev *v, u8 status);
void virtio_accept(struct virtio_dev *v, unsigned word, u32 features);
/* The queue, or NULL if there is none of that number. */
struct virtqueue *virtio_queue(struct virtio_dev *v, unsigned q);
/* May the driver still change the queue? */
bool virtio_queue_is_open(struct virtio_dev *v, unsigned q);
void virtio_enable_queue(struct virtio_dev *v, unsigned q);
/* The driver has added something to queue @q. */
void virtio_notify(struct virtio_dev *v, unsigned q);
void virtio_notify_all(struct virtio_dev *v);
u32 virtio_config_read(const struct virtio_dev *v, u64 offset,
		       unsigned bytes);

/* --- what devices call --- */

static inline bool virtio_has(const struct virtio_dev *v, u64 feature)
{
	return v->accepted & feature;
}

/* Gives back the chain @head of queue @q with @len bytes written. */
void virtio_complete(struct virtio_dev *v, unsigned q, u16 head, u32 len);
/* The device or a queue is in a state that only a reset helps from. */
void virtio_break(struct virtio_dev *v, const char *why);

#endif
