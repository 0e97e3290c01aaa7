/* SPDX-License-Identifier: Apache-2.0 */
/* unpack_test.c - every format, whole, in pieces, damaged and too large. */
#include "backend/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "tap.h"

/* More than one block of LZ4. */
#define BIG (9u << 20)

static u8 *plain, *packed;

static const enum unpack_format all[] = { UNPACK_GZIP, UNPACK_XZ, UNPACK_LZMA,
					  UNPACK_LZ4, UNPACK_ZSTD };

static bool same(const struct unpacked *u, const u8 *p, u64 n)
{
	return u->bytes == n && memcmp(u->p, p, n) == 0;
}

static void check_whole(enum unpack_format f)
{
	static const u64 size_tab[] = { 1, 100, 65536, 1000003, BIG };
	unsigned sizes = ARRAY_SIZE(size_tab) - (f != UNPACK_LZ4);
	const char *name = unpack_name(f);
	struct unpacked u;
	struct err e = { 0 };
	u64 n;
	int ret;

	for (unsigned i = 0; i < sizes; i++) {
		n = pack(f, plain, size_tab[i], packed, BIG);
		tap_check(unpack_identify(packed, n) == f || size_tab[i] == 1,
			  "%s: identified", name);
		if (unpack_identify(packed, n) != f)
			continue;
		ret = unpack(&u, packed, n, size_tab[i], &e);
		tap_check(ret == 0 && same(&u, plain, size_tab[i]),
			  "%s: %llu bytes, exactly the limit", name,
			  (unsigned long long)size_tab[i]);
		unpack_free(&u);
		ret = unpack(&u, packed, n, size_tab[i] - 1, &e);
		tap_check(ret == -EFBIG && !u.p && !u.bytes,
			  "%s: %llu bytes, one over the limit", name,
			  (unsigned long long)size_tab[i]);
	}
}

/* Linux appends the unpacked size to all but gzip. */
static void check_trailer(enum unpack_format f)
{
	struct unpacked u;
	u64 n = pack(f, plain, 100000, packed, BIG);
	int ret;

	memcpy(packed + n, "\xa0\x86\x01\x00", 4);
	ret = unpack(&u, packed, n + 4, BIG, NULL);
	tap_check(ret == 0 && same(&u, plain, 100000),
		  "%s: a size word after the data", unpack_name(f));
	unpack_free(&u);
}

static void check_members(enum unpack_format f)
{
	struct unpacked u;
	u64 n = pack(f, plain, 70000, packed, BIG);
	int ret;

	n += pack(f, plain + 70000, 30000, packed + n, BIG - n);
	ret = unpack(&u, packed, n, 100000, NULL);
	tap_check(ret == 0 && same(&u, plain, 100000),
		  "%s: two streams in a row", unpack_name(f));
	unpack_free(&u);
	ret = unpack(&u, packed, n, 99999, NULL);
	tap_equal(ret, -EFBIG, "two streams, one byte over the limit");
}

/* Every shorter file and every single damaged byte: an answer, no crash. The
 * copies are exact, so that a sanitizer sees reads past the end. */
static void check_damage(enum unpack_format f)
{
	u64 n = pack(f, plain, 1000, packed, BIG), i;
	struct err e;
	struct unpacked u;
	unsigned accepted = 0, silent = 0;
	u8 *copy;

	for (i = 0; i < n; i++) {
		copy = malloc(i ? i : 1);
		memcpy(copy, packed, i);
		e.text[0] = 0;
		if (unpack(&u, copy, i, 1 << 20, &e) == 0)
			accepted++;
		else if (!e.text[0])
			silent++;
		unpack_free(&u);
		free(copy);
	}
	tap_check(accepted == 0 && silent == 0,
		  "%s: no truncated file is accepted, all are explained",
		  unpack_name(f));
	for (i = 0; i < n; i++) {
		copy = malloc(n);
		memcpy(copy, packed, n);
		copy[i] ^= 0x55;
		e.text[0] = 0;
		if (unpack(&u, copy, n, 1 << 20, &e) && !e.text[0])
			silent++;
		unpack_free(&u);
		free(copy);
	}
	tap_check(silent == 0, "%s: damaged bytes", unpack_name(f));
}

static void check_bomb(enum unpack_format f)
{
	u8 *zeroes = calloc(1, BIG);
	u64 n = pack(f, zeroes, BIG, packed, BIG);
	struct unpacked u;
	struct err e = { 0 };

	tap_equal(unpack(&u, packed, n, 1 << 20, &e), -EFBIG, "bomb");
	tap_check(strstr(e.text, "1 MiB") != NULL, "%s: says the limit: %s",
		  unpack_name(f), e.text);
	free(zeroes);
}

static void check_dictionaries(void)
{
	/* A frame with a window of 1 MiB, then a raw block. */
	u8 zstd[32] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 10 << 3, 0x09, 0, 0, 'x' };
	struct unpacked u;
	u64 n = pack(UNPACK_LZMA, plain, 3000, packed, BIG);

	packed[4] = 0x04; /* 64 MiB: bytes 1 to 4, little-endian */
	tap_equal(unpack(&u, packed, n, 3000, NULL), 0,
		  "lzma with a dictionary of 64 MiB");
	unpack_free(&u);
	packed[3] = packed[4] = 0xff;
	tap_equal(unpack(&u, packed, n, 3000, NULL), -EINVAL,
		  "lzma with a dictionary of 4 GiB");
	tap_equal(unpack(&u, zstd, sizeof(zstd), 1, NULL), 0,
		  "zstd with a window of 1 MiB");
	unpack_free(&u);
	zstd[5] = 21 << 3;
	tap_equal(unpack(&u, zstd, sizeof(zstd), 1, NULL), -EINVAL,
		  "zstd with a window of 2 GiB");
}

static void check_unknown(void)
{
	struct unpacked u = { plain, 1 };
	struct err e = { 0 };

	tap_equal(unpack(&u, plain, 1000, BIG, &e), -EINVAL, "not packed");
	tap_check(!u.p && e.text[0], "not packed: %s", e.text);
	tap_equal(unpack_identify(plain, 0), UNPACK_NONE, "nothing");
	tap_equal(unpack_identify((const u8 *)"\x1f\x8b\x08", 3), UNPACK_NONE,
		  "three bytes");
}

int main(void)
{
	u64 x = 88172645463325252ull;

	plain = malloc(BIG);
	packed = malloc(BIG + 64);
	for (unsigned i = 0; i < BIG; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		plain[i] = x & 0x700 ? 'a' : (u8)x; /* shrinks somewhat */
	}
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		check_whole(all[i]);
		check_trailer(all[i]);
		if (all[i] != UNPACK_LZMA)
			check_members(all[i]);
		check_damage(all[i]);
		check_bomb(all[i]);
	}
	check_dictionaries();
	check_unknown();
	free(plain);
	free(packed);
	return tap_done();
}
