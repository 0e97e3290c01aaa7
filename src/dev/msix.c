/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msix.c - MSI-X: see msix.h.
 *
 * A message that cannot be sent now - its vector or the whole function
 * masked, or bus mastering off - stays pending and goes out when it can.
 */
#include "dev/msix.h"

#include "base/trace.h"

#define CONTROL 2 /* offset in the capability */
#define CONTROL_ENABLE BIT(15)
#define CONTROL_MASK_ALL BIT(14)
#define ENTRY_MASKED BIT(0)
#define ENTRY_BYTES 16u
#define PBA_OFFSET 0x800u

static u16 control(const struct msix *m)
{
	return pci_get16(m->pci->config, m->cap + CONTROL);
}

bool msix_enabled(const struct msix *m)
{
	return control(m) & CONTROL_ENABLE;
}

static bool can_send(const struct msix *m, unsigned n)
{
	return (control(m) & (CONTROL_ENABLE | CONTROL_MASK_ALL)) ==
		       CONTROL_ENABLE &&
	       pci_is_master(m->pci) &&
	       !(m->entry[n].control & ENTRY_MASKED);
}

void msix_raise(struct msix *m, unsigned n)
{
	if (n >= m->count || !msix_enabled(m))
		return;
	if (can_send(m, n))
		msi_send(&m->sink, m->entry[n].addr, m->entry[n].data);
	else
		m->pending |= BIT64(n);
}

static void send_pending(struct msix *m)
{
	for (unsigned n = 0; m->pending && n < m->count; n++) {
		if (!(m->pending & BIT64(n)) || !can_send(m, n))
			continue;
		m->pending &= ~BIT64(n);
		msi_send(&m->sink, m->entry[n].addr, m->entry[n].data);
	}
}

void msix_config_written(struct msix *m)
{
	if (!msix_enabled(m))
		m->pending = 0;
	send_pending(m);
}

static u32 table_read32(const struct msix *m, u64 offset)
{
	const struct msix_entry *e = &m->entry[offset / ENTRY_BYTES];

	switch (offset % ENTRY_BYTES) {
	case 0:
		return (u32)e->addr;
	case 4:
		return (u32)(e->addr >> 32);
	case 8:
		return e->data;
	default:
		return e->control;
	}
}

static void table_write32(struct msix *m, u64 offset, u32 v)
{
	struct msix_entry *e = &m->entry[offset / ENTRY_BYTES];

	switch (offset % ENTRY_BYTES) {
	case 0:
		e->addr = (e->addr & ~0xffffffffull) | (v & ~3u);
		break;
	case 4:
		e->addr = (u32)e->addr | (u64)v << 32;
		break;
	case 8:
		e->data = v;
		break;
	default:
		e->control = v & ENTRY_MASKED;
		send_pending(m);
	}
}

static u32 bar_read32(const struct msix *m, u64 offset)
{
	if (offset < m->count * ENTRY_BYTES)
		return table_read32(m, offset);
	if (offset == PBA_OFFSET)
		return (u32)m->pending;
	if (offset == PBA_OFFSET + 4)
		return (u32)(m->pending >> 32);
	return 0;
}

/* Only dwords and qwords are defined; narrower reads get their part of the
 * dword, narrower writes are dropped. */
static u64 bar_read(void *dev, u64 offset, unsigned bytes)
{
	const struct msix *m = dev;

	if (bytes == 8)
		return bar_read32(m, offset) |
		       (u64)bar_read32(m, offset + 4) << 32;
	return bar_read32(m, offset & ~3ull) >> (8 * (offset & 3));
}

static void bar_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	struct msix *m = dev;

	if (bytes < 4 || offset >= m->count * ENTRY_BYTES)
		return;
	table_write32(m, offset, (u32)value);
	if (bytes == 8)
		table_write32(m, offset + 4, (u32)(value >> 32));
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

void msix_init(struct msix *m, struct pci_dev *d, unsigned bar,
	       unsigned count, const struct msi_sink *sink)
{
	u8 *c = d->initial;

	BUG_ON(count == 0 || count > MSIX_MAX);
	m->pci = d;
	m->sink = *sink;
	m->count = count;
	pci_add_bar(d, bar, PCI_BAR_MEM32, MSIX_BAR_BYTES, &bar_ops, m,
		    "msix");
	m->cap = pci_add_cap(d, PCI_CAP_MSIX, 12);
	pci_set16(c, m->cap + CONTROL, (u16)(count - 1));
	pci_set16(d->writable, m->cap + CONTROL,
		  CONTROL_ENABLE | CONTROL_MASK_ALL);
	pci_set32(c, m->cap + 4, bar); /* the table, at offset 0 */
	pci_set32(c, m->cap + 8, PBA_OFFSET | bar);
	msix_reset(m);
}

void msix_reset(struct msix *m)
{
	m->pending = 0;
	for (unsigned n = 0; n < MSIX_MAX; n++)
		m->entry[n] = (struct msix_entry){ .control = ENTRY_MASKED };
}

void msix_loaded(struct msix *m)
{
	if (m->count < 64)
		m->pending &= BIT64(m->count) - 1;
	for (unsigned n = 0; n < MSIX_MAX; n++) {
		m->entry[n].addr &= ~3ull;
		m->entry[n].control &= ENTRY_MASKED;
	}
}
