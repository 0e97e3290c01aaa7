/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.h - the options of "doppel run": one table, from which come the
 * parser, the help text, the manual page's section and the completion file.
 *
 * An option is a row of options_tab.c and a member of struct run_options.
 */
#ifndef DOPPEL_CMD_OPTIONS_H
#define DOPPEL_CMD_OPTIONS_H

#include <stdio.h>

#include "base/base.h"
#include "base/err.h"
#include "vm/engine.h"

#define RUN_DISKS_MAX 16

struct disk_option {
	char *path;
	bool readonly;
};

/* What the command line says. Strings point into argv, disk paths do not. */
struct run_options {
	const char *kernel, *initrd, *append;
	u64 memory_bytes;
	unsigned cpus;
	struct disk_option disks[RUN_DISKS_MAX];
	unsigned disk_count;
	const char *engine;
	bool no_reboot;
	bool debug_exit;
	bool stats;
	bool help, version;
	u32 trace_mask;
	struct engine_options engine_options;
};

struct option_row {
	char letter; /* 0: none */
	const char *name;
	const char *arg; /* what --help calls its value; NULL: it has none */
	/*
	 * Stores @value (NULL without one) in *@member. Returns 0, or -EINVAL
	 * with the end of a sentence that starts with the option's name.
	 */
	int (*parse)(struct run_options *o, void *member, const char *value,
		     struct err *e);
	size_t member; /* offset in struct run_options */
	const char *const *words; /* the values there are, ends with NULL */
	bool file; /* the value is a file name, for completion */
	bool expert; /* not in --help */
	const char *help; /* for --help: a few words */
	const char *manual; /* for the manual page: mdoc source */
};

extern const struct option_row options_tab[];
extern const size_t options_count;

/* The defaults. */
void options_init(struct run_options *o);
void options_fini(struct run_options *o); /* zeroes are fine */

/*
 * Reads what follows "run" on the command line. Returns 0, or -EINVAL and a
 * sentence that tells how to say it right.
 */
int options_parse(struct run_options *o, int argc, char **argv, struct err *e)
	MUST_CHECK;

/* Values of options. @unit is what a bare number counts in. */
int parse_size(const char *s, u64 unit, u64 *bytes, struct err *e) MUST_CHECK;
int parse_number(const char *s, u64 min, u64 max, u64 *n, struct err *e)
	MUST_CHECK;
/* Writes "a, b or c" for the table @words. */
void words_list(const char *const *words, char *buf, size_t size);

/*
 * The word of @words (or the name in the option table, if NULL) that @s may
 * have been meant for, or NULL if none is near.
 */
const char *nearest_word(const char *s, const char *const *words);

/* The table as text for people and programs. */
void options_print_help(FILE *f);
void options_print_man(FILE *f);
void options_print_bash(FILE *f);

#endif
