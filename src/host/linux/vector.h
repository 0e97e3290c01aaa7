/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vector.h - keeps the x87, SSE and AVX state of a caller over a call into the
 * C library. AVX-512 is not shown to guests, so its upper parts need no care.
 */
#ifndef DOPPEL_HOST_LINUX_VECTOR_H
#define DOPPEL_HOST_LINUX_VECTOR_H

#include "base/base.h"
#include "base/fmt.h"

/* Legacy area, XSAVE header, upper halves of YMM. SDM 1 13.4.1 "Legacy Region
 * of an XSAVE Area", 13.4.2 "XSAVE Header" */
#define VECTOR_SAVE_BYTES (512 + 64 + 256)
#define VECTOR_SAVE_MASK 7u /* XCR0 bits: x87, SSE, AVX */

struct vector_save {
	_Alignas(64) u8 area[VECTOR_SAVE_BYTES];
	bool xsave;
};

/* Has the host's kernel switched XSAVE on? CPUID.1:ECX.OSXSAVE, remembered:
 * CPUID is dear in a virtual machine. */
bool vector_has_xsave(void);

static inline void vector_save(struct vector_save *s)
{
	s->xsave = vector_has_xsave();
	if (s->xsave) {
		/* XSAVE writes only what it saves of the header; XRSTOR wants
		 * the rest of it zero. */
		fill_bytes(s->area + 512, 0, 64);
		__asm__ volatile("xsave64 %0"
				 : "+m"(s->area)
				 : "a"(VECTOR_SAVE_MASK), "d"(0)
				 : "memory");
	} else {
		__asm__ volatile("fxsave64 %0" : "+m"(s->area) : : "memory");
	}
}

static inline void vector_restore(const struct vector_save *s)
{
	if (s->xsave)
		__asm__ volatile("xrstor64 %0"
				 :
				 : "m"(s->area), "a"(VECTOR_SAVE_MASK), "d"(0)
				 : "memory");
	else
		__asm__ volatile("fxrstor64 %0" : : "m"(s->area) : "memory");
}

#endif
