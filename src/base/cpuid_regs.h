/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid_regs.h - what one execution of CPUID returns: the host floor reads it,
 * the x86 floor makes a model of it. */
#ifndef DOPPEL_BASE_CPUID_REGS_H
#define DOPPEL_BASE_CPUID_REGS_H

#include "base/base.h"

struct x86_cpuid_regs {
	u32 eax, ebx, ecx, edx;
};

#endif
