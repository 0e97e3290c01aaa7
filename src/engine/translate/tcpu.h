/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcpu.h - the translator's virtual processor: struct vcpu and, behind it,
 * everything that generated code reaches through %gs.
 *
 * While generated code runs, guest registers live in the host's own of the
 * same name, except:
 *
 *	guest RSP		host R9
 *	guest R9, R10, R11	memory: x86.gpr[]
 *	host R10, R11		scratch: T0, T1
 *	host RSP		the shadow stack
 *
 * The arithmetic flags are in one of two places, and the translator always
 * knows in which: the host's EFLAGS ("HOST"), or .flags_ax ("SAVED"), as LAHF
 * and SETO AL leave them. Everything else of RFLAGS is in x86.rflags; DF, AC,
 * TF and IF never reach the host's register. Vector and x87 registers are the
 * guest's whenever .fpu_live, generated code or not: C on this side of
 * world_enter() is compiled to general registers only.
 *
 * Guest calls are host calls and guest returns host returns, so that the
 * processor predicts them: RSP is a shadow stack's while generated code runs,
 * and the monitor's own in C. See stack.c and shadow.c.
 *
 * Owned by the vCPU's thread, but for .calm, .parked, .passes, and what
 * smc_watch() takes away: write entries of TLBs.
 */
#ifndef DOPPEL_TRANSLATE_TCPU_H
#define DOPPEL_TRANSLATE_TCPU_H

#include "base/base.h"
#include "engine/translate/stats.h"
#include "engine/translate/window.h"
#include "vm/vm.h"
#include "x86/insn.h"
#include "x86/mem.h"

struct block;
struct engine;

/*
 * Whose rights a data access has. The kernel has two: SMAP applies unless
 * EFLAGS.AC is set, and translated code knows statically which.
 */
enum mmu_index { MMU_USER, MMU_KERNEL, MMU_KERNEL_AC, MMU_COUNT };

/* Jump caches: one for each of these, and one for user code in windows, so
 * that address spaces with and without them take turns at no cost. */
#define JC_USER_WINDOW MMU_COUNT
#define JC_COUNT (MMU_COUNT + 1)

/*
 * The stack that generated code has, from its end: the shadow stack; room for
 * what the host's kernel pushes when a signal comes, and for the handler; and
 * a page that faults, by which a call that does not fit notices.
 */
#define SHADOW_USED_BYTES KiB(16)
#define SHADOW_BELOW_BYTES KiB(32)
/* How far below RSP a call looks: no multiple of 4096, for that would be taken
 * for an alias of what has just been pushed. */
#define SHADOW_PROBE (SHADOW_BELOW_BYTES - 1984)
#define SHADOW_BYTES (PAGE_SIZE + SHADOW_BELOW_BYTES + SHADOW_USED_BYTES)

#define TLB_BITS 9
#define TLB_ENTRIES (1u << TLB_BITS)

/*
 * One page per entry, direct-mapped by the low bits of the page number. An
 * access hits if gva - tag is at most 4096 - size; then it is at
 * host + (gva - tag). One comparison so covers page crossing, too.
 *
 * An invalid tag is an address that maps to another entry: 0, and one page
 * for entry 0; then no gva that selects this entry can hit, canonical or not.
 */
struct tlb {
	u64 read_tag[TLB_ENTRIES];
	u64 write_tag[TLB_ENTRIES];
	u64 host[TLB_ENTRIES];
	u64 gpa[TLB_ENTRIES]; /* of the page; for C */
	/* Entries to drop on CR3 writes (not global), and from large pages. */
	u64 local[TLB_ENTRIES / 64];
	u64 large[TLB_ENTRIES / 64];
	bool any_large[2]; /* some may be, in the lower half, in the upper */
};

/* Where indirect jumps find their target: by virtual address, in the entry
 * that it hashes to or, pushed there by another one, in the next. */
#define JC_BITS 14
#define JC_ENTRIES (1u << JC_BITS)

struct jc_entry {
	u64 tag; /* the target's virtual address, plus .jc_generation */
	u64 host; /* entry with flags as key_flags() says */
	u64 code_base; /* virtual address of the target's page */
	u64 minus_tag; /* its complement to 0 */
};

/*
 * What generated code adds to an address to make a tag of it while there are
 * requests to look at: such a tag is in no jump cache, and what looks it up
 * comes to C. Generations are from 1 << 48 on.
 */
#define JC_DISTURBED (-BIT64(31))

/* Where a user's code is; see ucode.c. */
#define UCODE_PAGES 4096
#define UCODE_HEADS 2048
#define CODE_IDS 32768u
struct ucode {
	u16 head[UCODE_HEADS]; /* like .next */
	unsigned count;
	unsigned suspect; /* which page was found changed the last time */
	bool unsure; /* that is not all, or not true */
	struct ucode_page {
		gva_t va;
		gpa_t gpa;
		u16 next; /* of the same hash: its number plus 1, or 0 */
		u16 id; /* of the guest's physical page, or 0 */
	} page[UCODE_PAGES];
};

/* Address spaces that are kept; see asid.c. Bits of struct map.asids. */
#define ASIDS 8
#define ASID_TLB 128
struct asid {
	u64 cr3;
	bool forgotten; /* and nothing has been kept since */
	/* Of the jump caches; see jc.c. */
	struct {
		bool valid;
		u64 generation;
	} jc[JC_COUNT];
	struct ucode *ucode; /* nobody else's, whether it is valid or not */
	bool ucode_doubtful; /* it is to be asked for before it is used */
	/* Local entries of the software TLB. */
	unsigned tlb_count;
	struct tlb_kept {
		u64 tag; /* the page, and bits of tlb.c */
		u64 host;
		gpa_t gpa;
	} tlb[ASID_TLB];
};

/* Where a kernel's code is; see kcode.c. */
#define KCODE_MAPS 512
struct kcode {
	struct kcode_map {
		gva_t va;
		gpa_t gpa;
		u64 bytes;
		bool global;
	} map[KCODE_MAPS];
	unsigned count;
	bool unsure; /* that is not all, or not true */
};

/* Virtual page to physical, for fetches. */
#define ITLB_ENTRIES 256
struct itlb_entry {
	u64 va; /* page; 1 when invalid */
	gpa_t gpa;
	bool user;
	bool global;
};

struct tcpu {
	struct vcpu v; /* first: x86.gpr[] gets the shortest offsets */

	u16 flags_ax; /* AH: SF ZF AF PF CF as LAHF has them; AL: OF */
	u8 fpu_live;
	u8 in_code; /* generated code runs, or C called from it */
	u32 calm; /* atomic: 0 if there are requests to look at, else 1 */
	/* Read by other vCPUs: see quiesce.c. */
	u32 passes;
	u32 parked; /* bool */
	u64 code_base; /* virtual address of the running block's page */
	u64 host_rsp; /* C's, to call it or to leave generated code by */
	u64 shadow_rsp; /* generated code's, while C runs */
	struct shadow {
		u64 base; /* RSP when it is empty */
		u64 rsp; /* while another one is in use */
	} shadow[JC_COUNT];
	u64 jump_base; /* the last indirect jump, see flow_note_jump() */
	u32 jump_from;
	u64 scratch[2]; /* values carried across a TLB check */
	struct tcpu *self;

	/* The last x87 instruction but for control ones: see x87.c. */
	struct {
		u64 page; /* .code_base when it ran */
		u64 operand; /* the last memory operand's offset */
		u32 what;
	} x87;
	u64 tlb_index_mask; /* for PEXT */
	u64 window_slot_mask; /* the same */
	u64 jc_index_mask; /* for PDEP: the index times 4 */
	/* 1 if the guest's DF is set (or was, lately), else 0: for JRCXZ. See
	 * reach_string.c. */
	u64 downwards;

	/* Offsets from lo to hi may be accessed; none if lo > hi. [0]: read,
	 * [1]: write. */
	struct segcache {
		u64 base;
		struct {
			u64 lo, hi;
		} may[2];
	} segcache[6];

	/* An access that no TLB entry serves (MMIO, two pages, code page) is
	 * done on .bounce and finished afterwards. See mem.c. */
	u8 bounce[192] __attribute__((aligned(64)));
	u64 bounce_gva;
	u32 bounce_bytes;
	u32 bounce_at; /* offset in .bounce: gva modulo 64 */
	u8 bounce_user;
	u8 leave_after; /* translated code was overwritten: leave the block */

	/* See fault_locate(). */
	struct located {
		const u8 *pc;
		u64 epoch;
		u32 at; /* the guest's instruction, from code_base */
	} located[16];

	/* A host exception in generated code, to be delivered by run(). */
	bool fault_pending;
	struct x86_fault fault;
	u8 world_depth;
	bool stale; /* v->x86 was changed from outside */

	/* Debug registers; bit n of each stands for DRn. See debug.c. */
	struct debug {
		u32 word; /* debug_word() that the rest was made from */
		u8 armed; /* whatever for */
		u8 code, data, io; /* what for */
		u8 hits; /* by the running instruction */
		u8 held; /* by a MOV SS before it */
		bool alone; /* the next instruction is to be run by itself */
	} debug;

	/* Guest address to host address, by slot; see window.h. */
	u64 window[WINDOW_RIGHTS][WINDOW_SLOTS];
	struct space *window_user, *window_low, *window_high; /* or NULL */
	u32 window_hot; /* bool: user code runs in windows */
	bool window_due; /* see window_due.c */
	struct windows *windows; /* NULL: none */
	bool soft_once; /* ... but for the next instruction */
	bool exclusive_once; /* ... which is to run beside no other vCPU */

	struct engine *e;
	u32 key; /* mode of the code that runs now: see key.h */
	/* Added to addresses before they are compared, so that a flush is one
	 * addition; see jc.c. */
	u64 jc_generation[JC_COUNT];
	/* The same, or JC_DISTURBED: what generated code adds. Atomic. */
	u64 jc_salt[JC_COUNT];
	u32 jc_last[JC_COUNT]; /* the number of the last generation */
	u32 jc_key[JC_COUNT]; /* the key that each jump cache is for */
	u64 jc_cs[JC_COUNT]; /* ... and base and limit of CS */
	/* ... holds entries of local pages; a user's: of any */
	bool jc_local[JC_COUNT];
	struct ucode *ucode; /* pages that those of the user know */

	/* What SYSCALL and SYSRET do, prepared: see syscall.c. */
	struct fastcall {
		u32 on;
		u32 keep, keep_ax; /* of .rflags and .flags_ax, by SYSCALL */
		struct x86_seg seg[2][2]; /* CS and SS of either */
	} fastcall;

	/* What IRET to the user does, as it did the last time: see gate.c. */
	struct fastret {
		u32 cs, ss; /* selectors; NO_SELECTOR: none */
		gva_t cs_at, ss_at; /* their descriptors */
		u64 cs_raw, ss_raw; /* ... as they were found there */
		struct x86_seg seg[2];
		u64 rip, rsp; /* popped, on the way */
	} fastret;
	/* Gates that exceptions of the user's went by, by vector; the same. */
	struct fastgate {
		bool used;
		bool masks; /* it clears IF */
		u8 vector;
		u64 gate[2], code; /* the gate, the descriptor */
		u64 rip;
		struct x86_seg cs;
	} fastgate[8];

	/* Address spaces that CR3 may come back to. */
	struct asid asid[ASIDS];
	unsigned asid_now;
	unsigned asid_victim; /* the next to be replaced */
	u64 cr3; /* that the TLB and the jump caches are for */

	struct x86_mem mem; /* how src/x86 reaches this vCPU's memory */
	struct tstats stats;
	struct stat_group stat_group, class_group;

	struct tlb tlb[MMU_COUNT];
	struct jc_entry jc[JC_COUNT][JC_ENTRIES + 1];
	struct itlb_entry itlb[ITLB_ENTRIES];
	struct kcode kcode;
	u32 linked_epoch; /* engine.linked_epoch, when it was last looked at */
	struct {
		bool any;
		gva_t first, last; /* large pages of users' code lie there */
	} large_code;
	u64 itlb_local[ITLB_ENTRIES / 64];
	struct ucode ucode_memory[ASIDS + 1];
	/* Minus the address at which the page of that number is mapped, or
	 * 1: for the guards of links. */
	u64 code_at[CODE_IDS];
	u8 *shadow_memory;
};

static inline struct tcpu *tcpu_of(struct vcpu *v)
{
	return container_of(v, struct tcpu, v);
}

static inline u64 flags_from_ax(u16 ax)
{
	return ((ax >> 8) & 0xd5) | ((u64)(ax & 1) << 11);
}

static inline u16 flags_to_ax(u64 rflags)
{
	return (u16)(((rflags & 0xd5) << 8) | ((rflags >> 11) & 1));
}

/*
 * Generated code comes to C soon: at the next entry that polls, or when it
 * looks a target up. Any thread, and signal handlers. Requests are to be noted
 * before it: jc_calm() is called before they are looked at.
 */
static inline void tcpu_disturb(struct tcpu *t)
{
	__atomic_store_n(&t->calm, 0, __ATOMIC_SEQ_CST);
	for (unsigned n = 0; n < JC_COUNT; n++)
		__atomic_store_n(&t->jc_salt[n], JC_DISTURBED,
				 __ATOMIC_RELAXED);
}

/* The whole RFLAGS, when flags are SAVED. */
static inline u64 tcpu_rflags(const struct tcpu *t)
{
	return (t->v.x86.rflags & ~FLAG_ARITH) | flags_from_ax(t->flags_ax) |
	       FLAG_FIXED;
}

static inline void tcpu_set_rflags(struct tcpu *t, u64 v)
{
	/* Generated PUSHF ors the two together. */
	t->v.x86.rflags = v & ~FLAG_ARITH;
	t->flags_ax = flags_to_ax(v);
	t->downwards = (v & FLAG_DF) != 0;
}

#endif
