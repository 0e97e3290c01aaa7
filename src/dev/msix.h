/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msix.h - the MSI-X capability of a PCI function, its table of vectors and
 * its pending bits, in a BAR of their own.
 *
 * Reference: PCI 3.0, 6.8.2 "MSI-X Capability and Table Structures".
 */
#ifndef DOPPEL_DEV_MSIX_H
#define DOPPEL_DEV_MSIX_H

#include "dev/pci.h"

#define MSIX_MAX 64 /* pending bits are one word */
#define MSIX_BAR_BYTES 4096

struct msix_entry {
	u64 addr;
	u32 data;
	u32 control; /* bit 0: masked */
};

struct msix {
	struct pci_dev *pci;
	struct msi_sink sink;
	unsigned cap;
	unsigned count;
	u64 pending;
	struct msix_entry entry[MSIX_MAX];
};

#define MSIX_FIELDS(type, at)                                 \
	FIELD(type, at.pending, FIELD_U64, 1),                \
	FIELD_STRUCTS(type, at.entry, addr, FIELD_U64, 1),    \
	FIELD_STRUCTS(type, at.entry, data, FIELD_U32, 1),    \
	FIELD_STRUCTS(type, at.entry, control, FIELD_U32, 1)

/* Between pci_dev_init and pci_attach; fills BAR @bar. */
void msix_init(struct msix *m, struct pci_dev *d, unsigned bar,
	       unsigned count, const struct msi_sink *sink);
void msix_reset(struct msix *m);
void msix_loaded(struct msix *m);
/* From the function's config_written: the capability's control word or the
 * command register may have changed. */
void msix_config_written(struct msix *m);

/* MSI-X is in use, so the function's INTx pin is not. */
bool msix_enabled(const struct msix *m);
/* Sends vector @n, or keeps it pending while masked. */
void msix_raise(struct msix *m, unsigned n);

#endif
