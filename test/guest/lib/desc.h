/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables: the library's segments, its TSS, and free GDT entries
 * for tests. SDM 3A 3.4.5 "Segment Descriptors", 6.11 "IDT Descriptors".
 */
#ifndef DESC_H
#define DESC_H

#include "guest.h"

/*
 * The order serves SYSCALL and SYSRET: kernel code64, data; user code32, data,
 * code64. In 32-bit guests the "64" ones are 32-bit segments.
 */
enum {
	SEL_CODE32 = 0x08,
	SEL_CODE = 0x10,
	SEL_DATA = 0x18,
	SEL_USER32 = 0x20 | 3,
	SEL_USER_DATA = 0x28 | 3,
	SEL_USER = 0x30 | 3,
	SEL_TSS = 0x38,
	SEL_FREE = 0x50, /* this and above are the tests' own */
	GDT_ENTRIES = 64,
};

/* Access bytes with P set; the DPL is added by DPL(n). */
enum {
	ACC_DATA_RO = 0x91,
	ACC_DATA = 0x93,
	ACC_DATA_DOWN = 0x97,
	ACC_CODE_X = 0x99,
	ACC_CODE = 0x9b,
	ACC_CODE_CONF = 0x9f,
	ACC_TSS16 = 0x81,
	ACC_LDT = 0x82,
	ACC_CALL16 = 0x84,
	ACC_TASK = 0x85,
	ACC_TSS = 0x89,
	ACC_CALL = 0x8c,
	ACC_INTR = 0x8e,
	ACC_TRAP = 0x8f,
};
#define DPL(n) ((n) << 5)

/* The upper nibble: G, D/B, L. */
enum { SEG_G = 8, SEG_D = 4, SEG_L = 2 };

extern u64 gdt[GDT_ENTRIES];

struct table_ptr {
	u16 limit;
	ulong base;
} __attribute__((packed));

#ifdef __x86_64__
struct gate {
	u16 offset_low, selector;
	u8 ist, access;
	u16 offset_mid;
	u32 offset_high, zero;
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap_base;
	u8 iomap[65536 / 8 + 1];
} __attribute__((packed));
#else
struct gate {
	u16 offset_low, selector;
	u8 ist, access;
	u16 offset_mid;
};

struct tss {
	u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3;
	u32 eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt;
	u16 trap, iomap_base;
	u8 iomap[65536 / 8 + 1];
};
#endif

extern struct gate idt[256];
extern struct tss tss;

u64 desc(u32 base, u32 limit, unsigned access, unsigned flags);

/* Writes one GDT entry and gives its selector, with the given RPL. */
u16 gdt_set(unsigned selector, u64 d);

/* System descriptors take two entries in long mode. */
u16 gdt_set_system(unsigned selector, ulong base, u32 limit, unsigned access);

void idt_set(unsigned vector, const void *fn, unsigned access, unsigned ist);
void load_tables(void);

#endif
