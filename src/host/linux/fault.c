/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault.c - processor faults as Linux tells them: a signal with the
 * interrupted state in its frame, which sigreturn loads again.
 *
 * The handler runs on the interrupted stack: generated code keeps RSP on our
 * C stack, and the kernel leaves the red zone alone. The kernel hands us fresh
 * x87 and MXCSR control words and clears DF and TF, but keeps AC, and with AC
 * set any unaligned access of ours would be a fault in the fault handler.
 *
 * Every signal that can be blocked is, until we return: an alarm in between
 * would see half-changed state.
 */
#include <signal.h>
#include <ucontext.h>

#include "host/host.h"
#include "host/linux/signals.h"

#define PAGE_FAULT 14

static host_fault_fn fault_fn;

/* x86 encoding order to the order of Linux's mcontext. */
static const u8 greg_tab[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static inline void clear_ac(void)
{
	/* Below the red zone, though this function has none of its own. */
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
			 "pushf\n\t"
			 "andl $~0x40000, (%%rsp)\n\t"
			 "popf\n\t"
			 "lea 128(%%rsp), %%rsp"
			 :
			 :
			 : "memory", "cc");
}

static void fault_from_context(struct host_fault *f, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	for (unsigned i = 0; i < 16; i++)
		f->gpr[i] = (u64)g[greg_tab[i]];
	f->vector = (u8)g[REG_TRAPNO];
	f->error = (u32)g[REG_ERR];
	f->addr = (u64)g[REG_CR2];
	f->pc = (u64)g[REG_RIP];
	f->sp = (u64)g[REG_RSP];
	f->rflags = (u64)g[REG_EFL];
	f->xsave = uc->uc_mcontext.fpregs;
}

static void fault_to_context(const struct host_fault *f, ucontext_t *uc)
{
	greg_t *g = uc->uc_mcontext.gregs;

	for (unsigned i = 0; i < 16; i++)
		g[greg_tab[i]] = (greg_t)f->gpr[i];
	g[REG_RIP] = (greg_t)f->pc;
	g[REG_RSP] = (greg_t)f->sp;
	g[REG_EFL] = (greg_t)f->rflags;
}

static void fault_handler(int sig, siginfo_t *info, void *context)
{
	int saved_errno;
	ucontext_t *uc = context;
	struct host_fault f;

	clear_ac();
	saved_errno = errno;
	/* Sent by kill() and the like: no fault of anybody. */
	if (info->si_code > 0) {
		fault_from_context(&f, uc);
		f.no_memory = sig == SIGBUS && f.vector == PAGE_FAULT;
		if (fault_fn(&f)) {
			fault_to_context(&f, uc);
			errno = saved_errno;
			return;
		}
	}
	/* Not ours: the instruction runs again into the default action, and
	 * a core dump shows the very place. What was sent is sent again. */
	crash_begins();
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
	errno = saved_errno;
}

int host_fault_install(host_fault_fn fn)
{
	static const int sig_tab[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL,
				       SIGTRAP };
	struct sigaction sa = { .sa_sigaction = fault_handler,
				.sa_flags = SA_SIGINFO };

	fault_fn = fn;
	sigfillset(&sa.sa_mask);
	for (unsigned i = 0; i < ARRAY_SIZE(sig_tab); i++)
		if (sigaction(sig_tab[i], &sa, NULL) < 0)
			return -errno;
	return 0;
}
