/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seq.c - sequences of 2 to 20 instructions: straight lines, jumps forward,
 * and loops. They are about what a translator does between instructions:
 * flags that it keeps elsewhere, registers that it borrows, address checks
 * that it leaves out, blocks and the links between them.
 *
 * A backward jump burns fuel first, without touching flags or registers:
 *
 *	mov [FUEL_SAVE], rcx ; mov ecx, [FUEL] ; lea ecx, [rcx - 1]
 *	mov [FUEL], ecx ; jrcxz out
 *	mov rcx, [FUEL_SAVE] ; jcc back ; jmp next
 * out:	mov dword [FUEL], 1 ; mov rcx, [FUEL_SAVE]
 * next:
 */
#include "gen.h"

struct fixup {
	u8 *at;
	u8 bytes;
	bool absolute;
	u8 target; /* instruction number */
};

struct seq {
	struct gen *g;
	u32 starts[SEQ_MAX + 1];
	struct fixup fix[SEQ_MAX];
	unsigned count, fixes;
};

static void add_fixup(struct seq *q, unsigned bytes, bool absolute,
		      unsigned target)
{
	q->fix[q->fixes++] = (struct fixup){ q->g->p, (u8)bytes, absolute,
					     (u8)target };
	for (unsigned i = 0; i < bytes; i++)
		put8(q->g, 0);
}

static unsigned forward(struct seq *q, unsigned n)
{
	return n + 1 + below(q->g, q->count - n);
}

static void jump_forward(struct seq *q, unsigned n)
{
	struct gen *g = q->g;
	unsigned cc = below(g, 16), kind = below(g, 10);

	if (kind < 6) {
		put8(g, 0x70 | cc);
		add_fixup(q, 1, false, forward(q, n));
	} else if (kind < 8) {
		put8(g, 0x0f);
		put8(g, 0x80 | cc);
		add_fixup(q, 4, false, forward(q, n));
	} else if (kind == 8) {
		put8(g, chance(g, 50) ? 0xe9 : 0xe8); /* JMP, CALL */
		add_fixup(q, 4, false, forward(q, n));
	} else {
		put8(g, 0xe0 | below(g, 4)); /* LOOPcc, JrCXZ */
		add_fixup(q, 1, false, forward(q, n));
	}
}

/* mov r, code address ; jmp or call r */
static void jump_indirect(struct seq *q, unsigned n)
{
	struct gen *g = q->g;
	unsigned r = below(g, 3); /* RAX, RCX, RDX */

	put8(g, 0xb8 | r);
	add_fixup(q, 4, true, forward(q, n));
	put8(g, 0xff);
	put8(g, (chance(g, 50) ? 0xe0 : 0xd0) | r);
}

static void mov_rcx(struct gen *g, bool wide, unsigned opcode, u32 at)
{
	if (wide && g->long_mode)
		put8(g, 0x48);
	put8(g, opcode);
	if (g->long_mode) {
		put8(g, 0x0c);
		put8(g, 0x25);
	} else {
		put8(g, 0x0d);
	}
	put32(g, at);
}

static void jump_backward(struct seq *q, unsigned n)
{
	struct gen *g = q->g;
	u8 *out, *next;

	mov_rcx(g, true, 0x89, FUEL_SAVE);
	mov_rcx(g, false, 0x8b, FUEL);
	put8(g, 0x8d);
	put8(g, 0x49);
	put8(g, 0xff);
	mov_rcx(g, false, 0x89, FUEL);
	put8(g, 0xe3);
	out = g->p;
	put8(g, 0);
	mov_rcx(g, true, 0x8b, FUEL_SAVE);
	if (chance(g, 70)) {
		put8(g, 0x0f);
		put8(g, 0x80 | below(g, 16));
	} else {
		put8(g, 0xe9);
	}
	add_fixup(q, 4, false, below(g, n + 1));
	put8(g, 0xeb);
	next = g->p;
	put8(g, 0);
	*out = (u8)(g->p - out - 1);
	put8(g, 0xc7); /* mov dword [FUEL], 1 */
	if (g->long_mode) {
		put8(g, 0x04);
		put8(g, 0x25);
	} else {
		put8(g, 0x05);
	}
	put32(g, FUEL);
	put32(g, 1);
	mov_rcx(g, true, 0x8b, FUEL_SAVE);
	*next = (u8)(g->p - next - 1);
}

/* Any row with this setup. */
static void with_setup(struct gen *g, u8 setup)
{
	const struct row *row;

	do
		row = row_pick(g, 0);
	while (row->setup != setup || row->attr & BAD);
	form_emit(g, row);
}

static void one(struct seq *q, unsigned n)
{
	struct gen *g = q->g;
	u32 k = below(g, 100);

	if (k < 46)
		form_emit(g, row_pick(g, PLAIN | FLAGS));
	else if (k < 60)
		form_emit(g, row_pick(g, PLAIN));
	else if (k < 74)
		jump_forward(q, n);
	else if (k < 77)
		jump_backward(q, n);
	else if (k < 79)
		jump_indirect(q, n);
	else if (k < 86)
		with_setup(g, SU_STACK);
	else if (k < 88)
		with_setup(g, SU_POPF);
	else if (k < 90)
		put8(g, 0xc3);
	else if (k < 93)
		with_setup(g, SU_STRING);
	else if (k < 95)
		with_setup(g, SU_DIV);
	else if (k < 98)
		with_setup(g, SU_BT);
	else
		with_setup(g, SU_CX8);
}

/* Three pointers and a small number, none of which MUL or a shift writes. */
static void assign_roles(struct gen *g)
{
	struct state *s = &g->c->in;
	unsigned n = 0;

	g->keep = BIT(RSP);
	while (n < 4) {
		u8 r = (u8)(RBX + below(g, g->long_mode ? 13 : 5));

		if (g->keep >> r & 1)
			continue;
		g->keep |= (u16)BIT(r);
		if (n < 3)
			g->pointers[n] = r;
		else
			g->small = r;
		n++;
	}
	value_state(g);
	for (n = 0; n < 3; n++)
		s->gpr[g->pointers[n]] = pick_data(g, chance(g, 60));
	if (chance(g, 50)) /* two of them close to each other */
		s->gpr[g->pointers[1]] = s->gpr[g->pointers[0]] + below(g, 64);
	s->gpr[g->small] = below(g, 32);
	s->gpr[RSP] = STACK_LOW + 2048 + 8 * below(g, 600);
	g->bound = 0xffff;
}

static void fix(struct seq *q)
{
	for (unsigned i = 0; i < q->fixes; i++) {
		struct fixup *f = &q->fix[i];
		u32 end = q->g->c->code_at +
			  (u32)(f->at + f->bytes - q->g->c->code);
		u32 to = q->starts[f->target];
		u32 v = f->absolute ? to : to - end;

		if (f->bytes == 1 && v != (u32)(s32)(s8)v)
			v = 0;
		memcpy(f->at, &v, f->bytes);
	}
}

void seq_gen(struct gen *g)
{
	struct seq q = { .g = g };
	u32 fuel = 1 + below(g, FUEL_AMOUNT);

	q.count = 2 + below(g, chance(g, 50) ? 5 : SEQ_MAX - 1);
	put_data(FUEL, &fuel, 4);
	assign_roles(g);
	g->seq = true;
	for (unsigned n = 0; n < q.count; n++) {
		q.starts[n] = here(g);
		if (g->p - g->c->code < CODE_MAX - 100)
			one(&q, n);
	}
	q.starts[q.count] = here(g);
	fix(&q);
}
