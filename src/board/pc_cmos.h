/* SPDX-License-Identifier: Apache-2.0 */
/* pc_cmos.h - what PC firmware and old systems expect to find in CMOS. */
#ifndef DOPPEL_BOARD_PC_CMOS_H
#define DOPPEL_BOARD_PC_CMOS_H

#include "dev/rtc.h"
#include "vm/gmem.h"

void pc_cmos_fill(struct rtc *r, const struct gmem *mem, unsigned cpus);

#endif
