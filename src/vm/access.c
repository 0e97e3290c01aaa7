/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.c - a guest's accesses to devices, as engines ask for them: under the
 * device lock, counted and traced. On the vCPU's own thread.
 */
#include "base/trace.h"
#include "vm/vm.h"

static void enter(struct vcpu *v)
{
	vm_lock(v->vm);
	v->vm->lock_vcpu = v;
	v->vm->pio.cpu = v->vm->mmio.cpu = v;
}

static void leave(struct vcpu *v)
{
	v->vm->pio.cpu = v->vm->mmio.cpu = NULL;
	v->vm->lock_vcpu = NULL;
	vm_unlock(v->vm);
}

static __attribute__((noinline)) void
trace_access(enum trace_category c, struct vcpu *v, struct bus *b, bool write,
	     u64 addr, u64 value, unsigned bytes)
{
	struct bus_range *r;

	enter(v);
	r = bus_find(b, addr);
	leave(v);
	trace_print(c, "cpu%u %s%u %#llx = %#llx (%s)", v->index,
		    write ? "write" : "read", bytes * 8,
		    (unsigned long long)addr, (unsigned long long)value,
		    r ? r->name : "nobody");
}

u64 vm_pio_read(struct vcpu *v, u16 port, unsigned bytes)
{
	u64 value;

	v->stats.pio++;
	enter(v);
	value = bus_read(&v->vm->pio, port, bytes);
	leave(v);
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
	enter(v);
	bus_write(&v->vm->pio, port, value, bytes);
	leave(v);
}

u64 vm_mmio_read(struct vcpu *v, gpa_t gpa, unsigned bytes)
{
	u64 value;

	v->stats.mmio++;
	enter(v);
	value = bus_read(&v->vm->mmio, gpa, bytes);
	leave(v);
	if (TRACE_ON(MMIO))
		trace_access(TRACE_MMIO, v, &v->vm->mmio, false, gpa, value,
			     bytes);
	return value;
}

void vm_mmio_write(struct vcpu *v, gpa_t gpa, u64 value, unsigned bytes)
{
	if (TRACE_ON(MMIO))
		trace_access(TRACE_MMIO, v, &v->vm->mmio, true, gpa, value,
			     bytes);
	v->stats.mmio++;
	enter(v);
	bus_write(&v->vm->mmio, gpa, value, bytes);
	leave(v);
}

/* Ranges are added before the vCPUs run and stay. */
static struct msr_range *find_msr(struct vm *vm, u32 msr)
{
	struct msr_range *r = vm->msrs;

	while (r && (msr < r->first || msr > r->last))
		r = r->next;
	return r;
}

bool vm_msr_read(struct vcpu *v, u32 msr, u64 *value)
{
	struct msr_range *r = find_msr(v->vm, msr);
	bool ok;

	v->stats.msr++;
	if (!r || !r->read)
		return false;
	enter(v);
	ok = r->read(r->dev, v, msr, value);
	leave(v);
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
	enter(v);
	ok = r->write(r->dev, v, msr, value);
	leave(v);
	TRACE(CPU, "cpu%u wrmsr %#x = %#llx%s", v->index, msr,
	      (unsigned long long)value, ok ? "" : " refused");
	return ok;
}
