/* SPDX-License-Identifier: Apache-2.0 */
/*
 * string.h - the four functions that compilers call by themselves, under
 * private names (see builtins.h), and what else freestanding code needs to
 * compare and measure text. General registers only.
 *
 * Write copy_bytes and fill_bytes (fmt.h) for copies of your own.
 */
#ifndef DOPPEL_BASE_STRING_H
#define DOPPEL_BASE_STRING_H

#include "base/base.h"

void *doppel_memcpy(void *dst, const void *src, size_t n);
void *doppel_memmove(void *dst, const void *src, size_t n);
void *doppel_memset(void *dst, int v, size_t n);
int doppel_memcmp(const void *a, const void *b, size_t n);

static inline bool bytes_equal(const void *a, const void *b, size_t n)
{
	return doppel_memcmp(a, b, n) == 0;
}

size_t str_len(const char *s);
bool str_equal(const char *a, const char *b);
/* Copies with truncation; always terminates when @size > 0. */
void str_copy(char *dst, size_t size, const char *src);

#endif
