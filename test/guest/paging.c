/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page permissions in 4-level paging: every combination of rights in the
 * entries, of control bits, of kind of access and ring, against the rules of
 * SDM 3A 4.6 "Access Rights" and 4.7 "Page-Fault Exceptions", written down
 * here once more and plainly.
 */
#include "lib/pages.h"
#include "lib/trap.h"

CODE(code_read, "mov (%rdi), %eax\n" STOP);
CODE(code_write, "mov %eax, (%rdi)\n" STOP);
CODE(code_rmw, "lock; addl $0, (%rdi)\n" STOP);
/* The page under test starts with this. */
CODE(code_fetch, STOP "nop\nnop");

enum kind { READ, WRITE, FETCH, RMW, KINDS };

#define TABLE_ADDRESS 0xffffffffff000ul

static const char *const kind_names[] = { "read", "write", "fetch", "rmw" };

/* The mode in which an access is made. */
struct mode {
	bool wp, smep, smap, ac, nxe;
};

/* The way to the page: entries [1] to [4]; the leaf is the lowest level. */
struct path {
	int leaf;
	u64 entry[5];
};

#define PAGE_UNDER_TEST (LAB + 0x40000000ul + 0x200000ul + PAGE)

static u64 frame;

/*
 * The large page that holds the frame, and the address at which the frame
 * then appears. The 1 GiB page starts at 0.
 */
static u64 leaf_pa(int leaf)
{
	if (leaf == 1)
		return frame;
	return leaf == 2 ? frame & ~0x1ffffful : 0;
}

static ulong page_va(int leaf)
{
	if (leaf == 1)
		return PAGE_UNDER_TEST;
	if (leaf == 2)
		return LAB + 0x40000000ul + (frame & 0x1fffff);
	return LAB + 0x40000000ul + (frame & 0x3fffffff);
}

/* Expected error code, or -1 for none. */
static int expect(const struct path *p, const struct mode *m, enum kind kind,
		  int ring)
{
	bool write = kind == WRITE, fetch = kind == FETCH;
	bool w = true, u = true, nx = false;
	int base = (write ? PF_W : 0) | (ring ? PF_U : 0) |
		   (fetch && (m->nxe || m->smep) ? PF_I : 0);

	if (kind == RMW)
		base |= PF_W;
	for (int l = 4; l >= p->leaf; l--) {
		u64 e = p->entry[l];

		if (!(e & PTE_P))
			return base;
		if (!m->nxe && e & PTE_NX)
			return base | PF_P | PF_RSVD;
		w &= !!(e & PTE_W);
		u &= !!(e & PTE_U);
		nx |= m->nxe && e & PTE_NX;
	}
	base |= PF_P;
	if (ring) {
		if (!u || (base & PF_W && !w) || (fetch && nx))
			return base;
		return -1;
	}
	if (fetch)
		return nx || (u && m->smep) ? base : -1;
	if (u && m->smap && !m->ac)
		return base;
	return base & PF_W && !w && m->wp ? base : -1;
}

static void install(const struct path *p)
{
	ulong va = page_va(p->leaf);

	/* Tables that the last path has hidden come back; others are made. */
	for (int l = 4; l > p->leaf; l--) {
		u64 *e = pt_entry(va, l);

		if (*e & PTE_PS)
			*e = 0;
		if (*e & TABLE_ADDRESS)
			*e |= PTE_ALL;
	}
	pt_entry(va, p->leaf);
	for (int l = p->leaf; l <= 4; l++) {
		u64 *e = pt_entry(va, l);
		u64 rights = PTE_ALL | PTE_NX;

		if (l == p->leaf)
			*e = leaf_pa(l) | p->entry[l] | (l > 1 ? PTE_PS : 0);
		else
			*e = (*e & ~rights) | p->entry[l];
	}
	write_cr3(read_cr3());
}

static void set_mode(const struct mode *m)
{
	ulong cr0 = read_cr0() & ~(ulong)CR0_WP;
	ulong cr4 = read_cr4() & ~(ulong)(CR4_SMEP | CR4_SMAP);

	write_cr0(cr0 | (m->wp ? CR0_WP : 0));
	write_cr4(cr4 | (m->smep ? CR4_SMEP : 0) | (m->smap ? CR4_SMAP : 0));
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) & ~EFER_NXE) | (m->nxe ? EFER_NXE : 0));
}

static void attempt(const struct path *p, const struct mode *m, enum kind kind,
		    int ring)
{
	static const u8 *const code[] = { code_read, code_write, code_fetch,
					  code_rmw };
	ulong va = page_va(p->leaf);
	int want = expect(p, m, kind, ring);
	struct regs r;

	regs_init(&r, code[kind], ring);
	r.rdi = va;
	r.rax = *(u32 *)code_fetch;
	if (kind == FETCH)
		r.rip = va;
	if (m->ac)
		r.rflags |= FL_AC;
	run(&r);
	context("%s ring %u level %u: %lx %lx %lx %lx wp %u smep %u smap %u "
		"ac %u nxe %u", kind_names[kind], ring, p->leaf,
		(ulong)p->entry[4], (ulong)p->entry[3], (ulong)p->entry[2],
		(ulong)p->entry[1], m->wp, m->smep, m->smap, m->ac, m->nxe);
	if (want < 0) {
		CHECK_STOP(r);
		if (kind == READ)
			CHECK_EQ((u32)r.rax, *(u32 *)code_fetch);
	} else {
		CHECK_PF(r, want, va);
		if (kind == FETCH)
			CHECK_EQ(r.rip, va);
		else
			CHECK_EQ(r.rip, ring ? user(code[kind])
					     : (ulong)code[kind]);
	}
}

static void attempt_all(const struct path *p, const struct mode *m)
{
	for (int ring = 0; ring <= 3; ring += 3)
		for (enum kind k = READ; k <= FETCH; k++)
			attempt(p, m, k, ring);
}

static void prepare(void)
{
	frame = pages_alloc(1);
	*(volatile u32 *)frame = *(u32 *)code_fetch;
}

static const struct mode plain = { .wp = true, .nxe = true };

/* Sets WP, SMEP, SMAP with AC, NXE from the bits of a number. */
static bool mode_of(unsigned bits, struct mode *m)
{
	m->wp = bits & 1;
	m->smep = bits & 2;
	m->smap = bits & 4;
	m->ac = bits & 8;
	m->nxe = bits & 16;
	return (!m->smep || has(F_SMEP)) && (!m->smap || has(F_SMAP));
}

static u64 rights_of(unsigned bits)
{
	return (bits & 7) | (bits & 8 ? PTE_NX : 0);
}

/* All rights of the leaf, in all modes. */
static void leaf_rights(int leaf)
{
	struct mode m;

	prepare();
	for (unsigned bits = 0; bits < 32; bits++) {
		if (!mode_of(bits, &m))
			continue;
		for (unsigned rights = 0; rights < 16; rights++) {
			if (!m.nxe && rights_of(rights) & PTE_NX)
				continue;
			struct path p = { leaf, { 0, 7, 7, 7, 7 } };

			p.entry[leaf] = rights_of(rights);
			install(&p);
			set_mode(&m);
			attempt_all(&p, &m);
		}
	}
}

static void leaf_4k(void) { leaf_rights(1); }
static void leaf_2m(void) { leaf_rights(2); }

static void leaf_1g(void)
{
	if (!has(F_PDPE1GB)) {
		skip("no 1 GiB pages");
		return;
	}
	leaf_rights(3);
}

/* The rights of each higher level by itself. */
static void upper_rights(void)
{
	struct mode m;

	prepare();
	for (unsigned bits = 0; bits < 32; bits++) {
		if (!mode_of(bits, &m) || m.ac)
			continue;
		for (int level = 2; level <= 4; level++) {
			for (unsigned rights = 0; rights < 16; rights++) {
				if (!m.nxe && rights_of(rights) & PTE_NX)
					continue;
				struct path p = { 1, { 0, 7, 7, 7, 7 } };

				p.entry[level] = rights_of(rights);
				install(&p);
				set_mode(&m);
				attempt_all(&p, &m);
			}
		}
	}
}

/* Rights are the conjunction over all levels: two levels withhold at once. */
static void combined_rights(void)
{
	prepare();
	for (unsigned a = 0; a < 16; a++) {
		for (unsigned b = 0; b < 16; b++) {
			struct path p = { 1, { 0, 7, 7, 7, 7 } };

			p.entry[1] = rights_of(a);
			p.entry[3] = rights_of(b);
			install(&p);
			attempt_all(&p, &plain);
		}
	}
}

/* NX is a reserved bit while EFER.NXE is clear. */
static void nx_reserved(void)
{
	struct mode m = { .wp = true };

	prepare();
	set_mode(&m);
	for (int level = 1; level <= 4; level++) {
		for (unsigned rights = 0; rights < 8; rights++) {
			struct path p = { 1, { 0, 7, 7, 7, 7 } };

			p.entry[level] = rights | PTE_NX;
			install(&p);
			attempt_all(&p, &m);
		}
	}
}

/*
 * An instruction that reads and writes one operand asks for the write at
 * once: its fault says W, even where the page is not there to be read.
 */
static void rmw_rights(void)
{
	struct mode m;

	prepare();
	for (unsigned bits = 0; bits < 32; bits++) {
		if (!mode_of(bits, &m) || !m.nxe)
			continue;
		for (unsigned rights = 0; rights < 16; rights++) {
			struct path p = { 1, { 0, 7, 7, 7, 7 } };

			p.entry[1] = rights_of(rights);
			install(&p);
			set_mode(&m);
			attempt(&p, &m, RMW, 0);
			attempt(&p, &m, RMW, 3);
		}
	}
}

/*
 * Reserved bits: SDM 3A 4.5.4, figure of the formats of entries. An entry
 * that is not present has none.
 */
static void reserved_one(int leaf, int level, u64 bit)
{
	struct path p = { leaf, { 0, 7, 7, 7, 7 } };
	ulong va = page_va(leaf);
	struct regs r;
	u64 *entry, good;

	install(&p);
	entry = pt_entry(va, level);
	good = *entry;
	*entry |= bit;
	write_cr3(read_cr3());
	for (int ring = 0; ring <= 3; ring += 3) {
		u32 u = ring ? PF_U : 0;

		context("leaf %u level %u bit %lx ring %u", leaf, level,
			(ulong)bit, ring);
		regs_init(&r, code_read, ring);
		r.rdi = va;
		run(&r);
		CHECK_PF(r, PF_P | PF_RSVD | u, va);
		regs_init(&r, code_write, ring);
		r.rdi = va;
		run(&r);
		CHECK_PF(r, PF_P | PF_RSVD | PF_W | u, va);
		regs_init(&r, NULL, ring);
		r.rip = va;
		run(&r);
		CHECK_PF(r, PF_P | PF_RSVD | PF_I | u, va);
	}
	*entry &= ~(u64)PTE_P;
	write_cr3(read_cr3());
	regs_init(&r, code_read, 0);
	r.rdi = va;
	run(&r);
	CHECK_PF(r, 0, va);
	*entry = good;
}

static void reserved_bits(void)
{
	unsigned top = phys_bits();

	prepare();
	for (int level = 1; level <= 4; level++)
		for (unsigned bit = top; bit < 52; bit++)
			reserved_one(1, level, BIT(bit));
	for (unsigned bit = 13; bit < 21; bit++)
		reserved_one(2, 2, BIT(bit));
	if (has(F_PDPE1GB))
		for (unsigned bit = 13; bit < 30; bit++)
			reserved_one(3, 3, BIT(bit));
	reserved_one(1, 4, PTE_PS);
}

/* Bits that software may use are no one's business. */
static void ignored_bits(void)
{
	struct path p = { 1, { 0, 7, 7, 7, 7 } };
	u64 *entry, good;

	prepare();
	for (int level = 1; level <= 4; level++) {
		for (unsigned bit = 9; bit < 63; bit++) {
			if (bit == 12)
				bit = 52;
			if (bit >= 59)
				break; /* protection keys, in a leaf */
			install(&p);
			entry = pt_entry(page_va(1), level);
			good = *entry;
			*entry |= BIT(bit);
			write_cr3(read_cr3());
			attempt(&p, &plain, READ, 3);
			attempt(&p, &plain, WRITE, 0);
			*entry = good;
		}
	}
}

/* Accessed and dirty: SDM 3A 4.8 "Accessed and Dirty Flags". */
static void clear_ad(const struct path *p)
{
	for (int l = p->leaf; l <= 4; l++)
		*pt_entry(page_va(p->leaf), l) &= ~(u64)(PTE_A | PTE_D);
	write_cr3(read_cr3());
}

static void check_ad(const struct path *p, bool dirty)
{
	for (int l = p->leaf; l <= 4; l++) {
		u64 e = *pt_entry(page_va(p->leaf), l);

		CHECK_EQ(e & PTE_A, PTE_A);
		CHECK_EQ(e & PTE_D, l == p->leaf && dirty ? PTE_D : 0);
	}
}

static void accessed_dirty(void)
{
	prepare();
	for (int leaf = 1; leaf <= 3; leaf++) {
		struct path p = { leaf, { 0, 7, 7, 7, 7 } };

		if (leaf == 3 && !has(F_PDPE1GB))
			break;
		install(&p);
		for (int ring = 0; ring <= 3; ring += 3) {
			for (enum kind k = READ; k < KINDS; k++) {
				clear_ad(&p);
				attempt(&p, &plain, k, ring);
				check_ad(&p, k == WRITE || k == RMW);
			}
			/* A read's translation must not serve a write. */
			clear_ad(&p);
			attempt(&p, &plain, READ, ring);
			check_ad(&p, false);
			attempt(&p, &plain, WRITE, ring);
			check_ad(&p, true);
			clear_ad(&p);
			attempt(&p, &plain, FETCH, ring);
			attempt(&p, &plain, READ, ring);
			check_ad(&p, false);
		}
	}
}

/* A write that faults leaves no dirty mark. */
static void no_dirty_on_fault(void)
{
	struct path p = { 1, { 0, PTE_P | PTE_U, 7, 7, 7 } };

	prepare();
	install(&p);
	for (int ring = 0; ring <= 3; ring += 3) {
		clear_ad(&p);
		attempt(&p, &plain, WRITE, ring);
		CHECK_EQ(*pt_entry(page_va(1), 1) & PTE_D, 0);
		attempt(&p, &plain, READ, ring);
		attempt(&p, &plain, WRITE, ring);
		CHECK_EQ(*pt_entry(page_va(1), 1) & PTE_D, 0);
	}
}

/* A and D are set in the tables that the program itself may be reading. */
static void dirty_in_mapped_table(void)
{
	ulong va = LAB, table_va = LAB + 0x200000;
	u64 *e;

	map_new(va);
	e = pt_entry(va, 1);
	map(table_va, (ulong)e & ~(PAGE - 1), PTE_ALL);
	*e &= ~(u64)(PTE_A | PTE_D);
	invlpg(va);
	e = (u64 *)(table_va + ((ulong)e & (PAGE - 1)));
	CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), 0);
	(void)*(volatile u32 *)va;
	CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), PTE_A);
	*(volatile u32 *)va = 1;
	CHECK_EQ(*(volatile u64 *)e & (PTE_A | PTE_D), PTE_A | PTE_D);
}

CODE(code_read_stack, "mov 8(%rsp), %eax\n" STOP);
CODE(code_read_rbp, "mov (%rbp), %eax\n" STOP);
CODE(code_push, "push %rax\n" STOP);
CODE(code_jmp_rdi, "jmp *%rdi\n" STOP);
CODE(code_call_rdi, "call *%rdi\n" STOP);

/*
 * Non-canonical addresses: SDM 1 3.3.7.1 "Canonical Addressing". A reference
 * through the stack segment gives #SS, others #GP. Where a dword crosses the
 * border of the lower half, its mapped side may be reported first.
 */
static const ulong noncanonical_tab[] = {
	0x0000800000000000, 0xffff7fffffffffff, 0x8000000000000000,
	0x00007fffffffffff,
};

static bool crosses(ulong va)
{
	return va == 0x00007fffffffffff;
}

static void noncanonical_data(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(noncanonical_tab); i++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			ulong va = noncanonical_tab[i];
			struct regs r;

			context("%lx ring %u", va, ring);
			regs_init(&r, code_read, ring);
			r.rdi = va;
			run(&r);
			if (!crosses(va) || r.vector != V_PF)
				CHECK_TRAP(r, V_GP, 0);
			regs_init(&r, code_write, ring);
			r.rdi = va;
			run(&r);
			if (!crosses(va) || r.vector != V_PF)
				CHECK_TRAP(r, V_GP, 0);
		}
	}
}

static void noncanonical_stack(void)
{
	for (unsigned i = 0; i < ARRAY_LEN(noncanonical_tab); i++) {
		for (int ring = 0; ring <= 3; ring += 3) {
			ulong va = noncanonical_tab[i];
			struct regs r;

			if (crosses(va))
				continue;
			context("%lx ring %u", va, ring);
			regs_init(&r, code_read_rbp, ring);
			r.rbp = va;
			run(&r);
			CHECK_TRAP(r, V_SS, 0);
			regs_init(&r, code_read_stack, ring);
			r.rsp = va - 8;
			run(&r);
			CHECK_TRAP(r, V_SS, 0);
			regs_init(&r, code_push, ring);
			r.rsp = (va & ~7ul) + 8;
			run(&r);
			CHECK_TRAP(r, V_SS, 0);
			CHECK_EQ(r.rsp, (va & ~7ul) + 8);
		}
	}
}

/*
 * A jump to a non-canonical address faults at the jump (SDM 2A "JMP", #GP(0)
 * if the target is non-canonical); AMD faults at the target. Either way the
 * machine says #GP(0), and a call on Intel has pushed nothing.
 */
static void noncanonical_jump(void)
{
	for (int ring = 0; ring <= 3; ring += 3) {
		struct regs r;
		ulong bad = 0x0000800000000000;

		regs_init(&r, code_jmp_rdi, ring);
		r.rdi = bad;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
		if (vendor_is_intel())
			CHECK_EQ(r.rip, ring ? user(code_jmp_rdi)
					     : (ulong)code_jmp_rdi);
		regs_init(&r, code_call_rdi, ring);
		r.rdi = bad;
		run(&r);
		CHECK_TRAP(r, V_GP, 0);
	}
}

/*
 * Nor does it lead to what lay at its lower 48 bits before the TLB was flushed
 * some times, or to what a translator has made of memory meanwhile.
 * A stop there instead of #GP is what jc.c owns up to (DEVIATES).
 */
static void noncanonical_jump_back(void)
{
	ulong old = map_new(LAB), churned = map_new(LAB + PAGE);
	struct regs r;

	memset((void *)old, 0x90, PAGE);
	for (unsigned at = 6; at < PAGE; at += 8)
		memcpy((void *)(old + at), code_fetch, 2);
	for (ulong at = 0; at < PAGE; at += 8) {
		regs_init(&r, code_jmp_rdi, 3);
		r.rdi = LAB + at;
		run(&r);
		CHECK_STOP(r);
	}
	/* Much new code, of other shape. */
	memset((void *)churned, 0x53, PAGE); /* push %rbx */
	for (unsigned i = 0; i < 1000; i++) {
		ulong at = PAGE - 4 - i * 2 % 2000;

		memcpy((void *)(churned + at), code_fetch, 2);
		regs_init(&r, code_jmp_rdi, 3);
		r.rdi = LAB + PAGE + at - i % 64;
		run(&r);
		CHECK_STOP(r);
	}
	for (ulong k = 1; k < 40; k++) {
		for (ulong at = 0; at < PAGE; at += 8) {
			regs_init(&r, code_jmp_rdi, 3);
			r.rdi = LAB + at - (k << 48);
			run(&r);
			CHECK(r.vector == V_GP || r.vector == V_STOP);
		}
	}
}

/* The top half of the canonical space is as good as the bottom half. */
static void high_half(void)
{
	ulong va = 0xffffff8000000000 + 0x123000;
	ulong pa = map_new(va);
	struct regs r;

	*(volatile u32 *)pa = *(u32 *)code_fetch;
	CHECK_EQ(*(volatile u32 *)va, *(u32 *)code_fetch);
	for (int ring = 0; ring <= 3; ring += 3) {
		regs_init(&r, code_read, ring);
		r.rdi = va;
		run(&r);
		CHECK_STOP(r);
		regs_init(&r, NULL, ring);
		r.rip = va;
		run(&r);
		CHECK_STOP(r);
		CHECK_EQ(r.rip, va + 2);
	}
	/* The last page; a dword over its end wraps to address 0. */
	va = 0xfffffffffffff000;
	pa = map_new(va);
	*(volatile u8 *)(va + 0xfff) = 0x5a;
	CHECK_EQ(*(volatile u8 *)(pa + 0xfff), 0x5a);
}

CODE(code_ud2, "ud2");

/* CR2 keeps its value whatever is not a page fault, and is writable. */
static void cr2_kept(void)
{
	struct regs r;

	write_cr2(0x123456789abc);
	CHECK_EQ(read_cr2(), 0x123456789abc);
	r = run_code(code_ud2, 3);
	CHECK_EQ(r.vector, V_UD);
	CHECK_EQ(read_cr2(), 0x123456789abc);
	regs_init(&r, code_read, 3);
	r.rdi = LAB;
	run(&r);
	CHECK_PF(r, PF_U, LAB);
	CHECK_EQ(read_cr2(), LAB);
}

const struct test tests[] = {
	{ "rights of a 4 KiB page", leaf_4k },
	{ "rights of a 2 MiB page", leaf_2m },
	{ "rights of a 1 GiB page", leaf_1g },
	{ "rights of the upper levels", upper_rights },
	{ "rights of two levels together", combined_rights },
	{ "rights of a read-modify-write", rmw_rights,
	  "the read part faults as a read (SDM 3A 4.7, W/R flag)" },
	{ "NX reserved while NXE is clear", nx_reserved,
	  "RSVD is reported without P (SDM 3A 4.7, RSVD flag)" },
	{ "reserved bits", reserved_bits,
	  "RSVD is reported without P (SDM 3A 4.7, RSVD flag)" },
	{ "ignored bits", ignored_bits },
	{ "accessed and dirty", accessed_dirty },
	{ "no dirty mark by a write that faults", no_dirty_on_fault },
	{ "dirty mark seen through a mapped table", dirty_in_mapped_table },
	{ "non-canonical data", noncanonical_data },
	{ "non-canonical stack", noncanonical_stack,
	  "#GP for #SS (SDM 3A 6.15 \"Interrupt 12\")" },
	{ "non-canonical jump", noncanonical_jump },
	{ "non-canonical jump to an old place", noncanonical_jump_back },
	{ "high half", high_half },
	{ "CR2 kept", cr2_kept },
	{ NULL },
};
