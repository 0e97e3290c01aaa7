/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shadow.c - the shadow stacks: where the guest's calls left their return
 * addresses, and beside them where the translation goes on (see stack.c).
 *
 * There is one for each jump cache, so that a system call or an interrupt
 * neither loses the caller's nor mixes it up with the handler's. It is RSP
 * while generated code of that index runs. C has the monitor's stack; whoever
 * calls C from generated code puts RSP, as it was before the call, into
 * .shadow_rsp, and generated code goes on there.
 *
 * An entry is good as long as nothing changes that it was made under: the
 * mapping of the caller's page, the mode (all of the key), the code cache.
 * The same holds for jump caches, and what empties one (jc_flush) empties the
 * shadow stack of the same index. For that, each page that code runs on is
 * noted in the jump cache (jc_note) after whatever C did: generated code that
 * goes on by itself behind a call of C was not flushed in it.
 *
 * What lies beyond RSP is not kept: signals are delivered there. A call looks
 * at the page beyond that, which faults when the stack is full; then it is
 * forgotten.
 */
#include "engine/translate/engine.h"
#include "engine/translate/key.h"

/* Neither it nor its complement is canonical: returns to it are as rare as
 * those of a guest that means mischief. */
#define SENTINEL 0x6f1d3c8ba2975e04ull

bool shadow_init(struct tcpu *t)
{
	t->shadow_memory = host_pages_alloc(JC_COUNT * SHADOW_BYTES);
	if (!t->shadow_memory)
		return false;
	for (unsigned m = 0; m < JC_COUNT; m++)
		if (host_pages_forbid(t->shadow_memory + m * SHADOW_BYTES,
				      PAGE_SIZE))
			return false;
	for (unsigned m = 0; m < JC_COUNT; m++) {
		u8 *end = t->shadow_memory + (m + 1) * SHADOW_BYTES;
		u64 *base = (u64 *)(void *)end - 2;

		/* No guest call returns here. */
		base[0] = (u64)(uintptr_t)t->e->stubs.shadow_empty[m];
		base[1] = SENTINEL;
		t->shadow[m].base = (u64)(uintptr_t)base;
		t->shadow[m].rsp = t->shadow[m].base;
	}
	t->shadow_rsp = t->shadow[key_jc(t->key)].base;
	return true;
}

void shadow_fini(struct tcpu *t)
{
	host_pages_free(t->shadow_memory, JC_COUNT * SHADOW_BYTES);
}

bool shadow_is_full(const struct tcpu *t, struct host_fault *h)
{
	const struct shadow *s = &t->shadow[key_jc(t->key)];

	if (h->vector != X86_PF || h->addr != h->sp - SHADOW_PROBE)
		return false;
	h->sp = s->base;
	return true;
}

void shadow_reset(struct tcpu *t, unsigned n)
{
	t->shadow[n].rsp = t->shadow[n].base;
	if (n == key_jc(t->key))
		t->shadow_rsp = t->shadow[n].base;
}

void shadow_switch(struct tcpu *t, unsigned from, unsigned to)
{
	if (from == to)
		return;
	t->shadow[from].rsp = t->shadow_rsp;
	t->shadow_rsp = t->shadow[to].rsp;
}
