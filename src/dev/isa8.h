/* SPDX-License-Identifier: Apache-2.0 */
/*
 * isa8.h - eight-bit devices on a bus that also does wider accesses: the ISA
 * bridge turns those into one access for each byte, lowest address first.
 */
#ifndef DOPPEL_DEV_ISA8_H
#define DOPPEL_DEV_ISA8_H

#include "base/base.h"

static inline u64 isa8_read(void *dev, u64 offset, unsigned bytes,
			    u8 (*read)(void *dev, u64 offset))
{
	u64 v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (u64)read(dev, offset + i) << (8 * i);
	return v;
}

static inline void isa8_write(void *dev, u64 offset, u64 v, unsigned bytes,
			      void (*write)(void *dev, u64 offset, u8 v))
{
	for (unsigned i = 0; i < bytes; i++)
		write(dev, offset + i, (u8)(v >> (8 * i)));
}

#endif
