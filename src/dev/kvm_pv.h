/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm_pv.h - KVM's paravirtual interface beyond its clock: stolen time, TLB
 * flushes of processors that sleep, the end of interrupts without a trap, and
 * the hypercalls by which spinlocks and interprocessor interrupts get cheaper.
 *
 * Each processor's part is touched by its own thread alone, without a lock.
 */
#ifndef DOPPEL_DEV_KVM_PV_H
#define DOPPEL_DEV_KVM_PV_H

#include "base/base.h"
#include "dev/apic_bus.h"
#include "vm/bus.h"
#include "vm/device.h"
#include "vm/gmem.h"
#include "vm/vcpu.h"

#define KVM_PV_CPUS 64

struct kvm_pv_wiring {
	struct gmem *mem;
	struct apic_bus *bus;
	unsigned cpus;
	/* How long the calling thread has been kept waiting for a processor of
	 * the host; NULL if the host cannot tell: then there is no stolen
	 * time, and nothing that goes with it. */
	u64 (*delay_ns)(void);
	/* Ends the halt of a processor, this one or the next: any thread. */
	void (*unhalt)(void *ctx, unsigned cpu);
	/* The processor drops all translations before it goes on: on its
	 * thread. */
	void (*flush_tlb)(struct vcpu *v);
	void *ctx;
};

struct kvm_pv {
	struct device dev;
	struct kvm_pv_wiring w;
	/* To be registered by the wiring. */
	struct msr_range msrs;
	struct hypercall_range calls;

	u64 steal_msr[KVM_PV_CPUS]; /* address and enable bit */
	u64 steal_ns[KVM_PV_CPUS]; /* in all */
	/* Of the thread that runs the processor now. */
	struct {
		u64 delay_ns; /* its delay when last asked */
		u64 asked_ns; /* when that was */
	} thread[KVM_PV_CPUS];
};

extern const struct device_class kvm_pv_class;
extern const struct watch_ops kvm_pv_watch_ops; /* dev: the struct kvm_pv */

void kvm_pv_init(struct kvm_pv *k, const struct kvm_pv_wiring *w);

/* What EAX of CPUID leaf 0x40000001 says of it. */
u32 kvm_pv_features(const struct kvm_pv *k);

#endif
