/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.c - the processor below us. */
#include "host/host.h"
#include "host/linux/vector.h"

void host_cpuid(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	__asm__ volatile("cpuid"
			 : "=a"(r->eax), "=b"(r->ebx), "=c"(r->ecx),
			   "=d"(r->edx)
			 : "a"(leaf), "c"(subleaf));
}

bool vector_has_xsave(void)
{
	static u8 remembered; /* 0 not asked yet, 1 no, 2 yes */
	u8 state = __atomic_load_n(&remembered, __ATOMIC_RELAXED);

	if (!state) {
		struct x86_cpuid_regs r;

		host_cpuid(1, 0, &r);
		state = r.ecx & BIT(27) ? 2 : 1;
		__atomic_store_n(&remembered, state, __ATOMIC_RELAXED);
	}
	return state == 2;
}
