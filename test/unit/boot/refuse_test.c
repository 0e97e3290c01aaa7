/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse_test.c - files and machines that cannot be booted: each gets its
 * errno and a sentence that says what to do, and leaves the processor alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "tap.h"

static struct kernel_file vmlinux, k;
static struct machine m;

static const struct elf_spec spec = {
	.paddr = 0x200000,
	.filesz = 0x3000,
	.memsz = 0x8000,
	.linux_note = true,
};
static const struct bz_spec bz_spec = { .format = UNPACK_LZ4,
					.payload = &vmlinux };

static void refused(int ret, int want, const char *words)
{
	bool one_line = m.err.text[0] && !strchr(m.err.text, '\n') &&
			strlen(m.err.text) < sizeof(m.err.text) - 1;

	tap_check(ret == want && one_line && strstr(m.err.text, words),
		  "%d, \"%s\": %d, \"%s\"", want, words, ret, m.err.text);
	tap_equal(m.bsp.rip, 0x0101010101010101, "processor as before");
}

static void refused_file(int want, const char *words)
{
	refused(machine_boot(&m, &k, ""), want, words);
}

static void check_no_kernels(void)
{
	memset(k.p, 0, 4096);
	k.n = 0;
	refused_file(-EINVAL, "empty");
	k.n = 4096;
	refused_file(-ENOEXEC, "no known format");
	k.n = 1;
	refused_file(-ENOEXEC, "no known format");
	k.n = 4096;
	set_field(k.p + 510, 2, 0xaa55);
	refused_file(-ENOEXEC, "boot sector");
	memcpy(k.p, "MZ", 2);
	memcpy(k.p + 0x38, "ARM\x64", 4);
	refused_file(-ENOEXEC, "AArch64");
	memcpy(k.p + 0x38, "RSC\x05", 4);
	refused_file(-ENOEXEC, "RISC-V");
	make_elf(&k, &spec);
	set_field(k.p + 18, 2, 183);
	refused_file(-ENOEXEC, "AArch64");
	/* Damaged outer packing. */
	memset(k.p, 0, 4096);
	memcpy(k.p, "\x1f\x8b\x08", 3);
	refused_file(-EINVAL, "damaged");
}

/* One field of a good bzImage spoilt. */
static void bz_field(unsigned at, unsigned bytes, u64 v, int want,
		     const char *words)
{
	make_bzimage(&k, &bz_spec);
	set_field(k.p + at, bytes, v);
	refused_file(want, words);
}

static void check_bzimages(void)
{
	struct bz_spec lzo = { .format = UNPACK_NONE, .payload = &vmlinux };
	u64 n;

	bz_field(0x206, 2, 0x0207, -ENOEXEC, "too old");
	bz_field(0x206, 2, 0, -ENOEXEC, "too old");
	bz_field(0x211, 1, 0, -ENOEXEC, "too old"); /* a zImage */
	bz_field(0x236, 2, 0, -ENOEXEC, "32-bit Linux kernel");
	bz_field(0x1f4, 4, 0xffffffff, -EINVAL, "truncated");
	bz_field(0x1f4, 4, 0, -EINVAL, "truncated");
	bz_field(0x1f1, 1, 255, -EINVAL, "truncated");
	bz_field(0x201, 1, 0x4d, -EINVAL, "truncated"); /* the header's end */
	bz_field(0x248, 4, 0xfffffff0, -EINVAL, "truncated");
	bz_field(0x24c, 4, 0xfffffff0, -EINVAL, "truncated");

	/* Cut off anywhere, in memory of exactly that size. */
	make_bzimage(&k, &bz_spec);
	for (n = 0x206; n < k.n - 15; n += 97) {
		struct boot_source s = { .kernel_bytes = n };
		u8 *copy = malloc(n);

		memcpy(copy, k.p, n);
		s.kernel = copy;
		m.err.text[0] = 0;
		refused(boot_load(&m.mem, &s, 1, &m.bsp, &m.err), -EINVAL,
			"truncated");
		free(copy);
	}

	/* A 32-bit vmlinux inside, in a header that does not tell. */
	make_elf(&vmlinux, &(struct elf_spec){ .is32 = true,
					       .paddr = 0x200000,
					       .filesz = 0x1000,
					       .memsz = 0x1000 });
	make_bzimage(&k, &bz_spec);
	set_field(k.p + 0x206, 2, 0x020b);
	refused_file(-ENOEXEC, "32-bit Linux kernel");
	make_elf(&vmlinux, &spec);

	/* Unknown packing, and its own code has only a 32-bit entry. */
	make_bzimage(&k, &lzo);
	memcpy(k.p + BZ_CODE + BZ_PAYLOAD, "LZO?", 4);
	set_field(k.p + 0x206, 2, 0x020b);
	refused_file(-ENOEXEC, "gzip, xz, lzma, lz4 or zstd");
	set_field(k.p + 0x206, 2, 0x020f);
	set_field(k.p + 0x258, 8, ~0ull); /* wants to be nowhere */
	refused_file(-ENOEXEC, "3 GiB");
	set_field(k.p + 0x258, 8, 0x200000);
	set_field(k.p + 0x260, 4, 0x10000000);
	refused_file(-ENOMEM, "258 MiB");
}

static void check_segments(void)
{
	struct elf_spec s = spec;

	s.paddr2 = 0x207fff; /* the first one's last byte */
	s.memsz2 = 1;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "overlaps");
	s.paddr2 = 0x9fc00;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "overlaps");
	s.paddr2 = 0x4ff;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "overlaps");
	s.paddr2 = MiB(40);
	s.memsz2 = MiB(2) + 1;
	make_elf(&k, &s);
	refused_file(-ENOMEM, "give the machine 43 MiB");
	s.memsz2 = ~0ull;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "3 GiB");
	s.memsz2 = GiB(3);
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "3 GiB");
	s.paddr2 = ~0ull;
	s.memsz2 = 1;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "3 GiB");
	s.memsz2 = 0;
	s.entry = 0x203000;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "entry point");
	s.entry = ~0ull;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "entry point");
	s.entry = 0;
	s.pvh_entry = 0xfffffff0;
	s.linux_note = false;
	make_elf(&k, &s);
	refused_file(-ENOEXEC, "PVH entry");
	s = spec;
	s.paddr = 0x1000;
	s.memsz = 0x9fc00 - 0x1000;
	make_elf(&k, &s);
	refused_file(-ENOMEM, "below 640 KiB");
	s = spec;
	s.paddr = 0xdf000;
	s.memsz = 0x21000;
	make_elf(&k, &s);
	refused_file(-ENOMEM, "ACPI");
}

static void check_initrd_and_cmdline(void)
{
	static u8 some[MiB(7)];
	static char text[2050];
	struct boot_source s = {
		.kernel = vmlinux.p,
		.kernel_bytes = vmlinux.n,
		.initrd = some,
		.initrd_bytes = sizeof(some),
	};

	m.err.text[0] = 0;
	refused(boot_load(&m.mem, &s, 1, &m.bsp, &m.err), -ENOMEM,
		"give the machine 10 MiB");
	s.initrd_bytes = ~0ull;
	m.err.text[0] = 0;
	refused(boot_load(&m.mem, &s, 1, &m.bsp, &m.err), -EFBIG,
		"below 2048 MiB");
	s.initrd_bytes = 0;
	m.err.text[0] = 0;
	refused(boot_load(&m.mem, &s, 0, &m.bsp, &m.err), -EINVAL,
		"processors");
	m.err.text[0] = 0;
	refused(boot_load(&m.mem, &s, 255, &m.bsp, &m.err), -EINVAL,
		"processors");

	memset(text, 'x', 2048);
	refused(machine_boot(&m, &vmlinux, text), -E2BIG, "2047");
	make_bzimage(&k, &bz_spec);
	set_field(k.p + 0x238, 4, 100);
	text[101] = 0;
	refused(machine_boot(&m, &k, text), -E2BIG, "100 characters");
	text[100] = 0;
	tap_equal(machine_boot(&m, &k, text), 0, "just not too long");
	memset(&m.bsp, 1, sizeof(m.bsp));
}

static void check_small_machine(void)
{
	struct machine small;

	machine_init(&small, MiB(1));
	tap_equal(machine_boot(&small, &vmlinux, ""), -ENOMEM, "1 MiB");
	tap_check(strstr(small.err.text, "give the machine 3 MiB") != NULL,
		  "%s", small.err.text);
	small.mem.low_bytes = MiB(1) - 4096;
	tap_equal(machine_boot(&small, &vmlinux, ""), -ENOMEM,
		  "less than 1 MiB");
	small.mem.low_bytes = MiB(1);
	machine_fini(&small);
}

int main(void)
{
	make_elf(&vmlinux, &spec);
	machine_init(&m, MiB(8));
	check_no_kernels();
	check_bzimages();
	check_segments();
	check_initrd_and_cmdline();
	check_small_machine();
	machine_fini(&m);
	return tap_done();
}
