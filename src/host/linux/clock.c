/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - the host's clocks and the rate of its time-stamp counter.
 *
 * clock_gettime is the vDSO's: no system call, no vector registers.
 */
#include <time.h>

#include "host/host.h"

static u64 read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

u64 host_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

u64 host_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

static bool plausible(u64 hz)
{
	return hz > 100000000u && hz < 20000000000u;
}

/* What the processor says, or 0. SDM 3B 19.7.3 "Determining the Processor Base
 * Frequency"; leaf 0x16 is left aside, being rounded to MHz. */
static u64 told_by_cpuid(void)
{
	struct x86_cpuid_regs r;
	u64 hz;

	host_cpuid(0, 0, &r);
	if (r.eax < 0x15)
		return 0;
	host_cpuid(0x15, 0, &r);
	if (!r.eax || !r.ebx || !r.ecx)
		return 0;
	hz = (u64)r.ecx * r.ebx / r.eax;
	return plausible(hz) ? hz : 0;
}

/* What the hypervisor below us says, or 0: leaf 0x40000010, EAX in kHz, began
 * with VMware and was taken over by KVM's users. Others number differently. */
static u64 told_by_hypervisor(void)
{
	struct x86_cpuid_regs r;
	bool known;
	u64 hz;

	host_cpuid(1, 0, &r);
	if (!(r.ecx & BIT(31)))
		return 0;
	host_cpuid(0x40000000, 0, &r);
	known = (r.ebx == 0x4b4d564b && r.ecx == 0x564b4d56) || /* KVMKVMKV */
		(r.ebx == 0x61774d56 && r.ecx == 0x4d566572); /* VMwareVM */
	if (!known || r.eax < 0x40000010 || r.eax > 0x400000ff)
		return 0;
	host_cpuid(0x40000010, 0, &r);
	hz = (u64)r.eax * 1000;
	return plausible(hz) ? hz : 0;
}

struct sample {
	u64 tsc, ns;
};

/* Both clocks at one moment: the best of some tries, since we can be
 * interrupted between the readings. */
static struct sample sample_clocks(void)
{
	struct sample s = { 0 };
	u64 best = ~0ull;

	for (int i = 0; i < 16; i++) {
		u64 t0 = host_tsc();
		u64 ns = read_clock(CLOCK_MONOTONIC_RAW);
		u64 t1 = host_tsc();

		if (t1 - t0 < best) {
			best = t1 - t0;
			s = (struct sample){ t0 + (t1 - t0) / 2, ns };
		}
	}
	return s;
}

/* Against the clock that NTP does not bend; good to a few millionths. */
static u64 measure(void)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	struct sample a = sample_clocks(), b;

	do {
		nanosleep(&pause, NULL);
		b = sample_clocks();
		if (b.ns - a.ns > 1000000000) /* we were held up */
			a = b;
	} while (b.ns - a.ns < 5000000); /* a signal cut it short */
	/* The product fits: a second has less than 2^34 cycles. */
	return (b.tsc - a.tsc) * 1000000000u / (b.ns - a.ns);
}

u64 host_tsc_hz(void)
{
	static u64 remembered;
	u64 hz = __atomic_load_n(&remembered, __ATOMIC_RELAXED);

	if (hz)
		return hz;
	hz = told_by_cpuid();
	if (!hz)
		hz = told_by_hypervisor();
	if (!hz)
		hz = measure();
	if (!hz)
		hz = 1000000000u; /* a counter that stands still */
	/* Two first callers must agree. */
	u64 none = 0;
	if (!__atomic_compare_exchange_n(&remembered, &none, hz, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		hz = none;
	return hz;
}
