/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_blk_pci.h - a virtio disk as a PCI function. */
#ifndef DOPPEL_DEV_VIRTIO_BLK_PCI_H
#define DOPPEL_DEV_VIRTIO_BLK_PCI_H

#include "dev/virtio_blk.h"
#include "dev/virtio_pci.h"

struct virtio_blk_pci {
	struct virtio_pci t;
	struct virtio_blk blk;
};

struct virtio_blk_wiring {
	struct virtio_pci_wiring pci;
	struct disk *disk; /* stays the caller's, to be closed before fini */
	const char *serial; /* at most 20 characters count; may be NULL */
};

extern const struct device_class virtio_blk_pci_class;

/* On failure nothing is left attached. */
int virtio_blk_pci_init(struct virtio_blk_pci *d,
			const struct virtio_blk_wiring *w, struct err *e)
	MUST_CHECK;

#endif
