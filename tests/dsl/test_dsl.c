/* test_dsl.c -- modules, places in the source, the examples of the manual, and hostile input.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "dsl/ast.h"
#include "tests/dsl/golden.h"

typedef struct Run { Arena *a; Diag *d; const Source *src; Module *m; } Run;

static Run
parse(const char *text, size_t len)
{
	Run r = { .a = arena_new() };

	r.d = diag_new(r.a);
	r.src = diag_source(r.d, "test.y12", arena_strn(r.a, text, len), len);
	if (memchr(text, 0, len))       /* a string stops there, a source does not */
		r.src = diag_source(r.d, "test.y12", arena_dup(r.a, text, len + 1), len);
	r.m = dsl_parse(r.a, r.d, r.src);
	return r;
}

/* ---- modules ----------------------------------------------------------------------- */

static Run
load(const char *file)
{
	Run r = { .a = arena_new() };
	const char *lib = arena_printf(r.a, "%s/tests/dsl/modules/lib", golden_root());

	r.d = diag_new(r.a);
	r.m = dsl_load(r.a, r.d, arena_printf(r.a, "%s/tests/dsl/modules/app/%s", golden_root(), file), &lib, 1);
	return r;
}

/* the file name of a path */
static const char *
base(const char *path)
{
	const char *s = strrchr(path, '/');

	return s ? s + 1 : path;
}

static void
test_modules(void **state)
{
	Run r = load("main.y12");

	(void)state;
	assert_int_equal(diag_errors(r.d), 0);
	assert_int_equal(r.m->nuse, 4);
	assert_string_equal(r.m->use[0]->name, "std.blocks");
	assert_non_null(strstr(r.m->use[0]->path, "lib/blocks.y12"));   /* not app/blocks.y12 */
	assert_string_equal(base(r.m->use[1]->path), "near.y12");
	assert_non_null(strstr(r.m->use[2]->path, "lib/deep/inner.y12"));
	assert_ptr_equal(r.m->use[1], r.m->use[3]);             /* once, by either name */
	assert_ptr_equal(r.m->use[1]->use[0], r.m->use[0]);
	assert_ptr_equal(r.m->use[2]->use[0], r.m->use[0]);
	arena_free(r.a);
}

static void
test_modules_missing(void **state)
{
	static const char *const says[] = {
		"there is no module `std.blokcs`; did you mean `std.blocks`?",
		"there is no module `nera`; did you mean `near`?",
		"there is no module `neer.y12`; did you mean `near.y12`?",
		"there is no module `far.away`",
	};
	Run r = load("missing.y12");
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < diag_count(r.d); i++) {
		const DiagMsg *m = diag_get(r.d, i);
		if (m->sev != SEV_ERROR)
			continue;
		assert_true(found < COUNT(says));
		assert_string_equal(m->text, says[found++]);
		assert_string_equal(m->slug, "use-missing");
		int line, col;
		diag_line_col(r.d, m->span, &line, &col);
		assert_int_equal(line, (int)found);
		assert_int_equal(col, 5);
	}
	assert_int_equal(found, COUNT(says));
	assert_int_equal(r.m->nuse, 4);
	assert_null(r.m->use[0]);
	arena_free(r.a);

	r = load("nowhere.y12");
	assert_null(r.m);
	assert_int_equal(diag_errors(r.d), 1);
	arena_free(r.a);
}

static void
test_modules_circle(void **state)
{
	Run r = load("circle.y12");
	const DiagMsg *m = diag_get(r.d, 0);

	(void)state;
	assert_int_equal(diag_errors(r.d), 1);
	assert_string_equal(m->slug, "use-circle");
	assert_string_equal(base(diag_source_of(r.d, m->span)->path), "circle3.y12");
	/* the chain, in order: circle uses circle2 uses circle3 uses circle */
	const char *at = m->text;
	static const char *const chain[] = { "circle.y12 uses ", "circle2.y12 uses ", "circle3.y12 uses ", "circle.y12" };
	for (size_t i = 0; i < COUNT(chain); i++) {
		at = strstr(at, chain[i]);
		assert_non_null(at);
		at += strlen(chain[i]);
	}
	assert_int_equal(*at, 0);
	arena_free(r.a);

	r = load("self.y12");
	assert_int_equal(diag_errors(r.d), 1);
	assert_string_equal(diag_get(r.d, 0)->slug, "use-circle");
	arena_free(r.a);
}

/* mistakes in a used module do not hide those of the file */
static void
test_modules_broken(void **state)
{
	Run r = load("broken.y12");

	(void)state;
	assert_int_equal(diag_errors(r.d), 2);
	arena_free(r.a);
}

/* ---- the tree ------------------------------------------------------------------------ */

static const Ast *
find(const Ast *a, AstKind k)
{
	const Ast *hit = a && a->kind == k ? a : NULL;

	for (int i = 0; a && !hit && i < a->n; i++)
		hit = find(a->kid[i], k);
	return hit;
}

static void
covers(const char *text, AstKind k, const char *all, const char *at)
{
	Run r = parse(text, strlen(text));
	const Ast *x = find(r.m->ast, k);

	assert_int_equal(diag_errors(r.d), 0);
	assert_non_null(x);
	const char *got = arena_strn(r.a, text + x->span.begin, x->span.end - x->span.begin);
	assert_string_equal(got, all);
	got = arena_strn(r.a, text + x->at.begin, x->at.end - x->at.begin);
	assert_string_equal(got, at);
	arena_free(r.a);
}

static void
test_spans(void **state)
{
	(void)state;
	covers("fn f(a) = a + 1 // 2\n", AST_binary, "a + 1 // 2", "+");
	covers("fn f(a) = g(a, k: 3)\n", AST_arg, "k: 3", "k");
	covers("fn f(a) = (g(a)[1]) as p\n", AST_as, "(g(a)[1]) as p", "p");
	covers("fn f(a) = x.y.z\n", AST_field, "x.y.z", "z");
	covers("\n## doc\nblock Big(a) {\n}\n", AST_block, "block Big(a) {\n}", "Big");
	covers("fn f(a) = x\n  |> A()\n  |> B()\n", AST_pipe, "x\n  |> A()\n  |> B()", "|>");
	covers("fn f(a) = not a\n", AST_unary, "not a", "not");
	covers("train t { lr 3 ms }\n", AST_quantity, "3 ms", "ms");
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(ast_kind_name(AST_call), "call");
	assert_string_equal(ast_kind_name(AST_error), "error");
	assert_string_equal(ast_op_text(AOP_idiv), "//");
	assert_string_equal(ast_op_text(AOP_none), "");
	assert_string_equal(ast_op_text(AOP_pow), "**");
}

/* ---- the manual ------------------------------------------------------------------------ */

/* Every ```y12 block of docs/language.md parses, and stands in its canonical form
 * unless it says so: ```y12 loose. */
static void
test_manual(void **state)
{
	Arena *a = arena_new();
	const char *err;
	size_t len, n = 0;
	char *text = file_read(a, arena_printf(a, "%s/docs/language.md", golden_root()), &len, &err);

	(void)state;
	if (!text)
		fail_msg("%s", err);
	for (char *p = text; (p = strstr(p, "\n```y12")); n++) {
		bool loose = strncmp(p + 7, " loose", 6) == 0;
		char *from = strchr(p + 1, '\n') + 1, *to = strstr(from, "\n```");
		assert_non_null(to);
		const char *code = arena_strn(a, from, (size_t)(to + 1 - from));
		Run r = parse(code, strlen(code));
		if (diag_errors(r.d)) {
			diag_print(r.d, stderr, false);
			fail_msg("an example does not parse:\n%s", code);
		}
		if (!loose)
			assert_string_equal(dsl_fmt(r.a, r.d, r.src), code);
		arena_free(r.a);
		p = to;
	}
	assert_true(n >= 8);
	arena_free(a);
}

/* ---- hostile input ------------------------------------------------------------------------ */

/* Whatever the bytes: a tree comes back, all spans lie in the text, and the tree
 * can be walked; with no error, the canonical form parses to the same. */
static void
check_tree(const Ast *a, size_t len, int depth)
{
	assert_true(depth <= DSL_MAX_HEIGHT + 2);
	assert_true(a->span.begin <= a->span.end && a->span.end <= len);
	assert_true(a->at.begin <= a->at.end && a->at.end <= len);
	for (int i = 0; i < a->n; i++)
		if (a->kid[i])
			check_tree(a->kid[i], len, depth + 1);
}

static int
survives(const char *text, size_t len)
{
	Run r = parse(text, len);
	int errors = diag_errors(r.d);
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	check_tree(r.m->ast, len, 0);
	ast_dump(f, r.m->ast);
	diag_print(r.d, f, false);
	fclose(f);
	free(p);
	char *once = dsl_fmt(r.a, r.d, r.src);
	assert_int_equal(once == NULL, errors > 0);
	if (once) {
		Diag *d = diag_new(r.a);
		char *twice = dsl_fmt(r.a, d, diag_source(d, "once.y12", once, strlen(once)));
		assert_non_null(twice);
		assert_string_equal(twice, once);
	}
	arena_free(r.a);
	return errors;
}

static uint32_t
rnd(uint32_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 17;
	*s ^= *s << 5;
	return *s;
}

static void
test_random_bytes(void **state)
{
	char buf[300];
	uint32_t s = 12;

	(void)state;
	for (int k = 0; k < 2000; k++) {
		size_t n = rnd(&s) % (sizeof buf - 1);
		for (size_t i = 0; i < n; i++)
			buf[i] = (char)(k & 1 ? rnd(&s) : ' ' + rnd(&s) % 95);
		buf[n] = 0;
		survives(buf, n);
	}
}

/* tokens in any order: gets further into the grammar than bytes do */
static void
test_random_tokens(void **state)
{
	static const char *const words[] = {
		"fn", "f", "(", ")", "[", "]", "{", "}", "=", "=>", "->", "|", "|>", ",", ":", ";", "\n", "\n", "..",
		"if", "else", "for", "in", "match", "return", "let", "x", "3", "0.5", "\"s\"", "_", "-", "+", "**",
		"not", "and", "as", "model", "train", "export", "use", "layers", "param", "f32", "at", "warp", "#c\n",
		"##d\n", "~", ".", "check", "shape", "true", "==", "<", "block", "entry",
	};
	uint32_t s = 15;
	int fine = 0;

	(void)state;
	for (int k = 0; k < 4000; k++) {
		char buf[1024] = "fn f(x) {\n";
		int n = 1 + (int)(rnd(&s) % (k % 4 ? 6 : 60));
		for (int i = 0; i < n; i++) {
			strcat(buf, words[rnd(&s) % COUNT(words)]);
			strcat(buf, " ");
		}
		if (k % 4)
			strcat(buf, "\n}\n");
		fine += survives(buf, strlen(buf)) == 0;
	}
	assert_true(fine > 10);         /* some of it is even right */
}

/* the design example with one byte changed, dropped or doubled; cut off anywhere */
static void
test_mutations(void **state)
{
	Arena *a = arena_new();
	const char *err;
	size_t len;
	char *text = file_read(a, arena_printf(a, "%s/tests/golden/ast/design.y12", golden_root()), &len, &err);
	static const char odd[] = "(){}[]|=,.:;\"#\n -~\\0x\xff";
	uint32_t s = 3;

	(void)state;
	assert_non_null(text);
	for (int k = 0; k < 600; k++) {
		char *t = arena_strn(a, text, len);
		size_t at = rnd(&s) % len, n = len;
		switch (k % 3) {
		case 0: t[at] = odd[rnd(&s) % (sizeof odd - 1)]; break;
		case 1: memmove(t + at, t + at + 1, len - at); n--; break;
		case 2: t[n = at] = 0; break;
		}
		survives(t, n);
	}
	arena_free(a);
}

/* n times a, then m, then n times b */
static int
nested(const char *head, const char *a, const char *m, const char *b, int n, const char *slug)
{
	Arena *ar = arena_new();
	Text t = { .a = ar };
	char *text;

	text_put(&t, head);
	for (int i = 0; i < n; i++)
		text_put(&t, a);
	text_put(&t, m);
	for (int i = 0; i < n; i++)
		text_put(&t, b);
	text_put(&t, "\n");
	text = arena_strn(ar, t.p, t.n);
	int errors = survives(text, t.n);
	if (slug) {
		Run r = parse(text, t.n);
		bool said = false;
		for (size_t i = 0; i < diag_count(r.d); i++)
			said |= diag_get(r.d, i)->slug && strcmp(diag_get(r.d, i)->slug, slug) == 0;
		if (!said)
			fail_msg("%s%s: no [%s]", head, a, slug);
		arena_free(r.a);
	}
	arena_free(ar);
	return errors;
}

static void
test_deep(void **state)
{
	(void)state;
	assert_int_equal(nested("fn f(x) = ", "(", "x", ")", DSL_MAX_DEPTH, NULL), 0);
	assert_int_equal(nested("fn f(x) = ", "(", "x", ")", DSL_MAX_DEPTH + 1, "syntax-limit"), 1);
	assert_int_equal(nested("fn f(x) = x", " + x", "", "", DSL_MAX_HEIGHT - 10, NULL), 0);
	nested("fn f(x) = ", "[", "x", "]", 100000, "syntax-limit");
	nested("fn f(x) = ", "if x { ", "x", "} else { x }", 5000, "syntax-limit");
	nested("fn f(x) = ", "match x { _ => ", "x", " }", 5000, "syntax-limit");
	nested("fn f(x) = x", " + x", "", "", 50000, "syntax-limit");
	nested("fn f(x) = ", "-", "x", "", 50000, "syntax-limit");
	nested("fn f(x) = ", "not ", "x", "", 1500, "syntax-limit");
	nested("fn f(x) = x", " ** x", "", "", 50000, "syntax-limit");
	nested("fn f(x) = ", "|x| ", "x", "", 50000, "syntax-limit");
	nested("fn f(x) = x", ".y", "", "", 50000, "syntax-limit");
	nested("fn f(x) = x", "()", "", "", 50000, "syntax-limit");
	nested("fn f(x) = x", " as y", "", "", 50000, "syntax-limit");
	nested("fn f(x) = ", "if x { x } else ", "{ x }", "", 20000, "syntax-limit");
	nested("train t ", "{ a ", "", "}", 5000, "syntax-limit");
	nested("fn f(x) = x", " |> y()", "", "", 50000, NULL);  /* wide, not deep */
	nested("", "let x = 1\n", "", "", 50000, NULL);
}

static void
test_limits(void **state)
{
	char *big = malloc(DSL_MAX_BYTES + 2);

	(void)state;
	assert_non_null(big);
	memset(big, ' ', DSL_MAX_BYTES + 1);
	big[DSL_MAX_BYTES + 1] = 0;
	assert_int_equal(survives(big, DSL_MAX_BYTES), 0);
	assert_int_equal(survives(big, DSL_MAX_BYTES + 1), 1);
	memset(big, '"', DSL_MAX_BYTES);
	assert_true(survives(big, DSL_MAX_BYTES - 1) > 0);
	memset(big, '9', DSL_MAX_BYTES);
	assert_true(survives(big, DSL_MAX_BYTES) > 0);
	memset(big, ',', DSL_MAX_BYTES);
	assert_true(survives(big, DSL_MAX_BYTES) > 0);
	memset(big, '#', DSL_MAX_BYTES);
	assert_int_equal(survives(big, DSL_MAX_BYTES - 1), 0);  /* fmt adds the newline */
	free(big);
}

static void
says(const char *text, size_t len, const char *want)
{
	Run r = parse(text, len);
	bool said = false;

	for (size_t i = 0; i < diag_count(r.d); i++)
		said |= strcmp(diag_get(r.d, i)->text, want) == 0 && strcmp(diag_get(r.d, i)->slug, "syntax-limit") == 0;
	if (!said)
		fail_msg("nothing says: %s", want);
	arena_free(r.a);
}

/* messages whose files are too large for tests/golden/err */
static void
test_limit_messages(void **state)
{
	char *big = malloc(DSL_MAX_BYTES + 2);

	(void)state;
	assert_non_null(big);
	memset(big, ',', DSL_MAX_BYTES + 1);
	says(big, DSL_MAX_BYTES, "the file has more than 1048576 tokens");
	says(big, DSL_MAX_BYTES + 1, "the file has 4194305 bytes; 4194304 are allowed");
	free(big);
}

/* a uses b uses c ... */
static void
test_modules_chain(void **state)
{
	enum { LINKS = 101 };
	char dir[] = "/tmp/y12-chain-XXXXXX";
	Run r = { .a = arena_new() };
	const char *err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < LINKS; i++) {
		const char *text = arena_printf(r.a, "use m%d\n", i + 1);

		err = file_write(r.a, arena_printf(r.a, "%s/m%d.y12", dir, i), text, strlen(text));
		assert_null(err);
	}
	assert_null(file_write(r.a, arena_printf(r.a, "%s/m%d.y12", dir, LINKS), "", 0));
	r.d = diag_new(r.a);
	dsl_load(r.a, r.d, arena_printf(r.a, "%s/m0.y12", dir), NULL, 0);
	assert_int_equal(diag_errors(r.d), 1);
	assert_string_equal(diag_get(r.d, 0)->text, "more than 100 modules use each other in a row");
	for (int i = 0; i <= LINKS; i++)
		unlink(arena_printf(r.a, "%s/m%d.y12", dir, i));
	rmdir(dir);
	arena_free(r.a);
}

static void
test_odd(void **state)
{
#define ODD(s) survives(s, sizeof s - 1)
	(void)state;
	assert_int_equal(ODD(""), 0);
	assert_int_equal(ODD("\n\n"), 0);
	assert_int_equal(ODD("# only a comment"), 0);
	assert_int_equal(ODD("\xef\xbb\xbflet a = 1"), 0);       /* a byte order mark */
	assert_int_equal(ODD("let a = 1\r\n\r\nlet b = \"x\"  # c\r\n"), 0);
	assert_int_equal(ODD("let a = 1 # c"), 0);              /* no newline at the end */
	assert_true(ODD("let a\xef\xbb\xbf = 1\n") > 0);
	assert_true(ODD("let a = \0 1\n") > 0);
	assert_true(ODD("let a = \"x\0y\"\n") > 0);
	assert_true(ODD("# a\0b\n") > 0);
	assert_true(ODD("let a = \"\xff\"\n") > 0);
	assert_true(ODD("let a = \"abc") > 0);
	assert_true(ODD("let a = \"abc\\") > 0);
	assert_true(ODD("let a = '") > 0);
	assert_true(ODD("let a = 1.") > 0);
	assert_true(ODD("let a = 1e") > 0);
	assert_true(ODD("}") > 0);
	assert_true(ODD("fn f(") > 0);
	assert_true(ODD("train t {") > 0);
	assert_true(ODD("match") > 0);
#undef ODD
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modules),
		cmocka_unit_test(test_modules_missing),
		cmocka_unit_test(test_modules_circle),
		cmocka_unit_test(test_modules_broken),
		cmocka_unit_test(test_modules_chain),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_random_tokens),
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limit_messages),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
