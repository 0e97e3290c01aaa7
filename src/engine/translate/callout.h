/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callout.h - instructions carried out in C: what their functions share.
 *
 * A callout function runs with all general registers in x86.gpr[] and the
 * flags SAVED; x86.rip is stale until callout_begin() is called, which those
 * that may fault or leave do. A fault is delivered by callout_fault().
 */
#ifndef DOPPEL_TRANSLATE_CALLOUT_H
#define DOPPEL_TRANSLATE_CALLOUT_H

#include "engine/translate/engine.h"
#include "engine/translate/key.h"
#include "x86/system.h"

static inline u64 callout_next(const struct tcpu *t, const struct callout *c)
{
	u64 a = t->code_base + c->next;

	return t->key & KEY_CODE64 ? a : (u32)a;
}

/* Makes x86.rip and x86.rflags what src/x86 expects. */
static inline struct x86_state *callout_begin(struct tcpu *t,
					      const struct callout *c)
{
	u64 a = t->code_base + c->at;

	t->v.x86.rip = t->key & KEY_CODE64 ? a : (u32)a;
	t->v.x86.rflags = tcpu_rflags(t);
	return &t->v.x86;
}

/* The reverse for the flags; also looks whether an interrupt may come now. */
static inline void callout_end(struct tcpu *t)
{
	u32 req = vcpu_requests(&t->v);

	tcpu_set_rflags(t, t->v.x86.rflags);
	if (!(t->v.x86.rflags & FLAG_IF))
		req &= ~VCPU_REQ_INTR;
	if (t->v.x86.nmi_masked)
		req &= ~VCPU_REQ_NMI;
	if (unlikely(req))
		tcpu_disturb(t);
}

/* Earlier stores are seen by all before anything that follows is begun. SDM 3A
 * 8.3 "Serializing Instructions" */
static inline void callout_serialize(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* x86.rip is new. */
static inline enum callout_result callout_leave(struct tcpu *t)
{
	callout_end(t);
	key_update(t);
	return CALLOUT_LEAVE;
}

/* The mode may be new; go on behind the instruction. */
static inline enum callout_result callout_done(struct tcpu *t)
{
	callout_end(t);
	key_update(t);
	return CALLOUT_DONE;
}

static inline enum callout_result callout_fault(struct tcpu *t,
						const struct x86_fault *f)
{
	tcpu_set_rflags(t, t->v.x86.rflags);
	fault_deliver(t, f);
	return CALLOUT_EVENT;
}

static inline enum callout_result callout_gp(struct tcpu *t)
{
	struct x86_fault f;

	x86_gp(&f);
	return callout_fault(t, &f);
}

static inline enum callout_result callout_ud(struct tcpu *t)
{
	struct x86_fault f;

	x86_fault_set(&f, X86_UD);
	return callout_fault(t, &f);
}

/* Access rights of the current privilege. */
static inline unsigned callout_acc(const struct tcpu *t)
{
	return t->key & KEY_USER ? X86_ACC_USER : 0;
}

/* Effective address (offset) of the memory operand. */
u64 callout_offset(const struct tcpu *t, const struct callout *c);
/* Segment base and checks for [off, off + bytes). -1: fault. */
int callout_linear(struct tcpu *t, unsigned seg, u64 off, unsigned bytes,
		   bool write, gva_t *lin, struct x86_fault *f);
/* The memory operand: linear address of @bytes. */
int callout_operand(struct tcpu *t, const struct callout *c, unsigned bytes,
		    bool write, gva_t *lin, struct x86_fault *f);
int callout_load(struct tcpu *t, const struct callout *c, void *p,
		 unsigned bytes, struct x86_fault *f);
int callout_store(struct tcpu *t, const struct callout *c, const void *p,
		  unsigned bytes, struct x86_fault *f);

/* Register operands, by modrm.rm / reg with operand size rules. */
static inline u64 reg_read(const struct tcpu *t, unsigned r, unsigned bytes)
{
	u64 v = t->v.x86.gpr[r];

	return bytes == 8 ? v : bytes == 4 ? (u32)v : bytes == 2 ? (u16)v :
								   (u8)v;
}

static inline void reg_write(struct tcpu *t, unsigned r, u64 v,
			     unsigned bytes)
{
	u64 *g = &t->v.x86.gpr[r];

	if (bytes == 8)
		*g = v;
	else if (bytes == 4)
		*g = (u32)v;
	else if (bytes == 2)
		*g = (*g & ~0xffffull) | (u16)v;
	else
		*g = (*g & ~0xffull) | (u8)v;
}

/* A 16-bit r/m operand (selectors). */
int callout_read_rm16(struct tcpu *t, const struct callout *c, u16 *v,
		      struct x86_fault *f);
int callout_write_rm(struct tcpu *t, const struct callout *c, u64 v,
		     unsigned mem_bytes, struct x86_fault *f);

/* Pushes and pops by the current stack size; RSP changes on success. */
int callout_push(struct tcpu *t, u64 v, unsigned bytes, struct x86_fault *f);
int callout_pop(struct tcpu *t, u64 *v, unsigned bytes, struct x86_fault *f);

/* By file: each returns NULL for classes that are not its own. */
callout_fn callout_flow(enum x86_class c); /* co_flow.c */
callout_fn callout_control(enum x86_class c); /* co_control.c */
callout_fn callout_segment(enum x86_class c); /* co_segment.c */
callout_fn callout_misc(enum x86_class c); /* co_misc.c */
callout_fn callout_io(enum x86_class c); /* co_io.c */
callout_fn callout_fpu(enum x86_class c); /* co_fpu.c */
callout_fn callout_legacy(enum x86_class c); /* co_legacy.c */
callout_fn callout_string(enum x86_class c); /* co_string.c */

#endif
