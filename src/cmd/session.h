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
#include "cmd/outbox.h"
#include "cmd/tty.h"
#include "vm/backend.h"

struct vm;

struct session {
	struct console console; /* to be wired to a serial port */
	struct vm *vm;
	struct outbox out;
	struct tty tty;
	struct escape escape;
	int in, wake_fd, signal_fd;
	struct host_thread *thread;

	u8 keys[4096]; /* a ring: input that the guest has no room for yet */
	unsigned key_first, key_count;
	bool starved; /* keys wait for room; under the device lock */
	bool end_of_input;
	bool quit; /* atomic: the thread is to end */
	bool ending; /* atomic: the person wants the machine to end */

	/* How it ended, valid after session_finish. */
	int signal; /* that ended the machine; 0: none */
	bool left; /* Ctrl-A x */
	int output_error; /* errno */
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
