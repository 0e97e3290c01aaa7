/* SPDX-License-Identifier: Apache-2.0 */
/* gmem.c - RAM around the hole, and addresses that a guest might think of. */
#include <string.h>

#include "tap.h"
#include "vm/gmem.h"

static gpa_t told_gpa;
static u64 told_len;

static void written(void *ctx, gpa_t gpa, u64 len)
{
	told_gpa = gpa;
	told_len = len;
}

static void test_sizes(void)
{
	static const u64 bad_tab[] = { 0, 1, KiB(4), MiB(1) - 1, MiB(1) + 1,
				       GiB(1) - 512, ~0ull, ~0ull << 12,
				       1ull << 63 };
	struct gmem m;

	for (unsigned i = 0; i < ARRAY_SIZE(bad_tab); i++) {
		struct err e = { "" };
		int err = gmem_init(&m, bad_tab[i], &e);

		tap_check(err == -EINVAL && e.text[0], "%#llx bytes: %s",
			  (unsigned long long)bad_tab[i], e.text);
		gmem_fini(&m);
	}
	tap_check(gmem_init(&m, MiB(1), NULL) == 0, "1 MiB");
	tap_check(m.low_bytes == MiB(1) && !m.high_bytes, "all of it low");
	gmem_fini(&m);
	gmem_fini(&m);
	tap_check(gmem_init(&m, GiB(3), NULL) == 0 && m.low_bytes == GiB(3) &&
			  !m.high_bytes,
		  "just below the hole");
	gmem_fini(&m);
}

static void test_split(void)
{
	struct gmem m;
	u8 a[16] = "around the hole", b[16];

	if (!tap_check(gmem_init(&m, GiB(4), NULL) == 0, "4 GiB"))
		return;
	m.written = written;
	tap_check(m.low_bytes == GiB(3) && m.high_bytes == GiB(1), "3 + 1");
	tap_check(gmem_write(&m, GiB(4), a, 16) && told_gpa == GiB(4) &&
			  told_len == 16,
		  "write above, and be told");
	tap_check(gmem_read(&m, GiB(4), b, 16) && !memcmp(a, b, 16), "read");
	tap_check(!memcmp(m.ram + GiB(3), a, 16), "right after low RAM");
	tap_check(gmem_write(&m, GiB(3) - 16, a, 16), "up to the hole");
	memset(b, 7, 16);
	tap_check(!gmem_read(&m, GiB(3) - 15, b, 16) && b[0] == 7,
		  "into the hole: nothing copied");
	told_len = 0;
	tap_check(!gmem_write(&m, GiB(3), a, 1) && !told_len, "in the hole");
	tap_check(!gmem_read(&m, GiB(4) - 1, b, 1), "end of the hole");
	tap_check(gmem_read(&m, GiB(5) - 16, b, 16), "up to the end");
	tap_check(!gmem_read(&m, GiB(5) - 15, b, 16), "over the end");
	tap_check(!gmem_hva(&m, GiB(5), 1), "beyond the end");
	tap_check(!gmem_hva(&m, ~0ull, 1) && !gmem_hva(&m, ~0ull, ~0ull) &&
			  !gmem_hva(&m, 16, ~0ull) &&
			  !gmem_hva(&m, GiB(4) + 16, ~0ull - 8),
		  "lengths and addresses that wrap");
	tap_check(gmem_hva(&m, GiB(3) - 1, 0) && gmem_hva(&m, 0, GiB(3)),
		  "nothing, and all");
	tap_equal(gmem_page_index(&m, GiB(4)), GiB(3) >> 12, "page index");
	gmem_fini(&m);
}

int main(void)
{
	test_sizes();
	test_split();
	return tap_done();
}
