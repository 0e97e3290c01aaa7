/* SPDX-License-Identifier: Apache-2.0 */
/* pic_test.c - the 8259 pair: priorities, ends of interrupt, cascade, modes. */
#include "dev/pic.h"
#include "rig.h"
#include "../tap.h"

#define INTR 0

static struct rig rig;
static struct pic pic;

static void icw(u16 port, u8 icw1, u8 base, u8 icw3, u8 icw4)
{
	outb(&rig, port, icw1);
	outb(&rig, port + 1, base);
	outb(&rig, port + 1, icw3);
	if (icw1 & 1)
		outb(&rig, port + 1, icw4);
}

static void start_with(u8 icw4)
{
	const struct pic_wiring w = { .pio = &rig.pio,
				      .master_port = 0x20,
				      .slave_port = 0xa0,
				      .elcr_port = 0x4d0,
				      .intr = rig_line(&rig, INTR) };

	rig_init(&rig);
	memset(&pic, 0, sizeof(pic));
	rig_name(&pic.dev, &pic_class);
	pic_init(&pic, &w);
	icw(0x20, 0x11, 0x30, 0x04, icw4);
	icw(0xa0, 0x11, 0x38, 0x02, icw4);
}

static void start(void)
{
	start_with(0x01);
}

static void pulse(unsigned irq)
{
	pic_set(&pic, irq, true);
	pic_set(&pic, irq, false);
}

static u8 read_isr(u16 port)
{
	outb(&rig, port, 0x0b);
	return inb(&rig, port);
}

static u8 read_irr(u16 port)
{
	outb(&rig, port, 0x0a);
	return inb(&rig, port);
}

static void basics(void)
{
	start();
	tap_check(!rig.line[INTR], "quiet");
	pulse(3);
	tap_check(rig.line[INTR], "an edge interrupts and stays");
	tap_equal(read_irr(0x20), 0x08, "IRR");
	tap_equal(pic_ack(&pic), 0x33, "vector");
	tap_check(!rig.line[INTR], "acknowledged");
	tap_equal(read_isr(0x20), 0x08, "ISR");
	tap_equal(read_irr(0x20), 0x00, "IRR cleared");
	pulse(5);
	tap_check(!rig.line[INTR], "lower priority waits");
	pulse(1);
	tap_check(rig.line[INTR], "higher priority nests");
	tap_equal(pic_ack(&pic), 0x31, "its vector");
	outb(&rig, 0x20, 0x20);
	tap_equal(read_isr(0x20), 0x08, "EOI ends the higher one");
	outb(&rig, 0x20, 0x63);
	tap_equal(read_isr(0x20), 0x00, "specific EOI");
	tap_equal(pic_ack(&pic), 0x35, "now the lower");
	outb(&rig, 0x20, 0x20);
	tap_equal(pic_ack(&pic), 0x37, "spurious");
	tap_equal(read_isr(0x20), 0x00, "leaves no trace");

	outb(&rig, 0x21, 0x08);
	tap_equal(inb(&rig, 0x21), 0x08, "mask reads back");
	pulse(3);
	tap_check(!rig.line[INTR], "masked");
	outb(&rig, 0x21, 0x00);
	tap_check(rig.line[INTR], "unmasked: it was latched");
	pic_set(&pic, 2, true);
	pic_set(&pic, 16, true);
	pic_set(&pic, 4711, true);
	tap_equal(pic_ack(&pic), 0x33, "inputs that are none do nothing");
}

static void cascade(void)
{
	start();
	pulse(12);
	tap_check(rig.line[INTR], "slave's edge");
	tap_equal(pic_ack(&pic), 0x3c, "slave's vector");
	tap_equal(read_isr(0x20), 0x04, "master serves the cascade");
	tap_equal(read_isr(0xa0), 0x10, "slave serves input 4");
	pulse(9);
	tap_check(!rig.line[INTR], "not special nested: waits");
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	tap_check(rig.line[INTR], "after both EOIs");
	tap_equal(pic_ack(&pic), 0x39, "vector");
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	pulse(8);
	pulse(15);
	tap_equal(pic_ack(&pic), 0x38, "both: 8 first");
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	tap_equal(pic_ack(&pic), 0x3f, "then 15");
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	tap_check(!rig.line[INTR], "done");
	pulse(10);
	outb(&rig, 0xa1, 0x04);
	tap_check(!rig.line[INTR], "masking at the slave withdraws it");

	start_with(0x11); /* special fully nested */
	pulse(12);
	pic_ack(&pic);
	pulse(9);
	tap_check(rig.line[INTR], "special nested: 9 interrupts 12");
	tap_equal(pic_ack(&pic), 0x39, "vector");
}

static void level(void)
{
	start();
	outw(&rig, 0x4d0, 0xffff);
	tap_equal(inw(&rig, 0x4d0), 0xdef8, "ELCR: fixed inputs stay edge");
	outw(&rig, 0x4d0, 0x0e00);
	pic_set(&pic, 10, true);
	tap_equal(pic_ack(&pic), 0x3a, "level");
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	tap_check(rig.line[INTR], "still up: again");
	tap_equal(pic_ack(&pic), 0x3a, "again");
	pic_set(&pic, 10, false);
	outb(&rig, 0xa0, 0x20);
	outb(&rig, 0x20, 0x20);
	tap_check(!rig.line[INTR], "down: over");
	pic_set(&pic, 10, true);
	pic_set(&pic, 10, false);
	tap_check(!rig.line[INTR], "a level is not latched");
}

static void rotation(void)
{
	start();
	pulse(2 + 1);
	pic_ack(&pic);
	outb(&rig, 0x20, 0xa0); /* rotate on EOI: 3 is lowest now */
	pulse(3);
	pulse(4);
	pulse(0);
	tap_equal(pic_ack(&pic), 0x34, "4 is highest after rotation");
	outb(&rig, 0x20, 0x20);
	tap_equal(pic_ack(&pic), 0x30, "then 0");
	outb(&rig, 0x20, 0x20);
	tap_equal(pic_ack(&pic), 0x33, "3 last");
	outb(&rig, 0x20, 0xe3); /* rotate on specific EOI */
	outb(&rig, 0x20, 0xc6); /* set priority: 6 is lowest */
	pulse(7);
	pulse(0);
	tap_equal(pic_ack(&pic), 0x37, "7 is highest after set priority");

	start_with(0x03); /* automatic EOI */
	pulse(1);
	tap_equal(pic_ack(&pic), 0x31, "auto EOI");
	tap_equal(read_isr(0x20), 0, "nothing in service");
	outb(&rig, 0x20, 0x80); /* rotate in it */
	pulse(1);
	pic_ack(&pic);
	pulse(1);
	pulse(5);
	tap_equal(pic_ack(&pic), 0x35, "rotated");
	outb(&rig, 0x20, 0x00);
	tap_equal(pic_ack(&pic), 0x31, "and the rest");
}

static void special(void)
{
	start();
	pulse(1);
	pic_ack(&pic);
	outb(&rig, 0x21, 0x02);
	pulse(6);
	tap_check(!rig.line[INTR], "in service blocks");
	outb(&rig, 0x20, 0x68); /* special mask mode */
	tap_check(rig.line[INTR], "special mask: masked blocks nothing");
	outb(&rig, 0x20, 0x48);
	tap_check(!rig.line[INTR], "off again");
	outb(&rig, 0x20, 0x61);
	outb(&rig, 0x20, 0x0c); /* poll */
	tap_equal(inb(&rig, 0x20), 0x86, "poll gives the input");
	tap_equal(read_isr(0x20), 0x40, "and serves it");
	outb(&rig, 0x20, 0x20);
	outb(&rig, 0x20, 0x0c);
	tap_equal(inb(&rig, 0x21), 0x00, "poll without request");

	pulse(3);
	outb(&rig, 0x20, 0x11);
	tap_check(!rig.line[INTR], "ICW1 forgets, and nothing until ready");
	outb(&rig, 0x21, 0x50);
	pulse(4);
	tap_check(!rig.line[INTR], "still in the sequence");
	outb(&rig, 0x21, 0x04);
	outb(&rig, 0x21, 0x01);
	tap_equal(pic_ack(&pic), 0x54, "new base");
}

static void saved(void)
{
	static struct pic other;
	struct rig rig2;
	const struct pic_wiring w = { &rig2.pio, 0x20, 0xa0, 0x4d0,
				      rig_line(&rig2, INTR) };

	start();
	outb(&rig, 0xa1, 0x12);
	pulse(11);
	rig_init(&rig2);
	rig_name(&other.dev, &pic_class);
	pic_init(&other, &w);
	tap_check(rig_copy(&pic.dev, &other.dev), "saved and loaded");
	tap_check(rig2.line[INTR], "the output follows");
	tap_equal(pic_ack(&other), 0x3b, "and so does the vector");
	tap_check(!rig_accepts(&other.dev, "chip.lowest", 8), "lowest refused");
	pic_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "chip.init_step", 5),
		  "step refused");
	pic_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "chip.elcr", 1), "ELCR refused");
	pic_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "chip.base", 1), "base refused");
}

int main(void)
{
	basics();
	cascade();
	level();
	rotation();
	special();
	saved();
	return tap_done();
}
