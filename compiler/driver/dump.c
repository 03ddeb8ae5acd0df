/* dump.c -- `yolo12c dump`: any stage of the compiler as text.
 *
 *     ast                   of the spec's own file
 *     graph                 right after elaboration
 *     fold_bn … schedule    after that pass (passes.def)
 *     kept                  what stays f32 under precision=, and why: the words of the pass precision
 *     plan                  chart of the arena; out=x.svg: drawn; out=x.g: the graphs' text
 *     kir                   kernels and launches
 *     ll, ll_opt, asm, ptx  of kernel=NAME, or of all kernels
 *
 * What out= writes, `run` reads, and `dump` can take further: model=x.g.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "backend/backend.h"
#include "driver/inner.h"
#include "driver/stage.h"
#include "driver/verb.h"
#include "dsl/ast.h"

typedef bool DumpFn(const Options *o, Diag *d, Stage *s);

/* The file of out=, or standard output. */
static bool
begin(const Options *o, Diag *d, FileOut *f)
{
	const char *err = NULL;

	*f = (FileOut){ .f = stdout };
	if (o->out && (err = fileout_open(o->a, f, o->out)))
		diag_error(d, (Span){ 0 }, "write", "%s", err);
	return !err;
}

static bool
end(const Options *o, Diag *d, FileOut *f)
{
	const char *err = o->out ? fileout_commit(f) : NULL;

	if (err)
		diag_error(d, (Span){ 0 }, "write", "%s", err);
	return !err;
}

static bool
dump_ast(const Options *o, Diag *d, Stage *s)
{
	size_t ndirs;
	const char *const *dirs = library_dirs(o->a, &ndirs);
	Module *m;
	FileOut f;

	(void)s;                /* not opened: a syntax tree needs no elaboration */
	if (!(m = dsl_load(o->a, d, model_path(o->a, o->model), dirs, ndirs)) || diag_errors(d) || !begin(o, d, &f))
		return false;
	ast_dump(f.f, m->ast);
	return end(o, d, &f);
}

static bool
dump_graph(const Options *o, Diag *d, Stage *s)
{
	const char *pass = strcmp(o->stage, "graph") == 0 ? NULL : o->stage;

	if (!pass && s->done) {
		diag_error(d, (Span){ 0 }, "stage-behind", "%s is already behind %s", s->path, s->done->name);
		return false;
	}
	return stage_graphs(o->a, d, s, pass) && stage_write(o->a, d, s, o->out);
}

static bool
dump_kept(const Options *o, Diag *d, Stage *s)
{
	const PassInfo *before = pass_named("precision") - 1;
	FileOut f;

	if (s->done && s->done > before) {
		diag_error(d, (Span){ 0 }, "stage-behind", "%s is already behind precision: %s", s->path, s->done->name);
		return false;
	}
	if (s->done != before && !stage_graphs(o->a, d, s, before->name))
		return false;
	if (compute_of(&s->o) == DT_F32 && !s->o.tf32) {
		diag_error(d, (Span){ 0 }, "option", "all is f32: write precision=f16, bf16 or tf32, and target=sm_80 or another GPU");
		return false;
	}
	if (!begin(o, d, &f))
		return false;
	s->o.log = f.f;
	if (!stage_graphs(o->a, d, s, "precision")) {
		if (o->out)
			fileout_abandon(&f);
		return false;
	}
	return end(o, d, &f);
}

static bool
dump_plan(const Options *o, Diag *d, Stage *s)
{
	bool svg = o->out && ends_with(o->out, ".svg");
	FileOut f;

	if (o->out && ends_with(o->out, ".g"))
		return dump_graph(o, d, s);
	if (!stage_graphs(o->a, d, s, "plan"))
		return false;
	if (svg && s->c.module->graph.n > 1) {
		diag_error(d, (Span){ 0 }, "entry-missing", "a drawing shows one entry: write entry=%s", s->c.module->graph.p[0]->name);
		return false;
	}
	if (!begin(o, d, &f))
		return false;
	for (size_t i = 0; i < s->c.module->graph.n; i++) {
		if (svg) {
			plan_svg(f.f, s->c.module->graph.p[i]);
			continue;
		}
		fprintf(f.f, "%s%s\n", i ? "\n" : "", s->c.module->graph.p[i]->name);
		plan_print(f.f, s->c.module->graph.p[i]);
	}
	return end(o, d, &f);
}

static bool
dump_kir(const Options *o, Diag *d, Stage *s)
{
	return stage_program(o->a, d, s) && stage_write(o->a, d, s, o->out);
}

/* One kernel after the front half of its back end, or all of it. */
static const char *
code_text(const Options *o, const Stage *s, const Kernel *k, const char **err)
{
	const Target *t = s->o.target ? s->o.target : target_host();
	bool ll = strcmp(o->stage, "ll") == 0, opt = strcmp(o->stage, "ll_opt") == 0;

	if (t->kind == TARGET_GPU)
		return nvptx_text(o->a, t, k, ll ? NV_TEXT_LL : opt ? NV_TEXT_LL_OPT : NV_TEXT_PTX,
		                  &(NvOptions){ .pdl = o->pdl && t->has & GPU_PDL }, err);
	return host_text(o->a, t, k, ll ? HOST_TEXT_LL : opt ? HOST_TEXT_LL_OPT : HOST_TEXT_ASM, err);
}

static bool
dump_code(const Options *o, Diag *d, Stage *s)
{
	const char *err = NULL, *text;
	size_t shown = 0;
	FileOut f;

	if (!stage_program(o->a, d, s) || !begin(o, d, &f))
		return false;
	if (strcmp(o->stage, "ptx") == 0 && (!s->o.target || s->o.target->kind != TARGET_GPU))
		err = "ptx is for GPUs: write target=sm_90a";
	for (size_t i = 0; i < s->c.program->kernel.n && !err; i++) {
		const Kernel *k = s->c.program->kernel.p[i];

		if (o->kernel && strcmp(o->kernel, k->name) != 0)
			continue;
		if ((text = code_text(o, s, k, &err)))
			fprintf(f.f, "%s%s", shown++ ? "\n" : "", text);
	}
	if (!err && !shown && o->kernel) {
		const char **name = NEWN(o->a, const char *, s->c.program->kernel.n), *near;

		for (size_t i = 0; i < s->c.program->kernel.n; i++)
			name[i] = s->c.program->kernel.p[i]->name;
		near = did_you_mean(o->kernel, name, s->c.program->kernel.n);
		diag_error(d, (Span){ 0 }, "kernel-unknown", near ? "there is no kernel %s; did you mean %s?" : "there is no kernel %s",
		           o->kernel, near);
	}
	if (err)
		diag_error(d, (Span){ 0 }, "backend-failed", "%s", err);
	if (diag_errors(d)) {
		if (o->out)
			fileout_abandon(&f);
		return false;
	}
	return end(o, d, &f);
}

/* before and after the passes */
static const struct { const char *name; DumpFn *dump; } stages[] = {
	{ "ast", dump_ast }, { "graph", dump_graph }, { "kept", dump_kept }, { "plan", dump_plan },
	{ "kir", dump_kir }, { "ll", dump_code }, { "ll_opt", dump_code }, { "asm", dump_code }, { "ptx", dump_code },
};

static DumpFn *
find_stage(const Options *o, Text *known)
{
	const char *name[COUNT(stages) + 32], *near;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(stages); i++) {
		if (strcmp(o->stage, stages[i].name) == 0)
			return stages[i].dump;
		name[n++] = stages[i].name;
	}
	if (pass_named(o->stage))
		return dump_graph;
	for (size_t i = 0; i < pass_count && n < COUNT(name); i++)
		name[n++] = pass_info[i].name;
	if ((near = did_you_mean(o->stage, name, n)))
		text_printf(known, "; did you mean %s?", near);
	else
		for (size_t i = 0; i < n; i++)
			text_printf(known, "%s%s", i ? ", " : "; there are ", name[i]);
	return NULL;
}

int
verb_dump(const Options *o)
{
	Diag *d = diag_new(o->a);
	Text known = { .a = o->a };
	CompileOptions co;
	DumpFn *dump;
	Stage s = { 0 };

	if (!verb_needs(o, KEY_model, KEY_stage))
		return EXIT_USAGE;
	if (!(dump = find_stage(o, &known)))
		return verb_usage(o, "there is no stage %s%s", o->stage, text_str(&known));
	if (verb_compile_options(o, d, &co)) {
		co.verify = true;
		if (dump == dump_ast || stage_open(o->a, d, o->model, &co, &s))
			dump(o, d, &s);
	}
	stage_close(&s);
	return verb_end(d);
}
