/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e820.c - the PC's memory map. RAM backs all addresses below 1 MiB in
 * struct gmem, but as on every PC its upper 384 KiB are not the OS's.
 */
#include "boot/e820.h"

#include "vm/pc_map.h"

static void add(struct e820 *map, u64 first, u64 end, enum e820_type type)
{
	if (first >= end)
		return;
	BUG_ON(map->count == E820_MAX);
	map->tab[map->count++] =
		(struct e820_entry){ first, end - first, type };
}

void e820_build(struct e820 *map, const struct gmem *m)
{
	map->count = 0;
	add(map, 0, min_u64(PC_EBDA, m->low_bytes), E820_RAM);
	add(map, PC_EBDA, PC_EBDA_END, E820_RESERVED);
	/* Tables are read where they lie and FACS is written to, so this is
	 * not E820_ACPI, which an OS may take for RAM later. */
	add(map, PC_ROM, PC_HIGH_MEMORY, E820_RESERVED);
	add(map, PC_HIGH_MEMORY, m->low_bytes, E820_RAM);
	add(map, PC_IOAPIC, PC_IOAPIC + PC_IOAPIC_BYTES, E820_RESERVED);
	add(map, PC_LAPIC, PC_LAPIC + PC_LAPIC_BYTES, E820_RESERVED);
	add(map, PC_FIRMWARE, GMEM_HIGH_BASE, E820_RESERVED);
	add(map, GMEM_HIGH_BASE, GMEM_HIGH_BASE + m->high_bytes, E820_RAM);
}
