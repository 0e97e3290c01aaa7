/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall.c - SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * The vendors differ, and struct x86_state's .intel chooses:
 *
 *                               AMD                     Intel
 *   SYSCALL outside 64-bit      allowed, also legacy    #UD
 *   SYSRET outside 64-bit       allowed                 #UD
 *   SYSRET to non-canonical     faults at CPL 3, when   #GP(0) at CPL 0
 *                               fetching there
 *   SYSRET's SS                 as STAR says, so its    RPL forced to 3
 *                               RPL is software's
 *   SYSENTER, SYSEXIT in        #UD                     allowed
 *   long mode
 *
 * DEVIATES: SYSRET on AMD leaves the hidden part of SS as it was. We load it
 * flat, as Intel does: software made for the former bears the latter, and SS
 * holds our CPL.
 *
 * APM 3 "SYSCALL", "SYSRET", "SYSENTER", "SYSEXIT"; SDM 2B the same
 */
#include "x86/system.h"

#define STAR_SYSCALL_SHIFT 32
#define STAR_SYSRET_SHIFT 48
#define SEL_RPL 3u

enum code_width { CODE_32 = SEG_DB, CODE_64 = SEG_L };

static void load_flat(struct x86_seg *seg, u32 sel, u32 attr, unsigned dpl)
{
	seg->sel = (u16)sel;
	seg->base = 0;
	seg->limit = ~0u;
	seg->attr = attr | SEG_P | SEG_S | SEG_G | SEG_ACCESSED | SEG_WRITABLE |
		    dpl << SEG_DPL_SHIFT;
}

/* SEG_WRITABLE is SEG_READABLE in a code segment. */
static void flat_cs_ss(struct x86_seg seg[2], enum code_width w, u32 cs,
		       u32 ss, unsigned dpl)
{
	load_flat(&seg[0], cs, SEG_CODE | (u32)w, dpl);
	load_flat(&seg[1], ss, SEG_DB, dpl);
}

static void load_flat_cs_ss(struct x86_state *s, enum code_width w, u32 cs,
			    u32 ss, unsigned dpl)
{
	_Static_assert(X86_SS == X86_CS + 1, "neighbours");
	flat_cs_ss(&s->seg[X86_CS], w, cs, ss, dpl);
}

static u32 sysret_ss(const struct x86_state *s)
{
	return ((u32)(s->star >> STAR_SYSRET_SHIFT) + 8) |
	       (s->intel ? SEL_RPL : 0);
}

void x86_syscall_segments(const struct x86_state *s, struct x86_seg seg[2])
{
	u32 cs = (u32)(s->star >> STAR_SYSCALL_SHIFT) & 0xfffc;

	flat_cs_ss(seg, CODE_64, cs, cs + 8, 0);
}

void x86_sysret_segments(const struct x86_state *s, struct x86_seg seg[2])
{
	u32 sel = (u32)(s->star >> STAR_SYSRET_SHIFT);

	flat_cs_ss(seg, CODE_64, (sel + 16) | SEL_RPL, sysret_ss(s), 3);
}

int x86_syscall(struct x86_state *s, u64 next_rip, struct x86_fault *f)
{
	u32 cs = (u32)(s->star >> STAR_SYSCALL_SHIFT) & 0xfffc;

	if (!(s->efer & EFER_SCE) || x86_is_real(s))
		return x86_fault_set(f, X86_UD);
	if (s->intel && !x86_is_64bit(s))
		return x86_fault_set(f, X86_UD);
	if (!x86_is_long_mode(s)) {
		s->gpr[X86_RCX] = (u32)next_rip;
		s->rip = (u32)s->star;
		s->rflags &= ~(FLAG_VM | FLAG_IF | FLAG_RF);
		load_flat_cs_ss(s, CODE_32, cs, cs + 8, 0);
		return 0;
	}
	s->gpr[X86_RCX] = next_rip;
	s->gpr[X86_R11] = s->rflags & ~FLAG_RF;
	s->rip = x86_is_64bit(s) ? s->lstar : s->cstar;
	s->rflags = (s->rflags & ~(s->sfmask | FLAG_RF)) | FLAG_FIXED;
	x86_syscall_segments(s, &s->seg[X86_CS]);
	return 0;
}

int x86_sysret(struct x86_state *s, unsigned opsize, struct x86_fault *f)
{
	u32 sel = (u32)(s->star >> STAR_SYSRET_SHIFT);
	bool to64 = x86_is_64bit(s) && opsize == 8;
	u64 rip = s->gpr[X86_RCX];

	if (!(s->efer & EFER_SCE) || (s->intel && !x86_is_64bit(s)))
		return x86_fault_set(f, X86_UD);
	if (x86_is_real(s) || x86_cpl(s))
		return x86_gp(f);
	if (s->intel && to64 && !x86_is_canonical(rip))
		return x86_gp(f);
	if (x86_is_64bit(s))
		s->rflags = (s->gpr[X86_R11] & X86_SYSRET_FLAGS) | FLAG_FIXED;
	else
		s->rflags |= FLAG_IF;
	if (to64) {
		s->rip = rip;
		x86_sysret_segments(s, &s->seg[X86_CS]);
	} else {
		s->rip = (u32)rip;
		load_flat_cs_ss(s, CODE_32, sel | SEL_RPL, sysret_ss(s), 3);
	}
	return 0;
}

int x86_sysenter(struct x86_state *s, struct x86_fault *f)
{
	u32 cs = (u32)s->sysenter_cs & 0xfffc;
	bool wide = x86_is_long_mode(s);

	if (wide && !s->intel)
		return x86_fault_set(f, X86_UD);
	if (x86_is_real(s) || !cs)
		return x86_gp(f);
	s->rflags &= ~(FLAG_VM | FLAG_IF | FLAG_RF);
	s->gpr[X86_RSP] = wide ? s->sysenter_esp : (u32)s->sysenter_esp;
	s->rip = wide ? s->sysenter_eip : (u32)s->sysenter_eip;
	load_flat_cs_ss(s, wide ? CODE_64 : CODE_32, cs, cs + 8, 0);
	return 0;
}

int x86_sysexit(struct x86_state *s, unsigned opsize, struct x86_fault *f)
{
	u32 sel = (u32)s->sysenter_cs & 0xfffc;
	u64 rip = s->gpr[X86_RDX], rsp = s->gpr[X86_RCX];

	if (x86_is_long_mode(s) && !s->intel)
		return x86_fault_set(f, X86_UD);
	if (x86_is_real(s) || !sel || x86_cpl(s))
		return x86_gp(f);
	if (opsize == 8) {
		if (!x86_is_canonical(rip) || !x86_is_canonical(rsp))
			return x86_gp(f);
		load_flat_cs_ss(s, CODE_64, (sel + 32) | SEL_RPL,
				(sel + 40) | SEL_RPL, 3);
	} else {
		rip = (u32)rip;
		rsp = (u32)rsp;
		load_flat_cs_ss(s, CODE_32, (sel + 16) | SEL_RPL,
				(sel + 24) | SEL_RPL, 3);
	}
	s->rip = rip;
	s->gpr[X86_RSP] = rsp;
	return 0;
}
