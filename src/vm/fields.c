/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fields.c - one walk over a field table, and what is done at each element.
 *
 * Loading looks twice: once that all is well-formed, once to store, so that a
 * bad record changes nothing.
 */
#include "vm/fields.h"

#include "base/fmt.h"
#include "base/string.h"
#include "vm/clock.h"

#define ID_BYTES sizeof(((struct device *)0)->id)

static unsigned width_of(enum field_kind k)
{
	switch (k) {
	case FIELD_BOOL:
	case FIELD_U8:
	case FIELD_BYTES:
		return 1;
	case FIELD_U16:
		return 2;
	case FIELD_U32:
		return 4;
	case FIELD_U64:
	case FIELD_TIMER:
		return 8;
	}
	return 0;
}

static void *element(const struct device *d, const struct field *f, u32 i)
{
	return (u8 *)(uintptr_t)d + f->offset + (u64)i * f->stride;
}

static u64 get(const struct device *d, const struct field *f, u32 i)
{
	const void *p = element(d, f, i);

	switch (f->kind) {
	case FIELD_BOOL:
		return *(const bool *)p;
	case FIELD_U8:
	case FIELD_BYTES:
		return *(const u8 *)p;
	case FIELD_U16:
		return *(const u16 *)p;
	case FIELD_U32:
		return *(const u32 *)p;
	case FIELD_U64:
		return *(const u64 *)p;
	case FIELD_TIMER:
		return ((const struct timer *)p)->deadline_ns;
	}
	return 0;
}

static void set(struct device *d, const struct field *f, u32 i, u64 v)
{
	void *p = element(d, f, i);

	switch (f->kind) {
	case FIELD_BOOL:
		*(bool *)p = v;
		break;
	case FIELD_U8:
	case FIELD_BYTES:
		*(u8 *)p = (u8)v;
		break;
	case FIELD_U16:
		*(u16 *)p = (u16)v;
		break;
	case FIELD_U32:
		*(u32 *)p = (u32)v;
		break;
	case FIELD_U64:
		*(u64 *)p = v;
		break;
	case FIELD_TIMER:
		timer_arm(p, v);
		break;
	}
}

static void put_le(u8 *p, u64 v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (u8)(v >> (i * 8));
}

static u64 get_le(const u8 *p, unsigned bytes)
{
	u64 v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (u64)p[i] << (i * 8);
	return v;
}

static u64 payload_bytes(const struct field *f, u16 version)
{
	u64 n = 0;

	for (; f->name; f++)
		if (f->since <= version)
			n += (u64)f->count * width_of(f->kind);
	return n;
}

u64 fields_saved_bytes(const struct device *d)
{
	return FIELDS_HEADER_BYTES +
	       payload_bytes(d->cls->fields, d->cls->version);
}

s64 fields_save(const struct device *d, u8 *buf, u64 size)
{
	u64 bytes = fields_saved_bytes(d);
	u8 *p = buf;

	if (size < bytes)
		return -ENOSPC;
	put_le(p, FIELDS_MAGIC, 4);
	put_le(p + 4, d->cls->version, 2);
	put_le(p + 6, 0, 2);
	fill_bytes(p + 8, 0, ID_BYTES);
	copy_bytes(p + 8, d->id, str_len(d->id));
	put_le(p + 8 + ID_BYTES, bytes - FIELDS_HEADER_BYTES, 4);
	p += FIELDS_HEADER_BYTES;
	for (const struct field *f = d->cls->fields; f->name; f++) {
		unsigned w = width_of(f->kind);

		if (f->since > d->cls->version)
			continue;
		for (u32 i = 0; i < f->count; i++, p += w)
			put_le(p, get(d, f, i), w);
	}
	return (s64)bytes;
}

/* Is the payload, whose length is right, made of possible values? */
static const struct field *find_bad(const struct field *f, u16 version,
				    const u8 *p)
{
	for (; f->name; f++) {
		unsigned w = width_of(f->kind);

		if (f->since > version)
			continue;
		for (u32 i = 0; i < f->count; i++, p += w)
			if (f->kind == FIELD_BOOL && *p > 1)
				return f;
	}
	return NULL;
}

static int check_header(const struct device *d, const u8 *buf, u64 size,
			struct err *e)
{
	u64 version, bytes;
	char id[ID_BYTES];

	if (size < FIELDS_HEADER_BYTES || get_le(buf, 4) != FIELDS_MAGIC)
		return err_set(e, -EINVAL,
			       "saved state: no record where %s should be",
			       d->id);
	copy_bytes(id, buf + 8, ID_BYTES);
	id[ID_BYTES - 1] = 0;
	if (!str_equal(id, d->id))
		return err_set(e, -EINVAL,
			       "saved state: found device %s instead of %s; "
			       "load it into the machine that it is of",
			       id, d->id);
	version = get_le(buf + 4, 2);
	if (version > d->cls->version)
		return err_set(e, -EINVAL,
			       "saved state: %s is of version %u, which a "
			       "newer Doppel wrote; this one knows %u",
			       d->id, (unsigned)version, d->cls->version);
	bytes = get_le(buf + 8 + ID_BYTES, 4);
	if (bytes != payload_bytes(d->cls->fields, (u16)version) ||
	    bytes > size - FIELDS_HEADER_BYTES)
		return err_set(e, -EINVAL,
			       "saved state: the record of %s is cut off",
			       d->id);
	return 0;
}

s64 fields_load(struct device *d, const u8 *buf, u64 size, struct err *e)
{
	int err = check_header(d, buf, size, e);
	const u8 *p = buf + FIELDS_HEADER_BYTES;
	const struct field *bad;
	u16 version;

	if (err)
		return err;
	version = (u16)get_le(buf + 4, 2);
	bad = find_bad(d->cls->fields, version, p);
	if (bad)
		return err_set(e, -EINVAL,
			       "saved state: %s: %s has an impossible value",
			       d->id, bad->name);
	for (const struct field *f = d->cls->fields; f->name; f++) {
		unsigned w = width_of(f->kind);

		if (f->since > version)
			continue;
		for (u32 i = 0; i < f->count; i++, p += w)
			set(d, f, i, get_le(p, w));
	}
	err = d->cls->loaded ? d->cls->loaded(d) : 0;
	if (err)
		return err_set(e, err,
			       "saved state: %s refuses its values; the file "
			       "is damaged",
			       d->id);
	return p - buf;
}

bool fields_equal(const struct device *a, const struct device *b, char *why,
		  size_t size)
{
	for (const struct field *f = a->cls->fields; f->name; f++) {
		for (u32 i = 0; i < f->count; i++) {
			u64 x = get(a, f, i), y = get(b, f, i);

			if (x == y)
				continue;
			fmt_print(why, size, "%s: %s[%u]: %#llx, %#llx", a->id,
				  f->name, i, (unsigned long long)x,
				  (unsigned long long)y);
			return false;
		}
	}
	return true;
}

/* Elements of one field on a line, as many as fit. */
void fields_dump(const struct device *d,
		 void (*line)(void *ctx, const char *text), void *ctx)
{
	char text[160];

	for (const struct field *f = d->cls->fields; f->name; f++) {
		size_t n = (size_t)fmt_print(text, sizeof(text), "%s.%s =",
					     d->id, f->name);
		u32 i;

		/* 20 characters are room for any value and for "..". */
		for (i = 0; i < f->count && n + 20 < sizeof(text); i++)
			n += (size_t)fmt_print(
				text + n, sizeof(text) - n, " %#llx",
				(unsigned long long)get(d, f, i));
		if (i < f->count)
			fmt_print(text + n, sizeof(text) - n, " ..");
		line(ctx, text);
	}
}
