/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deliver.c - exceptions and interrupts: from the event to the first
 * instruction of its handler.
 *
 * Each form reads all that it needs, checks it, pushes the frame in one go,
 * and only then changes the state; so a fault on the way leaves the state as
 * it was, to be combined with the event (table 6-5) and tried again.
 *
 * Left to the caller: whether the event may come now (IF, shadows, NMI
 * masking), INT n in virtual-8086 mode with IOPL below 3, DR6.
 *
 * SDM 3A chapter 6 "Interrupt and Exception Handling", 6.12 "Exception and
 * Interrupt Handling", 6.14 "Exception and Interrupt Handling in 64-bit
 * Mode", 20.3 "Interrupt and Exception Handling in Virtual-8086 Mode"; SDM
 * 2A "INT n/INTO/INT3/INT1 - Call to Interrupt Procedure"
 */
#include "x86/desc.h"
#include "x86/stack.h"
#include "x86/system.h"

/* In the error code: the selector index is an IDT's. */
#define ERROR_EXT 1u
#define ERROR_IDT 2u

#define FAULT_CLASS                                                            \
	(BIT(X86_DE) | BIT(X86_BR) | BIT(X86_UD) | BIT(X86_NM) | BIT(X86_TS) | \
	 BIT(X86_NP) | BIT(X86_SSEG) | BIT(X86_GP) | BIT(X86_PF) |             \
	 BIT(X86_MF) | BIT(X86_AC) | BIT(X86_XM))
#define CONTRIBUTORY \
	(BIT(X86_DE) | BIT(X86_TS) | BIT(X86_NP) | BIT(X86_SSEG) | BIT(X86_GP))

struct event {
	enum x86_event_kind kind;
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
	u64 flags; /* RFLAGS to push */
	u32 ext; /* ERROR_EXT, or 0 for INT n: in errors of the delivery */
};

static bool is_in(u8 vector, u32 set)
{
	return vector < 32 && (set >> vector & 1);
}

bool x86_is_fault(u8 vector)
{
	return is_in(vector, FAULT_CLASS);
}

static u32 gate_error(const struct event *e)
{
	return (u32)e->vector * 8 + ERROR_IDT;
}

static void enter_handler(struct x86_state *s, u64 rip, bool interrupt_gate)
{
	s->rip = rip;
	s->rflags &= ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM);
	if (interrupt_gate)
		s->rflags &= ~FLAG_IF;
}

/* --- real mode --- SDM 3A 20.1.4 "Interrupt and Exception Handling" */

static int deliver_real(struct x86_state *s, const struct x86_mem *m,
			const struct event *e, struct x86_fault *f)
{
	u64 frame[3] = { e->flags, s->seg[X86_CS].sel, s->rip };
	u32 offset = (u32)e->vector * 4;
	struct x86_stack k;
	u16 entry[2];

	if (offset + 3 > s->idtr.limit)
		return x86_fault_error(f, X86_GP, gate_error(e));
	if (m->read(m->ctx, (u32)(s->idtr.base + offset), entry, sizeof(entry),
		    X86_SYS_READ, f))
		return -1;
	if (entry[0] > s->seg[X86_CS].limit)
		return x86_gp(f);
	x86_stack_current(&k, s, false);
	if (x86_stack_push(&k, m, frame, ARRAY_SIZE(frame), 2, f))
		return -1;
	s->gpr[X86_RSP] = k.sp;
	x86_load_sreg_real(s, X86_CS, entry[1]);
	enter_handler(s, entry[0], true);
	s->rflags &= ~FLAG_AC;
	return 0;
}

/* --- gates --- */

struct gate {
	struct x86_desc d;
	unsigned type;
	struct x86_desc code;
	u16 code_sel;
	u64 offset;
	unsigned cpl; /* of the handler */
	bool inner; /* it is a more privileged one */
};

static int read_gate(const struct x86_state *s, const struct x86_mem *m,
		     const struct event *e, struct gate *g, struct x86_fault *f)
{
	unsigned bytes = x86_is_long_mode(s) ? 16 : 8;
	u32 offset = e->vector * bytes, w[4];
	gva_t lin = s->idtr.base + offset;

	if (offset + bytes - 1 > s->idtr.limit)
		return x86_fault_error(f, X86_GP, gate_error(e));
	if (bytes == 8)
		lin = (u32)lin;
	else if (!x86_is_canonical(lin) || !x86_is_canonical(lin + bytes - 1))
		return x86_fault_error(f, X86_GP, gate_error(e));
	if (m->read(m->ctx, lin, w, bytes, X86_SYS_READ, f))
		return -1;
	g->d = (struct x86_desc){ .lin = lin, .lo = w[0], .hi = w[1] };
	if (bytes == 16)
		g->d.top = w[2];
	g->type = x86_desc_type(&g->d);
	return 0;
}

static bool is_gate_type(const struct x86_state *s, const struct gate *g)
{
	if (!x86_desc_is_system(&g->d))
		return false;
	switch (g->type) {
	case SYS_INT:
	case SYS_TRAP:
		return true;
	case SYS_TASK_GATE:
	case SYS_INT16:
	case SYS_TRAP16:
		return !x86_is_long_mode(s);
	}
	return false;
}

static int check_gate(const struct x86_state *s, const struct event *e,
		      const struct gate *g, struct x86_fault *f)
{
	if (!is_gate_type(s, g))
		return x86_fault_error(f, X86_GP, gate_error(e));
	if (e->kind == X86_EVENT_SOFT_INT && x86_desc_dpl(&g->d) < x86_cpl(s))
		return x86_fault_error(f, X86_GP, gate_error(e));
	if (!x86_desc_present(&g->d))
		return x86_fault_error(f, X86_NP, gate_error(e));
	return 0;
}

/* The handler's code segment and whether it means another stack. */
static int check_handler(const struct x86_state *s, const struct x86_mem *m,
			 struct gate *g, struct x86_fault *f)
{
	unsigned cpl = x86_cpl(s), dpl;
	u32 attr;

	g->code_sel = x86_gate_sel(&g->d);
	g->offset = x86_gate_offset(&g->d, g->type >= SYS_INT);
	if (x86_sel_is_null(g->code_sel))
		return x86_gp(f);
	if (x86_desc_read(s, m, g->code_sel, X86_GP, &g->code, f))
		return -1;
	dpl = x86_desc_dpl(&g->code);
	attr = x86_desc_attr(&g->code);
	if (!x86_desc_is_code(&g->code) || dpl > cpl)
		return x86_fault_sel(f, X86_GP, g->code_sel);
	if (x86_is_long_mode(s) && (attr & (SEG_L | SEG_DB)) != SEG_L)
		return x86_fault_sel(f, X86_GP, g->code_sel);
	if (!x86_desc_present(&g->code))
		return x86_fault_sel(f, X86_NP, g->code_sel);
	g->inner = !x86_desc_is_conforming(&g->code) && dpl < cpl;
	g->cpl = g->inner ? dpl : cpl;
	if (x86_is_vm86(s) && (!g->inner || dpl))
		return x86_fault_sel(f, X86_GP, g->code_sel);
	if (x86_is_long_mode(s) ? !x86_is_canonical(g->offset)
				: g->offset > x86_desc_limit(&g->code))
		return x86_gp(f);
	return x86_desc_mark_accessed(m, &g->code, f);
}

static void commit_gate(struct x86_state *s, const struct gate *g,
			const struct x86_stack *k)
{
	x86_desc_load(&g->code, (u16)((g->code_sel & ~SEL_RPL) | g->cpl),
		      &s->seg[X86_CS]);
	if (g->inner)
		s->seg[X86_SS] = k->seg;
	s->gpr[X86_RSP] = k->sp;
	enter_handler(s, g->offset, !(g->type & 1));
}

/* 16- and 32-bit gates; from virtual-8086 mode with all segments. */
static int enter_legacy(struct x86_state *s, const struct x86_mem *m,
			const struct event *e, struct gate *g,
			struct x86_fault *f)
{
	static const u8 data_tab[] = { X86_GS, X86_FS, X86_DS, X86_ES };
	unsigned size = g->type >= SYS_INT ? 4 : 2, n = 0;
	bool vm86 = x86_is_vm86(s);
	struct x86_stack k;
	u64 frame[10];

	if (!g->inner)
		x86_stack_current(&k, s, false);
	else if (x86_stack_inner(&k, s, m, g->cpl, 0, f))
		return -1;
	for (unsigned i = 0; vm86 && i < ARRAY_SIZE(data_tab); i++)
		frame[n++] = s->seg[data_tab[i]].sel;
	if (g->inner) {
		frame[n++] = s->seg[X86_SS].sel;
		frame[n++] = s->gpr[X86_RSP];
	}
	frame[n++] = e->flags;
	frame[n++] = s->seg[X86_CS].sel;
	frame[n++] = s->rip;
	if (e->has_error)
		frame[n++] = e->error;
	if (x86_stack_push(&k, m, frame, n, size, f))
		return -1;
	for (unsigned i = 0; vm86 && i < ARRAY_SIZE(data_tab); i++)
		x86_seg_set_null(&s->seg[data_tab[i]], 0, 0);
	commit_gate(s, g, &k);
	return 0;
}

static int enter_long(struct x86_state *s, const struct x86_mem *m,
		      const struct event *e, struct gate *g,
		      struct x86_fault *f)
{
	unsigned ist = g->d.hi & 7, n = 0;
	u64 frame[6];
	struct x86_stack k;

	if (!g->inner && !ist)
		x86_stack_current(&k, s, true);
	else if (x86_stack_inner(&k, s, m, g->cpl, ist, f))
		return -1;
	k.sp &= ~15ull;
	frame[n++] = s->seg[X86_SS].sel;
	frame[n++] = s->gpr[X86_RSP];
	frame[n++] = e->flags;
	frame[n++] = s->seg[X86_CS].sel;
	frame[n++] = s->rip;
	if (e->has_error)
		frame[n++] = e->error;
	if (x86_stack_push(&k, m, frame, n, 8, f))
		return -1;
	commit_gate(s, g, &k);
	return 0;
}

static int deliver_protected(struct x86_state *s, const struct x86_mem *m,
			     const struct event *e, struct x86_fault *f)
{
	struct gate g;

	if (read_gate(s, m, e, &g, f) || check_gate(s, e, &g, f))
		return -1;
	if (g.type == SYS_TASK_GATE)
		return x86_task_switch(s, m, x86_gate_sel(&g.d), X86_TASK_CALL,
				       s->rip, e->flags,
				       e->has_error ? &e->error : NULL, f);
	if (check_handler(s, m, &g, f))
		return -1;
	return x86_is_long_mode(s) ? enter_long(s, m, e, &g, f)
				   : enter_legacy(s, m, e, &g, f);
}

/* --- combining --- */

static void event_init(struct event *e, enum x86_event_kind kind,
		       const struct x86_fault *in, const struct x86_state *s)
{
	bool exception = kind == X86_EVENT_HW_EXCEPTION;

	*e = (struct event){ .kind = kind,
			     .vector = in->vector,
			     .has_error = exception && in->has_error,
			     .error = in->error,
			     .cr2 = in->cr2,
			     .flags = s->rflags };
	if (exception && x86_is_fault(in->vector))
		e->flags |= FLAG_RF;
	if (kind != X86_EVENT_SOFT_INT)
		e->ext = ERROR_EXT;
}

/* SDM 3A table 6-5 "Conditions for Generating a Double Fault" */
static bool makes_double_fault(const struct event *first, u8 second)
{
	if (first->kind != X86_EVENT_HW_EXCEPTION)
		return false;
	if (is_in(first->vector, CONTRIBUTORY))
		return is_in(second, CONTRIBUTORY);
	return first->vector == X86_PF &&
	       is_in(second, CONTRIBUTORY | BIT(X86_PF));
}

static bool is_shutdown(const struct event *first, u8 second)
{
	return first->kind == X86_EVENT_HW_EXCEPTION &&
	       first->vector == X86_DF &&
	       is_in(second, CONTRIBUTORY | BIT(X86_PF));
}

/*
 * The loop ends: an event that does not double-fault is followed by a
 * contributory fault or #PF, at most one of each, then by #DF, then by
 * shutdown.
 */
int x86_deliver(struct x86_state *s, const struct x86_mem *m,
		enum x86_event_kind kind, const struct x86_fault *event)
{
	struct x86_fault f = *event;
	struct event e;

	for (;;) {
		event_init(&e, kind, &f, s);
		if (kind == X86_EVENT_HW_EXCEPTION && e.vector == X86_PF)
			s->cr2 = e.cr2;
		if (!(x86_is_real(s) ? deliver_real(s, m, &e, &f)
				     : deliver_protected(s, m, &e, &f)))
			break;
		if (is_in(f.vector, CONTRIBUTORY) && f.vector != X86_DE)
			f.error |= e.ext;
		if (is_shutdown(&e, f.vector)) {
			s->activity = X86_SHUTDOWN;
			return -1;
		}
		if (makes_double_fault(&e, f.vector)) {
			if (f.vector == X86_PF)
				s->cr2 = f.cr2;
			x86_fault_error(&f, X86_DF, 0);
		}
		if (event->insn_len && kind != X86_EVENT_HW_EXCEPTION)
			s->rip -= event->insn_len;
		kind = X86_EVENT_HW_EXCEPTION;
	}
	if (kind == X86_EVENT_HW_EXCEPTION && e.vector == X86_DB)
		s->dr7 &= ~DR7_GD;
	s->intr_shadow = 0;
	s->activity = X86_RUNNING;
	return 0;
}
