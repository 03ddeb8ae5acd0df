/* zip.c -- a ZIP archive in memory, read from its central directory.
 *
 *     [local header][name][extra][ data ] …  [directory] [zip64 end] [end]
 *          ▲             skipped               │ offset, sizes, CRC
 *          └───────────────────────────────────┘
 *
 * PyTorch writes zeros for the sizes and the CRC in the local headers, so these
 * are never believed: a local header only says how long its own name and extra
 * field are.  Stored records, which is all that PyTorch writes, are used where
 * they lie; libzip unpacks what another tool has compressed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "weights/internal.h"

#include <zip.h>

enum {
	END_SIZE = 22, END64_SIZE = 56, LOCATOR_SIZE = 20, DIR_SIZE = 46, LOCAL_SIZE = 30,
	MOST_RECORDS = 1 << 16,
	STORED = 0,
};

typedef struct Record {
	uint64_t at;            /* of the local header */
	uint64_t packed, size;
	uint32_t crc;
	uint16_t method, flags;
	const void *data;       /* once read */
} Record;

struct Zip {
	Arena *a;
	const uint8_t *p;
	size_t len;
	size_t dir;             /* where the directory begins: no data past it */
	Map *rec;
	size_t budget;          /* bytes that unpacking may still make */
	size_t unread;          /* bytes of the archive that no record has claimed */
	zip_t *archive;         /* libzip's view, opened for the first compressed record */
	uint32_t (*crc)[256];
};

static uint64_t
le(const uint8_t *p, int n)
{
	uint64_t x = 0;

	for (int i = n; i-- > 0;)
		x = x << 8 | p[i];
	return x;
}

/* ---- the directory -------------------------------------------------------------- */

/* The end record stands last, before a comment of at most 64 KiB. */
static bool
find_end(const uint8_t *p, size_t len, size_t *at)
{
	if (len < END_SIZE)
		return false;
	size_t lowest = len - END_SIZE > 0xffff ? len - END_SIZE - 0xffff : 0;
	for (size_t i = len - END_SIZE + 1; i-- > lowest;)
		if (le(p + i, 4) == 0x06054b50 && i + END_SIZE + le(p + i + 20, 2) <= len) {
			*at = i;
			return true;
		}
	return false;
}

/* Sizes and offset that do not fit 32 bits follow in extra field 1, in this order. */
static bool
read_extra64(Record *r, const uint8_t *x, size_t len)
{
	bool need[] = { r->size == UINT32_MAX, r->packed == UINT32_MAX, r->at == UINT32_MAX };
	uint64_t *to[] = { &r->size, &r->packed, &r->at };

	if (!need[0] && !need[1] && !need[2])
		return true;
	while (len >= 4) {
		size_t n = le(x + 2, 2);
		if (n > len - 4)
			return false;
		if (le(x, 2) == 1) {
			const uint8_t *q = x + 4;
			for (int i = 0; i < 3; i++) {
				if (!need[i])
					continue;
				if ((size_t)(x + 4 + n - q) < 8)
					return false;
				*to[i] = le(q, 8);
				q += 8;
			}
			return true;
		}
		x += 4 + n, len -= 4 + n;
	}
	return false;
}

/* One directory entry at *at, which moves past it. */
static const char *
read_entry(Zip *z, size_t *at, size_t end)
{
	const uint8_t *e = z->p + *at;

	if (end - *at < DIR_SIZE || le(e, 4) != 0x02014b50)
		return "its directory is damaged";
	size_t name = le(e + 28, 2), extra = le(e + 30, 2), comment = le(e + 32, 2);
	if (name + extra + comment > end - *at - DIR_SIZE)
		return "its directory is cut short";
	Record *r = NEW(z->a, Record);
	*r = (Record){ .flags = (uint16_t)le(e + 8, 2), .method = (uint16_t)le(e + 10, 2),
	               .crc = (uint32_t)le(e + 16, 4), .packed = le(e + 20, 4),
	               .size = le(e + 24, 4), .at = le(e + 42, 4) };
	if (!read_extra64(r, e + DIR_SIZE + name, extra))
		return "its directory lacks a 64-bit size";
	const char *s = arena_strn(z->a, (const char *)e + DIR_SIZE, name);
	if (strlen(s) != name)
		return "a record's name is damaged";
	if (map_has(z->rec, s))
		return arena_printf(z->a, "it has two records %s", printable(z->a, s));
	map_set(z->rec, s, r);
	*at += DIR_SIZE + name + extra + comment;
	return NULL;
}

static const char *
read_directory(Zip *z)
{
	size_t end;

	if (!find_end(z->p, z->len, &end))
		return "it is cut short: a zip archive's directory, which is its end, is missing";
	const uint8_t *e = z->p + end;
	uint64_t count = le(e + 10, 2), size = le(e + 12, 4), at = le(e + 16, 4);
	if (le(e + 4, 2) != le(e + 6, 2) || le(e + 4, 2) % 0xffff != 0)
		return "it is one part of a split archive";
	if (end >= LOCATOR_SIZE && le(e - LOCATOR_SIZE, 4) == 0x07064b50) {
		uint64_t end64 = le(e - LOCATOR_SIZE + 8, 8);
		if (end64 > end - LOCATOR_SIZE || end - LOCATOR_SIZE - end64 < END64_SIZE ||
		    le(z->p + end64, 4) != 0x06064b50)
			return "its 64-bit end record is damaged";
		count = le(z->p + end64 + 32, 8);
		size = le(z->p + end64 + 40, 8);
		at = le(z->p + end64 + 48, 8);
	}
	if (at > end || size > end - at)
		return "its directory lies outside the file";
	if (count > MOST_RECORDS || count > size / DIR_SIZE)
		return "its directory has an impossible number of records";
	z->dir = at;
	size_t next = at;
	for (uint64_t i = 0; i < count; i++) {
		const char *err = read_entry(z, &next, at + size);
		if (err)
			return err;
	}
	return NULL;
}

/* ---- checksums -------------------------------------------------------------------- */

/* crc[k][b]: what byte b followed by k zero bytes adds, so that eight bytes take
 * eight look-ups that do not wait for each other. */
static void
make_crc(Zip *z)
{
	z->crc = arena_array(z->a, 8, sizeof(*z->crc));
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t c = b;
		for (int i = 0; i < 8; i++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320 : 0);
		z->crc[0][b] = c;
	}
	for (int k = 1; k < 8; k++)
		for (int b = 0; b < 256; b++)
			z->crc[k][b] = z->crc[k - 1][b] >> 8 ^ z->crc[0][z->crc[k - 1][b] & 255];
}

static uint32_t
crc32_of(const Zip *z, const uint8_t *p, size_t n)
{
	uint32_t c = UINT32_MAX, (*t)[256] = z->crc;

	for (; n >= 8; p += 8, n -= 8) {
		uint32_t lo = c ^ (uint32_t)le(p, 4);
		c = t[7][lo & 255] ^ t[6][lo >> 8 & 255] ^ t[5][lo >> 16 & 255] ^ t[4][lo >> 24] ^
		    t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
	}
	for (; n; p++, n--)
		c = c >> 8 ^ t[0][(c ^ *p) & 255];
	return ~c;
}

/* ---- records ------------------------------------------------------------------------ */

Zip *
zipview_open(Arena *a, const void *p, size_t len, const char **err)
{
	Zip *z = NEW(a, Zip);

	z->a = a;
	z->p = p;
	z->len = z->unread = len;
	z->rec = map_new(a);
	/* weights hardly compress; a record that grows without end is an attack */
	z->budget = len > (SIZE_MAX >> 7) ? SIZE_MAX : len * 64 + (16 << 20);
	make_crc(z);
	*err = read_directory(z);
	return *err ? NULL : z;
}

size_t
zipview_count(const Zip *z)
{
	return map_count(z->rec);
}

const char *
zipview_name(const Zip *z, size_t i)
{
	return map_key(z->rec, i);
}

bool
zipview_has(const Zip *z, const char *name)
{
	return map_has(z->rec, name);
}

static zip_t *
archive_of(Zip *z)
{
	zip_error_t e;

	if (z->archive)
		return z->archive;
	zip_error_init(&e);
	zip_source_t *src = zip_source_buffer_create(z->p, z->len, 0, &e);
	z->archive = src ? zip_open_from_source(src, ZIP_RDONLY, &e) : NULL;
	if (src && !z->archive)
		zip_source_free(src);
	zip_error_fini(&e);
	return z->archive;
}

static const void *
unpack(Zip *z, const char *name, size_t size)
{
	zip_t *archive = archive_of(z);
	zip_file_t *f = archive ? zip_fopen(archive, name, 0) : NULL;

	if (!f)
		return NULL;
	uint8_t *out = arena_alloc(z->a, size + 1);
	zip_int64_t got = zip_fread(f, out, size + 1);  /* one more: it must end there */
	zip_fclose(f);
	return got == (zip_int64_t)size ? out : NULL;
}

void
zipview_done(Zip *z)
{
	if (z && z->archive)
		zip_discard(z->archive);
	if (z)
		z->archive = NULL;
}

const void *
zipview_data(Zip *z, const char *name, size_t *len, const char **err)
{
	Record *r = map_get(z->rec, name);
	const char *shown = printable(z->a, name);

	*len = 0;
	if (!r) {
		*err = arena_printf(z->a, "the record %s is missing", shown);
		return NULL;
	}
	*len = r->size;
	if (r->data)
		return r->data;
	if (r->flags & 1) {
		*err = arena_printf(z->a, "the record %s is encrypted", shown);
		return NULL;
	}
	if (r->at > z->dir || z->dir - r->at < LOCAL_SIZE || le(z->p + r->at, 4) != 0x04034b50)
		goto damaged;
	size_t begin = r->at + LOCAL_SIZE + le(z->p + r->at + 26, 2) + le(z->p + r->at + 28, 2);
	if (begin > z->dir || r->packed > z->dir - begin)
		goto damaged;
	/* records that overlap could make a small file take for ever */
	if (r->packed > z->unread)
		goto damaged;
	z->unread -= r->packed;
	const void *data;
	if (r->method == STORED) {
		if (r->packed != r->size)
			goto damaged;
		data = z->p + begin;
	} else {
		if (r->size > z->budget) {
			*err = arena_printf(z->a, "the record %s unpacks to %llu bytes, far more than a weights file holds",
			                    shown, (unsigned long long)r->size);
			return NULL;
		}
		z->budget -= r->size;
		data = unpack(z, name, r->size);
		if (!data)
			goto damaged;
	}
	if (crc32_of(z, data, r->size) != r->crc) {
		*err = arena_printf(z->a, "the record %s does not match its checksum: the file is damaged", shown);
		return NULL;
	}
	return r->data = data;
damaged:
	*err = arena_printf(z->a, "the record %s is damaged", shown);
	return NULL;
}
