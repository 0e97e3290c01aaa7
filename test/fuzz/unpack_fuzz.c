/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack_fuzz.c - unpack over arbitrary bytes. The last byte of an input
 * chooses the limit, 1 byte to 16 MiB.
 */
#include "backend/unpack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct unpacked u;
	struct err e = { 0 };
	u64 limit, i;
	u8 sum = 0;
	int ret;

	if (!size)
		return 0;
	size--;
	limit = 1ull << data[size] % 25;
	ret = unpack(&u, data, size, limit, &e);
	if (ret ? !e.text[0] || u.p || u.bytes : u.bytes > limit)
		abort();
	for (i = 0; i < u.bytes; i++)
		sum ^= u.p[i]; /* all of it is there */
	__asm__ volatile("" : : "r"(sum));
	unpack_free(&u);
	return 0;
}
