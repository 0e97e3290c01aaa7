/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running code under a glass: any code, in any ring, from a given register
 * state until it traps, and the register state then.
 *
 * run() loads a struct regs completely, by IRET, and returns when the code
 * traps: by an exception, or by STOP, the way to say that all went well. The
 * same struct then holds the registers as the trap found them, with vector,
 * error code and CR2. Nothing is resumed, so the code may leave whatever
 * registers and stack it likes: in long mode every exception has a stack of
 * its own (IST 1), in 32-bit mode only ring 0 with a broken stack is fatal.
 *
 * An interrupt or exception may have a handler, which is called first and says
 * whether the interrupted code goes on. Handlers run with interrupts off.
 */
#ifndef TRAP_H
#define TRAP_H

#include "cpu.h"

/* MIRRORS: the stores and loads of trap64.S and trap32.S, word by word. */
#ifdef __x86_64__
struct regs {
	ulong r15, r14, r13, r12, r11, r10, r9, r8;
	ulong rdi, rsi, rbp, rbx, rdx, rcx, rax;
	ulong vector, error;
	ulong rip, cs, rflags, rsp, ss;
	ulong cr2; /* after a page fault */
};
_Static_assert(offsetof(struct regs, cr2) == 22 * 8, "trap64.S");
#else
struct regs {
	ulong rdi, rsi, rbp, rbx, rdx, rcx, rax;
	ulong ds, es, fs, gs;
	ulong vector, error;
	ulong rip, cs, rflags, rsp, ss;
	ulong cr2;
};
_Static_assert(offsetof(struct regs, cr2) == 18 * 4, "trap32.S");
#endif

/* The vector of STOP, and what "no trap" looks like. */
#define V_STOP 0x81
#define V_NONE 0x100
#define STOP "int $0x81\n"

/*
 * Prepares registers to run code in ring 0 or 3: flat segments, a stack of
 * 4 KiB, interrupts off, everything else 0. In long mode, ring 3 runs at the
 * user alias of the code; see user() in pages.h.
 */
void regs_init(struct regs *r, const void *code, int ring);

/* Runs from *r until the trap, which it leaves in *r. */
void run(struct regs *r);

/* regs_init() and run(). */
struct regs run_code(const void *code, int ring);

/* Calls fn here, in ring 0, until it traps or returns (V_NONE). */
struct regs trap_of(void (*fn)(void));
struct regs trap_of_arg(void (*fn)(ulong), ulong arg);

/*
 * True: the interrupted code goes on, with *r as the handler leaves it.
 * False: run() or trap_of() returns.
 */
typedef bool handler_fn(struct regs *r);
void trap_handle(unsigned vector, handler_fn *fn);

#define CHECK_TRAP(r, vec, err)                                                \
	do {                                                                   \
		CHECK_EQ((r).vector, vec);                                     \
		CHECK_EQ((r).error, err);                                      \
	} while (0)

#define CHECK_STOP(r) CHECK_EQ((r).vector, V_STOP)

/* A page fault with its address. */
#define CHECK_PF(r, err, va)                                                   \
	do {                                                                   \
		CHECK_TRAP(r, V_PF, err);                                      \
		CHECK_EQ((r).cr2, va);                                         \
	} while (0)

/*
 * Code to run, as assembly text, in an executable section of the guest. It
 * must be position-independent: ring 3 of long mode runs it at the alias.
 */
#define CODE(name, text)                                                       \
	extern const u8 name[], name##_end[];                                  \
	asm(".pushsection .text.code, \"ax\"\n.balign 16\n" #name ":\n" text   \
	    "\n" #name "_end:\n.popsection\n")

/* A register of the mode's width in that text: R("di"). */
#ifdef __x86_64__
#define R(name) "%r" name
#else
#define R(name) "%e" name
#endif

/* Prints a trap as a diagnostic line. */
void trap_print(const struct regs *r);

#endif
