/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - guest pages at addresses of our choice: what is there, what is
 * not, and what becomes of it when the host has no mappings left. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host.h"
#include "tap.h"

#define WINDOW GiB(512)
/* More would take too long to use up. */
#define MAPPINGS_MAX 200000

static int ram_fd, pipe_fd[2];
static hva_t ram;

/* The kernel reads or writes there for us, and does not fault. */
static bool can_read(const u8 *p)
{
	u8 c;

	return write(pipe_fd[1], p, 1) == 1 && read(pipe_fd[0], &c, 1) == 1;
}

static bool can_write(u8 *p)
{
	u8 c = 0x5a;

	if (write(pipe_fd[1], &c, 1) != 1)
		return false;
	if (read(pipe_fd[0], p, 1) == 1)
		return true;
	return read(pipe_fd[0], &c, 1) != 1;
}

static void test_rights(u8 *w)
{
	u8 *at = w + GiB(77);

	ram[3 * PAGE_SIZE] = 7;
	tap_check(!can_read(at), "nothing is there");
	tap_equal(host_window_map(at, PAGE_SIZE, ram_fd, 3 * PAGE_SIZE, false,
				  true),
		  0, "map a page");
	tap_check(can_read(at) && *at == 7, "it is the one");
	tap_check(!can_write(at), "and not to be written");
	tap_equal(host_window_protect(at, PAGE_SIZE, true), 0, "protect");
	tap_check(can_write(at) && ram[3 * PAGE_SIZE] == 0x5a, "now it is");
	tap_check(!can_read(at - 1) && !can_read(at + PAGE_SIZE),
		  "nothing is beside it");
	tap_equal(host_ram_discard(ram + 3 * PAGE_SIZE, PAGE_SIZE, ram_fd,
				   3 * PAGE_SIZE),
		  0, "discard");
	tap_check(can_read(at) && *at == 0, "zero here, too");
	tap_equal(host_window_unmap(at, PAGE_SIZE), 0, "unmap");
	tap_check(!can_read(at), "gone");
}

/* --- core dumps --- */

/* In no other memory of ours as it stands. */
static void write_secret(u8 *p, u8 which)
{
	for (unsigned i = 0; i < 16; i++)
		p[i] = (u8)(0x93 + which + i * 7);
}

static bool file_has_secret(const char *path, u8 which)
{
	FILE *f = fopen(path, "r");
	u8 next = (u8)(0x93 + which);
	unsigned n = 0;
	int c;

	while (f && n < 16 && (c = getc(f)) != EOF) {
		n = c == (u8)(next + n * 7) ? n + 1 : c == next;
	}
	if (f)
		fclose(f);
	return n == 16;
}

/* Dies at once, with a core file if there may be one. */
static void die(u8 *at, u8 *own, const char *dir)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	write_secret(own, 1);
	write_secret(ram + 4 * PAGE_SIZE, 2);
	if (chdir(dir) || setrlimit(RLIMIT_CORE, &all) ||
	    host_window_map(at, PAGE_SIZE, ram_fd, 4 * PAGE_SIZE, true, true) ||
	    *at != ram[4 * PAGE_SIZE])
		_exit(1);
	abort();
}

static void test_core(u8 *w)
{
	char dir[] = "/tmp/doppel-core-XXXXXX", path[64];
	u8 *own = malloc(16);
	int status = 0;
	pid_t child;

	if (!own || !mkdtemp(dir)) {
		printf("# no folder: core dumps not tried\n");
		return;
	}
	fflush(stdout);
	child = fork();
	if (!child)
		die(w + GiB(5), own, dir);
	waitpid(child, &status, 0);
	tap_check(WIFSIGNALED(status), "the child aborts");
	snprintf(path, sizeof(path), "%s/core", dir);
	if (access(path, R_OK)) /* or it has its number in its name */
		snprintf(path, sizeof(path), "%s/core.%d", dir, child);
	if (access(path, R_OK)) {
		printf("# no core file here: core dumps not tried\n");
	} else {
		tap_check(file_has_secret(path, 1), "our own memory is dumped");
		tap_check(!file_has_secret(path, 2), "the guest's is not");
	}
	unlink(path);
	rmdir(dir);
	free(own);
}

/* Is the address somebody's, or could the next mmap() be put there? */
static bool is_reserved(u8 *p)
{
	unsigned char resident;

	return mincore(p, PAGE_SIZE, &resident) == 0;
}

static long mappings_max(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	long n = MAPPINGS_MAX;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = MAPPINGS_MAX;
	if (f)
		fclose(f);
	return n;
}

static void test_exhausted(u8 *w)
{
	long n = mappings_max(), made = 0;
	u8 *at = w + GiB(1);

	if (n >= MAPPINGS_MAX) {
		printf("# vm.max_map_count is %ld: not tried\n", n);
		host_window_free(w, WINDOW);
		return;
	}
	while (made < n && !host_window_map(at + 2 * PAGE_SIZE * (u64)made,
					    PAGE_SIZE, ram_fd, 0, true, false))
		made++;
	tap_check(made > 100 && made < n, "%ld pages, then no more", made);
	tap_equal(host_window_unmap(at + 2 * PAGE_SIZE * (u64)made, PAGE_SIZE),
		  0, "after a failure");
	tap_check(is_reserved(at + 2 * PAGE_SIZE * (u64)made), "no hole");
	tap_equal(host_window_unmap(at, PAGE_SIZE), 0, "unmap one");
	tap_check(!can_read(at) && is_reserved(at), "gone");
	tap_check(can_read(at + 2 * PAGE_SIZE), "but not the next");
	tap_equal(host_window_unmap(w, WINDOW), 0, "unmap all");
	tap_check(!can_read(at + 2 * PAGE_SIZE) &&
			  !can_read(at + 2 * PAGE_SIZE * (u64)(made - 1)),
		  "gone");
	tap_check(is_reserved(at + 2 * PAGE_SIZE), "but ours");
	host_window_free(w, WINDOW);
	tap_check(!is_reserved(at), "until it is freed");
}

int main(void)
{
	u8 *w = host_window_reserve(WINDOW);

	if (host_ram_alloc(MiB(2), &ram, &ram_fd) || pipe(pipe_fd)) {
		tap_check(false, "cannot begin");
		return tap_done();
	}
	if (!w) {
		printf("1..0 # SKIP no address space\n");
		return 0;
	}
	test_rights(w);
	test_core(w);
	test_exhausted(w);
	host_ram_free(ram, MiB(2), ram_fd);
	return tap_done();
}
