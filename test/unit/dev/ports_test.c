/* SPDX-License-Identifier: Apache-2.0 */
/* ports_test.c - ACPI power management, keyboard controller, debug ports. */
#include "dev/acpi_pm.h"
#include "dev/debug_port.h"
#include "dev/i8042.h"
#include "rig.h"
#include "../tap.h"

#define SCI 9
#define KEYBOARD 1
#define MS 1000000ull

static struct rig rig;
static struct acpi_pm pm;
static struct i8042 kbc;
static struct debug_port debug;
static unsigned poweroffs, resets, exits;
static u32 exit_value;
static char said[16];
static size_t said_count;

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static void exit_port(void *ctx, u32 v)
{
	exits++;
	exit_value = v;
}

static void say(struct console *c, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n && said_count < sizeof(said); i++)
		said[said_count++] = (char)p[i];
}

static const struct console_ops say_ops = { .write = say };
static struct console console = { .ops = &say_ops };

static void start(bool timer_32bit)
{
	const struct acpi_pm_wiring a = { .pio = &rig.pio,
					  .port = 0x600,
					  .smi_port = 0xb2,
					  .acpi_enable = 0xf1,
					  .acpi_disable = 0xf0,
					  .s5_slp_typ = 5,
					  .timer_32bit = timer_32bit,
					  .sci = rig_line(&rig, SCI),
					  .clock = &rig.clock,
					  .poweroff = count,
					  .poweroff_ctx = &poweroffs };
	const struct i8042_wiring k = { .pio = &rig.pio,
					.data_port = 0x60,
					.command_port = 0x64,
					.a20_port = 0x92,
					.irq = rig_line(&rig, KEYBOARD),
					.reset = count,
					.reset_ctx = &resets };
	const struct debug_port_wiring d = { .pio = &rig.pio,
					     .console_port = 0xe9,
					     .exit_port = 0xf4,
					     .console = &console,
					     .exit = exit_port };

	rig_init(&rig);
	memset(&pm, 0, sizeof(pm));
	memset(&kbc, 0, sizeof(kbc));
	poweroffs = resets = exits = 0;
	rig_name(&pm.dev, &acpi_pm_class);
	acpi_pm_init(&pm, &a);
	rig_name(&kbc.dev, &i8042_class);
	i8042_init(&kbc, &k);
	rig_name(&debug.dev, &debug_port_class);
	debug_port_init(&debug, &d);
}

static void power(void)
{
	start(true);
	tap_equal(inw(&rig, 0x604), 0, "ACPI is off");
	outb(&rig, 0xb2, 0xf1);
	tap_equal(inw(&rig, 0x604), 1, "SMI command switches it on");
	outw(&rig, 0x604, 0x1400);
	tap_equal(inw(&rig, 0x604), 0x1401, "SLP_TYP alone, SCI_EN stays");
	tap_equal(poweroffs, 0u, "nothing yet");
	outw(&rig, 0x604, 0x2c00);
	tap_equal(poweroffs, 0u, "another sleep type does nothing");
	outw(&rig, 0x604, 0x3400);
	tap_equal(poweroffs, 1u, "S5");
	tap_equal(inw(&rig, 0x604) & 0x2000, 0, "SLP_EN reads as 0");
	outb(&rig, 0xb2, 0xf0);
	tap_equal(inw(&rig, 0x604) & 1, 0, "and off");
	outb(&rig, 0xb3, 0x77);
	tap_equal(inb(&rig, 0xb3), 0x77, "scratch byte");
}

static void events(void)
{
	start(true);
	outb(&rig, 0xb2, 0xf1);
	acpi_pm_power_button(&pm);
	tap_equal(inw(&rig, 0x600) & 0x100, 0x100, "button status");
	tap_check(!rig.line[SCI], "not enabled");
	outw(&rig, 0x602, 0x100);
	tap_check(rig.line[SCI], "SCI");
	outw(&rig, 0x600, 0x001);
	tap_check(rig.line[SCI], "another bit does not clear it");
	outw(&rig, 0x600, 0x100);
	tap_check(!rig.line[SCI], "writing 1 does");
	outl(&rig, 0x600, 0xffff0000);
	tap_equal(inl(&rig, 0x600) >> 16, 0x721, "enable: events only");
	acpi_pm_gpe(&pm, 3);
	outw(&rig, 0x60e, 0x0008);
	tap_check(rig.line[SCI], "GPE");
	tap_equal(inw(&rig, 0x60c), 0x0008, "its status");
	outw(&rig, 0x60c, 0x0008);
	tap_check(!rig.line[SCI], "cleared");
}

static void timer(void)
{
	u32 a;

	start(true);
	a = inl(&rig, 0x608);
	rig_pass(&rig, 1000 * MS);
	tap_equal(inl(&rig, 0x608) - a, 3579545u, "3579545 Hz");
	rig_pass(&rig, 600000 * MS);
	tap_check(inl(&rig, 0x608) > 0xffffff, "32 bits");
	tap_equal(inw(&rig, 0x60a), inl(&rig, 0x608) >> 16, "upper half");
	outl(&rig, 0x608, 0);
	tap_check(inl(&rig, 0x608) > 0xffffff, "read-only");

	start(false);
	outb(&rig, 0xb2, 0xf1);
	outw(&rig, 0x602, 1);
	rig_pass(&rig, 2343 * MS);
	tap_check(!rig.line[SCI], "before the carry");
	rig_pass(&rig, MS);
	tap_check(rig.line[SCI], "2^23 / 3579545 s: the top bit toggles");
	tap_equal(inl(&rig, 0x608) >> 23, 1, "it does");
	outw(&rig, 0x600, 1);
	tap_check(!rig.line[SCI], "acknowledged");
	rig.rises[SCI] = 0;
	rig_stall(&rig, 100000 * MS);
	tap_equal(rig.rises[SCI], 1u, "missed ones are one");
	tap_check(inl(&rig, 0x608) <= 0xffffff, "24 bits");
}

static u8 command(u8 c)
{
	outb(&rig, 0x64, c);
	return inb(&rig, 0x60);
}

static void keyboard(void)
{
	start(true);
	tap_equal(command(0xaa), 0x55, "self test");
	tap_equal(command(0xab), 0x00, "keyboard port test");
	tap_equal(command(0xa9) & 0xfe, 0x00, "mouse port test fails");
	tap_equal(command(0x20) & 0x30, 0x20, "keyboard on, mouse off");
	outb(&rig, 0x64, 0x60);
	tap_equal(inb(&rig, 0x64) & 0x09, 0x08, "status: command");
	outb(&rig, 0x60, 0x45);
	tap_equal(command(0x20), 0x65, "config written, mouse stays off");
	tap_equal(rig.rises[KEYBOARD], 1u, "answers interrupt now");
	tap_equal(inb(&rig, 0x64) & 0x01, 0, "nothing waits");

	outb(&rig, 0x60, 0xf2);
	tap_equal(inb(&rig, 0x64) & 0x21, 0x01, "OBF, not the mouse's");
	tap_equal(inb(&rig, 0x60), 0xfa, "ack");
	tap_check(rig.line[KEYBOARD], "next byte is an interrupt too");
	tap_equal(inb(&rig, 0x60), 0xab, "id");
	tap_equal(inb(&rig, 0x60), 0x41, "id, translated");
	tap_check(!rig.line[KEYBOARD], "line down");
	outb(&rig, 0x60, 0xed);
	outb(&rig, 0x60, 0x07);
	tap_equal(inb(&rig, 0x60), 0xfa, "LEDs");
	tap_equal(inb(&rig, 0x60), 0xfa, "LEDs' argument");
	outb(&rig, 0x60, 0xff);
	tap_equal(inb(&rig, 0x60), 0xfa, "reset");
	tap_equal(inb(&rig, 0x60), 0xaa, "passed");
	outb(&rig, 0x64, 0xd3);
	outb(&rig, 0x60, 0x5a);
	tap_equal(inb(&rig, 0x64) & 0x21, 0x01, "mouse loop: not the mouse's");
	tap_equal(inb(&rig, 0x60), 0x5a, "the byte");
	for (int i = 0; i < 100; i++)
		outb(&rig, 0x60, 0xf2);
	for (int i = 0; i < 8; i++)
		(void)inb(&rig, 0x60);
	tap_equal(inb(&rig, 0x64) & 0x01, 0, "the queue is bounded");

	tap_equal(resets, 0u, "no reset yet");
	outb(&rig, 0x64, 0xff);
	tap_equal(resets, 0u, "pulse of no line");
	outb(&rig, 0x64, 0xfe);
	tap_equal(resets, 1u, "pulse of the reset line");
	outb(&rig, 0x64, 0xd1);
	outb(&rig, 0x60, 0xfe);
	tap_equal(resets, 2u, "output port");
	tap_equal(inb(&rig, 0x92), 0x02, "A20 is on");
	outb(&rig, 0x92, 0x02);
	tap_equal(resets, 2u, "A20 alone");
	outb(&rig, 0x92, 0x03);
	tap_equal(resets, 3u, "fast reset");

	tap_check(!rig_accepts(&kbc.dev, "head", 8), "head refused");
	i8042_class.reset(&kbc.dev);
	tap_check(!rig_accepts(&kbc.dev, "count", 9), "count refused");
	i8042_class.reset(&kbc.dev);
	tap_check(!rig_accepts(&kbc.dev, "status", 1), "status refused");
	tap_check(!rig_accepts(&pm.dev, "pm1_en", 0x8000), "enable refused");
	acpi_pm_class.reset(&pm.dev);
	tap_check(!rig_accepts(&pm.dev, "pm1_cnt", 0x2000), "control refused");
}

static void debugging(void)
{
	start(true);
	tap_equal(inb(&rig, 0xe9), 0xe9, "it is there");
	outb(&rig, 0xe9, 'h');
	outw(&rig, 0xe9, 'i');
	tap_check(said_count == 2 && !memcmp(said, "hi", 2), "on the console");
	outb(&rig, 0xf4, 0x2a);
	tap_check(exits == 1 && exit_value == 0x2a, "exit, a byte");
	outl(&rig, 0xf4, 0x12345678);
	tap_check(exits == 2 && exit_value == 0x12345678, "exit, a word");
}

int main(void)
{
	power();
	events();
	timer();
	keyboard();
	debugging();
	return tap_done();
}
