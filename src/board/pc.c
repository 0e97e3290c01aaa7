/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pc.c - wires the PC together: which device is at which address, whose
 * interrupt goes where, and what poweroff and reset mean to the VM.
 *
 * vm/pc_map.h has the numbers. Interrupt line n of the ISA bus is input n of
 * the PIC and GSI n of the I/O APIC, but for the PIT, which is 0 and 2.
 */
#include "board/pc.h"

#include "base/fmt.h"
#include "board/pc_cmos.h"
#include "dev/pci_assign.h"
#include "host/host.h"
#include "vm/pc_map.h"

_Static_assert(VM_MAX_CPUS <= APIC_BUS_CPUS, "each has a local APIC");
_Static_assert(VM_MAX_CPUS <= KVMCLOCK_CPUS, "each has a clock");
_Static_assert(VM_MAX_CPUS <= KVM_PV_CPUS, "each has its stolen time");

/* EAX of leaf 0x40000001: no port needs a delay after it. */
#define KVM_FEATURE_NOP_IO_DELAY BIT(1)

/* --- interrupts --- */

#define ISA_INPUT(source, irq) ((source) << 4 | (irq))

/* Input: ISA_INPUT(). */
static void isa_set(void *dev, unsigned input, bool level)
{
	struct pc *pc = dev;
	unsigned irq = input & 15;
	u16 *mask = &pc->isa_level[input >> 4];

	*mask = level ? *mask | BIT(irq) : *mask & ~BIT(irq);
	level = (pc->isa_level[PC_ISA_DEVICES] | pc->isa_level[PC_ISA_PIRQS]) &
		BIT(irq);
	pic_set(&pc->pic, irq, level);
	ioapic_set(&pc->ioapic, irq == PC_IRQ_PIT ? PC_GSI_PIT : irq, level);
}

static struct irq_line isa_line(struct pc *pc, enum pc_isa_source source,
				unsigned irq)
{
	return (struct irq_line){ isa_set, pc, ISA_INPUT(source, irq) };
}

static struct irq_line isa_device_line(struct pc *pc, unsigned irq)
{
	return isa_line(pc, PC_ISA_DEVICES, irq);
}

/* --- what a local APIC asks of its processor --- */

static void cpu_request(void *cpu, u32 bits)
{
	struct vcpu *v = cpu;

	/*
	 * One that is set needs no second kick. PAIRS: lapic_update: should
	 * the processor clear it this moment, it then finds what the request is
	 * about, which was stored (by a locked instruction) before.
	 */
	if ((vcpu_requests(v) & bits) != bits)
		vcpu_request(v, bits);
}

static void cpu_clear(void *cpu, u32 bits)
{
	struct vcpu *v = cpu;

	if (vcpu_requests(v) & bits)
		vcpu_clear_request(v, bits);
}

static void cpu_startup(void *cpu, u8 vector)
{
	struct vcpu *v = cpu;

	__atomic_store_n(&v->sipi_vector, vector, __ATOMIC_RELAXED);
	vcpu_request(v, VCPU_REQ_SIPI);
}

static u64 cpu_tsc(void *cpu)
{
	struct vcpu *v = cpu;

	return host_tsc() + v->x86.tsc_offset;
}

static void tsc_changed(void *dev, struct vcpu *v)
{
	struct pc *pc = dev;

	lapic_tsc_changed(&pc->lapics[v->index]);
	kvmclock_refresh(&pc->kvmclock, v);
}

/* --- what local APICs ask of devices, without the lock --- */

static void level_eoi(void *dev, u8 vector)
{
	struct pc *pc = dev;

	vm_lock(pc->vm);
	ioapic_eoi(&pc->ioapic, vector);
	vm_unlock(pc->vm);
}

static int intr_ack(void *dev)
{
	struct pc *pc = dev;
	int vector = -1;

	vm_lock(pc->vm);
	/* Another processor may just have masked it. */
	if (pc->lapics[0].lint[0])
		vector = pic_ack(&pc->pic);
	vm_unlock(pc->vm);
	return vector;
}

static int add_lapics(struct pc *pc, struct err *e)
{
	struct vm *vm = pc->vm;
	const struct apic_bus_wiring bus = {
		.base = PC_LAPIC,
		.eoi = level_eoi,
		.eoi_dev = pc,
	};

	pc->lapics = host_alloc(vm->cpu_count * sizeof(*pc->lapics));
	if (!pc->lapics)
		return err_set(e, -ENOMEM,
			       "no memory for %u local APICs", vm->cpu_count);
	apic_bus_init(&pc->apic_bus, &bus);
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		struct vcpu *v = vm->cpus[i];
		const struct lapic_wiring w = {
			.bus = &pc->apic_bus,
			.id = i,
			.bsp = i == 0,
			.mem = &vm->mem,
			.clock = &v->clock,
			.tsc_hz = vm->cpuid.tsc_hz,
			.phys_bits = vm->cpuid.phys_bits,
			.request = cpu_request,
			.clear = cpu_clear,
			.startup = cpu_startup,
			.tsc = cpu_tsc,
			.cpu = v,
			.extint = i == 0 ? intr_ack : NULL,
			.pic = pc,
		};
		char id[16];

		fmt_print(id, sizeof(id), "lapic%u", i);
		vm_add_device(vm, &pc->lapics[i].dev, &lapic_class, id);
		lapic_init(&pc->lapics[i], &w);
		v->intr = &lapic_intr_ops;
		v->intr_dev = &pc->lapics[i];
	}
	vm->own = pc->apic_bus.page;
	for (unsigned i = 0; i < ARRAY_SIZE(pc->apic_bus.msrs); i++)
		vm_add_msrs(vm, &pc->apic_bus.msrs[i]);
	return 0;
}

static void add_interrupt_controllers(struct pc *pc)
{
	struct vm *vm = pc->vm;
	const struct ioapic_wiring ioapic = {
		.mmio = &vm->mmio,
		.base = PC_IOAPIC,
		.sink = { apic_bus_send, &pc->apic_bus },
	};
	const struct pic_wiring pic = {
		.pio = &vm->pio,
		.master_port = PC_PORT_PIC0,
		.slave_port = PC_PORT_PIC1,
		.elcr_port = PC_PORT_ELCR,
		.intr = { lapic_set_lint, &pc->lapics[0], 0 },
	};

	vm_add_device(vm, &pc->ioapic.dev, &ioapic_class, "ioapic");
	ioapic_init(&pc->ioapic, &ioapic);
	vm_add_device(vm, &pc->pic.dev, &pic_class, "pic");
	pic_init(&pc->pic, &pic);
}

/* --- what KVM's guests are offered --- */

static void unhalt(void *ctx, unsigned cpu)
{
	struct vm *vm = ctx;

	vcpu_unhalt(vm->cpus[cpu]);
}

static void flush_tlb(struct vcpu *v)
{
	v->stats.lazy_flushes++;
	vcpu_request(v, VCPU_REQ_FLUSH);
}

static void add_kvm(struct pc *pc)
{
	struct vm *vm = pc->vm;
	const struct kvmclock_wiring clock = {
		.mem = &vm->mem,
		.clock = &vm->clock,
		.tsc_hz = vm->cpuid.tsc_hz,
	};
	const struct kvm_pv_wiring pv = {
		.mem = &vm->mem,
		.bus = &pc->apic_bus,
		.cpus = vm->cpu_count,
		.delay_ns = host_thread_delay_ns() != ~0ull ?
				    host_thread_delay_ns :
				    NULL,
		.unhalt = unhalt,
		.flush_tlb = flush_tlb,
		.ctx = vm,
	};

	vm_add_device(vm, &pc->kvmclock.dev, &kvmclock_class, "kvmclock");
	kvmclock_init(&pc->kvmclock, &clock);
	for (unsigned i = 0; i < ARRAY_SIZE(pc->kvmclock.msrs); i++)
		vm_add_msrs(vm, &pc->kvmclock.msrs[i]);
	vm->tsc_changed = tsc_changed;
	vm->tsc_changed_ctx = pc;

	vm_add_device(vm, &pc->kvm_pv.dev, &kvm_pv_class, "kvm_pv");
	kvm_pv_init(&pc->kvm_pv, &pv);
	vm_add_msrs(vm, &pc->kvm_pv.msrs);
	vm_add_hypercalls(vm, &pc->kvm_pv.calls);
	for (unsigned i = 0; i < vm->cpu_count; i++) {
		vm->cpus[i]->watch = &kvm_pv_watch_ops;
		vm->cpus[i]->watch_dev = &pc->kvm_pv;
	}
	vm->cpuid.kvm_features |= KVMCLOCK_FEATURES | KVM_FEATURE_NOP_IO_DELAY |
				  kvm_pv_features(&pc->kvm_pv);
}

/* --- how a machine ends --- */

static void poweroff(void *ctx)
{
	vm_stop(ctx, VM_POWEROFF);
}

static void reset(void *ctx)
{
	vm_stop(ctx, VM_RESET);
}

static void debug_exit(void *ctx, u32 value)
{
	struct vm *vm = ctx;

	/* Odd, so that it is never mistaken for success or a signal. */
	if (!vm_is_ending(vm))
		vm->exit_code = (int)(value << 1 | 1);
	vm_stop(vm, VM_DEBUG_EXIT);
}

/* --- ISA devices --- */

static void add_clocks(struct pc *pc)
{
	struct vm *vm = pc->vm;
	const struct pit_wiring pit = {
		.pio = &vm->pio,
		.port = PC_PORT_PIT,
		.speaker_port = PC_PORT_SPEAKER,
		.irq = isa_device_line(pc, PC_IRQ_PIT),
		.clock = &vm->clock,
	};
	const struct rtc_wiring rtc = {
		.pio = &vm->pio,
		.port = PC_PORT_RTC,
		.century = PC_CMOS_CENTURY,
		.irq = isa_device_line(pc, PC_IRQ_RTC),
		.clock = &vm->clock,
	};
	const struct acpi_pm_wiring acpi = {
		.pio = &vm->pio,
		.port = PC_PORT_PM,
		.smi_port = PC_PORT_SMI_CMD,
		.acpi_enable = PC_SMI_ACPI_ENABLE,
		.acpi_disable = PC_SMI_ACPI_DISABLE,
		.s5_slp_typ = PC_S5_SLP_TYP,
		.timer_32bit = true,
		.sci = isa_device_line(pc, PC_IRQ_SCI),
		.clock = &vm->clock,
		.poweroff = poweroff,
		.poweroff_ctx = vm,
	};

	vm_add_device(vm, &pc->pit.dev, &pit_class, "pit");
	pit_init(&pc->pit, &pit);
	vm_add_device(vm, &pc->rtc.dev, &rtc_class, "rtc");
	rtc_init(&pc->rtc, &rtc);
	pc_cmos_fill(&pc->rtc, &vm->mem, vm->cpu_count);
	vm_add_device(vm, &pc->acpi_pm.dev, &acpi_pm_class, "acpi_pm");
	acpi_pm_init(&pc->acpi_pm, &acpi);
}

static void add_ports(struct pc *pc, const struct pc_config *c)
{
	struct vm *vm = pc->vm;
	const struct i8042_wiring i8042 = {
		.pio = &vm->pio,
		.data_port = PC_PORT_I8042,
		.command_port = PC_PORT_I8042 + 4,
		.a20_port = PC_PORT_A20,
		.irq = isa_device_line(pc, PC_IRQ_KEYBOARD),
		.reset = reset,
		.reset_ctx = vm,
	};
	const struct uart_wiring uart = {
		.pio = &vm->pio,
		.port = PC_PORT_COM1,
		.irq = isa_device_line(pc, PC_IRQ_COM1),
		.clock = &vm->clock,
		.console = c->com1,
	};
	const struct debug_port_wiring debug = {
		.pio = &vm->pio,
		.console_port = PC_PORT_DEBUGCON,
		.exit_port = PC_PORT_DEBUG_EXIT,
		.console = c->debug,
		.exit = c->debug_exit ? debug_exit : NULL,
		.exit_ctx = vm,
	};

	vm_add_device(vm, &pc->i8042.dev, &i8042_class, "i8042");
	i8042_init(&pc->i8042, &i8042);
	vm_add_device(vm, &pc->com1.dev, &uart_class, "uart0");
	uart_init(&pc->com1, &uart);
	vm_add_device(vm, &pc->debug_port.dev, &debug_port_class, "debug_port");
	debug_port_init(&pc->debug_port, &debug);
}

/* --- PCI --- */

static int add_chip_set(struct pc *pc, struct err *e)
{
	struct vm *vm = pc->vm;
	const struct pci_host_wiring host = { .pio = &vm->pio,
					      .mmio = &vm->mmio };
	const struct piix4_pm_wiring pm = { .bus = &pc->pci_host.bus,
					    .pm_base = PC_PORT_PM };
	struct piix3_wiring isa = { .bus = &pc->pci_host.bus,
				    .reset = reset,
				    .reset_ctx = vm };
	int err;

	for (unsigned i = 0; i < ARRAY_SIZE(isa.isa); i++)
		isa.isa[i] = isa_line(pc, PC_ISA_PIRQS, i);
	for (unsigned i = 0; i < PC_PIRQ_COUNT; i++)
		isa.first_irq[i] = (u8)PC_PIRQ_IRQ(i);

	err = pci_host_init(&pc->pci_host, &host, e);
	if (err)
		return err;
	vm_add_device(vm, &pc->pci_host.pci.dev, &pci_host_class, "i440fx");
	err = piix3_init(&pc->piix3, &isa, e);
	if (err)
		return err;
	vm_add_device(vm, &pc->piix3.pci.dev, &piix3_class, "piix3");
	err = piix4_pm_init(&pc->piix4_pm, &pm, e);
	if (err)
		return err;
	vm_add_device(vm, &pc->piix4_pm.pci.dev, &piix4_pm_class, "piix4_pm");
	return 0;
}

static struct virtio_pci_wiring virtio_wiring(struct pc *pc)
{
	return (struct virtio_pci_wiring){
		.bus = &pc->pci_host.bus,
		.devfn = PCI_ANY_SLOT,
		.msi = { apic_bus_msi, &pc->apic_bus },
		.mem = &pc->vm->mem,
		.clock = &pc->vm->clock,
	};
}

static int add_virtio(struct pc *pc, const struct pc_config *c, struct err *e)
{
	const struct virtio_rng_wiring rng = { .pci = virtio_wiring(pc),
					       .entropy = c->entropy };
	int err;

	if (c->disk_count > PC_MAX_DISKS)
		return err_set(e, -EINVAL,
			       "a machine has at most %u disks, not %u",
			       PC_MAX_DISKS, c->disk_count);
	if (c->disk_count) {
		pc->disks = host_alloc(c->disk_count * sizeof(*pc->disks));
		if (!pc->disks)
			return err_set(e, -ENOMEM, "no memory for %u disks",
				       c->disk_count);
	}
	for (unsigned i = 0; i < c->disk_count; i++) {
		const struct virtio_blk_wiring w = {
			.pci = virtio_wiring(pc),
			.disk = c->disks[i],
		};
		struct virtio_blk_pci *d = &pc->disks[i];
		char id[16];

		err = virtio_blk_pci_init(d, &w, e);
		if (err)
			return err;
		fmt_print(id, sizeof(id), "disk%u", i);
		vm_add_device(pc->vm, &d->t.pci.dev, &virtio_blk_pci_class, id);
		pc->disk_count++;
	}
	if (!c->entropy)
		return 0;
	err = virtio_rng_pci_init(&pc->rng, &rng, e);
	if (err)
		return err;
	vm_add_device(pc->vm, &pc->rng.t.pci.dev, &virtio_rng_pci_class,
		      "rng");
	return 0;
}

/* --- the whole --- */

int pc_setup(struct pc *pc, struct err *e)
{
	struct pci_windows w = {
		.mmio_first = PC_PCI_MMIO,
		.mmio_last = PC_PCI_MMIO_LAST,
		.port_first = PC_PCI_PORT,
		.port_last = PC_PCI_PORT_LAST,
	};
	int err;

	for (unsigned i = 0; i < PC_PIRQ_COUNT; i++)
		w.irq[i] = (u8)PC_PIRQ_IRQ(i);
	vm_lock(pc->vm);
	bus_write(&pc->vm->pio, PC_PORT_ELCR, PC_GSI_LEVEL_MASK, 2);
	err = pci_assign(&pc->pci_host.bus, &w, e);
	vm_unlock(pc->vm);
	return err;
}

int pc_init(struct pc *pc, struct vm *vm, const struct pc_config *c,
	    struct err *e)
{
	int err;

	*pc = (struct pc){ .vm = vm };
	/* First who is called by others when they are reset. */
	err = add_lapics(pc, e);
	if (err)
		return err;
	add_interrupt_controllers(pc);
	add_clocks(pc);
	add_kvm(pc);
	add_ports(pc, c);
	err = add_chip_set(pc, e);
	if (!err)
		err = add_virtio(pc, c, e);
	if (!err)
		err = pc_setup(pc, e);
	return err;
}

void pc_power_button(struct pc *pc)
{
	vm_lock(pc->vm);
	acpi_pm_power_button(&pc->acpi_pm);
	vm_unlock(pc->vm);
}

void pc_fini(struct pc *pc)
{
	host_free(pc->lapics);
	host_free(pc->disks);
	*pc = (struct pc){ 0 };
}
