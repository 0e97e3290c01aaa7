/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window_index.c - finding what a space shows by guest virtual and by guest
 * physical address: two hash tables over its list of mappings, which has no
 * order. Mappings are of two sizes, and each size is looked for by itself.
 */
#include "base/fmt.h"
#include "engine/translate/window_space.h"

static u16 *bucket(u16 *heads, u64 addr, u32 bytes)
{
	u64 key = addr / bytes * 2 + (bytes == WINDOW_CHUNK);

	return &heads[key * 0x9e3779b97f4a7c15ull >> (64 - INDEX_BITS)];
}

void index_clear(struct space *sp)
{
	fill_bytes(sp->by_va, 0, sizeof(sp->by_va));
	fill_bytes(sp->by_gpa, 0, sizeof(sp->by_gpa));
}

void index_add(struct space *sp, unsigned i)
{
	struct map *m = &sp->maps[i];
	u16 *va = bucket(sp->by_va, m->va, m->bytes);
	u16 *gpa = bucket(sp->by_gpa, m->gpa, m->bytes);

	m->next_va = *va;
	m->next_gpa = *gpa;
	*va = *gpa = (u16)(i + 1);
}

void index_remove(struct space *sp, unsigned i)
{
	struct map *m = &sp->maps[i];
	u16 *va = bucket(sp->by_va, m->va, m->bytes);
	u16 *gpa = bucket(sp->by_gpa, m->gpa, m->bytes);

	while (*va != i + 1)
		va = &sp->maps[*va - 1].next_va;
	*va = m->next_va;
	while (*gpa != i + 1)
		gpa = &sp->maps[*gpa - 1].next_gpa;
	*gpa = m->next_gpa;
}

static struct map *find(struct space *sp, gva_t va, u32 bytes)
{
	u16 n = *bucket(sp->by_va, va, bytes);

	for (; n; n = sp->maps[n - 1].next_va)
		if (va - sp->maps[n - 1].va < sp->maps[n - 1].bytes)
			return &sp->maps[n - 1];
	return NULL;
}

struct map *map_find(struct space *sp, gva_t va)
{
	struct map *m = find(sp, va, PAGE_SIZE);

	return m ? m : find(sp, va, WINDOW_CHUNK);
}

struct map *map_of_gpa(struct space *sp, gpa_t gpa, u32 bytes)
{
	u16 n = *bucket(sp->by_gpa, gpa, bytes);

	return n ? &sp->maps[n - 1] : NULL;
}
