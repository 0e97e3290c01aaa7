/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - lines as they arrive. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"
#include "tap.h"

static const char *drain(int fd)
{
	static char buf[8192];
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = 0;
	return buf;
}

int main(void)
{
	char big[5000];
	size_t len;
	int p[2];

	if (pipe(p) || fcntl(p[0], F_SETFL, O_NONBLOCK))
		return 1;
	host_log_to_fd(p[1]);
	host_log(HOST_LOG_ERROR, "it broke");
	tap_check(!strcmp(drain(p[0]), "doppel: error: it broke\n"), "error");
	host_log(HOST_LOG_WARN, "odd");
	tap_check(!strcmp(drain(p[0]), "doppel: warning: odd\n"), "warning");
	host_log_trace("uart: byte");
	tap_check(!strcmp(drain(p[0]), "uart: byte\n"), "trace");
	host_log_raw(true);
	host_log(HOST_LOG_TRACE, "");
	tap_check(!strcmp(drain(p[0]), "\r\n"), "raw, empty");
	host_log_raw(false);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	host_log(HOST_LOG_TRACE, big);
	len = strlen(drain(p[0]));
	tap_equal(len, sizeof(big), "a long line is whole");
	close(p[1]);
	errno = 77;
	host_log(HOST_LOG_TRACE, "into the void");
	tap_equal(errno, 77, "errno stays");
	return tap_done();
}
