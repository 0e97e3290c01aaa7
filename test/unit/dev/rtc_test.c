/* SPDX-License-Identifier: Apache-2.0 */
/* rtc_test.c - the MC146818: time of day, setting it, its three interrupts. */
#include "dev/rtc.h"
#include "dev/rtc_time.h"
#include "rig.h"
#include "../tap.h"

#define IRQ 8
#define MS 1000000ull
#define S 1000000000ull

static struct rig rig;
static struct rtc rtc;

static u8 get(u8 i)
{
	outb(&rig, 0x70, i);
	return inb(&rig, 0x71);
}

static void set(u8 i, u8 v)
{
	outw(&rig, 0x70, (u16)(v << 8 | i)); /* index, then data */
}

/* Starts when the host's time is a whole second, @realtime_s. */
static void start(u64 realtime_s)
{
	const struct rtc_wiring w = { .pio = &rig.pio,
				      .port = 0x70,
				      .century = 0x32,
				      .irq = rig_line(&rig, IRQ),
				      .clock = &rig.clock };

	rig_init(&rig);
	rig_realtime_base_ns = realtime_s * S - rig_host_ns;
	memset(&rtc, 0, sizeof(rtc));
	rig_name(&rtc.dev, &rtc_class);
	rtc_init(&rtc, &w);
}

static void check_time(const char *name, u8 century, u8 year, u8 month, u8 day,
		       u8 hour, u8 min, u8 sec)
{
	u8 got[7] = { get(0x32), get(9), get(8), get(7), get(4), get(2),
		      get(0) };
	u8 want[7] = { century, year, month, day, hour, min, sec };

	tap_check(!memcmp(got, want, 7),
		  "%s: %02x%02x-%02x-%02x %02x:%02x:%02x", name, got[0], got[1],
		  got[2], got[3], got[4], got[5], got[6]);
}

static void dates(void)
{
	struct rtc_time t;
	bool same = true;

	/* Every day for 500 years, and far beyond. */
	for (u64 s = 0; s < 500ull * 366 * 86400; s += 86399) {
		rtc_time_from_seconds(&t, s);
		same &= rtc_time_to_seconds(&t) == s && t.month >= 1 &&
			t.month <= 12 && t.mday >= 1 && t.mday <= 31;
	}
	tap_check(same, "there and back again");
	rtc_time_from_seconds(&t, 951782400); /* 2000-02-29 00:00 UTC */
	tap_check(t.year == 2000 && t.month == 2 && t.mday == 29 && t.wday == 2,
		  "a leap day of a leap century");
	rtc_time_from_seconds(&t, 4107542399); /* 2100-02-28 23:59:59 */
	tap_check(t.year == 2100 && t.month == 2 && t.mday == 28 &&
			  t.hour == 23 && t.sec == 59, "no leap day in 2100");
	rtc_time_from_seconds(&t, 4107542400);
	tap_check(t.month == 3 && t.mday == 1, "but 1 March");
}

static void reading(void)
{
	start(1709210096); /* Thursday 2024-02-29 12:34:56 UTC */
	check_time("BCD", 0x20, 0x24, 0x02, 0x29, 0x12, 0x34, 0x56);
	tap_equal(get(6), 0x05, "Thursday");
	tap_equal(get(0x0d), 0x80, "time is valid");
	tap_equal(inb(&rig, 0x70), 0xff, "the index cannot be read");
	rig_pass(&rig, 4 * S);
	check_time("later", 0x20, 0x24, 0x02, 0x29, 0x12, 0x35, 0x00);
	set(0x0b, 0x06);
	check_time("binary", 20, 24, 2, 29, 12, 35, 0);
	set(0x0b, 0x00);
	check_time("noon is 12 PM", 0x20, 0x24, 0x02, 0x29, 0x92, 0x35, 0x00);
	rig_pass(&rig, 12 * 3600 * S);
	check_time("midnight is 12 AM", 0x20, 0x24, 0x03, 0x01, 0x12, 0x35,
		   0x00);
	set(0x0b, 0x02);
	tap_equal(get(0x0a), 0x26, "no update yet");
	rig_pass(&rig, 999800000);
	tap_equal(get(0x0a), 0xa6, "update in progress");
	rig_pass(&rig, 244000);
	tap_equal(get(0x0a), 0x26, "and over");

	set(0x50, 0xa5);
	tap_equal(get(0xd0), 0xa5, "memory; bit 7 masks NMI only");
	rtc_set_cmos(&rtc, 0x5f, 3);
	tap_equal(get(0x5f), 3, "as the wiring wrote it");
}

static void setting(void)
{
	static const u8 time_tab[][2] = {
		{ 0, 0x58 }, { 2, 0x59 }, { 4, 0x23 }, { 7, 0x31 },
		{ 8, 0x12 }, { 9, 0x99 }, { 0x32, 0x19 },
	};

	start(1709210096);
	set(0x0b, 0x82);
	rig_pass(&rig, 5 * S);
	tap_equal(get(0), 0x56, "SET: the clock stands still");
	for (unsigned i = 0; i < ARRAY_SIZE(time_tab); i++)
		set(time_tab[i][0], time_tab[i][1]);
	set(0x0b, 0x02);
	check_time("set", 0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58);
	rig_pass(&rig, 2 * S);
	check_time("the millennium", 0x20, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00);
	tap_equal(get(6), 0x07, "a Saturday");

	/* Divider reset: the first second is half as long. */
	set(0x0a, 0x76);
	rig_pass(&rig, 3 * S + 123 * MS);
	set(0, 0x10);
	set(0x0a, 0x26);
	tap_equal(get(0), 0x10, "runs from there");
	rig_pass(&rig, 499 * MS);
	tap_equal(get(0), 0x10, "not yet");
	rig_pass(&rig, 2 * MS);
	tap_equal(get(0), 0x11, "after half a second");

	set(2, 0x42);
	rig_pass(&rig, 2 * S);
	tap_equal(get(2), 0x42, "a register written while it runs");
	tap_equal(get(0), 0x13, "leaves the others");
	/* GUEST: nonsense in every register. */
	set(0x0b, 0x86);
	for (u8 i = 0; i < 10; i++)
		set(i, 0xff);
	set(0x32, 0xff);
	set(0x0b, 0x36);
	rig_pass(&rig, 2 * S);
	tap_check(get(8) >= 1 && get(8) <= 12, "nonsense becomes a date");
}

static void interrupts(void)
{
	start(1709210096);
	(void)get(0x0c);
	set(0x0b, 0x12); /* update */
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 999 * MS);
	tap_check(!rig.line[IRQ], "not before the second ends");
	rig_pass(&rig, 2 * MS);
	tap_check(rig.line[IRQ], "update ended");
	tap_equal(get(0x0c), 0x90 | 0x40, "C: IRQF, UF, PF");
	tap_check(!rig.line[IRQ], "reading C lowers the line");
	tap_equal(get(0x0c), 0, "and clears it");
	rig_pass(&rig, 100 * S);
	tap_equal(rig.rises[IRQ], 2u, "unread: no more interrupts");
	(void)get(0x0c);

	set(0x0b, 0x42); /* periodic, 1024 Hz */
	(void)get(0x0c);
	rig.rises[IRQ] = 0;
	for (int i = 0; i < 10000; i++) {
		rig_pass(&rig, 100000);
		if (rig.line[IRQ])
			(void)get(0x0c);
	}
	tap_check(rig.rises[IRQ] >= 1023 && rig.rises[IRQ] <= 1025,
		  "1024 in a second: %u", rig.rises[IRQ]);
	set(0x0a, 0x2f); /* 2 Hz */
	(void)get(0x0c);
	rig.rises[IRQ] = 0;
	for (int i = 0; i < 1000; i++) {
		rig_pass(&rig, 10 * MS);
		if (rig.line[IRQ])
			(void)get(0x0c);
	}
	tap_check(rig.rises[IRQ] >= 19 && rig.rises[IRQ] <= 21,
		  "20 in ten seconds: %u", rig.rises[IRQ]);
	set(0x0b, 0x02);
	(void)get(0x0c);
	rig_pass(&rig, S);
	tap_equal(get(0x0c), 0x50, "flags come without interrupts, too");
}

static void alarm_clock(void)
{
	start(1709210096); /* 12:34:56 */
	set(5, 0x12);
	set(3, 0x35);
	set(1, 0x03);
	set(0x0b, 0x22);
	(void)get(0x0c);
	rig_pass(&rig, 6 * S);
	tap_check(!rig.line[IRQ], "not yet");
	rig_pass(&rig, 2 * S);
	tap_check(rig.line[IRQ], "12:35:03");
	tap_equal(get(0x0c) & 0xa0, 0xa0, "IRQF, AF");
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 86400 * S);
	tap_equal(rig.rises[IRQ], 1u, "and tomorrow");
	(void)get(0x0c);
	set(5, 0xff);
	set(3, 0xc0);
	rig.rises[IRQ] = 0;
	for (int i = 0; i < 300; i++) {
		rig_pass(&rig, S);
		(void)get(0x0c);
	}
	tap_equal(rig.rises[IRQ], 5u, "don't care: each minute");
	set(1, 0x75);
	rig.rises[IRQ] = 0;
	rig_pass(&rig, 90000 * S);
	tap_equal(rig.rises[IRQ], 0u, "a second that never comes");
	/* Polled, without an interrupt. */
	set(1, 0x30);
	set(0x0b, 0x02);
	(void)get(0x0c);
	rig_pass(&rig, 61 * S);
	tap_equal(get(0x0c) & 0x20, 0x20, "AF without its interrupt");
}

static void saved(void)
{
	static struct rtc other;
	struct rig rig2;
	const struct rtc_wiring w = { &rig2.pio, 0x70, 0x32,
				      rig_line(&rig2, IRQ), &rig2.clock };

	start(1709210096);
	set(0x0b, 0x12);
	set(4, 0x05);
	rig_init(&rig2);
	rig_name(&other.dev, &rtc_class);
	rtc_init(&other, &w);
	tap_check(rig_copy(&rtc.dev, &other.dev), "saved and loaded");
	rig_pass(&rig2, S);
	tap_check(rig2.line[IRQ], "interrupts go on");
	rig = rig2;
	tap_equal(bus_read(&rig2.pio, 0x70, 1), 0xff, "bus is there");
	bus_write(&rig2.pio, 0x70, 4, 1);
	tap_equal(bus_read(&rig2.pio, 0x71, 1), 0x05, "the hour came along");
	tap_check(!rig_accepts(&other.dev, "phase_ns", 1000000000),
		  "phase refused");
	rig_accepts(&other.dev, "phase_ns", 0);
	tap_check(!rig_accepts(&other.dev, "offset_s", ~0ull >> 1),
		  "offset refused");
	tap_check(!rig_accepts(&other.dev, "offset_s", 1ull << 63),
		  "offset refused");
}

int main(void)
{
	dates();
	reading();
	setting();
	interrupts();
	alarm_clock();
	saved();
	return tap_done();
}
