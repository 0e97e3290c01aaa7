/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four functions that compilers call. Plain loops on purpose: REP MOVS and
 * REP STOS are under test, not to be relied upon. -fno-builtin and
 * -fno-tree-loop-distribute-patterns keep the compiler from making them calls
 * to themselves.
 */
#include "guest.h"

void *memcpy(void *dst, const void *src, size_t n)
{
	return memmove(dst, src, n);
}

void *memmove(void *dst, const void *src, size_t n)
{
	volatile u8 *d = dst;
	const u8 *s = src;

	if ((ulong)dst <= (ulong)src) {
		for (size_t i = 0; i < n; i++)
			d[i] = s[i];
	} else {
		while (n--)
			d[n] = s[n];
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	volatile u8 *d = dst;

	for (size_t i = 0; i < n; i++)
		d[i] = c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] - y[i];
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}
