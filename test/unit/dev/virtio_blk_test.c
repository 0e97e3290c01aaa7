/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_test.c - the block device through its PCI registers, driven as a
 * driver would. What one should never do is in virtio_hostile_test.c.
 */
#include "blk_rig.h"

static void test_identity(void)
{
	unsigned cap, window;

	setup_rw();
	tap_equal(cfg_read(&m, AT, 0, 4), 0x10421af4, "vendor and device");
	tap_equal(cfg_read(&m, AT, PCI_REVISION, 1), 1, "revision");
	tap_check(d.common && d.notify && d.isr && d.device, "capabilities");
	tap_equal(driver_offered(&d), ALL | BIT64(2) | BIT64(6) | BIT64(10),
		  "features");
	mm_write(&m, d.common, 2, 4);
	tap_equal(mm_read(&m, d.common + 4, 4), 0, "no third feature word");
	tap_equal(mm_read(&m, d.common + 0x12, 2), 1, "one queue");
	tap_equal(mm_read(&m, d.device, 4), FAKE_BYTES / 512, "capacity");
	tap_equal(mm_read(&m, d.device + 4, 4), 0, "capacity, high");
	tap_equal(mm_read(&m, d.device + 12, 4), 254, "seg_max");
	tap_equal(mm_read(&m, d.device + 20, 4), 512, "blk_size");
	tap_equal(mm_read(&m, d.device + 24, 1), 3, "a byte");
	tap_equal(mm_read(&m, d.device + 0xffc, 4), 0, "beyond");
	mm_write(&m, d.common + 0x16, 1, 2);
	tap_equal(mm_read(&m, d.common + 0x18, 2), 0, "no second queue");
	mm_write(&m, d.common + 0x16, 0xffff, 2);
	mm_write(&m, d.common + 0x1c, 1, 2);
	tap_equal(mm_read(&m, d.common + 0x1c, 2), 0, "nor a last");

	/* The window in configuration space. */
	window = cfg_find_cap(&m, AT, PCI_CAP_VENDOR, 5);
	cap = cfg_find_cap(&m, AT, PCI_CAP_VENDOR, 4);
	cfg_write(&m, AT, window + 4, 0, 1);
	cfg_write(&m, AT, window + 8, cfg_read(&m, AT, cap + 8, 4), 4);
	cfg_write(&m, AT, window + 12, 4, 4);
	tap_equal(cfg_read(&m, AT, window + 16, 4), FAKE_BYTES / 512,
		  "window reads");
	cap = cfg_find_cap(&m, AT, PCI_CAP_VENDOR, 1);
	cfg_write(&m, AT, window + 8, cfg_read(&m, AT, cap + 8, 4) + 0x14, 4);
	cfg_write(&m, AT, window + 12, 1, 4);
	cfg_write(&m, AT, window + 16, 1, 1);
	tap_equal(driver_status(&d), 1, "window writes");
	cfg_write(&m, AT, window + 8, 0xfffffffc, 4);
	cfg_write(&m, AT, window + 12, 4, 4);
	cfg_read(&m, AT, window + 16, 4);
	cfg_write(&m, AT, window + 4, 0xff, 1);
	cfg_read(&m, AT, window + 16, 4);
	cfg_write(&m, AT, window + 12, 0, 4);
	cfg_write(&m, AT, window + 16, 0, 4);
	tap_check(true, "a window to nowhere");
	teardown();
}

static void test_negotiation(void)
{
	setup_rw();
	tap_check(!driver_negotiate(&d, 0), "a driver of before 1.0");
	tap_check(!driver_negotiate(&d, BASE | BIT64(5)), "not offered");
	tap_check(!driver_negotiate(&d, BASE | BIT64(63)), "nor this");
	driver_set_status(&d, 15);
	tap_check(!(driver_status(&d) & 4), "no DRIVER_OK then");
	tap_check(driver_negotiate(&d, BASE), "agreed");
	mm_write(&m, d.common + 8, 0, 4);
	mm_write(&m, d.common + 12, 0, 4);
	tap_equal(mm_read(&m, d.common + 12, 4), BIT(9), "and fixed");
	driver_set_status(&d, 0x4b);
	tap_equal(driver_status(&d), 11, "NEEDS_RESET is not the driver's");
	driver_set_status(&d, 1);
	tap_equal(driver_status(&d), 11, "bits do not go");
	driver_set_status(&d, 0);
	tap_equal(driver_status(&d), 0, "but by reset");
	teardown();
}

static void test_requests(u64 features, const char *name)
{
	u32 len = 0;

	setup_rw();
	driver_start(&d, features, 8);
	tap_equal(driver_status(&d), 15, name);
	put_plain(0, 3, 1024, true);
	tap_equal(answer(&len), 0, "read");
	tap_equal(len, 1025, "its length");
	tap_check(!memcmp(m.mem.ram + DATA, disk.data + 3 * 512, 1024),
		  "the right bytes");
	memset(m.mem.ram + DATA, 0x5a, 1024);
	put_plain(1, 8, 1024, false);
	tap_equal(answer(&len), 0, "write");
	tap_equal(len, 1, "its length");
	tap_check(disk.data[8 * 512] == 0x5a &&
			  disk.data[10 * 512 - 1] == 0x5a &&
			  disk.data[10 * 512] != 0x5a, "written");
	tap_equal(disk.flushes, 0, "not flushed");
	put_plain(4, 0, 0, false);
	tap_equal(answer(NULL), 0, "flush");
	tap_equal(disk.flushes, 1, "flushed");
	put_plain(8, 0, 20, true);
	tap_equal(answer(&len), 0, "get id");
	tap_equal(len, 21, "its length");
	tap_check(!memcmp(m.mem.ram + DATA, "a serial number that", 20),
		  "the serial number");
	put_plain(8, 0, 5, true);
	tap_equal(answer(&len), 0, "get id, short");
	tap_equal(len, 6, "its length");
	put_plain(8, 0, 512, true);
	tap_equal(answer(&len), 0, "get id, long");
	tap_equal(len, 21, "its length");
	put_plain(77, 0, 512, true);
	tap_equal(answer(NULL), 2, "unknown type");
	put_plain(0, FAKE_BYTES / 512 - 1, 512, true);
	tap_equal(answer(NULL), 0, "the last sector");
	put_plain(0, FAKE_BYTES / 512 - 1, 1024, true);
	tap_equal(answer(&len), 1, "over the end");
	tap_equal(len, 0, "nothing written at the start");
	put_plain(0, FAKE_BYTES / 512, 512, true);
	tap_equal(answer(NULL), 1, "behind the end");
	put_plain(0, ~0ull, 512, true);
	tap_equal(answer(NULL), 1, "far behind the end");
	put_plain(1, 1ull << 55, 512, false);
	tap_equal(answer(NULL), 1, "where bytes overflow");
	put_plain(0, 0, 511, true);
	tap_equal(answer(NULL), 1, "not whole sectors");
	put_plain(0, 0, 0, true);
	tap_equal(answer(&len), 0, "nothing to read");
	tap_equal(len, 1, "and nothing read");
	put_plain(0, 0, 512, false);
	tap_equal(answer(NULL), 1, "read into a readable buffer");
	put_plain(1, 0, 512, true);
	tap_equal(answer(NULL), 1, "write from a writable buffer");
	disk.fail = -ENOSPC;
	put_plain(1, 0, 512, false);
	tap_equal(answer(NULL), 1, "no space");
	disk.fail = -EIO;
	put_plain(4, 0, 0, false);
	tap_equal(answer(NULL), 1, "flush fails");
	tap_equal(driver_status(&d), 15, "the device is well");
	teardown();
}

static void test_framing(void)
{
	u32 id, len;

	setup_rw();
	driver_start(&d, ALL, 16);
	/* Header in three parts, one empty; data in two; status with data. */
	put_header(HEADER, 0, 1);
	put_desc(&d, 0, HEADER, 3, D_NEXT, 5);
	put_desc(&d, 5, HEADER + 3, 9, D_NEXT, 6);
	put_desc(&d, 6, 0xffffffffffff0000ull, 0, D_NEXT, 7);
	put_desc(&d, 7, HEADER + 12, 4, D_NEXT, 8);
	put_desc(&d, 8, DATA + 4096, 100, D_NEXT | D_WRITE, 9);
	put_desc(&d, 9, DATA, 412 + 512 + 1, D_WRITE, 0);
	put_avail(&d, 0);
	checked(do_kick, "odd framing");
	tap_check(get_used(&d, &id, &len) && len == 1025, "answered");
	tap_equal(m.mem.ram[DATA + 412 + 512], 0, "status behind the data");
	tap_check(!memcmp(m.mem.ram + DATA + 4096, disk.data + 512, 100) &&
			  !memcmp(m.mem.ram + DATA, disk.data + 612, 924),
		  "the right bytes");

	/* Data in high RAM, which lies behind low RAM here but not there. */
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, GiB(4), 512, D_NEXT | D_WRITE, 2);
	tap_equal(answer(NULL), 0, "high memory");
	tap_check(!memcmp(m.mem.ram + RAM_LOW, disk.data, 512), "is there");

	/* Two neighbours in host memory that are none for the guest. */
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, RAM_LOW - 256, 256, D_NEXT | D_WRITE, 3);
	put_desc(&d, 3, GiB(4), 256, D_NEXT | D_WRITE, 2);
	tap_equal(answer(NULL), 0, "both sides of the hole");
	tap_check(!memcmp(m.mem.ram + RAM_LOW - 256, disk.data, 512), "right");
	teardown();
}

static void test_indirect(void)
{
	u32 id, len;

	setup_rw();
	driver_start(&d, ALL, 2);
	put_header(HEADER, 0, 2);
	put_desc_at(&d, TABLE, 0, HEADER, 16, D_NEXT, 1);
	for (u16 i = 1; i <= 254; i++)
		put_desc_at(&d, TABLE, i, 0x40000 + 1024u * i, 256,
			    D_NEXT | D_WRITE, (u16)(i + 1));
	put_desc_at(&d, TABLE, 255, STATUS, 1, D_WRITE, 0);
	put_desc(&d, 0, TABLE, 256 * 16, D_INDIRECT, 0);
	put_header(HEADER, 0, 0);
	put_avail(&d, 0);
	checked(do_kick, "indirect");
	tap_check(get_used(&d, &id, &len) && id == 0, "answered");
	tap_equal(len, 254 * 256 + 1, "254 segments");
	tap_check(!memcmp(m.mem.ram + 0x40000 + 1024 * 254,
			  disk.data + 253 * 256, 256), "the last is right");

	/* Direct ones, then a table. */
	put_header(HEADER, 0, 5);
	put_desc(&d, 0, HEADER, 16, D_NEXT, 1);
	put_desc(&d, 1, TABLE, 32, D_INDIRECT, 0);
	put_desc_at(&d, TABLE, 0, DATA, 512, D_NEXT | D_WRITE, 1);
	put_desc_at(&d, TABLE, 1, STATUS, 1, D_WRITE, 0);
	put_avail(&d, 0);
	tap_equal(answer(&len), 0, "direct, then indirect");
	tap_equal(len, 513, "its length");

	/* A table anywhere, even at an odd place. */
	memmove(m.mem.ram + TABLE + 0x1001, m.mem.ram + TABLE, 32);
	put_desc(&d, 1, TABLE + 0x1001, 32, D_INDIRECT, 0);
	put_avail(&d, 0);
	tap_equal(answer(&len), 0, "unaligned table");
	teardown();
}

static void test_interrupts(void)
{
	u32 id, len;

	setup_rw();
	driver_start(&d, BASE, 8);
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_check(m.irq[11] || m.irq[10], "INTx");
	tap_equal(mm_read(&m, d.isr, 1), 1, "ISR: a queue");
	tap_check(!m.irq[11] && !m.irq[10], "reading it is the answer");
	tap_equal(mm_read(&m, d.isr, 1), 0, "and clears it");
	*ram16(&d, AVAIL_AT) = 1;
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_equal(mm_read(&m, d.isr, 1), 0, "not wanted, not sent");
	*ram16(&d, AVAIL_AT) = 0;

	driver_enable_msix(&d, 1, 0x55);
	mm_write(&m, d.common + 0x1a, 1, 2);
	tap_equal(mm_read(&m, d.common + 0x1a, 2), 1, "vector taken");
	mm_write(&m, d.common + 0x10, 2, 2);
	tap_equal(mm_read(&m, d.common + 0x10, 2), 0xffff, "no such vector");
	m.msi_count = 0;
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_check(m.msi_count == 1 && m.msi_data == 0x55, "MSI-X");
	tap_check(!m.irq[11] && !m.irq[10], "and no INTx");
	while (get_used(&d, &id, &len))
		;

	/* With event indexes: one interrupt for a batch, when asked for. */
	driver_start(&d, ALL, 8);
	mm_write(&m, d.common + 0x1a, 1, 2);
	m.msi_count = 0;
	put_plain(0, 0, 512, true);
	put_plain(0, 1, 512, true);
	put_plain(0, 2, 512, true);
	kick(&d);
	tap_equal(m.msi_count, 1, "three at once, one interrupt");
	tap_equal(used_pending(&d), 3, "all three done");
	tap_equal(*ram16(&d, USED_AT + 4 + 8 * 8), 3, "avail_event");
	*ram16(&d, AVAIL_AT + 4 + 2 * 8) = 5; /* used_event */
	put_plain(0, 0, 512, true);
	kick(&d);
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_equal(m.msi_count, 1, "the fifth: not yet");
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_equal(m.msi_count, 2, "the sixth: now");
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_equal(m.msi_count, 2, "the seventh: not again");
	teardown();
}

static void test_wrap(void)
{
	bool ok = true;

	setup_rw();
	driver_start(&d, ALL, 4);
	for (unsigned i = 0; i < 70000; i++) {
		u32 id, len;

		put_plain(4, 0, 0, true);
		kick(&d);
		ok = ok && get_used(&d, &id, &len) && !m.mem.ram[STATUS];
	}
	tap_check(ok, "indexes wrap");
	teardown();
}

static void test_readonly(void)
{
	fake_disk_init(&disk);
	disk.disk.readonly = true;
	setup();
	tap_check(driver_offered(&d) & BIT64(5), "read-only is offered");
	driver_start(&d, BASE | BIT64(5), 8);
	put_plain(1, 0, 512, false);
	tap_equal(answer(NULL), 1, "write refused");
	tap_equal(disk.requests, 0, "before the disk");
	put_plain(0, 0, 512, true);
	tap_equal(answer(NULL), 0, "read works");
	teardown();
}

static void test_write_through(void)
{
	setup_rw();
	driver_start(&d, VIRTIO_F_VERSION_1, 8);
	put_plain(1, 0, 512, false);
	tap_equal(answer(NULL), 0, "write");
	tap_equal(disk.flushes, 1, "is flushed for who cannot flush");
	disk.fail = -EIO;
	put_plain(1, 0, 512, false);
	tap_equal(answer(NULL), 1, "write fails");
	teardown();
}

static void test_no_master(void)
{
	setup_rw();
	driver_start(&d, ALL, 8);
	cfg_write(&m, AT, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	put_plain(0, 0, 512, true);
	kick(&d);
	tap_equal(used_pending(&d), 0, "no bus master, no work");
	cfg_write(&m, AT, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		  2);
	tap_equal(used_pending(&d), 1, "made up for");
	teardown();
}

int main(void)
{
	test_identity();
	test_negotiation();
	test_requests(ALL, "start with all features");
	test_requests(BASE, "start with few features");
	test_framing();
	test_indirect();
	test_interrupts();
	test_wrap();
	test_readonly();
	test_write_through();
	test_no_master();
	return tap_done();
}
