/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.h - small kernels made by the tests: files that are right in every
 * field, for a test to boot or to spoil in one place.
 */
#ifndef DOPPEL_TEST_KERNELS_H
#define DOPPEL_TEST_KERNELS_H

#include "backend/unpack.h"
#include "boot/boot.h"

#define KERNEL_ROOM (1u << 20)

struct kernel_file {
	u8 p[KERNEL_ROOM];
	u64 n;
};

/* --- ELF --- */
#define ELF_DATA 0x1000 /* file offset of the first segment's contents */
#define ELF_PHDRS 64 /* of the first program header, in either class */

struct elf_spec {
	bool is32;
	u64 entry; /* 0: the first segment's paddr */
	u64 paddr, vaddr; /* vaddr 0: as paddr */
	u64 filesz, memsz; /* of the first segment */
	u64 paddr2, memsz2; /* a second one without contents; memsz2 0: none */
	bool linux_note;
	u32 pvh_entry; /* 0: no note */
	bool multiboot;
	u32 multiboot_flags;
};

/* Contents are byte i = fill(i) of the segment. */
static inline u8 kernel_byte(u64 i)
{
	return (u8)(i * 7 + 1);
}

void make_elf(struct kernel_file *k, const struct elf_spec *s);

/* --- bzImage --- */
#define BZ_SETUP_SECTS 2
#define BZ_CODE ((BZ_SETUP_SECTS + 1) * 512) /* file offset */
#define BZ_PAYLOAD 0x400 /* offset in the code */

struct bz_spec {
	u16 version; /* 0: 0x020f */
	u16 xloadflags; /* 0: KERNEL_64 */
	enum unpack_format format;
	const struct kernel_file *payload;
};

void make_bzimage(struct kernel_file *k, const struct bz_spec *s);

/* --- little-endian fields --- */
u64 field(const u8 *p, unsigned bytes);
void set_field(u8 *p, unsigned bytes, u64 v);

/* --- a machine to load into --- RAM is full of 0xa5 at first. */
struct machine {
	struct gmem mem;
	struct x86_state bsp;
	struct err err;
};
void machine_init(struct machine *m, u64 bytes);
void machine_fini(struct machine *m);
/* boot_load with one processor; clears the error first. */
int machine_boot(struct machine *m, const struct kernel_file *k,
		 const char *cmdline);
u64 guest_field(struct machine *m, gpa_t at, unsigned bytes);
bool guest_holds(struct machine *m, gpa_t at, const void *p, u64 n);
/* RAM at @at is kernel_byte(0), (1).. */
bool guest_has_kernel(struct machine *m, gpa_t at, u64 n);
bool guest_is_zero(struct machine *m, gpa_t at, u64 n);

#endif
