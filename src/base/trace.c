/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - naming, choosing and printing of trace events.
 *
 * The mask and the sink are set once, before the first vCPU runs, and only
 * read afterwards: the one thing here that is the process's and not a
 * machine's.
 */
#include "base/trace.h"

#include <errno.h>

#include "base/fmt.h"

u32 trace_mask;
void (*trace_sink)(const char *line);
bool (*trace_disassemble)(const u8 *p, unsigned n, u64 addr, unsigned mode,
			  char *text, size_t size);

_Static_assert(TRACE_COUNT <= 32, "trace_mask has 32 bits");

const char *trace_name(enum trace_category c)
{
	static const char *const name_tab[TRACE_COUNT] = {
#define X(id, name, help) [TRACE_##id] = name,
		TRACE_CATEGORIES(X)
#undef X
	};

	return (unsigned)c < TRACE_COUNT ? name_tab[c] : "?";
}

const char *trace_help(enum trace_category c)
{
	static const char *const help_tab[TRACE_COUNT] = {
#define X(id, name, help) [TRACE_##id] = help,
		TRACE_CATEGORIES(X)
#undef X
	};

	return (unsigned)c < TRACE_COUNT ? help_tab[c] : "?";
}

void trace_print(enum trace_category c, const char *fmt, ...)
{
	char line[512];
	int n;
	va_list ap;

	if (!trace_sink)
		return;
	n = fmt_print(line, sizeof(line), "%s: ", trace_name(c));
	va_start(ap, fmt);
	fmt_vprint(line + n, sizeof(line) - (size_t)n, fmt, ap);
	va_end(ap);
	trace_sink(line);
}

/* Is @name, terminated, the @len characters at @s? */
static bool names(const char *name, const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!name[i] || name[i] != s[i])
			return false;
	return !name[i];
}

static u32 mask_of_word(const char *s, size_t len)
{
	if (names("all", s, len))
		return (u32)(BIT64(TRACE_COUNT) - 1);
	for (unsigned c = 0; c < TRACE_COUNT; c++)
		if (names(trace_name(c), s, len))
			return BIT(c);
	return 0;
}

int trace_parse(const char *list, u32 *mask, const char **bad)
{
	u32 sum = 0;

	for (;;) {
		size_t len = 0;
		u32 m;

		while (list[len] && list[len] != ',')
			len++;
		m = mask_of_word(list, len);
		if (!m) {
			*bad = list;
			return -EINVAL;
		}
		sum |= m;
		if (!list[len])
			break;
		list += len + 1;
	}
	*mask = sum;
	return 0;
}
