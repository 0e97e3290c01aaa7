/* SPDX-License-Identifier: Apache-2.0 */
/* elf_test.c - parsing of good files, and of ones spoilt in each field. */
#include "boot/elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "tap.h"

static struct kernel_file k;
static struct elf_image elf;
static struct err e;

static const struct elf_spec spec64 = {
	.paddr = 0x200000,
	.vaddr = 0xffffffff81000000,
	.filesz = 0x3000,
	.memsz = 0x5000,
	.paddr2 = 0x300000,
	.memsz2 = 0x1000,
	.linux_note = true,
	.pvh_entry = 0x200040,
};

static const struct elf_spec spec32 = {
	.is32 = true,
	.paddr = 0x100000,
	.filesz = 0x3000,
	.memsz = 0x5000,
	.pvh_entry = 0x100010,
};

static void check_good(void)
{
	u64 entry;

	make_elf(&k, &spec64);
	tap_equal(elf_parse(&elf, k.p, k.n, &e), 0, "ELF64");
	tap_check(elf.is64 && elf.is_linux && elf.has_pvh, "class and notes");
	tap_equal(elf.pvh_entry, 0x200040, "PVH entry");
	tap_equal(elf.count, 2, "segments");
	tap_equal(elf.seg[0].paddr, 0x200000, "paddr");
	tap_equal(elf.seg[0].vaddr, 0xffffffff81000000, "vaddr");
	tap_equal(elf.seg[0].filesz, 0x3000, "filesz");
	tap_equal(elf.seg[0].memsz, 0x5000, "memsz");
	tap_equal(elf.seg[0].data - k.p, ELF_DATA, "contents");
	tap_check(elf_entry(&elf, &entry) && entry == 0x200000,
		  "physical entry");
	elf.entry = 0xffffffff81000123;
	tap_check(elf_entry(&elf, &entry) && entry == 0x200123,
		  "virtual entry");
	elf.entry = 0x203000; /* in memsz, not in filesz */
	tap_check(!elf_entry(&elf, &entry), "entry in zeroes");

	make_elf(&k, &spec32);
	tap_equal(elf_parse(&elf, k.p, k.n, &e), 0, "ELF32");
	tap_check(!elf.is64 && !elf.is_linux && elf.has_pvh, "class and notes");
	tap_equal(elf.count, 1, "segments");
	tap_equal(elf.seg[0].memsz, 0x5000, "memsz");
	tap_equal(elf.pvh_entry, 0x100010, "PVH entry");
}

/* Writes one field of a good file and expects a certain refusal. */
static void check_spoilt(const struct elf_spec *s, unsigned at, unsigned bytes,
			 u64 v, int want, const char *words)
{
	int ret;

	make_elf(&k, s);
	set_field(k.p + at, bytes, v);
	e.text[0] = 0;
	ret = elf_parse(&elf, k.p, k.n, &e);
	tap_check(ret == want && strstr(e.text, words),
		  "byte %u = 0x%llx: %d %s", at, (unsigned long long)v, ret,
		  e.text);
}

static void check_bad(void)
{
	check_spoilt(&spec64, 4, 1, 3, -EINVAL, "damaged");
	check_spoilt(&spec64, 5, 1, 2, -ENOEXEC, "x86-64"); /* big-endian */
	check_spoilt(&spec64, 18, 2, 183, -ENOEXEC, "AArch64");
	check_spoilt(&spec64, 18, 2, 0xffff, -ENOEXEC, "another processor");
	check_spoilt(&spec64, 16, 2, 1, -ENOEXEC, "no executable");
	check_spoilt(&spec64, 16, 2, 3, -ENOEXEC, "no executable");
	check_spoilt(&spec64, 32, 8, k.n + 1, -EINVAL, "truncated");
	check_spoilt(&spec64, 32, 8, ~0ull, -EINVAL, "truncated");
	check_spoilt(&spec64, 32, 8, -56ull, -EINVAL, "truncated");
	check_spoilt(&spec64, 54, 2, 55, -EINVAL, "damaged");
	check_spoilt(&spec64, 56, 2, 0xffff, -EINVAL, "truncated");
	check_spoilt(&spec64, 56, 2, 0, -ENOEXEC, "nothing to load");
	/* first segment: offset, filesz, memsz */
	check_spoilt(&spec64, ELF_PHDRS + 8, 8, k.n, -EINVAL, "truncated");
	check_spoilt(&spec64, ELF_PHDRS + 8, 8, ~0ull, -EINVAL, "truncated");
	check_spoilt(&spec64, ELF_PHDRS + 8, 8, -0x1000ull, -EINVAL,
		     "truncated");
	check_spoilt(&spec64, ELF_PHDRS + 32, 8, ~0ull, -EINVAL, "truncated");
	check_spoilt(&spec64, ELF_PHDRS + 40, 8, 0x2fff, -EINVAL, "damaged");
	/* 32 bits: the same fields elsewhere */
	check_spoilt(&spec32, 28, 4, 0xfffffff0, -EINVAL, "truncated");
	check_spoilt(&spec32, ELF_PHDRS + 4, 4, 0xfffff000, -EINVAL,
		     "truncated");
	check_spoilt(&spec32, ELF_PHDRS + 16, 4, 0xffffffff, -EINVAL,
		     "truncated");
}

static void check_many_segments(void)
{
	unsigned i;

	make_elf(&k, &spec64);
	memset(k.p + ELF_DATA, 0, 0x3000);
	set_field(k.p + 32, 8, ELF_DATA);
	set_field(k.p + 56, 2, ELF_MAX_SEGMENTS + 1);
	for (i = 0; i <= ELF_MAX_SEGMENTS; i++) {
		u8 *ph = k.p + ELF_DATA + i * 56;

		set_field(ph, 4, 1);
		set_field(ph + 24, 8, 0x100000 + i * 0x1000);
		set_field(ph + 40, 8, 0x1000);
	}
	e.text[0] = 0;
	tap_equal(elf_parse(&elf, k.p, ELF_DATA + i * 56, &e), -ENOEXEC,
		  "too many segments");
	tap_check(strstr(e.text, "64 segments") != NULL, "%s", e.text);
	set_field(k.p + 56, 2, ELF_MAX_SEGMENTS);
	tap_equal(elf_parse(&elf, k.p, ELF_DATA + i * 56, &e), 0,
		  "just not too many");
}

/* Notes whose sizes lie: quietly ignored, never read past. */
static void check_notes(void)
{
	static const u32 size_tab[] = { 0,	    1,		5,
					0x7fffffff, 0xfffffff0, 0xffffffff };
	unsigned i, j;

	for (i = 0; i < ARRAY_SIZE(size_tab); i++) {
		for (j = 0; j < 2; j++) {
			make_elf(&k, &spec64);
			set_field(k.p + 0x400 + 4 * j, 4, size_tab[i]);
			tap_equal(elf_parse(&elf, k.p, k.n, &e), 0,
				  "damaged note");
		}
	}
	/* A PVH note with too few bytes is none. */
	make_elf(&k, &spec32);
	set_field(k.p + 0x400 + 24 + 4, 4, 3);
	tap_equal(elf_parse(&elf, k.p, k.n, &e), 0, "short PVH note");
	tap_check(!elf.has_pvh, "is ignored");
}

/* Every prefix of a file, in memory of exactly its size. */
static void check_truncated(const struct elf_spec *s)
{
	unsigned accepted = 0;
	u64 n;

	make_elf(&k, s);
	for (n = 0; n < k.n; n += n < 0x480 ? 1 : 61) {
		u8 *copy = malloc(n ? n : 1);

		memcpy(copy, k.p, n);
		if (elf_is_elf(copy, n) && elf_parse(&elf, copy, n, NULL) == 0)
			accepted++;
		free(copy);
	}
	tap_equal(accepted, 0, "truncated files accepted");
}

int main(void)
{
	check_good();
	check_bad();
	check_many_segments();
	check_notes();
	check_truncated(&spec64);
	check_truncated(&spec32);
	return tap_done();
}
