/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering code under test and coming back, in long mode.
 *
 * recovery_sp of each processor heads a chain of recovery frames on the
 * library's stack: the callee-saved registers and the previous head. Whatever
 * happens, a return to it needs nothing of the interrupted code's state but a
 * working IST stack.
 *
 * MIRRORS: struct regs in trap.h; struct cpu in percpu.h begins with
 * recovery_sp.
 */
	.text
	.code64

.macro this_cpu			/* in RAX */
	mov %rsp, %rax
	and $-0x20000, %rax
.endm

.macro recovery_push
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	pushf
	this_cpu
	push (%rax)
	mov %rsp, (%rax)
.endm

	/* void trap_enter(const struct regs *r): IRET to *r */
	.globl trap_enter
trap_enter:
	recovery_push
trap_resume:
	push 21*8(%rdi)
	push 20*8(%rdi)
	push 19*8(%rdi)
	push 18*8(%rdi)
	push 17*8(%rdi)
	mov 0*8(%rdi), %r15
	mov 1*8(%rdi), %r14
	mov 2*8(%rdi), %r13
	mov 3*8(%rdi), %r12
	mov 4*8(%rdi), %r11
	mov 5*8(%rdi), %r10
	mov 6*8(%rdi), %r9
	mov 7*8(%rdi), %r8
	mov 9*8(%rdi), %rsi
	mov 10*8(%rdi), %rbp
	mov 11*8(%rdi), %rbx
	mov 12*8(%rdi), %rdx
	mov 13*8(%rdi), %rcx
	mov 14*8(%rdi), %rax
	mov 8*8(%rdi), %rdi
	.globl trap_iret
trap_iret:
	iretq

	/* bool trap_call(void (*fn)(ulong), ulong arg): did it trap? */
	.globl trap_call
trap_call:
	recovery_push
	sub $8, %rsp
	mov %rdi, %rax
	mov %rsi, %rdi
	call *%rax
	add $8, %rsp
	xor %eax, %eax
	jmp trap_unwind

	/* NORETURN void trap_recover(struct cpu *c): to its last frame */
	.globl trap_recover
trap_recover:
	mov (%rdi), %rsp
	mov $0x18, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	mov $1, %eax
trap_unwind:
	mov %rsp, %rdx
	and $-0x20000, %rdx
	pop (%rdx)
	popf
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	/*
	 * One stub of 16 bytes for each vector. Those with an error code:
	 * SDM 3A 6.15 "Exception and Interrupt Reference".
	 */
	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vec, 0
	.rept 256
	.balign 16
	.if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21 \
		|| vec == 29 || vec == 30)
	push $0
	.endif
	push $vec
	jmp trap_common
	.set vec, vec + 1
	.endr

trap_common:
	/* ORDER: struct regs has the vector below the error code. */
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	cld
	mov %rsp, %rdi
	mov %rsp, %rbx
	and $-16, %rsp
	call trap_arrived		/* returns only to resume */
	mov %rbx, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
