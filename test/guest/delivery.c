/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long mode delivers interrupts and exceptions: the frame and where it
 * goes, gates and stacks that fail on the way, call gates. SDM 3A 6.14
 * "Exception and Interrupt Handling in 64-bit Mode", 5.8.3.1 "IA-32e Mode Call
 * Gates".
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

extern const u8 trap_stubs[256][16];

#define V 0x60

CODE(c_int, "int $0x60\n" STOP);
CODE(c_ud, "ud2\n");
CODE(c_pf, "mov (%rdi), %eax\n");
CODE(c_nop, "nop\n" STOP);

/* The top of the frame as the handler sees it: just above SS. */
static ulong frame_top, frame_flags;
static u16 frame_ss;

static bool note_frame(struct regs *r)
{
	frame_top = (ulong)(&r->ss + 1);
	frame_flags = read_flags();
	asm volatile("mov %%ss, %0" : "=r"(frame_ss));
	return false;
}

/* Without an IST, ring 0 stays on its stack, aligned down to 16. */
static void same_ring(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));

	trap_handle(V, note_frame);
	idt_set(V, trap_stubs[V], ACC_INTR, 0);
	for (unsigned off = 0; off < 20; off++) {
		ulong sp = (ulong)stack + sizeof(stack) - 64 - off;
		struct regs r;

		context("stack at %lx", sp);
		regs_init(&r, c_int, 0);
		r.rsp = sp;
		run(&r);
		CHECK_TRAP(r, V, 0);
		CHECK_EQ(r.rsp, sp);
		CHECK_EQ(r.ss, SEL_DATA);
		CHECK_EQ(frame_top, sp & ~15ul);
		CHECK_EQ(frame_ss, SEL_DATA);
	}
}

/* Ring 3 gets RSP0, also aligned, and a null SS. */
static void from_ring3(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));

	trap_handle(V, note_frame);
	idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), 0);
	for (unsigned off = 0; off < 20; off++) {
		struct regs r;

		context("RSP0 off by %u", off);
		tss.rsp[0] = (ulong)stack + sizeof(stack) - off;
		regs_init(&r, c_int, 3);
		run(&r);
		CHECK_TRAP(r, V, 0);
		CHECK_EQ(r.ss, SEL_USER_DATA);
		CHECK_EQ(r.cs, SEL_USER);
		CHECK_EQ(frame_top, tss.rsp[0] & ~15ul);
		CHECK_EQ(frame_ss, 0);
	}
}

/* An IST is taken from either ring, whatever it is. */
static void interrupt_stacks(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));

	trap_handle(V, note_frame);
	for (unsigned ist = 5; ist <= 7; ist++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			struct regs r;

			context("IST %u ring %u", ist, ring);
			tss.ist[ist - 1] = (ulong)stack + 4000 + ist;
			idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), ist);
			r = run_code(c_int, ring);
			CHECK_TRAP(r, V, 0);
			CHECK_EQ(frame_top, tss.ist[ist - 1] & ~15ul);
			/* What SS is in the same ring, the manuals leave open. */
			if (ring)
				CHECK_EQ(frame_ss, 0);
		}
	}
}

/* Interrupt gates clear IF, trap gates keep it; both clear TF, NT, RF. */
static void gate_flags(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		for (unsigned trap = 0; trap < 2; trap++) {
			struct regs r;

			context("ring %u, %s gate", ring,
				trap ? "trap" : "interrupt");
			trap_handle(V, note_frame);
			idt_set(V, trap_stubs[V],
				(trap ? ACC_TRAP : ACC_INTR) | DPL(3), 4);
			regs_init(&r, c_int, ring);
			r.rflags |= FL_IF | FL_NT | FL_AC | FL_DF;
			run(&r);
			CHECK_TRAP(r, V, 0);
			CHECK_EQ(r.rflags & (FL_IF | FL_NT | FL_AC | FL_DF),
				 FL_IF | FL_NT | FL_AC | FL_DF);
			CHECK_EQ(frame_flags & FL_IF, trap ? FL_IF : 0);
			CHECK_EQ(frame_flags & FL_NT, 0);
			CHECK_EQ(frame_flags & FL_AC, FL_AC);
		}
	}
}

/*
 * A stack that is not there. Which word of the frame faults first is the
 * processor's business.
 */
static bool in_frame(ulong va)
{
	return va >= LAB + PAGE - 48 && va < LAB + PAGE;
}

static void stack_missing(void)
{
	struct regs r;

	/* INT n, not an exception: the page fault stands alone. */
	idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), 0);
	tss.rsp[0] = LAB + PAGE;
	r = run_code(c_int, 3);
	CHECK_TRAP(r, V_PF, PF_W);
	CHECK(in_frame(r.cr2));
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.rip, user(c_int));
	/* Of a benign exception: also. */
	idt_set(V_UD, trap_stubs[V_UD], ACC_INTR, 0);
	r = run_code(c_ud, 3);
	CHECK_TRAP(r, V_PF, PF_W);
	CHECK(in_frame(r.cr2));
	CHECK_EQ(r.rip, user(c_ud));
	/* Of a page fault: a double fault. */
	idt_set(V_PF, trap_stubs[V_PF], ACC_INTR, 0);
	regs_init(&r, c_pf, 3);
	r.rdi = LAB + 0x100000;
	run(&r);
	CHECK_TRAP(r, V_DF, 0);
	CHECK(in_frame(read_cr2()));
}

/* A frame across two pages, of which the lower is missing. */
static void stack_half(void)
{
	struct regs r;

	map_new(LAB + PAGE);
	idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), 0);
	tss.rsp[0] = LAB + PAGE + 16;
	r = run_code(c_int, 3);
	CHECK_EQ(r.vector, V_PF);
	CHECK_EQ(r.error, PF_W);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.rip, user(c_int));
	CHECK(r.cr2 >= LAB + PAGE - 32 && r.cr2 < LAB + PAGE);
}

/* A non-canonical stack is #SS(0) for INT n; for ring 0's own, #DF. */
static void stack_noncanonical(void)
{
	struct regs r;

	idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), 0);
	tss.rsp[0] = 0x0000900000000000;
	r = run_code(c_int, 3);
	CHECK_TRAP(r, V_SS, 0);
	CHECK_EQ(r.rip, user(c_int));
}

/* A handler at a non-canonical address. */
static void handler_noncanonical(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		idt_set(V, (void *)0x0000900000000000, ACC_INTR | DPL(3), 4);
		r = run_code(c_int, ring);
		CHECK_EQ(r.vector, V_GP);
		CHECK_EQ(r.error, 0);
	}
}

/* The code segment of a gate: 64-bit only. */
static void handler_not_64(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		idt_set(V, trap_stubs[V], ACC_INTR | DPL(3), 4);
		idt[V].selector = SEL_CODE32;
		r = run_code(c_int, ring);
		CHECK_TRAP(r, V_GP, SEL_CODE32);
		/* Of ring 3: not for interrupts that go inward. */
		idt[V].selector = SEL_USER;
		r = run_code(c_int, 0);
		CHECK_TRAP(r, V_GP, SEL_USER & ~3);
	}
}

/* The IDT itself missing. */
static void table_missing(void)
{
	struct table_ptr away;
	ulong pa = pages_alloc(1);
	struct regs r;

	/* Vectors 0 to 127 in a page of their own, the rest is not there. */
	memcpy((void *)pa, idt, PAGE / 2);
	map(LAB, pa, PTE_P | PTE_W);
	*pt_entry(LAB + PAGE, 1) = 0;
	memcpy((void *)(pa + PAGE / 2), idt, PAGE / 2);
	away.limit = PAGE + 100;
	away.base = LAB + PAGE / 2;
	asm volatile("lidt %0" ::"m"(away));
	/* Vector 0x80's gate, at 2048, is on the missing page. */
	regs_init(&r, c_nop, 3);
	run(&r);
	CHECK_PF(r, 0, LAB + PAGE + 16);
	CHECK_EQ(r.rip, user(c_nop) + 1);
	load_tables();
}

/* Interrupts arrive the same way. */
static void by_interrupt(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));
	struct regs r;

	trap_handle(V, note_frame);
	idt_set(V, trap_stubs[V], ACC_INTR, 0);
	tss.rsp[0] = (ulong)stack + sizeof(stack) - 5;
	apic_self_ipi(V);
	regs_init(&r, c_nop, 3);
	r.rflags |= FL_IF;
	run(&r);
	apic_eoi();
	CHECK_TRAP(r, V, 0);
	CHECK_EQ(r.rip, user(c_nop));
	CHECK_EQ(frame_top, tss.rsp[0] & ~15ul);
	CHECK_EQ(frame_ss, 0);
	/* DPL is for software only. */
	apic_self_ipi(V);
	regs_init(&r, c_nop, 0);
	r.rflags |= FL_IF;
	run(&r);
	apic_eoi();
	CHECK_TRAP(r, V, 0);
	CHECK_EQ(r.rip, (ulong)c_nop);
}

/* Call gates of 16 bytes. */
CODE(c_gate, "lcall *(%rdi)\n" STOP);
CODE(c_gate_target, "mov %cs, %eax\n mov %ss, %ebx\n mov %rsp, %rdx\n lretq\n");
CODE(c_gate_stop, "mov %rsp, %rdx\n" STOP);

static void call_gate(u16 selector, u16 cs, const void *target, unsigned access)
{
	ulong a = (ulong)target;

	gdt[selector / 8] = (a & 0xffff) | (u64)cs << 16 | (u64)access << 40 |
			    (a >> 16 & 0xffff) << 48;
	gdt[selector / 8 + 1] = a >> 32;
}

static struct regs through_gate(int ring)
{
	static u8 pointer[6];
	struct regs r;

	*(u16 *)(pointer + 4) = SEL_FREE | 3;
	regs_init(&r, c_gate, ring);
	r.rdi = ring ? user(pointer) : (ulong)pointer;
	run(&r);
	return r;
}

static void call_gates(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));
	struct regs r;

	tss.rsp[0] = (ulong)stack + sizeof(stack);
	call_gate(SEL_FREE, SEL_CODE, c_gate_target, ACC_CALL | DPL(3));
	r = through_gate(3);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, SEL_CODE);
	CHECK_EQ(r.rbx, 0);
	CHECK_EQ(r.rdx, tss.rsp[0] - 32);
	CHECK_EQ(r.cs, SEL_USER);
	CHECK_EQ(r.ss, SEL_USER_DATA);
	r = through_gate(0);
	CHECK_STOP(r);
	CHECK_EQ(r.rbx, SEL_DATA);
	CHECK_EQ(r.cs, SEL_CODE);
	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, ACC_CALL | DPL(3));
	r = through_gate(3);
	CHECK_STOP(r);
	CHECK_EQ(((volatile u64 *)r.rdx)[0], user(c_gate) + 2);
	CHECK_EQ(((volatile u64 *)r.rdx)[1], SEL_USER);
	CHECK_EQ(((volatile u64 *)r.rdx)[3], SEL_USER_DATA);
}

static void bad_call_gates(void)
{
	struct regs r;

	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, ACC_CALL);
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_FREE);
	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, (ACC_CALL | DPL(3)) & ~0x80);
	r = through_gate(3);
	CHECK_TRAP(r, V_NP, SEL_FREE);
	call_gate(SEL_FREE, SEL_CODE32, c_gate_stop, ACC_CALL | DPL(3));
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_CODE32);
	call_gate(SEL_FREE, SEL_DATA, c_gate_stop, ACC_CALL | DPL(3));
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_DATA);
	/* 16-bit gates and task gates are gone. */
	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, ACC_CALL16 | DPL(3));
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_FREE);
	call_gate(SEL_FREE, SEL_TSS, c_gate_stop, ACC_TASK | DPL(3));
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_FREE);
	tss.rsp[0] = 0x0000900000000000;
	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, ACC_CALL | DPL(3));
	r = through_gate(3);
	CHECK_TRAP(r, V_SS, 0);
}

/* The upper half of a gate must have type 0. */
static void gate_upper_half(void)
{
	struct regs r;

	call_gate(SEL_FREE, SEL_CODE, c_gate_stop, ACC_CALL | DPL(3));
	gdt[SEL_FREE / 8 + 1] |= 0x1ull << 40;
	r = through_gate(3);
	CHECK_TRAP(r, V_GP, SEL_FREE);
}

/*
 * What the processor reads for itself it reads as ring 0, and AC does not open
 * user pages to it: SDM 3A 4.6.1 "Determination of Access Rights".
 */
CODE(c_load_ds, "mov %eax, %ds\n" STOP);

static void implicit_accesses(void)
{
	static u64 table[4];
	struct regs r;

	table[1] = desc(0, 0xfffff, ACC_DATA | DPL(3), SEG_G);
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	gdt_set_system(SEL_FREE, user(table), sizeof(table) - 1, ACC_LDT);
	asm volatile("lldt %w0" ::"r"(SEL_FREE));
	regs_init(&r, c_load_ds, 0);
	r.rax = 0x0f;
	run(&r);
	CHECK_STOP(r);
	write_cr4(read_cr4() | CR4_SMAP);
	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", ring);
		regs_init(&r, c_load_ds, ring);
		r.rax = 0x0f;
		r.rflags |= FL_AC;
		run(&r);
		CHECK_PF(r, PF_P, user(table + 1));
	}
	write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
	/* In a page of ring 0 it is there for ring 3. */
	gdt_set_system(SEL_FREE, (ulong)table, sizeof(table) - 1, ACC_LDT);
	asm volatile("lldt %w0" ::"r"(SEL_FREE));
	regs_init(&r, c_load_ds, 3);
	r.rax = 0x0f;
	run(&r);
	CHECK_STOP(r);
	asm volatile("lldt %w0" ::"r"(0));
}

/*
 * The same events from ring 3 to a kernel with SMAP, again and again: where a
 * processor remembers what a gate leads to, it must notice that it leads
 * somewhere else now.
 */
static u8 kernel_stack[4096] __attribute__((aligned(16)));

#define STACK_END ((ulong)kernel_stack + sizeof(kernel_stack) - 64)
#define USER_FLAGS (FL_ONE | FL_CF | FL_ZF | FL_SF | FL_ID)

enum event { EVENT_UD, EVENT_PF, EVENT_INTR, EVENTS };

/* Where the next page fault is to be. */
static ulong fault_at = LAB + 0x100000;

static const unsigned event_vector_tab[EVENTS] = { V_UD, V_PF, V };

static struct regs cause(enum event e, ulong flags)
{
	struct regs r;

	frame_top = frame_flags = 0;
	regs_init(&r, e == EVENT_UD ? c_ud : e == EVENT_PF ? c_pf : c_nop, 3);
	r.rflags = USER_FLAGS | flags;
	r.rdi = fault_at += 8;
	if (e == EVENT_INTR) {
		apic_self_ipi(V);
		r.rflags |= FL_IF;
	}
	run(&r);
	if (apic_bit(APIC_ISR, V))
		apic_eoi();
	return r;
}

static void check_event(enum event e, const struct regs *r, ulong flags)
{
	const u8 *code = e == EVENT_UD ? c_ud : e == EVENT_PF ? c_pf : c_nop;

	if (e == EVENT_INTR)
		flags |= FL_IF;
	CHECK_TRAP(*r, event_vector_tab[e], e == EVENT_PF ? PF_U : 0);
	CHECK_EQ(r->rip, user(code));
	CHECK_EQ(r->cs, SEL_USER);
	CHECK_EQ(r->ss, SEL_USER_DATA);
	CHECK_EQ(r->rflags & ~(ulong)FL_RF, USER_FLAGS | flags);
	/* A fault's frame has RF, an interrupt's that of the processor. */
	if (e != EVENT_INTR)
		CHECK(r->rflags & FL_RF);
	if (e == EVENT_PF)
		CHECK_EQ(r->cr2, fault_at);
	CHECK_EQ(frame_flags & (FL_IF | FL_NT | FL_TF), 0);
	CHECK_EQ(frame_ss, 0);
	CHECK_EQ(frame_top, STACK_END);
}

static void good_events(const char *when)
{
	for (unsigned i = 0; i < 3; i++) {
		for (enum event e = 0; e < EVENTS; e++) {
			struct regs r = cause(e, 0);

			context("event %u, round %u %s", e, i, when);
			check_event(e, &r, 0);
		}
	}
}

static void gates_reset(void)
{
	tss.rsp[0] = STACK_END;
	for (enum event e = 0; e < EVENTS; e++) {
		unsigned v = event_vector_tab[e];

		trap_handle(v, note_frame);
		idt_set(v, trap_stubs[v], ACC_INTR, 0);
	}
}

/* What changes about gate @g of event @e; false: that was all. */
static bool change_gate(unsigned n, enum event e, struct gate *g,
			unsigned *vector, unsigned *error)
{
	unsigned v = event_vector_tab[e];
	const unsigned ext = 1;

	*vector = V_GP;
	*error = v * 8 + 2 + ext;
	switch (n) {
	case 0: /* not present */
		g->access &= ~0x80;
		*vector = V_NP;
		break;
	case 1: /* a call gate */
		g->access = ACC_CALL;
		break;
	case 2: /* data */
		g->selector = SEL_DATA;
		*error = SEL_DATA + ext;
		break;
	case 3: /* 32-bit code */
		g->selector = SEL_CODE32;
		*error = SEL_CODE32 + ext;
		break;
	case 4: /* null */
		g->selector = 0;
		*error = ext;
		break;
	case 5: /* non-canonical */
		g->offset_high = 0x9000;
		*error = ext;
		break;
	case 6: /* beyond the GDT */
		g->selector = 0xfff8;
		*error = 0xfff8 + ext;
		break;
	default:
		return false;
	}
	/* Of a page fault that makes a double one. */
	if (e == EVENT_PF) {
		*vector = V_DF;
		*error = 0;
	}
	return true;
}

static bool smap_on(void)
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return false;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	return true;
}

static void smap_off(void)
{
	write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
}

static void gates_change(void)
{
	unsigned vector, error;

	if (!smap_on())
		return;
	for (enum event e = 0; e < EVENTS; e++) {
		unsigned v = event_vector_tab[e];

		for (unsigned n = 0;; n++) {
			struct regs r;

			gates_reset();
			good_events("before a change");
			if (!change_gate(n, e, &idt[v], &vector, &error))
				break;
			r = cause(e, 0);
			context("change %u of event %u", n, e);
			CHECK_TRAP(r, vector, error);
		}
	}
	gates_reset();
	good_events("after all changes");
	smap_off();
}

/* Where the handler is, on which stack, and whether with interrupts. */
static void gates_lead_elsewhere(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));

	if (!smap_on())
		return;
	gates_reset();
	for (enum event e = 0; e < EVENTS; e++) {
		unsigned v = event_vector_tab[e], other = V + 1 + e;
		struct regs r;

		good_events("before gates lead elsewhere");
		context("event %u: trap gate", e);
		idt_set(v, trap_stubs[v], ACC_TRAP, 0);
		for (unsigned i = 0; i < 3; i++) {
			r = cause(e, FL_IF);
			CHECK_EQ(r.vector, v);
			CHECK_EQ(frame_flags & FL_IF, FL_IF);
		}
		context("event %u: IST", e);
		tss.ist[6] = (ulong)stack + sizeof(stack);
		idt_set(v, trap_stubs[v], ACC_INTR, 7);
		for (unsigned i = 0; i < 3; i++) {
			r = cause(e, 0);
			CHECK_EQ(r.vector, v);
			CHECK_EQ(frame_top, tss.ist[6]);
		}
		context("event %u: another handler", e);
		if (e != EVENT_PF) {
			idt_set(v, trap_stubs[other], ACC_INTR, 0);
			trap_handle(other, note_frame);
			for (unsigned i = 0; i < 3; i++) {
				r = cause(e, 0);
				CHECK_EQ(r.vector, other);
			}
		}
		context("event %u: another code segment", e);
		gdt_set(SEL_FREE, gdt[SEL_CODE / 8]);
		idt_set(v, trap_stubs[v], ACC_INTR, 0);
		idt[v].selector = SEL_FREE;
		for (unsigned i = 0; i < 3; i++) {
			r = cause(e, 0);
			CHECK_EQ(r.vector, v);
		}
		gdt[SEL_FREE / 8] &= ~BIT(47);
		r = cause(e, 0);
		if (e == EVENT_PF)
			CHECK_TRAP(r, V_DF, 0);
		else
			CHECK_TRAP(r, V_NP, SEL_FREE + 1);
		gates_reset();
	}
	good_events("after all");
	smap_off();
}

static void stacks_change(void)
{
	if (!smap_on())
		return;
	gates_reset();
	map_new(LAB);
	*pt_entry(LAB, 1) &= ~(u64)PTE_U;
	invlpg(LAB);
	for (enum event e = 0; e < EVENTS; e++) {
		unsigned v = event_vector_tab[e];
		struct regs r;

		gates_reset();
		good_events("before stacks change");
		for (unsigned off = 0; off < 48; off++) {
			context("event %u: RSP0 off by %u", e, off);
			tss.rsp[0] = STACK_END - off;
			r = cause(e, 0);
			CHECK_EQ(r.vector, v);
			CHECK_EQ(frame_top, tss.rsp[0] & ~15ul);
		}
		context("event %u: RSP0 on the next page", e);
		tss.rsp[0] = LAB + PAGE;
		r = cause(e, 0);
		CHECK_EQ(r.vector, v);
		CHECK_EQ(frame_top, LAB + PAGE);
		for (unsigned n = 0; n < 3; n++) {
			gates_reset();
			good_events("between stacks");
			context("event %u: bad stack %u", e, n);
			tss.rsp[0] = n == 2 ? 0x0000900000000000 : LAB + PAGE;
			*pt_entry(LAB, 1) ^= n == 0 ? PTE_U : PTE_W;
			invlpg(LAB);
			r = cause(e, 0);
			*pt_entry(LAB, 1) ^= n == 0 ? PTE_U : PTE_W;
			invlpg(LAB);
			/* A page fault's own frame would be there, too. */
			CHECK_EQ(r.vector,
				 n < 2 || e == EVENT_PF ? V_DF : V_SS);
			CHECK_EQ(r.cs, SEL_USER);
		}
	}
	gates_reset();
	good_events("after all stacks");
	smap_off();
}

/* All flags of the user's are in the frame, whatever the kernel goes on with. */
static void user_flags(void)
{
	static const ulong flag_tab[] = { FL_PF, FL_AF, FL_OF,	 FL_DF,
					  FL_NT, FL_AC, FL_IOPL, FL_IF };

	if (!smap_on())
		return;
	gates_reset();
	for (unsigned i = 0; i < ARRAY_LEN(flag_tab); i++) {
		for (enum event e = 0; e < EVENTS; e++) {
			struct regs r;

			good_events("before flags");
			r = cause(e, flag_tab[i]);
			context("event %u, flag %lx", e, flag_tab[i]);
			check_event(e, &r, flag_tab[i]);
			CHECK_EQ(frame_flags & FL_AC, flag_tab[i] & FL_AC);
		}
	}
	smap_off();
}

/* The table ends, or is another. */
static void other_table(void)
{
	static struct gate other[256];
	struct table_ptr old, new;
	struct regs r;

	if (!smap_on())
		return;
	gates_reset();
	good_events("by the first table");
	memcpy(other, idt, sizeof(other));
	other[V].access &= ~0x80;
	asm volatile("sidt %0" : "=m"(old));
	new = (struct table_ptr){ .limit = old.limit, .base = (ulong)other };
	asm volatile("lidt %0" ::"m"(new));
	r = cause(EVENT_INTR, 0);
	asm volatile("lidt %0" ::"m"(old));
	context("absent in the second table");
	CHECK_TRAP(r, V_NP, V * 8 + 3);
	good_events("by the first table again");
	new = (struct table_ptr){ .limit = V * 16 + 14, .base = old.base };
	asm volatile("lidt %0" ::"m"(new));
	regs_init(&r, c_ud, 3);
	run(&r);
	context("within a short table");
	CHECK_TRAP(r, V_UD, 0);
	r = cause(EVENT_INTR, 0);
	context("beyond a short table");
	CHECK_TRAP(r, V_GP, V * 8 + 3);
	asm volatile("lidt %0" ::"m"(old));
	good_events("at last");
	smap_off();
}

#define NO_RF_OR_EXT \
	"no RF in frames, no EXT in errors (SDM 3A 6.13, 3B 17.3.1.1)"

const struct test tests[] = {
	{ "frame in the same ring", same_ring },
	{ "frame from ring 3", from_ring3 },
	{ "interrupt stacks", interrupt_stacks },
	{ "flags by the gate", gate_flags },
	{ "stack missing", stack_missing },
	{ "stack half missing", stack_half },
	{ "stack non-canonical", stack_noncanonical },
	{ "handler non-canonical", handler_noncanonical },
	{ "handler not in 64-bit code", handler_not_64 },
	{ "table missing", table_missing },
	{ "by an interrupt", by_interrupt },
	{ "call gates", call_gates },
	{ "bad call gates", bad_call_gates },
	{ "upper half of a call gate", gate_upper_half },
	{ "implicit accesses", implicit_accesses,
	  "AC opens user pages to them (SDM 3A 4.6.1)" },
	{ "gates change", gates_change, NO_RF_OR_EXT },
	{ "gates lead elsewhere", gates_lead_elsewhere, NO_RF_OR_EXT },
	{ "stacks change", stacks_change, NO_RF_OR_EXT },
	{ "flags of the user's", user_flags, NO_RF_OR_EXT },
	{ "another table", other_table, NO_RF_OR_EXT },
	{ NULL },
};
