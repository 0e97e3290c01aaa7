/* SPDX-License-Identifier: Apache-2.0 */
/* entropy_host.c - randomness by getrandom(2), which the kernel seeds once at
 * its boot and never runs out of. */
#include "backend/entropy_host.h"

#include <errno.h>
#include <sys/random.h>

static int fill(struct entropy *e, void *p, size_t n)
{
	u8 *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, GRND_NONBLOCK);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

void entropy_host_init(struct entropy *e)
{
	e->fill = fill;
}
