/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_test.c - the block device through its PCI registers, driven as a
 * driver would, and as a driver never should.
 */
#include "../tap.h"

#include "dev/virtio_blk_pci.h"
#include "driver.h"
#include "fake_disk.h"
#include "vm/fields.h"

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
static u8 before[RAM_LOW + RAM_HIGH];

static void setup(void)
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

static void setup_rw(void)
{
	fake_disk_init(&disk);
	setup();
}

static void teardown(void)
{
	fake_disk_go(&disk, ~0u);
	virtio_blk_pci_class.fini(&blk.t.pci.dev);
	machine_fini(&m);
}

/* Does the engine know of every byte that @fn changed in RAM? */
static void checked(void (*fn)(void), const char *name)
{
	u64 missed = 0;

	memcpy(before, m.mem.ram, sizeof(before));
	memset(m.written_map, 0, sizeof(before));
	fn();
	for (u64 i = 0; i < sizeof(before); i++)
		missed += before[i] != m.mem.ram[i] && !m.written_map[i];
	tap_check(!missed && !m.written_bad, "%s: all writes are told", name);
}

static void do_kick(void)
{
	kick(&d);
}

static void do_go(void)
{
	fake_disk_go(&disk, ~0u);
}

static void put_header(u64 at, u32 type, u64 sector)
{
	u32 h[2] = { type, 0 };

	memcpy(m.mem.ram + at, h, 8);
	memcpy(m.mem.ram + at + 8, &sector, 8);
}

/* The plain form: header, data, status in descriptors 0, 1, 2. */
static void put_plain(u32 type, u64 sector, u32 bytes, bool in)
{
	put_header(HEADER, type, sector);
	m.mem.ram[STATUS] = 0xee;
	put_desc(&d, 0, HEADER, 16, D_NEXT, 1);
	put_desc(&d, 1, DATA, bytes, D_NEXT | (in ? D_WRITE : 0), 2);
	put_desc(&d, 2, STATUS, 1, D_WRITE, 0);
	put_avail(&d, 0);
}

/* Kicks and takes the one answer; the status byte, or -1 for no answer. */
static int answer(u32 *len)
{
	u32 id, l;

	checked(do_kick, "kick");
	if (!get_used(&d, &id, &l) || id != 0)
		return -1;
	if (len)
		*len = l;
	return m.mem.ram[STATUS];
}

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
	tap_check(disk.data[8 * 512] == 0x5a && disk.data[10 * 512 - 1] == 0x5a &&
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
	/* 254 * 256 is not whole sectors less... it is: 127 sectors. */
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

/* --- rings that make no sense --- */

static void bad_head(void)
{
	put_avail(&d, 8);
}

static void bad_next(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, DATA, 512, D_NEXT | D_WRITE, 0xffff);
}

static void bad_index(void)
{
	d.avail = 9;
	*ram16(&d, AVAIL_AT + 2) = 9;
}

static void bad_index_back(void)
{
	*ram16(&d, AVAIL_AT + 2) = 0xffff;
}

static void bad_loop(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 2, STATUS, 1, D_NEXT | D_WRITE, 1);
}

static void bad_self(void)
{
	put_desc(&d, 0, HEADER, 0, D_NEXT, 0);
	put_avail(&d, 0);
}

static void bad_outside(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, RAM_LOW - 511, 512, D_NEXT | D_WRITE, 2);
}

static void bad_far(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, ~0ull - 255, 512, D_NEXT | D_WRITE, 2);
}

static void bad_long(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, DATA, 0xffffffff, D_NEXT | D_WRITE, 2);
}

static void bad_mmio(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 1, BAR0_AT, 512, D_NEXT | D_WRITE, 2);
}

static void bad_order(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 0, HEADER, 16, D_NEXT | D_WRITE, 1);
	put_desc(&d, 1, DATA, 512, D_NEXT, 2);
}

static void bad_header(void)
{
	put_plain(0, 0, 512, true);
	put_desc(&d, 0, HEADER, 15, D_NEXT, 1);
}

static void bad_no_status(void)
{
	put_desc(&d, 0, HEADER, 16, 0, 0);
	put_avail(&d, 0);
}

static void bad_empty(void)
{
	put_desc(&d, 0, 0, 0, 0, 0);
	put_avail(&d, 0);
}

static void put_table(u64 at, u32 len, u16 flags)
{
	put_desc(&d, 0, at, len, D_INDIRECT | flags, 1);
	put_avail(&d, 0);
}

static void bad_table_size(void)
{
	put_table(TABLE, 17, 0);
}

static void bad_table_zero(void)
{
	put_table(TABLE, 0, 0);
}

static void bad_table_huge(void)
{
	put_table(TABLE, 16 * 257, 0);
}

static void bad_table_max(void)
{
	put_table(TABLE, 0xfffffff0, 0);
}

static void bad_table_outside(void)
{
	put_table(RAM_LOW - 16, 32, 0);
}

static void bad_table_next(void)
{
	put_table(TABLE, 32, D_NEXT);
}

static void bad_table_nested(void)
{
	put_desc_at(&d, TABLE, 0, TABLE, 16, D_INDIRECT, 0);
	put_table(TABLE, 16, 0);
}

static void bad_table_loop(void)
{
	put_desc_at(&d, TABLE, 0, HEADER, 16, D_NEXT, 1);
	put_desc_at(&d, TABLE, 1, DATA, 16, D_NEXT, 0);
	put_table(TABLE, 32, 0);
}

static void bad_table_next_index(void)
{
	put_desc_at(&d, TABLE, 0, HEADER, 16, D_NEXT, 2);
	put_table(TABLE, 32, 0);
}

/* 7 direct ones and a full table: more than a chain may have. */
static void bad_too_many(void)
{
	for (u16 i = 0; i < 7; i++)
		put_desc(&d, i, HEADER + 32u * i, 16, D_NEXT, (u16)(i + 1));
	for (u16 i = 0; i < 256; i++)
		put_desc_at(&d, TABLE, i, 0x40000 + 32u * i, 16,
			    D_NEXT | D_WRITE, (u16)(i + 1));
	put_desc(&d, 7, TABLE, 256 * 16, D_INDIRECT, 0);
	put_avail(&d, 0);
}

static void test_broken(void)
{
	static const struct {
		const char *name;
		void (*make)(void);
	} case_tab[] = {
		{ "head out of range", bad_head },
		{ "next out of range", bad_next },
		{ "index jumps", bad_index },
		{ "index goes back", bad_index_back },
		{ "loop", bad_loop },
		{ "loop of one", bad_self },
		{ "buffer over the end of RAM", bad_outside },
		{ "buffer over the end of addresses", bad_far },
		{ "buffer longer than RAM", bad_long },
		{ "buffer in a BAR", bad_mmio },
		{ "writable before readable", bad_order },
		{ "short header", bad_header },
		{ "no status", bad_no_status },
		{ "empty chain", bad_empty },
		{ "table of 17 bytes", bad_table_size },
		{ "table of 0 bytes", bad_table_zero },
		{ "table of 257", bad_table_huge },
		{ "table of 2^28", bad_table_max },
		{ "table over the end of RAM", bad_table_outside },
		{ "table with next", bad_table_next },
		{ "table in a table", bad_table_nested },
		{ "loop in a table", bad_table_loop },
		{ "next outside the table", bad_table_next_index },
		{ "too many buffers", bad_too_many },
	};

	setup_rw();
	for (size_t i = 0; i < ARRAY_SIZE(case_tab); i++) {
		unsigned requests;
		u32 id, len;

		memset(m.mem.ram + TABLE, 0, 0x2000);
		driver_start(&d, ALL, 8);
		requests = disk.requests;
		driver_enable_msix(&d, 0, 0x30);
		mm_write(&m, d.common + 0x10, 0, 2);
		m.msi_count = 0;
		case_tab[i].make();
		checked(do_kick, case_tab[i].name);
		tap_check(driver_status(&d) == (15 | 0x40) &&
				  disk.requests == requests &&
				  m.msi_count == 1 && m.msi_data == 0x30,
			  "%s: needs a reset, and says so",
			  case_tab[i].name);
		*ram16(&d, AVAIL_AT + 2) = d.avail = 0;
		put_plain(0, 0, 512, true);
		kick(&d);
		tap_check(disk.requests == requests &&
				  !get_used(&d, &id, &len),
			  "%s: does nothing more", case_tab[i].name);
	}
	driver_start(&d, ALL, 8);
	put_plain(0, 0, 512, true);
	tap_equal(answer(NULL), 0, "well after a reset");

	driver_start(&d, BASE, 8);
	put_table(TABLE, 16, 0);
	kick(&d);
	tap_equal(driver_status(&d), 0x4f, "indirect without agreement");
	teardown();
}

static void test_bad_queues(void)
{
	static const struct {
		const char *name;
		u16 size;
		u64 desc, avail, used;
	} case_tab[] = {
		{ "not a power of two", 7, QUEUE_AT, AVAIL_AT, USED_AT },
		{ "no places", 0, QUEUE_AT, AVAIL_AT, USED_AT },
		{ "descriptors unaligned", 8, QUEUE_AT + 8, AVAIL_AT, USED_AT },
		{ "avail unaligned", 8, QUEUE_AT, AVAIL_AT + 1, USED_AT },
		{ "used unaligned", 8, QUEUE_AT, AVAIL_AT, USED_AT + 2 },
		{ "descriptors outside", 8, RAM_LOW - 16, AVAIL_AT, USED_AT },
		{ "avail outside", 8, QUEUE_AT, RAM_LOW - 20, USED_AT },
		{ "used outside", 8, QUEUE_AT, AVAIL_AT, RAM_LOW - 68 },
		{ "at the end of addresses", 8, ~0ull << 4, AVAIL_AT, USED_AT },
		{ "in the hole", 8, QUEUE_AT, GiB(2), USED_AT },
		{ "in a BAR", 8, QUEUE_AT, AVAIL_AT, BAR0_AT },
	};

	setup_rw();
	for (size_t i = 0; i < ARRAY_SIZE(case_tab); i++) {
		driver_negotiate(&d, ALL);
		driver_set_queue(&d, case_tab[i].size, case_tab[i].desc,
				 case_tab[i].avail, case_tab[i].used);
		driver_set_status(&d, 15);
		tap_check(driver_status(&d) & 0x40, "%s", case_tab[i].name);
		kick(&d);
	}
	driver_negotiate(&d, ALL);
	driver_set_queue(&d, 512, QUEUE_AT, AVAIL_AT, USED_AT);
	tap_equal(mm_read(&m, d.common + 0x18, 2), 256, "too big is not taken");
	/* A queue that is enabled is closed. */
	mm_write(&m, d.common + 0x18, 16, 2);
	mm_write(&m, d.common + 0x20, 0x4000, 4);
	tap_equal(mm_read(&m, d.common + 0x18, 2), 256, "size is fixed");
	tap_equal(mm_read(&m, d.common + 0x20, 4), QUEUE_AT, "place is fixed");
	driver_set_status(&d, 0);
	driver_set_queue(&d, 8, QUEUE_AT, AVAIL_AT, USED_AT);
	tap_equal(mm_read(&m, d.common + 0x1c, 2), 0, "not before FEATURES_OK");
	for (u64 at = 0; at < 0x4000; at++)
		mm_write(&m, BAR0_AT + at, ~0ull, at & 1 ? 1 : 2);
	for (u64 at = 0; at < 0x4000; at += 4)
		mm_read(&m, BAR0_AT + at, at & 4 ? 4 : 8);
	tap_check(true, "all of the BAR written and read");
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

static void test_later(void)
{
	u32 id, len;

	setup_rw();
	disk.later = true;
	driver_start(&d, ALL, 8);
	driver_enable_msix(&d, 1, 0x55);
	mm_write(&m, d.common + 0x1a, 1, 2);
	m.msi_count = 0;
	put_plain(0, 7, 512, true);
	put_desc(&d, 4, HEADER + 64, 16, D_NEXT, 5);
	put_desc(&d, 5, STATUS + 64, 1, D_WRITE, 0);
	put_header(HEADER + 64, 4, 0);
	put_avail(&d, 4);
	kick(&d);
	tap_equal(used_pending(&d), 0, "nothing done yet");
	checked(do_go, "completion");
	tap_equal(used_pending(&d), 2, "done");
	tap_check(m.msi_count >= 1, "interrupt");
	tap_check(get_used(&d, &id, &len) && id == 0 && len == 513, "first");
	tap_check(get_used(&d, &id, &len) && id == 4 && len == 1, "second");

	/* Reset while requests are under way. */
	put_plain(0, 1, 512, true);
	kick(&d);
	driver_set_status(&d, 0);
	tap_check(driver_status(&d) != 0, "reset waits for the disk");
	driver_set_status(&d, 1);
	mm_write(&m, d.common + 0x20, 0x4000, 4);
	put_avail(&d, 0);
	kick(&d);
	tap_equal(disk.requests, 3, "nothing new is taken");
	memset(m.mem.ram + USED_AT, 0, 0x1000);
	m.msi_count = 0;
	do_go();
	tap_equal(driver_status(&d), 0, "then it is done");
	tap_equal(*ram16(&d, USED_AT + 2), 0, "the ring is left alone");
	tap_equal(m.msi_count, 0, "no interrupt");
	tap_equal(mm_read(&m, d.common + 0x20, 4), 0, "the queue is forgotten");
	tap_equal(mm_read(&m, d.common + 0x1a, 2), 0xffff, "vectors, too");
	disk.later = false;
	driver_start(&d, ALL, 8);
	put_plain(0, 0, 512, true);
	tap_equal(answer(NULL), 0, "well after the reset");

	/* A reset of the machine waits in drain. */
	disk.later = true;
	put_plain(0, 0, 512, true);
	kick(&d);
	virtio_blk_pci_class.reset(&blk.t.pci.dev);
	tap_equal(disk.drains, 1, "drained");
	tap_check(!disk.first && !blk.blk.v.under_way, "nothing under way");
	tap_equal(cfg_read(&m, AT, 0x10, 4), 0, "BARs forgotten");
	driver_probe(&d, &m, AT);
	tap_equal(driver_status(&d), 0, "status 0");
	teardown();
}

/* The same chain again and again, more than there is room for. */
static void test_starved(void)
{
	setup_rw();
	disk.later = true;
	driver_start(&d, ALL, 8);
	for (unsigned i = 0; i < 300; i++) {
		put_plain(0, 0, 512, true);
		kick(&d);
	}
	tap_equal(disk.requests, 256, "room for 256");
	put_plain(0, 0, 512, true);
	fake_disk_go(&disk, 1);
	tap_equal(driver_status(&d), 0x4f, "then the index has jumped");
	do_go();
	teardown();

	setup_rw();
	disk.later = true;
	driver_start(&d, ALL, 8);
	for (unsigned i = 0; i < 260; i++) {
		put_plain(0, 0, 512, true);
		kick(&d);
	}
	tap_equal(disk.requests, 256, "room for 256");
	tap_equal(driver_status(&d), 15, "four wait");
	fake_disk_go(&disk, 2);
	tap_equal(disk.requests, 258, "two gone, two come");
	do_go();
	tap_equal(disk.requests, 260, "all served");
	tap_equal(*ram16(&d, USED_AT + 2), 260, "all answered");
	teardown();
}

static void another(void *arg)
{
	put_plain(0, 0, 512, true);
}

/* Another processor adds a request whenever one is taken. */
static void test_flood(void)
{
	unsigned was;

	setup_rw();
	driver_start(&d, ALL, 8);
	disk.meanwhile = another;
	another(NULL);
	kick(&d);
	was = disk.requests;
	tap_check(was >= 8 && was < 1000, "it ends after %u", was);
	tap_check(clock_next_ns(&m.clock) == 0, "to go on by a timer");
	clock_run(&m.clock);
	tap_check(disk.requests > was, "and goes on");
	was = disk.requests;
	disk.meanwhile = NULL;
	clock_run(&m.clock);
	tap_equal(disk.requests, was + 1, "the last one, too");
	tap_check(clock_next_ns(&m.clock) == CLOCK_NEVER, "and then rests");
	tap_equal(*ram16(&d, USED_AT + 2), (u16)disk.requests, "all answered");
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

static void test_state(void)
{
	static u8 buf[16384];
	struct device *dev = &blk.t.pci.dev;
	struct err e = { "" };
	s64 n;

	setup_rw();
	driver_start(&d, ALL, 8);
	driver_enable_msix(&d, 1, 0x55);
	mm_write(&m, d.common + 0x1a, 1, 2);
	put_plain(0, 0, 512, true);
	kick(&d);
	put_plain(0, 1, 512, true); /* not notified of when it is saved */
	n = fields_save(dev, buf, sizeof(buf));
	tap_check(n > 0, "saved, %lld bytes", (long long)n);
	virtio_blk_pci_class.reset(dev);
	tap_equal(fields_load(dev, buf, (u64)n, &e), n, "loaded");
	tap_equal(driver_status(&d), 15, "status is back");
	clock_run(&m.clock);
	tap_equal(used_pending(&d), 2, "goes on where it was");
	m.msi_count = 0;
	put_plain(0, 0, 512, true);
	*ram16(&d, AVAIL_AT + 4 + 2 * 8) = 2;
	kick(&d);
	tap_equal(m.msi_count, 1, "interrupts are back");

	/* GUEST: anything may be in there. */
	for (unsigned i = 0; i < 2000; i++) {
		static u8 bad[sizeof(buf)];
		unsigned changes = i % 7 + 1;

		memcpy(bad, buf, (size_t)n);
		srand(i);
		while (changes--)
			bad[FIELDS_HEADER_BYTES +
			    (unsigned)rand() %
				    ((unsigned)n - FIELDS_HEADER_BYTES)] =
				(u8)rand();
		if (fields_load(dev, bad, (u64)n, NULL) < 0)
			virtio_blk_pci_class.reset(dev);
		clock_run(&m.clock);
		kick(&d);
		virtio_notify_all(&blk.blk.v);
	}
	tap_check(true, "hostile states do no harm");
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
	test_broken();
	test_bad_queues();
	test_interrupts();
	test_wrap();
	test_later();
	test_starved();
	test_flood();
	test_readonly();
	test_write_through();
	test_no_master();
	test_state();
	return tap_done();
}
