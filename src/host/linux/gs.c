/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gs.c - the gs base, through which generated code reaches its virtual CPU.
 * The x86-64 ABI gives fs to thread-local storage and leaves gs to us.
 */
#include <asm/prctl.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/host.h"

/* The kernel lets user code write segment bases (Linux 5.9). Its
 * Documentation/arch/x86/x86_64/fsgs.rst names this bit. */
#define HWCAP2_FSGSBASE_BIT BIT(1)

void host_set_gs_base(void *p)
{
	if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT)
		__asm__ volatile("wrgsbase %0" : : "r"(p) : "memory");
	else
		syscall(SYS_arch_prctl, ARCH_SET_GS, p);
}
