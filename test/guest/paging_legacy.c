/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The older paging modes, in a 32-bit guest: two levels of 32-bit entries
 * with and without 4 MiB pages, and PAE. SDM 3A 4.3 "32-Bit Paging", 4.4 "PAE
 * Paging"; rights as in 4.6.
 */
#include "lib/pages.h"
#include "lib/trap.h"

CODE(code_read, "mov (%edi), %eax\n" STOP);
CODE(code_write, "mov %eax, (%edi)\n" STOP);
CODE(code_fetch, STOP "nop\nnop");

enum { READ, WRITE, FETCH };

static const u8 *const code_tab[] = { code_read, code_write, code_fetch };

#define VA 0xc0401000ul

/* Entries of the mode, read and written as 64 bits. */
struct mode {
	const char *name;
	bool pae, large, nx, wp;
};

static ulong top, table, frame;
static u64 upper, leaf; /* what they hold, without addresses */

static void store_entry(ulong at, u64 v, bool pae)
{
	*(volatile u32 *)at = v;
	if (pae)
		*(volatile u32 *)(at + 4) = v >> 32;
}

/*
 * The first 64 MiB are mapped to themselves for everybody; VA is under test.
 */
static ulong upper_at(const struct mode *m)
{
	if (!m->pae)
		return top + (VA >> 22) * 4;
	return (*(volatile u32 *)(top + (VA >> 30) * 8) & ~0xffful) +
	       (VA >> 21 & 511) * 8;
}

static ulong leaf_at(const struct mode *m)
{
	return table + (m->pae ? (VA >> 12 & 511) * 8 : (VA >> 12 & 1023) * 4);
}

static void build(const struct mode *m)
{
	unsigned shift = m->pae ? 21 : 22;

	top = pages_alloc(1);
	table = pages_alloc(1);
	frame = pages_alloc_aligned(1024, 0x400000);
	*(volatile u32 *)(frame + 0x1000) = *(u32 *)code_fetch;
	*(volatile u32 *)frame = *(u32 *)code_fetch;
	if (m->pae) {
		ulong dir = pages_alloc(4);

		for (unsigned i = 0; i < 4; i++)
			store_entry(top + i * 8, (dir + i * PAGE) | PTE_P,
				    true);
		for (ulong a = 0; a < 0x4000000; a += 1ul << shift)
			store_entry(dir + (a >> 21) * 8,
				    a | PTE_ALL | PTE_PS, true);
	} else {
		for (ulong a = 0; a < 0x4000000; a += 1ul << shift)
			store_entry(top + (a >> 22) * 4, a | PTE_ALL | PTE_PS,
				    false);
	}
}

static void enable(const struct mode *m)
{
	write_cr3(top);
	write_cr4((read_cr4() & ~(ulong)(CR4_PAE | CR4_PSE)) |
		  (m->pae ? CR4_PAE : CR4_PSE));
	wrmsr(MSR_EFER, m->nx ? EFER_NXE : 0);
	write_cr0(read_cr0() | CR0_PG | (m->wp ? CR0_WP : 0));
}

static void disable(void)
{
	write_cr0(read_cr0() & ~(ulong)(CR0_PG | CR0_WP));
	write_cr4(read_cr4() & ~(ulong)(CR4_PAE | CR4_PSE));
	wrmsr(MSR_EFER, 0);
}

static void install(const struct mode *m)
{
	if (m->large) {
		store_entry(upper_at(m), frame | leaf | PTE_PS, m->pae);
	} else {
		store_entry(upper_at(m), table | upper, m->pae);
		store_entry(leaf_at(m), (frame + 0x1000) | leaf, m->pae);
	}
	write_cr3(top);
}

static int expect(const struct mode *m, int kind, int ring)
{
	u64 all = m->large ? leaf : upper & leaf;
	u32 base = (kind == WRITE ? PF_W : 0) | (ring ? PF_U : 0) |
		   (kind == FETCH && m->pae && m->nx ? PF_I : 0);
	bool nx = m->nx && ((m->large ? leaf : upper | leaf) & PTE_NX);

	if (!(all & PTE_P))
		return base;
	base |= PF_P;
	if (ring && !(all & PTE_U))
		return base;
	if (kind == WRITE && !(all & PTE_W) && (ring || m->wp))
		return base;
	if (kind == FETCH && nx)
		return base;
	return -1;
}

static void attempt(const struct mode *m, int kind, int ring)
{
	int want = expect(m, kind, ring);
	struct regs r;

	context("%s, large %u, wp %u, upper %llx leaf %llx, kind %u ring %u",
		m->name, m->large, m->wp, (unsigned long long)upper,
		(unsigned long long)leaf, kind, ring);
	regs_init(&r, kind == FETCH ? (void *)VA : code_tab[kind], ring);
	r.rdi = VA;
	r.rax = *(u32 *)code_fetch;
	run(&r);
	if (want < 0)
		CHECK_STOP(r);
	else
		CHECK_PF(r, want, VA);
}

static void rights(const struct mode *base)
{
	for (unsigned wp = 0; wp < 2; wp++) {
		struct mode m = *base;
		unsigned combinations = m.nx ? 16 : 8;

		m.wp = wp;
		build(&m);
		upper = leaf = PTE_ALL;
		install(&m);
		enable(&m);
		for (unsigned u = 0; u < (m.large ? 1 : combinations); u++) {
			for (unsigned l = 0; l < combinations; l++) {
				upper = (u & 7) | (u & 8 ? PTE_NX : 0);
				leaf = (l & 7) | (l & 8 ? PTE_NX : 0);
				install(&m);
				for (int kind = READ; kind <= FETCH; kind++) {
					attempt(&m, kind, 0);
					attempt(&m, kind, 3);
				}
			}
		}
		disable();
	}
}

static void two_levels(void)
{
	rights(&(struct mode){ "32-bit" });
}

static void large_4m(void)
{
	rights(&(struct mode){ "32-bit", .large = true });
}

static void pae(void)
{
	rights(&(struct mode){ "PAE", .pae = true });
}

static void pae_nx(void)
{
	if (has(F_NX))
		rights(&(struct mode){ "PAE, NX", .pae = true, .nx = true });
	else
		skip("no NX");
}

static void pae_large(void)
{
	rights(&(struct mode){ "PAE", .pae = true, .large = true,
			       .nx = has(F_NX) });
}

/* Accessed and dirty, at both levels. */
static u32 entry_low(ulong at)
{
	return *(volatile u32 *)at;
}

static void accessed_dirty_in(const struct mode *m)
{
	build(m);
	upper = leaf = PTE_ALL;
	install(m);
	enable(m);
	for (int ring = 0; ring <= 3; ring += 3) {
		install(m);
		attempt(m, READ, ring);
		CHECK_EQ(entry_low(upper_at(m)) & (PTE_A | PTE_D), PTE_A);
		if (!m->large)
			CHECK_EQ(entry_low(leaf_at(m)) & (PTE_A | PTE_D),
				 PTE_A);
		attempt(m, WRITE, ring);
		CHECK_EQ(entry_low(m->large ? upper_at(m) : leaf_at(m)) &
				 (PTE_A | PTE_D), PTE_A | PTE_D);
		if (!m->large)
			CHECK_EQ(entry_low(upper_at(m)) & PTE_D, 0);
	}
	disable();
}

static void accessed_dirty(void)
{
	accessed_dirty_in(&(struct mode){ "32-bit", .wp = true });
	accessed_dirty_in(&(struct mode){ "32-bit", .wp = true,
					  .large = true });
	accessed_dirty_in(&(struct mode){ "PAE", .wp = true, .pae = true });
	accessed_dirty_in(&(struct mode){ "PAE", .wp = true, .pae = true,
					  .large = true });
}

/* Without CR4.PSE, PS means nothing: the entry names a table. */
static void no_pse(void)
{
	struct mode m = { "32-bit, PSE off" };
	ulong low[16];

	build(&m);
	/* The identity map needs tables of its own then. */
	for (unsigned i = 0; i < 16; i++) {
		low[i] = pages_alloc(1);
		for (unsigned j = 0; j < 1024; j++)
			store_entry(low[i] + j * 4,
				    (i << 22 | j << 12) | PTE_ALL, false);
		store_entry(top + i * 4, low[i] | PTE_ALL, false);
	}
	upper = PTE_ALL | PTE_PS;
	leaf = PTE_ALL;
	install(&m);
	write_cr3(top);
	write_cr0(read_cr0() | CR0_PG);
	attempt(&m, READ, 0);
	attempt(&m, WRITE, 3);
	attempt(&m, FETCH, 3);
	disable();
}

/* Reserved bits of PAE's pointers fault when CR3 is loaded: SDM 3A 4.4.1. */
CODE(code_wcr3, "mov %eax, %cr3\n" STOP);

static void pae_pointers(void)
{
	struct mode m = { "PAE", .pae = true };
	struct regs r;
	static const u64 bad_tab[] = { PTE_W, PTE_U, BIT(5), BIT(8),
				       BIT(51), PTE_NX };

	build(&m);
	upper = leaf = PTE_ALL;
	install(&m);
	enable(&m);
	for (unsigned i = 0; i < ARRAY_LEN(bad_tab); i++) {
		u64 old = *(volatile u64 *)(top + 16);

		context("bit %llx", (unsigned long long)bad_tab[i]);
		store_entry(top + 16, old | bad_tab[i], true);
		regs_init(&r, code_wcr3, 0);
		r.rax = top;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		/* Not present: no bit matters. */
		store_entry(top + 16, (old & ~1ull) | bad_tab[i], true);
		regs_init(&r, code_wcr3, 0);
		r.rax = top;
		run(&r);
		CHECK_STOP(r);
		store_entry(top + 16, old, true);
		write_cr3(top);
	}
	disable();
}

/* They are loaded with CR3; Intel looks at them only then, AMD may at any time. */
static void pae_pointers_cached(void)
{
	struct mode m = { "PAE", .pae = true };
	u64 old;

	build(&m);
	upper = leaf = PTE_ALL;
	install(&m);
	enable(&m);
	old = *(volatile u64 *)(top + 24);
	store_entry(top + 24, 0, true);
	invlpg(VA);
	/* install() and upper_at() look at memory: use code_read alone. */
	{
		struct regs r;

		regs_init(&r, code_read, 0);
		r.rdi = VA;
		run(&r);
		if (vendor_is_intel())
			CHECK_STOP(r);
		write_cr3(top);
		regs_init(&r, code_read, 0);
		r.rdi = VA;
		run(&r);
		CHECK_PF(r, 0, VA);
	}
	store_entry(top + 24, old, true);
	write_cr3(top);
	disable();
}

/* 4 MiB pages reach 40 bits of physical address, and no more: PSE-36. */
static void reserved_32(void)
{
	struct mode m = { "32-bit", .large = true };
	struct regs r;

	if (!has(F_PSE36)) {
		skip("no PSE-36");
		return;
	}
	build(&m);
	leaf = PTE_ALL | BIT(21);
	install(&m);
	enable(&m);
	regs_init(&r, code_read, 0);
	r.rdi = VA;
	run(&r);
	CHECK_PF(r, PF_P | PF_RSVD, VA);
	disable();
}

/* With paging off, linear is physical, whatever CR3 says. */
static void paging_off(void)
{
	struct mode m = { "32-bit" };
	struct regs r;

	build(&m);
	upper = leaf = PTE_ALL;
	install(&m);
	for (unsigned i = 0; i < 100; i++) {
		enable(&m);
		regs_init(&r, code_read, 3);
		r.rdi = VA;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, *(u32 *)code_fetch);
		disable();
		regs_init(&r, code_read, 3);
		r.rdi = frame + i * 4 + 8;
		*(volatile u32 *)r.rdi = i;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rax, i);
	}
}

const struct test tests[] = {
	{ "rights in two levels", two_levels },
	{ "rights of a 4 MiB page", large_4m },
	{ "rights in PAE", pae },
	{ "rights in PAE with NX", pae_nx },
	{ "rights of a 2 MiB page in PAE", pae_large },
	{ "accessed and dirty", accessed_dirty },
	{ "PSE off", no_pse },
	{ "reserved bits of PAE's pointers", pae_pointers,
	  "no check (SDM 3A 4.4.1 \"PDPTE Registers\")" },
	{ "PAE's pointers are loaded with CR3", pae_pointers_cached },
	{ "reserved bits of a 4 MiB page", reserved_32,
	  "RSVD is reported without P (SDM 3A 4.7, RSVD flag)" },
	{ "paging off", paging_off },
	{ NULL },
};
