/* name.c -- the name the user probably meant.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/base.h"

#include <ctype.h>

enum { LONGEST = 64 };

/* Edits between a and b: insert, drop, change, swap two neighbours, each 1.
 * Rows i-2, i-1 and i of the usual table are all that is needed. */
static size_t
edits(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[3][LONGEST + 1], *r2 = row[0], *r1 = row[1], *r0 = row[2];

	for (size_t j = 0; j <= nb; j++)
		r1[j] = r2[j] = j;
	for (size_t i = 1; i <= na; i++) {
		r0[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t d = r1[j - 1] + (a[i - 1] != b[j - 1]);
			d = MIN(d, r1[j] + 1);
			d = MIN(d, r0[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, r2[j - 2] + 1);
			r0[j] = d;
		}
		size_t *t = r2;
		r2 = r1, r1 = r0, r0 = t;
	}
	return r1[nb];
}

static void
lower(char *to, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)tolower((unsigned char)s[i]);
}

const char *
did_you_mean(const char *name, const char *const *candidates, size_t n)
{
	size_t len = strlen(name), best = SIZE_MAX;
	const char *who = NULL;
	char a[LONGEST], b[LONGEST];

	if (len == 0 || len > LONGEST)
		return NULL;
	lower(a, name, len);
	/* one slip in three letters is a slip; more is another word */
	size_t most = MIN((len + 2) / 3, (size_t)3);
	for (size_t i = 0; i < n; i++) {
		size_t m = candidates[i] ? strlen(candidates[i]) : 0;
		if (m == 0 || m > LONGEST)
			continue;
		lower(b, candidates[i], m);
		size_t d = edits(a, len, b, m);
		if (d <= most && d < MIN(len, m) + (d == 0) && d < best)
			best = d, who = candidates[i];
	}
	return who;
}
