/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dsdt.c - the differentiated system description: the PCI host bridge with
 * its windows and interrupt wiring, the serial port, the clock, and how to
 * switch off. No method, nothing to execute: names with constants only, so
 * that an interpreter is done with it quickly.
 *
 * What it says as ASL:
 *
 *   Name (\_S5, Package () { 0, 0, 0, 0 })
 *   Scope (\_SB) {
 *     Device (PCI0) {
 *       Name (_HID, EisaId ("PNP0A03"))  Name (_UID, 0)
 *       Name (_CRS, bus 0..255, ports 0CF8..0CFF consumed and all others
 *                   passed on, memory C0000000..FEBFFFFF)
 *       Name (_PRT, one package a slot and pin: { slot << 16 | 0xFFFF, pin,
 *                   Zero, GSI })
 *     }
 *     Device (COM1) { PNP0501, ports, irq }
 *     Device (RTC_) { PNP0B00, ports, irq }
 *   }
 *
 * Processors are not described: the MADT names them, and there is no more to
 * say of them.
 *
 * The PIIX PIRQ routers are shown as hard-wired (no link devices): they come
 * up routed to PC_PIRQ_IRQ and no one gains by moving them.
 *
 * References: ACPI 6.2.13 "_PRT (PCI Routing Table)", 7.4.2.6 "\_S5".
 */
#include "boot/acpi.h"
#include "vm/pc_map.h"

#define PCI_SLOTS 32
#define PCI_PINS 4

static void write_s5(struct aml *a)
{
	aml_mark m;
	unsigned i;

	aml_name(a, "\\_S5_");
	m = aml_package(a, 4);
	for (i = 0; i < 2; i++)
		aml_integer(a, PC_S5_SLP_TYP); /* PM1a, PM1b */
	aml_integer(a, 0);
	aml_integer(a, 0);
	aml_close(a, m);
}

static void write_prt(struct aml *a)
{
	aml_mark table, row;
	unsigned slot, pin;

	aml_name(a, "_PRT");
	/* Slot 0 is the host bridge itself, which has no pin. */
	table = aml_package(a, (PCI_SLOTS - 1) * PCI_PINS);
	for (slot = 1; slot < PCI_SLOTS; slot++) {
		for (pin = 0; pin < PCI_PINS; pin++) {
			row = aml_package(a, 4);
			aml_integer(a, slot << 16 | 0xffff);
			aml_integer(a, pin);
			aml_integer(a, 0); /* no link device: a GSI follows */
			aml_integer(a, PC_PIRQ_IRQ(PC_PCI_PIRQ(slot, pin)));
			aml_close(a, row);
		}
	}
	aml_close(a, table);
}

static void write_pci(struct aml *a)
{
	aml_mark dev, crs;

	dev = aml_device(a, "PCI0");
	aml_name(a, "_HID");
	aml_eisaid(a, "PNP0A03");
	aml_name(a, "_UID");
	aml_integer(a, 0);

	aml_name(a, "_CRS");
	crs = aml_resources(a);
	aml_res_bus_window(a, 0, 0xff);
	aml_res_io(a, PC_PORT_PCI, 8);
	aml_res_io_window(a, 0, PC_PORT_PCI - 1);
	aml_res_io_window(a, PC_PORT_PCI + 8, 0xffff);
	aml_res_mem_window(a, PC_PCI_MMIO, PC_PCI_MMIO_LAST);
	aml_resources_close(a, crs);

	write_prt(a);
	aml_close(a, dev);
}

static void write_isa_device(struct aml *a, const char *name, const char *hid,
			     u16 port, u8 ports, u8 irq)
{
	aml_mark dev, crs;

	dev = aml_device(a, name);
	aml_name(a, "_HID");
	aml_eisaid(a, hid);
	aml_name(a, "_UID");
	aml_integer(a, 0);
	aml_name(a, "_CRS");
	crs = aml_resources(a);
	aml_res_io(a, port, ports);
	aml_res_irq(a, irq);
	aml_resources_close(a, crs);
	aml_close(a, dev);
}

void acpi_write_dsdt(struct aml *a)
{
	aml_mark sb;

	write_s5(a);
	sb = aml_scope(a, "\\_SB_");
	write_pci(a);
	write_isa_device(a, "COM1", "PNP0501", PC_PORT_COM1, 8, PC_IRQ_COM1);
	write_isa_device(a, "RTC_", "PNP0B00", PC_PORT_RTC, 2, PC_IRQ_RTC);
	aml_close(a, sb);
}
