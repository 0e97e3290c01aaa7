/* SPDX-License-Identifier: Apache-2.0 */
/* place_test.c - taking and finding room around what is taken. */
#include "boot/place.h"

#include <errno.h>

#include "tap.h"

int main(void)
{
	struct place p = { 0 };
	unsigned i;

	tap_equal(place_take(&p, 0x1000, 0x1000), 0, "take");
	tap_equal(place_take(&p, 0x1fff, 1), -EEXIST, "its last byte");
	tap_equal(place_take(&p, 0xfff, 2), -EEXIST, "its first byte");
	tap_equal(place_take(&p, 0, 0x10000), -EEXIST, "around it");
	tap_equal(place_take(&p, 0x2000, 0x800), 0, "right after it");
	tap_equal(place_take(&p, 0x1800, 0), 0, "nothing fits anywhere");

	tap_equal(place_low(&p, 0x100, 0x10, 0, 0x10000), 0, "lowest");
	tap_equal(place_low(&p, 0x1000, 0x1000, 0, 0x10000), 0x3000,
		  "lowest gap that is large enough, aligned");
	tap_equal(place_high(&p, 0x1000, 0x1000, 0, 0x10800), 0xf000,
		  "highest, aligned");
	tap_equal(place_high(&p, 0x1000, 0x1000, 0, 0x10000), 0xe000,
		  "highest below what is taken");
	tap_equal(place_high(&p, 0x700, 1, 0x2000, 0x4000), 0x2900,
		  "highest in a gap");
	tap_equal(place_high(&p, 0x1000, 1, 0x2000, 0x4000), PLACE_NONE,
		  "no gap, high");
	tap_equal(place_low(&p, 0x1000, 1, 0x2000, 0x4000), PLACE_NONE,
		  "no gap, low");
	tap_equal(place_high(&p, 0x2000, 1, 0, 0x1000), PLACE_NONE,
		  "larger than the whole");
	tap_equal(place_low(&p, 1ull << 61, 1, 0, 0x1000), PLACE_NONE,
		  "far larger than the whole");

	for (i = p.count; i < PLACE_MAX; i++)
		if (place_take(&p, 0x100000 + i * 0x1000, 1))
			break;
	tap_equal(i, PLACE_MAX, "as many as the table holds");
	tap_equal(place_take(&p, 0x80000, 1), -ENOSPC, "one more");
	tap_equal(place_low(&p, 1, 1, 0x80000, 0x90000), PLACE_NONE,
		  "one more, found");
	return tap_done();
}
