/* compile.c -- the whole compiler, on one screen.
 *
 *     spec ─▶ AST ─▶ graphs ─▶ (weights) ─▶ passes ─▶ kernels ─▶ machine code ─▶ engine
 *
 * Each step is one call into the room that owns it, and leaves what it made in
 * *Compiled, so that `dump` and `run` can look at any stage.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <time.h>

#include "driver/compile.h"
#include "driver/inner.h"
#include "dsl/ast.h"
#include "elab/elab.h"
#include "lower/lower.h"
#include "passes/lanes.h"

double
stage_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void
stage_done(Compiled *c, const char *stage, double since)
{
	if (c->ntime < (int)COUNT(c->time)) {
		c->time[c->ntime].stage = stage;
		c->time[c->ntime++].seconds = stage_clock() - since;
	}
}

const Target *
target_of(const CompileOptions *o)
{
	return o->target ? o->target : target_host();
}

DType
compute_of(const CompileOptions *o)
{
	return o->compute ? o->compute : target_of(o)->kind == TARGET_GPU ? DT_F16 : DT_F32;
}

const char *
precision_of(const CompileOptions *o)
{
	return o->tf32 ? "tf32" : dtype_info[compute_of(o)].name;
}

bool
runs_beside(const CompileOptions *o)
{
	return target_of(o)->kind == TARGET_GPU && !o->no_lanes;
}

/* ---- front end: text and weights to graphs ------------------------------------------ */

bool
compile_front(Arena *a, Diag *d, const CompileOptions *o, Compiled *c)
{
	size_t ndirs;
	const char *const *dirs = library_dirs(a, &ndirs);
	ElabOptions eo = { .log = stderr };
	double start = stage_clock();
	uint64_t seed;
	bool noise = weights_are_random(o->weights, &seed);
	Module *m;
	Elab *e;

	if (o->weights && !noise && !(c->weights = weights_open(a, o->weights, d)))
		return false;
	if (!(m = dsl_load(a, d, model_path(a, o->model), dirs, ndirs)) || diag_errors(d))
		return false;
	eo.arg = model_args(a, o, c->weights, &eo.narg);
	eo.entry = o->entries;
	while (o->entries && o->entries[eo.nentry])
		eo.nentry++;
	if (c->weights && c->weights->names) {
		eo.names = c->weights->names;
		eo.nnames = (size_t)c->weights->nc;
	}
	if (!(e = elaborate(a, d, m, &eo)) || diag_errors(d))
		return false;
	c->elab = e;
	for (size_t i = 0; i < e->module->graph.n; i++)
		describe(a, e, o, e->module->graph.p[i]);
	if (c->weights && !weights_bind(a, e->module, c->weights, BIND_ALL, d))
		return false;
	if (noise)
		weights_random(a, e->module, seed);
	c->module = e->module;
	stage_done(c, "front", start);
	return true;
}

/* ---- middle: graphs to planned graphs, these to launches --------------------------------- */

bool
compile_passes(Arena *a, Diag *d, const CompileOptions *o, Compiled *c, const PassInfo *done)
{
	PassCtx cx = { .target = target_of(o), .a = a, .diag = d, .log = o->log, .choose = lower_choose,
	               .compute = compute_of(o), .tf32 = o->tf32, .beside = runs_beside(o) };
	const PassInfo *last = o->last_pass ? pass_named(o->last_pass) : &pass_info[pass_count - 1];
	double start = stage_clock();
	const char *err = NULL;
	bool ok = true, changed;

	for (size_t i = 0; i < c->module->graph.n && ok; i++) {
		Graph *g = c->module->graph.p[i];

		if (!done)
			ok = passes_run(g, &cx, o->last_pass, o->verify, o->after, o->after_user, &err);
		else
			for (const PassInfo *p = done + 1; p <= last && ok; p++)
				ok = pass_run(g, &cx, p, o->verify, &changed, &err);
	}
	if (!ok)
		diag_error(d, (Span){ 0 }, "pass-failed", "%s", err);
	stage_done(c, "passes", start);
	return ok;
}

/* What a launch reads and writes if each value passes once; of pictures of unknown size nothing counts. */
static int64_t
launch_bytes(const Graph *g, const Lowered *x)
{
	int64_t sum = 0;

	for (size_t k = 0; k < x->arg.n; k++) {
		const KBuf *b = &x->kernel->buf.p[k];

		if (x->arg.p[k].kind == ARG_VALUE || x->arg.p[k].kind == ARG_TMAP)
			sum += MAX(0, type_bytes(&graph_node(g, x->arg.p[k].v)->type));
		else if (x->arg.p[k].kind == ARG_WORK)
			sum += b->count * dtype_info[b->dt].bytes;
	}
	return sum;
}

ProgLaunch *
compile_launch(Program *p, uint32_t entry, const Graph *g, uint32_t group, const Lowered *x)
{
	ProgLaunch *to = program_add_launch(p, entry, x->kernel, phase_of(g, group), layer_of(g, group));

	for (size_t k = 0; k < x->arg.n; k++) {
		const LaunchArg *la = &x->arg.p[k];
		const KBuf *b = &x->kernel->buf.p[k];

		vec_push(p->a, &to->arg,
		         la->kind == ARG_VALUE ? program_value(p, entry, g, la->v)
		       : la->kind == ARG_DIMS ? program_dims(p, entry, g, la->v)
		       : la->kind == ARG_TMAP ? program_tmap(p, entry, g, la->v, b)
		       : program_work(p, g, la->group, la->offset, b->count * dtype_info[b->dt].bytes));
	}
	return to;
}

/* The launches of a group follow each other in its lane; the first waits for the last of others. */
static void
place_in_lane(Program *p, ProgLaunch *x, const LaneStep *s, const uint32_t *last, bool first)
{
	x->lane = s->lane;
	for (size_t i = 0; i < s->after.n && first; i++)
		vec_push(p->a, &x->after, last[s->after.p[i]]);
}

static bool
kernels_of(Compiled *c, const Graph *g, const Target *t, bool beside, const char **err)
{
	Program *p = c->program;
	LowerCtx cx = { .a = p->a, .g = g, .target = t };
	const LaneStep *lanes = beside ? lanes_find(p->a, g, Y12E_LANES) : NULL;
	uint32_t entry, *last = NEWN(p->a, uint32_t, g->sched.n);

	if (!program_add_entry(p, g, &entry, err))
		return false;
	for (size_t i = 0; i < g->sched.n; i++) {
		LoweredList l = { 0 };
		uint32_t group = g->sched.p[i];

		if (!lower_group(&cx, group, &l, err))
			return false;
		for (size_t j = 0; j < l.l.n; j++) {
			ProgLaunch *x;

			kernel_simplify(l.l.p[j].kernel);
			x = compile_launch(p, entry, g, group, &l.l.p[j]);
			if (lanes)
				place_in_lane(p, x, &lanes[i], last, j == 0);
			vec_push(p->a, &c->launch_group, group);
			vec_push(p->a, &c->launch_bytes, launch_bytes(g, &l.l.p[j]));
		}
		last[i] = (uint32_t)p->entry.p[entry].launch.n - 1;
	}
	return true;
}

bool
compile_program(Arena *a, Diag *d, const CompileOptions *o, Compiled *c)
{
	double start = stage_clock();
	const char *err = NULL;

	c->program = program_new(a);
	for (size_t i = 0; i < c->module->graph.n; i++)
		if (!kernels_of(c, c->module->graph.p[i], target_of(o), runs_beside(o), &err))
			return diag_error(d, (Span){ 0 }, "cannot-lower", "%s", err), false;
	if (!program_verify(c->program, &err))
		return diag_error(d, (Span){ 0 }, "program-invalid", "%s", err), false;
	stage_done(c, "kernels", start);
	return true;
}

/* ---- all of it ----------------------------------------------------------------------------- */

bool
compile(Arena *a, Diag *d, const CompileOptions *o, Compiled *c)
{
	memset(c, 0, sizeof *c);
	if (!compile_front(a, d, o, c) || !compile_passes(a, d, o, c, NULL))
		return false;
	if (o->last_pass || !o->weights)
		return true;
	return compile_program(a, d, o, c) && (o->no_code || compile_code(a, d, o, c));
}
