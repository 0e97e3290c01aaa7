/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_misc.c - CPUID, time stamps, flags from and to memory, HLT, and other
 * single instructions.
 */
#include "engine/translate/callout.h"

static enum callout_result co_cpuid(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_cpuid_regs r;

	t->stats.cpuids++;
	callout_serialize();
	x86_cpuid_read(&t->e->vm->cpuid, s, t->v.index, (u32)s->gpr[X86_RAX],
		       (u32)s->gpr[X86_RCX], &r);
	s->gpr[X86_RAX] = r.eax;
	s->gpr[X86_RBX] = r.ebx;
	s->gpr[X86_RCX] = r.ecx;
	s->gpr[X86_RDX] = r.edx;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_pause(struct tcpu *t, struct callout *c)
{
	vcpu_pause(&t->v);
	return CALLOUT_NEXT;
}

static bool tsc_forbidden(const struct tcpu *t)
{
	return (t->v.x86.cr4 & CR4_TSD) && (t->v.x86.cr0 & CR0_PE) &&
	       (t->key & (KEY_USER | KEY_CPL12));
}

static enum callout_result co_rdtsc(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = &t->v.x86;
	u64 v;

	if (tsc_forbidden(t)) {
		callout_begin(t, c);
		return callout_gp(t);
	}
	v = host_tsc() + s->tsc_offset;
	s->gpr[X86_RAX] = (u32)v;
	s->gpr[X86_RDX] = v >> 32;
	if (c->insn.cls == X86_C_RDTSCP)
		s->gpr[X86_RCX] = (u32)s->tsc_aux;
	return CALLOUT_NEXT;
}

static enum callout_result co_rdpid(struct tcpu *t, struct callout *c)
{
	/* 64 bits in 64-bit mode, whatever the prefixes. */
	reg_write(t, c->insn.rm, t->v.x86.tsc_aux,
		  t->key & KEY_CODE64 ? 8 : 4);
	return CALLOUT_NEXT;
}

/* No counters are shown: #GP for any number. */
static enum callout_result co_rdpmc(struct tcpu *t, struct callout *c)
{
	callout_begin(t, c);
	return callout_gp(t);
}

/*
 * KVM's hypercalls, whichever vendor's instruction: the number is in RAX, which
 * takes the result. There is no guest for which it would be #UD, since all of
 * them are shown KVM's CPUID leaves.
 */
static enum callout_result co_vmcall(struct tcpu *t, struct callout *c)
{
	unsigned bytes = t->key & KEY_CODE64 ? 8 : 4;
	const u64 arg[4] = {
		reg_read(t, X86_RBX, bytes),
		reg_read(t, X86_RCX, bytes),
		reg_read(t, X86_RDX, bytes),
		reg_read(t, X86_RSI, bytes),
	};
	u64 ret = (u64)VM_HYPERCALL_EPERM;

	callout_begin(t, c);
	if (!(t->key & (KEY_USER | KEY_CPL12)))
		ret = vm_hypercall(&t->v, reg_read(t, X86_RAX, bytes), arg);
	reg_write(t, X86_RAX, ret, bytes);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_hlt(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);

	if (t->key & (KEY_USER | KEY_CPL12))
		return callout_gp(t);
	t->stats.halts++;
	s->activity = X86_HALTED;
	s->rip = callout_next(t, c);
	return callout_leave(t);
}

static enum callout_result co_cli_sti(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned iopl = (s->rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT;
	unsigned cpl = x86_is_real(s) ? 0 : x86_cpl(s);

	if ((x86_is_vm86(s) ? 3 : cpl) > iopl)
		return callout_gp(t);
	if (c->insn.cls == X86_C_STI)
		s->rflags |= FLAG_IF;
	else
		s->rflags &= ~FLAG_IF;
	callout_end(t);
	return CALLOUT_NEXT;
}

/* STI of which nothing follows in its block: the shadow reaches into the next
 * one. There is none if IF was set before. SDM 2 "STI" */
enum callout_result callout_sti_last(struct tcpu *t, struct callout *c)
{
	bool was_set = t->v.x86.rflags & FLAG_IF;
	enum callout_result r = co_cli_sti(t, c);

	if (r != CALLOUT_NEXT)
		return r;
	if (was_set)
		return callout_done(t);
	t->v.x86.rip = callout_next(t, c);
	t->v.x86.intr_shadow = X86_SHADOW_STI;
	return callout_leave(t);
}

static enum callout_result co_clac_stac(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);

	if (t->key & (KEY_USER | KEY_CPL12 | KEY_REAL))
		return callout_ud(t);
	if (c->insn.cls == X86_C_STAC)
		s->rflags |= FLAG_AC;
	else
		s->rflags &= ~FLAG_AC;
	return callout_done(t);
}

/* In real and virtual-8086 mode; elsewhere it is generated. */
static enum callout_result co_pushf(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (x86_is_vm86(s) && (s->rflags & FLAG_IOPL) != FLAG_IOPL)
		return callout_gp(t);
	if (callout_push(t, s->rflags & ~(FLAG_RF | FLAG_VM), c->insn.opsize,
			 &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

/* SDM 2 "POPF/POPFD/POPFQ", table 4-21 */
static enum callout_result co_popf(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	unsigned iopl = (s->rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT;
	unsigned cpl = x86_is_real(s) ? 0 : x86_cpl(s);
	u64 may = FLAG_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;
	struct x86_fault f;
	u64 v;

	if (x86_is_vm86(s)) {
		if (iopl != 3)
			return callout_gp(t);
		may |= FLAG_IF;
	} else {
		if (cpl == 0)
			may |= FLAG_IOPL;
		if (cpl <= iopl)
			may |= FLAG_IF;
	}
	if (c->insn.opsize > 2)
		may |= FLAG_AC | FLAG_ID | FLAG_RF;
	if (callout_pop(t, &v, c->insn.opsize, &f))
		return callout_fault(t, &f);
	s->rflags = (s->rflags & ~may) | (v & may & ~FLAG_RF) | FLAG_FIXED;
	return callout_done(t);
}

static enum callout_result co_xlat(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	u64 off = s->gpr[X86_RBX] + (u8)s->gpr[X86_RAX];
	struct x86_fault f;
	gva_t lin;
	u8 v;

	off = i->adsize == 8 ? off : i->adsize == 4 ? (u32)off : (u16)off;
	if (callout_linear(t, i->seg, off, 1, false, &lin, &f) ||
	    mem_read(t, lin, &v, 1, callout_acc(t), &f))
		return callout_fault(t, &f);
	reg_write(t, X86_RAX, v, 1);
	callout_end(t);
	return CALLOUT_NEXT;
}

/*
 * BT BTS BTR BTC m, r: the bit offset is signed and reaches beyond the
 * operand. LOCK: a compare-and-swap on host memory where there is some.
 */
static bool bit_op(const struct x86_insn *i, u64 *v, unsigned bit)
{
	bool old = *v >> bit & 1;

	switch (i->opcode) {
	case 0xab:
		*v |= BIT64(bit);
		break;
	case 0xb3:
		*v &= ~BIT64(bit);
		break;
	case 0xbb:
		*v ^= BIT64(bit);
		break;
	default:
		break;
	}
	return old;
}

static bool bit_op_locked(const struct x86_insn *i, u8 *p, unsigned bit)
{
	/* One byte is enough, and cannot cross anything. */
	u8 *b = p + bit / 8;
	u8 old = __atomic_load_n(b, __ATOMIC_RELAXED);
	u64 v;

	do {
		v = old;
		(void)bit_op(i, &v, bit % 8);
	} while (!__atomic_compare_exchange_n(b, &old, (u8)v, true,
					      __ATOMIC_SEQ_CST,
					      __ATOMIC_RELAXED));
	return old >> bit % 8 & 1;
}

static enum callout_result co_bt_mem(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	unsigned n = i->opsize, bits = 8 * n;
	s64 off = sign_extend(reg_read(t, i->reg, n), bits);
	unsigned bit = (unsigned)off & (bits - 1);
	u64 at = callout_offset(t, c) +
		 (u64)((off >> (n == 8 ? 6 : n == 4 ? 5 : 4)) * (s64)n);
	bool write = i->opcode != 0xa3;
	unsigned acc = callout_acc(t);
	struct x86_fault f;
	bool fault, old;
	gva_t lin;
	u64 v = 0;
	u8 *p;

	at = i->adsize == 8 ? at : i->adsize == 4 ? (u32)at : (u16)at;
	if (callout_linear(t, i->seg, at, n, write, &lin, &f))
		return callout_fault(t, &f);
	if (write && mem_probe(t, lin, n, acc | X86_ACC_WRITE, &f))
		return callout_fault(t, &f);
	p = (i->pfx & PFX_LOCK) && (lin & ~PAGE_MASK) <= PAGE_SIZE - n ?
		    mem_run(t, lin, acc | X86_ACC_WRITE, &fault, &f) :
		    NULL;
	if ((i->pfx & PFX_LOCK) && !p && t->e->smp && !t->exclusive_once) {
		callout_end(t);
		run_exclusive_once(t);
		return CALLOUT_EVENT;
	}
	if (p) {
		old = bit_op_locked(i, p, bit);
	} else {
		if (mem_read(t, lin, &v, n, acc, &f))
			return callout_fault(t, &f);
		old = bit_op(i, &v, bit);
		if (write && mem_write(t, lin, &v, n, acc, &f))
			return callout_fault(t, &f);
	}
	s->rflags = old ? s->rflags | FLAG_CF : s->rflags & ~FLAG_CF;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_xgetbv(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u64 v = s->xcr0;

	if (!(s->cr4 & CR4_OSXSAVE))
		return callout_ud(t);
	if ((u32)s->gpr[X86_RCX] > 1)
		return callout_gp(t);
	if ((u32)s->gpr[X86_RCX] == 1) {
		u32 lo, hi;

		/* XINUSE: the guest's state is in the host's registers. */
		__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
		v &= lo;
	}
	s->gpr[X86_RAX] = (u32)v;
	s->gpr[X86_RDX] = v >> 32;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_xsetbv(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u64 v = (u32)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;
	struct x86_fault f;

	if (!(s->cr4 & CR4_OSXSAVE))
		return callout_ud(t);
	if ((t->key & (KEY_USER | KEY_CPL12)) || (u32)s->gpr[X86_RCX])
		return callout_gp(t);
	if (x86_write_xcr0(s, t->e->vm->cpuid.xcr0_valid, v, &f))
		return callout_fault(t, &f);
	return callout_done(t);
}

callout_fn callout_misc(enum x86_class c)
{
	switch (c) {
	case X86_C_CPUID:
		return co_cpuid;
	case X86_C_RDTSC:
	case X86_C_RDTSCP:
		return co_rdtsc;
	case X86_C_RDPID:
		return co_rdpid;
	case X86_C_RDPMC:
		return co_rdpmc;
	case X86_C_PAUSE:
		return co_pause;
	case X86_C_VMCALL:
		return co_vmcall;
	case X86_C_HLT:
		return co_hlt;
	case X86_C_CLI:
	case X86_C_STI:
		return co_cli_sti;
	case X86_C_CLAC:
	case X86_C_STAC:
		return co_clac_stac;
	case X86_C_PUSHF:
		return co_pushf;
	case X86_C_POPF:
		return co_popf;
	case X86_C_XLAT:
		return co_xlat;
	case X86_C_BT_MEM:
		return co_bt_mem;
	case X86_C_XGETBV:
		return co_xgetbv;
	case X86_C_XSETBV:
		return co_xsetbv;
	default:
		return NULL;
	}
}
