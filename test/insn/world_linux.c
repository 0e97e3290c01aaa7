/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world_linux.c - the world of the oracle: a static process without a library,
 * for a library would want FS, vector registers and low addresses for itself.
 * Before the first case it gives up all system calls but those that it needs:
 * a case that goes astray can do no harm.
 */
#include "gen.h"

enum {
	SYS_WRITE = 1, SYS_MMAP = 9, SYS_MPROTECT = 10, SYS_RT_SIGACTION = 13,
	SYS_RT_SIGRETURN = 15,
	SYS_SETITIMER = 38,
	SYS_FTRUNCATE = 77, SYS_EXIT = 60, SYS_SIGALTSTACK = 131,
	SYS_ARCH_PRCTL = 158, SYS_PRCTL = 157,
	SYS_MEMFD_CREATE = 319, SYS32_SET_THREAD_AREA = 243,
};

/* asm/sigcontext.h, asm/ucontext.h: the 64-bit frame */
struct sigcontext64 {
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 di, si, bp, bx, dx, ax, cx, sp, ip, flags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2;
	u8 *fpstate;
	u64 reserved[8];
};

struct ucontext64 {
	u64 flags, link;
	struct {
		void *sp;
		u32 flags;
		u64 size;
	} stack;
	struct sigcontext64 mc;
	u64 mask;
};

struct kernel_sigaction {
	void *handler;
	u64 flags;
	void *restorer;
	u64 mask;
};

struct user_desc {
	u32 entry_number, base, limit, flags;
};

struct ucontext64 *enter(const struct ucontext64 *from);
struct ucontext64 *capture(void);
__attribute__((visibility("hidden"))) void handler_entry(void);
__attribute__((visibility("hidden"))) void handler_restorer(void);
__attribute__((visibility("hidden"))) void tick_entry(void);
bool tick(void);
__attribute__((noreturn)) void linux_main(int argc, char **argv);

static char **words;
static u8 *code_alias;
static bool has_fsgsbase;
static u64 runs; /* of world_run() */
static bool ended_by_tick;
static struct ucontext64 start;
static u8 start_fp[16384] __attribute__((aligned(64)));
static u8 alt_stack[65536] __attribute__((aligned(64)));

static long sys6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
		       "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static long sys3(long n, long a, long b, long c)
{
	return sys6(n, a, b, c, 0, 0, 0);
}

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;

	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;

	asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return dst;
}

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void world_print(const char *s)
{
	static char out[65536];
	static size_t used;
	size_t n = length(s);
	bool end = n == 4 && s[0] == 'e' && s[1] == 'n' && s[2] == 'd';

	if (used + n > sizeof(out)) {
		sys3(SYS_WRITE, 1, (long)out, (long)used);
		used = 0;
	}
	memcpy(out + used, s, n);
	used += n;
	if (end || used > 4096) {
		sys3(SYS_WRITE, 1, (long)out, (long)used);
		used = 0;
	}
}

static __attribute__((noreturn)) void leave(int status)
{
	for (;;)
		sys3(SYS_EXIT, status, 0, 0);
}

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	sys3(SYS_WRITE, 2, (long)what, (long)length(what));
	sys3(SYS_WRITE, 2, (long)"\n", 1);
	leave(2);
}

u64 world_number(const char *key, u64 otherwise)
{
	size_t n = length(key);

	for (char **w = words; *w; w++) {
		const char *s = *w;
		size_t i = 0;
		u64 v = 0;

		while (i < n && s[i] == key[i])
			i++;
		if (i < n || s[i] != '=')
			continue;
		for (s += n + 1; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (u64)(*s - '0');
		return v;
	}
	return otherwise;
}

static void cpuid(u32 leaf, u32 *r)
{
	asm volatile("cpuid"
		     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(leaf == 0xd ? 1 : 0));
}

static bool feature(u32 leaf, u32 reg, u32 bit)
{
	u32 r[4];

	cpuid(leaf & 0x80000000, r);
	if (leaf > r[0])
		return false;
	cpuid(leaf, r);
	return r[reg] >> bit & 1;
}

/* Not by CPUID alone: the kernel must have allowed it. AT_HWCAP2, bit 1. */
static bool fsgsbase_enabled(void)
{
	char **p = words;
	u64 *aux;

	while (*p)
		p++;
	for (p++; *p; p++) /* environment */
		;
	for (aux = (u64 *)(p + 1); aux[0]; aux += 2)
		if (aux[0] == 26)
			return aux[1] & 2;
	return false;
}

u64 world_features(void)
{
	u64 f = 0;

#define X(name, leaf, reg, bit)                                               \
	if (feature(leaf, reg, bit))                                          \
		f |= BIT(FEAT_##name);
	FEATURES(X)
#undef X
	if (!has_fsgsbase)
		f &= ~BIT(FEAT_FSGSBASE);
	return f;
}

u8 *world_code(unsigned region)
{
	return code_alias + region * CODE_AREA_BYTES;
}

static void *map(u64 at, u64 bytes, int prot, long fd, u64 off)
{
	/* MAP_SHARED or MAP_PRIVATE|MAP_ANONYMOUS; MAP_FIXED_NOREPLACE */
	long flags = (fd >= 0 ? 1 : 0x22) | (at ? 0x100000 : 0);
	long r = sys6(SYS_MMAP, (long)at, (long)bytes, prot, flags, fd,
		      (long)off);

	need(r >= 0 || r < -4095, "insn: cannot map a page");
	need(!at || (u64)r == at, "insn: an address is taken");
	return (void *)r;
}

static void map_data(const u8 *ro)
{
	for (u32 n = 0; n < DATA_PAGES; n++)
		if (data_page_rw(n))
			map(DATA_PAGE(n), PAGE_BYTES, 3, -1, 0);
	map(DATA_PAGE(5), PAGE_BYTES, 3, -1, 0);
	memcpy((void *)(uintptr_t)DATA_PAGE(5), ro, PAGE_BYTES);
	sys3(SYS_MPROTECT, DATA_PAGE(5), PAGE_BYTES, 1);
}

static void map_code(void)
{
	u64 all = CODE_AREAS * CODE_AREA_BYTES;
	long fd = sys3(SYS_MEMFD_CREATE, (long)"code", 0, 0);

	need(fd >= 0 && !sys3(SYS_FTRUNCATE, fd, (long)all, 0),
	     "insn: no memfd");
	code_alias = map(0, all, 3, fd, 0);
	memset(code_alias, CODE_FILL, all);
	for (u32 n = 0; n < CODE_AREAS; n++)
		map(CODE_AREA(n) + PAGE_BYTES, CODE_AREA_BYTES, 5, fd,
		    n * CODE_AREA_BYTES);
}

/* Once in a while during a case: shall it end? See tick_entry. */
bool tick(void)
{
	static u64 of_run;
	static unsigned ticks;

	ticks = of_run == runs ? ticks + 1 : 0;
	of_run = runs;
	ended_by_tick = ticks * tick_us() >= ENDLESS_US;
	return ended_by_tick;
}

#define SIGVTALRM 26

static void catch_signals(void)
{
	static const u8 signal_tab[] = { 4, 5, 7, 8, 11 };
	/* SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_NODEFER. No tick once a
	 * case has ended, until the next one begins: the frame is in use. */
	struct kernel_sigaction sa = { (void *)handler_entry, 0x4c000004,
				       (void *)handler_restorer,
				       BIT(SIGVTALRM - 1) };
	struct kernel_sigaction sa_tick = { (void *)tick_entry, 0x4c000004,
					    (void *)handler_restorer,
					    BIT(SIGVTALRM - 1) };
	/* interval and first, each in seconds and microseconds */
	u64 timer[4] = { 0, tick_us(), 0, tick_us() };
	struct {
		void *sp;
		u64 flags, size;
	} ss = { alt_stack, 0, sizeof(alt_stack) };

	sys3(SYS_SIGALTSTACK, (long)&ss, 0, 0);
	for (unsigned i = 0; i < sizeof(signal_tab); i++)
		sys6(SYS_RT_SIGACTION, signal_tab[i], (long)&sa, 0, 8, 0, 0);
	sys6(SYS_RT_SIGACTION, SIGVTALRM, (long)&sa_tick, 0, 8, 0, 0);
	sys3(SYS_SETITIMER, 1, (long)timer, 0); /* of user time */
}

/* There is only a 32-bit system call for this. */
static void set_tls(u32 base, u32 limit)
{
	struct user_desc d = { SEL_TLS >> 3, base, limit, 1 };
	u32 at = DATA_PAGE(1); /* such a call takes a low address */
	int ret;

	memcpy((void *)(uintptr_t)at, &d, sizeof(d));
	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(SYS32_SET_THREAD_AREA), "b"(at)
		     : "r8", "r9", "r10", "r11", "memory");
	need(!ret, "insn: no TLS descriptor");
}

/* A frame to start from: the kernel's own, of a trap. */
static void capture_frame(void)
{
	struct ucontext64 *u = capture();
	u32 bytes;

	need(u->mc.fpstate && u->flags & 1, "insn: frames without XSAVE");
	memcpy(&bytes, u->mc.fpstate + 464 + 4, 4); /* extended_size */
	need(bytes >= XSAVE_BYTES && bytes <= sizeof(start_fp),
	     "insn: no AVX in frames");
	memcpy(&start, u, sizeof(start));
	memcpy(start_fp, u->mc.fpstate, bytes);
	start.mc.fpstate = start_fp;
}

/* By a filter: the strict mode of seccomp takes RDTSC away, too. */
static void give_up_system_calls(void)
{
	static const struct {
		u16 code;
		u8 if_true, if_false;
		u32 k;
	} filter[] = {
		{ 0x20, 0, 0, 4 }, /* load the architecture */
		{ 0x15, 0, 6, 0xc000003e }, /* x86-64, not by INT 0x80 */
		{ 0x20, 0, 0, 0 }, /* the number */
		{ 0x15, 3, 0, SYS_WRITE },
		{ 0x15, 2, 0, SYS_RT_SIGRETURN },
		{ 0x15, 1, 0, SYS_ARCH_PRCTL },
		{ 0x15, 0, 1, SYS_EXIT },
		{ 0x06, 0, 0, 0x7fff0000 }, /* allow */
		{ 0x06, 0, 0, 0x80000000 }, /* kill */
	};
	const struct {
		u16 count;
		const void *filter;
	} program = { ARRAY_LEN(filter), filter };

	need(!sys3(SYS_PRCTL, 38, 1, 0) && /* PR_SET_NO_NEW_PRIVS */
	     !sys3(SYS_PRCTL, 22, 2, (long)&program), /* PR_SET_SECCOMP */
	     "insn: no seccomp");
}

void world_init(const u8 *ro, u32 tls_base, u32 tls_limit)
{
	map_data(ro);
	map_code();
	set_tls(tls_base, tls_limit);
	catch_signals();
	capture_frame();
	if (!world_number("free", 0))
		give_up_system_calls();
}

static void load_segments(const struct state *s)
{
	asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs; mov %3, %%gs"
		     :: "r"((u32)s->ds), "r"((u32)s->es), "r"((u32)s->fs),
			"r"((u32)s->gs) : "memory");
	if (s->cs != SEL_USER64)
		return;
	if (has_fsgsbase) {
		asm volatile("wrfsbase %0; wrgsbase %1"
			     :: "r"(s->fs_base), "r"(s->gs_base));
	} else {
		sys3(SYS_ARCH_PRCTL, 0x1002, (long)s->fs_base, 0);
		sys3(SYS_ARCH_PRCTL, 0x1001, (long)s->gs_base, 0);
	}
}

static void store_segments(struct state *s)
{
	u32 ds, es, fs, gs;

	asm volatile("mov %%ds, %0; mov %%es, %1; mov %%fs, %2; mov %%gs, %3"
		     : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	s->ds = (u16)ds;
	s->es = (u16)es;
	s->fs = (u16)fs;
	s->gs = (u16)gs;
	if (has_fsgsbase) {
		asm volatile("rdfsbase %0; rdgsbase %1"
			     : "=r"(s->fs_base), "=r"(s->gs_base));
	} else {
		sys3(SYS_ARCH_PRCTL, 0x1003, (long)&s->fs_base, 0);
		sys3(SYS_ARCH_PRCTL, 0x1004, (long)&s->gs_base, 0);
	}
}

/* MIRRORS: the order of registers in struct sigcontext64. */
static const u8 order_tab[16] = { 8, 9, 10, 11, 12, 13, 14, 15, RDI, RSI, RBP,
				  RBX, RDX, RAX, RCX, RSP };

void world_run(struct state *s)
{
	u64 *r = &start.mc.r8;
	struct ucontext64 *u;

	for (unsigned i = 0; i < 16; i++)
		r[i] = s->gpr[order_tab[i]];
	start.mc.ip = s->rip;
	start.mc.flags = s->rflags;
	start.mc.cs = s->cs;
	start.mc.ss = s->ss;
	memcpy(start_fp, s->xsave, 464);
	memcpy(start_fp + XSAVE_HEADER, s->xsave + XSAVE_HEADER,
	       XSAVE_BYTES - XSAVE_HEADER);
	load_segments(s);
	runs++;
	u = enter(&start);
	store_segments(s);
	r = &u->mc.r8;
	for (unsigned i = 0; i < 16; i++)
		s->gpr[order_tab[i]] = r[i];
	s->rip = u->mc.ip;
	s->rflags = u->mc.flags;
	s->cs = u->mc.cs;
	s->ss = u->mc.ss;
	s->vector = ended_by_tick ? VECTOR_ENDLESS : (u32)u->mc.trapno;
	ended_by_tick = false;
	s->error = u->mc.err;
	s->cr2 = u->mc.cr2;
	memcpy(s->xsave, u->mc.fpstate, XSAVE_BYTES);
}

void linux_main(int argc, char **argv)
{
	words = argv;
	has_fsgsbase = fsgsbase_enabled();
	runner_main();
	leave(0);
}
