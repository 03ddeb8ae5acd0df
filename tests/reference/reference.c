/* reference.c -- networks with more outputs, hash weights, tables of numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "reference.h"

#include "driver/npy.h"

/* ---- files --------------------------------------------------------------------------- */

const char *
in_source(Arena *a, const char *path)
{
	const char *dir = getenv("srcdir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", path);
}

const char *
in_build(Arena *a, const char *path)
{
	const char *dir = getenv("builddir");

	return arena_printf(a, "%s/%s", dir ? dir : ".", path);
}

const char *
reference(Arena *a, const char *path)
{
	const char *root = getenv("Y12_REFERENCE");
	const char *file = arena_printf(a, "%s/%s", root ? root : in_source(a, "../shared/reference"), path);

	if (access(file, R_OK) == 0)
		return file;
	printf("skipped: there is no %s (Y12_REFERENCE names the folder of reference data)\n", file);
	arena_free(a);
	skip();
	return NULL;
}

json_t *
json_file(const char *path)
{
	json_error_t err;
	json_t *j = json_load_file(path, 0, &err);

	if (!j)
		fail_msg("%s: %s", path, err.text);
	return j;
}

double
json_number(const json_t *o, const char *key)
{
	json_t *x = json_object_get(o, key);

	if (!x)
		fail_msg("there is no %s", key);
	return json_is_boolean(x) ? json_is_true(x) : json_number_value(x);
}

Tensor
npy_file(Arena *a, const char *path)
{
	Tensor t;
	const char *err = npy_read(a, path, &t);

	if (err)
		fail_msg("%s", err);
	return t;
}

/* ---- hash weights ------------------------------------------------------------------------ */

uint32_t
hash_word(uint64_t j, uint64_t k)
{
	uint32_t x = (uint32_t)(j * 2654435761u + k * 40503 + 12345);

	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	return x ^ x >> 16;
}

double
hash_unit(uint64_t j, uint64_t k)
{
	return hash_word(j, k) / 4294967296.0;
}

static bool
ends(const char *s, const char *with)
{
	size_t n = strlen(s), m = strlen(with);

	return n >= m && !strcmp(s + n - m, with);
}

/* One rule a kind of parameter: value = (u - shift) * scale, u in 0..1; the first row that fits. */
static void
rule_of(const ElabParam *p, double *shift, double *scale)
{
	static const struct { const char *end; double shift, scale; } rule[] = {
		{ "proj.bn.weight", 0, 0.3 }, { "mlp.1.bn.weight", 0, 0.3 }, { "running_var", -0.75, 0.4 },
		{ "bn.weight", -0.5, 1 }, { "gamma", 0, 0.5 }, { "", 0.5, 0.2 },
	};
	size_t i = 0;

	*shift = 0.5;
	*scale = 2 * sqrt(3.0 / (double)(p->type.dim[1] * p->type.dim[2] * p->type.dim[3]));
	if (p->type.rank == 4)
		return;
	while (!ends(p->name, rule[i].end))
		i++;
	*shift = rule[i].shift;
	*scale = rule[i].scale;
}

static void *
hash_values(Arena *a, const ElabParam *p, uint64_t row)
{
	int64_t n = type_count(&p->type);
	char *x = arena_alloc(a, (size_t)type_bytes(&p->type) + 8);
	double shift, scale;

	if (ends(p->name, "num_batches_tracked") || ends(p->name, "dfl.conv.weight")) {
		for (int64_t k = 0; k < n; k++)
			dtype_set(p->type.dt, x, (size_t)k, ends(p->name, "tracked") ? 0 : (double)k);
		return x;
	}
	assert_int_equal(p->type.dt, DT_F32);
	rule_of(p, &shift, &scale);
	for (int64_t k = 0; k < n; k++)
		((float *)x)[k] = (float)((hash_unit(row, (uint64_t)k) - shift) * scale);
	return x;
}

static void
bind_hash(Arena *a, const Elab *e, Graph *g)
{
	Map *row = map_new(a);

	for (size_t i = 0; i < e->param.n; i++)
		map_set(row, e->param.p[i].name, &e->param.p[i]);
	for (size_t v = 1; v < g->node.n; v++) {
		Node *n = &g->node.p[v];
		const ElabParam *p = n->op == OP_param ? map_get(row, n->name) : NULL;

		if (p)
			n->data = hash_values(a, p, (uint64_t)(p - e->param.p));
	}
}

/* ---- networks ------------------------------------------------------------------------------ */

static Val
value_named(const Graph *g, const char *name)
{
	for (Val v = 1; v < g->node.n; v++)
		if (g->node.p[v].name && strcmp(g->node.p[v].name, name) == 0)
			return v;
	return 0;
}

/* A value has one name: that of a sequence keeps the name of its last part, that of a block's last part the name
 * of the block. */
static void
add_output(Net *n, Graph *g, const char *name)
{
	const char *dot = strrchr(name, '.');
	Val v = value_named(g, name);

	v = v ? v : value_named(g, arena_printf(n->a, "%s.1", name));
	v = v ? v : value_named(g, arena_strn(n->a, name, (size_t)(dot - name)));
	if (!v)
		fail_msg("no value has the name %s", name);
	vec_push(n->a, &g->output, ((Output){ .name = name, .v = v }));
}

static void
must(bool ok, const Net *n)
{
	if (ok && !diag_errors(n->d))
		return;
	diag_print(n->d, stdout, false);
	fail_msg("the network can't be compiled");
}

Net
net_open(const NetSpec *s)
{
	Net n = { .a = arena_new(), .entry = s->entry };
	KeyValue classes = { "classes", s->classes };
	const char *entries[] = { s->entry, NULL };
	CompileOptions o = {
		.model = in_source(n.a, "models/yolov12.y12"), .weights = s->weights, .scale = s->scale,
		.frame = { s->frame[0], s->frame[1] }, .batch = s->batch ? s->batch : 1, .entries = entries, .verify = true,
		.params = &classes, .nparams = s->classes != NULL,
	};
	Graph *g;

	n.d = diag_new(n.a);
	must(compile_front(n.a, n.d, &o, &n.c), &n);
	g = n.c.module->graph.p[0];
	if (!s->weights)
		bind_hash(n.a, n.c.elab, g);
	for (size_t i = 0; s->layers && i < n.c.elab->layer.n; i++)
		if (n.c.elab->layer.p[i].out.n == 1)
			add_output(&n, g, n.c.elab->layer.p[i].path);
	for (size_t i = 0; s->inner && s->inner[i]; i++)
		add_output(&n, g, s->inner[i]);
	graph_order(g);
	must(compile_passes(n.a, n.d, &o, &n.c, NULL), &n);
	must(compile_program(n.a, n.d, &o, &n.c), &n);
	must(compile_code(n.a, n.d, &o, &n.c), &n);
	if (y12_engine_open_memory(n.c.image, n.c.image_bytes, NULL, &n.eng))
		fail_msg("%s", y12_message(n.eng));
	return n;
}

void
net_close(Net *n)
{
	y12_engine_close(n->eng);
	weights_close(n->c.weights);
	arena_free(n->a);
}

static const Graph *
graph_of(const Net *n)
{
	return n->c.module->graph.p[0];
}

size_t
net_outputs(const Net *n)
{
	return graph_of(n)->output.n;
}

const char *
net_output_name(const Net *n, size_t i)
{
	y12_io io;

	assert_true(y12_entry_io(n->eng, n->entry, graph_of(n)->input.n + i, &io));
	assert_true(io.output);
	return io.name;
}

static y12_tensor
tensor_for(Net *n, const y12_io *io, void *data)
{
	y12_tensor t = { io->name, io->dtype, io->rank, { 0 }, data };
	int64_t count = 1;

	for (int i = 0; i < io->rank; i++)
		count *= t.dim[i] = io->dim[i];
	if (!data)
		t.data = arena_alloc(n->a, (size_t)count * 8);
	return t;
}

/* where net_run left the outputs, by name */
static Map *
found(Net *n)
{
	static const char key[] = "outputs of the last run";
	Map *m = map_get(graph_of(n)->meta, key);

	if (!m)
		map_set(graph_of(n)->meta, key, m = map_new(n->a));
	return m;
}

void
net_run(Net *n, const Tensor *in)
{
	size_t nio = 0;
	y12_tensor *io = NEWN(n->a, y12_tensor, net_outputs(n) + 8);
	Map *out = found(n);
	y12_io x;

	for (size_t i = 0; y12_entry_io(n->eng, n->entry, i, &x); i++) {
		if (!x.output && x.optional)
			continue;
		io[nio] = tensor_for(n, &x, x.output ? NULL : in->data);
		if (!x.output)
			memcpy(io[nio].dim, in->type.dim, sizeof(int64_t) * (size_t)in->type.rank);
		else
			map_set(out, x.name, &io[nio]);
		nio++;
	}
	if (y12_run(n->eng, n->entry, io, nio))
		fail_msg("%s", y12_message(n->eng));
}

void
net_interpret(Net *n, const Tensor *in)
{
	const Graph *g = graph_of(n);
	Tensor *out = NEWN(n->a, Tensor, g->output.n);
	const char *err;

	if (!program_interpret(n->c.program, n->entry, in, out, n->a, &err))
		fail_msg("%s", err);
	for (size_t i = 0; i < g->output.n; i++) {
		y12_tensor *t = NEW(n->a, y12_tensor);

		*t = (y12_tensor){ net_output_name(n, i), Y12_F32, out[i].type.rank, { 0 }, (void *)out[i].data };
		memcpy(t->dim, out[i].type.dim, sizeof(int64_t) * (size_t)t->rank);
		map_set(found(n), t->name, t);
	}
}

Tensor
net_output(Net *n, const char *name)
{
	const y12_tensor *t = map_get(found(n), name);
	Tensor x = { 0 };

	if (!t)
		fail_msg("there is no output %s", name);
	assert_int_equal(t->dtype, Y12_F32);
	x.type = type_of(DT_F32, t->rank, t->dim);
	x.data = t->data;
	return x;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static void
worse(double *most, double got, double want, double unit)
{
	double d = fabs(got - want) / unit;

	*most = isnan(d) ? INFINITY : fmax(*most, d);
}

double
like_table(const char *what, const Tensor *x, const json_t *want, double tol)
{
	const float *p = x->data;
	int64_t count = type_count(&x->type);
	json_t *shape = json_object_get(want, "shape"), *one;
	json_t *samples = json_object_get(want, json_object_get(want, "at") ? "at" : "samples");
	double l2 = json_number(want, "l2"), rms = l2 / sqrt((double)count);
	double sum = 0, square = 0, lo = INFINITY, hi = -INFINITY, off = 0, most = 0;
	size_t i;

	if (!want)
		fail_msg("there are no numbers for %s", what);
	assert_int_equal(json_array_size(shape), x->type.rank);
	json_array_foreach(shape, i, one)
		assert_int_equal(json_integer_value(one), x->type.dim[i]);
	for (int64_t k = 0; k < count; k++) {
		sum += (double)p[k];
		square += (double)p[k] * (double)p[k];
		lo = fmin(lo, (double)p[k]);
		hi = fmax(hi, (double)p[k]);
	}
	json_array_foreach(samples, i, one) {
		double d = (double)p[json_integer_value(json_array_get(one, 0))] - json_number_value(json_array_get(one, 1));

		off += d * d;
	}
	assert_true(json_array_size(samples) > 0);
	/* the samples' share of ||difference|| / ||x||; a sum of n errors of size e is n * e at most */
	worse(&most, sqrt(off / (double)json_array_size(samples)), 0, rms);
	worse(&most, sqrt(square), l2, l2);
	worse(&most, sum, json_number(want, "sum"), l2 * sqrt((double)count));
	if (json_object_get(want, "min")) {
		double top = fmax(fabs(json_number(want, "min")), fabs(json_number(want, "max")));

		worse(&most, lo, json_number(want, "min"), top);
		worse(&most, hi, json_number(want, "max"), top);
	}
	if (!(most <= tol))
		fail_msg("%s is %.3g off, %.3g is allowed: sum %.10g, l2 %.10g, %.9g to %.9g", what, most, tol, sum,
		         sqrt(square), lo, hi);
	return most;
}

void
output_distance(const Tensor *got, const Tensor *want, double *box, double *score)
{
	const float *p = got->data, *q = want->data;
	int64_t anchors = got->type.dim[2];

	assert_int_equal(got->type.rank, 3);
	assert_int_equal(want->type.rank, 3);
	assert_memory_equal(got->type.dim, want->type.dim, sizeof(int64_t) * 3);
	*box = *score = 0;
	for (int64_t i = 0; i < type_count(&got->type); i++)
		worse(i < 4 * anchors ? box : score, (double)p[i], (double)q[i], 1);
}

double
relative_l2(const Tensor *got, const Tensor *want)
{
	double off = 0, whole = 0;

	assert_int_equal(type_count(&got->type), type_count(&want->type));
	for (int64_t i = 0; i < type_count(&got->type); i++) {
		double x = dtype_get(got->type.dt, got->data, (size_t)i), y = dtype_get(want->type.dt, want->data, (size_t)i);

		off += (x - y) * (x - y);
		whole += y * y;
	}
	return sqrt(off / whole);
}
