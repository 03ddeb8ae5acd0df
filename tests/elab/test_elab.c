/* test_elab.c -- small specs: the graphs they leave, and the messages of mistakes.
 *
 *     tests/golden/elab          graphs and parameters of every entry
 *     tests/golden/err/elab-*    all messages, with lines and carets
 *
 * A line `# args: scale=s classes=3` gives parameters of the model; `# names: cat,dog` the names
 * of classes; `# entry: NAME` and `# model: NAME` what to look at.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab_test.h"

#include <limits.h>
#include <unistd.h>

#include "tests/dsl/golden.h"

/* Runs in the folder of the golden file, so that messages hold no path of this machine. */
static const char *
run(Arena *a, const char *folder, const char *name, const char *text)
{
	static const char *const dirs[] = { "../../../stdlib" };
	ElabOptions opt = directives(a, text);
	char here[PATH_MAX], *p = NULL;
	size_t n = 0;
	Diag *d = diag_new(a);
	FILE *f;

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(arena_printf(a, "%s/%s", golden_root(), folder)), 0);
	f = open_memstream(&p, &n);

	Module *m = dsl_load(a, d, name, dirs, 1);
	Elab *e = m && !diag_errors(d) ? elaborate(a, d, m, &opt) : NULL;

	diag_print(d, f, false);
	for (size_t i = 0; e && i < e->module->graph.n; i++) {
		const char *err = "";

		graph_print(f, e->module->graph.p[i]);
		if (!graph_verify(e->module->graph.p[i], &err))
			fprintf(f, "verify: %s\n", err);
	}
	for (size_t i = 0; e && i < e->param.n; i++)
		fprintf(f, "%s %s: %s, %s\n", e->param.p[i].buffer ? "buffer" : "param", e->param.p[i].name,
		        type_text(a, &e->param.p[i].type), e->param.p[i].init);
	fclose(f);
	assert_int_equal(chdir(here), 0);

	const char *s = arena_strn(a, p, n);

	free(p);
	return s;
}

static const char *
graphs(Arena *a, const char *name, const char *text, size_t len)
{
	(void)len;
	return run(a, "tests/golden/elab", name, text);
}

static const char *
mistakes(Arena *a, const char *name, const char *text, size_t len)
{
	(void)len;
	return run(a, "tests/golden/err", name, text);
}

static void
test_graphs(void **state)
{
	(void)state;
	assert_int_equal(golden_folder("tests/golden/elab", "", graphs), 0);
}

static void
test_mistakes(void **state)
{
	(void)state;
	assert_int_equal(golden_folder("tests/golden/err", "elab-", mistakes), 0);
}

/* Every example of parts 2 and 3 of the language reference: no message but that of what comes later. */
static void
test_reference(void **state)
{
	Arena *a = arena_new();
	size_t n, models = 0, others = 0;
	const char *err, *s = file_read(a, in_srcdir(a, "docs/language.md"), &n, &err);
	char dir[] = "/tmp/y12-language-XXXXXX";

	(void)state;
	assert_non_null(s);
	assert_non_null(s = strstr(s, "# Part 2"));
	assert_non_null(mkdtemp(dir));
	while ((s = strstr(s, "```y12\n"))) {
		const char *end, *path = arena_printf(a, "%s/example.y12", dir);

		s += strlen("```y12\n");
		assert_non_null(end = strstr(s, "\n```"));
		assert_null(file_write(a, path, s, (size_t)(end + 1 - s)));

		Spec t = { .a = arena_new() };
		const char *dirs[] = { in_srcdir(t.a, "stdlib") };
		Module *m;

		t.d = diag_new(t.a);
		m = dsl_load(t.a, t.d, path, dirs, 1);
		if (!m || diag_errors(t.d) || !elab_check(t.a, t.d, m, NULL)) {
			diag_print(t.d, stderr, false);
			fail_msg("an example of docs/language.md is wrong");
		}
		for (size_t i = 0; i < diag_count(t.d); i++)
			assert_string_equal(diag_get(t.d, i)->slug, "later");
		if (strstr(arena_strn(a, s, (size_t)(end - s)), "model "))
			models++;
		else
			others++;
		spec_free(&t);
		unlink(path);
	}
	assert_true(others >= 2);
	assert_true(models >= 4);
	rmdir(dir);
	arena_free(a);
}

/* Part 3 of the reference names every setting in the row of its group, and every step. */
static void
test_settings(void **state)
{
	static const struct { const char *group, *name; } row[] = {
#define GROUP(name, class) { #name, "" },
#define SETTING(group, name, ...) { #group, #name },
#define HINT(...)
#include "elab/settings.def"
	};
	Arena *a = arena_new();
	size_t n;
	const char *err, *text = file_read(a, in_srcdir(a, "docs/language.md"), &n, &err);
	int missing = 0;

	(void)state;
	assert_non_null(text);
	assert_non_null(text = strstr(text, "# Part 3"));
	for (size_t i = 0; i < COUNT(row); i++) {
		const char *name = *row[i].name ? row[i].name : row[i].group, *at = text;
		size_t len = strlen(name);
		bool said = false;

		for (; (at = strstr(at, name)) && !said; at += len)
			said = strchr(" `(", at[-1]) && strchr(" `(,)", at[len]);
		missing += !said;
		if (!said)
			fprintf(stderr, "docs/language.md does not say %s of %s\n", name, row[i].group);
	}
	assert_int_equal(missing, 0);
	arena_free(a);
}

/* The library and the models stand in the canonical form. */
static void
test_form(void **state)
{
	static const char *const files[] = {
		"stdlib/attention.y12", "stdlib/blocks.y12", "stdlib/heads.y12", "stdlib/picture.y12", "stdlib/post.y12",
		"models/yolov12.y12", "models/yolov12-v1.y12", "models/yolo12.y12", "models/strip-attention.y12",
		"models/relative-bias.y12", "models/shared-head.y12",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		Arena *a = arena_new();
		Diag *d = diag_new(a);
		size_t n;
		const char *err, *text = file_read(a, in_srcdir(a, files[i]), &n, &err);

		assert_non_null(text);
		assert_string_equal(dsl_fmt(a, d, diag_source(d, files[i], text, n)), text);
		arena_free(a);
	}
}

/* Two runs of one spec print the same bytes. */
static void
test_same(void **state)
{
	char *text[2];
	size_t n[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		Spec s = spec_file("models/yolov12.y12", NULL);
		FILE *f = open_memstream(&text[i], &n[i]);

		assert_non_null(s.e);
		module_print(f, s.e->module);
		fclose(f);
		spec_free(&s);
	}
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(text[0], text[1], n[0]);
	free(text[0]);
	free(text[1]);
}

static void
test_options(void **state)
{
	static const char *const names[] = { "cat", "dog" };
	static const char *const wrong[] = { "forwrd" };
	Spec s = spec_file("models/yolov12.y12", &(ElabOptions){ .names = names, .nnames = 2 });
	const char *const *list;

	(void)state;
	assert_int_equal(s.e->classes, 2);
	assert_string_equal(map_get(s.e->module->graph.p[0]->meta, "names"), "cat\ndog");
	assert_string_equal(map_get(s.e->arg, "scale"), "n");
	spec_free(&s);

	s = spec_file("models/yolov12.y12", &(ElabOptions){ .entry = wrong, .nentry = 1 });
	assert_null(s.e);
	assert_non_null(strstr(s.messages, "yolov12 has no entry forwrd; did you mean forward?"));
	spec_free(&s);

	s = spec_text("model a(x: int = 1, y: int = 2) { entry e(v: f32[1]) { return v + x } }", NULL);
	assert_non_null(s.e);

	const Module *m = dsl_parse(s.a, s.d, diag_source(s.d, "t.y12", "model a(x: int, y: int) {}", 26));

	assert_int_equal(elab_model_params(s.a, m, NULL, &list), 2);
	assert_string_equal(list[1], "y");
	spec_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_graphs), cmocka_unit_test(test_mistakes), cmocka_unit_test(test_reference), cmocka_unit_test(test_settings), cmocka_unit_test(test_form),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests_name("elab", tests, NULL, NULL);
}
