/* eval_move.c -- ops that move elements and compute nothing.
 *
 * All are one walk over two strided tensors; an op only says which strides.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "graph/eval.h"

#define COPY_RUN(T)                                                                 \
	for (int64_t i = 0; i < w.len; i++)                                         \
		((T *)dst)[w.off[0] + i * w.step[0]] = ((const T *)src)[w.off[1] + i * w.step[1]]

void
eval_move(int rank, const int64_t *dim, size_t size, void *dst, const int64_t *dst_stride,
          const void *src, const int64_t *src_stride)
{
	Run w;

	run_begin(&w, rank, dim, 2, (const int64_t *const[]){ dst_stride, src_stride });
	while (run_next(&w))
		switch (size) {
		case 1: COPY_RUN(uint8_t); break;
		case 2: COPY_RUN(uint16_t); break;
		case 4: COPY_RUN(uint32_t); break;
		case 8: COPY_RUN(uint64_t); break;
		}
}

static size_t
element(const Eval *e)
{
	return (size_t)dtype_info[e->out->type.dt].bytes;
}

/* The result in C order, from element `base` of x by strides. */
static bool
move_from(Eval *e, const int64_t *src_stride, int64_t base)
{
	const Type *t = &e->out->type;
	int64_t s[MAX_RANK];

	type_strides(t, s);
	eval_move(t->rank, t->dim, element(e), e->out->data, s,
	          (const char *)e->arg[0]->data + (size_t)base * element(e), src_stride);
	return true;
}

bool
eval_reshape(Eval *e)
{
	memcpy(e->out->data, e->arg[0]->data, (size_t)type_bytes(&e->out->type));
	return true;
}

bool
eval_permute(Eval *e)
{
	int64_t xs[MAX_RANK], s[MAX_RANK];

	type_strides(&e->arg[0]->type, xs);
	for (int i = 0; i < e->out->type.rank; i++)
		s[i] = xs[attr_ints(e->n, A_axes, i, i)];
	return move_from(e, s, 0);
}

bool
eval_slice(Eval *e)
{
	int64_t s[MAX_RANK], axis = attr_int(e->n, A_axis, 0), base;

	if (type_count(&e->out->type) == 0)
		return true;
	type_strides(&e->arg[0]->type, s);
	base = attr_int(e->n, A_begin, 0) * s[axis];
	s[axis] *= attr_int(e->n, A_step, 1);
	return move_from(e, s, base);
}

bool
eval_concat(Eval *e)
{
	int64_t to[MAX_RANK], s[MAX_RANK], axis = attr_int(e->n, A_axis, 0), at = 0;

	type_strides(&e->out->type, to);
	for (int i = 0; i < e->n->narg; i++) {
		const Tensor *x = e->arg[i];

		type_strides(&x->type, s);
		eval_move(x->type.rank, x->type.dim, element(e),
		          (char *)e->out->data + (size_t)(at * to[axis]) * element(e), to, x->data, s);
		at += x->type.dim[axis];
	}
	return true;
}

bool
eval_broadcast(Eval *e)
{
	int64_t s[MAX_RANK];

	type_strides(&e->arg[0]->type, s);
	for (int i = 0; i < e->out->type.rank; i++)
		if (e->arg[0]->type.dim[i] != e->out->type.dim[i])
			s[i] = 0;
	return move_from(e, s, 0);
}

/* Rows and columns as (row of x, copy of it): the copies have stride 0. */
bool
eval_resize(Eval *e)
{
	const Type *x = &e->arg[0]->type;
	int64_t f = attr_int(e->n, A_factor, 1), xs[MAX_RANK], dim[MAX_RANK], s[MAX_RANK], to[MAX_RANK];
	int h = node_nhwc(e->n) ? 1 : 2, n = 0;

	type_strides(x, xs);
	for (int i = 0; i < 4; i++) {
		dim[n] = x->dim[i];
		s[n++] = xs[i];
		if (i == h || i == h + 1) {
			dim[n] = f;
			s[n++] = 0;
		}
	}

	Type t = type_of(x->dt, n, dim);

	type_strides(&t, to);
	eval_move(n, dim, element(e), e->out->data, to, e->arg[0]->data, s);
	return true;
}

bool
eval_iota(Eval *e)
{
	const Type *t = &e->out->type;
	int64_t s[MAX_RANK], axis = attr_int(e->n, A_axis, 0), n = type_count(t);

	type_strides(t, s);
	for (int64_t i = 0; i < n; i++) {
		int64_t x = i / s[axis] % t->dim[axis];

		switch (t->dt) {
		case DT_I64: ((int64_t *)e->out->data)[i] = x; break;
		case DT_U8:  ((uint8_t *)e->out->data)[i] = (uint8_t)x; break;
		default:     dtype_set(t->dt, e->out->data, (size_t)i, (double)x);
		}
	}
	return true;
}

/* An index outside of its dim is moved to the nearest inside. */
bool
eval_pick(Eval *e)
{
	const Type *x = &e->arg[0]->type, *t = &e->out->type;
	int64_t xs[MAX_RANK], ts[MAX_RANK], as[MAX_RANK];
	int64_t *from = arena_array(e->a, (size_t)type_count(t) + 1, sizeof *from);

	type_strides(x, xs);
	type_strides(t, ts);
	for (int k = 0; k < x->rank; k++) {
		const Tensor *at = e->arg[k + 1];
		const int32_t *index = at->data;
		Run w;

		type_strides(&at->type, as);
		for (int d = 0; d < t->rank; d++)
			if (at->type.dim[d] != t->dim[d])
				as[d] = 0;
		run_begin(&w, t->rank, t->dim, 2, (const int64_t *const[]){ ts, as });
		while (run_next(&w))
			for (int64_t i = 0; i < w.len; i++) {
				int64_t a = index[w.off[1] + i * w.step[1]];

				from[w.off[0] + i * w.step[0]] += MIN(MAX(a, 0), x->dim[k] - 1) * xs[k];
			}
	}
	for (int64_t i = 0; i < type_count(t); i++)
		memcpy((char *)e->out->data + (size_t)i * element(e),
		       (const char *)e->arg[0]->data + (size_t)from[i] * element(e), element(e));
	return true;
}

bool
eval_gather(Eval *e)
{
	const Type *x = &e->arg[0]->type;
	const int32_t *index = e->arg[1]->data;
	int64_t axis = attr_int(e->n, A_axis, 0), outer = 1, row = 1;
	int64_t have = x->dim[axis], want = e->out->type.dim[axis];
	char *to = e->out->data;

	for (int i = 0; i < axis; i++)
		outer *= x->dim[i];
	for (int i = (int)axis + 1; i < x->rank; i++)
		row *= x->dim[i];
	for (int64_t b = 0; b < outer; b++)
		for (int64_t k = 0; k < want; k++, to += (size_t)row * element(e)) {
			int64_t at = index[b * want + k];

			if (at >= have)
				return eval_error(e, "index %lld is past the last of %lld rows",
				                  (long long)at, (long long)have);
			if (at >= 0)
				memcpy(to, (const char *)e->arg[0]->data + (size_t)((b * have + at) * row) * element(e),
				       (size_t)row * element(e));
			else
				for (int64_t i = 0; i < row; i++)
					dtype_set(x->dt, to, (size_t)i, attr_real(e->n, A_fill, 0));
		}
	return true;
}
