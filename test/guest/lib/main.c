/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the guest's table of tests and reports them as TAP.
 */
#include "machine.h"
#include "pages.h"

#define MULTIBOOT_MAGIC 0x2badb002
#define DEBUG_EXIT_PORT 0xf4
#define MAX_DIAGNOSTICS 12

const char *cmdline = "";

static char cmdline_copy[1024];
static bool is_tcg;

static struct {
	const char *skip;
	unsigned failures, diagnostics;
} current;

bool machine_is_tcg(void)
{
	return is_tcg;
}

static bool detect_tcg(void)
{
	struct cpuid c = cpuid(1);

	if (!(c.c & 1u << 31))
		return false;
	c = cpuid(0x40000000);
	return c.b == 0x54474354; /* "TCGT" */
}

void guest_exit(u32 value)
{
	outl(DEBUG_EXIT_PORT, value);
	/* Only without the exit device: stop in a way that is seen. */
	for (;;)
		asm volatile("cli; hlt");
}

void bail(const char *fmt, ...)
{
	va_list ap;

	print("Bail out! ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	print("\n");
	guest_exit(1);
}

/* A small formatter for contexts: they are kept, not printed at once. */
void context(const char *fmt, ...)
{
	char *out = this_cpu()->context;
	char *end = out + sizeof(this_cpu()->context) - 24;
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt && out < end; fmt++) {
		unsigned longs = 0;
		bool hex;
		u64 v;

		if (*fmt != '%') {
			*out++ = *fmt;
			continue;
		}
		fmt++;
		if (*fmt == '#')
			fmt++;
		for (; *fmt == 'l'; fmt++)
			longs++;
		if (*fmt == 's') {
			for (const char *s = va_arg(ap, const char *);
			     *s && out < end; s++)
				*out++ = *s;
			continue;
		}
		hex = *fmt == 'x' || *fmt == 'p';
		if (longs == 2)
			v = va_arg(ap, u64);
		else if (longs || *fmt == 'p')
			v = va_arg(ap, ulong);
		else
			v = va_arg(ap, unsigned);
		if (hex) {
			int shift = 60;

			*out++ = '0';
			*out++ = 'x';
			while (shift && !(v >> shift))
				shift -= 4;
			for (; shift >= 0; shift -= 4)
				*out++ = "0123456789abcdef"[v >> shift & 15];
		} else {
			u32 d = v, div = 1000000000;

			while (div > 1 && d < div)
				div /= 10;
			for (; div; div /= 10)
				*out++ = '0' + d / div % 10;
		}
	}
	va_end(ap);
	*out = 0;
}

void skip(const char *why)
{
	current.skip = why;
}

void check_failed(const char *file, int line, const char *fmt, ...)
{
	struct cpu *c = this_cpu();
	va_list ap;

	if (__atomic_add_fetch(&current.failures, 1, __ATOMIC_RELAXED) >
	    current.diagnostics)
		return;
	for (const char *s = file; *s; s++)
		if (*s == '/')
			file = s + 1;
	output_lock();
	print("# ");
	if (c->index)
		print("cpu %u: ", c->index);
	print("%s:%d: ", file, line);
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	if (c->context[0])
		print(" [%s]", c->context);
	print("\n");
	output_unlock();
}

static bool contains(const char *s, const char *word, size_t n)
{
	for (; *s; s++) {
		size_t i = 0;

		while (i < n && s[i] == word[i])
			i++;
		if (i == n)
			return true;
	}
	return false;
}

static const char *cmdline_value(const char *key)
{
	size_t n = strlen(key);

	for (const char *s = cmdline; *s; s++)
		if ((s == cmdline || s[-1] == ' ') && !memcmp(s, key, n) &&
		    s[n] == '=')
			return s + n + 1;
	return NULL;
}

ulong cmdline_number(const char *key, ulong otherwise)
{
	const char *s = cmdline_value(key);
	ulong v = 0;

	if (!s)
		return otherwise;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (*s - '0');
	return v;
}

static void machine_reset(void)
{
	control_reset();
	pages_reset();
	tables_reset();
	trap_reset();
	interrupts_reset();
}

static void call_test(ulong arg)
{
	((const struct test *)arg)->fn();
}

/* True if the test passed, in whatever way counts as passing. */
static bool run_test(const struct test *t, unsigned number)
{
	struct regs r;
	bool passed;

	memset(&current, 0, sizeof(current));
	this_cpu()->context[0] = 0;
	current.diagnostics = t->qemu && is_tcg ? 1 : MAX_DIAGNOSTICS;
	machine_reset();
	r = trap_of_arg(call_test, (ulong)t);
	cli();
#ifdef __x86_64__
	smp_reset();
#endif
	if (r.vector != V_NONE) {
		control_reset();
		check_failed(t->name, 0, "unexpected trap");
		trap_print(&r);
	}
	if (current.failures > current.diagnostics)
		print("# and %u more failed checks\n",
		      current.failures - current.diagnostics);
	passed = !current.failures;
	if (passed && t->qemu && is_tcg && !current.skip)
		print("# passes, though noted as wrong under QEMU: %s\n",
		      t->qemu);
	print("%s %u - %s", passed ? "ok" : "not ok", number, t->name);
	if (current.skip)
		print(" # SKIP %s", current.skip);
	else if (!passed && t->qemu && is_tcg) {
		print(" # TODO known wrong under QEMU: %s", t->qemu);
		passed = true;
	}
	print("\n");
	return passed;
}

static void keep_cmdline(ulong magic, ulong info)
{
	const u32 *mbi = (const u32 *)info;
	const char *s;
	size_t n = 0;

	if ((u32)magic != MULTIBOOT_MAGIC || !(mbi[0] & 4))
		return;
	for (s = (const char *)(ulong)mbi[4];
	     s[n] && n < sizeof(cmdline_copy) - 1; n++)
		cmdline_copy[n] = s[n];
	cmdline = cmdline_copy;
}

void guest_main(ulong magic, ulong info)
{
	const char *only, *end;
	unsigned number = 0;
	bool passed = true;

	memset(this_cpu(), 0, sizeof(struct cpu));
	output_init();
	keep_cmdline(magic, info);
	is_tcg = detect_tcg();
	only = cmdline_value("only");
	for (end = only; end && *end && *end != ' '; end++)
		;
	print("TAP version 13\n");
	for (const struct test *t = tests; t->name; t++) {
		if (only && !contains(t->name, only, end - only))
			continue;
		if (!run_test(t, ++number))
			passed = false;
	}
	print("1..%u\n", number);
	guest_exit(passed ? 0 : 1);
}
