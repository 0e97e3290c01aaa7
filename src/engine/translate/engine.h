/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - what the translator keeps for a whole VM: the code cache with
 * its stubs, the table of blocks, and which guest pages hold translated code.
 */
#ifndef DOPPEL_TRANSLATE_ENGINE_H
#define DOPPEL_TRANSLATE_ENGINE_H

#include "base/base.h"
#include "engine/translate/block.h"
#include "engine/translate/tcpu.h"
#include "host/host.h"

/*
 * The cache is a ring of segments. When one is wanted again, all its blocks
 * go at once: no fragmentation, and oldest code first.
 */
#define CACHE_SEGMENTS 16
/*
 * By default a part of the guest's memory, since who has more runs larger
 * programs; a compiler wants 100 MiB. With its tables it takes as much again,
 * and a VM of 256 MiB is to cost the host less than 64 MiB beyond what the
 * guest touches.
 */
#define CACHE_DEFAULT_SHARE 14
#define CACHE_DEFAULT_MIN MiB(18)
#define CACHE_DEFAULT_MAX MiB(256)
#define CACHE_MIN_BYTES MiB(1)
#define STUB_BYTES KiB(16)
#define SOFT_BITS 12

/* What a block may take of either part of a segment. */
#define BLOCK_HOST_BYTES KiB(16)

struct arena_chunk;

struct segment {
	/* What blocks always run, and apart from it what they seldom run: hot
	 * code stays dense in the processor's caches. */
	struct segment_part {
		u8 *rx; /* start, as executed */
		u64 bytes, used;
		u32 *at; /* where in it each of .blocks begins */
	} hot, cold;
	struct block **blocks; /* in order of address */
	unsigned count, room;
	struct arena_chunk *arena;
};

/* A guest page that holds translated code, in lines of 64 bytes. */
struct code_page {
	struct block_part *parts[64]; /* by the line that they begin in */
	unsigned count; /* ... all of them, and 1 while .cpus is not 0 */
	u64 watch, cpus; /* struct watch */
	unsigned reach; /* lines that one of them extends over, less one */
	u64 lines; /* bit n: line n holds translated code */
	gva_t va; /* where a kernel runs it, if .kernel */
	bool kernel;
	bool aliased; /* ... in several places */
	u8 moves; /* how often that place has changed */
};

/* Shared code in the cache; addresses as executed. */
struct stubs {
	u8 *enter; /* C: enter(t, pc), to any entry */
	u8 *leave; /* to the C caller of enter; registers are in x86 */
	u8 *callout; /* T0: struct callout; returns, or leaves */
	u8 *exit_host, *exit_saved; /* T0: struct block_exit */
	u8 *poll_host, *poll_saved; /* T0: struct block */
	/* T0: target address plus the generation, flags SAVED or in EFLAGS */
	u8 *jump_miss[JC_COUNT], *jump_miss_host[JC_COUNT];
	u8 *jump_plain; /* T0: target address, flags SAVED */
	/* A return that is not to where the shadow stack says. */
	u8 *ret_miss[JC_COUNT], *ret_miss_host[JC_COUNT];
	u8 *ret; /* a plain one */
	/* [1]: user code in windows. See syscall.c, iret.c. */
	u8 *syscall[2], *sysret[2], *iret[2];
	u8 *shadow_empty[JC_COUNT];
	/* Finish a write that was done on the bounce buffer. */
	u8 *commit_host, *commit_saved;
	/* TLB misses: T0 = gva - tag, T1 = index; by kind of access. */
	u8 *miss[MMU_COUNT][2];
	u8 *segment_fault; /* offset outside the segment */
	u8 *string[MMU_COUNT][2][4]; /* see strings.c */
};

struct trans;

/*
 * Locks, in order of acquisition; vm->lock comes before all of them, and
 * nothing that takes it is called with one held:
 *	exclusive_lock	held while all other vCPUs are parked (quiesce.c)
 *	lock		the cache's books, the table, code pages, links: all
 *			that follows in struct engine. Generated code runs
 *			without it. Held for the time of a translation.
 *	windows->lock	of each vCPU: what its windows show
 */
struct engine {
	struct vm *vm;
	struct engine_options options;
	bool smp; /* more than one vCPU */
	struct host_mutex exclusive_lock;
	u32 exclusive; /* atomic: somebody has it, or waits for the others */
	struct tcpu *exclusive_owner;
	unsigned exclusive_depth;
	struct host_mutex lock;

	struct host_code code;
	u64 rw_offset; /* writable view minus executable view */
	struct stubs stubs;
	u8 *trap; /* a window in which nothing ever is; NULL: no windows */
	u32 pieces; /* atomic: regions of host memory in all windows */
	struct segment seg[CACHE_SEGMENTS];
	u64 settled; /* so much of .code is on huge pages */
	unsigned current, victim;
	u64 epoch; /* counts evictions */
	u32 random;

	struct list far; /* struct block_exit that are chained to other pages */
	struct list far_refused; /* ... that could not be */
	/* Pages that have been chained to, if there are several vCPUs. */
	struct kcode linked;
	u32 linked_epoch; /* counts how often they were forgotten */
	struct block **hash; /* by guest address: table.c */
	unsigned hash_bits;
	struct code_page **pages; /* by gmem_page_index */
	/* Numbers of pages with users' code, by the same: see ucode.c. */
	u16 *code_id;
	unsigned code_ids; /* how many were given */
	u64 watches; /* counts code pages that were begun */
	/* See link_user_far(). */
	u16 grace;
	u32 grace_passes[VM_MAX_CPUS];
	u64 soft[1u << SOFT_BITS]; /* gpa + 1 of blocks, one for each hash */

	bool fast_pext;
	bool shifts_overwrite_flags; /* see insn_flags in trans.c */
	u32 mxcsr_mask; /* what the host's MXCSR can hold */
	bool tells_in_use; /* XGETBV with ECX = 1 does */
	struct trans *trans; /* working memory of the translation under way */
};

static inline void engine_lock(struct engine *e)
{
	host_mutex_lock(&e->lock);
}

static inline void engine_unlock(struct engine *e)
{
	host_mutex_unlock(&e->lock);
}

static inline u8 *engine_rw(const struct engine *e, const u8 *rx)
{
	return (u8 *)(uintptr_t)((uintptr_t)rx + e->rw_offset);
}

/* --- cache.c --- */
int cache_init(struct engine *e, struct err *err);
void cache_fini(struct engine *e);
/* Is there room for a block of at most @bytes in each part? If not, the caller
 * lets go of the lock, calls cache_evict() where nothing of the past counts,
 * and asks again. */
bool cache_has_room(struct engine *e, u64 bytes);
void cache_evict(struct tcpu *t);
/* Small memory that lives as long as the segment; NULL if the host has none. */
void *cache_arena(struct segment *s, size_t bytes);
bool cache_add(struct segment *s, struct block *b);
/* The block that holds an executed address, or NULL. */
struct block *cache_find(const struct engine *e, const u8 *pc);
static inline bool cache_holds(const struct engine *e, const u8 *pc)
{
	return pc >= e->code.rx && pc < e->code.rx + e->code.bytes;
}

/* --- table.c --- blocks by guest address */
/* For as many as fit a cache of @bytes. */
bool table_init(struct engine *e, u64 bytes) MUST_CHECK;
void table_fini(struct engine *e);
struct block *table_find(const struct engine *e, gpa_t gpa, u32 key);
/* ... whose first instruction goes over to the page at @gpa2. */
struct block *table_find_crossing(const struct engine *e, gpa_t gpa, u32 key,
				  gpa_t gpa2);
void table_add(struct engine *e, struct block *b);
void table_remove(struct engine *e, struct block *b);

/* --- link.c --- */
void link_exit(struct tcpu *t, struct block_exit *x, struct block *to);
void link_break(struct engine *e, struct block *b); /* all from and to @b */
/* To a block of another page, which is global; t->code_base is still that of
 * the exit's block. */
void link_user_far(struct tcpu *t, struct block_exit *x, struct block *to);
void link_far(struct tcpu *t, struct block_exit *x, struct block *to);
/* A kernel's mappings have changed. Takes the lock. */
void link_far_break(struct engine *e);
/* Numbers of pages are given anew: guards that compare old ones must go. The
 * same. */
void link_guards_break(struct engine *e);
/* What could not be chained to other pages is tried anew. The same. */
void link_far_retry(struct engine *e);
/* Kernel code at @gpa is about to run at @va. True: that is new, and blocks of
 * its page are gone. */
bool link_place(struct tcpu *t, gpa_t gpa, gva_t va);
/* @b is about to run at t->code_base. */
void link_entered(struct tcpu *t, struct block *b);
/* Makes the block's entries lead out of it, and where its calls return to. */
void link_disable_entries(struct engine *e, struct block *b);
/* Is that why the processor faults at @pc? Then it says where to go on, else
 * NULL. */
const u8 *link_detour(const struct block *b, const u8 *pc);

/* --- smc.c --- translated code and the pages it came from */
/* Before bytes of @gpa's page are translated, for writes to be noticed from
 * now on. False: the caller lets go of the lock, calls smc_settle(@watch) where
 * nothing of the past counts, and begins anew. *@watch is 0 if it was no
 * memory that there was not. */
struct watch {
	gpa_t gpa;
	u64 number;
	u64 cpus;
};
bool smc_watch(struct tcpu *t, gpa_t gpa, struct watch *w);
void smc_settle(struct tcpu *t, const struct watch *w);
void smc_track(struct tcpu *t, struct block *b);
void smc_forget(struct engine *e, struct block *b);
void smc_drop(struct engine *e, struct block *b);
/* All blocks of a page that has some. It keeps its struct code_page, for
 * another one is about to be translated there. */
void smc_drop_page(struct engine *e, gpa_t gpa);
/* [gpa, gpa + len) has been written: drops blocks that it overlaps; returns
 * how many. Takes the lock; any thread. */
unsigned smc_written(struct engine *e, gpa_t gpa, u64 len);
void smc_foreign(void *engine, gpa_t gpa, u64 len); /* for gmem.written */
/* PAIRS: the barrier of smc_watch(), if it is asked after writing. */
static inline bool smc_is_code(const struct engine *e, gpa_t gpa)
{
	return __atomic_load_n(&e->pages[gmem_page_index(&e->vm->mem, gpa)],
			       __ATOMIC_ACQUIRE) != NULL;
}

/* --- quiesce.c --- what several vCPUs have to agree on */
/* Nothing of the past counts: no address or permission that was looked up
 * before is used after, and no return address in generated code is left. */
static inline void quiesce_pass(struct tcpu *t)
{
	__atomic_store_n(&t->passes, t->passes + 1, __ATOMIC_RELEASE);
}
/* Between these the same is true all the time, and others do not wait. */
void quiesce_park(struct tcpu *t);
void quiesce_unpark(struct tcpu *t);
/* Waits until all of @cpus have passed. Passes itself. Without locks. */
void quiesce_wait(struct tcpu *t, u64 cpus);
/* Has every vCPU but @t passed since e->grace was @since? With the lock. */
bool quiesce_is_over(const struct tcpu *t, u16 since);
/* Between these all other vCPUs are parked; they nest. Passes. No locks but
 * those of engine.h in between. */
void exclusive_begin(struct tcpu *t);
void exclusive_end(struct tcpu *t);

/* --- stubs.c --- */
int stubs_make(struct engine *e);

/* --- lookup.c --- @n: which jump cache */
struct emit;
u8 *flow_find(struct emit *e, unsigned n);
u8 *flow_find_host(struct emit *e, unsigned n); /* flags in EFLAGS */
void flow_to_found(struct emit *e, unsigned n, u8 op);
/* Both, by way of C if it is not there: a jump. */
void flow_lookup(struct emit *e, const struct stubs *stubs, unsigned n);
void flow_lookup_host(struct emit *e, const struct stubs *stubs, unsigned n);
u8 *stub_jump_miss(struct emit *e, unsigned n, bool host_flags, const u8 *to_c);

/* --- syscall.c --- */
/* STAR, SFMASK, EFER or CR4 has changed. */
void fastcall_update(struct tcpu *t);
u8 *stub_syscall(struct emit *e, const struct stubs *s, unsigned n, u32 kernel);
u8 *stub_sysret(struct emit *e, const struct stubs *s, unsigned n);
u8 *stub_iret(struct emit *e, const struct stubs *s, unsigned n);


/* --- strings.c --- */
u8 *stub_string(struct emit *e, enum mmu_index mmu, int kind, unsigned shift);

/* --- trans.c --- */
/* Translates at @gpa, seen at virtual (linear) address @va, for @key, with the
 * lock, room in the cache, and @gpa's and @gpa2's pages being watched. NULL:
 * the host has no memory, the VM was killed; or, with ~0 for @gpa2, the first
 * instruction does go over to the next page. */
struct block *translate(struct tcpu *t, gpa_t gpa, gva_t va, gpa_t gpa2,
			u32 key);

/* --- tlb.c --- */
void tlb_flush_all(struct tcpu *t);
/* Of all that is not global, or of that which is of the current PCID. */
void tlb_flush_local(struct tcpu *t);
void tlb_flush_pcid(struct tcpu *t);
/* CR3 has changed; @keep: nothing of its PCID is to be dropped. */
void tlb_switch(struct tcpu *t, bool keep);
void tlb_flush_page(struct tcpu *t, gva_t va);
/* @t, which may be another thread's, may not write @gpa's page without coming
 * by mem.c. True: it had an entry, and may be about to use it. */
bool tlb_protect(struct tcpu *t, gpa_t gpa);
/* Looks @va up for @acc, and brings its page in if it may have an entry.
 * Returns 0; 1: no RAM there, *@gpa is the device's; or -1 and a fault. */
int tlb_fill(struct tcpu *t, enum mmu_index mmu, gva_t va, unsigned acc,
	     gpa_t *gpa, struct x86_fault *f);
/* Physical address of the code at @va, or -1 and a fault. Without the lock: the
 * walk may write beside translated code. */
int tlb_fetch(struct tcpu *t, gva_t va, gpa_t *gpa, struct x86_fault *f);
/* The same where the processor has been already, for a guess: changes nothing,
 * and may be called with the lock. */
bool tlb_peek_code(struct tcpu *t, gva_t va, gpa_t *gpa);

void tlb_drop_local(struct tcpu *t);
void tlb_forget_code(struct tcpu *t);
/* Local entries go into @a, or come back from it. */
void tlb_keep(struct tcpu *t, struct asid *a);
void tlb_bring(struct tcpu *t, struct asid *a);

/* --- pagewalk.c --- as x86_walk() and x86_walk_peek(); without the lock and
 * with or without it */
struct x86_walk;
int pagewalk(struct tcpu *t, gva_t va, unsigned acc, bool ac,
	     struct x86_walk *w, struct x86_fault *f);
bool pagewalk_peek(struct tcpu *t, gva_t va, unsigned acc, bool ac,
		   struct x86_walk *w);

/* --- kcode.c --- where the kernel's code is mapped */
void kcode_note(struct tcpu *t, gva_t va, const struct x86_walk *w);
void kcode_forget(struct kcode *k);
/* A jump to @va, on the page at @gpa, is about to be chained for all vCPUs,
 * with the lock held. False: what this one's TLB says is out of date. */
bool kcode_note_link(struct tcpu *t, gva_t va, gpa_t gpa);
/* Is it mapped now as it was noted? All of it; or what INVLPG drops. Where it
 * was noted for all and is not, chains are broken. */
bool kcode_is_same(struct tcpu *t);
bool kcode_is_same_at(struct tcpu *t, gva_t va);

/* --- ucode.c --- where the user's code is mapped */
/* Code on the page at @va was found at that of @gpa, with the lock held. */
void ucode_note(struct tcpu *t, gva_t va, gpa_t gpa);
/* The number of @gpa's page; 0: it has none. The same. */
unsigned ucode_id(const struct engine *e, gpa_t gpa);
/* What is noted of the current address space is wrong, or does not matter. */
void ucode_drop(struct tcpu *t);
/* It goes into @a, or comes back: false, if there is nothing left of it. */
void ucode_keep(struct tcpu *t, struct asid *a);
bool ucode_bring(struct tcpu *t, struct asid *a);
void ucode_forget(struct ucode *u); /* of a space that is not current */
/* Is it mapped now as it was noted? All of it; or the page at @va. */
bool ucode_is_same(struct tcpu *t);
bool ucode_is_same_at(struct tcpu *t, gva_t va);
bool ucode_knows(const struct ucode *u, gva_t va);
void ucode_init(struct tcpu *t);
/* For the time to come, too, are there numbers? If not, they are given anew:
 * all vCPUs are parked, and their jump caches empty. Without the lock. */
void ucode_renumber(struct engine *e);

/* --- asid.c --- address spaces that are not current */
/* CR3 becomes @to. @keep: what is cached of its PCID stays good. */
void asid_switch(struct tcpu *t, u64 to, bool keep);
/* What is cached of them is not good any more. */
void asid_forget_all(struct tcpu *t);
void asid_forget_pcid(struct tcpu *t, u64 pcid);
/* ... of those that have the current one's PCID. */
void asid_forget_twins(struct tcpu *t);

/* --- jc.c --- jump caches */
/* Where the block for @va is entered, or 0; sets t->code_base. */
u64 jc_find(struct tcpu *t, gva_t va);
void jc_drop(struct tcpu *t, gva_t va); /* the entry for @va, if any */
void jc_flush(struct tcpu *t, unsigned n);
void jc_init(struct tcpu *t);
/* Before code is overwritten; @t runs none. */
void jc_clear(struct tcpu *t);
/* @but_kernel: what is mapped there is as it was. */
void jc_flush_all(struct tcpu *t, bool but_kernel);
void jc_flush_local(struct tcpu *t);
void jc_flush_users(struct tcpu *t);
void jc_flush_page(struct tcpu *t, gva_t va);
void jc_add(struct tcpu *t, gva_t va, struct block *b, bool global);
/* @b, for @va, is entered without an entry of its own: its pages count as such
 * that the jump cache, and the shadow stack, know. */
void jc_note(struct tcpu *t, gva_t va, const struct block *b, bool global);
/* What is cached of local pages goes into @a, or comes back from it. */
void jc_keep(struct tcpu *t, struct asid *a);
void jc_bring(struct tcpu *t, struct asid *a);
void jc_forget(struct asid *a);
/* It has been flushed meanwhile: what is not global goes, and the user's is to
 * be asked for. */
void jc_doubt(struct asid *a);
/* Nothing is to be looked at any more, until something is: to be called before
 * one looks whether there is. */
void jc_calm(struct tcpu *t);
/* Was it, or might it have been, JC_DISTURBED that sent generated code here?
 * Then it has .calm cleared. */
bool jc_was_disturbed(struct tcpu *t);
/* The address that generated code made @tag of. */
gva_t jc_address(const struct tcpu *t, u64 tag);
/* MIRRORS: flow_find(), flow_find_host() */
#define JC_HASH PAGE_SHIFT
static inline u32 jc_index(u64 tag)
{
	return (u32)(tag + (tag >> JC_HASH)) & (JC_ENTRIES - 1);
}

/* --- shadow.c --- */
bool shadow_init(struct tcpu *t); /* false: no memory */
void shadow_fini(struct tcpu *t);
/* Is @h a call that finds no room? Then there is some. */
bool shadow_is_full(const struct tcpu *t, struct host_fault *h);
/* Forgets what is on it. */
void shadow_reset(struct tcpu *t, unsigned n);
/* In C: t->key is about to become one for @to, from one for @from. */
void shadow_switch(struct tcpu *t, unsigned from, unsigned to);

/* --- mem.c --- memory access from C, and the slow ways of generated code */
int mem_read(struct tcpu *t, gva_t va, void *buf, unsigned len, unsigned acc,
	     struct x86_fault *f);
int mem_write(struct tcpu *t, gva_t va, const void *buf, unsigned len,
	      unsigned acc, struct x86_fault *f);
int mem_probe(struct tcpu *t, gva_t va, unsigned len, unsigned acc,
	      struct x86_fault *f);
/* Host address of [va, va + n) within its page if that is plain RAM to be
 * accessed so, else NULL (then use mem_read, mem_write); *f on a fault, with
 * *fault set. */
u8 *mem_run(struct tcpu *t, gva_t va, unsigned acc, bool *fault,
	    struct x86_fault *f);
/* Called by the miss stubs. @desc: size | MISS_*. Returns the host address,
 * or 0 to leave the block: x86.rip is where to go on. */
u64 mem_miss(struct tcpu *t, gva_t va, u32 desc, u64 *ret);
u64 mem_commit(struct tcpu *t, s32 next);
#define COMMIT_STAY INT32_MIN
#define MISS_SIZE 0x3ffu
#define MISS_INSN_SHIFT 10 /* number of the instruction in its block */
#define MISS_WRITE BIT(18)
#define MISS_READ BIT(19)
#define MISS_MMU_SHIFT 20 /* 2 bits */
#define MISS_STACK BIT(22) /* non-canonical gives #SS */
#define MISS_ALIGNED BIT(23) /* #GP unless aligned to its size */
#define MISS_LOCKED BIT(24) /* to be atomic */
/* In the place of a segment number: #AC. */
#define FAULT_ALIGN 6u
static inline enum mmu_index miss_mmu(u32 desc)
{
	return desc >> MISS_MMU_SHIFT & 3;
}
static inline unsigned acc_of_mmu(enum mmu_index mmu)
{
	return mmu == MMU_USER ? X86_ACC_USER : 0;
}
static inline enum mmu_index mmu_now(const struct tcpu *t, unsigned acc)
{
	if (acc & X86_ACC_USER)
		return MMU_USER;
	if (acc & X86_ACC_IMPLICIT)
		return MMU_KERNEL;
	return !(t->v.x86.cr4 & CR4_SMAP) ||
			       (t->v.x86.rflags & FLAG_AC) ?
		       MMU_KERNEL_AC :
		       MMU_KERNEL;
}

/* --- run.c --- */
/* Where to go on from x86.rip: a host address, never 0. */
u64 run_next(struct tcpu *t);
u64 run_exit(struct tcpu *t, struct block_exit *x);
u64 run_poll(struct tcpu *t, struct block *b);
u64 run_jump(struct tcpu *t, u64 tag);
u64 run_jump_plain(struct tcpu *t, gva_t va);
u64 run_callout(struct tcpu *t, struct callout *c);
/* The instruction at x86.rip is to be run again, alone, by the software TLB;
 * ... and beside no other vCPU. */
void run_soft_once(struct tcpu *t);
void run_exclusive_once(struct tcpu *t);
u64 run_segment_fault(struct tcpu *t, u32 desc, u64 ret);

/* --- fault.c --- */
/* Delivers; x86.rip must be what is to be pushed. */
void fault_deliver(struct tcpu *t, const struct x86_fault *f);
/* x86.rip = that of instruction @insn of the block that @pc lies in. */
void fault_locate(struct tcpu *t, const u8 *pc, unsigned insn);
/* The same, and delivers. */
void fault_in_block(struct tcpu *t, const u8 *pc, unsigned insn,
		    const struct x86_fault *f);
void fault_deliver_kind(struct tcpu *t, int kind, const struct x86_fault *f);
bool fault_host(struct host_fault *h);
bool fault_register(struct engine *e); /* false: too many VMs */
void fault_unregister(struct engine *e);

/* --- world.c --- */
void world_enter(struct tcpu *t);
void world_leave(struct tcpu *t);

/* --- callouts --- NULL when the class needs none */
typedef enum callout_result (*callout_fn)(struct tcpu *t, struct callout *c);
callout_fn callout_for(const struct x86_insn *i);
void fpu_know_host(struct engine *e); /* co_fpu.c */
enum callout_result callout_too_long(struct tcpu *t, struct callout *c);
/* JMP, Jcc and CALL of 32-bit code with a 16-bit operand size, which cuts EIP
 * to 16 bits. (co_flow.c) */
enum callout_result callout_narrow_branch(struct tcpu *t, struct callout *c);
enum callout_result callout_sti_last(struct tcpu *t, struct callout *c);
enum callout_result callout_fpu_check(struct tcpu *t, struct callout *c);

/* --- dump.c --- both codes of a block, to the trace */
void dump_block(const struct engine *e, const struct block *b,
		enum x86_code_size size);

/* Address of the running instruction and of the next one. */
static inline u64 callout_rip(const struct tcpu *t, const struct callout *c)
{
	u64 a = t->code_base + c->at;

	return t->key & BIT(0) /* KEY_CODE64 */ ? a : (u32)a;
}

#endif
