/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code that changes under the processor. A store to code is seen by the very
 * next instruction, if it is made through the address that is executed:
 * SDM 3A 8.1.3 "Handling Self- and Cross-Modifying Code" and 11.6
 * "Self-Modifying Code" (with a jump in between for what is only promised
 * after one; processors of this century need none).
 *
 * Each snippet is copied into fresh pages and gets its own address in DI.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

/* Two pages of code of our own, and where ring 3 sees them. */
static u8 *area;

static void load_at(unsigned offset, const u8 *code, const u8 *end)
{
	if (!area)
		area = (u8 *)pages_alloc(4);
	for (unsigned i = 0; code + i < end; i++)
		((volatile u8 *)area)[offset + i] = code[i];
}

static struct regs go_from(unsigned offset, int ring, ulong cx)
{
	struct regs r;

	regs_init(&r, area + offset, ring);
	r.rdi = r.rip;
	r.rcx = cx;
	run(&r);
	return r;
}

/* In both rings: load, run with CX, expect AX. */
static void expect_at(unsigned offset, const u8 *code, const u8 *end, ulong cx,
		      ulong ax)
{
	area = NULL;
	for (int ring = 0; ring <= 3; ring += 3) {
		context("ring %u offset %x", ring, offset);
		load_at(offset, code, end);
		for (int again = 0; again < 3; again++) {
			struct regs r;

			load_at(offset, code, end);
			r = go_from(offset, ring, cx);
			CHECK_STOP(r);
			CHECK_EQ(r.rax, ax);
		}
	}
}

#define EXPECT(code, cx, ax)                                                   \
	do {                                                                   \
		expect_at(0, code, code##_end, cx, ax);                        \
		expect_at(0xffa, code, code##_end, cx, ax);                    \
	} while (0)

/* Address of a label of a snippet, from DI. */
#define AT(label, start) "(" label " - " start ")(" R("di") ")"

CODE(c_next, "xor %eax, %eax\n"
	     "movb $0x77, " AT("1f + 1", "c_next") "\n"
	     "1: mov $0x11, %al\n" STOP);
CODE(c_next_jump, "xor %eax, %eax\n"
		  "movb $0x77, " AT("1f + 1", "c_next_jump") "\n"
		  "jmp 1f\n"
		  "1: mov $0x11, %al\n" STOP);
CODE(c_next_serialize, "xor %eax, %eax\n"
		       "movb $0x77, " AT("1f + 1", "c_next_serialize") "\n"
		       ".byte 0x0f, 0x01, 0xe8\n" /* serialize */
		       "1: mov $0x11, %al\n" STOP);
CODE(c_opcode, "mov $5, %eax\n"
	       "movb $0x90, " AT("1f", "c_opcode") "\n"
	       "movb $0x90, " AT("1f + 1", "c_opcode") "\n"
	       "1: inc %al\n" STOP);
CODE(c_far_ahead, "xor %eax, %eax\n"
		  "movb $0x77, " AT("1f + 1", "c_far_ahead") "\n"
		  ".rept 40\n inc %edx\n lea (" R("dx") "), %esi\n .endr\n"
		  "1: mov $0x11, %al\n" STOP);
CODE(c_word, "xor %eax, %eax\n"
	     "movl $0x66056605, " AT("1f", "c_word") "\n"
	     "1: nop\n nop\n nop\n nop\n nop\n nop\n" STOP);

/* What follows a call changes before it returns, in the callee or below. */
CODE(c_return, "xor %eax, %eax\n call 2f\n 1: mov $0x11, %al\n" STOP
	       "2: movb $0x77, " AT("1b + 1", "c_return") "\n ret\n");
CODE(c_return_twice, "xor %eax, %eax\n call 2f\n 1: mov $0x11, %al\n" STOP
		     "2: call 3f\n ret\n"
		     "3: movb $0x77, " AT("1b + 1", "c_return_twice")
		     "\n ret\n");

static void before_return(void)
{
	EXPECT(c_return, 0, 0x77);
	EXPECT(c_return_twice, 0, 0x77);
}

static void next_instruction(void)
{
	EXPECT(c_next, 0, 0x77);
	EXPECT(c_opcode, 0, 5);
	EXPECT(c_far_ahead, 0, 0x77);
}

static void after_jump(void)
{
	EXPECT(c_next_jump, 0, 0x77);
}

static void after_serialize(void)
{
	if (!(cpuid_sub(7, 0).d & BIT(14))) {
		skip("no SERIALIZE");
		return;
	}
	EXPECT(c_next_serialize, 0, 0x77);
}

/*
 * 66 05 iw: add ax, iw; the store changes the length of what follows: four
 * NOPs turn into ADD EAX, imm32 (05 66 05 66 | 90), then one NOP.
 */
static void changed_length(void)
{
	EXPECT(c_word, 0, 0x90660566);
}

/* A loop whose body adds a constant that the body itself counts up. */
CODE(c_loop, "xor %eax, %eax\n"
	     "movl $0, " AT("1f + 1", "c_loop") "\n"
	     "2: incl " AT("1f + 1", "c_loop") "\n"
	     "1: add $0x12345678, %eax\n"
	     "dec %ecx\n jnz 2b\n" STOP);
/* The same, changed after use instead of before. */
CODE(c_loop_back, "xor %eax, %eax\n"
		  "movl $1, " AT("1f + 1", "c_loop_back") "\n"
		  "1: add $0x12345678, %eax\n"
		  "incl " AT("1b + 1", "c_loop_back") "\n"
		  "dec %ecx\n jnz 1b\n" STOP);
/* The instruction changes itself: its own immediate, by its own store. */
CODE(c_itself, "xor %eax, %eax\n"
	       "movb $1, " AT("1f + 3", "c_itself") "\n"
	       /* ADDB $1, disp8(DI), of which the fourth byte is the 1 */
	       "1: .byte 0x80, 0x47, 1b - c_itself + 3, 1\n"
	       "movzbl " AT("1b + 3", "c_itself") ", %eax\n"
	       "dec %ecx\n jnz 1b\n" STOP);

static void loops(void)
{
	EXPECT(c_loop, 10000, 10000 * 10001 / 2);
	EXPECT(c_loop_back, 10000, 10000 * 10001 / 2);
	EXPECT(c_loop, 1, 1);
}

static void itself(void)
{
	EXPECT(c_itself, 5, 32);
}

/* A patched subroutine, called from a chained loop. */
CODE(c_sub, "xor %eax, %eax\n"
	    "2: mov %ecx, " AT("1f + 1", "c_sub") "\n"
	    "call 1f\n"
	    "cmp %eax, %ecx\n jne 3f\n"
	    "dec %ecx\n jnz 2b\n"
	    "mov $0x600d, %eax\n" STOP "3: mov $0xbad, %eax\n" STOP
	    ".balign 64\n"
	    "1: mov $0, %eax\n ret\n");
/* The subroutine lies in the next page. */
CODE(c_sub_page, "xor %eax, %eax\n"
		 "2: mov %ecx, " AT("1f + 1", "c_sub_page") "\n"
		 "call 1f\n"
		 "cmp %eax, %ecx\n jne 3f\n"
		 "dec %ecx\n jnz 2b\n"
		 "mov $0x600d, %eax\n" STOP "3: mov $0xbad, %eax\n" STOP
		 ".skip 4096\n"
		 "1: mov $0, %eax\n ret\n");

static void subroutine(void)
{
	EXPECT(c_sub, 10000, 0x600d);
	EXPECT(c_sub_page, 10000, 0x600d);
}

/* Every kind of store. */
CODE(c_xchg, "mov $0x77b0, %edx\n xor %eax, %eax\n"
	     "xchg %dx, " AT("1f", "c_xchg") "\n"
	     "1: mov $0x11, %al\n" STOP);
CODE(c_lock_add, "xor %eax, %eax\n"
		 "lock; addb $0x66, " AT("1f + 1", "c_lock_add") "\n"
		 "1: mov $0x11, %al\n" STOP);
CODE(c_cmpxchg, "mov $0x11b0, %eax\n mov $0x77b0, %edx\n"
		"lock; cmpxchg %dx, " AT("1f", "c_cmpxchg") "\n"
		"xor %eax, %eax\n"
		"1: mov $0x11, %al\n" STOP);
CODE(c_xadd, "mov $0x66, %edx\n xor %eax, %eax\n"
	     "xadd %dl, " AT("1f + 1", "c_xadd") "\n"
	     "1: mov $0x11, %al\n" STOP);
CODE(c_movups, "xor %eax, %eax\n"
	       "movups " AT("2f", "c_movups") ", %xmm3\n"
	       "movups %xmm3, " AT("1f", "c_movups") "\n"
	       "1: mov $0x11, %al\n" STOP ".skip 16, 0xcc\n"
	       "2: mov $0x77, %al\n" STOP ".skip 16, 0xcc\n");
CODE(c_fild, "xor %eax, %eax\n"
	     "fildll " AT("2f", "c_fild") "\n"
	     "fistpll " AT("1f", "c_fild") "\n"
	     "1: mov $0x11, %al\n" STOP ".skip 16, 0x10\n"
	     "2: mov $0x77, %al\n" STOP "nop\n nop\n nop\n nop\n");
CODE(c_setcc, "xor %eax, %eax\n" /* ZF */
	      "setz " AT("1f + 1", "c_setcc") "\n"
	      "1: mov $0x11, %al\n" STOP);
CODE(c_bts, "xor %eax, %eax\n"
	    "btsl $1, " AT("1f + 1", "c_bts") "\n"
	    "1: mov $0x11, %al\n" STOP);
#ifdef __x86_64__
#define WORD "8"
#else
#define WORD "4"
#endif
/* MOV AL, imm8; the rest of a word are NOPs. */
CODE(c_push, "mov " R("sp") ", " R("bp") "\n xor %eax, %eax\n"
	     "lea " AT("1f + " WORD, "c_push") ", " R("sp") "\n"
	     "push " R("cx") "\n"
	     "mov " R("bp") ", " R("sp") "\n"
	     "1: mov $0x11, %al\n .rept " WORD " - 2\n nop\n .endr\n" STOP);
CODE(c_movnti, "mov $0x77, %edx\n xor %eax, %eax\n"
	       "movnti %edx, " AT("1f + 1", "c_movnti") "\n"
	       "sfence\n jmp 1f\n"
	       "1: mov $0x11, %eax\n" STOP);

static void kinds_of_store(void)
{
	EXPECT(c_xchg, 0, 0x77);
	EXPECT(c_lock_add, 0, 0x77);
	EXPECT(c_cmpxchg, 0, 0x77);
	EXPECT(c_xadd, 0, 0x77);
	EXPECT(c_movups, 0, 0x77);
	EXPECT(c_fild, 0, 0x77);
	EXPECT(c_setcc, 0, 1);
	EXPECT(c_bts, 0, 0x13);
	EXPECT(c_movnti, 0, 0x77);
}

static void push_over_code(void)
{
	EXPECT(c_push, (ulong)0x90909090909077b0, 0x77);
}

/* REP over the code that follows, and over code that has just run. */
CODE(c_rep_movs, "xor %eax, %eax\n"
		 "lea " AT("2f", "c_rep_movs") ", " R("si") "\n"
		 "lea " AT("1f", "c_rep_movs") ", " R("di") "\n"
		 "mov $4, %ecx\n rep movsb\n"
		 "1: mov $0x11, %al\n" STOP
		 "2: mov $0x77, %al\n" STOP);
CODE(c_rep_stos, "lea " AT("1f", "c_rep_stos") ", " R("di") "\n"
		 "mov $0x90, %eax\n mov $8, %ecx\n rep stosb\n"
		 "1: .rept 8\n .byte 0x0f\n .endr\n" STOP);
CODE(c_rep_movsl, "xor %eax, %eax\n"
		  "lea " AT("2f", "c_rep_movsl") ", " R("si") "\n"
		  "lea " AT("1f", "c_rep_movsl") ", " R("di") "\n"
		  "mov $3, %ecx\n rep movsl\n jmp 1f\n"
		  ".balign 4\n"
		  "1: mov $0x11, %eax\n nop\n nop\n nop\n" STOP "nop\n nop\n"
		  "2: mov $0x77, %eax\n nop\n nop\n nop\n" STOP "nop\n nop\n");

static void rep_over_code(void)
{
	EXPECT(c_rep_movs, 0, 0x77);
	EXPECT(c_rep_stos, 0, 0x90);
	EXPECT(c_rep_movsl, 0, 0x77);
}

/* Data beside code: the code stays what it is, at whatever distance. */
CODE(c_data, "xor %eax, %eax\n"
	     "2: incl " AT("1f", "c_data") "\n"
	     "addl $3, " AT("1f + 4", "c_data") "\n"
	     "incb " AT("1f + 511", "c_data") "\n"
	     "inc %eax\n dec %ecx\n jnz 2b\n" STOP
	     "1: .skip 512\n");

static void data_beside_code(void)
{
	EXPECT(c_data, 50000, 50000);
}

/* Code made by C and called at once, at all offsets of two pages. */
typedef unsigned sub_fn(void);

static void write_mov_ret(volatile u8 *at, u32 v)
{
	at[0] = 0xb8;
	at[1] = v;
	at[2] = v >> 8;
	at[3] = v >> 16;
	at[4] = v >> 24;
	at[5] = 0xc3;
}

static void compiler(void)
{
	area = (u8 *)pages_alloc(3);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned at = 0; at < 8192; at += 1 + round * 5) {
			write_mov_ret(area + at, at * 0x10001 + round);
			CHECK_EQ(((sub_fn *)(area + at))(),
				 at * 0x10001 + round);
		}
	}
}

/* One place, 10000 versions, each run twice. */
static void versions(void)
{
	area = (u8 *)pages_alloc(1);
	write_mov_ret(area, 0);
	for (unsigned i = 0; i < 10000; i++) {
		*(volatile u32 *)(area + 1) = i;
		CHECK_EQ(((sub_fn *)area)(), i);
		CHECK_EQ(((sub_fn *)area)(), i);
	}
	/* Between two versions, as a debugger's breakpoint does. */
	for (unsigned i = 0; i < 1000; i++) {
		*(volatile u8 *)(area + 1) = i & 1 ? 0xcc : 0x22;
		CHECK_EQ(((sub_fn *)area)() & 0xff, i & 1 ? 0xcc : 0x22);
	}
}

/* A breakpoint put in, hit, and taken out. */
static void breakpoint(void)
{
	area = (u8 *)pages_alloc(1);
	for (int ring = 0; ring <= 3; ring += 3) {
		load_at(0, c_next_jump, c_next_jump_end);
		idt[V_BP].access |= DPL(3);
		for (unsigned i = 0; i < 100; i++) {
			u8 old = area[2];
			struct regs r;

			*(volatile u8 *)(area + 2) = 0xcc;
			r = go_from(0, ring, 0);
			CHECK_TRAP(r, V_BP, 0);
			CHECK_EQ(r.rip, (ring ? user(area) : (ulong)area) + 3);
			*(volatile u8 *)(area + 2) = old;
			r = go_from(0, ring, 0);
			CHECK_STOP(r);
		}
	}
}

/* A jump into the middle of an instruction is another instruction. */
CODE(c_overlap, "mov %ecx, %eax\n"
		"test %ecx, %ecx\n jnz 1f + 1\n"
		"1: .byte 0xb8, 0xb0, 0x77, 0xeb, 0x01\n" /* mov eax, imm */
		"nop\n" /* or: mov al, 0x77; jmp +1 */
		STOP);

static void overlapping(void)
{
	EXPECT(c_overlap, 0, 0x01eb77b0);
	EXPECT(c_overlap, 0x100, 0x177);
}

const struct test tests[] = {
	{ "the next instruction", next_instruction },
	{ "after a jump", after_jump },
	{ "what follows a call, before it returns", before_return },
	{ "after SERIALIZE", after_serialize },
	{ "changed length", changed_length },
	{ "loops", loops },
	{ "an instruction changes itself", itself },
	{ "a patched subroutine", subroutine },
	{ "kinds of store", kinds_of_store },
	{ "a push over code", push_over_code },
	{ "REP over code", rep_over_code },
	{ "data beside code", data_beside_code },
	{ "code made at every offset", compiler },
	{ "ten thousand versions", versions },
	{ "breakpoints put in and taken out", breakpoint },
	{ "overlapping instructions", overlapping },
	{ NULL },
};
