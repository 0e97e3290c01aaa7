/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code.c - the code cache's two views of one memory file.
 *
 * rx is executed and never writable, rw is written and never executable, and
 * nothing tells the address of one from that of the other.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"
#include "host/linux/memfile.h"

/* An address in the middle of our own program. */
extern const char __executable_start[], etext[];

#define REL32_REACH (GiB(2) - MiB(1))

static bool near(u64 lo, u64 hi)
{
	u64 first = lo < (uintptr_t)__executable_start ?
			lo : (uintptr_t)__executable_start;
	u64 last = hi > (uintptr_t)etext ? hi : (uintptr_t)etext;

	return last - first < REL32_REACH;
}

/*
 * Reserves room below our own program, where nothing grows: the heap is above
 * it. Falls back to anywhere.
 */
static void *reserve_near(u64 bytes)
{
	u64 at = align_down((uintptr_t)__executable_start, HUGE_BYTES);

	for (at -= bytes + MiB(16); near(at, at + bytes) && at > GiB(1);
	     at -= MiB(64)) {
		void *p = mmap((void *)at, bytes, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				       MAP_FIXED_NOREPLACE,
			       -1, 0);

		if (p == (void *)at)
			return p;
		/* A kernel that does not know the flag takes it as a hint. */
		if (p != MAP_FAILED)
			munmap(p, bytes);
	}
	return memfile_reserve(bytes);
}

static int map_view(void *at, u64 bytes, int prot, int fd)
{
	if (at == MAP_FAILED)
		return -errno;
	if (mmap(at, bytes, prot, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
		 0) == MAP_FAILED)
		return -errno;
	/* The cache fills from one end: huge pages cost at most one more. */
	madvise(at, bytes, MADV_HUGEPAGE);
	return 0;
}

int host_code_alloc(struct host_code *c, u64 bytes)
{
	void *rx, *rw;
	int fd, err;

	*c = (struct host_code){ 0 };
	if (!bytes || bytes % HUGE_BYTES)
		return -EINVAL;
	fd = memfile_create("doppel-code", bytes);
	if (fd < 0)
		return fd;
	rx = reserve_near(bytes);
	rw = memfile_reserve(bytes);
	err = map_view(rx, bytes, PROT_READ | PROT_EXEC, fd);
	if (!err)
		err = map_view(rw, bytes, PROT_READ | PROT_WRITE, fd);
	close(fd); /* the mappings keep the memory */
	if (err) {
		if (rx != MAP_FAILED)
			munmap(rx, bytes);
		if (rw != MAP_FAILED)
			munmap(rw, bytes);
		return err;
	}
	*c = (struct host_code){ .rx = rx, .rw = rw, .bytes = bytes };
	return 0;
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

/* Works, too, where memory files get no huge pages otherwise. */
void host_code_settle(struct host_code *c, u64 offset, u64 bytes)
{
	madvise(c->rx + offset, bytes, MADV_COLLAPSE);
}

void host_code_free(struct host_code *c)
{
	if (c->rx) {
		munmap(c->rx, c->bytes);
		munmap(c->rw, c->bytes);
	}
	*c = (struct host_code){ 0 };
}

bool host_code_reaches(const struct host_code *c, const void *target)
{
	u64 t = (uintptr_t)target, first = (uintptr_t)c->rx;
	u64 last = first + c->bytes;

	return t >= first ? t - first < REL32_REACH : last - t < REL32_REACH;
}
