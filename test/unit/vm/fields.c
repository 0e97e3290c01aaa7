/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - saved state of a made-up device, and records that nobody wrote. */
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "vm/clock.h"
#include "vm/fields.h"

struct chip {
	struct device dev;
	bool on;
	u8 a;
	u16 b;
	u32 c;
	u64 d;
	u16 arr[3];
	struct {
		u32 x;
		u8 y;
	} chan[2];
	u8 blob[5];
	struct timer t;
	u32 newer; /* since version 2 */
	u32 guard;
};

static const struct field chip_fields[] = {
	FIELD(struct chip, on, FIELD_BOOL, 1),
	FIELD(struct chip, a, FIELD_U8, 1),
	FIELD(struct chip, b, FIELD_U16, 1),
	FIELD(struct chip, c, FIELD_U32, 1),
	FIELD(struct chip, d, FIELD_U64, 1),
	FIELD_ARRAY(struct chip, arr, FIELD_U16, 1),
	FIELD_STRUCTS(struct chip, chan, x, FIELD_U32, 1),
	FIELD_STRUCTS(struct chip, chan, y, FIELD_U8, 1),
	FIELD_BLOB(struct chip, blob, 1),
	FIELD(struct chip, t, FIELD_TIMER, 1),
	FIELD(struct chip, newer, FIELD_U32, 2),
	FIELD_END
};

static int chip_loaded(struct device *d)
{
	struct chip *c = container_of(d, struct chip, dev);

	return c->a == 0xee ? -EINVAL : 0;
}

static const struct device_class chip_v1 = { "chip", 1, sizeof(struct chip),
					     chip_fields };
static const struct device_class chip_v2 = { "chip", 2, sizeof(struct chip),
					     chip_fields, NULL, chip_loaded };

static struct clock vm_clock;

static void ring(void *arg, u64 now_ns)
{
}

static void make(struct chip *c, const struct device_class *cls, bool full)
{
	memset(c, 0, sizeof(*c));
	c->dev.cls = cls;
	strcpy(c->dev.id, "chip0");
	c->guard = 0x600d;
	timer_init(&c->t, &vm_clock, ring, NULL);
	if (!full)
		return;
	c->on = true;
	c->a = 1;
	c->b = 0x2222;
	c->c = 0x33333333;
	c->d = 0x4444444444444444;
	c->arr[0] = 5, c->arr[1] = 6, c->arr[2] = 7;
	c->chan[0].x = 8, c->chan[1].x = 9;
	c->chan[0].y = 10, c->chan[1].y = 11;
	memcpy(c->blob, "blob", 5);
	c->newer = 12;
	timer_arm(&c->t, 123456789);
}

#define V1_BYTES (1 + 1 + 2 + 4 + 8 + 6 + 8 + 2 + 5 + 8)

static u8 buf[512];

static void test_round(void)
{
	struct chip a, b;
	char why[128];
	s64 n, m;

	make(&a, &chip_v2, true);
	make(&b, &chip_v2, false);
	tap_equal(fields_saved_bytes(&a.dev),
		  (u64)(FIELDS_HEADER_BYTES + V1_BYTES + 4), "size");
	tap_check(!fields_equal(&a.dev, &b.dev, why, sizeof(why)) &&
			  !strcmp(why, "chip0: on[0]: 0x1, 0"),
		  "different: %s", why);
	n = fields_save(&a.dev, buf, sizeof(buf));
	tap_equal((u64)n, fields_saved_bytes(&a.dev), "saved");
	tap_equal(fields_save(&a.dev, buf, (u64)n - 1), -ENOSPC, "no room");
	m = fields_load(&b.dev, buf, sizeof(buf), NULL);
	tap_equal(m, n, "loaded");
	tap_check(fields_equal(&a.dev, &b.dev, why, sizeof(why)), "the same");
	tap_check(b.guard == 0x600d && b.t.deadline_ns == 123456789,
		  "the timer is armed");
	timer_arm(&a.t, CLOCK_NEVER);
	tap_check(!list_empty(&vm_clock.timers), "in the clock's list");
	b.arr[1] = 99;
	b.t.deadline_ns = CLOCK_NEVER;
	list_del(&b.t.link);
	fields_equal(&a.dev, &b.dev, why, sizeof(why));
	tap_check(!strcmp(why, "chip0: arr[1]: 0x6, 0x63"), "%s", why);
	tap_check(!fields_equal(&a.dev, &b.dev, NULL, 0), "no reason wanted");
}

static void test_versions(void)
{
	struct chip v1, v2;
	struct err e = { "" };
	s64 n;

	make(&v1, &chip_v1, true);
	make(&v2, &chip_v2, false);
	v2.newer = 77;
	n = fields_save(&v1.dev, buf, sizeof(buf));
	tap_equal(n, FIELDS_HEADER_BYTES + V1_BYTES, "an old record");
	n = fields_load(&v2.dev, buf, (u64)n, &e);
	tap_check(n > 0 && v2.c == 0x33333333 && v2.newer == 77,
		  "the new device keeps what it does not hold");
	n = fields_save(&v2.dev, buf, sizeof(buf));
	n = fields_load(&v1.dev, buf, (u64)n, &e);
	tap_check(n == -EINVAL, "the other way: %s", e.text);
	timer_arm(&v1.t, CLOCK_NEVER);
	timer_arm(&v2.t, CLOCK_NEVER);
}

static void expect_bad(const char *what, u64 size)
{
	struct chip c, fresh;
	struct err e = { "" };
	s64 n;

	make(&c, &chip_v2, false);
	make(&fresh, &chip_v2, false);
	n = fields_load(&c.dev, buf, size, &e);
	tap_check(n == -EINVAL && e.text[0] &&
			  fields_equal(&c.dev, &fresh.dev, NULL, 0),
		  "%s: %s", what, e.text);
}

static void test_hostile(void)
{
	struct chip a;
	struct err e = { "" };
	s64 n;

	make(&a, &chip_v2, true);
	n = fields_save(&a.dev, buf, sizeof(buf));
	for (s64 cut = 0; cut < n; cut += 7)
		expect_bad("cut off", (u64)cut);
	buf[0] ^= 1;
	expect_bad("magic", sizeof(buf));
	buf[0] ^= 1;
	buf[4] = 0;
	expect_bad("version 0 has another length", sizeof(buf));
	buf[4] = 2;
	buf[32] ^= 0xff;
	expect_bad("length", sizeof(buf));
	buf[32] ^= 0xff;
	buf[35] = 0xff;
	expect_bad("huge length", sizeof(buf));
	buf[35] = 0;
	memset(buf + 8, 'x', 24);
	expect_bad("id without end", sizeof(buf));
	n = fields_save(&a.dev, buf, sizeof(buf));
	buf[FIELDS_HEADER_BYTES] = 2;
	expect_bad("a bool of 2", sizeof(buf));
	buf[FIELDS_HEADER_BYTES] = 1;
	buf[FIELDS_HEADER_BYTES + 1] = 0xee;
	n = fields_load(&a.dev, buf, sizeof(buf), &e);
	tap_check(n == -EINVAL && e.text[0], "the device refuses: %s", e.text);
	timer_arm(&a.t, CLOCK_NEVER);
}

/* Any bytes at all: no crash, nothing outside the fields is written. */
static void test_random(void)
{
	struct chip c;
	bool ok = true;

	srand(4);
	for (int i = 0; i < 20000; i++) {
		u64 size;

		make(&c, &chip_v2, true);
		size = (u64)fields_save(&c.dev, buf, sizeof(buf));
		for (int k = rand() % 4; k >= 0; k--)
			buf[(u64)rand() % size] = (u8)rand();
		ok &= fields_load(&c.dev, buf, size - (rand() % 4 == 0),
				  NULL) <= (s64)size;
		ok &= c.guard == 0x600d && c.dev.cls == &chip_v2;
		timer_arm(&c.t, CLOCK_NEVER);
	}
	tap_check(ok, "damaged records do no harm");
}

static int dumped;
static char dump_text[200];

static void line(void *ctx, const char *text)
{
	dumped++;
	if (strstr(text, ".arr"))
		snprintf(dump_text, sizeof(dump_text), "%s", text);
}

static void test_dump(void)
{
	struct chip a;

	make(&a, &chip_v2, true);
	fields_dump(&a.dev, line, NULL);
	tap_check(dumped == 11 && !strcmp(dump_text, "chip0.arr = 0x5 0x6 0x7"),
		  "%s", dump_text);
	timer_arm(&a.t, CLOCK_NEVER);
}

int main(void)
{
	clock_init(&vm_clock);
	test_round();
	test_versions();
	test_hostile();
	test_random();
	test_dump();
	return tap_done();
}
