/* SPDX-License-Identifier: Apache-2.0 */
/* string.c - the memory primitives against the C library's. */
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "base/string.h"
#include "tap.h"

#define N 96

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

/* All offsets and lengths in a small buffer. */
static void test_move(void)
{
	u8 start[N], a[N], b[N];
	bool ok = true;

	for (int i = 0; i < N; i++)
		start[i] = (u8)(i * 7 + 1);
	for (int from = 0; from < 40; from++) {
		for (int to = 0; to < 40; to++) {
			for (int n = 0; n < 56; n++) {
				memcpy(a, start, N);
				memcpy(b, start, N);
				ok &= doppel_memmove(a + to, a + from,
						     (size_t)n) == a + to;
				memmove(b + to, b + from, (size_t)n);
				ok &= !memcmp(a, b, N);
			}
		}
	}
	tap_check(ok, "memmove, overlapping both ways");
}

static void test_copy_fill(void)
{
	u8 a[N], b[N];

	memset(a, 1, N);
	memset(b, 2, N);
	doppel_memcpy(a + 3, b + 5, 17);
	tap_check(a[2] == 1 && a[3] == 2 && a[19] == 2 && a[20] == 1,
		  "memcpy writes just what it should");
	doppel_memset(a + 1, 0x1ff, 9);
	tap_check(a[0] == 1 && a[1] == 0xff && a[9] == 0xff && a[10] == 2,
		  "memset writes just what it should");
	copy_bytes(a, b, 0);
	fill_bytes(a, 9, 0);
	tap_check(a[0] == 1, "nothing is nothing");
}

static void test_compare(void)
{
	u8 a[N], b[N];
	bool ok = true;

	for (int at = 0; at < 40; at++) {
		for (int n = 0; n < 40; n++) {
			for (int off = 0; off < 8; off++) {
				memset(a, 0x80, N);
				memset(b, 0x80, N);
				a[off + at] = 0x7f;
				ok &= sign(doppel_memcmp(a + off, b + off,
							 (size_t)n)) ==
				      sign(memcmp(a + off, b + off, (size_t)n));
				ok &= sign(doppel_memcmp(b + off, a + off,
							 (size_t)n)) ==
				      sign(memcmp(b + off, a + off, (size_t)n));
			}
		}
	}
	tap_check(ok, "memcmp agrees in sign, unsigned");
	tap_check(bytes_equal("abcdefghi", "abcdefghj", 8) &&
			  !bytes_equal("abcdefghi", "abcdefghj", 9),
		  "bytes_equal");
}

static void test_text(void)
{
	char s[4];

	tap_equal(str_len(""), 0, "length of nothing");
	tap_equal(str_len("doppel"), 6, "length of doppel");
	tap_check(str_equal("a", "a") && !str_equal("a", "ab") &&
			  !str_equal("ab", "a") && str_equal("", ""),
		  "str_equal");
	str_copy(s, sizeof(s), "abcdef");
	tap_check(!strcmp(s, "abc"), "str_copy cuts and terminates");
	s[0] = 'z';
	str_copy(s, 0, "abc");
	tap_check(s[0] == 'z', "str_copy into nothing");
}

/* What the vector registers hold survives. */
static void test_vectors(void)
{
	u64 before[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, after[2];
	u8 a[64], b[64] = { 0 };

	__asm__ volatile("movups %1, %%xmm7\n\t"
			 "mov %3, %%rdi\n\tmov %4, %%rsi\n\tmov $64, %%edx\n\t"
			 "call doppel_memcpy\n\t"
			 "mov %3, %%rdi\n\txor %%esi, %%esi\n\t"
			 "mov $64, %%edx\n\t"
			 "call doppel_memset\n\t"
			 "movups %%xmm7, %0"
			 : "=m"(after)
			 : "m"(before), "m"(b), "r"((u8 *)a), "r"((u8 *)b)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
			   "r11", "xmm7", "memory", "cc");
	tap_check(!memcmp(before, after, 16), "xmm7 survives");
}

int main(void)
{
	test_move();
	test_copy_fill();
	test_compare();
	test_text();
	test_vectors();
	return tap_done();
}
