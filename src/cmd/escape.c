/* SPDX-License-Identifier: Apache-2.0 */
/* escape.c - see escape.h. */
#include "cmd/escape.h"

const char escape_help[] = "\r\n"
			   "Ctrl-A x       kill the machine and leave\r\n"
			   "Ctrl-A Ctrl-A  send Ctrl-A (Ctrl-A a does, too)\r\n"
			   "Ctrl-A h       show this\r\n";

enum escape_action escape_key(struct escape *s, u8 *byte)
{
	if (!s->pending) {
		s->pending = *byte == ESCAPE_KEY;
		return s->pending ? ESCAPE_NOTHING : ESCAPE_INPUT;
	}
	s->pending = false;
	switch (*byte) {
	case ESCAPE_KEY:
	case 'a':
		*byte = ESCAPE_KEY;
		return ESCAPE_INPUT;
	case 'x':
	case 'X':
		return ESCAPE_LEAVE;
	case 'h':
	case 'H':
	case '?':
		return ESCAPE_HELP;
	}
	/* As screen and others do: an unknown key is dropped. */
	return ESCAPE_NOTHING;
}
