/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e820.h - the memory map as firmware tells it, in the form of INT 15h
 * E820h; the three boot protocols each have their own packing of it.
 */
#ifndef DOPPEL_BOOT_E820_H
#define DOPPEL_BOOT_E820_H

#include "base/base.h"
#include "vm/gmem.h"

/* ACPI 15 "System Address Map Interfaces"; PVH and multiboot agree. */
enum e820_type {
	E820_RAM = 1,
	E820_RESERVED = 2,
	E820_ACPI = 3, /* tables: usable once they have been read */
	E820_NVS = 4,
};

struct e820_entry {
	u64 first, bytes;
	u32 type;
};

#define E820_MAX 16

struct e820 {
	unsigned count;
	struct e820_entry tab[E820_MAX];
};

/* The map of a PC with @m as its RAM, sorted, without overlaps. */
void e820_build(struct e820 *map, const struct gmem *m);

#endif
