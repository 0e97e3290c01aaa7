/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - the part of the processor's state that translated code depends on,
 * in one word. Blocks are found by guest physical address and key; code is
 * translated again for another key.
 */
#ifndef DOPPEL_TRANSLATE_KEY_H
#define DOPPEL_TRANSLATE_KEY_H

#include "engine/translate/block.h"
#include "engine/translate/tcpu.h"

#define KEY_CODE64 BIT(0)
#define KEY_CODE32 BIT(1) /* CS.D; neither: 16-bit */
#define KEY_STACK32 BIT(2) /* SS.B, outside 64-bit mode */
#define KEY_USER BIT(3) /* CPL 3 */
#define KEY_AC BIT(4) /* supervisor with EFLAGS.AC, or no SMAP */
#define KEY_FLAT BIT(5) /* ES CS SS DS: base 0, limit 4 GiB, writable.. */
#define KEY_NOFPU BIT(6) /* x87, SSE or AVX is not all switched on */
#define KEY_TF BIT(7) /* single step */
#define KEY_REAL BIT(8) /* real or virtual-8086 mode */
#define KEY_CPL12 BIT(9) /* CPL is not 0 */
#define KEY_ALIGN BIT(11) /* CPL 3, EFLAGS.AC and CR0.AM: #AC */
#define KEY_LIMIT BIT(12) /* CS ends below 4 GiB: jumps are checked */
#define KEY_WINDOW BIT(13) /* memory by windows, unless KEY_ALONE, too */
#define KEY_NEVER BIT(31) /* in no key: see window_due.c */
#define KEY_STEPS BIT(10) /* a block for one instruction; see debug.c */
/* Either makes blocks of one instruction that are left by run_next(). */
#define KEY_ALONE (KEY_TF | KEY_STEPS)

static inline enum mmu_index key_mmu(u32 key)
{
	if (key & KEY_USER)
		return MMU_USER;
	return key & KEY_AC ? MMU_KERNEL_AC : MMU_KERNEL;
}

/* KEY_WINDOW if the kernel's code has it, as far as the VM decides that. */
u32 key_kernel_windows(const struct engine *e);

/* Where flags are when blocks are entered by anything but a chained jump: by
 * the jump cache, a call or a return. With windows they can stay in EFLAGS. */
static inline u8 key_flags(u32 key)
{
	return key & KEY_WINDOW ? FLAGS_HOST : FLAGS_SAVED;
}

/* Which jump cache. */
static inline unsigned key_jc(u32 key)
{
	if ((key & (KEY_USER | KEY_WINDOW)) == (KEY_USER | KEY_WINDOW))
		return JC_USER_WINDOW;
	return key_mmu(key);
}

static inline enum x86_code_size key_code_size(u32 key)
{
	if (key & KEY_CODE64)
		return X86_CODE64;
	return key & KEY_CODE32 ? X86_CODE32 : X86_CODE16;
}

/* Computes the key from t->v.x86 and refreshes what hangs on it (t->key,
 * t->segcache, the jump cache in use). */
void key_update(struct tcpu *t);

#endif
