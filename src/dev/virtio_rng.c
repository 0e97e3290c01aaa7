/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_rng.c - the virtio entropy device: see virtio_rng.h. */
#include "dev/virtio_rng.h"

#include "base/err.h"

#define CLASS_OTHER 0x00ff00

/* No more in one request, so that it does not take long; 5.4.6: a device may
 * give less than asked for. */
#define MAX_BYTES KiB(16)

static struct virtq_chain *room(struct virtio_dev *v, unsigned q)
{
	return &container_of(v, struct virtio_rng, v)->chain;
}

static int request(struct virtio_dev *v, unsigned q, struct virtq_chain *c)
{
	struct virtio_rng *r = container_of(v, struct virtio_rng, v);
	u64 left = min_u64(c->in_bytes, MAX_BYTES);
	u64 done = 0;

	for (unsigned i = c->in; left; i++) {
		u64 part = min_u64(left, c->iov[i].len);

		if (r->entropy->fill(r->entropy, c->iov[i].base, part))
			break;
		virtq_written(&v->queue[q], c->iov[i].base, part);
		done += part;
		left -= part;
	}
	virtio_complete(v, q, c->head, (u32)done);
	return 0;
}

static void unused(struct virtio_dev *v, unsigned q, struct virtq_chain *c)
{
}

static const struct virtio_ops ops = {
	.room = room,
	.request = request,
	.unused = unused,
};

void virtio_rng_init(struct virtio_rng *r, struct entropy *entropy,
		     struct gmem *mem, struct clock *clock)
{
	static const struct virtio_desc desc = {
		.type = VIRTIO_ID_ENTROPY,
		.queue_count = 1,
		.ops = &ops,
	};

	r->entropy = entropy;
	virtio_init(&r->v, &desc, mem, clock);
}

void virtio_rng_fini(struct virtio_rng *r)
{
	virtio_fini(&r->v);
}

/* --- on PCI --- */

static struct virtio_rng_pci *self(struct device *d)
{
	return container_of(d, struct virtio_rng_pci, t.pci.dev);
}

static void reset(struct device *d)
{
	virtio_pci_reset(&self(d)->t);
}

static int loaded(struct device *d)
{
	return virtio_pci_loaded(&self(d)->t);
}

static void fini(struct device *d)
{
	virtio_pci_fini(&self(d)->t);
	virtio_rng_fini(&self(d)->rng);
}

static const struct field fields[] = {
	VIRTIO_PCI_FIELDS(struct virtio_rng_pci, t),
	VIRTIO_FIELDS(struct virtio_rng_pci, rng.v),
	FIELD_END
};

const struct device_class virtio_rng_pci_class = {
	.name = "virtio-rng",
	.version = 1,
	.bytes = sizeof(struct virtio_rng_pci),
	.fields = fields,
	.reset = reset,
	.loaded = loaded,
	.fini = fini,
};

int virtio_rng_pci_init(struct virtio_rng_pci *d,
			const struct virtio_rng_wiring *w, struct err *e)
{
	virtio_rng_init(&d->rng, w->entropy, w->pci.mem, w->pci.clock);
	return virtio_pci_init(&d->t, &d->rng.v, CLASS_OTHER, &w->pci, e);
}
