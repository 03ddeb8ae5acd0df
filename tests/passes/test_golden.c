/* test_golden.c -- one pass on one small graph, text in, text out.
 *
 *     tests/golden/pass/<pass>/<case>.g       what goes in; its first line says what it shows
 *     tests/golden/pass/<pass>/<case>.want    what has to come out
 *
 * A case whose name ends in -not is a twin that the pass must leave alone: it has to say
 * so itself.  BLESS=1 writes the .want files anew; git diff is the review.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>

#include "pass_test.h"

static int failures, cases;

static char *
print_text(const Graph *g)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	graph_print(f, g);
	fclose(f);
	return text;
}

static void
complain(const char *path, const char *what, const char *text)
{
	print_error("%s: %s\n%s\n", path, what, text ? text : "");
	failures++;
}

static void
run_case(const PassInfo *pass, const char *path)
{
	Arena *a = arena_new();
	size_t len, stem = strlen(path) - 2;
	const char *err, *want_path = arena_printf(a, "%.*s.want", (int)stem, path);
	char *text = file_read(a, path, &len, &err), *got;
	PassCtx cx = test_context(a);
	GraphModule *m;
	bool changed;

	cases++;
	if (!strcmp(pass->name, "precision")) {
		cx.tf32 = strstr(path, "/tf32") != NULL;
		cx.compute = cx.tf32 ? DT_F32 : DT_F16;
	}
	if (!strcmp(pass->name, "chain") || !strcmp(pass->name, "pair") || !strcmp(pass->name, "position"))
		cx.target = target_named("sm_80");
	if (!strcmp(pass->name, "split"))
		cx.target = without_cache(cx.target);
	if (strstr(path, "/gpu-")) {
		cx.target = target_named("sm_80");
		cx.compute = DT_F16;
	}
	assert_non_null(text);
	if (strncmp(text, "# ", 2))
		complain(path, "the first line does not say what the case shows", NULL);
	m = module_parse(a, cx.diag, diag_source(cx.diag, path, text, len), NULL);
	if (!m) {
		diag_print(cx.diag, stderr, false);
		complain(path, "is no graph", NULL);
		arena_free(a);
		return;
	}
	if (!graph_verify(m->graph.p[0], &err)) {
		complain(path, "is wrong before the pass", err);
		arena_free(a);
		return;
	}
	graph_order(m->graph.p[0]);
	if (!pass_run(m->graph.p[0], &cx, pass, true, &changed, &err)) {
		/* a refusal is a result too */
		got = strdup(arena_printf(a, "error: %s\n", err));
		changed = true;
	} else {
		got = print_text(m->graph.p[0]);
	}
	if (stem > 4 && !strncmp(path + stem - 4, "-not", 4) && changed)
		complain(path, "must not change, but did", got);
	if (getenv("BLESS")) {
		err = file_write(a, want_path, got, strlen(got));
		if (err)
			complain(path, err, NULL);
	} else {
		char *want = file_read(a, want_path, &len, &err);

		if (!want)
			complain(path, "has no .want; BLESS=1 makes one", got);
		else if (strcmp(want, got))
			complain(path, "comes out otherwise; wanted is", want), print_error("got is\n%s\n", got);
	}
	free(got);
	arena_free(a);
}

static int
is_case(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 2 && !strcmp(e->d_name + n - 2, ".g");
}

/* Every pass has at least one case. */
static void
test_golden(void **state)
{
	const char *src = getenv("srcdir");

	(void)state;
	for (size_t i = 0; i < pass_count; i++) {
		char dir[600], path[1200];
		struct dirent **e;
		int n;

		snprintf(dir, sizeof dir, "%s/tests/golden/pass/%s", src ? src : ".", pass_info[i].name);
		n = scandir(dir, &e, is_case, alphasort);
		if (n <= 0)
			complain(dir, "no cases", NULL);
		for (int k = 0; k < n; k++) {
			snprintf(path, sizeof path, "%s/%s", dir, e[k]->d_name);
			run_case(&pass_info[i], path);
			free(e[k]);
		}
		if (n >= 0)
			free(e);
	}
	print_message("%d cases\n", cases);
	assert_int_equal(failures, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_golden) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
