/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_control.c - control and debug registers, MSRs, TLB invalidation, and the
 * other instructions that only the kernel may use to steer its processor.
 */
#include "base/trace.h"
#include "engine/translate/callout.h"
#include "engine/translate/debug.h"
#include "engine/translate/gate.h"

/* CPL 0, or real mode? Else #GP(0) was delivered. */
static bool privileged(struct tcpu *t)
{
	return !(t->key & (KEY_USER | KEY_CPL12));
}

static void control_changed(struct tcpu *t, unsigned change)
{
	if (change & X86_CHANGE_TLB_ALL)
		tlb_flush_all(t);
	else if (change & X86_CHANGE_TLB)
		tlb_flush_local(t);
	/* SMAP, WP and the like are composed into entries. */
	if ((change & X86_CHANGE_MODE) && !(change & X86_CHANGE_TLB_ALL))
		tlb_flush_all(t);
}

static u64 read_cr(struct tcpu *t, unsigned n)
{
	const struct x86_state *s = &t->v.x86;

	switch (n) {
	case 0:
		return s->cr0;
	case 2:
		return s->cr2;
	case 3:
		return s->cr3;
	case 4:
		return s->cr4;
	default:
		return s->cr8;
	}
}

static void write_cr8(struct tcpu *t, u64 v)
{
	t->v.x86.cr8 = v;
	if (t->v.intr)
		t->v.intr->set_tpr(t->v.intr_dev, (u8)(v << 4));
}

static u64 read_cr8(struct tcpu *t)
{
	u64 v = t->v.x86.cr8;

	if (!t->v.intr)
		return v;
	v = t->v.intr->get_tpr(t->v.intr_dev) >> 4;
	t->v.x86.cr8 = v;
	return v;
}

static int write_cr(struct tcpu *t, unsigned n, u64 v, struct x86_fault *f)
{
	struct x86_state *s = &t->v.x86;
	unsigned change = 0;
	int rc = 0;

	switch (n) {
	case 0:
		rc = x86_write_cr0(s, &t->mem, v, &change, f);
		break;
	case 2:
		s->cr2 = v;
		break;
	case 3:
		if (x86_write_cr3(s, &t->mem, v, &change, f))
			return -1;
		tlb_switch(t, !(change & X86_CHANGE_TLB));
		return 0;
	case 4:
		rc = x86_write_cr4(s, &t->mem, t->e->vm->cpuid.cr4_valid, v,
				   &change, f);
		break;
	default:
		if (v & ~0xfull)
			return x86_gp(f);
		write_cr8(t, v);
		break;
	}
	if (rc)
		return rc;
	TRACE(CPU, "cr%u = %llx", n, (unsigned long long)v);
	control_changed(t, change);
	if (n == 4)
		fastcall_update(t);
	return 0;
}

static enum callout_result co_mov_cr(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	unsigned n = i->reg, bytes = t->key & KEY_CODE64 ? 8 : 4;
	struct x86_fault f;

	/* LOCK MOV CR0 means CR8 on AMD; here it was decoded as #UD. */
	if (n != 0 && n != 2 && n != 3 && n != 4 && n != 8)
		return callout_ud(t);
	if (!privileged(t))
		return callout_gp(t);
	if (i->opcode == 0x20) {
		u64 v = n == 8 ? read_cr8(t) : read_cr(t, n);

		tcpu_set_rflags(t, s->rflags);
		reg_write(t, i->rm, v, bytes);
		return CALLOUT_NEXT;
	}
	if (write_cr(t, n, reg_read(t, i->rm, bytes), &f))
		return callout_fault(t, &f);
	if (n != 8)
		callout_serialize();
	return callout_done(t);
}

static enum callout_result co_mov_dr(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	struct x86_state *s = callout_begin(t, c);
	unsigned bytes = t->key & KEY_CODE64 ? 8 : 4;
	struct x86_fault f;
	u64 v;

	if (!privileged(t))
		return callout_gp(t);
	if (i->opcode == 0x21) {
		if (x86_read_dr(s, i->reg, &v, &f))
			goto fault;
		reg_write(t, i->rm, v, bytes);
		return callout_done(t);
	}
	v = reg_read(t, i->rm, bytes);
	if (x86_write_dr(s, i->reg, v, &f))
		goto fault;
	if (i->reg < 4 && t->debug.armed)
		debug_update(t);
	callout_serialize();
	return callout_done(t); /* which looks at DR7 */
fault:
	/* General detect is a fault: RF as for all of them. */
	if (f.vector == X86_DB)
		s->rflags |= FLAG_RF;
	return callout_fault(t, &f);
}

static enum callout_result co_lmsw(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;
	u16 v;

	if (!privileged(t))
		return callout_gp(t);
	if (callout_read_rm16(t, c, &v, &f))
		return callout_fault(t, &f);
	/* PE can be set but not cleared. SDM 2 "LMSW" */
	if (write_cr(t, 0, (s->cr0 & ~0xeull) | (v & 0xf), &f))
		return callout_fault(t, &f);
	callout_serialize();
	return callout_done(t);
}

static enum callout_result co_clts(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);

	if (!privileged(t))
		return callout_gp(t);
	s->cr0 &= ~CR0_TS;
	return callout_done(t);
}

static bool umip_forbids(const struct tcpu *t)
{
	return (t->v.x86.cr4 & CR4_UMIP) && (t->v.x86.cr0 & CR0_PE) &&
	       !privileged((struct tcpu *)(uintptr_t)t);
}

static enum callout_result co_smsw(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	struct x86_fault f;

	if (umip_forbids(t))
		return callout_gp(t);
	/* To memory always 16 bits, to a register the operand size. */
	if (callout_write_rm(t, c, s->cr0, 2, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_lgdt_lidt(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	bool wide = t->key & KEY_CODE64;
	struct x86_dtab *d = (c->insn.modrm >> 3 & 7) == 2 ? &s->gdtr :
							     &s->idtr;
	u8 buf[10] = { 0 };
	struct x86_fault f;
	u64 base;

	if (!privileged(t))
		return callout_gp(t);
	if (callout_load(t, c, buf, wide ? 10 : 6, &f))
		return callout_fault(t, &f);
	__builtin_memcpy(&base, buf + 2, 8);
	if (!wide)
		base &= c->insn.opsize == 2 ? 0xffffff : 0xffffffff;
	if (wide && !x86_is_canonical(base))
		return callout_gp(t);
	d->limit = (u16)(buf[0] | buf[1] << 8);
	d->base = base;
	gate_forget_return(t);
	callout_serialize();
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_sgdt_sidt(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	bool wide = t->key & KEY_CODE64;
	const struct x86_dtab *d = (c->insn.modrm >> 3 & 7) == 0 ? &s->gdtr :
								   &s->idtr;
	struct x86_fault f;
	u8 buf[10];

	if (umip_forbids(t))
		return callout_gp(t);
	buf[0] = (u8)d->limit;
	buf[1] = (u8)(d->limit >> 8);
	__builtin_memcpy(buf + 2, &d->base, 8);
	if (callout_store(t, c, buf, wide ? 10 : 6, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_invlpg(struct tcpu *t, struct callout *c)
{
	gva_t va;

	callout_begin(t, c);
	if (!privileged(t))
		return callout_gp(t);
	va = callout_offset(t, c);
	if (!(t->key & KEY_CODE64))
		va = (u32)(va + t->segcache[c->insn.seg].base);
	else if (c->insn.seg == X86_FS || c->insn.seg == X86_GS)
		va += t->v.x86.seg[c->insn.seg].base;
	if (!(t->v.x86.efer & EFER_LMA) || x86_is_canonical(va))
		tlb_flush_page(t, va);
	callout_serialize();
	return callout_done(t);
}

/* SDM 2 "INVPCID" */
static enum callout_result co_invpcid(struct tcpu *t, struct callout *c)
{
	const struct x86_state *s = callout_begin(t, c);
	u64 type = reg_read(t, c->insn.reg, t->key & KEY_CODE64 ? 8 : 4);
	struct x86_fault f;
	u64 desc[2];
	bool pcid_off = !(s->cr4 & CR4_PCIDE);
	u64 now = s->cr3 & CR3_PCID_MASK;

	if (!privileged(t))
		return callout_gp(t);
	if (callout_load(t, c, desc, 16, &f))
		return callout_fault(t, &f);
	if (type > 3 || (desc[0] & ~CR3_PCID_MASK))
		return callout_gp(t);
	if (type < 2 && pcid_off && desc[0])
		return callout_gp(t);
	if (type == 0 && !x86_is_canonical(desc[1]))
		return callout_gp(t);
	if (pcid_off)
		now = 0;
	if (type == 0 && desc[0] == now)
		tlb_flush_page(t, desc[1]);
	else if (type == 2)
		tlb_flush_all(t);
	else if (type == 3)
		tlb_flush_local(t);
	else if (desc[0] == now)
		tlb_flush_pcid(t);
	else {
		asid_forget_pcid(t, desc[0]);
		window_flush_others(t);
	}
	callout_serialize();
	return callout_done(t);
}

/* The caches are the host's, and coherent. */
static enum callout_result co_invd(struct tcpu *t, struct callout *c)
{
	callout_begin(t, c);
	if (!privileged(t))
		return callout_gp(t);
	callout_serialize();
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_rdmsr(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u32 msr = (u32)s->gpr[X86_RCX];
	struct x86_fault f;
	u64 v = 0;
	int rc;

	if (!privileged(t))
		return callout_gp(t);
	t->stats.msrs++;
	rc = x86_msr_read(s, &t->e->vm->cpuid, host_tsc(), msr, &v, &f);
	if (rc == X86_MSR_UNKNOWN) {
		bool own = vm_msr_is_own(t->e->vm, msr);

		if (!own)
			world_enter(t);
		rc = vm_msr_read(&t->v, msr, &v) ? 0 : x86_gp(&f);
		if (!own)
			world_leave(t);
	}
	if (rc) {
		TRACE(CPU, "rdmsr %x: #GP at %llx", msr,
		      (unsigned long long)s->rip);
		return callout_fault(t, &f);
	}
	s->gpr[X86_RAX] = (u32)v;
	s->gpr[X86_RDX] = v >> 32;
	callout_end(t);
	return CALLOUT_NEXT;
}

static enum callout_result co_wrmsr(struct tcpu *t, struct callout *c)
{
	struct x86_state *s = callout_begin(t, c);
	u32 msr = (u32)s->gpr[X86_RCX];
	u64 v = (u32)s->gpr[X86_RAX] | s->gpr[X86_RDX] << 32;
	unsigned change = 0;
	struct x86_fault f;
	int rc;

	if (!privileged(t))
		return callout_gp(t);
	t->stats.msrs++;
	rc = x86_msr_write(s, &t->e->vm->cpuid, host_tsc(), msr, v, &change,
			   &f);
	if (rc == X86_MSR_UNKNOWN) {
		bool own = vm_msr_is_own(t->e->vm, msr);

		if (!own)
			world_enter(t);
		rc = vm_msr_write(&t->v, msr, v) ? 0 : x86_gp(&f);
		if (!own)
			world_leave(t);
	}
	if (rc) {
		TRACE(CPU, "wrmsr %x = %llx: #GP at %llx", msr,
		      (unsigned long long)v, (unsigned long long)s->rip);
		return callout_fault(t, &f);
	}
	callout_serialize();
	control_changed(t, change);
	if (change & X86_CHANGE_TSC) {
		world_enter(t);
		vm_tsc_changed(&t->v);
		world_leave(t);
	}
	fastcall_update(t);
	return callout_done(t);
}

callout_fn callout_control(enum x86_class c)
{
	switch (c) {
	case X86_C_MOV_CR:
		return co_mov_cr;
	case X86_C_MOV_DR:
		return co_mov_dr;
	case X86_C_LMSW:
		return co_lmsw;
	case X86_C_CLTS:
		return co_clts;
	case X86_C_SMSW:
		return co_smsw;
	case X86_C_LGDT_LIDT:
		return co_lgdt_lidt;
	case X86_C_SGDT_SIDT:
		return co_sgdt_sidt;
	case X86_C_INVLPG:
		return co_invlpg;
	case X86_C_INVPCID:
		return co_invpcid;
	case X86_C_INVD:
		return co_invd;
	case X86_C_RDMSR:
		return co_rdmsr;
	case X86_C_WRMSR:
		return co_wrmsr;
	default:
		return NULL;
	}
}
