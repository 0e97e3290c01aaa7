/* SPDX-License-Identifier: Apache-2.0 */
/* irq.h - interrupt lines and message-signalled interrupts, as wires that a
 * device is handed: it never knows what is at the other end. Called with the
 * device lock held. */
#ifndef DOPPEL_VM_IRQ_H
#define DOPPEL_VM_IRQ_H

#include "base/base.h"

struct irq_line {
	void (*set)(void *dev, unsigned input, bool level);
	void *dev;
	unsigned input;
};

/* An unconnected line (all zero) is fine. */
static inline void irq_set(const struct irq_line *l, bool level)
{
	if (l->set)
		l->set(l->dev, l->input, level);
}

struct msi_sink {
	void (*send)(void *dev, u64 addr, u32 data);
	void *dev;
};

static inline void msi_send(const struct msi_sink *m, u64 addr, u32 data)
{
	if (m->send)
		m->send(m->dev, addr, data);
}

#endif
