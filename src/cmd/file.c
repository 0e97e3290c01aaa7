/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - see file.h. Files are read and not mapped: one that shrinks while
 * it is mapped would end us with a SIGBUS.
 */
#include "cmd/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_BYTES MiB(1) /* for streams, which do not tell their size */

static int read_all(struct file *f, int fd, u64 room)
{
	for (;;) {
		ssize_t n;

		if (f->bytes == room || !f->p) {
			u8 *p;

			/* One more byte than the file has shows its end. */
			room = f->p ? 2 * room : room + 1;
			p = realloc(f->p, room);
			if (!p)
				return -ENOMEM;
			f->p = p;
		}
		n = read(fd, f->p + f->bytes, room - f->bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return 0;
		f->bytes += (u64)n;
	}
}

int file_read(struct file *f, const char *path, const char *what, struct err *e)
{
	struct stat st;
	int fd, r;

	if (f->p)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(e, -errno, "cannot open the %s '%.120s': %s",
			       what, path, strerror(errno));
	r = fstat(fd, &st) ? -errno : S_ISDIR(st.st_mode) ? -EISDIR : 0;
	if (!r) {
		f->stream = !S_ISREG(st.st_mode);
		r = read_all(f, fd, f->stream ? FIRST_BYTES : (u64)st.st_size);
	}
	close(fd);
	if (r) {
		file_fini(f);
		return err_set(e, r, "cannot read the %s '%.120s': %s", what,
			       path, strerror(-r));
	}
	return 0;
}

void file_drop(struct file *f)
{
	if (!f->stream)
		file_fini(f);
}

void file_fini(struct file *f)
{
	free(f->p);
	*f = (struct file){ 0 };
}
