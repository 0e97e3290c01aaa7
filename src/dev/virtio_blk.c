/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk.c - virtio block device: see virtio_blk.h.
 *
 * A request is a header { u32 type, reserved; u64 sector }, data, and one
 * status byte that ends the writable part, laid out over descriptors in any
 * way (VIRTIO 1.2, 5.2.6 "Device Operation", 2.7.4 "Message Framing"). The
 * disk transfers between its file and guest memory directly.
 */
#include "dev/virtio_blk.h"

#include "base/fmt.h"
#include "base/trace.h"
#include "host/host.h"

#define F_SEG_MAX BIT64(2)
#define F_RO BIT64(5)
#define F_BLK_SIZE BIT64(6)
#define F_FLUSH BIT64(9)
#define F_TOPOLOGY BIT64(10)

#define POOL_COUNT (VIRTIO_BLK_QUEUES * VIRTQ_MAX_SIZE)

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK, S_IOERR, S_UNSUPP };

struct blk_header {
	u32 type;
	u32 reserved;
	u64 sector;
};

struct blk_request {
	struct disk_request io;
	struct virtio_blk *blk;
	u8 *status; /* in guest memory */
	u64 data_bytes; /* that the device writes if all goes well */
	u8 queue;
	struct blk_request *next;
	struct virtq_chain chain;
};

static struct virtio_blk *blk_of(struct virtio_dev *v)
{
	return container_of(v, struct virtio_blk, v);
}

static void release(struct virtio_blk *b, struct blk_request *r)
{
	r->next = b->unused;
	b->unused = r;
}

static struct virtq_chain *room(struct virtio_dev *v, unsigned q)
{
	struct virtio_blk *b = blk_of(v);
	struct blk_request *r = b->unused;

	if (r)
		b->unused = r->next;
	else if (b->touched < POOL_COUNT)
		r = &b->pool[b->touched++];
	else
		return NULL;
	r->blk = b;
	r->queue = (u8)q;
	return &r->chain;
}

static void unused(struct virtio_dev *v, unsigned q, struct virtq_chain *c)
{
	release(blk_of(v), container_of(c, struct blk_request, chain));
}

/* Answers with @status, and gives the chain and the room back. */
static void finish(struct blk_request *r, u8 status)
{
	struct virtio_blk *b = r->blk;
	const struct virtqueue *vq = &b->v.queue[r->queue];
	u16 head = r->chain.head;
	unsigned q = r->queue;
	/* 2.7.8.2: no more than what was surely written from the start. */
	u64 len = status == S_OK ? r->data_bytes + 1 :
		  r->chain.in_bytes ? 0 : 1;

	if (status == S_OK && r->data_bytes) {
		for (unsigned i = r->chain.in; i < r->chain.in_end; i++)
			virtq_written(vq, r->chain.iov[i].base,
				      r->chain.iov[i].len);
	}
	*r->status = status;
	virtq_written(vq, r->status, 1);
	release(b, r);
	virtio_complete(&b->v, q, head, (u32)min_u64(len, 0xffffffff));
}

static void submit(struct blk_request *r, enum disk_op op, u64 offset,
		   struct iov *iov, unsigned iov_count);

static void io_done(struct disk_request *io, int status)
{
	struct blk_request *r = container_of(io, struct blk_request, io);

	TRACE(BLOCK, "op %d at 0x%llx done: %d", (int)io->op,
	      (unsigned long long)io->offset, status);
	/* 5.2.6.2: for a driver that does not flush, a write is done when it
	 * is on stable storage. */
	if (!status && io->op == DISK_WRITE &&
	    !virtio_has(&r->blk->v, F_FLUSH)) {
		submit(r, DISK_FLUSH, 0, NULL, 0);
		return;
	}
	finish(r, status ? S_IOERR : S_OK);
}

static void submit(struct blk_request *r, enum disk_op op, u64 offset,
		   struct iov *iov, unsigned iov_count)
{
	struct disk *d = r->blk->disk;

	r->io = (struct disk_request){ .op = op, .offset = offset, .iov = iov,
				       .iov_count = iov_count,
				       .done = io_done };
	d->ops->submit(d, &r->io);
}

/* A transfer of @bytes from @sector on; both are the guest's. */
static bool fits(const struct disk *d, u64 sector, u64 bytes)
{
	u64 sectors = d->bytes / DISK_SECTOR;

	return bytes % DISK_SECTOR == 0 && sector <= sectors &&
	       bytes / DISK_SECTOR <= sectors - sector;
}

static void read_blocks(struct blk_request *r, u64 sector)
{
	struct virtq_chain *c = &r->chain;

	if (c->out_bytes || !fits(r->blk->disk, sector, c->in_bytes)) {
		finish(r, S_IOERR);
		return;
	}
	r->data_bytes = c->in_bytes;
	submit(r, DISK_READ, sector * DISK_SECTOR, &c->iov[c->in],
	       c->in_end - c->in);
}

static void write_blocks(struct blk_request *r, u64 sector)
{
	struct virtq_chain *c = &r->chain;
	const struct disk *d = r->blk->disk;

	if (c->in_bytes || d->readonly || !fits(d, sector, c->out_bytes)) {
		finish(r, S_IOERR);
		return;
	}
	submit(r, DISK_WRITE, sector * DISK_SECTOR, &c->iov[c->out],
	       c->out_end - c->out);
}

static void get_id(struct blk_request *r)
{
	struct virtq_chain *c = &r->chain;
	const char *id = r->blk->id;
	u64 left = min_u64(c->in_bytes, VIRTIO_BLK_ID_BYTES);

	r->data_bytes = left;
	for (unsigned i = c->in; left; i++) {
		u64 part = min_u64(left, c->iov[i].len);

		copy_bytes(c->iov[i].base, id, part);
		id += part;
		left -= part;
	}
	finish(r, S_OK);
}

static int request(struct virtio_dev *v, unsigned q, struct virtq_chain *c)
{
	struct blk_request *r = container_of(c, struct blk_request, chain);
	struct blk_header h;

	r->data_bytes = 0;
	if (!virtq_chain_read(c, &h, sizeof(h)))
		return -EINVAL;
	r->status = virtq_chain_last(c);
	if (!r->status)
		return -EINVAL;
	TRACE(BLOCK, "type %u sector 0x%llx, %llu bytes out, %llu in", h.type,
	      (unsigned long long)h.sector, (unsigned long long)c->out_bytes,
	      (unsigned long long)c->in_bytes);
	switch (h.type) {
	case T_IN:
		read_blocks(r, h.sector);
		break;
	case T_OUT:
		write_blocks(r, h.sector);
		break;
	case T_FLUSH:
		submit(r, DISK_FLUSH, 0, NULL, 0);
		break;
	case T_GET_ID:
		get_id(r);
		break;
	default:
		finish(r, S_UNSUPP);
	}
	return 0;
}

static const struct virtio_ops ops = {
	.room = room,
	.request = request,
	.unused = unused,
};

int virtio_blk_init(struct virtio_blk *b, struct disk *disk,
		    const char *serial, struct gmem *mem,
		    struct clock *clock, struct err *e)
{
	struct virtio_desc d = {
		.type = VIRTIO_ID_BLOCK,
		.queue_count = VIRTIO_BLK_QUEUES,
		.features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY |
			    (disk->readonly ? F_RO : 0),
		.config = (const u8 *)&b->config,
		.config_bytes = sizeof(b->config),
		.ops = &ops,
	};

	b->disk = disk;
	b->config = (struct virtio_blk_config){
		.capacity = disk->bytes / DISK_SECTOR,
		.seg_max = VIRTQ_MAX_SEGS - 2, /* header and status */
		.blk_size = DISK_SECTOR,
		/* The host's page cache works in pages. */
		.physical_block_exp = 3,
		.num_queues = VIRTIO_BLK_QUEUES,
	};
	fill_bytes(b->id, 0, sizeof(b->id));
	for (unsigned i = 0; serial && serial[i] && i < sizeof(b->id); i++)
		b->id[i] = serial[i];
	virtio_init(&b->v, &d, mem, clock);

	b->unused = NULL;
	b->touched = 0;
	b->pool = host_pages_alloc(POOL_COUNT * sizeof(*b->pool));
	if (!b->pool)
		return err_set(e, -ENOMEM, "not enough memory for a disk: "
			       "use fewer disks, or free some memory");
	return 0;
}

void virtio_blk_drain(struct virtio_blk *b)
{
	b->disk->ops->drain(b->disk);
}

void virtio_blk_fini(struct virtio_blk *b)
{
	virtio_fini(&b->v);
	if (b->pool)
		host_pages_free(b->pool, POOL_COUNT * sizeof(*b->pool));
	b->pool = b->unused = NULL;
}
