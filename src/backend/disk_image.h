/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_image.h - opening a raw image so that nobody else changes it: what it
 * is, how big, and who holds it.
 */
#ifndef DOPPEL_BACKEND_DISK_IMAGE_H
#define DOPPEL_BACKEND_DISK_IMAGE_H

#include "base/base.h"
#include "base/err.h"

struct disk_image {
	int fd;
	u64 bytes; /* a multiple of DISK_SECTOR, not 0 */
	bool in_memory; /* its file system never waits for a device */
};

int disk_image_open(struct disk_image *i, const char *path, bool readonly,
		    struct err *e) MUST_CHECK;

#endif
