/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.c - see kernels.h. */
#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pack.h"

u64 field(const u8 *p, unsigned bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

void set_field(u8 *p, unsigned bytes, u64 v)
{
	for (; bytes; bytes--, v >>= 8)
		*p++ = (u8)v;
}

static unsigned put_note(u8 *p, const char *owner, u32 type, const void *desc,
			 u32 desc_bytes)
{
	u32 name_bytes = (u32)strlen(owner) + 1;
	u32 name_room = (name_bytes + 3) & ~3u;

	set_field(p, 4, name_bytes);
	set_field(p + 4, 4, desc_bytes);
	set_field(p + 8, 4, type);
	memcpy(p + 12, owner, name_bytes);
	memcpy(p + 12 + name_room, desc, desc_bytes);
	return 12 + name_room + ((desc_bytes + 3) & ~3u);
}

static void put_phdr(struct kernel_file *k, bool is32, unsigned i, u32 type,
		     u64 offset, u64 vaddr, u64 paddr, u64 filesz, u64 memsz)
{
	u8 *p = k->p + ELF_PHDRS + i * (is32 ? 32 : 56);

	set_field(p, 4, type);
	if (is32) {
		set_field(p + 4, 4, offset);
		set_field(p + 8, 4, vaddr);
		set_field(p + 12, 4, paddr);
		set_field(p + 16, 4, filesz);
		set_field(p + 20, 4, memsz);
		set_field(p + 28, 4, 4);
	} else {
		set_field(p + 8, 8, offset);
		set_field(p + 16, 8, vaddr);
		set_field(p + 24, 8, paddr);
		set_field(p + 32, 8, filesz);
		set_field(p + 40, 8, memsz);
		set_field(p + 48, 8, 4);
	}
}

void make_elf(struct kernel_file *k, const struct elf_spec *s)
{
	u64 entry = s->entry ? s->entry : s->paddr;
	unsigned word = s->is32 ? 4 : 8, notes = 0x400, phnum = 0, n = 0;
	u8 pvh[4];

	memset(k->p, 0, ELF_DATA);
	memcpy(k->p, s->is32 ? "\177ELF\1\1\1" : "\177ELF\2\1\1", 7);
	set_field(k->p + 16, 2, 2); /* ET_EXEC */
	set_field(k->p + 18, 2, s->is32 ? 3 : 62);
	set_field(k->p + 20, 4, 1);
	set_field(k->p + 24, word, entry);
	set_field(k->p + (s->is32 ? 28 : 32), word, ELF_PHDRS);
	set_field(k->p + (s->is32 ? 42 : 54), 2, s->is32 ? 32 : 56);

	put_phdr(k, s->is32, phnum++, 1, ELF_DATA,
		 s->vaddr ? s->vaddr : s->paddr, s->paddr, s->filesz, s->memsz);
	if (s->memsz2)
		put_phdr(k, s->is32, phnum++, 1, ELF_DATA, s->paddr2, s->paddr2,
			 0, s->memsz2);
	if (s->linux_note)
		n += put_note(k->p + notes + n, "Linux", 0x100, "6.1", 4);
	n += put_note(k->p + notes + n, "GNU", 3, "buildid", 7);
	if (s->pvh_entry) {
		set_field(pvh, 4, s->pvh_entry);
		n += put_note(k->p + notes + n, "Xen", 18, pvh, 4);
	}
	put_phdr(k, s->is32, phnum++, 4, notes, 0, 0, n, n);
	set_field(k->p + (s->is32 ? 44 : 56), 2, phnum);

	if (s->multiboot) {
		set_field(k->p + 0x800, 4, 0x1badb002);
		set_field(k->p + 0x804, 4, s->multiboot_flags);
		set_field(k->p + 0x808, 4, -(0x1badb002u + s->multiboot_flags));
	}
	for (u64 i = 0; i < s->filesz; i++)
		k->p[ELF_DATA + i] = kernel_byte(i);
	k->n = ELF_DATA + s->filesz;
}

void make_bzimage(struct kernel_file *k, const struct bz_spec *s)
{
	u8 *p = k->p, *payload = p + BZ_CODE + BZ_PAYLOAD;
	u64 n;

	memset(p, 0, BZ_CODE + BZ_PAYLOAD);
	for (u64 i = 0; i < BZ_PAYLOAD; i++)
		p[BZ_CODE + i] = kernel_byte(i);
	n = pack(s->format, s->payload->p, s->payload->n, payload,
		 KERNEL_ROOM - BZ_CODE - BZ_PAYLOAD - 64);
	if (s->format != UNPACK_GZIP && s->format != UNPACK_NONE) {
		set_field(payload + n, 4, s->payload->n);
		n += 4;
	}
	p[0x1f1] = BZ_SETUP_SECTS;
	k->n = (BZ_CODE + BZ_PAYLOAD + n + 15) & ~15ull;
	memset(payload + n, 0, k->n - (BZ_CODE + BZ_PAYLOAD + n));
	set_field(p + 0x1f4, 4, (k->n - BZ_CODE) / 16);
	set_field(p + 0x1fe, 2, 0xaa55);
	set_field(p + 0x200, 2, 0x6aeb); /* the header ends at 0x26c */
	memcpy(p + 0x202, "HdrS", 4);
	set_field(p + 0x206, 2, s->version ? s->version : 0x020f);
	p[0x211] = 1; /* loaded high */
	set_field(p + 0x214, 4, 0x100000);
	set_field(p + 0x22c, 4, 0x7fffffff);
	set_field(p + 0x230, 4, 0x200000);
	p[0x234] = 1;
	set_field(p + 0x236, 2, s->xloadflags ? s->xloadflags : 1);
	set_field(p + 0x238, 4, 2047);
	set_field(p + 0x248, 4, BZ_PAYLOAD);
	set_field(p + 0x24c, 4, n);
	set_field(p + 0x250, 8, 0xbad0000); /* setup_data: ours to fill */
	set_field(p + 0x258, 8, 0x200000); /* preferred address */
	set_field(p + 0x260, 4, 0x180000); /* init_size */
	set_field(p + 0x264, 4, 0x12345678); /* handover_offset */
}

void machine_init(struct machine *m, u64 bytes)
{
	memset(m, 0, sizeof(*m));
	m->mem.ram = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->mem.ram == MAP_FAILED) {
		perror("mmap");
		exit(99);
	}
	m->mem.low_bytes = bytes < GMEM_LOW_MAX ? bytes : GMEM_LOW_MAX;
	m->mem.high_bytes = bytes - m->mem.low_bytes;
	memset(m->mem.ram, 0xa5, bytes < MiB(16) ? bytes : MiB(16));
	memset(&m->bsp, 1, sizeof(m->bsp));
}

void machine_fini(struct machine *m)
{
	munmap(m->mem.ram, gmem_bytes(&m->mem));
}

int machine_boot(struct machine *m, const struct kernel_file *k,
		 const char *cmdline)
{
	struct boot_source s = { .kernel = k->p,
				 .kernel_bytes = k->n,
				 .cmdline = cmdline };

	m->err.text[0] = 0;
	return boot_load(&m->mem, &s, 1, &m->bsp, &m->err);
}

u64 guest_field(struct machine *m, gpa_t at, unsigned bytes)
{
	hva_t p = gmem_hva(&m->mem, at, bytes);

	return p ? field(p, bytes) : ~0ull;
}

bool guest_holds(struct machine *m, gpa_t at, const void *want, u64 n)
{
	hva_t p = gmem_hva(&m->mem, at, n);

	return p && memcmp(p, want, n) == 0;
}

bool guest_has_kernel(struct machine *m, gpa_t at, u64 n)
{
	hva_t p = gmem_hva(&m->mem, at, n);

	for (u64 i = 0; p && i < n; i++)
		if (p[i] != kernel_byte(i))
			return false;
	return p;
}

bool guest_is_zero(struct machine *m, gpa_t at, u64 n)
{
	hva_t p = gmem_hva(&m->mem, at, n);

	for (u64 i = 0; p && i < n; i++)
		if (p[i])
			return false;
	return p;
}
