/* inner.h -- a growing text; private to runtime/data.
 *
 * Running out of memory is remembered, and asked for once at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_DATA_INNER_H
#define Y12_DATA_INNER_H

#include <stdio.h>

#include "runtime/data/data.h"

typedef struct Out {
	char *p;
	size_t n, cap;
	bool failed;
} Out;

void out_putn(Out *o, const char *s, size_t n);
void out_put(Out *o, const char *s);
void out_printf(Out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *out_take(Out *o);         /* the caller's now; NULL: out of memory at some point */

bool data_fail(char *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
