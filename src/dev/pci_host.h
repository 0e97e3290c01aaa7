/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_host.h - the chip set's own PCI functions: the i440FX host bridge at
 * 00:00.0 with the bus itself, the PIIX3 ISA bridge at 00:01.0 with its
 * interrupt router and reset control register, and the PIIX4 power management
 * function at 00:01.3, by which firmware finds the ACPI registers.
 *
 * References: Intel 82441FX (PMC) datasheet; 82371SB (PIIX3) datasheet, 2.2
 * "PCI Configuration Registers"; 82371AB (PIIX4) datasheet, 7 "Power
 * Management".
 */
#ifndef DOPPEL_DEV_PCI_HOST_H
#define DOPPEL_DEV_PCI_HOST_H

#include "dev/pci.h"

struct pci_host {
	struct pci_dev pci;
	struct pci_bus bus;
};

struct pci_host_wiring {
	struct bus *pio, *mmio;
};

struct piix3 {
	struct pci_dev pci;
	struct irq_line isa[16];
	bool isa_level[16];
	u8 reset_control; /* the register at port 0xcf9 */
	void (*reset)(void *ctx);
	void *reset_ctx;
};

struct piix3_wiring {
	struct pci_bus *bus;
	/* ISA interrupt inputs; this chip drives those that a PIRQ is routed
	 * to, and no other. Level-triggered, active high. */
	struct irq_line isa[16];
	/* What the route registers hold after reset, in place of firmware;
	 * 0x80 for none. */
	u8 first_irq[PCI_PINS];
	/* The guest asks for a reset by port 0xcf9; may be NULL. */
	void (*reset)(void *ctx);
	void *reset_ctx;
};

struct piix4_pm {
	struct pci_dev pci;
};

struct piix4_pm_wiring {
	struct pci_bus *bus;
	u16 pm_base; /* where the ACPI registers are */
};

extern const struct device_class pci_host_class; /* struct pci_host */
extern const struct device_class piix3_class; /* struct piix3 */
extern const struct device_class piix4_pm_class; /* struct piix4_pm */

/* The host bridge first: the others need its bus. */
int pci_host_init(struct pci_host *h, const struct pci_host_wiring *w,
		  struct err *e) MUST_CHECK;
int piix3_init(struct piix3 *p, const struct piix3_wiring *w, struct err *e)
	MUST_CHECK;
int piix4_pm_init(struct piix4_pm *p, const struct piix4_pm_wiring *w,
		  struct err *e) MUST_CHECK;

#endif
