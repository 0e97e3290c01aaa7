/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry32_test.c - the two protocols that enter in 32-bit protected mode:
 * PVH and multiboot, from ELF and from flat files; and which one is chosen.
 */
#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "tap.h"

static struct kernel_file k;
static struct machine m;
static u8 initrd[0x1234];

static const struct elf_spec small_spec = {
	.is32 = true,
	.paddr = 0x100000,
	.entry = 0x100010,
	.filesz = 0x3000,
	.memsz = 0x5000,
};

static int boot(enum boot_protocol protocol, bool with_initrd)
{
	struct boot_source s = {
		.kernel = k.p,
		.kernel_bytes = k.n,
		.cmdline = "root=/dev/x",
		.initrd = initrd,
		.initrd_bytes = with_initrd ? sizeof(initrd) : 0,
		.protocol = protocol,
	};

	m.err.text[0] = 0;
	return boot_load(&m.mem, &s, 2, &m.bsp, &m.err);
}

static void check_processor(u32 entry)
{
	const struct x86_state *s = &m.bsp;

	tap_equal(s->rip, entry, "eip");
	tap_equal(s->rflags, FLAG_FIXED, "eflags");
	tap_equal(s->cr0 & (CR0_PE | CR0_PG), CR0_PE, "cr0");
	tap_equal(s->cr4, 0, "cr4");
	tap_equal(s->efer, 0, "efer");
	tap_equal(s->seg[X86_CS].attr, 0xc09b, "cs");
	tap_equal(s->seg[X86_DS].attr, 0xc093, "ds");
	tap_equal(s->seg[X86_SS].limit, 0xffffffff, "ss");
	tap_equal(s->tr.attr, 0x8b, "tr");
	tap_equal(s->tr.limit, 0x67, "tr");
	tap_equal(guest_field(&m, s->gdtr.base + s->seg[X86_CS].sel, 8),
		  0x00cf9b000000ffff, "code descriptor");
}

static void check_pvh(u32 entry, bool with_initrd)
{
	u64 info = m.bsp.gpr[X86_RBX], map, mod;
	u64 ram = 0;
	unsigned i, n;

	check_processor(entry);
	tap_equal(guest_field(&m, info, 4), 0x336ec578, "magic");
	tap_equal(guest_field(&m, info + 4, 4), 1, "version");
	tap_equal(guest_field(&m, info + 12, 4), with_initrd, "modules");
	tap_check(guest_holds(&m, guest_field(&m, info + 24, 8), "root=/dev/x",
			      12),
		  "command line");
	tap_check(guest_holds(&m, guest_field(&m, info + 32, 8), "RSD PTR ", 8),
		  "RSDP");
	map = guest_field(&m, info + 40, 8);
	n = (unsigned)guest_field(&m, info + 48, 4);
	for (i = 0; i < n; i++)
		if (guest_field(&m, map + i * 24 + 16, 4) == 1)
			ram += guest_field(&m, map + i * 24 + 8, 8);
	tap_equal(ram, MiB(8) - 0x60400, "bytes of RAM");
	mod = guest_field(&m, info + 16, 8);
	if (with_initrd) {
		tap_equal(guest_field(&m, mod + 8, 8), sizeof(initrd),
			  "initrd size");
		tap_check(guest_holds(&m, guest_field(&m, mod, 8), initrd,
				      sizeof(initrd)),
			  "initrd");
	} else {
		tap_equal(mod, 0, "no module list");
	}
}

static void check_multiboot(u32 entry, bool with_initrd)
{
	u64 info = m.bsp.gpr[X86_RBX], map, end, mod, ram = 0;
	u32 flags = (u32)guest_field(&m, info, 4);

	check_processor(entry);
	tap_equal(m.bsp.gpr[X86_RAX], 0x2badb002, "eax");
	tap_equal(flags, with_initrd ? 0x24d : 0x245, "flags");
	tap_equal(guest_field(&m, info + 4, 4), 639, "mem_lower");
	tap_equal(guest_field(&m, info + 8, 4), 7 * 1024, "mem_upper");
	tap_check(guest_holds(&m, guest_field(&m, info + 16, 4), "root=/dev/x",
			      12),
		  "command line");
	tap_check(guest_holds(&m, guest_field(&m, info + 64, 4), "doppel", 7),
		  "loader's name");
	map = guest_field(&m, info + 48, 4);
	end = map + guest_field(&m, info + 44, 4);
	for (; map < end; map += guest_field(&m, map, 4) + 4)
		if (guest_field(&m, map + 20, 4) == 1)
			ram += guest_field(&m, map + 12, 8);
	tap_check(map == end, "sizes of map entries add up");
	tap_equal(ram, MiB(8) - 0x60400, "bytes of RAM");
	if (!with_initrd)
		return;
	tap_equal(guest_field(&m, info + 20, 4), 1, "one module");
	mod = guest_field(&m, info + 24, 4);
	tap_equal(guest_field(&m, mod, 4), 0x105000, "right above the kernel");
	tap_equal(guest_field(&m, mod + 4, 4), 0x105000 + sizeof(initrd),
		  "its end");
	tap_equal(guest_field(&m, guest_field(&m, mod + 8, 4), 1), 0,
		  "empty string");
	tap_check(guest_holds(&m, 0x105000, initrd, sizeof(initrd)),
		  "contents");
}

static void check_elf(void)
{
	struct elf_spec s = small_spec;

	s.multiboot = true;
	s.multiboot_flags = 3;
	for (int with_initrd = 0; with_initrd < 2; with_initrd++) {
		make_elf(&k, &s);
		machine_init(&m, MiB(8));
		tap_check(boot(BOOT_AUTO, with_initrd) == 0,
			  "ELF32, multiboot: %s", m.err.text);
		tap_check(guest_has_kernel(&m, 0x100000, 0x3000) &&
				  guest_is_zero(&m, 0x103000, 0x2000),
			  "segment");
		check_multiboot(0x100010, with_initrd);
		machine_fini(&m);

		s.pvh_entry = 0x100020;
		make_elf(&k, &s);
		machine_init(&m, MiB(8));
		tap_check(boot(BOOT_AUTO, with_initrd) == 0, "ELF32, PVH: %s",
			  m.err.text);
		check_pvh(0x100020, with_initrd);
		machine_fini(&m);
		s.pvh_entry = 0;
	}
}

/* Which entry of several. */
static void check_choice(void)
{
	struct elf_spec s = small_spec;

	s.is32 = false;
	s.multiboot = true;
	s.pvh_entry = 0x100020;
	s.linux_note = true;
	machine_init(&m, MiB(8));
	make_elf(&k, &s);
	tap_equal(boot(BOOT_AUTO, false), 0, "Linux with all of them");
	tap_check(x86_is_long_mode(&m.bsp), "is entered in long mode");
	tap_equal(boot(BOOT_PVH, false), 0, "asked for PVH");
	check_pvh(0x100020, false);
	tap_equal(boot(BOOT_MULTIBOOT, false), 0, "asked for multiboot");
	tap_equal(m.bsp.gpr[X86_RAX], 0x2badb002, "eax");

	s.linux_note = false;
	make_elf(&k, &s);
	tap_equal(boot(BOOT_AUTO, false), 0, "not Linux");
	tap_equal(m.bsp.rip, 0x100020, "PVH before multiboot");
	s.pvh_entry = 0;
	make_elf(&k, &s);
	tap_equal(boot(BOOT_AUTO, false), 0, "without a note");
	tap_equal(m.bsp.gpr[X86_RAX], 0x2badb002, "multiboot");
	s.multiboot = false;
	make_elf(&k, &s);
	tap_equal(boot(BOOT_AUTO, false), 0, "bare ELF64");
	tap_check(x86_is_64bit(&m.bsp), "long mode");
	s.is32 = true;
	make_elf(&k, &s);
	tap_equal(boot(BOOT_AUTO, false), -ENOEXEC, "bare ELF32");
	tap_check(strstr(m.err.text, "64-bit kernel") != NULL, "%s",
		  m.err.text);
	tap_equal(boot(BOOT_PVH, false), -ENOEXEC, "asked for PVH it has not");
	tap_equal(boot(BOOT_MULTIBOOT, false), -ENOEXEC,
		  "asked for multiboot it has not");
	machine_fini(&m);
}

/* A bzImage's vmlinux by PVH. */
static void check_bzimage(void)
{
	static struct kernel_file vmlinux;
	struct elf_spec s = small_spec;
	struct bz_spec bz = { .format = UNPACK_LZ4, .payload = &vmlinux };

	s.is32 = false;
	s.pvh_entry = 0x100020;
	make_elf(&vmlinux, &s);
	make_bzimage(&k, &bz);
	machine_init(&m, MiB(8));
	tap_equal(boot(BOOT_PVH, true), 0, "bzImage by PVH");
	check_pvh(0x100020, true);
	tap_equal(boot(BOOT_MULTIBOOT, true), -ENOEXEC, "bzImage by multiboot");
	machine_fini(&m);
}

/* A flat file: 64 bytes before the header, loaded at 2 MiB. */
struct flat {
	u32 header_addr, load, load_end, bss_end, entry;
};

static void make_flat(const struct flat *f)
{
	u8 *h = k.p + 64;

	for (unsigned i = 0; i < 0x1000; i++)
		k.p[i] = kernel_byte(i);
	k.n = 0x1000;
	set_field(h, 4, 0x1badb002);
	set_field(h + 4, 4, 0x10000);
	set_field(h + 8, 4, -(0x1badb002u + 0x10000));
	set_field(h + 12, 4, f->header_addr);
	set_field(h + 16, 4, f->load);
	set_field(h + 20, 4, f->load_end);
	set_field(h + 24, 4, f->bss_end);
	set_field(h + 28, 4, f->entry);
}

static void check_flat(void)
{
	static const struct flat bad_tab[] = {
		{ 0x1fffff, 0x200000, 0, 0, 0x200080 }, /* header below load */
		{ 0x200041, 0x200000, 0, 0, 0x200080 }, /* before the file */
		{ ~0u, 0x200000, 0, 0, 0x200080 },
		{ 0x200040, 0x200000, 0x201001, 0,
		  0x200080 }, /* past its end */
		{ 0x200040, 0x200000, 0x1fffff, 0, 0x200080 },
		{ 0x200040, 0x200000, 0, 0x200fff, 0x200080 }, /* bss in data */
		{ 0x200040, 0x200000, 0, 0x1fffff, 0x200080 },
		{ 0x200040, 0x200000, 0, 0, 0x201000 }, /* entry outside */
		{ 0x200040, 0x200000, 0, 0, 0x1fffff },
		{ 0x200040, 0x200000, 0, ~0u, 0x200080 }, /* 4 GiB of bss */
		{ 0xfffff040, 0xfffff000, 0, 0, 0xfffff080 },
		{ 0x40, 0, 0, 0, 0x80 }, /* over the BIOS data area */
	};
	struct flat f = { 0x200040, 0x200000, 0, 0, 0x200080 };
	unsigned i;

	machine_init(&m, MiB(8));
	make_flat(&f);
	tap_check(boot(BOOT_AUTO, false) == 0, "flat: %s", m.err.text);
	check_multiboot(0x200080, false);
	tap_check(guest_holds(&m, 0x200000, k.p, 0x1000), "whole file");

	/* From the header on, with some zeroes after it. */
	f = (struct flat){ 0x300000, 0x300000, 0x300800, 0x301000, 0x300020 };
	make_flat(&f);
	tap_check(boot(BOOT_AUTO, false) == 0, "flat part: %s", m.err.text);
	tap_check(guest_holds(&m, 0x300000, k.p + 64, 0x800), "part of it");
	tap_check(guest_is_zero(&m, 0x300800, 0x800), "bss");
	tap_equal(guest_field(&m, 0x301000, 1), 0xa5, "nothing beyond");

	for (i = 0; i < ARRAY_SIZE(bad_tab); i++) {
		make_flat(&bad_tab[i]);
		tap_check(boot(BOOT_AUTO, false) < 0 && m.err.text[0],
			  "bad addresses %u: %s", i, m.err.text);
	}
	/* A header at the very end of the file, of the short form only. */
	make_flat(&f);
	k.n = 64 + 12;
	tap_equal(boot(BOOT_AUTO, false), -EINVAL, "header cut off");
	/* Demands that nobody knows. */
	make_flat(&f);
	set_field(k.p + 64 + 4, 4, 0x10008);
	set_field(k.p + 64 + 8, 4, -(0x1badb002u + 0x10008));
	tap_equal(boot(BOOT_AUTO, false), -ENOEXEC, "unknown demand");
	tap_check(strstr(m.err.text, "0x8") != NULL, "%s", m.err.text);
	machine_fini(&m);
}

int main(void)
{
	memset(initrd, 0x77, sizeof(initrd));
	check_elf();
	check_choice();
	check_bzimage();
	check_flat();
	return tap_done();
}
