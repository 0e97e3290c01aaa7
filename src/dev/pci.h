/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci.h - one conventional PCI bus and the functions on it: configuration
 * space, base address registers that move on the port and memory buses,
 * INTx pins.
 *
 * A function is a struct that begins with struct pci_dev. Its init function
 * calls pci_dev_init, adds BARs and capabilities, then pci_attach. Everything
 * runs with the device lock held.
 *
 * References: PCI Local Bus Specification 3.0, chapter 6 "Configuration
 * Space"; 3.2.2.3.2 "Software Generation of Configuration Transactions".
 */
#ifndef DOPPEL_DEV_PCI_H
#define DOPPEL_DEV_PCI_H

#include "base/base.h"
#include "base/err.h"
#include "vm/bus.h"
#include "vm/device.h"
#include "vm/irq.h"

#define PCI_CONFIG_BYTES 256
#define PCI_BARS 6
#define PCI_FUNCTIONS 256 /* 32 slots of 8 functions */
#define PCI_PINS 4

#define PCI_DEVFN(slot, fn) ((u8)((slot) << 3 | (fn)))
#define PCI_SLOT(devfn) ((devfn) >> 3)
#define PCI_ANY_SLOT (-1) /* function 0 of the first free slot */

/* Registers of the type 0 header. */
#define PCI_VENDOR 0x00
#define PCI_DEVICE 0x02
#define PCI_COMMAND 0x04
#define PCI_COMMAND_IO BIT(0)
#define PCI_COMMAND_MEMORY BIT(1)
#define PCI_COMMAND_MASTER BIT(2)
#define PCI_COMMAND_PARITY BIT(6)
#define PCI_COMMAND_SERR BIT(8)
#define PCI_COMMAND_NO_INTX BIT(10)
#define PCI_STATUS 0x06
#define PCI_STATUS_INTX BIT(3)
#define PCI_STATUS_CAPS BIT(4)
#define PCI_REVISION 0x08
#define PCI_CLASS 0x09 /* three bytes: interface, subclass, class */
#define PCI_CACHE_LINE 0x0c
#define PCI_LATENCY 0x0d
#define PCI_HEADER_TYPE 0x0e
#define PCI_HEADER_MULTI BIT(7)
#define PCI_BAR0 0x10
#define PCI_SUBVENDOR 0x2c
#define PCI_SUBDEVICE 0x2e
#define PCI_CAPS 0x34
#define PCI_INT_LINE 0x3c
#define PCI_INT_PIN 0x3d /* 0: none, 1: INTA# */

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX 0x11

struct pci_dev;

struct pci_ops {
	/* Before the bytes at @reg are read: may freshen d->config. */
	void (*config_reading)(struct pci_dev *d, unsigned reg,
			       unsigned bytes);
	/* After they were written. Both may be NULL. */
	void (*config_written)(struct pci_dev *d, unsigned reg,
			       unsigned bytes);
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_bar {
	enum pci_bar_kind kind;
	struct bus_range range; /* .bytes is the BAR's size */
};

struct pci_bus;

struct pci_dev {
	struct device dev;
	const struct pci_ops *ops;
	struct pci_bus *bus;
	u8 devfn;
	u8 last_cap; /* where the next capability is chained */
	u8 free_config; /* first unused byte behind the capabilities */
	bool intx; /* the function asks for its pin */
	u8 config[PCI_CONFIG_BYTES];
	/* Fixed when the function is made: its values at power-up and the
	 * bits that software may change. */
	u8 initial[PCI_CONFIG_BYTES];
	u8 writable[PCI_CONFIG_BYTES];
	struct pci_bar bar[PCI_BARS];
};

/* The saved part, for the field table of a struct that holds one at @at. */
#define PCI_DEV_FIELDS(type, at)                     \
	FIELD_BLOB(type, at.config, 1),              \
	FIELD(type, at.intx, FIELD_BOOL, 1)

struct pci_bus {
	struct bus *pio, *mmio;
	u32 address; /* the register at 0xcf8 */
	struct pci_dev *fn[PCI_FUNCTIONS];
	/* Where the four interrupt lines of the board go; set by whoever
	 * routes them (PIIX3). */
	struct irq_line pirq[PCI_PINS];
	bool pirq_level[PCI_PINS];
	struct bus_range address_port, data_port;
	/* Byte writes to 0xcf9, which lies inside the address register. */
	void (*reset_control)(void *ctx, u8 value);
	u8 (*reset_control_read)(void *ctx);
	void *reset_ctx;
};

struct pci_id {
	u16 vendor, device;
	u32 class_code; /* class << 16 | subclass << 8 | interface */
	u8 revision;
	u16 subvendor, subdevice;
	u8 int_pin; /* 0: no interrupts, 1: INTA# */
};

/* --- the bus --- */

void pci_bus_init(struct pci_bus *b, struct bus *pio, struct bus *mmio);
/* The PIRQ (0 is A) of pin @pin (0 is INTA#) of slot @slot. */
static inline unsigned pci_pirq(unsigned slot, unsigned pin)
{
	return (slot + pin + PCI_PINS - 1) % PCI_PINS;
}
/* Recomputes the PIRQ lines from the functions' pins. */
void pci_update_pirqs(struct pci_bus *b);
/* Configuration accesses inside one aligned dword; an empty @devfn gives all
 * ones. */
u32 pci_config_read(struct pci_bus *b, u8 devfn, unsigned reg,
		    unsigned bytes);
void pci_config_write(struct pci_bus *b, u8 devfn, unsigned reg, u32 value,
		      unsigned bytes);

/* --- a function --- */

/* Zeroes @d (but for d->dev) and fills in the header. */
void pci_dev_init(struct pci_dev *d, const struct pci_id *id,
		  const struct pci_ops *ops);
/* BAR @n of @bytes (a power of two; at least 4 for ports, 16 for memory). A
 * 64-bit one occupies n + 1 too. */
void pci_add_bar(struct pci_dev *d, unsigned n, enum pci_bar_kind kind,
		 u64 bytes, const struct bus_ops *ops, void *dev,
		 const char *name);
/* Appends a capability of @bytes, header included; returns its offset. */
unsigned pci_add_cap(struct pci_dev *d, u8 id, unsigned bytes);
/* Places the function on the bus at @devfn or PCI_ANY_SLOT. */
int pci_attach(struct pci_bus *b, struct pci_dev *d, int devfn,
	       struct err *e) MUST_CHECK;
void pci_detach(struct pci_dev *d); /* not attached is fine */
void pci_dev_reset(struct pci_dev *d); /* as at power-up */
/* After the fields were loaded: read-only bits get their values back, BARs
 * and the pin take effect. */
void pci_dev_loaded(struct pci_dev *d);

/* The level of the function's INTx pin. */
void pci_set_intx(struct pci_dev *d, bool level);

/* --- configuration space as numbers --- */

static inline u16 pci_get16(const u8 *p, unsigned reg)
{
	return (u16)(p[reg] | p[reg + 1] << 8);
}

static inline u32 pci_get32(const u8 *p, unsigned reg)
{
	return pci_get16(p, reg) | (u32)pci_get16(p, reg + 2) << 16;
}

static inline void pci_set16(u8 *p, unsigned reg, u16 v)
{
	p[reg] = (u8)v;
	p[reg + 1] = (u8)(v >> 8);
}

static inline void pci_set32(u8 *p, unsigned reg, u32 v)
{
	pci_set16(p, reg, (u16)v);
	pci_set16(p, reg + 2, (u16)(v >> 16));
}

static inline u16 pci_command(const struct pci_dev *d)
{
	return pci_get16(d->config, PCI_COMMAND);
}

/* May the function write memory, and so send messages? */
static inline bool pci_is_master(const struct pci_dev *d)
{
	return pci_command(d) & PCI_COMMAND_MASTER;
}

/* Does an access of @bytes at @reg touch [@first, @first + @count)? */
static inline bool pci_touches(unsigned reg, unsigned bytes, unsigned first,
			       unsigned count)
{
	return reg < first + count && first < reg + bytes;
}

#endif
