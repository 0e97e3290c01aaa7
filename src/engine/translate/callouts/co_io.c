/* SPDX-License-Identifier: Apache-2.0 */
/* co_io.c - IN, OUT, INS, OUTS, and who may use them. */
#include "engine/translate/callout.h"
#include "engine/translate/debug.h"
#include "engine/translate/string.h"

/* SDM 1 18.5 "Protected-Mode I/O": IOPL, else the bitmap in the TSS. */
int io_check(struct tcpu *t, u16 port, unsigned bytes, struct x86_fault *f)
{
	const struct x86_state *s = &t->v.x86;
	unsigned iopl = (s->rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT;
	u16 map, bits;

	if (x86_is_real(s) || (!x86_is_vm86(s) && x86_cpl(s) <= iopl))
		return 0;
	/* Only a 32-bit or 64-bit TSS has a bitmap. */
	if (!(s->tr.attr & SEG_P) || (s->tr.attr & SEG_TYPE) < SYS_TSS_AVAIL ||
	    s->tr.limit < 0x67)
		return x86_gp(f);
	if (mem_read(t, s->tr.base + 0x66, &map, 2, X86_ACC_IMPLICIT, f))
		return -1;
	if ((u32)map + port / 8 + 1 > s->tr.limit)
		return x86_gp(f);
	if (mem_read(t, s->tr.base + map + port / 8, &bits, 2,
		     X86_ACC_IMPLICIT, f))
		return -1;
	if (bits >> (port & 7) & ((1u << bytes) - 1))
		return x86_gp(f);
	return 0;
}

u64 io_read(struct tcpu *t, u16 port, unsigned bytes)
{
	u64 v;

	if (unlikely(t->debug.io))
		debug_port(t, port, bytes);
	world_enter(t);
	v = vm_pio_read(&t->v, port, bytes);
	world_leave(t);
	t->stats.pio++;
	return v;
}

void io_write(struct tcpu *t, u16 port, u64 v, unsigned bytes)
{
	if (unlikely(t->debug.io))
		debug_port(t, port, bytes);
	world_enter(t);
	vm_pio_write(&t->v, port, v, bytes);
	world_leave(t);
	t->stats.pio++;
}

static enum callout_result co_in_out(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	/* E4-E7 have the port in the instruction, EC-EF in DX. */
	u16 port = i->opcode & 8 ? (u16)s->gpr[X86_RDX] : (u8)i->imm;
	unsigned n = i->opcode & 1 ? i->opsize : 1;
	struct x86_fault f;

	if (n == 8)
		n = 4;
	if (io_check(t, port, n, &f))
		return callout_fault(t, &f);
	if (i->opcode & 2)
		io_write(t, port, reg_read(t, X86_RAX, n), n);
	else
		reg_write(t, X86_RAX, io_read(t, port, n), n);
	return callout_done(t);
}

callout_fn callout_io(enum x86_class c)
{
	return c == X86_C_IN_OUT ? co_in_out : NULL;
}
