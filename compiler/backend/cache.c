/* cache.c -- compiled kernels on disk, one file each.
 *
 *     <dir>/k-<key>        header, code        key = hash(kernel, target, versions)
 *
 * A file for a kernel rather than for a network: a network whose one layer changed compiles
 * one kernel, networks share what they have in common, and so do the twenty plans that tuning tries.
 * Opening a hundred small files takes 2 ms, which a whole network's start can bear.
 *
 * The key is made from the kernel itself, not from its text: to print a hundred
 * kernels takes longer than all the rest.  Names are left out, they change no code.
 *
 * Any number of processes may share a folder.  An entry is written beside its name and renamed, so readers
 * see all of it or nothing, and two writers of one key write the same bytes.  Nothing is flushed to the
 * disk: an entry torn by a power cut fails its checksum, and is made again like one
 * that was cut short or changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/cache.h"
#include "backend/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- keys -------------------------------------------------------------------------- */

static void
put(Text *t, const void *p, size_t n)
{
	text_putn(t, p, n);
}

static void
put_block(Text *t, const KBlock *b)
{
	uint64_t n = b->inst.n;

	put(t, &n, sizeof n);
	for (size_t j = 0; j < n; j++) {
		const KInst *i = &b->inst.p[j];
		struct {
			uint32_t op, dst, a[3], buf, buf2, buf3, blocks, zero;
			int64_t imm;
			double fimm;
		} x = { i->op, i->dst, { i->a[0], i->a[1], i->a[2] }, i->buf, i->buf2, i->buf3,
		        (i->body ? 1 : 0) + (i->other ? 2 : 0), 0, i->imm, i->fimm };

		_Static_assert(sizeof x == 56, "no padding, whose bytes would be anything");
		put(t, &x, sizeof x);
		if (i->body)
			put_block(t, i->body);
		if (i->other)
			put_block(t, i->other);
	}
}

void
cache_key(Arena *a, const Target *t, const char *salt, const Kernel *k, char key[33])
{
	Text x = { .a = a };

	text_printf(&x, "%s|%s|%s|%s|%s|%s|", backend_version(), t->name, t->triple, t->cpu, t->features, salt);
	vec_reserve(a, &x, kernel_insts(k) * 64 + 4096);
	put(&x, k->grid, sizeof k->grid);
	put(&x, k->cluster, sizeof k->cluster);
	put(&x, &k->resident, sizeof k->resident);
	put(&x, k->block, sizeof k->block);
	for (size_t i = 0; i < k->buf.n; i++) {
		const KBuf *b = &k->buf.p[i];
		int64_t row[7] = { b->space, b->dt, b->count, b->out, b->inplace, b->align, b->alias };

		put(&x, row, sizeof row);
		/* a map's numbers go to the launch, not into the code: only its rank and kind matter */
		if (b->map)
			text_printf(&x, "%d %d|", b->map->rank, b->map->im2col);
	}
	for (size_t i = 1; i < k->reg.n; i++) {
		char type[2] = { (char)k->reg.p[i].s, (char)k->reg.p[i].lanes };

		put(&x, type, sizeof type);
	}
	put_block(&x, &k->body);
	hash_hex(key, x.p, x.n);
}

/* ---- entries ------------------------------------------------------------------------- */

enum { PIECE_BYTES_MAX = 1 << 26 };

typedef struct Header {
	char magic[8];
	char key[32];
	uint64_t bytes, entry, align;
	uint64_t sum;           /* of the code, then of this header with sum = 0 */
} Header;

static const char magic[8] = "y12kern1";

static uint64_t
checksum(Header h, const void *code)
{
	uint64_t both[2];

	h.sum = 0;
	both[0] = hash64(code, h.bytes);
	both[1] = hash64(&h, sizeof h);
	return hash64(both, sizeof both);
}

bool
cache_get(Arena *a, const char *dir, const char key[33], Piece *out)
{
	int fd = open(arena_printf(a, "%s/k-%s", dir, key), O_RDONLY | O_CLOEXEC);
	struct stat st;
	Header h;
	bool ok = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, &h, sizeof h) == (ssize_t)sizeof h &&
	    memcmp(h.magic, magic, sizeof magic) == 0 && memcmp(h.key, key, sizeof h.key) == 0 &&
	    h.bytes <= PIECE_BYTES_MAX && (uint64_t)st.st_size == sizeof h + h.bytes &&
	    h.entry < h.bytes && h.align != 0 && h.align <= 4096 && (h.align & (h.align - 1)) == 0) {
		uint8_t *code = arena_alloc(a, h.bytes);

		ok = read(fd, code, h.bytes) == (ssize_t)h.bytes && checksum(h, code) == h.sum;
		*out = (Piece){ code, h.bytes, h.entry, h.align };
	}
	close(fd);
	return ok;
}

/* the folder and those above it */
static int
make_folder(Arena *a, const char *dir)
{
	char *path = arena_str(a, dir);

	for (char *p = path + 1; *p; p++)
		if (*p == '/') {
			*p = 0;
			if (mkdir(path, 0777) != 0 && errno != EEXIST)
				return errno;
			*p = '/';
		}
	return mkdir(path, 0777) != 0 && errno != EEXIST ? errno : 0;
}

const char *
cache_put(Arena *a, const char *dir, const char key[33], const Piece *p)
{
	const char *path = arena_printf(a, "%s/k-%s", dir, key);
	char *tmp = arena_printf(a, "%s/t-XXXXXX", dir);
	Header h = { .bytes = p->bytes, .entry = p->entry, .align = p->align };
	FILE *f;
	int fd = mkstemp(tmp), e;

	if (fd < 0 && errno == ENOENT) {
		e = make_folder(a, dir);
		if (e)
			return arena_printf(a, "cannot make the folder %s: %s", dir, strerror(e));
		tmp = arena_printf(a, "%s/t-XXXXXX", dir);
		fd = mkstemp(tmp);
	}
	if (fd < 0)
		return arena_printf(a, "cannot write in %s: %s", dir, strerror(errno));
	memcpy(h.magic, magic, sizeof magic);
	memcpy(h.key, key, sizeof h.key);
	h.sum = checksum(h, p->p);
	f = fdopen(fd, "wb");
	errno = 0;
	if (!f || fwrite(&h, sizeof h, 1, f) != 1 || fwrite(p->p, 1, p->bytes, f) != p->bytes) {
		e = errno ? errno : EIO;
		if (f)
			fclose(f);
		else
			close(fd);
	} else {
		e = fclose(f) != 0 || rename(tmp, path) != 0 ? errno : 0;
	}
	if (!e)
		return NULL;
	unlink(tmp);
	return arena_printf(a, "cannot write in %s: %s", dir, strerror(e));
}

const char *
cache_dir_default(Arena *a)
{
	static const struct { const char *env, *below; } where[] = {
		{ "YOLO12C_CACHE_DIR", "" }, { "YOLOV12_TRT_CACHE_DIR", "" },
		{ "XDG_CACHE_HOME", "/yolo12c" }, { "HOME", "/.cache/yolo12c" },
	};

	for (size_t i = 0; i < COUNT(where); i++) {
		const char *dir = getenv(where[i].env);

		/* the XDG text says: a path that is not absolute is to be ignored */
		if (dir && *dir && (i < 2 || *dir == '/'))
			return arena_printf(a, "%s%s", dir, where[i].below);
	}
	return NULL;
}
