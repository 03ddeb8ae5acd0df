/* rundir.c -- the folder of a run.
 *
 *     runs/detect/predict   runs/detect/predict2   runs/detect/predict3 …
 *
 * The number is found by making the folder, not by looking first, so that two runs
 * started together never share one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/data/inner.h"

enum { MOST_RUNS = 100000 };

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool
make_up_to(char *path, size_t n, char *err)
{
	char c = path[n];
	int bad = 0;

	path[n] = 0;
	if (n && mkdir(path, 0777) && !is_folder(path))
		bad = errno;
	if (bad)
		data_fail(err, "the folder %s can't be made: %s", path,
		          bad == EEXIST ? "a file of that name is there" : strerror(bad));
	path[n] = c;
	return !bad;
}

bool
y12_make_folders(const char *path, char *err)
{
	char *p = strdup(path);
	bool ok = true;

	if (!p)
		return data_fail(err, "out of memory");
	for (size_t i = 1; ok && p[i]; i++)
		if (p[i] == '/' && p[i - 1] != '/')
			ok = make_up_to(p, i, err);
	ok = ok && make_up_to(p, strlen(p), err);
	free(p);
	return ok;
}

char *
y12_rundir(const char *project, const char *name, bool exist_ok, char *err)
{
	size_t n = strlen(project) + strlen(name) + 16, end;
	char *path = malloc(n), *slash;

	if (!path) {
		data_fail(err, "out of memory");
		return NULL;
	}
	snprintf(path, n, "%s%s%s", project, *project && *name ? "/" : "", name);
	for (end = strlen(path); end > 1 && path[end - 1] == '/'; )
		path[--end] = 0;
	if (exist_ok) {
		if (y12_make_folders(path, err))
			return path;
		free(path);
		return NULL;
	}
	if ((slash = strrchr(path, '/')) && slash > path) {
		*slash = 0;
		if (!y12_make_folders(path, err)) {
			free(path);
			return NULL;
		}
		*slash = '/';
	}
	for (int i = 1; i < MOST_RUNS; i++) {
		if (i > 1)
			snprintf(path + end, n - end, "%d", i);
		if (mkdir(path, 0777) == 0)
			return path;
		if (errno != EEXIST) {
			data_fail(err, "the folder %s can't be made: %s", path, strerror(errno));
			free(path);
			return NULL;
		}
	}
	path[end] = 0;
	data_fail(err, "%d folders named %s are there already; give another name=, or exist_ok=true", MOST_RUNS, path);
	free(path);
	return NULL;
}
