/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - counters for --stats. Each module keeps a struct of u64 counters
 * and describes it by a table; the VM collects the groups for printing.
 *
 * Counters are written by one thread each and read at any time.
 */
#ifndef DOPPEL_BASE_STATS_H
#define DOPPEL_BASE_STATS_H

#include "base/base.h"

struct stat_desc {
	const char *name;
	const char *help;
	size_t offset; /* of a u64 in the counted struct */
};

struct stat_group {
	const char *title;
	const struct stat_desc *tab;
	size_t count;
	const void *base;
	struct stat_group *next;
	struct stat_group *also; /* of the same kind, to be summed up */
};

#define STAT_DESC(type, field, help) \
	{ #field, help, offsetof(type, field) }

static inline u64 stat_value(const struct stat_group *g, size_t i)
{
	u64 sum = 0;

	for (; g; g = g->also)
		sum += *(const u64 *)(const void *)((const char *)g->base +
						    g->tab[i].offset);
	return sum;
}

#endif
