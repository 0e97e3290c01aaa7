/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's paravirtual interface: hypercalls, the end of interrupts by a bit in
 * memory, halts that another processor ends, TLB flushes that wait until a
 * sleeper wakes. Linux, Documentation/virt/kvm/x86/msr.rst and hypercalls.rst.
 */
#include "lib/irq.h"
#include "lib/smp.h"

#define MSR_STEAL 0x4b564d03u
#define MSR_EOI 0x4b564d04u

enum { STEAL_TIME = 1 << 5, PV_EOI = 1 << 6, PV_UNHALT = 1 << 7,
       PV_TLB_FLUSH = 1 << 9, PV_SEND_IPI = 1 << 11 };

enum { KICK_CPU = 5, SEND_IPI = 10 };

#define PREEMPTED 1
#define FLUSH_TLB 2

#define V_PING 0x61
#define V_SAME 0x62 /* of the same class */
#define V_HIGH 0x81

/* Skips the test and is false if one of the features is not there. */
static bool offered(u32 features)
{
	struct cpuid c = { 0 };

	if (cpuid(1).c >> 31)
		c = cpuid(0x40000000);
	if (c.b == 0x4b4d564b && c.c == 0x564b4d56 && c.d == 0x4d &&
	    (cpuid(0x40000001).a & features) == features)
		return true;
	skip("not offered");
	return false;
}

static ulong hypercall(ulong nr, ulong a, ulong b, ulong c, ulong d)
{
	ulong ret;

	asm volatile("vmcall"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
		     : "memory");
	return ret;
}

/* --- hypercalls --- */

CODE(c_vmcall, "vmcall\n" STOP);
CODE(c_vmmcall, "vmmcall\n" STOP);

static void instructions(void)
{
	static const u8 *const code_tab[] = { c_vmcall, c_vmmcall };

	if (!offered(0))
		return;
	for (unsigned i = 0; i < 4; i++) {
		int ring = i < 2 ? 0 : 3;
		struct regs r;

		context("%s in ring %d", i % 2 ? "VMMCALL" : "VMCALL", ring);
		regs_init(&r, code_tab[i % 2], ring);
		r.rax = 0x123456789;
		r.rbx = 0xb;
		r.rcx = 0xc;
		r.rdx = 0xd;
		r.rsi = 0xe;
		r.rflags |= FL_CF | FL_ZF | FL_OF;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, ring ? -1 : -1000);
		CHECK_EQ(r.rbx, 0xb);
		CHECK_EQ(r.rcx, 0xc);
		CHECK_EQ(r.rdx, 0xd);
		CHECK_EQ(r.rsi, 0xe);
		CHECK_EQ(r.rflags & FL_STATUS, FL_CF | FL_ZF | FL_OF);
	}
}

/* --- the end of interrupts --- */

static volatile u32 no_eoi __attribute__((aligned(4)));
static volatile unsigned counts[256], spared;

static void end(void)
{
	if (no_eoi & 1) {
		no_eoi &= ~1u;
		spared++;
	} else {
		apic_eoi();
	}
}

static bool ends(struct regs *r)
{
	counts[r->vector]++;
	end();
	return true;
}

static bool goes_on(struct regs *r)
{
	counts[r->vector]++;
	return true;
}

static void take(unsigned vector)
{
	apic_self_ipi(vector);
	sti_nop();
	cli();
}

static void end_of_interrupt(void)
{
	unsigned n = 0;

	if (!offered(PV_EOI))
		return;
	wrmsr(MSR_EOI, (ulong)&no_eoi | 1);
	CHECK_EQ(rdmsr(MSR_EOI), (ulong)&no_eoi | 1);
	memset((void *)counts, 0, sizeof(counts));
	spared = 0;
	trap_handle(V_PING, ends);
	trap_handle(V_SAME, ends);
	trap_handle(V_HIGH, ends);
	for (n = 1; n <= 1000; n++) {
		take(n % 2 ? V_PING : V_SAME);
		CHECK_EQ(counts[V_PING] + counts[V_SAME], n);
	}
	CHECK_EQ(spared, 1000);
	CHECK(!apic_bit(APIC_ISR, V_PING) && !apic_bit(APIC_ISR, V_SAME));
	/* Before one has ended come others: one that nests, one that waits. */
	trap_handle(V_PING, goes_on);
	for (n = 1; n <= 100; n++) {
		take(V_PING);
		CHECK_EQ(counts[V_PING], 500 + n);
		take(V_HIGH);
		CHECK_EQ(counts[V_HIGH], n);
		take(V_SAME);
		CHECK_EQ(counts[V_SAME], 500 + n - 1);
		end();
		sti_nop();
		cli();
		CHECK_EQ(counts[V_SAME], 500 + n);
	}
	CHECK(!apic_bit(APIC_ISR, V_PING) && !apic_bit(APIC_ISR, V_HIGH));
	wrmsr(MSR_EOI, 0);
	CHECK_EQ(no_eoi, 0);
}

/* --- kicks --- */

static volatile unsigned turns;
static volatile bool stop;

/* Interrupts are off: only a kick ends this. */
static void deaf(ulong unused)
{
	while (!stop) {
		ATOMIC_ADD(&turns, 1);
		asm volatile("hlt" ::: "memory");
	}
}

static void kicks(void)
{
	unsigned rounds = scaled(500);

	if (!offered(PV_UNHALT) || !smp_start(2))
		return;
	turns = 0;
	stop = false;
	cpu_begin(1, deaf, 0);
	for (unsigned n = 1; n <= rounds; n++) {
		if (!wait_reached(&turns, n))
			bail("kick %u was lost", n);
		CHECK_EQ(turns, n);
		CHECK_EQ(hypercall(KICK_CPU, 0, 1, 0, 0), 0);
	}
	CHECK(wait_reached(&turns, rounds + 1));
	stop = true;
	CHECK_EQ(hypercall(KICK_CPU, 0, 1, 0, 0), 0);
	cpu_wait(1);
}

/* --- interrupts to many --- */

static volatile unsigned got[CPUS_MAX];

static bool count(struct regs *r)
{
	ATOMIC_ADD(&got[this_cpu()->index], 1);
	apic_eoi();
	return true;
}

static void receive(ulong unused)
{
	trap_handle(V_PING, count);
	ATOMIC_ADD(&turns, 1);
	while (!stop)
		asm volatile("sti; hlt; cli" ::: "memory");
}

static void send_ipi(void)
{
	unsigned rounds = scaled(200);

	if (!offered(PV_SEND_IPI) || !smp_start(2))
		return;
	turns = 0;
	stop = false;
	memset((void *)got, 0, sizeof(got));
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_begin(i, receive, 0);
	CHECK(wait_reached(&turns, smp_cpus - 1));
	for (unsigned n = 1; n <= rounds; n++) {
		/* All but this one, by two ways to say so. */
		CHECK_EQ(n % 2 ? hypercall(SEND_IPI, ~1ul, ~0ul, 0, V_PING) :
				 hypercall(SEND_IPI, ~0ul, ~0ul, 1, V_PING),
			 smp_cpus - 1);
		for (unsigned i = 1; i < smp_cpus; i++)
			CHECK(wait_equal(&got[i], n));
	}
	CHECK_EQ(got[0], 0);
	stop = true;
	apic_ipi(0, ICR_OTHERS | V_WAKE);
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_wait(i);
}

/* --- lazy TLB flushes --- */

static struct {
	u64 steal;
	u32 version, flags;
	volatile u8 preempted;
	u8 pad[47];
} area __attribute__((aligned(64)));

static volatile ulong seen;

static bool look(struct regs *r)
{
	seen = *(volatile ulong *)LAB;
	ATOMIC_ADD(&turns, 1);
	apic_eoi();
	return true;
}

static void sleeper(ulong unused)
{
	wrmsr(MSR_STEAL, (ulong)&area | 1);
	trap_handle(V_PING, look);
	seen = *(volatile ulong *)LAB;
	ATOMIC_ADD(&turns, 1);
	while (!stop)
		asm volatile("sti; hlt; cli" ::: "memory");
	wrmsr(MSR_STEAL, 0);
}

/* Waits until the sleeper is marked; false if it never is. */
static bool leave_flush(void)
{
	u64 end = rdtsc() + LIMIT;
	u8 was = PREEMPTED;

	while (rdtsc() < end) {
		if (area.preempted == PREEMPTED &&
		    __atomic_compare_exchange_n(&area.preempted, &was,
						PREEMPTED | FLUSH_TLB, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
		was = PREEMPTED;
	}
	return false;
}

static void lazy_flush(void)
{
	unsigned rounds = scaled(100);
	ulong page[2];

	if (!offered(PV_TLB_FLUSH | STEAL_TIME) || !smp_start(2))
		return;
	turns = 0;
	stop = false;
	area.preempted = 0;
	for (unsigned i = 0; i < 2; i++) {
		page[i] = pages_alloc(1);
		*(volatile ulong *)page[i] = i;
	}
	/* Global, so that it does not go by accident. */
	map(LAB, page[0], PTE_ALL | PTE_G);
	cpu_begin(1, sleeper, 0);
	CHECK(wait_reached(&turns, 1));
	for (unsigned n = 1; n <= rounds; n++) {
		CHECK_EQ(seen, (n - 1) % 2);
		map(LAB, page[n % 2], PTE_ALL | PTE_G);
		if (!leave_flush())
			bail("it is never marked");
		apic_ipi(1, V_PING);
		CHECK(wait_reached(&turns, n + 1));
	}
	stop = true;
	apic_ipi(1, V_WAKE);
	cpu_wait(1);
	CHECK_EQ(area.version % 2, 0);
}

const struct test tests[] = {
	{ "VMCALL and VMMCALL", instructions },
	{ "end of interrupts", end_of_interrupt },
	{ "kicks", kicks },
	{ "interrupts to many", send_ipi },
	{ "lazy TLB flushes", lazy_flush },
	{ NULL },
};
