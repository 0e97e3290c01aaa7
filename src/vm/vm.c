/* SPDX-License-Identifier: Apache-2.0 */
/* vm.c - a machine from its making to its end. */
#include "vm/vm.h"

#include "base/fmt.h"
#include "base/string.h"
#include "base/trace.h"

#define PIO_ADDRESS_BITS 16
#define MMIO_ADDRESS_BITS 52

static u64 vcpu_alloc_bytes(const struct vm *vm)
{
	return align_up(vm->engine->vcpu_bytes, PAGE_SIZE);
}

/* All counters of a machine start together, at 0. */
static void reset_cpu(struct vcpu *v, u64 host_tsc)
{
	vcpu_clear_request(v, ~0u);
	v->unhalt = false;
	v->x86.intel = v->vm->cpuid.intel;
	x86_state_reset(&v->x86, false, v->index == 0);
	v->x86.tsc_offset = 0 - host_tsc;
}

static int add_cpu(struct vm *vm, struct err *e)
{
	unsigned index = vm->cpu_count;
	/* Engines keep their caches in it. */
	struct vcpu *v = host_pages_alloc_huge(vcpu_alloc_bytes(vm));
	int err;

	if (!v)
		return err_set(e, -ENOMEM,
			       "the host has no memory for processor %u",
			       index);
	v->vm = vm;
	v->index = index;
	host_event_init(&v->wake);
	vcpu_time_init(v);
	reset_cpu(v, vm->stopped_tsc);
	err = vm->engine->vcpu_init(v, e);
	if (err) {
		host_pages_free(v, vcpu_alloc_bytes(vm));
		return err_set(e, err, "engine %s cannot make processor %u",
			       vm->engine->name, index);
	}
	v->stat_group = (struct stat_group){ .title = "processors",
					     .tab = vcpu_stat_tab,
					     .count = vcpu_stat_count,
					     .base = &v->stats };
	vm_add_stats(vm, &v->stat_group);
	vm->cpus[index] = v;
	vm->cpu_count++;
	return 0;
}

int vm_init(struct vm *vm, const struct vm_config *c, struct err *e)
{
	static const struct engine_options default_options;
	const struct engine_options *o =
		c->engine_options ? c->engine_options : &default_options;
	int err;

	*vm = (struct vm){ .timer_ns = CLOCK_NEVER };
	if (c->cpus < 1 || c->cpus > VM_MAX_CPUS)
		return err_set(e, -EINVAL,
			       "a machine has from 1 to %u processors, not %u",
			       VM_MAX_CPUS, c->cpus);
	if (c->engine->max_cpus && c->cpus > c->engine->max_cpus)
		return err_set(e, -ENOTSUP,
			       "the %s engine runs machines of %u processor%s so "
			       "far; use --cpus %u", c->engine->name,
			       c->engine->max_cpus,
			       c->engine->max_cpus > 1 ? "s" : "",
			       c->engine->max_cpus);
	err = gmem_init(&vm->mem, c->memory_bytes, e);
	if (err)
		return err;
	host_mutex_init(&vm->lock);
	host_event_init(&vm->ended);
	clock_init(&vm->clock);
	vm->clock.rearm = vcpu_device_clock_rearm;
	vm->clock.rearm_ctx = vm;
	bus_init(&vm->pio, "pio", PIO_ADDRESS_BITS);
	bus_init(&vm->mmio, "mmio", MMIO_ADDRESS_BITS);
	x86_cpuid_init(&vm->cpuid, host_cpuid, c->cpus, host_tsc_hz());
	vm->cpu_total = c->cpus;
	vm->stopped_tsc = host_tsc();
	vm->host_cpus = host_cpu_count();

	err = c->engine->vm_init(vm, o, e);
	if (err) {
		gmem_fini(&vm->mem);
		return err_set(e, err, "engine %s does not start here",
			       c->engine->name);
	}
	/* From here on there is something for vm_fini to undo. */
	vm->engine = c->engine;
	for (unsigned i = 0; i < c->cpus; i++) {
		err = add_cpu(vm, e);
		if (err) {
			vm_fini(vm);
			return err;
		}
	}
	return 0;
}

void vm_fini(struct vm *vm)
{
	struct device *d, *next;

	if (!vm->engine)
		return;
	for (d = vm->devices; d; d = next) {
		next = d->next;
		if (d->cls->fini)
			d->cls->fini(d);
	}
	while (vm->cpu_count) {
		struct vcpu *v = vm->cpus[--vm->cpu_count];

		vm->engine->vcpu_fini(v);
		host_pages_free(v, vcpu_alloc_bytes(vm));
	}
	vm->engine->vm_fini(vm);
	gmem_fini(&vm->mem);
	host_mutex_fini(&vm->lock);
	*vm = (struct vm){ .mem.fd = -1 };
}

/* The guest's counters have stood still since the vCPUs stopped. */
static void resume_tsc(struct vm *vm)
{
	u64 paused = host_tsc() - vm->stopped_tsc;

	for (unsigned i = 0; i < vm->cpu_count; i++) {
		vm->cpus[i]->x86.tsc_offset -= paused;
		vm->engine->state_changed(vm->cpus[i]);
	}
}

int vm_start(struct vm *vm, struct err *e)
{
	int err = 0;

	for (unsigned i = 0; i < vm->cpu_count; i++)
		vcpu_clear_request(vm->cpus[i], VCPU_REQ_STOP);
	/* A machine that was ended meanwhile starts and stops at once. */
	if (vm_is_ending(vm))
		vm_pause(vm);
	resume_tsc(vm);
	clock_start(&vm->clock);
	vm->timer_ns = 0; /* look at it first of all */
	vm->awake = vm->cpu_count;
	vm_turns_init(vm);
	for (unsigned i = 0; i < vm->cpu_count && !err; i++) {
		struct vcpu *v = vm->cpus[i];
		char name[16];

		fmt_print(name, sizeof(name), "vcpu%u", i);
		err = host_thread_create(&v->thread, name, vcpu_thread, v);
	}
	if (!err)
		return 0;
	vm_pause(vm);
	vm_join(vm);
	return err_set(e, err,
		       "the host gives no thread for each of %u processors "
		       "(error %d): raise its limit of tasks",
		       vm->cpu_count, -err);
}

void vm_join(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct vcpu *v = vm->cpus[i];

		host_thread_join(v->thread);
		v->thread = NULL;
	}
	if (clock_is_running(&vm->clock)) {
		vm->stopped_tsc = host_tsc();
		clock_stop(&vm->clock);
	}
}

void vm_wait(struct vm *vm)
{
	while (!vm_is_ending(vm))
		host_event_wait(&vm->ended, ~0ull);
}

void vm_reset(struct vm *vm)
{
	u64 tsc = host_tsc();

	vm->stopped_tsc = tsc;
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		reset_cpu(vm->cpus[i], tsc);
		vm->engine->state_changed(vm->cpus[i]);
	}
	vm_lock(vm);
	for (struct device *d = vm->devices; d; d = d->next)
		if (d->cls->reset)
			d->cls->reset(d);
	vm_unlock(vm);
	vm->exit_code = 0;
	vm->why[0] = 0;
	host_event_init(&vm->ended);
	__atomic_store_n(&vm->end, VM_RUNNING, __ATOMIC_RELEASE);
}

void vm_pause(struct vm *vm)
{
	for (unsigned i = 0; i < vm->cpu_count; i++)
		vcpu_request(vm->cpus[i], VCPU_REQ_STOP);
}

/* True for the first who gives a reason. */
static bool end_with(struct vm *vm, enum vm_end how)
{
	u32 running = VM_RUNNING;

	return __atomic_compare_exchange_n(&vm->end, &running, how, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void finish_ending(struct vm *vm)
{
	vm_pause(vm);
	host_event_set(&vm->ended);
}

void vm_stop(struct vm *vm, enum vm_end how)
{
	if (end_with(vm, how))
		finish_ending(vm);
}

static void stop_why(struct vm *vm, enum vm_end how, const char *fmt,
		     va_list ap)
{
	if (!end_with(vm, how))
		return;
	/* Before the threads end and anybody reads it. */
	fmt_vprint(vm->why, sizeof(vm->why), fmt, ap);
	TRACE(VM, "ends: %s", vm->why);
	finish_ending(vm);
}

void vm_stop_because(struct vm *vm, enum vm_end how, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stop_why(vm, how, fmt, ap);
	va_end(ap);
}

void vm_kill(struct vm *vm, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	stop_why(vm, VM_KILLED, fmt, ap);
	va_end(ap);
}

void vm_add_device(struct vm *vm, struct device *d,
		   const struct device_class *cls, const char *id)
{
	struct device **at = &vm->devices;

	d->cls = cls;
	d->next = NULL;
	str_copy(d->id, sizeof(d->id), id);
	while (*at)
		at = &(*at)->next;
	*at = d;
}

void vm_add_msrs(struct vm *vm, struct msr_range *r)
{
	r->next = vm->msrs;
	vm->msrs = r;
}

void vm_add_hypercalls(struct vm *vm, struct hypercall_range *r)
{
	r->next = vm->hypercalls;
	vm->hypercalls = r;
}

void vm_add_stats(struct vm *vm, struct stat_group *g)
{
	struct stat_group **at = &vm->stats;

	g->next = NULL;
	for (; *at; at = &(*at)->next)
		if ((*at)->tab == g->tab) {
			g->also = (*at)->also;
			(*at)->also = g;
			return;
		}
	*at = g;
}
