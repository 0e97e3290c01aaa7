/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.h - the Linux/x86 boot protocol: the header in a bzImage, and the
 * page (struct boot_params) by which the kernel is told of its machine.
 */
#ifndef DOPPEL_BOOT_LINUX_H
#define DOPPEL_BOOT_LINUX_H

#include "base/base.h"
#include "boot/elf.h"
#include "boot/loader.h"
#include "x86/state.h"

/* The setup header: at the same offset in the file and in boot_params. */
#define LINUX_HDR 0x1f1
#define LINUX_HDR_END 0x290 /* of the room in boot_params */

/* What a bzImage says of itself, checked. GUEST: */
struct linux_image {
	const u8 *hdr; /* at LINUX_HDR of the file */
	unsigned hdr_bytes; /* at most LINUX_HDR_END - LINUX_HDR */
	u16 version;
	u16 xloadflags;
	const u8 *code; /* the 32/64-bit part */
	u64 code_bytes;
	const u8 *payload; /* the packed vmlinux, inside code; or NULL */
	u64 payload_bytes;
	u32 cmdline_max;
	u64 initrd_limit; /* exclusive */
	u64 load_at; /* where its own unpacker wants to be */
	u32 init_bytes; /* and the room that it needs there */
};

/* XLF_*: what can be done with the kernel */
#define LINUX_XLF_KERNEL_64 BIT(0) /* has an entry for long mode */
#define LINUX_XLF_ABOVE_4G BIT(1) /* initrd and all may be anywhere */

bool linux_is_bzimage(const u8 *p, u64 n);
/* 0, or a negative errno with a sentence. (bzimage.c) */
int linux_parse(struct linux_image *k, const u8 *p, u64 n,
		struct err *e) MUST_CHECK;

/*
 * Loads a bzImage by its content: the vmlinux inside, if it can be unpacked
 * here, else all of it with its own unpacker. (bzimage.c)
 */
int linux_load_bzimage(struct loader *l, struct x86_state *s) MUST_CHECK;

/* Loads a vmlinux that is not in a bzImage. (linux.c) */
int linux_load_elf(struct loader *l, const struct elf_image *elf,
		   struct x86_state *s) MUST_CHECK;

/*
 * What follows once the kernel is in memory: firmware tables, initrd,
 * command line, boot_params, processor. @k is NULL when there is no header.
 * (linux.c)
 */
int linux_start(struct loader *l, const struct linux_image *k, u64 entry,
		struct x86_state *s) MUST_CHECK;

#endif
