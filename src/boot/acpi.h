/* SPDX-License-Identifier: Apache-2.0 */
/* acpi.h - the ACPI tables of the PC. */
#ifndef DOPPEL_BOOT_ACPI_H
#define DOPPEL_BOOT_ACPI_H

#include "base/base.h"
#include "boot/aml.h"

/* Processors that the tables can name: APIC ids 0 to 253. */
#define ACPI_MAX_CPUS 254
/* Enough room for that many. */
#define ACPI_BYTES_MIN KiB(8)

/*
 * Writes the tables to @p[0..@room), which the guest sees at @at (a multiple
 * of 64), the RSDP first. Returns the bytes used; 0 when there is no room.
 */
u64 acpi_build(u8 *p, u64 room, gpa_t at, unsigned cpus);

/* The DSDT's body: the devices that cannot be found by probing. (dsdt.c) */
void acpi_write_dsdt(struct aml *a);

#endif
