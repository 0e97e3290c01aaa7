/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk.h - the virtio block device, whatever carries it: turns chains
 * into disk requests and their results into status bytes.
 *
 * Reference: VIRTIO 1.2, 5.2 "Block Device".
 */
#ifndef DOPPEL_DEV_VIRTIO_BLK_H
#define DOPPEL_DEV_VIRTIO_BLK_H

#include "base/err.h"
#include "dev/virtio.h"
#include "vm/backend.h"

#define VIRTIO_BLK_QUEUES 1
#define VIRTIO_BLK_ID_BYTES 20

struct blk_request;

/* struct virtio_blk_config; 5.2.4 "Device configuration layout" */
struct virtio_blk_config {
	u64 capacity; /* in sectors of 512 bytes */
	u32 size_max;
	u32 seg_max;
	u16 cylinders;
	u8 heads, sectors;
	u32 blk_size;
	u8 physical_block_exp, alignment_offset;
	u16 min_io_size;
	u32 opt_io_size;
	u8 writeback, unused0;
	u16 num_queues;
	u32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
	u32 max_write_zeroes_sectors, max_write_zeroes_seg;
	u8 write_zeroes_may_unmap, unused1[3];
} __attribute__((packed));

struct virtio_blk {
	struct virtio_dev v;
	struct disk *disk;
	char id[VIRTIO_BLK_ID_BYTES]; /* padded with zeroes */
	struct virtio_blk_config config;
	/* One for each place in the queue, but committed only when it is first
	 * needed: a list of those that were, and how many. */
	struct blk_request *pool, *unused;
	unsigned touched;
};

/* @serial may be NULL. Fails only for lack of memory. */
int virtio_blk_init(struct virtio_blk *b, struct disk *disk,
		    const char *serial, struct gmem *mem,
		    struct clock *clock, struct err *e) MUST_CHECK;
/* Waits until nothing is under way, so that the device can be reset or
 * saved. Lets go of the device lock meanwhile. */
void virtio_blk_drain(struct virtio_blk *b);
/* Nothing may be under way: after the disk was closed, or drained. */
void virtio_blk_fini(struct virtio_blk *b); /* zeroes are fine */

#endif
