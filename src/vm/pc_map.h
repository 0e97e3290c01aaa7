/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pc_map.h - where everything is in the PC: what board/ wires and what boot/
 * tells the guest (ACPI tables, memory map) must be the same numbers.
 *
 * An i440FX/PIIX-compatible layout. References: 82371AB (PIIX4) datasheet;
 * ACPI 6.3, 4.8 "ACPI Register Model".
 */
#ifndef DOPPEL_VM_PC_MAP_H
#define DOPPEL_VM_PC_MAP_H

#include "base/base.h"

/* --- physical memory --- */
#define PC_EBDA 0x9fc00ull /* to PC_EBDA_END: reserved, holds no RAM for OSes */
#define PC_EBDA_END 0xa0000ull
#define PC_VGA 0xa0000ull /* to 0xbffff: no RAM is shown to the OS here */
#define PC_ROM 0xc0000ull /* to 0xfffff: reserved */
#define PC_ACPI_TABLES 0xe0000ull /* RSDP first; searched by 16-byte steps */
#define PC_ACPI_TABLES_END 0x100000ull
#define PC_HIGH_MEMORY 0x100000ull

/* BARs live in [first, last]; RAM below it ends at GMEM_LOW_MAX at most. */
#define PC_PCI_MMIO 0xc0000000ull
#define PC_PCI_MMIO_LAST 0xfebfffffull
#define PC_IOAPIC 0xfec00000ull
#define PC_IOAPIC_BYTES 0x1000ull
#define PC_LAPIC 0xfee00000ull
#define PC_LAPIC_BYTES 0x1000ull
#define PC_FIRMWARE 0xff000000ull /* to 4 GiB: for firmware images */

/* --- I/O ports --- */
#define PC_PORT_PIC0 0x20
#define PC_PORT_PIC1 0xa0
#define PC_PORT_ELCR 0x4d0 /* and 0x4d1 */
#define PC_PORT_PIT 0x40
#define PC_PORT_I8042 0x60 /* data; command and status at + 4 */
#define PC_PORT_SPEAKER 0x61
#define PC_PORT_RTC 0x70
#define PC_PORT_A20 0x92
#define PC_PORT_SMI_CMD 0xb2
#define PC_PORT_DEBUGCON 0xe9
#define PC_PORT_DEBUG_EXIT 0xf4
#define PC_PORT_COM1 0x3f8
#define PC_PORT_PCI 0xcf8 /* address; data at + 4 */
#define PC_PORT_RESET 0xcf9 /* byte: within the PCI address register */
/* I/O BARs live in [first, last]. */
#define PC_PCI_PORT 0xc000
#define PC_PCI_PORT_LAST 0xfeff

/* Power management block: PIIX4 order. */
#define PC_PORT_PM 0x600
#define PC_PORT_PM1A_EVT PC_PORT_PM /* status, enable: 4 bytes */
#define PC_PORT_PM1A_CNT (PC_PORT_PM + 4) /* 2 bytes */
#define PC_PORT_PM_TMR (PC_PORT_PM + 8) /* 4 bytes, 32 bits count */
#define PC_PORT_GPE0 (PC_PORT_PM + 12) /* 2 bytes status, 2 enable */
#define PC_GPE0_BYTES 4

/* Written to PC_PORT_SMI_CMD. */
#define PC_SMI_ACPI_ENABLE 0xf1
#define PC_SMI_ACPI_DISABLE 0xf0
/* SLP_TYP for \_S5 (power off); DSDT: Package () { 0, 0, 0, 0 }. */
#define PC_S5_SLP_TYP 0
/* Written to PC_PORT_RESET (FADT RESET_VALUE). */
#define PC_RESET_VALUE 6

/* --- interrupts ---
 * ISA irq n is IOAPIC input (GSI) n, but for irq 0, which is GSI 2. */
#define PC_GSI_COUNT 24
#define PC_IRQ_PIT 0
#define PC_GSI_PIT 2
#define PC_IRQ_KEYBOARD 1
#define PC_IRQ_COM1 4
#define PC_IRQ_RTC 8
#define PC_IRQ_SCI 9
#define PC_IRQ_MOUSE 12
/* Level-triggered, active high, in PIC (ELCR) and MADT: SCI and PIRQs. */
#define PC_GSI_LEVEL_MASK (BIT(9) | BIT(10) | BIT(11))

/* PCI INTx: pin 0 is INTA#. Slot and pin give a PIRQ (0 is PIRQA#), which is
 * wired to an irq; the PIIX route registers start with the same values. */
#define PC_PIRQ_COUNT 4
#define PC_PCI_PIRQ(slot, pin) (((slot) + (pin) + 3u) & 3u)
#define PC_PIRQ_IRQ(pirq) (10u + ((pirq) >> 1))

#define PC_IOAPIC_ID 0

/* --- CMOS --- what the wiring writes for firmware. */
#define PC_CMOS_CENTURY 0x32 /* FADT CENTURY */

#endif
