/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.c - how long an instruction is, and which one: a decoder of the tests'
 * own, for raw.c and excuse.c. It need not know what is defined.
 *
 * SDM 2 appendix A "Opcode Map", APM 3 appendix A "Opcode and Operand
 * Encodings".
 */
#include "bytes.h"

/* One bit per opcode of a row of 16: has it a modrm byte? */
static const u16 modrm0_tab[16] = {
	0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0, 0, 0x0a0c, 0,
	0xffff, 0, 0, 0, 0x00f3, 0xff0f, 0, 0xc0c0,
};
static const u16 modrm1_tab[16] = {
	0xa00f, 0xffff, 0xff7f, 0x0000, 0xffff, 0xffff, 0xffff, 0xff7f,
	0x0000, 0xffff, 0xf838, 0xffff, 0x00ff, 0xffff, 0xffff, 0xffff,
};

static u8 next(struct bytes *r)
{
	return r->at < r->n ? r->p[r->at++] : (r->at++, 0);
}

static bool has_modrm(const struct bytes *r)
{
	if (r->map >= 2)
		return true;
	if (r->map == 1)
		return r->vex ? r->opcode != 0x77 :
				modrm1_tab[r->opcode >> 4] >> (r->opcode & 15) & 1;
	return modrm0_tab[r->opcode >> 4] >> (r->opcode & 15) & 1;
}

static unsigned imm0_bytes(const struct bytes *r, bool long_mode)
{
	unsigned z = r->p66 && !r->w ? 2 : 4;
	unsigned a = long_mode ? (r->p67 ? 4 : 8) : (r->p67 ? 2 : 4);
	u8 op = r->opcode;

	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? z : 0;
	if (op >= 0xb0 && op <= 0xb7)
		return 1;
	if (op >= 0xb8 && op <= 0xbf)
		return r->w ? 8 : z;
	if (op >= 0xa0 && op <= 0xa3)
		return a;
	if ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe7))
		return 1;
	switch (op) {
	case 0x68: case 0x69: case 0x81: case 0xa9: case 0xc7: case 0xe8:
	case 0xe9:
		return z;
	case 0x6a: case 0x6b: case 0x80: case 0x82: case 0x83: case 0xa8:
	case 0xc0: case 0xc1: case 0xc6: case 0xcd: case 0xd4: case 0xd5:
	case 0xeb:
		return 1;
	case 0xc2: case 0xca:
		return 2;
	case 0xc8:
		return 3;
	case 0x9a: case 0xea:
		return z + 2;
	case 0xf6:
		return (r->modrm & 0x30) ? 0 : 1;
	case 0xf7:
		return (r->modrm & 0x30) ? 0 : z;
	}
	return 0;
}

static unsigned imm_bytes(const struct bytes *r, bool long_mode)
{
	u8 op = r->opcode;

	if (r->map == 0)
		return imm0_bytes(r, long_mode);
	if (r->map == 3)
		return 1;
	if (r->map == 2)
		return 0;
	if (op >= 0x80 && op <= 0x8f && !r->vex)
		return r->p66 && !r->w ? 2 : 4;
	if ((op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac ||
	    op == 0xba || op == 0xc2 || (op >= 0xc4 && op <= 0xc6))
		return 1;
	return 0;
}

static void skip_operand(struct bytes *r, bool long_mode)
{
	unsigned mod = r->modrm >> 6, rm = r->modrm & 7;

	if (mod == 3)
		return;
	if (!long_mode && r->p67) {
		r->at += mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
		return;
	}
	if (rm == 4) {
		u8 sib = next(r);

		if ((sib & 7) == 5 && mod == 0)
			r->at += 4;
	} else if (rm == 5 && mod == 0) {
		r->at += 4;
	}
	r->at += mod == 1 ? 1 : mod == 2 ? 4 : 0;
}

static void decode_vex(struct bytes *r, u8 first)
{
	u8 b = next(r);

	r->vex = true;
	r->map = 1;
	if (first == 0xc4) {
		r->map = b & 31;
		b = next(r);
		r->w = b >> 7;
	}
	r->p66 = (b & 3) == 1;
	r->rep = (b & 3) == 2 ? 0xf3 : (b & 3) == 3 ? 0xf2 : 0;
	r->opcode = next(r);
}

void bytes_decode(struct bytes *r, const u8 *p, unsigned n, bool long_mode)
{
	u8 b;

	*r = (struct bytes){ .p = p, .n = n };
	for (;;) {
		b = next(r);
		if (b == 0x66)
			r->p66 = true;
		else if (b == 0x67)
			r->p67 = true;
		else if (b == 0xf0)
			r->lock = true;
		else if (b == 0xf2 || b == 0xf3)
			r->rep = b;
		else if ((b & 0xe7) != 0x26 && b != 0x64 && b != 0x65)
			break;
		if (r->at > 15)
			return;
	}
	if (long_mode && (b & 0xf0) == 0x40) {
		r->rex = true;
		r->w = b >> 3 & 1;
		b = next(r);
	}
	if ((b == 0xc4 || b == 0xc5) &&
	    (long_mode || (r->at < r->n && r->p[r->at] >= 0xc0))) {
		decode_vex(r, b);
	} else {
		r->opcode = b;
		if (b == 0x0f) {
			r->map = 1;
			r->opcode = next(r);
			if (r->opcode == 0x38 || r->opcode == 0x3a) {
				r->map = r->opcode == 0x38 ? 2 : 3;
				r->opcode = next(r);
			}
		}
	}
	if (has_modrm(r)) {
		r->modrm = next(r);
		skip_operand(r, long_mode);
	}
	r->at += imm_bytes(r, long_mode);
}
