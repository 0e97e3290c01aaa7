/* SPDX-License-Identifier: Apache-2.0 */
/*
 * i8042.c - the keyboard controller with a keyboard that nobody types on, no
 * mouse, and the fast A20 and reset port. Guests probe it quickly, and many
 * reset the machine through it.
 *
 * References: IBM PS/2 Technical Reference, "Keyboard and Auxiliary Device
 * Controller"; 82371AB (PIIX4) datasheet, "Port 92 Register".
 *
 * DEVIATES: address line 20 is never masked.
 */
#include "dev/i8042.h"

#include "base/err.h"
#include "dev/isa8.h"

#define STATUS_OBF 0x01 /* a byte waits in the data port */
#define STATUS_SYS 0x04 /* the self test was passed */
#define STATUS_COMMAND 0x08 /* the last write went to the command port */
#define STATUS_UNLOCKED 0x10

#define CONFIG_IRQ 0x01
#define CONFIG_SYS 0x04
#define CONFIG_KEYBOARD_OFF 0x10
#define CONFIG_MOUSE_OFF 0x20
#define CONFIG_TRANSLATE 0x40

#define OUT_RUN 0x01 /* low: the processor is held in reset */
#define OUT_A20 0x02
#define FAST_RESET 0x01
#define FAST_A20 0x02

#define CMD_READ_CONFIG 0x20
#define CMD_WRITE_CONFIG 0x60
#define CMD_MOUSE_OFF 0xa7
#define CMD_MOUSE_ON 0xa8
#define CMD_TEST_MOUSE 0xa9
#define CMD_SELF_TEST 0xaa
#define CMD_TEST_KEYBOARD 0xab
#define CMD_KEYBOARD_OFF 0xad
#define CMD_KEYBOARD_ON 0xae
#define CMD_READ_INPUT 0xc0
#define CMD_READ_OUTPUT 0xd0
#define CMD_WRITE_OUTPUT 0xd1
#define CMD_FAKE_KEYBOARD 0xd2
#define CMD_FAKE_MOUSE 0xd3
#define CMD_TO_MOUSE 0xd4
#define CMD_PULSE 0xf0 /* to 0xff: low bits select lines, active low */

#define KEY_ACK 0xfa
#define KEY_RESEND 0xfe

static void update_irq(struct i8042 *k)
{
	irq_set(&k->w.irq, k->count && (k->config & CONFIG_IRQ));
}

/* When the guest does not read, what comes last is lost. */
static void push(struct i8042 *k, u8 v)
{
	if (k->count < I8042_QUEUE)
		k->queue[(k->head + k->count++) % I8042_QUEUE] = v;
	update_irq(k);
}

static u8 pop(struct i8042 *k)
{
	u8 v = k->queue[k->head];

	if (k->count) {
		k->head = (k->head + 1) % I8042_QUEUE;
		k->count--;
		/* The line falls between bytes: each one is an edge. */
		irq_set(&k->w.irq, false);
		update_irq(k);
	}
	return v;
}

static void pulse_reset(struct i8042 *k)
{
	if (k->w.reset)
		k->w.reset(k->w.reset_ctx);
}

static void set_output_port(struct i8042 *k, u8 v)
{
	k->output_port = v;
	k->fast = (k->fast & ~FAST_A20) | (v & OUT_A20 ? FAST_A20 : 0);
	if (!(v & OUT_RUN))
		pulse_reset(k);
}

/* --- keyboard --- */

static void to_keyboard(struct i8042 *k, u8 v)
{
	u8 pending = k->key_command;

	/* Sending to the keyboard switches it on again. */
	k->config &= ~CONFIG_KEYBOARD_OFF;
	k->key_command = 0;
	if (pending) {
		push(k, KEY_ACK);
		/* "Which scan code set?": the second. */
		if (pending == 0xf0 && !v)
			push(k, k->config & CONFIG_TRANSLATE ? 0x41 : 0x02);
		return;
	}
	switch (v) {
	case 0xed: /* LEDs */
	case 0xf0: /* scan code set */
	case 0xf3: /* repeat rate */
		k->key_command = v;
		push(k, KEY_ACK);
		break;
	case 0xee: /* echo */
		push(k, v);
		break;
	case 0xf2: /* identify: MF2; 0x83 reads as 0x41 when translated */
		push(k, KEY_ACK);
		push(k, 0xab);
		push(k, k->config & CONFIG_TRANSLATE ? 0x41 : 0x83);
		break;
	case 0xf4: /* enable */
	case 0xf5: /* disable */
	case 0xf6: /* defaults */
		push(k, KEY_ACK);
		break;
	case 0xff: /* reset and self test */
		push(k, KEY_ACK);
		push(k, 0xaa);
		break;
	default:
		push(k, KEY_RESEND);
	}
}

/* --- controller --- */

static void write_command(struct i8042 *k, u8 v)
{
	k->status |= STATUS_COMMAND;
	k->command = 0;
	switch (v) {
	case CMD_READ_CONFIG:
		push(k, k->config);
		break;
	case CMD_MOUSE_OFF:
		k->config |= CONFIG_MOUSE_OFF;
		break;
	case CMD_MOUSE_ON:
		/* There is none: the bit stays, which is how systems tell. */
		break;
	case CMD_TEST_MOUSE:
		push(k, 0x01); /* clock line stuck low */
		break;
	case CMD_SELF_TEST:
		k->head = k->count = 0;
		k->status |= STATUS_SYS;
		k->config |= CONFIG_SYS;
		push(k, 0x55);
		break;
	case CMD_TEST_KEYBOARD:
		push(k, 0x00);
		break;
	case CMD_KEYBOARD_OFF:
		k->config |= CONFIG_KEYBOARD_OFF;
		break;
	case CMD_KEYBOARD_ON:
		k->config &= ~CONFIG_KEYBOARD_OFF;
		break;
	case CMD_READ_INPUT:
		push(k, 0x80); /* not locked */
		break;
	case CMD_READ_OUTPUT:
		push(k, k->output_port);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPUT:
	case CMD_FAKE_KEYBOARD:
	case CMD_FAKE_MOUSE:
	case CMD_TO_MOUSE:
		k->command = v;
		break;
	default:
		if (v >= CMD_PULSE && !(v & OUT_RUN))
			pulse_reset(k);
	}
}

static void write_data(struct i8042 *k, u8 v)
{
	u8 command = k->command;

	k->status &= ~STATUS_COMMAND;
	k->command = 0;
	switch (command) {
	case CMD_WRITE_CONFIG:
		k->config = v | CONFIG_MOUSE_OFF;
		k->status = (k->status & ~STATUS_SYS) |
			    (v & CONFIG_SYS ? STATUS_SYS : 0);
		update_irq(k);
		break;
	case CMD_WRITE_OUTPUT:
		set_output_port(k, v);
		break;
	case CMD_FAKE_KEYBOARD:
	case CMD_FAKE_MOUSE:
		/* Without a mouse port the byte comes back as the keyboard's,
		 * from which systems see that there is none. */
		push(k, v);
		break;
	case CMD_TO_MOUSE:
		push(k, KEY_RESEND);
		break;
	default:
		to_keyboard(k, v);
	}
}

static u8 data_read8(void *dev, u64 offset)
{
	return pop(dev);
}

static void data_write8(void *dev, u64 offset, u8 v)
{
	write_data(dev, v);
}

static u8 command_read8(void *dev, u64 offset)
{
	struct i8042 *k = dev;

	return k->status | (k->count ? STATUS_OBF : 0);
}

static void command_write8(void *dev, u64 offset, u8 v)
{
	write_command(dev, v);
}

static u8 fast_read8(void *dev, u64 offset)
{
	return ((struct i8042 *)dev)->fast;
}

static void fast_write8(void *dev, u64 offset, u8 v)
{
	struct i8042 *k = dev;
	bool rise = (v & ~k->fast) & FAST_RESET;

	k->fast = v & (FAST_RESET | FAST_A20);
	k->output_port = (k->output_port & ~OUT_A20) |
			 (v & FAST_A20 ? OUT_A20 : 0);
	if (rise)
		pulse_reset(k);
}

/* The bus functions of one of the three ports. */
#define PORT_OPS(port)                                                   \
	static u64 port##_read(void *dev, u64 offset, unsigned bytes)    \
	{                                                                \
		return isa8_read(dev, offset, bytes, port##_read8);      \
	}                                                                \
	static void port##_write(void *dev, u64 offset, u64 v,           \
				 unsigned bytes)                         \
	{                                                                \
		isa8_write(dev, offset, v, bytes, port##_write8);        \
	}                                                                \
	static const struct bus_ops port##_ops = { port##_read, port##_write };
PORT_OPS(data)
PORT_OPS(command)
PORT_OPS(fast)

static void i8042_reset(struct device *d)
{
	struct i8042 *k = container_of(d, struct i8042, dev);

	/* As firmware leaves it: tested, with translation, without A20 gate. */
	k->status = STATUS_SYS | STATUS_UNLOCKED;
	k->config = CONFIG_SYS | CONFIG_MOUSE_OFF | CONFIG_TRANSLATE;
	k->output_port = 0xcc | OUT_RUN | OUT_A20;
	k->fast = FAST_A20;
	k->command = k->key_command = 0;
	k->head = k->count = 0;
	update_irq(k);
}

static int i8042_loaded(struct device *d)
{
	struct i8042 *k = container_of(d, struct i8042, dev);

	if (k->head >= I8042_QUEUE || k->count > I8042_QUEUE)
		return -EINVAL;
	if ((k->status & STATUS_OBF) || (k->fast & ~(FAST_RESET | FAST_A20)))
		return -EINVAL;
	update_irq(k);
	return 0;
}

void i8042_init(struct i8042 *k, const struct i8042_wiring *w)
{
	k->w = *w;
	k->range[0] = (struct bus_range){ .first = w->data_port,
					  .bytes = 1,
					  .ops = &data_ops,
					  .dev = k,
					  .name = "i8042 data" };
	k->range[1] = (struct bus_range){ .first = w->command_port,
					  .bytes = 1,
					  .ops = &command_ops,
					  .dev = k,
					  .name = "i8042 command" };
	k->range[2] = (struct bus_range){ .first = w->a20_port,
					  .bytes = 1,
					  .ops = &fast_ops,
					  .dev = k,
					  .name = "port 92" };
	for (unsigned i = 0; i < ARRAY_SIZE(k->range); i++)
		bus_add(w->pio, &k->range[i]);
	i8042_reset(&k->dev);
}

static const struct field i8042_fields[] = {
	FIELD(struct i8042, status, FIELD_U8, 1),
	FIELD(struct i8042, config, FIELD_U8, 1),
	FIELD(struct i8042, output_port, FIELD_U8, 1),
	FIELD(struct i8042, fast, FIELD_U8, 1),
	FIELD(struct i8042, command, FIELD_U8, 1),
	FIELD(struct i8042, key_command, FIELD_U8, 1),
	FIELD_BLOB(struct i8042, queue, 1),
	FIELD(struct i8042, head, FIELD_U8, 1),
	FIELD(struct i8042, count, FIELD_U8, 1),
	FIELD_END,
};

const struct device_class i8042_class = {
	.name = "i8042",
	.version = 1,
	.bytes = sizeof(struct i8042),
	.fields = i8042_fields,
	.reset = i8042_reset,
	.loaded = i8042_loaded,
};
