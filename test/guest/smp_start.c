/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How processors begin, stop and begin again: INIT and SIPI to one, to all,
 * to those that run; what real mode is like then. SDM 3A 8.4 "Multiple-
 * Processor (MP) Initialization", 9.1.1 "Processor State After Reset" (the
 * INIT column); APM 2 14.1.3.
 */
#include "lib/irq.h"
#include "lib/smp.h"

/* Where the tests' own first instructions go: two pages below 1 MiB. */
#define PAGE_A 0x30000ul
#define PAGE_B 0x9f000ul

/* Each processor writes here, by APIC id; below 1 MiB, for 16-bit code. */
#define REPORTS 0x20000ul

struct report {
	u32 count; /* how often it has begun: written last */
	u32 eax, ebx, ecx, edx, esi, edi, ebp, esp;
	u32 eflags, cr0, cr2, cr3, cr4, efer;
	u16 cs, ip, ds, es, ss, fs, gs, pad;
	u16 gdt_limit, idt_limit;
	u32 gdt_base, idt_base, dr6, dr7;
	u32 base_ok; /* FS:0 is linear 0 */
};
_Static_assert(sizeof(struct report) <= 256, "the code below");
_Static_assert(offsetof(struct report, cs) == 60, "the code below");
_Static_assert(offsetof(struct report, gdt_limit) == 76, "the code below");
_Static_assert(offsetof(struct report, base_ok) == 96, "the code below");

/*
 * Registers go to this page first, by CS, for none may be destroyed before
 * all are kept; then to the report of the APIC id, and HLT. All may be at it at
 * once: they write the same there.
 */
asm(".pushsection .text\n"
    ".code16\n"
    ".balign 16\n"
    "report_start:\n"
    "mov %eax, %cs:report_eax - report_start\n"
    "mov %ebx, %cs:report_ebx - report_start\n"
    "mov %ecx, %cs:report_ecx - report_start\n"
    "mov %edx, %cs:report_edx - report_start\n"
    "mov %ds, %bx\n"
    "mov %cs, %ax\n"
    "mov %ax, %ds\n"
    "mov %bx, report_ds - report_start\n"
    "mov %ss, report_ss - report_start\n"
    "mov %esp, report_esp - report_start\n"
    "mov %ax, %ss\n"
    "mov $0xff0, %esp\n"
    "pushfl\n"
    "popl report_eflags - report_start\n"
    /* Not where another one's flags are. */
    "mov $0xfe0, %sp\n"
    "call 1f\n"
    "1: pop %bx\n"
    "sub $1b - report_start, %bx\n"
    "mov %bx, report_ip - report_start\n"
    "mov %es, report_es - report_start\n"
    /* The APIC id is the index of the report. */
    "mov $1, %eax\n"
    "cpuid\n"
    "shr $24, %ebx\n"
    "shl $4, %bx\n"
    "add $0x2000, %bx\n"
    "mov %bx, %es\n"
    "mov report_eax - report_start, %eax\n mov %eax, %es:4\n"
    "mov report_ebx - report_start, %eax\n mov %eax, %es:8\n"
    "mov report_ecx - report_start, %eax\n mov %eax, %es:12\n"
    "mov report_edx - report_start, %eax\n mov %eax, %es:16\n"
    "mov %esi, %es:20\n"
    "mov %edi, %es:24\n"
    "mov %ebp, %es:28\n"
    "mov report_esp - report_start, %eax\n mov %eax, %es:32\n"
    "mov report_eflags - report_start, %eax\n mov %eax, %es:36\n"
    "mov %cr0, %eax\n mov %eax, %es:40\n"
    "mov %cr2, %eax\n mov %eax, %es:44\n"
    "mov %cr3, %eax\n mov %eax, %es:48\n"
    "mov %cr4, %eax\n mov %eax, %es:52\n"
    "mov $0xc0000080, %ecx\n rdmsr\n mov %eax, %es:56\n"
    "mov %cs, %es:60\n"
    "mov report_ip - report_start, %ax\n mov %ax, %es:62\n"
    "mov report_ds - report_start, %ax\n mov %ax, %es:64\n"
    "mov report_es - report_start, %ax\n mov %ax, %es:66\n"
    "mov report_ss - report_start, %ax\n mov %ax, %es:68\n"
    "mov %fs, %es:70\n"
    "mov %gs, %es:72\n"
    "sgdtl %es:128\n"
    "sidtl %es:136\n"
    "mov %es:128, %ax\n mov %ax, %es:76\n"
    "mov %es:136, %ax\n mov %ax, %es:78\n"
    "mov %es:130, %eax\n mov %eax, %es:80\n"
    "mov %es:138, %eax\n mov %eax, %es:84\n"
    "mov %dr6, %eax\n mov %eax, %es:88\n"
    "mov %dr7, %eax\n mov %eax, %es:92\n"
    /* FS has not been loaded: its base is 0. */
    "mov %fs:0x7000, %ecx\n"
    "cmp $0x600df00d, %ecx\n"
    "sete %al\n"
    "movzbl %al, %eax\n"
    "mov %eax, %es:96\n"
    "lock incl %es:0\n"
    "2: cli\n hlt\n jmp 2b\n"
    ".balign 4\n"
    "report_eax: .long 0\n report_ebx: .long 0\n report_ecx: .long 0\n"
    "report_edx: .long 0\n report_esp: .long 0\n report_eflags: .long 0\n"
    "report_ip: .word 0\n report_ds: .word 0\n report_es: .word 0\n"
    "report_ss: .word 0\n"
    "report_end:\n"
    ".code64\n"
    ".popsection\n");
extern const u8 report_start[], report_end[];

static volatile struct report *report(unsigned cpu)
{
	return (volatile struct report *)(REPORTS + cpu * 256);
}

static void clear_reports(void)
{
	memset((void *)REPORTS, 0, CPUS_MAX * 256);
	*(volatile u32 *)0x7000 = 0x600df00d;
	memcpy((void *)PAGE_A, report_start, report_end - report_start);
	memcpy((void *)PAGE_B, report_start, report_end - report_start);
}

static bool wait_reports(unsigned count)
{
	bool good = true;

	for (unsigned i = 1; i < smp_cpus; i++)
		good &= wait_equal((unsigned *)&report(i)->count, count);
	return good;
}

/* A moment in which nothing should happen. */
static void quiet(void)
{
	delay_ms(20);
}

static unsigned sum;

static void count_in(ulong arg)
{
	CHECK_EQ(rdmsr(MSR_GS_BASE), (ulong)this_cpu());
	for (unsigned i = 0; i < 1000; i++)
		ATOMIC_ADD(&sum, 1);
	barrier();
	CHECK_EQ(sum, 1000 * smp_cpus);
}

static void start_and_work(void)
{
	for (unsigned i = 0; i < scaled(5); i++) {
		if (!smp_start(2))
			return;
		sum = 0;
		on_all(count_in, 0);
		CHECK_EQ(sum, 1000 * smp_cpus);
	}
}

/* Names of their own: CPUID, the APIC, x2APIC's logical one. */
static void name(ulong arg)
{
	u32 id = apic_read(APIC_ID);
	unsigned me = this_cpu()->index;

	CHECK_EQ(cpuid(1).b >> 24, me);
	CHECK_EQ(rdmsr(MSR_APIC_BASE) >> 8 & 1, me == 0);
	if (!this_cpu()->x2apic) {
		CHECK_EQ(id >> 24, me);
		return;
	}
	CHECK_EQ(id, me);
	CHECK_EQ(apic_read(APIC_LDR), me >> 4 << 16 | 1u << (me & 15));
	if (cpuid(0).a >= 0xb)
		CHECK_EQ(cpuid(0xb).d, me);
}

static void names(void)
{
	if (smp_start(2))
		on_all(name, 0);
}

/*
 * The state after INIT and SIPI, from long mode with everything loaded. EDX is
 * the processor's signature, CR2 0; CD and NW stay as they were, which was
 * both of them on from reset.
 */
static void real_mode_state(void)
{
	if (!smp_start(2))
		return;
	clear_reports();
	apic_ipi(0, ICR_INIT | ICR_OTHERS);
	apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_A >> 12);
	CHECK(wait_reports(1));
	for (unsigned i = 1; i < smp_cpus; i++) {
		volatile struct report *r = report(i);

		context("cpu %u", i);
		CHECK_EQ(r->cs, PAGE_A >> 4);
		CHECK_EQ(r->ip, 0);
		CHECK_EQ(r->eax | r->ebx | r->ecx | r->esi | r->edi | r->ebp |
			 r->esp, 0);
		CHECK_EQ(r->edx & 0xf00, cpuid(1).a & 0xf00);
		CHECK_EQ(r->eflags & ~FL_STATUS, FL_ONE);
		CHECK_EQ(r->cr0 & ~(u32)(CR0_CD | CR0_NW), 0x10);
		CHECK_EQ(r->cr2 | r->cr3 | r->cr4, 0);
		CHECK_EQ(r->efer, 0);
		CHECK_EQ(r->ds | r->es | r->ss | r->fs | r->gs, 0);
		CHECK_EQ(r->gdt_base | r->idt_base, 0);
		CHECK_EQ(r->gdt_limit, 0xffff);
		CHECK_EQ(r->idt_limit, 0xffff);
		CHECK_EQ(r->dr6, 0xffff0ff0);
		CHECK_EQ(r->dr7, 0x400);
		CHECK_EQ(r->base_ok, 1);
	}
}

/* SIPI's vector is the page, up to the last below 640 KiB. */
static void startup_page(void)
{
	if (!smp_start(2))
		return;
	clear_reports();
	for (unsigned i = 1; i < smp_cpus; i++) {
		apic_ipi(i, ICR_INIT);
		apic_ipi(i, ICR_STARTUP | PAGE_B >> 12);
		CHECK(wait_equal((unsigned *)&report(i)->count, 1));
		CHECK_EQ(report(i)->cs, PAGE_B >> 4);
		CHECK_EQ(report(i)->ip, 0);
		for (unsigned k = i + 1; k < smp_cpus; k++)
			CHECK_EQ(report(k)->count, 0);
	}
}

/* Neither one that runs nor one that has been halted heeds SIPI. */
static volatile unsigned spun;
static volatile bool stop;

static void spin_on(ulong arg)
{
	while (!stop)
		spun++;
}

static void sipi_when_running(void)
{
	unsigned before;

	if (!smp_start(2))
		return;
	clear_reports();
	stop = false;
	cpu_begin(1, spin_on, 0);
	apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_A >> 12);
	quiet();
	for (unsigned i = 1; i < smp_cpus; i++)
		CHECK_EQ(report(i)->count, 0);
	before = spun;
	CHECK(wait_reached(&spun, before + 1));
	stop = true;
	cpu_wait(1);
	sum = 0;
	on_all(count_in, 0);
	CHECK_EQ(sum, 1000 * smp_cpus);
	/* Nor was it kept for the next INIT. */
	apic_ipi(0, ICR_INIT | ICR_OTHERS);
	quiet();
	for (unsigned i = 1; i < smp_cpus; i++)
		CHECK_EQ(report(i)->count, 0);
}

/* From INIT to SIPI nothing else wakes it, and one SIPI is enough. */
static void wait_for_sipi(void)
{
	if (!smp_start(2))
		return;
	clear_reports();
	apic_ipi(0, ICR_INIT | ICR_OTHERS);
	apic_ipi(0, ICR_OTHERS | V_WAKE);
	for (unsigned i = 1; i < smp_cpus; i++)
		apic_ipi(i, V_WAKE);
	quiet();
	for (unsigned i = 1; i < smp_cpus; i++)
		CHECK_EQ(report(i)->count, 0);
	apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_A >> 12);
	CHECK(wait_reports(1));
	apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_A >> 12);
	apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_B >> 12);
	quiet();
	for (unsigned i = 1; i < smp_cpus; i++)
		CHECK_EQ(report(i)->count, 1);
}

/* INIT stops a processor at once, in a loop without end, IF or not. */
static void spin_for_ever(ulong flags)
{
	if (flags)
		sti();
	for (;;)
		spun++;
}

static void init_when_running(void)
{
	for (unsigned round = 0; round < scaled(4); round++) {
		unsigned before;

		if (!smp_start(2))
			return;
		clear_reports();
		for (unsigned i = 1; i < smp_cpus; i++)
			cpu_begin(i, spin_for_ever, round & 1);
		before = spun;
		CHECK(wait_reached(&spun, before + 1000));
		apic_ipi(0, ICR_INIT | ICR_OTHERS);
		apic_ipi(0, ICR_STARTUP | ICR_OTHERS | PAGE_A >> 12);
		CHECK(wait_reports(1));
		before = spun;
		quiet();
		CHECK_EQ(spun, before);
	}
}

/* INIT keeps memory and the APIC's mode, and empties what was pending. */
static void hold_pending(ulong arg)
{
	cli();
	apic_write(APIC_TPR, 0x20);
	ATOMIC_ADD(&sum, 1);
	for (;;)
		pause();
}

static volatile unsigned surprises;

static bool surprise(struct regs *r)
{
	surprises++;
	apic_eoi();
	return true;
}

static void look_for_pending(ulong arg)
{
	for (unsigned v = 32; v < 256; v++)
		if (v != V_WAKE && v != V_STOP)
			trap_handle(v, surprise);
	for (unsigned v = 32; v < 256; v += 32)
		CHECK_EQ(apic_read(APIC_IRR + v / 2), 0);
	CHECK_EQ(apic_read(APIC_TPR), 0);
	sti_nop();
	cli();
}

static void init_empties_the_apic(void)
{
	if (!smp_start(2))
		return;
	sum = surprises = 0;
	for (unsigned i = 1; i < smp_cpus; i++)
		cpu_begin(i, hold_pending, 0);
	CHECK(wait_equal(&sum, smp_cpus - 1));
	apic_ipi(0, ICR_OTHERS | 0x61);
	apic_ipi(0, ICR_OTHERS | 0xe2);
	smp_start(2);
	on_all(look_for_pending, 0);
	CHECK_EQ(surprises, 0);
}

/* An INIT de-assertion, which old kernels send, is no INIT. */
static void deassertion(void)
{
	if (!smp_start(2))
		return;
	sum = 0;
	/* apic_ipi() would assert it. */
	if (this_cpu()->x2apic)
		wrmsr(MSR_X2APIC + APIC_ICR / 16,
		      ICR_ALL | ICR_INIT | ICR_LEVEL);
	else
		apic_write(APIC_ICR, ICR_ALL | ICR_INIT | ICR_LEVEL);
	on_all(count_in, 0);
	CHECK_EQ(sum, 1000 * smp_cpus);
}

/* One processor starts the next, from the second on. */
static volatile u64 chain;

static void start_next(ulong arg)
{
	unsigned next = this_cpu()->index + 1;

	ATOMIC_OR(&chain, BIT(next - 1));
	if (next == smp_cpus)
		return;
	apic_ipi(next, ICR_INIT);
	apic_ipi(next, ICR_STARTUP | PAGE_A >> 12);
	CHECK(wait_equal((unsigned *)&report(next)->count, 1));
}

static void started_by_another(void)
{
	if (!smp_start(3))
		return;
	clear_reports();
	chain = 0;
	cpu_begin(1, start_next, 0);
	cpu_wait(1);
	CHECK_EQ(report(2)->count, 1);
	CHECK_EQ(report(2)->cs, PAGE_A >> 4);
	CHECK_EQ(chain, BIT(1));
}

const struct test tests[] = {
	{ "INIT, SIPI, and all work", start_and_work },
	{ "names", names },
	{ "the state in which a processor begins", real_mode_state },
	{ "SIPI says where", startup_page },
	{ "SIPI to one that runs", sipi_when_running },
	{ "waiting for SIPI", wait_for_sipi },
	{ "INIT to one that runs", init_when_running },
	{ "INIT empties the APIC", init_empties_the_apic },
	{ "INIT de-asserted", deassertion },
	{ "started by another than the first", started_by_another },
	{ NULL },
};
