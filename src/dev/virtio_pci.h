/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci.h - virtio devices as PCI functions ("modern" only, VIRTIO 1.2,
 * 4.1 "Virtio Over PCI Bus"): BAR 0 holds the registers, BAR 1 the MSI-X
 * table; without MSI-X the interrupt is INTA#.
 *
 * A device on PCI is a struct that begins with struct virtio_pci and also
 * holds the struct virtio_dev that it carries.
 */
#ifndef DOPPEL_DEV_VIRTIO_PCI_H
#define DOPPEL_DEV_VIRTIO_PCI_H

#include "dev/msix.h"
#include "dev/pci.h"
#include "dev/virtio.h"

#define VIRTIO_PCI_NO_VECTOR 0xffff

struct virtio_pci {
	struct pci_dev pci;
	struct msix msix;
	struct virtio_dev *v;

	u32 offered_select, accepted_select;
	u16 queue_select;
	u16 config_vector;
	u16 queue_vector[VIRTIO_MAX_QUEUES];
	u8 isr; /* bit 0: a queue, bit 1: the configuration */

	unsigned window; /* the capability for access by config space */
};

#define VIRTIO_PCI_FIELDS(type, at)                         \
	PCI_DEV_FIELDS(type, at.pci),                       \
	MSIX_FIELDS(type, at.msix),                         \
	FIELD(type, at.offered_select, FIELD_U32, 1),       \
	FIELD(type, at.accepted_select, FIELD_U32, 1),      \
	FIELD(type, at.queue_select, FIELD_U16, 1),         \
	FIELD(type, at.config_vector, FIELD_U16, 1),        \
	FIELD_ARRAY(type, at.queue_vector, FIELD_U16, 1),   \
	FIELD(type, at.isr, FIELD_U8, 1)

/* What every virtio device on PCI is wired to. */
struct virtio_pci_wiring {
	struct pci_bus *bus;
	int devfn; /* or PCI_ANY_SLOT */
	struct msi_sink msi;
	struct gmem *mem;
	struct clock *clock;
};

/* After virtio_init of @v. */
int virtio_pci_init(struct virtio_pci *t, struct virtio_dev *v,
		    u32 class_code, const struct virtio_pci_wiring *w,
		    struct err *e) MUST_CHECK;
/* Power-up of transport and device; nothing may be under way. */
void virtio_pci_reset(struct virtio_pci *t);
int virtio_pci_loaded(struct virtio_pci *t) MUST_CHECK;
void virtio_pci_fini(struct virtio_pci *t); /* zeroes are fine */

#endif
