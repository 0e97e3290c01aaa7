/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_fuzz.c - any bytes as code. The first says which mode, the rest is
 * decoded as far as it goes; what comes out must be consistent in itself.
 */
#include <stdlib.h>
#include <string.h>

#include "x86/insn.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check_that(bool ok)
{
	if (!ok)
		abort();
}

static void check_insn(const struct x86_insn *i)
{
	check_that(i->len >= 1 && i->len <= X86_INSN_MAX);
	check_that(i->cls != X86_C_INVALID && i->cls < X86_C_COUNT);
	check_that(i->opcode_off < i->len);
	check_that(i->disp_off + i->disp_len <= i->len);
	check_that(i->imm_off + i->imm_len + i->imm2_len <= i->len);
	check_that(i->reg < 16 && i->rm < 16 && i->vvvv < 16);
	check_that(i->base < 16 || i->base == X86_BASE_NONE ||
		   i->base == X86_BASE_RIP);
	check_that(i->index < 16 || i->index == X86_BASE_NONE);
	check_that(i->seg <= X86_GS && i->scale <= 3);
	check_that(!(i->flags_maybe & ~i->flags_written));
	check_that(!((i->flags_read | i->flags_written) & ~FLAG_ARITH));
	/* What is copied and touches memory says how much. */
	if (i->cls == X86_C_COPY && i->mem_acc)
		check_that(i->mem_bytes && i->mem_bytes <= 32);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const enum x86_code_size size_tab[] = { X86_CODE64, X86_CODE32,
						       X86_CODE16 };
	struct x86_insn whole, exact;
	enum x86_code_size mode;
	enum x86_decode_result r;

	if (!size)
		return 0;
	mode = size_tab[*data % 3];
	for (data++, size--; size;) {
		size_t step = 1;

		r = x86_decode(data, size, mode, &whole);
		if (r == X86_DECODE_OK) {
			step = whole.len;
			check_insn(&whole);
			r = x86_decode(data, step, mode, &exact);
			check_that(r == X86_DECODE_OK);
			check_that(!memcmp(&whole, &exact, sizeof(whole)));
			r = x86_decode(data, step - 1, mode, &exact);
			check_that(r == X86_DECODE_SHORT);
		} else {
			check_that(whole.cls == X86_C_INVALID);
			check_that(r != X86_DECODE_SHORT ||
				   size < X86_INSN_MAX);
		}
		data += step;
		size -= step;
	}
	return 0;
}
