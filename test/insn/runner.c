/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runner.c - the main program of both worlds: makes cases, runs them, and
 * says what came of them.
 *
 * Words of the command line, all numbers (decimal):
 *
 *	mode=	0: a hash for each batch of cases ("B number hash")
 *		1: a hash for each case ("C number hash name")
 *		2: all about each case, before and after
 *		3: the features of this world's processor
 *		4: the code of each case, for coverage.c ("X bits vector code")
 *	seed= first= count= batch=
 *	skip=	features to leave out    kinds=  mask of kinds of cases
 *	row=	1 + the only row to take    tick=  microseconds
 *
 * A case leaves no trace: data pages and code get their old contents back. So
 * any case can be run alone.
 */
#include "gen.h"

#define TLS_BASE DATA_PAGE(1)
#define TLS_LIMIT (5 * PAGE_BYTES - 1)

static u8 template[DATA_PAGES * PAGE_BYTES] __attribute__((aligned(4096)));
static struct icase the_case;
static struct state state;

/* --- text --- */

static char text[2048];
static unsigned text_len;

static void say(const char *s)
{
	while (*s && text_len < sizeof(text) - 1)
		text[text_len++] = *s++;
}

static void say_hex(u64 v, unsigned digits)
{
	while (digits--)
		if (text_len < sizeof(text) - 1)
			text[text_len++] =
				"0123456789abcdef"[v >> (4 * digits) & 15];
}

static void say_number(u64 v)
{
	char d[24];
	unsigned n = sizeof(d);

	d[--n] = 0;
	do {
		/* No 64-bit division in 32-bit guests; this is none. */
		d[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	say(d + n);
}

static void say_line(void)
{
	say("\n");
	text[text_len] = 0;
	world_print(text);
	text_len = 0;
}

/* --- hashes --- */

static u64 mix(u64 h, u64 v)
{
	h = (h ^ v) * 0xff51afd7ed558ccd;
	return h ^ h >> 32;
}

static u64 load64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, 8);
	return v;
}

static u64 hash_xsave(u64 h, const u8 *x)
{
	u32 mxcsr;

	h = mix(h, load64(x)); /* CW SW TW FOP */
	h = mix(h, load64(x + 8)); /* FIP */
	h = mix(h, load64(x + 16)); /* FDP */
	memcpy(&mxcsr, x + XSAVE_MXCSR, 4);
	h = mix(h, mxcsr);
	for (unsigned i = 0; i < 8; i++) {
		h = mix(h, load64(x + XSAVE_ST + 16 * i));
		h = mix(h, load64(x + XSAVE_ST + 16 * i + 8) & 0xffff);
	}
	for (unsigned i = 0; i < 256; i += 8)
		h = mix(h, load64(x + XSAVE_XMM + i));
	for (unsigned i = 0; i < 256; i += 8)
		h = mix(h, load64(x + XSAVE_YMM + i));
	return h;
}

static u64 hash_state(const struct state *s)
{
	u64 h = 1;

	for (unsigned r = 0; r < 16; r++)
		h = mix(h, s->gpr[r]);
	h = mix(h, s->rip);
	h = mix(h, s->rflags);
	h = mix(h, s->fs_base);
	h = mix(h, s->gs_base);
	h = mix(h, s->cs | (u64)s->ss << 16 | (u64)s->ds << 32 |
			   (u64)s->es << 48);
	h = mix(h, s->fs | (u64)s->gs << 16 | (u64)s->vector << 32);
	h = mix(h, s->error);
	h = mix(h, s->cr2);
	return hash_xsave(h, s->xsave);
}

/* --- memory --- */

static void template_init(const struct gen_config *cfg)
{
	struct gen g = { .cfg = cfg, .random = cfg->seed ^ 0x5eed };

	for (u32 i = 0; i < sizeof(template); i += 16)
		value_vector(&g, template + i, 16);
	memset(template + 12 * PAGE_BYTES, 0, PAGE_BYTES); /* fuel */
}

static void data_init(void)
{
	for (u32 n = 0; n < DATA_PAGES; n++)
		if (data_page_rw(n))
			memcpy((void *)(uintptr_t)DATA_PAGE(n),
			       template + n * PAGE_BYTES, PAGE_BYTES);
}

static void say_memory(u32 at, u64 v)
{
	say("mem ");
	say_hex(at, 8);
	say(" ");
	say_hex(v, 16);
	say_line();
}

/* Folds what differs from the template into the hash, and puts it back. */
static u64 hash_page(u64 h, u32 n, bool loud, bool restore)
{
	volatile u64 *now = (volatile u64 *)(uintptr_t)DATA_PAGE(n);
	const u64 *was = (const u64 *)(template + n * PAGE_BYTES);

	for (u32 i = 0; i < PAGE_BYTES / 8; i++) {
		u64 v = now[i];

		if (v == was[i])
			continue;
		h = mix(mix(h, DATA_PAGE(n) + 8 * i), v);
		if (loud)
			say_memory(DATA_PAGE(n) + 8 * i, v);
		if (restore)
			now[i] = was[i];
	}
	return h;
}

static u64 hash_memory(u64 h, bool loud, bool restore)
{
	for (u32 n = 0; n < DATA_PAGES; n++)
		if (data_page_rw(n))
			h = hash_page(h, n, loud, restore);
	return h;
}

static void code_put(const struct icase *c, bool fill)
{
	u32 off = c->code_at - CODE_BASE;
	u8 *to = world_code(off / (CODE_AREA_PAGES * PAGE_BYTES)) +
		 off % (CODE_AREA_PAGES * PAGE_BYTES) - PAGE_BYTES;

	if (fill)
		memset(to, CODE_FILL, c->code_bytes);
	else
		memcpy(to, c->code, c->code_bytes);
}

/* --- one case --- */

static void say_reg(const char *name, u64 v)
{
	say(name);
	say(" ");
	say_hex(v, 16);
	say_line();
}

static void say_xsave(const u8 *x)
{
	say("x87 cw,sw,tw,op ");
	say_hex(load64(x), 16);
	say(" ip ");
	say_hex(load64(x + 8), 16);
	say(" dp ");
	say_hex(load64(x + 16), 16);
	say_line();
	for (unsigned i = 0; i < 8; i++) {
		say("st");
		say_number(i);
		say(" ");
		say_hex(load64(x + XSAVE_ST + 16 * i + 8), 4);
		say(" ");
		say_hex(load64(x + XSAVE_ST + 16 * i), 16);
		say_line();
	}
	say("mxcsr ");
	say_hex(load64(x + XSAVE_MXCSR) & 0xffffffff, 8);
	say_line();
	for (unsigned i = 0; i < 16; i++) {
		say("ymm");
		say_number(i);
		for (unsigned k = 4; k--;) {
			const u8 *half = x + (k < 2 ? XSAVE_XMM : XSAVE_YMM);

			say(k == 1 ? " : " : " ");
			say_hex(load64(half + 16 * i + 8 * (k & 1)), 16);
		}
		say_line();
	}
}

static void say_state(const struct state *s)
{
	static const char *const name_tab[16] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	};

	for (unsigned r = 0; r < 16; r++)
		say_reg(name_tab[r], s->gpr[r]);
	say_reg("rip", s->rip);
	say_reg("rflags", s->rflags);
	say_reg("fs.base", s->fs_base);
	say_reg("gs.base", s->gs_base);
	say("cs,ss,ds,es,fs,gs");
	say_hex(s->cs, 5), say(" "), say_hex(s->ss, 4), say(" ");
	say_hex(s->ds, 4), say(" "), say_hex(s->es, 4), say(" ");
	say_hex(s->fs, 4), say(" "), say_hex(s->gs, 4);
	say_line();
	say_xsave(s->xsave);
}

static void say_case(const struct icase *c)
{
	say("case ");
	say_number(c->number);
	say(c->long_mode ? " 64 " : " 32 ");
	say(c->what);
	say_line();
	say("code ");
	say_hex(c->code_at, 8);
	say(" ");
	for (u32 i = 0; i < c->code_bytes; i++) {
		say_hex(c->code[i], 2);
		if (text_len > 200) {
			say_line();
			say("code+ ");
		}
	}
	say_line();
	say_state(&c->in);
	hash_memory(0, true, false);
}

static void say_after(const struct state *s)
{
	say("after: vector ");
	say_number(s->vector);
	say(" error ");
	say_hex(s->error, 8);
	say(" cr2 ");
	say_hex(s->cr2, 16);
	say_line();
	say_state(s);
}

static void say_code(const struct icase *c, const struct state *s)
{
	say(c->long_mode ? "X 64 " : "X 32 ");
	say_number(s->vector);
	say(" ");
	for (u32 i = 0; i < c->code_bytes; i++)
		say_hex(c->code[i], 2);
	say_line();
}

static u64 run_case(const struct gen_config *cfg, u64 number, bool loud)
{
	struct icase *c = &the_case;
	u64 h;

	gen_case(cfg, number, c);
	if (loud)
		say_case(c);
	code_put(c, false);
	memcpy(&state, &c->in, sizeof(state));
	world_run(&state);
	excuse(c, &state);
	if (loud)
		say_after(&state);
	h = hash_state(&state);
	if (state.vector == VECTOR_ENDLESS)
		hash_memory(h, false, true);
	else
		h = hash_memory(h, loud, true);
	code_put(c, true);
	return h;
}

static void run_batch(const struct gen_config *cfg, u64 first, u64 count,
		      u64 mode)
{
	u64 h = 0;

	for (u64 n = first; n < first + count; n++) {
		u64 one = run_case(cfg, n, mode == 2);

		h = mix(h, one);
		if (mode == 4)
			say_code(&the_case, &state);
		if (!mode || mode == 4)
			continue;
		say("C ");
		say_number(n);
		say(" ");
		say_hex(one, 16);
		say(" ");
		say_number(state.vector);
		say(" ");
		say(the_case.what);
		say_line();
	}
	if (mode)
		return;
	say("B ");
	say_number(first);
	say(" ");
	say_hex(h, 16);
	say_line();
}

void runner_main(void)
{
	u64 mode = world_number("mode", 0), first = world_number("first", 0);
	u64 count = world_number("count", 1000);
	u64 batch = world_number("batch", 64);
	struct gen_config cfg = {
		.seed = world_number("seed", 1),
		.skip = world_number("skip", 0),
		.kinds = (u32)world_number("kinds", 0),
		.row = (u32)world_number("row", 0),
		.tls_base = TLS_BASE,
		.tls_limit = TLS_LIMIT,
	};

	if (mode == 3) {
		say("F ");
		say_number(world_features());
		say_line();
		say("rows ");
		say_number(row_count());
		say_line();
		say("end");
		say_line();
		return;
	}
	template_init(&cfg);
	world_init(template + 5 * PAGE_BYTES, TLS_BASE, TLS_LIMIT);
	data_init();
	for (u64 n = 0; n < count; n += batch)
		run_batch(&cfg, first + n,
			  batch < count - n ? batch : count - n, mode);
	say("end");
	say_line();
}
