/* SPDX-License-Identifier: Apache-2.0 */
/* classes.h - the table of all kinds of devices. */
#ifndef DOPPEL_DEV_CLASSES_H
#define DOPPEL_DEV_CLASSES_H

#include "vm/device.h"

/* Ends with NULL. */
extern const struct device_class *const device_class_tab[];

/* By name, or NULL. */
const struct device_class *device_class_find(const char *name);

#endif
