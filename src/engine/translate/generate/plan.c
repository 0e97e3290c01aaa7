/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - which instructions make up a block: up to the next jump, or the end
 * of the page, or what may change the mode; in windows also behind calls, and
 * branches that are rather not taken.
 */
#include "base/fmt.h"
#include "engine/translate/trans.h"

/* After these nothing of the block follows. */
bool plan_always_leaves(const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_INVALID:
	case X86_C_UD:
	case X86_C_JMP_FAR:
	case X86_C_CALL_FAR:
	case X86_C_RET_FAR:
	case X86_C_IRET:
	case X86_C_INT:
	case X86_C_INT3:
	case X86_C_INT1:
	case X86_C_SYSCALL:
	case X86_C_SYSRET:
	case X86_C_SYSENTER:
	case X86_C_SYSEXIT:
		return true;
	default:
		return false;
	}
}

/* After these the mode may have changed, or an interrupt may be due. */
bool plan_ends_polled(const struct trans *tr, const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_STAC:
	case X86_C_CLAC:
		return !system_switches_ac(tr->key);
	case X86_C_MOV_CR:
		return i->opcode != 0x20;
	case X86_C_STRING:
		return (i->pfx & (PFX_F2 | PFX_F3)) &&
		       !string_is_generated(tr->key, i);
	case X86_C_MOV_TO_SREG:
	case X86_C_POP_SREG:
	case X86_C_LOAD_FAR_PTR:
	case X86_C_MOV_DR:
	case X86_C_LMSW:
	case X86_C_CLTS:
	case X86_C_WRMSR:
	case X86_C_XSETBV:
	case X86_C_POPF:
	case X86_C_HLT:
	case X86_C_INS_OUTS:
	case X86_C_IN_OUT:
	case X86_C_INVLPG:
	case X86_C_INVPCID:
	case X86_C_SERIALIZE: /* what follows is fetched anew */
		return true;
	default:
		return false;
	}
}

/*
 * A branch ahead is rather not taken: what follows is part of the block, and
 * need not look for flags, deltas and interrupts anew. And calls return: what
 * follows them need not be jumped to, and needs no entries. Only in windows,
 * where flags and deltas stay as they are from one instruction to the next.
 */
static bool goes_on(struct trans *tr, const struct x86_insn *i)
{
	if (!tr->windowed)
		return false;
	switch (i->cls) {
	case X86_C_JCC:
		if ((s64)i->imm <= 0 || tr->sides == BLOCK_MAX_SIDES)
			return false;
		tr->sides++;
		return true;
	case X86_C_CALL:
	case X86_C_CALL_IND:
		if (tr->calls == BLOCK_MAX_CALLS)
			return false;
		tr->calls++;
		return true;
	default:
		return false;
	}
}

static bool ends_block(const struct trans *tr, const struct x86_insn *i)
{
	switch (i->cls) {
	case X86_C_JMP:
	case X86_C_JCC:
	case X86_C_CALL:
	case X86_C_JMP_IND:
	case X86_C_CALL_IND:
	case X86_C_RET:
	case X86_C_LOOP:
		return true;
	default:
		return plan_always_leaves(i) || plan_ends_polled(tr, i);
	}
}

/* @p: the block's first byte; @avail bytes of its page follow. */
static enum plan_stop decode_run(struct trans *tr, const u8 *p, unsigned avail)
{
	unsigned max = tr->g->options.one_insn_blocks ||
				       (tr->key & KEY_ALONE) ?
			       1 :
			       BLOCK_MAX_INSNS;
	unsigned off = 0;

	while (tr->insn_count < max) {
		struct x86_insn *i = &tr->insns[tr->insn_count];
		enum x86_decode_result r =
			x86_decode(p + off, avail - off, tr->size, i);

		if (r == X86_DECODE_SHORT)
			return PLAN_CROSSES;
		if (r == X86_DECODE_LONG) {
			i->cls = X86_C_INVALID;
			tr->too_long = tr->insn_count == 0;
		}
		if (r != X86_DECODE_OK && tr->insn_count)
			return PLAN_FULL; /* a block of its own faults */
		tr->insn_count++;
		off += i->len;
		if (r != X86_DECODE_OK ||
		    (ends_block(tr, i) && !goes_on(tr, i)))
			return PLAN_END;
		if (off >= avail)
			return PLAN_FULL;
	}
	return PLAN_FULL;
}

/* Bytes of an instruction that lies on two pages. */
static unsigned crossing_bytes(struct trans *tr, u8 *buf, const u8 *p,
			       unsigned avail, gpa_t gpa2)
{
	const u8 *q = gmem_hva(&tr->g->vm->mem, gpa2, PAGE_SIZE);
	unsigned n = 0;

	for (; n < avail; n++)
		buf[n] = p[n];
	for (unsigned k = 0; q && n < X86_INSN_MAX; n++, k++)
		buf[n] = q[k];
	return n;
}

enum plan_stop plan_block(struct trans *tr, gpa_t gpa2)
{
	unsigned avail = (unsigned)(PAGE_SIZE - tr->page_off);
	const u8 *p = gmem_hva(&tr->g->vm->mem, tr->gpa, avail);
	/* GUEST: other vCPUs and devices may write there now. */
	u8 buf[BLOCK_MAX_INSNS * X86_INSN_MAX];
	enum x86_decode_result r;

	if (gpa2 == ~0ull) {
		avail = (unsigned)min_u64(avail, sizeof(buf));
		copy_bytes(buf, p, avail);
		return decode_run(tr, buf, avail);
	}
	avail = crossing_bytes(tr, buf, p, avail, gpa2);
	r = x86_decode(buf, avail, tr->size, &tr->insns[0]);
	if (r != X86_DECODE_OK)
		tr->insns[0].cls = X86_C_INVALID;
	tr->too_long = r == X86_DECODE_LONG;
	tr->insn_count = 1;
	return PLAN_END;
}
