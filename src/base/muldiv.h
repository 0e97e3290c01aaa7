/* SPDX-License-Identifier: Apache-2.0 */
/*
 * muldiv.h - a * b / c with a product of 128 bits, for turning ticks of one
 * frequency into ticks of another. Results that do not fit saturate: the
 * factors may come from a guest or from saved state.
 */
#ifndef DOPPEL_BASE_MULDIV_H
#define DOPPEL_BASE_MULDIV_H

#include "base/base.h"

/* Rounded down; ~0 if it does not fit or @c is 0. */
static inline u64 muldiv(u64 a, u64 b, u64 c)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	u64 q, r, hi = (u64)(p >> 64);

	/* One instruction instead of the compiler's 128-bit division, which
	 * is a library call; it faults unless the quotient fits. */
	if (hi >= c)
		return ~0ull;
	__asm__("divq %4"
		: "=a"(q), "=d"(r)
		: "a"((u64)p), "d"(hi), "rm"(c)
		: "cc");
	return q;
}

/* Rounded up; ~0 if it does not fit or @c is 0. */
static inline u64 muldiv_up(u64 a, u64 b, u64 c)
{
	unsigned __int128 p = (unsigned __int128)a * b;
	u64 q, r, hi = (u64)(p >> 64);

	if (hi >= c)
		return ~0ull;
	__asm__("divq %4"
		: "=a"(q), "=d"(r)
		: "a"((u64)p), "d"(hi), "rm"(c)
		: "cc");
	return r && q != ~0ull ? q + 1 : q;
}

/* a + b, or ~0. */
static inline u64 add_saturated(u64 a, u64 b)
{
	return a > ~0ull - b ? ~0ull : a + b;
}

#endif
