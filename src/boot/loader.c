/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - see loader.h.
 *
 * GUEST: sizes and addresses come from files. Everything that is written is
 * below GMEM_LOW_MAX, so sums of two checked values cannot wrap.
 */
#include "boot/loader.h"

#include "base/fmt.h"
#include "base/string.h"
#include "boot/acpi.h"
#include "boot/bytes.h"
#include "vm/pc_map.h"

static u64 to_mib(u64 bytes)
{
	return align_up(bytes, MiB(1)) >> 20;
}

void loader_write(struct loader *l, gpa_t at, const void *data, u64 bytes)
{
	/* Every caller has taken the place before: a failure is our bug. */
	BUG_ON(!gmem_write(l->mem, at, data, bytes));
}

static void zero(struct loader *l, gpa_t at, u64 bytes)
{
	hva_t p = gmem_hva(l->mem, at, bytes);

	BUG_ON(!p);
	fill_bytes(p, 0, bytes);
	gmem_written(l->mem, at, bytes);
}

int loader_init(struct loader *l)
{
	int ret;

	ret = place_take(&l->place, 0, LOADER_LOW_FIRST);
	if (!ret)
		ret = place_take(&l->place, PC_EBDA, PC_EBDA_END - PC_EBDA);
	return ret;
}

int loader_segment(struct loader *l, gpa_t at, u64 memsz, const u8 *data,
		   u64 filesz)
{
	u64 low = l->mem->low_bytes;
	int ret;

	if (at > GMEM_LOW_MAX || memsz > GMEM_LOW_MAX - at)
		return err_set(
			l->err, -ENOEXEC,
			"the kernel wants memory "
			"from 0x%llx, %llu MiB of it, but a PC has RAM "
			"only below 3 GiB and above 4 GiB: link it lower",
			(unsigned long long)at,
			(unsigned long long)to_mib(min_u64(memsz, GiB(1))));
	if (at > low || memsz > low - at)
		return err_set(l->err, -ENOMEM,
			       "the kernel does not fit into "
			       "%llu MiB of memory: give the machine %llu MiB "
			       "or more",
			       (unsigned long long)(low >> 20),
			       (unsigned long long)to_mib(at + memsz));
	if (filesz > memsz)
		filesz = memsz;
	ret = place_take(&l->place, at, memsz);
	if (ret == -EEXIST)
		return err_set(l->err, -ENOEXEC,
			       "the kernel's segment at "
			       "0x%llx overlaps another one or memory of the "
			       "firmware: the file is damaged or wrongly "
			       "linked",
			       (unsigned long long)at);
	if (ret)
		return err_set(l->err, -ENOEXEC,
			       "the kernel has too many "
			       "segments: link it with fewer");
	loader_write(l, at, data, filesz);
	zero(l, at + filesz, memsz - filesz);
	l->kernel_end = max_u64(l->kernel_end, at + memsz);
	return 0;
}

int loader_elf(struct loader *l, const struct elf_image *elf)
{
	unsigned i;
	int ret;

	for (i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->seg[i];

		ret = loader_segment(l, s->paddr, s->memsz, s->data, s->filesz);
		if (ret)
			return ret;
	}
	return 0;
}

int loader_alloc(struct loader *l, u64 bytes, u64 align, gpa_t *at)
{
	*at = place_low(&l->place, bytes, align, PAGE_SIZE, PC_EBDA);
	if (*at == PLACE_NONE)
		return err_set(l->err, -ENOMEM,
			       "the kernel leaves no room "
			       "below 640 KiB for boot information: link it "
			       "to 1 MiB or higher");
	zero(l, *at, bytes);
	return 0;
}

/*
 * The two words of the BIOS data area by which systems without E820 find the
 * end of conventional memory, and those with it the EBDA.
 */
static void write_bda(struct loader *l)
{
	u8 ebda_segment[2], base_kib[2];

	put_u16(ebda_segment, PC_EBDA >> 4);
	put_u16(base_kib, PC_EBDA >> 10);
	zero(l, 0, LOADER_LOW_FIRST);
	loader_write(l, 0x40e, ebda_segment, sizeof(ebda_segment));
	loader_write(l, 0x413, base_kib, sizeof(base_kib));
	/* A zero size byte: nothing in the EBDA; no stale tables to find. */
	zero(l, PC_EBDA, PC_EBDA_END - PC_EBDA);
}

int loader_firmware(struct loader *l)
{
	u64 room = PC_ACPI_TABLES_END - PC_ACPI_TABLES;
	gpa_t at;
	hva_t p;
	u64 used;

	write_bda(l);
	e820_build(&l->map, l->mem);

	/* The whole area if it is free, so that RSDP is at its first byte;
	 * else what a kernel linked to just below 1 MiB has left of it. */
	while ((at = place_low(&l->place, room, PAGE_SIZE, PC_ACPI_TABLES,
			       PC_ACPI_TABLES_END)) == PLACE_NONE) {
		room /= 2;
		if (room < ACPI_BYTES_MIN)
			return err_set(l->err, -ENOMEM,
				       "the kernel leaves no "
				       "room below 1 MiB for ACPI tables: link "
				       "it to 1 MiB or higher");
	}
	p = gmem_hva(l->mem, at, room);
	BUG_ON(!p);
	fill_bytes(p, 0, room);
	used = acpi_build(p, room, at, l->cpus);
	if (!used)
		return err_set(l->err, -EINVAL,
			       "ACPI tables for %u "
			       "processors do not fit below 1 MiB: use fewer",
			       l->cpus);
	gmem_written(l->mem, at, room);
	l->rsdp = at;
	return 0;
}

int loader_cmdline(struct loader *l, u32 max)
{
	const char *s = l->src->cmdline ? l->src->cmdline : "";
	u64 n = str_len(s);
	int ret;

	if (n > max)
		return err_set(l->err, -E2BIG,
			       "the kernel command line is "
			       "longer than the %u characters that this "
			       "kernel takes: shorten it",
			       max);
	ret = loader_alloc(l, n + 1, 16, &l->cmdline);
	if (ret)
		return ret;
	loader_write(l, l->cmdline, s, n + 1);
	return 0;
}

int loader_initrd(struct loader *l, enum loader_where where, gpa_t limit)
{
	u64 bytes = l->src->initrd_bytes, low = l->mem->low_bytes;
	u64 need = align_up(l->kernel_end, PAGE_SIZE);

	l->initrd = 0;
	if (!bytes)
		return 0;
	need = max_u64(need, PC_HIGH_MEMORY);
	limit = min_u64(limit, GMEM_LOW_MAX);
	if (bytes > limit || need > limit - bytes)
		return err_set(l->err, -EFBIG,
			       "the initrd (%llu MiB) does "
			       "not fit below %llu MiB, where this kernel "
			       "needs it: use a smaller one",
			       (unsigned long long)to_mib(bytes),
			       (unsigned long long)(limit >> 20));
	limit = min_u64(limit, low);
	if (where == LOADER_HIGHEST)
		l->initrd = place_high(&l->place, bytes, PAGE_SIZE,
				       PC_HIGH_MEMORY, limit);
	else
		l->initrd = place_low(&l->place, bytes, PAGE_SIZE, need, limit);
	if (l->initrd == PLACE_NONE)
		return err_set(l->err, -ENOMEM,
			       "the initrd (%llu MiB) does "
			       "not fit into memory beside the kernel: give "
			       "the machine %llu MiB or more",
			       (unsigned long long)to_mib(bytes),
			       (unsigned long long)to_mib(need + bytes));
	loader_write(l, l->initrd, l->src->initrd, bytes);
	return 0;
}
