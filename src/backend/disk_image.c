/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_image.c - opens, measures and locks a raw image: see disk_image.h.
 *
 * The lock is an open-file-description lock over the whole file: shared for
 * readers, exclusive for a writer. It ends with the last descriptor, however
 * the process dies, and other monitors that lock bytes of the same file by
 * fcntl see it too.
 */
#include "backend/disk_image.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/host.h"
#include "vm/backend.h"

static int open_path(const char *path, bool readonly, struct err *e)
{
	int flags = (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY |
		    O_NONBLOCK; /* a FIFO must not hold us up */
	int code, fd;

	fd = open(path, flags);
	if (fd >= 0)
		return fd;
	code = -errno;
	switch (code) {
	case -ENOENT:
		return err_set(e, code, "there is no disk image %s: create "
			       "one, for example with truncate -s 8G", path);
	case -EACCES:
	case -EPERM:
	case -EROFS:
		if (!readonly)
			return err_set(e, code, "%s may not be written: "
				       "change its permissions or open it "
				       "read-only", path);
		return err_set(e, code, "%s may not be read: change its "
			       "permissions", path);
	case -EISDIR:
		return err_set(e, code, "%s is a directory: name a disk "
			       "image in it", path);
	}
	return err_set(e, code, "cannot open the disk image %s: %s", path,
		       strerror(-code));
}

static int measure(struct disk_image *i, const struct stat *st,
		   const char *path, struct err *e)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		i->bytes = (u64)st->st_size;
		break;
	case S_IFBLK:
		if (ioctl(i->fd, BLKGETSIZE64, &i->bytes))
			return err_set(e, -errno, "cannot learn the size of "
				       "%s: %s", path, strerror(errno));
		break;
	case S_IFDIR:
		return err_set(e, -EISDIR, "%s is a directory: name a disk "
			       "image in it", path);
	default:
		return err_set(e, -EINVAL, "%s is neither a file nor a block "
			       "device: a disk needs one of these", path);
	}
	if (!i->bytes)
		return err_set(e, -EINVAL, "the disk image %s is empty: give "
			       "it a size, for example with truncate -s 8G",
			       path);
	if (i->bytes % DISK_SECTOR)
		return err_set(e, -EINVAL, "the size of %s, %llu bytes, is "
			       "not a multiple of 512: is it a raw disk "
			       "image? If so, truncate -s %%512 extends it",
			       path, (unsigned long long)i->bytes);
	return 0;
}

/* Formats that a person may well take for a raw disk. */
static int refuse_formats(const struct disk_image *i, const char *path,
			  struct err *e)
{
	static const struct {
		const char *magic;
		size_t bytes;
		const char *name;
	} format_tab[] = {
		{ "QFI\xfb", 4, "qcow2" },
		{ "KDMV", 4, "vmdk" },
		{ "vhdxfile", 8, "vhdx" },
	};
	char head[8] = { 0 };

	if (pread(i->fd, head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return err_set(e, -EIO, "cannot read the disk image %s",
			       path);
	for (size_t n = 0; n < ARRAY_SIZE(format_tab); n++)
		if (!memcmp(head, format_tab[n].magic, format_tab[n].bytes))
			return err_set(e, -EINVAL, "%s is a %s image, and "
				       "only raw ones are understood: convert "
				       "it with qemu-img convert -O raw", path,
				       format_tab[n].name);
	return 0;
}

static int take_lock(const struct disk_image *i, bool readonly,
		     const char *path, struct err *e)
{
	struct flock l = { .l_type = readonly ? F_RDLCK : F_WRLCK,
			   .l_whence = SEEK_SET };

	if (!fcntl(i->fd, F_OFD_SETLK, &l))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(e, -EBUSY, "the disk image %s is in use by "
			       "another virtual machine: stop that one%s",
			       path, readonly ? "" :
			       ", or open the image read-only in both");
	/* Some network file systems cannot lock at all. */
	if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL) {
		host_log(HOST_LOG_WARN, "a disk image cannot be locked where "
			 "it is stored: do not start a second machine on it");
		return 0;
	}
	return err_set(e, -errno, "cannot lock the disk image %s: %s", path,
		       strerror(errno));
}

/* A block device that is mounted is somebody's, too; only O_EXCL tells. */
static int claim_device(struct disk_image *i, const char *path,
			struct err *e)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL);

	if (fd < 0 && errno == EBUSY)
		return err_set(e, -EBUSY, "the block device %s is in use by "
			       "the host: unmount it first", path);
	if (fd < 0)
		return err_set(e, -errno, "cannot open the block device %s: "
			       "%s", path, strerror(errno));
	close(i->fd);
	i->fd = fd;
	return 0;
}

int disk_image_open(struct disk_image *i, const char *path, bool readonly,
		    struct err *e)
{
	struct statfs fs;
	struct stat st;
	int r;

	*i = (struct disk_image){ .fd = open_path(path, readonly, e) };
	if (i->fd < 0)
		return i->fd;
	if (fstat(i->fd, &st)) {
		r = err_set(e, -errno, "cannot examine %s: %s", path,
			    strerror(errno));
		goto fail;
	}
	if (S_ISBLK(st.st_mode) && !readonly) {
		r = claim_device(i, path, e);
		if (r)
			goto fail;
	}
	r = measure(i, &st, path, e);
	if (!r)
		r = take_lock(i, readonly, path, e);
	if (!r)
		r = refuse_formats(i, path, e);
	if (r)
		goto fail;
	fcntl(i->fd, F_SETFL, fcntl(i->fd, F_GETFL) & ~O_NONBLOCK);
	i->in_memory = S_ISREG(st.st_mode) && !fstatfs(i->fd, &fs) &&
		       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
	return 0;
fail:
	close(i->fd);
	i->fd = -1;
	return r;
}
