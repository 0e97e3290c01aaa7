/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base.h - the few words that every file uses: integer names, bit and
 * pointer arithmetic, hints to the compiler, and the macros for bugs.
 *
 * Freestanding: only the compiler's own headers are included here.
 */
#ifndef DOPPEL_BASE_BASE_H
#define DOPPEL_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* Addresses: guest virtual (linear), guest physical, host virtual, and an
 * address in the code cache as it is executed. */
typedef u64 gva_t;
typedef u64 gpa_t;
typedef u8 *hva_t;
typedef const u8 *cpc_t;

#define KiB(n) ((u64)(n) << 10)
#define MiB(n) ((u64)(n) << 20)
#define GiB(n) ((u64)(n) << 30)

#define BIT(n) (1u << (n))
#define BIT64(n) (1ull << (n))

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ull
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))

static inline u64 min_u64(u64 a, u64 b)
{
	return a < b ? a : b;
}

static inline u64 max_u64(u64 a, u64 b)
{
	return a > b ? a : b;
}

/* @align must be a power of two. */
static inline u64 align_down(u64 v, u64 align)
{
	return v & ~(align - 1);
}

static inline u64 align_up(u64 v, u64 align)
{
	return (v + align - 1) & ~(align - 1);
}

/* Sign-extends the low @bits (1 to 64) of @v. */
static inline s64 sign_extend(u64 v, unsigned bits)
{
	return (s64)(v << (64 - bits)) >> (64 - bits);
}

/*
 * A bug of ours, never the conduct of a guest or a host: those are values
 * (struct x86_fault, negative errno). Implemented by the host floor.
 */
NORETURN void bug_at(const char *file, int line, const char *what);

#define BUG_ON(cond)                                           \
	do {                                                   \
		if (unlikely(cond))                            \
			bug_at(__FILE__, __LINE__, #cond);     \
	} while (0)

#endif
