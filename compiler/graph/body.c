/* body.c -- making, checking and running the body of an attention.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/body.h"

static const char *const input_name[BODY_INPUTS] = { "s", "i", "j", "h" };

/* Type of an input over so many queries and keys. */
static Type
input_type(int input, int64_t rows, int64_t columns)
{
	int64_t dim[2] = { 1, 1 };

	if (input == BODY_S || input == BODY_I)
		dim[0] = rows;
	if (input == BODY_S || input == BODY_J)
		dim[1] = columns;
	return type_of(input == BODY_S ? DT_F32 : DT_I32, 2, dim);
}

/* ---- making ------------------------------------------------------------------------ */

static Val
add_input(Graph *body, const char *name, const Type *t)
{
	Val v = graph_add(body, OP_input, *t, NULL, 0);

	graph_node(body, v)->name = name;
	vec_push(body->a, &body->input, v);
	return v;
}

Graph *
body_new(Arena *a, int64_t tokens)
{
	Graph *body = graph_new(a, "body");

	for (int k = 0; k < BODY_INPUTS; k++) {
		Type t = input_type(k, tokens, tokens);

		add_input(body, input_name[k], &t);
	}
	return body;
}

Val
body_capture(Graph *body, const char *name, const Type *t)
{
	return add_input(body, arena_str(body->a, name), t);
}

Val
body_result(const Graph *body, const char *name)
{
	for (size_t i = 0; i < body->output.n; i++)
		if (body->output.p[i].name && !strcmp(body->output.p[i].name, name))
			return body->output.p[i].v;
	return 0;
}

/* ---- checking ---------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static bool
no(Arena *a, const char **err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*err = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return false;
}

static bool
check_inputs(Arena *a, const Graph *body, int64_t tokens, const Type *const *capture, int ncapture,
             const char **err)
{
	if (body->input.n != (size_t)(BODY_INPUTS + ncapture))
		return no(a, err, "the body has %zu inputs, but needs s, i, j, h and %d more for the arguments after "
		          "q, k and v", body->input.n, ncapture);
	for (size_t k = 0; k < body->input.n; k++) {
		const Node *n = graph_node(body, body->input.p[k]);
		bool own = k < BODY_INPUTS;
		Type t = own ? input_type((int)k, tokens, tokens) : *capture[k - BODY_INPUTS];

		if (n->op != OP_input || !n->name || (own && strcmp(n->name, input_name[k])))
			return no(a, err, "input %zu of the body must be %s", k + 1, own ? input_name[k] : "a capture");
		if (!type_eq(&n->type, &t))
			return no(a, err, "%s of the body is %s, but must be %s", n->name, type_text(a, &n->type),
			          type_text(a, &t));
	}
	return true;
}

static bool
check_results(Arena *a, const Graph *body, int64_t tokens, const char **err)
{
	Val mask = body_result(body, "mask"), score = body_result(body, "score");

	if (body->output.n != (size_t)(mask != 0) + (score != 0) || !body->output.n)
		return no(a, err, "the body returns mask, score, or both, and nothing else");
	for (size_t k = 0; k < body->output.n; k++) {
		const Type *t = &graph_node(body, body->output.p[k].v)->type;
		DType dt = body->output.p[k].v == mask && mask != score ? DT_BOOL : DT_F32;

		if (t->dt != dt)
			return no(a, err, "%s is %s, but must be %s", body->output.p[k].name, dtype_info[t->dt].name,
			          dtype_info[dt].name);
		if (t->rank != 2 || (t->dim[0] != 1 && t->dim[0] != tokens) || (t->dim[1] != 1 && t->dim[1] != tokens))
			return no(a, err, "%s is %s, but must be one value for each pair of %lld tokens",
			          body->output.p[k].name, type_text(a, t), (long long)tokens);
	}
	return true;
}

static bool
is_capture(const Graph *body, Val v)
{
	for (size_t k = BODY_INPUTS; k < body->input.n; k++)
		if (body->input.p[k] == v)
			return true;
	return false;
}

static bool
check_node(Arena *a, const Graph *body, Val v, const char **err)
{
	const Node *n = graph_node(body, v);

	if (n->op == OP_const) {
		if (type_count(&n->type) != 1 || n->type.rank != 2 || !n->data)
			return no(a, err, "%%%u of the body: a constant in it is one known number, %s[1,1]", v,
			          dtype_info[n->type.dt].name);
	} else if (n->op != OP_input && n->op != OP_pick && op_info[n->op].fuse != FUSE_POINT) {
		return no(a, err, "%%%u of the body: %s is neither pointwise nor pick", v, op_info[n->op].name);
	}
	if (n->group || n->keep != KEEP_GROUP || n->place.buf)
		return no(a, err, "%%%u of the body: has a group or a place", v);
	for (int i = 0; i < n->narg; i++)
		if (is_capture(body, n->arg[i]) != (n->op == OP_pick && i == 0))
			return no(a, err, "%%%u of the body: pick reads one capture, and nothing else does", v);
	return true;
}

bool
body_check(Arena *a, const Graph *body, int64_t tokens, const Type *const *capture, int ncapture,
           const char **err)
{
	Graph ordered = graph_ordered(a, body);

	if (body->node.n > BODY_MAX_NODES)
		return no(a, err, "the body has more than %d nodes", BODY_MAX_NODES);
	if (!check_inputs(a, body, tokens, capture, ncapture, err) || !check_results(a, body, tokens, err))
		return false;
	graph_foreach(&ordered, v)
		if (!check_node(a, body, v, err))
			return false;
	return true;
}

/* ---- questions ----------------------------------------------------------------------- */

static bool
attr_equal(const Attr *x, const Attr *y)
{
	return x->key == y->key && attr_info[x->key].kind == ATTR_INT && x->i == y->i;
}

/* Number by number: bodies are small, and made in the same way from the same text. */
bool
body_equal(const Graph *x, const Graph *y)
{
	if (x == y)
		return true;
	if (x->node.n != y->node.n || x->input.n != y->input.n || x->output.n != y->output.n)
		return false;
	for (size_t k = 0; k < x->input.n; k++)
		if (x->input.p[k] != y->input.p[k])
			return false;
	for (size_t k = 0; k < x->output.n; k++)
		if (x->output.p[k].v != y->output.p[k].v || strcmp(x->output.p[k].name, y->output.p[k].name))
			return false;
	for (size_t v = 1; v < x->node.n; v++) {
		const Node *n = &x->node.p[v], *m = &y->node.p[v];

		if (n->op != m->op || !type_eq(&n->type, &m->type) || n->narg != m->narg || n->nattr != m->nattr ||
		    (n->narg && memcmp(n->arg, m->arg, sizeof *n->arg * (size_t)n->narg)) || !n->data != !m->data ||
		    (n->data && memcmp(n->data, m->data, (size_t)type_bytes(&n->type))))
			return false;
		for (int i = 0; i < n->nattr; i++)
			if (!attr_equal(&n->attr[i], &m->attr[i]))
				return false;
	}
	return true;
}

unsigned *
body_needs(Arena *a, const Graph *body)
{
	Graph ordered = graph_ordered(a, body);
	unsigned *needs = NEWN(a, unsigned, body->node.n);

	for (size_t k = 0; k < body->input.n; k++)
		needs[body->input.p[k]] = k < BODY_INPUTS ? 1u << k : BODY_CAPTURES;
	graph_foreach(&ordered, v)
		for (int i = 0; i < graph_node(body, v)->narg; i++)
			needs[v] |= needs[graph_node(body, v)->arg[i]];
	return needs;
}

/* ---- ranges of whole numbers ----------------------------------------------------------- */

typedef struct Range { int64_t lo, hi; } Range;         /* lo > hi: not known */

static const Range anything = { 1, 0 };

static Range
over(int64_t a, int64_t b, int64_t c, int64_t d)
{
	return (Range){ MIN(MIN(a, b), MIN(c, d)), MAX(MAX(a, b), MAX(c, d)) };
}

static int64_t
floor_div(int64_t x, int64_t y)
{
	return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

/* x and y are known, and within i32, so nothing here overflows. */
static Range
range_of(OpKind op, Range x, Range y)
{
	switch (op) {
	case OP_copy: case OP_cast:
		return x;
	case OP_neg:
		return (Range){ -x.hi, -x.lo };
	case OP_abs:
		return (Range){ x.lo > 0 ? x.lo : x.hi < 0 ? -x.hi : 0, MAX(-x.lo, x.hi) };
	case OP_add:
		return (Range){ x.lo + y.lo, x.hi + y.hi };
	case OP_sub:
		return (Range){ x.lo - y.hi, x.hi - y.lo };
	case OP_mul:
		return over(x.lo * y.lo, x.lo * y.hi, x.hi * y.lo, x.hi * y.hi);
	case OP_div:
		return y.lo < 1 ? anything :
			over(floor_div(x.lo, y.lo), floor_div(x.lo, y.hi), floor_div(x.hi, y.lo), floor_div(x.hi, y.hi));
	case OP_mod:
		if (y.lo < 1)
			return anything;
		return x.lo >= 0 && x.hi < y.lo ? x : (Range){ 0, y.hi - 1 };
	case OP_min:
		return (Range){ MIN(x.lo, y.lo), MIN(x.hi, y.hi) };
	case OP_max:
		return (Range){ MAX(x.lo, y.lo), MAX(x.hi, y.hi) };
	default:
		return anything;
	}
}

bool *
body_inside(Arena *a, const Graph *body, int64_t tokens, int64_t heads)
{
	Graph ordered = graph_ordered(a, body);
	Range *r = NEWN(a, Range, body->node.n);
	bool *inside = NEWN(a, bool, body->node.n);

	graph_foreach(&ordered, v) {
		const Node *n = graph_node(body, v);
		bool known = n->type.dt == DT_I32 && n->narg > 0;

		r[v] = anything;
		if (n->op == OP_const && n->type.dt == DT_I32)
			r[v].lo = r[v].hi = (int64_t)dtype_get(DT_I32, n->data, 0);
		if (v == body->input.p[BODY_I] || v == body->input.p[BODY_J])
			r[v] = (Range){ 0, tokens - 1 };
		if (v == body->input.p[BODY_H])
			r[v] = (Range){ 0, heads - 1 };
		if (n->op == OP_pick) {
			inside[v] = true;
			for (int i = 1; i < n->narg; i++) {
				Range x = r[n->arg[i]];

				inside[v] &= x.lo <= x.hi && x.lo >= 0 && x.hi < graph_node(body, n->arg[0])->type.dim[i - 1];
			}
			continue;
		}
		for (int i = 0; i < n->narg; i++)
			known &= r[n->arg[i]].lo <= r[n->arg[i]].hi && graph_node(body, n->arg[i])->type.dt == DT_I32;
		if (known)
			r[v] = range_of(n->op, r[n->arg[0]], r[n->arg[n->narg - 1]]);
		if (r[v].lo < INT32_MIN || r[v].hi > INT32_MAX)
			r[v] = anything;
	}
	return inside;
}

/* ---- running --------------------------------------------------------------------------- */

/* The body over other numbers of queries and keys: types follow from the inputs'. */
static Graph *
resized(Arena *a, const Graph *body, const BodyRun *r, const char **err)
{
	Graph *g = graph_clone(a, body);

	for (int k = 0; k < BODY_INPUTS; k++)
		graph_node(g, g->input.p[k])->type = input_type(k, r->rows, r->columns);
	g->output.n = 0;
	for (int k = 0; k < r->nwant; k++)
		vec_push(a, &g->output, ((Output){ NULL, r->want[k] }));
	graph_order(g);
	graph_foreach(g, v) {
		Node *n = graph_node(g, v);
		const Type **arg = NEWN(a, const Type *, (size_t)n->narg + 1);

		for (int i = 0; i < n->narg; i++)
			arg[i] = &graph_node(g, n->arg[i])->type;
		if (op_info[n->op].effect != EFFECT_SOURCE &&
		    !infer_type(a, n->op, arg, n->narg, n->attr, n->nattr, &n->type, err))
			return NULL;
	}
	return g;
}

static const void *
counted(Arena *a, int64_t from, int64_t n)
{
	int32_t *p = arena_array(a, (size_t)n + 1, sizeof *p);

	for (int64_t k = 0; k < n; k++)
		p[k] = (int32_t)(from + k);
	return p;
}

bool
body_run(Arena *a, const Graph *body, const BodyRun *r, Tensor *out, const char **err)
{
	Graph *g = resized(a, body, r, err);
	const void *own[BODY_INPUTS];

	if (!g)
		return false;
	own[BODY_S] = r->s ? r->s : arena_array(a, (size_t)(r->rows * r->columns) + 1, sizeof(float));
	own[BODY_I] = counted(a, r->i, r->rows);
	own[BODY_J] = counted(a, r->j, r->columns);
	own[BODY_H] = counted(a, r->h, 1);

	Tensor *in = NEWN(a, Tensor, g->input.n);

	for (size_t k = 0; k < g->input.n; k++)
		in[k] = k < BODY_INPUTS ? (Tensor){ graph_node(g, g->input.p[k])->type, (void *)(uintptr_t)own[k] } :
			r->capture[k - BODY_INPUTS];
	return eval_graph(a, g, in, out, NULL, NULL, err);
}
