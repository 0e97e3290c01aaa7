/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - which parts of guest memory are taken while a machine is loaded,
 * and where there is room.
 *
 * The kernel's addresses are fixed by its file and are reserved first; what
 * we choose ourselves (tables, command line, initrd) goes around it.
 */
#ifndef DOPPEL_BOOT_PLACE_H
#define DOPPEL_BOOT_PLACE_H

#include "base/base.h"

#define PLACE_MAX 96
#define PLACE_NONE (~0ull)

struct place_range {
	gpa_t first;
	u64 bytes;
};

struct place {
	unsigned count;
	struct place_range tab[PLACE_MAX];
};

/*
 * Takes [@first, @first + @bytes), which must not wrap.
 * Returns 0, -EEXIST if a part of it is taken, -ENOSPC if the table is full.
 */
int place_take(struct place *p, gpa_t first, u64 bytes) MUST_CHECK;

/*
 * Finds and takes @bytes at a multiple of @align (a power of two) inside
 * [@from, @to), as low or as high as possible. PLACE_NONE if there is no room.
 * @from, @to and @bytes are below 2^62.
 */
gpa_t place_low(struct place *p, u64 bytes, u64 align, gpa_t from, gpa_t to);
gpa_t place_high(struct place *p, u64 bytes, u64 align, gpa_t from, gpa_t to);

#endif
