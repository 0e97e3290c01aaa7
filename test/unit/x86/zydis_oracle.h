/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zydis_oracle.h - what Zydis says of some bytes, held against what x86_decode
 * says: validity, length, operands, accesses, flags, immediates, class.
 */
#ifndef DOPPEL_TEST_ZYDIS_ORACLE_H
#define DOPPEL_TEST_ZYDIS_ORACLE_H

#include "x86/insn.h"

/* What can differ; oracle_compare returns a set of these. */
enum oracle_diff {
	D_VALID = 1 << 0, /* defined for one, undefined for the other */
	D_LEN = 1 << 1,
	D_CLASS = 1 << 2,
	D_ADDR = 1 << 3, /* base, index, scale, displacement, segment */
	D_BYTES = 1 << 4, /* mem_bytes */
	D_ACC = 1 << 5, /* an access, of memory or a register */
	D_REG = 1 << 6, /* a register's kind or number */
	D_IMPL = 1 << 7, /* implicit general registers */
	D_FLAGS = 1 << 8,
	D_IMM = 1 << 9,
	D_SIZE = 1 << 10, /* opsize, adsize */
	D_ATTR = 1 << 11, /* lockable, aligned */
};

struct oracle {
	void *decoder[9]; /* by enum x86_code_size */
};

/* false: out of memory. */
bool oracle_init(struct oracle *o);
void oracle_fini(struct oracle *o);

/*
 * Decodes @avail bytes (at least 15) at @p both ways. Returns the differences
 * that no row of the table of decisions explains, and puts a line that tells
 * of them into @why (160 bytes or more). *@len: how far to go on, at least 1.
 */
unsigned oracle_compare(const struct oracle *o, const u8 *p, size_t avail,
			enum x86_code_size size, char *why, size_t why_size,
			unsigned *len);

#endif
