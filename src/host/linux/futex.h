/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.h - the system call under mutexes and events, without the C library
 * between: it is made with guest vector registers live and by signal handlers,
 * and must leave errno alone.
 */
#ifndef DOPPEL_HOST_LINUX_FUTEX_H
#define DOPPEL_HOST_LINUX_FUTEX_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/base.h"

static inline long futex_call(u32 *word, int op, u32 value,
			      const struct timespec *deadline, u32 mask)
{
	register const struct timespec *r10 __asm__("r10") = deadline;
	register u32 *r8 __asm__("r8") = NULL;
	register u32 r9 __asm__("r9") = mask;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(SYS_futex), "D"(word), "S"(op), "d"(value),
			   "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

/* Sleeps while *@word == @value, until host_now_ns() reaches @deadline_ns
 * (~0: for ever). Returns 0 or a negative errno, -ETIMEDOUT among them. */
static inline long futex_wait(u32 *word, u32 value, u64 deadline_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_ns / 1000000000u),
		.tv_nsec = (long)(deadline_ns % 1000000000u),
	};

	/* The bitset form takes an absolute time of CLOCK_MONOTONIC. */
	return futex_call(word, FUTEX_WAIT_BITSET_PRIVATE, value,
			  deadline_ns == ~0ull ? NULL : &ts,
			  FUTEX_BITSET_MATCH_ANY);
}

static inline void futex_wake_one(u32 *word)
{
	futex_call(word, FUTEX_WAKE_PRIVATE, 1, NULL, 0);
}

#endif
