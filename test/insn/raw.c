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
 */
#include "bytes.h"
#include "gen.h"

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
static bool hidden_vex(const struct bytes *r)
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
		       (op <= 1 && !r->w) || /* VPERMQ: see form.c */
		       /* FMA4, which some processors have in secret */
		       (op >= 0x5c && op <= 0x5f) || (op >= 0x68 && op <= 0x7f);
	}
	return true;
}

static bool hidden_0f01(const struct bytes *r)
{
	if (r->modrm < 0xc0)
		return !IN(r->modrm >> 3 & 7, 2, 3, 6, 7);
	return r->modrm != 0xf8 && (r->modrm & 0x38) != 0x30;
}

static bool hidden_0fae(const struct bytes *r)
{
	unsigned n = r->modrm >> 3 & 7;

	if (r->modrm >= 0xc0)
		return n < 4 ? r->rep != 0xf3 : n == 4 || r->rep || r->p66;
	return r->rep || n == 4 || n == 5 || (n == 6 && !r->p66);
}

static bool hidden_0f(const struct bytes *r)
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
	case 0x20: case 0x22: /* LOCK MOV CR0 is CR8 on AMD's processors */
		return r->lock;
	case 0x2b: case 0x78: case 0x79: /* SSE4A */
		return r->rep || r->p66;
	}
	return IN(op, 0x02, 0x03, 0x05, 0x0e, 0x0f, 0x1a, 0x1b, 0x31, 0x33,
		  0x34, 0x35, 0x37, 0xa1, 0xa2, 0xa6, 0xa7, 0xa9, 0xb2, 0xb4,
		  0xb5);
}

static bool hidden(const struct bytes *r, bool long_mode)
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
	case 0xe0: /* REP changes the condition on AMD's processors */
	case 0xe1:
		return r->rep;
	case 0xcd:
		return r->p[r->at - 1] == 0x80;
	case 0xff: /* far; CALL, for which see may_be_call() */
		return n == 3 || n == 5 || (n == 2 && long_mode);
	}
	/* INT1 among them: hypervisors below the host report its RIP wrong. */
	return IN(op, 0xf1, 0x07, 0x17, 0x1f, 0x8e, 0x9a, 0xc4, 0xc5, 0xca, 0xcb,
		  0xcf, 0xea);
}

/*
 * DEVIATES: a near branch with a 16-bit operand size is 64 bits wide in Doppel
 * as it is on Intel's processors; AMD's truncate RIP.
 */
static bool is_narrow_branch(const struct bytes *r)
{
	u8 op = r->opcode;

	if (!r->p66 || r->w || r->vex)
		return false;
	if (r->map == 1)
		return op >= 0x80 && op <= 0x8f;
	return r->map == 0 &&
	       ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) ||
		IN(op, 0xc2, 0xc3, 0xe8, 0xe9, 0xeb) ||
		(op == 0xff && ((r->modrm >> 3 & 7) == 2 ||
				(r->modrm >> 3 & 7) == 4)));
}

/* A relative jump into the instruction itself would never end. */
static bool jumps_back(const struct bytes *r)
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
		struct bytes r;

		bytes_decode(&r, b, random_bytes(g, b), g->long_mode);
		if (r.at > 15 && chance(g, 99))
			continue;
		if (g->long_mode && is_narrow_branch(&r))
			continue;
		if (r.at > r.n || hidden(&r, g->long_mode) || jumps_back(&r))
			continue;
		for (unsigned i = 0; i < r.at; i++)
			put8(g, b[i]);
		return;
	}
}
