/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_pci.c - joins the virtio block device and its PCI transport into
 * one device of the machine.
 */
#include "dev/virtio_blk_pci.h"

#define CLASS_STORAGE 0x018000 /* mass storage, other */

static struct virtio_blk_pci *self(struct device *d)
{
	return container_of(d, struct virtio_blk_pci, t.pci.dev);
}

static void reset(struct device *d)
{
	virtio_blk_drain(&self(d)->blk);
	virtio_pci_reset(&self(d)->t);
}

static int loaded(struct device *d)
{
	return virtio_pci_loaded(&self(d)->t);
}

static void fini(struct device *d)
{
	virtio_pci_fini(&self(d)->t);
	virtio_blk_fini(&self(d)->blk);
}

static const struct field fields[] = {
	VIRTIO_PCI_FIELDS(struct virtio_blk_pci, t),
	VIRTIO_FIELDS(struct virtio_blk_pci, blk.v),
	FIELD_END
};

const struct device_class virtio_blk_pci_class = {
	.name = "virtio-blk",
	.version = 1,
	.bytes = sizeof(struct virtio_blk_pci),
	.fields = fields,
	.reset = reset,
	.loaded = loaded,
	.fini = fini,
};

int virtio_blk_pci_init(struct virtio_blk_pci *d,
			const struct virtio_blk_wiring *w, struct err *e)
{
	int r = virtio_blk_init(&d->blk, w->disk, w->serial, w->pci.mem,
				w->pci.clock, e);

	if (r)
		return r;
	r = virtio_pci_init(&d->t, &d->blk.v, CLASS_STORAGE, &w->pci, e);
	if (r)
		virtio_blk_fini(&d->blk);
	return r;
}
