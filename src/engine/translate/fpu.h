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

struct x87_pointers {
	u64 fip, fdp;
	u16 fop, fcs, fds;
	bool shown; /* what saves them shows them on every processor */
};
/* Leads host addresses back to the guest's; @wide: they have 64 bits, not 32.
 * (x87.c) */
void x87_guest_pointers(const struct tcpu *t, struct x87_pointers *p,
			bool wide);
void x87_forget(struct tcpu *t);

/*
 * Waits for x87 exceptions as the instruction that is carried out would. In C
 * it must be asked first: the same exception would strike the monitor.
 */
enum callout_result fpu_wait(struct tcpu *t);

callout_fn callout_vector(enum x86_class c);

#endif
