/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioapic.c - the 82093AA I/O APIC with 24 inputs, and the later EOI register
 * (version 0x20).
 *
 * A level-triggered input sends once, sets Remote IRR, and sends again after
 * the EOI if it is still up. An edge at a masked input is lost.
 *
 * References: Intel 82093AA datasheet, 3 "Registers"; ICH9 datasheet, "EOIR".
 *
 * DEVIATES: ExtINT entries send nothing: the PIC is wired to LINT0 alone.
 */
#include "dev/ioapic.h"

#include "base/err.h"
#include "base/trace.h"

#define IOREGSEL 0x00
#define IOWIN 0x10
#define IOEOI 0x40

#define REG_ID 0x00
#define REG_VERSION 0x01
#define REG_ARBITRATION 0x02
#define REG_REDIR 0x10

#define VERSION (0x20u | (IOAPIC_INPUTS - 1) << 16)

#define REDIR_VECTOR 0xffull
#define REDIR_MODE(e) ((e) >> 8 & 7)
#define REDIR_LOGICAL BIT64(11)
#define REDIR_REMOTE_IRR BIT64(14)
#define REDIR_LEVEL BIT64(15)
#define REDIR_MASKED BIT64(16)
#define REDIR_DEST(e) ((u32)((e) >> 56))
/* Read-only: delivery status (always idle here) and Remote IRR. */
#define REDIR_WRITABLE 0xff0000000001afffull

/* Sends input @n's message if everything is in place. */
static void service(struct ioapic *a, unsigned n)
{
	u64 e = a->redir[n];
	struct apic_msg m = {
		.dest = REDIR_DEST(e),
		.logical = e & REDIR_LOGICAL,
		.mode = REDIR_MODE(e),
		.vector = e & REDIR_VECTOR,
		.level = e & REDIR_LEVEL,
	};

	if (e & (REDIR_MASKED | REDIR_REMOTE_IRR))
		return;
	/* Eight bits say "everybody" by 0xff, in physical mode. */
	if (!m.logical && m.dest == 0xff)
		m.dest = APIC_BROADCAST;
	if (m.mode == APIC_EXTINT || m.mode == APIC_STARTUP ||
	    m.mode == APIC_RESERVED)
		return;
	TRACE(IOAPIC, "input %u: vector %02x mode %u to %s %x", n, m.vector,
	      m.mode, m.logical ? "logical" : "physical", m.dest);
	if (a->w.sink.send(a->w.sink.dev, &m) && m.level &&
	    (m.mode == APIC_FIXED || m.mode == APIC_LOWEST))
		a->redir[n] |= REDIR_REMOTE_IRR;
}

void ioapic_set(void *ioapic, unsigned gsi, bool level)
{
	struct ioapic *a = ioapic;

	if (gsi >= IOAPIC_INPUTS || level == (a->lines >> gsi & 1))
		return;
	a->lines ^= BIT(gsi);
	if (level)
		service(a, gsi);
}

/* Level inputs that are up and not in service send again. */
static void service_level(struct ioapic *a, unsigned n)
{
	if ((a->redir[n] & REDIR_LEVEL) && (a->lines >> n & 1))
		service(a, n);
}

void ioapic_eoi(void *ioapic, u8 vector)
{
	struct ioapic *a = ioapic;

	for (unsigned i = 0; i < IOAPIC_INPUTS; i++) {
		if ((a->redir[i] & REDIR_VECTOR) != vector ||
		    !(a->redir[i] & REDIR_REMOTE_IRR))
			continue;
		a->redir[i] &= ~REDIR_REMOTE_IRR;
		service_level(a, i);
	}
}

static u32 read_window(const struct ioapic *a)
{
	unsigned n = (a->select - REG_REDIR) / 2u;

	switch (a->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (u32)a->id << 24;
	case REG_VERSION:
		return VERSION;
	}
	if (a->select < REG_REDIR || n >= IOAPIC_INPUTS)
		return ~0u;
	return (u32)(a->redir[n] >> (a->select & 1 ? 32 : 0));
}

static void write_window(struct ioapic *a, u32 v)
{
	unsigned n = (a->select - REG_REDIR) / 2u;
	u64 e;

	TRACE(IOAPIC, "register %02x <- %08x", a->select, v);
	if (a->select == REG_ID)
		a->id = v >> 24 & 0xf;
	if (a->select < REG_REDIR || n >= IOAPIC_INPUTS)
		return;
	e = a->redir[n];
	if (a->select & 1)
		e = (u32)e | (u64)v << 32;
	else
		e = (e & ~0xffffffffull) | v;
	e = (e & REDIR_WRITABLE) | (a->redir[n] & REDIR_REMOTE_IRR);
	/* Edge mode knows no Remote IRR; systems clear it by this. */
	if (!(e & REDIR_LEVEL))
		e &= ~REDIR_REMOTE_IRR;
	a->redir[n] = e;
	service_level(a, n);
}

static u64 ioapic_read(void *dev, u64 offset, unsigned bytes)
{
	struct ioapic *a = dev;

	switch (offset) {
	case IOREGSEL:
		return a->select;
	case IOWIN:
		return read_window(a);
	}
	return 0;
}

static void ioapic_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	struct ioapic *a = dev;

	switch (offset) {
	case IOREGSEL:
		a->select = (u8)v;
		break;
	case IOWIN:
		write_window(a, (u32)v);
		break;
	case IOEOI:
		ioapic_eoi(a, (u8)v);
		break;
	}
}

static const struct bus_ops ioapic_ops = { ioapic_read, ioapic_write };

static void ioapic_reset(struct device *d)
{
	struct ioapic *a = container_of(d, struct ioapic, dev);

	/* The lines are the other devices'; they stay as they are. */
	a->id = a->select = 0;
	for (unsigned i = 0; i < IOAPIC_INPUTS; i++)
		a->redir[i] = REDIR_MASKED;
}

static int ioapic_loaded(struct device *d)
{
	struct ioapic *a = container_of(d, struct ioapic, dev);

	if (a->lines >> IOAPIC_INPUTS) {
		a->lines = 0; /* which a reset would leave as they are */
		return -EINVAL;
	}
	if (a->id > 15)
		return -EINVAL;
	for (unsigned i = 0; i < IOAPIC_INPUTS; i++) {
		u64 e = a->redir[i];

		if (e & ~(REDIR_WRITABLE | REDIR_REMOTE_IRR))
			return -EINVAL;
		if ((e & REDIR_REMOTE_IRR) && !(e & REDIR_LEVEL))
			return -EINVAL;
	}
	return 0;
}

void ioapic_init(struct ioapic *a, const struct ioapic_wiring *w)
{
	a->w = *w;
	a->lines = 0;
	a->range = (struct bus_range){ .first = w->base,
				       .bytes = 0x1000,
				       .ops = &ioapic_ops,
				       .dev = a,
				       .name = "ioapic" };
	bus_add(w->mmio, &a->range);
	ioapic_reset(&a->dev);
}

static const struct field ioapic_fields[] = {
	FIELD(struct ioapic, id, FIELD_U8, 1),
	FIELD(struct ioapic, select, FIELD_U8, 1),
	FIELD(struct ioapic, lines, FIELD_U32, 1),
	FIELD_ARRAY(struct ioapic, redir, FIELD_U64, 1),
	FIELD_END,
};

const struct device_class ioapic_class = {
	.name = "ioapic",
	.version = 1,
	.bytes = sizeof(struct ioapic),
	.fields = ioapic_fields,
	.reset = ioapic_reset,
	.loaded = ioapic_loaded,
};
