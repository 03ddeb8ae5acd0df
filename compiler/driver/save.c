/* save.c -- files of a run.
 *
 * The folder is made with the first result, so that a run that fails before leaves
 * nothing behind.  A class name comes from a stranger's file and becomes a folder's
 * name here: it must not lead out of the run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <unistd.h>

#include "driver/save.h"
#include "driver/ui.h"

enum { QUALITY = 95, CROP_PIXELS = 10 };
static const float CROP_GAIN = 1.02f;

static const char *
file_name_of_class(Arena *a, const char *name)
{
	char *s = arena_str(a, *name ? name : "_");

	if (*s == '.')
		*s = '_';
	for (char *c = s; *c; c++)
		if (*c == '/' || *c == '\\' || (unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '_';
	if (strlen(s) > 200)
		s[200] = 0;
	return s;
}

static bool
make_folder(Saver *s)
{
	char err[Y12_ERRLEN];
	char *dir = s->dir ? NULL : y12_rundir(s->o->project, s->o->name, s->o->exist_ok, err);

	if (dir) {
		s->dir = arena_str(s->a, dir);
		free(dir);
		if (s->o->save_txt && !y12_make_folders(arena_printf(s->a, "%s/labels", s->dir), err)) {
			ui_error("%s", err);
			return false;
		}
	}
	if (!s->dir)
		ui_error("%s; give another project= or name=", err);
	return s->dir != NULL;
}

static bool
save_labels(Saver *s, Arena *a, const y12_input *in, const y12_picture *p, const y12_detection *d, size_t n)
{
	char err[Y12_ERRLEN];
	char *lines = y12_label_lines(d, n, p->width, p->height, s->o->save_conf);
	bool ok = !n || (lines && y12_append(arena_printf(a, "%s/labels/%s.txt", s->dir, in->stem), lines, err));

	if (!ok)
		ui_error("%s", lines ? err : "out of memory");
	s->labels += ok && n;
	free(lines);
	return ok;
}

/* the first of stem.jpg, stem2.jpg … that is free */
static const char *
free_name(Arena *a, const char *folder, const char *stem)
{
	const char *path = arena_printf(a, "%s/%s.jpg", folder, stem);

	for (int i = 2; access(path, F_OK) == 0; i++)
		path = arena_printf(a, "%s/%s%d.jpg", folder, stem, i);
	return path;
}

/* What is in the box, with a little of what is round it. */
static bool
save_crop(Saver *s, Arena *a, const y12_input *in, const y12_picture *p, const y12_detection *d, const y12_names *names)
{
	float x = (d->x0 + d->x1) / 2, y = (d->y0 + d->y1) / 2;
	float w = (d->x1 - d->x0) * CROP_GAIN + CROP_PIXELS, h = (d->y1 - d->y0) * CROP_GAIN + CROP_PIXELS;
	char buf[24], err[Y12_ERRLEN];
	const char *folder = arena_printf(a, "%s/crops/%s", s->dir,
	                                  file_name_of_class(a, y12_class_name(names, d->label, buf)));
	const char *path;
	y12_picture crop;
	bool ok;

	if (!y12_picture_crop(p, (int)(x - w / 2), (int)(y - h / 2), (int)(x + w / 2), (int)(y + h / 2), &crop))
		return true;            /* a box without area at the very edge */
	if (!y12_make_folders(folder, err)) {
		ui_error("%s", err);
		y12_picture_free(&crop);
		return false;
	}
	path = free_name(a, folder, in->stem);
	ok = y12_picture_write_jpeg(path, &crop, QUALITY, false, err);
	if (!ok)
		ui_error("%s: %s", path, err);
	y12_picture_free(&crop);
	return ok;
}

static bool
save_picture(Saver *s, Arena *a, const y12_input *in, y12_picture *p, const y12_detection *d, size_t n,
             const y12_names *names)
{
	const char *path = arena_printf(a, "%s/%s.jpg", s->dir, in->stem);
	y12_box *box = NEWN(a, y12_box, n);
	char buf[24], err[Y12_ERRLEN];

	/* from the last to the first, so that the surest is on top */
	for (size_t i = 0; i < n; i++) {
		const y12_detection *f = &d[n - 1 - i];
		const char *name = y12_class_name(names, f->label, buf);

		box[i] = (y12_box){ f->x0, f->y0, f->x1, f->y1, f->label, NULL };
		if (s->o->show_labels)
			box[i].text = s->o->show_conf ? arena_printf(a, "%s %.2f", name, (double)f->score) : arena_str(a, name);
	}
	if (!y12_picture_draw(p, box, n, (int)s->o->line_width, err) ||
	    !y12_picture_write_jpeg(path, p, QUALITY, true, err)) {
		ui_error("%s: %s", path, err);
		return false;
	}
	return true;
}

bool
save_results(Saver *s, const y12_input *in, y12_picture *p, const y12_detection *d, size_t n, const y12_names *names)
{
	const Options *o = s->o;
	Arena *a;
	bool ok;

	if (!o->save && !o->save_txt && !o->save_crop)
		return true;
	if (!make_folder(s))
		return false;
	a = arena_new();
	ok = !o->save_txt || save_labels(s, a, in, p, d, n);
	for (size_t i = 0; ok && o->save_crop && i < n; i++)
		ok = save_crop(s, a, in, p, &d[i], names);
	if (ok && o->save)
		ok = save_picture(s, a, in, p, d, n, names);
	arena_free(a);
	return ok;
}
