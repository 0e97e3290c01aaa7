/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.h - windows: guest virtual memory as the host's own processor maps
 * it, so that generated code reaches it without looking anything up.
 *
 * A slot is what one entry of the guest's top table covers, 512 GiB. A window
 * is host address space of that size in which one slot of one guest address
 * space is shown: guest address va is at va + delta, and delta depends on the
 * slot alone. Pages appear in it as they are touched (a host fault each) and
 * go when the guest flushes its TLB and its tables say something else.
 *
 * Isolation: a window and the guards around it hold pages of guest RAM or
 * nothing. Generated code reads the delta by the slot number of the very
 * address that it uses, or of one that is at most WINDOW_REACH away.
 */
#ifndef DOPPEL_TRANSLATE_WINDOW_H
#define DOPPEL_TRANSLATE_WINDOW_H

#include "base/base.h"
#include "vm/gmem.h"
#include "x86/mem.h"

#define WINDOW_SHIFT 39
#define WINDOW_SLOTS 512u
#define WINDOW_BYTES BIT64(WINDOW_SHIFT)
/* How far from the address whose slot was looked up generated code accesses
 * at most: a displacement, an index of 32 bits, and what registers may have
 * moved by meanwhile. The guards are larger than that and any operand. */
#define WINDOW_REACH GiB(44)
#define WINDOW_GUARD GiB(48)

/* With more than this many, none has any. */
#define WINDOW_CPUS 32u

enum window_right { WINDOW_USER, WINDOW_KERNEL, WINDOW_RIGHTS };

struct tcpu;
struct engine;
struct windows;
struct space;
struct host_fault;

/* A VM's; NULL: it has none, and everything works without. */
u8 *window_trap_new(void);
void window_trap_free(u8 *trap);
/* A vCPU has its own, as a processor its TLB. */
int windows_init(struct tcpu *t) MUST_CHECK;
void windows_fini(struct tcpu *t);

/* --- the architecture's flushes --- */
/* CR3 was written; @keep: what is cached for its PCID stays good. */
void window_switch(struct tcpu *t, bool keep);
void window_flush_all(struct tcpu *t); /* and the mode may have changed */
void window_flush_local(struct tcpu *t);
void window_flush_page(struct tcpu *t, gva_t va);
/* Address space @n (of t->asid) has not seen any page of the kernel's. */
void window_forget_asid(struct tcpu *t, unsigned n);
/* Address spaces that are not the current one are flushed. */
void window_flush_others(struct tcpu *t);

/* The page at @gpa may not be written through a window of @t any more, and is
 * not being written. Any thread. */
void window_protect(struct tcpu *t, gpa_t gpa);

/* What to do about a host fault at an access of windowed code. */
enum window_answer {
	WINDOW_AGAIN, /* the page is there now: run it again */
	WINDOW_FAULT, /* the guest's: *f */
	WINDOW_SOFT, /* run the instruction by the software TLB */
};
/* *@delta: what the access added to the guest's address; if the page has come
 * with a new window, what it is to add now. */
enum window_answer window_fault(struct tcpu *t, const struct host_fault *h,
				u64 *delta, struct x86_fault *f);

/* The user's code faulted at @va, and the guest is being told. */
void window_note_fault(struct tcpu *t, gva_t va);
/* The user's code is about to run: if t->window_due. */
void window_settle(struct tcpu *t);

/* An interrupt came while user code ran: is its address space worth it? */
void window_tick(struct tcpu *t);

/* Code that often needs the software TLB is translated for it. Under the
 * engine's lock. */
bool window_is_soft(const struct engine *e, gpa_t gpa);
void window_make_soft(struct engine *e, gpa_t gpa);

#endif
