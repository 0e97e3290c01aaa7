/* SPDX-License-Identifier: Apache-2.0 */
/*
 * co_string.c - string instructions: by runs of pages where both ends are
 * plain memory, element by element where they are not.
 *
 * Registers advance with each run, so a fault or an interrupt in the middle
 * finds them where hardware would have left them. An interrupt is looked for
 * after each run. SDM 1 7.3.9 "String Operations"
 */
#include "base/fmt.h"
#include "engine/translate/callout.h"
#include "engine/translate/string.h"

struct string_op {
	struct tcpu *t;
	struct callout *c;
	const struct x86_insn *i;
	struct x86_state *s;
	unsigned n; /* bytes an element */
	unsigned ad; /* address size */
	s64 by; /* +n or -n */
	bool rep;
	u64 count;
	unsigned src_seg;
};

enum { OP_MOVS, OP_CMPS, OP_STOS, OP_LODS, OP_SCAS, OP_INS, OP_OUTS };

static int kind_of(u8 opcode)
{
	switch (opcode & ~1u) {
	case 0xa4:
		return OP_MOVS;
	case 0xa6:
		return OP_CMPS;
	case 0xaa:
		return OP_STOS;
	case 0xac:
		return OP_LODS;
	case 0xae:
		return OP_SCAS;
	case 0x6c:
		return OP_INS;
	default:
		return OP_OUTS;
	}
}

static void advance(struct string_op *o, unsigned r, u64 elements)
{
	u64 v = o->s->gpr[r] + (u64)o->by * elements;

	reg_write(o->t, r, v, o->ad);
}

static int source(struct string_op *o, gva_t *lin, struct x86_fault *f)
{
	return callout_linear(o->t, o->src_seg,
			      reg_read(o->t, X86_RSI, o->ad), o->n, false, lin,
			      f);
}

static int dest(struct string_op *o, bool write, gva_t *lin,
		struct x86_fault *f)
{
	return callout_linear(o->t, X86_ES, reg_read(o->t, X86_RDI, o->ad),
			      o->n, write, lin, f);
}

static int load_source(struct string_op *o, u64 *v, struct x86_fault *f)
{
	gva_t lin;

	*v = 0;
	if (source(o, &lin, f))
		return -1;
	return mem_read(o->t, lin, v, o->n, callout_acc(o->t), f);
}

static int load_dest(struct string_op *o, u64 *v, struct x86_fault *f)
{
	gva_t lin;

	*v = 0;
	if (dest(o, false, &lin, f))
		return -1;
	return mem_read(o->t, lin, v, o->n, callout_acc(o->t), f);
}

static int store_dest(struct string_op *o, u64 v, struct x86_fault *f)
{
	gva_t lin;

	if (dest(o, true, &lin, f))
		return -1;
	return mem_write(o->t, lin, &v, o->n, callout_acc(o->t), f);
}

/* The flags of a - b in o->n bytes. */
static void compare(struct string_op *o, u64 a, u64 b)
{
	u64 fl;

	switch (o->n) {
	case 1:
		__asm__("cmpb %2, %1; pushf; pop %0"
			: "=r"(fl)
			: "q"((u8)a), "q"((u8)b)
			: "cc");
		break;
	case 2:
		__asm__("cmpw %2, %1; pushf; pop %0"
			: "=r"(fl)
			: "r"((u16)a), "r"((u16)b)
			: "cc");
		break;
	case 4:
		__asm__("cmpl %2, %1; pushf; pop %0"
			: "=r"(fl)
			: "r"((u32)a), "r"((u32)b)
			: "cc");
		break;
	default:
		__asm__("cmpq %2, %1; pushf; pop %0"
			: "=r"(fl)
			: "r"(a), "r"(b)
			: "cc");
		break;
	}
	o->s->rflags = (o->s->rflags & ~FLAG_ARITH) | (fl & FLAG_ARITH);
}

/* One element. */
static int element(struct string_op *o, int kind, struct x86_fault *f)
{
	struct tcpu *t = o->t;
	u16 port = (u16)o->s->gpr[X86_RDX];
	u64 a, b;
	gva_t lin;

	switch (kind) {
	case OP_MOVS:
		if (load_source(o, &a, f) || store_dest(o, a, f))
			return -1;
		break;
	case OP_STOS:
		if (store_dest(o, o->s->gpr[X86_RAX], f))
			return -1;
		break;
	case OP_LODS:
		if (load_source(o, &a, f))
			return -1;
		reg_write(t, X86_RAX, a, o->n);
		break;
	case OP_CMPS:
		if (load_source(o, &a, f) || load_dest(o, &b, f))
			return -1;
		compare(o, a, b);
		break;
	case OP_SCAS:
		if (load_dest(o, &b, f))
			return -1;
		compare(o, reg_read(t, X86_RAX, o->n), b);
		break;
	case OP_INS:
		/* The device is read only when the store cannot fault. */
		if (io_check(t, port, o->n, f) || dest(o, true, &lin, f) ||
		    mem_probe(t, lin, o->n,
			      callout_acc(t) | X86_ACC_WRITE, f))
			return -1;
		a = io_read(t, port, o->n);
		if (store_dest(o, a, f))
			return -1;
		break;
	default:
		if (io_check(t, port, o->n, f) || load_source(o, &a, f))
			return -1;
		io_write(t, port, a, o->n);
		break;
	}
	if (kind == OP_MOVS || kind == OP_CMPS || kind == OP_LODS ||
	    kind == OP_OUTS)
		advance(o, X86_RSI, 1);
	if (kind != OP_LODS && kind != OP_OUTS)
		advance(o, X86_RDI, 1);
	return 0;
}

/* How many whole elements from @lin on lie on its page, going up. */
static u64 run_length(const struct string_op *o, gva_t lin)
{
	u64 room = PAGE_SIZE - (lin & ~PAGE_MASK);
	u64 n = room / o->n;

	return n < o->count ? n : o->count;
}

/* Is the segment one that checks nothing within this run? */
static bool plain_segments(const struct string_op *o)
{
	return (o->t->key & (KEY_CODE64 | KEY_FLAT)) && o->ad != 2;
}

static void fill_run(struct string_op *o, u8 *p, u64 n)
{
	u64 v = o->s->gpr[X86_RAX];

	switch (o->n) {
	case 1:
		fill_bytes(p, (u8)v, n);
		break;
	case 2:
		__asm__ volatile("rep stosw"
				 : "+D"(p), "+c"(n)
				 : "a"(v)
				 : "memory");
		break;
	case 4:
		__asm__ volatile("rep stosl"
				 : "+D"(p), "+c"(n)
				 : "a"(v)
				 : "memory");
		break;
	default:
		__asm__ volatile("rep stosq"
				 : "+D"(p), "+c"(n)
				 : "a"(v)
				 : "memory");
		break;
	}
}

/* Copies @n elements upwards exactly as the loop would, overlap included. */
static void copy_run(const struct string_op *o, u8 *to, const u8 *from, u64 n)
{
	if (to > from && to < from + n * o->n) {
		for (u64 k = 0; k < n * o->n; k += o->n) {
			u64 v;

			copy_bytes(&v, from + k, o->n);
			copy_bytes(to + k, &v, o->n);
		}
		return;
	}
	copy_bytes(to, from, n * o->n);
}

/*
 * As many elements of MOVS or STOS as two pages allow. Returns how many were
 * done; 0: go by elements (devices, code pages, page ends, faults).
 */
static u64 run(struct string_op *o, int kind)
{
	struct tcpu *t = o->t;
	unsigned acc = callout_acc(t);
	struct x86_fault f;
	gva_t from, to;
	bool fault;
	u8 *p, *q;
	u64 n;

	if (o->by < 0 || !plain_segments(o) ||
	    (kind != OP_MOVS && kind != OP_STOS) || dest(o, true, &to, &f))
		return 0;
	n = run_length(o, to);
	p = n ? mem_run(t, to, acc | X86_ACC_WRITE, &fault, &f) : NULL;
	if (!p)
		return 0;
	if (kind == OP_STOS) {
		fill_run(o, p, n);
	} else {
		if (source(o, &from, &f))
			return 0;
		n = min_u64(n, run_length(o, from));
		q = n ? mem_run(t, from, acc | X86_ACC_READ, &fault, &f) :
			NULL;
		if (!q)
			return 0;
		/* The second fill may have evicted the first entry, but the
		 * page it led to is the same. */
		copy_run(o, p, q, n);
		advance(o, X86_RSI, n);
	}
	advance(o, X86_RDI, n);
	t->stats.string_bytes += n * o->n;
	return n;
}

static bool repeats_on(const struct string_op *o, int kind)
{
	bool zf = o->s->rflags & FLAG_ZF;

	if (kind != OP_CMPS && kind != OP_SCAS)
		return true;
	return o->i->pfx & PFX_F3 ? zf : !zf;
}

static bool must_stop(const struct tcpu *t)
{
	return !__atomic_load_n(&t->calm, __ATOMIC_RELAXED) || t->leave_after;
}

static enum callout_result repeat(struct string_op *o, int kind)
{
	struct tcpu *t = o->t;
	struct x86_fault f;

	o->count = reg_read(t, X86_RCX, o->ad);
	o->s->rflags &= ~FLAG_RF;
	while (o->count) {
		u64 n = t->key & KEY_TF ? 0 : run(o, kind);

		if (!n) {
			if (element(o, kind, &f))
				return callout_fault(t, &f);
			n = 1;
		}
		o->count -= n;
		reg_write(t, X86_RCX, o->count, o->ad);
		if (!repeats_on(o, kind))
			break;
		/*
		 * Iterating: rip stays here. Single step traps each time. Who
		 * comes in between finds RF set, so that no instruction
		 * breakpoint strikes again in the middle. SDM 3B 17.3.1.1
		 */
		if (o->count && (must_stop(t) || (t->key & KEY_TF))) {
			(void)callout_leave(t);
			o->s->rflags |= FLAG_RF;
			return CALLOUT_LEAVE;
		}
	}
	return CALLOUT_DONE;
}

static enum callout_result co_string(struct tcpu *t, struct callout *c)
{
	const struct x86_insn *i = &c->insn;
	int kind = kind_of(i->opcode);
	struct string_op o = {
		.t = t,
		.c = c,
		.i = i,
		.s = callout_begin(t, c),
		.n = i->opcode & 1 ? i->opsize : 1,
		.ad = i->adsize,
		.rep = i->pfx & (PFX_F2 | PFX_F3),
		.src_seg = i->seg,
	};
	struct x86_fault f;

	if (kind == OP_INS || kind == OP_OUTS) {
		if (o.n == 8)
			o.n = 4;
		/* Even if the count is zero. */
		if (io_check(t, (u16)o.s->gpr[X86_RDX], o.n, &f))
			return callout_fault(t, &f);
	}
	t->stats.strings++;
	o.by = o.s->rflags & FLAG_DF ? -(s64)o.n : (s64)o.n;
	if (o.rep) {
		enum callout_result r = repeat(&o, kind);

		if (r == CALLOUT_DONE) {
			callout_end(t);
			return CALLOUT_NEXT;
		}
		return r;
	}
	if (element(&o, kind, &f))
		return callout_fault(t, &f);
	callout_end(t);
	return CALLOUT_NEXT;
}

callout_fn callout_string(enum x86_class c)
{
	return c == X86_C_STRING || c == X86_C_INS_OUTS ? co_string : NULL;
}
