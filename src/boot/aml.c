/* SPDX-License-Identifier: Apache-2.0 */
/* aml.c - see aml.h. */
#include "boot/aml.h"

#include "base/fmt.h"
#include "base/string.h"
#include "boot/bytes.h"

/* ACPI 20.3 "AML Byte Stream Byte Values" */
#define AML_ZERO 0x00
#define AML_ONE 0x01
#define AML_NAME 0x08
#define AML_BYTE_PREFIX 0x0a
#define AML_WORD_PREFIX 0x0b
#define AML_DWORD_PREFIX 0x0c
#define AML_SCOPE 0x10
#define AML_BUFFER 0x11
#define AML_PACKAGE 0x12
#define AML_EXT 0x5b
#define AML_EXT_DEVICE 0x82

/* A PkgLength takes one to four bytes; aml_close closes the gap. */
#define PKG_LENGTH_MAX 4
/* A resource buffer's size as an integer: byte prefix and byte. */
#define BUFFER_SIZE_BYTES 2

static void put(struct aml *a, const void *p, u64 n)
{
	if (a->full || n > a->room - a->bytes) {
		a->full = true;
		return;
	}
	copy_bytes(a->p + a->bytes, p, n);
	a->bytes += n;
}

void aml_byte(struct aml *a, u8 v)
{
	put(a, &v, 1);
}

void aml_u16(struct aml *a, u16 v)
{
	u8 b[2];

	put_u16(b, v);
	put(a, b, sizeof(b));
}

void aml_u32(struct aml *a, u32 v)
{
	u8 b[4];

	put_u32(b, v);
	put(a, b, sizeof(b));
}

void aml_integer(struct aml *a, u32 v)
{
	if (v <= 1) {
		aml_byte(a, v ? AML_ONE : AML_ZERO);
	} else if (v <= 0xff) {
		aml_byte(a, AML_BYTE_PREFIX);
		aml_byte(a, (u8)v);
	} else if (v <= 0xffff) {
		aml_byte(a, AML_WORD_PREFIX);
		aml_u16(a, (u16)v);
	} else {
		aml_byte(a, AML_DWORD_PREFIX);
		aml_u32(a, v);
	}
}

static unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/*
 * Three letters of five bits and four hexadecimal digits, most significant
 * byte first. ACPI 19.6.36 "EISAID (EISA ID String To Integer Conversion
 * Macro)"
 */
void aml_eisaid(struct aml *a, const char *id)
{
	unsigned letters =
		(id[0] - '@') << 10 | (id[1] - '@') << 5 | (id[2] - '@');

	aml_byte(a, AML_DWORD_PREFIX);
	aml_byte(a, (u8)(letters >> 8));
	aml_byte(a, (u8)letters);
	aml_byte(a, (u8)(hex_digit(id[3]) << 4 | hex_digit(id[4])));
	aml_byte(a, (u8)(hex_digit(id[5]) << 4 | hex_digit(id[6])));
}

/* A NameString of one segment, perhaps after the root character. */
static void name_string(struct aml *a, const char *name)
{
	u64 n = str_len(name);

	BUG_ON(n != (name[0] == '\\' ? 5 : 4));
	put(a, name, n);
}

void aml_name(struct aml *a, const char *name)
{
	aml_byte(a, AML_NAME);
	name_string(a, name);
}

static aml_mark open_length(struct aml *a)
{
	static const u8 gap[PKG_LENGTH_MAX];
	aml_mark m = a->bytes;

	put(a, gap, sizeof(gap));
	return m;
}

/* The length counts itself. ACPI 20.2.4 "Package Length Encoding" */
void aml_close(struct aml *a, aml_mark m)
{
	u64 body, total;
	unsigned i, n;
	u8 *p = a->p + m;

	if (a->full)
		return;
	body = a->bytes - m - PKG_LENGTH_MAX;
	if (body + 1 < 1 << 6)
		n = 1;
	else if (body + 2 < 1 << 12)
		n = 2;
	else if (body + 3 < 1 << 20)
		n = 3;
	else
		n = 4;
	total = body + n;
	if (n == 1) {
		p[0] = (u8)total;
	} else {
		p[0] = (u8)((n - 1) << 6 | (total & 0xf));
		for (i = 1; i < n; i++)
			p[i] = (u8)(total >> (8 * i - 4));
	}
	copy_bytes(p + n, p + PKG_LENGTH_MAX, body);
	a->bytes -= PKG_LENGTH_MAX - n;
}

aml_mark aml_scope(struct aml *a, const char *name)
{
	aml_mark m;

	aml_byte(a, AML_SCOPE);
	m = open_length(a);
	name_string(a, name);
	return m;
}

aml_mark aml_device(struct aml *a, const char *name)
{
	aml_mark m;

	aml_byte(a, AML_EXT);
	aml_byte(a, AML_EXT_DEVICE);
	m = open_length(a);
	name_string(a, name);
	return m;
}

aml_mark aml_package(struct aml *a, u8 count)
{
	aml_mark m;

	aml_byte(a, AML_PACKAGE);
	m = open_length(a);
	aml_byte(a, count);
	return m;
}

aml_mark aml_resources(struct aml *a)
{
	aml_mark m;

	aml_byte(a, AML_BUFFER);
	m = open_length(a);
	aml_byte(a, AML_BYTE_PREFIX);
	aml_byte(a, 0);
	return m;
}

void aml_resources_close(struct aml *a, aml_mark m)
{
	u64 body = m + PKG_LENGTH_MAX + BUFFER_SIZE_BYTES;

	aml_byte(a, 0x79); /* end tag */
	aml_byte(a, 0); /* checksum: 0 means not used */
	if (a->full)
		return;
	BUG_ON(a->bytes - body > 0xff);
	a->p[body - 1] = (u8)(a->bytes - body);
	aml_close(a, m);
}

/* ACPI 6.4.2.5 "I/O Port Descriptor" */
void aml_res_io(struct aml *a, u16 first, u8 ports)
{
	aml_byte(a, 0x47);
	aml_byte(a, 1); /* decodes 16 address bits */
	aml_u16(a, first);
	aml_u16(a, first);
	aml_byte(a, 1); /* alignment */
	aml_byte(a, ports);
}

/* ACPI 6.4.2.1 "IRQ Descriptor", the short form: edge, high, exclusive */
void aml_res_irq(struct aml *a, u8 irq)
{
	aml_byte(a, 0x22);
	aml_u16(a, (u16)BIT(irq));
}

/*
 * ACPI 6.4.3.5 "Address Space Resource Descriptors", word and dword forms:
 * produced by this device, positively decoded, both ends fixed.
 */
enum window_type { WINDOW_MEM, WINDOW_IO, WINDOW_BUS };
#define WINDOW_FIXED 0x0c /* general flags: _MIF, _MAF */

static void word_window(struct aml *a, enum window_type type, u8 flags,
			u16 first, u16 last)
{
	aml_byte(a, 0x88);
	aml_u16(a, 13);
	aml_byte(a, (u8)type);
	aml_byte(a, WINDOW_FIXED);
	aml_byte(a, flags);
	aml_u16(a, 0); /* granularity */
	aml_u16(a, first);
	aml_u16(a, last);
	aml_u16(a, 0); /* translation */
	/* The whole port space has 65536 ports, a length that does not fit:
	 * windows are given so that this does not happen. */
	aml_u16(a, (u16)(last - first + 1));
}

void aml_res_bus_window(struct aml *a, u16 first, u16 last)
{
	word_window(a, WINDOW_BUS, 0, first, last);
}

void aml_res_io_window(struct aml *a, u16 first, u16 last)
{
	word_window(a, WINDOW_IO, 3, first, last); /* ISA and other ports */
}

void aml_res_mem_window(struct aml *a, u32 first, u32 last)
{
	aml_byte(a, 0x87);
	aml_u16(a, 23);
	aml_byte(a, WINDOW_MEM);
	aml_byte(a, WINDOW_FIXED);
	aml_byte(a, 1); /* read-write, not cacheable */
	aml_u32(a, 0);
	aml_u32(a, first);
	aml_u32(a, last);
	aml_u32(a, 0);
	aml_u32(a, last - first + 1);
}
