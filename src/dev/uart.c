/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uart.c - a 16550A serial port. The transmitter is infinitely fast: the
 * holding register and the FIFO are always empty again when the write is
 * done. The receiver is as fast as the guest reads.
 *
 * References: TI PC16550D datasheet, 8 "Registers".
 *
 * The other end respects the guest's flow control: it sends while RTS is up, as
 * it is between a system's opening the port and closing it. Bytes sent earlier
 * would fall victim to the probing and clearing that opens a port. Systems
 * without modem control show that they listen by enabling the interrupt, with
 * OUT2 (probing enables it without).
 *
 * DEVIATES: OUT2 does not gate the interrupt, as it does on PC boards: some
 * guests for virtual machines never set it.
 */
#include "dev/uart.h"

#include "base/err.h"
#include "base/trace.h"
#include "dev/isa8.h"

enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };

#define IER_RDI 0x01 /* received data */
#define IER_THRI 0x02 /* transmitter empty */
#define IER_RLSI 0x04 /* line status */
#define IER_MSI 0x08 /* modem status */

#define IIR_NONE 0x01
#define IIR_MSI 0x00
#define IIR_THRI 0x02
#define IIR_RDI 0x04
#define IIR_RLSI 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO 0xc0

#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB 0x80

#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10

#define LSR_DR 0x01
#define LSR_OE 0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80
#define MSR_DELTA 0x0f
#define MSR_TERI 0x04 /* only the falling edge of RI */

static unsigned rx_capacity(const struct uart *u)
{
	return u->fcr & FCR_ENABLE ? UART_FIFO : 1;
}

static unsigned rx_trigger(const struct uart *u)
{
	static const u8 level_tab[] = { 1, 4, 8, 14 };

	return u->fcr & FCR_ENABLE ? level_tab[u->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The highest pending and enabled source, as IIR shows it. */
static u8 interrupt_source(const struct uart *u)
{
	if ((u->ier & IER_RLSI) && u->lsr_errors)
		return IIR_RLSI;
	if ((u->ier & IER_RDI) && u->rx_count >= rx_trigger(u))
		return IIR_RDI;
	if ((u->ier & IER_RDI) && u->timeout_pending)
		return IIR_TIMEOUT;
	if ((u->ier & IER_THRI) && u->thre_pending)
		return IIR_THRI;
	if ((u->ier & IER_MSI) && (u->msr & MSR_DELTA))
		return IIR_MSI;
	return IIR_NONE;
}

static void update_irq(struct uart *u)
{
	irq_set(&u->w.irq, interrupt_source(u) != IIR_NONE);
}

/* Four characters' time at the programmed speed. */
static u64 timeout_ns(const struct uart *u)
{
	u64 divisor = u->dll | u->dlm << 8;
	u64 bits = 1 + 5 + (u->lcr & 3) + (u->lcr >> 3 & 1) + 1 +
		   (u->lcr >> 2 & 1);

	return 4 * bits * (divisor ? divisor : 1) * 1000000000ull / 115200;
}

/* The FIFO was filled or drained a little: its silence begins anew. */
static void restart_timeout(struct uart *u)
{
	u->timeout_pending = false;
	timer_arm(&u->timeout,
		  u->rx_count && u->rx_count < rx_trigger(u) ?
			  clock_now_ns(u->w.clock) + timeout_ns(u) :
			  CLOCK_NEVER);
}

static void timeout_expired(void *arg, u64 now_ns)
{
	struct uart *u = arg;

	u->timeout_pending = u->rx_count != 0;
	update_irq(u);
}

static void rx_push(struct uart *u, u8 byte)
{
	if (u->rx_count >= rx_capacity(u)) {
		u->lsr_errors |= LSR_OE;
		/* Without the FIFO the new byte replaces the old one. */
		if (!(u->fcr & FCR_ENABLE))
			u->rx[u->rx_head] = byte;
		return;
	}
	u->rx[(u->rx_head + u->rx_count++) % UART_FIFO] = byte;
}

static bool rx_open(const struct uart *u)
{
	bool listens = (u->ier & IER_RDI) && (u->mcr & MCR_OUT2);

	return !(u->mcr & MCR_LOOP) && ((u->mcr & MCR_RTS) || listens);
}

/* Input from the back end is wanted when the last byte has gone: one call
 * for a FIFO's worth, not one for each byte. */
static void rx_want(struct uart *u)
{
	struct console *c = u->w.console;

	if (c && c->ops->ready && !u->rx_count && rx_open(u))
		c->ops->ready(c);
}

static void rx_clear(struct uart *u)
{
	u->rx_head = u->rx_count = 0;
	u->timeout_pending = false;
	timer_arm(&u->timeout, CLOCK_NEVER);
}

static void console_input(void *dev, const u8 *p, size_t n)
{
	struct uart *u = dev;

	for (size_t i = 0; i < n; i++)
		rx_push(u, p[i]);
	restart_timeout(u);
	update_irq(u);
}

static size_t console_room(void *dev)
{
	struct uart *u = dev;
	unsigned capacity = rx_capacity(u);

	if (!rx_open(u))
		return 0;
	return u->rx_count < capacity ? capacity - u->rx_count : 0;
}

static u8 rx_pop(struct uart *u)
{
	u8 byte = u->rx[u->rx_head];

	if (!u->rx_count)
		return byte;
	u->rx_head = (u->rx_head + 1) % UART_FIFO;
	u->rx_count--;
	restart_timeout(u);
	update_irq(u);
	rx_want(u);
	return byte;
}

static void transmit(struct uart *u, u8 byte)
{
	struct console *c = u->w.console;

	if (u->mcr & MCR_LOOP) {
		rx_push(u, byte);
		restart_timeout(u);
	} else if (c && c->ops->write) {
		c->ops->write(c, &byte, 1);
	}
	u->thre_pending = true;
}

/* The modem's four lines: the other end is always there and ready; in loop
 * mode they are our own outputs. */
static void update_modem(struct uart *u)
{
	u8 lines = MSR_CTS | MSR_DSR | MSR_DCD;
	u8 was = u->msr & 0xf0, delta;

	if (u->mcr & MCR_LOOP)
		lines = (u->mcr & MCR_RTS ? MSR_CTS : 0) |
			(u->mcr & MCR_DTR ? MSR_DSR : 0) |
			(u->mcr & MCR_OUT1 ? MSR_RI : 0) |
			(u->mcr & MCR_OUT2 ? MSR_DCD : 0);
	else if (!u->w.console)
		lines = 0;
	delta = (lines ^ was) >> 4;
	if (lines & MSR_RI)
		delta &= ~MSR_TERI;
	u->msr = lines | (u->msr & MSR_DELTA) | delta;
}

static u8 read_iir(struct uart *u)
{
	u8 v = interrupt_source(u);

	/* Telling is what clears this source. */
	if (v == IIR_THRI) {
		u->thre_pending = false;
		update_irq(u);
	}
	return v | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

static u8 read_reg(void *dev, u64 offset)
{
	struct uart *u = dev;
	u8 v;

	switch (offset) {
	case RBR_THR:
		return u->lcr & LCR_DLAB ? u->dll : rx_pop(u);
	case IER:
		return u->lcr & LCR_DLAB ? u->dlm : u->ier;
	case IIR_FCR:
		return read_iir(u);
	case LCR:
		return u->lcr;
	case MCR:
		return u->mcr;
	case LSR:
		v = LSR_THRE | LSR_TEMT | u->lsr_errors |
		    (u->rx_count ? LSR_DR : 0);
		u->lsr_errors = 0;
		update_irq(u);
		return v;
	case MSR:
		v = u->msr;
		u->msr &= ~MSR_DELTA;
		update_irq(u);
		return v;
	case SCR:
		return u->scr;
	}
	return 0xff;
}

static void write_fcr(struct uart *u, u8 v)
{
	bool switched = (v ^ u->fcr) & FCR_ENABLE;

	/* The other bits count only together with the enable bit. */
	u->fcr = v & FCR_ENABLE ? v & (FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT) : 0;
	if (switched || (v & (FCR_ENABLE | FCR_CLEAR_RX)) ==
				(FCR_ENABLE | FCR_CLEAR_RX)) {
		rx_clear(u);
		rx_want(u);
	} else {
		restart_timeout(u);
	}
}

static void write_mcr(struct uart *u, u8 v)
{
	bool was_open = rx_open(u);

	u->mcr = v & 0x1f;
	update_modem(u);
	if (!was_open)
		rx_want(u);
}

static void write_ier(struct uart *u, u8 v)
{
	bool was_open = rx_open(u);

	/* Enabling it while THR is empty is an event too. */
	if ((v & IER_THRI) && !(u->ier & IER_THRI))
		u->thre_pending = true;
	u->ier = v & 0x0f;
	if (!was_open)
		rx_want(u);
}

static void write_reg(void *dev, u64 offset, u8 v)
{
	struct uart *u = dev;

	TRACE(UART, "%s: write %u <- %02x", u->dev.id, (unsigned)offset, v);
	switch (offset) {
	case RBR_THR:
		if (u->lcr & LCR_DLAB)
			u->dll = v;
		else
			transmit(u, v);
		break;
	case IER:
		if (u->lcr & LCR_DLAB)
			u->dlm = v;
		else
			write_ier(u, v);
		break;
	case IIR_FCR:
		write_fcr(u, v);
		break;
	case LCR:
		u->lcr = v;
		break;
	case MCR:
		write_mcr(u, v);
		break;
	case SCR:
		u->scr = v;
		break;
	}
	update_irq(u);
}

static u64 uart_read(void *dev, u64 offset, unsigned bytes)
{
	return isa8_read(dev, offset, bytes, read_reg);
}

static void uart_write(void *dev, u64 offset, u64 v, unsigned bytes)
{
	isa8_write(dev, offset, v, bytes, write_reg);
}

static const struct bus_ops uart_ops = { uart_read, uart_write };

static void uart_reset(struct device *d)
{
	struct uart *u = container_of(d, struct uart, dev);

	u->ier = u->fcr = u->lcr = u->mcr = u->scr = 0;
	u->dll = 12; /* 9600 baud; undefined in silicon */
	u->dlm = 0;
	u->lsr_errors = 0;
	u->thre_pending = false;
	rx_clear(u);
	u->msr = 0;
	update_modem(u);
	u->msr &= ~MSR_DELTA;
	update_irq(u);
}

static int uart_loaded(struct device *d)
{
	struct uart *u = container_of(d, struct uart, dev);

	if (u->rx_head >= UART_FIFO || u->rx_count > rx_capacity(u))
		return -EINVAL;
	if ((u->ier & 0xf0) || (u->mcr & 0xe0) || (u->fcr & 0x3e))
		return -EINVAL;
	update_irq(u);
	rx_want(u);
	return 0;
}

void uart_init(struct uart *u, const struct uart_wiring *w)
{
	u->w = *w;
	timer_init(&u->timeout, w->clock, timeout_expired, u);
	u->range = (struct bus_range){ .first = w->port,
				       .bytes = 8,
				       .ops = &uart_ops,
				       .dev = u,
				       .name = "uart" };
	bus_add(w->pio, &u->range);
	uart_reset(&u->dev);
	if (w->console) {
		w->console->dev = u;
		w->console->input = console_input;
		w->console->room = console_room;
	}
}

static const struct field uart_fields[] = {
	FIELD(struct uart, ier, FIELD_U8, 1),
	FIELD(struct uart, fcr, FIELD_U8, 1),
	FIELD(struct uart, lcr, FIELD_U8, 1),
	FIELD(struct uart, mcr, FIELD_U8, 1),
	FIELD(struct uart, msr, FIELD_U8, 1),
	FIELD(struct uart, scr, FIELD_U8, 1),
	FIELD(struct uart, dll, FIELD_U8, 1),
	FIELD(struct uart, dlm, FIELD_U8, 1),
	FIELD(struct uart, lsr_errors, FIELD_U8, 1),
	FIELD(struct uart, thre_pending, FIELD_BOOL, 1),
	FIELD(struct uart, timeout_pending, FIELD_BOOL, 1),
	FIELD_BLOB(struct uart, rx, 1),
	FIELD(struct uart, rx_head, FIELD_U8, 1),
	FIELD(struct uart, rx_count, FIELD_U8, 1),
	FIELD(struct uart, timeout, FIELD_TIMER, 1),
	FIELD_END,
};

const struct device_class uart_class = {
	.name = "uart",
	.version = 1,
	.bytes = sizeof(struct uart),
	.fields = uart_fields,
	.reset = uart_reset,
	.loaded = uart_loaded,
};
