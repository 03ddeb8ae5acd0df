/* fmt.c -- `yolo12c fmt`: specs in the one canonical form.
 *
 *     yolo12c fmt x.y12               prints it
 *     yolo12c fmt *.y12 write=true    into the files
 *     yolo12c fmt *.y12 check=true    names the files that have another form; then exit code 1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "driver/verb.h"
#include "dsl/ast.h"

/* Whether the file has another form. */
static bool
format(const Options *o, Diag *d, const char *path)
{
	const char *err = NULL;
	size_t len;
	char *text = file_read(o->a, path, &len, &err), *form;

	if (!text) {
		diag_error(d, (Span){ 0 }, "file", "%s", err);
		return false;
	}
	if (!(form = dsl_fmt(o->a, d, diag_source(d, path, text, len))))
		return false;

	bool other = strlen(form) != len || memcmp(form, text, len) != 0;

	if (o->check) {
		if (other)
			printf("%s\n", path);
	} else if (!o->write) {
		fputs(form, stdout);
	} else if (other && (err = file_write(o->a, path, form, strlen(form)))) {
		diag_error(d, (Span){ 0 }, "write", "%s", err);
	}
	return other;
}

int
verb_fmt(const Options *o)
{
	Diag *d = diag_new(o->a);
	int others = 0, code;

	if (!o->noperand)
		return verb_usage(o, "which files? write: yolo12c fmt FILE.y12 …");
	for (int i = 0; i < o->noperand; i++)
		others += format(o, d, o->operand[i]);
	code = verb_end(d);
	return code ? code : o->check && others ? EXIT_FAILED : EXIT_OK;
}
