/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio.c - the transport-independent core: see virtio.h.
 *
 * Serving a queue: take all chains that are there, hand each to the device,
 * then show the driver in one go what was completed meanwhile, with at most
 * one interrupt. A driver can have at most a queue full of chains under way
 * and sees none come back before that, so a batch is bounded by the size. For
 * drivers on other processors that keep adding, the number of batches is
 * bounded too; what is left is served from a timer, so that no processor
 * stays here for long.
 *
 * A reset while chains are under way: the back end may still write into
 * their buffers, so the status stays what it was until the last is back
 * (VIRTIO 1.2, 2.4: the driver waits for the status to read 0).
 */
#include "dev/virtio.h"

#include "base/err.h"
#include "base/fmt.h"
#include "base/trace.h"

#define MAX_BATCHES 4

#define COMMON_FEATURES \
	(VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1)

static bool is_live(const struct virtio_dev *v)
{
	return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) ==
		       VIRTIO_DRIVER_OK &&
	       !v->resetting;
}

void virtio_break(struct virtio_dev *v, const char *why)
{
	if (v->status & VIRTIO_NEEDS_RESET)
		return;
	TRACE(VIRTIO, "device type %u needs a reset: %s", v->type, why);
	v->status |= VIRTIO_NEEDS_RESET;
	/* 2.1.2: after DRIVER_OK the driver is told. */
	if (v->status & VIRTIO_DRIVER_OK)
		v->transport->config_interrupt(v->t);
}

/* --- serving queues --- */

static void publish(struct virtio_dev *v, unsigned q)
{
	if (virtq_publish(&v->queue[q]))
		v->transport->queue_interrupt(v->t, q);
}

/* Hands at most a queue full of chains to the device. */
static void serve_batch(struct virtio_dev *v, unsigned q)
{
	struct virtqueue *vq = &v->queue[q];

	for (unsigned n = 0; n < vq->size && is_live(v); n++) {
		struct virtq_chain *c = v->ops->room(v, q);
		int r;

		if (!c) {
			v->starved |= BIT(q);
			return;
		}
		r = virtq_next(vq, c);
		if (r <= 0) {
			v->ops->unused(v, q, c);
			if (r < 0)
				virtio_break(v, vq->why);
			return;
		}
		v->under_way++;
		r = v->ops->request(v, q, c);
		if (r < 0) {
			v->under_way--;
			v->ops->unused(v, q, c);
			virtio_break(v, "a request has the wrong form");
		}
	}
}

static void serve(struct virtio_dev *v, unsigned q)
{
	/* A device that completes at once comes here through .request. */
	if (v->serving)
		return;
	v->serving = true;
	v->starved &= ~BIT(q);
	for (unsigned i = 0;; i++) {
		serve_batch(v, q);
		if (!is_live(v))
			break;
		publish(v, q);
		if ((v->starved & BIT(q)) || !virtq_rearm(&v->queue[q]))
			break;
		if (i == MAX_BATCHES) {
			v->again_mask |= BIT(q);
			timer_arm(&v->again, 0);
			break;
		}
	}
	v->serving = false;
}

static void serve_again(void *arg, u64 now_ns)
{
	struct virtio_dev *v = arg;
	u32 mask = v->again_mask;

	v->again_mask = 0;
	for (unsigned q = 0; q < v->queue_count; q++)
		if (mask & BIT(q))
			virtio_notify(v, q);
}

void virtio_notify(struct virtio_dev *v, unsigned q)
{
	if (q < v->queue_count && v->queue[q].enabled && is_live(v) &&
	    !v->no_dma)
		serve(v, q);
}

void virtio_notify_all(struct virtio_dev *v)
{
	for (unsigned q = 0; q < v->queue_count; q++)
		virtio_notify(v, q);
}

static void finish_reset(struct virtio_dev *v)
{
	virtio_reset(v);
	v->transport->reset_done(v->t);
}

void virtio_complete(struct virtio_dev *v, unsigned q, u16 head, u32 len)
{
	v->under_way--;
	if (v->resetting) {
		if (!v->under_way)
			finish_reset(v);
		return;
	}
	if (!is_live(v))
		return;
	virtq_push(&v->queue[q], head, len);
	if (v->serving)
		return;
	publish(v, q);
	if (v->starved & BIT(q))
		virtio_notify(v, q);
}

/* --- the driver's side --- */

static void driver_reset(struct virtio_dev *v)
{
	if (v->under_way)
		v->resetting = true;
	else
		finish_reset(v);
}

/* 3.1.1: a choice that does not fit is refused by leaving FEATURES_OK unset.
 * Drivers of before 1.0 are not served. */
static bool features_fit(const struct virtio_dev *v)
{
	return !(v->accepted & ~v->offered) &&
	       virtio_has(v, VIRTIO_F_VERSION_1);
}

void virtio_set_status(struct virtio_dev *v, u8 status)
{
	u8 fresh = status & ~v->status;

	if (v->resetting)
		return;
	if (!status) {
		driver_reset(v);
		return;
	}
	/* A bit never goes but by reset; ours is not the driver's to set. */
	fresh &= (u8)~VIRTIO_NEEDS_RESET;
	if ((fresh & VIRTIO_FEATURES_OK) && !features_fit(v))
		fresh &= (u8)~VIRTIO_FEATURES_OK;
	if (!((v->status | fresh) & VIRTIO_FEATURES_OK))
		fresh &= (u8)~VIRTIO_DRIVER_OK;
	v->status |= fresh;
	TRACE(VIRTIO, "device type %u: status 0x%x, features 0x%llx", v->type,
	      v->status, (unsigned long long)v->accepted);
	if (fresh & VIRTIO_DRIVER_OK)
		virtio_notify_all(v);
}

void virtio_accept(struct virtio_dev *v, unsigned word, u32 features)
{
	u64 mask = 0xffffffffull << (32 * (word & 1));

	if (word > 1 || (v->status & VIRTIO_FEATURES_OK) || v->resetting)
		return;
	v->accepted = (v->accepted & ~mask) | (u64)features << (32 * word);
}

struct virtqueue *virtio_queue(struct virtio_dev *v, unsigned q)
{
	return q < v->queue_count ? &v->queue[q] : NULL;
}

bool virtio_queue_is_open(struct virtio_dev *v, unsigned q)
{
	return q < v->queue_count && !v->queue[q].enabled && !v->resetting;
}

void virtio_enable_queue(struct virtio_dev *v, unsigned q)
{
	struct virtqueue *vq = &v->queue[q];

	if (!virtio_queue_is_open(v, q) || !(v->status & VIRTIO_FEATURES_OK))
		return;
	if (virtq_enable(vq, virtio_has(v, VIRTIO_F_INDIRECT_DESC),
			 virtio_has(v, VIRTIO_F_EVENT_IDX)))
		virtio_break(v, vq->why);
}

u32 virtio_config_read(const struct virtio_dev *v, u64 offset, unsigned bytes)
{
	u32 value = 0;

	for (unsigned i = 0; i < bytes && offset + i < v->config_bytes; i++)
		value |= (u32)v->config[offset + i] << (8 * i);
	return value;
}

/* --- life --- */

void virtio_init(struct virtio_dev *v, const struct virtio_desc *d,
		 struct gmem *mem, struct clock *clock)
{
	BUG_ON(d->queue_count > VIRTIO_MAX_QUEUES);
	fill_bytes(v, 0, sizeof(*v));
	v->ops = d->ops;
	v->type = d->type;
	v->queue_count = d->queue_count;
	v->offered = d->features | COMMON_FEATURES;
	v->config = d->config;
	v->config_bytes = d->config_bytes;
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
		virtq_init(&v->queue[q], mem);
	timer_init(&v->again, clock, serve_again, v);
}

void virtio_reset(struct virtio_dev *v)
{
	BUG_ON(v->under_way);
	v->accepted = 0;
	v->status = 0;
	v->resetting = false;
	v->starved = 0;
	v->again_mask = 0;
	timer_arm(&v->again, CLOCK_NEVER);
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
		virtq_reset(&v->queue[q]);
}

int virtio_loaded(struct virtio_dev *v)
{
	if ((v->status & VIRTIO_FEATURES_OK) && !features_fit(v))
		return -EINVAL;
	if ((v->status & VIRTIO_DRIVER_OK) &&
	    !(v->status & VIRTIO_FEATURES_OK))
		return -EINVAL;
	v->resetting = false;
	v->starved = 0;
	v->again_mask = 0;
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++) {
		struct virtqueue *vq = &v->queue[q];

		vq->why = NULL;
		if (!vq->enabled)
			continue;
		if (q >= v->queue_count)
			return -EINVAL;
		if (virtq_enable(vq, virtio_has(v, VIRTIO_F_INDIRECT_DESC),
				 virtio_has(v, VIRTIO_F_EVENT_IDX)))
			return -EINVAL;
		v->again_mask |= BIT(q);
	}
	if (v->again_mask)
		timer_arm(&v->again, 0);
	return 0;
}

void virtio_fini(struct virtio_dev *v)
{
	if (v->again.clock)
		timer_arm(&v->again, CLOCK_NEVER);
}
