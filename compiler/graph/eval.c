/* eval.c -- the reference evaluator: one op, and a whole entry.
 *
 * Deliberately plain, so that one look tells that it is right; every kernel of every back
 * end is measured against it.  It takes no shortcuts over the graph: a group, a tile or a
 * plan means nothing here.  Values are freed after their last use, each having an arena of
 * its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>

#include "graph/eval.h"

static EvalFn *const eval_fn[OP_COUNT] = {
#define OP(name, lo, hi, fuse, effect, grad, shapes) [OP_##name] = eval_##name,
#include "graph/ops.def"
#undef OP
};

bool
eval_error(Eval *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*e->err = arena_vprintf(e->a, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- wide formats ------------------------------------------------------------------ */

static const size_t wide_size[] = { 4, 8, 8 };

static bool
is_wide(DType dt)
{
	return dt == DT_F32 || dt == DT_F64 || dt == DT_I64;
}

const void *
widen(Arena *a, const Tensor *t)
{
	size_t n = (size_t)type_count(&t->type);

	if (is_wide(t->type.dt))
		return t->data;

	Wide w = wide_of(t->type.dt);
	void *p = arena_array(a, n + 1, wide_size[w]);
	float *f = p;
	int64_t *x = p;

	for (size_t i = 0; i < n; i++)
		if (w == WIDE_F32)
			f[i] = (float)dtype_get(t->type.dt, t->data, i);
		else
			x[i] = (int64_t)dtype_get(t->type.dt, t->data, i);
	return p;
}

void *
wide_out(Eval *e)
{
	DType dt = e->out->type.dt;

	if (is_wide(dt))
		return e->out->data;
	return arena_array(e->a, (size_t)type_count(&e->out->type) + 1, wide_size[wide_of(dt)]);
}

void
narrow(Eval *e, const void *wide)
{
	size_t n = (size_t)type_count(&e->out->type);
	const float *f = wide;
	const int64_t *x = wide;
	void *p = e->out->data;

	switch (e->out->type.dt) {
	case DT_F16:
	case DT_BF16:
		for (size_t i = 0; i < n; i++)
			dtype_set(e->out->type.dt, p, i, f[i]);
		break;
	case DT_U8:
		for (size_t i = 0; i < n; i++)
			((uint8_t *)p)[i] = (uint8_t)x[i];
		break;
	case DT_BOOL:
		for (size_t i = 0; i < n; i++)
			((uint8_t *)p)[i] = x[i] != 0;
		break;
	case DT_I32:
		for (size_t i = 0; i < n; i++)
			((int32_t *)p)[i] = (int32_t)(uint32_t)x[i];
		break;
	default:                /* wide_out was the result itself */
		break;
	}
}

/* ---- layouts ------------------------------------------------------------------------- */

void
eval_nchw(const Eval *e, int i, int64_t dim[4])
{
	const int64_t *d = i < 0 ? e->out->type.dim : e->arg[i]->type.dim;
	bool last = node_nhwc(e->n);

	dim[0] = d[0];
	dim[1] = d[last ? 3 : 1];
	dim[2] = d[last ? 1 : 2];
	dim[3] = d[last ? 2 : 3];
}

/* strides of a channels-last tensor whose dims are walked as n, c, h, w */
static void
nhwc_strides(const int64_t d[4], int64_t s[4])
{
	s[0] = d[1] * d[2] * d[3];
	s[1] = 1;
	s[2] = d[1] * d[3];
	s[3] = d[1];
}

static void
nchw_strides(const int64_t d[4], int64_t s[4])
{
	s[0] = d[1] * d[2] * d[3];
	s[1] = d[2] * d[3];
	s[2] = d[3];
	s[3] = 1;
}

const float *
eval_f32(Eval *e, int i)
{
	const float *x = widen(e->a, e->arg[i]);
	int64_t d[4], to[4], from[4];

	if (!node_nhwc(e->n) || e->arg[i]->type.rank != 4)
		return x;
	eval_nchw(e, i, d);
	nchw_strides(d, to);
	nhwc_strides(d, from);

	float *y = arena_array(e->a, (size_t)type_count(&e->arg[i]->type) + 1, sizeof(*y));

	eval_move(4, d, sizeof(*y), y, to, x, from);
	return y;
}

void
eval_put(Eval *e, const float *x)
{
	float *y = wide_out(e);
	int64_t d[4], to[4], from[4];

	eval_nchw(e, -1, d);
	nchw_strides(d, from);
	nhwc_strides(d, to);
	eval_move(4, d, sizeof(*y), y, node_nhwc(e->n) ? to : from, x, from);
	narrow(e, y);
}

/* ---- walking by strides ------------------------------------------------------------------ */

void
run_begin(Run *r, int rank, const int64_t *dim, int n, const int64_t *const *stride)
{
	*r = (Run){ .n = n };
	for (int d = 0; d < rank; d++) {
		bool even = r->rank > 0;

		if (dim[d] == 1)
			continue;
		for (int k = 0; k < n && even; k++)
			even = r->stride[k][r->rank - 1] == stride[k][d] * dim[d];
		if (!even)
			r->dim[r->rank++] = 1;
		r->dim[r->rank - 1] *= dim[d];
		for (int k = 0; k < n; k++)
			r->stride[k][r->rank - 1] = stride[k][d];
	}
	if (r->rank == 0)
		r->dim[r->rank++] = 1;
	r->rank--;              /* the last dim is the run */
	r->len = r->dim[r->rank];
	for (int k = 0; k < n; k++)
		r->step[k] = r->stride[k][r->rank];
}

bool
run_next(Run *r)
{
	if (!r->started) {
		r->started = true;
		for (int d = 0; d <= r->rank; d++)
			if (r->dim[d] == 0)
				return false;
		return true;
	}
	for (int d = r->rank - 1; d >= 0; d--) {
		for (int k = 0; k < r->n; k++)
			r->off[k] += r->stride[k][d];
		if (++r->at[d] < r->dim[d])
			return true;
		for (int k = 0; k < r->n; k++)
			r->off[k] -= r->stride[k][d] * r->dim[d];
		r->at[d] = 0;
	}
	return false;
}

/* ---- one op ----------------------------------------------------------------------------------- */

/* dims as declared; open ones are filled in */
static bool
fits(const Type *declared, const Type *t)
{
	if (declared->dt != t->dt || declared->rank != t->rank)
		return false;
	for (int i = 0; i < t->rank; i++)
		if (t->dim[i] < 0 || t->dim[i] > INT32_MAX ||
		    (declared->dim[i] >= 0 && declared->dim[i] != t->dim[i]))
			return false;
	return true;
}

static bool
wrong_type(Arena *a, const Type *want, const Type *is, const char *what, const char **err)
{
	*err = arena_printf(a, "%s is %s, but must be %s", what, type_text(a, is), type_text(a, want));
	return false;
}

bool
eval_node(Arena *a, const Graph *g, Val v, const Tensor *const *arg, Tensor *out, const char **err)
{
	const Node *n = &g->node.p[v];
	Eval e = { .a = a, .n = n, .arg = arg, .out = out, .err = err };

	for (int i = 0; i < n->narg; i++)
		if (!fits(&g->node.p[n->arg[i]].type, &arg[i]->type))
			return wrong_type(a, &g->node.p[n->arg[i]].type, &arg[i]->type,
			                  arena_printf(a, "%%%u: argument %d", v, i + 1), err);
	if (op_info[n->op].effect != EFFECT_SOURCE)
		out->data = arena_array(a, (size_t)type_count(&out->type) + 1,
		                        (size_t)dtype_info[out->type.dt].bytes);
	if (eval_fn[n->op](&e))
		return true;
	*err = arena_printf(a, "%%%u%s%s: %s: %s", v, n->name ? " " : "", n->name ? n->name : "",
	                    op_info[n->op].name, *err);
	return false;
}

static bool
source(Eval *e)
{
	e->out->data = (void *)e->n->data;
	return e->n->data || eval_error(e, "has no values");
}

bool eval_input(Eval *e) { return source(e); }
bool eval_param(Eval *e) { return source(e); }
bool eval_const(Eval *e) { return source(e); }

/* ---- a whole entry ------------------------------------------------------------------------------- */

static bool
take_input(Arena *a, const Graph *g, size_t i, const Tensor *in, Tensor *t, const char **err)
{
	const Node *n = &g->node.p[g->input.p[i]];

	if (in && in[i].data) {
		*t = in[i];
		return fits(&n->type, &t->type) ||
			wrong_type(a, &n->type, &t->type, arena_printf(a, "input %s", n->name), err);
	}
	*t = (Tensor){ n->type, (void *)n->data };
	if (n->data)
		return true;
	*err = arena_printf(a, "input %s has no value", n->name);
	return false;
}

bool
eval_graph(Arena *a, const Graph *g, const Tensor *in, Tensor *out,
           EvalTap *tap, void *cx, const char **err)
{
	Arena *tmp = arena_new();
	Graph ordered = graph_ordered(tmp, g);
	uint32_t *users = graph_users(tmp, &ordered);
	Tensor *val = NEWN(tmp, Tensor, g->node.n);
	Arena **own = NEWN(tmp, Arena *, g->node.n);
	bool ok = true;

	for (size_t i = 0; i < g->input.n && ok; i++)
		ok = take_input(a, g, i, in, &val[g->input.p[i]], err);
	for (size_t i = 0; i < ordered.order.n && ok; i++) {
		Val v = ordered.order.p[i];
		const Node *n = &g->node.p[v];
		const Tensor **arg = NEWN(tmp, const Tensor *, (size_t)n->narg + 1);

		for (int k = 0; k < n->narg; k++)
			arg[k] = &val[n->arg[k]];
		if (n->op != OP_input) {
			val[v].type = n->type;
			own[v] = arena_new();
			ok = eval_node(own[v], g, v, arg, &val[v], err);
			if (!ok)
				*err = arena_str(a, *err);
		}
		if (ok && tap)
			tap(cx, g, v, &val[v]);
		for (int k = 0; k < n->narg; k++)
			if (--users[n->arg[k]] == 0) {
				arena_free(own[n->arg[k]]);
				own[n->arg[k]] = NULL;
			}
	}
	for (size_t i = 0; i < g->output.n && ok; i++) {
		const Tensor *t = &val[g->output.p[i].v];
		size_t bytes = (size_t)type_bytes(&t->type);

		out[i].type = t->type;
		out[i].data = arena_alloc(a, bytes + 1);
		if (bytes)
			memcpy(out[i].data, t->data, bytes);
	}
	for (Val v = 0; v < g->node.n; v++)
		arena_free(own[v]);
	arena_free(tmp);
	return ok;
}
