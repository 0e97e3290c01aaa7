/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_assign.c - resource assignment in place of firmware: BARs in order of
 * function and number, each aligned to its size, then decoding switched on.
 */
#include "dev/pci_assign.h"

struct window {
	u64 next, end;
};

static bool take(struct window *w, u64 bytes, u64 *at)
{
	*at = align_up(w->next, bytes);
	if (*at < w->next || *at > w->end || bytes > w->end - *at)
		return false;
	w->next = *at + bytes;
	return true;
}

static int assign_bars(struct pci_bus *b, u8 devfn, struct window *mmio,
		       struct window *ports, struct err *e)
{
	const struct pci_dev *d = b->fn[devfn];
	u16 command = pci_command(d);

	for (unsigned n = 0; n < PCI_BARS; n++) {
		const struct pci_bar *r = &d->bar[n];
		bool io = r->kind == PCI_BAR_IO;
		u64 at;

		if (r->kind == PCI_BAR_NONE)
			continue;
		if (!take(io ? ports : mmio, r->range.bytes, &at))
			return err_set(e, -ENOSPC,
				       "no room for the PCI device %s: use "
				       "fewer devices", d->dev.id);
		pci_config_write(b, devfn, PCI_BAR0 + 4 * n, (u32)at, 4);
		if (r->kind == PCI_BAR_MEM64)
			pci_config_write(b, devfn, PCI_BAR0 + 4 * (n + 1),
					 (u32)(at >> 32), 4);
		command |= io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	}
	pci_config_write(b, devfn, PCI_COMMAND, command, 2);
	return 0;
}

int pci_assign(struct pci_bus *b, const struct pci_windows *w, struct err *e)
{
	struct window mmio = { w->mmio_first, w->mmio_last + 1ull };
	struct window ports = { w->port_first, w->port_last + 1ull };

	for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
		const struct pci_dev *d = b->fn[i];
		int r;

		if (!d)
			continue;
		r = assign_bars(b, (u8)i, &mmio, &ports, e);
		if (r)
			return r;
		if (d->config[PCI_INT_PIN]) {
			unsigned pirq = pci_pirq(PCI_SLOT(i),
						 d->config[PCI_INT_PIN] - 1u);

			pci_config_write(b, (u8)i, PCI_INT_LINE, w->irq[pirq],
					 1);
		}
	}
	return 0;
}
