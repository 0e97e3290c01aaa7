/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.h - what a boot loader needs of an ELF file, 32 or 64 bits: loadable
 * segments by physical address, the entry point, and notes.
 *
 * GUEST: the file may be hostile; elf_parse leaves only what was checked to
 * lie inside it.
 */
#ifndef DOPPEL_BOOT_ELF_H
#define DOPPEL_BOOT_ELF_H

#include "base/base.h"
#include "base/err.h"

#define ELF_MAX_SEGMENTS 64 /* vmlinux has four */

struct elf_segment {
	u64 vaddr, paddr, memsz; /* unchecked */
	const u8 *data;
	u64 filesz; /* <= memsz */
};

struct elf_image {
	bool is64;
	u64 entry; /* as in the file: physical or virtual */
	unsigned count;
	struct elf_segment seg[ELF_MAX_SEGMENTS];
	bool is_linux; /* a note says so */
	bool has_pvh;
	u32 pvh_entry; /* physical */
};

bool elf_is_elf(const u8 *p, u64 n);

/* 0, or -EINVAL / -ENOEXEC with a sentence. */
int elf_parse(struct elf_image *elf, const u8 *p, u64 n,
	      struct err *e) MUST_CHECK;

/*
 * The physical address of the entry point: kernels linked high give it as a
 * virtual address, Linux as a physical one. False if it is in no segment.
 */
bool elf_entry(const struct elf_image *elf, u64 *entry) MUST_CHECK;

/* Whether physical address @at lies in a loaded segment. */
bool elf_holds(const struct elf_image *elf, u64 at);

#endif
