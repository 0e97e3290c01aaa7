/* SPDX-License-Identifier: Apache-2.0 */
/* kvmclock.h - KVM's paravirtual clock: time that needs no calibration. */
#ifndef DOPPEL_DEV_KVMCLOCK_H
#define DOPPEL_DEV_KVMCLOCK_H

#include "base/base.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/gmem.h"
#include "vm/vcpu.h"

#define KVMCLOCK_CPUS 64

/* What EAX of CPUID leaf 0x40000001 says of it: the old MSRs, the new ones,
 * and that PVCLOCK_TSC_STABLE can be trusted. */
#define KVMCLOCK_FEATURES (BIT(0) | BIT(3) | BIT(24))

struct kvmclock_wiring {
	struct gmem *mem;
	struct clock *clock;
	u64 tsc_hz;
};

struct kvmclock {
	struct device dev;
	struct kvmclock_wiring w;
	/* To be registered by the wiring: the old numbers and the new. */
	struct msr_range msrs[2];

	u64 wall_msr; /* as written last */
	u64 system_msr[KVMCLOCK_CPUS]; /* address and enable bit */
	/* One moment on both clocks, from when the first processor asked. All
	 * structures are made from it, or processors' times would differ. Both
	 * clocks stand still together, so a pause changes nothing. */
	bool has_moment;
	u64 moment_tsc; /* the machine's: a processor's less its TSC_ADJUST */
	u64 moment_ns; /* VM time */
	u32 tsc_to_ns_mul;
	s8 tsc_shift;
};

extern const struct device_class kvmclock_class;

void kvmclock_init(struct kvmclock *k, const struct kvmclock_wiring *w);

/*
 * Writes @v's structure again. To be called when its TSC_ADJUST has changed;
 * and for all processors after the machine was loaded on a host whose TSC has
 * another frequency, then with kvmclock_forget() before the first.
 */
void kvmclock_refresh(struct kvmclock *k, const struct vcpu *v);
void kvmclock_forget(struct kvmclock *k);

#endif
