/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c - see elf.h.
 *
 * References: System V ABI, chapters 4 "Object Files" and 5 "Program Loading
 * and Dynamic Linking"; Xen public/elfnote.h for the numbers of its notes.
 * Linux is known by its notes: of owner "Linux" (since 4.18), or Xen's that
 * name the guest OS.
 */
#include "boot/elf.h"

#include "base/string.h"
#include "boot/bytes.h"

#define ELFCLASS32 1
#define ELFCLASS64 2
#define ELFDATA2LSB 1
#define ET_EXEC 2
#define EM_386 3
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_NOTE 4

#define XEN_NOTE_GUEST_OS 6
#define XEN_NOTE_PHYS32_ENTRY 18 /* PVH */

/* Where the two classes keep the same fields. */
struct elf_layout {
	unsigned ehdr_bytes, phdr_bytes;
	unsigned e_entry, e_phoff, e_phentsize, e_phnum;
	unsigned p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
	bool wide; /* addresses and sizes have 8 bytes */
};

/* clang-format off */
static const struct elf_layout layout32 = {
	.ehdr_bytes = 52, .phdr_bytes = 32,
	.e_entry = 24, .e_phoff = 28, .e_phentsize = 42, .e_phnum = 44,
	.p_offset = 4, .p_vaddr = 8, .p_paddr = 12, .p_filesz = 16,
	.p_memsz = 20, .p_align = 28,
};

static const struct elf_layout layout64 = {
	.ehdr_bytes = 64, .phdr_bytes = 56,
	.e_entry = 24, .e_phoff = 32, .e_phentsize = 54, .e_phnum = 56,
	.p_offset = 8, .p_vaddr = 16, .p_paddr = 24, .p_filesz = 32,
	.p_memsz = 40, .p_align = 48,
	.wide = true,
};
/* clang-format on */

static u64 get_word(const struct elf_layout *y, const u8 *p)
{
	return y->wide ? get_u64(p) : get_u32(p);
}

static const char *machine_name(u16 machine)
{
	switch (machine) {
	case 2:
		return "SPARC";
	case 8:
		return "MIPS";
	case 20:
	case 21:
		return "PowerPC";
	case 22:
		return "S390";
	case 40:
		return "32-bit Arm";
	case 183:
		return "AArch64";
	case 243:
		return "RISC-V";
	case 258:
		return "LoongArch";
	default:
		return "another processor";
	}
}

bool elf_is_elf(const u8 *p, u64 n)
{
	return n >= 4 && bytes_equal(p, "\177ELF", 4);
}

static int truncated(struct err *e)
{
	return err_set(e, -EINVAL,
		       "the kernel's ELF file is truncated or "
		       "damaged: fetch or build it again");
}

/* One note's name and contents. */
static void take_note(struct elf_image *elf, u32 type, const u8 *name,
		      u32 name_bytes, const u8 *desc, u32 desc_bytes)
{
	if (name_bytes == 6 && bytes_equal(name, "Linux", 6))
		elf->is_linux = true;
	if (name_bytes != 4 || !bytes_equal(name, "Xen", 4))
		return;
	if (type == XEN_NOTE_GUEST_OS && desc_bytes >= 5 &&
	    bytes_equal(desc, "linux", 5))
		elf->is_linux = true;
	/* Linux gives 8 bytes, others 4: 32 bits of address either way. */
	if (type == XEN_NOTE_PHYS32_ENTRY && desc_bytes >= 4) {
		elf->has_pvh = true;
		elf->pvh_entry = get_u32(desc);
	}
}

/* Walks the notes in @p[0..n); stops quietly at the first damaged one. */
static void take_notes(struct elf_image *elf, const u8 *p, u64 n, u64 align)
{
	while (n >= 12) {
		u32 name_bytes = get_u32(p), desc_bytes = get_u32(p + 4);
		u64 desc = align_up(12 + (u64)name_bytes, align);
		u64 end = align_up(desc + desc_bytes, align);

		if (desc > n || desc_bytes > n - desc)
			return;
		take_note(elf, get_u32(p + 8), p + 12, name_bytes, p + desc,
			  desc_bytes);
		if (end > n)
			return;
		p += end;
		n -= end;
	}
}

static int take_segment(struct elf_image *elf, const struct elf_layout *y,
			const u8 *ph, const u8 *p, u64 n, struct err *e)
{
	u32 type = get_u32(ph);
	u64 offset = get_word(y, ph + y->p_offset);
	struct elf_segment s = {
		.vaddr = get_word(y, ph + y->p_vaddr),
		.paddr = get_word(y, ph + y->p_paddr),
		.filesz = get_word(y, ph + y->p_filesz),
		.memsz = get_word(y, ph + y->p_memsz),
	};

	if (type != PT_LOAD && type != PT_NOTE)
		return 0;
	if (type == PT_LOAD && s.memsz == 0)
		return 0;
	if (offset > n || s.filesz > n - offset)
		return truncated(e);
	s.data = p + offset;
	if (type == PT_NOTE) {
		u64 align = get_word(y, ph + y->p_align) == 8 ? 8 : 4;

		take_notes(elf, s.data, s.filesz, align);
		return 0;
	}
	if (s.filesz > s.memsz)
		return truncated(e);
	if (elf->count == ELF_MAX_SEGMENTS)
		return err_set(e, -ENOEXEC,
			       "the kernel has more than %u "
			       "segments: link it with fewer",
			       ELF_MAX_SEGMENTS);
	elf->seg[elf->count++] = s;
	return 0;
}

int elf_parse(struct elf_image *elf, const u8 *p, u64 n, struct err *e)
{
	const struct elf_layout *y;
	unsigned i, phnum;
	u64 phoff;
	u16 machine;
	int ret;

	elf->count = 0;
	elf->is_linux = elf->has_pvh = false;
	if (n < layout32.ehdr_bytes)
		return truncated(e);
	elf->is64 = p[4] == ELFCLASS64;
	y = elf->is64 ? &layout64 : &layout32;
	if ((p[4] != ELFCLASS32 && !elf->is64) || n < y->ehdr_bytes)
		return truncated(e);
	machine = get_u16(p + 18);
	if (p[5] != ELFDATA2LSB || (machine != EM_386 && machine != EM_X86_64))
		return err_set(e, -ENOEXEC,
			       "the kernel is for %s (ELF "
			       "machine %u): use one for x86-64",
			       machine_name(machine), machine);
	if (get_u16(p + 16) != ET_EXEC)
		return err_set(e, -ENOEXEC,
			       "the ELF file is no executable "
			       "(a module or library?): use a kernel linked "
			       "to fixed addresses");
	elf->entry = get_word(y, p + y->e_entry);

	phoff = get_word(y, p + y->e_phoff);
	phnum = get_u16(p + y->e_phnum);
	if (get_u16(p + y->e_phentsize) != y->phdr_bytes || phoff > n ||
	    (u64)phnum * y->phdr_bytes > n - phoff)
		return truncated(e);
	for (i = 0; i < phnum; i++) {
		ret = take_segment(elf, y, p + phoff + (u64)i * y->phdr_bytes,
				   p, n, e);
		if (ret)
			return ret;
	}
	if (!elf->count)
		return err_set(e, -ENOEXEC,
			       "the ELF file has nothing to "
			       "load: use a linked kernel");
	return 0;
}

bool elf_holds(const struct elf_image *elf, u64 at)
{
	unsigned i;

	for (i = 0; i < elf->count; i++)
		if (at - elf->seg[i].paddr < elf->seg[i].filesz)
			return true;
	return false;
}

bool elf_entry(const struct elf_image *elf, u64 *entry)
{
	unsigned i;

	*entry = elf->entry;
	if (elf_holds(elf, *entry))
		return true;
	for (i = 0; i < elf->count; i++) {
		const struct elf_segment *s = &elf->seg[i];

		if (elf->entry - s->vaddr < s->filesz) {
			*entry = s->paddr + (elf->entry - s->vaddr);
			return true;
		}
	}
	return false;
}
