/* out.c -- a growing text, and sentences about failure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/inner.h"

void
out_putn(Out *o, const char *s, size_t n)
{
	if (o->failed)
		return;
	if (n >= o->cap - o->n) {
		size_t cap = 2 * (o->n + n) + 64;
		char *p = realloc(o->p, cap);

		if (!p) {
			o->failed = true;
			return;
		}
		o->p = p;
		o->cap = cap;
	}
	if (n)
		memcpy(o->p + o->n, s, n);
	o->n += n;
	o->p[o->n] = 0;
}

void
out_put(Out *o, const char *s)
{
	out_putn(o, s, strlen(s));
}

void
out_printf(Out *o, const char *fmt, ...)
{
	char buf[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= (int)sizeof buf)      /* numbers and short words only come here */
		o->failed = true;
	else
		out_putn(o, buf, (size_t)n);
}

char *
out_take(Out *o)
{
	char *p;

	out_putn(o, "", 0);
	p = o->p;
	if (o->failed) {
		free(p);
		p = NULL;
	}
	*o = (Out){ 0 };
	return p;
}

bool
data_fail(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, Y12_ERRLEN, fmt, ap);
	va_end(ap);
	return false;
}
