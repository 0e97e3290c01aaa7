/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small loops, which a translator may turn into something else as a whole:
 * interrupted by page faults and by timers, at any instruction, and changed
 * while they run. Under the trap flag nothing of a loop is left, so that is
 * what they are compared with.
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

#define A (LAB + 0x1000)
#define PAGES 12u
#define ROUNDS 24u
#define END "\n" STOP

/*
 * RDI goes through pages 0 to 5 of A, RSI is in 6, R10 in 7 and what follows,
 * the stack in 11; RCX is how often, R9 where RDI ends. What is in memory is
 * small.
 */
#define LOOP_TAB(X) \
	X(sum, "1: add (%rdi), %rax\n add $1000, %rdi\n dec %rcx\n jnz 1b") \
	X(indexed, "1: mov (%rdi,%rdx), %rax\n add (%rsi,%rdx), %rax\n" \
		   "mov %rax, (%rsi,%rdx)\n mov %rax, (%r10,%rdx)\n" \
		   "add $520, %rdx\n dec %ecx\n jnz 1b") \
	X(scaled, "1: mov 8(%rdi,%rdx,8), %rbx\n add %rbx, -8(%r10,%rdx,4)\n" \
		  "add $77, %rdx\n dec %ecx\n jnz 1b") \
	X(table, "1: movzbl (%rdi), %eax\n add $999, %rdi\n xor %ebx, %eax\n" \
		 "movzbl %al, %eax\n shr $8, %rbx\n" \
		 "xor (%rsi,%rax,8), %rbx\n dec %ecx\n jnz 1b") \
	X(own_code, "1: mov 1b(%rip), %rax\n add 1b+3(%rip), %rbx\n" \
		    "add %rax, (%rdi)\n add $1008, %rdi\n dec %ecx\n jnz 1b") \
	X(stack, "1: mov (%rsp), %rax\n add %rax, 8(%rsp)\n" \
		 "add 16(%rsp), %rbx\n mov %rbx, (%rdi)\n add $968, %rdi\n" \
		 "dec %ecx\n jnz 1b") \
	X(pushes, "1: push %rdi\n mov (%rdi), %rax\n push %rax\n pop %rbx\n" \
		  "pop %rdx\n lea 904(%rdx), %rdi\n dec %ecx\n jnz 1b") \
	X(leaves, "1: mov (%rdi), %rax\n cmp $9, %rax\n je 2f\n" \
		  "add %rax, %rbx\n add $600, %rdi\n cmp %rdi, %r9\n" \
		  "ja 1b\n 2: add $3, %rbx") \
	X(while, "1: cmp %rdi, %r9\n jbe 2f\n mov (%rdi), %rax\n" \
		 "add %rax, %rbx\n add $808, %rdi\n jmp 1b\n 2: inc %rbx") \
	X(locked, "1: mov $1, %eax\n xadd %r9, (%rdi)\n" \
		  "lock addq $1, (%rsi,%r12,4)\n mov (%r10), %r11\n" \
		  "add %r11, %rbx\n add $1016, %rdi\n add $808, %r10\n" \
		  "dec %ecx\n jnz 1b") \
	X(backwards, "mov %r9, %rdi\n 1: sub $1000, %rdi\n" \
		     "mov (%rdi), %rax\n add %rax, (%rdx,%rdi)\n" \
		     "dec %ecx\n jnz 1b") \
	X(both_move, "1: mov (%rdi,%rdx), %rax\n add %rax, 8(%rdi)\n" \
		     "add $500, %rdi\n add $16, %rdx\n dec %ecx\n jnz 1b") \
	X(moved_by_data, "1: movzbl (%rdi), %eax\n" \
			 "lea 1(%rdi,%rax), %rdi\n add %rax, (%r10)\n" \
			 "add $700, %r10\n dec %ecx\n jnz 1b") \
	X(carry, "stc\n 1: adc (%rdi), %rbx\n lea 1000(%rdi), %rdi\n" \
		 "adc %rdi, (%r10)\n lea 8(%r10), %r10\n dec %rcx\n jnz 1b") \
	X(copied, "1: mov %rdi, %r11\n mov 8(%r11), %rax\n" \
		  "mov %r10, %rdx\n mov %rax, (%rdx)\n add $904, %rdi\n" \
		  "add $24, %r10\n dec %ecx\n jnz 1b") \
	X(many, "1: mov (%rdi), %rax\n add (%rsi), %rax\n" \
		"add (%r10), %rax\n mov %rax, 8(%rbp)\n add (%r8), %rax\n" \
		"add %rax, 8(%r15)\n mov %rax, 16(%r14)\n add $888, %rdi\n" \
		"add $40, %rsi\n add $48, %r8\n dec %ecx\n jnz 1b")

#define DECLARE(name, text) CODE(c_##name, text END);
LOOP_TAB(DECLARE)

static const struct loop {
	const char *name;
	const u8 *code;
} loop_tab[] = {
#define LOOP(name, text) { #name, c_##name },
	LOOP_TAB(LOOP)
};

static ulong data;

static void fill(void)
{
	for (unsigned k = 0; k < PAGES * PAGE / 8; k++)
		((volatile u64 *)data)[k] = k * 7 % 200 + 10;
}

static u64 checksum(void)
{
	u64 sum = 0;

	for (unsigned k = 0; k < PAGES * PAGE / 8; k++)
		sum = sum * 31 + ((volatile u64 *)data)[k];
	return sum;
}

static void map_all(int ring, unsigned missing)
{
	for (unsigned k = 0; k < PAGES; k++) {
		map(A + k * PAGE, data + k * PAGE,
		    k == missing ? 0 : PTE_P | PTE_W | (ring ? PTE_U : 0));
		invlpg(A + k * PAGE);
	}
}

static void regs_for(struct regs *r, const u8 *code, int ring)
{
	regs_init(r, code, ring);
	r->rdi = A + 24;
	r->rsi = A + 6 * PAGE;
	r->r10 = A + 7 * PAGE + 40;
	r->rsp = A + 11 * PAGE + 2048;
	r->rcx = ROUNDS;
	r->r9 = A + 6 * PAGE - 64;
	r->rbp = A + 9 * PAGE + 80;
	r->r8 = A + 10 * PAGE;
	r->r14 = A + 11 * PAGE + 512;
	r->r15 = A + 10 * PAGE + 2048;
	r->rdx = 0;
	r->rax = 0x1234567800000001;
	r->rbx = 0x8765432100000002;
	r->r11 = 0x1111;
	r->r12 = 0x12;
	r->r13 = 0x1313131313131313;
}

static bool step(struct regs *r)
{
	(void)r;
	return true;
}

static void check_same(const struct regs *a, const struct regs *b)
{
	CHECK_EQ(a->vector, b->vector);
	CHECK_EQ(a->error, b->error);
	CHECK_EQ(a->rip, b->rip);
	CHECK_EQ(a->rflags & FL_STATUS, b->rflags & FL_STATUS);
	CHECK_EQ(a->rax, b->rax);
	CHECK_EQ(a->rbx, b->rbx);
	CHECK_EQ(a->rcx, b->rcx);
	CHECK_EQ(a->rdx, b->rdx);
	CHECK_EQ(a->rsi, b->rsi);
	CHECK_EQ(a->rdi, b->rdi);
	CHECK_EQ(a->rbp, b->rbp);
	CHECK_EQ(a->rsp, b->rsp);
	CHECK_EQ(a->r8, b->r8);
	CHECK_EQ(a->r9, b->r9);
	CHECK_EQ(a->r10, b->r10);
	CHECK_EQ(a->r11, b->r11);
	CHECK_EQ(a->r12, b->r12);
	CHECK_EQ(a->r13, b->r13);
	CHECK_EQ(a->r14, b->r14);
	CHECK_EQ(a->r15, b->r15);
	if (a->vector == V_PF)
		CHECK_EQ(a->cr2, b->cr2);
}

static void one_missing(const struct loop *l, int ring, unsigned missing)
{
	struct regs r, s;
	u64 sum;

	context("ring %u, %s, without page %u", (unsigned)ring, l->name,
		missing);
	map_all(ring, missing);
	fill();
	regs_for(&s, l->code, ring);
	s.rflags |= FL_TF;
	run(&s);
	sum = checksum();
	/* More than once, for it may be another loop when it is warm. */
	for (unsigned k = 0; k < 3; k++) {
		fill();
		regs_for(&r, l->code, ring);
		run(&r);
		check_same(&r, &s);
		CHECK_EQ(checksum(), sum);
	}
}

/* All of the unit, as systems have it: nothing is to be checked then before
 * instructions that might be its. */
static void vectors_on(void)
{
	if (!has(F_XSAVE) || !has(F_AVX))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, 7);
}

static bool begin(void)
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return false;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	vectors_on();
	data = pages_alloc(PAGES);
	return true;
}

static void faults(void)
{
	if (!begin())
		return;
	trap_handle(V_DB, step);
	for (int ring = 0; ring <= 3; ring += 3)
		for (unsigned n = 0; n < ARRAY_LEN(loop_tab); n++)
			for (unsigned m = 0; m <= PAGES; m++)
				one_missing(&loop_tab[n], ring, m);
	trap_handle(V_DB, NULL);
}

/* --- interrupts --- */

#define V_TIMER 0x61

/* Two words take turns, so it never ends by itself; R12 to R15, R8 and RBP are
 * not used, and what they hold is to be seen at each interrupt. */
CODE(c_endless, "1: mov (%rdi,%rdx), %rax\n add %rax, %rbx\n"
		"mov %rbx, 8(%rsi)\n mov (%r10), %r11\n xor $512, %rdx\n"
		"inc %rcx\n jmp 1b\n" STOP);
#define JMP_BYTES 2

static unsigned ticks, wrong;
static const struct regs *started;
static volatile u8 *patch_at;

static bool is_wrong(const struct regs *r)
{
	const struct regs *s = started;

	return r->r8 != s->r8 || r->r9 != s->r9 || r->r10 != s->r10 ||
	       r->r12 != s->r12 || r->r13 != s->r13 || r->r14 != s->r14 ||
	       r->r15 != s->r15 || r->rbp != s->rbp || r->rdi != s->rdi ||
	       r->rsi != s->rsi || r->rsp != s->rsp ||
	       (r->rdx != 0 && r->rdx != 512);
}

#define TICKS 40u

static bool tick(struct regs *r)
{
	wrong += is_wrong(r);
	apic_write(APIC_EOI, 0);
	if (++ticks < TICKS) {
		apic_write(APIC_TIMER_INITIAL, 20000 + ticks * 137);
		return true;
	}
	/* The loop becomes one that ends: INT 0x81 for its JMP. */
	if (!patch_at)
		return false;
	patch_at[1] = 0x81;
	patch_at[0] = 0xcd;
	return true;
}

static void timers(bool patched)
{
	static u8 code[64];
	struct regs r, s;

	if (!begin())
		return;
	trap_handle(V_TIMER, tick);
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, V_TIMER);
	for (int ring = 0; ring <= 3; ring += 3) {
		unsigned bytes = (unsigned)(c_endless_end - c_endless);

		context("ring %u", (unsigned)ring);
		map_all(ring, PAGES);
		fill();
		memcpy(code, c_endless, bytes);
		patch_at = patched ? code + bytes - 2 - JMP_BYTES : NULL;
		regs_for(&s, code, ring);
		s.rdx = 0;
		s.rcx = 0;
		s.rflags |= FL_IF;
		r = s;
		started = &s;
		ticks = wrong = 0;
		apic_write(APIC_TIMER_INITIAL, 20000);
		run(&r);
		CHECK_EQ(ticks, TICKS);
		CHECK_EQ(wrong, 0);
		CHECK(!is_wrong(&r));
		CHECK_EQ(r.vector, patched ? V_STOP : V_TIMER);
		/* As many rounds as it says. */
		CHECK_EQ(r.rdx, patched ? (r.rcx & 1) * 512 : r.rdx);
	}
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	trap_handle(V_TIMER, NULL);
}

static void interrupts(void)
{
	timers(false);
}

static void patched(void)
{
	timers(true);
}

/* --- code that changes --- */

/* It adds to the constant that it is about to add. */
CODE(c_changes, "1: addb $1, 2f-1(%rip)\n mov (%rdi), %rax\n"
		"lea 1000(%rdi), %rdi\n add $5, %rbx\n 2: dec %ecx\n jnz 1b\n"
		STOP);

static void changes(void)
{
	static u8 code[64];
	struct regs r, s;

	if (!begin())
		return;
	trap_handle(V_DB, step);
	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u", (unsigned)ring);
		map_all(ring, PAGES);
		fill();
		memcpy(code, c_changes, c_changes_end - c_changes);
		regs_for(&s, code, ring);
		s.rflags |= FL_TF;
		run(&s);
		memcpy(code, c_changes, c_changes_end - c_changes);
		regs_for(&r, code, ring);
		run(&r);
		check_same(&r, &s);
	}
	trap_handle(V_DB, NULL);
}

const struct test tests[] = {
	{ "faults on the way", faults },
	{ "interrupts on the way", interrupts },
	{ "changed by an interrupt", patched },
	{ "changed by itself", changes },
	{ NULL },
};
