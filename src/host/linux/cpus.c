/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpus.c - how many processors of the host we may keep busy: those that the
 * scheduler lets us run on, and no more than our control groups' quota of time
 * comes to. Containers are limited in either way.
 *
 * Reference: Linux, Documentation/admin-guide/cgroup-v2.rst, "cpu.max". The
 * older hierarchy is not looked at.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fmt.h"
#include "host/host.h"
#include "host/linux/cpus.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PATH_BYTES 512

/* The beginning of a small file as a string; false if there is none. */
static bool read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	return true;
}

static const char *read_number(const char *p, u64 *v)
{
	for (*v = 0; *p >= '0' && *p <= '9' && *v < BIT64(40); p++)
		*v = *v * 10 + (u64)(*p - '0');
	return p;
}

unsigned cpus_of_quota(const char *cpu_max)
{
	u64 quota, period;
	const char *p = read_number(cpu_max, &quota);

	/* "max 100000": no limit. */
	if (p == cpu_max || *p != ' ')
		return ~0u;
	read_number(p + 1, &period);
	if (!quota || !period)
		return ~0u;
	return (unsigned)min_u64((quota + period - 1) / period, ~0u);
}

/* The least of our group and of those that it is in. */
static unsigned quota_cpus(void)
{
	char text[PATH_BYTES], path[PATH_BYTES], max[64];
	unsigned cpus = ~0u;
	char *group, *end;

	if (!read_file("/proc/self/cgroup", text, sizeof(text)))
		return cpus;
	group = strstr(text, "0::/");
	if (!group)
		return cpus;
	group += 3;
	group[strcspn(group, "\n")] = 0;
	for (;;) {
		fmt_print(path, sizeof(path), CGROUP_ROOT "%s/cpu.max", group);
		if (read_file(path, max, sizeof(max)))
			cpus = (unsigned)min_u64(cpus, cpus_of_quota(max));
		end = strrchr(group, '/');
		if (!end)
			return cpus;
		*end = 0;
	}
}

unsigned host_cpu_count(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	else
		n = sysconf(_SC_NPROCESSORS_ONLN);
	n = n > 0 ? n : 1;
	return (unsigned)min_u64((u64)n, quota_cpus());
}
