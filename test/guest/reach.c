/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that look near and are far. A monitor that lets its host's
 * processor translate (windows.c) may reckon that an index is small, or a register still
 * near to where it was, by the instructions that wrote it. Here instructions
 * that write less than it seems, or more, make each operand lead just as far
 * as the same place in another entry of the top table could be on the host: to
 * where the guest has nothing, so that nothing but a page fault will do.
 *
 * Each is run from a fresh copy, for a monitor may be more careful with code
 * that has failed before.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

#define SLOT BIT(39) /* of an entry of the top table */
#define GIB BIT(30)
#define SLOTS 12u
#define AT(n) (LAB + (n) * SLOT + 0x12345000)
#define SECRET 0x5ec2e7
#define MINE 0x111e

/*
 * RDX is how far, in eighths; its lower half is 0. RDI is a good address, RCX
 * that distance in GiB, RBP the same as RDI plus it.
 */
#define INDEXED "mov (%rdi,%rsi,8), %rax\n" STOP
#define BASED "mov (%rdi), %rax\n" STOP

#define INDEX_TAB(X) \
	X(copied, "mov %edx, %esi\n mov %rdx, %rsi\n") \
	X(low_16, "mov %rdx, %rsi\n movw $5, %si\n movw $0, %si\n") \
	X(low_8, "mov %rdx, %rsi\n movb $0, %sil\n") \
	X(set, "mov %rdx, %rsi\n test %esi, %esi\n seto %sil\n") \
	X(zx_16, "mov %rdx, %rsi\n movzbw %sil, %si\n") \
	X(high_byte, "xchg %rdx, %rcx\n xor %edx, %edx\n xchg %rcx, %rdx\n" \
		     "movb $0, %dh\n mov %rdx, %rsi\n") \
	X(alu_16, "mov %rdx, %rsi\n andw $0xff, %si\n") \
	X(and_minus, "mov %rdx, %rsi\n and $-1, %rsi\n") \
	X(and_rax, "mov %rdx, %rax\n and $-4, %rax\n mov %rax, %rsi\n") \
	X(cwde, "mov %rdx, %rax\n cbtw\n mov %rax, %rsi\n") \
	X(or64, "xor %esi, %esi\n or %rdx, %rsi\n") \
	X(xor64, "xor %esi, %esi\n xor %rdx, %rsi\n") \
	X(sum, "xor %esi, %esi\n add %rdx, %rsi\n") \
	X(difference, "xor %esi, %esi\n sub %rdx, %rsi\n neg %rsi\n") \
	X(carried, "xor %esi, %esi\n clc\n adc %rdx, %rsi\n") \
	X(xchg, "xor %esi, %esi\n xchg %rdx, %rsi\n") \
	X(xadd, "xor %esi, %esi\n xadd %rsi, %rdx\n") \
	X(cmpxchg, "xor %eax, %eax\n xor %esi, %esi\n cmpxchg %rdx, %rsi\n") \
	X(cmpxchg_rax, "mov %rdx, %rsi\n xor %eax, %eax\n" \
		       "cmpxchg %rbx, %rsi\n mov %rax, %rsi\n") \
	X(cmov, "xor %esi, %esi\n cmovz %rdx, %rsi\n") \
	X(cmov_not, "xor %esi, %esi\n mov %rdx, %rsi\n cmovnz %rbx, %rsi\n") \
	X(product, "mov $1, %esi\n imul %rdx, %rsi\n") \
	X(product_3, "xor %esi, %esi\n imul $1, %rdx, %rsi\n") \
	X(mul, "mov $1, %eax\n mul %rdx\n mov %rax, %rsi\n") \
	X(div, "mov %rdx, %rax\n cqto\n mov $1, %esi\n idiv %rsi\n" \
	       "mov %rax, %rsi\n") \
	X(shifted, "movslq %ecx, %rsi\n shl $13, %rsi\n shl $14, %rsi\n") \
	X(shifted_at_once, "movslq %ecx, %rsi\n shl $27, %rsi\n") \
	X(shifted_by_cl, "movslq %ecx, %rsi\n mov $27, %cl\n" \
			 "shl %cl, %rsi\n") \
	X(shlx, "movslq %ecx, %rsi\n mov $27, %ebx\n" \
		"shlx %rbx, %rsi, %rsi\n") \
	X(rorx, "mov %ecx, %esi\n rorx $0, %rdx, %rsi\n") \
	X(shifted_by_0, "mov %rdx, %rsi\n xor %ecx, %ecx\n" \
			"shl %cl, %rsi\n") \
	X(doubled, "movslq %ecx, %rsi\n" \
		   ".rept 9\n lea (%rsi,%rsi), %rsi\n .endr\n" \
		   ".rept 9\n add %rsi, %rsi\n .endr\n" \
		   ".rept 3\n lea (,%rsi,8), %rsi\n .endr\n") \
	X(pdep, "xor %esi, %esi\n mov $-1, %rbx\n pdep %rbx, %rdx, %rsi\n") \
	X(pext, "xor %esi, %esi\n mov $-1, %rbx\n pext %rbx, %rdx, %rsi\n") \
	X(andn, "xor %ebx, %ebx\n xor %esi, %esi\n andn %rdx, %rbx, %rsi\n") \
	X(bzhi, "xor %esi, %esi\n mov $64, %ebx\n bzhi %rbx, %rdx, %rsi\n") \
	X(mulx, "mov $1, %ebx\n xor %esi, %esi\n mulx %rbx, %rsi, %rax\n") \
	X(bsf, "mov %rdx, %rsi\n xor %ebx, %ebx\n bsf %rbx, %rsi\n") \
	X(bswap, "mov %rdx, %rsi\n bswap %rsi\n bswap %rsi\n") \
	X(popped, "xor %esi, %esi\n push %rdx\n pop %rsi\n") \
	X(left, "xor %ebx, %ebx\n mov %rbp, %rbx\n push %rdx\n" \
		"mov %rsp, %rbp\n leave\n mov %rbp, %rsi\n") \
	X(loaded, "push %rdx\n xor %esi, %esi\n mov (%rsp), %rsi\n") \
	X(loaded_string, "push %rdx\n mov %rsp, %rsi\n xor %eax, %eax\n" \
			 "lodsq\n mov %rax, %rsi\n") \
	X(called, "xor %esi, %esi\n call 1f\n jmp 2f\n" \
		  "1: mov %rdx, %rsi\n ret\n 2:\n") \
	X(joined, "xor %esi, %esi\n test %esi, %esi\n jnz 1f\n" \
		  "mov %rdx, %rsi\n jmp 1f\n nop\n 1:\n") \
	X(swapped_9, "mov %rdx, %r9\n add $1, %r9\n sub $1, %r9\n" \
		     "mov %r9d, %r10d\n mov %r9, %rsi\n")

/* The register moves, after a delta for where it was has been got. */
#define BASE_TAB(X) \
	X(b_added, "mov (%rdi), %rbx\n lea (,%rdx,8), %rdx\n" \
		   "add %rdx, %rdi\n") \
	X(b_subtracted, "mov (%rdi), %rbx\n lea (,%rdx,8), %rdx\n" \
			"neg %rdx\n sub %rdx, %rdi\n") \
	X(b_lea, "mov (%rdi), %rbx\n lea (%rdi,%rdx,8), %rdi\n") \
	X(b_lea_copy, "mov (%rdi), %rbx\n lea (%rdi,%rdx,8), %r8\n" \
		      "mov %r8, %rdi\n") \
	X(b_moved, "mov (%rdi), %rbx\n mov %rbp, %rdi\n") \
	X(b_xchg, "mov (%rdi), %rbx\n xchg %rbp, %rdi\n") \
	X(b_xchg_memory, "mov (%rdi), %rbx\n push %rbp\n" \
			 "xchg %rdi, (%rsp)\n pop %rbx\n") \
	X(b_popped, "mov (%rdi), %rbx\n push %rbp\n pop %rdi\n") \
	X(b_popped_16, "mov (%rdi), %rbx\n mov %di, %bx\n push %bp\n" \
		       "pop %di\n mov %rbp, %rdi\n") \
	X(b_cmov, "mov (%rdi), %rbx\n test %esp, %esp\n cmovnz %rbp, %rdi\n") \
	X(b_xadd, "mov (%rdi), %rbx\n lea (,%rdx,8), %rdx\n" \
		  "xadd %rdx, %rdi\n") \
	X(b_neg, "mov (%rdi), %rbx\n neg %rdi\n neg %rbp\n mov %rbp, %rdi\n" \
		 "neg %rdi\n") \
	X(b_difference, "mov (%rdi), %rbx\n mov %r13d, %r8d\n" \
			"sub %rbp, %r8\n neg %r8\n mov %r8, %rdi\n") \
	X(b_stack, "mov (%rdi), %rbx\n xchg %rsp, %rdi\n pop %rbx\n" \
		   "mov %rbp, %rsp\n pop %rax\n int $0x81\n nop\n") \
	X(b_stack_lea, "mov %rdi, %rsp\n pop %rbx\n" \
		       "lea -8(%rsp,%rdx,8), %rsp\n pop %rax\n int $0x81\n") \
	X(b_leave, "push %rbx\n pop %rbx\n leave\n mov %rsp, %rdi\n" \
		   "int $0x81\n") \
	X(b_place, "xor %esi, %esi\n mov (%rdi,%rsi), %rbx\n" \
		   "mov %rbp, %rdi\n mov (%rdi,%rsi), %rax\n" STOP) \
	X(b_sum, "mov (%rdi,%r12), %rbx\n lea (,%rdx,8), %r12\n" \
		 "mov (%rdi,%r12), %rax\n" STOP) \
	X(b_swapped, "mov %rdi, %r10\n mov (%r10), %rbx\n add $8, %r10\n" \
		     "mov -8(%r10), %rbx\n mov %rbp, %r10\n" \
		     "mov (%r10), %rax\n" STOP) \
	X(b_fs, "mov %fs:(%rdi), %rbx\n mov %fs:(%rbp), %rax\n" STOP)

/* The same in loops of two rounds, of which the second is to fault. They have
 * run before, and stayed where they were. R8 is how many rounds. */
#define LOOP_TAB(X) \
	X(l_added, "lea (,%rdx,8), %rdx\n" \
		   "jmp 1f\n 1: mov (%rdi), %rax\n add %rdx, %rdi\n") \
	X(l_lea, "jmp 1f\n 1: mov (%rdi), %rax\n lea (%rdi,%rdx,8), %rdi\n") \
	X(l_moved, "jmp 1f\n 1: mov (%rdi), %rax\n mov %rbp, %rdi\n") \
	X(l_xchg, "jmp 1f\n 1: mov (%rdi), %rax\n xchg %rbp, %rdi\n") \
	X(l_popped, "jmp 1f\n 1: mov (%rdi), %rax\n push %rbp\n pop %rdi\n") \
	X(l_cmov, "jmp 1f\n 1: mov (%rdi), %rax\n test %esp, %esp\n" \
		  "cmovnz %rbp, %rdi\n") \
	X(l_loaded, "push %rbp\n jmp 1f\n 1: mov (%rdi), %rax\n mov (%rsp), %rdi\n") \
	X(l_low_16, "jmp 1f\n 1: mov (%rdi), %rax\n mov %rbp, %rdi\n" \
		    "add $0, %di\n") \
	X(l_index, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n mov %rdx, %rsi\n") \
	X(l_index_added, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n add %rdx, %rsi\n") \
	X(l_index_lea, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n" \
		       "lea (%rsi,%rdx), %rsi\n") \
	X(l_index_cmov, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n test %esp, %esp\n" \
			"cmovnz %rdx, %rsi\n") \
	X(l_index_small, "jmp 1f\n 1: mov %r13d, %esi\n mov (%rdi,%rsi,8), %rax\n" \
			 "mov %rdx, %rsi\n mov (%rdi,%rsi,8), %rax\n") \
	X(l_roles, "mov %rdi, %rsi\n xor %edi, %edi\n" \
		   "lea (,%rdx,8), %rdx\n" \
		   "jmp 1f\n 1: mov (%rdi,%rsi), %rax\n mov %rdx, %rdi\n") \
	X(l_base, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n mov %rbp, %rdi\n") \
	X(l_r10, "mov %rdi, %r10\n jmp 1f\n 1: mov (%r10), %rax\n mov %rbp, %r10\n") \
	X(l_r10_swapped, "mov %rdi, %r10\n jmp 1f\n 1: mov (%r10), %rax\n" \
			 "add $8, %r10\n sub $8, %r10\n mov (%r10), %rax\n" \
			 "mov %rbp, %r10\n") \
	X(l_stack, "mov %rdi, %rsp\n jmp 1f\n 1: mov (%rsp), %rax\n" \
		   "mov %rbp, %rsp\n")

/* By steps that might be near each, but not together. R9 is one, in eighths;
 * it has no sign. */
#define FAR_TAB(X) \
	X(l_far_base, "jmp 1f\n 1: mov (%rdi), %rax\n mov %r9d, %esi\n" \
		      ".rept 32\n lea (%rdi,%rsi,8), %rdi\n .endr\n") \
	X(l_far_index, "jmp 1f\n 1: mov (%rdi,%rsi,8), %rax\n mov %r9d, %ebx\n" \
		       ".rept 32\n add %rbx, %rsi\n .endr\n")

#define ROUND "dec %ecx\n jnz 1b\n" STOP

#define DECLARE_LOOP(name, text) \
	CODE(c_##name, "mov %r8d, %ecx\n" text ROUND);
#define DECLARE_INDEXED(name, text) CODE(c_##name, text INDEXED);
#define DECLARE_BASED(name, text) CODE(c_##name, text BASED);
INDEX_TAB(DECLARE_INDEXED)
BASE_TAB(DECLARE_BASED)
LOOP_TAB(DECLARE_LOOP)
FAR_TAB(DECLARE_LOOP)

struct trick {
	const char *name;
	const u8 *code, *end;
	bool loop;
};
#define TRICK(name, text) { #name, c_##name, c_##name##_end, false },
#define LOOP(name, text) { #name, c_##name, c_##name##_end, true },
static const struct trick index_tab[] = { INDEX_TAB(TRICK) };
static const struct trick base_tab[] = { BASE_TAB(TRICK) };
static const struct trick loop_tab[] = { LOOP_TAB(LOOP) };
static const struct trick far_tab[] = { FAR_TAB(LOOP) };

#define COPY_BYTES 192u
static u8 copies[512][COPY_BYTES];
static unsigned copies_made;

#define STEPS 32

static u64 step_of(long gib)
{
	return (u32)(gib * (long)(GIB / 8 / STEPS));
}

static struct regs go_at(const u8 *code, int ring, ulong from, long gib,
			 unsigned rounds)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rdi = from;
	r.rdx = (u64)gib * GIB / 8;
	r.rcx = (u64)gib;
	r.rbp = from + (u64)gib * GIB;
	r.r8 = rounds;
	r.r9 = step_of(gib);
	run(&r);
	return r;
}

static struct regs go(const struct trick *t, int ring, ulong from, long gib)
{
	u8 *copy = copies[copies_made++ % ARRAY_LEN(copies)];

	memcpy(copy, t->code, t->end - t->code);
	if (t->loop)
		for (unsigned k = 0; k < 3; k++)
			(void)go_at(copy, ring, from, 0, 5);
	return go_at(copy, ring, from, gib, 2);
}

static u64 rights(int ring)
{
	return PTE_P | PTE_W | (ring ? PTE_U : 0);
}

/*
 * How far two entries' places may be from each other on the host: 512 GiB, and
 * what there is between them.
 */
static const u16 apart_tab[] = { 512, 520, 528, 544, 576, 608, 640 };

static void tricks(const struct trick *tab, unsigned count, int ring)
{
	u32 user = ring ? PF_U : 0;
	bool steps = tab == far_tab;

	for (unsigned n = 0; n < SLOTS; n++) {
		ulong pa = pages_alloc(1);

		*(volatile u64 *)pa = n == SLOTS / 2 ? MINE : SECRET;
		map(AT(n), pa, rights(ring));
		invlpg(AT(n));
	}
	/* All of them are there before it begins. */
	for (unsigned k = 0; k < count; k++)
		for (unsigned n = 0; n < SLOTS; n++)
			(void)go(&tab[k], ring, AT(n), 0);
	for (unsigned k = 0; k < count; k++)
		for (unsigned a = 0; a < ARRAY_LEN(apart_tab); a++)
			for (long far = -3; far <= 3; far++) {
				long gib = far * apart_tab[a];
				ulong from = AT(SLOTS / 2);
				ulong to = from + (u64)gib * GIB;
				bool there;
				struct regs r;

				context("ring %u, %s, %lx", (unsigned)ring,
					tab[k].name, to);
				if (steps)
					to = from + step_of(gib) * 8 * STEPS;
				there = !((to - from) % SLOT);
				r = go(&tab[k], ring, from, gib);
				if (there)
					CHECK_STOP(r);
				else
					CHECK_PF(r, user, to);
			}
}

/* All of the unit, as systems have it: nothing is to be checked then before
 * instructions that might be its. */
static void vectors_on(void)
{
	if (!has(F_XSAVE) || !has(F_AVX))
		return;
	write_cr4(read_cr4() | CR4_OSXSAVE);
	xsetbv(0, 7);
}

static bool smap_on(void)
{
	if (!has(F_SMAP)) {
		skip("no SMAP");
		return false;
	}
	write_cr4(read_cr4() | CR4_SMAP);
	vectors_on();
	return true;
}

static void indexes(void)
{
	if (!smap_on())
		return;
	tricks(index_tab, ARRAY_LEN(index_tab), 0);
	tricks(index_tab, ARRAY_LEN(index_tab), 3);
}

static void bases(void)
{
	if (!smap_on())
		return;
	tricks(base_tab, ARRAY_LEN(base_tab), 0);
	tricks(base_tab, ARRAY_LEN(base_tab), 3);
}

static void loops(void)
{
	if (!smap_on())
		return;
	for (int ring = 0; ring <= 3; ring += 3) {
		tricks(loop_tab, ARRAY_LEN(loop_tab), ring);
		tricks(far_tab, ARRAY_LEN(far_tab), ring);
	}
}

const struct test tests[] = {
	{ "an index that looks small", indexes },
	{ "a base that looks as if it had stayed", bases },
	{ "loops", loops },
	{ NULL },
};
