/* SPDX-License-Identifier: Apache-2.0 */
/* trace.c - choosing categories, and lines as they come out. */
#include <errno.h>
#include <string.h>

#include "base/trace.h"
#include "tap.h"

static char last[1024];
static int lines;

static void sink(const char *line)
{
	snprintf(last, sizeof(last), "%s", line);
	lines++;
}

static void test_parse(void)
{
	const char *bad = NULL, *list;
	u32 mask = 0xdead;

	tap_equal(trace_parse("uart", &mask, &bad), 0, "one");
	tap_equal(mask, BIT(TRACE_UART), "its bit");
	tap_equal(trace_parse("pci,uart,pci", &mask, &bad), 0, "some");
	tap_equal(mask, BIT(TRACE_UART) | BIT(TRACE_PCI), "their bits");
	tap_equal(trace_parse("all", &mask, &bad), 0, "all");
	tap_equal(mask, BIT(TRACE_COUNT) - 1, "all bits");

	mask = 7;
	list = "uart,uar";
	tap_equal(trace_parse(list, &mask, &bad), -EINVAL, "a shorter name");
	tap_check(bad == list + 5 && mask == 7, "is pointed at");
	list = "uarts";
	tap_equal(trace_parse(list, &mask, &bad), -EINVAL, "a longer name");
	tap_check(bad == list, "is pointed at");
	tap_equal(trace_parse("", &mask, &bad), -EINVAL, "nothing");
	tap_equal(trace_parse("uart,", &mask, &bad), -EINVAL, "empty last");
	tap_equal(trace_parse(",uart", &mask, &bad), -EINVAL, "empty first");
}

static void test_print(void)
{
	char big[2000];

	TRACE(UART, "dropped");
	trace_mask = BIT(TRACE_UART);
	TRACE(UART, "no sink, no harm");
	trace_sink = sink;
	TRACE(PCI, "off");
	tap_equal(lines, 0, "nothing yet");
	TRACE(UART, "byte %#x", 0x41);
	tap_check(lines == 1 && !strcmp(last, "uart: byte 0x41"), "%s", last);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	TRACE(UART, "%s", big);
	tap_check(lines == 2 && strlen(last) == 511, "a long line is cut");
	tap_check(!strcmp(trace_name(TRACE_VM), "vm") &&
			  trace_help(TRACE_VM)[0],
		  "names and help");
}

int main(void)
{
	test_parse();
	test_print();
	return tap_done();
}
