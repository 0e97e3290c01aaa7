/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_flow.c - control transfers that change privilege or segment: system
 * calls, interrupts, returns from them, far jumps; and LOOPs with conditions.
 */
#include "engine/translate/callout.h"
#include "engine/translate/gate.h"

static enum callout_result co_syscall(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	t->stats.syscalls++;
	if (x86_syscall(s, callout_next(t, c), &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_sysret(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (x86_sysret(s, c->insn.opsize, &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_sysenter(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (x86_sysenter(s, &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_sysexit(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (x86_sysexit(s, c->insn.opsize, &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_iret(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	bool kernel64 = x86_is_64bit(s) && x86_cpl(s) == 0;
	struct x86_fault f;

	t->stats.irets++;
	callout_serialize();
	if (c->insn.opsize == 8 && gate_return(t))
		return callout_leave(t);
	if (x86_iret(s, &t->mem, c->insn.opsize, &f))
		return callout_fault(t, &f);
	s->nmi_masked = 0;
	if (kernel64 && x86_is_64bit(s) && x86_cpl(s) == 3)
		gate_note_return(t);
	return callout_leave(t);
}

static enum callout_result soft_int(struct tcpu *t, struct callout *c,
				    enum x86_event_kind kind, u8 vector)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f = { .vector = vector,
			       .insn_len = c->insn.len };

	/* In virtual-8086 mode INT n needs IOPL 3. SDM 3A 20.3.3 */
	if (x86_is_vm86(s) && kind == X86_EVENT_SOFT_INT &&
	    c->insn.cls == X86_C_INT && (s->rflags & FLAG_IOPL) != FLAG_IOPL)
		return callout_gp(t);
	s->rip = callout_next(t, c);
	tcpu_set_rflags(t, s->rflags);
	s->rflags &= ~FLAG_RF;
	fault_deliver_kind(t, kind, &f);
	return CALLOUT_EVENT;
}

static enum callout_result co_int(struct tcpu *t, struct callout *c)
{
	return soft_int(t, c, X86_EVENT_SOFT_INT, (u8)c->insn.imm);
}

static enum callout_result co_int3(struct tcpu *t, struct callout *c)
{
	return soft_int(t, c, X86_EVENT_SOFT_INT, X86_BP);
}

static enum callout_result co_int1(struct tcpu *t, struct callout *c)
{
	return soft_int(t, c, X86_EVENT_INT1, X86_DB);
}

static enum callout_result co_into(struct tcpu *t, struct callout *c)
{
	if (!(tcpu_rflags(t) & FLAG_OF))
		return CALLOUT_NEXT;
	return soft_int(t, c, X86_EVENT_SOFT_INT, X86_OF);
}

/* Target of a direct (9A, EA) or indirect (FF /3, /5) far transfer. */
static int far_target(struct tcpu *t, struct callout *c, u16 *sel, u64 *off,
		      struct x86_fault *f)
{
	const struct x86_insn *i = &c->insn;
	u8 buf[10];
	u64 v = 0;

	if (!(i->attr & IA_MEM)) {
		*sel = i->imm2;
		*off = i->opsize == 2 ? (u16)i->imm : (u32)i->imm;
		return 0;
	}
	if (callout_load(t, c, buf, i->opsize + 2u, f))
		return -1;
	__builtin_memcpy(&v, buf, 8);
	*off = i->opsize == 8 ? v : i->opsize == 4 ? (u32)v : (u16)v;
	*sel = (u16)(buf[i->opsize] | buf[i->opsize + 1] << 8);
	return 0;
}

static enum callout_result co_jmp_far(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;
	u16 sel;
	u64 off;

	if (far_target(t, c, &sel, &off, &f) ||
	    x86_jmp_far(s, &t->mem, sel, off, c->insn.opsize,
			callout_next(t, c), &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_call_far(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;
	u16 sel;
	u64 off;

	if (far_target(t, c, &sel, &off, &f) ||
	    x86_call_far(s, &t->mem, sel, off, c->insn.opsize,
			 callout_next(t, c), &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static enum callout_result co_ret_far(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (x86_ret_far(s, &t->mem, c->insn.opsize,
			c->insn.imm_len ? c->insn.imm & 0xffff : 0, &f))
		return callout_fault(t, &f);
	return callout_leave(t);
}

static bool condition_holds(u64 flags, u8 cc)
{
	bool sf = flags & FLAG_SF, of = flags & FLAG_OF;
	bool holds;

	switch (cc >> 1 & 7) {
	case 0:
		holds = of;
		break;
	case 1:
		holds = flags & FLAG_CF;
		break;
	case 2:
		holds = flags & FLAG_ZF;
		break;
	case 3:
		holds = flags & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		holds = sf;
		break;
	case 5:
		holds = flags & FLAG_PF;
		break;
	case 6:
		holds = sf != of;
		break;
	default:
		holds = sf != of || (flags & FLAG_ZF);
		break;
	}
	return holds != (cc & 1);
}

enum callout_result callout_narrow_branch(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	u64 next = callout_next(t, c), to = next;
	struct x86_fault f;

	if (i->cls != X86_C_JCC || condition_holds(s->rflags, i->opcode & 15))
		to = (u16)(next + i->imm);
	if (to != next && to > s->seg[X86_CS].limit)
		return callout_gp(t);
	if (i->cls == X86_C_CALL && callout_push(t, next, i->opsize, &f))
		return callout_fault(t, &f);
	s->rip = to;
	return callout_leave(t);
}

/* LOOPE, LOOPNE, and LOOP and JCXZ with a 16-bit counter. */
static enum callout_result co_loop(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	u64 count = reg_read(t, X86_RCX, i->adsize);
	u64 target = callout_next(t, c) + i->imm;
	bool zf = s->rflags & FLAG_ZF;
	bool taken;

	if (i->opcode == 0xe3)
		taken = count == 0;
	else if (i->opcode == 0xe2)
		taken = count != 1;
	else
		taken = count != 1 && zf == (i->opcode & 1);
	if (!(t->key & KEY_CODE64))
		target = i->opsize == 2 ? (u16)target : (u32)target;
	if (taken && (t->key & KEY_LIMIT) && target > s->seg[X86_CS].limit)
		return callout_gp(t);
	if (i->opcode != 0xe3)
		reg_write(t, X86_RCX, count - 1, i->adsize);
	tcpu_set_rflags(t, s->rflags);
	if (!taken)
		return CALLOUT_NEXT;
	s->rip = target;
	return CALLOUT_LEAVE;
}

callout_fn callout_flow(enum x86_class c)
{
	switch (c) {
	case X86_C_SYSCALL:
		return co_syscall;
	case X86_C_SYSRET:
		return co_sysret;
	case X86_C_SYSENTER:
		return co_sysenter;
	case X86_C_SYSEXIT:
		return co_sysexit;
	case X86_C_IRET:
		return co_iret;
	case X86_C_INT:
		return co_int;
	case X86_C_INT3:
		return co_int3;
	case X86_C_INT1:
		return co_int1;
	case X86_C_INTO:
		return co_into;
	case X86_C_JMP_FAR:
		return co_jmp_far;
	case X86_C_CALL_FAR:
		return co_call_far;
	case X86_C_RET_FAR:
		return co_ret_far;
	case X86_C_LOOP:
		return co_loop;
	default:
		return NULL;
	}
}
