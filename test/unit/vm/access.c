/* SPDX-License-Identifier: Apache-2.0 */
/* access.c - a guest's way to devices: buses, MSRs, counts, traces. */
#include <string.h>

#include "base/trace.h"
#include "fake_engine.h"
#include "tap.h"

static u64 reg;
static struct vm vm;

static u64 dev_read(void *dev, u64 offset, unsigned bytes)
{
	/* The lock is held, and by whom is known. */
	return reg + offset + (vm.lock_vcpu == vm.cpus[0] ? 0 : 0x100);
}

static void dev_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	reg = value;
}

static const struct bus_ops dev_ops = { dev_read, dev_write };
static struct bus_range port = { .first = 0x60, .bytes = 4, .ops = &dev_ops,
				 .name = "keys" };
static struct bus_range mem = { .first = 0xfec00000, .bytes = 0x1000,
				.ops = &dev_ops, .name = "ioapic" };

static bool msr_read(void *dev, struct vcpu *v, u32 msr, u64 *value)
{
	*value = reg + msr;
	return msr != 0x802;
}

static bool msr_write(void *dev, struct vcpu *v, u32 msr, u64 value)
{
	reg = value;
	return value != 13;
}

static struct msr_range msrs = { .first = 0x800, .last = 0x8ff,
				 .read = msr_read, .write = msr_write };
static struct msr_range ro = { .first = 0x10, .last = 0x10,
			       .read = msr_read };

static char traced[256];

static void sink(const char *line)
{
	snprintf(traced, sizeof(traced), "%s", line);
}

static void test_traces(struct vcpu *v)
{
	trace_sink = sink;
	trace_mask = BIT(TRACE_PIO) | BIT(TRACE_MMIO);
	vm_pio_write(v, 0x61, 0x1234, 1);
	tap_check(!strcmp(traced, "pio: cpu0 write8 0x61 = 0x1234 (keys)"),
		  "%s", traced);
	reg = 1;
	vm_mmio_read(v, 0xfec00010, 4);
	tap_check(!strcmp(traced, "mmio: cpu0 read32 0xfec00010 = 0x11 "
				  "(ioapic)"),
		  "%s", traced);
	vm_pio_read(v, 0x99, 2);
	tap_check(!strcmp(traced, "pio: cpu0 read16 0x99 = 0xffff (nobody)"),
		  "%s", traced);
	trace_mask = 0;
}

/* Registers that each processor has to itself. */
static u64 own_read(void *dev, struct vcpu *v, u64 offset, unsigned bytes)
{
	return offset + v->index * 0x1000 + (vm.lock_vcpu ? 0x100000 : 0);
}

static void own_write(void *dev, struct vcpu *v, u64 offset, u64 value,
		      unsigned bytes)
{
	reg = value + offset + (vm.lock_vcpu ? 0x100000 : 0);
}

static bool own_msr(void *dev, struct vcpu *v, u32 msr, u64 *value)
{
	*value = vm.lock_vcpu ? 1 : 2;
	return true;
}

static void test_own(struct vcpu *v)
{
	static struct msr_range own = { .first = 0x1b, .last = 0x1b,
					.own = true, .read = own_msr };
	u64 value = 0;

	vm.own = (struct own_range){ .first = 0xfec00100, .bytes = 0x100,
				     .read = own_read, .write = own_write };
	vm_add_msrs(&vm, &own);
	tap_equal(vm_mmio_read(v, 0xfec00180, 4), 0x80u, "own: no lock");
	vm_mmio_write(v, 0xfec001fc, 5, 4);
	tap_equal(reg, 0x101u, "written, at its very end");
	reg = 7;
	tap_equal(vm_mmio_read(v, 0xfec000fc, 4), 0x103u, "the bus below");
	tap_equal(vm_mmio_read(v, 0xfec00200, 4), 0x207u, "and above");
	tap_equal(vm_mmio_read(v, 0xfec001fe, 4), 0x08070605u,
		  "who reaches over its end is at the bus");
	tap_check(vm_msr_is_own(&vm, 0x1b) && !vm_msr_is_own(&vm, 0x800) &&
			  !vm_msr_is_own(&vm, 0x1c),
		  "which MSRs are own");
	tap_check(vm_msr_read(v, 0x1b, &value) && value == 2, "no lock");
}

int main(void)
{
	struct vm_config c = { .memory_bytes = MiB(1), .cpus = 1,
			       .engine = &fake_engine };
	struct vcpu *v;
	u64 value = 5;

	fake.guest = fake_idle;
	if (!tap_check(!vm_init(&vm, &c, NULL), "a machine") ||
	    !bus_add(&vm.pio, &port) || !bus_add(&vm.mmio, &mem))
		return 1;
	vm_add_msrs(&vm, &msrs);
	vm_add_msrs(&vm, &ro);
	v = vm.cpus[0];

	vm_pio_write(v, 0x60, 0xffee, 1);
	tap_equal(reg, 0xeeu, "pio write");
	tap_equal(vm_pio_read(v, 0x61, 1), 0xefu, "pio read");
	tap_equal(vm_pio_read(v, 0xffff, 4), 0xffffffffu, "pio at the end");
	vm_mmio_write(v, 0xfec00000, 0x1122334455667788, 8);
	tap_equal(reg, 0x1122334455667788u, "mmio write");
	tap_equal(vm_mmio_read(v, 0xfec00010, 4), 0x55667798u, "mmio read");
	tap_equal(vm_mmio_read(v, ~0ull, 8), ~0ull, "mmio far away");

	reg = 0;
	tap_check(vm_msr_read(v, 0x8ff, &value) && value == 0x8ff, "rdmsr");
	tap_check(!vm_msr_read(v, 0x802, &value), "rdmsr refused");
	tap_check(!vm_msr_read(v, 0x900, &value), "rdmsr of nobody");
	tap_check(vm_msr_write(v, 0x800, 7) && reg == 7, "wrmsr");
	tap_check(!vm_msr_write(v, 0x800, 13), "wrmsr refused");
	tap_check(vm_msr_read(v, 0x10, &value) && !vm_msr_write(v, 0x10, 0),
		  "read-only");
	tap_check(v->stats.pio == 3 && v->stats.mmio == 3 && v->stats.msr == 7,
		  "counted");
	tap_check(!vm.lock_vcpu, "the lock is free");
	test_traces(v);
	test_own(v);
	vm_fini(&vm);
	return tap_done();
}
