/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apic_bus.c - routes interrupt messages to local APICs, and the processors'
 * accesses to the local APIC each of them has.
 *
 * References: SDM 3A 10.6.2 "Determining IPI Destination", 10.11 "Message
 * Signalled Interrupts", 10.12.10 "Determining IPI Destination in x2APIC
 * Mode".
 */
#include "dev/apic_bus.h"

#include "base/trace.h"
#include "dev/lapic.h"
#include "vm/vcpu.h"
#include "x86/regs.h"

/*
 * Lowest priority: the processor that does the least urgent thing. Among
 * equals the vector decides, so that an interrupt stays with a processor and
 * different ones spread.
 */
static bool send_lowest(struct apic_bus *b, const struct apic_msg *m)
{
	struct lapic *equal[APIC_BUS_CPUS];
	unsigned n = 0;
	u8 best = 0xff;

	for (unsigned i = 0; i < b->count; i++) {
		struct lapic *l = b->cpu[i];
		u8 priority;

		if (!lapic_is_software_enabled(l) || !lapic_matches(l, m))
			continue;
		priority = lapic_ppr(l) & 0xf0;
		if (priority < best || !n)
			n = 0;
		else if (priority > best)
			continue;
		best = priority;
		equal[n++] = l;
	}
	return n && lapic_accept(equal[m->vector % n], m);
}

bool apic_bus_send(void *bus, const struct apic_msg *m)
{
	struct apic_bus *b = bus;
	bool accepted = false;

	if (m->mode == APIC_LOWEST)
		return send_lowest(b, m);
	/* The commonest, without a search. */
	if (!m->logical && m->dest < b->count)
		return lapic_accept(b->cpu[m->dest], m);
	for (unsigned i = 0; i < b->count; i++)
		if (lapic_matches(b->cpu[i], m))
			accepted |= lapic_accept(b->cpu[i], m);
	return accepted;
}

bool apic_bus_send_ipi(struct apic_bus *b, struct lapic *from,
		       enum apic_shorthand to, const struct apic_msg *m)
{
	bool accepted = false;

	switch (to) {
	case APIC_TO_DEST:
		return apic_bus_send(b, m);
	case APIC_TO_SELF:
		return lapic_accept(from, m);
	case APIC_TO_ALL:
	case APIC_TO_OTHERS:
		for (unsigned i = 0; i < b->count; i++)
			if (to == APIC_TO_ALL || b->cpu[i] != from)
				accepted |= lapic_accept(b->cpu[i], m);
		break;
	}
	return accepted;
}

#define MSI_WINDOW 0xfee00000ull
#define MSI_WINDOW_MASK 0xfffffffffff00000ull
#define MSI_DEST(addr) ((u32)((addr) >> 12 & 0xff))
#define MSI_REDIRECTION BIT(3) /* "lowest priority", if logical */
#define MSI_LOGICAL BIT(2)

void apic_bus_msi(void *bus, u64 addr, u32 data)
{
	struct apic_msg m = {
		.dest = MSI_DEST(addr),
		/* Without the redirection hint the mode bit does not count. */
		.logical = (addr & MSI_REDIRECTION) && (addr & MSI_LOGICAL),
		.mode = data >> 8 & 7,
		.vector = (u8)data,
		.level = data >> 15 & 1,
	};

	/* GUEST: devices write wherever they were told to. */
	if ((addr & MSI_WINDOW_MASK) != MSI_WINDOW)
		return;
	if (m.mode == APIC_STARTUP || m.mode == APIC_EXTINT ||
	    m.mode == APIC_RESERVED)
		return;
	if (!m.logical && m.dest == 0xff)
		m.dest = APIC_BROADCAST;
	apic_bus_send(bus, &m);
}

/* --- accesses of processors --- */

static struct lapic *lapic_of(struct apic_bus *b, const struct vcpu *v)
{
	return v->index < b->count ? b->cpu[v->index] : NULL;
}

static u64 page_read(void *dev, struct vcpu *v, u64 offset, unsigned bytes)
{
	struct lapic *l = lapic_of(dev, v);
	u64 value = l ? lapic_mmio_read(l, offset) : ~0ull;

	return bytes >= 8 ? value : value & (BIT64(bytes * 8) - 1);
}

static void page_write(void *dev, struct vcpu *v, u64 offset, u64 value,
		       unsigned bytes)
{
	struct lapic *l = lapic_of(dev, v);

	if (l)
		lapic_mmio_write(l, offset, (u32)value);
}

static bool msr_read(void *dev, struct vcpu *v, u32 msr, u64 *value)
{
	struct lapic *l = lapic_of(dev, v);

	return l && lapic_msr_read(l, msr, value);
}

static bool msr_write(void *dev, struct vcpu *v, u32 msr, u64 value)
{
	struct lapic *l = lapic_of(dev, v);

	return l && lapic_msr_write(l, msr, value);
}

void apic_bus_add(struct apic_bus *b, struct lapic *l)
{
	BUG_ON(b->count >= APIC_BUS_CPUS || l->w.id != b->count);
	b->cpu[b->count++] = l;
}

void apic_bus_init(struct apic_bus *b, const struct apic_bus_wiring *w)
{
	static const struct {
		u32 first, last;
	} msr_tab[] = {
		{ MSR_IA32_APIC_BASE, MSR_IA32_APIC_BASE },
		{ MSR_IA32_TSC_DEADLINE, MSR_IA32_TSC_DEADLINE },
		{ MSR_X2APIC_FIRST, MSR_X2APIC_LAST },
	};

	b->w = *w;
	b->count = 0;
	b->page = (struct own_range){ .first = w->base,
				      .bytes = PAGE_SIZE,
				      .read = page_read,
				      .write = page_write,
				      .dev = b };
	for (unsigned i = 0; i < ARRAY_SIZE(msr_tab); i++)
		b->msrs[i] = (struct msr_range){ .first = msr_tab[i].first,
						 .last = msr_tab[i].last,
						 .own = true,
						 .read = msr_read,
						 .write = msr_write,
						 .dev = b };
}
