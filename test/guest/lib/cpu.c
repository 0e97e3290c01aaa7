/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features, and the control state that every test starts from.
 */
#include "machine.h"
#include "pages.h"

bool has(u64 feature)
{
	u32 leaf = feature >> 8, bit = feature & 31;
	u32 last = cpuid(leaf & 0x80000000).a;
	struct cpuid c;
	u32 words[4];

	if (leaf > last || (leaf ^ last) & 0x80000000)
		return false;
	c = cpuid(leaf);
	words[0] = c.a;
	words[1] = c.b;
	words[2] = c.c;
	words[3] = c.d;
	return words[feature >> 5 & 3] >> bit & 1;
}

bool vendor_is_intel(void)
{
	return cpuid(0).b == 0x756e6547; /* "Genu" */
}

unsigned phys_bits(void)
{
	if (cpuid(0x80000000).a < 0x80000008)
		return 36;
	return cpuid(0x80000008).a & 0xff;
}

/*
 * Also called after an unexpected trap, so it assumes little: a running stack
 * and code that is mapped.
 */
void control_reset(void)
{
#ifdef __x86_64__
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_MP | 1 << 4 | CR0_PE);
	/* PCIDs may only go away with CR3[11:0] zero; PAE is needed now. */
	write_cr3((ulong)root);
	write_cr4(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
	wrmsr(MSR_EFER, EFER_NXE | EFER_LMA | EFER_LME | EFER_SCE);
#else
	write_cr0(CR0_NE | CR0_MP | 1 << 4 | CR0_PE);
	write_cr3(0);
	write_cr4(CR4_OSFXSR | CR4_OSXMMEXCPT);
#endif
	write_dr7(0x400);
	write_dr6(0xffff0ff0);
	asm volatile("fninit");
	asm volatile("push %0; popf" :: "i"(FL_ONE) : "memory", "cc");
}
