/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_zydis_test.c - x86_decode against Zydis, over (1) every opcode of
 * every map with every modrm byte under many prefixes, in all three modes,
 * (2) random bytes, (3) the code of the programs on this machine.
 *
 * DOPPEL_TEST_FULL=1 lifts the time limits of (1) and (3), as "make check" does.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "programs.h"
#include "tap.h"
#include "zydis_oracle.h"

static const enum x86_code_size size_tab[] = { X86_CODE64, X86_CODE32,
					       X86_CODE16 };

struct run {
	struct oracle oracle;
	u64 insns, failures;
	u64 seen[4096]; /* descriptions told already, hashed */
	double deadline;
	bool full;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* One line for each instruction and kind of difference, not for each byte. */
static void report(struct run *r, const char *why)
{
	const char *name = strchr(why, ':');
	u64 h = 14695981039346656037u;

	while (name && name > why && name[-1] != ' ')
		name--;
	for (const char *c = name ? name : why; *c && *c != '('; c++)
		h = (h ^ (u8)*c) * 1099511628211u;
	h ^= (u64)why[0] << 8 | (u64)why[1];
	if (r->seen[h % 4096] == h)
		return;
	r->seen[h % 4096] = h;
	printf("# %s\n", why);
}

static unsigned check(struct run *r, const u8 *p, size_t avail,
		      enum x86_code_size size)
{
	char why[400];
	unsigned len;

	r->insns++;
	if (oracle_compare(&r->oracle, p, avail, size, why, sizeof(why),
			   &len)) {
		r->failures++;
		report(r, why);
	}
	return len;
}

/* After the opcode: modrm, SIB, displacement and immediate bytes. */
static const u8 tail_tab[][14] = {
	{ 0x24, 0x11, 0x92, 0x33, 0xf4, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa },
	{ 0xed, 0x85, 0x01, 0x00, 0x00, 0x00, 0x80, 0x00, 0x7f, 0xff, 0x01 },
	{ 0x65, 0x00, 0x21, 0x00, 0x00, 0xff, 0x80, 0x20, 0x7f, 0xff, 0x01 },
};

static void enumerate_modrm(struct run *r, u8 *buf, size_t at,
			    enum x86_code_size size, unsigned step)
{
	for (unsigned modrm = 0; modrm < 256; modrm += step) {
		const u8 *tail = tail_tab[modrm % ARRAY_SIZE(tail_tab)];

		buf[at] = (u8)modrm;
		memcpy(buf + at + 1, tail, sizeof(tail_tab[0]));
		check(r, buf, 40, size);
	}
}

static const u8 prefix_tab[][4] = {
	{ 0 },
	{ 1, 0x66 },
	{ 1, 0xf3 },
	{ 1, 0xf2 },
	{ 1, 0x48 },
	{ 1, 0xf0 },
	{ 1, 0x67 },
	{ 1, 0x41 },
	{ 1, 0x44 },
	{ 1, 0x40 },
	{ 1, 0x4f },
	{ 1, 0x2e },
	{ 1, 0x36 },
	{ 1, 0x64 },
	{ 1, 0x65 },
	{ 2, 0x66, 0x48 },
	{ 2, 0xf3, 0x48 },
	{ 2, 0xf2, 0x48 },
	{ 2, 0xf3, 0x41 },
	{ 2, 0x66, 0xf3 },
	{ 2, 0x66, 0xf2 },
	{ 2, 0xf2, 0xf3 },
	{ 2, 0xf3, 0xf2 },
	{ 2, 0xf0, 0x66 },
	{ 2, 0xf0, 0xf3 },
	{ 2, 0xf0, 0x48 },
	{ 2, 0x48, 0x66 },
	{ 2, 0x42, 0x67 },
	{ 2, 0x67, 0x66 },
	{ 2, 0x64, 0x3e },
	{ 3, 0x66, 0xf3, 0x48 },
	{ 3, 0x66, 0xf2, 0x4d },
};

static const u8 map_tab[][4] = {
	{ 0 },
	{ 1, 0x0f },
	{ 2, 0x0f, 0x38 },
	{ 2, 0x0f, 0x3a },
};

static void enumerate_map(struct run *r, enum x86_code_size size,
			  const u8 *prefix, const u8 *map, unsigned step)
{
	u8 buf[64] = { 0 };
	size_t at = prefix[0];

	memcpy(buf, prefix + 1, 3);
	memcpy(buf + at, map + 1, 3);
	at += map[0];
	for (unsigned op = 0; op < 256; op++) {
		buf[at] = (u8)op;
		enumerate_modrm(r, buf, at + 1, size, step);
	}
}

static void enumerate_legacy(struct run *r, enum x86_code_size size)
{
	for (size_t p = 0; p < ARRAY_SIZE(prefix_tab); p++)
		for (size_t m = 0; m < ARRAY_SIZE(map_tab); m++)
			enumerate_map(r, size, prefix_tab[p], map_tab[m],
				      r->full || p < 6 ? 1 : 7);
}

/* C4, then C5, with every setting of the last prefix byte. */
static void enumerate_vex(struct run *r, enum x86_code_size size)
{
	u8 buf[64] = { 0xc4 };

	for (unsigned n = 0; n < 6 * 256 * 256; n++) {
		unsigned map = n >> 16, vex = n >> 8 & 255,
			 vvvv = vex >> 3 & 15;

		/* vvvv: none; a register; bit 3 alone; two more */
		if (!r->full && vvvv != 15 && vvvv != 12 && vvvv != 7 &&
		    vvvv != 3)
			continue;
		buf[1] = (u8)(0xe0 | map);
		if (vex & 1)
			buf[1] ^= size == X86_CODE64 ? 0xa0 : 0x20;
		buf[2] = (u8)vex;
		buf[3] = (u8)n;
		enumerate_modrm(r, buf, 4, size, r->full ? 1 : 5);
	}
	buf[0] = 0xc5;
	for (unsigned n = 0; n < 256 * 256; n++) {
		buf[1] = (u8)(n >> 8);
		buf[2] = (u8)n;
		enumerate_modrm(r, buf, 3, size, 53);
	}
}

static u64 next_random(u64 *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void random_bytes(struct run *r)
{
	u64 seed = 0x9e3779b97f4a7c15u;
	u64 buf[6];

	for (unsigned n = 0; n < 2000000; n++) {
		for (size_t i = 0; i < ARRAY_SIZE(buf); i++)
			buf[i] = next_random(&seed);
		check(r, (const u8 *)buf, sizeof(buf), size_tab[n % 3]);
	}
}

/* Linear, on through what is undefined; false when time is up. */
static bool check_text(void *arg, const u8 *code, size_t n)
{
	struct run *r = arg;
	size_t at = 0;

	while (at + 40 <= n) {
		at += check(r, code + at, n - at, X86_CODE64);
		if (!(r->insns & 0xfff) && !r->full && now() > r->deadline)
			return false;
	}
	return true;
}

static void claim(struct run *r, const char *what)
{
	tap_check(r->insns && !r->failures, "%s: %llu decoded, %llu differ",
		  what, (unsigned long long)r->insns,
		  (unsigned long long)r->failures);
	r->insns = r->failures = 0;
}

int main(void)
{
	static struct run r;

	r.full = getenv("DOPPEL_TEST_FULL") != NULL;
	if (!oracle_init(&r.oracle))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(size_tab); i++)
		enumerate_legacy(&r, size_tab[i]);
	claim(&r, "legacy opcodes");
	for (size_t i = 0; i < ARRAY_SIZE(size_tab); i++)
		enumerate_vex(&r, size_tab[i]);
	claim(&r, "VEX opcodes");
	random_bytes(&r);
	claim(&r, "random bytes");
	r.deadline = now() + 10;
	programs_walk("/usr/bin", check_text, &r);
	claim(&r, "programs in /usr/bin");
	oracle_fini(&r.oracle);
	return tap_done();
}
