/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci.c - functions of a conventional PCI bus: headers, base address
 * registers, interrupt pins. How software reaches them is in pci_config.c.
 *
 * A BAR answers when its decoder is on, its address is not 0, and nothing
 * older answers there already. Software may overlap BARs while it moves them
 * about, so whenever one leaves, all that wait are tried again.
 */
#include "dev/pci.h"

#include "base/fmt.h"
#include "base/trace.h"

static struct bus *bar_bus(const struct pci_dev *d, const struct pci_bar *r)
{
	return r->kind == PCI_BAR_IO ? d->bus->pio : d->bus->mmio;
}

/* Where BAR @n should answer; false if nowhere. */
static bool bar_wanted(const struct pci_dev *d, unsigned n, u64 *first)
{
	const struct pci_bar *r = &d->bar[n];
	unsigned reg = PCI_BAR0 + 4 * n;
	const struct bus *b = bar_bus(d, r);
	u64 addr = pci_get32(d->config, reg);
	u64 last;

	if (r->kind == PCI_BAR_IO) {
		if (!(pci_command(d) & PCI_COMMAND_IO))
			return false;
		addr &= ~3ull;
	} else {
		if (!(pci_command(d) & PCI_COMMAND_MEMORY))
			return false;
		addr &= ~15ull;
	}
	if (r->kind == PCI_BAR_MEM64)
		addr |= (u64)pci_get32(d->config, reg + 4) << 32;
	last = addr + r->range.bytes - 1;
	*first = addr;
	return addr && last >= addr &&
	       (b->address_bits >= 64 || !(last >> b->address_bits));
}

/* Takes away what no longer answers where it does. */
static void unmap_moved(struct pci_dev *d)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct pci_bar *r = &d->bar[n];
		u64 first;

		if (!r->range.active)
			continue;
		if (bar_wanted(d, n, &first) && first == r->range.first)
			continue;
		TRACE(PCI, "%s: BAR %u leaves 0x%llx", d->dev.id, n,
		      (unsigned long long)r->range.first);
		bus_remove(bar_bus(d, r), &r->range);
	}
}

static void map_wanted(struct pci_dev *d)
{
	for (unsigned n = 0; n < PCI_BARS; n++) {
		struct pci_bar *r = &d->bar[n];
		u64 first;
		bool ok;

		if (r->kind == PCI_BAR_NONE || r->range.active ||
		    !bar_wanted(d, n, &first))
			continue;
		r->range.first = first;
		ok = bus_add(bar_bus(d, r), &r->range);
		TRACE(PCI, "%s: BAR %u at 0x%llx%s", d->dev.id, n,
		      (unsigned long long)first, ok ? "" : ": overlaps");
	}
}

static void update_bars(struct pci_dev *d)
{
	unmap_moved(d);
	for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
		if (d->bus->fn[i])
			map_wanted(d->bus->fn[i]);
}

static bool drives_pin(const struct pci_dev *d)
{
	return d->intx && d->config[PCI_INT_PIN] &&
	       !(pci_command(d) & PCI_COMMAND_NO_INTX);
}

void pci_update_pirqs(struct pci_bus *b)
{
	bool level[PCI_PINS] = { false };

	for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
		const struct pci_dev *d = b->fn[i];

		if (d && drives_pin(d))
			level[pci_pirq(PCI_SLOT(i),
				       d->config[PCI_INT_PIN] - 1u)] = true;
	}
	for (unsigned p = 0; p < PCI_PINS; p++) {
		if (b->pirq_level[p] == level[p])
			continue;
		b->pirq_level[p] = level[p];
		irq_set(&b->pirq[p], level[p]);
	}
}

void pci_set_intx(struct pci_dev *d, bool level)
{
	if (d->intx == level)
		return;
	d->intx = level;
	if (level)
		d->config[PCI_STATUS] |= PCI_STATUS_INTX;
	else
		d->config[PCI_STATUS] &= (u8)~PCI_STATUS_INTX;
	pci_update_pirqs(d->bus);
}

u32 pci_config_read(struct pci_bus *b, u8 devfn, unsigned reg,
		    unsigned bytes)
{
	struct pci_dev *d = b->fn[devfn];
	u32 v = 0;

	if (!d || reg + bytes > PCI_CONFIG_BYTES)
		return ~0u >> (32 - 8 * bytes);
	if (d->ops && d->ops->config_reading)
		d->ops->config_reading(d, reg, bytes);
	for (unsigned i = 0; i < bytes; i++)
		v |= (u32)d->config[reg + i] << (8 * i);
	return v;
}

void pci_config_write(struct pci_bus *b, u8 devfn, unsigned reg, u32 value,
		      unsigned bytes)
{
	struct pci_dev *d = b->fn[devfn];

	if (!d || reg + bytes > PCI_CONFIG_BYTES)
		return;
	TRACE(PCI, "%s: config 0x%02x = 0x%x (%u bytes)", d->dev.id, reg,
	      value, bytes);
	for (unsigned i = 0; i < bytes; i++) {
		u8 *at = &d->config[reg + i];
		u8 w = d->writable[reg + i];

		*at = (u8)((*at & ~w) | ((u8)(value >> (8 * i)) & w));
	}
	if (pci_touches(reg, bytes, PCI_COMMAND, 2) ||
	    pci_touches(reg, bytes, PCI_BAR0, 4 * PCI_BARS)) {
		update_bars(d);
		pci_update_pirqs(b);
	}
	if (d->ops && d->ops->config_written)
		d->ops->config_written(d, reg, bytes);
}

void pci_dev_init(struct pci_dev *d, const struct pci_id *id,
		  const struct pci_ops *ops)
{
	struct device dev = d->dev;
	u8 *c = d->initial;

	fill_bytes(d, 0, sizeof(*d));
	d->dev = dev;
	d->ops = ops;
	d->last_cap = PCI_CAPS;
	d->free_config = 0x40;

	pci_set16(c, PCI_VENDOR, id->vendor);
	pci_set16(c, PCI_DEVICE, id->device);
	c[PCI_REVISION] = id->revision;
	c[PCI_CLASS] = (u8)id->class_code;
	c[PCI_CLASS + 1] = (u8)(id->class_code >> 8);
	c[PCI_CLASS + 2] = (u8)(id->class_code >> 16);
	pci_set16(c, PCI_SUBVENDOR, id->subvendor);
	pci_set16(c, PCI_SUBDEVICE, id->subdevice);
	c[PCI_INT_PIN] = id->int_pin;

	pci_set16(d->writable, PCI_COMMAND,
		  PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR);
	d->writable[PCI_CACHE_LINE] = 0xff;
	if (id->int_pin) {
		d->writable[PCI_COMMAND + 1] |= PCI_COMMAND_NO_INTX >> 8;
		d->writable[PCI_INT_LINE] = 0xff;
	}
}

void pci_add_bar(struct pci_dev *d, unsigned n, enum pci_bar_kind kind,
		 u64 bytes, const struct bus_ops *ops, void *dev,
		 const char *name)
{
	struct pci_bar *r = &d->bar[n];
	unsigned reg = PCI_BAR0 + 4 * n;
	u64 low = kind == PCI_BAR_IO ? 4 : 16;

	BUG_ON(n >= PCI_BARS || r->kind != PCI_BAR_NONE || bytes < low ||
	       (bytes & (bytes - 1)));
	BUG_ON(kind == PCI_BAR_MEM64 && n + 1 >= PCI_BARS);
	BUG_ON(kind != PCI_BAR_MEM64 && bytes > GiB(2));
	r->kind = kind;
	r->range = (struct bus_range){ .bytes = bytes, .ops = ops, .dev = dev,
				       .name = name };
	pci_set32(d->writable, reg, (u32)~(bytes - 1));
	if (kind == PCI_BAR_IO) {
		d->initial[reg] = 0x1;
		d->writable[PCI_COMMAND] |= PCI_COMMAND_IO;
	} else {
		d->writable[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	}
	if (kind == PCI_BAR_MEM64) {
		d->initial[reg] = 0x4;
		pci_set32(d->writable, reg + 4, (u32)(~(bytes - 1) >> 32));
	}
}

unsigned pci_add_cap(struct pci_dev *d, u8 id, unsigned bytes)
{
	unsigned at = d->free_config;

	BUG_ON(at + bytes > 0xfc);
	d->initial[at] = id;
	d->initial[d->last_cap] = (u8)at;
	d->initial[PCI_STATUS] |= PCI_STATUS_CAPS;
	d->last_cap = (u8)(at + 1);
	d->free_config = (u8)align_up(at + bytes, 4);
	return at;
}

int pci_attach(struct pci_bus *b, struct pci_dev *d, int devfn, struct err *e)
{
	if (devfn == PCI_ANY_SLOT) {
		for (devfn = 0; devfn < PCI_FUNCTIONS; devfn += 8)
			if (!b->fn[devfn])
				break;
		if (devfn >= PCI_FUNCTIONS)
			return err_set(e, -ENOSPC,
				       "all 32 PCI slots are taken: "
				       "use fewer devices");
	}
	if (devfn < 0 || devfn >= PCI_FUNCTIONS)
		return err_set(e, -EINVAL, "there is no PCI slot %d", devfn);
	if (b->fn[devfn])
		return err_set(e, -EBUSY,
			       "PCI address %02x.%x is taken twice: give each "
			       "device its own", devfn >> 3, devfn & 7u);
	d->bus = b;
	d->devfn = (u8)devfn;
	b->fn[devfn] = d;
	copy_bytes(d->config, d->initial, sizeof(d->config));
	return 0;
}

void pci_detach(struct pci_dev *d)
{
	if (!d->bus || d->bus->fn[d->devfn] != d)
		return;
	pci_set_intx(d, false);
	d->config[PCI_COMMAND] = 0;
	update_bars(d);
	d->bus->fn[d->devfn] = NULL;
}

void pci_dev_reset(struct pci_dev *d)
{
	copy_bytes(d->config, d->initial, sizeof(d->config));
	d->intx = false;
	update_bars(d);
	pci_update_pirqs(d->bus);
}

void pci_dev_loaded(struct pci_dev *d)
{
	for (unsigned i = 0; i < PCI_CONFIG_BYTES; i++)
		d->config[i] = (u8)((d->initial[i] & ~d->writable[i]) |
				    (d->config[i] & d->writable[i]));
	if (d->intx)
		d->config[PCI_STATUS] |= PCI_STATUS_INTX;
	update_bars(d);
	pci_update_pirqs(d->bus);
}
