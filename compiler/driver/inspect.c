/* inspect.c -- `yolo12c inspect`: what is in a file of weights, or in an engine.
 *
 * An engine is opened by the runtime first, which refuses a damaged one; code for another
 * machine is no obstacle to looking.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <jansson.h>

#include "driver/stage.h"
#include "driver/verb.h"
#include "runtime/yolo12c.h"

/* ---- engines --------------------------------------------------------------------------- */

static void
print_engine(Arena *a, const char *path, size_t bytes, const EngineView *v)
{
	const Program *p = v->program;

	printf("%s: engine, format %d, %.2f MB\n\n", path, v->version, 1e-6 * (double)bytes);
	for (size_t i = 0; i < map_count(p->meta); i++)
		printf("%-12s %s\n", map_key(p->meta, i), (const char *)map_value(p->meta, i));
	printf("%-12s %.2f MB arena, %.2f MB constants\n", "memory", 1e-6 * (double)p->arena_bytes, 1e-6 * (double)p->const_bytes);
	for (size_t i = 0; i < v->code.n; i++)
		printf("%-12s %s, %.1f kB\n", i ? "" : "code", v->code.p[i].target, 1e-3 * (double)v->code.p[i].bytes);
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];

		printf("\nentry %s: %zu launches\n", e->name, e->launch.n);
		for (size_t k = 0; k < e->tensor.n; k++) {
			const ProgTensor *t = &e->tensor.p[k];

			printf("  %-7s %-12s %s%s\n", t->output ? "output" : "input", t->name, type_text(a, &t->type),
			       !t->output && t->offset >= 0 ? "  optional" : "");
		}
		printf("\n  %4s  %-5s %-28s %-12s %s\n", "", "phase", "kernel", "tasks", "layer");
		for (size_t k = 0; k < e->launch.n; k++) {
			const ProgLaunch *l = &e->launch.p[k];
			const Kernel *n = p->kernel.p[l->kernel];

			printf("  %4zu  %-5s %-28s %-12s %s\n", k, phase_name[l->phase], n->name,
			       arena_printf(a, "%d %d %d", n->grid[0], n->grid[1], n->grid[2]), l->layer);
		}
	}
}

static json_t *
json_tensor(const ProgTensor *t)
{
	json_t *shape = json_array();

	for (int i = 0; i < t->type.rank; i++)
		json_array_append_new(shape, json_integer(t->type.dim[i]));
	return json_pack("{s:s, s:s, s:o, s:b, s:b}", "name", t->name, "dtype", dtype_info[t->type.dt].name, "shape", shape,
	                 "output", t->output, "optional", !t->output && t->offset >= 0);
}

static void
print_engine_json(const char *path, size_t bytes, const EngineView *v)
{
	const Program *p = v->program;
	json_t *meta = json_object(), *entries = json_array(), *codes = json_array(), *o;

	for (size_t i = 0; i < map_count(p->meta); i++)
		json_object_set_new(meta, map_key(p->meta, i), json_string(map_value(p->meta, i)));
	for (size_t i = 0; i < v->code.n; i++)
		json_array_append_new(codes, json_pack("{s:s, s:I}", "target", v->code.p[i].target, "bytes", (json_int_t)v->code.p[i].bytes));
	for (size_t i = 0; i < p->entry.n; i++) {
		const ProgEntry *e = &p->entry.p[i];
		json_t *tensors = json_array(), *launches = json_array();

		for (size_t k = 0; k < e->tensor.n; k++)
			json_array_append_new(tensors, json_tensor(&e->tensor.p[k]));
		for (size_t k = 0; k < e->launch.n; k++) {
			const ProgLaunch *l = &e->launch.p[k];
			const Kernel *n = p->kernel.p[l->kernel];

			json_array_append_new(launches, json_pack("{s:s, s:s, s:s, s:[i,i,i]}", "kernel", n->name, "phase", phase_name[l->phase],
			                                          "layer", l->layer, "grid", n->grid[0], n->grid[1], n->grid[2]));
		}
		json_array_append_new(entries, json_pack("{s:s, s:o, s:o}", "name", e->name, "tensors", tensors, "launches", launches));
	}
	o = json_pack("{s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:o}", "file", path, "version", v->version, "bytes", (json_int_t)bytes,
	              "arena_bytes", (json_int_t)p->arena_bytes, "const_bytes", (json_int_t)p->const_bytes,
	              "meta", meta, "code", codes, "entries", entries);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static void
inspect_engine(const Options *o, Diag *d, const char *path)
{
	y12_engine *eng = NULL;
	y12_status st = y12_engine_open(path, &(y12_options){ .threads = 1 }, &eng);
	const char *err = NULL;
	const void *image = NULL;
	size_t n = 0;

	if (st != Y12_OK && st != Y12_NODEVICE && st != Y12_NOMEMORY)
		diag_error(d, (Span){ 0 }, "engine", "%s: %s", path, y12_message(eng));
	else if (!(image = file_map(o->a, path, &n, &err)) || (err = engine_damage(image, n)))
		diag_error(d, (Span){ 0 }, "file", "%s: %s", path, err);
	else if (o->json)
		print_engine_json(path, n, engine_view(o->a, image));
	else
		print_engine(o->a, path, n, engine_view(o->a, image));
	file_unmap(image, n);
	y12_engine_close(eng);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static void
inspect_weights(const Options *o, Diag *d, const char *path)
{
	Weights *w = weights_open(o->a, path, d);

	if (w && o->json)
		weights_print_json(stdout, w);
	else if (w)
		weights_print(stdout, w);
	weights_close(w);
}

int
verb_inspect(const Options *o)
{
	Diag *d = diag_new(o->a);
	const char *err = NULL;
	const void *p;
	size_t n;

	if (!o->noperand)
		return verb_usage(o, "which file? write: yolo12c inspect FILE");
	if (!(p = file_map(o->a, o->operand[0], &n, &err))) {
		diag_error(d, (Span){ 0 }, "file", "%s", err);
		return verb_end(d);
	}

	StageKind kind = stage_kind(p, n);

	file_unmap(p, n);
	if (kind == STAGE_ENGINE)
		inspect_engine(o, d, o->operand[0]);
	else if (kind == STAGE_GRAPH || kind == STAGE_PROGRAM)
		diag_error(d, (Span){ 0 }, "file-kind", "%s is %s: it can be read as it is", o->operand[0], stage_kind_name[kind]);
	else
		inspect_weights(o, d, o->operand[0]);   /* which says what is wrong with anything else */
	return verb_end(d);
}
