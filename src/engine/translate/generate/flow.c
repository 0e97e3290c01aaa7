/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.c - how a block is left: direct jumps within the page, which can be
 * chained; jumps to anywhere else, which look their target up in the jump
 * cache by virtual address.
 *
 * Position independence: nothing here knows the virtual address of the block.
 * Offsets count from the start of its physical page, and %gs:code_base is the
 * virtual address that page has now.
 */
#include "engine/translate/trans.h"

void flow_code_address(struct trans *tr, unsigned reg, s32 off)
{
	bool wide = in_long_code(tr);

	emit_gs(&tr->e, true, OP_MOV, reg, GS(code_base));
	emit_lea(&tr->e, wide, reg, reg, 0xff, 0, off);
	if (tr->size == X86_CODE16 && tr->i && tr->i->opsize == 2) {
		emit_rex(&tr->e, false, reg, 0, reg);
		emit8(&tr->e, 0x0f);
		emit8(&tr->e, 0xb7);
		emit8(&tr->e, (u8)(0xc0 | (reg & 7) << 3 | (reg & 7)));
	}
}

/* No chaining, and C looks after each instruction. */
static bool is_stepping(const struct trans *tr)
{
	return tr->key & KEY_ALONE;
}

/* Flags are where they have to be when the block is left by a jump, call or
 * return to anywhere. */
static void flags_to_leave(struct trans *tr)
{
	if (key_flags(tr->key) == FLAGS_HOST)
		flags_need_host(tr);
	else
		flags_need_saved(tr);
	tr->flags = key_flags(tr->key);
}

static void cold_add(struct trans *tr, int kind, u8 *from, u8 *resume,
		     s32 rsp_moved)
{
	if (tr->cold_count == TRANS_MAX_COLD) {
		tr->failed = true;
		return;
	}
	tr->cold[tr->cold_count++] = (struct cold){ .kind = kind,
						    .from = from,
						    .resume = resume,
						    .target = rsp_moved,
						    .key = tr->key,
						    .insn = (u8)tr->n };
}

/*
 * Where an indirect jump is, and what it has added to RSP: if its target is
 * not canonical, it must not have happened. See run.c, jumps_nowhere(). Such a
 * target is in no jump cache, so it is enough to note it on the way to C.
 */
static void emit_note(struct trans *tr, s32 rsp_moved)
{
	struct emit *e = &tr->e;

	emit_gs(e, true, OP_MOV, T1, GS(code_base));
	emit_gs(e, true, OP_STORE, T1, GS(jump_base));
	emit_gs_imm32(e, false, 0xc7, 0, GS(jump_from),
		      (u32)rsp_moved << PAGE_SHIFT |
			      ((u32)tr->at & (PAGE_SIZE - 1)));
}

static u8 *find(struct trans *tr)
{
	return tr->flags == FLAGS_HOST ? flow_find_host(&tr->e, tr->jc) :
					 flow_find(&tr->e, tr->jc);
}

/* A jump to another page, to T0: its miss needs no note. */
void flow_jump_direct(struct trans *tr)
{
	tr->ended = true;
	if (is_stepping(tr)) {
		flags_need_saved(tr);
		emit_jmp(&tr->e, tr->g->stubs.jump_plain);
		return;
	}
	flags_to_leave(tr);
	if (tr->flags == FLAGS_HOST)
		flow_lookup_host(&tr->e, &tr->g->stubs, tr->jc);
	else
		flow_lookup(&tr->e, &tr->g->stubs, tr->jc);
}

void flow_jump_t0(struct trans *tr, s32 rsp_moved)
{
	if (is_stepping(tr)) {
		emit_note(tr, rsp_moved);
		flow_jump_direct(tr);
		return;
	}
	tr->ended = true;
	flags_to_leave(tr);
	cold_add(tr, COLD_JUMP, find(tr), NULL, rsp_moved);
	flow_to_found(&tr->e, tr->jc, 4);
}

void flow_cold_jump(struct trans *tr, struct cold *c)
{
	emit_land(&tr->e, c->from);
	emit_note(tr, c->target);
	emit_jmp(&tr->e, key_flags(c->key) == FLAGS_HOST ?
				 tr->g->stubs.jump_miss_host[key_jc(c->key)] :
				 tr->g->stubs.jump_miss[key_jc(c->key)]);
}

/* The rel32 that a patch will change must not cross an 8-byte boundary. */
static void align_field(struct trans *tr, unsigned opcode_bytes)
{
	unsigned at = (unsigned)((uintptr_t)emit_pc(&tr->e) + opcode_bytes) & 7;

	if (at > 4)
		emit_nop(&tr->e, 8 - at);
}

/* Does the instruction there go over to the next page? Nothing is chained to
 * such blocks, so the jump cache is the way. */
static bool crosses(const struct trans *tr, s32 target)
{
	unsigned avail = (unsigned)(PAGE_SIZE - (u32)target);
	const u8 *p = gmem_hva(&tr->g->vm->mem,
			       (tr->gpa & PAGE_MASK) + (u32)target, avail);
	struct x86_insn i;

	return avail < X86_INSN_MAX && p &&
	       x86_decode(p, avail, tr->size, &i) == X86_DECODE_SHORT;
}

static bool on_page(const struct trans *tr, s32 target)
{
	return target >= 0 && target < (s32)PAGE_SIZE &&
	       !is_stepping(tr) && tr->size != X86_CODE16 &&
	       tr->b->gpa2 == ~0ull && !crosses(tr, target);
}

/* May a jump to another page be chained? See link.c. */
bool flow_is_far(const struct trans *tr)
{
	return in_long_code(tr) && !is_stepping(tr) &&
	       (tr->mmu != MMU_USER || key_flags(tr->key) == FLAGS_HOST);
}

/*
 * Chained, to another page of the user's: only if what has been translated
 * there is what is mapped where it leads now. If not, goes on behind. Which
 * code_at[] it compares, and the jump, is patched; that of 0 equals nothing.
 */
static void emit_guard(struct trans *tr, struct block_exit *x)
{
	struct emit *e = &tr->e;
	u8 *same, *other;

	x->guarded = true;
	x->guard = emit_pc(e);
	emit_mov(e, T0, X86_RCX);
	flow_code_address(tr, T1, x->target & (s32)PAGE_MASK);
	emit_gs(e, true, OP_MOV, X86_RCX, GS(code_at[0]));
	x->guard_page = (u8)(emit_pc(e) - 4 - x->guard);
	emit_lea(e, true, X86_RCX, X86_RCX, T1, 0, 0);
	same = emit_jrcxz(e);
	emit_mov(e, X86_RCX, T0);
	other = emit_jmp_fwd(e);
	emit_jrcxz_land(e, same);
	emit_mov(e, X86_RCX, T0);
	emit_gs(e, true, OP_STORE, T1, GS(code_base));
	/* The rel32 is to be aligned as all that are patched. */
	align_field(tr, 1);
	x->guard_jump = (u8)(emit_pc(e) + 1 - x->guard);
	emit_jmp(e, x->guard);
	emit_land(e, other);
}

/* What a far exit does while it is not chained, or may not be. */
void flow_far_exit(struct trans *tr, struct block_exit *x)
{
	struct emit *e = &tr->e;
	u8 *miss;

	trans_set_key(tr, x->key);
	tr->flags = key_flags(x->key);
	if (tr->mmu != MMU_USER) {
		x->lookup = emit_pc(e);
		flow_code_address(tr, T0, x->target);
		flow_jump_direct(tr);
		x->unlinked = emit_pc(e);
		return;
	}
	emit_guard(tr, x);
	x->lookup = emit_pc(e);
	flow_code_address(tr, T0, x->target);
	miss = find(tr);
	flow_to_found(e, tr->jc, 4);
	emit_land(e, miss);
	x->unlinked = emit_pc(e);
}

/* Records a patchable exit whose rel32 field has just been emitted. */
static void exit_record(struct trans *tr, s32 target, bool polled)
{
	struct block_exit *x = &tr->exits[tr->exit_count++];

	BUG_ON(tr->exit_count > ARRAY_SIZE(tr->exits));
	*x = (struct block_exit){ 0 };
	x->from = tr->b;
	x->key = tr->key;
	x->target = target;
	x->flags = tr->flags;
	x->backward = polled || target <= tr->at;
	x->patch = emit_pc(&tr->e) - 4;
}

static void exit_record_far(struct trans *tr, s32 target, bool polled)
{
	exit_record(tr, target, polled);
	tr->exits[tr->exit_count - 1].far = true;
}

/* A loop's jump back, on @cc or always; then what follows it. */
static void loop_back(struct trans *tr, int cc, s32 target)
{
	struct emit *e = &tr->e;

	flags_need_host(tr);
	align_field(tr, cc < 0 ? 1 : 2);
	if (cc < 0) {
		emit8(e, 0xe9);
	} else {
		emit8(e, 0x0f);
		emit8(e, (u8)(0x80 | cc));
	}
	emit32(e, 0);
	exit_record(tr, target, true);
	tr->exits[tr->exit_count - 1].loop = true;
	homes_out(tr);
	tr->ended = true;
	if (cc >= 0)
		flow_exit(tr, tr->next, false);
}

static bool is_loop_end(const struct trans *tr)
{
	return tr->looped && tr->n + 1 == tr->insn_count;
}

void flow_exit(struct trans *tr, s32 target, bool polled)
{
	tr->ended = true;
	if (!on_page(tr, target)) {
		if (!flow_is_far(tr)) {
			flow_code_address(tr, T0, target);
			flow_jump_direct(tr);
			return;
		}
		flags_to_leave(tr);
		align_field(tr, 1);
		emit8(&tr->e, 0xe9);
		emit32(&tr->e, 0);
		exit_record_far(tr, target, polled);
		return;
	}
	align_field(tr, 1);
	emit8(&tr->e, 0xe9);
	emit32(&tr->e, 0);
	exit_record(tr, target, polled);
}

/* SDM 3A 5.3 "Limit Checking" */
void flow_check(struct trans *tr, unsigned reg)
{
	if (!(tr->key & KEY_LIMIT))
		return;
	flags_need_saved(tr);
	emit_gs(&tr->e, false, ALU_CMP, reg, GS(v.x86.seg[X86_CS].limit));
	access_segment_cold(tr, emit_jcc_fwd(&tr->e, CC_A), X86_CS);
	tr->flags = FLAGS_SAVED;
}

void flow_check_direct(struct trans *tr, s32 target)
{
	if (!(tr->key & KEY_LIMIT))
		return;
	flow_code_address(tr, T0, target);
	flow_check(tr, T0);
}

void flow_jump(struct trans *tr, s32 target)
{
	if (is_loop_end(tr)) {
		loop_back(tr, -1, target);
		return;
	}
	flow_check_direct(tr, target);
	flow_exit(tr, target, false);
}

/*
 * A return to T0, unless it is not to where the last call came from. With
 * flags in EFLAGS the shadow stack holds the complement of the address:
 * their sum plus one is then 0, and JRCXZ knows.
 */
void flow_ret(struct trans *tr, s32 rsp_moved)
{
	struct emit *e = &tr->e;
	u8 *same = NULL, *miss;

	flags_to_leave(tr);
	if (tr->flags == FLAGS_HOST) {
		emit_mov(e, T1, X86_RCX);
		emit_rm(e, true, OP_MOV, X86_RCX, X86_RSP, 8);
		emit_lea(e, true, X86_RCX, X86_RCX, T0, 0, 1);
		same = emit_jrcxz(e);
		emit_mov(e, X86_RCX, T1);
		miss = emit_jmp_fwd(e);
		emit_jrcxz_land(e, same);
		emit_mov(e, X86_RCX, T1);
	} else {
		/* cmp 8(%rsp), %r10 */
		emit_rm(e, true, ALU_CMP, T0, X86_RSP, 8);
		miss = emit_jcc_fwd(e, CC_NE);
	}
	cold_add(tr, COLD_RET, miss, NULL, rsp_moved);
	emit8(e, 0xc3);
	tr->ended = true;
}

void flow_cold_ret(struct trans *tr, struct cold *c)
{
	emit_land(&tr->e, c->from);
	emit_note(tr, c->target);
	emit_jmp(&tr->e, key_flags(c->key) == FLAGS_HOST ?
				 tr->g->stubs.ret_miss_host[key_jc(c->key)] :
				 tr->g->stubs.ret_miss[key_jc(c->key)]);
}

/*
 * Does what is called begin by dropping its return address? Linux does that
 * before each return, on processors that are to be kept from predicting it.
 * Then the call is none. Only a guess: if it is wrong, or will be, a return
 * is predicted wrong.
 */
static bool drops_return(struct trans *tr, s32 target)
{
	u64 code = 0;
	gpa_t gpa;

	if (!in_long_code(tr) ||
	    !tlb_peek_code(tr->t, tr->code_base + (u64)(s64)target, &gpa) ||
	    (gpa & ~PAGE_MASK) > PAGE_SIZE - 5 ||
	    !gmem_read(&tr->g->vm->mem, gpa, &code, 5))
		return false;
	return code == 0x0824648d48 || /* lea 8(%rsp), %rsp */
	       (u32)code == 0x08c48348; /* add $8, %rsp */
}

/*
 * A call in the middle of the block returns to the instruction that comes now,
 * LEA 8(%rsp), as long as the block is there. When it is dropped, the shadow
 * stack still leads here: a jump takes the place of the LEA, which has as many
 * bytes (link_disable_entries()).
 */
static void return_here(struct trans *tr)
{
	if (tr->cold_count == TRANS_MAX_COLD) {
		tr->failed = true;
		return;
	}
	tr->returns[tr->return_count].at = emit_pc(&tr->e);
	tr->cold[tr->cold_count++] =
		(struct cold){ .kind = COLD_RETURN,
			       .nth = (u8)tr->return_count++,
			       .flags = tr->flags,
			       .key = tr->key,
			       .target = tr->next,
			       .insn = (u8)tr->n };
}

/*
 * A call: @ret is the guest's return address, which is on its stack already.
 * It goes on the shadow stack as well, and the host's own CALL pushes where
 * to go on when the guest returns there: right behind, where the page's
 * address is got back from the return address (T0 then) and the block goes on
 * or ends like any other. @indirect: the target is in scratch[0].
 */
void flow_call(struct trans *tr, unsigned ret, s32 target, bool indirect)
{
	struct emit *e = &tr->e;
	bool direct = !indirect && on_page(tr, target);
	s32 rsp_moved = -(s32)tr->i->opsize;
	u8 *miss;

	if (is_stepping(tr) || tr->size == X86_CODE16) {
		if (indirect)
			emit_gs(e, true, OP_MOV, T0, GS(scratch[0]));
		else
			flow_code_address(tr, T0, target);
		flow_jump_t0(tr, rsp_moved);
		return;
	}
	if (!indirect && drops_return(tr, target)) {
		flow_exit(tr, target, false);
		return;
	}
	/* It faults if the shadow stack is full: fault.c empties it. */
	emit_rm(e, false, OP_MOV, ret == T0 ? T1 : T0, X86_RSP,
		-(s32)SHADOW_PROBE);
	if (key_flags(tr->key) == FLAGS_HOST)
		emit_not(e, ret);
	emit8(e, 0x41);
	emit8(e, (u8)(0x50 | (ret & 7))); /* push */
	flags_to_leave(tr);
	if (direct) {
		align_field(tr, 1);
		emit8(e, 0xe8);
		emit32(e, 0);
		exit_record(tr, target, false);
	} else if (!indirect && flow_is_far(tr)) {
		align_field(tr, 1);
		emit8(e, 0xe8);
		emit32(e, 0);
		exit_record_far(tr, target, false);
	} else {
		if (indirect)
			emit_gs(e, true, OP_MOV, T0, GS(scratch[0]));
		else
			flow_code_address(tr, T0, target);
		miss = find(tr);
		flow_to_found(e, tr->jc, 2);
		cold_add(tr, COLD_CALL, miss, e->p, indirect ? rsp_moved : 0);
	}
	/* The guest has returned; flags are as they were left. */
	emit_rm(e, true, OP_LEA, T1, T0, -tr->next);
	emit_gs(e, true, OP_STORE, T1, GS(code_base));
	if (tr->n + 1 < tr->insn_count)
		return_here(tr);
	emit_rm(e, true, OP_LEA, X86_RSP, X86_RSP, 8);
	if (tr->n + 1 == tr->insn_count)
		flow_exit(tr, tr->next, false);
}

/* When the block is dropped this is where its calls return to. */
void flow_cold_return(struct trans *tr, struct cold *c)
{
	tr->returns[c->nth].leave = emit_pc(&tr->e);
	emit_rm(&tr->e, true, OP_LEA, X86_RSP, X86_RSP, 8);
	trans_set_key(tr, c->key);
	tr->flags = c->flags;
	flow_exit(tr, c->target, false);
}

/* A taken branch to another page: apart from the block. */
void flow_cold_far(struct trans *tr, struct cold *c)
{
	emit_land(&tr->e, c->from);
	tr->flags = c->flags;
	trans_set_key(tr, c->key);
	if (c->swapped)
		homes_emit_out(tr);
	flow_exit(tr, c->target, false);
}

static void branch_to(struct trans *tr, enum x86_cc cc, s32 target)
{
	if (on_page(tr, target) && !tr->swapped) {
		align_field(tr, 2);
		emit8(&tr->e, 0x0f);
		emit8(&tr->e, (u8)(0x80 | cc));
		emit32(&tr->e, 0);
		exit_record(tr, target, false);
	} else if (tr->cold_count < TRANS_MAX_COLD) {
		struct cold *c = &tr->cold[tr->cold_count++];

		*c = (struct cold){ .kind = COLD_FAR,
				    .from = emit_jcc_fwd(&tr->e, cc),
				    .flags = tr->flags,
				    .swapped = tr->swapped,
				    .key = tr->key,
				    .target = target,
				    .insn = (u8)tr->n };
	} else {
		tr->failed = true;
	}
}

/*
 * Conditions of single flags, or of ZF or CF together, can be tested where
 * the flags were saved, without bringing them all back. Returns the mask for
 * flags_ax, or 0.
 */
static u16 saved_mask(enum x86_cc cc)
{
	switch (cc & ~1u) {
	case CC_O:
		return 0x0001;
	case CC_B:
		return 0x0100;
	case CC_E:
		return 0x4000;
	case CC_BE:
		return 0x4100;
	case CC_S:
		return 0x8000;
	case CC_P:
		return 0x0400;
	default:
		return 0;
	}
}

/* The target of a call is not in the jump cache: C calls it. */
void flow_cold_call(struct trans *tr, struct cold *c)
{
	emit_land(&tr->e, c->from);
	if (c->target)
		emit_note(tr, c->target);
	emit_call(&tr->e, key_flags(c->key) == FLAGS_HOST ?
				  tr->g->stubs.jump_miss_host[key_jc(c->key)] :
				  tr->g->stubs.jump_miss[key_jc(c->key)]);
	emit_jmp(&tr->e, c->resume + tr->e.to_rx);
}

static s32 branch_target(const struct trans *tr)
{
	return (s32)((s64)tr->next + (s64)tr->i->imm);
}

void flow_jcc(struct trans *tr)
{
	enum x86_cc cc = tr->i->opcode & 15;
	u16 mask = saved_mask(cc);
	s32 target = branch_target(tr);

	if (is_loop_end(tr)) {
		loop_back(tr, (int)cc, target);
		return;
	}
	if (tr->key & KEY_LIMIT) {
		u8 *not_taken;

		flags_need_saved(tr);
		flags_need_host(tr);
		not_taken = emit_jcc_fwd(&tr->e, cc ^ 1);
		flow_jump(tr, target);
		emit_land(&tr->e, not_taken);
		tr->flags = FLAGS_BOTH;
	} else if (tr->flags == FLAGS_SAVED && mask) {
		struct emit *e = &tr->e;

		/* testw $mask, %gs:flags_ax */
		emit8(e, 0x66);
		emit8(e, 0x65);
		emit8(e, 0xf7);
		emit8(e, 0x04);
		emit8(e, 0x25);
		emit32(e, GS(flags_ax));
		emit8(e, (u8)mask);
		emit8(e, (u8)(mask >> 8));
		branch_to(tr, cc & 1 ? CC_E : CC_NE, target);
	} else {
		flags_need_host(tr);
		branch_to(tr, cc, target);
	}
	/* Decoding has gone on behind it, unless that is where it ended. */
	if (tr->n + 1 == tr->insn_count)
		flow_exit(tr, tr->next, false);
}

/* JRCXZ, JECXZ, LOOP with 32- or 64-bit counters; no flags are touched. The
 * others are carried out in C. */
void flow_loop(struct trans *tr)
{
	struct emit *e = &tr->e;
	s32 target = branch_target(tr);
	u8 flags = tr->flags;
	u8 *zero, *other;

	if (tr->i->opcode == 0xe2)
		emit_lea(e, tr->i->adsize == 8, X86_RCX, X86_RCX, 0xff, 0, -1);
	if (tr->i->adsize == 4)
		emit8(e, 0x67);
	zero = emit_jrcxz(e);
	other = emit_jmp_fwd(e);
	emit_jrcxz_land(e, zero);
	flow_exit(tr, tr->i->opcode == 0xe2 ? tr->next : target, true);
	/* RCX is not zero. */
	emit_land(e, other);
	tr->flags = flags;
	flow_exit(tr, tr->i->opcode == 0xe2 ? target : tr->next, true);
}
