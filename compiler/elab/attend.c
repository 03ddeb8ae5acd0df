/* attend.c -- mask and score of an attention become its body.
 *
 *     attention(q, k, v, heads: 4, mask: |i, j| j <= i, score: |s, i, j, h| s + bias[h, j - i + 99])
 *
 * The two functions are called with tensors of a graph of their own (graph/body.h): s, the scaled
 * score of a query and a key, i and j, their numbers in the picture in reading order, and h, the head.
 * Whatever tensor of the network they touch becomes a capture of that graph and an argument of the
 * attention; it is read by index, since a kernel sees one pair at a time.
 *
 * i, j and h are ints of the language as far as that goes: beside a real they become real, and /
 * makes one.  i.y and i.x are the row and the column of a token.
 *
 * An index that depends on nothing but the pair is checked here for all pairs; one that depends on
 * values is moved into its dimension when it runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "elab/interp.h"

struct BodyCx {
	Graph *outer;
	int64_t tokens, windows, width, heads;
	VEC(Val) captured;      /* of the outer graph, by capture */
};

/* Pairs times values looked at to find the range of an index. */
enum { CHECK_MOST = 1 << 24 };

static Val
input(const Interp *I, int k)
{
	return I->g->input.p[k];
}

static Value
inner(const Interp *I, Val v)
{
	return V(TENSOR, .v = v, .g = I->g);
}

bool
is_capture(const Interp *I, Value v)
{
	if (!I->body || v.kind != V_TENSOR || v.g != I->g)
		return false;
	for (size_t k = BODY_INPUTS; k < I->g->input.n; k++)
		if (I->g->input.p[k] == v.v)
			return true;
	return false;
}

/* Names of inputs differ. */
static const char *
free_name(Interp *I, const char *name)
{
	const char *s = name ? name : "c";
	int n = 0;

	for (size_t k = 0; k < I->g->input.n; k++)
		if (!strcmp(graph_node(I->g, I->g->input.p[k])->name, s)) {
			s = arena_printf(I->a, "%s%d", name ? name : "c", ++n + 1);
			k = SIZE_MAX;           /* from the first again */
		}
	return s;
}

/* A tensor of the network as the body sees it. */
Value
capture(Interp *I, Value v, const char *name)
{
	struct BodyCx *b = I->body;

	if (!b || v.kind != V_TENSOR || v.g == I->g)
		return v;
	for (size_t k = 0; k < b->captured.n; k++)
		if (b->captured.p[k] == v.v)
			return inner(I, input(I, (int)k + BODY_INPUTS));
	vec_push(I->a, &b->captured, v.v);
	return inner(I, body_capture(I->g, free_name(I, name),
	                             &graph_node(b->outer, v.v)->type));
}

/* ---- whole numbers among reals ---------------------------------------------------------- */

bool
body_is_int(const Interp *I, Value v)
{
	return I->body && v.kind == V_TENSOR && type_at(I, v)->dt == DT_I32 && !is_capture(I, v);
}

Value
body_real(Interp *I, Value v, Span at)
{
	return body_is_int(I, v) ? node_done(I, graph_cast(I->g, v.v, DT_F32), at) : v;
}

/* What stands on the two sides of an operator: if one is real, both are.  False: reported. */
bool
body_meet(Interp *I, Value *x, Value *y, Span at)
{
	for (int k = 0; I->body && k < 2; k++)
		if ((k ? y : x)->kind == V_TENSOR && !body_args(I, OP_copy, k ? y : x, 1, at))
			return false;
	for (int k = 0; I->body && k < 2; k++) {
		Value *a = k ? x : y, *b = k ? y : x;

		if (body_is_int(I, *a) &&
		    (b->kind == V_REAL || (b->kind == V_TENSOR && dtype_info[type_at(I, *b)->dt].real)))
			*a = body_real(I, *a, at);
	}
	return true;
}

/* Row or column of a token number. */
Value
body_place(Interp *I, Value v, bool column, Span at)
{
	Value w = constant(I, at, V(INT, .i = I->body->width), DT_I32, 2), arg[2] = { v, w };

	return w.kind == V_ERROR ? w : make_node(I, at, column ? OP_mod : OP_div, arg, 2, NULL, 0);
}

/* ---- reading captures --------------------------------------------------------------------- */

/* Least and greatest of an index that depends on i, j and h alone.  False: on more, or too much work. */
static bool
index_range(Interp *I, Val index, int64_t *lo, int64_t *hi)
{
	const struct BodyCx *b = I->body;
	Arena *a = arena_new();
	unsigned needs = body_needs(a, I->g)[index];
	int64_t heads = needs >> BODY_H & 1 ? b->heads : 1, rows = needs >> BODY_I & 1 ? b->tokens : 1;
	int64_t columns = needs >> BODY_J & 1 ? b->tokens : 1, work;
	bool ok = !(needs & (1 << BODY_S | BODY_CAPTURES)) && rows <= CHECK_MOST / columns;

	work = rows * columns * heads * b->windows;
	ok = ok && work <= CHECK_MOST / (int64_t)I->g->node.n;
	*lo = INT64_MAX;
	*hi = INT64_MIN;
	for (int64_t n = 0; n < heads * b->windows && ok; n++) {
		BodyRun r = { .i = n / heads * b->tokens, .rows = rows, .j = n / heads * b->tokens, .columns = columns,
			.h = n % heads, .want = &index, .nwant = 1 };
		Arena *tmp = arena_new();
		const char *err;
		Tensor t;

		Tensor *unread = NEWN(tmp, Tensor, I->g->input.n);

		/* whatever they hold: the index is made without them */
		for (size_t k = BODY_INPUTS; k < I->g->input.n; k++)
			unread[k - BODY_INPUTS] = (Tensor){ graph_node(I->g, input(I, (int)k))->type, tmp };
		r.capture = unread;
		ok = body_run(tmp, I->g, &r, &t, &err);
		for (int64_t k = 0; ok && k < type_count(&t.type); k++) {
			*lo = MIN(*lo, ((const int32_t *)t.data)[k]);
			*hi = MAX(*hi, ((const int32_t *)t.data)[k]);
		}
		arena_free(tmp);
	}
	I->steps += ok ? work / 64 : 0;
	arena_free(a);
	return ok;
}

/* bias[h, j - i + 8] */
Value
body_index(Interp *I, Value x, const Value *sub, size_t n, const Ast *a)
{
	const Type t = *type_at(I, x);
	const char *name = graph_node(I->g, x.v)->name;
	Value arg[MAX_RANK + 1] = { x };

	if (!is_capture(I, x))
		return fail(I, a->at, "attention", "a value of one pair of tokens has no items");
	if (n != (size_t)t.rank)
		return fail(I, a->at, "attention", "%s is %s: a mask or score reads one element of it, by %d subscripts, not %zu",
		            name, type_text(I->a, &t), t.rank, n);
	for (size_t k = 0; k < n; k++) {
		Span at = a->kid[k + 1]->span;

		if (sub[k].kind == V_INT) {
			int64_t i = sub[k].i < 0 ? sub[k].i + t.dim[k] : sub[k].i;

			if (i < 0 || i >= t.dim[k])
				return fail(I, at, "index", "%s does not lie in axis %d of %s", show(I, sub[k]), (int)k,
				            type_text(I->a, &t));
			arg[k + 1] = constant(I, at, V(INT, .i = i), DT_I32, 2);
			continue;
		}
		if (!body_is_int(I, sub[k]))
			return fail(I, at, "attention", "a subscript in a mask or score is a whole number, not %s", sub[k].kind == V_TENSOR ?
			            "a real: floor or round it, then cast(.., i32)" : value_kind(sub[k]));
		arg[k + 1] = sub[k];
	}

	Value v = make_node(I, a->at, OP_pick, arg, (int)n + 1, NULL, 0);

	if (v.kind == V_ERROR)
		return v;
	/* questions to a graph are about what leads to its results */
	size_t results = I->g->output.n;

	vec_push(I->a, &I->g->output, ((Output){ NULL, v.v }));

	bool inside = body_inside(I->a, I->g, I->body->tokens * I->body->windows, I->body->heads)[v.v];

	for (size_t k = 0; k < n && !inside; k++) {
		int64_t lo, hi;

		if (sub[k].kind != V_INT && index_range(I, arg[k + 1].v, &lo, &hi) && (lo < 0 || hi >= t.dim[k]))
			v = fail(I, a->kid[k + 1]->span, "index", "this subscript runs from %lld to %lld, but axis %d of %s has %lld elements",
			         (long long)lo, (long long)hi, (int)k, name, (long long)t.dim[k]);
	}
	I->g->output.n = results;
	return v;
}

/* Arguments of a node of the body: captures of one element stand for it, others must be indexed.  False: reported. */
bool
body_args(Interp *I, OpKind op, Value *arg, int narg, Span at)
{
	for (int i = 0; i < narg; i++) {
		Value index[MAX_RANK + 1];

		arg[i] = capture(I, arg[i], NULL);
		if (!is_capture(I, arg[i]) || (op == OP_pick && i == 0))
			continue;

		const Type t = *type_at(I, arg[i]);

		if (type_count(&t) != 1 || t.rank == 0) {
			fail(I, at, "attention", "%s is %s: a mask or score reads one element of it, such as %s[h, j - i]",
			     graph_node(I->g, arg[i].v)->name, type_text(I->a, &t), graph_node(I->g, arg[i].v)->name);
			return false;
		}
		index[0] = arg[i];
		for (int k = 0; k < t.rank; k++)
			index[k + 1] = constant(I, at, V(INT, .i = 0), DT_I32, 2);
		arg[i] = make_node(I, at, OP_pick, index, t.rank + 1, NULL, 0);
	}
	return true;
}

/* What may stand in a body.  False: reported. */
bool
body_takes(Interp *I, Val v, Span at)
{
	const Node *n = graph_node(I->g, v);

	if (n->op == OP_input || n->op == OP_pick || op_info[n->op].fuse == FUSE_POINT ||
	    (n->op == OP_const && n->type.rank == 2 && type_count(&n->type) == 1))
		return true;
	fail(I, at, "attention", "%s works on whole tensors, but a mask or score is asked for one pair of tokens: "
	     "do it outside, and read its result by index", n->op == OP_const ? "tensor" : op_info[n->op].name);
	return false;
}

/* ---- the two functions ---------------------------------------------------------------------- */

static Value
call_one(Interp *I, Value fn, bool score, Span at)
{
	const char *what = score ? "score" : "mask";
	const Ast *decl = fn.fn->decl;
	Value arg[BODY_INPUTS];
	int least = score ? 1 : 2, most = score ? 4 : 3, n = decl->kid[0]->n;

	if (n < least || n > most || decl->kind == AST_block)
		return fail(I, at, "attention", "%s is a function of %s", what,
		            score ? "the score, and perhaps the tokens and the head: |s, i, j, h|" :
		                    "two tokens, and perhaps the head: |i, j, h|");
	for (int k = 0; k < n; k++)
		arg[k] = inner(I, input(I, score ? BODY_S + k : BODY_I + k));

	Value v = call_value(I, fn, decl, arg, (size_t)n);
	DType dt = score ? DT_F32 : DT_BOOL;

	if (v.kind == V_ERROR)
		return v;
	if (v.kind == V_TENSOR) {
		Value one[1] = { v };

		if (!body_args(I, OP_copy, one, 1, at))
			return V(ERROR);
		v = score ? body_real(I, one[0], at) : one[0];
	} else if (score ? is_number(v) : v.kind == V_BOOL) {
		v = constant(I, at, v, dt, 2);
	}
	if (v.kind != V_TENSOR || type_at(I, v)->dt != dt)
		return fail(I, at, "attention", "%s gives %s, but is wanted as %s", what,
		            v.kind == V_TENSOR ? dtype_info[type_at(I, v)->dt].name : value_kind(v), score ? "a number" : "a bool");
	return v;
}

/* Calls mask and score (NONE: not given) in a body for tokens of q.  False: reported.  *more: what the
 * attention takes after q, k and v. */
bool
make_body(Interp *I, const PrimCall *c, Value mask, Value score, Graph **body, const Value **more, int *nmore)
{
	const Type q = *type_at(I, c->arg[0]);
	int64_t heads = c->arg[3].i, windows = c->arg[4].kind == V_INT ? c->arg[4].i : 1;
	struct BodyCx cx = { .outer = I->g, .windows = windows, .heads = heads };
	bool ok = true;

	*body = NULL;
	*nmore = 0;
	if (mask.kind == V_NONE && score.kind == V_NONE)
		return true;
	if (I->body) {
		fail(I, c->at, "attention", "an attention stands in the mask or score of another");
		return false;
	}
	if (q.rank != 4 || windows < 1 || heads < 1 || q.dim[2] * q.dim[3] < 1 || q.dim[2] * q.dim[3] % windows)
		return true;            /* infer_type says what is wrong */
	cx.width = q.dim[3];
	cx.tokens = q.dim[2] * q.dim[3] / windows;
	*body = body_new(I->a, cx.tokens);
	I->body = &cx;
	I->g = *body;
	for (int k = 0; k < 2; k++) {
		Value fn = k ? score : mask;
		Value v = fn.kind == V_NONE ? fn : call_one(I, fn, k, c->at);

		ok &= v.kind != V_ERROR;
		if (v.kind == V_TENSOR)
			vec_push(I->a, &(*body)->output, ((Output){ k ? "score" : "mask", v.v }));
	}
	I->g = cx.outer;
	I->body = NULL;
	graph_order(*body);

	Value *arg = NEWN(I->a, Value, cx.captured.n + 1);

	for (size_t k = 0; k < cx.captured.n; k++)
		arg[k] = inner(I, cx.captured.p[k]);
	*more = arg;
	*nmore = (int)cx.captured.n;
	return ok;
}
