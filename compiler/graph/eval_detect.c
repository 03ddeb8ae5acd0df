/* eval_detect.c -- what stands before and after a detector: fit, warp, nms; and store.
 *
 * Exact, not approximate: fit and warp give the bytes that 8-bit OpenCV gives
 * (INTER_LINEAR: 11-bit weights, two rounding shifts), nms the order and the ties of the
 * greedy f32 algorithm whose quotient is compared in f64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <stdlib.h>

#include "graph/eval.h"

/* ---- fit ------------------------------------------------------------------------------ */

/* Half of what is left over, where an odd pixel goes to the right or bottom. */
static double
margin(double left_over)
{
	return rint(left_over / 2 - 0.1);
}

void
fit_numbers(int64_t src_h, int64_t src_w, const int64_t target[2], const int64_t frame[2],
            bool scaleup, double fit[FIT_COUNT])
{
	double h = (double)src_h, w = (double)src_w;
	double r = fmin((double)target[0] / h, (double)target[1] / w);
	double gain = fmin((double)frame[0] / h, (double)frame[1] / w);

	if (!scaleup)
		r = fmin(r, 1);
	fit[FIT_R] = r;
	fit[FIT_W] = fmax(rint(w * r), 1);
	fit[FIT_H] = fmax(rint(h * r), 1);
	fit[FIT_LEFT] = margin((double)frame[1] - fit[FIT_W]);
	fit[FIT_TOP] = margin((double)frame[0] - fit[FIT_H]);
	fit[FIT_SRC_W] = w;
	fit[FIT_SRC_H] = h;
	/* the way back is reckoned from the unrounded size: it may differ by a pixel */
	fit[FIT_BACK_GAIN] = gain;
	fit[FIT_BACK_X] = margin((double)frame[1] - w * gain);
	fit[FIT_BACK_Y] = margin((double)frame[0] - h * gain);
}

bool
eval_fit(Eval *e)
{
	const int64_t *d = e->arg[0]->type.dim;
	int64_t target[2], frame[2];

	if (d[0] < 1 || d[1] < 1)
		return eval_error(e, "the picture has no pixels");
	for (int i = 0; i < 2; i++) {
		target[i] = attr_ints(e->n, A_target, i, 1);
		frame[i] = attr_ints(e->n, A_frame, i, 1);
	}
	fit_numbers(d[0], d[1], target, frame, attr_int(e->n, A_scaleup, 1), e->out->data);
	return true;
}

/* ---- warp ------------------------------------------------------------------------------- */

/* Where one row or column of the result comes from: two of the source, with weights of 11
 * bits.  `flat`: past the ends the nearest one counts alone (columns); otherwise the
 * weights stay and both indices are clamped (rows). */
typedef struct Tap { int64_t at[2]; int32_t weight[2]; } Tap;

static Tap
tap(int64_t d, int64_t dst, int64_t src, bool flat)
{
	double scale = 1 / ((double)dst / (double)src);
	float f = (float)(((double)d + 0.5) * scale - 0.5);
	int64_t s = (int64_t)floorf(f);

	f -= (float)s;
	if (flat && (s < 0 || s >= src - 1)) {
		s = s < 0 ? 0 : src - 1;
		f = 0;
	}

	Tap t = { .weight = { (int32_t)lrintf((1 - f) * 2048), (int32_t)lrintf(f * 2048) } };

	for (int i = 0; i < 2; i++)
		t.at[i] = MAX(0, MIN(s + i, src - 1));
	return t;
}

static uint8_t
blend(const uint8_t *src, int64_t width, const Tap *y, const Tap *x, int c)
{
	int32_t row[2];

	for (int i = 0; i < 2; i++) {
		const uint8_t *p = src + y->at[i] * width * 3 + c;

		row[i] = p[x->at[0] * 3] * x->weight[0] + p[x->at[1] * 3] * x->weight[1];
	}
	return (uint8_t)((((y->weight[0] * (row[0] >> 4)) >> 16) + ((y->weight[1] * (row[1] >> 4)) >> 16) + 2) >> 2);
}

bool
eval_warp(Eval *e)
{
	const uint8_t *src = e->arg[0]->data;
	int64_t sh = e->arg[0]->type.dim[0], sw = e->arg[0]->type.dim[1];
	const double *fit = e->arg[1]->data;
	int64_t fh = e->out->type.dim[1], fw = e->out->type.dim[2];
	uint8_t *out = e->out->data;

	if (sh < 1 || sw < 1)
		return eval_error(e, "the picture has no pixels");
	for (int i = FIT_W; i <= FIT_TOP; i++)
		if (!(fabs(fit[i]) <= INT32_MAX) || fit[i] != rint(fit[i]) || (i <= FIT_H && fit[i] < 1))
			return eval_error(e, "number %d of the fit is %g", i, fit[i]);

	int64_t w = (int64_t)fit[FIT_W], h = (int64_t)fit[FIT_H];
	int64_t left = (int64_t)fit[FIT_LEFT], top = (int64_t)fit[FIT_TOP];
	bool same = w == sw && h == sh;
	Tap *col = NEWN(e->a, Tap, (size_t)fw + 1);

	memset(out, (uint8_t)attr_real(e->n, A_fill, 114), (size_t)(fh * fw * 3));
	for (int64_t x = 0; x < fw; x++)
		if (x >= left && x < left + w)
			col[x] = tap(x - left, w, sw, true);
	for (int64_t y = MAX(top, 0); y < MIN(top + h, fh); y++) {
		Tap row = tap(y - top, h, sh, false);

		for (int64_t x = MAX(left, 0); x < MIN(left + w, fw); x++)
			for (int c = 0; c < 3; c++)
				out[(y * fw + x) * 3 + c] = same ? src[((y - top) * sw + x - left) * 3 + c] :
					blend(src, sw, &row, &col[x], c);
	}
	return true;
}

/* ---- nms --------------------------------------------------------------------------------- */

typedef struct Cand { float conf; int32_t index, order; float box[4], area; } Cand;

static int
by_conf(const void *a, const void *b)
{
	const Cand *x = a, *y = b;

	return x->conf != y->conf ? (x->conf > y->conf ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

static bool
overlaps(const Cand *a, const Cand *b, double iou)
{
	float w = fminf(a->box[2], b->box[2]) - fmaxf(a->box[0], b->box[0]);
	float h = fminf(a->box[3], b->box[3]) - fmaxf(a->box[1], b->box[1]);
	float inter = fmaxf(w, 0) * fmaxf(h, 0);
	float quotient = inter / (a->area + b->area - inter);

	return (double)quotient > iou;          /* NaN is not */
}

typedef struct Nms {
	float conf;
	double iou;
	const uint8_t *keep;
	bool agnostic, multi;
	int64_t anchors, classes, limit, max_nms;
	float offset;
} Nms;

/* Candidates of one picture, in order of anchors, then of classes. */
static size_t
candidates(const Nms *m, const float *box, const float *score, Cand *cand)
{
	size_t n = 0;

	for (int64_t i = 0; i < m->anchors; i++, box += 4, score += m->classes) {
		int64_t best = 0;

		for (int64_t c = 1; c < m->classes; c++)
			if (score[c] > score[best])
				best = c;
		for (int64_t c = m->multi ? 0 : best; c < (m->multi ? m->classes : best + 1); c++) {
			if (!(score[c] > m->conf) || !m->keep[c])
				continue;

			Cand *x = &cand[n];
			float shift = m->agnostic ? 0 : (float)c * m->offset;

			*x = (Cand){ .conf = score[c], .index = (int32_t)(i * m->classes + c), .order = (int32_t)n };
			for (int k = 0; k < 4; k++)
				x->box[k] = box[k] + shift;
			x->area = (x->box[2] - x->box[0]) * (x->box[3] - x->box[1]);
			n++;
		}
	}
	return n;
}

/* Most confident first; whatever overlaps one that stays goes. */
static void
suppress(const Nms *m, Cand *cand, size_t n, int32_t *out)
{
	Cand *kept = cand;              /* those that stay move to the front */
	int64_t count = 0;

	qsort(cand, n, sizeof(*cand), by_conf);
	for (size_t i = 0; i < n && (int64_t)i < m->max_nms && count < m->limit; i++) {
		bool stays = true;

		for (int64_t k = 0; k < count && stays; k++)
			stays = !overlaps(&kept[k], &cand[i], m->iou);
		if (stays) {
			out[count] = cand[i].index;
			kept[count++] = cand[i];
		}
	}
}

bool
eval_nms(Eval *e)
{
	const Type *st = &e->arg[1]->type;
	const float *box = widen(e->a, e->arg[0]), *score = widen(e->a, e->arg[1]);
	int64_t k = e->out->type.dim[1], limit = *(const int32_t *)e->arg[6]->data;
	int32_t *out = e->out->data;
	Nms m = {
		.conf = *(const float *)widen(e->a, e->arg[2]),
		.iou = *(const double *)e->arg[3]->data,
		.keep = e->arg[4]->data,
		.agnostic = *(const int32_t *)e->arg[5]->data,
		.multi = attr_int(e->n, A_multi_label, 0),
		.anchors = st->dim[1], .classes = st->dim[2],
		.limit = MAX(0, MIN(limit, k)),
		.max_nms = attr_int(e->n, A_max_nms, 30000),
		.offset = (float)attr_real(e->n, A_offset, 7680),
	};
	Cand *cand = NEWN(e->a, Cand, (size_t)(m.anchors * (m.multi ? m.classes : 1)) + 1);

	for (int64_t n = 0; n < st->dim[0]; n++, out += k) {
		for (int64_t i = 0; i < k; i++)
			out[i] = -1;
		suppress(&m, cand, candidates(&m, box + n * m.anchors * 4, score + n * m.anchors * m.classes, cand), out);
	}
	return true;
}

/* ---- store -------------------------------------------------------------------------------- */

/* What the state is afterwards.  Keeping it for the next run is the caller's business. */
bool
eval_store(Eval *e)
{
	memcpy(e->out->data, e->arg[1]->data, (size_t)type_bytes(&e->out->type));
	return true;
}
