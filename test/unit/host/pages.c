/* SPDX-License-Identifier: Apache-2.0 */
/* pages.c - guest RAM, tables, heap and the two views of code memory. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"
#include "tap.h"

static u64 resident_kib(void)
{
	char line[256];
	u64 kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtoull(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static void test_ram(void)
{
	u64 bytes = GiB(2), before = resident_kib();
	hva_t p;
	int fd;
	u8 *other;

	if (!tap_check(host_ram_alloc(bytes, &p, &fd) == 0, "2 GiB of RAM"))
		return;
	tap_equal((uintptr_t)p % MiB(2), 0, "aligned to huge pages");
	for (u64 at = 0; at < MiB(16); at += PAGE_SIZE)
		p[MiB(512) + at] = (u8)(at >> 12);
	p[bytes - 1] = 0x77;
	tap_check(resident_kib() - before < 20 * 1024,
		  "costs what was touched: %llu KiB",
		  (unsigned long long)(resident_kib() - before));
	other = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd,
		     (off_t)(bytes - PAGE_SIZE));
	tap_check(other != MAP_FAILED && other[PAGE_SIZE - 1] == 0x77,
		  "another mapping of the file sees it");
	p[PAGE_SIZE] = 1;
	p[2 * PAGE_SIZE] = 2;
	tap_equal(host_ram_discard(p + PAGE_SIZE, PAGE_SIZE, fd, PAGE_SIZE), 0,
		  "discard");
	tap_check(p[PAGE_SIZE] == 0 && p[2 * PAGE_SIZE] == 2,
		  "zero there, and only there");
	host_ram_discard(p, bytes, fd, 0);
	tap_check(resident_kib() - before < 2 * 1024, "and given back");
	if (other != MAP_FAILED)
		munmap(other, PAGE_SIZE);
	host_ram_free(p, bytes, fd);
	tap_check(fcntl(fd, F_GETFD) < 0, "closed");
	tap_check(host_ram_alloc(1ull << 60, &p, &fd) < 0 && !p,
		  "an absurd size is refused");
	host_ram_free(NULL, 0, -1);
}

static void test_tables(void)
{
	u8 *p = host_pages_alloc(GiB(8)), *small;

	tap_check(p && p[0] == 0 && p[GiB(8) - 1] == 0, "8 GiB of zeroes");
	host_pages_free(p, GiB(8));
	host_pages_free(NULL, 4096);

	p = host_pages_alloc_huge(MiB(4) + 5);
	tap_check(p && p[0] == 0 && p[MiB(4) + 4] == 0 &&
			  (uintptr_t)p % MiB(2) == 0,
		  "zeroes, aligned for huge pages");
	host_pages_free(p, MiB(4) + 5);
	p = host_pages_alloc_huge(100);
	tap_check(p && p[99] == 0, "or too few for one");
	host_pages_free(p, 100);

	small = host_alloc(100);
	for (int i = 0; small && i < 100; i++)
		if (small[i])
			small = NULL;
	tap_check(small && (uintptr_t)small % 16 == 0, "zeroed and aligned");
	host_free(small);
	host_free(NULL);
	small = host_alloc(0);
	tap_check(small != NULL, "nothing is an allocation too");
	host_free(small);
#ifndef __SANITIZE_ADDRESS__ /* which ends the process instead */
	tap_check(!host_alloc(~(size_t)0 / 2), "too much is NULL");
#endif
}

/* The guest's vector registers live through the heap. */
static void test_vectors(void)
{
	u64 before[2] = { 0x1122334455667788, 0x99aabbccddeeff00 }, after[2];
	u32 mxcsr = 0x1f80 | 0x6000, mxcsr_after; /* round to zero */
	u16 fcw = 0x0f7f, fcw_after;
	void *p;

	__asm__ volatile("movups %1, %%xmm0\n\t"
			 "ldmxcsr %2\n\tfldcw %3"
			 :
			 : "m"(*before), "m"(before), "m"(mxcsr), "m"(fcw)
			 : "xmm0");
	p = host_alloc(5000);
	host_free(p);
	__asm__ volatile("movups %%xmm0, %0\n\tstmxcsr %1\n\tfnstcw %2\n\t"
			 "fninit"
			 : "=m"(after), "=m"(mxcsr_after), "=m"(fcw_after));
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	tap_check(p && !memcmp(before, after, 16), "xmm0 survives the heap");
	tap_check((mxcsr_after & 0x6000) == 0x6000 && fcw_after == 0x0f7f,
		  "so do the control words");
}

typedef int (*code_fn)(void);

static int helper(void)
{
	return 5;
}

static void test_code(void)
{
	static const u8 mov_ret[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	struct host_code c;

	tap_equal(host_code_alloc(&c, MiB(1)), -EINVAL, "a wrong size");
	if (!tap_check(host_code_alloc(&c, MiB(64)) == 0, "code memory"))
		return;
	memcpy(c.rw + MiB(64) - 6, mov_ret, sizeof(mov_ret));
	tap_equal(((code_fn)(uintptr_t)(c.rx + MiB(64) - 6))(), 42,
		  "written here, executed there");
	host_code_settle(&c, MiB(62), MiB(2));
	tap_equal(((code_fn)(uintptr_t)(c.rx + MiB(64) - 6))(), 42,
		  "the same when it has settled");
	c.rw[MiB(64) - 5] = 43;
	tap_equal(((code_fn)(uintptr_t)(c.rx + MiB(64) - 6))(), 43,
		  "written once more");
	tap_check(host_code_reaches(&c, (void *)(uintptr_t)helper),
		  "our own code is within reach of rel32");
	if (host_code_reaches(&c, (void *)(uintptr_t)helper)) {
		u8 *from = c.rx;
		s64 rel = (s64)((uintptr_t)helper - ((uintptr_t)from + 5));

		tap_check(rel == (s32)rel, "rel32 from the start");
		c.rw[0] = 0xe9;
		memcpy(c.rw + 1, &rel, 4);
		tap_equal(((code_fn)(uintptr_t)from)(), 5, "jmp helper");
	}
	tap_check(!host_code_reaches(&c, c.rx + GiB(3)) &&
			  !host_code_reaches(&c, c.rx - GiB(3)),
		  "far is far");
	host_code_free(&c);
	tap_check(!c.rx, "freed");
	host_code_free(&c);
}

/* Neither view may be made what the other is, by a look at the kernel's map. */
static void test_wx(void)
{
	struct host_code c;
	char line[512];
	FILE *f;
	int views = 0, wx = 0;

	if (host_code_alloc(&c, MiB(2)))
		return;
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		views += strstr(line, "doppel-code") != NULL;
		wx += strstr(line, "rwx") != NULL;
	}
	if (f)
		fclose(f);
	tap_check(views == 2 && !wx, "two views, none of them rwx");
	host_code_free(&c);
}

int main(void)
{
	test_ram();
	test_tables();
	test_vectors();
	test_code();
	test_wx();
	return tap_done();
}
