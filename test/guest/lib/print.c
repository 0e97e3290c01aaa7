/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text out: to the debug console at port 0xE9 where one answers, else to COM1.
 */
#include "cpu.h"
#include "machine.h"

#define DEBUGCON 0xe9
#define COM1 0x3f8

static bool use_debugcon;

/* One more than the processor that writes; nested is how often it began. */
static unsigned writer, nested;

void output_lock(void)
{
	unsigned me = this_cpu()->index + 1, none = 0;

	if (__atomic_load_n(&writer, __ATOMIC_RELAXED) != me) {
		while (!__atomic_compare_exchange_n(&writer, &none, me, false,
						    __ATOMIC_ACQUIRE,
						    __ATOMIC_RELAXED)) {
			none = 0;
			pause();
		}
	}
	nested++;
}

void output_unlock(void)
{
	if (--nested == 0)
		__atomic_store_n(&writer, 0, __ATOMIC_RELEASE);
}

/* Its holder was stopped. */
void output_lock_break(void)
{
	writer = nested = 0;
}

void output_init(void)
{
	/* The port reads back its own number where the device exists. */
	use_debugcon = inb(DEBUGCON) == DEBUGCON;
	outb(COM1 + 1, 0);	/* no interrupts */
	outb(COM1 + 3, 0x80);	/* divisor latch: 115200 baud */
	outb(COM1, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);	/* 8N1 */
	outb(COM1 + 2, 7);	/* FIFO on and empty */
}

static void put(char c)
{
	if (use_debugcon) {
		outb(DEBUGCON, c);
		return;
	}
	for (unsigned i = 0; i < 100000 && !(inb(COM1 + 5) & 0x20); i++)
		pause();
	outb(COM1, c);
}

static void put_text(const char *s, unsigned width)
{
	unsigned n = 0;

	for (; *s; s++, n++)
		put(*s);
	for (; n < width; n++)
		put(' ');
}

static void put_number(u64 v, unsigned base, unsigned width, char pad)
{
	char digits[24];
	unsigned n = 0;

	if (base == 10) {
		/* 32 bits suffice: no library division is at hand. */
		for (u32 d = v; d || !n; d /= 10)
			digits[n++] = '0' + d % 10;
	} else {
		for (; v || !n; v >>= 4)
			digits[n++] = "0123456789abcdef"[v & 15];
	}
	while (width > n) {
		put(pad);
		width--;
	}
	while (n)
		put(digits[--n]);
}

/* %s %c %d %u %x %p %%, with #, 0, width, and l or ll for x. */
void vprint(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		unsigned width = 0, longs = 0;
		bool alt = false;
		char pad = ' ';
		u64 v;

		if (*fmt != '%') {
			put(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == '#') {
			alt = true;
			fmt++;
		}
		if (*fmt == '0') {
			pad = '0';
			fmt++;
		}
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (*fmt - '0');
		for (; *fmt == 'l'; fmt++)
			longs++;
		switch (*fmt) {
		case 's':
			put_text(va_arg(ap, const char *), width);
			continue;
		case 'c':
			put(va_arg(ap, int));
			continue;
		case 'p':
			alt = true;
			v = (ulong)va_arg(ap, void *);
			break;
		case 'd':
		case 'u':
		case 'x':
			if (longs == 2)
				v = va_arg(ap, unsigned long long);
			else if (longs)
				v = va_arg(ap, ulong);
			else
				v = va_arg(ap, unsigned);
			break;
		default:
			put(*fmt);
			continue;
		}
		if (*fmt == 'd' && !longs && (int)v < 0) {
			put('-');
			v = -(int)v;
		}
		if (alt)
			put_text("0x", 0);
		put_number(v, *fmt == 'd' || *fmt == 'u' ? 10 : 16, width, pad);
	}
}

void print(const char *fmt, ...)
{
	va_list ap;

	output_lock();
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	output_unlock();
}
