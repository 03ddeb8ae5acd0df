/* link.c -- an object file becomes one piece of code that runs wherever it is mapped.
 *
 *     .text            piece:  code | .rodata.cst4 | .rodata.cst64 | …
 *     .rodata.cst4
 *     .rodata.cst64
 *     .rela.text       resolved here: distances inside the piece do not change
 *
 * A kernel reads its arguments, its constants and nothing else, so this is all the
 * linking there is.  What would need more is an error, and each is a promise of
 * backend.h kept: a symbol from outside (the blob calls nothing), a writable section
 * (it has no state), an absolute address (it needs no relocation when mapped).
 *
 * The objects come from LLVM in this process, but every offset is checked all the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/link.h"

#include <elf.h>
#include <inttypes.h>

enum { PIECE_MAX = 1 << 26 };

typedef struct Object {
	Arena *a;
	const uint8_t *p;
	size_t len;
	Elf64_Ehdr head;
	const Elf64_Shdr *sec;  /* copies, aligned */
	size_t *at;             /* offset of a section in the piece; NOWHERE: not part of it */
	uint8_t *out;
	size_t bytes;
	const char *err;
} Object;

#define NOWHERE SIZE_MAX

static bool
fail(Object *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	o->err = arena_vprintf(o->a, fmt, ap);
	va_end(ap);
	return false;
}

static bool
inside(const Object *o, uint64_t off, uint64_t size)
{
	return off <= o->len && size <= o->len - off;
}

/* A NUL-terminated name in string table section `table`. */
static const char *
name_in(const Object *o, size_t table, uint64_t off)
{
	const Elf64_Shdr *s = table < o->head.e_shnum ? &o->sec[table] : NULL;

	if (!s || s->sh_type != SHT_STRTAB || off >= s->sh_size ||
	    !memchr(o->p + s->sh_offset + off, 0, s->sh_size - off))
		return "?";
	return (const char *)o->p + s->sh_offset + off;
}

static bool
read_sections(Object *o)
{
	Elf64_Shdr *sec;

	if (o->len < sizeof o->head)
		return fail(o, "the object file is too short");
	memcpy(&o->head, o->p, sizeof o->head);
	if (memcmp(o->head.e_ident, ELFMAG, SELFMAG) != 0 || o->head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    o->head.e_ident[EI_DATA] != ELFDATA2LSB || o->head.e_type != ET_REL ||
	    o->head.e_shentsize != sizeof *sec)
		return fail(o, "not a relocatable ELF64 file");
	if (o->head.e_machine != EM_X86_64 && o->head.e_machine != EM_AARCH64)
		return fail(o, "object file for machine %d", o->head.e_machine);
	if (!inside(o, o->head.e_shoff, (uint64_t)o->head.e_shnum * sizeof *sec))
		return fail(o, "section headers lie outside the file");
	sec = NEWN(o->a, Elf64_Shdr, (size_t)o->head.e_shnum + 1);
	memcpy(sec, o->p + o->head.e_shoff, o->head.e_shnum * sizeof *sec);
	for (int i = 0; i < o->head.e_shnum; i++)
		if (sec[i].sh_type != SHT_NOBITS && !inside(o, sec[i].sh_offset, sec[i].sh_size))
			return fail(o, "section %d lies outside the file", i);
	o->sec = sec;
	return true;
}

/* code first, then constants */
static bool
lay_out(Object *o, size_t *align)
{
	o->at = NEWN(o->a, size_t, (size_t)o->head.e_shnum + 1);
	*align = 16;
	for (int i = 0; i < o->head.e_shnum; i++)
		o->at[i] = NOWHERE;
	for (int code = 1; code >= 0; code--)
		for (int i = 0; i < o->head.e_shnum; i++) {
			const Elf64_Shdr *s = &o->sec[i];
			size_t al = s->sh_addralign ? s->sh_addralign : 1;
			const char *name = name_in(o, o->head.e_shstrndx, s->sh_name);

			/* unwind tables are for debuggers, and nothing is unwound here */
			if (!(s->sh_flags & SHF_ALLOC) || s->sh_size == 0 || strcmp(name, ".eh_frame") == 0 ||
			    s->sh_type == SHT_NOTE || !(s->sh_flags & SHF_EXECINSTR) != !code)
				continue;
			if (s->sh_flags & SHF_WRITE)
				return fail(o, "the code has writable data (%s)", name);
			if (s->sh_type != SHT_PROGBITS || (al & (al - 1)) || al > 4096)
				return fail(o, "section %s is of an unknown kind", name);
			o->at[i] = (o->bytes + al - 1) & ~(al - 1);
			if (s->sh_size > PIECE_MAX - o->at[i])
				return fail(o, "the code is larger than %d bytes", PIECE_MAX);
			o->bytes = o->at[i] + s->sh_size;
			*align = MAX(*align, al);
		}
	o->out = arena_alloc(o->a, o->bytes + 1);
	for (int i = 0; i < o->head.e_shnum; i++)
		if (o->at[i] != NOWHERE)
			memcpy(o->out + o->at[i], o->p + o->sec[i].sh_offset, o->sec[i].sh_size);
	return true;
}

/* offset of a symbol in the piece */
static bool
symbol_at(Object *o, size_t table, uint64_t index, int64_t *at)
{
	const Elf64_Shdr *t = table < o->head.e_shnum ? &o->sec[table] : NULL;
	Elf64_Sym s;

	if (!t || t->sh_type != SHT_SYMTAB || index >= t->sh_size / sizeof s)
		return fail(o, "a relocation names a symbol that is not there");
	memcpy(&s, o->p + t->sh_offset + index * sizeof s, sizeof s);
	if (s.st_shndx == SHN_UNDEF)
		return fail(o, "the code calls or reads '%s', which is not part of it", name_in(o, t->sh_link, s.st_name));
	if (s.st_shndx >= o->head.e_shnum || o->at[s.st_shndx] == NOWHERE || s.st_value > o->sec[s.st_shndx].sh_size)
		return fail(o, "the code refers to '%s' outside code and constants", name_in(o, t->sh_link, s.st_name));
	*at = (int64_t)(o->at[s.st_shndx] + s.st_value);
	return true;
}

static uint32_t
get32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof x);
	return x;
}

static void
put32(uint8_t *p, uint32_t x)
{
	memcpy(p, &x, sizeof x);
}

/* x fits in a signed field of that many bits */
static bool
fits(int64_t x, int bits)
{
	return x >= -(INT64_C(1) << (bits - 1)) && x < INT64_C(1) << (bits - 1);
}

/* The field at p, which is at offset `at` of the piece, shall reach `to`. */
static bool
patch_x86(Object *o, uint32_t type, uint8_t *p, int64_t at, int64_t to)
{
	int64_t d = to - at;

	switch (type) {
	case R_X86_64_PC32: case R_X86_64_PLT32:
		if (!fits(d, 32))
			break;
		put32(p, (uint32_t)d);
		return true;
	case R_X86_64_PC64:
		memcpy(p, &d, sizeof d);
		return true;
	default:
		return fail(o, "unknown x86-64 relocation %" PRIu32, type);
	}
	return fail(o, "relocation %" PRIu32 " does not reach", type);
}

/* bits [lo, lo + n) of the instruction become x */
static void
set_field(uint8_t *p, int lo, int n, uint64_t x)
{
	uint32_t mask = (uint32_t)((UINT64_C(1) << n) - 1) << lo;

	put32(p, (get32(p) & ~mask) | ((uint32_t)(x << lo) & mask));
}

static bool
patch_arm(Object *o, uint32_t type, uint8_t *p, int64_t at, int64_t to, size_t *align)
{
	static const struct { uint32_t type; int shift; } lo12[] = {
		{ R_AARCH64_ADD_ABS_LO12_NC, 0 }, { R_AARCH64_LDST8_ABS_LO12_NC, 0 },
		{ R_AARCH64_LDST16_ABS_LO12_NC, 1 }, { R_AARCH64_LDST32_ABS_LO12_NC, 2 },
		{ R_AARCH64_LDST64_ABS_LO12_NC, 3 }, { R_AARCH64_LDST128_ABS_LO12_NC, 4 },
	};
	int64_t d = to - at;

	for (size_t i = 0; i < COUNT(lo12); i++)
		if (lo12[i].type == type) {
			if (to & ((1 << lo12[i].shift) - 1))
				return fail(o, "relocation %" PRIu32 " to an unaligned place", type);
			*align = 4096;          /* pages of the piece are pages of memory */
			set_field(p, 10, 12, (uint64_t)(to & 0xfff) >> lo12[i].shift);
			return true;
		}
	switch (type) {
	case R_AARCH64_ADR_PREL_PG_HI21: case R_AARCH64_ADR_PREL_PG_HI21_NC:
		*align = 4096;
		d = (to >> 12) - (at >> 12);
		/* fall through */
	case R_AARCH64_ADR_PREL_LO21:
		if (!fits(d, 21))
			break;
		set_field(p, 29, 2, (uint64_t)d & 3);
		set_field(p, 5, 19, (uint64_t)(d >> 2) & 0x7ffff);
		return true;
	case R_AARCH64_LD_PREL_LO19: case R_AARCH64_CONDBR19:
		if (!fits(d, 21) || d % 4)
			break;
		set_field(p, 5, 19, (uint64_t)(d >> 2) & 0x7ffff);
		return true;
	case R_AARCH64_CALL26: case R_AARCH64_JUMP26:
		if (!fits(d, 28) || d % 4)
			break;
		set_field(p, 0, 26, (uint64_t)(d >> 2) & 0x3ffffff);
		return true;
	case R_AARCH64_PREL32:
		if (!fits(d, 32))
			break;
		put32(p, (uint32_t)d);
		return true;
	case R_AARCH64_PREL64:
		memcpy(p, &d, sizeof d);
		return true;
	default:
		return fail(o, "unknown AArch64 relocation %" PRIu32, type);
	}
	return fail(o, "relocation %" PRIu32 " does not reach", type);
}

static bool
relocate(Object *o, const Elf64_Shdr *rel, size_t *align)
{
	size_t n = rel->sh_size / sizeof(Elf64_Rela);

	if (rel->sh_info >= o->head.e_shnum || o->at[rel->sh_info] == NOWHERE)
		return true;            /* of something that is left out */
	for (size_t i = 0; i < n; i++) {
		Elf64_Rela r;
		uint32_t type;
		uint64_t size;
		int64_t to, at;
		bool ok;

		memcpy(&r, o->p + rel->sh_offset + i * sizeof r, sizeof r);
		type = (uint32_t)ELF64_R_TYPE(r.r_info);
		size = type == R_X86_64_PC64 && o->head.e_machine == EM_X86_64 ? 8 :
		       type == R_AARCH64_PREL64 && o->head.e_machine == EM_AARCH64 ? 8 : 4;
		if (r.r_offset > o->sec[rel->sh_info].sh_size ||
		    size > o->sec[rel->sh_info].sh_size - r.r_offset)
			return fail(o, "a relocation lies outside its section");
		if (!symbol_at(o, rel->sh_link, ELF64_R_SYM(r.r_info), &to))
			return false;
		if (!fits(r.r_addend, 32))
			return fail(o, "a relocation reaches too far");
		to += r.r_addend;
		at = (int64_t)(o->at[rel->sh_info] + r.r_offset);
		ok = o->head.e_machine == EM_X86_64 ? patch_x86(o, type, o->out + at, at, to)
		                                    : patch_arm(o, type, o->out + at, at, to, align);
		if (!ok)
			return false;
	}
	return true;
}

/* No symbol may be left to others, even one that no relocation uses; and where is the entry? */
static bool
check_symbols(Object *o, const char *entry, int64_t *at)
{
	for (int i = 0; i < o->head.e_shnum; i++) {
		const Elf64_Shdr *t = &o->sec[i];
		Elf64_Sym s;

		if (t->sh_type != SHT_SYMTAB)
			continue;
		for (size_t n = 1; n < t->sh_size / sizeof s; n++) {
			const char *name;

			memcpy(&s, o->p + t->sh_offset + n * sizeof s, sizeof s);
			name = name_in(o, t->sh_link, s.st_name);
			if (s.st_shndx == SHN_UNDEF)
				return fail(o, "the code calls or reads '%s', which is not part of it", name);
			if (strcmp(name, entry) == 0 && !symbol_at(o, (size_t)i, n, at))
				return false;
		}
	}
	return *at >= 0 || fail(o, "the object has no function %s", entry);
}

const char *
link_object(Arena *a, const void *obj, size_t len, const char *entry, Piece *out)
{
	Object o = { .a = a, .p = obj, .len = len };
	int64_t at = -1;

	*out = (Piece){ 0 };
	if (!read_sections(&o) || !lay_out(&o, &out->align) || !check_symbols(&o, entry, &at))
		return o.err;
	for (int i = 0; i < o.head.e_shnum; i++) {
		if (o.sec[i].sh_type == SHT_REL)
			return "the object has relocations of an unknown form";
		if (o.sec[i].sh_type == SHT_RELA && !relocate(&o, &o.sec[i], &out->align))
			return o.err;
	}
	out->p = o.out;
	out->bytes = o.bytes;
	out->entry = (size_t)at;
	return NULL;
}
