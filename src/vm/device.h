/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - what a device is to the rest of the house: a row of
 * dev/classes.c and, in each machine, a struct that begins with one of these.
 *
 * A device is made by its own typed init function, which takes its wiring
 * (bus ranges, irq_line, clock, back end; never the VM) and leaves it as after
 * power-up. All functions are called with the device lock held.
 */
#ifndef DOPPEL_VM_DEVICE_H
#define DOPPEL_VM_DEVICE_H

#include "base/base.h"
#include "vm/field.h"

struct device;

struct device_class {
	const char *name; /* "uart": in traces and saved state */
	u16 version; /* of the state that .fields describe */
	size_t bytes; /* sizeof the device struct */
	const struct field *fields; /* ends with FIELD_END */
	void (*reset)(struct device *d); /* as at power-up; may be NULL */
	/* After .fields were loaded: checks them (GUEST: hostile) and makes
	 * what follows from them. Returns 0 or -EINVAL. May be NULL. */
	int (*loaded)(struct device *d);
	void (*fini)(struct device *d); /* may be NULL */
	/* Processor @cpu does what INIT asks of it: on its thread. May be
	 * NULL. */
	void (*cpu_init)(struct device *d, unsigned cpu);
};

struct device {
	const struct device_class *cls;
	char id[24]; /* "uart0" */
	struct device *next; /* the VM's list, in order of wiring */
};

#endif
