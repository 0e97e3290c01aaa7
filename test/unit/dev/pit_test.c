/* SPDX-License-Identifier: Apache-2.0 */
/* pit_test.c - the 8254: modes, latches, read-back, the speaker gate, drift. */
#include "dev/pit.h"
#include "rig.h"
#include "../tap.h"

#define IRQ 0
#define MS 1000000ull

static struct rig rig;
static struct pit pit;

static void start(void)
{
	const struct pit_wiring w = { .pio = &rig.pio,
				      .port = 0x40,
				      .speaker_port = 0x61,
				      .irq = rig_line(&rig, IRQ),
				      .clock = &rig.clock };

	rig_init(&rig);
	memset(&pit, 0, sizeof(pit));
	rig_name(&pit.dev, &pit_class);
	pit_init(&pit, &w);
}

static void program(unsigned ch, u8 mode, u16 count)
{
	outb(&rig, 0x43, (u8)(ch << 6 | 0x30 | mode << 1));
	outb(&rig, (u16)(0x40 + ch), (u8)count);
	outb(&rig, (u16)(0x40 + ch), (u8)(count >> 8));
}

static u16 latched(unsigned ch)
{
	u8 low;

	outb(&rig, 0x43, (u8)(ch << 6));
	low = inb(&rig, (u16)(0x40 + ch));
	return (u16)(low | inb(&rig, (u16)(0x40 + ch)) << 8);
}

static u8 status(unsigned ch)
{
	outb(&rig, 0x43, (u8)(0xe0 | 2 << ch));
	return inb(&rig, (u16)(0x40 + ch));
}

static void periodic(void)
{
	for (u8 mode = 2; mode <= 3; mode++) {
		start();
		program(0, mode, 11932); /* 100 Hz nearly */
		rig.rises[IRQ] = 0;
		rig_pass(&rig, 1000 * MS);
		tap_equal(rig.rises[IRQ], 99u, "ticks in a second");
		/* 1193182 / 11932 = 99.9985 Hz: 999985 in 10000 s. */
		rig.rises[IRQ] = 0;
		rig_pass(&rig, 10000000 * MS);
		tap_check(rig.rises[IRQ] >= 999984 && rig.rises[IRQ] <= 999986,
			  "mode %u: no drift in 10000 s: %u", mode,
			  rig.rises[IRQ]);
		rig.rises[IRQ] = 0;
		rig_stall(&rig, 5000 * MS);
		tap_equal(rig.rises[IRQ], 1u, "missed ticks are one");
		rig_pass(&rig, 100 * MS);
		tap_check(rig.rises[IRQ] >= 10 && rig.rises[IRQ] <= 12,
			  "then as before: %u", rig.rises[IRQ]);
	}
	start();
	program(0, 2, 1); /* illegal, and absurdly quick */
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 10 * MS);
	tap_check(rig.rises[IRQ] >= 900 && rig.rises[IRQ] <= 1001,
		  "callbacks are bounded: %u", rig.rises[IRQ]);
	program(0, 2, 0); /* 65536: 18.2 Hz */
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 10000 * MS);
	tap_equal(rig.rises[IRQ], 182u, "count 0 is 65536");
	/* A new count comes into force at the end of the period. */
	outb(&rig, 0x40, 0x00);
	outb(&rig, 0x40, 0x10);
	tap_check(latched(0) > 0x1000, "old period goes on");
	tap_equal(status(0) & 0x40, 0x40, "null count");
	rig_pass(&rig, 55 * MS);
	tap_check(latched(0) <= 0x1000, "new period");
	tap_equal(status(0) & 0x40, 0, "count is loaded");
}

static void one_shot(void)
{
	start();
	program(0, 0, 1193);
	tap_check(!rig.line[IRQ], "mode 0: low");
	tap_equal(status(0), 0x30, "status: low, word, mode 0");
	rig_pass(&rig, MS - 2000);
	tap_check(!rig.line[IRQ], "still low");
	rig_pass(&rig, 4000);
	tap_check(rig.line[IRQ], "terminal count");
	tap_equal(status(0), 0xb0, "status: high");
	rig_pass(&rig, 1000 * MS);
	tap_equal(rig.rises[IRQ], 1u, "once");
	tap_check(latched(0) > 1193, "the counter goes on below 0");

	program(0, 4, 1193);
	tap_check(rig.line[IRQ], "mode 4: high");
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 5 * MS);
	tap_equal(rig.rises[IRQ], 1u, "one strobe");
	program(0, 1, 100);
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 1000 * MS);
	tap_equal(rig.rises[IRQ], 0u, "mode 1 waits for a gate that is tied");
	/* The first byte of mode 0 stops the count. */
	program(0, 0, 1193);
	outb(&rig, 0x40, 0xff);
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 100 * MS);
	tap_equal(rig.rises[IRQ], 0u, "half a count stops mode 0");
}

static void reading(void)
{
	u16 a;

	start();
	program(2, 0, 0xffff);
	outb(&rig, 0x61, 0x01);
	rig_pass(&rig, MS);
	a = latched(2);
	tap_check(a >= 0xffff - 1194 && a <= 0xffff - 1193,
		  "1 ms is 1193 pulses: %u", 0xffff - a);
	outb(&rig, 0x43, 0x80);
	rig_pass(&rig, MS);
	outb(&rig, 0x43, 0x80); /* a second latch does not replace it */
	tap_equal(inb(&rig, 0x42), a & 0xff, "latch holds, low");
	tap_equal(inb(&rig, 0x42), a >> 8, "latch holds, high");
	outb(&rig, 0x43, 0xc8); /* read-back: count and status of 2 */
	tap_equal(inb(&rig, 0x42), 0x30, "status first");
	(void)inb(&rig, 0x42);
	(void)inb(&rig, 0x42);
	outb(&rig, 0x43, 0xa0); /* channel 2, high byte, mode 0 */
	outb(&rig, 0x42, 0x10);
	rig_pass(&rig, 215000); /* 256 pulses and a half */
	tap_equal(inb(&rig, 0x42), 0x0f, "high byte only");
	outb(&rig, 0x43, 0xb1); /* BCD */
	outb(&rig, 0x42, 0x00);
	outb(&rig, 0x42, 0x10);
	rig_pass(&rig, 840);
	tap_equal(latched(2), 0x0999, "decimal");
	tap_equal(inb(&rig, 0x43), 0xff, "control cannot be read");
	for (unsigned m = 0; m < 8; m++) {
		outb(&rig, 0x43, (u8)(0xb0 | m << 1));
		tap_equal(status(2) >> 1 & 7, m > 5 ? m - 4 : m, "mode");
	}
}

static void speaker(void)
{
	u16 a;

	start();
	program(2, 3, 1000);
	tap_equal(inb(&rig, 0x61) & 0x2f, 0x20, "gate low: output high");
	outb(&rig, 0x61, 0x03);
	tap_equal(inb(&rig, 0x61) & 0x2f, 0x23, "first half");
	rig_pass(&rig, 838 * 750);
	tap_equal(inb(&rig, 0x61) & 0x2f, 0x03, "second half");
	rig_pass(&rig, 838 * 500);
	tap_equal(inb(&rig, 0x61) & 0x2f, 0x23, "first half again");

	outb(&rig, 0x61, 0x00);
	program(2, 0, 1000);
	rig_pass(&rig, 10 * MS);
	tap_equal(latched(2), 1000, "gate low: mode 0 does not count");
	outb(&rig, 0x61, 0x01);
	rig_pass(&rig, 838 * 300);
	outb(&rig, 0x61, 0x00);
	a = latched(2);
	rig_pass(&rig, 10 * MS);
	tap_equal(latched(2), a, "suspended");
	tap_check(a >= 700 && a <= 701, "where it was: %u", a);
	outb(&rig, 0x61, 0x01);
	rig_pass(&rig, 838 * 300);
	tap_check(latched(2) >= 400 && latched(2) <= 402, "goes on: %u",
		  latched(2));
	program(2, 1, 1000);
	tap_equal(inb(&rig, 0x61) & 0x20, 0x20, "mode 1: high");
	outb(&rig, 0x61, 0x00);
	outb(&rig, 0x61, 0x01);
	tap_equal(inb(&rig, 0x61) & 0x20, 0x00, "triggered");
	rig_pass(&rig, MS);
	tap_equal(inb(&rig, 0x61) & 0x20, 0x20, "over");
	a = inb(&rig, 0x61) & 0x10;
	rig_pass(&rig, 15085);
	tap_check((inb(&rig, 0x61) & 0x10) != a, "refresh toggles");
}

static void saved(void)
{
	static struct pit other;
	struct rig rig2;
	const struct pit_wiring w = { &rig2.pio, 0x40, 0x61,
				      rig_line(&rig2, IRQ), &rig2.clock };

	start();
	program(0, 2, 11932);
	program(2, 3, 500);
	rig_init(&rig2);
	rig_name(&other.dev, &pit_class);
	pit_init(&other, &w);
	tap_check(rig_copy(&pit.dev, &other.dev), "saved and loaded");
	rig2.rises[IRQ] = 0;
	rig_pass(&rig2, 1000 * MS);
	tap_check(rig2.rises[IRQ] >= 99, "ticks go on: %u", rig2.rises[IRQ]);
	tap_check(!rig_accepts(&other.dev, "ch.count", 0), "count refused");
	tap_check(!rig_accepts(&other.dev, "ch.count", 65537), "too big");
	pit_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "ch.mode", 6), "mode refused");
	pit_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "ch.access", 0), "access refused");
	pit_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "speaker", 0x10), "speaker refused");
}

int main(void)
{
	periodic();
	one_shot();
	reading();
	speaker();
	saved();
	return tap_done();
}
