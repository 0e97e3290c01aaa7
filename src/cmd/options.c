/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - reads a command line by the option table.
 *
 * GNU habits: "--name value", "--name=value", "-n value", "-nvalue". Names are
 * given in full; what is almost a name is answered with the name.
 */
#include "cmd/options.h"

#include <stdlib.h>
#include <string.h>

void options_init(struct run_options *o)
{
	*o = (struct run_options){
		.memory_bytes = MiB(512),
		.cpus = 1,
		.engine = "auto",
	};
}

void options_fini(struct run_options *o)
{
	for (unsigned i = 0; i < o->disk_count; i++)
		free(o->disks[i].path);
	*o = (struct run_options){ 0 };
}

int parse_number(const char *s, u64 min, u64 max, u64 *n, struct err *e)
{
	u64 v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (u64)(*p - '0'), &v))
			v = max + 1 ? max + 1 : max;
	}
	if (p == s || *p || v < min || v > max)
		return err_set(e, -EINVAL,
			       "needs a number from %llu to %llu, not '%s'",
			       (unsigned long long)min,
			       (unsigned long long)max, s);
	*n = v;
	return 0;
}

int parse_size(const char *s, u64 unit, u64 *bytes, struct err *e)
{
	static const char suffixes[] = "KMGT";
	const char *p = s, *at;
	u64 v = 0;
	bool overflow = false;

	for (; *p >= '0' && *p <= '9'; p++)
		overflow |= __builtin_mul_overflow(v, 10u, &v) ||
			    __builtin_add_overflow(v, (u64)(*p - '0'), &v);
	if (p == s)
		goto bad;
	if (*p) {
		at = strchr(suffixes, *p & ~0x20);
		if (!at || !*at)
			goto bad;
		unit = KiB(1) << (10 * (at - suffixes));
		p++;
		/* 1G, 1GB and 1GiB are one. */
		if (*p == 'i' && p[1] == 'B')
			p++;
		if (*p == 'B')
			p++;
		if (*p)
			goto bad;
	}
	overflow |= __builtin_mul_overflow(v, unit, &v);
	if (overflow)
		return err_set(e, -EINVAL, "is too large with '%s'", s);
	*bytes = v;
	return 0;
bad:
	return err_set(e, -EINVAL, "needs a size like 256M or 2G, not '%s'", s);
}

void words_list(const char *const *words, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = 0;
	for (size_t i = 0; words[i] && at < size; i++) {
		const char *before = !i ? "" : words[i + 1] ? ", " : " or ";
		int n = snprintf(buf + at, size - at, "%s%s", before, words[i]);

		at += (size_t)n;
	}
}

/*
 * How many letters are wrong, missing, too many or exchanged with their
 * neighbour between two words; 99 if they are long.
 */
static unsigned word_distance(const char *a, const char *b)
{
	enum { MAX = 32 };
	unsigned d[MAX][MAX];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= MAX || lb >= MAX)
		return 99;
	/* d[i][j]: between the first i letters of a and j of b. */
	for (unsigned i = 0; i <= la; i++) {
		for (unsigned j = 0; j <= lb; j++) {
			u64 best = i + j;

			if (i && j) {
				best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
				best = min_u64(best, d[i - 1][j] + 1);
				best = min_u64(best, d[i][j - 1] + 1);
			}
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				best = min_u64(best, d[i - 2][j - 2] + 1);
			d[i][j] = (unsigned)best;
		}
	}
	return d[la][lb];
}

static const char *nearer(const char *s, const char *word, const char *best,
			  unsigned *distance)
{
	unsigned d = word_distance(s, word);
	size_t len = strlen(s);

	/* A beginning of the word is as near as one wrong letter. */
	if (len >= 2 && !strncmp(s, word, len))
		d = (unsigned)min_u64(d, 1);
	/* At least half of it must be right. */
	if (d >= *distance || 2 * d > strlen(word))
		return best;
	*distance = d;
	return word;
}

const char *nearest_word(const char *s, const char *const *words)
{
	const char *best = NULL;
	unsigned distance = 4;

	if (words) {
		for (size_t i = 0; words[i]; i++)
			best = nearer(s, words[i], best, &distance);
	} else {
		for (size_t i = 0; i < options_count; i++)
			best = nearer(s, options_tab[i].name, best, &distance);
	}
	return best;
}

static const struct option_row *find_name(const char *name, size_t len)
{
	for (size_t i = 0; i < options_count; i++) {
		const char *n = options_tab[i].name;

		if (strlen(n) == len && !memcmp(n, name, len))
			return &options_tab[i];
	}
	return NULL;
}

static const struct option_row *find_letter(char letter)
{
	for (size_t i = 0; i < options_count; i++) {
		if (letter && options_tab[i].letter == letter)
			return &options_tab[i];
	}
	return NULL;
}

static int unknown(const char *arg, size_t len, struct err *e)
{
	size_t dashes = strspn(arg, "-");
	char name[32];
	const char *near;

	snprintf(name, sizeof(name), "%.*s",
		 (int)min_u64(len - dashes, sizeof(name)), arg + dashes);
	near = strlen(name) > 1 ? nearest_word(name, NULL) : NULL;
	if (near)
		return err_set(e, -EINVAL,
			       "unknown option '%.*s'; did you mean '--%s'?",
			       (int)min_u64(len, 40), arg, near);
	return err_set(e, -EINVAL,
		       "unknown option '%.*s'; see 'doppel help run'",
		       (int)min_u64(len, 40), arg);
}

/* Stores one option; what its parser has to say gets the name in front. */
static int store(struct run_options *o, const struct option_row *row,
		 const char *value, struct err *e)
{
	struct err why = { "" };
	int r = row->parse(o, (char *)o + row->member, value, &why);

	if (r)
		return err_set(e, r, "option '--%s' %s", row->name, why.text);
	return 0;
}

static bool looks_like_kernel(const char *arg)
{
	return strstr(arg, "vmlinu") || strstr(arg, "bzImage") ||
	       strchr(arg, '/');
}

int options_parse(struct run_options *o, int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i], *value = NULL;
		const struct option_row *row;
		int r;

		if (arg[0] == '-' && arg[1] == '-') {
			size_t len = strcspn(arg, "=");

			row = find_name(arg + 2, len - 2);
			if (!row)
				return unknown(arg, len, e);
			if (arg[len])
				value = arg + len + 1;
			if (value && !row->arg)
				return err_set(e, -EINVAL,
					       "option '--%s' takes no value",
					       row->name);
		} else if (arg[0] == '-' && arg[1]) {
			row = find_letter(arg[1]);
			/* A long name after one dash? */
			if (!row || (arg[2] && !row->arg))
				return unknown(arg, strlen(arg), e);
			if (arg[2])
				value = arg + 2;
		} else {
			return err_set(e, -EINVAL,
				       looks_like_kernel(arg) && !o->kernel ?
				       "what is '%.80s'? a kernel is given as "
				       "'--kernel FILE'" :
				       "what is '%.80s'? options begin with a "
				       "dash, see 'doppel help run'",
				       arg);
		}
		if (row->arg && !value) {
			if (i + 1 == argc)
				return err_set(e, -EINVAL,
					       "option '--%s' needs a value: "
					       "--%s %s",
					       row->name, row->name, row->arg);
			value = argv[++i];
		}
		r = store(o, row, value, e);
		if (r)
			return r;
	}
	return 0;
}
