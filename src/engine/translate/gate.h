/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - exceptions, interrupts and IRET between 64-bit user code and a
 * 64-bit kernel, the short way: see gate.c.
 */
#ifndef DOPPEL_TRANSLATE_GATE_H
#define DOPPEL_TRANSLATE_GATE_H

#include "engine/translate/engine.h"

/*
 * RFLAGS of the user's with which the short way is not gone: a single step,
 * alignment checks, strings downwards, a nested task. RF does nothing without
 * breakpoints.
 */
#define GATE_FLAGS_ODD (FLAG_TF | FLAG_NT | FLAG_VM | FLAG_AC | FLAG_DF)

/* Delivers; or returns false, and nothing has been done. x86.rip is what is to
 * be pushed. @kind: enum x86_event_kind. */
bool gate_enter(struct tcpu *t, int kind, const struct x86_fault *f);
/* It was delivered the long way, from 64-bit user code. */
void gate_note(struct tcpu *t, u8 vector);

/* IRETQ, of kernel code; the same. What hangs on the mode is not updated. */
bool gate_return(struct tcpu *t);
void gate_note_return(struct tcpu *t);
/* The GDT is another. */
void gate_forget_return(struct tcpu *t);

#endif
