/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h. A short unsorted table; searches step over it. */
#include "boot/place.h"

#include <errno.h>

/* A taken range that [@first, @first + @bytes) touches, or NULL. */
static const struct place_range *find_overlap(const struct place *p,
					      gpa_t first, u64 bytes)
{
	unsigned i;

	for (i = 0; i < p->count; i++) {
		const struct place_range *r = &p->tab[i];

		if (first < r->first + r->bytes && r->first < first + bytes)
			return r;
	}
	return NULL;
}

int place_take(struct place *p, gpa_t first, u64 bytes)
{
	if (!bytes)
		return 0;
	if (find_overlap(p, first, bytes))
		return -EEXIST;
	if (p->count == PLACE_MAX)
		return -ENOSPC;
	p->tab[p->count++] = (struct place_range){ first, bytes };
	return 0;
}

gpa_t place_low(struct place *p, u64 bytes, u64 align, gpa_t from, gpa_t to)
{
	const struct place_range *r;
	gpa_t at = align_up(from, align);

	while (at + bytes <= to) {
		r = find_overlap(p, at, bytes);
		if (!r)
			return place_take(p, at, bytes) ? PLACE_NONE : at;
		at = align_up(r->first + r->bytes, align);
	}
	return PLACE_NONE;
}

gpa_t place_high(struct place *p, u64 bytes, u64 align, gpa_t from, gpa_t to)
{
	const struct place_range *r;
	gpa_t at;

	while (to >= bytes) {
		at = align_down(to - bytes, align);
		if (at < from)
			break;
		r = find_overlap(p, at, bytes);
		if (!r)
			return place_take(p, at, bytes) ? PLACE_NONE : at;
		to = r->first;
	}
	return PLACE_NONE;
}
