/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pages.c - guest RAM and big tables.
 *
 * RAM is a memory file, so that vhost-user back ends and workers can map it.
 * It is aligned for huge pages but does not ask for them: where the host grants
 * them to memory files, one touched page would cost 2 MiB, and the promise is
 * that a machine costs what it has touched. An administrator who wants them
 * sets transparent_hugepage/shmem_enabled to always.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/host.h"
#include "host/linux/memfile.h"

int host_ram_alloc(u64 bytes, hva_t *p, int *fd)
{
	void *at;
	int err;

	*p = NULL;
	*fd = memfile_create("doppel-ram", bytes);
	if (*fd < 0)
		return *fd;
	at = memfile_reserve(bytes);
	if (at == MAP_FAILED)
		goto fail;
	if (mmap(at, bytes, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED, *fd,
		 0) == MAP_FAILED) {
		err = errno;
		munmap(at, bytes);
		errno = err;
		goto fail;
	}
	/* A core dump is for our state, not for the guest's secrets. */
	madvise(at, bytes, MADV_DONTDUMP);
	*p = at;
	return 0;
fail:
	err = errno;
	close(*fd);
	*fd = -1;
	return -err;
}

void host_ram_free(hva_t p, u64 bytes, int fd)
{
	if (!p)
		return;
	munmap(p, bytes);
	close(fd);
}

int host_ram_discard(hva_t p, u64 bytes, int fd, u64 offset)
{
	(void)p; /* all mappings of the file lose the pages */
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)offset, (off_t)bytes) < 0)
		return -errno;
	return 0;
}

void *host_pages_alloc(u64 bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Linux makes a huge page only where all of it lies within the mapping: so the
 * mapping begins at one, and ends with the table, whose last part may stay
 * small pages. Nothing is committed beyond @bytes.
 */
#define HUGE_PAGE MiB(2)

void *host_pages_alloc_huge(u64 bytes)
{
	u64 whole = align_up(bytes, PAGE_SIZE);
	u8 *p, *at;

	if (bytes < HUGE_PAGE)
		return host_pages_alloc(bytes);
	p = host_pages_alloc(whole + HUGE_PAGE);
	if (!p)
		return NULL;
	at = (u8 *)align_up((uintptr_t)p, HUGE_PAGE);
	if (at != p)
		munmap(p, (size_t)(at - p));
	munmap(at + whole, (size_t)(p + HUGE_PAGE - at));
	/* Only advice: who cannot have them does without. */
	madvise(at, whole, MADV_HUGEPAGE);
	return at;
}

void host_pages_free(void *p, u64 bytes)
{
	if (p)
		munmap(p, bytes);
}

int host_pages_forbid(void *p, u64 bytes)
{
	return mprotect(p, bytes, PROT_NONE) ? -errno : 0;
}
