/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm.h - one virtual machine: its memory, buses, clock, devices, processors
 * and how it ends. There are no globals: everything hangs from here.
 *
 * Locks, in order of acquisition: vm->lock (devices, buses, clock), then
 * whatever a back end, the engine or the log keeps for itself. What is a
 * processor's own (its state, its clock, its local APIC but for arriving
 * interrupts) has no lock: its thread alone touches it.
 */
#ifndef DOPPEL_VM_VM_H
#define DOPPEL_VM_VM_H

#include "base/base.h"
#include "base/stats.h"
#include "host/host.h"
#include "vm/bus.h"
#include "vm/clock.h"
#include "vm/device.h"
#include "vm/engine.h"
#include "vm/gmem.h"
#include "vm/vcpu.h"
#include "x86/cpuid.h"

#define VM_MAX_CPUS 64

/* Why a machine stopped. */
enum vm_end {
	VM_RUNNING,
	VM_POWEROFF, /* the guest asked for it (ACPI S5) */
	VM_RESET, /* the guest asked; the owner decides what follows */
	VM_KILLED, /* the monitor gave up: vm->why says why */
	VM_DEBUG_EXIT, /* the test port at 0xF4: vm->exit_code */
	VM_INTERRUPTED, /* the owner asked (signal, Ctrl-A x) */
};

/* Who may run guest code now: see vcpu_turn.c. */
struct turns {
	unsigned limit; /* so many at a time; 0: all, always */
	struct host_mutex lock;
	struct list waiting; /* struct vcpu, in no order */
	u32 waiting_count; /* atomic */
	unsigned free;
	u64 used_ns; /* as much as one that began lately had used */
};

struct vm {
	struct gmem mem;
	struct x86_cpuid cpuid;
	struct bus pio, mmio;
	struct own_range own; /* comes before .mmio; set before vCPUs run */
	struct msr_range *msrs;
	struct hypercall_range *hypercalls;
	struct clock clock;
	struct device *devices;
	struct stat_group *stats;

	const struct engine_ops *engine;
	void *engine_vm; /* the engine's own, for the whole VM */

	struct vcpu *cpus[VM_MAX_CPUS];
	unsigned cpu_count;
	unsigned cpu_total; /* that there will be, once all are made */

	struct host_mutex lock;
	/* What depends on a processor's time stamp counter, told when the
	 * guest has moved it: on its thread, with the device lock held. */
	void (*tsc_changed)(void *ctx, struct vcpu *v);
	void *tsc_changed_ctx;

	/* The vCPU whose thread holds the lock; NULL if nobody does, or
	 * somebody else. Written by the holder. */
	struct vcpu *lock_vcpu;
	/* Host time at which vCPU 0 has to look at the clock. Written with the
	 * lock held, read by vCPU 0 without: atomic. */
	u64 timer_ns;
	unsigned host_cpus; /* that we may use */
	struct turns turns;
	u32 awake; /* atomic: vCPUs whose threads do not sleep */
	u64 stopped_tsc; /* host TSC when the vCPUs stopped */
	u32 end; /* enum vm_end; atomic, first one wins */
	int exit_code;
	char why[256];
	struct host_event ended; /* for whoever waits in vm_wait */
};

struct vm_config {
	u64 memory_bytes;
	unsigned cpus;
	const struct engine_ops *engine;
	const struct engine_options *engine_options;
};

/* Creates memory, clock, empty buses and processors (reset, not running). */
int vm_init(struct vm *vm, const struct vm_config *c, struct err *e)
	MUST_CHECK;
void vm_fini(struct vm *vm); /* after vm_join; zeroes are fine */

/*
 * Starts a thread for each vCPU, and time / waits until the threads have all
 * ended, and stops time. After vm_pause and vm_join, vm_start goes on from
 * where the machine was.
 */
int vm_start(struct vm *vm, struct err *e) MUST_CHECK;
void vm_join(struct vm *vm);
/* Makes all vCPUs leave their run loops without ending the machine. Any
 * thread, signal handlers too. */
void vm_pause(struct vm *vm);
/* Waits until the machine ends (vm->end). One thread at a time. */
void vm_wait(struct vm *vm);

/* Resets processors and devices in place; only while no vCPU runs. */
void vm_reset(struct vm *vm);

/*
 * Ends the run; the first reason wins. Callable from vCPU threads, other
 * threads and signal handlers.
 */
void vm_stop(struct vm *vm, enum vm_end how);
/* Kills the guest for what silicon has no answer to, or what the monitor
 * cannot do. The caller goes on with a harmless value. */
void vm_kill(struct vm *vm, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As vm_stop, and leaves a sentence in vm->why. Not for signal handlers. */
void vm_stop_because(struct vm *vm, enum vm_end how, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

static inline bool vm_is_ending(const struct vm *vm)
{
	return __atomic_load_n(&vm->end, __ATOMIC_ACQUIRE) != VM_RUNNING;
}

static inline void vm_lock(struct vm *vm)
{
	host_mutex_lock(&vm->lock);
}

static inline void vm_unlock(struct vm *vm)
{
	host_mutex_unlock(&vm->lock);
}

/* The same for a vCPU's own thread. */
static inline void vm_lock_as(struct vcpu *v)
{
	vm_lock(v->vm);
	v->vm->lock_vcpu = v;
}

static inline void vm_unlock_as(struct vcpu *v)
{
	v->vm->lock_vcpu = NULL;
	vm_unlock(v->vm);
}

void vm_add_device(struct vm *vm, struct device *d,
		   const struct device_class *cls, const char *id);
void vm_add_msrs(struct vm *vm, struct msr_range *r);
void vm_add_hypercalls(struct vm *vm, struct hypercall_range *r);
/* Groups of one table are printed as one sum. */
void vm_add_stats(struct vm *vm, struct stat_group *g);

/* What engines call for guests' accesses; they take the device lock where
 * one is needed. */
u64 vm_pio_read(struct vcpu *v, u16 port, unsigned bytes);
void vm_pio_write(struct vcpu *v, u16 port, u64 value, unsigned bytes);
u64 vm_mmio_read(struct vcpu *v, gpa_t gpa, unsigned bytes);
void vm_mmio_write(struct vcpu *v, gpa_t gpa, u64 value, unsigned bytes);
/* Device MSRs; false: #GP. An own one (struct msr_range) may be accessed with
 * guest vector registers live. */
bool vm_msr_is_own(const struct vm *vm, u32 msr);
bool vm_msr_read(struct vcpu *v, u32 msr, u64 *value);
bool vm_msr_write(struct vcpu *v, u32 msr, u64 value);
/* VMCALL or VMMCALL by a guest's kernel: what RAX becomes. May be called with
 * guest vector registers live. The caller has seen to the operand size (32 bits
 * outside of 64-bit mode) and to the CPL, by VM_HYPERCALL_EPERM. */
u64 vm_hypercall(struct vcpu *v, u64 nr, const u64 arg[4]);
#define VM_HYPERCALL_EPERM (-1)
#define VM_HYPERCALL_ENOSYS (-1000)

/* The guest has written v->x86.tsc_offset, by IA32_TSC or IA32_TSC_ADJUST. */
void vm_tsc_changed(struct vcpu *v);

/* Before its threads begin. (vcpu_turn.c) */
void vm_turns_init(struct vm *vm);

#endif
