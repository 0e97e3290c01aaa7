/* SPDX-License-Identifier: Apache-2.0 */
/* disk_file_test.c - raw images: opening, locking, transfers, trouble. */
#include "../tap.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/disk_file.h"
#include "backend/entropy_host.h"

#define MB (1024 * 1024)

static char dir[] = "/tmp/doppel-disk-XXXXXX";
static struct host_mutex lock;

/* A request and what became of it. */
struct job {
	struct disk_request r;
	struct iov iov[64];
	int status;
	bool done;
	struct host_event event;
	struct job *chain; /* submitted when this one is done */
	struct disk *disk;
};

static void job_done(struct disk_request *r, int status)
{
	struct job *j = container_of(r, struct job, r);

	j->status = status;
	j->done = true;
	if (j->chain)
		j->disk->ops->submit(j->disk, &j->chain->r);
	host_event_set(&j->event);
}

static struct job *job(struct disk *d, enum disk_op op, u64 offset, void *p,
		       size_t len)
{
	struct job *j = calloc(1, sizeof(*j));

	j->disk = d;
	j->iov[0] = (struct iov){ p, len };
	j->r = (struct disk_request){ .op = op, .offset = offset,
				      .iov = j->iov, .iov_count = p ? 1 : 0,
				      .done = job_done };
	host_event_init(&j->event);
	return j;
}

static void submit(struct job *j)
{
	host_mutex_lock(&lock);
	j->disk->ops->submit(j->disk, &j->r);
	host_mutex_unlock(&lock);
}

static int finish(struct job *j)
{
	int status;

	host_event_wait(&j->event, host_now_ns() + 10000000000ull);
	host_mutex_lock(&lock);
	status = j->done ? j->status : -ETIMEDOUT;
	host_mutex_unlock(&lock);
	free(j);
	return status;
}

static int run(struct disk *d, enum disk_op op, u64 offset, void *p,
	       size_t len)
{
	struct job *j = job(d, op, offset, p, len);

	submit(j);
	return finish(j);
}

static const char *image(const char *name, off_t bytes)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, bytes))
		abort();
	close(fd);
	return path;
}

static struct disk *open_disk(const char *path, bool readonly, int want,
			      const char *name)
{
	struct disk_file_config c = { path, readonly, &lock };
	struct err e = { "" };
	struct disk *d;
	int r = disk_file_open(&d, &c, &e);

	tap_check(r == want && (!r == !!d) && (!r == !e.text[0]), "%s: %d %s",
		  name, r, e.text);
	return d;
}

static void test_open(void)
{
	struct disk *d;
	const char *path;
	char missing[160];
	int fd;

	snprintf(missing, sizeof(missing), "%s/none", dir);
	open_disk(missing, false, -ENOENT, "missing");
	open_disk(dir, false, -EISDIR, "directory, to write");
	open_disk(dir, true, -EISDIR, "directory, to read");
	open_disk("/dev/null", false, -EINVAL, "character device");
	open_disk(image("empty", 0), false, -EINVAL, "empty");
	open_disk(image("odd", 1000), false, -EINVAL, "not whole sectors");
	path = image("fifo", 0);
	unlink(path);
	if (mkfifo(path, 0600))
		abort();
	open_disk(path, true, -EINVAL, "FIFO");
	unlink(path);
	path = image("image.qcow2", MB);
	fd = open(path, O_WRONLY);
	if (write(fd, "QFI\xfb\0\0\0\3", 8) != 8)
		abort();
	close(fd);
	open_disk(path, false, -EINVAL, "qcow2");
	path = image("one", 512);
	d = open_disk(path, false, 0, "one sector");
	tap_equal(d->bytes, 512, "its size");
	d->ops->close(d);
	chmod(path, 0400);
	if (geteuid())
		open_disk(path, false, -EACCES, "not to be written");
	d = open_disk(path, true, 0, "read-only");
	tap_check(d->readonly, "it says so");
	d->ops->close(d);
}

static void test_lock(void)
{
	const char *path = image("locked", MB);
	struct disk *a, *b;

	a = open_disk(path, false, 0, "the first");
	open_disk(path, false, -EBUSY, "a second writer");
	open_disk(path, true, -EBUSY, "a reader beside a writer");
	a->ops->close(a);
	a = open_disk(path, true, 0, "a reader");
	b = open_disk(path, true, 0, "another");
	open_disk(path, false, -EBUSY, "a writer beside readers");
	a->ops->close(a);
	b->ops->close(b);
	a = open_disk(path, false, 0, "free again");
	a->ops->close(a);

	/* In another process, and gone with it. */
	if (!fork()) {
		struct disk_file_config c = { path, false, &lock };

		if (disk_file_open(&a, &c, NULL))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	wait(NULL);
	a = open_disk(path, false, 0, "its holder was killed");
	a->ops->close(a);
}

static void test_transfers(const char *path, const char *where)
{
	struct disk *d = open_disk(path, false, 0, where);
	u8 *w = malloc(16 * MB), *r = calloc(1, 16 * MB);
	struct job *j;
	size_t at = 0;

	for (size_t i = 0; i < 16 * MB; i++)
		w[i] = (u8)(i * 31 + i / 4096);
	tap_equal(run(d, DISK_WRITE, 512, w, 4096), 0, "small write");
	tap_equal(run(d, DISK_READ, 512, r, 4096), 0, "small read");
	tap_check(!memcmp(w, r, 4096), "the same");
	tap_equal(run(d, DISK_WRITE, MB, w, 15 * MB), 0, "big write");
	tap_equal(run(d, DISK_FLUSH, 0, NULL, 0), 0, "flush");
	tap_equal(run(d, DISK_READ, MB, r, 15 * MB), 0, "big read");
	tap_check(!memcmp(w, r, 15 * MB), "the same");
	memset(r, 0, MB);
	/* Many parts, of odd sizes, out of order in memory. */
	j = job(d, DISK_READ, MB, r, 512);
	j->r.iov_count = 64;
	for (unsigned i = 0; i < 64; i++) {
		size_t len = i == 63 ? 512 * 300 - at : 1111 + i * 40;

		j->iov[i] = (struct iov){ r + at, len };
		at += len;
	}
	submit(j);
	tap_equal(finish(j), 0, "in 64 parts");
	tap_check(!memcmp(w, r, at), "the same");
	tap_equal(run(d, DISK_READ, 16 * MB - 512, r, 512), 0, "last sector");
	tap_equal(run(d, DISK_READ, 16 * MB, r, 512), -EINVAL, "behind it");
	tap_equal(run(d, DISK_WRITE, 16 * MB - 512, r, 1024), -EINVAL,
		  "over the end");
	tap_equal(run(d, DISK_READ, ~0ull << 9, r, 512), -EINVAL, "far away");
	tap_equal(run(d, DISK_READ, 0, r, 0), 0, "nothing");
	d->ops->close(d);

	d = open_disk(path, true, 0, "read-only");
	tap_equal(run(d, DISK_WRITE, 0, w, 512), -EINVAL, "no write");
	tap_equal(run(d, DISK_FLUSH, 0, NULL, 0), 0, "flush is nothing");
	tap_equal(run(d, DISK_READ, MB, r, 4096), 0, "read");
	tap_check(!memcmp(w, r, 4096), "the same");
	d->ops->close(d);
	free(w);
	free(r);
}

static void test_memory_file_system(void)
{
	char path[] = "/dev/shm/doppel-disk-XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, 16 * MB)) {
		tap_check(true, "# SKIP no /dev/shm");
		return;
	}
	close(fd);
	test_transfers(path, "in memory");
	unlink(path);
}

/* Somebody cuts the file while we use it. */
static void test_truncated(void)
{
	const char *path = image("cut", 4 * MB);
	struct disk *d = open_disk(path, false, 0, "to be cut");
	u8 *buf = malloc(4 * MB);

	if (truncate(path, MB + 100))
		abort();
	tap_equal(run(d, DISK_READ, 2 * MB, buf, 4096), -EIO, "behind the end");
	tap_equal(run(d, DISK_READ, MB, buf, 4096), -EIO, "half of it");
	tap_equal(run(d, DISK_READ, 0, buf, 4 * MB), -EIO, "big, half of it");
	tap_equal(run(d, DISK_READ, 0, buf, 4096), 0, "before the end");
	tap_equal(run(d, DISK_WRITE, 3 * MB, buf, 4096), 0, "a write extends");
	d->ops->close(d);
	free(buf);
}

static void test_limit(void)
{
	const char *path = image("limit", 4 * MB);
	struct disk *d = open_disk(path, false, 0, "with a limit");
	struct rlimit was, l;
	u8 *buf = calloc(1, 4 * MB);

	signal(SIGXFSZ, SIG_IGN); /* vCPU threads block it */
	getrlimit(RLIMIT_FSIZE, &was);
	l = (struct rlimit){ MB, was.rlim_max };
	setrlimit(RLIMIT_FSIZE, &l);
	tap_equal(run(d, DISK_WRITE, 2 * MB, buf, 4096), -EFBIG, "small");
	tap_equal(run(d, DISK_WRITE, 0, buf, 4 * MB), -EFBIG, "big");
	setrlimit(RLIMIT_FSIZE, &was);
	tap_equal(run(d, DISK_WRITE, 2 * MB, buf, 4096), 0, "well again");
	d->ops->close(d);
	free(buf);
}

static void test_full(void)
{
	struct disk *d;
	u8 *buf;

	if (access("/dev/full", W_OK))
		return;
	/* A memory that is not there: the host says EFAULT. */
	d = open_disk(image("fault", 4 * MB), false, 0, "with bad memory");
	buf = mmap(NULL, MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	tap_equal(run(d, DISK_READ, 0, buf, 4096), -EFAULT, "read fails");
	tap_equal(run(d, DISK_WRITE, 0, buf, MB), -EFAULT, "write fails");
	munmap(buf, MB);
	d->ops->close(d);
}

/* Requests from within done, drain, and close with work left. */
static void test_chains(void)
{
	struct disk *d = open_disk(image("chain", 16 * MB), false, 0, "chain");
	u8 *buf = calloc(1, 16 * MB);
	struct job *j[40], *big;
	bool all = true;

	for (int i = 39; i >= 0; i--) {
		j[i] = i % 3 == 2 ? job(d, DISK_FLUSH, 0, NULL, 0) :
		       i % 3 ? job(d, DISK_READ, 0, buf, 2 * MB) :
			       job(d, DISK_WRITE, 0, buf, 4096);
		j[i]->chain = i < 39 ? j[i + 1] : NULL;
	}
	host_mutex_lock(&lock);
	d->ops->submit(d, &j[0]->r);
	d->ops->drain(d);
	for (int i = 0; i < 40; i++)
		all = all && j[i]->done && !j[i]->status;
	d->ops->drain(d);
	host_mutex_unlock(&lock);
	tap_check(all, "drain waits for those that come later, too");
	for (int i = 0; i < 40; i++)
		free(j[i]);

	/* Small ones are still done at close, vast ones are cut short. */
	big = job(d, DISK_READ, 0, buf, 16 * MB);
	j[0] = job(d, DISK_FLUSH, 0, NULL, 0);
	j[1] = job(d, DISK_WRITE, 0, buf, 300 * 1024);
	submit(big);
	submit(j[0]);
	submit(j[1]);
	d->ops->close(d);
	tap_check(big->done && j[0]->done && j[1]->done, "all are done");
	tap_check(!j[0]->status && !j[1]->status, "small ones well");
	free(big);
	free(j[0]);
	free(j[1]);
	free(buf);
}

static void test_entropy(void)
{
	static u8 a[5000], b[5000];
	struct entropy e;

	entropy_host_init(&e);
	tap_equal(e.fill(&e, a, sizeof(a)), 0, "fill");
	tap_equal(e.fill(&e, b, sizeof(b)), 0, "fill again");
	tap_check(memcmp(a, b, sizeof(a)) && a[4999] | a[4998] | a[4997] |
						      a[4996] | a[4995],
		  "all filled, each time otherwise");
	tap_equal(e.fill(&e, a, 0), 0, "nothing");
}

int main(void)
{
	char cmd[64];

	if (!mkdtemp(dir))
		abort();
	host_mutex_init(&lock);
	test_open();
	test_lock();
	test_transfers(image("plain", 16 * MB), "on the disk");
	test_memory_file_system();
	test_truncated();
	test_limit();
	test_full();
	test_chains();
	test_entropy();
	host_mutex_fini(&lock);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) ? 1 : tap_done();
}
