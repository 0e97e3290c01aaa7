/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.c - RSDP, XSDT, FADT, FACS, MADT and the frame of the DSDT.
 *
 * The tables tell only what is there, and so save a guest its probing: no
 * keyboard controller (ours can but reset), no VGA; a reset register that
 * works at once; processors and interrupt controllers by number.
 *
 * All sums of a table are made after it is complete. References: ACPI 6.3,
 * 5.2 "ACPI System Description Tables" and the sections named below.
 */
#include "boot/acpi.h"

#include "base/fmt.h"
#include "boot/bytes.h"
#include "vm/pc_map.h"

#define HEADER_BYTES 36
#define RSDP_BYTES 36
#define FACS_BYTES 64
#define FADT_BYTES 276
#define XSDT_ENTRIES 2

/* The area that tables are cut from, one after the other. */
struct area {
	u8 *p;
	u64 used, room;
	gpa_t at;
};

static u8 *cut(struct area *t, u64 bytes, u64 align)
{
	u64 first = align_up(t->used, align);

	if (first > t->room || bytes > t->room - first)
		return NULL;
	t->used = first + bytes;
	return t->p + first;
}

static gpa_t address(const struct area *t, const u8 *p)
{
	return t->at + (u64)(p - t->p);
}

/* The byte that makes all of them add up to zero. */
static u8 checksum(const u8 *p, u64 n)
{
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *p++);
	return (u8)-sum;
}

/* 5.2.6 "System Description Table Header" */
static void finish_table(u8 *p, const char *signature, u8 revision, u32 bytes)
{
	copy_bytes(p, signature, 4);
	put_u32(p + 4, bytes);
	p[8] = revision;
	p[9] = 0;
	copy_bytes(p + 10, "DOPPEL", 6);
	copy_bytes(p + 16, "DOPPELPC", 8);
	put_u32(p + 24, 1);
	copy_bytes(p + 28, "DOPP", 4);
	put_u32(p + 32, 1);
	p[9] = checksum(p, bytes);
}

/* 5.2.5.3 "Root System Description Pointer (RSDP) Structure" */
static void write_rsdp(u8 *p, gpa_t xsdt)
{
	copy_bytes(p, "RSD PTR ", 8);
	copy_bytes(p + 9, "DOPPEL", 6);
	p[15] = 2; /* revision; no RSDT, every OS since 2000 takes the XSDT */
	put_u32(p + 20, RSDP_BYTES);
	put_u64(p + 24, xsdt);
	p[8] = checksum(p, 20);
	p[32] = checksum(p, RSDP_BYTES);
}

/* 5.2.10 "Firmware ACPI Control Structure (FACS)": has no header. */
static gpa_t write_facs(struct area *t)
{
	u8 *p = cut(t, FACS_BYTES, 64);

	if (!p)
		return 0;
	copy_bytes(p, "FACS", 4);
	put_u32(p + 4, FACS_BYTES);
	p[32] = 2; /* version */
	return address(t, p);
}

static gpa_t write_dsdt(struct area *t)
{
	struct aml a = { 0 };
	u8 *p = cut(t, HEADER_BYTES, 16);

	if (!p)
		return 0;
	a.p = p + HEADER_BYTES;
	a.room = t->room - t->used;
	acpi_write_dsdt(&a);
	if (a.full)
		return 0;
	t->used += a.bytes;
	/* Revision 2: integers have 64 bits. */
	finish_table(p, "DSDT", 2, (u32)(HEADER_BYTES + a.bytes));
	return address(t, p);
}

/* 5.2.3.2 "Generic Address Structure", in port space */
static void put_gas(u8 *p, u8 bits, u8 access, u64 port)
{
	p[0] = 1; /* system I/O */
	p[1] = bits;
	p[2] = 0;
	p[3] = access; /* 1 byte, 2 word, 3 dword */
	put_u64(p + 4, port);
}

/* 5.2.9 "Fixed ACPI Description Table (FADT)", its flags */
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_SLP_BUTTON BIT(5) /* none in the fixed registers */
#define FADT_TMR_VAL_EXT BIT(8) /* the PM timer has 32 bits */
#define FADT_RESET_REG_SUP BIT(10)
/* IA-PC boot architecture flags. Set: there are ISA devices (COM1). Clear:
 * 8042 and "no CMOS clock" - there is a clock, and the ports at 60h can but
 * reset the machine, which FADT's own reset register does better. */
#define FADT_BOOT_LEGACY_DEVICES BIT(0)
#define FADT_BOOT_NO_VGA BIT(2)

static gpa_t write_fadt(struct area *t, gpa_t facs, gpa_t dsdt)
{
	u8 *p = cut(t, FADT_BYTES, 16);

	if (!p)
		return 0;
	put_u32(p + 36, (u32)facs);
	put_u32(p + 40, (u32)dsdt);
	put_u16(p + 46, PC_IRQ_SCI);
	put_u32(p + 48, PC_PORT_SMI_CMD);
	p[52] = PC_SMI_ACPI_ENABLE;
	p[53] = PC_SMI_ACPI_DISABLE;
	put_u32(p + 56, PC_PORT_PM1A_EVT);
	put_u32(p + 64, PC_PORT_PM1A_CNT);
	put_u32(p + 76, PC_PORT_PM_TMR);
	put_u32(p + 80, PC_PORT_GPE0);
	p[88] = 4; /* bytes of PM1 event block, */
	p[89] = 2; /* PM1 control block, */
	p[91] = 4; /* PM timer, */
	p[92] = PC_GPE0_BYTES; /* GPE0 block */
	put_u16(p + 96, 0xffff); /* no C2, */
	put_u16(p + 98, 0xffff); /* no C3 */
	p[108] = PC_CMOS_CENTURY;
	put_u16(p + 109, FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_NO_VGA);
	put_u32(p + 112, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON |
				 FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP);
	put_gas(p + 116, 8, 1, PC_PORT_RESET);
	p[128] = PC_RESET_VALUE;
	p[131] = 3; /* minor version: 6.3 */
	/* X_FIRMWARE_CTRL stays 0: only one of the two may be given. */
	put_u64(p + 140, dsdt);
	put_gas(p + 148, 32, 2, PC_PORT_PM1A_EVT);
	put_gas(p + 172, 16, 2, PC_PORT_PM1A_CNT);
	put_gas(p + 208, 32, 3, PC_PORT_PM_TMR);
	put_gas(p + 220, PC_GPE0_BYTES * 8, 1, PC_PORT_GPE0);
	copy_bytes(p + 268, "DOPPEL", 6); /* hypervisor vendor */
	finish_table(p, "FACP", 6, FADT_BYTES);
	return address(t, p);
}

/* 5.2.12 "Multiple APIC Description Table (MADT)" */
#define MADT_LAPIC_BYTES 8
#define MADT_IOAPIC_BYTES 12
#define MADT_OVERRIDE_BYTES 10
#define MADT_NMI_BYTES 6
/* 5.2.12.5 "Interrupt Source Override Structure", MPS INTI flags */
#define INTI_CONFORMS 0
#define INTI_HIGH_LEVEL 0x000d

static u8 *put_override(u8 *p, u8 irq, u32 gsi, u16 flags)
{
	p[0] = 2;
	p[1] = MADT_OVERRIDE_BYTES;
	p[2] = 0; /* ISA */
	p[3] = irq;
	put_u32(p + 4, gsi);
	put_u16(p + 8, flags);
	return p + MADT_OVERRIDE_BYTES;
}

static gpa_t write_madt(struct area *t, unsigned cpus)
{
	unsigned i, overrides = 1;
	u32 bytes;
	u8 *p, *q;

	for (i = 0; i < 16; i++)
		overrides += !!(PC_GSI_LEVEL_MASK & BIT(i));
	bytes = HEADER_BYTES + 8 + cpus * MADT_LAPIC_BYTES + MADT_IOAPIC_BYTES +
		overrides * MADT_OVERRIDE_BYTES + MADT_NMI_BYTES;
	p = cut(t, bytes, 16);
	if (!p)
		return 0;
	put_u32(p + 36, PC_LAPIC);
	put_u32(p + 40, 1); /* PCAT_COMPAT: there is a pair of 8259 */
	q = p + 44;
	for (i = 0; i < cpus; i++) {
		q[0] = 0;
		q[1] = MADT_LAPIC_BYTES;
		q[2] = (u8)i; /* processor UID */
		q[3] = (u8)i; /* APIC id */
		put_u32(q + 4, 1); /* enabled */
		q += MADT_LAPIC_BYTES;
	}
	q[0] = 1;
	q[1] = MADT_IOAPIC_BYTES;
	q[2] = PC_IOAPIC_ID;
	put_u32(q + 4, PC_IOAPIC);
	put_u32(q + 8, 0); /* its first GSI */
	q += MADT_IOAPIC_BYTES;
	q = put_override(q, PC_IRQ_PIT, PC_GSI_PIT, INTI_CONFORMS);
	for (i = 0; i < 16; i++)
		if (PC_GSI_LEVEL_MASK & BIT(i))
			q = put_override(q, (u8)i, i, INTI_HIGH_LEVEL);
	q[0] = 4; /* NMI at a local APIC input */
	q[1] = MADT_NMI_BYTES;
	q[2] = 0xff; /* of all processors */
	put_u16(q + 3, INTI_CONFORMS);
	q[5] = 1; /* LINT1 */
	finish_table(p, "APIC", 5, bytes);
	return address(t, p);
}

u64 acpi_build(u8 *p, u64 room, gpa_t at, unsigned cpus)
{
	struct area t = { .p = p, .room = room, .at = at };
	gpa_t facs, dsdt, fadt, madt;
	u8 *rsdp, *xsdt;

	if (cpus < 1 || cpus > ACPI_MAX_CPUS)
		return 0;
	rsdp = cut(&t, RSDP_BYTES, 16);
	xsdt = cut(&t, HEADER_BYTES + 8 * XSDT_ENTRIES, 16);
	facs = write_facs(&t);
	dsdt = write_dsdt(&t);
	fadt = write_fadt(&t, facs, dsdt);
	madt = write_madt(&t, cpus);
	if (!rsdp || !xsdt || !facs || !dsdt || !fadt || !madt)
		return 0;
	put_u64(xsdt + HEADER_BYTES, fadt);
	put_u64(xsdt + HEADER_BYTES + 8, madt);
	finish_table(xsdt, "XSDT", 1, HEADER_BYTES + 8 * XSDT_ENTRIES);
	write_rsdp(rsdp, address(&t, xsdt));
	return t.used;
}
