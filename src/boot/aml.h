/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.h - writes ACPI Machine Language, one small function for each term.
 *
 * Terms with a length are opened and closed; the close fills in the length.
 * When the buffer is full nothing more is written and .full stays set, so a
 * caller checks once, at the end. Names are string constants of ours.
 *
 * References: ACPI 20 "ACPI Machine Language (AML) Specification";
 * 6.4 "Resource Data Types for ACPI".
 */
#ifndef DOPPEL_BOOT_AML_H
#define DOPPEL_BOOT_AML_H

#include "base/base.h"

struct aml {
	u8 *p;
	u64 bytes, room;
	bool full;
};

/* Where an open term keeps its length. */
typedef u64 aml_mark;

void aml_byte(struct aml *a, u8 v);
void aml_u16(struct aml *a, u16 v);
void aml_u32(struct aml *a, u32 v);

/* --- data objects --- */
void aml_integer(struct aml *a, u32 v);
void aml_eisaid(struct aml *a, const char *id); /* "PNP0A03" */

/* --- named objects --- @name is one full segment ("_HID", "RTC_"), perhaps
 * after the root ("\_SB_"). */
void aml_name(struct aml *a, const char *name); /* Name (name, ..next term..) */
aml_mark aml_scope(struct aml *a, const char *name);
aml_mark aml_device(struct aml *a, const char *name);
void aml_close(struct aml *a, aml_mark m);

/* --- packages --- @count elements follow. */
aml_mark aml_package(struct aml *a, u8 count);

/* --- resource templates: a buffer of descriptors, 255 bytes at most --- */
aml_mark aml_resources(struct aml *a);
void aml_resources_close(struct aml *a, aml_mark m);
void aml_res_io(struct aml *a, u16 first, u8 ports); /* fixed, 16 bits */
void aml_res_irq(struct aml *a, u8 irq); /* edge, active high */
/* Windows that a bridge passes on, both ends included. */
void aml_res_bus_window(struct aml *a, u16 first, u16 last);
void aml_res_io_window(struct aml *a, u16 first, u16 last);
void aml_res_mem_window(struct aml *a, u32 first, u32 last);

#endif
