/* SPDX-License-Identifier: Apache-2.0 */
/* string.h - port access shared by co_io.c and co_string.c. */
#ifndef DOPPEL_TRANSLATE_STRING_H
#define DOPPEL_TRANSLATE_STRING_H

#include "engine/translate/tcpu.h"

int io_check(struct tcpu *t, u16 port, unsigned bytes, struct x86_fault *f);
u64 io_read(struct tcpu *t, u16 port, unsigned bytes);
void io_write(struct tcpu *t, u16 port, u64 v, unsigned bytes);

#endif
