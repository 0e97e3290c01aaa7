/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices by memory and by port: every form of access that reaches them, what
 * answers where nothing is, and precision when memory faults under INS and
 * OUTS. The registers of the local APIC serve as the device: they are 32 bits
 * wide, 16 bytes apart, and some read back what was written.
 */
#include "lib/desc.h"
#include "lib/irq.h"
#include "lib/pages.h"

/* TPR takes 8 bits; the initial count of a masked timer takes all 32. */
#define COUNT (APIC_MMIO + APIC_TIMER_INITIAL)
#define TPR (APIC_MMIO + APIC_TPR)
/* Far from RAM, the firmware and the devices. */
#define HOLE 0xe8000000ul

static u32 count_now(void)
{
	u32 v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(COUNT) : "memory");
	return v;
}

static void set_count(u32 v)
{
	asm volatile("movl %1, (%0)" :: "r"(COUNT), "r"(v) : "memory");
}

/* Loads of a dword in many dresses. */
static void loads(void)
{
	ulong a = 0x1111111122222222, b = 0;
	u32 v;

	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	set_count(0x12345678);
	asm volatile("movl (%1), %k0" : "+r"(a) : "r"(COUNT));
	CHECK_EQ(a, 0x12345678);
	asm volatile("addl (%1), %k0" : "+r"(b) : "r"(COUNT));
	CHECK_EQ(b, 0x12345678);
	v = 0xffff0000;
	asm volatile("andl (%1), %0" : "+r"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x12340000);
	asm volatile("movslq (%1), %0" : "=r"(a) : "r"(COUNT));
	CHECK_EQ(a, 0x12345678);
	asm volatile("cmp %%eax, %%eax; cmovz (%1), %0" : "=r"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x12345678);
	asm volatile("imull $2, (%1), %0" : "=r"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x2468acf0);
	asm volatile("movl (%1), %0; bswap %0" : "=r"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x78563412);
	asm volatile("movl %c1(%2,%3,8), %0" : "=r"(v)
		     : "i"(0x100), "r"(COUNT - 0x180), "r"(0x10ul));
	CHECK_EQ(v, 0x12345678);
	asm volatile("movd (%1), %%xmm0; movd %%xmm0, %0" : "=r"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x12345678);
	asm volatile("movss (%1), %%xmm1; movd %%xmm1, %0" : "=r"(v)
		     : "r"(COUNT));
	CHECK_EQ(v, 0x12345678);
	asm volatile("movd (%1), %%mm0; movd %%mm0, %0; emms" : "=r"(v)
		     : "r"(COUNT));
	CHECK_EQ(v, 0x12345678);
	asm volatile("cvtsi2ssl (%1), %%xmm0; cvttss2si %%xmm0, %0" : "=r"(v)
		     : "r"(COUNT));
	CHECK_EQ(v >> 8, 0x123456);
	asm volatile("fildl (%1); fistpl %0" : "=m"(v) : "r"(COUNT));
	CHECK_EQ(v, 0x12345678);
	{
		ulong si = COUNT;

		asm volatile("lodsl" : "=a"(v), "+S"(si));
		CHECK_EQ(v, 0x12345678);
		CHECK_EQ(si, COUNT + 4);
	}
	set_count(0);
}

/* Comparisons: the flags are those of the device's value. */
#define FLAG_OF(insn, operand, cc)                                             \
	({                                                                     \
		u8 f_;                                                         \
		asm volatile(insn "; set" cc " %0"                             \
			     : "=r"(f_) : "r"(COUNT), "r"(operand));           \
		f_;                                                            \
	})

static void compares(void)
{
	set_count(0x12345678);
	CHECK_EQ(FLAG_OF("cmpl %2, (%1)", 0x12345678u, "e"), 1);
	CHECK_EQ(FLAG_OF("cmpl %2, (%1)", 0x12345679u, "b"), 1);
	CHECK_EQ(FLAG_OF("cmpl %2, (%1)", 0x12345677u, "a"), 1);
	CHECK_EQ(FLAG_OF("testl %2, (%1)", 0x00000008u, "nz"), 1);
	CHECK_EQ(FLAG_OF("testl %2, (%1)", 0x00000007u, "z"), 1);
	CHECK_EQ(FLAG_OF("btl %2, (%1)", 3u, "c"), 1);
	CHECK_EQ(FLAG_OF("btl %2, (%1)", 2u, "c"), 0);
	set_count(0);
}

/* Stores, and read-modify-write. */
#define AFTER(start, insn, value)                                              \
	({                                                                     \
		ulong v_ = (value);                                            \
		set_count(start);                                              \
		asm volatile(insn : "+r"(v_) : "r"(COUNT) : "memory", "cc");   \
		count_now();                                                   \
	})

static void stores(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	CHECK_EQ(AFTER(1, "movl %k0, (%1)", 0x01020304), 0x01020304);
	CHECK_EQ(AFTER(1, "movl $0x11223344, (%1)", 0), 0x11223344);
	CHECK_EQ(AFTER(1, "movnti %k0, (%1)", 0x55667788), 0x55667788);
	CHECK_EQ(AFTER(1, "movd %k0, %%xmm5; movss %%xmm5, (%1)", 0x0a0b0c0d),
		 0x0a0b0c0d);
	CHECK_EQ(AFTER(1, "movd %k0, %%xmm5; movd %%xmm5, (%1)", 0x7a0b0c0d),
		 0x7a0b0c0d);
	CHECK_EQ(AFTER(0x100, "addl %k0, (%1)", 0x23), 0x123);
	CHECK_EQ(AFTER(0x100, "lock; addl %k0, (%1)", 0x23), 0x123);
	CHECK_EQ(AFTER(0x100, "incl (%1)", 0), 0x101);
	CHECK_EQ(AFTER(0x100, "lock; decl (%1)", 0), 0xff);
	CHECK_EQ(AFTER(0xf0, "orl %k0, (%1)", 0x0f), 0xff);
	CHECK_EQ(AFTER(0xf0, "andl $0x3c, (%1)", 0), 0x30);
	CHECK_EQ(AFTER(0xf0, "xorl %k0, (%1)", 0xff), 0x0f);
	CHECK_EQ(AFTER(0xf0, "notl (%1)", 0), 0xffffff0f);
	CHECK_EQ(AFTER(0xf0, "negl (%1)", 0), 0xffffff10);
	CHECK_EQ(AFTER(0xf0, "shll $4, (%1)", 0), 0xf00);
	CHECK_EQ(AFTER(0xf0, "btsl $0, (%1)", 0), 0xf1);
	CHECK_EQ(AFTER(0xf0, "lock; btrl $4, (%1)", 0), 0xe0);
	CHECK_EQ(AFTER(0xf0, "stc; adcl $1, (%1)", 0), 0xf2);
	CHECK_EQ(AFTER(0xf0, "xchgl %k0, (%1)", 0x77), 0x77);
	CHECK_EQ(AFTER(0xf0, "xaddl %k0, (%1)", 0x10), 0x100);
	set_count(0);
}

/* What XCHG, XADD and CMPXCHG bring back. */
static void results(void)
{
	ulong v = 0x77, a;

	set_count(0xf0);
	asm volatile("xchgl %k0, (%1)" : "+r"(v) : "r"(COUNT) : "memory");
	CHECK_EQ(v, 0xf0);
	v = 5;
	asm volatile("lock; xaddl %k0, (%1)" : "+r"(v) : "r"(COUNT) : "memory");
	CHECK_EQ(v, 0x77);
	CHECK_EQ(count_now(), 0x7c);
	a = 0x7c;
	asm volatile("lock; cmpxchgl %k2, (%1)"
		     : "+a"(a) : "r"(COUNT), "r"(0x99ul) : "memory", "cc");
	CHECK_EQ(count_now(), 0x99);
	a = 0x1234;
	asm volatile("lock; cmpxchgl %k2, (%1)"
		     : "+a"(a) : "r"(COUNT), "r"(0x55ul) : "memory", "cc");
	CHECK_EQ(a, 0x99);
	CHECK_EQ(count_now(), 0x99);
	set_count(0);
}

/* String instructions from and to the device. */
static void strings(void)
{
	static u32 words[4] = { 1, 2, 3, 4 };
	ulong si, di, c;

	set_count(0x1357);
	si = COUNT;
	di = (ulong)words;
	c = 1;
	asm volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(c) :: "memory");
	CHECK_EQ(words[0], 0x1357);
	CHECK_EQ(c, 0);
	CHECK_EQ(di, (ulong)(words + 1));
	words[1] = 0x2468;
	si = (ulong)(words + 1);
	di = COUNT;
	c = 1;
	asm volatile("rep movsl" : "+S"(si), "+D"(di), "+c"(c) :: "memory");
	CHECK_EQ(count_now(), 0x2468);
	CHECK_EQ(si, (ulong)(words + 2));
	di = COUNT;
	c = 1;
	asm volatile("rep stosl" : "+D"(di), "+c"(c) : "a"(0x777) : "memory");
	CHECK_EQ(count_now(), 0x777);
	CHECK_EQ(di, COUNT + 4);
	/* From register to register of the device. */
	si = COUNT;
	di = TPR;
	set_count(0x30);
	asm volatile("movsl" : "+S"(si), "+D"(di) :: "memory");
	CHECK_EQ(apic_read(APIC_TPR), 0x30);
	di = TPR;
	asm volatile("std; scasl; cld" : "+D"(di) : "a"(0x30) : "cc");
	CHECK_EQ(di, TPR - 4);
	apic_write(APIC_TPR, 0);
	set_count(0);
}

/* Pushed from the device. */
static void pushed(void)
{
	ulong v;

	set_count(0x2222);
	asm volatile("pushw (%1); movzwl (%%rsp), %k0; add $2, %%rsp"
		     : "=r"(v) : "r"(COUNT) : "memory");
	/* A word of a dword register: one or the other, never a crash. */
	CHECK(v == 0x2222 || v == 0 || v == 0xffff);
	set_count(0);
}

/* From ring 3, through a page that allows it. */
CODE(c_user, "mov (%rdi), %eax\n mov $0x4321, %ecx\n mov %ecx, (%rdi)\n"
	     "mov (%rdi), %ebx\n lock; incl (%rdi)\n mov (%rdi), %edx\n" STOP);

static void from_ring3(void)
{
	struct regs r;

	map(LAB, APIC_MMIO, PTE_ALL | PTE_PCD);
	invlpg(LAB);
	set_count(0x99);
	regs_init(&r, c_user, 3);
	r.rdi = LAB + APIC_TIMER_INITIAL;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(r.rax, 0x99);
	CHECK_EQ(r.rbx, 0x4321);
	CHECK_EQ(r.rdx, 0x4322);
	/* Rights count as in memory. */
	map(LAB, APIC_MMIO, PTE_P | PTE_U);
	invlpg(LAB);
	regs_init(&r, c_user, 3);
	r.rdi = LAB + APIC_TIMER_INITIAL;
	run(&r);
	CHECK_PF(r, PF_P | PF_W | PF_U, LAB + APIC_TIMER_INITIAL);
	CHECK_EQ(r.rip, user(c_user) + 7);
	/* A page that was RAM becomes a device, and back. */
	for (unsigned i = 0; i < 20; i++) {
		map_new(LAB);
		*(volatile u32 *)(LAB + APIC_TIMER_INITIAL) = 5;
		CHECK_EQ(*(volatile u32 *)(LAB + APIC_TIMER_INITIAL), 5);
		map(LAB, APIC_MMIO, PTE_ALL);
		invlpg(LAB);
		set_count(i);
		CHECK_EQ(*(volatile u32 *)(LAB + APIC_TIMER_INITIAL), i);
	}
	set_count(0);
}

/* The I/O APIC: two registers, index and window. */
static void ioapic(void)
{
	u32 version = ioapic_read(1);

	CHECK_EQ(version >> 16 & 0xff, 23);
	ioapic_write(0x10 + 2 * 5, LVT_MASKED | 0x33);
	CHECK_EQ(ioapic_read(0x10 + 2 * 5), LVT_MASKED | 0x33);
	ioapic_write(0x11 + 2 * 5, 0x01000000);
	CHECK_EQ(ioapic_read(0x11 + 2 * 5), 0x01000000);
	asm volatile("movl %1, (%0); orl $0x44, 0x10(%0)"
		     :: "r"(IOAPIC_MMIO), "r"(0x10 + 2 * 5) : "memory");
	CHECK_EQ(ioapic_read(0x10 + 2 * 5), LVT_MASKED | 0x77);
	ioapic_write(0x10 + 2 * 5, LVT_MASKED);
	ioapic_write(0x11 + 2 * 5, 0);
}

/* Where nothing is, all bits read as one, in every size; writes vanish. */
static void hole(void)
{
	u8 b;
	u16 w;
	u32 d;
	u64 q;
	u64 x[2], y[4];

	asm volatile("movb (%1), %0" : "=q"(b) : "r"(HOLE));
	asm volatile("movw (%1), %0" : "=r"(w) : "r"(HOLE));
	asm volatile("movl (%1), %0" : "=r"(d) : "r"(HOLE));
	asm volatile("movq (%1), %0" : "=r"(q) : "r"(HOLE));
	asm volatile("movups (%1), %%xmm0; movups %%xmm0, %0"
		     : "=m"(x) : "r"(HOLE));
	CHECK_EQ(b, 0xff);
	CHECK_EQ(w, 0xffff);
	CHECK_EQ(d, 0xffffffff);
	CHECK_EQ(q, ~0ull);
	CHECK_EQ(x[0] & x[1], ~0ull);
	if (has(F_XSAVE) && has(F_AVX)) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		xsetbv(0, 7);
		asm volatile("vmovups (%1), %%ymm0; vmovups %%ymm0, %0"
			     : "=m"(y) : "r"(HOLE));
		CHECK_EQ(y[0] & y[1] & y[2] & y[3], ~0ull);
	}
	/* Unaligned, and across its pages. */
	asm volatile("movq (%1), %0" : "=r"(q) : "r"(HOLE + 0xffb));
	CHECK_EQ(q, ~0ull);
	asm volatile("movq %0, (%1); movl %k0, 3(%1); movups %%xmm0, 16(%1);"
		     "lock; incl (%1); xchg %0, (%1)"
		     : "+r"(q) : "r"(HOLE) : "memory");
	asm volatile("movl (%1), %0" : "=r"(d) : "r"(HOLE));
	CHECK_EQ(d, 0xffffffff);
	{
		static u32 words[16];
		ulong si = HOLE + 2, di = (ulong)words, c = sizeof(words);

		asm volatile("rep movsb" : "+S"(si), "+D"(di), "+c"(c)
			     :: "memory");
		for (unsigned i = 0; i < 16; i++)
			CHECK_EQ(words[i], ~0u);
	}
}

/* Code from there: FF FF is no instruction. */
static void fetched(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;

		context("ring %u", ring);
		map(LAB, HOLE, PTE_ALL);
		invlpg(LAB);
		regs_init(&r, NULL, ring);
		r.rip = LAB + 0x10;
		run(&r);
		CHECK_TRAP(r, V_UD, 0);
		CHECK_EQ(r.rip, LAB + 0x10);
	}
}

/* An operand of which one part is RAM and the other one is not. */
static void half_ram(void)
{
	u64 q;

	map_new(LAB);
	map(LAB + PAGE, HOLE, PTE_ALL);
	invlpg(LAB + PAGE);
	for (unsigned n = 1; n < 8; n++) {
		ulong va = LAB + PAGE - n;

		context("%u bytes of RAM", n);
		memset((void *)(LAB + PAGE - 8), 0, 8);
		asm volatile("movq (%1), %0" : "=r"(q) : "r"(va) : "memory");
		CHECK_EQ(q, ~0ull << 8 * n);
		asm volatile("movq %1, (%0)" ::
			     "r"(va), "r"(0x8877665544332211) : "memory");
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(*(volatile u8 *)(va + i), 0x11 * (i + 1));
	}
}

/* Ports in every size; DX and immediate forms. */
static void ports(void)
{
	u32 d;

	outb(0x21, 0xa5);
	CHECK_EQ(inb(0x21), 0xa5);
	asm volatile("outb %b0, $0x21" :: "a"(0x5a));
	asm volatile("xorl %%eax, %%eax; inb $0x21, %%al" : "=a"(d));
	CHECK_EQ(d, 0x5a);
	outb(0x21, 0xff);
	/* IN of 8 and 16 bits keeps the rest of RAX, 32 bits clear it. */
	{
		ulong a = 0x1122334455667788;

		asm volatile("inb $0x21, %%al" : "+a"(a));
		CHECK_EQ(a, 0x11223344556677ff);
		asm volatile("inw %w1, %%ax" : "+a"(a) : "d"(0x5555));
		CHECK_EQ(a >> 16, 0x112233445566);
		asm volatile("inl %w1, %%eax" : "+a"(a) : "d"(0x5555));
		CHECK_EQ(a >> 32, 0);
	}
	/* PCI's configuration address takes 32 bits, its data any size. */
	outl(0xcf8, 0x80000000);
	CHECK_EQ(inl(0xcf8), 0x80000000);
	d = inl(0xcfc);
	CHECK_EQ(inw(0xcfc), d & 0xffff);
	CHECK_EQ(inw(0xcfe), d >> 16);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(inb(0xcfc + i), d >> 8 * i & 0xff);
	outl(0xcf8, 0);
	CHECK_EQ(inl(0xcf8), 0);
}

static void absent_ports(void)
{
	CHECK_EQ(inb(0x5555), 0xff);
	CHECK_EQ(inw(0x5554), 0xffff);
	CHECK_EQ(inl(0x5554), 0xffffffff);
	CHECK_EQ(inl(0xfffc), 0xffffffff);
	outl(0x5554, 0);
}

/* INS and OUTS. */
CODE(c_insb, "rep insb\n" STOP);
CODE(c_insl, "rep insl\n" STOP);
CODE(c_outsb, "rep outsb\n" STOP);

static struct regs string_io(const u8 *code, u16 port, ulong at, ulong n,
			     ulong flags, int ring)
{
	struct regs r;

	regs_init(&r, code, ring);
	r.rdx = port;
	r.rdi = r.rsi = at;
	r.rcx = n;
	r.rflags |= flags;
	run(&r);
	return r;
}

static void string_ports(void)
{
	static u8 bytes[32];
	struct regs r;

	outb(0x21, 0x5a);
	r = string_io(c_insb, 0x21, (ulong)bytes, 7, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rcx, 0);
	CHECK_EQ(r.rdi, (ulong)bytes + 7);
	CHECK_EQ(((volatile u8 *)bytes)[6], 0x5a);
	CHECK_EQ(((volatile u8 *)bytes)[7], 0);
	/* Downwards. */
	outb(0x21, 0xa5);
	r = string_io(c_insb, 0x21, (ulong)bytes + 20, 3, FL_DF, 0);
	CHECK_EQ(r.rdi, (ulong)bytes + 17);
	CHECK_EQ(((volatile u8 *)bytes)[18], 0xa5);
	CHECK_EQ(((volatile u8 *)bytes)[17], 0);
	/* The last byte stays in the register. */
	bytes[0] = 1;
	bytes[1] = 2;
	bytes[2] = 0x3c;
	r = string_io(c_outsb, 0x21, (ulong)bytes, 3, 0, 0);
	CHECK_STOP(r);
	CHECK_EQ(r.rsi, (ulong)bytes + 3);
	CHECK_EQ(inb(0x21), 0x3c);
	/* Nothing at all. */
	r = string_io(c_insb, 0x21, LAB, 0, 0, 0);
	CHECK_STOP(r);
	outb(0x21, 0xff);
}

/*
 * INSB into a missing page: the port is not read for the byte that cannot be
 * stored. The PIT's latched count tells: its two bytes come one after the
 * other.
 */
static void ins_faults(void)
{
	struct regs r;

	map_new(LAB);
	*pt_entry(LAB + PAGE, 1) = 0;
	invlpg(LAB + PAGE);
	/* Channel 2 with its gate off: mode 0, count 0x1234 stands still. */
	outb(0x61, inb(0x61) & ~3);
	outb(0x43, 0xb0);
	outb(0x42, 0x34);
	outb(0x42, 0x12);
	outb(0x43, 0x80); /* latch */
	r = string_io(c_insb, 0x42, LAB + PAGE - 1, 2, 0, 0);
	CHECK_PF(r, PF_W, LAB + PAGE);
	CHECK_EQ(r.rcx, 1);
	CHECK_EQ(r.rdi, LAB + PAGE);
	CHECK_EQ(*(volatile u8 *)(LAB + PAGE - 1), 0x34);
	map_new(LAB + PAGE);
	r.rflags &= ~(ulong)FL_RF;
	run(&r);
	CHECK_STOP(r);
	CHECK_EQ(*(volatile u8 *)(LAB + PAGE), 0x12);
	CHECK_EQ(r.rcx, 0);
	/* A dword across the end of the page reads no port. */
	*pt_entry(LAB + PAGE, 1) = 0;
	invlpg(LAB + PAGE);
	r = string_io(c_insl, 0xcfc, LAB + PAGE - 2, 1, 0, 0);
	CHECK_PF(r, PF_W, LAB + PAGE);
	CHECK_EQ(r.rcx, 1);
	/* OUTSB: what was read before the fault has been written. */
	*(volatile u8 *)(LAB + PAGE - 1) = 0x66;
	r = string_io(c_outsb, 0x21, LAB + PAGE - 1, 2, 0, 0);
	CHECK_PF(r, 0, LAB + PAGE);
	CHECK_EQ(r.rcx, 1);
	CHECK_EQ(inb(0x21), 0x66);
	outb(0x21, 0xff);
}

/* Ring 3: by IOPL or by the TSS's bitmap. */
CODE(c_in8, "in %dx, %al\n" STOP);
CODE(c_in32, "in %dx, %eax\n" STOP);

static struct regs port_in(const u8 *code, u16 port, ulong flags)
{
	struct regs r;

	regs_init(&r, code, 3);
	r.rdx = port;
	r.rflags |= flags;
	run(&r);
	return r;
}

static void port_rights(void)
{
	CHECK_TRAP(port_in(c_in8, 0x21, 0), V_GP, 0);
	CHECK_STOP(port_in(c_in8, 0x21, FL_IOPL));
	tss.iomap[0x21 / 8] &= ~(1 << (0x21 & 7));
	CHECK_STOP(port_in(c_in8, 0x21, 0));
	CHECK_TRAP(port_in(c_in8, 0x20, 0), V_GP, 0);
	CHECK_TRAP(port_in(c_in32, 0x21, 0), V_GP, 0);
	tss.iomap[0xcfc / 8] = 0x0f;
	CHECK_STOP(port_in(c_in32, 0xcfc, 0));
	tss.iomap[0xcfc / 8] = 0x4f;
	CHECK_TRAP(port_in(c_in32, 0xcfc, 0), V_GP, 0);
	CHECK_STOP(port_in(c_in8, 0xcfc, 0));
	/* The last port, and a dword over the end of the bitmap. */
	tss.iomap[0xffff / 8] = 0;
	CHECK_STOP(port_in(c_in8, 0xffff, 0));
	tss.iomap[8192] = 0xff;
	CHECK_TRAP(port_in(c_in32, 0xfffe, 0), V_GP, 0);
	/* A bitmap beyond the TSS's limit grants nothing. */
	tss.iomap_base = sizeof(tss);
	CHECK_TRAP(port_in(c_in8, 0x21, 0), V_GP, 0);
}

const struct test tests[] = {
	{ "loads", loads },
	{ "compares", compares },
	{ "stores", stores },
	{ "results", results },
	{ "strings", strings },
	{ "pushed", pushed },
	{ "from ring 3", from_ring3 },
	{ "I/O APIC", ioapic },
	{ "nothing there", hole, "reads 0 (a PC's bus floats high)" },
	{ "code from there", fetched, "reads 0 (a PC's bus floats high)" },
	{ "half RAM, half nothing", half_ram,
	  "reads 0 (a PC's bus floats high)" },
	{ "ports", ports },
	{ "absent ports", absent_ports },
	{ "INS and OUTS", string_ports },
	{ "INS and OUTS fault", ins_faults },
	{ "rights to ports", port_rights },
	{ NULL },
};
