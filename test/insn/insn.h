/* SPDX-License-Identifier: Apache-2.0 */
/*
 * insn.h - instruction tests with the host's processor as the oracle: what the
 * two worlds share.
 *
 * A case is a few instructions, and a complete state of the user-visible
 * processor and of some pages of memory to run them from. It follows from a
 * seed and a number alone. The same generator, compiled twice, makes it in two
 * worlds: in a Linux process on the bare processor, and in a guest of Doppel.
 * Both put code and data at the same linear addresses, run the case at CPL 3
 * until an exception ends it (INT3 if all went well), and fold everything that
 * can be seen afterwards into a hash. The driver (./run) compares the hashes.
 *
 * Both builds are freestanding; the guest one must do without vector
 * instructions outside of the cases, so both do.
 */
#ifndef INSN_H
#define INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int32_t s32;
typedef int64_t s64;

#ifndef ARRAY_LEN
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#endif
#ifndef BIT
#define BIT(n) (1ull << (n))
#endif

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

/* --- where things are: linear addresses, below 2 GiB for 32-bit code --- */

#define PAGE_BYTES 4096u

/* Below this, user code has nothing and a guest has its own program. */
#define LOW_END 0x4000000u

/*
 * Data: absent, A, B, absent, C, read-only, E, absent, absent, two pages of
 * stack, absent, fuel, absent. Operands across two pages so find any pair.
 */
#define DATA 0x50000000u
#define DATA_PAGES 14u
#define DATA_RW_MASK 0x1656u /* 1 2 4 6 9 10 12 */
#define DATA_RO_MASK 0x0020u
#define DATA_PAGE(n) (DATA + (n) * PAGE_BYTES)
#define STACK_LOW DATA_PAGE(9)
#define STACK_HIGH DATA_PAGE(11)

/* Backward jumps burn fuel, so that every case ends. */
#define FUEL DATA_PAGE(12)
#define FUEL_SAVE (FUEL + 8)
#define FUEL_AMOUNT 24

/*
 * What loops without (PUSH and RET can, or a jump to itself) is ended by a
 * timer after some ticks, and nothing but that is compared. With a high rate
 * of ticks (tick=) many cases are interrupted, and must not notice.
 */
#define TICK_US 20000u
#define ENDLESS_US 100000u
#define VECTOR_ENDLESS 255

/*
 * Code: eight times absent, two pages of code, absent. Cases take turns, for
 * the sake of a translator that must notice that code was overwritten.
 */
#define CODE_BASE 0x50100000u
#define CODE_AREAS 8u
#define CODE_AREA_PAGES 4u
#define CODE_AREA(n) (CODE_BASE + (n) * CODE_AREA_PAGES * PAGE_BYTES)
#define CODE_AREA_BYTES (2 * PAGE_BYTES) /* from page 1 of the region */
#define CODE_MAX 512u
#define CODE_FILL 0xcc

/* Segments with a base for 32-bit code: the first TLS entry of Linux. */
#define SEL_TLS 0x63
#define SEL_USER_DATA_ 0x2b
#define SEL_USER64 0x33
#define SEL_USER32_ 0x23

/* --- state --- */

#define XSAVE_BYTES 832u
#define XSAVE_X87_CW 0
#define XSAVE_X87_SW 2
#define XSAVE_X87_TW 4
#define XSAVE_MXCSR 24
#define XSAVE_ST 32
#define XSAVE_XMM 160
#define XSAVE_HEADER 512
#define XSAVE_YMM 576

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 };

struct state {
	u64 gpr[16];
	u64 rip, rflags;
	u64 fs_base, gs_base;
	u16 cs, ss, ds, es, fs, gs;
	u32 vector; /* after a run: the exception that ended it, */
	u64 error, cr2; /* and what came with it */
	u8 xsave[XSAVE_BYTES] __attribute__((aligned(64)));
};

enum {
	FL_CF_ = 1, FL_PF_ = 4, FL_AF_ = 16, FL_ZF_ = 64, FL_SF_ = 128,
	FL_TF_ = 0x100, FL_IF_ = 0x200, FL_DF_ = 0x400, FL_OF_ = 0x800,
	FL_ARITH_ = 0x8d5,
};

struct icase {
	u64 number;
	const char *what; /* the row's or the kind's name */
	bool long_mode;
	u32 code_at; /* linear address */
	u32 code_bytes;
	u8 code[CODE_MAX];
	struct state in;
};

/* --- the generator --- */

struct gen_config {
	u64 seed;
	u64 skip; /* features (FEAT_*) whose instructions are left out */
	u32 kinds; /* mask of enum kind; 0: all */
	u32 row; /* 1 + the row to take always; 0: all in turn */
	u32 tls_base, tls_limit; /* of SEL_TLS */
};

/* Makes case @number; also changes data pages, which hold their template. */
void gen_case(const struct gen_config *cfg, u64 number, struct icase *c);

/* --- the world --- */

/* A number from the command line. */
u64 world_number(const char *key, u64 otherwise);
void world_print(const char *text);
static inline u64 tick_us(void)
{
	u64 us = world_number("tick", TICK_US);

	return us ? us : 1;
}
/* Features of the processor that this world shows. */
u64 world_features(void);
/* Writable view of the first code page of a region; the second follows. */
u8 *world_code(unsigned region);
/* Maps everything above; the read-only page gets @ro's contents. */
void world_init(const u8 *ro, u32 tls_base, u32 tls_limit);
/* Runs from *s at CPL 3 until an exception. */
void world_run(struct state *s);

/* Makes equal what the worlds may differ in: see excuse.c. */
void excuse(const struct icase *c, struct state *s);

/* The common main program. */
void runner_main(void);

/* True if the data page may be written (n: 0 to DATA_PAGES - 1). */
static inline bool data_page_rw(unsigned n)
{
	return n < DATA_PAGES && (DATA_RW_MASK >> n & 1);
}

#endif
