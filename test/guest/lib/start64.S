/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the multiboot loader's 32-bit protected mode to long mode.
 * Multiboot specification 0.6.96, 3.2 "Machine state"; SDM 3A 9.8.5
 * "Initializing IA-32e Mode".
 *
 * The first 4 GiB are mapped by 2 MiB pages whose entries grant everything;
 * entry 0 of the root withholds them from ring 3, entry 128 does not.
 *
 * Other processors begin at ap_start, copied below 1 MiB, in real mode (SDM 3A
 * 8.4.3 "MP Initialization Protocol Algorithm for MP Systems").
 *
 * MIRRORS: CPU_AREAS, CPU_AREA_SIZE, CPUS_MAX in percpu.h.
 */
	.set CPU_AREAS, 0x800000
	.set CPU_AREA_SIZE, 0x20000
	.set CPUS_MAX, 64

	.section .multiboot, "a"
	.balign 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)

	/* Long mode with the first page tables; destroys EAX, ECX, EDX. */
.macro enter_long target
	mov $0x620, %eax		/* PAE OSFXSR OSXMMEXCPT */
	mov %eax, %cr4
	mov $root, %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	xor %edx, %edx
	mov $0x901, %eax		/* NXE LME SCE */
	wrmsr
	mov $0x80010033, %eax		/* PG WP NE ET MP PE */
	mov %eax, %cr0
	ljmp $0x10, $\target
.endm

.macro flat_data
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
.endm

	.text
	.code32
	.globl start
start:
	cld
	cli
	mov %eax, %ebp			/* the loader's magic number */

	mov $low_pd, %edi
	mov $0xe7, %eax			/* P W U A D PS */
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $8, %edi
	add $0x200000, %eax
	cmp $low_pd + 4 * 4096, %edi
	jb 1b
	movl $low_pd + 0x0000 + 7, low_pdpt
	movl $low_pd + 0x1000 + 7, low_pdpt + 8
	movl $low_pd + 0x2000 + 7, low_pdpt + 16
	movl $low_pd + 0x3000 + 7, low_pdpt + 24
	movl $low_pdpt + 3, root
	movl $low_pdpt + 7, root + 128 * 8

	lgdt start_gdt_ptr
	enter_long start_long

	.code64
start_long:
	flat_data
	mov $CPU_AREAS + CPU_AREA_SIZE, %esp
	mov %ebp, %edi
	mov %ebx, %esi
	xor %ebp, %ebp
	call guest_main
	ud2

	.code16
	.balign 16
	.globl ap_start, ap_start_end
ap_start:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	lgdtl ap_gdt_ptr - ap_start
	mov $0x33, %eax			/* NE ET MP PE; cached */
	mov %eax, %cr0
	ljmpl $0x08, $ap_protected
	.balign 4
ap_gdt_ptr:
	.word start_gdt_ptr - start_gdt - 1
	.long start_gdt
ap_start_end:

	.code32
ap_protected:
	mov $0x18, %eax
	mov %eax, %ds
	enter_long ap_long

	.code64
ap_long:
	flat_data
	mov $1, %eax
	cpuid
	shr $24, %ebx			/* initial APIC id */
	cmp $CPUS_MAX, %ebx
	jae 1f
	mov %ebx, %edi
	lea 1(%rbx), %esp
	imul $CPU_AREA_SIZE, %esp, %esp
	add $CPU_AREAS, %esp
	xor %ebp, %ebp
	call ap_main
1:	cli
	hlt
	jmp 1b

	.section .rodata
	.balign 8
start_gdt:
	.quad 0, 0x00cf9b000000ffff, 0x00af9b000000ffff, 0x00cf93000000ffff
start_gdt_ptr:
	.word . - start_gdt - 1
	.long start_gdt

	.bss
	.balign 4096
	.globl root, low_pdpt, low_pd
root:		.skip 4096
low_pdpt:	.skip 4096
low_pd:		.skip 4 * 4096

	.section .note.GNU-stack, "", @progbits
