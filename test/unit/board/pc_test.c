/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pc_test.c - the PC as a guest finds it, with an engine that executes
 * nothing: the test makes the accesses that guest code would make.
 */
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "board/pc.h"
#include "vm/pc_map.h"

#define CPUS 3
#define GSI_VECTOR(gsi) (0x30u + (gsi))

/* --- an engine that executes nothing --- */

static int idle_vm_init(struct vm *vm, const struct engine_options *o,
			struct err *e)
{
	return 0;
}

static void idle_vm_fini(struct vm *vm)
{
}

static int idle_vcpu_init(struct vcpu *v, struct err *e)
{
	return 0;
}

static void idle_vcpu(struct vcpu *v)
{
}

static enum vm_exit idle_run(struct vcpu *v)
{
	return VM_EXIT_REQUEST;
}

static const struct engine_ops idle_engine = {
	.name = "idle",
	.vm_init = idle_vm_init,
	.vm_fini = idle_vm_fini,
	.vcpu_bytes = sizeof(struct vcpu),
	.vcpu_init = idle_vcpu_init,
	.vcpu_fini = idle_vcpu,
	.run = idle_run,
	.kick = idle_vcpu,
	.state_changed = idle_vcpu,
	.dump = idle_vcpu,
};

/* --- back ends --- */

static char said[64];
static size_t said_count;

static void say(struct console *c, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n && said_count < sizeof(said); i++)
		said[said_count++] = (char)p[i];
}

static void submit(struct disk *d, struct disk_request *r)
{
	r->done(r, 0);
}

static void close_disk(struct disk *d)
{
}

static int fill(struct entropy *e, void *p, size_t n)
{
	memset(p, 0x5a, n);
	return 0;
}

static const struct console_ops say_ops = { .write = say };
static struct console console = { .ops = &say_ops };
static const struct disk_ops disk_ops = { submit, close_disk };
static struct disk disk = { .ops = &disk_ops, .bytes = MiB(1) };
static struct disk *const disk_tab[] = { &disk, &disk };
static struct entropy entropy = { fill };

static struct vm vm;
static struct pc pc;
static struct err err;

static int start(unsigned disks)
{
	const struct vm_config c = { .memory_bytes = MiB(64),
				     .cpus = CPUS,
				     .engine = &idle_engine };
	const struct pc_config p = { .com1 = &console,
				     .debug = &console,
				     .debug_exit = true,
				     .disks = disk_tab,
				     .disk_count = disks,
				     .entropy = &entropy };
	int ret;

	err.text[0] = 0;
	said_count = 0;
	ret = vm_init(&vm, &c, &err);
	if (ret) {
		printf("Bail out! vm_init: %s\n", err.text);
		exit(1);
	}
	return pc_init(&pc, &vm, &p, &err);
}

static void stop(void)
{
	vm_fini(&vm);
	pc_fini(&pc);
}

static u64 in(u16 port, unsigned bytes)
{
	return vm_pio_read(vm.cpus[0], port, bytes);
}

static void out(u16 port, u64 v, unsigned bytes)
{
	vm_pio_write(vm.cpus[0], port, v, bytes);
}

static u32 lapic_read(unsigned n, u32 offset)
{
	return (u32)vm_mmio_read(vm.cpus[n], PC_LAPIC + offset, 4);
}

static void lapic_write(unsigned n, u32 offset, u32 v)
{
	vm_mmio_write(vm.cpus[n], PC_LAPIC + offset, v, 4);
}

static void ioapic_write(u8 reg, u32 v)
{
	vm_mmio_write(vm.cpus[0], PC_IOAPIC, reg, 4);
	vm_mmio_write(vm.cpus[0], PC_IOAPIC + 0x10, v, 4);
}

/* All processors software-enabled; GSI n gives vector GSI_VECTOR(n) at the
 * first; the PIC is masked. */
static void symmetric(void)
{
	for (unsigned i = 0; i < CPUS; i++)
		lapic_write(i, 0xf0, 0x1ff);
	for (unsigned i = 0; i < PC_GSI_COUNT; i++)
		ioapic_write((u8)(0x10 + 2 * i),
			     GSI_VECTOR(i) |
				     (PC_GSI_LEVEL_MASK >> i & 1) << 15);
	lapic_write(0, 0x350, 0x10000);
}

static int ack(unsigned n)
{
	return vm.cpus[n]->intr->ack(vm.cpus[n]->intr_dev);
}

/* Does it still, after the processor has looked by itself? */
static bool wants(unsigned n)
{
	struct vcpu *v = vm.cpus[n];

	if (vcpu_requests(v) & VCPU_REQ_INTR)
		v->intr->set_tpr(v->intr_dev, v->intr->get_tpr(v->intr_dev));
	return vcpu_requests(v) & VCPU_REQ_INTR;
}

static void processors(void)
{
	u64 v;

	tap_equal(start(2), 0, "a PC");
	for (unsigned i = 0; i < CPUS; i++)
		tap_equal(lapic_read(i, 0x20), i << 24, "its own APIC");
	tap_check(vm_msr_read(vm.cpus[0], 0x1b, &v) && v == 0xfee00900,
		  "APIC base");
	tap_check(vm_msr_read(vm.cpus[2], 0x1b, &v) && v == 0xfee00800,
		  "APIC base of another");
	tap_check(!vm_msr_read(vm.cpus[0], 0x802, &v), "x2APIC is off");
	tap_check(vm_msr_write(vm.cpus[2], 0x1b, 0xfee00c00) &&
		  vm_msr_read(vm.cpus[2], 0x802, &v) && v == 2, "and on");
	tap_check(vm_msr_read(vm.cpus[0], 0x4b564d01, &v) && !v, "kvmclock");
	tap_check(vm.cpuid.kvm_features & BIT(3), "CPUID tells of it");
	tap_check(!vm_msr_read(vm.cpus[0], 0x4b564d02, &v),
		  "asynchronous page faults are not");
	vm_msr_write(vm.cpus[1], 0x4b564d01, 0x2001);
	v = *(u64 *)(void *)(vm.mem.ram + 0x2008);
	vm.cpus[1]->x86.tsc_offset += 777;
	vm.cpus[1]->x86.tsc_adjust += 777;
	vm_tsc_changed(vm.cpus[1]);
	tap_equal(*(u64 *)(void *)(vm.mem.ram + 0x2008), v + 777,
		  "kvmclock follows TSC_ADJUST");
	tap_equal(vm_hypercall(vm.cpus[0], 5, (u64[4]){ 0, 1 }), 0, "a kick");
	tap_check(vm.cpus[1]->unhalt && !vm.cpus[2]->unhalt, "of the second");
	tap_equal(vm_hypercall(vm.cpus[0], 99, (u64[4]){ 0 }), (u64)-1000,
		  "no such hypercall");

	lapic_write(0, 0x310, 1u << 24);
	lapic_write(0, 0x300, 0x69a);
	tap_check(vcpu_requests(vm.cpus[1]) == VCPU_REQ_SIPI &&
			  vm.cpus[1]->sipi_vector == 0x9a, "SIPI");
	stop();
}

static void interrupts(void)
{
	start(0);
	tap_equal(in(PC_PORT_ELCR, 2), PC_GSI_LEVEL_MASK, "trigger modes");
	/* Through the PIC, as after power-up. */
	out(PC_PORT_PIC0, 0x11, 1);
	out(PC_PORT_PIC0 + 1, 0x08, 1);
	out(PC_PORT_PIC0 + 1, 0x04, 1);
	out(PC_PORT_PIC0 + 1, 0x01, 1);
	out(PC_PORT_COM1 + 1, 0x02, 1); /* transmitter empty */
	tap_check(wants(0), "COM1 by the PIC");
	tap_equal(ack(0), 0x08 + PC_IRQ_COM1, "its vector");
	in(PC_PORT_COM1 + 2, 1);
	out(PC_PORT_PIC0, 0x20, 1);
	tap_check(!wants(0), "over");

	symmetric();
	out(PC_PORT_COM1 + 1, 0x00, 1);
	out(PC_PORT_COM1 + 1, 0x02, 1);
	tap_equal(ack(0), (int)GSI_VECTOR(PC_IRQ_COM1), "COM1 by the I/O APIC");
	lapic_write(0, 0xb0, 0);

	/* Low, high, because mode 0 ends at once; no clock runs here. */
	out(PC_PORT_PIT + 3, 0x30, 1);
	out(PC_PORT_PIT + 3, 0x34, 1);
	tap_equal(ack(0), (int)GSI_VECTOR(PC_GSI_PIT), "the PIT is GSI 2");
	lapic_write(0, 0xb0, 0);

	/* The SCI is level-triggered, and shared with a routed PIRQ. */
	out(PC_PORT_SMI_CMD, PC_SMI_ACPI_ENABLE, 1);
	out(PC_PORT_PM1A_EVT + 2, 0x100, 2);
	pc_power_button(&pc);
	tap_equal(ack(0), (int)GSI_VECTOR(PC_IRQ_SCI), "power button");
	vm_lock(&vm);
	irq_set(&pc.piix3.isa[PC_IRQ_SCI], true);
	vm_unlock(&vm);
	out(PC_PORT_PM1A_EVT, 0x100, 2);
	lapic_write(0, 0xb0, 0);
	tap_equal(ack(0), (int)GSI_VECTOR(PC_IRQ_SCI),
		  "a PIRQ still holds the line");
	vm_lock(&vm);
	irq_set(&pc.piix3.isa[PC_IRQ_SCI], false);
	vm_unlock(&vm);
	lapic_write(0, 0xb0, 0);
	tap_check(!wants(0), "released");
	out(PC_PORT_I8042 + 4, 0x60, 1);
	out(PC_PORT_I8042, 0x41, 1);
	out(PC_PORT_I8042 + 4, 0xaa, 1);
	tap_equal(ack(0), (int)GSI_VECTOR(PC_IRQ_KEYBOARD), "keyboard");
	stop();
}

static u32 config(unsigned slot, unsigned fn, unsigned reg)
{
	out(PC_PORT_PCI, 0x80000000u | slot << 11 | fn << 8 | (reg & 0xfc), 4);
	return (u32)in(PC_PORT_PCI + 4, 4);
}

static void pci(void)
{
	start(2);
	tap_equal(config(0, 0, 0), 0x12378086, "host bridge");
	tap_equal(config(1, 0, 0), 0x70008086, "ISA bridge");
	tap_equal(config(1, 0, 0x60), 0x0b0b0a0a, "PIRQ routes");
	tap_equal(config(1, 3, 0), 0x71138086, "power management");
	tap_equal(config(1, 3, 0x40), PC_PORT_PM | 1, "its base");
	for (unsigned slot = 2; slot < 5; slot++) {
		u32 bar = config(slot, 0, 0x10) & ~15u;

		tap_equal(config(slot, 0, 0),
			  slot < 4 ? 0x10421af4 : 0x10441af4, "virtio");
		tap_check(bar >= PC_PCI_MMIO && bar < PC_PCI_MMIO_LAST,
			  "BAR at %x", bar);
		tap_equal(config(slot, 0, 0x3c) & 0xff,
			  PC_PIRQ_IRQ(PC_PCI_PIRQ(slot, 0)), "its irq");
	}
	tap_equal(config(5, 0, 0), 0xffffffff, "nobody");
	/* A message from a device reaches a processor. */
	symmetric();
	vm_lock(&vm);
	apic_bus_msi(&pc.apic_bus, 0xfee01000, 0x61);
	vm_unlock(&vm);
	tap_equal(ack(1), 0x61, "MSI");

	config(2, 0, 0x10);
	out(PC_PORT_PCI + 4, 0, 4);
	vm_reset(&vm);
	tap_equal(config(2, 0, 0x10) & ~15u, 0, "reset forgets addresses");
	tap_equal(pc_setup(&pc, &err), 0, "set up again");
	tap_check((config(2, 0, 0x10) & ~15u) >= PC_PCI_MMIO, "and they are back");
	tap_equal(lapic_read(0, 0xf0), 0xff, "reset reaches the APIC");
	stop();
}

static void memory(void)
{
	start(0);
	out(PC_PORT_RTC, 0x5f, 1);
	tap_equal(in(PC_PORT_RTC + 1, 1), CPUS - 1, "CMOS: processors");
	out(PC_PORT_RTC, 0x15, 1);
	tap_equal(in(PC_PORT_RTC + 1, 1), 640 & 0xff, "CMOS: base memory");
	out(PC_PORT_RTC, 0x34, 1);
	tap_equal(in(PC_PORT_RTC + 1, 1), 0x00, "CMOS: above 16 MiB");
	out(PC_PORT_RTC, 0x35, 1);
	tap_equal(in(PC_PORT_RTC + 1, 1), 0x03, "48 MiB of it");
	out(PC_PORT_COM1, 'A', 1);
	out(PC_PORT_DEBUGCON, 'B', 1);
	tap_check(said_count == 2 && !memcmp(said, "AB", 2), "consoles");
	stop();
}

static void ends(void)
{
	start(0);
	out(PC_PORT_SMI_CMD, PC_SMI_ACPI_ENABLE, 1);
	out(PC_PORT_PM1A_CNT, 1 << 13 | PC_S5_SLP_TYP << 10, 2);
	tap_equal(vm.end, VM_POWEROFF, "S5");
	stop();
	start(0);
	out(PC_PORT_RESET, PC_RESET_VALUE, 1);
	tap_equal(vm.end, VM_RESET, "reset control");
	stop();
	start(0);
	out(PC_PORT_RESET, 0x02, 1);
	tap_equal(vm.end, VM_RUNNING, "not yet");
	out(PC_PORT_RESET, 0x0e, 1);
	tap_equal(vm.end, VM_RESET, "reset control, full");
	stop();
	start(0);
	out(PC_PORT_I8042 + 4, 0xfe, 1);
	tap_equal(vm.end, VM_RESET, "keyboard controller");
	stop();
	start(0);
	out(PC_PORT_DEBUG_EXIT, 21, 1);
	tap_equal(vm.end, VM_DEBUG_EXIT, "debug exit");
	tap_equal(vm.exit_code, 43, "its code");
	out(PC_PORT_DEBUG_EXIT, 99, 4);
	tap_equal(vm.exit_code, 43, "the first one counts");
	stop();
}

static void failures(void)
{
	struct pc nothing = { 0 };

	tap_equal(start(PC_MAX_DISKS + 1), -EINVAL, "too many disks");
	tap_check(err.text[0], "and a sentence: %s", err.text);
	stop();
	pc_fini(&nothing);
	tap_check(true, "fini of nothing");
}

int main(void)
{
	processors();
	interrupts();
	pci();
	memory();
	ends();
	failures();
	return tap_done();
}
