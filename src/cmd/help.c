/* SPDX-License-Identifier: Apache-2.0 */
/* help.c - "doppel help" and its topics. */
#include <stdarg.h>
#include <string.h>

#include "base/trace.h"
#include "cmd/cmd.h"
#include "cmd/options.h"

int cmd_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("doppel: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CMD_ERROR;
}

void cmd_print_version(void)
{
	puts("doppel " DOPPEL_VERSION);
}

static void print_general(void)
{
	puts("Doppel runs an unmodified operating system in a virtual machine,\n"
	     "on any x86-64 Linux host.\n"
	     "\n"
	     "  doppel run --kernel FILE [OPTION]...   run a machine\n"
	     "  doppel help run                        its options\n"
	     "  doppel help trace                      what --trace can show\n"
	     "  doppel --version\n"
	     "\n"
	     "See also doppel(1).");
}

void cmd_print_run_help(void)
{
	puts("usage: doppel run --kernel FILE [OPTION]...\n"
	     "\n"
	     "Boots a Linux kernel in a virtual machine whose serial console\n"
	     "is this terminal. Ctrl-A x leaves, Ctrl-A h shows the other keys.\n");
	options_print_help(stdout);
}

static void print_trace(void)
{
	puts("--trace takes a list of these, with commas between them:\n");
#define X(id, name, help) printf("  %-10s %s\n", name, help);
	TRACE_CATEGORIES(X)
#undef X
	puts("  all        all of them");
}

static const struct topic {
	const char *name;
	void (*print)(void);
} topic_tab[] = {
	{ "run", cmd_print_run_help },
	{ "trace", print_trace },
	{ "help", print_general },
};

int cmd_help(int argc, char **argv)
{
	if (argc < 1) {
		print_general();
		return CMD_OK;
	}
	for (size_t i = 0; i < ARRAY_SIZE(topic_tab); i++) {
		if (!strcmp(argv[0], topic_tab[i].name)) {
			topic_tab[i].print();
			return CMD_OK;
		}
	}
	return cmd_fail("no help on '%.60s'; there is 'doppel help run' and "
			"'doppel help trace'",
			argv[0]);
}
