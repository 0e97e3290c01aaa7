/* SPDX-License-Identifier: Apache-2.0 */
/* disasm.c - text for --trace=code, by Zydis. */
#include "cmd/disasm.h"

#include <Zydis/Zydis.h>

static ZydisDecoder decoder_for(unsigned mode)
{
	ZydisMachineMode m = mode == 8 ? ZYDIS_MACHINE_MODE_LONG_64 :
			     mode == 4 ? ZYDIS_MACHINE_MODE_LEGACY_32 :
					 ZYDIS_MACHINE_MODE_LEGACY_16;
	ZydisStackWidth w = mode == 8 ? ZYDIS_STACK_WIDTH_64 :
			    mode == 4 ? ZYDIS_STACK_WIDTH_32 :
					ZYDIS_STACK_WIDTH_16;
	ZydisDecoder d;

	ZydisDecoderInit(&d, m, w);
	return d;
}

bool disasm(const u8 *p, unsigned n, u64 addr, unsigned mode, char *text,
	    size_t size)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecoder d = decoder_for(mode);
	ZydisDecodedInstruction insn;
	ZydisFormatter f;

	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, p, n, &insn, operands)))
		return false;
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	return ZYAN_SUCCESS(ZydisFormatterFormatInstruction(
		&f, &insn, operands, insn.operand_count_visible, text, size,
		addr, NULL));
}
