/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - a block's two codes, for --trace=code: each guest instruction with
 * the host bytes made of it. The disassembler is the host's business, handed
 * in as a function (cmd/ links Zydis); without one, bytes are printed.
 */
#include "base/fmt.h"
#include "base/trace.h"
#include "engine/translate/engine.h"

static void line(const char *what, u64 addr, const u8 *p, unsigned n,
		 unsigned mode)
{
	char hex[3 * X86_INSN_MAX + 1], text[128];

	if (n > X86_INSN_MAX)
		n = X86_INSN_MAX;
	for (unsigned i = 0; i < n; i++)
		fmt_print(hex + 2 * i, 3, "%02x", p[i]);
	if (!trace_disassemble || !trace_disassemble(p, n, addr, mode, text,
						     sizeof(text)))
		fmt_print(text, sizeof(text), "?");
	trace_print(TRACE_CODE, "%s %llx  %-24s %s", what,
		    (unsigned long long)addr, hex, text);
}

static void host_lines(const u8 *from, const u8 *to)
{
	while (from < to) {
		struct x86_insn i;
		unsigned n = 1;

		if (x86_decode(from, (size_t)(to - from), X86_CODE64, &i) ==
		    X86_DECODE_OK)
			n = i.len;
		line("    ", (u64)(uintptr_t)from, from, n, X86_CODE64);
		from += n;
	}
}

void dump_block(const struct engine *e, const struct block *b,
		enum x86_code_size size)
{
	const u8 *g = gmem_hva(&e->vm->mem, b->gpa, 1);
	unsigned page = (unsigned)(PAGE_SIZE - (b->gpa & ~PAGE_MASK));

	trace_print(TRACE_CODE, "block %llx key %x, %s flags first",
		    (unsigned long long)b->gpa, b->key,
		    b->pref == FLAGS_SAVED ? "saved" : "live");
	host_lines(b->host, b->host + b->meta[0].host);
	for (unsigned k = 0; k < b->meta_count; k++) {
		const struct insn_meta *m = &b->meta[k];
		unsigned n = (k + 1u < b->insn_count ? m[1].guest :
						       b->guest_bytes) -
			     m->guest;
		const u8 *from = b->host + m->host;
		const u8 *end = from < b->host + b->host_bytes ?
					b->host + b->host_bytes :
					b->cold + b->cold_bytes;

		if (k + 1u < b->meta_count && b->host + m[1].host < end)
			end = b->host + m[1].host;
		if (k < b->insn_count && m->guest + n <= page)
			line("guest", b->gpa + m->guest, g + m->guest, n,
			     size);
		host_lines(from, end);
	}
}
