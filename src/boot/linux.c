/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.c - enters a Linux kernel by the 64-bit boot protocol: boot_params
 * and what it points to.
 *
 * References: Linux Documentation/arch/x86/boot.rst "The Real-Mode Kernel
 * Header", "64-bit Boot Protocol"; Documentation/arch/x86/zero-page.rst.
 */
#include "boot/linux.h"

#include "base/fmt.h"
#include "base/trace.h"
#include "boot/bytes.h"
#include "boot/entry.h"

/* Offsets in boot_params. All of screen_info (at 0) stays zero: no display. */
#define BP_BYTES 4096
#define BP_ACPI_RSDP_ADDR 0x070
#define BP_E820_ENTRIES 0x1e8
#define BP_BOOT_FLAG 0x1fe
#define BP_HEADER 0x202
#define BP_VERSION 0x206
#define BP_TYPE_OF_LOADER 0x210
#define BP_LOADFLAGS 0x211
#define BP_CODE32_START 0x214
#define BP_RAMDISK_IMAGE 0x218
#define BP_RAMDISK_SIZE 0x21c
#define BP_CMD_LINE_PTR 0x228
#define BP_INITRD_ADDR_MAX 0x22c
#define BP_CMDLINE_SIZE 0x238
#define BP_HARDWARE_SUBARCH 0x23c
#define BP_SETUP_DATA 0x250
#define BP_E820_TABLE 0x2d0
#define BP_E820_ENTRY_BYTES 20

#define LOADER_UNDEFINED 0xff
#define LOADED_HIGH BIT(0)

/* The initrd_addr_max of every 64-bit kernel so far. */
#define INITRD_LIMIT GiB(2)

/* A header for a vmlinux without one: just what the kernel itself reads. */
static void make_header(u8 *bp)
{
	put_u16(bp + BP_BOOT_FLAG, 0xaa55);
	put_u32(bp + BP_HEADER, 0x53726448); /* "HdrS" */
	put_u16(bp + BP_VERSION, 0x020f);
	put_u32(bp + BP_INITRD_ADDR_MAX, INITRD_LIMIT - 1);
	put_u32(bp + BP_CMDLINE_SIZE, LOADER_CMDLINE_MAX);
}

static void put_e820(u8 *bp, const struct e820 *map)
{
	u8 *p = bp + BP_E820_TABLE;
	unsigned i;

	for (i = 0; i < map->count; i++, p += BP_E820_ENTRY_BYTES) {
		put_u64(p, map->tab[i].first);
		put_u64(p + 8, map->tab[i].bytes);
		put_u32(p + 16, map->tab[i].type);
	}
	bp[BP_E820_ENTRIES] = (u8)map->count;
}

static int write_boot_params(struct loader *l, const struct linux_image *k,
			     u64 entry, gpa_t *at)
{
	u8 bp[BP_BYTES] = { 0 };
	int ret;

	if (k)
		copy_bytes(bp + LINUX_HDR, k->hdr, k->hdr_bytes);
	else
		make_header(bp);
	bp[BP_TYPE_OF_LOADER] = LOADER_UNDEFINED;
	bp[BP_LOADFLAGS] = LOADED_HIGH; /* and no heap for real-mode code */
	put_u32(bp + BP_CODE32_START, (u32)entry);
	put_u32(bp + BP_RAMDISK_IMAGE, (u32)l->initrd);
	put_u32(bp + BP_RAMDISK_SIZE, (u32)l->src->initrd_bytes);
	put_u32(bp + BP_CMD_LINE_PTR, (u32)l->cmdline);
	put_u32(bp + BP_HARDWARE_SUBARCH, 0);
	put_u64(bp + BP_SETUP_DATA, 0);
	put_u64(bp + BP_ACPI_RSDP_ADDR, l->rsdp);
	put_e820(bp, &l->map);

	ret = loader_alloc(l, BP_BYTES, PAGE_SIZE, at);
	if (ret)
		return ret;
	loader_write(l, *at, bp, BP_BYTES);
	return 0;
}

int linux_start(struct loader *l, const struct linux_image *k, u64 entry,
		struct x86_state *s)
{
	gpa_t bp;
	int ret;

	ret = loader_firmware(l);
	if (!ret)
		ret = loader_initrd(l, LOADER_HIGHEST,
				    k ? k->initrd_limit : INITRD_LIMIT);
	if (!ret)
		ret = loader_cmdline(l,
				     k ? k->cmdline_max : LOADER_CMDLINE_MAX);
	if (!ret)
		ret = write_boot_params(l, k, entry, &bp);
	if (!ret)
		ret = entry_long(l, entry, s);
	if (ret)
		return ret;
	s->gpr[X86_RSI] = bp;
	TRACE(BOOT,
	      "Linux 64-bit entry at 0x%llx, boot_params at 0x%llx, "
	      "initrd at 0x%llx",
	      (unsigned long long)entry, (unsigned long long)bp,
	      (unsigned long long)l->initrd);
	return 0;
}

int linux_load_elf(struct loader *l, const struct elf_image *elf,
		   struct x86_state *s)
{
	u64 entry;
	int ret;

	if (!elf->is64)
		return err_set(l->err, -ENOEXEC,
			       "a 32-bit ELF file cannot be "
			       "entered in long mode: use a 64-bit kernel");
	if (!elf_entry(elf, &entry))
		return err_set(l->err, -ENOEXEC,
			       "the kernel's entry point "
			       "0x%llx is in none of its segments: the file "
			       "is damaged or wrongly linked",
			       (unsigned long long)elf->entry);
	ret = loader_elf(l, elf);
	if (ret)
		return ret;
	return linux_start(l, NULL, entry, s);
}
