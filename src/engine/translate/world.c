/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world.c - between the translator, which leaves vector registers alone, and
 * everything that does not: devices, the host, the C library.
 *
 * world_enter() puts the guest's x87, SSE and AVX state into x86.xsave and
 * gives the C world a clean one; world_leave() brings it back. Nested calls
 * are counted. run() enters the world when it returns.
 */
#include "engine/translate/engine.h"

static void xsave(struct x86_state *s)
{
	__asm__ volatile("xsave64 %0"
			 : "+m"(s->xsave)
			 : "a"((u32)X86_XSAVE_MASK), "d"(0)
			 : "memory");
}

static void xrstor(const struct x86_state *s)
{
	__asm__ volatile("xrstor64 %0"
			 :
			 : "m"(s->xsave), "a"((u32)X86_XSAVE_MASK), "d"(0)
			 : "memory");
}

void world_enter(struct tcpu *t)
{
	static const u32 mxcsr = 0x1f80;

	if (t->world_depth++)
		return;
	if (t->fpu_live) {
		xsave(&t->v.x86);
		t->fpu_live = 0;
		t->stats.worlds++;
		/* Exceptions masked, as C expects them. */
		__asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
	}
}

void world_leave(struct tcpu *t)
{
	if (--t->world_depth)
		return;
	if (!t->fpu_live) {
		xrstor(&t->v.x86);
		t->fpu_live = 1;
	}
}
