/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iret.c - IRET in its forms: real and virtual-8086 mode, within and between
 * privileges, to virtual-8086 mode, in long mode, and to a nesting task.
 *
 * SDM 2A "IRET/IRETD/IRETQ - Interrupt Return"
 */
#include "x86/desc.h"
#include "x86/stack.h"
#include "x86/system.h"

#define FLAGS_ANY (FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT)
#define FLAGS_WIDE (FLAG_RF | FLAG_AC | FLAG_ID) /* beyond 16 bits */
/* All that EFLAGS can hold, for a return to virtual-8086 mode. */
#define FLAGS_VM86                                                           \
	(FLAGS_ANY | FLAGS_WIDE | FLAG_IF | FLAG_IOPL | FLAG_VM | FLAG_VIF | \
	 FLAG_VIP)

static void pop_flags(struct x86_state *s, u64 popped, u64 mask)
{
	s->rflags = (popped & mask) | (s->rflags & ~mask) | FLAG_FIXED;
}

/* Which flags IRET may change at the present CPL, for @opsize. */
static u64 flags_mask(const struct x86_state *s, unsigned opsize)
{
	u64 mask = FLAGS_ANY;
	unsigned cpl = x86_cpl(s);

	if (opsize > 2)
		mask |= FLAGS_WIDE;
	if (cpl <= (s->rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT)
		mask |= FLAG_IF;
	if (cpl == 0)
		mask |= FLAG_IOPL;
	if (cpl == 0 && opsize > 2 && !x86_is_real(s))
		mask |= FLAG_VIF | FLAG_VIP;
	return mask;
}

/* Also in virtual-8086 mode with IOPL 3, where IOPL itself stays. */
static int iret_real(struct x86_state *s, const struct x86_mem *m,
		     unsigned opsize, struct x86_fault *f)
{
	u32 limit = x86_is_vm86(s) ? 0xffff : s->seg[X86_CS].limit;
	u64 mask = flags_mask(s, opsize), frame[3];
	struct x86_stack k;

	if (x86_is_vm86(s) && (s->rflags & FLAG_IOPL) != FLAG_IOPL)
		return x86_gp(f);
	x86_stack_current(&k, s, false);
	if (x86_stack_pop(&k, m, frame, 3, opsize, f))
		return -1;
	if (frame[0] > limit)
		return x86_gp(f);
	s->gpr[X86_RSP] = x86_stack_rsp(&k, s->gpr[X86_RSP]);
	x86_load_sreg_real(s, X86_CS, (u16)frame[1]);
	s->rip = frame[0];
	pop_flags(s, frame[2], mask);
	return 0;
}

/* @frame: EIP, CS, EFLAGS; ESP, SS, ES, DS, FS, GS are still on the stack. */
static int iret_to_vm86(struct x86_state *s, const struct x86_mem *m,
			struct x86_stack *k, const u64 *frame,
			struct x86_fault *f)
{
	static const u8 order_tab[] = { X86_SS, X86_ES, X86_DS, X86_FS,
					X86_GS };
	u64 rest[6];

	if (x86_stack_pop(k, m, rest, 6, 4, f))
		return -1;
	if (frame[0] > 0xffff)
		return x86_gp(f);
	s->rip = frame[0];
	s->gpr[X86_RSP] = rest[0];
	pop_flags(s, frame[2], FLAGS_VM86);
	x86_seg_set_vm86(&s->seg[X86_CS], (u16)frame[1]);
	for (unsigned i = 0; i < ARRAY_SIZE(order_tab); i++)
		x86_seg_set_vm86(&s->seg[order_tab[i]], (u16)rest[1 + i]);
	return 0;
}

/* NT is set: back to the task that the TSS links to. */
static int iret_task(struct x86_state *s, const struct x86_mem *m,
		     unsigned opsize, struct x86_fault *f)
{
	/* This task goes on behind its IRET, should it be called again: CF,
	 * with 66 before it unless the size is the segment's. */
	unsigned natural = s->seg[X86_CS].attr & SEG_DB ? 4 : 2;
	u64 next_rip = s->rip + (opsize == natural ? 1 : 2);
	u16 link;

	if (x86_is_long_mode(s))
		return x86_gp(f);
	if (s->tr.limit < 1)
		return x86_fault_sel(f, X86_TS, s->tr.sel);
	if (m->read(m->ctx, (u32)s->tr.base, &link, sizeof(link), X86_SYS_READ,
		    f))
		return -1;
	return x86_task_switch(s, m, link, X86_TASK_IRET, next_rip, s->rflags,
			       NULL, f);
}

static int iret_protected(struct x86_state *s, const struct x86_mem *m,
			  unsigned opsize, struct x86_fault *f)
{
	bool flat = x86_is_64bit(s), to_stack;
	u64 mask = flags_mask(s, opsize), frame[3], stack[2];
	struct x86_stack k, target;
	struct x86_desc d;
	struct x86_seg ss = s->seg[X86_SS];
	unsigned cpl;

	x86_stack_current(&k, s, flat);
	if (x86_stack_pop(&k, m, frame, 3, opsize, f))
		return -1;
	if ((frame[2] & FLAG_VM) && opsize == 4 && !x86_cpl(s) &&
	    !x86_is_long_mode(s))
		return iret_to_vm86(s, m, &k, frame, f);
	/* 64-bit mode always has SS:RSP in the frame. */
	cpl = frame[1] & SEL_RPL;
	to_stack = flat || cpl > x86_cpl(s);
	if (flat && x86_stack_pop(&k, m, stack, 2, opsize, f))
		return -1;
	if (x86_check_return_cs(s, m, (u16)frame[1], &d, f) ||
	    x86_check_rip(s, &d, frame[0], f))
		return -1;
	if (to_stack) {
		if (!flat && x86_stack_pop(&k, m, stack, 2, opsize, f))
			return -1;
		if (x86_check_return_ss(s, m, (u16)stack[1], &d, cpl, &ss, f))
			return -1;
		x86_stack_at(&target, &ss, stack[0], x86_desc_is_64bit(s, &d),
			     0);
	} else {
		target = k;
	}
	if (x86_desc_mark_accessed(m, &d, f))
		return -1;

	bool outer = cpl > x86_cpl(s);

	s->gpr[X86_RSP] = x86_stack_rsp(&target, s->gpr[X86_RSP]);
	s->seg[X86_SS] = ss;
	x86_desc_load(&d, (u16)frame[1], &s->seg[X86_CS]);
	s->rip = frame[0];
	pop_flags(s, frame[2], mask);
	if (outer)
		x86_drop_inner_segments(s, cpl);
	return 0;
}

int x86_iret(struct x86_state *s, const struct x86_mem *m, unsigned opsize,
	     struct x86_fault *f)
{
	/* Even an IRET that faults ends the masking of NMIs. SDM 3A 6.7.1
	 * "Handling Multiple NMIs" */
	s->nmi_masked = 0;
	if (x86_is_real(s) || x86_is_vm86(s))
		return iret_real(s, m, opsize, f);
	if (s->rflags & FLAG_NT)
		return iret_task(s, m, opsize, f);
	return iret_protected(s, m, opsize, f);
}
