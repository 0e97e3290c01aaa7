/* SPDX-License-Identifier: Apache-2.0 */
/* memfile.c - memory files and aligned places to map them. */
#include "host/linux/memfile.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Linux 6.3; not in glibc 2.36. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

int memfile_create(const char *name, u64 bytes)
{
	/* Sealed against execve, not against PROT_EXEC: hosts with the sysctl
	 * vm.memfd_noexec insist on it, older ones do not know it. */
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
	int err;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

void *memfile_reserve(u64 bytes)
{
	u8 *p = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u8 *aligned;
	u64 head;

	if (p == MAP_FAILED)
		return p;
	aligned = (u8 *)align_up((uintptr_t)p, HUGE_BYTES);
	head = (u64)(aligned - p);
	if (head)
		munmap(p, head);
	/* The tail begins on a page even if @bytes ends within one. */
	bytes = align_up(bytes, PAGE_SIZE);
	if (head < HUGE_BYTES)
		munmap(aligned + bytes, HUGE_BYTES - head);
	return aligned;
}
