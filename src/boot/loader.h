/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.h - what the loaders of all formats share while one machine is being
 * loaded.
 *
 * Order of events: the format's file reserves and loads the kernel
 * (loader_segment), then the tables of the firmware are written around it
 * (loader_firmware), then initrd, command line and the protocol's own
 * structures, then the processor's state (entry.h).
 */
#ifndef DOPPEL_BOOT_LOADER_H
#define DOPPEL_BOOT_LOADER_H

#include "base/base.h"
#include "base/err.h"
#include "boot/boot.h"
#include "boot/e820.h"
#include "boot/elf.h"
#include "boot/place.h"
#include "vm/gmem.h"

/* Padding, debug data: what a kernel's file may have and its memory has not. */
#define LOADER_UNPACK_SLACK MiB(64)

/* Below it: the real-mode interrupt table and the BIOS data area. */
#define LOADER_LOW_FIRST 0x500ull
/* Linux's limit where the kernel's header does not tell. */
#define LOADER_CMDLINE_MAX 2047u

struct loader {
	struct gmem *mem;
	const struct boot_source *src;
	struct err *err;
	unsigned cpus;
	/* The file, or what was packed in it. GUEST: */
	const u8 *kernel;
	u64 kernel_bytes;

	struct place place;
	gpa_t kernel_end; /* of the highest segment */
	struct e820 map;
	gpa_t rsdp;
	gpa_t initrd; /* 0: none */
	gpa_t cmdline;
};

/* How much a packed kernel may unpack to: more could never be loaded. */
static inline u64 loader_unpack_limit(const struct loader *l)
{
	return l->mem->low_bytes + LOADER_UNPACK_SLACK;
}

/* Takes what belongs to the firmware; to be called first. */
int loader_init(struct loader *l) MUST_CHECK;

/*
 * Loads @filesz bytes at guest address @at and zeroes up to @memsz. All
 * values may be anything. 0, or a negative errno with a sentence.
 */
int loader_segment(struct loader *l, gpa_t at, u64 memsz, const u8 *data,
		   u64 filesz) MUST_CHECK;

/* Loads all segments of @elf. */
int loader_elf(struct loader *l, const struct elf_image *elf) MUST_CHECK;

/* BIOS data area, memory map, ACPI tables. */
int loader_firmware(struct loader *l) MUST_CHECK;

/* The command line, refused when longer than @max characters. */
int loader_cmdline(struct loader *l, u32 max) MUST_CHECK;

enum loader_where { LOADER_LOWEST, LOADER_HIGHEST };
/* The initrd, page-aligned above 1 MiB and below @limit. */
int loader_initrd(struct loader *l, enum loader_where where,
		  gpa_t limit) MUST_CHECK;

/* Room for one of our structures below 640 KiB, zeroed. */
int loader_alloc(struct loader *l, u64 bytes, u64 align, gpa_t *at) MUST_CHECK;
/* Writes inside what loader_alloc gave. */
void loader_write(struct loader *l, gpa_t at, const void *data, u64 bytes);

#endif
