/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap.c - the C library's heap, made safe for callers whose vector registers
 * are the guest's: malloc and free are compiled with SSE and clear memory with
 * whatever is widest. Allocation is rare enough to save and restore around it.
 */
#include <stdlib.h>

#include "host/host.h"
#include "host/linux/vector.h"

void *host_alloc(size_t bytes)
{
	struct vector_save save;
	void *p;

	vector_save(&save);
	p = calloc(1, bytes ? bytes : 1);
	vector_restore(&save);
	return p;
}

void host_free(void *p)
{
	struct vector_save save;
	int saved_errno = errno;

	if (!p)
		return;
	vector_save(&save);
	free(p);
	vector_restore(&save);
	errno = saved_errno;
}
