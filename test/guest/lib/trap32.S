/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entering code under test and coming back, in 32-bit protected mode.
 *
 * The code under test may have a stack segment with a base, a limit or 16-bit
 * addressing. So a trap moves its frame, by pops from that stack into flat
 * data, to trap_frame before any C code runs; resuming does the reverse.
 *
 * MIRRORS: struct regs in trap.h; only_cpu begins with recovery_sp.
 */
	.set REG_EDI, 0*4
	.set REG_ESI, 1*4
	.set REG_EBP, 2*4
	.set REG_EBX, 3*4
	.set REG_EDX, 4*4
	.set REG_ECX, 5*4
	.set REG_EAX, 6*4
	.set REG_DS, 7*4
	.set REG_ES, 8*4
	.set REG_FS, 9*4
	.set REG_GS, 10*4
	.set REG_VECTOR, 11*4
	.set REG_ERROR, 12*4
	.set REG_EIP, 13*4
	.set REG_CS, 14*4
	.set REG_EFLAGS, 15*4
	.set REG_ESP, 16*4
	.set REG_SS, 17*4

	.text

.macro recovery_push
	push %ebx
	push %ebp
	push %esi
	push %edi
	pushf
	pushl only_cpu
	mov %esp, only_cpu
.endm

	/* void trap_enter(const struct regs *r) */
	.globl trap_enter
trap_enter:
	mov 4(%esp), %eax
	recovery_push
trap_resume:
	mov %eax, %esi
	mov $trap_frame, %edi
	mov $18, %ecx
	cld
	rep movsl
	testl $3, trap_frame + REG_CS
	jnz 1f
	testl $0x20000, trap_frame + REG_EFLAGS
	jnz 2f
	lss trap_frame + REG_ESP, %esp
	jmp 3f
2:	/* to virtual-8086 mode: the segments are popped too */
	pushl trap_frame + REG_GS
	pushl trap_frame + REG_FS
	pushl trap_frame + REG_DS
	pushl trap_frame + REG_ES
1:	pushl trap_frame + REG_SS
	pushl trap_frame + REG_ESP
3:	pushl trap_frame + REG_EFLAGS
	pushl trap_frame + REG_CS
	pushl trap_frame + REG_EIP
	mov trap_frame + REG_EDI, %edi
	mov trap_frame + REG_ESI, %esi
	mov trap_frame + REG_EBP, %ebp
	mov trap_frame + REG_EBX, %ebx
	mov trap_frame + REG_EDX, %edx
	mov trap_frame + REG_ECX, %ecx
	mov trap_frame + REG_EAX, %eax
	testl $0x20000, trap_frame + REG_EFLAGS
	jnz trap_iret
	mov trap_frame + REG_ES, %es
	mov trap_frame + REG_FS, %fs
	mov trap_frame + REG_GS, %gs
	mov trap_frame + REG_DS, %ds
	.globl trap_iret
trap_iret:
	iret

	/* bool trap_call(void (*fn)(ulong), ulong arg): did it trap? */
	.globl trap_call
trap_call:
	mov 4(%esp), %eax
	mov 8(%esp), %ecx
	recovery_push
	push %ecx
	call *%eax
	pop %ecx
	xor %eax, %eax
	jmp trap_unwind

	/* NORETURN void trap_recover(struct cpu *c): there is one */
	.globl trap_recover
trap_recover:
	mov only_cpu, %esp
	mov $1, %eax
trap_unwind:
	popl only_cpu
	popf
	pop %edi
	pop %esi
	pop %ebp
	pop %ebx
	ret

	.balign 16
	.globl trap_stubs
trap_stubs:
	.set vec, 0
	.rept 256
	.balign 16
	.if !(vec == 8 || (vec >= 10 && vec <= 14) || vec == 17 || vec == 21)
	pushl $0
	.endif
	pushl $vec
	jmp trap_common
	.set vec, vec + 1
	.endr

trap_common:
	pushl %ds
	pushl %eax
	mov $0x18, %eax
	mov %eax, %ds
	popl trap_frame + REG_EAX
	popl trap_frame + REG_DS
	mov %edi, trap_frame + REG_EDI
	mov %esi, trap_frame + REG_ESI
	mov %ebp, trap_frame + REG_EBP
	mov %ebx, trap_frame + REG_EBX
	mov %edx, trap_frame + REG_EDX
	mov %ecx, trap_frame + REG_ECX
	xor %eax, %eax
	mov %es, %ax
	mov %eax, trap_frame + REG_ES
	mov %fs, %ax
	mov %eax, trap_frame + REG_FS
	mov %gs, %ax
	mov %eax, trap_frame + REG_GS
	popl trap_frame + REG_VECTOR
	popl trap_frame + REG_ERROR
	popl trap_frame + REG_EIP
	popl trap_frame + REG_CS
	popl trap_frame + REG_EFLAGS
	testl $0x20000, trap_frame + REG_EFLAGS
	jnz 2f
	testl $3, trap_frame + REG_CS
	jnz 1f
	mov %esp, trap_frame + REG_ESP
	mov %ss, %ax
	mov %eax, trap_frame + REG_SS
	jmp 3f
1:	popl trap_frame + REG_ESP
	popl trap_frame + REG_SS
	jmp 3f
2:	popl trap_frame + REG_ESP
	popl trap_frame + REG_SS
	popl trap_frame + REG_ES
	popl trap_frame + REG_DS
	popl trap_frame + REG_FS
	popl trap_frame + REG_GS
3:	andl $0xffff, trap_frame + REG_CS
	andl $0xffff, trap_frame + REG_SS
	andl $0xffff, trap_frame + REG_DS
	mov $0x18, %eax
	mov %eax, %ss
	mov $trap_stack_top, %esp
	mov %eax, %es
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	cld
	pushl $trap_frame
	call trap_arrived		/* returns only to resume */
	pop %eax
	jmp trap_resume

	.bss
	.balign 16
trap_frame:
	.skip 19*4
	.balign 16
	.skip 16384
trap_stack_top:

	.section .note.GNU-stack, "", @progbits
