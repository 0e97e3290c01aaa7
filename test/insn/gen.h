/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen.h - one case in the making: what the parts of the generator share.
 *
 * Registers get their values on demand. In a case of one instruction, bind()
 * chooses a register's initial value the moment that an operand or the
 * instruction itself needs one, and what is left is filled at the end. In a
 * sequence all registers have their values before the first instruction, some
 * of them keep theirs (pointers into the data pages), and bind() emits a MOV.
 */
#ifndef GEN_H
#define GEN_H

#include "rows.h"

#define SEQ_MAX 20
#define NO_REG 0xff
#define RIP_BASE 0xfe

struct gen {
	const struct gen_config *cfg;
	struct icase *c;
	u64 random;
	bool long_mode;
	bool seq;
	u16 bound; /* registers whose initial value is decided */
	u16 vbound; /* vector registers, likewise */
	u16 keep; /* of a sequence: registers that are not to be written */
	u8 pointers[3]; /* ... which hold addresses of data */
	u8 small; /* ... and one that holds a small number */
	bool at_end; /* an absent page may cut the code off */
	bool no_init; /* vector state that XSAVEOPT cannot leave out */
	u8 *p; /* where the next code byte goes */

	/* a displacement that is relative to the end of the instruction */
	u8 *rip_disp;
	u32 rip_target;
};

/* --- chance (gen.c) --- */
u64 rnd(struct gen *g);
static inline u32 below(struct gen *g, u32 n)
{
	return (u32)(((rnd(g) >> 32) * n) >> 32);
}
static inline bool chance(struct gen *g, unsigned percent)
{
	return below(g, 100) < percent;
}

/* --- values (value.c) --- */
u64 value_gpr(struct gen *g);
/* A 16-, 32-, 64- or 80-bit piece of what vector registers and memory hold. */
void value_vector(struct gen *g, u8 *to, unsigned bytes);
u32 value_mxcsr(struct gen *g);
void value_state(struct gen *g); /* everything but what is bound */
void value_x87(struct gen *g, u8 *fx);

/* --- memory (operand.c) --- */
/* Where a memory operand, or a stack, may point: mostly to the data pages. */
u32 pick_data(struct gen *g, bool aligned);
u32 pick_stack(struct gen *g); /* a value for RSP */
/* Of a segment of 32-bit code. */
u32 selector_base(const struct gen *g, u16 sel);
bool data_writable(u32 at, u32 bytes);
/* Puts bytes at @at as far as that is writable data. */
void put_data(u32 at, const void *from, u32 bytes);
static inline void put_u64(u32 at, u64 v)
{
	put_data(at, &v, 8);
}

struct mem {
	u32 target; /* the linear address, if .aimed */
	bool aimed;
	u8 base, index, scale; /* NO_REG; RIP_BASE */
	s32 disp;
	u8 disp_bytes;
	bool sib;
	bool a32; /* 67 */
	u8 a16; /* 16-bit form + 1 */
	u8 seg; /* prefix byte or 0 */
};
void mem_plan(struct gen *g, const struct row *row, struct mem *m);
/* ... with a vector index, of 32- or 64-bit elements (@wide). */
void mem_plan_vsib(struct gen *g, struct mem *m, bool wide);
/* modrm, SIB and displacement. */
void mem_emit(struct gen *g, const struct mem *m, unsigned reg);

/* --- instructions (form.c, setup.c) --- */
void bind(struct gen *g, unsigned reg, u64 v);
static inline void put8(struct gen *g, unsigned v)
{
	*g->p++ = (u8)v;
}
void put32(struct gen *g, u32 v);
static inline u32 here(const struct gen *g)
{
	return g->c->code_at + (u32)(g->p - g->c->code);
}

/* One instruction as planned; setup.c may change it before it is emitted. */
struct form {
	const struct row *row;
	bool vex;
	u8 pp, opcode;
	u8 reg, rm;
	bool mem;
	struct mem m;
	u8 rex; /* W R X B, and .has_rex */
	bool has_rex;
	bool l1;
	u8 vvvv;
	bool osz, lock;
	u8 rep; /* F2, F3 or 0 */
	u64 imm;
	bool imm_set;
	u8 imm2;
};
void form_emit(struct gen *g, const struct row *row);
/* Before operands are chosen, and after. */
void setup_before(struct gen *g, struct form *f);
void setup_after(struct gen *g, struct form *f);
bool row_fits(const struct gen *g, const struct row *row);

/* Where jumps of single instructions lead: the end, a bit behind. */
u32 pick_code(struct gen *g);

/* --- kinds of cases --- */
enum kind {
	KIND_ROW64, KIND_SEQ64, KIND_RAW64, KIND_ROW32, KIND_SEQ32, KIND_RAW32,
	KIND_COUNT
};
void seq_gen(struct gen *g);
void raw_gen(struct gen *g);

const struct row *row_pick(struct gen *g, u32 want);
const struct row *row_at(unsigned n);
unsigned row_count(void);

#endif
