/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mix.c - the bench's work for the kernel: rounds of everything that it does
 * for programs. Each part counts what it has seen; the counts are the answer.
 *
 *	mix ROUNDS
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { page = 4096 };

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

/* Children that change some of the memory which they share with us, and go. */
static long forks(void)
{
	enum { pages = 200 };
	static char memory[pages * page];
	long seen = 0;

	memset(memory, 1, sizeof(memory));
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t pid = fork();

		must(pid >= 0, "fork");
		if (!pid) {
			for (int k = i; k < pages; k += 5)
				memory[k * page]++;
			_exit(memory[i * page]);
		}
		must(waitpid(pid, &status, 0) == pid, "waitpid");
		seen += WEXITSTATUS(status) + memory[i * page];
	}
	return seen;
}

static long execs(void)
{
	static char name[] = "mix", word[] = "exit";
	char *argv[] = { name, word, NULL };
	long seen = 0;

	for (int i = 0; i < 5; i++) {
		int status;
		pid_t pid;

		must(!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv,
				  NULL),
		     "posix_spawn");
		must(waitpid(pid, &status, 0) == pid, "waitpid");
		seen += WEXITSTATUS(status);
	}
	return seen;
}

/* Maps, touches, protects, moves and gives back. */
static long maps(void)
{
	const size_t size = 256 * page;
	long seen = 0;

	for (int i = 0; i < 8; i++) {
		char *moved, *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(p != MAP_FAILED, "mmap");
		for (size_t at = 0; at < size; at += page)
			p[at] = 1;
		must(!mprotect(p + page, page, PROT_READ), "mprotect");
		must(!madvise(p + size / 2, size / 2, MADV_DONTNEED),
		     "madvise");
		/* It must move: what follows is taken. */
		moved = mremap(p, page, 3 * page, MREMAP_MAYMOVE);
		must(moved != MAP_FAILED, "mremap");
		for (size_t at = 0; at < 3 * page; at += page)
			seen += moved[at];
		must(!munmap(moved, 3 * page), "munmap");
		must(!munmap(p + page, size - page), "munmap");
	}
	return seen;
}

/* Bulk through a pipe, from one process to another. */
static long pipes(void)
{
	static char buf[65536];
	int fd[2], status;
	long seen = 0;
	ssize_t n;
	pid_t pid;

	must(!pipe(fd), "pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		close(fd[0]);
		memset(buf, 7, sizeof(buf));
		for (int i = 0; i < 64; i++)
			must(write(fd[1], buf, sizeof(buf)) == sizeof(buf),
			     "write");
		_exit(0);
	}
	close(fd[1]);
	while ((n = read(fd[0], buf, sizeof(buf))) > 0)
		seen += n;
	close(fd[0]);
	must(waitpid(pid, &status, 0) == pid && !status, "pipe");
	return seen;
}

static volatile long caught;
static char *guarded;

static void on_signal(int sig)
{
	caught++;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	if (info->si_addr != guarded)
		_exit(1);
	caught++;
	mprotect(guarded, page, PROT_READ | PROT_WRITE);
}

/* Signals sent to oneself, and faults that a handler mends. */
static long signals(void)
{
	struct sigaction s = { .sa_handler = on_signal };
	struct sigaction f = { .sa_sigaction = on_fault,
			       .sa_flags = SA_SIGINFO };

	caught = 0;
	sigaction(SIGUSR1, &s, NULL);
	sigaction(SIGSEGV, &f, NULL);
	for (int i = 0; i < 2000; i++)
		raise(SIGUSR1);
	guarded =
		mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(guarded != MAP_FAILED, "mmap");
	for (int i = 0; i < 500; i++) {
		*(volatile char *)guarded = (char)i;
		mprotect(guarded, page, PROT_READ);
	}
	munmap(guarded, page);
	return caught;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;
static long turns;

static void *take_turns(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&turned, &lock);
		turn = (turn + 1) % 4;
		turns++;
		pthread_cond_broadcast(&turned);
		pthread_mutex_unlock(&lock);
		if (i % 8 == 0)
			sched_yield();
	}
	return NULL;
}

/* Four threads that go on one after the other: futexes. */
static long threads(void)
{
	pthread_t t[4];

	turns = 0;
	for (int i = 0; i < 4; i++)
		must(!pthread_create(&t[i], NULL, take_turns,
				     (void *)(intptr_t)i),
		     "pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	return turns;
}

static long files(void)
{
	char buf[3000], name[32], other[32];
	struct stat st;
	long seen = 0;

	memset(buf, 'x', sizeof(buf));
	for (int i = 0; i < 200; i++) {
		int fd;

		snprintf(name, sizeof(name), "file%d", i);
		snprintf(other, sizeof(other), "other%d", i);
		fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0666);
		must(fd >= 0, name);
		must(write(fd, buf, sizeof(buf)) == sizeof(buf), name);
		must(pread(fd, buf, 1000, 2500) == 500, name);
		must(!ftruncate(fd, 1 + i), name);
		close(fd);
		must(!rename(name, other) && !stat(other, &st), other);
		seen += st.st_size + (stat(name, &st) < 0 && errno == ENOENT);
		must(!unlink(other), other);
	}
	return seen;
}

/* A server that waits for many, one client: as servers are. */
static long sockets(void)
{
	enum { many = 16 };
	int pair[many][2], epoll = epoll_create1(0), status;
	long seen = 0;
	pid_t pid;

	must(epoll >= 0, "epoll_create1");
	for (int i = 0; i < many; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = i };

		must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]), "pair");
		must(!epoll_ctl(epoll, EPOLL_CTL_ADD, pair[i][0], &e),
		     "epoll_ctl");
	}
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		for (int i = 0; i < 1000; i++) {
			int fd = pair[i * 7 % many][1];
			char c = (char)i;

			must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1,
			     "client");
		}
		_exit(0);
	}
	for (int i = 0; i < 1000; i++) {
		struct epoll_event e;
		char c;

		must(epoll_wait(epoll, &e, 1, -1) == 1, "epoll_wait");
		must(read(pair[e.data.fd][0], &c, 1) == 1, "server");
		must(write(pair[e.data.fd][0], &c, 1) == 1, "server");
		seen += (uint8_t)c;
	}
	must(waitpid(pid, &status, 0) == pid && !status, "client");
	for (int i = 0; i < many; i++) {
		close(pair[i][0]);
		close(pair[i][1]);
	}
	close(epoll);
	return seen;
}

/* The timer's interrupts, and idling. */
static long sleeps(void)
{
	struct timespec t = { .tv_nsec = 100000 };
	long seen = 0;

	for (int i = 0; i < 20; i++)
		seen += !nanosleep(&t, NULL);
	return seen;
}

static const struct {
	const char *name;
	long (*run)(void);
} part_tab[] = {
	{ "forks", forks }, { "execs", execs },	    { "maps", maps },
	{ "pipes", pipes }, { "signals", signals }, { "threads", threads },
	{ "files", files }, { "sockets", sockets }, { "sleeps", sleeps },
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
	const size_t parts = sizeof(part_tab) / sizeof(*part_tab);
	long seen[sizeof(part_tab) / sizeof(*part_tab)] = { 0 };
	double spent[sizeof(part_tab) / sizeof(*part_tab)] = { 0 };
	int rounds = argc > 1 ? atoi(argv[1]) : 1;

	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 3;
	for (int r = 0; r < rounds; r++) {
		for (size_t i = 0; i < parts; i++) {
			double begin = now();

			seen[i] += part_tab[i].run();
			spent[i] += now() - begin;
		}
	}
	for (size_t i = 0; i < parts; i++) {
		printf("%s %ld\n", part_tab[i].name, seen[i]);
		fprintf(stderr, "%s %.1f ms a round\n", part_tab[i].name,
			spent[i] * 1e3 / rounds);
	}
	return 0;
}
