/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the dispatcher: finds the block for x86.rip, and between blocks
 * attends to interrupts and requests.
 *
 * Generated code calls run_next() and its kin when it needs a block that it
 * cannot reach by itself; they answer with an address to jump to, or with the
 * leave stub, and then translate_run() is back in charge. Neither chained
 * blocks nor jump-cache hits come here.
 */
#include "base/trace.h"
#include "engine/translate/debug.h"
#include "engine/translate/engine.h"
#include "engine/translate/gate.h"
#include "engine/translate/key.h"
#include "engine/translate/run.h"
#include "x86/system.h"

static u64 leave(const struct tcpu *t)
{
	return (u64)(uintptr_t)t->e->stubs.leave;
}

/* --- finding blocks --- */

static bool fetch_fault(struct tcpu *t, const struct x86_fault *f)
{
	fault_deliver(t, f);
	return false;
}

/* Where there is no memory, the bus of a PC floats high, and FF FF is no
 * instruction. DEVIATES: devices' memory cannot be executed either. */
static bool fetch_nothing(struct tcpu *t, gpa_t gpa)
{
	struct x86_fault f;

	TRACE(FAULT, "no memory at %llx to execute", (unsigned long long)gpa);
	x86_fault_set(&f, X86_UD);
	return fetch_fault(t, &f);
}

/* The linear address of rip; false after a fault. */
static bool code_linear(struct tcpu *t, gva_t *lin)
{
	const struct x86_state *s = &t->v.x86;
	struct x86_fault f;

	if (t->key & KEY_CODE64) {
		*lin = s->rip;
		return true;
	}
	if (s->rip > s->seg[X86_CS].limit) {
		x86_gp(&f);
		return fetch_fault(t, &f);
	}
	*lin = (u32)(s->seg[X86_CS].base + s->rip);
	return true;
}

/* Does the instruction at @gpa, near the end of its page, go over it? */
static bool crosses(struct tcpu *t, gpa_t gpa)
{
	unsigned avail = (unsigned)(PAGE_SIZE - (gpa & ~PAGE_MASK));
	const u8 *p = gmem_hva(&t->e->vm->mem, gpa, avail);
	struct x86_insn i;

	return avail < X86_INSN_MAX &&
	       x86_decode(p, avail, key_code_size(t->key), &i) ==
		       X86_DECODE_SHORT;
}

/*
 * The block at @gpa, translated if need be. With the lock held; NULL, the VM
 * being killed or the code having changed meanwhile, without.
 */
static struct block *make_block(struct tcpu *t, gpa_t gpa, gva_t lin,
				gpa_t gpa2)
{
	struct engine *e = t->e;
	struct block *b = NULL;
	struct watch w;

	for (;;) {
		/* Another vCPU may have made it while we waited. */
		b = table_find_crossing(e, gpa, t->key, gpa2);
		if (b)
			return b;
		if (!cache_has_room(e, BLOCK_HOST_BYTES)) {
			engine_unlock(e);
			cache_evict(t);
			engine_lock(e);
		} else if (!smc_watch(t, gpa, &w) ||
			   (gpa2 != ~0ull && !smc_watch(t, gpa2, &w))) {
			engine_unlock(e);
			if (!w.cpus) {
				vm_kill(e->vm, "no memory for what is known "
					       "of translated code");
				return NULL;
			}
			smc_settle(t, &w);
			engine_lock(e);
		} else {
			b = translate(t, gpa, lin, gpa2, t->key);
			if (!b)
				engine_unlock(e);
			return b;
		}
	}
}

/* The page of the rest of an instruction whose first byte is at @lin, on the
 * page before; false after a fault. */
static bool second_page(struct tcpu *t, gva_t lin, gpa_t *gpa)
{
	gva_t second = (lin & PAGE_MASK) + PAGE_SIZE;
	struct x86_fault f;

	if (!(t->key & KEY_CODE64))
		second = (u32)second;
	if (tlb_fetch(t, second, gpa, &f))
		return fetch_fault(t, &f);
	*gpa &= PAGE_MASK;
	return gmem_hva(&t->e->vm->mem, *gpa, 1) || fetch_nothing(t, *gpa);
}

static struct block *find_any_block(struct tcpu *t, bool *global)
{
	struct engine *e = t->e;
	gpa_t gpa, gpa2 = ~0ull;
	struct x86_fault f;
	struct block *b;
	gva_t lin;

	t->stats.dispatches++;
	if (!code_linear(t, &lin))
		return NULL;
	if (tlb_fetch(t, lin, &gpa, &f)) {
		fetch_fault(t, &f);
		return NULL;
	}
	*global = t->itlb[(lin >> PAGE_SHIFT) % ITLB_ENTRIES].global;
	engine_lock(e);
	b = table_find(e, gpa, t->key);
	if (!(t->key & KEY_USER) && (!b || b->va != (lin & PAGE_MASK)) &&
	    link_place(t, gpa, lin))
		b = NULL;
	if (b && b->gpa2 == ~0ull)
		return b;
	if (!gmem_hva(&e->vm->mem, gpa, 1)) {
		engine_unlock(e);
		fetch_nothing(t, gpa);
		return NULL;
	}
	for (;;) {
		/* If one does, all do: their code is the same on this page. */
		if (b || crosses(t, gpa)) {
			engine_unlock(e);
			if (!second_page(t, lin, &gpa2))
				return NULL;
			engine_lock(e);
		}
		b = make_block(t, gpa, lin, gpa2);
		if (b || vm_is_ending(e->vm))
			return b;
		/* Changed since crosses() looked: it does now. */
		engine_lock(e);
	}
}

/*
 * The block at rip, translated if need be; the engine's lock is held then.
 * NULL when a fault was delivered instead or the VM is being killed. *@global:
 * its page is. Where an instruction may lie across the limit of CS, it has a
 * block to itself.
 */
static struct block *find_block(struct tcpu *t, bool *global)
{
	struct block *b = find_any_block(t, global);
	struct x86_fault f;

	if (b && unlikely(t->key & KEY_LIMIT) &&
	    ((t->key & KEY_STEPS) || b->gpa2 != ~0ull) &&
	    t->v.x86.rip + b->guest_bytes - 1 > t->v.x86.seg[X86_CS].limit) {
		engine_unlock(t->e);
		x86_gp(&f);
		fetch_fault(t, &f);
		return NULL;
	}
	return b;
}

/*
 * With a CS that ends below 4 GiB: is the instruction at rip near its end,
 * that is, on a page of which a part is outside, or so short of it that it may
 * reach over? Then it runs alone, and find_block() sees its length.
 */
static bool near_limit(const struct tcpu *t)
{
	const struct x86_seg *cs = &t->v.x86.seg[X86_CS];
	u32 at = (u32)(cs->base + t->v.x86.rip);
	u32 last = (u32)(cs->base + cs->limit);

	if (t->v.x86.rip + X86_INSN_MAX > cs->limit)
		return true;
	return (last + 1) & ~PAGE_MASK && !((at ^ last) & PAGE_MASK);
}

/*
 * Before an instruction that C leads to: must it be the only one of its block,
 * for this and that to be looked at? False: a breakpoint struck instead.
 * @alone, @masked: see debug_before().
 */
static bool prepare(struct tcpu *t, bool alone, bool masked)
{
	if (likely(!t->debug.armed && !(t->key & KEY_LIMIT)))
		return true;
	t->key &= ~KEY_STEPS;
	if ((t->key & KEY_LIMIT) && near_limit(t))
		t->key |= KEY_STEPS;
	return !t->debug.armed || !debug_before(t, alone, masked);
}

/* Notes that @b is what comes now; lets go of the lock. */
static u64 enter_block(struct tcpu *t, struct block *b)
{
	t->code_base = t->v.x86.rip - (b->gpa & ~PAGE_MASK);
	link_entered(t, b);
	engine_unlock(t->e);
	TRACE(EXEC, "%llx gpa %llx key %x", (unsigned long long)t->v.x86.rip,
	      (unsigned long long)b->gpa, b->key);
	return (u64)(uintptr_t)block_entry(b, FLAGS_SAVED, true);
}

/* Anything that only translate_run() can deal with? */
static bool must_leave(const struct tcpu *t)
{
	return t->v.x86.activity != X86_RUNNING || t->fault_pending ||
	       vm_is_ending(t->e->vm) ||
	       !__atomic_load_n(&t->calm, __ATOMIC_RELAXED);
}

void run_soft_once(struct tcpu *t)
{
	t->debug.alone = true;
	t->soft_once = true;
	tcpu_disturb(t);
}

void run_exclusive_once(struct tcpu *t)
{
	run_soft_once(t);
	t->exclusive_once = true;
}

/* What had to be run alone has been. */
static void end_once(struct tcpu *t)
{
	if (likely(!t->soft_once) || t->debug.alone)
		return;
	t->soft_once = false;
	key_update(t);
	if (t->exclusive_once) {
		t->exclusive_once = false;
		exclusive_end(t);
	}
}

u64 run_next(struct tcpu *t)
{
	struct block *b;
	bool global;
	u64 host;

	quiesce_pass(t);
	end_once(t);
	if (t->v.x86.intr_shadow || must_leave(t))
		return leave(t);
	if (!prepare(t, false, false))
		return leave(t);
	host = TRACE_ON(EXEC) ? 0 : jc_find(t, t->v.x86.rip);
	if (host)
		return host;
	b = find_block(t, &global);
	if (!b)
		return leave(t);
	jc_add(t, t->v.x86.rip, b, global);
	return enter_block(t, b);
}

/* --- calls from generated code --- */

static void set_rip(struct tcpu *t, u64 rip)
{
	t->v.x86.rip = t->key & KEY_CODE64 ? rip : (u32)rip;
}

u64 run_exit(struct tcpu *t, struct block_exit *x)
{
	struct block *from = x->from, *b;
	u64 epoch = t->e->epoch;
	bool global = false, far = x->far;

	/* @x may not be used from here on, unless the epoch says so. */
	set_rip(t, t->code_base + (u64)(s64)x->target);
	quiesce_pass(t);
	if (jc_was_disturbed(t) || must_leave(t))
		return leave(t);
	/* On the same page all is as it was where the exit is. */
	if (far && !prepare(t, false, false))
		return leave(t);
	b = find_block(t, &global);
	if (!b)
		return leave(t);
	/*
	 * Chain, if both are still there, on the same page (an exit's target
	 * is on the page by construction, as long as it is mapped as it was
	 * when the block was entered) and in the same mode.
	 */
	if (epoch == t->e->epoch && !from->dead && !(b->key & KEY_ALONE)) {
		if (x->guarded) {
			jc_add(t, t->v.x86.rip, b, global);
			link_user_far(t, x, b);
		} else if (x->far)
			link_far(t, x, global && b->key == x->key ? b : NULL);
		else if (b->gpa2 == ~0ull && b->key == x->key &&
			 (b->gpa & PAGE_MASK) == (from->gpa & PAGE_MASK))
			link_exit(t, x, b);
	}
	jc_note(t, t->v.x86.rip, b, global);
	return enter_block(t, b);
}

u64 run_poll(struct tcpu *t, struct block *b)
{
	t->stats.polls++;
	set_rip(t, t->code_base + (b->gpa & ~PAGE_MASK));
	/* Entries of dead blocks lead here too; the jump cache has to forget
	 * them or we would be back at once. */
	if (b->dead)
		jc_drop(t, t->v.x86.rip);
	return run_next(t);
}

/*
 * An indirect jump to a non-canonical address faults at the jump; what it has
 * done to RSP is undone. Direct jumps leave no note: where one may be what led
 * there, so near the end of the canonical addresses, it is the fetch that
 * faults.
 * DEVIATES: a CALL has written below the stack.
 */
static bool jumps_nowhere(struct tcpu *t, gva_t va)
{
	struct x86_fault f;

	if (!(t->key & KEY_CODE64) || x86_is_canonical(va) ||
	    !x86_is_canonical(t->jump_base + BIT64(32)) ||
	    !x86_is_canonical(t->jump_base - BIT64(32)))
		return false;
	t->v.x86.rip = t->jump_base + (t->jump_from & ~PAGE_MASK);
	t->v.x86.gpr[X86_RSP] -= (u64)(s64)((s32)t->jump_from >> PAGE_SHIFT);
	x86_gp(&f);
	fault_deliver(t, &f);
	return true;
}

u64 run_jump_plain(struct tcpu *t, gva_t va)
{
	t->stats.jump_misses++;
	if (jumps_nowhere(t, va))
		return run_next(t);
	set_rip(t, va);
	if (t->key & KEY_ALONE)
		debug_after_native(t);
	return run_next(t);
}

u64 run_jump(struct tcpu *t, u64 tag)
{
	gva_t va = jc_address(t, tag);

	if (jc_was_disturbed(t))
		t->stats.polls++;
	return run_jump_plain(t, va);
}

u64 run_callout(struct tcpu *t, struct callout *c)
{
	bool step = t->key & KEY_TF;
	enum callout_result r;

	t->stats.callouts++;
	t->stats.callout_by_class[c->insn.cls]++;
	t->leave_after = 0;
	if (t->key & KEY_ALONE)
		t->v.x86.rflags &= ~FLAG_RF;
	r = c->fn(t, c);
	if (r == CALLOUT_NEXT && !t->leave_after)
		return 0;
	t->leave_after = 0;
	if (r == CALLOUT_NEXT || r == CALLOUT_DONE)
		set_rip(t, t->code_base + c->next);
	/* TF counts as it was when the instruction began; but SYSCALL and
	 * SYSRET trap if it is set when they are done. */
	if (c->insn.cls == X86_C_SYSCALL || c->insn.cls == X86_C_SYSRET)
		step = t->key & KEY_TF;
	if (r != CALLOUT_EVENT && debug_is_due(t, step))
		debug_after(t, step);
	return run_next(t);
}

/* --- interrupts and requests --- */

static bool deliver_interrupt(struct tcpu *t)
{
	struct x86_fault f = { 0 };
	int vector;

	vcpu_clear_request(&t->v, VCPU_REQ_INTR);
	vector = t->v.intr ? t->v.intr->ack(t->v.intr_dev) : -1;
	if (vector < 0)
		return false;
	f.vector = (u8)vector;
	TRACE(INTR, "vector %u at %llx", f.vector,
	      (unsigned long long)t->v.x86.rip);
	if (t->key & KEY_USER)
		window_tick(t);
	t->stats.interrupts++;
	t->v.x86.activity = X86_RUNNING;
	t->stats.exceptions--; /* counted there, but it is none */
	fault_deliver_kind(t, X86_EVENT_INTR, &f);
	return true;
}

static void deliver_nmi(struct tcpu *t)
{
	struct x86_fault f = { .vector = X86_NMI };

	vcpu_clear_request(&t->v, VCPU_REQ_NMI);
	t->v.x86.nmi_masked = 1;
	t->v.x86.activity = X86_RUNNING;
	fault_deliver_kind(t, X86_EVENT_INTR, &f);
}

#define REQ_NOT_OURS \
	(VCPU_REQ_STOP | VCPU_REQ_TIMER | VCPU_REQ_TURN | VCPU_REQ_INIT |      \
	 VCPU_REQ_SIPI)

/* True: translate_run() returns *@why. */
static bool attend(struct tcpu *t, enum vm_exit *why)
{
	struct x86_state *s = &t->v.x86;
	u32 req;

	jc_calm(t);
	/* Somebody may wait for us to do so. */
	quiesce_park(t);
	quiesce_unpark(t);
	req = vcpu_requests(&t->v);
	if (req & VCPU_REQ_FLUSH) {
		vcpu_clear_request(&t->v, VCPU_REQ_FLUSH);
		tlb_flush_all(t);
	}
	if (t->fault_pending) {
		t->fault_pending = false;
		fault_deliver(t, &t->fault);
	}
	if ((req & REQ_NOT_OURS) || vm_is_ending(t->e->vm)) {
		*why = VM_EXIT_REQUEST;
		return true;
	}
	if (s->activity == X86_SHUTDOWN) {
		*why = VM_EXIT_SHUTDOWN;
		return true;
	}
	if (s->activity == X86_WAIT_SIPI) {
		*why = VM_EXIT_HLT;
		return true;
	}
	if (!s->intr_shadow && !t->debug.alone) {
		if ((req & VCPU_REQ_NMI) && !s->nmi_masked)
			deliver_nmi(t);
		else if ((req & VCPU_REQ_INTR) && (s->rflags & FLAG_IF))
			deliver_interrupt(t);
	}
	if (s->activity == X86_HALTED) {
		*why = VM_EXIT_HLT;
		return true;
	}
	return false;
}

static void enter_code(struct tcpu *t, const u8 *stub, const u8 *pc)
{
	void (*enter)(struct tcpu *, const u8 *);

	enter = (void (*)(struct tcpu *, const u8 *))(uintptr_t)stub;
	enter(t, pc);
}

/*
 * The instruction in an interrupt shadow, or one that was deferred to be run
 * alone, runs without a poll before it; the block after its own polls again.
 */
static void enter_in_shadow(struct tcpu *t)
{
	const struct stubs *stubs = &t->e->stubs;
	bool mov_ss = t->v.x86.intr_shadow == X86_SHADOW_MOV_SS;
	const u8 *pc;
	struct block *b;
	bool global;

	t->v.x86.intr_shadow = 0;
	t->debug.alone = false;
	if (!prepare(t, true, mov_ss)) {
		t->exclusive_once = false;
		return;
	}
	if (t->exclusive_once)
		exclusive_begin(t);
	if (t->soft_once)
		t->key |= KEY_STEPS;
	b = find_block(t, &global);
	if (b) {
		if (vcpu_requests(&t->v))
			tcpu_disturb(t);
		jc_note(t, t->v.x86.rip, b, global);
		pc = block_entry(b, b->pref, false);
		(void)enter_block(t, b);
		enter_code(t, stubs->enter, pc);
	}
	end_once(t);
}

static void enter_next(struct tcpu *t)
{
	u64 pc = run_next(t);

	if (pc != leave(t))
		enter_code(t, t->e->stubs.enter, (const u8 *)(uintptr_t)pc);
}

enum vm_exit translate_run(struct vcpu *v)
{
	struct tcpu *t = tcpu_of(v);
	enum vm_exit why = VM_EXIT_REQUEST;

	host_set_gs_base(t);
	quiesce_unpark(t);
	if (t->stale) {
		t->stale = false;
		tcpu_set_rflags(t, v->x86.rflags);
		t->key = ~0u;
		t->cr3 = v->x86.cr3;
		tlb_flush_all(t);
		t->debug = (struct debug){ 0 };
		t->soft_once = t->exclusive_once = t->fault_pending = false;
		t->x87.what = 0;
		t->x87.operand = 0;
		fastcall_update(t);
		gate_forget_return(t);
	}
	tcpu_set_rflags(t, v->x86.rflags);
	key_update(t);
	t->world_depth = 1;
	world_leave(t);
	for (;;) {
		if (attend(t, &why))
			break;
		if (t->v.x86.intr_shadow || t->debug.alone)
			enter_in_shadow(t);
		else
			enter_next(t);
	}
	quiesce_park(t);
	world_enter(t);
	t->world_depth = 0;
	v->x86.rflags = tcpu_rflags(t);
	return why;
}
