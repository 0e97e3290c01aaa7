/* SPDX-License-Identifier: Apache-2.0 */
/*
 * escape.h - the keys that the person at the terminal presses for Doppel and
 * not for the guest: Ctrl-A and one more. Pure: no input or output of its own.
 */
#ifndef DOPPEL_CMD_ESCAPE_H
#define DOPPEL_CMD_ESCAPE_H

#include "base/base.h"

#define ESCAPE_KEY 0x01 /* Ctrl-A */

enum escape_action {
	ESCAPE_INPUT, /* *@byte is for the guest */
	ESCAPE_NOTHING, /* the key was for us; wait for the next */
	ESCAPE_LEAVE,
	ESCAPE_HELP,
};

struct escape {
	bool pending; /* the last key was Ctrl-A */
};

/* What to do about one key; may change *@byte. */
enum escape_action escape_key(struct escape *s, u8 *byte);

extern const char escape_help[]; /* lines that end in CR LF */

#endif
