/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.c - a guest's accesses to devices, as engines ask for them: under the
 * device lock unless the registers are the processor's own, counted and traced.
 * On the vCPU's own thread.
 */
#include "base/trace.h"
#include "vm/vm.h"

static bool is_own(const struct own_range *r, gpa_t gpa, unsigned bytes)
{
	return gpa - r->first < r->bytes &&
	       bytes <= r->bytes - (gpa - r->first);
}

static __attribute__((noinline)) void
trace_access(enum trace_category c, struct vcpu *v, struct bus *b, bool write,
	     u64 addr, u64 value, unsigned bytes)
{
	struct bus_range *r;

	vm_lock_as(v);
	r = bus_find(b, addr);
	vm_unlock_as(v);
	trace_print(c, "cpu%u %s%u %#llx = %#llx (%s)", v->index,
		    write ? "write" : "read", bytes * 8,
		    (unsigned long long)addr, (unsigned long long)value,
		    r ? r->name : b == &v->vm->mmio &&
			    is_own(&v->vm->own, addr, bytes) ? "own" :
							       "nobody");
}

u64 vm_pio_read(struct vcpu *v, u16 port, unsigned bytes)
{
	u64 value;

	v->stats.pio++;
	vm_lock_as(v);
	value = bus_read(&v->vm->pio, port, bytes);
	vm_unlock_as(v);
	if (TRACE_ON(PIO))
		trace_access(TRACE_PIO, v, &v->vm->pio, false, port, value,
			     bytes);
	return value;
}

void vm_pio_write(struct vcpu *v, u16 port, u64 value, unsigned bytes)
{
	if (TRACE_ON(PIO))
		trace_access(TRACE_PIO, v, &v->vm->pio, true, port, value,
			     bytes);
	v->stats.pio++;
	vm_lock_as(v);
	bus_write(&v->vm->pio, port, value, bytes);
	vm_unlock_as(v);
}

u64 vm_mmio_read(struct vcpu *v, gpa_t gpa, unsigned bytes)
{
	const struct own_range *own = &v->vm->own;
	u64 value;

	v->stats.mmio++;
	if (is_own(own, gpa, bytes)) {
		value = own->read(own->dev, v, gpa - own->first, bytes);
	} else {
		vm_lock_as(v);
		value = bus_read(&v->vm->mmio, gpa, bytes);
		vm_unlock_as(v);
	}
	if (TRACE_ON(MMIO))
		trace_access(TRACE_MMIO, v, &v->vm->mmio, false, gpa, value,
			     bytes);
	return value;
}

void vm_mmio_write(struct vcpu *v, gpa_t gpa, u64 value, unsigned bytes)
{
	const struct own_range *own = &v->vm->own;

	if (TRACE_ON(MMIO))
		trace_access(TRACE_MMIO, v, &v->vm->mmio, true, gpa, value,
			     bytes);
	v->stats.mmio++;
	if (is_own(own, gpa, bytes)) {
		own->write(own->dev, v, gpa - own->first, value, bytes);
	} else {
		vm_lock_as(v);
		bus_write(&v->vm->mmio, gpa, value, bytes);
		vm_unlock_as(v);
	}
}

/* Ranges are added before the vCPUs run and stay. */
static struct msr_range *find_msr(const struct vm *vm, u32 msr)
{
	struct msr_range *r = vm->msrs;

	while (r && (msr < r->first || msr > r->last))
		r = r->next;
	return r;
}

bool vm_msr_is_own(const struct vm *vm, u32 msr)
{
	const struct msr_range *r = find_msr(vm, msr);

	return r && r->own;
}

bool vm_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	struct msr_range *r = find_msr(v->vm, msr);
	bool ok;

	v->stats.msr++;
	if (!r || !r->read)
		return false;
	if (!r->own)
		vm_lock_as(v);
	ok = r->read(r->dev, v, msr, value);
	if (!r->own)
		vm_unlock_as(v);
	TRACE(CPU, "cpu%u rdmsr %#x = %#llx%s", v->index, msr,
	      ok ? (unsigned long long)*value : 0ull, ok ? "" : " refused");
	return ok;
}

bool vm_msr_write(struct vcpu *v, u32 msr, u64 value)
{
	struct msr_range *r = find_msr(v->vm, msr);
	bool ok;

	v->stats.msr++;
	if (!r || !r->write)
		return false;
	if (!r->own)
		vm_lock_as(v);
	ok = r->write(r->dev, v, msr, value);
	if (!r->own)
		vm_unlock_as(v);
	TRACE(CPU, "cpu%u wrmsr %#x = %#llx%s", v->index, msr,
	      (unsigned long long)value, ok ? "" : " refused");
	return ok;
}

void vm_tsc_changed(struct vcpu *v)
{
	struct vm *vm = v->vm;

	if (!vm->tsc_changed)
		return;
	vm_lock_as(v);
	vm->tsc_changed(vm->tsc_changed_ctx, v);
	vm_unlock_as(v);
}

u64 vm_hypercall(struct vcpu *v, u64 nr, const u64 arg[4])
{
	const struct hypercall_range *r = v->vm->hypercalls;
	s64 ret = VM_HYPERCALL_ENOSYS;

	v->stats.hypercalls++;
	while (r && (nr < r->first || nr > r->last))
		r = r->next;
	if (r)
		ret = r->call(r->dev, v, nr, arg);
	TRACE(CPU, "cpu%u hypercall %llu = %lld", v->index,
	      (unsigned long long)nr, (long long)ret);
	return (u64)ret;
}
