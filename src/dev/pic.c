/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pic.c - two 8259A interrupt controllers, the second cascaded on input 2 of
 * the first, with the PIIX's edge/level control registers.
 *
 * References: Intel 8259A datasheet; 82371AB (PIIX4) datasheet, "Interrupt
 * Controller Registers".
 *
 * DEVIATES: an edge stays latched if its line falls before INTA; silicon
 * would answer with the spurious vector. LTIM of ICW1 and MCS-80 mode do not
 * exist, as in the PIIX.
 */
#include "dev/pic.h"

#include "base/err.h"
#include "base/trace.h"
#include "dev/isa8.h"

#define MASTER 0
#define SLAVE 1
#define CASCADE 2
#define SPURIOUS 7

#define ICW1_ICW4 0x01
#define ICW1_SINGLE 0x02
#define ICW1_INIT 0x10
#define ICW4_AUTO_EOI 0x02
#define ICW4_SPECIAL_NESTED 0x10

#define OCW3 0x08
#define OCW3_READ 0x02
#define OCW3_READ_ISR 0x01
#define OCW3_POLL 0x04
#define OCW3_SMM 0x20
#define OCW3_SET_SMM 0x40

/* Inputs whose trigger mode the board fixes to edge. */
#define ELCR_MASTER_MASK 0xf8
#define ELCR_SLAVE_MASK 0xde

#define NO_INPUT 8

/* Requests as IRR shows them: latched edges and the levels themselves. */
static u8 requests(const struct pic_chip *c)
{
	return (c->irr & ~c->elcr) | (c->lines & c->elcr);
}

/* How many steps below the highest priority the best of @inputs is; 8 if
 * there is none. */
static unsigned best_rank(const struct pic_chip *c, u8 inputs)
{
	unsigned rank;

	for (rank = 0; rank < 8; rank++)
		if (inputs >> ((c->lowest + 1 + rank) & 7) & 1)
			break;
	return rank;
}

/* The input to be served now, or NO_INPUT. */
static unsigned pending(const struct pic_chip *c, bool master)
{
	u8 wanted = requests(c) & ~c->imr;
	u8 served = c->isr;
	unsigned rank = best_rank(c, wanted);

	if (c->init_step)
		return NO_INPUT;
	/* In special mask mode a masked input blocks nothing. */
	if (c->special_mask)
		served &= ~c->imr;
	/* The slave sorts out its own priorities: a better input of it gets
	 * through while another is being served. */
	if (c->special_nested && master)
		served &= ~BIT(CASCADE);
	if (rank >= best_rank(c, served))
		return NO_INPUT;
	return (c->lowest + 1 + rank) & 7;
}

static void update(struct pic *p)
{
	struct pic_chip *m = &p->chip[MASTER];
	bool cascade = pending(&p->chip[SLAVE], false) != NO_INPUT;

	if (cascade && !(m->lines & BIT(CASCADE)))
		m->irr |= BIT(CASCADE);
	if (!cascade)
		m->irr &= ~BIT(CASCADE);
	m->lines = cascade ? m->lines | BIT(CASCADE) : m->lines & ~BIT(CASCADE);
	irq_set(&p->w.intr, pending(m, true) != NO_INPUT);
}

void pic_set(void *pic, unsigned irq, bool level)
{
	struct pic *p = pic;
	struct pic_chip *c = &p->chip[irq >> 3 & 1];
	u8 bit = (u8)BIT(irq & 7);

	if (irq == CASCADE || irq > 15 || level == !!(c->lines & bit))
		return;
	TRACE(PIC, "irq %u %s", irq, level ? "up" : "down");
	c->lines ^= bit;
	if (level)
		c->irr |= bit;
	update(p);
}

/* One chip's INTA. */
static unsigned acknowledge(struct pic_chip *c, bool master)
{
	unsigned n = pending(c, master);

	if (n == NO_INPUT)
		return NO_INPUT;
	c->irr &= ~BIT(n);
	if (!c->auto_eoi)
		c->isr |= BIT(n);
	else if (c->rotate_on_aeoi)
		c->lowest = (u8)n;
	return n;
}

int pic_ack(void *pic)
{
	struct pic *p = pic;
	unsigned n = acknowledge(&p->chip[MASTER], true), base;

	base = p->chip[MASTER].base;
	if (n == CASCADE) {
		n = acknowledge(&p->chip[SLAVE], false);
		base = p->chip[SLAVE].base;
		/* A slave with several requests asks again right away: the
		 * cascade input must see another edge. */
		p->chip[MASTER].lines &= ~BIT(CASCADE);
	}
	if (n == NO_INPUT)
		n = SPURIOUS;
	update(p);
	TRACE(PIC, "ack: vector %02x", base + n);
	return (int)(base + n);
}

static void write_icw1(struct pic_chip *c, u8 v)
{
	c->irr = 0;
	c->imr = 0;
	c->isr = 0;
	c->lowest = 7;
	c->special_mask = c->special_nested = false;
	c->auto_eoi = c->rotate_on_aeoi = false;
	c->poll = c->read_isr = false;
	c->single = v & ICW1_SINGLE;
	c->wants_icw4 = v & ICW1_ICW4;
	c->init_step = 2;
}

/* ICW2 to ICW4, in that order, as many as ICW1 has announced. */
static void write_icw(struct pic_chip *c, u8 v)
{
	switch (c->init_step) {
	case 2:
		c->base = v & 0xf8;
		c->init_step = !c->single ? 3 : c->wants_icw4 ? 4 : 0;
		break;
	case 3: /* how the cascade is wired: the board knows */
		c->init_step = c->wants_icw4 ? 4 : 0;
		break;
	default:
		c->auto_eoi = v & ICW4_AUTO_EOI;
		c->special_nested = v & ICW4_SPECIAL_NESTED;
		c->init_step = 0;
	}
}

/* Ends the service of input @n, and makes it the lowest if asked. */
static void end_of_interrupt(struct pic_chip *c, unsigned n, bool rotate)
{
	c->isr &= ~BIT(n);
	if (rotate)
		c->lowest = (u8)n;
}

static void write_ocw2(struct pic_chip *c, u8 v)
{
	u8 served = c->special_mask ? c->isr & ~c->imr : c->isr;
	unsigned rank = best_rank(c, served);

	switch (v >> 5) { /* R, SL, EOI */
	case 0:
		c->rotate_on_aeoi = false;
		break;
	case 1:
	case 5:
		if (rank < 8)
			end_of_interrupt(c, (c->lowest + 1 + rank) & 7,
					 v >> 7);
		break;
	case 3:
	case 7:
		end_of_interrupt(c, v & 7, v >> 7);
		break;
	case 4:
		c->rotate_on_aeoi = true;
		break;
	case 6:
		c->lowest = v & 7;
		break;
	}
}

static void write_ocw3(struct pic_chip *c, u8 v)
{
	if (v & OCW3_POLL)
		c->poll = true;
	if (v & OCW3_READ)
		c->read_isr = v & OCW3_READ_ISR;
	if (v & OCW3_SET_SMM)
		c->special_mask = v & OCW3_SMM;
}

static void chip_write(struct pic *p, unsigned which, u64 offset, u8 v)
{
	struct pic_chip *c = &p->chip[which];

	TRACE(PIC, "%s %u <- %02x", which ? "slave" : "master",
	      (unsigned)offset, v);
	if (offset && c->init_step)
		write_icw(c, v);
	else if (offset)
		c->imr = v;
	else if (v & ICW1_INIT)
		write_icw1(c, v);
	else if (v & OCW3)
		write_ocw3(c, v);
	else
		write_ocw2(c, v);
	update(p);
}

static u8 chip_read(struct pic *p, unsigned which, u64 offset)
{
	struct pic_chip *c = &p->chip[which];
	unsigned n;

	if (c->poll) {
		/* Reading takes the place of INTA. */
		c->poll = false;
		n = acknowledge(c, which == MASTER);
		update(p);
		return n == NO_INPUT ? 0 : (u8)(0x80 | n);
	}
	if (offset)
		return c->imr;
	return c->read_isr ? c->isr : requests(c);
}

static u8 master_read(void *dev, u64 offset)
{
	return chip_read(dev, MASTER, offset);
}

static u8 slave_read(void *dev, u64 offset)
{
	return chip_read(dev, SLAVE, offset);
}

static void master_write(void *dev, u64 offset, u8 v)
{
	chip_write(dev, MASTER, offset, v);
}

static void slave_write(void *dev, u64 offset, u8 v)
{
	chip_write(dev, SLAVE, offset, v);
}

static u8 elcr_read(void *dev, u64 offset)
{
	struct pic *p = dev;

	return p->chip[offset & 1].elcr;
}

static void elcr_write(void *dev, u64 offset, u8 v)
{
	struct pic *p = dev;

	p->chip[offset & 1].elcr =
		v & (offset & 1 ? ELCR_SLAVE_MASK : ELCR_MASTER_MASK);
	update(p);
}

/* The bus functions of one of the three register blocks. */
#define BLOCK_OPS(block)                                                  \
	static u64 block##_bus_read(void *dev, u64 offset, unsigned bytes) \
	{                                                                 \
		return isa8_read(dev, offset, bytes, block##_read);       \
	}                                                                 \
	static void block##_bus_write(void *dev, u64 offset, u64 v,       \
				      unsigned bytes)                     \
	{                                                                 \
		isa8_write(dev, offset, v, bytes, block##_write);         \
	}                                                                 \
	static const struct bus_ops block##_ops = { block##_bus_read,     \
						    block##_bus_write };
BLOCK_OPS(master)
BLOCK_OPS(slave)
BLOCK_OPS(elcr)

static void pic_reset(struct device *d)
{
	struct pic *p = container_of(d, struct pic, dev);

	for (unsigned i = 0; i < 2; i++) {
		/* The lines are the other devices'; they stay as they are.
		 * Silicon is undefined until ICW1; quiet is kinder. */
		p->chip[i] = (struct pic_chip){ .lines = p->chip[i].lines,
						.imr = 0xff,
						.lowest = 7 };
	}
	update(p);
}

static int pic_loaded(struct device *d)
{
	struct pic *p = container_of(d, struct pic, dev);

	for (unsigned i = 0; i < 2; i++) {
		struct pic_chip *c = &p->chip[i];

		if (c->lowest > 7 || (c->base & 7) || c->init_step == 1 ||
		    c->init_step > 4)
			return -EINVAL;
		if (c->elcr & ~(i ? ELCR_SLAVE_MASK : ELCR_MASTER_MASK))
			return -EINVAL;
	}
	update(p);
	return 0;
}

void pic_init(struct pic *p, const struct pic_wiring *w)
{
	p->w = *w;
	p->range[0] = (struct bus_range){ .first = w->master_port,
					  .bytes = 2,
					  .ops = &master_ops,
					  .dev = p,
					  .name = "pic0" };
	p->range[1] = (struct bus_range){ .first = w->slave_port,
					  .bytes = 2,
					  .ops = &slave_ops,
					  .dev = p,
					  .name = "pic1" };
	p->range[2] = (struct bus_range){ .first = w->elcr_port,
					  .bytes = 2,
					  .ops = &elcr_ops,
					  .dev = p,
					  .name = "elcr" };
	for (unsigned i = 0; i < ARRAY_SIZE(p->range); i++)
		bus_add(w->pio, &p->range[i]);
	p->chip[0].lines = p->chip[1].lines = 0;
	pic_reset(&p->dev);
}

static const struct field pic_fields[] = {
	FIELD_STRUCTS(struct pic, chip, lines, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, irr, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, imr, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, isr, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, elcr, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, base, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, lowest, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, init_step, FIELD_U8, 1),
	FIELD_STRUCTS(struct pic, chip, wants_icw4, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, single, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, auto_eoi, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, rotate_on_aeoi, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, special_mask, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, special_nested, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, poll, FIELD_BOOL, 1),
	FIELD_STRUCTS(struct pic, chip, read_isr, FIELD_BOOL, 1),
	FIELD_END,
};

const struct device_class pic_class = {
	.name = "pic",
	.version = 1,
	.bytes = sizeof(struct pic),
	.fields = pic_fields,
	.reset = pic_reset,
	.loaded = pic_loaded,
};
