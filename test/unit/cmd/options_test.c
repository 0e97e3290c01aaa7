/* SPDX-License-Identifier: Apache-2.0 */
/* What command lines mean, and what is said about wrong ones. */
#include <string.h>

#include "base/trace.h"
#include "cmd/options.h"
#include "tap.h"

#define ARGS_MAX 24

/* Parses @line, split at blanks. Words point into a static buffer. */
static int parse(struct run_options *o, const char *line, struct err *e)
{
	static char buf[512];
	char *argv[ARGS_MAX];
	int argc = 0;

	snprintf(buf, sizeof(buf), "%s", line);
	for (char *p = strtok(buf, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	options_init(o);
	*e = (struct err){ "" };
	return options_parse(o, argc, argv, e);
}

static void check_error(const char *line, const char *want)
{
	struct run_options o;
	struct err e;
	int r = parse(&o, line, &e);

	if (!tap_check(r == -EINVAL && strstr(e.text, want), "'%s'", line))
		printf("# %d, '%s'; wanted '%s'\n", r, e.text, want);
	tap_check(!strchr(e.text, '\n'), "one line");
	options_fini(&o);
}

static void test_values(void)
{
	struct run_options o;
	struct err e;

	tap_equal(parse(&o, "", &e), 0, "nothing");
	tap_equal(o.memory_bytes, MiB(512), "default memory");
	tap_equal(o.cpus, 1, "default processors");
	tap_check(!strcmp(o.engine, "auto"), "default engine");

	tap_equal(parse(&o, "-k a --initrd=b -mc", &e), -EINVAL, "bad size");
	tap_equal(parse(&o,
			"-k a --initrd=b -m2G -c 3 --append x=y=z -d d1,"
			"readonly --disk=d,2 --no-reboot --debug-exit --stats "
			"--engine soft --trace uart --trace=pci,vm",
			&e),
		  0, "all of them");
	tap_check(!strcmp(o.kernel, "a"), "kernel");
	tap_check(!strcmp(o.initrd, "b"), "initrd");
	tap_check(!strcmp(o.append, "x=y=z"), "append");
	tap_equal(o.memory_bytes, GiB(2), "memory");
	tap_equal(o.cpus, 3, "processors");
	tap_equal(o.disk_count, 2, "disks");
	tap_check(!strcmp(o.disks[0].path, "d1"), "first disk");
	tap_check(o.disks[0].readonly, "first is readonly");
	tap_check(!strcmp(o.disks[1].path, "d,2"), "a comma in a name");
	tap_check(!o.disks[1].readonly, "second is not");
	tap_check(o.no_reboot && o.debug_exit && o.stats, "flags");
	tap_equal(o.trace_mask,
		  BIT(TRACE_UART) | BIT(TRACE_PCI) | BIT(TRACE_VM), "trace");
	options_fini(&o);

	tap_equal(parse(&o, "--test-options one-insn,seed=7,no-chain", &e), 0,
		  "test options");
	tap_check(o.engine_options.one_insn_blocks &&
			  o.engine_options.no_chaining &&
			  !o.engine_options.random_evict,
		  "those given");
	tap_equal(o.engine_options.seed, 7, "seed");
	tap_equal(parse(&o, "--code-cache 64K", &e), 0, "code cache");
	tap_equal(o.engine_options.code_cache_bytes, KiB(64), "its size");
}

static void test_sizes(void)
{
	static const struct {
		const char *s;
		u64 bytes; /* 0: wrong */
	} tab[] = {
		{ "1", MiB(1) },	  { "512", MiB(512) },
		{ "4096K", MiB(4) },	  { "16m", MiB(16) },
		{ "2g", GiB(2) },	  { "1T", GiB(1024) },
		{ "1GB", GiB(1) },	  { "1GiB", GiB(1) },
		{ "", 0 },		  { "G", 0 },
		{ "1X", 0 },		  { "1GG", 0 },
		{ "1Gi", 0 },		  { "-1", 0 },
		{ "1.5G", 0 },		  { " 1", 0 },
		{ "99999999999999999999", 0 }, { "17592186044416T", 0 },
		{ "18446744073709551615", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tab); i++) {
		struct err e = { "" };
		u64 v = 0;
		int r = parse_size(tab[i].s, MiB(1), &v, &e);

		tap_check(tab[i].bytes ? !r && v == tab[i].bytes :
					 r == -EINVAL && e.text[0],
			  "size '%s'", tab[i].s);
	}
}

static void test_numbers(void)
{
	u64 n;

	tap_check(!parse_number("0", 0, 9, &n, NULL) && n == 0, "0");
	tap_check(!parse_number("18446744073709551615", 0, ~0ull, &n, NULL) &&
			  n == ~0ull, "the largest");
	tap_check(parse_number("18446744073709551616", 1, 64, &n, NULL) ==
			  -EINVAL, "one more");
	tap_check(parse_number("99999999999999999999999", 1, 64, &n, NULL) ==
			  -EINVAL, "many more");
	tap_check(parse_number("65", 1, 64, &n, NULL) == -EINVAL, "65 of 64");
	tap_check(parse_number("0x10", 1, 64, &n, NULL) == -EINVAL, "0x10");
	tap_check(parse_number("", 0, 64, &n, NULL) == -EINVAL, "nothing");
}

static void test_errors(void)
{
	char many[400] = "";

	check_error("--memroy 1G", "did you mean '--memory'?");
	check_error("--kern x", "did you mean '--kernel'?");
	check_error("--mem=1G", "unknown option '--mem'; did you mean");
	check_error("-memory 1G", "needs a size");
	check_error("-kernel x", "what is 'x'"); /* -k ernel */
	check_error("-stats", "did you mean '--stats'?");
	check_error("-z", "unknown option '-z'; see 'doppel help run'");
	check_error("--", "unknown option '--'");
	check_error("-", "what is '-'?");
	check_error("--wibble", "unknown option '--wibble'; see");
	check_error("vmlinuz", "'--kernel FILE'");
	check_error("-k vmlinuz initrd", "options begin with a dash");
	check_error("--kernel", "needs a value: --kernel FILE");
	check_error("-k", "option '--kernel' needs a value");
	check_error("--stats=yes", "takes no value");
	check_error("--kernel=", "needs a file name");
	check_error("-m 512Q", "option '--memory' needs a size");
	check_error("-m 10K", "1M or more");
	check_error("-c 0", "option '--cpus' needs a number from 1 to 64");
	check_error("-c two", "not 'two'");
	check_error("-d x,ro", "did you mean 'readonly'?");
	check_error("-d x,readonyl", "did you mean 'readonly'?");
	check_error("-d ,readonly", "needs a file name");
	check_error("--engine kvn", "is auto or soft, not 'kvn'");
	check_error("--trace urat", "did you mean 'uart'?");
	check_error("--trace uart,,pci", "knows no ''");
	check_error("--trace qqqqqqq", "but translate, code");
	check_error("--test-options one", "knows no 'one', but one-insn");
	check_error("--test-options seed=x", "needs a number");
	for (int i = 0; i < 17; i++)
		strcat(many, "--disk=x ");
	check_error(many, "16 times");
	memset(many, 'x', sizeof(many) - 1);
	memcpy(many, "--", 2);
	many[sizeof(many) - 1] = 0;
	check_error(many, "unknown option '--xxx");
}

int main(void)
{
	test_values();
	test_sizes();
	test_numbers();
	test_errors();
	return tap_done();
}
