/* verb.c -- what the verbs that look at a network have in common.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/ui.h"
#include "driver/verb.h"

/* "forward,detect" -> both, and NULL */
static const char *const *
entries(Arena *a, const char *list)
{
	VEC(const char *) v = { 0 };

	while (list && *list) {
		size_t n = strcspn(list, ",");

		if (n)
			vec_push(a, &v, arena_strn(a, list, n));
		list += n + (list[n] == ',');
	}
	if (!v.n)
		return NULL;
	vec_push(a, &v, NULL);
	return v.p;
}

static bool
target(Diag *d, const char *name, const Target **t)
{
	const char *const *names, *near;
	size_t n;

	if (!name || (*t = target_named(name)))
		return true;
	names = target_names(&n);
	near = did_you_mean(name, names, n);
	diag_error(d, (Span){ 0 }, "target-unknown", near ? "there is no target %s; did you mean %s?" : "there is no target %s",
	           name, near);
	if (!near)
		for (size_t i = 0; i < n; i++)
			diag_note(d, (Span){ 0 }, "there is %s", names[i]);
	return false;
}

bool
verb_compile_options(const Options *o, Diag *d, CompileOptions *co)
{
	*co = (CompileOptions){
		.model = o->model, .weights = o->weights, .scale = o->scale, .entries = entries(o->a, o->entry),
		.params = o->param.p, .nparams = o->param.n,
	};
	if (o->given[KEY_imgsz])
		co->frame[0] = o->imgsz.h, co->frame[1] = o->imgsz.w;
	if (o->given[KEY_batch])
		co->batch = (int)o->batch;
	if (o->given[KEY_max_det])
		co->max_det = (int)o->max_det;
	return target(d, o->target, &co->target);
}

/* Errors that are not about what the user gave. */
static const char *const ours[] = {
	"pass-failed", "cannot-lower", "program-invalid", "backend-failed", "write", "run-failed",
};

int
verb_end(const Diag *d)
{
	fflush(stdout);
	if (diag_count(d))
		diag_print(d, stderr, ui_color(stderr));
	if (!diag_errors(d))
		return EXIT_OK;
	for (size_t i = 0; i < diag_count(d); i++) {
		const DiagMsg *m = diag_get(d, i);

		for (size_t k = 0; k < COUNT(ours); k++)
			if (m->sev == SEV_ERROR && m->slug && strcmp(m->slug, ours[k]) == 0)
				return EXIT_FAILED;
	}
	return EXIT_INPUT;
}

int
verb_usage(const Options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ui_error("%s", arena_vprintf(o->a, fmt, ap));
	va_end(ap);
	return EXIT_USAGE;
}

bool
verb_needs_(const Options *o, const KeyId *key, size_t n)
{
	Text msg = { .a = o->a };

	if (options_need(o, key, n, &msg))
		return true;
	ui_lines(text_str(&msg));
	return false;
}

bool
ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}
