/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options_tab.c - the option table and how each kind of value is read.
 *
 * The rows are in the order of --help: what one needs first. .manual is mdoc
 * (mdoc(7)), one macro a line.
 */
#include "cmd/options.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"
#include "vm/vm.h"

static int parse_flag(struct run_options *o, void *member, const char *value,
		      struct err *e)
{
	*(bool *)member = true;
	return 0;
}

static int parse_string(struct run_options *o, void *member, const char *value,
			struct err *e)
{
	*(const char **)member = value;
	return 0;
}

static int parse_file(struct run_options *o, void *member, const char *value,
		      struct err *e)
{
	if (!*value)
		return err_set(e, -EINVAL, "needs a file name, not ''");
	return parse_string(o, member, value, e);
}

static int parse_memory(struct run_options *o, void *member, const char *value,
			struct err *e)
{
	u64 bytes;
	int r = parse_size(value, MiB(1), &bytes, e);

	if (r)
		return r;
	if (bytes < MiB(1))
		return err_set(e, -EINVAL, "is %s; a machine needs 1M or more",
			       value);
	*(u64 *)member = align_down(bytes, PAGE_SIZE);
	return 0;
}

static int parse_cpus(struct run_options *o, void *member, const char *value,
		      struct err *e)
{
	u64 n;
	int r = parse_number(value, 1, VM_MAX_CPUS, &n, e);

	if (!r)
		*(unsigned *)member = (unsigned)n;
	return r;
}

/* FILE or FILE,readonly. A comma elsewhere belongs to the name. */
static int parse_disk(struct run_options *o, void *member, const char *value,
		      struct err *e)
{
	static const char *const words[] = { "readonly", NULL };
	const char *comma = strrchr(value, ',');
	size_t len = strlen(value);
	bool readonly = false;
	struct disk_option *d;

	if (comma && !strcmp(comma + 1, "readonly")) {
		readonly = true;
		len = (size_t)(comma - value);
	} else if (comma && (!strcmp(comma + 1, "ro") ||
			     nearest_word(comma + 1, words))) {
		return err_set(e, -EINVAL,
			       "has the word '%s'; did you mean 'readonly'?",
			       comma + 1);
	}
	if (!len)
		return err_set(e, -EINVAL, "needs a file name, not '%s'",
			       value);
	if (o->disk_count == RUN_DISKS_MAX)
		return err_set(e, -EINVAL, "can be given %d times at most",
			       RUN_DISKS_MAX);
	d = &o->disks[o->disk_count];
	d->path = strndup(value, len);
	if (!d->path)
		return err_set(e, -ENOMEM, "does not fit in memory");
	d->readonly = readonly;
	o->disk_count++;
	return 0;
}

static const char *const engine_words[] = { "auto", "soft", NULL };

static int parse_engine(struct run_options *o, void *member, const char *value,
			struct err *e)
{
	char list[64];

	for (size_t i = 0; engine_words[i]; i++) {
		if (!strcmp(value, engine_words[i]))
			return parse_string(o, member, value, e);
	}
	words_list(engine_words, list, sizeof(list));
	return err_set(e, -EINVAL, "is %s, not '%s'", list, value);
}

static int parse_trace(struct run_options *o, void *member, const char *value,
		       struct err *e)
{
	static const char *const words[] = {
#define X(id, name, help) name,
		TRACE_CATEGORIES(X)
#undef X
		"all", NULL
	};
	const char *bad, *near;
	char word[32], list[256];
	u32 mask;

	if (!trace_parse(value, &mask, &bad)) {
		*(u32 *)member |= mask;
		return 0;
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(bad, ","), bad);
	near = nearest_word(word, words);
	if (near)
		return err_set(e, -EINVAL,
			       "knows no '%s'; did you mean '%s'?", word, near);
	words_list(words, list, sizeof(list));
	return err_set(e, -EINVAL, "knows no '%s', but %s", word, list);
}

static int parse_code_cache(struct run_options *o, void *member,
			    const char *value, struct err *e)
{
	return parse_size(value, MiB(1), member, e);
}

static const char *const test_words[] = { "one-insn", "no-chain",
					  "random-evict", "no-windows",
					  "all-windows", "seed=", NULL };

static int parse_test_options(struct run_options *o, void *member,
			      const char *value, struct err *e)
{
	struct engine_options *t = &o->engine_options;
	char word[32], list[128];
	u64 n;
	int r;

	for (const char *p = value;; p++) {
		size_t len = strcspn(p, ",");

		snprintf(word, sizeof(word), "%.*s",
			 (int)min_u64(len, sizeof(word)), p);
		p += len;
		if (!strcmp(word, "one-insn")) {
			t->one_insn_blocks = true;
		} else if (!strcmp(word, "no-chain")) {
			t->no_chaining = true;
		} else if (!strcmp(word, "random-evict")) {
			t->random_evict = true;
		} else if (!strcmp(word, "no-windows")) {
			t->no_windows = true;
		} else if (!strcmp(word, "all-windows")) {
			t->all_windows = true;
		} else if (!strncmp(word, "seed=", 5)) {
			r = parse_number(word + 5, 0, UINT_MAX, &n, e);
			if (r)
				return r;
			t->seed = (u32)n;
		} else {
			words_list(test_words, list, sizeof(list));
			return err_set(e, -EINVAL, "knows no '%s', but %s",
				       word, list);
		}
		if (!*p)
			return 0;
	}
}

#define MEMBER(m) offsetof(struct run_options, m)

const struct option_row options_tab[] = {
	{ 'k', "kernel", "FILE", parse_file, MEMBER(kernel), .file = true,
	  .help = "the kernel: a bzImage, vmlinux or multiboot",
	  .manual = "The kernel to boot: a Linux\n"
		    ".Pa bzImage\n"
		    "(what distributions install as\n"
		    ".Pa vmlinuz ) ,\n"
		    "an uncompressed\n"
		    ".Pa vmlinux ,\n"
		    "or any kernel that boots by PVH or Multiboot 1.\n" },
	{ 'i', "initrd", "FILE", parse_file, MEMBER(initrd), .file = true,
	  .help = "the initial RAM file system",
	  .manual = "The initial RAM file system.\n"
		    "The guest has to decompress it, so a plain cpio archive\n"
		    "boots sooner than a compressed one.\n" },
	{ 'a', "append", "STRING", parse_string, MEMBER(append),
	  .help = "more words for the kernel's command line",
	  .manual = "Words to add to the kernel's command line, which is\n"
		    ".Ql console=ttyS0\n"
		    "otherwise.\n" },
	{ 'm', "memory", "SIZE", parse_memory, MEMBER(memory_bytes),
	  .help = "the guest's memory [512M]",
	  .manual = "The guest's memory, with a suffix K, M, G or T;\n"
		    "a bare number counts MiB.\n"
		    "The default is 512M.\n"
		    "The host gives it page by page, as the guest first\n"
		    "touches it.\n" },
	{ 'c', "cpus", "N", parse_cpus, MEMBER(cpus),
	  .help = "the number of processors, up to 64 [1]",
	  .manual = "The number of virtual processors, from 1 to 64.\n"
		    "The default is 1.\n"
		    "Each is a thread of its own.\n"
		    "A machine may have more of them than the host has; they\n"
		    "then take turns.\n" },
	{ 'd', "disk", "FILE[,readonly]", parse_disk, MEMBER(disks),
	  .file = true, .help = "a raw disk image; may be repeated",
	  .manual = "A disk: a raw image or a block device, which the guest\n"
		    "sees as a virtio disk\n"
		    ".Pa ( /dev/vda ,\n"
		    ".Pa /dev/vdb\n"
		    "and so on).\n"
		    "With\n"
		    ".Ql ,readonly\n"
		    "the guest cannot write to it.\n"
		    "May be given up to 16 times.\n" },
	{ 0, "no-reboot", NULL, parse_flag, MEMBER(no_reboot),
	  .help = "leave when the guest resets itself",
	  .manual = "Leave, with status 3, when the guest resets itself,\n"
		    "instead of booting it again.\n" },
	{ 0, "engine", "WHICH", parse_engine, MEMBER(engine),
	  .words = engine_words,
	  .help = "what executes guest code: auto or soft [auto]",
	  .manual = "What executes guest code.\n"
		    ".Ql soft\n"
		    "needs nothing of the host but an x86-64 processor;\n"
		    ".Ql auto\n"
		    "(the default) is the fastest that works on this host.\n" },
	{ 0, "debug-exit", NULL, parse_flag, MEMBER(debug_exit),
	  .help = "give the guest a port (0xf4) to leave by",
	  .manual = "Give the guest the I/O port 0xf4: a write of\n"
		    ".Ar n\n"
		    "there ends\n"
		    ".Nm\n"
		    "with status\n"
		    ".Ar 2n+1 ,\n"
		    "of which the low 8 bits count.\n"
		    "What it writes to the port 0xe9 goes to the console.\n"
		    "For test programs.\n" },
	{ 0, "trace", "WHAT,...", parse_trace, MEMBER(trace_mask),
	  .help = "say what happens, see 'doppel help trace'",
	  .manual = "Write a line to standard error for each event of the\n"
		    "given kinds, which are listed by\n"
		    ".Ql doppel help trace .\n" },
	{ 0, "stats", NULL, parse_flag, MEMBER(stats),
	  .help = "print counters when the machine ends",
	  .manual = "Print counters of what happened to standard error when\n"
		    "the machine ends.\n" },
	{ 0, "code-cache", "SIZE", parse_code_cache,
	  MEMBER(engine_options.code_cache_bytes), .expert = true,
	  .help = "bytes for translated code",
	  .manual = "The memory for translated code, in MiB unless it has a\n"
		    "suffix; by default a 14th of the guest's, from 18 to\n"
		    "256 MiB.\n"
		    "When it is full, old translations go.\n" },
	{ 0, "test-options", "WORD,...", parse_test_options,
	  MEMBER(engine_options), .words = test_words, .expert = true,
	  .help = "make the engine's life hard",
	  .manual = "Make the engine's life hard, to test it:\n"
		    ".Ql one-insn\n"
		    "translates single instructions,\n"
		    ".Ql no-chain\n"
		    "does not link translations,\n"
		    ".Ql random-evict\n"
		    "forgets some at random, beginning with the seed\n"
		    ".Ql seed= Ns Ar n ,\n"
		    ".Ql no-windows\n"
		    "translates guest addresses without the host's processor,\n"
		    "and\n"
		    ".Ql all-windows\n"
		    "with it from the first instruction of a program on.\n" },
	{ 'h', "help", NULL, parse_flag, MEMBER(help),
	  .help = "show this help",
	  .manual = "Show a summary of these options.\n" },
	{ 0, "version", NULL, parse_flag, MEMBER(version),
	  .help = "show the version",
	  .manual = "Show the version.\n" },
};

const size_t options_count = ARRAY_SIZE(options_tab);
