/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.h - a processor with two megabytes of memory, for the tests of
 * src/x86: physical memory is an array, linear accesses go through x86_walk
 * with the tables that a test has built, and the GDT, IDT, LDT and TSS lie at
 * fixed places.
 */
#ifndef DOPPEL_TEST_X86_WORLD_H
#define DOPPEL_TEST_X86_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "x86/paging.h"
#include "x86/system.h"

#define WORLD_BYTES (2u << 20)

/* Where things lie, physical and (identity-mapped) linear. */
#define W_IVT 0x0u
#define W_GDT 0x10000u
#define W_IDT 0x11000u
#define W_LDT 0x12000u
#define W_TSS 0x13000u
#define W_TSS2 0x14000u
#define W_TSS16 0x15000u
#define W_PML4 0x20000u
#define W_PDPT 0x21000u
#define W_PD 0x22000u
#define W_PT 0x23000u /* of the first 2 MiB */
#define W_STACK0 0x80000u /* tops of stacks */
#define W_STACK3 0x90000u
#define W_IST1 0xa0000u
#define W_CODE 0x100000u

/* The GDT of every world. */
enum {
	G_CODE32 = 0x08, G_DATA = 0x10, G_CODE64 = 0x18, G_UDATA = 0x20,
	G_UCODE32 = 0x28, G_UCODE64 = 0x30, G_TSS = 0x38, /* 16 bytes */
	G_CODE16 = 0x48, G_DATA16 = 0x50, G_CONF = 0x58, G_LDT = 0x60, /* 16 */
	G_TSS2 = 0x70, G_TSS16 = 0x78, G_FREE = 0x80, /* for the test: 16 */
	G_FREE2 = 0x90, G_FREE3 = 0x98, G_LIMIT = 0xff,
};

struct world {
	struct x86_state s;
	struct x86_mem m;
	unsigned char *ram;
	unsigned long accesses; /* linear, of any kind */
};

/* An assertion of the code under test. */
NORETURN void bug_at(const char *file, int line, const char *what)
{
	printf("Bail out! BUG_ON(%s) at %s:%d\n", what, file, line);
	exit(1);
}

static void *world_phys(void *ctx, gpa_t gpa)
{
	struct world *w = ctx;

	return gpa <= WORLD_BYTES - 8 ? w->ram + gpa : NULL;
}

static int world_translate(struct world *w, gva_t lin, unsigned acc,
			   gpa_t *gpa, struct x86_fault *f)
{
	struct x86_walk walk;

	w->accesses++;
	if (x86_walk(&w->s, lin, acc, w->s.rflags & FLAG_AC, world_phys, w,
		     &walk, f))
		return -1;
	*gpa = walk.gpa;
	return 0;
}

static int world_probe(void *ctx, gva_t lin, unsigned len, unsigned acc,
		       struct x86_fault *f)
{
	struct world *w = ctx;
	gpa_t gpa;

	for (unsigned i = 0; i < len; i++)
		if (world_translate(w, lin + i, acc, &gpa, f))
			return -1;
	return 0;
}

static int world_read(void *ctx, gva_t lin, void *buf, unsigned len,
		      unsigned acc, struct x86_fault *f)
{
	struct world *w = ctx;
	unsigned char *p = buf;
	gpa_t gpa;

	if (len < 1 || len > 64)
		bug_at(__FILE__, __LINE__, "length of a read");
	for (unsigned i = 0; i < len; i++) {
		if (world_translate(w, lin + i, acc, &gpa, f))
			return -1;
		p[i] = gpa < WORLD_BYTES ? w->ram[gpa] : 0xff;
	}
	return 0;
}

static int world_write(void *ctx, gva_t lin, const void *buf, unsigned len,
		       unsigned acc, struct x86_fault *f)
{
	struct world *w = ctx;
	const unsigned char *p = buf;
	gpa_t gpa;

	if (len < 1 || len > 64)
		bug_at(__FILE__, __LINE__, "length of a write");
	if (world_probe(ctx, lin, len, acc, f))
		return -1;
	for (unsigned i = 0; i < len; i++) {
		if (world_translate(w, lin + i, acc, &gpa, f))
			return -1;
		if (gpa < WORLD_BYTES)
			w->ram[gpa] = p[i];
	}
	return 0;
}

static UNUSED bool world_read_phys(void *ctx, gpa_t gpa, void *buf,
				   unsigned len)
{
	struct world *w = ctx;

	if (gpa > WORLD_BYTES || len > WORLD_BYTES - gpa)
		return false;
	memcpy(buf, w->ram + gpa, len);
	return true;
}

static inline void put64(struct world *w, u64 at, u64 v)
{
	memcpy(w->ram + at, &v, 8);
}

static inline void put32(struct world *w, u64 at, u32 v)
{
	memcpy(w->ram + at, &v, 4);
}

static inline void put16(struct world *w, u64 at, u16 v)
{
	memcpy(w->ram + at, &v, 2);
}

static inline u64 get64(struct world *w, u64 at)
{
	u64 v;

	memcpy(&v, w->ram + at, 8);
	return v;
}

static inline u32 get32(struct world *w, u64 at)
{
	return (u32)get64(w, at);
}

static inline u16 get16(struct world *w, u64 at)
{
	return (u16)get64(w, at);
}

/* A descriptor: @attr as in struct x86_seg, limit 19:0 as stored. */
static inline u64 desc(u32 base, u32 limit, u32 attr)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
	       (u64)(attr & 0xf0ff) << 40 | (u64)(limit >> 16 & 0xf) << 48 |
	       (u64)(base >> 24) << 56;
}

/* A gate: @attr is P, DPL and type. */
static inline u64 gate(u16 sel, u32 offset, u32 attr, unsigned low)
{
	return (offset & 0xffff) | (u64)sel << 16 | (u64)low << 32 |
	       (u64)attr << 40 | (u64)(offset >> 16) << 48;
}

#define DPL(n) ((u32)(n) << SEG_DPL_SHIFT)
#define A_CODE (SEG_P | SEG_S | SEG_CODE | SEG_READABLE)
#define A_DATA (SEG_P | SEG_S | SEG_WRITABLE)

static inline void set_desc(struct world *w, unsigned sel, u64 d)
{
	put64(w, W_GDT + (sel & ~7u), d);
}

/* Loads a segment register's hidden part as if by a descriptor. */
static inline void set_seg(struct world *w, enum x86_sreg r, u16 sel)
{
	u64 d = get64(w, W_GDT + (sel & ~7u));
	struct x86_seg *seg = &w->s.seg[r];

	seg->sel = sel;
	seg->attr = (u32)(d >> 40) & 0xf0ff;
	seg->base = (d >> 16 & 0xffffff) | (d >> 56) << 24;
	seg->limit = (u32)((d & 0xffff) | (d >> 32 & 0xf0000));
	if (seg->attr & SEG_G)
		seg->limit = seg->limit << 12 | 0xfff;
}

static inline void world_tables(struct world *w)
{
	u32 big = SEG_G | SEG_DB, wide = SEG_G | SEG_L;

	set_desc(w, G_CODE32, desc(0, 0xfffff, A_CODE | big));
	set_desc(w, G_DATA, desc(0, 0xfffff, A_DATA | big));
	set_desc(w, G_CODE64, desc(0, 0xfffff, A_CODE | wide));
	set_desc(w, G_UDATA, desc(0, 0xfffff, A_DATA | big | DPL(3)));
	set_desc(w, G_UCODE32, desc(0, 0xfffff, A_CODE | big | DPL(3)));
	set_desc(w, G_UCODE64, desc(0, 0xfffff, A_CODE | wide | DPL(3)));
	set_desc(w, G_TSS, desc(W_TSS, 0x67, SEG_P | SYS_TSS_AVAIL));
	set_desc(w, G_CODE16, desc(0, 0xffff, A_CODE));
	set_desc(w, G_DATA16, desc(0, 0xffff, A_DATA));
	set_desc(w, G_CONF, desc(0, 0xfffff, A_CODE | SEG_CONFORMING | big));
	set_desc(w, G_LDT, desc(W_LDT, 0xff, SEG_P | SYS_LDT));
	set_desc(w, G_TSS2, desc(W_TSS2, 0x67, SEG_P | SYS_TSS_AVAIL));
	set_desc(w, G_TSS16, desc(W_TSS16, 0x2b, SEG_P | SYS_TSS16_AVAIL));
}

/* 32-bit protected mode without paging, CPL 0. */
static inline void world_protected(struct world *w)
{
	x86_state_reset(&w->s, false, true);
	memset(w->ram, 0, WORLD_BYTES);
	world_tables(w);
	w->s.gdtr = (struct x86_dtab){ W_GDT, G_LIMIT };
	w->s.idtr = (struct x86_dtab){ W_IDT, 0x7ff };
	w->s.cr0 = CR0_PE | CR0_ET | CR0_NE;
	set_seg(w, X86_CS, G_CODE32);
	for (unsigned r = 0; r < 6; r++)
		if (r != X86_CS)
			set_seg(w, r, G_DATA);
	w->s.rip = W_CODE;
	w->s.gpr[X86_RSP] = W_STACK0;
	w->s.tr = (struct x86_seg){ .base = W_TSS,
				    .limit = 0x67,
				    .attr = SEG_P | SYS_TSS_BUSY,
				    .sel = G_TSS };
	set_desc(w, G_TSS, desc(W_TSS, 0x67, SEG_P | SYS_TSS_BUSY));
	put32(w, W_TSS + 4, W_STACK0);
	put32(w, W_TSS + 8, G_DATA);
	w->accesses = 0;
}

/* 64-bit mode, CPL 0, the first 2 MiB mapped by 4 KiB user pages. */
static inline void world_long(struct world *w)
{
	world_protected(w);
	put64(w, W_PML4, W_PDPT | PTE_P | PTE_W | PTE_U);
	put64(w, W_PDPT, W_PD | PTE_P | PTE_W | PTE_U);
	put64(w, W_PD, W_PT | PTE_P | PTE_W | PTE_U);
	for (u64 i = 0; i < 512; i++)
		put64(w, W_PT + i * 8, i << 12 | PTE_P | PTE_W | PTE_U);
	w->s.cr3 = W_PML4;
	w->s.cr4 = CR4_PAE;
	w->s.efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	w->s.cr0 |= CR0_PG | CR0_WP;
	w->s.idtr.limit = 0xfff;
	set_seg(w, X86_CS, G_CODE64);
	put64(w, W_TSS + 4, W_STACK0);
	put64(w, W_TSS + 36, W_IST1);
}

/* To CPL 3, in the code segment @cs. */
static inline void world_user(struct world *w, u16 cs)
{
	set_seg(w, X86_CS, cs | 3);
	for (unsigned r = 0; r < 6; r++)
		if (r != X86_CS)
			set_seg(w, r, G_UDATA | 3);
	w->s.gpr[X86_RSP] = W_STACK3;
}

/* Real mode, reset segments but for a stack. */
static inline void world_real(struct world *w)
{
	world_protected(w);
	w->s.cr0 = CR0_ET;
	w->s.idtr = (struct x86_dtab){ W_IVT, 0x3ff };
	for (unsigned r = 0; r < 6; r++)
		w->s.seg[r] = (struct x86_seg){ .limit = 0xffff,
						.attr = 0x93 };
	w->s.seg[X86_CS].sel = 0x1000;
	w->s.seg[X86_CS].base = 0x10000;
	w->s.rip = 0x100;
	w->s.seg[X86_SS].sel = 0x2000;
	w->s.seg[X86_SS].base = 0x20000;
	w->s.gpr[X86_RSP] = 0x1000;
}

/* Virtual-8086 mode, IOPL 3. */
static inline void world_vm86(struct world *w)
{
	world_protected(w);
	w->s.rflags = FLAG_FIXED | FLAG_VM | FLAG_IOPL | FLAG_IF;
	for (unsigned r = 0; r < 6; r++) {
		u16 sel = (u16)(0x1000 + r * 0x100);

		w->s.seg[r] = (struct x86_seg){ .sel = sel,
						.base = (u64)sel << 4,
						.limit = 0xffff,
						.attr = 0xf3 };
	}
	w->s.rip = 0x100;
	w->s.gpr[X86_RSP] = 0x800;
}

static inline void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->ram = calloc(1, WORLD_BYTES);
	w->m = (struct x86_mem){ .read = world_read,
				 .write = world_write,
				 .probe = world_probe,
				 .ctx = w,
				 .read_phys = world_read_phys };
	if (!w->ram)
		bug_at(__FILE__, __LINE__, "no memory");
}

static inline bool is_fault(const struct x86_fault *f, u8 vector, u32 error)
{
	bool same = f->vector == vector && f->error == error;

	if (!same)
		printf("# fault %d(0x%x), expected %d(0x%x)\n", f->vector,
		       f->error, vector, error);
	return same;
}

/* A small random generator: the same numbers on every host. */
static inline u64 next_random(u64 *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

#endif
