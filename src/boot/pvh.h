/* SPDX-License-Identifier: Apache-2.0 */
/* pvh.h - the x86/HVM direct boot ABI, Xen's but for any hypervisor. */
#ifndef DOPPEL_BOOT_PVH_H
#define DOPPEL_BOOT_PVH_H

#include "boot/elf.h"
#include "boot/loader.h"
#include "x86/state.h"

/* Loads and enters @elf by its PVH note; refuses one without. */
int pvh_load(struct loader *l, const struct elf_image *elf,
	     struct x86_state *s) MUST_CHECK;

#endif
