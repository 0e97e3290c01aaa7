/* SPDX-License-Identifier: Apache-2.0 */
/*
 * string.c - memory and text primitives by string instructions.
 *
 * Invariant: nothing here touches a vector register, and no loop here has the
 * shape of memcpy or memset, which the compiler would turn into a call to
 * itself.
 */
#include "base/string.h"

#include "base/fmt.h"

void *doppel_memcpy(void *dst, const void *src, size_t n)
{
	copy_bytes(dst, src, n);
	return dst;
}

void *doppel_memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n) {
		copy_bytes(d, s, n);
		return dst;
	}
	/* Overlapping with the destination above: from the end downwards. */
	d += n - 1;
	s += n - 1;
	__asm__ volatile("std\n\trep movsb\n\tcld"
			 : "+D"(d), "+S"(s), "+c"(n)
			 :
			 : "memory", "cc");
	return dst;
}

void *doppel_memset(void *dst, int v, size_t n)
{
	fill_bytes(dst, (u8)v, n);
	return dst;
}

int doppel_memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n >= 8; x += 8, y += 8, n -= 8) {
		u64 p, q;

		/* Unaligned loads without a call to memcpy. */
		__asm__("mov %1, %0" : "=r"(p) : "m"(*(const u64 *)x));
		__asm__("mov %1, %0" : "=r"(q) : "m"(*(const u64 *)y));
		if (p != q)
			break;
	}
	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t str_len(const char *s)
{
	size_t n = 0;

	/* The barrier keeps this loop from becoming a call to strlen. */
	while (s[n]) {
		n++;
		__asm__ volatile("");
	}
	return n;
}

bool str_equal(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

void str_copy(char *dst, size_t size, const char *src)
{
	size_t n = str_len(src);

	if (!size)
		return;
	if (n > size - 1)
		n = size - 1;
	copy_bytes(dst, src, n);
	dst[n] = 0;
}
