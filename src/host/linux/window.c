/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - guest pages at addresses of the caller's choice. */
#include <errno.h>
#include <sys/mman.h>

#include "host/host.h"

#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

void *host_window_reserve(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, NOTHING, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void host_window_free(void *p, u64 bytes)
{
	if (p)
		munmap(p, bytes);
}

static int protection(bool write)
{
	return PROT_READ | (write ? PROT_WRITE : 0);
}

int host_window_map(void *at, u64 bytes, int fd, u64 offset, bool write,
		    bool touch)
{
	int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE |
		    (touch ? MAP_POPULATE : 0);

	if (mmap(at, bytes, protection(write), flags, fd, (off_t)offset) ==
	    MAP_FAILED)
		return -errno;
	/* As for RAM itself: the guest's secrets are not for a core dump. */
	madvise(at, bytes, MADV_DONTDUMP);
	return 0;
}

int host_window_protect(void *at, u64 bytes, bool write)
{
	return mprotect(at, bytes, protection(write)) ? -errno : 0;
}

/* A process that has all the mappings it may have (vm.max_map_count) cannot
 * even replace some by one; but it can forbid any access to them. */
int host_window_unmap(void *at, u64 bytes)
{
	int rc;

	if (mmap(at, bytes, PROT_NONE, NOTHING | MAP_FIXED, -1, 0) !=
	    MAP_FAILED)
		return 0;
	rc = -errno; /* the reason, whatever mprotect says */
	return mprotect(at, bytes, PROT_NONE) ? rc : 0;
}
