/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.h - little-endian words at any alignment, for fields of files and
 * tables. gcc and clang make one move of each.
 */
#ifndef DOPPEL_BOOT_BYTES_H
#define DOPPEL_BOOT_BYTES_H

#include "base/base.h"

static inline u16 get_u16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static inline u32 get_u32(const u8 *p)
{
	return get_u16(p) | (u32)get_u16(p + 2) << 16;
}

static inline u64 get_u64(const u8 *p)
{
	return get_u32(p) | (u64)get_u32(p + 4) << 32;
}

static inline void put_u16(u8 *p, u16 v)
{
	p[0] = (u8)v;
	p[1] = (u8)(v >> 8);
}

static inline void put_u32(u8 *p, u32 v)
{
	put_u16(p, (u16)v);
	put_u16(p + 2, (u16)(v >> 16));
}

static inline void put_u64(u8 *p, u64 v)
{
	put_u32(p, (u32)v);
	put_u32(p + 4, (u32)(v >> 32));
}

#endif
