/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.c - the small workloads of the bench, and what times the large ones:
 * one static program, the same bytes natively and in every guest. It prints
 *
 *	@result NAME NANOSECONDS COUNT CPU
 *	@answer NAME TEXT
 *
 * for COUNT operations, which took CPU nanoseconds of processor time and whose
 * answer, one word, must be the same everywhere; or, when a command fails,
 *
 *	@failed NAME STATUS
 *
 *	work NAME [COUNT]		run a workload
 *	work time NAME OUT COMMAND...	time a command as NAME, count 1; what
 *					it prints goes to file OUT
 *	work hold MIB			touch so much memory and wait for input
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t answer; /* of the workload that ran */
static char self[4096]; /* our file */

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Register arithmetic and small-table loads: a checksum by table, bytewise. */
static void work_integer(long count)
{
	static uint32_t table[256];
	uint8_t buf[4096];
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
		table[i] = c;
	}
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 31);
	for (long n = 0; n < count; n++) {
		for (size_t i = 0; i < sizeof(buf); i++)
			crc = crc >> 8 ^ table[(crc ^ buf[i]) & 0xff];
	}
	answer = crc;
}

/* Loads that miss the caches and pointers that nobody predicts. */
static void work_pointers(long count)
{
	size_t nodes = 1 << 17;
	uint32_t *next = malloc(nodes * 64);
	uint32_t at = 0;
	uint64_t x = 88172645463325252u;

	if (!next)
		fail("malloc");
	for (uint32_t i = 0; i < nodes; i++)
		next[i * 16] = i;
	/* Sattolo's shuffle: one cycle through all nodes. */
	for (uint32_t i = (uint32_t)nodes - 1; i; i--) {
		uint32_t j, t;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = (uint32_t)(x % i);
		t = next[i * 16];
		next[i * 16] = next[j * 16];
		next[j * 16] = t;
	}
	for (long n = 0; n < count; n++)
		at = next[at * 16];
	answer = at;
	free(next);
}

/* Five bodies and their gravity: SSE2 scalar, with square roots. */
static void work_float(long count)
{
	struct body {
		double p[3], v[3], m;
	} b[5];

	for (int i = 0; i < 5; i++) {
		for (int k = 0; k < 3; k++) {
			b[i].p[k] = (i + 1) * (k + 2) * 1.1 - i * i;
			b[i].v[k] = (k - i) * 0.01;
		}
		b[i].m = 1.0 / (i + 1);
	}
	for (long n = 0; n < count; n++) {
		for (int i = 0; i < 5; i++) {
			for (int j = i + 1; j < 5; j++) {
				double d[3], r2 = 0.01, f;

				for (int k = 0; k < 3; k++) {
					d[k] = b[i].p[k] - b[j].p[k];
					r2 += d[k] * d[k];
				}
				f = 0.001 / (r2 * __builtin_sqrt(r2));
				for (int k = 0; k < 3; k++) {
					b[i].v[k] -= d[k] * b[j].m * f;
					b[j].v[k] += d[k] * b[i].m * f;
				}
			}
		}
		for (int i = 0; i < 5; i++) {
			for (int k = 0; k < 3; k++)
				b[i].p[k] += 0.001 * b[i].v[k];
		}
	}
	memcpy(&answer, &b[0].p[0], sizeof(answer));
}

static void work_syscall(long count)
{
	for (long n = 0; n < count; n++)
		answer += syscall(SYS_getppid) >= 0;
}

static void work_exec(long count)
{
	for (long n = 0; n < count; n++) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			fail("fork");
		if (!pid) {
			execl(self, self, "nothing", (char *)NULL);
			_exit(127);
		}
		if (waitpid(pid, &status, 0) < 0 || status)
			fail("exec");
		answer++;
	}
}

static void work_pipe(long count)
{
	int there[2], back[2];
	char c = 0;
	pid_t pid;

	if (pipe(there) || pipe(back))
		fail("pipe");
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		close(there[1]);
		while (read(there[0], &c, 1) == 1) {
			c++;
			if (write(back[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (long n = 0; n < count; n++) {
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			fail("pipe");
		answer += (uint8_t)c;
	}
	close(there[1]);
	waitpid(pid, NULL, 0);
}

/* First touches of fresh pages, 16 MiB at a time. */
static void work_fault(long count)
{
	const long batch = 4096;

	while (count > 0) {
		char *p =
			mmap(NULL, (size_t)batch * 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			fail("mmap");
		/* 4 KiB pages everywhere, whatever the host's policy. */
		madvise(p, (size_t)batch * 4096, MADV_NOHUGEPAGE);
		for (long i = 0; i < batch; i++) {
			answer += p[i * 4096] == 0;
			p[i * 4096] = 1;
		}
		munmap(p, (size_t)batch * 4096);
		count -= batch;
	}
}

static void work_nothing(long count)
{
	exit(0);
}

static const struct {
	const char *name;
	void (*run)(long count);
	long count;
} work_tab[] = {
	{ "integer", work_integer, 20000 },
	{ "pointers", work_pointers, 6000000 },
	{ "float", work_float, 2000000 },
	{ "syscall", work_syscall, 1000000 },
	{ "exec", work_exec, 300 },
	{ "pipe", work_pipe, 30000 },
	{ "fault", work_fault, 65536 },
	{ "nothing", work_nothing, 0 },
};

static uint64_t cpu_ns(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000u;
}

static void report(const char *name, uint64_t begin, long count)
{
	printf("@result %s %llu %ld %llu\n", name,
	       (unsigned long long)(now_ns() - begin), count,
	       (unsigned long long)(cpu_ns(RUSAGE_SELF) +
				    cpu_ns(RUSAGE_CHILDREN)));
	fflush(stdout);
}

static int time_command(const char *name, const char *out, char **argv)
{
	uint64_t begin = now_ns();
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);

		if (fd < 0 || dup2(fd, 1) < 0)
			fail(out);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		fail("waitpid");
	if (status) {
		printf("@failed %s %#x\n", name, status);
		return 1;
	}
	report(name, begin, 1);
	return 0;
}

static int hold(size_t mib)
{
	char *p = malloc(mib << 20);

	if (!p)
		fail("malloc");
	memset(p, 0x5a, mib << 20);
	printf("@held %zu\n", mib);
	fflush(stdout);
	/* Input, or its end, or half a minute. */
	alarm(30);
	return read(0, p, 1) < 0;
}

int main(int argc, char **argv)
{
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		snprintf(self, sizeof(self), "/bin/work"); /* a bare chroot */
	if (argc >= 5 && !strcmp(argv[1], "time"))
		return time_command(argv[2], argv[3], argv + 4);
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return hold(strtoul(argv[2], NULL, 0));
	for (size_t i = 0;
	     argc >= 2 && i < sizeof(work_tab) / sizeof(*work_tab); i++) {
		long count = argc > 2 ? atol(argv[2]) : work_tab[i].count;
		uint64_t begin;

		if (strcmp(work_tab[i].name, argv[1]))
			continue;
		begin = now_ns();
		work_tab[i].run(count);
		report(argv[1], begin, count);
		printf("@answer %s %llx\n", argv[1],
		       (unsigned long long)answer);
		return 0;
	}
	fprintf(stderr, "usage: work NAME [COUNT] | "
			"time NAME OUT COMMAND... | hold MIB\n");
	return 1;
}
