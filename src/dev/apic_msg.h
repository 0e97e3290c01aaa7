/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apic_msg.h - what travels between I/O APIC, message-signalling devices and
 * local APICs. SDM 3A 10.6 "Issuing Interprocessor Interrupts", 10.11
 * "Message Signalled Interrupts".
 */
#ifndef DOPPEL_DEV_APIC_MSG_H
#define DOPPEL_DEV_APIC_MSG_H

#include "base/base.h"

/* Delivery modes, as in the ICR, redirection entries, LVT and MSI data. */
enum apic_mode {
	APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_RESERVED, APIC_NMI, APIC_INIT,
	APIC_STARTUP, APIC_EXTINT,
};

#define APIC_BROADCAST 0xffffffffu

struct apic_msg {
	u32 dest; /* APIC_BROADCAST: everybody */
	bool logical;
	u8 mode; /* enum apic_mode */
	u8 vector;
	bool level; /* level-triggered: its EOI is told to the I/O APIC */
};

struct apic_sink {
	/* Returns whether some local APIC has accepted it. */
	bool (*send)(void *dev, const struct apic_msg *m);
	void *dev;
};

#endif
