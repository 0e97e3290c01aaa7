/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, stopping and employing other processors; see smp.h.
 *
 * A job is handed over by job_wanted, counted up by the first processor, and
 * job_done, which follows it. A processor without one halts until V_WAKE.
 *
 * Who waits for others halts too, after a moment: there may be more processors
 * than the host has, and spinning ones would keep the others from their work.
 * spin=1 on the command line never halts, so that a guest which hangs says
 * where.
 */
#include "smp.h"

#include "acpi.h"
#include "machine.h"

unsigned smp_cpus = 1;

static bool started;		/* since boot: they run, or will */
static volatile u64 arrived;	/* a bit for each, since the last INIT */
static unsigned taking_part, in_barrier, barrier_round;

extern const u8 ap_start[], ap_start_end[];
void ap_main(unsigned index);

unsigned scaled(unsigned n)
{
	ulong scale = cmdline_number("scale", 100);

	return n * scale < 100 ? 1 : n * scale / 100;
}

unsigned shared(unsigned n)
{
	n = scaled(n) * 2 / smp_cpus;
	return n ? n : 1;
}

/* --- waiting --- */

#define WAIT_WHILE(condition)                                                  \
	do {                                                                   \
		u64 end_ = rdtsc() + LIMIT;                                    \
		while ((condition) && rdtsc() < end_)                          \
			pause();                                               \
	} while (0)

bool wait_equal(const volatile unsigned *p, unsigned v)
{
	WAIT_WHILE(LOAD(p) != v);
	return LOAD(p) == v;
}

bool wait_reached(const volatile unsigned *p, unsigned v)
{
	WAIT_WHILE((int)(LOAD(p) - v) < 0);
	return (int)(LOAD(p) - v) >= 0;
}

bool wait_mask(const volatile u64 *p, u64 v)
{
	WAIT_WHILE((LOAD(p) & v) != v);
	return (LOAD(p) & v) == v;
}

#define PATIENCE 50000 /* TSC ticks */

static bool never_halt;

static bool woken(struct regs *r)
{
	apic_eoi();
	return true;
}

/* PAIRS: wake(); either this sees v or that sees us asleep. */
bool await(const volatile unsigned *p, unsigned v)
{
	struct cpu *c = this_cpu();
	u64 end = rdtsc() + PATIENCE;
	ulong flags = read_flags();

	if (never_halt)
		return wait_equal(p, v);
	while (LOAD(p) != v && rdtsc() < end)
		pause();
	cli();
	__atomic_store_n(&c->asleep, true, __ATOMIC_SEQ_CST);
	while (LOAD(p) != v)
		asm volatile("sti; hlt; cli" ::: "memory");
	c->asleep = false;
	if (flags & FL_IF)
		sti();
	return true;
}

void wake(unsigned cpu)
{
	mfence();
	if (__atomic_load_n(&cpu_area(cpu)->asleep, __ATOMIC_SEQ_CST))
		apic_ipi(cpu, V_WAKE);
}

void barrier(void)
{
	unsigned round = LOAD(&barrier_round);

	if (ATOMIC_ADD(&in_barrier, 1) == taking_part) {
		in_barrier = 0;
		STORE(&barrier_round, round + 1);
		for (unsigned i = 0; i < taking_part; i++)
			wake(i);
	} else if (!await(&barrier_round, round + 1)) {
		bail("cpu %u: alone in a barrier", this_cpu()->index);
	}
}

/* --- the life of another processor --- */

NORETURN void ap_main(unsigned index)
{
	struct cpu *c = this_cpu();

	memset(c, 0, sizeof(*c));
	c->index = index;
	tables_load_ap();
	control_reset();
	wrmsr(MSR_GS_BASE, (ulong)c);
	apic_reset_ap();
	if (this_cpu() != c)
		bail("processor %u has another's stack", index);
	if (cpu_area(0)->x2apic)
		apic_enable_x2();
	trap_handle(V_WAKE, woken);
	ATOMIC_OR(&arrived, BIT(index));
	for (;;) {
		struct regs r;

		cli();
		while (LOAD(&c->job_wanted) == c->job_done) {
			asm volatile("sti; hlt; cli" ::: "memory");
		}
		r = trap_of_arg(c->job, c->job_arg);
		cli();
		if (r.vector != V_NONE) {
			check_failed("job", 0, "unexpected trap");
			trap_print(&r);
		}
		STORE(&c->job_done, c->job_wanted);
		wake(0);
	}
}

void cpu_begin(unsigned cpu, void (*fn)(ulong), ulong arg)
{
	struct cpu *c = cpu_area(cpu);

	c->job = fn;
	c->job_arg = arg;
	STORE(&c->job_wanted, c->job_done + 1);
	apic_ipi(cpu, V_WAKE);
}

void cpu_wait(unsigned cpu)
{
	struct cpu *c = cpu_area(cpu);

	if (!await(&c->job_done, c->job_wanted))
		bail("cpu %u does not end its job", cpu);
}

void on_first(unsigned n, void (*fn)(ulong), ulong arg)
{
	taking_part = n;
	in_barrier = 0;
	for (unsigned i = 1; i < n; i++)
		cpu_begin(i, fn, arg);
	fn(arg);
	for (unsigned i = 1; i < n; i++)
		cpu_wait(i);
}

void on_all(void (*fn)(ulong), ulong arg)
{
	on_first(smp_cpus, fn, arg);
}

/* --- start and stop --- */

unsigned smp_count(void)
{
	static unsigned count;
	u32 ids[CPUS_MAX];
	unsigned most = cmdline_number("cpus", CPUS_MAX);

	if (count)
		return count;
	count = acpi_cpus(ids, CPUS_MAX);
	for (unsigned i = 0; i < count; i++)
		if (ids[i] != i)
			bail("processor %u has APIC id %u", i, (unsigned)ids[i]);
	if (count > most)
		count = most;
	if (!count)
		count = 1;
	return count;
}

/*
 * All others to where they wait for jobs. The 10 ms and the second SIPI of
 * SDM 3A 8.4.4.1 are for hardware that needs them; who has not come is asked
 * again, and none is taken for stopped that has not come anew.
 */
static void start_others(void)
{
	u64 all = (BIT(smp_count() - 1) - 1) << 1;
	u64 end = rdtsc() + LIMIT;

	memcpy((void *)TRAMPOLINE, ap_start, ap_start_end - ap_start);
	STORE(&arrived, 0);
	for (unsigned i = 1; i < smp_count(); i++)
		apic_ipi(i, ICR_INIT);
	while ((LOAD(&arrived) & all) != all) {
		u64 again = rdtsc() + 1000000000;

		for (unsigned i = 1; i < smp_count(); i++)
			if (!(LOAD(&arrived) & BIT(i)))
				apic_ipi(i, ICR_STARTUP | TRAMPOLINE >> 12);
		while ((LOAD(&arrived) & all) != all && rdtsc() < again)
			pause();
		if (rdtsc() > end)
			bail("of the processors only %#llx start",
			     (long long)arrived);
	}
	started = true;
}

bool smp_start(unsigned n)
{
	if (smp_count() < n) {
		skip("too few processors");
		return false;
	}
	if (has(F_X2APIC) && !cmdline_number("xapic", 0))
		apic_enable_x2();
	wrmsr(MSR_GS_BASE, (ulong)this_cpu());
	never_halt = cmdline_number("spin", 0) != 0;
	trap_handle(V_WAKE, woken);
	start_others();
	smp_cpus = smp_count();
	return true;
}

void smp_reset(void)
{
	smp_cpus = 1;
	if (!started)
		return;
	/* Their starting anew shows that INIT has ended whatever they did. */
	apic_ipi(0, ICR_INIT | ICR_OTHERS);
	control_reset();
	pages_reset();
	tables_reset();
	start_others();
	output_lock_break();
	apic_ipi(0, ICR_INIT | ICR_OTHERS);
	started = false;
}
