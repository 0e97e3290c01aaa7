/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matrix.c - the bench's matrix product: doubles, in blocks that fit the first
 * cache, with AVX2 where the processor has it and SSE2 where not. There is no
 * contraction to FMA, so that all processors get the same bits.
 *
 *	matrix N TIMES
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { block = 64 };

__attribute__((target_clones("avx2", "default"))) static void
add_product(double *restrict c, const double *restrict a,
	    const double *restrict b, size_t n)
{
	for (size_t i0 = 0; i0 < n; i0 += block)
		for (size_t k0 = 0; k0 < n; k0 += block)
			for (size_t i = i0; i < i0 + block; i++)
				for (size_t k = k0; k < k0 + block; k++) {
					double f = a[i * n + k];

					for (size_t j = 0; j < n; j++)
						c[i * n + j] +=
							f * b[k * n + j];
				}
}

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoul(argv[1], NULL, 0) / block * block : 0;
	int times = argc > 2 ? atoi(argv[2]) : 0;
	double *m[3];
	uint64_t sum = 0;

	for (int i = 0; i < 3; i++) {
		m[i] = aligned_alloc(64, n * n * sizeof(double));
		if (!m[i])
			return 1;
		for (size_t k = 0; k < n * n; k++)
			m[i][k] =
				i == 2 ? 0 : (double)(k * (7 + i) % 1000) / 999;
	}
	for (int t = 0; t < times; t++)
		add_product(m[2], m[t & 1], m[~t & 1], n);
	for (size_t k = 0; k < n * n; k++) {
		uint64_t bits;

		memcpy(&bits, &m[2][k], sizeof(bits));
		sum = sum * 31 + bits;
	}
	printf("%.17g %llx\n", m[2][n + 1], (unsigned long long)sum);
	return 0;
}
