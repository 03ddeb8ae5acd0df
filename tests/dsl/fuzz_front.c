/* fuzz_front.c -- random specs through the front end: right ones, and ones with mistakes.
 *
 *     fuzz_front [RIGHT WRONG [SEED]]       200 and 1500 if not said; `make fuzz-front` does 10000 and 100000
 *
 * A right one elaborates; its canonical form is its own canonical form, and elaborates to the same graphs
 * and parameters.  A wrong one is a right one after a few changes: whatever it says, the front end comes
 * to an end within a second of processor time and MEMORY bytes, without a crash, and what still parses
 * has a canonical form that parses to the same.  A failure is written to fuzz-front.y12, with its seed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "elab/elab.h"
#include "tests/dsl/gen.h"

/* The most that limits allow: 2^18 nodes of a graph, doubled while it grows, and an arena's slack. */
static const size_t MEMORY = (size_t)1 << 30;
static const double SECONDS = 1.0;

static char dir[] = "/tmp/y12-fuzz-XXXXXX";
static const char *path, *library;
static volatile uint64_t seed_now;
static double slowest;
static size_t largest;

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void
give_up(const char *why, const char *text, size_t len)
{
	const char *err;
	Arena *a = arena_new();

	err = file_write(a, "fuzz-front.y12", text, len);
	fprintf(stderr, "fuzz_front: seed %llu: %s%s\n", (unsigned long long)seed_now, why, err ? "" : "; see fuzz-front.y12");
	unlink(path);
	rmdir(dir);
	exit(1);
}

static void
on_signal(int sig)
{
	char msg[80];
	int n = snprintf(msg, sizeof(msg), "fuzz_front: seed %llu: signal %d\n", (unsigned long long)seed_now, sig);

	if (write(2, msg, (size_t)n) < 0)
		_exit(2);
	signal(sig, SIG_DFL);
	raise(sig);
}

typedef struct Result {
	bool parsed, made;
	const char *graphs;     /* of all entries, and the parameters */
	const char *form, *tree;
	const char *messages;
} Result;

static const char *
text_of(Arena *a, FILE *f, char **p, size_t *n)
{
	const char *s;

	fclose(f);
	s = arena_strn(a, *p, *n);
	free(*p);
	return s;
}

static const char *
graphs_of(Arena *a, const Elab *e)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	module_print(f, e->module);
	for (size_t i = 0; i < e->param.n; i++)
		fprintf(f, "%s %s %s %g\n", e->param.p[i].name, type_text(a, &e->param.p[i].type), e->param.p[i].init, e->param.p[i].fill);
	return text_of(a, f, &p, &n);
}

static const char *
tree_of(Arena *a, const Ast *x)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	ast_dump(f, x);
	return text_of(a, f, &p, &n);
}

static const char *
messages_of(Arena *a, const Diag *d)
{
	char *p = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&p, &n);

	diag_print(d, f, false);
	diag_print_json(d, f);
	return text_of(a, f, &p, &n);
}

/* Without the care of file_write(), which waits for the disk. */
static void
put_file(const char *text, size_t len)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(text, 1, len, f) != len || fclose(f))
		give_up("the spec cannot be written", text, len);
}

/* Text to graphs, as the command does it; and the canonical form. */
static Result
front(Arena *a, const char *text, size_t len)
{
	Result r = { 0 };
	Diag *d = diag_new(a);

	put_file(text, len);

	Module *m = dsl_load(a, d, path, &library, 1);

	if ((r.parsed = m && !diag_errors(d))) {
		Elab *e = elaborate(a, d, m, NULL);

		r.tree = tree_of(a, m->ast);
		r.form = dsl_fmt(a, d, diag_source(d, "form.y12", arena_dup(a, text, len + 1), len));
		r.made = e != NULL;
		if (e)
			r.graphs = graphs_of(a, e);
	}
	r.messages = messages_of(a, d);
	return r;
}

static void
measure(double since, const Arena *a, const char *text, size_t len)
{
	double spent = cpu() - since;

	if (spent > slowest)
		slowest = spent;
	if (arena_bytes(a) > largest)
		largest = arena_bytes(a);
	if (spent > SECONDS)
		give_up("more than a second", text, len);
	if (arena_bytes(a) > MEMORY)
		give_up("too much memory", text, len);
}

static void
form_of_form(Arena *a, const Result *r, const char *text, size_t len)
{
	Diag *d = diag_new(a);
	const Source *src = diag_source(d, "form.y12", r->form, strlen(r->form));
	const char *again = dsl_fmt(a, d, src);

	if (!again)
		give_up("the canonical form does not parse", text, len);
	if (strcmp(again, r->form))
		give_up("the canonical form has another canonical form", text, len);
	if (strcmp(tree_of(a, dsl_parse(a, d, src)->ast), r->tree))
		give_up("the canonical form has another tree", text, len);
}

static void
right(uint64_t seed)
{
	Arena *a = arena_new();
	const char *text = gen_spec(a, seed_now = seed);
	double since = cpu();
	Result r = front(a, text, strlen(text)), s;

	if (!r.made) {
		fputs(r.messages, stderr);
		give_up("a right spec is refused", text, strlen(text));
	}
	measure(since, a, text, strlen(text));
	form_of_form(a, &r, text, strlen(text));
	s = front(a, r.form, strlen(r.form));
	if (!s.made || strcmp(s.graphs, r.graphs))
		give_up("the canonical form makes other graphs", text, strlen(text));
	arena_free(a);
}

/* ---- mistakes --------------------------------------------------------------------------------------- */

static const char *const words[] = {
	"fn", "if", "else", "for", "match", "return", "let", "in", "and", "not", "as", "block", "entry", "layers", "param", "buffer",
	"check", "shape", "use", "train", "warp", "at", "..", "|>", "=>", "->", "|", "{", "}", "(", ")", "[", "]", ",", ";", ":", "~", "=",
	"+", "-", "**", "//", "%", "_", "\n", "#", "##", "\"", "0", "1", "-1", "65536", "9223372036854775807", "1e308", "0.0", "x", "image",
	"conv2d", "concat", "reshape", "attention", "tensor", "iota", "broadcast", "f32", "none", "true", "99999999", "0 .. 60000",
	"[0 for i in 0 .. 60000]", "fun1(fun1(fun1(1)))",
};

/* where a word or a number stands, from a random place on */
static char *
find_word(Rnd *r, char *s, size_t n, size_t *len)
{
	size_t at = (size_t)below(r, (int)n);

	while (at < n && !(s[at] >= '0' && s[at] <= 'z'))
		at++;
	*len = at < n ? strspn(s + at, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") : 0;
	return s + at;
}

static char *
replace(Arena *a, const char *s, size_t *n, size_t at, size_t cut, const char *with, size_t m)
{
	char *t = arena_alloc(a, *n - cut + m + 1);

	memcpy(t, s, at);
	memcpy(t + at, with, m);
	memcpy(t + at + m, s + at + cut, *n - at - cut);
	*n += m - cut;
	return t;
}

static char *
change(Arena *a, Rnd *r, char *s, size_t *n)
{
	size_t at = (size_t)below(r, (int)*n), len = 0, few = 1 + (size_t)below(r, 40), many = 1 + (size_t)below(r, 200);
	const char *word = words[below(r, (int)COUNT(words))];
	char byte = (char)(below(r, 4) ? 32 + below(r, 95) : below(r, 256));
	char *w = find_word(r, s, *n, &len);

	switch (below(r, 12)) {
	case 0:
		return replace(a, s, n, at, 1, &byte, 1);
	case 1:
		return replace(a, s, n, at, 0, &byte, 1);
	case 2:
		return replace(a, s, n, at, 1, "", 0);
	case 3:                 /* a piece is lost */
		return replace(a, s, n, at, MIN(*n - at, few), "", 0);
	case 4:                 /* a piece comes twice */
		many = MIN(*n - at, many);
		return replace(a, s, n, at, 0, arena_strn(a, s + at, many), many);
	case 5: case 6: case 7: case 8:         /* a word becomes another */
		return len ? replace(a, s, n, (size_t)(w - s), len, word, strlen(word)) : s;
	default: {              /* a word becomes one of the same text */
		size_t l2 = 0;
		const char *w2 = find_word(r, s, *n, &l2);

		return len && l2 ? replace(a, s, n, (size_t)(w - s), len, arena_strn(a, w2, l2), l2) : s;
	}
	}
}

static void
wrong(uint64_t seed, size_t count[3])
{
	Arena *a = arena_new();
	Rnd r = { ~seed };
	const char *made = gen_spec(a, (seed_now = seed) % 20011);
	size_t n = strlen(made);
	char *text = arena_str(a, made);

	for (int i = 1 + below(&r, 3); i > 0 && n > 2; i--)
		text = change(a, &r, text, &n);

	double since = cpu();
	Result x = front(a, text, n);

	measure(since, a, text, n);
	count[x.made ? 2 : x.parsed ? 1 : 0]++;
	if (x.form)
		form_of_form(a, &x, text, n);
	arena_free(a);
}

int
main(int argc, char **argv)
{
	uint64_t rights = argc > 2 ? strtoull(argv[1], NULL, 10) : 200, wrongs = argc > 2 ? strtoull(argv[2], NULL, 10) : 1500;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
	const char *root = getenv("srcdir");
	size_t count[3] = { 0 };
	Arena *a = arena_new();
	struct rusage use;

	if (!mkdtemp(dir))
		return 99;
	path = arena_printf(a, "%s/spec.y12", dir);
	library = arena_printf(a, "%s/stdlib", root && *root ? root : ".");
	signal(SIGABRT, on_signal);
#ifndef __SANITIZE_ADDRESS__
	signal(SIGSEGV, on_signal);
#endif
	signal(SIGALRM, on_signal);
	for (uint64_t i = 0; i < rights; i++) {
		alarm(60);      /* of real time, should a second of processor time never end */
		right(seed + i);
	}
	for (uint64_t i = 0; i < wrongs; i++) {
		alarm(60);
		wrong(seed + i, count);
	}
	getrusage(RUSAGE_SELF, &use);
	printf("fuzz_front: %llu right specs; %llu changed ones: %zu do not parse, %zu do not elaborate, %zu do; slowest %.3f s, "
	       "largest %.1f MB, process %.0f MB\n", (unsigned long long)rights, (unsigned long long)wrongs, count[0], count[1],
	       count[2], slowest, (double)largest / 1e6, (double)use.ru_maxrss / 1e3);
	unlink(path);
	rmdir(dir);
	arena_free(a);
	return 0;
}
