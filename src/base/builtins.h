/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtins.h - force-included (-include) into everything that may run while
 * guest vector registers are live.
 *
 * A compiler emits calls to memcpy and its kin by itself, for struct copies
 * and loops, even with -ffreestanding. The C library would serve them with AVX
 * and so destroy what the guest keeps in those registers. These assembler
 * assignments give the four names another meaning within one object file:
 * every reference becomes one to string.c. An asm label on a declaration does
 * the same in gcc only; clang's own calls ignore it.
 *
 * tools/freestanding_check proves with nm that it worked.
 */
#ifndef DOPPEL_BASE_BUILTINS_H
#define DOPPEL_BASE_BUILTINS_H

#ifndef __ASSEMBLER__
__asm__("memcpy = doppel_memcpy\n\t"
	"memmove = doppel_memmove\n\t"
	"memset = doppel_memset\n\t"
	"memcmp = doppel_memcmp");
#endif

#endif
