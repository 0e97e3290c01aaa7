/* SPDX-License-Identifier: Apache-2.0 */
/* entropy_host.h - randomness from the host's kernel. */
#ifndef DOPPEL_BACKEND_ENTROPY_HOST_H
#define DOPPEL_BACKEND_ENTROPY_HOST_H

#include "vm/backend.h"

/* There is nothing to free. */
void entropy_host_init(struct entropy *e);

#endif
