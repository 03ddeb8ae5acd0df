/* test_cases.c -- every message of the front end has a case in tests/golden/err, and every slug a
 * section in docs/errors.md.
 *
 *     fail(I, at, "setting", near ? "%s takes %s, not %s; did you mean %s?" : "%s takes %s, not %s", ...)
 *
 * The sources are read at test time: each call that reports is taken apart, and each of its texts
 * must fit a message, with that slug, in some .want file.  So a new diag_error without a case fails
 * here, and says where it stands.  The examples of docs/errors.md are run: the wrong one gives that
 * slug and no other, the right one nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab_test.h"

#include <ctype.h>
#include <unistd.h>

#include "tests/dsl/golden.h"

/* Functions that report: which argument is the slug (-1: it is fixed), which is the text, and
 * whether that is only part of the message. */
static const struct { const char *name; int slug, text; const char *fixed; bool part; } reports[] = {
	{ "diag_error", 2, 3, NULL, false }, { "diag_warning", 2, 3, NULL, false },
	{ "bad", 2, 3, NULL, false },                   /* dsl/scan.l */
	{ "fail", 2, 3, NULL, false }, { "fail_at", 2, 3, NULL, false },
	{ "give_up", -1, 2, "limit", false },
	{ "wrong", -1, 4, "type", true },               /* elab/prims.c: "x takes TEXT, but y is z" */
};

/* What no spec can bring about, and why. */
static const struct { const char *text, *why; } exempt[] = {
	{ "%s", "the text was made elsewhere" },
	{ "%s: %s", "the text was made by graph/infer.c" },
	{ "unexpected %s", "every state of the grammar takes something that has a word" },
	{ "a %s has no value here", "the grammar puts no such node there" },
	{ "the file has %zu bytes; %d are allowed", "4 MiB: tests/dsl/test_dsl.c has the case" },
	{ "the file has more than %d tokens", "a million: tests/dsl/test_dsl.c has the case" },
	{ "more than %d modules use each other in a row", "a hundred files: tests/dsl/test_dsl.c has the case" },
};

typedef struct Said { const char *slug, *text; } Said;
typedef struct Site { const char *file; int line; const char *slug, *text; bool part; } Site;
typedef VEC(Said) Saids;
typedef VEC(Site) Sites;
typedef VEC(const char *) Strs;

/* ---- messages of the cases --------------------------------------------------------------- */

static void
read_want(Arena *a, const char *text, Saids *out)
{
	for (const char *s = text, *end; *s; s = *end ? end + 1 : end) {
		end = s + strcspn(s, "\n");

		const char *line = arena_strn(a, s, (size_t)(end - s)), *from = strstr(line, ": error: ");
		char *slug = strrchr(line, '[');

		if (!from)
			from = strstr(line, ": warning: ");
		if (!from || !slug || slug[strlen(slug) - 1] != ']')
			continue;
		from = strchr(from + 2, ':') + 2;
		slug[strlen(slug) - 1] = slug[-1] = 0;
		vec_push(a, out, ((Said){ slug + 1, from }));
	}
}

static Saids
all_said(Arena *a)
{
	const char **name, *err;
	size_t n = golden_list(a, "tests/golden/err", "", &name), len;
	Saids out = { 0 };

	for (size_t i = 0; i < n; i++) {
		char *text = file_read(a, arena_printf(a, "%s/tests/golden/err/%.*s.want", golden_root(),
		                       (int)strlen(name[i]) - 4, name[i]), &len, &err);

		if (!text)
			fail_msg("%s", err);
		read_want(a, text, &out);
	}
	return out;
}

/* Does a text come from this format?  A directive takes any text. */
static bool
fits(const char *form, const char *text)
{
	if (!*form)
		return !*text;
	if (*form != '%')
		return *form == *text && fits(form + 1, text + 1);
	if (form[1] == '%')
		return *text == '%' && fits(form + 2, text + 1);
	form += 1 + strcspn(form + 1, "sdugcfxX");
	for (form++;; text++) {
		if (fits(form, text))
			return true;
		if (!*text)
			return false;
	}
}

/* ---- calls in the sources ------------------------------------------------------------------ */

/* behind the literal or the character constant that begins at s */
static const char *
behind_quote(const char *s)
{
	char q = *s++;

	while (*s && *s != q)
		s += *s == '\\' && s[1] ? 2 : 1;
	return *s ? s + 1 : s;
}

static char *
unescape(Arena *a, const char *s, size_t n)
{
	Text t = { .a = a };

	for (size_t i = 0; i < n; i++) {
		i += s[i] == '\\' && i + 1 < n;
		text_putn(&t, &s[i], 1);
	}
	return arena_str(a, text_str(&t));
}

/* Literals of s up to end, those side by side as one. */
static void
literals(Arena *a, const char *s, const char *end, Strs *out)
{
	bool joins = false;

	while (s < end) {
		if (*s == '"') {
			const char *next = behind_quote(s);
			char *text = unescape(a, s + 1, (size_t)(next - s) - 2);

			if (joins)
				out->p[out->n - 1] = arena_printf(a, "%s%s", out->p[out->n - 1], text);
			else
				vec_push(a, out, text);
			joins = true;
			s = next;
		} else {
			joins &= isspace((unsigned char)*s) != 0;
			s = *s == '\'' ? behind_quote(s) : s + 1;
		}
	}
}

enum { MOST_ARGS = 16 };

/* s behind the open parenthesis; the arguments are [arg[i], arg[i + 1] - 1) */
static int
arguments(const char *s, const char *arg[MOST_ARGS + 1])
{
	int depth = 0, n = 0;

	arg[n++] = s;
	while (*s) {
		if (*s == '"' || *s == '\'') {
			s = behind_quote(s);
			continue;
		}
		if (strchr("([{", *s))
			depth++;
		if (strchr(")]}", *s) && depth-- == 0)
			break;
		if (*s == ',' && depth == 0 && n < MOST_ARGS)
			arg[n++] = s + 1;
		s++;
	}
	arg[n] = s + 1;
	return n;
}

static void
read_call(Arena *a, const char *file, int line, size_t kind, const char *s, Sites *out)
{
	const char *arg[MOST_ARGS + 1];
	int n = arguments(s, arg);
	Strs slug = { 0 }, text = { 0 };

	if (n <= reports[kind].text)
		return;
	if (reports[kind].slug >= 0)
		literals(a, arg[reports[kind].slug], arg[reports[kind].slug + 1] - 1, &slug);
	literals(a, arg[reports[kind].text], arg[reports[kind].text + 1] - 1, &text);
	for (size_t i = 0; i < text.n; i++)
		vec_push(a, out, ((Site){ file, line, reports[kind].fixed ? reports[kind].fixed : slug.n ? slug.p[0] : NULL,
		                          text.p[i], reports[kind].part }));
}

static void
read_source(Arena *a, const char *file, char *text, Sites *out)
{
	int line = 1;

	for (char *s = text; (s = strstr(s, "/*")); ) {         /* comments hold no calls */
		char *end = strstr(s, "*/");

		for (; s < (end ? end : s + strlen(s)); s++)
			if (*s != '\n')
				*s = ' ';
	}
	for (const char *s = text; *s; s++) {
		line += *s == '\n';
		if (*s == '"' || (*s == '\'' && s > text && !isalnum((unsigned char)s[-1]))) {
			const char *next = behind_quote(s);

			if (memchr(s, '\n', (size_t)(next - s)))
				continue;       /* flex patterns have lone quotes */
			s = next - 1;
			continue;
		}
		if (!isalpha((unsigned char)*s) || (s > text && (isalnum((unsigned char)s[-1]) || s[-1] == '_')))
			continue;
		for (size_t k = 0; k < COUNT(reports); k++) {
			size_t n = strlen(reports[k].name);

			if (strncmp(s, reports[k].name, n) == 0 && s[n] == '(')
				read_call(a, file, line, k, s + n + 1, out);
		}
	}
}

static Sites
all_sites(Arena *a)
{
	static const char *const folders[] = { "dsl", "compiler/elab" };
	Sites out = { 0 };

	for (size_t f = 0; f < COUNT(folders); f++) {
		DIR *d = opendir(arena_printf(a, "%s/%s", golden_root(), folders[f]));

		assert_non_null(d);
		for (struct dirent *e; (e = readdir(d)); ) {
			const char *dot = strrchr(e->d_name, '.'), *err;
			size_t len;

			if (!dot || (strcmp(dot, ".c") && strcmp(dot, ".l") && strcmp(dot, ".y")))
				continue;
			/* a build in the source tree leaves parse.c and lex.yy.c there */
			if (strcmp(folders[f], "dsl") == 0 && (!strcmp(e->d_name, "parse.c") || !strcmp(e->d_name, "scan.c")))
				continue;
			const char *path = arena_printf(a, "%s/%s", folders[f], e->d_name);
			char *text = file_read(a, arena_printf(a, "%s/%s", golden_root(), path), &len, &err);

			if (!text)
				fail_msg("%s", err);
			read_source(a, path, text, &out);
		}
		closedir(d);
	}
	return out;
}

/* what of a format is text of its own */
static size_t
weight(const char *form)
{
	size_t n = 0;

	for (; *form; form++, n++)
		if (*form == '%')
			form += 1 + strcspn(form + 1, "sdugcfxX%");
	return n;
}

/* A message belongs to the formats that say most of it: "%s takes %s" fits nearly all.  Near ties
 * count for both. */
static void
mark(Arena *a, const Sites *sites, const Said *m, Map *seen)
{
	enum { TIE = 2 };
	size_t best = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < sites->n; i++) {
			const Site *s = &sites->p[i];

			if (!s->slug || s->part || strcmp(m->slug, s->slug) || weight(s->text) + TIE < best || !fits(s->text, m->text))
				continue;
			if (pass == 0)
				best = MAX(best, weight(s->text));
			else
				map_set(seen, arena_printf(a, "%s %s", s->slug, s->text), a);
		}
}

static bool
is_exempt(const char *text)
{
	for (size_t i = 0; i < COUNT(exempt); i++)
		if (strcmp(exempt[i].text, text) == 0)
			return true;
	return false;
}

static void
test_every_message(void **state)
{
	Arena *a = arena_new();
	Saids said = all_said(a);
	Sites site = all_sites(a);
	Map *seen = map_new(a);
	int without = 0;

	(void)state;
	assert_true(site.n > 150);      /* else the reader of sources is broken */
	for (size_t k = 0; k < said.n; k++)
		mark(a, &site, &said.p[k], seen);
	for (size_t i = 0; i < site.n; i++) {
		const Site *s = &site.p[i];

		bool hit = is_exempt(s->text);

		for (size_t k = 0; k < said.n && s->part && !hit; k++)
			hit = strstr(said.p[k].text, arena_printf(a, "takes %s, but", s->text)) != NULL;
		if (hit || (s->slug && map_has(seen, arena_printf(a, "%s %s", s->slug, s->text))))
			continue;
		fprintf(stderr, "%s:%d: no case: %s [%s]\n", s->file, s->line, s->text, s->slug ? s->slug : "?");
		without++;
	}
	fprintf(stderr, "%zu texts, %zu messages in cases, %d without a case\n", site.n, said.n, without);
	assert_int_equal(without, 0);
	arena_free(a);
}

static void
test_enough(void **state)
{
	Arena *a = arena_new();
	const char **name;

	(void)state;
	assert_true(golden_list(a, "tests/golden/err", "", &name) >= 80);
	arena_free(a);
}

/* ---- docs/errors.md ---------------------------------------------------------------------------- */

/* The text of the nth fenced example of a section, or NULL; *lang says what it is. */
static char *
example(Arena *a, const char *section, int nth, const char **lang)
{
	const char *s = section, *end;

	for (; (s = strstr(s, "\n```")); s = end + 4) {
		const char *text = strchr(s + 1, '\n') + 1;

		end = strstr(text - 1, "\n```");
		assert_non_null(end);
		if (nth-- > 0)
			continue;
		*lang = arena_strn(a, s + 4, (size_t)(text - s) - 5);
		return arena_strn(a, text, (size_t)(end + 1 - text));
	}
	return NULL;
}

/* Messages of an example that are not [slug], or of all if it is the right one; -1: none is. */
static int
run_example(const char *dir, const char *text, const char *slug, bool wrong)
{
	Spec t = { .a = arena_new() };
	const char *path = arena_printf(t.a, "%s/example.y12", dir), *dirs[] = { in_srcdir(t.a, "stdlib") };
	ElabOptions opt = directives(t.a, text);
	int other = 0, own = 0;

	assert_null(file_write(t.a, path, text, strlen(text)));
	t.d = diag_new(t.a);

	Module *m = dsl_load(t.a, t.d, path, dirs, 1);

	if (m && !diag_errors(t.d))
		elab_check(t.a, t.d, m, &opt);
	for (size_t i = 0; i < diag_count(t.d); i++) {
		const DiagMsg *x = diag_get(t.d, i);

		if (x->sev == SEV_NOTE)
			continue;
		own += strcmp(x->slug, slug) == 0;
		other += strcmp(x->slug, slug) != 0 && strcmp(x->slug, "later") != 0;
	}
	if (wrong ? other || !own : other || own) {
		fprintf(stderr, "docs/errors.md: %s example of %s:\n", wrong ? "the wrong" : "the right", slug);
		diag_print(t.d, stderr, false);
	}
	unlink(path);
	arena_free(t.a);
	return wrong ? (other ? other : own ? 0 : -1) : other + own;
}

static void
test_sections(void **state)
{
	Arena *a = arena_new();
	const char *err;
	size_t len;
	char *text = file_read(a, in_srcdir(a, "docs/errors.md"), &len, &err), dir[] = "/tmp/y12-errors-XXXXXX";
	Map *sections = map_new(a);
	Sites site = all_sites(a);
	int bad = 0;

	(void)state;
	assert_non_null(text);
	assert_non_null(mkdtemp(dir));
	for (char *s = text; (s = strstr(s, "\n## ")); ) {
		const char *slug = arena_strn(a, s + 4, strcspn(s + 4, "\n"));
		char *next = strstr(s + 1, "\n## "), *section = arena_strn(a, s, next ? (size_t)(next - s) : strlen(s));
		const char *lang = "";
		char *wrong = example(a, section, 0, &lang), *right = example(a, section, 1, &lang);

		slug = arena_str(a, slug + strspn(slug, " "));
		assert_false(map_has(sections, slug));
		map_set(sections, slug, section);
		assert_non_null(wrong);
		assert_non_null(right);
		if (strcmp(lang, "y12") == 0) {
			bad += run_example(dir, wrong, slug, true) != 0;
			bad += run_example(dir, right, slug, false) != 0;
		} else {
			assert_string_equal(slug, "file");      /* the only one that no text shows */
		}
		s += 4;
	}
	for (size_t i = 0; i < site.n; i++)
		if (site.p[i].slug && !map_has(sections, site.p[i].slug)) {
			fprintf(stderr, "%s:%d: [%s] has no section in docs/errors.md\n", site.p[i].file, site.p[i].line, site.p[i].slug);
			bad++;
		}
	static const struct { const char *name; OpKind op; } prims[] = {
#define PRIM(name, run, op, sig) { #name, OP_##op },
#include "elab/prims.def"
#undef PRIM
	};
	for (size_t i = 0; i < COUNT(prims); i++) {
		const OpInfo *op = &op_info[prims[i].op];

		if (prims[i].op == OP_none || prims[i].op == OP_const || op->fuse == FUSE_POINT || map_has(sections, op->name))
			continue;
		fprintf(stderr, "prims.def: %s makes %s, which has no section in docs/errors.md\n", prims[i].name, op->name);
		bad++;
	}
	assert_int_equal(bad, 0);
	rmdir(dir);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message), cmocka_unit_test(test_enough), cmocka_unit_test(test_sections),
	};

	return cmocka_run_group_tests_name("cases", tests, NULL, NULL);
}
