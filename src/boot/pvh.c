/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvh.c - see pvh.h. Version 1 of the start info, with a memory map: without
 * one a kernel that is not on Xen has no way to learn of its memory.
 *
 * References: Xen docs/misc/pvh.pandoc; public/arch-x86/hvm/start_info.h.
 */
#include "boot/pvh.h"

#include "base/trace.h"
#include "boot/bytes.h"
#include "boot/entry.h"

#define START_INFO_MAGIC 0x336ec578
#define START_INFO_BYTES 56
#define MODULE_BYTES 32
#define MEMMAP_ENTRY_BYTES 24ull
/* Linux enters through here too; others are smaller still. */
#define INITRD_LIMIT GiB(2)

static int write_memmap(struct loader *l, gpa_t *at)
{
	u8 tab[E820_MAX * MEMMAP_ENTRY_BYTES] = { 0 };
	unsigned i;
	int ret;

	for (i = 0; i < l->map.count; i++) {
		u8 *p = tab + i * MEMMAP_ENTRY_BYTES;

		put_u64(p, l->map.tab[i].first);
		put_u64(p + 8, l->map.tab[i].bytes);
		put_u32(p + 16, l->map.tab[i].type);
	}
	ret = loader_alloc(l, sizeof(tab), 8, at);
	if (ret)
		return ret;
	loader_write(l, *at, tab, sizeof(tab));
	return 0;
}

static int write_module(struct loader *l, gpa_t *at)
{
	u8 mod[MODULE_BYTES] = { 0 };
	int ret;

	*at = 0;
	if (!l->initrd)
		return 0;
	put_u64(mod, l->initrd);
	put_u64(mod + 8, l->src->initrd_bytes);
	ret = loader_alloc(l, sizeof(mod), 8, at);
	if (ret)
		return ret;
	loader_write(l, *at, mod, sizeof(mod));
	return 0;
}

static int write_start_info(struct loader *l, gpa_t *at)
{
	u8 info[START_INFO_BYTES] = { 0 };
	gpa_t memmap, module;
	int ret;

	ret = write_memmap(l, &memmap);
	if (!ret)
		ret = write_module(l, &module);
	if (!ret)
		ret = loader_alloc(l, sizeof(info), 8, at);
	if (ret)
		return ret;
	put_u32(info, START_INFO_MAGIC);
	put_u32(info + 4, 1); /* version */
	put_u32(info + 12, l->initrd ? 1 : 0);
	put_u64(info + 16, module);
	put_u64(info + 24, l->cmdline);
	put_u64(info + 32, l->rsdp);
	put_u64(info + 40, memmap);
	put_u32(info + 48, l->map.count);
	loader_write(l, *at, info, sizeof(info));
	return 0;
}

int pvh_load(struct loader *l, const struct elf_image *elf, struct x86_state *s)
{
	gpa_t info;
	int ret;

	if (!elf->has_pvh)
		return err_set(l->err, -ENOEXEC,
			       "the kernel has no PVH entry "
			       "(Linux: CONFIG_PVH): boot it another way");
	if (!elf_holds(elf, elf->pvh_entry))
		return err_set(l->err, -ENOEXEC,
			       "the kernel's PVH entry "
			       "0x%x is in none of its segments: the file is "
			       "damaged or wrongly linked",
			       elf->pvh_entry);
	ret = loader_elf(l, elf);
	if (!ret)
		ret = loader_firmware(l);
	if (!ret)
		ret = loader_initrd(l, LOADER_HIGHEST, INITRD_LIMIT);
	if (!ret)
		ret = loader_cmdline(l, LOADER_CMDLINE_MAX);
	if (!ret)
		ret = write_start_info(l, &info);
	if (!ret)
		ret = entry_protected(l, elf->pvh_entry, s);
	if (ret)
		return ret;
	s->gpr[X86_RBX] = info;
	TRACE(BOOT, "PVH entry at 0x%x, start info at 0x%llx", elf->pvh_entry,
	      (unsigned long long)info);
	return 0;
}
