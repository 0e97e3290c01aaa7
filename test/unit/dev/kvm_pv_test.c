/* SPDX-License-Identifier: Apache-2.0 */
/* kvm_pv_test.c - KVM's paravirtual interface, used as a guest uses it: stolen
 * time, lazy TLB flushes, the end of interrupts, hypercalls. */
#include "dev/kvm_pv.h"
#include "dev/lapic.h"
#include "rig.h"
#include "../tap.h"

#define CPUS 3
#define MS 1000000ull
#define STEAL 0x4b564d03u
#define EOI 0x4b564d04u

static struct rig rig;
static struct kvm_pv kvm;
static struct apic_bus bus;
static struct lapic lapic[CPUS];
static struct vcpu cpu[CPUS];
static struct gmem mem;
static u8 ram[0x4000] __attribute__((aligned(4096)));
static u64 written, delay;
static unsigned unhalts[CPUS], flushes[CPUS], eois;

static void told(void *ctx, gpa_t gpa, u64 len)
{
	written += len;
}

static u64 delay_ns(void)
{
	return delay;
}

static void unhalt(void *ctx, unsigned n)
{
	unhalts[n]++;
}

static void flush_tlb(struct vcpu *v)
{
	flushes[v->index]++;
}

static void request(void *c, u32 bits)
{
	((struct vcpu *)c)->request |= bits;
}

static void clear(void *c, u32 bits)
{
	((struct vcpu *)c)->request &= ~bits;
}

static u64 tsc(void *c)
{
	return rig_host_ns;
}

static void told_eoi(void *dev, u8 vector)
{
	eois++;
}

static void start(unsigned cpus, bool tells)
{
	const struct apic_bus_wiring b = { .base = 0xfee00000,
					   .eoi = told_eoi };
	const struct kvm_pv_wiring w = {
		.mem = &mem,
		.bus = &bus,
		.cpus = cpus,
		.delay_ns = tells ? delay_ns : NULL,
		.unhalt = unhalt,
		.flush_tlb = flush_tlb,
	};

	rig_init(&rig);
	memset(&kvm, 0, sizeof(kvm));
	memset(ram, 0, sizeof(ram));
	memset(cpu, 0, sizeof(cpu));
	memset(lapic, 0, sizeof(lapic));
	memset(unhalts, 0, sizeof(unhalts));
	memset(flushes, 0, sizeof(flushes));
	mem = (struct gmem){ .ram = ram,
			     .low_bytes = sizeof(ram),
			     .written = told };
	written = eois = 0;
	apic_bus_init(&bus, &b);
	for (unsigned i = 0; i < cpus; i++) {
		const struct lapic_wiring l = { .bus = &bus,
						.id = i,
						.bsp = !i,
						.mem = &mem,
						.clock = &rig.clock,
						.tsc_hz = 1000000000,
						.phys_bits = 40,
						.request = request,
						.clear = clear,
						.tsc = tsc,
						.cpu = &cpu[i] };

		cpu[i].index = i;
		rig_name(&lapic[i].dev, &lapic_class);
		lapic_init(&lapic[i], &l);
		lapic_mmio_write(&lapic[i], 0xf0, 0x1ff);
	}
	rig_name(&kvm.dev, &kvm_pv_class);
	kvm_pv_init(&kvm, &w);
}

static bool wrmsr(unsigned n, u32 msr, u64 v)
{
	return kvm.msrs.write(kvm.msrs.dev, &cpu[n], msr, v);
}

static u64 rdmsr(unsigned n, u32 msr)
{
	u64 v = 0xdead;

	return kvm.msrs.read(kvm.msrs.dev, &cpu[n], msr, &v) ? v : 0xdead;
}

static u64 get64(u64 gpa)
{
	return *(u64 *)(void *)(ram + gpa);
}

static u32 get32(u64 gpa)
{
	return *(u32 *)(void *)(ram + gpa);
}

static void features(void)
{
	start(1, true);
	tap_equal(kvm_pv_features(&kvm), 0x60u, "one processor");
	start(2, true);
	tap_equal(kvm_pv_features(&kvm), 0xae0u, "several");
	start(2, false);
	tap_equal(kvm_pv_features(&kvm), 0x8c0u,
		  "a host that does not tell of delays");
	tap_check(!wrmsr(0, STEAL, 0x1001) && rdmsr(0, STEAL) == 0xdead,
		  "the MSR is not there, then");
}

static void stolen(void)
{
	start(CPUS, true);
	delay = 5000;
	kvm_pv_watch_ops.begins(&kvm, &cpu[1]);
	tap_check(wrmsr(1, STEAL, 0x1041), "enabled");
	tap_equal(rdmsr(1, STEAL), 0x1041, "reads back");
	tap_equal(rdmsr(0, STEAL), 0, "each processor has its own");
	tap_equal(get64(0x1040), 0, "what came before is not the guest's");
	delay += 700;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[1]);
	tap_equal(get64(0x1040), 0, "not looked at too often");
	rig_host_ns += MS;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[1]);
	tap_equal(get64(0x1040), 700, "then");
	tap_equal(get32(0x1048) & 1, 0, "the version is even");
	delay = 100; /* a new thread */
	kvm_pv_watch_ops.begins(&kvm, &cpu[1]);
	delay += 50;
	rig_host_ns += MS;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[1]);
	tap_equal(get64(0x1040), 750, "goes on with another thread");
	written = 0;
	rig_host_ns += MS;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[1]);
	tap_equal(written, 0, "nothing new, nothing written");
	tap_check(wrmsr(1, STEAL, 0), "disabled");
	delay += 50;
	rig_host_ns += MS;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[1]);
	tap_equal(get64(0x1040), 750, "nobody is told");
}

static void sleepers(void)
{
	start(CPUS, true);
	kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
	kvm_pv_watch_ops.wakes(&kvm, &cpu[0]);
	tap_equal(written, 0, "a guest that does not ask");
	wrmsr(0, STEAL, 0x1001);
	tap_equal(ram[0x1010], 0, "awake");
	kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
	tap_equal(ram[0x1010], 1, "asleep: marked");
	kvm_pv_watch_ops.wakes(&kvm, &cpu[0]);
	tap_check(!ram[0x1010] && !flushes[0], "awake again");
	kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
	ram[0x1010] |= 2;
	kvm_pv_watch_ops.wakes(&kvm, &cpu[0]);
	tap_check(!ram[0x1010] && flushes[0] == 1, "a flush was left for it");
	kvm_pv_watch_ops.wakes(&kvm, &cpu[0]);
	tap_equal(flushes[0], 1u, "one");
	kvm_pv_class.cpu_init(&kvm.dev, 1);
	tap_equal(rdmsr(0, STEAL), 0x1001, "INIT of another");
	kvm_pv_class.cpu_init(&kvm.dev, 0);
	tap_equal(rdmsr(0, STEAL), 0, "INIT ends it");
	start(1, true);
	wrmsr(0, STEAL, 0x1001);
	kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
	tap_equal(ram[0x1010], 0, "a single one is never marked");
}

static void hostile(void)
{
	static const u64 bad_tab[] = { 0x4001, ~0x3eull, 0x3fc1 + 64,
				       1ull << 63 | 1, GiB(4) | 1 };

	start(CPUS, true);
	for (unsigned i = 0; i < ARRAY_SIZE(bad_tab); i++) {
		tap_check(wrmsr(0, STEAL, bad_tab[i]), "taken");
		rig_host_ns += MS;
		delay += 5;
		kvm_pv_watch_ops.ticks(&kvm, &cpu[0]);
		kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
		kvm_pv_watch_ops.wakes(&kvm, &cpu[0]);
	}
	tap_check(!written && !flushes[0], "but nothing is written there");
	tap_check(!wrmsr(0, STEAL, 0x1003), "reserved bits: #GP");
	tap_check(wrmsr(0, STEAL, 0x3fc1), "the very end");
	tap_check(!wrmsr(0, EOI, 0x4001) && !wrmsr(0, EOI, ~2ull) &&
			  !wrmsr(0, EOI, 0x1003),
		  "no memory for the end of interrupts: #GP");
	tap_check(wrmsr(0, EOI, 0x3ffd), "the very end");
	cpu[0].index = CPUS;
	tap_check(!wrmsr(0, STEAL, 0x1001) && !wrmsr(0, EOI, 0x1001) &&
			  rdmsr(0, EOI) == 0xdead,
		  "no such processor");
	kvm_pv_watch_ops.sleeps(&kvm, &cpu[0]);
	cpu[0].index = 0;
}

/* --- end of interrupts --- */

static void arrives(u8 vector, bool level)
{
	const struct apic_msg m = { .vector = vector, .level = level };

	apic_bus_send(&bus, &m);
}

static int ack(void)
{
	return lapic_intr_ops.ack(&lapic[0]);
}

/* What the guest's handler does; true if it needed no register. */
static bool handler_ends(void)
{
	if (ram[0x1000] & 1) {
		ram[0x1000] &= (u8)~1;
		return true;
	}
	lapic_mmio_write(&lapic[0], 0xb0, 0);
	return false;
}

static u32 in_service(u8 vector)
{
	return (u32)lapic_mmio_read(&lapic[0], 0x100 + (vector >> 5) * 16u) >>
		       (vector & 31) &
	       1;
}

static void end_of_interrupt(void)
{
	start(1, true);
	tap_check(wrmsr(0, EOI, 0x1001) && rdmsr(0, EOI) == 0x1001, "enabled");
	arrives(0x40, false);
	tap_check(ack() == 0x40 && ram[0x1000] == 1, "offered");
	tap_equal(in_service(0x40), 1, "whoever looks takes it back");
	tap_check(!handler_ends() && !in_service(0x40), "so the register is "
							"written");
	arrives(0x40, false);
	ack();
	tap_check(handler_ends(), "taken");
	arrives(0x41, false);
	tap_equal(ack(), 0x41, "the same class: the other one has ended");
	tap_check(handler_ends() && !in_service(0x41), "and this one");

	arrives(0x40, false);
	arrives(0x50, false);
	tap_check(ack() == 0x50 && !ram[0x1000], "not while another waits");
	tap_check(!handler_ends() && ack() == 0x40 && ram[0x1000], "the last");
	arrives(0x30, false);
	tap_check(ack() == -1 && !ram[0x1000], "a lower one comes: taken back");
	tap_check(!(cpu[0].request & VCPU_REQ_INTR), "it waits");
	tap_check(!handler_ends() && (cpu[0].request & VCPU_REQ_INTR) &&
			  ack() == 0x30,
		  "until the register is written");
	arrives(0x80, false);
	tap_check(ack() == 0x80 && ram[0x1000], "a higher one nests");
	tap_check(handler_ends() && !handler_ends(), "each has its end");
	tap_check(!in_service(0x80) && !in_service(0x30), "both are over");

	arrives(0x60, true);
	tap_check(ack() == 0x60 && !ram[0x1000], "not for a level");
	tap_check(!handler_ends() && eois == 1, "whose end is told");

	arrives(0x40, false);
	ack();
	tap_check(wrmsr(0, EOI, 0) && !ram[0x1000], "disabled: taken back");
	tap_check(in_service(0x40) && !handler_ends() && !in_service(0x40),
		  "the register");
	wrmsr(0, EOI, 0x1001);
	arrives(0x40, false);
	ack();
	lapic_class.cpu_init(&lapic[0].dev, 0);
	tap_check(!rdmsr(0, EOI) && !in_service(0x40), "INIT ends it all");

	wrmsr(0, EOI, 0x1001);
	tap_check(!rig_accepts(&lapic[0].dev, "pv_eoi_msr", 3), "loaded: bits");
	lapic_class.reset(&lapic[0].dev);
	tap_check(!rig_accepts(&lapic[0].dev, "pv_eoi_offered", 1),
		  "loaded: an offer without a place");
}

/* --- hypercalls --- */

static s64 call(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	const u64 arg[4] = { a, b, c, d };

	return kvm.calls.call(kvm.calls.dev, &cpu[0], nr, arg);
}

static unsigned reached(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CPUS; i++)
		if (lapic_intr_ops.ack(&lapic[i]) == 0xf5) {
			lapic_mmio_write(&lapic[i], 0xb0, 0);
			n |= 1u << i;
		}
	return n;
}

static void hypercalls(void)
{
	start(CPUS, true);
	cpu[0].x86.efer = EFER_LMA;
	cpu[0].x86.seg[X86_CS].attr = SEG_L;
	tap_check(call(5, 0, 2, 0, 0) == 0 && unhalts[2] == 1 && !unhalts[1],
		  "a kick");
	tap_equal(call(5, 0, CPUS, 0, 0), 0, "nobody there");
	tap_equal(call(5, 0, ~0ull, 0, 0), 0, "nor there");
	tap_equal(call(10, 6, 0, 0, 0xf5), 2, "IPIs to two");
	tap_equal(reached(), 6u, "which got them");
	tap_equal(call(10, 3, 0, 1, 0xf5), 2, "from the second on");
	tap_equal(reached(), 6u, "which got them");
	tap_equal(call(10, ~0ull, ~0ull, 0, 0xf5), CPUS, "to all there are");
	tap_equal(reached(), 7u, "which got them");
	tap_equal(call(10, ~0ull, ~0ull, ~0ull, 0xf5), 0, "from beyond");
	tap_equal(call(10, 1, 1, ~63ull, 0xf5), 0, "ids do not wrap");
	tap_equal(call(10, 2, 0, 0, 0x400), 1, "an NMI");
	tap_check(cpu[1].request & VCPU_REQ_NMI, "which came");
	tap_equal(call(10, 1, 0, 0, 0x800f5), -22, "no shorthands");
	tap_equal(call(10, 1, 0, 0, 0x8f5), -22, "nor logical ids");
	tap_equal(call(10, 1, 0, 0, 0x500), -22, "nor INIT");
	tap_equal(reached(), 0u, "nobody got that");
	cpu[0].x86.efer = 0;
	tap_equal(call(10, 0, 1, ~0ull - 32 + 1, 0xf5), 0, "32 bits, wrapping");
	tap_equal(call(6, 0, 0, 0, 0), -1000, "no such call");
	start(1, true);
	tap_equal(call(5, 0, 0, 0, 0), -1000, "a single processor has none");
}

static void saved(void)
{
	static struct kvm_pv other;

	start(CPUS, true);
	wrmsr(2, STEAL, 0x1001);
	delay = 0;
	kvm_pv_watch_ops.begins(&kvm, &cpu[2]);
	delay = 12345;
	rig_host_ns += MS;
	kvm_pv_watch_ops.ticks(&kvm, &cpu[2]);
	rig_name(&other.dev, &kvm_pv_class);
	kvm_pv_init(&other, &kvm.w);
	tap_check(rig_copy(&kvm.dev, &other.dev), "saved and loaded");
	tap_check(other.steal_msr[2] == 0x1001 && other.steal_ns[2] == 12345,
		  "all of it");
	tap_check(!rig_accepts(&other.dev, "steal_msr", 2), "bits refused");
	kvm_pv_class.reset(&kvm.dev);
	tap_equal(rdmsr(2, STEAL), 0, "reset");
}

int main(void)
{
	features();
	stolen();
	sleepers();
	hostile();
	end_of_interrupt();
	hypercalls();
	saved();
	return tap_done();
}
