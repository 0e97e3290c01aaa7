/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_hostile_test.c - a driver that does everything wrong: rings that make
 * no sense, resets at the wrong time, floods, a saved state that lies.
 */
#include "blk_rig.h"

#include "vm/fields.h"

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
	test_broken();
	test_bad_queues();
	test_later();
	test_starved();
	test_flood();
	test_state();
	return tap_done();
}
