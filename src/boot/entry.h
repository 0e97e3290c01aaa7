/* SPDX-License-Identifier: Apache-2.0 */
/* entry.h - the boot processor's state at a kernel's first instruction. */
#ifndef DOPPEL_BOOT_ENTRY_H
#define DOPPEL_BOOT_ENTRY_H

#include "base/base.h"
#include "boot/loader.h"
#include "x86/state.h"

/* Flat segments that all protocols share: selectors of our GDT. */
#define ENTRY_CS 0x10
#define ENTRY_DS 0x18
#define ENTRY_TSS 0x20

/*
 * Long mode with the first 4 GiB mapped to themselves, interrupts off. Puts
 * GDT and page tables into guest memory. *@s is written only on success.
 */
int entry_long(struct loader *l, u64 rip, struct x86_state *s) MUST_CHECK;

/* 32-bit protected mode without paging, interrupts off. */
int entry_protected(struct loader *l, u32 eip, struct x86_state *s) MUST_CHECK;

#endif
