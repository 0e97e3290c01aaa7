/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.c - see native.h. IRETQ enters with all registers and the trap flag
 * set; the signal that follows, on a stack of its own, brings the outcome. RSP
 * is thus as free as the others. x87 and vector state is the same each time.
 */
#include "native.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

static struct {
	/* FXSAVE's image: FCW and MXCSR as after reset, XMM of all sorts. */
	u8 fx[512] __attribute__((aligned(16)));
	u8 *code;
	sigjmp_buf back;
	struct native_result *out;
	struct native_regs in;
	u8 stack[65536];
} native;

/* Fields of struct native_regs at %rdi; %rsi: where to. Does not return. */
NORETURN void native_enter(const struct native_regs *in, const u8 *code);
__asm__(".text\n"
	"native_enter:\n"
	"	mov %ss, %eax\n"
	"	push %rax\n"
	"	pushq 32(%rdi)\n"
	"	pushq 128(%rdi)\n"
	"	mov %cs, %eax\n"
	"	push %rax\n"
	"	push %rsi\n"
	"	mov 0(%rdi), %rax\n"
	"	mov 8(%rdi), %rcx\n"
	"	mov 16(%rdi), %rdx\n"
	"	mov 24(%rdi), %rbx\n"
	"	mov 40(%rdi), %rbp\n"
	"	mov 48(%rdi), %rsi\n"
	"	mov 64(%rdi), %r8\n"
	"	mov 72(%rdi), %r9\n"
	"	mov 80(%rdi), %r10\n"
	"	mov 88(%rdi), %r11\n"
	"	mov 96(%rdi), %r12\n"
	"	mov 104(%rdi), %r13\n"
	"	mov 112(%rdi), %r14\n"
	"	mov 120(%rdi), %r15\n"
	"	mov 56(%rdi), %rdi\n"
	"	iretq\n");

static void on_signal(int sig, siginfo_t *si, void *context)
{
	static const u8 greg_tab[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
		REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
		REG_R12, REG_R13, REG_R14, REG_R15,
	};
	const greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct native_result *out = native.out;

	out->fault_addr = (u64)si->si_addr;
	out->len = (unsigned)((u64)g[REG_RIP] - (u64)native.code);
	for (unsigned i = 0; i < 16; i++)
		out->regs.gpr[i] = (u64)g[greg_tab[i]];
	out->regs.flags = (u64)g[REG_EFL];
	switch (g[REG_TRAPNO]) {
	case X86_DB:
		out->end = NATIVE_DONE;
		break;
	case X86_UD:
		out->end = NATIVE_UD;
		break;
	case X86_GP:
	case X86_SSEG: /* non-canonical through rSP or rBP */
		out->end = NATIVE_GP;
		break;
	case X86_PF:
		out->end = NATIVE_PF;
		break;
	default:
		out->end = NATIVE_OTHER;
	}
	siglongjmp(native.back, 1);
}

bool native_init(void)
{
	static const int sig_tab[] = { SIGILL, SIGTRAP, SIGSEGV, SIGBUS,
				       SIGFPE };
	stack_t stack = { .ss_sp = native.stack,
			  .ss_size = sizeof(native.stack) };
	struct sigaction sa;

	native.fx[0] = 0x7f; /* FCW = 037FH, MXCSR = 1F80H */
	native.fx[1] = 0x03;
	native.fx[24] = 0x80;
	native.fx[25] = 0x1f;
	for (unsigned i = 0; i < 256; i++)
		native.fx[160 + i] = (u8)(i * 37 + (i >> 4));
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_signal;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	native.code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (native.code == MAP_FAILED || sigaltstack(&stack, NULL))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(sig_tab); i++)
		if (sigaction(sig_tab[i], &sa, NULL))
			return false;
	return true;
}

void native_run(const u8 *code, unsigned len, const struct native_regs *in,
		struct native_result *out)
{
	memcpy(native.code, code, len);
	memset(native.code + len, 0x90, 16);
	native.in = *in;
	native.in.flags =
		(in->flags & FLAG_ARITH) | FLAG_FIXED | FLAG_TF | FLAG_IF;
	native.out = out;
	if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vzeroupper");
	__asm__ volatile("fxrstor64 %0" : : "m"(native.fx));
	if (!sigsetjmp(native.back, 0))
		native_enter(&native.in, native.code);
}
