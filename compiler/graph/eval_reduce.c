/* eval_reduce.c -- ops that fold an axis away, or order one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "graph/eval.h"

/* Element i of what widen() gave, as a double. */
static double
real_at(Wide w, const void *p, int64_t i)
{
	return w == WIDE_F32 ? (double)((const float *)p)[i] :
		w == WIDE_F64 ? ((const double *)p)[i] : (double)((const int64_t *)p)[i];
}

/* Walks x together with the result, whose strides are 0 along the axes that go. */
static void
fold_runs(Eval *e, Run *w)
{
	const Type *x = &e->arg[0]->type, *t = &e->out->type;
	int64_t xs[MAX_RANK], rs[MAX_RANK];

	type_strides(x, xs);
	type_strides(t, rs);
	for (int i = 0; i < x->rank; i++)
		if (t->dim[i] != x->dim[i])
			rs[i] = 0;
	run_begin(w, x->rank, x->dim, 2, (const int64_t *const[]){ xs, rs });
}

/* Sums and maxima in f64, or in i64 for integers. */
static bool
fold(Eval *e, bool max, double scale)
{
	const Type *t = &e->out->type;
	Wide wide = wide_of(t->dt);
	const void *x = widen(e->a, e->arg[0]);
	int64_t n = type_count(t);
	double *acc = NEWN(e->a, double, (size_t)n + 1);
	int64_t *iacc = (int64_t *)acc;
	Run w;

	for (int64_t i = 0; i < n && max; i++)
		if (wide == WIDE_I64)
			iacc[i] = INT64_MIN;
		else
			acc[i] = -INFINITY;
	fold_runs(e, &w);
	while (run_next(&w))
		for (int64_t i = 0; i < w.len; i++) {
			int64_t from = w.off[0] + i * w.step[0], to = w.off[1] + i * w.step[1];

			if (wide == WIDE_I64) {
				int64_t v = ((const int64_t *)x)[from];

				iacc[to] = max ? MAX(iacc[to], v) : (int64_t)((uint64_t)iacc[to] + (uint64_t)v);
			} else {
				double v = real_at(wide, x, from);

				acc[to] = max ? fmax(acc[to], v) : acc[to] + v;
			}
		}

	void *r = wide_out(e);

	for (int64_t i = 0; i < n; i++)
		if (wide == WIDE_I64)
			((int64_t *)r)[i] = iacc[i];
		else if (wide == WIDE_F64)
			((double *)r)[i] = acc[i] * scale;
		else
			((float *)r)[i] = (float)(acc[i] * scale);
	narrow(e, r);
	return true;
}

bool eval_sum(Eval *e)  { return fold(e, false, 1); }
bool eval_amax(Eval *e) { return fold(e, true, 1); }

bool
eval_mean(Eval *e)
{
	int64_t n = type_count(&e->out->type);

	return fold(e, false, n ? (double)n / (double)type_count(&e->arg[0]->type) : 1);
}

/* x as [outer][len][inner] around one axis */
typedef struct Axis { int64_t outer, len, inner; } Axis;

static Axis
around(const Type *x, int64_t axis)
{
	Axis a = { 1, x->dim[axis], 1 };

	for (int i = 0; i < x->rank; i++)
		*(i < axis ? &a.outer : i > axis ? &a.inner : &(int64_t){ 0 }) *= x->dim[i];
	return a;
}

bool
eval_argmax(Eval *e)
{
	Axis a = around(&e->arg[0]->type, attr_int(e->n, A_axis, 0));
	Wide wide = wide_of(e->arg[0]->type.dt);
	const void *x = widen(e->a, e->arg[0]);
	int32_t *r = e->out->data;

	for (int64_t o = 0; o < a.outer; o++)
		for (int64_t i = 0; i < a.inner; i++) {
			int64_t base = o * a.len * a.inner + i, best = 0;

			for (int64_t k = 1; k < a.len; k++) {
				int64_t u = base + k * a.inner, v = base + best * a.inner;

				if (wide == WIDE_I64 ? ((const int64_t *)x)[u] > ((const int64_t *)x)[v] :
				    real_at(wide, x, u) > real_at(wide, x, v))
					best = k;
			}
			r[o * a.inner + i] = (int32_t)best;
		}
	return true;
}

bool
eval_softmax(Eval *e)
{
	Axis a = around(&e->arg[0]->type, attr_int(e->n, A_axis, 0));
	Wide wide = wide_of(e->arg[0]->type.dt);
	const void *x = widen(e->a, e->arg[0]);
	void *r = wide_out(e);
	double *p = NEWN(e->a, double, (size_t)a.len + 1);

	for (int64_t o = 0; o < a.outer; o++)
		for (int64_t i = 0; i < a.inner; i++) {
			int64_t base = o * a.len * a.inner + i;
			double max = -INFINITY, sum = 0;

			for (int64_t k = 0; k < a.len; k++)
				max = fmax(max, real_at(wide, x, base + k * a.inner));
			for (int64_t k = 0; k < a.len; k++)
				sum += p[k] = exp(real_at(wide, x, base + k * a.inner) - max);
			for (int64_t k = 0; k < a.len; k++)
				if (wide == WIDE_F64)
					((double *)r)[base + k * a.inner] = p[k] / sum;
				else
					((float *)r)[base + k * a.inner] = (float)(p[k] / sum);
		}
	narrow(e, r);
	return true;
}

bool
eval_expect(Eval *e)
{
	Axis a = around(&e->arg[0]->type, attr_int(e->n, A_axis, 0));
	Wide wide = wide_of(e->arg[0]->type.dt);
	const void *x = widen(e->a, e->arg[0]), *w = widen(e->a, e->arg[1]);
	void *r = wide_out(e);

	for (int64_t o = 0; o < a.outer; o++)
		for (int64_t i = 0; i < a.inner; i++) {
			int64_t base = o * a.len * a.inner + i;
			double max = -INFINITY, sum = 0, mean = 0;

			for (int64_t k = 0; k < a.len; k++)
				max = fmax(max, real_at(wide, x, base + k * a.inner));
			for (int64_t k = 0; k < a.len; k++) {
				double p = exp(real_at(wide, x, base + k * a.inner) - max);

				sum += p;
				mean += p * real_at(wide, w, k);
			}
			if (wide == WIDE_F64)
				((double *)r)[o * a.inner + i] = mean / sum;
			else
				((float *)r)[o * a.inner + i] = (float)(mean / sum);
		}
	narrow(e, r);
	return true;
}

/* ---- topk -------------------------------------------------------------------------------- */

typedef struct Ranked { double r; int64_t i; int32_t at; bool real; } Ranked;

/* greatest first; NaN after everything; first on ties */
static int
by_rank(const void *a, const void *b)
{
	const Ranked *x = a, *y = b;

	if (x->real && (x->r == x->r) != (y->r == y->r))
		return x->r == x->r ? -1 : 1;
	if (x->real ? x->r != y->r && x->r == x->r : x->i != y->i)
		return (x->real ? x->r > y->r : x->i > y->i) ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

bool
eval_topk(Eval *e)
{
	const Type *t = &e->arg[0]->type;
	int64_t len = t->dim[t->rank - 1], k = e->out->type.dim[t->rank - 1];
	int64_t rows = k ? type_count(&e->out->type) / k : 0;
	Wide wide = wide_of(t->dt);
	const void *x = widen(e->a, e->arg[0]);
	Ranked *row = NEWN(e->a, Ranked, (size_t)len + 1);

	for (int64_t r = 0; r < rows; r++) {
		for (int64_t i = 0; i < len; i++) {
			row[i] = (Ranked){ .at = (int32_t)i, .real = wide != WIDE_I64 };
			if (row[i].real)
				row[i].r = real_at(wide, x, r * len + i);
			else
				row[i].i = ((const int64_t *)x)[r * len + i];
		}
		qsort(row, (size_t)len, sizeof(*row), by_rank);
		for (int64_t i = 0; i < k; i++)
			((int32_t *)e->out->data)[r * k + i] = row[i].at;
	}
	return true;
}
