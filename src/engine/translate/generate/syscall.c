/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall.c - SYSCALL and SYSRET in generated code.
 *
 * The plain case only: between 64-bit user code and a 64-bit kernel with
 * SMAP, AC masked, no single step, where the other side has run in the mode
 * that it is entered in (its jump cache tells). The rest is as ever: C, in
 * co_flow.c. What a processor does besides is prepared when it is set up, by
 * WRMSR and CR4, in struct fastcall.
 *
 * The user's shadow stack waits while the kernel runs; the kernel's begins
 * empty.
 */
#include "engine/translate/trans.h"
#include "x86/system.h"

#define SHADOW(m, member) \
	(GS(shadow[0].member) + (u32)(m) * (u32)sizeof(struct shadow))

/* Of the flags returned to, with arithmetic ones apart: those of IRET from ring
 * 0 are the same but for RF, which counts where there are breakpoints. */
#define USER_TAKES (X86_SYSRET_FLAGS & ~FLAG_ARITH)
/* A single step, alignment checks, strings downwards: C knows how. */
#define SYSRET_ODD (FLAG_TF | FLAG_AC | FLAG_DF)

void fastcall_update(struct tcpu *t)
{
	const struct x86_state *s = &t->v.x86;
	struct fastcall *f = &t->fastcall;
	u64 keep = ~(s->sfmask | FLAG_RF);

	f->on = (s->efer & EFER_SCE) && (s->efer & EFER_LMA) &&
		(s->cr4 & CR4_SMAP) && (s->sfmask & FLAG_AC);
	f->keep = (u32)((keep & ~FLAG_ARITH) | FLAG_FIXED);
	f->keep_ax = flags_to_ax(keep);
	x86_syscall_segments(s, f->seg[0]);
	x86_sysret_segments(s, f->seg[1]);
}

/* CS and SS, which are neighbours. */
static void load_segments(struct emit *e, u32 from)
{
	_Static_assert(X86_SS == X86_CS + 1, "copied together");
	for (u32 k = 0; k < 2 * sizeof(struct x86_seg); k += 8) {
		emit_gs(e, true, OP_MOV, T0, from + k);
		emit_gs(e, true, OP_STORE, T0, GS(v.x86.seg[X86_CS]) + k);
	}
}

static void switch_shadow(struct emit *e, unsigned from, u32 to)
{
	emit_gs(e, true, OP_STORE, X86_RSP, SHADOW(from, rsp));
	emit_gs(e, true, OP_MOV, X86_RSP, to);
}

/* To T0; flags are SAVED. */
static void lookup(struct emit *e, const struct stubs *s, unsigned n, u32 key)
{
	if (key_flags(key) == FLAGS_SAVED) {
		flow_lookup(e, s, n);
		return;
	}
	emit_restore_flags(e);
	flow_lookup_host(e, s, n);
}

/* Jumped to; RCX is new already. @n: the user's jump cache; @kernel: of the
 * key that the kernel has, KEY_WINDOW. */
u8 *stub_syscall(struct emit *e, const struct stubs *s, unsigned n, u32 kernel)
{
	u8 *at = emit_pc(e);

	emit_rflags(e, T1);
	emit_gs(e, true, OP_STORE, T1, GS_GPR(X86_R11));
	emit_gs(e, false, OP_MOV, T0, GS(fastcall.keep));
	emit_gs(e, false, 0x21, T0, GS(v.x86.rflags)); /* and */
	emit_gs(e, false, OP_MOV, T0, GS(fastcall.keep_ax));
	emit8(e, 0x66);
	emit_gs(e, false, 0x21, T0, GS(flags_ax));
	load_segments(e, GS(fastcall.seg[0]));
	emit_gs(e, true, 0xff, 0, GS(stats.syscalls)); /* inc */
	switch_shadow(e, n, SHADOW(MMU_KERNEL, base));
	emit_gs(e, true, OP_MOV, T0, GS(v.x86.lstar));
	lookup(e, s, MMU_KERNEL, kernel);
	return at;
}

/* The user's flags are those of T1, stored by @op, and CS and SS are at
 * @segments. */
static void load_user(struct emit *e, u8 op, u32 segments)
{
	u8 *none;

	emit_rr(e, false, OP_MOV, T0, T1);
	emit_ri(e, false, 4, T0, (s32)USER_TAKES);
	emit_ri(e, false, 1, T0, FLAG_FIXED);
	emit_gs(e, true, op, T0, GS(v.x86.rflags));
	/* As flags_to_ax(). */
	emit_rr(e, false, OP_MOV, T0, T1);
	emit_shift(e, false, 4, T0, 8);
	emit_ri(e, false, 4, T0, 0xd500);
	emit_shift(e, false, 5, T1, 11);
	emit_ri(e, false, 4, T1, 1);
	emit_rr(e, false, ALU_OR, T0, T1);
	emit8(e, 0x66);
	emit_gs(e, false, OP_STORE, T0, GS(flags_ax));
	load_segments(e, segments);
	/* An interrupt may have waited for IF. */
	emit_gs_imm32(e, false, 0x81, 7, GS(v.request), 0);
	none = emit_jcc_fwd(e, CC_E);
	emit_disturb(e);
	emit_land(e, none);
}

/* To the address in T0. */
static void to_user(struct emit *e, const struct stubs *s, unsigned n)
{
	lookup(e, s, n, n == JC_USER_WINDOW ? KEY_WINDOW : 0);
}

/* Jumped to, with R11 in T1. */
u8 *stub_sysret(struct emit *e, const struct stubs *s, unsigned n)
{
	u8 *at = emit_pc(e);

	load_user(e, OP_STORE, GS(fastcall.seg[1]));
	switch_shadow(e, MMU_KERNEL, SHADOW(n, rsp));
	emit_mov(e, T0, X86_RCX);
	to_user(e, s, n);
	return at;
}

/* The same with RFLAGS in T1, for IRET. It serializes: XCHG is LOCKed. */
u8 *stub_iret(struct emit *e, const struct stubs *s, unsigned n)
{
	u8 *at = emit_pc(e);

	load_user(e, OP_XCHG, GS(fastret.seg));
	emit_gs(e, true, 0xff, 0, GS(stats.irets)); /* inc */
	switch_shadow(e, MMU_KERNEL, SHADOW(n, rsp));
	emit_gs(e, true, OP_MOV, HOST_GUEST_RSP, GS(fastret.rsp));
	emit_gs(e, true, OP_MOV, T0, GS(fastret.rip));
	to_user(e, s, n);
	return at;
}

static void must_be(struct trans *tr, u32 member, u32 value,
		    struct cold *slow)
{
	emit_gs_imm32(&tr->e, false, 0x81, 7, member, value);
	cold_from(slow, emit_jcc_fwd(&tr->e, CC_NE));
}

bool syscall_insn(struct trans *tr)
{
	u32 key = (tr->key & ~(KEY_USER | KEY_ALIGN | KEY_WINDOW)) |
		  KEY_CODE64 | key_kernel_windows(tr->g);
	struct emit *e = &tr->e;
	struct cold *slow;

	if (!in_long_code(tr) || (tr->key & KEY_ALONE) ||
	    tr->mmu != MMU_USER)
		return false;
	slow = cold_callout(tr, callout_for(tr->i));
	if (!slow)
		return true;
	must_be(tr, GS(fastcall.on), true, slow);
	must_be(tr, GS(jc_key[MMU_KERNEL]), key, slow);
	emit_gs_imm32(e, false, 0xc7, 0, GS(key), key);
	flow_code_address(tr, X86_RCX, tr->next);
	emit_jmp(e, tr->g->stubs.syscall[tr->jc == JC_USER_WINDOW]);
	return true;
}

static void enter(struct trans *tr, unsigned n, u32 key, const u8 *stub,
		  struct cold *slow)
{
	must_be(tr, GS(jc_key[0]) + 4 * n, key, slow);
	emit_gs_imm32(&tr->e, false, 0xc7, 0, GS(key), key);
	emit_jmp(&tr->e, stub);
}

void user_enter(struct trans *tr, u8 *const stubs[2], struct cold *slow)
{
	u32 key = (tr->key & ~(KEY_AC | KEY_WINDOW)) | KEY_USER;
	u8 *hot;

	emit_gs_imm32(&tr->e, false, 0x81, 7, GS(window_hot), 0);
	hot = emit_jcc_fwd(&tr->e, CC_NE);
	enter(tr, MMU_USER, key, stubs[0], slow);
	emit_land(&tr->e, hot);
	enter(tr, JC_USER_WINDOW, key | KEY_WINDOW, stubs[1], slow);
}

bool sysret_insn(struct trans *tr)
{
	struct emit *e = &tr->e;
	struct cold *slow;

	if (!in_long_code(tr) || (tr->key & (KEY_ALONE | KEY_CPL12)) ||
	    tr->mmu != MMU_KERNEL || tr->i->opsize != 8)
		return false;
	slow = cold_callout(tr, callout_for(tr->i));
	if (!slow)
		return true;
	must_be(tr, GS(fastcall.on), true, slow);
	emit_canonical(e, X86_RCX);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
	emit_gs(e, true, OP_MOV, T1, GS_GPR(X86_R11));
	emit8(e, 0x41);
	emit8(e, 0xf7);
	emit8(e, 0xc3); /* test $imm32, %r11d */
	emit32(e, SYSRET_ODD);
	cold_from(slow, emit_jcc_fwd(e, CC_NE));
	user_enter(tr, tr->g->stubs.sysret, slow);
	return true;
}
