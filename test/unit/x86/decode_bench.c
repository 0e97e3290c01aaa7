/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_bench.c - what x86_decode costs on real code: nanoseconds an
 * instruction over the programs in a folder (default /usr/bin), warm pages.
 */
#include <stdio.h>
#include <time.h>

#include "programs.h"
#include "x86/insn.h"

struct bench {
	u64 insns, undefined, bytes, ns;
};

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

static void decode_all(struct bench *b, const u8 *code, size_t n)
{
	size_t at = 0;

	while (at + 40 <= n) {
		struct x86_insn insn;

		if (x86_decode(code + at, n - at, X86_CODE64, &insn) ==
		    X86_DECODE_OK) {
			at += insn.len;
		} else {
			at++;
			b->undefined++;
		}
		b->insns++;
	}
}

static bool bench_text(void *arg, const u8 *code, size_t n)
{
	struct bench *b = arg, warm = { 0 };
	u64 start;

	decode_all(&warm, code, n);
	start = now_ns();
	decode_all(b, code, n);
	b->ns += now_ns() - start;
	b->bytes += n;
	return b->insns < 100000000;
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };

	programs_walk(argc > 1 ? argv[1] : "/usr/bin", bench_text, &b);
	if (!b.insns)
		return 1;
	printf("%llu instructions, %llu undefined, %llu bytes: "
	       "%.1f ns an instruction\n",
	       (unsigned long long)b.insns, (unsigned long long)b.undefined,
	       (unsigned long long)b.bytes, (double)b.ns / (double)b.insns);
	return 0;
}
