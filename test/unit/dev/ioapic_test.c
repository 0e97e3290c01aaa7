/* SPDX-License-Identifier: Apache-2.0 */
/* ioapic_test.c - redirection, trigger modes, Remote IRR, end of interrupt. */
#include "dev/ioapic.h"
#include "rig.h"
#include "../tap.h"

#define BASE 0xfec00000ull
#define MASKED 0x10000u
#define LEVEL 0x8000u
#define REMOTE_IRR 0x4000u

static struct rig rig;
static struct ioapic ioapic;
static unsigned sent;
static struct apic_msg last;
static bool accept_next = true;

static bool send(void *dev, const struct apic_msg *m)
{
	sent++;
	last = *m;
	return accept_next;
}

static void start(void)
{
	const struct ioapic_wiring w = { &rig.mmio, BASE, { send, NULL } };

	rig_init(&rig);
	memset(&ioapic, 0, sizeof(ioapic));
	sent = 0;
	rig_name(&ioapic.dev, &ioapic_class);
	ioapic_init(&ioapic, &w);
}

static u32 get(u8 reg)
{
	bus_write(&rig.mmio, BASE, reg, 4);
	return (u32)bus_read(&rig.mmio, BASE + 0x10, 4);
}

static void set(u8 reg, u32 v)
{
	bus_write(&rig.mmio, BASE, reg, 4);
	bus_write(&rig.mmio, BASE + 0x10, v, 4);
}

static void redirect(unsigned n, u32 low, u8 dest)
{
	set((u8)(0x11 + 2 * n), (u32)dest << 24);
	set((u8)(0x10 + 2 * n), low);
}

static void registers(void)
{
	bool masked = true;

	start();
	tap_equal(get(1), 0x170020, "version, 24 inputs");
	for (unsigned i = 0; i < 24; i++)
		masked &= get((u8)(0x10 + 2 * i)) == MASKED;
	tap_check(masked, "all masked");
	set(0, 0xff000000);
	tap_equal(get(0), 0x0f000000, "id: four bits");
	redirect(5, 0xffffffff, 0xff);
	tap_equal(get(0x1a), 0x1afff, "status and Remote IRR are read-only");
	tap_equal(get(0x1b), 0xff000000, "destination");
	tap_equal(get(0x40), 0xffffffff, "there is no register 0x40");
	set(0x40, 0);
	set(0xff, 0);
	tap_equal(get(0xff), 0xffffffff, "nor 0xff");
}

static void edge(void)
{
	start();
	ioapic_set(&ioapic, 4, true);
	tap_equal(sent, 0u, "masked");
	redirect(4, 0x31, 2);
	tap_equal(sent, 0u, "the edge while masked is lost");
	ioapic_set(&ioapic, 4, false);
	ioapic_set(&ioapic, 4, true);
	tap_check(sent == 1 && last.vector == 0x31 && last.dest == 2 &&
			  !last.logical && !last.level &&
			  last.mode == APIC_FIXED, "edge");
	ioapic_set(&ioapic, 4, true);
	tap_equal(sent, 1u, "no edge, no message");
	ioapic_set(&ioapic, 4, false);
	redirect(4, 0x932, 0x81); /* logical, lowest priority */
	ioapic_set(&ioapic, 4, true);
	tap_check(sent == 2 && last.logical && last.mode == APIC_LOWEST &&
			  last.dest == 0x81, "logical");
	redirect(6, 0x33, 0xff);
	ioapic_set(&ioapic, 6, true);
	tap_equal(last.dest, APIC_BROADCAST, "physical 0xff: everybody");
	redirect(7, 0x700, 0);
	ioapic_set(&ioapic, 7, true);
	redirect(8, 0x600, 0);
	ioapic_set(&ioapic, 8, true);
	tap_equal(sent, 3u, "ExtINT and startup send nothing");
	ioapic_set(&ioapic, 24, true);
	ioapic_set(&ioapic, 1u << 31, true);
	tap_equal(sent, 3u, "inputs that are none");
}

static void level(void)
{
	start();
	redirect(10, LEVEL | 0x41, 0);
	ioapic_set(&ioapic, 10, true);
	tap_check(sent == 1 && last.level, "level");
	tap_equal(get(0x24), LEVEL | REMOTE_IRR | 0x41, "Remote IRR");
	ioapic_set(&ioapic, 10, false);
	ioapic_set(&ioapic, 10, true);
	tap_equal(sent, 1u, "in service: nothing new");
	ioapic_eoi(&ioapic, 0x42);
	tap_equal(sent, 1u, "another vector's EOI");
	ioapic_eoi(&ioapic, 0x41);
	tap_equal(sent, 2u, "still up after EOI: again");
	ioapic_set(&ioapic, 10, false);
	bus_write(&rig.mmio, BASE + 0x40, 0x41, 4);
	tap_equal(get(0x24), LEVEL | 0x41, "the EOI register does it, too");
	tap_equal(sent, 2u, "down: over");

	redirect(10, MASKED | LEVEL | 0x41, 0);
	ioapic_set(&ioapic, 10, true);
	tap_equal(sent, 2u, "masked");
	redirect(10, LEVEL | 0x41, 0);
	tap_equal(sent, 3u, "unmasked while up");
	/* How systems without the EOI register clear a stuck Remote IRR. */
	ioapic_set(&ioapic, 10, false);
	redirect(10, MASKED | 0x41, 0);
	redirect(10, MASKED | LEVEL | 0x41, 0);
	tap_equal(get(0x24), MASKED | LEVEL | 0x41, "edge and back clears it");
	accept_next = false;
	redirect(10, LEVEL | 0x41, 0);
	ioapic_set(&ioapic, 10, true);
	tap_equal(get(0x24), LEVEL | 0x41, "nobody accepts: not in service");
	accept_next = true;
}

static void saved(void)
{
	static struct ioapic other;
	struct rig rig2;
	const struct ioapic_wiring w = { &rig2.mmio, BASE, { send, NULL } };

	start();
	redirect(10, LEVEL | 0x41, 3);
	ioapic_set(&ioapic, 10, true);
	rig_init(&rig2);
	rig_name(&other.dev, &ioapic_class);
	ioapic_init(&other, &w);
	tap_check(rig_copy(&ioapic.dev, &other.dev), "saved and loaded");
	sent = 0;
	ioapic_eoi(&other, 0x41);
	tap_check(sent == 1 && last.dest == 3, "goes on there");
	tap_check(!rig_accepts(&other.dev, "redir", BIT64(40)), "reserved bit");
	tap_check(!rig_accepts(&other.dev, "redir", REMOTE_IRR),
		  "Remote IRR of an edge");
	ioapic_class.reset(&other.dev);
	tap_check(!rig_accepts(&other.dev, "lines", 1u << 24), "line refused");
}

int main(void)
{
	registers();
	edge();
	level();
	saved();
	return tap_done();
}
