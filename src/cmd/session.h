/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - the person's side of a machine: its serial console on standard
 * input and output, the keys for Doppel itself, and the signals that end it.
 *
 * One thread waits for input and signals, another (outbox.h) writes output.
 */
#ifndef DOPPEL_CMD_SESSION_H
#define DOPPEL_CMD_SESSION_H

#include "base/base.h"
#include "base/err.h"
#include "cmd/escape.h"
#include "cmd/serial.h"
#include "cmd/tty.h"

struct vm;

struct session {
	struct serial serial; /* its console is to be wired to a port */
	struct vm *vm;
	struct tty tty;
	struct escape escape;
	int in, wake_fd, signal_fd;
	struct host_thread *thread;

	bool end_of_input;
	bool quit; /* atomic: the thread is to end */
	bool ending; /* atomic: the person wants the machine to end */

	/* How it ended, valid after session_finish. */
	int signal; /* that ended the machine; 0: none */
	bool left; /* Ctrl-A x */
	int output_error; /* errno; ETIMEDOUT: a signal cut it short */
};

/*
 * Blocks the signals that the session handles: before any thread is created,
 * so that they all inherit it.
 */
int session_init(struct session *s, int in, int out, struct err *e) MUST_CHECK;

/* The machine is wired (the console, too) and about to run. */
int session_start(struct session *s, struct vm *vm, struct err *e) MUST_CHECK;

/* Has the machine been ended from this side? Any thread. */
bool session_is_ending(const struct session *s);

/* The machine has ended: sees all output through and gives the terminal
 * back. */
void session_finish(struct session *s);
void session_fini(struct session *s); /* zeroes are fine */

#endif
