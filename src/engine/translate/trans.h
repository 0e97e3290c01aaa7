/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trans.h - one translation under way: what the parts of the translator
 * share while they turn a run of guest instructions into a block.
 *
 * Every instruction is emitted as: bring flags where they must be; compute
 * and check memory operands; the instruction proper, with registers
 * substituted; write back. Nothing of the guest's state changes before the
 * last check of an instruction has passed, so a fault is precise.
 */
#ifndef DOPPEL_TRANSLATE_TRANS_H
#define DOPPEL_TRANSLATE_TRANS_H

#include "engine/translate/emit.h"
#include "engine/translate/engine.h"
#include "engine/translate/gate.h"
#include "engine/translate/gs.h"
#include "engine/translate/key.h"
#include "x86/bounds.h"

#define TRANS_MAX_COLD 128

/* Code that is seldom run, put behind the block. */
struct cold {
	enum {
		COLD_MISS,
		COLD_SEGMENT,
		COLD_FAR,
		COLD_CALL,
		COLD_CALLOUT,
		COLD_RET,
		COLD_JUMP,
		COLD_RETURN,
	} kind;
	u8 *from; /* after the jump's rel32 */
	u8 *more[16]; /* COLD_CALLOUT: several, up to a NULL */
	struct callout *callout;
	u32 key; /* of the code there */
	u8 *resume; /* COLD_MISS: where to go on */
	u8 *end; /* ... of the instruction, if a write must be committed */
	u32 desc; /* MISS_* */
	bool swapped; /* COLD_FAR: see homes.c */
	u8 flags; /* at .end, or at a far exit; COLD_CALLOUT: to be kept */
	u8 insn;
	/* COLD_FAR, COLD_RETURN; of other jumps what they have added to RSP */
	s32 target;
	u8 nth; /* COLD_RETURN: of .returns */
};

/* What T0 or T1 holds; see held.c. */
#define HELD_LOOP 2
enum { AT_RIP = 16, AT_FS, AT_GS, AT_ZERO, AT_TOP, AT_SUM, AT_COUNT };
struct held {
	enum { HELD_OTHER, HELD_DELTA, HELD_SUM, HELD_PLACE } kind;
	/* DELTA: what for, bit n being a general register or AT_*; each is at
	 * most .off from the address that was looked up. PLACE: the same, of
	 * .base. */
	u32 serves;
	u64 off[AT_COUNT];
	/* SUM: base, a register or AT_*, + index << scale + disp. PLACE: what
	 * is there to be added; or none, for what is near .base. */
	u8 base, index, scale;
	u8 reg; /* in a loop, the host's that holds it */
	s32 disp;
};

struct trans {
	struct tcpu *t;
	struct engine *g;
	struct emit e; /* to the block's hot or cold part, as its turn is */
	struct segment *seg;
	struct block *b;
	u32 key;
	enum x86_code_size size;
	enum mmu_index mmu;
	unsigned jc; /* which jump cache */
	gpa_t gpa; /* of the block */
	u32 page_off; /* gpa & 4095: offset of the block from code_base */
	gva_t code_base; /* where its page is now, not necessarily later */

	unsigned seg_now; /* of the access being made */
	struct operand mem; /* where its operand is, checked */

	bool soft; /* the block is to use no windows */
	bool windowed; /* memory is reached through them now */
	bool any_windowed; /* ... or was, earlier in the block */
	/* T0, T1, and for a loop what it holds; of use while .windowed. */
	struct held held[2 + LOOP_MAX];
	u8 kept[2]; /* registers in T0, T1 when the instruction is done */
	unsigned loop_count;
	bool looped; /* the block is a loop, and swapped */
	u8 *loop_poll; /* the jump that leaves it to look for requests */
	struct x86_bounds bounds; /* of the guest's registers */
	s32 owed; /* to RSP by PUSH and POP: see stack.c */
	u8 home[16]; /* host registers of the guest's, or NO_HOME: memory */
	bool swapped; /* ... other than usual: see homes.c */

	const struct x86_insn *i; /* the current instruction */
	unsigned n; /* its number */
	s32 at, next; /* offsets of it and of what follows, from code_base */
	u8 flags; /* enum flags_at */
	bool ended; /* control does not go on to .next */
	bool end_polled; /* end the block and poll after this instruction */
	bool end_after_next; /* STI: the same, one instruction later */
	bool too_long; /* the last instruction has more than 15 bytes */
	bool failed;
	bool x87_page_noted;

	struct cold cold[TRANS_MAX_COLD];
	unsigned cold_count;
	struct insn_meta meta[2 * BLOCK_MAX_INSNS + TRANS_MAX_COLD];
	unsigned meta_count;
	struct x86_insn insns[BLOCK_MAX_INSNS];
	unsigned insn_count;
	unsigned sides; /* branches behind which the block goes on */
	unsigned calls; /* the same */
	struct block_return returns[BLOCK_MAX_CALLS];
	unsigned return_count;
	struct block_exit exits[BLOCK_MAX_SIDES + 2 * BLOCK_MAX_CALLS + 3];
	unsigned exit_count;
};

static inline bool in_long_code(const struct trans *tr)
{
	return tr->key & KEY_CODE64;
}

/* --- flags (trans.c) --- */
void flags_need_saved(struct trans *tr);
void flags_need_host(struct trans *tr);

/* --- plan.c --- */
/* Why a block ends where it does; PLAN_CROSSES: the next instruction goes over
 * to the next page. */
enum plan_stop { PLAN_FULL, PLAN_END, PLAN_CROSSES };
/* Decodes the block at tr->gpa; @gpa2: the page that its one instruction goes
 * over to, or ~0. */
enum plan_stop plan_block(struct trans *tr, gpa_t gpa2);
/* Nothing of the block follows. */
bool plan_always_leaves(const struct x86_insn *i);
/* Behind it the mode may be another, or an interrupt be due. */
bool plan_ends_polled(const struct trans *tr, const struct x86_insn *i);

/* --- entry.c --- */
/* Returns the jump that is taken when the poll finds something. */
u8 *entry_emit(struct trans *tr);
/* Looks for requests once more. */
u8 *entry_poll_again(struct trans *tr);
/* What of the entries is in the block's cold part. */
void entry_emit_apart(struct trans *tr);

/* --- insn.c --- */
bool insn_touches_memory(const struct x86_insn *i);
/* What a fault needs to know of the instruction at @guest that comes now. */
struct insn_meta *insn_meta_add(struct trans *tr, unsigned guest);
void insn_emit(struct trans *tr);
void insn_emit_callout(struct trans *tr, const struct callout *c);

/* --- cold.c --- */
void cold_emit(struct trans *tr);
bool cold_exits_finish(struct trans *tr); /* false: no memory */
void cold_emit_exits(struct trans *tr);
void cold_emit_poll(struct trans *tr, u8 *poll);

/* --- access.c --- */
/* T0 = the effective address; then, with the segment base added and checked,
 * the host address. */
void access_offset(struct trans *tr);
void access_segment(struct trans *tr, unsigned seg, unsigned bytes,
		    unsigned acc);
/* A jump emitted before @from leads to the fault of segment @seg: #SS for SS,
 * #GP for others. */
void access_segment_cold(struct trans *tr, u8 *from, unsigned seg);
/* T0: linear address -> host address. Flags become SAVED. @acc: ACC_*. */
void access_check(struct trans *tr, unsigned bytes, unsigned acc);
/* All of it for the instruction's memory operand: tr->mem is where it is. In
 * a windowed block flags stay as they are, and T1 is taken; else flags become
 * SAVED, and it is at [T0]. */
void access_operand(struct trans *tr, unsigned bytes, unsigned acc);
/* The same for @from + @disp on the stack, @from being RSP or RBP. */
void access_stack(struct trans *tr, unsigned from, s32 disp, unsigned bytes,
		  unsigned acc);
/* The same for the linear address in T0. */
void access_linear(struct trans *tr, unsigned bytes, unsigned acc);
/* Of a stack address: 8, 4 or 2. */
unsigned access_stack_bytes(const struct trans *tr);
/* The instruction is complete: its write (if bounced) is committed here. */
void access_end(struct trans *tr);

/* --- reach.c --- through windows */
/* Can the current instruction's operand be reached so? */
bool reach_can(const struct trans *tr);
void reach_operand(struct trans *tr);
/* The same for guest register @r + @disp, which the host has. */
void reach_stack(struct trans *tr, unsigned r, s32 disp);
/* ... and for the address in T0. */
void reach_linear(struct trans *tr);
/* @to (T0 or T1) = the delta for the address in @reg. */
void reach_delta(struct trans *tr, unsigned reg, unsigned to);
/* What struct insn_meta says of a fault in a window: .delta is the register
 * that holds it, or that plus guest register .base; T0 is the host's address,
 * T1 something else; RSI and RDI are moved. */
enum { META_PLAIN, META_PLACE, META_ADDRESS, META_MOVS, META_STOS };
/* --- reach_string.c --- MOVS and STOS */
bool reach_can_string(const struct trans *tr, const struct x86_insn *i);
void reach_string(struct trans *tr);

/* --- loop.c --- */
bool loop_is(const struct trans *tr);
/* What it is to hold; @used: host registers that are taken. */
void loop_choose(struct trans *tr, u32 *used);
/* Swapped already. */
void loop_enter(struct trans *tr);

/* --- held.c --- what T0 and T1 hold. @scratch: either of them --- */
void held_init(struct trans *tr);
struct held *held_in(struct trans *tr, unsigned scratch);
/* It is something else now. */
void held_lose(struct trans *tr, unsigned scratch);
void held_lose_both(struct trans *tr);
/* It is the delta of @at. */
void held_set_delta(struct trans *tr, unsigned scratch, unsigned at);
/* ... and of @at, @off away from what was looked up. */
void held_serve(struct held *h, unsigned at, u64 off);
/* Which of them is a delta for what is at most @beyond from @at; -1: none. */
int held_delta_of(struct trans *tr, unsigned at, u64 beyond);
int held_place_of(struct trans *tr, unsigned reg, u64 beyond);
/* ... is where the host has @base, to which the rest of the sum is added. */
int held_place_of_sum(struct trans *tr, unsigned base, unsigned index,
		      unsigned scale);
/* Is it the value of guest register @r, and which of them is? -1: none. */
bool held_is_value(struct trans *tr, unsigned scratch, unsigned r);
int held_value_of(struct trans *tr, unsigned r);
/* It will be when the current instruction is done. */
void held_keep_value(struct trans *tr, unsigned scratch, unsigned r);
/* Which can best do without what it holds, the next instruction first. */
unsigned held_spare(struct trans *tr);
/* Which to put something new into, for the current instruction. */
unsigned held_choose(struct trans *tr);
/* RSP has been moved by @n. */
void held_moved_rsp(struct trans *tr, s64 n);
/* The current instruction is complete. */
void held_after(struct trans *tr);


/* --- copy.c --- */
/* How many of R9 to R11 the instruction names beside its memory operand. */
unsigned copy_stolen(const struct trans *tr, const struct x86_insn *i);
/* Is AH, CH, DH or BH among its operands? */
bool copy_has_high_byte(const struct x86_insn *i);
/* Emits the instruction itself; a memory operand is at tr->mem. */
void copy_insn(struct trans *tr);
/* Host register for guest register @r, or -1 if it lives in memory. */
int host_reg(const struct trans *tr, unsigned r);
/* @dst <- guest register @r (64 bits), flags untouched. */
void load_guest(struct trans *tr, unsigned dst, unsigned r);
/* Guest register @r <- host register @src, @bytes wide (1 is not for AH..);
 * 4 clears the upper half. */
void store_guest(struct trans *tr, unsigned r, unsigned src, unsigned bytes);

/* --- homes.c --- */
void homes_init(struct trans *tr);
/* Swaps if it pays, after the block was decoded, behind its entries. */
void homes_in(struct trans *tr);
/* Back again, if they are swapped. */
void homes_out(struct trans *tr);
/* Is the current instruction one that needs them as usual? */
bool homes_end_before(const struct trans *tr);
/* What homes_out() emits, for the code of an exit apart. */
void homes_emit_out(struct trans *tr);

/* --- flow.c --- */
void flow_exit(struct trans *tr, s32 target, bool polled);
/* The same for a jump, which faults here if it leads out of its segment. */
void flow_jump(struct trans *tr, s32 target);
/* Checks the target of a jump in @reg (T0, T1): before anything else is done,
 * for the fault is the jump's. A direct one's: uses T0. */
void flow_check(struct trans *tr, unsigned reg);
void flow_check_direct(struct trans *tr, s32 target);
/* To the address in T0: where a direct jump to another page leads. */
void flow_jump_direct(struct trans *tr);
/* An indirect jump to there, which has added @rsp_moved to RSP. */
void flow_jump_t0(struct trans *tr, s32 rsp_moved);
void flow_cold_jump(struct trans *tr, struct cold *c);
void flow_call(struct trans *tr, unsigned ret, s32 target, bool indirect);
bool flow_is_far(const struct trans *tr);
void flow_far_exit(struct trans *tr, struct block_exit *x);
void flow_cold_call(struct trans *tr, struct cold *c);
void flow_cold_return(struct trans *tr, struct cold *c);
void flow_ret(struct trans *tr, s32 rsp_moved);
void flow_cold_ret(struct trans *tr, struct cold *c);
void flow_jcc(struct trans *tr);
void flow_loop(struct trans *tr);
void flow_cold_far(struct trans *tr, struct cold *c);
void flow_code_address(struct trans *tr, unsigned reg, s32 off);

/* --- stack.c --- */
void stack_push(struct trans *tr);
void stack_pop(struct trans *tr);
void stack_call(struct trans *tr);
void stack_ret(struct trans *tr);
void stack_leave(struct trans *tr);
/* Before the current instruction, and at the end: RSP is what it is to be,
 * unless the instruction can do without. */
void stack_settle_before(struct trans *tr);
void stack_settle(struct trans *tr);
/* Pushes scratch[0]. */
void stack_push_scratch(struct trans *tr, unsigned bytes);
void stack_pushf(struct trans *tr);

/* --- x87.c --- what FIP, FDP and FOP are to tell */
bool x87_is_noted(const struct x86_insn *i);
bool x87_waits(const struct x86_insn *i);
void x87_note_offset(struct trans *tr); /* of the operand: in T0 */
void x87_note(struct trans *tr); /* behind the instruction */

/* --- trans.c --- */
/* What follows in the block is for @key. */
void trans_set_key(struct trans *tr, u32 key);
void trans_callout(struct trans *tr,
		   enum callout_result (*fn)(struct tcpu *, struct callout *));
/* For an instruction that is generated if it is a plain one: the callout that
 * it is otherwise. Flags are SAVED. NULL: no room, the translation fails. */
struct cold *cold_callout(struct trans *tr, callout_fn fn);
/* The same, but flags are where they are, before and after. */
struct cold *cold_callout_keeping(struct trans *tr, callout_fn fn);
/* It is jumped to by @jump (of emit_jcc_fwd). */
void cold_from(struct cold *c, u8 *jump);
/* The instruction is complete; flags are SAVED. NULL is nothing. */
void cold_resume(struct trans *tr, struct cold *c);

/* --- system.c --- */
/* Generates the current instruction, or returns false: in C. */
bool system_insn(struct trans *tr);
/* Are STAC and CLAC generated? */
bool system_switches_ac(u32 key);

/* --- strings.c --- */
bool string_is_generated(u32 key, const struct x86_insn *i);
void string_insn(struct trans *tr);

/* --- syscall.c --- */
bool syscall_insn(struct trans *tr);
bool sysret_insn(struct trans *tr);
/* Leaves for the user whose mode is @tr's but for the privilege, by @stubs, if
 * that is the one that its jump cache is for; else @slow. */
void user_enter(struct trans *tr, u8 *const stubs[2], struct cold *slow);

/* --- iret.c --- */
bool iret_insn(struct trans *tr);

#endif
