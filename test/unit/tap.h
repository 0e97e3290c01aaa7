/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - the unit-test library: Test Anything Protocol in a header. A test
 * program calls tap_check for each claim and returns tap_done() from main.
 */
#ifndef DOPPEL_TEST_TAP_H
#define DOPPEL_TEST_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int tap_count_, tap_failed_;

__attribute__((format(printf, 4, 5))) static inline bool
tap_check_at(const char *file, int line, bool ok, const char *fmt, ...)
{
	va_list ap;

	printf("%s %d - ", ok ? "ok" : "not ok", ++tap_count_);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!ok) {
		tap_failed_++;
		printf("# failed at %s:%d\n", file, line);
	}
	return ok;
}

/* One claim, with a printf-style name. Returns whether it held. */
#define tap_check(cond, ...) tap_check_at(__FILE__, __LINE__, cond, __VA_ARGS__)

/* Two numbers, each evaluated once. */
#define tap_equal(got, want, name)                                         \
	({                                                                 \
		unsigned long long got_ = (unsigned long long)(got);       \
		unsigned long long want_ = (unsigned long long)(want);     \
		tap_check_at(__FILE__, __LINE__, got_ == want_,            \
			     "%s: got 0x%llx, want 0x%llx", name, got_,    \
			     want_);                                       \
	})

/* Prints the plan; the exit status for main. */
static inline int tap_done(void)
{
	printf("1..%d\n", tap_count_);
	return tap_failed_ ? 1 : 0;
}

#endif
