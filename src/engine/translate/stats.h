/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - what the translator counts, one line each. */
#ifndef DOPPEL_TRANSLATE_STATS_H
#define DOPPEL_TRANSLATE_STATS_H

#include "base/base.h"

/* clang-format off */
#define TRANSLATE_STATS(X)                                                 \
	X(blocks,            "blocks translated")                          \
	X(insns,             "guest instructions translated")              \
	X(guest_bytes,       "guest code translated, bytes")               \
	X(host_bytes,        "host code made, bytes")                      \
	X(cold_bytes,        "... apart, what is seldom run")              \
	X(translate_tsc,     "time spent translating, TSC ticks")          \
	X(evictions,         "code cache segments evicted")                \
	X(invalidated,       "blocks dropped because their code changed")  \
	X(links,             "direct exits chained")                       \
	X(dispatches,        "look-ups in C")                              \
	X(jump_misses,       "indirect jumps that left generated code")    \
	X(jump_flushes,      "jump caches emptied")                        \
	X(tlb_misses,        "software TLB misses")                        \
	X(tlb_fills,         "... that found a page")                      \
	X(tlb_flushes,       "software TLB flushes of all local pages")    \
	X(tlb_flushes_all,   "... of everything")                          \
	X(tlb_invlpg,        "... of one page")                            \
	X(window_faults,     "host faults in windows")                     \
	X(window_fills,      "... that brought a page in")                 \
	X(window_around,     "... pages that came along")                  \
	X(window_shown,      "pages shown after #PF")                      \
	X(window_drops,      "unmappings in windows")                      \
	X(window_softs,      "... that the software TLB had to serve")     \
	X(bounces,           "accesses to two pages, devices, code pages") \
	X(mmio,              "device memory accesses")                     \
	X(code_writes,       "writes to pages that hold translated code")  \
	X(code_hits,         "... that changed translated code")           \
	X(callouts,          "instructions carried out in C")              \
	X(strings,           "string instructions")                        \
	X(string_bytes,      "... bytes moved")                            \
	X(syscalls,          "SYSCALL")                                    \
	X(irets,             "IRET")                                       \
	X(exceptions,        "exceptions delivered")                       \
	X(page_faults,       "... of these #PF")                           \
	X(interrupts,        "interrupts delivered")                       \
	X(polls,             "polls that left generated code")             \
	X(pio,               "port accesses")                              \
	X(msrs,              "RDMSR and WRMSR")                            \
	X(cpuids,            "CPUID")                                      \
	X(halts,             "HLT")                                        \
	X(worlds,            "vector state saved to call outside")
/* clang-format on */

struct tstats {
#define X(id, help) u64 id;
	TRANSLATE_STATS(X)
#undef X
	u64 callout_by_class[128]; /* enum x86_class */
};

#endif
