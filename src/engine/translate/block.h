/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block.h - one translated block: where its guest code is, where its host
 * code is, how it is left, and what connects it to others.
 */
#ifndef DOPPEL_TRANSLATE_BLOCK_H
#define DOPPEL_TRANSLATE_BLOCK_H

#include "base/base.h"
#include "base/list.h"
#include "x86/insn.h"

#define BLOCK_MAX_INSNS 48
/* Conditional branches that a block may go on behind. */
#define BLOCK_MAX_SIDES 6
/* Calls that it may go on behind. */
#define BLOCK_MAX_CALLS 4
/* What operands of a loop need that is kept in registers. */
#define LOOP_MAX 4
/* No guest register. */
#define NO_HOME 0xff

/* Where the arithmetic flags are; see tcpu.h. */
enum flags_at { FLAGS_HOST = 1, FLAGS_SAVED = 2, FLAGS_BOTH = 3 };

struct block;

/* A direct exit: a jump that can be chained to the block it leads to. */
struct block_exit {
	struct block *from;
	struct block *to; /* NULL: not chained */
	struct list link; /* in to->incoming */
	u8 *patch; /* the 4 bytes of its rel32, as executed */
	u8 *unlinked; /* where it jumps when not chained */
	u8 *lookup; /* far: where it jumps when it cannot be chained */
	union {
		/* Far, of a kernel: in engine.far or .far_refused. */
		struct list far_link;
		/* Far, of a user: the way by which it is chained. */
		u8 *guard;
	};
	s32 target; /* offset from the block's code_base */
	u32 key; /* on leaving: STAC and CLAC change it within a block */
	/* There are more than a hundred thousand of these. */
	u8 flags : 2; /* enum flags_at on leaving */
	bool backward : 1;
	bool far : 1; /* to another page: see link.c */
	bool guarded : 1; /* ... of a user */
	bool guard_used : 1;
	bool waits : 1; /* ... of a kernel: looks its target up, for now */
	bool loop : 1; /* back to the block's start: see loop.c */
	u8 refused; /* how often it came to that */
	u16 guard_since; /* engine.grace when it was left alone */
	/* Offsets in the guard of what is patched there. */
	u8 guard_page, guard_jump;
};

/* What a fault needs to know of each guest instruction of a block. */
struct insn_meta {
	u16 guest; /* offset of its first byte from the block's start */
	bool swapped; /* registers are as the block's .swap says */
	u8 delta; /* META_PLAIN, META_PLACE: the host register for it */
	u8 reach; /* META_*, see trans.h */
	u8 base; /* META_PLACE: the guest register that .delta is of */
	s16 owed; /* RSP is so much more than the host register says */
	bool flags_saved; /* at its native instruction, flags_ax is good */
	bool waits_for_x87; /* a pending #MF goes before faults of its operand */
	u32 host; /* offset of its first host byte in the block */
};

/* An instruction that is carried out in C. */
struct tcpu;
enum callout_result {
	CALLOUT_NEXT, /* go on with the next instruction of the block */
	CALLOUT_DONE, /* ... which may need other code: find its block */
	CALLOUT_LEAVE, /* done, too; x86.rip is new: find the block for it */
	CALLOUT_EVENT, /* not done: an event was delivered; the same */
};
struct callout {
	enum callout_result (*fn)(struct tcpu *t, struct callout *c);
	u64 at; /* offset of the instruction from code_base */
	u64 next; /* offset of what follows */
	struct x86_insn insn;
};

/* What of a block lies on one page; see smc.c. */
struct block_part {
	struct block_part *next; /* those that begin in the same line */
	u16 first, last; /* offsets of its bytes in the page */
	u8 n; /* which of the block's parts */
};

/* Where a call in a block returns to, and what leaves there; as executed. */
struct block_return {
	u8 *at, *leave;
};

struct block {
	gpa_t gpa; /* of the first byte */
	u32 key;
	u16 guest_bytes;
	u16 insn_count;
	gpa_t gpa2; /* the second page's, if the last insn crosses; or ~0 */

	u8 *host; /* as executed */
	u32 host_bytes;
	u8 *cold; /* what it seldom runs, in the segment's other half */
	u32 cold_bytes;
	u32 entry_pref; /* offsets of the entries */
	u32 entry_nopoll;
	u32 entry_other; /* for flags in the other place; it may be .cold */
	u32 entry_far; /* flags SAVED, sets code_base to .va */
	u32 entry_loop; /* for exits with .loop alone */
	bool has_far;
	gva_t va; /* of the page, when it was translated */
	u8 pref; /* FLAGS_HOST or FLAGS_SAVED at entry_pref */
	bool dead; /* dropped; atomic */
	/* In the block @host stands for guest register @guest, or for none:
	 * homes.c. */
	struct {
		u8 guest, host;
	} swap[3 + LOOP_MAX];
	u8 swap_count;
	bool windowed; /* memory is reached through windows */
	u8 softs; /* how often the software TLB had to step in */
	u8 *poll_exit; /* as executed: leaves at the block's start */
	u8 return_count;
	struct block_return *returns; /* by its calls */

	struct block *hash_next;
	struct block_part part[2];
	struct list incoming; /* struct block_exit that are chained to us */
	struct block_exit *exits;
	unsigned exit_count;
	struct insn_meta *meta; /* in order of host address */
	u16 meta_count;
};

static inline struct block *block_of(struct block_part *p)
{
	return container_of(p - p->n, struct block, part[0]);
}

static inline u8 *block_entry(const struct block *b, u8 flags, bool poll)
{
	if (!(flags & b->pref))
		return b->host + b->entry_other;
	return b->host + (poll ? b->entry_pref : b->entry_nopoll);
}

#endif
