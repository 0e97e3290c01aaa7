/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coverage.c - which forms of which instructions the cases have.
 *
 *	insn-host mode=4 count=1000000 kinds=13 | insn-coverage [all]
 *
 * What there is comes from Zydis: every opcode with every prefix that selects
 * and every modrm that matters is decoded, and the forms (mnemonic, operands
 * with their sizes) of instruction sets that guests are shown are kept. The
 * cases are decoded likewise. Printed are the forms without a case, those that
 * never ran to the end ("faults only"), and totals; with "all", all of them.
 * Whether an instruction of a sequence was reached is not known, so sequences
 * (kinds 2 and 16) are better left out.
 */
#include <Zydis/Zydis.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMS_MAX 65536u
#define FORM_CHARS 80

struct form {
	char name[FORM_CHARS];
	const char *set;
	bool exists, privileged;
	unsigned long cases, complete;
};

static struct form forms[FORMS_MAX];
static unsigned long prefixes[8];
static ZydisDecoder decoders[2];

/* What Zydis knows and guests are not shown. */
static bool hidden_set(const char *set)
{
	static const char *const tab[] = {
		"AVX512", "XOP", "TBM", "FMA4", "SSE4A", "3DNOW", "AMD3DNOW",
		"KNC", "KNCE", "KNCJKBR", "KNCSTREAM", "KNCV", "MPX", "CET",
		"AMX", "PKU", "RTM", "SGX", "VTX", "SVM", "SMX", "UINTR",
		"KEYLOCKER", "MOVDIR", "ENQCMD", "WAITPKG", "PTWRITE", "PT",
		"CLDEMOTE", "CLZERO", "MONITOR", "MONITORX", "LWP", "AVX_VNNI",
		"AVX_IFMA", "AVX_NE", "HRESET", "SERIALIZE", "TSX", "PADLOCK",
		"MCOMMIT", "RDPRU", "SNP", "PCONFIG", "TDX", "WBNOINVD", "INVLPGB",
		"TSX_LDTRK", "CMPCCXADD", "RAO", "MSRLIST", "WRMSRNS", "XSAVES",
		"AVX2P", "PREFETCHWT1", "GEODE", "SMM", "CYRIX", "RDPID",
		"RDRAND", "RDSEED", "SM3", "SM4", "SHA512", "LKGS", "FRED",
	};

	for (size_t i = 0; i < sizeof(tab) / sizeof(*tab); i++)
		if (!strncmp(set, tab[i], strlen(tab[i])))
			return true;
	return false;
}

static struct form *find(const char *name)
{
	unsigned h = 5381;

	for (const char *c = name; *c; c++)
		h = h * 33 ^ (unsigned char)*c;
	for (;; h++) {
		struct form *f = &forms[h % FORMS_MAX];

		if (!*f->name) {
			strcpy(f->name, name);
			return f;
		}
		if (!strcmp(f->name, name))
			return f;
	}
}

static const char *register_kind(ZydisRegister reg)
{
	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_X87: return "st";
	case ZYDIS_REGCLASS_MMX: return "mm";
	case ZYDIS_REGCLASS_XMM: return "x";
	case ZYDIS_REGCLASS_YMM: return "y";
	case ZYDIS_REGCLASS_SEGMENT: return "sreg";
	case ZYDIS_REGCLASS_CONTROL: return "cr";
	case ZYDIS_REGCLASS_DEBUG: return "dr";
	default: return "r";
	}
}

static int operand_name(char *to, size_t n, const ZydisDecodedOperand *op)
{
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return snprintf(to, n, " %s%d", register_kind(op->reg.value),
				op->size);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		return snprintf(to, n, " m%d", op->size);
	case ZYDIS_OPERAND_TYPE_POINTER:
		return snprintf(to, n, " far");
	default:
		return snprintf(to, n, op->imm.is_relative ? " rel%d" : " i%d",
				op->size);
	}
}

/* The form at @p, or NULL; *length: of the instruction. */
static struct form *form_of(const unsigned char *p, size_t n, bool wide,
			    ZydisDecodedInstruction *in)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	char name[FORM_CHARS];
	struct form *f;
	int at;

	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoders[wide], p, n, in, ops)))
		return NULL;
	at = snprintf(name, sizeof(name), "%s %s%s%s", wide ? "64" : "32",
		      in->attributes & ZYDIS_ATTRIB_HAS_LOCK ? "lock " : "",
		      in->attributes & ZYDIS_ATTRIB_HAS_REP ? "rep " :
		      in->attributes & ZYDIS_ATTRIB_HAS_REPE ? "repe " :
		      in->attributes & ZYDIS_ATTRIB_HAS_REPNE ? "repne " : "",
		      ZydisMnemonicGetString(in->mnemonic));
	for (unsigned i = 0; i < in->operand_count_visible; i++)
		at += operand_name(name + at, sizeof(name) - (size_t)at,
				   &ops[i]);
	f = find(name);
	f->set = ZydisISASetGetString(in->meta.isa_set);
	f->privileged = in->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED;
	return f;
}

/* --- all there is --- */

static void try(const unsigned char *head, size_t n, bool wide)
{
	static const unsigned char tail_tab[][2] = {
		{ 0x03, 0 }, { 0xc1, 0 }, { 0x0c, 0x08 },
	};

	for (unsigned reg = 0; reg < 8; reg++)
		for (unsigned t = 0; t < 3 + 8; t++) {
			unsigned char b[32] = { 0 };
			ZydisDecodedInstruction in;
			struct form *f;

			memcpy(b, head, n);
			if (t < 3) {
				b[n] = tail_tab[t][0];
				b[n + 1] = tail_tab[t][1];
			} else {
				b[n] = (unsigned char)(0xc0 + (t - 3));
			}
			b[n] |= (unsigned char)(reg << 3);
			f = form_of(b, 15, wide, &in);
			if (f && !hidden_set(f->set))
				f->exists = true;
		}
}

static void try_legacy(bool wide)
{
	static const unsigned char pfx_tab[] = { 0, 0x66, 0xf3, 0xf2, 0xf0 };

	for (unsigned k = 0; k < 5 * 4 * 2 * 256; k++) {
		unsigned char b[16];
		size_t n = 0;
		unsigned map = k / 256 % 4, pfx = k / 1024 % 5;

		if (k / 5120 && !wide)
			return;
		if (pfx)
			b[n++] = pfx_tab[pfx];
		if (k / 5120)
			b[n++] = 0x48;
		if (map)
			b[n++] = 0x0f;
		if (map > 1)
			b[n++] = map == 2 ? 0x38 : 0x3a;
		b[n++] = (unsigned char)k;
		try(b, n, wide);
		/* the operand size beside what may have to come first */
		if (pfx >= 2) {
			memmove(b + 1, b, n);
			b[0] = 0x66;
			try(b, n + 1, wide);
		}
	}
}

static void try_vex(bool wide)
{
	for (unsigned k = 0; k < 3 * 16 * 256; k++) {
		unsigned l = k / 256 & 1, pp = k / 512 & 3, w = k / 2048 & 1;

		for (unsigned v = 14; v < 16; v++) {
			unsigned char b[4] = {
				0xc4, (unsigned char)(0xe1 + k / 4096),
				(unsigned char)(w << 7 | v << 3 | l << 2 | pp),
				(unsigned char)k,
			};

			try(b, 4, wide);
		}
	}
}

/* --- what the cases have --- */

static void note_prefixes(const ZydisDecodedInstruction *in)
{
	static const ZydisInstructionAttributes tab[8] = {
		ZYDIS_ATTRIB_HAS_SEGMENT_FS, ZYDIS_ATTRIB_HAS_SEGMENT_GS,
		ZYDIS_ATTRIB_HAS_SEGMENT, ZYDIS_ATTRIB_HAS_ADDRESSSIZE,
		ZYDIS_ATTRIB_HAS_OPERANDSIZE, ZYDIS_ATTRIB_HAS_LOCK,
		ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
			ZYDIS_ATTRIB_HAS_REPNE,
		ZYDIS_ATTRIB_HAS_REX,
	};

	for (unsigned i = 0; i < 8; i++)
		prefixes[i] += (in->attributes & tab[i]) != 0;
}

/* X 64 3 0102..cc: mode, vector, code */
static void read_cases(FILE *from)
{
	static char line[4096];
	char hex[2048];
	int bits, vector;

	while (fgets(line, sizeof(line), from)) {
		unsigned char b[1024 + 16] = { 0 };
		size_t n = 0;

		if (sscanf(line, "X %d %d %2047s", &bits, &vector, hex) != 3)
			continue;
		for (unsigned v; sscanf(hex + 2 * n, "%2x", &v) == 1; n++)
			b[n] = (unsigned char)v;
		for (size_t at = 0; at + 1 < n;) {
			ZydisDecodedInstruction in;
			struct form *f = form_of(b + at, n - at, bits == 64,
						 &in);

			if (!f)
				break;
			note_prefixes(&in);
			f->cases++;
			f->complete += vector == 3;
			at += in.length;
		}
	}
}

static int by_name(const void *a, const void *b)
{
	const struct form *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int main(int argc, char **argv)
{
	unsigned long all = 0, have = 0, complete = 0, faults = 0;
	static const char *const prefix_names[8] = {
		"fs", "gs", "any segment", "address size", "operand size",
		"lock", "rep", "rex",
	};

	(void)argv;
	ZydisDecoderInit(&decoders[0], ZYDIS_MACHINE_MODE_LEGACY_32,
			 ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoders[1], ZYDIS_MACHINE_MODE_LONG_64,
			 ZYDIS_STACK_WIDTH_64);
	for (int wide = 0; wide < 2; wide++) {
		try_legacy(wide);
		try_vex(wide);
	}
	read_cases(stdin);
	qsort(forms, FORMS_MAX, sizeof(*forms), by_name);
	for (unsigned i = 0; i < FORMS_MAX; i++) {
		const struct form *f = &forms[i];

		if (!f->exists)
			continue;
		all++;
		have += f->cases > 0;
		complete += f->complete > 0;
		faults += f->cases && !f->complete && f->privileged;
		if (argc > 1 || !f->cases || !(f->complete || f->privileged))
			printf("%7lu %7lu  %-12s %s%s\n", f->cases, f->complete,
			       f->set, f->name,
			       f->privileged ? " (privileged)" : "");
	}
	for (unsigned i = 0; i < 8; i++)
		printf("prefix %s: %lu\n", prefix_names[i], prefixes[i]);
	printf("forms %lu, with cases %lu, complete %lu, privileged %lu\n",
	       all, have, complete, faults);
	return 0;
}
