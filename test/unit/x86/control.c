/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - control and debug registers, reset, and the fast system calls
 * of both vendors. */
#include "world.h"

static struct world w;
static struct x86_fault f;
static unsigned change;

#define CR4_ALL                                                         \
	(CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE | CR4_OSXSAVE | \
	 CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_FSGSBASE)

static int cr0(u64 v)
{
	return x86_write_cr0(&w.s, &w.m, v, &change, &f);
}

static int cr3(u64 v)
{
	return x86_write_cr3(&w.s, &w.m, v, &change, &f);
}

static int cr4(u64 v)
{
	return x86_write_cr4(&w.s, &w.m, CR4_ALL, v, &change, &f);
}

static void gp(int r, const char *what)
{
	tap_check(r == -1 && is_fault(&f, X86_GP, 0), "#GP(0): %s", what);
}

static void test_cr0(void)
{
	world_protected(&w);
	gp(cr0(BIT64(32)), "upper half of CR0");
	gp(cr0(CR0_PG), "PG without PE");
	gp(cr0(CR0_PE | CR0_NW), "NW without CD");
	tap_check(!cr0(CR0_PE | CR0_TS | BIT64(6) | BIT64(28)) &&
			  w.s.cr0 == (CR0_PE | CR0_TS | CR0_ET),
		  "reserved bits are dropped, ET stays");
	tap_check(change == X86_CHANGE_MODE, "TS changes the mode");
	tap_check(!cr0(CR0_PE | CR0_TS | CR0_CD) && !change, "CD nothing");
	tap_check(!cr0(CR0_PE | CR0_TS | CR0_WP) &&
			  (change & X86_CHANGE_TLB_ALL),
		  "WP the translations");

	/* Into long mode. */
	world_protected(&w);
	w.s.efer = EFER_LME;
	gp(cr0(CR0_PE | CR0_PG), "long mode without PAE");
	w.s.cr4 = CR4_PAE;
	w.s.seg[X86_CS].attr |= SEG_L;
	gp(cr0(CR0_PE | CR0_PG), "long mode with CS.L already");
	w.s.seg[X86_CS].attr &= ~SEG_L;
	w.s.cr3 = W_PML4;
	tap_check(!cr0(CR0_PE | CR0_PG) && x86_is_long_mode(&w.s) &&
			  !x86_is_64bit(&w.s) &&
			  change == (X86_CHANGE_TLB_ALL | X86_CHANGE_MODE),
		  "long mode begins, in compatibility mode");
	tap_check(!cr0(CR0_PE) && !x86_is_long_mode(&w.s) &&
			  (w.s.efer & EFER_LME),
		  "and ends; LME stays");
	world_long(&w);
	gp(cr0(CR0_PE), "leaving from 64-bit mode");
	w.s.cr4 |= CR4_PCIDE;
	set_seg(&w, X86_CS, G_CODE32);
	gp(cr0(CR0_PE), "leaving with PCIDE");
	world_protected(&w);
	w.s.efer = EFER_LME;
	w.s.cr4 = CR4_PAE;
	w.s.intel = true;
	w.s.tr.attr = SEG_P | SYS_TSS16_BUSY;
	gp(cr0(CR0_PE | CR0_PG), "Intel: a 16-bit TSS");

	/* Into PAE paging. */
	world_protected(&w);
	w.s.cr4 = CR4_PAE;
	w.s.cr3 = W_PDPT;
	put64(&w, W_PDPT + 24, W_PD | PTE_P | PTE_W);
	gp(cr0(CR0_PE | CR0_PG), "reserved bits in a PDPTE");
	tap_check(!(w.s.cr0 & CR0_PG), "CR0 is as before");
	put64(&w, W_PDPT + 24, PTE_W);
	tap_check(!cr0(CR0_PE | CR0_PG), "which is not present: fine");
}

static void test_cr3(void)
{
	world_long(&w);
	tap_check(!cr3(0x5000) && w.s.cr3 == 0x5000 && change == X86_CHANGE_TLB,
		  "CR3");
	gp(cr3(0x5000 | CR3_NOFLUSH), "bit 63 without PCIDE");
	gp(cr3(BIT64(X86_PHYS_BITS)), "beyond MAXPHYADDR");
	w.s.cr4 |= CR4_PCIDE;
	tap_check(!cr3(0x5123 | CR3_NOFLUSH) && w.s.cr3 == 0x5123 && !change,
		  "bit 63 keeps translations and is not stored");
	gp(cr3(BIT64(62)), "bit 62");
	world_protected(&w);
	w.s.cr4 = CR4_PAE;
	w.s.cr0 |= CR0_PG;
	put64(&w, W_PDPT, PTE_P | BIT64(X86_PHYS_BITS));
	gp(cr3(W_PDPT), "a PDPTE beyond MAXPHYADDR");
	tap_check(!cr3(GiB(3)), "no memory there: for the walk to find out");
}

static void test_cr4(void)
{
	world_long(&w);
	gp(cr4(CR4_PAE | CR4_PKE), "a bit that is not shown");
	gp(cr4(CR4_PAE | BIT64(40)), "bit 40");
	gp(cr4(0), "clearing PAE in long mode");
	w.s.cr3 = 0x5001;
	gp(cr4(CR4_PAE | CR4_PCIDE), "PCIDE with a PCID in CR3");
	w.s.cr3 = 0x5000;
	tap_check(!cr4(CR4_PAE | CR4_PCIDE) && (change & X86_CHANGE_TLB_ALL),
		  "PCIDE");
	tap_check(!cr4(CR4_PAE | CR4_PCIDE | CR4_TSD) &&
			  change == X86_CHANGE_MODE,
		  "TSD is mode only");
	tap_check(!cr4(w.s.cr4 | CR4_SMAP) && (change & X86_CHANGE_TLB_ALL),
		  "SMAP flushes");
	tap_check(!cr4(w.s.cr4) && !change, "the same again: nothing");
	world_protected(&w);
	gp(cr4(CR4_PCIDE), "PCIDE outside long mode");

	world_long(&w);
	tap_check(x86_write_xcr0(&w.s, 7, 7, &f) && is_fault(&f, X86_UD, 0),
		  "XSETBV without OSXSAVE: #UD");
	w.s.cr4 |= CR4_OSXSAVE;
	tap_check(!x86_write_xcr0(&w.s, 7, 7, &f) && w.s.xcr0 == 7, "XCR0");
	gp(x86_write_xcr0(&w.s, 7, 6, &f), "XCR0 without x87");
	gp(x86_write_xcr0(&w.s, 7, 5, &f), "AVX without SSE");
	gp(x86_write_xcr0(&w.s, 3, 7, &f), "AVX where there is none");
	gp(x86_write_xcr0(&w.s, 7, 7 | BIT64(63), &f), "bit 63 of XCR0");
	world_user(&w, G_UCODE64);
	gp(x86_write_xcr0(&w.s, 7, 7, &f), "XSETBV at CPL 3");
}

static void test_dr(void)
{
	u64 v = 0;

	world_long(&w);
	tap_check(!x86_write_dr(&w.s, 2, 0x123456789abcdef0ull, &f) &&
			  !x86_read_dr(&w.s, 2, &v, &f) &&
			  v == 0x123456789abcdef0ull,
		  "DR2");
	tap_check(!x86_write_dr(&w.s, 7, 0xffffdfffull, &f) &&
			  w.s.dr7 == 0xffff07ff,
		  "DR7's fixed bits");
	tap_check(!x86_write_dr(&w.s, 6, 0, &f) && w.s.dr6 == DR6_INIT,
		  "DR6's fixed bits");
	tap_check(!x86_write_dr(&w.s, 4, 0xf, &f) &&
			  w.s.dr6 == (DR6_INIT | 0xf),
		  "DR4 is DR6");
	w.s.cr4 |= CR4_DE;
	tap_check(x86_read_dr(&w.s, 5, &v, &f) && is_fault(&f, X86_UD, 0),
		  "unless CR4.DE");
	gp(x86_write_dr(&w.s, 7, BIT64(32), &f), "upper half of DR7");
	w.s.dr7 |= DR7_GD;
	tap_check(x86_read_dr(&w.s, 0, &v, &f) && is_fault(&f, X86_DB, 0) &&
			  (w.s.dr6 & DR6_BD),
		  "general detect");
	world_user(&w, G_UCODE64);
	gp(x86_read_dr(&w.s, 0, &v, &f), "at CPL 3");
}

/* --- reset --- */

static void test_reset(void)
{
	world_long(&w);
	w.s.intel = true;
	w.s.pat = 5;
	w.s.lstar = 6;
	w.s.xsave[100] = 9;
	w.s.cr0 |= CR0_CD | CR0_NW;
	x86_state_reset(&w.s, true, false);
	tap_check(w.s.rip == 0xfff0 && w.s.seg[X86_CS].base == 0xffff0000 &&
			  w.s.seg[X86_CS].sel == 0xf000 &&
			  w.s.cr0 == (CR0_CD | CR0_NW | CR0_ET) &&
			  w.s.efer == 0 && w.s.rflags == 2 &&
			  w.s.activity == X86_WAIT_SIPI && x86_is_real(&w.s),
		  "INIT");
	tap_check(w.s.pat == 5 && w.s.lstar == 6 && w.s.xsave[100] == 9,
		  "INIT leaves MSRs and x87");
	x86_state_reset(&w.s, false, true);
	tap_check(w.s.pat == 0x0007040600070406ull && w.s.lstar == 0 &&
			  w.s.xsave[100] == 0 && w.s.intel &&
			  w.s.activity == X86_RUNNING && w.s.xcr0 == 1,
		  "power-up does not, but keeps the vendor");
	tap_check(w.s.xsave[24] == 0x80 && w.s.xsave[25] == 0x1f, "MXCSR");
}

/* --- system calls --- */

static void syscall_world(void)
{
	world_long(&w);
	w.s.intel = false;
	w.s.star = (u64)G_CODE64 << 32 | (u64)(G_UDATA - 8) << 48 | 0x1234;
	w.s.lstar = 0xffffffff81000000ull;
	w.s.cstar = 0xffffffff82000000ull;
	w.s.sfmask = FLAG_IF | FLAG_DF | FLAG_FIXED;
	world_user(&w, G_UCODE64);
	w.s.rflags = FLAG_FIXED | FLAG_IF | FLAG_CF | FLAG_RF;
}

static void ud(int r, const char *what)
{
	tap_check(r == -1 && is_fault(&f, X86_UD, 0), "#UD: %s", what);
}

static void test_syscall(void)
{
	syscall_world();
	tap_check(!x86_syscall(&w.s, 0x777, &f) && w.s.rip == w.s.lstar &&
			  w.s.gpr[X86_RCX] == 0x777 &&
			  w.s.gpr[X86_R11] == (FLAG_FIXED | FLAG_IF | 1) &&
			  w.s.rflags == (FLAG_FIXED | FLAG_CF) &&
			  x86_cpl(&w.s) == 0 && x86_is_64bit(&w.s) &&
			  w.s.seg[X86_CS].sel == G_CODE64 &&
			  w.s.seg[X86_SS].sel == G_CODE64 + 8,
		  "SYSCALL");
	w.s.gpr[X86_R11] = ~0ull;
	tap_check(!x86_sysret(&w.s, 8, &f) && w.s.rip == 0x777 &&
			  x86_cpl(&w.s) == 3 && x86_is_64bit(&w.s) &&
			  w.s.seg[X86_CS].sel == ((G_UDATA + 8) | 3) &&
			  w.s.seg[X86_SS].sel == G_UDATA,
		  "SYSRET");
	tap_equal(w.s.rflags, 0x3c7fd7ull, "flags without RF and VM");
	syscall_world();
	w.s.efer &= ~EFER_SCE;
	ud(x86_syscall(&w.s, 0, &f), "SYSCALL without SCE");
	ud(x86_sysret(&w.s, 8, &f), "SYSRET without SCE");
	syscall_world();
	gp(x86_sysret(&w.s, 8, &f), "SYSRET at CPL 3");

	syscall_world();
	set_seg(&w, X86_CS, G_UCODE32 | 3);
	tap_check(!x86_syscall(&w.s, 0x777, &f) && w.s.rip == w.s.cstar &&
			  x86_is_64bit(&w.s),
		  "AMD: SYSCALL from compatibility mode");
	tap_check(!x86_sysret(&w.s, 4, &f) && !x86_is_64bit(&w.s) &&
			  x86_cpl(&w.s) == 3 && w.s.rip == 0x777 &&
			  (w.s.seg[X86_CS].attr & SEG_DB),
		  "SYSRET back to it");
	ud(x86_sysenter(&w.s, &f), "AMD: SYSENTER in long mode");
	w.s.intel = true;
	ud(x86_syscall(&w.s, 0, &f), "Intel: SYSCALL from there");

	syscall_world();
	x86_syscall(&w.s, 0, &f);
	w.s.gpr[X86_RCX] = 1ull << 47;
	w.s.intel = true;
	gp(x86_sysret(&w.s, 8, &f), "Intel: SYSRET to a non-canonical RIP");
	tap_check(x86_cpl(&w.s) == 0, "at CPL 0");
	w.s.intel = false;
	tap_check(!x86_sysret(&w.s, 8, &f) && w.s.rip == 1ull << 47 &&
			  x86_cpl(&w.s) == 3,
		  "AMD: at CPL 3, later");
}

static void test_sysenter(void)
{
	world_protected(&w);
	world_user(&w, G_UCODE32);
	gp(x86_sysenter(&w.s, &f), "SYSENTER without a CS");
	w.s.sysenter_cs = G_CODE32;
	w.s.sysenter_esp = 0xffff800012345678ull;
	w.s.sysenter_eip = 0xffff800087654321ull;
	w.s.rflags |= FLAG_IF;
	tap_check(!x86_sysenter(&w.s, &f) && w.s.rip == 0x87654321 &&
			  w.s.gpr[X86_RSP] == 0x12345678 &&
			  x86_cpl(&w.s) == 0 && !(w.s.rflags & FLAG_IF) &&
			  w.s.seg[X86_SS].sel == G_CODE32 + 8,
		  "SYSENTER");
	w.s.gpr[X86_RDX] = 0x1000;
	w.s.gpr[X86_RCX] = 0x2000;
	tap_check(!x86_sysexit(&w.s, 4, &f) && w.s.rip == 0x1000 &&
			  w.s.gpr[X86_RSP] == 0x2000 && x86_cpl(&w.s) == 3 &&
			  w.s.seg[X86_CS].sel == ((G_CODE32 + 16) | 3) &&
			  w.s.seg[X86_SS].sel == ((G_CODE32 + 24) | 3),
		  "SYSEXIT");
	gp(x86_sysexit(&w.s, 4, &f), "SYSEXIT at CPL 3");

	world_long(&w);
	world_user(&w, G_UCODE32);
	w.s.intel = true;
	w.s.sysenter_cs = G_CODE64;
	w.s.sysenter_eip = 0xffff800087654321ull;
	tap_check(!x86_sysenter(&w.s, &f) && x86_is_64bit(&w.s) &&
			  w.s.rip == w.s.sysenter_eip,
		  "Intel: SYSENTER in long mode");
	w.s.gpr[X86_RDX] = 1ull << 47;
	gp(x86_sysexit(&w.s, 8, &f), "SYSEXIT to a non-canonical RIP");
	w.s.gpr[X86_RDX] = 0x1000;
	tap_check(!x86_sysexit(&w.s, 8, &f) && x86_is_64bit(&w.s) &&
			  w.s.seg[X86_CS].sel == ((G_CODE64 + 32) | 3) &&
			  w.s.seg[X86_SS].sel == ((G_CODE64 + 40) | 3),
		  "SYSEXIT to 64-bit code");
}

int main(void)
{
	world_init(&w);
	test_cr0();
	test_cr3();
	test_cr4();
	test_dr();
	test_reset();
	test_syscall();
	test_sysenter();
	free(w.ram);
	return tap_done();
}
