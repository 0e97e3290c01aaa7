/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.h - what a device's field table is good for: save, load, compare,
 * dump. All with the device lock held.
 *
 * One device's record, little-endian, without padding:
 *
 *	u32  FIELDS_MAGIC
 *	u16  version of the class when it was saved
 *	u16  0
 *	u8   id[24], zero-padded
 *	u32  bytes of payload
 *	...  fields in table order whose .since is not above version
 */
#ifndef DOPPEL_VM_FIELDS_H
#define DOPPEL_VM_FIELDS_H

#include "base/base.h"
#include "base/err.h"
#include "vm/device.h"

#define FIELDS_MAGIC 0x56454444u /* "DDEV" */
#define FIELDS_HEADER_BYTES 36u

/* Of the whole record in the class's present version. */
u64 fields_saved_bytes(const struct device *d);

/* Returns the bytes written, or -ENOSPC. */
s64 fields_save(const struct device *d, u8 *buf, u64 size) MUST_CHECK;

/*
 * GUEST: @buf may be anything. Returns the bytes consumed, or -EINVAL; then the
 * device is as before, unless its own check (.loaded) refused: then it must be
 * reset. Fields newer than the record keep their values.
 */
s64 fields_load(struct device *d, const u8 *buf, u64 size, struct err *e)
	MUST_CHECK;

/* Compares two devices of one class. True if equal, else the first field that
 * differs in @why ("uart0: regs[3]: 0x1, 0x2"); @size may be 0. */
bool fields_equal(const struct device *a, const struct device *b, char *why,
		  size_t size);

/* Prints each field as a line. */
void fields_dump(const struct device *d,
		 void (*line)(void *ctx, const char *text), void *ctx);

#endif
