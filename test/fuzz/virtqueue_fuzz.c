/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue_fuzz.c - a driver that does anything: the input is a script of
 * writes to memory, registers and configuration space around a virtio disk.
 *
 * Whatever it did, a reset must bring the device back to where an honest
 * driver is served.
 */
/* Little memory, for speed. */
#define RAM_LOW KiB(256)
#define RAM_HIGH KiB(64)

#include "../unit/dev/driver.h"
#include "../unit/dev/fake_disk.h"
#include "dev/virtio_blk_pci.h"

#define AT PCI_DEVFN(2, 0)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct script {
	const u8 *p;
	size_t left;
};

static u32 take(struct script *s, unsigned bytes)
{
	u32 v = 0;

	for (unsigned i = 0; i < bytes && s->left; i++, s->left--)
		v |= (u32)*s->p++ << (8 * i);
	return v;
}

/* A place in memory where rings and requests are. */
static u64 take_place(struct script *s)
{
	static const u64 region_tab[] = { QUEUE_AT, AVAIL_AT, USED_AT, 0x20000,
					  0x30000 };
	u32 v = take(s, 2);

	return region_tab[v % 5] + (v / 5) % 4096;
}

static void put(struct driver *d, u64 at, u32 value, unsigned bytes)
{
	memcpy(d->m->mem.ram + at, &value, bytes);
}

/* An address that is likely to be worth something. */
static u64 take_address(struct script *s)
{
	static const u64 base_tab[] = { 0x20000, 0x21000, 0x30000, QUEUE_AT,
					USED_AT, RAM_LOW - 64, GiB(4) - 64,
					GiB(4) + RAM_HIGH - 64, 0, BAR0_AT,
					~0ull - 64 };
	u32 v = take(s, 2);

	return base_tab[v % ARRAY_SIZE(base_tab)] + v / 16 % 256;
}

static void put_any_desc(struct script *s, struct driver *d)
{
	static const u32 len_tab[] = { 0, 1, 15, 16, 17, 32, 64, 512, 1024,
				       4096, 0x10000, 0xfffffff0, 0xffffffff };
	u8 what = (u8)take(s, 1);
	u16 i = what & 7;
	u64 addr = take_address(s);
	u8 len = (u8)take(s, 1);
	u8 link = (u8)take(s, 1);

	put_desc_at(d, what & 8 ? 0x30000 : QUEUE_AT, i, addr,
		    len_tab[len % ARRAY_SIZE(len_tab)], (u16)(link >> 5),
		    (u16)(link & 15));
}

static void put_any_header(struct script *s, struct driver *d)
{
	static const u8 type_tab[] = { 0, 1, 4, 8, 11, 13, 255, 0 };
	u8 v = (u8)take(s, 1);

	put(d, 0x20000 + (v >> 3), type_tab[v & 7], 4);
	put(d, 0x20008 + (v >> 3), take(s, 1), 4);
}

static void step(struct script *s, struct driver *d, struct fake_disk *disk)
{
	struct machine *m = d->m;
	u8 op = (u8)take(s, 1);
	unsigned bytes = 1u << (op >> 4 & 1);
	u32 v;

	switch (op & 15) {
	case 0:
	case 1:
		put_any_desc(s, d);
		break;
	case 2:
		put_any_header(s, d);
		break;
	case 3:
		put_avail(d, (u16)(take(s, 1) % 9));
		break;
	case 4:
	case 5:
		kick(d);
		break;
	case 6:
		v = (u32)take_place(s);
		put(d, v, take(s, bytes), bytes);
		break;
	case 7:
		fake_disk_go(disk, op >> 4);
		break;
	case 8:
		v = take(s, 1) & 0x3f;
		mm_write(m, d->common + v, take(s, 4), 2 * bytes);
		break;
	case 9:
		v = take(s, 2) & 0x3fff;
		mm_write(m, BAR0_AT + v, take(s, 4), bytes);
		mm_read(m, BAR0_AT + (v ^ 0x55), 4);
		break;
	case 10:
		v = take(s, 2) & 0xfff;
		mm_write(m, BAR1_AT + v, take(s, 4), 4 * bytes);
		mm_read(m, BAR1_AT + (v ^ 4), 4);
		break;
	case 11:
		v = take(s, 1);
		cfg_write(m, AT, v & 0xfc, take(s, 4), 4);
		cfg_read(m, AT, v & 0xfc, 4);
		break;
	case 12:
		clock_run(&m->clock);
		break;
	case 13:
		disk->later = op >> 4 & 1;
		disk->fail = op >> 5 & 1 ? -EIO : 0;
		break;
	case 14:
		driver_start(d, VIRTIO_F_VERSION_1 | (u64)(op >> 6) << 28,
			     (u16)(1u << (op >> 4 & 3)));
		break;
	case 15:
		driver_set_status(d, (u8)take(s, 1));
		break;
	}
}

/* An honest driver after a reset of the machine. */
static void must_be_well(struct driver *d, struct fake_disk *disk,
			 struct virtio_blk_pci *blk)
{
	u32 id, len;

	virtio_blk_pci_class.reset(&blk->t.pci.dev);
	disk->later = false;
	disk->fail = 0;
	driver_probe(d, d->m, AT);
	driver_start(d, VIRTIO_F_VERSION_1, 8);
	memset(d->m->mem.ram + 0x20000, 0, 16);
	d->m->mem.ram[0x20800] = 0xee;
	put_desc(d, 0, 0x20000, 16, D_NEXT, 1);
	put_desc(d, 1, 0x21000, 512, D_NEXT | D_WRITE, 2);
	put_desc(d, 2, 0x20800, 1, D_WRITE, 0);
	put_avail(d, 0);
	kick(d);
	if (!get_used(d, &id, &len) || id || len != 513 ||
	    d->m->mem.ram[0x20800] || d->m->written_bad)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct fake_disk disk;
	static struct machine m;
	static struct virtio_blk_pci blk;
	struct virtio_blk_wiring w = { .disk = &disk.disk };
	struct script s = { data, size };
	struct driver d;

	fake_disk_init(&disk);
	machine_init(&m);
	w.pci = (struct virtio_pci_wiring){ &m.host.bus, AT, m.msi, &m.mem,
					    &m.clock };
	memset(&blk, 0, sizeof(blk));
	if (virtio_blk_pci_init(&blk, &w, NULL))
		abort();
	driver_probe(&d, &m, AT);
	driver_start(&d, VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC |
			 VIRTIO_F_EVENT_IDX, 8);
	while (s.left)
		step(&s, &d, &disk);
	must_be_well(&d, &disk, &blk);
	virtio_blk_pci_class.fini(&blk.t.pci.dev);
	machine_fini(&m);
	return 0;
}
