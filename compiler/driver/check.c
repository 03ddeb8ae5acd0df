/* check.c -- `yolo12c check`: everything in a spec is looked at, and nothing is made of it.
 *
 *     yolo12c check model=mine.y12               messages on standard error
 *     yolo12c check model=mine.y12 json=true     as JSON on standard output, for editors:
 *         [{"path": "mine.y12", "range": {"start": {"line": 2, "character": 9}, "end": …},
 *           "severity": 1, "code": "unknown-name", "message": "…", "related": [notes …]}, …]
 *
 * Also `yolo12c train`, which can do no more than this yet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/inner.h"
#include "driver/ui.h"
#include "driver/verb.h"
#include "dsl/ast.h"
#include "elab/elab.h"

static bool
check(const Options *o, Diag *d, const char *model)
{
	VEC(ElabArg) arg = { 0 };
	size_t ndirs;
	const char *const *dirs = library_dirs(o->a, &ndirs);
	Module *m = dsl_load(o->a, d, model_path(o->a, model), dirs, ndirs);

	if (o->scale)
		vec_push(o->a, &arg, ((ElabArg){ "scale", o->scale }));
	for (size_t i = 0; i < o->param.n; i++)
		vec_push(o->a, &arg, ((ElabArg){ o->param.p[i].key, o->param.p[i].value }));
	return m && !diag_errors(d) && elab_check(o->a, d, m, &(ElabOptions){ .arg = arg.p, .narg = arg.n, .log = stderr });
}

int
verb_check(const Options *o)
{
	const char *model = o->model ? o->model : o->noperand ? o->operand[0] : NULL;
	Diag *d = diag_new(o->a);
	bool fine;

	if (!model)
		return verb_usage(o, "which spec? write: yolo12c check model=FILE.y12");
	fine = check(o, d, model);
	if (o->json) {
		diag_print_json(d, stdout);
		return fine ? EXIT_OK : EXIT_INPUT;
	}
	if (fine)
		printf("%s is fine\n", model);
	return verb_end(d);
}

int
verb_train(const Options *o)
{
	Diag *d = diag_new(o->a);
	int code = EXIT_OK;

	if (o->model) {
		check(o, d, o->model);
		code = verb_end(d);
	}
	if (code == EXIT_OK)
		ui_error("training arrives in later work: a train declaration is checked, and that is all%s",
		         o->model ? "; this one is fine" : "");
	return code == EXIT_OK ? EXIT_FAILED : code;
}
