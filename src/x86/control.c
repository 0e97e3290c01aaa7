/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - writes to control and debug registers: what they accept, what
 * follows from them (long mode begins and ends here), and what the caller has
 * to flush.
 *
 * Nothing of the state changes when a write faults.
 *
 * SDM 3A 2.5 "Control Registers"; SDM 2B "MOV - Move to/from Control
 * Registers"; SDM 3A 9.8.5 "Initializing IA-32e Mode"; SDM 3B 17.2 "Debug
 * Registers"
 */
#include "x86/desc.h"
#include "x86/paging.h"
#include "x86/system.h"

#define CR0_WRITABLE                                                    \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | \
	 CR0_AM | CR0_NW | CR0_CD | CR0_PG)
/* Changes that make cached translations wrong. WP is here because they hold
 * the permission that WP decides about. */
#define CR0_TLB (CR0_PE | CR0_WP | CR0_PG)
#define CR0_MODE (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_AM | CR0_PG)

#define CR4_TLB (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP)
#define CR4_PDPTES (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP)

#define DR6_WRITABLE 0xe00full /* B0 to B3, BD, BS, BT */
#define DR7_RESERVED 0xd800ull
#define DR7_FIXED 0x400ull

int x86_check_pdptes(const struct x86_mem *m, u64 cr3, struct x86_fault *f)
{
	u64 e[4];

	if (!m->read_phys ||
	    !m->read_phys(m->ctx, cr3 & 0xffffffe0ull, e, sizeof(e)))
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		if ((e[i] & PTE_P) && (e[i] & X86_PDPTE_RSVD))
			return x86_gp(f);
	return 0;
}

static bool is_pae(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* Paging is being switched on with EFER.LME set, or off in long mode. */
static int switch_long_mode(const struct x86_state *s, u64 cr0, u64 *efer,
			    struct x86_fault *f)
{
	const struct x86_seg *tr = &s->tr;

	if (cr0 & CR0_PG) {
		if (!(s->efer & EFER_LME))
			return 0;
		if (!(s->cr4 & CR4_PAE) || (s->seg[X86_CS].attr & SEG_L))
			return x86_gp(f);
		if (s->intel && ((tr->attr & SEG_TYPE) == SYS_TSS16_AVAIL ||
				 (tr->attr & SEG_TYPE) == SYS_TSS16_BUSY))
			return x86_gp(f);
		*efer |= EFER_LMA;
		return 0;
	}
	if (x86_is_64bit(s) || (s->cr4 & CR4_PCIDE))
		return x86_gp(f);
	*efer &= ~EFER_LMA;
	return 0;
}

int x86_write_cr0(struct x86_state *s, const struct x86_mem *m, u64 v,
		  unsigned *change, struct x86_fault *f)
{
	u64 diff, efer = s->efer;

	*change = 0;
	if (v >> 32)
		return x86_gp(f);
	v = (v & CR0_WRITABLE) | CR0_ET;
	if ((v & CR0_PG) && !(v & CR0_PE))
		return x86_gp(f);
	if ((v & CR0_NW) && !(v & CR0_CD))
		return x86_gp(f);
	diff = v ^ s->cr0;
	if ((diff & CR0_PG) && switch_long_mode(s, v, &efer, f))
		return -1;
	if ((diff & (CR0_PG | CR0_CD | CR0_NW)) && is_pae(v, s->cr4, efer) &&
	    x86_check_pdptes(m, s->cr3, f))
		return -1;
	s->cr0 = v;
	s->efer = efer;
	if (diff & CR0_TLB)
		*change |= X86_CHANGE_TLB_ALL;
	if (diff & CR0_MODE)
		*change |= X86_CHANGE_MODE;
	return 0;
}

int x86_write_cr3(struct x86_state *s, const struct x86_mem *m, u64 v,
		  unsigned *change, struct x86_fault *f)
{
	bool keep = false;

	*change = 0;
	if (x86_is_long_mode(s)) {
		/* SDM 3A 4.10.4.1 "Operations that Invalidate TLBs and
		 * Paging-Structure Caches" */
		if (s->cr4 & CR4_PCIDE) {
			keep = v & CR3_NOFLUSH;
			v &= ~CR3_NOFLUSH;
		}
		if (v & ~X86_PHYS_MASK)
			return x86_gp(f);
	} else {
		v = (u32)v;
		if (is_pae(s->cr0, s->cr4, s->efer) &&
		    x86_check_pdptes(m, v, f))
			return -1;
	}
	s->cr3 = v;
	if (!keep)
		*change = X86_CHANGE_TLB;
	return 0;
}

int x86_write_cr4(struct x86_state *s, const struct x86_mem *m, u64 valid,
		  u64 v, unsigned *change, struct x86_fault *f)
{
	u64 diff = v ^ s->cr4;

	*change = 0;
	if (v & ~valid)
		return x86_gp(f);
	if (x86_is_long_mode(s)) {
		if (!(v & CR4_PAE))
			return x86_gp(f);
		if ((diff & v & CR4_PCIDE) && (s->cr3 & CR3_PCID_MASK))
			return x86_gp(f);
	} else if (v & CR4_PCIDE) {
		return x86_gp(f);
	}
	if ((diff & CR4_PDPTES) && is_pae(s->cr0, v, s->efer) &&
	    x86_check_pdptes(m, s->cr3, f))
		return -1;
	s->cr4 = v;
	if (diff & CR4_TLB)
		*change |= X86_CHANGE_TLB_ALL;
	if (diff)
		*change |= X86_CHANGE_MODE;
	return 0;
}

/* SDM 2B "XSETBV - Set Extended Control Register" */
int x86_write_xcr0(struct x86_state *s, u64 valid, u64 v, struct x86_fault *f)
{
	if (!(s->cr4 & CR4_OSXSAVE))
		return x86_fault_set(f, X86_UD);
	if (x86_cpl(s) || (v & ~valid) || !(v & XCR0_X87))
		return x86_gp(f);
	if ((v & XCR0_AVX) && !(v & XCR0_SSE))
		return x86_gp(f);
	s->xcr0 = v;
	return 0;
}

/* What both directions check; *@n becomes 6 or 7 for its aliases 4 and 5. */
static int check_dr(struct x86_state *s, unsigned *n, struct x86_fault *f)
{
	if (*n > 7)
		return x86_fault_set(f, X86_UD);
	if (*n == 4 || *n == 5) {
		if (s->cr4 & CR4_DE)
			return x86_fault_set(f, X86_UD);
		*n += 2;
	}
	if (x86_cpl(s))
		return x86_gp(f);
	if (s->dr7 & DR7_GD) {
		s->dr6 |= DR6_BD;
		return x86_fault_set(f, X86_DB);
	}
	return 0;
}

int x86_read_dr(struct x86_state *s, unsigned n, u64 *v, struct x86_fault *f)
{
	if (check_dr(s, &n, f))
		return -1;
	*v = n == 7 ? s->dr7 : n == 6 ? s->dr6 : s->dr[n];
	return 0;
}

int x86_write_dr(struct x86_state *s, unsigned n, u64 v, struct x86_fault *f)
{
	if (check_dr(s, &n, f))
		return -1;
	if (n >= 6 && v >> 32)
		return x86_gp(f);
	if (n == 7)
		s->dr7 = (v & ~DR7_RESERVED) | DR7_FIXED;
	else if (n == 6)
		s->dr6 = (v & DR6_WRITABLE) | DR6_INIT;
	else
		s->dr[n] = v;
	return 0;
}
