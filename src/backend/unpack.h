/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.h - unpacks a whole file that is in memory, by the library of its
 * format.
 *
 * GUEST: the packed bytes may be hostile. The result never takes more than
 * the caller's limit, and the unpackers' own memory is bounded too. Bytes that
 * follow a complete stream are ignored, since Linux's build appends the
 * unpacked size to some; further streams of the same format are appended.
 *
 * This header is freestanding: boot/ includes it.
 */
#ifndef DOPPEL_BACKEND_UNPACK_H
#define DOPPEL_BACKEND_UNPACK_H

#include "base/base.h"
#include "base/err.h"

enum unpack_format {
	UNPACK_NONE, /* not packed, or by something unknown */
	UNPACK_GZIP,
	UNPACK_XZ,
	UNPACK_LZMA, /* "alone", with a header of 13 bytes */
	UNPACK_LZ4, /* the legacy frame: blocks of 8 MiB */
	UNPACK_ZSTD,
};

enum unpack_format unpack_identify(const u8 *p, u64 n);
const char *unpack_name(enum unpack_format f);

struct unpacked {
	u8 *p;
	u64 bytes;
};

/*
 * Unpacks @p[0..@n) into fresh memory, at most @limit bytes.
 *
 * Returns 0; -EINVAL for an unknown format, damaged or truncated data, or a
 * dictionary larger than ours; -EFBIG when the result would exceed @limit;
 * -ENOMEM. On failure *@u is empty and @e holds a sentence. Any thread.
 */
int unpack(struct unpacked *u, const u8 *p, u64 n, u64 limit,
	   struct err *e) MUST_CHECK;
void unpack_free(struct unpacked *u); /* empty is fine */

#endif
