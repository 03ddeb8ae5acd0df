/* host.h -- from a graph to a program, for the test and the bench of this folder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Y12_TESTS_MODELS_HOST_H
#define Y12_TESTS_MODELS_HOST_H

#include "backend/backend.h"
#include "elab/elab.h"
#include "engine/program.h"
#include "lower/lower.h"
#include "passes/passes.h"
#include "runtime/yolo12c.h"
#include "tests/elab/elab_test.h"

static inline void
lower_all(Arena *a, Graph *g, const Target *t, Program *p)
{
	PassCtx cx = { .target = t, .a = a, .diag = diag_new(a), .choose = lower_choose, .compute = DT_F32 };
	LowerCtx lc = { .a = a, .g = g, .target = t };
	const char *err = NULL;
	uint32_t entry;

	if (!passes_run(g, &cx, NULL, true, NULL, NULL, &err) || !program_add_entry(p, g, &entry, &err))
		fail_msg("%s", err);
	for (size_t i = 0; i < g->sched.n; i++) {
		LoweredList l = { 0 };

		if (!lower_group(&lc, g->sched.p[i], &l, &err))
			fail_msg("%s", err);
		for (size_t j = 0; j < l.l.n; j++) {
			Lowered *x = &l.l.p[j];
			ProgLaunch *to;

			if (!kernel_verify(x->kernel, &err))
				fail_msg("%s: %s", x->kernel->name, err);
			kernel_simplify(x->kernel);
			to = program_add_launch(p, entry, x->kernel, PHASE_NET, "");
			for (size_t k = 0; k < x->arg.n; k++) {
				const LaunchArg *la = &x->arg.p[k];
				const KBuf *b = &x->kernel->buf.p[k];

				vec_push(a, &to->arg, la->kind == ARG_VALUE ? program_value(p, entry, g, la->v)
					: la->kind == ARG_DIMS ? program_dims(p, entry, g, la->v)
					: la->kind == ARG_TMAP ? program_tmap(p, entry, g, la->v, b)
					: program_work(p, g, la->group, la->offset, b->count * dtype_info[b->dt].bytes));
			}
		}
	}
	if (!program_verify(p, &err))
		fail_msg("%s", err);
}

#endif
