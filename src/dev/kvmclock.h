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
	/* One moment on both clocks. All processors' structures are made from
	 * the same one, or their times would differ. */
	u64 moment_tsc; /* the host's */
	u64 moment_ns; /* VM time */
	u32 tsc_to_ns_mul;
	s8 tsc_shift;
};

extern const struct device_class kvmclock_class;

void kvmclock_init(struct kvmclock *k, const struct kvmclock_wiring *w);

/*
 * After the VM stood still or was loaded: takes a new moment. Then, for each
 * processor, and whenever its TSC offset has changed, kvmclock_refresh.
 */
void kvmclock_resync(struct kvmclock *k);
void kvmclock_refresh(struct kvmclock *k, const struct vcpu *v);

#endif
