/* parse.c -- the text of print.c, back into graphs.
 *
 * Recursive descent over one token of lookahead.  The text may come from anywhere:
 * every number is checked before it is used as an index or a size, and what comes out is
 * typed (infer_type) and without cycles (arguments are made before they are used), so it
 * can be evaluated.  Whether groups and plan make sense is for graph_verify.
 *
 * Beyond what print.c writes, a type may be left out where it follows from the
 * arguments, and "# " begins a comment.  The first error in a graph ends it: what
 * follows would be guesswork in a text that programs write.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <stdlib.h>

#include "graph/body.h"

/* A number of a value, group or buffer above this is an error, not an allocation. */
#define ID_SPARE 65536

typedef enum Tok {
	T_END, T_WORD, T_STRING, T_NUMBER, T_HASH, T_VALUE, T_GROUP, T_MARK, T_DOTS, T_BAD,
} Tok;

typedef struct Parse {
	Arena *a;
	Diag *d;
	const Source *src;
	const Map *consts;
	size_t at;              /* after the token at hand */
	Tok tok;
	Span span;
	char mark;              /* T_MARK: the character */
	const char *str;        /* T_WORD, T_STRING, T_HASH, T_NUMBER: its text */
	uint32_t id;            /* T_VALUE %3, T_GROUP @3 */
	Graph *g;
	int depth;              /* 1 in a body */
	bool failed;
} Parse;

__attribute__((format(printf, 2, 3))) static bool
no(Parse *p, const char *fmt, ...)
{
	if (!p->failed) {
		va_list ap;

		va_start(ap, fmt);
		diag_error(p->d, p->span, "graph-text", "%s", arena_vprintf(p->a, fmt, ap));
		va_end(ap);
	}
	p->failed = true;
	return false;
}

/* ---- tokens ------------------------------------------------------------------------ */

static bool
is_alpha(int c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static int
hex_digit(int c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* past end of text: 0 */
static int
peek(const Parse *p, size_t ahead)
{
	return p->at + ahead < p->src->len ? (unsigned char)p->src->text[p->at + ahead] : 0;
}

static void
skip_space(Parse *p)
{
	for (;;) {
		int c = peek(p, 0);

		if (c == '#' && hex_digit(peek(p, 1)) < 0)
			while (p->at < p->src->len && peek(p, 0) != '\n')
				p->at++;
		else if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			p->at++;
		else
			return;
	}
}

static Tok
scan_string(Parse *p)
{
	Text t = { .a = p->a };

	for (p->at++; peek(p, 0) != '"'; p->at++) {
		int c = peek(p, 0);

		if (c < 0x20)
			return T_BAD;
		if (c == '\\') {
			c = peek(p, 1);
			p->at++;
			if (c == 'n') {
				c = '\n';
			} else if (c == 'x' && hex_digit(peek(p, 1)) >= 0 && hex_digit(peek(p, 2)) >= 0) {
				c = hex_digit(peek(p, 1)) * 16 + hex_digit(peek(p, 2));
				p->at += 2;
				if (c == 0)
					return T_BAD;
			} else if (c != '"' && c != '\\') {
				return T_BAD;
			}
		}
		text_putn(&t, &(char){ (char)c }, 1);
	}
	p->at++;
	p->str = text_str(&t);
	return T_STRING;
}

static Tok
scan_id(Parse *p, Tok kind)
{
	uint64_t x = 0;

	if (!is_digit(peek(p, 1)))
		return T_BAD;
	for (p->at++; is_digit(peek(p, 0)); p->at++)
		if ((x = x * 10 + (uint64_t)(peek(p, 0) - '0')) > UINT32_MAX)
			return T_BAD;
	p->id = (uint32_t)x;
	return kind;
}

/* Numbers are kept as text: their place says if they are whole or real. */
static Tok
scan_number(Parse *p)
{
	size_t begin = p->at;

	if (peek(p, 0) == '-' || peek(p, 0) == '+')
		p->at++;
	if (is_alpha(peek(p, 0)))               /* -inf */
		while (is_alpha(peek(p, 0)))
			p->at++;
	while (is_digit(peek(p, 0)))
		p->at++;
	if (peek(p, 0) == '.' && is_digit(peek(p, 1)))
		for (p->at++; is_digit(peek(p, 0)); p->at++)
			;
	if ((peek(p, 0) == 'e' || peek(p, 0) == 'E') &&
	    (is_digit(peek(p, 1)) || ((peek(p, 1) == '-' || peek(p, 1) == '+') && is_digit(peek(p, 2)))))
		for (p->at += 2; is_digit(peek(p, 0)); p->at++)
			;
	p->str = arena_strn(p->a, p->src->text + begin, p->at - begin);
	return T_NUMBER;
}

static Tok
scan(Parse *p)
{
	size_t begin = p->at;
	int c = peek(p, 0);

	if (p->at >= p->src->len)
		return T_END;
	if (is_alpha(c)) {
		while (is_alpha(peek(p, 0)) || is_digit(peek(p, 0)))
			p->at++;
		p->str = arena_strn(p->a, p->src->text + begin, p->at - begin);
		return T_WORD;
	}
	if (c == '"')
		return scan_string(p);
	if (c == '%' || c == '@')
		return scan_id(p, c == '%' ? T_VALUE : T_GROUP);
	if (c == '#') {
		for (p->at++; hex_digit(peek(p, 0)) >= 0; p->at++)
			;
		p->str = arena_strn(p->a, p->src->text + begin + 1, p->at - begin - 1);
		return T_HASH;
	}
	if (is_digit(c) || c == '-' || c == '+')
		return scan_number(p);
	if (c == '.' && peek(p, 1) == '.') {
		p->at += 2;
		return T_DOTS;
	}
	p->at++;
	p->mark = (char)c;
	return c && strchr("(){}[],:=?", c) ? T_MARK : T_BAD;
}

static void
next(Parse *p)
{
	skip_space(p);

	size_t begin = p->at;

	p->tok = scan(p);
	p->span = (Span){ p->src->id, (uint32_t)begin, (uint32_t)MAX(p->at, begin) };
	if (p->tok == T_BAD)
		no(p, "this is no part of a graph's text");
}

static bool
is_mark(const Parse *p, char c)
{
	return p->tok == T_MARK && p->mark == c;
}

static bool
is_word(const Parse *p, const char *s)
{
	return p->tok == T_WORD && !strcmp(p->str, s);
}

static bool
accept(Parse *p, char c)
{
	if (!is_mark(p, c))
		return false;
	next(p);
	return true;
}

static bool
expect(Parse *p, char c)
{
	return accept(p, c) || no(p, "expected '%c'", c);
}

/* word= */
static bool
key(Parse *p, const char *word)
{
	if (!is_word(p, word))
		return no(p, "expected %s=", word);
	next(p);
	return expect(p, '=');
}

static bool
name(Parse *p, const char **s)
{
	if (p->tok != T_WORD && p->tok != T_STRING)
		return no(p, "expected a name");
	*s = p->str;
	next(p);
	return true;
}

static bool
whole(Parse *p, int64_t lo, int64_t hi, int64_t *x)
{
	char *end;

	if (p->tok != T_NUMBER)
		return no(p, "expected a whole number");
	errno = 0;
	*x = strtoll(p->str, &end, 10);
	if (errno || *end || end == p->str)
		return no(p, "expected a whole number");
	if (*x < lo || *x > hi)
		return no(p, "%s is out of range: it must be %lld .. %lld", p->str, (long long)lo, (long long)hi);
	next(p);
	return true;
}

static bool
real(Parse *p, double *x)
{
	char *end;

	if (p->tok != T_NUMBER && !is_word(p, "inf") && !is_word(p, "nan"))
		return no(p, "expected a number");
	*x = strtod(p->str, &end);
	if (*end || end == p->str)
		return no(p, "expected a number");
	next(p);
	return true;
}

/* [1,2,3] */
static bool
ints(Parse *p, int64_t lo, int max, int64_t *v, int *n)
{
	*n = 0;
	if (!expect(p, '['))
		return false;
	if (accept(p, ']'))
		return true;
	do {
		if (*n == max)
			return no(p, "more than %d numbers", max);
		if (!whole(p, lo, INT64_MAX, &v[(*n)++]))
			return false;
	} while (accept(p, ','));
	return expect(p, ']');
}

/* ---- ids ------------------------------------------------------------------------------ */

static bool
in_range(Parse *p, uint32_t id)
{
	return (id && id < (p->depth ? BODY_MAX_NODES : ID_SPARE + p->src->len)) || no(p, "the number %u is out of range", id);
}

/* A value that exists. */
static bool
value(Parse *p, Val *v)
{
	if (p->tok != T_VALUE)
		return no(p, "expected a value such as %%1");
	if (p->id == 0 || p->id >= p->g->node.n || p->g->node.p[p->id].op == OP_none)
		return no(p, "%%%u is used before it is made", p->id);
	*v = p->id;
	next(p);
	return true;
}

/* The number of a new value; a node to be filled. */
static bool
new_value(Parse *p, Val *v)
{
	Graph *g = p->g;

	if (p->tok != T_VALUE)
		return no(p, "expected a value such as %%1");
	if (!in_range(p, p->id))
		return false;
	if (p->id < g->node.n && g->node.p[p->id].op != OP_none)
		return no(p, "%%%u is made twice", p->id);
	while (g->node.n <= p->id)
		vec_push(g->a, &g->node, (Node){ 0 });
	*v = p->id;
	next(p);
	return true;
}

/* b3, a buffer that exists */
static bool
buffer_id(Parse *p, uint32_t *b)
{
	char *end;
	unsigned long x;

	if (p->tok != T_WORD || p->str[0] != 'b' || !is_digit(p->str[1]))
		return no(p, "expected a buffer such as b1");
	errno = 0;
	x = strtoul(p->str + 1, &end, 10);
	if (*end || errno || x > UINT32_MAX)
		return no(p, "expected a buffer such as b1");
	*b = (uint32_t)x;
	if (!in_range(p, *b))
		return false;
	next(p);
	return true;
}

static bool
group_id(Parse *p, uint32_t *q)
{
	if (p->tok != T_GROUP)
		return no(p, "expected a group such as @1");
	*q = p->id;
	if (!in_range(p, *q))
		return false;
	next(p);
	return true;
}

/* ---- types, values, attributes ------------------------------------------------------------ */

static bool
dtype(Parse *p, DType *dt)
{
	*dt = p->tok == T_WORD ? dtype_named(p->str) : DT_NONE;
	if (*dt == DT_NONE)
		return no(p, "expected a dtype such as f32");
	next(p);
	return true;
}

/* f32[1,?,3]; sizes are checked by infer_type */
static bool
type(Parse *p, Type *t)
{
	memset(t, 0, sizeof(*t));
	if (!dtype(p, &t->dt))
		return false;
	if (!accept(p, '[') || accept(p, ']'))
		return true;
	do {
		if (t->rank == MAX_RANK)
			return no(p, "more than %d dims", MAX_RANK);
		if (accept(p, '?'))
			t->dim[t->rank++] = -1;
		else if (!whole(p, 0, INT32_MAX, &t->dim[t->rank++]))
			return false;
	} while (accept(p, ','));
	return expect(p, ']');
}

/* Values stand before their type: the token is remembered, and read when the type is
 * known. */
typedef struct Later { bool there; size_t at; Span span; } Later;

static bool
later(Parse *p, Later *l)
{
	*l = (Later){ true, p->span.begin, p->span };
	if (p->tok == T_HASH) {
		next(p);
		return true;
	}
	if (!expect(p, '{'))
		return false;
	while (!is_mark(p, '}')) {
		if (p->tok != T_NUMBER && p->tok != T_WORD && !is_mark(p, ','))
			return no(p, "expected a number or '}'");
		next(p);
	}
	next(p);
	return true;
}

static bool
inline_values(Parse *p, const Type *t, char *data)
{
	int64_t n = type_count(t);

	next(p);
	for (int64_t i = 0; i < n; i++) {
		size_t at = (size_t)i;

		if (i && !expect(p, ','))
			return false;
		if (dtype_info[t->dt].real) {
			double x;

			if (!real(p, &x))
				return false;
			dtype_set(t->dt, data, at, x);
		} else {
			int64_t x, lo = 0, hi = t->dt == DT_BOOL ? 1 : UINT8_MAX;

			if (t->dt == DT_I32) {
				lo = INT32_MIN;
				hi = INT32_MAX;
			} else if (t->dt == DT_I64) {
				lo = INT64_MIN;
				hi = INT64_MAX;
			}
			if (!whole(p, lo, hi, &x))
				return false;
			if (t->dt == DT_I64)
				((int64_t *)data)[i] = x;
			else
				dtype_set(t->dt, data, at, (double)x);
		}
	}
	return expect(p, '}');
}

static bool
stored_values(Parse *p, const Type *t, const void **data)
{
	const ConstData *c = p->consts ? map_get(p->consts, p->str) : NULL;
	char hex[33];

	if (!p->consts)
		return true;
	if (!c)
		return no(p, "there are no values for #%s", p->str);
	hash_hex(hex, c->data, (size_t)type_bytes(&c->type));
	if (type_bytes(&c->type) != type_bytes(t) || strcmp(hex, p->str))
		return no(p, "the values for #%s are others", p->str);
	*data = c->data;
	return true;
}

/* Goes back to the values, reads them, and returns to where it was. */
static bool
values(Parse *p, const Later *l, const Type *t, const void **data)
{
	Parse here = *p;
	int64_t n = type_count(t);
	bool ok;

	if (!l->there)
		return true;
	p->at = l->at;
	next(p);
	if (n < 0) {
		ok = no(p, "a %s has no values in the text", type_text(p->a, t));
	} else if (p->tok == T_HASH) {
		ok = stored_values(p, t, data);
	} else if ((size_t)n > p->src->len) {
		ok = no(p, "%lld values are needed", (long long)n);
	} else {
		char *buf = arena_alloc(p->a, (size_t)type_bytes(t) + 1);

		ok = inline_values(p, t, buf);
		*data = buf;
	}
	here.failed = p->failed;
	*p = here;
	return ok;
}

static bool graph(Parse *p);

static bool
body(Parse *p, Attr *a)
{
	Graph *outer = p->g;
	bool ok;

	if (p->depth)
		return no(p, "a body in a body");
	p->depth++;
	ok = graph(p);
	p->depth--;
	a->g = p->g;
	p->g = outer;
	return ok;
}

static bool
attr_value(Parse *p, Attr *a)
{
	int64_t v[64];

	switch (attr_info[a->key].kind) {
	case ATTR_INT:
		return whole(p, INT64_MIN, INT64_MAX, &a->i);
	case ATTR_REAL:
		return real(p, &a->r);
	case ATTR_STR:
		if (p->tok != T_STRING)
			return no(p, "expected a text in quotes");
		a->s = p->str;
		next(p);
		return true;
	case ATTR_INTS:
		if (!ints(p, INT64_MIN, COUNT(v), v, &a->n))
			return false;
		*a = attr_of_ints(p->g->a, a->key, v, a->n);
		return true;
	case ATTR_BODY:
		return body(p, a);
	}
	return false;
}

static bool
attributes(Parse *p, Val v)
{
	do {
		Attr a = { 0 };

		for (int k = A_none + 1; k < ATTR_COUNT; k++)
			if (is_word(p, attr_info[k].name))
				a.key = (AttrKey)k;
		if (!a.key)
			return no(p, "expected the name of an attribute");
		if (attr_find(&p->g->node.p[v], a.key))
			return no(p, "the attribute '%s' is here twice", p->str);
		next(p);
		if (!expect(p, '=') || !attr_value(p, &a))
			return false;
		attr_set(p->g, v, a);
	} while (accept(p, ','));
	return expect(p, '}');
}

/* ---- lines --------------------------------------------------------------------------------- */

/* What infer_type says about a finished node; its type if none is declared. */
static bool
check(Parse *p, Val v, bool declared)
{
	Node *n = &p->g->node.p[v];
	const Type **arg = NEWN(p->a, const Type *, (size_t)n->narg + 1);
	const char *why = "";
	Type t = n->type;

	for (int i = 0; i < n->narg; i++)
		arg[i] = &p->g->node.p[n->arg[i]].type;
	if (!infer_type(p->a, n->op, arg, n->narg, n->attr, n->nattr, &t, &why))
		return no(p, "%%%u: %s: %s", v, op_info[n->op].name, why);
	if (declared && !type_eq(&t, &n->type))
		return no(p, "%%%u: its type is %s, but its arguments make %s", v,
		          type_text(p->a, &n->type), type_text(p->a, &t));
	n->type = t;
	return true;
}

static bool
input(Parse *p)
{
	Graph *g = p->g;
	Later l = { 0 };
	Val v;

	if (!new_value(p, &v))
		return false;

	Node *n = &g->node.p[v];

	n->op = OP_input;
	n->span = p->span;
	if (!name(p, &n->name) || !expect(p, ':') || !type(p, &n->type) || !check(p, v, true))
		return false;
	vec_push(g->a, &g->input, v);
	return !accept(p, '=') || (later(p, &l) && values(p, &l, &n->type, &n->data));
}

/* %9 "name" = op %1, %2 values {attributes} : type @5 keep */
static bool
node_line(Parse *p)
{
	Graph *g = p->g;
	VEC(Val) arg = { 0 };
	Later l = { 0 };
	Val v;

	if (!new_value(p, &v))
		return false;

	Node *n = &g->node.p[v];
	OpKind op;

	n->span = p->span;
	if (p->tok == T_STRING) {
		n->name = p->str;
		next(p);
	}
	if (!expect(p, '='))
		return false;
	op = p->tok == T_WORD ? op_named(p->str) : OP_none;
	if (op == OP_none || op == OP_input)
		return no(p, "expected the name of an op");
	next(p);
	if (p->tok == T_VALUE)
		do {
			Val x;

			if (!value(p, &x))
				return false;
			if (arg.n == (size_t)op_info[op].hi)
				return no(p, "%s takes at most %d arguments", op_info[op].name, op_info[op].hi);
			vec_push(p->a, &arg, x);
		} while (accept(p, ','));
	n->arg = arg.p;
	n->narg = (int)arg.n;
	if (op_info[op].effect == EFFECT_SOURCE && (p->tok == T_HASH || is_mark(p, '{')) && !later(p, &l))
		return false;
	if (accept(p, '{') && !attributes(p, v))
		return false;

	bool declared = accept(p, ':');

	if (declared && !type(p, &n->type))
		return false;
	if (!declared && (op_info[op].effect == EFFECT_SOURCE || op == OP_cast))
		return no(p, "expected ':' and a type");
	n->op = op;
	if (!check(p, v, declared) || !values(p, &l, &n->type, &n->data))
		return false;
	if (p->tok == T_GROUP && !group_id(p, &n->group))
		return false;
	if (is_word(p, "view") || is_word(p, "join")) {
		n->keep = p->str[0] == 'v' ? KEEP_VIEW : KEEP_JOIN;
		next(p);
	}
	return true;
}

/* meta key="value" */
static bool
meta_line(Parse *p)
{
	const char *k = NULL;

	if (!name(p, &k) || !expect(p, '='))
		return false;
	if (p->tok != T_STRING)
		return no(p, "expected a text in quotes");
	map_set(p->g->meta, k, (void *)p->str);
	next(p);
	return true;
}

/* group @5 chain root=%9 out=%12 also=%7 tile={14,2,16} work=0 buf=b3 */
static bool
group_line(Parse *p)
{
	Graph *g = p->g;
	Group q = { 0 };
	uint32_t id;

	if (!group_id(p, &id))
		return false;
	if (id < g->group.n && g->group.p[id].family != FAM_none)
		return no(p, "group @%u is here twice", id);
	for (int f = FAM_none + 1; f < FAM_COUNT; f++)
		if (is_word(p, family_name[f]))
			q.family = (Family)f;
	if (q.family == FAM_none)
		return no(p, "expected the family of a group");
	next(p);
	if (!key(p, "root") || !value(p, &q.root) || !key(p, "out") || !value(p, &q.out))
		return false;
	if (is_word(p, "also") && (!key(p, "also") || !value(p, &q.also)))
		return false;
	if (is_word(p, "tile")) {
		if (!key(p, "tile") || !expect(p, '{'))
			return false;
		do {
			int64_t x;

			if (q.ntile == TILE_MAX)
				return no(p, "more than %d numbers", TILE_MAX);
			if (!whole(p, INT32_MIN, INT32_MAX, &x))
				return false;
			q.tile[q.ntile++] = (int32_t)x;
		} while (accept(p, ','));
		if (!expect(p, '}'))
			return false;
	}
	if (!key(p, "work") || !whole(p, 0, INT64_MAX, &q.work))
		return false;
	if (is_word(p, "buf") && (!key(p, "buf") || !buffer_id(p, &q.work_buf)))
		return false;
	while (g->group.n <= id)
		vec_push(g->a, &g->group, (Group){ 0 });
	g->group.p[id] = q;
	return true;
}

static bool
schedule_line(Parse *p)
{
	if (p->g->sched.n)
		return no(p, "there is a schedule already");
	do {
		uint32_t id = 0;

		if (!group_id(p, &id))
			return false;
		vec_push(p->g->a, &p->g->sched, id);
	} while (p->tok == T_GROUP);
	return true;
}

/* buffer b1 arena owner=%12 group=@5 bytes=6553600 offset=0 live=0..3 */
static bool
buffer_line(Parse *p)
{
	Graph *g = p->g;
	Buf b = { 0 };
	uint32_t id;
	int64_t first, last;

	if (!buffer_id(p, &id))
		return false;
	if (id < g->buf.n && g->buf.p[id].kind != BUF_NONE)
		return no(p, "buffer b%u is here twice", id);
	b.kind = is_word(p, "arena") ? BUF_ARENA : is_word(p, "const") ? BUF_CONST :
		is_word(p, "input") ? BUF_INPUT : BUF_NONE;
	if (b.kind == BUF_NONE)
		return no(p, "expected arena, const or input");
	next(p);
	if (is_word(p, "owner") && (!key(p, "owner") || !value(p, &b.owner)))
		return false;
	if (is_word(p, "group") && (!key(p, "group") || !group_id(p, &b.group)))
		return false;
	if (!key(p, "bytes") || !whole(p, -1, INT64_MAX, &b.bytes) ||
	    !key(p, "offset") || !whole(p, 0, INT64_MAX, &b.offset) ||
	    !key(p, "live") || !whole(p, INT32_MIN, INT32_MAX, &first))
		return false;
	if (p->tok != T_DOTS)
		return no(p, "expected '..'");
	next(p);
	if (!whole(p, INT32_MIN, INT32_MAX, &last))
		return false;
	b.first = (int32_t)first;
	b.last = (int32_t)last;
	while (g->buf.n <= id)
		vec_push(g->a, &g->buf, (Buf){ 0 });
	g->buf.p[id] = b;
	return true;
}

/* place %12 b1 +0 [102400,1,320,16] */
static bool
place_line(Parse *p)
{
	Place q = { 0 };
	Val v;
	int n;

	if (!value(p, &v) || !buffer_id(p, &q.buf) || !whole(p, 0, INT64_MAX, &q.offset) ||
	    !ints(p, INT64_MIN, MAX_RANK, q.stride, &n))
		return false;
	if (n != p->g->node.p[v].type.rank)
		return no(p, "%%%u has %d dims, but its place has %d strides", v, p->g->node.p[v].type.rank, n);
	p->g->node.p[v].place = q;
	return true;
}

static bool
plan_line(Parse *p)
{
	Plan *q = &p->g->plan;

	return key(p, "peak") && whole(p, 0, INT64_MAX, &q->peak) &&
		key(p, "bound") && whole(p, 0, INT64_MAX, &q->bound) &&
		key(p, "weights") && whole(p, 0, INT64_MAX, &q->weights) &&
		key(p, "work") && whole(p, 0, INT64_MAX, &q->work);
}

static bool
return_line(Parse *p)
{
	if (p->g->output.n)
		return no(p, "there is a return already");
	do {
		Output o = { 0 };

		if (p->tok != T_VALUE && (!name(p, &o.name) || !expect(p, '=')))
			return false;
		if (!value(p, &o.v))
			return false;
		vec_push(p->g->a, &p->g->output, o);
	} while (accept(p, ','));
	return true;
}

static const struct { const char *word; bool (*read)(Parse *p); } line[] = {
	{ "meta", meta_line }, { "group", group_line }, { "schedule", schedule_line },
	{ "buffer", buffer_line }, { "place", place_line }, { "plan", plan_line },
	{ "return", return_line },
};

static bool
read_line(Parse *p)
{
	if (p->tok == T_VALUE)
		return node_line(p);
	for (size_t i = 0; i < COUNT(line); i++)
		if (is_word(p, line[i].word)) {
			next(p);
			return line[i].read(p);
		}
	return no(p, p->tok == T_END ? "the graph has no end: expected '}'" : "expected a line of a graph");
}

/* graph name(inputs) { lines }, into p->g */
static bool
graph(Parse *p)
{
	const char *s = NULL;

	if (!is_word(p, "graph"))
		return no(p, "expected 'graph'");
	next(p);
	if (!name(p, &s))
		return false;
	p->g = graph_new(p->a, s);
	if (!expect(p, '('))
		return false;
	if (!is_mark(p, ')'))
		do
			if (!input(p))
				return false;
		while (accept(p, ','));
	if (!expect(p, ')') || !expect(p, '{'))
		return false;
	while (!is_mark(p, '}'))
		if (!read_line(p))
			return false;
	next(p);
	graph_order(p->g);
	return !p->failed;
}

static bool
entry(Parse *p, GraphModule *m)
{
	Span at = p->span;

	if (!graph(p))
		return false;
	if (module_entry(m, p->g->name)) {
		p->span = at;
		return no(p, "there are two graphs called %s", p->g->name);
	}
	vec_push(m->a, &m->graph, p->g);
	return true;
}

GraphModule *
module_parse(Arena *a, Diag *d, const Source *src, const Map *consts)
{
	GraphModule *m = NEW(a, GraphModule);
	Parse p = { .a = a, .d = d, .src = src, .consts = consts };

	m->a = a;
	if (src->len > UINT32_MAX) {
		diag_error(d, (Span){ 0 }, "graph-text", "%s is too long for a graph", src->path);
		return NULL;
	}
	next(&p);
	while (p.tok != T_END && !p.failed)
		entry(&p, m);
	return p.failed ? NULL : m;
}
