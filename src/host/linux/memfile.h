/* SPDX-License-Identifier: Apache-2.0 */
/* memfile.h - memory files and aligned places to map them. */
#ifndef DOPPEL_HOST_LINUX_MEMFILE_H
#define DOPPEL_HOST_LINUX_MEMFILE_H

#include "base/base.h"

#define HUGE_BYTES MiB(2)

/* A file descriptor, or -errno. */
int memfile_create(const char *name, u64 bytes);
/* Address space for @bytes, aligned to HUGE_BYTES, inaccessible; MAP_FAILED
 * and errno. */
void *memfile_reserve(u64 bytes);

#endif
