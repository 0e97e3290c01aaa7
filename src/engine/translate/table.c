/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - from guest physical address and key to the block. */
#include "engine/translate/engine.h"

static u32 hash_of(gpa_t gpa, u32 key)
{
	u64 h = (gpa ^ ((u64)key << 40)) * 0x9e3779b97f4a7c15ull;

	return (u32)(h >> (64 - BLOCK_HASH_BITS));
}

struct block *table_find(const struct engine *e, gpa_t gpa, u32 key)
{
	struct block *b = e->hash[hash_of(gpa, key)];

	for (; b; b = b->hash_next)
		if (b->gpa == gpa && b->key == key)
			return b;
	return NULL;
}

struct block *table_find_crossing(const struct engine *e, gpa_t gpa, u32 key,
				  gpa_t gpa2)
{
	struct block *b = e->hash[hash_of(gpa, key)];

	for (; b; b = b->hash_next)
		if (b->gpa == gpa && b->key == key && b->gpa2 == gpa2)
			return b;
	return NULL;
}

void table_add(struct engine *e, struct block *b)
{
	struct block **head = &e->hash[hash_of(b->gpa, b->key)];

	b->hash_next = *head;
	*head = b;
}

void table_remove(struct engine *e, struct block *b)
{
	struct block **p = &e->hash[hash_of(b->gpa, b->key)];

	for (; *p; p = &(*p)->hash_next)
		if (*p == b) {
			*p = b->hash_next;
			return;
		}
}
