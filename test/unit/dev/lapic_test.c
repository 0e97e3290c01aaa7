/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic_test.c - local APICs: priorities, both faces, IPIs, destinations,
 * timer, PIC at LINT0, messages.
 */
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "rig.h"
#include "../tap.h"

#define CPUS 64
#define BASE 0xfee00000ull
#define MS 1000000ull

static struct rig rig;
static struct apic_bus bus;
static struct lapic lapic[CPUS];
static struct vcpu cpu[CPUS];
static u32 requests[CPUS];
static u8 startup[CPUS];
static int pic_vector, eois;
static u8 eoi_vector;
static unsigned pic_acks;

static unsigned index_of(void *c)
{
	return (unsigned)((struct vcpu *)c - cpu);
}

static void request(void *c, u32 bits)
{
	requests[index_of(c)] |= bits;
}

static void clear(void *c, u32 bits)
{
	requests[index_of(c)] &= ~bits;
}

static void start_cpu(void *c, u8 vector)
{
	startup[index_of(c)] = vector;
	request(c, VCPU_REQ_SIPI);
}

/* 1 GHz, and in step with the rig's clock. */
static u64 tsc(void *c)
{
	return rig_host_ns + ((struct vcpu *)c)->x86.tsc_offset;
}

static int extint(void *pic)
{
	pic_acks++;
	return pic_vector;
}

static void told_eoi(void *dev, u8 vector)
{
	eois++;
	eoi_vector = vector;
}

static void start(unsigned cpus)
{
	const struct apic_bus_wiring b = { .base = BASE, .eoi = told_eoi };

	rig_init(&rig);
	memset(&bus, 0, sizeof(bus));
	memset(lapic, 0, sizeof(lapic));
	memset(requests, 0, sizeof(requests));
	eois = 0;
	pic_acks = 0;
	apic_bus_init(&bus, &b);
	for (unsigned i = 0; i < cpus; i++) {
		const struct lapic_wiring w = { .bus = &bus,
						.id = i,
						.bsp = !i,
						.clock = &rig.clock,
						.tsc_hz = 1000000000,
						.phys_bits = 40,
						.request = request,
						.clear = clear,
						.startup = start_cpu,
						.tsc = tsc,
						.cpu = &cpu[i],
						.extint = i ? NULL : extint };

		cpu[i].index = i;
		rig_name(&lapic[i].dev, &lapic_class);
		lapic_init(&lapic[i], &w);
	}
}

static u32 get(unsigned n, u32 offset)
{
	return (u32)bus.page.read(bus.page.dev, &cpu[n], offset, 4);
}

static void set(unsigned n, u32 offset, u32 v)
{
	bus.page.write(bus.page.dev, &cpu[n], offset, v, 4);
}

static struct msr_range *find(u32 msr)
{
	for (unsigned i = 0; i < ARRAY_SIZE(bus.msrs); i++)
		if (msr >= bus.msrs[i].first && msr <= bus.msrs[i].last)
			return &bus.msrs[i];
	return NULL;
}

static bool rdmsr(unsigned n, u32 msr, u64 *v)
{
	struct msr_range *r = find(msr);

	return r->read(r->dev, &cpu[n], msr, v);
}

static u64 msr(unsigned n, u32 number)
{
	u64 v = 0xdead;

	rdmsr(n, number, &v);
	return v;
}

static bool wrmsr(unsigned n, u32 number, u64 v)
{
	struct msr_range *r = find(number);

	return r->write(r->dev, &cpu[n], number, v);
}

static int ack(unsigned n)
{
	return lapic_intr_ops.ack(&lapic[n]);
}

/* Does it still, after the processor has looked by itself? */
static bool wants(unsigned n)
{
	if (requests[n] & VCPU_REQ_INTR)
		lapic_intr_ops.set_tpr(&lapic[n], lapic[n].tpr);
	return requests[n] & VCPU_REQ_INTR;
}

/* Software-enabled. */
static void enable(unsigned cpus)
{
	for (unsigned i = 0; i < cpus; i++)
		set(i, 0xf0, 0x1ff);
}

static void fixed(unsigned dest, u8 vector)
{
	const struct apic_msg m = { .dest = dest, .vector = vector };

	apic_bus_send(&bus, &m);
}

static void priorities(void)
{
	start(2);
	fixed(0, 0x40);
	tap_check(!wants(0), "software-disabled: nothing is accepted");
	enable(2);
	tap_equal(get(0, 0x30), 0x50014, "version, six LVT entries");
	tap_equal(get(1, 0x20), 0x01000000, "each processor sees its own");
	fixed(1, 0x40);
	tap_check(wants(1) && !wants(0), "a message for the second");
	tap_equal(get(1, 0x220), 1, "IRR");
	tap_equal(ack(1), 0x40, "vector");
	tap_check(!wants(1), "nothing more");
	tap_equal(get(1, 0x120), 1, "ISR");
	tap_equal(get(1, 0xa0), 0x40, "PPR");
	fixed(1, 0x4f);
	tap_check(!wants(1), "the same class waits");
	fixed(1, 0x51);
	tap_equal(ack(1), 0x51, "a higher one nests");
	set(1, 0xb0, 0);
	tap_check(!wants(1), "after EOI 0x40 is still in service");
	set(1, 0xb0, 0);
	tap_check(wants(1), "after both");
	tap_equal(ack(1), 0x4f, "the waiting one");
	set(1, 0xb0, 0);
	set(1, 0xb0, 0);
	tap_equal(ack(1), -1, "nothing; an extra EOI is harmless");

	lapic_intr_ops.set_tpr(&lapic[0], 0x60);
	fixed(0, 0x6f);
	tap_check(!wants(0), "TPR holds its class back");
	tap_equal(get(0, 0x80), 0x60, "CR8 and TPR are one");
	tap_equal(ack(0), -1, "so does ack");
	set(0, 0x80, 0x5f);
	tap_check(wants(0), "TPR falls");
	lapic_intr_ops.set_tpr(&lapic[0], 0xf0);
	tap_check(!wants(0), "TPR rises: withdrawn");
	lapic_intr_ops.set_tpr(&lapic[0], 0);
	tap_equal(ack(0), 0x6f, "delivered");
	tap_equal(lapic_intr_ops.get_tpr(&lapic[0]), 0, "TPR reads back");
	fixed(0, 0x80);
	fixed(0, 0x90);
	tap_equal(ack(0), 0x90, "the highest first");
	tap_check(!wants(0), "the other waits for EOI");
	set(0, 0xb0, 0);
	tap_check(wants(0), "EOI lets it through");

	fixed(0, 5);
	set(0, 0x280, 0);
	tap_equal(get(0, 0x280), 0x40, "ESR: illegal vector received");
	(void)get(0, 0x3a0);
	set(0, 0x370, 0xfe);
	set(0, 0x700, 0);
	set(0, 0x280, 0);
	tap_equal(get(0, 0x280), 0x80, "ESR: illegal register");
	tap_equal(ack(0), 0xfe, "the error entry's vector");
	set(0, 0x370, 0x05); /* an illegal vector for errors */
	set(0, 0x700, 0);
	set(0, 0x280, 0);
	tap_equal(get(0, 0x280), 0xc0, "no error about the error");
}

static void level(void)
{
	const struct apic_msg m = { .vector = 0x71, .level = true };

	start(1);
	enable(1);
	apic_bus_send(&bus, &m);
	tap_equal(get(0, 0x1b0), 1u << 17, "TMR");
	tap_equal(ack(0), 0x71, "vector");
	set(0, 0xb0, 0);
	tap_check(eois == 1 && eoi_vector == 0x71, "the I/O APIC is told");
	fixed(0, 0x71);
	tap_equal(get(0, 0x1b0), 0, "TMR follows the last message");
	ack(0);
	set(0, 0xb0, 0);
	tap_equal(eois, 1, "an edge's EOI stays here");
}

static unsigned reached(unsigned cpus, u8 vector)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cpus; i++)
		if (ack(i) == vector) {
			lapic_intr_ops.set_tpr(&lapic[i], 0);
			set(i, 0xb0, 0);
			n |= 1u << i;
		}
	return n;
}

static void ipi(unsigned from, u32 high, u32 low)
{
	set(from, 0x310, high);
	set(from, 0x300, low);
}

static void destinations(void)
{
	start(8);
	enable(8);
	for (unsigned i = 0; i < 8; i++)
		set(i, 0xd0, 1u << (24 + i));
	ipi(0, 3u << 24, 0x40);
	tap_equal(reached(8, 0x40), 0x08u, "physical");
	ipi(0, 0xffu << 24, 0x40);
	tap_equal(reached(8, 0x40), 0xffu, "physical broadcast");
	ipi(0, 9u << 24, 0x40);
	tap_equal(reached(8, 0x40), 0u, "nobody has that id");
	ipi(0, 0xa5u << 24, 0x840);
	tap_equal(reached(8, 0x40), 0xa5u, "logical flat");
	ipi(3, 0, 0x40040);
	tap_equal(reached(8, 0x40), 0x08u, "self");
	ipi(3, 0, 0x80040);
	tap_equal(reached(8, 0x40), 0xffu, "all");
	ipi(3, 0, 0xc0040);
	tap_equal(reached(8, 0x40), 0xf7u, "all but self");
	tap_equal(get(3, 0x300), 0xc0040, "ICR reads back, idle");
	ipi(3, 0, 0xc000f);
	set(3, 0x280, 0);
	tap_equal(get(3, 0x280), 0x20, "ESR: illegal vector sent");
	tap_equal(reached(8, 0x0f), 0u, "and not sent");

	for (unsigned i = 0; i < 8; i++) {
		set(i, 0xe0, 0x0fffffff); /* cluster model */
		set(i, 0xd0, (i / 4) << 28 | 1u << (24 + i % 4));
	}
	tap_equal(get(0, 0xe0), 0x0fffffff, "DFR");
	ipi(0, 0x13u << 24, 0x840);
	tap_equal(reached(8, 0x40), 0x30u, "logical cluster");
	ipi(0, 0xf1u << 24, 0x840);
	tap_equal(reached(8, 0x40), 0x11u, "all clusters");

	/* Lowest priority: the least busy, and one only. */
	for (unsigned i = 0; i < 8; i++)
		lapic_intr_ops.set_tpr(&lapic[i], i == 6 ? 0x10 : 0x20);
	ipi(0, 0xffu << 24, 0x140);
	tap_equal(reached(8, 0x40), 0x40u, "lowest priority");
	set(6, 0xf0, 0xff);
	for (unsigned i = 0; i < 8; i++)
		lapic_intr_ops.set_tpr(&lapic[i], 0);
	ipi(0, 0xffu << 24, 0x143);
	tap_equal(__builtin_popcount(reached(8, 0x43)), 1, "exactly one");
	ipi(0, 6u << 24, 0x143);
	tap_equal(reached(8, 0x43), 0u, "not one that is disabled");
}

static void startup_ipis(void)
{
	start(3);
	set(0, 0xf0, 0x1ff);
	requests[1] = VCPU_REQ_SIPI;
	ipi(0, 1u << 24, 0x0c500);
	tap_equal(requests[1], VCPU_REQ_INIT, "INIT; an old SIPI is void");
	requests[1] = 0;
	ipi(0, 1u << 24, 0x08500);
	tap_equal(requests[1], 0u, "INIT de-assert is nothing");
	ipi(0, 1u << 24, 0x0069f);
	tap_check(requests[1] == VCPU_REQ_SIPI && startup[1] == 0x9f, "SIPI");
	ipi(0, 0, 0xc0400);
	tap_check((requests[1] & VCPU_REQ_NMI) && (requests[2] & VCPU_REQ_NMI)
		  && !(requests[0] & VCPU_REQ_NMI), "NMI to all others");
	ipi(0, 1u << 24, 0x00200);
	ipi(0, 1u << 24, 0x00300);
	ipi(0, 1u << 24, 0x00700);
	tap_equal(requests[1], VCPU_REQ_SIPI | VCPU_REQ_NMI,
		  "SMI and reserved modes do nothing");
	set(2, 0xf0, 0x1ff);
	fixed(2, 0x55);
	ipi(0, 2u << 24, 0x00500);
	tap_check(requests[2] & VCPU_REQ_INIT, "INIT is the processor's work");
	for (unsigned i = 0; i < 3; i++)
		lapic_class.cpu_init(&lapic[i].dev, 2);
	tap_check(!wants(2), "which empties its APIC");
	tap_equal(get(0, 0xf0), 0x1ff, "and no other");
	tap_equal(get(2, 0xf0), 0xff, "and disables it");
	tap_equal(msr(2, 0x1b), BASE | 0x800, "but the mode stays");
}

static void pic(void)
{
	start(2);
	pic_vector = 0x33;
	lapic_set_lint(&lapic[0], 0, true);
	tap_check(wants(0), "after power-up the PIC gets through");
	tap_equal(ack(0), 0x33, "its vector");
	tap_equal(pic_acks, 1u, "one INTA");
	tap_check(wants(0), "as long as the line is up");
	lapic_intr_ops.set_tpr(&lapic[0], 0xff);
	tap_check(wants(0), "TPR does not matter");
	lapic_intr_ops.set_tpr(&lapic[0], 0);
	set(0, 0xf0, 0x1ff);
	fixed(0, 0x20);
	tap_equal(ack(0), 0x20, "the APIC's own come first");
	set(0, 0x350, 0x10700);
	tap_check(!wants(0), "LINT0 masked");
	set(0, 0x350, 0x00700);
	tap_check(wants(0), "unmasked");
	set(0, 0xf0, 0xff);
	tap_equal(get(0, 0x350), 0x10700, "disabling masks all entries");
	tap_check(!wants(0), "and the PIC");
	set(0, 0x350, 0x00700);
	tap_equal(get(0, 0x350), 0x10700, "which cannot be undone");
	tap_check(wrmsr(0, 0x1b, BASE | 0x100), "APIC off");
	tap_check(wants(0), "the PIC is wired to the processor");
	tap_equal(ack(0), 0x33, "its vector");
	lapic_set_lint(&lapic[0], 0, false);
	tap_check(!wants(0), "line down");
	tap_equal(ack(0), -1, "nothing to acknowledge");
	lapic_set_lint(&lapic[1], 0, true);
	tap_check(!wants(1), "no PIC at the second processor");

	start(1);
	set(0, 0xf0, 0x1ff);
	set(0, 0x350, 0x00061); /* fixed */
	set(0, 0x360, 0x00400); /* NMI */
	lapic_set_lint(&lapic[0], 0, true);
	tap_equal(ack(0), 0x61, "LINT0 fixed");
	lapic_set_lint(&lapic[0], 1, true);
	tap_check(requests[0] & VCPU_REQ_NMI, "LINT1 NMI");
}

static void x2apic(void)
{
	u64 v;
	bool none = false, refused = true;

	start(40);
	tap_equal(msr(0, 0x1b), BASE | 0x900, "base of the first");
	tap_equal(msr(1, 0x1b), BASE | 0x800, "of the second");
	tap_check(!rdmsr(0, 0x802, &v), "no MSRs in xAPIC mode");
	tap_check(!wrmsr(0, 0x1b, BASE | 0x500), "x2APIC without enable: #GP");
	tap_check(!wrmsr(0, 0x1b, BASE | 0x900 | 1), "reserved bit: #GP");
	tap_check(!wrmsr(0, 0x1b, BASE | 0x900 | 1ull << 40), "beyond: #GP");
	for (unsigned i = 0; i < 40; i++)
		refused &= wrmsr(i, 0x1b, BASE | 0xc00);
	tap_check(refused, "all to x2APIC mode");
	tap_equal(msr(0, 0x1b), BASE | 0xd00, "the BSP flag is not theirs");
	tap_check(!wrmsr(0, 0x1b, BASE | 0x900), "back to xAPIC: #GP");
	tap_equal(get(0, 0x30), 0xffffffff, "the page is gone");
	tap_equal(msr(37, 0x802), 37, "id");
	tap_equal(msr(37, 0x80d), 2u << 16 | 1u << 5, "logical id");
	for (u32 i = 0x800; i <= 0x8ff; i++) {
		bool want = i == 0x802 || i == 0x803 || i == 0x808 ||
			    i == 0x80a || i == 0x80d || i == 0x80f ||
			    (i >= 0x810 && i <= 0x828) || i == 0x830 ||
			    (i >= 0x832 && i <= 0x839) || i == 0x83e;

		none |= rdmsr(0, i, &v) != want;
	}
	tap_check(!none, "exactly the registers that can be read");
	refused = true;
	for (u32 i = 0x800; i <= 0x8ff; i++)
		refused &= !wrmsr(0, i, 1ull << 63 | 1ull << 31) || i == 0x830;
	tap_check(refused, "reserved bits: #GP everywhere");
	tap_check(!wrmsr(0, 0x80b, 1), "EOI: only 0");
	tap_check(!wrmsr(0, 0x828, 1), "ESR: only 0");
	tap_check(!wrmsr(0, 0x802, 0) && !wrmsr(0, 0x80d, 0) &&
		  !wrmsr(0, 0x80e, 0) && !wrmsr(0, 0x831, 0),
		  "read-only ones");

	for (unsigned i = 0; i < 40; i++)
		wrmsr(i, 0x80f, 0x1ff);
	tap_check(wrmsr(0, 0x830, 39ull << 32 | 0x40), "IPI");
	tap_equal(ack(39), 0x40, "physical, 32 bits");
	wrmsr(39, 0x80b, 0);
	wrmsr(0, 0x830, (2ull << 16 | 0x81) << 32 | 0x840);
	tap_check(ack(32) == 0x40 && ack(39) == 0x40 && ack(33) == -1 &&
			  ack(0) == -1, "logical cluster");
	wrmsr(32, 0x80b, 0);
	wrmsr(39, 0x80b, 0);
	wrmsr(0, 0x830, 0xffffffffull << 32 | 0x40);
	none = false;
	for (unsigned i = 0; i < 40; i++)
		none |= ack(i) != 0x40;
	tap_check(!none, "broadcast");
	wrmsr(5, 0x80b, 0);
	wrmsr(5, 0x83f, 0x77);
	tap_equal(ack(5), 0x77, "self IPI");
	tap_check(wrmsr(0, 0x1b, BASE), "off");
	tap_check(wrmsr(0, 0x1b, BASE | 0x800), "and on, as xAPIC");
	tap_equal(get(0, 0xf0), 0xff, "from the beginning");
	tap_check(wrmsr(0, 0x1b, 0xd0000800), "another base");
	tap_equal(get(0, 0x30), 0xffffffff, "the page is deaf then");
}

static void count_timer(void)
{
	unsigned n = 0;

	start(1);
	enable(1);
	set(0, 0x3e0, 0xb); /* divide by 1 */
	set(0, 0x320, 0x31);
	set(0, 0x380, 1000000);
	rig_pass(&rig, 400000);
	tap_equal(get(0, 0x390), 600000, "current count");
	tap_check(!wants(0), "not yet");
	rig_pass(&rig, 600000);
	tap_check(wants(0), "one-shot");
	tap_equal(get(0, 0x390), 0, "stays at 0");
	tap_equal(ack(0), 0x31, "vector");
	set(0, 0xb0, 0);
	rig_pass(&rig, 10 * MS);
	tap_check(!wants(0), "once");

	set(0, 0x320, 0x20031);
	set(0, 0x3e0, 0x3); /* divide by 16 */
	set(0, 0x380, 62500); /* 1 ms */
	for (int i = 0; i < 1000; i++) {
		rig_pass(&rig, MS);
		n += ack(0) == 0x31;
		set(0, 0xb0, 0);
	}
	tap_equal(n, 1000u, "periodic, without drift");
	rig_stall(&rig, 1000 * MS + 300000);
	tap_equal(ack(0), 0x31, "a long absence");
	set(0, 0xb0, 0);
	tap_check(!wants(0), "is one interrupt");
	rig_pass(&rig, 700000);
	tap_equal(ack(0), 0x31, "and the phase was kept");
	set(0, 0xb0, 0);
	set(0, 0x320, 0x30031);
	rig_pass(&rig, 10 * MS + 100000);
	tap_check(!wants(0), "masked");
	set(0, 0x320, 0x20031);
	tap_check(!wants(0), "unmasked: the past is past");
	rig_pass(&rig, 900000);
	tap_check(wants(0), "the next one comes");
	set(0, 0x380, 0);
	ack(0);
	set(0, 0xb0, 0);
	rig_pass(&rig, 10 * MS);
	tap_check(!wants(0), "initial count 0 stops it");
	set(0, 0x3e0, 0xb);
	set(0, 0x380, 1);
	for (n = 0; n < 100 && clock_next_ns(&rig.clock) <
		     clock_now_ns(&rig.clock) + 1000; n++)
		rig_pass(&rig, 1000);
	tap_check(n < 100, "an absurd period is bounded");
	for (u32 v = 0; v < 8; v++) {
		static const u8 shift_tab[] = { 1, 2, 3, 4, 5, 6, 7, 0 };

		set(0, 0x320, 0x10031);
		set(0, 0x3e0, (v & 3) | (v & 4) << 1);
		set(0, 0x380, 1000);
		rig_pass(&rig, 128 * 100);
		tap_equal(get(0, 0x390),
			  12800u >> shift_tab[v] >= 1000 ? 0 :
			  1000 - (12800u >> shift_tab[v]), "divider");
	}
}

static void deadline_timer(void)
{
	u64 t;

	start(1);
	enable(1);
	tap_check(wrmsr(0, 0x6e0, 1), "ignored in another mode");
	tap_equal(msr(0, 0x6e0), 0, "reads 0");
	set(0, 0x320, 0x40032);
	tap_check(wrmsr(0, 0x6e0, 1), "the past");
	tap_equal(ack(0), 0x32, "fires at once");
	set(0, 0xb0, 0);
	tap_equal(msr(0, 0x6e0), 0, "and disarms");
	set(0, 0x380, 5);
	tap_equal(get(0, 0x380), 0, "no initial count in this mode");

	cpu[0].x86.tsc_offset = 1ull << 40;
	t = tsc(&cpu[0]) + 50 * MS;
	wrmsr(0, 0x6e0, t);
	tap_equal(msr(0, 0x6e0), t, "armed");
	rig_pass(&rig, 50 * MS - 1);
	tap_check(!wants(0), "a nanosecond before");
	rig_pass(&rig, 1);
	tap_equal(ack(0), 0x32, "on time");
	set(0, 0xb0, 0);
	tap_equal(msr(0, 0x6e0), 0, "disarmed");

	wrmsr(0, 0x6e0, tsc(&cpu[0]) + 50 * MS);
	cpu[0].x86.tsc_offset -= 20 * MS;
	rig_pass(&rig, 60 * MS);
	tap_check(!wants(0), "the counter was moved back: never early");
	rig_pass(&rig, 10 * MS);
	tap_equal(ack(0), 0x32, "then");
	set(0, 0xb0, 0);

	wrmsr(0, 0x6e0, tsc(&cpu[0]) + 50 * MS);
	cpu[0].x86.tsc_offset += 20 * MS;
	lapic_tsc_changed(&lapic[0]);
	rig_pass(&rig, 30 * MS - 1);
	tap_check(!wants(0), "the counter was moved forward: earlier");
	rig_pass(&rig, 1);
	tap_equal(ack(0), 0x32, "by as much");
	set(0, 0xb0, 0);
	wrmsr(0, 0x6e0, tsc(&cpu[0]) + 50 * MS);
	cpu[0].x86.tsc_offset += 50 * MS;
	lapic_tsc_changed(&lapic[0]);
	tap_equal(ack(0), 0x32, "beyond the deadline: at once");
	set(0, 0xb0, 0);
	lapic_tsc_changed(&lapic[0]);
	tap_check(!wants(0), "none is armed: nothing");

	wrmsr(0, 0x6e0, ~0ull);
	rig_pass(&rig, 3600000 * MS);
	tap_check(!wants(0), "the end of time");
	wrmsr(0, 0x6e0, 0);
	tap_equal(clock_next_ns(&rig.clock), CLOCK_NEVER, "0 disarms");
	wrmsr(0, 0x6e0, ~0ull);
	set(0, 0x320, 0x00032);
	tap_equal(msr(0, 0x6e0), 0, "leaving the mode disarms");
	set(0, 0x320, 0x50032);
	wrmsr(0, 0x6e0, tsc(&cpu[0]) + 50 * MS);
	rig_pass(&rig, 60 * MS);
	tap_check(!wants(0) && !msr(0, 0x6e0), "masked: passes unheard");

	/* Loaded where the counter is another: the time left is the same. */
	set(0, 0x320, 0x40032);
	wrmsr(0, 0x6e0, tsc(&cpu[0]) + 50 * MS);
	tap_check(rig_copy(&lapic[0].dev, &lapic[0].dev), "saved and loaded");
	cpu[0].x86.tsc_offset += 1000 * MS;
	rig_pass(&rig, 50 * MS - 1);
	tap_check(!wants(0), "a nanosecond before");
	rig_pass(&rig, 1);
	tap_equal(ack(0), 0x32, "on time");
	cpu[0].x86.tsc_offset = 0;
}

static void messages(void)
{
	start(4);
	enable(4);
	apic_bus_msi(&bus, 0xfee02000, 0x4041);
	tap_equal(ack(2), 0x41, "MSI");
	apic_bus_msi(&bus, 0xfeeff000, 0x0052);
	tap_check(ack(0) == 0x52 && ack(3) == 0x52, "MSI to everybody");
	set(1, 0xd0, 2u << 24);
	apic_bus_msi(&bus, 0xfee0200c, 0x0163);
	tap_equal(ack(1), 0x63, "MSI, logical, lowest priority");
	apic_bus_msi(&bus, 0x1000, 0x0070);
	apic_bus_msi(&bus, ~0ull, 0xffffffff);
	apic_bus_msi(&bus, 0xfee00000, 0x0670);
	apic_bus_msi(&bus, 0xfee00000, 0x0005);
	tap_check(!wants(0), "nonsense does nothing");
	cpu[0].index = 4;
	tap_equal(get(0, 0x30), 0xffffffff, "no processor, no APIC");
	set(0, 0xb0, 0);
}

static void saved(void)
{
	struct lapic *l = &lapic[0];

	start(2);
	enable(2);
	fixed(0, 0x81);
	set(0, 0x3e0, 0xb);
	set(0, 0x320, 0x20031);
	set(0, 0x380, 1000000);
	/* Into the other one; both are alike but for the BSP flag. */
	l->base = lapic[1].base;
	l->w.bsp = false;
	tap_check(rig_copy(&l->dev, &lapic[1].dev), "saved and loaded");
	tap_check(wants(1), "the pending one came along");
	tap_equal(ack(1), 0x81, "its vector");
	set(1, 0xb0, 0);
	rig_pass(&rig, 2 * MS);
	tap_equal(ack(1), 0x31, "the timer came along");

	tap_check(!rig_accepts(&l->dev, "base", 0x400), "mode refused");
	lapic_class.reset(&l->dev);
	tap_check(!rig_accepts(&l->dev, "irr", 1), "vector 0 refused");
	lapic_class.reset(&l->dev);
	tap_check(!rig_accepts(&l->dev, "lvt", 0x100000), "LVT refused");
	lapic_class.reset(&l->dev);
	tap_check(!rig_accepts(&l->dev, "timer_divide", 4), "divider refused");
	lapic_class.reset(&l->dev);
	tap_check(!rig_accepts(&l->dev, "svr", 1u << 31), "SVR refused");
}

int main(void)
{
	priorities();
	level();
	destinations();
	startup_ipis();
	pic();
	x2apic();
	count_timer();
	deadline_timer();
	messages();
	saved();
	return tap_done();
}
