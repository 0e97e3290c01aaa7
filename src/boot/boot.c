/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - finds out what a kernel file is and hands it to its loader.
 *
 * An ELF file may have several entries; the first that holds is used:
 *
 *   1. It is 64-bit Linux (its notes say so): the 64-bit entry. It comes to
 *      start_kernel by the shortest way and gets the fullest boot_params.
 *   2. It has a PVH note: PVH, which is exactly defined for kernels like it.
 *   3. It has a multiboot header.
 *   4. It is a 64-bit file: the 64-bit entry, for Linux before 4.18 and for
 *      kernels made to start like it.
 */
#include "boot/boot.h"

#include "backend/unpack.h"
#include "base/string.h"
#include "boot/acpi.h"
#include "boot/bytes.h"
#include "boot/elf.h"
#include "boot/linux.h"
#include "boot/loader.h"
#include "boot/multiboot.h"
#include "boot/pvh.h"

static enum boot_protocol choose(const struct loader *l,
				 const struct elf_image *elf)
{
	if (l->src->protocol != BOOT_AUTO)
		return l->src->protocol;
	if (elf->is64 && elf->is_linux)
		return BOOT_LINUX64;
	if (elf->has_pvh)
		return BOOT_PVH;
	if (multiboot_is_kernel(l->kernel, l->kernel_bytes))
		return BOOT_MULTIBOOT;
	return BOOT_LINUX64;
}

static int load_elf(struct loader *l, struct x86_state *s)
{
	struct elf_image elf;
	int ret;

	ret = elf_parse(&elf, l->kernel, l->kernel_bytes, l->err);
	if (ret)
		return ret;
	switch (choose(l, &elf)) {
	case BOOT_PVH:
		return pvh_load(l, &elf, s);
	case BOOT_MULTIBOOT:
		return multiboot_load(l, &elf, s);
	default:
		return linux_load_elf(l, &elf, s);
	}
}

/* A sentence for what people hand over by mistake. */
static int no_kernel(const struct loader *l)
{
	const u8 *p = l->kernel;
	u64 n = l->kernel_bytes;

	if (!n)
		return err_set(l->err, -EINVAL, "the kernel file is empty");
	if (n >= 0x40 && bytes_equal(p + 0x38, "ARM\x64", 4))
		return err_set(l->err, -ENOEXEC,
			       "the kernel is for AArch64: "
			       "use one for x86-64 (amd64)");
	if (n >= 0x40 && bytes_equal(p + 0x38, "RSC\x05", 4))
		return err_set(l->err, -ENOEXEC,
			       "the kernel is for RISC-V: "
			       "use one for x86-64 (amd64)");
	if (n >= 512 && get_u16(p + 510) == 0xaa55)
		return err_set(
			l->err, -ENOEXEC,
			"the kernel file is a boot "
			"sector or disk image: give a bzImage, a vmlinux "
			"or a multiboot kernel");
	return err_set(l->err, -ENOEXEC,
		       "the kernel file is in no known "
		       "format: give a bzImage, a vmlinux or a multiboot "
		       "kernel");
}

/* What l->kernel holds, if it is not packed as a whole. */
static int load_plain(struct loader *l, struct x86_state *s)
{
	const u8 *p = l->kernel;
	u64 n = l->kernel_bytes;

	if (elf_is_elf(p, n))
		return load_elf(l, s);
	if (l->src->protocol != BOOT_MULTIBOOT && linux_is_bzimage(p, n))
		return linux_load_bzimage(l, s);
	if (multiboot_is_kernel(p, n))
		return multiboot_load(l, NULL, s);
	return no_kernel(l);
}

static int load_any(struct loader *l, struct x86_state *s)
{
	struct unpacked u = { 0 };
	int ret;

	if (unpack_identify(l->kernel, l->kernel_bytes) == UNPACK_NONE)
		return load_plain(l, s);
	ret = unpack(&u, l->kernel, l->kernel_bytes, loader_unpack_limit(l),
		     l->err);
	if (ret)
		return ret;
	l->kernel = u.p;
	l->kernel_bytes = u.bytes;
	ret = load_plain(l, s);
	unpack_free(&u);
	return ret;
}

int boot_load(struct gmem *m, const struct boot_source *src, unsigned cpus,
	      struct x86_state *bsp, struct err *e)
{
	struct loader l = {
		.mem = m,
		.src = src,
		.err = e,
		.cpus = cpus,
		.kernel = src->kernel,
		.kernel_bytes = src->kernel_bytes,
	};
	struct x86_state s = *bsp;
	int ret;

	if (m->low_bytes < MiB(1))
		return err_set(e, -ENOMEM,
			       "a PC needs 1 MiB of memory at "
			       "least: give the machine more");
	if (cpus < 1 || cpus > ACPI_MAX_CPUS)
		return err_set(e, -EINVAL,
			       "%u processors are not possible: "
			       "choose 1 to %u",
			       cpus, ACPI_MAX_CPUS);
	ret = loader_init(&l);
	if (!ret)
		ret = load_any(&l, &s);
	if (ret)
		return ret;
	*bsp = s;
	return 0;
}
