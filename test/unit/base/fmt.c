/* SPDX-License-Identifier: Apache-2.0 */
/* fmt.c - formatting against the C library's, and what it does at the edges. */
#include <limits.h>
#include <string.h>

#include "base/err.h"
#include "base/fmt.h"
#include "tap.h"

/* The same arguments to both; texts and lengths must agree. */
#define same(...)                                                        \
	do {                                                             \
		char ours[256], theirs[256];                             \
		int n = fmt_print(ours, sizeof(ours), __VA_ARGS__);      \
		int m = snprintf(theirs, sizeof(theirs), __VA_ARGS__);   \
		tap_check(n == m && !strcmp(ours, theirs),               \
			  "'%s' is as snprintf's '%s'", ours, theirs);   \
	} while (0)

static void test_numbers(void)
{
	same("%d %i %d", 0, 42, -42);
	same("%d %d", INT_MIN, INT_MAX);
	same("%lld %lld", LLONG_MIN, LLONG_MAX);
	same("%u %lu %llu", UINT_MAX, ULONG_MAX, ULLONG_MAX);
	same("%x %X %#x %#X %#x", 0xbeefu, 0xbeefu, 0xbeefu, 0xbeefu, 0u);
	same("%o %#o", 0755u, 0755u);
	same("%hhd %hhu %hd %hu", (signed char)-1, (u8)255, (short)-1,
	     (u16)65535);
	same("%zu %jd %ld", sizeof(int), (intmax_t)-5, -5l);
	same("%5d|%-5d|%05d|%+d|% d", 42, 42, 42, 42, 42);
	same("%5d|%-5d|%05d", -42, -42, -42);
	same("%.3d|%8.3d|%-8.3d", 7, 7, 7);
	same("%.0d|%.d|%.0x", 0, 0, 0u);
	same("%#010x|%#-10x|%#10x", 0x1fu, 0x1fu, 0x1fu);
	same("%*d|%-*d|%*d", 6, 1, 6, 1, -6, 1);
	same("%.*d|%.*d", 4, 1, -4, 1);
	same("%016llx", 0xffffffff80000000ull);
	same("%p", (void *)0x7fff12345678);
}

static void test_text(void)
{
	char some[3] = { 'a', 'b', 'c' }; /* not terminated */

	same("%s|%10s|%-10s|%.2s|%.0s", "abc", "abc", "abc", "abc", "abc");
	same("%.3s", some);
	same("%.*s", 2, some);
	same("%c|%3c|%-3c|", 'x', 'y', 'z');
	same("100%%");
	same("no conversions at all");
	same("%s", "");
}

static void test_edges(void)
{
	char buf[8];
	const char *volatile null = NULL;
	const char *volatile odd = "%q %";
	int n;

	memset(buf, 'z', sizeof(buf));
	n = fmt_print(buf, 4, "%s", "abcdef");
	tap_check(n == 6 && !strcmp(buf, "abc") && buf[4] == 'z',
		  "a short buffer is terminated and not overrun");
	n = fmt_print(buf, 1, "%d", 12345);
	tap_check(n == 5 && !buf[0], "one byte holds the terminator");
	buf[0] = 'z';
	n = fmt_print(buf, 0, "%d", 12345);
	tap_check(n == 5 && buf[0] == 'z', "size 0 writes nothing");
	tap_equal(fmt_print(NULL, 0, "%s", "abc"), 3, "measuring only");
	fmt_print(buf, sizeof(buf), "%s", null);
	tap_check(!strcmp(buf, "(null)"), "a null string is shown");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
	fmt_print(buf, sizeof(buf), odd);
#pragma GCC diagnostic pop
	tap_check(!strcmp(buf, "%q %"), "unknown conversions stand as written");
	n = fmt_print(buf, sizeof(buf), "%c", 0);
	tap_check(n == 1 && buf[0] == 0, "a zero character counts");
}

static void test_err(void)
{
	struct err e = { "" };
	char big[600];

	tap_equal(err_set(&e, -5, "disk %s is gone", "a"), -5, "err_set");
	err_set(&e, -6, "cannot start");
	tap_check(!strcmp(e.text, "disk a is gone"), "the first sentence wins");
	tap_equal(err_set(NULL, -7, "x"), -7, "no struct err");
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	e.text[0] = 0;
	err_set(&e, -1, "%s", big);
	tap_equal(strlen(e.text), sizeof(e.text) - 1, "a long one is cut");
}

int main(void)
{
	test_numbers();
	test_text();
	test_edges();
	test_err();
	return tap_done();
}
