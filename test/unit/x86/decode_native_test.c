/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_native_test.c - what x86_decode says of the instructions that are
 * copied (X86_C_COPY), held against what the processor does with them:
 *
 *  - length, and that they are defined
 *  - the memory operand: not a byte more or less than mem_bytes, read and
 *    written as mem_acc says, aligned only with IA_ALIGN
 *  - registers are as large as x86_bounds_after says, and as far from others
 *  - registers and flags that are not said to be written are kept; those not
 *    said to be read have no influence; those said to be written for sure do
 *    not show what was there before
 *
 * Everything that the translator relies on when it substitutes registers,
 * leaves flags unsaved or checks an address. The processor must have what
 * Doppel shows to guests; what it has not (#UD) is counted and told.
 * DOPPEL_TEST_FULL=1 tries every instruction in all kinds of states.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "native.h"
#include "tap.h"
#include "x86/bounds.h"
#include "x86/insn.h"

struct run {
	u8 *page, *end; /* data; behind it nothing is mapped */
	u8 content[PAGE_SIZE];
	u64 seed, insns, undefined, moves, bounded;
	unsigned wrong;
	bool full;
	struct x86_insn insn;
	u8 code[16];
};

static u64 next_random(struct run *r)
{
	r->seed ^= r->seed << 13;
	r->seed ^= r->seed >> 7;
	r->seed ^= r->seed << 17;
	return r->seed;
}

static void complain(struct run *r, const char *what, u64 detail)
{
	if (r->wrong++ > 60)
		return;
	printf("#");
	for (unsigned i = 0; i < r->insn.len; i++)
		printf(" %02x", r->code[i]);
	printf(": %s (%llx)\n", what, (unsigned long long)detail);
}

static void run_at(struct run *r, struct native_regs *in, u8 *operand,
		   struct native_result *out)
{
	memcpy(r->page, r->content, 128);
	memcpy(r->end - 64, r->content + PAGE_SIZE - 64, 64);
	if (r->insn.attr & IA_MEM)
		in->gpr[r->insn.base] = (u64)operand;
	native_run(r->code, r->insn.len, in, out);
}

#define BOUNDS_TRIES 4

/* Kinds of states: anything; what divides and shifts; a count of 0. */
#define STATE_KINDS 3

static void make_state(struct run *r, unsigned kind, struct native_regs *s)
{
	for (unsigned i = 0; i < 16; i++)
		s->gpr[i] = kind ? next_random(r) % 100 + 1 : next_random(r);
	s->flags = next_random(r);
	if (kind) {
		s->gpr[X86_RDX] = 0;
		s->gpr[X86_RCX] = kind - 1;
	}
}

/* --- memory ------------------------------------------------------------- */

static void check_access(struct run *r, struct native_regs *in, u8 *operand,
			 int prot, u8 acc, const char *what)
{
	struct native_result out;
	bool fault;

	mprotect(r->page, PAGE_SIZE, prot);
	in->gpr[r->insn.base] = (u64)operand;
	native_run(r->code, r->insn.len, in, &out);
	mprotect(r->page, PAGE_SIZE, PROT_READ | PROT_WRITE);
	if (out.end != NATIVE_DONE && out.end != NATIVE_PF)
		return;
	fault = out.end == NATIVE_PF;
	if (fault != ((r->insn.mem_acc & acc) != 0))
		complain(r, what, out.fault_addr);
}

/* Its #GP is for what it loads. */
static bool is_ldmxcsr(const struct x86_insn *i)
{
	return i->map == MAP_0F && i->opcode == 0xae &&
	       (i->modrm >> 3 & 7) == 2;
}

/* To be aligned by the SDM, while AMD's processors do not mind. */
static bool is_sha(const struct x86_insn *i)
{
	return (i->map == MAP_0F38 && i->opcode >= 0xc8 && i->opcode < 0xce) ||
	       (i->map == MAP_0F3A && i->opcode == 0xcc);
}

static void check_memory(struct run *r)
{
	const struct x86_insn *i = &r->insn;
	u8 *last = r->end - i->mem_bytes;
	struct native_result out;
	struct native_regs in;

	make_state(r, 1, &in);
	run_at(r, &in, last, &out);
	if (out.end != NATIVE_DONE && out.end != NATIVE_OTHER)
		complain(r, "reaches beyond mem_bytes", out.fault_addr);
	if (!(i->attr & IA_ALIGN) && !is_sha(i)) {
		run_at(r, &in, last + 1, &out);
		if (i->mem_acc &&
		    (out.end != NATIVE_PF || out.fault_addr != (u64)r->end))
			complain(r, "does not reach to mem_bytes", out.end);
	}
	run_at(r, &in, r->page + 64 + 1, &out);
	if (!is_sha(i) && out.end != NATIVE_OTHER &&
	    (out.end == NATIVE_GP) != !!(i->attr & IA_ALIGN))
		complain(r, "alignment", out.end);
	check_access(r, &in, last, PROT_READ, ACC_W, "write access");
	check_access(r, &in, last, PROT_NONE, ACC_RW, "access at all");
}

/* --- registers and flags ------------------------------------------------ */

static bool is_gpr(u8 kind)
{
	return kind == RK_GPR || kind == RK_GPR8;
}

static unsigned gpr_of(const struct x86_insn *i, u8 kind, u8 num)
{
	if (kind == RK_GPR8 && num >= 4 && num < 8 &&
	    !(i->attr & (IA_REX | IA_VEX)))
		return num - 4u;
	return num;
}

/* What the instruction may read and write, one bit a register. */
static void register_sets(const struct x86_insn *i, unsigned *read,
			  unsigned *written)
{
	const struct {
		u8 kind, num, acc;
	} op[] = {
		{ i->reg_kind, i->reg, i->reg_acc },
		{ i->rm_kind, i->rm, i->rm_acc },
		{ i->vvvv_kind, i->vvvv, i->vvvv_acc },
	};

	*read = i->impl_read;
	*written = i->impl_write;
	for (size_t n = 0; n < ARRAY_SIZE(op); n++) {
		if (!is_gpr(op[n].kind))
			continue;
		if (op[n].acc & ACC_R)
			*read |= BIT(gpr_of(i, op[n].kind, op[n].num));
		if (op[n].acc & ACC_W)
			*written |= BIT(gpr_of(i, op[n].kind, op[n].num));
	}
	if (i->base < 16)
		*read |= BIT(i->base);
	if (i->index < 16)
		*read |= BIT(i->index);
}

/* Bits of a register that is written and not read. */
static u64 written_mask(const struct x86_insn *i)
{
	if (i->opsize == 1)
		return i->attr & (IA_REX | IA_VEX) ? 0xff : 0xffff;
	return i->opsize == 2 ? 0xffff : ~0ull;
}

/* All registers that are not read inverted: they keep that, or are written
 * whatever they were; and nothing else may change. */
static void check_unread(struct run *r, const struct native_regs *in,
			 const struct native_result *was, u8 *operand,
			 unsigned read, unsigned written)
{
	struct native_regs other = *in;
	struct native_result out;
	u8 memory[128];

	memcpy(memory, r->page, sizeof(memory));
	for (unsigned k = 0; k < 16; k++)
		if (!(read & BIT(k)))
			other.gpr[k] = ~other.gpr[k];
	run_at(r, &other, operand, &out);
	if (out.end != was->end) {
		complain(r, "faults by a register it does not read", out.end);
		return;
	}
	for (unsigned k = 0; k < 16; k++) {
		u64 want = was->regs.gpr[k], mask = ~0ull;

		if (!(written & BIT(k)))
			want = other.gpr[k];
		else if (!(read & BIT(k)))
			mask = written_mask(&r->insn);
		/* AH or AL: the other byte is as it was */
		if (mask == 0xffff && r->insn.opsize == 1)
			mask = 0;
		if ((out.regs.gpr[k] ^ want) & mask)
			complain(r, "depends on a register it does not read",
				 k);
	}
	if ((out.regs.flags ^ was->regs.flags) & FLAG_ARITH)
		complain(r, "flags depend on a register not read", 0);
	if (memcmp(memory, r->page, sizeof(memory)))
		complain(r, "stores a register that it does not read", 0);
}

/* Other flags, but for those that are read: nothing may change but flags that
 * are kept, or perhaps kept. */
static void check_flags(struct run *r, const struct native_regs *in,
			const struct native_result *was, u8 *operand)
{
	const struct x86_insn *i = &r->insn;
	u64 kept = ~(u64)i->flags_written | i->flags_maybe;
	struct native_regs other = *in;
	struct native_result out;
	u64 changed = in->flags ^ was->regs.flags;

	if (changed & FLAG_ARITH & ~(u64)i->flags_written)
		complain(r, "writes a flag that it should not",
			 changed & FLAG_ARITH);
	other.flags ^= FLAG_ARITH & ~(u64)i->flags_read;
	run_at(r, &other, operand, &out);
	changed = out.regs.flags ^ was->regs.flags;
	if (changed & FLAG_ARITH & ~kept)
		complain(r, "a flag shows what it was", changed & FLAG_ARITH);
	if (memcmp(out.regs.gpr, was->regs.gpr, sizeof(out.regs.gpr)))
		complain(r, "a register depends on flags not read", 0);
}

/* From registers of all sizes, negative ones, too, whose bounds are known:
 * what is said of the result has to be true, be it ever so little. */
static void check_bounds(struct run *r)
{
	struct x86_bounds bounds;
	struct native_result out;
	struct native_regs in;
	struct x86_moves moves;

	make_state(r, 0, &in);
	for (unsigned k = 0; k < 16; k++) {
		u64 shape = next_random(r);

		in.gpr[k] = (u64)((s64)in.gpr[k] >> (shape & 63));
		bounds.of[k] = x86_magnitude((s64)in.gpr[k]);
		if (shape & 64)
			bounds.of[k] += shape >> 32 & 0xff;
	}
	run_at(r, &in, r->page + 64, &out);
	/* The address of its operand. */
	for (unsigned k = 0; k < 16; k++)
		if (bounds.of[k] < x86_magnitude((s64)in.gpr[k]))
			bounds.of[k] = x86_magnitude((s64)in.gpr[k]);
	x86_bounds_after(&bounds, &r->insn, &moves);
	if (out.end != NATIVE_DONE)
		return;
	for (unsigned k = 0; k < 16; k++)
		if (x86_magnitude((s64)out.regs.gpr[k]) > bounds.of[k])
			complain(r, "a register is larger than its bound", k);
	for (unsigned k = 0; k < moves.count; k++) {
		u64 was = in.gpr[moves.of[k].from];

		r->moves++;
		if (x86_magnitude((s64)(out.regs.gpr[moves.to] - was)) > moves.of[k].by)
			complain(r, "a register is farther away than said",
				 moves.to);
	}
	for (unsigned k = 0; k < 16; k++)
		r->bounded += bounds.of[k] != X86_UNBOUNDED &&
			      (x86_written(&r->insn) & BIT(k));
}

static void check_registers(struct run *r, unsigned kind)
{
	struct native_result out;
	struct native_regs in;
	unsigned read, written;
	u8 *operand = r->page + 64;

	register_sets(&r->insn, &read, &written);
	make_state(r, kind, &in);
	run_at(r, &in, operand, &out);
	if (out.end == NATIVE_UD) {
		r->undefined++;
		return;
	}
	if (out.end != NATIVE_DONE)
		return;
	if (out.len != r->insn.len)
		complain(r, "length", out.len);
	for (unsigned k = 0; k < 16; k++)
		if (!(written & BIT(k)) && in.gpr[k] != out.regs.gpr[k])
			complain(r, "writes a register that it should not", k);
	check_unread(r, &in, &out, operand, read, written);
	check_flags(r, &in, &out, operand);
}

/* --- enumeration -------------------------------------------------------- */

static void check_insn(struct run *r, const u8 *code)
{
	u8 window[48] = { 0 };

	memcpy(window, code, 15);
	if (x86_decode(window, sizeof(window), X86_CODE64, &r->insn) !=
		    X86_DECODE_OK ||
	    r->insn.cls != X86_C_COPY)
		return;
	/* What [base] alone does not reach; what is random by itself. */
	if (r->insn.attr & IA_MOFFS || r->insn.seg >= X86_FS ||
	    (r->insn.attr & IA_MEM && r->insn.base >= 16))
		return;
	if (r->insn.map == MAP_0F && r->insn.opcode == 0xc7 &&
	    r->insn.rm_kind == RK_GPR)
		return;
	memcpy(r->code, code, sizeof(r->code));
	r->insns++;
	for (unsigned kind = 0; kind < STATE_KINDS; kind++)
		if (r->full || kind == r->insns % STATE_KINDS)
			check_registers(r, kind);
	for (unsigned n = 0; n < BOUNDS_TRIES; n++)
		check_bounds(r);
	if (r->insn.attr & IA_MEM && !(r->insn.attr & IA_NOACCESS) &&
	    !is_ldmxcsr(&r->insn))
		check_memory(r);
}

/* Every modrm.reg with a memory operand and with a register. */
static void enumerate_modrm(struct run *r, const u8 *head, unsigned at)
{
	static const u8 imm_tab[] = { 0x05, 0x20, 0x01, 0xf8, 0x3f };
	u8 code[16];

	for (unsigned n = 0; n < 24; n++) {
		unsigned reg = n & 7, rm = n < 8 ? 6 : (n * 5 + 1) & 7;

		memset(code, imm_tab[n % ARRAY_SIZE(imm_tab)], sizeof(code));
		memcpy(code, head, at);
		code[at] = (u8)((n < 8 ? 0 : 0xc0) | reg << 3 | rm);
		check_insn(r, code);
	}
}

/* LEA with every SIB byte, of 32 and of 64 bits. */
static void enumerate_lea(struct run *r)
{
	for (unsigned n = 0; n < 4 * 256; n++) {
		u8 code[16] = { n & 256 ? 0x48 : 0x40, 0x8d,
				n & 512 ? 0x44 : 0x84, (u8)n,
				0x12, 0x34, 0x56, n & 512 ? 0 : 0x80 };

		check_insn(r, code);
	}
}

static void enumerate_legacy(struct run *r)
{
	static const u8 prefix_tab[][4] = {
		{ 0 },
		{ 1, 0x66 },
		{ 1, 0xf3 },
		{ 1, 0xf2 },
		{ 1, 0x40 },
		{ 1, 0x48 },
		{ 1, 0x4d },
		{ 1, 0xf0 },
		{ 2, 0x66, 0x48 },
		{ 2, 0xf3, 0x48 },
		{ 2, 0xf2, 0x4d },
		{ 2, 0x66, 0xf2 },
		{ 2, 0x66, 0xf3 },
		{ 2, 0x66, 0x45 },
	};
	static const u8 map_tab[][4] = {
		{ 0 },
		{ 1, 0x0f },
		{ 2, 0x0f, 0x38 },
		{ 2, 0x0f, 0x3a },
	};
	u8 head[16] = { 0 };

	for (size_t p = 0; p < ARRAY_SIZE(prefix_tab); p++) {
		for (unsigned n = 0; n < 4 * 256; n++) {
			const u8 *map = map_tab[n >> 8];
			unsigned at = prefix_tab[p][0];

			memcpy(head, prefix_tab[p] + 1, 3);
			memcpy(head + at, map + 1, 3);
			at += map[0];
			head[at] = (u8)n;
			enumerate_modrm(r, head, at + 1);
		}
	}
}

static void enumerate_vex(struct run *r)
{
	static const u8 vvvv_tab[] = { 15, 11, 4 };

	for (unsigned n = 0; n < 3 * 256 * 16 * 3; n++) {
		unsigned op = n & 255, pp = n >> 8 & 3, lw = n >> 10 & 3;
		unsigned map = (n >> 12) % 3 + 1, v = (n >> 12) / 3;
		u8 head[16] = { 0xc4, (u8)(0xe0 | map) };

		head[2] = (u8)((lw & 2) << 6 | vvvv_tab[v] << 3 |
			       (lw & 1) << 2 | pp);
		head[3] = (u8)op;
		enumerate_modrm(r, head, 4);
	}
}

int main(void)
{
	static struct run r = { .seed = 0x6a09e667f3bcc909u };

	r.page = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	r.end = r.page + PAGE_SIZE;
	if (r.page == MAP_FAILED || mprotect(r.end, PAGE_SIZE, PROT_NONE) ||
	    !native_init()) {
		printf("1..0 # SKIP no pages or signals from the host\n");
		return 0;
	}
	r.full = getenv("DOPPEL_TEST_FULL") != NULL;
	for (size_t i = 0; i < PAGE_SIZE; i++)
		r.content[i] = (u8)next_random(&r);
	enumerate_legacy(&r);
	enumerate_lea(&r);
	tap_check(!r.wrong && r.insns, "legacy: %llu instructions, %u wrong",
		  (unsigned long long)r.insns, r.wrong);
	tap_check(r.bounded && r.moves,
		  "legacy: %llu bounds of registers, %llu moves",
		  (unsigned long long)r.bounded, (unsigned long long)r.moves);
	r.insns = r.wrong = 0;
	enumerate_vex(&r);
	tap_check(!r.wrong && r.insns, "VEX: %llu instructions, %u wrong",
		  (unsigned long long)r.insns, r.wrong);
	printf("# %llu runs were #UD: not on this processor\n",
	       (unsigned long long)r.undefined);
	return tap_done();
}
