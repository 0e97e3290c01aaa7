/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_host.c - i440FX host bridge and PIIX4 power management function: see
 * pci_host.h. The ISA bridge is in piix3.c.
 *
 * DEVIATES: the memory attribute (PAM) and SMRAM registers keep what is
 * written but change nothing: there is RAM everywhere below the hole.
 */
#include "dev/pci_host.h"

#define I440FX_PAM 0x59 /* to 0x5f */
#define I440FX_SMRAM 0x72

#define PIIX4_PM_BASE 0x40
#define PIIX4_PM_MISC 0x80

static void host_reset(struct device *dev)
{
	struct pci_host *h = container_of(dev, struct pci_host, pci.dev);

	h->bus.address = 0;
	pci_dev_reset(&h->pci);
}

static int host_loaded(struct device *dev)
{
	struct pci_host *h = container_of(dev, struct pci_host, pci.dev);

	h->bus.address &= ~3u;
	pci_dev_loaded(&h->pci);
	return 0;
}

static void host_fini(struct device *dev)
{
	struct pci_host *h = container_of(dev, struct pci_host, pci.dev);

	if (!h->bus.pio)
		return;
	pci_detach(&h->pci);
	bus_remove(h->bus.pio, &h->bus.address_port);
	bus_remove(h->bus.pio, &h->bus.data_port);
}

static const struct field host_fields[] = {
	PCI_DEV_FIELDS(struct pci_host, pci),
	FIELD(struct pci_host, bus.address, FIELD_U32, 1),
	FIELD_END
};

const struct device_class pci_host_class = {
	.name = "i440fx",
	.version = 1,
	.bytes = sizeof(struct pci_host),
	.fields = host_fields,
	.reset = host_reset,
	.loaded = host_loaded,
	.fini = host_fini,
};

int pci_host_init(struct pci_host *h, const struct pci_host_wiring *w,
		  struct err *e)
{
	static const struct pci_id id = {
		.vendor = 0x8086,
		.device = 0x1237,
		.class_code = 0x060000, /* host bridge */
		.revision = 2,
	};

	pci_dev_init(&h->pci, &id, NULL);
	for (unsigned i = 0; i < 7; i++)
		h->pci.writable[I440FX_PAM + i] = i ? 0x33 : 0x30;
	h->pci.writable[I440FX_SMRAM] = 0x78;
	h->pci.initial[I440FX_SMRAM] = 0x02;
	pci_bus_init(&h->bus, w->pio, w->mmio);
	return pci_attach(&h->bus, &h->pci, PCI_DEVFN(0, 0), e);
}

static void pm_reset(struct device *dev)
{
	pci_dev_reset(container_of(dev, struct pci_dev, dev));
}

static int pm_loaded(struct device *dev)
{
	pci_dev_loaded(container_of(dev, struct pci_dev, dev));
	return 0;
}

static void pm_fini(struct device *dev)
{
	pci_detach(container_of(dev, struct pci_dev, dev));
}

static const struct field pm_fields[] = {
	PCI_DEV_FIELDS(struct piix4_pm, pci),
	FIELD_END
};

const struct device_class piix4_pm_class = {
	.name = "piix4-pm",
	.version = 1,
	.bytes = sizeof(struct piix4_pm),
	.fields = pm_fields,
	.reset = pm_reset,
	.loaded = pm_loaded,
	.fini = pm_fini,
};

/* DEVIATES: the base of the ACPI registers is fixed and always on, so that
 * the ACPI tables, which name the same ports, stay true. */
int piix4_pm_init(struct piix4_pm *p, const struct piix4_pm_wiring *w,
		  struct err *e)
{
	static const struct pci_id id = {
		.vendor = 0x8086,
		.device = 0x7113,
		.class_code = 0x068000, /* other bridge */
		.revision = 3,
	};

	pci_dev_init(&p->pci, &id, NULL);
	pci_set32(p->pci.initial, PIIX4_PM_BASE, w->pm_base | 1u);
	p->pci.initial[PIIX4_PM_MISC] = 1; /* I/O space enabled */
	return pci_attach(w->bus, &p->pci, PCI_DEVFN(1, 3), e);
}
