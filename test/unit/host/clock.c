/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - clocks go forwards and agree with each other. */
#include <stdlib.h>
#include <time.h>

#include "host/host.h"
#include "tap.h"

int main(void)
{
	u64 ns0 = host_now_ns(), tsc0 = host_tsc(), hz = host_tsc_hz();
	u64 ns, tsc, counted;
	s64 off;

	tap_check(hz > 100000000, "TSC of %llu Hz", (unsigned long long)hz);
	tap_equal(host_tsc_hz(), hz, "told twice the same");
	while (host_now_ns() - ns0 < 50000000)
		;
	ns = host_now_ns() - ns0;
	tsc = host_tsc() - tsc0;
	counted = tsc * 1000 / (hz / 1000000);
	off = (s64)(counted - ns) * 1000000 / (s64)ns;
	/* 50 ms of a busy machine: a preemption between two readings is
	 * some ten microseconds. */
	tap_check(llabs(off) < 2000, "TSC and clock agree to %lld ppm",
		  (long long)off);
	tap_check(host_realtime_ns() / 1000000000 - (u64)time(NULL) < 2 ||
			  (u64)time(NULL) - host_realtime_ns() / 1000000000 < 2,
		  "time of day");
	tap_check(host_cpu_count() >= 1, "%u processors", host_cpu_count());
	return tap_done();
}
