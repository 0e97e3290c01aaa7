/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_rng.h - the virtio entropy device, and it as a PCI function.
 *
 * Reference: VIRTIO 1.2, 5.4 "Entropy Device".
 */
#ifndef DOPPEL_DEV_VIRTIO_RNG_H
#define DOPPEL_DEV_VIRTIO_RNG_H

#include "dev/virtio.h"
#include "dev/virtio_pci.h"
#include "vm/backend.h"

struct virtio_rng {
	struct virtio_dev v;
	struct entropy *entropy;
	/* One chain at a time: a request is answered at once. */
	struct virtq_chain chain;
};

void virtio_rng_init(struct virtio_rng *r, struct entropy *entropy,
		     struct gmem *mem, struct clock *clock);
void virtio_rng_fini(struct virtio_rng *r); /* zeroes are fine */

struct virtio_rng_pci {
	struct virtio_pci t;
	struct virtio_rng rng;
};

struct virtio_rng_wiring {
	struct virtio_pci_wiring pci;
	struct entropy *entropy;
};

extern const struct device_class virtio_rng_pci_class;

int virtio_rng_pci_init(struct virtio_rng_pci *d,
			const struct virtio_rng_wiring *w, struct err *e)
	MUST_CHECK;

#endif
