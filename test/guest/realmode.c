/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real-address mode: a 32-bit guest goes down to it, runs a piece of 16-bit
 * code with an interrupt table of its own, and comes back with the registers.
 * SDM 3A 9.9 "Mode Switching", 3B 20.1 "Real-Address Mode".
 *
 * Low memory: 0x0 the interrupt table, 0x600 the registers in and out, 0x1000
 * the trampoline, 0x2000 the code under test (segment 0x200), 0x7000 its
 * stack's top, 0x10000 data (segment 0x1000).
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

#define BLOCK ((volatile struct real_regs *)0x600)
#define TRAMPOLINE 0x1000
#define CODE_AT 0x2000
#define STACK_TOP 0x7000
#define DATA_AT 0x10000

enum { SEL_CODE16 = SEL_FREE, SEL_DATA16 = SEL_FREE + 8 };

struct real_regs {
	u32 eax, ebx, ecx, edx, esi, edi, ebp;
	u32 flags;
	u16 ds, es, fs, gs;
	u16 ip, cs; /* where to */
	u16 idt_limit, idt_base_low, idt_base_high;
	u16 vector; /* of the handler that gave up, or 0xffff */
	u16 fault_ip, fault_cs, fault_flags, fault_sp;
};

/*
 * Assembled at its own place and copied to TRAMPOLINE: R16(label) is where a
 * label of it ends up. It is entered in 32-bit mode by a call.
 */
extern const u8 real_start[], real_end[];
#define R16(label) "(" label " - real_start + 0x1000)"

asm(".pushsection .text\n"
    "real_start:\n"
    "	pusha\n"
    "	mov %esp, " R16("real_esp") "\n"
    "	sgdt " R16("real_gdt") "\n"
    "	sidt " R16("real_idt") "\n"
    "	ljmp $0x50, $" R16("1f") "\n"
    "	.code16\n"
    "1:	mov $0x58, %ax\n"
    "	mov %ax, %ds\n mov %ax, %es\n mov %ax, %fs\n mov %ax, %gs\n"
    "	mov %ax, %ss\n"
    "	mov %cr0, %eax\n and $~1, %al\n mov %eax, %cr0\n"
    "	ljmp $0, $" R16("2f") "\n"
    "2:	xor %ax, %ax\n"
    "	mov %ax, %ds\n mov %ax, %ss\n mov $0x7000, %esp\n"
    "	lidtl 0x600 + 44\n"
    "	mov 0x600 + 32, %ax\n push %ax\n"
    "	mov 0x600 + 34, %es\n mov 0x600 + 36, %fs\n mov 0x600 + 38, %gs\n"
    "	mov 0x600, %eax\n mov 0x604, %ebx\n mov 0x608, %ecx\n"
    "	mov 0x60c, %edx\n mov 0x610, %esi\n mov 0x614, %edi\n"
    "	mov 0x618, %ebp\n"
    "	pushl 0x61c\n popfl\n"
    "	pop %ds\n"
    "	lcall *%cs:0x600 + 40\n"
    /* Back here, by LRET or through real_give_up. */
    ".globl real_back\nreal_back:\n"
    "	cld\n"
    "	pushfl\n push %ds\n"
    "	push $0\n pop %ds\n"
    "	mov %eax, 0x600\n mov %ebx, 0x604\n mov %ecx, 0x608\n"
    "	mov %edx, 0x60c\n mov %esi, 0x610\n mov %edi, 0x614\n"
    "	mov %ebp, 0x618\n"
    "	popw 0x600 + 32\n popl 0x61c\n"
    "	mov %es, 0x600 + 34\n mov %fs, 0x600 + 36\n mov %gs, 0x600 + 38\n"
    "	cli\n"
    "	lgdtl " R16("real_gdt") "\n"
    "	mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n"
    "	ljmpl $0x10, $" R16("3f") "\n"
    "	.code32\n"
    "3:	mov $0x18, %eax\n"
    "	mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
    "	xor %eax, %eax\n mov %eax, %fs\n mov %eax, %gs\n"
    "	mov " R16("real_esp") ", %esp\n"
    "	lidt " R16("real_idt") "\n"
    "	popa\n"
    "	ret\n"
    "real_esp: .long 0\n"
    "real_gdt: .skip 6\n"
    "real_idt: .skip 6\n"
    /*
     * Handlers of interrupts: 8 bytes each, the first is vector 0's. They
     * give up: what they were pushed is kept, and the code is left.
     */
    ".balign 8\n .code16\n"
    "real_handlers:\n"
    ".set vec, 0\n .rept 256\n .balign 8\n"
    "	pushw $vec\n jmp real_give_up\n"
    ".set vec, vec + 1\n .endr\n"
    "real_give_up:\n"
    "	popw %cs:0x600 + 50\n"
    "	mov %sp, %cs:0x600 + 58\n"
    "	popw %cs:0x600 + 52\n popw %cs:0x600 + 54\n popw %cs:0x600 + 56\n"
    "	push $0\n pop %ss\n mov $0x7000, %sp\n"
    "	jmp real_back\n"
    ".code32\n"
    "real_end:\n .popsection\n");

extern const u8 real_handlers[];

static void real_prepare(void)
{
	volatile u16 *ivt = (volatile u16 *)0;
	unsigned handlers = real_handlers - real_start + TRAMPOLINE;

	for (unsigned i = 0; real_start + i < real_end; i++)
		((volatile u8 *)TRAMPOLINE)[i] = real_start[i];
	asm volatile("" : "+r"(ivt)); /* address 0 is meant */
	for (unsigned v = 0; v < 256; v++) {
		ivt[2 * v] = handlers + 8 * v;
		ivt[2 * v + 1] = 0;
	}
	gdt_set(SEL_CODE16, desc(0, 0xffff, ACC_CODE, 0));
	gdt_set(SEL_DATA16, desc(0, 0xffff, ACC_DATA, 0));
	for (unsigned i = 0; i < sizeof(struct real_regs); i++)
		((volatile u8 *)BLOCK)[i] = 0;
	for (unsigned i = 0; i < 0x10000; i++)
		((volatile u8 *)DATA_AT)[i] = i * 3;
	BLOCK->ds = DATA_AT / 16;
	BLOCK->es = DATA_AT / 16;
	BLOCK->flags = FL_ONE;
	BLOCK->idt_limit = 0x3ff;
}

static void real_run(const u8 *code, const u8 *end)
{
	for (unsigned i = 0; code + i < end; i++)
		((volatile u8 *)CODE_AT)[i] = code[i];
	BLOCK->ip = 0;
	BLOCK->cs = CODE_AT / 16;
	BLOCK->vector = 0xffff;
	asm volatile("call *%0" :: "r"(TRAMPOLINE) : "memory", "cc");
}

#define RUN(code) real_run(code, code##_end)

#define CODE16(name, text) CODE(name, ".code16\n" text "\n lret\n .code32\n")

static u32 data32(unsigned at)
{
	return *(volatile u32 *)(DATA_AT + at);
}

CODE16(c_there, "smsw %ax\n mov %cs, %bx\n mov %ss, %cx\n mov %sp, %dx\n"
		"pushf\n pop %si\n");

static void there_and_back(void)
{
	real_prepare();
	RUN(c_there);
	CHECK_EQ(BLOCK->vector, 0xffff);
	CHECK_EQ(BLOCK->eax & 1, 0);
	CHECK_EQ(BLOCK->ebx & 0xffff, CODE_AT / 16);
	CHECK_EQ(BLOCK->ecx & 0xffff, 0);
	CHECK_EQ(BLOCK->edx & 0xffff, STACK_TOP - 4);
	CHECK_EQ(BLOCK->esi & 0xffff, FL_ONE);
	for (unsigned i = 0; i < 100; i++) {
		RUN(c_there);
		CHECK_EQ(BLOCK->ebx & 0xffff, CODE_AT / 16);
	}
}

CODE16(c_address, "mov 0x1234, %ax\n mov $0x40, %bx\n mov $8, %si\n"
		  "mov 4(%bx,%si), %cx\n mov $0x20, %bp\n"
		  "mov %ds:2(%bp,%di), %dx\n lea 0x7fff(%bx,%si), %si\n");

static void addressing(void)
{
	real_prepare();
	BLOCK->edi = 0x100;
	RUN(c_address);
	CHECK_EQ(BLOCK->eax & 0xffff, data32(0x1234) & 0xffff);
	CHECK_EQ(BLOCK->ecx & 0xffff, data32(0x4c) & 0xffff);
	CHECK_EQ(BLOCK->edx & 0xffff, data32(0x122) & 0xffff);
	CHECK_EQ(BLOCK->esi & 0xffff, 0x8047);
}

/* The address is selector * 16 + offset, with A20 on up to 0x10ffef. */
CODE16(c_high, "mov $0xffff, %ax\n mov %ax, %es\n mov %es:0x10, %eax\n"
	       "mov %es:0x14, %ebx\n");

static void above_one_megabyte(void)
{
	u32 *image = (u32 *)0x100000;

	real_prepare();
	RUN(c_high);
	CHECK_EQ(BLOCK->eax, image[0]);
	CHECK_EQ(BLOCK->ebx, image[1]);
}

/* Operand and address sizes. */
CODE16(c_sizes, "mov $0x12345678, %eax\n push %eax\n pop %bx\n pop %cx\n"
		"movl $0x11223344, (%edi)\n mov (%edi), %dx\n"
		"lea 4(%esi,%esi,2), %si\n"
		"push $-2\n pop %bp\n");

static void sizes(void)
{
	real_prepare();
	BLOCK->edi = 0x300;
	BLOCK->esi = 0x10;
	RUN(c_sizes);
	CHECK_EQ(BLOCK->eax, 0x12345678);
	CHECK_EQ(BLOCK->ebx & 0xffff, 0x5678);
	CHECK_EQ(BLOCK->ecx & 0xffff, 0x1234);
	CHECK_EQ(BLOCK->edx & 0xffff, 0x3344);
	CHECK_EQ(data32(0x300), 0x11223344);
	CHECK_EQ(BLOCK->esi & 0xffff, 0x34);
	CHECK_EQ(BLOCK->ebp & 0xffff, 0xfffe);
}

/* The instructions of old. */
CODE16(c_old, "mov $0x0f, %al\n add $1, %al\n daa\n mov %al, %bl\n" /* 16 */
	      "mov $63, %al\n aam\n mov %ax, %cx\n"                   /* 6, 3 */
	      "aad\n mov %al, %dl\n"                                   /* 63 */
	      "mov $0xffff, %di\n pusha\n popa\n"
	      "les 0x400, %si\n mov %es, %ax\n"
	      "enter $4, $0\n leave\n"
	      "push %sp\n pop %bp\n");

static void old_instructions(void)
{
	real_prepare();
	*(volatile u16 *)(DATA_AT + 0x400) = 0x1111;
	*(volatile u16 *)(DATA_AT + 0x402) = 0x2222;
	RUN(c_old);
	CHECK_EQ(BLOCK->ebx & 0xff, 0x16);
	CHECK_EQ(BLOCK->ecx & 0xffff, 0x0603);
	CHECK_EQ(BLOCK->edx & 0xff, 63);
	CHECK_EQ(BLOCK->esi & 0xffff, 0x1111);
	CHECK_EQ(BLOCK->eax & 0xffff, 0x2222);
	CHECK_EQ(BLOCK->es, 0x2222);
	CHECK_EQ(BLOCK->ebp & 0xffff, STACK_TOP - 4);
}

/* INT through the table: what is pushed, which flags go, IRET. */
CODE16(c_int, "stc\n int $0x60\n mov %ax, %bx\n pushf\n pop %cx\n");
CODE16(c_handler, "pushf\n pop %dx\n mov %sp, %bp\n mov (%bp), %si\n"
		  "mov 2(%bp), %di\n mov $0x1234, %ax\n iret\n");

static void software_interrupt(void)
{
	volatile u16 *ivt = (volatile u16 *)(0x60 * 4);

	real_prepare();
	for (unsigned i = 0; c_handler + i < c_handler_end; i++)
		((volatile u8 *)0x3000)[i] = c_handler[i];
	ivt[0] = 0x10;
	ivt[1] = 0x2ff;
	BLOCK->flags = FL_ONE | FL_IF | FL_DF;
	pic_mask(0xffff);
	RUN(c_int);
	CHECK_EQ(BLOCK->vector, 0xffff);
	CHECK_EQ(BLOCK->ebx & 0xffff, 0x1234);
	CHECK_EQ(BLOCK->edx & (FL_IF | FL_TF | FL_DF | FL_CF), FL_DF | FL_CF);
	CHECK_EQ(BLOCK->ecx & (FL_IF | FL_DF | FL_CF),
		 FL_IF | FL_DF | FL_CF);
	CHECK_EQ(BLOCK->esi & 0xffff, 3); /* after STC and INT */
	CHECK_EQ(BLOCK->edi & 0xffff, CODE_AT / 16);
}

/* Exceptions push no error code, and the address of the instruction. */
CODE16(c_div, "nop\n xor %cl, %cl\n div %cl\n");
CODE16(c_ud, "nop\n nop\n ud2\n");
CODE16(c_limit, "nop\n mov 0xffff, %ax\n");
CODE16(c_limit_dword, "mov $0xfffd, %bx\n movl $0, (%bx)\n");
CODE16(c_limit_32, "mov $0x10000, %eax\n mov (%eax), %bl\n");
CODE16(c_into, "mov $0x7f, %al\n inc %al\n into\n");
CODE16(c_bound, "mov $5, %ax\n bound %ax, 0x500\n");
CODE16(c_protected, "nop\n sldt %ax\n");

static void exceptions(void)
{
	static const struct {
		const char *what;
		const u8 *code, *end;
		unsigned vector, ip;
	} fault_tab[] = {
		{ "div", c_div, c_div_end, 0, 3 },
		{ "ud2", c_ud, c_ud_end, 6, 2 },
		{ "sldt", c_protected, c_protected_end, 6, 1 },
		{ "into", c_into, c_into_end, 4, 5 },
		{ "bound", c_bound, c_bound_end, 5, 3 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(fault_tab); i++) {
		context("%s", fault_tab[i].what);
		real_prepare();
		*(volatile u32 *)(DATA_AT + 0x500) = 0x00040000;
		real_run(fault_tab[i].code, fault_tab[i].end);
		CHECK_EQ(BLOCK->vector, fault_tab[i].vector);
		CHECK_EQ(BLOCK->fault_ip, fault_tab[i].ip);
		CHECK_EQ(BLOCK->fault_cs, CODE_AT / 16);
		CHECK_EQ(BLOCK->fault_sp, STACK_TOP - 4 - 6);
	}
}

/* Offsets beyond 0xffff are #GP. */
static void segment_limits(void)
{
	static const struct {
		const char *what;
		const u8 *code, *end;
		unsigned ip;
	} fault_tab[] = {
		{ "word at 0xffff", c_limit, c_limit_end, 1 },
		{ "dword at 0xfffd", c_limit_dword, c_limit_dword_end, 3 },
		{ "32-bit offset", c_limit_32, c_limit_32_end, 6 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(fault_tab); i++) {
		context("%s", fault_tab[i].what);
		real_prepare();
		real_run(fault_tab[i].code, fault_tab[i].end);
		CHECK_EQ(BLOCK->vector, 13);
		CHECK_EQ(BLOCK->fault_ip, fault_tab[i].ip);
	}
}

/* The limit of a protected-mode segment stays in the hidden register. */
CODE16(c_unreal, "lgdtl %cs:(9f - c_unreal)\n"
		 "mov %cr0, %eax\n or $1, %al\n mov %eax, %cr0\n jmp 1f\n"
		 "1: mov $0x18, %bx\n mov %bx, %fs\n"
		 "and $~1, %al\n mov %eax, %cr0\n jmp 2f\n"
		 "2: mov $0x100000, %eax\n mov %fs:(%eax), %edx\n"
		 /* A load in real mode sets the base and leaves the limit. */
		 "mov $0x1000, %bx\n mov %bx, %fs\n"
		 "mov $0xf0000, %eax\n mov %fs:(%eax), %ecx\n lret\n"
		 "9: .skip 6\n");

static void unreal(void)
{
	u32 *image = (u32 *)0x100000;

	real_prepare();
	/* The code finds the guest's GDT pointer at its own end. */
	asm volatile("sgdt %0" : "=m"(*(u8 *)(c_unreal_end - 7)));
	RUN(c_unreal);
	CHECK_EQ(BLOCK->vector, 0xffff);
	CHECK_EQ(BLOCK->edx, image[0]);
	CHECK_EQ(BLOCK->ecx, image[0]);
}

/* A table elsewhere. */
CODE16(c_int70, "int $0x70\n");

static void table_moved(void)
{
	volatile u16 *table = (volatile u16 *)0x8000;

	real_prepare();
	for (unsigned v = 0; v < 256; v++) {
		table[2 * v] = real_handlers - real_start + TRAMPOLINE + 8 * v;
		table[2 * v + 1] = 0;
	}
	/* Vector 0x70 leads to 0x71's handler there. */
	table[0xe0] = table[0xe2];
	BLOCK->idt_base_low = 0x8000;
	RUN(c_int70);
	CHECK_EQ(BLOCK->vector, 0x71);
	CHECK_EQ(BLOCK->fault_ip, 2);
}

/* The timer's interrupt in real mode, and HLT. */
CODE16(c_wait, "xor %ax, %ax\n mov $3, %cx\n"
	       "1: sti\n hlt\n cli\n dec %cx\n jnz 1b\n");
CODE16(c_tick, "push %ax\n mov $0x20, %al\n out %al, $0x20\n pop %ax\n"
	       "inc %ax\n iret\n");

static void timer(void)
{
	volatile u16 *ivt = (volatile u16 *)(PIC_BASE * 4);

	real_prepare();
	for (unsigned i = 0; c_tick + i < c_tick_end; i++)
		((volatile u8 *)0x3000)[i] = c_tick[i];
	ivt[0] = 0;
	ivt[1] = 0x300;
	pic_mask(0xfffe);
	pit_start(2, PIT_HZ / 1000);
	RUN(c_wait);
	pic_mask(0xffff);
	CHECK_EQ(BLOCK->vector, 0xffff);
	CHECK_EQ(BLOCK->eax & 0xffff, 3);
}

/* Strings across the wrap of a segment, far calls, loops. */
CODE16(c_strings, "mov $0xfff8, %di\n mov $0x55, %al\n mov $16, %cx\n cld\n"
		  "rep stosb\n mov %di, %dx\n"
		  "mov $100, %cx\n xor %bx, %bx\n 1: inc %bx\n loop 1b\n"
		  "lcall $0x200, $(c_strings_sub - c_strings)\n jmp 2f\n"
		  "c_strings_sub: mov %cs, %si\n lret\n 2:");

static void strings(void)
{
	real_prepare();
	RUN(c_strings);
	CHECK_EQ(BLOCK->edx & 0xffff, 8);
	CHECK_EQ(data32(0xfffc), 0x55555555);
	CHECK_EQ(data32(0x4), 0x55555555);
	CHECK_EQ(data32(0x8) & 0xff, 24);
	CHECK_EQ(BLOCK->ebx & 0xffff, 100);
	CHECK_EQ(BLOCK->esi & 0xffff, CODE_AT / 16);
}

/* Near calls, which return on a stack of 16 bits; one drops parameters. */
CODE16(c_near, "mov %sp, %si\n xor %ax, %ax\n push $5\n push $7\n"
	       "call 1f\n add $0x10, %ax\n mov $(2f - c_near), %bx\n"
	       "call *%bx\n add $0x100, %ax\n jmp 3f\n"
	       "1: inc %ax\n ret $4\n"
	       "2: inc %ax\n calll 4f\n ret\n"
	       "4: inc %ax\n retl\n"
	       "3: sub %sp, %si\n");

static void near_calls(void)
{
	real_prepare();
	RUN(c_near);
	CHECK_EQ(BLOCK->eax & 0xffff, 0x113);
	CHECK_EQ(BLOCK->esi & 0xffff, 0);
}

/* Code that patches itself, in this mode too. */
CODE16(c_smc, "movb $0x77, %cs:(1f + 1 - c_smc)\n jmp 1f\n"
	      "1: mov $0x11, %al\n"
	      "movb $0x11, %cs:(1b + 1 - c_smc)\n");

static void self_modifying(void)
{
	real_prepare();
	for (unsigned i = 0; i < 10; i++) {
		RUN(c_smc);
		CHECK_EQ(BLOCK->eax & 0xff, 0x77);
	}
}

const struct test tests[] = {
	{ "there and back", there_and_back },
	{ "addressing", addressing },
	{ "above one megabyte", above_one_megabyte },
	{ "sizes", sizes },
	{ "old instructions", old_instructions },
	{ "software interrupt", software_interrupt },
	{ "exceptions", exceptions },
	{ "segment limits", segment_limits,
	  "no limit checks (SDM 3A 5.3 \"Limit Checking\")" },
	{ "big segments", unreal },
	{ "interrupt table moved", table_moved },
	{ "timer", timer },
	{ "strings and calls", strings },
	{ "near calls", near_calls },
	{ "self-modifying code", self_modifying },
	{ NULL },
};
