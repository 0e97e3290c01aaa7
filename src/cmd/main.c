/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - doppel COMMAND: finds the command. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/options.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* gets what follows the name */
} command_tab[] = {
	{ "run", cmd_run },
	{ "help", cmd_help },
};

static const char usage[] =
	"usage: doppel run --kernel FILE [OPTION]...\n"
	"       doppel help [run|trace]\n"
	"       doppel --version\n";

/* Not for people: the table as parts of the manual and of the completion
 * file, for the build. */
static int dump_options(const char *form)
{
	if (form && !strcmp(form, "man"))
		options_print_man(stdout);
	else if (form && !strcmp(form, "bash"))
		options_print_bash(stdout);
	else
		return cmd_fail("--dump-options needs man or bash");
	return CMD_OK;
}

static int unknown(const char *arg)
{
	static const char *const words[] = { "run", "help", NULL };
	const char *near = nearest_word(arg, words);

	if (arg[0] == '-')
		return cmd_fail("options follow a command: doppel run %.60s ...",
				arg);
	if (near)
		return cmd_fail("unknown command '%.60s'; did you mean '%s'?",
				arg, near);
	return cmd_fail("unknown command '%.60s'; see 'doppel help'", arg);
}

/* A file that we open must not become our standard input or output because
 * whoever started us has closed that. */
static void occupy_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	occupy_standard_files();
	if (argc < 2) {
		fputs(usage, stderr);
		return CMD_ERROR;
	}
	for (size_t i = 0; i < ARRAY_SIZE(command_tab); i++) {
		if (!strcmp(argv[1], command_tab[i].name))
			return command_tab[i].run(argc - 2, argv + 2);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(0, NULL);
	if (!strcmp(argv[1], "--version")) {
		cmd_print_version();
		return CMD_OK;
	}
	if (!strcmp(argv[1], "--dump-options"))
		return dump_options(argv[2]);
	return unknown(argv[1]);
}
