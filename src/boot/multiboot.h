/* SPDX-License-Identifier: Apache-2.0 */
/* multiboot.h - Multiboot 1: ELF and flat binaries of small systems. */
#ifndef DOPPEL_BOOT_MULTIBOOT_H
#define DOPPEL_BOOT_MULTIBOOT_H

#include "boot/elf.h"
#include "boot/loader.h"
#include "x86/state.h"

/* Whether the file has a multiboot header where one must be. */
bool multiboot_is_kernel(const u8 *p, u64 n);

/* Loads and enters l->kernel; @elf is NULL if it is no ELF file. */
int multiboot_load(struct loader *l, const struct elf_image *elf,
		   struct x86_state *s) MUST_CHECK;

#endif
