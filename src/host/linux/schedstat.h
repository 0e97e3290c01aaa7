/* SPDX-License-Identifier: Apache-2.0 */
/* schedstat.h - for thread.c. */
#ifndef DOPPEL_HOST_LINUX_SCHEDSTAT_H
#define DOPPEL_HOST_LINUX_SCHEDSTAT_H

/* The calling thread ends: what host_thread_delay_ns() keeps for it goes. */
void schedstat_close(void);

#endif
