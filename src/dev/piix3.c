/* SPDX-License-Identifier: Apache-2.0 */
/*
 * piix3.c - the PIIX3 ISA bridge: routes the four PCI interrupt lines to ISA
 * interrupts, and resets the machine by port 0xcf9.
 *
 * 82371SB (PIIX3), 2.2.11 "PIRQRC[A:D]: PIRQx Route Control Registers";
 * 2.5.4.1 "RC: Reset Control Register".
 */
#include "dev/pci_host.h"

#include "base/trace.h"

#define PIRQ_ROUTE 0x60 /* to 0x63 */
#define PIRQ_OFF 0x80

#define RC_HARD BIT(1) /* all of the machine, not the processor alone */
#define RC_CPU BIT(2) /* its rising edge resets */

/* Interrupts 0, 1, 2, 8 and 13 are the board's own and cannot be chosen. */
#define ROUTABLE 0xdef8u

static void update_isa(struct piix3 *p)
{
	bool level[16] = { false };

	for (unsigned pirq = 0; pirq < PCI_PINS; pirq++) {
		u8 route = p->pci.config[PIRQ_ROUTE + pirq];

		if (p->pci.bus->pirq_level[pirq] && !(route & PIRQ_OFF))
			level[route & 15] = true;
	}
	for (unsigned i = 0; i < 16; i++) {
		if (!(ROUTABLE & BIT(i)) || p->isa_level[i] == level[i])
			continue;
		p->isa_level[i] = level[i];
		irq_set(&p->isa[i], level[i]);
	}
}

static void pirq_set(void *dev, unsigned pirq, bool level)
{
	update_isa(dev);
}

static void config_written(struct pci_dev *d, unsigned reg, unsigned bytes)
{
	struct piix3 *p = container_of(d, struct piix3, pci);

	if (pci_touches(reg, bytes, PIRQ_ROUTE, PCI_PINS))
		update_isa(p);
}

static u8 reset_control_read(void *ctx)
{
	const struct piix3 *p = ctx;

	return p->reset_control;
}

static void reset_control(void *ctx, u8 value)
{
	struct piix3 *p = ctx;
	bool rising = value & ~p->reset_control & RC_CPU;

	p->reset_control = value & (RC_HARD | RC_CPU);
	if (rising && p->reset) {
		TRACE(PCI, "reset by port 0xcf9: 0x%x", value);
		p->reset(p->reset_ctx);
	}
}

static const struct pci_ops ops = { .config_written = config_written };

static void reset(struct device *dev)
{
	struct piix3 *p = container_of(dev, struct piix3, pci.dev);

	p->reset_control = 0;
	pci_dev_reset(&p->pci);
	update_isa(p);
}

static int loaded(struct device *dev)
{
	struct piix3 *p = container_of(dev, struct piix3, pci.dev);

	p->reset_control &= RC_HARD | RC_CPU;
	pci_dev_loaded(&p->pci);
	update_isa(p);
	return 0;
}

static void fini(struct device *dev)
{
	struct piix3 *p = container_of(dev, struct piix3, pci.dev);

	if (!p->pci.bus)
		return;
	for (unsigned i = 0; i < PCI_PINS; i++)
		p->pci.bus->pirq[i] = (struct irq_line){ 0 };
	p->pci.bus->reset_control = NULL;
	p->pci.bus->reset_control_read = NULL;
	pci_detach(&p->pci);
}

static const struct field fields[] = {
	PCI_DEV_FIELDS(struct piix3, pci),
	FIELD(struct piix3, reset_control, FIELD_U8, 1),
	FIELD_END
};

const struct device_class piix3_class = {
	.name = "piix3",
	.version = 1,
	.bytes = sizeof(struct piix3),
	.fields = fields,
	.reset = reset,
	.loaded = loaded,
	.fini = fini,
};

int piix3_init(struct piix3 *p, const struct piix3_wiring *w, struct err *e)
{
	static const struct pci_id id = {
		.vendor = 0x8086,
		.device = 0x7000,
		.class_code = 0x060100, /* ISA bridge */
	};
	int r;

	pci_dev_init(&p->pci, &id, &ops);
	p->pci.initial[PCI_HEADER_TYPE] = PCI_HEADER_MULTI;
	for (unsigned i = 0; i < PCI_PINS; i++) {
		p->pci.initial[PIRQ_ROUTE + i] = w->first_irq[i];
		p->pci.writable[PIRQ_ROUTE + i] = PIRQ_OFF | 0x0f;
	}
	for (unsigned i = 0; i < 16; i++) {
		p->isa[i] = w->isa[i];
		p->isa_level[i] = false;
	}
	p->reset_control = 0;
	p->reset = w->reset;
	p->reset_ctx = w->reset_ctx;

	r = pci_attach(w->bus, &p->pci, PCI_DEVFN(1, 0), e);
	if (r)
		return r;
	for (unsigned i = 0; i < PCI_PINS; i++)
		w->bus->pirq[i] = (struct irq_line){ pirq_set, p, i };
	w->bus->reset_control = reset_control;
	w->bus->reset_control_read = reset_control_read;
	w->bus->reset_ctx = p;
	return 0;
}
