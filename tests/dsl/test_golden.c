/* test_golden.c -- trees, the canonical form and messages, against texts beside them.
 *
 *     tests/golden/ast   the tree
 *     tests/golden/fmt   the canonical form
 *     tests/golden/err   syntax-*: all messages of a file with one kind of mistake
 *
 * Every input of ast and fmt is also formatted twice: the second time changes
 * nothing, and the tree is the same before and after.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dsl/ast.h"
#include "tests/dsl/golden.h"

static const char *
messages(Arena *a, Diag *d)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	diag_print(d, f, false);
	fclose(f);
	const char *s = arena_strn(a, p, n);
	free(p);
	return s;
}

static const char *
tree(Arena *a, const char *name, const char *text, size_t len)
{
	Diag *d = diag_new(a);
	Module *m = dsl_parse(a, d, diag_source(d, name, text, len));

	if (diag_errors(d))
		return messages(a, d);
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);
	ast_dump(f, m->ast);
	fclose(f);
	const char *s = arena_strn(a, p, n);
	free(p);
	return s;
}

static const char *
form(Arena *a, const char *name, const char *text, size_t len)
{
	Diag *d = diag_new(a);
	const char *s = dsl_fmt(a, d, diag_source(d, name, text, len));

	return s ? s : messages(a, d);
}

static const char *
errors(Arena *a, const char *name, const char *text, size_t len)
{
	Diag *d = diag_new(a);

	dsl_parse(a, d, diag_source(d, name, text, len));
	return diag_errors(d) ? messages(a, d) : "no error\n";
}

static void
test_ast(void **state)
{
	(void)state;
	assert_int_equal(golden_folder("tests/golden/ast", "", tree), 0);
}

static void
test_fmt(void **state)
{
	(void)state;
	assert_int_equal(golden_folder("tests/golden/fmt", "", form), 0);
}

static void
test_err(void **state)
{
	(void)state;
	assert_int_equal(golden_folder("tests/golden/err", "syntax-", errors), 0);
}

/* number of comments; no text of ours has a # in a string */
static int
hashes(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += *s == '#' && s[1] != '#';
	return n;
}

static void
test_fmt_keeps(void **state)
{
	static const char *const folders[] = { "tests/golden/ast", "tests/golden/fmt" };
	Arena *a = arena_new();

	(void)state;
	for (size_t k = 0; k < COUNT(folders); k++) {
		const char **name, *err;
		size_t n = golden_list(a, folders[k], "", &name);

		assert_true(n > 0);
		for (size_t i = 0; i < n; i++) {
			size_t len;
			char *text = file_read(a, arena_printf(a, "%s/%s/%s", golden_root(), folders[k], name[i]),
			                       &len, &err);
			assert_non_null(text);
			const char *once = form(a, name[i], text, len);
			assert_string_equal(form(a, name[i], once, strlen(once)), once);
			assert_string_equal(tree(a, name[i], once, strlen(once)), tree(a, name[i], text, len));
			assert_int_equal(hashes(once), hashes(text));
		}
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ast),
		cmocka_unit_test(test_fmt),
		cmocka_unit_test(test_err),
		cmocka_unit_test(test_fmt_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
