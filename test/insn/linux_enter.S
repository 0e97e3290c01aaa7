/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux_enter.S - into a case by RT_SIGRETURN, and out of it by a signal.
 *
 * Both load or save everything at once: general registers, RIP, RSP, flags,
 * CS, vector state. The frame that the handler gets is never returned from;
 * handler_entry goes back to whoever called enter() or capture().
 */
	.text

	.globl _start
_start:
	mov (%rsp), %rdi
	lea 8(%rsp), %rsi
	and $-16, %rsp
	call linux_main
	ud2

.macro save
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, back(%rip)
.endm

	/* struct ucontext *enter(const struct ucontext *from) */
	.globl enter
enter:
	save
	mov %rdi, %rsp
	mov $15, %eax			/* rt_sigreturn */
	syscall
	ud2

	/* struct ucontext *capture(void): of a trap right here */
	.globl capture
capture:
	save
	int3

	.globl handler_entry
handler_entry:
	/* A case may have set AC, NT or ID. */
	push $2
	popf
	mov %rdx, %rax
	mov back(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	/* The case goes on, or ends like by an exception. NT stays: what
	 * RT_SIGRETURN does not load must be what it was. */
	.globl tick_entry
tick_entry:
	pushf
	andl $~0x40000, (%rsp)		/* AC */
	popf
	push %rdx
	call tick
	pop %rdx
	test %al, %al
	jnz handler_entry
	ret

	.globl handler_restorer
handler_restorer:
	mov $15, %eax			/* rt_sigreturn */
	syscall
	ud2

	.bss
	.balign 8
back:	.skip 8

	.section .note.GNU-stack, "", @progbits
