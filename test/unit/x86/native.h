/* SPDX-License-Identifier: Apache-2.0 */
/*
 * native.h - one instruction executed by the processor itself, in 64-bit user
 * mode, from a given state and under the trap flag.
 */
#ifndef DOPPEL_TEST_NATIVE_H
#define DOPPEL_TEST_NATIVE_H

#include "x86/regs.h"

struct native_regs {
	u64 gpr[16]; /* enum x86_gpr */
	u64 flags; /* FLAG_ARITH counts, the rest is not looked at */
};

enum native_end {
	NATIVE_DONE,
	NATIVE_UD,
	NATIVE_GP,
	NATIVE_PF, /* ->fault_addr tells where */
	NATIVE_OTHER, /* #DE and what else there is */
};

struct native_result {
	enum native_end end;
	unsigned len; /* if done: how far RIP went */
	u64 fault_addr;
	struct native_regs regs;
};

/* Handlers, and a page for code. false: the host will not let us. */
bool native_init(void);

/* Runs the @len bytes at @code once. Single thread only. */
void native_run(const u8 *code, unsigned len, const struct native_regs *in,
		struct native_result *out);

#endif
