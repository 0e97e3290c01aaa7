/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pc_cmos.c - memory sizes and equipment in CMOS. The first ones are the PC
 * AT's; those from 0x34 on are what firmware for virtual PCs reads.
 */
#include "board/pc_cmos.h"

#define EQUIPMENT 0x14
#define BASE_KIB 0x15
#define EXTENDED_KIB 0x17 /* from 1 MiB on, 64 MiB at most */
#define EXTENDED_KIB_POST 0x30 /* the same, as measured */
#define ABOVE_16M 0x34 /* to 4 GiB, in units of 64 KiB */
#define ABOVE_4G 0x5b /* three bytes, in units of 64 KiB */
#define CPUS_MINUS_1 0x5f

#define EQUIPMENT_FPU 0x02
#define EQUIPMENT_KEYBOARD 0x04

static void put(struct rtc *r, unsigned index, u64 v, unsigned bytes)
{
	v = min_u64(v, BIT64(8 * bytes) - 1);
	for (unsigned i = 0; i < bytes; i++)
		rtc_set_cmos(r, index + i, (u8)(v >> (8 * i)));
}

/* How much of [0, @end) is above @floor. */
static u64 above(u64 end, u64 floor)
{
	return end > floor ? end - floor : 0;
}

void pc_cmos_fill(struct rtc *r, const struct gmem *mem, unsigned cpus)
{
	put(r, EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_KEYBOARD, 1);
	put(r, BASE_KIB, 640, 2);
	put(r, EXTENDED_KIB, above(mem->low_bytes, MiB(1)) >> 10, 2);
	put(r, EXTENDED_KIB_POST, above(mem->low_bytes, MiB(1)) >> 10, 2);
	put(r, ABOVE_16M, above(mem->low_bytes, MiB(16)) >> 16, 2);
	put(r, ABOVE_4G, mem->high_bytes >> 16, 3);
	put(r, CPUS_MINUS_1, cpus - 1, 1);
}
