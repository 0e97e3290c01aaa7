/* SPDX-License-Identifier: Apache-2.0 */
/* pci_test.c - configuration ports, BARs, interrupt routing, MSI-X. */
#include "../tap.h"

#include "dev/msix.h"
#include "dev/pci_assign.h"
#include "machine.h"
#include "vm/fields.h"

struct toy {
	struct pci_dev pci;
	struct msix msix;
	u64 last;
};

static u64 toy_read(void *dev, u64 offset, unsigned bytes)
{
	return 0x1122334455667700ull + offset;
}

static void toy_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	((struct toy *)dev)->last = offset << 32 | value;
}

static const struct bus_ops toy_bus_ops = { toy_read, toy_write };

static void toy_config_written(struct pci_dev *d, unsigned reg, unsigned bytes)
{
	msix_config_written(&container_of(d, struct toy, pci)->msix);
}

static const struct pci_ops toy_ops = { .config_written = toy_config_written };

static void toy_init(struct toy *t, struct machine *m, int devfn)
{
	static const struct pci_id id = { .vendor = 0x1234, .device = 0x5678,
					  .class_code = 0x0a0b0c,
					  .int_pin = 1 };

	memset(t, 0, sizeof(*t));
	pci_dev_init(&t->pci, &id, &toy_ops);
	pci_add_bar(&t->pci, 0, PCI_BAR_MEM32, 0x1000, &toy_bus_ops, t, "toy");
	pci_add_bar(&t->pci, 1, PCI_BAR_IO, 0x20, &toy_bus_ops, t, "toy");
	pci_add_bar(&t->pci, 2, PCI_BAR_MEM64, MiB(16), &toy_bus_ops, t,
		    "toy");
	msix_init(&t->msix, &t->pci, 4, 3, &m->msi);
	if (pci_attach(&m->host.bus, &t->pci, devfn, NULL))
		abort();
}

static void test_ports(struct machine *m)
{
	tap_equal(cfg_read(m, 0, 0, 4), 0x12378086, "host bridge id");
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 0, 4), 0x70008086, "ISA bridge");
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 2, 2), 0x7000, "word access");
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 3, 1), 0x70, "byte access");
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 0x0e, 1), 0x80, "multifunction");
	tap_equal(cfg_read(m, PCI_DEVFN(9, 0), 0, 4), 0xffffffff, "empty slot");
	tap_equal(cfg_read(m, PCI_DEVFN(9, 0), 2, 2), 0xffff, "empty, a word");
	bus_write(&m->pio, 0xcf8, 0x80010000, 4);
	tap_equal(bus_read(&m->pio, 0xcfc, 4), 0xffffffff, "another bus");
	bus_write(&m->pio, 0xcf8, 0x00000000, 4);
	tap_equal(bus_read(&m->pio, 0xcfc, 4), 0xffffffff, "not enabled");
	bus_write(&m->pio, 0xcf8, 0x80000003, 4);
	tap_equal(bus_read(&m->pio, 0xcf8, 4), 0x80000000, "reads back");
	bus_write(&m->pio, 0xcf8, 0xaa, 1);
	tap_equal(bus_read(&m->pio, 0xcf8, 4), 0x80000000, "dwords only");

	cfg_write(m, 0, 0, 0xdeadbeef, 4);
	tap_equal(cfg_read(m, 0, 0, 4), 0x12378086, "read-only bits");

	bus_write(&m->pio, 0xcf9, 2, 1);
	tap_equal(m->resets, 0, "0xcf9 alone");
	bus_write(&m->pio, 0xcf9, 6, 1);
	tap_equal(m->resets, 1, "0xcf9 resets");
	bus_write(&m->pio, 0xcf9, 6, 1);
	tap_equal(m->resets, 1, "on the edge only");
	tap_equal(bus_read(&m->pio, 0xcf9, 1), 6, "0xcf9 reads back");
}

static void test_bars(struct machine *m)
{
	const u8 at = PCI_DEVFN(3, 0);
	struct toy t, u;

	toy_init(&t, m, at);
	cfg_write(m, at, 0x10, 0xffffffff, 4);
	tap_equal(cfg_read(m, at, 0x10, 4), 0xfffff000, "memory BAR's size");
	cfg_write(m, at, 0x14, 0xffffffff, 4);
	tap_equal(cfg_read(m, at, 0x14, 4), 0xffffffe1, "port BAR's size");
	cfg_write(m, at, 0x18, 0xffffffff, 4);
	cfg_write(m, at, 0x1c, 0xffffffff, 4);
	tap_equal(cfg_read(m, at, 0x18, 4), 0xff000004, "64-bit BAR, low");
	tap_equal(cfg_read(m, at, 0x1c, 4), 0xffffffff, "64-bit BAR, high");
	cfg_write(m, at, 0x24, 0xffffffff, 4);
	tap_equal(cfg_read(m, at, 0x24, 4), 0, "no such BAR");

	cfg_write(m, at, 0x10, 0xc0000000, 4);
	tap_equal(bus_read(&m->mmio, 0xc0000010, 1), 0xff, "decoding is off");
	cfg_write(m, at, 0x18, 0, 4);
	cfg_write(m, at, 0x1c, 0, 4);
	cfg_write(m, at, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	tap_equal(bus_read(&m->mmio, 0xc0000010, 1), 0x10, "decoding is on");
	bus_write(&m->mmio, 0xc0000020, 0xabcd, 2);
	tap_equal(t.last, 0x200000abcdull, "a write arrives");
	cfg_write(m, at, 0x12, 0xd000, 2);
	tap_equal(bus_read(&m->mmio, 0xc0000010, 1), 0xff, "moved away");
	tap_equal(bus_read(&m->mmio, 0xd0000010, 1), 0x10, "to there");

	cfg_write(m, at, 0x14, 0xc001, 4);
	tap_equal(bus_read(&m->pio, 0xc004, 1), 0xff, "ports are off");
	cfg_write(m, at, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
	tap_equal(bus_read(&m->pio, 0xc004, 1), 0x04, "ports are on");
	cfg_write(m, at, 0x14, 0x12345001, 4);
	tap_check(!t.pci.bar[1].range.active, "beyond the port space");

	cfg_write(m, at, 0x1c, 0x12, 4);
	tap_equal(bus_read(&m->mmio, 0x1200000008ull, 1), 8, "64-bit address");
	cfg_write(m, at, 0x1c, 0xffffffff, 4);
	tap_check(!t.pci.bar[2].range.active, "beyond the memory space");
	cfg_write(m, at, 0x18, 0xff000000, 4);
	tap_check(!t.pci.bar[2].range.active, "up to the last byte");

	/* A second function on the same place has to wait. */
	toy_init(&u, m, PCI_DEVFN(4, 0));
	cfg_write(m, PCI_DEVFN(4, 0), 0x10, 0xd0000000, 4);
	cfg_write(m, PCI_DEVFN(4, 0), PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	tap_check(!u.pci.bar[0].range.active, "the older one wins");
	cfg_write(m, at, 0x10, 0xd0100000, 4);
	tap_check(u.pci.bar[0].range.active, "the younger gets it when free");
	tap_check(t.pci.bar[0].range.active, "the older answers elsewhere");

	tap_equal(cfg_read(m, at, 0xff, 1), 0, "the last byte");
	pci_detach(&u.pci);
	tap_equal(bus_read(&m->mmio, 0xd0000010, 1), 0xff, "detached");
	pci_dev_reset(&t.pci);
	tap_equal(bus_read(&m->mmio, 0xd0100010, 1), 0xff, "reset");
	pci_detach(&t.pci);
	pci_detach(&t.pci);
}

static void test_attach(struct machine *m)
{
	static struct toy t[40];
	struct err e = { "" };
	int n, r = 0;

	for (n = 0; n < 40 && !r; n++) {
		static const struct pci_id id = { .vendor = 1 };

		pci_dev_init(&t[n].pci, &id, NULL);
		r = pci_attach(&m->host.bus, &t[n].pci, PCI_ANY_SLOT, &e);
	}
	tap_equal(n, 31, "30 slots were free");
	tap_equal(-r, ENOSPC, "then none");
	tap_check(e.text[0], "and a sentence says so: %s", e.text);
	tap_equal(pci_attach(&m->host.bus, &t[39].pci, 0, NULL), -EBUSY,
		  "a place that is taken");
	tap_equal(pci_attach(&m->host.bus, &t[39].pci, 256, NULL), -EINVAL,
		  "a place that does not exist");
	while (--n >= 0)
		pci_detach(&t[n].pci);
}

static void test_assign(struct machine *m)
{
	struct pci_windows w = { 0xc0001000, 0xc4ffffff, 0xc000, 0xcfff,
				 { 10, 10, 11, 11 } };
	struct err e = { "" };
	struct toy t, u;

	toy_init(&t, m, PCI_DEVFN(3, 0));
	toy_init(&u, m, PCI_DEVFN(4, 0));
	tap_equal(pci_assign(&m->host.bus, &w, &e), 0, "assigned");
	tap_equal(t.pci.bar[0].range.first, 0xc0001000, "the first");
	tap_equal(t.pci.bar[2].range.first, 0xc1000000, "aligned");
	tap_equal(u.pci.bar[1].range.first, 0xc020, "ports");
	tap_check(u.pci.bar[2].range.active, "all decoding");
	tap_equal(cfg_read(m, PCI_DEVFN(3, 0), PCI_INT_LINE, 1), 11,
		  "slot 3 is told irq 11");
	tap_equal(cfg_read(m, PCI_DEVFN(4, 0), PCI_INT_LINE, 1), 11,
		  "slot 4 is told irq 11");
	pci_dev_reset(&t.pci);
	pci_dev_reset(&u.pci);
	w.mmio_last = 0xc1ffffff;
	tap_equal(pci_assign(&m->host.bus, &w, &e), -ENOSPC, "no room");
	w.mmio_last = ~0u;
	w.mmio_first = ~0u - 0x1000;
	tap_equal(pci_assign(&m->host.bus, &w, &e), -ENOSPC, "at the end");
	pci_detach(&t.pci);
	pci_detach(&u.pci);
}

static void test_intx(struct machine *m)
{
	const u8 isa = PCI_DEVFN(1, 0), at = PCI_DEVFN(3, 0);
	struct toy t, u;

	toy_init(&t, m, at);
	toy_init(&u, m, PCI_DEVFN(7, 0)); /* shares PIRQC */
	pci_set_intx(&t.pci, true);
	tap_check(m->irq[11] && !m->irq[10], "slot 3 INTA# is PIRQC, irq 11");
	tap_equal(cfg_read(m, at, PCI_STATUS, 2) & PCI_STATUS_INTX,
		  PCI_STATUS_INTX, "status shows it");
	pci_set_intx(&u.pci, true);
	pci_set_intx(&t.pci, false);
	tap_check(m->irq[11], "shared: stays up");
	cfg_write(m, PCI_DEVFN(7, 0), PCI_COMMAND, PCI_COMMAND_NO_INTX, 2);
	tap_check(!m->irq[11], "INTx disabled");
	cfg_write(m, PCI_DEVFN(7, 0), PCI_COMMAND, 0, 2);
	tap_check(m->irq[11], "and enabled");
	cfg_write(m, isa, 0x62, 5, 1);
	tap_check(m->irq[5] && !m->irq[11], "routed to irq 5");
	cfg_write(m, isa, 0x62, 0, 1);
	tap_check(!m->irq[0] && !m->irq[5], "irq 0 cannot be routed to");
	cfg_write(m, isa, 0x62, 0x8b, 1);
	tap_check(!m->irq[11], "routing off");
	cfg_write(m, isa, 0x62, 0x0b, 1);
	tap_check(m->irq[11], "routing on");
	pci_detach(&u.pci);
	tap_check(!m->irq[11], "detached");
	pci_detach(&t.pci);
}

static void test_msix(struct machine *m)
{
	const u8 at = PCI_DEVFN(3, 0);
	struct toy t;
	unsigned cap;
	u64 table = 0xc0000000, pba;

	toy_init(&t, m, at);
	cap = cfg_find_cap(m, at, PCI_CAP_MSIX, -1);
	tap_check(cap, "the capability is there");
	tap_equal(cfg_read(m, at, cap + 2, 2), 2, "three vectors");
	tap_equal(cfg_read(m, at, cap + 4, 4), 4, "table in BAR 4");
	pba = table + (cfg_read(m, at, cap + 8, 4) & ~7u);
	cfg_write(m, at, 0x20, (u32)table, 4);
	cfg_write(m, at, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		  2);
	tap_equal(bus_read(&m->mmio, table + 0x1c, 4), 1, "masked at reset");
	bus_write(&m->mmio, table + 0x10, 0xfee00000, 4);
	bus_write(&m->mmio, table + 0x14, 0, 4);
	bus_write(&m->mmio, table + 0x18, 0x41, 4);
	m->msi_count = 0;
	msix_raise(&t.msix, 1);
	tap_equal(m->msi_count, 0, "not enabled: nothing");
	tap_equal(bus_read(&m->mmio, pba, 4), 0, "nor pending");
	cfg_write(m, at, cap + 2, 0x8000, 2);
	msix_raise(&t.msix, 1);
	tap_equal(m->msi_count, 0, "masked: nothing");
	tap_equal(bus_read(&m->mmio, pba, 8), 2, "but pending");
	bus_write(&m->mmio, table + 0x1c, 0, 4);
	tap_equal(m->msi_count, 1, "unmasked: sent");
	tap_check(m->msi_addr == 0xfee00000 && m->msi_data == 0x41,
		  "the right message");
	tap_equal(bus_read(&m->mmio, pba, 4), 0, "no more pending");
	msix_raise(&t.msix, 1);
	tap_equal(m->msi_count, 2, "sent at once");
	cfg_write(m, at, cap + 2, 0xc000, 2);
	msix_raise(&t.msix, 1);
	msix_raise(&t.msix, 1);
	tap_equal(m->msi_count, 2, "function masked");
	cfg_write(m, at, cap + 3, 0x80, 1);
	tap_equal(m->msi_count, 3, "unmasked by a byte access: sent once");
	cfg_write(m, at, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	msix_raise(&t.msix, 1);
	tap_equal(m->msi_count, 3, "no bus master");
	cfg_write(m, at, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
		  2);
	tap_equal(m->msi_count, 4, "bus master again");
	msix_raise(&t.msix, 3);
	msix_raise(&t.msix, 0xffff);
	tap_equal(m->msi_count, 4, "vectors that do not exist");

	bus_write(&m->mmio, table + 0x10, 0x1111111122222223ull, 8);
	tap_equal(bus_read(&m->mmio, table + 0x10, 8), 0x1111111122222220ull,
		  "a qword");
	tap_equal(bus_read(&m->mmio, table + 0x12, 2), 0x2222, "a word");
	bus_write(&m->mmio, table + 0x18, 0xff, 1);
	tap_equal(bus_read(&m->mmio, table + 0x18, 4), 0x41,
		  "a byte is not written");
	bus_write(&m->mmio, pba, ~0ull, 8);
	tap_equal(bus_read(&m->mmio, pba, 8), 0, "pending bits are read-only");
	for (u64 a = 0x30; a < 0x1000; a += 8) {
		bus_write(&m->mmio, table + a, ~0ull, 8);
		if (bus_read(&m->mmio, table + a, 8))
			tap_check(false, "0x%llx is empty",
				  (unsigned long long)a);
	}
	pci_detach(&t.pci);
}

static void test_state(struct machine *m)
{
	static u8 buf[4096];
	struct device *d = &m->isa.pci.dev;
	s64 n;

	d->cls = &piix3_class;
	cfg_write(m, PCI_DEVFN(1, 0), 0x60, 9, 1);
	n = fields_save(d, buf, sizeof(buf));
	tap_check(n > 0, "saved");
	piix3_class.reset(d);
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 0x60, 1), 10, "reset");
	tap_equal(fields_load(d, buf, (u64)n, NULL), n, "loaded");
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 0x60, 1), 9, "as saved");
	/* Hostile: all ones behind the header. */
	memset(buf + FIELDS_HEADER_BYTES, 0xff,
	       (size_t)n - FIELDS_HEADER_BYTES);
	if (fields_load(d, buf, (u64)n, NULL) < 0)
		piix3_class.reset(d);
	tap_equal(cfg_read(m, PCI_DEVFN(1, 0), 0, 4), 0x70008086,
		  "read-only bits survive a hostile state");
	piix3_class.reset(d);
}

int main(void)
{
	struct machine m;

	machine_init(&m);
	test_ports(&m);
	test_bars(&m);
	test_attach(&m);
	test_assign(&m);
	test_intx(&m);
	test_msix(&m);
	test_state(&m);
	machine_fini(&m);
	return tap_done();
}
