/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - kernels into memory: puts a kernel, its initrd, its command line
 * and the tables of the firmware that we do not run into guest RAM, and gives
 * the state in which the boot processor starts.
 *
 * What a file is follows from its content, not its name:
 *
 *   bzImage          Linux: the vmlinux inside is unpacked here and entered
 *                    directly; else the file's own unpacker runs in the guest
 *   ELF, x86-64      Linux 64-bit entry, PVH or multiboot (see boot.c)
 *   ELF, 32 bits     multiboot or PVH
 *   flat binary      multiboot with load addresses in its header
 *
 * each of them also inside gzip, xz, lzma, lz4 or zstd.
 */
#ifndef DOPPEL_BOOT_BOOT_H
#define DOPPEL_BOOT_BOOT_H

#include "base/base.h"
#include "base/err.h"
#include "vm/gmem.h"
#include "x86/state.h"

/* How the kernel is entered. */
enum boot_protocol {
	BOOT_AUTO, /* what suits the file best */
	BOOT_LINUX64, /* long mode, RSI = boot_params */
	BOOT_PVH, /* 32-bit protected mode, EBX = hvm_start_info */
	BOOT_MULTIBOOT, /* 32-bit protected mode, EBX = multiboot info */
};

/* The whole contents of the files; read only during boot_load. */
struct boot_source {
	const u8 *kernel;
	u64 kernel_bytes;
	const u8 *initrd; /* with initrd_bytes 0: none */
	u64 initrd_bytes;
	const char *cmdline; /* NULL: empty */
	enum boot_protocol protocol;
};

/*
 * Loads @src for a machine of @cpus processors (1 to 254), resets the boot
 * processor's state @bsp and makes it ready for the kernel's first instruction.
 * @m need not be zeroed: everything that the kernel may rely on is written.
 *
 * Returns 0, or a negative errno with a sentence in @e: then @bsp is as before
 * and RAM holds anything. Files may be hostile. Takes host memory for the
 * unpacked kernel while it runs.
 */
int boot_load(struct gmem *m, const struct boot_source *src, unsigned cpus,
	      struct x86_state *bsp, struct err *e) MUST_CHECK;

#endif
