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
#include "base/list.h"
#include "base/stats.h"
#include "host/host.h"
#include "vm/clock.h"
#include "x86/state.h"

struct vm;
struct vcpu;

/* The local APIC (with the PIC behind it) as its processor sees it. Called
 * on the vCPU's thread, without the device lock; the C library is not needed
 * for it, nor anything else that would touch vector registers. */
struct intr_ops {
	/* Acknowledges and returns the vector of the interrupt to deliver
	 * now, or -1 if there is none after all. */
	int (*ack)(void *dev);
	/* CR8 and the task priority are one register: @tpr is all of it, so
	 * CR8 is tpr >> 4 and writing CR8 sets tpr to CR8 << 4. */
	u8 (*get_tpr)(void *dev);
	void (*set_tpr)(void *dev, u8 tpr);
};

/* Who wants to know what a processor's thread does. Called on it, without the
 * device lock, while no guest code runs. */
struct watch_ops {
	void (*begins)(void *dev, struct vcpu *v); /* a new thread */
	void (*sleeps)(void *dev, struct vcpu *v); /* is about to */
	void (*wakes)(void *dev, struct vcpu *v); /* before anything else */
	void (*ticks)(void *dev, struct vcpu *v); /* timers have run */
};

/* Bits of v->request. */
#define VCPU_REQ_INTR BIT(0) /* an interrupt waits in the APIC or PIC */
#define VCPU_REQ_NMI BIT(1)
#define VCPU_REQ_INIT BIT(2)
#define VCPU_REQ_SIPI BIT(3) /* vector in v->sipi_vector */
#define VCPU_REQ_TIMER BIT(4) /* timers are due, or have an earlier deadline */
#define VCPU_REQ_STOP BIT(5) /* leave the run loop: the VM ends or pauses */
/* Others wait for their turn: see vcpu_turn.c. */
#define VCPU_REQ_TURN BIT(7)
/* Set by the vCPU's own thread between two calls of the engine's run(), which
 * drops all that it knows of the guest's page tables, global or of whatever
 * PCID, before it looks at guest memory by them again. */
#define VCPU_REQ_FLUSH BIT(6)

struct vcpu_stats {
	u64 exits_request, exits_hlt;
	u64 sleeps, polls, idle_ns;
	u64 timer_runs;
	u64 pio, mmio, msr; /* accesses that reached the buses */
	u64 hypercalls, kicks, lazy_flushes, yields, turns;
};

extern const struct stat_desc vcpu_stat_tab[];
extern const size_t vcpu_stat_count;

struct vcpu {
	struct x86_state x86;

	struct vm *vm;
	unsigned index; /* also the APIC id */
	const struct intr_ops *intr;
	void *intr_dev;
	const struct watch_ops *watch; /* NULL: nobody */
	void *watch_dev;

	u32 request; /* atomic, VCPU_REQ_* */
	u8 sipi_vector; /* atomic */
	bool unhalt; /* atomic: this halt, or the next one, is over. No request:
		      * while the guest does not halt it is nothing to do. */
	struct host_event wake; /* for a halted vCPU */
	struct host_thread *thread;

	/* Time, see vcpu_time.c. The thread's own. */
	struct clock clock; /* the local APIC's timer */
	u64 timer_ns; /* host time of its next deadline */
	struct host_alarm *alarm; /* exists while the thread runs */
	bool in_timers;

	/* Idleness, see vcpu_idle.c. */
	u32 poll_ns; /* how long to look for work before the next sleep */
	u64 poll_rest_ns; /* host time until which not to */
	u64 asked_ns; /* atomic: host time of the last request in its sleep */
	bool asleep; /* atomic */
	u32 pauses;

	/* When there are too few host processors for all, see vcpu_turn.c. */
	struct turn {
		struct list link; /* in turns.waiting */
		bool held; /* written with the lock, atomic */
		bool wanted; /* atomic: another processor asked for ours */
		bool patient; /* we gave it up of our own accord */
		u64 since_ns; /* host time, if it is held */
		u64 used_ns; /* in all turns before */
		/* The thread's own: */
		u64 waited_ns; /* in all */
		u64 loop_since_ns, loop_last_ns; /* waiting for others */
	} turn;
	struct vcpu_stats stats;
	struct stat_group stat_group;
};

/* --- for vm.c --- */

/* The vCPU's thread; @arg is the struct vcpu. (vcpu.c) */
void vcpu_thread(void *arg);
/* The processor has its clock, which follows the VM's. (vcpu_time.c) */
void vcpu_time_init(struct vcpu *v);
/* The rearm of the devices' clock: makes vCPU 0 look at it when @deadline_ns
 * (VM time) has come. With the device lock held. */
void vcpu_device_clock_rearm(void *vm, u64 deadline_ns);

/* --- for vcpu.c --- */

/* The thread begins and ends: its alarm. (vcpu_time.c) */
int vcpu_time_start(struct vcpu *v);
void vcpu_time_stop(struct vcpu *v);
/* Runs what timers are due. */
void vcpu_run_timers(struct vcpu *v);
/* Sleeps until there is something to do. (vcpu_idle.c) */
void vcpu_wait_for_work(struct vcpu *v);
/* It may run guest code: at once, or after its turn has come. False: the thread
 * is to end. (vcpu_turn.c) */
bool vcpu_turn_wait(struct vcpu *v);
/* Not now. For those who have no turn, too. */
void vcpu_turn_give(struct vcpu *v);
/* Others may go first, if anybody waits: soon, by a request. */
void vcpu_turn_offer(struct vcpu *v);
/* There is, after it was said what. Any thread, signal handlers too. */
void vcpu_wake(struct vcpu *v);

/* --- for all --- */

/*
 * Sets request bits and makes the vCPU see them soon: kicks the engine and
 * wakes it from HLT. Any thread, signal handlers too.
 */
void vcpu_request(struct vcpu *v, u32 bits);
/* Ends the vCPU's halt or, if it is not in one, the next, whether interrupts
 * are enabled or not. Any thread. */
void vcpu_unhalt(struct vcpu *v);
/* The guest executes PAUSE: on its thread. */
void vcpu_pause(struct vcpu *v);
static inline void vcpu_clear_request(struct vcpu *v, u32 bits)
{
	__atomic_fetch_and(&v->request, ~bits, __ATOMIC_ACQ_REL);
}
static inline u32 vcpu_requests(const struct vcpu *v)
{
	return __atomic_load_n(&v->request, __ATOMIC_ACQUIRE);
}

#endif
