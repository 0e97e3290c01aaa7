/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - events that can be watched with --trace.
 *
 * Always compiled in; a trace point that is off costs one test of a word
 * that is in the cache. Categories are named as on the command line.
 */
#ifndef DOPPEL_BASE_TRACE_H
#define DOPPEL_BASE_TRACE_H

#include "base/base.h"

/* clang-format off */
#define TRACE_CATEGORIES(X)                                               \
	X(TRANSLATE, "translate", "blocks as they are translated")        \
	X(CODE,      "code",      "guest and host code of each block")    \
	X(EXEC,      "exec",      "every block entered (very long)")      \
	X(FAULT,     "fault",     "exceptions delivered to the guest")    \
	X(INTR,      "intr",      "interrupts delivered to the guest")    \
	X(TLB,       "tlb",       "software TLB fills and flushes")       \
	X(CPU,       "cpu",       "control registers, MSRs, mode changes")\
	X(PIO,       "pio",       "port input and output")                \
	X(MMIO,      "mmio",      "memory-mapped input and output")       \
	X(UART,      "uart",      "serial port")                          \
	X(PIC,       "pic",       "8259 interrupt controllers")           \
	X(IOAPIC,    "ioapic",    "I/O APIC")                             \
	X(LAPIC,     "lapic",     "local APIC")                           \
	X(PIT,       "pit",       "8254 timer")                           \
	X(RTC,       "rtc",       "clock and CMOS")                       \
	X(ACPI,      "acpi",      "power management")                     \
	X(PCI,       "pci",       "PCI configuration")                    \
	X(VIRTIO,    "virtio",    "virtio transport and devices")         \
	X(BLOCK,     "block",     "disk requests")                        \
	X(BOOT,      "boot",      "loading of the kernel")                \
	X(VM,        "vm",        "life of the machine")
/* clang-format on */

enum trace_category {
#define X(id, name, help) TRACE_##id,
	TRACE_CATEGORIES(X)
#undef X
		TRACE_COUNT
};

/* Bit n: category n is on. Written before the first vCPU runs. */
extern u32 trace_mask;

/* Where lines go (host_log_trace in a process); NULL drops them. Written
 * before the first vCPU runs, too. */
extern void (*trace_sink)(const char *line);

/* As on the command line, and a few words about it. */
const char *trace_name(enum trace_category c);
const char *trace_help(enum trace_category c);

/* Disassembles @n bytes at @p, which run at @addr in code of size @mode (2, 4
 * or 8), into @text; supplied by the command line. NULL: none. */
extern bool (*trace_disassemble)(const u8 *p, unsigned n, u64 addr,
				 unsigned mode, char *text, size_t size);

/* Prints one line "name: ..." through trace_sink. */
void trace_print(enum trace_category c, const char *fmt, ...)
	PRINTF_LIKE(2, 3);

#define TRACE_ON(id) unlikely(trace_mask & BIT(TRACE_##id))
#define TRACE(id, ...)                                       \
	do {                                                 \
		if (TRACE_ON(id))                            \
			trace_print(TRACE_##id, __VA_ARGS__);\
	} while (0)

/*
 * Turns "uart,pci" or "all" into a mask.
 * Returns 0, or -EINVAL with *@bad at the first unknown name.
 */
int trace_parse(const char *list, u32 *mask, const char **bad) MUST_CHECK;

#endif
