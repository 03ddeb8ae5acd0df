/* text.c -- growing text, and numbers as text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <math.h>
#include <stdlib.h>

void
text_putn(Text *t, const char *s, size_t n)
{
	vec_reserve(t->a, t, t->n + n + 1);
	if (n)
		memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = 0;
}

void
text_put(Text *t, const char *s)
{
	text_putn(t, s, strlen(s));
}

void
text_vprintf(Text *t, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return;
	vec_reserve(t->a, t, t->n + (size_t)n + 1);
	vsnprintf(t->p + t->n, (size_t)n + 1, fmt, ap);
	t->n += (size_t)n;
}

void
text_printf(Text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vprintf(t, fmt, ap);
	va_end(ap);
}

const char *
text_str(Text *t)
{
	return t->p ? t->p : "";
}

size_t
utf8_next(const char *s, const char *end, int32_t *c)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char b = (unsigned char)*s;
	size_t n = b < 0x80 ? 1 : b < 0xc2 ? 0 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : b < 0xf5 ? 4 : 0;

	*c = -1;
	if (n == 0 || n > (size_t)(end - s))
		return 1;
	int32_t v = n == 1 ? b : b & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (s[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return 1;
	*c = v;
	return n;
}

bool
utf8_valid(const char *s, size_t n)
{
	int32_t c = 0;

	for (const char *end = s + n; s < end && c >= 0;)
		s += utf8_next(s, end, &c);
	return c >= 0;
}

/* Digits come from printf at the lowest precision that reads back equal; where
 * the point goes is Python's rule (plain for 1e-4 <= |x| < 1e16), which spec
 * and test writers know by heart. */
const char *
fmt_real(char buf[40], double x, bool as_f32)
{
	char e[40], digit[24];
	int n = 0;

	if (isnan(x))
		return strcpy(buf, "nan");
	if (isinf(x))
		return strcpy(buf, x < 0 ? "-inf" : "inf");
	if (x == 0)
		return strcpy(buf, signbit(x) ? "-0" : "0");
	for (int prec = 0; prec < (as_f32 ? 9 : 17); prec++) {
		snprintf(e, sizeof(e), "%.*e", prec, x);
		if (as_f32 ? strtof(e, NULL) == (float)x : strtod(e, NULL) == x)
			break;
	}
	const char *exp = strchr(e, 'e');
	for (const char *s = e; s < exp; s++)
		if (*s >= '0' && *s <= '9')
			digit[n++] = *s;
	int point = atoi(exp + 1) + 1;          /* digits before the point */
	if (point < -3 || point > 16)
		return strcpy(buf, e);

	char *p = buf;
	if (x < 0)
		*p++ = '-';
	if (point <= 0) {
		p = stpcpy(p, "0.");
		for (int i = point; i < 0; i++)
			*p++ = '0';
	}
	for (int i = 0; i < MAX(n, point); i++) {
		if (i > 0 && i == point)
			*p++ = '.';
		*p++ = i < n ? digit[i] : '0';
	}
	*p = 0;
	return buf;
}
