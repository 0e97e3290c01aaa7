/* SPDX-License-Identifier: Apache-2.0 */
/* disasm.h - the disassembler that traces use (trace_disassemble). */
#ifndef DOPPEL_CMD_DISASM_H
#define DOPPEL_CMD_DISASM_H

#include "base/base.h"

/* As base/trace.h says of trace_disassemble. @mode 2, 4 or 8. */
bool disasm(const u8 *p, unsigned n, u64 addr, unsigned mode, char *text,
	    size_t size);

#endif
