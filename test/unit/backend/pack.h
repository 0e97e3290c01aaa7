/* SPDX-License-Identifier: Apache-2.0 */
/* pack.h - packs bytes in the formats of backend/unpack.h, for tests. */
#ifndef DOPPEL_TEST_PACK_H
#define DOPPEL_TEST_PACK_H

#include "backend/unpack.h"

/* Returns the bytes written to @out, which must have room; exits if not. */
u64 pack(enum unpack_format f, const u8 *p, u64 n, u8 *out, u64 room);

#endif
