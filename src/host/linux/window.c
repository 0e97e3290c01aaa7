/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - guest pages at addresses of the caller's choice.
 *
 * As for RAM itself, the guest's secrets are not for a core dump. To say so of
 * each mapping takes a good part of the time that it takes to make it; so it
 * is said once, of whatever shared memory the process has that is in no file
 * system: "anonymous shared" to core(5).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"

#define DUMPS_ANONYMOUS_SHARED 2u

#define NOTHING (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static bool dumps_shared = true;

static unsigned digit_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/*
 * The filter is a number of hexadecimal digits, of which the last holds what
 * is wanted, and a newline; it is written with 0x. Without the C library's
 * help, for that uses vector registers.
 */
static void dump_no_shared(void)
{
	int fd = open("/proc/self/coredump_filter", O_RDWR | O_CLOEXEC);
	char text[32] = "0x", *last;
	ssize_t n;

	if (fd < 0)
		return;
	n = pread(fd, text + 2, sizeof(text) - 2, 0);
	if (n >= 2) {
		last = &text[n];
		*last = "0123456789abcdef"[digit_value(*last) & 0xf &
					   ~DUMPS_ANONYMOUS_SHARED];
		if (pwrite(fd, text, (size_t)n + 1, 0) > 0)
			__atomic_store_n(&dumps_shared, false,
					 __ATOMIC_RELAXED);
	}
	close(fd);
}

void *host_window_reserve(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_NONE, NOTHING, -1, 0);

	if (__atomic_load_n(&dumps_shared, __ATOMIC_RELAXED))
		dump_no_shared();
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
	if (unlikely(__atomic_load_n(&dumps_shared, __ATOMIC_RELAXED)))
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
