/* SPDX-License-Identifier: Apache-2.0 */
/*
 * excuse.c - where the worlds may differ. Both of them get rid of the
 * difference before the result is folded into a hash.
 *
 * Of the worlds, not of Doppel:
 *
 * - A page fault's P bit is always 1 for the kernel's addresses in Linux
 *   (sanitize_error_code()); and in the guest, for the pages of its own
 *   program, which are where Linux has none.
 * - A case that does not end is interrupted anywhere.
 * - IRET to a less privileged ring changes null selectors 1 to 3 to 0. Between
 *   an exception and Linux's signal handler there is one. SDM 2A "IRET"
 *
 * Of Doppel, where the architecture leaves it open and processors differ:
 *
 * - Which byte of an operand of many accesses faults first: FXSAVE, XSAVE,
 *   FNSAVE and kin, far transfers and IRET; and which operand of CMPS. The
 *   same for an XRSTOR image that is invalid as well as not all there, and
 *   for an operand that partly is not present and partly beyond the limit.
 * - What POPA has popped when a later slot faults.
 * - An operand that breaks two rules at once: SHA instructions with an operand
 *   that is neither aligned nor present; SSE instructions with one that is
 *   neither aligned nor canonical, in the stack segment.
 * - Accesses of 32-bit code that go over the end of 4 GiB wrap around in
 *   Doppel. SDM 3A 5.3 "Limit Checking": may or may not fault.
 */
#include "bytes.h"
#include "gen.h"

static bool decode_at(const struct icase *c, const struct state *s,
		      struct bytes *b)
{
	u64 off = s->rip - c->code_at;

	if (s->rip < c->code_at || off >= c->code_bytes)
		return false;
	bytes_decode(b, c->code + off, c->code_bytes - (u32)off,
		     s->cs == SEL_USER64);
	return true;
}

/* FXSAVE, XSAVE.. ; FLDENV, FNSTENV, FRSTOR, FNSAVE ; CMPS */
static bool has_many_accesses(const struct bytes *b)
{
	unsigned n = b->modrm >> 3 & 7;

	if (b->vex)
		return false;
	if (b->map == 0 &&
	    (b->opcode == 0xa6 || b->opcode == 0xa7 || b->opcode == 0x9a ||
	     b->opcode == 0xea || (b->opcode >= 0xca && b->opcode <= 0xcf)))
		return true;
	if (b->modrm >= 0xc0)
		return false;
	if (b->map == 0 && b->opcode == 0xff)
		return n == 3 || n == 5;
	if (b->map == 0)
		return (b->opcode == 0xd9 || b->opcode == 0xdd) &&
		       (n == 4 || n == 6);
	return b->map == 1 && ((b->opcode == 0xae && n != 2 && n != 3) ||
			       (b->opcode == 0xc7 && n != 1));
}

static bool is_xrstor(const struct bytes *b)
{
	return !b->vex && b->map == 1 && b->opcode == 0xae &&
	       (b->modrm & 0x38) == 0x28;
}

static bool is_sha(const struct bytes *b)
{
	return !b->vex && ((b->map == 2 && b->opcode >= 0xc8 &&
			    b->opcode <= 0xcd) ||
			   (b->map == 3 && b->opcode == 0xcc));
}

static void excuse_fault(const struct icase *c, struct state *s)
{
	struct bytes b;

	/* The last two megabytes have the stack of a host that places it without
	 * chance, and a page that no host gives away. */
	if (s->vector == 14 &&
	    (s->cr2 >= 0x7fffffe00000 || s->cr2 < LOW_END))
		s->error |= 1;
	if (!decode_at(c, s, &b))
		return;
	if (s->vector == 12 && !s->error && (b.map || !c->long_mode))
		s->vector = 13;
	if (has_many_accesses(&b)) {
		bool either = is_xrstor(&b) || !b.map || !c->long_mode;

		if (s->vector == 14 || (s->vector == 13 && either))
			s->cr2 = 0;
		if (s->vector == 14)
			s->error |= 1;
		if (either && (s->vector == 13 || s->vector == 14)) {
			s->vector = 14;
			s->error = 0;
		}
	}
	if ((s->vector == 13 || s->vector == 14) && is_sha(&b)) {
		s->vector = 13;
		s->error = 0;
	}
	if (b.map == 0 && b.opcode == 0x61 && s->vector != 3)
		for (unsigned r = 0; r < 8; r++)
			s->gpr[r] = r == RSP ? s->gpr[r] : 0;
	if (!c->long_mode && s->vector == 14 && s->cr2 >= 0xfffff000 &&
	    s->cr2 <= 0xffffffff) {
		s->vector = 13;
		s->error = 0;
	}
}

void excuse(const struct icase *c, struct state *s)
{
	if (s->vector == VECTOR_ENDLESS) {
		memset(s, 0, sizeof(*s));
		s->vector = VECTOR_ENDLESS;
		return;
	}
	excuse_fault(c, s);
	if (s->vector != 14)
		s->cr2 = 0;
	s->ds = s->ds < 4 ? 0 : s->ds;
	s->es = s->es < 4 ? 0 : s->es;
	s->fs = s->fs < 4 ? 0 : s->fs;
	s->gs = s->gs < 4 ? 0 : s->gs;
}
