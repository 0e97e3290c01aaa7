/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's tables; see acpi.h.
 */
#include "acpi.h"

static u32 get_u32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

/* 5.2.5.1 "Finding the RSDP on IA-PC Systems" */
static const u8 *find_rsdp(void)
{
	for (ulong at = 0xe0000; at < 0x100000; at += 16)
		if (!memcmp((const u8 *)at, "RSD PTR ", 8))
			return (const u8 *)at;
	return NULL;
}

const u8 *acpi_table(const char *signature)
{
	const u8 *rsdp = find_rsdp(), *list;
	unsigned entry = 4;

	if (!rsdp)
		return NULL;
	list = (const u8 *)(ulong)get_u32(rsdp + 16);
	if (rsdp[15] >= 2) {
		/* The XSDT; its upper half would be out of our reach. */
		list = (const u8 *)(ulong)get_u32(rsdp + 24);
		entry = 8;
	}
	for (u32 i = 36; i + entry <= get_u32(list + 4); i += entry) {
		const u8 *t = (const u8 *)(ulong)get_u32(list + i);

		if (!memcmp(t, signature, 4))
			return t;
	}
	return NULL;
}

unsigned acpi_cpus(u32 *ids, unsigned max)
{
	const u8 *madt = acpi_table("APIC");
	unsigned n = 0;

	if (!madt)
		return 0;
	for (u32 i = 44; i + 2 <= get_u32(madt + 4) && madt[i + 1];
	     i += madt[i + 1]) {
		const u8 *e = madt + i;
		u32 id;

		if (e[0] == 0 && e[4] & 1) /* local APIC */
			id = e[3];
		else if (e[0] == 9 && e[8] & 1) /* local x2APIC */
			id = get_u32(e + 4);
		else
			continue;
		if (n < max)
			ids[n] = id;
		n++;
	}
	return n < max ? n : max;
}
