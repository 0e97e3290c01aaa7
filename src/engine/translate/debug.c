/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - debug exceptions: breakpoints on instructions, data and ports,
 * and the single-step trap.
 *
 * While nothing is armed this costs nothing. What is armed costs where it is:
 *
 *  - Instructions on a page that holds an instruction breakpoint are run one
 *    to a block (KEY_STEPS), which is found by run_next() each time: such
 *    blocks are neither chained nor in a jump cache, and what was chained to
 *    such a page is not followed (ucode.c) or no more (link_far()). So
 *    debug_before() sees every instruction there before it begins.
 *  - A page that holds a data breakpoint has no TLB entry, so every access
 *    comes to C. In a block of several instructions it is not made at all:
 *    the instruction begins again, alone (debug_defer). Alone, its accesses
 *    are compared, and the end of the block is the end of the instruction.
 *  - Callouts are done when they return; a hit there makes them leave.
 *  - Ports are accessed by callouts only.
 *
 * RF is kept only while something is armed: key_update() clears it otherwise,
 * for all that it does is to hold instruction breakpoints off.
 *
 * The accesses that are compared are all by linear address, those of
 * descriptors and of the stack in the delivery of events too (the manual
 * excepts none); page walks go by physical address.
 *
 * SDM 3B 17.2 "Debug Registers", 17.3 "Debug Exceptions"; 3A 6.8.3 "Masking
 * Exceptions and Interrupts When Switching Stacks"
 */
#include "engine/translate/debug.h"
#include "base/trace.h"
#include "engine/translate/engine.h"
#include "x86/system.h"

#define BREAKPOINTS 4u

/* DR7.R/Wn */
enum { RW_CODE, RW_WRITE, RW_IO, RW_DATA };

static unsigned rw_of(const struct x86_state *s, unsigned n)
{
	return s->dr7 >> (16 + 4 * n) & 3;
}

static unsigned len_of(const struct x86_state *s, unsigned n)
{
	static const u8 len_tab[] = { 1, 2, 8, 4 };

	return len_tab[s->dr7 >> (18 + 4 * n) & 3];
}

void debug_update(struct tcpu *t)
{
	const struct x86_state *s = &t->v.x86;
	struct debug *d = &t->debug;
	bool was_armed = d->armed;

	d->word = debug_word(s);
	d->armed = d->code = d->data = d->io = 0;
	for (unsigned n = 0; n < BREAKPOINTS; n++) {
		u8 bit = (u8)BIT(n);

		if (!(s->dr7 >> 2 * n & 3)) /* Ln, Gn */
			continue;
		switch (rw_of(s, n)) {
		case RW_CODE:
			d->code |= bit;
			break;
		case RW_IO: /* without CR4.DE it means nothing */
			if (s->cr4 & CR4_DE)
				d->io |= bit;
			break;
		default:
			d->data |= bit;
			break;
		}
	}
	d->armed = d->code | d->data | d->io;
	TRACE(CPU, "debug: dr7 %llx, armed %x", (unsigned long long)s->dr7,
	      d->armed);
	if (d->armed || was_armed) {
		tlb_flush_all(t);
		ucode_drop(t);
		/* Whether windows may be used goes into the key. */
		for (unsigned n = 0; n < JC_COUNT; n++) {
			jc_flush(t, n);
			t->jc_key[n] = ~0u;
		}
	}
}

/*
 * B0 to B3 tell of this exception alone, the other bits stay until software
 * clears them. SDM 3B 17.2.3 "Debug Status Register (DR6)"
 */
static void deliver(struct tcpu *t, u64 cause)
{
	struct x86_state *s = &t->v.x86;
	struct x86_fault f;

	s->dr6 = (s->dr6 & ~DR6_B) | cause;
	x86_fault_set(&f, X86_DB);
	fault_deliver(t, &f);
}

static gva_t linear_rip(const struct tcpu *t)
{
	const struct x86_state *s = &t->v.x86;

	if (t->key & KEY_CODE64)
		return s->rip;
	return (u32)(s->seg[X86_CS].base + s->rip);
}

bool debug_before(struct tcpu *t, bool alone, bool masked)
{
	struct x86_state *s = &t->v.x86;
	struct debug *d = &t->debug;
	gva_t lin = linear_rip(t);
	bool near = false;
	u8 hits = 0;

	for (unsigned n = 0; d->code && n < BREAKPOINTS; n++) {
		if (!(d->code & BIT(n)))
			continue;
		if (((s->dr[n] ^ lin) & PAGE_MASK) == 0)
			near = true;
		if (s->dr[n] == lin)
			hits |= (u8)BIT(n);
	}
	if (near || alone)
		t->key |= KEY_STEPS;
	if (hits && !masked && !(s->rflags & FLAG_RF)) {
		deliver(t, hits);
		return true;
	}
	/* Where it could strike, RF stays until the instruction is done: an
	 * interrupt may still come before it. */
	if (!near)
		s->rflags &= ~FLAG_RF;
	return false;
}

void debug_after(struct tcpu *t, bool step)
{
	struct debug *d = &t->debug;
	u8 hits = d->hits | d->held;

	d->hits = d->held = 0;
	/* MOV SS and POP SS: no step, and what they hit is told of after the
	 * next instruction, when the stack is whole. */
	if (t->v.x86.intr_shadow == X86_SHADOW_MOV_SS)
		d->held = hits;
	else if (hits || step)
		deliver(t, hits | (step ? DR6_BS : 0));
}

void debug_after_native(struct tcpu *t)
{
	t->v.x86.rflags &= ~FLAG_RF;
	debug_after(t, t->key & KEY_TF);
}

/*
 * Hits of the delivery, or of a MOV SS before INT n, come before the handler's
 * first instruction. DEVIATES: when the delivery of #DB itself hits, silicon
 * goes in circles.
 */
void debug_after_event(struct tcpu *t, u8 vector)
{
	if (vector == X86_DB || t->v.x86.activity == X86_SHUTDOWN)
		t->debug.hits = t->debug.held = 0;
	else
		debug_after(t, false);
}

bool debug_watches(const struct tcpu *t, gva_t va)
{
	for (unsigned n = 0; n < BREAKPOINTS; n++)
		if ((t->debug.data & BIT(n)) &&
		    ((t->v.x86.dr[n] ^ va) & PAGE_MASK) == 0)
			return true;
	return false;
}

/*
 * Nothing has changed yet but what a fault would leave, so the instruction
 * can begin again; but it has begun, so no interrupt may come before it does
 * (it may be in the shadow of STI): .alone sees to both.
 */
bool debug_defer(struct tcpu *t, gva_t va, unsigned len)
{
	if ((t->key & KEY_ALONE) ||
	    (!debug_watches(t, va) && !debug_watches(t, va + len - 1)))
		return false;
	t->debug.alone = true;
	tcpu_disturb(t);
	return true;
}

/* Breakpoints are aligned to their length, whatever the register says. */
static bool overlaps(const struct x86_state *s, unsigned n, u64 at,
		     unsigned len)
{
	unsigned size = len_of(s, n);
	u64 base = s->dr[n] & ~(u64)(size - 1);

	return at - base < size || base - at < len;
}

void debug_access(struct tcpu *t, gva_t va, unsigned len, unsigned acc)
{
	const struct x86_state *s = &t->v.x86;

	for (unsigned n = 0; n < BREAKPOINTS; n++) {
		if (!(t->debug.data & BIT(n)) || !overlaps(s, n, va, len) ||
		    (rw_of(s, n) == RW_WRITE && !(acc & X86_ACC_WRITE)))
			continue;
		t->debug.hits |= (u8)BIT(n);
		t->leave_after = 1;
	}
}

void debug_port(struct tcpu *t, u16 port, unsigned len)
{
	for (unsigned n = 0; n < BREAKPOINTS; n++)
		if ((t->debug.io & BIT(n)) &&
		    overlaps(&t->v.x86, n, port, len)) {
			t->debug.hits |= (u8)BIT(n);
			t->leave_after = 1;
		}
}
