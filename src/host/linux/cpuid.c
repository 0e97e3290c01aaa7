/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.c - the processor below us. */
#include <sched.h>
#include <unistd.h>

#include "host/host.h"
#include "host/linux/vector.h"

void host_cpuid(u32 leaf, u32 subleaf, struct x86_cpuid_regs *r)
{
	__asm__ volatile("cpuid"
			 : "=a"(r->eax), "=b"(r->ebx), "=c"(r->ecx),
			   "=d"(r->edx)
			 : "a"(leaf), "c"(subleaf));
}

unsigned host_cpu_count(void)
{
	/* Those that we may use, which a container limits. */
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return (unsigned)CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (unsigned)n : 1;
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
