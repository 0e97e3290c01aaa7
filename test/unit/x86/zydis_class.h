/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zydis_class.h - Zydis's instructions in Doppel's terms, written down by name
 * and so independent of the decoder's tables by opcode.
 */
#ifndef DOPPEL_TEST_ZYDIS_CLASS_H
#define DOPPEL_TEST_ZYDIS_CLASS_H

#include <Zydis/Zydis.h>

#include "x86/insn.h"

/* Instructions that are undefined for guests: EVEX, XOP, SVM.. */
bool oracle_is_hidden(const ZydisDecodedInstruction *z);

enum x86_class oracle_class(const ZydisDecodedInstruction *z,
			    const ZydisDecodedOperand *ops);

#endif
