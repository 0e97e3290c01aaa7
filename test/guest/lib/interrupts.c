/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interrupt controllers and timers; see irq.h.
 */
#include "machine.h"

void interrupts_reset(void)
{
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}
