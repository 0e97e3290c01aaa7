/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every test guest stands on: words, output as TAP, checks, the exit.
 *
 * A guest is a table of tests. The library runs them one after the other, each
 * on a freshly reset machine (control registers, descriptor tables, page
 * tables), so that one that goes wrong leaves the next ones meaningful. One
 * test is one TAP line; every check that fails inside it adds a diagnostic
 * line with file, line, values and the context that the test has set.
 *
 * The multiboot command line may hold `only=WORD`: run only the tests whose
 * name contains WORD.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef unsigned long ulong;

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1ull << (n))
#define NORETURN __attribute__((noreturn))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

struct test {
	const char *name; /* without '#', which means something in TAP */
	void (*fn)(void);
	/*
	 * Not null: QEMU's TCG is known to fail this test, and why (with the
	 * section of the manual that it departs from). The failure is then
	 * reported as TODO there, and stays a failure everywhere else.
	 */
	const char *qemu;
};

/* The guest's own table, ended by a null name. */
extern const struct test tests[];

/* The multiboot command line, never null. */
extern const char *cmdline;

/* Number after `key=` on the command line, or a default. */
ulong cmdline_number(const char *key, ulong otherwise);

void print(const char *fmt, ...) PRINTF(1, 2);
void vprint(const char *fmt, va_list ap);

/* Ends the machine through port 0xF4: the process exits with 2*value+1. */
NORETURN void guest_exit(u32 value);

/* Prints why and ends the machine: nothing sensible can follow. */
NORETURN void bail(const char *fmt, ...) PRINTF(1, 2);

/* What the following checks are about; shown when one fails. */
void context(const char *fmt, ...) PRINTF(1, 2);

/* The running test does not apply here (a feature that CPUID does not show). */
void skip(const char *why);

/* Records a failed check of the running test. */
void check_failed(const char *file, int line, const char *fmt, ...)
	PRINTF(3, 4);

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			check_failed(__FILE__, __LINE__, "%s", #cond);         \
	} while (0)

#define CHECK_EQ(got, want)                                                    \
	do {                                                                   \
		u64 got_ = (u64)(got), want_ = (u64)(want);                    \
		if (got_ != want_)                                             \
			check_failed(__FILE__, __LINE__,                       \
				     "%s is %#llx, not %#llx (%s)", #got,      \
				     (long long)got_, (long long)want_,        \
				     #want);                                   \
	} while (0)

/* Running under QEMU's TCG, by its CPUID signature. */
bool machine_is_tcg(void);

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

#endif
