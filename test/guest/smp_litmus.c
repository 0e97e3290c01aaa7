/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory model, by litmus tests: short programs on two to four processors
 * with outcomes that x86-TSO forbids. SDM 3A 8.2.3 "Examples Illustrating the
 * Memory-Ordering Principles", APM 2 7.2; names and numbers as in Owens,
 * Sarkar, Sewell, "A Better x86 Memory Model: x86-TSO", 2009.
 *
 * Each program runs on many instances of its variables, one after the other,
 * after a rendezvous with limited patience, so that processors which do not
 * really run at once only make it less sharp. What is allowed but shows that
 * they do is counted and reported.
 */
#include "lib/smp.h"

#define SLOT 64
#define PAGES 8
#define INSTANCES (PAGES * PAGE / SLOT)

/*
 * RDI and RSI: the variables x and y; RDX: results, RBP: the rendezvous, R8:
 * how many meet, R12: how long they wait, in all; R10: instances; R11: bytes
 * to the next. The text leaves EAX and EBX.
 */
#define THREAD(name, text)                                                     \
	CODE(name, "1: lock incl (%rbp)\n"                                     \
		   "2: cmp %r8d, (%rbp)\n jae 3f\n"                            \
		   "dec %r12\n jg 2b\n"                                        \
		   /* Who came last goes ahead by a cache miss. */             \
		   "3: imul $1103515245, %r9d\n add $12345, %r9d\n"            \
		   "mov %r9d, %ecx\n shr $24, %ecx\n inc %ecx\n"               \
		   "4: dec %ecx\n jnz 4b\n"                                    \
		   "xor %eax, %eax\n xor %ebx, %ebx\n"                         \
		   text "\n"                                                   \
		   "mov %eax, (%rdx)\n mov %ebx, 4(%rdx)\n"                    \
		   "add %r11, %rdi\n add %r11, %rsi\n"                         \
		   "add $8, %rdx\n add $64, %rbp\n"                            \
		   "dec %r10\n jnz 1b\n" STOP)

#define X "(%rdi)"
#define Y "(%rsi)"
#define ST(var, v) "movl $" #v ", " var "\n"
#define LDA(var) "mov " var ", %eax\n"
#define LDB(var) "mov " var ", %ebx\n"
#define MFENCE "mfence\n"
#define LOCKED "lock addl $0, (%rsp)\n"
#define XCHG(var, v) "mov $" #v ", %ecx\n xchg %ecx, " var "\n"

THREAD(sb_0, ST(X, 1) LDA(Y));
THREAD(sb_1, ST(Y, 1) LDA(X));
THREAD(sb_mfence_0, ST(X, 1) MFENCE LDA(Y));
THREAD(sb_mfence_1, ST(Y, 1) MFENCE LDA(X));
THREAD(sb_lock_0, ST(X, 1) LOCKED LDA(Y));
THREAD(sb_lock_1, ST(Y, 1) LOCKED LDA(X));
THREAD(sb_xchg_0, XCHG(X, 1) LDA(Y));
THREAD(sb_xchg_1, XCHG(Y, 1) LDA(X));
THREAD(mp_0, ST(X, 1) ST(Y, 1));
THREAD(mp_1, LDA(Y) LDB(X));
THREAD(mp_string_0, ST(X, 1) "mov %rdi, %rcx\n mov %rsi, %rdi\n"
			     "mov $1, %eax\n stosl\n mov %rcx, %rdi");
THREAD(mp_string_1, "mov (%rsi), %eax\n mov %rsi, %rcx\n"
		    "mov %rdi, %rsi\n mov %eax, %ebx\n lodsl\n"
		    "xchg %eax, %ebx\n mov %rcx, %rsi");
THREAD(mp_vector_0, ST(X, 1) "mov $1, %ecx\n movd %ecx, %xmm0\n"
			     "movd %xmm0, (%rsi)\n");
THREAD(mp_vector_1, "movd (%rsi), %xmm0\n movd (%rdi), %xmm1\n"
		    "movd %xmm0, %eax\n movd %xmm1, %ebx");
THREAD(lb_0, LDA(X) ST(Y, 1));
THREAD(lb_1, LDA(Y) ST(X, 1));
THREAD(store_x, ST(X, 1));
THREAD(store_y, ST(Y, 1));
THREAD(xchg_x, XCHG(X, 1));
THREAD(xchg_y, XCHG(Y, 1));
THREAD(load_xy, LDA(X) LDB(Y));
THREAD(load_yx, LDA(Y) LDB(X));
THREAD(n4b_0, LDA(X) ST(X, 1));
THREAD(n4b_1, LDA(X) ST(X, 2));
THREAD(n5_0, ST(X, 1) LDA(X));
THREAD(n5_1, ST(X, 2) LDA(X));
THREAD(n6_0, ST(X, 1) LDA(X) LDB(Y));
THREAD(n6_1, ST(Y, 2) ST(X, 2));
THREAD(n7_0, ST(X, 1) LDA(X) LDB(Y));
THREAD(n7_1, ST(Y, 1) LDA(Y) LDB(X));
THREAD(n7_lock_0, XCHG(X, 1) LDA(X) LDB(Y));
THREAD(n7_lock_1, XCHG(Y, 1) LDA(Y) LDB(X));
THREAD(corr_1, LDA(X) LDB(X));
THREAD(w22_0, ST(X, 1) ST(Y, 2));
THREAD(w22_1, ST(Y, 1) ST(X, 2));
THREAD(s_0, ST(X, 2) ST(Y, 1));
THREAD(s_1, LDA(Y) ST(X, 1));
THREAD(r_0, ST(X, 1) ST(Y, 1));
THREAD(r_1, ST(Y, 2) MFENCE LDA(X));
THREAD(wrc_1, LDA(X) ST(Y, 1));
THREAD(rwc_2, ST(Y, 1) MFENCE LDA(X));

/* SB with what serializes between; RBX, RCX and R13 to R15 are free. */
#define SERIAL(name, text)                                                     \
	THREAD(sb_##name##_0, ST(X, 1) text "\n" LDA(Y));                      \
	THREAD(sb_##name##_1, ST(Y, 1) text "\n" LDA(X))

SERIAL(cpuid, "mov %rdx, %r13\n xor %eax, %eax\n cpuid\n mov %r13, %rdx\n"
	      "xor %ebx, %ebx");
SERIAL(iret, "mov %ss, %eax\n push %rax\n lea 8(%rsp), %rax\n push %rax\n"
	     "pushf\n mov %cs, %eax\n push %rax\n lea 5f(%rip), %rax\n"
	     "push %rax\n iretq\n 5:");
SERIAL(cr0, "mov %cr0, %rax\n mov %rax, %cr0");
SERIAL(cr3, "mov %cr3, %rax\n mov %rax, %cr3");
SERIAL(cr4, "mov %cr4, %rax\n mov %rax, %cr4");
SERIAL(dr, "xor %eax, %eax\n mov %rax, %dr0");
SERIAL(invlpg, "invlpg (%rsp)");
SERIAL(wrmsr, "mov %rdx, %r13\n mov $0xc0000103, %ecx\n xor %edx, %edx\n"
	      "xor %eax, %eax\n wrmsr\n mov %r13, %rdx");
SERIAL(lgdt, "sub $16, %rsp\n sgdt (%rsp)\n lgdt (%rsp)\n add $16, %rsp");
SERIAL(lidt, "sub $16, %rsp\n sidt (%rsp)\n lidt (%rsp)\n add $16, %rsp");
SERIAL(lldt, "xor %eax, %eax\n lldt %ax");
SERIAL(wbinvd, "wbinvd");
/* Their LOCK is implied, or their bus cycle waits for all stores. */
SERIAL(in, "mov %rdx, %r13\n in $0x61, %al\n mov %r13, %rdx");
SERIAL(out, "mov $0x20, %al\n out %al, $0x80");

/* a[], b[]: EAX and EBX of each thread; x and y at the end. */
struct outcome {
	u32 a[4], b[4], x, y;
};
typedef bool outcome_fn(const struct outcome *o);

static bool both_zero(const struct outcome *o)
{
	return !o->a[0] && !o->a[1];
}

static bool one_then_zero(const struct outcome *o)
{
	return o->a[1] == 1 && !o->b[1];
}

static bool both_one(const struct outcome *o)
{
	return o->a[0] == 1 && o->a[1] == 1;
}

static bool orders_differ(const struct outcome *o)
{
	return o->a[2] == 1 && !o->b[2] && o->a[3] == 1 && !o->b[3];
}

static bool crossed(const struct outcome *o)
{
	return o->a[0] == 2 && o->a[1] == 1;
}

static bool forwarded(const struct outcome *o)
{
	return o->a[0] == 1 && !o->b[0] && o->x == 1;
}

static bool both_see_own_first(const struct outcome *o)
{
	return o->a[0] == 1 && !o->b[0] && o->a[1] == 1 && !o->b[1];
}

static bool ends_one_one(const struct outcome *o)
{
	return o->x == 1 && o->y == 1;
}

static bool s_forbidden(const struct outcome *o)
{
	return o->a[1] == 1 && o->x == 2;
}

static bool r_forbidden(const struct outcome *o)
{
	return o->y == 2 && !o->a[1];
}

static bool wrc_forbidden(const struct outcome *o)
{
	return o->a[1] == 1 && o->a[2] == 1 && !o->b[2];
}

static bool rwc_forbidden(const struct outcome *o)
{
	return o->a[1] == 1 && !o->b[1] && !o->a[2];
}

/* n6: stores are seen to one's own loads before they reach memory. */
static const struct litmus {
	const char *name;
	unsigned threads;
	const u8 *code[4];
	outcome_fn *forbidden, *counted;
} litmus_tab[] = {
	{ "SB", 2, { sb_0, sb_1 }, NULL, both_zero },
	{ "SB+mfence", 2, { sb_mfence_0, sb_mfence_1 }, both_zero, NULL },
	{ "SB+lock", 2, { sb_lock_0, sb_lock_1 }, both_zero, NULL },
	{ "SB+xchg", 2, { sb_xchg_0, sb_xchg_1 }, both_zero, NULL },
	{ "MP", 2, { mp_0, mp_1 }, one_then_zero, NULL },
	{ "MP, strings", 2, { mp_string_0, mp_string_1 }, one_then_zero, NULL },
	{ "MP, vectors", 2, { mp_vector_0, mp_vector_1 }, one_then_zero, NULL },
	{ "LB", 2, { lb_0, lb_1 }, both_one, NULL },
	{ "IRIW", 4, { store_x, store_y, load_xy, load_yx }, orders_differ,
	  NULL },
	{ "IRIW+xchg", 4, { xchg_x, xchg_y, load_xy, load_yx }, orders_differ,
	  NULL },
	{ "n4b", 2, { n4b_0, n4b_1 }, crossed, NULL },
	{ "n5", 2, { n5_0, n5_1 }, crossed, NULL },
	{ "n6", 2, { n6_0, n6_1 }, NULL, forwarded },
	{ "n7", 2, { n7_0, n7_1 }, NULL, both_see_own_first },
	{ "n7+xchg", 2, { n7_lock_0, n7_lock_1 }, both_see_own_first, NULL },
	{ "CoRR", 2, { store_x, corr_1 }, one_then_zero, NULL },
	{ "2+2W", 2, { w22_0, w22_1 }, ends_one_one, NULL },
	{ "S", 2, { s_0, s_1 }, s_forbidden, NULL },
	{ "R+mfence", 2, { r_0, r_1 }, r_forbidden, NULL },
	{ "WRC", 3, { store_x, wrc_1, load_yx }, wrc_forbidden, NULL },
	{ "RWC+mfence", 3, { store_x, load_xy, rwc_2 }, rwc_forbidden, NULL },
};

#define SERIAL_TAB(name)                                                       \
	{ "SB+" #name, 2, { sb_##name##_0, sb_##name##_1 }, both_zero, NULL }

/* SDM 3A 8.3 "Serializing Instructions"; ring 0, but for the first two. */
static const struct litmus serial_tab[] = {
	SERIAL_TAB(cpuid), SERIAL_TAB(iret), SERIAL_TAB(cr0), SERIAL_TAB(cr3),
	SERIAL_TAB(cr4), SERIAL_TAB(dr), SERIAL_TAB(invlpg), SERIAL_TAB(wrmsr),
	SERIAL_TAB(lgdt), SERIAL_TAB(lidt), SERIAL_TAB(lldt),
	SERIAL_TAB(wbinvd), SERIAL_TAB(in), SERIAL_TAB(out),
};

/*
 * Where x and y lie in their slots: as they are, in two lines, in two pages;
 * the slots of y beside code that has been run. Across lines a store may be
 * two, but values are small: all but the first byte is always 0.
 */
enum place { ALIGNED, ODD, LINES, PAGE_ENDS, BESIDE_CODE };

static const char *const place_names[] = { "aligned", "odd", "two lines",
					   "two pages", "beside code" };

#define XS LAB
#define YS (LAB + 0x100000ul)
#define Y_ALIAS (LAB + 0x200000ul)

static struct {
	const struct litmus *t;
	enum place place;
	int ring;
	unsigned instances;
	ulong stride, x, y;
} now;

static u8 meeting[INSTANCES][SLOT] __attribute__((aligned(64)));
static u32 results[4][INSTANCES][2] __attribute__((aligned(64)));

static void place_variables(enum place place)
{
	now.place = place;
	now.instances = INSTANCES;
	now.stride = SLOT;
	now.x = XS;
	now.y = YS;
	switch (place) {
	case ODD:
		now.x += 5;
		now.y += 9;
		break;
	case LINES:
		/* Into the first byte of the next slot; not the last one's. */
		now.x += SLOT - 3;
		now.instances--;
		break;
	case PAGE_ENDS:
		now.x += PAGE - 2;
		now.stride = PAGE;
		now.instances = PAGES - 1;
		break;
	default:
		break;
	}
}

static void run_thread(ulong arg)
{
	unsigned me = this_cpu()->index;
	struct regs r;

	regs_init(&r, now.t->code[me], now.ring);
	r.rdi = now.x;
	/* One of them sees y somewhere else. */
	r.rsi = me & 1 ? now.y - YS + Y_ALIAS : now.y;
	r.rdx = now.ring ? user(results[me]) : (ulong)results[me];
	r.rbp = now.ring ? user(meeting) : (ulong)meeting;
	r.r8 = now.t->threads;
	r.r9 = rdtsc();
	r.r10 = now.instances;
	r.r11 = now.stride;
	r.r12 = 1000000; /* longer than a host takes to wake the others */
	barrier();
	run(&r);
	CHECK_STOP(r);
}

static u32 peek(ulong at)
{
	u32 v;

	memcpy(&v, (void *)at, 4);
	return v;
}

/* Code in the second half of each slot of y. */
static void run_code_beside(void)
{
	for (ulong at = YS + 32; at < YS + PAGES * PAGE; at += PAGE / 4) {
		*(volatile u16 *)at = V_STOP << 8 | 0xcd;
		CHECK_STOP(run_code((void *)at, 0));
	}
}

static void play(unsigned *counted)
{
	struct outcome o;

	memset((void *)XS, 0, PAGES * PAGE);
	memset((void *)YS, 0, PAGES * PAGE);
	memset(meeting, 0, sizeof(meeting));
	if (now.place == BESIDE_CODE)
		run_code_beside();
	on_first(now.t->threads, run_thread, 0);
	for (unsigned i = 0; i < now.instances; i++) {
		for (unsigned k = 0; k < now.t->threads; k++) {
			o.a[k] = results[k][i][0];
			o.b[k] = results[k][i][1];
		}
		o.x = peek(now.x + i * now.stride);
		o.y = peek(now.y + i * now.stride);
		if (now.t->counted && now.t->counted(&o))
			++*counted;
		if (!now.t->forbidden || !now.t->forbidden(&o))
			continue;
		context("%s, %s, ring %u: %u %u, %u %u, %u %u, %u %u; x %u y "
			"%u", now.t->name, place_names[now.place], now.ring,
			o.a[0], o.b[0], o.a[1], o.b[1], o.a[2], o.b[2], o.a[3],
			o.b[3], o.x, o.y);
		CHECK(!"an outcome that is forbidden");
	}
}

static void map_variables(void)
{
	ulong x = pages_alloc(PAGES), y = pages_alloc(PAGES);

	for (unsigned i = 0; i < PAGES; i++) {
		/* Neighbours are none physically. */
		map(XS + i * PAGE, x + (PAGES - 1 - i) * PAGE, PTE_ALL);
		map(YS + i * PAGE, y + (i ^ 1) * PAGE, PTE_ALL);
		map(Y_ALIAS + i * PAGE, y + (i ^ 1) * PAGE, PTE_ALL);
	}
	write_cr3(read_cr3());
}

static void litmus(enum place place, unsigned rounds)
{
	if (!smp_start(2))
		return;
	map_variables();
	place_variables(place);
	for (unsigned i = 0; i < ARRAY_LEN(litmus_tab); i++) {
		unsigned counted = 0, n = 0;

		now.t = &litmus_tab[i];
		if (now.t->threads > smp_cpus)
			continue;
		for (now.ring = 0; now.ring <= 3; now.ring += 3)
			for (unsigned k = 0; k < scaled(rounds); k++) {
				play(&counted);
				n += now.instances;
			}
		if (now.t->counted && place == ALIGNED)
			print("# %s: %u of %u show that they ran at once\n",
			      now.t->name, counted, n);
	}
}

static void serializing(void)
{
	unsigned counted;

	if (!smp_start(2))
		return;
	map_variables();
	place_variables(ALIGNED);
	for (unsigned i = 0; i < ARRAY_LEN(serial_tab); i++) {
		now.t = &serial_tab[i];
		for (now.ring = 0; now.ring <= (i < 2 ? 3 : 0); now.ring += 3)
			for (unsigned k = 0; k < scaled(6); k++)
				play(&counted);
	}
}

static void aligned(void) { litmus(ALIGNED, 8); }
static void odd(void) { litmus(ODD, 3); }
static void two_lines(void) { litmus(LINES, 3); }
static void two_pages(void) { litmus(PAGE_ENDS, 6); }
static void beside_code(void) { litmus(BESIDE_CODE, 2); }

const struct test tests[] = {
	{ "aligned", aligned },
	{ "odd", odd },
	{ "x in two lines", two_lines },
	{ "x in two pages", two_pages },
	{ "beside code", beside_code },
	{ "serializing instructions", serializing,
	  "none of them waits for earlier stores (SDM 3A 8.3)" },
	{ NULL },
};
