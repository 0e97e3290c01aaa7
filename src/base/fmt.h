/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fmt.h - printf-style formatting without a C library, and the small string
 * helpers that freestanding code needs.
 */
#ifndef DOPPEL_BASE_FMT_H
#define DOPPEL_BASE_FMT_H

#include <stdarg.h>

#include "base/base.h"

/*
 * Formats like snprintf: %d %i %u %x %X %p %s %c %% with flags 0 - + #,
 * width, precision (also *), and lengths hh h l ll z j. Always terminates
 * @buf when @size > 0. Returns the length that the whole text would have.
 */
int fmt_vprint(char *buf, size_t size, const char *fmt, va_list ap);
int fmt_print(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

/*
 * Copies for code that runs while guest vector registers are live: string
 * instructions only, never SSE or AVX (a library's memcpy may use both).
 */
static inline void copy_bytes(void *dst, const void *src, size_t n)
{
	/* REP takes its time to begin. */
	if (n == 8) {
		__builtin_memcpy(dst, src, 8);
		return;
	}
	if (n == 4) {
		__builtin_memcpy(dst, src, 4);
		return;
	}
	__asm__ volatile("rep movsb"
			 : "+D"(dst), "+S"(src), "+c"(n)
			 :
			 : "memory");
}

static inline void fill_bytes(void *dst, u8 v, size_t n)
{
	__asm__ volatile("rep stosb"
			 : "+D"(dst), "+c"(n)
			 : "a"(v)
			 : "memory");
}

#endif
