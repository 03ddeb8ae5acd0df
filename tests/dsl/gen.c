/* gen.c -- random specs that are right, from the grammar, with types and shapes kept.
 *
 *     file ─▶ lets, functions, blocks, declarations, a model with entries
 *
 * An expression is made for a type: ints stay small enough never to overflow, lists are never empty,
 * tensors are maps [1, c, side, side] whose c and side the generator knows.  In blocks they are not
 * known, so there every operation keeps the shape, or gives as many channels as it is told.
 *
 * Text is written plainly, `\n` where a statement ends; mess() then lays it out anew: blanks, lines
 * broken in brackets, `;`, comments anywhere, empty lines.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/dsl/gen.h"

#include <ctype.h>

enum { MOST = 24 };

typedef struct Map4 { const char *name; int c, side; } Map4;

typedef struct Gen {
	Arena *a;
	Rnd r;
	int names;                      /* made so far */
	const char *ints[MOST], *bools[MOST], *lists[MOST], *fns[MOST], *same[MOST], *outs[MOST];
	int nints, nbools, nlists, nfns, nsame, nouts;
	Map4 map[MOST];                 /* tensors of the entry under way */
	int nmap;
	const char *symbol;             /* a one_of(n, s, m) in sight, or NULL */
	bool library;                   /* std.blocks is used */
} Gen;

static int
pick(Gen *g, int n)
{
	return below(&g->r, n);
}

static bool
chance(Gen *g, int percent)
{
	return pick(g, 100) < percent;
}

#define P(...) arena_printf(g->a, __VA_ARGS__)

static const char *
fresh(Gen *g, const char *stem)
{
	return P("%s%d", stem, ++g->names);
}

#define REMEMBER(list, n, x) ((n) < MOST ? (void)((list)[(n)++] = (x)) : (void)0)

/* ---- compile-time values ----------------------------------------------------------------- */

static const char *boolean(Gen *g, int depth);
static const char *list(Gen *g, int depth);

/* An int whose size is at most 100 to the power of 2^depth. */
static const char *
integer(Gen *g, int depth)
{
	if (depth <= 0 || chance(g, 25)) {
		if (g->nints && chance(g, 60))
			return g->ints[pick(g, g->nints)];
		return P("%d", 1 + pick(g, 9));
	}
	depth--;
	switch (pick(g, 17)) {
	case 0: case 1: case 2:
		return P("%s %c %s", integer(g, depth), "+-*"[pick(g, 3)], integer(g, depth));
	case 3:
		return P("(%s %c %s)", integer(g, depth), "+-*"[pick(g, 3)], integer(g, depth));
	case 4:
		return P("(%s) %s %d", integer(g, depth), chance(g, 50) ? "//" : "%", 1 + pick(g, 9));
	case 5:
		return P("%s(%s, %s)", chance(g, 50) ? "min" : "max", integer(g, depth), integer(g, depth));
	case 6:
		return P("if %s { %s } else { %s }", boolean(g, depth), integer(g, depth), integer(g, depth));
	case 7:
		return P("match %s { %d => %s\n %d | %d => %s\n %d .. %d => %s\n _ => %s\n }", integer(g, depth), pick(g, 5),
		         integer(g, depth), pick(g, 9), pick(g, 9), integer(g, depth), pick(g, 5), 5 + pick(g, 20),
		         integer(g, depth), integer(g, depth));
	case 8:
		return P("(-%s)", integer(g, depth));
	case 9:
		return P("%s[%d]", list(g, depth), pick(g, 2) - 1);
	case 10:
		return P("%s(%s)", chance(g, 50) ? "len" : "last", list(g, depth));
	case 11:
		return P("%d ** %d", 1 + pick(g, 5), pick(g, 4));
	case 12:
		return P("round_up(%s, %d)", integer(g, 0), 1 + pick(g, 8));
	case 13:
		return P("int(%s * 0.5)", integer(g, 0));
	case 14:
		return g->nfns ? P("%s(%s%s)", g->fns[pick(g, g->nfns)], integer(g, depth), chance(g, 30) ? ", b: 2" : "") : integer(g, depth);
	case 15:
		return P("gcd(%d, %d)", 1 + pick(g, 20), 1 + pick(g, 20));
	default:
		return g->symbol ? P("match %s { n => %s\n s | m => %s\n }", g->symbol, integer(g, depth), integer(g, depth))
		                 : P("(%s)", integer(g, depth));
	}
}

static const char *
boolean(Gen *g, int depth)
{
	static const char *const compare[] = { "==", "!=", "<", "<=", ">", ">=" };

	if (depth <= 0 || chance(g, 20))
		return g->nbools && chance(g, 60) ? g->bools[pick(g, g->nbools)] : chance(g, 50) ? "true" : "false";
	depth--;
	switch (pick(g, 7)) {
	case 0:
		return P("(%s and %s)", boolean(g, depth), boolean(g, depth));
	case 1:
		return P("(%s or not %s)", boolean(g, depth), boolean(g, depth));
	case 2:
		return P("(%s in 0 .. %d)", integer(g, depth), pick(g, 50));
	case 3:
		return P("(%s in (%d, %d, %d))", integer(g, 0), pick(g, 9), pick(g, 9), pick(g, 9));
	case 4:
		return g->symbol ? P("(%s in (n, s))", g->symbol) : "true";
	case 5:
		return g->symbol ? P("(%s == m)", g->symbol) : "false";
	default:
		return P("(%s %s %s)", integer(g, depth), compare[pick(g, 6)], integer(g, depth));
	}
}

/* of ints, two at least */
static const char *
list(Gen *g, int depth)
{
	if (g->nlists && chance(g, 30))
		return g->lists[pick(g, g->nlists)];
	switch (pick(g, 5)) {
	case 0:
		return P("[i + %d for i in 0 .. %d]", pick(g, 9), 2 + pick(g, 4));
	case 1:
		return P("[%d * k for k in [3, 1, 2] if k != %d]", 1 + pick(g, 4), pick(g, 5));
	case 2:
		return P("reverse([%s, %s, %s])", integer(g, depth), integer(g, 0), integer(g, 0));
	case 3:
		return P("([%s, 2] + [%s])", integer(g, depth), integer(g, 0));
	default:
		return P("[%s, %s]", integer(g, depth), integer(g, depth));
	}
}

/* a name for it, between 1 and 97, so that products of names stay small */
static const char *
let(Gen *g)
{
	const char *name, *s;

	switch (pick(g, 4)) {
	case 0:
		name = fresh(g, "flag");
		s = P("let %s = %s\n", name, boolean(g, 2));
		REMEMBER(g->bools, g->nbools, name);
		return s;
	case 1:
		name = fresh(g, "some");
		s = P("let %s = %s\n", name, list(g, 1));
		/* its items are as large as an expression: not for products */
		return s;
	case 2: {
		const char *other = fresh(g, "b");

		name = fresh(g, "a");
		s = P("let (%s, %s, _) = (abs(%s) %% 97 + 1, %d, \"text\")\n", name, other, integer(g, 2), 1 + pick(g, 50));
		REMEMBER(g->ints, g->nints, name);
		REMEMBER(g->ints, g->nints, other);
		return s;
	}
	default:
		name = fresh(g, "v");
		s = P("let %s = abs(%s) %% 97 + 1\n", name, integer(g, 3));
		REMEMBER(g->ints, g->nints, name);
		return s;
	}
}

/* ---- functions ----------------------------------------------------------------------------- */

static const char *
doc(Gen *g)
{
	static const char *const text[] = {
		"", "", "", "## One line.\n", "## Two lines:\n##   the second set in\n", "# no doc comment\n", "##\n## odd: \"quotes\", # and ##\n",
	};

	return text[pick(g, (int)COUNT(text))];
}

/* int -> int, up to 97 */
static const char *
function(Gen *g)
{
	const char *name = fresh(g, "fun"), *about = doc(g), *s;
	int ints = g->nints, bools = g->nbools;
	Text t = { .a = g->a };

	REMEMBER(g->ints, g->nints, "n");
	REMEMBER(g->ints, g->nints, "b");
	switch (pick(g, 3)) {
	case 0:
		s = P("%sfn %s(n, b = %d) = (abs(n) + abs(%s)) %% 97 + 1\n", about, name, 1 + pick(g, 9), integer(g, 2));
		break;
	case 1:
		text_printf(&t, "%sfn %s(n: int, b: int = 3) {\n", about, name);
		for (int i = pick(g, 3); i > 0; i--)
			text_put(&t, let(g));
		text_printf(&t, "let sum = 0\nfor i in 0 .. %d { sum = sum + %s\n }\n", pick(g, 4), integer(g, 1));
		text_printf(&t, "if %s { return abs(sum) %% 97 + 1\n } else { sum = sum + n\n }\n", boolean(g, 1));
		text_put(&t, "return abs(sum) % 97 + 1\n}\n");
		s = text_str(&t);
		break;
	default:
		s = P("%sfn %s(n, b = 1) {\nfn inner(k) = k * 2 + n %% 7\nabs(inner(%s)) %% 97 + 1\n}\n", about, name, integer(g, 1));
	}
	g->nints = ints;
	g->nbools = bools;
	REMEMBER(g->fns, g->nfns, name);
	return s;
}

/* ---- tensors of any shape -------------------------------------------------------------------- */

/* of the shape of x */
static const char *
alike(Gen *g, const char *x, int depth)
{
	static const char *const unary[] = { "sigmoid", "tanh", "exp", "abs", "sin", "cos" };

	if (depth <= 0)
		return x;
	depth--;
	switch (pick(g, 13)) {
	case 0: case 1:
		return P("%s(%s)", unary[pick(g, (int)COUNT(unary))], alike(g, x, depth));
	case 2: case 3:
		return P("(%s %c %s)", alike(g, x, depth), "+-*"[pick(g, 3)], alike(g, x, depth));
	case 4:
		return P("%s * %d.%d", alike(g, x, 0), pick(g, 3), pick(g, 10));
	case 5:
		return P("max(%s, 0)", alike(g, x, depth));
	case 6:
		return P("select(%s > 0, %s, %s)", alike(g, x, depth), x, alike(g, x, depth));
	case 7:
		return P("if %s { %s } else { %s }", boolean(g, 1), alike(g, x, depth), alike(g, x, depth));
	case 8:
		return P("softmax(%s, axis: %d)", alike(g, x, depth), pick(g, 4));
	case 9:
		return P("permute(permute(%s, [0, 2, 3, 1]), [0, 3, 1, 2])", alike(g, x, depth));
	case 10:
		return P("(|t| t * sigmoid(t))(%s)", alike(g, x, depth));
	case 11:
		return P("cast(cast(%s, f16), f32)", alike(g, x, depth));
	default:
		return P("(-%s)", alike(g, x, depth));
	}
}

/* A block that keeps the shape of x, or gives `out` channels. */
static const char *
block(Gen *g)
{
	bool out = chance(g, 50);
	const char *name = fresh(g, out ? "Out" : "Same"), *y = "x";
	int ints = g->nints, bools = g->nbools;
	Text t = { .a = g->a };

	text_printf(&t, "%sblock %s(x: tensor%s, k: int = %d, act: one_of(on, off) = on) {\n", doc(g), name,
	            out ? ", out: int" : "", 1 + 2 * pick(g, 2));
	if (chance(g, 30))
		text_put(&t, "order(weight, late)\n");
	if (chance(g, 40))
		text_put(&t, "check shape x = [n, c, .., side]\n");
	for (int i = pick(g, 3); i > 0; i--) {
		const char *s = let(g);

		text_put(&t, s);
	}
	for (int i = pick(g, 3); i > 0; i--) {
		const char *next = fresh(g, "y");

		if (g->nsame && chance(g, 40))
			text_printf(&t, "%s = %s(%s)%s\n", next, g->same[pick(g, g->nsame)], y, chance(g, 30) ? P(" as %s", fresh(g, "p")) : "");
		else if (chance(g, 20))
			text_printf(&t, "let %s = %s\nfor i in 0 .. %d { %s = %s * 0.5\n }\n", next, y, pick(g, 4), next, next);
		else
			text_printf(&t, "%s = %s\n", next, alike(g, y, 2));
		y = next;
	}
	text_printf(&t, "weight = param f32[%s, x.channels, k, k]%s\n", out ? "out" : "x.channels",
	            chance(g, 30) ? "(init: zeros, frozen: true)" : "");
	text_printf(&t, "let z = conv2d(%s, weight, pad: k // 2)\n", y);
	text_printf(&t, "return if act == on { %s } else { z }\n}\n", alike(g, "z", 2));
	g->nints = ints;
	g->nbools = bools;
	if (out)
		REMEMBER(g->outs, g->nouts, name);
	else
		REMEMBER(g->same, g->nsame, name);
	return text_str(&t);
}

/* ---- tensors whose shape is known ---------------------------------------------------------------- */

static const char *
outward(Gen *g, int out)
{
	if (g->library && (!g->nouts || chance(g, 40)))
		return P("Conv(%d, k: %d%s)", out, 1 + 2 * pick(g, 2), chance(g, 30) ? ", act: none" : "");
	return P("%s(%d%s)", g->outs[pick(g, g->nouts)], out, chance(g, 30) ? ", act: off" : "");
}

/* a mask, a score, both or neither */
static const char *
looks(Gen *g)
{
	static const char *const mask[] = {
		"", "", ", mask: |i, j| j <= i", ", mask: |i, j| abs(i.y - j.y) <= 2 and i.x >= j.x", ", mask: |i, j, h| (i + j) % (h + 2) == 0",
	};
	static const char *const score[] = {
		"", "", ", score: |s| 20 * tanh(s / 20)", ", score: |s, i, j| s - 0.1 * abs(i - j)", ", score: |s, i, j, h| select(i > h, s, -s)",
	};

	return P("%s%s", mask[pick(g, (int)COUNT(mask))], score[pick(g, (int)COUNT(score))]);
}

/* A statement that makes a new map of what there is, in an entry or a function of the model. */
static const char *
step(Gen *g)
{
	Map4 x = g->map[pick(g, g->nmap)], y = { .name = fresh(g, "t"), .c = x.c, .side = x.side };
	const char *s;
	int out = 1 + pick(g, 8), heads = 1;

	switch (pick(g, 11)) {
	case 0: case 1:
		y.c = out;
		s = P("%s = %s |> %s\n", y.name, x.name, outward(g, out));
		break;
	case 2:
		y.c = out;
		s = P("%s = %s\n  |> %s as %s\n  |> %s\n", y.name, x.name, outward(g, 1 + pick(g, 8)), fresh(g, "q"), outward(g, out));
		break;
	case 3:
		y.c = x.c * 2;
		s = P("let %s = concat([%s, %s])\n", y.name, x.name, alike(g, x.name, 1));
		break;
	case 4:
		y.c = 1 + pick(g, x.c);
		s = P("let %s = %s[0 .. %d]\n", y.name, x.name, y.c);
		break;
	case 5:
		if (x.side > 8)
			return "";
		y.side = 2 * x.side;
		s = P("let %s = resize(%s, 2)\n", y.name, x.name);
		break;
	case 6:
		if (x.side < 2)
			return "";
		y.side = x.side / 2;
		s = P("let %s = pool(%s, max, kernel: 2)\n", y.name, x.name);
		break;
	case 7:
		while (x.c % (heads + 1) == 0 && chance(g, 70))
			heads++;
		s = P("let %s = attention(%s, %s, %s, heads: %d%s)\n", y.name, x.name, x.name, alike(g, x.name, 1), heads, looks(g));
		break;
	case 8:
		y.c = 1;
		if (chance(g, 50))
			s = P("let %s = mean(%s, axes: 1)\n", y.name, x.name);
		else
			s = P("check shape %s = [batch, depth%d, .., ..]\nlet %s = max(%s, axes: depth%d)\n", x.name, g->names, y.name, x.name, g->names);
		break;
	case 9:
		if (!g->nsame)
			return "";
		s = P("let %s = %s\nfor i in 0 .. %d { %s = %s(%s) as %s\n }\n", y.name, x.name, pick(g, 4), y.name,
		      g->same[pick(g, g->nsame)], y.name, fresh(g, "m"));
		break;
	default:
		s = P("let %s = %s\n", y.name, alike(g, x.name, 3));
	}
	if (y.c * y.side * y.side <= 4096)
		REMEMBER(g->map, g->nmap, y);
	return s;
}

static const char *
network(Gen *g, const char *name, int c, int side, Map4 *last)
{
	Text t = { .a = g->a };

	g->nmap = 0;
	REMEMBER(g->map, g->nmap, ((Map4){ "image", c, side }));
	text_printf(&t, "fn %s(image) {\n", name);
	for (int i = 1 + pick(g, 6); i > 0; i--)
		text_put(&t, step(g));
	*last = g->map[g->nmap - 1];
	if (chance(g, 40)) {
		int out = 1 + pick(g, 8);

		text_printf(&t, "layers \"model\" {\n%s\n  |> %s\n  |> %s as tail\n}\nreturn tail\n}\n", last->name,
		            outward(g, 4), outward(g, out));
		last->c = out;
	} else {
		text_printf(&t, "return %s\n}\n", last->name);
	}
	return text_str(&t);
}

/* ---- declarations ------------------------------------------------------------------------------------ */

static const char *
declarations(Gen *g)
{
	const char *warp = fresh(g, "bend"), *augment = fresh(g, "strong");
	Text t = { .a = g->a };

	if (chance(g, 30)) {
		text_printf(&t, "warp %s(k ~ uniform(-0.%d, 0.%d), m = %d) at (u, v) {\nlet r = u * u + v * v\n", warp,
		            1 + pick(g, 9), 1 + pick(g, 9), pick(g, 3));
		text_put(&t, "return (u * (1 + k * r), v + m * sin(r))\n}\n");
		text_printf(&t, "augment %s {\nmosaic(p: 0.%d)\n%s(k: 0.1)\n%s(p: 0.5, k: normal(0, 0.1))\nhsv(0.1, s: 0.2)\n}\n",
		            augment, pick(g, 10), warp, warp);
		text_printf(&t, "train run { data \"a.yaml\"\n augment %s\n epochs %d\n batch auto\n warmup 3 epochs\n"
		            " loss { box 7.5\n dfl %s\n }\n optimizer sgd(lr: 0.01)\n }\n", augment, 1 + pick(g, 600), "1.5");
	}
	if (chance(g, 30))
		text_printf(&t, "export there { target c, cuda(\"sm_90\")\n precision f16\n batch 1 .. %d\n size %d, %d\n deadline 30 ms\n }\n",
		            1 + pick(g, 32), 32 + pick(g, 600), 32 + pick(g, 600));
	return t.p ? text_str(&t) : "";
}

static const char *
model(Gen *g)
{
	int c = 1 + pick(g, 4), side = 2 + pick(g, 7);
	const char *net = fresh(g, "net"), *body;
	Text t = { .a = g->a };
	Map4 last;

	text_printf(&t, "%smodel %s(scale: one_of(n, s, m) = %c, width: int = %d, ratio: real = 0.5, on = true) {\n", doc(g),
	            fresh(g, "tiny"), "nsm"[pick(g, 3)], 1 + pick(g, 9));
	g->symbol = "scale";
	REMEMBER(g->ints, g->nints, "width");
	REMEMBER(g->bools, g->nbools, "on");
	for (int i = pick(g, 5); i > 0; i--)
		text_put(&t, chance(g, 30) ? function(g) : let(g));
	if (chance(g, 50))
		text_printf(&t, "assert %s or true, \"holds\"\n", boolean(g, 2));
	if (chance(g, 50))
		text_put(&t, "meta(task, \"test\")\n");
	body = network(g, net, c, side, &last);
	text_put(&t, body);
	text_printf(&t, "entry one(image: f32[1, %d, %d, %d]) -> (y: f32[1, %d, .., %d]) { return %s(image)\n }\n", c, side, side,
	            last.c, last.side, net);
	if (chance(g, 50))
		text_printf(&t, "entry two(image: f32[1, %d, %d, %d], gain: f32[1] = 1.5) {\nlet y = %s(image)\n"
		            "return y: y * reshape(gain, [1, 1, 1, 1]), flat: reshape(y, [-1])\n}\n", c, side, side, net);
	text_put(&t, "}\n");
	g->symbol = NULL;
	return text_str(&t);
}

/* ---- layout -------------------------------------------------------------------------------------------- */

static void
some(Gen *g, Text *t, const char *s, int most)
{
	for (int i = 1 + pick(g, most); i > 0; i--)
		text_put(t, s);
}

/* The same tokens, laid out anew. */
static const char *
mess(Gen *g, const char *s)
{
	char open[256];
	int depth = 0;
	Text t = { .a = g->a };

	for (; *s; s++) {
		bool brackets = depth > 0 && open[depth - 1] != '{';

		if (*s == '"') {
			do
				text_putn(&t, s, 1);
			while (*++s != '"');
			text_put(&t, "\"");
			continue;
		}
		if (*s == '#') {                /* as it is, and its line end */
			size_t n = strcspn(s, "\n") + 1;

			text_putn(&t, s, n);
			if (chance(g, 15))
				text_put(&t, "\n");     /* cuts a doc comment off */
			s += n - 1;
			continue;
		}
		if (strchr("([{", *s) && depth < (int)sizeof(open))
			open[depth++] = *s;
		if (strchr(")]}", *s) && depth > 0)
			depth--;
		if (*s == ' ' && chance(g, 40)) {
			if (brackets && chance(g, 20))
				text_put(&t, chance(g, 30) ? " # here\n" : "\n");
			some(g, &t, chance(g, 80) ? " " : "\t", 3);
			continue;
		}
		if (*s == '\n' && chance(g, 50)) {
			bool one = s[1] && !strchr("}# \n", s[1]) && t.n && !strchr("{}#;\n", t.p[t.n - 1]) && depth > 0 && !brackets;

			switch (pick(g, 5)) {
			case 0:
				text_put(&t, one ? "; " : "\n");
				break;
			case 1:
				text_put(&t, "  # said beside\n");
				break;
			case 2:
				text_put(&t, "\n\n\n");
				break;
			case 3:
				text_put(&t, "\n  # said alone\n\n");
				break;
			default:
				text_put(&t, "\r\n\t");
			}
			continue;
		}
		text_putn(&t, s, 1);
	}
	return text_str(&t);
}

const char *
gen_spec(Arena *a, uint64_t seed)
{
	Gen gen = { .a = a, .r = { seed } }, *g = &gen;
	Text t = { .a = a };

	g->library = chance(g, 50);
	if (g->library)
		text_put(&t, "use std.blocks\n");
	for (int i = pick(g, 4); i > 0; i--)
		text_put(&t, let(g));
	for (int i = pick(g, 4); i > 0; i--)
		text_put(&t, function(g));
	for (int i = pick(g, 4); i > 0 || (!g->library && !g->nouts); i--)
		text_put(&t, block(g));
	text_put(&t, declarations(g));
	text_put(&t, model(g));
	return chance(g, 80) ? mess(g, text_str(&t)) : text_str(&t);
}
