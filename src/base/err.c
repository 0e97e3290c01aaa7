/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the one sentence for the person at the terminal. */
#include "base/err.h"

#include "base/fmt.h"

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e || e->text[0])
		return code;
	va_start(ap, fmt);
	fmt_vprint(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}
