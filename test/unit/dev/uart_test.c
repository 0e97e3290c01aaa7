/* SPDX-License-Identifier: Apache-2.0 */
/* uart_test.c - the 16550A: registers, FIFO, interrupts, loop, saved state. */
#include "dev/uart.h"
#include "rig.h"
#include "../tap.h"

#define BASE 0x3f8
#define IRQ 4

static char sent[64];
static size_t sent_count;
static unsigned readies;

static void sent_write(struct console *c, const u8 *p, size_t n)
{
	for (size_t i = 0; i < n && sent_count < sizeof(sent); i++)
		sent[sent_count++] = (char)p[i];
}

static void sent_ready(struct console *c)
{
	readies++;
}

static const struct console_ops console_ops = { sent_write, sent_ready };
static struct console console = { .ops = &console_ops };
static struct rig rig;
static struct uart uart;

static void start(void)
{
	const struct uart_wiring w = { .pio = &rig.pio,
				       .port = BASE,
				       .irq = rig_line(&rig, IRQ),
				       .clock = &rig.clock,
				       .console = &console };

	rig_init(&rig);
	memset(&uart, 0, sizeof(uart));
	sent_count = 0;
	readies = 0;
	rig_name(&uart.dev, &uart_class);
	uart_init(&uart, &w);
}

static void type(const char *s)
{
	console.input(console.dev, (const u8 *)s, strlen(s));
}

static void transmitter(void)
{
	start();
	tap_equal(inb(&rig, BASE + 5), 0x60, "transmitter is empty");
	outb(&rig, BASE, 'A');
	tap_check(sent_count == 1 && sent[0] == 'A', "byte reaches console");
	tap_equal(inb(&rig, BASE + 2), 0x01, "no interrupt while disabled");

	outb(&rig, BASE + 1, 0x02);
	tap_check(rig.line[IRQ], "enabling THRI with THR empty interrupts");
	tap_equal(inb(&rig, BASE + 2), 0x02, "IIR says transmitter");
	tap_check(!rig.line[IRQ], "and reading it clears");
	tap_equal(inb(&rig, BASE + 2), 0x01, "nothing more");
	outb(&rig, BASE, 'B');
	tap_check(rig.line[IRQ], "empty again after the write");
	outb(&rig, BASE + 1, 0x00);
	tap_check(!rig.line[IRQ], "disabling lowers the line");

	outb(&rig, BASE + 3, 0x80);
	outw(&rig, BASE, 0x0102);
	tap_equal(inb(&rig, BASE), 0x02, "divisor low");
	tap_equal(inb(&rig, BASE + 1), 0x01, "divisor high, by one outw");
	tap_equal(sent_count, 2u, "nothing was sent by that");
}

static void receiver(void)
{
	start();
	tap_equal(console.room(console.dev), 0u, "closed while RTS is down");
	outb(&rig, BASE + 4, 0x03);
	tap_equal(readies, 1u, "RTS asks for input");
	tap_equal(console.room(console.dev), 1u, "room without FIFO");
	outb(&rig, BASE + 4, 0x00);
	outb(&rig, BASE + 1, 0x01);
	tap_equal(readies, 1u, "the interrupt alone is probing");
	outb(&rig, BASE + 1, 0x00);
	outb(&rig, BASE + 4, 0x08);
	outb(&rig, BASE + 1, 0x01);
	tap_equal(readies, 2u, "with OUT2 it asks as well");
	outb(&rig, BASE + 4, 0x03);
	readies = 0;
	type("x");
	tap_check(rig.line[IRQ], "received data interrupts");
	tap_equal(inb(&rig, BASE + 2), 0x04, "IIR: data");
	tap_equal(inb(&rig, BASE + 5), 0x61, "LSR: data ready");
	tap_equal(console.room(console.dev), 0u, "full");
	type("y");
	tap_equal(inb(&rig, BASE + 5), 0x63, "LSR: overrun");
	tap_equal(inb(&rig, BASE + 5), 0x61, "reading it clears");
	tap_equal(inb(&rig, BASE), 'y', "the later byte won");
	tap_check(!rig.line[IRQ], "line down");
	tap_equal(readies, 1u, "more is asked for");

	outb(&rig, BASE + 2, 0x81); /* FIFO, trigger at 8 */
	tap_equal(inb(&rig, BASE + 2), 0xc1, "IIR shows the FIFO");
	tap_equal(console.room(console.dev), 16u, "room with FIFO");
	type("1234567");
	tap_check(!rig.line[IRQ], "below the trigger level");
	rig_pass(&rig, 100000000);
	tap_check(rig.line[IRQ], "time-out");
	tap_equal(inb(&rig, BASE + 2), 0xcc, "IIR: time-out");
	tap_equal(inb(&rig, BASE), '1', "first in");
	tap_check(!rig.line[IRQ], "reading restarts the time-out");
	type("890");
	tap_equal(inb(&rig, BASE + 2), 0xc4, "IIR: trigger level");
	readies = 0;
	for (char c = '2'; c <= '9'; c++)
		tap_equal(inb(&rig, BASE), (u8)c, "in order");
	tap_equal(readies, 0u, "not asked for more until empty");
	tap_equal(inb(&rig, BASE), '0', "last");
	tap_equal(readies, 1u, "asked for more");
	type("0123456789abcdefX");
	outb(&rig, BASE + 1, 0x05);
	tap_equal(inb(&rig, BASE + 2), 0xc6, "overrun has priority");
	tap_equal(inb(&rig, BASE + 5), 0x63, "OE");
	tap_equal(inb(&rig, BASE), '0', "the FIFO kept its bytes");
	outb(&rig, BASE + 2, 0x83);
	tap_equal(inb(&rig, BASE + 5), 0x60, "cleared by FCR");
	tap_check(!rig.line[IRQ], "line down");
}

static void modem(void)
{
	start();
	tap_equal(inb(&rig, BASE + 6), 0xb0, "CTS, DSR, DCD");
	outb(&rig, BASE + 4, 0x10);
	tap_equal(inb(&rig, BASE + 6), 0x0b, "loop: all fell, told as deltas");
	outb(&rig, BASE + 4, 0x1a);
	tap_equal(inb(&rig, BASE + 6) & 0xf0, 0x90, "loop: RTS, OUT2");
	outb(&rig, BASE + 4, 0x1e);
	tap_equal(inb(&rig, BASE + 6), 0xd0, "RI up is no event");
	outb(&rig, BASE + 1, 0x08);
	outb(&rig, BASE + 4, 0x1a);
	tap_check(rig.line[IRQ], "RI down is, and interrupts");
	tap_equal(inb(&rig, BASE + 2), 0x00, "IIR: modem");
	tap_equal(inb(&rig, BASE + 6), 0x94, "TERI");
	tap_check(!rig.line[IRQ], "cleared");

	outb(&rig, BASE, 'L');
	tap_equal(sent_count, 0u, "loop: nothing goes out");
	tap_equal(inb(&rig, BASE), 'L', "loop: comes back");
	tap_equal(console.room(console.dev), 0u, "loop: no input from outside");
	readies = 0;
	outb(&rig, BASE + 4, 0x0b);
	tap_equal(readies, 1u, "input again afterwards");
	outb(&rig, BASE + 7, 0x5a);
	tap_equal(inb(&rig, BASE + 7), 0x5a, "scratch");
}

static void saved(void)
{
	static struct uart other;
	struct rig rig2;
	const struct uart_wiring w = { .pio = &rig2.pio,
				       .port = BASE,
				       .irq = rig_line(&rig2, IRQ),
				       .clock = &rig2.clock };

	start();
	outb(&rig, BASE + 1, 0x01);
	outb(&rig, BASE + 2, 0x81);
	type("state");
	rig_init(&rig2);
	rig_name(&other.dev, &uart_class);
	uart_init(&other, &w);
	tap_check(rig_copy(&uart.dev, &other.dev), "saved and loaded");
	rig_pass(&rig2, 1000000000);
	tap_check(rig2.line[IRQ], "the time-out came along");
	tap_equal(inb(&rig2, BASE), 's', "the FIFO came along");

	tap_check(!rig_accepts(&other.dev, "rx_head", 16), "head refused");
	uart_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "rx_count", 2), "count refused");
	uart_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "ier", 0x10), "IER refused");
	uart_class.reset(&other.dev);
	tap_check(rig_accepts(&other.dev, "ier", 0x0f), "good one accepted");
}

int main(void)
{
	transmitter();
	receiver();
	modem();
	saved();
	return tap_done();
}
