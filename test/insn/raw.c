/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw.c - random bytes: one instruction of any encoding, defined or not. The
 * host says which ones are #UD.
 *
 * Left out are encodings that no guest could do alike: those that show the
 * host (CPUID, SGDT, RDTSC, selectors of the host's GDT), that enter it
 * (SYSCALL, INT 0x80, VMCALL), and those of features that Doppel never shows
 * though a host may have them (EVEX and the opmask instructions, XOP, 3DNow!,
 * SSE4A, CET, PKU, AMX, ...). To find them, the length has to be decoded as
 * well: what follows the instruction must be INT3.
 *
 * SDM 2 appendix A "Opcode Map", APM 3 appendix A "Opcode and Operand
 * Encodings".
 */
#include "gen.h"

struct raw {
	const u8 *p;
	unsigned n; /* bytes that there are; more are needed if .at passes it */
	unsigned at;
	bool p66, p67, lock, rex, vex;
	u8 rep; /* F2, F3 */
	u8 map, opcode, modrm;
	bool w;
};

/* One bit per opcode of a row of 16: has it a modrm byte? */
static const u16 modrm0_tab[16] = {
	0x0f0f, 0x0f0f, 0x0f0f, 0x0f0f, 0, 0, 0x0a0c, 0,
	0xffff, 0, 0, 0, 0x00f3, 0xff0f, 0, 0xc0c0,
};
static const u16 modrm1_tab[16] = {
	0xa00f, 0xffff, 0xff7f, 0x0000, 0xffff, 0xffff, 0xffff, 0xff7f,
	0x0000, 0xffff, 0xf838, 0xffff, 0x00ff, 0xffff, 0xffff, 0xffff,
};

static u8 next(struct raw *r)
{
	return r->at < r->n ? r->p[r->at++] : (r->at++, 0);
}

static bool has_modrm(const struct raw *r)
{
	if (r->map >= 2)
		return true;
	if (r->map == 1)
		return r->vex ? r->opcode != 0x77 :
				modrm1_tab[r->opcode >> 4] >> (r->opcode & 15) & 1;
	return modrm0_tab[r->opcode >> 4] >> (r->opcode & 15) & 1;
}

static unsigned imm0_bytes(const struct raw *r, bool long_mode)
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

static unsigned imm_bytes(const struct raw *r, bool long_mode)
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

static void skip_operand(struct raw *r, bool long_mode)
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

static void decode_vex(struct raw *r, u8 first)
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

/* Fills *r; the instruction's length is r->at. */
static void decode(struct raw *r, bool long_mode)
{
	u8 b;

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

static bool is_in(u8 op, const u8 *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i] == op)
			return true;
	return false;
}
#define IN(op, ...)                                                          \
	({                                                                   \
		static const u8 list_[] = { __VA_ARGS__ };                   \
		is_in(op, list_, sizeof(list_));                             \
	})

/* Opmask instructions, AVX-VNNI, AVX-IFMA, AMX, KEYLOCKER, CMPccXADD... */
static bool hidden_vex(const struct raw *r)
{
	u8 op = r->opcode;

	switch (r->map) {
	case 1:
		return (op >= 0x41 && op <= 0x4b) || (op >= 0x90 && op <= 0x99);
	case 2:
		return IN(op, 0x48, 0x49, 0x4a, 0x4b, 0x50, 0x51, 0x52, 0x53,
			  0x5c, 0x5e, 0x6c, 0x72, 0xb0, 0xb1, 0xb4, 0xb5,
			  0xcb, 0xcc, 0xcd, 0xd2, 0xd3, 0xda, 0xf8) ||
		       (op >= 0xe0 && op <= 0xef);
	case 3:
		return (op >= 0x30 && op <= 0x33) || op == 0xde ||
		       /* FMA4, which some processors have in secret */
		       (op >= 0x5c && op <= 0x5f) || (op >= 0x68 && op <= 0x7f);
	}
	return true;
}

static bool hidden_0f01(const struct raw *r)
{
	if (r->modrm < 0xc0)
		return !IN(r->modrm >> 3 & 7, 2, 3, 6, 7);
	return r->modrm != 0xf8 && (r->modrm & 0x38) != 0x30;
}

static bool hidden_0fae(const struct raw *r)
{
	unsigned n = r->modrm >> 3 & 7;

	if (r->modrm >= 0xc0)
		return n < 4 ? r->rep != 0xf3 : n == 4 || r->rep || r->p66;
	return r->rep || n == 4 || n == 5 || (n == 6 && !r->p66);
}

static bool hidden_0f(const struct raw *r)
{
	u8 op = r->opcode;
	unsigned n = r->modrm >> 3 & 7;

	switch (op) {
	case 0x00:
		return n != 2 && n != 3;
	case 0x01:
		return hidden_0f01(r);
	case 0xae:
		return hidden_0fae(r);
	case 0xc7:
		return n != 1 || r->modrm >= 0xc0;
	case 0x2b: case 0x78: case 0x79: /* SSE4A */
		return r->rep || r->p66;
	}
	return IN(op, 0x02, 0x03, 0x05, 0x0e, 0x0f, 0x1a, 0x1b, 0x31, 0x33,
		  0x34, 0x35, 0x37, 0xa1, 0xa2, 0xa6, 0xa7, 0xa9, 0xb2, 0xb4,
		  0xb5);
}

static bool hidden(const struct raw *r, bool long_mode)
{
	u8 op = r->opcode;
	unsigned n = r->modrm >> 3 & 7;

	if (r->vex)
		return hidden_vex(r);
	switch (r->map) {
	case 1:
		return hidden_0f(r);
	case 2:
		return op >= 0xf8 || IN(op, 0x80, 0x81, 0xf5, 0xd8) ||
		       (op == 0xf6 && !r->p66 && r->rep != 0xf3) ||
		       (r->rep == 0xf3 && op >= 0xd8 && op <= 0xdf) ||
		       (r->rep == 0xf3 && op == 0xfa);
	case 3:
		return op == 0xf0;
	}
	switch (op) {
	case 0x62:
		return long_mode || r->modrm >= 0xc0;
	case 0x8f:
		return n != 0;
	case 0xcd:
		return r->p[r->at - 1] == 0x80;
	case 0xff:
		return n == 3 || n == 5;
	}
	return IN(op, 0x07, 0x17, 0x1f, 0x8e, 0x9a, 0xc4, 0xc5, 0xca, 0xcb,
		  0xcf, 0xea);
}

/* A relative jump into the instruction itself would never end. */
static bool jumps_back(const struct raw *r)
{
	u8 op = r->opcode;
	s8 rel8 = (s8)r->p[r->at - 1];

	if (r->vex)
		return false;
	if (r->map == 0 && ((op >= 0x70 && op <= 0x7f) || op == 0xeb ||
			    (op >= 0xe0 && op <= 0xe3)))
		return rel8 < 0 && rel8 >= -16;
	/* rel32: all but never */
	return false;
}

static unsigned random_bytes(struct gen *g, u8 *b)
{
	static const u8 prefix_tab[] = { 0x66, 0x66, 0xf2, 0xf3, 0x67, 0x64,
					 0x65, 0x2e, 0x3e, 0xf0 };
	unsigned n = 0, prefixes = chance(g, 50) ? 0 : below(g, 4);

	while (prefixes--)
		b[n++] = prefix_tab[below(g, sizeof(prefix_tab))];
	if (g->long_mode && chance(g, 30))
		b[n++] = (u8)(0x40 | below(g, 16));
	switch (below(g, 10)) {
	case 0: case 1: case 2:
		b[n++] = 0x0f;
		break;
	case 3:
		b[n++] = 0x0f;
		b[n++] = chance(g, 60) ? 0x38 : 0x3a;
		break;
	case 4:
		b[n++] = 0xc5;
		b[n++] = (u8)(rnd(g) | (chance(g, 70) ? 0x78 : 0) |
			      (g->long_mode ? 0 : 0xc0));
		break;
	case 5:
		b[n++] = 0xc4;
		b[n++] = (u8)((rnd(g) & 0xe0) | (1 + below(g, 3)) |
			      (g->long_mode ? 0 : 0xc0));
		b[n++] = (u8)(rnd(g) | (chance(g, 60) ? 0x78 : 0));
		break;
	}
	while (n < 24)
		b[n++] = (u8)rnd(g);
	return n;
}

void raw_gen(struct gen *g)
{
	for (unsigned r = 0; r < 16; r++)
		if (chance(g, 60))
			bind(g, r, pick_data(g, chance(g, 60)));
	for (;;) {
		u8 b[32];
		struct raw r = { .p = b };

		r.n = random_bytes(g, b);
		decode(&r, g->long_mode);
		if (r.at > 15 && chance(g, 99))
			continue;
		if (r.at > r.n || hidden(&r, g->long_mode) || jumps_back(&r))
			continue;
		for (unsigned i = 0; i < r.at; i++)
			put8(g, b[i]);
		return;
	}
}
