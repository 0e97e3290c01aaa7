/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu.h - one virtual processor: its architectural state, its interrupt
 * source, and the requests that other threads make of it.
 *
 * The state belongs to the vCPU's thread while it runs; others may only set
 * the atomic request words and kick.
 */
#ifndef DOPPEL_VM_VCPU_H
#define DOPPEL_VM_VCPU_H

#include "base/base.h"
#include "base/stats.h"
#include "host/host.h"
#include "x86/state.h"

struct vm;
struct vcpu;

/* The local APIC (with the PIC behind it) as its processor sees it. Called
 * on the vCPU's thread with the device lock held. */
struct intr_ops {
	/* Acknowledges and returns the vector of the interrupt to deliver
	 * now, or -1 if there is none after all. */
	int (*ack)(void *dev);
	/* CR8 and the task priority are one register: @tpr is all of it, so
	 * CR8 is tpr >> 4 and writing CR8 sets tpr to CR8 << 4. */
	u8 (*get_tpr)(void *dev);
	void (*set_tpr)(void *dev, u8 tpr);
};

/* Bits of v->request. */
#define VCPU_REQ_INTR BIT(0) /* an interrupt waits in the APIC or PIC */
#define VCPU_REQ_NMI BIT(1)
#define VCPU_REQ_INIT BIT(2)
#define VCPU_REQ_SIPI BIT(3) /* vector in v->sipi_vector */
#define VCPU_REQ_TIMER BIT(4) /* timers of the VM's clock are due */
#define VCPU_REQ_STOP BIT(5) /* leave the run loop: the VM ends or pauses */
#define VCPU_REQ_ENGINE BIT(6) /* work queued by the engine itself; left
				* alone while the vCPU waits for SIPI */

struct vcpu_stats {
	u64 exits_request, exits_hlt;
	u64 sleeps, idle_ns;
	u64 timer_runs;
	u64 pio, mmio, msr; /* accesses that reached the buses */
};

extern const struct stat_desc vcpu_stat_tab[];
extern const size_t vcpu_stat_count;

struct vcpu {
	struct x86_state x86;

	struct vm *vm;
	unsigned index; /* also the APIC id */
	const struct intr_ops *intr;
	void *intr_dev;

	u32 request; /* atomic, VCPU_REQ_* */
	u8 sipi_vector;
	struct host_event wake; /* for a halted vCPU */
	struct host_alarm *alarm; /* vCPU 0: the VM's clock */
	struct host_thread *thread;
	u32 poll_ns; /* how long to look for work before the next sleep */
	struct vcpu_stats stats;
};

/* The vCPU's thread; @arg is the struct vcpu (vcpu.c, for vm_start). */
void vcpu_thread(void *arg);
/* clock.rearm: makes vCPU 0 look at the clock when @deadline_ns (VM time) has
 * come. With the device lock held. */
void vcpu_clock_rearm(void *vm, u64 deadline_ns);

/*
 * Sets request bits and makes the vCPU see them soon: kicks the engine and
 * wakes it from HLT. Any thread, signal handlers too.
 */
void vcpu_request(struct vcpu *v, u32 bits);
static inline void vcpu_clear_request(struct vcpu *v, u32 bits)
{
	__atomic_fetch_and(&v->request, ~bits, __ATOMIC_ACQ_REL);
}
static inline u32 vcpu_requests(const struct vcpu *v)
{
	return __atomic_load_n(&v->request, __ATOMIC_ACQUIRE);
}

#endif
