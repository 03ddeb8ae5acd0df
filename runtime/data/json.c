/* json.c -- results for machines.
 *
 * Written by hand because of the numbers: five decimals and no more, as the
 * reference rounds them, without the tail of digits that a general printer of
 * doubles adds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "runtime/data/inner.h"

/* Length of the well-formed UTF-8 character at s; 0: there is none. */
static size_t
utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)      /* the final NUL stops here too */
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;                       /* overlong, surrogate, past the last */
	return n;
}

static void
put_string(Out *o, const char *text)
{
	out_put(o, "\"");
	for (const unsigned char *s = (const unsigned char *)text; *s; ) {
		size_t n = utf8_length(s);

		if (!n) {
			out_put(o, "\xef\xbf\xbd");
			n = 1;
		} else if (*s == '"' || *s == '\\') {
			out_printf(o, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			out_printf(o, "\\u%04x", *s);
		} else {
			out_putn(o, (const char *)s, n);
		}
		s += n;
	}
	out_put(o, "\"");
}

/* "867.18726", "32.582", "1.0"; JSON has no NaN */
static void
put_number(Out *o, double x)
{
	char buf[400];
	size_t n;

	if (!isfinite(x)) {
		out_put(o, "null");
		return;
	}
	n = (size_t)snprintf(buf, sizeof buf, "%.5f", x);
	while (n > 2 && buf[n - 1] == '0' && buf[n - 2] != '.')
		n--;
	out_putn(o, buf, n);
}

char *
y12_json_string(const char *s)
{
	Out o = { 0 };

	put_string(&o, s);
	return out_take(&o);
}

char *
y12_json_detections(const y12_detection *d, size_t n, const y12_names *names)
{
	Out o = { 0 };
	char buf[24];

	out_put(&o, "[");
	for (size_t i = 0; i < n; i++) {
		const struct { const char *key; float x; } corner[] = {
			{ "x1", d[i].x0 }, { "y1", d[i].y0 }, { "x2", d[i].x1 }, { "y2", d[i].y1 },
		};

		out_put(&o, i ? ", {\"name\": " : "{\"name\": ");
		put_string(&o, y12_class_name(names, d[i].label, buf));
		out_printf(&o, ", \"class\": %d, \"confidence\": ", d[i].label);
		put_number(&o, (double)d[i].score);
		out_put(&o, ", \"box\": {");
		for (int j = 0; j < 4; j++) {
			out_printf(&o, "%s\"%s\": ", j ? ", " : "", corner[j].key);
			put_number(&o, (double)corner[j].x);
		}
		out_put(&o, "}}");
	}
	out_put(&o, "]");
	return out_take(&o);
}
