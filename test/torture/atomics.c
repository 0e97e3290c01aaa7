/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atomics.c - LOCKed instructions on operands within a line, over two lines and
 * over two pages, of each size, by all threads at once. Nothing may get lost,
 * and each returned value may be seen by one thread only.
 *
 * The words lie at different places of two pages that the process has side by
 * side, but the machine need not: the second was touched long before the first.
 */
#include "torture.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Where an operand of so many bytes begins. */
enum where { WITHIN, OVER_LINES, OVER_PAGES, WHERES };
static const char *const where_names[] = { "in a line", "over two lines",
					   "over two pages" };
#define SIZES 3 /* 2, 4, 8 bytes */

static char *pages;

static void *operand(enum where where, unsigned size)
{
	unsigned at = where == OVER_PAGES ? PAGE - size / 2 :
		      where == WITHIN	  ? size * 2 * LINE + LINE / 2 :
					    size * 4 * LINE - size / 2;

	return pages + at;
}

/* Those over two pages would overlap: they take turns. */
static unsigned crossing;

static bool pages_make(void)
{
	if (!pages) {
		pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED) {
			pages = NULL;
			return false;
		}
		pages[PAGE] = 0;
	}
	memset(pages, 0, 2 * PAGE);
	return true;
}

static bool atomics_prepare(unsigned threads, unsigned long each)
{
	crossing = crossing % SIZES + 1;
	return pages_make();
}

static bool skipped(enum where where, unsigned size)
{
	return where == OVER_PAGES && size != 1u << crossing;
}

static uint64_t read_operand(enum where where, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, operand(where, size), size);
	return v;
}

#define LOCKED(name, text)                                                     \
	static void name##_2(void *p, uint64_t *v)                             \
	{                                                                      \
		uint16_t x = (uint16_t)*v;                                     \
		__asm__ volatile(text("w")                                     \
				 : "+r"(x), "+m"(*(uint16_t *)p)               \
				 : : "memory", "cc");                          \
		*v = x;                                                        \
	}                                                                      \
	static void name##_4(void *p, uint64_t *v)                             \
	{                                                                      \
		uint32_t x = (uint32_t)*v;                                     \
		__asm__ volatile(text("l")                                     \
				 : "+r"(x), "+m"(*(uint32_t *)p)               \
				 : : "memory", "cc");                          \
		*v = x;                                                        \
	}                                                                      \
	static void name##_8(void *p, uint64_t *v)                             \
	{                                                                      \
		uint64_t x = *v;                                               \
		__asm__ volatile(text("q")                                     \
				 : "+r"(x), "+m"(*(uint64_t *)p)               \
				 : : "memory", "cc");                          \
		*v = x;                                                        \
	}                                                                      \
	static void (*const name[])(void *, uint64_t *) = { name##_2,          \
							    name##_4, name##_8 };

#define ADD(suffix) "lock add" suffix " %0, %1"
#define XADD(suffix) "lock xadd" suffix " %0, %1"
#define EXCHANGE(suffix) "xchg" suffix " %0, %1"
LOCKED(add, ADD)
LOCKED(xadd, XADD)
LOCKED(exchange, EXCHANGE)

/* A value that one thread's XADD or CMPXCHG replaced by a greater one comes no
 * more. They wrap with 2 bytes. */
static void must_grow(uint64_t v, uint64_t *before, unsigned size,
		      const char *what, enum where where)
{
	uint64_t d = v - *before;

	if (size == 2 ? (uint16_t)d == 0 : size == 4 ? (int32_t)d <= 0 :
						       (int64_t)d <= 0)
		wrong("%s of %u bytes %s: %llx after %llx", what, size,
		      where_names[where], (unsigned long long)v,
		      (unsigned long long)*before);
	*before = v;
}

static void adds(struct worker *w)
{
	uint64_t before[WHERES][SIZES];
	bool any = false;

	for (; w->done < w->operations && !gone_wrong(); w->done++, any = true)
		for (unsigned k = 0; k < WHERES * SIZES; k++) {
			enum where where = k / SIZES;
			unsigned i = k % SIZES, size = 2u << i;
			uint64_t *b = &before[where][i], v = 1;

			if (skipped(where, size))
				continue;
			if (w->done & 1) {
				add[i](operand(where, size), &v);
				continue;
			}
			xadd[i](operand(where, size), &v);
			if (any)
				must_grow(v, b, size, "XADD", where);
			*b = v;
		}
}

static void adds_check(unsigned threads, unsigned long each)
{
	for (unsigned k = 0; k < WHERES * SIZES; k++) {
		enum where where = k / SIZES;
		unsigned size = 2u << k % SIZES;
		uint64_t v = read_operand(where, size), want = threads * each;

		if (size == 2)
			want = (uint16_t)want;
		if (!skipped(where, size) && v != want)
			wrong("%u bytes %s: %llu of %llu", size,
			      where_names[where], (unsigned long long)v,
			      (unsigned long long)want);
	}
}

/* --- compare and exchange: each success adds one --- */

static uint64_t cas(void *p, unsigned size, uint64_t old, uint64_t new)
{
	if (size == 2)
		__asm__ volatile("lock cmpxchgw %w2, %1"
				 : "+a"(old), "+m"(*(uint16_t *)p)
				 : "r"(new) : "memory", "cc");
	else if (size == 4)
		__asm__ volatile("lock cmpxchgl %k2, %1"
				 : "+a"(old), "+m"(*(uint32_t *)p)
				 : "r"(new) : "memory", "cc");
	else
		__asm__ volatile("lock cmpxchgq %2, %1"
				 : "+a"(old), "+m"(*(uint64_t *)p)
				 : "r"(new) : "memory", "cc");
	return size == 8 ? old : old & ((1ull << 8 * size) - 1);
}

static void exchanges(struct worker *w)
{
	for (; w->done < w->operations && !gone_wrong(); w->done++)
		for (unsigned k = 0; k < WHERES * SIZES; k++) {
			enum where where = k / SIZES;
			unsigned size = 2u << k % SIZES;
			void *p = operand(where, size);
			uint64_t old = 0, seen;

			if (skipped(where, size))
				continue;
			while ((seen = cas(p, size, old, old + 1)) != old)
				old = seen;
		}
}

/*
 * --- torn or not: each thread writes its own number in each byte, by XCHG,
 * and gets all of somebody's ---
 */
static void tear(struct worker *w)
{
	uint64_t mine = 0x0101010101010101ull * (w->index + 1);

	for (; w->done < w->operations && !gone_wrong(); w->done++)
		for (unsigned k = 0; k < WHERES * SIZES; k++) {
			enum where where = k / SIZES;
			unsigned i = k % SIZES, size = 2u << i;
			uint64_t v = mine, all;

			if (skipped(where, size))
				continue;
			exchange[i](operand(where, size), &v);
			all = 0x0101010101010101ull * (v & 0xff);
			if (v != all >> (64 - 8 * size))
				wrong("XCHG of %u bytes %s: %llx", size,
				      where_names[where],
				      (unsigned long long)v);
		}
}

const struct torture atomic_tab[] = {
	{ "LOCK ADD, XADD", 20000, 1, atomics_prepare, adds, adds_check },
	{ "LOCK CMPXCHG", 20000, 1, atomics_prepare, exchanges, adds_check },
	{ "XCHG", 20000, 1, atomics_prepare, tear, NULL },
	{ NULL },
};
