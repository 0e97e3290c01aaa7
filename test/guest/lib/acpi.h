/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware says of the machine. ACPI 6.5, 5.2.5 "Root System
 * Description Pointer (RSDP)", 5.2.12 "Multiple APIC Description Table (MADT)".
 */
#ifndef ACPI_H
#define ACPI_H

#include "guest.h"

/* A table by its four letters, or null. */
const u8 *acpi_table(const char *signature);

/* Processors that the MADT calls enabled: their number, and their APIC ids. */
unsigned acpi_cpus(u32 *ids, unsigned max);

#endif
