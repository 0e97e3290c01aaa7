/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedstat.c - how long a thread was kept waiting, as the kernel counts it:
 * the second number of /proc/thread-self/schedstat. The first is the time on
 * the processor, the third how often it got one.
 */
#include <fcntl.h>
#include <unistd.h>

#include "host/host.h"
#include "host/linux/schedstat.h"

/* Opened at the first question; 0: not yet, -1: there is none. */
static _Thread_local int stat_fd;

void schedstat_close(void)
{
	if (stat_fd > 0)
		close(stat_fd);
	stat_fd = 0;
}

static const char *skip_number(const char *p, const char *end)
{
	while (p < end && *p != ' ')
		p++;
	return p < end ? p + 1 : end;
}

u64 host_thread_delay_ns(void)
{
	char buf[80];
	const char *p, *end;
	ssize_t n;
	u64 v = 0;

	if (!stat_fd)
		stat_fd = open("/proc/thread-self/schedstat",
			       O_RDONLY | O_CLOEXEC);
	if (stat_fd < 0)
		return ~0ull;
	n = pread(stat_fd, buf, sizeof(buf), 0);
	if (n <= 0)
		return ~0ull;
	end = buf + n;
	p = skip_number(buf, end);
	if (p == end)
		return ~0ull;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (u64)(*p - '0');
	return v;
}
