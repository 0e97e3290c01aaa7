/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What invites a translator of kernels to make short cuts: calls and
 * returns that do not match, jumps to other pages whose mapping changes,
 * STAC and CLAC around calls, system calls with odd flags, code in several
 * PCIDs, bit strings.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

typedef unsigned sub_fn(void);

/* In the upper 2 GiB, where kernels have their code. */
#define K 0xffffffff90000000ul
#define NO_FLUSH BIT(63)

static unsigned call(ulong at)
{
	return ((sub_fn *)at)();
}

static void put32(ulong at, u32 v)
{
	for (unsigned i = 0; i < 4; i++)
		((volatile u8 *)at)[i] = v >> 8 * i;
}

/* MOV EAX, v; RET */
static ulong page_returning(u32 v)
{
	ulong pa = pages_alloc(1);

	*(volatile u8 *)pa = 0xb8;
	put32(pa + 1, v);
	((volatile u8 *)pa)[5] = 0xc3;
	return pa;
}

/* A jump (E9), a call (E8) and RET, or JNZ (0F 85) to the next page. */
static ulong page_going_on(u8 opcode)
{
	ulong pa = pages_alloc(1), p = pa;

	if (opcode == 0x85) {
		static const u8 test_rsp[] = { 0x48, 0x85, 0xe4, 0x0f };

		memcpy((void *)p, test_rsp, sizeof(test_rsp));
		p += sizeof(test_rsp);
	}
	*(volatile u8 *)p++ = opcode;
	put32(p, (u32)(pa + PAGE - (p + 4)));
	*(volatile u8 *)(p + 4) = 0xc3;
	return pa;
}

static void other_page(u8 opcode, u64 global)
{
	ulong from = page_going_on(opcode);
	ulong to[2] = { page_returning(1), page_returning(2) };

	map(K, from, PTE_P | PTE_W | global);
	for (unsigned round = 0; round < 60; round++) {
		unsigned which = round & 1;

		context("opcode %x round %u", opcode, round);
		map(K + PAGE, to[which], PTE_P | PTE_W | global);
		switch (round % 3) {
		case 0:
			invlpg(K + PAGE);
			break;
		case 1:
			if (global) {
				write_cr4(read_cr4() & ~(ulong)CR4_PGE);
				write_cr4(read_cr4() | CR4_PGE);
			} else {
				write_cr3(read_cr3());
			}
			break;
		default:
			/* The page that is jumped from, too. */
			invlpg(K);
			invlpg(K + PAGE);
		}
		for (unsigned i = 0; i < 5; i++) {
			unsigned v;

			asm volatile("mov $0x100, %%eax\n call *%1"
				     : "=&a"(v)
				     : "r"(K)
				     : "memory", "cc");
			CHECK_EQ(v, which + 1);
		}
	}
}

static void other_pages(void)
{
	static const u8 opcode_tab[] = { 0xe9, 0xe8, 0x85 };

	write_cr4(read_cr4() | CR4_PGE);
	for (unsigned i = 0; i < ARRAY_LEN(opcode_tab); i++) {
		other_page(opcode_tab[i], PTE_G);
		other_page(opcode_tab[i], 0);
	}
}

/* The same page of code at two addresses jumps to two places. */
static void alias(void)
{
	ulong from = page_going_on(0xe9);

	write_cr4(read_cr4() | CR4_PGE);
	map(K, from, PTE_P | PTE_G);
	map(K + PAGE, page_returning(1), PTE_P | PTE_G);
	map(K + 16 * PAGE, from, PTE_P | PTE_G);
	map(K + 17 * PAGE, page_returning(2), PTE_P | PTE_G);
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(call(K), 1);
	for (unsigned i = 0; i < 20; i++) {
		CHECK_EQ(call(K + 16 * PAGE), 2);
		CHECK_EQ(call(K), 1);
	}
}

/* --- returns --- */

CODE(c_recurse, "dec %rdi\n js 1f\n call c_recurse\n 1: inc %rax\n ret\n");
/* As kernels do to keep processors from predicting. */
CODE(c_safe_ret, "call 1f\n ud2\n 1: lea 8(%rsp), %rsp\n ret\n");
CODE(c_call_safe, "xor %eax, %eax\n mov $500, %ecx\n"
		  "1: call 2f\n inc %eax\n dec %ecx\n jnz 1b\n ret\n"
		  "2: call 3f\n add $2, %eax\n jmp c_safe_ret\n"
		  "3: jmp c_safe_ret\n");
CODE(c_retpoline, "call 1f\n ud2\n 1: mov %rsi, (%rsp)\n ret\n");
CODE(c_one, "lea 1(%rax), %rax\n ret\n");
CODE(c_thousand, "lea 1000(%rax), %rax\n jmp c_safe_ret\n");
/* Returns over a frame, into the middle of its caller's caller. */
CODE(c_over, "xor %eax, %eax\n mov $300, %ecx\n"
	     "1: call 2f\n add $1, %eax\n dec %ecx\n jnz 1b\n ret\n"
	     "2: call 3f\n ud2\n"
	     "3: add $8, %rsp\n add $2, %eax\n ret\n");

static ulong call_asm(const void *code, ulong di, ulong si)
{
	ulong v;

	asm volatile("xor %%eax, %%eax\n call *%3"
		     : "=&a"(v), "+D"(di), "+S"(si)
		     : "r"(code)
		     : "rcx", "memory", "cc");
	return v;
}

static void returns(void)
{
	static u8 stack[64 * 1024] __attribute__((aligned(16)));
	struct regs r;

	/* Deeper than any shadow of the stack. */
	for (unsigned n = 1; n < 7000; n = n * 3 + 1) {
		regs_init(&r, c_recurse, 0);
		r.rsp = (ulong)stack + sizeof(stack) - 8;
		r.rdi = n;
		context("depth %u", n);
		asm volatile("mov %%rsp, %%rbx\n mov %2, %%rsp\n call *%3\n"
			     "mov %%rbx, %%rsp"
			     : "+a"(r.rax), "+D"(r.rdi)
			     : "r"(r.rsp), "r"(c_recurse)
			     : "rbx", "memory", "cc");
		CHECK_EQ(r.rax, n + 1);
	}
	for (unsigned i = 0; i < 20; i++) {
		CHECK_EQ(call_asm(c_call_safe, 0, 0), 1500);
		CHECK_EQ(call_asm(c_over, 0, 0), 900);
		CHECK_EQ(call_asm(c_retpoline, 0,
				  (ulong)(i & 1 ? c_one : c_thousand)),
			 i & 1 ? 1 : 1000);
	}
}

/* --- STAC and CLAC --- */

CODE(c_stac, "stac\n ret\n");
CODE(c_clac, "clac\n ret\n");
CODE(c_stac_deep, "call c_stac\n ret\n");
CODE(c_smap, "mov $400, %ecx\n xor %eax, %eax\n"
	     "1: call c_stac_deep\n mov (%rdi), %rdx\n add %rdx, %rax\n"
	     "call c_clac\n pushf\n pop %rdx\n and $0x40000, %edx\n"
	     "add %rdx, %rax\n"
	     "stac\n call 2f\n pushf\n pop %rdx\n and $0x40000, %edx\n"
	     "jz 3f\n clac\n"
	     "dec %ecx\n jnz 1b\n mov (%rdi), %rdx\n" STOP
	     "2: mov (%rdi), %rdx\n add %rdx, %rax\n ret\n"
	     "3: ud2\n");

static void smap(void)
{
	static ulong word = 1;
	struct regs r;

	if (!has(F_SMAP)) {
		skip("no SMAP");
		return;
	}
	for (unsigned on = 0; on < 4; on++) {
		ulong cr4 = read_cr4() & ~(ulong)CR4_SMAP;

		context("round %u", on);
		write_cr4(on & 1 ? cr4 | CR4_SMAP : cr4);
		regs_init(&r, c_smap, 0);
		r.rdi = user(&word);
		run(&r);
		CHECK_EQ(r.rax, 800);
		CHECK_EQ(r.rcx, 0);
		if (on & 1)
			CHECK_PF(r, PF_P, user(&word));
		else
			CHECK_STOP(r);
		write_cr4(cr4);
	}
}

/* --- SYSCALL --- */

CODE(c_user, "mov $1000, %edx\n 1: call 2f\n dec %edx\n jnz 1b\n" STOP
	     "2: call 3f\n ret\n 3: syscall\n ret\n");
CODE(c_kernel, "mov %rsp, %r15\n mov %rdi, %rsp\n call 1f\n call 1f\n"
	       "mov %r15, %rsp\n sysretq\n 1: inc %rbx\n ret\n");
CODE(c_kernel_flags, "pushf\n pop %r14\n or %r13, %r11\n sysretq\n");
CODE(c_user_once, "syscall\n nop\n nop\n" STOP);

static void syscall_prepare(const void *entry, u64 mask)
{
	wrmsr(MSR_STAR, (u64)(SEL_USER32 | 3) << 48 | (u64)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (ulong)entry);
	wrmsr(MSR_FMASK, mask);
}

static void syscalls(void)
{
	static u8 stack[4096] __attribute__((aligned(16)));
	u64 mask = FL_TF | FL_IF | FL_DF | FL_AC | FL_NT;
	struct regs r;

	if (has(F_SMAP))
		write_cr4(read_cr4() | CR4_SMAP);
	for (unsigned round = 0; round < 4; round++) {
		context("round %u", round);
		syscall_prepare(c_kernel, round & 1 ? mask : mask & ~FL_AC);
		regs_init(&r, c_user, 3);
		r.rdi = (ulong)stack + sizeof(stack);
		r.rflags |= round & 2 ? FL_AC | FL_DF | FL_ID : 0;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rbx, 2000);
		CHECK_EQ(r.cs, SEL_USER);
		CHECK_EQ(r.ss, SEL_USER_DATA);
		CHECK_EQ(r.rflags & (FL_AC | FL_DF | FL_ID),
			 round & 2 ? FL_AC | FL_DF | FL_ID : 0);
	}
	/* What SYSRET brings, after the short cut has been taken. */
	syscall_prepare(c_kernel_flags, mask | FL_CF);
	for (unsigned round = 0; round < 3; round++) {
		regs_init(&r, c_user_once, 3);
		r.rflags |= FL_CF | FL_ZF;
		r.rsp = (ulong)stack + sizeof(stack);
		r.r13 = FL_OF | FL_SF | FL_RF | FL_VM;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.r14 & FL_STATUS, FL_ZF);
		CHECK_EQ(r.rflags, FL_ONE | FL_CF | FL_ZF | FL_OF | FL_SF);
	}
	/* Single step: a trap as soon as SYSRET is done. */
	regs_init(&r, c_user_once, 3);
	r.rsp = (ulong)stack + sizeof(stack);
	r.r13 = FL_TF;
	run(&r);
	CHECK_EQ(r.vector, V_DB);
	CHECK_EQ(r.cs, SEL_USER);
	/* Where there is none, none is made. */
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
	r = run_code(c_user_once, 3);
	CHECK_TRAP(r, V_UD, 0);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	write_cr4(read_cr4() & ~(ulong)CR4_SMAP);
}

/* --- code in PCIDs --- */

#define SPACES 12
#define A (LAB + 0x5000)

static ulong spaces[SPACES + 1], leaf[SPACES + 1], pages[SPACES + 1][2];

static void spaces_make(void)
{
	write_cr4(read_cr4() | CR4_PGE | CR4_PCIDE);
	for (unsigned n = 1; n <= SPACES; n++) {
		ulong t = 0, e = 0;

		spaces[n] = pages_alloc(1);
		memcpy((void *)spaces[n], root, PAGE);
		for (int shift = 39; shift >= 12; shift -= 9) {
			e = (shift == 39 ? spaces[n] : t) +
			    8 * (A >> shift & 511);
			t = pages_alloc(1);
			*(volatile u64 *)e = t | PTE_P | PTE_W;
		}
		leaf[n] = e;
		for (unsigned k = 0; k < 2; k++)
			pages[n][k] = page_returning(10 * n + k);
	}
}

static void space_set(unsigned n, unsigned which)
{
	*(volatile u64 *)leaf[n] = pages[n][which] | PTE_P;
}

static void invpcid(ulong type, u64 pcid, u64 va)
{
	struct { u64 pcid, va; } d = { pcid, va };

	asm volatile("invpcid %0, %1" :: "m"(d), "r"(type) : "memory");
}

static void flush_one(unsigned how, unsigned n)
{
	switch (how) {
	case 0:
		write_cr3(spaces[n] | n);
		break;
	case 1:
		write_cr3(spaces[n] | n | NO_FLUSH);
		invlpg(A);
		break;
	case 2:
		invpcid(0, n, A);
		break;
	case 3:
		invpcid(1, n, 0);
		break;
	case 4:
		invpcid(3, 0, 0);
		break;
	default:
		write_cr4(read_cr4() & ~(ulong)CR4_PGE);
		write_cr4(read_cr4() | CR4_PGE);
	}
}

static void pcids(void)
{
	unsigned now[SPACES + 1] = { 0 };

	if (!has(F_PCID) || !has(F_INVPCID)) {
		skip("no PCID or INVPCID");
		return;
	}
	spaces_make();
	for (unsigned n = 1; n <= SPACES; n++)
		space_set(n, 0);
	for (unsigned round = 0; round < 300; round++) {
		unsigned used = round % 2 ? SPACES : 3;
		unsigned n = 1 + round * 7 % used;

		for (unsigned k = 1; k <= used; k++) {
			context("round %u space %u", round, k);
			write_cr3(spaces[k] | k | NO_FLUSH);
			CHECK_EQ(call(A), 10 * k + now[k]);
			CHECK_EQ(call(A), 10 * k + now[k]);
		}
		now[n] ^= 1;
		space_set(n, now[n]);
		flush_one(round % 6, n);
		context("round %u changed space %u", round, n);
		write_cr3(spaces[n] | n | NO_FLUSH);
		CHECK_EQ(call(A), 10 * n + now[n]);
	}
	write_cr3((ulong)root);
	write_cr4(read_cr4() & ~(ulong)CR4_PCIDE);
}

/* --- bit strings --- */

#define BIT_OP(name, width, cast)                                          \
	static bool name##width(void *p, u64 off)                          \
	{                                                                  \
		bool cf;                                                   \
									   \
		asm volatile(#name " %2, %1"                               \
			     : "=@ccc"(cf), "+m"(*(cast *)p)               \
			     : "r"((cast)off)                              \
			     : "memory");                                  \
		return cf;                                                 \
	}

BIT_OP(bt, 64, u64)
BIT_OP(bts, 64, u64)
BIT_OP(btr, 64, u64)
BIT_OP(btc, 64, u64)
BIT_OP(bt, 32, u32)
BIT_OP(bts, 32, u32)
BIT_OP(btr, 32, u32)
BIT_OP(btc, 32, u32)

static bool lock_bts(void *p, u64 off)
{
	bool cf;

	asm volatile("lock btsq %2, %1"
		     : "=@ccc"(cf), "+m"(*(u64 *)p)
		     : "r"(off)
		     : "memory");
	return cf;
}

static void bit_strings(void)
{
	static const struct {
		bool (*fn)(void *, u64);
		char what;
		bool wide;
	} op_tab[] = {
		{ bt64, 't', true },  { bts64, 's', true },
		{ btr64, 'r', true }, { btc64, 'c', true },
		{ bt32, 't', false }, { bts32, 's', false },
		{ btr32, 'r', false }, { btc32, 'c', false },
		{ lock_bts, 's', true },
	};
	u8 *at, mine[64];
	u32 x = 1;

	map_new(LAB);
	map_new(LAB + PAGE);
	/* Across a page's end, in part. */
	at = (u8 *)(LAB + PAGE - 32);
	for (unsigned i = 0; i < sizeof(mine); i++)
		at[i] = mine[i] = (u8)(i * 37);
	for (unsigned i = 0; i < 4000; i++) {
		unsigned op, bit;
		u8 *m;
		bool old;

		x = x * 1664525u + 1013904223u;
		op = (x >> 8) % ARRAY_LEN(op_tab);
		bit = (x >> 16) % 448;
		m = &mine[bit / 8];
		old = *m >> bit % 8 & 1;
		context("op %u bit %u", op, bit);
		/* From the middle: offsets are negative and positive. */
		CHECK_EQ(op_tab[op].fn(at + 28, (u64)bit - 224), old);
		if (op_tab[op].what == 's' || (op_tab[op].what == 'c' && !old))
			*m |= 1u << bit % 8;
		else if (op_tab[op].what != 't')
			*m &= ~(1u << bit % 8);
		CHECK(!memcmp(at, mine, sizeof(mine)));
	}
}

const struct test tests[] = {
	{ "jumps to other pages", other_pages },
	{ "a page of jumps at two addresses", alias },
	{ "returns that match no call", returns },
	{ "STAC and CLAC around calls", smap },
	{ "system calls", syscalls, "SYSRET sets VM (APM 3, SYSRET)" },
	{ "code in PCIDs", pcids },
	{ "bit strings", bit_strings },
	{ 0 },
};
