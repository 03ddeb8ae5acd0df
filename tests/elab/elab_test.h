/* elab_test.h -- what the tests of this room share: a spec in, an Elab or messages out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_ELAB_TEST_H
#define Y12_ELAB_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "elab/model_info.h"

typedef struct Spec {
	Arena *a;
	Diag *d;
	Elab *e;
	char *messages;         /* NUL-terminated; malloc */
} Spec;

static inline const char *
in_srcdir(Arena *a, const char *path)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", path);
}

/* What stands behind `# key: `, or NULL. */
static inline char *
directive(Arena *a, const char *text, const char *key)
{
	const char *head = arena_printf(a, "# %s: ", key), *line = strstr(text, head);

	if (!line || (line > text && line[-1] != '\n'))
		return NULL;
	line += strlen(head);
	return arena_strn(a, line, strcspn(line, "\n"));
}

/* The words of a line, each NUL-terminated; NULL behind the last. */
static inline size_t
words(char *line, const char *between, const char *word[9])
{
	size_t n = 0;
	char *save;

	for (char *w = line ? strtok_r(line, between, &save) : NULL; w && n < 8; w = strtok_r(NULL, between, &save))
		word[n++] = w;
	word[n] = NULL;
	return n;
}

/* What a spec's own comments say of the command line: `# args: scale=s classes=3`, `# names: cat,dog`,
 * `# entry: NAME`, `# model: NAME`. */
static inline ElabOptions
directives(Arena *a, const char *text)
{
	const char **names = NEWN(a, const char *, 9), **entry = NEWN(a, const char *, 9), *pair[9];
	ElabArg *arg = NEWN(a, ElabArg, 8);
	ElabOptions opt = { .arg = arg, .narg = words(directive(a, text, "args"), " ", pair), .model = directive(a, text, "model") };

	for (size_t i = 0; i < opt.narg; i++) {
		const char *eq = strchr(pair[i], '=');

		assert_non_null(eq);
		arg[i] = (ElabArg){ arena_strn(a, pair[i], (size_t)(eq - pair[i])), eq + 1 };
	}
	if ((opt.nnames = words(directive(a, text, "names"), ",", names)))
		opt.names = names;
	if ((opt.nentry = words(directive(a, text, "entry"), ",", entry)))
		opt.entry = entry;
	return opt;
}

static inline void
spec_run(Spec *s, const Module *m, const ElabOptions *opt)
{
	size_t n;
	FILE *f = open_memstream(&s->messages, &n);

	if (m && !diag_errors(s->d))
		s->e = elaborate(s->a, s->d, m, opt);
	diag_print(s->d, f, false);
	fclose(f);
}

/* A file of the source tree. */
static inline Spec
spec_file(const char *path, const ElabOptions *opt)
{
	Spec s = { .a = arena_new() };
	const char *dirs[1];

	s.d = diag_new(s.a);
	dirs[0] = in_srcdir(s.a, "stdlib");
	spec_run(&s, dsl_load(s.a, s.d, in_srcdir(s.a, path), dirs, 1), opt);
	return s;
}

/* A text, with no library: its `use` lines are not followed. */
static inline Spec
spec_text(const char *text, const ElabOptions *opt)
{
	Spec s = { .a = arena_new() };

	s.d = diag_new(s.a);
	spec_run(&s, dsl_parse(s.a, s.d, diag_source(s.d, "t.y12", text, strlen(text))), opt);
	return s;
}

static inline void
spec_free(Spec *s)
{
	arena_free(s->a);
	free(s->messages);
}

#endif
