/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_assign.h - gives PCI functions their addresses and interrupt lines, as
 * firmware does, for machines that start a kernel without any.
 */
#ifndef DOPPEL_DEV_PCI_ASSIGN_H
#define DOPPEL_DEV_PCI_ASSIGN_H

#include "dev/pci.h"

struct pci_windows {
	u32 mmio_first, mmio_last; /* below 4 GiB, for 32-bit BARs */
	u16 port_first, port_last;
	u8 irq[PCI_PINS]; /* what is told in the interrupt line registers */
};

/* After reset, before the guest runs. */
int pci_assign(struct pci_bus *b, const struct pci_windows *w,
	       struct err *e) MUST_CHECK;

#endif
