/* graph_test.h -- what the tests of the graph share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRAPH_TEST_H
#define GRAPH_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "graph/graph.h"

/* The first error of a text, as "line:col: message"; NULL: none, and *m is the module. */
static inline const char *
parse_error(Arena *a, const char *text, size_t len, const Map *consts, GraphModule **m)
{
	Diag *d = diag_new(a);
	int line, col;

	*m = module_parse(a, d, diag_source(d, "test", arena_strn(a, text, len), len), consts);
	if (*m)
		return NULL;
	assert_true(diag_errors(d) > 0);
	diag_line_col(d, diag_get(d, 0)->span, &line, &col);
	return arena_printf(a, "%d:%d: %s", line, col, diag_get(d, 0)->text);
}

static inline Graph *
parse_graph(Arena *a, const char *text)
{
	GraphModule *m;
	const char *err = parse_error(a, text, strlen(text), NULL, &m);

	if (err)
		fail_msg("%s\nin:\n%s", err, text);
	return m->graph.p[0];
}

static inline char *
print_text(Arena *a, const GraphModule *m)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	module_print(f, m);
	fclose(f);

	char *s = arena_strn(a, p, n);

	free(p);
	return s;
}

/* "f32[2] {1, 2.5}" */
static inline const char *
tensor_text(Arena *a, const Tensor *t)
{
	Text x = { .a = a };
	char buf[40];

	text_printf(&x, "%s {", type_text(a, &t->type));
	for (int64_t i = 0; i < type_count(&t->type); i++) {
		text_put(&x, i ? ", " : "");
		if (t->type.dt == DT_I64)
			text_printf(&x, "%lld", (long long)((const int64_t *)t->data)[i]);
		else if (!dtype_info[t->type.dt].real)
			text_printf(&x, "%.0f", dtype_get(t->type.dt, t->data, (size_t)i));
		else
			text_put(&x, fmt_real(buf, dtype_get(t->type.dt, t->data, (size_t)i),
			                      t->type.dt != DT_F64));
	}
	text_put(&x, "}");
	return text_str(&x);
}

/* numbers in [-1, 1), the same every time */
static inline double
noise(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return (double)(*state >> 8) / (1 << 23) - 1;
}

static inline const char *
test_path(Arena *a, const char *name)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/tests/graph/%s", dir ? dir : ".", name);
}

#endif
