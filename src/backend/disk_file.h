/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_file.h - a disk in a raw file or on a block device of the host.
 */
#ifndef DOPPEL_BACKEND_DISK_FILE_H
#define DOPPEL_BACKEND_DISK_FILE_H

#include "base/err.h"
#include "host/host.h"
#include "vm/backend.h"

struct disk_file_config {
	const char *path;
	bool readonly;
	/* The device lock, under which requests come and complete. */
	struct host_mutex *lock;
};

/*
 * Opens and locks the image. On failure *@d is NULL and @e says what to do.
 * Close it by (*d)->ops->close.
 */
int disk_file_open(struct disk **d, const struct disk_file_config *c,
		   struct err *e) MUST_CHECK;

#endif
