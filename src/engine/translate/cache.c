/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - the memory of translated code: a ring of segments, the oldest of
 * which is emptied when room is needed.
 *
 * Two views of one file: what is executed is never writable. Block records
 * and their tables live in an arena beside each segment and go with it, so
 * whoever is not parked (quiesce.c) may keep pointers to them.
 */
#include "base/fmt.h"
#include "engine/translate/engine.h"

#define ARENA_CHUNK KiB(64)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	_Alignas(16) u8 bytes[];
};

void *cache_arena(struct segment *s, size_t bytes)
{
	size_t room = ARENA_CHUNK - sizeof(struct arena_chunk);
	struct arena_chunk *c = s->arena;
	void *p;

	bytes = align_up(bytes, 16);
	if (bytes > room)
		return NULL;
	if (!c || c->used + bytes > room) {
		c = host_alloc(ARENA_CHUNK);
		if (!c)
			return NULL;
		c->next = s->arena;
		s->arena = c;
	}
	p = c->bytes + c->used;
	c->used += bytes;
	return p;
}

static void arena_free(struct segment *s)
{
	struct arena_chunk *c = s->arena, *next;

	for (; c; c = next) {
		next = c->next;
		host_free(c);
	}
	s->arena = NULL;
}

static u64 default_bytes(const struct gmem *m)
{
	u64 bytes = gmem_bytes(m) / CACHE_DEFAULT_SHARE;

	return min_u64(max_u64(bytes, CACHE_DEFAULT_MIN), CACHE_DEFAULT_MAX);
}

int cache_init(struct engine *e, struct err *err)
{
	u64 bytes = e->options.code_cache_bytes;
	u64 each; /* half of a segment */
	int rc;

	if (!bytes)
		bytes = default_bytes(&e->vm->mem);
	bytes = max_u64(bytes, CACHE_MIN_BYTES);
	if (bytes > GiB(1))
		return err_set(err, -EINVAL,
			       "a code cache of more than 1G cannot be reached "
			       "by direct jumps; choose less");
	rc = host_code_alloc(&e->code, align_up(bytes, MiB(2)));
	if (rc < 0)
		return err_set(err, rc,
			       "no memory for a code cache of %llu MiB; try "
			       "--code-cache with less",
			       (unsigned long long)(bytes >> 20));
	if (!table_init(e, bytes))
		return err_set(err, -ENOMEM,
			       "no memory for the table of blocks");
	e->rw_offset = (uintptr_t)e->code.rw - (uintptr_t)e->code.rx;
	/* All that is hot together: see segment_settle(). */
	each = align_down((bytes - STUB_BYTES) / CACHE_SEGMENTS / 2, 64);
	for (unsigned i = 0; i < CACHE_SEGMENTS; i++) {
		struct segment *s = &e->seg[i];

		s->hot.rx = e->code.rx + STUB_BYTES + i * each;
		s->hot.bytes = each;
		s->cold.rx = s->hot.rx + CACHE_SEGMENTS * each;
		s->cold.bytes = each;
	}
	return 0;
}

void cache_fini(struct engine *e)
{
	for (unsigned i = 0; i < CACHE_SEGMENTS; i++) {
		arena_free(&e->seg[i]);
		host_free(e->seg[i].blocks);
		host_free(e->seg[i].hot.at);
		host_free(e->seg[i].cold.at);
	}
	if (e->code.rx)
		host_code_free(&e->code);
	table_fini(e);
}

static void segment_empty(struct engine *e, struct segment *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct block *b = s->blocks[i];

		if (b->dead)
			continue;
		link_break(e, b);
		smc_forget(e, b);
		table_remove(e, b);
	}
	s->count = 0;
	s->hot.used = s->cold.used = 0;
	arena_free(s);
	e->epoch++;
}

static u32 engine_random(struct engine *e)
{
	e->random = e->random * 1664525u + 1013904223u;
	return e->random >> 16;
}

static bool has_room(const struct segment_part *p, u64 bytes)
{
	return p->bytes - p->used >= bytes;
}

/* The segment is full: what it holds for good is put on huge pages, for programs
 * with much code spend more time on the processor's instruction TLB than on
 * their instructions. Once, as the pages stay when other code comes. */
static void segment_settle(struct engine *e, const struct segment *s)
{
	u64 end = align_down((u64)(s->hot.rx + s->hot.bytes - e->code.rx),
			     MiB(2));

	if (end <= e->settled)
		return;
	host_code_settle(&e->code, e->settled, end - e->settled);
	e->settled = end;
}

bool cache_has_room(struct engine *e, u64 bytes)
{
	const struct segment *s = &e->seg[e->current];

	e->victim = (e->current + 1) % CACHE_SEGMENTS;
	/* For tests: evict although there is room, now and then. */
	if (e->options.random_evict && engine_random(e) % 64 == 0) {
		e->victim = engine_random(e) % CACHE_SEGMENTS;
		if (e->seg[e->victim].count)
			return false;
	}
	if (has_room(&s->hot, bytes) && has_room(&s->cold, bytes))
		return true;
	if (e->seg[e->victim].count)
		return false;
	segment_settle(e, s);
	e->current = e->victim;
	return true;
}

void cache_evict(struct tcpu *t)
{
	struct engine *e = t->e;

	exclusive_begin(t);
	engine_lock(e);
	segment_settle(e, &e->seg[e->current]);
	e->current = e->victim;
	segment_empty(e, &e->seg[e->current]);
	engine_unlock(e);
	for (unsigned i = 0; i < e->vm->cpu_count; i++)
		jc_clear(tcpu_of(e->vm->cpus[i]));
	ucode_renumber(e);
	t->stats.evictions++;
	exclusive_end(t);
}

/* To @room entries of @size bytes. */
static void *grow(const struct segment *s, void *old, unsigned room,
		  size_t size)
{
	void *n = host_alloc(room * size);

	if (n)
		copy_bytes(n, old, s->count * size);
	return n;
}

static bool make_room(struct segment *s)
{
	unsigned room = s->room ? 2 * s->room : 1024;
	struct block **blocks = grow(s, s->blocks, room, sizeof(*blocks));
	u32 *hot = grow(s, s->hot.at, room, sizeof(*hot));
	u32 *cold = grow(s, s->cold.at, room, sizeof(*cold));

	if (!blocks || !hot || !cold) {
		host_free(blocks);
		host_free(hot);
		host_free(cold);
		return false;
	}
	host_free(s->blocks);
	host_free(s->hot.at);
	host_free(s->cold.at);
	s->blocks = blocks;
	s->hot.at = hot;
	s->cold.at = cold;
	s->room = room;
	return true;
}

bool cache_add(struct segment *s, struct block *b)
{
	if (s->count == s->room && !make_room(s))
		return false;
	s->hot.at[s->count] = (u32)(b->host - s->hot.rx);
	s->cold.at[s->count] = (u32)(b->cold - s->cold.rx);
	s->blocks[s->count++] = b;
	return true;
}

/* The last of the segment's blocks that begins at @pc or before, which lies in
 * part @p; of the blocks themselves it looks at none, as they are far apart. */
static struct block *last_before(const struct segment *s,
				 const struct segment_part *p, const u8 *pc)
{
	unsigned lo = 0, hi = s->count;
	u64 at = (u64)(pc - p->rx);

	if (pc < p->rx || at >= p->used)
		return NULL;
	while (lo + 1 < hi) {
		unsigned mid = (lo + hi) / 2;

		if (p->at[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return lo < hi ? s->blocks[lo] : NULL;
}

struct block *cache_find(const struct engine *e, const u8 *pc)
{
	for (unsigned i = 0; i < CACHE_SEGMENTS; i++) {
		const struct segment *s = &e->seg[i];
		struct block *b = last_before(s, &s->hot, pc);

		if (b && pc >= b->host && pc < b->host + b->host_bytes)
			return b;
		b = last_before(s, &s->cold, pc);
		if (b && pc >= b->cold && pc < b->cold + b->cold_bytes)
			return b;
	}
	return NULL;
}
