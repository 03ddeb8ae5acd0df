/* labels.c -- label files (yolov12.md 3.7): what save_txt writes.
 *
 * The arithmetic is in f32, and in this order, so that the six digits of %g come out
 * as the reference prints them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/inner.h"

char *
y12_label_lines(const y12_detection *d, size_t n, int w, int h, bool with_score)
{
	Out o = { 0 };

	for (size_t i = 0; i < n; i++) {
		float x = (d[i].x0 + d[i].x1) / 2, y = (d[i].y0 + d[i].y1) / 2;
		float dx = d[i].x1 - d[i].x0, dy = d[i].y1 - d[i].y0;

		out_printf(&o, "%d %g %g %g %g", d[i].label, (double)(x / (float)w), (double)(y / (float)h),
		           (double)(dx / (float)w), (double)(dy / (float)h));
		if (with_score)
			out_printf(&o, " %g", (double)d[i].score);
		out_put(&o, "\n");
	}
	return out_take(&o);
}

bool
y12_append(const char *path, const char *text, char *err)
{
	size_t n = strlen(text), done = 0;
	struct stat st;
	int bad = 0, fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0 || fstat(fd, &st)) {
		data_fail(err, "%s can't be written: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (done < n && !bad) {
		ssize_t got = write(fd, text + done, n - done);

		if (got > 0)
			done += (size_t)got;
		else if (got == 0 || errno != EINTR)
			bad = got == 0 ? ENOSPC : errno;
	}
	if (bad && S_ISREG(st.st_mode)) {       /* half a line would be read as another label */
		if (st.st_size == 0)
			unlink(path);
		else if (ftruncate(fd, st.st_size))
			bad = errno;
	}
	if (close(fd) && !bad)
		bad = errno;
	return bad ? data_fail(err, "%s can't be written: %s", path, strerror(bad)) : true;
}
