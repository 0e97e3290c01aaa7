/* SPDX-License-Identifier: Apache-2.0 */
/* signals.h - which signals are Doppel's own. */
#ifndef DOPPEL_HOST_LINUX_SIGNALS_H
#define DOPPEL_HOST_LINUX_SIGNALS_H

#include <signal.h>

/* The vCPU's alarm. Not SIGALRM, which libraries think is theirs. */
#define SIGNAL_ALARM (SIGRTMIN + 4)

/* The process dies now: calls what host_on_crash was given (bug.c). */
void crash_begins(void);

#endif
