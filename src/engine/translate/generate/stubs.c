/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stubs.c - the shared pieces of generated code: how C enters it, how it
 * leaves, and how it calls C.
 *
 * Around every call the guest's registers go to x86.gpr[] and come back, so C
 * sees and may change all of them. The vector registers stay where they are:
 * C below world_enter() does not touch them. C runs on its own stack, from
 * .host_rsp on, a multiple of 16; see shadow.c for the other.
 */
#include "engine/translate/emit.h"
#include "engine/translate/engine.h"
#include "engine/translate/gs.h"
#include "engine/translate/key.h"

static void save_gprs(struct emit *e)
{
	for (unsigned r = 0; r < 16; r++)
		if (r != X86_RSP && r != X86_R9 && r != T0 && r != T1)
			emit_gs(e, true, OP_STORE, r, GS_GPR(r));
	emit_gs(e, true, OP_STORE, HOST_GUEST_RSP, GS_GPR(X86_RSP));
}

static void load_gprs(struct emit *e)
{
	for (unsigned r = 0; r < 16; r++)
		if (r != X86_RSP && r != X86_R9 && r != T0 && r != T1)
			emit_gs(e, true, OP_MOV, r, GS_GPR(r));
	emit_gs(e, true, OP_MOV, HOST_GUEST_RSP, GS_GPR(X86_RSP));
}

static void call_c(struct emit *e, void *fn)
{
	emit_gs(e, true, OP_MOV, X86_RDI, GS(self));
	emit_mov_imm(e, X86_RAX, (u64)(uintptr_t)fn);
	emit8(e, 0xff);
	emit8(e, 0xd0);
}

/* To C's stack; generated code's RSP was @used bytes higher when it called. */
static void leave_rsp(struct emit *e, s32 used)
{
	if (used) {
		emit_rm(e, true, OP_LEA, X86_RAX, X86_RSP, used);
		emit_gs(e, true, OP_STORE, X86_RAX, GS(shadow_rsp));
	} else {
		emit_gs(e, true, OP_STORE, X86_RSP, GS(shadow_rsp));
	}
	emit_gs(e, true, OP_MOV, X86_RSP, GS(host_rsp));
}

/* And back. */
static void return_rsp(struct emit *e, s32 used)
{
	emit_gs(e, true, OP_MOV, X86_RSP, GS(shadow_rsp));
	if (used)
		emit_rm(e, true, OP_LEA, X86_RSP, X86_RSP, -used);
}

static void emit_enter(struct emit *e)
{
	static const u8 push[] = { 0x55, 0x53, 0x41, 0x54, 0x41, 0x55,
				   0x41, 0x56, 0x41, 0x57 };

	for (unsigned i = 0; i < sizeof(push); i++)
		emit8(e, push[i]);
	emit_ri(e, true, 5, X86_RSP, 8);
	emit_gs(e, true, OP_STORE, X86_RSP, GS(host_rsp));
	emit_gs(e, true, OP_MOV, X86_RSP, GS(shadow_rsp));
	emit_mov(e, T0, X86_RSI);
	load_gprs(e);
	emit_restore_flags(e);
	emit8(e, 0x41);
	emit8(e, 0xff);
	emit8(e, 0xe2); /* jmp *%r10 */
}

static void emit_leave(struct emit *e)
{
	static const u8 pop[] = { 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d,
				  0x41, 0x5c, 0x5b, 0x5d, 0xc3 };

	emit_gs(e, true, OP_MOV, X86_RSP, GS(host_rsp));
	emit_ri(e, true, 0, X86_RSP, 8);
	for (unsigned i = 0; i < sizeof(pop); i++)
		emit8(e, pop[i]);
}

/* To the address in RAX, which is generated code or the leave stub. Flags are
 * in both places then, so any entry will do. */
static void emit_go_rax(struct emit *e)
{
	emit_mov(e, T0, X86_RAX);
	return_rsp(e, 0);
	load_gprs(e);
	emit_restore_flags(e);
	emit8(e, 0x41);
	emit8(e, 0xff);
	emit8(e, 0xe2);
}

/*
 * The same from a stub that was called: by a return in place of the one that
 * the processor expects, so that it predicts the guest's next ones aright.
 */
static void emit_return_rax(struct emit *e)
{
	emit_mov(e, T0, X86_RAX);
	return_rsp(e, 0);
	load_gprs(e);
	emit_restore_flags(e);
	emit8(e, 0x41);
	emit8(e, 0x52); /* push %r10 */
	emit8(e, 0xc3);
}

/* Jumped to, with an argument in T0; C says where to go on. */
static u8 *emit_jumped(struct emit *e, void *fn)
{
	u8 *at = emit_pc(e);

	save_gprs(e);
	emit_mov(e, X86_RSI, T0);
	leave_rsp(e, 0);
	call_c(e, fn);
	emit_go_rax(e);
	return at;
}

static u8 *emit_flags_then(struct emit *e, const u8 *next)
{
	u8 *at = emit_pc(e);

	emit_save_flags(e);
	emit_jmp(e, next);
	return at;
}

/* Called, with a callout in T0; returns if C returns 0. */
static u8 *emit_callout_stub(struct emit *e)
{
	u8 *at = emit_pc(e);
	u8 *stay;

	save_gprs(e);
	emit_mov(e, X86_RSI, T0);
	leave_rsp(e, 8);
	call_c(e, (void *)run_callout);
	emit_rr(e, true, OP_TEST, X86_RAX, X86_RAX);
	stay = emit_jcc_fwd(e, CC_E);
	emit_return_rax(e);
	emit_land(e, stay);
	return_rsp(e, 8);
	load_gprs(e);
	emit8(e, 0xc3);
	return at;
}

/* Called, with a descriptor pushed: (%rsp) return address, 8(%rsp) desc. */
static u8 *emit_miss(struct emit *e, u32 tags)
{
	u8 *at = emit_pc(e);
	u8 *fault;

	emit_gs8(e, true, ALU_ADD, T0, T1, tags);
	save_gprs(e);
	emit_mov(e, X86_RSI, T0);
	emit_rm(e, false, OP_MOV, X86_RDX, X86_RSP, 8);
	emit_mov(e, X86_RCX, X86_RSP);
	leave_rsp(e, 16);
	call_c(e, (void *)mem_miss);
	emit_rr(e, true, OP_TEST, X86_RAX, X86_RAX);
	fault = emit_jcc_fwd(e, CC_E);
	emit_mov(e, T0, X86_RAX);
	return_rsp(e, 16);
	load_gprs(e);
	emit8(e, 0xc2);
	emit8(e, 8);
	emit8(e, 0);
	emit_land(e, fault);
	call_c(e, (void *)run_next);
	emit_return_rax(e);
	return at;
}

/* T1 survives: a CALL still needs it. */
static u8 *emit_commit(struct emit *e, bool host_flags)
{
	u8 *at = emit_pc(e);
	u8 *stay;

	if (host_flags)
		emit_save_flags(e);
	emit8(e, 0x41);
	emit8(e, 0x53); /* push %r11 */
	save_gprs(e);
	emit_rm(e, true, OP_MOV, X86_RSI, X86_RSP, 16);
	leave_rsp(e, 24);
	call_c(e, (void *)mem_commit);
	emit_rr(e, true, OP_TEST, X86_RAX, X86_RAX);
	stay = emit_jcc_fwd(e, CC_E);
	emit_return_rax(e);
	emit_land(e, stay);
	return_rsp(e, 24);
	load_gprs(e);
	emit8(e, 0x41);
	emit8(e, 0x5b); /* pop %r11 */
	if (host_flags)
		emit_restore_flags(e);
	emit8(e, 0xc2);
	emit8(e, 8);
	emit8(e, 0);
	return at;
}

/* As emit_return_rax(): drops an entry of the shadow stack, T0 instead. */
static void drop_to_t0(struct emit *e)
{
	emit_rm(e, true, OP_STORE, T0, X86_RSP, 8);
	emit_rm(e, true, OP_LEA, X86_RSP, X86_RSP, 8);
	emit8(e, 0xc3);
}

/*
 * Jumped to from a RET, guest address in T0: it is not the return of the last
 * call. Of the one before? Some kernels call only to train the processor's
 * predictor, and drop the address. Else it is rather a jump, and is looked
 * up. In both cases the last call is forgotten.
 *
 * @host_flags: flags are in EFLAGS, before and after, and the shadow stack
 * holds complements.
 */
static u8 *emit_ret_miss(struct emit *e, const struct stubs *s, unsigned n,
			 bool host_flags)
{
	u8 *at = emit_pc(e);
	u8 *empty, *other, *miss;

	if (host_flags)
		emit_save_flags(e);
	emit_gs(e, true, ALU_CMP, X86_RSP,
		GS(shadow[0].base) + n * (u32)sizeof(struct shadow));
	empty = emit_jcc_fwd(e, CC_E);
	emit_rm(e, true, OP_MOV, T1, X86_RSP, 24);
	if (host_flags)
		emit_not(e, T1);
	emit_rr(e, true, ALU_CMP, T0, T1);
	other = emit_jcc_fwd(e, CC_NE);
	emit_mov_imm(e, T1, (u64)(uintptr_t)s->ret);
	emit_rm(e, true, OP_STORE, T1, X86_RSP, 8);
	emit_rm(e, true, OP_LEA, X86_RSP, X86_RSP, 8);
	if (host_flags)
		emit_restore_flags(e);
	emit8(e, 0xc3);
	emit_land(e, other);
	miss = flow_find(e, n);
	flow_to_found(e, n, OP_MOV);
	if (host_flags)
		emit_restore_flags(e);
	drop_to_t0(e);
	emit_land(e, miss);
	emit_rm(e, true, OP_LEA, X86_RSP, X86_RSP, 16);
	/* It may still be found, and flags must be where they are wanted. */
	if (host_flags)
		emit_restore_flags(e);
	emit_jmp(e, host_flags ? s->jump_miss_host[n] : s->jump_miss[n]);
	emit_land(e, empty);
	if (!host_flags) {
		flow_lookup(e, s, n);
		return at;
	}
	emit_restore_flags(e);
	flow_lookup_host(e, s, n);
	return at;
}

/*
 * Returned to from the base: the guest's address equals the sentinel, or its
 * complement. DEVIATES: what follows is a #GP, for the address is not canonical,
 * and it shows a wrong RIP, and arithmetic flags that are not the last ones.
 */
static u8 *emit_shadow_empty(struct emit *e, const struct stubs *s,
			     unsigned n)
{
	u8 *at = emit_pc(e);

	emit_gs(e, true, OP_MOV, X86_RSP,
		GS(shadow[0].base) + n * (u32)sizeof(struct shadow));
	emit_jmp(e, s->jump_plain);
	return at;
}

static u8 *emit_segment_fault(struct emit *e)
{
	u8 *at = emit_pc(e);

	save_gprs(e);
	emit_rm(e, false, OP_MOV, X86_RSI, X86_RSP, 8);
	emit_rm(e, true, OP_MOV, X86_RDX, X86_RSP, 0);
	leave_rsp(e, 16);
	call_c(e, (void *)run_segment_fault);
	emit_return_rax(e);
	return at;
}

int stubs_make(struct engine *g)
{
	struct stubs *s = &g->stubs;
	struct emit em = { .p = g->code.rw,
			   .end = g->code.rw + STUB_BYTES,
			   .to_rx = -(s64)g->rw_offset };
	struct emit *e = &em;
	const u8 *jump;

	s->leave = emit_pc(e);
	emit_leave(e);
	s->callout = emit_callout_stub(e);
	s->exit_saved = emit_jumped(e, (void *)run_exit);
	s->exit_host = emit_flags_then(e, s->exit_saved);
	s->poll_saved = emit_jumped(e, (void *)run_poll);
	s->poll_host = emit_flags_then(e, s->poll_saved);
	jump = emit_jumped(e, (void *)run_jump);
	s->jump_plain = emit_jumped(e, (void *)run_jump_plain);
	for (unsigned n = 0; n < JC_COUNT; n++) {
		s->jump_miss[n] = stub_jump_miss(e, n, false, jump);
		s->jump_miss_host[n] = stub_jump_miss(e, n, true, jump);
	}
	s->enter = emit_pc(e);
	emit_enter(e);
	s->ret = emit_pc(e);
	emit8(e, 0xc3);
	s->commit_host = emit_commit(e, true);
	s->commit_saved = emit_commit(e, false);
	s->segment_fault = emit_segment_fault(e);
	s->syscall[0] = stub_syscall(e, s, MMU_USER, key_kernel_windows(g));
	s->syscall[1] = stub_syscall(e, s, JC_USER_WINDOW,
				     key_kernel_windows(g));
	s->sysret[0] = stub_sysret(e, s, MMU_USER);
	s->sysret[1] = stub_sysret(e, s, JC_USER_WINDOW);
	s->iret[0] = stub_iret(e, s, MMU_USER);
	s->iret[1] = stub_iret(e, s, JC_USER_WINDOW);
	for (unsigned n = 0; n < JC_COUNT; n++) {
		s->shadow_empty[n] = emit_shadow_empty(e, s, n);
		s->ret_miss[n] = emit_ret_miss(e, s, n, false);
		s->ret_miss_host[n] = emit_ret_miss(e, s, n, true);
	}
	for (unsigned m = 0; m < MMU_COUNT; m++) {
		for (unsigned k = 0; k < 8; k++)
			s->string[m][k / 4][k % 4] =
				stub_string(e, m, (int)k / 4, k % 4);
		s->miss[m][0] = emit_miss(e, GS(tlb[0].read_tag) +
						     m * sizeof(struct tlb));
		s->miss[m][1] = emit_miss(e, GS(tlb[0].write_tag) +
						     m * sizeof(struct tlb));
	}
	return emit_full(e) ? -ENOSPC : 0;
}
