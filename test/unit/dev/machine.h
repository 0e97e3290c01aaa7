/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - just enough of a PC around a device under test: memory, buses,
 * a PCI host bridge, and a record of the interrupts that were sent.
 */
#ifndef DOPPEL_TEST_DEV_MACHINE_H
#define DOPPEL_TEST_DEV_MACHINE_H

#include <stdlib.h>
#include <string.h>

#include "dev/pci_host.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/gmem.h"

#ifndef RAM_LOW
#define RAM_LOW MiB(1)
#define RAM_HIGH MiB(1)
#endif

struct machine {
	struct gmem mem;
	struct bus pio, mmio;
	struct clock clock;
	struct pci_host host;
	struct piix3 isa;
	struct msi_sink msi;

	bool irq[16];
	unsigned msi_count;
	u64 msi_addr;
	u32 msi_data;
	unsigned resets;
	bool written_bad; /* it was told of something that is not RAM */
	u8 *told; /* RAM as the engine knows it: copied when it is told */
};

static inline void machine_irq(void *m, unsigned input, bool level)
{
	((struct machine *)m)->irq[input] = level;
}

static inline void machine_msi(void *ctx, u64 addr, u32 data)
{
	struct machine *m = ctx;

	m->msi_count++;
	m->msi_addr = addr;
	m->msi_data = data;
}

static inline void machine_reset_asked(void *m)
{
	((struct machine *)m)->resets++;
}

static inline void machine_written(void *ctx, gpa_t gpa, u64 len)
{
	struct machine *m = ctx;
	hva_t p = gmem_hva(&m->mem, gpa, len);

	if (p)
		memcpy(m->told + (p - m->mem.ram), p, len);
	else
		m->written_bad = true;
}

static inline void machine_init(struct machine *m)
{
	struct pci_host_wiring hw = { &m->pio, &m->mmio };
	struct piix3_wiring iw = { .first_irq = { 10, 10, 11, 11 },
				   .reset = machine_reset_asked,
				   .reset_ctx = m };

	memset(m, 0, sizeof(*m));
	m->mem = (struct gmem){ .ram = calloc(1, RAM_LOW + RAM_HIGH),
				.low_bytes = RAM_LOW, .high_bytes = RAM_HIGH,
				.fd = -1, .written = machine_written,
				.written_ctx = m };
	m->told = calloc(1, RAM_LOW + RAM_HIGH);
	m->msi = (struct msi_sink){ machine_msi, m };
	bus_init(&m->pio, "pio", 16);
	bus_init(&m->mmio, "mmio", 40);
	clock_init(&m->clock);
	if (pci_host_init(&m->host, &hw, NULL))
		abort();
	for (unsigned i = 0; i < 16; i++)
		iw.isa[i] = (struct irq_line){ machine_irq, m, i };
	iw.bus = &m->host.bus;
	if (piix3_init(&m->isa, &iw, NULL))
		abort();
}

static inline void machine_fini(struct machine *m)
{
	piix3_class.fini(&m->isa.pci.dev);
	pci_host_class.fini(&m->host.pci.dev);
	free(m->mem.ram);
	free(m->told);
}

/* Configuration space by the ports, as a driver has it. */
static inline u32 cfg_read(struct machine *m, u8 devfn, unsigned reg,
			   unsigned bytes)
{
	bus_write(&m->pio, 0xcf8, 0x80000000u | (u32)devfn << 8 | (reg & 0xfc),
		  4);
	return (u32)bus_read(&m->pio, 0xcfc + (reg & 3), bytes);
}

static inline void cfg_write(struct machine *m, u8 devfn, unsigned reg,
			     u32 value, unsigned bytes)
{
	bus_write(&m->pio, 0xcf8, 0x80000000u | (u32)devfn << 8 | (reg & 0xfc),
		  4);
	bus_write(&m->pio, 0xcfc + (reg & 3), value, bytes);
}

/* The offset of the first capability @id with @type at byte 3 (or any, -1). */
static inline unsigned cfg_find_cap(struct machine *m, u8 devfn, u8 id,
				    int type)
{
	unsigned at = cfg_read(m, devfn, PCI_CAPS, 1);

	for (int hops = 0; at && hops < 48; hops++) {
		if (cfg_read(m, devfn, at, 1) == id &&
		    (type < 0 || cfg_read(m, devfn, at + 3, 1) == (u32)type))
			return at;
		at = cfg_read(m, devfn, at + 1, 1);
	}
	return 0;
}

#endif
