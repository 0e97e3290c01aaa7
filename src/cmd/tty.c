/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty.c - see tty.h. The terminal belongs to the process, and a signal handler
 * has to find it: hence the static pointer.
 */
#include "cmd/tty.h"

#include <signal.h>
#include <unistd.h>

#include "host/host.h"

static struct tty *taken;

void tty_init(struct tty *t, int fd)
{
	*t = (struct tty){ .fd = fd };
	t->present = isatty(fd) && !tcgetattr(fd, &t->saved);
}

bool tty_ours(const struct tty *t)
{
	pid_t group = tcgetpgrp(t->fd);

	/* -1: not our controlling terminal, so there is no job control. */
	return t->present && (group < 0 || group == getpgrp());
}

/* The process is about to die of a bug. */
static void give_on_crash(void)
{
	struct tty *t = taken;

	if (t)
		tty_give(t);
}

static void give_on_abort(int sig)
{
	give_on_crash();
	signal(sig, SIG_DFL);
	raise(sig);
}

void tty_take(struct tty *t)
{
	if (!tty_ours(t))
		return;
	/* Whoever had the terminal meanwhile may have left other modes. */
	if (!t->raw)
		tcgetattr(t->fd, &t->saved);
	t->mode = t->saved;
	cfmakeraw(&t->mode);
	if (!taken) {
		host_on_crash(give_on_crash);
		signal(SIGABRT, give_on_abort);
	}
	taken = t;
	t->raw = true;
	tcsetattr(t->fd, TCSANOW, &t->mode);
	host_log_raw(true);
}

void tty_give(struct tty *t)
{
	sigset_t block, old;

	if (!t->raw)
		return;
	/* From the background this would stop us. */
	sigemptyset(&block);
	sigaddset(&block, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	tcsetattr(t->fd, TCSANOW, &t->saved);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->raw = false;
	host_log_raw(false);
}
