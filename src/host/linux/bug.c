/* SPDX-License-Identifier: Apache-2.0 */
/* bug.c - the end of the process on a bug of ours (base.h). */
#include <signal.h>
#include <unistd.h>

#include "base/fmt.h"
#include "host/host.h"
#include "host/linux/signals.h"

static void (*crash_fn)(void);

void host_on_crash(void (*fn)(void))
{
	__atomic_store_n(&crash_fn, fn, __ATOMIC_RELEASE);
}

void crash_begins(void)
{
	void (*fn)(void) = __atomic_exchange_n(&crash_fn, NULL,
					       __ATOMIC_ACQ_REL);

	if (fn)
		fn();
}

NORETURN void bug_at(const char *file, int line, const char *what)
{
	char text[256];

	fmt_print(text, sizeof(text), "bug in Doppel at %s:%d: %s", file, line,
		  what);
	crash_begins();
	host_log(HOST_LOG_ERROR, text);
	/* Not abort(): it takes locks, and we may be in a signal handler. */
	signal(SIGABRT, SIG_DFL);
	raise(SIGABRT);
	_exit(134);
}
