/* draw.c -- boxes and their labels on a picture, by cairo.
 *
 *     ┌────────────┐
 *     │ helmet 0.91│          plate: on the box, or inside it at the picture's top
 *     ├────────────┴─────┐    line: in the class colour over a thin dark or
 *     │                  │          light rim, so that no background hides it
 *
 * All lines come first and all plates after them: no line crosses a text.
 * Text is drawn with plain grey antialiasing and without hinting, so that the
 * pixels depend on the font alone and not on the settings of the desktop.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cairo.h>

#include "runtime/media/codec.h"

enum {
	CAIRO_MAX_SIDE = 32767,
	TEXT_MAX = 256,         /* bytes of a label that are looked at */
};

typedef struct {
	double x, y, w, h;
} Rect;

typedef struct {
	cairo_t *cr;
	double width, height;   /* of the picture */
	double line, font;      /* pixels */
} Canvas;

uint32_t
y12_palette(int index)
{
	static const uint32_t rgb[20] = {
		0x042AFF, 0x0BDBEB, 0xF3F3F3, 0x00DFB7, 0x111F68, 0xFF6FDD, 0xFF444F,
		0xCCED00, 0x00F344, 0xBD00FF, 0x00B4FF, 0xDD00BA, 0x00FFFF, 0x26C000,
		0x01FFB3, 0x7D24FF, 0x7B0068, 0xFF1B6C, 0xFC6D2F, 0xA2FF0B,
	};

	return rgb[(index % 20 + 20) % 20];
}

/* ---- colours ------------------------------------------------------------------ */

static double
linear(int v)
{
	const double c = v / 255.0;

	return c <= 0.04045 ? c / 12.92 : pow((c + 0.055) / 1.055, 2.4);
}

/* Black on it reads better than white: by the contrast ratio (L + 0.05) / (L' + 0.05)
 * of WCAG, black wins above L = sqrt(1.05 * 0.05) - 0.05. */
static bool
is_light(uint32_t rgb)
{
	const double l = 0.2126 * linear(rgb >> 16 & 255) + 0.7152 * linear(rgb >> 8 & 255)
	               + 0.0722 * linear(rgb & 255);

	return l > 0.1791;
}

static void
ink(cairo_t *cr, uint32_t rgb, double alpha)
{
	cairo_set_source_rgba(cr, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0,
	                      (rgb & 255) / 255.0, alpha);
}

/* ---- texts -------------------------------------------------------------------- */

/* Length of the UTF-8 sequence at s, 0 if it is none (or a control character):
 * cairo refuses a text with one bad byte, and class names come from files. */
static int
sequence(const unsigned char *s)
{
	static const uint32_t least[5] = {0, 0x20, 0x80, 0x800, 0x10000};
	const int n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
	uint32_t v = n == 1 ? s[0] : s[0] & (0x7fu >> n);

	for (int i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		v = v << 6 | (s[i] & 63);
	}
	const bool bad = n == 0 || v < least[n] || (v >= 0x7f && v < 0xa0)
	              || (v >= 0xd800 && v < 0xe000) || v > 0x10ffff;

	return bad ? 0 : n;
}

static void
clean_text(const char *from, char to[TEXT_MAX])
{
	size_t n = 0;

	while (*from && n + 4 < TEXT_MAX) {
		const int len = sequence((const unsigned char *)from);

		if (len == 0)
			to[n++] = '?';
		else
			memcpy(to + n, from, len);
		n += len;
		from += len ? len : 1;
	}
	to[n] = '\0';
}

static double
advance(const Canvas *c, const char *text)
{
	cairo_text_extents_t e;

	cairo_text_extents(c->cr, text, &e);
	return e.x_advance;
}

/* Cut the text until it is at most room wide, with "…" for what is gone.  A class
 * may be called anything; what fits of it is better than nothing. */
static void
shorten(const Canvas *c, char text[TEXT_MAX], double room)
{
	static const char dots[] = "\u2026";
	size_t n = strlen(text);

	if (advance(c, text) <= room)
		return;
	if (n + sizeof dots > TEXT_MAX)
		n = TEXT_MAX - sizeof dots;
	do {
		while (n > 0 && ((unsigned char)text[--n] >> 6) == 2)
			;
		memcpy(text + n, dots, sizeof dots);
	} while (n > 0 && advance(c, text) > room);
}

/* ---- boxes -------------------------------------------------------------------- */

static double
clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

/* The middle of a line from a to b that lies wholly in the picture, on whole
 * pixels, so that straight edges are sharp. */
static void
place_line(double a, double b, double size, double line, double *from, double *length)
{
	const double half = line / 2, odd = fmod(line, 2) / 2;
	const double lo = fmin(a, b), hi = fmax(a, b);

	*from = clamp(floor(lo + 0.5) + odd, half, fmax(half, size - half));
	*length = clamp(floor(hi + 0.5) - odd, *from, fmax(*from, size - half)) - *from;
}

static Rect
outline(const Canvas *c, const y12_box *b)
{
	Rect r;

	place_line(b->x0, b->x1, c->width, c->line, &r.x, &r.w);
	place_line(b->y0, b->y1, c->height, c->line, &r.y, &r.h);
	return r;
}

static void
draw_outline(const Canvas *c, Rect r, uint32_t rgb)
{
	const double rim = fmax(1, c->line * 0.25);

	cairo_rectangle(c->cr, r.x, r.y, r.w, r.h);
	cairo_set_line_width(c->cr, c->line + 2 * rim);
	ink(c->cr, is_light(rgb) ? 0x000000 : 0xffffff, 0.35);
	cairo_stroke_preserve(c->cr);
	cairo_set_line_width(c->cr, c->line);
	ink(c->cr, rgb, 1);
	cairo_stroke(c->cr);
}

static void
rounded(cairo_t *cr, Rect r, double radius)
{
	const double x1 = r.x + r.w, y1 = r.y + r.h;

	cairo_new_sub_path(cr);
	cairo_arc(cr, r.x + radius, r.y + radius, radius, M_PI, 1.5 * M_PI);
	cairo_arc(cr, x1 - radius, r.y + radius, radius, 1.5 * M_PI, 2 * M_PI);
	cairo_arc(cr, x1 - radius, y1 - radius, radius, 0, 0.5 * M_PI);
	cairo_arc(cr, r.x + radius, y1 - radius, radius, 0.5 * M_PI, M_PI);
	cairo_close_path(cr);
}

static bool
overlaps(Rect a, Rect b)
{
	return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

static bool
is_free(Rect r, const Rect *taken, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (overlaps(r, taken[i]))
			return false;
	return true;
}

/* On the box, inside it at the top, under it, inside it at the bottom: the first
 * place in the picture where no other plate is, or else just the first in it. */
static Rect
place_plate(const Canvas *c, Rect box, double w, double h, const Rect *taken, size_t n)
{
	const double half = c->line / 2, top = box.y - half, bottom = box.y + box.h + half;
	const double y[] = {top + c->line - h, top, bottom - c->line, bottom - h};
	Rect r = {clamp(box.x - half, 0, fmax(0, c->width - w)), 0, w, h}, first = r;
	bool any = false;

	for (int i = 0; i < 4; i++) {
		r.y = y[i];
		if (r.y < 0 || r.y + h > c->height)
			continue;
		if (is_free(r, taken, n))
			return r;
		if (!any)
			first = r;
		any = true;
	}
	return first;
}

static Rect
draw_label(const Canvas *c, Rect box, const y12_box *b, const Rect *taken, size_t n)
{
	const uint32_t rgb = y12_palette(b->color);
	char text[TEXT_MAX];
	cairo_font_extents_t fe;
	double font = c->font, pad = floor(font * 0.35 + 0.5);

	clean_text(b->text, text);
	cairo_set_font_size(c->cr, font);
	const double wide = advance(c, text), room = c->width - 2 * pad;

	if (wide > room) {              /* first a smaller font, then less text */
		font = fmax(fmin(font, 7), font * room / wide);
		pad = floor(font * 0.25 + 0.5);
		cairo_set_font_size(c->cr, font);
		shorten(c, text, c->width - 2 * pad);
	}
	cairo_font_extents(c->cr, &fe);
	const double h = ceil(fe.ascent + fe.descent + font * 0.1);
	const double w = ceil(advance(c, text) + 2 * pad);
	const Rect plate = place_plate(c, box, w, h, taken, n);

	rounded(c->cr, plate, fmin(font * 0.2, fmin(w, h) / 2));
	ink(c->cr, rgb, 1);
	cairo_fill(c->cr);
	ink(c->cr, is_light(rgb) ? 0x000000 : 0xffffff, 1);
	cairo_move_to(c->cr, plate.x + pad, plate.y + floor((h - fe.ascent - fe.descent) / 2 + fe.ascent + 0.5));
	cairo_show_text(c->cr, text);
	return plate;
}

/* ---- the picture ---------------------------------------------------------------- */

/* RGB24 of cairo: one 32-bit word a pixel, 0x00RRGGBB. */
static void
to_surface(const y12_picture *p, cairo_surface_t *s)
{
	const int stride = cairo_image_surface_get_stride(s);
	uint8_t *data = cairo_image_surface_get_data(s);
	const uint8_t *in = p->rgb;

	for (int y = 0; y < p->height; y++) {
		uint32_t *row = (uint32_t *)(void *)(data + (size_t)y * stride);

		for (int x = 0; x < p->width; x++, in += 3)
			row[x] = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
	}
	cairo_surface_mark_dirty(s);
}

static void
from_surface(y12_picture *p, cairo_surface_t *s)
{
	cairo_surface_flush(s);
	const int stride = cairo_image_surface_get_stride(s);
	const uint8_t *data = cairo_image_surface_get_data(s);
	uint8_t *out = p->rgb;

	for (int y = 0; y < p->height; y++) {
		const uint32_t *row = (const uint32_t *)(const void *)(data + (size_t)y * stride);

		for (int x = 0; x < p->width; x++, out += 3) {
			out[0] = (uint8_t)(row[x] >> 16);
			out[1] = (uint8_t)(row[x] >> 8);
			out[2] = (uint8_t)row[x];
		}
	}
}

static void
set_font(cairo_t *cr)
{
	cairo_font_options_t *o = cairo_font_options_create();

	cairo_font_options_set_antialias(o, CAIRO_ANTIALIAS_GRAY);
	cairo_font_options_set_hint_style(o, CAIRO_HINT_STYLE_NONE);
	cairo_font_options_set_hint_metrics(o, CAIRO_HINT_METRICS_OFF);
	cairo_set_font_options(cr, o);
	cairo_font_options_destroy(o);
	cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
}

static bool
is_drawable(const y12_box *b)
{
	return isfinite(b->x0) && isfinite(b->y0) && isfinite(b->x1) && isfinite(b->y1);
}

static void
draw_all(const Canvas *c, const y12_box *box, size_t n, Rect *taken)
{
	size_t plates = 0;

	for (size_t i = 0; i < n; i++)
		if (is_drawable(&box[i]))
			draw_outline(c, outline(c, &box[i]), y12_palette(box[i].color));
	for (size_t i = 0; i < n; i++)
		if (is_drawable(&box[i]) && box[i].text && *box[i].text) {
			taken[plates] = draw_label(c, outline(c, &box[i]), &box[i], taken, plates);
			plates++;
		}
}

bool
y12_picture_draw(y12_picture *p, const y12_box *box, size_t n, int line_width, char *err)
{
	if (n == 0)
		return true;
	if (p->width < 1 || p->height < 1 || p->width > CAIRO_MAX_SIDE || p->height > CAIRO_MAX_SIDE)
		return y12_media_fail(err, "cannot draw on %dx%d pixels: a side may have 1 to %d",
		                      p->width, p->height, CAIRO_MAX_SIDE);

	const double mean = (p->width + p->height + 3) / 2.0, shorter = fmin(p->width, p->height);
	const double line = line_width > 0 ? line_width : fmax(rint(mean * 0.003), 2);
	cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, p->width, p->height);
	cairo_t *cr = cairo_create(s);
	Rect *taken = malloc(n * sizeof *taken);
	/* 6 lines high, half by the picture's own line width and half by the one asked for */
	const Canvas c = {
		.cr = cr, .width = p->width, .height = p->height,
		.line = fmin(line, shorter),
		.font = clamp(3 * line + 3 * mean * 0.003, fmin(12, shorter * 0.24), fmax(12, shorter / 8)),
	};

	if (taken && cairo_status(cr) == CAIRO_STATUS_SUCCESS) {
		to_surface(p, s);
		cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
		set_font(cr);
		draw_all(&c, box, n, taken);
		if (cairo_status(cr) == CAIRO_STATUS_SUCCESS)
			from_surface(p, s);
	}
	const cairo_status_t status = taken ? cairo_status(cr) : CAIRO_STATUS_NO_MEMORY;

	free(taken);
	cairo_destroy(cr);
	cairo_surface_destroy(s);
	return status == CAIRO_STATUS_SUCCESS
	    || y12_media_fail(err, "cannot draw: %s", cairo_status_to_string(status));
}
