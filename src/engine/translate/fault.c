/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.c - exceptions: from wherever they were found to the guest's handler,
 * with the state of the instruction that raised them.
 *
 * An address in the code cache leads to its block and, by the block's table,
 * to the guest instruction. Faults of the host processor in generated code
 * (#DE, #XM, #MF, #GP by alignment, #UD by a missing feature) are the
 * guest's: the signal handler only notes them and makes the interrupted
 * thread return to run(), which delivers. So are page faults of windowed
 * blocks, unless the page has yet to be brought into its window.
 */
#include "base/trace.h"
#include "engine/translate/callout.h"
#include "engine/translate/debug.h"
#include "engine/translate/emit.h"
#include "engine/translate/engine.h"
#include "engine/translate/gate.h"
#include "engine/translate/gs.h"
#include "engine/translate/key.h"
#include "engine/translate/trans.h"
#include "x86/system.h"

/* A block whose accesses fail in windows so often is better off without. */
#define SOFTS_MAX 4

/*
 * The host calls one handler for the whole process; this is how it finds the
 * engine. Written while no vCPU of the engine runs.
 */
static struct engine *engine_tab[16];

bool fault_register(struct engine *e)
{
	for (unsigned i = 0; i < ARRAY_SIZE(engine_tab); i++) {
		struct engine *none = NULL;

		if (__atomic_compare_exchange_n(&engine_tab[i], &none, e,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

void fault_unregister(struct engine *e)
{
	for (unsigned i = 0; i < ARRAY_SIZE(engine_tab); i++)
		if (engine_tab[i] == e)
			__atomic_store_n(&engine_tab[i], NULL,
					 __ATOMIC_RELEASE);
}

static const struct insn_meta *find_meta(const struct block *b, const u8 *pc)
{
	u32 off = (u32)(pc - b->host);
	const struct insn_meta *best = NULL;

	for (unsigned i = 0; i < b->meta_count; i++)
		if (b->meta[i].host <= off)
			best = &b->meta[i];
	return best;
}

static void set_rip(struct tcpu *t, const struct block *b, unsigned guest)
{
	u64 rip = t->code_base + (b->gpa & ~PAGE_MASK) + guest;

	t->v.x86.rip = t->key & KEY_CODE64 ? rip : (u32)rip;
}

void fault_deliver_kind(struct tcpu *t, int kind, const struct x86_fault *f)
{
	struct x86_state *s = &t->v.x86;
	bool user = (t->key & (KEY_CODE64 | KEY_USER)) ==
		    (KEY_CODE64 | KEY_USER);

	t->stats.exceptions++;
	if (f->vector == X86_PF) {
		t->stats.page_faults++;
		if (!(f->error & PF_I))
			window_note_fault(t, f->cr2);
	}
	TRACE(FAULT, "vector %u error %x rip %x:%llx cr2 %llx cpl %u",
	      f->vector, f->error, s->seg[X86_CS].sel,
	      (unsigned long long)s->rip, (unsigned long long)f->cr2,
	      x86_cpl(s));
	if (user && gate_enter(t, kind, f))
		return;
	s->rflags = tcpu_rflags(t);
	t->debug.hits = 0; /* the instruction is not done */
	if (x86_deliver(s, &t->mem, kind, f)) {
		TRACE(FAULT, "triple fault at %llx",
		      (unsigned long long)s->rip);
		s->activity = X86_SHUTDOWN;
	}
	tcpu_set_rflags(t, s->rflags);
	key_update(t);
	if (user && key_mmu(t->key) == MMU_KERNEL)
		gate_note(t, f->vector);
	if (debug_is_due(t, false))
		debug_after_event(t, f->vector);
}

void fault_deliver(struct tcpu *t, const struct x86_fault *f)
{
	fault_deliver_kind(t, X86_EVENT_HW_EXCEPTION, f);
}

/* It stays until @t is parked (quiesce.c). */
static struct block *find_running(struct engine *e, const u8 *pc)
{
	struct block *b;

	engine_lock(e);
	b = cache_find(e, pc);
	engine_unlock(e);
	return b;
}

/* What a place in the code cache is does not change before the next eviction:
 * it is remembered, for most faults come from a few places. */
void fault_locate(struct tcpu *t, const u8 *pc, unsigned insn)
{
	struct located *l =
		&t->located[(uintptr_t)pc / 8 % ARRAY_SIZE(t->located)];
	const struct block *b;
	u64 rip;

	if (l->pc != pc || l->epoch != t->e->epoch) {
		b = find_running(t->e, pc);
		BUG_ON(!b || insn >= b->meta_count);
		*l = (struct located){ .pc = pc,
				       .epoch = t->e->epoch,
				       .at = (u32)(b->gpa & ~PAGE_MASK) +
					     b->meta[insn].guest };
	}
	rip = t->code_base + l->at;
	t->v.x86.rip = t->key & KEY_CODE64 ? rip : (u32)rip;
}

static bool x87_is_pending(const struct tcpu *t)
{
	u16 sw = 0;

	if (t->fpu_live)
		__asm__ volatile("fnstsw %0" : "=m"(sw));
	return sw & 0x80;
}

void fault_in_block(struct tcpu *t, const u8 *pc, unsigned insn,
		    const struct x86_fault *f)
{
	struct x86_fault mf;

	fault_locate(t, pc, insn);
	if (unlikely(x87_is_pending(t)) &&
	    find_running(t->e, pc)->meta[insn].waits_for_x87) {
		x86_fault_set(&mf, X86_MF);
		f = &mf;
	}
	fault_deliver(t, f);
}

u64 run_segment_fault(struct tcpu *t, u32 desc, u64 ret)
{
	struct x86_fault f;
	unsigned seg = desc & MISS_SIZE;

	x86_fault_error(&f,
			seg == FAULT_ALIGN ? X86_AC :
			seg == X86_SS	   ? X86_SSEG :
					     X86_GP,
			0);
	fault_in_block(t, (const u8 *)(uintptr_t)ret,
		       (desc >> MISS_INSN_SHIFT) & 0xff, &f);
	return run_next(t);
}

static struct engine *engine_of(const u8 *pc)
{
	for (unsigned i = 0; i < ARRAY_SIZE(engine_tab); i++) {
		struct engine *e = __atomic_load_n(&engine_tab[i],
						   __ATOMIC_ACQUIRE);

		if (e && cache_holds(e, pc))
			return e;
	}
	return NULL;
}

/* Which host exceptions an instruction of the guest's own may raise. */
static bool is_guests(const struct host_fault *h)
{
	switch (h->vector) {
	case X86_DE:
	case X86_UD:
	case X86_GP:
	case X86_MF:
	case X86_XM:
		return true;
	default:
		return false;
	}
}

/* MOVS or STOS, interrupted: back from the windows. See reach_string.c. */
static void take_string(struct tcpu *t, u8 reach, const struct host_fault *h)
{
	if (reach == META_MOVS)
		t->v.x86.gpr[X86_RSI] -= h->gpr[T1];
	if (reach == META_MOVS || reach == META_STOS)
		t->v.x86.gpr[X86_RDI] -= h->gpr[T0];
}

/* Does host register @r stand for another, its own guest register being in
 * memory? */
static bool is_swapped(const struct block *b, unsigned r)
{
	for (unsigned k = 0; k < b->swap_count; k++)
		if (b->swap[k].host == r)
			return true;
	return false;
}

/* The guest's state as the instruction of @m began, from the host's. */
static void take_state(struct tcpu *t, const struct block *b,
		       const struct insn_meta *m, const struct host_fault *h)
{
	struct x86_state *s = &t->v.x86;

	for (unsigned r = 0; r < 16; r++)
		if (r != X86_RSP && (r < X86_R9 || r > X86_R11) &&
		    !(m->swapped && is_swapped(b, r)))
			s->gpr[r] = h->gpr[r];
	s->gpr[X86_RSP] = h->gpr[HOST_GUEST_RSP] + (u64)(s64)m->owed;
	for (unsigned k = 0; m->swapped && k < b->swap_count; k++)
		if (b->swap[k].guest != NO_HOME)
			s->gpr[b->swap[k].guest] = h->gpr[b->swap[k].host];
	take_string(t, m->reach, h);
	if (!m->flags_saved)
		t->flags_ax = flags_to_ax(h->rflags);
	set_rip(t, b, m->guest);
}

/* The instruction begins again, alone, by the software TLB. */
static void begin_soft(struct tcpu *t, struct block *b)
{
	t->stats.window_softs++;
	run_soft_once(t);
	engine_lock(t->e);
	if (++b->softs == SOFTS_MAX && !b->dead) {
		window_make_soft(t->e, b->gpa);
		smc_drop(t->e, b);
	}
	engine_unlock(t->e);
}

/* What an access through a window may raise: #SS, too, for RBP as a base
 * means the stack. */
static bool is_windows(const struct host_fault *h)
{
	return h->vector == X86_PF || h->vector == X86_GP ||
	       h->vector == X86_SSEG;
}

static enum window_answer string_in_window(struct tcpu *t,
					   struct host_fault *h)
{
	bool write = h->error & PF_W;
	u64 *delta = &h->gpr[write ? T0 : T1], before = *delta;
	enum window_answer a = window_fault(t, h, delta, &t->fault);

	h->gpr[write ? X86_RDI : X86_RSI] += *delta - before;
	return a;
}

/* The guest's address of the operand of the instruction of @m, whose state
 * has been taken. */
static bool operand_of(struct tcpu *t, const struct block *b,
		       const struct insn_meta *m, gva_t *va)
{
	gpa_t gpa = b->gpa + m->guest;
	unsigned avail = (unsigned)(PAGE_SIZE - (gpa & ~PAGE_MASK));
	const u8 *p = gmem_hva(&t->e->vm->mem, gpa, avail);
	struct callout c;

	if (x86_decode(p, avail, X86_CODE64, &c.insn) != X86_DECODE_OK)
		return false;
	c.next = (gpa & ~PAGE_MASK) + c.insn.len;
	*va = callout_offset(t, &c);
	if (c.insn.seg == X86_FS || c.insn.seg == X86_GS)
		*va += t->v.x86.seg[c.insn.seg].base;
	return true;
}

/* The delta is what the host's address differs by from the guest's. */
static enum window_answer address_in_window(struct tcpu *t, struct block *b,
					    const struct insn_meta *m,
					    struct host_fault *h)
{
	enum window_answer a;
	u64 delta;
	gva_t va;

	take_state(t, b, m, h);
	if (!operand_of(t, b, m, &va) || h->addr - h->gpr[T0] >= PAGE_SIZE)
		return WINDOW_SOFT;
	delta = h->gpr[T0] - va;
	a = window_fault(t, h, &delta, &t->fault);
	h->gpr[T0] = va + delta;
	return a;
}

/* The delta is what a place differs by from the guest's register. */
static enum window_answer place_in_window(struct tcpu *t, struct block *b,
					  const struct insn_meta *m,
					  struct host_fault *h)
{
	enum window_answer a;
	u64 delta, base;

	take_state(t, b, m, h);
	base = m->base == AT_RIP ? t->code_base : t->v.x86.gpr[m->base];
	delta = h->gpr[m->delta] - base;
	a = window_fault(t, h, &delta, &t->fault);
	h->gpr[m->delta] = base + delta;
	return a;
}

/*
 * In a windowed block: a page that is not in the window yet, or what the
 * software TLB will tell apart. True: run the host's instruction again.
 */
static bool in_window(struct tcpu *t, struct block *b,
		      const struct insn_meta *m, struct host_fault *h)
{
	enum window_answer a = WINDOW_SOFT;

	if (h->vector != X86_PF)
		;
	else if (m->reach == META_PLAIN)
		a = window_fault(t, h, &h->gpr[m->delta], &t->fault);
	else if (m->reach == META_PLACE)
		a = place_in_window(t, b, m, h);
	else if (m->reach == META_ADDRESS)
		a = address_in_window(t, b, m, h);
	else
		a = string_in_window(t, h);
	/* Dead: the walk has set bits in a page table, and in the block. */
	if (a == WINDOW_AGAIN && !b->dead)
		return true;
	take_state(t, b, m, h);
	if (a == WINDOW_FAULT)
		t->fault_pending = true;
	else
		begin_soft(t, b);
	return false;
}

bool fault_host(struct host_fault *h)
{
	const u8 *pc = (const u8 *)(uintptr_t)h->pc;
	struct engine *e = engine_of(pc);
	const struct insn_meta *m;
	const u8 *detour;
	struct block *b;
	struct tcpu *t;

	if (!e)
		return false;
	b = find_running(e, pc);
	detour = b ? link_detour(b, pc) : NULL;
	if (detour) {
		h->pc = (u64)(uintptr_t)detour;
		return true;
	}
	m = b ? find_meta(b, pc) : NULL;
	if (!m)
		return false;
	__asm__ volatile("mov %%gs:%c1, %0"
			 : "=r"(t)
			 : "i"(offsetof(struct tcpu, self)));
	if (shadow_is_full(t, h))
		return true;
	if (h->no_memory) {
		vm_kill(e->vm, "the host has no memory left for the guest's "
			       "(it is promised more than there is)");
		take_state(t, b, m, h);
	} else if (b->windowed && is_windows(h)) {
		if (in_window(t, b, m, h))
			return true;
	} else if (is_guests(h)) {
		take_state(t, b, m, h);
		t->fault = (struct x86_fault){ .vector = h->vector,
					       .has_error = h->vector ==
							    X86_GP };
		/* SDM 3A 2.5 "Control Registers": OSXMMEXCPT */
		if (h->vector == X86_XM &&
		    !(t->v.x86.cr4 & CR4_OSXMMEXCPT))
			t->fault.vector = X86_UD;
		t->fault_pending = true;
	} else {
		return false;
	}
	t->shadow_rsp = h->sp;
	h->pc = (u64)(uintptr_t)e->stubs.leave;
	return true;
}
