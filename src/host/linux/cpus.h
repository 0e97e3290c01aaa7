/* SPDX-License-Identifier: Apache-2.0 */
/* cpus.h - for the test of cpus.c. */
#ifndef DOPPEL_HOST_LINUX_CPUS_H
#define DOPPEL_HOST_LINUX_CPUS_H

/* How many processors' time a control group's cpu.max is; ~0: no limit. */
unsigned cpus_of_quota(const char *cpu_max);

#endif
