/* SPDX-License-Identifier: Apache-2.0 */
/* Output arrives whole and in order, whatever the reader does. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/outbox.h"
#include "tap.h"

static int failures;

static void failed(void *arg)
{
	__atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);
}

/* Reads @fd to its end, @pause_us between reads; compares with 0, 1, 2.. */
struct reader {
	int fd;
	unsigned pause_us;
	size_t got;
	bool in_order;
	pthread_t thread;
};

static void *read_all(void *arg)
{
	struct reader *r = arg;
	u8 buf[5000];
	ssize_t n;

	r->in_order = true;
	while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			r->in_order &= buf[i] == (u8)(r->got + (size_t)i);
		r->got += (size_t)n;
		if (r->pause_us)
			usleep(r->pause_us);
	}
	return NULL;
}

static void test_reader(const char *name, unsigned pause_us, size_t bytes,
			size_t chunk)
{
	struct reader r = { .pause_us = pause_us };
	struct outbox o;
	u8 buf[4096];
	int p[2], ret;

	ret = pipe(p);
	r.fd = p[0];
	pthread_create(&r.thread, NULL, read_all, &r);
	if (ret || outbox_init(&o, p[1], failed, NULL, NULL))
		exit(1);
	for (size_t at = 0; at < bytes; at += chunk) {
		for (size_t i = 0; i < chunk; i++)
			buf[i] = (u8)(at + i);
		outbox_add(&o, buf, chunk);
	}
	tap_equal(outbox_finish(&o), 0, name);
	close(p[1]);
	pthread_join(r.thread, NULL);
	tap_equal(r.got, bytes, "all of it");
	tap_check(r.in_order, "in order");
	outbox_fini(&o);
	close(p[0]);
}

/* A prompt must not wait for a newline or for the end. */
static void test_prompt(void)
{
	struct outbox o;
	char buf[16];
	int p[2];

	if (pipe(p) || outbox_init(&o, p[1], failed, NULL, NULL))
		exit(1);
	outbox_add(&o, (const u8 *)"# ", 2);
	tap_equal(read(p[0], buf, sizeof(buf)), 2, "a prompt comes by itself");
	tap_equal(outbox_finish(&o), 0, "and that is the end");
	outbox_fini(&o);
	close(p[0]);
	close(p[1]);
}

static void test_no_reader(void)
{
	struct outbox o;
	int p[2];

	if (pipe(p) || outbox_init(&o, p[1], failed, NULL, NULL))
		exit(1);
	close(p[0]);
	outbox_add(&o, (const u8 *)"x", 1);
	tap_equal(outbox_finish(&o), -EPIPE, "a reader that left");
	tap_equal(failures, 1, "is told once");
	outbox_fini(&o);
	close(p[1]);
}

static void test_stuck_reader(void)
{
	static u8 much[KiB(256)];
	struct outbox o;
	int p[2];

	if (pipe(p) || outbox_init(&o, p[1], failed, NULL, NULL))
		exit(1);
	outbox_add(&o, much, sizeof(much));
	outbox_hurry(&o);
	tap_equal(outbox_finish(&o), -ETIMEDOUT, "a stuck reader, in a hurry");
	outbox_fini(&o);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_reader("a quick reader", 0, 300000, 1);
	test_reader("a slow reader, much output", 1000, MiB(2), 4096);
	test_reader("nothing at all", 0, 0, 1);
	test_prompt();
	test_no_reader();
	test_stuck_reader();
	return tap_done();
}
