/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_test.c - what x86_decode promises beyond what a comparison with
 * another decoder can show: it reads not a byte more than it may, tells
 * truncated, overlong and undefined apart, and keeps Doppel's own decisions.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tap.h"
#include "x86/insn.h"

#define ALL FLAG_ARITH

/* One instruction and what must come out; 0 in .opsize or .bytes: not said. */
struct known {
	const char *name;
	enum x86_code_size size;
	u8 code[16];
	u8 len; /* 0: undefined */
	u8 cls;
	u8 opsize;
	u16 mem_bytes;
	u16 written, maybe;
};

/* clang-format off */
static const struct known known_tab[] = {
	{ "nop", X86_CODE64, { 0x90 }, 1, X86_C_NOP },
	{ "pause", X86_CODE64, { 0xf3, 0x90 }, 2, X86_C_PAUSE },
	{ "xchg r8, rax", X86_CODE64, { 0x49, 0x90 }, 2, X86_C_COPY, 8 },
	{ "rep xchg r8", X86_CODE64, { 0xf3, 0x41, 0x90 }, 3, X86_C_COPY, 4 },
	{ "endbr64", X86_CODE64, { 0xf3, 0x0f, 0x1e, 0xfa }, 4, X86_C_NOP },
	{ "rdsspq is nop", X86_CODE64, { 0xf3, 0x48, 0x0f, 0x1e, 0xc8 }, 5,
	  X86_C_NOP },
	{ "bndldx is nop", X86_CODE64, { 0x0f, 0x1a, 0x03 }, 3, X86_C_NOP },
	{ "prefetchw", X86_CODE64, { 0x0f, 0x0d, 0x0b }, 3, X86_C_NOP },
	{ "ud2", X86_CODE64, { 0x0f, 0x0b }, 2, X86_C_UD },
	{ "ud1", X86_CODE64, { 0x0f, 0xb9 }, 2, X86_C_UD },
	/* sizes */
	{ "push rax", X86_CODE64, { 0x50 }, 1, X86_C_PUSH, 8 },
	{ "push ax", X86_CODE64, { 0x66, 0x50 }, 2, X86_C_PUSH, 2 },
	{ "66 rex.w push", X86_CODE64, { 0x66, 0x48, 0x50 }, 3, X86_C_PUSH, 8 },
	{ "push eax", X86_CODE32, { 0x50 }, 1, X86_C_PUSH, 4 },
	{ "push m", X86_CODE64, { 0xff, 0x33 }, 2, X86_C_PUSH, 8, 8 },
	{ "push m16", X86_CODE64, { 0x66, 0xff, 0x33 }, 3, X86_C_PUSH, 2, 2 },
	{ "66 call", X86_CODE64, { 0x66, 0xe8, 1, 2, 3, 4 }, 6, X86_C_CALL, 8 },
	{ "66 call, 32", X86_CODE32, { 0x66, 0xe8, 1, 2 }, 4, X86_C_CALL, 2 },
	{ "66 ret", X86_CODE64, { 0x66, 0xc3 }, 2, X86_C_RET, 8 },
	{ "movabs", X86_CODE64, { 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 }, 10,
	  X86_C_COPY, 8 },
	{ "far call", X86_CODE32, { 0x9a, 1, 2, 3, 4, 5, 6 }, 7,
	  X86_C_CALL_FAR, 4 },
	{ "far call", X86_CODE64, { 0x9a }, 0 },
	{ "enter", X86_CODE64, { 0xc8, 1, 2, 3 }, 4, X86_C_ENTER, 8 },
	{ "rex.w insd", X86_CODE64, { 0x48, 0x6d }, 2, X86_C_INS_OUTS, 4 },
	{ "fld m80", X86_CODE64, { 0xdb, 0x2b }, 2, X86_C_COPY, 0, 10 },
	{ "fbld", X86_CODE64, { 0xdf, 0x23 }, 2, X86_C_COPY, 0, 10 },
	{ "fnstenv 16", X86_CODE64, { 0x66, 0xd9, 0x33 }, 3, X86_C_FNSTENV, 2,
	  14 },
	{ "cmpxchg8b", X86_CODE64, { 0x0f, 0xc7, 0x0b }, 3, X86_C_COPY, 4, 8,
	  FLAG_ZF },
	{ "cmpxchg16b", X86_CODE64, { 0x48, 0x0f, 0xc7, 0x0b }, 4, X86_C_COPY,
	  8, 16, FLAG_ZF },
	{ "clflush", X86_CODE64, { 0x0f, 0xae, 0x3b }, 3, X86_C_COPY, 0, 1 },
	{ "movsxd", X86_CODE64, { 0x48, 0x63, 0x03 }, 3, X86_C_COPY, 8, 4 },
	{ "66 movsxd", X86_CODE64, { 0x66, 0x63, 0x03 }, 3, X86_C_COPY, 2, 4 },
	{ "gather", X86_CODE64, { 0xc4, 0xe2, 0xf1, 0x90, 0x04, 0x13 }, 6,
	  X86_C_VSIB, 0, 8 },
	{ "vmaskmovps", X86_CODE64, { 0xc4, 0xe2, 0x75, 0x2c, 0x03 }, 5,
	  X86_C_VMASKMOV, 0, 32 },
	{ "bts m, r", X86_CODE64, { 0x0f, 0xab, 0x0b }, 3, X86_C_BT_MEM, 4, 4,
	  ALL & ~FLAG_ZF, ALL & ~FLAG_ZF & ~FLAG_CF },
	{ "bts r, r", X86_CODE64, { 0x0f, 0xab, 0xcb }, 3, X86_C_COPY, 4, 0,
	  ALL & ~FLAG_ZF, ALL & ~FLAG_ZF & ~FLAG_CF },
	{ "bts m, imm", X86_CODE64, { 0x0f, 0xba, 0x2b, 1 }, 4, X86_C_COPY, 4,
	  4, ALL & ~FLAG_ZF, ALL & ~FLAG_ZF & ~FLAG_CF },
	/* flags */
	{ "shl 1", X86_CODE64, { 0xd1, 0xe0 }, 2, X86_C_COPY, 4, 0, ALL,
	  FLAG_AF },
	{ "shl 0", X86_CODE64, { 0xc1, 0xe0, 0x20 }, 3, X86_C_COPY, 4, 0, 0,
	  0 },
	{ "shl 32, 64", X86_CODE64, { 0x48, 0xc1, 0xe0, 0x20 }, 4, X86_C_COPY,
	  8, 0, ALL, FLAG_AF | FLAG_OF },
	{ "shl 8, 8", X86_CODE64, { 0xc0, 0xe0, 0x08 }, 3, X86_C_COPY, 1, 0,
	  ALL, FLAG_AF | FLAG_OF | FLAG_CF },
	{ "shl cl", X86_CODE64, { 0xd3, 0xe0 }, 2, X86_C_COPY, 4, 0, ALL, ALL },
	{ "rol 2", X86_CODE64, { 0xc1, 0xc0, 0x02 }, 3, X86_C_COPY, 4, 0,
	  FLAG_CF | FLAG_OF, FLAG_OF },
	{ "scasb", X86_CODE64, { 0xae }, 1, X86_C_STRING, 1, 1, ALL, 0 },
	{ "repne scasb", X86_CODE64, { 0xf2, 0xae }, 2, X86_C_STRING, 1, 1,
	  ALL, ALL },
	{ "fcomi", X86_CODE64, { 0xdb, 0xf1 }, 2, X86_C_COPY, 0, 0, ALL, ALL },
	/* undefined, and hidden */
	{ "lock mov", X86_CODE64, { 0xf0, 0x89, 0x03 }, 0 },
	{ "lock add r", X86_CODE64, { 0xf0, 0x01, 0xc0 }, 0 },
	{ "lock cmp", X86_CODE64, { 0xf0, 0x39, 0x03 }, 0 },
	{ "lock add", X86_CODE64, { 0xf0, 0x01, 0x03 }, 3, X86_C_COPY, 4, 4,
	  ALL },
	{ "evex", X86_CODE64, { 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0 }, 0 },
	{ "evex, 32", X86_CODE32, { 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0 }, 0 },
	{ "bound", X86_CODE32, { 0x62, 0x03 }, 2, X86_C_BOUND, 4, 8 },
	{ "les", X86_CODE32, { 0xc4, 0x03 }, 2, X86_C_LOAD_FAR_PTR, 4, 6 },
	{ "xop", X86_CODE64, { 0x8f, 0xe8, 0x78, 0xa2, 0xc0, 0x00 }, 0 },
	{ "3dnow", X86_CODE64, { 0x0f, 0x0f, 0xc0, 0x9e }, 0 },
	{ "xbegin", X86_CODE64, { 0xc7, 0xf8, 0, 0, 0, 0 }, 0 },
	{ "xend", X86_CODE64, { 0x0f, 0x01, 0xd5 }, 0 },
	{ "monitor", X86_CODE64, { 0x0f, 0x01, 0xc8 }, 0 },
	{ "vmrun", X86_CODE64, { 0x0f, 0x01, 0xd8 }, 0 },
	{ "vmcall", X86_CODE64, { 0x0f, 0x01, 0xc1 }, 3, X86_C_VMCALL },
	{ "vmmcall", X86_CODE64, { 0x0f, 0x01, 0xd9 }, 3, X86_C_VMCALL },
	{ "xsaves", X86_CODE64, { 0x0f, 0xc7, 0x2b }, 0 },
	{ "rsm", X86_CODE64, { 0x0f, 0xaa }, 0 },
	{ "mov cs", X86_CODE64, { 0x8e, 0xc8 }, 0 },
	{ "mov cr1", X86_CODE64, { 0x0f, 0x20, 0xc8 }, 0 },
	{ "mov cr8", X86_CODE64, { 0x44, 0x0f, 0x20, 0xc0 }, 4, X86_C_MOV_CR,
	  8 },
	{ "mov dr8", X86_CODE64, { 0x44, 0x0f, 0x23, 0xc0 }, 0 },
	{ "vex after 66", X86_CODE64, { 0x66, 0xc5, 0xf8, 0x28, 0xc0 }, 0 },
	{ "vex after rex", X86_CODE64, { 0x48, 0xc5, 0xf8, 0x28, 0xc0 }, 0 },
	{ "vex after rex cs", X86_CODE64,
	  { 0x48, 0x2e, 0xc5, 0xf8, 0x28, 0xc0 }, 6, X86_C_COPY },
	{ "vex vvvv", X86_CODE64, { 0xc5, 0xf0, 0x28, 0xc0 }, 0 },
	{ "vex vvvv, 32", X86_CODE32, { 0xc4, 0xe1, 0x38, 0x28, 0xc0 }, 0 },
	{ "andn vl256", X86_CODE64, { 0xc4, 0xe2, 0x7c, 0xf2, 0xc0 }, 0 },
	{ "gather twice", X86_CODE64, { 0xc4, 0xe2, 0x79, 0x90, 0x04, 0x13 },
	  0 },
	{ "salc", X86_CODE64, { 0xd6 }, 0 },
	{ "salc", X86_CODE32, { 0xd6 }, 1, X86_C_BCD },
	{ "fst1 alias", X86_CODE64, { 0xd9, 0xd8 }, 2, X86_C_COPY },
	{ "d9 /1 m", X86_CODE64, { 0xd9, 0x0b }, 0 },
};
/* clang-format on */

static void test_known(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_tab); i++) {
		const struct known *k = &known_tab[i];
		struct x86_insn insn;
		u8 code[48] = { 0 };
		enum x86_decode_result r;
		bool ok;

		memcpy(code, k->code, sizeof(k->code));
		r = x86_decode(code, sizeof(code), k->size, &insn);
		if (!k->len)
			ok = r == X86_DECODE_UD && insn.cls == X86_C_INVALID;
		else
			ok = r == X86_DECODE_OK && insn.len == k->len &&
			     insn.cls == k->cls &&
			     (!k->opsize || insn.opsize == k->opsize) &&
			     (!k->mem_bytes ||
			      insn.mem_bytes == k->mem_bytes) &&
			     insn.flags_written == k->written &&
			     insn.flags_maybe == k->maybe;
		tap_check(ok, "%s, %u bits: %d %s len %u opsize %u mem %u",
			  k->name, k->size * 8u, r, x86_class_name(insn.cls),
			  insn.len, insn.opsize, insn.mem_bytes);
	}
}

static void test_prefix_order(void)
{
	static const u8 fs_then_ds[] = { 0x64, 0x3e, 0x8b, 0x03 };
	static const u8 ss_default[] = { 0x8b, 0x45, 0x00 };
	static const u8 ds_on_rbp[] = { 0x3e, 0x8b, 0x45, 0x00 };
	static const u8 rex_66[] = { 0x48, 0x66, 0x01, 0xd8 };
	u8 code[48] = { 0 };
	struct x86_insn insn;

	memcpy(code, fs_then_ds, sizeof(fs_then_ds));
	if (x86_decode(code, 48, X86_CODE64, &insn) == X86_DECODE_OK)
		tap_equal(insn.seg, X86_FS, "a dead DS leaves FS, 64 bits");
	if (x86_decode(code, 48, X86_CODE32, &insn) == X86_DECODE_OK)
		tap_equal(insn.seg, X86_DS, "the last segment wins, 32 bits");
	memcpy(code, ss_default, sizeof(ss_default));
	if (x86_decode(code, 48, X86_CODE32, &insn) == X86_DECODE_OK)
		tap_equal(insn.seg, X86_SS, "rBP means SS");
	memcpy(code, ds_on_rbp, sizeof(ds_on_rbp));
	if (x86_decode(code, 48, X86_CODE32, &insn) == X86_DECODE_OK)
		tap_equal(insn.seg, X86_DS, "unless overridden");
	memcpy(code, rex_66, sizeof(rex_66));
	if (x86_decode(code, 48, X86_CODE64, &insn) == X86_DECODE_OK)
		tap_check(insn.opsize == 2 && !insn.rex &&
				  !(insn.attr & IA_REX),
			  "REX before another prefix counts for nothing");
}

static void test_length(void)
{
	struct x86_insn insn;
	u8 code[48];

	memset(code, 0x66, sizeof(code));
	tap_equal(x86_decode(code, 48, X86_CODE64, &insn), X86_DECODE_LONG,
		  "prefixes without end");
	tap_equal(x86_decode(code, 15, X86_CODE64, &insn), X86_DECODE_LONG,
		  "fifteen prefixes");
	tap_equal(x86_decode(code, 14, X86_CODE64, &insn), X86_DECODE_SHORT,
		  "fourteen, and nothing more known");
	tap_equal(x86_decode(code, 0, X86_CODE64, &insn), X86_DECODE_SHORT,
		  "no byte");
	code[14] = 0x90;
	tap_check(x86_decode(code, 48, X86_CODE64, &insn) == X86_DECODE_OK &&
			  insn.len == 15,
		  "fourteen prefixes and an opcode");
	tap_check(x86_decode(code, 15, X86_CODE64, &insn) == X86_DECODE_OK &&
			  insn.len == 15,
		  "the same, just available");
	code[13] = 0x81;
	tap_equal(x86_decode(code, 48, X86_CODE64, &insn), X86_DECODE_LONG,
		  "the immediate is too far");
	tap_equal(x86_decode(code, 14, X86_CODE64, &insn), X86_DECODE_SHORT,
		  "that too needs fifteen bytes to be told");
}

static u64 next_random(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/*
 * Bytes that end where the readable page ends: every cut of an instruction is
 * SHORT, the whole is what it was with more behind it, and nothing faults.
 */
static void test_guard_page(void)
{
	static const enum x86_code_size size_tab[] = { X86_CODE16, X86_CODE32,
						       X86_CODE64 };
	static const u8 start_tab[] = { 0x0f, 0xc4, 0xc5, 0x66, 0x48, 0xf2 };
	u64 seed = 0x1234567890abcdefu;
	u8 *pages = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u8 *end = pages + PAGE_SIZE;
	unsigned wrong = 0;

	if (pages == MAP_FAILED || mprotect(end, PAGE_SIZE, PROT_NONE)) {
		tap_check(false, "pages for the test");
		return;
	}
	for (unsigned n = 0; n < 200000; n++) {
		enum x86_code_size size = size_tab[n % 3];
		enum x86_decode_result whole, cut;
		struct x86_insn a, b;
		u64 code[6];
		size_t need;

		for (size_t i = 0; i < ARRAY_SIZE(code); i++)
			code[i] = next_random(&seed);
		if (n & 4)
			*(u8 *)code = start_tab[n / 8 % sizeof(start_tab)];
		whole = x86_decode((u8 *)code, sizeof(code), size, &a);
		need = whole == X86_DECODE_LONG ? 15 : a.len;
		for (size_t avail = 0; avail <= 16; avail++) {
			memcpy(end - avail, code, avail);
			cut = x86_decode(end - avail, avail, size, &b);
			if (cut != (avail < need ? X86_DECODE_SHORT : whole))
				wrong++;
			if (cut == X86_DECODE_OK && memcmp(&a, &b, sizeof(a)))
				wrong++;
		}
	}
	tap_equal(wrong, 0, "cut short at the end of a page");
	munmap(pages, 2 * PAGE_SIZE);
}

int main(void)
{
	test_known();
	test_prefix_order();
	test_length();
	test_guard_page();
	return tap_done();
}
