/* SPDX-License-Identifier: Apache-2.0 */
/* pack.c - see pack.h. */
#include "pack.h"

#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define LZ4_BLOCK (8u << 20)

static void need(bool ok)
{
	if (!ok) {
		fprintf(stderr, "pack: the test's own packing failed\n");
		exit(99);
	}
}

static u64 pack_gzip(const u8 *p, u64 n, u8 *out, u64 room)
{
	z_stream z = { 0 };
	u64 bytes;

	need(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
	     Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)room;
	need(deflate(&z, Z_FINISH) == Z_STREAM_END);
	bytes = room - z.avail_out;
	deflateEnd(&z);
	return bytes;
}

static u64 pack_lzma(bool alone, const u8 *p, u64 n, u8 *out, u64 room)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma o;
	u64 bytes;

	lzma_lzma_preset(&o, 1);
	need((alone ? lzma_alone_encoder(&z, &o)
		    : lzma_easy_encoder(&z, 1, LZMA_CHECK_CRC32)) == LZMA_OK);
	z.next_in = p;
	z.avail_in = n;
	z.next_out = out;
	z.avail_out = room;
	need(lzma_code(&z, LZMA_FINISH) == LZMA_STREAM_END);
	bytes = room - z.avail_out;
	lzma_end(&z);
	return bytes;
}

static u64 pack_lz4(const u8 *p, u64 n, u8 *out, u64 room)
{
	u32 magic = 0x184c2102, size;
	u64 bytes = 4, block;
	int got;

	need(room >= 4);
	memcpy(out, &magic, 4);
	for (; n; p += block, n -= block) {
		block = n < LZ4_BLOCK ? n : LZ4_BLOCK;
		need(room >= bytes + 4);
		got = LZ4_compress_default((const char *)p,
					   (char *)out + bytes + 4, (int)block,
					   (int)(room - bytes - 4));
		need(got > 0);
		size = (u32)got;
		memcpy(out + bytes, &size, 4);
		bytes += 4 + size;
	}
	return bytes;
}

u64 pack(enum unpack_format f, const u8 *p, u64 n, u8 *out, u64 room)
{
	size_t got;

	switch (f) {
	case UNPACK_GZIP:
		return pack_gzip(p, n, out, room);
	case UNPACK_XZ:
		return pack_lzma(false, p, n, out, room);
	case UNPACK_LZMA:
		return pack_lzma(true, p, n, out, room);
	case UNPACK_LZ4:
		return pack_lz4(p, n, out, room);
	case UNPACK_ZSTD:
		got = ZSTD_compress(out, room, p, n, 3);
		need(!ZSTD_isError(got));
		return got;
	default:
		need(n <= room);
		memcpy(out, p, n);
		return n;
	}
}
