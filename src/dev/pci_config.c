/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_config.c - how software reaches configuration space: the address
 * register at port 0xcf8 and the data window at 0xcfc.
 *
 * PCI 3.0, 3.2.2.3.2 "Software Generation of Configuration Transactions". The
 * address register answers to whole dwords only; a byte written to 0xcf9 goes
 * to the reset control register that the south bridge keeps there.
 */
#include "dev/pci.h"

#include "base/fmt.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT 0xcfc
#define ADDRESS_ENABLE BIT(31)

static u64 address_read(void *dev, u64 offset, unsigned bytes)
{
	struct pci_bus *b = dev;

	if (offset == 0 && bytes == 4)
		return b->address;
	if (offset == 1 && bytes == 1 && b->reset_control_read)
		return b->reset_control_read(b->reset_ctx);
	return ~0ull >> (64 - 8 * bytes);
}

static void address_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	struct pci_bus *b = dev;

	if (offset == 0 && bytes == 4)
		b->address = (u32)value & ~3u;
	else if (offset == 1 && bytes == 1 && b->reset_control)
		b->reset_control(b->reset_ctx, (u8)value);
}

/* There is one bus, number 0. */
static bool addressed(const struct pci_bus *b, u8 *devfn)
{
	*devfn = (u8)(b->address >> 8);
	return (b->address & ADDRESS_ENABLE) && !(b->address >> 16 & 0xff);
}

static u64 data_read(void *dev, u64 offset, unsigned bytes)
{
	struct pci_bus *b = dev;
	u8 devfn;

	if (!addressed(b, &devfn))
		return ~0ull >> (64 - 8 * bytes);
	return pci_config_read(b, devfn, (b->address & 0xfc) + (u32)offset,
			       bytes);
}

static void data_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	struct pci_bus *b = dev;
	u8 devfn;

	if (addressed(b, &devfn))
		pci_config_write(b, devfn, (b->address & 0xfc) + (u32)offset,
				 (u32)value, bytes);
}

static const struct bus_ops address_ops = { address_read, address_write };
static const struct bus_ops data_ops = { data_read, data_write };

void pci_bus_init(struct pci_bus *b, struct bus *pio, struct bus *mmio)
{
	fill_bytes(b, 0, sizeof(*b));
	b->pio = pio;
	b->mmio = mmio;
	b->address_port = (struct bus_range){
		.first = ADDRESS_PORT, .bytes = 4, .ops = &address_ops,
		.dev = b, .name = "pci-address",
	};
	b->data_port = (struct bus_range){
		.first = DATA_PORT, .bytes = 4, .ops = &data_ops,
		.dev = b, .name = "pci-data",
	};
	bus_add(pio, &b->address_port);
	bus_add(pio, &b->data_port);
}
