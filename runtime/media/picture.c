/* picture.c -- a picture file in, whatever its format; and out again, safely.
 *
 * The first bytes decide the format, never the name.  A file is written beside
 * its final name and renamed, so that a reader (or a crash, or a full disk)
 * never meets half of one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/media/codec.h"

static const struct {
	const char *magic;      /* '?' stands for any byte */
	size_t len;
	y12_reader *read;
} formats[] = {
	{"\xff\xd8\xff",            3, y12_jpeg_read},
	{"\x89PNG\r\n\x1a\n",       8, y12_png_read},
	{"RIFF????WEBP",           12, y12_webp_read},
	{"BM",                      2, y12_bmp_read},
	{"II*\0",                   4, y12_tiff_read},
	{"MM\0*",                   4, y12_tiff_read},
	{"II+\0",                   4, y12_tiff_read},      /* BigTIFF */
	{"MM\0+",                   4, y12_tiff_read},
};

static const char *const extensions[] = {"bmp", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

bool
y12_media_fail(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, Y12_ERRLEN, fmt, ap);
	va_end(ap);
	return false;
}

bool
y12_media_size(uint32_t width, uint32_t height, y12_picture *p, char *err)
{
	if (width == 0 || height == 0)
		return y12_media_fail(err, "the picture is empty (%ux%u pixels)", width, height);
	if (width > MEDIA_MAX_SIDE || height > MEDIA_MAX_SIDE)
		return y12_media_fail(err, "the picture is too large: %ux%u pixels, a side may have %d",
		                      width, height, MEDIA_MAX_SIDE);
	if ((uint64_t)width * height > MEDIA_MAX_PIXELS)
		return y12_media_fail(err, "the picture is too large: %ux%u pixels are more than %d",
		                      width, height, MEDIA_MAX_PIXELS);
	p->width = (int)width;
	p->height = (int)height;
	return true;
}

bool
y12_media_alloc(y12_picture *p, char *err)
{
	p->rgb = calloc((size_t)p->width * p->height, 3);
	return p->rgb || y12_media_fail(err, "out of memory for %dx%d pixels", p->width, p->height);
}

void
y12_picture_free(y12_picture *p)
{
	free(p->rgb);
	*p = (y12_picture){0};
}

static const char *
extension(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');

	return dot && (!slash || dot > slash) ? dot + 1 : "";
}

bool
y12_picture_extension(const char *path)
{
	for (size_t i = 0; i < COUNT(extensions); i++)
		if (strcasecmp(extension(path), extensions[i]) == 0)
			return true;
	return false;
}

/* ---- reading ---------------------------------------------------------------- */

static bool
has_magic(y12_bytes in, const char *magic, size_t len)
{
	if (in.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (magic[i] != '?' && in.p[i] != (uint8_t)magic[i])
			return false;
	return true;
}

static y12_reader *
reader_of(y12_bytes in)
{
	for (size_t i = 0; i < COUNT(formats); i++)
		if (has_magic(in, formats[i].magic, formats[i].len))
			return formats[i].read;
	return NULL;
}

static bool
unknown(y12_bytes in, const char *name, char *err)
{
	if (in.len == 0)
		return y12_media_fail(err, "the file is empty");
	return y12_media_fail(err, "%s; pictures are read from JPEG, PNG, WebP, BMP and TIFF files",
	                      name && y12_picture_extension(name)
	                      ? "the content is not a picture, whatever the name says"
	                      : "not a picture of a known format");
}

bool
y12_picture_decode(const void *data, size_t len, const char *name, y12_picture *out, char *err)
{
	const y12_bytes in = {data, len};
	y12_reader *reader = reader_of(in);
	y12_stored s = {.orient = 1};

	*out = (y12_picture){0};
	if (!reader)
		return unknown(in, name, err);
	if (!reader(in, &s, err)) {
		free(s.p.rgb);
		return false;
	}
	if (!y12_exif_turn(&s.p, s.orient)) {
		free(s.p.rgb);
		return y12_media_fail(err, "out of memory for %dx%d pixels", s.p.width, s.p.height);
	}
	*out = s.p;
	return true;
}

static bool
read_all(int fd, uint8_t *p, size_t want, size_t *n)
{
	for (*n = 0; *n < want; ) {
		const ssize_t got = read(fd, p + *n, want - *n);

		if (got == 0)
			break;
		if (got > 0)
			*n += (size_t)got;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

/* Up to most bytes of a picture file; *all: that was the whole file.  A file of
 * another kind, which may be a video of many gigabytes, is not read to its end. */
static bool
load(const char *path, size_t most, uint8_t **out, size_t *len, bool *all, char *err)
{
	enum { MAGIC = 16 };
	struct stat st = {0};
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);   /* a pipe must not hang us */
	uint8_t *p = NULL;
	bool ok = false;

	if (fd < 0)
		return y12_media_fail(err, "cannot open it: %s", strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		y12_media_fail(err, S_ISDIR(st.st_mode) ? "a folder, not a picture" : "not a regular file");
		goto done;
	}
	const size_t want = (uint64_t)st.st_size < most ? (size_t)st.st_size : most;
	const size_t head = want < MAGIC ? want : MAGIC;
	size_t n;

	if (!(p = malloc(want + 1))) {
		y12_media_fail(err, "out of memory for %zu bytes", want);
		goto done;
	}
	if (!read_all(fd, p, head, &n))
		goto cannot;
	if (!reader_of((y12_bytes){p, n})) {
		unknown((y12_bytes){p, n}, path, err);
		goto done;
	}
	if (!read_all(fd, p + n, want - n, len))
		goto cannot;
	*len += n;
	*all = *len < want || want == (uint64_t)st.st_size;
	*out = p;
	ok = true;
	goto done;
cannot:
	y12_media_fail(err, "cannot read it: %s", strerror(errno));
done:
	close(fd);
	if (!ok)
		free(p);
	return ok;
}

bool
y12_picture_read(const char *path, y12_picture *out, char *err)
{
	uint8_t *p;
	size_t n;
	bool all;

	*out = (y12_picture){0};
	if (!load(path, SIZE_MAX - 1, &p, &n, &all, err))
		return false;
	const bool ok = y12_picture_decode(p, n, path, out, err);

	free(p);
	return ok;
}

bool
y12_picture_size(const char *path, int *width, int *height, char *err)
{
	/* Nearly every header lies in front; a TIFF's directory, or a JPEG's behind
	 * large APP segments, need not, and then the whole file is read. */
	static const size_t steps[] = {1 << 16, SIZE_MAX - 1};

	*width = *height = 0;
	for (size_t i = 0; i < COUNT(steps); i++) {
		y12_stored s = {.orient = 1, .head = true};
		uint8_t *p;
		size_t n;
		bool all;

		if (!load(path, steps[i], &p, &n, &all, err))
			return false;
		y12_reader *reader = reader_of((y12_bytes){p, n});      /* load() has seen it */
		const bool ok = reader && reader((y12_bytes){p, n}, &s, err);

		free(p);
		if (ok) {
			*width = s.orient >= 5 ? s.p.height : s.p.width;
			*height = s.orient >= 5 ? s.p.width : s.p.height;
			return true;
		}
		if (all)
			break;
	}
	return false;
}

/* ---- writing ---------------------------------------------------------------- */

static bool
write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		const ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return fsync(fd) == 0 || errno == EINVAL || errno == EROFS;    /* not every file can be synced */
}

static bool
replace(const char *path, const uint8_t *p, size_t n, char *err)
{
	static atomic_uint turn;        /* two threads may write the same name */
	char beside[4096];
	const int len = snprintf(beside, sizeof beside, "%s.%ld-%u.tmp", path, (long)getpid(),
	                         atomic_fetch_add(&turn, 1));

	if (len < 0 || (size_t)len >= sizeof beside)
		return y12_media_fail(err, "cannot write it: %s", strerror(ENAMETOOLONG));
	const int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd < 0)
		return y12_media_fail(err, "cannot write it: %s", strerror(errno));
	bool ok = write_all(fd, p, n);
	int error = errno;

	if (close(fd) != 0 && ok) {
		ok = false;
		error = errno;
	}
	if (ok && rename(beside, path) != 0) {
		ok = false;
		error = errno;
	}
	if (ok)
		return true;
	unlink(beside);
	return y12_media_fail(err, "cannot write it: %s", strerror(error));
}

static bool
writable(const y12_picture *p, char *err)
{
	y12_picture same;

	if (p->width <= 0 || p->height <= 0 || !p->rgb)
		return y12_media_fail(err, "the picture is empty");
	return y12_media_size(p->width, p->height, &same, err);
}

bool
y12_picture_write_jpeg(const char *path, const y12_picture *p, int quality, bool subsample, char *err)
{
	uint8_t *out;
	size_t n;

	if (quality < 1 || quality > 100)
		return y12_media_fail(err, "JPEG quality %d is not in 1..100", quality);
	if (!writable(p, err) || !y12_jpeg_encode(p, quality, subsample, &out, &n, err))
		return false;
	const bool ok = replace(path, out, n, err);

	free(out);
	return ok;
}

bool
y12_picture_write_png(const char *path, const y12_picture *p, char *err)
{
	uint8_t *out;
	size_t n;

	if (!writable(p, err) || !y12_png_encode(p, &out, &n, err))
		return false;
	const bool ok = replace(path, out, n, err);

	free(out);
	return ok;
}

/* ---- cropping --------------------------------------------------------------- */

static int
clip(int v, int hi)
{
	return v < 0 ? 0 : v > hi ? hi : v;
}

bool
y12_picture_crop(const y12_picture *p, int x0, int y0, int x1, int y1, y12_picture *out)
{
	x0 = clip(x0, p->width);
	x1 = clip(x1, p->width);
	y0 = clip(y0, p->height);
	y1 = clip(y1, p->height);
	*out = (y12_picture){0};
	if (x0 >= x1 || y0 >= y1)
		return false;
	const size_t stride = (size_t)(x1 - x0) * 3;
	uint8_t *rgb = malloc(stride * (y1 - y0));

	if (!rgb)
		return false;
	for (int y = y0; y < y1; y++)
		memcpy(rgb + (y - y0) * stride, p->rgb + 3 * ((size_t)y * p->width + x0), stride);
	*out = (y12_picture){rgb, x1 - x0, y1 - y0};
	return true;
}
