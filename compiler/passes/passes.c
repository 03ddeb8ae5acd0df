/* passes.c -- the table of passes, and what is alike for all: order, time, check, log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <time.h>

#include "passes/passes.h"

const PassInfo pass_info[] = {
#define PASS(name, stage, why) { #name, pass_##name, STAGE_##stage, why },
#include "passes/passes.def"
#undef PASS
};
const size_t pass_count = COUNT(pass_info);

const PassInfo *
pass_named(const char *name)
{
	for (size_t i = 0; i < pass_count; i++)
		if (!strcmp(pass_info[i].name, name))
			return &pass_info[i];
	return NULL;
}

void
pass_log(PassCtx *cx, const char *fmt, ...)
{
	va_list ap;

	if (!cx->log)
		return;
	fprintf(cx->log, "%s: ", cx->name);
	va_start(ap, fmt);
	vfprintf(cx->log, fmt, ap);
	va_end(ap);
	putc('\n', cx->log);
}

void
pass_fail(PassCtx *cx, const char *fmt, ...)
{
	va_list ap;

	if (cx->failed)
		return;
	va_start(ap, fmt);
	cx->failed = arena_vprintf(cx->a, fmt, ap);
	va_end(ap);
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool
pass_run(Graph *g, PassCtx *cx, const PassInfo *p, bool verify, bool *changed, const char **err)
{
	const char *outer = cx->name, *why;

	cx->name = p->name;
	cx->failed = NULL;
	*changed = p->run(g, cx);
	graph_order(g);
	cx->name = outer;
	if (cx->failed) {
		*err = arena_printf(cx->a, "pass %s: %s", p->name, cx->failed);
		return false;
	}
	if (verify && !graph_verify(g, &why)) {
		*err = arena_printf(cx->a, "pass %s broke the graph: %s", p->name, why);
		return false;
	}
	return true;
}

bool
passes_run(Graph *g, PassCtx *cx, const char *last, bool verify,
           AfterPass *after, void *user, const char **err)
{
	const PassInfo *end = last ? pass_named(last) : &pass_info[pass_count - 1];

	if (!end) {
		const char *name[COUNT(pass_info)], *near;

		for (size_t i = 0; i < pass_count; i++)
			name[i] = pass_info[i].name;
		near = did_you_mean(last, name, pass_count);
		*err = arena_printf(cx->a, near ? "there is no pass %s; did you mean %s?" :
		                    "there is no pass %s", last, near);
		return false;
	}
	graph_order(g);
	for (const PassInfo *p = pass_info; p <= end; p++) {
		double start = seconds();
		bool changed;

		if (!pass_run(g, cx, p, verify, &changed, err))
			return false;
		if (after)
			after(user, g, p, changed, seconds() - start);
	}
	return true;
}
