/* file.c -- whole files in, whole files out.
 *
 * Output goes to a new file beside the target, is flushed to the disk, and then
 * takes the target's name: a reader sees the old file or the new one, and a full
 * disk or a crash leaves the old one.  A target that is no regular file (a pipe,
 * /dev/null) is written straight.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *
message(Arena *a, const char *what, const char *path, int e)
{
	return arena_printf(a, "cannot %s %s: %s", what, path, strerror(e));
}

char *
file_read(Arena *a, const char *path, size_t *len, const char **err)
{
	FILE *f = fopen(path, "rb");
	Text t = { .a = a };
	char buf[1 << 14];
	struct stat st;

	*len = 0;
	if (!f) {
		*err = message(a, "open", path, errno);
		return NULL;
	}
	if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		vec_reserve(a, &t, (size_t)st.st_size + 1);
	/* a pipe has no size, and a file may grow: read until nothing comes */
	for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;)
		text_putn(&t, buf, n);
	int e = ferror(f) ? errno : 0;
	fclose(f);
	if (e) {
		*err = message(a, "read", path, e);
		return NULL;
	}
	text_putn(&t, "", 0);
	*len = t.n;
	return t.p;
}

static const char nothing[1];

const void *
file_map(Arena *a, const char *path, size_t *len, const char **err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*len = 0;
	if (fd < 0) {
		*err = message(a, "open", path, errno);
		return NULL;
	}
	const void *p = NULL;
	if (fstat(fd, &st) < 0) {
		*err = message(a, "read", path, errno);
	} else if (!S_ISREG(st.st_mode)) {
		*err = arena_printf(a, "cannot read %s: %s", path,
		                    S_ISDIR(st.st_mode) ? "it is a folder" : "not a regular file");
	} else if (st.st_size == 0) {
		p = nothing;
	} else if ((uintmax_t)st.st_size > SIZE_MAX) {
		*err = message(a, "map", path, EFBIG);
	} else {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED) {
			*err = message(a, "map", path, errno);
			p = NULL;
		} else {
			*len = (size_t)st.st_size;
		}
	}
	close(fd);
	return p;
}

void
file_unmap(const void *p, size_t len)
{
	if (p && len)
		munmap((void *)(uintptr_t)p, len);
}

const char *
fileout_open(Arena *a, FileOut *o, const char *path)
{
	char *real = realpath(path, NULL);      /* follow a link, replace what it names */
	struct stat st;
	mode_t mode = 0666;
	int fd = -1;

	*o = (FileOut){ .a = a, .path = arena_str(a, real ? real : path) };
	free(real);
	if (stat(o->path, &st) == 0) {
		if (!S_ISREG(st.st_mode)) {
			o->f = fopen(o->path, "wb");
			return o->f ? NULL : message(a, "write", path, errno);
		}
		mode = st.st_mode & 0777;
	}
	for (int i = 0; i < 100 && fd < 0; i++) {
		o->tmp = arena_printf(a, "%s.%ld-%d.tmp", o->path, (long)getpid(), i);
		fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0) {
		o->tmp = NULL;
		return message(a, "write", path, errno);
	}
	o->f = fdopen(fd, "wb");
	if (!o->f) {
		int e = errno;
		close(fd);
		fileout_abandon(o);
		return message(a, "write", path, e);
	}
	return NULL;
}

/* the new name itself must reach the disk too; failing to is no error */
static void
sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(dir);
}

const char *
fileout_commit(FileOut *o)
{
	int e = 0;

	errno = 0;
	if (fflush(o->f) != 0 || ferror(o->f))
		e = errno ? errno : EIO;
	if (!e && o->tmp && fsync(fileno(o->f)) != 0)
		e = errno;
	if (fclose(o->f) != 0 && !e)
		e = errno;
	o->f = NULL;
	if (!e && o->tmp && rename(o->tmp, o->path) != 0)
		e = errno;
	if (e) {
		fileout_abandon(o);
		return message(o->a, "write", o->path, e);
	}
	if (o->tmp)
		sync_folder(o->path);
	o->tmp = NULL;
	return NULL;
}

void
fileout_abandon(FileOut *o)
{
	if (o->f)
		fclose(o->f);
	o->f = NULL;
	if (o->tmp)
		unlink(o->tmp);
	o->tmp = NULL;
}

const char *
file_write(Arena *a, const char *path, const void *data, size_t len)
{
	FileOut o;
	const char *err = fileout_open(a, &o, path);

	if (err)
		return err;
	if (len && fwrite(data, 1, len, o.f) != len) {
		int e = errno;
		fileout_abandon(&o);
		return message(a, "write", path, e);
	}
	return fileout_commit(&o);
}
