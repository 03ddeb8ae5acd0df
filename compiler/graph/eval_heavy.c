/* eval_heavy.c -- convolution, matmul, attention, pooling, batch norm.
 *
 * Each works on f32 in NCHW order and sums in f64, in one fixed order whatever the
 * layout: eval_f32 and eval_put turn channels-last tensors round, so a graph gives
 * the same bits before and after the layout pass.  The loops run along rows, so that a
 * whole network at 640x640 takes seconds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "graph/eval.h"

static float *
new_result(Eval *e)
{
	return arena_array(e->a, (size_t)type_count(&e->out->type) + 1, sizeof(float));
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* ---- conv2d ------------------------------------------------------------------------- */

typedef struct Conv {
	int64_t x[4], y[4];             /* n, c, h, w */
	int64_t cg, og, k[2];           /* channels of a group in and out, kernel */
	int64_t stride[2], pad[2], dilation[2];
	const float *in, *w, *b;        /* w: [O, C/g, R, S] */
	float *out;
} Conv;

/* [ceil(O/pack), R, S, C/g, pack] -> [O, C/g, R, S] */
static const float *
unpack(Eval *e, const Conv *v, const float *w, int64_t pack)
{
	int64_t taps = v->k[0] * v->k[1];
	float *u = arena_array(e->a, (size_t)(v->y[1] * v->cg * taps) + 1, sizeof(*u));

	for (int64_t o = 0; o < v->y[1]; o++)
		for (int64_t c = 0; c < v->cg; c++)
			for (int64_t t = 0; t < taps; t++)
				u[(o * v->cg + c) * taps + t] =
					w[((o / pack * taps + t) * v->cg + c) * pack + o % pack];
	return u;
}

/* a[q] += f x[q step], eight at a time so that a compiler sees vectors */
static void
add_scaled(double *restrict a, const float *restrict x, int64_t step, double f, int64_t n)
{
	int64_t q = 0;

	if (step == 1)
		for (; q + 8 <= n; q += 8)
			for (int i = 0; i < 8; i++)
				a[q + i] += f * (double)x[q + i];
	for (; q < n; q++)
		a[q] += f * (double)x[q * step];
}

/* Row p of output channel o of picture n: columns from .. from+len-1, summed in acc. */
static void
conv_row(const Conv *v, int64_t n, int64_t o, int64_t p, int64_t from, int64_t len, double *acc)
{
	const float *w = v->w + o * v->cg * v->k[0] * v->k[1];

	for (int64_t q = 0; q < len; q++)
		acc[q] = v->b ? (double)v->b[o] : 0;
	for (int64_t c = 0; c < v->cg; c++)
		for (int64_t r = 0; r < v->k[0]; r++)
			for (int64_t s = 0; s < v->k[1]; s++, w++) {
				int64_t row = p * v->stride[0] - v->pad[0] + r * v->dilation[0];
				int64_t shift = s * v->dilation[1] - v->pad[1];
				/* columns q with 0 <= q stride + shift < width */
				int64_t lo = MAX(from, -floor_div(shift, v->stride[1]));
				int64_t hi = MIN(from + len, floor_div(v->x[3] - 1 - shift, v->stride[1]) + 1);

				if (row < 0 || row >= v->x[2] || lo >= hi)
					continue;

				const float *x = v->in + ((n * v->x[1] + o / v->og * v->cg + c) * v->x[2] + row) * v->x[3];

				add_scaled(acc + lo - from, x + lo * v->stride[1] + shift, v->stride[1],
				           (double)*w, hi - lo);
			}
}

bool
eval_conv2d(Eval *e)
{
	const Type *w = &e->arg[1]->type;
	int64_t pack = attr_int(e->n, A_pack, 0);
	enum { CHUNK = 1024 };
	double acc[CHUNK];
	Conv v = { .in = eval_f32(e, 0), .out = new_result(e) };

	eval_nchw(e, 0, v.x);
	eval_nchw(e, -1, v.y);
	v.cg = w->dim[pack ? 3 : 1];
	v.og = v.y[1] / attr_int(e->n, A_groups, 1);
	for (int i = 0; i < 2; i++) {
		v.k[i] = w->dim[pack ? 1 + i : 2 + i];
		v.stride[i] = attr_ints(e->n, A_stride, i, 1);
		v.pad[i] = attr_ints(e->n, A_pad, i, 0);
		v.dilation[i] = attr_ints(e->n, A_dilation, i, 1);
	}
	v.w = widen(e->a, e->arg[1]);
	if (pack)
		v.w = unpack(e, &v, v.w, pack);
	v.b = e->n->narg > 2 ? widen(e->a, e->arg[2]) : NULL;

	/* 1x1: the picture is one long row */
	if (v.k[0] * v.k[1] * v.stride[0] * v.stride[1] == 1 && !v.pad[0] && !v.pad[1]) {
		v.x[3] *= v.x[2];
		v.y[3] *= v.y[2];
		v.x[2] = v.y[2] = 1;
	}

	float *y = v.out;

	for (int64_t n = 0; n < v.y[0]; n++)
		for (int64_t o = 0; o < v.y[1]; o++)
			for (int64_t p = 0; p < v.y[2]; p++)
				for (int64_t q = 0; q < v.y[3]; q += CHUNK) {
					int64_t len = MIN(CHUNK, v.y[3] - q);

					conv_row(&v, n, o, p, q, len, acc);
					for (int64_t i = 0; i < len; i++)
						*y++ = (float)acc[i];
				}
	eval_put(e, v.out);
	return true;
}

/* ---- matmul ----------------------------------------------------------------------------- */

/* The last two dims swapped. */
static const float *
transposed(Eval *e, const float *x, const Type *t)
{
	int64_t rows = t->dim[t->rank - 2], cols = t->dim[t->rank - 1];
	int64_t n = type_count(t);
	float *y = arena_array(e->a, (size_t)n + 1, sizeof(*y));

	for (int64_t m = 0; m < n; m += rows * cols)
		for (int64_t i = 0; i < rows; i++)
			for (int64_t j = 0; j < cols; j++)
				y[m + j * rows + i] = x[m + i * cols + j];
	return y;
}

bool
eval_matmul(Eval *e)
{
	const Type *at = &e->arg[0]->type, *t = &e->out->type;
	int64_t rows = t->dim[t->rank - 2], cols = t->dim[t->rank - 1];
	int64_t len = at->dim[t->rank - (attr_int(e->n, A_ta, 0) ? 2 : 1)];
	const float *a = widen(e->a, e->arg[0]), *b = widen(e->a, e->arg[1]);
	double *acc = NEWN(e->a, double, (size_t)cols + 1);
	float *r = wide_out(e);

	if (type_count(t) == 0)
		return true;
	if (attr_int(e->n, A_ta, 0))
		a = transposed(e, a, at);
	if (attr_int(e->n, A_tb, 0))
		b = transposed(e, b, &e->arg[1]->type);

	int64_t batch = type_count(t) / (rows * cols);

	for (int64_t i = 0; i < batch * rows; i++) {
		memset(acc, 0, sizeof(*acc) * (size_t)cols);
		for (int64_t k = 0; k < len; k++)
			add_scaled(acc, b + (i / rows * len + k) * cols, 1, (double)a[i * len + k], cols);
		for (int64_t j = 0; j < cols; j++)
			r[i * cols + j] = (float)acc[j];
	}
	narrow(e, r);
	return true;
}

/* ---- attention ----------------------------------------------------------------------------- */

/* One head of one window: q, k, v and o point at channel 0, token 0 of it; channels are
 * `hw` apart, tokens 1. */
static void
attend(const float *q, const float *k, const float *v, float *o, int64_t hw, int64_t tokens,
       int64_t d, int64_t dv, double scale, double *p)
{
	for (int64_t i = 0; i < tokens; i++) {
		double max = -INFINITY, sum = 0;

		memset(p, 0, sizeof(*p) * (size_t)tokens);
		for (int64_t c = 0; c < d; c++)
			add_scaled(p, k + c * hw, 1, (double)q[c * hw + i] * scale, tokens);
		for (int64_t j = 0; j < tokens; j++)
			max = fmax(max, p[j]);
		for (int64_t j = 0; j < tokens; j++)
			sum += p[j] = exp(p[j] - max);
		for (int64_t c = 0; c < dv; c++) {
			double x = 0;

			for (int64_t j = 0; j < tokens; j++)
				x += p[j] * (double)v[c * hw + j];
			o[c * hw + i] = (float)(x / sum);
		}
	}
}

bool
eval_attention(Eval *e)
{
	const float *q = eval_f32(e, 0), *k = eval_f32(e, 1), *v = eval_f32(e, 2);
	float *o = new_result(e);
	int64_t qd[4], vd[4];

	eval_nchw(e, 0, qd);
	eval_nchw(e, 2, vd);

	int64_t heads = attr_int(e->n, A_heads, 1), windows = attr_int(e->n, A_windows, 1);
	int64_t hw = qd[2] * qd[3], run = hw / windows, d = qd[1] / heads, dv = vd[1] / heads;
	double scale = attr_real(e->n, A_scale, 1 / sqrt((double)d));
	double *p = NEWN(e->a, double, (size_t)run + 1);

	/* (n, head) is one index: a head's channels are a contiguous block.  A window is a run
	 * of tokens in row-major order, which may begin and end within a row. */
	for (int64_t h = 0; h < qd[0] * heads; h++)
		for (int64_t w = 0; w < windows; w++) {
			int64_t qo = h * d * hw + w * run, vo = h * dv * hw + w * run;

			attend(q + qo, k + qo, v + vo, o + vo, hw, run, d, dv, scale, p);
		}
	eval_put(e, o);
	return true;
}

/* ---- pool ------------------------------------------------------------------------------------- */

bool
eval_pool(Eval *e)
{
	const float *x = eval_f32(e, 0);
	float *r = new_result(e), *y = r;
	bool max = !strcmp(attr_str(e->n, A_kind, ""), "max");
	int64_t xd[4], yd[4], k[2], stride[2], pad[2];

	eval_nchw(e, 0, xd);
	eval_nchw(e, -1, yd);
	for (int i = 0; i < 2; i++) {
		k[i] = attr_ints(e->n, A_kernel, i, 1);
		stride[i] = attr_ints(e->n, A_stride, i, k[i]);
		pad[i] = attr_ints(e->n, A_pad, i, 0);
	}
	for (int64_t c = 0; c < yd[0] * yd[1]; c++, x += xd[2] * xd[3])
		for (int64_t p = 0; p < yd[2]; p++)
			for (int64_t q = 0; q < yd[3]; q++) {
				int64_t r0 = p * stride[0] - pad[0], s0 = q * stride[1] - pad[1], n = 0;
				double acc = max ? -INFINITY : 0;

				for (int64_t i = MAX(r0, 0); i < MIN(r0 + k[0], xd[2]); i++)
					for (int64_t j = MAX(s0, 0); j < MIN(s0 + k[1], xd[3]); j++, n++) {
						double v = (double)x[i * xd[3] + j];

						acc = max ? fmax(acc, v) : acc + v;
					}
				*y++ = (float)(max ? acc : acc / (double)n);
			}
	eval_put(e, r);
	return true;
}

/* ---- batch norm ---------------------------------------------------------------------------------- */

bool
eval_batch_norm(Eval *e)
{
	const Type *t = &e->out->type;
	const float *x = widen(e->a, e->arg[0]), *p[5] = { 0 };
	float *r = wide_out(e);
	double eps = attr_real(e->n, A_eps, 0);
	int64_t inner = 1, i = 0;

	for (int k = 1; k < 5; k++)
		p[k] = widen(e->a, e->arg[k]);
	for (int d = 2; d < t->rank; d++)
		inner *= t->dim[d];
	for (int64_t n = 0; n < t->dim[0]; n++)
		for (int64_t c = 0; c < t->dim[1]; c++) {
			double scale = (double)p[1][c] / sqrt((double)p[4][c] + eps);

			for (int64_t k = 0; k < inner; k++, i++)
				r[i] = (float)(((double)x[i] - (double)p[3][c]) * scale + (double)p[2][c]);
		}
	narrow(e, r);
	return true;
}
