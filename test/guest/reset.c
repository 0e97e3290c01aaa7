/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the machine by a reset: `how=0` a triple fault (SDM 3A 6.15
 * "Interrupt 8"), 1 a shutdown in ring 3's name, 2 the keyboard controller,
 * 3 port 0xCF9, 4 port 0x92. The runner expects that no more comes.
 */
#include "lib/desc.h"
#include "lib/pages.h"
#include "lib/trap.h"

CODE(code_ud, "ud2");

static void reset(void)
{
	struct table_ptr none = { 0, 0 };

	print("# expects reset\nok 1 - reset\n1..1\n");
	switch (cmdline_number("how", 0)) {
	case 0:
		asm volatile("lidt %0; ud2" :: "m"(none));
		break;
	case 1:
		/* The handlers' stacks are not there: #PF, #DF, end. */
#ifdef __x86_64__
		for (unsigned i = 0; i < 7; i++)
			tss.ist[i] = LAB;
#else
		tss.esp0 = 0;
		tss.ss0 = 0;
#endif
		run_code(code_ud, 3);
		break;
	case 2:
		for (unsigned i = 0; i < 100000 && inb(0x64) & 2; i++)
			;
		outb(0x64, 0xfe);
		break;
	case 3:
		outb(0xcf9, 0x02);
		outb(0xcf9, 0x06);
		break;
	case 4:
		outb(0x92, inb(0x92) & ~1);
		outb(0x92, inb(0x92) | 1);
		break;
	}
	spin(100000000);
	print("not ok 2 - still here\n");
}

const struct test tests[] = {
	{ "reset", reset },
	{ NULL },
};
