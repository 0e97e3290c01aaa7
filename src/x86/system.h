/* SPDX-License-Identifier: Apache-2.0 */
/*
 * system.h - what the processor does around instructions, as functions over
 * struct x86_state: segment loading, far transfers, exceptions, interrupts,
 * and the returns from them, in real, protected, compatibility and long mode.
 *
 * All return 0, or -1 with *@f filled; then the state is as before, except
 * where the architecture says otherwise. They touch guest memory only through
 * @m, check before they write, and never look at host state. s->rip on entry
 * is the address of the current instruction, unless said otherwise.
 */
#ifndef DOPPEL_X86_SYSTEM_H
#define DOPPEL_X86_SYSTEM_H

#include "base/base.h"
#include "x86/mem.h"
#include "x86/state.h"

/* --- segments (segment.c) --- */

/* Loads @sel into a data segment register, SS included (not CS). */
int x86_load_sreg(struct x86_state *s, const struct x86_mem *m,
		  enum x86_sreg r, u16 sel, struct x86_fault *f);
/* Real-mode and virtual-8086 form: base = sel * 16. Cannot fail. */
void x86_load_sreg_real(struct x86_state *s, enum x86_sreg r, u16 sel);
int x86_lldt(struct x86_state *s, const struct x86_mem *m, u16 sel,
	     struct x86_fault *f);
int x86_ltr(struct x86_state *s, const struct x86_mem *m, u16 sel,
	    struct x86_fault *f);

/* LAR, LSL: return ZF and the value; VERR, VERW: return ZF. A fault of the
 * descriptor read itself (#PF) is -1. */
int x86_lar(struct x86_state *s, const struct x86_mem *m, u16 sel, bool *zf,
	    u32 *value, struct x86_fault *f);
int x86_lsl(struct x86_state *s, const struct x86_mem *m, u16 sel, bool *zf,
	    u32 *value, struct x86_fault *f);
int x86_verr_verw(struct x86_state *s, const struct x86_mem *m, u16 sel,
		  bool write, bool *zf, struct x86_fault *f);

/* --- far transfers (far.c) --- @next_rip: address after the instruction.
 * @opsize 2, 4 or 8 bytes. On success s->rip, CS (SS, RSP..) are new. A
 * task switch (outside long mode; x86_deliver can make one too) also changes
 * CR3, LDTR and CR0.TS: whoever caches translations compares CR3. */
int x86_jmp_far(struct x86_state *s, const struct x86_mem *m, u16 sel,
		u64 offset, unsigned opsize, u64 next_rip,
		struct x86_fault *f);
int x86_call_far(struct x86_state *s, const struct x86_mem *m, u16 sel,
		 u64 offset, unsigned opsize, u64 next_rip,
		 struct x86_fault *f);
int x86_ret_far(struct x86_state *s, const struct x86_mem *m, unsigned opsize,
		unsigned pop_bytes, struct x86_fault *f);
int x86_iret(struct x86_state *s, const struct x86_mem *m, unsigned opsize,
	     struct x86_fault *f);

/* --- fast system calls (syscall.c) --- @next_rip as above. Where
 * the vendors differ, s->intel chooses (see the head of syscall.c). */
int x86_syscall(struct x86_state *s, u64 next_rip, struct x86_fault *f);
int x86_sysret(struct x86_state *s, unsigned opsize, struct x86_fault *f);
int x86_sysenter(struct x86_state *s, struct x86_fault *f);
int x86_sysexit(struct x86_state *s, unsigned opsize, struct x86_fault *f);

/* CS and SS as SYSCALL and the 64-bit SYSRET load them in long mode. */
void x86_syscall_segments(const struct x86_state *s, struct x86_seg seg[2]);
void x86_sysret_segments(const struct x86_state *s, struct x86_seg seg[2]);
/* RFLAGS that SYSRET takes from R11: all defined ones but RF and VM. */
#define X86_SYSRET_FLAGS                                                  \
	(FLAG_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT | \
	 FLAG_AC | FLAG_VIF | FLAG_VIP | FLAG_ID)

/* --- exceptions and interrupts (deliver.c) --- */

enum x86_event_kind {
	X86_EVENT_HW_EXCEPTION, /* fault or trap; s->rip is what is pushed */
	X86_EVENT_INTR, /* external interrupt, NMI: EXT set in nested errors */
	X86_EVENT_SOFT_INT, /* INT n, INT3, INTO: gate DPL is checked */
	X86_EVENT_INT1, /* ICEBP: as INT n without the DPL check */
};

/*
 * Delivers one event through the IDT (or the real-mode table): pushes the
 * frame with s->rip and s->rflags, switches stack and privilege, sets CR2 for
 * #PF, DR6 as it stands. s->rip must already be what is to be pushed: the
 * faulting instruction, or the next one for traps, INT n (with
 * event->insn_len set) and interrupts.
 *
 * The caller has seen to IF, shadows and priorities; sets nmi_masked for an
 * NMI; and raises #GP(0) itself for INT n in virtual-8086 mode with IOPL < 3.
 *
 * If delivery itself faults: 0 is returned all the same when the combination
 * could be delivered (benign, contributory and page faults combine to #DF as
 * in SDM 3A table 6-5); -1 means triple fault: the processor shuts down and
 * the state is that of the first fault.
 */
int x86_deliver(struct x86_state *s, const struct x86_mem *m,
		enum x86_event_kind kind, const struct x86_fault *event)
	MUST_CHECK;

/*
 * Is it a fault, neither trap nor abort? Then its frame has RF set, so that an
 * instruction breakpoint does not strike twice. SDM 3B 17.3.1.1
 * "Instruction-Breakpoint Exception Condition"
 */
bool x86_is_fault(u8 vector);

/* --- control registers (control.c) --- checks of SDM 3A 2.5; @valid: bits of
 * struct x86_cpuid (cr4_valid, xcr0_valid); @m reads PAE PDPTEs; the caller
 * flushes what *@change says. */
#define X86_CHANGE_TLB BIT(0) /* all non-global translations of this PCID */
#define X86_CHANGE_TLB_ALL BIT(1) /* everything, global too, all PCIDs */
#define X86_CHANGE_MODE BIT(2) /* how code is decoded or checked */
#define X86_CHANGE_TSC BIT(3) /* the time stamp counter has jumped */

int x86_write_cr0(struct x86_state *s, const struct x86_mem *m, u64 v,
		  unsigned *change, struct x86_fault *f);
int x86_write_cr3(struct x86_state *s, const struct x86_mem *m, u64 v,
		  unsigned *change, struct x86_fault *f);
int x86_write_cr4(struct x86_state *s, const struct x86_mem *m, u64 valid, u64 v,
		  unsigned *change, struct x86_fault *f);
int x86_write_xcr0(struct x86_state *s, u64 valid, u64 v, struct x86_fault *f);
int x86_read_dr(struct x86_state *s, unsigned n, u64 *v, struct x86_fault *f);
int x86_write_dr(struct x86_state *s, unsigned n, u64 v, struct x86_fault *f);

#endif
