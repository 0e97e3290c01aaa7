/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci.c - virtio over PCI: see virtio_pci.h.
 *
 * BAR 0 in four pages (VIRTIO 1.2, 4.1.4 "Virtio Structure PCI
 * Capabilities"):
 *   0x0000  common configuration
 *   0x1000  interrupt status; reading clears it
 *   0x2000  the device's configuration
 *   0x3000  notifications, 4 bytes a queue
 */
#include "dev/virtio_pci.h"

#include "base/fmt.h"
#include "base/trace.h"

#define BAR_BYTES 0x4000u
#define PART_COMMON 0
#define PART_ISR 1
#define PART_DEVICE 2
#define PART_NOTIFY 3
#define PART_SHIFT 12
#define NOTIFY_STRIDE 4u

#define ISR_QUEUE BIT(0)
#define ISR_CONFIG BIT(1)

/* struct virtio_pci_common_cfg, 4.1.4.3 */
enum {
	OFFERED_SELECT = 0x00,
	OFFERED = 0x04,
	ACCEPTED_SELECT = 0x08,
	ACCEPTED = 0x0c,
	CONFIG_VECTOR = 0x10,
	QUEUE_COUNT = 0x12,
	STATUS = 0x14,
	GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_AVAIL = 0x28,
	QUEUE_USED = 0x30,
	COMMON_BYTES = 0x38,
};

/* struct virtio_pci_cap, 4.1.4 */
enum {
	CAP_LENGTH = 2,
	CAP_TYPE = 3,
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_BYTES = 12,
	CAP_END = 16,
	CAP_NOTIFY_MULTIPLIER = 16,
	CAP_WINDOW_DATA = 16,
};

enum {
	CAP_COMMON = 1,
	CAP_NOTIFY,
	CAP_ISR,
	CAP_DEVICE,
	CAP_WINDOW,
};

/* --- interrupts --- */

static void update_intx(struct virtio_pci *t)
{
	pci_set_intx(&t->pci, t->isr && !msix_enabled(&t->msix));
}

static void interrupt(struct virtio_pci *t, u16 vector, u8 isr)
{
	if (msix_enabled(&t->msix)) {
		if (vector != VIRTIO_PCI_NO_VECTOR)
			msix_raise(&t->msix, vector);
		return;
	}
	t->isr |= isr;
	update_intx(t);
}

static void queue_interrupt(void *ctx, unsigned q)
{
	struct virtio_pci *t = ctx;

	interrupt(t, t->queue_vector[q], ISR_QUEUE);
}

static void config_interrupt(void *ctx)
{
	struct virtio_pci *t = ctx;

	interrupt(t, t->config_vector, ISR_CONFIG);
}

static void reset_done(void *ctx)
{
	struct virtio_pci *t = ctx;

	t->offered_select = t->accepted_select = 0;
	t->queue_select = 0;
	t->config_vector = VIRTIO_PCI_NO_VECTOR;
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
		t->queue_vector[q] = VIRTIO_PCI_NO_VECTOR;
	t->isr = 0;
	update_intx(t);
}

static const struct virtio_transport transport = {
	.queue_interrupt = queue_interrupt,
	.config_interrupt = config_interrupt,
	.reset_done = reset_done,
};

/* --- common configuration --- */

static u16 checked_vector(const struct virtio_pci *t, u64 value)
{
	return value < t->msix.count ? (u16)value : VIRTIO_PCI_NO_VECTOR;
}

/* One of the three ring addresses of @vq, as a register at @offset. */
static u64 *ring_address(struct virtqueue *vq, u64 offset)
{
	switch (offset & ~7ull) {
	case QUEUE_DESC:
		return &vq->desc_gpa;
	case QUEUE_AVAIL:
		return &vq->avail_gpa;
	default:
		return &vq->used_gpa;
	}
}

/* Registers of the selected queue. */
static u64 queue_read(const struct virtio_pci *t, u64 offset)
{
	struct virtqueue *vq = virtio_queue(t->v, t->queue_select);

	if (!vq)
		return 0;
	switch (offset) {
	case QUEUE_SIZE:
		return vq->size;
	case QUEUE_VECTOR:
		return t->queue_vector[t->queue_select];
	case QUEUE_ENABLE:
		return vq->enabled;
	case QUEUE_NOTIFY_OFF:
		return t->queue_select;
	}
	if (offset >= QUEUE_DESC && offset < COMMON_BYTES && !(offset & 3))
		return *ring_address(vq, offset) >> (8 * (offset & 4));
	return 0;
}

static u64 common_read(const struct virtio_pci *t, u64 offset)
{
	const struct virtio_dev *v = t->v;

	switch (offset) {
	case OFFERED_SELECT:
		return t->offered_select;
	case OFFERED:
		return t->offered_select < 2 ?
			       v->offered >> (32 * t->offered_select) : 0;
	case ACCEPTED_SELECT:
		return t->accepted_select;
	case ACCEPTED:
		return t->accepted_select < 2 ?
			       v->accepted >> (32 * t->accepted_select) : 0;
	case CONFIG_VECTOR:
		return t->config_vector;
	case QUEUE_COUNT:
		return v->queue_count;
	case STATUS:
		return v->status;
	case GENERATION:
		return 0; /* our configurations never change */
	case QUEUE_SELECT:
		return t->queue_select;
	}
	return queue_read(t, offset);
}

static void queue_write(struct virtio_pci *t, u64 offset, u64 value,
			unsigned bytes)
{
	struct virtqueue *vq = virtio_queue(t->v, t->queue_select);
	u64 *gpa;

	if (!vq)
		return;
	if (offset == QUEUE_VECTOR) {
		t->queue_vector[t->queue_select] = checked_vector(t, value);
		return;
	}
	if (!virtio_queue_is_open(t->v, t->queue_select))
		return;
	if (offset == QUEUE_SIZE) {
		if (value <= VIRTQ_MAX_SIZE)
			vq->size = (u16)value; /* checked when enabled */
	} else if (offset == QUEUE_ENABLE) {
		if (value == 1)
			virtio_enable_queue(t->v, t->queue_select);
	} else if (offset >= QUEUE_DESC && offset < COMMON_BYTES) {
		gpa = ring_address(vq, offset);
		if (bytes == 8 && !(offset & 7))
			*gpa = value;
		else if (bytes == 4 && !(offset & 7))
			*gpa = (*gpa & ~0xffffffffull) | (u32)value;
		else if (bytes == 4)
			*gpa = (u32)*gpa | value << 32;
	}
}

static void common_write(struct virtio_pci *t, u64 offset, u64 value,
			 unsigned bytes)
{
	switch (offset) {
	case OFFERED_SELECT:
		t->offered_select = (u32)value;
		break;
	case ACCEPTED_SELECT:
		t->accepted_select = (u32)value;
		break;
	case ACCEPTED:
		virtio_accept(t->v, t->accepted_select, (u32)value);
		break;
	case CONFIG_VECTOR:
		t->config_vector = checked_vector(t, value);
		break;
	case STATUS:
		virtio_set_status(t->v, (u8)value);
		break;
	case QUEUE_SELECT:
		t->queue_select = (u16)value;
		break;
	default:
		queue_write(t, offset, value, bytes);
	}
}

/* --- BAR 0 --- */

static u64 isr_read(struct virtio_pci *t)
{
	u8 isr = t->isr;

	t->isr = 0;
	update_intx(t);
	return isr;
}

static u64 bar_read(void *dev, u64 offset, unsigned bytes)
{
	struct virtio_pci *t = dev;
	u64 at = offset & (BIT(PART_SHIFT) - 1);
	u64 value = 0;

	switch (offset >> PART_SHIFT) {
	case PART_COMMON:
		value = common_read(t, at);
		break;
	case PART_ISR:
		value = at ? 0 : isr_read(t);
		break;
	case PART_DEVICE:
		value = virtio_config_read(t->v, at, bytes > 4 ? 4 : bytes);
		if (bytes == 8)
			value |= (u64)virtio_config_read(t->v, at + 4, 4)
				 << 32;
		break;
	}
	return bytes == 8 ? value : value & ((1ull << (8 * bytes)) - 1);
}

static void bar_write(void *dev, u64 offset, u64 value, unsigned bytes)
{
	struct virtio_pci *t = dev;
	u64 at = offset & (BIT(PART_SHIFT) - 1);

	switch (offset >> PART_SHIFT) {
	case PART_NOTIFY:
		virtio_notify(t->v, (unsigned)(at / NOTIFY_STRIDE));
		break;
	case PART_COMMON:
		common_write(t, at, value, bytes);
		break;
	}
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

/* --- configuration space --- */

/*
 * 4.1.4.9 "PCI configuration access capability": a window of 1, 2 or 4 bytes
 * on any BAR, for firmware that has not mapped them.
 */
static const struct pci_bar *window_target(const struct virtio_pci *t,
					   u64 *offset, unsigned *bytes)
{
	const u8 *c = t->pci.config;
	unsigned n = c[t->window + CAP_BAR];
	u32 len = pci_get32(c, t->window + CAP_BYTES);

	*offset = pci_get32(c, t->window + CAP_OFFSET);
	*bytes = len;
	if (n > 1 || (len != 1 && len != 2 && len != 4) || *offset % len ||
	    *offset >= t->pci.bar[n].range.bytes)
		return NULL;
	return &t->pci.bar[n];
}

static void config_reading(struct pci_dev *d, unsigned reg, unsigned bytes)
{
	struct virtio_pci *t = container_of(d, struct virtio_pci, pci);
	const struct pci_bar *b;
	unsigned len;
	u64 offset;

	if (!pci_touches(reg, bytes, t->window + CAP_WINDOW_DATA, 4))
		return;
	b = window_target(t, &offset, &len);
	if (b)
		pci_set32(d->config, t->window + CAP_WINDOW_DATA,
			  (u32)b->range.ops->read(b->range.dev, offset, len));
}

static void config_written(struct pci_dev *d, unsigned reg, unsigned bytes)
{
	struct virtio_pci *t = container_of(d, struct virtio_pci, pci);
	const struct pci_bar *b;
	unsigned len;
	u64 offset;

	if (pci_touches(reg, bytes, t->window + CAP_WINDOW_DATA, 4)) {
		b = window_target(t, &offset, &len);
		if (b)
			b->range.ops->write(
				b->range.dev, offset,
				pci_get32(d->config,
					  t->window + CAP_WINDOW_DATA) &
					(~0u >> (32 - 8 * len)),
				len);
		return;
	}
	if (pci_touches(reg, bytes, PCI_COMMAND, 2) ||
	    pci_touches(reg, bytes, t->msix.cap, 4)) {
		msix_config_written(&t->msix);
		update_intx(t);
		t->v->no_dma = !pci_is_master(d);
		virtio_notify_all(t->v);
	}
}

static const struct pci_ops pci_ops = { config_reading, config_written };

static unsigned add_cap(struct pci_dev *d, u8 type, u32 offset, u32 length,
			unsigned bytes)
{
	unsigned at = pci_add_cap(d, PCI_CAP_VENDOR, bytes);

	d->initial[at + CAP_LENGTH] = (u8)bytes;
	d->initial[at + CAP_TYPE] = type;
	pci_set32(d->initial, at + CAP_OFFSET, offset);
	pci_set32(d->initial, at + CAP_BYTES, length);
	return at;
}

static void add_caps(struct virtio_pci *t)
{
	struct pci_dev *d = &t->pci;
	unsigned at;

	add_cap(d, CAP_COMMON, PART_COMMON << PART_SHIFT, COMMON_BYTES,
		CAP_END);
	add_cap(d, CAP_ISR, PART_ISR << PART_SHIFT, 1, CAP_END);
	if (t->v->config_bytes)
		add_cap(d, CAP_DEVICE, PART_DEVICE << PART_SHIFT,
			t->v->config_bytes, CAP_END);
	at = add_cap(d, CAP_NOTIFY, PART_NOTIFY << PART_SHIFT,
		     t->v->queue_count * NOTIFY_STRIDE, CAP_END + 4);
	pci_set32(d->initial, at + CAP_NOTIFY_MULTIPLIER, NOTIFY_STRIDE);

	t->window = add_cap(d, CAP_WINDOW, 0, 0, CAP_END + 4);
	d->writable[t->window + CAP_BAR] = 0xff;
	pci_set32(d->writable, t->window + CAP_OFFSET, ~0u);
	pci_set32(d->writable, t->window + CAP_BYTES, ~0u);
	pci_set32(d->writable, t->window + CAP_WINDOW_DATA, ~0u);
}

/* --- life --- */

int virtio_pci_init(struct virtio_pci *t, struct virtio_dev *v,
		    u32 class_code, const struct virtio_pci_wiring *w,
		    struct err *e)
{
	struct pci_id id = {
		.vendor = 0x1af4,
		.device = (u16)(0x1040 + v->type),
		.class_code = class_code,
		.revision = 1, /* 4.1.2.1: not transitional */
		.subvendor = 0x1af4,
		.subdevice = 0x1100, /* 4.1.2.1: 0x40 or higher */
		.int_pin = 1,
	};
	int r;

	t->v = v;
	v->transport = &transport;
	v->t = t;
	v->no_dma = true;
	pci_dev_init(&t->pci, &id, &pci_ops);
	pci_add_bar(&t->pci, 0, PCI_BAR_MEM32, BAR_BYTES, &bar_ops, t,
		    "virtio");
	/* A vector for each queue and one for the configuration. */
	msix_init(&t->msix, &t->pci, 1, v->queue_count + 1, &w->msi);
	add_caps(t);
	r = pci_attach(w->bus, &t->pci, w->devfn, e);
	if (r)
		return r;
	reset_done(t);
	return 0;
}

void virtio_pci_reset(struct virtio_pci *t)
{
	virtio_reset(t->v);
	msix_reset(&t->msix);
	pci_dev_reset(&t->pci);
	t->v->no_dma = true;
	reset_done(t);
}

int virtio_pci_loaded(struct virtio_pci *t)
{
	t->config_vector = checked_vector(t, t->config_vector);
	for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
		t->queue_vector[q] = checked_vector(t, t->queue_vector[q]);
	t->isr &= ISR_QUEUE | ISR_CONFIG;
	msix_loaded(&t->msix);
	pci_dev_loaded(&t->pci);
	t->v->no_dma = !pci_is_master(&t->pci);
	return virtio_loaded(t->v);
}

void virtio_pci_fini(struct virtio_pci *t)
{
	if (!t->v)
		return;
	virtio_fini(t->v);
	pci_detach(&t->pci);
}
