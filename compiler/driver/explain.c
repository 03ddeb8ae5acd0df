/* explain.c -- `yolo12c explain-error`: what a message means, from docs/errors.md.
 *
 *     yolo12c explain-error unknown-name     its section, with a wrong and a right spec
 *     yolo12c explain-error                  every slug, and the sentence that its section begins with
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <unistd.h>

#include "driver/inner.h"
#include "driver/verb.h"

/* docs/errors.md of the first library folder that has it. */
static char *
read_errors(Arena *a, const char **err)
{
	size_t n, len;
	const char *const *root = library_roots(a, &n);

	for (size_t i = 0; i < n; i++) {
		const char *path = arena_printf(a, "%s/docs/errors.md", root[i]);

		if (access(path, R_OK) == 0)
			return file_read(a, path, &len, err);
	}
	*err = "docs/errors.md is missing: it lies beside the standard library";
	return NULL;
}

/* the line at s, without its end */
static const char *
line_at(Arena *a, const char *s)
{
	return arena_strn(a, s, strcspn(s, "\n"));
}

/* Code set in by four, without its fences. */
static void
print_section(Arena *a, const char *s, const char *end)
{
	bool code = false;

	for (; s < end && *s; s += strcspn(s, "\n"), s += *s == '\n') {
		const char *line = line_at(a, s);

		if (strncmp(line, "```", 3) == 0)
			code = !code;
		else if (strncmp(line, "# ", 2) == 0 && !code)
			break;                  /* the next chapter */
		else
			printf("%s%s\n", code && *line ? "    " : "", line);
	}
}

static void
print_summary(Arena *a, const char *slug, const char *text)
{
	size_t n = 0;

	text += strspn(text, "\n");
	while (text[n] && !(text[n] == '.' && strchr(" \n", text[n + 1])) && strncmp(text + n, "\n\n", 2) != 0)
		n++;

	char *sentence = arena_strn(a, text, n);

	for (char *c = sentence; *c; c++)
		if (*c == '\n')
			*c = ' ';
	printf("  %-16s  %s\n", slug, sentence);
}

int
verb_explain_error(const Options *o)
{
	const char *want = o->noperand ? o->operand[0] : NULL, *err = NULL, *near;
	VEC(const char *) slugs = { 0 };
	char *text = read_errors(o->a, &err);

	if (!text)
		return verb_usage(o, "%s", err);
	for (const char *s = text, *next; (s = strstr(s, "\n## ")); s = next) {
		const char *slug = line_at(o->a, s + 4), *body = s + 4 + strlen(slug);

		next = strstr(s + 1, "\n## ");
		next = next ? next : s + strlen(s);
		vec_push(o->a, &slugs, slug);
		if (want && strcmp(want, slug) == 0) {
			printf("%s\n", slug);
			print_section(o->a, body + 1, next);
			return EXIT_OK;
		}
		if (!want)
			print_summary(o->a, slug, body);
	}
	if (!want)
		return EXIT_OK;
	near = did_you_mean(want, slugs.p, slugs.n);
	return verb_usage(o, near ? "no message has the slug %s; did you mean %s?" : "no message has the slug %s; see: yolo12c explain-error",
	                  want, near);
}
