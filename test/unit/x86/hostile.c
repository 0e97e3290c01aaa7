/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile.c - everything of system.h against random descriptor tables, TSSs,
 * stacks and states. Whatever a guest has prepared: no crash, no endless
 * loop, nothing written outside memory, and a fault leaves the state as it
 * was (but for what the architecture changes: the NMI mask, CR2, DR6, and a
 * task that has already been switched to).
 */
#include "world.h"

static struct world w;
static struct x86_state before;
static u64 seed = 0x2545f4914f6cdd1dull;

static u64 rnd(void)
{
	return next_random(&seed);
}

static bool chance(unsigned one_in)
{
	return rnd() % one_in == 0;
}

/* A selector that often exists. */
static u16 any_sel(void)
{
	u64 r = rnd();

	if (chance(8))
		return (u16)r;
	return (u16)((r % (G_LIMIT / 8 + 1)) << 3 | (r >> 32 & 3) |
		     (r >> 40 & 7 ? 0 : 4));
}

static u64 any_address(void)
{
	switch (rnd() % 6) {
	case 0:
		return rnd();
	case 1:
		return (1ull << 47) - rnd() % 64;
	case 2:
		return (u32)(0 - rnd() % 64);
	case 3:
		return rnd() % 0x10000;
	default:
		return rnd() % WORLD_BYTES;
	}
}

/* Flips bits of what a world has set up. */
static void spoil(void)
{
	unsigned n = (unsigned)(rnd() % 6);

	for (unsigned i = 0; i < n; i++)
		w.ram[W_GDT + rnd() % 256] ^= (unsigned char)(1u << rnd() % 8);
	for (unsigned i = 0; i < 8; i++)
		put64(&w, W_IDT + rnd() % 0x800 * 8 % 0x800,
		      gate(any_sel(), (u32)any_address(),
			   SEG_P | (u32)(rnd() & 0xef), (unsigned)rnd() & 7));
	if (chance(2))
		for (unsigned v = 0; v < 32; v++)
			put64(&w, W_IDT + v * (w.s.efer ? 16 : 8),
			      gate(w.s.efer ? G_CODE64 : G_CODE32, 0x5000,
				   SEG_P | SYS_INT | DPL(3), 0));
	if (chance(4))
		w.s.idtr.limit = (u16)rnd();
	if (chance(4))
		w.s.gdtr.limit = (u16)(rnd() & 0x1ff);
	if (chance(8))
		w.s.gdtr.base = any_address();
	if (chance(8))
		w.s.idtr.base = any_address();
	if (chance(4))
		w.s.tr.limit = (u32)(rnd() & 0x7f);
	if (chance(8))
		w.s.tr.base = any_address();
	if (chance(4))
		w.s.gpr[X86_RSP] = any_address();
	if (chance(4))
		w.s.seg[X86_SS].limit = (u32)any_address();
	if (chance(4))
		w.s.seg[X86_SS].attr ^= SEG_DB;
	if (chance(8))
		w.s.rflags |= FLAG_NT;
	if (chance(4))
		w.s.cr4 |= CR4_SMAP | CR4_SMEP;
	if (chance(2)) {
		put64(&w, W_PT + rnd() % 512 * 8, rnd() & 0x1fffff);
		put32(&w, W_TSS + rnd() % 0x68, (u32)any_address());
	}
	for (unsigned i = 0; i < 8; i++) {
		put32(&w, W_TSS2 + 0x48 + i * 4, any_sel());
		put16(&w, W_TSS16 + 0x22 + i * 2, any_sel());
		put32(&w, W_TSS2 + 0x1c + i * 4, (u32)any_address());
	}
}

/* Something like a frame at the top of the stack. */
static void put_stack(unsigned size)
{
	u64 at = w.s.gpr[X86_RSP] +
		 (x86_is_64bit(&w.s) ? 0 : w.s.seg[X86_SS].base);

	if (at > WORLD_BYTES - 256)
		return;
	for (unsigned i = 0; i < 10; i++) {
		u64 v = i % 2 ? any_sel() : any_address();

		if (i == 2 && chance(2))
			v = rnd() & 0x3f7fd7;
		if (i == 4 && chance(2))
			v = any_sel();
		memcpy(w.ram + at + i * size, &v, size);
	}
}

static void any_world(void)
{
	switch (rnd() % 6) {
	case 0:
		world_real(&w);
		break;
	case 1:
		world_vm86(&w);
		break;
	case 2:
		world_protected(&w);
		break;
	case 3:
		world_protected(&w);
		world_user(&w, G_UCODE32);
		break;
	case 4:
		world_long(&w);
		break;
	default:
		world_long(&w);
		world_user(&w, chance(2) ? G_UCODE64 : G_UCODE32);
	}
	spoil();
}

static int act(unsigned what, struct x86_fault *f)
{
	static const unsigned size_tab[] = { 2, 4, 8 };
	unsigned opsize = size_tab[rnd() % (x86_is_64bit(&w.s) ? 3 : 2)];
	u32 v;
	bool zf;

	put_stack(opsize);
	before = w.s;
	switch (what) {
	case 0:
		return x86_load_sreg(&w.s, &w.m, (enum x86_sreg)(rnd() % 6),
				     any_sel(), f);
	case 1:
		return x86_lldt(&w.s, &w.m, any_sel(), f);
	case 2:
		return x86_ltr(&w.s, &w.m, any_sel(), f);
	case 3:
		return x86_lar(&w.s, &w.m, any_sel(), &zf, &v, f);
	case 4:
		return x86_lsl(&w.s, &w.m, any_sel(), &zf, &v, f);
	case 5:
		return x86_verr_verw(&w.s, &w.m, any_sel(), chance(2), &zf, f);
	case 6:
		return x86_jmp_far(&w.s, &w.m, any_sel(), any_address(), opsize,
				   W_CODE + 7, f);
	case 7:
		return x86_call_far(&w.s, &w.m, any_sel(), any_address(),
				    opsize, W_CODE + 7, f);
	case 8:
		return x86_ret_far(&w.s, &w.m, opsize, (unsigned)rnd() & 0xffff,
				   f);
	case 9:
		return x86_iret(&w.s, &w.m, opsize, f);
	default:
		*f = (struct x86_fault){ .vector = (u8)rnd(),
					 .error = (u32)rnd() & 0xffff,
					 .has_error = chance(2) };
		if (chance(2))
			f->vector &= 31;
		return x86_deliver(&w.s, &w.m, (enum x86_event_kind)(rnd() % 4),
				   f);
	}
}

/* What may differ after a fault is made equal. */
static bool is_same(void)
{
	if (w.s.tr.sel != before.tr.sel || w.s.tr.base != before.tr.base ||
	    (w.s.cr0 ^ before.cr0) & CR0_TS)
		return true; /* the task was switched */
	before.nmi_masked = w.s.nmi_masked;
	before.cr2 = w.s.cr2;
	before.dr6 = w.s.dr6;
	before.activity = w.s.activity;
	before.rip = w.s.rip;
	return !memcmp(&w.s, &before, sizeof(before));
}

/* What must hold of any state. */
static bool is_sound(void)
{
	if (w.s.activity == X86_SHUTDOWN)
		return true;
	if (!(w.s.rflags & FLAG_FIXED) || w.s.rflags >> 22)
		return false;
	if (x86_is_vm86(&w.s) && (x86_cpl(&w.s) != 3 || x86_is_long_mode(&w.s)))
		return false;
	if (x86_is_long_mode(&w.s) != x86_is_long_mode(&before))
		return false;
	if (x86_is_64bit(&w.s))
		return (w.s.seg[X86_CS].attr & SEG_DB) == 0;
	return w.s.rip >> 32 == 0;
}

int main(void)
{
	unsigned long faults = 0, fine = 0, longest = 0;
	unsigned changed = 0, unsound = 0;

	world_init(&w);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned what = (unsigned)(rnd() % 16);
		struct x86_fault f;
		int r;

		any_world();
		w.accesses = 0;
		r = act(what, &f);
		if (w.accesses > longest)
			longest = w.accesses;
		if (r) {
			faults++;
			if (!is_same() && !changed++)
				printf("# action %u, run %u\n", what, i);
		} else {
			fine++;
		}
		if (!is_sound() && !unsound++)
			printf("# unsound after action %u, run %u\n", what, i);
	}
	tap_check(faults > 3000 && fine > 3000, "%lu faults, %lu successes",
		  faults, fine);
	tap_equal(changed, 0u, "states changed by what faulted");
	tap_equal(unsound, 0u, "states that cannot be");
	tap_check(longest < 3000, "at most %lu accesses for one action",
		  longest);
	free(w.ram);
	return tap_done();
}
