/* SPDX-License-Identifier: Apache-2.0 */
/* fpu.h - the XSAVE image as a struct, for co_fpu.c and co_vector.c. */
#ifndef DOPPEL_TRANSLATE_FPU_H
#define DOPPEL_TRANSLATE_FPU_H

#include "engine/translate/callout.h"

/* Standard form. SDM 1 13.4 "XSAVE Area" */
struct fpu_image {
	u8 legacy[512]; /* x87 or MMX at 32 + 16 n, XMM at 160 + 16 n */
	u8 header[64];
	u8 ymm_high[256];
} __attribute__((aligned(64)));

void fpu_save(struct fpu_image *img, u64 rfbm);
void fpu_load(const struct fpu_image *img, u64 rfbm);

callout_fn callout_vector(enum x86_class c);

/* An unmasked x87 exception waits: an instruction that looks at it, which MMX
 * ones and FLDENV do, would fault on the host in the middle of C. */
static inline bool fpu_x87_pending(void)
{
	u16 sw;

	__asm__ volatile("fnstsw %0" : "=m"(sw));
	return sw & BIT(7); /* ES */
}

#endif
