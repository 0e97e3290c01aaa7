/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - from guest physical address and key to the block. */
#include "engine/translate/engine.h"

/* Of the cache's bytes, host code and what is known of it: about two blocks of
 * usual size a bucket. */
#define BYTES_A_BUCKET 512

bool table_init(struct engine *e, u64 bytes)
{
	e->hash_bits = 12;
	while (bytes >> e->hash_bits > BYTES_A_BUCKET)
		e->hash_bits++;
	e->hash = host_pages_alloc_huge(sizeof(*e->hash) << e->hash_bits);
	return e->hash;
}

void table_fini(struct engine *e)
{
	host_pages_free(e->hash, sizeof(*e->hash) << e->hash_bits);
	e->hash = NULL;
}

static struct block **bucket(const struct engine *e, gpa_t gpa, u32 key)
{
	u64 h = (gpa ^ ((u64)key << 40)) * 0x9e3779b97f4a7c15ull;

	return &e->hash[h >> (64 - e->hash_bits)];
}

struct block *table_find(const struct engine *e, gpa_t gpa, u32 key)
{
	struct block *b = *bucket(e, gpa, key);

	for (; b; b = b->hash_next)
		if (b->gpa == gpa && b->key == key)
			return b;
	return NULL;
}

struct block *table_find_crossing(const struct engine *e, gpa_t gpa, u32 key,
				  gpa_t gpa2)
{
	struct block *b = *bucket(e, gpa, key);

	for (; b; b = b->hash_next)
		if (b->gpa == gpa && b->key == key && b->gpa2 == gpa2)
			return b;
	return NULL;
}

void table_add(struct engine *e, struct block *b)
{
	struct block **head = bucket(e, b->gpa, b->key);

	b->hash_next = *head;
	*head = b;
}

void table_remove(struct engine *e, struct block *b)
{
	struct block **p = bucket(e, b->gpa, b->key);

	for (; *p; p = &(*p)->hash_next)
		if (*p == b) {
			*p = b->hash_next;
			return;
		}
}
