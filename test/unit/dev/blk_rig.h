/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blk_rig.h - a machine with a virtio disk and a driver for it: what the tests
 * of the block device have in common. One to a program.
 */
#ifndef DOPPEL_TEST_DEV_BLK_RIG_H
#define DOPPEL_TEST_DEV_BLK_RIG_H

#include "../tap.h"

#include "dev/virtio_blk_pci.h"
#include "driver.h"
#include "fake_disk.h"

#define AT PCI_DEVFN(2, 0)
#define HEADER 0x20000ull
#define DATA 0x21000ull
#define STATUS 0x20800ull
#define TABLE 0x30000ull /* of indirect descriptors */

#define BASE (VIRTIO_F_VERSION_1 | BIT64(9))
#define ALL (BASE | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX)

static struct machine m;
static struct fake_disk disk;
static struct virtio_blk_pci blk;
static struct driver d;

static inline void setup(void)
{
	struct virtio_blk_wiring w = { .serial = "a serial number that is long",
				       .disk = &disk.disk };

	machine_init(&m);
	w.pci = (struct virtio_pci_wiring){ &m.host.bus, PCI_ANY_SLOT, m.msi,
					    &m.mem, &m.clock };
	memset(&blk, 0, sizeof(blk));
	blk.t.pci.dev.cls = &virtio_blk_pci_class;
	if (virtio_blk_pci_init(&blk, &w, NULL))
		abort();
	driver_probe(&d, &m, AT);
}

static inline void setup_rw(void)
{
	fake_disk_init(&disk);
	setup();
}

static inline void teardown(void)
{
	fake_disk_go(&disk, ~0u);
	virtio_blk_pci_class.fini(&blk.t.pci.dev);
	machine_fini(&m);
}

/* Does the engine know of all that @fn changed in RAM? */
static inline void checked(void (*fn)(void), const char *name)
{
	memcpy(m.told, m.mem.ram, RAM_LOW + RAM_HIGH);
	fn();
	tap_check(!memcmp(m.told, m.mem.ram, RAM_LOW + RAM_HIGH) &&
			  !m.written_bad, "%s: all writes are told", name);
}

static inline void do_kick(void)
{
	kick(&d);
}

static inline void do_go(void)
{
	fake_disk_go(&disk, ~0u);
}

static inline void put_header(u64 at, u32 type, u64 sector)
{
	u32 h[2] = { type, 0 };

	memcpy(m.mem.ram + at, h, 8);
	memcpy(m.mem.ram + at + 8, &sector, 8);
}

/* The plain form: header, data, status in descriptors 0, 1, 2. */
static inline void put_plain(u32 type, u64 sector, u32 bytes, bool in)
{
	put_header(HEADER, type, sector);
	m.mem.ram[STATUS] = 0xee;
	put_desc(&d, 0, HEADER, 16, D_NEXT, 1);
	put_desc(&d, 1, DATA, bytes, D_NEXT | (in ? D_WRITE : 0), 2);
	put_desc(&d, 2, STATUS, 1, D_WRITE, 0);
	put_avail(&d, 0);
}

/* Kicks and takes the one answer; the status byte, or -1 for no answer. */
static inline int answer(u32 *len)
{
	u32 id, l;

	checked(do_kick, "kick");
	if (!get_used(&d, &id, &l) || id != 0)
		return -1;
	if (len)
		*len = l;
	return m.mem.ram[STATUS];
}

#endif
