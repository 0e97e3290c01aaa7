/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the multiboot loader to C, staying in 32-bit protected mode without
 * paging. Multiboot specification 0.6.96, 3.2 "Machine state".
 */
	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)

	.text
	.globl start
start:
	cld
	cli
	mov $start_stack_top, %esp
	mov %eax, %ebp
	mov %cr4, %eax
	or $0x600, %eax			/* OSFXSR OSXMMEXCPT */
	mov %eax, %cr4
	mov $0x33, %eax			/* NE ET MP PE */
	mov %eax, %cr0
	lgdt start_gdt_ptr
	ljmp $0x10, $1f
1:	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov %ebp, %eax
	xor %ebp, %ebp
	push %ebx
	push %eax
	call guest_main
	ud2

	.section .rodata
	.balign 8
start_gdt:
	.quad 0, 0x00cf9b000000ffff, 0x00cf9b000000ffff, 0x00cf93000000ffff
start_gdt_ptr:
	.word . - start_gdt - 1
	.long start_gdt

	.bss
	.balign 16
		.skip 16384
start_stack_top:

	.section .note.GNU-stack, "", @progbits
