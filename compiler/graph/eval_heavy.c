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

#include "graph/body.h"
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
typedef struct Attend {
	Eval *e;
	int64_t hw, tokens, d, dv, window, head;
	double scale;
	const float *q, *k, *v;
	float *o;
	double *p;              /* a row of scores */
	const Graph *body;      /* or NULL */
	float *s;               /* all scores, for the body */
} Attend;

/* p[j] = scale q_i k_j */
static void
scores(const Attend *x, int64_t i)
{
	memset(x->p, 0, sizeof(*x->p) * (size_t)x->tokens);
	for (int64_t c = 0; c < x->d; c++)
		add_scaled(x->p, x->k + c * x->hw, 1, (double)x->q[c * x->hw + i] * x->scale, x->tokens);
}

/* p[j] as mask and score want it; -inf where i does not see j. */
static bool
run_body(const Attend *x, Arena *a, Tensor out[2])
{
	Val mask = body_result(x->body, "mask"), score = body_result(x->body, "score"), want[2];
	BodyRun r = { .i = x->window * x->tokens, .rows = x->tokens, .j = x->window * x->tokens,
		.columns = x->tokens, .h = x->head, .s = x->s, .want = want };
	int ncapture = (int)x->body->input.n - BODY_INPUTS;
	Tensor *capture = NEWN(a, Tensor, (size_t)ncapture + 1), made[2];

	for (int64_t i = 0; i < x->tokens; i++) {
		scores(x, i);
		for (int64_t j = 0; j < x->tokens; j++)
			x->s[i * x->tokens + j] = (float)x->p[j];
	}
	for (int k = 0; k < ncapture; k++)
		capture[k] = *x->e->arg[3 + k];
	r.capture = capture;
	if (mask)
		want[r.nwant++] = mask;
	if (score)
		want[r.nwant++] = score;
	if (!body_run(a, x->body, &r, made, x->e->err)) {
		*x->e->err = arena_str(x->e->a, *x->e->err);
		return false;
	}
	memset(out, 0, 2 * sizeof *out);
	if (mask)
		out[0] = made[0];
	if (score)
		out[1] = made[r.nwant - 1];
	return true;
}

/* element (i, j) of a tensor that may be stretched */
static double
at_pair(const Tensor *t, int64_t i, int64_t j)
{
	int64_t row = t->type.dim[0] > 1 ? i : 0, column = t->type.dim[1] > 1 ? j : 0;

	return dtype_get(t->type.dt, t->data, (size_t)(row * t->type.dim[1] + column));
}

static bool
attend(const Attend *x)
{
	Arena *a = arena_new();
	Tensor by[2] = { 0 };           /* mask, score */
	bool ok = !x->body || run_body(x, a, by);

	for (int64_t i = 0; i < x->tokens && ok; i++) {
		double max = -INFINITY, sum = 0;

		if (!by[1].data)
			scores(x, i);
		for (int64_t j = 0; j < x->tokens; j++) {
			if (by[1].data)
				x->p[j] = at_pair(&by[1], i, j);
			if (by[0].data && at_pair(&by[0], i, j) == 0)
				x->p[j] = -INFINITY;
			max = fmax(max, x->p[j]);
		}
		for (int64_t j = 0; j < x->tokens; j++)
			sum += x->p[j] = x->p[j] == -INFINITY ? 0 : exp(x->p[j] - max);
		for (int64_t c = 0; c < x->dv; c++) {
			double y = 0;

			for (int64_t j = 0; j < x->tokens; j++)
				if (x->p[j] != 0)
					y += x->p[j] * (double)x->v[c * x->hw + j];
			x->o[c * x->hw + i] = sum == 0 ? 0 : (float)(y / sum);
		}
	}
	arena_free(a);
	return ok;
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
	Attend x = { .e = e, .hw = hw, .tokens = run, .d = d, .dv = dv, .body = attr_body(e->n),
		.scale = attr_real(e->n, A_scale, 1 / sqrt((double)d)) };

	x.p = NEWN(e->a, double, (size_t)run + 1);
	if (x.body)
		x.s = arena_array(e->a, (size_t)run * (size_t)run + 1, sizeof *x.s);
	/* (n, head) is one index: a head's channels are a contiguous block.  A window is a run
	 * of tokens in row-major order, which may begin and end within a row. */
	for (int64_t h = 0; h < qd[0] * heads; h++)
		for (x.window = 0; x.window < windows; x.window++) {
			int64_t qo = h * d * hw + x.window * run, vo = h * dv * hw + x.window * run;

			x.head = h % heads;
			x.q = q + qo;
			x.k = k + qo;
			x.v = v + vo;
			x.o = o + vo;
			if (!attend(&x))
				return false;
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
