/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - an unprivileged instruction as it is, but for the registers that
 * live elsewhere and a memory operand that is where tr->mem says.
 *
 * Guest R9-R11 pass through what the memory operand leaves of T0 and T1, and
 * are there still for the next instruction (held.c). An instruction that names
 * more of them than there is scratch borrows a host register which it does not
 * use; that is rare (three-operand BMI).
 */
#include "engine/translate/trans.h"

int host_reg(const struct trans *tr, unsigned r)
{
	return tr->home[r] == NO_HOME ? -1 : (int)tr->home[r];
}

void load_guest(struct trans *tr, unsigned dst, unsigned r)
{
	int h = host_reg(tr, r);

	if (h < 0)
		h = held_value_of(tr, r);
	if (h < 0)
		emit_gs(&tr->e, true, OP_MOV, dst, GS_GPR(r));
	else
		emit_mov(&tr->e, dst, (unsigned)h);
	if (dst == T0 || dst == T1)
		held_lose(tr, dst);
}

void store_guest(struct trans *tr, unsigned r, unsigned src, unsigned bytes)
{
	struct emit *e = &tr->e;
	int h = host_reg(tr, r);

	if (bytes == 2)
		emit8(e, 0x66);
	if (h >= 0 && bytes == 1) {
		/* A REX prefix even if empty: SPL, not AH. */
		emit8(e, (u8)(0x40 | (src >> 3) << 2 | h >> 3));
		emit8(e, 0x88);
		emit8(e, (u8)(0xc0 | (src & 7) << 3 | (h & 7)));
	} else if (h >= 0) {
		emit_rr(e, bytes == 8, OP_MOV, (unsigned)h, src);
	} else if (bytes == 4) {
		emit_rr(e, false, OP_MOV, src, src);
		emit_gs(e, true, OP_STORE, src, GS_GPR(r));
	} else {
		emit_gs(e, bytes == 8, bytes == 1 ? 0x88 : OP_STORE, src,
			GS_GPR(r));
	}
}

/* The registers that an instruction names, and what stands for them. */
struct subst {
	u8 guest[3];
	u8 host[3];
	u8 acc[3];
	bool there[3]; /* it has the value already */
	u8 count;
	u8 scratch; /* to be had: bit 0 for T0, bit 1 for T1 */
	int borrowed; /* a host register whose value is in scratch[1], or -1 */
};

static bool is_gpr(u8 kind)
{
	return kind == RK_GPR || kind == RK_GPR8;
}

/* Which of T0 and T1 does the memory operand not need? */
static void subst_init(struct subst *s, const struct operand *mem)
{
	*s = (struct subst){ .borrowed = -1 };
	if (!mem || (mem->base != T0 && mem->index != T0))
		s->scratch |= BIT(0);
	if (!mem || (mem->base != T1 && mem->index != T1))
		s->scratch |= BIT(1);
}

static bool is_high_byte(const struct x86_insn *i, u8 kind, u8 reg)
{
	return kind == RK_GPR8 && !(i->attr & (IA_REX | IA_VEX)) && reg >= 4 &&
	       reg < 8;
}

unsigned copy_stolen(const struct trans *tr, const struct x86_insn *i)
{
	bool mem = i->attr & (IA_MEM | IA_MOFFS);
	u32 m = 0;

	if (is_gpr(i->reg_kind) && host_reg(tr, i->reg) < 0)
		m |= BIT(i->reg);
	if (!mem && is_gpr(i->rm_kind) && host_reg(tr, i->rm) < 0)
		m |= BIT(i->rm);
	if (is_gpr(i->vvvv_kind) && host_reg(tr, i->vvvv) < 0)
		m |= BIT(i->vvvv);
	return (m >> X86_R9 & 1) + (m >> X86_R10 & 1) + (m >> X86_R11 & 1);
}

bool copy_has_high_byte(const struct x86_insn *i)
{
	return is_high_byte(i, i->reg_kind, i->reg) ||
	       (!(i->attr & (IA_MEM | IA_MOFFS)) &&
		is_high_byte(i, i->rm_kind, i->rm));
}

static u32 host_bit(const struct trans *tr, u8 kind, u8 reg)
{
	int h = is_gpr(kind) ? host_reg(tr, reg) : -1;

	/* High bytes, too: reg 4 to 7 may mean 0 to 3. */
	return h < 0 ? 0 : BIT(h) | (kind == RK_GPR8 ? BIT(reg & 3) : 0);
}

/* All host registers that the instruction may touch, as a mask. */
static u32 used_hosts(const struct trans *tr, const struct x86_insn *i,
		      const struct subst *s)
{
	u32 m = BIT(X86_RSP) | BIT(T0) | BIT(T1) | BIT(HOST_GUEST_RSP) |
		i->impl_read | i->impl_write;

	for (unsigned k = 0; k < s->count; k++)
		m |= BIT(s->host[k]);
	m |= host_bit(tr, i->reg_kind, i->reg) |
	     host_bit(tr, i->rm_kind, i->rm) |
	     host_bit(tr, i->vvvv_kind, i->vvvv);
	return m;
}

/* T0 or T1, for @guest; *@there: that is what it holds. */
static unsigned take_scratch(struct trans *tr, struct subst *s, unsigned guest,
			     bool *there)
{
	unsigned h = s->scratch == 3 ? held_spare(tr) :
		     s->scratch == 1 ? T0 :
				       T1;

	for (unsigned k = T0; k <= T1; k++)
		if ((s->scratch & BIT(k - T0)) && held_is_value(tr, k, guest)) {
			*there = true;
			h = k;
		}
	s->scratch &= (u8)~BIT(h - T0);
	return h;
}

static unsigned subst_add(struct trans *tr, struct subst *s, unsigned guest,
			  u8 kind, unsigned acc)
{
	int h = host_reg(tr, guest);

	if (h >= 0)
		return (unsigned)h;
	/* The rest of the register stays. */
	if (kind == RK_GPR8 || tr->i->opsize < 4)
		acc |= ACC_R;
	for (unsigned k = 0; k < s->count; k++)
		if (s->guest[k] == guest) {
			s->acc[k] |= (u8)acc;
			return s->host[k];
		}
	s->guest[s->count] = (u8)guest;
	s->acc[s->count] = (u8)acc;
	if (s->scratch) {
		h = (int)take_scratch(tr, s, guest, &s->there[s->count]);
		if (!s->there[s->count])
			held_lose(tr, (unsigned)h);
	} else {
		u32 m = used_hosts(tr, tr->i, s);

		h = __builtin_ctz(~m);
		s->borrowed = h;
		emit_gs(&tr->e, true, OP_STORE, (unsigned)h, GS(scratch[1]));
	}
	s->host[s->count++] = (u8)h;
	return (unsigned)h;
}

static void subst_load(struct trans *tr, const struct subst *s)
{
	for (unsigned k = 0; k < s->count; k++)
		if ((s->acc[k] & ACC_R) && !s->there[k])
			emit_gs(&tr->e, true, OP_MOV, s->host[k],
				GS_GPR(s->guest[k]));
}

static void subst_store(struct trans *tr, const struct subst *s)
{
	for (unsigned k = 0; k < s->count; k++) {
		if (s->acc[k] & ACC_W)
			emit_gs(&tr->e, true, OP_STORE, s->host[k],
				GS_GPR(s->guest[k]));
		if ((int)s->host[k] != s->borrowed)
			held_keep_value(tr, s->host[k], s->guest[k]);
	}
	if (s->borrowed >= 0)
		emit_gs(&tr->e, true, OP_MOV, (unsigned)s->borrowed,
			GS(scratch[1]));
}

/* Does an operand-size prefix mean anything to it, and is it needed? */
static bool needs_66(const struct x86_insn *i)
{
	if (i->pp == 0x66 && !(i->attr & IA_VEX))
		return true;
	if (i->attr & (IA_X87 | IA_MMX | IA_SSE | IA_AVX | IA_VEX))
		return false;
	return i->opsize == 2;
}

static void emit_imm(struct trans *tr, const struct x86_insn *i)
{
	u64 v = i->imm;

	/* A register in imm8[7:4]: eight there are outside of 64-bit mode. */
	if ((i->attr & IA_IS4) && !in_long_code(tr))
		v &= 0x7f;

	for (unsigned k = 0; k < i->imm_len; k++, v >>= 8)
		emit8(&tr->e, (u8)v);
}

struct modrm_out {
	unsigned reg, rm; /* host numbers, 0 to 15 */
	const struct operand *mem; /* instead of rm, or NULL */
};

static void emit_modrm(struct trans *tr, const struct modrm_out *m)
{
	struct emit *e = &tr->e;

	if (!m->mem) {
		emit8(e, (u8)(0xc0 | (m->reg & 7) << 3 | (m->rm & 7)));
		return;
	}
	emit_operand(e, m->reg, m->mem);
}

/* The lower two bits of a REX prefix. */
static u8 rm_rex(const struct modrm_out *m)
{
	return m->mem ? operand_rex(m->mem) : (u8)(m->rm >> 3);
}

static void emit_vex(struct trans *tr, const struct x86_insn *i,
		     const struct modrm_out *m, unsigned vvvv)
{
	struct emit *e = &tr->e;
	u8 xb = rm_rex(m);
	u8 pp = i->pp == 0x66 ? 1 : i->pp == 0xf3 ? 2 : i->pp == 0xf2 ? 3 : 0;

	emit8(e, 0xc4);
	emit8(e, (u8)((m->reg & 8 ? 0 : 0x80) | (~xb & 3) << 5 | i->map));
	emit8(e, (u8)((i->rex & REX_W ? 0x80 : 0) | (~vvvv & 15) << 3 |
		      (i->attr & IA_VL256 ? 4 : 0) | pp));
	emit8(e, i->opcode);
	if (i->attr & IA_MODRM) /* VZEROUPPER has none */
		emit_modrm(tr, m);
	emit_imm(tr, i);
}

/* Opcodes of 16- and 32-bit code that mean something else in 64-bit mode. */
static bool emit_reencoded(struct trans *tr, const struct x86_insn *i)
{
	struct emit *e = &tr->e;
	int h;

	if (i->map != MAP_1 || !(i->attr & IA_OPREG) || i->opcode < 0x40 ||
	    i->opcode > 0x4f)
		return false;
	/* INC r, DEC r; no scratch registers in such code. */
	h = host_reg(tr, i->reg);
	if (i->opsize == 2)
		emit8(e, 0x66);
	emit_rex(e, false, 0, 0, (unsigned)h);
	emit8(e, 0xff);
	emit8(e, (u8)(0xc0 | (i->opcode & 8) | (h & 7)));
	return true;
}

static void emit_legacy(struct trans *tr, const struct x86_insn *i,
			const struct modrm_out *m, unsigned opreg, bool no_rex)
{
	struct emit *e = &tr->e;
	bool force_rex = false;
	u8 opcode = i->opcode;
	u8 rex = 0x40;

	if (i->pfx & PFX_LOCK)
		emit8(e, 0xf0);
	if (needs_66(i))
		emit8(e, 0x66);
	if (i->pp == 0xf2 || i->pp == 0xf3)
		emit8(e, i->pp);
	if (i->rex & REX_W)
		rex |= 8;
	if (i->attr & IA_OPREG) {
		rex |= (u8)(opreg >> 3);
		opcode = (u8)((opcode & ~7u) | (opreg & 7));
		force_rex = i->reg_kind == RK_GPR8 && opreg >= 4 && !no_rex;
	} else if (i->attr & IA_MOFFS) {
		/* A0-A3 become MOV with a modrm byte. */
		opcode = (u8)((opcode & 1) | (opcode & 2 ? 0x88 : 0x8a));
		rex |= (u8)(rm_rex(m) | (m->reg >> 3) << 2);
	} else if (i->attr & IA_MODRM) {
		rex |= (u8)(rm_rex(m) | (m->reg >> 3) << 2);
		force_rex = !no_rex &&
			    ((i->reg_kind == RK_GPR8 && m->reg >= 4) ||
			     (i->rm_kind == RK_GPR8 && !m->mem && m->rm >= 4));
		if (i->map == MAP_1 && opcode == 0x82)
			opcode = 0x80;
	}
	if (rex != 0x40 || force_rex)
		emit8(e, rex);
	if (i->map != MAP_1)
		emit8(e, 0x0f);
	if (i->map == MAP_0F38)
		emit8(e, 0x38);
	else if (i->map == MAP_0F3A)
		emit8(e, 0x3a);
	emit8(e, opcode);
	if (i->attr & (IA_MODRM | IA_MOFFS))
		emit_modrm(tr, m);
	emit_imm(tr, i);
}

/* VZEROUPPER and VZEROALL outside of 64-bit mode: of eight registers. */
static bool emit_vzero(struct trans *tr, const struct x86_insn *i)
{
	struct emit *e = &tr->e;

	if (!(i->attr & IA_VEX) || i->map != MAP_0F || i->opcode != 0x77 ||
	    in_long_code(tr))
		return false;
	for (unsigned r = 0; r < 8; r++) {
		/* vmovaps %xmm, %xmm or vxorps %ymm, %ymm, %ymm */
		bool all = i->attr & IA_VL256;

		emit8(e, 0xc5);
		emit8(e, (u8)(all ? 0x84 | (~r & 15) << 3 : 0xf8));
		emit8(e, all ? 0x57 : 0x28);
		emit8(e, (u8)(0xc0 | r << 3 | r));
	}
	return true;
}

void copy_insn(struct trans *tr)
{
	const struct x86_insn *i = tr->i;
	bool mem = (i->attr & (IA_MEM | IA_MOFFS)) != 0;
	static const struct operand at_rdi = { .base = X86_RDI,
					       .index = NO_INDEX };
	struct modrm_out m = { .reg = i->reg, .rm = i->rm,
			       .mem = mem ? &tr->mem : NULL };
	unsigned vvvv = i->vvvv, opreg = i->reg;
	bool high = copy_has_high_byte(i);
	bool swap = false, swap_rsp = false;
	struct subst s;

	if (emit_reencoded(tr, i) || emit_vzero(tr, i))
		return;
	subst_init(&s, m.mem);
	if (!high) {
		if (is_gpr(i->reg_kind)) {
			m.reg = subst_add(tr, &s, i->reg, i->reg_kind,
					  i->reg_acc);
			opreg = m.reg;
		}
		if (!mem && is_gpr(i->rm_kind))
			m.rm = subst_add(tr, &s, i->rm, i->rm_kind,
					 i->rm_acc);
		if (is_gpr(i->vvvv_kind))
			vvvv = subst_add(tr, &s, i->vvvv, i->vvvv_kind,
					 i->vvvv_acc);
		subst_load(tr, &s);
	} else if (mem) {
		/* AH and a REX prefix exclude each other: the address has
		 * to be in a register that needs none. */
		swap = true;
		m.mem = &at_rdi;
		emit_rr(&tr->e, true, 0x87, T0, X86_RDI);
	} else if (i->reg_kind == RK_GPR && i->reg == X86_RSP) {
		/* MOVZX ESP, AH: the same for guest RSP's home. */
		swap_rsp = true;
		m.reg = X86_RDI;
		emit_rr(&tr->e, true, 0x87, HOST_GUEST_RSP, X86_RDI);
	}
	if (i->attr & IA_VEX)
		emit_vex(tr, i, &m, vvvv);
	else
		emit_legacy(tr, i, &m, opreg, high);
	if (swap)
		emit_rr(&tr->e, true, 0x87, T0, X86_RDI);
	if (swap_rsp)
		emit_rr(&tr->e, true, 0x87, HOST_GUEST_RSP, X86_RDI);
	subst_store(tr, &s);
}
