/* SPDX-License-Identifier: Apache-2.0 */
/* paging.c - the page walk against a table of SDM 3A 4.6 "Access Rights", its
 * formats, its accessed and dirty bits, and hostile tables. */
#include "world.h"

static struct world w;

static int walk(gva_t lin, unsigned acc, bool ac, struct x86_walk *out,
		struct x86_fault *f)
{
	return x86_walk(&w.s, lin, acc, ac, world_phys, &w, out, f);
}

/* --- permissions --- */

/*
 * One line an access, one column a page: supervisor read-only, supervisor
 * writable, user read-only, user writable.
 *   Y yes  - no  w if WP is clear  m unless SMAP forbids  b both w and m
 *   x unless NX  e unless NX or SMEP
 */
static const struct {
	unsigned acc;
	char pages[5];
} rights_tab[] = {
	{ X86_ACC_READ | X86_ACC_USER, "--YY" },
	{ X86_ACC_WRITE | X86_ACC_USER, "---Y" },
	{ X86_ACC_FETCH | X86_ACC_USER, "--xx" },
	{ X86_ACC_READ, "YYmm" },
	{ X86_ACC_WRITE, "wYbm" },
	{ X86_ACC_FETCH, "xxee" },
	{ X86_ACC_READ | X86_ACC_IMPLICIT, "YYmm" },
	{ X86_ACC_WRITE | X86_ACC_IMPLICIT, "wYbm" },
	{ X86_ACC_READ | X86_ACC_WRITE | X86_ACC_USER, "---Y" },
	{ X86_ACC_READ | X86_ACC_WRITE, "wYbm" },
};

struct setting {
	bool wp, smep, smap, ac, nxe;
};

static bool expect(char code, const struct setting *t, bool implicit, bool nx)
{
	bool smap = t->smap && (implicit || !t->ac);

	switch (code) {
	case 'Y':
		return true;
	case 'w':
		return !t->wp;
	case 'm':
		return !smap;
	case 'b':
		return !t->wp && !smap;
	case 'x':
		return !nx;
	case 'e':
		return !nx && !t->smep;
	}
	return false;
}

/* Bit 0 to 3: in which of the four levels a right is withdrawn. */
static void set_levels(unsigned no_w, unsigned no_u, unsigned nx)
{
	static const u64 at[] = { W_PML4, W_PDPT, W_PD, W_PT + 8 };
	static const u64 to[] = { W_PDPT, W_PD, W_PT, 0x1000 };

	for (unsigned i = 0; i < 4; i++)
		put64(&w, at[i],
		      to[i] | PTE_P | (no_w >> i & 1 ? 0 : PTE_W) |
			      (no_u >> i & 1 ? 0 : PTE_U) |
			      (nx >> i & 1 ? PTE_NX : 0));
}

static bool marks_are(bool accessed, bool dirty)
{
	return !!(get64(&w, W_PML4) & PTE_A) == accessed &&
	       !!(get64(&w, W_PDPT) & PTE_A) == accessed &&
	       !!(get64(&w, W_PD) & PTE_A) == accessed &&
	       !!(get64(&w, W_PT + 8) & PTE_A) == accessed &&
	       !!(get64(&w, W_PT + 8) & PTE_D) == dirty &&
	       !(get64(&w, W_PD) & PTE_D);
}

static unsigned try_rights(const struct setting *t, unsigned i, unsigned no_w,
			   unsigned no_u, unsigned nx)
{
	unsigned acc = rights_tab[i].acc;
	unsigned page = (no_u ? 0 : 2) + (no_w ? 0 : 1);
	bool want = expect(rights_tab[i].pages[page], t, acc & X86_ACC_IMPLICIT,
			   nx);
	bool write = acc & X86_ACC_WRITE;
	u32 error = PF_P | (write ? PF_W : 0) | (acc & X86_ACC_USER ? PF_U : 0);
	struct x86_walk out;
	struct x86_fault f;
	bool got;

	if ((acc & X86_ACC_FETCH) && (t->nxe || t->smep))
		error |= PF_I;
	set_levels(no_w, no_u, nx);
	got = !walk(0x1234, acc, t->ac, &out, &f);
	if (got != want)
		return 1;
	if (!got)
		return !is_fault(&f, X86_PF, error) || f.cr2 != 0x1234 ||
		       !marks_are(false, false);
	return out.gpa != 0x1234 || out.page_bytes != 4096 ||
	       out.user != !no_u || out.dirty != write ||
	       !marks_are(true, write);
}

static void test_rights(void)
{
	unsigned bad = 0;

	world_long(&w);
	for (unsigned bits = 0; bits < 32; bits++) {
		struct setting t = { bits & 1, bits & 2, bits & 4, bits & 8,
				     bits & 16 };

		w.s.cr0 = (w.s.cr0 & ~CR0_WP) | (t.wp ? CR0_WP : 0);
		w.s.cr4 = CR4_PAE | (t.smep ? CR4_SMEP : 0) |
			  (t.smap ? CR4_SMAP : 0);
		w.s.efer = EFER_LME | EFER_LMA | (t.nxe ? EFER_NXE : 0);
		for (unsigned i = 0; i < ARRAY_SIZE(rights_tab); i++)
			for (unsigned no = 0; no < 512; no++) {
				unsigned nx = t.nxe ? no >> 6 & 7 : 0;

				/* withdrawn in levels 4 to 2, or the leaf */
				bad += try_rights(&t, i, no & 7, no >> 3 & 7,
						  nx);
				bad += try_rights(&t, i, (no & 7) << 1,
						  (no >> 3 & 7) << 1, nx << 1);
			}
	}
	tap_equal(bad, 0u, "accesses against the table of rights");
}

/* What the walk says of other accesses must be what they find. */
static void test_promises(void)
{
	unsigned bad = 0;
	struct x86_walk a, b;
	struct x86_fault f;

	world_long(&w);
	for (unsigned bits = 0; bits < 64; bits++) {
		unsigned who = bits & 8 ? X86_ACC_USER : 0;
		bool ac = bits & 16;

		w.s.cr4 = CR4_PAE | (bits & 32 ? CR4_SMEP | CR4_SMAP : 0);
		set_levels(bits & 1, bits & 2, bits & 4);
		if (walk(0x1000, who | X86_ACC_READ, ac, &a, &f))
			continue;
		bad += a.writable !=
		       !walk(0x1000, who | X86_ACC_WRITE, ac, &b, &f);
		bad += a.executable !=
		       !walk(0x1000, who | X86_ACC_FETCH, ac, &b, &f);
	}
	tap_equal(bad, 0u, "writable and executable keep their word");
}

/* --- formats --- */

static void check_rsvd(const char *what, gva_t lin, u64 at, bool wide)
{
	struct x86_walk out;
	struct x86_fault f;
	u64 e = get64(&w, at);

	if (wide)
		put64(&w, at, e | PTE_P);
	tap_check(walk(lin, X86_ACC_READ, false, &out, &f) &&
			  is_fault(&f, X86_PF, PF_P | PF_RSVD),
		  "reserved: %s", what);
	put64(&w, at, e);
}

static void test_long_formats(void)
{
	struct x86_walk out;
	struct x86_fault f;

	world_long(&w);
	w.s.cr4 |= CR4_PGE;
	put64(&w, W_PDPT + 8, GiB(3) | PTE_P | PTE_PS | PTE_W | PTE_G);
	put64(&w, W_PD + 16, MiB(6) | PTE_P | PTE_PS | PTE_U | BIT64(12));
	tap_check(!walk(GiB(1) + 0x123456, X86_ACC_READ, false, &out, &f),
		  "1 GiB page");
	tap_equal(out.gpa, GiB(3) + 0x123456, "its address");
	tap_equal(out.page_bytes, GiB(1), "its size");
	tap_check(out.global && out.writable && !out.user, "its attributes");
	tap_check(!walk(MiB(4) + 0x1357, X86_ACC_READ, false, &out, &f),
		  "2 MiB page");
	tap_equal(out.gpa, MiB(6) + 0x1357, "its address");
	tap_equal(out.page_bytes, MiB(2), "its size");
	tap_equal(out.memtype, 4, "its PAT bit is bit 12");
	put64(&w, W_PT + 8, 0x1000 | PTE_P | PTE_PWT | PTE_PCD | PTE_PS);
	tap_check(!walk(0x1000, X86_ACC_READ, false, &out, &f) &&
			  out.memtype == 7,
		  "PAT bit of a 4 KiB page is bit 7");

	put64(&w, W_PML4 + 8, 0);
	tap_check(walk(BIT64(39), X86_ACC_WRITE | X86_ACC_USER, false, &out,
		       &f) &&
			  is_fault(&f, X86_PF, PF_W | PF_U),
		  "not present: no P, but W and U");

	put64(&w, W_PML4 + 16, W_PDPT | PTE_P | PTE_PS);
	check_rsvd("PS in a PML4E", BIT64(40), W_PML4 + 16, true);
	put64(&w, W_PML4 + 16, PTE_PS);
	check_rsvd("even with address 0", BIT64(40), W_PML4 + 16, true);
	put64(&w, W_PDPT + 16, GiB(1) | PTE_PS | BIT64(13));
	check_rsvd("bit 13 of a 1 GiB page", GiB(2), W_PDPT + 16, true);
	put64(&w, W_PDPT + 16, GiB(1) | PTE_PS | BIT64(29));
	check_rsvd("bit 29 of a 1 GiB page", GiB(2), W_PDPT + 16, true);
	put64(&w, W_PD + 24, PTE_PS | BIT64(20));
	check_rsvd("bit 20 of a 2 MiB page", MiB(6), W_PD + 24, true);
	put64(&w, W_PT + 16, BIT64(X86_PHYS_BITS));
	check_rsvd("an address beyond MAXPHYADDR", 0x2000, W_PT + 16, true);
	put64(&w, W_PT + 16, BIT64(51));
	check_rsvd("bit 51", 0x2000, W_PT + 16, true);
	w.s.efer &= ~EFER_NXE;
	put64(&w, W_PT + 16, PTE_NX);
	check_rsvd("NX without NXE", 0x2000, W_PT + 16, true);
	w.s.efer |= EFER_NXE;
	put64(&w, W_PT + 16, 0x5000 | PTE_P | 0x7ffull << 52 | 7ull << 9);
	tap_check(!walk(0x2abc, X86_ACC_READ, false, &out, &f) &&
			  out.gpa == 0x5abc,
		  "bits 62:52 and 11:9 are software's");
	w.s.cr3 = GiB(100);
	check_rsvd("tables where there is no memory", 0x1000, W_PML4, false);
}

static void test_pae(void)
{
	struct x86_walk out;
	struct x86_fault f;

	world_protected(&w);
	w.s.cr4 = CR4_PAE;
	w.s.cr0 |= CR0_PG | CR0_WP;
	w.s.efer = EFER_NXE;
	w.s.cr3 = W_PDPT + 0x20; /* 32-byte aligned */
	put64(&w, W_PDPT + 0x20, W_PD | PTE_P);
	put64(&w, W_PDPT + 0x38, W_PD | PTE_P);
	put64(&w, W_PD, W_PT | PTE_P | PTE_W | PTE_U);
	put64(&w, W_PD + 8, 0x1200000000ull | PTE_P | PTE_PS | PTE_NX);
	put64(&w, W_PT + 8, 0x3000 | PTE_P | PTE_W | PTE_U);
	tap_check(
		!walk(0x1008, X86_ACC_WRITE | X86_ACC_USER, false, &out, &f) &&
			out.gpa == 0x3008,
		"PAE 4 KiB page");
	tap_check(!(get64(&w, W_PDPT + 0x20) & PTE_A),
		  "a PDPTE has no accessed bit");
	tap_check(!walk(0xc0201234, X86_ACC_READ, false, &out, &f) &&
			  out.gpa == 0x1200001234ull &&
			  out.page_bytes == MiB(2),
		  "PAE 2 MiB page above 4 GiB");
	tap_check(walk(0xc0201234, X86_ACC_FETCH, false, &out, &f) &&
			  is_fault(&f, X86_PF, PF_P | PF_I),
		  "PAE NX");
	tap_check(!walk(0xffff000000001008ull, X86_ACC_READ, false, &out, &f) &&
			  out.gpa == 0x3008,
		  "linear addresses wrap at 4 GiB");
	put64(&w, W_PDPT + 0x20, W_PD | PTE_P | PTE_W);
	check_rsvd("W in a PDPTE", 0x1008, W_PDPT + 0x20, true);
	put64(&w, W_PDPT + 0x20, W_PD | PTE_P);
	put64(&w, W_PT + 8, 0x3000 | BIT64(52));
	check_rsvd("bit 52 in PAE mode", 0x1008, W_PT + 8, true);
}

static void test_narrow(void)
{
	struct x86_walk out;
	struct x86_fault f;

	world_protected(&w);
	w.s.cr0 |= CR0_PG | CR0_WP;
	w.s.cr3 = W_PD;
	put32(&w, W_PD, (u32)(W_PT | PTE_P | PTE_W | PTE_U));
	put32(&w, W_PT + 4, (u32)(0x7000 | PTE_P | PTE_W | PTE_U));
	put32(&w, W_PT + 8, 0xffffffff);
	tap_check(
		!walk(0x1abc, X86_ACC_WRITE | X86_ACC_USER, false, &out, &f) &&
			out.gpa == 0x7abc,
		"32-bit 4 KiB page");
	tap_equal(get32(&w, W_PT + 4), 0x7000u | 0x67, "A and D are set");
	tap_equal(get32(&w, W_PD), (u32)W_PT | 0x27, "A in the PDE, not D");
	tap_equal(get32(&w, W_PT + 8), 0xffffffff, "the neighbour is whole");
	put32(&w, W_PD + 4, (u32)(0xc00000 | PTE_P | PTE_PS | 0x2000));
	w.s.cr4 = CR4_PSE;
	tap_check(!walk(0x412345, X86_ACC_READ, false, &out, &f) &&
			  out.gpa == 0x100c12345ull && out.page_bytes == MiB(4),
		  "PSE-36: bits 20:13 are 39:32");
	put32(&w, W_PD + 4, (u32)(0xc00000 | PTE_P | PTE_PS | BIT(21)));
	check_rsvd("bit 21 of a 4 MiB page", 0x412345, W_PD + 4, false);
	w.s.cr4 = 0;
	put32(&w, W_PD + 4, (u32)(W_PT | PTE_P | PTE_PS));
	tap_check(!walk(0x401abc, X86_ACC_READ, false, &out, &f) &&
			  out.gpa == 0x7abc,
		  "without CR4.PSE bit 7 is ignored");
	tap_check(walk(0x1000, X86_ACC_FETCH | X86_ACC_USER, false, &out, &f) ==
			  0,
		  "no NX in 32-bit tables");
	w.s.efer = EFER_NXE;
	tap_check(
		walk(0x800000, X86_ACC_FETCH | X86_ACC_USER, false, &out, &f) &&
			is_fault(&f, X86_PF, PF_U),
		"nor the I bit in their error codes");
	w.s.cr0 &= ~CR0_PG;
	tap_check(!walk(0x1ffffffffull, X86_ACC_WRITE | X86_ACC_USER, false,
			&out, &f) &&
			  out.gpa == 0xffffffff && out.writable,
		  "without paging linear is physical");
}

/* --- races and hostility --- */

/*
 * Another processor: when the walk asks for the leaf, the page-directory
 * entry that it has just read changes, .times times.
 */
static struct {
	unsigned times;
	u64 flip;
} rival;

static void *racing_phys(void *ctx, gpa_t gpa)
{
	if (gpa == W_PT + 8 && rival.times) {
		rival.times--;
		put64(&w, W_PD, (get64(&w, W_PD) ^ rival.flip) & ~PTE_A);
	}
	return world_phys(ctx, gpa);
}

static void test_marks(void)
{
	struct x86_walk out;
	struct x86_fault f;

	world_long(&w);
	set_levels(0, 0, 0);
	tap_check(!walk(0x1000, X86_ACC_READ, false, &out, &f) &&
			  marks_are(true, false) && !out.dirty,
		  "a read sets A");
	tap_check(!walk(0x1000, X86_ACC_WRITE, false, &out, &f) &&
			  marks_are(true, true) && out.dirty,
		  "a write sets D");
	tap_check(!walk(0x1000, X86_ACC_READ, false, &out, &f) && out.dirty,
		  "D is reported to a read");
	set_levels(0, 0, 0);
	rival.times = 1;
	rival.flip = PTE_W;
	tap_check(x86_walk(&w.s, 0x1000, X86_ACC_WRITE, false, racing_phys, &w,
			   &out, &f) &&
			  is_fault(&f, X86_PF, PF_P | PF_W),
		  "a right that is withdrawn during the walk is missed");
	tap_check(!(get64(&w, W_PD) & PTE_A) &&
			  !(get64(&w, W_PT + 8) & (PTE_A | PTE_D)),
		  "and nothing below is marked");
	set_levels(0, 0, 0);
	rival.times = 3;
	rival.flip = BIT64(9);
	tap_check(!x86_walk(&w.s, 0x1000, X86_ACC_WRITE, false, racing_phys, &w,
			    &out, &f) &&
			  marks_are(true, true) && (get64(&w, W_PD) & BIT64(9)),
		  "a lost race is run again, and nothing overwritten");
	set_levels(0, 0, 0);
	rival.times = ~0u;
	tap_check(x86_walk(&w.s, 0x1000, X86_ACC_READ, false, racing_phys, &w,
			   &out, &f) &&
			  f.vector == X86_PF,
		  "a race that is always lost ends");
	rival.times = 0;
}

static void test_hostile(void)
{
	u64 x = 0x9e3779b97f4a7c15ull;
	unsigned bad = 0, good = 0;

	world_long(&w);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned acc = 1u << next_random(&x) % 3;
		struct x86_walk out;
		struct x86_fault f;
		gpa_t gpa;
		gva_t lin = (u64)((s64)(next_random(&x) << 16) >> 16);

		if (i % 16 == 0) {
			/* Tables of random bits in the first pages. */
			for (unsigned j = 0; j < 64; j++) {
				u64 e = next_random(&x);

				if (e & BIT64(60))
					e &= 0x7fff |
					     (next_random(&x) & 0x3fff000);
				put64(&w, next_random(&x) % 0x4000 & ~7ull,
				      e | PTE_P);
			}
			w.s.cr3 = next_random(&x) & 0x3fe0;
			w.s.cr4 = next_random(&x) &
				  (CR4_PAE | CR4_PSE | CR4_SMEP | CR4_SMAP);
			w.s.efer = 0;
			if ((w.s.cr4 & CR4_PAE) && (i & 16))
				w.s.efer = EFER_LMA | EFER_LME |
					   (i & 32 ? EFER_NXE : 0);
		}
		lin = next_random(&x) & 1 ? lin : lin & 0x3fffff;
		if (next_random(&x) & 1)
			acc |= X86_ACC_USER;
		if (walk(lin, acc, i & 1, &out, &f)) {
			bad += f.vector != X86_PF || (f.error & ~0x1fu);
			continue;
		}
		good++;
		bad += out.gpa > X86_PHYS_MASK;
		bad += !x86_walk_debug(&w.s, lin, world_phys, &w, &gpa) ||
		       gpa != out.gpa;
	}
	tap_equal(bad, 0u, "random tables");
	tap_check(good > 1000, "some of them map: %u", good);
}

int main(void)
{
	world_init(&w);
	test_rights();
	test_promises();
	test_long_formats();
	test_pae();
	test_narrow();
	test_marks();
	test_hostile();
	free(w.ram);
	return tap_done();
}
