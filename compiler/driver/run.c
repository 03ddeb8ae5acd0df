/* run.c -- `yolo12c run`: an entry of a network at any stage, on arrays from files.
 *
 *     yolo12c run x.g entry=forward input.image=x.npy output.boxes=y.npy backend=interp
 *
 *     backend   reads                      runs
 *     eval      spec, graphs               the reference evaluator
 *     interp    spec, graphs, program      the kernel interpreter
 *     host      all of them, and engines   machine code, on device=
 *
 * Any two stages and any two backends can so be compared on any input.  An input is a file, or
 * "random", or "random:SEED"; one with a default may be left out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>

#include "backend/backend.h"
#include "driver/npy.h"
#include "driver/stage.h"
#include "driver/tensors.h"
#include "driver/verb.h"

/* An input or output of the entry. */
typedef struct Port {
	const char *name;
	Type type;
	bool output, optional;
	Tensor t;               /* input without data: its default */
} Port;

typedef struct Run {
	const Options *o;
	Diag *d;
	Stage s;
	const char *entry;
	VEC(Port) port;         /* inputs, then outputs */
	size_t nin;
	const Graph *g;         /* eval */
	y12_engine *eng;        /* host */
} Run;

static bool
failed(Run *r, const char *slug, const char *err)
{
	diag_error(r->d, (Span){ 0 }, slug, "%s", err);
	return false;
}

/* ---- backends ------------------------------------------------------------------------- */

/* entry=, or the only one */
static bool
choose_entry(Run *r, const char *const *name, size_t n)
{
	Text t = { .a = r->o->a };

	for (size_t i = 0; i < n; i++) {
		if (r->o->entry && strcmp(r->o->entry, name[i]) == 0)
			return r->entry = name[i], true;
		text_printf(&t, "%s%s", i ? ", " : "", name[i]);
	}
	if (!r->o->entry && n == 1)
		return r->entry = name[0], true;
	return failed(r, "entry-missing", arena_printf(r->o->a, r->o->entry ? "%s: there is no entry %s; it has: %s"
	                                               : "%s: which entry?%s write entry= and one of: %s", r->s.path,
	                                               r->o->entry ? r->o->entry : "", text_str(&t)));
}

static void
add_port(Run *r, const char *name, Type type, bool output, bool optional)
{
	if (!name)
		name = arena_printf(r->o->a, "output%zu", r->port.n - r->nin);
	vec_push(r->o->a, &r->port, ((Port){ .name = name, .type = type, .output = output, .optional = optional }));
	r->nin += !output;
}

static bool
open_eval(Run *r)
{
	const GraphModule *m;
	const char **name;

	if (!stage_graphs(r->o->a, r->d, &r->s, NULL))
		return false;
	m = r->s.c.module;
	name = NEWN(r->o->a, const char *, m->graph.n + 1);
	for (size_t i = 0; i < m->graph.n; i++)
		name[i] = m->graph.p[i]->name;
	if (!choose_entry(r, name, m->graph.n))
		return false;
	r->g = module_entry(m, r->entry);
	for (size_t i = 0; i < r->g->input.n; i++) {
		const Node *n = graph_node(r->g, r->g->input.p[i]);

		add_port(r, n->name, n->type, false, n->data != NULL);
	}
	for (size_t i = 0; i < r->g->output.n; i++)
		add_port(r, r->g->output.p[i].name, graph_node(r->g, r->g->output.p[i].v)->type, true, false);
	return true;
}

static bool
open_interp(Run *r)
{
	const Program *p;
	const char **name;

	if (!stage_program(r->o->a, r->d, &r->s) || !stage_has_values(r->d, &r->s))
		return false;
	p = r->s.c.program;
	name = NEWN(r->o->a, const char *, p->entry.n + 1);
	for (size_t i = 0; i < p->entry.n; i++)
		name[i] = p->entry.p[i].name;
	if (!choose_entry(r, name, p->entry.n))
		return false;
	for (size_t i = 0; i < p->entry.n; i++)
		for (size_t k = 0; p->entry.p[i].name == r->entry && k < p->entry.p[i].tensor.n; k++) {
			const ProgTensor *t = &p->entry.p[i].tensor.p[k];

			add_port(r, t->name, t->type, t->output, !t->output && t->offset >= 0);
		}
	return true;
}

static bool
open_host(Run *r)
{
	y12_options opt = { .device = r->o->device, .threads = (int)r->o->threads, .cache_dir = cache_dir_default(r->o->a) };
	VEC(const char *) name = { 0 };
	y12_io io;

	if (!stage_engine(r->o->a, r->d, &r->s))
		return false;
	if (!verb_open(r->d, r->s.c.image, r->s.c.image_bytes, &opt, &r->eng))
		return false;
	for (const char *s; (s = y12_entry_name(r->eng, name.n)); )
		vec_push(r->o->a, &name, s);
	if (!choose_entry(r, name.p, name.n))
		return false;
	for (size_t i = 0; y12_entry_io(r->eng, r->entry, i, &io); i++)
		add_port(r, io.name, io_type(&io), io.output, io.optional);
	return true;
}

static void
tensors(const Run *r, Tensor *in, Tensor *out)
{
	for (size_t i = 0; i < r->port.n; i++)
		*(i < r->nin ? &in[i] : &out[i - r->nin]) = r->port.p[i].t;
}

static bool
run_eval(Run *r, const Tensor *in, Tensor *out, const char **err)
{
	return eval_graph(r->o->a, r->g, in, out, NULL, NULL, err);
}

static bool
run_interp(Run *r, const Tensor *in, Tensor *out, const char **err)
{
	return program_interpret(r->s.c.program, r->entry, in, out, r->o->a, err);
}

static bool
run_host(Run *r, const Tensor *in, Tensor *out, const char **err)
{
	y12_tensor *io = NEWN(r->o->a, y12_tensor, r->port.n);
	size_t n = 0;

	for (size_t i = 0; i < r->port.n; i++) {
		const Port *p = &r->port.p[i];
		Tensor *t = p->output ? &out[i - r->nin] : (Tensor *)&in[i];

		if (p->output)
			*t = (Tensor){ p->type, arena_alloc(r->o->a, (size_t)type_bytes(&p->type) + 1) };
		if (t->data)
			io[n++] = io_tensor(p->name, t);
	}
	if (y12_run(r->eng, r->entry, io, n) == Y12_OK)
		return true;
	*err = arena_str(r->o->a, y12_message(r->eng));
	return false;
}

static const struct Backend {
	const char *name;
	bool (*open)(Run *r);
	bool (*run)(Run *r, const Tensor *in, Tensor *out, const char **err);
} backends[] = {
	{ "eval", open_eval, run_eval }, { "interp", open_interp, run_interp }, { "host", open_host, run_host },
};

/* ---- inputs ------------------------------------------------------------------------------- */

static bool
fits(const Type *want, const Type *is)
{
	bool same = want->dt == is->dt && want->rank == is->rank;

	for (int i = 0; i < is->rank && same; i++)
		same = want->dim[i] < 0 ? is->dim[i] > 0 : want->dim[i] == is->dim[i];
	return same;
}

/* The file of KEY.NAME=, or of KEY= where there is but one tensor of that kind. */
static const char *
value_of(const Run *r, const char *key, const char *only, const Port *p)
{
	size_t n = p->output ? r->port.n - r->nin : r->nin;

	for (size_t i = 0; i < r->o->port.n; i++) {
		const char *k = r->o->port.p[i].key;
		size_t len = strlen(key);

		if (strncmp(k, key, len) == 0 && k[len] == '.' && strcmp(k + len + 1, p->name) == 0)
			return r->o->port.p[i].value;
	}
	/* the only one that must be there counts as the only one */
	for (size_t i = 0; i < r->nin && !p->output && n > 1; i++)
		n -= r->port.p[i].optional;
	return n == 1 && !p->optional ? only : NULL;
}

/* Names that no tensor has. */
static bool
check_names(Run *r)
{
	const char **name = NEWN(r->o->a, const char *, r->port.n + 1);

	for (size_t i = 0; i < r->o->port.n; i++) {
		const char *key = r->o->port.p[i].key, *want = strchr(key, '.') + 1, *near;
		bool output = strncmp(key, "input.", 6) != 0, found = false;
		size_t n = 0;

		for (size_t k = 0; k < r->port.n; k++)
			if (r->port.p[k].output == output) {
				name[n++] = r->port.p[k].name;
				found |= strcmp(want, r->port.p[k].name) == 0;
			}
		near = did_you_mean(want, name, n);
		if (!found)
			diag_error(r->d, (Span){ 0 }, "tensor-unknown", near ? "entry %s has no %s %s; did you mean %s?" :
			           "entry %s has no %s %s", r->entry, output ? "output" : "input", want, near);
	}
	for (size_t i = 0; i < 3; i++) {
		const char *const given[] = { r->o->input, r->o->output, r->o->compare };
		static const char *const key[] = { "input", "output", "compare" };
		bool used = !given[i];

		for (size_t k = 0; k < r->port.n && !used; k++)
			used = r->port.p[k].output == (i > 0) && value_of(r, key[i], given[i], &r->port.p[k]) == given[i];
		if (!used)
			diag_error(r->d, (Span){ 0 }, "tensor-name", "entry %s has several %ss: write %s.NAME=%s", r->entry,
			           i ? "output" : "input", key[i], given[i]);
	}
	return !diag_errors(r->d);
}

static bool
read_inputs(Run *r)
{
	for (size_t i = 0; i < r->nin; i++) {
		Port *p = &r->port.p[i];
		const char *path = value_of(r, "input", r->o->input, p), *err;

		if (!path && p->optional)
			continue;
		if (!path)
			diag_error(r->d, (Span){ 0 }, "input-missing", "input %s is missing: write input.%s=FILE.npy (%s), or input.%s=random",
			           p->name, p->name, type_text(r->o->a, &p->type), p->name);
		else if (strncmp(path, "random", 6) == 0 && (!path[6] || path[6] == ':'))
			p->t = noise_tensor(r->o->a, &p->type, path[6] ? path + 7 : "0", (const int64_t[]){ 45, 60 });
		else if ((err = npy_read(r->o->a, path, &p->t)))
			diag_error(r->d, (Span){ 0 }, "file", "%s", err);
		else if (!fits(&p->type, &p->t.type))
			diag_error(r->d, (Span){ 0 }, "input-type", "%s is %s, but input %s is %s", path, type_text(r->o->a, &p->t.type),
			           p->name, type_text(r->o->a, &p->type));
	}
	return !diag_errors(r->d);
}

/* ---- outputs -------------------------------------------------------------------------------- */

static void
show(const Run *r, const Port *p)
{
	double lo = INFINITY, hi = -INFINITY, sum = 0;
	int64_t n = type_count(&p->t.type);

	for (int64_t i = 0; i < n; i++) {
		double x = dtype_get(p->t.type.dt, p->t.data, (size_t)i);

		lo = fmin(lo, x);
		hi = fmax(hi, x);
		sum += x;
	}
	printf("%-12s %s", p->name, type_text(r->o->a, &p->t.type));
	if (n)
		printf("  min %.6g  mean %.6g  max %.6g", lo, sum / (double)n, hi);
	putchar('\n');
}

/* False: it differs by more than tol=. */
static bool
compare(const Run *r, const Port *p, const char *path)
{
	double most = 0, square = 0, whole = 0, largest = 0;
	int64_t n = type_count(&p->t.type);
	const char *err;
	Tensor ref;
	bool ok;

	if ((err = npy_read(r->o->a, path, &ref)))
		return failed((Run *)r, "file", err);
	ok = ref.type.rank == p->t.type.rank && memcmp(ref.type.dim, p->t.type.dim, sizeof(int64_t) * (size_t)ref.type.rank) == 0;
	if (!ok) {
		printf("%-12s differs from %s: it is %s there\n", p->name, path, type_text(r->o->a, &ref.type));
		return false;
	}
	for (int64_t i = 0; i < n; i++) {
		double x = dtype_get(p->t.type.dt, p->t.data, (size_t)i), y = dtype_get(ref.type.dt, ref.data, (size_t)i);
		double diff = x == y || (isnan(x) && isnan(y)) ? 0 : fabs(x - y);

		if (isnan(diff))
			diff = INFINITY;
		most = fmax(most, diff);
		square += diff * diff;
		if (isfinite(y)) {
			whole += y * y;
			largest = fmax(largest, fabs(y));
		}
	}
	ok = most <= r->o->tol * fmax(1, largest);
	printf("%-12s %s %s: max abs %.3g, relative l2 %.3g\n", p->name, ok ? "agrees with" : "differs from", path, most,
	       square > 0 ? sqrt(square / fmax(whole, 1e-300)) : 0);
	return ok;
}

/* Mismatches found. */
static int
take_outputs(Run *r)
{
	int wrong = 0;

	for (size_t i = r->nin; i < r->port.n; i++) {
		const Port *p = &r->port.p[i];
		const char *path, *err;

		show(r, p);
		if ((path = value_of(r, "output", r->o->output, p)) && (err = npy_write(r->o->a, path, &p->t)))
			failed(r, "write", err);
		if ((path = value_of(r, "compare", r->o->compare, p)))
			wrong += !compare(r, p, path);
	}
	return wrong;
}

int
verb_run(const Options *o)
{
	Run r = { .o = o, .d = diag_new(o->a) };
	const char *path = o->noperand ? o->operand[0] : o->model, *err = NULL;
	const struct Backend *b = NULL;
	Tensor *in, *out;
	CompileOptions co;
	int wrong = 0, code;

	if (!path)
		return verb_usage(o, "which file? write: yolo12c run FILE entry=…");
	for (size_t i = 0; i < COUNT(backends); i++)
		if (strcmp(backends[i].name, o->backend) == 0)
			b = &backends[i];
	if (!b)
		return verb_usage(o, "there is no backend %s; there are eval, interp and host", o->backend);
	if (verb_compile_options(o, r.d, &co) && stage_open(o->a, r.d, path, &co, &r.s) &&
	    b->open(&r) && check_names(&r) && read_inputs(&r)) {
		in = NEWN(o->a, Tensor, r.nin + 1);
		out = NEWN(o->a, Tensor, r.port.n - r.nin + 1);
		tensors(&r, in, out);
		if (b->run(&r, in, out, &err)) {
			for (size_t i = r.nin; i < r.port.n; i++)
				r.port.p[i].t = out[i - r.nin];
			wrong = take_outputs(&r);
		} else {
			failed(&r, "run-failed", arena_printf(o->a, "%s: %s", r.s.path, err));
		}
	}
	y12_engine_close(r.eng);
	stage_close(&r.s);
	code = verb_end(r.d);
	return code ? code : wrong ? EXIT_MISMATCH : EXIT_OK;
}
