/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - bytes to struct x86_insn, in one pass: prefixes, opcode, table
 * entry, modrm, immediate, then the rules that make an encoding undefined.
 *
 * No step checks how many bytes there are. x86_decode sees to it that a
 * window of DECODE_WINDOW bytes can be read, more than any walk takes, by
 * copying the last bytes of what is available into a padded buffer; whether
 * the walk went too far is decided once, at the end, from where it stopped.
 *
 * SDM 2 chapter 2 "Instruction Format"; APM 3 chapter 1 "Instruction
 * Encoding".
 *
 * DEVIATES: where Intel's and AMD's processors differ, Intel's way was taken:
 *  - Near branches in 64-bit mode ignore 66; AMD's processors truncate RIP to
 *    16 bits, which no program wants, while padding with 66 is common
 *    (__tls_get_addr call sites, where REX.W makes both the same anyway).
 *  - Far pointers of JMP, CALL, LFS, LGS and LSS obey REX.W (m16:64).
 */
#include "x86/walk.h"

/* 14 prefixes, 3 opcode bytes, modrm, SIB, disp32 or 64, imm64: below this. */
#define DECODE_WINDOW 40

/* What a byte is before the opcode. */
enum prefix {
	P_OPCODE,
	P_66,
	P_67,
	P_LOCK,
	P_F3,
	P_F2,
	P_REX,
	P_SEG, /* + enum x86_sreg */
};

/* clang-format off */
static const u8 prefix_tab[256] = {
	[0x26] = P_SEG + X86_ES, [0x2e] = P_SEG + X86_CS,
	[0x36] = P_SEG + X86_SS, [0x3e] = P_SEG + X86_DS,
	[0x64] = P_SEG + X86_FS, [0x65] = P_SEG + X86_GS,
	[0x40] = P_REX, [0x41] = P_REX, [0x42] = P_REX, [0x43] = P_REX,
	[0x44] = P_REX, [0x45] = P_REX, [0x46] = P_REX, [0x47] = P_REX,
	[0x48] = P_REX, [0x49] = P_REX, [0x4a] = P_REX, [0x4b] = P_REX,
	[0x4c] = P_REX, [0x4d] = P_REX, [0x4e] = P_REX, [0x4f] = P_REX,
	[0x66] = P_66, [0x67] = P_67,
	[0xf0] = P_LOCK, [0xf2] = P_F2, [0xf3] = P_F3,
};
/* clang-format on */

/*
 * Takes all prefixes. A fifteenth is one too many: whatever comes then, the
 * instruction is too long.
 */
static void read_prefixes(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	const u8 *end = w->start + X86_INSN_MAX;
	unsigned rex = 0; /* counts only right before the opcode */

	for (; w->at < end; w->at++) {
		unsigned kind = prefix_tab[*w->at];

		if (kind == P_OPCODE)
			break;
		if (kind == P_REX) {
			if (w->size != X86_CODE64)
				break;
			rex = *w->at;
			continue;
		}
		rex = 0;
		switch (kind) {
		case P_66:
			insn->pfx |= PFX_66;
			break;
		case P_67:
			insn->pfx |= PFX_67;
			break;
		case P_LOCK:
			insn->pfx |= PFX_LOCK;
			break;
		case P_F3:
			insn->pfx = (u8)((insn->pfx & ~PFX_F2) | PFX_F3);
			break;
		case P_F2:
			insn->pfx = (u8)((insn->pfx & ~PFX_F3) | PFX_F2);
			break;
		default:
			/* ES CS SS DS are no prefixes in 64-bit mode */
			if (w->size != X86_CODE64 || kind >= P_SEG + X86_FS) {
				insn->pfx |= PFX_SEG;
				insn->seg = (u8)(kind - P_SEG);
			}
		}
	}
	if (rex) {
		insn->rex = rex & 0xf;
		insn->attr = IA_REX;
	}
}

/*
 * The column of a table with mandatory prefixes, by PFX_66, F3 and F2 (bits
 * 0, 3, 4): F2 and F3 go before 66.
 */
static inline unsigned prefix_column(u8 pfx)
{
	static const u8 column_tab[4] = { 0, 2, 3, 3 };
	unsigned repeat = column_tab[pfx >> 3 & 3];

	return repeat ? repeat : pfx & PFX_66;
}

static const u8 column_pp_tab[4] = { 0, 0x66, 0xf3, 0xf2 };

/* After C4 or C5. false: undefined. */
static bool read_vex(struct walk *w, u8 escape)
{
	struct x86_insn *insn = w->insn;
	unsigned b1 = *w->at++, b2 = b1, map = MAP_0F;

	if (insn->pfx & (PFX_66 | PFX_F2 | PFX_F3 | PFX_LOCK) ||
	    insn->attr & IA_REX)
		return false;
	insn->rex = b1 & 0x80 ? 0 : REX_R;
	if (escape == 0xc4) {
		b2 = *w->at++;
		map = b1 & 0x1f;
		insn->rex |=
			(u8)((b1 & 0x40 ? 0 : REX_X) | (b1 & 0x20 ? 0 : REX_B) |
			     (b2 & 0x80 ? REX_W : 0));
		w->vex_w = b2 >> 7;
	}
	w->vex_l = b2 >> 2 & 1;
	insn->vvvv = (u8)(~b2 >> 3 & 15);
	if (w->size != X86_CODE64)
		insn->rex &= REX_W;
	insn->attr = IA_VEX | (w->vex_l ? IA_VL256 : 0);
	insn->pp = column_pp_tab[b2 & 3];
	insn->map = (u8)map;
	insn->opcode_off = walk_offset(w);
	insn->opcode = *w->at++;
	if (map == MAP_0F)
		w->op = &x86_vex_0f[insn->opcode][b2 & 3];
	else if (map == MAP_0F38)
		w->op = &x86_vex_0f38[insn->opcode][b2 & 3];
	else if (map == MAP_0F3A)
		w->op = &x86_vex_0f3a[insn->opcode][b2 & 3];
	else
		return false;
	return true;
}

static bool read_opcode(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	unsigned column;
	u8 b = *w->at++;

	if (likely(b != 0x0f)) {
		/* LES and LDS have a memory operand; else this is VEX. */
		if ((b & 0xfe) == 0xc4 &&
		    (w->size == X86_CODE64 || *w->at >= 0xc0))
			return read_vex(w, b);
		insn->opcode_off = (u8)(walk_offset(w) - 1);
		insn->opcode = b;
		w->op = &x86_map_1[b];
		return true;
	}
	column = prefix_column(insn->pfx);
	b = *w->at++;
	if (b == 0x38) {
		insn->map = MAP_0F38;
		b = *w->at++;
		w->op = &x86_map_0f38[b][column];
	} else if (b == 0x3a) {
		insn->map = MAP_0F3A;
		b = *w->at++;
		w->op = &x86_map_0f3a[b][column];
	} else {
		insn->map = MAP_0F;
		w->op = &x86_map_0f[b][column];
	}
	insn->opcode_off = (u8)(walk_offset(w) - 1);
	insn->opcode = b;
	return true;
}

/* Goes from group to group until an entry speaks for itself. */
static void follow_links(struct walk *w)
{
	w->rules = w->op->rules;
	while (w->op->link) {
		const struct x86_group_ops *g = &x86_group_tab[w->op->link];
		unsigned i;

		if (g->select != SEL_64)
			walk_modrm_byte(w);
		switch (g->select) {
		case SEL_REG:
			i = w->insn->modrm >> 3 & 7;
			break;
		case SEL_RM:
			i = w->insn->modrm & 7;
			break;
		case SEL_MOD:
			i = w->insn->modrm >= 0xc0;
			break;
		default:
			i = w->size == X86_CODE64;
		}
		w->op = &g->op[i];
		w->rules |= w->op->rules;
	}
}

/*
 * Operand size by rule and by what bears upon it. Columns: 16-bit and 32-bit
 * size by CS.D and 66; in 64-bit mode no prefix, 66, REX.W.
 */
enum size_column { SC_16, SC_32, SC_64, SC_64_66, SC_64_W, SC_COUNT };

/* clang-format off */
static const u8 opsize_tab[][SC_COUNT] = {
	[OZ_V] = { 2, 4, 4, 2, 8 },
	[OZ_0] = { 0, 0, 0, 0, 0 },
	[OZ_B] = { 1, 1, 1, 1, 1 },
	[OZ_W] = { 2, 2, 2, 2, 2 },
	[OZ_D] = { 4, 4, 4, 4, 4 },
	[OZ_S] = { 2, 4, 8, 2, 8 },
	[OZ_N] = { 2, 4, 8, 8, 8 },
	[OZ_P] = { 4, 4, 8, 8, 8 },
	[OZ_Y] = { 4, 4, 4, 4, 8 },
	[OZ_Z] = { 2, 4, 4, 2, 4 },
};
/* clang-format on */

static inline u8 operand_size(const struct walk *w, unsigned column)
{
	const struct x86_insn *insn = w->insn;
	bool pfx66 = insn->pfx & PFX_66;
	enum size_column c;

	/* A 66 that selects the opcode does nothing else. */
	if (w->op->attr & IA_PFX_MANDATORY && column == 1)
		pfx66 = false;
	if (w->size == X86_CODE64)
		c = insn->rex & REX_W ? SC_64_W : pfx66 ? SC_64_66 : SC_64;
	else
		c = (w->size == X86_CODE16) != pfx66 ? SC_16 : SC_32;
	return opsize_tab[w->op->opsize][c];
}

/* What the entry says as it stands. */
static inline void take_entry(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	const struct x86_op *op = w->op;
	const struct x86_flags *fl = &x86_flags_tab[op->flags];
	const struct x86_impl *impl = &x86_impl_tab[op->impl];
	unsigned column = prefix_column(insn->pfx);

	insn->cls = op->cls;
	insn->attr |= op->attr;
	insn->flags_read = fl->read;
	insn->flags_written = fl->written;
	insn->flags_maybe = fl->maybe;
	insn->impl_read = impl->read;
	insn->impl_write = impl->write;
	insn->opsize = operand_size(w, column);
	if (op->attr & IA_PFX_MANDATORY)
		insn->pp = column_pp_tab[column];
	insn->reg_kind = op->reg & 15;
	insn->reg_acc = op->reg >> 4;
	insn->vvvv_kind = op->vvvv & 15;
	insn->vvvv_acc = op->vvvv >> 4;
}

/* false: the encoding is undefined. */
static bool obeys_rules(struct walk *w)
{
	struct x86_insn *insn = w->insn;
	unsigned rules = w->rules;

	if (unlikely(rules)) {
		if (rules & (w->size == X86_CODE64 ? RULE_NO64 : RULE_ONLY64))
			return false;
		if (rules & (w->vex_l ? RULE_L0 : RULE_L1))
			return false;
		if (rules & (w->vex_w ? RULE_W0 : RULE_W1))
			return false;
	}
	if (insn->attr & IA_VEX) {
		/* Outside of 64-bit mode bit 3 names no register, but counts */
		if (!insn->vvvv_kind && insn->vvvv)
			return false;
		if (w->size != X86_CODE64)
			insn->vvvv &= 7;
		/* There W widens no register: keep it from re-encoders. */
		if (w->size != X86_CODE64 && w->op->opsize == OZ_Y)
			insn->rex &= (u8)~REX_W;
	}
	if (unlikely(insn->pfx & PFX_LOCK) &&
	    (insn->attr & (IA_LOCK_OK | IA_MEM)) != (IA_LOCK_OK | IA_MEM))
		return false;
	return true;
}

/* Reads at most DECODE_WINDOW bytes; insn->len says how many it needed. */
static bool walk_insn(struct walk *w)
{
	struct x86_insn *insn = w->insn;

	read_prefixes(w);
	if (w->size == X86_CODE64)
		insn->adsize = insn->pfx & PFX_67 ? 4 : 8;
	else
		insn->adsize = (w->size == X86_CODE32) != !!(insn->pfx & PFX_67)
				       ? 4
				       : 2;
	if (!read_opcode(w))
		return false;
	follow_links(w);
	if (w->op->cls == X86_C_INVALID)
		return false;
	take_entry(w);
	if (w->op->rm & RM_HERE) {
		if (!walk_modrm(w))
			return false;
		insn->reg =
			walk_reg_number(insn->reg_kind, insn->modrm >> 3 & 7,
					insn->rex & REX_R);
	} else if (insn->attr & IA_OPREG) {
		insn->reg = walk_reg_number(insn->reg_kind, insn->opcode & 7,
					    insn->rex & REX_B);
	}
	if (!(insn->attr & IA_MEM))
		insn->attr &= ~(IA_LOCK_OK | IA_ALIGN | IA_NOACCESS);
	/* Not for a register in memory's place, but for strings and the like */
	if (insn->attr & IA_MEM ||
	    (w->op->rm & (RM_HERE | RM_REG_ONLY)) != RM_HERE)
		insn->mem_bytes = walk_memory_size(w);
	if (w->op->imm)
		walk_immediates(w);
	if (!obeys_rules(w))
		return false;
	return !w->op->fix || walk_fix_up(w);
}

/*
 * In pieces that compilers turn into plain stores: without vector registers
 * they would clear the whole by REP STOS, which takes longer than the rest of
 * the work.
 */
static inline void clear_insn(struct x86_insn *insn)
{
	u8 *p = (u8 *)insn;

	_Static_assert(sizeof(*insn) > 64 && sizeof(*insn) <= 96, "pieces");
	__builtin_memset(p, 0, 32);
	__builtin_memset(p + 32, 0, 32);
	__builtin_memset(p + 64, 0, sizeof(*insn) - 64);
}

static enum x86_decode_result decode_window(const u8 *p, size_t avail,
					    enum x86_code_size size,
					    struct x86_insn *insn)
{
	struct walk w = { .start = p, .at = p, .insn = insn, .size = size };
	size_t len;
	bool ok;

	clear_insn(insn);
	insn->seg = X86_DS;
	insn->base = X86_BASE_NONE;
	insn->index = X86_BASE_NONE;
	ok = walk_insn(&w);
	len = (size_t)(w.at - w.start);
	insn->len = (u8)len;
	if (likely(ok && len <= X86_INSN_MAX && len <= avail))
		return X86_DECODE_OK;
	insn->cls = X86_C_INVALID;
	if (len > X86_INSN_MAX && avail >= X86_INSN_MAX)
		return X86_DECODE_LONG;
	if (len > avail)
		return X86_DECODE_SHORT;
	return X86_DECODE_UD;
}

enum x86_decode_result x86_decode(const u8 *p, size_t avail,
				  enum x86_code_size size,
				  struct x86_insn *insn)
{
	u8 window[DECODE_WINDOW];

	if (likely(avail >= sizeof(window)))
		return decode_window(p, avail, size, insn);
	for (size_t i = 0; i < sizeof(window); i++)
		window[i] = i < avail ? p[i] : 0;
	return decode_window(window, avail, size, insn);
}

static const char *const class_name_tab[X86_C_COUNT] = {
#define X(id) [X86_C_##id] = #id,
	X86_CLASSES(X)
#undef X
};

const char *x86_class_name(enum x86_class c)
{
	return (unsigned)c < X86_C_COUNT ? class_name_tab[c] : "?";
}
