/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devices_fuzz_test.c - random accesses to all registers of the classic
 * devices together, and random saved state. What is to be shown is that
 * nothing crashes, hangs or writes outside; run it under ASan and UBSan.
 */
#include "dev/acpi_pm.h"
#include "dev/apic_bus.h"
#include "dev/classes.h"
#include "dev/debug_port.h"
#include "dev/i8042.h"
#include "dev/ioapic.h"
#include "dev/kvm_pv.h"
#include "dev/kvmclock.h"
#include "dev/lapic.h"
#include "dev/pic.h"
#include "dev/pit.h"
#include "dev/rtc.h"
#include "dev/uart.h"
#include "rig.h"
#include "../tap.h"

#define CPUS 3
#define RAM 0x3000

static struct rig rig;
static struct apic_bus bus;
static struct lapic lapic[CPUS];
static struct ioapic ioapic;
static struct pic pic;
static struct pit pit;
static struct rtc rtc;
static struct acpi_pm pm;
static struct i8042 kbc;
static struct uart uart;
static struct debug_port debug;
static struct kvmclock kvm;
static struct kvm_pv pv;
static struct vcpu cpu[CPUS];
static struct gmem mem;
static struct console console;
static u64 seed;

static struct device *const device_tab[] = {
	&lapic[0].dev, &lapic[1].dev, &lapic[2].dev, &ioapic.dev, &pic.dev,
	&pit.dev, &rtc.dev, &pm.dev, &kbc.dev, &uart.dev, &kvm.dev,
	&pv.dev,
};

/* xorshift64* */
static u64 rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ull;
}

/* Often small or extreme, sometimes anything. */
static u64 value(void)
{
	switch (rnd() % 6) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return rnd() & 0xff;
	case 3:
		return 1ull << (rnd() & 63);
	default:
		return rnd();
	}
}

static void request(void *c, u32 bits)
{
	((struct vcpu *)c)->request |= bits;
}

static void clear(void *c, u32 bits)
{
	((struct vcpu *)c)->request &= ~bits;
}

static void startup(void *c, u8 vector)
{
	((struct vcpu *)c)->sipi_vector = vector;
}

static u64 tsc(void *c)
{
	return rig_host_ns * 3 + ((struct vcpu *)c)->x86.tsc_offset;
}

static void nothing(void *ctx)
{
}

static void nothing_of(void *ctx, u32 v)
{
}

static void nothing_at(void *ctx, unsigned n)
{
	if (n >= CPUS)
		abort();
}

static void flush(struct vcpu *v)
{
}

static u64 delay(void)
{
	return rnd() % 4 ? rig_host_ns / 2 : value();
}

static void swallow(struct console *c, const u8 *p, size_t n)
{
}

/* A back end that has always more. */
static void more(struct console *c)
{
	u8 buf[32] = { 0 };
	size_t n = c->room(c->dev);

	if (n > sizeof(buf))
		abort();
	c->input(c->dev, buf, n);
}

static const struct console_ops console_ops = { swallow, more };

/* As the board does it. */
static void isa(void *dev, unsigned irq, bool level)
{
	pic_set(&pic, irq, level);
	ioapic_set(&ioapic, irq ? irq : 2, level);
}

static struct irq_line line(unsigned irq)
{
	return (struct irq_line){ isa, NULL, irq };
}

static void build(void)
{
	const struct apic_bus_wiring b = { 0xfee00000, ioapic_eoi, &ioapic };
	const struct ioapic_wiring io = { &rig.mmio, 0xfec00000,
					  { apic_bus_send, &bus } };
	const struct pic_wiring p = { &rig.pio, 0x20, 0xa0, 0x4d0,
				      { lapic_set_lint, &lapic[0], 0 } };
	const struct pit_wiring t = { &rig.pio, 0x40, 0x61, line(0),
				      &rig.clock };
	const struct rtc_wiring r = { &rig.pio, 0x70, 0x32, line(8),
				      &rig.clock };
	const struct acpi_pm_wiring a = { .pio = &rig.pio,
					  .port = 0x600,
					  .smi_port = 0xb2,
					  .acpi_enable = 1,
					  .sci = line(9),
					  .clock = &rig.clock,
					  .poweroff = nothing };
	const struct i8042_wiring k = { &rig.pio, 0x60, 0x64, 0x92, line(1),
					nothing, NULL };
	const struct uart_wiring u = { &rig.pio, 0x3f8, line(4), &rig.clock,
				       &console };
	const struct debug_port_wiring d = { &rig.pio, 0xe9, 0xf4, &console,
					     nothing_of, NULL };
	const struct kvmclock_wiring kv = { &mem, &rig.clock, 2900000000 };
	const struct kvm_pv_wiring p_w = { &mem, &bus, CPUS, delay,
					   nothing_at, flush, NULL };

	rig_init(&rig);
	console.ops = &console_ops;
	mem.ram = malloc(RAM);
	mem.low_bytes = RAM;
	apic_bus_init(&bus, &b);
	for (unsigned i = 0; i < CPUS; i++) {
		const struct lapic_wiring w = { .bus = &bus,
						.id = i,
						.bsp = !i,
						.mem = &mem,
						.clock = &rig.clock,
						.tsc_hz = 2900000000,
						.phys_bits = 40,
						.request = request,
						.clear = clear,
						.startup = startup,
						.tsc = tsc,
						.cpu = &cpu[i],
						.extint = i ? NULL : pic_ack,
						.pic = &pic };

		cpu[i].index = i;
		rig_name(&lapic[i].dev, &lapic_class);
		lapic_init(&lapic[i], &w);
	}
	rig_name(&ioapic.dev, &ioapic_class);
	ioapic_init(&ioapic, &io);
	rig_name(&pic.dev, &pic_class);
	pic_init(&pic, &p);
	rig_name(&pit.dev, &pit_class);
	pit_init(&pit, &t);
	rig_name(&rtc.dev, &rtc_class);
	rtc_init(&rtc, &r);
	rig_name(&pm.dev, &acpi_pm_class);
	acpi_pm_init(&pm, &a);
	rig_name(&kbc.dev, &i8042_class);
	i8042_init(&kbc, &k);
	rig_name(&uart.dev, &uart_class);
	uart_init(&uart, &u);
	rig_name(&debug.dev, &debug_port_class);
	debug_port_init(&debug, &d);
	rig_name(&kvm.dev, &kvmclock_class);
	kvmclock_init(&kvm, &kv);
	rig_name(&pv.dev, &kvm_pv_class);
	kvm_pv_init(&pv, &p_w);
}

static u16 random_port(void)
{
	static const u16 port_tab[] = { 0x20, 0xa0, 0x4d0, 0x40, 0x61, 0x70,
					0x600, 0x608, 0xb2, 0x60, 0x64, 0x92,
					0x3f8, 0x3fc, 0xe9, 0xf4 };

	return (u16)(port_tab[rnd() % ARRAY_SIZE(port_tab)] + rnd() % 4);
}

static u64 random_mmio(void)
{
	if (rnd() & 1)
		return 0xfec00000 + (rnd() % 8) * 0x10 + (rnd() % 8 ? 0 : 4);
	return 0xfee00000 + (rnd() % 0x40) * 0x10 + (rnd() % 8 ? 0 : rnd() % 9);
}

static void mmio(unsigned n, bool write, unsigned bytes)
{
	u64 at = random_mmio(), page = bus.page.first;

	if (at >= page && write)
		bus.page.write(&bus, &cpu[n], at - page, value(), bytes);
	else if (at >= page)
		bus.page.read(&bus, &cpu[n], at - page, bytes);
	else if (write)
		bus_write(&rig.mmio, at, value(), bytes);
	else
		bus_read(&rig.mmio, at, bytes);
}

static void random_msr(unsigned n)
{
	static const u32 msr_tab[] = { 0x1b, 0x6e0, 0x11, 0x12, 0x4b564d00,
				       0x4b564d01, 0x4b564d03, 0x4b564d04 };
	u32 number = rnd() & 1 ? 0x800 + (u32)(rnd() % 0x40) :
				 msr_tab[rnd() % ARRAY_SIZE(msr_tab)];
	struct msr_range *const all_tab[] = { &bus.msrs[0], &bus.msrs[1],
					      &bus.msrs[2], &kvm.msrs[0],
					      &kvm.msrs[1], &pv.msrs };
	u64 v = value();

	/* Mostly towards x2APIC mode, or little else would be tried. */
	if (number == 0x1b && rnd() % 4)
		v = 0xfee00800 | (rnd() & 1) << 10;
	/* And to memory. */
	if (number > 0x4b564d01 && rnd() % 2)
		v = (rnd() % (RAM + 0x100) & ~63ull) | 1;
	for (unsigned i = 0; i < ARRAY_SIZE(all_tab); i++) {
		struct msr_range *r = all_tab[i];

		if (number < r->first || number > r->last)
			continue;
		if (rnd() & 1)
			r->write(r->dev, &cpu[n], number, v);
		else
			r->read(r->dev, &cpu[n], number, &v);
	}
}

static void random_step(void)
{
	unsigned n = (unsigned)(rnd() % CPUS), bytes = 1u << (rnd() % 3);

	switch (rnd() % 12) {
	case 10:
		if (rnd() & 1)
			kvm_pv_watch_ops.sleeps(&pv, &cpu[n]);
		else
			kvm_pv_watch_ops.wakes(&pv, &cpu[n]);
		kvm_pv_watch_ops.ticks(&pv, &cpu[n]);
		break;
	case 11:
		pv.calls.call(&pv, &cpu[n], rnd() % 12,
			      (u64[4]){ value(), value(), value(),
					rnd() & 1 ? rnd() & 0xff : value() });
		mem.ram[rnd() % RAM] = (u8)rnd();
		break;
	case 0:
	case 1:
		bus_read(&rig.pio, random_port(), bytes);
		break;
	case 2:
	case 3:
	case 4:
		bus_write(&rig.pio, random_port(), value(), bytes);
		break;
	case 5:
		mmio(n, false, rnd() % 8 ? 4 : bytes);
		break;
	case 6:
		mmio(n, true, rnd() % 8 ? 4 : bytes);
		break;
	case 7:
		random_msr(n);
		break;
	case 8:
		cpu[n].x86.tsc_offset = rnd() % 64 ? cpu[n].x86.tsc_offset :
						     value();
		lapic_intr_ops.ack(&lapic[n]);
		lapic_intr_ops.set_tpr(&lapic[n], (u8)(rnd() & 0xf0));
		break;
	default:
		if (rnd() & 1)
			rig_pass(&rig, rnd() % 1000000);
		else
			rig_stall(&rig, rnd() % 10000000000);
		apic_bus_msi(&bus, 0xfee00000 | (rnd() & 0xffffc),
			     (u32)value());
		more(&console);
	}
}

/*
 * What must hold at any time: what ack would find has been requested; and once
 * the processor has looked, nothing else has. Every device also takes back the state that it gives.
 */
static bool is_consistent(void)
{
	for (unsigned i = 0; i < CPUS; i++) {
		bool wanted = cpu[i].request & VCPU_REQ_INTR;
		struct lapic copy;

		lapic_intr_ops.set_tpr(&lapic[i], lapic[i].tpr);
		if (!wanted && (cpu[i].request & VCPU_REQ_INTR))
			return false;
		wanted = cpu[i].request & VCPU_REQ_INTR;
		copy = lapic[i];
		struct pic pic_copy = pic;

		if ((lapic_intr_ops.ack(&lapic[i]) >= 0) != wanted)
			return false;
		lapic[i] = copy;
		pic = pic_copy;
		if (wanted)
			request(&cpu[i], VCPU_REQ_INTR);
		else
			clear(&cpu[i], VCPU_REQ_INTR);
	}
	return true;
}

static bool takes_own_state(void)
{
	static u8 buf[4096];

	for (unsigned i = 0; i < ARRAY_SIZE(device_tab); i++) {
		struct device *d = device_tab[i];
		s64 n = fields_save(d, buf, sizeof(buf));

		if (n < 0 || fields_load(d, buf, (u64)n, NULL) != n) {
			printf("# %s refuses its own state\n", d->id);
			return false;
		}
	}
	return true;
}

static void load_garbage(void)
{
	static u8 buf[4096];

	for (unsigned i = 0; i < ARRAY_SIZE(device_tab); i++) {
		struct device *d = device_tab[i];
		s64 n = fields_save(d, buf, sizeof(buf));
		unsigned changes = 1 + (unsigned)(rnd() % 8);

		while (changes--)
			buf[FIELDS_HEADER_BYTES +
			    rnd() % ((u64)n - FIELDS_HEADER_BYTES)] =
				(u8)value();
		if (fields_load(d, buf, (u64)n, NULL) < 0)
			d->cls->reset(d);
	}
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 30;
	bool consistent = true, own = true;

	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x1234567;
	build();
	for (unsigned i = 0; device_class_tab[i]; i++)
		tap_check(device_class_find(device_class_tab[i]->name) ==
				  device_class_tab[i], "class %s",
			  device_class_tab[i]->name);
	tap_check(!device_class_find("nobody"), "no such class");
	for (unsigned i = 0; i < rounds; i++) {
		for (int j = 0; j < 5000; j++) {
			random_step();
			if (consistent && !is_consistent()) {
				printf("# round %u step %d\n", i, j);
				consistent = false;
			}
		}
		own = own && takes_own_state();
		load_garbage();
	}
	tap_check(consistent, "the request bit says what ack would find");
	tap_check(own, "every device takes its own state back");
	tap_check(true, "alive");
	free(mem.ram);
	return tap_done();
}
