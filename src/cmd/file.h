/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole files in memory: kernels and initrds. */
#ifndef DOPPEL_CMD_FILE_H
#define DOPPEL_CMD_FILE_H

#include "base/base.h"
#include "base/err.h"

struct file {
	u8 *p;
	u64 bytes;
	bool stream; /* a pipe or the like: cannot be read again */
};

/*
 * Reads the file at @path, which is the guest's @what ("kernel"). One that was
 * read before is read again, unless it is a stream: then it stays as it is.
 */
int file_read(struct file *f, const char *path, const char *what,
	      struct err *e) MUST_CHECK;
/* Frees what can be read again. */
void file_drop(struct file *f);
void file_fini(struct file *f); /* zeroes are fine */

#endif
