/* SPDX-License-Identifier: Apache-2.0 */
/* kvmclock_test.c - the paravirtual clock, read as a guest reads it. */
#include "dev/kvmclock.h"
#include "rig.h"
#include "../tap.h"

#define MS 1000000ull

struct pvclock {
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	s8 shift;
	u8 flags, pad2[2];
};

static struct rig rig;
static struct kvmclock kvm;
static struct vcpu cpu[2];
static struct gmem mem;
static u8 ram[0x4000] __attribute__((aligned(4096)));
static u64 written;

static void told(void *ctx, gpa_t gpa, u64 len)
{
	written += len;
}

static void start(u64 tsc_hz)
{
	const struct kvmclock_wiring w = { &mem, &rig.clock, tsc_hz };

	rig_init(&rig);
	memset(&kvm, 0, sizeof(kvm));
	memset(ram, 0xee, sizeof(ram));
	memset(cpu, 0, sizeof(cpu));
	cpu[1].index = 1;
	mem = (struct gmem){ .ram = ram,
			     .low_bytes = sizeof(ram),
			     .written = told };
	written = 0;
	rig_name(&kvm.dev, &kvmclock_class);
	kvmclock_init(&kvm, &w);
}

static bool wrmsr(unsigned n, u32 msr, u64 v)
{
	struct msr_range *r = &kvm.msrs[msr >= 0x4b564d00];

	return r->write(r->dev, &cpu[n], msr, v);
}

static u64 rdmsr(unsigned n, u32 msr)
{
	struct msr_range *r = &kvm.msrs[msr >= 0x4b564d00];
	u64 v = 0xdead;

	return r->read(r->dev, &cpu[n], msr, &v) ? v : 0xdead;
}

/* What the guest makes of it when its counter shows @tsc. */
static u64 guest_ns(const struct pvclock *p, u64 tsc)
{
	u64 delta = tsc - p->tsc;

	delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
	return p->ns + (u64)((unsigned __int128)delta * p->mul >> 32);
}

static void scales(void)
{
	static const u64 hz_tab[] = { 1, 1000, 999999999, 1000000000,
				      1000000001, 1999999999, 2000000000,
				      2000000001, 2900000000, 3700000000,
				      12345678901, ~0ull };
	struct pvclock p;

	for (unsigned i = 0; i < ARRAY_SIZE(hz_tab); i++) {
		u64 hz = hz_tab[i], ns;

		start(hz);
		wrmsr(0, 0x4b564d01, 0x1001);
		memcpy(&p, ram + 0x1000, sizeof(p));
		if (hz > 1ull << 40) {
			tap_check(true, "survives %llu Hz",
				  (unsigned long long)hz);
			continue;
		}
		ns = guest_ns(&p, p.tsc + hz * 10) - p.ns;
		tap_check(ns > 9999999900 && ns < 10000000100,
			  "%llu Hz: ten seconds are %llu ns",
			  (unsigned long long)hz, (unsigned long long)ns);
	}
}

static void clocks(void)
{
	struct pvclock p, q;

	start(2900000000);
	cpu[0].x86.tsc_offset = 5ull << 50;
	cpu[1].x86.tsc_offset = (5ull << 50) + 12345;
	cpu[1].x86.tsc_adjust = 12345;
	rig_pass(&rig, 77 * MS);
	tap_check(wrmsr(0, 0x4b564d01, 0x1001), "enabled");
	tap_equal(rdmsr(0, 0x4b564d01), 0x1001, "reads back");
	tap_equal(rdmsr(1, 0x4b564d01), 0, "each processor has its own");
	memcpy(&p, ram + 0x1000, sizeof(p));
	tap_equal(p.version & 1, 0, "the version is even");
	tap_equal(p.ns, 77 * MS, "VM time");
	tap_equal(p.flags, 1, "stable");
	tap_check(p.tsc - (5ull << 50) <= host_tsc(), "the guest's counter");
	tap_equal(written, 32ull, "the write was told");
	tap_equal(ram[0x1000 + 32], 0xee, "and no more than that");

	rig_pass(&rig, 500 * MS);
	wrmsr(1, 0x12, 0x2001);
	memcpy(&q, ram + 0x2000, sizeof(q));
	tap_check(q.ns == p.ns && q.tsc == p.tsc + 12345,
		  "both processors agree, by the same moment");
	wrmsr(0, 0x4b564d01, 0x1001);
	memcpy(&q, ram + 0x1000, sizeof(q));
	tap_check(q.version != p.version && !(q.version & 1),
		  "a new version");

	memset(ram + 0x3000, 0, 16);
	tap_check(wrmsr(0, 0x4b564d00, 0x3000), "wall clock");
	rig_realtime_base_ns += 3000 * MS;
	tap_check(wrmsr(0, 0x11, 0x3010), "wall clock, old number");
	memcpy(&q, ram + 0x3000, 12);
	tap_equal(q.version & 1, 0, "the version is even");
	tap_equal(q.pad, (host_realtime_ns() - 3000 * MS -
			  clock_now_ns(&rig.clock)) / 1000000000,
		  "seconds at VM time 0");
	tap_equal(*(u32 *)(void *)(ram + 0x3014), q.pad + 3, "and later");
}

static void hostile(void)
{
	static const u64 bad_tab[] = { 0x4001, ~0ull, 0x3ff1, 0x3fe5,
				       1ull << 63 | 1, GiB(4) | 1, 0x1003 };

	start(2900000000);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_tab); i++) {
		tap_check(wrmsr(0, 0x4b564d01, bad_tab[i]), "taken");
		wrmsr(0, 0x4b564d00, bad_tab[i]);
	}
	tap_equal(written, 0ull, "but nothing is written there");
	tap_check(wrmsr(0, 0x4b564d01, 0x3fe1), "the very end");
	tap_equal(written, 32ull, "is fine");
	cpu[0].index = 64;
	tap_check(!wrmsr(0, 0x4b564d01, 0x1001), "no such processor");
	cpu[0].index = 0;
	tap_check(!kvm.msrs[1].write(&kvm, &cpu[0], 0x4b564d02, 1),
		  "no other MSRs");
}

static void saved(void)
{
	static struct kvmclock other;
	const struct kvmclock_wiring w = { &mem, &rig.clock, 1000000000 };
	struct pvclock p, q;

	start(2900000000);
	wrmsr(0, 0x4b564d01, 0x1001);
	memcpy(&p, ram + 0x1000, sizeof(p));
	rig_name(&other.dev, &kvmclock_class);
	kvmclock_init(&other, &w);
	tap_check(rig_copy(&kvm.dev, &other.dev), "saved and loaded");
	rig_pass(&rig, MS);
	kvmclock_refresh(&other, &cpu[0]);
	memcpy(&q, ram + 0x1000, sizeof(q));
	tap_check(q.ns == p.ns && q.tsc == p.tsc, "the same moment");
	kvmclock_forget(&other);
	kvmclock_refresh(&other, &cpu[0]);
	memcpy(&q, ram + 0x1000, sizeof(q));
	tap_check(q.ns == p.ns + MS && q.mul == 1u << 31, "another host");
}

int main(void)
{
	scales();
	clocks();
	hostile();
	saved();
	return tap_done();
}
