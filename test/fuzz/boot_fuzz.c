/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_fuzz.c - boot_load over arbitrary kernels. The last four bytes of an
 * input choose the machine; all before them is the kernel file.
 *
 * RAM and file end at inaccessible pages: copies by string instructions are
 * invisible to sanitizers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "boot/boot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define KNOBS 4
#define RAM_MAX MiB(8)
#define FILE_MAX MiB(1)

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

/* @bytes of memory between pages that cannot be touched; their end. */
static u8 *guarded(u64 bytes)
{
	u8 *p = mmap(NULL, bytes + 2 * PAGE_SIZE, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(p != MAP_FAILED);
	MUST(mprotect(p + PAGE_SIZE, bytes, PROT_READ | PROT_WRITE) == 0);
	return p + PAGE_SIZE + bytes;
}

/* What holds of every state that boot_load gives. */
static void check_state(const struct gmem *m, const struct x86_state *s)
{
	bool lma = s->efer & EFER_LMA;

	MUST(gmem_hva(m, s->rip, 1));
	MUST(gmem_hva(m, s->gdtr.base, s->gdtr.limit + 1));
	MUST(s->cr0 & CR0_PE);
	MUST(!(s->rflags & FLAG_IF));
	MUST(!!(s->cr0 & CR0_PG) == lma);
	MUST(!!(s->cr4 & CR4_PAE) == lma);
	MUST(!!(s->efer & EFER_LME) == lma);
	MUST(!!(s->seg[X86_CS].attr & SEG_L) == lma);
	if (lma) {
		MUST(s->cr3 % PAGE_SIZE == 0);
		MUST(gmem_hva(m, s->cr3, PAGE_SIZE));
		MUST(gmem_hva(m, s->gpr[X86_RSI], PAGE_SIZE));
	} else {
		MUST(gmem_hva(m, s->gpr[X86_RBX], 56));
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static u8 *ram_end, *file_end, initrd[64 * 1024];
	static char cmdline[4096];
	struct boot_source src = { 0 };
	struct x86_state bsp, before;
	struct gmem m = { 0 };
	struct err e = { 0 };
	const u8 *knob;
	int ret;

	if (!ram_end) {
		ram_end = guarded(RAM_MAX);
		file_end = guarded(FILE_MAX);
		memset(initrd, 0x77, sizeof(initrd));
	}
	if (size < KNOBS || size - KNOBS > FILE_MAX)
		return 0;
	size -= KNOBS;
	knob = data + size;
	m.low_bytes = MiB(1 + knob[0] % 8);
	m.ram = ram_end - m.low_bytes;
	src.kernel = memcpy(file_end - size, data, size);
	src.kernel_bytes = size;
	src.protocol = knob[1] % 4;
	src.initrd = initrd;
	src.initrd_bytes = knob[2] * 256;
	memset(cmdline, 'x', sizeof(cmdline));
	cmdline[knob[3] * 16] = 0;
	src.cmdline = cmdline;

	memset(&bsp, 0, sizeof(bsp));
	before = bsp;
	ret = boot_load(&m, &src, 1 + knob[3] % 64, &bsp, &e);
	if (ret == 0) {
		check_state(&m, &bsp);
	} else {
		MUST(ret < 0 && e.text[0]);
		MUST(memcmp(&bsp, &before, sizeof(bsp)) == 0);
	}
	return 0;
}
