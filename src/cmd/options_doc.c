/* SPDX-License-Identifier: Apache-2.0 */
/* options_doc.c - the option table as help text, manual and completion. */
#include "cmd/options.h"

#include <string.h>

#include "base/trace.h"

#define HELP_COLUMN 30

void options_print_help(FILE *f)
{
	for (size_t i = 0; i < options_count; i++) {
		const struct option_row *row = &options_tab[i];
		int n;

		if (row->expert)
			continue;
		n = row->letter ? fprintf(f, "  -%c, ", row->letter) :
				  fprintf(f, "      ");
		n += fprintf(f, "--%s%s%s", row->name, row->arg ? " " : "",
			     row->arg ? row->arg : "");
		if (n >= HELP_COLUMN - 1)
			n = fprintf(f, "\n") - 1;
		fprintf(f, "%*s%s\n", HELP_COLUMN - n, "", row->help);
	}
}

/*
 * A value's name in mdoc: "FILE[,readonly]" is Ar, with the part in brackets
 * as an optional one.
 */
static void print_man_arg(FILE *f, const char *arg)
{
	const char *bracket = strchr(arg, '[');

	if (!bracket) {
		fprintf(f, " Ar %s", arg);
		return;
	}
	fprintf(f, " Ar %.*s Ns Op Cm %.*s", (int)(bracket - arg), arg,
		(int)strcspn(bracket + 1, "]"), bracket + 1);
}

void options_print_man(FILE *f)
{
	fprintf(f, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < options_count; i++) {
		const struct option_row *row = &options_tab[i];

		fprintf(f, ".It");
		if (row->letter)
			fprintf(f, " Fl %c ,", row->letter);
		/* mdoc writes one dash before a flag; the name brings one. */
		fprintf(f, " Fl \\-%s", row->name);
		if (row->arg)
			print_man_arg(f, row->arg);
		fprintf(f, "\n%s", row->manual);
	}
	fprintf(f, ".El\n");
}

static void print_bash_case(FILE *f, const struct option_row *row)
{
	fprintf(f, "\t\t--%s", row->name);
	if (row->letter)
		fprintf(f, " | -%c", row->letter);
	fprintf(f, ")\n");
	if (row->file) {
		fprintf(f, "\t\t\tcompopt -o filenames\n"
			   "\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n");
	} else if (row->words) {
		fprintf(f, "\t\t\tCOMPREPLY=($(compgen -W '");
		for (size_t i = 0; row->words[i]; i++)
			fprintf(f, "%s%s", i ? " " : "", row->words[i]);
		fprintf(f, "' -- \"$cur\"))\n");
	}
	fprintf(f, "\t\t\treturn ;;\n");
}

void options_print_bash(FILE *f)
{
	fprintf(f, "# bash completion for doppel; made from its option "
		   "table.\n"
		   "_doppel() {\n"
		   "\tlocal cur=${COMP_WORDS[COMP_CWORD]} "
		   "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		   "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
		   "\t\tCOMPREPLY=($(compgen -W 'run help --help --version' "
		   "-- \"$cur\"))\n"
		   "\t\treturn\n"
		   "\tfi\n"
		   "\tif [ \"${COMP_WORDS[1]}\" = help ]; then\n"
		   "\t\tCOMPREPLY=($(compgen -W 'run trace' -- \"$cur\"))\n"
		   "\t\treturn\n"
		   "\tfi\n"
		   "\tcase $prev in\n");
	for (size_t i = 0; i < options_count; i++) {
		if (options_tab[i].arg)
			print_bash_case(f, &options_tab[i]);
	}
	fprintf(f, "\tesac\n"
		   "\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; i < options_count; i++)
		fprintf(f, "%s--%s", i ? " " : "", options_tab[i].name);
	fprintf(f, "' -- \"$cur\"))\n"
		   "}\n"
		   "complete -F _doppel doppel\n");
}
