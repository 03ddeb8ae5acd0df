/* source.c -- a source, as the user wrote it, becomes a list of pictures.
 *
 * A file that is named is taken at its word and its content decides; from folders and
 * patterns only those with an extension of a picture are taken.  Every input gets a
 * stem of its own at the end, so that the results of street/a.jpg and street/a.png do
 * not overwrite each other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/inner.h"

static const size_t LIST_MOST = (size_t)64 << 20, STDIN_MOST = (size_t)256 << 20;
enum { DEPTH = 64 };            /* of folders under a ** */

/* Pictures that folders and patterns give, gathered before they are sorted. */
typedef struct List {
	y12_source *out;
	size_t cap;
	size_t others;          /* files that are no pictures */
	char *err;
} List;

static const char *const video_extensions[] = {
	"asf", "avi", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "webm", "wmv",
};

static bool
is_video(const char *path)
{
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof video_extensions / sizeof *video_extensions; i++)
		if (strcasecmp(dot + 1, video_extensions[i]) == 0)
			return true;
	return false;
}

static bool
has_extension(const char *path, const char *ext)
{
	const char *dot = strrchr(path, '.');

	return dot && strcasecmp(dot + 1, ext) == 0;
}

static bool
has_magic(const char *s)
{
	return strpbrk(s, "*?[") != NULL;
}

static bool
is_kind(const char *path, mode_t kind)
{
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

static char *
joined(const char *folder, const char *name)
{
	Out o = { 0 };

	out_put(&o, folder);
	if (*folder && folder[strlen(folder) - 1] != '/')
		out_put(&o, "/");
	out_put(&o, name);
	return out_take(&o);
}

/* From the root, "./" and doubled slashes taken out; links and ".." stay as they are. */
static char *
absolute(const char *path)
{
	char *here = *path == '/' ? strdup("/") : getcwd(NULL, 0), *full = here ? joined(here, path) : NULL;
	size_t n = 0;

	free(here);
	for (const char *s = full; s && *s; ) {
		if (s[0] == '/' && (s[1] == '/' || (s[1] == '.' && (s[2] == '/' || !s[2])))) {
			s += s[1] == '/' ? 1 : 2;
			continue;
		}
		full[n++] = *s++;
	}
	if (full)
		full[n] = 0;
	return full;
}

static bool
add(List *l, const char *path)
{
	y12_source *s = l->out;

	if (s->n == l->cap) {
		size_t cap = 2 * l->cap + 16;
		y12_input *p = realloc(s->input, cap * sizeof *p);

		if (!p)
			return data_fail(l->err, "out of memory");
		s->input = p;
		l->cap = cap;
	}
	s->input[s->n] = (y12_input){ .path = strcmp(path, "-") == 0 ? strdup(path) : absolute(path) };
	if (!s->input[s->n].path)
		return data_fail(l->err, "out of memory");
	s->n++;
	return true;
}

static bool
add_if_picture(List *l, const char *path)
{
	if (!is_kind(path, S_IFREG))
		return true;
	if (y12_picture_extension(path))
		return add(l, path);
	if (is_video(path))
		l->out->videos++;
	else
		l->others++;
	return true;
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const y12_input *)a)->path, ((const y12_input *)b)->path);
}

static void
sort_from(List *l, size_t first)
{
	if (l->out->n > first)
		qsort(l->out->input + first, l->out->n - first, sizeof *l->out->input, by_path);
}

/* ---- folders and patterns ----------------------------------------------------------- */

/* "a" and "b/c.jpg" of "a/b/c.jpg"; *rest is "" at the last */
static char *
first_part(const char *pattern, const char **rest)
{
	size_t n = strcspn(pattern, "/");

	*rest = pattern + n + strspn(pattern + n, "/");
	return strndup(pattern, n);
}

static bool glob_into(List *l, const char *folder, const char *pattern, int depth);

/* A file of that name in the folder, and what the rest of the pattern finds below it. */
static bool
glob_named(List *l, const char *folder, const char *name, const char *rest, int depth)
{
	char *path = joined(folder, name);
	bool ok = path ? *rest ? glob_into(l, path, rest, depth + 1) : add_if_picture(l, path)
	               : data_fail(l->err, "out of memory");

	free(path);
	return ok;
}

/* A file of that name under **: pictures here if the pattern ends, and folders below; not
 * through links, which may lead round in a circle. */
static bool
glob_any(List *l, const char *folder, const char *name, const char *pattern, const char *rest, int depth)
{
	char *path = joined(folder, name);
	struct stat st;
	bool ok = true;

	if (!path)
		return data_fail(l->err, "out of memory");
	if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		ok = glob_into(l, path, pattern, depth + 1);
	else if (!*rest)
		ok = add_if_picture(l, path);
	free(path);
	return ok;
}

static bool
glob_into(List *l, const char *folder, const char *pattern, int depth)
{
	const char *rest;
	char *part;
	bool ok = true, any;
	DIR *dir;

	if (depth > DEPTH)
		return true;
	if (!(part = first_part(pattern, &rest)))
		return data_fail(l->err, "out of memory");
	any = strcmp(part, "**") == 0;
	if (!has_magic(part)) {
		ok = glob_named(l, folder, part, rest, depth);
	} else if (any && strncmp(rest, "**/", 3) == 0) {       /* says no more than one of them */
		ok = glob_into(l, folder, rest, depth);
	} else {
		if (any && *rest)
			ok = glob_into(l, folder, rest, depth + 1);     /* no folder at all */
		if (ok && (dir = opendir(*folder ? folder : "."))) {
			for (struct dirent *e; ok && (e = readdir(dir)); )
				if (any && e->d_name[0] != '.')
					ok = glob_any(l, folder, e->d_name, pattern, rest, depth);
				else if (!any && fnmatch(part, e->d_name, FNM_PERIOD) == 0)
					ok = glob_named(l, folder, e->d_name, rest, depth);
			closedir(dir);
		}
	}
	free(part);
	return ok;
}

static bool
add_folder(List *l, const char *path)
{
	DIR *dir = opendir(path);
	bool ok = true;

	if (!dir)
		return data_fail(l->err, "the folder %s can't be read: %s", path, strerror(errno));
	for (struct dirent *e; ok && (e = readdir(dir)); ) {
		char *file;

		if (e->d_name[0] == '.')
			continue;
		file = joined(path, e->d_name);
		ok = file ? add_if_picture(l, file) : data_fail(l->err, "out of memory");
		free(file);
	}
	closedir(dir);
	return ok;
}

/* ---- one path, and lists of them ------------------------------------------------------ */

static bool
nothing(List *l, const char *what, const char *path)
{
	char videos[80] = "", others[80] = "";

	if (l->out->videos)
		snprintf(videos, sizeof videos, "; %zu video%s there, which can't be read yet", l->out->videos,
		         l->out->videos > 1 ? "s are" : " is");
	if (l->others)
		snprintf(others, sizeof others, "; %zu other file%s there", l->others, l->others > 1 ? "s are" : " is");
	return data_fail(l->err, "no pictures %s %.300s (bmp jpeg jpg mpo png tif tiff webp)%s%s", what, path, videos, others);
}

static bool
add_path(List *l, const char *path)
{
	size_t before = l->out->n;
	bool magic = has_magic(path);
	struct stat st;

	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode)) {
			if (!add_folder(l, path))
				return false;
			sort_from(l, before);
			return l->out->n > before || nothing(l, "in the folder", path);
		}
		if (is_video(path))
			return data_fail(l->err, "%s is a video; only pictures can be read yet", path);
		return add(l, path);
	}
	if (errno == EACCES || !magic)
		return data_fail(l->err, "%s can't be read: %s", path, strerror(errno));
	if (!glob_into(l, *path == '/' ? "/" : "", path + strspn(path, "/"), 0))
		return false;
	sort_from(l, before);
	/* "**" finds a file by several ways */
	for (size_t i = before + 1; i < l->out->n; )
		if (strcmp(l->out->input[i - 1].path, l->out->input[i].path) == 0) {
			free(l->out->input[i].path);
			memmove(&l->out->input[i], &l->out->input[i + 1], (--l->out->n - i) * sizeof *l->out->input);
		} else {
			i++;
		}
	return l->out->n > before || nothing(l, "match", path);
}

/* All that a stream holds, NUL-terminated; NULL: err says why. */
static char *
slurp(FILE *f, const char *name, size_t most, size_t *len, char *err)
{
	Out o = { 0 };
	char buf[1 << 15];
	size_t got;

	while ((got = fread(buf, 1, sizeof buf, f)) && o.n <= most)
		out_putn(&o, buf, got);
	*len = o.n;
	if (ferror(f))
		data_fail(err, "%s can't be read: %s", name, strerror(errno));
	else if (o.n > most)
		data_fail(err, "%s is larger than %zu MiB", name, most >> 20);
	else if (o.failed)
		data_fail(err, "out of memory");
	else
		return out_take(&o);
	free(o.p);
	return NULL;
}

static bool
add_line(List *l, const char *list, size_t number, const char *line)
{
	const char *slash = strrchr(list, '/');
	char *folder = strndup(list, slash ? (size_t)(slash - list) + 1 : 0);
	char *beside = folder ? joined(folder, line + (strncmp(line, "./", 2) == 0 ? 2 : 0)) : NULL;
	bool first = strncmp(line, "./", 2) == 0, ok;
	char why[Y12_ERRLEN] = "";

	free(folder);
	if (!beside)
		return data_fail(l->err, "out of memory");
	if (*line == '/' || (!first && access(line, F_OK) == 0))
		ok = add_path(l, line);
	else
		ok = add_path(l, first || access(beside, F_OK) == 0 || has_magic(line) ? beside : line);
	free(beside);
	if (!ok) {
		snprintf(why, sizeof why, "%s", l->err);
		data_fail(l->err, "%.200s, line %zu: %.280s", list, number, why);
	}
	return ok;
}

static bool
add_list(List *l, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text, *line, *next;
	size_t len, number = 1;
	bool ok = true;

	if (!f)
		return data_fail(l->err, "%s can't be read: %s", path, strerror(errno));
	text = slurp(f, path, LIST_MOST, &len, l->err);
	fclose(f);
	if (!text)
		return false;
	if (memchr(text, 0, len)) {
		free(text);
		return data_fail(l->err, "%s is not a text: a .txt source is a list of paths", path);
	}
	line = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
	for (; ok && *line; line = next, number++) {
		size_t n = strcspn(line, "\n");

		next = line + n + (line[n] == '\n');
		line[n] = 0;
		while (n && isspace((unsigned char)line[n - 1]))
			line[--n] = 0;
		if (n)
			ok = add_line(l, path, number, line);
	}
	free(text);
	if (ok && !l->out->n)
		return data_fail(l->err, "the list %s is empty", path);
	return ok;
}

/* ---- stems -------------------------------------------------------------------------------- */

static int
by_stem(const void *a, const void *b)
{
	const y12_input *const *x = a, *const *y = b;
	int c = strcmp((*x)->stem, (*y)->stem);

	return c ? c : *x < *y ? -1 : *x > *y;
}

static int
stem_is(const void *key, const void *elem)
{
	return strcmp(key, *(const char *const *)elem);
}

/* "/a/street.tar.jpg" -> "street.tar" */
static char *
stem_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	if (strcmp(path, "-") == 0)
		return strdup("stdin");
	return dot && dot > name ? strndup(name, (size_t)(dot - name)) : strdup(name);
}

/* The second "a" becomes "a-2", unless a file is called that.  Names made from different
 * stems differ, since the part before the last "-" does. */
static bool
give_stems(y12_source *s)
{
	y12_input **order = malloc((s->n + 1) * sizeof *order);
	char **stems = malloc((s->n + 1) * sizeof *stems);     /* as the files have them */
	unsigned k = 1;
	bool ok = order && stems;

	for (size_t i = 0; ok && i < s->n; i++) {
		order[i] = &s->input[i];
		ok = (s->input[i].stem = stem_of(s->input[i].path)) != NULL;
	}
	if (ok) {
		qsort(order, s->n, sizeof *order, by_stem);
		for (size_t i = 0; i < s->n; i++)
			stems[i] = order[i]->stem;
	}
	for (size_t i = 1; ok && i < s->n; i++) {
		Out o;

		if (strcmp(stems[i], stems[i - 1]) != 0) {
			k = 1;
			continue;
		}
		do {
			o = (Out){ 0 };
			out_put(&o, stems[i]);
			out_printf(&o, "-%u", ++k);
			order[i]->stem = out_take(&o);
			ok = order[i]->stem != NULL;
		} while (ok && bsearch(order[i]->stem, stems, s->n, sizeof *stems, stem_is) &&
		         (free(order[i]->stem), true));
		s->renamed++;
	}
	/* stems[] still holds the texts that were replaced */
	for (size_t i = 0; order && stems && ok && i < s->n; i++)
		if (order[i]->stem != stems[i])
			free(stems[i]);
	free(order);
	free(stems);
	return ok;
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* What the user may have meant by something that is no file. */
static const char *
not_a_file(const char *spec)
{
	static const char *const schemes[] = { "http://", "https://", "rtsp://", "rtmp://", "tcp://", "ftp://" };

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (strncasecmp(spec, schemes[i], strlen(schemes[i])) == 0)
			return "is an address, and this program never uses the network: fetch it first";
	if (*spec && spec[strspn(spec, "0123456789")] == 0)
		return "is the number of a camera; only files can be read yet";
	if (strcmp(spec, "screen") == 0)
		return "is the screen; only files can be read yet";
	return NULL;
}

bool
y12_source_open(const char *spec, y12_source *out, char *err)
{
	List l = { .out = out, .err = err };
	const char *odd = not_a_file(spec);
	bool ok;

	*out = (y12_source){ 0 };
	*err = 0;
	if (!*spec)
		return data_fail(err, "the source is empty");
	if (odd && access(spec, F_OK) != 0)
		return data_fail(err, "%s %s", spec, odd);
	if (strcmp(spec, "-") == 0)
		ok = add(&l, spec);
	else if (has_extension(spec, "txt") && is_kind(spec, S_IFREG))
		ok = add_list(&l, spec);
	else
		ok = add_path(&l, spec);
	if (ok && !give_stems(out))
		ok = data_fail(err, "out of memory");
	if (!ok)
		y12_source_free(out);
	return ok;
}

void
y12_source_free(y12_source *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->input[i].path);
		free(s->input[i].stem);
	}
	free(s->input);
	*s = (y12_source){ 0 };
}

bool
y12_source_read(const y12_source *s, size_t i, y12_picture *out, char *err)
{
	size_t len;
	char *data;
	bool ok;

	if (strcmp(s->input[i].path, "-") != 0)
		return y12_picture_read(s->input[i].path, out, err);
	*out = (y12_picture){ 0 };
	if (!(data = slurp(stdin, "standard input", STDIN_MOST, &len, err)))
		return false;
	ok = len ? y12_picture_decode(data, len, NULL, out, err)
	         : data_fail(err, "standard input is empty");
	free(data);
	return ok;
}
