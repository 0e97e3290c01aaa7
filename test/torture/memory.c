/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - what the kernel tells all processors: that pages have moved, and
 * what a program tells them itself: that code has changed.
 */
#include "torture.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- a page that moves: thread 0 maps one of two in one place, in turn --- */

static unsigned long *place;
static int file = -1;
static unsigned sequence ALIGNED(LINE);

static bool move_prepare(unsigned threads, unsigned long each)
{
	unsigned long value;

	if (file < 0) {
		file = memfd_create("torture", 0);
		for (value = 0; file >= 0 && value < 2; value++)
			if (pwrite(file, &value, sizeof(value),
				   (off_t)(value * PAGE)) != sizeof(value))
				return false;
		if (file < 0 || ftruncate(file, 2 * PAGE))
			return false;
	}
	place = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	sequence = 0;
	return place != MAP_FAILED;
}

static void move_write(struct worker *w)
{
	for (; w->done < w->operations; w->done++) {
		unsigned long n = w->done + 1;

		STORE(&sequence, sequence + 1);
		if (mmap(place, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, file,
			 (off_t)(n % 2 * PAGE)) == MAP_FAILED) {
			wrong("mmap fails");
			return;
		}
		STORE(&sequence, sequence + 1);
		spend(random_below(w, 2000));
	}
}

static void move_read(struct worker *w)
{
	while (LOAD(&sequence) / 2 < w->operations && !gone_wrong()) {
		unsigned s = LOAD(&sequence);
		unsigned long v = PLAIN(*place);

		/* PAIRS: move_write(). */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(s & 1) && LOAD(&sequence) == s && v != s / 2 % 2)
			wrong("mapping %u shows page %lu", s / 2, v);
		w->done++;
	}
}

static void move(struct worker *w)
{
	if (w->index)
		move_read(w);
	else
		move_write(w);
}

static void move_check(unsigned threads, unsigned long each)
{
	munmap(place, PAGE);
}

/*
 * --- code that changes: thread 0 changes the number that a function returns.
 * What is stored before a number is published is run by whoever has seen that
 * and serialized. SDM 3A 8.1.3 "Handling Self- and Cross-Modifying Code" ---
 */
static unsigned char *code;
static unsigned current ALIGNED(LINE);

#define NUMBER_AT 12 /* aligned, as the instruction is changed in one store */

static bool code_prepare(unsigned threads, unsigned long each)
{
	static const unsigned char text[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

	if (!code) {
		code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (code == MAP_FAILED) {
			code = NULL;
			return false;
		}
	}
	memcpy(code + NUMBER_AT - 1, text, sizeof(text));
	current = 0;
	return true;
}

static unsigned call(void)
{
	return ((unsigned (*)(void))(void *)(code + NUMBER_AT - 1))();
}

static void serialize(void)
{
	unsigned a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d)
			 : : "memory");
}

static void code_write(struct worker *w)
{
	for (; w->done < w->operations; w->done++) {
		unsigned n = (unsigned)w->done + 1;

		STORE((unsigned *)(void *)(code + NUMBER_AT), n);
		if (n % 2) {
			serialize();
			if (call() != n)
				wrong("the writer itself runs %u, not %u",
				      call(), n);
		}
		STORE(&current, n);
		spend(random_below(w, 5000));
	}
}

static void code_run(struct worker *w)
{
	unsigned seen;

	while ((seen = LOAD(&current)) < w->operations && !gone_wrong()) {
		unsigned got, after;

		serialize();
		got = call();
		after = LOAD(&current);
		if (got < seen || got > after + 1)
			wrong("runs %u; %u before, %u after", got, seen, after);
		w->done++;
	}
}

static void change_code(struct worker *w)
{
	if (w->index)
		code_run(w);
	else
		code_write(w);
}

/* --- protection that comes and goes, and pages that do, of threads' own --- */

#define OWN_PAGES 16

static void own(struct worker *w)
{
	unsigned long value = w->index;

	for (; w->done < w->operations && !gone_wrong(); w->done++) {
		unsigned long *p = mmap(NULL, OWN_PAGES * PAGE,
					PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			wrong("mmap fails");
			return;
		}
		for (unsigned i = 0; i < OWN_PAGES; i++) {
			unsigned long *q = p + i * PAGE / sizeof(*p);

			if (PLAIN(*q))
				wrong("a new page has %lx", *q);
			PLAIN(*q) = ++value;
		}
		mprotect(p, OWN_PAGES / 2 * PAGE, PROT_READ);
		mprotect(p, OWN_PAGES / 2 * PAGE, PROT_READ | PROT_WRITE);
		for (unsigned i = OWN_PAGES; i--; value--) {
			unsigned long *q = p + i * PAGE / sizeof(*p);

			if (PLAIN(*q) != value)
				wrong("%lx is %lx", value, *q);
			PLAIN(*q) = ~0ul;
		}
		munmap(p, OWN_PAGES * PAGE);
		value += 1ul << 32;
	}
}

const struct torture memory_tab[] = {
	{ "page that moves", 20000, 1, move_prepare, move, move_check },
	{ "code that changes", 20000, 1, code_prepare, change_code, NULL },
	{ "pages of one's own", 8000, 1, NULL, own, NULL },
	{ NULL },
};
