/* SPDX-License-Identifier: Apache-2.0 */
/*
 * multiboot.c - see multiboot.h. The initrd is the one module, right above
 * the kernel, where a system with few page tables can see it.
 *
 * GUEST: the header and its addresses. Reference: Multiboot Specification
 * 0.6.96, 3.1 "OS image format", 3.3 "Boot information format".
 */
#include "boot/multiboot.h"

#include "base/trace.h"
#include "boot/bytes.h"
#include "boot/entry.h"
#include "vm/pc_map.h"

#define HEADER_MAGIC 0x1badb002u
#define LOADER_MAGIC 0x2badb002u
#define SEARCH_BYTES 8192
#define HEADER_BYTES 12
#define HEADER_ADDRESS_BYTES 32

/* Header flags. Bits 0 to 15 are demands: 0 and 1 are always met, 2 (a video
 * mode) is a wish; any other is one that we cannot know. */
#define DEMAND_KNOWN 0x0007u
#define DEMAND_MASK 0xffffu
#define HAS_ADDRESSES BIT(16)

/* Boot information. */
#define INFO_BYTES 120
#define INFO_MEMORY BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)
#define INFO_MMAP BIT(6)
#define INFO_LOADER_NAME BIT(9)

#define MODULE_BYTES 16
#define MMAP_ENTRY_BYTES 24ull

/* Offset of the header, or @n. */
static u64 find_header(const u8 *p, u64 n)
{
	u64 end = min_u64(n, SEARCH_BYTES), at;

	for (at = 0; at + HEADER_BYTES <= end; at += 4)
		if (get_u32(p + at) == HEADER_MAGIC &&
		    get_u32(p + at) + get_u32(p + at + 4) +
				    get_u32(p + at + 8) ==
			    0)
			return at;
	return n;
}

bool multiboot_is_kernel(const u8 *p, u64 n)
{
	return find_header(p, n) < n;
}

/*
 * By the addresses in the header: the file from load_addr to load_end_addr is
 * copied as it is, then zeroes to bss_end_addr; 0 there means all, and none.
 */
static int load_flat(struct loader *l, u64 header, u32 *entry)
{
	const u8 *h = l->kernel + header;
	u32 header_addr, load, load_end, bss_end;
	u64 first, filesz, memsz;

	if (l->kernel_bytes - header < HEADER_ADDRESS_BYTES)
		return err_set(l->err, -EINVAL,
			       "the multiboot header is "
			       "truncated: build the kernel again");
	header_addr = get_u32(h + 12);
	load = get_u32(h + 16);
	load_end = get_u32(h + 20);
	bss_end = get_u32(h + 24);
	*entry = get_u32(h + 28);
	if (header_addr < load || header_addr - load > header)
		goto damaged;
	first = header - (header_addr - load);
	filesz = load_end ? load_end - (u64)load : l->kernel_bytes - first;
	if (load_end && load_end < load)
		goto damaged;
	if (filesz > l->kernel_bytes - first)
		goto damaged;
	memsz = bss_end ? bss_end - (u64)load : filesz;
	if (bss_end && (bss_end < load || memsz < filesz))
		goto damaged;
	if (*entry < load || *entry - load >= filesz)
		goto damaged;
	return loader_segment(l, load, memsz, l->kernel + first, filesz);

damaged:
	return err_set(l->err, -ENOEXEC,
		       "the addresses in the multiboot "
		       "header do not fit the file: it is truncated or "
		       "wrongly linked");
}

static int load_kernel(struct loader *l, const struct elf_image *elf,
		       u32 *entry)
{
	u64 header = find_header(l->kernel, l->kernel_bytes);
	u32 flags;
	u64 at;

	if (header == l->kernel_bytes)
		return err_set(l->err, -ENOEXEC,
			       "the kernel has no multiboot "
			       "header in its first 8 KiB: boot it another "
			       "way");
	flags = get_u32(l->kernel + header + 4);
	if (flags & DEMAND_MASK & ~DEMAND_KNOWN)
		return err_set(l->err, -ENOEXEC,
			       "the multiboot header asks "
			       "for features 0x%x that are not in version "
			       "0.6.96: use a multiboot 1 kernel",
			       flags & DEMAND_MASK & ~DEMAND_KNOWN);
	if (flags & HAS_ADDRESSES)
		return load_flat(l, header, entry);
	if (!elf)
		return err_set(l->err, -ENOEXEC,
			       "the multiboot kernel is no "
			       "ELF file and its header has no addresses: "
			       "set flag 16, or link it as ELF");
	if (!elf_entry(elf, &at) || at > ~0u)
		return err_set(l->err, -ENOEXEC,
			       "the kernel's entry point "
			       "0x%llx is in none of its segments: the file "
			       "is damaged or wrongly linked",
			       (unsigned long long)elf->entry);
	*entry = (u32)at;
	return loader_elf(l, elf);
}

static int write_mmap(struct loader *l, gpa_t *at)
{
	u8 tab[E820_MAX * MMAP_ENTRY_BYTES] = { 0 };
	unsigned i;
	int ret;

	for (i = 0; i < l->map.count; i++) {
		u8 *p = tab + i * MMAP_ENTRY_BYTES;

		put_u32(p, MMAP_ENTRY_BYTES - 4); /* without itself */
		put_u64(p + 4, l->map.tab[i].first);
		put_u64(p + 12, l->map.tab[i].bytes);
		put_u32(p + 20, l->map.tab[i].type);
	}
	ret = loader_alloc(l, sizeof(tab), 8, at);
	if (ret)
		return ret;
	loader_write(l, *at, tab, sizeof(tab));
	return 0;
}

static int write_info(struct loader *l, gpa_t *at)
{
	static const char name[] = "doppel";
	u8 info[INFO_BYTES] = { 0 }, mod[MODULE_BYTES] = { 0 };
	u32 flags = INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER_NAME;
	gpa_t mmap, name_at, mod_at;
	int ret;

	ret = write_mmap(l, &mmap);
	if (!ret)
		ret = loader_alloc(l, sizeof(name), 4, &name_at);
	if (!ret)
		ret = loader_alloc(l, sizeof(mod), 4, &mod_at);
	if (!ret)
		ret = loader_alloc(l, sizeof(info), 8, at);
	if (ret)
		return ret;
	loader_write(l, name_at, name, sizeof(name));
	if (l->initrd) {
		flags |= INFO_MODULES;
		put_u32(mod, (u32)l->initrd);
		put_u32(mod + 4, (u32)(l->initrd + l->src->initrd_bytes));
		/* Its string: empty, the NUL of the loader's name. */
		put_u32(mod + 8, (u32)(name_at + sizeof(name) - 1));
		loader_write(l, mod_at, mod, sizeof(mod));
		put_u32(info + 20, 1);
		put_u32(info + 24, (u32)mod_at);
	}
	put_u32(info, flags);
	put_u32(info + 4, PC_EBDA >> 10);
	put_u32(info + 8, (u32)((l->mem->low_bytes - PC_HIGH_MEMORY) >> 10));
	put_u32(info + 16, (u32)l->cmdline);
	put_u32(info + 44, (u32)(l->map.count * MMAP_ENTRY_BYTES));
	put_u32(info + 48, (u32)mmap);
	put_u32(info + 64, (u32)name_at);
	loader_write(l, *at, info, sizeof(info));
	return 0;
}

int multiboot_load(struct loader *l, const struct elf_image *elf,
		   struct x86_state *s)
{
	gpa_t info;
	u32 entry = 0;
	int ret;

	ret = load_kernel(l, elf, &entry);
	if (!ret)
		ret = loader_firmware(l);
	if (!ret)
		ret = loader_initrd(l, LOADER_LOWEST, GMEM_LOW_MAX);
	if (!ret)
		ret = loader_cmdline(l, LOADER_CMDLINE_MAX);
	if (!ret)
		ret = write_info(l, &info);
	if (!ret)
		ret = entry_protected(l, entry, s);
	if (ret)
		return ret;
	s->gpr[X86_RAX] = LOADER_MAGIC;
	s->gpr[X86_RBX] = info;
	TRACE(BOOT, "multiboot entry at 0x%x, info at 0x%llx", entry,
	      (unsigned long long)info);
	return 0;
}
