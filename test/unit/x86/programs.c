/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.c - see programs.h. Apart from the tests because <elf.h> and
 * x86/regs.h both have a PF_W.
 */
#include "programs.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool walk_sections(const uint8_t *image, size_t n, program_text_fn fn,
			  void *arg)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Shdr *sh;

	if (n < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
	    eh->e_shoff > n || (n - eh->e_shoff) / sizeof(*sh) < eh->e_shnum)
		return true;
	sh = (const void *)(image + eh->e_shoff);
	for (unsigned i = 0; i < eh->e_shnum; i++)
		if (sh[i].sh_type == SHT_PROGBITS &&
		    sh[i].sh_flags & SHF_EXECINSTR && sh[i].sh_offset < n &&
		    sh[i].sh_size <= n - sh[i].sh_offset &&
		    !fn(arg, image + sh[i].sh_offset, sh[i].sh_size))
			return false;
	return true;
}

static bool walk_file(const char *path, program_text_fn fn, void *arg)
{
	bool more = true;
	struct stat st;
	void *image;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size) {
		image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE,
			     fd, 0);
		if (image != MAP_FAILED) {
			more = walk_sections(image, (size_t)st.st_size, fn,
					     arg);
			munmap(image, (size_t)st.st_size);
		}
	}
	close(fd);
	return more;
}

void programs_walk(const char *dir, program_text_fn fn, void *arg)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(dir);

	if (!d)
		return;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (!walk_file(path, fn, arg))
			break;
	}
	closedir(d);
}
