/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - clocks go forwards and agree with each other. */
#include <time.h>

#include "host/host.h"
#include "host/linux/cpus.h"
#include "tap.h"

/* How far TSC and clock are apart over 20 ms, in millionths. */
static u64 difference_ppm(u64 hz)
{
	u64 ns0 = host_now_ns(), tsc0 = host_tsc(), ns, counted;

	while (host_now_ns() - ns0 < 20000000)
		;
	ns = host_now_ns() - ns0;
	counted = (host_tsc() - tsc0) * 1000 / (hz / 1000000);
	return (counted > ns ? counted - ns : ns - counted) * 1000000 / ns;
}

int main(void)
{
	u64 hz = host_tsc_hz(), best = ~0ull, seconds;

	tap_check(hz > 100000000, "TSC of %llu Hz", (unsigned long long)hz);
	tap_equal(host_tsc_hz(), hz, "told twice the same");
	/* The best of some: we may be interrupted between two readings. */
	for (int i = 0; i < 20 && best > 500; i++)
		best = min_u64(best, difference_ppm(hz));
	tap_check(best <= 500, "TSC and clock agree to %llu ppm",
		  (unsigned long long)best);
	seconds = (u64)time(NULL);
	tap_check(host_realtime_ns() / 1000000000 - seconds < 60,
		  "time of day");
	tap_check(host_cpu_count() >= 1, "%u processors", host_cpu_count());
	tap_equal(cpus_of_quota("max 100000\n"), ~0u, "no quota");
	tap_equal(cpus_of_quota("200000 100000\n"), 2u, "two processors");
	tap_equal(cpus_of_quota("150000 100000\n"), 2u, "one and a half");
	tap_equal(cpus_of_quota("1000 100000\n"), 1u, "a hundredth");
	tap_equal(cpus_of_quota("99999999999999999999999 1\n"), ~0u,
		  "absurd");
	tap_equal(cpus_of_quota(""), ~0u, "an empty file");
	tap_equal(cpus_of_quota("5"), ~0u, "half a file");
	return tap_done();
}
