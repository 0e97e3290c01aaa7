/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - see unpack.h. One function for each format drives its library
 * over the input and a growing buffer.
 *
 * GUEST: memory is bounded on both sides. The output stops at the caller's
 * limit; dictionaries and windows stop at DICTIONARY_MAX, which is what
 * Linux's own build uses at most (xz 128 MiB, zstd 2^27).
 *
 * References: RFC 1952 (gzip); the .xz file format 1.1.0; LZ4 Frame Format
 * Description, "Legacy frame"; RFC 8878 (zstd).
 */
#include "backend/unpack.h"

#include <lz4.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define DICTIONARY_LOG_MAX 27
#define DICTIONARY_MAX (1ull << DICTIONARY_LOG_MAX)
/* LZMA state besides the dictionary. */
#define LZMA_STATE_MAX (16ull << 20)

/* zlib counts in 32 bits. */
#define CHUNK_MAX (1u << 30)

#define GZIP_MAGIC 0x8b1fu
#define LZ4_MAGIC 0x184c2102u
#define LZ4_BLOCK_MAX (8u << 20)
#define ZSTD_MAGIC 0xfd2fb528u
/* Zstandard's skippable frames: the low four bits are free. */
#define ZSTD_SKIP_MAGIC 0x184d2a50u

static const u8 xz_magic[6] = { 0xfd, '7', 'z', 'X', 'Z', 0 };

/*
 * The growing result. It may get one byte longer than the limit, which is how
 * a stream that ends exactly there differs from one that goes on.
 */
struct sink {
	u8 *p;
	u64 bytes, room, max;
};

static u32 get_u32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

/* Makes room for @want more bytes, or as many as the limit leaves. */
static int sink_grow(struct sink *s, u64 want)
{
	u64 need = want < s->max - s->bytes ? s->bytes + want : s->max;
	u64 room = s->room;
	u8 *p;

	if (s->bytes == s->max)
		return -EFBIG;
	if (need <= room)
		return 0;
	room = min_u64(max_u64(need, room * 2), s->max);
	p = realloc(s->p, room);
	if (!p)
		return -ENOMEM;
	s->p = p;
	s->room = room;
	return 0;
}

/* For libraries that fill what there is: at least one byte of room. */
static int sink_any(struct sink *s)
{
	return s->bytes < s->room ? 0 : sink_grow(s, 1 << 20);
}

static int unpack_gzip(struct sink *s, const u8 *p, u64 n)
{
	z_stream z = { 0 };
	int ret = 0, status = Z_OK;
	uInt in, out;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return -ENOMEM;
	while (n) {
		ret = sink_any(s);
		if (ret)
			break;
		in = (uInt)min_u64(n, CHUNK_MAX);
		out = (uInt)min_u64(s->room - s->bytes, CHUNK_MAX);
		z.next_in = (Bytef *)(uintptr_t)p;
		z.avail_in = in;
		z.next_out = s->p + s->bytes;
		z.avail_out = out;
		status = inflate(&z, Z_NO_FLUSH);
		p += in - z.avail_in;
		n -= in - z.avail_in;
		s->bytes += out - z.avail_out;
		if (status == Z_STREAM_END) {
			if (n < 2 || (p[0] | p[1] << 8) != GZIP_MAGIC)
				break;
			inflateReset(&z);
		} else if (status != Z_OK) {
			break;
		}
	}
	inflateEnd(&z);
	if (ret)
		return ret;
	if (status == Z_MEM_ERROR)
		return -ENOMEM;
	return status == Z_STREAM_END ? 0 : -EINVAL;
}

/* xz and lzma alone: @open makes the decoder of one stream. */
static int unpack_lzma(struct sink *s, const u8 *p, u64 n,
		       lzma_ret (*open)(lzma_stream *z))
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret status = open(&z);
	size_t out;
	int ret = 0;

	z.next_in = p;
	z.avail_in = n;
	while (status == LZMA_OK) {
		ret = sink_any(s);
		if (ret)
			break;
		out = s->room - s->bytes;
		z.next_out = s->p + s->bytes;
		z.avail_out = out;
		status = lzma_code(&z, LZMA_FINISH);
		s->bytes += out - z.avail_out;
		/* Opening anew keeps next_in and avail_in. */
		if (status == LZMA_STREAM_END &&
		    z.avail_in >= sizeof(xz_magic) &&
		    memcmp(z.next_in, xz_magic, sizeof(xz_magic)) == 0)
			status = open(&z);
	}
	lzma_end(&z);
	if (ret)
		return ret;
	if (status == LZMA_MEM_ERROR)
		return -ENOMEM;
	return status == LZMA_STREAM_END ? 0 : -EINVAL;
}

static lzma_ret open_xz(lzma_stream *z)
{
	return lzma_stream_decoder(z, DICTIONARY_MAX + LZMA_STATE_MAX, 0);
}

static lzma_ret open_lzma_alone(lzma_stream *z)
{
	return lzma_alone_decoder(z, DICTIONARY_MAX + LZMA_STATE_MAX);
}

/*
 * Magic, then blocks of a 32-bit size and as many bytes; each but the last
 * unpacks to 8 MiB. The end is the end of the data: four bytes alone there
 * are the unpacked size that Linux's build appends.
 */
static int unpack_lz4(struct sink *s, const u8 *p, u64 n)
{
	bool any = false;
	u32 size;
	int ret, got;

	p += 4;
	n -= 4;
	while (n >= 4 && !(any && n == 4)) {
		size = get_u32(p);
		p += 4;
		n -= 4;
		if (size == LZ4_MAGIC)
			continue;
		if (size > n || size > (u32)LZ4_compressBound(LZ4_BLOCK_MAX))
			return -EINVAL;
		ret = sink_grow(s, LZ4_BLOCK_MAX);
		if (ret)
			return ret;
		got = LZ4_decompress_safe(
			(const char *)p, (char *)s->p + s->bytes, (int)size,
			(int)min_u64(s->room - s->bytes, LZ4_BLOCK_MAX));
		if (got < 0)
			/* Damaged, or longer than the rest of the limit? */
			return s->max - s->bytes < LZ4_BLOCK_MAX ? -EFBIG
								 : -EINVAL;
		s->bytes += (u64)got;
		p += size;
		n -= size;
		any = true;
	}
	return any && (n == 0 || n == 4) ? 0 : -EINVAL;
}

static bool is_zstd(const u8 *p, u64 n)
{
	return n >= 4 && (get_u32(p) == ZSTD_MAGIC ||
			  (get_u32(p) & ~15u) == ZSTD_SKIP_MAGIC);
}

static int unpack_zstd(struct sink *s, const u8 *p, u64 n)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { p, n, 0 };
	size_t left = 1, in_before;
	int ret = 0;

	if (!z)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, DICTIONARY_LOG_MAX);
	do {
		ZSTD_outBuffer out;

		ret = sink_any(s);
		if (ret)
			break;
		out = (ZSTD_outBuffer){ s->p, s->room, s->bytes };
		in_before = in.pos;
		left = ZSTD_decompressStream(z, &out, &in);
		if (ZSTD_isError(left)) {
			ret = -EINVAL;
			break;
		}
		/* No input left, none taken and nothing come out: cut off. */
		if (left && in.pos == n && in.pos == in_before &&
		    out.pos == s->bytes) {
			ret = -EINVAL;
			break;
		}
		s->bytes = out.pos;
	} while (left || is_zstd(p + in.pos, n - in.pos));
	ZSTD_freeDStream(z);
	return ret;
}

enum unpack_format unpack_identify(const u8 *p, u64 n)
{
	if (n < 14)
		return UNPACK_NONE;
	if ((p[0] | p[1] << 8) == GZIP_MAGIC && p[2] == 8)
		return UNPACK_GZIP;
	if (memcmp(p, xz_magic, sizeof(xz_magic)) == 0)
		return UNPACK_XZ;
	if (get_u32(p) == LZ4_MAGIC)
		return UNPACK_LZ4;
	if (get_u32(p) == ZSTD_MAGIC)
		return UNPACK_ZSTD;
	/* No magic: the usual properties, then a dictionary size of which the
	 * low half is zero. */
	if (p[0] == 0x5d && p[1] == 0 && p[2] == 0)
		return UNPACK_LZMA;
	return UNPACK_NONE;
}

const char *unpack_name(enum unpack_format f)
{
	static const char *const name_tab[] = {
		[UNPACK_NONE] = "none", [UNPACK_GZIP] = "gzip",
		[UNPACK_XZ] = "xz",	[UNPACK_LZMA] = "lzma",
		[UNPACK_LZ4] = "lz4",	[UNPACK_ZSTD] = "zstd",
	};

	return name_tab[f];
}

static int run(struct sink *s, enum unpack_format f, const u8 *p, u64 n)
{
	switch (f) {
	case UNPACK_GZIP:
		return unpack_gzip(s, p, n);
	case UNPACK_XZ:
		return unpack_lzma(s, p, n, open_xz);
	case UNPACK_LZMA:
		return unpack_lzma(s, p, n, open_lzma_alone);
	case UNPACK_LZ4:
		return unpack_lz4(s, p, n);
	case UNPACK_ZSTD:
		return unpack_zstd(s, p, n);
	default:
		return -EINVAL;
	}
}

int unpack(struct unpacked *u, const u8 *p, u64 n, u64 limit, struct err *e)
{
	enum unpack_format f = unpack_identify(p, n);
	struct sink s = { .max = min_u64(limit, SIZE_MAX / 4) + 1 };
	int ret;

	*u = (struct unpacked){ 0 };
	if (f == UNPACK_NONE)
		return err_set(e, -EINVAL,
			       "the file is in no packed format "
			       "that is known here: use gzip, xz, lzma, lz4 "
			       "or zstd");
	/* Kernels shrink to about a quarter. */
	ret = sink_grow(&s, max_u64(min_u64(n, SIZE_MAX / 16) * 4, 4096));
	if (!ret)
		ret = run(&s, f, p, n);
	if (!ret && s.bytes > limit)
		ret = -EFBIG;
	if (!ret) {
		*u = (struct unpacked){ s.p, s.bytes };
		return 0;
	}
	free(s.p);
	switch (ret) {
	case -EFBIG:
		return err_set(e, ret,
			       "the %s data unpacks to more than "
			       "%llu MiB: use a smaller file or give the "
			       "machine more memory",
			       unpack_name(f),
			       (unsigned long long)(limit >> 20));
	case -ENOMEM:
		return err_set(e, ret,
			       "no memory to unpack %s data: free "
			       "some on this host",
			       unpack_name(f));
	default:
		return err_set(e, ret,
			       "the %s data is damaged or truncated: "
			       "fetch or build the file again",
			       unpack_name(f));
	}
}

void unpack_free(struct unpacked *u)
{
	free(u->p);
	*u = (struct unpacked){ 0 };
}
