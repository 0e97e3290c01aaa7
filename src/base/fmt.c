/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fmt.c - printf-style formatting without a C library.
 *
 * The subset of ISO C 7.21.6.1 "The fprintf function" that fmt.h names. An
 * unknown conversion is copied out as it stands, so that a mistake shows.
 */
#include "base/fmt.h"

#include <limits.h>

struct out {
	char *buf;
	size_t size;
	u64 len; /* of the whole text, stored or not */
};

struct spec {
	bool left, zero, plus, space, alt;
	int width;
	int precision; /* -1: none given */
	char length; /* 'H' for hh, 'L' for ll, else as written, or 0 */
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void put_many(struct out *o, char c, s64 n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_string(struct out *o, const struct spec *s, const char *p)
{
	s64 n = 0;

	if (!p)
		p = "(null)";
	while ((s->precision < 0 || n < s->precision) && p[n])
		n++;
	if (!s->left)
		put_many(o, ' ', s->width - n);
	for (s64 i = 0; i < n; i++)
		put(o, p[i]);
	if (s->left)
		put_many(o, ' ', s->width - n);
}

static void put_char(struct out *o, const struct spec *s, char c)
{
	if (!s->left)
		put_many(o, ' ', (s64)s->width - 1);
	put(o, c);
	if (s->left)
		put_many(o, ' ', (s64)s->width - 1);
}

/* @prefix: sign or 0x, which stands before padding zeroes. */
static void put_number(struct out *o, const struct spec *s, u64 v,
		       unsigned base, bool upper, const char *prefix)
{
	const char *digit_tab = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[24];
	s64 n = 0, prefix_len = 0, zeroes, pad;

	for (; v; v /= base)
		digits[n++] = digit_tab[v % base];
	if (!n && s->precision != 0)
		digits[n++] = '0';
	while (prefix[prefix_len])
		prefix_len++;

	zeroes = s->precision - n;
	if (s->zero && !s->left && s->precision < 0)
		zeroes = s->width - prefix_len - n;
	if (zeroes < 0)
		zeroes = 0;
	pad = s->width - prefix_len - zeroes - n;

	if (!s->left)
		put_many(o, ' ', pad);
	for (s64 i = 0; i < prefix_len; i++)
		put(o, prefix[i]);
	put_many(o, '0', zeroes);
	while (n > 0)
		put(o, digits[--n]);
	if (s->left)
		put_many(o, ' ', pad);
}

static void put_signed(struct out *o, const struct spec *s, s64 v)
{
	u64 magnitude = v < 0 ? 0 - (u64)v : (u64)v;

	put_number(o, s, magnitude, 10, false,
		   v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "");
}

/* @base 8, 10 or 16; @c is the conversion's letter. */
static void put_unsigned(struct out *o, const struct spec *s, u64 v, char c)
{
	bool upper = c == 'X';
	unsigned base = c == 'u' ? 10 : c == 'o' ? 8 : 16;
	const char *prefix = "";

	if (s->alt && v && base == 16)
		prefix = upper ? "0X" : "0x";
	else if (s->alt && v && base == 8)
		prefix = "0";
	put_number(o, s, v, base, upper, prefix);
}

/* va_list in a struct, so that it can be passed on by pointer portably. */
struct args {
	va_list ap;
};

static s64 arg_signed(struct args *a, char length)
{
	switch (length) {
	case 'H':
		return (s8)va_arg(a->ap, int);
	case 'h':
		return (s16)va_arg(a->ap, int);
	case 'l':
	case 'L':
	case 'j':
	case 'z':
	case 't':
		return va_arg(a->ap, s64);
	default:
		return va_arg(a->ap, int);
	}
}

static u64 arg_unsigned(struct args *a, char length)
{
	switch (length) {
	case 'H':
		return (u8)va_arg(a->ap, unsigned);
	case 'h':
		return (u16)va_arg(a->ap, unsigned);
	case 'l':
	case 'L':
	case 'j':
	case 'z':
	case 't':
		return va_arg(a->ap, u64);
	default:
		return va_arg(a->ap, unsigned);
	}
}

/* A width or precision: digits, or * for an argument. */
static const char *parse_count(const char *p, struct args *a, int *n)
{
	if (*p == '*') {
		*n = va_arg(a->ap, int);
		return p + 1;
	}
	*n = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		if (*n < 100000)
			*n = *n * 10 + (*p - '0');
	return p;
}

static const char *parse_spec(const char *p, struct args *a, struct spec *s)
{
	*s = (struct spec){ .precision = -1 };
	for (;; p++) {
		if (*p == '-')
			s->left = true;
		else if (*p == '0')
			s->zero = true;
		else if (*p == '+')
			s->plus = true;
		else if (*p == ' ')
			s->space = true;
		else if (*p == '#')
			s->alt = true;
		else
			break;
	}
	p = parse_count(p, a, &s->width);
	if (s->width < 0) {
		s->left = true;
		s->width = s->width == INT_MIN ? INT_MAX : -s->width;
	}
	if (*p == '.')
		p = parse_count(p + 1, a, &s->precision);
	if (p[0] == 'h' && p[1] == 'h') {
		s->length = 'H';
		p += 2;
	} else if (p[0] == 'l' && p[1] == 'l') {
		s->length = 'L';
		p += 2;
	} else if (*p == 'h' || *p == 'l' || *p == 'j' || *p == 'z' ||
		   *p == 't') {
		s->length = *p++;
	}
	return p;
}

int fmt_vprint(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = { .buf = buf, .size = size };
	struct args a;
	struct spec s;

	va_copy(a.ap, ap);
	while (*fmt) {
		const char *start = fmt;
		char c;

		if (*fmt != '%') {
			put(&o, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &a, &s);
		c = *fmt;
		if (c)
			fmt++;
		switch (c) {
		case 'd':
		case 'i':
			put_signed(&o, &s, arg_signed(&a, s.length));
			break;
		case 'u':
		case 'o':
		case 'x':
		case 'X':
			put_unsigned(&o, &s, arg_unsigned(&a, s.length), c);
			break;
		case 'p':
			put_number(&o, &s, (uintptr_t)va_arg(a.ap, void *), 16,
				   false, "0x");
			break;
		case 's':
			put_string(&o, &s, va_arg(a.ap, const char *));
			break;
		case 'c':
			put_char(&o, &s, (char)va_arg(a.ap, int));
			break;
		case '%':
			put(&o, '%');
			break;
		default:
			while (start < fmt)
				put(&o, *start++);
			break;
		}
	}
	va_end(a.ap);
	if (size)
		buf[o.len < size ? o.len : size - 1] = 0;
	return o.len < INT_MAX ? (int)o.len : INT_MAX;
}

int fmt_print(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vprint(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
