/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.c - lines for the person or the file, one writev each, so that lines of
 * several threads do not mix.
 *
 * The file descriptor and the mode of the terminal are the process's: globals
 * here and nowhere above.
 */
#include "host/host.h"

#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/string.h"

static int log_fd = STDERR_FILENO;
static bool log_raw;

void host_log_to_fd(int fd)
{
	__atomic_store_n(&log_fd, fd, __ATOMIC_RELAXED);
}

void host_log_raw(bool raw)
{
	__atomic_store_n(&log_raw, raw, __ATOMIC_RELAXED);
}

/* Steps over the first @n bytes. */
static void skip(struct iovec **iov, int *count, size_t n)
{
	while (*count && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		(*iov)++;
		(*count)--;
	}
	if (*count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

static void write_all(int fd, struct iovec *iov, int count)
{
	while (count) {
		ssize_t n = writev(fd, iov, count);

		if (n >= 0) {
			skip(&iov, &count, (size_t)n);
		} else if (errno == EAGAIN) {
			/* Somebody made the terminal non-blocking. Wait, but
			 * not for ever: the log must not stop a machine. */
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			if (poll(&p, 1, 1000) <= 0)
				return;
		} else if (errno != EINTR) {
			return; /* nowhere to complain to */
		}
	}
}

void host_log(enum host_log_level level, const char *line)
{
	static const char *const prefix_tab[] = {
		[HOST_LOG_ERROR] = "doppel: error: ",
		[HOST_LOG_WARN] = "doppel: warning: ",
		[HOST_LOG_INFO] = "doppel: ",
		[HOST_LOG_TRACE] = "",
	};
	const char *prefix = prefix_tab[level];
	bool raw = __atomic_load_n(&log_raw, __ATOMIC_RELAXED);
	int saved_errno = errno;
	struct iovec iov[] = {
		{ (char *)prefix, str_len(prefix) },
		{ (char *)line, str_len(line) },
		{ (char *)(raw ? "\r\n" : "\n"), raw ? 2 : 1 },
	};

	write_all(__atomic_load_n(&log_fd, __ATOMIC_RELAXED), iov,
		  ARRAY_SIZE(iov));
	errno = saved_errno;
}

void host_log_trace(const char *line)
{
	host_log(HOST_LOG_TRACE, line);
}
