/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entry.c - see entry.h. The descriptors in guest memory and the hidden parts
 * of the segment registers are made from the same attribute words.
 *
 * References: Linux Documentation/arch/x86/boot.rst "64-bit Boot Protocol";
 * Xen docs/misc/pvh.pandoc "Boot CPU state"; Multiboot 0.6.96, 3.2 "Machine
 * state"; SDM 3A 9.8.5 "Initializing IA-32e Mode".
 */
#include "boot/entry.h"

#include "boot/bytes.h"

#define CODE_TYPE (SEG_CODE | SEG_READABLE | SEG_ACCESSED)
#define DATA_TYPE (SEG_WRITABLE | SEG_ACCESSED)
#define CODE64_ATTR (SEG_G | SEG_L | SEG_P | SEG_S | CODE_TYPE)
#define CODE32_ATTR (SEG_G | SEG_DB | SEG_P | SEG_S | CODE_TYPE)
#define DATA_ATTR (SEG_G | SEG_DB | SEG_P | SEG_S | DATA_TYPE)
#define TSS_ATTR (SEG_P | SYS_TSS_BUSY)
#define TSS_LIMIT 0x67

/* Eight bytes each; the TSS takes two places in long mode. */
#define GDT_ENTRIES 6

/* Memory types while the OS has not set its own: write-back, as firmware
 * leaves RAM. Devices' memory is made uncached by page tables. */
#define MTRR_ENABLE BIT64(11)
#define MTRR_WRITE_BACK 6

static u64 descriptor(u32 limit, u32 attr)
{
	u64 raw_limit = attr & SEG_G ? limit >> 12 : limit;

	return (raw_limit & 0xffff) | (raw_limit & 0xf0000) << 32 |
	       (u64)(attr & 0xf0ff) << 40;
}

static int write_gdt(struct loader *l, u32 code_attr, struct x86_state *s)
{
	u8 gdt[GDT_ENTRIES * 8] = { 0 };
	gpa_t at;
	int ret;

	put_u64(gdt + ENTRY_CS, descriptor(~0u, code_attr));
	put_u64(gdt + ENTRY_DS, descriptor(~0u, DATA_ATTR));
	put_u64(gdt + ENTRY_TSS, descriptor(TSS_LIMIT, TSS_ATTR));
	ret = loader_alloc(l, sizeof(gdt), 16, &at);
	if (ret)
		return ret;
	loader_write(l, at, gdt, sizeof(gdt));
	s->gdtr = (struct x86_dtab){ at, sizeof(gdt) - 1 };
	return 0;
}

/* Everything but mode, control registers and the protocol's registers. */
static int flat_state(struct loader *l, u32 code_attr, struct x86_state *s)
{
	unsigned i;

	x86_state_reset(s, false, true);
	s->rflags = FLAG_FIXED;
	for (i = 0; i < ARRAY_SIZE(s->seg); i++)
		s->seg[i] = (struct x86_seg){ 0, ~0u, DATA_ATTR, ENTRY_DS };
	s->seg[X86_CS] = (struct x86_seg){ 0, ~0u, code_attr, ENTRY_CS };
	s->tr = (struct x86_seg){ 0, TSS_LIMIT, TSS_ATTR, ENTRY_TSS };
	/* No IDT: whatever faults now ends in a triple fault. */
	s->idtr = (struct x86_dtab){ 0, 0 };
	s->mtrr_def_type = MTRR_ENABLE | MTRR_WRITE_BACK;
	for (i = 0; i < ARRAY_SIZE(s->gpr); i++)
		s->gpr[i] = 0;
	return write_gdt(l, code_attr, s);
}

/*
 * One PML4 entry, four of the page-directory-pointer table, and four
 * directories of 2 MiB pages, which every processor has.
 */
static int write_page_tables(struct loader *l, u64 *cr3)
{
	const u64 entries = 512, directories = 4;
	const u64 table = PTE_P | PTE_W | PTE_A;
	const u64 leaf = PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS;
	gpa_t pml4, pdpt, pd;
	u8 e[8];
	u64 i;
	int ret;

	ret = loader_alloc(l, (2 + directories) * PAGE_SIZE, PAGE_SIZE, &pml4);
	if (ret)
		return ret;
	pdpt = pml4 + PAGE_SIZE;
	pd = pdpt + PAGE_SIZE;
	put_u64(e, pdpt | table);
	loader_write(l, pml4, e, sizeof(e));
	for (i = 0; i < directories; i++) {
		put_u64(e, (pd + i * PAGE_SIZE) | table);
		loader_write(l, pdpt + i * 8, e, sizeof(e));
	}
	for (i = 0; i < directories * entries; i++) {
		put_u64(e, i * MiB(2) | leaf);
		loader_write(l, pd + i * 8, e, sizeof(e));
	}
	*cr3 = pml4;
	return 0;
}

int entry_long(struct loader *l, u64 rip, struct x86_state *s)
{
	u64 cr3;
	int ret;

	ret = write_page_tables(l, &cr3);
	if (ret)
		return ret;
	ret = flat_state(l, CODE64_ATTR, s);
	if (ret)
		return ret;
	s->cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
	s->cr3 = cr3;
	s->cr4 = CR4_PAE;
	s->efer = EFER_LME | EFER_LMA;
	s->rip = rip;
	return 0;
}

int entry_protected(struct loader *l, u32 eip, struct x86_state *s)
{
	int ret;

	ret = flat_state(l, CODE32_ATTR, s);
	if (ret)
		return ret;
	s->cr0 = CR0_ET | CR0_PE;
	s->cr3 = 0;
	s->cr4 = 0;
	s->efer = 0;
	s->rip = eip;
	return 0;
}
