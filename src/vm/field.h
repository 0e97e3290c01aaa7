/* SPDX-License-Identifier: Apache-2.0 */
/*
 * field.h - one named, versioned piece of saved state. A device describes
 * all its state by one table, which serves save, load, compare, dump, fuzz.
 */
#ifndef DOPPEL_VM_FIELD_H
#define DOPPEL_VM_FIELD_H

#include "base/base.h"

enum field_kind {
	FIELD_BOOL, FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_BYTES,
	FIELD_TIMER, /* struct timer: its deadline */
};

struct field {
	const char *name;
	enum field_kind kind;
	u16 since; /* the version of the device's state that added it */
	u32 offset; /* in the device struct */
	u32 count; /* array elements; bytes for FIELD_BYTES */
	u32 stride; /* between elements: sizeof of an element or its struct */
};

#define FIELD(type, member, k, v) \
	{ #member, k, v, offsetof(type, member), 1, \
	  sizeof(((type *)0)->member) }
#define FIELD_ARRAY(type, member, k, v)                                \
	{ #member, k, v, offsetof(type, member),                       \
	  ARRAY_SIZE(((type *)0)->member), sizeof(((type *)0)->member[0]) }
/* member of each element of an array of structs: arr[i].member */
#define FIELD_STRUCTS(type, arr, member, k, v)                         \
	{ #arr "." #member, k, v, offsetof(type, arr[0].member),       \
	  ARRAY_SIZE(((type *)0)->arr), sizeof(((type *)0)->arr[0]) }
#define FIELD_BLOB(type, member, v)                                    \
	{ #member, FIELD_BYTES, v, offsetof(type, member),             \
	  sizeof(((type *)0)->member), 1 }
#define FIELD_END { NULL, FIELD_BOOL, 0, 0, 0, 0 }

#endif
