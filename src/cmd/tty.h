/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tty.h - the terminal's modes: raw while the guest has it, and as they were
 * before whenever it has not, however Doppel ends.
 */
#ifndef DOPPEL_CMD_TTY_H
#define DOPPEL_CMD_TTY_H

#include <termios.h>

#include "base/base.h"

struct tty {
	int fd;
	bool present; /* fd is a terminal */
	bool raw;
	struct termios saved, mode;
};

void tty_init(struct tty *t, int fd);

/* Are we in its foreground, may we read it and change its modes? */
bool tty_ours(const struct tty *t);

/* Every key goes to the guest. Nothing happens in the background. */
void tty_take(struct tty *t);
/* Back to what it was. Async-signal-safe. */
void tty_give(struct tty *t);

#endif
