/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - host errors: a negative errno value carried up, and one sentence
 * for the person at the terminal carried beside it.
 *
 * The floor that knows what went wrong fills struct err with err_set(); only
 * cmd/ prints it. errno numbers are Linux's, on every host.
 */
#ifndef DOPPEL_BASE_ERR_H
#define DOPPEL_BASE_ERR_H

#include <errno.h>

#include "base/base.h"

struct err {
	char text[256];
};

/*
 * Writes the sentence (no newline, no "error:"; it says what to do) and
 * returns @code, a negative errno, so that "return err_set(e, -EINVAL, ..)"
 * reads well. @e may be NULL. The first sentence wins: a caller further up
 * must not overwrite what is more precise.
 */
int err_set(struct err *e, int code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
