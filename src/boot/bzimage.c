/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bzimage.c - Linux's packed kernel: setup header, then code that unpacks
 * the payload in it, a vmlinux (ELF).
 *
 * Unpacking here instead, at the host's own speed and without the guest's
 * page faults, saves most of the time to the kernel's first line. Where that
 * fails (a packer that we do not know), the file's own code does it: slower,
 * but it knows how.
 *
 * GUEST: all of the header. References: boot.rst "Details of Header Fields".
 */
#include "backend/unpack.h"
#include "base/string.h"
#include "base/trace.h"
#include "boot/bytes.h"
#include "boot/linux.h"
#include "boot/pvh.h"

/* Offsets in the file. */
#define HDR_SETUP_SECTS 0x1f1
#define HDR_SYSSIZE 0x1f4
#define HDR_BOOT_FLAG 0x1fe
#define HDR_JUMP 0x200 /* jump over the header: its displacement is its end */
#define HDR_MAGIC 0x202
#define HDR_VERSION 0x206
#define HDR_LOADFLAGS 0x211
#define HDR_INITRD_ADDR_MAX 0x22c
#define HDR_XLOADFLAGS 0x236
#define HDR_CMDLINE_SIZE 0x238
#define HDR_PAYLOAD_OFFSET 0x248
#define HDR_PAYLOAD_LENGTH 0x24c
#define HDR_PREF_ADDRESS 0x258
#define HDR_INIT_SIZE 0x260
/* The end of the header of 2.08, which told first where the payload is, and
 * of the last field that is read here. */
#define HDR_END_2_08 0x250
#define HDR_END_READ 0x264

#define SECTOR 512ull
/* More than any kernel takes; it must fit below 640 KiB. */
#define CMDLINE_MAX 65535u
/* The 64-bit entry, from the start of the code. */
#define ENTRY64 0x200

bool linux_is_bzimage(const u8 *p, u64 n)
{
	return n >= HDR_VERSION && get_u16(p + HDR_BOOT_FLAG) == 0xaa55 &&
	       bytes_equal(p + HDR_MAGIC, "HdrS", 4);
}

static int truncated(struct err *e)
{
	return err_set(e, -EINVAL,
		       "the kernel image is truncated: fetch it "
		       "again");
}

int linux_parse(struct linux_image *k, const u8 *p, u64 n, struct err *e)
{
	u64 setup, code_bytes, offset, length, end;

	if (!linux_is_bzimage(p, n) || n < HDR_END_READ)
		return truncated(e);
	k->version = get_u16(p + HDR_VERSION);
	if (k->version < 0x0208 || !(p[HDR_LOADFLAGS] & 1))
		return err_set(e, -ENOEXEC,
			       "the kernel's boot protocol %u.%02u "
			       "is too old: use Linux 2.6.26 or newer, 64 bits",
			       k->version >> 8, k->version & 0xff);
	k->xloadflags = k->version >= 0x020c ? get_u16(p + HDR_XLOADFLAGS) : 0;
	if (k->version >= 0x020c && !(k->xloadflags & LINUX_XLF_KERNEL_64))
		return err_set(e, -ENOEXEC,
			       "this is a 32-bit Linux kernel: "
			       "use one for x86-64 (amd64)");

	/* Zero means four. The sector before them is the boot sector. */
	setup = ((p[HDR_SETUP_SECTS] ? p[HDR_SETUP_SECTS] : 4) + 1) * SECTOR;
	code_bytes = get_u32(p + HDR_SYSSIZE) * 16ull;
	/* The size is rounded up to 16, and a signature may follow it. */
	if (setup > n || code_bytes < SECTOR * 2 || code_bytes > n - setup + 15)
		return truncated(e);
	k->code = p + setup;
	k->code_bytes = min_u64(code_bytes, n - setup);

	end = min_u64(HDR_MAGIC + p[HDR_JUMP + 1], LINUX_HDR_END);
	k->hdr = p + LINUX_HDR;
	if (end < HDR_END_2_08)
		return truncated(e);
	k->hdr_bytes = (unsigned)(end - LINUX_HDR);
	k->cmdline_max = get_u32(p + HDR_CMDLINE_SIZE);
	if (!k->cmdline_max || k->cmdline_max > CMDLINE_MAX)
		k->cmdline_max = LOADER_CMDLINE_MAX;
	k->initrd_limit = get_u32(p + HDR_INITRD_ADDR_MAX) + 1ull;
	if (k->xloadflags & LINUX_XLF_ABOVE_4G)
		k->initrd_limit = max_u64(k->initrd_limit, GMEM_LOW_MAX);
	k->load_at = MiB(1);
	k->init_bytes = 0;
	if (k->version >= 0x020a) {
		k->load_at = get_u64(p + HDR_PREF_ADDRESS);
		k->init_bytes = get_u32(p + HDR_INIT_SIZE);
	}

	offset = get_u32(p + HDR_PAYLOAD_OFFSET);
	length = get_u32(p + HDR_PAYLOAD_LENGTH);
	k->payload = NULL;
	k->payload_bytes = 0;
	if (length) {
		if (offset > k->code_bytes || length > k->code_bytes - offset)
			return truncated(e);
		k->payload = k->code + offset;
		k->payload_bytes = length;
	}
	return 0;
}

/* All of the file's code at the address of its choice. */
static int load_packed(struct loader *l, const struct linux_image *k,
		       struct x86_state *s)
{
	u64 memsz = max_u64(k->init_bytes, k->code_bytes);
	int ret;

	if (l->src->protocol == BOOT_PVH)
		return err_set(l->err, -ENOEXEC,
			       "there is no PVH entry to be "
			       "found in this bzImage: boot it as Linux");
	if (!(k->xloadflags & LINUX_XLF_KERNEL_64))
		return err_set(l->err, -ENOEXEC,
			       "this kernel's packing is "
			       "unknown and it has no 64-bit entry: use Linux "
			       "3.8 or newer, or one packed by gzip, xz, lzma, "
			       "lz4 or zstd");
	ret = loader_segment(l, k->load_at, memsz, k->code, k->code_bytes);
	if (ret)
		return ret;
	TRACE(BOOT, "bzImage: its own unpacker runs, at 0x%llx",
	      (unsigned long long)k->load_at);
	return linux_start(l, k, k->load_at + ENTRY64, s);
}

static int load_unpacked(struct loader *l, const struct linux_image *k,
			 const struct elf_image *elf, struct x86_state *s)
{
	u64 entry;
	int ret;

	if (!elf->is64)
		return err_set(l->err, -ENOEXEC,
			       "this is a 32-bit Linux "
			       "kernel: use one for x86-64 (amd64)");
	if (l->src->protocol == BOOT_PVH)
		return pvh_load(l, elf, s);
	if (!elf_entry(elf, &entry))
		return err_set(l->err, -ENOEXEC,
			       "the entry point of the "
			       "kernel in the bzImage is in none of its "
			       "segments: the file is damaged");
	ret = loader_elf(l, elf);
	if (ret)
		return ret;
	TRACE(BOOT, "bzImage: vmlinux unpacked, %u segments", elf->count);
	return linux_start(l, k, entry, s);
}

int linux_load_bzimage(struct loader *l, struct x86_state *s)
{
	struct linux_image k = { 0 };
	struct elf_image elf;
	struct unpacked u = { 0 };
	const u8 *p;
	u64 n;
	int ret;

	ret = linux_parse(&k, l->kernel, l->kernel_bytes, l->err);
	if (ret)
		return ret;
	p = k.payload;
	n = k.payload_bytes;
	if (p && unpack_identify(p, n) != UNPACK_NONE) {
		struct err why = { 0 };

		ret = unpack(&u, p, n, loader_unpack_limit(l), &why);
		if (ret == -EFBIG)
			return err_set(
				l->err, -ENOMEM,
				"the kernel unpacks to "
				"more than fits into %llu MiB of memory: "
				"give the machine more",
				(unsigned long long)(l->mem->low_bytes >> 20));
		if (ret)
			TRACE(BOOT, "bzImage: %s", why.text);
		p = u.p;
		n = u.bytes;
	}
	if (p && elf_is_elf(p, n)) {
		ret = elf_parse(&elf, p, n, l->err);
		if (!ret)
			ret = load_unpacked(l, &k, &elf, s);
	} else {
		ret = load_packed(l, &k, s);
	}
	unpack_free(&u);
	return ret;
}
