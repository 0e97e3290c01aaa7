/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_test.c - bzImage and vmlinux: what is in memory and in the processor
 * at the 64-bit entry.
 */
#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "pack.h"
#include "tap.h"

#define AT 0x200000ull

static struct kernel_file vmlinux, bz;
static struct machine m;

static const struct elf_spec linux_spec = {
	.paddr = AT,
	.vaddr = 0xffffffff81000000,
	.filesz = 0x3000,
	.memsz = 0x8000,
	.paddr2 = 0x300000,
	.memsz2 = 0x10000,
	.linux_note = true,
	.pvh_entry = AT + 0x40,
};

/* SDM 3A 4.5: walks the guest's own tables, 2 MiB pages. */
static u64 translate(u64 va)
{
	u64 e = m.bsp.cr3;
	int level;

	for (level = 3; level >= 1; level--) {
		e = guest_field(
			&m, (e & PTE_ADDR) + (va >> (12 + 9 * level) & 511) * 8,
			8);
		if (!(e & PTE_P) || !(e & PTE_W))
			return ~0ull;
		if (e & PTE_PS)
			break;
	}
	return level == 1 ? (e & PTE_ADDR & ~0x1fffffull) | (va & 0x1fffff)
			  : ~0ull;
}

static u64 descriptor(unsigned sel)
{
	return guest_field(&m, m.bsp.gdtr.base + sel, 8);
}

static void check_processor(u64 entry)
{
	const struct x86_state *s = &m.bsp;

	tap_equal(s->rip, entry, "rip");
	tap_equal(s->rflags, FLAG_FIXED, "rflags");
	tap_equal(s->cr0 & (CR0_PG | CR0_PE), CR0_PG | CR0_PE, "cr0");
	tap_equal(s->cr4 & CR4_PAE, CR4_PAE, "cr4");
	tap_equal(s->efer, EFER_LME | EFER_LMA, "efer");
	tap_equal(s->activity, X86_RUNNING, "activity");
	tap_check(x86_is_64bit(s) && x86_cpl(s) == 0, "64-bit mode, ring 0");
	tap_equal(s->seg[X86_CS].sel, 0x10, "cs");
	tap_equal(s->seg[X86_DS].sel, 0x18, "ds");
	tap_equal(s->seg[X86_ES].sel, 0x18, "es");
	tap_equal(s->seg[X86_SS].sel, 0x18, "ss");
	tap_check(s->gdtr.limit >= 0x1f, "the GDT holds them");
	tap_equal(descriptor(0), 0, "null descriptor");
	tap_equal(descriptor(0x10), 0x00af9b000000ffff, "code descriptor");
	tap_equal(descriptor(0x18), 0x00cf93000000ffff, "data descriptor");
	tap_equal(descriptor(0x20), 0x00008b0000000067, "TSS descriptor");
	tap_equal(s->seg[X86_CS].attr, 0xa09b, "cs attributes");
	tap_equal(s->seg[X86_SS].attr, 0xc093, "ss attributes");
	tap_equal(s->seg[X86_SS].limit, 0xffffffff, "ss limit");
	tap_equal(translate(0), 0, "identity: 0");
	tap_equal(translate(entry), entry, "identity: entry");
	tap_equal(translate(0xfffffff0), 0xfffffff0, "identity: below 4 GiB");
	tap_equal(translate(0x100000000), ~0ull, "4 GiB is not mapped");
}

static void check_e820(u64 bp, u64 low, u64 high)
{
	unsigned n = (unsigned)guest_field(&m, bp + 0x1e8, 1), i;
	u64 at = bp + 0x2d0, end = 0, ram = 0;
	bool sorted = true, table_is_ram = false;

	for (i = 0; i < n; i++, at += 20) {
		u64 first = guest_field(&m, at, 8);
		u64 bytes = guest_field(&m, at + 8, 8);

		sorted &= first >= end && bytes > 0;
		end = first + bytes;
		if (guest_field(&m, at + 16, 4) == 1) {
			ram += bytes;
			table_is_ram |= first < 0x100000 && end > 0x9fc00;
		}
	}
	tap_check(n >= 5 && sorted, "e820: %u entries, sorted", n);
	tap_check(!table_is_ram, "e820: EBDA and ROM are not RAM");
	tap_equal(ram, low + high - 0x100000 + 0x9fc00, "e820: bytes of RAM");
}

static void check_params(const char *cmdline, bool header)
{
	u64 bp = m.bsp.gpr[X86_RSI];

	tap_check(bp && bp % 4096 == 0, "boot_params at 0x%llx",
		  (unsigned long long)bp);
	tap_check(guest_is_zero(&m, bp, 0x40), "no screen");
	tap_equal(guest_field(&m, bp + 0x1fe, 2), 0xaa55, "boot_flag");
	tap_check(guest_holds(&m, bp + 0x202, "HdrS", 4), "header magic");
	tap_equal(guest_field(&m, bp + 0x206, 2), 0x020f, "version");
	tap_equal(guest_field(&m, bp + 0x210, 1), 0xff, "type_of_loader");
	tap_equal(guest_field(&m, bp + 0x211, 1), 1, "loadflags");
	tap_equal(guest_field(&m, bp + 0x250, 8), 0, "setup_data");
	tap_equal(guest_field(&m, bp + 0x1ef, 1), 0, "sentinel");
	tap_equal(guest_field(&m, bp + 0x264, 4), header ? 0x12345678 : 0,
		  "the file's header is there");
	tap_check(guest_is_zero(&m, bp + 0x26c, 0x2d0 - 0x26c),
		  "nothing after the header");
	tap_check(guest_holds(&m, guest_field(&m, bp + 0x228, 4), cmdline,
			      strlen(cmdline) + 1),
		  "command line");
	tap_check(guest_holds(&m, guest_field(&m, bp + 0x70, 8), "RSD PTR ", 8),
		  "acpi_rsdp_addr");
}

static void check_loaded(void)
{
	tap_check(guest_has_kernel(&m, AT, 0x3000), "contents");
	tap_check(guest_is_zero(&m, AT + 0x3000, 0x5000), "zeroes after them");
	tap_check(guest_is_zero(&m, 0x300000, 0x10000), "second segment");
	tap_equal(guest_field(&m, 0x310000, 1), 0xa5, "nothing beyond");
}

static void check_bzimages(void)
{
	static const enum unpack_format format_tab[] = {
		UNPACK_NONE, UNPACK_GZIP, UNPACK_XZ,
		UNPACK_LZMA, UNPACK_LZ4,  UNPACK_ZSTD,
	};
	struct bz_spec s = { .payload = &vmlinux };

	for (unsigned i = 0; i < ARRAY_SIZE(format_tab); i++) {
		s.format = format_tab[i];
		make_bzimage(&bz, &s);
		machine_init(&m, MiB(8));
		tap_check(machine_boot(&m, &bz, "console=ttyS0") == 0,
			  "bzImage with %s: %s", unpack_name(s.format),
			  m.err.text);
		check_loaded();
		check_processor(AT);
		check_params("console=ttyS0", true);
		check_e820(m.bsp.gpr[X86_RSI], MiB(8), 0);
		machine_fini(&m);
	}
}

/* What is in no known format, or damaged, is left to the file's own code. */
static void check_own_unpacker(void)
{
	struct bz_spec s = { .format = UNPACK_NONE, .payload = &vmlinux };

	make_bzimage(&bz, &s);
	memcpy(bz.p + BZ_CODE + BZ_PAYLOAD, "LZO?", 4);
	machine_init(&m, MiB(8));
	tap_equal(machine_boot(&m, &bz, ""), 0, "unknown packing");
	tap_check(guest_has_kernel(&m, AT, BZ_PAYLOAD), "its own code");
	tap_check(guest_holds(&m, AT + BZ_PAYLOAD, "LZO?", 4), "its payload");
	tap_equal(guest_field(&m, AT + 0x17ffff, 1), 0, "init_size is room");
	check_processor(AT + 0x200);
	check_params("", true);
	machine_fini(&m);

	s.format = UNPACK_XZ;
	make_bzimage(&bz, &s);
	bz.p[BZ_CODE + BZ_PAYLOAD + 40] ^= 0xff;
	machine_init(&m, MiB(8));
	tap_equal(machine_boot(&m, &bz, ""), 0, "damaged payload");
	tap_equal(m.bsp.rip, AT + 0x200, "the kernel's to complain of");
	machine_fini(&m);
}

static void check_vmlinux(void)
{
	machine_init(&m, MiB(8));
	tap_equal(machine_boot(&m, &vmlinux, "a b"), 0, "vmlinux");
	check_loaded();
	check_processor(AT);
	check_params("a b", false);
	machine_fini(&m);

	bz.n = pack(UNPACK_GZIP, vmlinux.p, vmlinux.n, bz.p, KERNEL_ROOM);
	machine_init(&m, MiB(8));
	tap_equal(machine_boot(&m, &bz, ""), 0, "vmlinux.gz");
	check_loaded();
	machine_fini(&m);
}

static void check_initrd(void)
{
	static u8 initrd[5000];
	struct boot_source src = {
		.kernel = vmlinux.p,
		.kernel_bytes = vmlinux.n,
		.initrd = initrd,
		.initrd_bytes = sizeof(initrd),
	};
	u64 bp, at;

	memset(initrd, 0x77, sizeof(initrd));
	machine_init(&m, MiB(8));
	tap_equal(boot_load(&m.mem, &src, 64, &m.bsp, &m.err), 0, "initrd");
	bp = m.bsp.gpr[X86_RSI];
	at = guest_field(&m, bp + 0x218, 4);
	tap_equal(at, MiB(8) - 0x2000, "at the top, on a page");
	tap_equal(guest_field(&m, bp + 0x21c, 4), sizeof(initrd), "its size");
	tap_check(guest_holds(&m, at, initrd, sizeof(initrd)), "contents");
	machine_fini(&m);

	/* Above 2 GiB is out of an older header's reach. */
	machine_init(&m, GiB(5));
	tap_equal(boot_load(&m.mem, &src, 1, &m.bsp, &m.err), 0, "5 GiB");
	bp = m.bsp.gpr[X86_RSI];
	tap_equal(guest_field(&m, bp + 0x218, 4), GiB(2) - 0x2000,
		  "initrd below 2 GiB");
	check_e820(bp, GiB(3), GiB(2));
	machine_fini(&m);
}

/* A kernel that occupies low memory gets its boot information elsewhere. */
static void check_low_kernel(void)
{
	static struct kernel_file low;
	struct elf_spec s = { .paddr = 0x1000,
			      .filesz = 0x3000,
			      .memsz = 0x10000,
			      .paddr2 = 0xe0000,
			      .memsz2 = 0x8000 };
	u64 bp;

	make_elf(&low, &s);
	machine_init(&m, MiB(2));
	tap_equal(machine_boot(&m, &low, "x"), 0, "kernel at 4 KiB");
	bp = m.bsp.gpr[X86_RSI];
	tap_check(guest_has_kernel(&m, 0x1000, 0x3000), "contents");
	tap_check(guest_is_zero(&m, 0x4000, 0xd000), "zeroes");
	tap_check(guest_is_zero(&m, 0xe0000, 0x8000), "where tables would be");
	tap_check(bp >= 0x11000 && m.bsp.cr3 >= 0x11000 &&
			  m.bsp.gdtr.base >= 0x11000,
		  "around it");
	tap_equal(guest_field(&m, bp + 0x70, 8), 0xe8000, "ACPI tables too");
	machine_fini(&m);
}

int main(void)
{
	make_elf(&vmlinux, &linux_spec);
	check_bzimages();
	check_own_unpacker();
	check_vmlinux();
	check_initrd();
	check_low_kernel();
	return tap_done();
}
