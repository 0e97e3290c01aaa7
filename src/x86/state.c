/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.c - a processor after power-up and after INIT.
 *
 * SDM 3A 9.1.1 "Processor State After Reset", table 9-1
 */
#include "x86/state.h"

#include "base/fmt.h"

#define RESET_ATTR_DATA (SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED)
#define RESET_CS_BASE 0xffff0000ull

/* Offsets in the XSAVE image. SDM 1 13.4 "XSAVE Area" */
#define XSAVE_FCW 0
#define XSAVE_FTW 4
#define XSAVE_MXCSR 24
#define XSAVE_XSTATE_BV 512

static void reset_xsave(u8 *area)
{
	fill_bytes(area, 0, X86_XSAVE_BYTES);
	/* What RESET leaves, not FNINIT: all x87 exceptions unmasked, every
	 * register a valid zero. */
	area[XSAVE_FCW] = 0x40;
	area[XSAVE_FTW] = 0xff;
	area[XSAVE_MXCSR] = 0x80;
	area[XSAVE_MXCSR + 1] = 0x1f;
	area[XSAVE_XSTATE_BV] = (u8)(XCR0_X87 | XCR0_SSE);
}

static void reset_segments(struct x86_state *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->seg); i++)
		s->seg[i] = (struct x86_seg){ .limit = 0xffff,
					      .attr = RESET_ATTR_DATA };
	s->seg[X86_CS].sel = 0xf000;
	s->seg[X86_CS].base = RESET_CS_BASE;
	s->ldtr = (struct x86_seg){ .limit = 0xffff, .attr = SEG_P | SYS_LDT };
	s->tr = (struct x86_seg){ .limit = 0xffff,
				  .attr = SEG_P | SYS_TSS_BUSY };
	s->gdtr = (struct x86_dtab){ .limit = 0xffff };
	s->idtr = (struct x86_dtab){ .limit = 0xffff };
}

/* What power-up sets and INIT leaves alone. */
static void reset_survivors(struct x86_state *s)
{
	s->cr0 = CR0_CD | CR0_NW;
	s->xcr0 = XCR0_X87;
	s->pat = 0x0007040600070406ull;
	s->misc_enable = 0x1801; /* fast strings; neither BTS nor PEBS */
	reset_xsave(s->xsave);
}

void x86_state_reset(struct x86_state *s, bool init, bool bsp)
{
	if (!init) {
		bool intel = s->intel;
		u64 tsc_offset = s->tsc_offset;

		/* But for what is the machine's, not the processor's. */
		fill_bytes(s, 0, sizeof(*s));
		s->intel = intel;
		s->tsc_offset = tsc_offset;
		reset_survivors(s);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(s->gpr); i++)
		s->gpr[i] = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(s->dr); i++)
		s->dr[i] = 0;
	s->rip = 0xfff0;
	s->rflags = FLAG_FIXED;
	reset_segments(s);
	s->cr0 = (s->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = 0;
	s->efer = 0;
	s->dr6 = DR6_INIT;
	s->dr7 = DR7_INIT;
	s->activity = bsp ? X86_RUNNING : X86_WAIT_SIPI;
	s->intr_shadow = 0;
	s->nmi_pending = s->nmi_masked = 0;
}
