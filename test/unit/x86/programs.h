/* SPDX-License-Identifier: Apache-2.0 */
/*
 * programs.h - real code to decode: the text of the ELF files in a folder.
 */
#ifndef DOPPEL_TEST_PROGRAMS_H
#define DOPPEL_TEST_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One executable section. false ends the whole walk. */
typedef bool (*program_text_fn)(void *arg, const uint8_t *code, size_t bytes);

/* Calls @fn for every executable section of every 64-bit ELF file in @dir. */
void programs_walk(const char *dir, program_text_fn fn, void *arg);

#endif
