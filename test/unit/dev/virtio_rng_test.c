/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_rng_test.c - the entropy device through its PCI registers. */
#include "../tap.h"

#include "dev/virtio_rng.h"
#include "driver.h"

static int fail;

static int fill(struct entropy *e, void *p, size_t n)
{
	if (!fail)
		memset(p, 0x77, n);
	return fail;
}

int main(void)
{
	static struct virtio_rng_pci rng;
	static struct machine m;
	static struct driver d;
	struct entropy entropy = { fill };
	struct virtio_rng_wiring w = { .entropy = &entropy };
	u32 id, len;

	machine_init(&m);
	w.pci = (struct virtio_pci_wiring){ &m.host.bus, PCI_DEVFN(5, 0),
					    m.msi, &m.mem, &m.clock };
	tap_equal(virtio_rng_pci_init(&rng, &w, NULL), 0, "init");
	tap_equal(cfg_read(&m, PCI_DEVFN(5, 0), 0, 4), 0x10441af4, "id");
	driver_probe(&d, &m, PCI_DEVFN(5, 0));
	tap_check(!d.device, "no configuration");
	driver_start(&d, VIRTIO_F_VERSION_1, 8);
	put_desc(&d, 0, 0x20000, 100, D_WRITE | D_NEXT, 1);
	put_desc(&d, 1, 0x30000, 28, D_WRITE, 0);
	put_avail(&d, 0);
	kick(&d);
	tap_check(get_used(&d, &id, &len) && len == 128, "128 bytes");
	tap_check(m.mem.ram[0x20000] == 0x77 && m.mem.ram[0x20063] == 0x77 &&
			  !m.mem.ram[0x20064] && m.mem.ram[0x3001b] == 0x77 &&
			  !m.mem.ram[0x3001c], "in the right places");
	tap_check(m.told[0x20000] == 0x77 && m.told[0x3001b] == 0x77, "told");
	put_desc(&d, 0, 0x20000, 0x40000, D_WRITE, 0);
	put_avail(&d, 0);
	kick(&d);
	tap_check(get_used(&d, &id, &len) && len == 16384, "not too much");
	put_desc(&d, 0, 0x20000, 512, 0, 0);
	put_avail(&d, 0);
	kick(&d);
	tap_check(get_used(&d, &id, &len) && len == 0, "nothing to fill");
	fail = -EAGAIN;
	put_desc(&d, 0, 0x20000, 512, D_WRITE, 0);
	put_avail(&d, 0);
	kick(&d);
	tap_check(get_used(&d, &id, &len) && len == 0, "no entropy");
	tap_equal(driver_status(&d), 15, "still well");
	virtio_rng_pci_class.fini(&rng.t.pci.dev);
	machine_fini(&m);
	return tap_done();
}
