/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - see bytes.c. */
#ifndef BYTES_H
#define BYTES_H

#include "insn.h"

struct bytes {
	const u8 *p;
	unsigned n; /* bytes that there are; more are needed if .at passes it */
	unsigned at; /* the instruction's length */
	bool p66, p67, lock, rex, vex, w;
	u8 rep; /* F2, F3 */
	u8 map, opcode, modrm;
};

void bytes_decode(struct bytes *r, const u8 *p, unsigned n, bool long_mode);

#endif
