/* fit.c -- the numbers of a letterbox, from the size of a picture that is known only
 * when it runs.  Meanings and arithmetic (double, ties to even) are fit_numbers()'s in
 * graph/eval: this is that function in kernel IR.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower/gen.h"

void
choose_fit(Arena *a, const Graph *g, const Target *t, Group *gr, int *pack)
{
	(void)a, (void)g, (void)t, (void)gr, (void)pack;
}

bool
lower_fit(LowerCtx *cx, uint32_t group, LoweredList *out, const char **err)
{
	const Group *gr = &cx->g->group.p[group];
	const Node *n = graph_node(cx->g, gr->root);
	Gen gen, *z = &gen;
	KBuild *b;
	KType d = kt(KS_F64, 1);
	Reg fit[FIT_COUNT], size[2], dim[2], half, tenth, one, task[3];
	double target[2], frame[2];
	uint32_t dims;

	if (gr->out != gr->root) {
		*err = arena_printf(cx->a, "fit %%%u: no kernel with work after it", gr->root);
		return false;
	}
	for (int i = 0; i < 2; i++) {
		target[i] = (double)attr_ints(n, A_target, i, 0);
		frame[i] = (double)attr_ints(n, A_frame, i, 0);
	}
	gen_begin(z, cx, group, arena_printf(cx->a, "fit_%dx%d", (int)frame[0], (int)frame[1]));
	b = z->b;
	gen_tasks(z, 1, 1, 1, task);
	dims = gen_dims(z, n->arg[0]);
	half = k_real(b, d, 0.5);
	tenth = k_real(b, d, 0.1);
	one = k_real(b, d, 1);
	for (int i = 0; i < 2; i++)     /* height, width */
		dim[i] = k_cast(b, KS_F64, k_load(b, dims, k_ix(b, i), 1));
	fit[FIT_SRC_H] = dim[0];
	fit[FIT_SRC_W] = dim[1];
	fit[FIT_R] = k_op(b, K_min, k_op(b, K_div, k_real(b, d, target[0]), dim[0], 0),
	                  k_op(b, K_div, k_real(b, d, target[1]), dim[1], 0), 0);
	if (!attr_int(n, A_scaleup, 1))
		fit[FIT_R] = k_op(b, K_min, fit[FIT_R], one, 0);
	fit[FIT_BACK_GAIN] = k_op(b, K_min, k_op(b, K_div, k_real(b, d, frame[0]), dim[0], 0),
	                          k_op(b, K_div, k_real(b, d, frame[1]), dim[1], 0), 0);
	for (int i = 0; i < 2; i++) {
		Reg f = k_real(b, d, frame[i]), gap, back;

		size[i] = k_op(b, K_max, one, k_op(b, K_round, k_mul(b, dim[i], fit[FIT_R]), 0, 0), 0);
		gap = k_mul(b, k_sub(b, f, size[i]), half);
		back = k_mul(b, k_sub(b, f, k_mul(b, dim[i], fit[FIT_BACK_GAIN])), half);
		fit[i ? FIT_W : FIT_H] = size[i];
		fit[i ? FIT_LEFT : FIT_TOP] = k_op(b, K_round, k_sub(b, gap, tenth), 0, 0);
		fit[i ? FIT_BACK_X : FIT_BACK_Y] = k_op(b, K_round, k_sub(b, back, tenth), 0, 0);
	}
	for (int i = 0; i < FIT_COUNT; i++)
		k_store(b, gen_buf(z, gr->out), k_ix(b, i * gen_node(z, gr->out)->place.stride[0]), fit[i]);
	gen_end(z, out);
	return true;
}
