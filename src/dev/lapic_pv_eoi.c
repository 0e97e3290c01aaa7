/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lapic_pv_eoi.c - KVM's paravirtual end of interrupt: a bit in guest memory
 * instead of a write to the EOI register.
 *
 * When an interrupt is delivered of whose end nobody has to hear at once (it is
 * an edge, and nothing else waits), the bit is set. The guest's handler finds
 * and clears it, and that was the EOI. Before the APIC's processor looks at
 * what is in service the next time, it settles: the bit is clear, so the
 * interrupt has ended; or it is still set, then it is taken back and the guest
 * will write to the register after all.
 *
 * An interrupt that arrives meanwhile always requests the processor to look
 * (lapic.h), so nothing is held back by an end that was not noticed.
 *
 * Guest and monitor use the bit in turn on the same thread. GUEST: whoever else
 * writes it ends interrupts of his own machine.
 *
 * Reference: Linux, Documentation/virt/kvm/x86/msr.rst, "MSR_KVM_EOI_EN".
 */
#include "dev/lapic_impl.h"

#define ENABLE 1ull
#define RESERVED 2ull /* the address is a multiple of 4 */
#define NO_EOI_NEEDED 1

static u8 *flag(const struct lapic *l)
{
	if (!(l->pv_eoi_msr & ENABLE))
		return NULL;
	return gmem_hva(l->w.mem, l->pv_eoi_msr & ~ENABLE, 4);
}

static void put(struct lapic *l, u8 *p, u8 v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
	gmem_written(l->w.mem, l->pv_eoi_msr & ~ENABLE, 1);
}

void lapic_pv_eoi_offer(struct lapic *l)
{
	u8 *p = flag(l);

	if (!p)
		return;
	put(l, p, NO_EOI_NEEDED);
	l->pv_eoi_offered = true;
}

bool lapic_pv_eoi_taken(struct lapic *l)
{
	u8 *p;

	if (!l->pv_eoi_offered)
		return false;
	l->pv_eoi_offered = false;
	p = flag(l);
	if (!p)
		return false;
	if (!(__atomic_load_n(p, __ATOMIC_RELAXED) & NO_EOI_NEEDED))
		return true;
	put(l, p, 0);
	return false;
}

bool lapic_set_pv_eoi(struct lapic *l, u64 v)
{
	if ((v & RESERVED) ||
	    ((v & ENABLE) && !gmem_hva(l->w.mem, v & ~ENABLE, 4)))
		return false;
	lapic_update(l); /* settles */
	l->pv_eoi_msr = v;
	return true;
}
