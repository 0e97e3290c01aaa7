/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_test.c - the tables: found, summed, complete; and the AML in the eyes
 * of iasl, where it is installed.
 */
#include "boot/acpi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels.h"
#include "tap.h"
#include "vm/pc_map.h"

#define AT 0xe0000ull

static u8 area[KiB(128)];

static bool sums_to_zero(const u8 *p, u64 n)
{
	u8 sum = 0;

	while (n--)
		sum = (u8)(sum + *p++);
	return sum == 0;
}

/* The table at guest address @at, checked; its length in *@n. */
static const u8 *table(u64 at, const char *signature, u32 *n)
{
	const u8 *p = area + (at - AT);

	if (!tap_check(at >= AT && at < AT + sizeof(area) &&
			       memcmp(p, signature, 4) == 0,
		       "%s is at 0x%llx", signature, (unsigned long long)at))
		exit(tap_done());
	*n = (u32)field(p + 4, 4);
	tap_check(sums_to_zero(p, *n), "%s sums to zero", signature);
	return p;
}

static void check_madt(const u8 *p, u32 n, unsigned cpus)
{
	unsigned lapics = 0, ioapics = 0, overrides = 0, nmis = 0;
	const u8 *e = p + 44;

	tap_equal(field(p + 36, 4), PC_LAPIC, "local APIC address");
	for (; e + 2 <= p + n && e[1] >= 2; e += e[1]) {
		switch (e[0]) {
		case 0:
			if (e[2] == lapics && e[3] == lapics && e[4] == 1)
				lapics++;
			break;
		case 1:
			ioapics += field(e + 4, 4) == PC_IOAPIC;
			break;
		case 2:
			overrides++;
			if (e[3] == 0)
				tap_equal(field(e + 4, 4), 2, "irq 0");
			else
				tap_equal(field(e + 8, 2), 0xd, "level, high");
			break;
		case 4:
			nmis++;
			break;
		}
	}
	tap_check(e == p + n, "entries fill the table");
	tap_equal(lapics, cpus, "processors");
	tap_equal(ioapics, 1, "I/O APICs");
	tap_equal(overrides, 4, "overrides: irqs 0, 9, 10, 11");
	tap_equal(nmis, 1, "NMI");
}

static void check_tables(unsigned cpus)
{
	const u8 *xsdt, *fadt, *madt, *facs;
	u32 n;
	u64 used;

	memset(area, 0, sizeof(area));
	used = acpi_build(area, sizeof(area), AT, cpus);
	tap_check(used && used <= ACPI_BYTES_MIN, "%u processors: %llu bytes",
		  cpus, (unsigned long long)used);
	tap_check(memcmp(area, "RSD PTR ", 8) == 0 && area[15] == 2 &&
			  sums_to_zero(area, 20) && sums_to_zero(area, 36),
		  "RSDP");
	xsdt = table(field(area + 24, 8), "XSDT", &n);
	tap_equal(n, 36 + 16, "XSDT has two entries");
	fadt = table(field(xsdt + 36, 8), "FACP", &n);
	tap_equal(n, 276, "FADT's length");
	tap_equal(field(fadt + 46, 2), 9, "SCI");
	tap_equal(fadt[116], 1, "reset register is a port");
	tap_equal(field(fadt + 120, 8), PC_PORT_RESET, "reset port");
	tap_equal(field(fadt + 40, 4), field(fadt + 140, 8), "DSDT, X_DSDT");
	table(field(fadt + 140, 8), "DSDT", &n);
	facs = area + (field(fadt + 36, 4) - AT);
	tap_check(memcmp(facs, "FACS", 4) == 0 && field(fadt + 36, 4) % 64 == 0,
		  "FACS, aligned");
	madt = table(field(xsdt + 44, 8), "APIC", &n);
	check_madt(madt, n, cpus);
}

static void check_room(void)
{
	u64 need = acpi_build(area, sizeof(area), AT, 4), room;
	unsigned wrong = 0;

	for (room = 0; room < need; room++) {
		u8 *p = malloc(room ? room : 1);

		memset(p, 0, room);
		wrong += acpi_build(p, room, AT, 4) != 0;
		free(p);
	}
	tap_equal(wrong, 0, "less room than needed: never accepted");
	tap_equal(acpi_build(area, need, AT, 4), need, "just enough");
	tap_equal(acpi_build(area, sizeof(area), AT, 0), 0, "no processor");
	tap_equal(acpi_build(area, sizeof(area), AT, 255), 0, "too many");
}

static void check_aml(void)
{
	u8 buf[64];
	struct aml a = { .p = buf, .room = sizeof(buf) };
	aml_mark m;

	aml_integer(&a, 0);
	aml_integer(&a, 1);
	aml_integer(&a, 0xff);
	aml_integer(&a, 0x100);
	aml_integer(&a, 0x10000);
	tap_check(a.bytes == 12 && memcmp(buf,
					  "\x00\x01\x0a\xff\x0b\x00\x01\x0c\x00"
					  "\x00\x01\x00",
					  12) == 0,
		  "integers, the shortest way");
	a.bytes = 0;
	aml_eisaid(&a, "PNP0A03");
	tap_check(memcmp(buf, "\x0c\x41\xd0\x0a\x03", 5) == 0, "EISA id");
	a.bytes = 0;
	m = aml_package(&a, 1);
	aml_integer(&a, 5);
	aml_close(&a, m);
	tap_check(a.bytes == 5 && memcmp(buf, "\x12\x04\x01\x0a\x05", 5) == 0,
		  "package with a length of one byte");
	a.bytes = 0;
	m = aml_scope(&a, "\\_SB_");
	for (int i = 0; i < 60; i++)
		aml_byte(&a, 0);
	tap_check(a.full && a.bytes <= sizeof(buf), "full");
	aml_close(&a, m);
	tap_check(a.full, "stays full");
}

static void check_aml_lengths(void)
{
	static u8 buf[1 << 17];
	static const u32 body_tab[] = { 58,   59,   60,	  4000,
					4089, 4090, 4091, 70000 };
	unsigned i, j;

	for (i = 0; i < ARRAY_SIZE(body_tab); i++) {
		struct aml a = { .p = buf, .room = sizeof(buf) };
		aml_mark m = aml_scope(&a, "_SB_");
		u32 length, lead;

		for (j = 0; j < body_tab[i]; j++)
			aml_byte(&a, 0xee);
		aml_close(&a, m);
		/* ACPI 20.2.4, the other way round */
		lead = buf[1] >> 6;
		length = lead ? buf[1] & 0xf : buf[1] & 0x3f;
		for (j = 0; j < lead; j++)
			length |= (u32)buf[2 + j] << (4 + 8 * j);
		tap_equal(length, a.bytes - 1, "PkgLength counts itself");
		tap_check(memcmp(buf + 2 + lead, "_SB_", 4) == 0 &&
				  buf[a.bytes - 1] == 0xee,
			  "what follows it has moved up");
	}
}

/* Disassembles and compiles anew: iasl must find neither error nor warning. */
static void check_iasl(void)
{
	char dir[] = "/tmp/doppel-acpi-XXXXXX", cmd[512], line[256];
	bool clean = false, s5 = false, prt = false;
	u32 n;
	const u8 *dsdt, *xsdt, *fadt;
	FILE *f;

	if (system("iasl -v >/dev/null 2>&1") != 0) {
		tap_check(true, "AML # SKIP no iasl (acpica-tools)");
		return;
	}
	acpi_build(area, sizeof(area), AT, 2);
	xsdt = area + (field(area + 24, 8) - AT);
	fadt = area + (field(xsdt + 36, 8) - AT);
	dsdt = area + (field(fadt + 140, 8) - AT);
	n = (u32)field(dsdt + 4, 4);
	if (!tap_check(mkdtemp(dir) != NULL, "temporary directory"))
		return;
	snprintf(cmd, sizeof(cmd), "%s/dsdt.aml", dir);
	f = fopen(cmd, "wb");
	tap_check(f && fwrite(dsdt, 1, n, f) == n && fclose(f) == 0,
		  "dsdt.aml written");
	snprintf(cmd, sizeof(cmd),
		 "cd %s && iasl -d dsdt.aml >d.log 2>&1 && "
		 "iasl -oa -p again dsdt.dsl >c.log 2>&1; cat dsdt.dsl c.log",
		 dir);
	f = popen(cmd, "r");
	while (f && fgets(line, sizeof(line), f)) {
		s5 |= strstr(line, "_S5") != NULL;
		prt |= strstr(line, "_PRT") != NULL;
		clean |= strstr(line, "0 Errors, 0 Warnings") != NULL;
		if (strstr(line, "Error") || strstr(line, "Warning"))
			printf("# %s", line);
	}
	if (f)
		pclose(f);
	tap_check(clean && s5 && prt, "iasl compiles its disassembly");
	snprintf(cmd, sizeof(cmd), "cmp -s -i 36 %s/dsdt.aml %s/again.aml", dir,
		 dir);
	tap_equal(system(cmd), 0, "to the same bytes");
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	tap_equal(system(cmd), 0, "cleaned up");
}

int main(void)
{
	check_tables(1);
	check_tables(4);
	check_tables(ACPI_MAX_CPUS);
	check_room();
	check_aml();
	check_aml_lengths();
	check_iasl();
	return tap_done();
}
