/* SPDX-License-Identifier: Apache-2.0 */
/* cmd.h - the commands, what they have in common, and the statuses they exit
 * with. */
#ifndef DOPPEL_CMD_CMD_H
#define DOPPEL_CMD_CMD_H

#include "base/base.h"

/* Documented in doc/doppel.1.in. */
enum cmd_status {
	CMD_OK = 0, /* the guest powered off */
	CMD_ERROR = 1, /* usage, or trouble with the host */
	CMD_KILLED = 2, /* the monitor gave up on the guest */
	CMD_RESET = 3, /* the guest reset itself, with --no-reboot */
	CMD_SIGNAL = 128, /* plus the signal; Ctrl-A x counts as SIGINT */
};

int cmd_run(int argc, char **argv);
int cmd_help(int argc, char **argv);

void cmd_print_version(void);
void cmd_print_run_help(void);

/* Says "doppel: ..." on standard error and returns CMD_ERROR. */
int cmd_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
